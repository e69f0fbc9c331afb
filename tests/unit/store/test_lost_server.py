"""A server that is lost while something is committed (faults.md row 79): what was written is asked of the journal."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from cutting_proxy import Cut, CuttingProxy
from places import rows
from postgres_server import PostgresServer, running_server
from store_day import at, condor_records, small_day

from rulebot.model.errors import StoreError, UnwrittenError
from rulebot.record.record import Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.maintenance import differing_tables
from rulebot.store.place import Server
from rulebot.store.registry import open_store

pytestmark = pytest.mark.postgres


def pause(number: int) -> Record:
    return Record(at("12:00"), Kind.OPERATOR, "", "", {"id": f"{number}", "request": "pause", "bot": ""})


def asked(server: Server) -> list[int]:
    return [row["seq"] for row in rows(server, "SELECT seq FROM journal WHERE kind = 'operator' ORDER BY seq")]


@pytest.fixture
def server(postgres_server: PostgresServer) -> Server:
    """Return where a new store goes."""
    return postgres_server.place()


@pytest.fixture
def line(postgres_server: PostgresServer) -> Iterator[CuttingProxy]:
    """Return a line to the server that can be cut."""
    with CuttingProxy(postgres_server.port) as proxy:
        yield proxy


def through(server: Server, line: CuttingProxy) -> Server:
    return Server({**server.what, "port": str(line.port)})


def test_a_commit_that_was_kept_is_known_to_be(server: Server, line: CuttingProxy) -> None:
    journal = SqlJournal(open_store(through(server, line)))
    journal.append(small_day()[:20], durable=True)
    line.coming = [Cut.AFTER]
    journal.append([*small_day()[20:], pause(1)], durable=True)
    assert line.cuts == 1
    journal.append([pause(2)], durable=True)
    assert (journal.verify(), len(asked(server))) == (None, 2)
    journal.close()
    assert differing_tables(server) == []


@pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.STUCK])
def test_a_commit_that_was_not_kept_is_made_once_more(server: Server, line: CuttingProxy, cut: Cut) -> None:
    """It ended the engine, though the server was there again and the journal said that nothing had been written."""
    journal = SqlJournal(open_store(through(server, line)))
    journal.append([pause(1)], durable=True)
    journal.append([Record(at("12:00"), Kind.VERDICT)], durable=False)
    line.coming = [cut]
    journal.append([pause(2), *condor_records()], durable=True)
    assert line.cuts == 1
    assert not line.deliver()
    journal.append([pause(3)], durable=True)
    asks = [record for record in journal.read() if record.kind in (Kind.VERDICT, Kind.OPERATOR)]
    assert [record.data.get("id") for record in asks] == ["1", None, "2", "3"]
    assert journal.verify() is None
    journal.close()
    assert differing_tables(server) == []


def test_a_second_commit_that_was_kept_is_known_to_be(server: Server, line: CuttingProxy) -> None:
    journal = SqlJournal(open_store(through(server, line)))
    line.coming = [Cut.BEFORE, None, Cut.AFTER]
    journal.append([pause(1), *condor_records()], durable=True)
    journal.append([pause(2)], durable=True)
    assert (line.cuts, journal.verify(), len(asked(server))) == (2, None, 2)
    journal.close()
    assert differing_tables(server) == []


@pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.STUCK])
def test_a_commit_that_is_not_kept_twice_is_a_failure_and_nothing_of_it_remains(
    server: Server, line: CuttingProxy, cut: Cut
) -> None:
    journal = SqlJournal(open_store(through(server, line)))
    journal.append([pause(1)], durable=True)
    line.coming = [cut, None, cut]
    with pytest.raises(UnwrittenError, match="has lost its server"):
        journal.append([pause(2), *condor_records()], durable=True)
    assert line.cuts == 2
    assert not line.deliver()
    assert asked(server) == [1]
    journal.append([pause(3)], durable=True)
    assert [record.data["id"] for record in journal.read()] == ["1", "3"]
    assert journal.verify() is None
    journal.close()
    assert differing_tables(server) == []


def test_a_server_that_goes_again_while_the_journal_is_asked_took_no_more(server: Server, line: CuttingProxy) -> None:
    """It was told as a store that is not ours, and what works to open something was left at the broker."""
    journal = SqlJournal(open_store(through(server, line)))
    journal.append([pause(1)], durable=True)
    line.coming = [Cut.BEFORE, Cut.BEFORE]
    with pytest.raises(UnwrittenError, match="has lost its server"):
        journal.append([pause(2)], durable=True)
    assert line.cuts == 2
    journal.append([pause(3)], durable=True)
    assert [record.data["id"] for record in journal.read()] == ["1", "3"]
    journal.close()


def test_an_engine_whose_store_another_has_by_then_takes_nothing_back(
    postgres_server: PostgresServer, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rulebot.store.postgres.RETURN_SECONDS", 0.3)
    journal = SqlJournal(open_store(server))
    user = server.what["user"]
    postgres_server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{user}'")
    other = SqlJournal(open_store(server))
    monkeypatch.setattr(journal._store, "_session", None)  # nor can it end the session of the other
    with pytest.raises(StoreError, match=r"did not come back: .* in use by another engine") as caught:
        journal.append([pause(1)], durable=True)
    assert not isinstance(caught.value, UnwrittenError)
    journal.abandon()
    other.close()


def test_what_waited_before_a_lost_commit_is_written_with_the_next(server: Server, line: CuttingProxy) -> None:
    journal = SqlJournal(open_store(through(server, line)))
    journal.append([Record(at("12:00"), Kind.VERDICT)], durable=False)
    line.coming = [Cut.BEFORE, None, Cut.BEFORE]
    with pytest.raises(UnwrittenError):
        journal.append([pause(1)], durable=True)
    journal.append([pause(2)], durable=True)
    assert [record.kind for record in journal.read()] == [Kind.VERDICT, Kind.OPERATOR]
    journal.close()


# ---------------------------------------------------------------- the server itself dies


@pytest.fixture(scope="module")
def mortal() -> Iterator[PostgresServer]:
    """Return a server of these tests alone."""
    with running_server() as server:
        yield server


def restarted(server: PostgresServer) -> threading.Thread:
    """Kill a server, and let it come back while somebody waits for it."""
    server.kill()
    coming = threading.Thread(target=server.start)
    coming.start()
    return coming


def test_a_server_that_restarts_between_commits(mortal: PostgresServer) -> None:
    place = mortal.place()
    journal = SqlJournal(open_store(place))
    journal.append([pause(1)], durable=True)
    coming = restarted(mortal)
    journal.append([pause(2)], durable=True)
    coming.join()
    journal.append([pause(3)], durable=True)
    assert [record.data["id"] for record in journal.read()] == ["1", "2", "3"]
    assert journal.verify() is None
    with pytest.raises(StoreError, match="in use by another engine"):
        open_store(place)
    journal.close()


def test_a_quiet_engine_waits_for_a_server_that_restarts(mortal: PostgresServer) -> None:
    journal = SqlJournal(open_store(mortal.place()))
    journal.append([pause(1)], durable=True)
    coming = restarted(mortal)
    journal.check_held()
    coming.join()
    journal.append([pause(2)], durable=True)
    assert len(journal.read()) == 2
    journal.close()


def test_a_server_that_does_not_come_back_ends_the_engine(
    mortal: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rulebot.store.postgres.RETURN_SECONDS", 0.3)
    place = mortal.place()
    journal = SqlJournal(open_store(place))
    journal.append([pause(1)], durable=True)
    mortal.kill()
    for _ in range(2):
        with pytest.raises(
            UnwrittenError, match=r"lost its server, and it did not come back: .* cannot be reached"
        ) as caught:
            journal.append([pause(2)], durable=True)
        assert "is unknown" in str(caught.value.help)
    with pytest.raises(UnwrittenError, match="did not come back"):
        journal.check_held()
    journal.abandon()
    mortal.start()
    again = SqlJournal(open_store(place))
    assert [record.data["id"] for record in again.read()] == ["1"]
    again.close()


def test_a_server_that_forgot_what_was_not_durable_ends_the_engine(
    postgres_server: PostgresServer, server: Server
) -> None:
    """As after a power cut: the last record, whose commit did not wait for the disk, is gone."""
    journal = SqlJournal(open_store(server), lag=timedelta(0))
    journal.append([pause(1)], durable=True)
    journal.append([Record(at("12:00"), Kind.VERDICT)], durable=False)
    user = server.what["user"]
    postgres_server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{user}'")
    postgres_server.run(f"SET session_replication_role = replica; DELETE FROM {user}.journal WHERE seq = 2")
    with pytest.raises(StoreError, match="lost its last records with its server: it ends at 1, was at 2"):
        journal.append([pause(2)], durable=True)
    with pytest.raises(StoreError, match="no gaps"):
        journal.append([pause(2)], durable=True)
    journal.abandon()
    again = SqlJournal(open_store(server))
    assert [record.data["id"] for record in again.read()] == ["1"]
    assert again.verify() is None
    again.close()
