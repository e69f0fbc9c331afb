"""The entry funnel: which condition kept a bot out, for how many minutes and on how many sessions.

Computed from records: changed evaluations, when a bot watched, and why it did not. Of several false conditions the
first in the spec counts, so that minutes add up; for a universe that of its first symbol, while all of them miss one.
"""

from collections.abc import Container, Iterable, Mapping
from datetime import date, datetime
from typing import Any

from rulebot.backtest.sampling import NO_DATA
from rulebot.model.session import exchange_date
from rulebot.model.values import dataclass
from rulebot.record.record import Kind, Record

KINDS = (Kind.VERDICT, Kind.DECISION, Kind.NEAREST, Kind.SESSION, Kind.BOT_DAY, Kind.FACTS)
HALTED = "halted"
NOT_JUDGED = "nothing was judged"
LATER = "legs, limits or order"
"""Minutes in which all conditions were true (of `choose`, of one alternative): a limit or the order blocked it.

If that was the recorded nearest miss when the watch ended, they are its own.
"""
UNFILLED = "not filled"
CHOICE = "choose"
_PLACES = ("universe", "when", CHOICE, "require", "risk")
"""Places of conditions, in the order in which they are judged."""

Missed = tuple[str, bool | None]
"""A condition that does not hold: its name, and whether it is false or unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockedMinutes:
    """What one condition stopped: minutes in which it was false, or could not be judged, and sessions."""

    rule: str
    false: float
    unknown: float
    sessions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFunnel:
    """One bot: sessions with data, those in which it watched, sent an entry and opened a position; minutes it watched.

    In a session without data nothing can be entered, and no condition is what kept it out.
    """

    bot: str
    sessions: int
    watched: int
    tried: int
    entered: int
    minutes: float
    stopped: tuple[BlockedMinutes, ...]


class _Bot:
    """One bot while its records are read."""

    def __init__(self, *, is_free: bool) -> None:
        self.is_free = is_free
        self.truths: dict[str, dict[str, dict[str, bool | None]]] = {}
        self.watches_since: datetime | None = None
        self.minutes: dict[str, list[float]] = {}
        self.watched: set[date] = set()
        self.tried: set[date] = set()
        self.nearest: dict[date, str] = {}
        self.halted: set[date] = set()
        self.watching_minutes = 0.0
        self.later_minutes = 0.0
        self.by_day: dict[date, dict[str, float]] = {}
        self.skipped: dict[date, str] = {}
        self.without_data: dict[date, dict[str, bool]] = {}

    def until(self, at: datetime) -> None:
        """Count the time since the last record for the present obstacle."""
        if self.watches_since is None:
            return
        minutes = (at - self.watches_since).total_seconds() / 60.0
        self.watches_since = at
        self.watching_minutes += minutes
        rule, truth = self._in_the_way()
        self._count(rule, truth, minutes, exchange_date(at))
        self.later_minutes += minutes if rule == LATER else 0.0

    def _count(self, rule: str, truth: bool | None, minutes: float, day: date) -> None:
        self.minutes.setdefault(rule, [0.0, 0.0])[truth is None] += minutes
        of_day = self.by_day.setdefault(day, {})
        of_day[rule] = of_day.get(rule, 0.0) + minutes

    def _name_later(self, rule: str, day: date) -> None:
        """Count the minutes of this watch in which all conditions were true for the obstacle that remained."""
        self._count(LATER, False, -self.later_minutes, day)
        self._count(rule, False, self.later_minutes, day)
        self.later_minutes = 0.0

    def _in_the_way(self) -> Missed:
        """Return the first condition that does not hold; of a universe one for which all hold is enough."""
        firsts = {symbol: self._first(symbol, truths) for symbol, truths in self.truths.items()}
        of_bot = firsts.pop("", None)
        missed = [each for each in firsts.values() if each is not None]
        if missed and len(missed) == len(firsts):
            return missed[0]
        return of_bot or (LATER, False)

    def _first(self, symbol: str, truths: Mapping[str, Mapping[str, bool | None]]) -> Missed | None:
        """Return the first condition that does not hold, by place and rule; of `choose` where none is taken."""
        for place in _PLACES:
            found = truths.get(place, {})
            missed = _no_alternative(found, symbol) if place == CHOICE else _missed(found)
            if missed is not None and not (place == CHOICE and missed[1] is False and self.is_free):
                return missed
        return None

    def take(self, record: Record) -> None:
        """Follow one record."""
        data, day = record.data, exchange_date(record.at)
        if record.kind is Kind.NEAREST:
            self.nearest[day] = str(data["rule"])
            self.until(record.at)
            if _all_held(data):
                self._name_later(str(data["rule"]), day)
        elif record.kind is Kind.VERDICT and data["place"] in _PLACES:
            self.until(record.at)
            symbol, truth = str(data.get("symbol") or ""), data["truth"]
            name = " ".join(filter(None, (symbol, str(data["rule"]))))
            found = self.truths.setdefault(symbol, {}).setdefault(str(data["place"]), {})
            found[name] = truth if isinstance(truth, bool) else None
        elif record.kind is Kind.VERDICT and data["place"] == "halts":
            self.without_data.setdefault(day, {})[f"halt {data['rule']}"] = data["truth"] is None
        elif record.kind is Kind.DECISION:
            self._decision(str(data["what"]), record.at, day)
        elif record.kind is Kind.BOT_DAY:
            self.skipped[day] = str(data["skipped"])

    def _decision(self, what: str, at: datetime, day: date) -> None:
        if what == "watch":
            self.watches_since = at
            self.later_minutes = 0.0
            self.watched.add(day)
        elif what in ("stop watching", "enter"):
            self.until(at)
            self.watches_since = None
            self.tried |= {day} if what == "enter" else set()
        elif what == "halt":
            self.halted.add(day)

    def stopper(self, day: date) -> str:
        """Return what kept it out on a session: the nearest miss, a halt, else the longest obstacle.

        If it never watched: a halt that could not be judged, also beside a later one; or the day's reason: its weekday,
        a cap.
        """
        if day in self.tried:
            return UNFILLED
        if (nearest := self.nearest.get(day)) is not None:
            return nearest
        without_data = next(
            (rule for rule, is_without_data in self.without_data.get(day, {}).items() if is_without_data), ""
        )
        if without_data and day not in self.watched:
            return without_data
        if day in self.halted:
            return HALTED
        minutes = self.by_day.get(day, {})
        if minutes:
            return max(minutes, key=lambda rule: minutes[rule])
        return without_data or self.skipped.get(day) or NOT_JUDGED

    def new_day(self) -> None:
        """Forget the evaluations of the previous session: all are judged again."""
        self.truths.clear()
        self.watches_since = None


def _all_held(nearest: Mapping[str, Any]) -> bool:
    """Say whether the nearest miss is no condition: all were true, and legs, a price or a limit prevented the entry."""
    return "readings" in nearest and all(each["truth"] is True for each in nearest["readings"])


def _missed(truths: Mapping[str, bool | None]) -> Missed | None:
    return next(((rule, truth) for rule, truth in truths.items() if truth is not True), None)


def _no_alternative(truths: Mapping[str, bool | None], symbol: str) -> Missed | None:
    """Return why no alternative of `choose` is taken, None when one is: its first condition that does not hold.

    The first alternative all of whose conditions hold is taken; one that is unknown, and not false, ends the choice.
    truths: of conditions under the names of their symbol and alternative, `SPY calm.vix`, in the order of the spec.
    """
    by_alternative: dict[str, dict[str, bool | None]] = {}
    for rule, truth in truths.items():
        alternative = rule.removeprefix(f"{symbol} ").partition(".")[0]
        by_alternative.setdefault(alternative, {})[rule] = truth
    for own in by_alternative.values():
        missed = _missed(own)
        if missed is None or False not in own.values():
            return missed
    return _missed({rule: truth for rule, truth in truths.items() if truth is False})


def funnels(
    records: Iterable[Record],
    bots: Iterable[str],
    entered: Mapping[str, frozenset[date]],
    free: Container[str] = (),
) -> tuple[EntryFunnel, ...]:
    """Return the funnel of each bot.

    entered: sessions in which it opened a position. free: bots that have an alternative of `choose` without conditions,
    which is taken where all others are false.
    """
    found = {name: _Bot(is_free=name in free) for name in bots}
    days: set[date] = set()
    unseen: date | None = None
    for record in records:
        if record.kind is Kind.FACTS and record.data["what"] == NO_DATA:
            unseen = exchange_date(record.at)
        elif unseen is not None and exchange_date(record.at) == unseen:
            continue
        elif record.kind is Kind.SESSION:
            day = date.fromisoformat(str(record.data["date"]))
            days.add(day)
            for each in found.values():
                each.new_day()
        elif record.bot in found:
            found[record.bot].take(record)
    return tuple(_funnel(name, each, days, entered.get(name, frozenset())) for name, each in found.items())


def _funnel(name: str, bot: _Bot, days: set[date], entered: frozenset[date]) -> EntryFunnel:
    by_rule: dict[str, int] = {}
    for day in sorted(days - entered):
        rule = bot.stopper(day)
        by_rule[rule] = by_rule.get(rule, 0) + 1
    stopped = [
        BlockedMinutes(
            rule=rule,
            false=round(bot.minutes.get(rule, [0.0, 0.0])[0], 1),
            unknown=round(bot.minutes.get(rule, [0.0, 0.0])[1], 1),
            sessions=by_rule.get(rule, 0),
        )
        for rule in {**dict.fromkeys(bot.minutes), **dict.fromkeys(by_rule)}
    ]
    stopped = [each for each in stopped if each.sessions or each.false or each.unknown]
    stopped.sort(key=lambda each: (-each.sessions, -each.false - each.unknown, each.rule))
    return EntryFunnel(
        bot=name,
        sessions=len(days),
        watched=len(bot.watched),
        tried=len(bot.tried),
        entered=len(entered),
        minutes=round(bot.watching_minutes, 1),
        stopped=tuple(stopped),
    )
