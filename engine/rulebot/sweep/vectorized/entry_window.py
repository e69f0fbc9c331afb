"""One bot's window by arrays: looks, entries that are sent, and what came of the last of them.

At each look the rules of the engine are judged, on the board of its instant.
"""

from collections.abc import Callable, Hashable
from copy import copy
from decimal import Decimal
from functools import cache, partial
from math import inf
from typing import NamedTuple

import numpy as np

from rulebot.adapters.history.session import Columns
from rulebot.backtest.arrays import MarketColumns, Mask, may_hold
from rulebot.backtest.fill_model import FillModel
from rulebot.compile.data_needs import calls_of
from rulebot.compile.plan import Call, Compare, Constant, LegPlan, Op, Rule, Truth
from rulebot.core.entry.structure_selection import opening_commission, show_candidate
from rulebot.core.gate.entry_limits import MOST
from rulebot.core.gate.price_limits import holds_at, risk_floor, stated_floor
from rulebot.core.program import CompiledBot, CompiledRule, Program
from rulebot.core.queries.schedule import OPENING_MINUTES
from rulebot.core.rules.rule_evaluation import REREAD
from rulebot.decide.limits import price_problem, worst_case_problem
from rulebot.evaluate.strikes import StructureSelection
from rulebot.measure.view import Held, Ledger, View
from rulebot.model.black import years_until
from rulebot.model.commission import estimate
from rulebot.model.contract import LOT, Option
from rulebot.model.facts import Facts
from rulebot.model.loss_bound import min_close_cost, most_commissions
from rulebot.model.money import ZERO
from rulebot.order.price import Bound, Holds, limited_at, price_band, ticks_of_options
from rulebot.spec.nouns import StrikeBy
from rulebot.sweep.vectorized.entry_order import EntryOrder, EvaluationInstant, EvaluationTimes, FilledAt, Meets
from rulebot.sweep.vectorized.exit_orders import (
    NOT_QUOTED,
    Fill,
    Grid,
    Quoted,
    UndecidedByArrays,
    Unfilled,
    lacks_size,
    quoted_at,
)
from rulebot.sweep.vectorized.session_arrays import ArrayDay
from rulebot.sweep.vectorized.strikes import NEAR, NONE, AtMoney, StrikeChoices

# --- A variant made ready for sessions by arrays, and what it has in common with others

OF_VOLATILITY = frozenset(("iv", "iv_over_rv"))
"""Measures that rise in a constant market: the same price over less time."""
OF_PRICE = frozenset(("profit", "loss", "credit", "debit", "max_risk"))
"""Measures that depend on the price that a position was entered at."""


class Numbers:
    """Gives what is written alike the same number, so that variants know what they have in common."""

    def __init__(self) -> None:
        self._known: dict[tuple[Hashable, ...], int] = {}

    def __call__(self, *parts: Hashable) -> int:
        """Return the number of these parts."""
        return self._known.setdefault(parts, len(self._known))


class ArrayBot:
    """One variant, prepared once for all sessions.

    keys, when, require, entry, exit_orders: the numbers of its legs, its conditions of entry and of what it enters, all
    inputs of an entry, and the order of each exit; needs: key of the slow facts that it gets. exits: their tests, with
    a number where a test is the same for every position in the same options. sides: classes and rights of its legs,
    by_delta: of those chosen by delta. grid: of the prices of the whole. halts: the numbers of its halt conditions.
    money: the symbol and class whose at-the-money options it reads, None without; when_at_money: which of its
    conditions do, chosen_at_money: whether a strike is chosen so, require_at_money: whether `require` does. opens:
    whether it reads the expected move of the open.
    """

    def __init__(self, program: Program, numbers: Numbers) -> None:
        self.program = program
        (bot,) = program.bots.values()
        self.compiled: CompiledBot = bot
        self.plan = plan = bot.plan
        self.keys = tuple(numbers("leg", plan.expiry, _terms(each)) for each in plan.legs)
        self.when = tuple(numbers("test", rule.test) for rule in plan.entry.when)
        self.require = tuple(numbers("test", rule.test) for rule in plan.require)
        entry = (plan.entry, plan.expiry, plan.legs, plan.require, plan.order, plan.quantity, plan.risk)
        self.entry = numbers("entry", entry)
        self.exit_orders = tuple(numbers("order", planned.order) for planned in plan.exits)
        self.needs = numbers("needs", repr((plan.needs.chains, plan.needs.daily, plan.needs.opening_move)))
        self.opens = bool(plan.needs.opening_move)
        self.halts = tuple(numbers("test", rule.test) for rule in plan.risk.halt_when)
        self.when_at_money = tuple(_any(rule.test, is_at_money) for rule in plan.entry.when)
        self.require_at_money = any(_any(rule.test, is_at_money) for rule in plan.require)
        self.chosen_at_money = any(leg.strike.by is StrikeBy.EXPECTED_MOVE for leg in plan.legs)
        reads = self.chosen_at_money or self.require_at_money or any(self.when_at_money)
        self.money = (plan.legs[0].symbol, plan.legs[0].trading_class) if reads else None
        self.names = tuple(leg.name for leg in plan.legs)
        tests = (planned.rule.test for planned in plan.exits if planned.rule is not None)
        self.exits = tuple((test, None if _any(test, _is_of_price) else numbers("test", test)) for test in tests)
        self.sides = frozenset((leg.trading_class, leg.right) for leg in plan.legs)
        by_delta = (leg for leg in plan.legs if leg.strike.by is StrikeBy.DELTA)
        self.by_delta = frozenset((leg.trading_class, leg.right) for leg in by_delta)
        self.grid = Grid(ticks_of_options(plan.legs[0].symbol, len(plan.legs)))
        self._clocks: dict[float, tuple[tuple[float, float], tuple[float, ...]]] = {}

    def clock(self, day: ArrayDay) -> tuple[tuple[float, float], tuple[float, ...]]:
        """Return its window and all its times of day, in seconds after the open; alike on days of one length."""
        if day.length not in self._clocks:
            ((start, end),) = self.compiled.windows(day.session)
            instants = (at.timestamp() - day.opens_at for at in self.compiled.instants(day.session))
            window = (start.timestamp() - day.opens_at, end.timestamp() - day.opens_at)
            self._clocks[day.length] = (window, tuple(instants))
        return self._clocks[day.length]

    def opened_at(self, facts: Facts) -> float:
        """Return from when on what it reads of the open is known, in seconds after the open; infinite for never."""
        if not self.opens:
            return -inf
        return OPENING_MINUTES.total_seconds() if facts.opening_moves else inf


def delay_of(rule: Rule) -> float:
    """Return the seconds until a rule that has become true is confirmed, in a constant market."""
    confirm = rule.confirm
    if confirm is None:
        return 0.0
    return REREAD * (confirm.quotes - 1) if confirm.quotes is not None else confirm.seconds or 0.0


def _terms(leg: LegPlan) -> Hashable:
    """Return what a leg is, and what its strike depends on."""
    return leg.name, leg.symbol, leg.trading_class, leg.right, leg.sign, leg.strike


def _any(test: Truth, holds: Callable[[Call], bool]) -> bool:
    return any(map(holds, calls_of(test)))


def is_at_money(call: Call) -> bool:
    """Say whether a measure is read from the quotes at the money of its instant."""
    return call.measure in OF_VOLATILITY or (call.measure == "expected_move" and not is_of_open(call))


def is_of_open(call: Call) -> bool:
    """Say whether a measure is the expected move of the open."""
    return call.measure == "expected_move" and dict(call.arguments).get("asof") == "open"


def _is_of_price(call: Call) -> bool:
    return call.measure in OF_PRICE


# --- Conditions that read the market alone, of entry and of what halts a bot

_SLACK = 1e-9


class Conditions:
    """The conditions of one session, with each result cached for all variants."""

    def __init__(self, day: ArrayDay, at_money: AtMoney) -> None:
        self._day, self.at_money = day, at_money
        self.market = _Market(day)
        self._truths: dict[tuple[int, int, int, bool], bool | None] = {}
        self._halts: dict[tuple[int, int], float | None] = {}

    def first_halt(self, bot: ArrayBot, facts: tuple[int, Facts]) -> float | None:
        """Return when a bot is halted, in seconds after the open; infinite when never, None where that is not clear."""
        found = []
        for rule, number in zip(bot.compiled.halts, bot.halts, strict=True):
            key = (number, facts[0])
            if key not in self._halts:
                self._halts[key] = self._first_true(bot, rule, facts)
            found.append(self._halts[key])
        known = [each for each in found if each is not None]
        return min(known, default=inf) if len(known) == len(found) else None

    def _first_true(self, bot: ArrayBot, rule: CompiledRule, facts: tuple[int, Facts]) -> float | None:
        """Return when a rule is first true; None where it is not known, or true before it is sure what it reads."""
        day = self._day
        may = may_hold(rule.rule.test, self.market.measure, day.times.shape)
        places = np.arange(day.first, day.end)
        for place in (places if may is None else places[may[places]]).tolist():
            truth = rule.judge(self.view_of(bot, place, facts)).truth
            if truth is None or (truth and place == day.first and any(map(is_of_open, calls_of(rule.rule.test)))):
                return None  # the expected move of the open becomes known after it
            if truth:
                return float(day.times[place])
        return inf

    def holds(
        self, bot: ArrayBot, number: int, place: int, facts: tuple[int, Facts], *, hidden: bool = False
    ) -> bool | None:
        """Say whether a condition of entry is true at an instant; None where that changes in a constant market.

        hidden: without the strike nearest to spot.
        """
        key = (bot.when[number], facts[0], place, hidden)
        if key not in self._truths:
            view = self.view_of(bot, place, facts, hidden=hidden)
            self._truths[key] = self._judged(bot.compiled.when[number], place, view)
        return self._truths[key]

    def _judged(self, rule: CompiledRule, place: int, view: View) -> bool | None:
        evaluation = rule.judge(view)
        bound = rising_to(rule.rule.test)
        if bound is not None and evaluation.truth is not None and evaluation.value is not None:
            rise = self._rise(place)
            if rise is None or evaluation.value - _SLACK <= bound <= evaluation.value * rise + _SLACK:
                return None
        return evaluation.truth is True

    def _rise(self, place: int) -> float | None:
        """Return the factor by which a volatility grows until the next instant; None at the end of the session.

        An at-the-money price gives the product of volatility and the root of the remaining time (Black, 1976).
        """
        day, now = self._day, float(self._day.times[place]) + self._day.opens_at
        before = years_until(day.session.date, now)
        after = years_until(day.session.date, now + day.room(place))
        return (before / after) ** 0.5 if before and after else None

    def surely_reads(self, bot: ArrayBot, reached: int) -> Mask | None:
        """Return where a bot reads at the money what it would with all strikes streamed, None when it reads none.

        reached: the instant from which on its strikes are streamed.
        """
        return None if bot.money is None else self.at_money.surely_read(*bot.money, reached)

    def surely_guesses(self, bot: ArrayBot) -> Mask | None:
        """Return where a bot's target strikes are certain, None when no at-the-money option shows them."""
        return None if bot.money is None else self.at_money.are_guessed(*bot.money)

    def view_of(self, bot: ArrayBot, place: int, facts: tuple[int, Facts], *, hidden: bool = False) -> View:
        """Return the view of an instant for a bot that holds nothing. hidden: without the strike nearest to spot."""
        if hidden and bot.money:
            view = self.at_money.hidden_view_at(place, facts, *bot.money)
        else:
            view = self._day.view_at(place, facts)
        view.legs, view.held, view.quantity = (), None, 0
        return view


class _Market(MarketColumns):
    """The market of a session that variants share."""

    day: ArrayDay

    def of_board(self, symbol: str, name: str) -> Columns | float | None:
        """Return the open, high, low or previous close of an underlying."""
        return self.day.of_board(symbol, name)

    def opening_move(self, symbol: str) -> float | None:
        """Return the expected move of the open that bots get."""
        return self.day.opening_move(symbol)


def rising_to(test: Truth) -> float | None:
    """Return the bound of a comparison of something that rises in a constant market, None for other tests."""
    match test:
        case Compare(Op.ABOVE | Op.BELOW | Op.AT_LEAST | Op.AT_MOST, Call(measure), (Constant(bound),)):
            return bound if measure in OF_VOLATILITY else None
    return None


# --- One bot's window by arrays


class Entered(NamedTuple):
    """An entry that was filled: at which instant of the data, and how many seconds since it at the latest.

    cash: dollars in less out, without commissions.
    """

    place: int
    since: float
    selection: StructureSelection
    fill: Fill
    held: Held
    cash: Decimal


class WindowResult(NamedTuple):
    """What an entry would be at an instant, its conditions true: its legs, their quotes, and the view of it."""

    selection: StructureSelection
    quoted: Quoted
    view: View


DISORDER = UndecidedByArrays(
    "deltas do not fall outward from strike to strike, or an option is not listed on both sides"
)
AT_MONEY = UndecidedByArrays("it is not sure which options at the money are streamed")
NOT_STREAMED = UndecidedByArrays("it is not sure whether its legs are streamed yet")
Entry = Entered | Unfilled | UndecidedByArrays | None
"""What came of an entry; None where none was sent."""


class SentOrder(NamedTuple):
    """An entry that was sent at a look."""

    look: EvaluationInstant
    came_to: Entry


LEVELS = frozenset((StrikeBy.OTM, StrikeBy.AT_SPOT, StrikeBy.EXPECTED_MOVE))
"""Selectors that ask for a level of the underlying."""
STREAMED_IN = 20.0
"""Seconds after an instant by which all that its legs may be is streamed."""


class Window:
    """A window of one bot. reached: the instant from which on its strikes are streamed; payoffs: known to others.

    halt: when the bot is halted, in seconds after the open.
    """

    def __init__(
        self,
        day: ArrayDay,
        picks: StrikeChoices,
        conditions: Conditions,
        fills: FillModel,
        payoffs: dict[tuple[tuple[Option, int], ...], Decimal | None],
        bot: ArrayBot,
        facts: tuple[int, Facts],
        reached: int,
        halt: float,
    ) -> None:
        self.day, self.picks, self.conditions, self.fills, self._payoffs = day, picks, conditions, fills, payoffs
        self.bot, self.facts, self.reached, self.halt = bot, facts, reached, halt
        self._surely = conditions.surely_reads(bot, reached)

    def entry(self, looks: EvaluationTimes) -> Entry:
        """Return what came of its last entry; None when none is sent."""
        for _ in range(MOST):
            sent = self._sent(looks)
            if sent is None or not isinstance(sent.came_to, Unfilled) or not looks.again(sent.came_to):
                return None if sent is None else sent.came_to
        return UndecidedByArrays(f"it sends {MOST} entries")  # more would be stopped (`turn.runaway`)

    def _sent(self, looks: EvaluationTimes) -> SentOrder | None:
        """Return the next entry that is sent, None without any."""
        refused = NONE
        for look in looks:
            if look.place == refused:  # nothing has moved since
                continue
            if not self._is_plain(look.place):
                return SentOrder(look, DISORDER)
            came_to = self._enter(look) if self._is_sure(look) else self._uncertain_arrays(look)
            if came_to is not None:
                return SentOrder(look, came_to)
            refused = look.place
        return None

    def _is_plain(self, place: int) -> bool:
        """Say whether a bot chooses among what is streamed as it would among all that is listed."""
        is_there = all(side in self.day.sides for side in self.bot.sides)
        return is_there and all(self.day.is_ordered(*side, self.reached, place) for side in self.bot.by_delta)

    def _is_sure(self, look: EvaluationInstant) -> bool:
        """Say whether a bot reads at the money what it would with all strikes streamed."""
        if self._surely is None or look.at - self.day.times[look.place] >= STREAMED_IN:
            return True
        return bool(self._surely[look.place])

    def _uncertain_arrays(self, look: EvaluationInstant) -> UndecidedByArrays | None:
        """Return None where no entry is sent, whichever strike at the money is streamed already."""
        return AT_MONEY if any(self._may_send(look.place, hidden=hidden) for hidden in (False, True)) else None

    def _may_send(self, place: int, *, hidden: bool) -> bool:
        judged = self._judged(place, hidden=hidden)
        if not isinstance(judged, WindowResult):
            return judged is not None
        return not self._is_refused(self._worst(judged, self._lowest(judged.selection)), judged)

    def _enter(self, look: EvaluationInstant) -> Entry:
        """Return the result of an entry at a look, None when its rules or limits do not let it be sent."""
        plan = self.bot.plan
        judged = self._judged(look.place)
        if not isinstance(judged, WindowResult):
            return judged
        selection, quoted, _ = judged
        lowest = self._lowest(selection)
        worst = self._worst(judged, lowest)
        if self._is_refused(worst, judged):
            return None
        late = 0.0 if self._is_streamed(look, selection) else STREAMED_IN
        until = None if self._is_at_an_end(selection) else self._until(look, late)
        if until is None or lacks_size(self.day, quoted, look.place, plan.quantity):
            return NOT_STREAMED if until is None else NOT_QUOTED
        order = EntryOrder(self.day, look, plan.order, plan.quantity, self.fills, until)
        fill = order.work(self._meeting(look, judged, lowest), partial(self._quoted, selection))
        return self._entered(selection, look, fill, lowest, late) if isinstance(fill, Fill) else fill

    def _worst(self, judged: WindowResult, lowest: Decimal | None) -> Decimal | None:
        """Return the largest loss per share of one structure at the price at which limits look at it."""
        price = limited_at(self.bot.plan.order, judged.view.start_price, judged.quoted.net)
        return None if lowest is None else max(-Decimal(f"{price or 0.0:.4f}") - lowest, ZERO)

    def _judged(
        self, place: int, chosen: StructureSelection | None = None, *, hidden: bool = False
    ) -> WindowResult | UndecidedByArrays | None:
        """Judge the conditions of an entry at an instant; None where they are not true. chosen: its legs, if known.

        hidden: without the strike nearest to spot.
        """
        bot = self.bot
        is_clear = True
        for number, is_at_money in enumerate(bot.when_at_money):
            truth = self.conditions.holds(bot, number, place, self.facts, hidden=hidden and is_at_money)
            if truth is False:
                return None
            is_clear &= truth is not None
        if not is_clear:
            return UndecidedByArrays("whether a condition of `when` is true is not sure")
        view = self.conditions.view_of(bot, place, self.facts, hidden=hidden)
        selection = chosen
        if selection is None:
            selection = self.picks.at(bot.compiled, bot.keys, place, view, hidden=hidden and bot.chosen_at_money)
        quoted = None if selection is None else quoted_at(self.day, selection, place, opens=True)
        if selection is None or quoted is None:
            return None
        show_candidate(view, bot.plan, selection, quoted.net)
        view.quantity = bot.plan.quantity
        view.commission = float(opening_commission(selection, view, bot.plan.quantity))
        if not all(rule.judge(view).truth is True for rule in bot.compiled.require):
            return None
        return WindowResult(selection, quoted, view)

    def _quoted(self, selection: StructureSelection, place: int) -> Quoted | None:
        """Return the legs of an order at an instant, None where a quote is incomplete, or its size too small."""
        found = quoted_at(self.day, selection, place, opens=True)
        return None if found is None or lacks_size(self.day, found, place, self.bot.plan.quantity) else found

    def _meeting(self, look: EvaluationInstant, judged: WindowResult, lowest: Decimal | None) -> Meets:
        """Return the key of what the tries of an order meet, instant by instant."""

        @cache
        def meets(place: int) -> FilledAt | UndecidedByArrays | None:
            now: WindowResult | UndecidedByArrays | None = judged
            if place != look.place:
                if self._quoted(judged.selection, place) is None:
                    return NOT_QUOTED
                if self._reads_unsurely(place):
                    return AT_MONEY
                now = self._judged(place, judged.selection)
            if not isinstance(now, WindowResult):
                return now
            return FilledAt(now.quoted, self._bound(lowest, now), self._band(now))

        return meets

    def _reads_unsurely(self, place: int) -> bool:
        """Say whether a condition reads at the money where it is not sure which strike is streamed."""
        reads = self.bot.require_at_money or any(self.bot.when_at_money)
        return reads and self._surely is not None and not self._surely[place]

    def _until(self, look: EvaluationInstant, late: float) -> float | None:
        """Return the time before which an order of a look must end to be clear; None where its start is not.

        At a look soon after an instant its legs may not stream yet: then it is sent up to some seconds late, or, by the
        grid of `every`, at the next look.
        """
        _, instants = self.bot.clock(self.day)
        until = min((at for at in (*instants, self.halt) if at > look.at), default=self.day.length)
        if not late:
            return until
        entry = self.bot.plan.entry
        if entry.every is not None or entry.again is not None:
            return None
        return min(until, float(self.day.times[look.place]) + self.day.room(look.place) - late)

    def _is_streamed(self, look: EvaluationInstant, selection: StructureSelection) -> bool:
        """Say whether the legs of a look are surely among what is streamed then: strikes around those of before."""
        day = self.day
        if look.at - day.times[look.place] >= STREAMED_IN:
            return True
        guesses = self.conditions.surely_guesses(self.bot)
        if look.place <= self.reached or (guesses is not None and not guesses[look.place - 1]):
            return False
        view = self.conditions.view_of(self.bot, look.place - 1, self.facts)
        before = self.picks.at(self.bot.compiled, self.bot.keys, look.place - 1, view)
        if before is None:
            return False
        now, then = (day.ranks[[day.columns[leg.option] for leg in legs]] for legs in (selection.legs, before.legs))
        return bool((np.abs(now - then) <= NEAR).all()) and self.picks.asks_near(self.bot.plan.legs, look.place)

    def _is_at_an_end(self, selection: StructureSelection) -> bool:
        """Say whether a level that is asked for may lie past all strikes: others are streamed then than are taken."""
        day = self.day
        for leg, planned in zip(selection.legs, self.bot.plan.legs, strict=True):
            rank = day.ranks[day.columns[leg.option]]
            ends = (0, len(day.sides[planned.trading_class, planned.right]) - 1)
            if rank in ends and planned.strike.by in LEVELS:
                return True
        return False

    def _lowest(self, selection: StructureSelection) -> Decimal | None:
        """Return the least that a structure pays at expiry per share, None without a bound."""
        parts = tuple((leg.option, leg.sign) for leg in selection.legs)
        if parts not in self._payoffs:
            self._payoffs[parts] = min_close_cost(parts)
        return self._payoffs[parts]

    def _is_refused(self, worst: Decimal | None, judged: WindowResult) -> bool:
        """Say whether the gate before an entry keeps it out, by the limits that a bot alone can run into.

        worst: the largest loss per share of one structure at the price at which limits look at it.
        """
        plan, risk, view = self.bot.plan, self.bot.plan.risk, judged.view
        fees = most_commissions(judged.selection.legs)
        of_all = None if worst is None else (worst * LOT + fees) * plan.quantity
        if worst_case_problem(of_all, risk.max_loss_per_trade, risk.undefined_risk):
            return True
        net = judged.quoted.net
        price = limited_at(plan.order, view.start_price, net)
        judged_at = None if price is None else Decimal(f"{price:.4f}")
        return bool(price_problem(judged_at, Decimal(f"{net.mid:.4f}"), self._band(judged)))

    def _band(self, judged: WindowResult) -> Decimal | None:
        """Return how far from the mid its price may lie."""
        return price_band(self.bot.program.limits.price_band, judged.quoted.parts, judged.view.board)

    def _bound(self, lowest: Decimal | None, judged: WindowResult) -> Bound:
        """Return how far the net price of the entry may go, as `turn.bounds.entry_bound` has it."""
        plan, quoted = self.bot.plan, judged.quoted
        asks = [(part.option, plan.quantity, ask) for part, (_, ask) in zip(quoted.parts, quoted.sides, strict=True)]
        commission, shares = estimate(asks), LOT * plan.quantity
        stated = stated_floor((each.rule for each in self.bot.compiled.require), shares, commission)
        fees = most_commissions(judged.selection.legs) * plan.quantity
        least = risk_floor(plan.risk.max_loss_per_trade, lowest, shares, fees)
        floor = max((each for each in (stated, least) if each is not None), default=None)
        return Bound(floor, self._holds(judged.view, commission))

    def _holds(self, view: View, commission: Decimal) -> Holds | None:
        """Return what judges the conditions that depend on the price; of the view as it is, which others share."""
        seen = copy(view)
        seen.commission = float(commission)
        return holds_at(self.bot.compiled.priced, seen)

    def _entered(
        self, selection: StructureSelection, look: EvaluationInstant, fill: Fill, lowest: Decimal | None, late: float
    ) -> Entered:
        quantity, net, cash = self.bot.plan.quantity, ZERO, ZERO
        at = look.at + fill.after
        place = self.day.place_at(at)
        ledgers = {}
        for leg, price, commission in zip(selection.legs, fill.prices, fill.commissions, strict=True):
            brings = -leg.sign * price * quantity * leg.option.multiplier
            net += brings * leg.price_multiplier / (quantity * leg.ratio * leg.option.multiplier)
            cash += brings
            entry = float(brings * leg.price_multiplier / (quantity * leg.ratio * leg.option.multiplier))
            ledgers[leg.name] = Ledger(entry, float(brings - commission), leg.sign * quantity, leg.option.expiry)
        worst = None if lowest is None else max(-net - lowest, ZERO)
        held = Held(
            entry_price=float(net),
            quantity=quantity,
            realized=0.0,
            commissions=float(sum(fill.commissions, ZERO)),
            opened_at=self.day.opens_at + at,
            max_risk=None if worst is None else float(worst * LOT) / LOT,
            legs=ledgers,
            opened_on=self.day.session.date,
        )
        return Entered(place, at + late - float(self.day.times[place]), selection, fill, held, cash)
