"""placeOrder, complete: every field of versions 157 to 178 is read and kept under the protocol's name.

What the simulated broker acts on becomes the Ticket; `Ticket.echo` has all raw fields, so openOrder returns them.
Repeated groups are kept in one value, their fields joined by NUL, beside a count.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from twsim.gateway.wire import (
    Fields,
    MalformedError,
    decimal,
    field_names,
    is_unset,
    request_time,
    symbol_in,
    symbol_out,
)
from twsim.nouns import Instrument, dataclass
from twsim.seams import Catalogue, ContractSearch, OrderCondition, Ticket, TicketLeg
from twsim.sessions import exchange_date, is_tabled, session_on

# --- Contracts as clients describe them, and what the catalogue makes of that

COMBO_CON_ID = 28812380
"""The id under which the server names every USD combo on SMART."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractQuery:
    """The twelve contract fields of a request, as sent; blanks are wildcards."""

    con_id: int
    symbol: str
    sec_type: str
    last_trade: str
    strike: float
    right: str
    multiplier: str
    exchange: str
    primary_exchange: str
    currency: str
    local_symbol: str
    trading_class: str

    @property
    def is_combo(self) -> bool:
        """True for BAG."""
        return self.sec_type == "BAG"


def contract_query(fields: Fields) -> ContractQuery:
    """Read the twelve contract fields."""
    return ContractQuery(
        con_id=fields.integer(),
        symbol=symbol_in(fields.text()),
        sec_type=fields.text().strip().upper(),
        last_trade=fields.text().strip().replace("-", "")[:8],
        strike=fields.number() or 0.0,
        right={"CALL": "C", "PUT": "P", "?": "", "0": ""}.get(side := fields.text().strip().upper(), side),
        multiplier=fields.text(),
        exchange=fields.text().strip().upper(),
        primary_exchange=fields.text().strip().upper(),
        currency=fields.text().strip().upper(),
        local_symbol=fields.text().strip(),
        trading_class=fields.text().strip().upper(),
    )


def quote_legs(fields: Fields) -> tuple[TicketLeg, ...]:
    """Read the short combo legs of a market data or history request: a count, then four fields each."""
    return tuple(
        TicketLeg(fields.integer(), fields.integer(), fields.text().upper(), fields.text())
        for _ in range(fields.count())
    )


def matches(catalogue: Catalogue, query: ContractQuery, *, include_expired: bool = False) -> list[Instrument]:
    """Return every listed contract that a query fits, in id order."""
    if query.con_id:
        found = catalogue.by_id(query.con_id)
        return [] if found is None else [found]
    if query.currency not in ("", "USD") or not (query.symbol or query.local_symbol):
        return []
    if query.sec_type not in ("STK", "IND", "OPT", ""):
        return []
    asked = ContractSearch(
        query.symbol,
        query.sec_type,
        query.last_trade,
        query.strike,
        query.right,
        query.trading_class,
        query.local_symbol,
        include_expired,
    )
    return [each for each in catalogue.search(asked) if not each.is_option or _has_multiplier(each, query.multiplier)]


def _has_multiplier(found: Instrument, asked: str) -> bool:
    """Say whether a contract has the multiplier that was asked for; blank and 0 ask for none."""
    try:
        number = float(asked or 0)
    except ValueError:
        return False
    return number in (0, found.multiplier)


def no_contract(found: int, query: ContractQuery) -> str:
    """Say why a query does not name one contract (error 200)."""
    if not found:
        return "No security definition has been found for the request"
    name = symbol_out(query.symbol) or query.local_symbol
    return f"The contract description specified for {name} is ambiguous."


# --- placeOrder, complete

JOIN = "\0"
LEG_FIELDS = 8
DATE_LENGTH = 8
LAST_ORDER_ID = 2**31 - 1
CONDITION_FIELDS = {1: 5, 3: 2, 4: 2, 5: 3, 6: 4, 7: 4}
TIME_CONDITION = 3
OF_CONTRACTS = (1, 6, 7)
"""Conditions by price, volume and percent of change: a value, and a contract."""

_HEAD = field_names(
    """
    action totalQuantity orderType lmtPrice auxPrice tif ocaGroup account openClose origin orderRef
    transmit parentId blockOrder sweepToFill displaySize triggerMethod outsideRth hidden
    """
)
_BODY = field_names("discretionaryAmt goodAfterTime goodTillDate faGroup faMethod faPercentage")
_BODY_2 = field_names(
    """
    modelCode shortSaleSlot designatedLocation exemptCode ocaType rule80A settlingFirm allOrNone minQty
    percentOffset eTradeOnly firmQuoteOnly nbboPriceCap auctionStrategy startingPrice stockRefPrice
    delta stockRangeLower stockRangeUpper overridePercentageConstraints volatility volatilityType
    deltaNeutralOrderType deltaNeutralAuxPrice
    """
)
DELTA_NEUTRAL = field_names(
    """
    dnConId dnSettlingFirm dnClearingAccount dnClearingIntent dnOpenClose dnShortSale dnShortSaleSlot
    dnDesignatedLocation
    """
)
_SCALE_HEAD = field_names(
    """
    continuousUpdate referencePriceType trailStopPrice trailingPercent scaleInitLevelSize
    scaleSubsLevelSize scalePriceIncrement
    """
)
SCALE = field_names(
    """
    scalePriceAdjustValue scalePriceAdjustInterval scaleProfitOffset scaleAutoReset scaleInitPosition
    scaleInitFillQty scaleRandomPercent
    """
)
_SCALE_TAIL = field_names("scaleTable activeStartTime activeStopTime hedgeType")
_CLEARING = field_names("optOutSmartRouting clearingAccount clearingIntent notHeld")
_FLAGS = field_names("algoId whatIf miscOptions solicited randomizeSize randomizePrice")
PEG_BENCH = field_names(
    """
    referenceContractId isPeggedChangeAmountDecrease peggedChangeAmount referenceChangeAmount
    referenceExchangeId
    """
)
_ADJUSTED = field_names(
    """
    adjustedOrderType triggerPrice lmtPriceOffset adjustedStopPrice adjustedStopLimitPrice
    adjustedTrailingAmount adjustableTrailingUnit extOperator tierName tierValue cashQty
    mifid2DecisionMaker mifid2DecisionAlgo mifid2ExecutionTrader mifid2ExecutionAlgo
    dontUseAutoPriceForHedge isOmsContainer discretionaryUpToLimitPrice usePriceMgmtAlgo
    """
)


class _Reader:
    """Reads named runs of fields into `kept`."""

    def __init__(self, fields: Fields, version: int) -> None:
        self.fields = fields
        self.version = version
        self.kept: dict[str, str] = {}

    def named(self, names: Iterable[str]) -> None:
        for name in names:
            self.kept[name] = self.fields.text()

    def group(self, name: str, width: int) -> None:
        """Keep `count` rows of `width` fields under `name`, and the count under `nName`."""
        count = self.fields.count()
        self.kept["n" + name] = str(count)
        self.kept[name] = JOIN.join(self.fields.texts(count * width))

    def is_positive(self, name: str) -> bool:
        found = decimal(self.kept[name])
        return found is not None and found > 0

    def since(self, version: int, *names: str) -> None:
        if self.version >= version:
            self.named(names)


def placed_order(fields: Fields, version: int, client_id: int) -> tuple[Ticket, ContractQuery]:
    """Read placeOrder after its message id. The ticket's con_id is the client's; 0 when it described the contract.

    Raises: MalformedError.
    """
    read = _Reader(fields, version)
    order_id = fields.integer()
    if not 0 <= order_id <= LAST_ORDER_ID:
        raise MalformedError(f"an order id is {order_id}")
    query = contract_query(fields)
    read.named(("secIdType", "secId"))
    read.named(_HEAD)
    if query.is_combo:
        read.group("Legs", LEG_FIELDS)
        read.group("OrderLegs", 1)
        read.group("Smart", 2)
    fields.skip()
    _read_middle(read)
    _read_scale_and_hedge(read)
    _read_algo(read)
    _read_conditions(read)
    _read_tail(read, query)
    read.kept["exchange"] = query.exchange or "SMART"
    return _ticket(read.kept, query, order_id, client_id), query


def _read_middle(read: _Reader) -> None:
    read.named(_BODY)
    if read.version < 177:
        read.named(("faProfile",))
    read.named(_BODY_2)
    if read.kept["deltaNeutralOrderType"]:
        read.named(DELTA_NEUTRAL)


def _read_scale_and_hedge(read: _Reader) -> None:
    read.named(_SCALE_HEAD)
    if read.is_positive("scalePriceIncrement"):
        read.named(SCALE)
    read.named(_SCALE_TAIL)
    if read.kept["hedgeType"]:
        read.named(("hedgeParam",))
    read.named(_CLEARING)
    if read.fields.flag():
        read.kept["nDeltaNeutral"] = "1"
        read.kept["DeltaNeutral"] = JOIN.join(read.fields.texts(3))


def _read_algo(read: _Reader) -> None:
    read.named(("algoStrategy",))
    if read.kept["algoStrategy"]:
        read.group("Algo", 2)
    read.named(_FLAGS)
    if read.kept["orderType"] in ("PEG BENCH", "PEGBENCH"):
        read.named(PEG_BENCH)


def _read_conditions(read: _Reader) -> None:
    count = read.fields.count()
    rows: list[str] = []
    for _ in range(count):
        kind = read.fields.integer()
        if kind not in CONDITION_FIELDS:
            raise MalformedError(f"a condition has the type {kind}")
        rows += [str(kind), *read.fields.texts(1 + CONDITION_FIELDS[kind])]
    if count:
        rows += read.fields.texts(2)
    read.kept["nConditions"] = str(count)
    read.kept["Conditions"] = JOIN.join(rows)


def _read_tail(read: _Reader, query: ContractQuery) -> None:
    read.named(_ADJUSTED)
    read.since(158, "duration")
    read.since(160, "postToAts")
    read.since(162, "autoCancelParent")
    read.since(166, "advancedErrorOverride")
    read.since(169, "manualOrderTime")
    if read.version < 170:
        return
    if query.exchange == "IBKRATS":
        read.named(("minTradeQty",))
    mids = ("midOffsetAtWhole", "midOffsetAtHalf")
    if read.kept["orderType"] == "PEG BEST":
        read.named(("minCompeteSize", "competeAgainstBestOffset"))
        if read.kept["competeAgainstBestOffset"] in ("Infinity", "Infinite"):
            read.named(mids)
    elif read.kept["orderType"] == "PEG MID":
        read.named(mids)


def _pairs(joined: str) -> tuple[tuple[str, str], ...]:
    parts = joined.split(JOIN) if joined else []
    return tuple(zip(parts[::2], parts[1::2], strict=True))


def _legs(joined: str) -> tuple[TicketLeg, ...]:
    parts = joined.split(JOIN) if joined else []
    rows = (parts[at : at + LEG_FIELDS] for at in range(0, len(parts), LEG_FIELDS))
    return tuple(TicketLeg(_whole(row[0]), _whole(row[1]), row[2].upper(), row[3]) for row in rows)


def _whole(field: str) -> int:
    found = decimal(field)
    return 0 if found is None else int(found)


def _flag(field: str) -> bool:
    return field not in ("", "0", "false") and not is_unset(field)


def _time(words: str) -> datetime | None:
    """Read a time of an order, None when there is none; a date alone is its first second."""
    return request_time(words.strip()) if words.strip() else None


def _last_time(words: str) -> datetime | None:
    """Read until when an order is good; a date alone is the close of its session, or its last second without one."""
    words = words.strip()
    if len(words) != DATE_LENGTH:
        return _time(words)
    last = request_time(f"{words} 23:59:59")
    day = exchange_date(last)
    session = session_on(day) if is_tabled(day) else None
    return last if session is None else session.close


def _ticket(kept: dict[str, str], query: ContractQuery, order_id: int, client_id: int) -> Ticket:
    smart = dict(_pairs(kept.get("Smart", "")))
    return Ticket(
        client_id=client_id,
        order_id=order_id,
        con_id=query.con_id,
        symbol=query.symbol,
        sec_type=query.sec_type,
        legs=_legs(kept.get("Legs", "")),
        action=kept["action"].upper(),
        quantity=decimal(kept["totalQuantity"]) or Decimal(0),
        order_type=kept["orderType"].upper(),
        limit_price=decimal(kept["lmtPrice"]),
        aux_price=decimal(kept["auxPrice"]),
        tif=kept["tif"].upper() or "DAY",
        oca_group=kept["ocaGroup"],
        oca_type=_whole(kept["ocaType"]),
        account=kept["account"],
        order_ref=kept["orderRef"],
        transmit=_flag(kept["transmit"]),
        parent_id=_whole(kept["parentId"]),
        outside_rth=_flag(kept["outsideRth"]),
        algo=kept["algoStrategy"],
        algo_params=_pairs(kept.get("Algo", "")),
        what_if=_flag(kept["whatIf"]),
        non_guaranteed=smart.get("NonGuaranteed") == "1",
        good_till=_last_time(kept["goodTillDate"]),
        good_after=_time(kept["goodAfterTime"]),
        conditions=_conditions(kept["Conditions"]),
        cancelled_by_conditions=_flag(kept["Conditions"].rpartition(JOIN)[2]),
        echo=kept,
    )


def _conditions(joined: str) -> tuple[OrderCondition, ...]:
    """Read conditions; after the last: whether they count outside regular hours, and whether they cancel."""
    rows, found = joined.split(JOIN)[:-2], []
    while rows:
        kind = _whole(rows[0])
        width = 2 + CONDITION_FIELDS[kind]
        found.append(_condition(kind, rows[1] == "o", rows[2:width]))
        rows = rows[width:]
    return tuple(found)


def _condition(kind: int, is_or: bool, rest: list[str]) -> OrderCondition:
    if kind in OF_CONTRACTS:
        value, con_id = decimal(rest[1]), _whole(rest[2])
        return OrderCondition(kind=kind, is_or=is_or, is_more=_flag(rest[0]), value=value, con_id=con_id)
    at = _time(rest[1]) if kind == TIME_CONDITION else None
    return OrderCondition(kind=kind, is_or=is_or, is_more=_flag(rest[0]), at=at)
