"""Positions that are open while the gateway stays away: a person is told, in the session alone.

Outside of it no exit acts, and gateways restart every night and wait for a login over every weekend. Where that lasts
into a session it is told then; a service says half an hour before the open what is wrong, too (`daily_jobs.py`).
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
    """Return for how many seconds of the session that is on nobody has watched what is open; 0.0 where none is on."""
    session = session_from(exchange_date(now))
    return (now - max(since, session.open)).total_seconds() if session.is_on(now) else 0.0


@asynccontextmanager
async def told_when_unwatched(
    store: Place, write: Callable[[Record], None] | None = None, clock: Clock | None = None
) -> AsyncIterator[None]:
    """Have an alarm recorded, once in a session, when this takes long and positions are open.

    write: records; None opens the store for it, where nobody has it open.
    """
    telling = asyncio.create_task(_tell(store, write or (lambda record: _record(store, record)), clock or WallClock()))
    try:
        yield
    finally:
        telling.cancel()


async def _tell(store: Place, write: Callable[[Record], None], clock: Clock) -> None:
    since, told = clock.now(), date.min
    while True:
        now = clock.now()
        seconds, today = unwatched_for(since, now), exchange_date(now)
        if seconds >= UNWATCHED.total_seconds() and told != today:
            told = today
            _tell_once(store, write, clock, seconds)
        await asyncio.sleep(LOOK_EVERY)


def count_open(store: Place) -> int:
    """Return how many positions are open in a store. Raises: StoreError."""
    with StoreReader(store) as reader:
        return len(reader.view("open_positions"))


def _tell_once(store: Place, write: Callable[[Record], None], clock: Clock, seconds: float) -> None:
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

STOP_ALL = "No bot enters anything more. Entries at work are let be; open positions stay, and their exits go on."
START_ALL = (
    "Bots may enter again, within their limits, also those that somebody has paused by name. What was asked to be "
    "closed is closed all the same."
)
CLOSE_ALL = (
    "Every entry is cancelled, resting orders are taken back, and every open position is closed: at natural prices, "
    "then at market. Nothing is opened until you press Start."
)
ACKNOWLEDGE_ALL = "All alerts until now count as seen; the grave ones are not told again."


def pause(bot: str) -> str:
    """Return what a pause of one bot does."""
    return (
        f"{bot} enters nothing more until you resume it. An entry at work is let be; its open positions stay, and "
        "their exits go on."
    )


def resume(bot: str) -> str:
    """Return what its end does."""
    return f"{bot} may enter again, within its limits."


def enter(bot: str) -> str:
    """Return what an entry by hand does."""
    return (
        f"{bot} enters at once, whatever its window and its conditions say. What its legs must offer, its limits and "
        "those of the account hold; it is one of its entries of the day."
    )


def structure_name(symbol: str, structure: str, expiries: Iterable[str]) -> str:
    """Return `SPX 5910/5915p 2026-10-21`; a symbol that the structure itself names stands there once."""
    named = () if set(symbol.split("/")) <= set(structure.split()) else (symbol,)
    return " ".join(filter(None, (*named, structure, *expiries)))


def enter_row(bot: str, structure: str) -> str:
    """Return what an entry of a row of a scan does."""
    return (
        f"{bot} enters {structure} at once, and no other structure, whatever its window and its conditions say. What "
        "its legs must offer, its limits and those of the account hold; it is one of its entries of the day."
    )


def enters_by_itself(bot: str) -> str:
    """Return why nobody can have a bot with a universe enter by hand."""
    return f"{bot} chooses among symbols by its conditions: by hand it enters a row of a scan"


def close(structure: str, bot: str) -> str:
    """Return what closing one position does."""
    return (
        f"{structure} of {bot} is closed: at a limit, after 15 seconds at market. "
        f"Its other orders are taken back first. {bot} may enter again when its spec says so: pause it if it shall not."
    )


def keep(structure: str, bot: str) -> str:
    """Return what keeping a position does that was asked to be closed."""
    return f"{structure} of {bot} is closed no more, as was asked: its exits go on, as its spec says."


def acknowledge(text: str) -> str:
    """Return what saying that one alert was seen does."""
    return f"This alert counts as seen and is not told again: {text}"


# --- Market data that comes 10 to 15 minutes late


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayedSymbol:
    """A symbol whose data comes late, "" for several. bots: those that trade on it; since: None where nobody told."""

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
    """Return the symbols of which an engine has late rows now."""
    found = {contract.symbol for row in board.delayed if (contract := board.contracts[row]) is not None}
    return tuple(
        DelayedSymbol(symbol=symbol, bots=_traders(program, symbol, board.may_be_delayed)) for symbol in sorted(found)
    )


def delayed_on_record(reader: StoreReader) -> tuple[DelayedSymbol, ...]:
    """Return what was told to come late since the engine's last connection, each symbol once. Raises: StoreError."""
    number = _last_link(reader)
    told = () if number is None else reader.numbered_after(number, (Kind.FACTS,))
    found: dict[str, DelayedSymbol] = {}
    for _, record in told:
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


# --- What a quantity that grows with compliant sessions stands at, in words and as numbers


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
