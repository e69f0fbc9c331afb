"""Entries by arrays: the instants at which one may be sent, and what came of it, kept for all variants."""

from decimal import Decimal

import numpy as np

from rulebot.adapters.history.day import Columns
from rulebot.backtest.fills import FillModel
from rulebot.backtest.vectorized.rule_masks import Mask, may_hold
from rulebot.model.contract import Option
from rulebot.model.facts import Facts
from rulebot.sweep.vectorized.atm_options import AtMoney
from rulebot.sweep.vectorized.candidate_structure import Candidate
from rulebot.sweep.vectorized.conditions import Conditions
from rulebot.sweep.vectorized.entry_window import Entry, Window
from rulebot.sweep.vectorized.evaluation_times import EvaluationTimes
from rulebot.sweep.vectorized.exit_orders import UndecidedByArrays
from rulebot.sweep.vectorized.session_arrays import ArrayDay
from rulebot.sweep.vectorized.strike_choice import StrikeChoice, StrikeChoices
from rulebot.sweep.vectorized.variant_plan import ArrayBot


class EntryTimes:
    """Entries of one session, with what each variant has worked out kept for the others."""

    def __init__(self, day: ArrayDay, fills: FillModel) -> None:
        self.day = day
        self.fills = fills
        at_money = AtMoney(day)
        self.picks = StrikeChoices(day, at_money)
        self.conditions = Conditions(day, at_money)
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
                self._when[number] = may_hold(rule.test, self.conditions.measure, self.day.times.shape)
            mask = self._when[number]
            if mask is not None:
                found.append(mask[window])
        if found and not (may := np.logical_and.reduce(found)).any():
            return np.asarray(may)
        picked = self.picks.picked(plan.legs, bot.keys) if plan.require else None
        if picked is not None:
            surely = self.conditions.surely_reads(bot, reached)
            doubtful = False if surely is None else ~surely[window]
            found += [mask | doubtful for mask in self._required(bot, picked, window)]
        return np.asarray(np.logical_and.reduce(found)) if found else None

    def _required(self, bot: ArrayBot, picked: tuple[StrikeChoice, ...], window: slice) -> list[Mask]:
        candidate = self.candidate(bot, picked)
        masks = (may_hold(rule.test, candidate.measure, self.day.times.shape) for rule in bot.plan.require)
        return [mask[window] for mask in masks if mask is not None]

    def candidate(self, bot: ArrayBot, picked: tuple[StrikeChoice, ...]) -> Candidate:
        """Return the measures of what a bot would enter, with its legs at all instants."""
        plan = bot.plan
        starts = plan.order.start.value if plan.order.price is None else ""
        legs = {leg.name: (each.columns, leg.sign) for each, leg in zip(picked, plan.legs, strict=True)}
        return Candidate(self.day, legs, starts, bot.grid, bot.keys, self._kept, self.conditions.measure)
