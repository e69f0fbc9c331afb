"""What a test looks at, and from it the data a bot needs before it can judge anything."""

from collections.abc import Iterator, Mapping

from engine.compile.plan import (
    AllOf,
    AnyOf,
    Arithmetic,
    Call,
    Compare,
    Expiry,
    Holds,
    LegPlan,
    Needs,
    Not,
    Number,
    Rule,
    Truth,
)
from engine.compile.vocabulary import INDICES, VOCABULARY

_WHOLE = ("legs", "time", "facts", "position")
_EXTRA_CLOSES = 1


def calls_of(test: Truth | Number) -> Iterator[Call]:
    """Yield every measure of a test, from left to right."""
    match test:
        case Call():
            yield test
        case Holds(call):
            yield call
        case Not(member):
            yield from calls_of(member)
        case Compare(_, left, right):
            for number in (left, *right):
                yield from calls_of(number)
        case AllOf(members) | AnyOf(members):
            for part in members:
                yield from calls_of(part)
        case Arithmetic(_, operands):
            for operand in operands:
                yield from calls_of(operand)
        case _:
            return


def reads_of(test: Truth, leg_symbols: Mapping[str, str], symbol: str) -> frozenset[str]:
    """Return the names of what a test looks at; `symbol` is meant where a measure names neither symbol nor legs."""
    return frozenset(name for call in calls_of(test) for name in _reads(call, leg_symbols, symbol))


def _reads(call: Call, leg_symbols: Mapping[str, str], symbol: str) -> Iterator[str]:
    arguments = dict(call.arguments)
    if call.measure == "expected_move" and arguments.get("asof") == "open":
        yield "facts"
        return
    about = _about(arguments.get("of"), leg_symbols, symbol)
    for name in VOCABULARY[call.measure].reads:
        if name in _WHOLE or ":" in name:
            yield name
        else:
            yield from (f"{name}:{one}" for one in about)


def _about(of: object, leg_symbols: Mapping[str, str], symbol: str) -> tuple[str, ...]:
    if isinstance(of, tuple):
        return tuple(dict.fromkeys(leg_symbols[name] for name in of if name in leg_symbols)) or (symbol,)
    return (of,) if isinstance(of, str) and of not in leg_symbols else (symbol,)


def needs_of(rules: tuple[Rule, ...], legs: tuple[LegPlan, ...], expiry: Expiry) -> Needs:
    """Return the data that the rules and legs of one bot need."""
    calls = tuple(call for rule in rules for call in calls_of(rule.test))
    leg_symbols = tuple(dict.fromkeys(leg.symbol for leg in legs))
    read = sorted({name for rule in rules for name in rule.reads})
    others = tuple(name[5:] for name in read if name.startswith("spot:"))
    return Needs(
        symbols=tuple(dict.fromkeys((*leg_symbols, *others))),
        indices=tuple(name for name in INDICES if f"index:{name}" in read),
        chains=tuple(dict.fromkeys((leg.symbol, leg.trading_class, expiry) for leg in legs if not leg.is_shares)),
        daily=_daily(calls),
        opening_move=_opening_moves(calls),
        events=tuple(dict.fromkeys(name for call in calls for name in _events(call))),
    )


def _daily(calls: tuple[Call, ...]) -> dict[str, int]:
    wanted: dict[str, int] = {}
    for call in calls:
        arguments = dict(call.arguments)
        window, symbol = arguments.get("window"), arguments.get("of")
        if isinstance(window, int) and isinstance(symbol, str):
            wanted[symbol] = max(wanted.get(symbol, 0), window + _EXTRA_CLOSES)
    return wanted


def _opening_moves(calls: tuple[Call, ...]) -> tuple[str, ...]:
    found = [dict(call.arguments) for call in calls if call.measure == "expected_move"]
    return tuple(dict.fromkeys(str(given["of"]) for given in found if given.get("asof") == "open"))


def _events(call: Call) -> tuple[str, ...]:
    names = dict(call.arguments).get("of")
    return names if call.measure in ("event", "no_event") and isinstance(names, tuple) else ()
