"""Which store a command reads: the named one, else the one of the last run.

A run, and a backtest, leaves the path of its store in a pointer file, in rulebot's folder for this person. Engines
leave theirs in a folder next to it too: a request to an engine goes to one that runs, never to a later backtest.
"""

import hashlib
import logging
import os
import platform
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import Connection, inspect, select, text

from rulebot.model.errors import MisuseError, StoreError, in_words
from rulebot.store.dialect import dialect_of
from rulebot.store.place import (
    Place,
    Server,
    Store,
    full_name,
    give_to_owner,
    make_folder,
    place_of,
    runs_folder,
    shown_path,
)
from rulebot.store.schema import journal, lease
from rulebot.store.sqlite import file_is_in_use, open_file, read_file

# --- One engine per account on one machine

log = logging.getLogger("rulebot.store")

_PATIENCE = 0.3


@contextmanager
def hold_account(account: str, store: Place, folder: Path | None) -> Iterator[None]:
    """Keep other engines out of an account; `folder` None (a simulated account) keeps none out.

    Raises: StoreError when another engine has it. A folder that is not writable is reported, and keeps none out.
    """
    if folder is None:
        yield
        return
    place = folder / f"{re.sub(r'[^A-Za-z0-9]', '_', account)}.lock"
    lock = FileLock(place, thread_local=False)
    owner = place.with_suffix(".owner")
    try:
        make_folder(folder)
        lock.acquire(timeout=_PATIENCE)
        give_to_owner(place)
    except Timeout as error:
        raise StoreError(
            f"account {account} is traded by another engine of this machine{_named_account(owner)}",
            "one engine trades an account: stop that one, or give it these specs too",
        ) from error
    except OSError as error:
        log.warning(
            "%s cannot be locked (%s): another engine in account %s is not kept out", place, in_words(error), account
        )
        yield
        return
    try:
        with suppress(OSError):
            owner.write_text(f"process {os.getpid()}, store {full_name(store)}\n", encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            owner.unlink()
        lock.release()


def _named_account(owner: Path) -> str:
    try:
        return f" ({owner.read_text(encoding='utf-8').strip()})"
    except (OSError, UnicodeDecodeError):
        return ""


# --- Open a store


def open_store(place: Place) -> Store:
    """Open a store for writing; create it when there is none.

    Raises: StoreError when another engine has it, or the file, folder or server is not fit for it.
    """
    if isinstance(place, Server):
        from rulebot.store.postgres import open_server

        return open_server(place)
    return open_file(place)


def read_store(place: Place) -> Store:
    """Open a store that exists, read-only; a running engine is not disturbed. Raises: StoreError."""
    if isinstance(place, Server):
        from rulebot.store.postgres import read_server

        return read_server(place)
    return read_file(place)


def is_in_use(place: Place) -> bool:
    """Say whether an engine has the store open now. Raises: StoreError when a server cannot be asked."""
    if isinstance(place, Server):
        from rulebot.store.postgres import server_is_in_use

        return server_is_in_use(place)
    return file_is_in_use(place)


def is_there(place: Place) -> bool:
    """Say whether there is a store to be read. Raises: StoreError when a server cannot be asked."""
    if isinstance(place, Server):
        from rulebot.store.postgres import server_has_store

        return server_has_store(place)
    return place.is_file() and place.stat().st_size > 0


# --- Which store a command reads

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


# --- Distinguishing checkouts of one version


def source_digest(folder: Path, files: Iterable[Path]) -> str:
    """Return a digest of files below a folder, by their names there and what is in them."""
    found = sha256()
    for file in sorted(files):
        found.update(file.relative_to(folder).as_posix().encode())
        found.update(sha256(file.read_bytes()).digest())
    return found.hexdigest()


# --- The lease of a store

_HELD = "SELECT epoch, owner FROM lease"
_TAKE = text(
    "INSERT INTO lease (id, epoch, owner) VALUES (1, 1, :owner) "
    "ON CONFLICT (id) DO UPDATE SET epoch = lease.epoch + 1, owner = excluded.owner"
)
_NAME = text("UPDATE lease SET owner = :owner")
_OWNER = re.compile(r"process (\d+) on (.+?)(?:, code \w*)?")
_CODE = ", code "
"""In the owner of a lease, before the digest of the program that made the tables which people read."""


def take_lease(connection: Connection) -> int:
    """Make this process the writer; return its epoch, higher than every one before.

    It changes the lease's row, and waits for that until running commits, which hold it, are finished.
    """
    with connection.begin():
        lease.create(connection, checkfirst=True)
        connection.execute(_TAKE, {"owner": _owner(_code_of(connection))})
        return int(connection.exec_driver_sql(_HELD).one()[0])


def is_of_another(connection: Connection) -> bool:
    """Say whether the tables that people read were made, or written last, by other code than this.

    A rulebot that does not know of this question leaves no digest, so that one which went between is seen.
    """
    return _code_of(connection) != _code()


def record_our_lease(connection: Connection) -> None:
    """Note, in the transaction that is open, that this code has made the tables that people read."""
    connection.execute(_NAME, {"owner": _owner(_code())})


def last_owner_is_gone(connection: Connection) -> bool:
    """Say whether the last holder of the lease ran on this machine and has ended; False where unknown."""
    owner = _held_by(connection)
    found = None if owner is None else _OWNER.fullmatch(owner)
    return found is not None and found[2] == _machine() and not _lease_runs(int(found[1]))


def _held_by(connection: Connection) -> str | None:
    """Return the owner of the lease, None where there is none yet."""
    held = connection.exec_driver_sql(_HELD).first() if inspect(connection).has_table(lease.name) else None
    return None if held is None else str(held[1])


def _lease_runs(process: int) -> bool:
    """Say whether another process of this number runs; where the system does not report it, yes."""
    if process == os.getpid():
        return False
    if sys.platform == "win32":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _machine() -> str:
    return platform.node() or "this machine"


def _owner(code: str) -> str:
    return f"process {os.getpid()} on {_machine()}" + (_CODE + code if code else "")


def _code_of(connection: Connection) -> str:
    """Return which code made the tables last, "" when unknown; this one's when there are no records."""
    owner = _held_by(connection)
    if owner is not None:
        return owner.rpartition(_CODE)[2] if _CODE in owner else ""
    return _code() if connection.execute(select(journal.c.seq).limit(1)).first() is None else ""


@cache
def _code() -> str:
    """Return a digest of the sources by which a journal becomes tables."""
    engine = Path(__file__).parents[1]
    rooms = (engine / name for name in ("model", "record", "store"))
    return source_digest(engine, (file for room in rooms for file in room.rglob("*.py")))[:12]


def check_lease(connection: Connection, epoch: int, path: Place) -> None:
    """Prove that no other engine has taken the store; within a transaction that writes it stays so to its end.

    Raises: StoreError.
    """
    hold = dialect_of(connection).hold_lease if connection.in_transaction() else ""
    cursor = connection.connection.cursor()
    try:
        found = cursor.execute(_HELD + hold).fetchone()
    finally:
        cursor.close()
    if found is None or found[0] != epoch:
        owner, now = ("nobody", 0) if found is None else (found[1], found[0])
        raise StoreError(
            f"the store {path} was taken over by another engine ({owner}, epoch {now}; this one has {epoch})",
            "this engine writes and sends nothing more; the other one looks after what is at the broker",
        )
