"""Results of a backtest, read from its store: trades, the account by day, sums, and faults of the data.

Formulas: `model/performance.py` for the Sharpe ratio (of the account's change by session), win rate and expectancy.
Profit factor: dollars won by dollars lost. Drawdown: distance of the account below its best so far at the end of a
session. Profit of a trade is net of commissions; assigned shares count in the account by their price, not in a trade,
whose `worth` is the distance of its strikes from the market.
"""

import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from statistics import median
from typing import Any

from rulebot.backtest import entry_funnel as funnel
from rulebot.backtest.caveats import KnownBias, alarms_of, known_bias
from rulebot.backtest.entry_funnel import EntryFunnel
from rulebot.backtest.fill_model import NATURAL, RECORDED
from rulebot.backtest.sampling import FINDING, HELD, NO_DATA, REGIME
from rulebot.backtest.scheduler import SETTLES
from rulebot.documents.load_bots import compile_text
from rulebot.model.contract import LOT
from rulebot.model.errors import StoreError
from rulebot.model.money import ZERO, cents, signed_dollars
from rulebot.model.performance import (
    average_loss,
    average_win,
    below_best,
    expectancy,
    longest_below,
    losing_streak,
    sharpe,
    sharpe_error,
    win_rate,
)
from rulebot.model.position import end_of_row
from rulebot.model.session import exchange_date, session_after, session_from
from rulebot.model.text import counted
from rulebot.model.values import dataclass
from rulebot.narrate.periods import Period, periods
from rulebot.narrate.trades import (
    InShares,
    TargetResult,
    asked_for,
    is_entered,
    is_opened,
    left_at,
    parts_closed,
    read_in_shares,
    read_profit_kept,
    structure_of,
)
from rulebot.record.record import Kind, Record
from rulebot.recovery.resume import spec_texts
from rulebot.spec.nouns import Demand
from rulebot.store.place import Place
from rulebot.store.queries import Row, StoreReader

# --- The sessions of a backtest

MARGIN_TOOK_ALL = "the margin of what was held, by its worst case, took all that the account had"
NOT_CARRIED = "a broker may refuse such entries, or close some of it"
"""What it is that a session was strained, and what comes of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedTrade:
    """One position from its first fill to its close, or to the last session while open (`left` is None).

    Units: entry and exit are net prices per share as in the views; given: distance of its entry fill from the mid, in
    dollars a share, positive when it cost something; None for rolls. asked: structures that its entry requested, of
    which `quantity` filled. parts: the exits that closed a part before `reason` closed the rest, each once. vix: at the
    first instant of the session. in_shares: it was assigned or exercised; its shares count in `net` at the settlement
    price, and later changes in the account only. worth: the part of `net` from those; None for other trades, and while
    that price is unknown (`InShares`).
    """

    name: str
    bot: str
    symbol: str
    structure: str
    quantity: int
    asked: int
    entered: str
    left: str | None
    entry: float | None
    exit: float | None
    given: float | None
    parts: tuple[str, ...]
    reason: str
    commissions: Decimal
    net: Decimal
    vix: float | None
    in_shares: bool
    worth: Decimal | None
    why: str

    @property
    def filled(self) -> str:
        """What was opened: `3 x 5920/5930p`, of an entry that filled in part `5920/5930p, 1 of 3`."""
        return filled_words(self.structure, self.quantity, self.asked)

    @property
    def exits(self) -> str:
        """All that closed it, in their order: `half, target`."""
        return exits_words(self.parts, self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDay:
    """One session of the account: its value at the end, its change, trades opened and closed.

    has_data: otherwise it was run only for held positions. is_strained: the margin estimate of the holdings once left
    nothing free.
    """

    date: date
    equity: Decimal
    profit: Decimal
    vix: float | None
    opened: int
    closed: int
    has_data: bool = True
    is_strained: bool = False


def filled_words(structure: str, quantity: int, asked: int) -> str:
    """Return what was opened, with how many were asked for where not all of them filled."""
    return f"{structure}, {quantity} of {asked}" if quantity < asked else structure


def exits_words(parts: Iterable[str], reason: str) -> str:
    """Return the exits that closed a trade in words: those that closed parts of it, and the one that ended it."""
    return ", ".join([*parts, reason])


# --- Further figures of a backtest's closed trades and its account, by which people compare ways of trading


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceFigures:
    """What they are. None where there is nothing to make one of.

    average_win, average_loss: dollars a trade. losing_streak: trades in a row, by when they were left. premium_kept: 1
    is all. held: minutes from the first fill until a trade was left, nights and weekends included, in the median.
    below_best: sessions in a row that the account ended below its best.
    """

    average_win: Decimal | None
    average_loss: Decimal | None
    losing_streak: int
    premium_kept: float | None
    held: float | None
    below_best: int


def figures_of(trades: Sequence[ClosedTrade], days: Sequence[AccountDay]) -> PerformanceFigures:
    """Return the figures of the trades that are closed, and of the account at the end of each session."""
    closed = sorted((trade for trade in trades if trade.left is not None), key=lambda trade: str(trade.left))
    made = [trade.net for trade in closed]
    win, loss = average_win(made), average_loss(made)
    began = [day.equity - day.profit for day in days[:1]]
    spans = [_minutes(trade) for trade in closed]
    return PerformanceFigures(
        average_win=None if win is None else cents(win),
        average_loss=None if loss is None else cents(loss),
        losing_streak=losing_streak(made),
        premium_kept=_premium_kept(closed),
        held=round(median(spans), 1) if spans else None,
        below_best=longest_below([*began, *(day.equity for day in days)]),
    )


def _premium_kept(trades: Sequence[ClosedTrade]) -> float | None:
    of_credit = (trade for trade in trades if trade.entry is not None and trade.entry > 0)
    sold = [(trade.net, _premium(trade)) for trade in of_credit]
    premium = sum((premium for _, premium in sold), ZERO)
    return round(float(sum((net for net, _ in sold), ZERO) / premium), 6) if premium else None


def _premium(trade: ClosedTrade) -> Decimal:
    return Decimal(str(trade.entry)) * trade.quantity * LOT


def _minutes(trade: ClosedTrade) -> float:
    entered, left = (datetime.fromisoformat(str(at)) for at in (trade.entered, trade.left))
    return (left - entered).total_seconds() / 60.0


def figure_words(found: PerformanceFigures) -> list[tuple[str, str]]:
    """Return what each figure is called, and its value as people read it; nothing of those that there are not."""
    kept, held, below = found.premium_kept, found.held, found.below_best
    reported = (
        ("average winner", None if found.average_win is None else signed_dollars(found.average_win)),
        ("average loser", None if found.average_loss is None else signed_dollars(found.average_loss)),
        ("losses in a row", f"{found.losing_streak}" if found.losing_streak else None),
        ("premium kept", None if kept is None else f"{round(kept * 100, 1) + 0.0:g} %"),
        ("median time in a trade", None if held is None else _time_words(held)),
        ("longest below its best", counted(below, "session") if below else None),
    )
    return [(name, value) for name, value in reported if value is not None]


def _time_words(minutes: float) -> str:
    """Return how long that is: 35m, 3h 10m, 12 days."""
    hours, rest = divmod(round(minutes), 60)
    if hours >= 48:
        return f"{hours / 24:.0f} days"
    return f"{hours}h {rest:02d}m" if hours else f"{rest}m"


# --- What came of a backtest, read from its store

VIX_EDGES = (12.0, 15.0, 20.0, 25.0, 35.0)
"""Edges between which a session's first VIX is classified."""
_KINDS = (*funnel.KINDS, Kind.ACCOUNT, Kind.ALARM, Kind.RUN_STARTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeSums:
    """Sums over a list of closed trades. None where there is none."""

    trades: int
    wins: int
    win_rate: float | None
    net: Decimal
    commissions: Decimal
    expectancy: Decimal | None
    best: Decimal | None
    worst: Decimal | None
    profit_factor: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """All results. settings: the options of the backtest. findings: rows of faults in the data.

    kept: what each exit kept of its promise. holds_shares: shares were held, or short, over a night. bias: that of
    modelled prices, None for quotes.
    """

    settings: Mapping[str, Any]
    version: str
    digests: Mapping[str, str]
    days: tuple[AccountDay, ...]
    trades: tuple[ClosedTrade, ...]
    all: TradeSums
    by_bot: Mapping[str, TradeSums]
    by_reason: Mapping[str, TradeSums]
    kept: tuple[TargetResult, ...]
    by_vix: Mapping[str, TradeSums]
    by_hour: Mapping[str, TradeSums]
    profit: Decimal
    max_drawdown: Decimal
    figures: PerformanceFigures
    sharpe: float | None
    sharpe_error: float | None
    holds_shares: bool
    months: tuple[Period, ...]
    funnels: tuple[EntryFunnel, ...]
    alarms: Mapping[str, int]
    findings: tuple[Mapping[str, Any], ...]
    bias: KnownBias | None
    shown: str


def read_results(store: Place, shown: str, expected: Sequence[Demand] = ()) -> Results:
    """Return the results of a store; `shown` is its name for people. Raises: StoreError when it holds no backtest.

    expected: what the account document demands of a record, which each month is compared with.
    """
    with StoreReader(store) as reader:
        records = reader.records(_KINDS)
        trades, orders = reader.view("trades"), _by_position(reader.view("orders"))
        bots, in_shares = reader.bots(), {each.position: each for each in read_in_shares(reader)}
        kept = tuple(read_profit_kept(reader))
        unseen = {exchange_date(record.at) for record in _facts(records, NO_DATA)}
        months = periods(reader, "month", expected=expected, unseen=unseen)
    started, settings = _run_of(records, shown)
    vix = _vix(records)
    opened = [row for row in trades if is_opened(row)]
    found = tuple(
        _trade(row, orders.get(row["position"], ()), vix, shown, in_shares.get(str(row["position"]))) for row in opened
    )
    closed = [trade for trade in found if trade.left is not None]
    days = _days(records, settings, vix, found, unseen)
    profits = of_sessions(days)
    entered = {name: _entered(name, found) for name in bots}
    specs: Any = started.data["specs"]
    return Results(
        settings=settings,
        version=str(started.data["version"]),
        digests={name: each["digest"] for name, each in specs.items()},
        days=days,
        trades=found,
        all=sums(closed),
        by_bot={name: sums([each for each in closed if each.bot == name]) for name in bots},
        by_reason=_grouped(closed, lambda trade: trade.exits),
        kept=kept,
        by_vix=by_regime(closed),
        by_hour=_grouped(closed, lambda trade: trade.entered[11:13] + ":00"),
        profit=sum((day.profit for day in days), ZERO),
        max_drawdown=_deepest(days),
        figures=figures_of(found, days),
        sharpe=sharpe(profits),
        sharpe_error=sharpe_error(profits),
        holds_shares=_holds_shares(records, days),
        months=months,
        funnels=funnel.funnels(records, bots, entered, choosing_freely(records, specs)),
        alarms=alarms_of(records),
        findings=tuple(map(_finding, _facts(records, FINDING))),
        bias=known_bias(opened) if settings.get("is_modelled") else None,
        shown=shown,
    )


def _run_of(records: Sequence[Record], shown: str) -> tuple[Record, Any]:
    """Return the last start with its settings. Raises: StoreError when it is not of a backtest."""
    started = next((record for record in reversed(records) if record.kind is Kind.RUN_STARTED), None)
    settings: Any = None if started is None else started.data.get("settings")
    if started is None or not settings or settings.get("mode") != "backtest":
        raise StoreError(f"{shown} holds no backtest", "'rulebot summary' sums up what a run has traded")
    return started, settings


def _deepest(days: Sequence[AccountDay]) -> Decimal:
    return max((fall for _, fall in drawdowns(days)), default=ZERO)


def _entered(bot: str, trades: Iterable[ClosedTrade]) -> frozenset[date]:
    """Return the sessions in which a bot entered."""
    return frozenset(_day_of(each.entered) for each in trades if each.bot == bot)


def _facts(records: Sequence[Record], name: str) -> list[Record]:
    return [record for record in records if _is_fact(record, name)]


def span_words(settings: Mapping[str, Any], days: Sequence[date]) -> str:
    """Return what to say where sessions were asked for before the first that the data has, or after the last."""
    first, last = (date.fromisoformat(str(settings[name])) for name in ("from", "to"))
    if not days or not (session_from(first).date < days[0] or session_after(days[-1]).date <= last):
        return ""
    return f"the data is of {days[0]} to {days[-1]} alone" if len(days) > 1 else f"the data is of {days[0]} alone"


def brought_words(settings: Mapping[str, Any]) -> str:
    """Return what to say of the shares that the account began with, "" of none."""
    shares = ", ".join(f"{count:,} {symbol}" for symbol, count in settings.get("shares", {}).items())
    return f"began with shares: {shares}; what they made is in the account alone" if shares else ""


def undivided_words(*, holds_shares: bool) -> str:
    """Return what to say of dividends, "" where no shares were held over a night."""
    return "shares were held over nights: dividends on them are not counted" if holds_shares else ""


def unfilled_words(tried: int, entered: int, fills: str) -> str:
    """Return the note about a bot whose sent entries never filled at natural prices, "" for another."""
    if not tried or entered or fills != NATURAL.name:
        return ""
    return "none of its orders filled: natural fills need the other side's price; --fills mid or mid+PART need less"


def ruined_words(equities: Mapping[str, Decimal | float]) -> str:
    """Return what to say where the account was worth less than nothing at the end of sessions, "" where it never was.

    equities: by day.
    """
    below = [day for day, equity in equities.items() if equity < 0]
    if not below:
        return ""
    when = f"on {below[0]}" if len(below) == 1 else f"at the end of {len(below)} sessions, first on {below[0]}"
    return f"the account was below zero {when}: a broker would have stopped these bots"


def strained_words(days: Sequence[str]) -> str:
    """Return what to say of sessions in which what was held left the account nothing free, "" where there is none."""
    if not days:
        return ""
    when = f"on {days[0]}" if len(days) == 1 else f"in {len(days)} sessions, first on {days[0]}"
    return f"{MARGIN_TOOK_ALL} {when}: {NOT_CARRIED}"


def sums(trades: Sequence[ClosedTrade]) -> TradeSums:
    """Return what closed trades add up to."""
    made = [trade.net for trade in trades]
    won, lost = sum((each for each in made if each > 0), ZERO), -sum((each for each in made if each < 0), ZERO)
    rate, mean = win_rate(made), expectancy(made)
    return TradeSums(
        trades=len(made),
        wins=sum(each > 0 for each in made),
        win_rate=None if rate is None else round(float(rate), 6),
        net=sum(made, ZERO),
        commissions=sum((trade.commissions for trade in trades), ZERO),
        expectancy=None if mean is None else cents(mean),
        best=max(made, default=None),
        worst=min(made, default=None),
        profit_factor=round(float(won / lost), 6) if lost else None,
    )


def of_sessions(days: Iterable[AccountDay]) -> list[Decimal]:
    """Return what each session with data has changed; what one without changed counts in the next one that has some.

    So a sweep counts, too. Behind the last one with data it counts there.
    """
    found, before = [], ZERO
    for day in days:
        before += day.profit
        if day.has_data:
            found.append(before)
            before = ZERO
    if found:
        found[-1] += before
    return found


def sessions_words(have_data: Sequence[bool], source: str) -> str:
    """Return how many sessions there were, and with data. have_data: whether each had some."""
    words = f"{counted(sum(have_data), 'session')} of {source}"
    if lacks := len(have_data) - sum(have_data):
        words += f", and {lacks} without data, for what was held"
    return words


def drawdowns(days: Sequence[AccountDay]) -> list[tuple[date, Decimal]]:
    """Return the drawdown of the account at the end of each session, its start included."""
    began = [day.equity - day.profit for day in days[:1]]
    fallen = below_best([*began, *(day.equity for day in days)])
    return [(day.date, fall) for day, fall in zip(days, fallen[1:], strict=True)]


def regime(vix: float | None) -> str:
    """Return between which edges a VIX is, in words."""
    if vix is None:
        return "VIX unknown"
    below = [edge for edge in VIX_EDGES if vix >= edge]
    above = [edge for edge in VIX_EDGES if vix < edge]
    if not below:
        return f"VIX below {above[0]:.0f}"
    return f"VIX {below[-1]:.0f} to {above[0]:.0f}" if above else f"VIX from {below[-1]:.0f}"


REGIMES = (regime(0.0), *map(regime, VIX_EDGES), regime(None))
"""What `regime` returns, from the lowest VIX to the highest, and last where it is not known."""


def by_regime(trades: Iterable[ClosedTrade]) -> dict[str, TradeSums]:
    """Return what the trades of each regime add up to, the lowest VIX first."""
    found = _grouped(trades, lambda trade: regime(trade.vix))
    return {name: found[name] for name in REGIMES if name in found}


def _grouped(trades: Iterable[ClosedTrade], name: Callable[[ClosedTrade], str]) -> dict[str, TradeSums]:
    found: dict[str, list[ClosedTrade]] = {}
    for trade in trades:
        found.setdefault(name(trade), []).append(trade)
    return {key: sums(found[key]) for key in sorted(found)}


# ---------------------------------------------------------------- read from records


def choosing_freely(records: Iterable[Record], specs: Mapping[str, Any]) -> frozenset[str]:
    """Return the bots that have an alternative of `choose` without conditions: it is taken where no other one is."""
    choosing = {each.bot for each in records if each.kind is Kind.VERDICT and each.data["place"] == funnel.CHOICE}
    found = set()
    for text in spec_texts({name: reported for name, reported in specs.items() if name in choosing}):
        with suppress(StoreError):  # of a version that read it otherwise
            bot = compile_text(text)
            shapes = (bot, *(member.bot for member in bot.members))
            found |= {text.name for shape in shapes if any(not choice.when for choice in shape.choices)}
    return frozenset(found)


def _is_fact(record: Record, what: str) -> bool:
    return record.kind is Kind.FACTS and record.data["what"] == what


def _holds_shares(records: Iterable[Record], days: Sequence[AccountDay]) -> bool:
    """Say whether shares were held at the end of a session that another one follows."""
    held = (record for record in records if _is_fact(record, HELD) and record.data["value"])
    return any(exchange_date(record.at) < days[-1].date for record in held)


def _vix(records: Iterable[Record]) -> dict[date, float]:
    return {
        exchange_date(record.at): float(str(record.data["value"]))
        for record in records
        if _is_fact(record, "open") and record.data["symbol"] == REGIME
    }


def _by_position(orders: Iterable[Row]) -> Mapping[str, Sequence[Row]]:
    found: dict[str, list[Row]] = {}
    for each in orders:
        found.setdefault(str(each["position"]), []).append(each)
    return found


def _trade(
    row: Row, orders: Sequence[Row], vix: Mapping[date, float], shown: str, in_shares: InShares | None
) -> ClosedTrade:
    entered = str(row["entry_time"])
    day, is_closed = _day_of(entered), row["exit_time"] is not None and row["final_pnl"] is not None
    filled, mid = row["entry_price"], row["entry_mid"]
    return ClosedTrade(
        name=str(row["position"]),
        bot=str(row["strategy_id"]),
        symbol=str(row["symbol"]),
        structure=structure_of(row),
        quantity=int(row["quantity"]),
        asked=max(asked_for(row, orders), int(row["quantity"])),
        entered=entered,
        left=left_at(row, orders) if is_closed else None,
        entry=filled,
        exit=row["exit_price"] if is_closed else None,
        given=None if filled is None or mid is None or not is_entered(orders) else round(float(mid) - float(filled), 4),
        parts=tuple(dict.fromkeys(str(each["exit"]) for each in parts_closed(row, orders, ()))),
        reason=end_of_row(row) if is_closed else "open",
        commissions=_money(row["commissions"]),
        net=_money(row["final_pnl"]) if is_closed else ZERO,
        vix=vix.get(day),
        in_shares=in_shares is not None,
        worth=None if in_shares is None else in_shares.worth,
        why=f"rulebot why {row['strategy_id']} --date {day} --at {entered[11:19]} --store {shlex.quote(shown)}",
    )


def _days(
    records: Iterable[Record],
    settings: Mapping[str, Any],
    vix: Mapping[date, float],
    trades: Sequence[ClosedTrade],
    unseen: Collection[date],
) -> tuple[AccountDay, ...]:
    """Return the sessions of the account. Where they are apart, each began with the same; what they made adds up.

    unseen: those without data.
    """
    every = list(records)
    is_recorded = settings["fills"] == RECORDED.name
    started, ended = _worths(every, is_recorded=is_recorded)
    strained = frozenset() if is_recorded else strained_days(every)
    order = dict.fromkeys(exchange_date(record.at) for record in every if record.kind is Kind.SESSION)
    equity = cash = Decimal(str(settings["cash"]))
    if is_recorded:
        equity = next((started[day] for day in order if day in started), cash)
    found = []
    for day in order:
        before = equity
        if settings["sessions_apart"]:
            equity += ended[day] - started.get(day, cash) if day in ended else ZERO
        else:
            equity = ended.get(day, equity)
        found.append(
            AccountDay(
                date=day,
                equity=equity,
                profit=equity - before,
                vix=vix.get(day),
                opened=sum(_day_of(trade.entered) == day for trade in trades),
                closed=sum(trade.left is not None and _day_of(trade.left) == day for trade in trades),
                has_data=day not in unseen,
                is_strained=day in strained,
            )
        )
    return tuple(found)


def _worths(records: Iterable[Record], *, is_recorded: bool) -> tuple[dict[date, Decimal], dict[date, Decimal]]:
    """Return the account's value at the begin and end of each session.

    A recorded account is reported as it was, with others' holdings and trades. Its starting cash counts; its bots'
    results follow when a session is settled.
    """
    started: dict[date, Decimal] = {}
    ended: dict[date, Decimal] = {}
    for record in records:
        if record.kind is not Kind.ACCOUNT or record.data.get("net_liquidation") is None:
            continue
        day, worth = exchange_date(record.at), Decimal(str(record.data["net_liquidation"]))
        settled = session_from(day).close + SETTLES
        if not is_recorded or record.at == settled:
            ended[day] = worth
        if not is_recorded:
            started.setdefault(day, worth)
        elif record.at < settled and record.data.get("cash") is not None:
            started.setdefault(day, Decimal(str(record.data["cash"])))
    return started, ended


def strained_days(records: Iterable[Record]) -> frozenset[date]:
    """Return the sessions in which the account once had nothing to buy with: its margin was all it had, or more."""
    reported = (record for record in records if record.kind is Kind.ACCOUNT)
    powers = ((exchange_date(record.at), record.data.get("buying_power")) for record in reported)
    return frozenset(day for day, power in powers if power is not None and not Decimal(str(power)))


def _finding(record: Record) -> Mapping[str, Any]:
    names = ("file", "row", "severity", "text")
    return {"date": exchange_date(record.at), "count": record.data["value"], **{n: record.data[n] for n in names}}


def _day_of(text: str) -> date:
    return date.fromisoformat(text[:10])


def _money(amount: Any) -> Decimal:
    """Return dollars as the store has them: recorded commissions have parts of cents, which add up."""
    return Decimal(f"{float(amount or 0.0):.6f}")
