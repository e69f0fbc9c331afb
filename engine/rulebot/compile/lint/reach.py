"""The possible values of every subject: by its nature, by the structure, and by when the bot looks at it."""

from collections.abc import Mapping
from decimal import Decimal
from math import inf, sqrt
from statistics import NormalDist
from types import MappingProxyType

from rulebot.compile.lint.comparisons import KIND, TIME, LinearTerms, Literal, Reach, Subject, legs_of, literal
from rulebot.compile.plan import SINCE_ENTRY, AllOf, Compare, LegPlan, Plan, Quantity, Rule, Truth
from rulebot.compile.strikes import dte_range
from rulebot.compile.structure import (
    NOTHING,
    Ends,
    certain_direction,
    ends_of,
    group_direction,
    has_fixed_width,
    payoff,
    place_of,
    symbol_of,
)
from rulebot.compile.timing import end_of_day, outlives_its_day, windows_of
from rulebot.measure.ranges import ALL, FALSE, NOT_NEGATIVE, POSITIVE, TRUE, TRUE_OR_FALSE, Range, meet, stretch
from rulebot.measures.registry import VOCABULARY
from rulebot.model.contract import Right
from rulebot.model.session import Session
from rulebot.model.values import dataclass
from rulebot.spec.nouns import Bound, DteRule, Expiry, Leg, Side, Strike, StrikeBy, StrikeRounding
from rulebot.spec.spec import Spec

# --- What a structure can be worth at most, from the distances between its strikes, before any market is there

MULTIPLIER = 100
NEAR = 0.75
"""The least delta of a strike chosen by delta, and the most above it: no listed strike is further off."""
AT_THE_MONEY = 0.5
"""The delta there."""
MOST_VOLATILITY, MOST_DEVIATION = 5.0, 1.0
"""A year's, and until expiry, of log returns: beyond all markets. By so much an option is more probably in the money
than its delta says."""
COMMISSION = Decimal("1.40")
"""Dollars a contract and side, more than any product's: what a stop in dollars may be missed by."""


@dataclass(frozen=True, slots=True)
class PayoffBounds:
    """The most that closing one structure can cost, and bring, per share; None without a bound.

    Both are never negative: what is sold brings 0 at most unless it has a side that is bought.
    """

    most_cost: float | None
    most_value: float | None


def worth_of(spec: Spec) -> PayoffBounds:
    """Return what one structure can be worth at most at expiry."""
    if any(leg.is_shares for leg in spec.legs.legs) or len(spec.legs.expiries) > 1:
        return PayoffBounds(None, None)
    groups: dict[str, dict[str, list[Leg]]] = {}
    for leg in spec.legs.legs:
        groups.setdefault(symbol_of(leg, spec), {}).setdefault(leg.right, []).append(leg)
    ends = [_together(sides) for sides in groups.values()]
    least, most = _added([each[0] for each in ends]), _added([each[1] for each in ends])
    return PayoffBounds(None if least is None else float(-least), None if most is None else float(most))


def same_everywhere(spec: Spec) -> Decimal | None:
    """Return what one structure of options always pays at expiry, like a box; None where the market decides."""
    legs = list(spec.legs.legs)
    is_one = len(spec.underlyings) == len(spec.legs.expiries) == 1
    if not is_one or any(leg.is_shares or not has_fixed_width(leg.strike) for leg in legs):
        return None
    roots: set[str] = set()
    sides: dict[str, list[tuple[Decimal, int]]] = {}
    for leg in legs:
        root, shift = place_of(leg, legs)
        roots.add(root.name)
        sides.setdefault(leg.right, []).append((shift, leg.signed_ratio))
    if len(roots) > 1 or any(sum(count for _, count in parts) for parts in sides.values()):
        return None
    kinks = {shift for parts in sides.values() for shift, _ in parts}
    pays = {sum((payoff(right, parts, at) for right, parts in sides.items()), NOTHING) for at in kinks}
    return pays.pop() if len(pays) == 1 else None


def most_brought(spec: Spec, worth: PayoffBounds) -> float | None:
    """Return the most that selling one structure can bring, per share; None without a certain width.

    A spread is worth no more than its width times how probable its sold strike is. Source: Breeden and Litzenberger,
    "Prices of State-Contingent Claims Implicit in Option Prices".
    """
    sides: dict[str, list[Leg]] = {}
    for leg in spec.legs.legs:
        sides.setdefault(leg.right, []).append(leg)
    is_separate = _stand_apart(sides) if len(sides) > 1 else all(map(_is_outward, spec.legs.legs))
    if worth.most_cost is None or len(spec.underlyings) != 1 or not is_separate:
        return None
    last = max(dte_range(each)[1] for each in spec.legs.expiries)
    deviation = min(MOST_VOLATILITY * sqrt((last + 1) / 365), MOST_DEVIATION)
    costs = [(_ends(legs)[0], _probable(legs, deviation)) for legs in sides.values()]
    brought = sum(-float(least or NOTHING) * probable for least, probable in costs)
    return min(brought, worth.most_cost)


def _probable(legs: list[Leg], deviation: float) -> float:
    """Return the highest probability that the sold options of one side end in the money."""
    root = place_of(legs[0], legs)[0]
    strike = root.strike
    if root.side is not Side.SELL or not _is_out_of_the_money(root) or strike.by is StrikeBy.AT_LEG:
        return 1.0
    target = AT_THE_MONEY
    if strike.by is StrikeBy.DELTA and strike.target is not None and strike.round_to is None:
        target = min(float(strike.target) / NEAR, AT_THE_MONEY)
    return NormalDist().cdf(NormalDist().inv_cdf(target) + deviation)


def _added(parts: list[Decimal | None]) -> Decimal | None:
    known = [part for part in parts if part is not None]
    return sum(known, NOTHING) if len(known) == len(parts) else None


def _together(sides: dict[str, list[Leg]]) -> Ends:
    """Puts and calls on one underlying. Where no put is above a call only one of the two sides can be worth
    anything at the end; else both count."""
    ends = [_ends(legs) for legs in sides.values()]
    least, most = _added([each[0] for each in ends]), _added([each[1] for each in ends])
    if len(ends) > 1 and _stand_apart(sides):
        least = least and min(each[0] or NOTHING for each in ends)
        most = most and max(each[1] or NOTHING for each in ends)
    return least, most


def _ends(legs: list[Leg]) -> Ends:
    """Where strikes are chosen independently, the sign may be known but not the size."""
    unsized: dict[str | None, Ends] = {"credit": (None, NOTHING), "debit": (NOTHING, None)}
    return ends_of(legs) or unsized.get(group_direction(legs), (None, None))


def _stand_apart(sides: dict[str, list[Leg]]) -> bool:
    """Return whether the sold options are chosen at or out of the money, and the bought ones further out."""
    roots = [place_of(leg, legs)[0] for legs in sides.values() for leg in legs]
    outward = all(_is_outward(leg) for legs in sides.values() for leg in legs)
    return outward and all(_is_out_of_the_money(root) for root in roots)


def _is_outward(leg: Leg) -> bool:
    return leg.strike.by is not (StrikeBy.ABOVE if leg.right == "put" else StrikeBy.BELOW)


def _is_out_of_the_money(leg: Leg) -> bool:
    strike = leg.strike
    if strike.min_strike is not None or strike.max_strike is not None:
        return False
    if strike.by is StrikeBy.DELTA:
        return strike.target is not None and strike.target <= Decimal("0.5") and strike.bound is not Bound.AT_LEAST
    return strike.by in (StrikeBy.EXPECTED_MOVE, StrikeBy.OTM, StrikeBy.AT_SPOT, StrikeBy.AT_LEG)


# --- The possible values of every subject

MONTH = 36
"""Days within which something always expires: from a third Friday to the next, or the session before it."""
DAY = 86400.0

_LOST_WHOLE = stretch(-1.0, inf, low_open=True)


def natural_range(subject: Subject) -> Range:
    """Return the values that a subject can have for any bot."""
    if (measure := VOCABULARY.get(subject.measure)) is None:
        return TRUE_OR_FALSE if not subject.measure else ALL
    if subject.of is not None:
        return measure.reach if measure.reach in (POSITIVE, NOT_NEGATIVE) else ALL
    if measure.is_change and subject.quantity is Quantity.FRACTION:
        return _LOST_WHOLE
    return measure.reach


@dataclass(frozen=True, slots=True)
class PriceBounds:
    """The least and the most that `require` lets one structure bring, per share; for what is bought, cost."""

    least: float
    most: float


def price_bounds(plan: Plan, worth: PayoffBounds, terms: LinearTerms) -> PriceBounds:
    """Return the bounds that `require` sets on the price of the structure, limited by its worth."""
    largest = MULTIPLIER * plan.quantity
    smallest = largest if plan.size is None else MULTIPLIER
    found = stretch(0.0, inf)
    for subject, passing in _literals(plan.require, terms):
        if subject.quantity is Quantity.DOLLARS and plan.overwrite is not None:
            continue
        if subject.measure == plan.opens_for and subject.of is None:
            few, many = (smallest, largest) if subject.quantity is Quantity.DOLLARS else (1, 1)
            found = meet(found, tuple(((low / many, a), (high / few, b)) for (low, a), (high, b) in passing))
    most = worth.most_cost if plan.opens_for == "credit" else worth.most_value
    top = inf if most is None else most
    if not found or found[0][0][0] >= top:
        return PriceBounds(0.0, top)
    return PriceBounds(found[0][0][0], min(found[-1][1][0], top))


def _literals(rules: tuple[Rule, ...], terms: LinearTerms) -> list[Literal]:
    return [literal(test, terms) for rule in rules for test in _flat(rule.test) if isinstance(test, Compare)]


def _flat(test: Truth) -> list[Truth]:
    return [found for member in test.members for found in _flat(member)] if isinstance(test, AllOf) else [test]


# ---------------------------------------------------------------- places


@dataclass(frozen=True, slots=True)
class Places:
    """The values that subjects can have at entry, while open, right after opening, and all day long."""

    entry: Reach
    open: Reach
    opened: Reach
    halt: Reach


def places_of(spec: Spec, plan: Plan, worth: PayoffBounds, bounds: PriceBounds, terms: LinearTerms) -> Places:
    """Return the reaches of one bot on one kind of session."""
    session = terms.session
    start, end = window_seconds(spec, session)
    day = (session.close - session.open).total_seconds()
    in_window = {KIND: TRUE if session.is_half else TRUE_OR_FALSE, TIME: stretch(start, end, high_open=True)}
    rolls = [rule.roll for rule in spec.exits if rule.roll is not None and rule.enabled]
    money = _money(plan, worth, bounds, terms) if is_sure(spec, bounds) and not rolls else {}
    days = [dte_range(each) for each in spec.legs.expiries]
    fewest, most = min(each[0] for each in days), max(map(_furthest, spec.legs.expiries))
    longest = max([most, *(_furthest(each.expiry) for each in rolls if each.expiry is not None)])
    over = fewest - most if len(days) > 1 else 0.0  # that of a leg which is over, while those that end later live on
    if outlives_its_day(spec):
        since, nights = 0.0, stretch(0.0, longest)
        lasting = stretch(0.0, inf if rolls else longest * DAY + day)
    else:
        since, nights, lasting = start, FALSE, stretch(0.0, day - start)
    held = in_window | money | {TIME: stretch(since, day, high_open=True)}
    return Places(
        halt=_reach(in_window | {TIME: stretch(0.0, day, high_open=True)}),
        entry=_reach(
            in_window
            | _prices(plan, worth)
            | _risks(plan, least_loss(spec, plan, worth, bounds))
            | _delta_range(plan)
            | ({} if rolls else _net_delta_range(plan)),
            {"dte": stretch(fewest, most)},
        ),
        open=_reach(
            held | _delta_range(plan),
            {"dte": stretch(over, longest), "time_in_trade": lasting, "sessions_in_trade": nights},
        ),
        opened=_reach(
            held | in_window | _delta_range(plan) | _UNMOVED | _unmoved_spot(plan.underlyings[0]),
            {"dte": stretch(fewest, most), "time_in_trade": FALSE, "sessions_in_trade": FALSE},
            _chosen(plan),
        ),
    )


def _furthest(expiry: Expiry) -> float:
    """Return the most days to expiry that may be chosen.

    The one nearest to a day is no further from it than another one is, and within a month of today there is always one.
    """
    most = dte_range(expiry)[1]
    return expiry.days[0] + max(expiry.days[0], MONTH) if expiry.rule is DteRule.NEAREST else most


def is_sure(spec: Spec, bounds: PriceBounds) -> bool:
    """Return whether the structure is certainly sold, or bought: by its strikes, or by what `require` asks."""
    return certain_direction(spec) is not None or bounds.least > 0


def _reach(
    subjects: Mapping[Subject, Range],
    measures: Mapping[str, Range] = MappingProxyType({}),
    legs: Mapping[str, Mapping[str, Range]] = MappingProxyType({}),
) -> Reach:
    """Return a reach. Money is looked up without its `at`; a subject of several legs uses the worst of them."""

    def reach(subject: Subject) -> Range:
        for known in (subject, _without_at(subject)):
            if known in subjects:
                return subjects[known]
        if subject.of is None and subject.measure in legs:
            return _worst_of(subject, legs[subject.measure])
        return measures[subject.measure] if subject.measure in measures else natural_range(subject)

    return reach


def _without_at(subject: Subject) -> Subject:
    """Return the subject without its `at`: of legs by name it is another one than of the whole."""
    if not isinstance(subject.arguments, tuple):
        return subject
    named = (each for each in subject.arguments if not (isinstance(each, tuple) and each[0] == "at"))
    return subject._replace(arguments=tuple(named))


def _worst_of(subject: Subject, ranges: Mapping[str, Range]) -> Range:
    """Return what the largest delta, or the least distance, of some legs can be."""
    known = [ranges[name] for name in sorted(legs_of(subject)) if name in ranges]
    if subject.measure == "breach":
        return stretch(-inf, min((found[-1][1][0] for found in known), default=inf))
    return stretch(max((found[0][0][0] for found in known), default=0.0), 1.0)


def window_seconds(spec: Spec, session: Session) -> tuple[float, float]:
    """Return the open of the entry's first window and the close of its last, in seconds since the open.

    On half days without trading time, it closes before it opens.
    """
    found = spans_in_seconds(spec, session)
    left = [(start, end) for start, end in found if start < end]
    return (min(left)[0], max(end for _, end in left)) if left else found[0]


def spans_in_seconds(spec: Spec, session: Session) -> list[tuple[float, float]]:
    """Return when each window opens and closes, in seconds since the session's open.

    It opens with the session at the earliest, and closes where time exits end all, or at the session's close at the
    latest; on some half days before it opens.
    """
    last = end_of_day(spec, session)
    latest = session.close if last is None else min(session.close, last.before_close(session))
    found = []
    for window in windows_of(spec.entry):
        start, end = window.starts(session), min(window.ends(session), latest)
        found.append(((start - session.open).total_seconds(), (end - session.open).total_seconds()))
    return found


# ---------------------------------------------------------------- money


def _prices(plan: Plan, worth: PayoffBounds) -> dict[Subject, Range]:
    """At entry: a sold structure brings less than its largest cost, a bought one costs less than its largest worth."""
    most = worth.most_cost if plan.opens_for == "credit" else worth.most_value
    if most is None:
        return {}
    sizes = {Quantity.PRICE: 1}
    if plan.overwrite is None:  # else how many there are follows from the shares held
        sizes[Quantity.DOLLARS] = MULTIPLIER * plan.quantity
    return {
        Subject(plan.opens_for, quantity): stretch(-inf, most * size, high_open=True)
        for quantity, size in sizes.items()
    }


def least_loss(spec: Spec, plan: Plan, worth: PayoffBounds, bounds: PriceBounds) -> float:
    """Return the least possible max loss of one structure at expiry, per share; 0 where nothing is certain."""
    if plan.overwrite is not None or any(leg.is_shares for leg in spec.legs.legs):
        return 0.0
    if plan.opens_for == "debit":
        return bounds.least
    brought = most_brought(spec, worth)
    if brought is None or worth.most_cost is None:
        return 0.0
    return worth.most_cost - min(brought, bounds.most)


def _risks(plan: Plan, least: float) -> dict[Subject, Range]:
    """At entry: what the structure, and so the bot with it, may lose at expiry at least."""
    count = 1 if plan.size is not None else plan.quantity
    dollars = stretch(least * MULTIPLIER * count, inf)
    return {
        Subject("max_risk", Quantity.PRICE): stretch(least, inf),
        Subject("max_risk", Quantity.DOLLARS): dollars,
        Subject("worst_case", Quantity.DOLLARS): dollars,
    }


def _money(plan: Plan, worth: PayoffBounds, bounds: PriceBounds, terms: LinearTerms) -> dict[Subject, Range]:
    """While it is open: what closing it may cost, and what follows for its profit and loss.

    Nothing is claimed about a structure that can be either bought or sold. A position whose parts close one
    after the other may lose on one side after the other.
    """
    cost = _cost_range(worth)
    paid = (bounds.least, bounds.most) if plan.opens_for == "credit" else (-bounds.most, -bounds.least)
    lost, won = cost[1] - paid[0], paid[1] - cost[0]
    part_lost, part_won = _parts(plan, cost, bounds)
    if not terms.is_whole:
        lost = part_lost = inf
    shares = MULTIPLIER * plan.quantity
    fees = float(COMMISSION) * 2 * plan.quantity * sum(leg.ratio for leg in plan.legs)
    if plan.overwrite is not None:
        lost = won = inf
    return {
        Subject("gain", Quantity.FRACTION): stretch(-part_lost, part_won, low_open=True, high_open=True),
        Subject("gain in dollars", Quantity.DOLLARS): stretch(-lost * shares - fees, won * shares, high_open=True),
        Subject("gain in risk", Quantity.FRACTION): stretch(-1.0 if terms.is_whole else -inf, inf, low_open=True),
        Subject("cost", Quantity.PRICE): stretch(*cost, low_open=True, high_open=not cost[1]),
    }


def _cost_range(worth: PayoffBounds) -> tuple[float, float]:
    """Return the least and the most that closing costs; what it brings is a cost below 0."""
    least = -inf if worth.most_value is None else 0.0 - worth.most_value
    return least, inf if worth.most_cost is None else worth.most_cost


def _parts(plan: Plan, cost: tuple[float, float], bounds: PriceBounds) -> tuple[float, float]:
    """Return the largest loss and gain, as fractions of the entry price: larger for a small price."""
    least, most = cost
    base = bounds.least
    if plan.opens_for == "credit":
        return (most / base - 1 if base else inf), (1.0 if not least else 1 - least / base if base else inf)
    return (1.0 if not most else 1 + most / base if base else inf), (-least / base - 1 if base else inf)


def _delta_range(plan: Plan) -> dict[Subject, Range]:
    """Return the range of the delta of one structure, in shares: that of an option is 0 to 1.

    A roll keeps the legs, and a part that was closed leaves less.
    """
    up = sum(MULTIPLIER * leg.ratio for leg in plan.legs if _rises(leg))
    down = sum(MULTIPLIER * leg.ratio for leg in plan.legs if not _rises(leg))
    return {Subject("position_delta", Quantity.PLAIN): stretch(-down, up)}


def _net_delta_range(plan: Plan) -> dict[Subject, Range]:
    """At entry: the range of the delta of all positions of the bot in shares, one underlying each.

    Nothing is claimed with shares: more of them may be held than the bot has bought.
    """
    if plan.overwrite is not None or any(leg.is_shares for leg in plan.legs):
        return {}
    trades = plan.quantity * plan.entry.max_open
    found: dict[Subject, Range] = {}
    for symbol in {leg.symbol for leg in plan.legs}:
        legs = [leg for leg in plan.legs if leg.symbol == symbol]
        up = trades * sum(MULTIPLIER * leg.ratio for leg in legs if _rises(leg))
        down = trades * sum(MULTIPLIER * leg.ratio for leg in legs if not _rises(leg))
        found[Subject("net_delta", Quantity.PLAIN, (("of", symbol),))] = stretch(-down, up)
    return found


def _rises(leg: LegPlan) -> bool:
    """Return whether a leg gains when the underlying rises."""
    return (leg.sign > 0) is not (leg.right is Right.PUT and not leg.is_shares)


_AT_MID = (("at", "mid"),)
_UNMOVED: dict[Subject, Range] = {
    Subject("gain", Quantity.FRACTION, _AT_MID): FALSE,
    Subject("gain in dollars", Quantity.DOLLARS, _AT_MID): stretch(-inf, 0.0),
}
"""Right after the fill nothing has been won or lost, at mid."""


def _unmoved_spot(symbol: str) -> dict[Subject, Range]:
    """Right after the fill spot is where it was at the entry."""
    arguments = (("of", symbol), ("since", SINCE_ENTRY))
    return {Subject("move", quantity, arguments): FALSE for quantity in (Quantity.POINTS, Quantity.FRACTION)}


def _chosen(plan: Plan) -> dict[str, dict[str, Range]]:
    """Right after the fill strikes are where they were chosen."""
    return {
        "leg_delta": {leg.name: delta_chosen(leg.strike, NEAR) for leg in plan.legs},
        "breach": {leg.name: _distance_chosen(leg.strike) for leg in plan.legs},
    }


def delta_chosen(strike: Strike, near: float) -> Range:
    """Return the possible deltas of a strike with at least this much of the requested delta."""
    moved = strike.min_otm_distance is not None or strike.round_to is not None or _is_edged(strike)
    moved = moved or strike.bound is Bound.AT_MOST or strike.round is StrikeRounding.AWAY
    if strike.by is not StrikeBy.DELTA or strike.target is None or moved:
        return stretch(0.0, 1.0)
    return stretch(float(strike.target) * near, 1.0)


def _is_edged(strike: Strike) -> bool:
    return strike.min_strike is not None or strike.max_strike is not None


def _distance_chosen(strike: Strike) -> Range:
    if _is_edged(strike) or strike.round is not StrikeRounding.NEAREST:
        return ALL
    if strike.by is not StrikeBy.AT_SPOT or strike.round_to is None or strike.min_otm_distance is not None:
        return ALL
    half = float(strike.round_to) / 2
    return stretch(-half, half)
