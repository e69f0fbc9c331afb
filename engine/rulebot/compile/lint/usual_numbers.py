"""Unusual numbers outside of conditions: strikes, widths, orders, confirmations, counts and limits."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import chain
from math import inf

from rulebot.compile.lint.example import NEXT_TO_NOTHING, ExamplePayoff, expected, spots
from rulebot.compile.lint.lint_context import LintContext, duration
from rulebot.compile.lint.outcomes import WIDE, PriceRange, lost_at_likely_prices, paid_about
from rulebot.compile.lint.reach import spans_in_seconds, window_seconds
from rulebot.compile.lint.usual_bounds import shown
from rulebot.compile.plan import Constant, LegPlan, Quantity
from rulebot.compile.problem import Problem
from rulebot.compile.timing import outlives_its_day
from rulebot.model.contract import LOT, product
from rulebot.model.values import dataclass
from rulebot.spec.nouns import Bound, Confirm, Path, StrikeBy, Unit
from rulebot.spec.spec import Fits, Order

# --- A number of a key and its usual range, and how both are written


@dataclass(frozen=True, slots=True)
class Number:
    """A number of a key and the range that is usual for it, both as `words` writes them.

    value: None where the spec does not have it. then: what follows from a number outside. shifts: a hundred times more
    or less may be meant. name: that of its key, where the path does not end with it.
    """

    path: Path
    value: float | None
    low: float
    high: float
    words: Callable[[float], str]
    then: str
    shifts: bool = False
    name: str = ""


def problem_of(number: Number, value: float) -> Problem:
    """Return RB361 for a number outside of its range, with the readings that are usual."""
    low, high = number.words(number.low), number.words(number.high)
    usual = f"{low} or more" if number.high == inf else f"{low} to {high}"
    message = f"'{number.name or number.path[-1]}' is {number.words(value)}, and usual is {usual}: {number.then}"
    likely = [value * 100, value / 100] if number.shifts else []
    usual_ones = [each for each in likely if number.low <= each <= number.high and f"{each:.2g}" == f"{each:g}"]
    found = [f"'{number.words(each)}'" for each in usual_ones]
    help_text = f"did you mean {' or '.join(found)}?" if found else f"write {usual}"
    return Problem("RB361", number.path, message, help_text)


def bare(number: float) -> str:
    """Return `0.15`."""
    return shown(number, Quantity.PLAIN)


def in_points(number: float) -> str:
    """Return `10 pts`."""
    return shown(number, Quantity.POINTS, 3)


def in_percent(number: float) -> str:
    """Return `2%` for 2."""
    return shown(number / 100, Quantity.FRACTION)


def times(number: float) -> str:
    """Return `2x`."""
    return f"{bare(number)}x"


def in_dollars(number: float) -> str:
    """Return `$150`."""
    return shown(number, Quantity.DOLLARS, 3)


# --- Limits and budgets compared with what the structure can win or lose

_MOST_DAYS, _LEAST_DAY = 100.0, 0.02
"""Full losses per day, and the fraction of one, beyond which a daily limit has no effect or acts at once."""
_WINS = 10.0
"""As many trades as may be won before a profit of the day is no limit any more."""
_LIMITS_ROOM, _MOST_SOLD = PriceRange(0.5, 2.0), 0.95
"""The largest distance of the entry price from the example's, and the largest price as a fraction of width."""
_HALF = 0.5
"""The fraction of the least likely loss below which a trade limit is a mistake."""
_MOST_OF_WORST = 50.0
"""How many times the largest loss of a trade a limit on it may be."""
_LEAST_OF_WORST = 0.1
"""The part of its width that a spread of an unknown underlying loses at least."""
_LEAST_DOLLARS = 10.0
"""The smallest sensible daily loss where the worth of a position is not known."""
_APART = 4.0
"""How many widths the parts of a structure lose at most, each closed separately."""
_CRASH = 0.25
"""The largest fall of an index in a day, as a fraction of its level. Source: 22.6 % on 1987-10-19."""
_FULL = 20.0
"""How many times the largest position a budget may pay for."""


def limits(look: LintContext) -> Iterator[Number]:
    """Yield the limits of a spec, and the budget that its quantity is counted by."""
    stake = look.stake
    yield from _protection(look, stake)
    yield from _budget(look, stake)
    yield from _of_a_trade(look, stake)
    yield from _of_the_day(look, stake)


# ---------------------------------------------------------------- protection


def _protection(look: LintContext, stake: ExamplePayoff | None) -> Iterator[Number]:
    protect = look.spec.risk.protect
    if protect is None:
        return
    low, then = 1.0, "the stop at the broker is at a price that never trades"
    planned = look.plan.risk.protect
    if stake is not None and stake.is_sold and planned is not None and planned.of_whole:
        short = max((leg.mid for leg in look.sample.legs.values() if planned.covers(leg.plan.name)), default=0.0)
        if float(protect.times) * stake.entry <= short:
            low, then = short / stake.entry, "the short leg costs as much when it is sold, so nothing is entered"
    yield Number((*look.spec.risk.path, "protect", "cost"), float(protect.times), low, 50, times, then, shifts=True)


# ---------------------------------------------------------------- budgets


def _budget(look: LintContext, stake: ExamplePayoff | None) -> Iterator[Number]:
    size = look.spec.size
    if size is None:
        return
    path, value = ("quantity", size.fits.value), float(size.amount.value)
    if size.amount.unit is Unit.MULTIPLE:
        then = "one position takes more than the account is worth, or nothing fits"
        yield Number(path, value, 0.0005, 1.0, times, then)
    elif stake is not None and (ends := _of_one(look, stake, size.fits)) is not None:
        low, high = ends[0] * LOT, ends[1] * LOT * look.plan.quantity * _FULL
        is_small = value < low
        then = "it pays for no structure, so nothing is entered" if is_small else "'at_most' alone counts"
        yield Number(path, value, low, high, in_dollars, then)


def _of_one(look: LintContext, stake: ExamplePayoff, fits: Fits) -> tuple[float, float] | None:
    """Return between which sizes one structure counts against a budget, per share."""
    if fits is Fits.MAX_LOSS:
        return _lost(look, stake)
    paid = paid_about(look, WIDE)
    return None if paid is None else (paid.least, paid.most)


def _lost(look: LintContext, stake: ExamplePayoff) -> tuple[float, float] | None:
    """Return the least and the most that one structure loses per share, for entry prices near the example's."""
    paid = paid_about(look, _LIMITS_ROOM)
    if paid is None or stake.least == -inf:
        return None
    if stake.is_sold:
        most = min(paid.most, -stake.least * _MOST_SOLD)
        return max(-stake.least - most, look.least_loss), -stake.least - paid.least
    return paid.least - stake.least, paid.most - stake.least


# ---------------------------------------------------------------- a trade, a day


def _of_a_trade(look: LintContext, stake: ExamplePayoff | None) -> Iterator[Number]:
    limit, worst = look.spec.risk.max_loss_per_trade, _worst(look)
    if limit is None:
        return
    count = look.plan.quantity if look.plan.size is None else 1
    is_one = len({leg.group for leg in look.plan.legs}) == 1
    lost = _lost(look, stake) if stake is not None and is_one else None
    low = 0.0 if lost is None else lost[0] * LOT * count * _HALF
    likely = lost_at_likely_prices(look)
    if likely is not None and worst is not None and likely * LOT * count < worst * _APART:
        low = max(low, likely * LOT * count)
    if stake is None and worst is not None:
        low = worst * _LEAST_OF_WORST * count / look.plan.quantity
    high = inf if worst is None else _MOST_OF_WORST * worst
    then = f"a trade loses {in_dollars(worst or 0.0)} at most, so it limits nothing"
    if float(limit) < low:
        then = "a trade can lose more at any likely price, so nothing is entered"
    yield Number((*look.spec.risk.path, "max_loss_per_trade"), float(limit), low, high, in_dollars, then)


def _of_the_day(look: LintContext, stake: ExamplePayoff | None) -> Iterator[Number]:
    spec, day, worst = look.spec, look.plan.risk.day, _worst(look)
    trades = max(spec.entry.per_day or 1, spec.entry.max_open or 1)
    premium = None if stake is None else look.sample.premium * look.sample.lot
    base = worst if worst is not None else premium
    if base is None:
        loss = None if day.loss is None else float(day.loss)
        path, then = (*spec.risk.path, "daily_loss"), "any quote moves a position by more"
        yield Number(path, loss, _LEAST_DOLLARS, inf, in_dollars, then)
        return
    then = f"a trade loses {in_dollars(base)} at most, so the limit acts at once or never"
    if worst is None:
        worth = f"the options of a position are worth {in_dollars(base)} in the example"
        then = f"{worth}, so the limit acts at once or never"
    for name, given, most in (("daily_loss", day.loss, _MOST_DAYS), ("daily_profit", day.profit, _WINS)):
        if given is None:
            continue
        high = _most_of_the_market(look) * trades if worst is None else worst * trades * most
        yield Number((*spec.risk.path, name), float(given), base * _LEAST_DAY, high, in_dollars, then)


def _most_of_the_market(look: LintContext) -> float:
    """Return the dollars that a position without a bound by width loses on an unprecedented day."""
    levels = [spots(leg.symbol)[1] * leg.ratio for leg in look.plan.legs if not leg.is_shares]
    return max(levels, default=inf) * look.sample.lot * _CRASH


def _worst(look: LintContext) -> float | None:
    """Return the largest loss of a trade in round dollars, by the width of its strikes; None without one."""
    width = look.worth.most_cost if look.plan.opens_for == "credit" else look.worth.most_value
    if not width or look.plan.overwrite is not None or any(leg.is_shares for leg in look.plan.legs):
        return None
    return width * look.sample.lot


# --- Modifiers of strikes that leave no strike, or change nothing

_FAR = "no strike is listed there"
_LEAST_WITHIN, _MOST_WITHIN = 0.003, 0.5
"""How far from the delta that is asked for a strike may lie."""
_COARSEST = 0.05
"""The part of the level that strikes may lie apart which are a multiple of something."""
_NEAREST, _FURTHEST = 0.0002, 0.5
"""Parts of the level by which a strike is kept from spot."""
_MOST_OF_TARGET = 0.75
"""The part of a delta within which every strike out of the money is near enough."""
_MOVES = 6.0
"""The largest distance of a strike from spot, in expected moves: further out there is no bid."""
_LOW, _HIGH = 0.3, 3.0
"""Parts of the level between which strikes are held."""


def modifiers(leg: LegPlan, move: float) -> Iterator[Number]:
    """Yield the numbers that move the strike of one leg, each with its usual range. move: points to its end."""
    strike, path = leg.strike, leg.strike.path
    low, high = spots(leg.symbol)
    if strike.within is not None and strike.by is StrikeBy.DELTA:
        then = "strikes lie further apart than that, or every one is near enough"
        most = min(_MOST_WITHIN, max(float(strike.target or 0) * _MOST_OF_TARGET, _LEAST_WITHIN))
        yield Number((*path, "within"), float(strike.within), _LEAST_WITHIN, most, bare, then)
    for name, multiple in (("round_to", strike.round_to), ("prefer_round_to", strike.prefer_round_to)):
        if multiple is not None:
            least, then = min(product(leg.symbol).strike_step, 0.5), "such strikes lie too far apart to choose among"
            yield Number((*path, name), float(multiple), least, high * _COARSEST, bare, then)
    if strike.min_otm_distance is not None:
        least, most = low * _NEAREST, min(high * _FURTHEST, _MOVES * move)
        place, then = (*path, "min_otm_distance"), "it keeps no strike away, or leaves none"
        yield Number(place, float(strike.min_otm_distance), least, most, in_points, then)
    for name, edge in (("min_strike", leg.min_strike), ("max_strike", leg.max_strike)):
        if isinstance(edge, Constant):
            yield Number((*path, name), edge.value, low * _LOW, high * _HIGH, bare, _FAR)


# --- Unusual numbers outside of conditions

AT_THE_MONEY = 0.4
"""What an option at the money is worth, in expected moves. Source: Brenner and Subrahmanyam 1988."""
_ROOM = 6.0
"""How far the price at which an order starts may lie from that of the example."""
_SAME_DAY, _LONGER = 900.0, 3600.0
"""Seconds for which an exit may wait to be confirmed, of options that end today and of others."""
_MOST_OF_WIDTH = 0.9
"""The part of its width that a spread is sold for at most."""
_LEAST_WAIT = 0.5
"""Seconds that an order needs to reach the exchange and be answered."""
_FIVE_MINUTES = 300.0
"""Seconds for which a time of `at` is open where nothing is said."""
_NEARLY_A_STEP = 0.9
"""The part of the distance between two listed strikes that a width has at least."""
MOST_RATIO = 10
"""Contracts of one leg in one structure beyond which a ratio is most likely a quantity."""
MOST_CONTRACTS, MOST_NOTIONAL = 500, 100_000_000
"""Structures of one position, and its dollars of the underlying, beyond which a quantity is most likely a slip."""


def out_of_range(look: LintContext) -> Iterator[Problem]:
    """Yield RB361 for each number of a key outside of its usual range, once a place."""
    seen: set[Path] = set()
    for number in chain(_strikes(look), _orders(look), _patience(look), _counts(look), limits(look)):
        value = number.value
        if value is not None and number.path not in seen and not number.low <= value <= number.high:
            seen.add(number.path)
            yield problem_of(number, value)


# ---------------------------------------------------------------- strikes


def _strikes(look: LintContext) -> Iterator[Number]:
    for leg in look.plan.legs:
        if not leg.is_shares:
            yield from _strike(leg, look)
            sample = look.sample.legs.get(leg.name)
            yield from modifiers(leg, inf if sample is None else sample.move)


def _strike(leg: LegPlan, look: LintContext) -> Iterator[Number]:
    sample = look.sample.legs.get(leg.name)
    strike, key = leg.strike, "by" if leg.strike.by in (StrikeBy.BELOW, StrikeBy.ABOVE) else leg.strike.by.value
    path = (*strike.path, key) if strike.bound is Bound.NEAREST else (*strike.path, key, strike.bound.value)
    spot = spots(leg.symbol)
    value = float(strike.target or 0)
    move = sample.move if sample is not None else expected(leg.symbol, 0, 1.0)
    far = "no such strike is worth anything, or none is listed"
    match strike.by:
        case StrikeBy.DELTA:
            low, most, words, then = 0.008, 0.99, bare, "no listed strike is meant by it"
        case StrikeBy.EXPECTED_MOVE:
            low, most, words, then = 0.04, 8.0, times, far
        case StrikeBy.OTM if strike.is_percent:
            low, most, words, then = 0.04, 60.0, in_percent, far
        case StrikeBy.OTM if value or strike.bound is Bound.NEAREST:
            yield Number(path, value, spot[0] * 0.0002, spot[1] * 0.6, in_points, far, name=key)
            return
        case StrikeBy.PREMIUM | StrikeBy.SIDE_CREDIT:
            low, most, words, then = 0.02, min(_most_premium(leg, move), _most_of_a_side(leg, look)), bare, far
        case StrikeBy.BELOW | StrikeBy.ABOVE:
            yield from _widths(leg, path, spot)
            return
        case _:
            return
    yield Number(path, value, low, most, words, then, shifts=True, name=key)


def _most_premium(leg: LegPlan, move: float) -> float:
    """Return the largest plausible premium to choose an option by: a few times an at-the-money one."""
    low, high = spots(leg.symbol)
    return 4 * AT_THE_MONEY * move if low == high else high


def _most_of_a_side(leg: LegPlan, look: LintContext) -> float:
    """Return the largest credit of a short with the long relative to it: less than their width."""
    widths = [wing.strike.target for wing in look.plan.legs if wing.strike.reference == leg.name]
    known = [float(width) for width in widths if width]
    return _MOST_OF_WIDTH * known[0] if leg.strike.by is StrikeBy.SIDE_CREDIT and known else inf


def _widths(leg: LegPlan, path: Path, spot: tuple[float, float]) -> Iterator[Number]:
    widths = (leg.strike.target or Decimal(0), *leg.strike.widths)
    low = 0.5 if spot[0] < spot[1] else product(leg.symbol).strike_step * _NEARLY_A_STEP
    then = "no such strikes are listed, or they are further apart than the market moves"
    for at, width in enumerate(widths):
        where = (*path, at) if leg.strike.widths else path
        yield Number(where, float(width), low, spot[1] * 0.15, in_points, then, name="by")


# ---------------------------------------------------------------- orders


def _orders(look: LintContext) -> Iterator[Number]:
    spec = look.spec
    for order in (spec.order, spec.exit_order, *(rule.order for rule in spec.exits)):
        if order is not None:
            yield from _order(order, look)


def _order(order: Order, look: LintContext) -> Iterator[Number]:
    path, stake = order.path, look.stake
    price = 0.0 if stake is None else abs(stake.entry)
    if stake is not None and price > NEXT_TO_NOTHING * look.sample.premium:
        then = f"the structure is worth {bare(round(price, 2))} in the example"
        start, step = (None if each is None else float(each) for each in (order.price, order.step))
        yield Number((*path, "start"), start, price / _ROOM, price * _ROOM, bare, then)
        yield Number((*path, "step"), step, 0.01, max(price / 3, 4 * stake.tick), bare, then)
    then = "the market moves on while the order stays at one price"
    yield Number((*path, "wait"), order.wait, _LEAST_WAIT, 3600.0, duration, then)
    yield Number((*path, "pause"), order.pause, 0.0, 3600.0, duration, then)


# ---------------------------------------------------------------- how long, how often


def _patience(look: LintContext) -> Iterator[Number]:
    quoted = {rule.path for _, rule in look.exit_rules() if "legs" in rule.reads}
    for condition in look.conditions.values():
        if condition.confirm is not None and condition.path in quoted:
            most = _LONGER if outlives_its_day(look.spec) else _SAME_DAY
            yield _confirmation((*condition.path, "confirm"), condition.confirm, most)
        then = "quotes that old no longer say what the position is worth"
        yield Number((*condition.path, "max_age"), condition.max_age, 0.2, 900, duration, then)
    for rule in look.spec.exits:
        then = "an exit that cannot be judged waits for so long"
        yield Number((*rule.path, "grace"), rule.grace, 0.0, 3600, duration, then)
    risk, then = look.spec.risk, "short legs have no stop for that time"
    yield Number((*risk.path, "max_time_without_stop"), risk.max_time_without_stop, 0.0, 1800, duration, then)


def _confirmation(path: Path, confirm: Confirm, most: float) -> Number:
    """Return how long an exit that is judged by the prices of its legs waits before it acts."""
    then = "the loss grows for as long before the exit acts"
    if confirm.quotes is not None:
        return Number(path, confirm.quotes, 1, 60, _quotes, then)
    return Number(path, confirm.seconds or 0.0, 0.1, most, duration, then)


def _quotes(number: float) -> str:
    return f"{number:g} quote{'' if number == 1 else 's'}"


# ---------------------------------------------------------------- counts


def _counts(look: LintContext) -> Iterator[Number]:
    spec, entry = look.spec, look.spec.entry
    spot = spots(look.plan.underlyings[0])[0]
    most = float(min(MOST_CONTRACTS, max(int(MOST_NOTIONAL / (spot * LOT)), 1)))
    if spec.overwrite is None:
        path: Path = ("quantity",) if spec.size is None and spec.growth is None else ("quantity", "at_most")
        then = "a slip of one digit would be the whole account"
        yield Number(path, spec.quantity, 1, most, bare, then, name="quantity")
    yield from _ratios(look)
    many = "that many positions cannot be watched one by one"
    yield Number((*entry.path, "max_open"), entry.max_open, 1, 250, bare, many)
    yield Number((*entry.path, "per_day"), entry.per_day, 1, 100, bare, "it no longer limits anything")
    if spec.growth is not None:
        most, then = max(spec.quantity - spec.growth.start, 1), "the first step goes to the most there may be"
        yield Number(("quantity", "grow", "by"), spec.growth.step, 1, most, bare, then)
    if spec.universe is not None and spec.universe.rank is not None and spec.universe.symbols:
        rank, count = spec.universe.rank, len(spec.universe.symbols)
        name = "highest" if rank.highest else "lowest"
        yield Number((*rank.path, name), rank.count, 1, count, bare, "it keeps no symbol out")
    yield from _windows(look)
    for leg in look.plan.legs:
        yield Number((*leg.expiry.path, "dte"), max(leg.expiry.days), 0, 1200, bare, "no option ends so late")


def _ratios(look: LintContext) -> Iterator[Number]:
    """Yield how many contracts of a leg one structure has; on two underlyings the hedge decides (RB370)."""
    if len(look.plan.underlyings) > 1:
        return
    then = "'quantity' counts structures, 'ratio' the contracts of a leg in one of them"
    for leg in look.spec.legs.legs:
        if not leg.is_shares:
            yield Number((*leg.path, "ratio"), leg.ratio, 1, MOST_RATIO, bare, then)


def _windows(look: LintContext) -> Iterator[Number]:
    """Yield how often a window is checked, how long a time of `at` is open, and how long a try may wait.

    A time of `at` is open for seconds in which quotes have come, until the close at most. All tries of one order have
    room in the longest window.
    """
    entry, order, session = look.spec.entry, look.spec.order, look.terms.session
    longest = max(end - start for start, end in spans_in_seconds(look.spec, session))
    then = "it is judged at the start of a window and not again"
    yield Number((*entry.path, "every"), entry.every, 1.0, longest, duration, then)
    left = (session.close - session.open).total_seconds() - window_seconds(look.spec, session)[0]
    then = "nothing is tried in less, and nothing after the close"
    yield Number((*entry.path, "for"), entry.lasts, 5.0, max(left, _FIVE_MINUTES), duration, then)
    if entry.end is None or longest <= 0:
        return
    pauses = (order.tries - 1) * order.pause
    tries = duration(order.tries * order.wait + pauses)
    then, low = f"all tries take {tries}, and the window is open for {duration(longest)}", min(order.wait, 1.0)
    most = max((longest - pauses) / order.tries, low)
    yield Number((*order.path, "wait"), order.wait, low, most, duration, then)
