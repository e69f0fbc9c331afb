"""What rules see of positions is made once, and anew whenever one has changed."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from hand_desk import SELLER, Desk, text_of

from rulebot.core.queries.day_pnl import keep_structures, structure
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_position
from rulebot.core.state.lists import active_positions, first_expiry
from rulebot.core.state.turn import finish_turn
from rulebot.model.session import session_after


def test_what_rules_see_of_a_position_is_made_again_with_the_position_alone() -> None:
    desk = Desk()
    desk.opened()
    work = StateBuilder(desk.program, desk.state, desk.now)
    (name,) = work.positions.active
    before = structure(work, work.positions.by_id[name])
    keep_structures(work)
    assert work.positions.structures[name] is before
    legs = tuple(replace(leg, commissions=leg.commissions + Decimal("7.00")) for leg in work.positions.by_id[name].legs)
    changed = put_position(work, replace(work.positions.by_id[name], legs=legs))
    after = structure(work, changed)
    assert after.net == before.net - 7 * len(legs)
    keep_structures(work)
    assert work.positions.structures[name] is after
    again = put_position(work, replace(changed, quantity=changed.quantity))
    assert structure(work, again) is not after


def test_a_change_of_one_position_leaves_what_rules_see_of_the_others() -> None:
    desk = Desk((text_of("first"), text_of("second", entry='{at: "10:05"}')))
    desk.opened()
    desk.opened("10:05")
    work = StateBuilder(desk.program, desk.state, desk.now)
    one, two = (work.positions.by_id[name] for name in work.positions.active)
    of_one, of_two = structure(work, one), structure(work, two)
    changed = put_position(work, replace(one, quantity=one.quantity))
    state = finish_turn(work).state
    assert changed.id not in state.positions.structures
    later = StateBuilder(desk.program, state, desk.now)
    assert structure(later, changed) == of_one
    assert structure(later, two) is of_two


def test_what_rules_see_of_a_position_is_made_again_when_its_legs_have_other_rows() -> None:
    desk = Desk()
    desk.opened()
    (position,) = (desk.state.positions.by_id[name] for name in desk.state.positions.active)
    before = structure(StateBuilder(desk.program, desk.state, desk.now), position)
    board, option = desk.state.market.board, before.legs[0].option
    board.drop(option)
    assert structure(StateBuilder(desk.program, desk.state, desk.now), position).legs[0].row == -1
    board.add(next(each for each in board.rows if each.symbol == "VIX"))
    board.add(option)
    after = structure(StateBuilder(desk.program, desk.state, desk.now), position)
    assert [leg.row for leg in after.legs] == [board.rows[leg.option] for leg in after.legs]
    assert [part.row for part in after.parts] == [board.rows[part.option] for part in after.parts]


def test_a_position_that_is_not_the_one_kept_is_seen_as_it_is() -> None:
    desk = Desk()
    desk.opened()
    work = StateBuilder(desk.program, desk.state, desk.now)
    (position,) = active_positions(work)
    known = structure(work, position)
    legs = tuple(replace(leg, commissions=leg.commissions + Decimal("7.00")) for leg in position.legs)
    assert structure(work, replace(position, legs=legs)).net == known.net - 7 * len(legs)
    assert structure(work, position) is known


def test_what_happened_to_a_position_before_the_open_counts_from_the_first_quote_on() -> None:
    """The turn of the open makes it twice: as what is streamed is chosen, and as the open's move is waited for."""
    desk = Desk((text_of("seller", **SELLER),))
    (execution,) = desk.fill(desk.enter("10:01"))
    desk.until("16:30")
    desk.now = session_after(desk.day).open - timedelta(hours=3)
    desk.commission(execution, "1.50")
    desk.now = session_after(desk.day).open
    desk.tick()
    assert (
        desk.state.positions.structures[desk.position.id].net
        == desk.position.net
        == desk.position.cash - Decimal("1.50")
    )


def test_what_is_held_to_its_last_day_is_found_again_when_a_position_changes() -> None:
    desk = Desk()
    assert first_expiry(StateBuilder(desk.program, desk.state, desk.now)) == date.max
    held = desk.opened()
    work = StateBuilder(desk.program, desk.state, desk.now)
    (position,) = active_positions(work)
    assert first_expiry(work) == min(leg.option.expiry for leg in held.legs) == desk.day
    legs = tuple(replace(leg, closed=leg.opened) for leg in position.legs)
    put_position(work, replace(position, legs=legs))
    assert first_expiry(work) == date.max
    assert finish_turn(work).state.positions.expires == date.max
