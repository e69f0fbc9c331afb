"""contractData and what belongs to it: hours, market rules, exchanges, tick sizes."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from twsim.exchange.nbbo import EQUITY_OPTION, NICKEL_DIME, PENNY, tick_rule
from twsim.gateway.encode_orders import day, strike
from twsim.gateway.hub import ServerState
from twsim.gateway.parse import contract_query, matches, no_contract
from twsim.gateway.wire import Fields, Session, Value, joined, prose, symbol_in, symbol_out, text
from twsim.nouns import Instrument, SecType, TickRule
from twsim.sessions import EXCHANGE_ZONE, exchange_date, is_tabled, session_on
from twsim.sessions import Session as TradingSession

ShortDays = tuple[tuple[date, datetime | None], ...]
"""Days that end earlier than the calendar has it, and when, UTC; None where nothing trades."""
CHICAGO = ZoneInfo("US/Central")
HOURS_DAYS = 6

RULES: dict[int, TickRule] = {26: PENNY, 32: EQUITY_OPTION, 239: NICKEL_DIME}
"""Market rules by their number."""
_NUMBERS = {rule: number for number, rule in RULES.items()}
_ETFS = frozenset({"SPY", "QQQ", "IWM"})
_ISINS = {
    "AAPL": "US0378331005",
    "AMZN": "US0231351067",
    "IWM": "US4642876555",
    "MSFT": "US5949181045",
    "NVDA": "US67066G1040",
    "QQQ": "US46090E1038",
    "SPY": "US78462F1035",
    "TSLA": "US88160R1014",
}

_ORDER_TYPES = "ALGO,DAY,GAT,GTC,GTD,IOC,LMT,MKT,NGCOMB,NONALGO,OCA,STP,STPLMT,WHATIF"
"""What the simulated broker takes; the real one lists more."""
_CBOE_ONLY = frozenset({"SPX", "SPXW", "XSP", "RUT", "RUTW", "VIX", "VIXW"})
_BY_NIGHT = frozenset({"SPX", "SPXW", "XSP", "VIX", "VIXW"})
"""Classes that Cboe trades before and after the regular hours too."""
_NASDAQ_ONLY = frozenset({"NDX", "NDXP"})
_CBOE_EXCHANGES, _NASDAQ_EXCHANGES = "SMART,CBOE", "SMART,PHLX,ISE,GEMINI"
_OPTION_EXCHANGES = "SMART,AMEX,CBOE,PHLX,PSE,ISE,BOX,BATS,NASDAQOM,CBOE2,MIAX,EDGX"
_STOCK_EXCHANGES = "SMART,AMEX,NYSE,CBOE,PHLX,ISE,CHX,ARCA,ISLAND,DRCTEDGE,BEX,BATS,EDGEA,IEX,PSX"


def rule_of(found: Instrument) -> int:
    """Return the number of a contract's market rule."""
    return _NUMBERS[tick_rule(found)]


@lru_cache(maxsize=512)
def isin_of(found: Instrument) -> str:
    """Return the ISIN of a share: its own where it is known here, else one made of its number, with a true check digit.

    Source: ISO 6166; the ISINs are those of the issuers.
    """
    return _ISINS.get(found.symbol) or with_check_digit(f"US{found.con_id:09d}"[:11])


def with_check_digit(body: str) -> str:
    """Return an ISIN of its first eleven characters."""
    digits = [int(each) for each in "".join(str(int(letter, 36)) for letter in body)]
    doubled = (2 * each if place % 2 == 0 else each for place, each in enumerate(reversed(digits)))
    return f"{body}{-sum(each // 10 + each % 10 for each in doubled) % 10}"


def min_tick(found: Instrument) -> str:
    """Return the smallest price step of a contract."""
    return text(tick_rule(found).tick(Decimal(0)))


def _exchanges(found: Instrument) -> str:
    if found.sec_type is SecType.INDEX:
        return found.exchange
    return exchanges_of_options(found.trading_class) if found.is_option else _STOCK_EXCHANGES


def exchanges_of_options(trading_class: str) -> str:
    """Return where the options of a class trade, SMART first, with commas between."""
    if trading_class in _NASDAQ_ONLY:
        return _NASDAQ_EXCHANGES
    return _CBOE_EXCHANGES if trading_class in _CBOE_ONLY else _OPTION_EXCHANGES


def _span(first: datetime, last: datetime, zone: ZoneInfo) -> str:
    return f"{first.astimezone(zone):%Y%m%d:%H%M}-{last.astimezone(zone):%Y%m%d:%H%M}"


def _wide(session: TradingSession, *, zone: ZoneInfo, is_stock: bool) -> str:
    """Return the trading hours of a session, before and after the regular ones included."""
    if zone is CHICAGO:
        evening = datetime.combine(session.date - timedelta(days=1), time(19, 15), CHICAGO)
        night = _span(evening, datetime.combine(session.date, time(8, 15), CHICAGO), zone)
        return f"{night};{_span(session.open, session.close, zone)}"
    if is_stock:
        return _span(session.at(time(4, 0)), session.at(time(17 if session.is_half else 20, 0)), zone)
    return _span(session.open, session.close, zone)


def _zone(found: Instrument) -> ZoneInfo:
    return CHICAGO if found.trading_class in _BY_NIGHT and found.is_option else EXCHANGE_ZONE


@lru_cache(maxsize=16)
def hours(zone: ZoneInfo, is_stock: bool, today: date, short: ShortDays) -> tuple[str, str]:
    """Return trading hours and liquid hours of today and the days after it that are known, closed days marked."""
    trading, liquid = [], []
    closes = dict(short)
    for ahead in range(HOURS_DAYS):
        when = today + timedelta(days=ahead)
        if not is_tabled(when):
            break
        session = session_on(when)
        if session is not None and (close := closes.get(when, session.close)) != session.close:
            session = None if close is None else replace(session, close=close, is_half=True)
        if session is None:
            trading.append(f"{when:%Y%m%d}:CLOSED")
            liquid.append(f"{when:%Y%m%d}:CLOSED")
        else:
            trading.append(_wide(session, zone=zone, is_stock=is_stock))
            liquid.append(_span(session.open, session.close, zone))
    return ";".join(trading), ";".join(liquid)


def contract_data(hub: ServerState, version: int, req_id: int, found: Instrument, today: date) -> list[Value]:
    """Return the fields of contractData for a client's version; all after the id are one value, joined already."""
    under = hub.market.catalogue.by_id(found.underlying_id) if found.is_option else None
    head = (10, 8) if version < 164 else (10,)
    return [*head, req_id, _described(found, under, version, today, tuple(hub.short_days.items()))]


@lru_cache(maxsize=8192)
def _described(found: Instrument, under: Instrument | None, version: int, today: date, short: ShortDays) -> str:
    """Return what contractData says of a contract on a day. Kept, since a whole chain is asked for at every start."""
    exchanges = _exchanges(found)
    trading, liquid = hours(_zone(found), found.sec_type is SecType.STOCK, today, short)
    is_index = found.sec_type is SecType.INDEX
    exchange = found.exchange if is_index else "SMART"
    out: list[Value] = [symbol_out(found.symbol), found.sec_type.value]
    out += [day(found), strike(found.strike), found.right, exchange, found.currency, found.local_symbol]
    out += [found.trading_class, found.trading_class, found.con_id, min_tick(found)]
    out += ["100"] if version < 164 else []
    out += [found.multiplier if found.is_option else "", "" if is_index else _ORDER_TYPES, exchanges, 1]
    out += [under.con_id if under else 0, prose(found.long_name), _primary(found), day(found)[:6]]
    out += [*(("Indices", "Broad Range Equity Index") if is_index else ("", "")), ""]
    names: list[Value] = [1, "ISIN", isin_of(found)] if found.sec_type is SecType.STOCK else [0]
    out += ["US/Central" if _zone(found) is CHICAGO else "US/Eastern", trading, liquid, "", "", *names, 1]
    out += [symbol_out(under.symbol), under.sec_type.value] if under else ["", ""]
    out += [",".join(str(rule_of(found)) for _ in exchanges.split(","))]
    out += [f"{found.settle_date:%Y%m%d}" if found.settle_date else ""]
    out += ["" if found.sec_type is not SecType.STOCK else _stock_type(found)]
    out += ["1", "1", "1" if found.is_option else "100"] if version >= 164 else _increment(version)
    return joined(*out)


def _increment(version: int) -> list[Value]:
    return ["1"] if version == 163 else []


def _primary(found: Instrument) -> str:
    return found.primary_exchange if found.sec_type is SecType.STOCK else ""


def _stock_type(found: Instrument) -> str:
    return "ETF" if found.symbol in _ETFS else "COMMON"


# --- Contract requests

COMPONENTS = (
    ("A", "AMEX"),
    ("C", "CBOE"),
    ("N", "NYSE"),
    ("P", "ARCA"),
    ("Q", "ISLAND"),
    ("Z", "BATS"),
)


def contract_details(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 9: every match and one End; none is 200 without an End, a combo is 321 (or 200 by setting)."""
    fields.skip()
    req_id, query = fields.integer(), contract_query(fields)
    expired = fields.flag() if fields.left else False
    kind, name = (fields.text(), fields.text()) if fields.left else ("", "")
    if query.is_combo:
        if hub.settings.bag_details_code == 200:
            session.error(req_id, 200, no_contract(0, query))
        else:
            session.error(
                req_id, 321, "Error validating request.-'bQ' : cause - BAG isn't supported for contract data request."
            )
        return
    found = matches(hub.market.catalogue, query, include_expired=expired)
    if kind:
        found = _named(hub, kind, name)
    if not found:
        session.error(req_id, 200, no_contract(0, query))
        return
    today = exchange_date(hub.at)
    for each in found:
        session.send(*contract_data(hub, session.version, req_id, each, today))
    session.send(52, 1, req_id)


def _named(hub: ServerState, kind: str, name: str) -> list[Instrument]:
    """Return the shares of this ISIN; other kinds of names are not known here."""
    if kind.upper() != "ISIN":
        return []
    catalogue = hub.market.catalogue
    listed = (catalogue.underlying(symbol) for symbol in catalogue.symbols())
    shares = (each for each in listed if each is not None and each.sec_type is SecType.STOCK)
    return [each for each in shares if isin_of(each) == name.strip().upper()]


def option_params(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 78: a row for each exchange and class; strikes are the union over all expiries."""
    req_id, symbol, exchange = fields.integer(), symbol_in(fields.text()), fields.text()
    fields.skip()
    con_id = fields.integer()
    found = hub.market.catalogue.by_id(con_id) or hub.market.catalogue.underlying(symbol)
    if exchange or found is None or found.is_option:
        session.send(76, req_id)
        return
    for row in hub.market.catalogue.option_params(found.con_id):
        expiries = [f"{each:%Y%m%d}" for each in row.expiries]
        strikes = [strike(each) for each in row.strikes]
        for venue in exchanges_of_options(row.trading_class).split(","):
            head: list[Value] = [75, req_id, venue, row.underlying_id, row.trading_class, row.multiplier]
            session.send(*head, len(expiries), *expiries, len(strikes), *strikes)
    session.send(76, req_id)


def matching_symbols(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 81: underlyings whose symbol or name begins with the pattern."""
    req_id, pattern = fields.integer(), fields.text().strip().upper()
    found = []
    for symbol in hub.market.catalogue.symbols():
        each = hub.market.catalogue.underlying(symbol)
        name = symbol_out(symbol)
        if each is not None and pattern and (name.startswith(pattern) or pattern in each.long_name.upper()):
            found.append(each)
    out: list[Value] = [79, req_id, len(found)]
    for each in found:
        out += [each.con_id, symbol_out(each.symbol), each.sec_type.value, each.primary_exchange or each.exchange]
        out += [each.currency, 1, "OPT"]
        if session.version >= 176:
            out += [prose(each.long_name), ""]
    session.send(*out)


def market_rule(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 91: the price steps of a rule; an unknown rule is 321 on no id."""
    number = fields.integer()
    rule = RULES.get(number)
    if rule is None:
        session.error(-1, 321, "Error validating request.-'bT' : cause - Invalid market rule id")
        return
    steps: list[Value] = [part for row in rule.steps for part in row]
    session.send(93, number, len(rule.steps), *steps)


def smart_components(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 83: the exchange of each letter of a BBO mask."""
    req_id = fields.integer()
    rows = [part for bit, (letter, venue) in enumerate(COMPONENTS) for part in (bit, venue, letter)]
    session.send(82, req_id, len(COMPONENTS), *rows)
