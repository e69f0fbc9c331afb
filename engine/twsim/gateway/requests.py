"""Which request does what: the table of message ids, and the answers to what is not built or cannot be read."""

import math
from collections.abc import Callable

import numpy as np

from twsim.gateway import accounts, contracts, history, market_data, orders
from twsim.gateway.hub import ServerState, log
from twsim.gateway.parse import contract_query, matches, no_contract
from twsim.gateway.wire import Fields, MalformedError, Session, symbol_in, symbol_out
from twsim.market.quote_engine import black_price
from twsim.market.surface import YEAR_SECONDS, expiry_of, settlement_instant
from twsim.nouns import Instrument, SecType

# --- What an option would be worth at another volatility, and what volatility a price of it means, at any level

_HIGHEST = 20.0
_STEPS = 60
_NOT_COMPUTED = -1.0


def implied_volatility(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 54: the volatility at which the option has the price asked about, where there is one."""
    asked = _Asked.read(hub, session, fields)
    if asked is not None:
        asked.answer(session, asked.volatility_of(asked.value), asked.value)


def option_price(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 55: the price of the option at the volatility asked about."""
    asked = _Asked.read(hub, session, fields)
    if asked is not None:
        asked.answer(session, asked.value, asked.price_at(asked.value) if 0 < asked.value <= _HIGHEST else math.nan)


class _Asked:
    """One question: an option, a price or volatility of it, and where its underlying is meant to be."""

    def __init__(self, hub: ServerState, req_id: int, option: Instrument, value: float, level: float) -> None:
        ticks = hub.market.ticks((option.con_id,))
        spot = float(ticks.spot[0])
        self._req_id = req_id
        self._option = option
        self._years = max(settlement_instant(expiry_of(option)).timestamp() - hub.now, 1.0) / YEAR_SECONDS
        self.value = value
        self.level = level if level > 0 else spot
        self._beyond_black = float(ticks.model[0]) - self._black(spot, float(ticks.iv[0]))

    @classmethod
    def read(cls, hub: ServerState, session: Session, fields: Fields) -> "_Asked | None":
        """Return what is asked; None after an error where no single option is meant."""
        fields.skip()
        req_id, query = fields.integer(), contract_query(fields)
        found = matches(hub.market.catalogue, query)
        if len(found) != 1 or not found[0].is_option:
            session.error(req_id, 200, no_contract(len(found), query))
            return None
        return cls(hub, req_id, found[0], fields.number() or 0.0, fields.number() or 0.0)

    def price_at(self, volatility: float) -> float:
        """Return the price at a volatility, never below 0; nan where the market has no model of the option."""
        return float(np.maximum(self._black(self.level, volatility) + self._beyond_black, 0.0))

    def volatility_of(self, price: float) -> float:
        """Return the volatility of a price, nan of one that the option has at no volatility."""
        low, high = 0.0, _HIGHEST
        if not self.price_at(low) < price < self.price_at(high):
            return math.nan
        for _ in range(_STEPS):
            middle = (low + high) / 2.0
            low, high = (low, middle) if self.price_at(middle) > price else (middle, high)
        return high

    def _black(self, level: float, volatility: float) -> float:
        sign = 1.0 if self._option.right == "C" else -1.0
        deviation = volatility * math.sqrt(self._years)
        if deviation <= 0.0:
            return max(sign * (level - self._option.strike), 0.0)
        columns = (np.array([each]) for each in (level, self._option.strike, deviation, 1.0, sign))
        return float(black_price(*columns)[0][0])

    def answer(self, session: Session, volatility: float, price: float) -> None:
        """Send what was computed, and the level that it counts at."""
        shown = [round(each, 6) if each >= 0 else _NOT_COMPUTED for each in (volatility, price, self.level)]
        session.send(21, self._req_id, 53, 0, shown[0], -2, shown[1], -1, -2, -2, -2, shown[2])


# --- Requests with small answers


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


# --- Which request does what

Handler = Callable[[ServerState, Session, Fields], None]

HANDLERS: dict[int, Handler] = {
    1: market_data.market_data,
    2: market_data.cancel_market_data,
    3: orders.place_order,
    4: orders.cancel_order,
    5: orders.open_orders,
    6: accounts.account_updates,
    7: orders.executions,
    8: orders.next_ids,
    9: contracts.contract_details,
    12: nothing,
    13: nothing,
    14: nothing,
    15: orders.auto_open_orders,
    16: orders.all_open_orders,
    17: accounts.managed_accounts,
    18: adviser_data,
    19: adviser_data,
    20: history.historical_data,
    24: scanner_parameters,
    25: history.cancel_historical_data,
    50: history.realtime_bars,
    51: history.cancel_realtime_bars,
    52: fundamental_data,
    53: nothing,
    54: implied_volatility,
    55: option_price,
    56: nothing,
    57: nothing,
    58: orders.global_cancel,
    59: market_data.market_data_type,
    61: accounts.positions,
    62: accounts.account_summary,
    63: accounts.cancel_account_summary,
    64: accounts.cancel_positions,
    74: accounts.positions_multi,
    75: accounts.cancel_positions_multi,
    76: accounts.account_updates_multi,
    77: accounts.cancel_account_updates_multi,
    78: contracts.option_params,
    79: soft_dollar_tiers,
    80: family_codes,
    81: contracts.matching_symbols,
    82: depth_exchanges,
    83: contracts.smart_components,
    85: news_providers,
    87: history.head_timestamp,
    90: history.cancel_head_timestamp,
    91: contracts.market_rule,
    92: accounts.pnl,
    93: accounts.cancel_pnl,
    94: accounts.pnl_single,
    95: accounts.cancel_pnl_single,
    97: tick_by_tick,
    98: nothing,
    99: orders.completed_orders,
    104: user_info,
}

UNVERSIONED = frozenset({3, 20, 22, *range(78, 108)})
"""Requests whose first field after the message id is the request id, not a version."""

WITHOUT_ID = frozenset({5, 6, 8, 12, 14, 15, 16, 17, 18, 19, 24, 49, 58, 59, 61, 64})
"""Requests without an id in the place where others have one."""

KNOWN_UNBUILT = {10: "market depth", 21: "exercise of options"}
KNOWN_UNBUILT |= {22: "scanners", 67: "display groups", 84: "news", 86: "news", 88: "histograms"}
KNOWN_UNBUILT |= {96: "historical ticks", 100: "corporate events", 102: "corporate events"}
CODES = {22: 162, 84: 10276, 86: 10276, 88: 162, 96: 162, 100: 10279, 102: 10283}
"""What the real gateway says where it has no such data. On 321 ib_async would wait for ever."""
SILENT = frozenset({11, 23, 89, 101, 103})
"""Cancels of what is not built."""


def request_id(items: list[str]) -> int:
    """Guess the request id of a message: after a version where there is one; -1 when there is none to read."""
    kind = _int(items[0]) if items else None
    at = 1 if kind in UNVERSIONED else 2
    found = None if kind in WITHOUT_ID or len(items) <= at else _int(items[at])
    return -1 if found is None else found


def _int(field: str) -> int | None:
    try:
        return int(field)
    except ValueError:
        return None


def answer(hub: ServerState, session: Session, payload: bytes) -> None:
    """Serve one request. What cannot be read or is not known gets 320 or 321, and the client stays."""
    fields = Fields(payload)
    kind = _int(fields.items[0]) if fields.items else None
    handler = HANDLERS.get(kind) if kind is not None else None
    if handler is None:
        _refuse(session, kind, fields.items)
        return
    fields.skip()
    try:
        handler(hub, session, fields)
    except MalformedError as problem:
        log.warning("client %d sent message %s that cannot be read: %s", session.client_id, kind, problem)
        words = f"Error reading request. Message id {kind}: {problem}"
        session.error(request_id(fields.items), 320, words)


def _refuse(session: Session, kind: int | None, items: list[str]) -> None:
    if kind in SILENT:
        return
    what = KNOWN_UNBUILT.get(kind or 0)
    log.info("client %d sent message %s, which is not served", session.client_id, items[:1])
    if what is not None:
        words = f"Error validating request.-'sim' : cause - The simulated gateway has no {what}"
        session.error(request_id(items), CODES.get(kind or 0, 321), words)
    else:
        session.error(request_id(items), 320, f"Error reading request. Unknown message id {items[0] if items else ''}")
