"""What was dealt and what ended, as the journal has it: the source of every sheet, and of the tie-out.

A correction takes the place of the execution it corrects; what was taken back has a quantity of 0.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass as mutable
from dataclasses import replace
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from rulebot.model.contract import Kind as ContractKind
from rulebot.model.contract import Option, product
from rulebot.model.errors import StoreError
from rulebot.model.money import CENT, ZERO
from rulebot.model.order import is_synthetic
from rulebot.model.position import Position, PositionLeg
from rulebot.model.session import exchange_date, session_after, trading_day_after
from rulebot.model.share_coverage import DELIVERING, shares_profit
from rulebot.model.values import dataclass
from rulebot.record.codec import decode, utc_time
from rulebot.record.record import TAKEN_BACK, Kind, Record
from rulebot.store.dialect import to_step

KINDS = frozenset((Kind.RUN_STARTED, Kind.LINK, Kind.FILL, Kind.COMMISSION, Kind.SETTLEMENT))
"""What is read whole; of a position only its last record."""
HOW = {
    "worthless": "expired",
    "cash": "cash settled",
    "assigned": "assigned",
    "exercised": "exercised",
    "delivered": "delivered",
}
"""How a leg ends without a trade: the journal's word, and the accountant's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegContract:
    """Whose leg something happened to, and of which contract; `sign` is +1 of a leg that is held long.

    has_shares: shares are a leg of the position, too.
    """

    account: str
    bot: str
    position: str
    leg: str
    option: Option
    sign: int
    has_shares: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedFill:
    """One execution as it stands. commission: dollars paid, None until it is told."""

    of: LegContract
    exec_id: str
    ref: str
    is_buy: bool
    quantity: int
    price: Decimal
    executed_at: datetime
    commission: Decimal | None = None

    @property
    def signed(self) -> int:
        """Contracts bought, negative when sold."""
        return self.quantity if self.is_buy else -self.quantity

    @property
    def is_opening(self) -> bool:
        """True when it goes the way in which the leg is held."""
        return self.is_buy == (self.of.sign > 0)

    @property
    def is_estimate(self) -> bool:
        """True when nobody told it: price and time are what the account and the order give."""
        return is_synthetic(self.exec_id)

    @property
    def proceeds(self) -> Decimal:
        """Dollars received, negative when paid; the commission apart."""
        return -self.signed * self.price * self.of.option.multiplier

    @property
    def net_cash(self) -> Decimal:
        """Dollars received after the commission, as far as it is told."""
        return self.proceeds - (self.commission or ZERO)

    @property
    def date(self) -> date:
        """The day in New York."""
        return exchange_date(self.executed_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegEnding:
    """Contracts of a leg that left without a trade. price: dollars a share. how: a word of `HOW`.

    shares_profit: of `PositionLeg`, dollars that its shares made at the settlement price; None while that is not known.
    quantity: negative where the broker had closed more of the leg than was held, and that is gone.
    """

    of: LegContract
    quantity: int
    price: Decimal
    level: Decimal | None
    how: str
    recorded_at: datetime
    shares_profit: Decimal | None = ZERO

    @property
    def signed(self) -> int:
        """How the account's holding changes: + where a short leg is gone."""
        return -self.of.sign * self.quantity

    @property
    def cash(self) -> Decimal:
        """Dollars received, negative when paid."""
        return (self.of.sign * self.quantity * self.price * self.of.option.multiplier).quantize(CENT)

    @property
    def date(self) -> date:
        """The day on which an option ends, however late it was noticed; of shares the day they were recorded to leave.

        That is its last day, or the session after it where it settles at opening prints; of one that was assigned
        before, the day on which the account had it no more.
        """
        option, recorded = self.of.option, exchange_date(self.recorded_at)
        if option.is_share:
            return recorded
        return min(session_after(option.expiry).date if option.settles_at_open else option.expiry, recorded)


@dataclass(frozen=True, slots=True)
class Books:
    """Executions in order of time, endings as they were recorded, and all accounts that were ever connected."""

    fills: tuple[BookedFill, ...]
    endings: tuple[LegEnding, ...]
    accounts: frozenset[str] = frozenset()


def books_of(records: Iterable[Record], positions: Mapping[str, Position]) -> Books:
    """Return the books. records: those of `KINDS`, in order. Raises: StoreError when they do not belong together."""
    fills: dict[str, BookedFill] = {}
    endings: list[LegEnding] = []
    accounts = [""]
    for record in records:
        if record.kind in (Kind.RUN_STARTED, Kind.LINK):
            accounts.append(str(record.data.get("account") or accounts[-1]))
        elif record.kind is Kind.COMMISSION:
            base = base_of(str(record.data["exec_id"]))
            if base in fills:
                fills[base] = replace(fills[base], commission=to_step(Decimal(str(record.data["amount"]))))
        else:
            of = _held(record, positions, accounts[-1])
            if record.kind is Kind.SETTLEMENT:
                ending = _ending(record, of)
                take = _take_back if record.data.get(TAKEN_BACK) else list.append if ending.quantity else _price
                take(endings, ending)
            else:
                fill = _fill(record, of)
                base = base_of(fill.exec_id)
                fills[base] = replace(fill, commission=fills[base].commission) if base in fills else fill
    told = (fill for fill in fills.values() if fill.quantity or not fill.is_estimate)
    dealt = sorted(told, key=lambda fill: (fill.executed_at, fill.exec_id))
    return Books(tuple(dealt), tuple(endings), frozenset(accounts) - {""})


def _take_back(endings: list[LegEnding], back: LegEnding) -> None:
    """Take contracts out of the latest endings that they had left by; `back` has a negative number of them.

    What none of them has stands by itself: sums are right then.
    """
    same, count = (back.of.position, back.of.leg, back.price, back.how), -back.quantity
    for at, found in reversed(list(enumerate(endings))):
        if (found.of.position, found.of.leg, found.price, found.how) == same and found.quantity > 0 and count:
            left = max(found.quantity - count, 0)
            count -= found.quantity - left
            kept = replace(found, quantity=left, shares_profit=_part(found, left))
            endings[at : at + 1] = [kept] if left else []
    if count:
        endings.append(replace(back, quantity=-count))


def _price(endings: list[LegEnding], told: LegEnding) -> None:
    """Give the price to assigned contracts that were recorded without one; `told` has no contracts of its own."""
    for at, found in enumerate(endings):
        if (found.of.position, found.of.leg) == (told.of.position, told.of.leg) and found.shares_profit is None:
            endings[at] = replace(found, level=told.level, shares_profit=told.shares_profit)
            return


def _part(ending: LegEnding, left: int) -> Decimal | None:
    """Return what the shares of so many contracts of an ending made."""
    worth = ending.shares_profit
    return None if worth is None else (worth * left / ending.quantity).quantize(CENT)


def positions_of(records: Iterable[Record]) -> dict[str, Position]:
    """Return positions by id, from their last records."""
    found = (decode(Position, dict(record.data)) for record in records)
    return {position.id: position for position in found}


def base_of(exec_id: str) -> str:
    """Return an execution id without its last part, which counts corrections."""
    return exec_id.rpartition(".")[0] or exec_id


def _held(record: Record, positions: Mapping[str, Position], account: str) -> LegContract:
    id, name = str(record.data.get("position") or record.position), str(record.data["leg"])
    position = positions.get(id)
    leg = _leg(position, name)
    if leg is None:
        raise StoreError(
            f"a {record.kind.value} of {record.at:%Y-%m-%d %H:%M:%S} UTC is on a leg that no position has: {id} {name}",
            "rulebot store audit says what else is wrong",
        )
    has_shares = position is not None and any(each.option.is_share for each in position.legs)
    return LegContract(
        account=account,
        bot=record.bot,
        position=id,
        leg=name,
        option=leg.option,
        sign=leg.sign,
        has_shares=has_shares,
    )


def _leg(position: Position | None, name: str) -> PositionLeg | None:
    return next((leg for leg in position.legs if leg.name == name), None) if position is not None else None


def _fill(record: Record, of: LegContract) -> BookedFill:
    data = record.data
    told = data.get("executed_at")
    return BookedFill(
        of=of,
        exec_id=str(data["exec_id"]),
        ref=str(data.get("ref") or ""),
        is_buy=bool(data["is_buy"]),
        quantity=int(str(data["quantity"])),
        price=Decimal(str(data["price"])),
        executed_at=utc_time(str(told)) if told else record.at,
    )


def _ending(record: Record, of: LegContract) -> LegEnding:
    data = record.data
    level = data.get("level")
    return LegEnding(
        of=of,
        quantity=int(str(data["quantity"])),
        price=Decimal(str(data["price"])),
        level=None if level is None else Decimal(str(level)),
        how=HOW[str(data["how"])],
        recorded_at=record.at,
        shares_profit=_shares_profit(data, of),
    )


def _shares_profit(data: Mapping[str, Any], of: LegContract) -> Decimal | None:
    """Return what the shares made that contracts became; older stores tell the level alone."""
    if "shares_profit" in data:
        return None if data["shares_profit"] is None else Decimal(str(data["shares_profit"]))
    if data["how"] not in DELIVERING or Decimal(str(data["price"])) or of.has_shares:
        return ZERO
    if data.get("level") is None:
        return None
    count = of.sign * int(data["quantity"]) * of.option.multiplier
    return shares_profit(of.option, count, Decimal(str(data["level"])))


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
