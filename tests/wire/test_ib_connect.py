"""Connecting, refusing to connect, losing the connection."""

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from free_port import free_port
from ib_fake_tws import FakeTws, Fields, fake_tws, greeting_at, open_order
from ib_session import connected, gateway, leg, order, run

from rulebot.adapters.ib import time_zones as timekeeping
from rulebot.adapters.ib import transport
from rulebot.adapters.ib.broker import IbConnection, ib_world
from rulebot.adapters.ib.handshake import Greeting, read_greeting
from rulebot.adapters.ib.settings import IbSettings
from rulebot.chaos.virtual_loop import run_virtually
from rulebot.model.contract import Option, Right, Underlying
from rulebot.model.errors import BrokerError
from rulebot.model.event import (
    AccountReport,
    AccountWarning,
    ClockSkew,
    CommissionReport,
    Connected,
    Disconnected,
    Event,
    ExecutionReport,
    MarketDataUpdated,
    OrderMessage,
    OrderReport,
    OrdersListed,
    PositionReport,
)
from rulebot.model.order import Side

EXECUTION = (
    "11|-1|41|9|SPY|OPT|20251219|650.0|P|100|CBOE|USD|SPY   251219P00650000|SPY|{exec_id}|20251124 10:00:00 US/Eastern|"
    "DU1|CBOE|SLD|1|{price}|77|1|0|1|2.5|rb.t.41||||2|0"
)


POSITION = "61|3|DU1|9|SPY|OPT|20251219|650.0|P|100||USD|SPY   251219P00650000|SPY|-1|248.5"


async def refusal(port: int, **changes: object) -> BrokerError:
    world = ib_world(IbSettings(**({"port": port, "connect_seconds": 3.0, "round_interval": 0.01} | changes)))  # type: ignore[arg-type]
    with pytest.raises(BrokerError) as caught:
        await world.link.connect()
    return caught.value


def test_the_first_batch_has_the_account_and_ends_with_link_up() -> None:
    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, events):
            opening = datetime(2025, 11, 24, 14, 29, tzinfo=UTC)
            reports = [event for event in events if isinstance(event, AccountReport)]
            assert reports[-1].account.net_liquidation == Decimal("1000000.00")
            up = events[-1]
            assert isinstance(up, Connected)
            assert (up.at, up.account, up.client_id, up.next_order_id) == (opening, world.link.account, 1, 1)
            assert (up.order_refs, up.positions, up.lockstep) == ((), (), True)
            assert world.link.is_lockstep
            batch = await world.link.next(None)
            assert batch.at == opening + timedelta(seconds=1)
            assert batch.events == (MarketDataUpdated(batch.at, ()),)

    run(scenario())


def test_a_port_that_nothing_listens_on_is_named() -> None:
    async def scenario() -> None:
        port = free_port()
        problem = await refusal(port)
        assert problem.message == f"nothing listens on 127.0.0.1:{port}"
        assert "7497" in (problem.help or "")
        assert "4002" in (problem.help or "")

    run(scenario())


def test_a_live_account_is_refused_on_paper() -> None:
    async def scenario() -> None:
        async with fake_tws(account="U7654321") as fake:
            problem = await refusal(fake.port)
            assert "U7654321 is not a paper account" in problem.message
            assert fake.writer is not None
            assert not [fields for fields in fake.asked if fields[0] == "3"]
            async with connected(fake.port, lockstep=False, paper=False) as (world, _):
                assert world.link.account == "U7654321"

    run(scenario())


def test_a_paper_account_is_refused_live() -> None:
    async def scenario() -> None:
        async with fake_tws() as fake:
            assert "DU1 is a paper account, and the mode is live" in (await refusal(fake.port, paper=False)).message

    run(scenario())


def test_a_greeting_says_whose_accounts_there_are_and_which_world_it_is() -> None:
    async def scenario() -> None:
        async with fake_tws(account="U7654321,U7654322,") as fake:
            found = await read_greeting("127.0.0.1", fake.port)
            assert found == Greeting(accounts=("U7654321", "U7654322"), is_simulated=False, reported_at=None)
            assert fake.writer is not None
        async with gateway(holders=1, account="U1234567") as gw:
            found = await read_greeting("127.0.0.1", gw.port)
            assert (found.accounts, found.is_simulated) == (("U1234567",), True)
            assert found.reported_at == gw.gateway.hub.at
            assert "U1234567 is not a paper account" in (await refusal(gw.port)).message
            async with connected(gw.port, paper=False) as (world, _):
                assert (world.link.account, world.link.is_simulated) == ("U1234567", True)

    run(scenario())


def test_a_run_does_not_continue_in_another_world() -> None:
    async def scenario() -> None:
        async with fake_tws(account="U1234567") as fake:
            port = fake.port
            async with connected(port, lockstep=False, paper=False) as (world, _):
                assert not world.link.is_simulated
        async with gateway(holders=1, account="U1234567", port=port):
            with pytest.raises(BrokerError, match="is a simulated gateway now, and this run began at a real one"):
                await world.link.connect()
            assert not world.link.is_up

    run(scenario())


def test_34_a_run_does_not_continue_with_another_account() -> None:
    async def scenario() -> None:
        async with gateway(account="DU1111111") as gw, connected(gw.port) as (world, _):
            port = gw.port
            assert world.link.account == "DU1111111"
        async with gateway(account="DU2222222", port=port):
            with pytest.raises(BrokerError, match="has account DU2222222 now, and this run began with DU1111111"):
                await world.link.connect()
            assert (world.link.is_up, world.link.account) == (False, "DU1111111")

    run(scenario())


def test_another_account_than_asked_for_and_several_accounts() -> None:
    async def scenario() -> None:
        async with fake_tws() as fake:
            assert "DU9 is not behind" in (await refusal(fake.port, account="DU9")).message
        async with fake_tws(account="DU1,DU2,") as fake:
            assert "several accounts: DU1, DU2" in (await refusal(fake.port)).message

    run(scenario())


def test_a_client_id_in_use_is_named_at_once() -> None:
    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port, client_id=5):
            problem = await refusal(gw.port, client_id=5, connect_seconds=20.0, lockstep=True)
            assert "client id 5 is in use" in problem.message

    run(scenario())


@pytest.mark.parametrize(
    ("request_kind", "name"),
    [
        ("16", "open orders"),
        ("6", "account values"),
        ("7", "executions"),
    ],
)
def test_a_list_that_never_ends_is_named(request_kind: str, name: str) -> None:
    async def scenario() -> None:
        async with fake_tws(answers={request_kind: lambda _: []}) as fake:
            problem = await refusal(fake.port, request_seconds=0.1)
            assert problem.message.endswith(f"did not send all of: {name}"), "and no list that nobody asked for"

    run(scenario())


def test_completed_orders_that_never_end_keep_nobody_out() -> None:
    """Gateways were seen that never end that list: no connection was ever made to them."""

    async def scenario() -> None:
        async with (
            fake_tws(answers={"99": lambda _: []}) as fake,
            connected(fake.port, lockstep=False, request_seconds=0.1) as (_, events),
        ):
            assert isinstance(events[-1], Connected)
            assert len(await fake.until_asked("99")) == 1, "it is not waited for in each round"
            assert len(await fake.until_asked("7")) == 2

    run(scenario())


def test_positions_that_never_come() -> None:
    async def scenario() -> None:
        async with fake_tws(answers={"61": lambda _: []}) as fake:
            assert "positions" in (await refusal(fake.port, connect_seconds=0.2)).message

    run(scenario())


def test_orders_that_have_no_permanent_id_yet_are_all_listed() -> None:
    """The last of them took the place of the others, which then were unknown."""

    async def scenario() -> None:
        rows = [tuple(open_order("DU1", number, f"rb.t.{number}", 0)) for number in (7, 8)]
        answers = {"16": lambda _: [*rows, (53, 1)]}
        async with (
            fake_tws(version=173, answers=answers) as fake,
            connected(fake.port, lockstep=False) as (_, events),
        ):
            up = events[-1]
            assert isinstance(up, Connected)
            assert up.order_refs == ("rb.t.7", "rb.t.8")

    run(scenario())


@pytest.mark.parametrize(
    ("account", "reported", "next_id"),
    [("DU1", 40, 51), ("DU1", 900, 901), ("DU2", 900, 901), ("DU1", 1_700_000_000, 51)],
)
def test_order_ids_continue_behind_all_that_are_listed_whosever_they_are(
    account: str, reported: int, next_id: int
) -> None:
    """A gateway whose count was reset names less than is at work, and none counts those of other programs."""

    async def scenario() -> None:
        ours, others = open_order("DU1", 50, "rb.t.50", 77), open_order(account, reported, "", 78)
        others[24] = 9
        answers = {"16": lambda _: [tuple(ours), tuple(others), (53, 1)]}
        async with (
            fake_tws(version=173, answers=answers) as fake,
            connected(fake.port, lockstep=False) as (_, events),
        ):
            up = events[-1]
            assert isinstance(up, Connected)
            assert up.next_order_id == next_id

    run(scenario())


def test_lockstep_is_not_offered() -> None:
    async def scenario() -> None:
        async with fake_tws() as fake:
            assert "does not offer a clock" in (await refusal(fake.port, lockstep=True)).message

    run(scenario())


@pytest.mark.parametrize("words", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\0\0\x08hello\0x\0"])
def test_a_server_of_another_protocol_is_named(words: bytes) -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        await writer.drain()

    async def scenario() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            problem = await refusal(server.sockets[0].getsockname()[1])
            assert "does not speak the TWS API" in problem.message

    run(scenario())


def test_a_gateway_in_lockstep_is_at_its_end_once_its_time_stands() -> None:
    """A run that began after its last session waited for another one for ever."""

    async def scenario() -> None:
        async with gateway() as running, connected(running.port) as (world, _):
            running.gateway.hub.now = running.gateway.hub.timeline.last - 1
            found = []
            for _ in range(3):
                await world.link.next(None)
                found.append(world.link.is_at_end)
            assert found == [False, True, True]

    run(scenario())


def test_a_disclaimer_that_nobody_has_accepted_is_reported() -> None:
    """TWS lets nobody in before, and says why; what it said was not told."""
    words = "Paper trading disclaimer must first be accepted for API connection."

    def answer(_: Fields) -> list[tuple[object, ...]]:
        return [(4, 2, -1, 10141, words, ""), (4, 2, -1, 2104, "Market data farm connection is OK:usfarm", "")]

    async def scenario() -> None:
        async with fake_tws(greets=False, answers={"71": answer}) as fake:
            problem = await refusal(fake.port, connect_seconds=0.2)
            assert problem.message.endswith(f"did not name account and order id within 0.2 s; it says: {words}")
            assert "no brokerage account" in (problem.help or "")

    run(scenario())


def test_silence_and_an_old_version() -> None:
    async def scenario() -> None:
        kept: list[asyncio.StreamWriter] = []
        server = await asyncio.start_server(lambda _reader, writer: kept.append(writer), "127.0.0.1", 0)
        async with server:
            problem = await refusal(server.sockets[0].getsockname()[1], connect_seconds=0.2)
            assert "does not answer as TWS" in problem.message
            assert "a dialog in it that asks to accept the connection" in (problem.help or "")
            kept[0].close()
        async with fake_tws(version=150) as fake:
            assert "speaks API version 150" in (await refusal(fake.port)).message

    run(scenario())


async def wait_for(world: IbConnection, kind: type) -> list:
    """Return the events up to and with the first of a kind, outside lockstep."""
    found: list = []
    while not any(isinstance(event, kind) for event in found):
        found.extend((await world.link.next(None)).events)
    return found


def test_a_lost_connection_is_a_batch_that_ends_with_link_down() -> None:
    async def scenario() -> None:
        async with fake_tws() as fake, connected(fake.port, lockstep=False) as (world, _):
            fake.push(3, 41, "Filled", 1, 0, 2.5, 77, 0, 2.5, 1, "", 0)
            fake.cut()
            events = await wait_for(world, Disconnected)
            assert isinstance(events[0], OrderReport)
            assert isinstance(events[-1], Disconnected)
            with pytest.raises(BrokerError, match="no connection"):
                await world.link.next(None)

    run(scenario())


def test_a_cancelled_call_loses_no_instant() -> None:
    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, events):
            impatient = asyncio.ensure_future(world.link.next(None))
            await asyncio.sleep(0)
            impatient.cancel()
            await asyncio.wait((impatient,))
            batch = await world.link.next(None)
            assert batch.at == events[-1].at + timedelta(seconds=1)
            assert (await world.link.next(None)).at == batch.at + timedelta(seconds=1)
            assert gw.now == batch.at.timestamp() + 1

    run(scenario())


def test_a_link_lost_between_two_batches_is_still_reported() -> None:
    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            for connection in list(gw.gateway.connections):
                connection.abort()
            while world.link.wire.is_up:
                await asyncio.sleep(0)
            batch = await world.link.next(None)
            assert isinstance(batch.events[-1], Disconnected)
            with pytest.raises(BrokerError, match="no connection"):
                await world.link.next(None)

    run(scenario())


def test_a_gateway_that_goes_away_in_lockstep_and_a_second_connect() -> None:
    async def scenario() -> None:
        async with gateway() as gw:
            world = ib_world(IbSettings(port=gw.port, lockstep=True))
            await world.link.connect()
            world.feed.watch([Underlying("SPX")])
            await world.link.next(None)
            for connection in list(gw.gateway.connections):
                connection.abort()
            batch = await world.link.next(None)
            assert isinstance(batch.events[-1], Disconnected)
            again = await world.link.connect()
            assert isinstance(again.events[-1], Connected)
            found = (await world.link.next(None)).events[-1]
            assert found == MarketDataUpdated(again.at + timedelta(seconds=1), (0,))
            await world.link.close()

    run(scenario())


def test_the_broker_out_of_reach_of_its_gateway_and_back() -> None:
    async def scenario() -> None:
        async with fake_tws() as fake, connected(fake.port, lockstep=False) as (world, _):
            world.feed.watch([Underlying("SPX")])
            await fake.until_asked("1")
            fake.push(4, 2, -1, 1100, "Connectivity between IB and the TWS has been lost.", "")
            down = (await wait_for(world, Disconnected))[-1]
            assert "1100" in down.reason
            row = EXECUTION.format(exec_id="a.01.01", price="2.5").split("|")
            fake.answers["7"] = lambda fields: [tuple(row), (55, 1, fields[2])]
            fake.push(4, 2, -1, 1101, "Connectivity has been restored - data lost.", "")
            events = await wait_for(world, Connected)
            assert [event.price for event in events if isinstance(event, ExecutionReport)] == [Decimal("2.5")]
            assert len(await fake.until_asked("1", 2)) == 2

    run(scenario())


def test_a_broker_that_is_lost_again_at_once_is_down_until_it_is_back_for_good() -> None:
    """Lost, found and lost again within one batch counted as found, and 1102 before many farms was not heard."""

    async def scenario() -> None:
        async with fake_tws() as fake, connected(fake.port, lockstep=False) as (world, _):
            world.feed.watch([Underlying("SPX")])
            await fake.until_asked("1")
            for code in (1100, 1101, 1100):
                fake.push(4, 2, -1, code, f"notice {code}", "")
            events = await wait_for(world, Disconnected)
            assert not [event for event in events if isinstance(event, Connected)]
            fake.push(4, 2, -1, 1102, "Connectivity has been restored - data maintained.", "")
            for farm in range(25):
                fake.push(4, 2, -1, 2104, f"Market data farm connection is OK:farm{farm}", "")
            assert isinstance((await wait_for(world, Connected))[-1], Connected)
            assert len(await fake.until_asked("1", 2)) == 2, "what 1101 said of the lines still holds"

    run(scenario())


def test_a_broker_that_stays_lost_is_lost_once_however_often_that_is_reported() -> None:
    """A gateway says 1100 about every minute: a night at its login window was 833 alerts."""

    async def scenario() -> None:
        async with fake_tws() as fake, connected(fake.port, lockstep=False) as (world, _):
            lost = []
            for number in range(6):
                fake.push(4, 2, -1, 1102 if number == 3 else 1100, "Connectivity", "")
                fake.push(4, 2, 41, 399, "the last", "")
                lost.append([type(each) for each in await wait_for(world, OrderMessage)].count(Disconnected))
            assert lost == [1, 0, 0, 0, 1, 0]

    run(scenario())


def test_what_the_broker_warns_of_the_account_is_reported() -> None:
    """It has a number among the news of connections, and a margin call stood in the log alone."""

    async def scenario() -> None:
        async with fake_tws() as fake, connected(fake.port, lockstep=False) as (world, _):
            fake.push(4, 2, -1, 2148, "ALERT: Your account maintains equity only 5% above that which is required.", "")
            (reported,) = [each for each in await wait_for(world, AccountWarning) if isinstance(each, AccountWarning)]
            assert reported.text == "ALERT: Your account maintains equity only 5% above that which is required."

    run(scenario())


def test_the_count_of_order_ids_is_asked_for_again_and_reported_of_a_new_connection_alone() -> None:
    """After 1101 orders of ours may wait to leave on the same connection: it proves nothing there."""

    async def scenario() -> None:
        async with fake_tws() as fake, connected(fake.port, lockstep=False) as (world, events):
            up = events[-1]
            assert isinstance(up, Connected)
            assert (up.next_order_id, up.next_valid_id) == (41, 0), "the greeting alone is no answer"
            fake.answers["8"] = lambda _: [(9, 1, 43)]
            up = (await world.link.connect()).events[-1]
            assert isinstance(up, Connected)
            assert (up.next_order_id, up.next_valid_id) == (43, 43)
            fake.push(4, 2, -1, 1101, "Connectivity has been restored - data lost.", "")
            up = (await wait_for(world, Connected))[-1]
            assert isinstance(up, Connected)
            assert (up.next_order_id, up.next_valid_id) == (43, 0)

    run(scenario())


def test_52_a_connection_that_is_lost_while_messages_wait_for_their_second_is_a_lost_one() -> None:
    """The next of them was sent on the closed socket, which ended the engine with a traceback."""

    async def scenario() -> None:
        async with fake_tws() as fake, connected(fake.port, lockstep=False, messages_per_second=1) as (world, _):
            wire = world.link.wire
            world.feed.watch([Underlying("SPX"), Underlying("SPY")])
            assert wire.pace.is_waiting
            fake.cut()
            while wire.lost is None:
                await asyncio.sleep(0.001)
            wire.pace.release(time.time() + 2)
            world.feed.watch([Underlying("SPX"), Underlying("VIX")])
            assert isinstance((await world.link.next(None)).events[-1], Disconnected)
            before = len(fake.asked)
            await world.link.connect()
            world.link.wire.pace.release(time.time() + 2)
            await fake.until_asked("1", 2)
            assert [fields[4] for fields in fake.asked[before:] if fields[0] == "1"] == ["SPX", "VIX"]

    run(scenario())


def test_62_nobody_is_asked_for_the_time_on_a_connection_that_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with fake_tws() as fake, connected(fake.port, lockstep=False) as (world, _):
            fake.push(6, 2, "NetLiquidation", "90000.00", "USD", "DU1")
            fake.cut()
            while world.link.wire.lost is None:
                await asyncio.sleep(0.001)
            monkeypatch.setattr(timekeeping, "ASK_EVERY", 0.0)
            events = (await world.link.next(None)).events
            assert isinstance(events[0], AccountReport)
            assert isinstance(events[-1], Disconnected)

    run(scenario())


def test_93_an_order_is_dropped_after_an_attempt_to_connect_again_has_failed() -> None:
    """A kill while the gateway was gone ended the engine: there was not even a lost connection to drop a cancel on."""

    async def scenario() -> None:
        async with fake_tws() as fake, connected(fake.port, lockstep=False, connect_seconds=0.2) as (world, _):
            fake.cut()
            await wait_for(world, Disconnected)
            fake.version = 1
            with pytest.raises(BrokerError):
                await world.link.connect()
            option = Option("SPX", "SPXW", date(2025, 11, 24), Decimal(6500), Right.PUT)
            one = order(50, leg(option, Side.BUY))
            world.broker.cancel(one)
            world.broker.submit(one)
            world.broker.inquire()
            assert not [fields for fields in fake.asked if fields[0] in ("3", "4")]

    run(scenario())


def test_25_a_position_that_was_not_reported_is_asked_for_with_the_orders() -> None:
    """What is held without it is put on hold after half a minute, and its exits do not act."""

    async def scenario() -> None:
        async with fake_tws() as fake, connected(fake.port, lockstep=False) as (world, _):
            row = POSITION.split("|")
            fake.answers["61"] = lambda _: [tuple(row), (62, 1)]
            world.broker.inquire()
            events = await wait_for(world, OrdersListed)
            assert [(each.contract.symbol, each.quantity) for each in events if isinstance(each, PositionReport)] == [
                ("SPY", -1)
            ]

    run(scenario())


def test_orders_that_are_asked_for_again_before_their_list_ends_are_all_listed() -> None:
    """What the first list has told already counts; that an order is not listed may end it."""

    async def scenario() -> None:
        async with fake_tws(version=173) as fake, connected(fake.port, lockstep=False) as (world, _):
            fake.answers["16"] = lambda _: [tuple(open_order("DU1", 7, "rb.t.7", 77))]
            world.broker.inquire()
            await wait_for(world, OrderReport)
            fake.answers["16"] = lambda _: [(53, 1)]
            world.broker.inquire()
            listed = await wait_for(world, OrdersListed)
            assert [each.order_refs for each in listed if isinstance(each, OrdersListed)] == [frozenset(("rb.t.7",))]

    run(scenario())


def test_35_an_account_that_is_not_ready_yet_is_reported_once_it_is() -> None:
    """The broker tells by itself only what has changed since it was told."""

    def reported(ready: str, amount: str) -> list[tuple[object, ...]]:
        return [
            (6, 2, "AccountReady", ready, "", "DU1"),
            (6, 2, "NetLiquidation", amount, "USD", "DU1"),
            (54, 1, "DU1"),
        ]

    async def scenario() -> None:
        answers = {"6": lambda _: reported("false", "0.00")}
        async with fake_tws(answers=answers) as fake, connected(fake.port, lockstep=False) as (world, events):
            assert isinstance(events[-1], Connected)
            assert not [each for each in events if isinstance(each, AccountReport)]
            fake.answers["6"] = lambda _: reported("true", "100000.00")
            fake.push(*reported("true", "")[0])
            found = (await wait_for(world, AccountReport))[-2:]
            assert isinstance(found[0], AccountReport)
            assert found[0].account.net_liquidation == 100_000

    run(scenario())


@pytest.mark.parametrize("nights", [0, 6])
def test_what_is_held_is_closed_though_nothing_of_it_is_listed(nights: int) -> None:
    """As at a start, and after nights on one connection."""

    async def scenario() -> None:
        near = POSITION.replace("251219", "991218").split("|")
        far = [{"9": "8", "650.0": "640.0"}.get(field, field) for field in near]
        answers = {"61": lambda _: [tuple(near), tuple(far), (62, 1)]}
        async with fake_tws(answers=answers) as fake, connected(fake.port, lockstep=False) as (world, _):
            for night in range(nights):
                world.link._begin_day(world.link.now + timedelta(days=1 + night))
            held = [Option("SPY", "SPY", date(2099, 12, 18), Decimal(strike), Right.PUT) for strike in (650, 640)]
            world.broker.submit(order(41, leg(held[0], Side.BUY), leg(held[1], Side.SELL)))
            sent = (await fake.until_asked("3"))[0]
            assert {"8", "9"} <= set(sent)

    run(scenario())


def test_each_execution_and_each_correction_comes_once() -> None:
    async def scenario() -> None:
        async with fake_tws() as fake, connected(fake.port, lockstep=False) as (world, _):
            for exec_id, price in (("a.01.01", "2.5"), ("a.01.01", "2.5"), ("a.01.02", "2.4")):
                fake.push(*EXECUTION.format(exec_id=exec_id, price=price).split("|"))
            fake.push(4, 2, 41, 399, "the last", "")
            events = await wait_for(world, OrderMessage)
            fills = [(str(event.exec_id), event.price) for event in events if isinstance(event, ExecutionReport)]
            assert fills == [("a.01.01", Decimal("2.5")), ("a.01.02", Decimal("2.4"))]

    run(scenario())


def test_32_a_commission_before_its_execution_is_taken_when_it_is_reported_again_and_then_once() -> None:
    """The engine books none of an execution that it does not know."""

    async def scenario() -> None:
        paid = (59, 1, "a.01.01", 1.05, "USD", "1.7976931348623157E308", "1.7976931348623157E308", "")
        done = tuple(EXECUTION.format(exec_id="a.01.01", price="2.5").split("|"))
        async with fake_tws() as fake, connected(fake.port, lockstep=False) as (world, _):
            for message in (paid, done, paid, done, paid):
                fake.push(*message)
            fake.push(4, 2, 41, 399, "the last", "")
            events = await wait_for(world, OrderMessage)
            kinds = [type(each) for each in events if isinstance(each, ExecutionReport | CommissionReport)]
            assert kinds == [CommissionReport, ExecutionReport, CommissionReport]

    run(scenario())


def test_32_a_commission_that_is_reported_otherwise_takes_the_place_of_the_first() -> None:
    """Users of another program were told -1 until the true amount was there; the books kept what came first."""

    async def scenario() -> None:
        async with fake_tws() as fake, connected(fake.port, lockstep=False) as (world, _):
            fake.push(*EXECUTION.format(exec_id="a.01.01", price="2.5").split("|"))
            for amount in (-1.0, 1.05, 1.05):
                fake.push(59, 1, "a.01.01", amount, "USD", "1.7976931348623157E308", "1.7976931348623157E308", "")
            fake.push(4, 2, 41, 399, "the last", "")
            events = await wait_for(world, OrderMessage)
            paid = [each.commission for each in events if isinstance(each, CommissionReport)]
            assert paid == [Decimal("-1.0"), Decimal("1.05")]

    run(scenario())


def test_39_an_unreadable_order_message_ends_the_connection_and_not_the_run() -> None:
    async def scenario() -> None:
        async with fake_tws() as fake, connected(fake.port, lockstep=False) as (world, _):
            fake.push(3, 41, "Filled", "much", 0, 2.5, 77, 0, 2.5, 1, "", 0)
            down = (await world.link.next(None)).events[-1]
            assert isinstance(down, Disconnected)
            assert "could not be read" in down.reason
            assert not world.link.is_up
            assert isinstance((await world.link.connect()).events[-1], Connected)

    run(scenario())


def test_38_lists_count_once_two_rounds_agree() -> None:
    """TWS has just logged in: at first it tells no positions, then half of them."""
    reported = iter(([], [1], [1, 2], [1, 2], [1, 2]))

    def positions(_: list[str]) -> list[tuple[object, ...]]:
        rows = [
            (61, 3, "DU1", 900 + each, "SPY", "OPT", "20261218", 600 + each, "P", 100, "", "USD", "", "SPY", -1, 250.0)
            for each in next(reported)
        ]
        return [*rows, (62, 1)]

    async def scenario() -> None:
        async with (
            fake_tws(answers={"61": positions}) as fake,
            connected(fake.port, lockstep=False) as (_, events),
        ):
            up = events[-1]
            assert isinstance(up, Connected)
            assert sorted(contract.con_id for contract, _ in up.positions) == [901, 902]

    run(scenario())


def test_lists_are_reported_as_of_their_end() -> None:
    """They were told as of their first request: a minute of protection that began with them was over too early, or late
    by what the lists took.
    """
    apart = timedelta(seconds=0.3)

    async def scenario() -> None:
        async with fake_tws() as fake:
            before = datetime.now(UTC)
            async with connected(fake.port, lockstep=False, round_interval=apart.total_seconds()) as (world, events):
                assert {event.at for event in events} == {world.link.now}
                assert before + apart <= world.link.now <= datetime.now(UTC)
                again = datetime.now(UTC)
                fake.push(4, 2, -1, 1102, "Connectivity has been restored - data maintained.", "")
                up = (await wait_for(world, Connected))[-1]
                assert again + apart <= up.at == world.link.now

    run(scenario())


def test_38_lists_that_never_agree_are_no_start() -> None:
    numbers = iter(range(1000))

    def positions(_: list[str]) -> list[tuple[object, ...]]:
        count = -next(numbers)
        option = ("SPY", "OPT", "20261218", 600, "P", 100, "", "USD", "", "SPY")
        return [(61, 3, "DU1", 900, *option, count, 250.0), (62, 1)]

    async def scenario() -> None:
        async with fake_tws(answers={"61": positions}) as fake:
            assert "are others each time" in (await refusal(fake.port)).message

    run(scenario())


def test_a_connection_that_is_closed_between_two_rounds_is_a_lost_one() -> None:
    """What was asked next ended the engine, with a traceback: at a start, and after 1102."""

    async def closed_after(fake: FakeTws, count: int) -> None:
        await fake.until_asked("7", count)
        fake.cut()

    async def scenario() -> None:
        async with fake_tws() as fake:
            cut = asyncio.create_task(closed_after(fake, 1))
            assert "closed the connection before it was ready" in (await refusal(fake.port, round_interval=0.2)).message
            await cut
        async with fake_tws() as fake, connected(fake.port, lockstep=False, round_interval=0.2) as (world, _):
            cut = asyncio.create_task(closed_after(fake, len(await fake.until_asked("7")) + 1))
            fake.push(4, 2, -1, 1102, "Connectivity has been restored - data maintained.", "")
            assert "closed the connection" in (await wait_for(world, Disconnected))[-1].reason
            await cut

    run(scenario())


class HandClock:
    """A clock that stands where it is put; `ran` counts on its own."""

    def __init__(self) -> None:
        self.at = datetime(2025, 11, 24, 15, 0, tzinfo=UTC)
        self.ran = 0.0

    def now(self) -> datetime:
        return self.at

    def elapsed(self) -> float:
        return self.ran


class RealTime:
    """What a broker tells: the time that passes, also while the computer sleeps."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.began, self.slept = clock.at, 0.0

    @property
    def at(self) -> datetime:
        return self.began + timedelta(seconds=self.clock.ran + self.slept)

    @property
    def answers(self) -> dict[str, Callable[[Fields], list[tuple[object, ...]]]]:
        return {"49": lambda _: [(49, 1, int(self.at.timestamp()))]}


@pytest.mark.parametrize(("seconds", "words"), [(10800, "the computer slept"), (-3600, "was set back by 3600 s")])
def test_62_63_a_clock_that_jumps_is_a_lost_connection(seconds: int, words: str) -> None:
    async def scenario() -> None:
        clock = HandClock()
        real = RealTime(clock)
        async with fake_tws(answers=real.answers) as fake:
            world = ib_world(IbSettings(port=fake.port, round_interval=0.01), clock=clock)
            await world.link.connect()
            clock.at += timedelta(seconds=30)
            clock.ran += 30
            assert isinstance((await world.link.next(clock.at)).events[-1], MarketDataUpdated)
            last = real.at
            clock.at += timedelta(seconds=seconds)
            real.slept = max(seconds, 0)
            (down,) = (await world.link.next(last)).events  # nothing is decided by what waited in the socket
            assert isinstance(down, Disconnected)
            assert (down.at, down.since) == (last, last)
            assert words in down.reason
            up = (await world.link.connect()).events[-1]
            assert isinstance(up, Connected)
            assert abs(up.at - real.at) < timedelta(seconds=1)
            await world.link.close()

    run(scenario())


@pytest.mark.parametrize("is_read", [False, True], ids=["blocked before it read", "blocked after it read"])
def test_15_63_a_process_that_stood_still_decides_nothing_by_the_quotes_that_waited(
    monkeypatch: pytest.MonkeyPatch, *, is_read: bool
) -> None:
    """Suspended and gone on, all clocks have gone on too; what is in the socket is old, and looks new."""
    monkeypatch.setattr(transport, "EVERY", 0.05)
    monkeypatch.setattr(transport, "LIMIT", 0.3)

    async def scenario() -> None:
        async with fake_tws() as fake, connected(fake.port, lockstep=False) as (world, _):
            world.feed.watch([Underlying("SPY")])
            (asked,) = await fake.until_asked("1")
            fake.push(1, 6, asked[2], 1, 600.25, 3, 0)
            (moved,) = (await world.link.next(None)).events
            assert isinstance(moved, MarketDataUpdated)
            assert moved.rows
            fake.push(1, 6, asked[2], 1, 601.5, 3, 0)
            if is_read:
                await asyncio.sleep(0.03)
            time.sleep(0.8)  # the event loop itself is to stand still
            (down,) = (await world.link.next(None)).events
            assert isinstance(down, Disconnected)
            assert "this process was suspended for " in down.reason
            again = await world.link.connect()
            assert isinstance(again.events[-1], Connected)
            _, asked = await fake.until_asked("1", 2)
            fake.push(1, 6, asked[2], 1, 602.0, 3, 0)
            assert isinstance((await world.link.next(None)).events[-1], MarketDataUpdated)

    run(scenario())


def apart(events: Iterable[Event]) -> list[float]:
    """Return what is told of our clock and the broker's."""
    return [event.seconds for event in events if isinstance(event, ClockSkew)]


@pytest.mark.parametrize("ahead", [6 * 3600, -3600, 23 * 3600], ids=["6 h ahead", "1 h behind", "23 h ahead"])
def test_62_all_goes_by_the_brokers_time_and_a_wrong_clock_is_reported(ahead: int) -> None:
    """Exits that were due at 15:30 went at 09:32, and entries were stopped."""

    async def scenario() -> None:
        clock = HandClock()
        real = RealTime(clock)
        clock.at += timedelta(seconds=ahead)
        async with fake_tws(answers=real.answers) as fake:
            world = ib_world(IbSettings(port=fake.port, round_interval=0.01), clock=clock)
            first = await world.link.connect()
            assert isinstance(first.events[-1], Connected)
            found = apart(first.events)
            for number in range(200):
                clock.at += timedelta(seconds=1)
                clock.ran += 1
                batch = await world.link.next(world.link.now)
                assert abs(batch.at - real.at) <= timedelta(seconds=1), number
                assert all(each.at == batch.at for each in batch.events)
                await asyncio.sleep(0)
                found += apart(batch.events)
            await world.link.close()
        assert found == [pytest.approx(ahead, abs=5)]

    run(scenario())


@pytest.mark.parametrize("steps", [(3600,), (-3600,), (7200, -21600, 300)])
def test_62_a_clock_that_is_set_during_the_day_moves_no_instant(steps: tuple[int, ...]) -> None:
    async def scenario() -> None:
        clock = HandClock()
        real = RealTime(clock)
        async with fake_tws(answers=real.answers) as fake:
            world = ib_world(IbSettings(port=fake.port, round_interval=0.01), clock=clock)
            await world.link.connect()
            times, reported = [], []
            for number in range(400):
                clock.at += timedelta(seconds=1 if number % 100 else steps[number // 100 % len(steps)])
                clock.ran += 1
                batch = await world.link.next(world.link.now)
                if isinstance(batch.events[-1], Disconnected):
                    batch = await world.link.connect()
                assert abs(batch.at - real.at) <= timedelta(seconds=2), number
                times.append(batch.at)
                reported += apart(batch.events)
                await asyncio.sleep(0)
            await world.link.close()
        assert times == sorted(times)
        assert reported

    run(scenario())


def test_62_a_clock_that_is_set_right_is_reported_though_its_jump_ends_the_connection() -> None:
    """Who does as he was told sets the clock: nothing said that it agreed."""

    async def scenario() -> None:
        clock = HandClock()
        real = RealTime(clock)
        clock.at += timedelta(hours=1)
        async with fake_tws(answers=real.answers) as fake:
            world = ib_world(IbSettings(port=fake.port, round_interval=0.01), clock=clock)
            assert apart((await world.link.connect()).events) == [pytest.approx(3600, abs=5)]
            clock.at -= timedelta(hours=1)
            assert isinstance((await world.link.next(world.link.now)).events[-1], Disconnected)
            assert apart((await world.link.connect()).events) == [0.0]
            await world.link.close()

    run(scenario())


def test_62_a_broker_whose_time_leaps_is_a_lost_connection_and_its_new_time_counts_then() -> None:
    async def scenario() -> None:
        clock = HandClock()
        real = RealTime(clock)
        async with fake_tws(answers=real.answers) as fake:
            world = ib_world(IbSettings(port=fake.port, round_interval=0.01), clock=clock)
            await world.link.connect()
            real.slept = 7200
            reported = []
            for _ in range(130):
                clock.at += timedelta(seconds=1)
                clock.ran += 1
                batch = await world.link.next(world.link.now)
                assert batch.at <= clock.at
                reported += apart(batch.events)
                if isinstance(down := batch.events[-1], Disconnected):
                    break
                await asyncio.sleep(0.001)
            assert isinstance(down, Disconnected)
            assert down.reason == "the broker's time has leapt: everything is read again"
            first = await world.link.connect()
            assert abs(first.at - real.at) <= timedelta(seconds=1)
            assert [*reported, *apart(first.events)] == [pytest.approx(-7200, abs=5)]
            await world.link.close()

    run(scenario())


@pytest.mark.parametrize(("hours", "way"), [(25, "25.0 hours ahead of"), (-30, "30.0 hours behind")])
def test_62_nobody_is_let_in_by_a_clock_that_is_wrong_by_more_than_a_day(hours: int, way: str) -> None:
    async def scenario() -> None:
        clock = HandClock()
        real = RealTime(clock)
        async with fake_tws(answers=real.answers) as fake:
            world = ib_world(IbSettings(port=fake.port, round_interval=0.01), clock=clock)
            clock.at += timedelta(hours=hours)
            for _ in range(2):
                with pytest.raises(BrokerError) as caught:
                    await world.link.connect()
                assert f"this computer's clock is {way} the broker's" in caught.value.message
                assert not world.link.is_up
            clock.at -= timedelta(hours=hours)
            events = (await world.link.connect()).events
            assert apart(events) == [0.0]
            assert isinstance(events[-1], Connected)
            await world.link.close()

    run(scenario())


@pytest.mark.parametrize("reported", ["20251124 10:00:00", "20251124 10:00:00 Nowhere", "20251124 09:00:00 CST", ""])
def test_62_a_broker_that_does_not_report_its_time_is_reported_and_once_it_does_everything_is_read_again(
    reported: str,
) -> None:
    """A greeting whose zone is missing, unknown or ambiguous tells no time either."""

    async def scenario() -> None:
        clock = HandClock()
        real = RealTime(clock)
        clock.at += timedelta(hours=6)
        silent: dict[str, Callable[[Fields], list[tuple[object, ...]]]] = {"49": lambda _: []}
        async with fake_tws(answers=silent, greeting=lambda: reported) as fake:
            world = ib_world(IbSettings(port=fake.port, round_interval=0.01), clock=clock)
            first = await world.link.connect()
            assert [each for each in first.events if isinstance(each, ClockSkew)] == [
                ClockSkew(first.at, 0.0, is_known=False)
            ]
            fake.answers |= real.answers
            for _ in range(70):
                clock.at += timedelta(seconds=1)
                clock.ran += 1
                batch = await world.link.next(world.link.now)
                if isinstance(down := batch.events[-1], Disconnected):
                    break
                await asyncio.sleep(0.001)
            assert isinstance(down, Disconnected)
            assert down.reason == "the broker reports its time now: everything is read again by it"
            events = (await world.link.connect()).events
            clocks = [each for each in events if isinstance(each, ClockSkew)]
            assert clocks[-1].is_known
            assert apart(events)[-1] == pytest.approx(21600, abs=5)
            assert abs(events[-1].at - real.at) <= timedelta(seconds=1)
            await world.link.close()

    run(scenario())


@pytest.mark.parametrize("ahead", [6 * 3600, -86000, 90], ids=["6 h ahead", "86,000 s behind", "90 s ahead"])
def test_62_the_greeting_reports_the_time_until_the_broker_answers(ahead: int) -> None:
    """After a restart an engine that was a day behind held the days that had passed for days to come."""

    async def scenario() -> None:
        clock = HandClock()
        real = RealTime(clock)
        clock.at += timedelta(seconds=ahead)
        silent: dict[str, Callable[[Fields], list[tuple[object, ...]]]] = {"49": lambda _: []}
        async with fake_tws(answers=silent, greeting=lambda: greeting_at(real.at)) as fake:
            world = ib_world(IbSettings(port=fake.port, round_interval=0.01), clock=clock)
            first = await world.link.connect()
            (reported,) = [each for each in first.events if isinstance(each, ClockSkew)]
            assert (reported.seconds, reported.is_known) == (pytest.approx(ahead, abs=2), False)
            assert all(abs(each.at - real.at) <= timedelta(seconds=1) for each in (first, *first.events))
            clock.at += timedelta(seconds=30)
            clock.ran += 30
            assert abs((await world.link.next(world.link.now)).at - real.at) <= timedelta(seconds=1)
            fake.answers |= real.answers
            await until_lost(world, clock)
            events = (await world.link.connect()).events
            assert [each.is_known for each in events if isinstance(each, ClockSkew)] == [True]
            assert abs(events[-1].at - real.at) <= timedelta(seconds=1)
            await world.link.close()

    run(scenario())


def test_62_what_is_read_before_the_broker_answers_counts_as_of_its_answer() -> None:
    """Records of a start went back in time: the greeting is right to a second, and the answer to less."""

    async def scenario() -> None:
        clock = HandClock()
        real = RealTime(clock)
        clock.at -= timedelta(hours=1)
        asked: list[Fields] = []

        def second(fields: Fields) -> list[tuple[object, ...]]:
            asked.append(fields)
            return real.answers["49"](fields) if len(asked) > 1 else []

        late = greeting_at(real.at + timedelta(seconds=2))
        async with fake_tws(answers={"49": second}, greeting=lambda: late) as fake:
            world = ib_world(IbSettings(port=fake.port, round_interval=0.01), clock=clock)
            first = await world.link.connect()
            assert len(asked) > 1
            assert {each.at for each in first.events} == {first.at}
            assert abs(first.at - real.at) <= timedelta(seconds=1)
            await world.link.close()

    run(scenario())


async def until_lost(world: IbConnection, clock: HandClock) -> None:
    """Let seconds pass until the connection has ended."""
    for _ in range(130):
        clock.at += timedelta(seconds=1)
        clock.ran += 1
        if isinstance((await world.link.next(world.link.now)).events[-1], Disconnected):
            return
        await asyncio.sleep(0.001)
    raise AssertionError("the connection stands")


def test_62_a_simulated_gateway_that_does_not_answer_reports_its_time_in_the_greeting() -> None:
    async def scenario() -> None:
        async with gateway("[{kind: broker_clock, answers: false}]", lockstep=False) as gw:
            clock = HandClock()
            clock.at = datetime.fromtimestamp(gw.now - 86000, UTC)
            world = ib_world(IbSettings(port=gw.port, round_interval=0.01), clock=clock)
            first = await world.link.connect()
            assert abs(first.at.timestamp() - gw.now) <= 2
            assert apart(first.events) == [pytest.approx(-86000, abs=3)]
            await world.link.close()

    run(scenario())


def test_free_running_waits_until_a_timer_is_due() -> None:
    class Still:
        def now(self) -> datetime:
            return datetime(2025, 11, 24, 15, 0, tzinfo=UTC)

        def elapsed(self) -> float:
            return 0.0

    async def scenario() -> None:
        answers = {"49": lambda _: [(49, 1, int(Still().now().timestamp()))]}
        async with fake_tws(answers=answers) as fake:
            world = ib_world(IbSettings(port=fake.port, round_interval=0.01), clock=Still())
            await world.link.connect()
            due = Still().now()
            batch = await world.link.next(due)
            assert (batch.at, batch.events) == (due, (MarketDataUpdated(due, ()),))
            fake.push(61, 3, "DU1", 756733, "SPY", "STK", "", 0, "", "", "ARCA", "USD", "SPY", "SPY", 100, 431.5)
            events = (await world.link.next(None)).events
            assert events[0] == PositionReport(due, Underlying("SPY"), Decimal(100), Decimal("431.5"))
            await world.link.close()

    run(scenario())


def test_row_20_a_connection_that_carries_nothing_any_more_is_given_up() -> None:
    async def scenario() -> None:
        answers: dict[str, Callable[[Fields], list[tuple[object, ...]]]] = {"49": lambda _: []}
        async with (
            fake_tws(answers=answers) as fake,
            connected(fake.port, lockstep=False, heartbeat_seconds=5.0) as (world, _),
        ):
            (down,) = [event for event in await wait_for(world, Disconnected) if isinstance(event, Disconnected)]
            assert "no answer for" in down.reason
            assert not world.link.is_up
            assert await fake.until_asked("49")
            again = await world.link.connect()
            assert isinstance(again.events[-1], Connected)

    run_virtually(lambda _: scenario())


def test_row_20_a_quiet_connection_that_answers_is_kept() -> None:
    async def scenario() -> None:
        async with fake_tws() as fake:
            fake.answers["49"] = lambda _: [(49, 1, int(time.time()))]
            async with connected(fake.port, lockstep=False, heartbeat_seconds=5.0) as (world, _):
                waiting = asyncio.ensure_future(world.link.next(None))
                await fake.until_asked("49", 5)
                assert not waiting.done()
                assert world.link.is_up
                waiting.cancel()

    run_virtually(lambda _: scenario())
