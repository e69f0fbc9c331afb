"""Order requests, and the delivery of what the broker reports to the clients it concerns."""

from collections.abc import Sequence
from dataclasses import replace

from twsim.exchange.exchange import SimExchange
from twsim.gateway import encode_orders
from twsim.gateway.accounts import report_values, send_position_change
from twsim.gateway.hub import Command, FaultPolicy, ServerState
from twsim.gateway.parse import ContractQuery, matches, no_contract, placed_order
from twsim.gateway.wire import Fields, Session, request_time, symbol_in
from twsim.nouns import Instrument
from twsim.seams import (
    Commissioned,
    Exchange,
    Executed,
    Execution,
    OrderChanged,
    OrderError,
    OrderView,
    PositionChanged,
    Report,
    Ticket,
    WhatIfAnswer,
    reported_id,
)

READ_ONLY = "The API interface is currently in Read-Only mode."
NO_ACCOUNT = "You must specify an account."
NO_PRICE = "Error validating request.-'bA' : cause - Please enter a valid price"


def _instrument(hub: ServerState, ticket: Ticket) -> Instrument | None:
    return None if ticket.sec_type == "BAG" else hub.market.catalogue.by_id(ticket.con_id)


# ---------------------------------------------------------------- reports


def deliver(hub: ServerState, reports: list[Report]) -> None:
    """Send each report to whom it concerns, in the broker's order, unless a fault changes it."""
    deliver_unchanged(hub, reports if hub.faults is None else hub.faults.reports(reports))


def deliver_unchanged(hub: ServerState, reports: list[Report], broker: Exchange | None = None) -> None:
    """Send each report of an account, the first by default, to its recipients, with present values."""
    for report in reports:
        if isinstance(report, OrderChanged):
            _order_changed(hub, report)
        elif isinstance(report, Executed):
            _executed(hub, report.execution)
        elif isinstance(report, Commissioned):
            for session in hub.listeners(report.client_id):
                encode_orders.send_commission(session, report)
        elif isinstance(report, OrderError):
            if (owner := hub.sessions.get(report.client_id)) is not None:
                owner.error(reported_id(report.order_id), report.code, report.text)
        elif isinstance(report, PositionChanged):
            send_position_change(hub, report.con_id, broker or hub.exchange)
        else:
            _margins(hub, report)
    if any(isinstance(report, PositionChanged) for report in reports):
        report_values(hub, broker or hub.exchange)


def _order_changed(hub: ServerState, report: OrderChanged) -> None:
    for session in hub.listeners(report.order.ticket.client_id):
        if report.echo_open:
            send_open_order(hub, session, report.order)
        encode_orders.send_status(session, report.order)


def send_open_order(hub: ServerState, session: Session, view: OrderView) -> None:
    """Send openOrder with an order's present values."""
    found = _instrument(hub, view.ticket)
    session.send(
        *encode_orders.open_order(
            session.version,
            view.ticket,
            found,
            perm_id=view.perm_id,
            status=view.status.value,
            commission=view.commission,
        )
    )


def _executed(hub: ServerState, done: Execution) -> None:
    for session in hub.listeners(done.client_id):
        _send_execution(hub, session, -1, done)


def _send_execution(hub: ServerState, session: Session, req_id: int, done: Execution) -> None:
    found = None if done.sec_type == "BAG" else hub.market.catalogue.by_id(done.con_id)
    session.send(*encode_orders.execution(session.version, req_id, done, found))


def _margins(hub: ServerState, report: WhatIfAnswer) -> None:
    owner = hub.sessions.get(report.ticket.client_id)
    if owner is None:
        return
    found = _instrument(hub, report.ticket)
    status, margin = "PreSubmitted", report.margin
    owner.send(*encode_orders.open_order(owner.version, report.ticket, found, perm_id=0, status=status, margin=margin))


# ---------------------------------------------------------------- commands


def place_order(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 3: a new order, a modification or a what-if."""
    ticket, query = placed_order(fields, session.version, session.client_id)
    key = (ticket.client_id, ticket.order_id)
    highest = hub.highest_id.get(ticket.client_id, 0)
    passed_over = key not in hub.used_ids and ticket.order_id <= max(highest, hub.passed_id.get(ticket.client_id, 0))
    hub.highest_id[ticket.client_id] = max(highest, ticket.order_id)
    hub.used_ids.add(key)
    if ticket.what_if:
        deliver(hub, _asked(hub, ticket, query))
    elif passed_over:
        submit(hub, ticket.client_id, lambda: [_refused(ticket, 103, "Duplicate order id")])
    else:
        submit(hub, ticket.client_id, lambda: _placed(hub, ticket, query))


def submit(hub: ServerState, client_id: int, command: Command) -> None:
    """Run a command now, or keep it for the barrier while a client holds the clock."""
    if hub.holders or (hub.faults is not None and hub.faults.link_lost):
        hub.commands.append((client_id, hub.sequence, command))
        hub.sequence += 1
    else:
        deliver(hub, command())


def run_commands(hub: ServerState) -> None:
    """Run what waited for the barrier, by client id and then in the order each client sent it."""
    if hub.faults is not None and hub.faults.link_lost:
        return
    waiting = sorted(hub.commands, key=lambda each: each[:2])
    hub.commands.clear()
    for _, _, command in waiting:
        deliver(hub, command())


def _refused(ticket: Ticket, code: int, words: str) -> Report:
    return OrderError(ticket.client_id, ticket.order_id, code, words)


def _resolved(hub: ServerState, ticket: Ticket, query: ContractQuery) -> Ticket | Report:
    """Return the ticket with its contract's own id and names, or the error that answers it."""
    if not ticket.account and hub.others:
        return _refused(ticket, 435, NO_ACCOUNT)
    if hub.settings.read_only:
        return _refused(ticket, 321, f"Error validating request.-'bA' : cause - {READ_ONLY}")
    if ticket.order_type == "LMT" and ticket.limit_price is None:
        return _refused(ticket, 321, NO_PRICE)
    if query.is_combo:
        if not ticket.legs:
            return _refused(ticket, 321, "Error validating request.-'bA' : cause - Combo has no legs")
        return _renamed(hub, ticket, con_id=0, symbol=ticket.symbol, sec_type="BAG")
    found = matches(hub.market.catalogue, query)
    if len(found) != 1:
        return _refused(ticket, 200, no_contract(len(found), query))
    only = found[0]
    return _renamed(hub, ticket, con_id=only.con_id, symbol=only.symbol, sec_type=only.sec_type.value)


def _renamed(hub: ServerState, ticket: Ticket, *, con_id: int, symbol: str, sec_type: str) -> Ticket:
    account = ticket.account or hub.exchange.account
    return replace(ticket, con_id=con_id, symbol=symbol, sec_type=sec_type, account=account)


def _placed(hub: ServerState, ticket: Ticket, query: ContractQuery) -> list[Report]:
    found = _resolved(hub, ticket, query)
    if not isinstance(found, Ticket):
        return [found]
    owner = hub.owners.setdefault((found.client_id, found.order_id), found.account)
    if owner != found.account:
        return [_refused(ticket, 105, "Order being modified does not match original order")]
    broker = hub.others.get(owner, hub.exchange)
    if broker is hub.exchange and hub.faults is not None:
        return hub.faults.place(found)
    reports = broker.place(found)
    if not hub.holders and isinstance(broker, SimExchange):  # without a holder time runs, also between two moves
        reports += broker.meet_arrivals()
    return reports


def _asked(hub: ServerState, ticket: Ticket, query: ContractQuery) -> list[Report]:
    found = _resolved(hub, ticket, query)
    if not isinstance(found, Ticket):
        return [found]
    return hub.others.get(found.account, hub.exchange).what_if(found)


def cancel_order(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 4; from version 169 a manual cancel time follows, which is read and not used."""
    fields.skip()
    order_id, client_id = fields.integer(), session.client_id
    if _is_refused(hub, session, order_id):
        return
    broker: Exchange | FaultPolicy | None = hub.others.get(hub.owners.get((client_id, order_id), ""))
    broker = broker or (hub.exchange if hub.faults is None else hub.faults)
    submit(hub, client_id, lambda: broker.cancel(client_id, order_id))


def global_cancel(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 58: everything, in every account."""
    if _is_refused(hub, session):
        return
    submit(hub, session.client_id, lambda: [report for each in hub.brokers for report in each.cancel_all()])


# ---------------------------------------------------------------- questions


def open_orders(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 5: the client's own orders."""
    _send_orders(hub, session, own_only=True)


def all_open_orders(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 16: everyone's orders, once."""
    _send_orders(hub, session, own_only=False)


def _is_refused(hub: ServerState, session: Session, order_id: int = -1) -> bool:
    """Refuse where the API is read-only, as the real gateway does: a list of orders on no id, and without an end."""
    if hub.settings.read_only:
        session.error(order_id, 321, f"Error validating request.-'cA' : cause - {READ_ONLY}")
    return hub.settings.read_only


def _send_orders(hub: ServerState, session: Session, *, own_only: bool) -> None:
    if _is_refused(hub, session):
        return
    views = [each for each in _open(hub) if not own_only or each.ticket.client_id == session.client_id]
    for view in hub.reported(session, "orders", views, nothing):
        _send_listed(hub, session, view)
        hub.note_passed(session.client_id, reported_id(view.ticket.order_id))
    if hub.ends(session, "orders"):
        session.send(53, 1)


def _open(hub: ServerState) -> list[OrderView]:
    return [view for broker in hub.brokers for view in broker.open_orders()]


def nothing(rows: Sequence[object]) -> None:
    """Leave it at that: rows that were left out of an answer are not sent by themselves."""


def open_orders_unasked(hub: ServerState, session: Session) -> None:
    """Send working orders to client 0 or the master at connect, without an End."""
    for view in _open(hub):
        _send_listed(hub, session, view)


def _send_listed(hub: ServerState, session: Session, view: OrderView) -> None:
    shown = view if hub.faults is None else hub.faults.shown(view)
    send_open_order(hub, session, shown)
    encode_orders.send_status(session, shown)


def auto_open_orders(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 15: client 0 binds orders of the window, of which this gateway has none."""
    fields.skip()
    if session.client_id != 0:
        session.error(-1, 321, "Error validating request.-'bB' : cause - Only client 0 can bind open orders")
        return
    fields.flag()


def completed_orders(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 99: today's finished orders of every account."""
    if _is_refused(hub, session):
        return
    views = [view for broker in hub.brokers for view in broker.completed_orders()]
    for view in hub.reported(session, "completed", views, nothing):
        session.send(*encode_orders.completed_order(session.version, view, _instrument(hub, view.ticket)))
    if hub.ends(session, "completed"):
        session.send(102)


def executions(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 7: today's executions, each followed by its commission; own ones unless client 0 or master."""
    fields.skip()
    req_id, client_id = fields.integer(), fields.integer()
    account, words = fields.text(), fields.text().strip()
    since = request_time(words) if words else None
    symbol, sec_type, _, side = symbol_in(fields.text()), fields.text().upper(), fields.text(), fields.text().upper()
    side = {"BUY": "BOT", "SELL": "SLD", "SSHORT": "SLD"}.get(side, side)
    sees_all = session.client_id in (0, hub.settings.master_client_id)

    def is_wanted(done: Execution) -> bool:
        pairs = ((account, done.account), (symbol, done.symbol), (sec_type, done.sec_type), (side, done.side))
        is_shown = sees_all or done.client_id == session.client_id
        is_of = is_shown and client_id in (0, done.client_id)
        return is_of and (since is None or done.at >= since) and all(asked in ("", has) for asked, has in pairs)

    made = [done for broker in hub.brokers for done in broker.executions()]
    for done in filter(is_wanted, hub.reported(session, "executions", made, nothing)):
        if hub.faults is None or hub.faults.shows_execution(done.exec_id):
            _send_execution(hub, session, req_id, done)
            _send_commission_of(hub, session, done)
    if hub.ends(session, "executions"):
        session.send(55, 1, req_id)


def _send_commission_of(hub: ServerState, session: Session, done: Execution) -> None:
    if hub.faults is not None and not hub.faults.shows_commission(done.exec_id):
        return
    broker = hub.broker_of(done.account)
    if broker is not None and (paid := broker.commission_of(done.exec_id)) is not None:
        encode_orders.send_commission(session, paid)


def next_ids(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 8: the next order id of this client; the count it asks for is ignored."""
    session.send(9, 1, hub.next_id(session.client_id))
