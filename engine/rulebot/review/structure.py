"""The section Legs: how expiry and strikes are chosen, and what the structure must offer."""

from collections.abc import Callable, Iterator, Mapping

from rulebot.compile.plan import Expiry, IfHeld, LegPlan, Overwrite, Plan, Strike
from rulebot.measure.words import listed
from rulebot.model.contract import NAMESAKES, Right
from rulebot.model.money import short_dollars
from rulebot.model.text import counted, percent, plain, price
from rulebot.review.entry import rule_lines
from rulebot.review.example import Subject
from rulebot.review.explanation import Line, Section
from rulebot.spec.nouns import Amount, Bound, DteRule, Edge, StrikeBy, StrikeOf, StrikeRounding, Unit, Word
from rulebot.spec.spec import Fits, Growth, Size


def legs_section(subject: Subject) -> Section:
    """Return the structure leg by leg in the order written, and what is asked of it."""
    plan, example = subject.plan, subject.example
    by_name = {leg.name: leg for leg in plan.legs}
    lines = [Line(words=_head(plan)), *_namesakes(plan)]
    lines += [Line(name=leg.name, words=leg_words(by_name[leg.name], plan)) for leg in subject.spec.legs.legs]
    if example is not None:
        count = f"{counted(example.position.quantity, 'structure')} of " if plan.size is not None else ""
        lines.append(Line(words=f"for example {count}{example.structure}: {example.market}"))
        if example.missed:
            verb = "is" if len(example.missed) == 1 else "are"
            words = f"at the example's prices {listed(example.missed, 'and')} {verb} not met: no entry there"
            lines.append(Line(words=words))
    if plan.require:
        lines.append(Line(words="asks before every try:"))
        lines += rule_lines(plan.require, subject.cast)
    lines.append(Line(words=IF_HELD[plan.on_conflict]))
    return Section("Legs", tuple(lines))


def _namesakes(plan: Plan) -> Iterator[Line]:
    """Yield whose shares the options are on, where the symbol is also that of a future or an index."""
    for symbol in plan.underlyings:
        found = NAMESAKES.get(symbol)
        if found is not None and found.company:
            yield Line(words=f"options on the shares of {found.company} ({symbol}), not on {found.other}")


def _head(plan: Plan) -> str:
    classes = listed(tuple(dict.fromkeys(leg.trading_class for leg in plan.legs if not leg.is_shares)), "and")
    count = f"quantity {plan.quantity}; "
    if plan.overwrite is not None:
        count = f"{overwrite_words(plan.overwrite, plan.underlyings[0])}; "
    if plan.growth is not None:
        count = f"{growth_words(plan.growth, plan.quantity)}; "
    if plan.size is not None:
        count = f"{size_words(plan.size, plan.quantity)}; "
    if has_several(plan):
        return f"{count}{classes} options of several expiries:"
    return f"{count}{expiry_words(plan.expiry, classes)}:"


def has_several(plan: Plan) -> bool:
    """Say whether the legs have different expiries."""
    return any(leg.expiry.terms != plan.expiry.terms for leg in plan.legs)


def overwrite_words(band: Overwrite, symbol: str) -> str:
    """Return how many calls are sold: `as many as 25% to 50% of the SPY shares held cover`."""
    least, most = (f"{plain(part * 100)}%" for part in (band.least, band.most))
    return f"as many as {least} to {most} of the {symbol} shares held cover, in whole contracts"


def growth_words(growth: Growth, at_most: int) -> str:
    """Return how a quantity grows: `quantity 1, 1 more after each 20 compliant sessions in a row, 3 at most`."""
    steps = f"{growth.step} more after each {growth.sessions} compliant sessions in a row"
    return f"quantity {growth.start}, {steps}, {at_most} at most; {growth.start} again after a breach"


def size_words(size: Size, at_most: int) -> str:
    """Return how many structures a budget allows: `as many as could lose $500 at expiry, 10 at most`."""
    amount = size.amount
    in_dollars = amount.unit is Unit.DOLLARS
    budget = short_dollars(amount.value) if in_dollars else f"{percent(amount.value)} of the account"
    return f"{SIZES[size.fits].format(budget)}, {at_most} at most"


SIZES: Mapping[Fits, str] = {
    Fits.MAX_LOSS: "as many of this structure as could lose {}, commissions included",
    Fits.DEBIT: "as many of this structure as cost {}, commissions included",
    Fits.CREDIT: "as many of this structure as bring {}, after commissions",
}
"""Everything that a quantity may count by; a test asks for each."""


# ---------------------------------------------------------------- expiry


def expiry_words(expiry: Expiry, classes: str) -> str:
    """Return which expiry is taken: `same-day SPXW options`."""
    words = EXPIRIES[expiry.rule](expiry).format(f"monthly {classes}" if expiry.is_monthly else classes)
    return words.replace("the earliest expiry", "the latest expiry") if expiry.is_latest else words


def _exact(expiry: Expiry) -> str:
    days = expiry.days[0]
    return "same-day {} options" if not days else f"{{}} options that expire in exactly {counted(days, 'day')}"


def _at_most(expiry: Expiry) -> str:
    days = expiry.days[0]
    if not days:
        return "same-day {} options"
    within = f"{{}} options of the earliest expiry within {counted(days, 'day')}"
    return within if expiry.is_latest or expiry.is_monthly else f"{within}, today's where there is one"


EXPIRIES: Mapping[DteRule, Callable[[Expiry], str]] = {
    DteRule.EXACT: _exact,
    DteRule.AT_MOST: _at_most,
    DteRule.NEAREST: lambda expiry: f"{{}} options of the expiry nearest {counted(expiry.days[0], 'day')} from now",
    DteRule.AT_LEAST: lambda expiry: (
        f"{{}} options of the earliest expiry {counted(expiry.days[0], 'day')} or more from now"
    ),
    DteRule.BETWEEN: lambda expiry: (
        f"{{}} options of the earliest expiry {expiry.days[0]} to {counted(expiry.days[1], 'day')} from now"
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
    of = f"; of {expiry_words(leg.expiry, leg.trading_class)}" if has_several(plan) else ""
    return f"{verb} {what} {strike_words(leg)}{of}"


def strike_words(leg: LegPlan) -> str:
    """Return how the strike is chosen, with its modifiers in the order they are applied."""
    strike = leg.strike
    parts = [STRIKES[strike.by](leg, strike)]
    parts += [
        said(strike) for name, said in MODIFIERS.items() if getattr(strike, name) not in (None, StrikeRounding.NEAREST)
    ]
    return ", ".join(parts)


_BOUNDS: Mapping[Bound, str] = {Bound.NEAREST: "", Bound.AT_MOST: "at most ", Bound.AT_LEAST: "at least "}


def _from_spot(leg: LegPlan, strike: Strike, distance: str) -> str:
    side = "below" if leg.right is Right.PUT else "above"
    return f"{_BOUNDS[strike.bound]}{distance} {side} spot"


def _expected_move(leg: LegPlan, strike: Strike) -> str:
    return _from_spot(leg, strike, counted(strike.target or 0, "expected move"))


def _otm(leg: LegPlan, strike: Strike) -> str:
    wanted = strike.target or 0
    return _from_spot(leg, strike, f"{plain(wanted)}%" if strike.is_percent else counted(wanted, "point"))


def _valued(noun: str) -> Callable[[LegPlan, Strike], str]:
    """Return the words of a selector by a value: the nearest, or the nearest that respects a bound."""

    def said(leg: LegPlan, strike: Strike) -> str:
        wanted = price(strike.target or 0)
        if strike.bound is Bound.NEAREST:
            return f"whose {noun} is nearest {wanted}"
        return f"whose {noun} is {_BOUNDS[strike.bound]}{wanted}, the nearest such"

    return said


def _offset(leg: LegPlan, strike: Strike) -> str:
    widths = [plain(each) for each in (strike.target or 0, *strike.widths)]
    where = f"{strike.by.value} {strike.reference}"
    if not strike.widths:
        return f"{counted(strike.target or 0, 'point')} {where}"
    return f"{listed(tuple(widths), 'or')} points {where}, the first at which one is listed"


STRIKES: Mapping[StrikeBy, Callable[[LegPlan, Strike], str]] = {
    StrikeBy.DELTA: _valued("delta"),
    StrikeBy.PREMIUM: _valued("price at mid"),
    StrikeBy.SIDE_CREDIT: _valued("credit at mid, with the long that counts from it,"),
    StrikeBy.OTM: _otm,
    StrikeBy.EXPECTED_MOVE: _expected_move,
    StrikeBy.AT_SPOT: lambda leg, strike: "nearest to spot",
    StrikeBy.AT_LEG: lambda leg, strike: f"at the strike of {strike.reference}, or no trade",
    StrikeBy.BELOW: _offset,
    StrikeBy.ABOVE: _offset,
    StrikeBy.SHARES: lambda leg, strike: "at no strike",
    StrikeBy.HELD: lambda leg, strike: "at the strike held",
}
"""Every selector; a test asks for each."""


def _within(strike: Strike) -> str:
    assert strike.within is not None
    away = {
        StrikeBy.DELTA: f"{price(strike.within)} away in delta",
        StrikeBy.PREMIUM: f"{price(strike.within)} away in price",
        StrikeBy.SIDE_CREDIT: f"{price(strike.within)} away in credit",
        StrikeBy.EXPECTED_MOVE: f"{counted(strike.within, 'expected move')} away",
    }.get(strike.by, f"{plain(strike.within)}% of spot away" if strike.is_percent else "")
    away = away or f"{counted(strike.within, 'point')} away"
    return f"no trade if the nearest is more than {away}"


def edge_words(edge: Edge | None) -> str:
    """Return what a strike may not pass, as a sentence has it."""
    match edge:
        case StrikeOf(leg):
            return f"the strike of {leg}"
        case Word(name):
            return name
        case Amount(value):
            return plain(value)
        case None:
            return "nothing"


ROUNDS: Mapping[StrikeRounding, str] = {
    StrikeRounding.NEAREST: "the nearest listed",
    StrikeRounding.AWAY: "the next listed away from the money",
    StrikeRounding.TOWARD: "the next listed toward the money",
}
"""Every way to select a listed strike; a test asks for each."""

MODIFIERS: Mapping[str, Callable[[Strike], str]] = {
    "round": lambda strike: ROUNDS[strike.round],
    "round_to": lambda strike: f"of strikes that are multiples of {plain(strike.round_to or 0)}",
    "prefer_round_to": lambda strike: (
        f"on the nearest multiple of {plain(strike.prefer_round_to or 0)} where one is listed"
    ),
    "min_otm_distance": lambda strike: (
        f"{'' if strike.by is StrikeBy.AT_LEG else 'moved out to '}"
        f"at least {counted(strike.min_otm_distance or 0, 'point')} from spot"
    ),
    "min_strike": lambda strike: f"moved up to be not below {edge_words(strike.min_strike)}",
    "max_strike": lambda strike: f"moved down to be not above {edge_words(strike.max_strike)}",
    "within": _within,
}
"""Every modifier of a strike, in the order they are applied; a test asks for each."""

IF_HELD: Mapping[IfHeld, str] = {
    IfHeld.SKIP: "no trade while any bot holds one of these contracts the other way round",
    IfHeld.SHIFT: "a leg that any bot holds the other way round moves out to the next strike that no bot holds",
    IfHeld.ALLOW: "it enters also while a bot, this one included, holds one of these contracts the other way round",
}
"""Every `on_conflict`."""
