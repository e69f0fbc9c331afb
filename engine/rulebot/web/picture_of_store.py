"""The picture of a store alone: what was recorded last, by whichever engine writes it, or wrote it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rulebot.core.bracket_orders import RESTING
from rulebot.core.pnl_at_exits import dollars_at
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.narrate.day_pnl import owed_today
from rulebot.narrate.delayed_data import delayed_on_record
from rulebot.narrate.position_text import exits_text, held_text, live_orders
from rulebot.narrate.text_table import price
from rulebot.narrate.trade_text import closing, holding_of
from rulebot.process.broker_status import connected
from rulebot.record.record import Kind
from rulebot.recovery.operator_state import standing_of, trading_of
from rulebot.spec.nouns.exits import ExitKind
from rulebot.store.queries import OBSERVE, Row, Run, StoreReader
from rulebot.store.upkeep import figures_of_another
from rulebot.web.bots_of_store import bot_lines
from rulebot.web.greek_totals import SymbolGreeks, greeks_of_mark, with_beta
from rulebot.web.known import StoreState, expiry_of, held_of, store_state
from rulebot.web.picture import AlarmLine, OrderLine, PageSnapshot, PositionLine, clock_text

_RESTING = ("target", "stop", "protect")
TOLD = 40
"""Alarms that are shown at most."""


def snapshot_of_store(reader: StoreReader) -> PageSnapshot:
    """Return what the page shows when no engine runs in this process."""
    run = reader.run()
    link, trading = connected(reader, run), trading_of(run)
    positions, orders = reader.view("open_positions"), reader.view("pending_orders")
    system = next(iter(reader.view("system_state")), None)
    at = None if system is None else _instant(system["last_updated"])
    found = None if at is None else store_state(reader, at)
    shown = tuple(_position_line(reader, row, orders, found, at) for row in positions)
    account = _account(reader)
    started = {} if run.started is None else run.started.data
    settings: Any = started.get("settings") or {}
    return PageSnapshot(
        at=at,
        engine=run.state(),
        trading=trading,
        mode=str(settings.get("mode") or ""),
        mark=run.mark,
        is_simulated=bool(started.get("simulated")),
        is_linked=link.is_linked,
        notice=link.words or _notice(run, trading, len(positions) if _has_broker(settings) else 0),
        figures=figures_of_another(reader.path) if run.state() == "stopped" else "",
        account=str(started.get("account") or ""),
        net_liquidation=account["net_liquidation"],
        cash=account["cash"],
        buying_power=account["buying_power"],
        available_funds=account["available_funds"],
        maintenance_margin=account["maintenance_margin"],
        realized=None if found is None else found.realized,
        unrealized=None if found is None else found.open_today(positions),
        commissions_owed=0 if found is None else owed_today(found.state),
        levels=_levels(positions),
        bots=bot_lines(reader, run, found, shown, at),
        positions=shown,
        orders=tuple(_order_line(row) for row in orders),
        late=delayed_on_record(reader),
    )


def alarms_of(reader: StoreReader) -> tuple[AlarmLine, ...]:
    """Return the last alarms, newest first."""
    found = reader.records((Kind.ALARM,))[-TOLD:]
    return tuple(
        AlarmLine(
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
    names = ("net_liquidation", "cash", "buying_power", "available_funds", "maintenance_margin")
    told = reader.last_record(Kind.ACCOUNT)
    data = {} if told is None else told[1].data
    return {name: None if data.get(name) is None else float(str(data[name])) for name in names}


def _has_broker(settings: Mapping[str, Any]) -> bool:
    """Say whether a broker is there without the engine: what was simulated in its own process has ended with it."""
    return settings.get("mode") not in ("backtest", OBSERVE) and ("gateway" in settings or not settings.get("sim"))


def _notice(run: Run, trading: str, still_open: int) -> str:
    """Return what an operator has to know. still_open: positions whose exits an engine would judge."""
    if run.state() == "stopped":
        if run.started is None:
            return "nothing has run on this store"
        reason = "" if run.ended is None else f": {run.ended.data.get('reason')}"
        exits = "" if not still_open else f"; until one does, only what rests at the broker closes {_held(still_open)}"
        return f"no engine runs on this store{reason}{exits}"
    if trading == "active":
        return ""
    reason = standing_of((*run.earlier, *run.requests)).reason
    return f"{f'{reason}: ' if reason else ''}nothing is opened, exits go on; Start lets bots enter again"


def _held(count: int) -> str:
    return "the open position" if count == 1 else f"the {count:,} open positions"


def _levels(positions: Sequence[Row]) -> tuple[tuple[str, float | None], ...]:
    """Return the level of the first underlying of each position, as its last snapshot has it; the newest counts."""
    marked = sorted((row for row in positions if row["underlying_price"] is not None), key=_marked_at)
    return tuple(sorted({row["symbol"].split("/")[0]: row["underlying_price"] for row in marked}.items()))


def _marked_at(row: Row) -> str:
    return str(row["snapshot_time"])


def _position_line(
    reader: StoreReader, row: Row, orders: Sequence[Row], found: StoreState | None, at: datetime | None
) -> PositionLine:
    resting = [each for each in orders if each["position"] == row["position"] and each["purpose"] in _RESTING]
    mark = row["current_mid"]
    position = None if found is None else found.state.positions.get(row["position"])
    bot = None if found is None else found.governing(row["position"])
    exits = "resting: " + ", ".join(_resting(each) for each in resting) if resting else ""
    at_target = at_stop = None
    quantity, worst = held_of(row, position)
    expiry = expiry_of(row, position)
    if found is not None and position is not None and bot is not None and at is not None:
        exits = exits_text(found.program, found.state, position, at.timestamp())
        at_broker = live_orders(found.state, position, *RESTING)
        at_target, at_stop = (dollars_at(bot, position, kind, at_broker) for kind in (ExitKind.TARGET, ExitKind.STOP))
    underlyings = _greeks(reader, row, quantity, found)
    return PositionLine(
        id=row["position"],
        bot=row["strategy_id"],
        structure=holding_of(row) if position is None else held_text(position),
        state=row["state"],
        since=clock_text(_instant(row["entry_time"]), at),
        dte=None if expiry is None or at is None else (expiry - at.date()).days,
        entry=row["entry_price"],
        mark=None if mark is None else closing(mark, row["entry_price"] or 0.0) + 0.0,
        profit=row["unrealized_pnl"],
        underlyings=underlyings,
        exits=exits,
        at_target=None if at_target is None else float(at_target),
        at_stop=None if at_stop is None else float(at_stop),
        max_loss=worst,
        count=quantity,
        is_flattening=position is not None and position.is_flattening,
        waits_to_close=found is not None and position is not None and found.state.waits_to_close(position),
        as_of=row["snapshot_time"] or "",
    )


def _greeks(reader: StoreReader, row: Row, quantity: int, found: StoreState | None) -> tuple[SymbolGreeks, ...]:
    """Return the greeks of an open trade by its last mark, by underlying; of several the mark has them apart."""
    told = reader.last_record(Kind.MARK, row["position"])
    bars = {} if found is None else found.state.facts.bars
    mark = {} if told is None else told[1].data
    return tuple(with_beta(each, bars) for each in greeks_of_mark(mark, row["symbol"], quantity))


def _resting(order: Row) -> str:
    level = order["stop_price"] if order["stop_price"] is not None else order["limit_price"]
    doubt = "" if order["state"] == "working" else f" ({order['state']})"
    return f"{order['reason']} {price(level)}{doubt}"


def _order_line(row: Row) -> OrderLine:
    stop, level = row["stop_price"], row["limit_price"]
    return OrderLine(
        bot=row["strategy_id"],
        words=row["reason"] if row["reason"] == row["purpose"] else f"{row['purpose']} {row['reason']}",
        state=row["state"],
        filled=f"{row['filled']} of {row['quantity']}",
        price=f"stop {price(stop)}" if stop is not None else "at market" if level is None else f"at {price(level)}",
        attempt=row["attempt"],
    )
