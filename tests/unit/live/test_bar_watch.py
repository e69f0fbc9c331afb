"""Bars within the session: when they are asked for, how many, and what is kept of those that were there."""

import asyncio
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from rulebot.core.program import AccountLimits, Program
from rulebot.live.bars import BarWatch
from rulebot.model.errors import BrokerError
from rulebot.model.event import BarsReport
from rulebot.model.facts import Bar, Bars, Facts
from rulebot.model.session import Session, session_on


def session() -> Session:
    found = session_on(date(2026, 11, 18))
    assert found is not None
    return found


OPEN = session().open
SERIES = ("SPX", 300)


@dataclass
class Exchange:
    """A feed whose bars of five minutes end `late` seconds after their time; asked: how many were wanted, and when."""

    at: datetime = OPEN
    late: float = 0.0
    is_away: bool = False
    asked: list[tuple[float, int]] = field(default_factory=list)

    async def bars(self, symbol: str, seconds: int, count: int, session: Session) -> Bars:
        elapsed = (self.at - OPEN).total_seconds()
        self.asked.append((elapsed, count))
        if self.is_away:
            raise BrokerError("nobody answers")
        ended = range(-500, int(max(elapsed - self.late, 0.0) // seconds))
        bars = tuple(Bar(OPEN.timestamp() + at * seconds, *[float(at)] * 6) for at in ended)
        return Bars(self.at.timestamp(), bars[-count:])


def needing(bars: dict[tuple[str, int], int], *, reads_today: bool = True) -> Any:
    """Return a bot that needs so many bars."""
    needs = SimpleNamespace(bars=bars, today={SERIES} if reads_today else set())
    return SimpleNamespace(plan=SimpleNamespace(needs=needs))


class Watched:
    """A watch that is stepped, with the facts that it makes."""

    def __init__(self, count: int, feed: Exchange, *, reads_today: bool = True) -> None:
        self.runs(one=needing({SERIES: count}, reads_today=reads_today))
        self.feed, self.facts = feed, Facts()
        self.watch = BarWatch(feed)  # type: ignore[arg-type]

    def runs(self, **bots: Any) -> None:
        """Run these bots from now on, as after a reload."""
        self.program = Program(bots=bots, pinned={}, limits=AccountLimits(), install="test")

    def at(self, seconds: float) -> list[BarsReport]:
        self.feed.at = OPEN + timedelta(seconds=seconds)

        async def step() -> list[BarsReport]:
            return await self.watch.step(self.program, self.facts, session(), self.feed.at, waits=True)

        found = asyncio.run(step())
        for report in found:
            self.facts = Facts(bars={(report.symbol, report.seconds): report.bars})
        return found

    @property
    def closes(self) -> list[float]:
        return [bar.close for bar in self.facts.bars[SERIES].bars]


def test_all_that_is_needed_first_and_then_what_has_ended_since() -> None:
    watched = Watched(10, Exchange())
    watched.at(-3600)
    assert watched.closes == [float(at) for at in range(-10, 0)]
    for seconds in (0, 1, 299, 300, 304):
        assert watched.at(seconds) == []
    assert len(watched.at(305)) == 1
    assert watched.at(306) == []
    watched.at(905)
    assert watched.feed.asked == [(-3600, 10), (305, 1), (905, 3)]
    assert watched.closes == [float(at) for at in range(-10, 3)]


def test_a_start_within_the_session_asks_for_all_of_it() -> None:
    watched = Watched(0, Exchange())
    assert watched.at(200) == []
    watched.at(3630)
    assert watched.feed.asked == [(3630, 12)]
    assert watched.closes == [float(at) for at in range(12)]


def test_a_bar_that_is_not_there_yet_is_asked_for_again_and_then_given_up() -> None:
    watched = Watched(4, Exchange(late=12.0))
    watched.at(-100)
    for seconds in (305, 307, 310, 311, 315, 316):
        watched.at(seconds)
    assert [seconds for seconds, _ in watched.feed.asked] == [-100, 305, 310, 315]
    assert watched.facts.bars[SERIES].known_until == (OPEN + timedelta(seconds=315)).timestamp()
    silent = Watched(4, Exchange(late=10_000.0))
    for seconds in range(-100, 400, 5):
        silent.at(seconds)
    assert [seconds for seconds, _ in silent.feed.asked] == [-100, 305, 310, 315, 320]


def test_a_bar_that_was_given_up_is_not_waited_for_again_with_the_next() -> None:
    watched = Watched(4, Exchange(late=10_000.0))
    watched.at(-100)
    watched.at(320)
    watched.at(605)
    assert watched.facts.bars[SERIES].known_until == (OPEN + timedelta(seconds=320)).timestamp()


def test_a_feed_that_cannot_answer_is_left_alone_for_a_minute() -> None:
    watched = Watched(4, Exchange(is_away=True))
    for seconds in range(0, 130, 5):
        assert watched.at(seconds) == []
    assert [seconds for seconds, _ in watched.feed.asked] == [0, 60, 120]


def test_more_bars_are_asked_for_once_another_bot_needs_them() -> None:
    watched = Watched(4, Exchange())
    watched.at(-100)
    watched.at(310)
    watched.runs(one=needing({SERIES: 30}))
    watched.at(320)
    assert watched.feed.asked[-1] == (320, 30)
    assert watched.closes == [float(at) for at in range(-29, 1)]
    watched.at(330)
    assert len(watched.feed.asked) == 3


def test_what_the_bots_need_is_added_up_once_for_their_program() -> None:
    class Counted(dict[tuple[str, int], int]):
        reads = 0

        def items(self) -> Any:
            self.reads += 1
            return super().items()

    watched, needed = Watched(4, Exchange()), Counted({SERIES: 4})
    watched.runs(one=needing(needed))
    for seconds in range(-100, 320, 5):
        watched.at(seconds)
    assert needed.reads == 1
    assert [seconds for seconds, _ in watched.feed.asked] == [-100, 305]


def test_bars_of_days_long_past_are_let_go() -> None:
    watched = Watched(4, Exchange())
    opened = OPEN.timestamp()
    old = tuple(Bar(opened + at * 300, *[float(at)] * 6) for at in range(-400, -2))
    watched.facts = Facts(bars={SERIES: Bars(opened - 100_000, old)})
    watched.at(-100)
    assert watched.closes == [float(at) for at in range(-82, 0)]


def test_bars_of_finished_sessions_are_asked_for_once() -> None:
    """Realised volatility reads none of today: its bars are not asked for whenever one has ended."""
    watched = Watched(200, Exchange(), reads_today=False)
    assert len(watched.at(-3600)) == 1
    for seconds in (0, 305, 605, 3605, 23405):
        assert watched.at(seconds) == []
    assert watched.feed.asked == [(-3600, 200)]


def test_bars_of_finished_sessions_are_asked_for_at_a_start_within_one() -> None:
    watched = Watched(200, Exchange(), reads_today=False)
    assert len(watched.at(3630)) == 1
    assert len(watched.closes) == 200
    for seconds in (3905, 4205):
        assert watched.at(seconds) == []


def test_bars_of_yesterday_are_not_those_that_a_new_session_reads() -> None:
    watched = Watched(200, Exchange(), reads_today=False)
    watched.facts = Facts(bars={SERIES: Bars((OPEN - timedelta(hours=20)).timestamp(), ())})
    watched.watch._counts[SERIES] = 200
    assert len(watched.at(-3600)) == 1


def test_a_bot_that_reads_today_has_them_asked_for_again() -> None:
    watched = Watched(200, Exchange(), reads_today=False)
    watched.at(3630)
    watched.runs(**watched.program.bots, two=needing({SERIES: 10}))
    assert len(watched.at(3905)) == 1
    assert watched.closes[-1] == 12.0


def test_finished_sessions_are_asked_for_again_where_the_broker_did_not_answer() -> None:
    watched = Watched(200, Exchange(is_away=True), reads_today=False)
    assert watched.at(-3600) == []
    watched.feed.is_away = False
    assert watched.at(-3580) == []
    assert len(watched.at(-3540)) == 1


def test_days_are_asked_for_before_the_session_and_not_here() -> None:
    watched = Watched(4, Exchange())
    watched.program.bots["one"].plan.needs.bars = {("SPX", 86400): 50}
    assert watched.at(400) == []
    assert watched.feed.asked == []


def test_without_lockstep_the_answer_is_taken_when_it_is_there() -> None:
    async def scenario() -> None:
        watched = Watched(4, Exchange())
        steps = [
            await watched.watch.step(watched.program, watched.facts, session(), OPEN, waits=False),
        ]
        await asyncio.sleep(0)
        steps.append(await watched.watch.step(watched.program, watched.facts, session(), OPEN, waits=False))
        assert [len(found) for found in steps] == [0, 1]

    asyncio.run(scenario())


def test_a_watch_that_is_closed_asks_no_more() -> None:
    async def scenario() -> None:
        watched = Watched(4, Exchange())
        await watched.watch.step(watched.program, watched.facts, session(), OPEN, waits=False)
        watched.watch.close()
        await asyncio.sleep(0)
        assert watched.feed.asked == []

    asyncio.run(scenario())
