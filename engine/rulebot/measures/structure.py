"""Measures of a selected or held structure: quote widths, credit and debit, worst case, strikes, days.

Of several legs the worst counts for all: when some are unknown, the others give a bound (`AtLeast`).
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from functools import partial, reduce
from math import isnan
from typing import Any, cast

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
from rulebot.measure.evaluation import NOT_OPEN
from rulebot.measure.ranges import NOT_NEGATIVE, POSITIVE
from rulebot.measure.reading import (
    TODAY,
    AtLeast,
    AtMost,
    Calculation,
    ColumnView,
    Context,
    Input,
    LegColumns,
    Read,
    Reading,
    UnknownValue,
    Value,
    exact,
    exactly,
    larger,
    smaller,
)
from rulebot.measure.tree import Call, Quantity
from rulebot.measure.usual import PREMIUM, PRICE_LEVEL, Likeness, Scale, Usual, scaled
from rulebot.measure.view import Held, LegView, View
from rulebot.measure.words import fixed
from rulebot.model.contract import LOT
from rulebot.model.loss_bound import loss_bound, most_commissions, unbounded_risk_reason
from rulebot.model.market import OPTION_AGE, QuoteFault, age_problem, is_without_bid, quote_fault, quote_problem
from rulebot.spec.nouns import Unit


def legs_named(view: View, names: tuple[str, ...]) -> tuple[LegView, ...]:
    """Return the legs of the structure that a measure judges."""
    return tuple(leg for leg in view.legs if leg.name in names)


def worst(readings: Iterable[Any]) -> Any:
    """Return the largest of several readings, or columns; a bound when some are unknown, unknown when all are."""
    return _outermost(readings, larger, AtLeast)


def fewest(readings: Iterable[Reading]) -> Any:
    """Return the smallest of several readings; a bound when some are unknown, unknown when all are."""
    return _outermost(readings, smaller, AtMost)


def each_leg(
    names: tuple[str, ...],
    read: Callable[[View, LegView, float], Any],
    column: Callable[[LegColumns], Any] = lambda leg: None,
    usual_age: float = OPTION_AGE,
) -> Input:
    """Return what is read of each leg of these names as an input; what is unknown stays among it.

    read: takes the age in seconds that is allowed. usual_age: that of what is read.
    """

    def reader(context: Context) -> Callable[[View], list[Any]]:
        limit = context.limit(usual_age)
        return lambda view: [read(view, leg, limit) for leg in legs_named(view, names)]

    def columns_of(columns: ColumnView) -> list[Any] | None:
        found = [column(leg) for leg in columns.named(names)]
        return found if found and not any(each is None for each in found) else None

    return Input(reader, columns_of)


def _outermost(readings: Iterable[Any], pick: Callable[[Value, Value], Value], bound: type[AtLeast | AtMost]) -> Any:
    known, reason = [], ""
    for reading in readings:
        if isinstance(reading, UnknownValue):
            reason = reason or reading.reason
        else:
            known.append(reading)
    if not known:
        return UnknownValue(reason or NOT_OPEN)
    found = reduce(pick, known)
    return bound(found, reason) if reason and isinstance(found, float) else found


def names_of(call: Call) -> tuple[str, ...]:
    """Return the legs that a call judges."""
    of = call.argument("of")
    return of if isinstance(of, tuple) else (str(of),)


def _quote_width(call: Call) -> Calculation:
    """Per share or as a part of mid; of several legs the widest."""
    is_part = call.quantity is Quantity.FRACTION

    def width(quote: tuple[Value, Value] | UnknownValue) -> Value | UnknownValue:
        if isinstance(quote, UnknownValue):
            return quote
        bid, ask = quote
        return exactly((ask - bid) / ((ask + bid) / 2.0) if is_part else ask - bid)

    quotes = each_leg(names_of(call), _quote, lambda leg: leg.quote(closing=False))
    return Calculation((quotes,), lambda found: worst(map(width, found)))


def _quote(view: View, leg: LegView, limit: float) -> tuple[float, float] | UnknownValue:
    """Return bid and ask; no bid is 0."""
    fault = quote_fault(view.board, leg.row, view.now, limit)
    has_no_bid = fault is QuoteFault.NO_BID and is_without_bid(view.board, leg.row)
    if fault and not has_no_bid:
        return UnknownValue(f"{leg.name}: {quote_problem(view.board, leg.row, view.now, limit)}")
    return 0.0 if has_no_bid else view.board.bid[leg.row], view.board.ask[leg.row]


# ---------------------------------------------------------------- net prices


def mark(view: View, leg: LegView, at: str, closing: bool, limit: float) -> Reading:
    """Return the price of one option of a leg, per share: at mid, or natural for its side.

    No bid (size 0) counts as 0, so a long leg brings nothing and a short one costs half its ask at mid; no ask is
    unknown, except for a long leg without a bid. A crossed or locked quote is unknown.
    """
    board, row = view.board, leg.row
    if row < 0:
        return UnknownValue(f"{leg.name}: not streamed")
    if problem := age_problem(board, row, board.quote_at[row], view.now, limit):
        return UnknownValue(f"{leg.name}: {problem}")
    bid, ask = board.bid[row], board.ask[row]
    if isnan(bid):
        if not is_without_bid(board, row):
            return UnknownValue(f"{leg.name}: no bid yet")
        if leg.sign > 0 and closing:
            return 0.0
        bid = 0.0
    if isnan(ask):
        return UnknownValue(f"{leg.name}: no ask")
    if bid >= ask:
        return UnknownValue(f"{leg.name}: {'crossed' if bid > ask else 'locked'}")
    return cast("float", _price(bid, ask, at, (leg.sign > 0) is not closing))


def _price(bid: Value, ask: Value, at: str, buys: bool) -> Value:
    if at == "mid":
        return (bid + ask) / 2.0
    return ask if buys else bid


def net_price(view: View, at: str, closing: bool, limit: float, names: tuple[str, ...] | None = None) -> Reading:
    """Return what the structure, or these legs of it, brings (+) or costs (-) per share, when opened, or closed."""
    legs = view.legs if names is None else legs_named(view, names)
    if not legs:
        return UnknownValue("no structure" if names is None else NOT_OPEN)
    prices = []
    for leg in legs:
        price = mark(view, leg, at, closing, limit)
        if not isinstance(price, float):
            return price
        prices.append((leg.sign * leg.price_multiplier, price))
    return exact(cast("float", _net(prices, closing)))


def net_column(columns: ColumnView, at: str, closing: bool, names: tuple[str, ...] | None = None) -> Value | None:
    """Return the same at all instants."""

    def net() -> Value | None:
        quotes = [(leg.weight, leg.quote(closing=closing)) for leg in columns.named(names)]
        known = [
            (weight, _price(*quote, at, (weight > 0) is not closing)) for weight, quote in quotes if quote is not None
        ]
        return _net(known, closing) if known and len(known) == len(quotes) else None

    return columns.kept(("net", at, closing, names), net)


def _net(prices: Iterable[tuple[int, Value]], closing: bool) -> Value:
    total: Value = 0.0
    for weight, price in prices:
        total = total + weight * price
    return total if closing else -total


def entry_price(at: str) -> Input:
    """Return what the structure brings (+) or costs (-) per share: at its fills, else at an order's price or a quote.

    An order's actual price counts, whatever the quotes are: they are judged before it leaves.
    """

    def reader(context: Context) -> Read:
        limit = context.limit(OPTION_AGE)

        def read(view: View) -> Reading:
            if view.held is not None:
                return view.held.entry_price
            return start_price(view, limit) if at == "start" or view.is_offered else net_price(view, at, False, limit)

        return read

    return Input(reader, lambda columns: columns.entry_price(at))


def entry_of(held: Held, legs: Sequence[LegView] | Sequence[LegColumns], names: tuple[str, ...] | None = None) -> float:
    """Return the entry price of what is measured and still open. legs: those that are open."""
    if names is None and len(legs) >= len(held.legs):
        return held.entry_price
    return sum(held.legs[leg.name].entry_price for leg in legs if names is None or leg.name in names)


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
    sold = (leg for leg in view.legs if leg.sign < 0 or leg.row < 0 or not is_without_bid(board, leg.row))
    problems = ((leg.name, quote_problem(board, leg.row, now)) for leg in sold)
    lacks = next((f": {name}: {problem}" for name, problem in problems if problem), "")
    return UnknownValue(f"the order has no price to start from{lacks}")


def _entered_at(call: Call) -> Calculation:
    """`credit`, or `debit`, which is minus that; in dollars of all structures, commissions paid."""
    sign, price = 1.0 if call.measure == "credit" else -1.0, entry_price(str(call.argument("at")))
    if call.quantity is not Quantity.DOLLARS:
        return Calculation((price,), lambda brings: exactly(sign * brings))
    return Calculation(
        (price, QUANTITY, _COMMISSIONS), lambda brings, count, fees: exactly(sign * (brings * LOT * count - fees))
    )


QUANTITY = Input(
    lambda context: lambda view: view.held.quantity if view.held is not None else view.quantity,
    lambda columns: columns.quantity,
)
"""The number of structures."""
_COMMISSIONS = Input(
    lambda context: lambda view: view.held.commissions if view.held is not None else view.commission,
    lambda columns: columns.commissions,
)
"""Dollars of commissions paid so far, or those of opening."""


def _max_risk(call: Call) -> Calculation:
    """As opened, or at the price the order would start from."""
    if call.quantity is not Quantity.DOLLARS:
        return Calculation((RISK,))
    return Calculation((RISK, _MOST_FEES, QUANTITY), lambda risk, fees, count: (risk * LOT + fees) * count)


RISK = Input(
    lambda context: partial(risk_of, limit=context.limit(OPTION_AGE)),
    lambda columns: columns.most_lost(),
)
"""The most that can be lost per share."""


def _most_fees(columns: ColumnView) -> float | None:
    legs = columns.legs
    return None if any(leg.option is None for leg in legs) else float(most_commissions(legs))  # type: ignore[arg-type]


_MOST_FEES = Input(lambda context: lambda view: float(most_commissions(view.legs)), _most_fees)
"""The most dollars that commissions of opening and closing one structure can take."""


def risk_of(view: View, limit: float) -> Reading:
    """Return the most that can be lost per share: as opened, or at the price the order would start from."""
    if view.held is not None:
        return UnknownValue("its loss has no bound") if view.held.max_risk is None else view.held.max_risk
    price = start_price(view, limit)
    if not isinstance(price, float):
        return price
    found = loss_bound(view.legs, Decimal(f"{price:.10f}"), is_covered=view.is_covered)
    return UnknownValue(f"its loss has no bound: {unbounded_risk_reason(view.legs)}") if found is None else float(found)


def _margin(view: View) -> Reading:
    found = view.margin
    if found is None:
        return UnknownValue("the broker is asked before the entry is sent, once all else holds")
    return UnknownValue(found.missing) if found.dollars is None else found.dollars


def strike(call: Call) -> Calculation:
    """Return `strike` of one leg."""
    names = names_of(call)

    def read(view: View) -> Reading:
        found = legs_named(view, names)
        return float(found[0].option.strike) if found else UnknownValue(NOT_OPEN.of(names[0]))

    def column(columns: ColumnView) -> float | None:
        options = [leg.option for leg in columns.named(names) if leg.option is not None]
        return float(options[0].strike) if options else None

    return Calculation((Input(lambda context: read, column),))


def dte(call: Call) -> Calculation:
    """Return `dte`: calendar days to the nearest expiry of open legs, or of the named ones, which may be closed."""
    of = dict(call.arguments).get("of")
    names = of if isinstance(of, tuple) else None

    def read(view: View) -> Reading | tuple[date, ...]:
        if not view.legs:
            return UnknownValue("no structure")
        if names is None:
            ending = [leg.option.expiry for leg in view.legs if not leg.option.is_share]
            return tuple(ending) or UnknownValue("no option remains")
        if view.held is None:
            return tuple(leg.option.expiry for leg in legs_named(view, names)) or UnknownValue("no option remains")
        ending = [leg.expiry for name, leg in view.held.legs.items() if name in names]
        return tuple(ending) or UnknownValue(NOT_OPEN)  # a part of another position was rolled into this one

    def column(columns: ColumnView) -> list[date] | None:
        legs = columns.named(names)
        ending = [leg.option.expiry for leg in legs if leg.option is not None]
        return ending if len(ending) == len(legs if names is None else names) > 0 else None

    return Calculation((Input(lambda context: read, column), TODAY), lambda ends, day: float((min(ends) - day).days))


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
        calculation=_quote_width,
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
        calculation=_entered_at,
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
        calculation=_entered_at,
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
        calculation=_max_risk,
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
        calculation=lambda call: Calculation((Input(lambda context: _margin),)),
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
            Parameter(name="of", takes=Takes.LEG, required=True, about="The leg.", example="short_put", ref="leg_name"),
        ),
        places=STRUCTURE,
        max_age=None,
        reads=("legs",),
        calculation=strike,
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
                about="A leg, a list of legs, `short_legs` or `long_legs`; of several the nearest. By "
                "default all open ones.",
                example="front_put",
                ref="legs_named",
                is_judged=False,
            ),
        ),
        places=STRUCTURE,
        max_age=None,
        reads=("time",),
        calculation=dte,
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
