"""The end of a session in the past: what options settle at, and what the account and its positions are worth."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.daily import can_split
from rulebot.adapters.history.day import Columns, DailyBar, HistoryDay, Source
from rulebot.adapters.history.middle import nan_median
from rulebot.backtest.notes import NO_DATA
from rulebot.model.contract import Contract, Option, Underlying
from rulebot.model.errors import StoreError
from rulebot.model.market import Board
from rulebot.model.money import CENT
from rulebot.model.position import Position
from rulebot.model.quotes import middle
from rulebot.model.session import Session, session_after, session_from
from rulebot.record.record import Kind, Record

NEAR = 900.0
"""Seconds from the open or close within which a level may stand for it, or one and a half distances of two instants."""
LOOKS_BACK = timedelta(days=10)
"""How far back a session with levels may lie by which daily bars are judged: a long weekend, and some without data."""


def settlement(
    option: Option, session: Session, day: HistoryDay, source: Source, far: dict[tuple[str, date], bool]
) -> float | None:
    """Return what an option settles at: the official level, else the open's first or the close's last.

    None where neither the data of the session that it settles in nor its daily bar says it. A level of hours before the
    close is no close: data that ends at noon would make winners of what nobody knows. far: keeps of which bars it was
    looked up whether they are far from their sessions, since that may read a day, and what stays is asked for again.
    """
    at_open = option.settles_at_open
    ends = session_after(option.expiry) if at_open else session_from(option.expiry)
    if ends.date == session.date:
        official = day.settled.get((option.symbol, option.trading_class))
        if official is not None and official == official:
            return official
        if (found := _nearest_level(option.symbol, session, day, at_open=at_open)) is not None:
            return found
    return _by_bar(option.symbol, ends.date, day, source, far, at_open=at_open)


def _by_bar(
    symbol: str, ends: date, day: HistoryDay, source: Source, far: dict[tuple[str, date], bool], *, at_open: bool
) -> float | None:
    """Return what the daily bar of a session says; None without one, or of one that is far from the levels."""
    bar = _bar(symbol, ends, source)
    level = None if bar is None else bar.settles_at(at_open=at_open)
    if bar is None or level is None:
        return None
    key = symbol, bar.date
    if key not in far:
        far[key] = _is_far(bar, symbol, day, source)
    return None if far[key] else level


def _bar(symbol: str, day: date, source: Source) -> DailyBar | None:
    bars = source.daily(symbol, day + timedelta(days=1), 1)
    return bars[-1] if bars and bars[-1].date == day else None


def _is_far(bar: DailyBar, symbol: str, day: HistoryDay, source: Source) -> bool:
    """Say whether daily bars are far from the levels of their sessions, by the last one until a bar that has levels."""
    for each in reversed(source.dates(bar.date - LOOKS_BACK, bar.date)):
        try:
            level = (day if each == day.date else source.day(each)).levels.get(symbol)
        except StoreError:  # a session that was refused
            continue
        if level is not None and (middle := nan_median(level)) == middle:
            of_it = bar if each == bar.date else _bar(symbol, each, source)
            return of_it is not None and of_it.is_far(middle)
    return False


def was_split(symbol: str, since: date, until: date, source: Source) -> bool:
    """Say whether shares were split after a day, until another: an option on them is another contract then."""
    return can_split(symbol) and source.was_split(symbol, since, until)


def _nearest_level(symbol: str, session: Session, day: HistoryDay, *, at_open: bool) -> float | None:
    """Return the first level after the open, or the last one up to the close; None where it is far from that."""
    level = day.levels.get(symbol)
    if level is None:
        return None
    seen = np.flatnonzero(_inside(day, session, from_open=at_open) & ~np.isnan(level))
    if not len(seen):
        return None
    place = int(seen[0 if at_open else -1])
    spacing = nan_median(np.diff(day.times)) if len(day.times) > 1 else 0.0
    away = abs(float(day.times[place]) - (session.open if at_open else session.close).timestamp())
    return float(level[place]) if away <= max(NEAR, 1.5 * spacing) else None


def empty_day(session: Session) -> HistoryDay:
    """Return a session of which there is no data."""
    nothing = np.empty((0, 0))
    return HistoryDay(date=session.date, times=np.empty(0), levels={}, bid=nothing, ask=nothing)


def no_data(at: datetime) -> Record:
    """Return the note that a session is lived through without data, for what is held."""
    return Record(at, Kind.FACTS, data={"symbol": "", "what": NO_DATA, "value": True})


@contextmanager
def told_at(board: Board, option: Option, level: float, *, is_today: bool) -> Iterator[None]:
    """Let the board show the settlement level while the engine hears that an option is gone."""
    row = board.add(Underlying(option.symbol))
    column = board.open if option.settles_at_open else board.last if is_today else board.previous_close
    before = column[row]
    column[row] = level
    try:
        yield
    finally:
        column[row] = before


def keep_marks(
    marks: dict[Contract, float],
    holdings: Mapping[Contract, int],
    session: Session,
    day: HistoryDay,
    source: Source,
    far: dict[tuple[str, date], bool],
) -> None:
    """Keep the last middle of the session of what is held; what has no quotes keeps its own, what is gone has none.

    Shares of which the session has no level are worth the close of their daily bar: those that an assignment has
    brought on a day without data have no price of before. far: as in `settlement`.
    """
    inside = _inside(day, session)
    places = day.places() if any(holdings.values()) else {}
    for contract, count in holdings.items():
        if not count:
            marks.pop(contract, None)
        elif isinstance(contract, Underlying):
            has_level = _mark(marks, contract, day.levels.get(contract.symbol), inside)
            close = None if has_level else _by_bar(contract.symbol, session.date, day, source, far, at_open=False)
            if close is not None:
                marks[contract] = close
        elif (place := places.get(contract)) is not None:
            columns, (place,) = day.holding(np.array([place]))
            bid, ask = columns["bid"][:, place], columns["ask"][:, place]
            _mark(marks, contract, (np.where(np.isnan(bid), 0.0, bid) + ask) / 2.0, inside)


def marks_now(marks: Mapping[Contract, float], holdings: Mapping[Contract, int], board: Board) -> dict[Contract, float]:
    """Return what each contract that is held is worth by the board: the middle of its quotes, a share its level.

    What has neither keeps its mark of the last session.
    """
    found = dict(marks)
    for contract, count in holdings.items():
        row = board.rows.get(contract, -1) if count else -1
        if row < 0:
            continue
        is_share = isinstance(contract, Underlying)
        price = board.last[row] if is_share else middle(board.bid[row], board.ask[row])
        if price == price:
            found[contract] = price
    return found


def made_by(position: Position, marks: Mapping[Contract, float]) -> Decimal | None:
    """Return the dollars a position has made since it began, what it holds at these prices; None without one of them.

    Commissions are off, as in the account; of legs of two positions that offset each other each has its price.
    """
    total = position.net
    for leg in position.legs:
        if not leg.held:
            continue
        price = marks.get(Underlying(leg.option.symbol) if leg.option.is_share else leg.option)
        if price is None:
            return None
        total += Decimal(f"{price:.4f}") * leg.signed_held * leg.option.multiplier
    return total.quantize(CENT)


def _mark(marks: dict[Contract, float], contract: Contract, column: Columns | None, inside: NDArray[np.bool_]) -> bool:
    """Keep the last number of a column, and say whether it has any."""
    if column is None or not len(seen := column[inside & ~np.isnan(column)]):
        return False
    marks[contract] = float(seen[-1])
    return True


def _inside(day: HistoryDay, session: Session, *, from_open: bool = False) -> NDArray[np.bool_]:
    """Return which instants lie before the end of the session, or in it."""
    found = day.times <= session.close.timestamp()
    return found & (day.times >= session.open.timestamp()) if from_open else found
