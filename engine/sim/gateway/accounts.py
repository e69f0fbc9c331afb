"""The account: values, portfolio, positions, summaries and profit, asked for and kept up to date."""

from decimal import Decimal

from engine.model.session import EXCHANGE_ZONE
from engine.sim.gateway.encode_orders import contract_row
from engine.sim.gateway.hub import Hub
from engine.sim.gateway.session import Session
from engine.sim.gateway.wire import UNSET_DOUBLE, Fields, Value
from engine.sim.seams import PositionView

REFRESH_SECONDS = 180
"""Account values and summaries are sent again this often, virtual time."""

BASE_KEYS = frozenset({"TotalCashBalance", "CashBalance", "NetLiquidationByCurrency", "UnrealizedPnL", "RealizedPnL"})
PLAIN_KEYS = frozenset(
    {"AccountCode", "AccountType", "AccountReady", "AccountOrGroup", "Cushion", "DayTradesRemaining"}
)
_ZERO = Decimal(0)


def _values(hub: Hub) -> list[tuple[str, str, str]]:
    """Return key, value and currency of every account value."""
    out = []
    for key, value in hub.exchange.account_values().items():
        words = key in PLAIN_KEYS or not value.lstrip("-").replace(".", "", 1).isdigit()
        out.append((key, value, "" if words else "USD"))
        if key in BASE_KEYS:
            out.append((key, value, "BASE"))
    return out


def managed_accounts(hub: Hub, session: Session, fields: Fields) -> None:
    """Message 17."""
    session.send(15, 1, hub.exchange.account)


def _foreign(hub: Hub, session: Session, req_id: int, account: str) -> bool:
    """Refuse an account that is not ours; blank and All are."""
    if account.rstrip(",") in ("", "All", hub.exchange.account):
        return False
    session.error(req_id, 321, "Error validating request.-'bS' : cause - Invalid account code")
    return True


# ---------------------------------------------------------------- account updates


def account_updates(hub: Hub, session: Session, fields: Fields) -> None:
    """Message 6: values, portfolio rows, time and End; then changes until cancelled."""
    fields.skip()
    subscribe, account = fields.flag(), fields.text()
    if not subscribe:
        session.wants.account = False
        return
    if _foreign(hub, session, -1, account):
        return
    session.wants.account = True
    _send_values(hub, session)
    for held in hub.exchange.positions():
        _send_portfolio(hub, session, held)
    _send_clock(hub, session)
    if hub.ends(session, "account"):
        session.send(54, 1, hub.exchange.account)


def _send_values(hub: Hub, session: Session) -> None:
    for key, value, currency in _values(hub):
        session.send(6, 2, key, value, currency, hub.exchange.account)


def _send_clock(hub: Hub, session: Session) -> None:
    session.send(8, 1, f"{hub.at.astimezone(EXCHANGE_ZONE):%H:%M}")


def _send_portfolio(hub: Hub, session: Session, held: PositionView) -> None:
    found = hub.market.catalogue.by_id(held.con_id)
    if found is None:
        return
    row = contract_row(found, found.primary_exchange or found.exchange, right="0")
    money: list[Value] = [held.market_price or 0, _money(held.market_value), held.average_cost]
    money += [_money(held.unrealized), held.realized, hub.exchange.account]
    session.send(7, 8, *row, held.quantity, *money)


def _money(value: Decimal | None) -> Value:
    return "0" if value is None else value


def account_updates_multi(hub: Hub, session: Session, fields: Fields) -> None:
    """Message 76: the values for one account or model, and End."""
    fields.skip()
    req_id, account, model = fields.integer(), fields.text(), fields.text()
    if _foreign(hub, session, req_id, account):
        return
    session.wants.multi[req_id] = model
    _send_multi(hub, session, req_id, model)
    session.send(74, 1, req_id)


def _send_multi(hub: Hub, session: Session, req_id: int, model: str) -> None:
    for key, value, currency in _values(hub):
        session.send(73, 1, req_id, hub.exchange.account, model, key, value, currency)


def cancel_account_updates_multi(hub: Hub, session: Session, fields: Fields) -> None:
    """Message 77."""
    fields.skip()
    session.wants.multi.pop(fields.integer(), None)


# ---------------------------------------------------------------- summary


def account_summary(hub: Hub, session: Session, fields: Fields) -> None:
    """Message 62: the tags asked for, then refreshed; at most two at once (322)."""
    fields.skip()
    req_id, _, tags = fields.integer(), fields.text(), fields.text()
    if req_id not in session.wants.summaries and len(session.wants.summaries) >= 2:
        words = "Maximum number of account summary requests exceeded"
        session.error(req_id, 322, f"Error processing request.-'cA' : cause - {words}")
        return
    session.wants.summaries[req_id] = tags
    _send_summary(hub, session, req_id, tags)
    session.send(64, 1, req_id)


def _send_summary(hub: Hub, session: Session, req_id: int, tags: str) -> None:
    wanted = {tag.strip() for tag in tags.split(",")}
    ledger = any(tag.startswith("$LEDGER") for tag in wanted)
    for key, value, currency in _values(hub):
        if (key in wanted and currency != "BASE") or (ledger and key in BASE_KEYS):
            session.send(63, 1, req_id, hub.exchange.account, key, value, currency)


def cancel_account_summary(hub: Hub, session: Session, fields: Fields) -> None:
    """Message 63."""
    fields.skip()
    session.wants.summaries.pop(fields.integer(), None)


# ---------------------------------------------------------------- positions


def positions(hub: Hub, session: Session, fields: Fields) -> None:
    """Message 61: all rows and End, then every change."""
    session.wants.positions = True

    def send(rows: list[PositionView]) -> None:
        for held in rows:
            _send_position(hub, session, held)

    def send_late(rows: list[PositionView]) -> None:
        left_out = {held.con_id for held in rows}
        send([held for held in hub.exchange.positions() if held.con_id in left_out])  # as they are by then

    send(hub.told(session, "positions", hub.exchange.positions(), send_late))
    if hub.ends(session, "positions"):
        session.send(62, 1)


def cancel_positions(hub: Hub, session: Session, fields: Fields) -> None:
    """Message 64."""
    session.wants.positions = False


def _send_position(hub: Hub, session: Session, held: PositionView) -> None:
    found = hub.market.catalogue.by_id(held.con_id)
    if found is None:
        return
    row = contract_row(found, "", right="")
    session.send(61, 3, hub.exchange.account, *row, held.quantity, held.average_cost)


def positions_multi(hub: Hub, session: Session, fields: Fields) -> None:
    """Message 74: positions of one account or model, and End."""
    fields.skip()
    req_id, account, model = fields.integer(), fields.text(), fields.text()
    if _foreign(hub, session, req_id, account):
        return
    session.wants.position_multi[req_id] = model
    for held in hub.exchange.positions():
        _send_position_multi(hub, session, req_id, model, held)
    session.send(72, 1, req_id)


def _send_position_multi(hub: Hub, session: Session, req_id: int, model: str, held: PositionView) -> None:
    found = hub.market.catalogue.by_id(held.con_id)
    if found is None:
        return
    row = contract_row(found, "", right="")
    session.send(71, 1, req_id, hub.exchange.account, *row, held.quantity, held.average_cost, model)


def cancel_positions_multi(hub: Hub, session: Session, fields: Fields) -> None:
    """Message 75."""
    fields.skip()
    session.wants.position_multi.pop(fields.integer(), None)


def send_position_change(hub: Hub, con_id: int) -> None:
    """Tell subscribers of a changed position, also when it is gone."""
    held: PositionView | None = None
    for session in hub.sessions.values():
        wants = session.wants
        if not (wants.positions or wants.account or wants.position_multi):
            continue
        held = held or hub.exchange.position(con_id)
        if wants.positions:
            _send_position(hub, session, held)
        for req_id, model in wants.position_multi.items():
            _send_position_multi(hub, session, req_id, model, held)
        if wants.account:
            _send_portfolio(hub, session, held)


# ---------------------------------------------------------------- profit


def pnl(hub: Hub, session: Session, fields: Fields) -> None:
    """Message 92: the account's profit now, then at each move of the market."""
    req_id, account = fields.integer(), fields.text()
    if _foreign(hub, session, req_id, account):
        return
    session.wants.pnl.add(req_id)
    _send_pnl(hub, session, req_id, hub.exchange.positions())


def cancel_pnl(hub: Hub, session: Session, fields: Fields) -> None:
    """Message 93."""
    session.wants.pnl.discard(fields.integer())


def _send_pnl(hub: Hub, session: Session, req_id: int, held: list[PositionView]) -> None:
    values = hub.exchange.account_values()
    unrealized = values.get("UnrealizedPnL") or str(sum((each.unrealized or _ZERO for each in held), _ZERO))
    realized = values.get("RealizedPnL") or str(sum((each.realized for each in held), _ZERO))
    session.send(94, req_id, hub.exchange.daily_profit(), unrealized, realized)


def pnl_single(hub: Hub, session: Session, fields: Fields) -> None:
    """Message 94: the profit of one position now, then at each move of the market."""
    req_id, account, _, con_id = fields.integer(), fields.text(), fields.text(), fields.integer()
    if _foreign(hub, session, req_id, account):
        return
    session.wants.pnl_single[req_id] = con_id
    _send_pnl_single(hub, session, req_id, hub.exchange.position(con_id))


def cancel_pnl_single(hub: Hub, session: Session, fields: Fields) -> None:
    """Message 95."""
    session.wants.pnl_single.pop(fields.integer(), None)


def _send_pnl_single(hub: Hub, session: Session, req_id: int, held: PositionView) -> None:
    unrealized: Value = UNSET_DOUBLE if held.unrealized is None else held.unrealized
    daily: Value = UNSET_DOUBLE if held.daily is None else held.daily
    value: Value = UNSET_DOUBLE if held.market_value is None else held.market_value
    session.send(95, req_id, held.quantity, daily, unrealized, held.realized, value)


# ---------------------------------------------------------------- as time passes


def after_move(hub: Hub) -> None:
    """Send profits after a move of the market, and the account's values every three minutes."""
    held: list[PositionView] | None = None
    refresh = hub.now % REFRESH_SECONDS == 0
    for session in hub.sessions.values():
        wants = session.wants
        if wants.pnl or wants.pnl_single:
            held = hub.exchange.positions() if held is None else held
            _send_profits(hub, session, held)
        if refresh:
            _refresh(hub, session)


def _send_profits(hub: Hub, session: Session, held: list[PositionView]) -> None:
    by_id = {each.con_id: each for each in held}
    for req_id in sorted(session.wants.pnl):
        _send_pnl(hub, session, req_id, held)
    for req_id, con_id in session.wants.pnl_single.items():
        _send_pnl_single(hub, session, req_id, by_id.get(con_id) or hub.exchange.position(con_id))


def _refresh(hub: Hub, session: Session) -> None:
    wants = session.wants
    if wants.account:
        _send_values(hub, session)
        for held in hub.exchange.positions():
            _send_portfolio(hub, session, held)
        _send_clock(hub, session)
    for req_id, tags in wants.summaries.items():
        _send_summary(hub, session, req_id, tags)
    for req_id, model in wants.multi.items():
        _send_multi(hub, session, req_id, model)
