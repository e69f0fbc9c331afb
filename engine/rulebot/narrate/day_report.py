"""What came of a run: for each day, what every bot did and why, or why it did nothing and what came nearest.

Pure: made from the last state of each session, so that what is shown is what was recorded.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal

from rulebot.core.queries.close_plan import CLOSING
from rulebot.core.queries.openings import why_over
from rulebot.core.state.state import BotState, State
from rulebot.model.cause import Shut
from rulebot.model.errors import InvariantError
from rulebot.model.money import ZERO, dollars, signed_dollars
from rulebot.model.order import Order, OrderStatus, Purpose
from rulebot.model.position import CLOSED_BY_HAND, Position, end_of
from rulebot.model.session import EXCHANGE_ZONE, exchange_date
from rulebot.model.text import minute, one_line
from rulebot.model.values import dataclass
from rulebot.narrate.happenings import EventLine, clock_happenings, event_line
from rulebot.narrate.positions import (
    closed_by_others,
    closed_parts,
    ending_text,
    entry_text,
    hold_text,
    live_orders,
    opening_orders,
    order_price,
    part_text,
    resting_text,
    unprotected_text,
)
from rulebot.narrate.snapshot_of_state import (
    open_of,
    pending_today,
    realized_today,
    since_the_open,
    today_of,
    waits_text,
)
from rulebot.narrate.trades import OTHERS, TargetResult, kept_by_exit, provisional_text
from rulebot.record.record import Record
from rulebot.spec.spec_test_nouns import ENDINGS

SHOWN_OLD = 5
"""Positions of earlier days that are listed one by one; further ones are counted."""
_ENDINGS = (CLOSED_BY_HAND, *ENDINGS)
"""What ends a position without an exit, and is named by the words of how it ended; an exit may be called `sold`."""


@dataclass(frozen=True, slots=True)
class ReportedTrade:
    """One line about a bot. `profit` is today's, None where nothing is owned; `parts` are joined by ", "."""

    profit: Decimal | None
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BotOutcome:
    """One bot on one day."""

    bot: str
    profit: Decimal
    traded: bool
    lines: tuple[ReportedTrade, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOutcome:
    """One session. Units: dollars; `exits` counts positions closed, `rejects` orders that the broker rejected.

    outstanding: fills without a commission report. kept: what closing exits kept of their promises.
    """

    date: date
    bots: tuple[BotOutcome, ...]
    realized: Decimal
    open_profit: Decimal
    entries: int
    exits: int
    rejects: int
    outstanding: int = 0
    kept: tuple[TargetResult, ...] = ()

    @property
    def profit(self) -> Decimal:
        """Realised and open."""
        return self.realized + self.open_profit


def day_outcome(state: State, at: datetime | None) -> DayOutcome:
    """Return the outcome of one day. `at` None takes the last recorded marks: the board has moved on."""
    profits = {name: made_today(state, position, at) for name, position in state.positions.by_id.items()}
    alive = (position for position in state.positions.by_id.values() if position.state != "closed")
    traded = [position for position in state.positions.by_id.values() if position.opened_at is not None]
    return DayOutcome(
        date=state.schedule.session.date,
        bots=tuple(_bot(state, name, bot, profits) for name, bot in state.bots.present.items()),
        realized=realized_today(state),
        open_profit=sum((open_of(state, each, profits[each.id]) for each in alive), ZERO),
        entries=sum(bot.day.entries for bot in state.bots.by_name.values()),
        exits=sum(position.state == "closed" for position in traded),
        rejects=sum(order.status is OrderStatus.REJECTED for order in state.orders.by_ref.values()),
        outstanding=pending_today(state),
        kept=tuple(kept_by_exit((each for each in traded if each.state == "closed"), {})),
    )


def made_today(state: State, position: Position, at: datetime | None) -> Decimal | None:
    """Return what a position has made since its session began; `at` None takes the last recorded mark."""
    if position.opened_at is None:
        return None
    if at is not None or position.is_flat:
        return today_of(state, position, at or state.schedule.session.close)
    return since_the_open(state, position.id, state.positions.marks.get(position.id))


# ---------------------------------------------------------------- one bot


def _bot(state: State, name: str, bot: BotState, profits: dict[str, Decimal | None]) -> BotOutcome:
    own = [p for p in state.positions.by_id.values() if p.bot == name and p.opened_at is not None]
    if not own:
        lines = [ReportedTrade(None, _why_nothing(state, name, bot))]
    else:
        lines = [*_position_lines(state, own, profits), *(ReportedTrade(None, (words,)) for words in _halted(bot))]
    return BotOutcome(bot=name, profit=_sum(own, profits), traded=bool(own), lines=tuple(lines))


def _sum(positions: Sequence[Position], profits: dict[str, Decimal | None]) -> Decimal:
    return sum((profits[each.id] or ZERO for each in positions), ZERO)


def _position_lines(
    state: State, own: Sequence[Position], profits: dict[str, Decimal | None]
) -> Iterator[ReportedTrade]:
    """Yield a line for each position of today, and for the newest of earlier days; one for all others."""
    fresh = [each for each in own if each.session == state.schedule.session.date or each.state == "closed"]
    old = [each for each in own if each not in fresh]
    for each in (*fresh, *old[-SHOWN_OLD:]):
        yield ReportedTrade(profits[each.id], (*_position(state, each), *_of_shares(each)))
    if rest := old[:-SHOWN_OLD]:
        words = f"{len(rest)} more {'is' if len(rest) == 1 else 'are'} open since earlier days"
        yield ReportedTrade(_sum(rest, profits), (words,))


def _halted(bot: BotState) -> tuple[str, ...]:
    return (f"halted: {one_line(bot.day.halted)}",) if bot.day.halt else ()


def _position(state: State, position: Position) -> Iterator[str]:
    yield f"{entry_text(position)} {_clock(position.opened_at, state)}"
    parts = closed_parts(state, position)
    yield from (f"{part_text(part, position)} {_clock(part.changed_at, state)}: {part.reason}" for part in parts)
    yield from (f"{words} by {OTHERS}" for words in closed_by_others(state, position))
    if position.state == "closed":
        how, reason = ending_text(state, position), end_of(position)
        is_said = reason in _ENDINGS and how.startswith(reason.replace("_", " "))
        why = "" if is_said else f": {reason}"
        yield f"{how} {_clock(left_at(state, position), state)}{why}"
    else:
        yield "open" if position.state == "open" else f"{position.exit_reason or 'its entry'} at work"
        yield _protection(state, position)
    yield f"commissions {dollars(position.commissions)}{provisional_text(position.commissions_pending)}"


def _of_shares(position: Position) -> Iterator[str]:
    """Yield which part of the profit the shares made, of a trade that ended in shares."""
    if position.unpriced:
        yield "its shares are not counted yet: their settlement price is not known"
    elif position.is_in_shares:
        yield f"its shares made {signed_dollars(position.shares_profit)} of that, at the settlement price"


def left_at(state: State, position: Position) -> datetime | None:
    """Return when a closed position was bought back or sold by the exit that ended it; when it settled, if none did."""
    dealt = [
        order.changed_at
        for order in state.orders.by_ref.values()
        if order.is_of(position.id) and not order.opens(position.id) and order.has_fills
        if order.reason == position.exit_reason
    ]
    reported = max(dealt, default=position.closed_at)
    return reported if reported is None or position.closed_at is None else min(reported, position.closed_at)


def _protection(state: State, position: Position) -> str:
    """Return the resting orders of an open position, or that there are none."""
    resting = _resting_words(state, position)
    working = [*live_orders(state, position, *CLOSING), *opening_orders(state, position)]
    if bare := unprotected_text(position):
        return f"{bare}; {resting} at the broker" if resting else bare
    if position.freeze_reason:
        return hold_text(position) + (f"; {resting} at the broker" if resting else "")
    if resting:
        return f"{resting} at the broker"
    if working:
        return f"{_order_words(working[0])} works at the broker"
    return "nothing rests at the broker: its exits act only while rulebot runs"


def _resting_words(state: State, position: Position) -> str:
    """Return what rests for a position, with its verb, "" when nothing does."""
    *others, last = resting_text(state, position).split(", ")
    if others:
        return f"{', '.join(others)} and {last} rest"
    return f"{last} rests" if last else ""


def _order_words(order: Order) -> str:
    return f"{'an entry' if order.purpose is Purpose.ENTRY else order.reason} {order_price(order)}"


def _why_nothing(state: State, name: str, bot: BotState) -> tuple[str, ...]:
    day, nearest, halted = bot.day, bot.nearest, _halted(bot)
    entries = [order for order in state.orders.by_ref.values() if order.bot == name and order.purpose is Purpose.ENTRY]
    if working := [f"{_order_words(order)} works at the broker" for order in entries if order.status.is_live]:
        return (working[0],)
    if day.entries:
        return (_unfilled_words(day.entries, entries), *halted)
    if halted and not day.was_over:
        return halted
    if day.decided:
        return (f"decided once: {one_line(day.decided)}", *halted)
    if nearest is not None:
        return (f"{minute(nearest.at)} came nearest: {one_line(nearest.words)}", *halted)
    return (_waited_words(bot), *halted)


def _waited_words(bot: BotState) -> str:
    waited = "waited for " if bot.status_text and bot.shut is Shut.AHEAD else ""
    waits = "" if bot.day.halt else waits_text(bot)
    return waited + one_line(waits or bot.day.skipped or "nothing was judged")


def _unfilled_words(count: int, orders: Sequence[Order]) -> str:
    words = "its entry was not filled" if count == 1 else f"{count} entries were not filled, the last"
    last = max(orders, key=lambda order: order.number, default=None)
    return words if last is None else f"{words}: {one_line(why_over(last, asked=False))}"


def _clock(at: datetime | None, state: State) -> str:
    """Return New York clock time, with the date when it was another day."""
    if at is None:
        return "at an unknown time"
    same = exchange_date(at) == state.schedule.session.date
    return at.astimezone(EXCHANGE_ZONE).strftime("%H:%M" if same else "%m-%d %H:%M")


# --- What a run has been so far, gathered for a person who watches it


class RunLog:
    """Takes what the loop records and the state after each batch; both are values, so nothing here changes the run."""

    def __init__(self, started_at: datetime, reports: Callable[[Record, State], EventLine | None] = event_line) -> None:
        self._at, self._reports = started_at, reports
        self._written: list[Record] = []
        self._last: State | None = None
        self._done: list[DayOutcome] = []

    def write(self, records: Sequence[Record]) -> None:
        """Keep records until the state that they led to is known."""
        self._written += records

    def note(self, state: State, at: datetime) -> tuple[EventLine, ...]:
        """Take the state at the end of a batch; return what happened in it, in order."""
        if self._last is not None and self._last.schedule.session.date != state.schedule.session.date:
            self._done.append(day_outcome(self._last, None))
        found = [*clock_happenings(state, self._at, at), *(self._reports(record, state) for record in self._written)]
        self._written.clear()
        self._last, self._at = state, at
        reported = [each for each in found if each is not None]
        return tuple(sorted(reported, key=lambda each: each.at))

    def days(self) -> tuple[DayOutcome, ...]:
        """Return the outcome of every day so far, the present one by the prices of this moment."""
        if self._last is None:
            return ()
        return (*self._done, day_outcome(self._last, self._at))

    @property
    def state(self) -> State:
        """The newest state. Raises: InvariantError before the first."""
        if self._last is None:
            raise InvariantError("nothing has been noted yet")
        return self._last
