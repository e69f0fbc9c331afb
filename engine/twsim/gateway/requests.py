"""Which request does what: the table of message ids, and the answers to what is not built or cannot be read."""

from collections.abc import Callable

from twsim.gateway import accounts, calculator, contracts, history, market_data, orders, small_requests
from twsim.gateway.hub import ServerState, log
from twsim.gateway.session import Session
from twsim.gateway.wire import Fields, MalformedError

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
    12: small_requests.nothing,
    13: small_requests.nothing,
    14: small_requests.nothing,
    15: orders.auto_open_orders,
    16: orders.all_open_orders,
    17: accounts.managed_accounts,
    18: small_requests.adviser_data,
    19: small_requests.adviser_data,
    20: history.historical_data,
    24: small_requests.scanner_parameters,
    25: history.cancel_historical_data,
    50: history.realtime_bars,
    51: history.cancel_realtime_bars,
    52: small_requests.fundamental_data,
    53: small_requests.nothing,
    54: calculator.implied_volatility,
    55: calculator.option_price,
    56: small_requests.nothing,
    57: small_requests.nothing,
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
    79: small_requests.soft_dollar_tiers,
    80: small_requests.family_codes,
    81: contracts.matching_symbols,
    82: small_requests.depth_exchanges,
    83: contracts.smart_components,
    85: small_requests.news_providers,
    87: history.head_timestamp,
    90: history.cancel_head_timestamp,
    91: contracts.market_rule,
    92: accounts.pnl,
    93: accounts.cancel_pnl,
    94: accounts.pnl_single,
    95: accounts.cancel_pnl_single,
    97: small_requests.tick_by_tick,
    98: small_requests.nothing,
    99: orders.completed_orders,
    104: small_requests.user_info,
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
