"""`rulebot store`: audit, backup, restore, export."""

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from engine_day import sound_day

from rulebot.cli.main import main
from rulebot.record.record import Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store


@pytest.fixture
def sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a store of the day that passes the audit; the working folder is its own."""
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    journal = SqlJournal(open_store(tmp_path / "day.db"))
    journal.append(sound_day(), durable=True)
    journal.close()
    return Path("day.db")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["store", *arguments])


def change(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as connection:
        for trigger in ("journal_no_update", "journal_no_delete"):
            connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        assert connection.execute(statement).rowcount == 1
    connection.close()


def broken(path: Path) -> dict[int, str]:
    found = run("audit", "--store", str(path), "--format", "json")
    document = json.loads(found.stdout)
    assert (found.exit_code == 0) is document["holds"]
    return {each["number"]: each["first"][0]["text"] for each in document["invariants"] if each["holds"] is False}


def test_a_sound_store_holds(sound: Path) -> None:
    found = run("audit", "--store", str(sound))
    assert found.exit_code == 0
    lines = found.stdout.split("\n")
    assert lines[0] == "  1  holds   a bot has at most one live entry order"
    assert lines[-2] == " store day.db"
    assert "BROKEN" not in found.stdout
    assert broken(sound) == {}


def test_a_flipped_byte_is_found(sound: Path) -> None:
    change(sound, """UPDATE journal SET data = replace(data, '"1.20"', '"1.30"') WHERE kind = 'fill' AND seq = 10""")
    found = run("audit", "--store", str(sound))
    assert found.exit_code == 1
    assert " 20  BROKEN  the journal is whole and in order" in found.stdout
    assert "     number 10, 2026-11-18 15:00:05 UTC: its content is not what was written" in found.stdout


def test_what_is_not_judged_of_a_broken_chain_is_not_said_to_hold(sound: Path) -> None:
    """Tables and starts are not compared then; a table that was changed beside it was said to hold."""
    change(sound, "UPDATE trade_rows SET commissions = 0")
    change(sound, """UPDATE journal SET data = replace(data, '"1.20"', '"1.30"') WHERE kind = 'fill' AND seq = 10""")
    shown = run("audit", "--store", str(sound)).stdout
    why = "     not compared, for the hash chain is broken"
    assert f" 22  not judged  a start continues from what the whole journal says\n{why}" in shown
    reported = json.loads(run("audit", "--store", str(sound), "--format", "json").stdout)
    found = {each["number"]: (each["holds"], each["unjudged"]) for each in reported["invariants"]}
    assert found[20] == (False, "")
    assert found[22] == (None, why.strip())
    assert not reported["tables_compared"]
    assert (found[21][0] is not True, found[21][1]) == (True, why.strip())


def test_tables_that_another_version_made_are_not_said_to_hold(sound: Path) -> None:
    change(sound, "UPDATE lease SET owner = 'process 7 on desk'")
    found = run("audit", "--store", str(sound))
    assert (
        " 21  not judged  each change has its record, each table its journal\n     another version of" in found.stdout
    )
    assert found.exit_code == 0


def test_a_removed_row_is_found(sound: Path) -> None:
    change(sound, "DELETE FROM journal WHERE seq = 12")
    assert "number 12 is missing" in broken(sound)[20]


def test_a_changed_table_is_found(sound: Path) -> None:
    change(sound, "UPDATE trade_rows SET commissions = 0")
    assert broken(sound) == {21: "the table trade_rows is not its journal's"}


def test_what_cannot_be_read_is_found(sound: Path) -> None:
    change(sound, "UPDATE journal SET data = '{' WHERE seq = 1")
    assert "is not what was written" in broken(sound)[20]


def test_many_offences_are_cut_short(sound: Path) -> None:
    journal = SqlJournal(open_store(sound))
    journal.append([record for record in sound_day() if record.kind.value == "fill"] * 4, durable=True)
    journal.close()
    found = run("audit", "--store", str(sound)).stdout
    assert "  5  BROKEN" in found
    assert "     and 3 more" in found


def test_backup_and_restore(sound: Path) -> None:
    kept = run("backup", "copy.db", "--store", str(sound))
    assert kept.stdout == "copy.db: 29 records of day.db, the chain is whole\n"
    assert run("backup", "copy.db", "--store", str(sound)).exit_code == 3
    change(sound, "DELETE FROM journal WHERE seq = 12")
    done = run("restore", "copy.db", "--store", str(sound))
    assert done.stdout.split("\n") == [
        "day.db is restored: 29 records, the last of 2026-11-18 16:02:00 New York",
        "what was there before is kept as day.before-restore-1.db",
        "what was traded since is not in it: compare it with the account; nothing is entered until 'rulebot resume'",
        "",
    ]
    assert broken(sound) == {}
    assert 20 in broken(Path("day.before-restore-1.db"))


def test_a_restore_is_refused_while_an_engine_runs(sound: Path) -> None:
    run("backup", "copy.db", "--store", str(sound))
    store = open_store(sound)
    refused = run("restore", "copy.db", "--store", str(sound))
    store.close()
    assert refused.exit_code == 3
    assert "in use by another engine" in refused.stderr


def test_export_writes_a_file_a_view(sound: Path) -> None:
    found = run("export", "--to", "out", "--store", str(sound))
    views = ("trades", "orders", "fills", "position_snapshots", "daily_summary")
    names = (*views, "executions", "settlements", "tax_lots")
    assert [line.partition(":")[0] for line in found.stdout.splitlines()] == [f"out/{name}.csv" for name in names]
    assert found.stdout.splitlines()[0] == "out/trades.csv: 1 row"
    assert run("export", "--to", "out", "--store", str(sound), "--format", "json").exit_code == 0
    assert json.loads(Path("out/trades.json").read_text())[0]["commissions"] == 2.6


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (
            {"simulated": True, "settings": {"mode": "backtest"}},
            "a backtest: its orders were filled by a model: it does not belong in",
        ),
        ({"simulated": True, "settings": {"mode": "paper"}}, "a simulated market: it does not belong in"),
        ({"simulated": False, "settings": {"mode": "paper"}}, ""),
    ],
)
def test_export_says_that_nothing_of_it_was_traded(data: dict[str, Any], says: str, tmp_path: Path) -> None:
    """A backtest's sheets looked as an account's do."""
    journal = SqlJournal(open_store(tmp_path / "s.db"))
    journal.append((Record(datetime(2026, 11, 18, 14, tzinfo=UTC), Kind.RUN_STARTED, data=data),), durable=True)
    journal.close()
    found = run("export", "--to", str(tmp_path / "out"), "--store", str(tmp_path / "s.db"))
    assert found.exit_code == 0, found.output
    assert found.stderr.startswith(says) if says else not found.stderr


def test_a_store_must_be_named_or_left_by_a_run(sound: Path) -> None:
    found = run("audit")
    assert found.exit_code == 3
    assert "no run has left a store yet" in found.stderr


@pytest.mark.parametrize("price", ["much", "-1", "nan", "inf", "1e9", ""])
def test_correct_wants_a_price(sound: Path, price: str) -> None:
    found = run("correct", "rb:a:1", price, "--store", str(sound))
    assert found.exit_code == 2
    assert f"'{price}' is no price" in found.output + found.stderr or price.startswith("-")


def test_correct_changes_estimates_alone(sound: Path) -> None:
    before = sound.read_bytes()
    with sqlite3.connect(sound) as connection:
        ref = connection.execute("SELECT ref FROM order_rows LIMIT 1").fetchone()[0]
    found = run("correct", ref, "1.20", "--store", str(sound))
    assert found.exit_code == 2
    assert f"no fill of '{ref}' was taken up from the account" in found.output + found.stderr
    assert len(sound.read_bytes()) == len(before)
