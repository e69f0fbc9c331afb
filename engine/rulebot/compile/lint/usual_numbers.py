"""Numbers outside of conditions that nobody means: strikes, widths, orders, confirmations, counts and limits."""

from collections.abc import Callable, Iterator
from decimal import Decimal
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

# --- A number of a key beside the range that is usual for it, and how both are written


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number of a key and the range that is usual for it, both as `words` writes them."""

    path: Path
    name: str
    value: float
    low: float
    high: float
    words: Callable[[float], str]
    then: str
    shifts: bool = False


def problem_of(number: Number) -> Problem:
    """Return RB361 for a number outside of its range, with the readings that are usual."""
    low, high, value = (number.words(each) for each in (number.low, number.high, number.value))
    usual = f"{low} or more" if number.high == inf else f"{low} to {high}"
    message = f"'{number.name}' is {value}, and usual is {usual}: {number.then}"
    likely = [number.value * 100, number.value / 100] if number.shifts else []
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


# --- Limits and budgets beside what the structure can win or lose

_MOST_DAYS, _LEAST_DAY = 100.0, 0.02
"""Trades that are all lost, and the part of one, beyond which a limit of the day says nothing or acts at once."""
_WINS = 10.0
"""As many trades as may be won before a profit of the day is no limit any more."""
_LIMITS_ROOM, _MOST_SOLD = PriceRange(0.5, 2.0), 0.95
"""How far the entry price may lie from the example's, and the most that is paid for a width, as a part of it."""
_HALF = 0.5
"""The part of the least likely loss below which a limit of a trade is a slip, and not a choice among entries."""
_MOST_OF_WORST = 50.0
"""How many times the largest loss of a trade a limit on it may be."""
_LEAST_OF_WORST = 0.1
"""The part of its width that a spread of an unknown underlying loses at least."""
_LEAST_DOLLARS = 10.0
"""The least daily loss that says something where nobody knows what a position is worth."""
_APART = 4.0
"""How many widths the parts of a structure lose at most, each closed by itself."""
_CRASH = 0.25
"""The largest fall of an index in a day, as a part of its level. Source: 22.6 % on 1987-10-19."""
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
    low, then = 1.0, "the stop at the broker lies where no price ever comes"
    planned = look.plan.risk.protect
    if stake is not None and stake.is_sold and planned is not None and planned.of_whole:
        short = max((leg.mid for leg in look.sample.legs.values() if planned.covers(leg.plan.name)), default=0.0)
        if float(protect.times) * stake.entry <= short:
            low, then = short / stake.entry, "the short leg costs as much when it is sold, so nothing is entered"
    path = (*look.spec.risk.path, "protect", "cost")
    value = float(protect.times)
    yield Number(path=path, name="cost", value=value, low=low, high=50, words=times, then=then, shifts=True)


# ---------------------------------------------------------------- budgets


def _budget(look: LintContext, stake: ExamplePayoff | None) -> Iterator[Number]:
    size = look.spec.size
    if size is None:
        return
    name, value = size.fits.value, float(size.amount.value)
    path: Path = ("quantity", name)
    if size.amount.unit is Unit.MULTIPLE:
        then = "one position takes more than the account is worth, or nothing fits"
        yield Number(path=path, name=name, value=value, low=0.0005, high=1.0, words=times, then=then)
    elif stake is not None and (ends := _of_one(look, stake, size.fits)) is not None:
        low, high = ends[0] * LOT, ends[1] * LOT * look.plan.quantity * _FULL
        is_small = value < low
        then = "it pays for no structure, so nothing is entered" if is_small else "'at_most' alone counts"
        yield Number(path=path, name=name, value=value, low=low, high=high, words=in_dollars, then=then)


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
    name, value = "max_loss_per_trade", float(limit)
    path = (*look.spec.risk.path, name)
    yield Number(path=path, name=name, value=value, low=low, high=high, words=in_dollars, then=then)


def _of_the_day(look: LintContext, stake: ExamplePayoff | None) -> Iterator[Number]:
    spec, day, worst = look.spec, look.plan.risk.day, _worst(look)
    trades = max(spec.entry.per_day or 1, spec.entry.max_open or 1)
    base = worst if worst is not None else _premium(look, stake)
    if base is None:
        yield from _of_an_unknown_day(look)
        return
    then = f"a trade loses {in_dollars(base)} at most, so the limit acts at once or never"
    if worst is None:
        worth = f"the options of a position are worth {in_dollars(base)} in the example"
        then = f"{worth}, so the limit acts at once or never"
    for name, given, most in (("daily_loss", day.loss, _MOST_DAYS), ("daily_profit", day.profit, _WINS)):
        if given is None:
            continue
        high = _most_of_the_market(look) * trades if worst is None else worst * trades * most
        path = (*spec.risk.path, name)
        yield Number(
            path=path, name=name, value=float(given), low=base * _LEAST_DAY, high=high, words=in_dollars, then=then
        )


def _of_an_unknown_day(look: LintContext) -> Iterator[Number]:
    loss = look.plan.risk.day.loss
    if loss is not None:
        then, path = "any quote moves a position by more", (*look.spec.risk.path, "daily_loss")
        low, value = _LEAST_DOLLARS, float(loss)
        yield Number(path=path, name="daily_loss", value=value, low=low, high=inf, words=in_dollars, then=then)


def _most_of_the_market(look: LintContext) -> float:
    """Return the dollars that a position loses in a day that nobody has seen, without a bound by width."""
    levels = [spots(leg.symbol)[1] * leg.ratio for leg in look.plan.legs if not leg.is_shares]
    return max(levels, default=inf) * look.sample.lot * _CRASH


def _premium(look: LintContext, stake: ExamplePayoff | None) -> float | None:
    return None if stake is None else look.sample.premium * look.sample.lot


def _worst(look: LintContext) -> float | None:
    """Return the dollars that a trade loses at most in round numbers, by the width of its strikes; None without one."""
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
"""Expected moves by which a strike is kept from spot at most: nobody bids for one further away."""
_LOW, _HIGH = 0.3, 3.0
"""Parts of the level between which strikes are held."""


def modifiers(leg: LegPlan, move: float) -> Iterator[Number]:
    """Yield the numbers that move the strike of one leg, each with its usual range. move: points to its end."""
    strike, path = leg.strike, leg.strike.path
    low, high = spots(leg.symbol)
    if strike.within is not None and strike.by is StrikeBy.DELTA:
        value, then = float(strike.within), "strikes lie further apart than that, or every one is near enough"
        ends = (_LEAST_WITHIN, min(_MOST_WITHIN, max(float(strike.target or 0) * _MOST_OF_TARGET, _LEAST_WITHIN)))
        yield Number(
            path=(*path, "within"), name="within", value=value, low=ends[0], high=ends[1], words=bare, then=then
        )
    for name, multiple in (("multiple_of", strike.multiple_of), ("prefer_multiple_of", strike.prefer_multiple_of)):
        if multiple is not None:
            least, then = min(product(leg.symbol).strike_step, 0.5), "such strikes lie too far apart to choose among"
            value, most = float(multiple), high * _COARSEST
            yield Number(path=(*path, name), name=name, value=value, low=least, high=most, words=bare, then=then)
    if strike.at_least_from_spot is not None:
        name, value, ends = (
            "at_least_from_spot",
            float(strike.at_least_from_spot),
            (low * _NEAREST, min(high * _FURTHEST, _MOVES * move)),
        )
        then = "it keeps no strike away, or leaves none"
        yield Number(path=(*path, name), name=name, value=value, low=ends[0], high=ends[1], words=in_points, then=then)
    for name, edge in (("not_below", leg.not_below), ("not_above", leg.not_above)):
        if isinstance(edge, Constant):
            ends = (low * _LOW, high * _HIGH)
            place = (*path, name)
            yield Number(path=place, name=name, value=edge.value, low=ends[0], high=ends[1], words=bare, then=_FAR)


# --- Numbers outside of conditions that nobody means

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
    for number in _numbers(look):
        if number.path not in seen and not number.low <= number.value <= number.high:
            seen.add(number.path)
            yield problem_of(number)


def _numbers(look: LintContext) -> Iterator[Number]:
    yield from _strikes(look)
    yield from _orders(look)
    yield from _patience(look)
    yield from _counts(look)
    yield from limits(look)


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
            then = "no listed strike is meant by it"
            yield Number(path=path, name=key, value=value, low=0.008, high=0.99, words=bare, then=then, shifts=True)
        case StrikeBy.EXPECTED_MOVE:
            yield Number(path=path, name=key, value=value, low=0.04, high=8, words=times, then=far, shifts=True)
        case StrikeBy.OTM if strike.is_percent:
            yield Number(path=path, name=key, value=value, low=0.04, high=60, words=in_percent, then=far, shifts=True)
        case StrikeBy.OTM if value or strike.bound is Bound.NEAREST:
            ends = (spot[0] * 0.0002, spot[1] * 0.6)
            yield Number(path=path, name=key, value=value, low=ends[0], high=ends[1], words=in_points, then=far)
        case StrikeBy.PREMIUM | StrikeBy.SIDE_CREDIT:
            most = min(_most_premium(leg, move), _most_of_a_side(leg, look))
            yield Number(path=path, name=key, value=value, low=0.02, high=most, words=bare, then=far, shifts=True)
        case StrikeBy.BELOW | StrikeBy.ABOVE:
            yield from _widths(leg, path, spot)
        case _:
            return


def _most_premium(leg: LegPlan, move: float) -> float:
    """Return the most that an option may be worth to be chosen by it: a few times one at the money."""
    low, high = spots(leg.symbol)
    return 4 * AT_THE_MONEY * move if low == high else high


def _most_of_a_side(leg: LegPlan, look: LintContext) -> float:
    """Return the most that a short brings with the long that counts from it: less than the width between them."""
    widths = [wing.strike.target for wing in look.plan.legs if wing.strike.reference == leg.name]
    known = [float(width) for width in widths if width]
    return _MOST_OF_WIDTH * known[0] if leg.strike.by is StrikeBy.SIDE_CREDIT and known else inf


def _widths(leg: LegPlan, path: Path, spot: tuple[float, float]) -> Iterator[Number]:
    widths = (leg.strike.target or Decimal(0), *leg.strike.widths)
    low = 0.5 if spot[0] < spot[1] else product(leg.symbol).strike_step * _NEARLY_A_STEP
    then = "no such strikes are listed, or they are further apart than the market moves"
    for at, width in enumerate(widths):
        where = (*path, at) if leg.strike.widths else path
        high = spot[1] * 0.15
        yield Number(path=where, name="by", value=float(width), low=low, high=high, words=in_points, then=then)


# ---------------------------------------------------------------- orders


def _orders(look: LintContext) -> Iterator[Number]:
    spec = look.spec
    for order in (spec.order, spec.exit_order, *(rule.order for rule in spec.exits)):
        if order is not None:
            yield from _order(order, look)


def _order(order: Order, look: LintContext) -> Iterator[Number]:
    path, stake = order.path, look.stake
    price = 0.0 if stake is None else abs(stake.entry)
    is_known = stake is not None and price > NEXT_TO_NOTHING * look.sample.premium
    in_words = bare(round(price, 2))
    if order.price is not None and is_known:
        then, (low, high) = f"the structure is worth {in_words} in the example", (price / _ROOM, price * _ROOM)
        value = float(order.price)
        yield Number(path=(*path, "start"), name="start", value=value, low=low, high=high, words=bare, then=then)
    if order.step is not None and is_known and stake is not None:
        then, most = f"the structure is worth {in_words} in the example", max(price / 3, 4 * stake.tick)
        value = float(order.step)
        yield Number(path=(*path, "step"), name="step", value=value, low=0.01, high=most, words=bare, then=then)
    for name, seconds, least in (("wait", order.wait, _LEAST_WAIT), ("pause", order.pause, 0.0)):
        then = "the market moves on while the order stands at one price"
        yield Number(path=(*path, name), name=name, value=seconds, low=least, high=3600.0, words=duration, then=then)


# ---------------------------------------------------------------- how long, how often


def _patience(look: LintContext) -> Iterator[Number]:
    quoted = {rule.path for _, rule in look.exit_rules() if "legs" in rule.reads}
    for condition in look.conditions.values():
        if condition.confirm is not None and condition.path in quoted:
            is_same_day = not outlives_its_day(look.spec)
            most = _SAME_DAY if is_same_day else _LONGER
            yield _confirmation((*condition.path, "confirm"), condition.confirm, most)
        if condition.max_age is not None:
            age, then = condition.max_age, "quotes that old no longer say what the position is worth"
            path = (*condition.path, "max_age")
            yield Number(path=path, name="max_age", value=age, low=0.2, high=900, words=duration, then=then)
    for rule in look.spec.exits:
        then = "an exit that cannot be judged waits for so long"
        yield Number(
            path=(*rule.path, "grace"), name="grace", value=rule.grace, low=0.0, high=3600, words=duration, then=then
        )
    unprotected = look.spec.risk.max_unprotected
    if unprotected is not None:
        then = "short legs stand without a stop for so long"
        path = (*look.spec.risk.path, "max_unprotected")
        yield Number(
            path=path, name="max_unprotected", value=unprotected, low=0.0, high=1800, words=duration, then=then
        )


def _confirmation(path: Path, confirm: Confirm, most: float) -> Number:
    """Return how long an exit that is judged by the prices of its legs waits before it acts."""
    then = "the loss grows for as long before the exit acts"
    if confirm.quotes is not None:
        return Number(path=path, name="confirm", value=confirm.quotes, low=1, high=60, words=_quotes, then=then)
    seconds = confirm.seconds or 0.0
    return Number(path=path, name="confirm", value=seconds, low=0.1, high=most, words=duration, then=then)


def _quotes(number: float) -> str:
    return f"{number:g} quote{'' if number == 1 else 's'}"


# ---------------------------------------------------------------- counts


def _counts(look: LintContext) -> Iterator[Number]:
    spec, then = look.spec, "a slip of one digit would be the whole account"
    spot = spots(look.plan.underlyings[0])[0]
    most = float(min(MOST_CONTRACTS, max(int(MOST_NOTIONAL / (spot * LOT)), 1)))
    if spec.overwrite is None:
        path: Path = ("quantity",) if spec.size is None and spec.growth is None else ("quantity", "at_most")
        yield Number(path=path, name="quantity", value=spec.quantity, low=1, high=most, words=bare, then=then)
    yield from _ratios(look)
    if spec.entry.max_open is not None:
        many = "so many positions are never watched one by one"
        path = (*spec.entry.path, "max_open")
        yield Number(path=path, name="max_open", value=spec.entry.max_open, low=1, high=250, words=bare, then=many)
    if spec.entry.per_day is not None:
        many, path = "it is no limit any more", (*spec.entry.path, "per_day")
        yield Number(path=path, name="per_day", value=spec.entry.per_day, low=1, high=100, words=bare, then=many)
    yield from _growing(look)
    yield from _taken(look)
    yield from _every(look)
    yield from _lasts(look)
    yield from _in_the_window(look)
    for leg in look.plan.legs:
        days = max(leg.expiry.days)
        late = "no option ends so late"
        yield Number(path=(*leg.expiry.path, "dte"), name="dte", value=days, low=0, high=1200, words=bare, then=late)


def _ratios(look: LintContext) -> Iterator[Number]:
    """Yield how many contracts of a leg one structure has; on two underlyings the hedge decides (RB370)."""
    if len(look.plan.underlyings) > 1:
        return
    then = "'quantity' counts structures, 'ratio' the contracts of a leg in one of them"
    for leg in look.spec.legs.legs:
        if not leg.is_shares:
            path = (*leg.path, "ratio")
            yield Number(path=path, name="ratio", value=leg.ratio, low=1, high=MOST_RATIO, words=bare, then=then)


def _growing(look: LintContext) -> Iterator[Number]:
    growth = look.spec.growth
    if growth is not None:
        most, path = max(look.spec.quantity - growth.start, 1), ("quantity", "grow", "by")
        then = "the first step goes to the most there may be"
        yield Number(path=path, name="by", value=growth.step, low=1, high=most, words=bare, then=then)


def _taken(look: LintContext) -> Iterator[Number]:
    universe = look.spec.universe
    if universe is not None and universe.rank is not None and universe.symbols:
        rank, name = universe.rank, "highest" if universe.rank.highest else "lowest"
        then, count = "it keeps no symbol out", len(universe.symbols)
        yield Number(path=(*rank.path, name), name=name, value=rank.count, low=1, high=count, words=bare, then=then)


def _in_the_window(look: LintContext) -> Iterator[Number]:
    """Yield how long a try waits, so that all tries of one order have room in the longest window."""
    entry, order = look.spec.entry, look.spec.order
    longest = max(end - start for start, end in spans_in_seconds(look.spec, look.terms.session))
    if entry.end is None or longest <= 0:
        return
    pauses = (order.tries - 1) * order.pause
    then = (
        f"all tries take {duration(order.tries * order.wait + pauses)}, and the window is open for {duration(longest)}"
    )
    low, path = min(order.wait, 1.0), (*order.path, "wait")
    most = max((longest - pauses) / order.tries, low)
    yield Number(path=path, name="wait", value=order.wait, low=low, high=most, words=duration, then=then)


def _lasts(look: LintContext) -> Iterator[Number]:
    """Yield how long each time of `at` is open: seconds in which quotes have come, until the close at most."""
    entry = look.spec.entry
    if entry.lasts is not None:
        session, (start, _) = look.terms.session, window_seconds(look.spec, look.terms.session)
        left = (session.close - session.open).total_seconds() - start
        then, path = "nothing is tried in less, and nothing after the close", (*entry.path, "for")
        yield Number(
            path=path, name="for", value=entry.lasts, low=5.0, high=max(left, _FIVE_MINUTES), words=duration, then=then
        )


def _every(look: LintContext) -> Iterator[Number]:
    every = look.spec.entry.every
    if every is None:
        return
    longest = max(end - start for start, end in spans_in_seconds(look.spec, look.terms.session))
    then, path = "it is judged at the start of a window and not again", (*look.spec.entry.path, "every")
    yield Number(path=path, name="every", value=every, low=1.0, high=longest, words=duration, then=then)
