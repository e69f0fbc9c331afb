"""Requests with small answers: user info, calculators, fundamentals, and lists that are empty here."""

from engine.sim.gateway.hub import Hub
from engine.sim.gateway.parse_contracts import contract_query, matches, no_contract
from engine.sim.gateway.session import Session
from engine.sim.gateway.wire import Fields
from engine.sim.instrument import Instrument, SecType


def nothing(hub: Hub, session: Session, fields: Fields) -> None:
    """Take a request that needs no answer: log level, bulletins, cancels of what was answered at once."""


def user_info(hub: Hub, session: Session, fields: Fields) -> None:
    """Message 104: no white branding."""
    session.send(107, fields.integer(), "")


def family_codes(hub: Hub, session: Session, fields: Fields) -> None:
    """Message 80: the accounts, no family."""
    names = [each.account for each in hub.brokers]
    session.send(78, len(names), *(field for name in names for field in (name, "")))


def soft_dollar_tiers(hub: Hub, session: Session, fields: Fields) -> None:
    """Message 79: none."""
    session.send(77, fields.integer(), 0)


def depth_exchanges(hub: Hub, session: Session, fields: Fields) -> None:
    """Message 82: none."""
    session.send(80, 0)


def news_providers(hub: Hub, session: Session, fields: Fields) -> None:
    """Message 85: none."""
    session.send(85, 0)


def tick_by_tick(hub: Hub, session: Session, fields: Fields) -> None:
    """Message 97: quotes come sampled here, never one by one."""
    session.error(fields.integer(), 10189, "Failed to request tick-by-tick data.The simulated gateway has no such data")


def scanner_parameters(hub: Hub, session: Session, fields: Fields) -> None:
    """Message 24: none. It has no id that an error could be on."""
    session.send(19, 1, "<ScanParameterResponse></ScanParameterResponse>")


def _calculated(hub: Hub, session: Session, fields: Fields) -> tuple[int, Instrument] | None:
    fields.skip()
    req_id, query = fields.integer(), contract_query(fields)
    found = matches(hub.market.catalogue, query)
    if len(found) != 1 or not found[0].is_option:
        session.error(req_id, 200, no_contract(len(found), query))
        return None
    return req_id, found[0]


def implied_volatility(hub: Hub, session: Session, fields: Fields) -> None:
    """Message 54: the market's own volatility of the option; the price asked about is moved by vega."""
    asked = _calculated(hub, session, fields)
    if asked is None:
        return
    price = fields.number() or 0.0
    iv, vega, model = _model(hub, asked[1])
    _computed(session, asked[0], iv + (price - model) / vega / 100 if vega > 0 else -1.0, price, _spot(hub, asked[1]))


def option_price(hub: Hub, session: Session, fields: Fields) -> None:
    """Message 55: the model price of the option, moved by vega to the volatility asked about."""
    asked = _calculated(hub, session, fields)
    if asked is None:
        return
    volatility = fields.number() or 0.0
    iv, vega, model = _model(hub, asked[1])
    price = max(model + (volatility - iv) * 100 * vega, 0.0)
    _computed(session, asked[0], volatility, price if price == price else -1.0, _spot(hub, asked[1]))


def _model(hub: Hub, found: Instrument) -> tuple[float, float, float]:
    ticks = hub.market.ticks((found.con_id,))
    return float(ticks.iv[0]), float(ticks.vega[0]), float(ticks.model[0])


def _spot(hub: Hub, found: Instrument) -> float:
    return float(hub.market.ticks((found.con_id,)).spot[0])


def _computed(session: Session, req_id: int, volatility: float, price: float, spot: float) -> None:
    shown = round(volatility, 6) if volatility > 0 else -1
    session.send(21, req_id, 53, 0, shown, -2, round(price, 4), -1, -2, -2, -2, round(spot, 2))


def fundamental_data(hub: Hub, session: Session, fields: Fields) -> None:
    """Message 52: the calendar of a stock's earnings; other reports are refused with 430."""
    fields.skip()
    req_id, con_id, symbol = fields.integer(), fields.integer(), fields.text().upper()
    fields.skip(5)
    report = fields.text()
    catalogue = hub.market.catalogue
    found = catalogue.by_id(con_id) if con_id else catalogue.underlying(symbol)
    if found is None or found.sec_type is not SecType.STOCK:
        session.error(req_id, 200, "No security definition has been found for the request")
    elif report != "CalendarReport":
        session.error(req_id, 430, "We are sorry, but fundamentals data for the security specified is not available")
    else:
        days = hub.market.earnings(found.symbol)
        rows = "".join(f"<Earnings><Date>{day:%Y-%m-%d}</Date></Earnings>" for day in days)
        session.send(51, 1, req_id, f'<WSHData><Company Ticker="{found.symbol}">{rows}</Company></WSHData>')
