"""A variant made ready for sessions by arrays, and what it has in common with others."""

from collections.abc import Hashable

from engine.compile.plan import LegPlan, Rule, Truth
from engine.compile.reads import calls_of
from engine.evaluate.reading import context_of
from engine.order.price import ticks_of_options
from engine.run.sweep.arrays.day import ArrayDay
from engine.run.sweep.arrays.money_columns import Grid
from engine.spec.nouns.legs import StrikeBy
from engine.turn.judging import REREAD
from engine.turn.program import CompiledBot, Program

OF_PRICE = frozenset(("profit", "loss", "credit", "debit"))
"""Measures that depend on the price that a position was entered at."""


class Numbers:
    """Gives what is written alike the same number, so that variants know what they have in common."""

    def __init__(self) -> None:
        self._known: dict[tuple[Hashable, ...], int] = {}

    def __call__(self, *parts: Hashable) -> int:
        """Return the number of these parts."""
        return self._known.setdefault(parts, len(self._known))


class ArrayBot:
    """One variant, made ready once for all sessions.

    keys, when, require, entry, exit_orders: the numbers of its legs, its conditions of entry and of what it enters, all
    that an entry follows from, and the order of each exit; needs: what tells which slow facts it is told.
    exits: their tests, with a number where a test is the same for every position in the same options. sides: classes
    and rights of its legs, by_delta: of those that are chosen by delta. grid: of the prices of the whole.
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
        self.needs = numbers("needs", repr((plan.needs.chains, plan.needs.daily)))
        self.context = context_of(self.plan)
        self.names = tuple(leg.name for leg in plan.legs)
        tests = (planned.rule.test for planned in plan.exits if planned.rule is not None)
        self.exits = tuple((test, None if _reads(test, OF_PRICE) else numbers("test", test)) for test in tests)
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


def delay_of(rule: Rule) -> float:
    """Return the seconds until a rule that has become true is confirmed, while the market stands."""
    confirm = rule.confirm
    if confirm is None:
        return 0.0
    return REREAD * (confirm.quotes - 1) if confirm.quotes is not None else confirm.seconds or 0.0


def _terms(leg: LegPlan) -> Hashable:
    """Return what a leg is, and what its strike depends on."""
    return leg.name, leg.symbol, leg.trading_class, leg.right, leg.sign, leg.strike


def _reads(test: Truth, measures: frozenset[str]) -> bool:
    return any(call.measure in measures for call in calls_of(test))
