"""The file of scans: what is kept comes back, the newest first, and old ones go."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from scan_rows import kept, row, scan_of

from rulebot.model.errors import StoreError
from rulebot.scan.scan_row import COLUMNS, DETAILS, document, head
from rulebot.store import scans as scans_module
from rulebot.store.scans import OF_A_ROW, OF_A_SCAN, keep, rows_about, rows_of, scans


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "scans.db"


def test_the_tables_have_what_a_scan_and_its_rows_have() -> None:
    assert {*OF_A_ROW} == {*document(row("SPY"))} == {*COLUMNS, *DETAILS}
    assert {*OF_A_SCAN} == {*head(scan_of())}


def test_before_anything_was_kept_there_is_nothing_and_no_file(path: Path) -> None:
    assert (scans(path, 5), rows_of(path, 1), rows_about(path, "SPY", 5)) == ([], [], [])
    assert not path.parent.exists()


def test_a_scan_comes_back_as_it_was(path: Path) -> None:
    rows = (
        row("SPY", taken=True, place=1, volume=5.0),
        row("QQQ", holds=None, price=None, missing={"greeks": "no greeks"}, short=0.25),
    )
    scan = scan_of(*rows, notes=("the exchange is closed",))
    number = keep(path, head(scan), [document(each) for each in rows])
    (found,) = scans(path, 5)
    assert {name: found[name] for name in OF_A_SCAN} == head(scan)
    assert (found["id"], found["rows"], found["held"]) == (number, 2, 1)
    assert [{name: each[name] for name in OF_A_ROW} for each in rows_of(path, number)] == [
        document(one) for one in rows
    ]


def test_a_symbol_has_its_rows_of_all_scans_the_newest_first(path: Path) -> None:
    for structure in ("1/2p", "3/4p", "5/6p"):
        kept(row("QQQ"), row("SPY", structure=structure), path=path)
    assert [each["structure"] for each in rows_about(path, "spy", 2)] == ["5/6p", "3/4p"]
    assert [each["id"] for each in scans(path, 2)] == [3, 2]
    assert rows_about(path, "SPY", 1)[0]["at"] == head(scan_of())["at"]


def test_a_pair_is_of_both_its_symbols_and_of_no_part_of_one(path: Path) -> None:
    kept(row("SPX/SPY"), row("SPXW"), path=path)
    for symbol in ("SPX", "spy", "SPX/SPY"):
        assert [each["symbol"] for each in rows_about(path, symbol, 9)] == ["SPX/SPY"]
    assert rows_about(path, "SP", 9) == rows_about(path, "%", 9) == []


def test_old_scans_go_with_their_rows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans_module, "KEPT", 3)
    for _ in range(5):
        kept(row("SPY"), path=path)
    assert [each["id"] for each in scans(path, 9)] == [5, 4, 3]
    assert [each["scan"] for each in rows_about(path, "SPY", 9)] == [5, 4, 3]


def test_a_reader_sees_whole_scans_beside_a_writer(path: Path) -> None:
    kept(row("SPY"), path=path)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM scan_rows")
        assert len(rows_of(path, 1)) == 1
        writer.execute("ROLLBACK")


def test_what_is_no_file_of_scans_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("my own notes" * 100)
    with pytest.raises(StoreError, match="cannot be used"):
        kept(row("SPY"), path=path)
    with pytest.raises(StoreError, match="cannot be used"):
        scans(path, 1)
    assert path.read_text() == "my own notes" * 100


@pytest.mark.parametrize("version", [1, 3])
def test_a_file_of_another_version_is_left_alone(path: Path, version: int) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as file:
        file.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(StoreError, match=f"as version {version} does"):
        kept(row("SPY"), path=path)
    with pytest.raises(StoreError, match=f"as version {version} does"):
        scans(path, 1)
