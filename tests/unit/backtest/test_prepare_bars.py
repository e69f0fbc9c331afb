"""Daily bars and volatilities of a year: asked for once a session, and again only when a new bot needs more."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from hand_desk import DAY, Desk, bot_of, clock, text_of

from rulebot.backtest.load_session_data import NOTHING_KNOWN, Lacking, prepare
from rulebot.core.program import AccountLimits, Program
from rulebot.model.errors import UnavailableError
from rulebot.model.event import BarsReport, ClosesReport, Event, HoursReport, ImpliedReport, OpeningMoveReport
from rulebot.model.facts import Bar, Bars, Facts, Listing
from rulebot.model.session import Hours, Session, as_reported, session_after, session_from, session_on


class Answers:
    """A feed that has everything; asked: what it was asked for."""

    def __init__(self, hours: Hours | None = None) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self._hours = hours

    async def listing(self, symbol: str, trading_class: str) -> Listing:
        return Listing(symbol, trading_class, ())

    async def bars(self, symbol: str, seconds: int, count: int, session: Session) -> Bars:
        self.asked.append((symbol, seconds, count))
        return Bars(0.0, tuple(Bar(float(at), *[1.0] * 6) for at in range(count)))

    async def implied(self, symbol: str, sessions: int) -> tuple[float, ...]:
        self.asked.append((symbol, sessions))
        return (0.2,) * sessions

    async def hours(self, symbol: str, session: Session) -> Hours | None:
        return self._hours


def program(*conditions: str) -> Program:
    when = "".join(f"    - {each}\n" for each in conditions)
    bot = bot_of(text_of(entry=f'\n  at: "10:00"\n  when:\n{when}'))
    return Program(bots={"spread": bot}, pinned={}, limits=AccountLimits(), install="test")


def reported(
    asking: Program, feed: Answers, known: Facts = NOTHING_KNOWN, lacks: Lacking | None = None
) -> list[BarsReport | ImpliedReport | ClosesReport | OpeningMoveReport]:
    now = clock("08:30")
    session = session_on(now.date())
    assert session is not None

    async def ask() -> list[Event]:
        return [event async for event in prepare(asking, feed, session, now, known, lacks=lacks)]  # type: ignore[arg-type]

    return [
        e for e in asyncio.run(ask()) if isinstance(e, BarsReport | ImpliedReport | ClosesReport | OpeningMoveReport)
    ]


@pytest.mark.parametrize(
    ("closes", "known", "is_reported"),
    [("13:00", False, True), ("16:00", False, False), ("16:00", True, True), ("16:15", False, False)],
)
def test_hours_are_reported_where_the_broker_has_less_than_the_calendar_or_takes_it_back(
    closes: str, known: bool, is_reported: bool
) -> None:
    hours = Hours(DAY, clock("09:30"), clock(closes))
    before = Facts(hours={"SPX": Hours(DAY)}) if known else NOTHING_KNOWN

    async def ask() -> list[Event]:
        asking = prepare(program("vix: {below: 30}"), Answers(hours), session_on(DAY), clock("08:30"), before)  # type: ignore[arg-type]
        return [event async for event in asking if isinstance(event, HoursReport)]

    assert asyncio.run(ask()) == ([HoursReport(clock("08:30"), "SPX", hours)] if is_reported else [])


def test_hours_are_held_against_the_calendar_and_not_against_a_day_that_is_short_already() -> None:
    """Of two underlyings that close early, one that is taken back leaves the other's early close."""
    hours = Hours(DAY, clock("09:30"), clock("13:00"))
    session = as_reported(session_from(DAY), [hours])

    async def ask() -> list[Event]:
        asking = prepare(program("vix: {below: 30}"), Answers(hours), session, clock("08:30"))  # type: ignore[arg-type]
        return [event async for event in asking if isinstance(event, HoursReport)]

    assert asyncio.run(ask()) == [HoursReport(clock("08:30"), "SPX", hours)]


def test_days_and_volatilities_are_asked_for_and_bars_of_the_session_are_not() -> None:
    feed = Answers()
    found = reported(
        program("sma: {window: 20, above: 5000}", "ema: {window: 9, bars: 5m, above: 5000}", "iv_rank: {above: 5}"),
        feed,
    )
    assert feed.asked == [("SPX", 86400, 20), ("SPX", 252)]
    assert [type(event) for event in found] == [BarsReport, ImpliedReport]


def test_what_is_known_is_asked_for_again_only_when_more_is_needed() -> None:
    feed = Answers()
    known = Facts(bars={("SPX", 86400): Bars(0.0, tuple(Bar(float(at), *[1.0] * 6) for at in range(20)))})
    known = replace(known, implied={"SPX": (0.2,) * 252})
    assert reported(program("sma: {window: 20, above: 5000}", "iv_rank: {above: 5}"), feed, known) == []
    reported(program("sma: {window: 50, above: 5000}"), feed, known)
    assert feed.asked == [("SPX", 86400, 50)]


def test_the_daily_bars_of_what_expired_days_ago_are_asked_for() -> None:
    desk = Desk()
    desk.opened()
    asking = Program(bots={"spread": bot_of(text_of())}, pinned={}, limits=AccountLimits(), install="test")
    for days, asked in ((0, []), (1, []), (2, [("SPX", 86400, 3)])):
        feed, session = Answers(), desk.state.schedule.session
        for _ in range(days):
            session = session_after(session.date)
        coming = prepare(asking, feed, session, desk.now, positions=[desk.position])  # type: ignore[arg-type]

        async def ask(coming: AsyncIterator[Event] = coming) -> list[Event]:
            return [event async for event in coming]

        asyncio.run(ask())
        assert feed.asked == asked


def test_what_the_broker_lacks_of_one_symbol_keeps_nothing_from_bots_that_do_not_read_it() -> None:
    """A stock got another name overnight: no bot knew anything of the day, whatever it traded."""

    class Renamed(Answers):
        async def listing(self, symbol: str, trading_class: str) -> Listing:
            if symbol == "SQ":
                raise UnavailableError(symbol, "no security definition of SQ")
            return await super().listing(symbol, trading_class)

        async def bars(self, symbol: str, seconds: int, count: int, session: Session) -> Bars:
            if symbol == "SQ":
                raise UnavailableError(symbol, "no security definition of SQ")
            return await super().bars(symbol, seconds, count, session)

    entry = '\n  at: "10:00"\n  when:\n    - sma: {window: 20, above: 50}\n'
    bots = {name: bot_of(text_of(name, underlying=name.upper(), entry=entry)) for name in ("sq", "spx")}
    both = Program(bots=bots, pinned={}, limits=AccountLimits(), install="test")
    feed, lacking = Renamed(), list[UnavailableError]()
    events = reported(both, feed, lacks=lacking.append)
    assert {event.symbol for event in events} == {"SPX"}
    assert {error.symbol for error in lacking} == {"SQ"}
    with pytest.raises(UnavailableError, match="SQ"):
        reported(both, Renamed())
