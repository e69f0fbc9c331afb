"""The legs: in which order their strikes resolve, what covers what, whether the structure is sold or bought."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from decimal import Decimal

from rulebot.compile.plan import LegPlan
from rulebot.compile.problem import Problem, did_you_mean
from rulebot.compile.strikes import (
    edge_problems,
    expires_no_earlier,
    expiry_problems,
    legs_named_by,
    modifier_problems,
    side_problems,
    strike_bounds_of,
    width_problems,
)
from rulebot.model.contract import CLASSES_OF_INDICES, INDICES, LOT, UNKNOWN_INDICES, Right, product
from rulebot.spec.nouns import Bound, Leg, Path, Side, Strike, StrikeBy
from rulebot.spec.spec import Spec

# --- Legs of one right by the points between their strikes

REFERRING = (StrikeBy.AT_LEG, StrikeBy.BELOW, StrikeBy.ABOVE)
"""Selectors that count from another leg."""

Ends = tuple[Decimal | None, Decimal | None]
"""The least and the most that some legs pay at expiry, per share; None without a bound."""

NOTHING = Decimal(0)


def place_of(leg: Leg, group: list[Leg]) -> tuple[Leg, Decimal]:
    """Return the leg whose strike this one counts from, and the points between them."""
    legs = {each.name: each for each in group}
    shift = Decimal(0)
    for _ in group:
        if leg.strike.by not in REFERRING or (leg.strike.reference or "") not in legs:
            break
        width = leg.strike.target or Decimal(0)
        shift += {StrikeBy.BELOW: -width, StrikeBy.ABOVE: width}.get(leg.strike.by, Decimal(0))
        leg = legs[leg.strike.reference or ""]
    return leg, shift


def has_fixed_width(strike: Strike) -> bool:
    """Return whether the distance to the reference strike is fixed by the text alone."""
    return strike.by not in REFERRING or not (strike.widths or strike.min_strike or strike.max_strike)


def ends_of(group: list[Leg]) -> Ends | None:
    """Return the least and most payoff of legs of one right; None unless all strikes depend on one."""
    places = [place_of(leg, group) for leg in group]
    if not all(has_fixed_width(leg.strike) for leg in group):
        return None
    if len({root.name for root, _ in places}) > 1:
        return None
    counts = [leg.signed_ratio for leg in group]
    shifts = [shift for _, shift in places]
    pays = [payoff(group[0].right, zip(shifts, counts, strict=True), at) for at in shifts]
    least, most = min(*pays, NOTHING), max(*pays, NOTHING)
    return None if sum(counts) < 0 else least, None if sum(counts) > 0 else most


def payoff(right: str, parts: Iterable[tuple[Decimal, int]], spot: Decimal) -> Decimal:
    """Return what options of one right, (strike, count), pay at expiry, per share."""
    outward = 1 if right == "put" else -1
    return sum((count * max((strike - spot) * outward, NOTHING) for strike, count in parts), NOTHING)


# --- The legs

*_FIRST, _LAST = INDICES
_KNOWN = f"{', '.join(_FIRST)} and {_LAST}"
MAX_LEGS = 8
MAX_RATIO = 100


def symbol_of(leg: Leg, spec: Spec) -> str:
    """Return the leg's underlying, by default the bot's first."""
    return leg.underlying or spec.underlyings[0]


def leg_problems(spec: Spec) -> Iterator[Problem]:
    """Yield what is wrong with the legs, one by one and together."""
    legs = spec.legs.legs
    yield from _share_problems(spec)
    if not 1 <= len(legs) <= MAX_LEGS:
        yield Problem("RB232", spec.legs.path, f"a structure has 1 to {MAX_LEGS} legs, is {len(legs)}", on_key=True)
    yield from _unknown_indices(spec)
    for leg in legs:
        yield from _symbol_problems(leg, spec)
        yield from _strike_problems(leg, spec)
        yield from edge_problems(leg, symbol_of(leg, spec), spec)
        if not 1 <= leg.ratio <= MAX_RATIO:
            message = f"a ratio is 1 to {MAX_RATIO}, is {leg.ratio}"
            yield Problem("RB232", (*leg.path, "ratio"), message)
    yield from _circles(legs)
    yield from expiry_problems(spec)
    yield from _uncovered(spec)


def _unknown_indices(spec: Spec) -> Iterator[Problem]:
    """Options on these would be taken for those on a stock: assigned in shares, with other price steps."""
    for at, symbol in enumerate(spec.underlyings):
        path: Path = ("underlyings", at) if len(spec.underlyings) > 1 else ("underlying",)
        where = path if spec.universe is None else ("universe",)
        index = CLASSES_OF_INDICES.get(symbol, symbol)
        if index in UNKNOWN_INDICES:
            message = f"{symbol} is an index, and the only ones whose options this engine knows are {_KNOWN}"
            if index != symbol:
                message = f"{symbol} is a class of options on {index}, and the only indices known here are {_KNOWN}"
            yield Problem("RB232", where, message, "take one of these, or an ETF such as SPY")
        elif index != symbol:
            message = f"{symbol} is a class of options, and the underlying of them is {index}"
            yield Problem("RB232", where, message, f"write '{index}'; 'expiry: {{dte: 0}}' selects {symbol}")


def _share_problems(spec: Spec) -> Iterator[Problem]:
    shares = [leg for leg in spec.legs.legs if leg.is_shares]
    if not shares:
        return
    if len(shares) == len(spec.legs.legs):
        message = "a structure needs an option: shares can only be traded together with options"
        yield Problem("RB234", shares[0].path, message, "add a call or a put", on_key=True)
    for at, leg in enumerate(shares):
        symbol = symbol_of(leg, spec)
        if not product(symbol).is_tradable:
            yield Problem("RB234", leg.path, f"{symbol} is an index: it has no shares to trade", on_key=True)
        if any(symbol_of(other, spec) == symbol for other in shares[:at]):
            yield Problem(
                "RB234", leg.path, f"shares of {symbol} appear in two legs", "one 'ratio' says it", on_key=True
            )
    for rule in spec.exits:
        if rule.kind.is_ending:
            message = "shares do not expire: any that remain must be closed"
            yield Problem("RB234", rule.path, message, "add 'time: close - 15m' instead, or 'dte'", on_key=True)
    if spec.risk.protect is not None:
        message = "a stop on a short call would leave its shares without it, and one on shares is no protection"
        yield Problem("RB234", (*spec.risk.path, "protect"), message, "let the engine watch a stop", on_key=True)


def _symbol_problems(leg: Leg, spec: Spec) -> Iterator[Problem]:
    if leg.underlying is None and len(spec.underlyings) > 1:
        message = f"leg '{leg.name}' is on which underlying? this bot has {' and '.join(spec.underlyings)}"
        yield Problem("RB201", leg.path, message, f"write 'of: {spec.underlyings[0]}'", on_key=True)
    elif leg.underlying is not None and leg.underlying not in spec.underlyings:
        message = f"unknown underlying '{leg.underlying}'"
        yield Problem("RB201", (*leg.path, "of"), message, did_you_mean(leg.underlying, spec.underlyings))


def _strike_problems(leg: Leg, spec: Spec) -> Iterator[Problem]:
    strike = leg.strike
    if leg.is_shares:
        return
    target, where = strike.target, _target_path(strike)
    if strike.by is StrikeBy.DELTA and target is not None and not 0 < target < 1:
        yield Problem("RB230", where, f"a delta must be between 0 and 1, is {target:f}", "the right gives the sign")
    if strike.by is StrikeBy.EXPECTED_MOVE and target is not None and target <= 0:
        yield Problem("RB230", where, f"a multiple of the expected move is positive, is {target:f}")
    if strike.by in (StrikeBy.PREMIUM, StrikeBy.SIDE_CREDIT) and target is not None and target <= 0:
        yield Problem("RB230", where, f"a price per share is positive, is {target:f}")
    if strike.by in (StrikeBy.BELOW, StrikeBy.ABOVE):
        yield from width_problems(strike, where)
    yield from modifier_problems(strike)
    if strike.by in REFERRING:
        yield from _reference_problems(leg, spec)
    if strike.by is StrikeBy.SIDE_CREDIT:
        yield from side_problems(leg, spec)


def _target_path(strike: Strike) -> Path:
    key = "by" if strike.by in (StrikeBy.BELOW, StrikeBy.ABOVE) else strike.by.value
    return (*strike.path, key) if strike.bound is Bound.NEAREST else (*strike.path, key, strike.bound.value)


def _reference_problems(leg: Leg, spec: Spec) -> Iterator[Problem]:
    legs = {each.name: each for each in spec.legs.legs}
    name, key = leg.strike.reference or "", "at" if leg.strike.by is StrikeBy.AT_LEG else leg.strike.by.value
    where = (*leg.strike.path, key)
    if name not in legs:
        others = tuple(each for each in legs if each != leg.name)
        yield Problem("RB201", where, f"unknown leg '{name}'", did_you_mean(name, others))
    elif legs[name].is_shares:
        yield Problem("RB231", where, f"'{name}' is shares, which have no strike", "refer to an option")
    elif symbol_of(legs[name], spec) != symbol_of(leg, spec):
        message = f"'{leg.name}' is on {symbol_of(leg, spec)}, and '{name}' is on {symbol_of(legs[name], spec)}"
        yield Problem("RB231", where, message, "a strike refers to a leg of the same underlying")


def _circles(legs: tuple[Leg, ...]) -> Iterator[Problem]:
    references = {leg.name: references_of(leg) for leg in legs}
    reported: set[str] = set()
    for leg in legs:
        circle = _circle_from(leg.name, references)
        if circle and not reported & set(circle):
            reported |= set(circle)
            message = f"these strikes refer to each other in a circle: {' -> '.join((*circle, circle[0]))}"
            yield Problem("RB202", leg.strike.path, message, "one of them needs an independent strike, such as a delta")


def references_of(leg: Leg) -> tuple[str, ...]:
    """Return the legs whose strikes must be known before this one's."""
    strike = leg.strike
    counted = (strike.reference,) if strike.by in REFERRING and strike.reference is not None else ()
    return tuple(dict.fromkeys((*counted, *legs_named_by(strike))))


def _circle_from(name: str, references: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the shortest way from a leg back to itself, () when there is none."""
    ways: list[tuple[str, ...]] = [(name,)]
    seen: set[str] = set()
    for way in ways:
        for following in references.get(way[-1], ()):
            if following == name:
                return way
            if following not in seen:
                seen.add(following)
                ways.append((*way, following))
    return ()


def _uncovered(spec: Spec) -> Iterator[Problem]:
    if spec.risk.undefined_risk:
        return
    for leg in spec.legs.legs:
        if _is_overwrite(leg, spec):
            continue
        if leg.side is Side.SELL and (missing := missing_cover(leg, spec)) > 0:
            if leg.is_shares:
                message = (
                    f"the shares sold by '{leg.name}' are not covered: no call is bought on {symbol_of(leg, spec)}"
                )
                help_text = "buy a call of the same expiry, or write 'undefined_risk: allow' under 'risk'"
                yield Problem("RB209", leg.path, message, help_text, on_key=True)
                continue
            bought = [each for each in _alike(leg, spec) if each.side is Side.BUY]
            lasting = [each for each in bought if _outlasts(each, leg, spec)]
            count = sum(each.ratio for each in lasting)
            found = f"only {count} of them bought" if lasting else _none_bought(leg, bought)
            message = f"the {leg.right} sold by '{leg.name}' is not covered: {found} on {symbol_of(leg, spec)}"
            yield Problem("RB209", leg.path, message, _cover_help(leg, missing, spec), on_key=True)


def _cover_help(leg: Leg, missing: int, spec: Spec) -> str:
    cover_text = f"{missing} {leg.right}{'s' if missing > 1 else ''}"
    ways = [f"buy {cover_text} of the same expiry"]
    if leg.right == "call" and symbol_of(leg, spec) not in INDICES:
        ways.append("sell against shares held with 'quantity: {overwrite: {between: [50%, 100%]}}'")
    return f"{', '.join(ways)}, or write 'undefined_risk: allow' under 'risk'"


def _none_bought(leg: Leg, bought: list[Leg]) -> str:
    return f"'{bought[0].name}' may end before it, and no other is bought" if bought else f"no {leg.right} is bought"


def uncovered_after_close(spec: Spec, closed: Collection[str]) -> tuple[str, ...]:
    """Return what is sold and stays uncovered once these legs are closed alone, () where that is allowed."""
    if spec.risk.undefined_risk:
        return ()
    left = replace(spec, legs=replace(spec.legs, legs=tuple(leg for leg in spec.legs.legs if leg.name not in closed)))
    sold = (leg for leg in left.legs.legs if leg.side is Side.SELL)
    return tuple(leg.name for leg in sold if not _is_overwrite(leg, spec) and missing_cover(leg, left) > 0)


def _is_overwrite(leg: Leg, spec: Spec) -> bool:
    return leg.right == "call" and spec.overwrite is not None


def _alike(leg: Leg, spec: Spec) -> list[Leg]:
    symbol = symbol_of(leg, spec)
    return [each for each in spec.legs.legs if each.right == leg.right and symbol_of(each, spec) == symbol]


def _covering(leg: Leg, spec: Spec) -> list[Leg]:
    """Return the legs that may cover this one, itself included: shares cover calls, and sold ones puts."""
    symbol = symbol_of(leg, spec)
    legs = [each for each in spec.legs.legs if symbol_of(each, spec) == symbol]
    if leg.right == "put":
        sold_shares = [replace(each, side=Side.BUY) for each in legs if each.is_shares and each.side is Side.SELL]
        return [*(each for each in legs if each.right == "put"), *sold_shares]
    return [each for each in legs if each.right == "call" or each.is_shares]


def missing_cover(leg: Leg, spec: Spec) -> int:
    """Return how many options of this leg's kind are sold and not bought, reported at the last leg that sells.

    An option that may end before the one that is sold covers nothing.
    """
    alike = _covering(leg, spec)
    sold = [each for each in alike if each.side is Side.SELL]
    return _bare(sold, [each for each in alike if each.side is Side.BUY], spec) if sold[-1] is leg else 0


def _bare(sold: list[Leg], bought: list[Leg], spec: Spec) -> int:
    """Return how many sold options have no bought option to cover them, one for one."""
    return _unpaired(sold, bought, lambda short, long: _outlasts(long, short, spec))


def _unpaired(legs: list[Leg], partners: list[Leg], fits: Callable[[Leg, Leg], bool]) -> int:
    """Return how many of these legs, by ratio, get no partner; legs with few candidates go first."""
    fitting = {leg.name: [each.name for each in partners if fits(leg, each)] for leg in legs}
    left = {each.name: each.ratio for each in partners}
    alone = 0
    for leg in sorted(legs, key=lambda each: len(fitting[each.name])):
        uncovered = leg.ratio
        for name in fitting[leg.name]:
            taken = min(uncovered, left[name])
            uncovered, left[name] = uncovered - taken, left[name] - taken
        alone += uncovered
    return alone


def _outlasts(long: Leg, short: Leg, spec: Spec) -> bool:
    if long.is_shares or short.is_shares:
        return True
    return expires_no_earlier(spec.legs.expiry_of(long), spec.legs.expiry_of(short))


# ---------------------------------------------------------------- plans


def leg_plans(spec: Spec) -> tuple[LegPlan, ...]:
    """Return the legs ordered so that each follows the one its strike refers to. The references must be valid."""
    placed: dict[str, Leg] = {}
    waiting = list(spec.legs.legs)
    while waiting:
        ready = next(leg for leg in waiting if placed.keys() >= set(references_of(leg)))
        waiting.remove(ready)
        placed[ready.name] = ready
    return tuple(_leg_plan(leg, spec) for leg in placed.values())


def _leg_plan(leg: Leg, spec: Spec) -> LegPlan:
    symbol, expiry = symbol_of(leg, spec), spec.legs.expiry_of(leg)
    edges = strike_bounds_of(leg, symbol, spec)
    return LegPlan(
        name=leg.name,
        symbol=symbol,
        trading_class=expiry.trading_class or product(symbol).same_day_class,
        right=Right.CALL if leg.is_shares else Right(leg.right),
        sign=1 if leg.side is Side.BUY else -1,
        ratio=leg.ratio * LOT if leg.is_shares else leg.ratio,
        expiry=expiry,
        strike=leg.strike,
        min_strike=edges.get("min_strike"),
        max_strike=edges.get("max_strike"),
        path=leg.path,
    )


def certain_direction(spec: Spec) -> str | None:
    """Return "credit" or "debit" when the legs alone decide it in any market, else None.

    With different expiries time value decides, so the result is None.
    """
    if len(spec.legs.expiries) > 1:
        return None
    shares = {leg.side for leg in spec.legs.legs if leg.is_shares}
    if shares:  # what shares cost is more than options on them
        return None if len(shares) > 1 else "debit" if Side.BUY in shares else "credit"
    kinds = {group_direction(group) for group in _groups(spec)}
    return next(iter(kinds)) if len(kinds) == 1 else None


def _groups(spec: Spec) -> Iterable[list[Leg]]:
    groups: dict[tuple[str, str], list[Leg]] = {}
    for leg in spec.legs.legs:
        groups.setdefault((symbol_of(leg, spec), leg.right), []).append(leg)
    return groups.values()


def group_direction(group: list[Leg]) -> str | None:
    """Return "credit" or "debit" for legs of one right, None when that is not certain.

    A leg group that never pays at expiry is sold; one that never costs is bought. Where strikes are chosen one by one,
    it is sold when each bought option can be matched to a dearer sold one, and the reverse. A butterfly
    with a broken wing is neither.
    """
    ends = ends_of(group)
    if ends is not None:
        return {(True, False): "debit", (False, True): "credit"}.get((ends[0] == 0, ends[1] == 0))
    longs = [leg for leg in group if leg.side is Side.BUY]
    shorts = [leg for leg in group if leg.side is Side.SELL]
    if _are_all_matched(longs, shorts, group):
        return "credit"
    return "debit" if _are_all_matched(shorts, longs, group) else None


def _are_all_matched(cheaper: list[Leg], dearer: list[Leg], group: list[Leg]) -> bool:
    """Return whether each cheaper leg has its own match among the others, nearer to the money."""
    return not _unpaired(cheaper, dearer, lambda leg, near: _is_further(leg, near, group))


def _has_same_selector(one: Strike, other: Strike) -> bool:
    """Return whether two strikes are chosen by the same rule, with no edge that moves one of them."""
    edges = (one.min_strike, one.max_strike, other.min_strike, other.max_strike)
    is_same = (one.by, one.bound, one.is_percent) == (other.by, other.bound, other.is_percent)
    return is_same and all(edge is None for edge in edges)


def _is_further(leg: Leg, near: Leg, group: list[Leg]) -> bool:
    (root, shift), (other_root, other_shift) = place_of(leg, group), place_of(near, group)
    outward = -1 if leg.right == "put" else 1
    if root is other_root:
        return (shift - other_shift) * outward > 0
    one, other = root.strike, other_root.strike
    if shift or other_shift or one.target is None or other.target is None or not _has_same_selector(one, other):
        return False
    if (other.min_otm_distance or 0) > (one.min_otm_distance or 0):  # it may be moved past the other
        return False
    if one.by in (StrikeBy.DELTA, StrikeBy.PREMIUM):
        return one.target < other.target
    return one.by in (StrikeBy.EXPECTED_MOVE, StrikeBy.OTM) and one.target > other.target
