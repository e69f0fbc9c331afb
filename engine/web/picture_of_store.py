"""The picture of a store alone: what was recorded last, by whichever engine writes it, or wrote it."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from engine.model.session import EXCHANGE_ZONE
from engine.record.record import Kind
from engine.run.columns import price
from engine.run.trade_text import structure_of
from engine.store.queries import Row, Run, StoreReader
from engine.web.picture import GREEKS, BotLine, OrderLine, Picture, PositionLine, Told, clock_text

_RESTING = ("target", "stop", "protect")
TOLD = 40
"""Alarms that are shown at most."""


def picture_of_store(reader: StoreReader) -> Picture:
    """Return what the page shows when no engine runs in this process."""
    run = reader.run()
    positions, orders = reader.view("open_positions"), reader.view("pending_orders")
    system = next(iter(reader.view("system_state")), None)
    at = None if system is None else _instant(system["last_updated"])
    day = reader.last_day()
    account = _account(reader)
    started = {} if run.started is None else run.started.data
    settings: Any = started.get("settings") or {}
    return Picture(
        at=at,
        engine=run.state(),
        trading=run.trading,
        mode=str(settings.get("mode") or ""),
        is_simulated=bool(started.get("simulated")),
        notice=_notice(run),
        account=str(started.get("account") or ""),
        net_liquidation=account["net_liquidation"],
        cash=account["cash"],
        buying_power=account["buying_power"],
        realized=float(system["daily_pnl"]) if system else 0.0,
        unrealized=sum(row["unrealized_pnl"] or 0.0 for row in positions),
        levels=_levels(positions),
        bots=tuple(_bot_line(name, reader, run, day, at) for name in sorted(run.specs)),
        positions=tuple(_position_line(row, orders, at) for row in positions),
        orders=tuple(_order_line(row) for row in orders if row["purpose"] not in _RESTING),
    )


def alarms_of(reader: StoreReader) -> tuple[Told, ...]:
    """Return the last alarms, newest first."""
    found = reader.records((Kind.ALARM,))[-TOLD:]
    return tuple(
        Told(
            clock=f"{record.at.astimezone(EXCHANGE_ZONE):%b %d %H:%M}",
            bot=record.bot,
            text=str(record.data["text"]),
            tone="alarm",
        )
        for record in reversed(found)
    )


def _instant(text: str | None) -> datetime | None:
    """Return the time that a view tells in New York words."""
    return None if not text else datetime.fromisoformat(text).replace(tzinfo=EXCHANGE_ZONE)


def _account(reader: StoreReader) -> dict[str, float | None]:
    names = ("net_liquidation", "cash", "buying_power")
    told = reader.records((Kind.ACCOUNT,))
    data = told[-1].data if told else {}
    return {name: None if data.get(name) is None else float(str(data[name])) for name in names}


def _notice(run: Run) -> str:
    if run.state() == "stopped":
        reason = "" if run.ended is None else f": {run.ended.data.get('reason')}"
        return f"no engine runs on this store{reason}" if run.started is not None else "nothing has run on this store"
    return "" if run.trading == "active" else "nothing is opened, exits go on; Start lets bots enter again"


def _levels(positions: Sequence[Row]) -> tuple[tuple[str, float | None], ...]:
    found = {row["symbol"]: row["underlying_price"] for row in positions if row["underlying_price"] is not None}
    return tuple(sorted(found.items()))


def _bot_line(name: str, reader: StoreReader, run: Run, day: date | None, at: datetime | None) -> BotLine:
    state = run.state(name)
    row = next(iter(reader.view("bot_days", strategy_id=name, date=str(day)) if day else ()), None)
    held = reader.view("open_positions", strategy_id=name)
    doing = "halted" if row and row["halted"] else "open" if held else state
    words = "" if row is None else " ".join((row["halted"] or row["skipped"] or "").split())
    return BotLine(
        bot=name,
        doing=doing,
        since=clock_text(_instant(held[0]["entry_time"]), at) if held else "",
        position=", ".join(structure_of(each) for each in held),
        profit=None if row is None else float(row["realized"] or 0.0),
        waits=words,
    )


def _position_line(row: Row, orders: Sequence[Row], at: datetime | None) -> PositionLine:
    quantity = row["quantity"]
    expiry = date.fromisoformat(row["expiration"]) if row["expiration"] else None
    resting = [each for each in orders if each["position"] == row["position"] and each["purpose"] in _RESTING]
    mark = row["current_mid"]
    greeks = {name: None if row[name] is None else float(row[name]) * quantity * 100 for name in GREEKS}
    return PositionLine(
        id=row["position"],
        bot=row["strategy_id"],
        structure=structure_of(row),
        state=row["state"],
        since=clock_text(_instant(row["entry_time"]), at),
        dte=None if expiry is None or at is None else (expiry - at.date()).days,
        entry=row["entry_price"],
        mark=None if mark is None else -mark,
        profit=row["unrealized_pnl"],
        delta=greeks["delta"],
        gamma=greeks["gamma"],
        theta=greeks["theta"],
        vega=greeks["vega"],
        exits="resting: " + ", ".join(_resting(each) for each in resting) if resting else "",
        max_loss=None if row["max_risk"] is None else row["max_risk"] * quantity,
    )


def _resting(order: Row) -> str:
    level = order["stop_price"] if order["stop_price"] is not None else order["limit_price"]
    doubt = "" if order["state"] == "working" else f" ({order['state']})"
    return f"{order['reason']} {price(level)}{doubt}"


def _order_line(row: Row) -> OrderLine:
    level = row["limit_price"]
    return OrderLine(
        bot=row["strategy_id"],
        words=f"{row['purpose']} {row['reason']}",
        state=row["state"],
        filled=f"{row['filled']} of {row['quantity']}",
        price="at market" if level is None else f"at {price(level)}",
        attempt=row["attempt"],
    )
