"""On random paths of quotes no order of a target goes past its price, and no trade that it closes keeps less."""

from decimal import Decimal

from hand_desk import CONDOR, Desk, call, put, text_of
from hypothesis import given, settings
from hypothesis import strategies as st

from rulebot.model.order import Order, OrderStatus, OrderType, Purpose, Replace, Submit
from rulebot.model.position import kept_of

STARTS = (
    "market",
    "{start: natural, wait: 5s, tries: 2, then: market}",
    "{start: mid, step: 0.05, wait: 5s, tries: 3}",
)
PARTS = {"25%": Decimal("0.75"), "50%": Decimal("0.50"), "70%": Decimal("0.30")}
COSTS = st.integers(1, 30).map(lambda ticks: ticks * 0.05)
WIDTHS = st.sampled_from((0.05, 0.10, 0.20))
STEPS = st.lists(st.tuples(COSTS, WIDTHS, st.sampled_from((1, 5, 6)), st.integers(0, 3)), min_size=4, max_size=25)


def quote(desk: Desk, amount: float, width: float) -> None:
    """Quote both spreads of a condor so that closing each costs so much at mid."""
    for short, wing in ((put(5945), put(5935)), (call(6055), call(6065))):
        sign = -1 if short.right.value == "put" else 1
        desk.quote(short, 0.40 + amount - width / 2, 0.40 + amount + width / 2, 0.10 * sign)
        desk.quote(wing, 0.40 - width / 2, 0.40 + width / 2, 0.07 * sign)


def sent(desk: Desk) -> list[Order]:
    """Return the orders of the target as they were sent and changed."""
    reported = [each.order for each in desk.commands if isinstance(each, Submit | Replace)]
    return [order for order in reported if order.reason == "target" and order.purpose is Purpose.EXIT]


def answer(desk: Desk, how: int, costs: float) -> None:
    """Let the broker take, cancel, or fill at the mid what it was asked for."""
    for order in desk.live:
        if order.status is OrderStatus.CANCELLING:
            desk.cancelled(order)
        elif order.status is OrderStatus.SENDING:
            desk.ack(order)
        elif how == 3 and order.limit_price is not None and order.limit_price >= Decimal(f"{costs:.2f}"):
            desk.fill(order, 1)
        elif how == 2 and order.kind is OrderType.MARKET:
            desk.fill(order)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(PARTS)), st.sampled_from(STARTS), st.booleans(), STEPS)
def test_no_order_of_a_target_goes_past_its_price(
    part: str, ladder: str, is_condor: bool, steps: list[tuple[float, float, int, int]]
) -> None:
    exits = f'\n  - time: "15:45"\n  - stop: {{cost: 3x credit}}\n  - target: {{profit: {part}}}\n    order: {ladder}\n'
    legs = {"legs": CONDOR} if is_condor else {}
    desk = Desk((text_of(exits=exits, quantity="2", risk="{max_loss_per_trade: $20000}", **legs),))
    desk.opened()
    entry = desk.position.entry_price
    assert entry is not None
    most = entry * PARTS[part]
    for amount, width, seconds, how in steps:
        quote(desk, amount, width)
        desk.tick(seconds)
        if not any(order.has_fills for order in desk.state.orders.by_ref.values() if order.purpose is Purpose.EXIT):
            assert all(order.limit_price is not None and order.limit_price <= most for order in sent(desk))
        answer(desk, how, amount * (2 if is_condor else 1))
        if desk.position.state == "closed":
            break
    assert all(order.kind is OrderType.LIMIT for order in sent(desk))
    found = kept_of(desk.position)
    assert found is None or not found.is_missed
    working = [order for order in desk.live if order.purpose is Purpose.EXIT]
    assert len(working) <= 1, "never two orders to close the same legs"
