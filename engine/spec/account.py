"""The account document: from a checked tree to its noun."""

from engine.spec.conditions import Tree, mapping, sequence
from engine.spec.scalar import amount
from engine.spec.sections import number
from engine.spec.source import Plain
from engine.spec.spec import AccountDocument, Amount, Backing


def account_document(tree: Tree) -> AccountDocument:
    """Return what all bots together may do in one account."""
    risk = mapping(tree["risk"])
    backing = risk.get("cash_secured_puts")
    return AccountDocument(
        version=1,
        about=str(tree["about"]),
        account=str(tree["account"]),
        daily_loss=number(risk.get("daily_loss")),
        max_open=_count(risk.get("max_open")),
        orders_per_minute=_count(risk.get("orders_per_minute")),
        entries_per_day=_count(risk.get("entries_per_day")),
        worst_case_at_expiry=_worst_case(risk.get("require")),
        cash_secured_puts=None if backing is None else Backing(backing),
        max_contracts_per_order=_count(risk.get("max_contracts_per_order")),
        max_notional_per_order=number(risk.get("max_notional_per_order")),
        price_band=amount(risk.get("price_band")),
        pattern_day_trading=str(mapping(risk.get("pattern_day_trading", {"ignore": ""}))["ignore"]),
    )


def _count(value: Plain) -> int | None:
    return value if isinstance(value, int) else None


def _worst_case(require: Plain) -> Amount | None:
    """Return the bound of the one condition that `require` can hold."""
    for each in sequence(require):
        return amount(mapping(mapping(each)["worst_case_at_expiry"])["at_most"])
    return None
