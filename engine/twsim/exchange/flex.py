"""The ledger as the broker's statement: an Activity Flex Query in XML, as Interactive Brokers sends it.

Written from the broker's own rows alone, so that a comparison with an engine's store is between two independent
accounts. Attributes are those of the sections Trades (executions) and Option Exercises, Assignments and Expirations; a
corrected trade is there as it was, cancelled, and again with the difference of the commission. Source: IBKR Reporting
Reference, Activity Flex Query; files as people publish them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from xml.sax.saxutils import quoteattr

from twsim.exchange.ledger import DELIVERY, Row, latest_run, money_of
from twsim.nouns import ZERO
from twsim.sessions import EXCHANGE_ZONE

_OCC_LENGTH = 21
_UNDERLYINGS = {"SPXW": "SPX", "NDXP": "NDX", "RUTW": "RUT", "VIXW": "VIX"}
_SHARE = "STK"
_NOTES = {"Assignment": "A", "Exercise": "Ex", "Expiration": "Ep"}
_ENDS = {"expired": "Expiration", "exercised": "Exercise", "assigned": "Assignment", "assigned early": "Assignment"}

Attributes = dict[str, object]


@dataclass(slots=True)
class _Trade:
    """An execution of a contract with the cash that its rows moved."""

    row: Row
    trade_id: int
    proceeds: Decimal = ZERO
    commission: Decimal = ZERO
    corrects: "_Trade | None" = None

    @property
    def signed(self) -> Decimal:
        return money_of(self.row, "quantity") * (1 if self.row["side"] == "BOT" else -1)


@dataclass(slots=True)
class _Pages:
    """What was read so far: lines of both sections, trades in order, and the last one of each contract."""

    account: str = ""
    days: list[str] = field(default_factory=list)
    trades: list[_Trade] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)
    booked: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    settled: dict[str, Decimal] = field(default_factory=dict)
    option: Row = field(default_factory=dict)


def flex_statement(rows: Iterable[Row]) -> str:
    """Return the statement of the last run in the rows."""
    pages = _Pages()
    for row in latest_run(rows):
        pages.days.append(f"{_new_york(row):%Y%m%d}")
        if row["kind"] == "start":
            pages.account = str(row["account"])
        handler = _HANDLERS.get(str(row["kind"]))
        if handler is not None:
            handler(pages, row)
    traded = [line for trade in pages.trades for line in _of_trade(pages, trade)]
    first, last = min(pages.days, default=""), max(pages.days, default="")
    head: Attributes = {
        "accountId": pages.account,
        "fromDate": first,
        "toDate": last,
        "period": "",
        "whenGenerated": f"{last};235959",
    }
    return "\n".join(
        (
            '<FlexQueryResponse queryName="simulated" type="AF">',
            '<FlexStatements count="1">',
            f"<FlexStatement{_attributes(head)}>",
            "<Trades>",
            *traded,
            *pages.booked,
            *pages.orders,
            "</Trades>",
            "<OptionEAE>",
            *pages.ended,
            "</OptionEAE>",
            "</FlexStatement>",
            "</FlexStatements>",
            "</FlexQueryResponse>",
            "",
        )
    )


def _execution(pages: _Pages, row: Row) -> None:
    if not row["con_id"]:
        pages.orders.append(_line("Order", _order(pages, row)))
        return
    base = _base(row)
    old = next((trade for trade in reversed(pages.trades) if _base(trade.row) == base), None)
    if old is None:
        pages.trades.append(_Trade(row, len(pages.trades) + 1))
    else:
        pages.trades.append(_Trade(row, old.trade_id, proceeds=old.proceeds, corrects=old))


def _cash(pages: _Pages, row: Row) -> None:
    amount, con_id = money_of(row, "amount"), row["con_id"]
    if row["reason"] == "settlement":
        pages.settled[str(con_id)] = amount
    elif row["reason"] == DELIVERY:
        _delivered(pages, row)
    else:
        trade = [each for each in pages.trades if each.row["con_id"] == con_id][-1]
        if row["reason"] == "trade":
            trade.proceeds += amount
        else:
            trade.commission -= amount


def _settlement(pages: _Pages, row: Row) -> None:
    outcome, change = str(row["outcome"]), money_of(row, "quantity")
    if outcome == DELIVERY:
        return
    pages.option = row
    is_cash = outcome == "cash"
    kind = ("Assignment" if change > 0 else "Exercise") if is_cash else _ENDS[outcome]
    _ended(pages, row, kind, change, ZERO, ZERO)
    if is_cash:
        cash = pages.settled.pop(str(row["con_id"]))
        event = _event(pages, row, "Cash Settlement", ZERO, ZERO, cash)
        pages.ended.append(_line("OptionEAE", event))


def _delivered(pages: _Pages, cash: Row) -> None:
    """Write the shares that came or went for the option that has just ended, at its strike."""
    strike = _strike(pages.option)
    shares = -money_of(cash, "amount") / strike
    symbol = _underlying(str(pages.option["name"]))
    row: Row = {"at": cash["at"], "con_id": cash["con_id"], "name": symbol}
    _ended(pages, row, "Buy" if shares > 0 else "Sell", shares, strike, money_of(cash, "amount"))


def _ended(pages: _Pages, row: Row, kind: str, change: Decimal, price: Decimal, cash: Decimal) -> None:
    """Write both lines of what the broker books itself: in its own section, and among the trades."""
    pages.ended.append(_line("OptionEAE", _event(pages, row, kind, change, price, cash)))
    notes = _NOTES.get(kind) or ("A" if _NOTES[_kind_of(pages.option)] == "A" else "Ex")
    booked = {
        **_contract(pages, row),
        **_when(row),
        "transactionType": "BookTrade",
        "quantity": change,
        "tradePrice": price,
        "proceeds": cash,
        "ibCommission": ZERO,
        "netCash": cash,
        "notes": notes,
        "buySell": "BUY" if change > 0 else "SELL",
        "ibExecID": "",
        "orderReference": "",
        "levelOfDetail": "EXECUTION",
    }
    pages.booked.append(_line("Trade", booked))


def _kind_of(option: Row) -> str:
    change = money_of(option, "quantity")
    return _ENDS.get(str(option["outcome"])) or ("Assignment" if change > 0 else "Exercise")


def _event(pages: _Pages, row: Row, kind: str, change: Decimal, price: Decimal, cash: Decimal) -> Attributes:
    return {
        **_contract(pages, row),
        "date": f"{_new_york(row):%Y%m%d}",
        "transactionType": kind,
        "quantity": change,
        "tradePrice": price,
        "proceeds": cash,
        "commisionsAndTax": ZERO,
    }


def _of_trade(pages: _Pages, trade: _Trade) -> list[str]:
    """Return the lines of a trade; of a corrected one first the cancel of what it was."""
    lines = []
    if trade.corrects is not None:
        old = trade.corrects
        side = f"{_side(old)} (Ca.)"
        back = _trade(pages, old, -old.signed, -old.proceeds, ZERO, kind="TradeCancel", side=side)
        lines.append(
            _line("Trade", {**back, "tradeID": "", "ibExecID": "", "origTradeID": old.trade_id, "notes": "Ca"})
        )
    if trade.signed:
        shown = _trade(
            pages, trade, trade.signed, trade.proceeds, -trade.commission, kind="ExchTrade", side=_side(trade)
        )
        lines.append(_line("Trade", shown))
    return lines


def _trade(
    pages: _Pages, trade: _Trade, signed: Decimal, proceeds: Decimal, commission: Decimal, *, kind: str, side: str
) -> Attributes:
    row = trade.row
    return {
        **_contract(pages, row),
        "tradeID": trade.trade_id,
        **_when(row),
        "transactionType": kind,
        "quantity": signed,
        "tradePrice": money_of(row, "price"),
        "proceeds": proceeds,
        "ibCommission": commission,
        "ibCommissionCurrency": "USD",
        "netCash": proceeds + commission,
        "notes": "",
        "buySell": side,
        "ibOrderID": row["perm_id"],
        "ibExecID": row["exec_id"],
        "orderReference": row["order_ref"],
        "levelOfDetail": "EXECUTION",
    }


def _side(trade: _Trade) -> str:
    return "BUY" if trade.row["side"] == "BOT" else "SELL"


def _order(pages: _Pages, row: Row) -> Attributes:
    return {
        "accountId": pages.account,
        "assetCategory": "BAG",
        "symbol": row["name"],
        **_when(row),
        "quantity": money_of(row, "quantity"),
        "tradePrice": money_of(row, "price"),
        "buySell": "BUY" if row["side"] == "BOT" else "SELL",
        "ibOrderID": row["perm_id"],
        "orderReference": row["order_ref"],
        "levelOfDetail": "ORDER",
    }


def _contract(pages: _Pages, row: Row) -> Attributes:
    name = str(row["name"])
    known: Attributes = {"accountId": pages.account, "currency": "USD", "conid": row["con_id"], "symbol": name}
    if len(name) != _OCC_LENGTH:
        return known | {"assetCategory": _SHARE, "multiplier": 1, "strike": "", "expiry": "", "putCall": ""}
    more = {
        "underlyingSymbol": _underlying(name),
        "multiplier": 100,
        "strike": _strike(row),
        "expiry": f"20{name[6:12]}",
    }
    return known | {"assetCategory": "OPT"} | more | {"putCall": name[12]}


def _strike(row: Row) -> Decimal:
    return Decimal(str(row["name"])[13:]).scaleb(-3).normalize()


def _underlying(name: str) -> str:
    root = name[:6].strip()
    return _UNDERLYINGS.get(root, root)


def _when(row: Row) -> Attributes:
    at = _new_york(row)
    return {"dateTime": f"{at:%Y%m%d;%H%M%S}", "tradeDate": f"{at:%Y%m%d}"}


def _new_york(row: Row) -> datetime:
    return datetime.fromisoformat(str(row["at"])).astimezone(EXCHANGE_ZONE)


def _base(row: Row) -> str:
    return str(row["exec_id"]).rpartition(".")[0]


def _line(element: str, attributes: Attributes) -> str:
    return f"<{element}{_attributes(attributes)} />"


def _attributes(attributes: Attributes) -> str:
    return "".join(f" {name}={quoteattr(_text(value))}" for name, value in attributes.items())


def _text(value: object) -> str:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


_HANDLERS = {"execution": _execution, "cash": _cash, "settlement": _settlement}
