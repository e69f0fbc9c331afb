"""A sweep of the task by hand, by arrays: what variants have in common is worked out once a session.

Shared are the options nearest to a delta (by delta), what a condor there would bring (by delta and wing), and what one
that is held costs and how far its deltas are (by its options). A variant then looks for the first minute at which its
own numbers hold. No orders, no records, no reasons. Unlike the program in `past.py`, a position is judged from the
snapshot it was entered at, as the engine does: where wings are narrow, it may be too dear at once.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.quotes import OPTIONS, read_minutes
from benchmarks.task import Task, reason_to_leave

SIDE = OPTIONS // 2
NOISE = 1e-9
Trade = tuple[str, int, int, str, float, float]
"""Session, minute of entry and of exit, reason, credit, cost."""


def by_arrays(files: Sequence[Path], tasks: Sequence[Task]) -> list[list[Trade]]:
    """Return the trades of each variant over all sessions."""
    found: list[list[Trade]] = [[] for _ in tasks]
    for file in files:
        read = read_minutes(file)
        bid, ask, delta = (each.reshape(-1, OPTIONS + 1) for each in (read.bid, read.ask, read.delta))
        day = _Day(bid, ask, delta[:, :OPTIONS])
        for trades, task in zip(found, tasks, strict=True):
            trade = day.trade(task)
            if trade is not None:
                trades.append((file.stem, *trade))
    return found


class _Day:
    """One session: its columns, and what has been worked out of them."""

    def __init__(self, bid: np.ndarray, ask: np.ndarray, delta: np.ndarray) -> None:
        # columns option by option: a variant reads few of them, over many minutes
        self.bid, self.ask, self.delta = (np.ascontiguousarray(each.T) for each in (bid, ask, delta))
        self.calls, self.puts = delta[:, :SIDE], delta[:, SIDE:]
        self.vix = bid[:, OPTIONS]
        self.minutes = np.arange(len(bid))
        self.nearest, self.brings, self.held = cache(self._nearest), cache(self._brings), cache(self._held)
        self.fits = cache(lambda low, high: (self.vix >= low) & (self.vix <= high))

    def _nearest(self, delta: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the calls and puts nearest to a delta, by minute."""
        return np.abs(self.calls - delta).argmin(1), SIDE + np.abs(self.puts + delta).argmin(1)

    def _brings(self, delta: float, wing: int) -> np.ndarray:
        """Return the credit by minute; nan where a wing would lie beyond the chain."""
        call, put = self.nearest(delta)
        far, low, at = np.minimum(call + wing, SIDE - 1), np.maximum(put - wing, SIDE), self.minutes
        credit = self.bid[call, at] + self.bid[put, at] - self.ask[far, at] - self.ask[low, at]
        return np.where((call + wing < SIDE) & (put - wing >= SIDE), credit, np.nan)

    def _held(self, call: int, put: int, wing: int) -> tuple[np.ndarray, np.ndarray]:
        """Return by minute what leaving costs, and the larger delta of the two that were sold."""
        cost = self.ask[call] + self.ask[put] - self.bid[call + wing] - self.bid[put - wing]
        return cost, np.maximum(self.delta[call], -self.delta[put])

    def trade(self, task: Task) -> tuple[int, int, str, float, float] | None:
        """Return what a variant does: minutes of entry and exit, reason, credit, cost."""
        window = slice(task.first, task.last + 1)
        brings = self.brings(task.delta, task.wing)[window]
        may = (brings >= task.credit - NOISE) & self.fits(task.vix_low, task.vix_high)[window]
        if not may.any():
            return None
        entered = task.first + int(may.argmax())
        credit = round(float(brings[entered - task.first]), 2)
        call, put = (int(each[entered]) for each in self.nearest(task.delta))
        costs, deltas = self.held(call, put, task.wing)
        costs, deltas = costs[entered : task.until + 1], deltas[entered : task.until + 1]
        ends = (costs >= task.stop * credit - NOISE) | (costs <= task.target * credit + NOISE)
        ends |= deltas > task.leg_delta
        ends[-1] = True
        place = int(ends.argmax())
        left, cost, far = entered + place, float(costs[place]), float(deltas[place])
        reason = reason_to_leave(task, left, credit, cost, far, far)
        assert reason is not None
        return entered, left, reason, credit, round(cost, 2)
