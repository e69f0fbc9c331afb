"""The end of a run in words: what each bot did and why, what is still open, and what to type next."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from textwrap import wrap
from typing import NamedTuple

from rulebot.model.counted import counted
from rulebot.model.money import ZERO, signed_dollars
from rulebot.narrate.day_report import BotOutcome, DayOutcome, ReportedTrade
from rulebot.narrate.target_kept import kept_lines
from rulebot.narrate.text_table import aligned
from rulebot.narrate.trade_text import provisional_text

NARROW = 100
"""Columns below which a bot's lines stand under its name."""
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
    owed = provisional_text(day.owed)
    parts = (f"realised {signed_dollars(day.realized)}, open {signed_dollars(day.open_profit)}{owed}; {counts}", spent)
    rows.append(("day", signed_dollars(day.profit), tuple(part for part in parts if part)))
    names, profits = max(len(row[0]) for row in rows), max(len(row[1]) for row in rows)
    lines = []
    for name, profit, told in rows:
        head = f" {name.ljust(names)}  {profit.rjust(profits)}   "
        if width >= NARROW:
            lines += _flowed(head, told, width)
            continue
        lines += [head.rstrip()] if head.strip() else []
        lines += _flowed("    ", told, width)
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
    """Return the parts joined by "; ", going on below the first one where the width is used up."""
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
