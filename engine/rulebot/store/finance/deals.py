"""What was dealt and what ended, for an accountant: the source of every sheet, and of the tie-out; and tax lots."""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass as mutable
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal

from rulebot.model.contract import Kind as ContractKind
from rulebot.model.contract import Option, product
from rulebot.model.errors import StoreError
from rulebot.model.money import CENT, ZERO
from rulebot.model.position import Position
from rulebot.model.session import trading_day_after
from rulebot.model.values import dataclass, replace
from rulebot.record.books import BookedFill, Books, LegContract, LegEnding
from rulebot.record.codec import decode
from rulebot.record.record import Kind, Record
from rulebot.store.dialect import to_step

KINDS = frozenset((Kind.RUN_STARTED, Kind.LINK, Kind.FILL, Kind.COMMISSION, Kind.SETTLEMENT))
"""What is read whole; of a position only its last record."""


@dataclass(frozen=True, slots=True)
class Deals:
    """Executions in order of time, endings as they were recorded, and all accounts that were ever connected."""

    fills: tuple[BookedFill, ...]
    endings: tuple[LegEnding, ...]
    accounts: frozenset[str] = frozenset()


def deals_of(records: Iterable[Record], positions: Mapping[str, Position]) -> Deals:
    """Return the deals. records: those of `KINDS`, in order. Raises: StoreError when they do not belong together."""
    books = Books()
    for position in positions.values():
        books.know(position)
    for record in records:
        if record.kind in (Kind.FILL, Kind.SETTLEMENT) and books.holder(record) is None:
            raise StoreError(
                f"a {record.kind.value} of {record.at:%Y-%m-%d %H:%M:%S} UTC is on a leg that no position has: "
                f"{record.position} {record.data['leg']}",
                "rulebot store audit says what else is wrong",
            )
        books.take(record)
    told = (_stepped(fill) for fill in books.fills.values() if fill.quantity or not fill.is_estimate)
    dealt = sorted(told, key=lambda fill: (fill.executed_at, fill.exec_id))
    return Deals(tuple(dealt), tuple(books.endings), frozenset(books.accounts))


def _stepped(fill: BookedFill) -> BookedFill:
    return fill if fill.commission is None else replace(fill, commission=to_step(fill.commission))


def positions_of(records: Iterable[Record]) -> dict[str, Position]:
    """Return positions by id, from their last records."""
    found = (decode(Position, dict(record.data)) for record in records)
    return {position.id: position for position in found}


# --- How the clearing house and a tax form call a contract

_ROOT = 6
SHARE_TYPE, OPTION_TYPE = "STK", "OPT"


def occ_symbol(option: Option) -> str:
    """Return the 21 signs of the OCC (OSI), `SPXW  261118P05930000`; of a share its ticker.

    Of an option that settles at the opening the date is the day it settles, one session after its last one.
    Source: OCC Options Symbology Initiative.
    """
    if option.is_share:
        return option.symbol
    day = trading_day_after(option.expiry) if option.settles_at_open else option.expiry
    return f"{option.trading_class:<{_ROOT}}{day:%y%m%d}{option.right.letter}{int(option.strike * 1000):08d}"


def security_type(option: Option) -> str:
    """Return the broker's word for what it is: OPT or STK."""
    return SHARE_TYPE if option.is_share else OPTION_TYPE


def is_section_1256(option: Option) -> bool:
    """Say whether gains are 60 % long term and 40 % short term, however long it was held.

    Source: Internal Revenue Code, section 1256(b)(1)(C) and (g)(3): options on a broad-based index (SPX, XSP,
    NDX, RUT).
    """
    return not option.is_share and product(option.symbol).kind is ContractKind.INDEX


# --- Tax lots

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


def lots_of(deals: Deals) -> list[Lot]:
    """Return the closed lots, by the day they were closed."""
    legs: dict[tuple[str, str], list[_Move]] = defaultdict(list)
    held: dict[tuple[str, str], LegContract] = {}
    for move, of in _moves(deals):
        legs[of.position, of.leg].append(move)
        held[of.position, of.leg] = of
    found = [lot for key, moves in legs.items() for lot in _of_leg(held[key], moves)]
    return sorted(found, key=lambda lot: (lot.closed, lot.opened, lot.of.position, lot.of.leg, lot.open_exec_id))


def _moves(deals: Deals) -> Iterator[tuple[_Move, LegContract]]:
    for fill in deals.fills:
        yield _of_fill(fill), fill.of
    for ending in deals.endings:
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
