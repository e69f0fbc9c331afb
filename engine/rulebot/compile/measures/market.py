"""Measures of the market: levels, volatilities and their ranks, what is traded, and the calendar and clock."""

from rulebot.compile.plan import SINCE_ENTRY, Quantity
from rulebot.measure.definition import (
    EVERYWHERE,
    LEVEL_CHANGE,
    NUMBER_LEVEL,
    PLAIN,
    POINT_CHANGE,
    POINTS,
    SYMBOL,
    TRUTH,
    VOLATILITY,
    Measure,
    Parameter,
    Place,
    Takes,
)
from rulebot.measure.series import CLOSE_TO_CLOSE, ESTIMATORS
from rulebot.model.market import FEED_SILENCE, IMPLIED_AGE, LEVEL_AGE, OPTION_AGE, VOLATILITY_INDEX_AGE
from rulebot.spec.nouns import Unit


def _since(default: str, *in_exits: str) -> Parameter:
    choices = ("close", "open", *in_exits)
    return Parameter(name="since", takes=Takes.CHOICE, default=default, choices=choices, in_exits=in_exits)


_ESTIMATOR = Parameter(name="estimator", takes=Takes.CHOICE, default=CLOSE_TO_CLOSE, choices=ESTIMATORS)


def _index(name: str) -> Measure:
    symbol = name.upper()
    return Measure(
        name=name,
        units=NUMBER_LEVEL,
        source=f"last of the index {symbol}",
        max_age=VOLATILITY_INDEX_AGE,
        places=EVERYWHERE,
        reads=(f"index:{symbol}",),
        formula=f"The last level of {symbol}, in index points.",
    )


MARKET = (
    Measure(
        name="spot",
        units=((Unit.NUMBER, Quantity.POINTS), (Unit.POINTS, Quantity.POINTS)),
        parameters=(SYMBOL,),
        source="last of an index; quote of an ETF or stock",
        max_age=LEVEL_AGE,
        places=EVERYWHERE,
        reads=("spot",),
        formula="The last level of an index; (bid + ask) / 2 of an ETF or stock when bid < ask, else its last trade.",
    ),
    *(_index(name) for name in ("vix", "vix9d", "vix1d", "vix3m")),
    Measure(
        name="vix_change",
        units=LEVEL_CHANGE,
        parameters=(_since("close"),),
        source="last, open and previous close of VIX",
        max_age=VOLATILITY_INDEX_AGE,
        places=EVERYWHERE,
        reads=("index:VIX",),
        formula="VIX - base in points, or VIX / base - 1; base is the previous close, or the open with `since: open`.",
    ),
    Measure(
        name="move",
        units=POINT_CHANGE,
        parameters=(SYMBOL, _since("open", SINCE_ENTRY)),
        source="spot, open and previous close of the underlying, and its spot at the entry",
        max_age=LEVEL_AGE,
        places=EVERYWHERE,
        reads=("spot",),
        formula="spot - base in points, or spot / base - 1; base is the open; `since: close` the previous close; "
        "`since: entry`, under exits, the spot when the entry, or the roll that opened it, was first sent.",
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
        units=PLAIN,
        source="spot of SPX and of SPY",
        max_age=LEVEL_AGE,
        places=EVERYWHERE,
        reads=("spot:SPX", "spot:SPY"),
        formula="spot(SPX) / spot(SPY); a level that is sent all the time may lag the other by at most 2 s.",
    ),
    Measure(
        name="gap",
        units=POINT_CHANGE,
        parameters=(SYMBOL,),
        source="open and previous close of the underlying",
        max_age=None,
        places=EVERYWHERE,
        reads=("spot",),
        formula="open - previous close in points, or open / previous close - 1.",
    ),
    Measure(
        name="day_range",
        units=POINTS,
        parameters=(SYMBOL,),
        source="high and low of the session so far",
        max_age=LEVEL_AGE,
        places=EVERYWHERE,
        reads=("spot",),
        formula="high - low of the session so far, in points.",
    ),
)

VOLATILITIES = (
    Measure(
        name="iv",
        units=VOLATILITY,
        parameters=(SYMBOL,),
        source="quotes of the at-the-money call and put of the legs' expiry",
        max_age=OPTION_AGE,
        places=EVERYWHERE,
        reads=("spot", "strikes"),
        formula="Black-76 volatility of the at-the-money mids, forward = strike + call - put; % of 252 sessions.",
    ),
    Measure(
        name="rv",
        units=VOLATILITY,
        parameters=(
            SYMBOL,
            Parameter(name="window", takes=Takes.COUNT, default=20),
            _ESTIMATOR,
        ),
        source="closes, daily bars, or bars of five minutes, of finished sessions",
        max_age=None,
        places=EVERYWHERE,
        reads=("facts",),
        formula="The root of the variance of a day over the last `window` sessions x 252, annualised %. "
        "`close_to_close`: the sample variance of log returns between closes. `parkinson`: mean of ln(high / low)^2 / "
        "(4 ln 2), without the nights. `yang_zhang`: sample variance of ln(open / close before) + k x that of "
        "ln(close / open) + (1 - k) x mean of ln(high / close) ln(high / open) + ln(low / close) ln(low / open), "
        "k = 0.34 / (1.34 + (n + 1) / (n - 1)). `intraday`: mean over sessions of the squared log returns of five "
        "minutes added up, with the square of ln(open / close before).",
    ),
    Measure(
        name="iv_over_rv",
        units=PLAIN,
        parameters=(SYMBOL, Parameter(name="window", takes=Takes.COUNT, default=20), _ESTIMATOR),
        source="as iv and rv",
        max_age=OPTION_AGE,
        places=EVERYWHERE,
        reads=("spot", "strikes", "facts"),
        formula="iv / rv, by the same `window` and `estimator`.",
    ),
    Measure(
        name="expected_move",
        units=POINTS,
        parameters=(
            SYMBOL,
            Parameter(name="asof", takes=Takes.CHOICE, default="now", choices=("now", "open")),
            Parameter(name="method", takes=Takes.CHOICE, default="straddle", choices=("straddle", "iv")),
        ),
        source="quotes of the at-the-money straddle of the legs' expiry",
        max_age=OPTION_AGE,
        places=EVERYWHERE,
        reads=("spot", "strikes"),
        formula="Mid of the at-the-money straddle x sqrt(pi / 2), points.",
    ),
)


def _rank(name: str, formula: str) -> Measure:
    return Measure(
        name=name,
        units=PLAIN,
        parameters=(SYMBOL,),
        source="the broker's 30-day implied volatility, now and at the close of 252 sessions",
        max_age=IMPLIED_AGE,
        places=EVERYWHERE,
        reads=("spot", "facts"),
        formula=formula,
    )


RANKS = (
    _rank(
        "iv_rank", "100 x (now - lowest) / (highest - lowest) of the underlying's 30-day volatility; now counts too."
    ),
    _rank("iv_percentile", "100 x the share of the sessions that closed with less 30-day volatility than now."),
)

CALENDAR = (
    *(
        Measure(
            name=name,
            units=TRUTH,
            parameters=(
                Parameter(name="of", takes=Takes.NAMES, required=True),
                Parameter(name="before", takes=Takes.SPAN),
                Parameter(name="after", takes=Takes.SPAN),
                Parameter(name="until", takes=Takes.CHOICE, choices=("expiry",)),
            ),
            source="event calendars",
            max_age=None,
            places=EVERYWHERE,
            reads=("facts", "time"),
            formula=f"{many} of the named events is today, or now within before / after, or until the expiry; "
            "one without a time lasts its whole day.",
        )
        for name, many in (("no_event", "None"), ("event", "One"))
    ),
    Measure(
        name="time",
        units=TRUTH,
        parameters=(Parameter(name="at", takes=Takes.CLOCK, required=True),),
        source="the clock of the session",
        max_age=None,
        places=EVERYWHERE,
        reads=("time",),
        formula="True from that time of the session on; at or past an early close it keeps its distance from the close"
        ": 15:45 is 12:45.",
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

CLOCK = tuple(
    Measure(
        name=name,
        units=PLAIN,
        source="the clock of the session",
        max_age=None,
        places=EVERYWHERE,
        reads=("time",),
        formula=formula,
    )
    for name, formula in (
        ("minutes_since_open", "Minutes since the open of the session."),
        ("minutes_to_close", "Minutes to the close of the session, an early one too."),
    )
)
"""What no text can name, and a model may read."""

LEARNED = (
    Measure(
        name="model",
        units=PLAIN,
        parameters=(
            SYMBOL,
            Parameter(name="file", takes=Takes.FILE, required=True),
            Parameter(name="sha256", takes=Takes.DIGEST, required=True),
        ),
        source="the features that the file names, each of its own source",
        max_age=None,
        places=EVERYWHERE - {Place.RISK},
        reads=("facts",),
        formula="The probability, 0 to 1, that the model of that file gives what it was trained to foresee.",
    ),
)

FLOW = (
    Measure(
        name="put_call_volume",
        units=PLAIN,
        parameters=(SYMBOL,),
        source="the broker's count of all options of the underlying",
        max_age=FEED_SILENCE,
        places=EVERYWHERE,
        reads=("spot",),
        formula="Puts traded today / calls traded today, all expiries of the underlying.",
    ),
    Measure(
        name="put_call_imbalance",
        units=((Unit.PERCENT, Quantity.FRACTION),),
        parameters=(
            SYMBOL,
            Parameter(name="count", takes=Takes.CHOICE, default="volume", choices=("volume", "open_interest")),
        ),
        source="volume, or open interest, of the options that expire today",
        max_age=FEED_SILENCE,
        places=frozenset({Place.FILTER, Place.REQUIRE}),
        reads=("spot",),
        formula="(puts - calls) / (puts + calls) of the options that expire today, at the five listed strikes around "
        "spot; contracts traded today, or open with `count: open_interest`. Unknown without an expiry today.",
    ),
    Measure(
        name="option_volume",
        units=PLAIN,
        parameters=(SYMBOL,),
        source="the broker's count of all options of the underlying",
        max_age=FEED_SILENCE,
        places=EVERYWHERE,
        reads=("spot",),
        formula="Puts and calls traded today, contracts of all expiries of the underlying.",
    ),
    Measure(
        name="volume_rank",
        units=PLAIN,
        parameters=(SYMBOL, Parameter(name="among", takes=Takes.SYMBOLS)),
        source="the broker's count of all options of each symbol",
        max_age=FEED_SILENCE,
        places=EVERYWHERE,
        reads=("spot",),
        formula="1 + how many of the symbols have a larger option_volume; 1 is the leader. Unknown while the volume of "
        "one of them is.",
    ),
    Measure(
        name="skew",
        units=VOLATILITY,
        parameters=(SYMBOL,),
        source="the broker's model of the options around 25 delta, legs' expiry",
        max_age=OPTION_AGE,
        places=frozenset({Place.FILTER, Place.REQUIRE}),
        reads=("spot", "strikes"),
        formula="Volatility of the 25-delta put - that of the 25-delta call, % a year; between two strikes on a line.",
    ),
    Measure(
        name="crowding",
        units=PLAIN,
        parameters=(SYMBOL,),
        source="what iv_percentile, put_call_volume and skew read; volume and open interest of the legs' expiry",
        max_age=OPTION_AGE,
        places=frozenset({Place.FILTER, Place.REQUIRE}),
        reads=("spot", "strikes", "facts"),
        formula="0.4 x iv_percentile + 0.2 x (50 + 50 x log2(put_call_volume)) + 0.2 x 100 x (put - call) / mean of "
        "the volatilities at 25 delta + 0.2 x 100 x volume / (volume + open interest) of the options of the legs' "
        "expiry that are streamed; each part within 0 and 100. Only the first is a percentile.",
    ),
)
