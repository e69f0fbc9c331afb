"""Variants that differ in nothing but numbers: their strikes, bounds and times. They are judged together."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TypeVar, cast

import numpy as np

from rulebot.adapters.history.session import Columns, Places
from rulebot.compile.data_needs import calls_of
from rulebot.compile.plan import (
    AllOf,
    AnyOf,
    Arithmetic,
    Compare,
    Constant,
    ExitPlan,
    Not,
    Number,
    Plan,
    Quantity,
    Rule,
)
from rulebot.compile.plan import Truth as Test
from rulebot.core.gate.price_limits import stated_floor
from rulebot.fill.exit_level import net_of_whole
from rulebot.model.money import ZERO
from rulebot.spec.spec import Order, PriceFrom
from rulebot.sweep.vectorized.entry_window import ArrayBot, delay_of
from rulebot.sweep.vectorized.exit_orders import UNIT
from rulebot.sweep.vectorized.session_arrays import ArrayDay

Key = TypeVar("Key", bound=Hashable)
NO_LIMIT = np.iinfo(np.int64).max
Change = Callable[[Number], Number]
Clock = tuple[Columns, Columns, frozenset[float]]
"""Where windows begin and end, and all times of day, in seconds after the open."""


class VariantGroup:
    """Some variants of one kind, with their numbers as columns. Shape: (N,), in tests (N, 1).

    picks, when, require, halts: of each choice of legs, of each rule in its place, and of what halts them, those that
    are different.
    most: cents that a trade may lose; floor: dollars per share that `require` asks for at least.
    """

    def __init__(self, bots: Sequence[ArrayBot]) -> None:
        self.bots = bots
        self.plan = plan = bots[0].plan
        self.rights, self.signs = tuple(leg.right for leg in plan.legs), tuple(leg.sign for leg in plan.legs)
        self.picks = distinct([bot.keys for bot in bots])
        self.when = [distinct(numbers) for numbers in zip(*(bot.when for bot in bots), strict=True)]
        asked = ([(number, bot.keys) for number in bot.require] for bot in bots)
        self.require = [distinct(keys) for keys in zip(*asked, strict=True)]
        self.halts = distinct([bot.halts for bot in bots])
        self.exits = [(planned.order, delay_of(planned.rule)) for planned in plan.exits if planned.rule is not None]
        judged = [[planned for planned in bot.plan.exits if planned.rule is not None] for bot in bots]
        self._planned = list(zip(*judged, strict=True))
        losses = (bot.plan.risk.max_loss_per_trade for bot in bots)
        self.most = np.array([NO_LIMIT if each is None else int(each * 100) for each in losses], dtype=np.int64)
        floors = (stated_floor((rule.rule for rule in bot.compiled.require), 1, ZERO) for bot in bots)
        self.floor = np.array([-np.inf if each is None else float(each) for each in floors])
        split = [[_split(test) for test, _ in bot.exits] for bot in bots]
        self._tests = [test for test, _ in split[0]]
        self._numbers = [np.array([each[place][1] for each in split]) for place in range(len(self._tests))]
        self._clocks: dict[float, Clock] = {}

    def clock(self, day: ArrayDay) -> Clock:
        """Return the clock of a session; alike on days of one length."""
        if day.length not in self._clocks:
            clocks = [bot.clock(day) for bot in self.bots]
            starts, ends = (np.array([window[place] for window, _ in clocks]) for place in range(2))
            instants = frozenset(at for _, every in clocks for at in every if 0.0 < at < day.length)
            self._clocks[day.length] = (starts, ends, instants)
        return self._clocks[day.length]

    def planned(self, number: int) -> ExitPlan:
        """Return an exit as the first of them has it: the others differ from it in numbers of its rule."""
        first: ExitPlan = self._planned[number][0]
        return first

    def targets(self, number: int, rows: Places, entries: Columns) -> Columns | None:
        """Return the net prices that orders of an exit never go past, by entry prices; None for what is no target."""
        planned = self._planned[number]
        if not planned[0].is_target_price:
            return None
        levels = [planned[row].compares for row in rows.tolist()]
        nets = [
            None if level is None else net_of_whole(level, entry)
            for level, entry in zip(levels, entries.tolist(), strict=True)
        ]
        return np.array([-np.inf if net is None else net for net in nets])

    def tests(self, rows: Places) -> Iterator[Test]:
        """Yield the tests of the exits, with the numbers of these variants as columns in place of one's."""
        for test, numbers in zip(self._tests, self._numbers, strict=True):
            yield _filled(test, iter(numbers[rows].T[:, :, None]))


def distinct(keys: Sequence[Key]) -> tuple[list[int], Places]:
    """Return for each different key the first place that has it, and for each place which of these it is."""
    known: dict[Key, int] = {}
    places = np.array([known.setdefault(key, len(known)) for key in keys], dtype=np.intp)
    return np.unique(places, return_index=True)[1].tolist(), places


def kind_of(bot: ArrayBot) -> Hashable:
    """Return the key of its kind, None for a variant that is judged alone."""
    plan = bot.plan
    orders = [plan.order, *(planned.order for planned in plan.exits)]
    if not all(map(_is_plain, orders)) or plan.order.start is PriceFrom.MARKET or _counts_odd(plan):
        return None
    if bot.compiled.priced:
        return None
    return (
        (plan.entry.days, plan.entry.every, plan.entry.again),
        (plan.quantity, plan.order, plan.risk.undefined_risk, plan.risk.day.loss is None, bot.program.limits),
        tuple((leg.name, leg.symbol, leg.trading_class, leg.right, leg.sign, leg.strike.by) for leg in plan.legs),
        tuple(_reported(rule) for rule in plan.entry.when),
        tuple(_reported(rule) for rule in plan.require),
        tuple(_reported(rule) for rule in plan.risk.halt_when),
        tuple((each.order, each.kind, each.any_price, each.rule and _reported(each.rule)) for each in plan.exits),
    )


def _is_plain(order: Order) -> bool:
    return order.price is None and (order.step is None or order.step * UNIT % 1 == 0)


def _counts_odd(plan: Plan) -> bool:
    """Say whether it has a bound that is no whole cent, or that commissions count in."""
    most = plan.risk.max_loss_per_trade
    of_dollars = (call.quantity is Quantity.DOLLARS for rule in plan.require for call in calls_of(rule.test))
    return (most is not None and most * 100 % 1 != 0) or any(of_dollars)


def _reported(rule: Rule) -> Hashable:
    return _split(rule.test)[0], rule.confirm, rule.max_age


def _split(test: Test) -> tuple[Test, list[float]]:
    """Return a test without its numbers, and these in their order."""
    numbers: list[float] = []

    def blank(each: Number) -> Number:
        if isinstance(each, Constant):
            numbers.append(each.value)
            return Constant(0.0, each.quantity)
        return each

    return _changed(test, blank), numbers


def _filled(test: Test, numbers: Iterator[Columns]) -> Test:
    """Return a test with columns where it has numbers: `may_hold` reckons with both alike."""

    def fill(each: Number) -> Number:
        return Constant(cast(float, next(numbers)), each.quantity) if isinstance(each, Constant) else each

    return _changed(test, fill)


def _changed(test: Test, change: Change) -> Test:
    match test:
        case Compare(op, left, right):
            return Compare(op, _changed_number(left, change), tuple(_changed_number(each, change) for each in right))
        case AllOf(members, names):
            return AllOf(tuple(_changed(each, change) for each in members), names)
        case AnyOf(members, names):
            return AnyOf(tuple(_changed(each, change) for each in members), names)
        case Not(member):
            return Not(_changed(member, change))
        case _:
            return test


def _changed_number(number: Number, change: Change) -> Number:
    if isinstance(number, Arithmetic):
        operands = tuple(_changed_number(each, change) for each in number.operands)
        return Arithmetic(number.operator, operands, number.quantity)
    return change(number)
