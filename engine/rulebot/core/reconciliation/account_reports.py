"""What the broker reports of the account: its money, and what it holds of each contract."""

from rulebot.core.facts import OptionGone
from rulebot.core.gate.covered_calls import shares_changed
from rulebot.core.queries.account import expected_holdings
from rulebot.core.queries.orders import option_has_expired
from rulebot.core.reconciliation.account_excess import record_excess
from rulebot.core.reconciliation.account_shortfall import (
    check_contract_ids,
    count_told,
    fit_orders,
    recompute_shortfalls,
)
from rulebot.core.reconciliation.account_snapshot import record_holdings
from rulebot.core.reconciliation.corporate_actions import note_options, note_split
from rulebot.core.reconciliation.early_assignment import note_cash, record_share_change
from rulebot.core.state.builder import StateBuilder
from rulebot.model.contract import Option, Underlying, share
from rulebot.model.event import (
    AccountReport,
    PositionReport,
)
from rulebot.model.money import ZERO
from rulebot.model.values import replace
from rulebot.record.record import Kind


def on_account(work: StateBuilder, event: AccountReport) -> None:
    """Take what the broker reports of the account\'s money."""
    cashes = note_cash(work.account.cashes, event.account.cash, event.at)
    work.account = replace(work.account, cashes=cashes)
    facts = work.market.facts
    if facts.account != event.account:
        account = event.account
        work.record(
            Kind.ACCOUNT,
            net_liquidation=None if account.net_liquidation is None else str(account.net_liquidation),
            cash=None if account.cash is None else str(account.cash),
            buying_power=None if account.buying_power is None else str(account.buying_power),
            available_funds=None if account.available_funds is None else str(account.available_funds),
            maintenance_margin=None if account.maintenance_margin is None else str(account.maintenance_margin),
        )
    work.put_facts(replace(facts, account=event.account))


def on_position(work: StateBuilder, event: PositionReport) -> None:
    """Take what the account holds of one contract, and compare it with our books."""
    before = work.state
    if isinstance(event.contract, Underlying):
        note_split(work, event.contract.symbol, event.quantity, event.average_cost)
        record_share_change(work, event.contract.symbol, event.quantity)
    else:
        note_options(work, event.contract, event.quantity)
    last = work.account.holdings.get(event.contract, ZERO)
    holdings = {**work.account.holdings, event.contract: event.quantity}
    work.account = replace(work.account, holdings=holdings)
    is_gone = work.connection.is_ready and not event.quantity  # at a start executions of others are still to be told
    if is_gone and isinstance(event.contract, Option) and option_has_expired(work, event.contract):
        work.follow_up(OptionGone(event.contract, last))
    uncovered = work.account.uncovered
    if isinstance(event.contract, Underlying):
        holdings = {**holdings, share(event.contract.symbol): event.quantity}
        costs = {**work.account.costs, event.contract.symbol: event.average_cost}
        work.account = replace(work.account, holdings=holdings, costs=costs)
        uncovered = shares_changed(work, event.contract.symbol)
    check_contract_ids(work, [event.contract])
    ours = expected_holdings(work)
    count_told(work, [event.contract] if isinstance(event.contract, Option) else [share(event.contract.symbol)])
    recompute_shortfalls(work, ours, has_fallen=abs(event.quantity) < abs(last))
    if work.connection.is_ready:  # else when all is listed, and what still works
        fit_orders(work)
    record_excess(work, ours)
    record_holdings(work, before)
    work.account = replace(work.account, uncovered=uncovered)
