"""The section Legs: how expiry and strikes are chosen, and what the structure must offer."""

from collections.abc import Callable, Mapping

from engine.compile.plan import Expiry, IfHeld, LegPlan, Overwrite, Plan, Strike
from engine.evaluate.phrases import listed
from engine.model.contract import Right
from engine.review import amounts
from engine.review.enters import rule_lines
from engine.review.explanation import Line, Section
from engine.review.subject import Subject
from engine.spec.spec import DteRule, StrikeBy


def legs(subject: Subject) -> Section:
    """Return the structure leg by leg in the order written, and what is asked of it."""
    plan, example = subject.plan, subject.example
    by_name = {leg.name: leg for leg in plan.legs}
    lines = [Line(words=_head(plan))]
    lines += [Line(name=leg.name, words=leg_words(by_name[leg.name], plan)) for leg in subject.spec.legs.legs]
    if example is not None:
        lines.append(Line(words=f"for example {example.structure}: {example.market}"))
    if plan.require:
        lines.append(Line(words="asks before every try:"))
        lines += rule_lines(plan.require, subject.cast)
    lines.append(Line(words=IF_HELD[plan.if_held]))
    return Section("Legs", tuple(lines))


def _head(plan: Plan) -> str:
    classes = listed(tuple(dict.fromkeys(leg.trading_class for leg in plan.legs if not leg.is_shares)), "and")
    count = "" if plan.quantity == 1 else f"{plan.quantity} of this structure; "
    if plan.overwrite is not None:
        count = f"{overwrite_words(plan.overwrite, plan.underlyings[0])}; "
    return f"{count}{expiry_words(plan.expiry, classes)}:"


def overwrite_words(band: Overwrite, symbol: str) -> str:
    """Return how many calls are sold: `as many as 25% to 50% of the SPY shares held cover`."""
    least, most = (f"{amounts.plain(part * 100)}%" for part in (band.least, band.most))
    return f"as many as {least} to {most} of the {symbol} shares held cover, in whole contracts"


# ---------------------------------------------------------------- expiry


def expiry_words(expiry: Expiry, classes: str) -> str:
    """Return which expiry is taken: `same-day SPXW options`."""
    return EXPIRIES[expiry.rule](expiry).format(classes)


def _exact(expiry: Expiry) -> str:
    days = expiry.days[0]
    return "same-day {} options" if not days else f"{{}} options that expire in exactly {amounts.counted(days, 'day')}"


def _at_most(expiry: Expiry) -> str:
    days = expiry.days[0]
    if not days:
        return "same-day {} options"
    return f"{{}} options of the earliest expiry within {amounts.counted(days, 'day')}, today's where there is one"


EXPIRIES: Mapping[DteRule, Callable[[Expiry], str]] = {
    DteRule.EXACT: _exact,
    DteRule.AT_MOST: _at_most,
    DteRule.NEAREST: lambda expiry: (
        f"{{}} options of the expiry nearest {amounts.counted(expiry.days[0], 'day')} from now"
    ),
    DteRule.AT_LEAST: lambda expiry: (
        f"{{}} options of the earliest expiry {amounts.counted(expiry.days[0], 'day')} or more from now"
    ),
    DteRule.BETWEEN: lambda expiry: (
        f"{{}} options of the earliest expiry {expiry.days[0]} to {amounts.counted(expiry.days[1], 'day')} from now"
    ),
}
"""Every rule of days to expiry; a test asks for each."""


# ---------------------------------------------------------------- strikes


def leg_words(leg: LegPlan, plan: Plan) -> str:
    """Return what is done with a leg and which strike it takes."""
    if leg.is_shares:
        return f"{'buys' if leg.sign > 0 else 'sells'} {leg.ratio} {leg.symbol} shares"
    symbol = f"{leg.symbol} " if len(plan.underlyings) > 1 else ""
    verb = "buys" if leg.sign > 0 else "sells"
    what = f"the {symbol}{leg.right.value}" if leg.ratio == 1 else f"{leg.ratio} {symbol}{leg.right.value}s"
    return f"{verb} {what} {strike_words(leg)}"


def strike_words(leg: LegPlan) -> str:
    """Return how the strike is chosen, with its modifiers in the order they are applied."""
    strike = leg.strike
    parts = [STRIKES[strike.by](leg, strike)]
    parts += [said(strike) for name, said in MODIFIERS.items() if getattr(strike, name) is not None]
    return ", ".join(parts)


def _expected_move(leg: LegPlan, strike: Strike) -> str:
    side = "below" if leg.right is Right.PUT else "above"
    return f"{amounts.counted(strike.target or 0, 'expected move')} {side} spot"


STRIKES: Mapping[StrikeBy, Callable[[LegPlan, Strike], str]] = {
    StrikeBy.DELTA: lambda leg, strike: f"whose delta is nearest {amounts.price(strike.target or 0)}",
    StrikeBy.EXPECTED_MOVE: _expected_move,
    StrikeBy.AT_SPOT: lambda leg, strike: "nearest to spot",
    StrikeBy.AT_LEG: lambda leg, strike: f"at the strike of {strike.reference}, or no trade",
    StrikeBy.BELOW: lambda leg, strike: f"{amounts.counted(strike.target or 0, 'point')} below {strike.reference}",
    StrikeBy.SHARES: lambda leg, strike: "at no strike",
    StrikeBy.ABOVE: lambda leg, strike: f"{amounts.counted(strike.target or 0, 'point')} above {strike.reference}",
}
"""Every selector; a test asks for each."""


def _within(strike: Strike) -> str:
    assert strike.within is not None
    away = {
        StrikeBy.DELTA: f"{amounts.price(strike.within)} away in delta",
        StrikeBy.EXPECTED_MOVE: f"{amounts.counted(strike.within, 'expected move')} away",
    }.get(strike.by, f"{amounts.counted(strike.within, 'point')} away")
    return f"no trade if the nearest is more than {away}"


MODIFIERS: Mapping[str, Callable[[Strike], str]] = {
    "multiple_of": lambda strike: f"of strikes that are multiples of {amounts.plain(strike.multiple_of or 0)}",
    "prefer_multiple_of": lambda strike: (
        f"on the nearest multiple of {amounts.plain(strike.prefer_multiple_of or 0)} where one is listed"
    ),
    "at_least_from_spot": lambda strike: (
        f"moved out to at least {amounts.counted(strike.at_least_from_spot or 0, 'point')} from spot"
    ),
    "within": _within,
}
"""Every modifier of a strike, in the order they are applied; a test asks for each."""

IF_HELD: Mapping[IfHeld, str] = {
    IfHeld.SKIP: "no trade while any bot holds one of these contracts the other way round",
    IfHeld.ALLOW: "also while another bot holds one of these contracts the other way round",
}
"""Every `if_held`."""
