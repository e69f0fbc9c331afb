"""Prices that no order can have, and dollars that are hardly any: the exchange deals in ticks of a price per share."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from decimal import Decimal
from math import gcd, inf
from typing import NamedTuple

from rulebot.compile.exits import late_warnings
from rulebot.compile.lint.comparisons import literal
from rulebot.compile.lint.example import stand_in
from rulebot.compile.lint.exits import asked_of
from rulebot.compile.lint.lint_context import LintContext, duration, said
from rulebot.compile.orders import is_pair
from rulebot.compile.plan import Compare, ExitPlan, Rule
from rulebot.compile.problem import Problem
from rulebot.compile.structure import symbol_of
from rulebot.model.commission import estimate
from rulebot.model.contract import LOT, Option, product
from rulebot.model.money import ZERO, Rounding, TickRule, dollars, on_tick
from rulebot.spec.exit_kinds import LEVELS
from rulebot.spec.nouns import Amount, Condition, Leg, MeasureTest, Path, Side, Unit, measure_tests
from rulebot.spec.spec import IfUnknown, Order, PriceFrom, Spec

PRICED = frozenset({"credit", "debit", "profit", "loss", "give_back"})
"""What is said per share, or as a part, and with `$` of the whole position."""


def off_tick_prices(look: LintContext) -> Iterator[Problem]:
    """Yield RB340 for steps, starts, bounds on the price and resting prices that lie between two ticks."""
    spec = look.spec
    for order in (spec.order, spec.exit_order, *(rule.order for rule in spec.exits)):
        if order is not None:
            yield from _order_prices(order, spec, is_entry=order is spec.order)
    if spec.order.leg_by_leg:
        return
    resting = tuple(rule.condition for rule in spec.exits if rule.resting and rule.condition is not None)
    for conditions, measures in ((spec.legs.require, ("credit", "debit")), (resting, ("cost", "value"))):
        for path, price in _amounts(conditions, measures, Unit.NUMBER):
            yield from _between_ticks(path, price, _whole(spec))


def of_a_share(look: LintContext) -> Iterator[Problem]:
    """Yield RB344 for dollars of a whole position that are less than the least change of its price."""
    spec = look.spec
    shares = LOT * (1 if spec.size or spec.overwrite else spec.quantity)
    tick = _whole(spec).ticks.steps[0][1]
    judged = (*spec.legs.require, *(rule.condition for rule in spec.exits if rule.condition is not None))
    for path, amount in _amounts(judged, PRICED, Unit.DOLLARS):
        if 0 < abs(amount) < tick * shares:
            message = f"${abs(amount):f} is for the whole position: {abs(amount) / shares:.3f} a share"
            help = f"{abs(amount):f} a share is ${abs(amount) * shares:.0f}"
            if "credit" in path or "debit" in path:
                help += f", or '{abs(amount):f}' without '$'"
            yield Problem("RB344", path, message, help)


def of_a_tick(look: LintContext) -> Iterator[Problem]:
    """Yield RB344 for a target or stop that at the least price asked for is nearer to it than the next price there is.

    And for a target that wins less there than opening and closing cost.
    """
    tick, least = _whole(look.spec).ticks.steps[0][1], Decimal(str(look.bounds.least))
    for planned, rule in look.exit_rules():
        part = abs(_part_of_entry(planned, rule, look))
        if least < tick or not part:
            continue
        name, share = look.plan.opens_for, part * least
        of_least = f"{said(rule)} of the least {name}, {least:.2f}, is"
        is_target, costs = planned.kind.takes_profit, _least_commissions(look)
        won = share * LOT * look.plan.quantity
        if share < tick:
            then = "nothing may be won, and commissions are lost" if is_target else "the next quotes may close it"
            message = f"{of_least} {share:.3f} a share, and prices change by {tick}: {then}"
        elif is_target and won <= costs:
            message = (
                f"{of_least} {dollars(won)}, and opening and closing cost {dollars(costs)} or more: nothing is won"
            )
        else:
            continue
        help_text = f"'require' a larger {name}, or {'win' if is_target else 'risk'} a larger part"
        yield Problem("RB344", look.marked(rule), message, help_text)


def _part_of_entry(planned: ExitPlan, rule: Rule, look: LintContext) -> Decimal:
    """Return which part of the entry price a target wins, or a stop loses, below 0; 0 where it is no such part."""
    if not planned.kind.is_level or not isinstance(rule.test, Compare):
        return Decimal(0)
    subject, passing = literal(rule.test, look.terms)
    if subject.measure != "gain" or not passing:
        return Decimal(0)
    edge, _ = passing[0][0] if planned.kind.takes_profit else passing[-1][1]
    is_of_kind = 0 < edge < inf if planned.kind.takes_profit else -inf < edge < 0
    return Decimal(str(edge)) if is_of_kind else Decimal(0)


def _least_commissions(look: LintContext) -> Decimal:
    """Return the dollars that opening and closing all of it cost at least, 0 where its count is not known.

    A bought leg of a structure with sold legs may be left to expire.
    """
    plan = look.plan
    if plan.size is not None or plan.overwrite is not None or any(leg.is_shares for leg in plan.legs):
        return ZERO
    sold = [leg for leg in plan.legs if leg.sign < 0] or plan.legs
    parts = [[(stand_in(leg), leg.ratio * plan.quantity, 0.0) for leg in legs] for legs in (plan.legs, sold)]
    is_single = bool(look.spec.order.leg_by_leg), is_pair(look.spec)
    return sum((_estimated(legs, is_single=each) for legs, each in zip(parts, is_single, strict=True)), ZERO)


def _estimated(parts: Sequence[tuple[Option, int, float]], *, is_single: bool) -> Decimal:
    """Return the dollars of one order of these parts, or of an order for each of them."""
    return sum((estimate([each]) for each in parts), ZERO) if is_single else estimate(parts)


def _order_prices(order: Order, spec: Spec, *, is_entry: bool) -> Iterator[Problem]:
    is_single = bool(order.leg_by_leg) if is_entry else is_pair(spec)
    grids = tuple(_single(leg, spec) for leg in spec.legs.legs) if is_single else (_whole(spec),)
    if order.step is not None:
        coarsest = max(grids, key=lambda grid: grid.ticks.steps[0][1])
        yield from _between_ticks((*order.path, "step"), order.step, coarsest._replace(is_step=True))
    if order.price is not None:
        price = order.price
        yield from _between_ticks((*order.path, "start"), price, max(grids, key=lambda grid: grid.ticks.tick(price)))


class PriceGrid(NamedTuple):
    """The prices that orders of a kind can have; `is_step`: the smallest of them, used for steps."""

    what: str
    ticks: TickRule
    is_step: bool = False


def _whole(spec: Spec) -> PriceGrid:
    """Return the grid of an order for the whole structure."""
    legs = spec.legs.legs
    symbol = symbol_of(legs[0], spec)
    return _single(legs[0], spec) if len(legs) == 1 else PriceGrid(f"{symbol} combos", product(symbol).combo_ticks)


def _single(leg: Leg, spec: Spec) -> PriceGrid:
    symbol = symbol_of(leg, spec)
    return PriceGrid(f"{symbol} options", product(symbol).option_ticks)


def _between_ticks(path: Path, price: Decimal, grid: PriceGrid) -> Iterator[Problem]:
    tick = grid.ticks.steps[0][1] if grid.is_step else grid.ticks.tick(price)
    below, above = on_tick(price, tick, Rounding.DOWN), on_tick(price, tick, Rounding.UP)
    if below == above:
        return
    word = "step" if grid.is_step else "price"
    message = f"{grid.what} are priced in steps of {tick}: a {word} of {price:f} is between two steps"
    if below <= 0:
        help_text = f"write {above}" + (": with less several tries have the same price" if grid.is_step else "")
    else:
        help_text = f"write {below} or {above}"
    yield Problem("RB340", path, message, help_text)


def _amounts(conditions: Iterable[Condition], measures: Collection[str], unit: Unit) -> Iterator[tuple[Path, Decimal]]:
    """Yield the amounts in a unit that conditions compare one of these measures with."""
    for test in measure_tests(conditions):
        if test.measure not in measures or test.comparison is None:
            continue
        several = len(test.comparison.operands) > 1
        for at, operand in enumerate(test.comparison.operands):
            if isinstance(operand, Amount) and operand.unit is unit:
                yield _bound_path(test, at if several else None), operand.value


def _bound_path(test: MeasureTest, at: int | None) -> Path:
    if len(test.path) > 1 and test.path[-2] in LEVELS:
        return test.path
    assert test.comparison is not None
    path: Path = (*test.path, test.comparison.op.value)
    return path if at is None else (*path, at)


# --- Orders that do what their author hardly means

_QUOTED = ("legs", "spot", "strikes", "index")
LEAST_PROMISE = 2.0
"""Seconds: an order and its answer take so long when the broker is busy; less cannot be promised."""


def on_one_reading(look: LintContext) -> Iterator[Problem]:
    """Yield RB310 for an exit at market that one broken quote can send, once for all parts that it judges."""
    own = {rule.name: rule.order for rule in look.spec.exits}
    by_name = {planned.written: (planned, rule) for planned, rule in look.exit_rules()}
    for name, (planned, rule) in by_name.items():
        if planned.resting or planned.order.start is not PriceFrom.MARKET or asked_of(rule) > 0.0:
            continue
        if any(read.partition(":")[0] in _QUOTED for read in rule.reads):
            message = (
                f"'{name}' sends a market order on one reading: one broken quote can close a position at any price"
            )
            where = (*rule.path, "order") if own[name] is not None else rule.path
            help_text = "add 'confirm: 2 quotes', or accept it: 'accept: {RB310: \"reason\"}'"
            yield Problem("RB310", where, message, help_text)


def waiting_for_quotes(look: LintContext) -> Iterator[Problem]:
    """Yield RB343 for a stop or target that acts while its legs are not quoted, by a limit that needs their quotes."""
    by_name = {planned.written: (planned, rule) for planned, rule in look.exit_rules()}
    for name, (planned, rule) in by_name.items():
        is_of_quotes = planned.kind.is_level and planned.roll is None
        if is_of_quotes and planned.if_unknown is IfUnknown.EXIT and not planned.order.ends_at_market:
            message = f"'{name}' acts while its legs are not quoted, and its order waits for their quotes"
            help_text = "give it 'order: market', or a ladder with 'then: market'"
            yield Problem("RB343", (*rule.path, "unknown"), message, help_text)


def late(look: LintContext) -> Iterator[Problem]:
    """Yield RB382 for a clock exit whose order has time for some of its tries only before the close."""
    yield from late_warnings(look.spec)


def stuck_at_mid(look: LintContext) -> Iterator[Problem]:
    """Yield RB346 for each order that asks for the mid alone, by which exits leave that do not take a profit."""
    leaving: dict[Path, list[str]] = {}
    for planned, rule in look.exit_rules():
        takes_profit = planned.kind.takes_profit or "profit" in rule.reads
        if not (planned.resting or planned.roll or takes_profit) and _stays_at_mid(planned.order):
            leaving.setdefault(planned.order.path, []).append(f"'{planned.written}'")
    for path, names in leaving.items():
        who = ", ".join(dict.fromkeys(names))
        message = f"the order of {who} asks for the mid and for nothing worse: it may be unfilled for days"
        terms = "start: mid, step: 0.05, wait: 10s, tries: 6"
        help_text = f"let it step, as in '{{{terms}}}', and end with 'then: market' if it must end"
        if path == ("order",):
            help_text = f"exits leave by the order of the entry: write 'exit_order: {{{terms}}}'"
        yield Problem("RB346", path, message, help_text)


def _stays_at_mid(order: Order) -> bool:
    return order.start is PriceFrom.MID and order.price is None and order.step is None and not order.ends_at_market


def unreduced(look: LintContext) -> Iterator[Problem]:
    """Yield RB357 for a combo whose ratios have a common divisor: an exchange takes one in its smallest numbers.

    Source: QuantConnect's integration of Interactive Brokers refuses such orders before the broker does (Lean, issue
    6862).
    """
    legs = look.spec.legs.legs
    common = gcd(*(leg.ratio for leg in legs))
    if len(legs) > 1 and common > 1 and not look.spec.order.leg_by_leg:
        message = (
            f"all ratios are multiples of {common}: the broker may refuse a combo that is not in its smallest numbers"
        )
        help_text = f"divide them by {common} and enter {common} times as many: 'quantity: {common}'"
        yield Problem("RB357", (*legs[0].path, "ratio"), message, help_text)


# ---------------------------------------------------------------- one leg after the other


def naked_between(look: LintContext) -> Iterator[Problem]:
    """Yield RB342 where legs sent one by one sell an option before the one that covers it is bought."""
    spec = look.spec
    legs = {leg.name: leg for leg in spec.legs.legs}
    sent = [legs[name] for name in spec.order.leg_by_leg]
    for at, leg in enumerate(sent):
        cover = [later for later in sent[at + 1 :] if later.side is Side.BUY and _is_alike(leg, later, spec)]
        if leg.side is Side.SELL and cover and _bare(sent[: at + 1], leg, spec) > max(_bare(sent, leg, spec), 0):
            message = f"'{leg.name}' is sold before '{cover[0].name}' is bought: between them it is naked"
            first = [each.name for each in sorted(sent, key=lambda each: each.side is Side.SELL)]
            help_text = f"buy first: 'leg_by_leg: [{', '.join(first)}]'"
            yield Problem("RB342", (*spec.order.path, "leg_by_leg", at), message, help_text)


def _is_alike(one: Leg, other: Leg, spec: Spec) -> bool:
    is_of_one = one.right == other.right or (one.right == "call" and other.is_shares)
    return is_of_one and symbol_of(one, spec) == symbol_of(other, spec)


def _bare(sent: list[Leg], leg: Leg, spec: Spec) -> int:
    """Return how many options like this leg are sold and not bought once these legs have been dealt."""
    alike = [each for each in sent if _is_alike(leg, each, spec)]
    return -sum(each.signed_ratio for each in alike)


# ---------------------------------------------------------------- what max_time_without_stop can promise


def hardly_protected(look: LintContext) -> Iterator[Problem]:
    """Yield RB341 where short legs are unprotected for longer than `max_time_without_stop` allows."""
    limit = look.spec.risk.max_time_without_stop
    if limit is None:
        return
    where = (*look.spec.risk.path, "max_time_without_stop")
    then = f"after {duration(limit)} the position is closed at market"
    if limit < LEAST_PROMISE:
        message = f"a stop rests once the broker has answered, which can take longer than {duration(limit)}: {then}"
        yield Problem("RB341", where, message, f"write {duration(LEAST_PROMISE)} or more")
    elif (seconds := _entry_seconds(look)) > limit:
        message = f"an entry in parts works for {duration(seconds)}, and its stops rest when it is done: {then}"
        yield Problem("RB341", where, message, f"write {duration(seconds)} or more, or shorten 'order'")
    else:
        for planned in look.plan.exits:
            if planned.rule is not None and _has_pause(planned.order) and planned.order.pause >= limit:
                pause = duration(planned.order.pause)
                message = f"'{planned.name}' pauses for {pause} between two tries, with no order at the broker: {then}"
                yield Problem("RB341", where, message, f"write more than {pause}, or take the pause away")
                return


def _has_pause(order: Order) -> bool:
    return order.start is not PriceFrom.MARKET and order.pause > 0


def _entry_seconds(look: LintContext) -> float:
    """Return how long an entry that has filled in part may keep working; 0 for one that cannot fill in part."""
    order, legs = look.spec.order, look.spec.legs.legs
    is_whole = (
        look.plan.quantity == 1
        and look.plan.overwrite is None
        and not order.leg_by_leg
        and (len(legs) > 1 or legs[0].ratio == 1)
    )
    if is_whole:
        return 0.0
    rounds = len(order.leg_by_leg) or 1
    return rounds * (order.tries * order.wait + (order.tries - 1) * order.pause)
