"""A bot and its shadow side by side: results, decisions that differed, and the first rule that differed."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import groupby, zip_longest
from operator import itemgetter
from statistics import fmean
from typing import Any, NamedTuple

from rulebot.model.money import ZERO
from rulebot.model.position import end_of_row
from rulebot.model.session import EXCHANGE_ZONE, exchange_date, session_on
from rulebot.model.text import clock
from rulebot.model.values import dataclass
from rulebot.narrate.trades import is_entered, is_opened, left_at, read_in_shares, structure_of
from rulebot.record.explain import ENTRY_PLACES, Condition, explain_day, selection_at, state_at
from rulebot.record.record import GRID, Kind, Record
from rulebot.store.queries import Row, StoreReader

MONTH = 21
"""Sessions of a month."""
SAME = timedelta(minutes=1)
"""Decisions of one kind that are no further apart are the same one."""
_NEVER = datetime(9000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Results of one of the two in the sessions. Money in dollars.

    entry_to_mid, exit_to_mid: average price points by which fills were better than the mid; None without any. Rolled
    positions are not in entry_to_mid: part of their price belongs to what the same order closed. entered_alone: trades
    that are open or closed in the sessions and were entered in one that the other side did not run; they count in
    nothing else. outstanding, estimated, in_shares: closed trades without all commission reports, with an unknown
    price, and that ended in shares; beside_market: the part of `net` from those shares, None while their settlement
    price is unknown. month: extrapolated to MONTH sessions.
    """

    entries: int
    unfilled: int
    closed: int
    wins: int
    outstanding: int
    estimated: int
    in_shares: int
    still_open: int
    entered_alone: int
    entry_to_mid: float | None
    exit_to_mid: float | None
    commissions: float
    net: float
    beside_market: float | None
    average: float | None
    month: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One decision that the two took otherwise, New York time. rule: the first that differed; why: what it said."""

    date: date
    clock: str
    what: str
    live: str
    shadow: str
    rule: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Sessions in a row in which each side ran one text: their digests; of several in one session, the one by one."""

    first: date
    last: date
    live: tuple[str, ...]
    shadow: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A bot and its shadow over the sessions that both ran. is_same_text: the two run one spec.

    texts: the specs of each side, several where one was changed in between; fills: the fill models of the shadow's
    orders. With several, the sums are over all of them.
    """

    bot: str
    sessions: tuple[date, ...]
    is_same_text: bool
    texts: tuple[Texts, ...]
    fills: tuple[str, ...]
    live: Side
    shadow: Side
    differences: tuple[Difference, ...]


def compare(live: StoreReader, shadow: StoreReader, bots: Iterable[str], sessions: int | None) -> tuple[Compared, ...]:
    """Return the comparison of these bots over the last sessions in which each ran on both sides, None: all."""
    simulated = _sessions(live) & _sessions(shadow)
    return tuple(_compared(live, shadow, bot, simulated, sessions) for bot in bots)


def _sessions(reader: StoreReader) -> set[date]:
    """Return the sessions that a side ran."""
    return {day for each in reader.records((Kind.SESSION,)) if (day := _started(each)) is not None}


def _started(record: Record) -> date | None:
    """Return the session that a record starts, None for a run that begins after its close."""
    day = date.fromisoformat(str(record.data["date"]))
    session = session_on(day)
    return day if session is not None and record.at < session.close else None


def _fills(reader: StoreReader, days: Collection[date]) -> tuple[str, ...]:
    """Return the models by which orders filled in these sessions, in the order in which they came."""
    found: dict[str, None] = {}
    model = ""
    for record in reader.records((Kind.RUN_STARTED, Kind.SESSION)):
        if record.kind is Kind.RUN_STARTED:
            settings: Any = record.data.get("settings") or {}
            model = str(settings.get("fills") or "")
        elif model and _started(record) in days:
            found[model] = None
    return tuple(found)


def _compared(
    live: StoreReader, shadow: StoreReader, bot: str, simulated: Collection[date], sessions: int | None
) -> Compared:
    digests = (_digests(live, bot), _digests(shadow, bot))
    both = sorted(day for day in simulated if all(any(ran.get(day, ())) for ran in digests))
    days = tuple(both if sessions is None else both[-sessions:])
    of_live, of_shadow = (each.view("trades", strategy_id=bot) for each in (live, shadow))
    reported = [(day, _Day(live, bot, day, of_live), _Day(shadow, bot, day, of_shadow)) for day in days]
    texts = _texts(days, *digests)
    found = [each for day, one, other in reported for each in _differences(day, one, other)]
    return Compared(
        bot=bot,
        sessions=days,
        is_same_text=bool(texts) and all(each.live == each.shadow for each in texts),
        texts=texts,
        fills=_fills(shadow, days),
        live=_side(_Apart.of(live, bot), of_live, [own for _, own, _ in reported], days, both),
        shadow=_side(_Apart.of(shadow, bot), of_shadow, [own for _, _, own in reported], days, both),
        differences=tuple(sorted(found, key=lambda each: (each.date, each.clock))),
    )


def _digests(reader: StoreReader, bot: str) -> dict[date, tuple[str, ...]]:
    """Return the digests of the texts that a bot ran in each session, one after the other; none from its close on."""
    found: dict[date, tuple[str, ...]] = {}
    digest, day = "", None
    for record in reader.records((Kind.RUN_STARTED, Kind.RELOAD, Kind.SESSION)):
        specs: Any = record.data.get("specs")
        if record.kind is Kind.RUN_STARTED:
            day = None
        elif record.kind is Kind.SESSION:
            day = date.fromisoformat(str(record.data["date"]))
        if specs is not None:
            digest = str((specs.get(bot) or {}).get("digest") or "")
        if day is not None and (session := session_on(day)) is not None and record.at >= session.close:
            day = None
        if day is not None and digest not in found.get(day, ())[-1:]:
            found[day] = (*found.get(day, ()), digest)
    return found


def _texts(
    days: Iterable[date], live: Mapping[date, tuple[str, ...]], shadow: Mapping[date, tuple[str, ...]]
) -> tuple[Texts, ...]:
    """Return which texts each side ran, the sessions in a row with the same ones together."""
    by_day = ((day, (live.get(day, ()), shadow.get(day, ()))) for day in days)
    stretches = [(ran, [day for day, _ in row]) for ran, row in groupby(by_day, itemgetter(1))]
    return tuple(Texts(first=row[0], last=row[-1], live=ran[0], shadow=ran[1]) for ran, row in stretches)


class _Day:
    """One session of one side: its records, and the trades that were opened in it."""

    def __init__(self, reader: StoreReader, bot: str, day: date, trades: Sequence[Row]) -> None:
        self._reader, self._bot = reader, bot
        self._reported: dict[date, Sequence[Record]] = {day: reader.day(bot, day)}
        self.records = self._reported[day]
        own = [row for row in trades if _day_of(row["entry_time"]) == day.isoformat() and is_opened(row)]
        self.trades = sorted(own, key=lambda row: str(row["entry_time"]))
        self.unfilled = self.decided("unfilled")

    def left_at(self, trade: Row) -> str | None:
        """Return when a trade was left, New York time; None while it is open."""
        return left_at(trade, self._reader.view("orders", position=trade["position"]))

    def entry_to_mid(self, trade: Row) -> float | None:
        """Return by how much a trade was entered better than the mid, None where unknown, or rolled."""
        orders = self._reader.view("orders", position=trade["position"])
        return _less(trade["entry_price"], trade["entry_mid"]) if is_entered(orders) else None

    def reported_on(self, day: date) -> Sequence[Record]:
        """Return the records of this session, or of a later one on which a trade of it was left."""
        if day not in self._reported:
            self._reported[day] = self._reader.day(self._bot, day)
        return self._reported[day]

    def decided(self, what: str) -> list[Record]:
        """Return the decisions of a kind."""
        return _decisions(self.records, what)


def _decisions(records: Iterable[Record], *what: str) -> list[Record]:
    return [each for each in records if each.kind is Kind.DECISION and each.data.get("what") in what]


def _last(records: Iterable[Record], *what: str) -> Record | None:
    return next(reversed(_decisions(records, *what)), None)


# ---------------------------------------------------------------- results


class _Apart(NamedTuple):
    """Positions whose profit needs a note: see `Side`. worths: of those that ended in shares."""

    outstanding: Set[str]
    estimated: Set[str]
    worths: Mapping[str, Decimal | None]

    @classmethod
    def of(cls, reader: StoreReader, bot: str) -> "_Apart":
        """Return those of a bot."""
        worths = {each.position: each.worth for each in read_in_shares(reader, bot)}
        return cls(reader.outstanding().keys(), set(reader.estimated(bot)), worths)

    def beside_market(self, names: Iterable[str]) -> float | None:
        """Return what the shares of these made of their profit, None where the price of one is not known."""
        known = [self.worths[name] for name in names if name in self.worths]
        return None if None in known else float(sum((each for each in known if each is not None), ZERO))


def _side(
    apart: _Apart, trades: Sequence[Row], days: Sequence[_Day], dates: Sequence[date], both: Collection[date]
) -> Side:
    """Return the results of one side. both: the sessions of both sides; a trade of another one has no counterpart.

    A trade closed between two of the sessions, while one side ran alone, is closed; one closed after the last is open.
    """
    sessions, shared = ([day.isoformat() for day in each] for each in (dates, both))
    found = defaultdict[str, list[Row]](list)
    for trade in trades:
        found[_standing(trade, sessions, shared)].append(trade)
    closed = found["closed"]
    made = [_dollars(row, "final_pnl") for row in closed]
    net = sum(made, 0.0)
    names = {str(row["position"]) for row in closed}
    return Side(
        entries=sum(len(day.trades) for day in days),
        unfilled=sum(len(day.unfilled) for day in days),
        closed=len(closed),
        wins=sum(each > 0 for each in made),
        outstanding=len(names & apart.outstanding),
        estimated=len(names & apart.estimated),
        in_shares=len(names & apart.worths.keys()),
        still_open=len(found["open"]),
        entered_alone=len(found["alone"]),
        entry_to_mid=_mean(day.entry_to_mid(row) for day in days for row in day.trades),
        exit_to_mid=_mean(_less(row["expected_exit_price"], row["exit_price"]) for row in closed),
        commissions=round(sum((_dollars(row, "commissions") for row in closed), 0.0), 2),
        net=round(net, 2),
        beside_market=apart.beside_market(names),
        average=round(net / len(closed), 2) if closed else None,
        month=round(net / len(dates) * MONTH, 2) if dates else 0.0,
    )


def _standing(trade: Row, sessions: Sequence[str], shared: Collection[str]) -> str:
    """Return whether a trade is `closed` or `open` after the sessions, or one side's `alone`; "" for none of these."""
    is_open, left = trade["status"] == "OPEN", _day_of(trade["exit_time"])
    if _day_of(trade["entry_time"]) not in shared:
        return "alone" if is_open or left in sessions else ""
    if is_open or left > sessions[-1]:
        return "open"
    return "closed" if trade["status"] == "CLOSED" and left >= sessions[0] else ""


def _day_of(time: object) -> str:
    return str(time or "")[:10]


def _dollars(row: Row, column: str) -> float:
    return float(row[column] or 0.0)


def _less(price: float | None, mid: float | None) -> float | None:
    return None if price is None or mid is None else price - mid


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(fmean(known), 4) if known else None


# ---------------------------------------------------------------- what differed


def _differences(day: date, live: _Day, shadow: _Day) -> Iterable[Difference]:
    for one, other in zip_longest(live.trades, shadow.trades):
        if one is None or other is None:
            yield _entered_alone(day, live, shadow, one, other)
            continue
        if (found := _entered_apart(day, live, shadow, one, other)) is not None:
            yield found
        if structure_of(one) != structure_of(other):
            yield _other_legs(day, live, shadow, one, other)
        if (found := _left_apart(live, shadow, one, other)) is not None:
            yield found


def _entered_alone(day: date, live: _Day, shadow: _Day, one: Row | None, other: Row | None) -> Difference:
    """Return that one of the two has a trade more, and what held the other one back."""
    trade, is_live = (one, True) if one is not None else (other, False)
    assert trade is not None
    of_trade, without = (live, shadow) if is_live else (shadow, live)
    at = _entered_at(of_trade, trade)
    rule, why = _held_back(without, at)
    words = structure_of(trade)
    return _difference(day, at, "entry", (words, "none") if is_live else ("none", words), rule, why)


def _entered_apart(day: date, live: _Day, shadow: _Day, one: Row, other: Row) -> Difference | None:
    first, second = _entered_at(live, one), _entered_at(shadow, other)
    if abs(first - second) <= SAME:
        return None
    rule, why = _held_back(shadow if first < second else live, min(first, second))
    return _difference(day, min(first, second), "entry", (clock(first), clock(second)), rule, why)


def _entered_at(day: _Day, trade: Row) -> datetime:
    """Return when the entry was decided that led to a trade."""
    filled = _instant(trade["entry_time"])
    return max((each.at for each in day.decided("enter") if each.at <= filled + SAME), default=filled)


def _held_back(day: _Day, at: datetime) -> tuple[str, str]:
    """Return the first rule that did not hold at an instant, in the order of the spec, or what else it said by then."""
    past = [each for each in day.records if each.at <= at]
    if past and (halted := explain_day(past).halted):
        return "", f"halted: {halted}"
    last = _last(past, *GRID)
    if last is not None and last.data["what"] == "stop watching":
        return "", str(last.data.get("reason"))
    for condition in state_at(past, at, ENTRY_PLACES).conditions:
        if condition.truth is not True:
            return condition.name, _words(condition, at)
    return _kept_out(day, [each for each in day.records if each.at <= at + SAME])


def _kept_out(day: _Day, past: list[Record]) -> tuple[str, str]:
    """Return what kept a bot out although all its rules were true: its own order, or its own record."""
    if not past:
        return "", "it did not run, or judged nothing"
    entered = _last(past, "enter")
    if entered is not None:
        past = past[past.index(entered) :]
        for unfilled in day.unfilled:
            if unfilled.position == entered.position:
                return "order", f"not filled: {unfilled.data.get('reason')}"
    seen = explain_day(past)
    if words := seen.skipped or next((text for _, text in reversed(seen.refused)), ""):
        return "", words
    return "", "it was not watching then: its window, its count of entries, or a position that was open"


def _other_legs(day: date, live: _Day, shadow: _Day, one: Row, other: Row) -> Difference:
    """Return that the two chose other contracts: the first leg that differs, and how each was asked for."""
    at = _entered_at(live, one)
    chosen = [_legs(live, at), _legs(shadow, _entered_at(shadow, other))]
    rule, why = "", "the same rules, chosen at other quotes"
    for name in chosen[0] | chosen[1]:
        first, second = (each.get(name, {}) for each in chosen)
        if first.get("found") != second.get("found"):
            rule, asked = name, (str(first.get("asked")), str(second.get("asked")))
            why = asked[0] if asked[0] == asked[1] else f"{asked[0]}; the shadow {asked[1]}"
            break
    return _difference(day, at, "legs", (structure_of(one), structure_of(other)), rule, why)


def _legs(day: _Day, at: datetime) -> dict[str, Mapping[str, Any]]:
    selection = selection_at(day.records, at)
    legs: Any = None if selection is None else selection.data.get("legs")
    return {str(leg["name"]): leg for leg in legs or ()}


def _left_apart(live: _Day, shadow: _Day, one: Row, other: Row) -> Difference | None:
    """Return that the two were left by another exit or at another time; what the later one's same rule said then."""
    ways = [_left(live, one), _left(shadow, other)]
    if ways[0] == ways[1] or (ways[0][1] == ways[1][1] and abs(ways[0][0] - ways[1][0]) <= SAME):
        return None
    place = 0 if ways[0][0] <= ways[1][0] else 1
    at, name = ways[place]
    day = exchange_date(at)
    words = [f"{name} {_when(at, day)}" if name else "open" for at, name in ways]
    later, trade = ((shadow, other), (live, one))[place]
    conditions = state_at(later.reported_on(day), at).conditions
    found = next((each for each in conditions if each.rule == name and each.position == trade["position"]), None)
    who = ("the shadow's", "the live one's")[place]
    why = f"{who} had none such then" if found is None else f"{who}: {_words(found, at)}"
    return _difference(day, at, "exit", (words[0], words[1]), name, why)


def _when(at: datetime, day: date) -> str:
    """Return the clock of an instant, after its date when it is of another day."""
    return clock(at) if exchange_date(at) == day else f"{exchange_date(at):%m-%d} {clock(at)}"


def _left(day: _Day, trade: Row) -> tuple[datetime, str]:
    """Return when it was decided to leave a trade, and by what; of one that is open the end of time."""
    left = day.left_at(trade)
    if left is None:
        return _NEVER, ""
    filled = _instant(left)
    records = day.reported_on(exchange_date(filled))
    decided = [each for each in _decisions(records, "exit") if each.position == trade["position"]]
    return decided[-1].at if decided else filled, end_of_row(trade)


def _difference(day: date, at: datetime, what: str, sides: tuple[str, str], rule: str, why: str) -> Difference:
    return Difference(date=day, clock=clock(at), what=what, live=sides[0], shadow=sides[1], rule=rule, why=why)


def _words(condition: Condition, at: datetime) -> str:
    """Return a rule's result; it is recorded on change, so its value may be of an earlier instant."""
    said = "unknown" if condition.truth is None else condition.value
    words = " ".join(part for part in (said, condition.bound, condition.note) if part)
    since = condition.since
    return words if since is None or at - since <= SAME else f"{words} (so since {clock(since)})"


def _instant(text: object) -> datetime:
    return datetime.fromisoformat(str(text)).replace(tzinfo=EXCHANGE_ZONE)
