"""Notices: open positions while the gateway is away, reported to a person during the session only.

Outside of the session no exit acts, and gateways restart every night and wait for a login over every weekend. If that
lasts into a session it is reported then; a service also reports problems half an hour before the open
(`daily_jobs.py`).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Any

from rulebot.adapters.clock import Clock, WallClock
from rulebot.compile.plan import Plan
from rulebot.core.program import Program
from rulebot.core.reconciliation.connection import UNWATCHED, unwatched_text
from rulebot.decide.account_rules import grown, has_breach, row_of
from rulebot.decide.entry_window import BotDay
from rulebot.model.errors import StoreError
from rulebot.model.market import Board
from rulebot.model.session import EXCHANGE_ZONE, exchange_date, session_from
from rulebot.model.text import counted
from rulebot.model.values import dataclass
from rulebot.record.record import LATE, Kind, Record
from rulebot.spec.spec import Growth
from rulebot.store.journal import SqlJournal
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader
from rulebot.store.registry import is_there, open_store

log = logging.getLogger("rulebot.run")

LOOK_EVERY = 5.0
"""Seconds between two looks at the clock while a start waits."""


def unwatched_for(since: datetime, now: datetime) -> float:
    """Return the seconds of the current session in which no engine watched open positions; 0.0 outside of a session."""
    session = session_from(exchange_date(now))
    return (now - max(since, session.open)).total_seconds() if session.is_on(now) else 0.0


@asynccontextmanager
async def alarmed_when_unwatched(
    store: Place, write: Callable[[Record], None] | None = None, clock: Clock | None = None
) -> AsyncIterator[None]:
    """Record an alarm, once a session, when the outage lasts and positions are open.

    write: records; None opens the store for it.
    """
    notifying = asyncio.create_task(
        _notify(store, write or (lambda record: _record(store, record)), clock or WallClock())
    )
    try:
        yield
    finally:
        notifying.cancel()


async def _notify(store: Place, write: Callable[[Record], None], clock: Clock) -> None:
    since, reported = clock.now(), date.min
    while True:
        now = clock.now()
        seconds, today = unwatched_for(since, now), exchange_date(now)
        if seconds >= UNWATCHED.total_seconds() and reported != today:
            reported = today
            _notify_once(store, write, clock, seconds)
        await asyncio.sleep(LOOK_EVERY)


def count_open(store: Place) -> int:
    """Return how many positions are open in a store. Raises: StoreError."""
    with StoreReader(store) as reader:
        return len(reader.view("open_positions"))


def _notify_once(store: Place, write: Callable[[Record], None], clock: Clock, seconds: float) -> None:
    try:
        if count := count_open(store):
            text = unwatched_text(seconds, count)
            log.warning(text)
            write(Record(clock.now(), Kind.ALARM, data={"text": text}))
    except StoreError as error:
        if is_there(store):
            log.warning("whether positions are open cannot be read: %s", error.message)


def _record(store: Place, record: Record) -> None:
    journal = SqlJournal(open_store(store))
    try:
        journal.append([record], durable=True)
    finally:
        journal.close()


# --- The sentences that ask whether something is meant, each saying what will happen, and why something cannot be

STOP_ALL = "No bot enters anything more. Working entries continue; open positions stay open, and their exits continue."
START_ALL = "Bots may enter again, within their limits, including bots paused by name. Requested closes continue."
CLOSE_ALL = (
    "All entries and resting orders are cancelled, and every open position is closed: at natural prices, then at "
    "market. Nothing is opened until you press Start."
)
ACKNOWLEDGE_ALL = "All alerts until now count as seen; the grave ones are not sent again."


def pause(bot: str) -> str:
    """Return what a pause of one bot does."""
    return (
        f"{bot} enters nothing more until you resume it. A working entry continues; its positions stay open, "
        "and their exits continue."
    )


def resume(bot: str) -> str:
    """Return what its end does."""
    return f"{bot} may enter again, within its limits."


def enter(bot: str) -> str:
    """Return what an entry by hand does."""
    return (
        f"{bot} enters at once, whatever its window and conditions say. The requirements of its legs and all limits "
        "apply; it counts as one of its entries of the day."
    )


def structure_name(symbol: str, structure: str, expiries: Iterable[str]) -> str:
    """Return `SPX 5910/5915p 2026-10-21`; a symbol that the structure names appears once."""
    named = () if set(symbol.split("/")) <= set(structure.split()) else (symbol,)
    return " ".join(filter(None, (*named, structure, *expiries)))


def enter_row(bot: str, structure: str) -> str:
    """Return what an entry of a row of a scan does."""
    return (
        f"{bot} enters {structure} at once, and no other structure, whatever its window and conditions say. The "
        "requirements of its legs and all limits apply; it counts as one of its entries of the day."
    )


def enters_by_itself(bot: str) -> str:
    """Return why a bot with a universe cannot be entered by hand."""
    return f"{bot} chooses among symbols by its conditions: by hand it enters a row of a scan"


def close(structure: str, bot: str) -> str:
    """Return what closing one position does."""
    return (
        f"{structure} of {bot} is closed: at a limit, after 15 seconds at market. "
        f"Its other orders are cancelled first. {bot} may enter again when its spec says so: pause it to prevent that."
    )


def keep(structure: str, bot: str) -> str:
    """Return what keeping a position does that was asked to be closed."""
    return f"{structure} of {bot} is no longer being closed, as requested: its exits continue, as its spec says."


def acknowledge(text: str) -> str:
    """Return what saying that one alert was seen does."""
    return f"This alert counts as seen and is not sent again: {text}"


# --- Market data that comes 10 to 15 minutes late


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayedSymbol:
    """A symbol with delayed data, "" for several. bots: those that trade on it; since: None where unknown."""

    symbol: str
    bots: tuple[str, ...] = ()
    since: datetime | None = None

    @property
    def words(self) -> str:
        """Return `DELAYED DATA since 2026-10-21 09:31: SPX is 10 to 15 minutes late. put_lite trades on it (..)`."""
        began = "" if self.since is None else f" since {self.since.astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M}"
        head = f"DELAYED DATA{began}: {self.symbol or 'market data'} is 10 to 15 minutes late"
        verb = "trades" if len(self.bots) == 1 else "trade"
        used = f"{', '.join(self.bots)} {verb} on it (delayed_data: allow)" if self.bots else "no bot trades on it"
        return f"{head}. {used}"


def delayed_now(program: Program, board: Board) -> tuple[DelayedSymbol, ...]:
    """Return the symbols for which an engine has delayed rows now."""
    found = {contract.symbol for row in board.delayed if (contract := board.contracts[row]) is not None}
    return tuple(
        DelayedSymbol(symbol=symbol, bots=_traders(program, symbol, board.may_be_delayed)) for symbol in sorted(found)
    )


def delayed_on_record(reader: StoreReader) -> tuple[DelayedSymbol, ...]:
    """Return the symbols reported as delayed since the engine's last connection, each once. Raises: StoreError."""
    number = _last_link(reader)
    reported = () if number is None else reader.numbered_after(number, (Kind.FACTS,))
    found: dict[str, DelayedSymbol] = {}
    for _, record in reported:
        traders: Any = record.data.get(LATE)
        if traders is not None:
            symbol = str(record.data["symbol"])
            found.setdefault(symbol, DelayedSymbol(symbol=symbol, bots=tuple(traders), since=record.at))
    return tuple(found[symbol] for symbol in sorted(found))


def _traders(program: Program, symbol: str, allowed: Collection[str]) -> tuple[str, ...]:
    return program.on_late_data(symbol) if symbol in allowed else ()


def _last_link(reader: StoreReader) -> int | None:
    """Return the number of the record of the last connection that came, None before any."""
    found = reader.last_record(Kind.LINK)
    while found is not None and not found[1].data["up"]:
        found = reader.last_record(Kind.LINK, until=found[0] - 1)
    return None if found is None else found[0]


# --- The present value of a quantity that grows with compliant sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowingQuantity:
    """What a bot enters now. compliant: sessions in a row before this one.

    next_after: how many more of them raise it, None at the most. quantity, most, next_quantity: structures.
    """

    quantity: int
    most: int
    compliant: int
    has_breach: bool
    next_after: int | None
    next_quantity: int | None

    @property
    def words(self) -> str:
        """Return `quantity 2 of at most 3: 21 compliant sessions in a row before this one, 19 more make it 3`."""
        head = f"quantity {self.quantity} of at most {self.most}"
        if self.has_breach:
            return f"{head}: this session has a breach, so the row begins again"
        row = f"{head}: {counted(self.compliant, 'compliant session')} in a row before this one"
        return row if self.next_after is None else f"{row}, {self.next_after} more make it {self.next_quantity}"


def grown_by(plan: Plan, day: BotDay) -> GrowingQuantity | None:
    """Return what a bot enters on a day; None where its quantity does not grow."""
    return None if plan.growth is None else grown_of(plan.growth, plan.quantity, day, plan.digest)


def grown_of(growth: Growth, most: int, day: BotDay, digest: str) -> GrowingQuantity:
    """Return what the text of a digest enters on a day. most: the count that it never goes beyond."""
    row, now = row_of(day, digest), grown(growth, day, most, digest)
    more = growth.sessions - row % growth.sessions
    after = growth.after(row + more, most)
    return GrowingQuantity(
        quantity=now,
        most=most,
        compliant=row,
        has_breach=has_breach(day),
        next_after=more if after > now else None,
        next_quantity=after if after > now else None,
    )
