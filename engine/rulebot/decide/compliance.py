"""Compliant sessions in a row, by which a quantity grows (row E10).

A session is compliant when the bot came to an end of its windows, entered or not, and nothing was held against it: no
alarm of the bot, and no halt but by its own `halt_when` or `daily_profit`. One in which the bot was not run, held back
or had no window neither counts nor ends the row. An edit of the text begins a new row, as do ten
days without a run.
"""

from rulebot.decide.bot_day import BotDay
from rulebot.model.halt import Halt, Shut
from rulebot.model.values import replace
from rulebot.spec.spec import Growth

_BY_PLAN = frozenset((None, Halt.CONDITION, Halt.DAY_PROFIT))
"""Halts that are no breach: none, and those that the spec asks for to stand aside or to keep a gain."""
_LEFT_OUT = frozenset((None, Shut.NO_WINDOW, Shut.REMOVED, Shut.BLOCKED))
"""How a day without a position or a halt ends that says nothing of the bot."""


def has_breach(day: BotDay) -> bool:
    """Say whether something is held against this session so far."""
    return day.breach or day.halt not in _BY_PLAN


def grown(growth: Growth, day: BotDay, most: int, digest: str) -> int:
    """Return how many structures the text of a digest enters now: those of its row, the first count after a breach."""
    return growth.after(row_of(day, digest), most)


def row_of(day: BotDay, digest: str) -> int:
    """Return the compliant sessions in a row that count for a text now, 0 after a breach or an edit."""
    return 0 if has_breach(day) or day.row_of != digest else day.compliant


def with_row(day: BotDay, before: BotDay | None, digest: str) -> BotDay:
    """Return a day that begins, with the row of compliant sessions before it, of this text."""
    row = 0
    if before is not None and before.row_of == digest and not has_breach(before):
        row = before.compliant + _counts(before)
    return replace(day, compliant=row, row_of=digest)


def _counts(day: BotDay) -> bool:
    return bool(day.opened) or day.halt is not None or day.skip not in _LEFT_OUT
