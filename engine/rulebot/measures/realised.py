"""Realised volatility: what an underlying has moved in finished sessions, by one of four estimators, percent a year.

`close_to_close` and `yang_zhang` have the move over night in them, `intraday` too; `parkinson` measures what is moved
between open and close alone. A bar that is missing, or is none, makes all of it unknown: no day is left out, and none
is made of what stands in a bar that cannot be.

Source: Parkinson, The Extreme Value Method for Estimating the Variance of the Rate of Return, Journal of Business 53
(1980); Rogers and Satchell, Estimating Variance from High, Low and Closing Prices, Annals of Applied Probability 1
(1991); Yang and Zhang, Drift-Independent Volatility Estimation Based on High, Low, Open, and Close Prices, Journal of
Business 73 (2000); Andersen and Bollerslev, Answering the Skeptics: Yes, Standard Volatility Models Do Provide Accurate
Forecasts, International Economic Review 39 (1998), for the sum of squared returns of five minutes; Hansen and Lunde, A
Forecast Comparison of Volatility Models, Journal of Applied Econometrics 20 (2005), for the squared return over night
that makes it one of whole days.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from itertools import pairwise
from math import inf, log, sqrt

from rulebot.measure.definition import SYMBOL, VOLATILITY, Measure, Refusal, choice, count
from rulebot.measure.ranges import NOT_NEGATIVE
from rulebot.measure.reading import Calculation, Context, Input, Read, Reading, UnknownValue, kept
from rulebot.measure.series import (
    BARS_A_SESSION,
    DAY,
    FIVE_MINUTES,
    INTRADAY,
    MOST_SESSIONS,
    OF_SAMPLES,
    Series,
    estimator_of,
)
from rulebot.measure.tree import Argument, Call
from rulebot.measure.usual import RATE, Likeness
from rulebot.measure.view import View
from rulebot.measure.words import MeasureText
from rulebot.measures.bars import finished_bars, too_few
from rulebot.model.facts import Bar, Bars
from rulebot.model.session import (
    EXCHANGE_ZONE,
    SESSIONS_A_YEAR,
    Session,
    exchange_date,
    known_before,
    session_before,
)
from rulebot.model.text import counted

_SLACK = 1e-4
"""The part by which an open or close may lie outside of its bar's high and low: official closes do."""


def rv(call: Call, context: Context) -> Read:
    """Bind `rv`."""
    symbol, window = str(call.argument("of")), int(str(call.argument("window")))
    match estimator_of(call):
        case "parkinson":
            return _of_days(symbol, window, window, _parkinson)
        case "yang_zhang":
            return _of_days(symbol, window + 1, window, _yang_zhang)
        case "intraday":
            return _of_sessions(symbol, window)
        case _:
            return realised(symbol, window)


def rv_of(call: Call) -> Calculation:
    """Return `rv`."""
    return Calculation((Input(partial(rv, call)),))


def _annual(variance: float) -> float:
    return sqrt(max(variance, 0.0) * SESSIONS_A_YEAR) * 100.0


# ---------------------------------------------------------------- of closes


def realised(symbol: str, window: int) -> Read:
    """Return the reader of the close-to-close volatility over `window` sessions, percent a year."""
    key = ("rv", symbol, window)

    def read(view: View) -> Reading:
        found: Reading | None = view.memo.get(key)
        if found is None:
            found = view.memo[key] = _realised(view.facts.closes.get(symbol, ()), symbol, window)
        return found

    return read


def _realised(closes: tuple[float, ...], symbol: str, window: int) -> Reading:
    used = closes[-window - 1 :]
    if len(used) < window + 1:
        return UnknownValue(f"{symbol}: {counted(len(used), 'daily close')} in a row, {window + 1} are needed")
    if not all(close > 0.0 for close in used):
        return UnknownValue(f"{symbol}: a daily close is not a price")
    return _annual(_sample_variance([log(later / earlier) for earlier, later in pairwise(used)]))


def _sample_variance(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / (len(values) - 1)


# ---------------------------------------------------------------- of daily bars


def _of_days(symbol: str, count: int, window: int, variance: Callable[[Sequence[Bar]], float]) -> Read:
    """Return the reader of an estimator over daily bars.

    count: bars that are read; those before the last `window` are read for their closes alone.
    """
    bars_of = finished_bars(symbol, DAY)

    def make(found: Bars, session: Session) -> Reading:
        used = _last_days(found.bars, count, session, symbol)
        if isinstance(used, UnknownValue):
            return used
        for place, bar in enumerate(used):
            problem = _problem(bar, is_close_alone=place < count - window)
            if not problem and place >= count - window and bar.high == bar.low:
                problem = f"has one price, {bar.close:g}, and no range"
            if problem:
                return UnknownValue(f"{symbol}: the daily bar of {_day(bar)} {problem}")
        return _annual(variance(used))

    made = kept(make)

    def read(view: View) -> Reading:
        found = bars_of(view)
        return found if isinstance(found, UnknownValue) else made(found, view.session)

    return read


def _last_days(bars: tuple[Bar, ...], count: int, session: Session, symbol: str) -> tuple[Bar, ...] | UnknownValue:
    """Return the bars of this many sessions before one, each session's separately."""
    used = bars[-count:]
    for bar, earlier in zip(reversed(used), known_before(session.date), strict=False):
        if _day(bar) != earlier.date:
            return UnknownValue(f"{symbol}: the daily bar of {earlier.date} is missing")
    return used if len(used) == count else too_few(symbol, DAY, len(used), count)


def _parkinson(bars: Sequence[Bar]) -> float:
    """Return the variance of a session: the mean of ln(high / low)^2, over 4 ln 2. Source: Parkinson 1980."""
    return sum(log(bar.high / bar.low) ** 2 for bar in bars) / len(bars) / (4.0 * log(2.0))


def _yang_zhang(bars: Sequence[Bar]) -> float:
    """Return the variance of a day: over night, and of k parts from open to close and 1 - k parts of Rogers and
    Satchell, with the k that makes it least. The first bar gives its close alone. Source: Yang and Zhang 2000.
    """
    nights = [log(bar.open / before.close) for before, bar in pairwise(bars)]
    days = [log(bar.close / bar.open) for bar in bars[1:]]
    ranges = [
        log(bar.high / bar.close) * log(bar.high / bar.open) + log(bar.low / bar.close) * log(bar.low / bar.open)
        for bar in bars[1:]
    ]
    count = len(days)
    k = 0.34 / (1.34 + (count + 1) / (count - 1))
    return _sample_variance(nights) + k * _sample_variance(days) + (1.0 - k) * sum(ranges) / count


# ---------------------------------------------------------------- of bars within sessions


def _of_sessions(symbol: str, window: int) -> Read:
    """Return the reader of realised variance from bars of five minutes, as a volatility."""

    def make(bars: tuple[Bar, ...], session: Session) -> Reading:
        sessions = _whole_sessions(bars, window, session, symbol)
        if isinstance(sessions, UnknownValue):
            return sessions
        before, total = sessions[0][-1].close, 0.0
        for one in sessions[1:]:
            levels = (before, one[0].open, *(bar.close for bar in one))
            total += sum(log(later / earlier) ** 2 for earlier, later in pairwise(levels))
            before = one[-1].close
        return _annual(total / window)

    made = kept(make)
    finished = kept(_of_earlier)

    def read(view: View) -> Reading:
        found = view.facts.bars.get((symbol, FIVE_MINUTES))
        if found is None:
            return UnknownValue(f"{symbol}: 5m bars are not known yet")
        until = session_before(view.session.date).close.timestamp()
        if found.known_until < until:
            at = datetime.fromtimestamp(found.known_until, UTC).astimezone(EXCHANGE_ZONE)
            return UnknownValue(f"{symbol}: 5m bars are known until {at:%Y-%m-%d %H:%M} only")
        value: Reading = made(finished(found, view.session), view.session)
        return value

    return read


def _of_earlier(found: Bars, session: Session) -> tuple[Bar, ...]:
    opened = session.open.timestamp()
    return tuple(bar for bar in found.bars if bar.at < opened)


def _whole_sessions(
    bars: tuple[Bar, ...], window: int, session: Session, symbol: str
) -> list[list[Bar]] | UnknownValue:
    """Return the bars of this many sessions before one, oldest first, after the last bar of the session before them."""
    known = {bar.at: bar for bar in bars}
    first, found = (bars[0].at if bars else inf), list[list[Bar]]()
    for earlier in known_before(session.date):
        is_whole = len(found) < window
        opened, closed = int(earlier.open.timestamp()), int(earlier.close.timestamp())
        starts = range(opened if is_whole else closed - FIVE_MINUTES, closed, FIVE_MINUTES)
        if starts[0] < first:
            break
        for at in starts:
            bar = known.get(float(at))
            problem = "is missing" if bar is None else _problem(bar, is_close_alone=not is_whole)
            if problem:
                clock = datetime.fromtimestamp(at, UTC).astimezone(EXCHANGE_ZONE)
                return UnknownValue(f"{symbol}: the 5m bar of {clock:%Y-%m-%d %H:%M} {problem}")
        found.append([known[float(at)] for at in starts])
        if not is_whole:
            return found[::-1]
    return UnknownValue(f"{symbol}: 5m bars of {len(found)} sessions, {window} are needed and the close before them")


# ---------------------------------------------------------------- bars that are none


def _day(bar: Bar) -> date:
    return exchange_date(datetime.fromtimestamp(bar.at, UTC))


def _problem(bar: Bar, *, is_close_alone: bool) -> str:
    """Return why nothing can be made of a bar, or of its close, "" when it is sound."""
    prices = {"close": bar.close} if is_close_alone else bar._asdict()
    for name in ("open", "high", "low", "close"):
        if name in prices and not 0.0 < prices[name] < inf:
            return f"has no price as its {name}"
    if is_close_alone:
        return ""
    if bar.high < bar.low:
        return f"has its high, {bar.high:g}, below its low, {bar.low:g}"
    slack = _SLACK * bar.close
    if not all(bar.low - slack <= each <= bar.high + slack for each in (bar.open, bar.close)):
        return f"opens at {bar.open:g} and closes at {bar.close:g}, not both within {bar.low:g} to {bar.high:g}"
    return ""


BY_ESTIMATOR = {
    "parkinson": " by Parkinson",
    "yang_zhang": " by Yang and Zhang",
    "intraday": " by moves of 5 minutes",
}
"""How realised volatility is estimated; nothing is said of closes, which everybody expects."""


def realised_words(words: MeasureText) -> str:
    """Return ` of SPY by Parkinson (20 sessions)`, as far as it is not what everybody expects."""
    by, window = BY_ESTIMATOR.get(str(words.given("estimator")), ""), words.given("window")
    return f"{words.of_symbol}{by}{f' ({window} sessions)' if window is not None else ''}"


def bars_of_estimator(call: Call) -> Mapping[Series, int]:
    """Return the bars of an estimator, with the close before the first session where it reads the overnight move.

    Of five minutes, enough to reach back far enough when today's session, whose bars are included, is over.
    """
    symbol, window = str(call.argument("of")), int(str(call.argument("window")))
    match estimator_of(call):
        case "parkinson":
            return {(symbol, DAY): window}
        case "yang_zhang":
            return {(symbol, DAY): window + 1}
        case "intraday":
            return {(symbol, FIVE_MINUTES): BARS_A_SESSION * (window + 1) + 1}
        case _:
            return {}


def refuse_window(given: Mapping[str, Argument]) -> Refusal | None:
    """Refuse a number of sessions that an estimator cannot use, or beyond the broker's bars."""
    window, estimator = int(str(given["window"])), given["estimator"]
    if estimator in OF_SAMPLES and window < 2:
        help_text = "one return has no variance: 'parkinson' and 'intraday' take one session"
        return Refusal(f"'{estimator}' is over 2 sessions at least, is {window}", help_text, "window")
    if estimator == INTRADAY and window > MOST_SESSIONS:
        help_text = "the broker sends a few thousand bars at a time; the other estimators read one a session"
        return Refusal(f"'intraday' is over {MOST_SESSIONS} sessions at most, is {window}", help_text, "window")
    return None


ESTIMATED = (
    count("window", 20, "How many sessions the realised volatility looks back; by default 20.", 20, ref="count"),
    choice(
        "estimator",
        "close_to_close",
        ("close_to_close", "parkinson", "yang_zhang", "intraday"),
        (
            "How realised volatility is estimated: from closes (the default), from daily highs and lows, from "
            "whole daily bars, or from bars of five minutes."
        ),
        "yang_zhang",
    ),
)
"""The arguments by which realised volatility is estimated."""

MEASURES: tuple[Measure, ...] = (
    Measure(
        name="rv",
        title="Realised volatility",
        about="Realised volatility, annual per cent.",
        formula=(
            "The root of the variance of a day over the last `window` sessions x 252, annualised %. "
            "`close_to_close`: the sample variance of log returns between closes. `parkinson`: mean of ln(high / "
            "low)^2 / (4 ln 2), without the nights. `yang_zhang`: sample variance of ln(open / close before) + k "
            "x that of ln(close / open) + (1 - k) x mean of ln(high / close) ln(high / open) + ln(low / close) "
            "ln(low / open), k = 0.34 / (1.34 + (n + 1) / (n - 1)). `intraday`: mean over sessions of the "
            "squared log returns of five minutes added up, with the square of ln(open / close before)."
        ),
        source="closes, daily bars, or bars of five minutes, of finished sessions",
        units=VOLATILITY,
        parameters=(SYMBOL, *ESTIMATED),
        max_age=None,
        reads=("facts",),
        calculation=rv_of,
        refuse=refuse_window,
        usual=RATE,
        reach=NOT_NEGATIVE,
        phrase=lambda words: f"realised volatility{realised_words(words)}",
        subject="realised volatility",
        bound="rate",
        examples=({"above": "12%"},),
        bounds=("12%", "20%"),
        let_example={"window": 20},
        is_realised=True,
        likeness=Likeness.VOLATILITY,
        bars=bars_of_estimator,
    ),
)
