"""One session of one bot by arrays: when it enters and exits, and its result; or that this is not clear.

Arrays show at which instants anything may happen; there the engine's rules are judged on the board of that instant.
Anything not plain is left to the turns: an order that does not fill in a constant market, an incomplete quote at a
decisive moment, a clock time between two instants.
"""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple, cast

import numpy as np

from rulebot.adapters.history.session import Columns, Places
from rulebot.backtest.arrays import Mask, Position, Structure, may_hold, surely_holds
from rulebot.backtest.fill_model import FillModel
from rulebot.backtest.historical_feed import settlement
from rulebot.backtest.simulated_broker import margin_of
from rulebot.compile.exits import HURRY, clock_time
from rulebot.compile.plan import ExitPlan, Truth
from rulebot.core.rules.rule_evaluation import first_missing
from rulebot.evaluate.strikes import StructureSelection
from rulebot.fill.exit_level import net_of_whole
from rulebot.measure.evaluation import NotOpen
from rulebot.measure.reading import Value
from rulebot.measure.view import Held, LegView
from rulebot.model.contract import LOT, Option
from rulebot.model.facts import Facts
from rulebot.model.money import CENT, ZERO, Rounding
from rulebot.model.payoff import ends_together, intrinsic
from rulebot.model.session import Session
from rulebot.model.text import clock
from rulebot.order.price import ticks_of
from rulebot.spec.spec import Order
from rulebot.sweep.vectorized.entry_order import EvaluationTimes
from rulebot.sweep.vectorized.entry_window import ArrayBot, Conditions, Entered, Entry, Window, delay_of
from rulebot.sweep.vectorized.exit_orders import (
    FOR_NOTHING,
    NOT_QUOTED,
    UNIT,
    Cents,
    Fill,
    LadderFill,
    Orders,
    Outcome,
    Quotes,
    Rows,
    UndecidedByArrays,
    Unfilled,
    Units,
    lacks_size,
    margins,
    payoffs,
    quoted_at,
    surely_lost_below,
    work_exit,
)
from rulebot.sweep.vectorized.grouping import VariantGroup
from rulebot.sweep.vectorized.session_arrays import ArrayDay
from rulebot.sweep.vectorized.strikes import AtMoney, Candidate, CandidateLeg, StrikeChoice, StrikeChoices

# --- Entries by arrays


class EntryTimes:
    """Entries of one session, with what each variant has worked out kept for the others."""

    def __init__(self, day: ArrayDay, fills: FillModel) -> None:
        self.day = day
        self.fills = fills
        at_money = AtMoney(day)
        self.picks = StrikeChoices(day, at_money)
        self.conditions = Conditions(day, at_money)
        self._when: dict[int, Mask | None] = {}
        self._kept: dict[object, Value | None] = {}
        self._entries: dict[tuple[int, float, float], Entry] = {}
        self._payoffs: dict[tuple[tuple[Option, int], ...], Decimal | None] = {}

    def first(self, bot: ArrayBot, start: float, end: float, facts: tuple[int, Facts]) -> Entry:
        """Return what came of the one entry of a window, in seconds after the open; None when none is sent."""
        key = (bot.entry, start, end)
        if key not in self._entries:
            self._entries[key] = self._first(bot, start, end, facts)
        return self._entries[key]

    def _first(self, bot: ArrayBot, start: float, end: float, facts: tuple[int, Facts]) -> Entry:
        day = self.day
        halt = self.conditions.first_halt(bot, facts)
        if halt is None:
            return UndecidedByArrays("whether `halt_when` halts it is not sure")
        end = min(end, halt)  # halts are judged before entries
        if start >= end:
            return None
        first, last = (int(each) for each in np.searchsorted(day.times, (start, end)))
        reached = int(day.reached_from(np.array([start]))[0])
        may = self._may_enter(bot, slice(first, last), reached)
        if may is not None and not may.any():
            return None
        window = Window(day, self.picks, self.conditions, self.fills, self._payoffs, bot, facts, reached, halt)
        return window.entry(EvaluationTimes(day, bot.plan.entry, start, end, may))

    def _may_enter(self, bot: ArrayBot, window: slice, reached: int) -> Mask | None:
        """Return at which instants of the window an entry may be sent, None for all."""
        plan, found = bot.plan, []
        for rule, number in zip(plan.entry.when, bot.when, strict=True):
            if number not in self._when:
                self._when[number] = may_hold(rule.test, self.conditions.market.measure, self.day.times.shape)
            mask = self._when[number]
            if mask is not None:
                found.append(mask[window])
        if found and not (may := np.logical_and.reduce(found)).any():
            return np.asarray(may)
        picked = self.picks.picked(plan.legs, bot.keys) if plan.require else None
        if picked is not None:
            surely = self.conditions.surely_reads(bot, reached)
            uncertain = False if surely is None else ~surely[window]
            found += [mask | uncertain for mask in self._required(bot, picked, window)]
        return np.asarray(np.logical_and.reduce(found)) if found else None

    def _required(self, bot: ArrayBot, picked: tuple[StrikeChoice, ...], window: slice) -> list[Mask]:
        candidate = self.candidate(bot, picked)
        masks = (may_hold(rule.test, candidate.measure, self.day.times.shape) for rule in bot.plan.require)
        return [mask[window] for mask in masks if mask is not None]

    def candidate(self, bot: ArrayBot, picked: tuple[StrikeChoice, ...]) -> Candidate:
        """Return the measures of a bot's candidate, with its legs at all instants."""
        plan = bot.plan
        starts = plan.order.start.value if plan.order.price is None else ""
        legs = [
            CandidateLeg(self.day, leg.name, each.columns, leg.sign)
            for each, leg in zip(picked, plan.legs, strict=True)
        ]
        return Candidate(self.conditions.market, legs, starts, bot.grid, bot.keys, self._kept)


# --- One session of one bot by arrays


class SessionResult(NamedTuple):
    """The result of a session. change: of the account, dollars; net: of the closed trade, None without one.

    tied: dollars that the account needed at its begin so that something was left free beside the margin.
    """

    change: Decimal
    net: Decimal | None
    tied: Decimal = ZERO


NOTHING = SessionResult(ZERO, None)
NOT_VALUED = UndecidedByArrays("its holdings cannot be valued at an instant, so `daily_loss` raises an alarm")
NO_LEVEL = UndecidedByArrays("the settlement of its options is unknown")


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
        self._kept: dict[object, Value | None] = {}
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
            return UndecidedByArrays(f"{at}, a time of the spec, is between two instants of the data")
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
                evaluation = compiled.judge(view)
                if evaluation.truth is None and not isinstance(first_missing(evaluation), NotOpen):
                    return UndecidedByArrays(f"{planned.name}: what it reads is not known at an instant")
                if evaluation.truth:
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
            self._odd[structure] = np.asarray(day.is_uncertain[columns].any(axis=0))
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
        acting = min(true, key=lambda each: each.delay)  # of several the one of higher priority
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
        """Return the result of a closing order that is sent this many seconds after an instant."""
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
    """Say whether the close may cut the ladder of a clock exit short, this many seconds before it."""
    return clock_time(planned) is not None and left < planned.order.seconds + planned.order.wait + 2 * HURRY


def target_net(planned: ExitPlan, entry: float) -> Decimal | None:
    """Return the net price per share that the order of an exit never goes past, None for what is no target."""
    if not planned.is_target_price or planned.compares is None:
        return None
    net = net_of_whole(planned.compares, entry)
    return None if net is None else Decimal(f"{net:.9f}")


def tied_of(margin: Decimal, opened: Decimal, net: Decimal) -> Decimal:
    """Return the cash that an account needed at the begin (`tied`). opened: the entry's price; net: the trade."""
    return max(margin - opened, -net, ZERO)


# --- What comes of one session for variants of one kind, as it becomes known


class Entries(NamedTuple):
    """Entries that were filled: which variants, at which instants, in which options, and what came of it.

    Shape: (N,), columns (N, legs). commissions: of the entries; worst: the most each may lose
    per share, None without a bound.
    """

    rows: Places
    places: Places
    columns: Places
    worked: LadderFill
    commissions: Cents
    worst: Units | None

    def only(self, rows: Rows) -> "Entries":
        """Return some of them."""
        worst = None if self.worst is None else self.worst[rows]
        return Entries(
            self.rows[rows],
            self.places[rows],
            self.columns[rows],
            self.worked.only(rows),
            self.commissions[rows],
            worst,
        )


class ResultSheet:
    """A line for each variant: what came of its session, or why that is not clear.

    alone: the lines of those that are to be judged by themselves.
    """

    def __init__(self, session: ArraySession, group: VariantGroup) -> None:
        self.session, self.day, self.group = session, session.day, group
        self.found: list[SessionResult | UndecidedByArrays] = [NOTHING] * len(group.bots)
        self.alone: list[int] = []

    def leave_alone(self, rows: Places) -> None:
        """Have these variants judged by themselves."""
        self.alone += rows.tolist()

    def leave_to_turns(self, rows: Places, why: UndecidedByArrays) -> None:
        """Report that the session of these variants is not clear."""
        for row in rows.tolist():
            self.found[row] = why

    def quotes(self, columns: Places, places: Places, flows: tuple[int, ...]) -> Quotes:
        """Return the quotes of structures, each at its instant."""
        day = self.day
        at = places[:, None]
        options = [day.options[column] for column in columns[0].tolist()]
        return Quotes(day.bid[columns, at], day.ask[columns, at], flows, options)

    def strikes(self, columns: Places) -> Units:
        """Return the strikes of options."""
        return np.rint(self.day.strikes[columns] * UNIT).astype(np.int64)

    def lacks_size(self, quotes: Quotes, columns: Places, places: Places) -> Mask:
        """Say where less is quoted of a leg than an order would take, or that is not known."""
        lacks = np.zeros(len(places), dtype=bool)
        sizes = self.day.sizes
        if sizes is None:
            return lacks
        for leg, flow in enumerate(quotes.flows):
            lacks |= ~(sizes[0 if flow > 0 else 1][columns[:, leg], places] >= self.group.plan.quantity)
        return lacks


# --- Exits of variants of one kind

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
        """Report the results of positions."""
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
        """Return which exits act first, and where; None where a rule has no array."""
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
        uncertain = np.zeros(shape, dtype=bool)
        for leg in range(len(group.signs)):
            uncertain |= day.is_uncertain[held.columns[:, leg], every]
        any_act = (any_act | uncertain) & (np.arange(shape[1]) >= held.places[:, None] - since)
        acts, places = any_act.any(axis=1), any_act.argmax(axis=1)
        may_now, sure_now = (np.array([each[lines, places] for each in masks], dtype=bool) for masks in (may, sure))
        is_clear = ~uncertain[lines, places] & (may_now == sure_now).all(axis=0)
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
        """Report the results of closing positions by one exit."""
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
        """Report the results of positions without an exit."""
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
        """Report the results of positions that were closed at net prices."""
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
