"""What runs: every bot compiled once, with its rules as closures. Never changes while it runs."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from rulebot.compile.data_needs import calls_of, price_dependent_parts
from rulebot.compile.plan import (
    AllOf,
    AnyOf,
    Call,
    Choice,
    Compare,
    Constant,
    DayBounds,
    ExitPlan,
    Holds,
    LegPlan,
    Member,
    Op,
    Plan,
    RollPlan,
    Rule,
    Truth,
)
from rulebot.decide.account_rules import reads_margin
from rulebot.decide.entry_window import Span, at_hand, spans
from rulebot.evaluate.measure import bind, context_of, reader_of
from rulebot.evaluate.rules import Judge, compile_expected_move, compile_rule
from rulebot.evaluate.strike_terms import ExpectedMove
from rulebot.evaluate.watch import exit_levels, exit_moves, exit_reads, levels
from rulebot.measure.listings import expiry_on
from rulebot.measure.reading import Read
from rulebot.measure.view import LegView, View
from rulebot.measures.position import measured_by
from rulebot.model.contract import Option, Underlying
from rulebot.model.facts import Facts
from rulebot.model.market import Extras
from rulebot.model.money import MOST_NOTIONAL, MOST_STRUCTURES
from rulebot.model.position import Position
from rulebot.model.session import DayTime, Session
from rulebot.model.values import ValuePool, dataclass
from rulebot.spec.nouns import Amount, Between, Condition, PromotionEvidence, Unit
from rulebot.spec.spec import is_all

USUAL_BAND = Amount(Decimal(10), Unit.PERCENT)
"""How far from the mid an entry may be priced when the account document does not say: a tenth of what its legs cost."""
A_MOMENT = 0.001
"""Seconds after a bound at which what is true at it may be no more, and what is true beyond it is."""


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule with its closure."""

    rule: Rule
    judge: Judge


@dataclass(frozen=True, slots=True)
class Trailing:
    """A `give_back` of some exit, and how the profit is read whose best it counts from."""

    call: Call
    gain: Callable[[View], float | None]

    def measured_by(self, legs: tuple[LegView, ...]) -> str:
        """Return the name under which that best is kept."""
        return measured_by(self.call, legs)


@dataclass(frozen=True, slots=True)
class CompiledRoll:
    """What an exit rolls into: the plan as if it entered those legs, with the closures of its conditions.

    is_moved: to the expiry that its legs name; else theirs is the one held. priced: what of `require` is judged at the
    price of each try.
    """

    plan: Plan
    is_moved: bool
    require: tuple[CompiledRule, ...]
    expected_move: ExpectedMove
    priced: tuple[CompiledRule, ...]


@dataclass(frozen=True, slots=True)
class CompiledBot:
    """A plan with its compiled rules: `risk` from `risk.require`, `priced` from `legs.require`.

    `exits` and `arming` are parallel to `plan.exits` (None for at_expiry). opening_move: the expected move kept from
    the open; None while spot does not follow its options.

    levels: underlyings and indices that the bot reads; exit_levels: those that its exits read; exit_chains: symbols
    whose at-the-money options its exits read; exit_moves: symbols whose expected move its exits read; resting: exits
    that rest at the broker; rolls: targets of rolls, by name; trailing: values whose best level its exits track;
    spells: seconds in trade at which its exits may change. choices: its alternatives, each a bot of its own;
    `alternative` is the number of this one. members: the symbols of a universe, each a bot of its own; `symbol` is this
    one's.
    """

    plan: Plan
    when: tuple[CompiledRule, ...]
    require: tuple[CompiledRule, ...]
    priced: tuple[CompiledRule, ...]
    exits: tuple[CompiledRule | None, ...]
    arming: tuple[tuple[CompiledRule, ...], ...]
    halts: tuple[CompiledRule, ...]
    risk: tuple[CompiledRule, ...]
    expected_move: ExpectedMove
    opening_move: ExpectedMove
    levels: tuple[Underlying, ...]
    exit_levels: tuple[Underlying, ...]
    exit_chains: frozenset[str]
    exit_moves: frozenset[str]
    resting: tuple[ExitPlan, ...]
    trailing: tuple[Trailing, ...]
    rolls: Mapping[str, CompiledRoll]
    spells: tuple[float, ...] = ()
    choices: tuple["CompiledChoice", ...] = ()
    alternative: str = ""
    members: tuple["CompiledMember", ...] = ()
    symbol: str = ""
    _windows: dict[datetime, tuple[Span, ...]] = field(default_factory=dict, compare=False, repr=False)

    def of(self, position: Position) -> "CompiledBot":
        """Return what governs a position: the alternative that it was opened by. Raises: KeyError."""
        if not self.members and not self.choices:
            return self
        return self.on(position.legs[0].option.symbol).taking(position.alternative)

    def on(self, symbol: str) -> "CompiledBot":
        """Return the bot as this symbol of its universe; without one it is what it is. Raises: KeyError."""
        return {member.symbol: member.bot for member in self.members}[symbol] if self.members else self

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols of its universe; one without a name where it is no member of one."""
        return tuple(member.symbol for member in self.members) or (self.symbol,)

    def barred_by(self, closed: Collection[str]) -> tuple[str, ...]:
        """Return which of these symbols, that do not trade, leave it nothing to enter: of a universe all, or none."""
        symbols = self.symbols if self.members else self.plan.underlyings
        found = tuple(symbol for symbol in symbols if symbol in closed)
        return () if self.members and len(found) < len(symbols) else found

    def taking(self, alternative: str) -> "CompiledBot":
        """Return the bot as one of its alternatives, "" where there is no choice. Raises: KeyError."""
        return {"": self, **{choice.name: choice.bot for choice in self.choices}}[alternative] if self.choices else self

    def structures(self) -> "tuple[CompiledBot, ...]":
        """Return the bot for every structure that it may enter, in every symbol."""
        if self.members:
            return tuple(found for member in self.members for found in member.bot.structures())
        return tuple(choice.bot for choice in self.choices) or (self,)

    def expiries(self) -> "tuple[CompiledBot, ...]":
        """Return the bot for every structure, and for the expiry of its conditions where no structure has it."""
        if self.members:
            return tuple(found for member in self.members for found in member.bot.expiries())
        if not self.choices:
            return (self,)
        found = self.structures()
        is_taken = any(each.plan.expiry == self.plan.expiry for each in found)
        return found if is_taken else (self, *found)

    def place(self, where: str) -> str:
        """Return the key of the rules of one place. Each symbol and each alternative has its own readings."""
        return "@".join((where, self.symbol, self.alternative)).rstrip("@")

    @property
    def asks_margin(self) -> bool:
        """Whether a condition of `require` needs the broker's answer on margin."""
        return any("margin" in each.rule.reads for each in self.require)

    @property
    def key(self) -> str:
        """The part of the key that separates this structure from the bot's others."""
        return " ".join(filter(None, (self.plan.name, self.symbol, self.alternative)))

    @property
    def rests(self) -> bool:
        """True when orders of an open position rest at the broker: a pair, or wide stops."""
        return bool(self.resting) or self.plan.risk.protect is not None

    def windows(self, session: Session) -> tuple[Span, ...]:
        """Return start and end of this session's entry windows, UTC; kept, since every turn asks."""
        if (found := self._windows.get(session.close)) is None:
            found = self._windows[session.close] = spans(self.plan.entry, session, self.latest_entry(session))
        return found

    def window(self, session: Session, at: datetime) -> Span:
        """Return the window that is on or comes next, the last one when none does."""
        found = self.windows(session)
        return found[0] if len(found) == 1 else found[at_hand(found, at)]

    def latest_entry(self, session: Session) -> datetime:
        """Return when entries end at the latest: once time exits have closed all that was entered, else the close."""
        found = [(at.before_close(session), planned) for planned in self.plan.exits for at in closing_times(planned)]
        of_legs = ([at for at, planned in found if self._is_rid_of(leg.name, planned)] for leg in self.plan.legs)
        return max(min(times, default=session.close) for times in of_legs)

    def _is_rid_of(self, leg: str, planned: ExitPlan) -> bool:
        """Say whether an exit leaves nothing of a leg."""
        count = self.plan.quantity if self.plan.overwrite is None and self.plan.growth is None else None
        return leg in (planned.legs or (leg,)) and is_all(planned.part, count)

    def legs_expiry(self, facts: Facts, session: Session, symbol: str) -> date | None:
        """Return the nearest expiry that the legs on `symbol` take today, None while it is not known."""
        leg = self.plan.nearest_expiry_leg(symbol)
        listing = facts.listings.get((symbol, leg.trading_class)) if leg is not None else None
        return expiry_on(self.plan.expiry, listing.expiries, session.date) if listing is not None else None

    def closes_on_its_day(self, session: Session, options: Iterable[Option], since: datetime) -> bool:
        """Say whether a position of these options, opened today at `since`, is to be closed today by an order.

        So it is with an exit that the clock alone brings about before the close, and with any other exit of options
        that expire today. An exit that a price has to bring about on a later day does not count, and settlement is no
        order.
        """
        rules = [(rule, *arming) for rule, arming in zip(self.exits, self.arming, strict=True) if rule is not None]
        if any(all(_comes_by_clock(each.rule.test, since, session.close) for each in asked) for asked in rules):
            return True
        return bool(rules) and any(option.expiry == session.date for option in options)

    def next_spell(self, opened_at: datetime, at: datetime) -> datetime | None:
        """Return when an exit may next change by how long a position has been held, None when by that it will not."""
        if not self.spells:
            return None
        rounds = timedelta.resolution if opened_at.microsecond else timedelta(0)  # of floats, by which rules count
        found = (opened_at + timedelta(seconds=seconds) + rounds for seconds in self.spells)
        return next((due for due in found if due > at), None)

    def instants(self, session: Session) -> tuple[datetime, ...]:
        """Return the times of this session at which a rule of the bot can change by the clock alone, sorted."""
        found = {at for span in self.windows(session) for at in span}
        arming = (rule for rules in self.arming for rule in rules)
        asked = (rule for choice in self.choices for rule in choice.when)
        offered = (rule for member in self.members for rule in member.require)
        required = (rule for each in self.structures() for rule in each.require)
        for compiled in (
            *self.when,
            *asked,
            *offered,
            *required,
            *self.risk,
            *self.halts,
            *(rule for rule in self.exits if rule is not None),
            *arming,
        ):
            found.update(at.before_close(session) for at in _times(compiled.rule.test))
        return tuple(sorted(found))


@dataclass(frozen=True, slots=True)
class CompiledChoice:
    """One alternative of a bot, with the closures of what asks for it."""

    name: str
    when: tuple[CompiledRule, ...]
    bot: CompiledBot


@dataclass(frozen=True, slots=True)
class CompiledMember:
    """One symbol of a universe. require: what it must offer; rank: reads what it is ranked by, None without a rank.

    money: one leg of each class and expiry that its structures deal in, none where they read more options than those.
    """

    symbol: str
    require: tuple[CompiledRule, ...]
    rank: Read | None
    bot: CompiledBot
    money: tuple[LegPlan, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLimits:
    """Limits over all bots, from the account document. None means no limit.

    at_daily_loss: whether daily_loss closes the positions of all bots. price_band: how far an entry's price may be from
    the mid; always set. heeds_day_trades: refuse an entry that closes on the same day when the broker reports no day
    trade remaining. max_notional_times: largest notional of an order as a multiple of net liquidation, in addition to
    its dollar limit. max_structures_per_order: one of the built-in caps. is_built_in: no account document was given.
    """

    daily_loss: Decimal | None = None
    at_daily_loss: bool = False
    daily_profit: Decimal | None = None
    max_open: int | None = None
    orders_per_minute: int | None = None
    entries_per_day: int | None = None
    worst_case: Amount | None = None
    margin: Amount | None = None
    net_delta: Between | None = None
    net_gamma: Between | None = None
    net_theta: Between | None = None
    net_vega: Between | None = None
    cash_secured_puts: PromotionEvidence | None = None
    max_contracts_per_order: int | None = None
    max_notional_per_order: Decimal | None = None
    max_notional_times: Decimal | None = None
    price_band: Amount = USUAL_BAND
    heeds_day_trades: bool = True
    max_structures_per_order: int | None = None
    is_built_in: bool = False

    @property
    def bounds_a_day(self) -> bool:
        """True where what all bots together make of a session may halt them."""
        return self.daily_loss is not None or self.daily_profit is not None

    @property
    def day(self) -> DayBounds:
        """Daily profit target and loss limit over all bots."""
        return DayBounds(loss=self.daily_loss, profit=self.daily_profit, closes=self.at_daily_loss)

    @property
    def net(self) -> Mapping[str, Between]:
        """The limits on greeks that are set, by the measure's name."""
        named = {name: getattr(self, name) for name in ("net_delta", "net_gamma", "net_theta", "net_vega")}
        return {name: ends for name, ends in named.items() if ends is not None}


BUILT_IN = AccountLimits(
    max_structures_per_order=MOST_STRUCTURES,
    max_notional_per_order=MOST_NOTIONAL,
    cash_secured_puts=PromotionEvidence.CASH,
    is_built_in=True,
)
"""The limits of a run without an account document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """All bots of a run. `pinned` holds earlier texts, by digest, that still govern open positions.

    install: names this store in every orderRef. line_limit: market data lines to use at most. require: conditions of
    the account document that must hold for every entry, besides the limits.
    """

    bots: Mapping[str, CompiledBot]
    pinned: Mapping[str, CompiledBot]
    limits: AccountLimits
    install: str
    line_limit: int = 90
    require: tuple[Condition, ...] = ()

    @property
    def asks_margin(self) -> bool:
        """Whether the broker is asked about margin before an entry is sent."""
        return self.limits.margin is not None or reads_margin(self.require)

    @property
    def texts(self) -> tuple[CompiledBot, ...]:
        """All texts that govern anything: the bots', and those under which something is still open."""
        return (*self.bots.values(), *self.pinned.values())

    def governing(self, position: Position) -> CompiledBot:
        """Return what governs a position: the text it was opened under, and its alternative. Raises: KeyError."""
        return self.text(position.bot, position.digest).of(position)

    def text(self, bot: str, digest: str) -> CompiledBot:
        """Return the text of a bot with this digest. Raises: KeyError when it is not at hand."""
        current = self.bots.get(bot)
        if current is not None and current.plan.digest == digest:
            return current
        return self.pinned[digest]

    def may_be_delayed(self) -> frozenset[str]:
        """Return the symbols that are traded on although they come late: every text that reads one allows it."""
        read = [
            ({*text.plan.needs.symbols, *text.plan.needs.indices}, text.plan.risk.delayed_data) for text in self.texts
        ]
        refused = {symbol for symbols, is_allowed in read if not is_allowed for symbol in symbols}
        return frozenset({symbol for symbols, is_allowed in read if is_allowed for symbol in symbols} - refused)

    def on_late_data(self, symbol: str) -> tuple[str, ...]:
        """Return the bots that accept delayed data for a symbol; "" means any symbol."""
        return tuple(
            sorted(
                name
                for name, bot in self.bots.items()
                if bot.plan.risk.delayed_data and symbol in ("", *bot.plan.needs.symbols, *bot.plan.needs.indices)
            )
        )

    def extras(self) -> Extras:
        """Return the market data lines needed beside quotes, by all specs in force."""
        return frozenset(extra for text in self.texts for extra in text.plan.needs.extras)


def compile_bot(plan: Plan, pool: ValuePool | None = None) -> CompiledBot:
    """Return the plan with its rules made into closures; bots compiled with one pool share what is the same."""
    pool = pool or ValuePool()
    bot = _of_one(plan, pool)
    return replace(bot, members=tuple(_member(each, pool) for each in plan.members))


def _of_one(plan: Plan, pool: ValuePool, symbol: str = "") -> CompiledBot:
    """Return the bot on one underlying, with its choices."""
    choices = tuple(_choice(choice, pool, symbol) for choice in plan.choices)
    return replace(_compiled(plan, pool), choices=choices, symbol=symbol)


def _member(member: Member, pool: ValuePool) -> CompiledMember:
    bot = _of_one(member.plan, pool, member.symbol)
    require = tuple(CompiledRule(rule, compile_rule(rule, bot.plan)) for rule in member.require)
    rank = None if member.rank is None else reader_of(member.rank, context_of(bot.plan))
    found = bot.expiries()
    legs = () if any(each.plan.needs.beside for each in found) else (leg for each in found for leg in each.plan.legs)
    money = {(leg.symbol, leg.trading_class, leg.expiry): leg for leg in legs if not leg.is_shares}
    return CompiledMember(member.symbol, require, rank, bot, tuple(money.values()))


def _choice(choice: Choice, pool: ValuePool, symbol: str) -> CompiledChoice:
    bot = replace(_compiled(choice.plan, pool), alternative=choice.name, symbol=symbol)
    asked = len(bot.when) - len(choice.when)
    return CompiledChoice(choice.name, bot.when[asked:], bot)


def _compiled(plan: Plan, pool: ValuePool) -> CompiledBot:
    plan = _sharing(plan, pool)
    context = context_of(plan)

    def compiled(rule: Rule) -> CompiledRule:
        return pool.made("rule", lambda: CompiledRule(rule, compile_rule(rule, plan)), rule, context)

    return CompiledBot(
        plan=plan,
        when=tuple(compiled(rule) for rule in plan.entry.when),
        require=tuple(compiled(rule) for rule in plan.require),
        priced=tuple(compiled(part) for rule in plan.require for part in price_dependent_parts(rule)),
        exits=tuple(None if planned.rule is None else compiled(planned.rule) for planned in plan.exits),
        arming=tuple(tuple(compiled(rule) for rule in planned.activate_when) for planned in plan.exits),
        halts=tuple(compiled(rule) for rule in plan.risk.halt_when),
        risk=tuple(compiled(rule) for rule in plan.risk.require),
        expected_move=pool.made("move", lambda: compile_expected_move(plan), plan.underlyings, context),
        opening_move=pool.made("opening", lambda: compile_expected_move(plan, of_open=True), plan.underlyings, context),
        levels=pool.same(levels(plan)),
        exit_levels=exit_levels(plan),
        resting=tuple(planned for planned in plan.exits if planned.resting),
        trailing=_trailing(plan),
        rolls={each.name: _rolling(plan, each.roll) for each in plan.exits if each.roll is not None},
        exit_chains=frozenset(name[8:] for name in exit_reads(plan) if name.startswith("strikes:")),
        exit_moves=exit_moves(plan),
        spells=_spells(plan),
    )


def _rolling(plan: Plan, roll: RollPlan) -> CompiledRoll:
    into = replace(plan, legs=roll.legs, expiry=roll.legs[0].expiry, require=roll.require)
    require = tuple(CompiledRule(rule, compile_rule(rule, into)) for rule in roll.require)
    parts = (part for rule in roll.require for part in price_dependent_parts(rule))
    priced = tuple(CompiledRule(part, compile_rule(part, into)) for part in parts)
    return CompiledRoll(into, roll.is_moved, require, compile_expected_move(into), priced)


def _trailing(plan: Plan) -> tuple[Trailing, ...]:
    rules = (rule for planned in plan.exits for rule in (planned.rule, *planned.activate_when) if rule is not None)
    calls = dict.fromkeys(call for rule in rules for call in calls_of(rule.test) if call.measure == "give_back")
    context = context_of(plan)
    return tuple(Trailing(call, bind(replace(call, measure="profit"), context)) for call in calls)


def _spells(plan: Plan) -> tuple[float, ...]:
    """Return the times in trade that its exits, and what arms them, compare with, sorted."""
    rules = (rule for planned in plan.exits for rule in (planned.rule, *planned.activate_when) if rule is not None)
    return tuple(sorted({seconds for rule in rules for seconds in _times_in_trade(rule.test)}))


def _times_in_trade(test: object) -> Iterator[float]:
    if isinstance(test, Compare) and isinstance(test.left, Call) and test.left.measure == "time_in_trade":
        after = 0.0 if test.op in (Op.AT_LEAST, Op.BELOW) else A_MOMENT
        yield from (each.value + after for each in test.right if isinstance(each, Constant))
    for member in (*getattr(test, "members", ()), getattr(test, "member", None)):
        if member is not None:
            yield from _times_in_trade(member)


def _sharing(plan: Plan, pool: ValuePool) -> Plan:
    """Return the same plan, made of parts that other plans have too."""
    same = pool.same
    return replace(
        plan,
        underlyings=same(plan.underlyings),
        parameters=same(plan.parameters),
        entry=replace(plan.entry, when=tuple(map(same, plan.entry.when))),
        expiry=same(plan.expiry),
        legs=tuple(same(replace(leg, expiry=same(leg.expiry))) for leg in plan.legs),
        require=tuple(map(same, plan.require)),
        order=same(plan.order),
        exits=tuple(same(planned) for planned in plan.exits),
        risk=same(plan.risk),
        needs=same(plan.needs),
    )


def closing_times(planned: ExitPlan) -> list[DayTime]:
    """Return the time of day at which an exit is certain to close something; None where none is certain."""
    test = None if planned.rule is None else planned.rule.test
    return _times(test) if isinstance(test, Holds) and planned.roll is None and not planned.activate_when else []


def _comes_by_clock(test: Truth, since: datetime, close: datetime) -> bool:
    """Say whether a test is certain to become true before the close, for a position opened at `since`."""
    match test:
        case Holds():
            return bool(_times(test))
        case Compare(op=Op.AT_LEAST | Op.ABOVE, left=Call(measure="time_in_trade"), right=(Constant(value=seconds),)):
            return since + timedelta(seconds=seconds) < close
        case AnyOf(members=members):
            return any(_comes_by_clock(member, since, close) for member in members)
        case AllOf(members=members):
            return all(_comes_by_clock(member, since, close) for member in members)
    return False


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
