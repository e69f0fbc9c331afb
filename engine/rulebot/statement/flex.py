"""An Activity Flex Query of Interactive Brokers, in XML, to a `Statement`.

It reads: in the section Trades its executions, cancels and corrections (the broker's own bookings, `BookTrade`, are
repeated in the next section); Option Exercises, Assignments and Expirations; and, where the query omits IB Commission,
the section Commission Details. A corrected trade is there three times: original, cancel and correction, with
commissions that sum up. Source: IBKR Reporting Reference, Activity Flex Query: Trades, Option Exercises; files as
people publish them.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass as mutable
from dataclasses import field, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl, Locator

from defusedxml import DefusedXmlException, sax

from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.money import ZERO
from rulebot.model.text import printable
from rulebot.model.values import dataclass
from rulebot.record.books import base_of

# --- The nouns of a statement of the broker


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A contract as the statement names it; `con_id` is 0 when it does not say."""

    con_id: int
    symbol: str
    category: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementExecution:
    """One execution after its cancels and corrections; dollars with the broker's sign (+ received).

    commission: paid, positive. net_cash: None when the file has no such column. times: its occurrences in the file.
    """

    exec_id: str
    order_id: int
    ref: str
    contract: Contract
    day: date
    signed: Decimal
    price: Decimal
    proceeds: Decimal
    commission: Decimal
    net_cash: Decimal | None = None
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementEvent:
    """An exercise, assignment, expiration, or the cash or shares of one. `signed` is how the holding changes."""

    contract: Contract
    kind: str
    day: date
    signed: Decimal
    price: Decimal
    proceeds: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a file says of one account. periods: first and last days, one for each part of the file.

    orphans: cancels of trades that are not in it. has_events: whether it has the section of exercises, assignments and
    expirations. others: accounts in the same file.
    """

    account: str
    periods: tuple[tuple[date, date], ...]
    trades: tuple[StatementExecution, ...]
    orphans: tuple[StatementExecution, ...]
    events: tuple[StatementEvent, ...]
    has_events: bool
    others: tuple[str, ...] = ()

    def covers(self, day: date) -> bool:
        """Say whether a day is in the file."""
        return any(first <= day <= last for first, last in self.periods)


# --- XML of a stranger, read safely

MOST_BYTES = 64 * 1024 * 1024
MOST_DEPTH = 32

Begin = Callable[[int, str, Mapping[str, str], int], None]
"""Callback with an element's depth, name, attributes and line."""


class _Elements(ContentHandler):
    """Calls `begin` for each element, as the parser reaches it."""

    def __init__(self, path: Path, begin: Begin) -> None:
        super().__init__()
        self._path, self._begin = path, begin
        self._depth = 0
        self._locator: Locator | None = None

    def setDocumentLocator(self, locator: Locator) -> None:
        self._locator = locator

    @property
    def line(self) -> int:
        """The parser's present line."""
        return 0 if self._locator is None else self._locator.getLineNumber() or 0

    def startElement(self, name: str, attrs: AttributesImpl) -> None:
        if self._depth >= MOST_DEPTH:
            raise MisuseError(f"{self._path}:{self.line}: elements are nested deeper than {MOST_DEPTH}")
        self._begin(self._depth, name, dict(attrs.items()), self.line)
        self._depth += 1

    def endElement(self, name: str) -> None:
        self._depth -= 1


def read_elements(path: Path, begin: Begin) -> None:
    """Call `begin` for each element of a file, in order. Raises: MisuseError for what is no such XML; StoreError."""
    elements = _Elements(path, begin)
    try:
        sax.parseString(_bytes(path), elements, forbid_dtd=True)
    except DefusedXmlException as error:
        line = f"{path}:{elements.line}"
        raise MisuseError(f"{line}: it declares a document type, which a statement has not") from error
    except SAXParseException as error:
        raise MisuseError(f"{path}:{error.getLineNumber()}: this is no XML: {error.getMessage()}") from error
    except (LookupError, UnicodeError, ValueError) as error:
        raise MisuseError(f"{path}: its encoding cannot be read") from error


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error
    if len(text) > MOST_BYTES:
        raise MisuseError(f"{path} is larger than {MOST_BYTES // 1024 // 1024} MB", "ask for fewer days in one file")
    return text


# --- An Activity Flex Query of Interactive Brokers, in XML, to a `Statement`

Attributes = Mapping[str, str]

TRADE_FIELDS = {
    "ibExecID": "IB Execution ID",
    "orderReference": "Order Reference",
    "conid": "Conid",
    "symbol": "Symbol",
    "tradeDate": "Trade Date",
    "quantity": "Quantity",
    "tradePrice": "TradePrice",
    "proceeds": "Proceeds",
    "transactionType": "Transaction Type",
    "tradeID": "Trade ID",
}
EVENT_FIELDS = {
    "transactionType": "Transaction Type",
    "conid": "Conid",
    "symbol": "Symbol",
    "date": "Date",
    "assetCategory": "Asset Class",
    "quantity": "Quantity",
    "tradePrice": "Trade Price",
    "proceeds": "Proceeds",
}
_COMMISSION = "IB Commission"
_CANCEL, _BOOKED = "TradeCancel", "BookTrade"
_DATE = re.compile(r"(\d{4})(-?)(\d\d)\2(\d\d)", re.ASCII)
_GROUPED = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d*)?", re.ASCII)
"""A number with its thousands parted; any other comma is a decimal one, which no statement has."""
_LONGEST_NUMBER = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A line of the section Trades. commission: None when the query leaves it out; as signed there."""

    reported: StatementExecution
    commission: Decimal | None
    trade_id: str
    cancels: str
    """The trade id that it cancels, "" for none."""


@mutable(slots=True)
class _Found:
    """What was read of one account."""

    periods: list[tuple[date, date]] = field(default_factory=list)
    lines: list[_Line] = field(default_factory=list)
    events: list[StatementEvent] = field(default_factory=list)
    details: dict[str, Decimal] = field(default_factory=dict)
    has_trades: bool = False
    has_events: bool = False


def read_flex(path: Path, accounts: Iterable[str]) -> Statement:
    """Return a file's statement of the one account of `accounts` that is in it.

    Raises: MisuseError when it is no such file, lacks required parts, or is of other accounts.
    """
    reader = _Reader(path)
    read_elements(path, reader.begin)
    if not reader.found:
        raise MisuseError(f"{path} has no statement in it", "export an Activity Flex Query as XML")
    known = sorted(set(accounts) & reader.found.keys())
    if not known:
        ours, theirs = ", ".join(sorted(set(accounts))) or "not known", printable(", ".join(sorted(reader.found)))
        raise MisuseError(f"{path} has the account {theirs}; the store has {ours}")
    if len(known) > 1:
        raise MisuseError(f"{path} has {' and '.join(known)}, both of this store", "export one account in a file")
    return reader.statement(known[0])


class _Reader:
    """Takes the elements of one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[str, _Found] = {}
        self._now = _Found()
        self._line = 0

    def begin(self, depth: int, name: str, attributes: Attributes, line: int) -> None:
        """Take an element."""
        self._line = line
        if not depth:
            self._root(name, attributes)
        elif name == "FlexStatement":
            self._statement(attributes)
        elif name == "Trades":
            self._now.has_trades = True
        elif name == "OptionEAE":
            self._now.has_events = True
            if attributes:
                self._now.events.append(self._event(attributes))
        elif name == "Trade" and attributes.get("levelOfDetail", "EXECUTION") == "EXECUTION":
            if attributes.get("transactionType") != _BOOKED:
                self._now.lines.append(self._trade(attributes))
        elif name == "UnbundledCommissionDetail":
            paid = self._number(attributes, "totalCommission")
            id = attributes.get("tradeID", "")
            self._now.details[id] = self._now.details.get(id, ZERO) + paid

    def _root(self, name: str, attributes: Attributes) -> None:
        if name != "FlexQueryResponse":
            raise self._error(f"this is no Flex statement: it begins with <{name}>")
        if attributes.get("type", "AF") != "AF":
            raise self._error(f"this is no Activity Flex Query: its type is {attributes['type']}, AF is read")

    def _statement(self, attributes: Attributes) -> None:
        self._need(attributes, {name: name for name in ("accountId", "fromDate", "toDate")}, "head")
        self._now = self.found.setdefault(attributes["accountId"], _Found())
        first, last = (self._day(attributes, name) for name in ("fromDate", "toDate"))
        if last < first:
            raise self._error(f"the statement ends on {last}, before it begins on {first}", "export it again")
        self._now.periods.append((first, last))

    def _trade(self, attributes: Attributes) -> _Line:
        self._need(attributes, TRADE_FIELDS, "Trades")
        is_cancel = attributes["transactionType"] == _CANCEL
        has_net = bool(attributes.get("netCash"))
        reported = StatementExecution(
            exec_id=attributes["ibExecID"],
            order_id=self._whole(attributes, "ibOrderID"),
            ref=attributes["orderReference"],
            contract=self._contract(attributes),
            day=self._day(attributes, "tradeDate"),
            signed=self._number(attributes, "quantity"),
            price=self._number(attributes, "tradePrice"),
            proceeds=self._number(attributes, "proceeds"),
            commission=ZERO,
            net_cash=self._number(attributes, "netCash") if has_net else None,
        )
        paid = self._number(attributes, "ibCommission") if attributes.get("ibCommission") else None
        cancels = attributes.get("origTradeID", "") if is_cancel else ""
        if is_cancel and not cancels:
            raise self._error("a cancelled trade does not say which", "add Orig Trade ID to the section Trades")
        return _Line(reported=reported, commission=paid, trade_id=attributes["tradeID"], cancels=cancels)

    def _event(self, attributes: Attributes) -> StatementEvent:
        self._need(attributes, EVENT_FIELDS, "Option Exercises, Assignments and Expirations")
        return StatementEvent(
            contract=self._contract(attributes),
            kind=attributes["transactionType"],
            day=self._day(attributes, "date"),
            signed=self._number(attributes, "quantity"),
            price=self._number(attributes, "tradePrice"),
            proceeds=self._number(attributes, "proceeds"),
        )

    def _contract(self, attributes: Attributes) -> Contract:
        category = attributes.get("assetCategory", "")
        return Contract(con_id=self._whole(attributes, "conid"), symbol=attributes["symbol"], category=category)

    def _need(self, attributes: Attributes, fields: Mapping[str, str], section: str) -> None:
        missing = [words for name, words in fields.items() if name not in attributes]
        if missing:
            raise self._error(f"{section}: it has no {', '.join(missing)}", "add the field to the query")

    def _number(self, attributes: Attributes, name: str) -> Decimal:
        text = attributes.get(name, "")
        plain = text.replace(",", "") if _GROUPED.fullmatch(text) else text
        try:
            found = Decimal(plain) if len(plain) <= _LONGEST_NUMBER else Decimal("nan")
        except InvalidOperation:
            found = Decimal("nan")
        if not found.is_finite():
            raise self._error(f"{name} is a number, is '{text[:_LONGEST_NUMBER]}'")
        return found

    def _whole(self, attributes: Attributes, name: str) -> int:
        text = attributes.get(name, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < _LONGEST_NUMBER else 0

    def _day(self, attributes: Attributes, name: str) -> date:
        text = attributes[name]
        parts = _DATE.match(text)
        try:
            if parts is not None:
                return date(int(parts[1]), int(parts[3]), int(parts[4]))
        except ValueError:
            pass
        raise self._error(f"{name} is a date as 20261118, is '{text}'", "choose yyyyMMdd as the query's date format")

    def _error(self, text: str, help: str | None = None) -> MisuseError:
        return MisuseError(f"{self.path}:{self._line}: {printable(text)}", help)

    def statement(self, account: str) -> Statement:
        """Return what was read of an account."""
        found = self.found[account]
        if not found.has_trades:
            raise MisuseError(f"{self.path} has no section Trades", "add it to the query, with executions")
        trades, orphans = self._folded(found)
        return Statement(
            account=account,
            periods=tuple(found.periods),
            trades=tuple(trades),
            orphans=tuple(orphans),
            events=tuple(found.events),
            has_events=found.has_events,
            others=tuple(sorted(self.found.keys() - {account})),
        )

    def _folded(self, found: _Found) -> tuple[list[StatementExecution], list[StatementExecution]]:
        """Return each execution once, after corrections, and cancels of executions that are not in the file."""
        groups: dict[str, list[_Line]] = {}
        by_trade: dict[str, str] = {}
        for number, line in enumerate(found.lines):
            if not line.cancels:
                base = base_of(line.reported.exec_id) or f"line {number}"
                groups.setdefault(base, []).append(self._paid(line, found.details))
                by_trade[line.trade_id] = base
        cancels: dict[str, list[_Line]] = {}
        orphans = []
        for line in found.lines:
            if line.cancels in by_trade:
                cancels.setdefault(by_trade[line.cancels], []).append(line)
            elif line.cancels:
                orphans.append(line.reported)
        return [_standing(lines, cancels.get(base, ())) for base, lines in groups.items()], orphans

    def _paid(self, line: _Line, details: Mapping[str, Decimal]) -> _Line:
        """Return a line with its commission, from wherever the query has it."""
        found = details.get(line.trade_id) if line.commission is None else line.commission
        if found is None:
            raise MisuseError(
                f"{self.path}: {printable(line.reported.exec_id)} has no {_COMMISSION}",
                "add the field to the section Trades",
            )
        return replace(line, commission=found)


def _standing(lines: list[_Line], cancels: Iterable[_Line]) -> StatementExecution:
    """Return the execution behind several lines of one id: the newest that is not cancelled."""
    by_id: dict[str, list[_Line]] = {}
    for line in lines:
        by_id.setdefault(line.reported.exec_id, []).append(line)
    distinct = [by_id[id][0] for id in sorted(by_id)]
    back = list(cancels)
    left = list(_not_taken_back(distinct, back))
    newest = (left or distinct)[-1].reported
    gone = not left
    commission = -sum((line.commission or ZERO for line in (*distinct, *back)), ZERO)
    return replace(
        newest,
        signed=ZERO if gone else newest.signed,
        proceeds=ZERO if gone else newest.proceeds,
        commission=commission,
        net_cash=newest.net_cash if len(distinct) == 1 and not back else None,
        times=max(len(each) for each in by_id.values()),
    )


def _not_taken_back(lines: Iterable[_Line], cancels: Iterable[_Line]) -> Iterator[_Line]:
    back = [(-line.reported.signed, line.reported.price) for line in cancels]
    for line in lines:
        terms = (line.reported.signed, line.reported.price)
        if terms in back:
            back.remove(terms)
        else:
            yield line
