"""Numbers outside of conditions that nobody means: strikes, widths, orders, confirmations, counts and limits."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from math import inf

from engine.compile.lint.look import Look
from engine.compile.lint.sample import SampleLeg, expected, spots
from engine.compile.lint.unusual import shown
from engine.compile.lint.wording import duration
from engine.compile.plan import LegPlan, Quantity
from engine.compile.problem import Problem
from engine.model.contract import LOT, product
from engine.model.values import dataclass
from engine.spec.nouns.condition import Amount, Confirm, Path, Unit
from engine.spec.nouns.legs import Bound, StrikeBy
from engine.spec.nouns.order import Order

AT_THE_MONEY = 0.4
"""What an option at the money is worth, in expected moves. Source: Brenner and Subrahmanyam 1988."""
MOST_CONTRACTS, MOST_NOTIONAL = 500, 100_000_000
"""Structures of one position, and its dollars of the underlying, beyond which a quantity is most likely a slip."""


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


def out_of_range(look: Look) -> Iterator[Problem]:
    """Yield RB361 for each number of a key outside of its usual range, once a place."""
    seen: set[Path] = set()
    for number in _numbers(look):
        if number.path not in seen and not number.low <= number.value <= number.high:
            seen.add(number.path)
            yield _problem(number)


def _numbers(look: Look) -> Iterator[Number]:
    yield from _strikes(look)
    yield from _orders(look)
    yield from _patience(look)
    yield from _counts(look)
    yield from _limits(look)


def _problem(number: Number) -> Problem:
    low, high, value = (number.words(each) for each in (number.low, number.high, number.value))
    usual = f"{low} or more" if number.high == inf else f"{low} to {high}"
    message = f"'{number.name}' is {value}, and usual is {usual}: {number.then}"
    likely = [number.value * 100, number.value / 100] if number.shifts else []
    found = [f"'{number.words(each)}'" for each in likely if number.low <= each <= number.high]
    help_text = f"did you mean {' or '.join(found)}?" if found else f"write {usual}"
    return Problem("RB361", number.path, message, help_text)


def _bare(number: float) -> str:
    return shown(number, Quantity.PLAIN)


def _points(number: float) -> str:
    return shown(number, Quantity.POINTS, 3)


def _percent(number: float) -> str:
    return shown(number / 100, Quantity.FRACTION)


def _times(number: float) -> str:
    return f"{_bare(number)}x"


def _dollars(number: float) -> str:
    return shown(number, Quantity.DOLLARS, 3)


# ---------------------------------------------------------------- strikes


def _strikes(look: Look) -> Iterator[Number]:
    for leg in look.plan.legs:
        if not leg.is_shares:
            yield from _strike(leg, look.sample.legs.get(leg.name))


def _strike(leg: LegPlan, sample: SampleLeg | None) -> Iterator[Number]:
    strike, key = leg.strike, "by" if leg.strike.by in (StrikeBy.BELOW, StrikeBy.ABOVE) else leg.strike.by.value
    path = (*strike.path, key) if strike.bound is Bound.NEAREST else (*strike.path, key, strike.bound.value)
    spot = spots(leg.symbol)
    value = float(strike.target or 0)
    move = sample.move if sample is not None else expected(leg.symbol, 0, 1.0)
    far = "no such strike is worth anything, or none is listed"
    match strike.by:
        case StrikeBy.DELTA:
            then = "no listed strike is meant by it"
            yield Number(path=path, name=key, value=value, low=0.008, high=0.99, words=_bare, then=then, shifts=True)
        case StrikeBy.EXPECTED_MOVE:
            yield Number(path=path, name=key, value=value, low=0.04, high=8, words=_times, then=far, shifts=True)
        case StrikeBy.OTM if strike.is_percent:
            yield Number(path=path, name=key, value=value, low=0.04, high=60, words=_percent, then=far, shifts=True)
        case StrikeBy.OTM:
            ends = (spot[0] * 0.0002, spot[1] * 0.6)
            yield Number(path=path, name=key, value=value, low=ends[0], high=ends[1], words=_points, then=far)
        case StrikeBy.PREMIUM | StrikeBy.SIDE_CREDIT:
            most = _most_premium(leg, move)
            yield Number(path=path, name=key, value=value, low=0.02, high=most, words=_bare, then=far, shifts=True)
        case StrikeBy.BELOW | StrikeBy.ABOVE:
            yield from _widths(leg, path, spot)
        case _:
            return


def _most_premium(leg: LegPlan, move: float) -> float:
    """Return the most that an option may be worth to be chosen by it: a few times one at the money."""
    low, high = spots(leg.symbol)
    return 4 * AT_THE_MONEY * move if low == high else high


def _widths(leg: LegPlan, path: Path, spot: tuple[float, float]) -> Iterator[Number]:
    widths = (leg.strike.target or Decimal(0), *leg.strike.widths)
    low = 0.5 if spot[0] < spot[1] else product(leg.symbol).strike_step * 0.5
    then = "no such strikes are listed, or they are further apart than the market moves"
    for at, width in enumerate(widths):
        where = (*path, at) if leg.strike.widths else path
        high = spot[1] * 0.15
        yield Number(path=where, name="by", value=float(width), low=low, high=high, words=_points, then=then)


# ---------------------------------------------------------------- orders


def _orders(look: Look) -> Iterator[Number]:
    spec = look.spec
    for order in (spec.order, spec.exit_order, *(rule.order for rule in spec.exits)):
        if order is not None:
            yield from _order(order, look)


def _order(order: Order, look: Look) -> Iterator[Number]:
    path, premium = order.path, look.sample.premium
    is_known = premium > 0.01 and len(look.sample.legs) == sum(1 for leg in look.plan.legs if not leg.is_shares)
    is_known = is_known and all(spots(leg.symbol)[0] == spots(leg.symbol)[1] for leg in look.plan.legs)
    if order.price is not None and is_known:
        then, high = f"the legs come to {_bare(round(premium, 2))} in the example, so it is never filled", 5 * premium
        yield Number(
            path=(*path, "start"), name="start", value=float(order.price), low=0.005, high=high, words=_bare, then=then
        )
    if order.step is not None and is_known:
        then, high = "one step passes the whole price of the structure", max(premium, 0.25)
        yield Number(
            path=(*path, "step"), name="step", value=float(order.step), low=0.01, high=high, words=_bare, then=then
        )
    for name, seconds, most in (("wait", order.wait, 3600.0), ("pause", order.pause, 3600.0)):
        then = "the market moves on while the order stands at one price"
        yield Number(path=(*path, name), name=name, value=seconds, low=0.0, high=most, words=duration, then=then)


# ---------------------------------------------------------------- how long, how often


def _patience(look: Look) -> Iterator[Number]:
    quoted = {rule.path for _, rule in look.exit_rules() if "legs" in rule.reads}
    for condition in look.conditions.values():
        if condition.confirm is not None and condition.path in quoted:
            yield _confirmation((*condition.path, "confirm"), condition.confirm)
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


def _confirmation(path: Path, confirm: Confirm) -> Number:
    """Return how long an exit that is judged by the prices of its legs waits before it acts."""
    then = "the loss grows for as long before the exit acts"
    if confirm.quotes is not None:
        return Number(path=path, name="confirm", value=confirm.quotes, low=1, high=60, words=_quotes, then=then)
    seconds = confirm.seconds or 0.0
    return Number(path=path, name="confirm", value=seconds, low=0.1, high=3600, words=duration, then=then)


def _quotes(number: float) -> str:
    return f"{number:g} quote{'' if number == 1 else 's'}"


# ---------------------------------------------------------------- counts


def _counts(look: Look) -> Iterator[Number]:
    spec, then = look.spec, "a slip of one digit would be the whole account"
    spot = spots(look.plan.underlyings[0])[0]
    most = float(min(MOST_CONTRACTS, max(int(MOST_NOTIONAL / (spot * LOT)), 1)))
    if spec.overwrite is None:
        path: Path = ("quantity",) if spec.size is None and spec.growth is None else ("quantity", "at_most")
        yield Number(path=path, name="quantity", value=spec.quantity, low=1, high=most, words=_bare, then=then)
    if spec.entry.max_open is not None:
        many = "so many positions are never watched one by one"
        path = (*spec.entry.path, "max_open")
        yield Number(path=path, name="max_open", value=spec.entry.max_open, low=1, high=250, words=_bare, then=many)
    if spec.entry.per_day is not None:
        many, path = "it is no limit any more", (*spec.entry.path, "per_day")
        yield Number(path=path, name="per_day", value=spec.entry.per_day, low=1, high=100, words=_bare, then=many)
    for leg in look.plan.legs:
        days = max(leg.expiry.days)
        late = "no option ends so late"
        yield Number(path=(*leg.expiry.path, "dte"), name="dte", value=days, low=0, high=1200, words=_bare, then=late)


# ---------------------------------------------------------------- limits


def _limits(look: Look) -> Iterator[Number]:
    spec, risk = look.spec, look.spec.risk
    protect = risk.protect
    if protect is not None:
        then, path = "the stop at the broker lies where no price ever comes", (*risk.path, "protect", "cost")
        times = float(protect.times)
        yield Number(path=path, name="cost", value=times, low=1.0, high=50, words=_times, then=then, shifts=True)
    if spec.size is not None and spec.size.amount.unit is Unit.MULTIPLE:
        then, path = (
            "one position takes more than the account is worth, or nothing fits",
            ("quantity", spec.size.fits.value),
        )
        part = float(spec.size.amount.value)
        yield Number(path=path, name=spec.size.fits.value, value=part, low=0.0005, high=1.0, words=_times, then=then)
    worst = _worst(look)
    if worst is None:
        return
    if risk.max_loss_per_trade is not None:
        then, path = (
            f"a trade loses {_dollars(worst)} at most, so it limits nothing",
            (*risk.path, "max_loss_per_trade"),
        )
        limit, high = float(risk.max_loss_per_trade), 100 * worst
        yield Number(path=path, name="max_loss_per_trade", value=limit, low=0.0, high=high, words=_dollars, then=then)
    trades = max(spec.entry.per_day or 1, spec.entry.max_open or 1)
    for name, given in (("daily_loss", risk.daily_loss), ("daily_profit", risk.daily_profit)):
        if given is not None and not isinstance(given, Amount):
            then, path = (
                f"a trade loses {_dollars(worst)} at most, so the limit acts at once or never",
                (*risk.path, name),
            )
            low, high = worst * 0.015, worst * trades * 100
            yield Number(path=path, name=name, value=float(given), low=low, high=high, words=_dollars, then=then)


def _worst(look: Look) -> float | None:
    """Return the dollars that a trade loses at most in round numbers, by the width of its strikes; None without one."""
    width = look.worth.most_cost if look.plan.opens_for == "credit" else look.worth.most_value
    if not width or look.plan.overwrite is not None or any(leg.is_shares for leg in look.plan.legs):
        return None
    return width * LOT * look.plan.quantity
