"""Questions for historical bars, and their answers."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from math import inf, pi, sqrt

import ib_async

from engine.adapters.ib import convert
from engine.adapters.ib.wire import Wire
from engine.model.session import Session, exchange_date
from engine.model.values import dataclass

OPENING_MINUTES = 5
"""How many minutes of a session may be tried before it has no sound opening."""
NO_DATA = 162
SESSIONS_IN_YEAR = 252
MINUTE = timedelta(minutes=1)
STRADDLE_TO_MOVE = sqrt(pi / 2)
"""An at-the-money straddle is worth sqrt(2/pi) standard deviations (Brenner and Subrahmanyam 1988)."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar. `at` is its start (UTC; midnight of the date for daily bars), `day` its exchange date."""

    at: datetime
    day: date
    close: float


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
        """Send it."""
        wire.client.reqHistoricalData(
            req_id, self.contract, self.end, self.duration, self.size, self.shown, True, self.date_format, False, []
        )


def daily_closes(contract: ib_async.Contract, sessions: int) -> BarQuestion:
    """Ask for daily bars of at least so many finished sessions (today's bar comes too)."""
    days = sessions + 1
    duration = f"{days} D" if days <= SESSIONS_IN_YEAR else f"{-(-days // SESSIONS_IN_YEAR) + 1} Y"
    return BarQuestion(f"daily closes of {contract.symbol}", contract, "", duration, "1 day", "TRADES", 1)


def opening_minutes(contract: ib_async.Contract, name: str, session: Session, shown: str) -> BarQuestion:
    """Ask for the first minute bars of a session."""
    end = session.open + OPENING_MINUTES * MINUTE
    seconds = OPENING_MINUTES * 60
    what = f"the opening minutes of {name} on {session.date}"
    return BarQuestion(what, contract, f"{end:%Y%m%d-%H:%M:%S}", f"{seconds} S", "1 min", shown, 2)


def read_bars(row: list[str]) -> list[Bar]:
    """Return the bars of historicalData (17), those without a close left out. Raises: ValueError."""
    bars = []
    for start in range(5, 5 + 8 * convert.whole(row[4]), 8):
        text, close = row[start], float(row[start + 4] or -1)
        if not 0 < close < inf:
            continue
        if len(text) == 8:
            found = convert.day(text)
            bars.append(Bar(datetime(found.year, found.month, found.day, tzinfo=UTC), found, close))
        else:
            at = datetime.fromtimestamp(int(text), UTC)
            bars.append(Bar(at, exchange_date(at), close))
    return bars


def finished(starts: Iterable[datetime], session: Session, now: datetime) -> list[datetime]:
    """Return the starts of the opening minutes that are over by `now`."""
    last = session.open + OPENING_MINUTES * MINUTE
    return [at for at in starts if session.open <= at < last and at + MINUTE <= now]


def straddle_move(mids: Sequence[float | None]) -> float | None:
    """Return sqrt(pi/2) times the sum of the mids of call and put; None when one is missing."""
    known = [mid for mid in mids if mid is not None and mid > 0]
    return sum(known) * STRADDLE_TO_MOVE if len(known) == len(mids) else None


def is_empty(code: int, text: str) -> bool:
    """Say whether a history error only means that there is nothing."""
    return code == NO_DATA and "no data" in text.lower()


def is_forbidden(code: int, text: str) -> bool:
    """Say whether a history error means a missing subscription."""
    return code in (354, 10089, 10187) or (code == NO_DATA and "permission" in text.lower())
