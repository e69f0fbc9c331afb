"""The moments at which an entry is judged: at each instant of the data, or by the grid of `every`; and again."""

from collections.abc import Iterator

import numpy as np

from rulebot.backtest.event_pump import SOON
from rulebot.backtest.vectorized.rule_masks import Mask
from rulebot.compile.plan import EntryPlan
from rulebot.decide.opportunity import ANY_END
from rulebot.sweep.vectorized.entry_order import EvaluationInstant
from rulebot.sweep.vectorized.exit_orders import Unfilled
from rulebot.sweep.vectorized.session_arrays import ArrayDay


class EvaluationTimes:
    """The looks of one window, in order. may: at which instants from the window's first one an entry may be sent.

    Between two instants the market stands: a bot without `every` is judged there too, and nothing new comes of it.
    """

    def __init__(self, day: ArrayDay, entry: EntryPlan, start: float, end: float, may: Mask | None) -> None:
        self._day, self._entry, self._end, self._may = day, entry, end, may
        self._first = int(np.searchsorted(day.times, start))
        self._grid, self._sent = start, 0
        self._coming = self._from(start, end)

    def __iter__(self) -> Iterator[EvaluationInstant]:
        """Yield the looks at which an entry may be sent; after one that ended unfilled those that `again` has."""
        while (look := next(self._coming, None)) is not None:
            yield look

    def again(self, unfilled: Unfilled) -> bool:
        """Go on after an entry that ended unfilled; say whether there may be another (`decide.opportunity`).

        While an entry works the bot does not watch: with `every` its grid begins anew, a second after the end at least.
        """
        again = self._entry.again
        self._sent += 1
        if again is None or not {"unfilled", ANY_END} & set(again.after):
            return False
        if again.at_most is not None and self._sent > again.at_most:
            return False
        self._grid = due = unfilled.at + max(again.wait, SOON.total_seconds())
        end = self._end
        if again.until is not None:
            end = min(end, again.until.on(self._day.session).timestamp() - self._day.opens_at)
        self._coming = self._from(due, end)
        return due < end

    def _on_grid_after(self, at: float) -> float:
        assert self._entry.every is not None
        return self._grid + ((at - self._grid) // self._entry.every + 1) * self._entry.every

    def _from(self, since: float, end: float) -> Iterator[EvaluationInstant]:
        """Yield a look at this time, and those after it."""
        if self._entry.every is None:
            times = self._day.times
            later = times[np.searchsorted(times, since, side="right") :]
        else:
            later = np.arange(self._on_grid_after(since), end, self._entry.every)
        at = np.concatenate(([since], later))
        at = at[at < end]
        places = np.searchsorted(self._day.times, at, side="right") - 1
        if self._may is not None:
            may = self._may[places - self._first]
            at, places = at[may], places[may]
        return map(EvaluationInstant, at.tolist(), places.tolist())
