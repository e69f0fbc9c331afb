"""What ended without a trade, against the statement's exercises, assignments and expirations.

The broker books them by contract for the whole account: long and short of several bots are set off against each other,
and what others hold of the contract is in the same line. So contracts are compared, not positions; what others traded
of one in the statement's days is allowed for. For what was assigned or exercised shares move at the strike.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass as mutable
from dataclasses import field
from decimal import Decimal

from rulebot.model.contract import Option, Right
from rulebot.model.delivery import DELIVERING
from rulebot.model.money import CENT, ZERO
from rulebot.statement.difference import Contracts, Difference, DifferenceKind, amount
from rulebot.statement.statement import Statement, StatementEvent, StatementExecution
from rulebot.store.finance.books import Books, LegEnding
from rulebot.store.finance.contract import SHARE_TYPE, is_section_1256, occ_symbol

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
    books: Books, statement: Statement, contracts: Contracts, strangers: Iterable[StatementExecution]
) -> tuple[list[Difference], list[StatementEvent]]:
    """Return what differs, and events of contracts that are not ours."""
    events = [event for event in statement.events if event.contract.category != SHARE_TYPE]
    known = _held_or_ended(books, contracts)
    told = _theirs(events, contracts)
    ours, options = _ours(books, statement, contracts, told.keys())
    strange = [event for event in events if contracts.key(event.contract) not in known]
    if ours and not statement.has_events:
        text = f"{len(ours)} contracts ended, and the query has no Option Exercises, Assignments and Expirations"
        return [Difference(what=DifferenceKind.SECTION, name="endings", ours=text)], strange
    others = _traded(strangers, contracts)
    symbols = {contracts.key(event.contract): event.contract.symbol for event in events}
    differences: list[Difference] = []
    for key in sorted({*ours, *(told.keys() & known)}):
        mine, other = ours.get(key, _Side()), told.get(key, _Side())
        name = occ_symbol(options[key]) if key in options else symbols[key]
        differences += _compared(name, mine, other, others[key])
    gone = [(option, told[key]) for key, option in options.items() if key in told]
    return [*differences, *_of_shares(gone, statement.events, strange)], strange


def _held_or_ended(books: Books, contracts: Contracts) -> set[str]:
    """Return the contracts of which something of ours ended, or by our books still stands."""
    ended = {contracts.key_of(ending.of.option) for ending in books.endings}
    held: dict[str, int] = defaultdict(int)
    for fill in books.fills:
        held[contracts.key_of(fill.of.option)] += fill.signed
    return ended | {key for key, signed in held.items() if signed and key not in ended}


def _ours(
    books: Books, statement: Statement, contracts: Contracts, told: Iterable[str]
) -> tuple[dict[str, _Side], dict[str, Option]]:
    """Return our endings of options that the statement should have, by contract, and the contracts.

    Those of its days; of a contract that is in the file, and of which none ended in these, all: it is booked later.
    """
    found: dict[str, _Side] = defaultdict(_Side)
    options: dict[str, Option] = {}
    of_account = [each for each in books.endings if each.of.account in ("", statement.account)]
    ours = [(contracts.key_of(each.of.option), each) for each in of_account if not each.of.option.is_share]
    due = {key for key, ending in ours if statement.covers(ending.date)}
    late = set(told) - due
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
    for told in strangers:
        found[contracts.key(told.contract)] += told.signed
    return found


def _compared(name: str, mine: _Side, other: _Side, held: Decimal) -> Iterator[Difference]:
    """Yield what differs of one contract; `held`: what others have bought of it, in the statement's days."""
    if other.signed not in (mine.signed, mine.signed - held):
        sides = (f"{side.signed:+f} {_listed(side.hows)}" for side in (mine, other))
        yield _difference(name, "quantity", *sides)
        return
    hows = _expected(mine)
    if mine.signed and hows != other.hows:
        yield _difference(name, "how", _listed(hows), _listed(other.hows))
    due = mine.cash if other.signed == mine.signed or not mine.signed else mine.cash * other.signed / mine.signed
    if abs(due - other.cash) >= CENT / 2:
        yield _difference(name, "cash", amount(due), amount(other.cash))


def _of_shares(
    gone: Iterable[tuple[Option, _Side]], events: Iterable[StatementEvent], strange: Iterable[StatementEvent]
) -> Iterator[Difference]:
    """Yield shares that should have come or gone for the options of ours that left, and did not at that strike.

    An underlying on which options of others ended too is left out: nobody says whose shares are whose.
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
            yield _difference(symbol, "shares delivered", mine, f"{found.signed:+f} {words} {amount(found.cash)}")


def _root(event: StatementEvent) -> str:
    """Return the class of an option, with which its OCC symbol begins."""
    return event.contract.symbol[:6].strip()


def _expected(mine: _Side) -> set[str]:
    """Return how the account's line must end: what several bots held long and short is set off first."""
    if mine.hows <= DELIVERING:
        return {"assigned"} if mine.signed > 0 else {"exercised"}
    return mine.hows


def _difference(contract: str, name: str, mine: str, other: str) -> Difference:
    return Difference(what=DifferenceKind.ENDING, contract=contract, name=name, ours=mine, theirs=other)


def _listed(hows: set[str]) -> str:
    return ", ".join(sorted(hows)) or "ended"
