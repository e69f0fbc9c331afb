"""Bots that stand in each other's way: what one holds or rests in, another of the same call trades the other way.

Two bots meet in one contract for certain when they choose a strike in the same way, of the same expiry, at the same
time; anything less is chance, and nothing is said.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice

from rulebot.compile.lint.reach import window_seconds
from rulebot.compile.problem import Problem
from rulebot.compile.structure import place_of, symbol_of
from rulebot.compile.timing import full_session
from rulebot.compile.variants import read_for, variants
from rulebot.model.contract import product
from rulebot.model.values import dataclass
from rulebot.spec.nouns import DteRule, Expiry, IfHeld, Leg, Path, Side, Strike, StrikeBy
from rulebot.spec.spec import Spec

Terms = tuple[object, ...]
"""How a contract is chosen: underlying, class, right, days to expiry, and by what its strike."""


@dataclass(frozen=True, slots=True)
class TradedOption:
    """One leg of one of the bots, and in which part of the session it is dealt (seconds since the open)."""

    bot: int
    spec: Spec
    leg: Leg
    window: tuple[float, float]


def conflicting_bots(specs: Sequence[Spec]) -> Iterator[tuple[int, Problem]]:
    """Yield RB350 and RB351, each with the number of the spec that it is about."""
    stakes: dict[Terms, list[TradedOption]] = defaultdict(list)
    for number, spec in enumerate(specs):
        window = window_seconds(spec, full_session())
        symbols = (spec,) if spec.universe is None else (read_for(spec, symbol) for symbol in spec.universe.symbols)
        for plain in (variant.spec for each in symbols for variant in variants(each)):
            for leg in plain.legs.legs:
                stakes[_terms(leg, plain)].append(TradedOption(number, plain, leg, window))
    problems = (each for found in stakes.values() if len(found) > 1 for each in _of_one_option(found))
    yield from {(bot, problem.code, problem.path): (bot, problem) for bot, problem in problems}.values()


def _of_one_option(stakes: list[TradedOption]) -> Iterator[tuple[int, Problem]]:
    yield from _held_the_other_way(stakes)
    yield from _resting_in_the_way(stakes)


def _terms(leg: Leg, spec: Spec) -> Terms:
    symbol = symbol_of(leg, spec)
    alike = [each for each in spec.legs.legs if each.right == leg.right and symbol_of(each, spec) == symbol]
    root, shift = place_of(leg, alike)
    expiry = spec.legs.expiry_of(leg)
    trading_class = expiry.trading_class or product(symbol).same_day_class
    return symbol, trading_class, leg.right, _days(expiry), _chosen(root.strike, spec), shift


def _days(expiry: Expiry) -> tuple[object, ...]:
    """Where an expiry is listed for every day, at most so many days is the same day."""
    if expiry.is_latest or expiry.is_monthly:
        return expiry.rule, expiry.days, expiry.is_latest, expiry.is_monthly
    return (DteRule.EXACT, (0,)) if expiry.rule is DteRule.AT_MOST else (expiry.rule, expiry.days)


def _chosen(strike: Strike, spec: Spec) -> tuple[object, ...]:
    """A strike that hangs on a leg of the other right is told by that leg's choice, if it is at the same strike."""
    if strike.by in (StrikeBy.AT_LEG, StrikeBy.BELOW, StrikeBy.ABOVE):
        legs = {leg.name: leg for leg in spec.legs.legs}
        way = (strike.by, strike.target, strike.widths)
        other = legs.get(strike.reference or "")
        return (*way, *_asked(other.strike)) if other is not None else way
    return _asked(strike)


def _asked(strike: Strike) -> tuple[object, ...]:
    return strike.by, strike.target, strike.bound, strike.is_percent, strike.round


def _meet(one: TradedOption, other: TradedOption) -> bool:
    """Say whether two different bots choose at the same time of the day."""
    begins, ends = max(one.window[0], other.window[0]), min(one.window[1], other.window[1])
    return one.spec.name != other.spec.name and begins < ends


def _named(stakes: list[TradedOption]) -> str:
    """Return the first of some legs with its bot; that there are others is said, and not which."""
    first = f"'{stakes[0].leg.name}' of {stakes[0].spec.name}"
    return first if len(stakes) == 1 else f"{first}, among others,"


# ---------------------------------------------------------------- held the other way round


def _held_the_other_way(stakes: list[TradedOption]) -> Iterator[tuple[int, Problem]]:
    """Yield RB350 for those that come second, or first if the second nets, once a leg."""
    for stake in stakes:
        if stake.spec.legs.if_held is not IfHeld.SKIP:
            continue
        others = (other for other in stakes if other.leg.side is not stake.leg.side and _gives_way(stake, other))
        found = list(islice((other for other in others if _meet(stake, other)), 2))
        if found:
            message = (
                f"'{stake.leg.name}' {_dealt(stake.leg)} the option that {_named(found)} {_dealt(found[0].leg)} at the "
                "same time: what one holds the other skips"
            )
            help_text = (
                "choose another strike, expiry or time; 'if_held: shift' takes the next strike out, 'allow' lets the "
                "broker net the two"
            )
            yield stake.bot, Problem("RB350", stake.leg.path, message, help_text, None, True)


def _gives_way(stake: TradedOption, other: TradedOption) -> bool:
    """Say whether it is this one of the two that is told."""
    return other.bot < stake.bot or other.spec.legs.if_held is not IfHeld.SKIP


def _dealt(leg: Leg) -> str:
    return "sells" if leg.side is Side.SELL else "buys"


# ---------------------------------------------------------------- resting in the way


def _resting_in_the_way(stakes: list[TradedOption]) -> Iterator[tuple[int, Problem]]:
    """Yield RB351 for what gives way: a combo that rests to any entry, an order of one leg to an entry of one leg."""
    alone = [stake for stake in stakes if _is_one_by_one(stake)]
    for resting in stakes:
        path = _resting_path(resting)
        if path is None:
            continue
        entering = stakes if path[-1] == "resting" and not _is_one_by_one(resting) else alone
        others = (other for other in entering if other.leg.side is resting.leg.side and _meet(resting, other))
        if found := list(islice(others, 2)):
            message = (
                f"{_named(found)} {_dealt(resting.leg)} the same option at the same time: while that order works, "
                "rulebot cancels these resting orders and watches their prices itself"
            )
            yield resting.bot, Problem("RB351", path, message, "choose another strike, expiry or time", None, True)


def _is_one_by_one(stake: TradedOption) -> bool:
    return len(stake.spec.legs.legs) == 1 or bool(stake.spec.order.leg_by_leg)


def _resting_path(stake: TradedOption) -> Path | None:
    """Return where it is said that an order of the other side rests at the broker for this leg."""
    risk = stake.spec.risk
    if risk.protect is not None and stake.leg.side is Side.SELL and risk.protect.covers(stake.leg.name):
        return (*risk.path, "protect")
    found = next((rule for rule in stake.spec.exits if rule.resting and rule.enabled), None)
    return None if found is None else (*found.path, "resting")
