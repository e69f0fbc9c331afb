"""`bollinger`: a band around the average, as wide as the closes scatter."""

from statistics import fmean, pstdev

from rulebot.measure.definition import BARS, OF_BARS, SPOT_LEVEL, SYMBOL, Measure, Parameter, Takes, choice, count
from rulebot.measure.ranges import POSITIVE
from rulebot.measure.series import Depth, given_count
from rulebot.measure.tree import Call
from rulebot.measure.usual import PRICE_LEVEL, Likeness
from rulebot.measure.words import over
from rulebot.measures.bars import bars_by, calculated_by
from rulebot.model.facts import Bar

_BANDS = {
    "upper": "the band above the average",
    "middle": "the average itself",
    "lower": "the band below the average",
}
_SIDES = {"upper": 1.0, "middle": 0.0, "lower": -1.0}


def _depth(call: Call) -> Depth:
    window = given_count(call, "window")
    return Depth(window, window)


def band(bars: tuple[Bar, ...], call: Call) -> float:
    """Return the level of one band in points: the mean plus this many deviations of the closes."""
    closes = [bar.close for bar in bars]
    side = _SIDES[str(call.argument("band"))]
    return fmean(closes) + side * float(str(call.argument("width"))) * pstdev(closes)


MEASURES = (
    Measure(
        name="bollinger",
        title="Bollinger band",
        about="A band around the simple average of the closes: a number of standard deviations above or below it.",
        formula="Mean of the last `window` closes, plus or minus `width` x their standard deviation (of all, not of a "
        "sample).",
        source=OF_BARS,
        units=SPOT_LEVEL,
        parameters=(
            SYMBOL,
            count("window", 20, "How many bars the average is over; by default 20.", 20),
            Parameter(
                name="width",
                takes=Takes.NUMBER,
                default=2,
                about="How many standard deviations from the average; by default 2.",
                example=2.5,
                ref="deviations",
            ),
            choice("band", "upper", _BANDS, "Which band; by default upper.", "lower"),
            BARS,
        ),
        max_age=None,
        reads=("facts",),
        calculation=calculated_by(_depth, band),
        bars=bars_by(_depth),
        usual=PRICE_LEVEL,
        reach=POSITIVE,
        likeness=Likeness.PRICE,
        phrase=lambda words: f"the {words.given('band')} Bollinger band{words.of_symbol} over {over(words)}",
        subject="the band",
        bound="level",
        examples=({"band": "lower", "above": 5900},),
        bounds=(5900, 6100),
        let_example={"band": "lower"},
    ),
)
