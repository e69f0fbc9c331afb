"""One session of one bot by arrays: when it enters, when it leaves, and what came of it; or that this is not clear.

Arrays say at which instants anything may happen; there the rules of the engine are judged on the board of that instant.
Whatever is not plain is left to the turns: an order that does not fill while the market stands, a quote that is not
whole at a moment that matters, a clock time between two instants.
"""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from rulebot.adapters.history.day import Columns
from rulebot.backtest.fills import FillModel
from rulebot.backtest.session_close import settlement
from rulebot.backtest.simulated_broker import margin_of
from rulebot.backtest.vectorized.measures import Position, Structure
from rulebot.backtest.vectorized.rule_masks import Mask, may_hold
from rulebot.compile.clock_exits import HURRY, clock_time
from rulebot.compile.plan import ExitPlan, Truth
from rulebot.core.rule_evaluation import first_missing
from rulebot.evaluate.evaluation import NotOpen
from rulebot.evaluate.select import StructureSelection
from rulebot.evaluate.snapshot import LegView
from rulebot.fill.exit_level import net_of_whole
from rulebot.model.contract import Option
from rulebot.model.facts import Facts
from rulebot.model.money import CENT, ZERO, Rounding
from rulebot.model.payoff import intrinsic
from rulebot.narrate.text_table import clock
from rulebot.order.price import ticks_of
from rulebot.spec.nouns.order import Order
from rulebot.sweep.vectorized.entry_times import EntryTimes
from rulebot.sweep.vectorized.entry_window import Entered
from rulebot.sweep.vectorized.exit_orders import (
    FOR_NOTHING,
    NOT_QUOTED,
    Fill,
    Outcome,
    UndecidedByArrays,
    Unfilled,
    lacks_size,
    quoted_at,
    work_exit,
)
from rulebot.sweep.vectorized.session_arrays import ArrayDay
from rulebot.sweep.vectorized.variant_plan import ArrayBot, delay_of


class SessionResult(NamedTuple):
    """What came of a session. change: of the account, dollars; net: of the trade that was closed, None without one.

    tied: dollars that the account had to begin with more than, so that something was left free beside the margin.
    """

    change: Decimal
    net: Decimal | None
    tied: Decimal = ZERO


NOTHING = SessionResult(ZERO, None)
NOT_VALUED = UndecidedByArrays("what it holds cannot be valued at an instant, of which `daily_loss` has an alarm")
NO_LEVEL = UndecidedByArrays("nobody knows at what its options settle")


class Acting(NamedTuple):
    """An exit that is true, the seconds for which it must stay so, and the number of its order."""

    delay: float
    planned: ExitPlan
    order: int


TOGETHER = 2.0
"""Seconds within which one exit could take over from another before its order has filled."""


class ArraySession:
    """A session that variants share, with what each has worked out of it kept for the others."""

    def __init__(self, day: ArrayDay, fills: FillModel) -> None:
        self.day = day
        self.fills = fills
        self.entering = EntryTimes(day, fills)
        self._kept: dict[object, Columns] = {}
        self._odd: dict[Structure, Mask] = {}
        self._masks: dict[tuple[int, object], Mask | None] = {}
        self._closings: dict[object, Outcome] = {}
        self._settled: dict[tuple[str, str], float | None] = {}
        self._margins: dict[tuple[LegView, ...], Decimal] = {}

    def live(self, bot: ArrayBot) -> SessionResult | UndecidedByArrays:
        """Return what came of the session for a bot."""
        day = self.day
        if not day.is_day_of(bot.plan):
            return NOTHING
        (start, end), instants = bot.clock(day)
        if start >= end:
            return NOTHING
        if start < 0.0:
            return UndecidedByArrays("its window begins before the open")
        if (
            between := next((at for at in instants if 0.0 < at < day.length and at not in day.places), None)
        ) is not None:
            at = clock(day.session.open + timedelta(seconds=between))
            return UndecidedByArrays(f"{at}, a time of the spec, lies between two instants of the data")
        facts = day.facts_of(bot.program, bot.needs)
        if start < bot.opened_at(facts[1]):
            return UndecidedByArrays(
                "its window begins before the expected move of the open is known, or that is not sure"
            )
        entered = self.entering.first(bot, start, end, facts)
        if entered is None or isinstance(entered, Unfilled):
            return NOTHING
        if isinstance(entered, UndecidedByArrays):
            return UndecidedByArrays(f"entry: {entered.why}")
        return self._leave(bot, entered, facts)

    # ------------------------------------------------------------ leaving

    def _leave(self, bot: ArrayBot, entered: Entered, facts: tuple[int, Facts]) -> SessionResult | UndecidedByArrays:
        """Return what came of a position."""
        day = self.day
        columns = [day.columns[leg.option] for leg in entered.selection.legs]
        for place in self._may_leave(bot, entered):
            if bot.plan.risk.day.loss is not None and day.is_worth_unknown[columns, place].any():
                return NOT_VALUED
            view = day.view_at(place, facts)
            view.legs, view.held, view.quantity = entered.selection.legs, entered.held, entered.held.quantity
            true: list[Acting] = []
            for planned, compiled, order in zip(bot.plan.exits, bot.compiled.exits, bot.exit_orders, strict=True):
                if compiled is None:
                    continue
                verdict = compiled.judge(view)
                if verdict.truth is None and not isinstance(first_missing(verdict), NotOpen):
                    return UndecidedByArrays(f"{planned.name}: what it reads is not known at an instant")
                if verdict.truth:
                    true.append(Acting(delay_of(compiled.rule), planned, order))
            if true:
                return self._close(entered, true, place)
        return self._expire(entered)

    def _may_leave(self, bot: ArrayBot, entered: Entered) -> list[int]:
        """Return at which instants from the entry on an exit may act, or a quote that it reads is odd."""
        day = self.day
        structure: Structure = tuple((day.columns[leg.option], leg.sign) for leg in entered.selection.legs)
        position = Position(day, structure, bot.names, entered.held, self._kept, structure)
        rest = slice(entered.place, day.end)
        masks = []
        for test, number in bot.exits:
            mask = self._mask(test, position) if number is None else self._shared_mask(test, number, position)
            if mask is None:
                return list(range(entered.place, day.end))
            masks.append(mask[rest])
        if not masks and bot.plan.risk.day.loss is None:
            return []
        if structure not in self._odd:
            columns = [column for column, _ in structure]
            self._odd[structure] = np.asarray(day.is_doubtful[columns].any(axis=0))
        masks.append(self._odd[structure][rest])
        found: list[int] = (entered.place + np.flatnonzero(np.logical_or.reduce(masks))).tolist()
        return found

    def _shared_mask(self, test: Truth, number: int, position: Position) -> Mask | None:
        key = (number, position.key)
        if key not in self._masks:
            self._masks[key] = self._mask(test, position)
        return self._masks[key]

    def _mask(self, test: Truth, position: Position) -> Mask | None:
        return may_hold(test, position.measure, self.day.times.shape)

    def _close(self, entered: Entered, true: list[Acting], place: int) -> SessionResult | UndecidedByArrays:
        """Return what came of closing a position by the first of these exits that is confirmed."""
        acting = min(true, key=lambda each: each.delay)  # of several the one that stands higher
        if any(acting.delay < each.delay <= acting.delay + TOGETHER for each in true):
            return UndecidedByArrays(f"{acting.planned.name}: another exit is true within {TOGETHER:g} seconds")
        begins = acting.delay + (entered.since if place == entered.place else 0.0)
        quantity = entered.held.quantity
        if is_hurried(acting.planned, self.day.length - self.day.times[place] - begins):
            return UndecidedByArrays(f"{acting.planned.name}: its order may last until the close")
        target = target_net(acting.planned, entered.held.entry_price)
        key = (entered.selection.legs, quantity, place, begins, acting.order, target)
        if key not in self._closings:
            self._closings[key] = self._worked(entered.selection, quantity, acting.planned.order, place, begins, target)
        fill = self._closings[key]
        if isinstance(fill, UndecidedByArrays):
            return UndecidedByArrays(f"{acting.planned.name}: {fill.why}")
        if not isinstance(fill, Fill) or (fill.tries > 1 and len(true) > 1):
            return UndecidedByArrays(f"{acting.planned.name}: another exit is true while its order works")
        cash = ZERO
        for leg, price in zip(entered.selection.legs, fill.prices, strict=True):
            cash += leg.sign * price * quantity * leg.option.multiplier
        return self._over(entered, cash, fill.commissions)

    def _worked(
        self,
        selection: StructureSelection,
        quantity: int,
        order: Order,
        place: int,
        begins: float,
        target: Decimal | None,
    ) -> Outcome:
        """Return what came of a closing order that is sent so many seconds after an instant."""
        quoted = quoted_at(self.day, selection, place, opens=False)
        if quoted is None or lacks_size(self.day, quoted, place, quantity):
            return NOT_QUOTED
        if target is not None and target < 0 <= ticks_of(quoted.parts).round(target, Rounding.UP):
            return FOR_NOTHING
        return work_exit(quoted, quantity, order, self.fills, self.day.room(place) - begins, target)

    def _expire(self, entered: Entered) -> SessionResult | UndecidedByArrays:
        cash = ZERO
        for leg in entered.selection.legs:
            level = self.settled(leg.option)
            if level is None:
                return NO_LEVEL
            worth = intrinsic(leg.option, Decimal(f"{level:.4f}"))
            cash += leg.sign * worth * entered.held.quantity * leg.option.multiplier
        return self._over(entered, cash, ())

    def settled(self, option: Option) -> float | None:
        """Return the level at which an option of today settles, None where it is not known."""
        key = (option.symbol, option.trading_class)
        if key not in self._settled:
            self._settled[key] = settlement(option, self.day.session, self.day.day, self.day.source, {})
        return self._settled[key]

    def _over(self, entered: Entered, cash: Decimal, commissions: Sequence[Decimal]) -> SessionResult:
        opened = entered.cash - sum(entered.fill.commissions, ZERO)
        net = opened + cash - sum(commissions, ZERO)
        margin = self._margin(entered.selection.legs) * entered.held.quantity
        return SessionResult(net.quantize(CENT), net, tied_of(margin, opened, net))

    def _margin(self, legs: tuple[LegView, ...]) -> Decimal:
        """Return the margin of one structure."""
        if legs not in self._margins:
            self._margins[legs] = margin_of(tuple((leg.option, leg.sign, ZERO) for leg in legs))
        return self._margins[legs]


def is_hurried(planned: ExitPlan, left: float) -> bool:
    """Say whether the close may cut the ladder of a clock exit short, so many seconds before it."""
    return clock_time(planned) is not None and left < planned.order.seconds + planned.order.wait + 2 * HURRY


def target_net(planned: ExitPlan, entry: float) -> Decimal | None:
    """Return the net price per share that the order of an exit never goes past, None for what is no target."""
    if not planned.is_target_price or planned.compares is None:
        return None
    net = net_of_whole(planned.compares, entry)
    return None if net is None else Decimal(f"{net:.9f}")


def tied_of(margin: Decimal, opened: Decimal, net: Decimal) -> Decimal:
    """Return what an account had to begin with more than (`Lived`). opened: what the entry brought; net: the trade."""
    return max(margin - opened, -net, ZERO)
