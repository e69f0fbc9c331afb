"""The task in nautilus_trader, run by `benchmarks.peers` in the anchors' interpreter.

Every option is an instrument whose quotes go through its matching engine; four market orders open and close a position,
and credit and cost are what they filled at. Its quotes carry no deltas: the strategy is handed them. For `minutes` and
`ticks` it is woken by VIX and reads the options from the engine's cache, the fastest way to do the task there; for
`every` it hears each quote and judges at those that concern it.
"""

import warnings
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, RiskEngineConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import AccountType, AssetClass, OmsType, OptionKind, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TraderId, Venue
from nautilus_trader.model.instruments import Equity, OptionContract
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.persistence.wranglers import QuoteTickDataWrangler
from nautilus_trader.trading.strategy import Strategy

from benchmarks.peer import Trade, serve
from benchmarks.quotes import OPTIONS, SPX_ROW, VIX_ROW, Session, at_levels, read_minutes, read_ticks
from benchmarks.task import Task, reason_to_leave

VENUE = Venue("CBOE")
SPX, VIX = InstrumentId.from_str("SPX.CBOE"), InstrumentId.from_str("VIX.CBOE")
SIDE = OPTIONS // 2
MINUTE = 60_000_000_000
DAY = 1440 * MINUTE


@dataclass
class Held:
    """A position: its rows (short call and put, long call and put), minute of entry, and dollars a share so far."""

    rows: tuple[int, int, int, int]
    minute: int
    cash: float = 0.0
    credit: float = 0.0
    left: int = -1
    reason: str = ""
    fills: int = 0


@dataclass
class Day:
    """One session as the strategy needs it: its instruments, and deltas at each quote of VIX or quote by quote."""

    session: Session
    ids: list[InstrumentId]
    deltas: np.ndarray
    place: int = 0
    current: np.ndarray = field(default_factory=lambda: np.zeros(OPTIONS))


class Condor(Strategy):
    """The task. `held` is what is open, `leaving` what waits for its fills."""

    def __init__(self, days: list[Day], task: Task, hears_all: bool) -> None:
        super().__init__()
        self.days, self.task, self.hears_all = days, task, hears_all
        self.trades: list[Trade] = []
        self.number = -1
        self.vix = 0.0
        self._begin_day()

    def _begin_day(self) -> None:
        self.number += 1
        self.day = self.days[self.number]
        self.ends = self.day.session.opened + DAY // 2
        self.held: Held | None = None
        self.leaving: Held | None = None
        self.is_done = False
        self.minute = -1

    def on_start(self) -> None:
        """Subscribe to VIX, or to everything."""
        self.subscribe_quote_ticks(VIX)
        if self.hears_all:
            self.subscribe_quote_ticks(SPX)
            for day in self.days:
                for each in day.ids:
                    self.subscribe_quote_ticks(each)

    def on_quote_tick(self, tick: Any) -> None:
        """Judge, woken by VIX or by each quote."""
        at = tick.ts_event
        if at >= self.ends:
            self._begin_day()
        day = self.day
        place = day.place
        day.place = place + 1
        minute = (at - day.session.opened) // MINUTE
        if not self.hears_all:
            self.vix, deltas = float(tick.bid_price), day.deltas[place]
        else:
            row, deltas = int(day.session.row[place]), day.current
            if row < OPTIONS:
                deltas[row] = day.deltas[place]
            elif row == VIX_ROW:
                self.vix = float(tick.bid_price)
            held, is_new = self.held, minute != self.minute
            self.minute = minute
            if held is not None and row not in held.rows and not is_new:
                return
        if self.held is not None:
            self._try_to_leave(self.held, minute, deltas)
        elif not self.is_done and self.task.first <= minute <= self.task.last:
            self._try_to_enter(minute, deltas)

    def _try_to_enter(self, minute: int, deltas: np.ndarray) -> None:
        task = self.task
        if not task.vix_low <= self.vix <= task.vix_high:
            return
        call = int(np.abs(deltas[:SIDE] - task.delta).argmin())
        put = SIDE + int(np.abs(deltas[SIDE:] + task.delta).argmin())
        far, low = call + task.wing, put - task.wing
        if not far < SIDE <= low:
            return
        a, b, c, d = (self.cache.quote_tick(self.day.ids[row]) for row in (call, put, far, low))
        credit = float(a.bid_price) + float(b.bid_price) - float(c.ask_price) - float(d.ask_price)
        if credit < task.credit - 1e-9:
            return
        self.is_done, self.held = True, Held((call, put, far, low), minute)
        self._trade(self.held, OrderSide.SELL, OrderSide.BUY)

    def _try_to_leave(self, held: Held, minute: int, deltas: np.ndarray) -> None:
        ids, (call, put, far, low) = self.day.ids, held.rows
        a, b, c, d = (self.cache.quote_tick(ids[row]) for row in (call, put, far, low))
        cost = float(a.ask_price) + float(b.ask_price) - float(c.bid_price) - float(d.bid_price)
        reason = reason_to_leave(self.task, minute, held.credit, cost, deltas[call], -deltas[put])
        if reason is not None:
            held.left, held.reason, held.cash, held.fills = minute, reason, 0.0, 0
            self.held, self.leaving = None, held
            self._trade(held, OrderSide.BUY, OrderSide.SELL)

    def _trade(self, held: Held, short: OrderSide, long: OrderSide) -> None:
        for row, side in zip(held.rows, (short, short, long, long), strict=True):
            self.submit_order(self.order_factory.market(self.day.ids[row], side, Quantity.from_int(1)))

    def on_order_filled(self, event: Any) -> None:
        """Count what an entry brought, or an exit cost."""
        held = self.leaving or self.held
        assert held is not None
        held.cash += float(event.last_px) if event.order_side == OrderSide.SELL else -float(event.last_px)
        held.fills += 1
        if held.fills < 4:
            return
        if held is self.held:
            held.credit = round(held.cash, 2)
        else:
            cost = round(-held.cash, 2)
            self.trades.append((self.day.session.name, held.minute, held.left, held.reason, held.credit, cost))
            self.leaving = None


def run(how: str, files: list[Path]) -> list[Trade]:
    """Return the trades of the task over files."""
    sessions = [read_minutes(file) if how == "minutes" else read_ticks(file) for file in files]
    engine = _engine()
    levels = {SPX_ROW: _level(SPX), VIX_ROW: _level(VIX)}
    for each in levels.values():
        engine.add_instrument(each)
    ticks: list[Any] = []
    days = []
    for session in sessions:
        options = _options(session)
        for option in options:
            engine.add_instrument(option)
        ticks += _quotes(session, {**dict(enumerate(options)), **levels})
        deltas = session.delta if how == "every" else at_levels(session, session.delta)[0]
        days.append(Day(session, [option.id for option in options], deltas))
    engine.add_data(ticks, sort=True, validate=False)
    strategy = Condor(days, Task("t_000"), how == "every")
    engine.add_strategy(strategy)
    engine.run()
    trades = strategy.trades
    engine.dispose()
    return trades


def _engine() -> BacktestEngine:
    quiet = LoggingConfig(bypass_logging=True)
    risk = RiskEngineConfig(bypass=True)
    engine = BacktestEngine(BacktestEngineConfig(trader_id=TraderId("B-1"), logging=quiet, risk_engine=risk))
    engine.add_venue(venue=VENUE, oms_type=OmsType.NETTING, account_type=AccountType.MARGIN, base_currency=USD,
                     starting_balances=[Money(10_000_000, USD)], default_leverage=Decimal(100))  # fmt: skip
    return engine


def _level(name: InstrumentId) -> Equity:
    return Equity(instrument_id=name, raw_symbol=name.symbol, currency=USD, price_precision=2, ts_event=0, ts_init=0,
                  price_increment=Price.from_str("0.01"), lot_size=Quantity.from_int(1))  # fmt: skip


def _options(session: Session) -> list[OptionContract]:
    day = pd.Timestamp(session.opened).strftime("%y%m%d")
    found = []
    for kind, letter in ((OptionKind.CALL, "C"), (OptionKind.PUT, "P")):
        for strike in session.strikes.tolist():
            symbol = Symbol(f"SPXW{day}{letter}{int(strike * 1000):08d}")
            found.append(OptionContract(
                instrument_id=InstrumentId(symbol, VENUE), raw_symbol=symbol, asset_class=AssetClass.INDEX,
                currency=USD, price_precision=2, price_increment=Price.from_str("0.05"),
                multiplier=Quantity.from_int(100), lot_size=Quantity.from_int(1), underlying="SPX", option_kind=kind,
                strike_price=Price(strike, 2), activation_ns=session.opened - DAY,
                expiration_ns=int(session.at[-1]) + MINUTE, ts_event=0, ts_init=0,
            ))  # fmt: skip
    return found


def _quotes(session: Session, instruments: dict[int, Any]) -> list[Any]:
    """Return the quotes in the engine's own type, instrument by instrument."""
    order = np.argsort(session.row, kind="stable")
    rows = session.row[order]
    found: list[Any] = []
    for row, instrument in instruments.items():
        begin, end = np.searchsorted(rows, (row, row + 1))
        if begin == end:
            continue
        own = order[begin:end]
        values = {"bid_price": session.bid[own], "ask_price": session.ask[own], "bid_size": 50.0, "ask_size": 50.0}
        frame = pd.DataFrame(values, index=pd.DatetimeIndex(session.at[own], tz="UTC"))
        found += QuoteTickDataWrangler(instrument).process(frame)
    return found


if __name__ == "__main__":
    # nautilus_trader 1.231 calls deprecated pandas functions. Printing those warnings would slow it.
    warnings.simplefilter("ignore")
    serve(run)
