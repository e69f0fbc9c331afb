"""Which market is given to the simulated gateway: a recording by file or day, or a captured chain."""

from pathlib import Path

from engine.run.given.recorded import recorded_day
from engine.run.replay.tapes import meant, tapes_of
from engine.sim.market.given import GivenDay
from engine.store.latest import chosen_store
from engine.store.place import Place

DATA_SECONDS = 5
"""Seconds between moves of the simulated gateway's market, unless it is told otherwise."""


def files_of(recording: str, store: Place | None) -> list[Path]:
    """Return the files of a recording by name or day; a day's are those beside a store, the last run's by default.

    Raises: MisuseError, StoreError.
    """
    folder = Path() if recording.endswith(".tape") else tapes_of(chosen_store(store))
    return meant(recording, folder)


def given_by(recording: str, store: Place | None = None, data_seconds: int = DATA_SECONDS) -> GivenDay:
    """Return the market of a recording. Raises: MisuseError, StoreError."""
    return recorded_day(files_of(recording, store), data_seconds)
