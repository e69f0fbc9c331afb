"""What is told of an order while it leaves, and of an option that moves shares."""

from dataclasses import replace
from decimal import Decimal

import pytest
from store_day import CONDOR, DAY, at, condor, entity, position

from rulebot.adapters.ib.message_codes import broker_message
from rulebot.core.state.state import MarketData, Positions, Schedule, State
from rulebot.model.contract import Option, Right
from rulebot.model.market import Board
from rulebot.model.order import OrderStatus, Purpose
from rulebot.model.position import PositionLeg
from rulebot.model.session import session_from
from rulebot.narrate.happenings import event_line, event_lines
from rulebot.record.record import Json, Kind, Record


def test_an_entry_is_reported_when_it_is_sent_and_not_when_the_broker_says_more_of_it() -> None:
    sent = at("09:52")
    state = State(
        Schedule(session_from(DAY)),
        MarketData(Board()),
        positions=Positions(by_id={"P1": position("entering", False, False)}),
    )
    sending = condor(
        "rb-1", 1, Purpose.ENTRY, reason="entry", limit_price=Decimal("-0.90"), status=OrderStatus.SENDING,
        sent_at=sent, prepared_at=sent, changed_at=sent,
    )  # fmt: skip
    reported = event_line(entity(Kind.ORDER, sent, sending), state)
    assert reported is not None
    assert (reported.bot, reported.text.startswith("entry sent: ")) == (CONDOR, True)
    later = replace(sending, received=broker_message(201, "Order rejected"), changed_at=at("09:53"))
    assert event_line(entity(Kind.ORDER, at("09:53"), later), state) is None


def test_a_connection_that_comes_back_is_reported_and_that_of_a_start_is_not() -> None:
    state = State(Schedule(session_from(DAY)), MarketData(Board()))
    for up, reason, words in (
        (True, "", None),
        (False, "1100", "the connection was lost: 1100"),
        (True, "again", "again"),
    ):
        reported = event_line(Record(at("11:00"), Kind.LINK, data={"up": up, "reason": reason}), state)
        assert (None if reported is None else reported.text) == words


@pytest.mark.parametrize(("sign", "right", "words"), [
    (-1, Right.PUT, "put: 2 assigned, 200 SPY shares came at 598.00"),
    (-1, Right.CALL, "put: 2 assigned, 200 SPY shares went at 598.00"),
    (1, Right.PUT, "put: 2 exercised, 200 SPY shares went at 598.00"),
])  # fmt: skip
def test_an_assignment_says_which_shares_came_or_went(sign: int, right: Right, words: str) -> None:
    leg = PositionLeg(name="put", option=Option("SPY", "SPY", DAY, Decimal(598), right), sign=sign, ratio=1)
    held = replace(position("closed", True, True), id="P9", legs=(leg,))
    state = State(Schedule(session_from(DAY)), MarketData(Board()), positions=Positions(by_id={"P9": held}))
    data: dict[str, Json] = {"leg": "put", "quantity": 2, "price": "0", "how": "assigned" if sign < 0 else "exercised"}
    reported = event_line(Record(at("16:05"), Kind.SETTLEMENT, CONDOR, "P9", data), state)
    assert reported is not None
    assert reported.text == words
    back = Record(at("17:00"), Kind.SETTLEMENT, CONDOR, "P9", {**data, "quantity": -2, "taken_back": True})
    reported = event_line(back, state)
    assert reported is not None
    assert reported.text == f"put: 2 not {data['how']}: reversed", "it said that the shares went back"


def test_a_day_that_is_lived_through_again_reports_which_text_took_over() -> None:
    state = State(Schedule(session_from(DAY)), MarketData(Board()))
    taken_up = Record(at("11:42"), Kind.RELOAD, CONDOR, data={"what": "changed", "was": "1" * 64, "now": "2" * 64})
    assert event_line(taken_up, state) is None  # a run tells of all of them in one line
    reported = event_lines(taken_up, state)
    assert reported is not None
    assert (reported.bot, reported.text) == ("", f"reloaded: {CONDOR} changed, 11111111 to 22222222")


def test_which_values_an_operator_has_set_is_reported() -> None:
    """What happened named the digests of two texts, and nowhere stood what a person had set."""
    change = {"bot": CONDOR, "change": "changed", "was": "1" * 64, "now": "2" * 64}
    asked: dict[str, Json] = {"what": "asked", "id": "1", "changes": [change], "limit_changes": []}
    of_set: dict[str, Json] = {**asked, "bot": CONDOR, "values": {"wing": "", "delta": "0.10"}}
    state = State(Schedule(session_from(DAY)), MarketData(Board()))
    reported = [event_line(Record(at("11:42"), Kind.RELOAD, data=data), state) for data in (of_set, asked)]
    assert [(each.bot, each.text) for each in reported if each is not None] == [
        (CONDOR, "asked by the operator: set delta 0.10, wing as in the file"),
        ("", f"reload asked for: {CONDOR} changed, 11111111 to 22222222"),
    ]


def test_a_web_hook_that_no_bot_asks_for_is_reported_so() -> None:
    """A name misspelt in an alert was taken like any other, and nothing ever followed from it."""
    state = State(Schedule(session_from(DAY)), MarketData(Board()))
    words = []
    for asked_by in (["dte0_condor"], []):
        data: dict[str, Json] = {"name": "trend", "says": "up", "asked_by": list(asked_by)}
        reported = event_line(Record(at("11:00"), Kind.WEBHOOK, data=data), state)
        assert reported is not None
        words.append(reported.text)
    assert words == ["web hook trend, says up", "web hook trend, says up, which no bot asks for"]


def test_what_settled_is_reported_once() -> None:
    """It stood there as closed: expired_worthless, expired worthless."""
    held = position("closed", False, False)
    legs = tuple(replace(leg, opened=1, settled=1, closed=1, exit_cash=Decimal(0)) for leg in held.legs)
    state = State(
        Schedule(session_from(DAY)),
        MarketData(Board()),
        positions=Positions(by_id={held.id: replace(held, legs=legs, exit_reason="expired_worthless", state="closed")}),
    )
    data: dict[str, Json] = {"what": "closed", "reason": "expired_worthless", "values": ["85.00", "4.80"]}
    reported = event_line(Record(at("16:05"), Kind.DECISION, CONDOR, held.id, data), state)
    assert reported is not None
    assert reported.text.startswith("closed: expired worthless, ")
    priced = tuple(replace(leg, exit_cash=Decimal(-100)) for leg in legs)
    state = state._replace(
        positions=replace(
            state.positions, by_id={held.id: replace(held, legs=priced, exit_reason="settled", state="closed")}
        )
    )
    reported = event_line(Record(at("16:05"), Kind.DECISION, CONDOR, held.id, {**data, "reason": "settled"}), state)
    assert reported is not None
    assert reported.text.startswith("closed: settled at ")
