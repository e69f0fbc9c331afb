"""The account's statement against our store: every execution and every ending, to the cent.

An execution is known by its id without the part that counts corrections, an estimate by its order and contract. What
the statement has under an order reference of this store is ours, known or not, also of an order that it has lost; all
else is somebody else's.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from rulebot.model.money import CENT, ZERO
from rulebot.model.values import dataclass
from rulebot.statement.difference import Contracts, Difference, DifferenceKind, amount, dealt
from rulebot.statement.endings import endings_that_differ
from rulebot.statement.estimates import as_one, correction_command, mend_ending, told_by_others, told_of_estimates
from rulebot.statement.statement import Statement, StatementEvent, StatementExecution
from rulebot.store.finance.books import BookedFill, Books, LegEnding, base_of
from rulebot.store.finance.contract import occ_symbol

_PRICE_STEP = Decimal("0.0001")
_HALF = Decimal("0.5")


class StatementSum(NamedTuple):
    """A total of ours and of the statement's part that is ours."""

    name: str
    ours: Decimal
    theirs: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What came of it. executions, endings: how many of ours are in the statement's days."""

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

    def has(self, told: StatementExecution) -> bool:
        """Say whether an execution is of an order of this store."""
        return told.ref in self.refs or told.order_id in self.perm_ids or told.ref.startswith(self.begin)


def reconcile(books: Books, orders: Orders, statement: Statement) -> Reconciliation:
    """Return every difference between the books and the statement, and what in the statement is not ours."""
    theirs = {base_of(told.exec_id): told for told in statement.trades if told.exec_id}
    of_account = [fill for fill in books.fills if fill.of.account in ("", statement.account)]
    ours = {base_of(fill.exec_id): fill for fill in of_account}
    untold = [told for told in statement.trades if base_of(told.exec_id) not in ours]
    unknown = [told for told in untold if orders.has(told)]
    strangers = [told for told in untold if not orders.has(told)]
    contracts = Contracts(books)
    stand_ins = told_of_estimates(ours, unknown, contracts) | told_by_others(ours, strangers, contracts)
    for base, found in stand_ins.items():
        theirs[base] = as_one(found, ours[base].of.option.multiplier)
        unknown = [told for told in unknown if told not in found]
        strangers = [told for told in strangers if told not in found]
    within = {base: fill for base, fill in ours.items() if base in theirs or _is_due(fill, statement)}
    endings, strange = endings_that_differ(books, statement, contracts, strangers)
    differences = [
        *_of_executions(within, theirs, contracts),
        *(replace(_lost(told), mend=_mend(told, orders, unknown, books.endings, contracts)) for told in unknown),
        *(_cancelled(told) for told in statement.orphans if orders.has(told)),
        *endings,
    ]
    sums = _sums(within.values(), [theirs[base] for base in within if base in theirs] + unknown)
    return Reconciliation(
        account=statement.account,
        periods=statement.periods,
        executions=len(within),
        endings=sum(_is_in(ending, statement) for ending in books.endings),
        differences=tuple(differences or _of_sums(sums)),
        sums=sums,
        strangers=tuple(strangers),
        strange_events=tuple(strange),
        others=statement.others,
    )


def _mend(
    told: StatementExecution,
    orders: Orders,
    unknown: Iterable[StatementExecution],
    endings: Iterable[LegEnding],
    contracts: Contracts,
) -> str:
    """Return the command that mends what the store lacks of an order that it has; "" of one that it has lost."""
    return mend_ending(told, unknown, endings, contracts) if told.ref in orders.refs else ""


def _is_in(ending: LegEnding, statement: Statement) -> bool:
    return ending.of.account in ("", statement.account) and statement.covers(ending.date)


def _is_due(fill: BookedFill, statement: Statement) -> bool:
    return statement.covers(fill.date) and fill.quantity != 0


def _of_executions(
    ours: dict[str, BookedFill], theirs: dict[str, StatementExecution], contracts: Contracts
) -> Iterator[Difference]:
    for base, fill in ours.items():
        told = theirs.get(base)
        if told is None:
            yield _untold(fill)
            continue
        if told.times > 1:
            yield _difference(fill, DifferenceKind.DOUBLED, "times", "1", str(told.times))
        what, help = (
            (DifferenceKind.ESTIMATE, correction_command(fill, told))
            if fill.is_estimate
            else (DifferenceKind.DIFFERS, "")
        )
        for name, mine, other in _terms(fill, told, contracts):
            yield replace(_difference(fill, what, name, mine, other), mend=help)


def _terms(fill: BookedFill, told: StatementExecution, contracts: Contracts) -> Iterator[tuple[str, str, str]]:
    """Yield what differs of one execution: its name, our value and theirs."""
    if contracts.key(told.contract) != contracts.key_of(fill.of.option):
        yield "contract", occ_symbol(fill.of.option), told.contract.symbol
    if told.ref and told.ref != fill.ref:
        yield "order reference", fill.ref or "none", told.ref
    if told.signed != fill.signed:
        yield "quantity", f"{fill.signed:+d}", f"{told.signed:+f}"
    if _differ(fill.price, told.price, _PRICE_STEP):
        yield "price", amount(fill.price), amount(told.price)
    differs = False
    if _differ(fill.proceeds, told.proceeds, CENT):
        yield "proceeds", amount(fill.proceeds), amount(told.proceeds)
        differs = True
    if fill.commission is None or _differ(fill.commission, told.commission, CENT):
        mine = "not told yet" if fill.commission is None else amount(fill.commission)
        yield "commission", mine, amount(told.commission)
        differs = True
    if not differs and told.net_cash is not None and _differ(fill.net_cash, told.net_cash, CENT):
        yield "net cash", amount(fill.net_cash), amount(told.net_cash)


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


def _untold(fill: BookedFill) -> Difference:
    what = f"{dealt(fill.signed, fill.price, fill.date)}{', an estimate' if fill.is_estimate else ''}, order {fill.ref}"
    return _difference(fill, DifferenceKind.NOT_IN_STATEMENT, "execution", what, "")


def _lost(told: StatementExecution) -> Difference:
    what = f"{dealt(told.signed, told.price, told.day)}, order {told.ref or told.order_id}"
    return Difference(
        what=DifferenceKind.NOT_IN_STORE,
        exec_id=told.exec_id,
        contract=told.contract.symbol,
        name="execution",
        theirs=what,
    )


def _cancelled(told: StatementExecution) -> Difference:
    what = f"{dealt(told.signed, told.price, told.day)} of order {told.ref or told.order_id}, which is not in the file"
    return Difference(what=DifferenceKind.CANCELLED, contract=told.contract.symbol, name="cancel", theirs=what)


def _sums(ours: Iterable[BookedFill], theirs: Iterable[StatementExecution]) -> tuple[StatementSum, ...]:
    fills, told = list(ours), list(theirs)
    return (
        StatementSum(
            "contracts", _total(abs(each.signed) for each in fills), _total(abs(each.signed) for each in told)
        ),
        StatementSum("proceeds", _total(each.proceeds for each in fills), _total(each.proceeds for each in told)),
        StatementSum(
            "commissions", _total(each.commission or ZERO for each in fills), _total(each.commission for each in told)
        ),
        StatementSum(
            "net", _total(each.net_cash for each in fills), _total(each.proceeds - each.commission for each in told)
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
