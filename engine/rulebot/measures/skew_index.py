"""`skew_index`: what the market pays for puts far out of the money; `skew` is that of one underlying's options."""

from rulebot.measure.definition import NUMBER_LEVEL, Measure
from rulebot.measure.ranges import POSITIVE
from rulebot.measure.tree import Quantity
from rulebot.measure.usual import usual
from rulebot.measure.words import fixed
from rulebot.measures.market import level_of
from rulebot.model.market import VOLATILITY_INDEX_AGE

MEASURES = (
    Measure(
        name="skew_index",
        index="SKEW",
        title="SKEW",
        about="The level of SKEW: 100 when S&P 500 puts far out of the money cost nothing extra, more the dearer they "
        "are.",
        formula="The last level of SKEW, in index points.",
        source="last of the index SKEW",
        units=NUMBER_LEVEL,
        max_age=VOLATILITY_INDEX_AGE,
        reads=("index:SKEW",),
        read=level_of("SKEW"),
        usual=usual(Quantity.LEVEL, 95.0, 200.0),
        reach=POSITIVE,
        phrase=fixed("SKEW"),
        subject="SKEW",
        bound="level",
        examples=({"below": 145},),
        bounds=(120, 145),
    ),
)
