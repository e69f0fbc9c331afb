import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from places import drop_triggers, records_of, run, spelled
from store_day import DAY, at, judged, small_day

from rulebot.model.errors import InvariantError, UnwrittenError
from rulebot.record.record import Json, Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store, read_store

NOON = at("12:00")


def operator(number: int) -> Record:
    return Record(NOON, Kind.OPERATOR, "", "", {"id": f"{number}", "request": "pause", "bot": ""})


def test_what_is_read_is_what_was_written(place: Place) -> None:
    journal = SqlJournal(open_store(place))
    for record in small_day():
        journal.append([record], durable=record.kind is Kind.ORDER)
    assert list(journal.read()) == small_day()
    journal.close()
    again = SqlJournal(open_store(place))
    assert list(again.read()) == small_day()
    assert [record.kind for record in again.read({Kind.SESSION})] == [Kind.SESSION]
    assert again.verify() is None
    again.close()


def test_a_record_may_wait_one_second_of_its_own_time(place: Place) -> None:
    journal = SqlJournal(open_store(place))
    for second in (0.0, 0.5, 0.9):
        journal.append([Record(NOON + timedelta(seconds=second), Kind.VERDICT)], durable=False)
    assert records_of(place) == 0
    journal.append([Record(NOON + timedelta(seconds=1), Kind.VERDICT)], durable=False)
    assert records_of(place) == 4
    journal.append([Record(NOON + timedelta(seconds=1.1), Kind.VERDICT)], durable=False)
    journal.append([operator(1)], durable=True)
    assert records_of(place) == 6
    assert [record.kind for record in journal.read()][-2:] == [Kind.VERDICT, Kind.OPERATOR]
    journal.close()


def test_what_nothing_follows_is_there_after_a_second_too(place: Place) -> None:
    """A lost connection was the last record for hours, and stayed in memory."""
    journal = SqlJournal(open_store(place))
    journal.append([Record(NOON, Kind.VERDICT)], durable=False)
    journal.catch_up(NOON + timedelta(seconds=0.9))
    assert records_of(place) == 0
    journal.catch_up(NOON + timedelta(seconds=1))
    assert records_of(place) == 1
    journal.catch_up(NOON + timedelta(seconds=9))
    assert records_of(place) == 1
    journal.close()


def test_a_killed_engine_loses_no_durable_record(place: Place) -> None:
    program = f"""
        import os, signal, sys
        sys.path[:0] = {[str(Path(__file__).parents[2]), str(Path(__file__).parents[3] / "engine")]!r}
        from store_day import judged
        from rulebot.record.record import Kind, Record
        from rulebot.store.journal import SqlJournal
        from rulebot.store.registry import open_store
        from rulebot.store.place import place_of
        journal = SqlJournal(open_store(place_of({spelled(place)!r})))
        journal.append([judged("10:00", "vix", True, 1.0)], durable=False)
        journal.append([Record(judged("10:00", "vix", True, 1.0).at, Kind.OPERATOR)], durable=True)
        journal.append([judged("10:00", "vix", False, 2.0)], durable=False)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    assert killed.returncode == -signal.SIGKILL
    journal = SqlJournal(open_store(place))
    assert [record.kind for record in journal.read()] == [Kind.VERDICT, Kind.OPERATOR]
    assert journal.verify() is None
    journal.append([operator(2)], durable=True)
    assert journal.verify() is None
    journal.close()


def test_the_journal_is_append_only(day_place: Place) -> None:
    for statement in ("UPDATE journal SET bot = ''", "DELETE FROM journal WHERE seq = 3"):
        with pytest.raises(Exception, match="append-only"):
            run(day_place, statement)
    with pytest.raises(Exception, match="no gaps"):
        run(day_place, "INSERT INTO journal VALUES (999, '', '', '', '', '', '')")
    assert records_of(day_place) == len(small_day())


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE journal SET data = replace(data, 'version', 'varsion')", "its content is not what was written"),
        ("UPDATE journal SET at = replace(at, '2026', '2025') WHERE seq = 1", "its content is not what was written"),
        ("UPDATE journal SET bot = 'other' WHERE seq = 1", "its content is not what was written"),
        ("UPDATE journal SET data = data || ' ' WHERE seq = 1", "its content is not what was written"),
        ("DELETE FROM journal WHERE seq = 1", "number 1 is missing"),
    ],
)
def test_a_change_behind_our_back_is_found(day_place: Place, statement: str, why: str) -> None:
    drop_triggers(day_place)
    assert run(day_place, statement) > 0
    with StoreReader(day_place) as reader:
        found = reader.verify()
    assert found is not None
    assert found.why == why


def test_a_full_disk_loses_nothing_that_was_there(tmp_path: Path) -> None:
    journal = SqlJournal(open_store(tmp_path / "a.db"))
    journal.append(small_day(), durable=True)
    journal.append([judged("15:59", "vix", True, 1.0)], durable=False)
    pages = journal._connection.exec_driver_sql("PRAGMA page_count").scalar()
    journal._connection.commit()
    journal._connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    journal._connection.commit()
    big = Record(NOON, Kind.OPERATOR, "", "", {"text": "x" * 100_000})
    with pytest.raises(UnwrittenError, match="disk is full") as caught:
        journal.append([big], durable=True)
    assert "nothing recorded before was lost" in str(caught.value.help)
    assert records_of(tmp_path / "a.db") == len(small_day())
    journal._connection.exec_driver_sql("PRAGMA max_page_count = 100000")
    journal._connection.commit()
    journal.append([operator(1)], durable=True)
    assert [record.kind for record in journal.read()][-2:] == [Kind.VERDICT, Kind.OPERATOR]
    assert journal.verify() is None
    journal.close()


@pytest.mark.parametrize(
    "record",
    [
        Record(NOON, Kind.POSITION, "a", "P9", {"id": "P9"}),
        Record(NOON, Kind.MARK, "a", "P9", {"bid": "much"}),
        Record(NOON, Kind.VERDICT, "a", "", {"value": float("nan")}),
    ],
)
def test_a_malformed_record_is_our_fault_and_leaves_no_trace(place: Place, record: Record) -> None:
    journal = SqlJournal(open_store(place))
    with pytest.raises(InvariantError):
        journal.append([operator(1), record], durable=True)
    assert records_of(place) == 0
    journal.append([operator(2)], durable=True)
    assert len(journal.read()) == 1
    journal.close()


def test_a_store_that_was_moved_away_takes_no_records(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    journal = SqlJournal(open_store(path))
    journal.append([operator(1)], durable=True)
    os.rename(path, tmp_path / "b.db")
    with pytest.raises(UnwrittenError, match="was deleted by another program while in use"):
        journal.append([operator(2)], durable=True)
    os.rename(tmp_path / "b.db", path)
    journal.append([operator(2)], durable=True)
    assert len(journal.read()) == 2
    journal.close()


def test_a_store_that_was_overwritten_in_its_place_takes_no_records(tmp_path: Path) -> None:
    """Nobody noticed: records went into what another program had written there."""
    path, other = tmp_path / "a.db", tmp_path / "b.db"
    for first, place in ((0, path), (5000, other)):
        filled = SqlJournal(open_store(place))
        filled.append([operator(first + each) for each in range(3000)], durable=True)
        filled.close()
    journal = SqlJournal(open_store(path))
    journal.append([operator(1)], durable=True)
    was = path.read_bytes()
    for spoilt in (b"", b"x" * len(was), other.read_bytes()):
        path.write_bytes(spoilt)
        for _ in range(2):
            with pytest.raises(UnwrittenError, match="was overwritten by another program while in use"):
                journal.check_held()
    path.write_bytes(was)
    journal.check_held()
    journal.append([operator(2)], durable=True)
    assert len(journal.read()) == 3002
    assert journal.verify() is None
    journal.close()


def test_another_program_that_writes_beside_our_records_is_let_be(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    journal = SqlJournal(open_store(path))
    journal.append([operator(1)], durable=True)
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE notes (text TEXT)")
    journal.check_held()
    os.utime(path)
    journal.append([operator(2)], durable=True)
    journal.close()


def test_a_run_that_died_was_away_from_its_last_record_on(place: Place) -> None:
    """Also after the last record of a store that no engine has."""
    opened, closed = at("09:30"), at("16:00")
    session: dict[str, Json] = {"date": str(DAY), "open": opened.isoformat(), "close": closed.isoformat()}
    up: dict[str, Json] = {"up": True, "reason": ""}
    journal = SqlJournal(open_store(place))
    records = [
        Record(opened, Kind.RUN_STARTED),
        Record(opened, Kind.SESSION, data=session),
        Record(opened, Kind.LINK, data=up),
        judged("10:00", "move", True, 1.0),
        Record(at("12:00"), Kind.RUN_STARTED),
        Record(at("12:01"), Kind.LINK, data=up),
    ]
    journal.append(records, durable=True)
    journal.close()
    with StoreReader(place) as reader:
        spans = [(span.start, span.end) for span in reader.outages(DAY)]
        assert reader.outages(DAY + timedelta(days=1)) == ()
    assert spans == [(at("10:00"), at("12:01")), (at("12:01"), closed)]


def test_readers_see_whole_commits_while_an_engine_writes(place: Place) -> None:
    journal = SqlJournal(open_store(place))
    journal.append(small_day(), durable=True)
    with StoreReader(place) as reader:
        before = reader.view("trades")
        journal.append([operator(1)], durable=True)
        assert reader.view("trades") == before
        assert len(reader.run().requests) == 1
    store = read_store(place)
    with store.engine.connect() as connection, pytest.raises(Exception, match=r"readonly|read-only"):
        connection.exec_driver_sql("DELETE FROM trade_rows")
    store.close()
    journal.close()
