"""`vvix`: how much the market expects VIX to move."""

from rulebot.measure.definition import NUMBER_LEVEL, Measure
from rulebot.measure.ranges import POSITIVE
from rulebot.measure.tree import Quantity
from rulebot.measure.usual import usual
from rulebot.measure.words import fixed
from rulebot.measures.market import level_of
from rulebot.model.market import VOLATILITY_INDEX_AGE

MEASURES = (
    Measure(
        name="vvix",
        index="VVIX",
        title="VVIX",
        about="The level of VVIX, the volatility of VIX that its options expect.",
        formula="The last level of VVIX, in index points.",
        source="last of the index VVIX",
        units=NUMBER_LEVEL,
        max_age=VOLATILITY_INDEX_AGE,
        reads=("index:VVIX",),
        read=level_of("VVIX"),
        usual=usual(Quantity.LEVEL, 50.0, 220.0),
        reach=POSITIVE,
        phrase=fixed("VVIX"),
        subject="VVIX",
        bound="level",
        examples=({"below": 110},),
        bounds=(85, 110),
    ),
)
