"""What several positions could lose at expiry together, and the cash that uncovered short puts need."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hand_desk import call, put

from engine.model.payoff import Way, cash_for_puts, worst_together

LATER = date(2027, 2, 19)


def spread(short: int, long: int, credit: int, *, of_calls: bool = False) -> Way:
    """Return a spread sold for so many dollars."""
    option = call if of_calls else put
    return (option(short), -1, Decimal(credit)), (option(long), 1, Decimal(0))


PUTS = spread(5950, 5940, 200)
CALLS = spread(6050, 6060, 150, of_calls=True)
LOWER = spread(5900, 5880, 100)
LONG_PUT: Way = ((put(5950), 1, Decimal(-300)),)


@pytest.mark.parametrize(
    ("positions", "dollars"),
    [
        ([], 0),
        ([PUTS], 800),
        ([PUTS, PUTS], 1600),
        ([PUTS, CALLS], 850),
        ([PUTS, LOWER], 2700),
        ([LONG_PUT], 300),
        ([PUTS, LONG_PUT], 800),
        ([LONG_PUT, CALLS], 1150),
    ],
    ids=["none", "one", "two", "sides", "stacked", "long", "gain_counts_nothing", "long_and_calls"],
)
def test_losses_at_one_price_are_added(positions: list[Way], dollars: int) -> None:
    assert worst_together([[way] for way in positions]) == dollars


def test_other_last_days_classes_and_underlyings_are_added_each_at_its_worst() -> None:
    def moved(way: Way, **changes: object) -> Way:
        return tuple((replace(option, **changes), count, cash) for option, count, cash in way)  # type: ignore[arg-type]

    for changes in ({"expiry": LATER}, {"trading_class": "SPX"}, {"symbol": "SPY", "trading_class": "SPY"}):
        assert worst_together([[PUTS], [moved(CALLS, **changes)]]) == 800 + 850


def test_a_long_leg_that_ends_later_covers_and_one_that_ends_sooner_does_not() -> None:
    calendar: Way = ((put(100, "SPY"), -1, Decimal(200)), (put(100, "SPY", LATER), 1, Decimal(-500)))
    assert worst_together([[calendar]]) == 500 - 200
    diagonal: Way = ((put(100, "SPY"), -1, Decimal(200)), (put(90, "SPY", LATER), 1, Decimal(-100)))
    assert worst_together([[diagonal]]) == 1000 - 200 + 100
    reverse: Way = ((put(100, "SPY", LATER), -1, Decimal(500)), (put(100, "SPY"), 1, Decimal(-200)))
    assert worst_together([[reverse]]) == 10000 - 500 + 200


def test_short_calls_that_nothing_covers_have_no_bound() -> None:
    naked: Way = ((call(6050), -1, Decimal(500)),)
    cover: Way = ((call(6050), 1, Decimal(-500)),)
    assert worst_together([[naked]]) is None
    assert worst_together([[naked], [cover]]) is None
    assert worst_together([[(*naked, *cover)]]) == 0


def test_of_two_ways_the_one_that_loses_more_counts_at_each_price() -> None:
    half: Way = tuple((option, count * 2, cash * 2) for option, count, cash in PUTS)
    assert worst_together([[PUTS, half]]) == 1600
    assert worst_together([[PUTS, CALLS]]) == 850


@pytest.mark.parametrize(
    ("way", "dollars"),
    [
        (((put(590, "SPY"), -2, Decimal(0)),), 118000),
        (PUTS, 0),
        (CALLS, 0),
        (((put(590, "SPY"), -3, Decimal(0)), (put(580, "SPY"), 1, Decimal(0))), 118000),
        (
            ((put(590, "SPY"), -1, Decimal(0)), (put(585, "SPY"), -1, Decimal(0)), (put(580, "SPY"), 1, Decimal(0))),
            59000,
        ),
        (((put(590, "SPY"), -1, Decimal(0)), (put(580, "SPY", LATER), 1, Decimal(0))), 59000),
        (((put(590, "SPY"), 0, Decimal(0)),), 0),
    ],
)
def test_cash_for_short_puts(way: Way, dollars: int) -> None:
    assert cash_for_puts(way) == dollars
