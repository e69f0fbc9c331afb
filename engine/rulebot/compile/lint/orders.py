"""Orders that do what their author hardly means: at market on one reading, not without quotes, short without cover
between two legs, or in numbers that the broker may refuse.
"""

from collections.abc import Iterator
from math import gcd

from rulebot.compile.clock_exits import late_warnings
from rulebot.compile.lint.confirming import asked_of
from rulebot.compile.lint.look import LintContext
from rulebot.compile.lint.wording import duration
from rulebot.compile.problem import Problem
from rulebot.compile.structure import symbol_of
from rulebot.spec.nouns.condition import Path
from rulebot.spec.nouns.exits import ExitKind, IfUnknown
from rulebot.spec.nouns.legs import Leg, Side
from rulebot.spec.nouns.order import Order, PriceFrom
from rulebot.spec.spec import Spec

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
        is_of_quotes = planned.kind in (ExitKind.STOP, ExitKind.TARGET) and planned.roll is None
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
        takes_profit = planned.kind is ExitKind.TARGET or "profit" in rule.reads
        if not (planned.resting or planned.roll or takes_profit) and _stays_at_mid(planned.order):
            leaving.setdefault(planned.order.path, []).append(f"'{planned.written}'")
    for path, names in leaving.items():
        who = ", ".join(dict.fromkeys(names))
        message = f"the order of {who} asks for the mid and for nothing worse: it may stand unfilled for days"
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
    return sum(each.ratio if each.side is Side.SELL else -each.ratio for each in alike)


# ---------------------------------------------------------------- what max_unprotected can promise


def hardly_protected(look: LintContext) -> Iterator[Problem]:
    """Yield RB341 where short legs must stand without protection for longer than `max_unprotected` allows."""
    limit = look.spec.risk.max_unprotected
    if limit is None:
        return
    where = (*look.spec.risk.path, "max_unprotected")
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
    """Return how long an entry that has filled in part may go on working; 0 for one that fills whole or not."""
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
