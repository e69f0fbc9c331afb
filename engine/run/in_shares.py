"""Trades that ended in shares of the account: what those make or lose is in the profit of no trade.

What they were worth beside their strikes when they came is: the options were in the money by as much.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from engine.fill.apply import DELIVERING
from engine.model.counted import counted
from engine.model.money import CENT, ZERO, cents, dollars
from engine.model.payoff import intrinsic
from engine.model.position import Position
from engine.record.record import Kind, Record
from engine.store.finance.books import HOW, Ending, books_of
from engine.store.queries import StoreReader

_DELIVERING = frozenset(HOW[how] for how in DELIVERING)
_OF_ITS_OWN = HOW["delivered"]


class InShares(NamedTuple):
    """One such trade. net: its profit, shares apart, None while it is not over.

    worth: dollars by which the strikes were better than the market, negative when worse, when the shares came or went;
    None where nobody knew at what the options settled.
    """

    position: str
    net: Decimal | None
    worth: Decimal | None

    def as_document(self) -> dict[str, str | float | None]:
        """Return it as plain data."""
        return {
            "position": self.position,
            "net": None if self.net is None else float(self.net),
            "worth": None if self.worth is None else float(self.worth),
        }

    @property
    def is_turned(self) -> bool:
        """True when it counts as won and lost with its shares."""
        return self.net is not None and self.worth is not None and self.net > 0 > self.net + self.worth


def read_in_shares(reader: StoreReader, bot: str = "") -> list[InShares]:
    """Return the trades of a bot, "" of all, of whose options shares came or went, in order. Raises: StoreError."""
    if not any(record.data["how"] in DELIVERING for record in reader.records((Kind.SETTLEMENT,))):
        return []
    books, tables = reader.books(("trades",))
    names, rows = tables["trades"]
    nets = {row[names.index("position")]: row[names.index("final_pnl")] for row in rows}
    found = worths(each for each in books.endings if bot in ("", each.of.bot))
    return [
        InShares(name, None if (net := nets.get(name)) is None else cents(float(net)), worth)
        for name, worth in found.items()
    ]


def worths_of(records: Iterable[Record], positions: Mapping[str, Position]) -> dict[str, Decimal | None]:
    """Return `worths` by the settlements among these records, which are of these positions. Raises: StoreError."""
    settled = [record for record in records if record.kind is Kind.SETTLEMENT]
    if not any(record.data["how"] in DELIVERING for record in settled):
        return {}
    return worths(books_of(settled, positions).endings)


def worths(endings: Iterable[Ending]) -> dict[str, Decimal | None]:
    """Return what the options of positions that ended in shares were in the money by: `InShares.worth`, by position.

    Options that set each other off have their price, and are none of these. Nor are positions that gave or took shares
    of their own: those went at the strike, and their profit has it.
    """
    known = list(endings)
    own = {each.of.position for each in known if each.how == _OF_ITS_OWN}
    found: dict[str, Decimal | None] = {}
    for each in known:
        name = each.of.position
        if each.how in _DELIVERING and not each.price and name not in own:
            before, here = found.get(name, ZERO), _worth(each)
            found[name] = None if before is None or here is None else before + here
    return found


def _worth(ending: Ending) -> Decimal | None:
    if ending.level is None:
        return None
    option = ending.of.option
    count = ending.of.sign * ending.quantity * option.multiplier
    return (count * intrinsic(option, ending.level)).quantize(CENT)


def beside_market(worth: Decimal) -> str:
    """Return how the strikes of what came or went stood to the market, by their `InShares.worth`, in words."""
    if not worth:
        return "at the market"
    return f"at strikes {dollars(abs(worth))} {'worse' if worth < 0 else 'better'} than the market then"


def in_shares_lines(trades: Sequence[InShares]) -> Iterator[str]:
    """Yield what to say of them, nothing of none."""
    if not trades:
        return
    yield f"ended in shares: {counted(len(trades), 'trade')}; what the shares made is in the account alone"
    words = []
    if total := sum((each.worth for each in trades if each.worth is not None), ZERO):
        words.append(beside_market(total))
    if turned := sum(each.is_turned for each in trades):
        words.append(f"{turned} of them {'counts' if turned == 1 else 'count'} as won, and lost by it")
    if words:
        yield "; ".join(words)
