"""Account excess: options of our bots that the account holds beyond our books. A person is alarmed, once.

They may be a person's own, and block only entries that would net with them. They may also come from a restored store or
another engine; then no exit watches them. After a connect our fills come first; during a run fills may be reported
after the account's count, so an excess counts after a delay. A restart knows what was reported in its session.
"""

from collections.abc import Mapping
from datetime import timedelta

from rulebot.core.queries.account import _more, expected_holdings, is_unreported
from rulebot.core.queries.orders import option_has_expired
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import all_live_orders, held_legs
from rulebot.core.state.state import Excess
from rulebot.model.contract import Option
from rulebot.model.values import replace
from rulebot.record.codec import encode
from rulebot.record.record import EXCESS, Json, Kind

STAYS = timedelta(minutes=2)
"""How long it must have been there: fills that were missed are asked for within a minute."""
NAMED = 8
"""How many options an alarm names."""


def record_excess(work: StateBuilder, ours: Mapping[Option, int] | None = None) -> None:
    """Compare the account's holdings with our books; holds and double closes are reported elsewhere.

    ours: our books, where they are at hand.
    """
    known = work.account.excess
    found = {}
    for option, contracts in _beyond(work, expected_holdings(work) if ours is None else ours).items():
        before = known.get(option, Excess(0, work.at, 0))
        if before.contracts != contracts:
            before = before._replace(contracts=contracts, since=work.at)
        found[option] = before._replace(reported=contracts) if option in work.account.shortfalls else before
    if found != known:
        work.account = replace(work.account, excess=found)


def report_excess(work: StateBuilder, stays: timedelta = STAYS) -> None:
    """Alarm of lasting holdings beyond our books that were not reported yet."""
    if not is_unreported(work.account):
        return
    record_excess(work)
    known = work.account.excess
    lasting = {x: each.contracts for x, each in known.items() if each.is_unreported and work.at - each.since >= stays}
    due = {x: lasting[x] for x in sorted(lasting, key=str) if not _may_be_filled(work, x, lasting[x])}
    if due:
        reported = {option: known[option]._replace(reported=contracts) for option, contracts in due.items()}
        work.account = replace(work.account, excess={**known, **reported})
        named = ", ".join(f"{contracts:+d} {option}" for option, contracts in list(due.items())[:NAMED])
        more = f" and {len(due) - NAMED} more" if len(due) > NAMED else ""
        text = f"the account holds {named}{more} that no position explains"
        words = f"{text}: no exit watches it, unless it is your own"
        beyond: dict[str, Json] = {EXCESS: [[encode(option), contracts] for option, contracts in due.items()]}
        work.record(Kind.ALARM, text=words, **beyond)


def _beyond(work: StateBuilder, ours: Mapping[Option, int]) -> dict[Option, int]:
    """Return how many contracts the account holds beyond our books of what our bots deal in, - short."""
    found = {}
    for option, held in work.account.holdings.items():
        if isinstance(option, Option) and not option.is_share:
            beyond = _more(int(held), ours.get(option, 0))
            if beyond and not option_has_expired(work, option):
                found[option] = beyond
    classes = _classes(work) if found else ()
    return {option: beyond for option, beyond in found.items() if option.trading_class in classes} if found else {}


def _classes(work: StateBuilder) -> set[str]:
    """Return the trading classes of the options that our bots trade, or hold."""
    chains = (chain for text in work.program.texts for chain in text.plan.needs.chains)
    return {trading_class for _, trading_class, _ in chains} | {leg.option.trading_class for leg in held_legs(work)}


def _may_be_filled(work: StateBuilder, option: Option, contracts: int) -> bool:
    """Say whether an order that may still fill trades an option on that side: its fill may be unreported."""
    orders = all_live_orders(work)
    return any(
        order.side_of(leg).sign * contracts > 0 for order in orders for leg in order.legs if leg.option == option
    )
