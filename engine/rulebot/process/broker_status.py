"""Whether the engine of a store has its broker, as far as its records tell: for those who look from another process."""

from datetime import datetime, timedelta
from typing import NamedTuple

from rulebot.adapters.clock import WallClock
from rulebot.model.session import EXCHANGE_ZONE, exchange_date, session_from
from rulebot.record.record import Kind
from rulebot.store.broker_time import broker_now
from rulebot.store.queries import Run, StoreReader

QUIET = timedelta(minutes=3)
"""How long no price may have been recorded in the session: an engine that sees any records them each minute."""
_UNWATCHED = "only orders at the broker work, no other exit acts"


class Connected(NamedTuple):
    """`is_linked`: None where no engine runs, or none has said so. words: what is not usual, "" when nothing is."""

    is_linked: bool | None
    words: str


def connected(reader: StoreReader, run: Run, now: datetime | None = None) -> Connected:
    """Return how the connection of a store's engine stands; `now`: by the broker's clock unless another is given."""
    if run.state() == "stopped":
        return Connected(None, "")
    if run.is_waiting:
        return Connected(False, f"the engine waits for its gateway, its log says why: {_UNWATCHED}")
    told = reader.last_record(Kind.LINK)
    if told is None:
        return Connected(None, "")
    link = told[1]
    if link.data["up"]:
        return Connected(True, _quiet(reader, run, broker_now(reader, WallClock().now()) if now is None else now))
    since, why = link.at.astimezone(EXCHANGE_ZONE), link.data.get("reason") or "no reason is known"
    return Connected(False, f"not connected to the broker since {since:%Y-%m-%d %H:%M:%S}: {_UNWATCHED} ({why})")


def _quiet(reader: StoreReader, run: Run, now: datetime) -> str:
    """Return in words that an engine has recorded no price for long, "" where it has, or its time is not ours.

    A process that is suspended, and one that hangs, look as alive as any other.
    """
    if run.started is None or run.started.data.get("lockstep"):
        return ""
    told, session = reader.last_record(Kind.PRICES), session_from(exchange_date(now))
    if told is None or not session.open <= told[1].at <= now - QUIET or now >= session.close:
        return ""
    last, minutes = told[1].at.astimezone(EXCHANGE_ZONE), (now - told[1].at) // timedelta(minutes=1)
    return (
        f"no price was recorded for {minutes} min, since {last:%H:%M}: the engine is suspended, or hangs, or has no "
        f"market data. While it is so {_UNWATCHED}"
    )
