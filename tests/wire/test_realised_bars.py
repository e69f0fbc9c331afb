"""The bars that realised volatility is made of, as a gateway tells them: enough of them, and broken ones as such."""

from collections.abc import Callable
from datetime import UTC, datetime
from math import isclose, log, sqrt

import pytest
from ib_fake_tws import Fields, fake_tws
from ib_session import DAY, SPX, connected, gateway, play, run

from rulebot.compile.plan import Call, Expiry, Quantity
from rulebot.measure.reading import Context, Reading, UnknownValue
from rulebot.measure.view import View
from rulebot.measures.realised import rv
from rulebot.measures.registry import series_of
from rulebot.model.facts import Bar, Bars, Facts
from rulebot.model.market import Board
from rulebot.model.session import Session, exchange_date, session_before, session_from
from rulebot.spec.nouns import DteRule

CONTEXT = Context(symbols=("SPX",), classes={}, expiry=Expiry(rule=DteRule.EXACT, days=(0,), path=()))
DETAILS = "10|{}|SPX|IND||0||CBOE|USD|SPX|IND|IND|416904|0.01|100"


def call(estimator: str, window: int) -> Call:
    return Call("rv", (("estimator", estimator), ("of", "SPX"), ("window", window)), Quantity.PERCENT)


def reading(estimator: str, window: int, bars: Bars, session: Session) -> Reading:
    """Return what a rule of this session reads of such bars."""
    ((series, _),) = series_of(call(estimator, window)).items()
    facts = Facts(bars={series: bars})
    view = View(now=session.open.timestamp() + 3600.0, session=session, board=Board(), facts=facts)
    return rv(call(estimator, window), CONTEXT)(view)


@pytest.mark.parametrize("window", [1, 20, 40])
def test_the_gateway_reports_all_that_moves_of_five_minutes_are_made_of(window: int) -> None:
    """Before the open, and within the session, whose bars come with those that are asked for."""
    session = session_from(DAY)
    ((_, count),) = series_of(call("intraday", window)).items()

    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            early = await world.feed.bars("SPX", 300, count, session)
            before = reading("intraday", window, early, session)
            assert isinstance(before, float)
            assert 1.0 < before < 100.0
            world.feed.watch([SPX])
            await play(world, 1000)
            late = await world.feed.bars("SPX", 300, count, session)
            assert late.bars[-1].at > session.open.timestamp()
            assert reading("intraday", window, late, session) == before
            earlier = session
            for _ in range(window):
                earlier = session_before(earlier.date)
                own = [bar for bar in early.bars if exchange_date(datetime.fromtimestamp(bar.at, UTC)) == earlier.date]
                assert len(own) == earlier.minutes // 5

    run(scenario())


@pytest.mark.parametrize("estimator", ["parkinson", "yang_zhang"])
def test_the_gateway_reports_all_that_daily_estimators_are_made_of(estimator: str) -> None:
    session = session_from(DAY)
    ((_, count),) = series_of(call(estimator, 20)).items()

    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            found = await world.feed.bars("SPX", 86400, count, session)
            assert len(found.bars) == count
            value = reading(estimator, 20, found, session)
            assert isinstance(value, float)
            assert 1.0 < value < 100.0

    run(scenario())


Row = tuple[object, ...]


def row(bar: Bar) -> Row:
    return (f"{datetime.fromtimestamp(bar.at, UTC):%Y%m%d}", *bar[1:5], 0, 0, 1)


def bars_before(session: Session, count: int) -> list[Bar]:
    found = []
    for _ in range(count):
        session = session_before(session.date)
        found.append(Bar(session.open.timestamp(), 100.5, 101.0, 100.0, 100.5, 0.0, 0.0))
    return found[::-1]


BROKEN: dict[str, tuple[Callable[[Row], Row | None], str]] = {
    "no open": (lambda each: (each[0], "", *each[2:]), "the daily bar of 2025-11-20 has no price as its open"),
    "no high": (lambda each: (*each[:2], -1, *each[3:]), "the daily bar of 2025-11-20 has no price as its high"),
    "no number": (lambda each: (*each[:3], "nan", *each[4:]), "the daily bar of 2025-11-20 has no price as its low"),
    "zero": (lambda each: (*each[:3], 0, *each[4:]), "the daily bar of 2025-11-20 has no price as its low"),
    "inverted": (
        lambda each: (*each[:2], 99, *each[3:]),
        "the daily bar of 2025-11-20 has its high, 99, below its low",
    ),
    "no close": (lambda each: (*each[:4], -1, *each[5:]), "the daily bar of 2025-11-20 is missing"),
    "missing": (lambda each: None, "the daily bar of 2025-11-20 is missing"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_bar_makes_it_unknown(broken: str) -> None:
    change, words = BROKEN[broken]
    session = session_from(DAY)
    rows = list(map(row, bars_before(session, 30)))
    place = next(at for at, each in enumerate(rows) if each[0] == "20251120")
    changed = change(rows[place])
    bad = [*rows[:place], *([] if changed is None else [changed]), *rows[place + 1 :]]

    def answers(reported: list[Row]) -> dict[str, Callable[[Fields], list[Row]]]:
        flat = [value for each in reported for value in each]
        return {
            "9": lambda fields: [tuple(DETAILS.format(fields[2]).split("|")), (52, 1, fields[2])],
            "20": lambda fields: [(17, fields[1], "", "", len(reported), *flat)],
        }

    async def reported(which: list[Row]) -> Bars:
        async with fake_tws(answers=answers(which)) as fake, connected(fake.port, lockstep=False) as (world, _):
            world.feed._time = _At(session)  # type: ignore[assignment]
            return await world.feed.bars("SPX", 86400, 25, session)

    async def scenario() -> None:
        sound, flawed = await reported(rows), await reported(bad)
        value = reading("parkinson", 20, sound, session)
        assert isinstance(value, float)
        assert isclose(value, log(1.01) / sqrt(4 * log(2)) * sqrt(252) * 100)
        found = reading("parkinson", 20, flawed, session)
        assert isinstance(found, UnknownValue)
        assert found.reason.startswith(f"SPX: {words}")

    run(scenario())


class _At:
    """A clock that stands before the open."""

    def __init__(self, session: Session) -> None:
        self.now = session.open
