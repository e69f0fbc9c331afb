"""Quotes that are made ahead are those of their instants, whatever was asked for before."""

from datetime import timedelta

import numpy as np
import pytest

from twsim.market.load import load_market_file
from twsim.market.market import SimMarket
from twsim.market.quote_engine import QuoteEngine
from twsim.market.session import MOST_STEPS
from twsim.seams import TickValues

from .market_day import DAY, chain, near, spot_of

SPX, SPY = 416904, 756733
REGULAR = [780 + 5 * number for number in range(60)]
"""Seconds after the open, from before a dislocation of 09:44 on."""
STEPS = [*REGULAR[:24], 897, 898, 903, 908, 913, 913, 3600, 23_380, 23_385, 23_390, 23_395, 23_399]


def market_of(scenario: str) -> SimMarket:
    return SimMarket(seed=7, date=DAY, scenario=load_market_file(scenario))


def at(market: SimMarket, second: int) -> SimMarket:
    market.advance(market._tape.session.open + timedelta(seconds=second))
    return market


def contracts(market: SimMarket) -> tuple[int, ...]:
    """Return underlyings, same-day options on both, and puts that it may pay to exercise early."""
    found = [SPX, SPY]
    for con_id, symbol, day, name in ((SPX, "SPX", "20261021", "SPXW"), (SPY, "SPY", "20261120", "SPY")):
        options = chain(market, symbol, day, name)
        is_near = near(options, spot_of(market, con_id), 0.01)
        found += [each.con_id for each, wanted in zip(options, is_near, strict=True) if wanted]
    return tuple(found)


def same(one: TickValues, other: TickValues) -> bool:
    return all(np.array_equal(*pair, equal_nan=True) for pair in zip(one, other, strict=True))


@pytest.mark.parametrize("scenario", ["calm", "dislocation"])
def test_each_step_is_quoted_as_an_instant_that_is_asked_for_alone(scenario: str) -> None:
    market = at(market_of(scenario), 770)
    asked = contracts(market)
    assert len(asked) > 30
    for second in STEPS:
        assert same(at(market, second).ticks(asked), at(market_of(scenario), second).ticks(asked)), second


def test_regular_steps_are_priced_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    priced: list[int] = []
    price = QuoteEngine.price

    def counting(desk: QuoteEngine, layout, rows, group):
        priced.append(len(rows))
        return price(desk, layout, rows, group)

    market = at(market_of("calm"), 770)
    asked = contracts(market)[:12]
    monkeypatch.setattr(QuoteEngine, "price", counting)
    for second in REGULAR:
        at(market, second).ticks(asked)
    assert len(priced) < len(REGULAR) / 8
    assert max(priced) == MOST_STEPS
