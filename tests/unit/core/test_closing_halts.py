"""Halts with `close: all` beside them: what is open is closed as well (language.md, Risk)."""

from dataclasses import replace

from hand_desk import Desk, bot_of, put, text_of

from rulebot.core.handle_event import reload
from rulebot.core.session.reloading import changes_between
from rulebot.model.event import Request
from rulebot.model.order import OrderStatus, Purpose
from rulebot.record.record import Kind

CLOSING = "{max_loss_per_trade: $2000, halt_when: [{vix: {above: 30}, close: all}, {name: nervous, vix: {above: 20}}]}"
NAME = "halt.vix"


def held(risk: str = CLOSING, **sections: str) -> Desk:
    """Return a desk that holds the spread, 0.70 sold."""
    desk = Desk((text_of(risk=risk, **sections),))
    desk.opened()
    return desk


def entering() -> Desk:
    """Return a desk whose entry works at the broker."""
    desk = Desk((text_of(risk=CLOSING),))
    desk.until("10:00:01")
    desk.ack(desk.last)
    return desk


def vix(desk: Desk, level: float, seconds: int = 1) -> None:
    desk.level("VIX", level)
    desk.tick(seconds)


def reloaded(desk: Desk, text: str) -> None:
    """Let another text of the bot take over."""
    (was,), now = desk.program.bots.values(), bot_of(text)
    desk.program = replace(desk.program, bots={"spread": now}, pinned={was.plan.digest: was})
    changes = changes_between({"spread": was.plan.digest}, {"spread": now.plan.digest})
    desk.take(reload(desk.program, desk.state, desk.now, changes))


def test_what_is_open_is_closed_in_the_turn_that_halts() -> None:
    desk = held()
    vix(desk, 31.0)
    assert (desk.reasons("exit"), desk.last.purpose) == ([NAME], Purpose.EXIT)
    assert desk.day_of().halted.startswith("vix ")  # type: ignore[attr-defined]
    assert desk.day_of().closing == NAME  # type: ignore[attr-defined]
    vix(desk, 16.0)
    desk.fill(desk.last)
    assert (desk.position.state, desk.position.exit_reason) == ("closed", NAME), "it goes on until all is closed"


def test_without_close_exits_alone_continue() -> None:
    desk = held(CLOSING.replace(", close: all", ""))
    vix(desk, 31.0)
    assert desk.day_of().halted  # type: ignore[attr-defined]
    assert desk.reasons("exit") == []


def test_it_closes_when_another_has_halted_the_bot_before() -> None:
    desk = held()
    vix(desk, 22.0)
    assert desk.day_of().halted.startswith("nervous")  # type: ignore[attr-defined]
    assert desk.reasons("exit") == []
    vix(desk, 31.0)
    assert desk.reasons("exit") == [NAME]


def test_of_two_that_hold_the_one_that_closes_is_reported() -> None:
    both = "{max_loss_per_trade: $2000, halt_when: [{name: nervous, vix: {above: 20}}, {vix: {above: 30}, close: all}]}"
    desk = held(both)
    vix(desk, 31.0)
    assert desk.day_of().halted.startswith("vix 31")  # type: ignore[attr-defined]
    assert desk.day_of().closing == NAME  # type: ignore[attr-defined]


def test_an_entry_that_fills_while_it_is_cancelled_is_closed_although_the_halt_has_passed() -> None:
    desk = entering()
    entry = desk.last
    vix(desk, 31.0)
    assert desk.order(entry.ref).status is OrderStatus.CANCELLING
    vix(desk, 16.0)
    desk.fill(entry)
    desk.tick(1)
    assert desk.reasons("exit") == [NAME]
    assert desk.last.purpose is Purpose.EXIT


def test_a_restart_in_between_changes_nothing() -> None:
    desk = entering()
    entry = desk.last
    vix(desk, 31.0)
    vix(desk, 16.0)
    desk.start_again()
    desk.link([entry.ref])
    desk.fill(entry)
    desk.tick(1)
    assert desk.reasons("exit") == [NAME]


def test_what_was_opened_under_another_text_is_closed_by_the_halts_of_that_alone() -> None:
    """The halt of an edited text closed what the old one was to hold."""
    desk = held()
    reloaded(desk, text_of(risk=CLOSING.replace("30", "20")))
    vix(desk, 22.0)
    assert desk.day_of().closing == NAME  # type: ignore[attr-defined]
    desk.until("10:10", step=15)
    assert desk.reasons("exit") == []
    vix(desk, 31.0)
    assert desk.reasons("exit") == [NAME]


def test_an_operator_who_resumes_ends_it() -> None:
    desk = entering()
    vix(desk, 31.0)
    vix(desk, 16.0)
    desk.ask(Request.RESUME, "spread")
    assert (desk.day_of().halted, desk.day_of().closing) == ("", "")  # type: ignore[attr-defined]


def test_it_takes_over_a_target_at_work() -> None:
    desk = held()
    desk.quote(put(5945), 0.55, 0.65, -0.104)
    desk.quote(put(5935), 0.25, 0.35, -0.07)
    desk.tick(1)
    assert desk.reasons("exit") == ["target"]
    vix(desk, 31.0)
    assert desk.reasons("exit") == ["target", NAME]


def test_unknown_closes_nothing_and_raises_the_alarm() -> None:
    desk = held()
    vix(desk, float("nan"))
    desk.settle(40)
    assert desk.reasons("exit") == []
    assert any(NAME in str(record.data["text"]) for record in desk.records if record.kind is Kind.ALARM)


def test_it_leaves_by_the_order_of_the_exits() -> None:
    desk = held(exit_order="{start: natural, wait: 5s, tries: 2, then: market}")
    vix(desk, 31.0)
    plain = held()
    vix(plain, 31.0)
    prices = [each.last.terms.price for each in (desk, plain)]
    assert [str(price) for price in prices] == ["0.80", "0.70"], "natural, and mid as the entry's order begins"
