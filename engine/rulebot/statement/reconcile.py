"""The account's statement against the store: every execution and every ending, to the cent.

An execution is matched by its id without the revision, an estimate by its order and contract. The statement's entries
under an order reference of this store are ours, known or not, also of a lost order; all others are external.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass as mutable
from dataclasses import field, replace
from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from rulebot.core.queries.entry_blocks import PREFIX
from rulebot.model.contract import Option, Right
from rulebot.model.loss_bound import DELIVERING
from rulebot.model.money import CENT, ZERO
from rulebot.model.values import dataclass
from rulebot.record.books import BookedFill, LegEnding, base_of
from rulebot.record.record import Kind
from rulebot.statement.flex import Contract, Statement, StatementEvent, StatementExecution, read_flex
from rulebot.store.dialect import to_step
from rulebot.store.export import exact
from rulebot.store.finance import SHARE_TYPE, Deals, is_section_1256, occ_symbol
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader

# --- Possible differences, and the names of contracts, amounts and trades on both sides


class DifferenceKind(Enum):
    """What is wrong."""

    DIFFERS = "differs"
    ESTIMATE = "estimate"
    DOUBLED = "doubled in the statement"
    NOT_IN_STATEMENT = "not in the statement"
    NOT_IN_STORE = "not in the store"
    CANCELLED = "cancelled in the statement"
    ENDING = "ended otherwise"
    SECTION = "section missing"
    SUM = "sum differs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference: which value (`name`), and each side's, in words.

    mend: the command that corrects it, where there is one.
    """

    what: DifferenceKind
    name: str
    exec_id: str = ""
    bot: str = ""
    contract: str = ""
    ours: str = ""
    theirs: str = ""
    mend: str = ""


class Contracts:
    """Names a contract alike on both sides: by the broker's number where both know it, else by its OCC symbol."""

    def __init__(self, deals: Deals) -> None:
        options = [fill.of.option for fill in deals.fills] + [ending.of.option for ending in deals.endings]
        self._by_id = {option.con_id: self.key_of(option) for option in options if option.con_id}

    def key_of(self, option: Option) -> str:
        """Return the name of a contract in the books."""
        return _plain(occ_symbol(option))

    def key(self, contract: Contract) -> str:
        """Return the name of one of theirs."""
        return self._by_id.get(contract.con_id) or _plain(contract.symbol)


def _plain(symbol: str) -> str:
    return "".join(symbol.split())


def amount(found: Decimal) -> str:
    """Return dollars with all their digits."""
    return exact(found)


def dealt(signed: Decimal | int, price: Decimal, day: date) -> str:
    """Return `sold 1 at 4.72 on 2026-10-21`."""
    return f"{'sold' if signed < 0 else 'bought'} {abs(Decimal(signed)):f} at {exact(price)} on {day}"


# --- What ended without a trade, against the statement's exercises, assignments and expirations

CASH = "Cash Settlement"
_WORDS = {
    "Expiration": "expired",
    "Expire": "expired",
    "Assignment": "assigned",
    "Exercise": "exercised",
}
_OF_CASH = {1: "exercised", -1: "assigned"}


@mutable(slots=True)
class _Side:
    """Of one contract: contracts that left (as the holding changes), their cash, and how."""

    signed: Decimal = ZERO
    cash: Decimal = ZERO
    hows: set[str] = field(default_factory=set)


def endings_that_differ(
    deals: Deals, statement: Statement, contracts: Contracts, strangers: Iterable[StatementExecution]
) -> tuple[list[Difference], list[StatementEvent]]:
    """Return the differences, and events of contracts that are not ours."""
    events = [event for event in statement.events if event.contract.category != SHARE_TYPE]
    known = _held_or_ended(deals, contracts)
    reported = _theirs(events, contracts)
    ours, options = _ours(deals, statement, contracts, reported.keys())
    strange = [event for event in events if contracts.key(event.contract) not in known]
    if ours and not statement.has_events:
        text = f"{len(ours)} contracts ended, and the query has no Option Exercises, Assignments and Expirations"
        return [Difference(what=DifferenceKind.SECTION, name="endings", ours=text)], strange
    others = _traded(strangers, contracts)
    symbols = {contracts.key(event.contract): event.contract.symbol for event in events}
    differences: list[Difference] = []
    for key in sorted({*ours, *(reported.keys() & known)}):
        mine, other = ours.get(key, _Side()), reported.get(key, _Side())
        name = occ_symbol(options[key]) if key in options else symbols[key]
        differences += _compared(name, mine, other, others[key])
    gone = [(option, reported[key]) for key, option in options.items() if key in reported]
    return [*differences, *_of_shares(gone, statement.events, strange)], strange


def _held_or_ended(deals: Deals, contracts: Contracts) -> set[str]:
    """Return the contracts with an ending of ours, or still open by our books."""
    ended = {contracts.key_of(ending.of.option) for ending in deals.endings}
    held: dict[str, int] = defaultdict(int)
    for fill in deals.fills:
        held[contracts.key_of(fill.of.option)] += fill.signed
    return ended | {key for key, signed in held.items() if signed and key not in ended}


def _ours(
    deals: Deals, statement: Statement, contracts: Contracts, reported: Iterable[str]
) -> tuple[dict[str, _Side], dict[str, Option]]:
    """Return our endings of options that the statement should have, by contract, and the contracts.

    Those of its days; of a contract in the file without an ending in these days, all: it is booked later.
    """
    found: dict[str, _Side] = defaultdict(_Side)
    options: dict[str, Option] = {}
    of_account = [each for each in deals.endings if each.of.account in ("", statement.account)]
    ours = [(contracts.key_of(each.of.option), each) for each in of_account if not each.of.option.is_share]
    due = {key for key, ending in ours if statement.covers(ending.date)}
    late = set(reported) - due
    for key, ending in ours:
        option = ending.of.option
        if not statement.covers(ending.date) and key not in late:
            continue
        side = found[key]
        side.signed += ending.signed
        side.cash += ZERO if ending.how in DELIVERING else ending.cash
        side.hows.add(_how(ending))
        options[key] = option
    return dict(found), options


def _how(ending: LegEnding) -> str:
    """Return the statement's word for an ending: an index option in the money is assigned, or exercised, for cash."""
    return _OF_CASH[ending.of.sign] if ending.how == "cash settled" else ending.how


def _theirs(events: Iterable[StatementEvent], contracts: Contracts) -> dict[str, _Side]:
    found: dict[str, _Side] = defaultdict(_Side)
    for event in events:
        side = found[contracts.key(event.contract)]
        side.signed += event.signed
        side.cash += event.proceeds
        if event.kind != CASH:
            side.hows.add(_WORDS.get(event.kind, event.kind))
    return dict(found)


def _traded(strangers: Iterable[StatementExecution], contracts: Contracts) -> defaultdict[str, Decimal]:
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    for reported in strangers:
        found[contracts.key(reported.contract)] += reported.signed
    return found


def _compared(name: str, mine: _Side, other: _Side, held: Decimal) -> Iterator[Difference]:
    """Yield what differs of one contract; `held`: what others have bought of it, in the statement's days."""
    if other.signed not in (mine.signed, mine.signed - held):
        sides = (f"{side.signed:+f} {_listed(side.hows)}" for side in (mine, other))
        yield _ending_difference(name, "quantity", *sides)
        return
    hows = _expected(mine)
    if mine.signed and hows != other.hows:
        yield _ending_difference(name, "how", _listed(hows), _listed(other.hows))
    due = mine.cash if other.signed == mine.signed or not mine.signed else mine.cash * other.signed / mine.signed
    if abs(due - other.cash) >= CENT / 2:
        yield _ending_difference(name, "cash", amount(due), amount(other.cash))


def _of_shares(
    gone: Iterable[tuple[Option, _Side]], events: Iterable[StatementEvent], strange: Iterable[StatementEvent]
) -> Iterator[Difference]:
    """Yield shares that our ended options should have moved, and did not at that strike.

    An underlying on which external options ended too is excluded: the owner of the shares is unknown.
    """
    others = {_root(event) for event in strange}
    wanted: defaultdict[tuple[str, Decimal], Decimal] = defaultdict(Decimal)
    for option, side in gone:
        if side.hows & DELIVERING and not is_section_1256(option) and option.trading_class not in others:
            direction = 1 if option.right is Right.CALL else -1
            wanted[option.symbol, option.strike] -= side.signed * option.multiplier * direction
    moved: defaultdict[tuple[str, Decimal], _Side] = defaultdict(_Side)
    for event in events:
        if event.contract.category == SHARE_TYPE:
            moved[event.contract.symbol, event.price].signed += event.signed
            moved[event.contract.symbol, event.price].cash += event.proceeds
    for (symbol, strike), shares in wanted.items():
        found = moved[symbol, strike]
        if shares != found.signed or abs(found.cash + shares * strike) >= CENT / 2:
            words = f"at {amount(strike)} for"
            mine = f"{shares:+f} {words} {amount(-shares * strike)}"
            yield _ending_difference(
                symbol, "shares delivered", mine, f"{found.signed:+f} {words} {amount(found.cash)}"
            )


def _root(event: StatementEvent) -> str:
    """Return the class of an option, the first part of its OCC symbol."""
    return event.contract.symbol[:6].strip()


def _expected(mine: _Side) -> set[str]:
    """Return how the account's line must end: what several bots held long and short is set off first."""
    if mine.hows <= DELIVERING:
        return {"assigned"} if mine.signed > 0 else {"exercised"}
    return mine.hows


def _ending_difference(contract: str, name: str, mine: str, other: str) -> Difference:
    return Difference(what=DifferenceKind.ENDING, contract=contract, name=name, ours=mine, theirs=other)


def _listed(hows: set[str]) -> str:
    return ", ".join(sorted(hows)) or "ended"


# --- Fills without a report, against the statement's executions of their orders


def reported_estimates(
    ours: Mapping[str, BookedFill], unknown: Iterable[StatementExecution], contracts: Contracts
) -> dict[str, tuple[StatementExecution, ...]]:
    """Return the executions behind each estimate, by its id: those of its order in its contract."""
    found: dict[str, tuple[StatementExecution, ...]] = {}
    for base, fill in ours.items():
        if fill.is_estimate and fill.quantity:
            key = contracts.key_of(fill.of.option)
            found[base] = tuple(
                reported for reported in unknown if reported.ref == fill.ref and contracts.key(reported.contract) == key
            )
    return {base: reported for base, reported in found.items() if reported}


def reported_by_others(
    ours: Mapping[str, BookedFill], strangers: Iterable[StatementExecution], contracts: Contracts
) -> dict[str, tuple[StatementExecution, ...]]:
    """Return the external trades behind each fill of an external close of ours, by its id.

    They have no reference: those of its contract and direction count, where their quantities match.
    """
    found: dict[str, tuple[StatementExecution, ...]] = {}
    left = [reported for reported in strangers if not reported.ref]
    for base, fill in ours.items():
        if fill.is_estimate and fill.quantity and fill.ref == fill.of.position:
            key = contracts.key_of(fill.of.option)
            alike = [reported for reported in left if contracts.key(reported.contract) == key]
            right = tuple(reported for reported in alike if (reported.signed > 0) == (fill.signed > 0))
            if _estimates_total(reported.signed for reported in right) == fill.signed:
                found[base] = right
                left = [reported for reported in left if reported not in right]
    return found


def as_one(reported: tuple[StatementExecution, ...], multiplier: int) -> StatementExecution:
    """Return executions of one contract as a single one, at their average price."""
    signed, proceeds = (
        _estimates_total(each.signed for each in reported),
        _estimates_total(each.proceeds for each in reported),
    )
    price = to_step(-proceeds / (signed * multiplier)) if signed else reported[0].price
    commission = _estimates_total(each.commission for each in reported)
    return replace(reported[0], signed=signed, price=price, proceeds=proceeds, commission=commission, net_cash=None)


def correction_command(fill: BookedFill, reported: StatementExecution) -> str:
    """Return the command that puts the statement's figures in an estimate's place."""
    paid = f" --commission {reported.commission:f}" if reported.commission else ""
    ref = fill.exec_id if fill.ref == fill.of.position else fill.ref
    return f"rulebot store correct {ref} {reported.price.normalize():f} --leg {fill.of.leg}{paid}"


def ending_correction_command(
    reported: StatementExecution,
    unknown: Iterable[StatementExecution],
    endings: Iterable[LegEnding],
    contracts: Contracts,
) -> str:
    """Return the command that replaces an ending of ours by a trade; "" where there is none, or several."""
    key, way = contracts.key(reported.contract), reported.signed > 0
    legs = {each.of.leg for each in endings if contracts.key_of(each.of.option) == key and (each.signed > 0) is way}
    multipliers = {each.of.option.multiplier for each in endings if contracts.key_of(each.of.option) == key}
    if not reported.ref or len(legs) != 1:
        return ""
    alike = tuple(each for each in unknown if each.ref == reported.ref and contracts.key(each.contract) == key)
    one = as_one(alike, multipliers.pop())
    paid = f" --commission {one.commission:f}" if one.commission else ""
    what = f"--leg {legs.pop()} --contracts {abs(one.signed):f} --day {one.day}"
    return f"rulebot store correct {reported.ref} {one.price.normalize():f} {what}{paid}"


def _estimates_total(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO)


# --- The account's statement against our store

_PRICE_STEP = Decimal("0.0001")
_HALF = Decimal("0.5")


class StatementSum(NamedTuple):
    """A total of the books, and of the statement's executions of the same orders."""

    name: str
    ours: Decimal
    theirs: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """The result. executions, endings: how many of ours are in the statement's days."""

    account: str
    periods: tuple[tuple[date, date], ...]
    executions: int
    endings: int
    differences: tuple[Difference, ...]
    sums: tuple[StatementSum, ...]
    strangers: tuple[StatementExecution, ...]
    strange_events: tuple[StatementEvent, ...]
    others: tuple[str, ...]

    @property
    def ties(self) -> bool:
        """True when nothing differs."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class Orders:
    """How orders of this store are known: by our reference, and by the broker's permanent id.

    begin: how the references begin that this store gives out, be it to orders that it has lost, as a backup has.
    """

    refs: frozenset[str]
    perm_ids: frozenset[int]
    begin: tuple[str, ...] = ()

    def has(self, reported: StatementExecution) -> bool:
        """Return whether an execution belongs to an order of this store."""
        return reported.ref in self.refs or reported.order_id in self.perm_ids or reported.ref.startswith(self.begin)


def reconcile(deals: Deals, orders: Orders, statement: Statement) -> Reconciliation:
    """Return every difference between the books and the statement, and the statement's external entries."""
    contracts = Contracts(deals)
    theirs = _by_base(statement.trades)
    ours = _of_account(deals, statement.account)
    unreported = [reported for reported in statement.trades if base_of(reported.exec_id) not in ours]
    unknown, strangers = _parted(unreported, orders)
    stand_ins = reported_estimates(ours, unknown, contracts) | reported_by_others(ours, strangers, contracts)
    theirs |= {base: as_one(found, ours[base].of.option.multiplier) for base, found in stand_ins.items()}
    taken = [reported for found in stand_ins.values() for reported in found]
    unknown, strangers = _parted([reported for reported in unreported if reported not in taken], orders)
    within = {base: fill for base, fill in ours.items() if base in theirs or _is_due(fill, statement)}
    endings, strange = endings_that_differ(deals, statement, contracts, strangers)
    differences = [
        *_of_executions(within, theirs, contracts),
        *(
            replace(_lost(reported), mend=_mend(reported, orders, unknown, deals.endings, contracts))
            for reported in unknown
        ),
        *map(_cancelled, _parted(statement.orphans, orders)[0]),
        *endings,
    ]
    sums = _sums(within.values(), [*(theirs[base] for base in within.keys() & theirs), *unknown])
    return Reconciliation(
        account=statement.account,
        periods=statement.periods,
        executions=len(within),
        endings=sum(_is_in(ending, statement) for ending in deals.endings),
        differences=tuple(differences or _of_sums(sums)),
        sums=sums,
        strangers=tuple(strangers),
        strange_events=tuple(strange),
        others=statement.others,
    )


def _by_base(trades: Iterable[StatementExecution]) -> dict[str, StatementExecution]:
    return {base_of(reported.exec_id): reported for reported in trades if reported.exec_id}


def _of_account(deals: Deals, account: str) -> dict[str, BookedFill]:
    """Return the executions of an account, and of those whose account is not known, by `base_of` their ids."""
    return {base_of(fill.exec_id): fill for fill in deals.fills if fill.of.account in ("", account)}


def _parted(
    unreported: Iterable[StatementExecution], orders: Orders
) -> tuple[list[StatementExecution], list[StatementExecution]]:
    """Return the executions of this store's orders, and all others."""
    found: tuple[list[StatementExecution], list[StatementExecution]] = ([], [])
    for reported in unreported:
        found[0 if orders.has(reported) else 1].append(reported)
    return found


def _mend(
    reported: StatementExecution,
    orders: Orders,
    unknown: Iterable[StatementExecution],
    endings: Iterable[LegEnding],
    contracts: Contracts,
) -> str:
    """Return the command that mends what the store lacks of an order that it has; "" of one that it has lost."""
    return ending_correction_command(reported, unknown, endings, contracts) if reported.ref in orders.refs else ""


def _is_in(ending: LegEnding, statement: Statement) -> bool:
    return ending.of.account in ("", statement.account) and statement.covers(ending.date)


def _is_due(fill: BookedFill, statement: Statement) -> bool:
    return statement.covers(fill.date) and fill.quantity != 0


def _of_executions(
    ours: dict[str, BookedFill], theirs: dict[str, StatementExecution], contracts: Contracts
) -> Iterator[Difference]:
    for base, fill in ours.items():
        reported = theirs.get(base)
        if reported is None:
            yield _unreported(fill)
            continue
        if reported.times > 1:
            yield _difference(fill, DifferenceKind.DOUBLED, "times", "1", str(reported.times))
        what, help = (
            (DifferenceKind.ESTIMATE, correction_command(fill, reported))
            if fill.is_estimate
            else (DifferenceKind.DIFFERS, "")
        )
        for name, mine, other in _terms(fill, reported, contracts):
            yield replace(_difference(fill, what, name, mine, other), mend=help)


def _terms(fill: BookedFill, reported: StatementExecution, contracts: Contracts) -> Iterator[tuple[str, str, str]]:
    """Yield what differs of one execution: its name, our value and theirs."""
    if contracts.key(reported.contract) != contracts.key_of(fill.of.option):
        yield "contract", occ_symbol(fill.of.option), reported.contract.symbol
    if reported.ref and reported.ref != fill.ref:
        yield "order reference", fill.ref or "none", reported.ref
    if reported.signed != fill.signed:
        yield "quantity", f"{fill.signed:+d}", f"{reported.signed:+f}"
    if _differ(fill.price, reported.price, _PRICE_STEP):
        yield "price", amount(fill.price), amount(reported.price)
    differs = False
    if _differ(fill.proceeds, reported.proceeds, CENT):
        yield "proceeds", amount(fill.proceeds), amount(reported.proceeds)
        differs = True
    if fill.commission is None or _differ(fill.commission, reported.commission, CENT):
        mine = "not reported yet" if fill.commission is None else amount(fill.commission)
        yield "commission", mine, amount(reported.commission)
        differs = True
    if not differs and reported.net_cash is not None and _differ(fill.net_cash, reported.net_cash, CENT):
        yield "net cash", amount(fill.net_cash), amount(reported.net_cash)


def _differ(mine: Decimal, other: Decimal, step: Decimal) -> bool:
    return abs(mine - other) >= step * _HALF


def _difference(fill: BookedFill, what: DifferenceKind, name: str, mine: str, other: str) -> Difference:
    return Difference(
        what=what,
        exec_id=fill.exec_id,
        bot=fill.of.bot,
        contract=occ_symbol(fill.of.option),
        name=name,
        ours=mine,
        theirs=other,
    )


def _unreported(fill: BookedFill) -> Difference:
    what = f"{dealt(fill.signed, fill.price, fill.date)}{', an estimate' if fill.is_estimate else ''}, order {fill.ref}"
    return _difference(fill, DifferenceKind.NOT_IN_STATEMENT, "execution", what, "")


def _lost(reported: StatementExecution) -> Difference:
    what = f"{dealt(reported.signed, reported.price, reported.day)}, order {reported.ref or reported.order_id}"
    return Difference(
        what=DifferenceKind.NOT_IN_STORE,
        exec_id=reported.exec_id,
        contract=reported.contract.symbol,
        name="execution",
        theirs=what,
    )


def _cancelled(reported: StatementExecution) -> Difference:
    order = reported.ref or reported.order_id
    what = f"{dealt(reported.signed, reported.price, reported.day)} of order {order}, which is not in the file"
    return Difference(what=DifferenceKind.CANCELLED, contract=reported.contract.symbol, name="cancel", theirs=what)


def _sums(ours: Iterable[BookedFill], theirs: Iterable[StatementExecution]) -> tuple[StatementSum, ...]:
    fills, reported = list(ours), list(theirs)
    return (
        StatementSum(
            "contracts", _total(abs(each.signed) for each in fills), _total(abs(each.signed) for each in reported)
        ),
        StatementSum("proceeds", _total(each.proceeds for each in fills), _total(each.proceeds for each in reported)),
        StatementSum(
            "commissions",
            _total(each.commission or ZERO for each in fills),
            _total(each.commission for each in reported),
        ),
        StatementSum(
            "net", _total(each.net_cash for each in fills), _total(each.proceeds - each.commission for each in reported)
        ),
    )


def _total(amounts: Iterable[Decimal | int]) -> Decimal:
    return sum((Decimal(each) for each in amounts), ZERO)


def _of_sums(sums: Iterable[StatementSum]) -> Iterator[Difference]:
    """Yield totals that differ although no execution does: parts of cents that add up."""
    for each in sums:
        if _differ(each.ours, each.theirs, CENT):
            yield Difference(
                what=DifferenceKind.SUM, name=each.name, ours=amount(each.ours), theirs=amount(each.theirs)
            )


# --- The front door


def reconcile_file(store: Place, statement: Path) -> Reconciliation:
    """Compare a store with an Activity Flex Query.

    Raises: MisuseError for a file that is no statement of it; StoreError.
    """
    with StoreReader(store) as reader:
        deals, found = reader.deals(("orders",))
        installs = {record.data.get("install") for record in reader.records((Kind.RUN_STARTED,))} - {None}
    orders = found["orders"]
    ref, perm_id = orders.columns.index("ref"), orders.columns.index("ibkr_perm_id")
    known = Orders(
        refs=frozenset(str(row[ref]) for row in orders.rows),
        perm_ids=frozenset(int(row[perm_id]) for row in orders.rows if row[perm_id]),
        begin=tuple(f"{PREFIX}{install}:" for install in installs),
    )
    return reconcile(deals, known, read_flex(statement, deals.accounts))
