"""Numbers outside of conditions that nobody means: strikes, widths, orders, confirmations, counts and limits."""

from collections.abc import Iterator
from decimal import Decimal
from math import inf

from rulebot.compile.lint.limits import limits
from rulebot.compile.lint.look import LintContext
from rulebot.compile.lint.modifiers import modifiers
from rulebot.compile.lint.number import Number, bare, in_percent, in_points, problem_of, times
from rulebot.compile.lint.reach import spans_in_seconds, window_seconds
from rulebot.compile.lint.sample import expected, spots
from rulebot.compile.lint.stakes import NEXT_TO_NOTHING
from rulebot.compile.lint.wording import duration
from rulebot.compile.plan import LegPlan
from rulebot.compile.problem import Problem
from rulebot.compile.timing import outlives_its_day
from rulebot.model.contract import LOT, product
from rulebot.spec.nouns.condition import Confirm, Path
from rulebot.spec.nouns.legs import Bound, StrikeBy
from rulebot.spec.nouns.order import Order

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
