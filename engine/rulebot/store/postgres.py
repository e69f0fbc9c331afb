"""A store in a database of a PostgreSQL server: one session that holds its lock and writes, any number that read.

The lock is an advisory one of the session: the server lets go of it when the session ends, and a session ends only
after what it was committing is kept or gone. So who has the lock again after a lost connection may ask the journal
whether a commit got through.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool, Pool, StaticPool

from rulebot.model.errors import StoreError, UnwrittenError
from rulebot.store.failures import RESTORE_DUMP, sentences
from rulebot.store.place import Server, Store, database_password
from rulebot.store.schema import APPLICATION_ID, NAMES, check_version, create

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger("rulebot.store")

RETURN_SECONDS = 10.0
"""How long a server that was lost is waited for: a restart takes less."""
_MARK = "rulebot store"
"""The comment of `journal`, which identifies a store among other programs' databases."""
_REQUESTS = """CREATE TABLE requests (name text COLLATE "C" PRIMARY KEY, body text NOT NULL)"""
_TRIGGERS = ("journal_no_update", "journal_no_delete", "journal_no_gap")
_WHERE = """
    SELECT concat_ws('/', (SELECT system_identifier FROM pg_control_system()), d.oid, 'journal'::regclass::oid),
        obj_description('requests'::regclass, 'pg_class'),
        (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'requests'::regclass)
    FROM pg_database d WHERE datname = current_database()"""
"""Which server, database and table a store is in, which no dump takes along; what the comment of `requests`, which
every dump does take along, says of it; and whether we may write that. Where the two differ the server's own tools have
put the store there."""
_OLDEST = 12
_LOCK = f"({APPLICATION_ID}, hashtext(coalesce(current_schema(), '')))"
_OF_SESSION = {
    "application_name": "rulebot",
    "client_encoding": "UTF8",
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
_OF_WRITER = (
    "SET lock_timeout TO '300ms'",
    f"SELECT pg_advisory_lock{_LOCK}",
    "SET lock_timeout TO '5s'",
    "SET synchronous_commit TO on",
    "SET idle_in_transaction_session_timeout TO 0",
    "SET tcp_keepalives_idle TO 5",
    "SET tcp_keepalives_interval TO 2",
    "SET tcp_keepalives_count TO 3",
)


class _TakenError(StoreError):
    """Another engine has the store."""


class ServerStore(Store):
    """A database that is open for writing: one session, which has the lock."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._session: tuple[int, object] | None = None
        self._patience = RETURN_SECONDS
        super().__init__(server, _engine(self._enter, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", StaticPool))

    def close(self) -> None:
        """Let the next writer in at once: the server notices the end of a session only a moment later."""
        if self._session is not None:
            with suppress(SQLAlchemyError, StoreError), self.engine.connect() as connection:
                connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")
        super().close()

    def note_place(self) -> None:
        """Keep where the store is, so that a copy of it which is put elsewhere is known for one. Raises: StoreError."""
        with sentences(self._server), self.engine.connect() as connection, connection.begin():
            connection.exec_driver_sql(f"COMMENT ON TABLE requests IS '{_places(connection)[0]}'")
        self.is_put_back = False

    def reconnected(self, lost: Connection) -> Connection | None:
        """Return a connection of a new session that has the lock, None when the old one was not lost.

        Raises: UnwrittenError when there is none after a while; the next call then does not wait. StoreError when
        another engine has the store by then.
        """
        if not _is_lost(lost):
            return None
        lost.invalidate()
        deadline = time.monotonic() + self._patience
        while True:
            try:
                with sentences(self._server):
                    found = self.engine.connect()
                lost.close()
                self._patience = RETURN_SECONDS
                return found
            except StoreError as error:
                if time.monotonic() >= deadline:
                    self._patience = 0.0
                    kind = StoreError if isinstance(error, _TakenError) else UnwrittenError
                    raise kind(
                        f"the store {self.path} lost its server, and it did not come back: {error.message}",
                        "whether its last commit was kept is unknown, and nothing was sent on it; "
                        "the next start continues from the journal",
                    ) from None
            time.sleep(0.2)

    def _enter(self) -> "psycopg.Connection[Any]":
        """Return a session that has the lock; the one before it is ended first. Raises: StoreError."""
        session = connect_to(self._server)
        try:
            if self._session is not None:
                ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND backend_start = %s"
                session.execute(ending, self._session)
            _take(session, self._server)
            started = session.execute("SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()")
            self._session = (session.info.backend_pid, started.fetchone()[0])  # type: ignore[index]
        except BaseException:
            session.close()
            raise
        return session


def open_server(server: Server) -> Store:
    """Open a database for writing; make the store when there is none.

    Raises: StoreError when another engine has it, or it is not fit for it.
    """
    with sentences(server):
        _check_driver(server)
        store = ServerStore(server)
        try:
            with store.engine.connect() as connection:
                if not _holds_store(connection, server):
                    with connection.begin():
                        create(connection)
                        connection.exec_driver_sql(_REQUESTS)
                        connection.exec_driver_sql(f"COMMENT ON TABLE journal IS '{_MARK}'")
                with connection.begin():
                    check_version(connection, server)
                    _check_whole(connection, server)
                    here, noted, is_ours = _places(connection)
                store.is_put_back = noted is not None and noted != here
            if store.is_put_back and not is_ours:
                raise StoreError(
                    f"the store {server} was restored, and its user, who does not own its tables, cannot note that",
                    "pg_restore as that user, or have their owner say ALTER TABLE requests OWNER TO that user",
                )
            if noted is None and is_ours:
                store.note_place()
        except BaseException:
            store.close()
            raise
        return store


def read_server(server: Server) -> Store:
    """Open an existing store, read-only; all reads of one transaction see one instant. Raises: StoreError."""
    with sentences(server):
        _check_driver(server)
        reads = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        engine = _engine(lambda: connect_to(server), reads, NullPool)
        with engine.connect() as connection:
            if not _holds_store(connection, server):
                raise StoreError(f"there is no store {server}", "name one with --store, or start a run first")
            with connection.begin():
                check_version(connection, server)
        return Store(server, engine)


def server_is_in_use(server: Server) -> bool:
    """Say whether an engine has the store open now. Raises: StoreError."""
    question = f"""
        SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = {APPLICATION_ID}
          AND objid = hashtext(coalesce(current_schema(), ''))::bigint & 4294967295
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"""
    return bool(ask_server(server, question)[0][0])


def server_has_store(server: Server) -> bool:
    """Say whether there is a store in the database. Raises: StoreError."""
    return bool(ask_server(server, "SELECT to_regclass('journal') IS NOT NULL")[0][0])


def ask_server(server: Server, question: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the rows of one statement, in its own session, committed at once. Raises: StoreError."""
    with sentences(server):
        _check_driver(server)
        session = connect_to(server)
        try:
            cursor = session.execute(question.encode(), values or None)
            return cursor.fetchall() if cursor.description else []
        finally:
            session.close()


def _check_driver(server: Server) -> None:
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise StoreError(
            f"the store {server} needs the PostgreSQL driver psycopg, which is not there ({error})",
            "pip install 'rulebot[postgres]'",
        ) from None


def connect_to(server: Server) -> "psycopg.Connection[Any]":
    """Return a session in which each statement is kept at once. Raises: psycopg.Error, StoreError."""
    import psycopg

    password = server.password or database_password()
    secret = {"password": password} if password else {}
    asked: dict[str, Any] = {**_OF_SESSION, **server.what, **secret}
    session = psycopg.connect(autocommit=True, **asked)
    version, encoding = session.info.server_version // 10000, session.info.parameter_status("server_encoding")
    if version >= _OLDEST and encoding == "UTF8":
        return session
    session.close()
    if version < _OLDEST:
        raise StoreError(f"the store {server} is on PostgreSQL {version}", f"{_OLDEST} or newer is needed")
    raise StoreError(f"the store {server} would keep its text as {encoding}", "make a database of encoding UTF8")


def _take(session: "psycopg.Connection[Any]", server: Server) -> None:
    """Take the lock of the store, and set the session up for writing. Raises: _TakenError."""
    import psycopg

    try:
        for statement in _OF_WRITER:
            session.execute(statement.encode())
    except psycopg.errors.LockNotAvailable:
        raise _TakenError(
            f"the store {server} is in use by another engine{_owner(session)}",
            "stop it first, or name another store with --store",
        ) from None
    if session.execute("SHOW fsync").fetchone() == ("off",):
        log.warning("the server of %s has fsync off: after a power cut records may be lost, or the store", server)


def _owner(session: "psycopg.Connection[Any]") -> str:
    if session.execute("SELECT to_regclass('lease') IS NULL").fetchone() == (True,):
        return ""
    found = session.execute("SELECT owner FROM lease").fetchone()
    return "" if found is None else f" ({found[0]})"


def _engine(connects: Callable[[], "psycopg.Connection[Any]"], begin: str, pool: type[Pool]) -> Engine:
    engine = create_engine("postgresql+psycopg://", creator=connects, poolclass=pool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _holds_store(connection: Connection, server: Server) -> bool:
    """Say whether there is a store yet. Raises: StoreError when the tables there belong to another program."""
    with connection.begin():
        found, mark = connection.exec_driver_sql(
            "SELECT to_regclass('journal') IS NOT NULL, obj_description(to_regclass('journal'), 'pg_class')"
        ).one()
    if found and mark != _MARK:
        raise StoreError(f"{server} is a database of another program", "name another one with --store")
    return bool(found)


def _places(connection: Connection) -> tuple[str, str | None, bool]:
    """Return where a store is, where it was when that was noted last, and whether we may note it."""
    here, noted, is_ours = connection.exec_driver_sql(_WHERE).one()
    return here, noted, is_ours


def _check_whole(connection: Connection, server: Server) -> None:
    """Raise StoreError when triggers of the journal are off or views are gone."""
    triggers = connection.exec_driver_sql(
        "SELECT tgname FROM pg_trigger WHERE tgrelid = 'journal'::regclass AND tgenabled IN ('O', 'A')"
    )
    views = connection.exec_driver_sql(
        "SELECT viewname FROM pg_views WHERE schemaname = "
        "(SELECT nspname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE c.oid = 'journal'::regclass)"
    )
    lacking = sorted({*_TRIGGERS, *NAMES} - {*triggers.scalars(), *views.scalars()})
    if lacking:
        raise StoreError(f"the store {server} is not whole: it lacks {', '.join(lacking)}", RESTORE_DUMP)


def _is_lost(connection: Connection) -> bool:
    if connection.closed or connection.invalidated:
        return True
    session: Any = connection.connection.dbapi_connection
    return session is None or bool(session.closed)
