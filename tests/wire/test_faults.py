"""Faults on demand: what a client receives while each kind of fault is on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal

import ib_async
import pytest
from click.testing import CliRunner
from raw_client import DAY, Message, RawClient, con_id, contract, order, run

from rulebot.cli.gateway import gateway
from twsim import KINDS, GatewaySettings, RunningGateway, read_faults, start_gateway
from twsim.faults.plan import FaultError, load_faults
from twsim.gateway.wire import take_frames
from twsim.seams import ContractSearch

OFFER = "v100..178 +LOCKSTEP"
FENCES_TO_OPEN = 12
ORDERS = ("3", "4", "5", "11", "59")


@asynccontextmanager
async def faulty(*faults: str, **settings: object) -> AsyncIterator[RunningGateway]:
    """Yield a gateway with these faults, each a line of YAML; an error of its own fails the test."""
    plan = read_faults("faults:\n" + "".join(f"  - {{{each}}}\n" for each in faults))
    values = {"first_day": DAY, "fence_seconds": 5, "data_seconds": 5, **settings}
    running = await start_gateway(GatewaySettings(**values), faults=plan)  # type: ignore[arg-type]
    try:
        yield running
        failed = running.gateway.failure
        if failed.done() and failed.exception() is not None:
            raise failed.exception()  # type: ignore[misc]
    finally:
        await running.stop()


def at_open(*faults: str, **settings: object):
    """Run the test with a gateway of these faults and a client that holds the clock, at the open."""

    def decorate(test: Callable[[RunningGateway, RawClient], Awaitable[None]]) -> Callable[[], None]:
        async def main() -> None:
            async with faulty(*faults, **settings) as running:
                client = await RawClient.connect(running.port, 1, OFFER)
                await client.fence(FENCES_TO_OPEN)
                await test(running, client)

        def wrapped() -> None:
            run(main)

        wrapped.__name__ = test.__name__
        return wrapped

    return decorate


def buy(running: RunningGateway, order_id: int = 1, limit: str = "30.00", **changed: object) -> list[object]:
    """Return an order that fills with the next market; with a limit of 0.05 one that rests."""
    return order(order_id, con_id(running, 5890), limit=limit, **changed)


def of(kind: str, found: list[Message]) -> list[Message]:
    return [each for each in found if each[0] == kind]


def statuses(found: list[Message]) -> list[str]:
    return [each[2] for each in of("3", found)]


def errors(found: list[Message]) -> list[int]:
    return [int(each[3]) for each in of("4", found)]


def exec_ids(found: list[Message]) -> list[str]:
    return [each[14] for each in of("11", found)]


async def line(client: RawClient, running: RunningGateway, req_id: int = 7) -> list[Message]:
    client.send(1, 11, req_id, *contract(con_id(running, 5890)), 0, "", 0, 0, "")
    return await client.fence()


def ticks(found: list[Message], req_id: int = 7) -> list[Message]:
    return [each for each in found if each[0] in ("1", "2", "21") and str(req_id) in each[1:3]]


# ---------------------------------------------------------------- orders


@at_open("kind: swallow_order, on: order")
async def test_row_23_a_swallowed_order_has_no_answer_and_is_not_there(running, client):
    client.send(*buy(running))
    client.send(*buy(running, 2))
    found = await client.fence(4)
    assert {each[1] for each in of("5", found)} == {"2"}
    assert [each.order_id for each in running.exchange.executions()] == [2]
    client.send(4, 1, 1)
    assert 10147 in errors(await client.fence())


@at_open("kind: lose_ack, on: order")
async def test_row_24_an_order_without_acknowledgement_lives_and_is_found_by_asking(running, client):
    client.send(*buy(running, limit="0.05"))
    found = await client.fence(4)
    assert not [each for each in found if each[0] in ORDERS]
    client.send(5, 1)
    assert [each[1] for each in of("5", await client.until_kind(53))] == ["1"]


@at_open("kind: lose_ack, on: order")
async def test_row_24_fills_of_an_order_without_acknowledgement_are_reported(running, client):
    client.send(*buy(running))
    found = await client.fence(4)
    assert len(of("11", found)) == 1
    assert set(statuses(found)) == {"Filled"}


@at_open("kind: duplicate, on: order")
async def test_row_26_each_report_comes_twice(running, client):
    client.send(*buy(running))
    found = [each for each in await client.fence(4) if each[0] in ORDERS]
    assert len(of("11", found)) == 2
    assert len(of("59", found)) == 2
    assert of("11", found)[0] == of("11", found)[1]
    assert len(running.exchange.executions()) == 1


@at_open("kind: duplicate, on: fill")
async def test_row_26_a_fill_alone_comes_twice(running, client):
    client.send(*buy(running))
    found = await client.fence(4)
    assert (len(of("11", found)), len(of("59", found))) == (2, 2)


@at_open("kind: execution_first, on: order")
async def test_row_27_the_execution_comes_before_the_acknowledgement(running, client):
    client.send(*buy(running))
    found = [each for each in await client.fence(4) if each[0] in ORDERS]
    assert found[0][0] == "11"
    assert statuses(found)[0] == "PreSubmitted"
    assert statuses(found)[-1] == "Filled"


@at_open("kind: execution_first, on: order, seconds: 20")
async def test_row_27_an_order_that_does_not_fill_is_acknowledged_late(running, client):
    client.send(*buy(running, limit="0.05"))
    assert not of("5", await client.fence(3))
    assert of("5", await client.fence(2))


@at_open("kind: late_fill, on: cancel, seconds: 10")
async def test_row_28_a_fill_comes_after_cancelled(running, client):
    client.send(*buy(running, limit="0.05"))
    await client.fence(2)
    client.send(4, 1, 1)
    found = await client.fence(4)
    reported = [each for each in found if each[0] in ORDERS]
    cancelled = next(at for at, each in enumerate(reported) if each[0] == "3" and each[2] == "Cancelled")
    filled = next(at for at, each in enumerate(reported) if each[0] == "11")
    assert 202 in errors(found)
    assert cancelled < filled
    assert of("59", found)
    assert [each.quantity for each in running.exchange.positions()] == [Decimal(1)]
    assert running.ledger is not None
    assert running.ledger.totals().positions == {con_id(running, 5890): Decimal(1)}


@at_open("kind: correction, on: fill, seconds: 10, price_by: -0.5")
async def test_row_29_a_corrected_price_replaces_the_first(running, client):
    client.send(*buy(running))
    found = await client.fence(5)
    first, second = exec_ids(found)
    assert (first[-3:], second[-3:]) == (".01", ".02")
    assert first[:-3] == second[:-3]
    prices = [Decimal(each.price) for each in running.exchange.executions()]
    assert prices[1] == prices[0] - Decimal("0.5")
    assert running.ledger is not None
    totals = running.ledger.totals()
    assert totals.cash_flow == {con_id(running, 5890): -100 * prices[1]}
    assert round(totals.cash, 2) == Decimal(running.exchange.account_values()["TotalCashValue"])


@at_open(
    "kind: correction, on: fill, seconds: 5, price_by: -0.5", "kind: correction, on: fill, seconds: 5, price_by: -0.2"
)
async def test_row_29_what_was_corrected_is_corrected_again(running, client):
    """Each has an id and a price of its own: the second begins where the first has ended."""
    client.send(*buy(running))
    found = exec_ids(await client.fence(5))
    assert [each[-3:] for each in found] == [".01", ".02", ".03"]
    prices = [Decimal(each.price) for each in running.exchange.executions()]
    assert [price - prices[0] for price in prices] == [Decimal(0), Decimal("-0.5"), Decimal("-0.7")]
    assert running.ledger is not None
    assert running.ledger.totals().cash_flow == {con_id(running, 5890): -100 * prices[2]}


@at_open("kind: correction, on: fill, seconds: 10, quantity_by: -1")
async def test_row_29_a_bust_takes_the_position_away(running, client):
    client.send(*buy(running))
    found = await client.fence(5)
    assert len(exec_ids(found)) == 2
    assert running.exchange.positions() == []
    assert running.ledger is not None
    assert running.ledger.totals().positions == {}


@at_open("kind: late_commission, on: fill, seconds: 20")
async def test_row_32_a_commission_comes_late(running, client):
    client.send(*buy(running))
    found = await client.fence(2)
    assert of("11", found)
    assert not of("59", found)
    client.send(7, 3, 5, 0, "", "", "", "", "", "")
    assert not of("59", await client.until_kind(55))
    assert [each[2] for each in of("59", await client.fence(5))] == exec_ids(found)
    client.send(7, 3, 5, 0, "", "", "", "", "", "")
    assert [each[2] for each in of("59", await client.until_kind(55))] == exec_ids(found)


@at_open("kind: no_commission, on: order")
async def test_row_32_a_commission_never_comes(running, client):
    client.send(*buy(running))
    assert not of("59", await client.fence(10))
    assert len(running.exchange.executions()) == 1


@pytest.mark.parametrize(("status", "said"), [("Inactive", ["Inactive"]), ("Cancelled", ["Cancelled"]), ("none", [])])
def test_row_42_a_reject_comes_with_a_status_or_alone(status, said):
    @at_open(f"kind: reject, on: order, status: {status}, text: no")
    async def main(running, client):
        client.send(*buy(running))
        found = await client.fence(4)
        assert errors(found) == [201]
        assert of("4", found)[0][4] == "no"
        assert statuses(found) == said
        assert running.exchange.open_orders() == []

    main()


@pytest.mark.parametrize("code", [399, 10349, 2109])
def test_row_45_a_warning_leaves_the_order_alive(code):
    @at_open(f"kind: warning, on: order, code: {code}")
    async def main(running, client):
        client.send(*buy(running, limit="0.05"))
        found = await client.fence(4)
        assert errors(found) == [code]
        assert statuses(found)[-1] == "Submitted"
        assert len(running.exchange.open_orders()) == 1

    main()


@at_open("kind: late_order, on: order, seconds: 20")
async def test_row_23_an_order_reaches_the_broker_late_after_its_cancel_was_not_found(running, client):
    client.send(*buy(running, limit="0.05"))
    assert not [each for each in await client.fence(2) if each[0] in ORDERS]
    client.send(4, 1, 1)
    assert errors(await client.fence(1)) == [10147]
    assert statuses(await client.fence(4))[0] == "PreSubmitted"
    assert len(running.exchange.open_orders()) == 1


@at_open("kind: late_order, on: order, seconds: 5")
async def test_row_23_an_order_that_comes_late_is_not_refused_for_one_that_was_sent_after_it(running, client):
    """Its id was above all others when the gateway read it; one that the gateway reads only now is refused."""
    client.send(*buy(running, 3, limit="0.05"))
    client.send(*buy(running, 4, limit="0.05"))
    found = await client.fence(8)
    assert not errors(found)
    assert len(running.exchange.open_orders()) == 2
    client.send(*buy(running, 2, limit="0.05"))
    assert errors(await client.fence(2)) == [103]


@at_open("kind: pacing, on: order")
async def test_row_52_an_order_is_lost_for_pacing_and_error_100_names_no_order(running, client):
    client.send(*buy(running))
    found = await client.fence(3)
    assert [each[2:4] for each in of("4", found)] == [["-1", "100"]]
    assert running.exchange.open_orders() == []
    assert running.exchange.executions() == []


@at_open("kind: inactive, on: order, seconds: 12")
async def test_row_46_an_order_that_works_is_shown_as_inactive_for_a_while(running, client):
    client.send(*buy(running, limit="0.05"))
    assert set(statuses(await client.fence(2))) == {"Inactive"}
    assert len(running.exchange.open_orders()) == 1
    assert statuses(await client.fence(2)) == ["Submitted"]


@at_open("kind: inactive, on: order, seconds: 12")
async def test_row_46_nothing_is_reported_of_an_order_that_filled_while_it_was_shown_as_inactive(running, client):
    client.send(*buy(running))
    assert statuses(await client.fence(2)) == ["Inactive", "Filled", "Filled"]
    assert statuses(await client.fence(3)) == []


@at_open("kind: inactive, on: order, seconds: 30")
async def test_row_46_lists_show_it_as_inactive_too(running, client):
    """They told the truth, and an engine that had given it up for its status alone found it before it did any harm."""
    client.send(*buy(running, limit="0.05"))
    await client.fence(2)
    for kind in (5, 16):
        client.send(kind, 1)
        found = await client.until_kind(53)
        assert statuses(found) == ["Inactive"]
        assert ["Inactive" in each for each in of("5", found)] == [True]
    master = await RawClient.connect(running.port, 0)
    assert statuses(await master.until_kind(3)) == ["Inactive"]
    master.close()
    await client.fence(6)
    client.send(5, 1)
    assert statuses(await client.until_kind(53)) == ["Submitted"]


@pytest.mark.parametrize(
    ("what", "at", "echo"), [("price", 16, "0.25"), ("quantity", 14, "2"), ("tif", 18, "GTC")], ids=str
)
def test_row_51_a_preset_makes_another_order_of_it(what, at, echo):
    @at_open(f"kind: preset, on: order, what: {what}, price_by: 0.2")
    async def main(running, client):
        client.send(*buy(running, limit="0.05"))
        reported = of("5", await client.fence(2))
        assert reported[0][at] == echo
        (view,) = running.exchange.open_orders()
        asked = view.ticket.limit_price, view.ticket.quantity, view.ticket.tif
        assert asked != (Decimal("0.05"), 1, "DAY")

    main()


@at_open("kind: legs_rewritten, on: order")
async def test_row_45_a_combo_is_changed_under_the_words_that_were_reported_alone(running, client):
    legs = [(con_id(running, 5890), 1, "BUY"), (con_id(running, 5880), 1, "SELL")]
    client.send(*order(1, legs=legs, limit="0.05"))
    opened = of("5", await client.fence(2))[0]
    described = f"{legs[1][0]}|-1,{legs[0][0]}|1"
    assert described in opened
    client.send(*order(1, legs=legs, limit="0.10"))
    assert [each[3] for each in of("4", await client.fence(2))] == ["105"]
    client.send(*order(1, legs=legs[::-1], limit="0.10"))
    found = await client.fence(2)
    assert [each[16] for each in of("5", found)] == ["0.1"]
    client.send(*buy(running, 2, limit="0.05"))  # no combo: nothing of it is written otherwise
    client.send(*buy(running, 2, limit="0.10"))
    assert not of("4", await client.fence(2))


def at_work(running: RunningGateway) -> list[str]:
    return [f"{view.ticket.limit_price}" for view in running.exchange.open_orders()]


@pytest.mark.parametrize(("cancels", "left"), [("second", "0.05"), ("first", "0.10")])
def test_row_11_a_change_comes_as_a_second_order_under_the_same_id(cancels, left):
    @at_open(f"kind: change_doubled, on: order, cancels: {cancels}")
    async def main(running, client):
        client.send(*buy(running, limit="0.05", orderRef="x"))
        await client.fence(2)
        client.send(*buy(running, limit="0.10", orderRef="x"))
        assert {each[0] for each in await client.fence(2)} == {"49"}
        client.send(5, 1)
        listed = await client.fence(1)
        assert [(each[1], each[16]) for each in of("5", listed)] == [("1", "0.05"), ("1", "0.1")]
        assert len({each[6] for each in of("3", listed)}) == 2
        client.send(4, 1, 1, "")
        assert statuses(await client.fence(2))[-1] == "Cancelled"
        assert at_work(running) == [left]
        client.send(4, 1, 1, "")
        found = await client.fence(2)
        assert (of("3", found)[-1][1], statuses(found)[-1]) == ("1", "Cancelled")
        assert at_work(running) == []
        client.send(4, 1, 1, "")
        assert errors(await client.fence(2)) == [10148]

    main()


@at_open("kind: change_doubled, on: order, reported: at_once")
async def test_row_11_later_changes_are_of_the_second_while_it_works(running, client):
    client.send(*buy(running, limit="0.05"))
    first = of("3", await client.fence(2))[-1][6]
    client.send(*buy(running, limit="0.10"))
    second = of("3", await client.fence(2))[-1]
    assert (second[1], second[6] != first) == ("1", True)
    client.send(*buy(running, limit="0.15"))
    await client.fence(2)
    assert at_work(running) == ["0.05", "0.15"]
    client.send(*buy(running, limit="30.00"))
    found = await client.fence(3)
    assert {(each[2], each[21]) for each in of("11", found)} == {("1", second[6])}
    client.send(*buy(running, limit="0.20"))
    await client.fence(2)
    assert at_work(running) == ["0.20"]


@at_open("kind: worse_fill, on: order, price_by: 0.5")
async def test_row_50_a_fill_is_worse_than_its_limit(running, client):
    client.send(*buy(running, limit="30.00"))
    found = await client.fence(3)
    assert [Decimal(each[20]) for each in of("11", found)] == [Decimal("30.5")]
    assert running.ledger is not None
    assert running.ledger.totals().cash_flow == {con_id(running, 5890): Decimal(-3050)}


@at_open("kind: worse_fill, on: order, price_by: 0.5")
async def test_row_50_children_of_an_order_that_filled_worse_wait_for_it_no_longer(running, client):
    client.send(*buy(running, transmit=0))
    client.send(*buy(running, 2, action="SELL", kind="STP", limit="", auxPrice="0.50", parentId=1))
    found = of("3", await client.fence(2))
    assert [each[10] for each in found if each[1] == "2"] == ["child,trigger", "trigger"]


@at_open("kind: overfill, on: fill, seconds: 5")
async def test_row_50_an_order_fills_once_more_than_it_was_for(running, client):
    client.send(*buy(running))
    found = await client.fence(4)
    assert len(exec_ids(found)) == 2
    assert [each[3] for each in of("3", found)][-1] == "2"
    assert {each[14] for each in of("5", found)} == {"1"}
    assert [each.quantity for each in running.exchange.positions()] == [Decimal(2)]


@at_open("kind: overfill, on: fill, seconds: 5", "kind: overfill, on: fill, seconds: 10")
async def test_row_50_an_order_that_fills_twice_more_is_filled_all_the_same(running, client):
    """It was shown to work again, as filled with three of two."""
    client.send(*buy(running))
    found = await client.fence(5)
    assert len(exec_ids(found)) == 3
    assert [(each[2], each[3]) for each in of("3", found)][-1] == ("Filled", "3")


def combo(running: RunningGateway, order_id: int = 1) -> list[object]:
    legs = [(con_id(running, 5895), 1, "BUY"), (con_id(running, 5890), 1, "SELL")]
    return order(order_id, legs=legs, limit="3.00")


@at_open("kind: one_leg, on: order, leg: 2")
async def test_row_49_one_leg_of_a_combo_trades_alone(running, client):
    client.send(*combo(running))
    found = await client.fence(3)
    assert [each[5] for each in of("11", found)] == ["OPT"]
    assert statuses(found)[-1] == "Cancelled"
    assert [each.quantity for each in running.exchange.positions()] == [Decimal(-1)]


@at_open("kind: expires, on: order, seconds: 5")
async def test_row_48_what_remains_of_an_order_expires(running, client):
    client.send(*buy(running, limit="0.05"))
    found = await client.fence(4)
    assert statuses(found)[-1] == "Cancelled"
    assert 202 in errors(found)


def test_row_26_what_comes_twice_can_be_chosen():
    counts = {}
    for what in ("status", "execution", "commission"):

        @at_open(f"kind: duplicate, on: order, what: {what}")
        async def main(running, client, what=what):
            client.send(*buy(running))
            found = await client.fence(4)
            counts[what] = len(of("11", found)), len(of("59", found))

        main()
    assert counts == {"status": (1, 1), "execution": (2, 1), "commission": (1, 2)}


@pytest.mark.parametrize(("status", "filled"), [("reported", True), ("lost", False)])
def test_row_25_an_execution_is_lost_and_found_by_asking(status, filled):
    @at_open(f"kind: lost_execution, on: fill, status: {status}")
    async def main(running, client):
        client.send(*buy(running))
        found = await client.fence(4)
        assert not of("11", found)
        assert not of("59", found)
        assert ("Filled" in statuses(found)) is filled
        client.send(7, 3, 5, 0, "", "", "", "", "", "")
        asked = await client.until_kind(55)
        assert (len(of("11", asked)), len(of("59", asked))) == (1, 1)

    main()


@at_open("kind: late_leg, on: fill, seconds: 10")
async def test_row_19_one_leg_of_a_combo_is_reported_later_than_the_other(running, client):
    client.send(*combo(running))
    first = await client.fence(2)
    assert sorted(each[5] for each in of("11", first)) == ["BAG", "OPT"]
    assert len(of("59", first)) == 1
    client.send(7, 3, 5, 0, "", "", "", "", "", "")
    assert len(of("11", await client.until_kind(55))) == 2
    second = await client.fence(2)
    assert ([each[5] for each in of("11", second)], len(of("59", second))) == (["OPT"], 1)


@pytest.mark.parametrize(("kind", "late"), [("no_summary", 0), ("late_summary", 1)])
def test_row_31_the_combos_own_execution_comes_late_or_never(kind, late):
    words = ", seconds: 10" if late else ""

    @at_open(f"kind: {kind}, on: fill{words}")
    async def main(running, client):
        client.send(*combo(running))
        assert [each[5] for each in of("11", await client.fence(2))] == ["OPT", "OPT"]
        assert [each[5] for each in of("11", await client.fence(3))] == ["BAG"] * late

    main()


@at_open("kind: unset_commission, on: fill, seconds: 10")
async def test_row_32_a_commission_is_unset_and_then_true(running, client):
    client.send(*buy(running))
    unset, true = of("59", await client.fence(5))
    assert float(unset[3]) > 1e308
    assert 0 < float(true[3]) < 10


@at_open("kind: swallow_cancel, on: cancel")
async def test_row_10_a_cancel_is_not_heard(running, client):
    client.send(*buy(running, limit="0.05"))
    await client.fence(2)
    client.send(4, 1, 1)
    found = await client.fence(3)
    assert not [each for each in found if each[0] in ORDERS]
    assert len(running.exchange.open_orders()) == 1
    client.send(4, 1, 1)
    assert "Cancelled" in statuses(await client.fence(2))


@at_open("kind: refuse_cancel, on: cancel")
async def test_row_44_a_cancel_is_refused_although_the_order_works(running, client):
    client.send(*buy(running, limit="0.05"))
    await client.fence(2)
    client.send(4, 1, 1)
    assert errors(await client.fence(2)) == [10148]
    assert len(running.exchange.open_orders()) == 1


@at_open("kind: refuse_cancel, on: cancel, code: 161")
async def test_row_44_a_cancel_is_answered_by_the_code_of_the_plan(running, client):
    client.send(*buy(running, limit="0.05"))
    await client.fence(2)
    client.send(4, 1, 1)
    assert errors(await client.fence(2)) == [161]
    assert len(running.exchange.open_orders()) == 1


@pytest.mark.parametrize("made", ["true", "false"])
def test_row_45_a_change_is_answered_by_the_code_of_the_plan_whether_it_is_made_or_not(made):
    @at_open(f"kind: warning, on: order, of: change, code: 436, made: {made}")
    async def main(running, client):
        client.send(*buy(running, limit="0.05"))
        assert errors(await client.fence(2)) == []
        for limit in ("0.10", "0.15"):
            client.send(*buy(running, limit=limit))
            found = errors(await client.fence(2))
            assert found == ([436] if limit == "0.10" else [])
            (view,) = running.exchange.open_orders()
            assert str(view.ticket.limit_price) == (limit if made == "true" or limit == "0.15" else "0.05")

    main()


@at_open("kind: pending_cancel, on: cancel, seconds: 20")
async def test_row_46_a_cancel_stays_pending(running, client):
    client.send(*buy(running, limit="0.05"))
    await client.fence(2)
    client.send(4, 1, 1)
    assert statuses(await client.fence(2)) == ["PendingCancel"]
    client.send(4, 1, 1)
    assert statuses(await client.fence(1)) == ["PendingCancel"]
    assert statuses(await client.fence(4)) == ["Cancelled"]


@at_open("kind: swallow_order, on: order, number: 2, order_ref: a., action: BUY")
async def test_a_fault_is_for_the_orders_it_names(running, client):
    for number, ref in enumerate(("a.1", "b.1", "a.2", "a.3"), 1):
        client.send(*buy(running, number, orderRef=ref))
    await client.fence(3)
    assert sorted(each.order_ref for each in running.exchange.executions()) == ["a.1", "a.3", "b.1"]


@at_open("kind: cut, on: order, client: 9", "kind: lose_ack, on: order", "kind: late_fill, on: cancel, seconds: 5")
async def test_the_gateway_says_what_fired(running, client):
    """Not the cut of a client that is not there, nor a late fill of an order that never was cancelled."""
    client.send(*buy(running, limit="0.05"))
    await client.fence(2)
    assert running.fired == {2: 1}
    assert running.unreported == ()


@at_open("kind: no_commission, on: order")
async def test_the_gateway_says_which_commissions_it_keeps(running, client):
    client.send(*buy(running))
    await client.fence(4)
    (row,) = running.unreported
    assert running.fired == {1: 1}
    assert row["con_id"] == con_id(running, 5890)
    assert Decimal(str(row["commission"])) > 0


def test_chance_is_the_same_for_the_same_seed():
    async def placed(seed: int) -> list[int]:
        async with faulty("kind: swallow_order, on: order, chance: 0.5", seed=seed) as running:
            client = await RawClient.connect(running.port, 1, OFFER)
            await client.fence(FENCES_TO_OPEN)
            for number in range(1, 11):
                client.send(*buy(running, number, limit="0.05"))
            await client.fence(4)
            return [each.ticket.order_id for each in running.exchange.open_orders()]

    async def main():
        first = await placed(3)
        assert 0 < len(first) < 10
        assert await placed(3) == first

    run(main)


# ---------------------------------------------------------------- connections


@pytest.mark.parametrize("mid_frame", [False, True])
def test_row_18_a_connection_ends_with_fin(mid_frame):
    @at_open(f"kind: cut, on: fill, how: fin, mid_frame: {str(mid_frame).lower()}")
    async def main(running, client):
        client.send(*buy(running))
        client.send(49, 1)
        rest = await client.closed()
        frames = bytearray(rest)
        whole = list(take_frames(frames))
        assert not [each for each in whole if each.startswith(b"11\0")]
        assert bool(frames) is mid_frame
        assert len(running.exchange.executions()) == 1

    main()


@at_open('kind: cut, at: "09:30:10"')
async def test_row_18_a_connection_is_reset_at_a_time(running, client):
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await client.fence(10)
    again = await RawClient.connect(running.port, 1, OFFER)
    assert await again.fence(2)


def test_row_20_a_silent_connection_stays_and_wakes():
    async def main():
        async with faulty("kind: silence, on: connect, real_seconds: 2") as running:
            client = await RawClient.connect(running.port)
            client.send(49, 1)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await client.read()
            assert (await client.read())[0] == "49"

    run(main)


@pytest.mark.parametrize("kind", ["swallow_order", "reject", "lose_ack"])
def test_row_22_an_order_with_an_id_from_before_the_reset_is_not_met_by_the_fault_of_the_other(kind):
    async def main():
        async with faulty(f"kind: {kind}, on: order", "kind: roll_back_ids, on: connect, number: 2") as running:
            client = await RawClient.connect(running.port, 1, OFFER)
            await client.fence(FENCES_TO_OPEN)
            client.send(*buy(running, limit="0.05"))
            await client.fence(2)
            client.send(4, 1, 1)
            await client.fence()
            client.close()
            while running.gateway.hub.sessions:
                await asyncio.sleep(0)
            client = await RawClient.connect(running.port, 1, OFFER)
            client.send(*buy(running, limit="0.05"))
            assert statuses(await client.fence(2)) == ["PreSubmitted", "Submitted"]
            client.send(*buy(running, limit="0.10"))
            assert statuses(await client.fence()) == ["Submitted"]
            client.close()

    run(main)


def test_row_33_an_id_is_in_use_for_a_number_of_attempts():
    async def main():
        async with faulty("kind: id_in_use, on: connect, attempts: 2") as running:
            for _ in range(2):
                client = await RawClient.dial(running.port)
                client.write_raw(b"API\0\0\0\0\x09v157..178")
                await client.read()
                client.send(71, 2, 1, "")
                assert (await client.read())[3] == "326"
                await client.closed()
            assert (await RawClient.connect(running.port)).start

    run(main)


@at_open("kind: roll_back_ids, on: connect, number: 2, to: 1")
async def test_row_22_the_next_id_rolls_back_on_reconnect(running, client):
    client.send(*buy(running, 1, limit="0.05"))
    client.send(*buy(running, 2))
    await client.fence(4)
    client.close()
    while running.gateway.hub.sessions:
        await asyncio.sleep(0.01)
    client = await RawClient.connect(running.port, 1, OFFER)
    assert of("9", client.start)[0][2] == "1"
    client.send(*buy(running, 1, limit="0.10"))
    client.send(*buy(running, 2, limit="0.15"))
    await client.fence(3)
    client.send(5, 1)
    working = of("5", await client.until_kind(53))
    assert [(each[1], each[16]) for each in working] == [("1", "0.1"), ("2", "0.15")]
    assert len(running.exchange.executions()) == 1


@pytest.mark.parametrize(("what", "ends"), [("unknown", "9999"), ("short", "3")])
def test_row_39_garbage_comes_between_good_messages(what, ends):
    @at_open(f'kind: garbage, at: "09:30:10", what: {what}')
    async def main(running, client):
        found = await client.fence(4)
        assert len([each for each in found if each[0] == ends]) == 1

    main()


@at_open('kind: garbage, at: "09:30:05", what: length')
async def test_row_39_a_garbage_length(running, client):
    client.send(49, 1)
    async with asyncio.timeout(60):
        assert await client.reader.readexactly(4) == b"\xff\xff\xff\xff"


@at_open('kind: slow, at: "09:30:05", seconds: 10, lasts: 5')
async def test_row_40_answers_come_late_and_in_order(running, client):
    await client.fence()
    client.send(5, 1)
    client.send(8, 1, 1)
    assert len(await client.fence()) == 1
    found = await client.fence(2)
    assert [each[0] for each in found if each[0] != "49"] == ["53", "9"]


def test_row_40_answers_are_slow_in_real_time():
    async def main():
        async with faulty("kind: slow, real_seconds: 0.2") as running:
            client = await RawClient.connect(running.port)
            began = asyncio.get_running_loop().time()
            client.send(5, 1)
            await client.until_kind(53)
            assert asyncio.get_running_loop().time() - began >= 0.19

    run(main)


# ---------------------------------------------------------------- a connection begins


@at_open('kind: restart, at: "09:30:10", seconds: 20')
async def test_row_35_a_gateway_restarts_and_nobody_can_connect_meanwhile(running, client):
    client.send(*buy(running, limit="0.05"))
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await client.fence(10)
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError, AssertionError)):
        await RawClient.connect(running.port, 1, OFFER)
    for _ in range(5):
        running.gateway.clock.turn()
    assert await (await RawClient.connect(running.port, 1, OFFER)).fence(2)
    assert len(running.exchange.open_orders()) == 1


def test_row_36_a_client_is_turned_away_without_a_word():
    async def main():
        async with faulty("kind: hang_up, on: connect, attempts: 2") as running:
            for _ in range(2):
                client = await RawClient.dial(running.port)
                client.write_raw(b"API\0\0\0\0\x09v157..178")
                await client.read()
                client.send(71, 2, 1, "")
                assert await client.closed() == b""
            assert (await RawClient.connect(running.port)).start

    run(main)


@pytest.mark.parametrize(("accounts", "reported"), [("live", "U1234567"), ("several", "{own},DU7654321"), ("none", "")])
def test_row_34_a_client_is_reported_of_another_account(accounts, reported):
    async def main():
        async with faulty(f"kind: wrong_account, on: connect, accounts: {accounts}") as running:
            own = running.exchange.account
            assert of("15", (await RawClient.connect(running.port)).start)[0][2] == reported.format(own=own)
            assert of("15", (await RawClient.connect(running.port, 2)).start)[0][2] == own

    run(main)


ASKING = {
    "orders": ((16, 1), 53),
    "positions": ((61, 1), 62),
    "executions": ((7, 3, 5, 0, "", "", "", "", "", ""), 55),
    "completed": ((99, 0), 102),
    "account": ((6, 2, 1, ""), 54),
}


@pytest.mark.parametrize("what", ASKING)
def test_row_38_the_end_of_a_list_is_not_reported(what):
    @at_open(f"kind: incomplete, on: connect, what: {what}")
    async def main(running, client):
        question, end = ASKING[what]
        client.send(*question)
        assert not of(str(end), await client.fence())
        client.send(*question)
        assert of(str(end), await client.fence())

    main()


@at_open("kind: incomplete, on: connect, what: positions, then: cut")
async def test_row_38_a_connection_breaks_in_its_lists(running, client):
    client.send(61, 1)
    assert b"\x0062\x00" not in await client.closed()


@pytest.mark.parametrize(("what", "kind"), [("orders", "5"), ("positions", "61"), ("executions", "11")])
def test_row_38_a_list_lacks_rows_and_ends(what, kind):
    @at_open(f"kind: short_list, on: connect, what: {what}, seconds: 10")
    async def main(running, client):
        client.send(*buy(running))
        client.send(*buy(running, 2, limit="0.05"))
        await client.fence(3)
        question, end = ASKING[what]
        client.send(*question)
        assert not of(kind, await client.until_kind(end))
        late = await client.fence(3)
        assert bool(of(kind, late)) is (what == "positions")
        client.send(*question)
        assert of(kind, await client.until_kind(end))

    main()


@at_open(
    "kind: short_list, on: connect, what: positions, seconds: 30",
    'kind: person_sells_shares, at: "09:30:20", seconds: 5, part: 0.9',
    shares=(("SPY", 1000),),
)
async def test_row_38_what_a_list_lacks_comes_as_it_is_by_then(running, client):
    client.send(61, 1)
    assert not of("61", await client.until_kind("62"))
    assert [each[14] for each in of("61", await client.fence(10))] == ["100", "100"]


def amounts(found: list[Message], kind: str = "6") -> dict[str, str]:
    return {each[-4]: each[-3] for each in of(kind, found) if each[-2] != "BASE"}


@at_open('kind: account_not_ready, at: "09:30:10", seconds: 20', more_accounts=("DU20000",))
async def test_row_35_an_account_is_not_ready_for_a_while(running, client):
    client.send(6, 2, 1, running.exchange.account)
    before = amounts(await client.fence())
    assert (before["AccountReady"], before["NetLiquidation"]) == ("true", "1000000.00")
    during = amounts(await client.fence(2))
    assert {key: value for key, value in during.items() if before[key] != value} == {
        "AccountReady": "false",
        **{key: "0.00" for key, value in before.items() if value.count(".") and key != "Cushion" and float(value)},
    }
    client.send(62, 1, 5, "All", "AccountReady,NetLiquidation")
    assert [each[3:6] for each in of("63", await client.until_kind(64))] == [
        [running.exchange.account, "AccountReady", "false"],
        [running.exchange.account, "NetLiquidation", "0.00"],
        ["DU20000", "AccountReady", "true"],
        ["DU20000", "NetLiquidation", "1000000.00"],
    ]
    after = await client.fence(4)
    assert amounts(after) == {"AccountReady": "true"}
    client.send(6, 2, 1, running.exchange.account)
    assert amounts(await client.until_kind(54)) == before


@at_open('kind: read_only, at: "09:30:05", seconds: 20')
async def test_row_37_orders_and_cancels_are_refused_for_a_while(running, client):
    await client.fence(2)
    client.send(*buy(running))
    client.send(4, 1, 1)
    assert errors(await client.fence(2)) == [321, 321]
    await client.fence(3)
    client.send(*buy(running, 2))
    assert of("11", await client.fence(3))


@at_open('kind: time_passes, at: "09:30:10", seconds: 300')
async def test_row_63_time_passes_without_the_client(running, client):
    before = running.now
    client.send(*buy(running))
    found = await client.fence(2)
    assert running.now - before >= 300
    assert len(of("49", found)) == 2
    assert of("11", found)


# ---------------------------------------------------------------- others in the account


async def held(running, client) -> None:
    """Buy one option and let another order rest."""
    client.send(*buy(running))
    client.send(*buy(running, 2, limit="0.05"))
    await client.fence(2)


@pytest.mark.parametrize(
    ("kind", "left"),
    [
        ("person_closes", []),
        ("person_closes_part", []),
        ("person_closes_leg", []),
        ("person_adds", [2]),
        ("liquidation", []),
    ],
)
def test_rows_69_70_and_30_others_trade_what_is_held(kind, left):
    @at_open(f'kind: {kind}, at: "09:30:20", seconds: 5')
    async def main(running, client):
        await held(running, client)
        client.send(61, 1)
        found = await client.fence(6)
        assert [int(each.quantity) for each in running.exchange.positions()] == left
        assert [int(float(each[14])) for each in of("61", found)][-1] == sum(left)
        reported = of("11", found)
        assert len(reported) == (kind == "liquidation")
        assert all((each[2], each[23], each[26]) == ("0", "1", "") for each in reported)
        rows = [row for row in running.ledger.rows if row["kind"] == "execution"]
        assert [row["order_ref"] for row in rows][1:] == [""]

    main()


@at_open(
    'kind: liquidation, at: "09:30:20", seconds: 5',
    "kind: correction, on: fill, number: 2, seconds: 5, price_by: 0.05",
)
async def test_rows_30_and_68_what_the_exchange_corrects_of_a_liquidation_is_one_too(running, client):
    """Every client had heard of the first one; of the corrected one nobody heard but the broker's own window."""
    await held(running, client)
    first, corrected = of("11", await client.fence(15))
    assert (first[23], corrected[23]) == ("1", "1")
    assert Decimal(corrected[20]) - Decimal(first[20]) == Decimal("0.05")


@at_open('kind: person_sells_shares, at: "09:30:20", seconds: 5, part: 0.9', shares=(("SPY", 1000),))
async def test_row_69_a_person_sells_shares(running, client):
    client.send(61, 1)
    first, *_ = of("61", await client.fence(1))
    assert (first[4], first[5], first[14], float(first[15]) > 0) == ("SPY", "STK", "1000", True)
    found = await client.fence(6)
    assert [each[14] for each in of("61", found)] == ["100"]
    assert of("11", found) == []


def test_shares_that_are_not_listed_are_refused():
    for symbol in ("SPX", "NOPE"):
        with pytest.raises(ValueError, match=f"no shares of '{symbol}' are listed"):
            run(lambda symbol=symbol: start_gateway(GatewaySettings(first_day=DAY, shares=((symbol, 100),))))


@at_open('kind: person_cancels, at: "09:30:20", seconds: 5')
async def test_row_71_a_person_cancels_an_order(running, client):
    await held(running, client)
    found = await client.fence(5)
    assert (statuses(found)[-1], errors(found)) == ("Cancelled", [202])
    assert running.exchange.open_orders() == []


@at_open('kind: person_changes, at: "09:30:20", seconds: 5, price_by: 0.1')
async def test_row_71_the_price_of_an_order_is_changed_by_hand(running, client):
    await held(running, client)
    found = await client.fence(5)
    assert of("5", found)[-1][16] == "0.15"


@at_open('kind: strange_order, at: "09:30:20", seconds: 5')
async def test_row_41_another_client_has_an_order_in_the_account(running, client):
    await line(client, running)
    assert not of("5", await client.fence(6))
    client.send(16, 1)
    assert [each[24] for each in of("5", await client.until_kind(53))] == ["77"]


def spy_put(running: RunningGateway) -> int:
    found = running.market.catalogue.search(
        ContractSearch(symbol="SPY", sec_type="OPT", right="P", last_trade="20251125")
    )
    spot = running.market.ticks([running.market.catalogue.underlying("SPY").con_id]).last[0]
    return next(each.con_id for each in found if each.strike > spot)


@at_open('kind: assignment, at: "09:30:20", seconds: 5')
async def test_row_72_a_short_option_is_assigned_early(running, client):
    con = spy_put(running)
    client.send(*order(1, con, action="SELL", kind="MKT", limit=""))
    await client.fence(2)
    assert [int(each.quantity) for each in running.exchange.positions()] == [-1]
    await client.fence(5)
    (stock,) = running.exchange.positions()
    assert (int(stock.quantity), running.market.catalogue.by_id(stock.con_id).symbol) == (100, "SPY")


# ---------------------------------------------------------------- quotes and chains


def quote_of(found: list[Message], kind: str) -> list[str]:
    """Return the prices of a tick type (1 bid, 2 ask)."""
    return [each[4] for each in found if each[0] == "1" and each[3] == kind]


async def shown(client: RawClient, running: RunningGateway, *asks: int) -> tuple[list[float], list[float]]:
    """Return the first bid and ask of a new line, and their sizes."""
    found = await line(client, running, 77)
    first = [next(each for each in found if each[0] == "1" and each[3] == kind) for kind in ("1", "2")]
    return [float(each[4]) for each in first], [float(each[5]) for each in first]


@pytest.mark.parametrize("kind", ["no_quote", "zero_size", "zero_bid", "crossed", "wide_spread", "spike"])
def test_rows_53_to_55_quotes_are_shown_wrong_for_a_while_and_the_broker_trades_on_true_ones(kind):
    @at_open(f'kind: {kind}, at: "09:30:05", seconds: 20')
    async def main(running, client):
        true = running.market.true.ticks([con_id(running, 5890)])
        await client.fence(2)
        (bid, ask), (bid_size, ask_size) = await shown(client, running)
        expected = {
            "no_quote": (bid, ask, bid_size) == (-1, -1, 0),
            "zero_size": bid > 0 and bid_size == ask_size == 0,
            "zero_bid": bid == 0 < ask,
            "crossed": bid > ask > 0,
            "wide_spread": ask - bid > bid,
            "spike": bid > 5 * true.bid[0],
        }
        assert expected[kind]
        client.send(*buy(running))
        found = await client.fence(5)
        assert 0 < float(of("11", found)[0][20]) < 2 * true.ask[0]
        again = list(running.market.ticks([con_id(running, 5890)]))
        assert [float(each[0]) for each in again[:4]] == [
            float(each[0]) for each in running.market.true.ticks([con_id(running, 5890)])[:4]
        ]

    main()


@at_open('kind: one_stale, at: "09:30:10", seconds: 600')
async def test_row_56_one_contract_is_quoted_no_more_and_others_are(running, client):
    await line(client, running)
    client.send(1, 11, 8, *contract(con_id(running, 5900)), 0, "", 0, 0, "")
    await client.fence(3)
    found = await client.fence(20)
    quoted = {each[2] for each in found if each[0] == "1" and each[3] in ("1", "2")}
    assert len(quoted & {"7", "8"}) == 1


@at_open('kind: frozen, at: "09:30:10", seconds: 10')
async def test_row_57_lines_are_frozen_and_live_again(running, client):
    await line(client, running)
    found = await client.fence(6)
    assert [each[3] for each in of("58", found)] == ["2", "1"]


@pytest.mark.parametrize(("what", "at", "shown"), [("missing", 4, "-1"), ("zero_iv", 4, "0.000000")], ids=str)
def test_row_58_greeks_are_missing_or_nothing(what, at, shown):
    @at_open(f'kind: bad_greeks, at: "09:30:05", what: {what}')
    async def main(running, client):
        await client.fence(2)
        model = of("21", await line(client, running))[0]
        assert model[at] == shown

    main()


@at_open('kind: bad_greeks, at: "09:30:10", what: wrong_sign')
async def test_row_58_a_delta_has_the_wrong_sign(running, client):
    assert float(of("21", await line(client, running))[0][5]) < 0
    assert float(of("21", await client.fence(2))[0][5]) > 0


@at_open('kind: line_limit, at: "09:30:05", seconds: 30')
async def test_row_59_no_line_is_left(running, client):
    await client.fence(2)
    assert 101 in errors(await line(client, running))
    await client.fence(6)
    assert ticks(await line(client, running, 9), 9)


def details(running: RunningGateway, strike: float) -> list[object]:
    named = ["0", "SPX", "OPT", "20251124", strike, "P", "", "SMART", "", "USD", "", ""]
    return [9, 8, 5, *named, 0, "", ""]


@at_open("kind: chain_hole, share: 1")
async def test_row_60_a_strike_that_the_chain_names_does_not_exist(running, client):
    client.send(*details(running, 5890))
    assert 200 in errors(await client.fence())
    client.send(78, 6, "SPX", "", "IND", running.market.catalogue.underlying("SPX").con_id)
    assert any("5890" in each for each in of("75", await client.until_kind(76)))


@at_open("kind: adjusted, symbol: SPX")
async def test_row_60_an_option_has_an_adjusted_twin_with_another_multiplier(running, client):
    client.send(*details(running, 5890))
    found = [each for each in await client.until_kind(52) if each[0] == "10"]
    assert [(each[11], each[14]) for each in found] == [("SPXW", "100"), ("2SPXW", "10")]
    assert len({each[12] for each in found} | {each[9] for each in found}) == 4
    client.send(78, 6, "SPX", "", "IND", 416904)
    classes = {each[4]: each[5] for each in of("75", await client.until_kind(76))}
    assert classes == {"SPX": "100", "SPXW": "100", "2SPX": "10", "2SPXW": "10"}


@at_open('kind: halt, at: "09:30:10", seconds: 30, symbol: SPX')
async def test_row_66_in_a_halt_nothing_is_quoted_and_nothing_trades(running, client):
    await line(client, running)
    client.send(*buy(running, limit="0.05"))
    found = await client.fence(2)
    assert "1" in [each[4] for each in of("45", found) if each[3] == "49"]
    client.send(*buy(running, 2))
    found = await client.fence(3)
    assert quote_of(await line(client, running, 9), "1")[0].startswith("-1")
    assert not of("11", found)
    assert of("11", await client.fence(8))


async def hours_of_spx(client) -> list[str]:
    client.send(9, 8, 6, "0", "SPX", "IND", "", 0, "", "", "CBOE", "", "USD", "", "", 0, "", "")
    (row,) = [each for each in await client.until_kind(52) if each[0] == "10"]
    return row[27].split(";")


@at_open('kind: short_day, at: "09:30:05"')
async def test_row_65_a_day_ends_early_as_nobody_had_announced(running, client):
    assert (await hours_of_spx(client))[0] == "20251124:0930-20251124:1600"
    await client.fence(10)
    found = await hours_of_spx(client)
    assert found[0] == "20251124:0930-20251124:1300"
    assert found[1] == "20251125:0930-20251125:1600"


@at_open('kind: short_day, at: "09:30:05", close: closed')
async def test_row_65_a_day_on_which_nothing_trades(running, client):
    await line(client, running)
    await client.fence(10)
    assert (await hours_of_spx(client))[0] == "20251124:CLOSED"
    client.send(*buy(running, 2))
    assert not of("11", await client.fence(5))


@at_open("kind: time_zone, name: JST")
async def test_row_64_times_are_reported_by_the_clock_of_another_login(running, client):
    client.send(*buy(running))
    (fill,) = [each for each in await client.fence(5) if each[0] == "11"]
    assert fill[15].endswith(" JST")
    assert fill[15][:11] in ("20251124 23", "20251125 00")
    assert fill[6] == "20251125 06:00:00 JST"
    assert (await hours_of_spx(client))[0] == "20251124:2330-20251125:0600"


def test_row_62_the_broker_reports_another_time_or_none():
    async def main():
        async with faulty("kind: broker_clock, seconds: -3600", lockstep=False) as running:
            client = await RawClient.connect(running.port, 1, "v100..178")
            client.send(49, 1)
            assert await client.until_kind(49) == [["49", "1", str(running.now - 3600)]]
            assert client.greeting[1].startswith("20251124 08:29:"), "and greets with it"
        async with faulty("kind: broker_clock, answers: false", lockstep=False) as running:
            client = await RawClient.connect(running.port, 1, "v100..178")
            client.send(49, 1)
            client.send(8, 1, 1)
            assert not of("49", await client.until_kind(9))

    run(main)


def test_row_64_a_zone_that_is_not_known_here_needs_a_place():
    async def main():
        with pytest.raises(FaultError, match=r"faults\[1\]\.place: is 'Nowhere'; write a zone of the tz database"):
            async with faulty("kind: time_zone, name: Nowhere"):
                pass

    run(main)


# ---------------------------------------------------------------- the broker's link


@pytest.mark.parametrize("restored", [1101, 1102])
def test_row_21_fills_inside_a_lost_link_come_after_it(restored):
    @at_open(f"kind: lost_connectivity, on: order, seconds: 20, restored: {restored}")
    async def main(running, client):
        await line(client, running)
        client.send(*buy(running))
        found = await client.fence(3)
        assert errors(found) == [1100]
        assert not ticks(found)
        assert not [each for each in found if each[0] in ("5", "11")]
        assert len(running.exchange.executions()) == 1
        client.send(7, 3, 5, 0, "", "", "", "", "", "")
        assert not of("11", await client.until_kind(55))
        found = await client.fence(2)
        assert errors(found) == [restored]
        reported = [each[0] for each in found]
        assert reported.index("4") < reported.index("11")
        assert bool(ticks(found + await client.fence(3))) is (restored == 1102)

    main()


@at_open("kind: lost_connectivity, on: order, seconds: 20, executions: asked")
async def test_row_25_executions_come_only_when_asked_for(running, client):
    client.send(*buy(running))
    found = await client.fence(6)
    assert not of("11", found)
    assert statuses(found)[-1] == "Filled"
    client.send(7, 3, 5, 0, "", "", "", "", "", "")
    assert len(of("11", await client.until_kind(55))) == 1


@at_open('kind: lost_connectivity, at: "09:30:05", seconds: 20', 'kind: lost_connectivity, at: "09:30:15"')
async def test_row_21_who_asks_while_the_broker_is_lost_is_shown_what_was_known(running, client):
    """Of a fill that the gateway cannot have heard of it told the position, and called the order filled."""

    async def reported(who: RawClient) -> tuple[list[str], ...]:
        who.send(16, 1)
        working = statuses(await who.until_kind(53))
        who.send(99, 0)
        done = [each[1] for each in of("101", await who.until_kind(102))]
        who.send(61, 1)
        held = [each[14] for each in of("61", await who.until_kind(62))]
        who.send(7, 3, 5, 0, "", "", "", "", "", "")
        fills = exec_ids(await who.until_kind(55))
        who.send(6, 2, 1, running.exchange.account)
        return working, done, held, fills, [amounts(await who.until_kind(54))["TotalCashValue"]]

    client.send(*buy(running))
    await client.fence()
    assert len(running.exchange.executions()) == 1
    assert await reported(client) == (["PreSubmitted"], [], [], [], ["1000000.00"])
    await client.fence(2)
    other = await RawClient.connect(running.port, 2)
    assert errors(other.start)[-1:] == [2158]
    assert errors(await other.until(lambda each: each[0] == "4")) == [1100]
    assert await reported(other) == (["PreSubmitted"], [], [], [], ["1000000.00"])
    assert len(exec_ids(await client.fence(2))) == 1
    assert [len(each) for each in await reported(client)] == [0, 1, 1, 1, 1]
    other.close()


@at_open('kind: lost_connectivity, at: "09:30:05", seconds: 20')
async def test_row_21_orders_wait_for_the_link(running, client):
    await client.fence()
    client.send(*buy(running))
    await client.fence(2)
    assert running.exchange.executions() == []
    assert of("11", await client.fence(4))


# ---------------------------------------------------------------- market data


@at_open('kind: farm_down, at: "09:30:15", seconds: 20')
async def test_a_farm_is_down_and_quotes_stop(running, client):
    assert ticks(await line(client, running))
    found = await client.fence(2)
    assert errors(found) == [2103]
    assert not ticks(await client.fence(3))
    found = await client.fence()
    assert errors(found) == [2104]
    assert {"1", "2"} <= {each[3] for each in ticks(found)}


@at_open('kind: farm_down, at: "09:30:10", seconds: 10')
async def test_a_line_that_is_asked_for_while_a_farm_is_down_is_reported_all_when_it_is_up(running, client):
    await client.fence(2)
    client.send(1, 11, 7, *contract(con_id(running, 5890)), 0, "101", 0, 0, "")
    client.send(1, 11, 8, *contract(con_id(running, 5890)), 0, "", 1, 0, "")
    assert await client.fence() == [["49", "1", str(running.now)]]
    found = await client.fence()
    assert {"58", "81"} <= {each[0] for each in found}
    assert {"27", "28"} <= {each[3] for each in of("2", found)}
    assert {"1", "2"} <= {each[3] for each in ticks(found)}
    assert of("57", await client.fence()) == [["57", "1", "8"]]
    assert not ticks(await client.fence(3), 8)


@at_open('kind: zero_bid, at: "09:30:10", seconds: 10')
async def test_a_quote_that_is_right_again_is_shown_whatever_else_is_asked_for_then(running, client):
    """Of what does not move nothing else would tell it."""
    await client.fence()
    far = con_id(running, 5200)
    client.send(1, 11, 7, *contract(far), 0, "", 0, 0, "")
    assert [each[4] for each in ticks(await client.fence(2)) if each[3] == "1"] == ["-1", "0"]
    await client.fence()
    assert [each[4] for each in ticks(await line(client, running, 8)) if each[3] == "1"] == ["-1"]


@at_open('kind: competing_session, at: "09:30:15", seconds: 15')
async def test_a_competing_session_takes_the_quotes(running, client):
    await line(client, running)
    found = await client.fence(2)
    assert [(each[2], each[3]) for each in of("4", found)] == [("7", "10197")]
    assert errors(await line(client, running, 8)) == [10197]
    assert ticks(await client.fence(3))


@pytest.mark.parametrize("code", [354, 10089])
def test_a_symbol_is_not_subscribed(code):
    @at_open("kind: not_subscribed, symbol: VIX", f"kind: not_subscribed, symbol: SPX, client: 1, code: {code}")
    async def main(running, client):
        other = await RawClient.connect(running.port, 2)
        other.send(1, 11, 7, *contract(con_id(running, 5890)), 0, "", 0, 0, "")
        assert await other.until_kind(1)
        other.close()
        found = await line(client, running)
        assert [(each[2], each[3]) for each in of("4", found)] == [("7", str(code))]
        assert not ticks(await client.fence(3))

    main()


@at_open("kind: delayed_data, symbol: SPX")
async def test_data_is_delayed_for_who_takes_it_so(running, client):
    assert errors(await line(client, running)) == [354]
    client.send(59, 1, 3)
    found = await line(client, running)
    assert errors(found) == [10167]
    assert next(each for each in found if each[0] == "58")[3] == "3"
    found += await client.fence(3)
    assert {each[3] for each in of("1", found)} >= {"66", "67"}
    assert {each[2] for each in of("21", found)} == {"83"}
    assert {each[3] for each in of("45", found)} == {"90"}
    assert not {each[3] for each in of("1", found)} & {"1", "2", "4"}


# ---------------------------------------------------------------- through ib_async


def test_ib_async_hears_of_a_correction_and_a_warning():
    async def main():
        plan = ("kind: correction, on: fill, seconds: 5, price_by: 0.25", "kind: warning, on: order, code: 10349")
        async with faulty(*plan, speed=200.0, lockstep=False) as running:
            ib = ib_async.IB()
            received: list[int] = []
            ib.errorEvent += lambda _, code, *rest: received.append(code)
            await ib.connectAsync("127.0.0.1", running.port, clientId=1)
            wanted = ib_async.Option("SPX", "20251124", 5890, "P", "SMART", tradingClass="SPXW", currency="USD")
            await ib.qualifyContractsAsync(wanted)
            ib.placeOrder(wanted, ib_async.LimitOrder("BUY", 1, 30.0, tif="DAY"))
            async with asyncio.timeout(60):
                while len(ib.fills()) < 2:
                    await asyncio.sleep(0.02)
            assert 10349 in received
            first, second = (each.execution for each in ib.fills())
            assert second.execId == first.execId[:-1] + "2"
            assert second.price == pytest.approx(first.price + 0.25)
            ib.disconnect()

    run(main)


def test_ib_async_sees_delayed_prices():
    async def main():
        async with faulty("kind: delayed_data", speed=200.0, lockstep=False) as running:
            ib = ib_async.IB()
            await ib.connectAsync("127.0.0.1", running.port, clientId=1)
            ib.reqMarketDataType(3)
            (spy,) = await ib.qualifyContractsAsync(ib_async.Stock("SPY", "SMART", "USD"))
            ticker = ib.reqMktData(spy, "", False, False)
            async with asyncio.timeout(60):
                while not ticker.hasBidAsk():
                    await asyncio.sleep(0.02)
            assert ticker.marketDataType == 3
            ib.disconnect()

    run(main)


# ---------------------------------------------------------------- the file


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("kind: cutt, on: order", "kind: is 'cutt'; did you mean 'cut'?"),
        ("on: order", "kind: is missing"),
        ("kind: cut", "cut has no trigger"),
        ('kind: cut, on: order, at: "10:00"', "has one of them"),
        ("kind: cut, at: soon", "New York time"),
        ('kind: cut, at: "03:00"', "a session is lived"),
        ('kind: cut, at: "10:61"', "no such time of day"),
        ("kind: cut, on: odrer", "did you mean 'order'?"),
        ("kind: late_fill, on: order", "use one of cancel"),
        ('kind: duplicate, at: "10:00"', "at: is not for duplicate"),
        ("kind: not_subscribed, on: order", "on: is not for not_subscribed"),
        ("kind: farm_down, on: order, secondz: 3", "secondz: is not known here; did you mean 'seconds'?"),
        ("kind: farm_down, on: order, seconds: 0", "write 1 or more"),
        ("kind: farm_down, on: order, seconds: yes", "write a number"),
        ("kind: cut, on: order, mid_frame: 3", "write true or false"),
        ("kind: cut, on: order, number: 0", "write 1 for the first"),
        ("kind: cut, on: order, number: 2, chance: 0.5", "a fault has one of them"),
        ("kind: cut, on: order, chance: 2", "from 0 to 1"),
        ('kind: cut, at: "10:00", number: 2', "goes with on"),
        ("kind: cut, on: order, session: 2", "goes with at"),
        ("kind: cut, on: connect, order_ref: a", "has no order_ref"),
        ("kind: correction, on: fill", "either price_by or quantity_by"),
        ("kind: slow", "either seconds or real_seconds"),
        ("kind: warning, on: order, code: 1.5", "whole number"),
    ],
)
def test_a_plan_that_cannot_be_used_says_where_and_why(entry, said):
    with pytest.raises(FaultError) as refused:
        read_faults(f"faults:\n  - {{kind: swallow_order, on: order}}\n  - {{{entry}}}\n", "plan.yaml")
    assert said in str(refused.value)
    assert str(refused.value).startswith("plan.yaml: faults[2]")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("faults: [", "a.yaml"),
        ("{", "a.json"),
        ("[]", "a.json"),
        ("faults: 3", "a.yaml"),
        ("faults: []\nx: 1", "a.yaml"),
    ],
)
def test_a_text_that_is_no_plan_names_the_file(text, name):
    with pytest.raises(FaultError, match=name):
        read_faults(text, name)


def test_json_and_yaml_are_the_same_plan(tmp_path):
    path = tmp_path / "plan.json"
    path.write_text('{"faults": [{"kind": "cut", "at": "10:31:00", "how": "fin"}]}')
    assert load_faults(path) == read_faults('faults:\n  - {kind: cut, at: "10:31:00", how: fin}\n')
    with pytest.raises(FaultError, match="no such fault plan"):
        load_faults(tmp_path / "none.yaml")


def test_a_session_that_the_run_does_not_have_is_refused():
    async def main():
        with pytest.raises(FaultError, match="this run has 1"):
            async with faulty('kind: cut, at: "10:00", session: 2'):
                pass

    run(main)


def test_every_kind_is_described(pytestconfig):
    text = (pytestconfig.rootpath / "docs" / "faults.md").read_text()
    for name, kind in KINDS.items():
        row = next((each for each in text.splitlines() if each.startswith(f"| `{name}` |")), "")
        assert row, name
        assert all(f"`{each}" in row for each in kind.params), name


def test_the_command_refuses_a_plan_that_cannot_be_used(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text("faults:\n  - kind: cutt\n")
    done = CliRunner().invoke(gateway, ["--port", "0", "--date", "2025-11-24", "--faults", str(path)])
    assert done.exit_code == 2
    assert "error: plan.yaml: faults[1].kind: is 'cutt'; did you mean 'cut'?" in done.output
