"""Make anew what people read of a store: after an upgrade, or a way back, it is what another rulebot made of it.

An engine goes on from the journal, so nothing here may keep it from its positions: what fails is told, and tried again
at the next start.
"""

import json
import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, Inspector, Table, func, inspect, select
from sqlalchemy.exc import DatabaseError

from rulebot.record.codec import utc_time
from rulebot.record.record import Kind, Record
from rulebot.store.dialect import dialect_of
from rulebot.store.failures import error_text, failures
from rulebot.store.lease import is_of_another, record_our_lease
from rulebot.store.place import Place
from rulebot.store.project import Projector, are_snapshots
from rulebot.store.tables import PROJECTIONS, SCHEMA_VERSION, journal, schema_version, snapshot_rows
from rulebot.store.views import NAMES, views

log = logging.getLogger("rulebot.store")

_AT_ONCE = 5000
_OF_ROWS = (
    Kind.ORDER, Kind.FILL, Kind.COMMISSION, Kind.POSITION, Kind.SETTLEMENT, Kind.SELECTION, Kind.DECISION, Kind.BOT_DAY,
)  # fmt: skip
"""What rows are made of, but for snapshots: those are copies of marks, and nine in ten records of a store."""
_LOOKED_AT = 1000
"""Of how many last marks the rows are looked at: where they are others now, all snapshots are made anew."""
MOST_MARKS = 500_000
"""Of how many marks a start makes snapshots anew at most: a minute of a slow machine, and systemd waits for three."""


_GRANTED = f"""
    SELECT 'GRANT ' || privilege_type || ' ON ' || table_name || ' TO '
        || CASE grantee WHEN 'PUBLIC' THEN grantee ELSE quote_ident(grantee) END
    FROM information_schema.table_privileges
    WHERE table_schema = current_schema() AND table_name IN {NAMES} AND grantee <> current_user"""
"""What lets others read the views of a server, as statements."""


def refresh(connection: Connection, place: Place) -> None:
    """Make views and rows anew where other code has made or written them last."""
    with connection.begin():
        if not is_of_another(connection):
            return
    has_views = _succeeds(connection, place, lambda: _views(connection))
    has_rows = _succeeds(connection, place, lambda: _rows(connection, _OF_ROWS))
    has_snapshots = _succeeds(connection, place, lambda: _snapshots(connection))
    if has_views and has_rows and has_snapshots:
        _succeeds(connection, place, lambda: record_our_lease(connection))


def upgrade(connection: Connection) -> None:
    """Give a store of an earlier version the tables of this one, in the transaction that is open.

    The journal is not changed: its records are read as they were written (`record/older.py`). What stood in a table
    that is made anew comes back with `refresh`.
    """
    found = connection.execute(schema_version.select()).scalar()
    if found is None or not (found < SCHEMA_VERSION or is_of_another(connection)):
        return
    known = inspect(connection)
    others = [table for table in PROJECTIONS if _columns(known, table) != {column.name for column in table.columns}]
    if others:
        _make_anew(connection, others)
    connection.execute(schema_version.update().values(version=SCHEMA_VERSION))


def _columns(known: Inspector, table: Table) -> set[str]:
    return {each["name"] for each in known.get_columns(table.name)}


def _make_anew(connection: Connection, tables: Sequence[Table]) -> None:
    """Make these tables anew and empty, and the views that read them; on a server whoever may read those still may."""
    sql = dialect_of(connection)
    granted = connection.exec_driver_sql(_GRANTED).scalars().all() if sql.is_server else ()
    for name in reversed(NAMES):
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")
    for table in tables:
        table.drop(connection)
        table.create(connection)
    for statement in (*views(sql), *granted):
        connection.exec_driver_sql(statement)


def _succeeds(connection: Connection, place: Place, make: Callable[[], None]) -> bool:
    """Make one of them in a transaction of its own; say whether that went well, and tell it where it did not."""
    try:
        with connection.begin():
            make()
    except failures() as error:
        why = error_text(error, place).message
    except (LookupError, TypeError, ValueError) as error:
        why = str(error)
    else:
        return True
    log.warning("what people read of %s stays as another rulebot made it: %s", place, why)
    return False


def rebuild(connection: Connection) -> None:
    """Make all projections again from the journal alone, in one transaction."""
    with connection.begin():
        _rows(connection, (*_OF_ROWS, Kind.MARK))


def _snapshots(connection: Connection) -> None:
    """Make snapshots anew where they were made otherwise. Raises: ValueError where they are too many for a start."""
    is_mark = journal.c.kind == Kind.MARK.value
    last = connection.execute(select(journal).where(is_mark).order_by(journal.c.seq.desc()).limit(_LOOKED_AT)).all()
    if are_snapshots(connection, _numbered(last)):
        return
    if (count := connection.scalar(select(func.count()).where(is_mark)) or 0) > MOST_MARKS:
        raise ValueError(f"its {count:,} snapshots are more than a start makes anew")
    _rows(connection, (Kind.MARK,))


def _rows(connection: Connection, kinds: Collection[Kind]) -> None:
    """Make the rows of these kinds of records anew, so many at once as memory has room for."""
    of_marks, of_others = Kind.MARK in kinds, bool({*kinds} - {Kind.MARK})
    for table in PROJECTIONS:
        if of_marks if table is snapshot_rows else of_others:
            connection.execute(table.delete())
    projector, last = Projector(), 0
    named = [kind.value for kind in kinds]
    while True:
        query = select(journal).where(journal.c.seq > last, journal.c.kind.in_(named))
        found = connection.execute(query.order_by(journal.c.seq).limit(_AT_ONCE)).all()
        if not found:
            return
        projector.project(connection, _numbered(found))
        last = found[-1].seq


def _numbered(rows: Sequence[Any]) -> list[tuple[int, Record]]:
    return [
        (seq, Record(utc_time(at), Kind(kind), bot, position, json.loads(data)))
        for seq, at, kind, bot, position, data, _ in rows
    ]


def _views(connection: Connection) -> None:
    """Make the views anew; on a server whoever may read them still may."""
    sql = dialect_of(connection)
    if sql.is_server:
        with suppress(DatabaseError), connection.begin_nested():
            for statement in views(sql):
                connection.exec_driver_sql(statement.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1))
            return
    granted = connection.exec_driver_sql(_GRANTED).scalars().all() if sql.is_server else ()
    for name in reversed(NAMES):
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")
    for statement in (*views(sql), *granted):
        connection.exec_driver_sql(statement)
