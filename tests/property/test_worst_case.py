"""The worst case of all bots is never exceeded, at any prices and whichever of the positions are there."""

from datetime import date
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from tries import tries

from engine.model.contract import Option, Right
from engine.model.money import ZERO
from engine.model.payoff import Way, intrinsic, worst_together

DAYS = (date(2026, 11, 18), date(2027, 2, 19))
OPTIONS = st.builds(
    Option,
    st.just("SPX"),
    st.sampled_from(("SPX", "SPXW")),
    st.sampled_from(DAYS),
    st.integers(1, 20).map(lambda step: Decimal(step * 5)),
    st.sampled_from(Right),
)
WAYS: st.SearchStrategy[list[Way]] = st.lists(
    st.lists(st.tuples(OPTIONS, st.integers(-3, 3), st.decimals(-5000, 5000, places=2)), min_size=1, max_size=4).map(
        tuple
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=tries(75))
@given(positions=WAYS, data=st.data())
def test_no_outcome_is_worse(positions: list[Way], data: st.DataObject) -> None:
    worst = worst_together([[way] for way in positions])
    spots = {
        (name, day): Decimal(data.draw(st.integers(0, 130))) for name in ("SPX", "SPXW") for day in DAYS
    }  # every class and last day settles at a price of its own
    kept = [way for way in positions if data.draw(st.booleans())]
    made = sum((cash + worth(option, count, way, spots) for way in kept for option, count, cash in way), ZERO)
    assert worst is None or -made <= worst


def worth(option: Option, count: int, way: Way, spots: dict[tuple[str, date], Decimal]) -> Decimal:
    """Return the dollars of an option as it ends; what was bought is sold with the last of the sold that end before.

    The class SPX ends at the opening prints of the day after.
    """
    end = (option.expiry, option.trading_class == "SPX")
    sold = [(each.expiry, each.trading_class == "SPX") for each, number, _ in way if number < 0]
    day, is_at_open = max([each for each in sold if each <= end], default=end) if count > 0 else end
    return intrinsic(option, spots["SPX" if is_at_open else "SPXW", day]) * count * option.multiplier


@settings(max_examples=tries(50))
@given(positions=WAYS)
def test_one_position_more_never_lowers_it(positions: list[Way]) -> None:
    fewer = worst_together([[way] for way in positions[1:]])
    all_of_them = worst_together([[way] for way in positions])
    assert all_of_them is None or (fewer is not None and fewer <= all_of_them)
