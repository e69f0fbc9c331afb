"""What only a store on a server has: its lock, its login, its durability, and requests that come from anywhere."""

import logging
import re
import shlex
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from places import records_of, rows, run, session_of
from postgres_server import PostgresServer
from store_day import at, small_day

from rulebot.core.state.state import OperatorState, TradingMode
from rulebot.model.errors import StoreError
from rulebot.model.event import Request
from rulebot.operator_requests.requests import RequestInbox, clear_box, post
from rulebot.record.record import Kind, Record
from rulebot.recovery.resume import resume_from
from rulebot.store import postgres
from rulebot.store.dialect import POSTGRES, SQLITE
from rulebot.store.journal import SqlJournal
from rulebot.store.maintenance import RESTORED, back_up, differing_tables, opened_journal, restore
from rulebot.store.place import Place, Server, place_of
from rulebot.store.queries import StoreReader
from rulebot.store.registry import is_in_use, is_there, last_store, open_store, read_store, remember_store
from rulebot.store.requests import box_of
from rulebot.store.schema import NAMES, SCHEMA_VERSION

pytestmark = pytest.mark.postgres

NOW = at("12:00") + timedelta(days=1)
SECRET = "never-shown:é/@"


@pytest.fixture
def server(postgres_server: PostgresServer) -> Server:
    """Return where a new store goes."""
    return postgres_server.place()


def journal_at(place: Place) -> SqlJournal:
    return SqlJournal(open_store(place))


def pause(number: int) -> Record:
    return Record(at("12:00"), Kind.OPERATOR, "", "", {"id": f"{number}", "request": "pause", "bot": ""})


def with_password(server: Server, password: str) -> Server:
    """Return the place for the user `locked`, whom the server asks for a password."""
    return Server({**server.what, "user": "locked"}, password)


def test_both_databases_hold_the_same_to_the_byte(server: Server, tmp_path: Path) -> None:
    for place in (tmp_path / "a.db", server):
        journal = journal_at(place)
        for record in small_day():
            journal.append([record], durable=record.kind is Kind.ORDER)
        journal.close()
    stored = "SELECT seq, at, kind, bot, position, data, hash FROM journal ORDER BY seq"
    assert rows(server, stored) == rows(tmp_path / "a.db", stored)
    with StoreReader(tmp_path / "a.db") as one, StoreReader(server) as other:
        assert other.tables(NAMES) == one.tables(NAMES)
        assert all(one.tables(NAMES).values())
        assert [type(v) for v in other.view("trades")[0].values()] == [type(v) for v in one.view("trades")[0].values()]
        assert (other.head(), other.verify()) == (one.head(), None)
    assert differing_tables(server) == []


def test_new_york_time_is_that_of_the_other_database(server: Server, tmp_path: Path) -> None:
    first = datetime(2026, 1, 1, tzinfo=UTC)
    instants = [first + timedelta(hours=hour, milliseconds=hour * 7 % 1000, microseconds=300) for hour in range(8760)]
    texts = ", ".join(f"('{instant:%Y-%m-%dT%H:%M:%S.%fZ}')" for instant in instants)
    open_store(tmp_path / "a.db").close()
    said = [
        rows(place, f"WITH t(at) AS (VALUES {texts}) SELECT {sql.new_york('at')} AS shown FROM t ORDER BY at")
        for place, sql in ((server, POSTGRES), (tmp_path / "a.db", SQLITE))
    ]
    assert said[0] == said[1]


def test_one_writes_and_others_read(server: Server) -> None:
    assert not is_there(server)
    assert not is_in_use(server)
    journal = journal_at(server)
    assert is_there(server)
    assert is_in_use(server)
    with pytest.raises(StoreError, match=r"in use by another engine \(process \d+ on .*\)"):
        open_store(server)
    with StoreReader(server) as reader:
        journal.append(small_day(), durable=True)
        assert reader.run().is_alive
        assert len(reader.view("trades")) == 2
    journal.close()
    assert not is_in_use(server)


def test_a_commit_waits_for_the_disk_only_when_it_must(server: Server) -> None:
    journal = journal_at(server)

    def waits() -> object:
        with journal._connection.begin():
            return journal._connection.exec_driver_sql("SHOW synchronous_commit").scalar()

    journal.append([pause(1)], durable=True)
    assert waits() == "on"
    journal.append([Record(at("12:00") + timedelta(seconds=second), Kind.VERDICT) for second in (0, 2)], durable=False)
    assert waits() == "off"
    journal.append([pause(2)], durable=True)
    assert waits() == "on"
    assert len(journal.read()) == 4
    journal.close()


def test_a_server_that_does_not_wait_for_its_disk_is_reported(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """As the server of these tests is, for speed."""
    log = logging.getLogger("rulebot.store")
    log.addHandler(caplog.handler)  # commands that other tests run in this process begin a log of their own
    try:
        open_store(server).close()
    finally:
        log.removeHandler(caplog.handler)
    assert f"the server of {server} has fsync off" in caplog.text


@pytest.mark.parametrize("opened", [open_store, read_store])
def test_a_database_of_another_program_is_refused(server: Server, opened: Any) -> None:
    run(server, "CREATE TABLE journal (a int)")
    with pytest.raises(StoreError, match="database of another program"):
        opened(server)


def test_names_that_are_taken_are_said_and_nothing_is_left(server: Server) -> None:
    run(server, "CREATE TABLE orders (a int)")
    with pytest.raises(StoreError, match=r'cannot be made .*"orders" already exists'):
        open_store(server)
    assert not is_there(server)
    assert not is_in_use(server)


def test_there_must_be_a_store_to_read(server: Server) -> None:
    with pytest.raises(StoreError, match="there is no store postgresql://trader"):
        read_store(server)


def test_a_newer_store_is_refused(server: Server) -> None:
    open_store(server).close()
    run(server, "UPDATE schema_version SET version = 99")
    with pytest.raises(StoreError, match=f"has version 99, this rulebot knows {SCHEMA_VERSION}"):
        open_store(server)


@pytest.mark.parametrize(
    ("statement", "lacks"),
    [
        ("ALTER TABLE journal DISABLE TRIGGER journal_no_gap", "journal_no_gap"),
        ("DROP VIEW system_state, pending_orders", "pending_orders, system_state"),
    ],
)
def test_a_store_that_is_not_whole_is_refused(server: Server, statement: str, lacks: str) -> None:
    open_store(server).close()
    run(server, statement)
    with pytest.raises(StoreError, match=f"is not whole: it lacks {lacks}$"):
        open_store(server)


def test_who_reads_a_store_that_is_not_whole_is_reported_so(server: Server) -> None:
    """It said "failed", and to look at the server. What needs nothing that is gone goes on, as a request does."""
    open_store(server).close()
    run(server, "DROP VIEW trades CASCADE")
    with StoreReader(server) as reader:
        assert reader.view("orders") == []
    with (
        pytest.raises(StoreError, match=r'is not whole .*"open_positions" does not exist') as caught,
        StoreReader(server) as reader,
    ):
        reader.view("open_positions")
    assert "restore the database from a dump" in str(caught.value.help)


def test_not_even_truncate_takes_from_the_journal(server: Server) -> None:
    journal = journal_at(server)
    journal.append([pause(1)], durable=True)
    with pytest.raises(Exception, match="append-only"):
        run(server, "TRUNCATE journal")
    journal.close()


def test_text_that_is_not_utf8_is_no_ground_for_a_store(postgres_server: PostgresServer) -> None:
    postgres_server.run("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    place = place_of(f"postgresql://postgres@127.0.0.1:{postgres_server.port}/latin")
    with pytest.raises(StoreError, match="would keep its text as LATIN1"):
        open_store(place)


# ---------------------------------------------------------------- who may come in


@pytest.fixture(scope="module")
def locked(postgres_server: PostgresServer) -> PostgresServer:
    """Return the server with a user whom it asks for a password."""
    postgres_server.run(f"CREATE ROLE locked LOGIN PASSWORD '{SECRET}'")
    postgres_server.run("CREATE SCHEMA AUTHORIZATION locked")
    return postgres_server


def test_a_password_opens_and_is_kept_nowhere(locked: PostgresServer, server: Server, tmp_path: Path) -> None:
    text = f"postgresql://locked:never-shown%3A%C3%A9%2F%40@127.0.0.1:{locked.port}/postgres"
    place = place_of(text)
    assert isinstance(place, Server)
    journal = journal_at(place)
    journal.append([pause(1)], durable=True)
    remember_store(place, {"RULEBOT_DATA": str(tmp_path)})
    kept = "".join(file.read_text() for file in tmp_path.rglob("*") if file.is_file())
    assert kept == f"postgresql://locked@127.0.0.1:{locked.port}/postgres\n"
    assert last_store({"RULEBOT_DATA": str(tmp_path)}) == place
    with pytest.raises(StoreError) as caught:
        open_store(place)
    assert "never-shown" not in f"{caught.value!r} {caught.value.help} {place} {place!r}"
    journal.close()


@pytest.mark.parametrize(
    ("password", "words"), [("wrong-one", "does not let this user in"), ("", "asks for a password")]
)
def test_a_wrong_password_is_a_sentence_without_it(
    locked: PostgresServer, server: Server, monkeypatch: pytest.MonkeyPatch, password: str, words: str
) -> None:
    monkeypatch.setenv("PGPASSFILE", "/nowhere")
    with pytest.raises(StoreError, match=words) as caught:
        read_store(with_password(server, password))
    assert "PGPASSWORD" in str(caught.value.help)
    assert "wrong-one" not in f"{caught.value!r} {caught.value.help}"
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"port": "1"}, "cannot be reached"),
        ({"host": "nowhere.invalid"}, "cannot be reached"),
        ({"dbname": "nothing"}, "cannot be opened"),
        ({"user": "nobody_here"}, "does not know this user"),
    ],
)
def test_what_cannot_be_reached_is_a_sentence_too(server: Server, change: dict[str, str], words: str) -> None:
    place = Server({**server.what, **change}, SECRET)
    for opened in (open_store, read_store, is_in_use, is_there):
        with pytest.raises(StoreError, match=words) as caught:
            opened(place)
        assert "never-shown" not in f"{caught.value!r} {caught.value.help}"
        assert caught.value.help


def test_without_its_driver_it_says_what_to_install(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    for opened in (open_store, read_store, is_in_use):
        with pytest.raises(StoreError, match="needs the PostgreSQL driver psycopg") as caught:
            opened(server)
        assert caught.value.help == "pip install 'rulebot[postgres]'"


def test_what_speaks_with_a_server_is_loaded_for_one_only(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
import rulebot.live.start, rulebot.store.queries
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store
SqlJournal(open_store(Path({str(tmp_path / "a.db")!r}))).close()
print(sorted({{"psycopg", "sqlalchemy.dialects.postgresql"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_index_of_positions_leaves_out_what_belongs_to_none(server: Server) -> None:
    open_store(server).close()
    with session_of(server) as session:
        found = session.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'journal_position'").fetchone()
    assert found is not None
    assert str(found[0]).endswith("WHERE (\"position\" <> ''::text)")


# ---------------------------------------------------------------- upkeep and requests


def test_its_own_tools_back_it_up(server: Server, tmp_path: Path) -> None:
    open_store(server).close()
    with pytest.raises(StoreError, match="its server's own tools") as caught:
        back_up(server, tmp_path / "copy")
    assert f"'{server}'" in str(caught.value.help)
    assert re.match("pg_dump ", str(caught.value.help))
    with pytest.raises(StoreError, match="its server's own tools") as caught:
        restore(tmp_path / "copy", server, at("12:00"))
    assert "pg_restore" in str(caught.value.help)
    assert "the next start recognises it as restored" in str(caught.value.help)


def test_a_dump_is_a_whole_store_where_it_is_put(
    postgres_server: PostgresServer, server: Server, tmp_path: Path
) -> None:
    """As the refusals of `store backup` and `store restore` say, word for word, with a database for each store."""
    dump, load = (str(postgres_server.tool(name)) for name in ("pg_dump", "pg_restore"))
    first, second = (Server({**server.what, "dbname": name}) for name in ("dumped", "restored"))
    for place in (first, second):
        postgres_server.run(f"CREATE DATABASE {place.what['dbname']} OWNER {server.what['user']}")
    journal = journal_at(first)
    journal.append(small_day(), durable=True)
    with pytest.raises(StoreError) as caught:
        back_up(first, tmp_path / "copy")
    subprocess.run([dump, *shlex.split(str(caught.value.help))[1:]], check=True)
    subprocess.run([load, f"--dbname={second}", str(tmp_path / "copy")], check=True)
    journal.close()
    again = journal_at(second)
    assert list(again.read()) == small_day()
    assert (again.verify(), again.epoch) == (None, 2)
    again.append([pause(1)], durable=True)
    again.close()
    assert differing_tables(second) == []


def test_a_start_knows_that_the_servers_tools_have_put_a_store_back(
    postgres_server: PostgresServer, server: Server, tmp_path: Path
) -> None:
    """Bots entered again what they had entered since the dump, under the names of orders that the broker knew."""
    dump, load = (str(postgres_server.tool(name)) for name in ("pg_dump", "pg_restore"))
    lost = Server({**server.what, "dbname": "lost"})
    postgres_server.run(f"CREATE DATABASE lost OWNER {server.what['user']}")
    for _ in range(2):  # a start on what was never put back says nothing
        with closing(opened_journal(lost, NOW)) as journal:
            if not journal.read():
                journal.append(small_day(), durable=True)
    assert records_of(lost) == len(small_day())
    subprocess.run([dump, "--format=custom", f"--file={tmp_path / 'copy'}", str(lost)], check=True)
    post(lost, Request.RESUME)
    for options in (["--clean"], []):  # into the database that was there, and into a new one
        if not options:
            postgres_server.run("DROP DATABASE lost")
            postgres_server.run(f"CREATE DATABASE lost OWNER {server.what['user']}")
        subprocess.run([load, *options, f"--dbname={lost}", str(tmp_path / "copy")], check=True)
        post(lost, Request.RESUME)
        for _ in range(2):  # the second start has nothing more to say
            opened_journal(lost, NOW).close()
            with StoreReader(lost) as reader:
                state = resume_from(reader.recall(NOW), NOW).state
            assert state.requests.operator == OperatorState(TradingMode.REDUCING, reason=RESTORED)
            assert state.orders.next_number == NOW.timestamp() + 1
            assert records_of(lost) == len(small_day()) + 1
        assert box_of(lost).found() == []


def test_who_does_not_own_the_tables_of_a_store_opens_it(postgres_server: PostgresServer, server: Server) -> None:
    """Only their owner can note where it is: "must be owner of table requests" ended every start of such a role."""
    role = server.what["user"]
    postgres_server.run("CREATE DATABASE granted")
    granted, guest = (Server({**server.what, "dbname": "granted", "user": user}) for user in ("postgres", role))
    open_store(granted).close()
    for words in ("COMMENT ON TABLE requests IS NULL", f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"):
        postgres_server.run(words, "granted")  # as of an earlier version
    open_store(guest).close()
    postgres_server.run("COMMENT ON TABLE requests IS 'elsewhere'", "granted")
    with pytest.raises(StoreError, match="was restored, and its user, who does not own its tables"):
        open_store(guest)
    postgres_server.run(f"ALTER TABLE requests OWNER TO {role}", "granted")
    opened_journal(guest, NOW).close()
    assert records_of(guest) == 1


def test_an_engine_starts_while_the_store_is_dumped(server: Server) -> None:
    """It ended after five seconds: "is locked by another session". The locks are those that pg_dump takes."""
    journal_at(server).close()
    with session_of(server) as dump, dump.transaction():
        dump.execute("LOCK TABLE lease, journal, order_rows, requests IN ACCESS SHARE MODE")
        journal = journal_at(server)
        journal.append(small_day(), durable=True)
        journal.check_held()
        journal.close()


def test_a_request_reaches_the_engine_however_the_server_is_named(server: Server) -> None:
    journal = journal_at(server)
    inbox = RequestInbox(server)
    assert post(Server({**server.what, "host": "localhost"}), Request.PAUSE, "condor")
    assert post(server, Request.KILL)
    noon = at("12:00")
    assert [(each.request, each.bot) for each in inbox.read(noon)] == [(Request.PAUSE, "condor"), (Request.KILL, "")]
    inbox._looked = 0.0
    assert inbox.read(noon) == []
    assert rows(server, "SELECT * FROM requests") == []
    inbox.close()
    journal.close()


def test_an_engine_that_cannot_be_asked_ends(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    journal_at(server).close()
    inbox = RequestInbox(server)
    run(server, "ALTER TABLE requests RENAME TO gone")
    assert inbox.read(at("12:00")) == []
    monkeypatch.setattr(postgres, "RETURN_SECONDS", -1.0)
    inbox._looked = 0.0
    with pytest.raises(StoreError, match='relation "requests" does not exist'):
        inbox.read(at("12:00"))
    run(server, "ALTER TABLE gone RENAME TO requests")
    inbox._looked = 0.0
    assert inbox.read(at("12:00")) == []
    with pytest.raises(StoreError, match="no engine is running"):
        post(server, Request.STOP)
    inbox.close()


def test_what_is_asked_while_no_engine_runs(server: Server) -> None:
    with pytest.raises(StoreError, match="no engine is running"):
        post(server, Request.KILL)
    journal_at(server).close()
    assert not post(server, Request.KILL)
    with pytest.raises(StoreError, match="no engine is running"):
        post(server, Request.STOP)
    run(server, "INSERT INTO requests VALUES ('0', 'no json'), ('1', '{\"request\": \"stop\", \"id\": \"1\"}')")
    clear_box(server)
    inbox = RequestInbox(server)
    assert [each.request for each in inbox.read(at("12:00"))] == [Request.KILL]
    assert [row["name"] for row in rows(server, "SELECT name FROM requests")] != []
    inbox._looked = 0.0
    inbox.read(at("12:00"))
    assert rows(server, "SELECT name FROM requests") == []
    inbox.close()


def test_an_engine_whose_session_was_ended_lets_the_next_one_be(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "RETURN_SECONDS", 0.0)
    first = journal_at(server)
    first.append([pause(1)], durable=True)
    with session_of(server) as session:
        session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE locktype = 'advisory' AND usename = current_user"
        )
    second = journal_at(server)
    with pytest.raises(StoreError, match="in use by another engine"):
        first.append([pause(2)], durable=True)
    second.append([pause(3)], durable=True)
    assert [record.data["id"] for record in second.read()] == ["1", "3"]
    first.abandon()
    second.close()
