"""The program of the core, as data: `PIPELINE` lists which stage handles which event and which fact.

A stage never calls another stage. A handler changes the state, records, sends orders, and passes further work as a fact
to `StateBuilder.follow_up`. The fact comes back here and is handled at once, depth first: an exit that is judged later
must see the orders that an earlier exit has sent.
"""

from collections.abc import Callable, Mapping
from typing import Any

from rulebot.core import facts
from rulebot.core.entry.entry_ended import cancel_other_entries, entry_order_ended, next_opening, part_ended, unwind
from rulebot.core.entry.entry_orders import next_entry_try
from rulebot.core.entry.manual_entry import ask_entry, give_up
from rulebot.core.exits.bracket_orders import place_resting
from rulebot.core.exits.closing_orders import (
    close_position,
    next_closing_try,
    protect_remaining,
    sell_shares,
    work_close,
)
from rulebot.core.exits.order_ended import order_ended, part_closed, position_filled
from rulebot.core.exits.protective_stops import place_protection
from rulebot.core.exits.self_crossing import give_way_to_entry
from rulebot.core.expiry.settlement import ending_corrected, settle
from rulebot.core.gate.margin import on_margin
from rulebot.core.orders.executions import fit_orders_to_position, on_commission, on_execution
from rulebot.core.orders.missed_fills import book_missed_fills
from rulebot.core.orders.order_status_requests import listed_at_first, orders_listed
from rulebot.core.orders.order_updates import on_message, on_order, order_unsent
from rulebot.core.orders.tick_sizes import on_listing
from rulebot.core.reconciliation.account_excess import record_excess
from rulebot.core.reconciliation.account_shortfall import fill_booked, fit_orders, recompute_shortfalls
from rulebot.core.reconciliation.account_snapshot import on_account, on_position, record_snapshot
from rulebot.core.reconciliation.connection import clocks_apart, link_down, link_up
from rulebot.core.reconciliation.external_closes import (
    adopt,
    external_fill_corrected,
    on_external_price,
    replace_estimates,
)
from rulebot.core.rules.inputs import hook_came, take_bars, take_implied
from rulebot.core.session.hours import hours_reported
from rulebot.core.session.market_facts import (
    on_account_warning,
    on_closes,
    on_data_trouble,
    on_dividend,
    on_opening_move,
)
from rulebot.core.session.operator_requests import on_operator
from rulebot.core.session.reloading import reload_waits
from rulebot.core.session.store_outage import store_reported
from rulebot.core.state.builder import StateBuilder
from rulebot.model import event

Handler = Callable[[StateBuilder, Any], None]


def _external_fill(work: StateBuilder, _: facts.ExternalFill) -> None:
    fit_orders(work)
    replace_estimates(work)


def _resting_due(work: StateBuilder, fact: facts.RestingDue) -> None:
    place_resting(work, work.positions.by_id[fact.position], at_once=fact.at_once)


def _protection_due(work: StateBuilder, fact: facts.ProtectionDue) -> None:
    position = work.positions.by_id[fact.position]
    (protect_remaining if fact.while_closing else place_protection)(work, position)


def _close_wanted(work: StateBuilder, fact: facts.CloseWanted) -> None:
    close_position(work, work.positions.by_id[fact.position], fact.exit, fact.why)


ORDERS: Mapping[type, Handler] = {
    event.OrderReport: on_order,
    event.OrderMessage: on_message,
    event.OrderUnsent: order_unsent,
    event.ExecutionReport: on_execution,
    event.CommissionReport: on_commission,
    event.OrdersListed: orders_listed,
    event.MarginReport: on_margin,
    event.ListingReport: on_listing,
    facts.FillsMissed: lambda work, fact: book_missed_fills(work, fact.at_broker, fact.costs),
    facts.OrdersListedFirst: lambda work, fact: listed_at_first(work, fact.at_broker),
    facts.OrdersTooLarge: lambda work, fact: fit_orders_to_position(work, work.positions.by_id[fact.position]),
}
SESSION: Mapping[type, Handler] = {
    event.ClosesReport: on_closes,
    event.BarsReport: take_bars,
    event.ImpliedReport: take_implied,
    event.DividendReport: on_dividend,
    event.OpeningMoveReport: on_opening_move,
    event.HoursReport: hours_reported,
    event.DataTrouble: on_data_trouble,
    event.AccountWarning: on_account_warning,
    event.WebhookReceived: hook_came,
    event.OperatorRequest: on_operator,
    event.ReloadPending: reload_waits,
    event.StoreReport: store_reported,
}
RECONCILIATION: Mapping[type, Handler] = {
    event.Connected: link_up,
    event.Disconnected: link_down,
    event.ClockSkew: clocks_apart,
    event.AccountReport: on_account,
    event.PositionReport: on_position,
    event.ExternalClosePriced: on_external_price,
    facts.FillBooked: fill_booked,
    facts.HoldingsChanged: lambda work, _: recompute_shortfalls(work),
    facts.ExternalFill: _external_fill,
    facts.ExternalFillCorrected: external_fill_corrected,
    facts.TextsChanged: lambda work, _: record_excess(work),
    facts.SessionStarted: lambda work, _: record_snapshot(work),
    facts.HaltsEnded: lambda work, fact: adopt(work, fact.bot),
}
EXPIRY: Mapping[type, Handler] = {
    event.SettlementCorrected: ending_corrected,
    facts.OptionGone: lambda work, fact: settle(work, fact.option, fact.last),
}
EXITS: Mapping[type, Handler] = {
    facts.PositionFilled: position_filled,
    facts.OrderEnded: order_ended,
    facts.PartClosed: part_closed,
    facts.SharesLeft: lambda work, fact: sell_shares(work, work.positions.by_id[fact.position]),
    facts.CloseWanted: _close_wanted,
    facts.CloseGoesOn: lambda work, fact: work_close(work, work.positions.by_id[fact.position]),
    facts.ClosingTryDue: next_closing_try,
    facts.RestingDue: _resting_due,
    facts.ProtectionDue: _protection_due,
    facts.EntryCrosses: give_way_to_entry,
}
ENTRY: Mapping[type, Handler] = {
    facts.EntryOrderEnded: entry_order_ended,
    facts.EntryFilledLate: cancel_other_entries,
    facts.EntryTryDue: next_entry_try,
    facts.OpeningDue: lambda work, fact: next_opening(work, work.positions.by_id[fact.position]),
    facts.PartEnded: part_ended,
    facts.LegsAlone: lambda work, fact: unwind(work, work.positions.by_id[fact.position], fact.why),
    facts.EntryAskedFor: lambda work, fact: ask_entry(work, fact.bot, fact.named),
    facts.EntryDropped: lambda work, fact: give_up(work, fact.bot, fact.why),
}
PIPELINE: Mapping[str, Mapping[type, Handler]] = {
    "orders": ORDERS,
    "session": SESSION,
    "reconciliation": RECONCILIATION,
    "expiry": EXPIRY,
    "exits": EXITS,
    "entry": ENTRY,
}
HANDLERS: dict[type, Handler] = {kind: handler for stage in PIPELINE.values() for kind, handler in stage.items()}


def take(work: StateBuilder, fact: object) -> None:
    """Have the stage that takes this kind of event or fact do so. Raises: KeyError of a kind that none takes."""
    HANDLERS[type(fact)](work, fact)
