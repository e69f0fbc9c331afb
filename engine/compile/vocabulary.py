"""The measures a condition can name: unit, arguments, source, age, place, and the formula each stands for.

This is the whole vocabulary: what is not here is an error. The meaning in words is language.md section 4; the code that
computes each stands in `engine.evaluate`. Nothing heavy is imported: `rulebot validate` reads this file.
"""

from collections.abc import Mapping
from enum import Enum

from engine.compile.plan import Quantity
from engine.model.quotes import FEED_SILENCE, IMPLIED_AGE, LEVEL_AGE, OPTION_AGE, VOLATILITY_INDEX_AGE
from engine.model.values import dataclass
from engine.spec.spec import Unit


class Place(Enum):
    """Where a condition stands."""

    FILTER = "entry.when"
    REQUIRE = "legs.require"
    EXIT = "exits"
    HALT = "risk.halt_when"
    UNIVERSE = "universe.require"
    RISK = "risk.require"


class Takes(Enum):
    """What kind of argument a measure takes."""

    SYMBOL = "the symbol of an underlying"
    LEGS = "a leg, a list of legs, short_legs or long_legs"
    LEG = "a leg"
    CHOICE = "one of a few words"
    CLOCK = "a time of day"
    NAMES = "names of events"
    POINTS = "points"
    SECONDS = "a duration"
    COUNT = "a whole number"
    SYMBOLS = "symbols of stocks, ETFs or indices"
    BOT = "the name of a bot"
    BARS = "the size of a bar: 1m, 2m, 3m, 5m, 10m, 15m or 30m"
    OPENING = "whole minutes from the open, 1m to 3h"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One argument of a measure. `default` None with `required` False leaves it out; "legs" and "symbol" defaults are
    resolved against the bot: its only underlying, its short legs, all its legs."""

    name: str
    takes: Takes
    default: str | int | None = None
    choices: tuple[str, ...] = ()
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One word of the vocabulary.

    `units`: the units that may be written beside it and the quantity each chooses; the first is its quantity in
    `expr:`. `multiples`: measures it may be compared with a multiple of (empty: any of the same quantity). `reads` are
    prefixes completed with the symbol (`spot`, `strikes`) or whole names. `max_age` in seconds. `words`: what may stand
    after `is`.
    """

    name: str
    units: tuple[tuple[Unit, Quantity], ...]
    parameters: tuple[Parameter, ...] = ()
    source: str
    max_age: float | None
    places: frozenset[Place]
    reads: tuple[str, ...]
    formula: str
    multiples: tuple[str, ...] = ()
    hidden: tuple[Quantity, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Everything it can be measured in; `hidden` ones are reached only through a multiple or in `expr:`."""
        return (*dict.fromkeys(quantity for _, quantity in self.units), *self.hidden)

    @property
    def quantity(self) -> Quantity:
        """Its first quantity, the one `expr:` gives it."""
        return self.quantities[0]

    @property
    def is_truth(self) -> bool:
        """True for what holds by itself, with no comparison."""
        return self.quantity is Quantity.TRUTH


def may_stand(measure: Measure, place: Place) -> bool:
    """Say whether a measure has a meaning in a place; under a universe what is asked of legs is asked at the money."""
    if place is Place.UNIVERSE:
        return Place.FILTER in measure.places or measure.name in AT_THE_MONEY
    return place in measure.places


EVERYWHERE = frozenset(Place)
STRUCTURE = frozenset({Place.REQUIRE, Place.EXIT})
AT_THE_MONEY = frozenset({"quote_width", "volume", "open_interest"})
"""Measures of legs that a universe asks of the options at the money, where no legs are chosen yet."""
OPEN_POSITION = frozenset({Place.EXIT})
WITH_AN_ENTRY = frozenset({Place.RISK})

_NUMBER_LEVEL = ((Unit.NUMBER, Quantity.LEVEL),)
_LEVEL_CHANGE = ((Unit.POINTS, Quantity.LEVEL), (Unit.PERCENT, Quantity.FRACTION))
_SPOT_LEVEL = ((Unit.NUMBER, Quantity.POINTS), (Unit.POINTS, Quantity.POINTS))
_POINTS = ((Unit.POINTS, Quantity.POINTS),)
_POINT_CHANGE = ((Unit.POINTS, Quantity.POINTS), (Unit.PERCENT, Quantity.FRACTION))
_VOLATILITY = ((Unit.PERCENT, Quantity.PERCENT),)
_PLAIN = ((Unit.NUMBER, Quantity.PLAIN),)
_TRUTH = ((Unit.NUMBER, Quantity.TRUTH),)
_PRICE_OR_DOLLARS = ((Unit.NUMBER, Quantity.PRICE), (Unit.DOLLARS, Quantity.DOLLARS))
_PART_OR_DOLLARS = ((Unit.PERCENT, Quantity.FRACTION), (Unit.DOLLARS, Quantity.DOLLARS))
_DOLLARS = ((Unit.DOLLARS, Quantity.DOLLARS),)
_PART = ((Unit.PERCENT, Quantity.FRACTION),)
_DELTA = ((Unit.NUMBER, Quantity.DELTA),)

_SYMBOL = Parameter(name="of", takes=Takes.SYMBOL)
_SHORT_LEGS = Parameter(name="of", takes=Takes.LEGS, default="short_legs")
_ALL_LEGS = Parameter(name="of", takes=Takes.LEGS, default="all")
_START = Parameter(name="at", takes=Takes.CHOICE, default="start", choices=("start", "mid", "natural"))
_MARK = Parameter(name="at", takes=Takes.CHOICE, default="mid", choices=("mid", "natural"))
_SOME_LEGS = Parameter(name="of", takes=Takes.LEGS)
"""Left out it is the whole position."""


def _since(default: str) -> Parameter:
    return Parameter(name="since", takes=Takes.CHOICE, default=default, choices=("close", "open"))


def _index(name: str) -> Measure:
    symbol = name.upper()
    return Measure(
        name=name,
        units=_NUMBER_LEVEL,
        source=f"last of the index {symbol}",
        max_age=VOLATILITY_INDEX_AGE,
        places=EVERYWHERE,
        reads=(f"index:{symbol}",),
        formula=f"The last level of {symbol}, in index points.",
    )


_MARKET = (
    Measure(
        name="spot",
        units=((Unit.NUMBER, Quantity.POINTS), (Unit.POINTS, Quantity.POINTS)),
        parameters=(_SYMBOL,),
        source="last of an index; quote of an ETF or stock",
        max_age=LEVEL_AGE,
        places=EVERYWHERE,
        reads=("spot",),
        formula="The last level of an index; (bid + ask) / 2 of an ETF or stock when bid < ask, else its last trade.",
    ),
    *(_index(name) for name in ("vix", "vix9d", "vix1d", "vix3m")),
    Measure(
        name="vix_change",
        units=_LEVEL_CHANGE,
        parameters=(_since("close"),),
        source="last, open and previous close of VIX",
        max_age=VOLATILITY_INDEX_AGE,
        places=EVERYWHERE,
        reads=("index:VIX",),
        formula="VIX - base in points, or VIX / base - 1; base is the previous close, or the open with `since: open`.",
    ),
    Measure(
        name="move",
        units=_POINT_CHANGE,
        parameters=(_SYMBOL, _since("open")),
        source="spot, open and previous close of the underlying",
        max_age=LEVEL_AGE,
        places=EVERYWHERE,
        reads=("spot",),
        formula="spot - base in points, or spot / base - 1; base is the open; `since: close` the previous close.",
    ),
    Measure(
        name="vix_spike",
        units=((Unit.POINTS, Quantity.LEVEL),),
        source="last and session low of VIX",
        max_age=VOLATILITY_INDEX_AGE,
        places=EVERYWHERE,
        reads=("index:VIX",),
        formula="VIX - the lowest VIX of the session so far, in points.",
    ),
    Measure(
        name="spx_spy_ratio",
        units=_PLAIN,
        source="spot of SPX and of SPY",
        max_age=LEVEL_AGE,
        places=EVERYWHERE,
        reads=("spot:SPX", "spot:SPY"),
        formula="spot(SPX) / spot(SPY); a level that is sent all the time may lag the other by at most 2 s.",
    ),
    Measure(
        name="gap",
        units=_POINT_CHANGE,
        parameters=(_SYMBOL,),
        source="open and previous close of the underlying",
        max_age=None,
        places=EVERYWHERE,
        reads=("spot",),
        formula="open - previous close in points, or open / previous close - 1.",
    ),
    Measure(
        name="day_range",
        units=_POINTS,
        parameters=(_SYMBOL,),
        source="high and low of the session so far",
        max_age=LEVEL_AGE,
        places=EVERYWHERE,
        reads=("spot",),
        formula="high - low of the session so far, in points.",
    ),
)

_VOLATILITY_MEASURES = (
    Measure(
        name="iv",
        units=_VOLATILITY,
        parameters=(_SYMBOL,),
        source="quotes of the at-the-money call and put of the legs' expiry",
        max_age=OPTION_AGE,
        places=EVERYWHERE,
        reads=("spot", "strikes"),
        formula="Black-76 volatility of the at-the-money mids, forward = strike + call - put; % of 252 sessions.",
    ),
    Measure(
        name="rv",
        units=_VOLATILITY,
        parameters=(
            _SYMBOL,
            Parameter(name="window", takes=Takes.COUNT, default=20),
            Parameter(name="estimator", takes=Takes.CHOICE, default="close_to_close", choices=("close_to_close",)),
        ),
        source="daily closes of finished sessions",
        max_age=None,
        places=EVERYWHERE,
        reads=("facts",),
        formula="Sample deviation of the last `window` daily log returns x sqrt(252), annualised %.",
    ),
    Measure(
        name="iv_over_rv",
        units=_PLAIN,
        parameters=(_SYMBOL, Parameter(name="window", takes=Takes.COUNT, default=20)),
        source="as iv and rv",
        max_age=OPTION_AGE,
        places=EVERYWHERE,
        reads=("spot", "strikes", "facts"),
        formula="iv / rv.",
    ),
    Measure(
        name="expected_move",
        units=_POINTS,
        parameters=(
            _SYMBOL,
            Parameter(name="asof", takes=Takes.CHOICE, default="now", choices=("now", "open")),
            Parameter(name="method", takes=Takes.CHOICE, default="straddle", choices=("straddle", "iv")),
        ),
        source="quotes of the at-the-money straddle of the legs' expiry",
        max_age=OPTION_AGE,
        places=EVERYWHERE,
        reads=("spot", "strikes"),
        formula="Mid of the at-the-money straddle x sqrt(pi / 2), points; `method: iv` is spot x iv x sqrt(years).",
    ),
)

_WINDOW = Parameter(name="window", takes=Takes.COUNT, required=True)
_DIRECTIONAL = Parameter(name="window", takes=Takes.COUNT, default=14)
_BARS = Parameter(name="bars", takes=Takes.BARS)
_OF_BARS = "daily bars of finished sessions; with `bars`, finished bars of the regular session"


def _of_bars(name: str, units: tuple[tuple[Unit, Quantity], ...], window: Parameter, formula: str) -> Measure:
    return Measure(
        name=name,
        units=units,
        parameters=(_SYMBOL, window, _BARS),
        source=_OF_BARS,
        max_age=None,
        places=EVERYWHERE,
        reads=("facts",),
        formula=formula,
    )


_BAR_MEASURES = (
    _of_bars("sma", _SPOT_LEVEL, _WINDOW, "Mean of the last `window` closes."),
    _of_bars(
        "ema",
        _SPOT_LEVEL,
        _WINDOW,
        "Exponential mean of the last 4 x `window` closes: from the mean of the first, each moves it by "
        "2 / (window + 1).",
    ),
    _of_bars(
        "rsi",
        _PLAIN,
        _DIRECTIONAL,
        "100 x gains / (gains + losses), Wilder's averages of the changes of the last 8 x `window` closes; 0 to 100.",
    ),
    _of_bars(
        "adx",
        _PLAIN,
        _DIRECTIONAL,
        "Wilder's average of 100 x |+DI - -DI| / (+DI + -DI) over the last 10 x `window` bars; 0 to 100.",
    ),
    Measure(
        name="vwap",
        units=_SPOT_LEVEL,
        parameters=(_SYMBOL,),
        source="finished minutes of the session; volume of an index from its ETF",
        max_age=None,
        places=EVERYWHERE,
        reads=("facts",),
        formula="Price of the session's finished minutes, weighted by the shares traded in each; SPX by those of SPY.",
    ),
    Measure(
        name="breadth",
        units=((Unit.PERCENT, Quantity.FRACTION),),
        parameters=(
            Parameter(name="of", takes=Takes.SYMBOLS, required=True),
            Parameter(name="window", takes=Takes.COUNT, default=50),
        ),
        source="daily bars of finished sessions",
        max_age=None,
        places=EVERYWHERE,
        reads=("facts",),
        formula="The share of the symbols whose last close is above the mean of their last `window` closes.",
    ),
    Measure(
        name="trend",
        units=((Unit.NUMBER, Quantity.TEXT),),
        parameters=(
            _SYMBOL,
            Parameter(name="fast", takes=Takes.COUNT, default=20),
            Parameter(name="slow", takes=Takes.COUNT, default=50),
            Parameter(name="average", takes=Takes.CHOICE, default="ema", choices=("ema", "sma")),
            _DIRECTIONAL,
            Parameter(name="strength", takes=Takes.COUNT, default=20),
            _BARS,
        ),
        source=_OF_BARS,
        max_age=None,
        places=EVERYWHERE,
        reads=("facts",),
        formula="`neutral` while adx over `window` is below `strength`, else `up` while the fast average is above the "
        "slow one, `down` while it is below.",
        words=("up", "down", "neutral"),
    ),
    Measure(
        name="opening_range",
        units=((Unit.NUMBER, Quantity.TEXT),),
        parameters=(_SYMBOL, Parameter(name="first", takes=Takes.OPENING, required=True)),
        source="finished minutes of the session, and spot",
        max_age=LEVEL_AGE,
        places=EVERYWHERE,
        reads=("facts", "spot"),
        formula="`formed` once the first minutes are over; then spot is `above` their high, `below` their low, or "
        "`inside`.",
        words=("formed", "above", "below", "inside"),
    ),
)


def _rank(name: str, formula: str) -> Measure:
    return Measure(
        name=name,
        units=_PLAIN,
        parameters=(_SYMBOL,),
        source="the broker's 30-day implied volatility, now and at the close of 252 sessions",
        max_age=IMPLIED_AGE,
        places=EVERYWHERE,
        reads=("spot", "facts"),
        formula=formula,
    )


_RANKS = (
    _rank(
        "iv_rank", "100 x (now - lowest) / (highest - lowest) of the underlying's 30-day volatility; now counts too."
    ),
    _rank("iv_percentile", "100 x the share of the sessions that closed with less 30-day volatility than now."),
)


def _count(name: str, formula: str) -> Measure:
    return Measure(
        name=name,
        units=_PLAIN,
        parameters=(_ALL_LEGS,),
        source="the exchange's counts of the legs",
        max_age=FEED_SILENCE,
        places=STRUCTURE,
        reads=("legs",),
        formula=formula,
    )


_FLOW = (
    _count("volume", "Contracts of a leg traded today; of several legs the least."),
    _count("open_interest", "Contracts of a leg open since yesterday's close; of several legs the least."),
    Measure(
        name="put_call_volume",
        units=_PLAIN,
        parameters=(_SYMBOL,),
        source="the broker's count of all options of the underlying",
        max_age=FEED_SILENCE,
        places=EVERYWHERE,
        reads=("spot",),
        formula="Puts traded today / calls traded today, all expiries of the underlying.",
    ),
    Measure(
        name="skew",
        units=_VOLATILITY,
        parameters=(_SYMBOL,),
        source="the broker's model of the options around 25 delta, legs' expiry",
        max_age=OPTION_AGE,
        places=frozenset({Place.FILTER, Place.REQUIRE}),
        reads=("spot", "strikes"),
        formula="Volatility of the 25-delta put - that of the 25-delta call, % a year; between two strikes on a line.",
    ),
    Measure(
        name="crowding",
        units=_PLAIN,
        parameters=(_SYMBOL,),
        source="what iv_percentile, put_call_volume and skew read; volume and open interest of the legs' expiry",
        max_age=OPTION_AGE,
        places=frozenset({Place.FILTER, Place.REQUIRE}),
        reads=("spot", "strikes", "facts"),
        formula="0.4 x iv_percentile + 0.2 x (50 + 50 x log2(put_call_volume)) + 0.2 x 100 x (put - call) / mean of "
        "the volatilities at 25 delta + 0.2 x 100 x volume / (volume + open interest) of the options of the legs' "
        "expiry that are streamed; each part within 0 and 100. Only the first is a percentile.",
    ),
)

_CALENDAR = (
    *(
        Measure(
            name=name,
            units=_TRUTH,
            parameters=(
                Parameter(name="of", takes=Takes.NAMES, required=True),
                Parameter(name="before", takes=Takes.SECONDS),
                Parameter(name="after", takes=Takes.SECONDS),
                Parameter(name="until", takes=Takes.CHOICE, choices=("expiry",)),
            ),
            source="event calendars",
            max_age=None,
            places=EVERYWHERE,
            reads=("facts", "time"),
            formula=formula,
        )
        for name, formula in (
            ("no_event", "None of the named events is today, or now within before / after, or until the expiry."),
            ("event", "One of the named events is today, or now within before / after, or until the expiry."),
        )
    ),
    Measure(
        name="time",
        units=_TRUTH,
        parameters=(Parameter(name="at", takes=Takes.CLOCK, required=True),),
        source="the clock of the session",
        max_age=None,
        places=EVERYWHERE,
        reads=("time",),
        formula="True from that time of the session on; past an early close it keeps its distance from the close.",
    ),
    Measure(
        name="session",
        units=((Unit.NUMBER, Quantity.TEXT),),
        source="the exchange calendar",
        max_age=None,
        places=EVERYWHERE,
        reads=("time",),
        formula="`full`, or `half` on a day with an early close.",
        words=("full", "half"),
    ),
)

_ACCOUNT = (
    Measure(
        name="shares_held",
        units=_PLAIN,
        parameters=(_SYMBOL,),
        source="positions of the account and of all bots",
        max_age=None,
        places=EVERYWHERE,
        reads=("facts", "position"),
        formula="Shares in the account less those that short calls need, of all bots and sold by hand; never below 0.",
    ),
    Measure(
        name="cost_basis",
        units=((Unit.NUMBER, Quantity.POINTS), (Unit.POINTS, Quantity.POINTS)),
        parameters=(_SYMBOL,),
        source="positions of the account",
        max_age=None,
        places=EVERYWHERE,
        reads=("facts",),
        formula="The broker's average cost of the shares in the account, commissions included; unknown without shares.",
    ),
)

_STRUCTURE = (
    Measure(
        name="quote_width",
        units=((Unit.NUMBER, Quantity.PRICE), (Unit.PERCENT, Quantity.FRACTION)),
        parameters=(_ALL_LEGS,),
        source="quotes of the legs",
        max_age=OPTION_AGE,
        places=STRUCTURE,
        reads=("legs",),
        formula="ask - bid per share, or (ask - bid) / mid; of several legs the widest.",
    ),
    Measure(
        name="credit",
        units=_PRICE_OR_DOLLARS,
        parameters=(_START,),
        source="the price the order starts from; after a fill, the fills",
        max_age=OPTION_AGE,
        places=STRUCTURE,
        reads=("legs",),
        formula="Net price received for one structure, per share before commissions; $ is the position after them.",
    ),
    Measure(
        name="debit",
        units=_PRICE_OR_DOLLARS,
        parameters=(_START,),
        source="the price the order starts from; after a fill, the fills",
        max_age=OPTION_AGE,
        places=STRUCTURE,
        reads=("legs",),
        formula="Net price paid for one structure, per share before commissions; $ is the position including them.",
    ),
    Measure(
        name="max_risk",
        units=_PRICE_OR_DOLLARS,
        source="strikes of the legs and the price of the structure",
        max_age=OPTION_AGE,
        places=STRUCTURE,
        reads=("legs",),
        formula="The worst loss at expiry of the structure at its price, per share; $ is the position.",
    ),
    Measure(
        name="return_on_risk",
        units=_PART,
        source="strikes of the legs and the price of the structure",
        max_age=OPTION_AGE,
        places=STRUCTURE,
        reads=("legs",),
        formula="The most it can gain at expiry over the most it can lose, at its price, before commissions.",
    ),
    Measure(
        name="probability_of_profit",
        units=_PART,
        source="strikes and price of the structure; forward and volatility of the at-the-money options of its expiry",
        max_age=OPTION_AGE,
        places=STRUCTURE,
        reads=("spot", "strikes", "legs", "time"),
        formula="Probability that the structure gains at expiry at its price: of a lognormal price with the forward F "
        "and the volatility s at the money, P(S < K) = N((ln(K / F) + s^2 T / 2) / (s sqrt(T))).",
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
        source="the legs' contracts and the session's date",
        max_age=None,
        places=STRUCTURE,
        reads=("time",),
        formula="Calendar days from the session's date to the nearest expiry of the legs.",
    ),
)

_POSITION = (
    Measure(
        name="cost",
        units=((Unit.NUMBER, Quantity.PRICE),),
        parameters=(_MARK, _SOME_LEGS),
        source="quotes of the legs",
        max_age=OPTION_AGE,
        places=OPEN_POSITION,
        reads=("legs", "position"),
        multiples=("credit",),
        formula="What closing costs per share: ratio x mid of short legs less that of long legs (natural: ask, bid).",
    ),
    Measure(
        name="value",
        units=((Unit.NUMBER, Quantity.PRICE),),
        parameters=(_MARK, _SOME_LEGS),
        source="quotes of the legs",
        max_age=OPTION_AGE,
        places=OPEN_POSITION,
        reads=("legs", "position"),
        multiples=("debit",),
        formula="What closing brings per share: minus cost.",
    ),
    Measure(
        name="profit",
        units=_PART_OR_DOLLARS,
        parameters=(_MARK, _SOME_LEGS),
        source="quotes of the legs and the fills",
        max_age=OPTION_AGE,
        places=OPEN_POSITION,
        reads=("legs", "position"),
        multiples=("max_risk",),
        hidden=(Quantity.PRICE,),
        formula="(entry price - cost) / |entry price|; $ is realised + open - commissions paid so far.",
    ),
    Measure(
        name="loss",
        units=_PART_OR_DOLLARS,
        parameters=(_MARK, _SOME_LEGS),
        source="quotes of the legs and the fills",
        max_age=OPTION_AGE,
        places=OPEN_POSITION,
        reads=("legs", "position"),
        multiples=("max_risk",),
        hidden=(Quantity.PRICE,),
        formula="Minus profit.",
    ),
    Measure(
        name="give_back",
        units=_PART_OR_DOLLARS,
        parameters=(_MARK, _SOME_LEGS),
        source="quotes of the legs, the fills, and the best profit that is kept with the position",
        max_age=OPTION_AGE,
        places=OPEN_POSITION,
        reads=("legs", "position"),
        formula="Best profit so far - profit; the best is the largest of min(reading, reading before it).",
    ),
    Measure(
        name="breach",
        units=_TRUTH,
        parameters=(
            _SHORT_LEGS,
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
        name="leg_delta",
        units=_DELTA,
        parameters=(_SHORT_LEGS,),
        source="the broker's model",
        max_age=OPTION_AGE,
        places=OPEN_POSITION,
        reads=("legs", "position"),
        formula="Absolute delta of a leg; of several the largest.",
    ),
    Measure(
        name="position_delta",
        units=_DELTA,
        source="the broker's model",
        max_age=OPTION_AGE,
        places=OPEN_POSITION,
        reads=("legs", "position"),
        formula="Sum over the legs of one structure of sign x ratio x delta, signed.",
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


def _of_account(name: str, formula: str) -> Measure:
    return Measure(
        name=name,
        units=((Unit.DOLLARS, Quantity.DOLLARS),),
        source="the account as the broker last told",
        max_age=None,
        places=EVERYWHERE,
        reads=("facts",),
        formula=formula,
    )


def _of_bot(name: str, parameter: Parameter, formula: str, words: tuple[str, ...] = ()) -> Measure:
    return Measure(
        name=name,
        units=((Unit.NUMBER, Quantity.TEXT),),
        parameters=(parameter,),
        source="positions and orders of the bots of this run",
        max_age=None,
        places=EVERYWHERE,
        reads=("time",),
        formula=formula,
        words=words,
    )


_DESK = (
    _of_account("buying_power", "What the account can still buy, dollars, by the broker's own rules."),
    _of_account("net_liquidation", "What the account would come to if all of it were closed now, dollars."),
    _of_bot(
        "bot",
        Parameter(name="called", takes=Takes.BOT, required=True),
        "`open` while that bot holds anything, `flat` while it holds nothing and no order of it works.",
        ("open", "flat"),
    ),
    _of_bot(
        "last_exit",
        Parameter(name="called", takes=Takes.BOT, default="self"),
        "The name of the exit that ended a position of that bot last in this session; false while none has.",
    ),
)

_EXPOSURE = (
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
            ("net_delta", _PLAIN, (_SYMBOL,), "delta", "shares of one underlying"),
            ("net_gamma", _PLAIN, (_SYMBOL,), "gamma", "shares a point of one underlying"),
            ("net_theta", _DOLLARS, (), "theta", "dollars a day"),
            ("net_vega", _DOLLARS, (), "vega", "dollars a point of volatility"),
        )
    ),
    Measure(
        name="worst_case_at_expiry",
        units=_DOLLARS,
        source="strikes and fills of all positions of the bot, and quotes of the entry in question",
        max_age=OPTION_AGE,
        places=WITH_AN_ENTRY,
        reads=("legs", "position"),
        formula="What all positions of the bot could lose at expiry together, the entry filled at once included; a "
        "gain of one makes up for no loss of another.",
    ),
)

VOCABULARY: Mapping[str, Measure] = {
    measure.name: measure
    for measure in (
        *_MARKET,
        *_VOLATILITY_MEASURES,
        *_RANKS,
        *_BAR_MEASURES,
        *_CALENDAR,
        *_ACCOUNT,
        *_STRUCTURE,
        *_FLOW,
        *_POSITION,
        *_DESK,
        *_EXPOSURE,
    )
}

FUNCTIONS = ("abs", "min", "max", "round")
"""Functions of `expr:`."""

RESERVED = frozenset(
    {*VOCABULARY, *FUNCTIONS, "and", "or", "not", "all", "any", "expr", "short_legs", "long_legs", "each_side"}
    | {"each_short", "open", "close", "mid", "natural", "market", "put_side", "call_side", "true", "false"}
    | {"expiry", "require", "choose", "legs", "roll", "filled", "unfilled", "is"}
)
"""Words of the language, which no leg or let may take as its name."""

PRICE_LEVELS = ("spot", "sma", "ema", "vwap")
"""Measures that are a price of an underlying: what a strike may be held against (`not_below`, `not_above`)."""

INDICES = ("VIX", "VIX9D", "VIX1D", "VIX3M")
"""Levels that are read beside the underlyings."""
