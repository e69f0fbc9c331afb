"""The accounts: values, portfolio, positions, summaries and profit, on request and as subscriptions.

A login may have several. Positions and summaries cover all of them, the rest the named one; without a name, the first.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from twsim.gateway.encode_orders import contract_row
from twsim.gateway.hub import ServerState
from twsim.gateway.wire import UNSET_DOUBLE, Fields, Session, Value
from twsim.seams import Exchange, PositionView
from twsim.sessions import EXCHANGE_ZONE

REFRESH_SECONDS = 180
"""Account values and summaries are sent again this often, virtual time."""

READY = "AccountReady"
BASE_KEYS = frozenset({"TotalCashBalance", "CashBalance", "NetLiquidationByCurrency", "UnrealizedPnL", "RealizedPnL"})
PLAIN_KEYS = frozenset({"AccountCode", "AccountType", READY, "AccountOrGroup", "Cushion", "DayTradesRemaining"})
ALL = "All"
Held = tuple[Exchange, PositionView]


def _values(hub: ServerState, broker: Exchange) -> list[tuple[str, str, str]]:
    """Return key, value and currency of every account value, as clients get them."""
    values, out = broker.account_values(), []
    if hub.faults is not None and broker.account == hub.exchange.account:
        values = hub.faults.account_values(values)
    for key, value in values.items():
        out.append((key, value, "USD" if is_amount(key, value) else ""))
        if key in BASE_KEYS:
            out.append((key, value, "BASE"))
    return out


def is_amount(key: str, value: str) -> bool:
    """Say whether an account value is dollars, and not words or a count."""
    return key not in PLAIN_KEYS and value.lstrip("-").replace(".", "", 1).isdigit()


def managed_accounts(hub: ServerState, session: Session, fields: Fields) -> None:
    session.send(15, 1, hub.accounts)


def _named(hub: ServerState, session: Session, req_id: int, account: str) -> tuple[Exchange, ...]:
    """Return the accounts that are meant: blank and All are all; one that is not here is refused, and none."""
    account = account.rstrip(",")
    if account in ("", ALL):
        return hub.brokers
    found = hub.broker_of(account)
    if found is None:
        session.error(req_id, 321, "Error validating request.-'bS' : cause - Invalid account code")
        return ()
    return (found,)


def _known(hub: ServerState, account: str) -> Exchange:
    """Return an account that was asked for before, and was here."""
    found = hub.broker_of(account)
    assert found is not None
    return found


def _held(brokers: Iterable[Exchange]) -> list[Held]:
    return [(broker, held) for broker in brokers for held in broker.positions()]


# ---------------------------------------------------------------- account updates


def account_updates(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 6: values, portfolio rows, time and End; then changes until cancelled, or another account is named."""
    fields.skip()
    subscribe, account = fields.flag(), fields.text()
    if not subscribe:
        session.wants.account = ""
        return
    brokers = _named(hub, session, -1, account)
    if not brokers:
        return
    broker = brokers[0]
    session.wants.account = broker.account
    _send_values(hub, session, broker)
    for held in broker.positions():
        _send_portfolio(hub, session, broker, held)
    _send_clock(hub, session)
    if hub.ends(session, "account"):
        session.send(54, 1, broker.account)


def _send_values(hub: ServerState, session: Session, broker: Exchange) -> None:
    for key, value, currency in _values(hub, broker):
        session.send(6, 2, key, value, currency, broker.account)


def report_values(hub: ServerState, broker: Exchange) -> None:
    """Send all values of an account to its subscriber."""
    for session in hub.sessions.values():
        if session.wants.account == broker.account:
            _send_values(hub, session, broker)


def report_ready(hub: ServerState, broker: Exchange) -> None:
    """Send only that an account is ready to its subscriber."""
    for session in hub.sessions.values():
        if session.wants.account == broker.account:
            session.send(6, 2, READY, "true", "", broker.account)


def _send_clock(hub: ServerState, session: Session) -> None:
    session.send(8, 1, f"{hub.at.astimezone(EXCHANGE_ZONE):%H:%M}")


def _send_portfolio(hub: ServerState, session: Session, broker: Exchange, held: PositionView) -> None:
    found = hub.market.catalogue.by_id(held.con_id)
    if found is None:
        return
    row = contract_row(found, found.primary_exchange or found.exchange, right="0")
    money: list[Value] = [held.market_price or 0, _money(held.market_value), held.average_cost]
    money += [_money(held.unrealized), held.realized, broker.account]
    session.send(7, 8, *row, held.quantity, *money)


def _money(value: Decimal | None) -> Value:
    return "0" if value is None else value


def account_updates_multi(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 76: the values for one account or model, and End."""
    fields.skip()
    req_id, account, model = fields.integer(), fields.text(), fields.text()
    brokers = _named(hub, session, req_id, account)
    if not brokers:
        return
    session.wants.multi[req_id] = brokers[0].account, model
    _send_multi(hub, session, req_id, brokers[0], model)
    session.send(74, 1, req_id)


def _send_multi(hub: ServerState, session: Session, req_id: int, broker: Exchange, model: str) -> None:
    for key, value, currency in _values(hub, broker):
        session.send(73, 1, req_id, broker.account, model, key, value, currency)


def cancel_account_updates_multi(hub: ServerState, session: Session, fields: Fields) -> None:
    fields.skip()
    session.wants.multi.pop(fields.integer(), None)


# ---------------------------------------------------------------- summary


def account_summary(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 62: the tags asked for of every account, then refreshed; at most two at once (322).

    There are no groups of an adviser: each that is named is All.
    """
    fields.skip()
    req_id, _, tags = fields.integer(), fields.text(), fields.text()
    if req_id not in session.wants.summaries and len(session.wants.summaries) >= 2:
        words = "Maximum number of account summary requests exceeded"
        session.error(req_id, 322, f"Error processing request.-'cA' : cause - {words}")
        return
    session.wants.summaries[req_id] = tags
    _send_summary(hub, session, req_id, tags)
    session.send(64, 1, req_id)


def _send_summary(hub: ServerState, session: Session, req_id: int, tags: str) -> None:
    wanted = {tag.strip() for tag in tags.split(",")}
    ledger = any(tag.startswith("$LEDGER") for tag in wanted)
    for broker in hub.brokers:
        for key, value, currency in _values(hub, broker):
            if (key in wanted and currency != "BASE") or (ledger and key in BASE_KEYS):
                session.send(63, 1, req_id, broker.account, key, value, currency)


def cancel_account_summary(hub: ServerState, session: Session, fields: Fields) -> None:
    fields.skip()
    session.wants.summaries.pop(fields.integer(), None)


# ---------------------------------------------------------------- positions


def positions(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 61: all rows of all accounts and End, then every change."""
    session.wants.positions = True

    def send(rows: list[Held]) -> None:
        for broker, held in rows:
            _send_position(hub, session, broker, held)

    def send_late(rows: list[Held]) -> None:
        left_out = {(broker.account, held.con_id) for broker, held in rows}
        send([each for each in _held(hub.brokers) if (each[0].account, each[1].con_id) in left_out])  # as they are then

    send(hub.reported(session, "positions", _held(hub.brokers), send_late))
    if hub.ends(session, "positions"):
        session.send(62, 1)


def cancel_positions(hub: ServerState, session: Session, fields: Fields) -> None:
    session.wants.positions = False


def _send_position(hub: ServerState, session: Session, broker: Exchange, held: PositionView) -> None:
    if (row := _position_row(hub, broker, held)) is not None:
        session.send(61, 3, *row)


def _position_row(hub: ServerState, broker: Exchange, held: PositionView) -> Sequence[Value] | None:
    found = hub.market.catalogue.by_id(held.con_id)
    if found is None:
        return None
    return broker.account, *contract_row(found, "", right=""), held.quantity, held.average_cost


def positions_multi(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 74: positions of one account or model, and End; of all accounts where none is named."""
    fields.skip()
    req_id, account, model = fields.integer(), fields.text(), fields.text()
    brokers = _named(hub, session, req_id, account)
    if not brokers:
        return
    session.wants.position_multi[req_id] = brokers[0].account if len(brokers) == 1 else "", model
    for broker, held in _held(brokers):
        _send_position_multi(hub, session, req_id, model, broker, held)
    session.send(72, 1, req_id)


def _send_position_multi(
    hub: ServerState, session: Session, req_id: int, model: str, broker: Exchange, held: PositionView
) -> None:
    if (row := _position_row(hub, broker, held)) is not None:
        session.send(71, 1, req_id, *row, model)


def cancel_positions_multi(hub: ServerState, session: Session, fields: Fields) -> None:
    fields.skip()
    session.wants.position_multi.pop(fields.integer(), None)


def send_position_change(hub: ServerState, con_id: int, broker: Exchange) -> None:
    """Send a changed position of this account to subscribers, also when it is gone."""
    held: PositionView | None = None
    for session in hub.sessions.values():
        wants = session.wants
        if not (wants.positions or wants.account == broker.account or wants.position_multi):
            continue
        held = held or broker.position(con_id)
        if wants.positions:
            _send_position(hub, session, broker, held)
        for req_id, (account, model) in wants.position_multi.items():
            if account in ("", broker.account):
                _send_position_multi(hub, session, req_id, model, broker, held)
        if wants.account == broker.account:
            _send_portfolio(hub, session, broker, held)


# ---------------------------------------------------------------- profit


def pnl(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 92: the account's profit now, then at each move of the market."""
    req_id, account = fields.integer(), fields.text()
    if brokers := _named(hub, session, req_id, account):
        session.wants.pnl[req_id] = brokers[0].account
        _send_pnl(session, req_id, brokers[0])


def cancel_pnl(hub: ServerState, session: Session, fields: Fields) -> None:
    session.wants.pnl.pop(fields.integer(), None)


def _send_pnl(session: Session, req_id: int, broker: Exchange) -> None:
    values = broker.account_values()
    session.send(94, req_id, broker.daily_profit(), values["UnrealizedPnL"], values["RealizedPnL"])


def pnl_single(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 94: the profit of one position now, then at each move of the market."""
    req_id, account, _, con_id = fields.integer(), fields.text(), fields.text(), fields.integer()
    if brokers := _named(hub, session, req_id, account):
        session.wants.pnl_single[req_id] = brokers[0].account, con_id
        _send_pnl_single(session, req_id, brokers[0].position(con_id))


def cancel_pnl_single(hub: ServerState, session: Session, fields: Fields) -> None:
    session.wants.pnl_single.pop(fields.integer(), None)


def _send_pnl_single(session: Session, req_id: int, held: PositionView) -> None:
    unrealized: Value = UNSET_DOUBLE if held.unrealized is None else held.unrealized
    daily: Value = UNSET_DOUBLE if held.daily is None else held.daily
    value: Value = UNSET_DOUBLE if held.market_value is None else held.market_value
    session.send(95, req_id, held.quantity, daily, unrealized, held.realized, value)


# ---------------------------------------------------------------- as time passes


def after_move(hub: ServerState) -> None:
    """Send profits after a move of the market, and the accounts' values every three minutes."""
    refresh = hub.now % REFRESH_SECONDS == 0
    for session in hub.sessions.values():
        for req_id, account in sorted(session.wants.pnl.items()):
            _send_pnl(session, req_id, _known(hub, account))
        for req_id, (account, con_id) in session.wants.pnl_single.items():
            _send_pnl_single(session, req_id, _known(hub, account).position(con_id))
        if refresh:
            _refresh(hub, session)


def _refresh(hub: ServerState, session: Session) -> None:
    wants = session.wants
    if wants.account:
        broker = _known(hub, wants.account)
        _send_values(hub, session, broker)
        for held in broker.positions():
            _send_portfolio(hub, session, broker, held)
        _send_clock(hub, session)
    for req_id, tags in wants.summaries.items():
        _send_summary(hub, session, req_id, tags)
    for req_id, (account, model) in wants.multi.items():
        _send_multi(hub, session, req_id, _known(hub, account), model)
