"""Whether the engine of a store has its broker, as far as its records tell: for those who look from another process."""

from typing import NamedTuple

from engine.model.session import EXCHANGE_ZONE
from engine.record.record import Kind
from engine.store.queries import Run, StoreReader

_UNWATCHED = "only orders at the broker work, no other exit acts"


class Connected(NamedTuple):
    """`is_linked`: None where no engine runs, or none has said so. words: what is not usual, "" when nothing is."""

    is_linked: bool | None
    words: str


def connected(reader: StoreReader, run: Run) -> Connected:
    """Return how the connection of a store's engine stands."""
    if run.state() == "stopped":
        return Connected(None, "")
    if run.is_waiting:
        return Connected(False, f"the engine waits for its gateway, its log says why: {_UNWATCHED}")
    told = reader.last_record(Kind.LINK)
    if told is None:
        return Connected(None, "")
    link = told[1]
    if link.data["up"]:
        return Connected(True, "")
    since, why = link.at.astimezone(EXCHANGE_ZONE), link.data.get("reason") or "no reason is known"
    return Connected(False, f"not connected to the broker since {since:%Y-%m-%d %H:%M:%S}: {_UNWATCHED} ({why})")
