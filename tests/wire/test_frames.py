"""Frames and the handshake."""

import asyncio

import pytest
from raw_client import RawClient, framed, gateway, hello, run

from twsim.gateway.server import agreed_version
from twsim.gateway.wire import Fields, MalformedError, WireError, frame, is_unset, pack, take_frames, text


def test_worked_examples_of_the_protocol():
    assert frame(178, "20250425 15:23:54 EST").hex(" ").startswith("00 00 00 1a 31 37 38 00 32 30")
    assert frame(15, 1, "DU1234567") == b"\0\0\0\x0f15\x001\0DU1234567\0"
    assert frame(9, 1, 5) == bytes.fromhex("0000000639003100 3500".replace(" ", ""))


def test_frames_cut_at_every_byte():
    stream = frame(49, 1, 1700000000) + frame(62, 1) + frame(4, 2, -1, 2104, "farm", "")
    whole = list(take_frames(bytearray(stream)))
    assert len(whole) == 3
    for cut in range(len(stream) + 1):
        buffer = bytearray(stream[:cut])
        found = list(take_frames(buffer))
        buffer += stream[cut:]
        assert found + list(take_frames(buffer)) == whole
        assert not buffer


def test_garbage_length_is_refused():
    with pytest.raises(WireError):
        list(take_frames(bytearray(b"GET / HTTP/1.1\r\n")))


@pytest.mark.parametrize(
    "spelling",
    ["", "1.7976931348623157E308", "1.7976931348623157e+308", "2147483647", "9223372036854775807", "1e307", "None"],
)
def test_every_spelling_of_unset_is_none(spelling):
    assert is_unset(spelling)
    fields = Fields(f"{spelling}\0{spelling}\0".encode())
    assert fields.decimal() is None
    assert fields.integer(7) == 7


def test_numbers_are_read_leniently_and_written_plainly():
    fields = Fields(b"1.0\x002\x00x\x00")
    assert (fields.integer(), fields.integer()) == (1, 2)
    with pytest.raises(MalformedError):
        fields.integer()
    with pytest.raises(MalformedError):
        fields.text()
    from decimal import Decimal

    assert [text(Decimal(x)) for x in ("100.00", "1.50", "-0.0", "1E+2")] == ["100", "1.5", "0", "100"]


def test_text_is_seven_bit():
    assert pack("Zürich") == b"\0\0\0\x0cZ\\u00fcrich\0"


@pytest.mark.parametrize(
    ("offer", "chosen"),
    [
        (b"v100..157", 157),
        (b"v100..176", 176),
        (b"v100..187", 178),
        (b"v157..178 +LOCKSTEP", 178),
        (b"v178", 178),
        (b"v100..156", None),
        (b"v201..225", None),
        (b"hello", None),
    ],
)
def test_version_is_the_smaller_maximum(offer, chosen):
    agreed = agreed_version(offer)
    assert (agreed and agreed[0]) == chosen


def test_handshake_says_version_and_virtual_time_and_greets():
    async def main():
        async with gateway() as running:
            client = await RawClient.connect(running.port)
            assert client.greeting == ["178", "20251124 09:29:00 LOCKSTEP"]
            assert [m[0] for m in client.start[:2]] == ["15", "9"]
            assert client.start[1] == ["9", "1", "1"]
            assert {m[3] for m in client.start[2:]} == {"2104", "2106", "2158"}
        async with gateway(lockstep=False) as running:
            client = await RawClient.connect(running.port, offer="v157..178 +LOCKSTEP")
            assert client.greeting[1].endswith(" US/Eastern")

    run(main)


def test_bytes_one_by_one_and_requests_in_one_segment():
    async def main():
        async with gateway() as running:
            client = await RawClient.dial(running.port)
            stream = b"API\0" + hello("v100..178") + framed(71, 2, 5, "") + framed(8, 1, 1) + framed(17, 1)
            for at in range(len(stream)):
                client.write_raw(stream[at : at + 1])
                await client.writer.drain()
            assert (await client.read())[0] == "178"
            await client.until_kind(9)
            await client.until_kind(9)
            await client.until_kind(15)
            other = await RawClient.dial(running.port)
            other.write_raw(stream.replace(framed(71, 2, 5, ""), framed(71, 2, 6, "")))
            await other.read()
            await other.until_kind(9)
            await other.until_kind(9)

    run(main)


@pytest.mark.parametrize(
    "first", [b"63\0", b"GET / HTTP/1.1\r\n\r\n", b"API\0\xff\xff\xff\xff", b"API\0" + hello("v1..2")]
)
def test_what_is_no_client_is_closed(first):
    async def main():
        async with gateway() as running:
            client = await RawClient.dial(running.port)
            client.write_raw(first)
            assert await client.closed() == b""

    run(main)


def test_garbage_length_after_the_handshake_closes_this_client_only():
    async def main():
        async with gateway() as running:
            bad, good = await RawClient.connect(running.port, 1), await RawClient.connect(running.port, 2)
            bad.write_raw(b"\xff\xff\xff\xff")
            assert await bad.closed() == b""
            good.send(17, 1)
            assert (await good.until_kind(15))[-1][2].startswith("DU")

    run(main)


def test_client_id_in_use_gets_326_and_the_older_stays():
    async def main():
        async with gateway() as running:
            older = await RawClient.connect(running.port, 7)
            younger = await RawClient.dial(running.port)
            younger.write_raw(b"API\0" + hello("v100..178") + framed(71, 2, 7, ""))
            assert (await younger.read())[0] == "178"
            assert (await younger.read())[:4] == ["4", "2", "-1", "326"]
            assert await younger.closed() == b""
            older.send(8, 1, 1)
            assert (await older.until_kind(9))[-1] == ["9", "1", "1"]

    run(main)


def test_nothing_is_answered_before_start_api():
    async def main():
        async with gateway() as running:
            client = await RawClient.dial(running.port)
            client.write_raw(b"API\0" + hello("v100..178") + framed(49, 1) + framed(71, 2, 1, ""))
            assert (await client.read())[0] == "178"
            assert (await client.read())[0] == "15"

    run(main)


def test_no_more_than_32_clients():
    async def main():
        async with gateway(max_clients=3) as running:
            kept = [await RawClient.connect(running.port, number) for number in range(3)]
            fourth = await RawClient.dial(running.port)
            assert await fourth.closed() == b""
            kept[0].close()

    run(main)


def test_a_client_that_does_not_read_is_dropped_and_the_others_are_served():
    async def main():
        async with gateway(queue_bytes=100_000) as running:
            slow, good = await RawClient.connect(running.port, 1), await RawClient.connect(running.port, 2)
            slow.writer.transport.pause_reading()
            expiry = framed(9, 8, 1, 0, "SPX", "OPT", "20251124", 0, "", "", "SMART", "", "USD", "", "", 0, "", "", "")
            for _ in range(20):
                slow.write_raw(expiry)
            while running.statistics.dropped_clients == 0:
                await asyncio.sleep(0)
            good.send(17, 1)
            await good.until_kind(15)

    run(main)


def test_unknown_and_broken_messages_are_answered_and_the_client_stays():
    async def main():
        async with gateway() as running:
            client = await RawClient.connect(running.port)
            for sent, req_id, code in [
                ((999, 1, 55), "55", "320"),
                ((88, 44, "x"), "44", "162"),
                ((22, 45, -1, "STK"), "45", "162"),
                ((10, 5, 46), "46", "321"),
                ((18, 1, 1), "-1", "321"),
                ((19, 1, 1, "<x/>", 7), "7", "321"),
                ((84, 47, "BRFG", "1"), "47", "10276"),
                ((100, 48), "48", "10279"),
                ((3, 9, "no number"), "9", "320"),
                ((20, 61), "61", "320"),
                ((7, 3, 62), "62", "320"),
                (("what", "is", "this"), "-1", "320"),
            ]:
                client.send(*sent)
                answer = await client.until_kind(4)
                assert answer[-1][2:4] == [req_id, code], (sent, answer)
            client.write_raw(b"\0\0\0\0")
            assert (await client.until_kind(4))[-1][2:4] == ["-1", "320"]
            client.send(17, 1)
            await client.until_kind(15)

    run(main)


def test_error_messages_have_a_field_more_from_166():
    async def main():
        async with gateway() as running:
            old = await RawClient.connect(running.port, 1, "v100..157")
            new = await RawClient.connect(running.port, 2, "v100..176")
            assert {len(m) for m in old.start if m[0] == "4"} == {5}
            assert {len(m) for m in new.start if m[0] == "4"} == {6}

    run(main)
