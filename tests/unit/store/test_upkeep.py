"""Backups that are proved, restores that lose nothing, tables that follow from the journal, and files for others."""

import csv
import json
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from places import drop_triggers, rows, run

from rulebot.core.state.state import OperatorState, State, TradingMode
from rulebot.model.errors import StoreError
from rulebot.model.event import Request
from rulebot.operator_requests.requests import post
from rulebot.record.codec import NEWER, CodecError
from rulebot.record.record import ORDER_NUMBER_FLOOR, Json, Kind, Record
from rulebot.recovery.resume import resume_from
from rulebot.store.export import export_sheets
from rulebot.store.journal import SqlJournal
from rulebot.store.maintenance import RESTORED, back_up, check_sound, differing_tables, has_tables_of_another, restore
from rulebot.store.place import Place, Server
from rulebot.store.queries import RestoredStore, StoreReader
from rulebot.store.recall import certain
from rulebot.store.registry import open_store
from rulebot.store.requests import box_of

NOW = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)


def tamper(place: Place, *statements: str) -> None:
    """Change a store behind its triggers' back."""
    drop_triggers(place)
    for statement in statements:
        assert run(place, statement) > 0


def trades(path: Path) -> list[object]:
    with StoreReader(path) as reader:
        return list(reader.view("trades"))


def test_a_backup_says_what_it_holds(day_store: Path, tmp_path: Path) -> None:
    store = open_store(day_store)
    sound = back_up(day_store, tmp_path / "deep" / "copy.db")
    store.close()
    assert sound == check_sound(day_store)
    assert sound.records > 10
    assert trades(tmp_path / "deep" / "copy.db") == trades(day_store)
    assert [path.name for path in (tmp_path / "deep").iterdir() if path.name.endswith(".new")] == []


def test_a_backup_never_replaces_a_file(day_store: Path, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("mine")
    with pytest.raises(StoreError, match="exists already"):
        back_up(day_store, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "mine"


def test_a_store_beside_which_nothing_can_be_written_is_backed_up_and_compared(
    day_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a read-only disk, which a store is taken from when the disk is failing."""
    asked: list[str] = []
    connect = sqlite3.connect

    def reported(*where: Any, **how: Any) -> sqlite3.Connection:
        asked.append(where[0])
        return connect(*where, **how)

    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(sqlite3, "connect", reported)
    back_up(day_store, tmp_path / "copy.db")
    assert differing_tables(day_store) == []
    assert {"immutable=1" in each for each in asked if "day.db" in each} == {True}


def test_what_is_not_sound_leaves_no_backup(day_store: Path, tmp_path: Path) -> None:
    tamper(day_store, "DELETE FROM journal WHERE seq = 4")
    with pytest.raises(StoreError, match="breaks at number 5: number 4 is missing"):
        back_up(day_store, tmp_path / "copy.db")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("copy")) == []


def test_a_flipped_byte_in_a_page_is_found(day_store: Path, tmp_path: Path) -> None:
    back_up(day_store, tmp_path / "copy.db")
    data = bytearray((tmp_path / "copy.db").read_bytes())
    place = data.index(b'"what":"enter"') + 9
    data[place] ^= 1
    (tmp_path / "copy.db").write_bytes(data)
    with pytest.raises(StoreError, match="its content is not what was written"):
        check_sound(tmp_path / "copy.db")
    with pytest.raises(StoreError, match="its content is not what was written"):
        restore(tmp_path / "copy.db", day_store, NOW)
    check_sound(day_store)


def test_a_restore_keeps_what_was_there(day_store: Path, tmp_path: Path) -> None:
    back_up(day_store, tmp_path / "copy.db")
    tamper(day_store, "UPDATE journal SET data = '{}' WHERE seq = 3")
    for number in (1, 2):
        done = restore(tmp_path / "copy.db", day_store, NOW)
        assert done.kept == tmp_path / f"day.before-restore-{number}.db"
        assert done.kept.exists()
    assert check_sound(day_store).records == check_sound(tmp_path / "copy.db").records + 1
    with pytest.raises(StoreError, match="breaks at number 3"):
        check_sound(tmp_path / "day.before-restore-1.db")
    open_store(day_store).close()


def test_what_was_not_yet_in_the_file_itself_is_kept_too(day_store: Path, tmp_path: Path) -> None:
    """The newest records are in the log beside the file: it goes with it."""
    back_up(day_store, tmp_path / "copy.db")
    alive = sqlite3.connect(day_store)
    alive.execute("PRAGMA journal_mode=wal")
    with alive:
        alive.execute("UPDATE trade_rows SET exit_name = 'mine'")
    left = {name: Path(name).read_bytes() for name in (f"{day_store}", f"{day_store}-wal", f"{day_store}-shm")}
    alive.close()
    for name, data in left.items():
        Path(name).write_bytes(data)
    kept = restore(tmp_path / "copy.db", day_store, NOW).kept
    assert kept is not None
    assert not Path(f"{day_store}-wal").exists()
    with StoreReader(kept) as reader:
        assert {row["exit_name"] for row in reader.view("trades")} == {"mine"}


def goes_on(path: Path) -> State:
    """Return what a start on a store goes on from, the next day."""
    with StoreReader(path) as reader:
        return resume_from(reader.recall(NOW), NOW).state


def test_what_was_put_back_enters_nothing_and_uses_no_name_again(day_store: Path, tmp_path: Path) -> None:
    """Row 80: of what was traded since the backup it knows nothing, and the same backup may be put back again."""
    back_up(day_store, tmp_path / "copy.db")
    restore(tmp_path / "copy.db", day_store, NOW)
    first = goes_on(day_store)
    assert first.requests.operator == OperatorState(TradingMode.REDUCING, reason=RESTORED)
    assert first.orders.next_number == NOW.timestamp() + 1
    assert differing_tables(day_store) == []
    restore(tmp_path / "copy.db", day_store, NOW + timedelta(minutes=5))
    assert goes_on(day_store).orders.next_number > first.orders.next_number + 200
    assert [path.name for path in tmp_path.iterdir() if ".new" in path.name] == []


def test_that_it_was_put_back_is_known_after_its_tables_were_made_again(day_store: Path, tmp_path: Path) -> None:
    back_up(day_store, tmp_path / "copy.db")
    restore(tmp_path / "copy.db", day_store, NOW)
    known = goes_on(day_store)
    with closing(SqlJournal(open_store(day_store))) as journal:
        journal.rebuild()
    again = goes_on(day_store)
    assert again.requests.operator == known.requests.operator
    assert again.orders.next_number == known.orders.next_number


def test_who_has_let_bots_enter_before_a_restore_has_not_said_so_of_the_backup(day_store: Path, tmp_path: Path) -> None:
    """It lay there for the next start, which took it first and entered."""
    back_up(day_store, tmp_path / "copy.db")
    for request, bot in ((Request.PAUSE, "calm"), (Request.RESUME, ""), (Request.RESUME, "calm"), (Request.KILL, "")):
        assert not post(day_store, request, bot)
    restore(tmp_path / "copy.db", day_store, NOW)
    post(day_store, Request.RESUME)
    left = [(json.loads(body)["request"], json.loads(body)["bot"]) for _, body in box_of(day_store).found()]
    assert left == [("pause", "calm"), ("kill", ""), ("resume", "")]


def test_a_reader_knows_how_a_store_was_put_back_last(place: Place) -> None:
    with closing(SqlJournal(open_store(place))) as journal:
        reported: tuple[dict[str, Json], ...] = ({}, {ORDER_NUMBER_FLOOR: 7}, {ORDER_NUMBER_FLOOR: 9}, {})
        for more, known in zip(
            reported, (RestoredStore(), RestoredStore(2, 7), RestoredStore(3, 9), RestoredStore(3, 9)), strict=True
        ):
            data: dict[str, Json] = {"id": "1", "request": "kill", "bot": "", **more}
            journal.append([Record(NOW, Kind.OPERATOR, data=data)], durable=True)
            with StoreReader(place) as reader:
                assert reader.put_back() == known


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root makes what another user is to own")
def test_what_root_puts_back_is_its_engines_own(day_store: Path, tmp_path: Path) -> None:
    back_up(day_store, tmp_path / "copy.db")
    os.chown(day_store, 4321, 4322)
    restore(tmp_path / "copy.db", day_store, NOW)
    assert {(found.stat().st_uid, found.stat().st_gid) for found in tmp_path.glob("day.*db")} == {(4321, 4322)}


def test_a_restore_needs_no_store_before_it(day_store: Path, tmp_path: Path) -> None:
    done = restore(day_store, tmp_path / "elsewhere" / "new.db", NOW)
    assert done.kept is None
    assert trades(tmp_path / "elsewhere" / "new.db") == trades(day_store)


def test_a_restore_waits_for_no_engine(day_store: Path, tmp_path: Path) -> None:
    back_up(day_store, tmp_path / "copy.db")
    before = day_store.stat().st_ino
    store = open_store(day_store)
    with pytest.raises(StoreError, match="in use by another engine"):
        restore(tmp_path / "copy.db", day_store, NOW)
    store.close()
    assert day_store.stat().st_ino == before


@pytest.mark.parametrize("source", ["day.db", "notes.txt", "nothing.db"])
def test_what_is_no_backup_is_refused(day_store: Path, tmp_path: Path, source: str) -> None:
    (tmp_path / "notes.txt").write_text("longer than the header of a database")
    before = sorted(path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock"))
    with pytest.raises(StoreError):
        restore(tmp_path / source, day_store, NOW)
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")) == before


def test_tables_follow_from_the_journal(day_place: Place) -> None:
    assert differing_tables(day_place) == []
    tamper(day_place, "DELETE FROM order_rows WHERE number = 1", "UPDATE trade_rows SET cash = cash + 10000")
    assert differing_tables(day_place) == ["order_rows", "trade_rows"]
    with StoreReader(day_place) as reader:
        assert reader.verify() is None


def test_records_that_cannot_be_read_are_numbered_too(day_place: Place) -> None:
    tamper(
        day_place,
        "UPDATE journal SET data = '{' WHERE seq = 2",
        "UPDATE journal SET kind = 'wish' WHERE seq = 3",
        "UPDATE journal SET data = '[]' WHERE seq = 4",
        "UPDATE journal SET at = 'noon' WHERE seq = 5",
    )
    with StoreReader(day_place) as reader:
        found = reader.numbered()
    assert [seq for seq, _ in found] == list(range(1, len(found) + 1))
    assert [seq for seq, record in found if isinstance(record, str)] == [2, 3, 4, 5]


def test_exported_files_have_the_columns_of_the_view(day_place: Place, tmp_path: Path) -> None:
    views = ("trades", "fills", "position_snapshots")
    assert [count for _, count in export_sheets(day_place, tmp_path / "out", views, "csv")][:3] == [2, 8, 3]
    with StoreReader(day_place) as reader:
        rows = reader.view("trades")
    with (tmp_path / "out" / "trades.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert list(found[0]) == list(rows[0])
    assert [row["final_pnl"] for row in found] == ["" if r["final_pnl"] is None else str(r["final_pnl"]) for r in rows]
    list(export_sheets(day_place, tmp_path / "out", ("trades",), "json"))
    assert json.loads((tmp_path / "out" / "trades.json").read_text()) == rows


def test_an_export_that_fails_leaves_what_was_there_and_nothing_else(
    day_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object, target: Path) -> None:
        target.write_text("half")
        raise OSError(28, "No space left on device")

    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "trades.csv").write_text("as it was")
    monkeypatch.setattr("rulebot.store.export._write_csv", full)
    with pytest.raises(StoreError, match="No space left"):
        list(export_sheets(day_store, tmp_path / "out", ("trades",), "csv"))
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == {"trades.csv": "as it was"}


def test_an_empty_view_is_a_file_with_its_columns(place: Place, tmp_path: Path) -> None:
    open_store(place).close()
    list(export_sheets(place, tmp_path / "out", ("trades",), "csv"))
    assert (tmp_path / "out" / "trades.csv").read_text().startswith("id,strategy_id,")


def test_a_folder_that_cannot_be_written_is_one_sentence(day_store: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(StoreError, match="cannot be written"):
        list(export_sheets(day_store, tmp_path / "out", ("trades",), "csv"))


def as_another_rulebot_left_it(place: Place) -> None:
    """Rows and a view that are not what this one makes of the journal, and a lease that names no code."""
    run(place, "UPDATE snapshot_rows SET mid = 0.1234")
    names = ("bot_days", "pending_orders", "orders")
    views = (f"CREATE VIEW {name} AS SELECT ref FROM order_rows" for name in reversed(names))
    run(place, "UPDATE lease SET owner = 'process 7 on desk'", *(f"DROP VIEW {name}" for name in names), *views)
    run(place, "UPDATE order_rows SET legs = '[]'", "DELETE FROM trade_rows")


def test_what_another_rulebot_made_of_a_journal_is_made_again_at_a_start(day_place: Place) -> None:
    """The audit called its rows broken for good, and its views lacked the columns of now."""
    wanted = [rows(day_place, f"SELECT * FROM {view} ORDER BY id") for view in ("orders", "trades")]
    as_another_rulebot_left_it(day_place)
    if isinstance(day_place, Server):
        run(day_place, "GRANT SELECT ON orders TO PUBLIC")
    assert has_tables_of_another(day_place)
    assert differing_tables(day_place) == []
    SqlJournal(open_store(day_place)).close()
    assert not has_tables_of_another(day_place)
    assert differing_tables(day_place) == []
    assert [rows(day_place, f"SELECT * FROM {view} ORDER BY id") for view in ("orders", "trades")] == wanted
    if isinstance(day_place, Server):
        (found,) = rows(day_place, "SELECT relacl::text AS granted FROM pg_class WHERE oid = 'orders'::regclass")
        assert "=r/" in found["granted"]
    run(day_place, "UPDATE order_rows SET message = 'by hand'")
    SqlJournal(open_store(day_place)).close()
    assert differing_tables(day_place) == ["order_rows"]


def test_rows_that_cannot_be_made_again_keep_no_engine_from_its_positions(
    day_place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    as_another_rulebot_left_it(day_place)
    with monkeypatch.context() as patched:
        patched.setattr("rulebot.store.projections.views", lambda sql: ("CREATE VIEW orders AS SELECT nothing",))
        with closing(SqlJournal(open_store(day_place))) as journal:
            assert journal.verify() is None
    reported = caplog.records[-1].getMessage()
    assert reported.startswith(f"what people read of {day_place} stays as another rulebot made it: ")
    assert len(rows(day_place, "SELECT ref FROM orders")) == len(rows(day_place, "SELECT ref FROM order_rows"))
    SqlJournal(open_store(day_place)).close()
    assert not has_tables_of_another(day_place)


def test_more_snapshots_than_a_start_has_time_for_stay_and_are_not_called_broken(
    day_place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    as_another_rulebot_left_it(day_place)
    left = rows(day_place, "SELECT * FROM snapshot_rows ORDER BY seq")
    monkeypatch.setattr("rulebot.store.projections.MOST_MARKS", 0)
    SqlJournal(open_store(day_place)).close()
    assert caplog.records[-1].getMessage().endswith("snapshots are more than a start rebuilds")
    assert rows(day_place, "SELECT * FROM snapshot_rows ORDER BY seq") == left
    assert (has_tables_of_another(day_place), differing_tables(day_place)) == (True, [])
    assert len(rows(day_place, "SELECT id FROM trades")) > 0


def test_what_a_newer_rulebot_wrote_is_refused_in_words(day_store: Path) -> None:
    """A way back after an upgrade ended in a traceback, or was called damage that a backup mends."""
    with closing(SqlJournal(open_store(day_store))) as journal:
        days = journal.read((Kind.BOT_DAY,))
        last = journal.read()[-1].at
        journal.append([replace(days[-1], at=last, data={**days[-1].data, "of_tomorrow": 1})], durable=True)
    with pytest.raises(CodecError, match="BotDay has no field 'of_tomorrow'") as reported:
        goes_on(day_store)
    assert reported.value.help == NEWER
    assert reported.value.exit_code == 3
    with pytest.raises(StoreError, match="a kind that this rulebot does not know, 'telegram'") as unknown:
        certain("2026-11-18T15:00:00.000000Z", "telegram", "", "", "{}")
    assert unknown.value.help == NEWER
