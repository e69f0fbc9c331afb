"""Exits by the clock, and the time that their orders have before the close."""

from collections.abc import Iterator
from datetime import date

from rulebot.compile.orders import exit_order_of, is_pair, ordered_out
from rulebot.compile.plan import ExitPlan, Holds
from rulebot.compile.problem import Problem
from rulebot.model.session import DayTime, Session, session_on
from rulebot.spec.nouns.condition import MeasureTest
from rulebot.spec.nouns.exits import Exit
from rulebot.spec.nouns.order import Order
from rulebot.spec.spec import Spec

_FULL_DAY, _HALF_DAY = date(2025, 6, 3), date(2024, 11, 29)
LEAST_TIME = 2.0
"""Seconds that an order and its answer take when the broker is busy."""
HURRY = 10.0
"""Seconds before the close by which the last try of a clock exit must stand at the broker."""


def clock_time(planned: ExitPlan) -> DayTime | None:
    """Return the time of an exit that the clock alone brings about, None of any other."""
    test = None if planned.rule is None else planned.rule.test
    if not isinstance(test, Holds) or test.call.measure != "time" or planned.roll is not None:
        return None
    at = test.call.argument("at")
    return at if isinstance(at, DayTime) else None


def late_problems(spec: Spec) -> Iterator[Problem]:
    """Yield RB244 for a clock exit after which not even one try of its order ends before the close of a full day.

    One at the close, or after it, never acts.
    """
    for rule, at, order in _clock_exits(spec):
        left, takes = seconds_left(at, _session(_FULL_DAY)), _first(order)
        if left <= 0.0:
            message = f"'{rule.name}' ({at}) never acts: trading ends at 16:00"
            yield Problem("RB244", rule.path, message, f"{_help(length(order, spec))}, or write 'at_expiry: settle'")
        elif left < takes:
            message = f"'{rule.name}' begins {left:g} s before the close, and its first try takes {takes:g} s"
            yield Problem("RB244", rule.path, message, _help(length(order, spec)))


def late_warnings(spec: Spec) -> Iterator[Problem]:
    """Yield RB382 for a clock exit whose order has no time for all its tries before the close, on half days too."""
    for rule, at, order in _clock_exits(spec):
        takes = length(order, spec)
        left, left_of_half = (seconds_left(at, _session(day)) for day in (_FULL_DAY, _HALF_DAY))
        if _first(order) <= left < takes:
            message = f"'{rule.name}' begins {left:g} s before the close, and its tries take {takes:g} s"
            yield Problem("RB382", rule.path, message, _help(takes))
        elif left >= takes and 0.0 < left_of_half < takes:
            message = (
                f"'{rule.name}' begins {left_of_half:g} s before the close on half days, and its tries take {takes:g} s"
            )
            yield Problem("RB382", rule.path, message, _help(takes))


def length(order: Order, spec: Spec) -> float:
    """Return how many seconds the tries of an exit's order take; on two underlyings those of each leg."""
    return max(order.seconds, LEAST_TIME) * (len(spec.legs.legs) if is_pair(spec) else 1)


def seconds_left(at: DayTime, session: Session) -> float:
    """Return the seconds from a clock exit to the close; negative where it comes after it."""
    return (session.close - at.before_close(session)).total_seconds()


def _clock_exits(spec: Spec) -> Iterator[tuple[Exit, DayTime, Order]]:
    default = exit_order_of(spec)
    for rule in spec.exits:
        test = rule.condition.test if rule.condition is not None else None
        if not rule.enabled or rule.roll is not None or not isinstance(test, MeasureTest) or test.measure != "time":
            continue
        at = test.arguments["at"]
        if isinstance(at, DayTime):
            yield rule, at, default if rule.order is None else ordered_out(rule.order, spec)


def _session(day: date) -> Session:
    found = session_on(day)
    assert found is not None
    return found


def _first(order: Order) -> float:
    return max(min(order.wait, order.seconds), LEAST_TIME)


def _help(takes: float) -> str:
    minutes = -(-int(takes + HURRY) // 60)
    return f"let it begin at 'close - {minutes}m' or earlier, or shorten its order"
