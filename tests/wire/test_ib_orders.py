"""Orders through ib_async to the simulated gateway and back as events."""

from dataclasses import replace
from decimal import Decimal

import pytest
from ib_async.client import Client
from ib_session import DAY, chain, connected, gateway, leg, near, order, play, play_until, put, run

from rulebot.adapters.ib.broker import IbConnection
from rulebot.model.event import (
    BrokerStatus,
    CommissionReport,
    Connected,
    Event,
    ExecutionReport,
    OrderMessage,
    OrderReport,
    OrderUnsent,
    PositionReport,
)
from rulebot.model.order import Order, OrderType, Side, TimeInForce
from rulebot.model.session import session_after


def with_status(status: BrokerStatus, order_id: int):
    return lambda event: isinstance(event, OrderReport) and (event.status, event.order_id) == (status, order_id)


def with_code(code: int):
    return lambda event: isinstance(event, OrderMessage) and event.message.code == code


def with_price(limit: str):
    return lambda event: getattr(event, "limit_price", None) == Decimal(limit)


def of(kind: type, events: list[Event]) -> list:
    return [event for event in events if isinstance(event, kind)]


async def quote(world: IbConnection, strike: Decimal) -> tuple[Decimal, Decimal]:
    """Stream a put for a moment and return its bid and ask."""
    option = put(strike)
    world.feed.watch([option])
    await play(world, 6)
    board, row = world.feed.board, world.feed.board.rows[option]
    return Decimal(str(board.bid[row])), Decimal(str(board.ask[row]))


def test_a_bought_option_is_acknowledged_filled_and_held() -> None:
    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            strike = await near(world, below=20)
            _, ask = await quote(world, strike)
            world.broker.submit(order(1, leg(put(strike), Side.BUY), limit_price=ask + 1))
            events = await play_until(world, lambda event: isinstance(event, CommissionReport))
            opened = next(event for event in of(OrderReport, events) if event.ref)
            assert (opened.ref, opened.order_id, opened.client_id) == ("rb.t.1", 1, 1)
            assert (opened.limit_price, opened.quantity) == (ask + 1, Decimal(1))
            done = of(ExecutionReport, events)[0]
            assert (done.option, done.is_buy, done.is_combo) == (put(strike), True, False)
            assert (done.ref, done.quantity) == ("rb.t.1", Decimal(1))
            assert done.option.con_id
            assert done.executed_at == done.at
            assert any(with_status(BrokerStatus.FILLED, 1)(event) for event in events)
            held = of(PositionReport, events)[-1]
            assert (held.contract, held.quantity) == (put(strike), Decimal(1))

    run(scenario())


def test_a_combo_at_work_is_changed_by_a_run_that_starts() -> None:
    """Nothing told which contracts its legs are before the strikes were listed: the run ended at its next try."""

    async def scenario() -> None:
        async with gateway() as gw:
            async with connected(gw.port) as (world, _):
                strike = await near(world, below=20)
                legs = leg(put(strike), Side.SELL), leg(put(strike - 20), Side.BUY)
                sent = order(1, *legs, side=Side.BUY, limit_price=Decimal("-15.00"))
                world.broker.submit(sent)
                await play_until(world, with_status(BrokerStatus.WORKING, 1))
            async with connected(gw.port) as (world, _):
                world.broker.replace(replace(sent, limit_price=Decimal("-14.95")))
                await play_until(world, lambda event: getattr(event, "limit_price", None) == Decimal("-14.95"))

    run(scenario())


def test_a_combo_whose_legs_the_broker_writes_otherwise_is_changed() -> None:
    """A change in our own words was refused (105), and the order stood at its first price for all its tries."""

    async def scenario() -> None:
        async with gateway(faults="[{kind: legs_rewritten, on: order}]") as gw:
            async with connected(gw.port) as (world, _):
                strike = await near(world, below=20)
                legs = leg(put(strike), Side.SELL), leg(put(strike - 20), Side.BUY)
                sent = order(1, *legs, side=Side.BUY, limit_price=Decimal("-15.00"))
                world.broker.submit(sent)
                await play_until(world, with_status(BrokerStatus.WORKING, 1))
                world.broker.replace(replace(sent, limit_price=Decimal("-14.95")))
                await play_until(world, with_price("-14.95"))
            async with connected(gw.port) as (world, _):
                world.broker.replace(replace(sent, limit_price=Decimal("-14.90")))
                reported = await play_until(world, with_price("-14.90"))
                assert not of(OrderMessage, reported)
                world.broker.cancel(sent)
                await play_until(world, with_status(BrokerStatus.CANCELLED, 1))

    run(scenario())


def test_a_resting_order_is_changed_and_cancelled() -> None:
    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            strike = await near(world, below=20)
            sent = order(1, leg(put(strike), Side.BUY), limit_price=Decimal("0.05"))
            world.broker.submit(sent)
            first = of(OrderReport, await play_until(world, with_status(BrokerStatus.WORKING, 1)))
            world.broker.replace(replace(sent, limit_price=Decimal("0.10"), quantity=2))
            events = await play_until(world, lambda event: getattr(event, "limit_price", None) == Decimal("0.1"))
            changed = next(event for event in of(OrderReport, events) if event.limit_price == Decimal("0.1"))
            assert changed.quantity == 2
            assert changed.perm_id == first[0].perm_id
            world.broker.cancel(sent)
            events = await play_until(world, with_code(202))
            assert any(with_status(BrokerStatus.CANCELLED, 1)(event) for event in events)

    run(scenario())


def test_refusals_and_late_cancels_are_messages_on_the_order() -> None:
    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            strike = await near(world, below=20)
            _, ask = await quote(world, strike)
            option = leg(put(strike), Side.BUY)
            world.broker.submit(order(1, option, limit_price=Decimal("1.03")))
            refused = of(OrderMessage, await play_until(world, with_code(110)))
            assert [event.order_id for event in refused] == [1]
            world.broker.cancel(order(9, option))
            await play_until(world, with_code(10147))
            world.broker.submit(order(10, option, limit_price=ask + 1))
            await play_until(world, with_status(BrokerStatus.FILLED, 10))
            world.broker.cancel(order(10, option))
            await play_until(world, with_code(10148))
            world.broker.submit(order(11, leg(put(strike), Side.SELL), quantity=100_000, kind=OrderType.MARKET))
            await play_until(world, with_code(201))

    run(scenario())


@pytest.mark.parametrize("version", [157, 163, 176, 177])
def test_orders_contracts_and_quotes_on_older_servers(version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "MaxClientVersion", version)

    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            strike = await near(world, below=20)
            bid, ask = await quote(world, strike)
            assert 0 < bid < ask
            world.broker.submit(order(1, leg(put(strike), Side.BUY), limit_price=ask + 1, adaptive="patient"))
            events = await play_until(world, lambda event: isinstance(event, CommissionReport))
            opened = next(event for event in of(OrderReport, events) if event.ref)
            assert (opened.status, opened.limit_price) == (BrokerStatus.WORKING, ask + 1)
            assert len(of(ExecutionReport, events)) == 1
        async with gateway() as gw, connected(gw.port) as (world, _):
            opening, _ = await condor(world)
            world.broker.submit(opening)
            await play_until(world, with_status(BrokerStatus.FILLED, 1))
            await world.link.close()
            again = await world.link.connect()
            done = [event for event in of(OrderReport, list(again.events)) if event.status is BrokerStatus.FILLED]
            assert [(event.ref, event.filled) for event in done] == [("rb.t.1", Decimal(1))]

    run(scenario())


async def condor(world: IbConnection) -> tuple[Order, Order]:
    """Return a put credit spread to sell and the order that buys it back, both as combos."""
    strike = await near(world, below=30)
    short, long = put(strike), put(strike - 10)
    opening = order(1, leg(short, Side.SELL), leg(long, Side.BUY), limit_price=Decimal("-0.05"))
    closing = order(2, leg(short, Side.BUY), leg(long, Side.SELL), limit_price=Decimal("2.50"))
    return opening, closing


def test_a_combo_is_bought_at_a_negative_price_and_reports_its_legs() -> None:
    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            opening, closing = await condor(world)
            world.broker.submit(opening)
            events = await play_until(world, lambda event: isinstance(event, PositionReport))
            events += await play(world, 3)
            fills = of(ExecutionReport, events)
            whole = [fill for fill in fills if fill.is_combo]
            legs = {fill.option: fill for fill in fills if not fill.is_combo}
            short, long = opening.legs[0].option, opening.legs[1].option
            assert (whole[0].option, whole[0].is_buy, whole[0].symbol) == (None, True, "SPX")
            assert whole[0].price <= Decimal("-0.05")
            assert (legs[short].is_buy, legs[long].is_buy) == (False, True)
            assert legs[long].price - legs[short].price == whole[0].price
            report = next(event for event in of(OrderReport, events) if event.limit_price is not None)
            assert report.limit_price == Decimal("-0.05")
            assert {event.contract: event.quantity for event in of(PositionReport, events)} == {short: -1, long: 1}
            world.broker.submit(closing)
            events = await play_until(world, with_status(BrokerStatus.FILLED, 2)) + await play(world, 2)
            assert {event.contract: event.quantity for event in of(PositionReport, events)} == {short: 0, long: 0}

    run(scenario())


def test_one_order_of_an_oca_group_cancels_the_other() -> None:
    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            strike = await near(world, below=20)
            bid, _ = await quote(world, strike)
            group = {"oca_group": "rb.oca.1", "time_in_force": TimeInForce.GTC}
            option = leg(put(strike), Side.SELL)
            stop = {"kind": OrderType.STOP, "limit_price": None, "stop_price": Decimal("0.50")}
            world.broker.submit(order(1, option, **group, **stop))
            first = of(OrderReport, await play(world, 2))
            assert {event.stop_price for event in first if event.ref} == {Decimal("0.5")}
            world.broker.submit(order(2, option, limit_price=bid - 1, **group))
            events = await play_until(world, with_status(BrokerStatus.CANCELLED, 1))
            assert any(with_status(BrokerStatus.FILLED, 2)(event) for event in events)

    run(scenario())


def test_orders_of_another_program_with_higher_ids_are_no_reason_to_refuse_ours() -> None:
    """Each of ours was refused as a duplicate (103) once the orders of all programs had been listed."""

    async def scenario() -> None:
        async with gateway() as gw:
            async with connected(gw.port, client_id=2) as (world, _):
                strike = await near(world, below=20)
                rest = order(5000, leg(put(strike - 50), Side.BUY), limit_price=Decimal("0.05"))
                world.broker.submit(replace(rest, time_in_force=TimeInForce.GTC))
                await play_until(world, with_status(BrokerStatus.WORKING, 5000))
            async with connected(gw.port) as (world, events):
                up = events[-1]
                assert isinstance(up, Connected)
                await near(world, below=20)
                ours = order(up.next_order_id, leg(put(strike - 40), Side.BUY), limit_price=Decimal("0.05"))
                world.broker.submit(ours)
                events = await play_until(world, with_status(BrokerStatus.WORKING, up.next_order_id))
                assert not of(OrderMessage, events)

    run(scenario())


def test_fills_of_today_are_reported_after_a_reconnect_with_the_resting_order() -> None:
    async def scenario() -> None:
        async with gateway() as gw:
            async with connected(gw.port) as (world, _):
                strike = await near(world, below=20)
                _, ask = await quote(world, strike)
                world.broker.submit(order(1, leg(put(strike), Side.BUY), limit_price=ask + 1))
                rest = order(2, leg(put(strike - 50), Side.BUY), limit_price=Decimal("0.05"))
                world.broker.submit(replace(rest, time_in_force=TimeInForce.GTC))
                before = await play_until(world, lambda event: isinstance(event, CommissionReport))
            async with connected(gw.port) as (world, events):
                up = events[-1]
                assert isinstance(up, Connected)
                assert up.order_refs == ("rb.t.2",)
                assert up.next_order_id == 3
                assert up.positions == ((put(strike), Decimal(1)),)
                old = next(event for event in of(OrderReport, before) if event.ref == "rb.t.2")
                new = next(event for event in of(OrderReport, list(events)) if event.ref == "rb.t.2")
                assert (new.perm_id, new.order_id) == (old.perm_id, 2)
                fills = of(ExecutionReport, list(events))
                assert [fill.ref for fill in fills] == ["rb.t.1"]
                assert [event.exec_id for event in of(CommissionReport, list(events))] == [fills[0].exec_id]
                done = [event for event in of(OrderReport, list(events)) if event.status is BrokerStatus.FILLED]
                assert [(event.ref, event.order_id) for event in done] == [("rb.t.1", 0)]
                world.broker.cancel(rest)
                await play_until(world, with_status(BrokerStatus.CANCELLED, 2))

    run(scenario())


def test_the_gateway_counts_the_ids_of_all_orders_that_it_has_read_and_of_no_others() -> None:
    """Refused ones and questions too; not one that was lost with its connection."""

    async def reported(port: int) -> int:
        async with connected(port) as (_, events):
            up = events[-1]
            assert isinstance(up, Connected)
            return up.next_valid_id

    async def scenario() -> None:
        async with gateway() as gw:
            assert await reported(gw.port) == 1
            async with connected(gw.port) as (world, _):
                strike = await near(world, below=20)
                rest = order(4, leg(put(strike), Side.BUY), limit_price=Decimal("0.05"))
                world.broker.submit(rest)
                await play(world, 2)
                world.broker.submit(replace(rest, order_id=5, ref="rb.t.5", quantity=100_000))
                world.broker.ask_margin(replace(rest, order_id=6, ref="rb.t.6"))
                await play(world, 2)
                world.link.wire.give_up("cut")
                world.broker.submit(replace(rest, order_id=7, ref="rb.t.7"))
            assert await reported(gw.port) == 7

    run(scenario())


def test_a_large_order_fills_in_parts_that_add_up() -> None:
    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            strike = await near(world, below=20)
            _, ask = await quote(world, strike)
            world.broker.submit(order(1, leg(put(strike), Side.BUY), limit_price=ask, quantity=400))
            events = await play_until(world, with_status(BrokerStatus.FILLED, 1), instants=2000)
            fills = of(ExecutionReport, events)
            assert len(fills) > 1
            assert sum(fill.quantity for fill in fills) == 400
            assert len({fill.exec_id for fill in fills}) == len(fills)
            reported = [event.filled for event in of(OrderReport, events) if event.filled]
            assert reported == sorted(reported)

    run(scenario())


def test_an_adaptive_order_is_sent_with_its_priority() -> None:
    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            strike = await near(world, below=20)
            _, ask = await quote(world, strike)
            world.broker.submit(order(1, leg(put(strike), Side.BUY), limit_price=ask + 1, adaptive="urgent"))
            await play_until(world, with_status(BrokerStatus.FILLED, 1))
            echo = gw.exchange.completed_orders()[0].ticket
            assert (echo.algo, echo.algo_params) == ("Adaptive", (("adaptivePriority", "Urgent"),))

    run(scenario())


def test_what_the_client_library_adds_to_an_order() -> None:
    async def scenario() -> None:
        async with gateway() as gw, connected(gw.port) as (world, _):
            strike = await near(world, below=20)
            world.broker.submit(order(1, leg(put(strike), Side.BUY), limit_price=Decimal("0.05")))
            await play(world, 2)
            ticket = gw.exchange.open_orders()[0].ticket
            assert (ticket.tif, ticket.transmit, ticket.outside_rth, ticket.parent_id) == ("DAY", True, False, 0)
            assert (ticket.account, ticket.order_ref) == (world.link.account, "rb.t.1")
            assert ticket.echo["eTradeOnly"] in ("", "0")
            assert ticket.echo["firmQuoteOnly"] in ("", "0")

    run(scenario())


def test_what_only_an_earlier_day_needed_is_forgotten_over_a_night() -> None:
    async def scenario() -> None:
        async with gateway(days=2) as gw, connected(gw.port) as (world, _):
            strike = await near(world, below=20)
            coming = session_after(DAY)
            world.broker.submit(order(1, leg(put(strike), Side.BUY), limit_price=(await quote(world, strike))[1] + 1))
            await play_until(world, lambda event: isinstance(event, CommissionReport))
            world.feed.watch([])
            await chain(world, coming.date)
            link = world.link
            while link.now < coming.open:
                await link.next(coming.open)
            assert (link._seen, link._orders, link._positions) == (set(), set(), {})
            world.broker.submit(order(2, leg(put(strike), Side.BUY), leg(put(strike - 5), Side.SELL)))
            [unsent] = of(OrderUnsent, (await link.next(None)).events)
            assert (unsent.order_id, unsent.is_change) == (2, False)
            assert f"contract id of SPXW {DAY}" in unsent.text
            world.broker.submit(
                order(2, leg(put(strike, coming.date), Side.BUY), leg(put(strike - 5, coming.date), Side.SELL))
            )
            opened = await play_until(world, lambda event: isinstance(event, OrderReport))
            assert "rb.t.2" in {event.ref for event in of(OrderReport, opened)}
            assert (link.wire.ib.trades(), link.wire.ib.fills()) == ([], [])

    run(scenario())
