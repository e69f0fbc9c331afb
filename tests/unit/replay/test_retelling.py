"""Lines of a replay: an exit waits for the commissions of its fills, and not for ever."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from rulebot.model.contract import listed
from rulebot.model.position import Position, PositionLeg
from rulebot.record.record import Kind, Record
from rulebot.replay.as_test import PATIENCE, ReplayText

DAY = date(2026, 10, 21)
AT = datetime(2026, 10, 21, 14, 48, 30, tzinfo=UTC)
LEG = PositionLeg(
    name="short_put",
    option=listed("SPX", "SPXW", DAY, Decimal(5945), is_call=False),
    sign=-1,
    ratio=1,
    opened=1,
    closed=1,
    entry_cash=Decimal(65),
    exit_cash=Decimal(-45),
    commissions=Decimal(1),
    commissions_pending=1,
)
CLOSED = Position(
    id="p-1",
    bot="p",
    digest="",
    state="closed",
    session=DAY,
    quantity=1,
    legs=(LEG,),
    closed_at=AT,
    exit_reason="target",
)
REPORTED = replace(CLOSED, legs=(replace(LEG, commissions=Decimal(2), commissions_pending=0),))
RECORD = Record(
    AT,
    Kind.DECISION,
    bot="p",
    position="p-1",
    data={"what": "closed", "reason": "target", "values": ["19", "1"]},
)


def seen(position: Position) -> Any:
    state = SimpleNamespace(
        positions=SimpleNamespace(by_id={"p-1": position}, executions={}),
        bots=SimpleNamespace(by_name={}),
        orders=SimpleNamespace(by_ref={}),
    )
    return SimpleNamespace(state=state, records=[RECORD])


def test_an_exit_is_reported_once_its_commissions_are_known() -> None:
    resending = ReplayText()
    assert resending.fresh(seen(CLOSED), AT) == []
    (line,) = resending.fresh(seen(REPORTED), AT + timedelta(seconds=1))
    assert (line.at, "+$18.00 after $2.00 of commissions" in line.text, "provisional" in line.text) == (AT, True, False)
    assert resending.fresh(seen(REPORTED), AT + timedelta(seconds=2)) == resending.rest(seen(REPORTED)) == []


def test_what_is_not_reported_for_long_or_to_the_end_is_provisional() -> None:
    late, ended = ReplayText(), ReplayText()
    assert late.fresh(seen(CLOSED), AT) == ended.fresh(seen(CLOSED), AT) == []
    for line in (*late.fresh(seen(CLOSED), AT + PATIENCE), *ended.rest(seen(CLOSED))):
        assert (
            "+$19.00 after $1.00 of commissions, provisional: the commission of 1 fill is not reported yet" in line.text
        )
    assert (late.waiting, ended.waiting) == ([], [])
