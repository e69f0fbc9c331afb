"""One bot's window by arrays: looks, entries that are sent, and what came of the last of them.

At each look the rules of the engine are judged, on the board of its instant.
"""

from copy import copy
from decimal import Decimal
from functools import cache, partial
from typing import NamedTuple

import numpy as np

from rulebot.backtest.fills import FillModel
from rulebot.core.entry_rate_limit import MOST
from rulebot.core.price_limits import holds_at, risk_floor, stated_floor
from rulebot.core.structure_selection import opening_commission, show_candidate
from rulebot.decide.limits import price_problem, worst_case_problem
from rulebot.evaluate.select import StructureSelection
from rulebot.evaluate.snapshot import Held, Ledger, View
from rulebot.model.commission import estimate
from rulebot.model.contract import LOT, Option
from rulebot.model.facts import Facts
from rulebot.model.loss_bound import min_close_cost, most_commissions
from rulebot.model.money import ZERO
from rulebot.order.band import price_band
from rulebot.order.ladder import Bound, Holds, limited_at
from rulebot.spec.nouns.legs import StrikeBy
from rulebot.sweep.vectorized.conditions import Conditions
from rulebot.sweep.vectorized.entry_order import EntryOrder, EvaluationInstant, FilledAt, Meets
from rulebot.sweep.vectorized.evaluation_times import EvaluationTimes
from rulebot.sweep.vectorized.exit_orders import (
    NOT_QUOTED,
    Fill,
    Quoted,
    UndecidedByArrays,
    Unfilled,
    lacks_size,
    quoted_at,
)
from rulebot.sweep.vectorized.session_arrays import ArrayDay
from rulebot.sweep.vectorized.strike_choice import NEAR, NONE, StrikeChoices
from rulebot.sweep.vectorized.variant_plan import ArrayBot


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


class WindowVerdict(NamedTuple):
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
            came_to = self._enter(look) if self._is_sure(look) else self._in_doubt(look)
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

    def _in_doubt(self, look: EvaluationInstant) -> UndecidedByArrays | None:
        """Return None where no entry is sent, whichever strike at the money is streamed already."""
        return AT_MONEY if any(self._may_send(look.place, hidden=hidden) for hidden in (False, True)) else None

    def _may_send(self, place: int, *, hidden: bool) -> bool:
        judged = self._judged(place, hidden=hidden)
        if not isinstance(judged, WindowVerdict):
            return judged is not None
        return not self._is_refused(self._worst(judged, self._lowest(judged.selection)), judged)

    def _enter(self, look: EvaluationInstant) -> Entry:
        """Return what an entry at a look came to, None when its rules or limits do not let it be sent."""
        plan = self.bot.plan
        judged = self._judged(look.place)
        if not isinstance(judged, WindowVerdict):
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

    def _worst(self, judged: WindowVerdict, lowest: Decimal | None) -> Decimal | None:
        """Return the largest loss per share of one structure at the price at which limits look at it."""
        price = limited_at(self.bot.plan.order, judged.view.start_price, judged.quoted.net)
        return None if lowest is None else max(-Decimal(f"{price or 0.0:.4f}") - lowest, ZERO)

    def _judged(
        self, place: int, chosen: StructureSelection | None = None, *, hidden: bool = False
    ) -> WindowVerdict | UndecidedByArrays | None:
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
        return WindowVerdict(selection, quoted, view)

    def _quoted(self, selection: StructureSelection, place: int) -> Quoted | None:
        """Return the legs of an order at an instant, None where a quote is not whole, or of fewer than it wants."""
        found = quoted_at(self.day, selection, place, opens=True)
        return None if found is None or lacks_size(self.day, found, place, self.bot.plan.quantity) else found

    def _meeting(self, look: EvaluationInstant, judged: WindowVerdict, lowest: Decimal | None) -> Meets:
        """Return what tells what the tries of an order meet, instant by instant."""

        @cache
        def meets(place: int) -> FilledAt | UndecidedByArrays | None:
            now: WindowVerdict | UndecidedByArrays | None = judged
            if place != look.place:
                if self._quoted(judged.selection, place) is None:
                    return NOT_QUOTED
                if self._reads_unsurely(place):
                    return AT_MONEY
                now = self._judged(place, judged.selection)
            if not isinstance(now, WindowVerdict):
                return now
            return FilledAt(now.quoted, self._bound(lowest, now), self._band(now))

        return meets

    def _reads_unsurely(self, place: int) -> bool:
        """Say whether a condition reads at the money where it is not sure which strike is streamed."""
        reads = self.bot.require_at_money or any(self.bot.when_at_money)
        return reads and self._surely is not None and not self._surely[place]

    def _until(self, look: EvaluationInstant, late: float) -> float | None:
        """Return the time before which an order of a look has to be over to be clear; None where its start is not.

        At a look soon after an instant its legs may have yet to be streamed: then it is sent up to so many seconds
        late, or, by the grid of `every`, not before the next look.
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

    def _is_refused(self, worst: Decimal | None, judged: WindowVerdict) -> bool:
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

    def _band(self, judged: WindowVerdict) -> Decimal | None:
        """Return how far from the mid its price may lie."""
        return price_band(self.bot.program.limits.price_band, judged.quoted.parts, judged.view.board)

    def _bound(self, lowest: Decimal | None, judged: WindowVerdict) -> Bound:
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
