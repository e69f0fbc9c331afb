"""The task in backtrader, run by `benchmarks.peers` in the anchors' interpreter.

A session is a Cerebro with 241 feeds: VIX, and each option with lines for bid, ask and delta. It knows no options and
no combos: four market orders are sent, and credit and cost are told by the quotes.
"""

from pathlib import Path

import backtrader as bt
import numpy as np
import pandas as pd

from benchmarks.peer import Trade, serve
from benchmarks.quotes import OPTIONS, Session, read_minutes
from benchmarks.task import Task, reason_to_leave

SIDE = OPTIONS // 2


class OptionFeed(bt.feeds.PandasData):
    """An option, whose price is its mid."""

    lines = ("bid", "ask", "delta")
    params = (("bid", "bid"), ("ask", "ask"), ("delta", "delta"), ("open", "mid"), ("high", "mid"), ("low", "mid"),
              ("close", "mid"), ("volume", None), ("openinterest", None))  # fmt: skip


class Condor(bt.Strategy):
    """The task, bar by bar."""

    params = (("task", None),)

    def __init__(self) -> None:
        self.held: tuple[list[bt.feeds.PandasData], int, float] | None = None
        self.is_done = False
        self.trades: list[tuple[int, int, str, float, float]] = []
        self.minute = -1

    def next(self) -> None:
        """Judge once a minute."""
        self.minute += 1
        task = self.p.task
        if self.held is not None:
            self._try_to_leave(task, *self.held)
        elif (
            not self.is_done
            and task.first <= self.minute <= task.last
            and task.vix_low <= self.datas[0].close[0] <= task.vix_high
        ):
            self._try_to_enter(task)

    def _try_to_enter(self, task: Task) -> None:
        options = self.datas[1:]
        deltas = np.array([each.delta[0] for each in options])
        call = int(np.abs(deltas[:SIDE] - task.delta).argmin())
        put = SIDE + int(np.abs(deltas[SIDE:] + task.delta).argmin())
        far, low = call + task.wing, put - task.wing
        if not far < SIDE <= low:
            return
        legs = [options[row] for row in (call, put, far, low)]
        credit = legs[0].bid[0] + legs[1].bid[0] - legs[2].ask[0] - legs[3].ask[0]
        if credit < task.credit - 1e-9:
            return
        self.is_done, self.held = True, (legs, self.minute, round(credit, 2))
        for leg, trade in zip(legs, (self.sell, self.sell, self.buy, self.buy), strict=True):
            trade(data=leg, size=1)

    def _try_to_leave(self, task: Task, legs: list[bt.feeds.PandasData], entered: int, credit: float) -> None:
        cost = legs[0].ask[0] + legs[1].ask[0] - legs[2].bid[0] - legs[3].bid[0]
        reason = reason_to_leave(task, self.minute, credit, cost, legs[0].delta[0], -legs[1].delta[0])
        if reason is None:
            return
        self.trades.append((entered, self.minute, reason, credit, round(cost, 2)))
        self.held = None
        for leg in legs:
            self.close(data=leg)


def run(how: str, files: list[Path]) -> list[Trade]:
    """Return the trades of the task over files of minutes, a session at a time."""
    found: list[Trade] = []
    for file in files:
        session = read_minutes(file)
        found += [(session.name, *trade) for trade in _one(session)]
    return found


def _one(session: Session) -> list[tuple[int, int, str, float, float]]:
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.broker.set_coc(True)
    cerebro.broker.setcash(10_000_000)
    bid, ask, delta = (each.reshape(-1, OPTIONS + 1) for each in (session.bid, session.ask, session.delta))
    index = pd.DatetimeIndex(session.at[:: OPTIONS + 1])
    level = bid[:, OPTIONS]
    vix = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), level), index=index)
    cerebro.adddata(bt.feeds.PandasData(dataname=vix, volume=None, openinterest=None))
    for row in range(OPTIONS):
        values = {"bid": bid[:, row], "ask": ask[:, row], "delta": delta[:, row]}
        frame = pd.DataFrame({**values, "mid": (values["bid"] + values["ask"]) / 2}, index=index)
        cerebro.adddata(OptionFeed(dataname=frame))
    cerebro.addstrategy(Condor, task=Task("t_000"))
    found: list[tuple[int, int, str, float, float]] = cerebro.run()[0].trades
    return found


if __name__ == "__main__":
    serve(run)
