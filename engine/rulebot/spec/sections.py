"""The sections of a strategy: from a checked tree to the nouns of `spec.py`."""

from decimal import Decimal
from typing import Any

from rulebot.spec.conditions import (
    LEAVING,
    Tree,
    argument,
    condition,
    conditions,
    kind_of,
    mapping,
    number,
    own_name,
    sequence,
    strike,
    sure,
    texts,
)
from rulebot.spec.exit_kinds import EXIT_KEYS, ExitKind
from rulebot.spec.nouns import (
    Alternative,
    Amount,
    Condition,
    DteRule,
    Expiry,
    IfHeld,
    Leg,
    Legs,
    Let,
    Path,
    Side,
    Strike,
    StrikeBy,
    Unit,
)
from rulebot.spec.scalar import amount, day_time, seconds
from rulebot.spec.source import Plain
from rulebot.spec.spec import (
    HALT,
    Entry,
    Exit,
    Fits,
    Growth,
    IfUnknown,
    OnUnfilled,
    OnUnknown,
    Order,
    Overwrite,
    PriceFrom,
    Priority,
    Protect,
    Rank,
    Reentry,
    Risk,
    Roll,
    Size,
    Taken,
    Universe,
    Window,
)

ATTEMPT_SECONDS = 300.0
_HALTS: Path = ("risk", "halt_when")
NOT_LEGS = frozenset({"expiry", "choose", "require", "on_conflict"})
NOT_LEGS_OF_ONE = frozenset({"name", "when", "expiry", "require"})
"""Keys of `legs`, and of one of its alternatives, that are no legs."""


def entry(tree: Tree) -> Entry:
    """Return `entry:`; a time without `for` stays open for five minutes."""
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


def _again(value: Plain, path: Path) -> Reentry | None:
    if value is None:
        return None
    tree = mapping(value)
    wait = seconds(tree.get("wait"))
    return Reentry(
        after=texts(sequence(tree["after"])),
        wait=60.0 if wait is None else wait,
        until=day_time(tree.get("until")),
        at_most=_count(tree.get("at_most")),
        path=path,
    )


def quantity(value: Plain) -> tuple[int, Size | None]:
    """Return `quantity:` as the count, or as a maximum and what must fit; 1 where shares set it."""
    if not isinstance(value, dict) or "overwrite" in value:
        return _count(value) or 1, None
    if "grow" in value:
        return sure(_count(value["at_most"])), None
    fits = next(each for each in Fits if each.value in value)
    return sure(_count(value["at_most"])), Size(fits=fits, amount=sure(amount(value[fits.value])))


def legs(tree: Tree) -> Legs:
    """Return `legs:`; every key that is not a word of the section is a leg."""
    path: Path = ("legs",)
    return Legs(
        expiry=_own_expiry(tree, path),
        legs=_legs(tree, path, NOT_LEGS),
        choose=tuple(
            _alternative(mapping(each), (*path, "choose", at)) for at, each in enumerate(sequence(tree.get("choose")))
        ),
        require=conditions(tree.get("require"), (*path, "require")),
        on_conflict=IfHeld(tree.get("on_conflict", "skip")),
        path=path,
    )


def _legs(tree: Tree, path: Path, others: frozenset[str]) -> tuple[Leg, ...]:
    return tuple(_leg(name, mapping(body), (*path, name)) for name, body in tree.items() if name not in others)


def _alternative(tree: Tree, path: Path) -> Alternative:
    name = str(tree["name"])
    require = conditions(tree["require"], (*path, "require"), f"{name}.") if "require" in tree else None
    return Alternative(
        name=name,
        when=conditions(tree.get("when"), (*path, "when"), f"{name}."),
        expiry=_own_expiry(tree, path),
        legs=_legs(tree, path, NOT_LEGS_OF_ONE),
        require=require,
        path=path,
    )


def _own_expiry(tree: Tree, path: Path) -> Expiry | None:
    return _expiry(mapping(tree["expiry"]), (*path, "expiry")) if "expiry" in tree else None


def _expiry(tree: Tree, path: Path) -> Expiry:
    dte = tree["dte"]
    rule, days = (DteRule.EXACT, dte) if not isinstance(dte, dict) else _dte_rule(dte)
    trading_class = tree.get("class")
    return Expiry(
        rule=rule,
        days=tuple(sure(_count(day)) for day in sequence(days)),
        is_latest=tree.get("take") == "latest",
        trading_class=None if trading_class is None else str(trading_class),
        is_monthly=tree.get("cycle") == "monthly",
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
        expiry=_own_expiry(tree, path),
        strike=strike(mapping(tree["strike"]), (*path, "strike"))
        if "strike" in tree
        else Strike(by=StrikeBy.SHARES, path=path),
        path=path,
    )


def order(value: Plain, path: Path, *, leaving: bool = False) -> Order:
    """Return an order. An exit order continues until it is done (`then: again`) unless it says otherwise."""
    tree: Tree = {"start": value} if isinstance(value, str) else mapping(value)
    start = tree.get("start", "mid")
    wait, pause = seconds(tree.get("wait")), seconds(tree.get("pause"))
    return Order(
        start=PriceFrom(start) if isinstance(start, str) else PriceFrom.MID,
        price=None if isinstance(start, str) else number(start),
        step=number(tree.get("step")),
        wait=10.0 if wait is None else wait,
        tries=_count(tree.get("tries")) or 1,
        pause=0.0 if pause is None else pause,
        then=OnUnfilled(tree.get("then", "again" if leaving else "cancel")),
        adaptive=tuple(Priority(item) for item in sequence(tree.get("adaptive"))),
        leg_by_leg=texts(sequence(tree.get("leg_by_leg"))),
        path=path,
    )


def exits(value: Plain) -> tuple[Exit, ...]:
    """Return `exits:` in order of priority."""
    return tuple(_exit(mapping(item), ("exits", at)) for at, item in enumerate(sequence(value)))


def _exit(tree: Tree, path: Path) -> Exit:
    kind = kind_of(tree)
    exit_kind = EXIT_KEYS.get(kind or "", ExitKind.CONDITION)
    judged = {key: item for key, item in tree.items() if key not in LEAVING}
    grace = seconds(tree.get("grace"))
    return Exit(
        name=sure(own_name(tree)),
        kind=exit_kind,
        condition=None if exit_kind.is_ending else condition(judged, path),
        enabled=tree.get("enabled") is not False,
        resting=tree.get("resting") is True,
        order=order(tree["order"], (*path, "order"), leaving=True) if "order" in tree else None,
        if_unknown=IfUnknown(tree.get("unknown", "hold")),
        grace=30.0 if grace is None else grace,
        **_closes(tree.get("close")),
        repeat=tree.get("repeat") is True,
        any_price=tree.get("any_price") is True,
        activate_when=_armed_by(tree.get("activate_when"), (*path, "activate_when")),
        roll=_roll(mapping(tree["roll"]), (*path, "roll")) if "roll" in tree else None,
        path=path,
    )


def closing_halts(tree: Tree) -> tuple[Exit, ...]:
    """Return the exits that halts with `close: all` add: the same conditions, above all that `exits:` lists."""
    found = []
    for at, item in enumerate(sequence(tree.get("halt_when"))):
        halt, path = mapping(item), (*_HALTS, at)
        if halt.get("close") == "all":
            judged = condition(halt, path, HALT)
            found.append(Exit(name=judged.name, kind=ExitKind.CONDITION, condition=judged, close_all=True, path=path))
    return tuple(found)


def _roll(tree: Tree, path: Path) -> Roll:
    strikes = mapping(tree.get("strikes", {}))
    return Roll(
        expiry=_own_expiry(tree, path),
        strikes=tuple((name, strike(mapping(each), (*path, "strikes", name))) for name, each in strikes.items()),
        require=conditions(tree.get("require"), (*path, "require"), "roll."),
        otherwise=OnUnknown(tree.get("else", "hold")),
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
        r=number(tree.get("r")),
        max_loss_per_trade=number(tree.get("max_loss_per_trade")),
        daily_loss=_of_a_day(tree.get("daily_loss")),
        at_daily_loss=mapping(tree.get("at_daily_loss", {})).get("close") == "all",
        daily_profit=_of_a_day(tree.get("daily_profit")),
        require=conditions(tree.get("require"), (*path, "require")),
        halt_when=conditions(tree.get("halt_when"), _HALTS),
        undefined_risk=tree.get("undefined_risk") == "allow",
        delayed_data=tree.get("delayed_data") == "allow",
        protect=_protect(mapping(tree["protect"])) if "protect" in tree else None,
        max_time_without_stop=seconds(tree.get("max_time_without_stop")),
        path=path,
    )


def _of_a_day(value: Plain) -> Decimal | Amount | None:
    """Return dollars as a number, and a multiple as what it is."""
    found = amount(value)
    return found if found is None or found.unit is not Unit.DOLLARS else found.value


def _protect(tree: Tree) -> Protect:
    cost, of = sure(amount(tree["cost"])), tree.get("of")
    return Protect(cost.value, of == "each_short", None if of in (None, "each_short") else str(of))


def universe(tree: Tree, taken: Taken | None = None) -> Universe:
    """Return `universe:` with its symbols in place, wherever they were taken from."""
    path: Path = ("universe",)
    rank = tree.get("rank")
    return Universe(
        symbols=texts(sequence(tree["symbols"])),
        require=conditions(tree.get("require"), (*path, "require"), "universe."),
        rank=None if rank is None else _rank(mapping(rank), (*path, "rank")),
        taken=taken,
        path=path,
    )


def _rank(tree: Tree, path: Path) -> Rank:
    highest = "highest" in tree
    count = sure(_count(tree["highest" if highest else "lowest"]))
    return Rank(by=str(tree["by"]), highest=highest, count=count, path=path)


def lets(tree: Tree) -> tuple[Let, ...]:
    """Return `let:`."""
    return tuple(_let(name, body, ("let", name)) for name, body in tree.items())


def _let(name: str, body: Plain, path: Path) -> Let:
    if not isinstance(body, dict):
        return Let(name=name, measure=None, amount=amount(body), path=path)
    ((measure, given),) = body.items()
    arguments = {key: argument(value) for key, value in mapping(given).items()}
    return Let(name=name, measure=measure, arguments=arguments, path=path)


def growth(value: Plain) -> Growth | None:
    """Return the steps of `quantity: {grow: ..}`, None for any other quantity."""
    if not isinstance(value, dict) or "grow" not in value:
        return None
    tree = mapping(value["grow"])
    return Growth(sure(_count(tree["from"])), sure(_count(tree.get("by", 1))), sure(_count(tree["sessions"])))


def overwrite(value: Plain) -> Overwrite | None:
    """Return the band of `quantity: {overwrite: ..}`, None for any other quantity."""
    if not isinstance(value, dict) or "overwrite" not in value:
        return None
    least, most = (sure(number(each)) / 100 for each in sequence(mapping(value["overwrite"])["between"]))
    return Overwrite(least, most)
