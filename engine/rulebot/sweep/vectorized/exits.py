"""Exits of variants of one kind: which acts first for each position, and what it comes to, where that is sure."""

from decimal import Decimal
from typing import NamedTuple, cast

import numpy as np

from rulebot.adapters.history.day import Columns, Places
from rulebot.backtest.vectorized.measures import Position
from rulebot.backtest.vectorized.rule_masks import Mask, may_hold, surely_holds
from rulebot.evaluate.snapshot import Held
from rulebot.model.contract import LOT, Option
from rulebot.model.money import CENT
from rulebot.model.payoff import ends_together
from rulebot.model.session import Session
from rulebot.sweep.vectorized.ladder_columns import Orders
from rulebot.sweep.vectorized.money_columns import UNIT, Cents, Units, margins, payoffs, surely_lost_below
from rulebot.sweep.vectorized.result_sheet import Entries, ResultSheet
from rulebot.sweep.vectorized.session import NO_LEVEL, TOGETHER, SessionResult, is_hurried
from rulebot.sweep.vectorized.session_arrays import ArrayDay

AT_ONCE = 64
"""Positions whose exits are judged at once: their columns fit into the processor's cache."""
NEVER = -1
"""In place of the exit that acts."""


class ExitActions(NamedTuple):
    """Where the first exit of each position acts, which, or NEVER, and whether others are true at once. Shape: (N,)."""

    places: Places
    acting: Places
    is_clear: Mask
    is_among_others: Mask


class Rest(NamedTuple):
    """A session from an instant on, for measures. Shape: options x instants."""

    session: Session
    opens_at: float
    times: Columns
    options: list[Option]
    bid: Columns
    ask: Columns
    delta: Columns
    day: ArrayDay
    since: int

    def level(self, symbol: str) -> Columns | None:
        """Return an underlying's level, None where it is not known."""
        level = self.day.level(symbol)
        return None if level is None else level[self.since : self.day.end]


class LeavingTogether:
    """Exits of one session."""

    def __init__(self, sheet: ResultSheet) -> None:
        self._sheet, self._day, self._group, self._session = sheet, sheet.day, sheet.group, sheet.session

    def leave(self, entries: Entries) -> None:
        """Tell what came of positions."""
        if not self._group.exits and self._group.plan.risk.day.loss is not None:
            self._sheet.leave_alone(entries.rows)  # where its worth is not known there is an alarm
            return
        entries = entries.only(np.argsort(entries.places, kind="stable"))
        parts = [entries.only(slice(since, since + AT_ONCE)) for since in range(0, len(entries.rows), AT_ONCE)]
        known = [acts for each in parts if (acts := self._acts(each)) is not None]
        if len(known) < len(parts):
            self._sheet.leave_alone(entries.rows)
            return
        acts = ExitActions(*map(np.concatenate, zip(*known, strict=True)))
        self._sheet.leave_alone(entries.rows[~acts.is_clear])
        self._expire(entries.only(acts.is_clear & (acts.acting == NEVER)))
        for number in range(len(self._group.exits)):
            by_this = acts.is_clear & (acts.acting == number)
            if by_this.any():
                self._close(entries.only(by_this), acts.places[by_this], number, acts.is_among_others[by_this])

    def _acts(self, held: Entries) -> ExitActions | None:
        """Return which exits act first, and where; None where a rule is not told by arrays."""
        group, day, size = self._group, self._day, len(held.rows)
        since, every = int(held.places.min()), slice(int(held.places.min()), day.end)
        measure = self._position(held, since).measure
        may: list[Mask] = []
        sure: list[Mask] = []
        shape = (size, day.end - since)
        for test in group.tests(held.rows):
            one, other = may_hold(test, measure, shape), surely_holds(test, measure, shape)
            if one is None or other is None:
                return None
            may.append(one)
            sure.append(other)
        lines = np.arange(size)
        if not may:
            return ExitActions(lines, np.full(size, NEVER), lines >= 0, lines < 0)
        any_act = np.logical_or.reduce(may)
        doubtful = np.zeros(shape, dtype=bool)
        for leg in range(len(group.signs)):
            doubtful |= day.is_doubtful[held.columns[:, leg], every]
        any_act = (any_act | doubtful) & (np.arange(shape[1]) >= held.places[:, None] - since)
        acts, places = any_act.any(axis=1), any_act.argmax(axis=1)
        may_now, sure_now = (np.array([each[lines, places] for each in masks], dtype=bool) for masks in (may, sure))
        is_clear = ~doubtful[lines, places] & (may_now == sure_now).all(axis=0)
        delays = np.where(sure_now, np.array([delay for _, delay in group.exits])[:, None], np.inf)
        first = delays.min(axis=0)
        is_clear &= ~((delays > first) & (delays <= first + TOGETHER)).any(axis=0)
        several = np.asarray(sure_now.sum(axis=0) > 1)
        return ExitActions(places + since, np.where(acts, delays.argmin(axis=0), NEVER), is_clear | ~acts, several)

    def _position(self, held: Entries, since: int) -> Position:
        """Return measures of all these positions at once, from an instant to the close."""
        day, group = self._day, self._group
        rest = slice(since, day.end)
        numbers = Held(
            entry_price=_column(held.worked.net / UNIT),
            quantity=group.plan.quantity,
            realized=0.0,
            commissions=_column(held.commissions / 100.0),
            opened_at=0.0,
            max_risk=None if held.worst is None else _column(held.worst / 100.0 / LOT),
            opened_on=day.session.date,
        )
        columns = Rest(day.session, day.opens_at, day.times[rest], day.options, day.bid[:, rest], day.ask[:, rest],
                       day.delta[:, rest], day, since)  # fmt: skip
        legs = [(held.columns[:, leg], sign) for leg, sign in enumerate(group.signs)]
        bot = group.bots[0]
        return Position(columns, legs, bot.names, numbers, {}, "")

    def _close(self, held: Entries, places: Places, number: int, is_among_others: Mask) -> None:
        """Tell what came of closing positions by one exit."""
        order, delay = self._group.exits[number]
        quotes = self._sheet.quotes(held.columns, places, self._group.signs)
        begins = delay + np.where(places == held.places, held.worked.after, 0.0)
        floor = surely_lost_below(self._sheet.strikes(held.columns), quotes)
        planned = self._group.planned(number)
        left = self._day.length - self._day.times[places] - begins
        in_time = np.array([not is_hurried(planned, each) for each in left.tolist()], dtype=bool)
        targets = self._group.targets(number, held.rows, held.worked.net / UNIT)
        orders = Orders(quotes, order, self._session.fills, floor, targets, worth=floor)
        worked = orders.work(self._day.rooms(places) - begins, closing=True)
        commission = quotes.commission(worked.net, self._group.plan.quantity)
        fine = worked.is_clear & worked.is_filled & commission.is_clear & ~(is_among_others & (worked.tries > 1))
        fine &= ~self._sheet.lacks_size(quotes, held.columns, places)
        fine &= in_time
        if targets is not None:
            fine &= ~orders.are_for_nothing
        self._sheet.leave_alone(held.rows[~fine])
        self._over(held.only(fine), worked.net[fine], commission.units[fine])

    def _expire(self, held: Entries) -> None:
        """Tell what came of positions that no exit has closed."""
        if not len(held.rows):
            return
        group = self._group
        level = self._session.settled(self._day.options[held.columns[0, 0]])
        if level is None:
            self._sheet.leave_to_turns(held.rows, NO_LEVEL)
            return
        at = np.array([[int(Decimal(f"{level:.4f}") * UNIT)]])
        worth = payoffs(self._sheet.strikes(held.columns), group.rights, group.signs, at)[:, 0]
        self._over(held, worth, np.zeros_like(worth))

    def _over(self, held: Entries, net: Units, commissions: Cents) -> None:
        """Tell what came of positions that were closed at net prices."""
        group, contracts = self._group, self._group.plan.quantity * LOT
        if not ends_together((self._day.options[column], 1) for column in held.columns[:1].ravel().tolist()):
            self._sheet.leave_alone(held.rows)
            return
        cents = (held.worked.net + net) * contracts // (UNIT // 100) - held.commissions - commissions
        margin = margins(self._sheet.strikes(held.columns), group.rights, group.signs)
        beside = (margin - held.worked.net) * contracts // (UNIT // 100) + held.commissions
        bound = np.maximum(np.maximum(beside, -cents), 0)
        for row, each, most in zip(held.rows.tolist(), cents.tolist(), bound.tolist(), strict=True):
            made = each * CENT
            self._sheet.found[row] = SessionResult(made, made, most * CENT)


def _column(numbers: Columns) -> float:
    """Return numbers of many positions in place of one's."""
    return cast(float, numbers[:, None])
