"""`rulebot run` with a file that is gone: the last run on the store may have taken its bot for removed."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from free_port import free_port
from hand_desk import text_of
from store_day import at, entity, position

from rulebot.cli.main import main
from rulebot.documents.load_bots import limits_as_json, load_all_bots, reread, sources_as_json, specs_as_json
from rulebot.record.record import Json, Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store

ACCOUNT = "rulebot_account: 1\nabout: Limits of a test.\naccount: DU1234567\nrisk: {max_open: 3}\n"
PATHS = ("specs/one.yaml", "specs/two.yaml")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    Path("specs").mkdir()
    for name in ("one", "two"):
        Path(f"specs/{name}.yaml").write_text(text_of(name), encoding="utf-8")


def ran(*, paths: Sequence[str] = PATHS, reloads: bool, holds: bool = False, became: Sequence[str] = ()) -> None:
    """Let a run of these paths have been, of which `two` was removed, with a reload or without.

    became: what came of one that was asked for, and was not taken up.
    """
    desk = load_all_bots(paths, {}, None)
    started = {
        "specs": specs_as_json(desk),
        "sources": sources_as_json(desk),
        "limits": limits_as_json(desk),
        "settings": {},
    }
    records = [Record(at("09:31"), Kind.RUN_STARTED, data={**started, "account": "DU1234567"})]
    if holds:
        records.append(entity(Kind.POSITION, at("09:52"), position("open", True, False, opened_at=at("09:52"))))
    Path("specs/two.yaml").unlink()
    if reloads and desk.sources is not None:
        data = {"what": "applied", "specs": specs_as_json(reread(desk.sources)), "limits": started["limits"]}
        records.append(Record(at("10:00"), Kind.RELOAD, data=data))
    removed: list[Json] = [{"bot": "two", "change": "removed", "was": "1", "now": ""}]
    for what in became:
        reported: dict[str, Json] = (
            {"what": what, "changes": removed} if what == "asked" else {"what": what, "reason": "one"}
        )
        records.append(Record(at("10:01"), Kind.RELOAD, data=reported))
    journal = SqlJournal(open_store(Path("s.db")))
    journal.append(records, durable=True)
    journal.close()


def start(*words: str) -> Result:
    gateway = f"127.0.0.1:{free_port()}"
    return CliRunner().invoke(main, ["run", "--paper", "--store", "s.db", "--gateway", gateway, *words])


@pytest.mark.parametrize("paths", [PATHS, ("specs/one.yaml", "specs/t*.yaml")])
def test_a_start_continues_as_the_reload_has(paths: Sequence[str], caplog: pytest.LogCaptureFixture) -> None:
    ran(paths=paths, reloads=True)
    for _ in range(2):
        found = start(*paths)
        assert (found.exit_code, "nothing listens" in found.stderr) == (3, True), found.output
        assert f"{paths[1]}: gone, and the last run on s.db treated its bots as removed" in caplog.text


@pytest.mark.parametrize(
    ("became", "code"),
    [(("asked",), 3), (("asked", "waits"), 3), (("asked", "waits", "refused"), 2), (("refused",), 2)],
)
def test_so_it_does_where_the_reload_waited_still(became: Sequence[str], code: int) -> None:
    """It was refused, after a crash in between, and what was open stood unwatched."""
    ran(reloads=False, holds=True, became=became)
    assert start(*PATHS).exit_code == code


def test_where_no_reload_took_it_for_removed_it_is_refused_and_what_is_open_is_reported() -> None:
    ran(reloads=False, holds=True)
    found = start(*PATHS)
    assert found.exit_code == 2, found.output
    assert "there is no 'specs/two.yaml', and 1 open position in s.db stands without an engine" in found.stderr
    assert "'--exits-only' watches them" in found.stderr
    found = start("specs/gone.yaml")
    assert (found.exit_code, "1 open position in s.db" in found.stderr) == (2, True), found.output
    for paths in (PATHS, PATHS[1:]):
        found = start("--exits-only", *paths)
        assert (found.exit_code, "specs/two.yaml: not there; what is open" in found.stderr) == (3, True), found.output


def test_nothing_else_is_taken_for_removed() -> None:
    ran(reloads=True)
    found = start("specs/one.yaml", "specs/tow.yaml")
    assert (found.exit_code, "there is no 'specs/tow.yaml'" in found.stderr) == (2, True), found.output
    assert "open position" not in found.stderr
    found = CliRunner().invoke(main, ["run", "--paper", "--sim", *PATHS])
    assert (found.exit_code, "there is no 'specs/two.yaml'" in found.stderr) == (2, True), found.output


def test_an_account_document_that_is_gone_is_no_bot_that_was_removed() -> None:
    Path("limits.yaml").write_text(ACCOUNT, encoding="utf-8")
    paths = (*PATHS, "limits.yaml")
    ran(paths=paths, reloads=True)
    Path("limits.yaml").unlink()
    found = start(*paths)
    assert (found.exit_code, "there is no 'specs/two.yaml'" in found.stderr) == (2, True), found.output
