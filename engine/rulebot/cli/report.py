"""The end of a run in words: what each bot did and why, what is still open, and what to type next."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from textwrap import wrap
from typing import NamedTuple

from rich.text import Text

from rulebot.cli.output import harmless
from rulebot.model.money import ZERO, signed_dollars
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.model.text import aligned, counted
from rulebot.narrate.day_report import BotOutcome, DayOutcome, ReportedTrade
from rulebot.narrate.happenings import EventLine, Tone
from rulebot.narrate.snapshot import BotActivity, BotSnapshot, Snapshot
from rulebot.narrate.trades import kept_lines, provisional_text

NARROW = 100
"""Columns below which a bot's lines go under its name."""
_CARRIED = " what was held overnight counts with each day's own part; 'rulebot summary' adds up whole trades"
"""Why the parts of several days have no sum: what is realised on a later day was open before."""
DETAILED_DAYS = 5
"""Runs of more days show totals only, and the last day in full."""


class NextCommands(NamedTuple):
    """What a next command says to mean this store: one that reads the last run's, and one that shows what is now."""

    of_last: str = ""
    as_of_now: str = ""


NONE_NAMED = NextCommands()


def report_lines(
    days: Sequence[DayOutcome],
    simulated: timedelta | None,
    real_seconds: float,
    width: int,
    store: str,
    named: NextCommands = NONE_NAMED,
) -> list[str]:
    """Return the report.

    simulated: how much time passed in the market, None when it was real time. named: the option of the next
    commands that names the store.
    """
    if not days:
        return [" nothing was judged: the run ended before its first instant"]
    return [*days_lines(days, width, _spent(simulated, real_seconds)), *_next(days[-1], store, named)]


def days_lines(days: Sequence[DayOutcome], width: int, spent: str = "") -> list[str]:
    """Return what each bot did and why, day by day, and the totals of several days."""
    lines: list[str] = []
    shown = days if len(days) <= DETAILED_DAYS else days[-1:]
    for day in shown:
        head = [f" {day.date:%Y-%m-%d %a}"] if len(days) > 1 else []
        exits = [f" {line}" for line in kept_lines(day.kept, is_named=len(day.bots) > 1)]
        lines += [*head, *_day_lines(day, spent if len(days) == 1 else "", width), *exits, ""]
    if len(days) > 1:
        lines += [*_totals(days), *(["", f" {spent}"] if spent else []), ""]
    return lines


def _spent(simulated: timedelta | None, real: float) -> str:
    if simulated is None:
        return ""
    return f"{simulated.total_seconds():,.0f} simulated seconds in {real:.1f} s"


# ---------------------------------------------------------------- one day


def _day_lines(day: DayOutcome, spent: str, width: int) -> list[str]:
    rows = [row for bot in day.bots for row in _bot_rows(bot)]
    counts = (
        f"{counted(day.entries, 'entry', 'entries')}, {counted(day.exits, 'exit')}, {counted(day.rejects, 'reject')}"
    )
    outstanding = provisional_text(day.outstanding)
    parts = (
        f"realised {signed_dollars(day.realized)}, open {signed_dollars(day.open_profit)}{outstanding}; {counts}",
        spent,
    )
    rows.append(("day", signed_dollars(day.profit), tuple(part for part in parts if part)))
    names, profits = max(len(row[0]) for row in rows), max(len(row[1]) for row in rows)
    lines = []
    for name, profit, reported in rows:
        head = f" {name.ljust(names)}  {profit.rjust(profits)}   "
        if width >= NARROW:
            lines += _flowed(head, reported, width)
            continue
        lines += [head.rstrip()] if head.strip() else []
        lines += _flowed("    ", reported, width)
    return lines


def _bot_rows(bot: BotOutcome) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    owned = [line for line in bot.lines if line.profit is not None]
    if len(owned) > 1:
        yield bot.bot, signed_dollars(bot.profit), (f"{len(owned)} positions:",)
    for number, line in enumerate(bot.lines):
        name = bot.bot if not number and len(owned) <= 1 else ""
        yield name, _profit(bot, line, is_only=len(owned) <= 1), line.parts


def _profit(bot: BotOutcome, line: ReportedTrade, *, is_only: bool) -> str:
    if not bot.traded:
        return "no trade"
    if line.profit is None:
        return "" if line is not bot.lines[0] else signed_dollars(bot.profit)
    return signed_dollars(bot.profit if is_only else line.profit)


def _flowed(head: str, parts: Sequence[str], width: int) -> list[str]:
    lines = [head]
    for part in parts:
        joint = "" if lines[-1] == head else "; "
        if len(lines[-1]) + len(joint) + len(part) <= width:
            lines[-1] += joint + part
            continue
        lines += [" " * len(head)] if joint else []
        first, *rest = wrap(part, width - len(head), break_on_hyphens=False) or [""]
        lines[-1] += first
        lines += [" " * len(head) + each for each in rest]
    return [line.rstrip() for line in lines]


# ---------------------------------------------------------------- several days


def _totals(days: Sequence[DayOutcome]) -> list[str]:
    head = ("day", "P/L", "realised", "open", "entries", "exits", "rejects")
    rows = [
        (
            f"{day.date}",
            signed_dollars(day.profit),
            signed_dollars(day.realized),
            signed_dollars(day.open_profit),
            str(day.entries),
            str(day.exits),
            str(day.rejects),
        )
        for day in days
    ]
    is_carried = any(day.open_profit for day in days[:-1])
    parts = ("realized", "open_profit")
    sums = {name: sum((getattr(day, name) for day in days), ZERO) for name in ("profit", *parts)}
    together = (
        "all",
        signed_dollars(sums["profit"]),
        *("" if is_carried else signed_dollars(sums[name]) for name in parts),
        *(str(sum(getattr(day, name) for day in days)) for name in ("entries", "exits", "rejects")),
    )
    table = aligned([head, *rows, together], right=frozenset(range(1, 7)))
    return [*table, *([_CARRIED] if is_carried else []), "", *_by_bot(days)]


def _by_bot(days: Sequence[DayOutcome]) -> list[str]:
    names = list(dict.fromkeys(bot.bot for day in days for bot in day.bots))
    rows = []
    for name in names:
        own = [bot for day in days for bot in day.bots if bot.bot == name]
        total = sum((bot.profit for bot in own), ZERO)
        traded = sum(bot.traded for bot in own)
        rows.append((name, signed_dollars(total), f"held something on {traded} of {len(days)} days"))
    return aligned([("bot", "P/L", ""), *rows], right=frozenset((1,)))


# ---------------------------------------------------------------- what next


def _next(day: DayOutcome, store: str, named: NextCommands) -> list[str]:
    idle = next((bot.bot for bot in day.bots if not bot.traded), None) or next((bot.bot for bot in day.bots), "BOT")
    rows = [
        ("why a bot did or did not trade", f"rulebot why {idle}{named.of_last}"),
        ("what is still open", f"rulebot status{named.as_of_now}"),
    ]
    return [*aligned(rows, indent=" "), f" {'everything is kept in':30}  {store}"]


# --- A Glance as lines of a terminal

WIDE = 130
"""Columns from which a bot's waiting text is beside it, not below."""
_ROOMY = 105
"""Columns from which there is room for a bar of progress."""
_MOST_LINES = 3
"""Lines that one bot may take for what it waits for."""
_HEADINGS = ("bot", "state", "since", "position", "P/L")
_BOT, _POSITION, _PROFIT = 0, 3, 4
_LEAST_OF_NAME = 12
"""Columns that a bot keeps for its name where there are too few for all."""
_LEAST = (0, 8, 5, 27, 9)
"""Least widths of the columns, so that the table seldom moves during a day."""
STYLES = {
    BotActivity.WATCHING: "cyan",
    BotActivity.ENTERING: "yellow",
    BotActivity.OPEN: "bold",
    BotActivity.EXITING: "magenta",
    BotActivity.HALTED: "red",
    BotActivity.PAUSED: "yellow",
}
_TONES = {Tone.PLAIN: "", Tone.GOOD: "green", Tone.BAD: "red", Tone.ALARM: "bold red"}


def glance_lines(shown: Snapshot, width: int) -> list[Text]:
    """Return the whole picture, every line cut to `width` columns."""
    lines = [_clock_line(shown, width), *_table(shown, width)]
    if shown.notice:
        lines += [Text(f" {shown.notice}", style="bold yellow")]
    return [cut(line, width) for line in lines]


def happening_line(reported: EventLine, width: int | None = None) -> Text:
    """Return `10:30:25  put_lite  filled: sold 5905/5910p at 0.20`, cut to `width` unless it is None."""
    clock = reported.at.astimezone(EXCHANGE_ZONE).strftime("%H:%M:%S")
    line = Text(f" {clock}  ", style="dim")
    line.append(f"{reported.bot}  " if reported.bot else "", style="not dim")
    line.append(reported.text, style=f"not dim {_TONES[reported.tone]}".strip())
    return line if width is None else cut(line, width)


def cut(line: Text, width: int) -> Text:
    """Return a line that ends at `width`, with an ellipsis where something was left out, and steers no terminal."""
    line.plain = harmless(line.plain)
    line.truncate(width, overflow="ellipsis")
    line.no_wrap = True
    return line


# ---------------------------------------------------------------- the clock


def _clock_line(shown: Snapshot, width: int) -> Text:
    assert shown.at is not None
    local, done = shown.at.astimezone(EXCHANGE_ZONE), shown.progress or 0.0
    bar = 33 if width >= WIDE else 20 if width >= _ROOMY else 0
    left = Text(f" {local:%Y-%m-%d  %H:%M:%S}  ")
    left.append("█" * round(done * bar), style="cyan")
    left.append("░" * (bar - round(done * bar)), style="dim")
    left.append(f" {done * 100:3.0f} %  " if bar else f"{done * 100:.0f} %  ")
    left.append("  ".join(f"{name} {'-' if level is None else f'{level:.2f}'}" for name, level in shown.levels))
    today = (shown.realized or 0.0) + shown.open_profit
    right = Text("P/L today  " if bar else "P/L ")
    right.append(f"{signed_dollars(today)} ", style=_colour(today))
    if len(left) + 2 + len(right) <= width:
        return left + Text(" " * (width - len(left) - len(right))) + right
    return cut(left, max(width - len(right) - 1, 0)) + Text(" ") + right


def _colour(amount: float) -> str:
    return "green" if amount > 0 else "red" if amount < 0 else ""


# ---------------------------------------------------------------- the table


def _table(shown: Snapshot, width: int) -> Iterator[Text]:
    names: set[str] = set()
    cells = []
    for row in shown.bots:
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
    for row, each in zip(shown.bots, cells, strict=True):
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
    """Return the text in exactly this many columns, with an ellipsis where it is cut."""
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


def _cells(row: BotSnapshot, shown: Snapshot, *, is_first: bool) -> tuple[str, ...]:
    since = ""
    if row.since is not None:
        local = row.since.astimezone(EXCHANGE_ZONE)
        is_today = shown.at is not None and local.date() == shown.at.astimezone(EXCHANGE_ZONE).date()
        since = f"{local:%H:%M}" if is_today else f"{local:%m-%d}"
    profit = "" if row.profit is None else signed_dollars(row.profit)
    return (row.bot if is_first else "", row.doing, since, row.position, profit)


def _joined(cells: Sequence[str], widths: Sequence[int]) -> str:
    placed = [
        cell.rjust(size) if at == _PROFIT else fitted(cell, size)
        for at, (cell, size) in enumerate(zip(cells, widths, strict=True))
        if size
    ]
    return " " + "  ".join(placed)


def _coloured(row: BotSnapshot, cells: Sequence[str], widths: Sequence[int]) -> Text:
    line = Text(_joined(cells, widths))
    state_at = 1 + widths[0] + 2
    line.stylize(STYLES.get(row.doing, ""), state_at, state_at + len(cells[1]))
    if row.profit is not None:
        line.stylize(_colour(row.profit), len(line) - widths[_PROFIT])
    return line
