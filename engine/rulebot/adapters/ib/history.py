"""Questions for historical bars, and their answers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from math import ceil, inf, isnan, nan

import ib_async

from rulebot.adapters.ib import convert
from rulebot.adapters.ib.quotes import FAULTS
from rulebot.adapters.ib.transport import Wire
from rulebot.model import facts as model
from rulebot.model.black import MEAN_MOVE, quotes_follow_spot
from rulebot.model.contract import Contract, Underlying
from rulebot.model.errors import BrokerError
from rulebot.model.market import Board
from rulebot.model.session import Session, count_in_a_row, exchange_date, session_on, trades_on
from rulebot.model.values import dataclass

OPENING_MINUTES = 5
"""How many minutes of a session may be tried before it has no sound opening."""
NO_DATA = 162
SESSIONS_IN_YEAR = 252
MINUTE = timedelta(minutes=1)
DAY = 86400
_FULL_SESSION = 390 * 60
_SPANS = (1800, 3600, 14400, 28800)
"""Seconds of a duration at which the broker gives bars of every size that we ask for. Source: TWS API, step sizes."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar. `at` is its start (UTC; midnight of the date for daily bars), `day` its exchange date.

    Units: volume in shares and the average that it weighs are 0 where the broker has none, as of an index.
    """

    at: datetime
    day: date
    open: float
    high: float
    low: float
    close: float
    volume: float
    average: float


@dataclass(frozen=True, slots=True)
class BarQuestion:
    """A request for bars. `what` names it in error texts."""

    what: str
    contract: ib_async.Contract
    end: str
    duration: str
    size: str
    shown: str
    date_format: int

    def send(self, wire: Wire, req_id: int) -> None:
        wire.client.reqHistoricalData(
            req_id, self.contract, self.end, self.duration, self.size, self.shown, True, self.date_format, False, []
        )


def daily_closes(contract: ib_async.Contract, sessions: int) -> BarQuestion:
    """Request daily bars of at least this many finished sessions (today's bar comes too)."""
    days = sessions + 1
    duration = f"{days} D" if days <= SESSIONS_IN_YEAR else f"{-(-days // SESSIONS_IN_YEAR) + 1} Y"
    return BarQuestion(f"daily closes of {contract.symbol}", contract, "", duration, "1 day", "TRADES", 1)


def daily_bars(contract: ib_async.Contract, count: int) -> BarQuestion:
    """Request at least this many daily bars of finished sessions."""
    return replace(daily_closes(contract, count), what=f"daily bars of {contract.symbol}")


def daily_volatilities(contract: ib_async.Contract, count: int) -> BarQuestion:
    """Request the 30-day implied volatility of at least this many finished sessions."""
    what = f"the implied volatility of {contract.symbol}"
    return replace(daily_closes(contract, count), what=what, shown="OPTION_IMPLIED_VOLATILITY")


def session_bars(contract: ib_async.Contract, seconds: int, count: int, session: Session, now: datetime) -> BarQuestion:
    """Request the newest bars within regular sessions, of at least this many finished ones.

    Within the session some hours are requested, else whole sessions, of which one may be a half day.
    """
    past = max((min(now, session.close) - session.open).total_seconds(), 0.0)
    span = (count + 1) * seconds
    duration = next((f"{size} S" for size in _SPANS if span <= size), "") if span <= past else ""
    if not duration:
        before = max(count * seconds - past, 0.0)
        duration = f"{1 if not before else 2 + ceil(before / _FULL_SESSION)} D"
    minutes = seconds // 60
    size = "1 min" if minutes == 1 else f"{minutes} mins"
    return BarQuestion(f"{size} bars of {contract.symbol}", contract, "", duration, size, "TRADES", 2)


def finished_bars(bars: Iterable[Bar], seconds: int, now: datetime) -> list[model.Bar]:
    """Return the bars that are over by `now`, daily ones as those that start with their session."""
    found = []
    for bar in bars:
        session = session_on(bar.day)
        if session is None:
            continue
        at = session.open if seconds == DAY else bar.at
        ended = bar.day < exchange_date(now) if seconds == DAY else at + timedelta(seconds=seconds) <= now
        if ended:
            prices = bar.open, bar.high, bar.low, bar.close, bar.volume, bar.average
            found.append(model.Bar(at.timestamp(), *prices))
    return found


def opening_minutes(contract: ib_async.Contract, name: str, session: Session, shown: str) -> BarQuestion:
    """Ask for the first minute bars of a session."""
    end = session.open + OPENING_MINUTES * MINUTE
    seconds = OPENING_MINUTES * 60
    what = f"the opening minutes of {name} on {session.date}"
    return BarQuestion(what, contract, f"{end:%Y%m%d-%H:%M:%S}", f"{seconds} S", "1 min", shown, 2)


def closes_before(day: date, bars: Iterable[Bar]) -> tuple[float, ...]:
    """Return the closes of the sessions before a day, from daily bars, back to the first gap."""
    finished = [bar for bar in bars if bar.day < day and trades_on(bar.day)]
    known = count_in_a_row([bar.day for bar in finished], day)
    return tuple(bar.close for bar in finished[len(finished) - known :])


def read_bars(row: list[str]) -> list[Bar]:
    """Return the bars of historicalData (17), those without a close left out. Raises: ValueError."""
    bars = []
    for start in range(5, 5 + 8 * convert.whole(row[4]), 8):
        text = row[start]
        opened, high, low, close, volume, average = (float(part or -1) for part in row[start + 1 : start + 7])
        if not 0 < close < inf:
            continue
        if len(text) == 8:
            day = convert.day(text)
            at = datetime(day.year, day.month, day.day, tzinfo=UTC)
        else:
            at = datetime.fromtimestamp(int(text), UTC)
            day = exchange_date(at)
        bars.append(Bar(at, day, opened, high, low, close, max(volume, 0.0), max(average, 0.0)))
    return bars


def finished(starts: Iterable[datetime], session: Session, now: datetime) -> list[datetime]:
    """Return the starts of the opening minutes that are over by `now`."""
    last = session.open + OPENING_MINUTES * MINUTE
    return [at for at in starts if session.open <= at < last and at + MINUTE <= now]


def straddle_move(spot: float, strike: float, call: float | None, put: float | None) -> float | None:
    """Return sqrt(pi/2) times the sum of the mids; None when one is missing, or spot has not followed its options."""
    if not (call and put and call > 0 < put and quotes_follow_spot(spot, strike, call, put)):
        return None
    return (call + put) * MEAN_MOVE


def is_empty(code: int, text: str) -> bool:
    """Say whether a history error only means that there is nothing."""
    return code == NO_DATA and "no data" in text.lower()


def is_forbidden(code: int, text: str) -> bool:
    """Say whether a history error means a missing subscription."""
    return code in (354, 10089, 10187) or (code == NO_DATA and "permission" in text.lower())


# --- The open of the session, where a line does not send it

log = logging.getLogger("rulebot.ib")

LOOKS = timedelta(seconds=5)
AFTER = timedelta(seconds=15)
"""How long after the open a line may take to send it."""
AGAIN, AT_LAST = timedelta(minutes=1), timedelta(minutes=16)
"""How long after an open was asked for in vain it is asked for again; then twice as long, up to the second."""
AT_ONCE = 5
"""Opens that are asked for at one look: of a universe many may not have traded yet."""


class SessionOpenPrices:
    """Requests missing opens of the board, concurrently. `bars` are the last daily ones of a symbol."""

    def __init__(self, board: Board, bars: Callable[[Underlying], Awaitable[list[Bar]]]) -> None:
        self._board = board
        self._bars = bars
        self._day: date | None = None
        self._looked: datetime | None = None
        self._due_at: dict[Underlying, datetime] = {}
        self._waits: dict[Underlying, timedelta] = {}
        self._reported: set[Underlying] = set()
        self._vain: set[Underlying] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def look(self, wire: Wire, lines: Iterable[Contract], now: datetime) -> None:
        """Request what is missing, and forget an earlier day."""
        if self._looked is not None and now - self._looked < LOOKS:
            return
        self._looked = now
        if self._day != (today := exchange_date(now)):
            for contract in self._reported & self._board.rows.keys():
                self._write(wire, contract, nan)
            self._day = today
            for noted in (self._reported, self._vain, self._due_at, self._waits):
                noted.clear()
        for contract in self._due(lines, now):
            wait = self._waits.get(contract, AGAIN)
            self._due_at[contract], self._waits[contract] = now + wait, min(2 * wait, AT_LAST)
            task = asyncio.ensure_future(self._ask(wire, contract, today))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _due(self, lines: Iterable[Contract], now: datetime) -> list[Underlying]:
        session = session_on(exchange_date(now))
        if session is None or now < session.open + AFTER:
            return []
        of_levels = (each for each in lines if isinstance(each, Underlying))
        found = [each for each in of_levels if self._is_missing(each) and now >= self._due_at.get(each, now)]
        return found[:AT_ONCE]

    def _is_missing(self, contract: Underlying) -> bool:
        """Say whether a streaming line has not sent its open."""
        row = self._board.rows[contract]
        return row not in self._board.frozen and isnan(self._board.open[row])

    async def _ask(self, wire: Wire, contract: Underlying, today: date) -> None:
        try:
            bars = await self._bars(contract)
        except (BrokerError, *FAULTS) as problem:
            if contract not in self._vain:
                log.warning("the open of %s is missing, and a request for it failed: %s", contract, problem)
            self._vain.add(contract)
            return
        price = next((bar.open for bar in bars if bar.day == today and bar.open > 0), nan)
        row = self._board.rows.get(contract)
        if wire.is_up and today == self._day and row is not None and isnan(self._board.open[row]) and not isnan(price):
            self._reported.add(contract)
            self._write(wire, contract, price)

    def _write(self, wire: Wire, contract: Underlying, price: float) -> None:
        row = self._board.rows[contract]
        self._board.open[row] = price
        wire.quotes.touch(row)
        wire.arrived.set()
