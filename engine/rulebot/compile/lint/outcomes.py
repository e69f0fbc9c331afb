"""Exits in the example market: those that never act, stops that noise reaches, targets that net next to nothing."""

from collections.abc import Iterator
from math import inf

from rulebot.compile.lint.clauses import Reach, can_hold, legs_of
from rulebot.compile.lint.greeks import LEFT, PLACES, net, until_it_ends
from rulebot.compile.lint.literals import Subject, literal
from rulebot.compile.lint.look import LintContext
from rulebot.compile.lint.paid import AS_IT_IS, NEAR, WIDE, EntryPrices, paid_about
from rulebot.compile.lint.ranges import ALL, Range, meet, stretch
from rulebot.compile.lint.stakes import ExamplePayoff
from rulebot.compile.lint.wording import said
from rulebot.compile.plan import Compare, ExitPlan, Quantity, Rule
from rulebot.compile.problem import Problem
from rulebot.compile.reads import calls_of
from rulebot.model.contract import LOT
from rulebot.spec.nouns.exits import ExitKind

_MONEY = ("gain", "gain in dollars", "gain in risk", "cost", "give_back")
_PRICES = frozenset(("profit", "loss", "give_back", "cost", "value"))
_INSIDE = "choose a bound that the structure can come to, or the other sign"
FEW_DOLLARS = 5.0
"""What a target has to net for the whole position, commissions paid."""
TIGHT_SOLD, TIGHT_BOUGHT, TIGHT_SHARES = 0.11, 0.05, 0.0015
"""The part of the entry price within which a stop is hit by the noise of quotes: of a credit, of a debit, of shares."""
_FAR = 5.0
"""Expected moves beyond which spot does not go while a position is open."""
_SHARE = 1.0
"""What the delta in shares may be further out than at these places."""
_NEARLY = 0.95
"""The part of the largest loss from which a stop is no stop any more."""
_LEAST_MID, _BELOW = 0.75, 0.999
"""What a mid is at least, in ticks, while anything is bid or asked for; just below a price that can be had."""


def never_in_the_example(look: LintContext) -> Iterator[Problem]:
    """Yield RB369 for an exit that cannot act at any price near that of the example."""
    stake = look.stake
    if stake is None or any(planned.roll is not None for planned in look.plan.exits):
        return
    reaches = {is_target: _while_open(look, stake, is_target=is_target) for is_target in (True, False)}
    for planned, rule in look.exit_rules():
        for arming in planned.armed_by:
            if not can_hold([(arming.test, True)], reaches[False], look.terms):
                message = f"{said(rule)} is armed by {said(arming)}, which never holds in the example"
                yield Problem("RB369", look.marked(rule), message, f"with {look.sample.levels}: choose a smaller bound")
        reach = reaches[planned.kind is ExitKind.TARGET]
        is_told = not can_hold([(rule.test, True)], look.places.open, look.terms)
        if not is_told and not can_hold([(rule.test, True)], reach, look.terms):
            yield _never(look, stake, rule)


def _never(look: LintContext, stake: ExamplePayoff, rule: Rule) -> Problem:
    if any(call.measure == "position_delta" for call in calls_of(rule.test)):
        (low, _), (high, _) = _leaning(look)[0]
        stays = f"the delta of a structure stays from {low:.0f} to {high:.0f} shares until it ends"
        message = f"{said(rule)} never acts in the example: {stays}"
        return Problem("RB369", look.marked(rule), message, _INSIDE)
    if not calls_of_money(rule):
        strikes = ", ".join(f"{leg.plan.name} {leg.strike:g}" for leg in look.sample.legs.values())
        message = f"{said(rule)} never acts in the example, with {look.sample.levels} and {strikes}"
        return Problem("RB369", look.marked(rule), message, _INSIDE)
    message = f"{said(rule)} never acts in the example: {_entry_words(look, stake)}, {_ends(look, stake, rule)}"
    return Problem("RB369", look.marked(rule), message, _instead(is_gain(look, rule)))


def calls_of_money(rule: Rule) -> bool:
    """Say whether a rule looks at a profit, a loss or a price of the position."""
    return any(call.measure in _PRICES for call in calls_of(rule.test))


def is_gain(look: LintContext, rule: Rule) -> bool:
    """Say whether a rule asks for a profit, and not for a loss."""
    edge = _edge(look, rule, ExitKind.TARGET)
    return edge is not None and edge[0].measure != "give_back" and edge[1] > 0


def _instead(is_profit: bool) -> str:
    if is_profit:
        return "ask for less; 'at_expiry: settle' keeps the whole credit"
    return "choose a stop inside what it can lose, or leave it out"


def _entry_words(look: LintContext, stake: ExamplePayoff) -> str:
    return f"with {look.sample.levels} it is {'sold' if stake.is_sold else 'bought'} for {abs(stake.entry):.2f}"


def _ends(look: LintContext, stake: ExamplePayoff, rule: Rule) -> str:
    size = abs(stake.entry)
    if is_gain(look, rule):
        most = stake.most + stake.entry
        bound = f"wins {most / size:.0%} at most, {most:.2f} a share" if most < inf else "wins"
        return f"and {bound}; prices change by {stake.tick:g}"
    most = -stake.least - stake.entry
    return f"and loses {most / size:.0%} at most, {most:.2f} a share" if most < inf else "and loses less"


def _while_open(look: LintContext, stake: ExamplePayoff, *, is_target: bool) -> Reach:
    known, leaning = _known(look, stake, is_target=is_target), _leaning(look)

    def reach(subject: Subject) -> Range:
        found = look.places.open(subject)
        if subject.of is not None:
            return found
        if subject.measure == "position_delta":
            return meet(found, leaning)
        if subject.measure == "breach":
            return meet(found, _passed(look, subject))
        if (greeks := until_it_ends(subject, look.sample)) is not None:
            return meet(found, greeks)
        bounds = known.get((subject.measure, subject.quantity)) if _is_whole(subject) else None
        return found if bounds is None else meet(found, bounds)

    return reach


def _leaning(look: LintContext) -> Range:
    """Return between which numbers of shares the delta of one structure lies until it ends, wherever spot goes."""
    is_one = all(leg.symbol == look.plan.legs[0].symbol and not leg.is_shares for leg in look.plan.legs)
    if not is_one or not look.terms.is_whole:  # parts that are left lean further than the whole
        return ALL
    deltas = [net("delta", look.sample.legs.values(), moves, left) for moves in PLACES for left in LEFT]
    return stretch(min(deltas) - _SHARE, max(deltas) + _SHARE)


def _passed(look: LintContext, subject: Subject) -> Range:
    """Return how near spot can come to the nearest strike, and how far past it."""
    legs = [look.sample.legs[name] for name in legs_of(subject) if name in look.sample.legs]
    return stretch(min((leg.outward - _FAR * leg.move for leg in legs), default=-inf), inf)


def _is_whole(subject: Subject) -> bool:
    if subject.measure not in _MONEY or subject.of is not None or not isinstance(subject.arguments, tuple):
        return False
    return not dict(subject.arguments).keys() - {"at"}


def _known(look: LintContext, stake: ExamplePayoff, *, is_target: bool) -> dict[tuple[str, Quantity], Range]:
    """Return what the gain and the cost of the position can be, for entry prices near that of the example."""
    near, wide = paid_about(look, NEAR), paid_about(look, WIDE)
    if near is None or wide is None:
        return {}
    floor = stake.tick if is_target else stake.tick * _LEAST_MID
    most = min(stake.most, -floor * _BELOW) if stake.is_sold and stake.most <= 0 else stake.most
    least = max(stake.least, floor * _BELOW) if not stake.is_sold and stake.least >= 0 else stake.least
    shares = look.sample.lot
    lost, won = _gains(stake, wide, least), _gains(stake, wide, most)
    return {
        ("gain", Quantity.FRACTION): _parts(stake, near, least, most),
        ("gain in dollars", Quantity.DOLLARS): stretch(
            min(lost) * shares - 2 * stake.commission * look.plan.quantity,
            max(won) * shares,
        ),
        ("gain in risk", Quantity.FRACTION): stretch(-_NEARLY, _won_of_risk(stake, wide, most, least)),
        ("give_back", Quantity.DOLLARS): stretch(0.0, (most - least) * shares),
        ("cost", Quantity.PRICE): stretch(-most, -least * _NEARLY if -inf < least < 0 else -least),
    }


def _won_of_risk(stake: ExamplePayoff, paid: EntryPrices, most: float, least: float) -> float:
    """Return the most that is won, as a multiple of the most that is lost, at the best of these entry prices."""
    lost = [-gain for gain in _gains(stake, paid, least)]
    won = _gains(stake, paid, most)
    return inf if min(lost) <= 0 else max(gain / loss for gain, loss in zip(won, lost, strict=True))


def _gains(stake: ExamplePayoff, paid: EntryPrices, worth: float) -> tuple[float, float]:
    side = 1 if stake.is_sold else -1
    return worth + side * paid.least, worth + side * paid.most


def _parts(stake: ExamplePayoff, paid: EntryPrices, least: float, most: float) -> Range:
    sizes = (paid.least, paid.most)
    lost = min(gain / size for gain, size in zip(_gains(stake, paid, least), sizes, strict=True))
    won = max(gain / size for gain, size in zip(_gains(stake, paid, most), sizes, strict=True))
    return stretch(lost * _NEARLY if stake.is_sold else lost, won)


# ---------------------------------------------------------------- too near


def _edge(look: LintContext, rule: Rule, kind: ExitKind) -> tuple[Subject, float] | None:
    """Return the subject of a target or a stop and the number at which it begins, None where it has no such number."""
    if not isinstance(rule.test, Compare):
        return None
    subject, passing = literal(rule.test, look.terms)
    if not _is_whole(subject) or not passing:
        return None
    is_from_below = (kind is ExitKind.TARGET) is not (subject.measure == "cost") or subject.measure == "give_back"
    edge = passing[0][0][0] if is_from_below else passing[-1][1][0]
    return (subject, edge) if -inf < edge < inf else None


def _distance(look: LintContext, stake: ExamplePayoff, planned: ExitPlan, rule: Rule) -> float | None:
    """Return how far, per share, the price moves from the entry until a target or a stop acts; None where unknown."""
    found, paid = _edge(look, rule, planned.kind), paid_about(look, AS_IT_IS)
    if found is None or planned.kind not in (ExitKind.TARGET, ExitKind.STOP):
        return None
    subject, edge = found
    if planned.armed_by and subject.measure != "give_back":
        return None
    side = 1 if planned.kind is ExitKind.TARGET else -1
    less = stake.spread if side < 0 and dict(_arguments(subject)).get("at") == "natural" else 0.0
    distance = _moved(look, stake, paid, subject, edge, side)
    return None if distance is None else distance - less


def _arguments(subject: Subject) -> tuple[tuple[str, object], ...]:
    return subject.arguments if isinstance(subject.arguments, tuple) else ()


def _moved(
    look: LintContext, stake: ExamplePayoff, paid: EntryPrices | None, subject: Subject, edge: float, side: int
) -> float | None:
    """Return how far the mid moves per share until a gain or a cost is at its edge. side: 1 where it is won."""
    match subject.measure, subject.quantity:
        case "gain", Quantity.FRACTION if paid is not None:
            return side * edge * paid.most
        case "give_back", Quantity.FRACTION if paid is not None:
            return edge * paid.most
        case "give_back", Quantity.DOLLARS:
            return edge / look.sample.lot
        case "gain in dollars", Quantity.DOLLARS:
            costs = stake.commission * (2 if side > 0 else -1)
            return side * edge / look.sample.lot + costs / LOT
        case "cost", Quantity.PRICE if paid is not None:
            return side * ((paid.most if stake.is_sold else -paid.most) - edge)
        case _:
            return None


def inside_the_spread(look: LintContext) -> Iterator[Problem]:
    """Yield RB344 for a stop so near to the entry price that the noise of quotes reaches it."""
    stake = look.stake
    if stake is None:
        return
    part = TIGHT_SHARES if any(leg.is_shares for leg in look.plan.legs) else TIGHT_BOUGHT
    part = TIGHT_SOLD if stake.is_sold else part
    for planned, rule in look.exit_rules():
        distance = _distance(look, stake, planned, rule) if planned.kind is ExitKind.STOP else None
        is_trailing = planned.basis == "give_back"
        room = stake.noise if is_trailing else max(stake.noise, stake.swing, part * abs(stake.entry))
        if distance is not None and distance < room * _BELOW:
            entry = f"the entry price of the example, {abs(stake.entry):.2f}"
            message = f"{said(rule)} acts {max(distance, 0.0):.2f} a share from {entry}: the next quotes may close it"
            yield Problem("RB344", look.marked(rule), message, f"leave room of {room:.2f} a share or more")


def of_few_dollars(look: LintContext) -> Iterator[Problem]:
    """Yield RB374 for a target that nets a few dollars at most once commissions are paid."""
    stake = look.stake
    if stake is None:
        return
    for planned, rule in look.exit_rules():
        distance = _distance(look, stake, planned, rule) if planned.kind is ExitKind.TARGET else None
        if distance is None or distance <= 0:
            continue
        costs = 2 * stake.commission * look.plan.quantity
        net = distance * look.sample.lot - costs
        if net <= FEW_DOLLARS:
            message = (
                f"{said(rule)} wins ${distance * look.sample.lot:.2f} in the example, and opening and closing cost "
                f"${costs:.2f}: ${max(net, 0.0):.2f} is left"
            )
            yield Problem(
                "RB374", look.marked(rule), message, "sell or buy more premium, or ask for a larger part of it"
            )
