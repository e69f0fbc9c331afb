"""Bars of a test: the days before its session as the test gives them, and finished bars of the session itself."""

from collections.abc import Iterator
from itertools import islice, pairwise

from engine.compile.series import DAY
from engine.evaluate.measure_bars import last_end
from engine.model.facts import Bar, Bars
from engine.model.session import Session, session_before
from engine.run.trial.market import Market
from engine.spec.trial_document import level_of

VOLUME = 1000.0
"""Shares of every bar: in a test each minute weighs the same."""


def bars_of(market: Market, symbol: str, seconds: int, count: int, now: float) -> Bars:
    """Return the finished bars of one size that are known at `now` (epoch seconds), with so many of days before."""
    if seconds == DAY:
        return Bars(now, _days(market, symbol, count))
    return Bars(now, (*_before(market, symbol, seconds, count), *_today(market, symbol, seconds, now)))


def _days(market: Market, symbol: str, count: int) -> tuple[Bar, ...]:
    closes = _closes(market, symbol, count)
    opens = [each.open.timestamp() for each in islice(_sessions_before(market.session), len(closes[1:]))][::-1]
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
    for each in _sessions_before(session):
        opened, closed = int(each.open.timestamp()), int(each.close.timestamp())
        yield from (float(at) for at in reversed(range(opened, closed, seconds)))


def _sessions_before(session: Session) -> Iterator[Session]:
    while True:
        session = session_before(session.date)
        yield session


def _today(market: Market, symbol: str, seconds: int, now: float) -> tuple[Bar, ...]:
    opened = market.session.open.timestamp()
    minutes, level = seconds // 60, level_of(market.given, symbol)
    found = []
    for number in range(round((last_end(market.session, seconds, now) - opened) / seconds)):
        seen = [level.at(minute) for minute in range(number * minutes, (number + 1) * minutes + 1)]
        if known := tuple(each for each in seen if each == each):
            found.append(_bar(opened + number * seconds, known))
    return tuple(found)


def _bar(at: float, levels: tuple[float, ...]) -> Bar:
    return Bar(at, levels[0], max(levels), min(levels), levels[-1], VOLUME, sum(levels) / len(levels))
