"""Contract requests: details, option chains, symbols, market rules, smart components."""

from rulebot.model.session import exchange_date
from twsim.gateway.encode_contracts import RULES, contract_data, exchanges_of_options, isin_of
from twsim.gateway.encode_orders import strike
from twsim.gateway.hub import ServerState
from twsim.gateway.parse_contracts import contract_query, matches, no_contract
from twsim.gateway.session import Session
from twsim.gateway.wire import Fields, Value, prose, symbol_in, symbol_out
from twsim.instrument import Instrument, SecType

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
    """Message 83: which exchange each letter of a BBO mask stands for."""
    req_id = fields.integer()
    rows = [part for bit, (letter, venue) in enumerate(COMPONENTS) for part in (bit, venue, letter)]
    session.send(82, req_id, len(COMPONENTS), *rows)
