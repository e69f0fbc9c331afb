"""Which legs of a bot only ever close together: what its loss is bounded by (`model/loss_bound.py`)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import ceil
from typing import NamedTuple

from rulebot.compile.orders import bare_calls
from rulebot.compile.plan import AllOf, AnyOf, Call, Compare, Constant, ExitPlan, Holds, LegPlan, Op, Truth
from rulebot.compile.problem import Problem
from rulebot.model.contract import LOT, Right
from rulebot.spec.nouns import Path
from rulebot.spec.spec import HALT, Fits, Spec


def in_groups(legs: tuple[LegPlan, ...], exits: Sequence[ExitPlan]) -> tuple[LegPlan, ...]:
    """Return the legs, each with the name of its group: its first leg, or "" where all legs close together.

    Two legs are in one group when every exit closes both or neither.
    """
    apart = [set(planned.legs) for planned in exits if planned.legs]
    ending = _Ending.of(legs)
    by_expiry = not any(_is_whole(each) and _goes_by_the_day(each, ending) for each in exits)
    first: dict[tuple[object, ...], str] = {}
    for leg in legs:
        first.setdefault(_closed_by(leg, apart, by_expiry=by_expiry), leg.name)
    if len(first) == 1:
        return legs
    return tuple(replace(leg, group=first[_closed_by(leg, apart, by_expiry=by_expiry)]) for leg in legs)


class _Ending(NamedTuple):
    """The legs that expire first, and after how many calendar days at least."""

    names: frozenset[str]
    days: float

    @staticmethod
    def of(legs: Sequence[LegPlan]) -> "_Ending":
        days = min(leg.expiry.days_away for leg in legs)
        return _Ending(frozenset(leg.name for leg in legs if leg.expiry.days_away == days), days)


def exits_in_groups(exits: Iterable[ExitPlan], legs: Iterable[LegPlan]) -> tuple[ExitPlan, ...]:
    """Return the exits; what one rolls into has the groups of the legs that it replaces."""
    groups = {leg.name: leg.group for leg in legs}
    return tuple(_rolled_in_groups(each, groups) for each in exits)


def _rolled_in_groups(planned: ExitPlan, groups: dict[str, str]) -> ExitPlan:
    if planned.roll is None:
        return planned
    legs = tuple(replace(leg, group=groups[leg.name]) for leg in planned.roll.legs)
    return replace(planned, roll=replace(planned.roll, legs=legs))


def _closed_by(leg: LegPlan, apart: Sequence[set[str]], *, by_expiry: bool) -> tuple[object, ...]:
    """Return which exits close a leg, and when it expires where that closes it alone."""
    expiry = leg.expiry.terms if by_expiry else None
    return (expiry, *(leg.name in names for names in apart))


def _is_whole(planned: ExitPlan) -> bool:
    return not planned.legs and planned.part is None and planned.roll is None and not planned.armed_by


def _goes_by_the_day(planned: ExitPlan, ending: _Ending) -> bool:
    """Say whether the clock alone makes an exit act before the legs expire that end first."""
    is_halt = planned.name.startswith(HALT)
    return planned.rule is not None and not is_halt and _is_daily(planned.rule.test, ending)


def _is_daily(test: Truth, ending: _Ending) -> bool:
    match test:
        case Holds(Call(measure="time")):
            return True
        case Compare(left=Call(measure="dte", arguments=arguments)):
            of = dict(arguments).get("of")
            return not isinstance(of, tuple) or ending.names.issuperset(of)
        case Compare(Op.AT_LEAST | Op.ABOVE as op, Call(measure="sessions_in_trade"), (Constant(count),)):
            return _calendar_days(count + (op is Op.ABOVE)) <= ending.days
        case AllOf(members=members):
            return all(_is_daily(each, ending) for each in members)
        case AnyOf(members=members):
            return any(_is_daily(each, ending) for each in members)
        case _:
            return False


def _calendar_days(sessions: float) -> float:
    """Return the most calendar days to the session that is so many later; weekends and one holiday are in it."""
    return sessions if sessions <= 1 else sessions + 2 * ceil(sessions / 5) + 1


# ---------------------------------------------------------------- no bound


def apart_problems(spec: Spec, legs: Sequence[LegPlan], exits: Sequence[ExitPlan]) -> Iterator[Problem]:
    """Yield RB209 for a call, or shares, sold whose cover does not close together with it."""
    if spec.risk.undefined_risk or spec.overwrite is not None:
        return
    for short in legs:
        covers = [leg for leg in legs if _may_cover(leg, short) and leg.group != short.group]
        if short.sign < 0 and short.right is Right.CALL and covers and _lots(legs, short) < 0:
            names = (short.name, covers[0].name)
            path, how = _what_parts(spec, exits, names)
            message = f"{how}: what '{short.name}' can lose has no bound"
            help_text = f"close '{names[0]}' and '{names[1]}' together, or write 'undefined_risk: allow' under 'risk'"
            yield Problem("RB209", path, message, help_text, on_key=True)


def unbound_limits(spec: Spec, legs: Sequence[LegPlan]) -> Iterator[Problem]:
    """Yield RB250 for `max_loss_per_trade`, and a quantity that counts by it, beside a loss that has no bound.

    Without `undefined_risk: allow` such a structure is refused by itself.
    """
    if spec.overwrite is not None or not spec.risk.undefined_risk:
        return
    if not (bare := bare_calls(spec) or _without_bound(legs)):
        return
    help_text = "close it together with a call that covers it, or remove the limit: a stop is no bound"
    if spec.risk.max_loss_per_trade is not None:
        message = f"'max_loss_per_trade' cannot be kept: what '{bare}' can lose has no bound"
        yield Problem("RB250", (*spec.risk.path, "max_loss_per_trade"), message, help_text, on_key=True)
    if spec.size is not None and spec.size.fits is Fits.MAX_LOSS:
        message = f"'max_loss' counts by the most a trade can lose, and that of '{bare}' has no bound"
        yield Problem("RB250", (*spec.size.path, "max_loss"), message, "cover it, or count by 'credit'", on_key=True)


def _without_bound(legs: Sequence[LegPlan]) -> str:
    """Return a leg sold whose group is short more calls, or shares, than it is long; "" where there is none."""
    sold = (leg for leg in legs if leg.sign < 0 and leg.right is Right.CALL)
    return next((leg.name for leg in sold if _lots(legs, leg) < 0), "")


def _may_cover(leg: LegPlan, short: LegPlan) -> bool:
    return leg.sign > 0 and leg.right is Right.CALL and leg.symbol == short.symbol


def _lots(legs: Sequence[LegPlan], short: LegPlan) -> int:
    """Return the calls, in shares, that the group of a short call is long of; negative when short."""
    alike = [leg for leg in legs if (leg.group, leg.symbol, leg.right) == (short.group, short.symbol, Right.CALL)]
    return sum(leg.sign * leg.ratio * (1 if leg.is_shares else LOT) for leg in alike)


def _what_parts(spec: Spec, exits: Sequence[ExitPlan], names: tuple[str, str]) -> tuple[Path, str]:
    """Return the place of the exit that closes one of two legs alone, and what it does in words."""
    for planned in exits:
        if len(set(names) & set(planned.legs)) == 1:
            closed, left = names if names[0] in planned.legs else names[::-1]
            path = next(rule.path for rule in spec.exits if rule.name == planned.written)
            return path, f"'{planned.written}' closes '{closed}' without '{left}'"
    return ("exits",), f"no 'time' or 'dte' exit closes '{names[1]}' with '{names[0]}'"
