"""Tax lots: what was opened is closed first in, first out, inside a leg of a position.

Theory. A leg is a queue of what is open. An execution or settlement the same way joins it, the other way closes its
oldest; more than is open would open the other way. Cash and commission of an execution that is split are shared out by
contracts on the store's grid of a millionth, so that the parts sum to the whole exactly. Contracts that were assigned
or exercised close at the settlement price of their shares, as the trade counts them: the shares begin there.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass as mutable
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal

from rulebot.model.money import CENT, ZERO
from rulebot.model.values import dataclass
from rulebot.store.finance.books import BookedFill, Books, LegContract, LegEnding
from rulebot.store.finance.contract import is_section_1256
from rulebot.store.types import to_step

_LONG_TERM = Decimal("0.6")
CLOSED, BUSTED = "closed", "busted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """Contracts that were opened at once and closed at once.

    Units: dollars, commissions inside: they lessen the proceeds and add to the basis. Of a short lot the proceeds came
    first. ended: closed, a word of `HOW`, or busted (no contracts: the commission of an execution that was taken back).
    """

    of: LegContract
    is_long: bool
    quantity: int
    opened: date
    closed: date
    proceeds: Decimal
    basis: Decimal
    ended: str
    open_exec_id: str
    close_exec_id: str

    @property
    def gain(self) -> Decimal:
        """Proceeds less basis."""
        return self.proceeds - self.basis

    @property
    def holding_days(self) -> int:
        """Nights between the two days."""
        return (self.closed - self.opened).days

    @property
    def is_section_1256(self) -> bool:
        """Say whether section 1256 governs it."""
        return is_section_1256(self.of.option)

    @property
    def long_term(self) -> Decimal | None:
        """The part of 60 % that counts as long term, in whole cents; None outside of section 1256."""
        return (self.gain * _LONG_TERM).quantize(CENT, ROUND_HALF_EVEN) if self.is_section_1256 else None

    @property
    def short_term(self) -> Decimal | None:
        """The rest of it."""
        return None if self.long_term is None else self.gain - self.long_term


@mutable(slots=True)
class _Move:
    """Contracts one way: bought or sold, or gone at the end. `left` counts what is not shared out yet."""

    signed: int
    day: date
    at: datetime
    cash: Decimal
    commission: Decimal
    ended: str
    exec_id: str
    is_opening: bool
    left: int

    def take(self, count: int) -> tuple[Decimal, Decimal]:
        """Return cash and commission of so many more contracts."""
        before, whole = abs(self.signed) - self.left, abs(self.signed)
        self.left -= count
        cash, paid = (_share(each, before + count, whole) - _share(each, before, whole) for each in self._amounts)
        return cash, paid

    @property
    def _amounts(self) -> tuple[Decimal, Decimal]:
        return self.cash, self.commission


def _share(amount: Decimal, count: int, whole: int) -> Decimal:
    return amount if count == whole else to_step(amount * count / whole)


def lots_of(books: Books) -> list[Lot]:
    """Return the closed lots, by the day they were closed."""
    legs: dict[tuple[str, str], list[_Move]] = defaultdict(list)
    held: dict[tuple[str, str], LegContract] = {}
    for move, of in _moves(books):
        legs[of.position, of.leg].append(move)
        held[of.position, of.leg] = of
    found = [lot for key, moves in legs.items() for lot in _of_leg(held[key], moves)]
    return sorted(found, key=lambda lot: (lot.closed, lot.opened, lot.of.position, lot.of.leg, lot.open_exec_id))


def _moves(books: Books) -> Iterator[tuple[_Move, LegContract]]:
    for fill in books.fills:
        yield _of_fill(fill), fill.of
    for ending in books.endings:
        yield _of_ending(ending), ending.of


def _of_fill(fill: BookedFill) -> _Move:
    return _Move(
        signed=fill.signed,
        day=fill.date,
        at=fill.executed_at,
        cash=fill.proceeds,
        commission=fill.commission or ZERO,
        ended=CLOSED,
        exec_id=fill.exec_id,
        is_opening=fill.is_opening,
        left=fill.quantity,
    )


def _of_ending(ending: LegEnding) -> _Move:
    return _Move(
        signed=ending.signed,
        day=ending.date,
        at=ending.recorded_at,
        cash=ending.cash + (ending.shares_profit or ZERO),
        commission=ZERO,
        ended=ending.how,
        exec_id="",
        is_opening=False,
        left=abs(ending.signed),
    )


def _of_leg(of: LegContract, moves: Iterable[_Move]) -> Iterator[Lot]:
    queue: deque[_Move] = deque()
    for move in sorted(moves, key=lambda move: (move.at, not move.is_opening, move.exec_id)):
        if not move.signed:
            if move.commission:
                yield _busted(of, move)
            continue
        while move.left and queue and (queue[0].signed > 0) != (move.signed > 0):
            opened = queue[0]
            yield _lot(of, opened, move, min(opened.left, move.left))
            if not opened.left:
                queue.popleft()
        if move.left:
            queue.append(move)


def _lot(of: LegContract, opened: _Move, closing: _Move, count: int) -> Lot:
    is_long = opened.signed > 0
    first, paid_first = opened.take(count)
    last, paid_last = closing.take(count)
    came, went = (last - paid_last, paid_first - first) if is_long else (first - paid_first, paid_last - last)
    return Lot(
        of=of,
        is_long=is_long,
        quantity=count,
        opened=opened.day,
        closed=closing.day,
        proceeds=came,
        basis=went,
        ended=closing.ended,
        open_exec_id=opened.exec_id,
        close_exec_id=closing.exec_id,
    )


def _busted(of: LegContract, move: _Move) -> Lot:
    return Lot(
        of=of,
        is_long=of.sign > 0,
        quantity=0,
        opened=move.day,
        closed=move.day,
        proceeds=ZERO,
        basis=move.commission,
        ended=BUSTED,
        open_exec_id=move.exec_id,
        close_exec_id=move.exec_id,
    )
