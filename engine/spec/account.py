"""The account document: from a checked tree to its noun."""

from engine.spec.conditions import Tree, mapping
from engine.spec.sections import number
from engine.spec.spec import AccountDocument


def account_document(tree: Tree) -> AccountDocument:
    """Return what all bots together may do in one account."""
    risk = mapping(tree["risk"])
    max_open, orders = risk.get("max_open"), risk.get("orders_per_minute")
    return AccountDocument(
        version=1,
        about=str(tree["about"]),
        account=str(tree["account"]),
        daily_loss=number(risk.get("daily_loss")),
        max_open=max_open if isinstance(max_open, int) else None,
        orders_per_minute=orders if isinstance(orders, int) else None,
    )
