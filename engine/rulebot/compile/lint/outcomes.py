"""Exits in the example market: those that never act, stops that noise reaches, targets that net next to nothing."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from math import inf, sqrt
from typing import NamedTuple

from rulebot.compile.data_needs import calls_of
from rulebot.compile.lint.comparisons import Reach, Subject, can_hold, legs_of, literal
from rulebot.compile.lint.example import (
    LEFT,
    NEXT_TO_NOTHING,
    PLACES,
    ExamplePayoff,
    Sample,
    SampleLeg,
    ends_together,
    greek,
    net,
    sample_of,
    stake_of,
    until_it_ends,
)
from rulebot.compile.lint.lint_context import LintContext, said
from rulebot.compile.plan import (
    AllOf,
    AnyOf,
    Call,
    Compare,
    ExitPlan,
    Not,
    Quantity,
    Rule,
    Truth,
)
from rulebot.compile.problem import Problem
from rulebot.measure.evaluation import group_truth, negated
from rulebot.measure.ranges import ALL, Range, compared, meet, stretch
from rulebot.measure.reading import Column, ColumnView, LegColumns, Value, column_of, exact
from rulebot.measures.greeks import in_shares
from rulebot.measures.registry import MEASURES
from rulebot.measures.volatility import ExpectedMoveView
from rulebot.model.contract import LOT, Option
from rulebot.model.market import example_price
from rulebot.spec.exit_kinds import ExitKind
from rulebot.spec.nouns import StrikeBy

# --- Conditions on the structure, judged in the example market and in markets calmer and wilder than it

TIMES = (0.4, 0.7, 1.0, 1.5, 2.5, 4.0, 6.0)
"""Volatilities, as multiples of the example's: from a very calm market to a crash."""
_SKEWS = ((0.6, 0.1), (1.0, 1.0), (1.7, 10.0))
"""Prices and greeks, as multiples of those of one volatility for all strikes: of greeks the sign is sure."""
_OF_DELTA = 2.0
"""The same of delta, at most: strikes are chosen by it, or relative to such strikes."""
_LIKELY = (0.7, 1.0, 1.5, 2.0)
"""Volatilities at which a limit on a trade lets an entry through, or hardly ever does."""
_DAY = date(2000, 1, 1)
"""A day from which the expiries of the example are counted."""


class _Leg(LegColumns):
    """A leg in one market. greeks: what its greeks but delta are multiplied by."""

    def __init__(self, leg: SampleLeg, greeks: float) -> None:
        plan, strike = leg.plan, Decimal(repr(leg.strike))
        self.option: Option = Option(plan.symbol, plan.trading_class, _DAY + timedelta(leg.days), strike, plan.right)
        self.name, self.ratio, self.sample, self._greeks = plan.name, plan.ratio, leg, greeks
        self.weight = plan.sign * self.option.price_multiplier(plan.ratio)

    def greek(self, name: str) -> float:
        """Return a greek of one bought option per share."""
        return self.sample.delta if name == "delta" else greek(name, self.sample) * self._greeks


class Scenario(ColumnView):
    """The structure of a bot in one market, where measures read numbers in place of columns.

    count: structures of the position; shares: held with the options; greeks: the factor for greeks.
    """

    def __init__(self, sample: Sample, stake: ExamplePayoff, count: int, shares: int, greeks: float) -> None:
        self.sample, self.stake, self.shares, self._count, self._greeks = sample, stake, shares, count, greeks
        self.legs: list[_Leg] = [_Leg(leg, greeks) for leg in sample.legs.values()]

    @property
    def quantity(self) -> int:
        """The number of structures."""
        return self._count

    @property
    def commissions(self) -> float:
        """Dollars of commissions of opening."""
        return self.stake.commission * self._count

    def measure(self, call: Call) -> Column | None:
        """Return a measure, None where the example does not have it."""
        return MEASURES[call.measure].column(call, self)

    def level(self, symbol: str) -> float | None:
        """Return the level of an underlying of the bot."""
        is_own = symbol == self.sample.symbol or any(leg.option.symbol == symbol for leg in self.legs)
        return float(example_price(symbol)) if is_own else None

    def expected_move(self, symbol: str) -> float | None:
        """Return the expected move of the first underlying."""
        return self.sample.move if symbol == self.sample.symbol else None

    opening_move = expected_move

    def entry_price(self, at: str) -> float:
        """Return what one structure brings or costs per share."""
        return self.stake.entry

    def worth(self, at: str, names: tuple[str, ...] | None) -> float | None:
        """Return what closing it right after the fill brings per share."""
        return None if names else -self.stake.entry

    def most_lost(self) -> float | None:
        """Return the most that one structure loses per share, None without a bound."""
        lost = max(-self.stake.least - self.stake.entry, 0.0)
        return lost if lost < inf else None

    def most_won(self) -> float | None:
        """Return the most that one structure wins per share, None without a bound."""
        won = self.stake.most + self.stake.entry
        return won if won < inf else None

    def greeks(self, name: str, symbol: str | None = None) -> list[tuple[float, Value]] | None:
        """Return a greek of each leg and of the shares with their weights; None where legs do not end together.

        The sign of greeks is certain; delta is more precise, since strikes are chosen by it.
        """
        if name != "delta" and not ends_together(self.sample):
            return None
        times = min(max(self._greeks, 1 / _OF_DELTA), _OF_DELTA) if name == "delta" else 1.0
        legs = [leg for leg in self.legs if symbol in (None, leg.option.symbol)]
        found: list[tuple[float, Value]] = [(leg.weight, leg.greek(name) * times) for leg in legs]
        has_shares = name == "delta" and symbol in (None, self.sample.symbol)
        return [*found, (self.shares / LOT, 1.0)] if has_shares else found

    def exposure(self, name: str, symbol: str | None) -> Value | None:
        """Return a greek of the position."""
        found = self.greeks(name, symbol)
        return None if found is None else in_shares(found) * self._count

    def worst_case(self) -> float | None:
        """Return the dollars that the position could lose."""
        lost = self.most_lost()
        return None if lost is None else lost * LOT * self._count

    def outlook(self, option: Option) -> ExpectedMoveView | None:
        """Return spot, time and volatility until an option's expiry; None with shares or several underlyings."""
        if self.shares or len({leg.option.symbol for leg in self.legs}) > 1:
            return None
        leg = next(leg.sample for leg in self.legs if leg.option == option)
        return ExpectedMoveView(leg.spot, leg.years, leg.move / leg.spot / sqrt(leg.years))


def unmet_requirements(look: LintContext) -> Iterator[Problem]:
    """Yield RB378 for a condition on the structure that holds in no sample market."""
    rules = (*look.plan.require, *look.plan.risk.require)
    stake = look.stake
    if not rules or stake is None or abs(stake.entry) < NEXT_TO_NOTHING * look.sample.premium:
        return
    markets = list(_markets(look))
    for rule in rules:
        is_reported = not can_hold([(rule.test, True)], look.places.entry, look.terms)
        if not is_reported and all(_result_in(rule.test, market) is False for market in markets):
            yield _problem(look, rule, stake)


def holds_everywhere(look: LintContext, rule: Rule) -> bool:
    """Return whether an exit is true right after the fill in each market, as far as prices and strikes show.

    A price that rounds to 0 is ignored; that of two legs at one strike is exactly 0 and counts.
    """
    markets = list(_markets(look)) if look.stake is not None else []
    prices = [market.stake.entry for market in markets]
    is_reported = bool(markets) and all(price == 0.0 or exact(price) != 0.0 for price in prices)
    return is_reported and all(_result_in(rule.test, market) is True for market in markets)


def lost_at_likely_prices(look: LintContext) -> float | None:
    """Return the least max loss of one structure per share, at prices near the example's; None without a bound.

    Prices are those that `require` allows.
    """
    if len({leg.days for leg in look.sample.legs.values()}) > 1:  # what a calendar costs goes with the market
        return None
    found = [_lost(look, stake_of(look.spec, look.plan, sample_of(look.plan, times))) for times in _LIKELY]
    return min((each for each in found if each is not None and each < inf), default=None)


def _lost(look: LintContext, stake: ExamplePayoff | None) -> float | None:
    if stake is None or stake.least == -inf:
        return None
    if not stake.is_sold:
        return -stake.least - max(stake.entry, -look.bounds.most)
    return -stake.least - max(_within_width(stake, stake.entry * _SKEWS[-1][0]), look.bounds.least)


def _markets(look: LintContext) -> Iterator[Scenario]:
    plan = look.plan
    shares = sum(leg.sign * leg.ratio for leg in plan.legs if leg.is_shares)
    counts = {plan.quantity, 1} if plan.size is not None else {plan.quantity}
    for times in TIMES:
        sample = sample_of(plan, times)
        stake = stake_of(look.spec, plan, sample)
        if stake is not None:
            for skew, greeks in _SKEWS:
                skewed = replace(stake, entry=_within_width(stake, stake.entry * skew))
                yield from (Scenario(sample, skewed, count, shares, greeks) for count in sorted(counts))


def _within_width(stake: ExamplePayoff, entry: float) -> float:
    return min(entry, -stake.least) if stake.least < 0 else entry


def _problem(look: LintContext, rule: Rule, stake: ExamplePayoff) -> Problem:
    legs = ", ".join(f"{leg.plan.name} {leg.strike:g}" for leg in look.sample.legs.values())
    made = "brings" if stake.is_sold else "costs"
    message = f"{said(rule)} does not hold in the example or in calmer or wilder markets: no entry is made"
    help_text = f"with {look.sample.levels} and {legs} one structure {made} {abs(stake.entry):.2f}"
    return Problem("RB378", look.marked(rule), message, help_text)


# ---------------------------------------------------------------- judged


def _result_in(test: Truth, market: Scenario) -> bool | None:
    """Return whether a test holds in a market, None where the example does not show it."""
    match test:
        case Not(member):
            return negated(_result_in(member, market))
        case AllOf(members=members):
            return group_truth([_result_in(each, market) for each in members], decisive=False)
        case AnyOf(members=members):
            return group_truth([_result_in(each, market) for each in members], decisive=True)
        case Compare():
            return _compared(test, market)
        case _:
            return None


def _compared(test: Compare, market: Scenario) -> bool | None:
    left, right = (column_of(test.left, market.measure), [column_of(each, market.measure) for each in test.right])
    bounds = [float(each.values) for each in right if each is not None]
    if left is None or len(bounds) < len(right):
        return None
    value = float(left.values)
    return bool(meet(stretch(value, value), compared(test.op, bounds)))


# --- At which prices an entry is likely


class PriceRange(NamedTuple):
    """Between which multiples of the example's volatility the market may be."""

    calm: float
    wild: float


UNCHANGED, NEAR, WIDE, ANY = PriceRange(1.0, 1.0), PriceRange(0.85, 1.25), PriceRange(0.4, 3.0), PriceRange(0.5, 3.0)
"""For parts of the entry price, which hardly depend on volatility; for dollars; for strikes at a distance in points."""
_LEAST_TICKS = 4.0
_WITH_THE_MARKET = frozenset(StrikeBy) - {StrikeBy.OTM}
"""Selectors whose strikes move with the volatility or are at the money, and those that count from such strikes."""
_SKEW = 1.1
"""How far prices lie from those of one volatility for all strikes."""


class EntryPrices(NamedTuple):
    """The range of the entry price's size; both ends positive."""

    least: float
    most: float


def paid_about(look: LintContext, room: PriceRange) -> EntryPrices | None:
    """Return between which prices an entry is likely, as `require` allows.

    None where the example's price is next to nothing, or a debit where the bot sells.
    """
    stake = look.stake
    if stake is None or abs(stake.entry) < max(NEXT_TO_NOTHING * look.sample.premium, _LEAST_TICKS * stake.tick):
        return None
    if stake.is_sold is not (look.plan.opens_for == "credit"):
        return None
    is_fixed = any(leg.strike.by not in _WITH_THE_MARKET for leg in look.plan.legs)
    sizes = [_size(look, stake, times) for times in (ANY if is_fixed and room is not UNCHANGED else room)]
    skew = 1.0 if room is UNCHANGED or any(leg.is_shares for leg in look.plan.legs) else _SKEW
    return _asked(look, EntryPrices(min(sizes) / skew, max(sizes) * skew))


def _size(look: LintContext, stake: ExamplePayoff, times: float) -> float:
    if times == 1.0:
        return abs(stake.entry)
    other = stake_of(look.spec, look.plan, sample_of(look.plan, times))
    found = stake.entry if other is None else other.entry
    return max(found if stake.is_sold else -found, stake.tick)


def _asked(look: LintContext, paid: EntryPrices) -> EntryPrices:
    """Return the prices that `require` allows; where it asks for other ones, those."""
    least, most = look.bounds.least, look.bounds.most
    if paid.most < least:
        return EntryPrices(least, min(least * paid.most / paid.least, most))
    return EntryPrices(min(max(paid.least, least), most), min(paid.most, most))


# --- Exits in the example market

_MONEY = ("gain", "gain in dollars", "gain in risk", "cost", "give_back")
_PRICES = frozenset(("profit", "loss", "give_back", "cost", "value"))
_INSIDE = "choose a bound that the structure can reach, or the other sign"
FEW_DOLLARS = 5.0
"""What a target has to net for the whole position, commissions paid."""
TIGHT_SOLD, TIGHT_BOUGHT, TIGHT_SHARES = 0.11, 0.05, 0.0015
"""The fraction of the entry price within which quote noise hits a stop: of a credit, a debit, shares."""
_FAR = 5.0
"""Expected moves beyond which spot does not go while a position is open."""
_SHARE = 1.0
"""What the delta in shares may be further out than at these places."""
_NEARLY = 0.95
"""The part of the largest loss from which a stop is no stop any more."""
_LEAST_MID, _BELOW = 0.75, 0.999
"""The smallest mid, in ticks, of a quoted contract; just below a possible price."""


def never_in_the_example(look: LintContext) -> Iterator[Problem]:
    """Yield RB369 for an exit that cannot act at any price near that of the example."""
    stake = look.stake
    if stake is None or any(planned.roll is not None for planned in look.plan.exits):
        return
    reaches = {is_target: _while_open(look, stake, is_target=is_target) for is_target in (True, False)}
    for planned, rule in look.exit_rules():
        for arming in planned.activate_when:
            if not can_hold([(arming.test, True)], reaches[False], look.terms):
                message = f"{said(rule)} is armed by {said(arming)}, which never holds in the example"
                yield Problem("RB369", look.marked(rule), message, f"with {look.sample.levels}: choose a smaller bound")
        reach = reaches[planned.kind.takes_profit]
        is_reported = not can_hold([(rule.test, True)], look.places.open, look.terms)
        if not is_reported and not can_hold([(rule.test, True)], reach, look.terms):
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
    """Return whether a rule looks at a profit, a loss or a price of the position."""
    return any(call.measure in _PRICES for call in calls_of(rule.test))


def is_gain(look: LintContext, rule: Rule) -> bool:
    """Return whether a rule asks for a profit, and not for a loss."""
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
    """Return the range of the delta of one structure until it ends, in shares, wherever spot goes."""
    is_one = all(leg.symbol == look.plan.legs[0].symbol and not leg.is_shares for leg in look.plan.legs)
    if not is_one or not look.terms.is_whole:  # remaining parts lean further than the whole
        return ALL
    deltas = [net("delta", look.sample.legs.values(), moves, left) for moves in PLACES for left in LEFT]
    return stretch(min(deltas) - _SHARE, max(deltas) + _SHARE)


def _passed(look: LintContext, subject: Subject) -> Range:
    """Return how near spot can get to the nearest strike, and how far past it."""
    legs = [look.sample.legs[name] for name in legs_of(subject) if name in look.sample.legs]
    return stretch(min((leg.outward - _FAR * leg.move for leg in legs), default=-inf), inf)


def _is_whole(subject: Subject) -> bool:
    return subject.measure in _MONEY and subject.of is None and not subject.given.keys() - {"at"}


def _known(look: LintContext, stake: ExamplePayoff, *, is_target: bool) -> dict[tuple[str, Quantity], Range]:
    """Return the possible gain and cost of the position, for entry prices near that of the example."""
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
    """Return the largest gain as a multiple of the largest loss, at the best of these entry prices."""
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
    """Return the subject of a target or a stop and the number where it starts, None without such a number."""
    if not isinstance(rule.test, Compare):
        return None
    subject, passing = literal(rule.test, look.terms)
    if not _is_whole(subject) or not passing:
        return None
    is_from_below = kind.takes_profit is not (subject.measure == "cost") or subject.measure == "give_back"
    edge = passing[0][0][0] if is_from_below else passing[-1][1][0]
    return (subject, edge) if -inf < edge < inf else None


def _distance(look: LintContext, stake: ExamplePayoff, planned: ExitPlan, rule: Rule) -> float | None:
    """Return how far, per share, the price moves from the entry to a target or a stop; None where unknown."""
    found, paid = _edge(look, rule, planned.kind), paid_about(look, UNCHANGED)
    if found is None or not planned.kind.is_level:
        return None
    subject, edge = found
    if planned.activate_when and subject.measure != "give_back":
        return None
    side = 1 if planned.kind.takes_profit else -1
    less = stake.spread if side < 0 and subject.given.get("at") == "natural" else 0.0
    distance = _moved(look, stake, paid, subject, edge, side)
    return None if distance is None else distance - less


def _moved(
    look: LintContext, stake: ExamplePayoff, paid: EntryPrices | None, subject: Subject, edge: float, side: int
) -> float | None:
    """Return how far the mid moves per share until a gain or a cost reaches its edge. side: 1 for a gain."""
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
    bought = TIGHT_SHARES if any(leg.is_shares for leg in look.plan.legs) else TIGHT_BOUGHT
    part = TIGHT_SOLD if stake.is_sold else bought
    for planned, rule in look.exit_rules():
        distance = _distance(look, stake, planned, rule) if planned.kind.limits_loss else None
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
        distance = _distance(look, stake, planned, rule) if planned.kind.takes_profit else None
        if distance is None or distance <= 0:
            continue
        costs = 2 * stake.commission * look.plan.quantity
        net = distance * look.sample.lot - costs
        if net <= FEW_DOLLARS:
            message = (
                f"{said(rule)} wins ${distance * look.sample.lot:.2f} in the example, and opening and closing cost "
                f"${costs:.2f}: ${max(net, 0.0):.2f} remains"
            )
            yield Problem(
                "RB374", look.marked(rule), message, "sell or buy more premium, or ask for a larger part of it"
            )
