"""An entry by arrays: the instants at which one may be sent, and what came of the first that was."""

from decimal import Decimal
from typing import NamedTuple

import numpy as np

from engine.adapters.history.day import Columns
from engine.decide.limits import price_problem, worst_case_problem
from engine.evaluate.select import Selection
from engine.evaluate.snapshot import Held, Ledger, View
from engine.model.commission import estimate
from engine.model.contract import LOT, Option
from engine.model.facts import Facts
from engine.model.money import ZERO
from engine.model.payoff import least_payoff
from engine.order.band import price_band
from engine.run.arrays.may_hold import Mask, may_hold
from engine.run.arrays.measures import Market
from engine.run.backtest.fills import FillModel
from engine.run.sweep.arrays.bot import ArrayBot
from engine.run.sweep.arrays.candidate import Candidate
from engine.run.sweep.arrays.day import ArrayDay
from engine.run.sweep.arrays.picks import Picked, Picks
from engine.run.sweep.arrays.working import UNCLEAR, Fill, Quoted, Unclear, Unfilled, lacks_size, quoted_at, work
from engine.spec.nouns.order import Start
from engine.turn.bounds import risk_floor, stated_floor
from engine.turn.choosing import opening_commission, show_candidate


class Entered(NamedTuple):
    """An entry that was filled. cash: dollars in less out, without commissions; all at an instant of the data."""

    place: int
    selection: Selection
    fill: Fill
    held: Held
    cash: Decimal


Entry = Entered | Unfilled | Unclear | None
"""What came of an entry; None where none was sent."""


class Entering:
    """Entries of one session, with what each variant has worked out kept for the others."""

    def __init__(self, day: ArrayDay, fills: FillModel) -> None:
        self.day = day
        self.fills = fills
        self.picks = Picks(day)
        self.market = Market(day)
        self._when: dict[int, Mask | None] = {}
        self._kept: dict[object, Columns] = {}
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
        first, last = (int(each) for each in np.searchsorted(day.times, (start, end)))
        may = self._may_enter(bot, slice(first, last))
        reached = int(day.reached_from(np.array([start]))[0])
        for place in range(first, last) if may is None else (first + np.flatnonzero(may)).tolist():
            if not self._is_plain(bot, reached, place):
                return UNCLEAR
            entry = self._enter(bot, place, facts)
            if entry is not None:
                return entry
        return None

    def _is_plain(self, bot: ArrayBot, reached: int, place: int) -> bool:
        """Say whether a bot chooses among what is streamed as it would among all that is listed."""
        is_there = all(side in self.day.sides for side in bot.sides)
        return is_there and all(self.day.is_ordered(*side, reached, place) for side in bot.by_delta)

    def _may_enter(self, bot: ArrayBot, window: slice) -> Mask | None:
        """Return at which instants of the window an entry may be sent, None for all."""
        plan, found = bot.plan, []
        for rule, number in zip(plan.entry.when, bot.when, strict=True):
            if number not in self._when:
                self._when[number] = may_hold(rule.test, self.market.measure)
            mask = self._when[number]
            if mask is not None:
                found.append(mask[window])
        if found and not (may := np.logical_and.reduce(found)).any():
            return np.asarray(may)
        picked = self.picks.picked(plan.legs, bot.keys) if plan.require else None
        if picked is not None:
            found += self._required(bot, picked, window)
        return np.asarray(np.logical_and.reduce(found)) if found else None

    def _required(self, bot: ArrayBot, picked: tuple[Picked, ...], window: slice) -> list[Mask]:
        candidate = self.candidate(bot, picked)
        masks = (may_hold(rule.test, candidate.measure) for rule in bot.plan.require)
        return [mask[window] for mask in masks if mask is not None]

    def candidate(self, bot: ArrayBot, picked: tuple[Picked, ...]) -> Candidate:
        """Return the measures of what a bot would enter, with its legs at all instants."""
        plan = bot.plan
        starts = plan.order.start.value if plan.order.price is None else ""
        legs = {leg.name: (each.columns, leg.sign) for each, leg in zip(picked, plan.legs, strict=True)}
        return Candidate(self.day, legs, starts, bot.grid, bot.keys, self._kept)

    def _enter(self, bot: ArrayBot, place: int, facts: tuple[int, Facts]) -> Entry:
        """Return what an entry at an instant came to, None when its rules or limits do not let it be sent."""
        plan = bot.plan
        view = self.day.view_at(place, facts)
        view.legs, view.held, view.quantity = (), None, 0
        if not all(rule.judge(view).truth is True for rule in bot.compiled.when):
            return None
        selection = self.picks.at(bot.compiled, bot.keys, place, view)
        quoted = None if selection is None else quoted_at(self.day, selection, place, opens=True)
        if selection is None or quoted is None:
            return None
        show_candidate(view, plan, selection, quoted.net)
        view.quantity = plan.quantity
        view.commission = float(opening_commission(selection, view, plan.quantity))
        if not all(rule.judge(view).truth is True for rule in bot.compiled.require):
            return None
        lowest = self._lowest(selection)
        worst = None if lowest is None else max(-Decimal(f"{view.start_price or 0.0:.4f}") - lowest, ZERO)
        if self._is_refused(bot, worst, view, quoted):
            return None
        if lacks_size(self.day, quoted, place, plan.quantity):
            return UNCLEAR
        floor = self._floor(bot, lowest, quoted)
        fill = work(quoted, plan.quantity, plan.order, self.fills, closing=False, floor=floor)
        return self._entered(bot, selection, view, place, fill, worst) if isinstance(fill, Fill) else fill

    def _lowest(self, selection: Selection) -> Decimal | None:
        """Return the least that a structure pays at expiry per share, None without a bound."""
        parts = tuple((leg.option, leg.sign) for leg in selection.legs)
        if parts not in self._payoffs:
            self._payoffs[parts] = least_payoff(parts)
        return self._payoffs[parts]

    def _is_refused(self, bot: ArrayBot, worst: Decimal | None, view: View, quoted: Quoted) -> bool:
        """Say whether the gate before an entry keeps it out, by the limits that a bot alone can run into.

        worst: the largest loss per share of one structure at the price that its order starts from.
        """
        plan, risk = bot.plan, bot.plan.risk
        of_all = None if worst is None else worst * LOT * plan.quantity + Decimal(f"{view.commission:.2f}")
        if worst_case_problem(of_all, risk.max_loss_per_trade, risk.undefined_risk):
            return True
        at_once = quoted.net.natural if plan.order.start is Start.MARKET else view.start_price
        price = None if at_once is None else Decimal(f"{at_once:.4f}")
        band = price_band(bot.program.limits.price_band, quoted.parts, view.board)
        return bool(price_problem(price, Decimal(f"{quoted.net.mid:.4f}"), band))

    def _floor(self, bot: ArrayBot, lowest: Decimal | None, quoted: Quoted) -> Decimal | None:
        """Return the least net price of the entry, as `turn.bounds.credit_floor` has it."""
        plan = bot.plan
        asks = ((part.option, plan.quantity, ask) for part, (_, ask) in zip(quoted.parts, quoted.sides, strict=True))
        commission, shares = sum((estimate([each]) for each in asks), ZERO), LOT * plan.quantity
        stated = stated_floor((each.rule for each in bot.compiled.require), shares, commission)
        least = risk_floor(plan.risk.max_loss_per_trade, lowest, shares, commission)
        return max((each for each in (stated, least) if each is not None), default=None)

    def _entered(
        self, bot: ArrayBot, selection: Selection, view: View, place: int, fill: Fill, worst: Decimal | None
    ) -> Entered:
        quantity, net, cash = bot.plan.quantity, ZERO, ZERO
        ledgers = {}
        for leg, price, commission in zip(selection.legs, fill.prices, fill.commissions, strict=True):
            brings = -leg.sign * price * quantity * leg.option.multiplier
            net += brings * leg.weight / (quantity * leg.ratio * leg.option.multiplier)
            cash += brings
            entry = float(brings * leg.weight / (quantity * leg.ratio * leg.option.multiplier))
            ledgers[leg.name] = Ledger(entry, float(brings - commission), leg.sign * quantity)
        held = Held(
            entry_price=float(net),
            quantity=quantity,
            realized=0.0,
            commissions=float(sum(fill.commissions, ZERO)),
            opened_at=view.now + fill.after,
            max_risk=None if worst is None else float(worst * LOT) / LOT,
            legs=ledgers,
            opened_on=self.day.session.date,
        )
        return Entered(place, selection, fill, held, cash)
