"""What may differ, and how contracts, amounts and deals are named on both sides."""

from datetime import date
from decimal import Decimal
from enum import Enum

from rulebot.model.contract import Option
from rulebot.model.values import dataclass
from rulebot.statement.statement import Contract
from rulebot.store.export import exact
from rulebot.store.finance.books import Books
from rulebot.store.finance.contract import occ_symbol


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
    """One thing that does not tie: which value (`name`), and what each side has of it, in words.

    mend: the command that mends it, where there is one.
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

    def __init__(self, books: Books) -> None:
        options = [fill.of.option for fill in books.fills] + [ending.of.option for ending in books.endings]
        self._by_id = {option.con_id: self.key_of(option) for option in options if option.con_id}

    def key_of(self, option: Option) -> str:
        """Return the name of a contract of ours."""
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
