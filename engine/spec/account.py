"""The account document: from a checked tree to its noun."""

from collections.abc import Iterator

from engine.spec.conditions import Tree, mapping, sequence
from engine.spec.diagnostic import Diagnostic
from engine.spec.scalar import amount
from engine.spec.sections import number
from engine.spec.source import Plain, Source
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
        worst_case_at_expiry=_bound(risk.get("require"), "worst_case_at_expiry"),
        margin=_bound(risk.get("require"), "margin"),
        cash_secured_puts=None if backing is None else Backing(backing),
        max_contracts_per_order=_count(risk.get("max_contracts_per_order")),
        max_notional_per_order=number(risk.get("max_notional_per_order")),
        price_band=amount(risk.get("price_band")),
        pattern_day_trading=str(mapping(risk.get("pattern_day_trading", {"ignore": ""}))["ignore"]),
    )


def repeated(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    """Yield the conditions of `require` that stand there twice: which of the two held would be a guess."""
    seen: set[str] = set()
    for place, each in enumerate(sequence(mapping(tree["risk"]).get("require", []))):
        (name,) = mapping(each)
        if name in seen:
            path = ("risk", "require", place, name)
            yield source.diagnostic(
                "RB121", path, f"'require' holds '{name}' twice", "keep the tighter one", at_key=True
            )
        seen.add(name)


def _count(value: Plain) -> int | None:
    return value if isinstance(value, int) else None


def _bound(require: Plain, name: str) -> Amount | None:
    """Return what a condition of `require` allows at most, None when it is not among them."""
    for each in sequence(require):
        if name in mapping(each):
            return amount(mapping(mapping(each)[name])["at_most"])
    return None
