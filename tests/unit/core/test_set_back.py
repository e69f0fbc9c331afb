"""A clock that is set back while an exit waits: the connection is given up, and the wait goes on with what was left."""

from datetime import timedelta

from hand_desk import Desk, put, text_of

from rulebot.model.order import Purpose, Replace

TIMED = '\n  - time: "15:30"\n'
LADDER = "{start: mid, step: 0.05, wait: 10s, tries: 9, then: cancel}"
CONFIRMED = '\n  - stop: {cost: 3x credit}\n    confirm: 30s\n  - time: "15:45"\n'
GUARDED = "{max_loss_per_trade: $2000, protect: {cost: 4x credit}, max_time_without_stop: 30s}"


def set_back(desk: Desk, *refs: str) -> None:
    """Set the clock back by ten minutes: the adapter gives the connection up, and reads all again."""
    desk.unlink()
    desk.now -= timedelta(minutes=10)
    desk.link(refs=refs)
    desk.tick()


def leaving() -> Desk:
    desk = Desk((text_of(exits=TIMED, order=LADDER),))
    desk.opened()
    desk.until("15:30:01")
    desk.tick(1)
    return desk


def test_an_exit_at_work_takes_its_next_step_when_it_is_due() -> None:
    """It stood at its first price until the clock had come so far again."""
    desk = leaving()
    (order,) = desk.live
    desk.ack(order)
    desk.tick(4)
    set_back(desk, order.ref)
    desk.tick(5)
    assert not [each for each in desk.commands if isinstance(each, Replace)]
    desk.tick(5)
    desk.tick(10)
    assert [each.order.ref for each in desk.commands if isinstance(each, Replace)] == [order.ref] * 2


def test_an_exit_that_was_refused_is_sent_again_when_it_was_to_be() -> None:
    desk = leaving()
    (order,) = desk.live
    desk.refuse(order)
    desk.tick(1)
    set_back(desk)
    desk.tick(5)
    assert len(desk.submitted) == 2
    desk.tick(5)
    assert len(desk.submitted) == 3


def test_a_stop_that_is_being_confirmed_needs_what_was_left() -> None:
    desk = Desk((text_of(exits=CONFIRMED),))
    desk.opened()
    desk.until("12:00", step=60)
    desk.quote(put(5945), 9.0, 9.2)
    desk.tick(1)
    desk.tick(10)
    set_back(desk)
    desk.tick(10)
    assert desk.position.state == "open"
    desk.tick(11)
    assert (desk.last.purpose, desk.position.exit_reason) == (Purpose.EXIT, "stop")


def test_a_short_leg_without_protection_stands_no_longer_than_it_may() -> None:
    desk = Desk((text_of(risk=GUARDED),))
    desk.opened()
    desk.tick(5)
    set_back(desk)
    for _ in range(4):
        desk.tick(10)
    assert desk.position.exit_reason == "unprotected"


def test_another_clock_changes_nothing() -> None:
    desk = leaving()
    (order,) = desk.live
    desk.ack(order)
    before = desk.order(order.ref).attempt_until
    desk.unlink()
    desk.tick(3)
    desk.link()
    assert desk.order(order.ref).attempt_until == before
