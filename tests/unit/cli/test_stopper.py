"""A stop that is asked of an engine which no gateway has let in yet."""

import asyncio
import os
import signal
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rulebot.cli import signals as stopping
from rulebot.cli.signals import StopSignals
from rulebot.model.event import Request
from rulebot.operator_requests.requests import clear_box, post
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store


async def waits(store: Path, *asked: Request) -> bool:
    """Wait for a gateway as a start does; say whether it was ended, since so much was asked."""
    stopper = StopSignals(screen=None)  # type: ignore[arg-type]
    stopper.listen()
    stopper.heed(store)
    clear_box(store)
    for each in asked:
        post(store, each)
    try:
        await asyncio.sleep(1.0)
    except asyncio.CancelledError:
        return stopper.was_asked
    return False


@pytest.mark.parametrize(("asked", "ends"), [(Request.STOP, True), (Request.PAUSE, False), (Request.KILL, False)])
def test_a_stop_ends_what_waits_for_its_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: Request, ends: bool
) -> None:
    """'rulebot stop' said that the engine was asked to end, and it waited on."""
    monkeypatch.setattr(stopping, "HEED_EVERY", 0.01)
    with closing(SqlJournal(open_store(tmp_path / "a.db"))):
        assert asyncio.run(waits(tmp_path / "a.db", asked)) is ends


def test_what_was_asked_of_an_engine_before_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "HEED_EVERY", 0.01)
    with closing(SqlJournal(open_store(tmp_path / "a.db"))):
        post(tmp_path / "a.db", Request.STOP)
        assert not asyncio.run(waits(tmp_path / "a.db"))


def test_a_connected_engine_looks_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "HEED_EVERY", 0.01)
    nothing: Any = object()

    async def body() -> StopSignals:
        stopper = StopSignals(screen=nothing)
        stopper.listen()
        stopper.heed(tmp_path / "a.db")
        stopper.watch(nothing)
        post(tmp_path / "a.db", Request.STOP)
        assert stopper._heeding is not None
        await asyncio.wait_for(stopper._heeding, 10)
        return stopper

    with closing(SqlJournal(open_store(tmp_path / "a.db"))):
        assert not asyncio.run(body()).was_asked


@pytest.mark.skipif(not hasattr(signal, "SIGTSTP"), reason="this system suspends nothing by a key")
def test_ctrl_z_suspends_no_engine_and_says_why() -> None:
    """The exits of what was open were watched by nobody, and the cursor was gone."""

    async def body(said: list[str]) -> None:
        screen: Any = SimpleNamespace(say=said.append)
        StopSignals(screen).listen()
        assert signal.getsignal(signal.SIGTSTP) is not signal.SIG_DFL
        os.kill(os.getpid(), signal.SIGTSTP)
        await asyncio.sleep(0)

    said: list[str] = []
    asyncio.run(body(said))
    assert said == [f" {stopping.NOT_SUSPENDED}"]
