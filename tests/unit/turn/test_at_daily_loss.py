"""`at_daily_loss: close`: the loss of the day closes what is open."""

import pytest
from hand_desk import Desk, put, text_of

from engine.model.halt import Halt
from engine.model.order import Purpose


@pytest.mark.parametrize(("key", "closes"), [("", False), (", at_daily_loss: close", True)])
def test_the_loss_of_the_day_closes_what_is_open_where_that_is_asked(key: str, closes: bool) -> None:
    desk = Desk((text_of(exits='\n  - time: "15:45"\n', risk=f"{{max_loss_per_trade: $2000, daily_loss: $100{key}}}"),))
    desk.opened()
    desk.quote(put(5945), 3.65, 3.75, -0.2)
    desk.quote(put(5935), 1.55, 1.65, -0.07)
    desk.tick(1)
    desk.tick(1)
    assert desk.state.bots["spread"].day.halt is Halt.DAY_LOSS
    closing = [order for order in desk.submitted if order.purpose is not Purpose.ENTRY]
    assert bool(closing) is closes
    assert desk.position.exit_reason == ("daily_loss" if closes else "")
    if closes:
        desk.fill(desk.last)
        assert desk.position.state == "closed"
