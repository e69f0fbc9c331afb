"""The table on a terminal that is drawn over and over: calm, and only when something has changed."""

import time
from collections import deque
from collections.abc import Iterable

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from rulebot.cli.glance_text import glance_lines, happening_line
from rulebot.cli.say import harmless
from rulebot.narrate.event_text import EventLine
from rulebot.narrate.run_snapshot import RunSnapshot

EVERY = 0.125
"""Real seconds between two drawings at the least."""
LATEST = 8
"""Lines of what happened last, under the table, where there is room."""
_SPARE = 2


class LiveTable:
    """Draws a Glance and the latest happenings in place; nothing is left of it when it is closed.

    `title` stands above it in red while it is not empty.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True, vertical_overflow="crop")
        self._drawn_at = 0.0
        self._drawn: list[Text] = []
        self._latest: deque[EventLine] = deque(maxlen=LATEST)
        self._note = ""
        self.title = ""
        self._shown: RunSnapshot | None = None
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

    def draw(self, shown: RunSnapshot) -> None:
        """Draw, unless the lines are those that stand there."""
        self._shown, self._drawn_at = shown, time.monotonic()
        lines = self._lines(shown)
        if lines == self._drawn:
            return
        self._drawn = lines
        self._live.update(Group(*lines), refresh=True)

    def _lines(self, shown: RunSnapshot) -> list[Text]:
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
        return [*lines, *([Text("")] if latest else []), *(happening_line(told, width - 1) for told in latest)]
