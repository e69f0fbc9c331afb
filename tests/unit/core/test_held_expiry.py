"""Exits read the expiry that is held: on later days it need not be one that would be entered then."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hand_desk import Desk, call, clock, put, text_of

from rulebot.backtest.load_session_data import prepare
from rulebot.evaluate.watch import at_the_money_subscription
from rulebot.measure.view import View
from rulebot.model.event import Event, ListingReport, OpeningMoveReport
from rulebot.model.facts import Bars, Listing
from rulebot.model.session import Session, session_on

HELD, LATER = date(2027, 2, 19), date(2027, 2, 26)
NEXT = date(2026, 11, 19)
SMA = "sma: {window: 20, below: 100}"
STRIKES = tuple(Decimal(strike) for strike in range(550, 651))


class Answers:
    """A feed with two expiries of SPY; asked: the expiries of which it told something, and what."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, date]] = []

    async def listing(self, symbol: str, trading_class: str) -> Listing:
        return Listing(symbol, trading_class, (HELD, LATER))

    async def strikes(self, listing: Listing, expiry: date) -> Listing:
        self.asked.append(("strikes", expiry))
        return Listing(listing.symbol, listing.trading_class, listing.expiries, {**listing.strikes, expiry: STRIKES})

    async def closes(self, symbol: str, count: int) -> tuple[float, ...]:
        self.asked.append(("closes", NEXT))
        return (600.0,) * count

    async def bars(self, symbol: str, seconds: int, count: int, session: Session) -> Bars:
        self.asked.append(("bars", NEXT))
        return Bars(0.0, ())

    async def implied(self, symbol: str, sessions: int) -> tuple[float, ...]:
        self.asked.append(("implied", NEXT))
        return (0.2,) * sessions

    async def hours(self, symbol: str, session: Session) -> None:
        """Tell nothing: the calendar's hold."""

    async def opening_move(self, listing: Listing, expiry: date, session: Session) -> float:
        assert expiry in listing.strikes
        self.asked.append(("opening_move", expiry))
        return 12.0


def seller(*exits: str) -> str:
    """Return a bot that sells a put of 93 days, of which the next session takes another expiry."""
    return text_of(
        underlying="SPY",
        entry="{at: open + 31m, max_open: 5}",
        legs="{expiry: {dte: {at_least: 93}}, short_put: {sell: put, strike: {delta: 0.15}}}",
        exits="".join(f"\n  - {each}" for each in (*exits, "at_expiry: settle")),
        risk="{undefined_risk: allow}",
    )


def holding(*exits: str) -> Desk:
    desk = Desk((seller(*exits),))
    desk.opened("10:01")
    assert [leg.option.expiry for leg in desk.position.legs] == [HELD]
    return desk


def reported(desk: Desk, feed: Answers, at: str) -> list[Event]:
    """Return what is told of the next session, as a run asks for it at a time of it."""
    session, held = session_on(NEXT), tuple(desk.state.positions.by_id.values())
    assert session is not None

    async def ask() -> list[Event]:
        now = clock(at, NEXT)
        return [each async for each in prepare(desk.program, feed, session, now, positions=held)]  # type: ignore[arg-type]

    return asyncio.run(ask())


def view_of(desk: Desk) -> View:
    return View(
        now=desk.now.timestamp(), session=desk.state.schedule.session, board=desk.board, facts=desk.state.market.facts
    )


def strikes_of(events: Iterable[Event]) -> set[date]:
    (listing,) = (event.listing for event in events if isinstance(event, ListingReport))
    return set(listing.strikes)


@pytest.mark.parametrize("read", ["iv: {below: 1%}", "expected_move: {above: 900 pts}"])
def test_the_strikes_of_what_is_held_are_asked_for_where_exits_read_them(read: str) -> None:
    desk = holding(read)
    found = reported(desk, Answers(), "08:30")
    assert strikes_of(found) == {HELD, LATER}
    for event in found:
        desk.send(event)
    held = [leg.option for leg in desk.position.legs]
    request = at_the_money_subscription({"SPY"}, held, view_of(desk))
    assert {option.expiry for option in request.need} == {HELD}


def test_nothing_more_is_asked_for_where_no_exit_reads_it() -> None:
    feed = Answers()
    assert strikes_of(reported(holding("target: {profit: 60%}"), feed, "10:30")) == {LATER}
    assert feed.asked == [("strikes", LATER)]


@pytest.mark.parametrize(
    ("read", "asked"), [("rv: {above: 90%}", "closes"), ("iv_rank: {above: 99}", "implied"), (SMA, "bars")]
)
def test_what_the_text_of_an_open_position_reads_is_asked_for_when_its_bot_reads_it_no_more(
    read: str, asked: str
) -> None:
    desk, feed = holding(read), Answers()
    desk.program = replace(desk.program, bots={}, pinned={bot.plan.digest: bot for bot in desk.program.bots.values()})
    reported(desk, feed, "08:30")
    assert asked in [what for what, _ in feed.asked]


def test_the_expected_move_of_the_open_is_asked_for_of_what_is_held_too() -> None:
    feed = Answers()
    found = reported(holding("expected_move: {asof: open, above: 900 pts}"), feed, "10:30")
    assert [event.expiry for event in found if isinstance(event, OpeningMoveReport)] == [LATER, HELD]


def test_the_expected_move_of_the_open_is_taken_of_what_is_held_too() -> None:
    desk = holding("expected_move: {asof: open, above: 900 pts}")
    desk.now = clock("09:25", NEXT)
    desk.tick()
    for event in reported(desk, Answers(), "09:25"):
        desk.send(event)
    desk.tick(10)
    assert {put(600, "SPY", HELD), call(600, "SPY", HELD)} <= set(desk.state.subscriptions.streamed)
    for right in (put, call):
        desk.quote(right(600, "SPY", HELD), 9.9, 10.1)
    desk.now += timedelta(minutes=5)
    desk.tick()
    assert desk.state.market.facts.opening_moves == {("SPY", HELD): pytest.approx(20.0 * 1.2533, abs=0.001)}
