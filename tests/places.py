"""Looking into a store, and tampering with it, behind the engine's back: the same calls for both databases."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from rulebot.store.place import Place, Server


def session_of(server: Server) -> Any:
    """Return a session of somebody else, in which each statement is kept at once."""
    import psycopg

    return psycopg.connect(autocommit=True, **server.what)  # type: ignore[arg-type]


def rows(place: Place, query: str) -> list[dict[str, Any]]:
    """Return the rows of a query, as dictionaries."""
    if isinstance(place, Server):
        from psycopg.rows import dict_row

        with session_of(place) as session:
            found: list[dict[str, Any]] = session.cursor(row_factory=dict_row).execute(query.encode()).fetchall()
            return found
    with closing(sqlite3.connect(place)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]


def run(place: Place, *statements: str) -> int:
    """Run statements; return how many rows the last one touched."""
    count = 0
    if isinstance(place, Server):
        with session_of(place) as session:
            for statement in statements:
                count = session.execute(statement.encode()).rowcount
        return count
    with closing(sqlite3.connect(place)) as connection, connection:
        for statement in statements:
            count = connection.execute(statement).rowcount
    return count


def drop_triggers(place: Place) -> None:
    """Take away what keeps the journal as it was written."""
    on = " ON journal" if isinstance(place, Server) else ""
    run(place, *(f"DROP TRIGGER {name}{on}" for name in ("journal_no_update", "journal_no_delete", "journal_no_gap")))


def records_of(place: Place) -> int:
    """Return how many records are kept."""
    return int(rows(place, "SELECT count(*) AS count FROM journal")[0]["count"])


def spelled(place: Place) -> str:
    """Return the place as a program of a test may name it: `place_of(...)` of this text."""
    return str(place.absolute()) if isinstance(place, Path) else str(place)
