"""What the REST interface answers, in the shapes of `rest_models.py`: of a store, of a picture of it, of an engine."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import accumulate, groupby
from typing import Any

from rulebot.documents.load_bots import bot_of
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.narrate.periods import period_of
from rulebot.narrate.snapshot import GREEKS, PositionSnapshot, Snapshot, instant_text, sum_of_known
from rulebot.narrate.snapshot_of_store import StoredRun, last_instant, next_window, positions_of
from rulebot.narrate.trades import structure_of, unprotected_legs_text
from rulebot.process.service import Stage
from rulebot.recovery.resume import trading_of
from rulebot.store.finance import as_text
from rulebot.store.queries import Row, Run, StoreReader
from rulebot.web.rest_models import (
    Account,
    BotStatus,
    Greeks,
    LateData,
    Market,
    OpenPosition,
    Performance,
    Period,
    PositionGreeks,
    PositionRisk,
    Profit,
    Risk,
    Status,
    Trade,
    UnderlyingGreeks,
)

WAITING = Stage.CONNECTING.value
ACTIVE = "ACTIVE"
"""The word of this interface for the status of a trade that the view `trades` calls OPEN."""
DIGITS = 6
"""Decimals of what is added up, or multiplied: those of dollars in the store."""


def status(reader: StoreReader, picture: Snapshot) -> Status:
    """Return /api/status."""
    run, system = reader.run(), _system(reader)
    at = last_instant(reader)
    sizes = {each.bot: each.grown for each in picture.bots}
    bots = [
        BotStatus(
            bot=name,
            state=run.state(name),
            next_scheduled_time=_next(reader, run, name, at),
            quantity=None if (size := sizes.get(name)) is None else size.quantity,
            compliant_sessions=None if size is None else size.compliant,
        )
        for name in sorted(run.specs)
    ]
    waits = picture.engine == WAITING
    coming = [each.next_scheduled_time for each in bots if each.next_scheduled_time]
    return Status(
        is_trading=trading_of(run) == "active" and run.state() != "stopping",
        is_connected=picture.is_linked,
        trading=picture.trading if waits else trading_of(run),
        state=WAITING if waits else run.state(),
        mark=run.mark,
        figures=picture.figures,
        delayed_data=[LateData(symbol=each.symbol, bots=list(each.bots)) for each in picture.late],
        open_positions=int(system.get("open_positions") or 0),
        trades_today=int(system.get("trades_today") or 0),
        errors_today=int(system.get("errors_today") or 0),
        last_updated=system.get("last_updated"),
        next_scheduled_time=min(coming, default=None),
        bots=bots,
    )


def _system(reader: StoreReader) -> Row:
    return next(iter(reader.view("system_state")), {})


def _next(reader: StoreReader, run: Run, name: str, at: datetime | None) -> str | None:
    """Return when a bot's next entry window opens, or when the one that is open now did, New York time.

    Of the time of the last record. None when none is near.
    """
    found = next_window(reader, run, name, at)
    return None if found is None else f"{found[0].astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M:%S}"


# ---------------------------------------------------------------- positions


def positions(reader: StoreReader, picture: Snapshot) -> list[OpenPosition]:
    """Return /api/positions: what the store has of each, and its present values as a picture has them."""
    trades = {row["position"]: row for row in reader.trades(status="OPEN")}
    lines = _lines(reader, picture)
    kept = {} if all(line for _, line in lines) else {each.id: each for each in positions_of(StoredRun(reader))}
    return [_position(row, line, line or kept[row["position"]], trades.get(row["position"], {})) for row, line in lines]


def _lines(reader: StoreReader, picture: Snapshot) -> list[tuple[Row, PositionSnapshot | None]]:
    """Return each open trade with its line of a picture, None where an engine has not shown it yet."""
    lines = {line.id: line for line in picture.positions}
    return [(row, lines.get(row["position"])) for row in reader.view("open_positions")]


def _position(row: Row, line: PositionSnapshot | None, held: PositionSnapshot, trade: Row) -> OpenPosition:
    """Return one position. line: of the picture, None where an engine has not shown it yet; held: else of the store."""
    price, made, at = _worth(row, line)
    return OpenPosition(
        trade_id=row["id"],
        position=row["position"],
        strategy_id=row["strategy_id"],
        structure=held.structure,
        symbol=row["symbol"],
        strike=row["strike"],
        expiration=row["expiration"],
        dte=None if line is None else line.dte,
        quantity=row["quantity"],
        open_quantity=row["quantity"] if line is None else line.count,
        entry_time=row["entry_time"],
        entry_price=row["entry_price"],
        current_price=price,
        spy_strike=trade.get("spy_strike"),
        spx_strike=trade.get("spx_strike"),
        entry_credit=trade.get("entry_credit"),
        current_pnl=_rounded(made),
        pending_commissions=trade.get("pending_commissions", 0),
        status=ACTIVE,
        state=row["state"],
        on_hold=held.on_hold,
        unprotected=""
        if held.unprotected_since is None
        else unprotected_legs_text(held.unprotected, held.unprotected_since),
        as_of=at,
    )


def _worth(row: Row, line: PositionSnapshot | None) -> tuple[float | None, float | None, str | None]:
    """Return what closing costs, what was made and of when that is: now, else as of the last snapshot."""
    if line is None or line.profit is None:
        return row["current_mid"], row["unrealized_pnl"], row["snapshot_time"]
    return None if line.mid is None else line.mid + 0.0, line.profit, instant_text(line.priced_at) or None


def _priced_at(lines: Iterable[tuple[Row, PositionSnapshot | None]], picture: Snapshot) -> str | None:
    """Return the time of the oldest price in the open profit; None where a snapshot has no time.

    It is the time of the snapshot where no open position has a price.
    """
    found = [_worth(row, line)[2] for row, line in lines if line is not None]
    if None in found and picture.unrealized is not None:
        return None
    return min(filter(None, found), default=instant_text(picture.at) or None)


def greeks(reader: StoreReader, picture: Snapshot) -> Greeks:
    """Return /api/positions/greeks."""
    lines = _lines(reader, picture)
    found = [
        PositionGreeks(
            trade_id=row["id"],
            strategy_id=row["strategy_id"],
            as_of=None if line is None else _worth(row, line)[2],
            **{name: None if line is None else _rounded(line.greeks[name]) for name in GREEKS},
        )
        for row, line in lines
    ]
    known = len(picture.positions) == len(lines)
    return Greeks(
        as_of=_priced_at(lines, picture),
        total=_all_rounded(picture.greeks if known else {}),
        dollars=_all_rounded(picture.dollar_greeks if known else {}),
        spx_delta=picture.spx_delta if known else None,
        without_beta=list(picture.without_beta),
        underlyings=[
            UnderlyingGreeks(
                symbol=each.symbol,
                **_all_rounded({name: getattr(each, name) for name in GREEKS}),
                underlying_price=each.price,
                beta=each.beta,
            )
            for each in picture.underlyings
        ],
        positions=found,
    )


def _all_rounded(amounts: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: _rounded(amounts.get(name)) for name in GREEKS}


def risk(reader: StoreReader, picture: Snapshot) -> Risk:
    """Return /api/positions/risk: (entry - target) and (stop - entry) x quantity x 100, each and summed."""
    found = [_risk(row, line) for row, line in _lines(reader, picture)]
    used = picture.account.buying_power_used
    return Risk(
        as_of=instant_text(picture.priced_at) or None,
        maintenance_margin=picture.account.maintenance_margin,
        buying_power_used=None if used is None else round(100 * used, DIGITS),
        max_profit=_rounded(sum_of_known([each.max_profit for each in found])),
        max_loss=_rounded(sum_of_known([each.max_loss for each in found])),
        without_target=sum(each.max_profit is None for each in found),
        without_stop=sum(each.max_loss is None for each in found),
        worst_case=_sum(each.worst_case for each in found),
        positions=found,
    )


def _risk(row: Row, line: PositionSnapshot | None) -> PositionRisk:
    stop = None if line is None else line.at_stop
    return PositionRisk(
        position=row["position"],
        strategy_id=row["strategy_id"],
        max_profit=None if line is None else _rounded(line.at_target),
        max_loss=None if stop is None else round(-stop, DIGITS),
        worst_case=None if line is None else _rounded(line.max_loss),
    )


def _rounded(amount: float | None) -> float | None:
    return None if amount is None else round(amount, DIGITS)


def _sum(found: Iterable[float | None]) -> float | None:
    amounts = list(found)
    known = [each for each in amounts if each is not None]
    return added(known) if len(known) == len(amounts) else None


def added(amounts: Iterable[float]) -> float:
    """Return a sum without the noise of binary fractions behind the digits that the store keeps."""
    return round(sum(amounts, 0.0), DIGITS)


# ---------------------------------------------------------------- trades and profit


def trades(
    reader: StoreReader, first: date | None, last: date | None, state: str | None, limit: int | None
) -> list[Trade]:
    """Return /api/trades: the newest first, of these trade dates and this status."""
    rows = reader.trades(status="OPEN" if state == ACTIVE else state) if state else reader.trades()
    kept = [row for row in rows if is_between(row["trade_date"], first, last)]
    return [_trade(row) for row in kept[::-1][:limit]]


def is_between(day: str | None, first: date | None, last: date | None) -> bool:
    """Say whether a day is within these bounds, where given."""
    if first is None and last is None:
        return True
    return day is not None and (first is None or day >= first.isoformat()) and (last is None or day <= last.isoformat())


def _trade(row: Row) -> Trade:
    same = {name: row[name] for name in Trade.model_fields if name in row}
    same["status"] = ACTIVE if row["status"] == "OPEN" else row["status"]
    return Trade(**same, structure=structure_of(row))


def profit(reader: StoreReader, picture: Snapshot) -> Profit:
    """Return /api/pnl: what was made since the session began, also by positions of earlier days."""
    day = reader.last_day()
    return Profit(
        date=None if day is None else str(day),
        as_of=_priced_at(_lines(reader, picture), picture),
        realized_pnl=_rounded(picture.realized),
        unrealized_pnl=_rounded(picture.unrealized),
        total_pnl=_rounded(picture.today),
        pending_commissions=picture.pending_commissions,
    )


def history(reader: StoreReader, period: str) -> list[Period]:
    """Return /api/pnl/history by day, week or month, oldest first."""
    rows, outstanding = reader.view("daily_summary"), _pending_by_day(reader)
    found = [(name, list(group)) for name, group in groupby(rows, lambda row: period_of(str(row["date"]), period))]
    sums = [added(float(row["net_pnl"]) for row in group) for _, group in found]
    totals = accumulate(sums, lambda total, made: added((total, made)))
    return [
        Period(
            period=name,
            trades_count=sum(row["trades_count"] for row in group),
            net_pnl=made,
            cumulative_pnl=total,
            pending_commissions=sum(outstanding[str(row["date"])] for row in group),
        )
        for (name, group), made, total in zip(found, sums, totals, strict=True)
    ]


def _pending_by_day(reader: StoreReader) -> Counter[str]:
    outstanding: Counter[str] = Counter()
    for row in reader.trades(status="CLOSED"):
        outstanding[str(row["exit_time"])[:10]] += row["pending_commissions"]
    return outstanding


def performance(reader: StoreReader, picture: Snapshot) -> Performance:
    """Return /api/performance."""
    system, worst = _system(reader), _most_a_day(reader.run())
    return Performance(
        as_of=_priced_at(_lines(reader, picture), picture),
        daily_realized_pnl=_rounded(picture.realized),
        unrealized_pnl=_rounded(picture.unrealized),
        total_pnl=_rounded(picture.today),
        pending_commissions=picture.pending_commissions,
        max_daily_loss=worst,
        risk_breached=_is_breached(picture.today, worst),
        trades_count=int(system.get("trades_today") or 0),
        active_positions=int(system.get("open_positions") or 0),
    )


def _is_breached(made: float | None, worst: float | None) -> bool | None:
    """Say whether a day that has made so much has lost the most that it may; None while that is not known."""
    if worst is None:
        return False
    return None if made is None else made <= -worst


def _most_a_day(run: Run) -> float | None:
    """Return the most that a day may lose: of the account document, else of all bots added up if each has its own."""
    limits: Mapping[str, Any] = run.limits or {}
    if (most := limits.get("daily_loss")) is not None:
        return float(str(most))
    bots = [bot_of(run, name) for name in run.specs]
    own = [float(bot.plan.risk.day.loss) for bot in bots if bot is not None and bot.plan.risk.day.loss is not None]
    return added(own) if own and len(own) == len(bots) else None


# ---------------------------------------------------------------- account and market


def account(picture: Snapshot) -> Account:
    """Return /api/account."""
    return Account(
        account_id=picture.account.id,
        net_liquidation=picture.account.net_liquidation,
        total_cash=picture.account.cash,
        available_funds=picture.account.available_funds,
        buying_power=picture.account.buying_power,
        maintenance_margin=picture.account.maintenance_margin,
        shares=None if picture.shares is None else dict(picture.shares),
    )


def market(picture: Snapshot) -> Market:
    """Return /api/market."""
    levels = dict(picture.levels)
    return Market(
        spy_price=levels.get("SPY"), spx_price=levels.get("SPX"), vix=levels.get("VIX"), spx_spy_ratio=picture.ratio
    )


def columns_of(found: Sequence[Trade]) -> list[list[Any]]:
    """Return trades as rows of a table of CSV, with a head."""
    names = list(Trade.model_fields)
    return [names, *([as_text(getattr(each, name)) for name in names] for each in found)]
