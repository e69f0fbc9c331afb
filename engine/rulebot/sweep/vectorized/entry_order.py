"""An entry's order by arrays: the engine's ladder, try by try, in a constant market and when it moves.

At an instant of the data resting orders fill first; then the next due try is priced, if the order's conditions are
still true.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import count
from typing import NamedTuple, Protocol

import numpy as np

from rulebot.adapters.history.session import Columns
from rulebot.backtest.arrays import Mask
from rulebot.backtest.fill_model import FillModel
from rulebot.backtest.scheduler import SOON
from rulebot.compile.plan import EntryPlan
from rulebot.decide.entry_window import ANY_END
from rulebot.decide.limits import price_problem
from rulebot.order.price import Bound, at_market, costs, is_past_zero, ladder_price
from rulebot.spec.spec import Order as Ladder
from rulebot.spec.spec import PriceFrom
from rulebot.sweep.vectorized.exit_orders import (
    ACKNOWLEDGED,
    NO_PRICE,
    NOT_QUOTED,
    Outcome,
    Quoted,
    UndecidedByArrays,
    Unfilled,
    filled,
)
from rulebot.sweep.vectorized.session_arrays import ArrayDay


class EvaluationInstant(NamedTuple):
    """A moment at which an entry is judged: seconds after the open, and the data's instant valid then."""

    at: float
    place: int


class FilledAt(NamedTuple):
    """What a try meets: the quotes of its legs, how far its net price may go, and how far from the mid it may lie."""

    quoted: Quoted
    bound: Bound
    band: Decimal | None

    def is_too_far(self, net: Decimal | None) -> bool:
        """Say whether an order at a net price may not be sent, by its distance from the mid."""
        return bool(price_problem(net, Decimal(f"{self.quoted.net.mid:.4f}"), self.band))


TOO_FAR = UndecidedByArrays("a try of its order is too far from the mid, which raises an alarm")
WORKS_PAST = UndecidedByArrays("its order works past the end of the window, a halt or another time of the spec")
Meets = Callable[[int], FilledAt | UndecidedByArrays | None]
"""What a try meets at an instant; None where what the order was sent for holds no longer."""


class Instants(Protocol):
    """The instants of a session, in seconds after the open."""

    @property
    def times(self) -> Columns: ...

    def place_at(self, at: float) -> int:
        """Return the instant valid this many seconds after the open."""


class EntryOrder(NamedTuple):
    """An order as it is sent. until: seconds after the open before which nothing else can happen to it."""

    day: Instants
    look: EvaluationInstant
    ladder: Ladder
    quantity: int
    fills: FillModel
    until: float

    def work(self, meets: Meets, quoted: Callable[[int], Quoted | None]) -> Outcome:
        """Return what came of it. quoted: its legs at an instant, None where a quote is not whole or too small."""
        ladder, limit = self.ladder, None
        is_paid: bool | None = None
        for attempt in count(1):
            sent = self.look.at + (attempt - 1) * ladder.wait
            if sent >= self.until:
                return WORKS_PAST
            met = meets(self.day.place_at(sent)) if attempt <= ladder.tries else None
            if met is None:
                return Unfilled(sent)
            if isinstance(met, UndecidedByArrays):
                return met
            before, limit = limit, None
            if ladder.start is not PriceFrom.MARKET:
                if is_paid is None and met.quoted.net.mid is not None:
                    is_paid = costs(met.quoted.net.mid)
                bound = met.bound._replace(is_paid=is_paid)
                limit = ladder_price(ladder, met.quoted.net, met.quoted.parts, attempt, bound)
                if limit is None or is_past_zero(limit, met.quoted.parts):
                    return NO_PRICE
                if attempt > 1 and met.is_too_far(limit):
                    return TOO_FAR
            for at, is_resting in self._moments(sent, is_new=limit is None or limit != before):
                if at >= self.until:
                    return WORKS_PAST
                now = quoted(self.day.place_at(at))
                if now is None:
                    return NOT_QUOTED
                price = self._price(limit, now, is_resting=is_resting)
                if price is not None:
                    return filled(now, self.quantity, price, at - self.look.at, attempt)
        raise AssertionError("a ladder ends")

    def _moments(self, sent: float, *, is_new: bool) -> Iterator[tuple[float, bool]]:
        """Yield when a try may fill before the next one, and whether the market comes to it then."""
        first = sent + ACKNOWLEDGED if is_new else sent
        if is_new:
            yield first, False
        times = self.day.times
        place = self.day.place_at(first) + 1
        while place < len(times) and times[place] <= sent + self.ladder.wait:
            yield float(times[place]), True
            place += 1

    def _price(self, limit: Decimal | None, now: Quoted, *, is_resting: bool) -> Decimal | None:
        if limit is not None:
            return self.fills.of_limit(limit, now.parts, now.net, is_resting=is_resting)
        assert now.net.natural is not None
        return at_market(now.net.natural, now.parts)


# --- The moments at which an entry is judged


class EvaluationTimes:
    """The looks of one window, in order. may: at which instants from the window's first one an entry may be sent.

    Between two instants the market is constant: a bot without `every` is judged there too, without a new result.
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
        """Continue after an unfilled entry; say whether there may be another (`decide.opportunity`).

        While an entry works the bot does not watch: with `every` its grid restarts, at least a second after the end.
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
