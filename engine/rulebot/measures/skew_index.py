"""`skew_index`: what the market pays for puts far out of the money; `skew` is that of one underlying's options."""

from rulebot.measure.tree import Quantity
from rulebot.measure.usual import usual
from rulebot.measures.market import index_level

MEASURES = (
    index_level(
        "SKEW",
        "The level of SKEW: 100 when S&P 500 puts far out of the money cost nothing extra, more the dearer they are.",
        usual(Quantity.LEVEL, 95.0, 200.0),
        (120, 145),
        {"below": 145},
        name="skew_index",
    ),
)
