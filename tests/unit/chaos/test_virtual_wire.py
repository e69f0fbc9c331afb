"""Connections in memory, each also over real TCP where both can be told the same: what one end does, the other sees."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest

from rulebot.chaos.virtual_loop import VirtualLoop, run_virtually
from rulebot.chaos.virtual_wire import HIGH_WATER, WINDOW


async def settle() -> None:
    """Let arrive what was sent: many looks of the loop, so that a busy machine changes nothing."""
    for _ in range(50):
        await asyncio.sleep(0.001)


class Peer(asyncio.Protocol):
    """Writes down what it sees."""

    def __init__(self, *, keeps_open: bool = False) -> None:
        self.seen: list[str] = []
        self.data = b""
        self.paused: list[bool] = []
        self.keeps_open = keeps_open
        self.lost = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport = None  # type: ignore[assignment]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.seen.append("made")

    def data_received(self, data: bytes) -> None:
        self.data += data
        if self.seen[-1] != "data":
            self.seen.append("data")

    def eof_received(self) -> bool:
        self.seen.append("eof")
        return self.keeps_open

    def pause_writing(self) -> None:
        self.paused.append(True)

    def resume_writing(self) -> None:
        self.paused.append(False)

    def connection_lost(self, problem: Exception | None) -> None:
        self.seen.append(f"lost {type(problem).__name__}" if problem else "lost")
        self.lost.set_result(None)


Scene = Callable[[Peer, Peer], Awaitable[Any]]


async def act(scene: Scene, **near_options: bool) -> Any:
    loop = asyncio.get_running_loop()
    far: list[Peer] = []

    def accept() -> Peer:
        far.append(Peer())
        return far[0]

    server = await loop.create_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    _, near = await loop.create_connection(lambda: Peer(**near_options), "127.0.0.1", port)
    await settle()
    try:
        return await scene(near, far[0])
    finally:
        for each in (near, far[0]):
            each.transport.abort()
        server.close()
        await settle()


@pytest.fixture(params=["memory", "tcp"])
def played(request: pytest.FixtureRequest) -> Callable[..., Any]:
    def play(scene: Scene, **near_options: bool) -> Any:
        if request.param == "tcp":
            return asyncio.run(act(scene, **near_options))
        return run_virtually(lambda loop: act(scene, **near_options))

    return play


def reset(peer: Peer) -> None:
    end = peer.transport.get_extra_info("socket")
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.transport.abort()


def test_bytes_arrive_in_order_both_ways(played: Callable[..., Any]) -> None:
    async def scene(near: Peer, far: Peer) -> None:
        for each in (b"one", b" ", b"two"):
            near.transport.write(each)
        far.transport.write(b"back")
        await settle()
        assert (near.data, far.data) == (b"back", b"one two")

    played(scene)


def test_a_close_is_seen_after_what_was_written(played: Callable[..., Any]) -> None:
    async def scene(near: Peer, far: Peer) -> None:
        near.transport.write(b"last words")
        near.transport.close()
        assert near.transport.is_closing()
        await far.lost
        assert (near.seen, far.seen, far.data) == (["made", "lost"], ["made", "data", "eof", "lost"], b"last words")

    played(scene)


def test_a_half_closed_end_still_hears(played: Callable[..., Any]) -> None:
    async def scene(near: Peer, far: Peer) -> None:
        far.keeps_open = True
        near.transport.write_eof()
        await settle()
        assert far.seen == ["made", "eof"]
        with pytest.raises(RuntimeError):
            near.transport.write(b"too late")
        far.transport.write(b"answer")
        await settle()
        assert near.data == b"answer"
        far.transport.close()
        await near.lost
        assert near.seen == ["made", "data", "eof", "lost"]

    played(scene)


def test_a_reset_is_an_error_at_the_other_end(played: Callable[..., Any]) -> None:
    async def scene(near: Peer, far: Peer) -> None:
        reset(far)
        await near.lost
        assert (near.seen, far.seen) == (["made", "lost ConnectionResetError"], ["made", "lost"])

    played(scene)


def test_what_is_left_unread_makes_a_close_a_reset(played: Callable[..., Any]) -> None:
    async def scene(near: Peer, far: Peer) -> None:
        far.transport.pause_reading()
        near.transport.write(b"never read")
        await settle()
        far.transport.close()
        await near.lost
        assert near.seen == ["made", "lost ConnectionResetError"]

    played(scene)


def test_who_does_not_read_hears_nothing_until_it_reads(played: Callable[..., Any]) -> None:
    async def scene(near: Peer, far: Peer) -> None:
        far.transport.pause_reading()
        near.transport.write(b"wait")
        near.transport.close()
        await settle()
        assert far.seen == ["made"]
        far.transport.resume_reading()
        await far.lost
        assert (far.seen, far.data) == (["made", "data", "eof", "lost"], b"wait")

    played(scene)


def test_a_writer_is_paused_by_one_who_does_not_read(played: Callable[..., Any]) -> None:
    much = b"x" * (16 * 1024 * 1024)

    async def scene(near: Peer, far: Peer) -> None:
        far.transport.pause_reading()
        near.transport.write(much)
        await settle()
        assert near.paused == [True]
        assert near.transport.get_write_buffer_size() > HIGH_WATER
        far.transport.resume_reading()
        while len(far.data) < len(much):
            await settle()
        assert near.paused == [True, False]
        assert near.transport.get_write_buffer_size() == 0

    played(scene)


def test_a_protocol_that_fails_loses_its_connection_and_a_person_hears(played: Callable[..., Any]) -> None:
    async def scene(near: Peer, far: Peer) -> None:
        reported: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(repr(context["exception"])))
        far.data_received = lambda data: 1 / 0  # type: ignore[assignment,method-assign]
        near.transport.write(b"x")
        await far.lost
        assert far.seen == ["made", "lost ZeroDivisionError"]
        assert reported == ["ZeroDivisionError('division by zero')"]
        await near.lost

    played(scene)


def test_writing_to_what_is_closed_ends_the_connection(played: Callable[..., Any]) -> None:
    async def scene(near: Peer, far: Peer) -> None:
        far.transport.close()
        await settle()
        assert near.seen == ["made", "eof"]
        near.transport.write(b"is anybody there?")
        await settle()
        near.transport.write(b"no")
        await near.lost
        assert near.seen == ["made", "eof", "lost BrokenPipeError"]

    played(scene, keeps_open=True)


def test_a_connection_is_refused_when_nobody_listens(played: Callable[..., Any]) -> None:
    async def scene(near: Peer, far: Peer) -> None:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.get_running_loop().create_connection(Peer, "127.0.0.1", 1)

    played(scene)


# ---------------------------------------------------------------- in memory alone


def test_the_network_takes_its_time() -> None:
    async def main(loop: VirtualLoop) -> None:
        async def scene(near: Peer, far: Peer) -> None:
            loop.network.delay = 0.5
            near.transport.write(b"a")
            near.transport.close()
            await asyncio.sleep(0.49)
            assert far.seen == ["made"]
            await asyncio.sleep(0.02)
            assert far.seen[:3] == ["made", "data", "eof"]

        await act(scene)

    run_virtually(main)


@pytest.mark.parametrize(("arrives", "data"), [(True, b"sent"), (False, b"")], ids=["arrives", "is lost"])
def test_of_who_is_gone_what_it_sent_arrives_or_is_lost(arrives: bool, data: bytes) -> None:
    async def main(loop: VirtualLoop) -> None:
        async def scene(near: Peer, far: Peer) -> None:
            near.transport.write(b"sent")
            loop.network.sever(arrives=arrives)
            near.transport.write(b" and more")
            await far.lost
            assert far.data == data
            assert near.seen == ["made", "lost"]

        await act(scene)

    run_virtually(main)


def test_what_a_window_does_not_take_is_lost_with_its_writer() -> None:
    async def main(loop: VirtualLoop) -> None:
        async def scene(near: Peer, far: Peer) -> None:
            near.transport.write(b"x" * (WINDOW + 1))
            loop.network.sever(arrives=True)
            await far.lost
            assert len(far.data) == WINDOW

        await act(scene)

    run_virtually(main)


def test_each_write_of_who_connected_is_reported_before_and_after() -> None:
    async def main(loop: VirtualLoop) -> list[str]:
        reported: list[str] = []

        async def scene(near: Peer, far: Peer) -> None:
            loop.network.before_write = lambda: reported.append("before")
            loop.network.after_write = lambda: reported.append("after")
            near.transport.write(b"x")
            far.transport.write(b"y")
            loop.network.before_write = loop.network.after_write = None

        await act(scene)
        return reported

    assert run_virtually(main) == ["before", "after"]


def test_what_is_outside_of_who_connected_is_reported() -> None:
    async def main(loop: VirtualLoop) -> list[bool]:
        reported: list[object] = []

        async def scene(near: Peer, far: Peer) -> None:
            reported.append(loop.network.outside)
            near.data = b"its own"
            near.transport.pause_reading()
            reported.append(loop.network.outside)  # nobody else can know that it does not read
            near.transport.write(b"sent")
            reported.append(loop.network.outside)
            await settle()
            reported.append(loop.network.outside)
            far.transport.write(b"unread")
            reported.append(loop.network.outside)  # nor what it has not read
            near.transport.resume_reading()
            await settle()
            reported.append(loop.network.outside)

        await act(scene)
        return [one == other for one, other in pairwise(reported)]

    same = run_virtually(main)
    assert same == [True, False, False, True, True]


def test_a_port_is_used_once_and_options_are_refused() -> None:
    async def main(loop: VirtualLoop) -> None:
        server = await loop.create_server(Peer, "127.0.0.1", 5000)
        with pytest.raises(OSError, match="in use"):
            await loop.create_server(Peer, "127.0.0.1", 5000)
        server.close()
        await loop.create_server(Peer, "127.0.0.1", 5000)
        with pytest.raises(ValueError, match="ssl"):
            await loop.create_connection(Peer, "127.0.0.1", 5000, ssl=True)

    run_virtually(main)
