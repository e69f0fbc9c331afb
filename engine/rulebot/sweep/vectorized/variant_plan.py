"""A variant made ready for sessions by arrays, and what it has in common with others."""

from collections.abc import Callable, Hashable
from math import inf

from rulebot.compile.plan import Call, LegPlan, Rule, Truth
from rulebot.compile.reads import calls_of
from rulebot.core.program import CompiledBot, Program
from rulebot.core.rule_evaluation import REREAD
from rulebot.core.session_start import OPENING_MINUTES
from rulebot.model.facts import Facts
from rulebot.order.price import ticks_of_options
from rulebot.spec.nouns.legs import StrikeBy
from rulebot.sweep.vectorized.money_columns import Grid
from rulebot.sweep.vectorized.session_arrays import ArrayDay

OF_VOLATILITY = frozenset(("iv", "iv_over_rv"))
"""Measures that rise while the market stands: the same price over less time."""
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
    """One variant, made ready once for all sessions.

    keys, when, require, entry, exit_orders: the numbers of its legs, its conditions of entry and of what it enters, all
    that an entry follows from, and the order of each exit; needs: what tells which slow facts it is told.
    exits: their tests, with a number where a test is the same for every position in the same options. sides: classes
    and rights of its legs, by_delta: of those that are chosen by delta. grid: of the prices of the whole.
    halts: the numbers of what halts it. money: the symbol and class at whose money it reads, None without any;
    when_at_money: which of its conditions do, chosen_at_money: whether a strike is chosen so, require_at_money: whether
    `require` does. opens: whether it reads the expected move of the open.
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
    """Return the seconds until a rule that has become true is confirmed, while the market stands."""
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
