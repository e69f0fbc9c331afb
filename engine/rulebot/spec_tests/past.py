"""Bars of a test: the days before its session as the test gives them, and finished bars of the session itself."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice, pairwise

from rulebot.compile.series import DAY, FIVE_MINUTES, INTRADAY
from rulebot.evaluate.measure_bars import last_end
from rulebot.model.facts import Bar, Bars
from rulebot.model.session import Session, sessions_before
from rulebot.spec.trial_document import level_of
from rulebot.spec_tests.market import Market
from rulebot.spec_tests.shaped import VOLUME, shaped_days, shaped_sessions


@dataclass
class PastBars:
    """The bars of one test. What was made of them is kept: a bar that has ended does not change.

    realised: which volatilities are read of bars, by symbol, estimator and window: these come to what the test says.
    """

    market: Market
    realised: frozenset[tuple[str, str, int]] = frozenset()
    before: dict[tuple[str, int, int], tuple[Bar, ...]] = field(default_factory=dict)
    today: dict[tuple[str, int], list[Bar | None]] = field(default_factory=dict)

    def of(self, symbol: str, seconds: int, count: int, now: float) -> Bars:
        """Return the finished bars of one size that are known at `now` (epoch seconds), with so many of days before."""
        if seconds == DAY:
            return Bars(now, self._days(symbol, count))
        key = (symbol, seconds, count)
        if key not in self.before:
            self.before[key] = self._before(symbol, seconds, count)
        return Bars(now, (*self.before[key], *self._today(symbol, seconds, now)))

    def _days(self, symbol: str, count: int) -> tuple[Bar, ...]:
        windows = [window for of, estimator, window in self.realised if (of, estimator) == (symbol, "yang_zhang")]
        is_shaped = bool(windows) or any(each[:2] == (symbol, "parkinson") for each in self.realised)
        bars, rv = _days(self.market, symbol, count), self.market.given.rv
        if not is_shaped or rv is None or symbol in self.market.given.days:
            return bars
        return shaped_days(bars, rv, max(windows, default=0))

    def _before(self, symbol: str, seconds: int, count: int) -> tuple[Bar, ...]:
        is_shaped = seconds == FIVE_MINUTES and any(each[:2] == (symbol, INTRADAY) for each in self.realised)
        closes = _closes(self.market, symbol, count) if is_shaped else ()
        if not closes:
            return _before(self.market, symbol, seconds, count)
        rv = None if symbol in self.market.given.days else self.market.given.rv
        return shaped_sessions(sessions_before(self.market.session.date), closes, count, rv)

    def _today(self, symbol: str, seconds: int, now: float) -> Iterator[Bar]:
        found, session = self.today.setdefault((symbol, seconds), []), self.market.session
        ended = round((last_end(session, seconds, now) - session.open.timestamp()) / seconds)
        found += [_of_session(self.market, symbol, seconds, number) for number in range(len(found), ended)]
        return (each for each in found[:ended] if each is not None)


def _days(market: Market, symbol: str, count: int) -> tuple[Bar, ...]:
    closes = _closes(market, symbol, count)
    opens = [each.open.timestamp() for each in islice(sessions_before(market.session.date), len(closes[1:]))][::-1]
    return tuple(_bar(at, pair) for at, pair in zip(opens, pairwise(closes), strict=True))


def _closes(market: Market, symbol: str, count: int) -> tuple[float, ...]:
    closes = market.closes(symbol, count)
    return closes if all(each == each for each in closes) else ()


def _before(market: Market, symbol: str, seconds: int, count: int) -> tuple[Bar, ...]:
    """Return bars of the sessions before, in which nothing moved from the last close."""
    closes = _closes(market, symbol, 1)
    return (
        tuple(_bar(at, (closes[-1],)) for at in islice(_starts(market.session, seconds), count))[::-1] if closes else ()
    )


def _starts(session: Session, seconds: int) -> Iterator[float]:
    for each in sessions_before(session.date):
        opened, closed = int(each.open.timestamp()), int(each.close.timestamp())
        yield from (float(at) for at in reversed(range(opened, closed, seconds)))


def _of_session(market: Market, symbol: str, seconds: int, number: int) -> Bar | None:
    """Return the session's bar of this number, from 0 on; None where no level of it is known."""
    minutes, level = seconds // 60, level_of(market.given, symbol)
    seen = [level.at(minute) for minute in range(number * minutes, (number + 1) * minutes + 1)]
    known = tuple(each for each in seen if each == each)
    return _bar(market.session.open.timestamp() + number * seconds, known) if known else None


def _bar(at: float, levels: tuple[float, ...]) -> Bar:
    return Bar(at, levels[0], max(levels), min(levels), levels[-1], VOLUME, sum(levels) / len(levels))
