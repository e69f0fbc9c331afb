"""Conditions that read the market alone, of entry and of what halts a bot: judged by the engine's rules, once for all.

`measure` has the arrays that rule instants out.
"""

from math import inf

import numpy as np

from engine.adapters.history.day import Columns
from engine.compile.plan import Call, Compare, Constant, Op, Quantity, Truth
from engine.compile.reads import calls_of
from engine.evaluate.snapshot import View
from engine.model.black import years_until
from engine.model.facts import Facts
from engine.run.arrays.may_hold import HAIR, Mask, Series, may_hold_at
from engine.run.arrays.measures import Market
from engine.run.sweep.arrays.at_money import AtMoney
from engine.run.sweep.arrays.bot import OF_VOLATILITY, ArrayBot, is_of_open
from engine.run.sweep.arrays.day import ArrayDay
from engine.turn.program import CompiledRule

_SLACK = 1e-9


class Conditions:
    """The conditions of one session, with what each came to kept for all variants."""

    def __init__(self, day: ArrayDay, at_money: AtMoney) -> None:
        self._day, self.at_money = day, at_money
        self._market = Market(day)
        self._truths: dict[tuple[int, int, int, bool], bool | None] = {}
        self._halts: dict[tuple[tuple[int, ...], int], float | None] = {}
        self._known: dict[Call, Series | None] = {}

    def first_halt(self, bot: ArrayBot, facts: tuple[int, Facts]) -> float | None:
        """Return when a bot is halted, in seconds after the open; infinite when never, None where that is not clear."""
        key = (bot.halts, facts[0])
        if key not in self._halts:
            found = [self._first_true(bot, rule, facts) for rule in bot.compiled.halts]
            self._halts[key] = min((each for each in found if each is not None), default=inf)
            if None in found:
                self._halts[key] = None
        return self._halts[key]

    def _first_true(self, bot: ArrayBot, rule: CompiledRule, facts: tuple[int, Facts]) -> float | None:
        """Return when a rule is first true; None where it is not known, or true before it is sure what it reads."""
        day = self._day
        may = may_hold_at(rule.rule.test, self.measure, len(day.times))
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
                move = self._day.opening_moves.get(str(arguments["of"]))
                return None if move is None else (move, HAIR)
            case "vix_change":
                return self._change("VIX", str(arguments["since"]), call.quantity)
            case "move":
                return self._change(str(arguments["of"]), str(arguments["since"]), call.quantity)
            case "vix_spike":
                level, low = self._day.level("VIX"), self._extreme("VIX", np.fmin)
                return None if level is None or low is None else (np.maximum(level - low, 0.0), HAIR)
            case "day_range":
                high, low = (self._extreme(str(arguments["of"]), find) for find in (np.fmax, np.fmin))
                return None if high is None or low is None else (high - low, HAIR)
            case _:
                return self._market.measure(call)

    def _change(self, symbol: str, since: str, quantity: Quantity) -> Series | None:
        level, day = self._day.level(symbol), self._day
        if level is None:
            return None
        base = float(level[day.first]) if since == "open" else day.previous_close(symbol)
        if not base > 0.0:
            return None
        return (level / base - 1.0 if quantity is Quantity.FRACTION else level - base), HAIR

    def _extreme(self, symbol: str, find: np.ufunc) -> Columns | None:
        """Return the highest or the lowest of a level in the session so far."""
        level, first = self._day.level(symbol), self._day.first
        if level is None:
            return None
        found: Columns = np.concatenate((level[:first], find.accumulate(level[first:])))
        return found


def rising_to(test: Truth) -> float | None:
    """Return the bound of a comparison of something that rises while the market stands, None for other tests."""
    match test:
        case Compare(Op.ABOVE | Op.BELOW | Op.AT_LEAST | Op.AT_MOST, Call(measure), (Constant(bound),)):
            return bound if measure in OF_VOLATILITY else None
    return None
