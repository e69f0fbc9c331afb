"""Measures of a structure that may be opened, of its quotes and counts, of a position, and of all of a bot."""

from rulebot.compile.plan import Quantity
from rulebot.measure.definition import (
    ALL_LEGS,
    BEFORE_IT_IS_SENT,
    DOLLARS,
    MARK,
    OPEN_POSITION,
    PART,
    PART_OR_DOLLARS,
    PLAIN,
    PRICE_OR_DOLLARS,
    SHORT_LEGS,
    SOME_LEGS,
    START,
    STRUCTURE,
    SYMBOL,
    TRUTH,
    WITH_AN_ENTRY,
    Measure,
    Parameter,
    Takes,
)
from rulebot.measures.greeks import GREEK_OF_LEG, GREEK_OF_STRUCTURE
from rulebot.model.market import FEED_SILENCE, LEVEL_AGE, OPTION_AGE
from rulebot.spec.nouns import Unit

OF_STRUCTURE = (
    Measure(
        name="quote_width",
        units=((Unit.NUMBER, Quantity.PRICE), (Unit.PERCENT, Quantity.FRACTION)),
        parameters=(ALL_LEGS,),
        source="quotes of the legs",
        max_age=OPTION_AGE,
        places=STRUCTURE,
        reads=("legs",),
        formula="ask - bid per share, or (ask - bid) / mid; of several legs the widest.",
    ),
    Measure(
        name="credit",
        units=PRICE_OR_DOLLARS,
        parameters=(START,),
        source="the price the order starts from; after a fill, the fills",
        max_age=OPTION_AGE,
        places=STRUCTURE,
        reads=("legs",),
        formula="Net price received for one structure, per share before commissions; $ is the position after them.",
    ),
    Measure(
        name="debit",
        units=PRICE_OR_DOLLARS,
        parameters=(START,),
        source="the price the order starts from; after a fill, the fills",
        max_age=OPTION_AGE,
        places=STRUCTURE,
        reads=("legs",),
        formula="Net price paid for one structure, per share before commissions; $ is the position including them.",
    ),
    Measure(
        name="max_risk",
        units=PRICE_OR_DOLLARS,
        source="strikes of the legs and the price of the structure",
        max_age=OPTION_AGE,
        places=STRUCTURE,
        reads=("legs",),
        formula="The worst loss at expiry of the structure at its price, per share; $ is the position.",
    ),
    Measure(
        name="return_on_risk",
        units=PART,
        source="strikes of the legs and the price of the structure",
        max_age=OPTION_AGE,
        places=STRUCTURE,
        reads=("legs",),
        formula="The most it can gain at expiry over the most it can lose, at its price, before commissions.",
    ),
    Measure(
        name="probability_of_profit",
        units=PART,
        source="strikes and price of the structure; forward and volatility of the at-the-money options of its expiry",
        max_age=OPTION_AGE,
        places=STRUCTURE,
        reads=("spot", "strikes", "legs", "time"),
        formula="Probability that the structure gains at expiry at its price: of a lognormal price with the forward F "
        "and the volatility s at the money, P(S < K) = N((ln(K / F) + s^2 T / 2) / (s sqrt(T))); once legs "
        "are closed it is of those left, at what they were filled at.",
    ),
    Measure(
        name="probability_in_the_money",
        units=PART,
        parameters=(SHORT_LEGS,),
        source="strikes of the legs; forward and volatility of the at-the-money options of their nearest expiry",
        max_age=OPTION_AGE,
        places=STRUCTURE,
        reads=("spot", "strikes", "legs", "time"),
        formula="Probability that any of the legs is in the money at the nearest of their expiries, of the lognormal "
        "price of probability_of_profit: a put below its strike, a call above it.",
    ),
    Measure(
        name="margin",
        units=DOLLARS,
        source="the broker's answer to the entry order before it is sent (what-if), good for 15 s",
        max_age=None,
        places=BEFORE_IT_IS_SENT,
        reads=("legs", "margin"),
        formula="The initial margin that the entry order adds, all its structures together, dollars.",
    ),
    Measure(
        name="strike",
        units=((Unit.NUMBER, Quantity.POINTS), (Unit.POINTS, Quantity.POINTS)),
        parameters=(Parameter(name="of", takes=Takes.LEG, required=True),),
        source="the leg's contract",
        max_age=None,
        places=STRUCTURE,
        reads=("legs",),
        formula="The strike of one leg.",
    ),
    Measure(
        name="dte",
        units=((Unit.NUMBER, Quantity.DAYS),),
        parameters=(SOME_LEGS,),
        source="the legs' contracts and the session's date",
        max_age=None,
        places=STRUCTURE,
        reads=("time",),
        formula="Calendar days from the session's date to the nearest expiry of the legs; below 0 once that is over.",
    ),
)


def _count(name: str, formula: str) -> Measure:
    return Measure(
        name=name,
        units=PLAIN,
        parameters=(ALL_LEGS,),
        source="the exchange's counts of the legs",
        max_age=FEED_SILENCE,
        places=STRUCTURE,
        reads=("legs",),
        formula=formula,
    )


def _greek(
    name: str, units: tuple[tuple[Unit, Quantity], ...], parameters: tuple[Parameter, ...], formula: str
) -> Measure:
    return Measure(
        name=name,
        units=units,
        parameters=parameters,
        source="the broker's model",
        max_age=OPTION_AGE,
        places=STRUCTURE,
        reads=("legs",),
        formula=formula,
    )


GREEKS = (
    *(
        _greek(name, units, (SHORT_LEGS,), f"{words}; of several the largest.")
        for name, units, _, words in GREEK_OF_LEG
    ),
    *(
        _greek(
            name,
            units,
            (),
            f"Sum over the legs of one structure of sign x ratio x multiplier x {greek}, signed: {words}.",
        )
        for name, units, greek, words in GREEK_OF_STRUCTURE
    ),
)

COUNTS = (
    _count("volume", "Contracts of a leg traded today; of several legs the least."),
    _count("open_interest", "Contracts of a leg open since yesterday's close; of several legs the least."),
)


def _valued(
    name: str,
    units: tuple[tuple[Unit, Quantity], ...],
    source: str,
    formula: str,
    *multiples: str,
    hidden: tuple[Quantity, ...] = (),
) -> Measure:
    """Return a measure of what an open position, or some legs of it, are worth now."""
    return Measure(
        name=name,
        units=units,
        parameters=(MARK, SOME_LEGS),
        source=source,
        max_age=OPTION_AGE,
        places=OPEN_POSITION,
        reads=("legs", "position"),
        formula=formula,
        multiples=multiples,
        hidden=hidden,
    )


OF_POSITION = (
    _valued(
        "cost",
        ((Unit.NUMBER, Quantity.PRICE),),
        "quotes of the legs",
        "What closing costs per share: ratio x mid of short legs less that of long legs (natural: ask, bid).",
        "credit",
    ),
    _valued(
        "value",
        ((Unit.NUMBER, Quantity.PRICE),),
        "quotes of the legs",
        "What closing brings per share: minus cost.",
        "debit",
    ),
    _valued(
        "profit",
        PART_OR_DOLLARS,
        "quotes of the legs and the fills",
        "(entry price - cost) / |entry price|; $ is realised + open - commissions paid so far.",
        "max_risk",
        hidden=(Quantity.PRICE,),
    ),
    _valued(
        "loss",
        PART_OR_DOLLARS,
        "quotes of the legs and the fills",
        "Minus profit.",
        "max_risk",
        hidden=(Quantity.PRICE,),
    ),
    _valued(
        "give_back",
        PART_OR_DOLLARS,
        "quotes of the legs, the fills, and the best profit that is kept with the position",
        "Best profit so far - profit; the best is the largest of min(reading, reading before it).",
    ),
    Measure(
        name="breach",
        units=TRUTH,
        parameters=(
            SHORT_LEGS,
            Parameter(name="spot_within", takes=Takes.POINTS),
            Parameter(name="spot_beyond", takes=Takes.POINTS),
        ),
        source="spot and the strikes of the legs",
        max_age=LEVEL_AGE,
        places=OPEN_POSITION,
        reads=("spot", "position"),
        formula="Spot is at most spot_within points from a strike on its safe side or past it; or past it by more than "
        "spot_beyond.",
    ),
    Measure(
        name="time_in_trade",
        units=((Unit.SECONDS, Quantity.SECONDS),),
        source="the clock and the first fill",
        max_age=None,
        places=OPEN_POSITION,
        reads=("time", "position"),
        formula="Seconds since the first fill.",
    ),
    Measure(
        name="sessions_in_trade",
        units=((Unit.NUMBER, Quantity.DAYS),),
        source="the exchange calendar and the day of entry",
        max_age=None,
        places=OPEN_POSITION,
        reads=("time", "position"),
        formula="Sessions after that of the entry, up to the present one; 0 on the day of entry.",
    ),
)

EXPOSURE = (
    *(
        Measure(
            name=name,
            units=units,
            parameters=parameters,
            source="the broker's model, of all positions of the bot and the entry in question",
            max_age=OPTION_AGE,
            places=WITH_AN_ENTRY,
            reads=("legs", "position"),
            formula=f"Sum over all contracts of count x multiplier x {greek}, with the entry filled: {unit}.",
        )
        for name, units, parameters, greek, unit in (
            ("net_delta", PLAIN, (SYMBOL,), "delta", "shares of one underlying"),
            ("net_gamma", PLAIN, (SYMBOL,), "gamma", "shares a point of one underlying"),
            ("net_theta", DOLLARS, (), "theta", "dollars a day"),
            ("net_vega", DOLLARS, (), "vega", "dollars a point of volatility"),
        )
    ),
    Measure(
        name="worst_case",
        units=DOLLARS,
        source="strikes and fills of all positions of the bot, and quotes of the entry in question",
        max_age=OPTION_AGE,
        places=WITH_AN_ENTRY,
        reads=("legs", "position"),
        formula="What all positions of the bot could lose at expiry together, the entry filled at once included; a "
        "gain of one makes up for no loss of another.",
    ),
)
