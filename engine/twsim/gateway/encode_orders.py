"""openOrder, completedOrder, orderStatus, execDetails and commissionReport, field by field for each version.

A field the client left unset is printed as the real server prints its default; anything else comes back as it came.
"""

from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache

from twsim.gateway.parse import COMBO_CON_ID, DELTA_NEUTRAL, JOIN, PEG_BENCH, SCALE
from twsim.gateway.wire import (
    UNSET_DOUBLE,
    UNSET_INT,
    UNSET_LONG,
    Session,
    Value,
    exchange_time,
    field_names,
    is_unset,
    joined,
    symbol_out,
)
from twsim.nouns import Instrument
from twsim.seams import Commissioned, Execution, Margin, OrderView, Ticket, reported_id

M = UNSET_DOUBLE
DEFAULTS = {
    "outsideRth": "0",
    "hidden": "0",
    "discretionaryAmt": "0",
    "origin": "0",
    "shortSaleSlot": "0",
    "exemptCode": "-1",
    "auctionStrategy": "0",
    "displaySize": UNSET_INT,
    "blockOrder": "0",
    "sweepToFill": "0",
    "allOrNone": "0",
    "eTradeOnly": "0",
    "firmQuoteOnly": "0",
    "triggerMethod": "0",
    "volatilityType": "0",
    "deltaNeutralOrderType": "None",
    "dnConId": "0",
    "dnOpenClose": "?",
    "dnShortSale": "0",
    "dnShortSaleSlot": "0",
    "continuousUpdate": "0",
    "referencePriceType": "0",
    "scaleInitLevelSize": UNSET_INT,
    "scaleSubsLevelSize": UNSET_INT,
    "optOutSmartRouting": "0",
    "clearingIntent": "IB",
    "notHeld": "0",
    "solicited": "0",
    "randomizeSize": "0",
    "randomizePrice": "0",
    "adjustedOrderType": "None",
    "triggerPrice": M,
    "lmtPriceOffset": M,
    "adjustedStopPrice": M,
    "adjustedStopLimitPrice": M,
    "adjustedTrailingAmount": M,
    "adjustableTrailingUnit": "0",
    "cashQty": "0",
    "dontUseAutoPriceForHedge": "0",
    "isOmsContainer": "0",
    "discretionaryUpToLimitPrice": "0",
    "usePriceMgmtAlgo": "0",
    "autoCancelParent": "0",
    "minCompeteSize": "100",
    "competeAgainstBestOffset": "0.02",
}
_DETAIL = field_names(
    """
    modelCode goodTillDate rule80A percentOffset settlingFirm shortSaleSlot designatedLocation
    exemptCode
    """
)
_DETAIL_OPEN = field_names(
    """
    auctionStrategy startingPrice stockRefPrice delta stockRangeLower stockRangeUpper displaySize
    blockOrder sweepToFill allOrNone minQty
    """
)
_DONE_HEAD = field_names("outsideRth hidden discretionaryAmt goodAfterTime faGroup faMethod faPercentage")
_DETAIL_DONE = field_names(
    """
    startingPrice stockRefPrice delta stockRangeLower stockRangeUpper displaySize sweepToFill allOrNone
    minQty
    """
)
_VOLATILITY = ["triggerMethod", "volatility", "volatilityType"]
_TRAIL = field_names("continuousUpdate referencePriceType trailStopPrice trailingPercent")
_ADJUSTED = field_names(
    """
    adjustedStopPrice adjustedStopLimitPrice adjustedTrailingAmount adjustableTrailingUnit tierName
    tierValue
    """
)
_AUTOMATIC = field_names(
    """
    cashQty dontUseAutoPriceForHedge isOmsContainer discretionaryUpToLimitPrice usePriceMgmtAlgo
    """
)
_PEG = field_names("minTradeQty minCompeteSize competeAgainstBestOffset midOffsetAtWhole midOffsetAtHalf")
_DN_DONE = ("dnConId", "dnShortSale", "dnShortSaleSlot", "dnDesignatedLocation")


def day(found: Instrument) -> str:
    """Print the last trade date of an instrument, empty without one."""
    return f"{found.last_trade_date:%Y%m%d}" if found.last_trade_date else ""


def strike(value: float) -> str:
    """Print a strike: whole ones without a point, as the server does."""
    return str(int(value)) if value == int(value) else repr(value)


def combo_row(symbol: str, exchange: str) -> list[Value]:
    """Return the eleven contract fields of a combo."""
    name = symbol_out(symbol)
    return [COMBO_CON_ID, name, "BAG", "", "0", "?", "", exchange, "USD", name, "COMB"]


def contract_row(found: Instrument, exchange: str, right: str = "?") -> list[Value]:
    """Return conId to tradingClass, eleven fields; `right` is the placeholder of no right."""
    return [
        found.con_id,
        symbol_out(found.symbol),
        found.sec_type.value,
        day(found),
        strike(found.strike),
        found.right or right,
        found.multiplier if found.is_option else "",
        exchange,
        found.currency,
        found.local_symbol,
        found.trading_class,
    ]


class _Echo:
    """The fields of a ticket as openOrder prints them."""

    def __init__(self, ticket: Ticket) -> None:
        self.kept = ticket.echo

    def one(self, name: str) -> str:
        found = self.kept.get(name, "")
        return DEFAULTS.get(name, "") if is_unset(found) else found

    def run(self, names: Iterable[str]) -> list[Value]:
        return [self.one(name) for name in names]

    def rows(self, name: str) -> list[Value]:
        """Return a count and its rows."""
        count = self.kept.get("n" + name, "0")
        return [count, *self.kept[name].split(JOIN)] if count != "0" else ["0"]

    def flag(self, name: str) -> str:
        return "1" if self.kept.get(name, "") in ("1", "true", "True") else "0"


def _price(value: Decimal | None) -> Value:
    return Decimal(0) if value is None else value


def _order_head(ticket: Ticket, echo: _Echo) -> list[Value]:
    return [
        ticket.action,
        ticket.quantity,
        ticket.order_type,
        _price(ticket.limit_price),
        _price(ticket.aux_price),
        ticket.tif,
        ticket.oca_group,
        ticket.account,
        echo.one("openClose"),
        echo.one("origin"),
        ticket.order_ref,
    ]


def _delta_neutral(echo: _Echo, names: Iterable[str]) -> list[Value]:
    kind = echo.one("deltaNeutralOrderType")
    return [kind, echo.one("deltaNeutralAuxPrice"), *(echo.run(names) if kind else [])]


def _legs_and_scale(echo: _Echo) -> list[Value]:
    out = echo.rows("Legs") + echo.rows("OrderLegs") + echo.rows("Smart")
    out += echo.run(("scaleInitLevelSize", "scaleSubsLevelSize", "scalePriceIncrement"))
    increment = echo.one("scalePriceIncrement")
    if increment and Decimal(increment) > 0:
        out += echo.run(SCALE)
    hedge = echo.one("hedgeType")
    return [*out, hedge, *([echo.one("hedgeParam")] if hedge else [])]


def _algo(echo: _Echo) -> list[Value]:
    out = echo.rows("DeltaNeutral")
    strategy = echo.one("algoStrategy")
    return [*out, strategy, *(echo.rows("Algo") if strategy else [])]


def _bench_and_conditions(ticket: Ticket, echo: _Echo) -> list[Value]:
    bench = echo.run(PEG_BENCH) if ticket.order_type in ("PEG BENCH", "PEGBENCH") else []
    return bench + echo.rows("Conditions")


def legs_description(ticket: Ticket) -> str:
    """Describe the legs as the server does: `conId|ratio` pairs, negative when sold."""
    parts = (f"{leg.con_id}|{leg.ratio if leg.action == 'BUY' else -leg.ratio}" for leg in ticket.legs)
    return ",".join(parts)


def _margins(margin: Margin | None, commission: Decimal | None) -> list[Value]:
    """Return nine margins, then commission, minimum, maximum, currency and warning."""
    if margin is None:
        return [*[M] * 9, commission, "", "", "USD" if commission is not None else "", ""]
    before = (margin.initial_before, margin.maintenance_before, margin.equity_before)
    after = (margin.initial_after, margin.maintenance_after, margin.equity_after)
    change = tuple(b - a for a, b in zip(before, after, strict=True))
    return [
        *(f"{value:.2f}" for value in (*before, *change, *after)),
        margin.commission,
        M,
        M,
        "USD",
        margin.warning,
    ]


def _contract(ticket: Ticket, found: Instrument | None) -> list[Value]:
    exchange = ticket.echo.get("exchange", "SMART")
    return combo_row(ticket.symbol, exchange) if found is None else contract_row(found, exchange)


def open_order(
    version: int,
    ticket: Ticket,
    found: Instrument | None,
    *,
    perm_id: int,
    status: str,
    commission: Decimal | None = None,
    margin: Margin | None = None,
) -> list[Value]:
    """Return the fields of openOrder; `found` is None for a combo."""
    echo = _Echo(ticket)
    out: list[Value] = [5, reported_id(ticket.order_id), *_contract(ticket, found), *_order_head(ticket, echo)]
    out += [ticket.client_id, perm_id, *echo.run(("outsideRth", "hidden", "discretionaryAmt", "goodAfterTime"))]
    shares = f"{perm_id}.0/{ticket.account}/{ticket.quantity:f}" if perm_id else ""
    out += [shares, *echo.run(("faGroup", "faMethod", "faPercentage"))]
    if version < 177:
        out.append(echo.one("faProfile"))
    out += echo.run(_DETAIL) + echo.run(_DETAIL_OPEN) + [ticket.oca_type or 3]
    out += [*echo.run(("eTradeOnly", "firmQuoteOnly", "nbboPriceCap")), ticket.parent_id]
    out += echo.run(_VOLATILITY) + _delta_neutral(echo, DELTA_NEUTRAL)
    out += [*echo.run(_TRAIL), "", "", legs_description(ticket)]
    out += _legs_and_scale(echo)
    out += [echo.one("optOutSmartRouting"), *echo.run(("clearingAccount", "clearingIntent", "notHeld"))]
    out += [*_algo(echo), echo.flag("solicited"), ticket.what_if, status]
    out += [*_margins(margin, commission), echo.flag("randomizeSize"), echo.flag("randomizePrice")]
    out += _bench_and_conditions(ticket, echo)
    return out + _open_order_end(version, echo)


def _open_order_end(version: int, echo: _Echo) -> list[Value]:
    trail = echo.one("trailStopPrice") or M
    out: list[Value] = [echo.one("adjustedOrderType"), echo.one("triggerPrice"), trail, echo.one("lmtPriceOffset")]
    out += [*echo.run(_ADJUSTED), "", *echo.run(_AUTOMATIC)]
    for since, name in ((158, "duration"), (160, "postToAts"), (162, "autoCancelParent")):
        if version >= since:
            out.append(echo.one(name))
    return out + (echo.run(_PEG) if version >= 170 else [])


def completed_order(version: int, view: OrderView, found: Instrument | None) -> list[Value]:
    """Return the fields of completedOrder, which has neither order id nor client id."""
    ticket, echo = view.ticket, _Echo(view.ticket)
    out: list[Value] = [101, *_contract(ticket, found), *_order_head(ticket, echo), view.perm_id]
    out += echo.run(_DONE_HEAD)
    if version < 177:
        out.append(echo.one("faProfile"))
    out += echo.run(_DETAIL) + echo.run(_DETAIL_DONE) + [ticket.oca_type or 3]
    out += echo.run(_VOLATILITY) + _delta_neutral(echo, _DN_DONE)
    out += [*echo.run(_TRAIL), legs_description(ticket)]
    out += _legs_and_scale(echo) + echo.run(("clearingAccount", "clearingIntent", "notHeld"))
    out += [*_algo(echo), echo.flag("solicited"), view.status.value]
    out += [echo.flag("randomizeSize"), echo.flag("randomizePrice"), *_bench_and_conditions(ticket, echo)]
    out += [echo.one("trailStopPrice") or M, echo.one("lmtPriceOffset"), echo.one("cashQty")]
    out += [*echo.run(("dontUseAutoPriceForHedge", "isOmsContainer")), "", view.filled, "0"]
    out += [echo.one("autoCancelParent"), "", "0", "0", UNSET_LONG]
    out += [exchange_time(view.completed_at) if view.completed_at else "", view.completed_status]
    return out + (echo.run(_PEG) if version >= 170 else [])


def send_status(session: Session, view: OrderView) -> None:
    """Send orderStatus."""
    ticket = view.ticket
    session.send(
        3,
        reported_id(ticket.order_id),
        view.status.value,
        view.filled,
        view.remaining,
        number(view.average_price),
        view.perm_id,
        ticket.parent_id,
        number(view.last_price),
        ticket.client_id,
        view.why_held,
        "0",
    )


def number(value: float) -> str:
    """Print an average or last price: whole numbers without a point, nan as 0."""
    if value != value:
        return "0"
    return str(int(value)) if value == int(value) else repr(round(value, 8))


def execution(version: int, req_id: int, done: Execution, found: Instrument | None) -> list[Value]:
    """Return the fields of execDetails; `req_id` is -1 when live. All after it are one value, joined already."""
    return [11, req_id, _reported(done, found, version)]


@lru_cache(maxsize=1024)
def _reported(done: Execution, found: Instrument | None, version: int) -> str:
    """Return what execDetails says of a fill. Kept, since clients ask for those of the day again and again."""
    contract = combo_row(done.symbol, "SMART") if found is None else contract_row(found, "SMART", right="")
    exchange = "SMART" if found is None else found.primary_exchange or found.exchange
    out: list[Value] = [reported_id(done.order_id), *contract, done.exec_id, exchange_time(done.at), done.account]
    out += [exchange, done.side, done.quantity, done.price, done.perm_id, done.client_id]
    out += [1 if done.liquidation else 0, done.cumulative, number(done.average_price), done.order_ref]
    out += ["", "", "", done.liquidity]
    return joined(*out, "0") if version >= 178 else joined(*out)


def send_commission(session: Session, paid: Commissioned) -> None:
    """Send commissionReport; the realized profit of an opening trade is unset."""
    session.send(59, 1, paid.exec_id, paid.commission, "USD", M if paid.realized is None else paid.realized, M, "")
