"""The sections of a strategy: from a checked tree to the nouns of `spec.py`."""

from decimal import Decimal
from typing import Any

from engine.spec.conditions import (
    LEAVING,
    Tree,
    argument,
    condition,
    conditions,
    kind_of,
    mapping,
    own_name,
    sequence,
    sure,
    texts,
)
from engine.spec.scalar import amount, day_time, seconds
from engine.spec.source import Plain
from engine.spec.spec import (
    Again,
    Amount,
    Condition,
    DteRule,
    Entry,
    Exit,
    ExitKind,
    Expiry,
    IfHeld,
    IfUnknown,
    Leg,
    Legs,
    Let,
    Order,
    Overwrite,
    Path,
    Priority,
    Protect,
    Risk,
    Side,
    Start,
    Strike,
    StrikeBy,
    Then,
    Unit,
    Window,
)

ATTEMPT_SECONDS = 300.0
NOT_LEGS = frozenset({"expiry", "require", "if_held"})


def quantity(value: Plain) -> int:
    """Return `quantity:` as a count; 1 stands for what a mapping says."""
    return value if isinstance(value, int) else 1


def overwrite(value: Plain) -> Overwrite | None:
    """Return the band of `quantity: {overwrite: ..}`, None for any other quantity."""
    if not isinstance(value, dict) or "overwrite" not in value:
        return None
    least, most = (sure(number(each)) / 100 for each in sequence(mapping(value["overwrite"])["between"]))
    return Overwrite(least, most)


def entry(tree: Tree) -> Entry:
    """Return `entry:`; a time without `for` stands open for five minutes."""
    path: Path = ("entry",)
    first, *others = _windows(tree)
    return Entry(
        start=first.start,
        end=first.end,
        lasts=first.lasts,
        others=tuple(others),
        every=seconds(tree.get("every")),
        once=tree.get("try") == "once",
        days=texts(sequence(tree.get("days"))),
        per_day=_count(tree.get("per_day")),
        per_week=_count(tree.get("per_week")),
        max_open=_count(tree.get("max_open")),
        again=_again(tree.get("again"), (*path, "again")),
        when=conditions(tree.get("when"), (*path, "when")),
        path=path,
    )


def _windows(tree: Tree) -> list[Window]:
    if "window" in tree:
        spans = [mapping(each) for each in sequence(tree["window"])]
        return [Window(start=sure(day_time(each["from"])), end=sure(day_time(each["to"]))) for each in spans]
    lasts = seconds(tree.get("for")) or ATTEMPT_SECONDS
    return [Window(start=sure(day_time(each)), lasts=lasts) for each in sequence(tree["at"])]


def _count(value: Plain) -> int | None:
    return value if isinstance(value, int) else None


def _again(value: Plain, path: Path) -> Again | None:
    if value is None:
        return None
    tree = mapping(value)
    wait = seconds(tree.get("wait"))
    return Again(
        after=texts(sequence(tree["after"])),
        wait=60.0 if wait is None else wait,
        until=day_time(tree.get("until")),
        at_most=_count(tree.get("at_most")),
        path=path,
    )


def legs(tree: Tree) -> Legs:
    """Return `legs:`; every key that is not a word of the section is a leg."""
    path: Path = ("legs",)
    return Legs(
        expiry=_expiry(mapping(tree["expiry"]), (*path, "expiry")),
        legs=tuple(_leg(name, mapping(body), (*path, name)) for name, body in tree.items() if name not in NOT_LEGS),
        require=conditions(tree.get("require"), (*path, "require")),
        if_held=IfHeld(tree.get("if_held", "skip")),
        path=path,
    )


def _expiry(tree: Tree, path: Path) -> Expiry:
    dte = tree["dte"]
    rule, days = (DteRule.EXACT, dte) if not isinstance(dte, dict) else _dte_rule(dte)
    trading_class = tree.get("class")
    return Expiry(
        rule=rule,
        days=tuple(sure(_count(day)) for day in sequence(days)),
        trading_class=None if trading_class is None else str(trading_class),
        path=path,
    )


def _dte_rule(tree: Tree) -> tuple[DteRule, Plain]:
    ((rule, days),) = tree.items()
    return DteRule(rule), days


def _leg(name: str, tree: Tree, path: Path) -> Leg:
    side = Side.BUY if "buy" in tree else Side.SELL
    underlying = tree.get("of")
    return Leg(
        name=name,
        side=side,
        right=str(tree[side.value]),
        underlying=None if underlying is None else str(underlying),
        ratio=_count(tree.get("ratio")) or 1,
        strike=_strike(mapping(tree["strike"]), (*path, "strike")) if "strike" in tree else _no_strike(path),
        path=path,
    )


def _no_strike(path: Path) -> Strike:
    return Strike(by=StrikeBy.SHARES, path=path)


def _strike(tree: Tree, path: Path) -> Strike:
    by, target, reference = _selector(tree)
    return Strike(
        by=by,
        target=target,
        reference=reference,
        multiple_of=number(tree.get("multiple_of")),
        prefer_multiple_of=number(tree.get("prefer_multiple_of")),
        at_least_from_spot=number(tree.get("at_least_from_spot")),
        within=number(tree.get("within")),
        path=path,
    )


def _selector(tree: Tree) -> tuple[StrikeBy, Decimal | None, str | None]:
    for by in (StrikeBy.DELTA, StrikeBy.EXPECTED_MOVE):
        if by.value in tree:
            return by, number(tree[by.value]), None
    for by in (StrikeBy.BELOW, StrikeBy.ABOVE):
        if by.value in tree:
            return by, number(tree["by"]), str(tree[by.value])
    at = str(tree["at"])
    return (StrikeBy.AT_SPOT, None, None) if at == "spot" else (StrikeBy.AT_LEG, None, at)


def number(value: Plain) -> Decimal | None:
    """Return the number of an amount whose unit the schema has checked."""
    return None if value is None else sure(amount(value)).value


def order(value: Plain, path: Path, *, leaving: bool = False) -> Order:
    """Return an order. One that leaves goes on until it is done (`then: again`) unless it says otherwise."""
    tree: Tree = {"start": value} if isinstance(value, str) else mapping(value)
    start = tree.get("start", "mid")
    wait, pause = seconds(tree.get("wait")), seconds(tree.get("pause"))
    return Order(
        start=Start(start) if isinstance(start, str) else Start.MID,
        price=None if isinstance(start, str) else number(start),
        step=number(tree.get("step")),
        wait=10.0 if wait is None else wait,
        tries=_count(tree.get("tries")) or 1,
        pause=0.0 if pause is None else pause,
        then=Then(tree.get("then", "again" if leaving else "cancel")),
        adaptive=tuple(Priority(item) for item in sequence(tree.get("adaptive"))),
        leg_by_leg=texts(sequence(tree.get("leg_by_leg"))),
        path=path,
    )


def exits(value: Plain) -> tuple[Exit, ...]:
    """Return `exits:` in order of priority."""
    return tuple(_exit(mapping(item), ("exits", at)) for at, item in enumerate(sequence(value)))


def _exit(tree: Tree, path: Path) -> Exit:
    kind = kind_of(tree)
    exit_kind = ExitKind(kind) if kind in ("target", "stop", "at_expiry") else ExitKind.CONDITION
    judged = {key: item for key, item in tree.items() if key not in LEAVING}
    grace = seconds(tree.get("grace"))
    return Exit(
        name=sure(own_name(tree)),
        kind=exit_kind,
        condition=None if exit_kind is ExitKind.AT_EXPIRY else condition(judged, path),
        enabled=tree.get("enabled") is not False,
        resting=tree.get("resting") is True,
        order=order(tree["order"], (*path, "order"), leaving=True) if "order" in tree else None,
        if_unknown=IfUnknown(tree.get("unknown", "hold")),
        grace=30.0 if grace is None else grace,
        **_closes(tree.get("close")),
        repeat=tree.get("repeat") is True,
        armed_by=_armed_by(tree.get("armed_by"), (*path, "armed_by")),
        path=path,
    )


def _armed_by(value: Plain, path: Path) -> tuple[Condition, ...]:
    if isinstance(value, dict):
        return (condition(value, path),)
    return conditions(value, path)


def _closes(value: Plain) -> dict[str, Any]:
    """Return what `close:` says as fields of an exit."""
    if value is None or value == "all":
        return {"close_all": value == "all"}
    part = amount(value) if isinstance(value, str) else None
    if part is not None and part.unit is Unit.PERCENT:
        return {"close_part": part.value / 100}
    return {"close_legs": texts(sequence(value))}


def risk(tree: Tree) -> Risk:
    """Return `risk:`."""
    path: Path = ("risk",)
    return Risk(
        max_loss_per_trade=number(tree.get("max_loss_per_trade")),
        daily_loss=_daily_loss(tree.get("daily_loss")),
        halt_when=conditions(tree.get("halt_when"), (*path, "halt_when")),
        undefined_risk=tree.get("undefined_risk") == "allow",
        protect=_protect(mapping(tree["protect"])) if "protect" in tree else None,
        max_unprotected=seconds(tree.get("max_unprotected")),
        path=path,
    )


def _daily_loss(value: Plain) -> Decimal | Amount | None:
    """Return dollars as a number, and a multiple as what it is."""
    found = amount(value)
    return found if found is None or found.unit is Unit.MULTIPLE else found.value


def _protect(tree: Tree) -> Protect:
    cost = sure(amount(tree["cost"]))
    return Protect(cost.value, tree.get("of") == "each_short")


def lets(tree: Tree) -> tuple[Let, ...]:
    """Return `let:`."""
    return tuple(_let(name, body, ("let", name)) for name, body in tree.items())


def _let(name: str, body: Plain, path: Path) -> Let:
    if not isinstance(body, dict):
        return Let(name=name, measure=None, amount=amount(body), path=path)
    ((measure, given),) = body.items()
    arguments = {key: argument(value) for key, value in mapping(given).items()}
    return Let(name=name, measure=measure, arguments=arguments, path=path)
