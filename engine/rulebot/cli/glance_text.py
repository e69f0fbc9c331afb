"""A Glance as lines of a terminal: what a bot holds and waits for stands beside it where there is room, else below."""

from collections.abc import Iterator, Sequence
from textwrap import wrap

from rich.text import Text

from rulebot.cli.say import harmless
from rulebot.model.money import ZERO, signed_dollars
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.narrate.event_text import EventLine, Tone
from rulebot.narrate.run_snapshot import BotActivity, BotRow, RunSnapshot

WIDE = 130
"""Columns from which what a bot waits for stands beside it, not below."""
_ROOMY = 105
"""Columns from which there is room for a bar of progress."""
_MOST_LINES = 3
"""Lines that one bot may take for what it waits for."""
_HEADINGS = ("bot", "state", "since", "position", "P/L")
_BOT, _POSITION, _PROFIT = 0, 3, 4
_LEAST_OF_NAME = 12
"""Columns that a bot keeps for its name where there are too few for all."""
_LEAST = (0, 8, 5, 27, 9)
"""Least widths of the columns, so that the table seldom moves while a day goes on."""
_STYLES = {
    BotActivity.WATCHING: "cyan",
    BotActivity.ENTERING: "yellow",
    BotActivity.OPEN: "bold",
    BotActivity.EXITING: "magenta",
    BotActivity.HALTED: "red",
    BotActivity.PAUSED: "yellow",
}
_TONES = {Tone.PLAIN: "", Tone.GOOD: "green", Tone.BAD: "red", Tone.ALARM: "bold red"}


def glance_lines(shown: RunSnapshot, width: int) -> list[Text]:
    """Return the whole picture, every line cut to `width` columns."""
    lines = [_clock_line(shown, width), *_table(shown, width)]
    if shown.notice:
        lines += [Text(f" {shown.notice}", style="bold yellow")]
    return [cut(line, width) for line in lines]


def happening_line(told: EventLine, width: int | None = None) -> Text:
    """Return `10:30:25  put_lite  filled: sold 5905/5910p at 0.20`, cut to `width` unless it is None."""
    clock = told.at.astimezone(EXCHANGE_ZONE).strftime("%H:%M:%S")
    line = Text(f" {clock}  ", style="dim")
    line.append(f"{told.bot}  " if told.bot else "", style="not dim")
    line.append(told.text, style=f"not dim {_TONES[told.tone]}".strip())
    return line if width is None else cut(line, width)


def cut(line: Text, width: int) -> Text:
    """Return a line that ends at `width`, with an ellipsis where something was left out, and steers no terminal."""
    line.plain = harmless(line.plain)
    line.truncate(width, overflow="ellipsis")
    line.no_wrap = True
    return line


# ---------------------------------------------------------------- the clock


def _clock_line(shown: RunSnapshot, width: int) -> Text:
    local = shown.at.astimezone(EXCHANGE_ZONE)
    bar = 33 if width >= WIDE else 20 if width >= _ROOMY else 0
    done = round(shown.progress * bar)
    left = Text(f" {local:%Y-%m-%d  %H:%M:%S}  ")
    left.append("█" * done, style="cyan")
    left.append("░" * (bar - done), style="dim")
    left.append(f" {shown.progress * 100:3.0f} %  " if bar else f"{shown.progress * 100:.0f} %  ")
    left.append("  ".join(f"{name} {'-' if level is None else f'{level:.2f}'}" for name, level in shown.levels))
    right = Text("P/L today  " if bar else "P/L ")
    right.append(f"{signed_dollars(shown.today)} ", style=_colour(shown.today))
    if len(left) + 2 + len(right) <= width:
        return left + Text(" " * (width - len(left) - len(right))) + right
    return cut(left, max(width - len(right) - 1, 0)) + Text(" ") + right


def _colour(amount: object) -> str:
    return "green" if amount > ZERO else "red" if amount < ZERO else ""  # type: ignore[operator]


# ---------------------------------------------------------------- the table


def _table(shown: RunSnapshot, width: int) -> Iterator[Text]:
    names: set[str] = set()
    cells = []
    for row in shown.rows:
        cells.append(_cells(row, shown, is_first=row.bot not in names))
        names.add(row.bot)
    widths = [max(least, *(len(row[at]) for row in (_HEADINGS, *cells))) for at, least in enumerate(_LEAST)]
    is_below = len(_joined(_HEADINGS, widths)) > width
    is_wide = width >= WIDE and not is_below
    if is_below:
        widths[_POSITION] = 0
        over = len(_joined(_HEADINGS, widths)) - width
        widths[_BOT] = min(widths[_BOT], max(widths[_BOT] - over, _LEAST_OF_NAME))
    yield Text(_joined(_HEADINGS, widths) + ("  waits for" if is_wide else ""), style="dim")
    for row, each in zip(shown.rows, cells, strict=True):
        line = _coloured(row, each, widths)
        if is_wide:
            yield from _beside(line, row.waits, width)
        else:
            yield line
            if is_below and row.position:
                yield Text(f"   {row.position}")
            yield from (Text(f"   {part}", style="dim") for part in wrapped(row.waits, width - 3))


def _beside(line: Text, waits: str, width: int) -> Iterator[Text]:
    """Yield the line with what is waited for in the last column, going on below where it is long."""
    column = len(line) + 2
    first, *rest = wrapped(waits, width - column) or [""]
    yield line + Text(f"  {first}")
    yield from (Text(" " * column + part) for part in rest)


def fitted(text: str, width: int) -> str:
    """Return the text in just so many columns, with an ellipsis where it is cut."""
    return text.ljust(width) if len(text) <= width else f"{text[: width - 1]}…"


def wrapped(text: str, width: int) -> list[str]:
    """Return the text in few lines, broken after ";" where it can be."""
    width = max(width, 20)
    lines: list[str] = []
    for part in text.replace("; ", ";\n").split("\n"):
        if lines and len(lines[-1]) + 1 + len(part) <= width:
            lines[-1] += f" {part}"
        else:
            lines += wrap(part, width, break_on_hyphens=False)
    if len(lines) <= _MOST_LINES:
        return lines
    return [*lines[: _MOST_LINES - 1], lines[_MOST_LINES - 1][: width - 1] + "…"]


def _cells(row: BotRow, shown: RunSnapshot, *, is_first: bool) -> tuple[str, ...]:
    since = ""
    if row.since is not None:
        local = row.since.astimezone(EXCHANGE_ZONE)
        is_today = local.date() == shown.at.astimezone(EXCHANGE_ZONE).date()
        since = f"{local:%H:%M}" if is_today else f"{local:%m-%d}"
    profit = "" if row.profit is None else signed_dollars(row.profit)
    return (row.bot if is_first else "", row.doing.value, since, row.position, profit)


def _joined(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Return the cells of a row side by side, but for those of a column without a width."""
    placed = [
        cell.rjust(size) if at == _PROFIT else fitted(cell, size)
        for at, (cell, size) in enumerate(zip(cells, widths, strict=True))
        if size
    ]
    return " " + "  ".join(placed)


def _coloured(row: BotRow, cells: Sequence[str], widths: Sequence[int]) -> Text:
    line = Text(_joined(cells, widths))
    state_at = 1 + widths[0] + 2
    line.stylize(_STYLES.get(row.doing, ""), state_at, state_at + len(cells[1]))
    if row.profit is not None:
        line.stylize(_colour(row.profit), len(line) - widths[_PROFIT])
    return line
