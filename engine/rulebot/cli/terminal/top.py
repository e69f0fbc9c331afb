"""`rulebot top`: a store as a full screen of a terminal, with keys for what the page has buttons for."""

import os
import re
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from types import FrameType
from typing import Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from rulebot.adapters.clock import WallClock
from rulebot.alerts.notifier import outbox_path
from rulebot.alerts.outbox import Outbox
from rulebot.cli.store_options import RUNNING, STORE
from rulebot.cli.terminal.top_keys import QUIT, ConfirmQuestion, Focus, after_key, present
from rulebot.cli.terminal.top_text import ScreenData, top_lines
from rulebot.model.errors import MisuseError, RulebotError, StoreError
from rulebot.model.event import Request
from rulebot.narrate.snapshot import Snapshot
from rulebot.narrate.snapshot_of_store import alarms_of, snapshot_of_store
from rulebot.operator_requests.requests import entries_by_now, leave
from rulebot.store.place import Place, shown_path
from rulebot.store.queries import StoreReader
from rulebot.store.registry import shown_store

# --- A terminal that is read key by key, and given back as it was at any end

_ENDS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""Signals that end a reader of the terminal; a system has some of them."""
_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;?]*[@-~]|O[A-Z])|.", re.DOTALL)
_NAMED = {"A": "up", "B": "down", "H": "home", "F": "end"}
_WINDOWS = {"H": "up", "P": "down", "G": "home", "O": "end"}
_POLL = 0.05


def check_terminal(instead: str) -> None:
    """Raise MisuseError without an interactive terminal. instead: what to type then."""
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
        """Ask to leave; a second time at once."""
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


# --- `rulebot top`: a store as a full screen of a terminal, with keys for what the page has buttons for

EVERY = 1.0
"""Seconds between two looks into the store."""
SAID_FOR = 12.0
"""Seconds for which an answer is shown in place of the keys."""
_ALERTS = 50
"""Alerts that are looked through for grave ones."""


@click.command("top", short_help="Show a store in the terminal, with keys to act.")
@click.option("--store", type=STORE, metavar="STORE", help=f"The store to show (default: {RUNNING}).")
def top(store: Place | None) -> None:
    """Show bots, open positions, orders and alarms of a store over the whole terminal, whichever engine writes it.

    It is read once a second. Keys do what the page's buttons do: each says what will happen and asks; a request
    confirmed with y goes to the engine, which acts on it. ? lists the keys, q leaves. docs/top.md has more.

    Exit code: 0 when it is left, 2 without a terminal, 3 when the store cannot be read.
    """
    check_terminal("'rulebot status' and 'rulebot list' show the same once, also in a pipe")
    place = shown_store(store)
    desk = ScreenState(place)
    desk.look()
    console = Console(highlight=False)
    with pressed_keys() as keys, Live(console=console, screen=True, auto_refresh=False) as live:
        _stay(desk, keys, console, live)


def _stay(desk: "ScreenState", keys: Keys, console: Console, live: Live) -> None:
    focus = Focus()
    drawn: list[Text] = []
    drawn_at = console.size
    looked = said = time.monotonic()
    while not keys.has_ended:
        if time.monotonic() - looked >= EVERY:
            desk.look_again()
            looked = time.monotonic()
        if focus.said and time.monotonic() - said >= SAID_FOR:
            focus = replace(focus, said="")
        focus = present(focus, desk.seen.picture)
        size = console.size
        if (lines := top_lines(desk.seen, focus, *size)) != drawn or size != drawn_at:
            drawn, drawn_at = lines, size
            live.update(Group(*lines), refresh=True)
        for key in keys.within(max(EVERY - (time.monotonic() - looked), 0)):
            if key == QUIT and focus.question is None and not focus.is_helping:
                return
            was_asked = focus.question is not None
            focus, answered = after_key(focus, key, desk.seen.picture, desk.seen.waiting, desk.seen.newest)
            if answered is not None:
                focus = replace(focus, said=desk.do(answered))
            said = time.monotonic()
            if focus.question is not None and not was_asked:
                desk.asks(focus.question)
                break  # what was typed before a question could be read is no answer to it


class ScreenState:
    """The view of a store, and the requests for its engine."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._of: object = None
        self._after: int | None = None
        self.seen = ScreenData(Snapshot(at=None, engine="stopped", trading="stopped"), store=shown_path(place))

    def look(self) -> None:
        """Read the store, unless nothing was written since. Raises: StoreError."""
        with StoreReader(self._place) as reader:
            head = (reader.head()[0], reader.run().is_alive)
            if head != self._of:
                self.seen = replace(self.seen, picture=snapshot_of_store(reader), alarms=alarms_of(reader))
                self._of = head
        waiting, newest = _waiting(self._place)
        self.seen = replace(self.seen, waiting=waiting, newest=newest, fault="")

    def look_again(self) -> None:
        """Read the store; what keeps it from being read is shown over what was read last."""
        try:
            self.look()
        except StoreError as error:
            self.seen = replace(self.seen, fault=error.message)

    def asks(self, question: ConfirmQuestion) -> None:
        """Know how often a bot has entered as a person is asked whether it is to, who may be the second to say so."""
        self._after = None
        if question.request is Request.ENTER:
            with suppress(StoreError):
                self._after = entries_by_now(self._place, question.bot)

    def do(self, question: ConfirmQuestion) -> str:
        """Do what was answered with yes; return what came of it."""
        try:
            if question.request is None:
                return _acknowledged(self._place, question.until)
            if self._after is not None and entries_by_now(self._place, question.bot) != self._after:
                text = f"{question.bot} has entered, or was asked to, since this was asked"
                return f"{question.title} was refused: {text}; look at what it has, and ask again if it is still meant"
            left = leave(self._place, question.request, question.bot, question.position)
        except RulebotError as error:
            return f"{question.title} was refused: {error.message}"
        return left.message


def _waiting(place: Place) -> tuple[int, int]:
    """Return the number of unacknowledged grave alerts, and the number of the newest of all, 0 without any."""
    path = outbox_path(place)
    if not path.is_file():
        return 0, 0
    outbox = Outbox(path)
    try:
        kept = [each for each, _ in outbox.newest(_ALERTS)]
    finally:
        outbox.close()
    waiting = sum(each.alert.grade.value == "grave" and not each.is_acknowledged for each in kept)
    return waiting, max((each.id for each in kept), default=0)


def _acknowledged(place: Place, until: int) -> str:
    outbox = Outbox(outbox_path(place))
    try:
        count = outbox.acknowledge(None, WallClock().now(), until)
    finally:
        outbox.close()
    return f"{count} acknowledged"
