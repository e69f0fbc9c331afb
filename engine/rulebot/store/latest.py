"""Which store a command reads: the one named, else the one of the last run.

A run leaves the path of its store in a pointer file, in the folder where rulebot keeps things for this person, and a
backtest does so too. Engines leave theirs in a folder beside it as well: what is asked of an engine goes to one that
runs, never to a backtest that was made meanwhile.
"""

import hashlib
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from rulebot.model.errors import MisuseError, StoreError
from rulebot.store.folders import give_to_owner, make_folder, runs_folder
from rulebot.store.open import is_in_use
from rulebot.store.place import Place, Server, full_name, place_of, shown_path

_POINTER = "last_store"
_ENGINES = "engines"
_KEPT = 50
"""Stores of engines that are remembered, besides those of engines that run."""


def remember_store(path: Place, environ: Mapping[str, str] = os.environ) -> None:
    """Keep the place of the store that was opened last, without a password; it is only forgotten if that fails."""
    with suppress(OSError):
        _write(runs_folder(environ) / _POINTER, path, environ)


def remember_engine(path: Place, environ: Mapping[str, str] = os.environ) -> None:
    """Keep the place of the store that an engine has just opened; it is only forgotten if that fails."""
    remember_store(path, environ)
    folder = runs_folder(environ) / _ENGINES
    with suppress(OSError):
        _write(folder / hashlib.sha256(full_name(path).encode()).hexdigest()[:16], path, environ)
        for place, file in _engines(environ)[_KEPT:]:
            if place is None or not _runs(place):
                file.unlink()


def _write(file: Path, path: Place, environ: Mapping[str, str]) -> None:
    make_folder(file.parent, environ)
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_text(f"{full_name(path)}\n", encoding="utf-8")
    give_to_owner(fresh)
    fresh.replace(file)


def _read(file: Path) -> Place | None:
    try:
        place = place_of(file.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError, MisuseError):
        return None
    return place if isinstance(place, Server) or place.is_file() else None


def last_store(environ: Mapping[str, str] = os.environ) -> Place | None:
    """Return the store of the last run or backtest, None when there is none or it is gone."""
    return _read(runs_folder(environ) / _POINTER)


def chosen_store(named: Place | None, environ: Mapping[str, str] = os.environ) -> Place:
    """Return the store a command reads. Raises: StoreError when none is named and none was left by a run."""
    return _given(named or last_store(environ))


def run_store(named: Place | None, environ: Mapping[str, str] = os.environ) -> Place:
    """Return the store of the last run, no backtest's, unless one is named. Raises: StoreError."""
    return _given(named or next(iter(_places(environ)), None) or last_store(environ))


def engine_store(named: Place | None, environ: Mapping[str, str] = os.environ) -> Place:
    """Return the store of the engine that is asked for something: the one named, else that of the one that runs.

    Raises: MisuseError when several run, StoreError when none runs and none has left a store.
    """
    running = [] if named is not None else [place for place in _places(environ) if _runs(place)]
    if len(running) > 1:
        names = ", ".join(f"--store {shlex.quote(str(place))}" for place in running)
        raise MisuseError(f"{len(running)} engines run: nothing was asked of any of them", f"say which one: {names}")
    return run_store(named or next(iter(running), None), environ)


def other_stores(than: Place, environ: Mapping[str, str] = os.environ) -> Sequence[Place]:
    """Return the stores that engines have opened without one of them, the last one first."""
    return [place for place in _places(environ) if full_name(place) != full_name(than)]


def shown_store(named: Place | None, environ: Mapping[str, str] = os.environ) -> Place:
    """Return the store that is shown as of now: the last one, unless another engine alone runs. Raises: StoreError."""
    last = named or last_store(environ)
    if named is not None or (last is not None and _runs(last)):
        return _given(last)
    return _given(next((place for place in _places(environ) if _runs(place)), last))


def _given(found: Place | None) -> Place:
    if found is None:
        raise StoreError("no run has left a store yet", "start one with 'rulebot run', or name one with --store")
    return found


def _places(environ: Mapping[str, str]) -> Sequence[Place]:
    """Return the stores that engines have opened, the last one first."""
    return [place for place, _ in _engines(environ) if place is not None]


def _engines(environ: Mapping[str, str]) -> Sequence[tuple[Place | None, Path]]:
    """Return the stores of engines, None for one that is gone, and where each is remembered, the last one first."""
    found = []
    with suppress(OSError):
        for file in (runs_folder(environ) / _ENGINES).glob("[0-9a-f]" * 16):
            with suppress(OSError):
                found.append((file.stat().st_mtime_ns, file))
    return [(_read(file), file) for _, file in sorted(found, reverse=True)]


def _runs(place: Place) -> bool:
    """Say whether an engine has the store now; one that cannot be asked is not found."""
    with suppress(StoreError):
        return is_in_use(place)
    return False


def naming(path: Place, default: Callable[[], Place | None] = last_store) -> str:
    """Return ` --store PATH` for the next command, "" where that one reads this store without.

    default: what it reads when none is named; where it would refuse to choose, the store is named.
    """
    with suppress(StoreError, MisuseError):
        if (found := default()) is not None and full_name(found) == full_name(path):
            return ""
    return _named(path)


def naming_as_of_now(path: Place, environ: Mapping[str, str] = os.environ) -> str:
    """Return ` --store PATH` for a next command that shows what is as of now, "" where it reads this store without.

    While another engine runs the store is named: once the engine of this one has ended, `shown_store` is the other's.
    """
    if any(_runs(place) for place in other_stores(path, environ)):
        return _named(path)
    return naming(path, lambda: last_store(environ))


def _named(path: Place) -> str:
    return f" --store {shlex.quote(shown_path(path))}"
