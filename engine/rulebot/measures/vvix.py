"""`vvix`: how much the market expects VIX to move."""

from rulebot.measure.tree import Quantity
from rulebot.measure.usual import usual
from rulebot.measures.market import index_level

MEASURES = (
    index_level(
        "VVIX",
        "The level of VVIX, the volatility of VIX that its options expect.",
        usual(Quantity.LEVEL, 50.0, 220.0),
        (85, 110),
        {"below": 110},
    ),
)
