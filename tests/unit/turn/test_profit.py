"""What rules see of positions is made once, and anew whenever one has changed."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hand_desk import SELLER, Desk, text_of

from engine.model.session import session_after
from engine.turn.profit import structure, structures
from engine.turn.work import Work


def test_what_rules_see_of_a_position_is_made_anew_with_the_position_alone() -> None:
    desk = Desk()
    desk.opened()
    work = Work(desk.program, desk.state, desk.now)
    (name,) = work.active
    before = structure(work, work.positions[name])
    assert structures(work)[name] is before
    legs = tuple(replace(leg, commissions=leg.commissions + Decimal("7.00")) for leg in work.positions[name].legs)
    changed = work.put_position(replace(work.positions[name], legs=legs))
    after = structure(work, changed)
    assert after.net == before.net - 7 * len(legs)
    assert structures(work)[name] is after
    again = work.put_position(replace(changed, quantity=changed.quantity))
    assert structure(work, again) is not after


def test_what_happened_to_a_position_before_the_open_counts_from_the_first_quote_on() -> None:
    """The turn of the open makes it twice: as what is streamed is chosen, and as the open's move is waited for."""
    desk = Desk((text_of("seller", **SELLER),))
    (execution,) = desk.fill(desk.enter("10:01"))
    desk.until("16:30")
    desk.now = session_after(desk.day).open - timedelta(hours=3)
    desk.commission(execution, "1.50")
    desk.now = session_after(desk.day).open
    desk.tick()
    assert desk.state.structures[desk.position.id].net == desk.position.net == desk.position.cash - Decimal("1.50")
