"""Every number of a bot's text on its page: shown, what another one changes, written with comments kept, on record."""

import json
from collections.abc import Iterator
from pathlib import Path
from shutil import copy

import pytest
from conftest import served
from store_day import at
from web_client import Client

from rulebot.documents.load_bots import load_all_bots, specs_as_json
from rulebot.model.event import OperatorRequest, Request
from rulebot.operator_requests.requests import RequestInbox
from rulebot.record.record import Kind, Record
from rulebot.spec.files import shipped
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store
from rulebot.store.requests import box_of
from rulebot.web import parameters as numbers

KEY = "a-key-of-a-test"
BOT = "dte0_condor"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a copy of a shipped bot that may be written."""
    folder = tmp_path / "specs"
    folder.mkdir()
    return Path(copy(shipped("specs") / f"{BOT}.yaml", folder))


@pytest.fixture
def journal(tmp_path: Path, file: Path) -> Iterator[SqlJournal]:
    """Return the journal of an engine that holds its store and runs that file."""
    data = {
        "version": "0.1",
        "specs": specs_as_json(load_all_bots([str(file)], {}, None)),
        "settings": {},
        "install": "x",
    }
    journal = SqlJournal(open_store(tmp_path / "a.db"))
    journal.append([Record(at("09:25"), Kind.RUN_STARTED, data=data)], durable=True)
    yield journal
    journal.close()


@pytest.fixture
def client(journal: SqlJournal, tmp_path: Path) -> Iterator[Client]:
    """Return a client of that store."""
    with served(tmp_path / "a.db") as found:
        yield found


TARGET = "exits[4].target.profit"


def body(client: Client, path: str, value: str) -> dict[str, object]:
    return {"bot": BOT, "of": client.get(f"/api/numbers/{BOT}").json["of"], "edits": {path: value}}


def test_the_page_and_rest_list_every_number_with_its_line(client: Client, file: Path) -> None:
    reported = client.get(f"/api/numbers/{BOT}").json
    assert (reported["why"], reported["notes"], reported["file"]) == ("", [], str(file))
    found = {each["path"]: each for each in reported["numbers"]}
    assert (found[TARGET]["text"], found["parameters.delta"]["text"]) == ("50%", "0.06")
    lines = file.read_text().splitlines()
    assert all(lines[each["line"] - 1].strip() == each["around"] for each in reported["numbers"])
    page = client.get(f"/bots/{BOT}").body.decode()
    assert f'name="{TARGET}" value="50%" data-now="50%"' in page
    assert client.get("/api/numbers/nobody").status == 404


def test_what_changes_is_shown_and_nothing_is_written(client: Client, file: Path) -> None:
    before = file.read_bytes()
    answer = client.post("/api/spec/preview", body(client, TARGET, "40%"), key=KEY)
    assert answer.status == 200
    assert "now at a profit of 40%" in answer.json["text"]
    wider = client.post("/api/spec/preview", body(client, "risk.max_loss_per_trade", "$9000"), key=KEY)
    assert "(!) risk.max_loss_per_trade" in wider.json["text"], wider.json["text"]
    odd = client.post("/api/spec/preview", body(client, TARGET, "150%"), key=KEY)
    assert "warning: " in odd.json["text"]
    assert file.read_bytes() == before
    assert box_of(client.place).found() == []


def test_a_number_is_written_with_comments_kept_and_its_engine_asked(client: Client, file: Path) -> None:
    before = file.read_text()
    inbox = RequestInbox(client.place, lambda: 0.0)
    answer = client.post("/api/spec", body(client, TARGET, "40%"), key=KEY)
    assert (answer.status, answer.json["engine_runs"]) == (202, True)
    assert file.read_text() == before.replace("target: {profit: 50%}", "target: {profit: 40%}")
    (found,) = inbox.read(at("12:00"))
    inbox.close()
    assert isinstance(found, OperatorRequest)
    assert (found.request, found.bot, found.values) == (Request.RELOAD, BOT, ())
    assert dict(found.edits) == {TARGET: "50% -> 40%"}
    assert found.by.startswith("the page, from 127.0.0.1")


def test_the_same_key_writes_once(client: Client, file: Path) -> None:
    asking = body(client, TARGET, "40%")
    first = client.post("/api/spec", asking, key=KEY)
    assert client.post("/api/spec", asking, key=KEY).json == first.json
    assert client.post("/api/spec", body(client, TARGET, "45%"), key=KEY).status == 409
    assert len(box_of(client.place).found()) == 1


@pytest.mark.parametrize("path", ["/api/spec/preview", "/api/spec"])
@pytest.mark.parametrize(
    ("number", "value", "says"),
    [
        (TARGET, "much", "RB"),
        ("exits[0].time", "25:99", ""),
        ("entry.window.from", "16:30", ""),
        ("parameters.delta", "[1, 2]", ""),
        ("parameters.delta", "", "in one line"),
        ("legs.short_put.strike.delta", "0.1", "has no number at"),
    ],
)
def test_what_validate_refuses_is_refused_at_its_number(
    client: Client, file: Path, path: str, number: str, value: str, says: str
) -> None:
    before = file.read_bytes()
    answer = client.post(path, body(client, number, value), key=KEY)
    assert answer.status == 422, answer.json
    assert list(answer.json["fields"]) == [number]
    assert not says or says == "RB" or says in answer.json["fields"][number]
    assert file.read_bytes() == before
    assert box_of(client.place).found() == []


def test_each_of_several_wrong_numbers_has_its_own_message(client: Client) -> None:
    asking = body(client, TARGET, "much") | {"edits": {TARGET: "much", "exits[0].time": "25:99", "entry.per_day": "2"}}
    answer = client.post("/api/spec/preview", asking, key=KEY)
    assert set(answer.json["fields"]) == {TARGET, "exits[0].time"}


def test_a_file_that_a_person_has_changed_is_not_written_over(client: Client, file: Path) -> None:
    asking = body(client, TARGET, "40%")
    file.write_text(file.read_text() + "# by hand\n")
    for path in ("/api/spec/preview", "/api/spec"):
        answer = client.post(path, asking, key=KEY)
        assert (answer.status, answer.json["code"]) == (409, "changed")
    assert file.read_text().endswith("# by hand\n")
    assert "profit: 50%" in file.read_text()
    assert "The file has changed since the engine read it" in client.get(f"/bots/{BOT}").body.decode()


def test_of_two_who_save_the_second_is_refused(client: Client, file: Path) -> None:
    one, two = body(client, TARGET, "40%"), body(client, TARGET, "45%")
    assert client.post("/api/spec", one, key=KEY).status == 202
    assert client.post("/api/spec", two, key=f"{KEY}-2").json["code"] == "changed"
    assert "profit: 40%" in file.read_text()


def test_a_folder_that_cannot_be_written_says_so(client: Client, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asking = body(client, TARGET, "40%")

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(numbers, "write_whole", refuse)
    answer = client.post("/api/spec", asking, key=KEY)
    assert (answer.status, answer.json["message"]) == (
        409, f"{file} cannot be written: Read-only file system; nothing has changed",
    )  # fmt: skip
    assert "rulebot reload" in answer.json["help"]
    assert box_of(client.place).found() == []
    monkeypatch.setattr(numbers.os, "access", lambda *_: False)
    page = client.get(f"/bots/{BOT}").body.decode()
    assert "its folder is read-only for this program" in page
    assert "readonly" in page


def test_a_file_that_is_not_there_says_so(client: Client, file: Path) -> None:
    asking = body(client, TARGET, "40%")
    file.unlink()
    assert "cannot be read here" in client.get(f"/bots/{BOT}").body.decode()
    assert "cannot be read here" in client.post("/api/spec", asking, key=KEY).json["message"]


def test_without_an_engine_nothing_is_written(journal: SqlJournal, client: Client, file: Path) -> None:
    asking, before = body(client, TARGET, "40%"), file.read_bytes()
    journal.close()
    answer = client.post("/api/spec", asking, key=KEY)
    assert (answer.status, answer.json["code"]) == (409, "no_engine")
    assert file.read_bytes() == before


def test_no_other_number_is_no_edit(client: Client) -> None:
    answer = client.post("/api/spec/preview", body(client, TARGET, " 50% "), key=KEY)
    assert (answer.status, answer.json["message"]) == (422, "no number is another one")


def test_what_was_left_for_the_engine_is_plain(client: Client) -> None:
    client.post("/api/spec", body(client, TARGET, "40%"), key=KEY)
    ((_, left),) = box_of(client.place).found()
    assert json.loads(left)["edits"] == {TARGET: "50% -> 40%"}
