"""A store that is locked, or whose disk is full, while positions are open: exits continue, and nothing opens."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest

from rulebot.decide.limits import UNRECORDED
from rulebot.live.start import Run
from rulebot.model.errors import UnwrittenError
from rulebot.record.record import Kind
from rulebot.store.emergency_journal import places
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store, read_store
from rulebot.store.schema import verify
from tests.wire.connection_trial import Breakage, Outcome, at, live_through
from twsim import RunningGateway

SPEC = """
rulebot: 1
name: NAME
about: Sells one put spread on SPX and closes it by the clock.
underlying: SPX
entry: {window: {from: "ENTRY", to: "11:00"}}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.30}}
  long_put: {buy: put, strike: {below: short_put, by: 20 pts}}
order: {start: natural, tries: 4}
exits:
  - time: "EXIT"
risk: {max_loss_per_trade: $2500}
"""


def spec_of(name: str, entry: str, leaves: str) -> str:
    """Return a bot that may enter from one time of the day on and closes at another."""
    return SPEC.replace("NAME", name).replace("ENTRY", entry).replace("EXIT", leaves)


def specs(folder: Path, late: str = "09:40") -> list[Path]:
    """Return a bot that is to close at 9:40, and one that would enter then, or later."""
    found = []
    for name, entry, leaves in (("holder", "09:35", "09:40"), ("latecomer", late, "09:46")):
        found.append(folder / f"{name}.yaml")
        found[-1].write_text(spec_of(name, entry, leaves))
    return found


def at_time(clock: str, act: Callable[[Run], None]) -> Callable[[Run], None]:
    """Have something done at a New York time of the run."""

    def attend(run: Run) -> None:
        seconds = (at(clock) - run.first).total_seconds()
        asyncio.get_running_loop().call_later(seconds, act, run)

    return attend


def once(act: Callable[[Run], None]) -> Callable[[Run], None]:
    """Have something done in the first run alone."""
    runs: list[Run] = []

    def attend(run: Run) -> None:
        runs.append(run)
        if len(runs) == 1:
            act(run)

    return attend


def times(found: Outcome, bot: str, purpose: str) -> list[datetime]:
    """Return when a bot's entry or exit filled."""
    fills = [record for record in found.of(Kind.FILL) if record.bot == bot]
    return [record.at for record in fills if record.data["purpose"] == purpose]


def check(found: Outcome, folder: Path, bots: tuple[str, ...] = ("holder", "latecomer")) -> None:
    """Check that these bots traded, all is recorded, once and in order, and that no emergency journal is left."""
    assert found.problems == []
    assert found.held == {}
    fills = [(record.bot, record.data["leg"], record.data["purpose"]) for record in found.of(Kind.FILL)]
    assert len(fills) == len(set(fills))
    assert {(bot, purpose) for bot, _, purpose in fills} == {(bot, each) for bot in bots for each in ("entry", "exit")}
    store = read_store(folder / "s.db")
    with store.engine.connect() as connection:
        assert verify(connection) is None
    store.close()
    assert not any(path.exists() for path in places(folder / "s.db"))


@pytest.mark.parametrize("seconds", [8, 30, 75])
def test_75_exits_continue_while_another_program_holds_the_store(seconds: int, tmp_path: Path) -> None:
    def lock(run: Run) -> None:
        other = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        asyncio.get_running_loop().call_later(seconds, other.close)

    found = live_through(tmp_path, specs(tmp_path), None, lives=(("9:34", "9:48"),), attend=at_time("9:39:58", lock))
    check(found, tmp_path)
    assert max(times(found, "holder", "exit")) < at("9:40:20")
    entered = [record.at for record in found.of(Kind.FILL) if record.bot == "latecomer"]
    assert min(entered) > at("9:40")
    assert (min(entered) - at("9:39:58")).total_seconds() >= seconds
    reported = [text for text in found.alarms() if UNRECORDED in text or "accepts records again" in text]
    assert len(reported) == 2


@pytest.mark.parametrize("accounts", ["locks", None], ids=["real account", "made up"])
def test_20_75_an_exit_goes_out_after_a_stall_while_the_store_is_locked(accounts: str | None, tmp_path: Path) -> None:
    """The connection stalls over the time of the exit, and another program holds the store for two minutes."""

    def stall(gateway: RunningGateway) -> None:
        def act() -> None:
            Breakage("handshake", "stall", seconds=50).act(gateway.gateway.hub.sessions[1])

        seconds = at("9:39:30").timestamp() - gateway.now
        asyncio.get_running_loop().call_later(seconds, act)

    def lock(run: Run) -> None:
        other = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        asyncio.get_running_loop().call_later(150, other.close)

    found = live_through(
        tmp_path,
        specs(tmp_path),
        None,
        lives=(("9:34", "9:48"),),
        accounts=None if accounts is None else tmp_path / accounts,
        attend=at_time("9:39:28", lock),
        beside=stall,
    )
    check(found, tmp_path)
    left = times(found, "holder", "exit")
    assert at("9:40:20") < min(left)
    assert max(left) < at("9:41:15"), "the store answers at 9:41:58 again"
    assert min(record.at for record in found.of(Kind.FILL) if record.bot == "latecomer") > at("9:41:58")


def deleted(store: Path) -> Callable[[], object]:
    """Move a store away, and return what puts it back."""
    store.rename(store.with_name("away.db"))
    return lambda: store.with_name("away.db").rename(store)


def overwritten(store: Path) -> Callable[[], object]:
    """Write something else into the place of a store, and return what puts it back."""
    was = store.read_bytes()
    store.write_bytes(b"x" * len(was))
    return lambda: store.write_bytes(was)


def replaced(store: Path) -> Callable[[], object]:
    """Put another store into the place of one, and return what puts it back."""
    away, other = store.with_name("away.db"), store.with_name("other.db")
    SqlJournal(open_store(other)).close()
    store.rename(away)
    other.rename(store)
    return lambda: away.replace(store)


def truncated(store: Path) -> Callable[[], object]:
    """Cut a store short, and return what puts it back."""
    was = store.read_bytes()
    os.truncate(store, 4096)
    return lambda: store.write_bytes(was)


def move_log(store: Path) -> None:
    """Have another process move the database's log into its file: what is written next needs new room."""
    move = f"import sqlite3; sqlite3.connect({str(store)!r}).execute('PRAGMA wal_checkpoint(TRUNCATE)')"
    subprocess.run([sys.executable, "-c", move], check=True)


def restored_from_a_copy(store: Path) -> Callable[[], object]:
    """Copy an older state over a store, as from a backup, and return what puts it back.

    While the database's log has all that was written since, nothing is lost: another process moves it into the file.
    """
    move_log(store)
    was = store.read_bytes()
    other = store.with_name("backup.db")
    SqlJournal(open_store(other)).close()
    store.write_bytes(other.read_bytes())
    return lambda: store.write_bytes(was)


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (deleted, "deleted"),
        (overwritten, "overwritten"),
        (replaced, "replaced"),
        (truncated, "overwritten"),
        (restored_from_a_copy, "overwritten"),
    ],
)
def test_81_exits_continue_while_the_store_is_not_the_one_that_was_opened(
    spoil: Callable[[Path], Callable[[], object]], word: str, tmp_path: Path
) -> None:
    """The engine ended, and nobody watched what was open; a store that was overwritten was not noticed."""

    def spoils(_: Run) -> None:
        asyncio.get_running_loop().call_later(40, spoil(tmp_path / "s.db"))

    found = live_through(tmp_path, specs(tmp_path), None, lives=(("9:34", "9:48"),), attend=at_time("9:39:55", spoils))
    check(found, tmp_path)
    assert max(times(found, "holder", "exit")) < at("9:40:20")
    entered = [record.at for record in found.of(Kind.FILL) if record.bot == "latecomer"]
    assert min(entered) > at("9:40:35")
    reported = [text for text in found.alarms() if UNRECORDED in text or "accepts records again" in text]
    assert len(reported) == 2
    assert f"was {word} by another program while in use" in reported[0]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a folder on a disk of 1.5 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1500k", "none", str(disk)]
    if os.name != "posix" or os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root can make a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Fill a disk, and return the file that does."""
    filler = disk / "filler"
    with suppress(OSError), filler.open("ab", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass
    return filler


@pytest.mark.parametrize("has_reserve", [True, False])
def test_76_exits_continue_while_the_disk_of_the_store_is_full(small_disk: Path, *, has_reserve: bool) -> None:
    def fills(run: Run) -> None:
        loop = asyncio.get_running_loop()
        for second in range(70):
            loop.call_later(second, fill, small_disk)
        loop.call_later(70, (small_disk / "filler").unlink)

    accounts = small_disk.parent / "accounts" if has_reserve else None
    found = live_through(
        small_disk,
        specs(small_disk.parent, late="09:40:10"),
        None,
        lives=(("9:34", "9:48"),),
        attend=at_time("9:39:58", fills),
        accounts=accounts,
    )
    check(found, small_disk)
    assert min(record.at for record in found.of(Kind.FILL) if record.bot == "latecomer") > at("9:41:05")
    assert max(times(found, "holder", "exit")) < at("9:40:20")
    assert [UNRECORDED in text for text in found.alarms()].count(True) == 1


def test_76_a_run_whose_disk_stays_full_leaves_its_records_to_the_next_start(small_disk: Path) -> None:
    def fills(run: Run) -> None:
        asyncio.get_running_loop().call_later(150, fill(small_disk).unlink)

    found = live_through(
        small_disk,
        specs(small_disk.parent),
        None,
        lives=(("9:34", "9:41"), ("9:43", "9:50")),
        attend=once(at_time("9:39:58", fills)),
    )
    [problem] = found.problems
    assert isinstance(problem, UnwrittenError)
    assert "wait in" in problem.message
    found.problems.clear()
    check(found, small_disk)
    assert max(times(found, "holder", "exit")) < at("9:40:20")
    assert min(times(found, "latecomer", "entry")) > at("9:43")


def lock(store: Path, seconds: float) -> Callable[[Run], None]:
    """Have another program lock a store for so long."""

    def act(run: Run) -> None:
        other = sqlite3.connect(store, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        asyncio.get_running_loop().call_later(seconds, other.close)

    return act


@pytest.mark.parametrize("accounts", ["locks", None], ids=["real account", "made up"])
def test_75_a_start_on_a_locked_store_watches_exits(
    accounts: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last run has left an emergency journal, and the store is locked until after the time of the exit."""
    monkeypatch.setattr("rulebot.store.sqlite.BUSY_MS", 10)
    found = live_through(
        tmp_path,
        specs(tmp_path),
        None,
        lives=(("9:34", "9:37"), ("9:38", "9:48")),
        accounts=None if accounts is None else tmp_path / accounts,
        attend=once(at_time("9:36", lock(tmp_path / "s.db", 330))),
    )
    [problem] = found.problems
    assert "wait in" in str(problem)
    found.problems.clear()
    check(found, tmp_path)
    assert max(times(found, "holder", "exit")) < at("9:40:20"), "the store answers at 9:41:30 again"
    assert min(times(found, "latecomer", "entry")) > at("9:41:30")
    assert [UNRECORDED in text for text in found.alarms()].count(True) == 2


def test_76_a_start_on_a_full_disk_watches_exits(small_disk: Path) -> None:
    def fills(run: Run) -> None:
        asyncio.get_running_loop().call_later(330, fill(small_disk).unlink)

    found = live_through(
        small_disk,
        specs(small_disk.parent),
        None,
        lives=(("9:34", "9:37"), ("9:38", "9:48")),
        attend=once(at_time("9:36", fills)),
    )
    [problem] = found.problems
    assert "wait in" in str(problem)
    found.problems.clear()
    check(found, small_disk)
    assert max(times(found, "holder", "exit")) < at("9:40:20"), "the disk has room at 9:41:30 again"
    assert min(times(found, "latecomer", "entry")) > at("9:41:30")
