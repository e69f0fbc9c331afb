"""Measures of bars: averages, strength, trend, ranges."""

from rulebot.compile.plan import Quantity
from rulebot.measure.definition import EVERYWHERE, PLAIN, SPOT_LEVEL, SYMBOL, Measure, Parameter, Takes
from rulebot.model.market import LEVEL_AGE
from rulebot.spec.nouns import Unit

_WINDOW = Parameter(name="window", takes=Takes.COUNT, required=True)

_DIRECTIONAL = Parameter(name="window", takes=Takes.COUNT, default=14)

_BARS = Parameter(name="bars", takes=Takes.BARS)

_OF_BARS = "daily bars of finished sessions; with `bars`, finished bars of the regular session"


def _of_bars(name: str, units: tuple[tuple[Unit, Quantity], ...], window: Parameter, formula: str) -> Measure:
    return Measure(
        name=name,
        units=units,
        parameters=(SYMBOL, window, _BARS),
        source=_OF_BARS,
        max_age=None,
        places=EVERYWHERE,
        reads=("facts",),
        formula=formula,
    )


BAR_MEASURES = (
    _of_bars("sma", SPOT_LEVEL, _WINDOW, "Mean of the last `window` closes."),
    _of_bars(
        "ema",
        SPOT_LEVEL,
        _WINDOW,
        "Exponential mean of the last 4 x `window` closes: from the mean of the first, each moves it by "
        "2 / (window + 1).",
    ),
    _of_bars(
        "rsi",
        PLAIN,
        _DIRECTIONAL,
        "100 x gains / (gains + losses), Wilder's averages of the changes of the last 8 x `window` closes; 0 to 100.",
    ),
    _of_bars(
        "adx",
        PLAIN,
        _DIRECTIONAL,
        "Wilder's average of 100 x |+DI - -DI| / (+DI + -DI) over the last 10 x `window` bars; 0 to 100.",
    ),
    Measure(
        name="vwap",
        units=SPOT_LEVEL,
        parameters=(SYMBOL,),
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
            SYMBOL,
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
        parameters=(SYMBOL, Parameter(name="first", takes=Takes.OPENING, required=True)),
        source="finished minutes of the session, and spot",
        max_age=LEVEL_AGE,
        places=EVERYWHERE,
        reads=("facts", "spot"),
        formula="`formed` once the first minutes are over; then spot is `above` their high, `below` their low, or "
        "`inside`.",
        words=("formed", "above", "below", "inside"),
    ),
)
