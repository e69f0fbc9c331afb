"""Values that no client sends on purpose: each is refused, and the gateway goes on for everybody."""

import pytest
from raw_client import RawClient, con_id, contract, gateway, order, run

INDEX = contract(416904, sec_type="IND")
LONG = "9" * 5000
FOLDER = "20251124 10:00:00 America"
LONG_ZONE = "20251124 10:00:00 " + "x" * 300


def bars(req_id: int, *, end: str = "", size: str = "1 day", duration: str = "1 M") -> list[object]:
    """Return a question for bars."""
    return [20, req_id, *INDEX, 0, end, size, duration, 1, "TRADES", 1, 0, ""]


def line(generics: str) -> list[object]:
    """Return a question for market data."""
    return [1, 11, 7, *INDEX, 0, generics, 0, 0, ""]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        (bars(7, duration="99999999 Y"), "321"),
        (bars(7, duration="² D"), "321"),
        (bars(7, duration=f"{LONG} D"), "321"),
        (bars(7, duration="365 D", end="19930301 10:00:00 US/Eastern"), "321"),
        (bars(7, end="19600101 10:00:00 US/Eastern"), "162"),
        (bars(7, end=FOLDER), "321"),
        (bars(7, end=LONG_ZONE), "321"),
        (bars(7, end="00010101 00:00:00 Asia/Tokyo"), "321"),
        (bars(7, size="² mins"), "321"),
        (bars(7, size="1 secs"), "162"),
        (bars(7, size="5 secs", duration="1 Y"), "162"),
        (line("100,²"), "321"),
        (line(LONG), "321"),
        ([9, 8, 7, *contract(local="SPXW  251124P0589000²"), 0, "", "", ""], "200"),
        ([7, 3, 7, 0, "", FOLDER, "", "", "", ""], "320"),
    ],
)
def test_a_question_that_has_no_meaning_is_refused(fields: list[object], code: str) -> None:
    async def scenario() -> None:
        async with gateway() as running:
            client = await RawClient.connect(running.port)
            client.send(*fields)
            assert (await client.until_kind(4))[-1][2:4] == ["7", code]
            client.send(9, 8, 8, *INDEX, 0, "", "", "")
            await client.until_kind(52)

    run(scenario)


def test_bars_go_back_as_far_as_there_are_any() -> None:
    async def scenario() -> None:
        async with gateway() as running:
            client = await RawClient.connect(running.port)
            client.send(*bars(7, duration="1900 Y", size="1 month"))
            assert int((await client.until_kind(17))[-1][4]) > 12

    run(scenario)


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": "1e300"},
        {"limit": "99999999999999999999999999999999"},
        {"auxPrice": "-1e30"},
        {"goodAfterTime": FOLDER},
        {"goodAfterTime": LONG_ZONE},
        {"tif": "GTD", "goodTillDate": "99991231 23:59:59 America/New_York"},
    ],
)
@pytest.mark.parametrize("what_if", [0, 1])
def test_an_order_of_which_a_value_has_no_meaning_is_refused(changes: dict[str, object], what_if: int) -> None:
    async def scenario() -> None:
        async with gateway() as running:
            client = await RawClient.connect(running.port)
            client.send(*order(3, con_id(running, 5800), what_if=what_if, **changes))
            assert (await client.until_kind(4))[-1][2:4] == ["3", "320"]
            client.send(*order(4, con_id(running, 5800), limit="0.05"))
            await client.until_kind(3)

    run(scenario)


@pytest.mark.parametrize("method", ["²", LONG, "5"])
def test_a_stop_whose_trigger_has_no_meaning_has_that_of_its_contract(method: str) -> None:
    async def scenario() -> None:
        async with gateway() as running:
            client = await RawClient.connect(running.port, offer="v100..178 +LOCKSTEP")
            stop = order(3, con_id(running, 5800), kind="STP", limit="", auxPrice="9.00", triggerMethod=method)
            client.send(*stop)
            reported = await client.fence(70)
            assert [m[2] for m in reported if m[0] == "3"][-1] == "PreSubmitted"

    run(scenario)


def test_a_rest_until_a_time_that_has_no_meaning_is_none() -> None:
    async def scenario() -> None:
        async with gateway() as running:
            client = await RawClient.connect(running.port, offer="v100..178 +LOCKSTEP")
            client.send(49, 1, LONG)
            await client.until_kind(49)

    run(scenario)
