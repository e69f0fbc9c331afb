"""`macd`: how far a fast average is above a slow one, and whether that grows."""

from collections.abc import Mapping

from rulebot.measure.definition import BARS, OF_BARS, POINTS, SYMBOL, Measure, Refusal, choice, count
from rulebot.measure.series import Depth, given_count
from rulebot.measure.tree import Argument, Call, Quantity
from rulebot.measure.usual import Scale, scaled
from rulebot.measure.words import MeasureText, over
from rulebot.measures.bars import averaged, bars_by, calculated_by
from rulebot.model.facts import Bar

_LINES = {
    "macd": "the fast exponential average less the slow one",
    "signal": "the exponential average of the line of MACD",
    "histogram": "the line of MACD less its signal line",
}


def _depth(call: Call) -> Depth:
    slow, signal = given_count(call, "slow"), given_count(call, "signal")
    return Depth(8 * slow + signal, 2 * slow + signal)


def convergence(bars: tuple[Bar, ...], call: Call) -> float:
    """Return one line of the MACD, points; both averages begin with the mean of their first closes."""
    fast, slow, signal = (given_count(call, name) for name in ("fast", "slow", "signal"))
    closes = [bar.close for bar in bars]
    slow_average = averaged(closes, slow)
    fast_average = averaged(closes, fast)[-len(slow_average) :]
    line = [quick - steady for quick, steady in zip(fast_average, slow_average, strict=True)]
    steady_line = averaged(line, signal)[-1]
    return {"macd": line[-1], "signal": steady_line, "histogram": line[-1] - steady_line}[str(call.argument("line"))]


def _refuse(given: Mapping[str, Argument]) -> Refusal | None:
    fast, slow = (int(str(given[name])) for name in ("fast", "slow"))
    message = f"the fast average must be over fewer bars than the slow one, but they are over {fast} and {slow}"
    return None if fast < slow else Refusal(message)


def _words(words: MeasureText) -> str:
    line = {"macd": "MACD", "signal": "the signal line of MACD", "histogram": "the histogram of MACD"}
    counts = f"{words.given('fast')}, {words.given('slow')} and {over(words, 'signal')}"
    return f"{line[str(words.given('line'))]}{words.of_symbol} over {counts}"


MEASURES = (
    Measure(
        name="macd",
        title="MACD",
        about="The fast exponential average less the slow one, the average of that, or how far it is above it.",
        formula="`macd`: ema(`fast`) - ema(`slow`) of the last 8 x `slow` + `signal` closes; `signal`: the "
        "exponential mean of that over `signal` bars; `histogram`: the first less the second.",
        source=OF_BARS,
        units=POINTS,
        parameters=(
            SYMBOL,
            count("fast", 12, "How many bars the fast average is over; by default 12.", 12),
            count("slow", 26, "How many bars the slow average is over; by default 26.", 26),
            count("signal", 9, "How many bars the signal line is over; by default 9.", 9),
            choice("line", "macd", _LINES, "Which line; by default macd.", "histogram"),
            BARS,
        ),
        max_age=None,
        reads=("facts",),
        calculation=calculated_by(_depth, convergence),
        bars=bars_by(_depth),
        refuse=_refuse,
        usual=scaled(Quantity.POINTS, 0.01, 9.0, Scale.DAY_IN_POINTS, signed=True, zero=True),
        phrase=_words,
        subject="the line",
        bound="distance",
        examples=({"line": "histogram", "above": "0 pts"},),
        bounds=("0 pts", "25 pts"),
        let_example={"line": "signal"},
    ),
)
