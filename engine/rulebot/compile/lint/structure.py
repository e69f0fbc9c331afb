"""Structures that are hardly the ones meant: crossed strikes, one option twice, a name that says another side."""

from collections.abc import Iterator, Mapping
from itertools import combinations, islice

from rulebot.compile.lint.example import SampleLeg, days_of, sample_of
from rulebot.compile.lint.lint_context import LintContext, said
from rulebot.compile.lint.reach import same_everywhere
from rulebot.compile.plan import Holds, LegPlan, Rule
from rulebot.compile.problem import Problem
from rulebot.compile.timing import end_of_day, full_session
from rulebot.model.contract import NAMESAKES, OPENING_CLASSES, Right, product
from rulebot.model.market import LEVELS, example_price
from rulebot.model.values import dataclass
from rulebot.spec.nouns import Bound, Path, StrikeBy
from rulebot.spec.spec import Spec

DEEP = 0.7
"""The delta from which a sold option is deep in the money."""
_LEAST_DELTA = 0.02
"""The least delta that is offered instead."""
_INSIDE = 0.5
"""The delta from which the bought option of a spread is in the money too."""
_APART, _MOVES_APART = 0.15, 3.0
"""The largest distance between strikes of one structure: as a fraction of spot, and in expected moves."""
_NO_BID, _WILD = 0.1, 3.0
"""The fraction of a tick below which an option has no bid, at this multiple of the example's volatility."""
WEEK = 7
"""Calendar days to expiry from which a position is meant to be held overnight."""
_SIDES = {"short": -1, "sold": -1, "sell": -1, "long": 1, "bought": 1, "buy": 1}
_RIGHTS = {"put": Right.PUT, "puts": Right.PUT, "call": Right.CALL, "calls": Right.CALL}


def crossed(look: LintContext) -> Iterator[Problem]:
    """Yield RB362 for a sold put above a sold call, and for a sold option that is deep in the money."""
    sold = _sold(look)
    deep = [_in_the_money(leg) for leg in sold if _is_deep(leg) and not _is_covered_call(leg, look)]
    yield from deep
    if deep or same_everywhere(look.spec) is not None:
        return
    for put, call in ((a, b) for a in sold for b in sold if a.plan.right is Right.PUT and b.plan.right is Right.CALL):
        if _alike(put, call) and put.strike > call.strike:
            message = (
                f"the example sells '{put.plan.name}' at {put.strike:g} and '{call.plan.name}' at {call.strike:g}: "
                "one of them always ends in the money"
            )
            yield Problem("RB362", put.plan.strike.path, message, "the sold put is below the sold call", None, True)


_STEP = 0.01
"""How much the delta of a listed strike may lack of the one that is asked for."""


def _is_covered_call(leg: SampleLeg, look: LintContext) -> bool:
    """Return whether a sold call is covered by shares: deep in the money it is a sale of them."""
    has_shares = look.plan.overwrite is not None or any(each.is_shares and each.sign > 0 for each in look.plan.legs)
    return has_shares and leg.plan.right is Right.CALL


def sold_inside(look: LintContext) -> Iterator[Problem]:
    """Yield RB362 for a spread of two options, both in the money, that is sold."""
    legs = list(look.sample.legs.values())
    if len(legs) != 2 or len(look.plan.legs) != 2 or not _alike(*legs) or legs[0].plan.right is not legs[1].plan.right:
        return
    sold, bought = sorted(legs, key=lambda leg: leg.plan.sign)
    is_spread = sold.plan.ratio == bought.plan.ratio and sold.plan.sign < 0 < bought.plan.sign
    if is_spread and abs(sold.delta) > abs(bought.delta) > _INSIDE:
        right = sold.plan.right.value
        message = (
            f"the example sells the {right} at {sold.strike:g} and buys that at {bought.strike:g}, both in the money: "
            "the spread is sold for most of its width"
        )
        side = "above" if sold.plan.right is Right.CALL else "below"
        yield Problem("RB362", sold.plan.strike.path, message, f"did you mean '{side}' it?", None, True)


def without_bid(look: LintContext) -> Iterator[Problem]:
    """Yield RB361 for a sold option that has no bid in the example or in a wild market."""
    wild = sample_of(look.plan, _WILD).legs
    for leg in _sold(look):
        name, symbol = leg.plan.name, leg.plan.symbol
        tick = float(product(symbol).option_ticks.steps[0][1])
        if symbol in LEVELS and name in wild and wild[name].mid < _NO_BID * tick:
            message = f"the example sells '{name}' at {leg.strike:g}, where there is no bid: no entry is made"
            help_text = f"{symbol} is {leg.spot:g} there, and one expected move {leg.move:.3g} points"
            yield Problem("RB361", leg.plan.strike.path, message, help_text, None, True)


def far_apart(look: LintContext) -> Iterator[Problem]:
    """Yield RB361 for a bought option that is far from the sold one of its kind in any market."""
    sold = _sold(look)
    for leg in look.sample.legs.values():
        near = [each for each in sold if each.plan.symbol == leg.plan.symbol and each.plan.right is leg.plan.right]
        if leg.plan.sign < 0 or not near or leg.plan.strike.by in (StrikeBy.BELOW, StrikeBy.ABOVE):
            continue
        other = min(near, key=lambda each: abs(each.strike - leg.strike))
        apart, usual = abs(other.strike - leg.strike), max(_APART * leg.spot, _MOVES_APART * max(leg.move, other.move))
        if apart > usual:
            message = (
                f"the example has '{leg.plan.name}' at {leg.strike:g} and '{other.plan.name}' at {other.strike:g}, "
                f"{apart:g} points apart, and usual is {usual:.3g} or less: neither makes up for the other"
            )
            help_text = f"count it from the other, as in '{{below: {other.plan.name}, by: 10 pts}}'"
            yield Problem("RB361", leg.plan.strike.path, message, help_text, None, True)


def _target(leg: LegPlan) -> Path:
    key = (*leg.strike.path, leg.strike.by.value)
    return key if leg.strike.bound is Bound.NEAREST else (*key, leg.strike.bound.value)


def _sold(look: LintContext) -> list[SampleLeg]:
    return [leg for leg in look.sample.legs.values() if leg.plan.sign < 0]


def _is_deep(leg: SampleLeg) -> bool:
    return abs(leg.delta) > DEEP - _STEP and leg.plan.strike.by is StrikeBy.DELTA


def _in_the_money(leg: SampleLeg) -> Problem:
    right, target = leg.plan.right, leg.plan.strike.target
    starts = f"it starts as a loss that only a {'fall' if right is Right.CALL else 'rally'} wins back"
    message = f"a sold {right.value} of delta {target:f} is deep in the money: {starts}"
    other = 1 - float(target or 0)
    help_text = f"did you mean {other:.2g}?" if other >= _LEAST_DELTA else "choose a strike out of the money"
    return Problem("RB362", _target(leg.plan), message, help_text)


def _alike(one: SampleLeg, other: SampleLeg) -> bool:
    return one.plan.symbol == other.plan.symbol and one.days == other.days


def twice(look: LintContext) -> Iterator[Problem]:
    """Yield RB363 for two legs that choose the same option."""
    for one, other in combinations(look.sample.legs.values(), 2):
        is_same = _alike(one, other) and one.plan.right is other.plan.right and one.strike == other.strike
        if not is_same or one.plan.trading_class != other.plan.trading_class:
            continue
        right = one.plan.right.value
        message = f"'{one.plan.name}' and '{other.plan.name}' choose the same {right}: {_of_both(one, other)}"
        yield Problem("RB363", other.plan.path, message, "choose another strike or expiry for one of them", None, True)


def _of_both(one: SampleLeg, other: SampleLeg) -> str:
    if one.plan.sign == other.plan.sign:
        return "one leg with a larger 'ratio' says it"
    return "one leg buys what the other sells: only commissions remain"


def misnamed(look: LintContext) -> Iterator[Problem]:
    """Yield RB366 for a leg whose name says another side or right than the one it deals."""
    for leg in look.plan.legs:
        words = leg.name.split("_")
        sides = {_SIDES[word] for word in words if word in _SIDES}
        rights = {_RIGHTS[word] for word in words if word in _RIGHTS}
        is_other_side, is_other_right = sides == {-leg.sign}, len(rights) == 1 and leg.right not in rights
        if leg.is_shares or not (is_other_side or is_other_right):
            continue
        deals = f"{'buys' if leg.sign > 0 else 'sells'} a {leg.right.value}"
        yield Problem("RB366", leg.path, f"'{leg.name}' {deals}: its name says something else", _name(leg), None, True)


def _name(leg: LegPlan) -> str:
    return f"call it '{'long' if leg.sign > 0 else 'short'}_{leg.right.value}', or change what it deals"


def out_on_the_first_day(look: LintContext) -> Iterator[Problem]:
    """Yield RB367 for a time exit that closes, on the entry day, options that settle at the open weeks later."""
    options = [leg for leg in look.plan.legs if not leg.is_shares]
    is_of_open = any(leg.trading_class in OPENING_CLASSES for leg in options)
    days = min((days_of(leg.expiry) for leg in options), default=0)
    if end_of_day(look.spec, full_session()) is None or days < WEEK or not is_of_open:
        return
    clock = (rule for _, rule in look.exit_rules() if rule.reads == frozenset({"time"}))
    for rule in islice((each for each in clock if holds_by_the_clock(each)), 1):
        message = (
            f"{said(rule)} closes on the day of entry. The options end in about {days} days, settle at the open, and "
            "do not trade on that day"
        )
        yield Problem("RB367", look.marked(rule), message, "to close before expiry write 'dte: {at_most: 1}'")


def holds_by_the_clock(rule: Rule) -> bool:
    """Return whether a rule is a time of day and nothing else."""
    return isinstance(rule.test, Holds) and rule.test.call.measure == "time"


# --- A structure on two underlyings as one position

SAME_MARKET: tuple[frozenset[str], ...] = (
    frozenset(("SPX", "SPY", "XSP")),
    frozenset(("NDX", "QQQ")),
    frozenset(("RUT", "IWM")),
)
"""Underlyings that move as one: each is a multiple of the other."""
_HEDGED_APART, _APART_OF_OTHERS = 0.05, 2.0
"""By how much one side may be larger than the other: of one market, and of two."""
_OPEN_DELTA = 0.25
"""The part of the larger side's delta that may be left over."""


@dataclass(frozen=True, slots=True)
class PairSide:
    """The options on one underlying. notional, delta: in points of its level, per structure, delta signed."""

    symbol: str
    legs: tuple[SampleLeg, ...]

    @property
    def notional(self) -> float:
        """What the contracts are on: of a spread the larger of what is bought and what is sold."""
        return max(self._count(1), self._count(-1)) * example_price(self.symbol)

    @property
    def delta(self) -> float:
        """The delta of all legs, times the level."""
        return sum(leg.delta * leg.plan.sign * leg.plan.ratio for leg in self.legs) * example_price(self.symbol)

    @property
    def gross(self) -> float:
        """The same without signs: what it would be if all legs were on one side."""
        return sum(abs(leg.delta) * leg.plan.ratio for leg in self.legs) * example_price(self.symbol)

    @property
    def is_sold(self) -> bool:
        """Whether every leg is sold."""
        return all(leg.plan.sign < 0 for leg in self.legs)

    @property
    def is_bought(self) -> bool:
        """Whether every leg is bought."""
        return all(leg.plan.sign > 0 for leg in self.legs)

    def _count(self, sign: int) -> int:
        return sum(leg.plan.ratio for leg in self.legs if leg.plan.sign == sign)


def unbalanced_pairs(look: LintContext) -> Iterator[Problem]:
    """Yield RB370 to RB373 for a structure on two underlyings that is no hedged pair."""
    found = _sides(look)
    if found is None:
        return
    yield from _in_order(look)
    one, other = found
    if (one.is_sold and other.is_sold) or (one.is_bought and other.is_bought):
        yield _same_side(one, other)
    elif (problem := _out_of_proportion(one, other)) is not None:
        yield problem
    elif _is_one_market(one, other):
        yield from _left_over(one, other)


def _sides(look: LintContext) -> tuple[PairSide, PairSide] | None:
    """Return the options on each of two underlyings whose levels the example knows."""
    options = [leg for leg in look.plan.legs if not leg.is_shares]
    symbols = tuple(dict.fromkeys(leg.symbol for leg in options))
    if len(symbols) != 2 or not set(symbols) <= LEVELS.keys() or len(look.sample.legs) < len(options):
        return None
    by_symbol: Mapping[str, tuple[SampleLeg, ...]] = {
        symbol: tuple(leg for leg in look.sample.legs.values() if leg.plan.symbol == symbol) for symbol in symbols
    }
    one, other = (PairSide(symbol, by_symbol[symbol]) for symbol in symbols)
    return one, other


def _is_one_market(one: PairSide, other: PairSide) -> bool:
    return any({one.symbol, other.symbol} <= market for market in SAME_MARKET)


def _same_side(one: PairSide, other: PairSide) -> Problem:
    deals = "sells" if one.is_sold else "buys"
    message = f"this structure {deals} options on {one.symbol} and on {other.symbol}: neither side hedges the other"
    help_text = f"{'buy' if one.is_sold else 'sell'} one of them, or make two bots of it"
    return Problem("RB371", other.legs[0].plan.path, message, help_text, None, True)


def _out_of_proportion(one: PairSide, other: PairSide) -> Problem | None:
    large, small = (one, other) if example_price(one.symbol) >= example_price(other.symbol) else (other, one)
    apart = abs(large.notional - small.notional) / min(large.notional, small.notional)
    if apart <= (_HEDGED_APART if _is_one_market(one, other) else _APART_OF_OTHERS):
        return None
    contracts = sum(leg.plan.ratio for leg in large.legs if leg.plan.sign == large.legs[0].plan.sign)
    fits = example_price(large.symbol) / example_price(small.symbol) * contracts
    leg = _largest(small.legs)
    excess = f"{large.symbol if large.notional > small.notional else small.symbol} side is {apart:.0%} larger"
    message = (
        f"{contracts} {large.symbol} contract{' weighs' if contracts == 1 else 's weigh'} as much as {fits:.0f} on "
        f"{small.symbol}, and '{leg.name}' has {leg.ratio}: the {excess} and is not hedged"
    )
    return Problem("RB370", _ratio_path(leg), message, f"write 'ratio: {fits:.0f}'", None, leg.ratio == 1)


def _largest(legs: tuple[SampleLeg, ...]) -> LegPlan:
    return max((leg.plan for leg in legs), key=lambda plan: plan.ratio)


def _ratio_path(leg: LegPlan) -> Path:
    return leg.path if leg.ratio == 1 else (*leg.path, "ratio")


def _left_over(one: PairSide, other: PairSide) -> Iterator[Problem]:
    """Yield RB373 where the deltas of both sides do not make up for each other."""
    net, larger = one.delta + other.delta, max(one.gross, other.gross)
    if abs(net) <= _OPEN_DELTA * larger:
        return
    way = "up" if net > 0 else "down"
    message = (
        f"the deltas of {one.symbol} and {other.symbol} do not offset each other: {abs(net) / larger:.0%} of the "
        f"larger side remains, and the pair wins only when the market goes {way}"
    )
    help_text = "choose both strikes in the same way and of the same right, one bought and one sold"
    yield Problem("RB373", other.legs[0].plan.strike.path, message, help_text, None, True)


def _in_order(look: LintContext) -> Iterator[Problem]:
    """Yield RB372 where a leg is sold before anything is bought."""
    for order in (look.spec.order,):
        sides = {leg.name: leg.sign for leg in look.plan.legs}
        first = next((name for name in order.leg_by_leg), None)
        bought = next((name for name in order.leg_by_leg if sides.get(name, 0) > 0), None)
        if first is None or bought is None or sides.get(first, 0) > 0:
            continue
        message = f"'{first}' is sold before '{bought}' is bought: it is naked until then, or until expiry"
        help_text = f"write '{bought}' first: what is bought risks only its price"
        yield Problem("RB372", (*order.path, "leg_by_leg"), message, help_text)


# --- Underlyings whose symbol is also that of a future or an index


def ambiguous_symbols(look: LintContext) -> Iterator[Problem]:
    """Yield RB375 for each underlying whose ticker is also the symbol of a future or an index."""
    for symbol, path in _symbols(look.spec):
        found = NAMESAKES.get(symbol)
        if found is None:
            continue
        shares = f"these are options on the shares of {found.company} ({symbol})"
        if not found.company:
            shares = "no share is listed under it"
        message = f"'{symbol}' is also the symbol of {found.other}: {shares}"
        instead = f"for that market write {found.instead}" if found.instead else "rulebot trades no options on futures"
        yield Problem("RB375", path, message, instead)


def _symbols(spec: Spec) -> Iterator[tuple[str, Path]]:
    if spec.universe is not None:
        yield from ((symbol, (*spec.universe.path, "symbols", at)) for at, symbol in enumerate(spec.universe.symbols))
    elif len(spec.underlyings) > 1:
        yield from ((symbol, ("underlyings", at)) for at, symbol in enumerate(spec.underlyings))
    else:
        yield spec.underlyings[0], ("underlying",)
