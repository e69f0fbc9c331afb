"""Levels written for a test: they are read back as near as is said, and exactly where it matters."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import nan
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rulebot.model.black import delta, price, years_until
from rulebot.model.contract import Option, Right
from rulebot.model.market import Board
from rulebot.model.session import session_on
from rulebot.replay.as_test import MOST, RecordedMoment, _expected, series_text
from rulebot.replay.as_test_market import MINUTE, By, OptionSeen, SmileSeen, Watch, fitted, of_opening_move, seen_smile
from rulebot.replay.replay import Replayed
from rulebot.spec.load import load_text
from rulebot.spec.spec_test_nouns import series
from rulebot.spec_tests.market import LEAST, Market
from rulebot.spec_tests.outcome import Outcome
from tests.store_day import position

DAY = date(2026, 10, 21)
LEVELS = st.lists(st.one_of(st.just(nan), st.integers(10, 999_999).map(lambda n: n / 100)), min_size=1, max_size=391)


@given(LEVELS, st.sets(st.integers(0, 390), max_size=10))
@settings(max_examples=150)
def test_what_is_written_is_read_back_as_near_as_is_said(levels: list[float], exact: set[int]) -> None:
    reported = series_text(levels, exact)
    found = series(reported.text)
    assert len(reported.text) <= MOST or reported.apart > 1_000_000
    for minute, level in enumerate(levels):
        if level == level:
            allowed = 0.0 if minute in exact else reported.apart
            assert found.at(minute) == pytest.approx(level, abs=allowed + 1e-6), minute
        elif minute and any(each == each for each in levels):
            assert found.at(minute) != found.at(minute), minute


def test_a_quiet_day_is_short() -> None:
    assert series_text([6000.0] * 61 + [6000.2, 6000.4, 6000.4], ()) == ("6000 +0x60 +0.2x2 +0x1", 0.0)
    assert series_text([nan, nan], ()).text == "unknown"


def test_the_volatility_is_that_of_the_deltas_that_were_reported() -> None:
    session = session_on(DAY)
    assert session is not None
    put = Option("SPX", "SPXW", DAY, Decimal(5950), Right.PUT)
    now = session.open.timestamp()
    slope = delta(6000.0, 5950.0, years_until(DAY, now) or 0.0, 0.20, False)
    found = fitted(session, "SPX", (), (put,), [{put: OptionSeen(nan, slope)}, {}], [6000.0, 6001.0], 0.12)
    assert found == pytest.approx([0.20, 0.20], rel=0.02)
    assert fitted(session, "SPX", (), (put,), [{}], [6000.0], 0.12) == [0.12]


def test_the_open_is_priced_by_the_move_that_was_expected() -> None:
    session = session_on(DAY)
    assert session is not None
    years = years_until(DAY, session.open.timestamp()) or 0.0
    straddle = sum(price(6000.0, 6000.0, years, 0.15, call) for call in (True, False))
    found = of_opening_move(straddle * (3.141592653589793 / 2) ** 0.5, DAY, session, 6000.0)
    assert found == pytest.approx(0.15, rel=1e-3)
    assert of_opening_move(30.0, DAY, session, nan) is None


# ---------------------------------------------------------------- smiles

MOMENT = datetime(2026, 10, 21, 14, 30, tzinfo=UTC)
LEVEL, YEARS = 6003.17, years_until(DAY, MOMENT.timestamp()) or 0.0
STRIKES = tuple(range(5900, 6105, 5))


def volatility(strike: float) -> float:
    """A smile with a bend that no straight line has."""
    away = (strike / LEVEL - 1.0) * 100.0
    return 0.12 + 0.03 * away * away - 0.02 * away


def options(strikes: tuple[int, ...] = STRIKES) -> dict[Option, OptionSeen]:
    """Return puts below the level and calls above it, and both near it, as somebody quoted them."""
    found = {}
    for strike in strikes:
        for right in Right:
            is_call = right is Right.CALL
            if abs(strike - LEVEL) > 20 and (strike > LEVEL) is not is_call:
                continue
            at = (LEVEL, float(strike), YEARS, volatility(strike), is_call)
            found[Option("SPX", "SPXW", DAY, Decimal(strike), right)] = OptionSeen(price(*at), delta(*at))
    return found


def market_of(seen: SmileSeen) -> Market:
    """Return the market of a test that says so."""
    points = dict(zip(seen.smile.distances, seen.smile.points, strict=True))
    reported = ", ".join(f'"{each:g}%": {points[each]:g}' for each in points)
    text = "rulebot_test: 1\nspec: a.yaml\ntests:\n  - name: a\n    expect: [{exits: stop}]\n"
    text += f"    market: {{spx: {LEVEL}, iv: {seen.iv}%, smile: {{spx: {{{reported}}}}}}}\n"
    loaded = load_text(text, "a.test.yaml")
    assert loaded.tests is not None, loaded.diagnostics
    session = session_on(DAY)
    assert session is not None
    market = Market(loaded.tests.trials[0].market, session, Board())
    market.minute = market.minute_of(MOMENT)
    return market


def test_a_smile_of_quotes_gives_them_back_at_every_strike() -> None:
    quotes = options()
    seen = seen_smile(quotes, "SPX", DAY, (), LEVEL, MOMENT.timestamp(), 60, By.MID)
    assert seen is not None
    assert seen.iv == pytest.approx(12.0, abs=0.3)
    market = market_of(seen)
    for option, reported in quotes.items():
        assert max(reported.mid, LEAST) == pytest.approx(market.worth(option, MOMENT), abs=0.02), option


def test_a_smile_of_deltas_gives_those_back_out_of_the_money() -> None:
    """The deltas are another model's: no quote has them, and the strikes that a bot chooses follow from them."""
    quotes = {each: OptionSeen(reported.mid, reported.delta * 0.8) for each, reported in options().items()}
    seen = seen_smile(quotes, "SPX", DAY, (), LEVEL, MOMENT.timestamp(), 60, By.DELTA)
    assert seen is not None
    market = market_of(seen)
    checked = 0
    for option, reported in quotes.items():
        if 0.03 < abs(reported.delta) < 0.3:
            found = delta(LEVEL, float(option.strike), YEARS, market.volatility_of(option), option.right is Right.CALL)
            assert found == pytest.approx(reported.delta, abs=0.003), option
            checked += 1
    assert checked > 10


def test_of_two_options_at_a_strike_the_one_that_was_traded_counts() -> None:
    quotes = options()
    call = Option("SPX", "SPXW", DAY, Decimal(5985), Right.CALL)
    at = (LEVEL, 5985.0, YEARS, 0.30, True)
    quotes[call] = OptionSeen(price(*at), delta(*at))
    usual, own = (
        seen_smile(quotes, "SPX", DAY, traded, LEVEL, MOMENT.timestamp(), 60, By.MID) for traded in ((), (call,))
    )
    assert usual is not None
    assert own is not None
    assert market_of(usual).volatility_of(call) == pytest.approx(volatility(5985), abs=0.001)
    assert market_of(own).volatility_of(call) == pytest.approx(0.30, abs=0.001)


def test_two_strikes_are_no_smile() -> None:
    quotes = options((5950, 6050))
    assert seen_smile(quotes, "SPX", DAY, (), LEVEL, MOMENT.timestamp(), 60, By.MID) is None
    assert seen_smile(options(), "SPX", date(2026, 10, 22), (), LEVEL, MOMENT.timestamp(), 60, By.MID) is None
    assert seen_smile(options(), "SPX", DAY, (), nan, MOMENT.timestamp(), 60, By.MID) is None


def test_strikes_on_a_line_between_others_are_left_out() -> None:
    flat = {
        each: OptionSeen(price(LEVEL, float(each.strike), YEARS, 0.2, each.right is Right.CALL), nan)
        for each in options()
    }
    seen = seen_smile(flat, "SPX", DAY, (), LEVEL, MOMENT.timestamp(), 60, By.MID)
    assert seen is not None
    assert (seen.iv, seen.smile.points) == (20.0, (0.0, 0.0, 0.0))


def test_a_recording_that_ends_within_the_minute_has_the_bot_in_what_it_was_then() -> None:
    held = position("open", entries=True, exits=False)
    found = SimpleNamespace(
        state=SimpleNamespace(positions=SimpleNamespace(by_id={held.id: held}), market=SimpleNamespace(board=Board()))
    )
    at = datetime(2026, 10, 21, 14, 30, tzinfo=UTC)
    watch = Watch(bot=held.bot, at=at, symbols=())
    assert watch.state_after(cast(Replayed, found)) == "open"
    watch.see(cast(Replayed, found), at + MINUTE)
    assert (
        watch.state_after(cast(Replayed, SimpleNamespace(state=SimpleNamespace(positions=SimpleNamespace(by_id={})))))
        == "open"
    )


@pytest.mark.parametrize("state", ["entering", "exiting"])
def test_a_moment_at_which_an_order_was_sent_that_fills_later_expects_its_state(state: str) -> None:
    """Nothing was expected of it, and no test could be written: of an entry that took longer than its minute."""
    at, session = datetime(2026, 10, 21, 14, 0, tzinfo=UTC), session_on(date(2026, 10, 21))
    assert session is not None
    nothing = cast(Outcome, SimpleNamespace(happenings=()))
    sent = (at + timedelta(seconds=25),)
    of: dict[str, Any] = {
        "session": session,
        "at": at,
        "markets": (),
        "outcome": nothing,
        "truths": {"vix": True},
        "notes": (),
    }
    seen = RecordedMoment(**of, orders=sent, state=state)
    assert [each.text for each in _expected(seen)] == [f'{{at: "10:00", state: {state}}}']
    quiet = [each.text for each in _expected(RecordedMoment(**of, orders=(), state=state))]
    assert quiet == ['{at: "10:00", orders: none}']
