"""How a strike is chosen: from a checked tree to its noun."""

import re
from decimal import Decimal

from rulebot.spec.conditions import Tree, mapping, sequence, sure
from rulebot.spec.nouns.condition import Path, Unit, Word
from rulebot.spec.nouns.legs import Bound, Edge, Strike, StrikeBy, StrikeOf, StrikeRounding
from rulebot.spec.scalar import amount
from rulebot.spec.source import Plain

BY_NUMBER = (StrikeBy.DELTA, StrikeBy.PREMIUM, StrikeBy.SIDE_CREDIT, StrikeBy.OTM, StrikeBy.EXPECTED_MOVE)
"""Selectors that are a number, or a bound on it."""
_STRIKE_OF = re.compile(r"strike\((?P<leg>[a-z][a-z0-9_]*)\)")


def strike(tree: Tree, path: Path) -> Strike:
    """Return `strike:`; the schema has found exactly one selector."""
    by, reference, wanted = _selector(tree)
    bound, targets = _targets(wanted)
    return Strike(
        by=by,
        target=targets[0] if targets else None,
        reference=reference,
        bound=bound,
        is_percent=by is StrikeBy.OTM and _is_percent(wanted),
        widths=targets[1:],
        round=StrikeRounding(tree.get("round", "nearest")),
        multiple_of=number(tree.get("multiple_of")),
        prefer_multiple_of=number(tree.get("prefer_multiple_of")),
        at_least_from_spot=number(tree.get("at_least_from_spot")),
        not_below=_edge(tree.get("not_below")),
        not_above=_edge(tree.get("not_above")),
        within=number(tree.get("within")),
        path=path,
    )


def _selector(tree: Tree) -> tuple[StrikeBy, str | None, Plain]:
    for by in BY_NUMBER:
        if by.value in tree:
            return by, None, tree[by.value]
    for by in (StrikeBy.BELOW, StrikeBy.ABOVE):
        if by.value in tree:
            return by, str(tree[by.value]), tree["by"]
    at = str(tree["at"])
    return (StrikeBy.AT_SPOT, None, None) if at == "spot" else (StrikeBy.AT_LEG, at, None)


def _targets(wanted: Plain) -> tuple[Bound, tuple[Decimal, ...]]:
    """Return what is asked for: a number, a bound on one, or widths in order of preference."""
    bound = Bound.NEAREST
    if isinstance(wanted, dict):
        ((word, wanted),) = mapping(wanted).items()
        bound = Bound(word)
    return bound, tuple(sure(number(each)) for each in sequence(wanted))


def _is_percent(wanted: Plain) -> bool:
    value = next(iter(wanted.values())) if isinstance(wanted, dict) else wanted
    return sure(amount(value)).unit is Unit.PERCENT


def _edge(value: Plain) -> Edge | None:
    if value is None:
        return None
    found = _STRIKE_OF.fullmatch(value) if isinstance(value, str) else None
    return StrikeOf(found["leg"]) if found is not None else amount(value) or Word(str(value))


def number(value: Plain) -> Decimal | None:
    """Return the number of an amount whose unit the schema has checked."""
    return None if value is None else sure(amount(value)).value
