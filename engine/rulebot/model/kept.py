"""What a target promised to keep of a trade, what was kept, and the slippage of its exit, from recorded values."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from rulebot.model.money import CENT, ZERO
from rulebot.model.position import ExitTerms, Position

TARGET_MISSED = "target_missed"
"""How a trade ended that a target closed without keeping what it promises."""


class ProfitKept(NamedTuple):
    """How the last exit of a closed trade did.

    Units: shares are parts of the entry price (0.5 is 50 %), None where the target promises dollars; dollars of the
    whole trade, or of the legs that the exit counts, after commissions where the target is in dollars. slippage:
    dollars per contract of the structure against the price of the exit, + is better than that price, None where the
    exit has no price. promised and kept are None for an exit that promises nothing.
    """

    exit: str
    promised_share: Decimal | None
    kept_share: Decimal | None
    promised_dollars: Decimal | None
    kept_dollars: Decimal | None
    slippage: Decimal | None

    @property
    def is_missed(self) -> bool:
        """Say whether a target kept less than it promised, by a cent or more."""
        promised, kept = self.promised_dollars, self.kept_dollars
        return promised is not None and kept is not None and promised - kept >= CENT


def kept_of(position: Position) -> ProfitKept | None:
    """Return how the exit that closed a trade did; None while it is open, and where no exit of the spec closed it."""
    terms = position.terms
    if terms is None or not position.is_flat or not position.has_fills or terms.exit != position.exit_reason:
        return None
    slippage = _slippage(position, terms)
    if terms.dollars is None:
        return ProfitKept(terms.exit, None, None, None, None, slippage)
    legs = [leg for leg in position.legs if not terms.legs or leg.name in terms.legs]
    entry = abs(sum((leg.entry_cash for leg in legs), ZERO))
    kept = sum((leg.entry_cash + leg.proceeds for leg in legs), ZERO)
    if terms.is_after_commissions:
        kept -= sum((leg.commissions for leg in legs), ZERO)
    if terms.share is None or not entry:
        return ProfitKept(terms.exit, None, None, terms.dollars, kept, slippage)
    return ProfitKept(terms.exit, terms.share, kept / entry, terms.share * entry, kept, slippage)


def is_target_missed(position: Position) -> bool:
    """Say whether a target closed this trade and kept less than it promised."""
    found = kept_of(position)
    return found is not None and found.is_missed


def end_of(position: Position) -> str:
    """Return the name under which the end of a trade is reported: that of its exit, or `target_missed`."""
    return TARGET_MISSED if is_target_missed(position) else position.exit_reason


def end_of_row(row: Mapping[str, Any]) -> str:
    """Return the same of a row of `trades`; the word of the tables where no exit closed it, "" while it is open."""
    reason = row["exit_reason"]
    return TARGET_MISSED if reason == TARGET_MISSED.upper() else str(row["exit_name"] or reason or "")


def _slippage(position: Position, terms: ExitTerms) -> Decimal | None:
    """Return dollars per contract of the structure by which the exit closed better than its price."""
    if terms.net is None or terms.structures <= 0:
        return None
    brought = sum((leg.proceeds for leg in position.legs), ZERO) - terms.closed_cash
    return (brought / terms.structures - terms.net * 100).quantize(CENT)
