"""What two texts of a bot did on the same days, simulated or past ones, in words; of a new or gone one what it did."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal

from rulebot.model.money import ZERO, short_dollars, whole_dollars
from rulebot.model.text import counted
from rulebot.model.values import dataclass

SHOWN = 3
"""Differing days that are listed one by one, unless all are requested."""
STILL_OPEN = "still open"
NOT_THERE = "there is no such bot"
"""Why the other side of a bot that is new, or gone, did not trade."""


@dataclass(frozen=True, slots=True)
class Trade:
    """One position on one day: words of its entry and end, the exit that ended it ("": none), and that day's dollars.

    is_carried: it was opened on an earlier day. stands: its text while none has ended it.
    """

    words: str
    ended_by: str
    made: Decimal
    is_carried: bool = False
    stands: str = STILL_OPEN


@dataclass(frozen=True, slots=True)
class TriedDay:
    """What a bot did on one day; `why_not` says why it did not trade. A simulated day has a seed, a past one a date.

    is_there: only one side has a bot that is new, or gone; the other has the same days without it.
    """

    seed: int
    trades: tuple[Trade, ...]
    why_not: str = ""
    day: date | None = None
    is_there: bool = True

    @property
    def name(self) -> str:
        """What the day is called among others of its kind."""
        return str(self.seed) if self.day is None else self.day.isoformat()

    @property
    def net(self) -> Decimal:
        """Dollars of the day, commissions included."""
        return sum((trade.made for trade in self.trades), ZERO)


Days = Sequence[TriedDay]


def without_it(days: Days) -> Days:
    """Return the same days of the side that does not have the bot."""
    return tuple(TriedDay(each.seed, (), NOT_THERE, each.day, is_there=False) for each in days)


def flaw_lines(flaws: Sequence[str]) -> tuple[str, ...]:
    """Return what was wrong with the data of past sessions, the first few of it."""
    left = len(flaws) - SHOWN
    more = (f"    and {counted(left, 'more flaw')} of the data",) if left > 0 else ()
    return (*(f"    {flaw}" for flaw in flaws[:SHOWN]), *more)


def behaviour_lines(was: Days, now: Days, *, is_all: bool = False) -> tuple[str, ...]:
    """Return the differences: entries, net and worst day, exits, then the differing days one by one.

    Of a bot that only one side has, all trades differ; without trades, the days are listed for their reasons.
    """
    head = f"  {counted(len(was), _kind(was))} ({_names([each.name for each in was], was, is_range=True)})"
    pairs = list(zip(was, now, strict=True))
    differing = [(old, new) for old, new in pairs if old.trades != new.trades]
    if differing:
        lines = (f"    {_entered(was, now)}", f"    {_made(was, now)}", f"    {_exits(was, now)}")
        return (head, *lines, *_day_by_day(differing, "differ", is_all=is_all))
    if _are_both(was, now):
        return (head, f"    every one the same: {_entries(was)}, net {whole_dollars(_net(was))}")
    return (head, "    no trade", *_day_by_day(pairs, "without one", is_all=is_all))


def _day_by_day(pairs: Sequence[tuple[TriedDay, TriedDay]], word: str, *, is_all: bool) -> Iterator[str]:
    """Yield each day, of many the first few and the number of the rest. word: what they do."""
    shown = pairs if is_all else pairs[:SHOWN]
    for old, new in shown:
        yield from _day(old, new)
    if left := len(pairs) - len(shown):
        verb = "differs" if word == "differ" and left == 1 else word
        yield f"    {counted(left, 'more day')} {verb}: --all shows {'it' if left == 1 else 'them'}"


def _are_both(was: Days, now: Days) -> bool:
    """Say whether both sides have the bot."""
    return was[0].is_there and now[0].is_there


def _kind(days: Days) -> str:
    return "past session" if days[0].day else "simulated day"


def _names(names: Sequence[str], days: Days, *, is_range: bool = False) -> str:
    """Return `seeds 1 to 20`, `seed 3, 4`, or the dates alone."""
    word = "" if days[0].day else "seeds " if is_range and len(names) > 1 else "seed "
    return word + (f"{names[0]} to {names[-1]}" if is_range and len(names) > 1 else ", ".join(names))


def _opened(day: TriedDay) -> int:
    return sum(not trade.is_carried for trade in day.trades)


def _count(days: Days) -> int:
    return sum(map(_opened, days))


def _entries(days: Days) -> str:
    count = _count(days)
    return f"{count} {'entry' if count == 1 else 'entries'}"


def _net(days: Days) -> Decimal:
    return sum((day.net for day in days), ZERO)


def _entered(was: Days, now: Days) -> str:
    counts = f"entries {_count(was)} -> {_count(now)}"
    if not _are_both(was, now):
        return f"{counts}   all of them {'gone' if was[0].is_there else 'new'}"
    pairs = list(zip(was, now, strict=True))
    gained = [new.name for old, new in pairs if _opened(new) > _opened(old)]
    lost = [new.name for old, new in pairs if _opened(new) < _opened(old)]
    reported = [f"{word} on {_names(names, was)}" for word, names in (("gained", gained), ("lost", lost)) if names]
    return counts + (f"   {'; '.join(reported)}" if reported else "")


def _made(was: Days, now: Days) -> str:
    worst = [min(day.net for day in days) for days in (was, now)]
    net, day = ((whole_dollars(old), whole_dollars(new)) for old, new in ((_net(was), _net(now)), worst))
    return f"net {net[0]} -> {net[1]}   worst day {day[0]} -> {day[1]}"


def _exits(was: Days, now: Days) -> str:
    counts = [Counter(_ends(days)) for days in (was, now)]
    names = dict.fromkeys((*counts[0], *counts[1]))
    return "exits " + ", ".join(f"{name} {counts[0][name]} -> {counts[1][name]}" for name in names)


def _ends(days: Days) -> Iterator[str]:
    """Yield how each position ended; past sessions follow one another, so that what is open counts in the last one."""
    for day in days:
        is_last = day.day is None or day is days[-1]
        yield from (trade.ended_by or STILL_OPEN for trade in day.trades if trade.ended_by or is_last)


def _day(was: TriedDay, now: TriedDay) -> Iterator[str]:
    yield f"    {was.name}" if was.day else f"    seed {was.seed}"
    for word, day in (("was", was), ("now", now)):
        for trade in day.trades:
            yield f"      {word} {trade.words}: {trade.ended_by or trade.stands}, {short_dollars(trade.made)}"
        if not day.trades and day.is_there:
            yield f"      {word} no trade: {day.why_not}"
