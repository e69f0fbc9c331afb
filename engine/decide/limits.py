"""The one gate before an entry is sent: every limit, in words when it refuses.

Exits do not pass here: what reduces is never refused for a limit on risk.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from engine.model.money import dollars
from engine.model.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An entry about to be sent, with all that limits look at.

    Units: dollars. worst_case: of the whole position at its price, commissions included, None when it has no bound.
    bot_today, account_today: realised and open profit since the session began. conflicts: contracts of it that some bot
    holds, or has working, the other way round. sent: times of our orders of the last minute.
    """

    at: datetime
    is_ready: bool
    is_reducing: bool
    is_paused: bool
    halted: str
    worst_case: Decimal | None
    max_loss_per_trade: Decimal | None
    undefined_risk: bool
    bot_today: Decimal
    bot_daily_loss: Decimal | None
    account_today: Decimal
    account_daily_loss: Decimal | None
    open_positions: int
    account_max_open: int | None
    conflicts: tuple[str, ...]
    sent: tuple[datetime, ...]
    orders_per_minute: int | None


Check = Callable[[Proposal], str]


def refusal(proposal: Proposal) -> str:
    """Return why this entry may not be sent, "" when it may."""
    return next((reason for check in CHECKS if (reason := check(proposal))), "")


def _ready(proposal: Proposal) -> str:
    return "" if proposal.is_ready else "not in step with the broker yet"


def _trading(proposal: Proposal) -> str:
    if proposal.is_paused:
        return "paused by the operator"
    return "only reducing" if proposal.is_reducing else ""


def _halted(proposal: Proposal) -> str:
    return f"halted: {proposal.halted}" if proposal.halted else ""


def _worst_case(proposal: Proposal) -> str:
    limit, worst = proposal.max_loss_per_trade, proposal.worst_case
    if worst is None:
        if not proposal.undefined_risk:
            return "its loss has no bound, and the spec does not allow that"
        return ""
    if limit is not None and worst > limit:
        return f"could lose {dollars(worst)}, max_loss_per_trade is {dollars(limit)}"
    return ""


def _daily(proposal: Proposal) -> str:
    limit = proposal.bot_daily_loss
    if limit is not None and proposal.bot_today <= -limit:
        return f"the day's loss is {dollars(-proposal.bot_today)}, daily_loss is {dollars(limit)}"
    limit = proposal.account_daily_loss
    if limit is not None and proposal.account_today <= -limit:
        return f"the account's loss today is {dollars(-proposal.account_today)}, its daily_loss is {dollars(limit)}"
    return ""


def _open(proposal: Proposal) -> str:
    limit = proposal.account_max_open
    if limit is not None and proposal.open_positions >= limit:
        return f"{proposal.open_positions} positions are open in the account, max_open is {limit}"
    return ""


def _conflicts(proposal: Proposal) -> str:
    if proposal.conflicts:
        return f"held the other way round: {', '.join(proposal.conflicts)}"
    return ""


def _rate(proposal: Proposal) -> str:
    limit = proposal.orders_per_minute
    recent = sum(1 for at in proposal.sent if proposal.at - at < timedelta(minutes=1))
    if limit is not None and recent >= limit:
        return f"{recent} orders in the last minute, orders_per_minute is {limit}"
    return ""


CHECKS: tuple[Check, ...] = (_ready, _trading, _halted, _worst_case, _daily, _open, _conflicts, _rate)
