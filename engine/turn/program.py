"""What runs: every bot compiled once, with its rules as closures. Never changes while it runs."""

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from datetime import date, datetime
from decimal import Decimal

from engine.compile.plan import Call, ExitPlan, Holds, Plan, Rule
from engine.decide.opportunity import Span, at_hand, spans
from engine.evaluate.reading import context_of
from engine.evaluate.rules import Judge, compile_expected_move, compile_rule
from engine.evaluate.select import ExpectedMove, expiry_on
from engine.evaluate.watch import exit_levels, exit_reads, levels
from engine.model.contract import Option, Underlying
from engine.model.facts import Facts
from engine.model.pool import Pool
from engine.model.session import DayTime, Session
from engine.model.values import dataclass
from engine.spec.spec import Amount, Backing, Unit

USUAL_BAND = Amount(Decimal(10), Unit.PERCENT)
"""How far from the mid an entry may be priced when the account document does not say: a tenth of what its legs cost."""


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule with its closure."""

    rule: Rule
    judge: Judge


@dataclass(frozen=True, slots=True)
class CompiledBot:
    """A plan with every rule's closure. `exits` stand beside `plan.exits` (None for at_expiry), `arming` too.

    levels: underlyings and indices that it reads at all; exit_levels: those that its exits read; exit_chains: symbols
    whose options at the money its exits read; resting: exits that rest at the broker.
    """

    plan: Plan
    when: tuple[CompiledRule, ...]
    require: tuple[CompiledRule, ...]
    exits: tuple[CompiledRule | None, ...]
    arming: tuple[tuple[CompiledRule, ...], ...]
    halts: tuple[CompiledRule, ...]
    expected_move: ExpectedMove
    levels: tuple[Underlying, ...]
    exit_levels: tuple[Underlying, ...]
    exit_chains: frozenset[str]
    resting: tuple[ExitPlan, ...]
    _windows: dict[date, tuple[Span, ...]] = field(default_factory=dict, compare=False, repr=False)

    def windows(self, session: Session) -> tuple[Span, ...]:
        """Return start and end of this session's entry windows, UTC; kept, since every turn asks."""
        if (found := self._windows.get(session.date)) is None:
            found = self._windows[session.date] = spans(self.plan.entry, session, self.latest_entry(session))
        return found

    def window(self, session: Session, at: datetime) -> Span:
        """Return the window that is on or comes next, the last one when none does."""
        found = self.windows(session)
        return found[at_hand(found, at)]

    def latest_entry(self, session: Session) -> datetime:
        """Return when entries end at the latest: the first time exit, else the close."""
        found = [
            at.before_close(session)
            for compiled in self.exits
            if compiled is not None and isinstance(compiled.rule.test, Holds)
            for at in _times(compiled.rule.test)
        ]
        return min(found, default=session.close)

    def legs_expiry(self, facts: Facts, session: Session, symbol: str) -> date | None:
        """Return the expiry that the legs on `symbol` take today, None while it is not known."""
        leg = next((leg for leg in self.plan.legs if leg.symbol == symbol and not leg.is_shares), None)
        listing = facts.listings.get((symbol, leg.trading_class)) if leg is not None else None
        return expiry_on(self.plan.expiry, listing.expiries, session.date) if listing is not None else None

    def closes_on_its_day(self, session: Session, options: Iterable[Option]) -> bool:
        """Say whether a position of these options, opened today, is to be closed today by an order.

        So it is with a bare `time` exit, and with any other exit of options that expire today. An exit that a price
        has to bring about on a later day does not count, and settlement is no order.
        """
        rules = [rule.rule.test for rule in self.exits if rule is not None]
        if any(isinstance(test, Holds) and _times(test) for test in rules):
            return True
        return bool(rules) and any(option.expiry == session.date for option in options)

    def instants(self, session: Session) -> tuple[datetime, ...]:
        """Return the times of this session at which a rule of the bot can change by the clock alone, sorted."""
        found = {at for span in self.windows(session) for at in span}
        arming = (rule for rules in self.arming for rule in rules)
        for compiled in (*self.when, *self.halts, *(rule for rule in self.exits if rule is not None), *arming):
            found.update(at.before_close(session) for at in _times(compiled.rule.test))
        return tuple(sorted(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLimits:
    """What all bots together may do (the account document). None is no limit.

    price_band: how far an entry's price may lie from the mid; there always is one. heeds_day_trades: no entry that
    closes on its day is sent when the broker counts no day trade left.
    """

    daily_loss: Decimal | None = None
    max_open: int | None = None
    orders_per_minute: int | None = None
    entries_per_day: int | None = None
    worst_case_at_expiry: Amount | None = None
    margin: Amount | None = None
    cash_secured_puts: Backing | None = None
    max_contracts_per_order: int | None = None
    max_notional_per_order: Decimal | None = None
    price_band: Amount = USUAL_BAND
    heeds_day_trades: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """All bots of a run. `pinned` holds earlier texts, by digest, that still govern open positions.

    install: names this store in every orderRef. line_limit: market data lines to use at most.
    """

    bots: Mapping[str, CompiledBot]
    pinned: Mapping[str, CompiledBot]
    limits: AccountLimits
    install: str
    line_limit: int = 90

    def governing(self, bot: str, digest: str) -> CompiledBot:
        """Return the text that governs a position opened under `digest`. Raises: KeyError when it is not at hand."""
        current = self.bots.get(bot)
        if current is not None and current.plan.digest == digest:
            return current
        return self.pinned[digest]


def compile_bot(plan: Plan, pool: Pool | None = None) -> CompiledBot:
    """Return the plan with its rules made into closures; bots compiled with one pool share what is the same."""
    pool = pool or Pool()
    plan = _sharing(plan, pool)
    context = context_of(plan)

    def compiled(rule: Rule) -> CompiledRule:
        return pool.made("rule", lambda: CompiledRule(rule, compile_rule(rule, plan)), rule, context)

    return CompiledBot(
        plan=plan,
        when=tuple(compiled(rule) for rule in plan.entry.when),
        require=tuple(compiled(rule) for rule in plan.require),
        exits=tuple(None if planned.rule is None else compiled(planned.rule) for planned in plan.exits),
        arming=tuple(tuple(compiled(rule) for rule in planned.armed_by) for planned in plan.exits),
        halts=tuple(compiled(rule) for rule in plan.risk.halt_when),
        expected_move=pool.made("move", lambda: compile_expected_move(plan), plan.underlyings[0], context),
        levels=pool.same(levels(plan)),
        exit_levels=exit_levels(plan),
        resting=tuple(planned for planned in plan.exits if planned.resting),
        exit_chains=frozenset(name[8:] for name in exit_reads(plan) if name.startswith("strikes:")),
    )


def _sharing(plan: Plan, pool: Pool) -> Plan:
    """Return the same plan, made of parts that other plans have too."""
    same = pool.same
    return replace(
        plan,
        underlyings=same(plan.underlyings),
        parameters=same(plan.parameters),
        entry=replace(plan.entry, when=tuple(map(same, plan.entry.when))),
        expiry=same(plan.expiry),
        legs=tuple(map(same, plan.legs)),
        require=tuple(map(same, plan.require)),
        order=same(plan.order),
        exits=tuple(same(planned) for planned in plan.exits),
        risk=same(plan.risk),
        needs=same(plan.needs),
    )


def _times(test: object) -> list[DayTime]:
    """Return every time of day in a test."""
    if isinstance(test, Holds):
        return [value for _, value in test.call.arguments if isinstance(value, DayTime)]
    if isinstance(test, Call):
        return []
    found: list[DayTime] = []
    for member in getattr(test, "members", ()):
        found += _times(member)
    if (member := getattr(test, "member", None)) is not None:
        found += _times(member)
    return found
