"""No outcome of a structure that comes apart is worse than its bound."""

from decimal import Decimal

from hand_desk import call, put
from hypothesis import given, settings
from hypothesis import strategies as st
from tries import tries

from rulebot.model.loss_bound import loss_bound
from rulebot.model.money import ZERO
from rulebot.model.payoff import intrinsic
from rulebot.model.position import PositionLeg

PARTS = 4
SPOTS = st.integers(0, 130).map(Decimal)
LEGS = st.lists(
    st.builds(
        lambda right, strike, sign, ratio, group: PositionLeg(
            name="leg", option=right(strike * 5), sign=sign, ratio=ratio, group=group
        ),
        st.sampled_from((put, call)),
        st.integers(1, 20),
        st.sampled_from((1, -1)),
        st.integers(1, 3),
        st.sampled_from(("", "one", "two")),
    ),
    min_size=1,
    max_size=6,
)
NETS = st.decimals(-50, 50, places=2)


@settings(max_examples=tries(300))
@given(legs=LEGS, net=NETS, data=st.data())
def test_groups_that_close_in_parts_at_any_prices_lose_no_more(
    legs: list[PositionLeg], net: Decimal, data: st.DataObject
) -> None:
    bound, made = loss_bound(legs, net), net
    for group in {leg.group for leg in legs}:
        for spot in data.draw(st.lists(SPOTS, min_size=PARTS, max_size=PARTS)):
            held = (leg for leg in legs if leg.group == group)
            made += sum((leg.sign * leg.price_multiplier * intrinsic(leg.option, spot) for leg in held), ZERO) / PARTS
    assert bound is None or -made <= bound


@settings(max_examples=tries(200))
@given(legs=LEGS, net=NETS)
def test_coming_apart_never_lowers_it(legs: list[PositionLeg], net: Decimal) -> None:
    together = [PositionLeg(name="leg", option=leg.option, sign=leg.sign, ratio=leg.ratio) for leg in legs]
    bound, whole = loss_bound(legs, net), loss_bound(together, net)
    assert bound is None or (whole is not None and whole <= bound)
