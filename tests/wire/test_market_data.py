"""Market data lines: the first set, changes, snapshots, limits, combos, types."""

import pytest
from raw_client import RawClient, con_id, contract, gateway, run

from twsim.seams import ContractSearch

OPEN = 60


def subscribe(req_id, con, *, generics="", snapshot=0, sec_type="OPT", symbol="SPX", exchange="SMART"):
    return [1, 11, req_id, *contract(con, symbol, sec_type, exchange), 0, generics, snapshot, 0, ""]


async def _holder(running, client_id=1):
    client = await RawClient.connect(running.port, client_id, "v100..178 +LOCKSTEP")
    await client.fence(OPEN)
    return client


def test_first_set_of_an_option_then_only_changes():
    async def main():
        async with gateway() as running:
            client = await _holder(running)
            client.send(*subscribe(1000, con_id(running, 5890)))
            first = (await client.fence(1))[:-1]
            assert first[0] == ["58", "1", "1000", "1"]
            assert first[1][:3] == ["81", "1000", "0.05"]
            assert len(first[1]) == 5
            kinds = [m[3] for m in first if m[0] == "1"]
            assert kinds[:2] == ["1", "2"]
            prices = {m[3]: m for m in first if m[0] == "1"}
            assert all(len(m) == 7 for m in prices.values())
            model = next(m for m in first if m[0] == "21")
            assert len(model) == 12
            assert model[1:4] == ["1000", "13", "0"]
            assert float(model[5]) < 0
            moved = await client.fence(5)
            last = {m[3]: m for m in moved if m[0] == "1"}
            for kind in set(last) & {"1", "2"}:
                assert last[kind][4:6] != prices[kind][4:6]
            await client.fence(4)
            assert [m[0] for m in await client.fence(1)][-1] == "49"

    run(main)


def test_lines_asked_for_in_one_piece_are_answered_as_one_by_one_and_quoted_once():
    def asked(running):
        yield from (subscribe(number, con_id(running, strike)) for number, strike in enumerate((5880, 5890, 5900), 1))
        yield subscribe(4, 416904, sec_type="IND", exchange="CBOE")
        yield subscribe(2, con_id(running, 5910))  # a ticker id that is taken
        yield [1, 11, 5, "what", "is", "this"]
        yield subscribe(6, 1)  # no such contract
        yield subscribe(7, con_id(running, 5910, "C"), snapshot=1)

    async def answers(*, together):
        async with gateway() as running:
            client, found = await _holder(running), []
            ticks, quoted = running.market.ticks, []
            running.market.ticks = lambda con_ids: quoted.append(tuple(con_ids)) or ticks(con_ids)
            for message in asked(running):
                client.send(*message)
                if not together:
                    client.send(8, 1, 1)
                    found += (await client.until_kind(9))[:-1]
            client.send(8, 1, 1)
            found += (await client.until_kind(9))[:-1]
            options = [con_id(running, strike) for strike in (5880, 5890, 5900, 5910)]
            return found + (await client.fence(5)), quoted[0], (*options, con_id(running, 5910, "C"))

    async def main():
        apart, first, _ = await answers(together=False)
        assert len(first) == 1
        at_once, first, options = await answers(together=True)
        assert first == options
        assert at_once == apart
        assert {message[3] for message in at_once if message[0] == "4"} == {"322", "320", "200"}

    run(main)


def test_between_data_instants_nothing_moves():
    async def main():
        async with gateway() as running:
            client = await _holder(running)
            client.send(*subscribe(1000, con_id(running, 5890)))
            await client.fence(5)
            assert [m[0] for m in await client.fence(4)] == ["49"] * 4
            assert len(await client.fence(1)) > 1

    run(main)


def test_no_message_repeats_what_was_sent():
    async def main():
        async with gateway() as running:
            client = await _holder(running)
            for number, strike in enumerate(range(5850, 5930, 5)):
                client.send(*subscribe(number + 10, con_id(running, strike)))
            seen = {}
            for message in await client.fence(300):
                if message[0] in ("1", "21") and message[0:1] != ["49"]:
                    key = (message[0], message[2], message[3]) if message[0] == "1" else ("21", message[1])
                    value = message[4:6] if message[0] == "1" else message[4:]
                    assert seen.get(key) != value, message
                    seen[key] = value

    run(main)


def test_index_stock_and_generic_ticks():
    async def main():
        async with gateway() as running:
            client = await _holder(running)
            client.send(*subscribe(1, 416904, sec_type="IND", exchange="CBOE", generics="104,106,165,233"))
            client.send(*subscribe(2, 756733, symbol="SPY", sec_type="STK", generics="221,236,100,101"))
            found = (await client.fence(1))[:-1]
            index = [m for m in found if m[0] == "1" and m[2] == "1"]
            assert {"1", "2"}.isdisjoint(m[3] for m in index)
            assert next(m for m in index if m[3] == "4")[5] == "0"
            assert {"6", "7", "9", "14"} <= {m[3] for m in index}
            assert {m[3] for m in found if m[0] == "45" and m[2] == "1"} >= {"24"}
            stock = [m for m in found if m[0] in ("1", "2", "45") and m[2] == "2"]
            assert {"1", "2", "4", "9", "37"} <= {m[3] for m in stock if m[0] == "1"}
            assert {"8", "27", "28", "29", "30", "89"} <= {m[3] for m in stock if m[0] == "2"}
            assert "49" in {m[3] for m in stock if m[0] == "45"}

    run(main)


def test_stock_sizes_are_in_lots_below_159():
    async def main():
        async with gateway() as running:
            new = await _holder(running)
            old = await RawClient.connect(running.port, 2, "v100..157")
            for client in (new, old):
                client.send(*subscribe(2, 756733, symbol="SPY", sec_type="STK"))
                await client.until(lambda m: m[0] == "45")
            shares = [m for m in await new.fence(30) if m[0] in ("1", "2")]
            lots = []
            while len(lots) < len(shares):
                lots += [m for m in [await old.read()] if m[0] in ("1", "2")]
            places = {"1": 5, "2": 4}
            assert {m[3] for m in shares} & {"0", "1", "2", "3"}
            for a, b in zip(shares, lots, strict=True):
                at = places[a[0]]
                if a[3] in ("0", "1", "2", "3"):
                    assert int(a[at]) == 100 * int(b[at])

    run(main)


def test_snapshot_ends_and_takes_no_line():
    async def main():
        async with gateway(max_lines=1) as running:
            client = await _holder(running)
            client.send(*subscribe(1, con_id(running, 5890), snapshot=1))
            assert (await client.until_kind(57))[-1] == ["57", "1", "1"]
            client.send(*subscribe(2, con_id(running, 5890)))
            client.send(*subscribe(3, con_id(running, 5890), snapshot=1))
            await client.until_kind(57)
            client.send(*subscribe(4, con_id(running, 5890), snapshot=1, generics="100"))
            assert (await client.until_kind(4))[-1][2:4] == ["4", "321"]

    run(main)


def test_lines_are_counted_over_all_clients_and_freed():
    async def main():
        async with gateway(max_lines=2) as running:
            one, two = await RawClient.connect(running.port, 1), await RawClient.connect(running.port, 2)
            one.send(*subscribe(1, con_id(running, 5890)))
            one.send(*subscribe(2, con_id(running, 5895)))
            await one.fence()
            two.send(*subscribe(1, con_id(running, 5890)))
            assert (await two.until_kind(4))[-1][2:4] == ["1", "101"]
            one.send(2, 2, 1)
            await one.fence()
            two.send(*subscribe(1, con_id(running, 5890)))
            assert (await two.until_kind(58))[-1][2] == "1"
            one.close()
            await one.writer.wait_closed()
            two.send(*subscribe(2, con_id(running, 5890)))
            await two.until_kind(58)

    run(main)


@pytest.mark.parametrize(
    ("requests", "code"),
    [
        ([[2, 2, 77]], "300"),
        ([subscribe(5, 416904), subscribe(5, 416904)], "322"),
        ([subscribe(5, 999)], "200"),
        ([subscribe(5, 0)], "200"),
        ([subscribe(5, 416904, generics="7777")], "321"),
    ],
)
def test_requests_that_cannot_be(requests, code):
    async def main():
        async with gateway() as running:
            client = await RawClient.connect(running.port)
            for each in requests:
                client.send(*each)
            assert (await client.until_kind(4))[-1][3] == code

    run(main)


def test_a_combo_is_quoted_with_its_sign():
    async def main():
        async with gateway() as running:
            client = await _holder(running)
            sold, bought = con_id(running, 5890), con_id(running, 5880)
            legs = [2, sold, 1, "SELL", "SMART", bought, 1, "BUY", "SMART"]
            client.send(1, 11, 5, *contract(0, "SPX", "BAG"), *legs, 0, "", 0, 0, "")
            client.send(*subscribe(6, sold))
            client.send(*subscribe(7, bought))
            found = {(m[2], m[3]): float(m[4]) for m in await client.fence(1) if m[0] == "1"}
            assert found["5", "1"] == pytest.approx(found["7", "1"] - found["6", "2"])
            assert found["5", "2"] == pytest.approx(found["7", "2"] - found["6", "1"])
            assert found["5", "1"] < found["5", "2"] < 0

    run(main)


def test_shares_dealt_with_a_call_are_quoted_per_share():
    async def main():
        async with gateway() as running:
            client = await _holder(running)
            spy = running.market.catalogue.underlying("SPY")
            call = next(
                each
                for each in running.market.catalogue.search(ContractSearch(symbol="SPY", sec_type="OPT", right="C"))
                if each.strike == 590
            )
            legs = [2, spy.con_id, 100, "BUY", "SMART", call.con_id, 1, "SELL", "SMART"]
            client.send(1, 11, 5, *contract(0, "SPY", "BAG"), *legs, 0, "", 0, 0, "")
            client.send(*subscribe(6, spy.con_id, sec_type="STK", symbol="SPY"))
            client.send(*subscribe(7, call.con_id, symbol="SPY"))
            prices = {(m[2], m[3]): float(m[4]) for m in await client.fence(1) if m[0] == "1"}
            assert prices["5", "1"] == pytest.approx(prices["6", "1"] - prices["7", "2"])
            assert prices["5", "2"] == pytest.approx(prices["6", "2"] - prices["7", "1"])

    run(main)


def test_a_combo_of_index_options_has_nickels_for_its_price_step():
    async def main():
        async with gateway() as running:
            client = await _holder(running)
            legs = [2, con_id(running, 5890), 1, "BUY", "SMART", con_id(running, 5880), 1, "SELL", "SMART"]
            client.send(1, 11, 5, *contract(0, "SPX", "BAG"), *legs, 0, "", 0, 0, "")
            step = next(m for m in await client.fence(1) if m[0] == "81")
            assert step[2] == "0.05"

    run(main)


def test_frozen_data_is_said_while_closed():
    async def main():
        async with gateway() as running:
            client = await RawClient.connect(running.port)
            client.send(59, 1, 2)
            client.send(*subscribe(5, con_id(running, 5890)))
            assert (await client.until_kind(58))[-1] == ["58", "1", "5", "2"]
            client.send(59, 1, 9)
            assert (await client.until_kind(4))[-1][3] == "321"

    run(main)


def test_bursts_are_the_same_for_two_clients():
    async def main():
        async with gateway() as running:
            one = await _holder(running, 1)
            two = await RawClient.connect(running.port, 2)
            for client, base in ((one, 10), (two, 100)):
                for number, strike in enumerate((5885, 5890, 5895)):
                    client.send(*subscribe(base + number, con_id(running, strike)))
                await client.until(lambda m, last=base + 2: m[0] == "45" and m[2] == str(last))
            first = [m for m in await one.fence(20) if m[0] in ("1", "2", "21")]
            second = []
            while len(second) < len(first):
                second.append(await two.read())
            for a, b in zip(first, second, strict=True):
                place = 1 if a[0] == "21" else 2
                assert int(b[place]) - int(a[place]) == 90
                assert a[:place] + a[place + 1 :] == b[:place] + b[place + 1 :]

    run(main)
