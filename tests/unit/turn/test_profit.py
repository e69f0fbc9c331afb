"""What rules see of positions is made once, and anew whenever one has changed."""

from dataclasses import replace
from decimal import Decimal

from hand_desk import Desk

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
