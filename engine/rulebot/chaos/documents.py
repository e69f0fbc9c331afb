"""What stands beside the specs and changes in a trial: the account document, and files that specs extend.

Of the document limits are drawn that can be told from outside to have held: what counts, is dealt in or is lost, and
not what only an answer of the broker, or greeks, say.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from random import Random

from rulebot.chaos.spec_edits import AWAY, BREAKS, GONE, Reload, otherwise, places
from rulebot.spec.conditions import mapping, sequence
from rulebot.spec.layout.format import text_of
from rulebot.spec.load import load_text
from rulebot.spec.source import Plain

LIMITS, LIMITS_BROKEN, LIMITS_GONE = OF_ACCOUNT = ("account_limits", "account_broken", "account_removed")
EXTENDED, EXTENDED_BROKEN = OF_EXTENDED = ("extended", "extended_broken")
DOCUMENTS = (*OF_ACCOUNT, *OF_EXTENDED)
WORST, LOSS, AT_LOSS = "worst_case", "daily_loss", "at_daily_loss"
DRAWN: Mapping[str, tuple[Plain, ...]] = {
    "max_open": (1, 1, 2, 3),
    "entries_per_day": (1, 2, 3, 5),
    "orders_per_minute": (1, 2, 4),
    "max_contracts_per_order": (1, 2, 4, 8),
    "max_notional_per_order": ("$60000", "$1000000", "$3000000"),
    LOSS: ("$5", "$100", "$1000"),
    AT_LOSS: ("all", "all", "none"),
    "daily_profit": ("$5", "$100", "$1000"),
    "price_band": (Decimal("0.02"), Decimal("0.25"), "1%", "25%"),
    WORST: ("$100", "$600", "$3000"),
}
"""Limits by name, with what each may be. The least keep most entries out, the largest few."""
FIRST = "rulebot_account: 1\nabout: Limits that a trial has drawn.\naccount: DU1234567\nrisk: {max_open: 3}\n"
"""The document where none was named."""

Limits = tuple[tuple[str, Plain], ...]


def limits_said(text: str) -> Limits:
    """Return which limits of those that are drawn a document has, and what they are."""
    risk = mapping(_tree(text)["risk"]) if text else {}
    plain = {name: value for name, value in risk.items() if name in DRAWN}
    if AT_LOSS in plain:
        plain[AT_LOSS] = mapping(plain[AT_LOSS])["close"]
    for each in filter(_is_worst, sequence(risk.get("require"))):
        plain[WORST] = mapping(mapping(each)[WORST])["at_most"]
    return tuple(plain.items())


def with_limits(text: str, limits: Limits) -> str:
    """Return a document that says these limits of those that are drawn, and all else as it did; "" is none yet."""
    tree = _tree(text or FIRST)
    before = mapping(tree["risk"])
    risk = {name: value for name, value in before.items() if name not in DRAWN and name != "require"}
    risk |= {name: {"close": value} if name == AT_LOSS else value for name, value in limits if name != WORST}
    require: list[Plain] = [each for each in sequence(before.get("require")) if not _is_worst(each)]
    require += [{WORST: {"at_most": value}} for name, value in limits if name == WORST]
    if require:
        risk["require"] = require
    return text_of({**tree, "risk": risk})


def drawn_limits(chance: Random, before: Limits) -> Limits:
    """Return other limits than these: some are tighter, wider, gone or new."""
    found = dict(before)
    for _ in range(chance.choice((1, 1, 2, 3))):
        name = chance.choice(tuple(DRAWN))
        found[name] = chance.choice((*DRAWN[name], None))
        if name == AT_LOSS and found.get(LOSS) is None:
            found[LOSS] = chance.choice(DRAWN[LOSS])
    if found.get(LOSS) is None:
        found.pop(AT_LOSS, None)
    kept = tuple((name, value) for name, value in found.items() if value is not None)
    return kept if kept not in ((), before) else (("max_open", 3 if before != (("max_open", 3),) else 2),)


def of_account(chance: Random, kinds: Sequence[str], text: str, instants: Sequence[datetime]) -> list[Reload]:
    """Return changes of the account document at these instants, in their order; what is not there yet appears first."""
    limits, is_there = limits_said(text), bool(text)
    found: list[Reload] = []
    for at in sorted(instants):
        kind = chance.choice(kinds)
        if kind == LIMITS or not (is_there or LIMITS not in kinds):
            limits, is_there = drawn_limits(chance, limits), True
            found.append(Reload(kind=LIMITS, bot="", at=at, limits=limits))
        else:
            breaks = GONE if kind == LIMITS_GONE else chance.choice(tuple(BREAKS))
            found.append(Reload(kind=kind, bot="", at=at, breaks=breaks, away=chance.choice(AWAY)))
    return found


def of_extended(
    chance: Random, kinds: Sequence[str], texts: Mapping[str, str], instants: Sequence[datetime]
) -> list[Reload]:
    """Return changes of what a bot's file extends; of a spec in which nothing could be said otherwise it is broken."""
    found: list[Reload] = []
    for at in sorted(instants):
        kind, bot = chance.choice(kinds), chance.choice(sorted(texts))
        known = places(texts[bot])
        if kind == EXTENDED and known:
            path, written = chance.choice(known)
            text = otherwise(chance, written, at)
            found.append(Reload(kind=kind, bot=bot, at=at, path=path, text=text))
        elif EXTENDED_BROKEN in kinds:
            breaks, away = chance.choice((*BREAKS, GONE)), chance.choice(AWAY)
            found.append(Reload(kind=EXTENDED_BROKEN, bot=bot, at=at, breaks=breaks, away=away))
    return found


def child_of(name: str, parent: str) -> str:
    """Return the file of a bot that takes all it is from the one whose file has this name."""
    return f"rulebot: 1\nname: {name}\nabout: What it extends says all of it.\nextends: {parent}\n"


def _tree(text: str) -> dict[str, Plain]:
    return mapping(load_text(text).source.tree)


def _is_worst(condition: Plain) -> bool:
    """Say whether a condition is the plain limit, in dollars or a part of the account; one with a name is not."""
    return set(mapping(condition)) == {WORST}
