"""Bars within the session, requested whenever one has ended."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

from rulebot.backtest.load_session_data import needed_bars, read_today
from rulebot.core.program import Program
from rulebot.measure.series import DAY, Series
from rulebot.measures.bars import last_end
from rulebot.model.errors import BrokerError
from rulebot.model.event import BarsReport
from rulebot.model.facts import Bars, Facts
from rulebot.model.session import Session
from rulebot.ports import Feed

LAG = timedelta(seconds=5)
"""How long after its end a bar is asked for, and again while it is not there."""
GIVEN_UP = timedelta(seconds=20)
"""How long after its end a bar that is still not there is taken for one in which nothing was traded."""
ASK_AGAIN = timedelta(minutes=1)
"""Pause after a feed could not answer."""

log = logging.getLogger("rulebot.run")


@dataclass(slots=True)
class BarWatch:
    """Keeps the bars of a run's bots up to date: `step` is called at every instant and says what has come.

    A bar that the broker has not finished a few seconds after its end is asked for again.
    """

    feed: Feed
    _asking: "asyncio.Task[list[BarsReport]] | None" = None
    _not_before: dict[Series, datetime] = field(default_factory=dict)
    _counts: dict[Series, int] = field(default_factory=dict)
    _needs: tuple[Program | None, Mapping[Series, int], frozenset[Series]] = (None, {}, frozenset())

    async def step(
        self, program: Program, facts: Facts, session: Session, at: datetime, *, waits: bool
    ) -> list[BarsReport]:
        """Return new bars, and request those that are due; `waits` is for a clock that waits for us."""
        if self._asking is None:
            due = self._due(program, facts, session, at)
            if not due:
                return []
            self._not_before.update(dict.fromkeys(due, at + LAG))
            self._asking = asyncio.ensure_future(self._ask(due, facts, session, at))
        if waits:
            await asyncio.wait((self._asking,))
        if not self._asking.done():
            return []
        asked, self._asking = self._asking, None
        return asked.result()

    def ask_again(self) -> None:
        """Let what was asked in vain be asked at once: on a connection that is new."""
        self._not_before.clear()

    def close(self) -> None:
        """Give up what is still asked for."""
        if self._asking is not None:
            self._asking.cancel()

    def _due(self, program: Program, facts: Facts, session: Session, at: datetime) -> dict[Series, int]:
        """Return how many bars of what are to be asked for now: all that is needed when that has become more."""
        found: dict[Series, int] = {}
        if self._needs[0] is not program:
            within = {series: count for series, count in needed_bars(program.texts).items() if series[1] != DAY}
            self._needs = program, within, read_today(program.texts)
        _, needed, of_today = self._needs
        for series, count in needed.items():
            if at < self._not_before.get(series, at):
                continue
            known = facts.bars.get(series) if count <= self._counts.get(series, -1) else None
            if series not in of_today and known is not None and known.known_until >= session.at(time(0)).timestamp():
                continue
            if wanted := _missing(known, series[1], count, session, at):
                found[series] = wanted
                self._counts[series] = max(count, self._counts.get(series, count))
        return found

    async def _ask(self, due: Mapping[Series, int], facts: Facts, session: Session, at: datetime) -> list[BarsReport]:
        found = []
        for series, count in due.items():
            symbol, seconds = series
            try:
                newest = await self.feed.bars(symbol, seconds, count, session)
            except BrokerError as error:
                log.warning("%s; bars of %s are asked for again in a minute", error.message, symbol)
                self._not_before[series] = at + ASK_AGAIN
                self._counts.pop(series)
                continue
            merged = _merged(facts.bars.get(series), newest, seconds, session, at)
            kept = self._counts[series] + session.minutes * 60 // seconds
            merged = Bars(merged.known_until, merged.bars[-kept:])
            found.append(BarsReport(at, symbol, seconds, merged))
        return found


def _missing(known: Bars | None, seconds: int, count: int, session: Session, at: datetime) -> int:
    """Return how many bars to ask for, 0 while nothing new can be there.

    The first time all that is needed; then those that have ended since, and the one before them.
    """
    opened, now = session.open.timestamp(), at.timestamp()
    end = last_end(session, seconds, now)
    today = round((end - opened) / seconds)
    midnight = session.at(time(0)).timestamp()
    if known is None or known.known_until < midnight:
        return max(count, today) if at.timestamp() >= (end + LAG.total_seconds() if today else midnight) else 0
    if not today or known.known_until >= end or now < end + LAG.total_seconds():
        return 0
    return min(today, round((end - max(known.known_until, opened)) / seconds) + 1)


def _merged(known: Bars | None, newest: Bars, seconds: int, session: Session, at: datetime) -> Bars:
    """Return the bars of before with the newest behind them, and up to when they are all there is."""
    bars = newest.bars
    if known is not None and bars:
        bars = (*(bar for bar in known.bars if bar.at < bars[0].at), *bars)
    elif known is not None:
        bars = known.bars
    now = at.timestamp()
    end = last_end(session, seconds, now)
    reported = bars[-1].at + seconds if bars else end
    is_given_up = now >= end + GIVEN_UP.total_seconds() or end == session.open.timestamp()
    until = now if reported >= end or is_given_up else max(reported, 0.0 if known is None else known.known_until)
    return Bars(until, bars)
