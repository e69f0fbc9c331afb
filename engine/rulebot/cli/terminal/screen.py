"""What a person sees while bots run: a live table on a terminal, plain lines in a pipe, and the report at the end."""

import logging
import os
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from textwrap import wrap
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from rulebot.cli.output import LEAST, echo, harmless, terminal_width
from rulebot.cli.report import NextCommands, glance_lines, happening_line, report_lines
from rulebot.model.economic_calendar import expiry_warnings
from rulebot.model.errors import StoreError
from rulebot.model.money import dollars
from rulebot.model.session import EXCHANGE_ZONE, exchange_date, session_after, session_from
from rulebot.model.text import counted
from rulebot.narrate.day_report import RunLog
from rulebot.narrate.happenings import EventLine, Tone, event_line
from rulebot.narrate.snapshot import Snapshot
from rulebot.narrate.snapshot_of_state import summary_of
from rulebot.process.processes import release
from rulebot.process.settings import ENGINE, LogConsole, LogFile, keep_secret, redacted, takes_terminal, write_logs
from rulebot.record.record import Kind, Record
from rulebot.recovery.resume import kept_out, named_in, reason_of
from rulebot.shadow.broker import observed, title
from rulebot.spec.diagnostic import headline
from rulebot.store.patient_journal import PatientJournal
from rulebot.store.place import Server, database_password, shown_path
from rulebot.store.queries import OBSERVE
from rulebot.store.registry import naming, naming_as_of_now

if TYPE_CHECKING:
    from rulebot.cli.web import EmbeddedPage
    from rulebot.documents.load_bots import LoadedBots
    from rulebot.live.start import Run, RunOptions

# --- The table on a terminal that is drawn over and over

EVERY = 0.125
"""Real seconds between two drawings at the least."""
LATEST = 8
"""Lines of what happened last, under the table, where there is room."""
_SPARE = 2


class LiveTable:
    """Draws a Glance and the latest events in place; nothing of it remains when it is closed.

    `title` is above it in red while it is not empty.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True, vertical_overflow="crop")
        self._drawn_at = 0.0
        self._drawn: list[Text] = []
        self._latest: deque[EventLine] = deque(maxlen=LATEST)
        self._note = ""
        self.title = ""
        self._shown: Snapshot | None = None
        self.is_open = False

    def open(self) -> None:
        """Take the lines below the cursor."""
        self._live.start()
        self.is_open = True

    def close(self) -> None:
        """Give them back, empty."""
        if self.is_open:
            self.is_open = False
            self._live.stop()

    def print(self, line: str) -> None:
        """Write a line above the table."""
        self._console.print(harmless(line), markup=False, overflow="ignore", no_wrap=True, crop=False)

    def add(self, happenings: Iterable[EventLine]) -> None:
        """Remember what happened, for the lines under the table."""
        self._latest.extend(happenings)

    def note(self, text: str) -> None:
        """Keep one sentence on the screen, and show it now."""
        self._note = text
        if self._shown is not None:
            self.draw(self._shown)

    def is_due(self) -> bool:
        """Say whether enough real time has passed since the last drawing."""
        return time.monotonic() - self._drawn_at >= EVERY

    def draw(self, shown: Snapshot) -> None:
        """Draw, unless the lines are unchanged."""
        self._shown, self._drawn_at = shown, time.monotonic()
        lines = self._lines(shown)
        if lines == self._drawn:
            return
        self._drawn = lines
        self._live.update(Group(*lines), refresh=True)

    def _lines(self, shown: Snapshot) -> list[Text]:
        width, height = self._console.size
        title = [Text(f" {self.title}", style="bold white on red")] if self.title else []
        for line in title:
            line.truncate(width - 1, overflow="ellipsis")
        lines = [Text(""), *title, *glance_lines(shown, width - 1)]
        if self._note and not shown.notice:
            lines.append(Text(f" {self._note}", style="bold yellow"))
        room = height - len(lines) - _SPARE
        if room < 0:
            kept = max(height - _SPARE - 1, 1)
            return [*lines[:kept], Text(f" {len(lines) - kept} more lines: 'rulebot top' has all", style="dim")]
        latest = list(self._latest)[-min(room, LATEST) :] if room > 0 else []
        return [*lines, *([Text("")] if latest else []), *(happening_line(reported, width - 1) for reported in latest)]


# --- What a person sees while bots run

EVENTS = logging.getLogger("rulebot.events")
"""What happens, line by line, for the program's own log: an alarm is a warning there."""
STOPPING = "stopping: entries are cancelled, exits stay at the broker (Ctrl+C again ends at once)"
ENDED = "the end of the last session"
"""The loop's reason for an end that needs no words."""
OWN_CLOCK = (
    "a simulated gateway has its own clock, and this run uses this computer's: add --sim to use the gateway's, or "
    "give the port of TWS or IB Gateway"
)
_WARNINGS_SHOWN = 5
_SHOWN_WIDTH = 120
_SIDES = "==  =="


class Screen:
    """One run on a screen. It shows what it gets and changes nothing."""

    def __init__(
        self, desk: "LoadedBots", options: "RunOptions", *, plain: bool, page: "EmbeddedPage | None" = None
    ) -> None:
        self._page = page
        self._desk, self._options = desk, options
        self._console = _console()
        is_drawn = self._console.is_terminal and not self._console.is_dumb_terminal and not plain
        self._table = LiveTable(self._console) if is_drawn and not takes_terminal(options.log) else None
        self._diary: RunLog | None = None
        self._began = time.monotonic()
        self._is_mute = False
        self._is_worth_reported = False

    # ------------------------------------------------------------ the start

    def opened(self) -> None:
        """Show the store before there is a connection; if that fails nothing starts. Raises: RulebotError."""
        if self._page is not None:
            self._page.opened(self._options.store)

    def started(self, run: "Run") -> None:
        """Say where we are connected, what runs and how to stop; then draw."""
        self._diary = RunLog(run.first, observed if is_observing(run) else event_line)
        run.loop.recorded.append(self._recorded)
        run.says = self.say
        for line in start_lines(self._desk, run):
            self.say(line)
        if self._page is not None:
            self._page.started(run)
        if self._table is not None:
            self._table.title = live_title(run)
            with self._unheard():
                self._table.open()

    def _recorded(self, records: Sequence[Record]) -> None:
        assert self._diary is not None
        self._diary.write(records)
        if self._is_worth_reported:
            return
        for record in records:
            if record.kind is Kind.ACCOUNT and record.data["net_liquidation"] is not None:
                self._is_worth_reported = True
                self.say(f" net liquidation {_dollars(record.data['net_liquidation'])}")
                return

    # ------------------------------------------------------------ the run

    def show(self, run: "Run", at: datetime) -> None:
        """Show the end of a batch."""
        assert self._diary is not None
        found = self._diary.note(run.loop.state, at)
        for reported in found:
            note(reported)
        if self._page is not None:
            self._page.show(run, at, found)
        if self._table is None:
            for reported in found:
                self.say(happening_line(reported).plain)
            return
        self._table.add(found)
        if self._table.is_due():
            with self._unheard():
                self._table.draw(summary_of(run.loop.program, run.loop.state, at, run.first, run.last))

    def show_beside(self, found: Sequence[EventLine]) -> None:
        """Show what the shadows did."""
        if self._table is not None:
            self._table.add(found)
            return
        for reported in found:
            self.say(happening_line(reported).plain)

    def stopping(self) -> None:
        """Say that Ctrl+C was seen."""
        if self._page is not None:
            self._page.stopping()
        if self._table is None:
            self.say(f" {STOPPING}")
        else:
            with self._unheard():
                self._table.note(STOPPING)

    def say(self, line: str) -> None:
        """Write one line above the drawing. A reader that has gone away is no reason to stop trading."""
        if self._is_mute:
            return
        with self._unheard():
            if self._table is not None and self._table.is_open:
                self._table.print(line)
            else:
                echo(line)

    @contextmanager
    def _unheard(self) -> Iterator[None]:
        """Continue silently when nothing can be written: a reader or terminal that is gone, a full disk."""
        try:
            yield
        except OSError:
            self._is_mute = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def warn(self, text: str) -> None:
        """Write a line about the connection or the computer."""
        self.say(f" warning: {text}")

    def close(self) -> None:
        """End the drawing."""
        if self._page is not None:
            self._page.ended()
        if self._table is not None:
            with self._unheard():
                self._table.close()

    # ------------------------------------------------------------ the end

    def report(self, run: "Run", beside: Callable[[int], Sequence[str]] | None = None) -> None:
        """Print what each bot did, what stays open, and what to type next; then further notes, for a width."""
        assert self._diary is not None
        at = run.loop.at or run.first
        for reported in self._diary.note(run.loop.state, at):
            if self._table is None:
                self.say(happening_line(reported).plain)
        simulated = at - run.first if run.world.ib.link.is_lockstep else None
        width = max(_SHOWN_WIDTH if not self._console.is_terminal else self._console.width, 60)
        self.say("")
        if run.loop.reason != ENDED:
            clock = at.astimezone(EXCHANGE_ZONE).strftime("%Y-%m-%d %H:%M:%S")
            self.say(f" ended at {clock}: {run.loop.reason or 'an error'}")
        if is_observing(run):
            self.say(f" {live_title(run)}")
        store, spent = self._options.store, time.monotonic() - self._began
        named = NextCommands(naming(store), naming_as_of_now(store))
        for line in report_lines(self._diary.days(), simulated, spent, width, shown_path(store), named):
            self.say(line)
        for line in beside(width) if beside is not None else ():
            self.say(line)
        if isinstance(run.loop.journal, PatientJournal) and (problem := run.loop.journal.log_problem):
            self.warn(f"{problem.message}; the store has everything")


def start_lines(desk: "LoadedBots", run: "Run") -> list[str]:
    """Return what is said once we are connected: by whom, to what, where it is kept, how to stop, and what is odd."""
    settings = run.options.settings
    seed = settings.get("seed")
    link = run.world.ib.link
    where = f"gateway {settings['gateway']}" if settings.get("gateway") else f"gateway (seed {seed})"
    lines = [
        *framed(live_title(run), terminal_width()),
        f"rulebot {release()}   {'simulated ' if link.is_simulated else ''}{where}   account {link.account}",
        _what_runs(desk, run),
        *_limited(desk),
        f" store {shown_path(run.options.store)}",
        *closed_lines(run.first),
        *resumed_lines(run),
        " Ctrl+C stops; the next start continues from the store"
        if is_observing(run)
        else " Ctrl+C stops: entries are cancelled, exits stay at the broker",
    ]
    return [*lines, *(f" warning: {text}" for text in warnings(desk, run))]


def closed_lines(at: datetime) -> list[str]:
    """Return when the next session opens, at a start on a day that has none any more; nothing before one."""
    session = session_from(exchange_date(at))
    coming = session if at < session.close else session_after(session.date)
    if coming.date == exchange_date(at):
        return []
    opens = coming.open.astimezone(EXCHANGE_ZONE)
    return [f" the exchange is closed: the next session opens on {opens:%A, %Y-%m-%d} at {opens:%H:%M}"]


def _what_runs(desk: "LoadedBots", run: "Run") -> str:
    if desk.bots:
        return f" {counted(len(desk.bots), 'bot')}: {', '.join(sorted(desk.bots))}"
    watches = run.options.settings.get("exits_only")
    return " nothing is entered, the exits of what is open are watched" if watches else " what is open is closed"


def _limited(desk: "LoadedBots") -> list[str]:
    """Return where the limits over all bots come from: one that is not found is not to be found out by a loss."""
    if not desk.bots:
        return []
    if desk.account_file:
        return [f" limits over all bots: {desk.account_file}"]
    from rulebot.model.money import BUILT_IN_WORDS

    return [f" no account document: {BUILT_IN_WORDS}"]


def is_observing(run: "Run") -> bool:
    """Say whether a run sends nothing."""
    return run.options.settings.get("mode") == OBSERVE


def live_title(run: "Run") -> str:
    """Return the prominent mark of a run with real money or without any, "" on paper."""
    link = run.world.ib.link
    if is_observing(run):
        return title(run.options.settings)
    if run.options.settings.get("mode") != "live":
        return ""
    if link.is_simulated:
        return f"LIVE, SIMULATED: account {link.account} is played by a simulated gateway, no real money"
    return f"LIVE: REAL MONEY in account {link.account}"


def framed(title: str, width: int | None) -> list[str]:
    """Return a title in a frame that fits the terminal, which None where there is none; nothing of no title."""
    lines = [title] if width is None else wrap(title, max(width, LEAST) - len(_SIDES))
    inside = max(map(len, lines), default=0)
    bar = "=" * (inside + len(_SIDES))
    return [bar, *(f"== {line:<{inside}} ==" for line in lines), bar] if title else []


def resumed_lines(run: "Run") -> list[str]:
    """Return what a start continues with: positions with holdings, orders, and people's requests.

    Nothing at the first start.
    """
    if run.resumed.is_fresh:
        return []
    state = run.resumed.state
    held = sum(not position.is_flat for position in state.positions.by_id.values())
    orders = sum(order.status.is_live for order in state.orders.by_ref.values())
    lines = [f" from the last run: {counted(held, 'open position')}, {counted(orders, 'order')} working"]
    bots = Counter(position.bot for position in state.positions.by_id.values() if not position.is_flat)
    strange = [
        f"{counted(count, 'position')} of {bot}" for bot, count in bots.items() if bot not in run.loop.program.bots
    ]
    if strange:
        lines.append(
            f" of bots that are not running: {', '.join(strange)}; exits continue, and no bot counts them as its own"
        )
    lines += kept_out(reason_of(state.requests.operator), named_in(state.requests.operator))
    held_on = [each for each in state.positions.by_id.values() if each.freeze_reason and not each.is_flat]
    return lines + [f" on hold: {each.bot} {each.id}: {each.freeze_reason}" for each in held_on]


def warnings(desk: "LoadedBots", run: "Run") -> list[str]:
    """Return what is odd about the gateway, what validation and calendars warn of, a line each, the rest counted."""
    link = run.world.ib.link
    asked = {name for bot in desk.bots.values() for name in bot.plan.needs.events}
    events = run.loop.state.market.facts.events
    found = [OWN_CLOCK] if link.is_simulated and not link.is_lockstep else []
    found += (headline(each) for each in dict.fromkeys(desk.warnings))
    found += expiry_warnings(events, exchange_date(run.first), asked) if asked else ()
    more = len(found) - _WARNINGS_SHOWN
    return [*found[:_WARNINGS_SHOWN], *([f"and {more} more: 'rulebot validate' says all"] if more > 0 else [])]


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True)


def _dollars(amount: object) -> str:
    return dollars(Decimal(str(amount)))


def note(reported: EventLine) -> None:
    """Write a line into the program's own log, with its day."""
    level = logging.WARNING if reported.tone is Tone.ALARM else logging.INFO
    EVENTS.log(level, "%s%s", exchange_date(reported.at), happening_line(reported).plain)


class ScreenHandler(logging.Handler):
    """Sends warnings of the log to the screen, where they do not break what is drawn."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.WARNING)
        self.addFilter(lambda record: record.name != EVENTS.name)  # those are shown already
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        """Show one message."""
        self._screen.warn(redacted(record.getMessage()))


def begin_log(screen: Screen, options: "RunOptions") -> None:
    """Send warnings to the screen, and the program's log to a file, and to the console if that is set.

    A run continues without the file.
    """
    if isinstance(options.store, Server):
        keep_secret(options.store.password or database_password())
    handlers: list[logging.Handler] = [ScreenHandler(screen)]
    if options.logs is not None and options.log.in_file:
        try:
            handlers.append(LogFile(options.logs, ENGINE, options.log))
        except StoreError as error:
            screen.warn(error.message)
    if options.log.on_console:
        handlers.append(LogConsole(options.log))
    write_logs(*handlers)
