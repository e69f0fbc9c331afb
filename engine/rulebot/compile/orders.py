"""Orders and what the broker takes of them: combos, adaptive orders, market orders, what may rest."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from rulebot.compile.plan import Plan
from rulebot.compile.problem import Problem, did_you_mean
from rulebot.compile.structure import certain_direction, missing_cover
from rulebot.model.contract import Right
from rulebot.spec.nouns import MeasureTest, Path, Side, Unit
from rulebot.spec.spec import Exit, Fits, OnUnfilled, Order, PriceFrom, Spec

_UNLIMITED_TRIES = 100


def order_problems(spec: Spec) -> Iterator[Problem]:
    """Yield what is wrong with the entry's order, the exits' order, and every exit's own."""
    yield from _entry_order(spec)
    if spec.exit_order is not None:
        yield from _leaving_order(spec.exit_order, spec)
    for rule in spec.exits:
        if rule.order is not None:
            yield from _leaving_order(rule.order, spec)
        yield from _resting(rule, spec)


def _entry_order(spec: Spec) -> Iterator[Problem]:
    order = spec.order
    yield from _common(order, spec)
    if order.start is PriceFrom.MARKET and order.price is None and not order.adaptive:
        message = "an entry never goes out at the market"
        yield Problem("RB223", _start(order), message, "start at mid or natural, or give it to 'adaptive: normal'")
    elif order.start is PriceFrom.MARKET and spec.risk.delayed_data:
        message = "an entry on delayed data has a limit: its price is 10 to 15 minutes old"
        yield Problem("RB223", _start(order), message, "start at mid or natural")
    yield from _entry_ending(order)
    if is_pair(spec) and not order.leg_by_leg:
        symbols = {leg.underlying or spec.underlyings[0] for leg in spec.legs.legs}
        message = f"the broker takes no combo across {' and '.join(sorted(symbols))}"
        names = ", ".join(leg.name for leg in spec.legs.legs)
        yield Problem("RB221", order.path, message, f"send the legs one by one: 'leg_by_leg: [{names}]'", on_key=True)


def _entry_ending(order: Order) -> Iterator[Problem]:
    if order.then not in (OnUnfilled.CANCEL, OnUnfilled.UNWIND):
        message = f"an entry ends with cancel or unwind, is {order.then.value}"
        yield Problem("RB224", (*order.path, "then"), message, f"'then: {order.then.value}' is for exits")
    if order.then is OnUnfilled.UNWIND and not order.leg_by_leg:
        message = "only legs sent one by one can be left without their partners"
        yield Problem("RB224", (*order.path, "then"), message, "a combo fills whole: write 'then: cancel'")
    if order.leg_by_leg and order.then is OnUnfilled.CANCEL:
        message = "legs sent one by one can be left without their partners, and 'cancel' does not say what of those"
        yield Problem("RB224", order.path, message, "write 'then: unwind': what has no partner is closed", on_key=True)


def _leaving_order(order: Order, spec: Spec) -> Iterator[Problem]:
    yield from _common(order, spec)
    if order.then not in (OnUnfilled.AGAIN, OnUnfilled.MARKET):
        message = f"an exit continues until it is done: its order ends with again or market, is {order.then.value}"
        yield Problem("RB224", (*order.path, "then"), message)
    if order.price is not None:
        message = "an exit follows the market: it starts at mid, natural or market"
        yield Problem("RB225", _start(order), message, "a price to leave at is a target, as in 'target: {cost: 0.05}'")


def _start(order: Order) -> Path:
    return (*order.path, "start")


def _common(order: Order, spec: Spec) -> Iterator[Problem]:
    if order.step is not None and order.step <= 0:
        yield Problem("RB225", (*order.path, "step"), f"a step is positive, is {order.step:f}")
    if not 1 <= order.tries <= _UNLIMITED_TRIES:
        yield Problem("RB225", (*order.path, "tries"), f"tries are 1 to {_UNLIMITED_TRIES}, is {order.tries}")
    if order.wait <= 0:
        yield Problem("RB225", (*order.path, "wait"), "a try waits longer than 0 s")
    if order.adaptive and len(spec.legs.legs) > 1:
        message = f"the broker's adaptive order takes one leg, and this structure has {len(spec.legs.legs)}"
        yield Problem("RB222", (*order.path, "adaptive"), message, "use the ladder: start, step, wait, tries")
    yield from _one_by_one(order, spec)


def _one_by_one(order: Order, spec: Spec) -> Iterator[Problem]:
    names = [leg.name for leg in spec.legs.legs]
    where = (*order.path, "leg_by_leg")
    for at, name in enumerate(order.leg_by_leg):
        if name not in names:
            yield Problem("RB201", (*where, at), f"unknown leg '{name}'", did_you_mean(name, names))
        elif name in order.leg_by_leg[:at]:
            yield Problem("RB221", (*where, at), f"'{name}' is sent twice")
    missing = [name for name in names if name not in order.leg_by_leg]
    if order.leg_by_leg and missing:
        yield Problem("RB221", where, f"every leg is sent once: {', '.join(missing)} is missing")


def _resting(rule: Exit, spec: Spec) -> Iterator[Problem]:
    if not rule.resting:
        return
    where = (*rule.path, "resting")
    if rule.kind.traits.resting is None:
        yield Problem("RB220", where, f"only a target or a stop can rest at the broker, and '{rule.name}' is neither")
        return
    if rule.condition is not None and rule.condition.confirm is not None:
        message = f"'{rule.name}' rests at the broker, which fills at the first touch and confirms nothing"
        yield Problem("RB220", where, message, "take away 'confirm' or 'resting'")
    test = rule.condition.test if rule.condition is not None else None
    if isinstance(test, MeasureTest) and test.measure == "give_back":
        message = f"'{rule.name}' follows the best profit, and what rests at the broker has one price"
        yield Problem("RB220", where, message, "without 'resting' the engine watches it")
    if rule.order is not None:
        yield Problem(
            "RB220", (*rule.path, "order"), f"'{rule.name}' rests at the broker and walks no ladder", on_key=True
        )
    if len(spec.legs.legs) > 1:
        yield from _resting_combo(rule, spec)


def _resting_combo(rule: Exit, spec: Spec) -> Iterator[Problem]:
    """Yield why an exit of several legs cannot rest: one limit order must close them all."""
    where, help_text = (*rule.path, "resting"), "without 'resting' the engine watches it and closes the structure"
    count = len(spec.legs.legs)
    takes_combo = rule.kind.traits.resting is not None and rule.kind.traits.resting.takes_combo
    if not takes_combo:
        message = (
            f"'{rule.name}' closes {count} legs, and only a target of several legs rests: "
            "the broker may take no stop order of a combo"
        )
        yield Problem("RB220", where, message, help_text)
        return
    first = next((each for each in spec.exits if each.resting and each.enabled and each.kind.takes_profit), rule)
    if rule.enabled and first is not rule:
        message = f"'{first.name}' rests already, and both would close the same {count} legs"
        yield Problem("RB220", where, message, help_text)
    if reason := _takes_several_orders(spec):
        yield Problem("RB220", where, f"'{rule.name}' cannot rest: {reason}", help_text)


def _takes_several_orders(spec: Spec) -> str:
    """Return why no single order closes the structure for as long as it rests, "" where one does."""
    legs = spec.legs.legs
    if is_pair(spec):
        return "its legs are on two underlyings, and one order cannot close them"
    if any(leg.is_shares for leg in legs):
        return "it closes shares with options, and such an order does not rest"
    if spec.order.leg_by_leg:
        return "its legs are entered one by one, and only what one order opens rests as one"
    if len(spec.legs.expiries) > 1:
        return "its legs expire on different days, and its order would end with the first"
    return ""


# ---------------------------------------------------------------- plans


def exit_order_of(spec: Spec) -> Order:
    """Return the order by which exits leave: as written, else the ladder of `order` from the other side, again."""
    if spec.exit_order is not None:
        return ordered_out(spec.exit_order, spec)
    start = spec.order.start if spec.order.price is None and spec.order.start is not PriceFrom.MARKET else PriceFrom.MID
    return ordered_out(replace(spec.order, start=start, price=None, then=OnUnfilled.AGAIN), spec)


def is_pair(spec: Spec) -> bool:
    """Return whether a structure has legs on two underlyings, which one order cannot hold."""
    return len({leg.underlying or spec.underlyings[0] for leg in spec.legs.legs}) > 1


def ordered_out(order: Order, spec: Spec) -> Order:
    """Return the order with its legs in closing order: on two underlyings one by one, short legs first.

    Legs on one underlying leave as one combo, also where they were entered one by one.
    """
    one_by_one = spec.order.leg_by_leg if is_pair(spec) else ()
    sold = {leg.name for leg in spec.legs.legs if leg.side is Side.SELL}
    return replace(order, leg_by_leg=tuple(sorted(one_by_one, key=lambda name: name not in sold)))


# --- The quantity as the most that fits a budget


def size_problems(spec: Spec) -> Iterator[Problem]:
    """Yield what is wrong with a quantity that is counted by a budget."""
    size = spec.size
    if size is None:
        return
    name = size.fits.value
    where = (*size.path, name)
    if size.amount.value <= 0:
        yield Problem("RB250", where, f"'{name}' is written positive, is {size.amount.value:f}")
    direction = certain_direction(spec)
    if size.fits is not Fits.MAX_LOSS and direction is not None and direction != name:
        made = {"credit": "sold: it brings a credit", "debit": "bought: it costs a debit"}[direction]
        message = f"this structure is {made}, and has no {name}"
        yield Problem("RB205", where, message, f"did you mean '{direction}'?", on_key=True)


def growth_problems(spec: Spec) -> Iterator[Problem]:
    """Yield what is wrong with a quantity that grows: it would never grow, or never end where it may."""
    growth = spec.growth
    if growth is not None and growth.start >= spec.quantity:
        message = f"'from' is {growth.start} and 'at_most' {spec.quantity}: it never grows"
        yield Problem("RB250", ("quantity", "grow", "from"), message, "write a smaller count, or a larger 'at_most'")


def loss_budget(plan: Plan) -> Decimal | None:
    """Return the dollars that the quantity lets a trade lose, None where it does not count by them."""
    return _dollars(plan, Fits.MAX_LOSS)


def debit_budget(plan: Plan) -> Decimal | None:
    """Return the dollars that the quantity lets a trade cost, None where it does not count by them."""
    return _dollars(plan, Fits.DEBIT)


def _dollars(plan: Plan, fits: Fits) -> Decimal | None:
    size = plan.size
    return size.amount.value if size is not None and (size.fits, size.amount.unit) == (fits, Unit.DOLLARS) else None


def bare_calls(spec: Spec) -> str:
    """Return a call, or shares, sold that nothing bought covers, "" when there is none."""
    sold = (leg for leg in spec.legs.legs if leg.side is Side.SELL and leg.right != "put")
    return next((leg.name for leg in sold if missing_cover(leg, spec) > 0), "")


def needs_cash_for_puts(plan: Plan) -> bool:
    """Return whether a structure sells puts that no put of the same class and expiry covers."""
    counts: dict[object, int] = {}
    for leg in plan.legs:
        if leg.right is Right.PUT:
            key = (leg.trading_class, leg.expiry.terms)
            counts[key] = counts.get(key, 0) + leg.sign * leg.ratio
    return any(count < 0 for count in counts.values())
