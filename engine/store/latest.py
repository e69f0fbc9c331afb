"""Which store a command reads: the one named, else the one of the last run.

A run leaves the path of its store in a pointer file, in the folder where rulebot keeps things for this person.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path

import platformdirs

from engine.model.errors import MisuseError, StoreError
from engine.store.place import Place, Server, full_name, place_of

DATA_VARIABLE = "RULEBOT_DATA"
_POINTER = "last_store"


def data_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of what rulebot keeps for this person: RULEBOT_DATA, else the system's own place for it."""
    named = environ.get(DATA_VARIABLE, "")
    return Path(named) if named else platformdirs.user_data_path("rulebot", appauthor=False)


def runs_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of real stores and of the pointer: RULEBOT_DATA, else the system's own place, `runs` in it."""
    return data_folder(environ) / "runs"


def accounts_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of the locks of accounts: RULEBOT_DATA, else the system's own place, `accounts` in it."""
    return data_folder(environ) / "accounts"


def new_sim_store(day: date, seed: int, folder: Path | None = None) -> Path:
    """Return a path for a simulated run's store that is not taken yet: `runs/2026-11-18-7.db`, then `...-7-2.db`."""
    folder = Path("runs") if folder is None else folder
    path, count = folder / f"{day}-{seed}.db", 1
    while path.exists():
        count += 1
        path = folder / f"{day}-{seed}-{count}.db"
    return path


def remember_store(path: Place, environ: Mapping[str, str] = os.environ) -> None:
    """Keep the place of the store a run has just opened, without a password; it is only forgotten if that fails."""
    folder = runs_folder(environ)
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        fresh = folder / f"{_POINTER}.new"
        fresh.write_text(f"{full_name(path)}\n", encoding="utf-8")
        fresh.replace(folder / _POINTER)


def last_store(environ: Mapping[str, str] = os.environ) -> Place | None:
    """Return the store of the last run, None when there is none or it is gone."""
    try:
        said = (runs_folder(environ) / _POINTER).read_text(encoding="utf-8").strip()
        place = place_of(said)
    except (OSError, UnicodeDecodeError, MisuseError):
        return None
    return place if isinstance(place, Server) or place.is_file() else None


def chosen_store(named: Place | None, environ: Mapping[str, str] = os.environ) -> Place:
    """Return the store a command reads. Raises: StoreError when none is named and none was left by a run."""
    if named is not None:
        return named
    found = last_store(environ)
    if found is None:
        raise StoreError("no run has left a store yet", "start one with 'rulebot run', or name one with --store")
    return found
