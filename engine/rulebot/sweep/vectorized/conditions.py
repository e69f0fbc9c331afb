"""Conditions that read the market alone, of entry and of what halts a bot: judged by the engine's rules, once for all.

`measure` has the arrays that rule instants out.
"""

from collections.abc import Callable
from math import inf

import numpy as np

from rulebot.adapters.history.day import Columns
from rulebot.backtest.vectorized.measures import Market
from rulebot.backtest.vectorized.rule_masks import HAIR, Mask, Series, may_hold
from rulebot.compile.plan import Call, Compare, Constant, Op, Quantity, Truth
from rulebot.compile.reads import calls_of
from rulebot.core.program import CompiledRule
from rulebot.evaluate.snapshot import View
from rulebot.model.black import years_until
from rulebot.model.facts import Facts
from rulebot.sweep.vectorized.atm_options import AtMoney
from rulebot.sweep.vectorized.session_arrays import ArrayDay
from rulebot.sweep.vectorized.variant_plan import OF_VOLATILITY, ArrayBot, is_of_open

_SLACK = 1e-9
_LAST, _OPEN, _HIGH, _LOW = range(4)
"""The rows of a range (`ArrayDay.ranges`)."""


class Conditions:
    """The conditions of one session, with what each came to kept for all variants."""

    def __init__(self, day: ArrayDay, at_money: AtMoney) -> None:
        self._day, self.at_money = day, at_money
        self._market = Market(day)
        self._truths: dict[tuple[int, int, int, bool], bool | None] = {}
        self._halts: dict[tuple[int, int], float | None] = {}
        self._known: dict[Call, Series | None] = {}

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
        may = may_hold(rule.rule.test, self.measure, day.times.shape)
        places = np.arange(day.first, day.end)
        for place in (places if may is None else places[may[places]]).tolist():
            truth = rule.judge(self.view_of(bot, place, facts)).truth
            if truth is None or (truth and place == day.first and any(map(is_of_open, calls_of(rule.rule.test)))):
                return None  # the expected move of the open comes to be known after it
            if truth:
                return float(day.times[place])
        return inf

    def holds(
        self, bot: ArrayBot, number: int, place: int, facts: tuple[int, Facts], *, hidden: bool = False
    ) -> bool | None:
        """Say whether a condition of entry is true at an instant; None where that changes while the market stands.

        hidden: without the strike nearest to spot.
        """
        key = (bot.when[number], facts[0], place, hidden)
        if key not in self._truths:
            view = self.view_of(bot, place, facts, hidden=hidden)
            self._truths[key] = self._judged(bot.compiled.when[number], place, view)
        return self._truths[key]

    def _judged(self, rule: CompiledRule, place: int, view: View) -> bool | None:
        verdict = rule.judge(view)
        bound = rising_to(rule.rule.test)
        if bound is not None and verdict.truth is not None and verdict.value is not None:
            rise = self._rise(place)
            if rise is None or verdict.value - _SLACK <= bound <= verdict.value * rise + _SLACK:
                return None
        return verdict.truth is True

    def _rise(self, place: int) -> float | None:
        """Return how many times as large a volatility is when the next instant comes; None at the end of the session.

        A price at the money tells the product of the volatility and the root of the time that is left (Black, 1976).
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
        """Return where it is sure about which strikes a bot asks for, None when nothing at the money tells it."""
        return None if bot.money is None else self.at_money.are_guessed(*bot.money)

    def view_of(self, bot: ArrayBot, place: int, facts: tuple[int, Facts], *, hidden: bool = False) -> View:
        """Return the view of an instant for a bot that holds nothing. hidden: without the strike nearest to spot."""
        if hidden and bot.money:
            view = self.at_money.hidden_view_at(place, facts, *bot.money)
        else:
            view = self._day.view_at(place, facts)
        view.legs, view.held, view.quantity = (), None, 0
        return view

    # ------------------------------------------------------------ arrays

    def measure(self, call: Call) -> Series | None:
        """Return a measure of the market, None where there is no array of it."""
        if call not in self._known:
            self._known[call] = self._measure(call)
        return self._known[call]

    def _measure(self, call: Call) -> Series | None:
        arguments = dict(call.arguments)
        match call.measure:
            case "expected_move" if arguments.get("asof") == "open":
                move = self._day.opening_move(str(arguments["of"]))
                return None if move is None else (move, HAIR)
            case "vix_change" | "move":
                symbol = "VIX" if call.measure == "vix_change" else str(arguments["of"])
                return self._of_range(symbol, lambda told: self._change(symbol, told, call))
            case "vix_spike":
                return self._of_range("VIX", lambda told: np.maximum(told[_LAST] - told[_LOW], 0.0))
            case "day_range":
                return self._of_range(str(arguments["of"]), lambda told: told[_HIGH] - told[_LOW])
            case _:
                return self._market.measure(call)

    def _of_range(self, symbol: str, find: Callable[[Columns], Columns | None]) -> Series | None:
        """Return what follows from the range of a level so far, None where it is not known."""
        found = None if self._day.level(symbol) is None else find(self._day.ranges(symbol))
        return None if found is None else (found, HAIR)

    def _change(self, symbol: str, told: Columns, call: Call) -> Columns | None:
        day = self._day
        since_open = call.argument("since") == "open"
        base = float(told[_OPEN, day.first]) if since_open else day.previous_close(symbol)
        if not base > 0.0:
            return None
        change: Columns = told[_LAST] / base - 1.0 if call.quantity is Quantity.FRACTION else told[_LAST] - base
        return change


def rising_to(test: Truth) -> float | None:
    """Return the bound of a comparison of something that rises while the market stands, None for other tests."""
    match test:
        case Compare(Op.ABOVE | Op.BELOW | Op.AT_LEAST | Op.AT_MOST, Call(measure), (Constant(bound),)):
            return bound if measure in OF_VOLATILITY else None
    return None
