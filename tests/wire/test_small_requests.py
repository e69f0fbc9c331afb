"""Every other request has its answer, and no mangled request ends the run."""

import asyncio
import random
from datetime import date

import pytest
from ib_async import IB, ScannerSubscription, Stock
from raw_client import RawClient, con_id, contract, framed, gateway, order, run

OPTION = "option"
ANSWERS = [
    ([14, 1, 5], None, 0),
    ([17, 1], 15, 3),
    ([54, 3, 5, OPTION, "20.0", 5890, 0, ""], 21, 12),
    ([55, 3, 5, OPTION, "0.2", 5890, 0, ""], 21, 12),
    ([52, 2, 5, 265598, "AAPL", "STK", "SMART", "", "USD", "", "CalendarReport", ""], 51, 4),
    ([52, 2, 5, 265598, "AAPL", "STK", "SMART", "", "USD", "", "ReportSnapshot", ""], 4, 6),
    ([6, 2, 1, ""], 54, 3),
    ([6, 2, 1, "U999"], 4, 6),
    ([61, 1], 62, 2),
    ([62, 1, 5, "All", "$LEDGER"], 64, 3),
    ([74, 1, 5, "", ""], 72, 3),
    ([76, 1, 5, "", "", 0], 74, 3),
    ([79, 5], 77, 3),
    ([80, 1], 78, 4),
    ([82], 80, 2),
    ([85], 85, 2),
    ([91, 239], 93, 7),
    ([91, 4711], 4, 6),
    ([92, 5, "", ""], 94, 5),
    ([94, 5, "", "", 416904], 95, 7),
    ([97, 5, OPTION, "Last", 0, 0], 4, 6),
    ([104, 5], 107, 3),
    ([15, 1, 1], 4, 6),
    ([25, 1, 5], 4, 6),
    ([51, 1, 5], 4, 6),
    ([100, 5], 4, 6),
]


@pytest.mark.parametrize(("request_fields", "kind", "count"), ANSWERS)
def test_each_small_request_is_answered(request_fields, kind, count):
    async def main():
        async with gateway() as running:
            client = await RawClient.connect(running.port, 1, "v100..178 +LOCKSTEP")
            await client.fence(70)
            option = contract(con_id(running, 5890))
            fields = [part for each in request_fields for part in (option if each == OPTION else [each])]
            client.send(*fields)
            if kind is None:
                assert [m[0] for m in await client.fence()] == ["49"]
            else:
                assert len((await client.until_kind(kind))[-1]) == count

    run(main)


def test_summaries_are_two_at_most():
    async def main():
        async with gateway() as running:
            client = await RawClient.connect(running.port)
            for number in (1, 2, 3):
                client.send(62, 1, number, "All", "NetLiquidation")
            assert (await client.until_kind(4))[-1][2:4] == ["3", "322"]

    run(main)


def test_account_values_come_again_every_three_minutes():
    async def main():
        async with gateway(data_seconds=60, fence_seconds=60) as running:
            client = await RawClient.connect(running.port, 1, "v100..178 +LOCKSTEP")
            client.send(6, 2, 1, "")
            await client.until_kind(54)
            found = await client.fence(6)
            assert sum(m[0] == "8" for m in found) == 2

    run(main)


def test_combo_details_are_refused_with_321_or_200():
    async def main(code):
        async with gateway(bag_details_code=code) as running:
            client = await RawClient.connect(running.port)
            client.send(9, 8, 5, *contract(0, "SPX", "BAG"), 0, "", "", "")
            assert (await client.until_kind(4))[-1][2:4] == ["5", str(code)]

    run(lambda: main(321))
    run(lambda: main(200))


def test_hours_are_reported_of_the_days_that_the_calendar_knows():
    """In the last days of 2028 the question for a contract ended the run, and a client heard of no reason."""

    async def main():
        async with gateway(first_day=date(2028, 12, 28)) as running:
            client = await RawClient.connect(running.port)
            client.send(9, 8, 5, *contract(0, "SPY", "STK"), 0, "", "", "")
            (reported,) = [m for m in await client.until_kind(52) if m[0] == "10"]
            (liquid,) = [each for each in reported if each.startswith("20281228:0930")]
            assert [day[:8] for day in liquid.split(";")] == ["20281228", "20281229", "20281230", "20281231"]

    run(main)


SPOILED = ["", "-1", "x", "1e400", "nan", "0", "99999999999999999999", "BUY", "1.7976931348623157E308", "é", "-0.05"]


@pytest.mark.parametrize("count", [150, pytest.param(1500, marks=pytest.mark.long, id="ci-1500")])
def test_mangled_requests_are_answered_or_passed_over(count):
    """Mutate one or two fields of good requests: the gateway answers, and is still there at the end."""

    async def main():
        chance = random.Random(5)
        async with gateway() as running:
            client = await RawClient.connect(running.port, 1, "v100..178 +LOCKSTEP")
            await client.fence(65)
            option = con_id(running, 5890)
            legs = [(option, 1, "SELL"), (con_id(running, 5880), 1, "BUY")]
            for number in range(count):
                good = chance.choice(
                    [
                        order(number + 1, option, limit="10.0"),
                        order(number + 1, legs=legs, limit="-3.0"),
                        order(number + 1, option, limit="10.0", what_if=1),
                        [1, 11, number + 1, *contract(option), 0, "", 1, 0, ""],
                        [9, 8, number + 1, *contract(option), 0, "", "", ""],
                        [20, number + 1, *contract(416904), 0, "", "1 day", "5 D", 1, "TRADES", 1, 0, ""],
                        [7, 3, number + 1, 0, "", "", "", "", "", ""],
                        [4, 1, number, ""],
                        [78, number + 1, "SPX", "", "IND", 416904],
                    ]
                )
                for _ in range(chance.choice((1, 2))):
                    good[chance.randrange(1, len(good))] = chance.choice(SPOILED)
                client.write_raw(framed(*good[: chance.choice((len(good), len(good), 3, len(good) - 1))]))
                if number % 50 == 49:
                    await client.fence(6)
            client.send(17, 1)
            await client.until_kind(15)

    run(main)


def test_requests_for_what_is_not_built_end_in_ib_async():
    async def main():
        async with gateway(lockstep=False, speed=None) as running:
            ib = IB()
            await ib.connectAsync("127.0.0.1", running.port, clientId=1)
            scan = ScannerSubscription(instrument="STK", locationCode="STK.US", scanCode="TOP_PERC_GAIN")
            assert list(await asyncio.wait_for(ib.reqScannerDataAsync(scan), 5)) == []
            assert "ScanParameterResponse" in await asyncio.wait_for(ib.reqScannerParametersAsync(), 5)
            assert not await asyncio.wait_for(ib.reqHistoricalNewsAsync(756733, "BRFG", "", "", 10), 5)
            assert not await asyncio.wait_for(ib.reqHistogramDataAsync(Stock("SPY", "SMART", "USD"), True, "3 days"), 5)
            ticks = ib.reqHistoricalTicksAsync(
                Stock("SPY", "SMART", "USD"), "20251121 10:00:00", "", 10, "TRADES", True
            )
            assert not await asyncio.wait_for(ticks, 5)
            ib.disconnect()

    run(main)


def test_an_option_of_another_multiplier_is_not_found():
    async def main():
        async with gateway() as running:
            client = await RawClient.connect(running.port)
            asked = contract(0, "SPX", "OPT")
            asked[3:7] = ["20251124", 5890, "P", "10"]
            client.send(9, 8, 5, *asked, 0, "", "", "")
            assert (await client.until_kind(4))[-1][2:4] == ["5", "200"]
            asked[6] = "100"
            client.send(9, 8, 6, *asked, 0, "", "", "")
            assert (await client.until_kind(52))[-1][2] == "6"

    run(main)
