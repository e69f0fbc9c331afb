"""Results by day, week or month, beside what the account document expects of a bot (row B11)."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

from rulebot.core.program import Program
from rulebot.core.state.state import State
from rulebot.model.market import level_of
from rulebot.model.money import ZERO, dollars
from rulebot.model.performance import drawdown, expectancy, win_rate
from rulebot.model.session import EXCHANGE_ZONE, session_on
from rulebot.model.text import counted, short_clock
from rulebot.model.values import dataclass
from rulebot.narrate.trades import is_opened
from rulebot.record.record import Json, Kind, Record
from rulebot.spec.nouns import Demand, Op, Shown
from rulebot.store.queries import Row, StoreReader

SPANS = ("day", "week", "month")


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """One period. name: a day, the Monday of a week, or 2026-10.

    Profit counts after commissions on the day on which the last leg of value was closed, as in `daily_summary`. A wing
    that expires worthless days after the exit ends no trade; one that still brings something does. sessions: days with
    a running engine; idle: those without a new trade. average: dollars a trade; drawdown: the deepest fall of the
    summed profit below its best so far, within the period. errors: alarms. short: what the document expects of a bot
    and was not reached; each bot is judged separately there.
    """

    name: str
    sessions: int
    idle: int
    trades: int
    wins: int
    win_rate: Decimal | None
    average: Decimal | None
    net: Decimal
    drawdown: Decimal
    errors: int
    short: tuple[str, ...] = ()


def period_of(day: str, span: str) -> str:
    """Return the day, the Monday of its week, or its month."""
    if span == "month":
        return day[:7]
    found = date.fromisoformat(day)
    return day if span == "day" else (found - timedelta(days=found.weekday())).isoformat()


def periods(
    reader: StoreReader,
    span: str,
    bot: str = "",
    expected: Iterable[Demand] = (),
    unseen: Collection[date] = (),
) -> tuple[Period, ...]:
    """Return every period in which the engine was there or a trade was closed, oldest first; `bot` "" is all of them.

    expected: of the demands on a record those on the win rate and on the expectancy are compared with each period that
    has a trade. unseen: sessions without data, which count as none. Raises: StoreError.
    """
    of_bot = {"strategy_id": bot} if bot else {}
    trades = reader.trades(**of_bot)
    days = {str(row["date"]) for row in reader.view("bot_days", **of_bot)} - {each.isoformat() for each in unseen}
    closed = [row for row in trades if row["final_pnl"] is not None and row["exit_time"]]
    unpriced = [row for row in trades if row["status"] == "CLOSED" and row["final_pnl"] is None]
    opened = {str(row["entry_time"])[:10] for row in trades if is_opened(row)}
    sessions, errors = _by_period(days, span), _by_period(_alarm_days(reader, bot), span)
    priced, others = _grouped(closed, span), _grouped(unpriced, span)
    wanted, is_named = tuple(expected), not bot and len(reader.bots()) > 1
    found = []
    for name in sorted({*priced, *others, *sessions, *errors}):
        own, rows = sessions[name], priced.get(name, [])
        short = tuple(_shortfalls(wanted, [*rows, *others.get(name, ())], is_named=is_named))
        idle = sum(day not in opened for day in own)
        found.append(_period(name, rows, sessions=len(own), idle=idle, errors=len(errors[name]), short=short))
    return tuple(found)


def _alarm_days(reader: StoreReader, bot: str) -> list[str]:
    alarms = (each for each in reader.records((Kind.ALARM,)) if not bot or each.bot in ("", bot))
    return [f"{each.at.astimezone(EXCHANGE_ZONE):%Y-%m-%d}" for each in alarms]


def _by_period(days: Iterable[str], span: str) -> defaultdict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for day in days:
        found[period_of(day, span)].append(day)
    return found


def _period(name: str, rows: Iterable[Row], **counts: Any) -> Period:
    """Return one period by its closed trades in order. counts: the other fields."""
    made = [Decimal(str(row["final_pnl"])) for row in rows]
    rate = win_rate(made)
    return Period(
        name=name,
        trades=len(made),
        wins=sum(each > 0 for each in made),
        win_rate=None if rate is None else Decimal(rate),
        average=expectancy(made),
        net=sum(made, ZERO),
        drawdown=drawdown(made),
        **counts,
    )


def _grouped(closed: Sequence[Row], span: str) -> Mapping[str, list[Row]]:
    ordered = sorted(closed, key=lambda row: (str(row["exit_time"]), row["id"]))
    return {
        name: list(rows) for name, rows in groupby(ordered, lambda row: period_of(str(row["exit_time"])[:10], span))
    }


def _shortfalls(expected: Sequence[Demand], rows: Iterable[Row], *, is_named: bool) -> Iterator[str]:
    """Yield what was expected of each bot with trades in a period and not reached, in words."""
    by_bot: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_bot[str(row["strategy_id"])].append(row)
    for bot, own in sorted(by_bot.items()):
        for demand in expected:
            if words := _short(demand, own):
                yield f"{bot}: {words}" if is_named else words


def _short(demand: Demand, rows: Sequence[Row]) -> str:
    """Return what one bot did not reach; "" when it did, or when nothing is expected of a period."""
    judge = _JUDGED.get(demand.shown)
    if judge is None:
        return ""
    name, value_of = judge
    bound = f"{demand.bound.normalize():f}%" if demand.shown is Shown.WIN_RATE else dollars(demand.bound)
    words = f"{name} {'above' if demand.op is Op.ABOVE else 'at least'} {bound}"
    if unpriced := sum(row["final_pnl"] is None for row in rows):
        return f"{words} (the settlement price of the shares of {counted(unpriced, 'trade')} is not known)"
    if outstanding := sum(bool(row["pending_commissions"]) for row in rows):
        return f"{words} (the commissions of {counted(outstanding, 'trade')} are not reported yet)"
    value = value_of([Decimal(str(row["final_pnl"])) for row in rows])
    return "" if demand.missed_by(value) is None else words


def _percent_won(made: Sequence[Decimal]) -> Decimal:
    return Decimal(win_rate(made) or 0) * 100


def _average(made: Sequence[Decimal]) -> Decimal:
    return expectancy(made) or ZERO


_JUDGED = {Shown.WIN_RATE: ("win rate", _percent_won), Shown.EXPECTANCY: ("average", _average)}
"""Figures by which periods with trades are compared, and their words."""


# --- A comparison of a day with its specs as it is recorded (`live/daily_jobs.py`), found again, and in a sentence

DRIFT = "drift"
"""What a record of facts says that holds a comparison."""
_HARDLY = timedelta(minutes=1)
"""What is missing of a day between two recordings, and is not reported."""
LATELY = timedelta(days=5)
"""How far back a store's last comparison is looked for, over a long week-end."""


def summed(day: date, found: Sequence[Mapping[str, Any]], traded: Mapping[str, str]) -> dict[str, Json]:
    """Return a day's comparisons as recorded: how many trades there were, and all that differ.

    traded: the owners of the day's positions. spans: from when until when each comparison goes, None for the open and
    the close. by_fills: bots that natural fills would have led elsewhere, by more than prices. unfilled: bots without
    any filled entry. not_recorded: bots with trades outside of the recordings.
    """
    known = [each for each in found if "problem" not in each]
    trades = _differing(_each_once(trade for each in known for trade in each["trades"]), traded)
    return {
        "symbol": "",
        "what": DRIFT,
        "value": len(trades["differs"]),
        "day": day.isoformat(),
        "spans": [[each["since"], each["until"]] for each in known],
        **trades,
        "decides_otherwise": any(each["decides_otherwise"] for each in known),
        "problem": "; ".join(str(each["problem"]) for each in found if "problem" in each),
    }


def _differing(reported: Sequence[Mapping[str, Any]], traded: Mapping[str, str]) -> dict[str, Any]:
    """Return how many trades were compared, and those that differ."""
    trades = [each for each in reported if each["position"] or each["differs"]]
    by_fills = [each["bot"] for each in reported if (each["natural"] or {}).get("differs")]
    known, compared = {*by_fills, *(each["bot"] for each in trades)}, {each["position"] for each in trades}
    return {
        "trades": len(trades),
        "differs": [each for each in trades if each["differs"]],
        "by_fills": by_fills,
        "unfilled": [each["bot"] for each in reported if each["bot"] not in known],
        "not_recorded": [bot for position, bot in traded.items() if position not in compared],
    }


def _each_once(trades: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Return each position once, of those that several recordings have: where it differs first, else as of the last."""
    found: dict[Any, Mapping[str, Any]] = {}
    for number, each in enumerate(trades):
        name = each["position"] or number
        if name not in found or not found[name]["differs"]:
            found[name] = each
    return list(found.values())


def last_compared(reader: StoreReader, day: date | None = None) -> Mapping[str, Any] | None:
    """Return the last recorded comparison of a store, or of one day; None where there is none."""
    session = None if day is None else session_on(day)
    first, last = (session.close, session.close + LATELY) if session is not None else (None, reader.last_at())
    if last is None:
        return None
    found = [each.data for each in reader.between(Kind.FACTS, first or last - LATELY, last)]
    known = [each for each in found if each["what"] == DRIFT and (day is None or each["day"] == day.isoformat())]
    return known[-1] if known else None


def unexplained(data: Mapping[str, Any]) -> list[str]:
    """Return the bots of a recorded comparison whose trades differ for no known cause."""
    return list(dict.fromkeys(str(each["bot"]) for each in data["differs"] if not each["is_explained"]))


def compared_words(data: Mapping[str, Any]) -> str:
    """Return a recorded comparison in a sentence."""
    day, count, differs, problem = data["day"], data["trades"], data["differs"], data["problem"]
    spans = data["spans"]
    if not spans:
        return f"{day} is not compared with the specs: {problem}; 'rulebot replay {day} --drift' tries again"
    reported = [f"{count - len(differs)} of {count} trades as the specs say, but for prices"]
    fills, unfilled = data["by_fills"], data["unfilled"]
    if not count:
        reported = ["nothing was traded" if fills or unfilled else "nothing was traded, and nothing would have been"]
    for words, known in (("for a known cause", True), ("FOR NO KNOWN CAUSE", False)):
        bots = [str(each["bot"]) for each in differs if bool(each["is_explained"]) is known]
        if bots:
            reported.append(f"{len(bots)} otherwise {words} ({_named(bots)})")
    if unfilled:
        reported.append(f"no entry of {_named(unfilled)} was filled")
    if fills:
        reported.append(f"natural fills would have led {_named(fills)} elsewhere")
    if lacks := data.get("not_recorded"):
        reported.append(f"{counted(len(lacks), 'trade')} of {_named(lacks)} not recorded, and not compared")
    if data.get("decides_otherwise"):
        reported.append(f"rulebot decides otherwise now: 'rulebot replay {day}' shows where")
    if problem:
        reported.append(f"not all of it: {problem}")
    return f"{day}{_hours(spans)} compared with the specs: {'; '.join(reported)}"


def _named(bots: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(bots))


def _hours(spans: Iterable[Sequence[str | None]]) -> str:
    """Return which hours of a session these are, "" for all of it."""
    joined: list[tuple[datetime | None, datetime | None]] = []
    for each in spans:
        since, until = (None if edge is None else datetime.fromisoformat(edge) for edge in each)
        if joined and _is_continued(joined[-1][1], since):
            since, before = joined.pop()
            until = None if before is None or until is None else max(before, until)
        joined.append((since, until))
    return " and".join(_span(*each) for each in joined)


def _is_continued(until: datetime | None, since: datetime | None) -> bool:
    return until is None or since is None or since - until <= _HARDLY


def _span(since: datetime | None, until: datetime | None) -> str:
    if since is None:
        return "" if until is None else f" until {short_clock(until)}"
    return f" from {short_clock(since)} {'on' if until is None else f'to {short_clock(until)}'}"


# --- Levels of underlyings through the day, by the minute

AFTER = timedelta(minutes=1)
"""How long after the close the last price is kept."""
MOST = 40
"""Symbols of one record at most."""


class PriceNotes:
    """Says once a minute what is to be recorded."""

    def __init__(self) -> None:
        self._minute: datetime | None = None

    def due(self, program: Program, state: State, at: datetime) -> Record | None:
        """Return the record of this minute, None when it was given or no price is known."""
        minute, session = at.replace(second=0, microsecond=0), state.schedule.session
        if minute == self._minute or not session.open <= at < session.close + AFTER or not state.connection.is_linked:
            return None
        now = at.timestamp()
        levels = {symbol: level_of(state.market.board, symbol, now) for symbol in _symbols(program, state)}
        known: dict[str, Json] = {symbol: round(level, 2) for symbol, level in levels.items() if level is not None}
        if not known:
            return None
        self._minute = minute
        return Record(at, Kind.PRICES, data={"prices": dict(list(known.items())[:MOST])})


def _symbols(program: Program, state: State) -> list[str]:
    """Return the underlyings of all bots and of what they hold, in the order of the bots."""
    of_bots = (
        symbol
        for bot in program.bots.values()
        for each in (bot, *(member.bot for member in bot.members))
        for symbol in each.plan.underlyings
    )
    held = (leg.option.symbol for name in state.positions.active for leg in state.positions.by_id[name].legs)
    return list(dict.fromkeys((*of_bots, *held)))
