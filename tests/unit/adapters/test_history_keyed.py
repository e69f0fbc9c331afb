"""Options of a file that are keys until somebody asks for one."""

import pickle
from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from rulebot.adapters.history.lazy_chain import HIGHEST_STRIKE, KeyedChain, KeyedDay, option_keys
from rulebot.adapters.history.parity import near_pairs, terms_of
from rulebot.adapters.history.session import HistoryDay
from rulebot.model.contract import Option, Right, listed, share

FRIDAY, LATER = date(2019, 5, 24), date(2019, 6, 20)
NOTHING = np.empty((0, 0))
OPTIONS = tuple(
    Option("SPX", trading_class, expiry, strike, right)
    for trading_class, expiry in (("SPXW", LATER), ("SPX", LATER), ("SPXW", FRIDAY))
    for right in (Right.PUT, Right.CALL)
    for strike in (Decimal("2812.5"), Decimal(2800), Decimal(2825))
)


def chain_of(options: tuple[Option, ...]) -> KeyedChain:
    classes = ("SPXW", "SPX", "XSP")
    numbers = option_keys(
        np.array([classes.index(each.trading_class) for each in options], dtype=np.int64),
        np.array([each.expiry.toordinal() for each in options], dtype=np.int64),
        np.array([each.right is Right.CALL for each in options], dtype=np.bool_),
        np.array([float(each.strike) for each in options]),
    )
    return KeyedChain(numbers, "SPX", classes)


def day_of(chain: KeyedChain) -> KeyedDay:
    return KeyedDay(chain, date=FRIDAY, times=np.empty(0), levels={}, bid=NOTHING, ask=NOTHING)


def test_a_session_reports_of_its_options_what_it_would_if_they_were_all_made() -> None:
    day = day_of(chain_of(OPTIONS))
    plain = replace(day)
    assert type(plain) is HistoryDay
    assert day.options == plain.options == OPTIONS
    assert dict(day.places()) == plain.places()
    assert day.classes() == plain.classes() == {("SPX", "SPX"), ("SPX", "SPXW")}
    for symbol in ("SPX", "SPY"):
        for trading_class in ("SPX", "SPXW", "XSP", "SPY"):
            assert list(day.expiries(symbol, trading_class)) == plain.expiries(symbol, trading_class)
            for expiry in (FRIDAY, LATER, date(2019, 6, 21)):
                found = day.strikes(symbol, trading_class, expiry)
                assert list(found) == plain.strikes(symbol, trading_class, expiry)
                assert [str(each) for each in found] in ([], ["2800", "2812.5", "2825"])


def test_another_process_gets_a_session_with_options_of_its_own() -> None:
    day = pickle.loads(pickle.dumps(day_of(chain_of(OPTIONS))))
    assert (type(day), day.options) == (HistoryDay, OPTIONS)


@pytest.mark.parametrize(
    "change",
    [
        {"symbol": "SPY"},
        {"trading_class": "XSP"},
        {"trading_class": "SPY"},
        {"expiry": date(2019, 6, 21)},
        {"multiplier": 10},
        {"strike": Decimal(2801)},
        {"strike": Decimal("2800.0004")},
        {"strike": Decimal("2800.001") + Decimal(str(HIGHEST_STRIKE))},
    ],
)
def test_an_option_that_a_session_has_not_has_no_place(change: dict[str, object]) -> None:
    """Of the last two one has the key of the put at 2800, and one that of the call."""
    places = chain_of(OPTIONS)
    other = replace(OPTIONS[1], **change)  # type: ignore[arg-type]
    assert other not in places
    assert places.get(other) is None
    assert share("SPX") not in places
    assert places[replace(OPTIONS[4], con_id=7)] == 4


def test_no_option_is_made_that_nobody_asks_for() -> None:
    listed.cache_clear()
    day = day_of(chain_of(OPTIONS))
    assert day.places().get(OPTIONS[7]) == 7
    day.strikes("SPX", "SPXW", FRIDAY)
    day.classes()
    assert listed.cache_info().currsize == 0


def test_pairs_are_those_of_the_nearest_expiry_by_keys_and_by_options() -> None:
    """Of two classes that end on one day those of the first name, in whatever order a file has them."""
    level = np.array([2810.0])
    for options, strikes, calls, puts in (
        (OPTIONS, [2800.0, 2812.5, 2825.0], [16, 15, 17], [13, 12, 14]),
        (OPTIONS[:12], [2800.0, 2812.5, 2825.0], [10, 9, 11], [7, 6, 8]),
        (OPTIONS[3:13], [2800.0, 2812.5, 2825.0], [7, 6, 8], [4, 3, 5]),
        (OPTIONS[:3], [], [], []),
        ((), [], [], []),
    ):
        for terms in (chain_of(options).terms(), terms_of(options)):
            found = near_pairs(terms, level)
            assert [each.tolist() for each in found] == [strikes, calls, puts]
    assert not len(near_pairs(terms_of(OPTIONS), level * 2).strike)
    assert not len(near_pairs(terms_of(OPTIONS), np.array([np.nan])).strike)
