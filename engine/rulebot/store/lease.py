"""The lease of a store: which engine may write, told by a number that grows with each start.

The lock beside the file (`sqlite.py`), or of a session at a server (`postgres.py`), keeps a second engine out, and the
system lets go of it when its process dies: a lease is taken over at once, and no time-out decides anything. Behind it
stands the epoch: every commit asks inside its own transaction whether the epoch is still the writer's. So an engine
that was overtaken all the same (its lock file was deleted, or the disk is a network's and its locks hold on one machine
only, or its session was ended behind its back) writes nothing more and sends nothing more.
"""

import os
import platform
import re
import sys
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, inspect, select, text

from rulebot.model.errors import StoreError
from rulebot.store.dialect import dialect_of
from rulebot.store.place import Place
from rulebot.store.sources import source_digest
from rulebot.store.tables import journal, lease

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
    """Make this process the one that writes; return its epoch, higher than every one before.

    It changes the lease's row, and waits for that until commits under way, which hold it, are kept or gone.
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
    """Say whether the process that took the lease last ran on this machine and has ended; False where nobody knows."""
    owner = _held_by(connection)
    found = None if owner is None else _OWNER.fullmatch(owner)
    return found is not None and found[2] == _machine() and not _runs(int(found[1]))


def _held_by(connection: Connection) -> str | None:
    """Return the owner of the lease, None where there is none yet."""
    held = connection.exec_driver_sql(_HELD).first() if inspect(connection).has_table(lease.name) else None
    return None if held is None else str(held[1])


def _runs(process: int) -> bool:
    """Say whether another process of this number runs; where the system does not tell, yes."""
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
    """Return by what code the tables were made last, "" when nothing says it; by ours where there are no records."""
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
