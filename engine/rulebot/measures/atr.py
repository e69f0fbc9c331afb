"""`atr`: how far the price ranges within a bar, on average."""

from itertools import pairwise

from rulebot.measure.definition import BARS, OF_BARS, POINTS, SYMBOL, Measure, count
from rulebot.measure.ranges import NOT_NEGATIVE
from rulebot.measure.series import Depth, given_count
from rulebot.measure.tree import Call, Quantity
from rulebot.measure.usual import Scale, scaled
from rulebot.measure.words import over
from rulebot.measures.bars import bars_by, calculated_by, smoothed
from rulebot.model.facts import Bar


def _depth(call: Call) -> Depth:
    window = given_count(call, "window")
    return Depth(8 * window + 1, 2 * window + 1)


def average_true_range(bars: tuple[Bar, ...], call: Call) -> float:
    """Return Wilder's average of the true range, points: the range of a bar and of the close before it."""
    window = given_count(call, "window")
    ranges = [max(bar.high, before.close) - min(bar.low, before.close) for before, bar in pairwise(bars)]
    return smoothed(ranges, window, 1.0 / window)[-1]


MEASURES = (
    Measure(
        name="atr",
        title="Average true range",
        about="Wilder's average of the true range: how many points the price ranges over within a bar.",
        formula="Wilder's average over `window` of max(high, close before) - min(low, close before), of the last "
        "8 x `window` bars.",
        source=OF_BARS,
        units=POINTS,
        parameters=(SYMBOL, count("window", 14, "How many bars it is over; by default 14.", 14), BARS),
        max_age=None,
        reads=("facts",),
        calculation=calculated_by(_depth, average_true_range),
        bars=bars_by(_depth),
        usual=scaled(Quantity.POINTS, 0.05, 6.0, Scale.DAY_IN_POINTS),
        reach=NOT_NEGATIVE,
        phrase=lambda words: f"the average true range{words.of_symbol} over {over(words)}",
        subject="the average range",
        bound="distance",
        examples=({"below": "60 pts"},),
        bounds=("20 pts", "60 pts"),
        let_example={"window": 14, "bars": "5m"},
    ),
)
