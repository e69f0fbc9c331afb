"""What a new store is made of, and which versions of it are known."""

from sqlalchemy import Connection

from engine.model.errors import StoreError
from engine.store.dialect import dialect_of
from engine.store.failures import RESTORE
from engine.store.place import Place
from engine.store.tables import SCHEMA_VERSION, metadata, schema_version
from engine.store.views import views


def create(connection: Connection) -> None:
    """Make tables, triggers and views, in the transaction that is open."""
    sql = dialect_of(connection)
    metadata.create_all(connection, checkfirst=not sql.is_server)
    for statement in (*sql.append_only, *views(sql)):
        connection.exec_driver_sql(statement)
    connection.execute(schema_version.insert().values(version=SCHEMA_VERSION))


def check_version(connection: Connection, place: Place) -> None:
    """Raise StoreError for a store that this rulebot cannot go on with."""
    found = connection.execute(schema_version.select()).scalar()
    if found is not None and found > SCHEMA_VERSION:
        raise StoreError(
            f"the store {place} has version {found}, this rulebot knows {SCHEMA_VERSION}", "use the newer rulebot"
        )
    if found is None or found < SCHEMA_VERSION:
        raise StoreError(f"the store {place} has version {found}, which no rulebot wrote", RESTORE)
