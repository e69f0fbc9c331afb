"""What an accountant reads of a store, and its sheets: executions, settlements, tax lots (docs/export.md)."""

import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass as mutable
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from rulebot.model.contract import Kind as ContractKind
from rulebot.model.contract import Option, product
from rulebot.model.errors import StoreError
from rulebot.model.money import CENT, ZERO
from rulebot.model.position import Position
from rulebot.model.session import CalendarError, settlement_date, trading_day_after
from rulebot.model.values import dataclass, replace
from rulebot.record.books import BookedFill, Books, LegContract, LegEnding
from rulebot.record.codec import decode
from rulebot.record.record import Kind, Record
from rulebot.store.dialect import to_step

# --- Trades and endings, for an accountant

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
    reported = (_stepped(fill) for fill in books.fills.values() if fill.quantity or not fill.is_estimate)
    dealt = sorted(reported, key=lambda fill: (fill.executed_at, fill.exec_id))
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
    """Contracts that were opened together and closed together.

    Units: dollars, commissions included: they lessen the proceeds and add to the basis. A short lot's proceeds came
    first. ended: closed, a word of `HOW`, or busted (no contracts: the commission of a busted execution).
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
    """Contracts in one direction: bought or sold, or ended. `left` counts those not assigned to lots yet."""

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
        """Return cash and commission of this many more contracts."""
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


# --- A sheet


class Holds(Enum):
    """What a column holds. `MONEY` is exact; `NEW_YORK` and `UTC` are instants, and where they are shown."""

    TEXT = "text"
    WHOLE = "whole"
    NUMBER = "number"
    MONEY = "money"
    DATE = "date"
    NEW_YORK = "new york"
    UTC = "utc"


class Column(NamedTuple):
    """A column: its name, and the type of its values other than None."""

    name: str
    holds: Holds


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows have a value for each column: str, int, float, Decimal, date or an aware datetime, as it holds; or None."""

    name: str
    columns: tuple[Column, ...]
    rows: Sequence[tuple[Any, ...]]


_FORMULA = re.compile(r"[=@\t\r]|[+-](?!(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$)")


def as_text(value: Any) -> Any:
    """Return a cell of CSV that no spreadsheet takes for a formula: a text that would be one gets a quote in front."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


_TEXTS = frozenset((
    "strategy_id", "trade_date", "symbol", "expiration", "entry_time", "exit_time", "exit_reason", "exit_name",
    "status", "position", "state", "digest", "legs", "ref", "action", "bracket_type", "fill_time",
    "algo_strategy", "algo_priority", "order_type", "purpose", "reason", "cancel_reason", "message", "oca_group",
    "prepared_at", "changed_at", "exec_id", "leg", "contract", "executed_at", "snapshot_time", "date",
))  # fmt: skip
_WHOLES = frozenset((
    "id", "trade_id", "trades_count", "winning_trades", "losing_trades", "entry_filled", "ibkr_order_id",
    "ibkr_perm_id", "ibkr_con_id", "con_id", "parent_order_id", "filled", "attempt",
))  # fmt: skip


def sheet_of_view(name: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Sheet:
    """Return a view as a sheet. A column's type follows from its name, so that an empty month has the same one."""
    return Sheet(name, tuple(Column(column, _holds(column)) for column in columns), rows)


def _holds(column: str) -> Holds:
    if column in _TEXTS:
        return Holds.TEXT
    return Holds.WHOLE if column in _WHOLES else Holds.NUMBER


# --- The sheets for an accountant

NAMES = ("executions", "settlements", "tax_lots")


class _Field(NamedTuple):
    name: str
    holds: Holds
    of: Callable[[Any], Any]


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"


def _of_contract(of: Callable[[Any], LegContract]) -> tuple[_Field, ...]:
    """Return the columns of owner and contract; for a share those of an option are empty."""

    def only_option(value: Callable[[LegContract], Any]) -> Callable[[Any], Any]:
        return lambda row: None if of(row).option.is_share else value(of(row))

    return (
        _Field("account", Holds.TEXT, lambda row: of(row).account or None),
        _Field("bot", Holds.TEXT, lambda row: of(row).bot),
        _Field("position", Holds.TEXT, lambda row: of(row).position),
        _Field("leg", Holds.TEXT, lambda row: of(row).leg),
        _Field("symbol", Holds.TEXT, lambda row: of(row).option.symbol),
        _Field("occ_symbol", Holds.TEXT, lambda row: occ_symbol(of(row).option)),
        _Field("security_type", Holds.TEXT, lambda row: security_type(of(row).option)),
        _Field("expiry", Holds.DATE, only_option(lambda held: held.option.expiry)),
        _Field("strike", Holds.MONEY, only_option(lambda held: held.option.strike)),
        _Field("right", Holds.TEXT, only_option(lambda held: held.option.right.letter)),
        _Field("multiplier", Holds.WHOLE, lambda row: of(row).option.multiplier),
    )


def _contract_of(row: BookedFill | LegEnding | Lot) -> LegContract:
    return row.of


def _settles(fill: BookedFill) -> date | None:
    try:
        return settlement_date(fill.date, is_share=fill.of.option.is_share)
    except CalendarError:
        return None


_EXECUTIONS: tuple[_Field, ...] = (
    *_of_contract(_contract_of),
    _Field("side", Holds.TEXT, lambda fill: "BUY" if fill.is_buy else "SELL"),
    _Field("open_close", Holds.TEXT, lambda fill: "O" if fill.is_opening else "C"),
    _Field("quantity", Holds.WHOLE, lambda fill: fill.quantity),
    _Field("price", Holds.MONEY, lambda fill: fill.price),
    _Field("proceeds", Holds.MONEY, lambda fill: fill.proceeds),
    _Field("commission", Holds.MONEY, lambda fill: fill.commission),
    _Field("net_cash", Holds.MONEY, lambda fill: fill.net_cash),
    _Field("trade_time", Holds.NEW_YORK, lambda fill: fill.executed_at),
    _Field("trade_time_utc", Holds.UTC, lambda fill: fill.executed_at),
    _Field("settlement_date", Holds.DATE, _settles),
    _Field("order_ref", Holds.TEXT, lambda fill: fill.ref),
    _Field("exec_id", Holds.TEXT, lambda fill: fill.exec_id),
    _Field("estimate", Holds.TEXT, lambda fill: _yes(fill.is_estimate)),
)
_SETTLEMENTS: tuple[_Field, ...] = (
    *_of_contract(_contract_of),
    _Field("held", Holds.TEXT, lambda ending: "long" if ending.signed < 0 else "short"),
    _Field("quantity", Holds.WHOLE, lambda ending: abs(ending.signed)),
    _Field("how", Holds.TEXT, lambda ending: ending.how),
    _Field("price", Holds.MONEY, lambda ending: ending.price),
    _Field("cash", Holds.MONEY, lambda ending: ending.cash),
    _Field("level", Holds.MONEY, lambda ending: ending.level),
    _Field("shares_profit", Holds.MONEY, lambda ending: ending.shares_profit),
    _Field("date", Holds.DATE, lambda ending: ending.date),
    _Field("recorded_utc", Holds.UTC, lambda ending: ending.recorded_at),
)
_LOTS: tuple[_Field, ...] = (
    *_of_contract(_contract_of),
    _Field("held", Holds.TEXT, lambda lot: "long" if lot.is_long else "short"),
    _Field("quantity", Holds.WHOLE, lambda lot: lot.quantity),
    _Field("opened", Holds.DATE, lambda lot: lot.opened),
    _Field("closed", Holds.DATE, lambda lot: lot.closed),
    _Field("proceeds", Holds.MONEY, lambda lot: lot.proceeds),
    _Field("basis", Holds.MONEY, lambda lot: lot.basis),
    _Field("gain", Holds.MONEY, lambda lot: lot.gain),
    _Field("holding_days", Holds.WHOLE, lambda lot: lot.holding_days),
    _Field("section_1256", Holds.TEXT, lambda lot: _yes(lot.is_section_1256)),
    _Field("long_term_60", Holds.MONEY, lambda lot: lot.long_term),
    _Field("short_term_40", Holds.MONEY, lambda lot: lot.short_term),
    _Field("ended", Holds.TEXT, lambda lot: lot.ended),
    _Field("open_exec_id", Holds.TEXT, lambda lot: lot.open_exec_id),
    _Field("close_exec_id", Holds.TEXT, lambda lot: lot.close_exec_id or None),
)


def finance_sheets(deals: Deals) -> tuple[Sheet, ...]:
    """Return the sheets of `NAMES`, in that order."""
    return (
        _sheet(NAMES[0], _EXECUTIONS, deals.fills),
        _sheet(NAMES[1], _SETTLEMENTS, deals.endings),
        _sheet(NAMES[2], _LOTS, lots_of(deals)),
    )


def _sheet(name: str, fields: tuple[_Field, ...], found: Iterable[object]) -> Sheet:
    columns = tuple(Column(field.name, field.holds) for field in fields)
    return Sheet(name, columns, [tuple(field.of(one) for field in fields) for one in found])


# --- Sheets as Parquet, for pandas, polars, DuckDB and their kin

_DIGITS, _PLACES = 24, 8


def check_installed() -> None:
    """Raises: StoreError that says what to install."""
    _pyarrow()


def write_parquet(sheet: Sheet, target: Path) -> None:
    """Write a sheet: dollars as exact decimals, times as instants; one without rows has its types too."""
    arrow, parquet = _pyarrow()
    schema = arrow.schema([(column.name, _type(arrow, column.holds)) for column in sheet.columns])
    names = [column.name for column in sheet.columns]
    rows = [dict(zip(names, map(_fitting, row), strict=True)) for row in sheet.rows]
    parquet.write_table(arrow.Table.from_pylist(rows, schema=schema), target, compression="zstd")


def _fitting(value: Any) -> Any:
    """Return dollars with no more digits than the column has."""
    return round(value, _PLACES) if isinstance(value, Decimal) else value


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise StoreError("Parquet needs a package that is not installed", "pip install 'rulebot[parquet]'") from error
    return pyarrow, parquet


def _type(arrow: Any, holds: Holds) -> Any:
    found = {
        Holds.TEXT: arrow.string(),
        Holds.WHOLE: arrow.int64(),
        Holds.NUMBER: arrow.float64(),
        Holds.MONEY: arrow.decimal128(_DIGITS, _PLACES),
        Holds.DATE: arrow.date32(),
        Holds.NEW_YORK: arrow.timestamp("us", tz="America/New_York"),
        Holds.UTC: arrow.timestamp("us", tz="UTC"),
    }
    return found[holds]
