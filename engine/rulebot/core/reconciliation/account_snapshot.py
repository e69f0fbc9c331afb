"""What the account was seen to hold, on record as it changes: a start compares with it what the account holds then.

It is kept of the symbols of our positions, other people's contracts included: what was assigned, or split, shows in all
of them together. With it goes when that was seen to change: what is still being confirmed is so after a start.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from rulebot.core.facts import OptionGone
from rulebot.core.gate.covered_calls import shares_changed
from rulebot.core.queries.account import expected_holdings
from rulebot.core.queries.orders import option_has_expired
from rulebot.core.reconciliation.account_excess import record_excess
from rulebot.core.reconciliation.account_shortfall import (
    check_contract_ids,
    count_reported,
    fit_orders,
    recompute_shortfalls,
)
from rulebot.core.reconciliation.corporate_actions import note_options, note_split
from rulebot.core.reconciliation.early_assignment import note_cash, record_share_change
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_facts
from rulebot.core.state.lists import held_legs
from rulebot.core.state.state import AccountSeen, State
from rulebot.model.contract import Contract, Option, Underlying, share
from rulebot.model.event import (
    AccountReport,
    PositionReport,
)
from rulebot.model.money import ZERO
from rulebot.model.session import session_from
from rulebot.model.values import replace
from rulebot.record.codec import encode
from rulebot.record.record import ACCOUNT_SEEN, Json, Kind

C = TypeVar("C", bound=Contract)
K = TypeVar("K")
V = TypeVar("V")


def record_holdings(work: StateBuilder, before: State) -> None:
    """Record what the account holds, of our symbols, if that is not what it held before.

    Not while the broker still lists it, one contract after the other.
    """
    if work.connection.is_ready:
        symbols = _symbols(work)
        seen = _seen(work.state, symbols)
        if seen != _seen(before, symbols):
            _record(work, seen)


def record_snapshot(work: StateBuilder, until: datetime | None = None) -> None:
    """Record what the account holds of our symbols. until: when that was known last, before now."""
    if symbols := _symbols(work):
        of: dict[str, Json] = {"until": until.isoformat()} if until else {}
        _record(work, _seen(work.state, symbols), **of)


def _record(work: StateBuilder, seen: AccountSeen, **of: Json) -> None:
    work.record(Kind.FACTS, symbol="", what=ACCOUNT_SEEN, value=encode(_in_order(seen)), **of)


def _symbols(work: StateBuilder) -> set[str]:
    return {leg.option.symbol for position in work.positions.by_id.values() for leg in position.legs}


def _seen(state: State, symbols: set[str]) -> AccountSeen:
    return AccountSeen(
        _of(state.account.holdings, symbols),
        _by_symbol(state.account.costs, symbols),
        _of(state.account.holdings_at_expiry, symbols),
        _of(state.account.shortfalls, symbols),
        _by_symbol(state.account.share_changes, symbols),
        _by_symbol(state.account.adjusted, symbols),
    )


def _by_symbol(found: Mapping[str, V], symbols: set[str]) -> dict[str, V]:
    return {symbol: value for symbol, value in found.items() if symbol in symbols} if found else {}


def _of(found: Mapping[C, V], symbols: set[str]) -> dict[C, V]:
    """Return the holdings of all contracts on these symbols, without zero counts."""
    return {each: value for each, value in found.items() if value and each.symbol in symbols} if found else {}


def _in_order(seen: AccountSeen) -> AccountSeen:
    """Return the same by name, in a fixed order."""
    return AccountSeen(
        _by_name(seen.holdings),
        _by_name(seen.costs),
        _by_name(seen.holdings_at_expiry),
        _by_name(seen.shortfalls),
        _by_name(seen.share_changes),
        _by_name(seen.adjusted),
    )


def _by_name(found: Mapping[K, V]) -> dict[K, V]:
    return {each: found[each] for each in sorted(found, key=str)} if len(found) > 1 else {**found}


def note_expired(work: StateBuilder, holdings: Mapping[Contract, Decimal]) -> None:
    """Record the account's last holding of expired contracts that its new list lacks.

    It is known only if seen when the contract no longer traded.
    """
    account, seen_at = work.account, work.account.seen_at
    if seen_at is None:
        return
    ours = {leg.option for leg in held_legs(work)}
    gone = {
        option: count
        for option, count in account.holdings.items()
        if isinstance(option, Option) and option in ours and count and not holdings.get(option)
        if option_has_expired(work, option) and seen_at >= session_from(option.expiry).close
    }
    if gone:
        work.account = replace(account, holdings_at_expiry={**gone, **account.holdings_at_expiry})


# --- What the broker reports of the account


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
    put_facts(work, replace(facts, account=event.account))


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
    is_gone = work.connection.is_ready and not event.quantity  # at a start external executions are still due
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
    count_reported(work, [event.contract] if isinstance(event.contract, Option) else [share(event.contract.symbol)])
    recompute_shortfalls(work, ours, has_fallen=abs(event.quantity) < abs(last))
    if work.connection.is_ready:  # else when all is listed, and what still works
        fit_orders(work)
    record_excess(work, ours)
    record_holdings(work, before)
    work.account = replace(work.account, uncovered=uncovered)
