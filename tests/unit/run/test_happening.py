"""What is told of an order while it leaves."""

from dataclasses import replace
from decimal import Decimal

from store_day import CONDOR, DAY, at, condor, entity, position

from engine.model.market import Board
from engine.model.order import OrderStatus, Purpose
from engine.model.session import session_from
from engine.record.record import Kind
from engine.run.happening import happening
from engine.turn.state import State


def test_an_entry_is_told_when_it_is_sent_and_not_when_the_broker_says_more_of_it() -> None:
    sent = at("09:52")
    state = State(session=session_from(DAY), board=Board(), positions={"P1": position("entering", False, False)})
    sending = condor(
        "rb-1", 1, Purpose.ENTRY, reason="entry", limit_price=Decimal("-0.90"), status=OrderStatus.SENDING,
        sent_at=sent, prepared_at=sent, changed_at=sent,
    )  # fmt: skip
    told = happening(entity(Kind.ORDER, sent, sending), state)
    assert told is not None
    assert (told.bot, told.text.startswith("entry sent: ")) == (CONDOR, True)
    later = replace(sending, message="201 Order rejected", changed_at=at("09:53"))
    assert happening(entity(Kind.ORDER, at("09:53"), later), state) is None
