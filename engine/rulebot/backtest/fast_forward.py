"""Instants of a past session that pass by while something is held, since no exit can act at them and nothing enters.

The engine judges exits at each instant of the data. Where arrays show that none can be true, that all they read is
known, and that nothing which rests at the broker can fill, a turn would only keep snapshots and ask the broker of what
is over; that much is done here, by the engine's own clock. Instants at which anything more could come of a turn are
left to turns, and so is the last one of a stretch after which the engine is woken by its clock: a turn says when. Where
data comes next it is passed by as well.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice, takewhile
from operator import attrgetter

import numpy as np

from rulebot.backtest.held_position_arrays import HeldPosition, rules_of
from rulebot.backtest.historical_market import DayMarket
from rulebot.backtest.scheduler import LOOKS_AGAIN, Agenda, Instant, idle_spans, only_looks_again
from rulebot.backtest.vectorized.rule_masks import Mask
from rulebot.compile.plan import DayBounds
from rulebot.core.account_excess import is_untold
from rulebot.core.day_pnl import account_today, bot_today
from rulebot.core.order_status_requests import ASK_EVERY, ask_at
from rulebot.core.position_marks import is_mark_due, is_snapshot_due, next_mark, oldest_open_since
from rulebot.core.program import CompiledBot, Program
from rulebot.core.session_start import OPENING_MINUTES
from rulebot.core.state import OperatorState, State, Structure, exits_of
from rulebot.core.state_builder import StateBuilder
from rulebot.core.subscriptions import may_enter
from rulebot.fill.pnl import HeldLeg
from rulebot.model.contract import LOT
from rulebot.model.order import Order
from rulebot.model.position import Position
from rulebot.record.record import Record

CENTS = 0.02
"""Dollars by which a day's loss by arrays may be off."""


class FastForward:
    """What one session makes of what is held; made anew for each."""

    def __init__(self, program: Program, market: DayMarket) -> None:
        self._program, self._market = program, market
        self._known: dict[str, tuple[Position, tuple[Order, ...], HeldPosition | None]] = {}

    def pass_by(self, agenda: Agenda, state: State, now: datetime) -> tuple[State, list[Record]]:
        """Pass by what comes first in the agenda, as far as turns would change nothing; return what came of it."""
        found = None if self._market.is_behind else self._until(state, now)
        if found is None:
            return state, []
        until, end = found
        passed = list(takewhile(lambda each: each[0] < until and 0 <= each[1] < end, agenda))
        asks = self._asks(state, passed)
        del passed[len(asks) :]
        if passed and not self._is_data_next(agenda, passed, until, asks[-1][1]):
            passed.pop()
        if not passed:
            return state, []
        for _ in passed:
            agenda.popleft()
        self._market.skip(passed[-1][1])
        self._market.write_levels()
        return self._after(state, passed, asks[len(passed) - 1][0])

    def _is_data_next(self, agenda: Agenda, passed: Sequence[Instant], until: datetime, ask: datetime | None) -> bool:
        """Say whether the first turn after these instants is made at one of the data, and by nothing before it.

        ask: when the broker is to be asked next.
        """
        last = passed[-1][0]
        after = list(islice(agenda, len(passed), len(passed) + 2))
        coming = [place for at, place in after if at == after[0][0]]
        is_early = ask is not None and ask < last + LOOKS_AGAIN
        return bool(after) and after[0][0] <= until and max(coming) >= 0 and not is_early

    def _until(self, state: State, now: datetime) -> tuple[datetime, int] | None:
        """Return the time, and the instant of the data, before which turns would change nothing; None without any."""
        is_calm = self._market.place >= 0 and self._is_calm(state, now)
        held = self._all_held(state) if is_calm else None
        if not held:
            return None
        work = StateBuilder(self._program, state, now)
        names = {each.position.bot for each in held}
        if not all(self._only_holds(work, name) for name in names):
            return None
        others = (at for name, at in state.wakes.items() if name not in names)
        agendas = (at for name in names for at in state.bots[name].agenda[:1])
        assert state.watch_at is not None
        spells = idle_spans(self._program, state, now)
        until = min(state.watch_at - LOOKS_AGAIN, state.session.close, *others, *agendas, *spells)
        return until, self._next_stir(work, held)

    def _asks(self, state: State, instants: Sequence[Instant]) -> list[tuple[datetime | None, datetime | None]]:
        """Return of each instant when the broker was asked last by then, and when it is to be asked next.

        They end with the first instant soon after which it is asked by the clock, without data.
        """
        found: list[tuple[datetime | None, datetime | None]] = []
        asked_at, ask = state.asked_at, ask_at(StateBuilder(self._program, state, instants[0][0])) if instants else None
        for at, _ in instants:
            if ask is not None and at >= ask:
                ask, asked_at = at + ASK_EVERY, at
            found.append((asked_at, ask))
            if ask is not None and ask < at + LOOKS_AGAIN:
                break
        return found

    def _after(
        self, state: State, instants: Sequence[Instant], asked_at: datetime | None
    ) -> tuple[State, list[Record]]:
        """Return the state after these instants, at which the broker was asked last, and what is recorded at them."""
        held = self._all_held(state)
        assert held
        mark_at, marked = state.mark_at, list[Instant]()
        since = oldest_open_since(each.position for each in held)
        for instant in instants:
            at, _ = instant
            if mark_at is None or at >= mark_at:
                if is_due := is_mark_due(mark_at, at, since):
                    marked.append(instant)
                mark_at = next_mark(mark_at, at, is_due=is_due)
        last = [place for _, place in marked[-1:]]
        marks = {each.position.id: made for each in held for made in each.made(last)}
        snapshots: dict[str, Decimal] = {}
        records: list[Record] = []
        for each in held:
            due = [one for one in marked if is_snapshot_due(state.session, each.expiry, one[0])]
            records += each.marks(due)
            for made in each.made([place for _, place in due[-1:]]):
                snapshots[each.position.id] = made
        records.sort(key=attrgetter("at"))
        state = state._replace(marks={**state.marks, **marks}, snapshots={**state.snapshots, **snapshots})
        return state._replace(asked_at=asked_at, mark_at=mark_at), records

    # ------------------------------------------------------------ when a turn does nothing

    def _is_calm(self, state: State, now: datetime) -> bool:
        """Say whether nothing but exits of open positions, and orders that rest, could make a turn do anything.

        Positions are open and whole, wait for no retry, and what is to rest at the broker does.
        """
        if not state.active or state.doubts or state.uncovered or state.stirring is None or state.is_stopping:
            return False
        if not all(self._rests_whole(state, state.positions[name]) for name in state.stirring):
            return False
        if not state.is_linked or state.standing != OperatorState() or state.facts.dividends or is_untold(state):
            return False
        if now < state.session.open + OPENING_MINUTES or state.watch_at is None or state.aims is None:
            return False
        return only_looks_again(self._program, state, now, state.step_at)

    def _rests_whole(self, state: State, position: Position) -> bool:
        """Say whether an open position stirs only since orders of it rest, each for what its legs hold."""
        if position.suspended or position.has_unbalanced_legs:
            return False
        held = {leg.name: leg.held for leg in position.legs}
        resting = _resting_of(state, position)
        return all(order.remaining * leg.ratio == held[leg.name] for order in resting for leg in order.legs)

    def _all_held(self, state: State) -> tuple[HeldPosition, ...] | None:
        """Return what is held, None when some of it is none of what arrays can tell, or waits for something."""
        readers = {name for row in state.board.rows.values() for name in state.dependents.get(row, ())}
        found = []
        for name in state.active:
            held = self._held(state, state.positions[name])
            if held is None or not self._has_been_false(state, held):
                return None
            readers.discard(held.position.bot)
            found.append(held)
        return None if readers else tuple(found)

    def _held(self, state: State, position: Position) -> HeldPosition | None:
        known, resting = self._known.get(position.id), _resting_of(state, position)
        if known is None or known[0] is not position or known[1] != resting:
            bot, structure = self._program.governing(position), state.structures.get(position.id)
            made = None
            if structure is not None and is_plain_bot(bot) and self._is_plain(position, structure):
                made = HeldPosition(self._market, position, structure, bot, resting)
            known = self._known[position.id] = (position, resting, made)
        return known[2]

    def _is_plain(self, position: Position, structure: Structure) -> bool:
        """Say whether a position that does not stir is as it was opened, and holds options that have quotes."""
        held = structure.held
        is_as_opened = held is not None and not held.realized and not position.is_frozen
        is_of_one = len({part.option.symbol for part in structure.parts}) == 1  # a mark of several tells each apart
        return is_as_opened and is_of_one and all(self._is_plain_leg(part) for part in structure.parts)

    def _is_plain_leg(self, part: HeldLeg) -> bool:
        option = part.option
        return part.row >= 0 and option.multiplier == LOT and self._market.column(option) is not None

    def _has_been_false(self, state: State, held: HeldPosition) -> bool:
        """Say whether each exit was judged before, and was not true: what changes there is put on record."""
        readings, place = state.bots[held.position.bot].readings, exits_of(held.position.id)
        for rule in held.rules:
            before = readings.get((place, rule.name))
            if before is None or before.verdict.truth is not False:
                return False
        return True

    def _only_holds(self, work: StateBuilder, name: str) -> bool:
        """Say whether a bot can enter nothing now, and nothing but a loss of the day can halt it."""
        bot = self._program.bots.get(name)
        return not may_enter(work, name) and (bot is None or not (bot.halts or bot.members))

    def _next_stir(self, work: StateBuilder, held: Sequence[HeldPosition]) -> int:
        """Return the first instant after the present one at which an exit may act, or a loss of the day may halt."""
        first = self._market.place + 1
        stirs = np.logical_or.reduce([each.may_act[first:] for each in held])
        for name in {each.position.bot for each in held}:
            bot = self._program.bots.get(name)
            if bot is not None and bot.plan.risk.day.are_set and not work.bots[name].day.halt:
                own = [each for each in held if each.position.bot == name]
                stirs |= _may_pass(own, first, bot_today(work, name), bot.plan.risk.day)
        limits = self._program.limits
        is_over = all(work.bots[name].day.halt for name in self._program.bots) and not limits.at_daily_loss
        if limits.bounds_a_day and not is_over:
            stirs |= _may_pass(held, first, account_today(work), limits.day)
        found = np.flatnonzero(stirs)
        return first + (int(found[0]) if len(found) else len(stirs))


def _may_pass(held: Sequence[HeldPosition], first: int, today: Decimal, bounds: DayBounds) -> Mask:
    """Return the instants from `first` on at which these may have taken the day past what it may lose or bring.

    today: what was made of it at the instant before, dollars.
    """
    value = np.sum([each.value for each in held], axis=0)
    made = value[first:] - value[first - 1] + float(today)
    found: Mask = np.zeros(len(made), dtype=bool)
    if bounds.loss is not None:
        found |= ~(made > CENTS - float(bounds.loss))
    if bounds.profit is not None:
        found |= ~(made < float(bounds.profit) - CENTS)
    return found


def _resting_of(state: State, position: Position) -> tuple[Order, ...]:
    """Return the orders of a position that may still fill."""
    return tuple(order for ref in state.live if (order := state.orders[ref]).is_of(position.id))


def is_plain_bot(bot: CompiledBot) -> bool:
    """Say whether all exits of a bot are judged alone and by what arrays can know."""
    if bot.trailing or bot.exit_chains or any(bot.arming):
        return False
    return all(rule.max_age is None for rule in rules_of(bot)) and not any(each.repeat for each in bot.plan.exits)
