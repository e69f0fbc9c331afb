"""Requests with small answers: user info, fundamentals, and lists that are empty here."""

from twsim.gateway.hub import ServerState
from twsim.gateway.session import Session
from twsim.gateway.wire import Fields, symbol_in, symbol_out
from twsim.instrument import SecType


def nothing(hub: ServerState, session: Session, fields: Fields) -> None:
    """Take a request that needs no answer: log level, bulletins, cancels of what was answered at once."""


def user_info(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 104: no white branding."""
    session.send(107, fields.integer(), "")


NO_ADVISER = "Error validating request.-'bF' : cause - FA data operations ignored for non FA customers."


def adviser_data(hub: ServerState, session: Session, fields: Fields) -> None:
    """Messages 18 and 19: groups of an adviser's accounts, asked for or replaced; no account here is an adviser's.

    To replace has a request id, behind version, kind and the groups (from 157 on); to ask has none.
    """
    rest = fields.items[4:]
    is_replaced = fields.items[0] == "19" and rest and rest[0].lstrip("-").isdigit()
    session.error(int(rest[0]) if is_replaced else -1, 321, NO_ADVISER)


def family_codes(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 80: the accounts, no family."""
    names = [each.account for each in hub.brokers]
    session.send(78, len(names), *(field for name in names for field in (name, "")))


def soft_dollar_tiers(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 79: none."""
    session.send(77, fields.integer(), 0)


def depth_exchanges(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 82: none."""
    session.send(80, 0)


def news_providers(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 85: none."""
    session.send(85, 0)


def tick_by_tick(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 97: quotes come sampled here, never one by one."""
    session.error(fields.integer(), 10189, "Failed to request tick-by-tick data.The simulated gateway has no such data")


def scanner_parameters(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 24: none. It has no id that an error could be on."""
    session.send(19, 1, "<ScanParameterResponse></ScanParameterResponse>")


def fundamental_data(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 52: the calendar of a stock's earnings; other reports are refused with 430."""
    fields.skip()
    req_id, con_id, symbol = fields.integer(), fields.integer(), symbol_in(fields.text())
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
        session.send(51, 1, req_id, f'<WSHData><Company Ticker="{symbol_out(found.symbol)}">{rows}</Company></WSHData>')
