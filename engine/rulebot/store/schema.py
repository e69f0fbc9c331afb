"""What a new store is made of, and which versions of it are known."""

from typing import Any

from sqlalchemy import Connection, create_mock_engine

from rulebot.model.errors import StoreError
from rulebot.store.dialect import dialect_of
from rulebot.store.failures import RESTORE
from rulebot.store.place import Place
from rulebot.store.tables import OF_ONE, SCHEMA_VERSION, journal_position, metadata, schema_version
from rulebot.store.views import views

_FIRST = 1
"""The first version that a rulebot has written."""
_TABLES: dict[str, tuple[str, ...]] = {}
"""Statements that make all tables and indexes, by the name of the dialect: a process makes many stores of one kind."""


def create(connection: Connection) -> None:
    """Make tables, triggers and views, in the transaction that is open."""
    sql = dialect_of(connection)
    for statement in (*_tables(connection), *sql.append_only, *views(sql)):
        connection.exec_driver_sql(statement)
    connection.execute(schema_version.insert().values(version=SCHEMA_VERSION))


def _tables(connection: Connection) -> tuple[str, ...]:
    dialect = connection.dialect
    if dialect.name not in _TABLES:
        found: list[str] = []

        def keep(made: Any, *_: object, **__: object) -> None:
            found.append(str(made.compile(dialect=dialect)))

        if dialect_of(connection).is_server:
            journal_position.dialect_kwargs["postgresql_where"] = OF_ONE
        metadata.create_all(create_mock_engine(f"{dialect.name}://", keep), checkfirst=False)
        _TABLES[dialect.name] = tuple(found)
    return _TABLES[dialect.name]


def check_version(connection: Connection, place: Place) -> None:
    """Raise StoreError for a store that this rulebot cannot go on with."""
    found = connection.execute(schema_version.select()).scalar()
    if found is not None and found > SCHEMA_VERSION:
        raise StoreError(
            f"the store {place} has version {found}, this rulebot knows {SCHEMA_VERSION}", "use the newer rulebot"
        )
    if found is None or found < _FIRST:
        version = "no version" if found is None else f"version {found}"
        raise StoreError(f"the store {place} has {version}, which no rulebot wrote", RESTORE)
