"""What trading came to by day, week or month, beside what the account document expects of a bot (row B11)."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby

from rulebot.model.counted import counted
from rulebot.model.money import ZERO, dollars
from rulebot.model.performance import drawdown, expectancy, win_rate
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.model.values import dataclass
from rulebot.narrate.trade_text import is_opened
from rulebot.record.record import Kind
from rulebot.spec.nouns.account import Demand, Shown
from rulebot.spec.nouns.condition import Op
from rulebot.store.queries import Row, StoreReader

SPANS = ("day", "week", "month")


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """One period. name: a day, the Monday of a week, or 2026-10. Profit counts where it is final, commissions off: on
    the day on which the last leg of value was closed, as in `daily_summary`. A wing that expires worthless days after
    the exit ends no trade; one that still brings something does.

    sessions: days on which the engine was there; idle: those of them on which no trade was opened. average: dollars a
    trade; drawdown: the deepest fall of the summed profit below its best so far, within the period. errors: alarms.
    short: what the document expects of a bot and was not reached; each bot is judged by itself there.
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
    closed = [row for row in trades if row["final_pnl"] is not None and row["exit_time"]]
    opened = {str(row["entry_time"])[:10] for row in trades if is_opened(row)}
    days = {str(row["date"]) for row in reader.view("bot_days", **of_bot)} - {each.isoformat() for each in unseen}
    alarms = [
        f"{record.at.astimezone(EXCHANGE_ZONE):%Y-%m-%d}"
        for record in reader.records((Kind.ALARM,))
        if not bot or record.bot in ("", bot)
    ]
    by_name = _grouped(closed, span)
    unpriced = _grouped([row for row in trades if row["status"] == "CLOSED" and row["final_pnl"] is None], span)
    names = sorted({*by_name, *unpriced, *(period_of(day, span) for day in (*days, *alarms))})
    wanted = tuple(expected)
    is_named = not bot and len(reader.bots()) > 1
    found = []
    for name in names:
        own = sorted(day for day in days if period_of(day, span) == name)
        made = [Decimal(str(row["final_pnl"])) for row in by_name.get(name, ())]
        rate, mean = win_rate(made), expectancy(made)
        found.append(
            Period(
                name=name,
                sessions=len(own),
                idle=sum(day not in opened for day in own),
                trades=len(made),
                wins=sum(each > 0 for each in made),
                win_rate=None if rate is None else Decimal(rate),
                average=mean,
                net=sum(made, ZERO),
                drawdown=drawdown(made),
                errors=sum(period_of(day, span) == name for day in alarms),
                short=tuple(_shortfalls(wanted, [*by_name.get(name, ()), *unpriced.get(name, ())], is_named=is_named)),
            )
        )
    return tuple(found)


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
    """Return what one bot did not reach, "" when it did, or when the demand is of no period."""
    judge = _JUDGED.get(demand.shown)
    if judge is None:
        return ""
    name, value_of = judge
    word = "above" if demand.op is Op.ABOVE else "at least"
    bound = f"{demand.bound.normalize():f}%" if demand.shown is Shown.WIN_RATE else dollars(demand.bound)
    if unpriced := sum(row["final_pnl"] is None for row in rows):
        return (
            f"{name} {word} {bound} (the settlement price of the shares of {counted(unpriced, 'trade')} is not known)"
        )
    if owed := sum(bool(row["commissions_owed"]) for row in rows):
        return f"{name} {word} {bound} (the commissions of {counted(owed, 'trade')} are not told yet)"
    value = value_of([Decimal(str(row["final_pnl"])) for row in rows])
    return "" if demand.missed_by(value) is None else f"{name} {word} {bound}"


def _percent_won(made: Sequence[Decimal]) -> Decimal:
    return Decimal(win_rate(made) or 0) * 100


def _average(made: Sequence[Decimal]) -> Decimal:
    return expectancy(made) or ZERO


_JUDGED = {Shown.WIN_RATE: ("win rate", _percent_won), Shown.EXPECTANCY: ("average", _average)}
"""What a period with trades is compared by, and how it is told."""
