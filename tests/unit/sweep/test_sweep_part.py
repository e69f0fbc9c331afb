"""What comes of some sessions of a variant, on its way between processes."""

import pickle
from datetime import date
from decimal import Decimal

import pytest

from rulebot.adapters.history.session import finding_text
from rulebot.sweep.variant import PeriodResult, VariantTrade

DAY, LATER = date(2026, 9, 1), date(2026, 9, 18)
TRADED = PeriodResult(
    number=3,
    point=("0.10", "noon"),
    since=DAY,
    profits=tuple(map(Decimal, ("0", "-0.00", "12.50", "-1E+3", "0.0000001"))),
    trades=(VariantTrade(Decimal("12.50"), DAY, DAY), VariantTrade(Decimal("-1000.00"), DAY, LATER)),
    alarms=(("it rained", 2),),
    sessions=(f"{DAY}",),
    findings=(finding_text("days", 0, "a day is missing"),),
)


@pytest.mark.parametrize("part", [TRADED, PeriodResult(number=0, point=(), since=DAY, problem="the spec is broken")])
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_part_arrives_as_it_was_sent_to_the_last_digit(part: PeriodResult, protocol: int) -> None:
    there = pickle.loads(pickle.dumps(part, protocol))
    assert there == part
    assert repr(there) == repr(part)  # digits that no comparison sees, as those of -0.00
