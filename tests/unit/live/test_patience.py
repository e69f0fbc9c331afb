"""A service whose gateway cannot answer yet, or is gone: what it asks again for, and that it can be ended meanwhile."""

import asyncio
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hand_desk import DAY, Desk, clock
from store_day import at

from rulebot.live.loop import PREPARE_AGAIN, STOPPED, Loop
from rulebot.measure.listings import options_of
from rulebot.model.errors import BrokerError, UnansweredError, UnavailableError
from rulebot.model.event import OperatorRequest, Request
from rulebot.record.record import Kind, Record


class Link:
    """A connection that stands."""

    is_lockstep = False
    is_up = True


class LostLink(Link):
    """A connection to a gateway that is gone."""

    is_up = False

    async def connect(self) -> Any:
        raise BrokerError("nothing listens on 127.0.0.1:4002")


class Journal:
    """Keeps what is written, and until when others can see it."""

    problem, help, is_full = "", "", False

    def __init__(self) -> None:
        self.kept: list[Record] = []
        self.seen: list[object] = []

    def append(self, records: Any, *, durable: bool, opens: bool = False) -> None:
        self.kept += records

    def catch_up(self, at: datetime) -> None:
        self.seen.append(at)

    def flush(self) -> None:
        self.seen.append("all")


def loop_that_asked(journal: Journal, *, is_patient: bool) -> Loop:
    """Return a loop whose question for the first session's facts has failed."""
    nothing: Any = None
    link: Any = Link()
    desk = Desk()
    ports: dict[str, Any] = {
        "feed": nothing,
        "broker": nothing,
        "journal": journal,
        "inbox": nothing,
        "watcher": nothing,
    }
    return Loop(program=desk.program, state=desk.state, link=link, is_patient=is_patient, **ports)


async def asked(loop: Loop, times: int, error: BrokerError | None = None) -> None:
    """Let the question fail so often, a minute apart."""

    async def fails() -> Any:
        raise error or BrokerError("SPX has no options yet")

    for number in range(times):
        loop._asking = asyncio.ensure_future(fails())
        await asyncio.wait((loop._asking,))
        loop._take_facts(at("09:00") + number * PREPARE_AGAIN)


def test_a_run_of_a_person_ends_with_what_the_broker_does_not_have() -> None:
    with pytest.raises(BrokerError, match="no options yet"):
        asyncio.run(asked(loop_that_asked(Journal(), is_patient=False), 1))


@pytest.mark.parametrize("is_held", [True, False])
def test_20_an_answer_that_never_came_ends_no_run_and_a_position_keeps_it_on(is_held: bool) -> None:
    journal = Journal()
    loop = loop_that_asked(journal, is_patient=False)
    if is_held:
        desk = Desk()
        desk.opened()
        loop.state = desk.state
    error = BrokerError("SPX has no options yet") if is_held else UnansweredError("SPX is not answered within 30 s")
    asyncio.run(asked(loop, 2, error))
    assert [record.kind for record in journal.kept] == [Kind.ALARM]
    assert loop._prepare_again == at("09:00") + 2 * PREPARE_AGAIN


def test_18_what_was_asked_on_another_connection_is_asked_at_once_on_this_one() -> None:
    journal = Journal()
    loop = loop_that_asked(journal, is_patient=False)
    loop._connection = 1
    asyncio.run(asked(loop, 1, UnansweredError("the connection was lost while asking for SPX")))
    assert (journal.kept, loop._prepare_again) == ([], None)


def test_a_service_asks_again_and_reports_it_once() -> None:
    journal = Journal()
    loop = loop_that_asked(journal, is_patient=True)
    asyncio.run(asked(loop, 3))
    text = "SPX has no options yet; the request is repeated every minute, and no bot enters before the answer"
    assert [(record.kind, record.data["text"]) for record in journal.kept] == [(Kind.ALARM, text)]
    assert loop._prepare_again == at("09:00") + 3 * PREPARE_AGAIN


def test_what_the_broker_lacks_is_reported_and_asked_for_again_while_all_else_counts() -> None:
    """It was asked for each minute, nothing of the day was known to any bot, and only the log said so."""
    journal = Journal()
    loop = loop_that_asked(journal, is_patient=False)
    loop.state = Desk().state
    loop._prepared = DAY - timedelta(days=1)

    async def lacking(at: datetime) -> None:
        loop._asking, loop._asked_for = asyncio.ensure_future(asyncio.sleep(0, [])), DAY
        loop._lacking = [UnavailableError("SQ", "the broker refused the contract of SQ")]
        await asyncio.wait((loop._asking,))
        loop._take_facts(at)

    asyncio.run(lacking(clock("08:30")))
    assert [loop._is_prepare_due(clock(each)) for each in ("08:39", "08:40")] == [False, True]
    facts = loop.state.market.facts
    assert facts.listings.keys() == {("SPX", "SPXW"), ("SPY", "SPY")}
    assert loop._known(clock("08:40")).listings == facts.listings, "only what was lacking is asked for again"
    loop._lacking = [UnavailableError("SPY", "the broker lists no options on SPY")]
    assert loop._known(clock("08:40")).listings.keys() == {("SPX", "SPXW")}
    assert loop._known(clock("08:40") + timedelta(days=1)).listings == {}
    asyncio.run(lacking(clock("08:40")))
    words = "rules that read it are unknown, and the request is repeated every ten minutes"
    assert [record.data["text"] for record in journal.kept] == [f"the broker refused the contract of SQ; {words}"]


def test_what_a_gateway_cannot_answer_of_a_later_day_is_reported_once_the_session_is_on() -> None:
    """At half past eight it may have been started a moment ago."""
    journal = Journal()
    loop = loop_that_asked(journal, is_patient=False)
    loop.state = Desk().state
    loop._prepared = DAY - timedelta(days=1)

    async def fails() -> Any:
        raise BrokerError("the broker did not answer the strikes of SPXW within 30 s")

    async def failing(at: datetime) -> None:
        loop._asking = asyncio.ensure_future(fails())
        await asyncio.wait((loop._asking,))
        loop._take_facts(at)

    for each in ("08:30", "09:29", "09:30", "09:31"):
        asyncio.run(failing(clock(each)))
    (record,) = journal.kept
    assert (record.kind, record.at) == (Kind.ALARM, clock("09:30"))
    assert "the request is repeated every minute, and what applies today is unknown before the answer" in str(
        record.data["text"]
    )


def test_what_was_made_of_yesterdays_listings_is_forgotten_when_todays_have_come() -> None:
    strikes = (Decimal(5900), Decimal(5905))
    calls = options_of("SPX", "SPXW", date(2026, 11, 18), strikes, True)

    async def comes() -> Loop:
        loop = loop_that_asked(Journal(), is_patient=True)
        loop._asking = asyncio.ensure_future(asyncio.sleep(0, []))
        await asyncio.wait((loop._asking,))
        loop._take_facts(at("09:00"))
        return loop

    asyncio.run(comes())
    assert options_of("SPX", "SPXW", date(2026, 11, 18), strikes, True) is not calls


def test_what_was_reported_on_a_weekend_is_asked_for_again_before_the_open() -> None:
    """The broker may have called the day closed meanwhile."""
    loop = loop_that_asked(Journal(), is_patient=True)
    loop.state = Desk().state

    async def reported(at: datetime) -> None:
        loop._asking, loop._asked_for = asyncio.ensure_future(asyncio.sleep(0, [])), DAY
        await asyncio.wait((loop._asking,))
        loop._take_facts(at)

    asyncio.run(reported(clock("08:40") - timedelta(days=3)))
    assert [loop._is_prepare_due(clock(each)) for each in ("08:00", "08:30")] == [False, True]
    asyncio.run(reported(clock("08:31")))
    assert not loop._is_prepare_due(clock("08:32"))


def test_a_stop_while_the_gateway_is_gone_ends_the_run_as_any_stop_does() -> None:
    """A failure would have a service manager start it again."""
    desk, link, nothing = Desk(), LostLink(), Journal()
    began = desk.now
    seen: list[Any] = []

    def asked_for(at: Any) -> list[OperatorRequest]:
        seen.append(at)
        return [OperatorRequest(at, "1", Request.STOP)]

    ports: Any = {"link": link, "feed": nothing, "broker": nothing, "journal": nothing}
    loop = Loop(desk.program, desk.state, inbox=asked_for, watcher=lambda loop, at: None, **ports)
    loop.at = desk.now
    asyncio.run(loop._go_on(lambda at: ""))
    assert loop.reason == STOPPED
    assert seen == [loop.at]
    assert seen[0] - began >= timedelta(seconds=1)  # the time goes on while there is no broker
    assert nothing.seen == ["all", *seen]  # 'rulebot status' said that it was connected until it was
