"""A person at `rulebot top`, on a terminal of its own: sees, asks, is answered, leaves, and has the terminal back."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from store_day import SELLER, WATCHER, at

from rulebot.cli.main import main
from rulebot.model.event import Request
from rulebot.narrate.notices import pause
from rulebot.operator_requests.requests import RequestInbox
from rulebot.record.record import Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store
from rulebot.store.requests import box_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a pty is POSIX's")
PATIENCE = 30.0
COMMAND = (sys.executable, "-m", "rulebot.cli.main", "top", "--store")
WITHOUT_WEB = """
import sys
for name in ("fastapi", "starlette", "pydantic", "uvicorn", "jinja2", "apprise"):
    sys.modules[name] = None
from rulebot.cli.main import main
main(["top", "--store", sys.argv[1]])
"""


@pytest.fixture
def store(day_store: Path) -> Path:
    """Return the store of the hand-made day."""
    return day_store


class WarmTop:
    """`rulebot top` in a process that has the program imported, with what `Popen` has of a process."""

    def __init__(self, tty: str, store: str, run: Callable[[str], None]) -> None:
        self._process = get_context("spawn").Process(target=on_terminal, args=(tty, store, run))
        self._process.start()

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, seconds: float | None = None) -> int | None:
        self._process.join(seconds)
        return self.poll()

    def send_signal(self, number: int) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        self._process.kill()


def on_terminal(tty: str, store: str, run: Callable[[str], None]) -> None:
    """Have a terminal of one's own for input and output, as a process that a shell begins on it."""
    os.setsid()
    own = os.open(tty, os.O_RDWR)
    for number in range(3):
        os.dup2(own, number)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    os.environ["TERM"] = "xterm"
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
    run(store)


def top(store: str) -> None:
    """Run the command."""
    main(["top", "--store", store])


def faulty_top(store: str) -> None:
    """Run the command with a fault of ours."""
    from rulebot.cli.terminal import top as command

    def fault(self: object) -> None:
        raise RuntimeError("a fault of ours")

    command.ScreenState.look_again = fault  # type: ignore[method-assign]
    command.top.main(["--store", store], standalone_mode=True)


class Terminal:
    """A process on a terminal of 80 columns and 24 lines: of a command, or a warm one that runs a function."""

    process: Any

    def __init__(self, *command: str, run: Callable[[str], None] | None = None) -> None:
        import fcntl
        import pty
        import struct
        import termios

        self._own, self._its = pty.openpty()
        fcntl.ioctl(self._its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self._before = self.settings()
        self.text = ""
        if run is not None:
            self.process = WarmTop(os.ttyname(self._its), *command, run)
            return
        self.process = subprocess.Popen(
            command,
            stdin=self._its,
            stdout=self._its,
            stderr=self._its,
            start_new_session=True,
            env={key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
            | {"TERM": "xterm"},
        )

    def settings(self) -> Any:
        import termios

        return termios.tcgetattr(self._its)

    def see(self, words: str) -> None:
        """Wait until words have been drawn since the last key."""
        end = time.monotonic() + PATIENCE
        while words not in self.text:
            assert time.monotonic() < end, f"never saw {words!r}, at last {self.text[-3000:]!r}"
            self._read(0.2)

    def press(self, keys: str) -> None:
        self.text = ""
        os.write(self._own, keys.encode())

    def left(self) -> int:
        """Wait for the end; the terminal is as it was: its settings, its first screen, its cursor."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < end, "it does not end"
            self._read(0.2)
        self._read(0.2)
        assert self.settings() == self._before
        assert self.text.rindex("\x1b[?1049l") > self.text.rfind("\x1b[?1049h")
        assert self.text.rindex("\x1b[?25h") > self.text.rfind("\x1b[?25l")
        code = self.process.poll()
        assert isinstance(code, int)
        return code

    def _read(self, seconds: float) -> None:
        while select.select([self._own], [], [], seconds)[0]:
            seconds = 0
            self.text += os.read(self._own, 65536).decode("utf-8", "replace")

    def close(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        os.close(self._own)
        os.close(self._its)


@contextmanager
def terminal(*command: str, run: Callable[[str], None] | None = None) -> Iterator[Terminal]:
    """Run a command on a terminal, or with a store's name one of the functions above."""
    found = Terminal(*command, run=run)
    try:
        yield found
    finally:
        found.close()


def test_a_bot_is_paused_and_is_seen_to_be(store: Path) -> None:
    journal = SqlJournal(open_store(store))  # an engine has the store
    try:
        with terminal(*COMMAND, str(store)) as seen:
            seen.see(WATCHER)
            seen.see("last alarms")
            assert "no quote of SPY 547P for 60 s" in seen.text
            seen.press("Cy")  # what is typed before a question can be read does not answer it
            seen.see("y/n")
            seen.press("n")
            seen.see("nothing was asked for")
            seen.press("p")
            seen.see("y/n")
            assert pause(WATCHER)[:40] in seen.text
            assert box_of(store).found() == []
            seen.press("y")
            seen.see("is asked to enter nothing more")
            inbox = RequestInbox(store, count().__next__)
            (found,) = inbox.read(at("15:01"))
            assert (found.request, found.bot) == (Request.PAUSE, WATCHER)
            data = {"id": found.id, "request": "pause"}
            journal.append([Record(at("15:01"), Kind.OPERATOR, WATCHER, "", data)], durable=True)
            seen.see("paused")
            seen.press("G")  # an open position
            seen.press("c")
            seen.see("y/n")
            seen.press("y")
            seen.see("is closed as soon as it can be")
            (found,) = inbox.read(at("15:02"))
            assert (found.request, found.bot, found.position) == (Request.CLOSE, SELLER, "P2")
            inbox.close()
            seen.press("q")
            assert seen.left() == 0
    finally:
        journal.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_gives_the_terminal_back(store: Path, number: int) -> None:
    with terminal(str(store), run=top) as seen:
        seen.see(WATCHER)
        seen.process.send_signal(number)
        assert seen.left() == 0


def test_a_terminal_of_the_c_locale_has_the_table(store: Path) -> None:
    ascii_alone = ("env", "LC_ALL=C", "PYTHONUTF8=0", "PYTHONCOERCECLOCALE=0")
    with terminal(*ascii_alone, *COMMAND, str(store)) as seen:
        seen.see(WATCHER)
        seen.press("q")
        assert seen.left() == 0


def test_a_fault_of_ours_gives_the_terminal_back(store: Path) -> None:
    with terminal(str(store), run=faulty_top) as seen:
        assert seen.left() == 1
        assert "a fault of ours" in seen.text.rpartition("\x1b[?1049l")[2]


def test_a_store_that_goes_away_is_reported_and_waited_for(store: Path) -> None:
    with terminal(str(store), run=top) as seen:
        seen.see(WATCHER)
        away = store.rename(store.with_name("away.db"))
        seen.see("this is old")
        seen.text = ""
        away.rename(store)
        seen.see("no engine runs on this store")
        seen.press("p")
        seen.see("no engine runs on this store")
        seen.press("q")
        assert seen.left() == 0


def test_it_needs_none_of_the_packages_of_the_page(store: Path) -> None:
    with terminal(sys.executable, "-c", WITHOUT_WEB, str(store)) as seen:
        seen.see(WATCHER)
        seen.press("q")
        assert seen.left() == 0


def test_without_a_terminal_it_says_what_to_type_instead(store: Path) -> None:
    found = CliRunner().invoke(main, ["top", "--store", str(store)])
    assert found.exit_code == 2
    assert "needs a terminal" in found.output
    assert "rulebot status" in found.output


def test_a_store_that_is_not_there_leaves_the_screen_alone(tmp_path: Path) -> None:
    with terminal(str(tmp_path / "none.db"), run=top) as seen:
        seen.see("error")
        assert seen.process.wait(PATIENCE) == 3
        assert "\x1b[?1049h" not in seen.text
