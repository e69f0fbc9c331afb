"""What another process tells of an engine's connection: also that it writes nothing, as one that is suspended."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from rulebot.cli.main import main
from rulebot.process import connection_state as looked
from rulebot.process.connection_state import connected
from rulebot.record.record import Json, Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store

AT = datetime(2026, 11, 18, 15, 31, tzinfo=UTC)
CLOSE = datetime(2026, 11, 18, 21, 0, tzinfo=UTC)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqlJournal]:
    with closing(SqlJournal(open_store(tmp_path / "a.db"))) as found:
        yield found


def live(journal: SqlJournal, *, lockstep: bool = False, up: bool = True, prices: bool = True) -> None:
    """Record an engine that runs, and sees prices."""
    data: dict[str, Json] = {
        "account": "DU1",
        "install": "t",
        "specs": {},
        "epoch": journal.epoch,
        "lockstep": lockstep,
    }
    link = Record(AT, Kind.LINK, data={"up": up, "reason": ""})
    seen = [Record(AT, Kind.PRICES, data={"prices": {"SPX": 6000.0}})] if prices else []
    session = Record(AT, Kind.SESSION, data={"date": "2026-11-18", "open": "", "close": "", "half": False})
    journal.append([Record(AT, Kind.RUN_STARTED, data=data), session, link, *seen], durable=True)


def words(tmp_path: Path, now: datetime) -> str:
    with StoreReader(tmp_path / "a.db") as reader:
        return connected(reader, reader.run(), now).words


def test_an_engine_that_records_no_price_any_more_is_reported(journal: SqlJournal, tmp_path: Path) -> None:
    live(journal)
    assert words(tmp_path, AT + timedelta(minutes=2)) == ""
    said = words(tmp_path, AT + timedelta(minutes=7, seconds=5))
    assert "no price was recorded for 7 min, since 10:31: the engine is suspended, or hangs" in said
    assert "only orders at the broker work, no other exit acts" in said
    journal.append([Record(AT + timedelta(minutes=7), Kind.PRICES, data={"prices": {"SPX": 6001.0}})], durable=True)
    assert words(tmp_path, AT + timedelta(minutes=7, seconds=5)) == ""


@pytest.mark.parametrize("now", [CLOSE, CLOSE + timedelta(hours=12), AT + timedelta(days=1)])
def test_out_of_the_session_there_are_no_prices_to_miss(journal: SqlJournal, tmp_path: Path, now: datetime) -> None:
    live(journal)
    assert words(tmp_path, now) == ""


@pytest.mark.parametrize("how", [{"lockstep": True}, {"prices": False}], ids=["not our time", "never saw any"])
def test_where_none_are_owed_none_are_missed(journal: SqlJournal, tmp_path: Path, how: dict[str, bool]) -> None:
    live(journal, **how)
    assert words(tmp_path, AT + timedelta(hours=1)) == ""


def test_status_and_kill_say_so(journal: SqlJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live(journal)

    class Later:
        def now(self) -> datetime:
            return AT + timedelta(minutes=30)

    monkeypatch.setattr(looked, "WallClock", Later)
    monkeypatch.setenv("COLUMNS", "300")
    for command in (["status"], ["kill", "--flatten"]):
        said = CliRunner().invoke(main, [*command, "--store", str(tmp_path / "a.db")]).output
        assert "no price was recorded for 30 min, since 10:31" in said
    assert "look whether it does what was asked: what cannot wait, do in TWS" in said
