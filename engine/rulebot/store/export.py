"""Exports: JSON Lines in one folder a bot: `trades.jsonl` (ORDER, FILL) and `risk_events.jsonl` (RISK).

Prices are net per share: received to open, paid to close (negative the other way round). A FILL line belongs to the
last ORDER line before it with its `order_id`. So slippage is fill less limit, and profit is the sum of (open fill -
close fill) x 100 x qty, less commissions. An order that filled in part and was repriced has a FILL line for each part;
its next ORDER line is for the rest. An expiry has an ORDER and a FILL line too: delivered shares count at their
settlement price, and the `order_id` is negative. Times are those of the records, in UTC. What a killed run did not
write is added when the store is opened again: the files follow from the journal.
"""

import csv
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from rulebot.model.contract import LOT, Right
from rulebot.model.errors import StoreError, as_store_error
from rulebot.model.money import ZERO
from rulebot.model.order import Order, Purpose, Side, is_synthetic
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.record.codec import decode, json_text, utc_text
from rulebot.record.record import Json, Kind, Record
from rulebot.store.finance import (
    Holds,
    Sheet,
    as_text,
    check_installed,
    finance_sheets,
    sheet_of_view,
    write_parquet,
)
from rulebot.store.place import Place, make_folder, private
from rulebot.store.queries import StoreReader
from rulebot.store.recall import LINES_KEPT
from rulebot.store.rows import execution

TRADES, RISKS = "trades.jsonl", "risk_events.jsonl"
AGAIN = timedelta(minutes=1)
"""How long after lines could not be written they are tried again."""
ENGINE = "engine"
"""The folder of what concerns no single bot."""

KINDS = frozenset(
    (
        Kind.ORDER,
        Kind.FILL,
        Kind.COMMISSION,
        Kind.SETTLEMENT,
        Kind.DECISION,
        Kind.ALARM,
        Kind.SESSION,
        Kind.RUN_ENDED,
    )
)


class Line(NamedTuple):
    """One line and the file it belongs to."""

    bot: str
    file: str
    text: str


@dataclass(slots=True)
class _Part:
    """Fills of an order at one price: structures, their average price, and when that was known.

    executions: those without a commission; bases: all of them, including busted ones.
    """

    quantity: int = 0
    average: Decimal | None = None
    at: datetime | None = None
    executions: set[str] = field(default_factory=set)
    bases: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Traded:
    """The export state of one order: messages, fills at its present price, and earlier fills.

    lines: still to be written, in order; a part waits for its commissions, and later lines for the part. A correction
    replaces its execution, as in the views.
    """

    order: Order
    said: tuple[Decimal | None, Decimal | None, int] | None = None
    part: _Part = field(default_factory=_Part)
    before: tuple[int, Decimal] = (0, Decimal(0))
    lines: list[str | _Part] = field(default_factory=list)
    commissions: dict[str, Decimal] = field(default_factory=dict)
    is_over: bool = False

    def end_part(self) -> None:
        """Make the fills since the last price a separate part."""
        order, (count, cash) = self.order, self.before
        part, self.part = self.part, _Part()
        part.quantity, part.at = order.filled - count, order.changed_at
        if order.average_price is not None and part.quantity > 0:
            part.average = (order.average_price * order.filled - cash) / part.quantity
            self.before = order.filled, order.average_price * order.filled
        self.lines.append(part)

    def is_known(self, part: _Part) -> bool:
        """Say whether the commission of every execution of a part is reported."""
        return bool(part.executions) and part.executions <= self.commissions.keys()

    def commission(self, part: _Part) -> Decimal:
        """Return the reported commissions of a part."""
        return sum((self.commissions.get(base, Decimal(0)) for base in part.bases), Decimal(0))


class LineMaker:
    """Turns records, in order, into lines. The same records always give the same lines."""

    def __init__(self) -> None:
        self._orders: dict[str, _Traded] = {}
        self._by_execution: dict[str, tuple[_Traded, _Part]] = {}

    def lines(self, records: Iterable[Record]) -> Iterator[Line]:
        """Yield the lines these records lead to."""
        for record in records:
            if record.kind is Kind.ORDER:
                yield from self._order(record)
            elif record.kind is Kind.FILL:
                self._fill(record)
            elif record.kind is Kind.COMMISSION:
                yield from self._commission(record)
            elif record.kind is Kind.SETTLEMENT:
                yield from _settled(record)
            elif record.kind in (Kind.SESSION, Kind.RUN_ENDED):
                yield from self._rest()
                self._forget(record.at - LINES_KEPT)
            else:
                yield from self._risk(record)

    def _fill(self, record: Record) -> None:
        traded = self._orders.get(str(record.data.get("ref") or ""))
        if traded is not None:
            exec_id = str(record.data["exec_id"])
            base = execution(exec_id)
            known = self._by_execution.get(base)
            part = traded.part if known is None else known[1]
            self._by_execution[base] = traded, part
            part.bases.add(base)
            is_pending = int(str(record.data["quantity"])) > 0 and not is_synthetic(exec_id)
            (part.executions.add if is_pending else part.executions.discard)(base)

    def _order(self, record: Record) -> Iterator[Line]:
        order = decode(Order, dict(record.data))
        traded = self._orders.setdefault(order.ref, _Traded(order))
        traded.order = order
        asked = (order.limit_price, order.stop_price, order.quantity)
        if order.sent_at is not None and asked != traded.said:
            if traded.said is not None and order.filled > traded.before[0]:
                traded.end_part()
            traded.said = asked
            traded.lines.append(json_text(_order_line(order, traded.before[0], record)))
        if not order.status.is_live and order.filled > traded.before[0] and not traded.is_over:
            traded.is_over = True
            traded.end_part()
        yield from self._reported(traded)

    def _commission(self, record: Record) -> Iterator[Line]:
        base = execution(str(record.data["exec_id"]))
        if base in self._by_execution:
            traded, _ = self._by_execution[base]
            traded.commissions[base] = Decimal(str(record.data["amount"]))
            yield from self._reported(traded)

    def _reported(self, traded: _Traded, *, at_last: bool = False) -> Iterator[Line]:
        """Yield the lines of an order that may be written: a part once its commissions are known, or the day ends."""
        while traded.lines:
            line = traded.lines[0]
            if isinstance(line, _Part):
                if not (at_last or traded.is_known(line)):
                    return
                line = json_text(_fill_line(traded, line))
            yield Line(traded.order.bot, TRADES, line)
            del traded.lines[0]

    def _rest(self) -> Iterator[Line]:
        for traded in self._orders.values():
            yield from self._reported(traded, at_last=True)

    def _forget(self, since: datetime) -> None:
        """Forget what ended before that and is written: a start does not read it again, either."""
        old = {
            ref for ref, each in self._orders.items() if each.order.changed_at < since and not each.order.status.is_live
        }
        if old:
            self._orders = {ref: each for ref, each in self._orders.items() if ref not in old}
            kept = ((base, each) for base, each in self._by_execution.items() if each[0].order.ref not in old)
            self._by_execution = dict(kept)

    def _risk(self, record: Record) -> Iterator[Line]:
        data = record.data
        if record.kind is Kind.ALARM:
            yield _risk_line(record, "ALARM", str(data.get("text") or ""))
        elif record.kind is Kind.DECISION and data.get("what") in ("halt", "skip"):
            yield _risk_line(record, str(data["what"]).upper(), str(data.get("reason") or ""))


class JsonLines:
    """The files below one log folder, kept in step with a journal.

    Lines that cannot be written, as on a full disk, are kept, and tried again every minute of the records.
    """

    def __init__(self, folder: Path, records: Iterable[Record]) -> None:
        """Start from all records there are; lines that the files lack are added. `problem`: why they cannot be."""
        self._folder = folder
        self._outstanding: dict[Path, list[str]] = {}
        self._failed_at: datetime | None = None
        self._maker = LineMaker()
        self.problem: StoreError | None = None
        for line in self._maker.lines(record for record in records if record.kind in KINDS):
            self._outstanding.setdefault(self._path(line), []).append(line.text)
        try:
            self.settle()
        except StoreError as error:
            self.problem = error

    def write(self, records: Sequence[Record]) -> None:
        """Append the lines of records that were just committed, and those kept. Raises: StoreError."""
        for line in self._maker.lines(record for record in records if record.kind in KINDS):
            self._outstanding.setdefault(self._path(line), []).append(line.text)
        at, failed_at = records[-1].at, self._failed_at
        if failed_at is None or abs(at - failed_at) >= AGAIN:
            self._failed_at = at  # unless it succeeds
            self.settle(is_again=failed_at is not None)
            self._failed_at = None

    def settle(self, *, is_again: bool = True) -> None:
        """Write the kept lines; `is_again`: some may be there already. Raises: StoreError."""
        for path, texts in list(self._outstanding.items()):
            found = set(_complete_lines(path)) if is_again else frozenset[str]()
            self._append(path, [text for text in texts if text not in found])
            del self._outstanding[path]

    @property
    def is_behind(self) -> bool:
        """True while lines are kept."""
        return bool(self._outstanding)

    def _path(self, line: Line) -> Path:
        return self._folder / (line.bot or ENGINE) / line.file

    def _append(self, path: Path, texts: Sequence[str]) -> None:
        if not texts:
            return
        with as_store_error(f"the log {path} cannot be written", "see to its folder"):
            make_folder(path.parent)
            with open(path, "a", encoding="utf-8", newline="\n", opener=private) as file:
                file.write("".join(f"{text}\n" for text in texts))


def _complete_lines(path: Path) -> list[str]:
    """Return the lines of a file; a truncated last one is cut off, so that it can be written whole."""
    try:
        with open(path, "rb", opener=private) as read:
            whole = read.read()
        end = whole.rfind(b"\n") + 1
        if end < len(whole):
            with path.open("r+b") as file:
                file.truncate(end)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"the log {path} cannot be read: {error.strerror or error}", "see to its folder") from error
    return whole[:end].decode("utf-8", "replace").split("\n")


def _net(price: Decimal | None, order: Order) -> Json:
    """Return a wire price as received to open or paid to close, per share of one structure.

    On the wire an order of one leg has the price of one contract, however many the structure has of them.
    """
    if price is None:
        return None
    whole = price if order.is_combo else price * order.legs[0].price_multiplier
    paid = whole if order.side is Side.BUY else -whole
    return float(-paid if order.purpose is Purpose.ENTRY else paid)


def _order_line(order: Order, filled: int, record: Record) -> dict[str, Json]:
    """Return the ORDER line for the unfilled rest of an order."""
    expiries = {leg.option.expiry.isoformat() for leg in order.legs if not leg.option.is_share}
    price = order.limit_price if order.limit_price is not None else order.stop_price
    return {
        "event": "ORDER",
        "order_id": order.order_id,
        "action": "open" if order.purpose is Purpose.ENTRY else "roll" if order.opens_position else "close",
        "expiry": expiries.pop() if len(expiries) == 1 else None,
        **_strikes(order),
        "limit_price": _net(price, order),
        "qty": order.quantity - filled,
        "reason": order.reason,
        "ts": utc_text(record.at),
    }


def _strikes(order: Order) -> dict[str, Json]:
    """Return the strikes by what the position holds, of a roll the one it closes; null where it has no such leg."""
    found: dict[str, Json] = dict.fromkeys(("short_put", "long_put", "short_call", "long_call"))
    for leg in order.legs:
        if leg.option.is_share or leg.opens:
            continue
        is_bought = order.side_of(leg) is Side.BUY
        held = "long" if is_bought is (order.purpose is Purpose.ENTRY) else "short"
        name = f"{held}_{'put' if leg.option.right is Right.PUT else 'call'}"
        if found[name] is None:
            found[name] = float(leg.option.strike)
    return found


def _fill_line(traded: _Traded, part: _Part) -> dict[str, Json]:
    order = traded.order
    return {
        "event": "FILL",
        "order_id": order.order_id,
        "fill_price": _net(part.average, order),
        "qty": part.quantity,
        "commission": float(traded.commission(part)) if traded.is_known(part) else None,
        "ts": utc_text(part.at or order.changed_at),
    }


def _settled(record: Record) -> Iterator[Line]:
    """Yield the lines of contracts that left by expiry; none while the price of their shares is not known."""
    data: Any = record.data
    count = int(data["quantity"]) or int(data.get("contracts") or 0)
    if "multiplier" not in data or data.get("shares_profit") is None or not count:
        return
    per_point = count * int(data["multiplier"])
    cash = data["sign"] * per_point * Decimal(data["price"]) + Decimal(data["shares_profit"])
    quantity = Decimal(per_point) / LOT
    reported: dict[str, Json] = {
        "order_id": -zlib.crc32(f"{record.position} {data['leg']} {utc_text(record.at)}".encode()),
        "qty": int(quantity) if quantity == int(quantity) else float(quantity),
        "ts": utc_text(record.at),
    }
    price = float(-cash / per_point) or 0.0
    strikes: dict[str, Json] = dict.fromkeys(("short_put", "long_put", "short_call", "long_call"))
    if data["right"]:
        strikes[f"{'long' if data['sign'] > 0 else 'short'}_{data['right']}"] = float(data["strike"])
    asked = {"event": "ORDER", "action": "close", "expiry": data["expiry"], **strikes, "limit_price": price}
    yield Line(record.bot, TRADES, json_text({**asked, "reason": data["how"], **reported}))
    yield Line(record.bot, TRADES, json_text({"event": "FILL", "fill_price": price, "commission": 0.0, **reported}))


def _risk_line(record: Record, what: str, reason: str) -> Line:
    data: dict[str, Json] = {
        "event": "RISK",
        "type": what,
        "reason": " ".join(reason.split()),
        "ts": utc_text(record.at),
    }
    return Line(record.bot, RISKS, json_text(data))


# --- A store as files that any other program reads

_CENTS = -2


def export_sheets(path: Place, folder: Path, views: Sequence[str], form: str) -> Iterator[tuple[Path, int]]:
    """Write views of a store and the accountant's sheets into a folder, one file each; yield each file and its rows.

    All show one instant. form: csv, json or parquet. A file of the same name is replaced once the new one is whole.
    Raises: StoreError.
    """
    if form == "parquet":
        check_installed()
    with StoreReader(path) as reader:
        deals, found = reader.deals(views)
    sheets = (*(sheet_of_view(name, *found[name]) for name in views), *finance_sheets(deals))
    for sheet in sheets:
        target = folder / f"{sheet.name}.{form}"
        try:
            _write(sheet, target, form)
        except OSError as error:
            raise StoreError(
                f"{target} cannot be written: {error.strerror}", "name another folder with --to"
            ) from error
        yield target, len(sheet.rows)


def _write(sheet: Sheet, target: Path, form: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f"{target.name}.new")
    try:
        {"csv": _write_csv, "json": _write_json, "parquet": write_parquet}[form](sheet, fresh)
        fresh.replace(target)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def _write_csv(sheet: Sheet, target: Path) -> None:
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(column.name for column in sheet.columns)
        writer.writerows(map(as_text, row) for row in _plain(sheet))


def _write_json(sheet: Sheet, target: Path) -> None:
    names = [column.name for column in sheet.columns]
    with target.open("w", encoding="utf-8") as file:
        json.dump([dict(zip(names, row, strict=True)) for row in _plain(sheet)], file, indent=2, allow_nan=False)
        file.write("\n")


def _plain(sheet: Sheet) -> Iterator[tuple[Any, ...]]:
    """Yield rows of texts and numbers."""
    holds = [column.holds for column in sheet.columns]
    for row in sheet.rows:
        yield tuple(_cell(value, held) for value, held in zip(row, holds, strict=True))


def _cell(value: Any, holds: Holds) -> Any:
    if isinstance(value, Decimal):
        return exact(value)
    if isinstance(value, datetime):
        return _instant(value, holds)
    return value.isoformat() if isinstance(value, date) else value


def exact(amount: Decimal) -> str:
    """Return an amount with all its digits and at least cents: 1.05, 1.0534; nothing has no sign."""
    amount = amount or ZERO
    plain = amount.normalize()
    exponent = plain.as_tuple().exponent
    return f"{plain:f}" if isinstance(exponent, int) and exponent <= _CENTS else f"{amount:.2f}"


def _instant(value: datetime, holds: Holds) -> str:
    """Return `2026-11-18 09:52:00` in New York, as in the views, or `2026-11-18T14:52:00Z`."""
    if holds is Holds.UTC:
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return f"{value.astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M:%S}"
