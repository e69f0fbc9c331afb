"""What a test looks at, and from it the data a bot needs before it can judge anything."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from rulebot.compile.plan import (
    AllOf,
    AnyOf,
    Arithmetic,
    Call,
    Compare,
    Constant,
    Expiry,
    Holds,
    LegPlan,
    Needs,
    Not,
    Number,
    Op,
    Rule,
    Truth,
)
from rulebot.compile.units import INDICES
from rulebot.measure.definition import Beside, Takes
from rulebot.measure.series import CLOSE_TO_CLOSE, DAY, Series, estimator_of
from rulebot.measures.options import WING_DELTA
from rulebot.measures.registry import MEASURES, series_of
from rulebot.model.contract import Right, product
from rulebot.model.market import Extra
from rulebot.model.values import replace
from rulebot.spec.nouns import DteRule, Strike, StrikeBy

K = TypeVar("K")

# --- What measures read from the market in addition to quotes

TODAY_EXPIRY = Expiry(rule=DteRule.EXACT, days=(0,), path=())
"""The expiry of options that end on the session's date."""


def extras_of(calls: Iterable[Call], legs: tuple[LegPlan, ...], symbol: str) -> Iterator[tuple[str, Extra]]:
    """Yield data that lines need in addition to quotes, by underlying; `symbol` is used where there is no leg."""
    symbols = {leg.name: leg.symbol for leg in legs}
    for call in calls:
        for extra in MEASURES[call.measure].extras:
            yield from ((each, extra) for each in _symbols(call, symbols, symbol) if each)


def _symbols(call: Call, of_legs: Mapping[str, str], symbol: str) -> tuple[str, ...]:
    """Return the underlyings whose lines a call reads: its own, its legs' and those it is ranked among."""
    of, among = call.argument("of"), dict(call.arguments).get("among")
    if isinstance(of, tuple):
        return tuple(of_legs.get(name, symbol) for name in of)
    return (str(of), *(among if isinstance(among, tuple) else ()))


def implied_of(calls: Iterable[Call]) -> tuple[str, ...]:
    """Return the symbols whose history of 30-day volatility is read."""
    found = (str(call.argument("of")) for call in calls if Extra.IMPLIED in MEASURES[call.measure].extras)
    return tuple(dict.fromkeys(found))


def wings_of(calls: Iterable[Call], legs: tuple[LegPlan, ...], expiry: Expiry) -> tuple[LegPlan, ...]:
    """Return the options that skew and crowding are read from, as legs that are never traded."""
    symbols = _named(calls, Beside.WINGS)
    classes = {leg.symbol: leg.trading_class for leg in reversed(legs) if leg.expiry.terms == expiry.terms}
    strike = Strike(by=StrikeBy.DELTA, target=WING_DELTA, path=())
    return tuple(
        _data_leg(f"skew_{right.value}", symbol, classes.get(symbol), right, expiry, strike)
        for symbol in symbols
        for right in (Right.PUT, Right.CALL)
    )


def todays_of(calls: Iterable[Call]) -> tuple[LegPlan, ...]:
    """Return the options of today that put_call_imbalance counts around spot, as if they were legs."""
    strike = Strike(by=StrikeBy.AT_SPOT, path=())
    return tuple(
        _data_leg(f"today_{right.value}", symbol, None, right, TODAY_EXPIRY, strike)
        for symbol in _named(calls, Beside.TODAY)
        for right in (Right.PUT, Right.CALL)
    )


def _named(calls: Iterable[Call], beside: Beside) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(call.argument("of")) for call in calls if MEASURES[call.measure].beside is beside))


def _data_leg(
    name: str, symbol: str, trading_class: str | None, right: Right, expiry: Expiry, strike: Strike
) -> LegPlan:
    return LegPlan(
        name=name,
        symbol=symbol,
        trading_class=trading_class or product(symbol).same_day_class,
        right=right,
        sign=-1,
        ratio=1,
        expiry=expiry,
        strike=strike,
        path=(),
    )


# --- What a test looks at, and from it the data a bot needs before it can judge anything

_WHOLE = ("legs", "time", "facts", "hooks", "position", "margin")
_EXTRA_CLOSES = 1


def calls_of(test: Truth | Number) -> Iterator[Call]:
    """Yield every measure of a test, from left to right; behind a model those that it reads."""
    match test:
        case Call(score=score):
            yield test
            for number in () if score is None else score.inputs:
                yield from calls_of(number)
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


def reads_of(test: Truth | Number, leg_symbols: Mapping[str, str], symbol: str) -> frozenset[str]:
    """Return the names of what a test reads; `symbol` applies where a measure names neither symbol nor legs."""
    return frozenset(name for call in calls_of(test) for name in _reads(call, leg_symbols, symbol))


def _reads(call: Call, leg_symbols: Mapping[str, str], symbol: str) -> Iterator[str]:
    arguments = dict(call.arguments)
    if arguments.get("asof") == "open":
        yield "facts"
        return
    about = _about(arguments.get("of"), leg_symbols, symbol)
    if isinstance(among := arguments.get("among"), tuple):
        about = tuple(dict.fromkeys((*about, *map(str, among))))
    for name in MEASURES[call.measure].reads:
        if name in _WHOLE or ":" in name:
            yield name
        else:
            yield from (f"{name}:{one}" for one in about)


def _about(of: object, leg_symbols: Mapping[str, str], symbol: str) -> tuple[str, ...]:
    if isinstance(of, tuple):
        return tuple(dict.fromkeys(leg_symbols[name] for name in of if name in leg_symbols)) or (symbol,)
    return (of,) if isinstance(of, str) and of not in leg_symbols else (symbol,)


def needs_of(
    rules: tuple[Rule, ...],
    legs: tuple[LegPlan, ...],
    expiry: Expiry,
    numbers: tuple[Number, ...] = (),
    symbol: str = "",
) -> Needs:
    """Return the data that the rules, legs and extra `numbers` of one bot need.

    expiry: the one that volatility is read from. symbol: used where a rule names no leg, as a
    universe does at the money.
    """
    tests = [*(rule.test for rule in rules), *numbers]
    calls = tuple(call for test in tests for call in calls_of(test))
    leg_symbols = tuple(dict.fromkeys(leg.symbol for leg in legs))
    read = _read(rules, numbers, symbol)
    beside = (*wings_of(calls, legs, expiry), *todays_of(calls))
    others = tuple(name[5:] for name in read if name.startswith("spot:"))
    return Needs(
        symbols=tuple(dict.fromkeys((*leg_symbols, *others))),
        indices=tuple(name for name in INDICES if f"index:{name}" in read),
        chains=_chains((*legs, *beside)),
        daily=_largest(_daily(calls)),
        opening_move=opening_moves(calls),
        events=tuple(dict.fromkeys(name for _, names in _given(calls, Takes.NAMES) for name in names)),
        bars=_bars(calls),
        today=frozenset(_of_today(calls)),
        realised=frozenset(_realised(calls)),
        implied=implied_of(calls),
        extras=frozenset(extras_of(calls, legs, symbol)),
        beside=beside,
        bots=frozenset(str(bot) for _, bot in _given(calls, Takes.BOT)),
        hooks=frozenset((str(name), float(str(call.argument("within")))) for call, name in _given(calls, Takes.HOOK)),
    )


def _read(rules: tuple[Rule, ...], numbers: tuple[Number, ...], symbol: str) -> list[str]:
    besides = {name for number in numbers for name in reads_of(number, {}, symbol)}
    return sorted({name for rule in rules for name in rule.reads} | besides)


def combined_needs(all_needs: Iterable[Needs]) -> Needs:
    """Return the data that several plans of one bot need together; at least one."""
    found = tuple(all_needs)
    joined = {each.name: _joined([getattr(needs, each.name) for needs in found]) for each in fields(Needs)}
    return Needs(**{**joined, "indices": tuple(name for name in INDICES if name in joined["indices"])})


def _joined(values: Sequence[Any]) -> Any:
    """Return one field of several plans: each member once, and of counts the largest."""
    if isinstance(values[0], frozenset):
        return frozenset().union(*values)
    if isinstance(values[0], Mapping):
        return _largest(pair for each in values for pair in each.items())
    return tuple(dict.fromkeys(member for each in values for member in each))


def _largest(counts: Iterable[tuple[K, int]]) -> dict[K, int]:
    found: dict[K, int] = {}
    for key, count in counts:
        found[key] = max(found.get(key, 0), count)
    return found


def _chains(legs: Iterable[LegPlan]) -> tuple[tuple[str, str, Expiry], ...]:
    return tuple(dict.fromkeys((leg.symbol, leg.trading_class, leg.expiry) for leg in legs if not leg.is_shares))


def _bars(calls: tuple[Call, ...]) -> dict[Series, int]:
    return _largest(pair for call in calls for pair in series_of(call).items())


def _of_today(calls: tuple[Call, ...]) -> Iterator[Series]:
    for call in calls:
        if not MEASURES[call.measure].is_realised:
            yield from (series for series in series_of(call) if series[1] != DAY)


def _realised(calls: tuple[Call, ...]) -> Iterator[tuple[str, str, int]]:
    for call in calls:
        if MEASURES[call.measure].is_realised:
            yield str(call.argument("of")), estimator_of(call), int(str(call.argument("window")))


def _daily(calls: tuple[Call, ...]) -> Iterator[tuple[str, int]]:
    for symbol, estimator, window in _realised(calls):
        if estimator == CLOSE_TO_CLOSE:
            yield symbol, window + _EXTRA_CLOSES


def opening_moves(calls: Iterable[Call]) -> tuple[str, ...]:
    """Return the underlyings whose expected move of the open these measures read."""
    found = [dict(call.arguments) for call in calls]
    return tuple(dict.fromkeys(str(given["of"]) for given in found if given.get("asof") == "open"))


def _given(calls: Iterable[Call], takes: Takes) -> Iterator[tuple[Call, Any]]:
    """Yield the arguments of one kind that calls have, each with its call."""
    for call in calls:
        given = dict(call.arguments)
        for parameter in MEASURES[call.measure].parameters:
            if parameter.takes is takes and parameter.name in given:
                yield call, given[parameter.name]


# --- Which conditions of `require` hold or not by the price of the order, and which of them a number says it all of

_ONE_WAY = (Op.AT_LEAST, Op.ABOVE, Op.AT_MOST, Op.BELOW, Op.BETWEEN)


def price_free_parts(test: Truth) -> Iterator[Truth]:
    """Yield the tests that all hold when this one does: its members, as deep as `all` goes."""
    if not isinstance(test, AllOf):
        yield test
        return
    for member in test.members:
        yield from price_free_parts(member)


def price_dependent_parts(rule: Rule) -> tuple[Rule, ...]:
    """Return the parts of a condition that are to be judged at the price of each try.

    Those that compare a credit or a debit with numbers are not among them: `turn.bounds` reads how far they let it go.
    """
    tests = (test for test in price_free_parts(rule.test) if not _is_number(test))
    return tuple(replace(rule, test=test) for test in tests if _is_by_price(test))


def _is_by_price(test: Truth) -> bool:
    return any(MEASURES[call.measure].is_by_price for call in calls_of(test))


def _is_number(test: Truth) -> bool:
    """Return whether a test bounds a credit or a debit by numbers, on one side only."""
    if not isinstance(test, Compare) or not isinstance(test.left, Call) or test.op not in _ONE_WAY:
        return False
    return MEASURES[test.left.measure].is_entry_price and all(isinstance(each, Constant) for each in test.right)
