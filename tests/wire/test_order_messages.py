"""Order messages, field by field and version by version."""

from datetime import UTC, datetime

import pytest
from raw_client import RawClient, con_id, framed, gateway, order, run

from twsim.gateway.parse import placed_order
from twsim.gateway.wire import Fields

FIELDS = {157: 128, 164: 131, 173: 136, 176: 136, 178: 135}


async def _open_market(client):
    """Live through the first minute, to the open."""
    return await client.fence(60)


async def _placed(version, **kinds):
    async with gateway() as running:
        client = await RawClient.connect(running.port, 1, f"v100..{version} +LOCKSTEP")
        await _open_market(client)
        client.send(*order(1, con_id(running, 5800), version=version, limit="0.05", **kinds))
        return await client.fence(2)


@pytest.mark.parametrize(("version", "count"), FIELDS.items())
def test_open_order_has_the_recorded_number_of_fields(version, count):
    found = [m for m in run(lambda: _placed(version)) if m[0] == "5"]
    assert found
    assert {len(m) for m in found} == {count}


@pytest.mark.parametrize("unset", ["", "1.7976931348623157E308", "1.7976931348623157e+308"])
def test_unset_fields_come_back_as_the_server_prints_them(unset):
    message = next(m for m in run(lambda: _placed(178, unset=unset)) if m[0] == "5")
    assert message[1] == "1"
    assert message[4] == "OPT"
    assert message[13:19] == ["BUY", "1", "LMT", "0.05", "0", "DAY"]
    assert message.count("1.7976931348623157E308") == 9 + 6
    assert message[-5:] == ["", "100", "0.02", "", ""]


def test_fields_the_broker_does_not_act_on_are_echoed():
    condition = [1, 1, "a", 1, 250, 416904, "CBOE", 0, 1, 0]
    found = run(lambda: _placed(178, orderRef="ref-1", conditions=condition, ocaGroup="pair"))
    message = next(m for m in found if m[0] == "5")
    assert "ref-1" in message
    assert "pair" in message
    at = message.index("416904", 13)
    assert message[at - 5 : at + 5] == ["1", "1", "a", "1", "250", "416904", "CBOE", "0", "1", "0"]


def test_order_life_is_open_order_status_execution_commission():
    async def main():
        async with gateway() as running:
            client = await RawClient.connect(running.port, 3, "v100..178 +LOCKSTEP")
            await _open_market(client)
            client.send(*order(1, con_id(running, 5890), limit="30.00"))
            found = await client.fence(10)
            kinds = [m[0] for m in found if m[0] in ("3", "5", "11", "59")]
            assert kinds[:2] == ["5", "3"]
            assert kinds.index("11") < kinds.index("59")
            done = next(m for m in found if m[0] == "11")
            assert len(done) == 32
            assert done[1:3] == ["-1", "1"]
            assert done[15].endswith(" US/Eastern")
            assert "  " not in done[15]
            last = [m for m in found if m[0] == "3"][-1]
            assert len(last) == 12
            assert last[2] == "Filled"
            assert last[3:5] == ["1", "0"]
            paid = next(m for m in found if m[0] == "59")
            assert len(paid) == 8
            assert paid[2] == done[14]
            assert paid[5] == "1.7976931348623157E308"
            client.send(7, 3, 91, 0, "", "", "", "", "", "")
            again = await client.until_kind(55)
            assert [m[0] for m in again] == ["11", "59", "55"]
            assert again[0][1] == "91"

    run(main)


def test_execution_has_a_field_less_below_178():
    async def main():
        async with gateway() as running:
            client = await RawClient.connect(running.port, 3, "v100..173 +LOCKSTEP")
            await _open_market(client)
            client.send(*order(1, con_id(running, 5890), version=173, limit="30.00"))
            done = next(m for m in await client.fence(10) if m[0] == "11")
            assert len(done) == 31
            client.send(99, 0)
            completed = (await client.until_kind(102))[0]
            assert completed[0] == "101"
            assert "Filled" in completed

    run(main)


def test_what_if_is_answered_at_once_with_margins():
    async def main():
        async with gateway() as running:
            client = await RawClient.connect(running.port, 3, "v100..178 +LOCKSTEP")
            await _open_market(client)
            client.send(*order(5, con_id(running, 5800), action="SELL", limit="1.00", what_if=1))
            message = (await client.until_kind(5))[-1]
            at = message.index("PreSubmitted")
            assert message[at - 1] == "1"
            assert float(message[at + 4]) > 0
            client.send(8, 1, 1)
            assert (await client.until_kind(9))[-1][2] == "6"

    run(main)


def test_commands_wait_for_the_barrier_and_run_by_client_id():
    async def main():
        async with gateway() as running:
            second = await RawClient.connect(running.port, 2, "v100..178 +LOCKSTEP")
            first = await RawClient.connect(running.port, 1, "v100..178 +LOCKSTEP")
            option = con_id(running, 5800)
            second.send(*order(1, option, limit="0.05"))
            second.send(49, 1)
            second.send(8, 1, 1)
            assert (await second.read())[0] == "9"
            first.send(*order(1, option, limit="0.05"))
            first.send(49, 1)
            perms = [int(next(m for m in await c.until_kind(49) if m[0] == "3")[6]) for c in (first, second)]
            assert perms == sorted(perms)
            assert perms[0] < perms[1]

    run(main)


def test_only_the_owner_hears_of_an_order_and_the_master_of_all():
    async def main():
        async with gateway() as running:
            holder = await RawClient.connect(running.port, 1, "v100..178 +LOCKSTEP")
            other, master = await RawClient.connect(running.port, 2), await RawClient.connect(running.port, 0)
            holder.send(*order(1, con_id(running, 5800), limit="0.05"))
            await holder.fence()
            assert "5" in {m[0] for m in await master.fence()}
            assert [m[0] for m in await other.fence()] == ["49"]
            other.send(5, 1)
            assert [m[0] for m in await other.until_kind(53)] == ["53"]
            other.send(16, 1)
            assert [m[0] for m in await other.until_kind(53)] == ["5", "3", "53"]
            other.send(4, 1, 1, "")
            await holder.fence()
            assert (await other.until_kind(4))[-1][2:4] == ["1", "10147"]

    run(main)


def test_reconnect_finds_the_resting_order_with_its_ids():
    async def main():
        async with gateway() as running:
            client = await RawClient.connect(running.port, 4, "v100..178 +LOCKSTEP")
            await _open_market(client)
            client.send(*order(12, con_id(running, 5800), limit="0.05", tif="GTC"))
            before = next(m for m in await client.fence(6) if m[0] == "3")
            client.close()
            await client.writer.wait_closed()
            again = await RawClient.connect(running.port, 4, "v100..178 +LOCKSTEP")
            assert again.start[1] == ["9", "1", "13"]
            again.send(5, 1)
            found = await again.until_kind(53)
            assert [m[0] for m in found] == ["5", "3", "53"]
            assert found[1][1] == "12"
            assert found[1][6] == before[6]
            again.send(4, 1, 12, "")
            found = await again.fence()
            assert [m[2] for m in found if m[0] == "3"][-1] == "Cancelled"
            assert [m[3] for m in found if m[0] == "4"] == ["202"]

    run(main)


def test_modify_keeps_the_perm_id():
    async def main():
        async with gateway() as running:
            client = await RawClient.connect(running.port, 4, "v100..178 +LOCKSTEP")
            await _open_market(client)
            option = con_id(running, 5800)
            client.send(*order(1, option, limit="0.05"))
            before = next(m for m in await client.fence(6) if m[0] == "3")
            client.send(*order(1, option, limit="0.10"))
            after = await client.fence(6)
            assert next(m for m in after if m[0] == "5")[16] == "0.1"
            assert next(m for m in after if m[0] == "3")[6] == before[6]

    run(main)


@pytest.mark.parametrize(
    ("words", "ends"),
    [
        ("20251124", datetime(2025, 11, 24, 21, 0, tzinfo=UTC)),
        ("20251128", datetime(2025, 11, 28, 18, 0, tzinfo=UTC)),
        ("20251129", datetime(2025, 11, 30, 4, 59, 59, tzinfo=UTC)),
        ("20991231", datetime(2100, 1, 1, 4, 59, 59, tzinfo=UTC)),
        ("20251124 17:30:00 US/Eastern", datetime(2025, 11, 24, 22, 30, tzinfo=UTC)),
    ],
)
def test_an_order_good_till_a_date_alone_ends_with_the_session_of_that_day(words, ends):
    """It worked on until midnight, which a run of one day never saw."""
    fields = Fields(framed(*order(1, tif="GTD", goodTillDate=words))[4:])
    fields.skip()
    assert placed_order(fields, 178, 1)[0].good_till == ends


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"limit": ""}, "321"),
        ({"limit": "0.07"}, "110"),
        ({"con": 999}, "200"),
        ({"legs": []}, "321"),
    ],
)
def test_orders_that_cannot_be(fields, code):
    async def main():
        async with gateway() as running:
            client = await RawClient.connect(running.port, 4, "v100..178 +LOCKSTEP")
            client.send(*order(1, **{"con": con_id(running, 5800), **fields}))
            found = await client.fence()
            assert [m[2:4] for m in found if m[0] == "4"] == [["1", code]]

    run(main)


def test_an_id_that_was_passed_over_is_a_duplicate():
    async def main():
        async with gateway() as running:
            client = await RawClient.connect(running.port, 4)
            client.send(*order(10, con_id(running, 5800), limit="0.05"))
            client.send(*order(9, con_id(running, 5800), limit="0.05"))
            await client.until(lambda m: m[0] == "4" and m[2:4] == ["9", "103"])

    run(main)


def test_read_only_refuses_orders():
    async def main():
        async with gateway(read_only=True) as running:
            client = await RawClient.connect(running.port, 4)
            client.send(*order(10, con_id(running, 5800), limit="0.05"))
            assert (await client.until_kind(4))[-1][2:4] == ["10", "321"]
            for asked, number in (((4, 1, 10, ""), "10"), ((58, 1), "-1")):
                client.send(*asked)
                assert (await client.until_kind(4))[-1][2:4] == [number, "321"]

    run(main)


def test_a_combo_is_echoed_and_fills_by_its_legs():
    async def main():
        async with gateway() as running:
            client = await RawClient.connect(running.port, 4, "v100..178 +LOCKSTEP")
            client.send(61, 1)
            assert [m[0] for m in await client.until_kind(62)] == ["62"]
            await _open_market(client)
            legs = [(con_id(running, 5800), 1, "SELL"), (con_id(running, 5790), 1, "BUY")]
            client.send(*order(1, legs=legs, limit="0.00"))
            found = await client.fence(12)
            opened = next(m for m in found if m[0] == "5")
            assert opened[2:5] == ["28812380", "SPX", "BAG"]
            done = [m for m in found if m[0] == "11"]
            assert sorted(m[5] for m in done) == ["BAG", "OPT", "OPT"]
            net = next(m for m in done if m[5] == "BAG")
            signed = sum(float(m[20]) * (1 if m[18] == "BOT" else -1) for m in done if m[5] == "OPT")
            assert signed == pytest.approx(float(net[20]), abs=0.011)
            rows = [m for m in found if m[0] == "61"]
            assert {m[3] for m in rows} == {str(leg[0]) for leg in legs}
            assert len(rows[0]) == 16

    run(main)
