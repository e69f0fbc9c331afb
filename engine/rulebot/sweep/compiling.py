"""The variants of a sweep from their texts to programs, each made of what it has in common with those before it."""

from collections.abc import Callable
from dataclasses import field
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from rulebot.adapters.history.day import Source
from rulebot.backtest.fills import FillModel
from rulebot.backtest.session_independence import is_independent
from rulebot.compile.build import build_plan
from rulebot.compile.plan import Plan
from rulebot.core.program import AccountLimits, Program, compile_bot
from rulebot.model.errors import MisuseError
from rulebot.model.facts import EventCalendar
from rulebot.model.pool import ValuePool
from rulebot.model.values import dataclass
from rulebot.spec.diagnostic import render
from rulebot.spec.load import load
from rulebot.spec.nouns.condition import Condition
from rulebot.spec.reread import ReloadCache
from rulebot.sweep.vectorized.eligibility import unsuited

INSTALL = "sweep"


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantTerms:
    """What is the same for all variants. opens: the source, opened anew in each process.

    limits, require: those of the account document. shares: of each symbol, what each account begins with, paid for out
    of `cash`. every_turn: no session is lived through by arrays.
    """

    opens: Callable[[], Source]
    first: date
    last: date
    fills: FillModel
    cash: Decimal
    lines: int
    file: str
    calendar: EventCalendar
    limits: AccountLimits = field(default_factory=AccountLimits)
    require: tuple[Condition, ...] = ()
    shares: tuple[tuple[str, int], ...] = ()
    every_turn: bool = False


class Compiling:
    """Compiles variants, each with what it has in common with those before it."""

    def __init__(self, terms: VariantTerms) -> None:
        self._terms, self._texts, self._pool = terms, ReloadCache(terms.file), ValuePool()

    def program(self, text: str) -> Program:
        """Return the program of one variant's text. Raises: MisuseError with its first problem."""
        bot = compile_bot(self._plan(text), self._pool)
        terms = self._terms
        return Program(
            bots={bot.plan.name: bot},
            pinned={},
            limits=terms.limits,
            install=INSTALL,
            line_limit=terms.lines,
            require=terms.require,
        )

    def _plan(self, text: str) -> Plan:
        loaded = load(self._texts.read(text), digested=False)
        if loaded.spec is None:
            raise MisuseError(render(next(each for each in loaded.diagnostics if each.is_error)))
        plan, problems = build_plan(loaded.spec, loaded.source, with_warnings=False)
        if plan is None:
            raise MisuseError(render(next(each for each in problems if each.is_error)))
        return plan


def program_of(text: str, terms: VariantTerms) -> Program:
    """Return the program of one variant's text. Raises: MisuseError with its first problem."""
    return Compiling(terms).program(text)


def reads_events(text: str, terms: VariantTerms) -> bool:
    """Say whether a text asks for events of calendars. Raises: MisuseError with its first problem."""
    return any(bot.plan.needs.events for bot in program_of(text, terms).bots.values())


class EvaluationWay(NamedTuple):
    """How a variant's sessions are lived through: by arrays where they are plain, and apart from each other."""

    by_arrays: bool
    is_apart: bool


def way_of(text: str, terms: VariantTerms) -> EvaluationWay:
    """Return how the sessions of a variant's text are lived through."""
    try:
        program = program_of(text, terms)
    except MisuseError:
        return EvaluationWay(by_arrays=False, is_apart=False)
    by_arrays = not terms.every_turn and not unsuited(program, terms.fills, terms.shares, terms.cash)
    return EvaluationWay(by_arrays, is_independent(program, terms.shares))
