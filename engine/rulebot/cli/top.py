"""`rulebot top`: a store as a full screen of a terminal, with keys for what the page has buttons for."""

import time
from contextlib import suppress
from dataclasses import replace

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from rulebot.adapters.clock import WallClock
from rulebot.alerts.outbox import Outbox
from rulebot.alerts.teller import outbox_path
from rulebot.cli.stores import RUNNING, STORE
from rulebot.cli.terminal import Keys, check_terminal, pressed_keys
from rulebot.cli.top_keys import QUIT, ConfirmQuestion, Focus, after_key, present
from rulebot.cli.top_text import ScreenData, top_lines
from rulebot.model.errors import RulebotError, StoreError
from rulebot.model.event import Request
from rulebot.operator.requests import leave
from rulebot.store.latest import shown_store
from rulebot.store.place import Place, shown_path
from rulebot.store.queries import StoreReader
from rulebot.web.entries import entries_by_now
from rulebot.web.picture import PageSnapshot
from rulebot.web.picture_of_store import alarms_of, snapshot_of_store

EVERY = 1.0
"""Seconds between two looks into the store."""
SAID_FOR = 12.0
"""Seconds that an answer stands where the keys are."""
_ALERTS = 50
"""Alerts that are looked through for grave ones."""


@click.command("top", short_help="Show a store in the terminal, with keys to act.")
@click.option("--store", type=STORE, metavar="STORE", help=f"The store to show (default: {RUNNING}).")
def top(store: Place | None) -> None:
    """Show bots, open positions, orders and alarms of a store over the whole terminal, whichever engine writes it.

    It is read once a second. Keys do what the page's buttons do: each says what will happen and asks; what is answered
    with y is left for the engine, which alone acts. ? lists the keys, q leaves. docs/top.md says more.

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
    """Draw and act until somebody leaves."""
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
    """What is seen of a store, and what is left for its engine."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._of: object = None
        self._after: int | None = None
        self.seen = ScreenData(PageSnapshot(at=None, engine="stopped", trading="stopped"), store=shown_path(place))

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
    """Return how many grave alerts nobody has acknowledged, and the number of the newest of all, 0 without any."""
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
