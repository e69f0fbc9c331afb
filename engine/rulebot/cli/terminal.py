"""A terminal that is read key by key, and given back as it was at any end: by a key, a fault or a signal."""

import os
import re
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType
from typing import Any

from rulebot.model.errors import MisuseError

_ENDS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""Signals that end whoever reads the terminal; a system has some of them."""
_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;?]*[@-~]|O[A-Z])|.", re.DOTALL)
_NAMED = {"A": "up", "B": "down", "H": "home", "F": "end"}
_WINDOWS = {"H": "up", "P": "down", "G": "home", "O": "end"}
_POLL = 0.05


def check_terminal(instead: str) -> None:
    """Raise MisuseError unless a person sits before this process. instead: what to type where nobody does."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM") == "dumb":
        raise MisuseError("this needs a terminal, with its keys and its screen", instead)


def keys_in(text: str) -> list[str]:
    """Return the keys of what a terminal sent: characters, or up, down, home, end, enter and escape."""
    return list(filter(None, (_key(found) for found in _SEQUENCE.findall(text))))


def _key(found: str) -> str:
    if found == "\x1b":
        return "escape"
    if found.startswith("\x1b"):
        return _NAMED.get(found[-1], "")
    if found in "\r\n":
        return "enter"
    return found if found.isprintable() else ""


class Keys:
    """The keys of this terminal. has_ended: whether a signal, or the end of the terminal, asks to leave."""

    def __init__(self) -> None:
        self.has_ended = False
        self._wake = -1

    def within(self, seconds: float) -> list[str]:
        """Return the keys that were pressed, as soon as there are any, or none after some time or a signal."""
        return self._polled(seconds) if sys.platform == "win32" else self._selected(seconds)

    def _selected(self, seconds: float) -> list[str]:
        waited = [sys.stdin.fileno(), *([self._wake] if self._wake >= 0 else [])]
        ready, _, _ = select.select(waited, [], [], 0 if self.has_ended else seconds)
        if self._wake in ready:
            os.read(self._wake, 4096)
        if sys.stdin.fileno() not in ready:
            return []
        with suppress(OSError):
            if data := os.read(sys.stdin.fileno(), 4096):
                return keys_in(data.decode("utf-8", "ignore"))
        self.has_ended = True  # the terminal is gone
        return []

    def _polled(self, seconds: float) -> list[str]:
        found: list[str] = []
        if sys.platform == "win32":
            import msvcrt

            until = time.monotonic() + seconds
            while not msvcrt.kbhit() and not self.has_ended and time.monotonic() < until:
                time.sleep(_POLL)
            while msvcrt.kbhit():
                key = msvcrt.getwch()
                found += [_WINDOWS.get(msvcrt.getwch(), "")] if key in "\x00\xe0" else keys_in(key)
        return list(filter(None, found))

    def end(self, _: int, __: FrameType | None) -> None:
        """Ask to leave; a second time at once, whatever goes on."""
        if self.has_ended:
            raise SystemExit(1)
        self.has_ended = True


@contextmanager
def pressed_keys() -> Iterator[Keys]:
    """Take the terminal's keys one by one and unechoed; give it back as it was."""
    keys = Keys()
    with ExitStack() as undo:
        _listen(keys, undo)
        if sys.platform != "win32":
            import termios

            number = sys.stdin.fileno()
            before = termios.tcgetattr(number)
            undo.callback(termios.tcsetattr, number, termios.TCSAFLUSH, before)
            termios.tcsetattr(number, termios.TCSAFLUSH, _raw(termios, before))
        yield keys


def _raw(termios: Any, before: list[Any]) -> list[Any]:
    """Return the settings without lines, echo and suspension: a suspended table would leave the screen in disorder."""
    now, letters = list(before), list(before[6])
    letters[termios.VMIN], letters[termios.VTIME], letters[termios.VSUSP] = 1, 0, b"\x00"
    now[3] &= ~(termios.ICANON | termios.ECHO)
    now[6] = letters
    return now


def _listen(keys: Keys, undo: ExitStack) -> None:
    """Have signals ask to leave, and wake whoever waits for a key."""
    for name in _ENDS:
        if (number := getattr(signal, name, None)) is not None:
            undo.callback(signal.signal, number, signal.signal(number, keys.end) or signal.SIG_DFL)
    if sys.platform == "win32":
        return
    undo.callback(signal.signal, signal.SIGWINCH, signal.signal(signal.SIGWINCH, _nothing) or signal.SIG_DFL)
    keys._wake, write = os.pipe()
    for end in (keys._wake, write):
        os.set_blocking(end, False)
        undo.callback(os.close, end)
    undo.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(write, warn_on_full_buffer=False))


_nothing: Callable[[int, FrameType | None], None] = lambda _, __: None  # noqa: E731
"""Wakes, and does no more: the screen has another size."""
