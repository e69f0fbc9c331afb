"""Measures of a structure that is chosen or held: quote widths, credit and debit, worst case, strikes, days.

Of several legs the worst stands for all: when some are not known, what the others say is a bound (`AtLeast`).
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from math import isnan

from rulebot.measure.definition import (
    ALL_LEGS,
    AT_THE_MONEY_TOO,
    BEFORE_IT_IS_SENT,
    DOLLARS,
    PRICE_OR_DOLLARS,
    SPOT_LEVEL,
    STRUCTURE,
    Combine,
    Measure,
    Parameter,
    Takes,
    choice,
)
from rulebot.measure.ranges import NOT_NEGATIVE, POSITIVE
from rulebot.measure.reading import AtLeast, AtMost, Context, Read, Reading, UnknownValue, exact
from rulebot.measure.tree import Call, Quantity
from rulebot.measure.usual import PREMIUM, PRICE_LEVEL, Likeness, Scale, Usual, scaled
from rulebot.measure.verdict import NOT_OPEN
from rulebot.measure.view import Held, LegView, View
from rulebot.measure.words import fixed
from rulebot.model.contract import LOT
from rulebot.model.loss_bound import loss_bound, most_commissions, why_unbound
from rulebot.model.market import OPTION_AGE, QuoteFault, age_problem, lacks_bid, quote_fault, quote_problem
from rulebot.spec.nouns import Unit


def legs_named(view: View, names: tuple[str, ...]) -> tuple[LegView, ...]:
    """Return the legs of the structure that a measure judges."""
    return tuple(leg for leg in view.legs if leg.name in names)


def worst(readings: Iterable[Reading]) -> Reading:
    """Return the largest of several readings; a bound when some are unknown, unknown when all are."""
    return _outermost(readings, max, AtLeast)


def fewest(readings: Iterable[Reading]) -> Reading:
    """Return the smallest of several readings; a bound when some are unknown, unknown when all are."""
    return _outermost(readings, min, AtMost)


def _outermost(
    readings: Iterable[Reading], pick: Callable[[list[float]], float], bound: type[AtLeast | AtMost]
) -> Reading:
    known, reason = [], ""
    for reading in readings:
        if isinstance(reading, float):
            known.append(reading)
        else:
            reason = reason or reading.reason
    if not known:
        return UnknownValue(reason or NOT_OPEN)
    return bound(pick(known), reason) if reason else pick(known)


def names_of(call: Call) -> tuple[str, ...]:
    """Return the legs that a call judges."""
    of = call.argument("of")
    return of if isinstance(of, tuple) else (str(of),)


def quote_width(call: Call, context: Context) -> Read:
    """Bind `quote_width`, per share or as a part of mid."""
    names, limit = names_of(call), context.limit(OPTION_AGE)
    is_part = call.quantity is Quantity.FRACTION
    return lambda view: worst(_width(view, leg, limit, is_part) for leg in legs_named(view, names))


def _width(view: View, leg: LegView, limit: float, is_part: bool) -> Reading:
    fault = quote_fault(view.board, leg.row, view.now, limit)
    has_no_bid = fault is QuoteFault.NO_BID and lacks_bid(view.board, leg.row)
    if fault and not has_no_bid:
        return UnknownValue(f"{leg.name}: {quote_problem(view.board, leg.row, view.now, limit)}")
    bid, ask = 0.0 if has_no_bid else view.board.bid[leg.row], view.board.ask[leg.row]
    return exact((ask - bid) / ((ask + bid) / 2.0) if is_part else ask - bid)


# ---------------------------------------------------------------- net prices


def mark(view: View, leg: LegView, at: str, closing: bool, limit: float) -> Reading:
    """Return what one option of a leg trades at, per share: at mid, or natural for its side.

    No bid at all (size 0) counts as 0, so a long leg then brings nothing and a short one costs half its ask at mid; no
    ask is unknown, but for a long leg without a bid. A crossed or locked quote is unknown.
    """
    board, row = view.board, leg.row
    if row < 0:
        return UnknownValue(f"{leg.name}: not streamed")
    if problem := age_problem(board, row, board.quote_at[row], view.now, limit):
        return UnknownValue(f"{leg.name}: {problem}")
    bid, ask = board.bid[row], board.ask[row]
    if isnan(bid):
        if not lacks_bid(board, row):
            return UnknownValue(f"{leg.name}: no bid yet")
        if leg.sign > 0 and closing:
            return 0.0
        bid = 0.0
    if isnan(ask):
        return UnknownValue(f"{leg.name}: no ask")
    if bid >= ask:
        return UnknownValue(f"{leg.name}: {'crossed' if bid > ask else 'locked'}")
    if at == "mid":
        return (bid + ask) / 2.0
    buys = (leg.sign > 0) is not closing
    return ask if buys else bid


def net_price(view: View, at: str, closing: bool, limit: float, names: tuple[str, ...] | None = None) -> Reading:
    """Return what the structure, or these legs of it, brings (+) or costs (-) per share, when opened, or closed."""
    legs = view.legs if names is None else legs_named(view, names)
    if not legs:
        return UnknownValue("no structure" if names is None else NOT_OPEN)
    total = 0.0
    for leg in legs:
        price = mark(view, leg, at, closing, limit)
        if not isinstance(price, float):
            return price
        total += leg.sign * leg.price_multiplier * price
    return exact(total if closing else -total)


def entry_price(view: View, at: str, limit: float) -> Reading:
    """Return what the structure brings (+) or costs (-) per share: as filled, else at an order's price or a quote.

    Of a price that an order may be given it is that one, whatever the quotes come to: they are judged before it leaves.
    """
    if view.held is not None:
        return view.held.entry_price
    return start_price(view, limit) if at == "start" or view.is_offered else net_price(view, at, False, limit)


def entry_of(view: View, held: Held, names: tuple[str, ...] | None = None) -> float:
    """Return the entry price of what is measured and still open."""
    if names is None and len(view.legs) >= len(held.legs):
        return held.entry_price
    return sum(held.legs[leg.name].entry_price for leg in view.legs if names is None or leg.name in names)


def start_price(view: View, limit: float) -> Reading:
    """Return the price the order would start from; unknown while a quote of the legs is older than `limit` seconds."""
    if view.start_price is None:
        return _no_start(view)
    if limit < OPTION_AGE:
        for leg in view.legs:
            if leg.row < 0:
                return UnknownValue(f"{leg.name}: not streamed")
            if problem := age_problem(view.board, leg.row, view.board.quote_at[leg.row], view.now, limit):
                return UnknownValue(f"{leg.name}: {problem}")
    return view.start_price


def _no_start(view: View) -> UnknownValue:
    """Return that the order has no price to start from, and which quote it lacks."""
    board, now = view.board, view.now
    sold = (leg for leg in view.legs if leg.sign < 0 or leg.row < 0 or not lacks_bid(board, leg.row))
    problems = ((leg.name, quote_problem(board, leg.row, now)) for leg in sold)
    lacks = next((f": {name}: {problem}" for name, problem in problems if problem), "")
    return UnknownValue(f"the order has no price to start from{lacks}")


def _net(call: Call, context: Context, sign: float) -> Read:
    at, limit = str(call.argument("at")), context.limit(OPTION_AGE)
    in_dollars = call.quantity is Quantity.DOLLARS

    def read(view: View) -> Reading:
        price = entry_price(view, at, limit)
        if not isinstance(price, float):
            return price
        if not in_dollars:
            return exact(sign * price)
        return exact(sign * (price * LOT * _quantity(view) - _commissions(view)))

    return read


def _quantity(view: View) -> int:
    return view.held.quantity if view.held is not None else view.quantity


def _commissions(view: View) -> float:
    return view.held.commissions if view.held is not None else view.commission


def credit(call: Call, context: Context) -> Read:
    """Bind `credit`; negative when the structure costs."""
    return _net(call, context, 1.0)


def debit(call: Call, context: Context) -> Read:
    """Bind `debit`; negative when the structure brings."""
    return _net(call, context, -1.0)


def max_risk(call: Call, context: Context) -> Read:
    """Bind `max_risk`: as opened, or at the price the order would start from."""
    in_dollars, limit = call.quantity is Quantity.DOLLARS, context.limit(OPTION_AGE)

    def read(view: View) -> Reading:
        risk = risk_of(view, limit)
        if not isinstance(risk, float) or not in_dollars:
            return risk
        return (risk * LOT + float(most_commissions(view.legs))) * _quantity(view)

    return read


def risk_of(view: View, limit: float) -> Reading:
    """Return the most that can be lost per share: as opened, or at the price the order would start from."""
    if view.held is not None:
        return UnknownValue("its loss has no bound") if view.held.max_risk is None else view.held.max_risk
    price = start_price(view, limit)
    if not isinstance(price, float):
        return price
    found = loss_bound(view.legs, Decimal(f"{price:.10f}"), is_covered=view.is_covered)
    return UnknownValue(f"its loss has no bound: {why_unbound(view.legs)}") if found is None else float(found)


def margin(call: Call, context: Context) -> Read:
    """Bind `margin`, dollars of the whole order."""

    def read(view: View) -> Reading:
        found = view.margin
        if found is None:
            return UnknownValue("the broker is asked before the entry is sent, once all else holds")
        return UnknownValue(found.missing) if found.dollars is None else found.dollars

    return read


def strike(call: Call, context: Context) -> Read:
    """Bind `strike` of one leg."""
    names = names_of(call)

    def read(view: View) -> Reading:
        found = legs_named(view, names)
        return float(found[0].option.strike) if found else UnknownValue(NOT_OPEN.of(names[0]))

    return read


def dte(call: Call, context: Context) -> Read:
    """Bind `dte`: calendar days to the nearest expiry of what is left, or of the legs named, which may be over."""
    names = dict(call.arguments).get("of")

    def read(view: View) -> Reading:
        if not view.legs:
            return UnknownValue("no structure")
        ending = [leg.option.expiry for leg in view.legs if not leg.option.is_share]
        if isinstance(names, tuple):
            ending = [leg.option.expiry for leg in legs_named(view, names)]
            if view.held is not None:
                ending = [leg.expiry for name, leg in view.held.legs.items() if name in names]
                if not ending:  # a part of another position was rolled into this one
                    return UnknownValue(NOT_OPEN)
        return float((min(ending) - view.session.date).days) if ending else UnknownValue("no option is left")

    return read


_PRICE_OF_ENTRY = choice("at", "start", ("mid", "natural"), "Which price of the market it is measured at.", "mid")

MEASURES: tuple[Measure, ...] = (
    Measure(
        name="quote_width",
        title="Quote width",
        about="Ask minus bid of a leg, per share or as a percentage of mid; of several legs the widest.",
        formula="ask - bid per share, or (ask - bid) / mid; of several legs the widest.",
        source="quotes of the legs",
        units=(
            (Unit.NUMBER, Quantity.PRICE),
            (Unit.PERCENT, Quantity.FRACTION),
        ),
        parameters=(ALL_LEGS,),
        places=AT_THE_MONEY_TOO,
        max_age=OPTION_AGE,
        reads=("legs",),
        read=quote_width,
        usual={**scaled(Quantity.PRICE, 1.5e-06, 0.0008, Scale.SPOT), Quantity.FRACTION: Usual(0.004, 0.9)},
        reach=NOT_NEGATIVE,
        phrase=lambda words: f"the quote of {words.one_leg()}",
        subject="the width",
        bound="quoted_width",
        examples=({"above": 0.3},),
        bounds=(0.3, 0.5),
        let_example={"of": "short_put"},
        combine=Combine.LARGEST,
    ),
    Measure(
        name="credit",
        title="Credit",
        about=("What the structure brings: before entry at the price the order would start from, after it as filled."),
        formula="Net price received for one structure, per share before commissions; $ is the position after them.",
        source="the price the order starts from; after a fill, the fills",
        units=PRICE_OR_DOLLARS,
        parameters=(_PRICE_OF_ENTRY,),
        places=STRUCTURE,
        max_age=OPTION_AGE,
        reads=("legs",),
        read=credit,
        usual=PREMIUM,
        phrase=lambda words: f"the credit{words.at_price}",
        subject="the credit",
        bound="premium",
        examples=({"above": 0.5},),
        bounds=(0.5, 1.0),
        let_example={"at": "mid"},
        is_by_price=True,
        is_as_filled=True,
        is_entry_price=True,
    ),
    Measure(
        name="debit",
        title="Debit",
        about=("What the structure costs: before entry at the price the order would start from, after it as filled."),
        formula="Net price paid for one structure, per share before commissions; $ is the position including them.",
        source="the price the order starts from; after a fill, the fills",
        units=PRICE_OR_DOLLARS,
        parameters=(_PRICE_OF_ENTRY,),
        places=STRUCTURE,
        max_age=OPTION_AGE,
        reads=("legs",),
        read=debit,
        usual=PREMIUM,
        phrase=lambda words: f"the debit{words.at_price}",
        subject="the debit",
        bound="premium",
        examples=({"above": 0.5},),
        bounds=(0.5, 1.0),
        let_example={"at": "mid"},
        is_by_price=True,
        is_as_filled=True,
        is_entry_price=True,
    ),
    Measure(
        name="max_risk",
        title="Max risk",
        about=(
            "The most the structure can lose, dollars of the whole position. Legs that exits close at different "
            "times are added up."
        ),
        formula="The worst loss at expiry of the structure at its price, per share; $ is the position.",
        source="strikes of the legs and the price of the structure",
        units=PRICE_OR_DOLLARS,
        places=STRUCTURE,
        max_age=OPTION_AGE,
        reads=("legs",),
        read=max_risk,
        usual={
            **scaled(Quantity.PRICE, 0.03, 20.0, Scale.WIDTH),
            **scaled(Quantity.DOLLARS, 0.03, 20.0, Scale.WIDTH_IN_DOLLARS),
        },
        reach=NOT_NEGATIVE,
        phrase=fixed("the most it can lose"),
        subject="the largest loss",
        bound="risk_dollars",
        examples=({"above": "$500"},),
        bounds=("$500", "$1000"),
        is_by_price=True,
        needs_own_price=True,
        is_as_filled=True,
    ),
    Measure(
        name="margin",
        title="Margin",
        about="Initial margin that the entry order adds, dollars, by the broker's what-if answer.",
        formula="The initial margin that the entry order adds, all its structures together, dollars.",
        source="the broker's answer to the entry order before it is sent (what-if), good for 15 s",
        units=DOLLARS,
        places=BEFORE_IT_IS_SENT,
        max_age=None,
        reads=("legs", "margin"),
        read=margin,
        usual=scaled(Quantity.DOLLARS, 0.0002, 2.0, Scale.NOTIONAL),
        phrase=fixed("the margin that the broker, asked before the entry is sent, wants for it"),
        subject="it",
        bound="account_dollars",
        examples=({"at_most": "0.15x net_liquidation"},),
        bounds=("$5000", "$20000"),
        needs_own_price=True,
    ),
    Measure(
        name="strike",
        title="Strike",
        about="The strike of one leg.",
        formula="The strike of one leg.",
        source="the leg's contract",
        units=SPOT_LEVEL,
        parameters=(
            Parameter(
                name="of", takes=Takes.LEG, required=True, about="Of which leg.", example="short_put", ref="leg_name"
            ),
        ),
        places=STRUCTURE,
        max_age=None,
        reads=("legs",),
        read=strike,
        usual=PRICE_LEVEL,
        reach=POSITIVE,
        phrase=lambda words: f"the strike of {words.given('of')}",
        ops=(),
        let_example={"of": "short_put"},
        likeness=Likeness.PRICE,
        is_as_filled=True,
    ),
    Measure(
        name="dte",
        title="Days to expiry",
        about="Days to expiry of the position's nearest leg, or of the legs named; below 0 for one that is over.",
        formula="Calendar days from the session's date to the nearest expiry of the legs; below 0 once that is over.",
        source="the legs' contracts and the session's date",
        units=((Unit.NUMBER, Quantity.DAYS),),
        parameters=(
            Parameter(
                name="of",
                takes=Takes.LEGS,
                about="Of which legs: a leg, a list of legs, `short_legs` or `long_legs`; of several the nearest. By "
                "default of all that are open.",
                example="front_put",
                ref="legs_named",
                is_judged=False,
            ),
        ),
        places=STRUCTURE,
        max_age=None,
        reads=("time",),
        read=dte,
        usual={Quantity.DAYS: Usual(0.5, 1200.0, zero=True)},
        reach=NOT_NEGATIVE,
        phrase=fixed("the days to expiry"),
        subject="the days to expiry",
        bound="days",
        examples=({"at_most": 21}, {"of": "front_put", "at_most": 0}),
        bounds=(10, 30),
        is_by_clock=True,
    ),
)
