"""The account document: from a checked tree to its noun."""

from collections.abc import Iterator

from rulebot.spec.checks import list_problems
from rulebot.spec.conditions import GROUPS, Tree, condition, mapping, number, sequence
from rulebot.spec.diagnostic import Diagnostic
from rulebot.spec.nouns import (
    AccountDocument,
    Amount,
    Between,
    Condition,
    Demand,
    LiveRules,
    Op,
    Path,
    PromotionEvidence,
    Shown,
)
from rulebot.spec.scalar import amount
from rulebot.spec.source import Plain, Source

REQUIRED_DEMANDS = (Shown.COMPLIANT_SESSIONS, Shown.EXPECTANCY)
"""What no document may leave out: real money asks for sessions as planned, and for trades that pay."""
IGNORE = "ignore"
"""What a limit is that is switched off."""
_ENTRIES: Path = ("risk", "require")
_LIVE: Path = ("live", "require")


def account_document(tree: Tree) -> AccountDocument:
    """Return what all bots together may do in one account."""
    risk = mapping(tree["risk"])
    backing = risk.get("cash_secured_puts", PromotionEvidence.CASH.value)
    return AccountDocument(
        version=1,
        about=str(tree["about"]),
        account=str(tree.get("account", "")),
        daily_loss=number(risk.get("daily_loss")),
        at_daily_loss=mapping(risk.get("at_daily_loss", {})).get("close") == "all",
        daily_profit=number(risk.get("daily_profit")),
        max_open=_count(risk.get("max_open")),
        orders_per_minute=_count(risk.get("orders_per_minute")),
        entries_per_day=_count(risk.get("entries_per_day")),
        worst_case=_bound(risk.get("require"), "worst_case"),
        margin=_bound(risk.get("require"), "margin"),
        net_delta=_between(risk.get("require"), "net_delta"),
        net_gamma=_between(risk.get("require"), "net_gamma"),
        net_theta=_between(risk.get("require"), "net_theta"),
        net_vega=_between(risk.get("require"), "net_vega"),
        require=_rules(risk.get("require")),
        cash_secured_puts=None if backing == IGNORE else PromotionEvidence(backing),
        max_contracts_per_order=_count(risk.get("max_contracts_per_order")),
        max_notional_per_order=amount(risk.get("max_notional_per_order")),
        price_band=amount(risk.get("price_band")),
        pattern_day_trading=str(mapping(risk.get("pattern_day_trading", {"ignore": ""}))["ignore"]),
        live=_live(tree.get("live")),
    )


def check_account(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    """Yield duplicate conditions, and required ones that `live.require` leaves out."""
    risk = tree.get("risk")
    if isinstance(risk, dict) and "at_daily_loss" in risk and "daily_loss" not in risk:
        message = "'at_daily_loss' says what a loss of the day does, and 'daily_loss' is not given"
        place: Path = ("risk", "at_daily_loss")
        yield source.diagnostic("RB250", place, message, "give 'daily_loss', or remove it", at_key=True)
    for path in (_ENTRIES, _LIVE):
        yield from _repeated(source, tree, path)
    members: list[Plain] = [*(_conditions(tree, _ENTRIES) or ())]
    rules: list[Plain] = [each if isinstance(each, dict) and _is_rule(each) else None for each in members]
    yield from list_problems(source, rules, _ENTRIES)
    yield from _backwards(source, members, _ENTRIES)
    yield from _left_out(source, tree)


def _left_out(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    """Yield the conditions that `live.require` lacks; nothing while it has one that is unknown."""
    required = _conditions(tree, _LIVE)
    if required is None:
        return
    named = [name for each in required for name in each]
    has_unknown = not set(named) <= {shown.value for shown in Shown}
    for shown in REQUIRED_DEMANDS:
        if shown.value not in named and not has_unknown:
            example = "{above: $0}" if shown is Shown.EXPECTANCY else "{at_least: 20}"
            message = f"'require' lacks '{shown.value}'"
            yield source.diagnostic("RB113", _LIVE, message, f"as in '{shown.value}: {example}'", at_key=True)


def _repeated(source: Source, tree: Tree, path: Path) -> Iterator[Diagnostic]:
    """Yield conditions that are listed twice: it would be unclear which one holds."""
    seen: set[str] = set()
    for place, each in enumerate(_conditions(tree, path) or ()):
        for name in () if _is_rule(each) else each:
            if name in seen:
                at = (*path, place, name)
                yield source.diagnostic(
                    "RB121", at, f"'require' holds '{name}' twice", "keep the tighter one", at_key=True
                )
            seen.add(name)


def _backwards(source: Source, members: Plain, path: Path) -> Iterator[Diagnostic]:
    """Yield ranges whose upper end is first, in groups too: they are empty."""
    for place, each in enumerate(members if isinstance(members, list) else ()):
        yield from _backwards_in(source, each, (*path, place))


def _backwards_in(source: Source, member: Plain, path: Path) -> Iterator[Diagnostic]:
    for name, body in member.items() if isinstance(member, dict) else ():
        if name in ("all", "any"):
            yield from _backwards(source, body, (*path, name))
        elif name == "not":
            yield from _backwards_in(source, body, (*path, name))
        ends = body.get("between") if isinstance(body, dict) else None
        found = [amount(end) for end in ends] if isinstance(ends, list) else []
        if len(found) == 2 and found[0] is not None and found[1] is not None and found[0].value > found[1].value:
            at = (*path, name, "between")
            yield source.diagnostic("RB156", at, "the lower end comes first", "turn the two round")


def _is_rule(tree: Tree) -> bool:
    """Return whether a condition is judged separately (a group, a time, a named one), not as a plain limit."""
    return not tree.keys().isdisjoint({*GROUPS, "time", "name"})


def _rules(require: Plain) -> tuple[Condition, ...]:
    found = [(place, mapping(each)) for place, each in enumerate(sequence(require))]
    return tuple(condition(each, (*_ENTRIES, place)) for place, each in found if _is_rule(each))


def _conditions(tree: Tree, path: Path) -> list[Tree] | None:
    """Return the conditions of a list, sound or not; None where there is no list."""
    found: Plain = tree
    for step in path:
        found = found.get(str(step)) if isinstance(found, dict) else None
    return [each if isinstance(each, dict) else {} for each in found] if isinstance(found, list) else None


def _count(value: Plain) -> int | None:
    return value if isinstance(value, int) else None


def _bound(require: Plain, name: str) -> Amount | None:
    """Return what a condition of `require` allows at most, None when it is not among them."""
    for each in sequence(require):
        if name in mapping(each) and not _is_rule(mapping(each)):
            return amount(mapping(mapping(each)[name])["at_most"])
    return None


def _between(require: Plain, name: str) -> Between | None:
    """Return the ends that a condition of `require` gives, None when it is not among them."""
    for each in sequence(require):
        if name in mapping(each) and not _is_rule(mapping(each)):
            ((op, given),) = mapping(mapping(each)[name]).items()
            ends = tuple(number(end) for end in sequence(given))
            return Between(None if op == "at_most" else ends[0], None if op == "at_least" else ends[-1])
    return None


def _live(value: Plain) -> LiveRules | None:
    if value is None:
        return None
    live = mapping(value)
    good_for = amount(live["good_for"])
    assert good_for is not None
    require = tuple(_demand(mapping(each)) for each in sequence(live["require"]))
    return LiveRules(account=str(live["account"]), require=require, good_for=int(good_for.value))


def _demand(condition: Tree) -> Demand:
    ((name, body),) = condition.items()
    ((op, bound),) = mapping(body).items()
    found = amount(bound)
    assert found is not None
    return Demand(Shown(name), Op(op), found.value)
