"""`stochastic`: position of the close in the range of the last bars."""

from rulebot.measure.definition import BARS, OF_BARS, PLAIN, SYMBOL, Measure, choice, count
from rulebot.measure.ranges import stretch
from rulebot.measure.series import Depth, given_count
from rulebot.measure.tree import Call
from rulebot.measure.usual import RANK
from rulebot.measure.words import over
from rulebot.measures.bars import bars_by, calculated_by, means
from rulebot.model.facts import Bar

_LINES = {
    "k": "position of the close in the range, smoothed",
    "d": "the mean of the last values of k",
}


def _depth(call: Call) -> Depth:
    needed = sum(given_count(call, name) for name in ("window", "smooth", "signal")) - 2
    return Depth(needed, needed)


def oscillator(bars: tuple[Bar, ...], call: Call) -> float:
    """Return %K or %D, 0 to 100; a window without a range counts 50."""
    window = given_count(call, "window")
    raw = [_place(bars[end - window : end]) for end in range(window, len(bars) + 1)]
    slow = means(raw, given_count(call, "smooth"))
    return slow[-1] if call.argument("line") == "k" else means(slow, given_count(call, "signal"))[-1]


def _place(bars: tuple[Bar, ...]) -> float:
    low, high = min(bar.low for bar in bars), max(bar.high for bar in bars)
    return 100.0 * (bars[-1].close - low) / (high - low) if high > low else 50.0


MEASURES = (
    Measure(
        name="stochastic",
        title="Stochastic oscillator",
        about="The position of the last close between the low and the high of the last bars, 0 to 100, smoothed.",
        formula="`k`: mean over `smooth` bars of 100 x (close - low) / (high - low) of the last `window` bars; `d`: "
        "the mean of k over `signal` bars. A window without a range counts 50.",
        source=OF_BARS,
        units=PLAIN,
        parameters=(
            SYMBOL,
            count("window", 14, "How many bars the range is over; by default 14.", 14),
            count("smooth", 3, "How many bars k is smoothed over; by default 3.", 3),
            count("signal", 3, "How many bars d is over; by default 3.", 3),
            choice("line", "k", _LINES, "Which line; by default k.", "d"),
            BARS,
        ),
        max_age=None,
        reads=("facts",),
        calculation=calculated_by(_depth, oscillator),
        bars=bars_by(_depth),
        usual=RANK,
        reach=stretch(0.0, 100.0),
        phrase=lambda words: f"the stochastic {words.given('line')}{words.of_symbol} over {over(words)}",
        subject="the oscillator",
        bound="score",
        examples=({"below": 20},),
        bounds=(20, 80),
        let_example={"line": "d"},
    ),
)
