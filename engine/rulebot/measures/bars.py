"""Measures of bars: averages, oscillators, the session's average price, trend and opening range.

Only finished bars count. Daily ones are those of finished sessions. Bars within the session are asked for whenever one
has ended; for half a minute after that the one before may be the last that is known.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from statistics import fmean
from typing import Any

from rulebot.measure.definition import (
    BARS,
    OF_BARS,
    PART,
    PLAIN,
    SPOT_LEVEL,
    SYMBOL,
    TEXT,
    Measure,
    Parameter,
    Refusal,
    Takes,
    choice,
    count,
)
from rulebot.measure.evaluation import Evaluation
from rulebot.measure.ranges import POSITIVE, stretch
from rulebot.measure.reading import Calculation, Context, Input, Judge, Reading, UnknownValue, kept
from rulebot.measure.series import (
    DAY,
    FUNDS,
    MINUTE,
    TODAY,
    Depth,
    Series,
    given_count,
    name_of,
    size_of,
)
from rulebot.measure.tree import Argument, Call, Quantity
from rulebot.measure.usual import PRICE_LEVEL, RANK, Likeness, usual
from rulebot.measure.view import View
from rulebot.measure.words import MeasureText, Phrase, over
from rulebot.measures.market import spot_of
from rulebot.model.facts import Bar, Bars
from rulebot.model.market import LEVEL_AGE
from rulebot.model.session import EXCHANGE_ZONE, Session, exchange_date, session_before

LATE = 30.0
"""Seconds that bars within the session may be late."""

BarsRead = Callable[[View], Bars | UnknownValue]


# ---------------------------------------------------------------- the bars


def depth(measure: str, window: int) -> Depth:
    """Return the bars that an average or oscillator over `window` reads."""
    match measure:
        case "ema":
            return Depth(4 * window, 2 * window)
        case "rsi":
            return Depth(8 * window + 1, 2 * window + 1)
        case "adx":
            return Depth(10 * window, 3 * window)
        case _:
            return Depth(window, window)


def _depth_of(call: Call) -> Depth:
    """Return the bars that a call reads: an average, an oscillator, or a trend, which is made of three."""
    given = dict(call.arguments)
    if call.measure != "trend":
        return depth(call.measure, int(str(given["window"])))
    parts = depth(str(given["average"]), int(str(given["slow"]))), depth("adx", int(str(given["window"])))
    return Depth(max(part.asked for part in parts), max(part.least for part in parts))


def _of_closes_of_all(call: Call) -> Mapping[Series, int]:
    """Return the daily bars of an average of each of several symbols."""
    symbols = call.argument("of")
    return {(symbol, DAY): _depth_of(call).asked for symbol in symbols} if isinstance(symbols, tuple) else {}


def _of_session(call: Call) -> Mapping[Series, int]:
    """Return the minutes of the session at hand: of a symbol, and of the ETF whose volume is its own."""
    symbol = str(call.argument("of"))
    return dict.fromkeys(((symbol, MINUTE), (FUNDS.get(symbol, symbol), MINUTE)), TODAY)


def _of_first_minutes(call: Call) -> Mapping[Series, int]:
    """Return the minutes of the session at hand."""
    return {(str(call.argument("of")), MINUTE): TODAY}


def finished_bars(symbol: str, seconds: int) -> BarsRead:
    """Return the reader of the finished bars of one size, unknown when the newest are missing."""
    name, daily_problem = name_of(seconds), kept(_daily_problem)

    def read(view: View) -> Bars | UnknownValue:
        found = view.facts.bars.get((symbol, seconds))
        if found is None:
            return UnknownValue(f"{symbol}: {name} bars are not known yet")
        problem = daily_problem(found, view.session) if seconds == DAY else _late_problem(found, seconds, view)
        return UnknownValue(f"{symbol}: {name} bars {problem}") if problem else found

    return read


def _daily_problem(found: Bars, session: Session) -> str:
    if not found.bars:
        return "are missing"
    last = exchange_date(datetime.fromtimestamp(found.bars[-1].at, UTC))
    return "" if last == session_before(session.date).date else f"end on {last}"


def _late_problem(found: Bars, seconds: int, view: View) -> str:
    session, due = view.session, last_end(view.session, seconds, view.now)
    if found.known_until >= due:
        return ""
    before = max(due - seconds, session.open.timestamp()) if view.now <= due + LATE else due
    if found.known_until >= before:
        return ""
    if before == session.open.timestamp() and found.known_until >= session_before(session.date).close.timestamp():
        return ""  # none of today has ended, or only just: the newest is the previous session's
    at = datetime.fromtimestamp(found.known_until, UTC).astimezone(EXCHANGE_ZONE)
    return f"are known until {at:%H:%M} only"


def last_end(session: Session, seconds: int, now: float) -> float:
    """Return when the newest finished bar of the session ended, epoch seconds; its open before the first has."""
    opened, closed = session.open.timestamp(), session.close.timestamp()
    return opened + max((min(now, closed) - opened) // seconds, 0) * seconds


def _today(found: Bars, session: Session) -> list[Bar]:
    opened = session.open.timestamp()
    return [bar for bar in found.bars if bar.at >= opened]


def _column(bars: Iterable[Bar], name: str) -> list[float]:
    return [getattr(bar, name) for bar in bars]


def _formula(name: str) -> Callable[..., Any]:
    """Return an indicator by its name; numpy is loaded with the first: who computes none does not wait for it."""
    from rulebot.measure import indicators

    return getattr(indicators, name)  # type: ignore[no-any-return]


# ---------------------------------------------------------------- averages and oscillators


def calculated_by(
    depth: Callable[[Call], Depth], compute: Callable[[tuple[Bar, ...], Call], float]
) -> Callable[[Call], Calculation]:
    """Return the calculation of a measure of as many of the newest bars as its depth says; made once for the same."""

    def calculation(call: Call) -> Calculation:
        symbol, seconds = str(call.argument("of")), size_of(call)
        asked, least = depth(call)

        @kept
        def newest(found: Bars) -> tuple[Bar, ...] | UnknownValue:
            count = len(found.bars)
            return too_few(symbol, seconds, count, least) if count < least else found.bars[-asked:]

        def reader(context: Context) -> Callable[[View], tuple[Bar, ...] | UnknownValue]:
            bars_of = finished_bars(symbol, seconds)

            def read(view: View) -> tuple[Bar, ...] | UnknownValue:
                found = bars_of(view)
                if isinstance(found, UnknownValue):
                    return found
                bars: tuple[Bar, ...] | UnknownValue = newest(found)
                return bars

            return read

        return Calculation((Input(reader),), kept(lambda bars: compute(bars, call)))

    return calculation


def bars_by(depth: Callable[[Call], Depth]) -> Callable[[Call], Mapping[Series, int]]:
    """Return what says which bars such a measure reads."""
    return lambda call: {(str(call.argument("of")), size_of(call)): depth(call).asked}


def smoothed(values: Sequence[float], window: int, weight: float) -> list[float]:
    """Return the mean of the first `window` values, then after each that follows a step of `weight` toward it."""
    found = [fmean(values[:window])]
    for value in values[window:]:
        found.append(found[-1] + weight * (value - found[-1]))
    return found


def averaged(values: Sequence[float], window: int) -> list[float]:
    """Return the exponential averages of the values, from the `window`th on."""
    return smoothed(values, window, 2.0 / (window + 1.0))


def means(values: Sequence[float], window: int) -> list[float]:
    """Return the means of each `window` of consecutive values."""
    return [fmean(values[end - window : end]) for end in range(window, len(values) + 1)]


def too_few(symbol: str, seconds: int, count: int, least: int) -> UnknownValue:
    return UnknownValue(f"{symbol}: {count} {name_of(seconds)} bars, {least} are needed")


def _of_closes(bars: tuple[Bar, ...], call: Call) -> float:
    return float(_formula(call.measure)(_column(bars, "close"), given_count(call, "window")))


def _adx(bars: tuple[Bar, ...], window: int) -> float:
    return float(_formula("adx")(_column(bars, "high"), _column(bars, "low"), _column(bars, "close"), window))


of_closes = calculated_by(_depth_of, _of_closes)
"""Calculates `sma`, `ema` and `rsi`."""


# ---------------------------------------------------------------- the session's average price


def _average_price(call: Call) -> Calculation:
    """`vwap`: of a stock its own; an index has no volume, so each of its minutes weighs what its ETF traded."""
    symbol = str(call.argument("of"))
    fund = FUNDS.get(symbol, symbol)
    session = Input(lambda context: lambda view: view.session)
    return Calculation((_minutes(symbol), _minutes(fund), session), kept(partial(_vwap, fund)))


def _minutes(symbol: str) -> Input:
    return Input(lambda context: finished_bars(symbol, MINUTE))


def _vwap(fund: str, prices: Bars, volumes: Bars, session: Session) -> Reading:
    traded = {bar.at: bar.volume for bar in _today(volumes, session)}
    both = [bar for bar in _today(prices, session) if bar.at in traded]
    if not both:
        return UnknownValue(f"{fund}: nothing was traded in the session yet")
    paid = [bar.average if bar.average > 0.0 else (bar.high + bar.low + bar.close) / 3.0 for bar in both]
    found: float | None = _formula("vwap")(paid, [traded[bar.at] for bar in both])
    return UnknownValue(f"{fund}: the minutes of the session have no volume") if found is None else found


def _breadth(call: Call) -> Calculation:
    """Unknown while one of the symbols is."""
    symbols, window = call.argument("of"), int(str(call.argument("window")))
    assert isinstance(symbols, tuple)
    averages = (of_closes(_average(symbol, window)).as_input for symbol in symbols)
    pairs = zip(averages, map(_last_close, symbols), strict=True)

    def share(*values: float) -> float:
        return sum(close > average for average, close in zip(values[::2], values[1::2], strict=True)) / len(symbols)

    return Calculation(tuple(each for pair in pairs for each in pair), share)


def _average(symbol: str, window: int) -> Call:
    return Call("sma", (("of", symbol), ("window", window)), Quantity.POINTS)


def _last_close(symbol: str) -> Input:
    bars_of = finished_bars(symbol, DAY)

    def read(view: View) -> Reading:
        found = bars_of(view)
        return found if isinstance(found, UnknownValue) else found.bars[-1].close

    return Input(lambda context: read)


# ---------------------------------------------------------------- words


def trend(call: Call, context: Context, word: str) -> Judge:
    """Bind `trend`: up or down by the order of the two averages, neutral while adx is below the strength."""
    given = dict(call.arguments)
    symbol, seconds, average = str(given["of"]), size_of(call), str(given["average"])
    fast, slow, window, strength = (int(str(given[name])) for name in ("fast", "slow", "window", "strength"))
    least = _depth_of(call).least

    def make(found: Bars) -> Evaluation:
        bars = found.bars
        if len(bars) < least:
            return Evaluation(None, missing=too_few(symbol, seconds, len(bars), least).reason)
        closes = _column(bars, "close")
        formula = _formula(average)
        quick, steady = (float(formula(closes[-depth(average, each).asked :], each)) for each in (fast, slow))
        force = _adx(bars[-depth("adx", window).asked :], window)
        way = "neutral" if force < strength or quick == steady else "up" if quick > steady else "down"
        words = f"{way}: {average} {fast} {quick:.2f}, {slow} {steady:.2f}, adx {force:.1f}"
        return Evaluation(way == word, detail=words)

    bars_of, made = finished_bars(symbol, seconds), kept(make)

    def judge(view: View) -> Evaluation:
        found = bars_of(view)
        return Evaluation(None, missing=found.reason) if isinstance(found, UnknownValue) else made(found)

    return judge


def _refuse_trend(given: Mapping[str, Argument]) -> Refusal | None:
    fast, slow = int(str(given["fast"])), int(str(given["slow"]))
    message = f"the fast average of a trend is over fewer bars than the slow one, is {fast}, {slow}"
    return Refusal(message) if fast >= slow else None


def opening_range(call: Call, context: Context, word: str) -> Judge:
    """Bind `opening_range`: formed once the first minutes are over; until then there is nothing to be above of."""
    symbol, first = str(call.argument("of")), float(str(call.argument("first")))
    level, bars_of, made = spot_of(symbol, context), finished_bars(symbol, MINUTE), kept(_range)

    def judge(view: View) -> Evaluation:
        until = view.session.open.timestamp() + first
        if view.now < until:
            ends = datetime.fromtimestamp(until, UTC).astimezone(EXCHANGE_ZONE)
            words = f"{symbol}: the opening range forms until {ends:%H:%M}"
            return Evaluation(False, detail=words) if word == "formed" else Evaluation(None, missing=words)
        found = bars_of(view)
        bounds = found if isinstance(found, UnknownValue) else made(found, view.session, symbol, first)
        if isinstance(bounds, UnknownValue):
            return Evaluation(None, missing=bounds.reason)
        low, high = bounds
        if word == "formed":
            return Evaluation(True, detail=f"{low:.2f} to {high:.2f}")
        spot = level(view)
        if not isinstance(spot, float):
            return Evaluation(None, missing=spot.reason)
        side = "above" if spot > high else "below" if spot < low else "inside"
        return Evaluation(side == word, detail=f"{side}: {spot:.2f}, range {low:.2f} to {high:.2f}")

    return judge


def _range(found: Bars, session: Session, symbol: str, first: float) -> tuple[float, float] | UnknownValue:
    until = session.open.timestamp() + first
    if found.known_until < until:
        return UnknownValue(f"{symbol}: the last minute of the opening range is not known yet")
    bars = [bar for bar in _today(found, session) if bar.at < until]
    if not bars:
        return UnknownValue(f"{symbol}: nothing was traded in the opening range")
    return min(bar.low for bar in bars), max(bar.high for bar in bars)


def _averaged(kind: str) -> Phrase:
    return lambda words: f"the {kind} average{words.of_symbol} over {over(words)}"


def _breadth_words(words: MeasureText) -> str:
    of = words.given("of")
    count = len(of) if isinstance(of, tuple) else 0
    return f"the part of {count} symbols that closed above their average over {over(words)}"


def _trend_words(words: MeasureText) -> str:
    average = "exponential" if words.given("average") == "ema" else "simple"
    return f"the trend{words.of_symbol} by {average} averages over {words.given('fast')} and {over(words, 'slow')}"


def _opening_range_words(words: MeasureText) -> str:
    minutes = float(str(words.given("first"))) / 60.0
    return f"the range{words.of_symbol} of the first {minutes:.0f} minutes"


_AVERAGES = {
    "ema": "the mean that weighs the newest closes most",
    "sma": "the plain mean of the last closes",
}

MEASURES: tuple[Measure, ...] = (
    Measure(
        name="sma",
        title="Simple average",
        about="Mean of the last closes: daily ones, or those of bars within the session.",
        formula="Mean of the last `window` closes.",
        source=OF_BARS,
        units=SPOT_LEVEL,
        parameters=(SYMBOL, count("window", None, "How many bars the average is over.", 20), BARS),
        max_age=None,
        reads=("facts",),
        calculation=of_closes,
        usual=PRICE_LEVEL,
        reach=POSITIVE,
        phrase=_averaged("simple"),
        subject="the average",
        bound="level",
        examples=({"window": 50, "below": 6000},),
        bounds=(6000, 6100),
        let_example={"window": 50},
        likeness=Likeness.PRICE,
        bars=bars_by(_depth_of),
    ),
    Measure(
        name="ema",
        title="Exponential average",
        about=(
            "Exponential mean of the last closes, which weighs the newest most: daily ones, or those of bars "
            "within the session."
        ),
        formula=(
            "Exponential mean of the last 4 x `window` closes: from the mean of the first, each moves it by 2 / "
            "(window + 1)."
        ),
        source=OF_BARS,
        units=SPOT_LEVEL,
        parameters=(SYMBOL, count("window", None, "How many bars the average is over.", 20), BARS),
        max_age=None,
        reads=("facts",),
        calculation=of_closes,
        usual=PRICE_LEVEL,
        reach=POSITIVE,
        phrase=_averaged("exponential"),
        subject="the average",
        bound="level",
        examples=({"window": 20, "bars": "5m", "above": 6000},),
        bounds=(6000, 6100),
        let_example={"window": 9, "bars": "5m"},
        likeness=Likeness.PRICE,
        bars=bars_by(_depth_of),
    ),
    Measure(
        name="rsi",
        title="Relative strength",
        about="Wilder's relative strength index: the part of the movement that went up, 0 to 100.",
        formula=(
            "100 x gains / (gains + losses), Wilder's averages of the changes of the last 8 x `window` closes; 0 "
            "to 100."
        ),
        source=OF_BARS,
        units=PLAIN,
        parameters=(SYMBOL, count("window", 14, "How many bars it is over; by default 14.", 14), BARS),
        max_age=None,
        reads=("facts",),
        calculation=of_closes,
        usual=RANK,
        reach=stretch(0.0, 100.0),
        phrase=lambda words: f"RSI{words.of_symbol} over {over(words)}",
        subject="it",
        bound="score",
        examples=({"below": 30},),
        bounds=(30, 70),
        let_example={"bars": "5m"},
        bars=bars_by(_depth_of),
    ),
    Measure(
        name="adx",
        title="Directional index",
        about="Wilder's average directional index: how much of the movement goes one way, up or down, 0 to 100.",
        formula="Wilder's average of 100 x |+DI - -DI| / (+DI + -DI) over the last 10 x `window` bars; 0 to 100.",
        source=OF_BARS,
        units=PLAIN,
        parameters=(SYMBOL, count("window", 14, "How many bars it is over; by default 14.", 14), BARS),
        max_age=None,
        reads=("facts",),
        calculation=calculated_by(_depth_of, lambda bars, call: _adx(bars, given_count(call, "window"))),
        usual=RANK,
        reach=stretch(0.0, 100.0),
        phrase=lambda words: f"ADX{words.of_symbol} over {over(words)}",
        subject="it",
        bound="score",
        examples=({"window": 14, "bars": "5m", "above": 20},),
        bounds=(20, 40),
        let_example={"bars": "5m"},
        bars=bars_by(_depth_of),
    ),
    Measure(
        name="vwap",
        title="Session average price",
        about="Mean price of the session so far, weighted by volume; an index takes the volume of its ETF.",
        formula="Price of the session's finished minutes, weighted by the shares traded in each; SPX by those of SPY.",
        source="finished minutes of the session; volume of an index from its ETF",
        units=SPOT_LEVEL,
        parameters=(SYMBOL,),
        max_age=None,
        reads=("facts",),
        calculation=_average_price,
        usual=PRICE_LEVEL,
        reach=POSITIVE,
        phrase=lambda words: f"the session's average price{words.of_symbol}, weighted by volume",
        subject="the average",
        bound="level",
        examples=({"above": 6000},),
        bounds=(6000, 6100),
        let_example={"of": "SPY"},
        likeness=Likeness.PRICE,
        bars=_of_session,
    ),
    Measure(
        name="breadth",
        title="Breadth",
        about="Which part of some symbols closed yesterday above their average.",
        formula="The share of the symbols whose last close is above the mean of their last `window` closes.",
        source="daily bars of finished sessions",
        units=PART,
        parameters=(
            Parameter(
                name="of",
                takes=Takes.SYMBOLS,
                required=True,
                about="Which symbols.",
                example=["AAPL", "MSFT", "NVDA"],
                ref="symbols",
            ),
            count("window", 50, "How many days the average of each symbol is over; by default 50.", 50),
        ),
        max_age=None,
        reads=("facts",),
        calculation=_breadth,
        usual=usual(Quantity.FRACTION, 0.01, 1.0),
        reach=stretch(0.0, 1.0),
        phrase=_breadth_words,
        subject="the part",
        bound="part",
        examples=({"of": ["AAPL", "MSFT", "NVDA"], "at_least": "50%"},),
        bounds=("40%", "60%"),
        let_example={"of": ["AAPL", "MSFT", "NVDA"]},
        bars=_of_closes_of_all,
    ),
    Measure(
        name="trend",
        title="Trend",
        about="Which way the averages point: up or down while adx is at least the strength, else neutral.",
        formula=(
            "`neutral` while adx over `window` is below `strength`, else `up` while the fast average is above "
            "the slow one, `down` while it is below."
        ),
        source=OF_BARS,
        units=TEXT,
        words={
            "up": "the fast average is above the slow one, and adx reaches the strength",
            "down": "the fast average is below the slow one, and adx reaches the strength",
            "neutral": "adx is below the strength",
        },
        parameters=(
            SYMBOL,
            count("fast", 20, "How many bars the fast average is over; by default 20.", 20),
            count("slow", 50, "How many bars the slow average is over; by default 50.", 50),
            choice(
                "average",
                "ema",
                {"ema": "the mean that weighs the newest closes most", "sma": "the plain mean of the last closes"},
                "Which kind of average; by default ema.",
                "ema",
            ),
            count("window", 14, "How many bars adx is over; by default 14.", 14),
            count("strength", 20, "Below this adx the trend is neutral; by default 20.", 25, ref="count"),
            BARS,
        ),
        max_age=None,
        reads=("facts",),
        judge_word=trend,
        refuse=_refuse_trend,
        reach=(*stretch(0.0, 0.0), *stretch(1.0, 1.0), *stretch(2.0, 2.0)),
        phrase=_trend_words,
        subject="Which way it points.",
        examples=({"is": "neutral"},),
        let_example={"bars": "5m"},
        bars=bars_by(_depth_of),
    ),
    Measure(
        name="opening_range",
        title="Opening range",
        about="High and low of the first minutes of the session, and where spot is to them.",
        formula=(
            "`formed` once the first minutes are over; then spot is `above` their high, `below` their low, or `inside`."
        ),
        source="finished minutes of the session, and spot",
        units=TEXT,
        words={
            "formed": "the first minutes are over: their high and low are final",
            "above": "above the high of the first minutes",
            "below": "below the low of the first minutes",
            "inside": "between the low and the high of the first minutes, both included",
        },
        parameters=(
            SYMBOL,
            Parameter(
                name="first",
                takes=Takes.OPENING,
                required=True,
                about="How long from the open the range forms: whole minutes, at most 3h.",
                example="30m",
                ref="duration",
            ),
        ),
        max_age=LEVEL_AGE,
        reads=("facts", "spot"),
        judge_word=opening_range,
        reach=(*stretch(0.0, 0.0), *stretch(1.0, 1.0), *stretch(2.0, 2.0), *stretch(3.0, 3.0)),
        phrase=_opening_range_words,
        subject="Whether it is formed, or where spot is.",
        examples=({"first": "30m", "is": "above"},),
        let_example={"first": "60m"},
        bars=_of_first_minutes,
        numbers={"formed": (1.0, 3.0)},
    ),
)
