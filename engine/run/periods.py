"""What trading came to by day, week or month, beside what the account document expects of a bot (row B11)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby

from engine.model.money import ZERO, dollars
from engine.model.performance import expectancy, win_rate
from engine.model.session import EXCHANGE_ZONE
from engine.model.values import dataclass
from engine.record.record import Kind
from engine.run.trade_text import is_opened
from engine.spec.nouns.account import Demand, Shown
from engine.spec.nouns.condition import Op
from engine.store.queries import Row, StoreReader

SPANS = ("day", "week", "month")


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """One period. name: a day, the Monday of a week, or 2026-10. Profit counts where it is final, commissions off: on
    the day on which nothing of the trade is held any more, as in `daily_summary`. A wing that expires days after the
    exit may still have brought something, and its trade ends with it.

    sessions: days on which the engine was there; idle: those of them on which no trade was opened. average: dollars a
    trade; drawdown: the deepest fall of the summed profit below its best so far, within the period. errors: alarms.
    short: what the document expects and was not reached.
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


def periods(reader: StoreReader, span: str, bot: str = "", expected: Iterable[Demand] = ()) -> tuple[Period, ...]:
    """Return every period in which the engine was there or a trade was closed, oldest first; `bot` "" is all of them.

    expected: of the demands on a record those on the win rate and on the expectancy are compared with each period that
    has a trade. Raises: StoreError.
    """
    of_bot = {"strategy_id": bot} if bot else {}
    trades = reader.view("trades", **of_bot)
    closed = [row for row in trades if row["final_pnl"] is not None and row["exit_time"]]
    opened = {str(row["entry_time"])[:10] for row in trades if is_opened(row)}
    days = {str(row["date"]) for row in reader.view("bot_days", **of_bot)}
    alarms = [
        f"{record.at.astimezone(EXCHANGE_ZONE):%Y-%m-%d}"
        for record in reader.records((Kind.ALARM,))
        if not bot or record.bot in ("", bot)
    ]
    by_name = _grouped(closed, span)
    names = sorted({*by_name, *(period_of(day, span) for day in (*days, *alarms))})
    wanted = tuple(expected)
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
                drawdown=_drawdown(made),
                errors=sum(period_of(day, span) == name for day in alarms),
                short=_short(wanted, rate, mean),
            )
        )
    return tuple(found)


def _grouped(closed: Sequence[Row], span: str) -> Mapping[str, list[Row]]:
    ordered = sorted(closed, key=lambda row: (str(row["exit_time"]), row["id"]))
    return {
        name: list(rows) for name, rows in groupby(ordered, lambda row: period_of(str(row["exit_time"])[:10], span))
    }


def _drawdown(made: Iterable[Decimal]) -> Decimal:
    total = best = deepest = ZERO
    for each in made:
        total += each
        best = max(best, total)
        deepest = max(deepest, best - total)
    return deepest


def _short(expected: Iterable[Demand], rate: Decimal | None, mean: Decimal | None) -> tuple[str, ...]:
    """Return what was expected of a period with trades and not reached, in words."""
    if rate is None or mean is None:
        return ()
    values = {Shown.WIN_RATE: rate * 100, Shown.EXPECTANCY: mean}
    found = []
    for demand in expected:
        value = values.get(demand.shown)
        if value is None or demand.missed_by(value) is None:
            continue
        word = "above" if demand.op is Op.ABOVE else "at least"
        bound = f"{demand.bound.normalize():f}%" if demand.shown is Shown.WIN_RATE else dollars(demand.bound)
        name = "win rate" if demand.shown is Shown.WIN_RATE else "average"
        found.append(f"{name} {word} {bound}")
    return tuple(found)
