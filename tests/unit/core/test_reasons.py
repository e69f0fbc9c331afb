"""What only reduces where no person has killed it says why, wherever that shows, and after a restart too."""

from hand_desk import Desk

from rulebot.core.state.state import OperatorState, TradingMode, after_request
from rulebot.model.event import OperatorRequest, Request

WHY = "3 starts in 10 minutes"


def kill(desk: Desk) -> None:
    desk.send(OperatorRequest(desk.now, "own-1", Request.KILL, reason=WHY))


def test_a_bot_that_is_kept_out_says_why_after_a_restart_too() -> None:
    desk = Desk()
    desk.scrambles = False  # what people are told after the start is looked at
    kill(desk)
    desk.start_again()
    desk.link()
    desk.until("10:00")
    assert not desk.submitted
    assert desk.state.bots.by_name["spread"].status_text == f"only reducing: {WHY}"
    assert desk.state.requests.operator == OperatorState(TradingMode.REDUCING, reason=WHY)


def test_what_a_person_asks_for_by_hand_is_refused_with_the_reason() -> None:
    desk = Desk()
    kill(desk)
    desk.until("10:00")
    desk.ask(Request.ENTER, "spread")
    desk.tick(1)
    assert [record.data["reason"] for record in desk.records if WHY in str(record.data.get("reason"))][-1].endswith(WHY)


def test_the_reason_goes_with_a_resume_of_all_and_with_nothing_less() -> None:
    standing = after_request(OperatorState(), Request.KILL, "", reason=WHY)
    for request in (Request.KILL, Request.PAUSE, Request.FLATTEN):
        standing = after_request(standing, request, "")
    standing = after_request(standing, Request.RESUME, "one")
    assert (standing.trading, standing.reason) == (TradingMode.REDUCING, WHY)
    assert after_request(standing, Request.RESUME, "") == OperatorState()
