"""Parameters on the page: what other values would change is shown, and only what can be is asked for."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import served
from store_day import at
from web_client import Answer, Client

from rulebot.documents.load_bots import load_all_bots, specs_as_json
from rulebot.record.record import Json, Kind, Record
from rulebot.spec.files import shipped
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store
from rulebot.store.requests import box_of

KEY = "a-key-of-a-test"
BOT = "dte0_condor"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqlJournal]:
    """Return the journal of an engine that holds its store, with a shipped bot that has parameters."""
    desk = load_all_bots([str(shipped("specs") / f"{BOT}.yaml")], {f"{BOT}.wing": "15 pts"}, None)
    data = {"version": "0.1", "specs": specs_as_json(desk), "settings": {}, "account": "DU1", "install": "x"}
    journal = SqlJournal(open_store(tmp_path / "a.db"))
    journal.append([Record(at("09:25"), Kind.RUN_STARTED, data=data)], durable=True)
    kept = {"what": "applied", "kept": {f"{BOT}.wing": "15 pts"}, "changes": [], "limit_changes": []}
    journal.append([Record(at("09:26"), Kind.RELOAD, data=kept)], durable=True)
    yield journal
    journal.close()


@pytest.fixture
def client(journal: SqlJournal, tmp_path: Path) -> Iterator[Client]:
    """Return a client of that store."""
    with served(tmp_path / "a.db") as found:
        yield found


def test_the_page_has_them_as_in_the_file_and_as_they_are(client: Client) -> None:
    shown = client.get(f"/bots/{BOT}").body.decode()
    assert '<th scope="row">delta</th><td>0.06</td><td>0.06</td>' in shown
    assert '<th scope="row">wing</th><td>10 pts</td><td>15 pts <small>set by an operator</small></td>' in shown


def test_what_would_change_is_said_as_a_difference(client: Client) -> None:
    answer = client.post("/api/parameters/preview", {"bot": BOT, "values": {"delta": "0.10"}}, key=KEY)
    assert answer.status == 200
    assert "(!) parameters.delta" in answer.json["text"]
    assert "0.06 -> 0.10" in answer.json["text"]
    back = client.post("/api/parameters/preview", {"bot": BOT, "values": {"wing": ""}}, key=KEY)
    assert "parameters.wing" in back.json["text"]
    assert "10 pts" in back.json["text"]
    assert box_of(client.place).found() == []


def test_a_field_that_nobody_knows_changes_nothing(client: Client) -> None:
    """`dry_run` was left out, and the bot traded by the other value."""
    asked = {"bot": BOT, "values": {"delta": "0.10"}}
    for path in ("/api/parameters", "/api/parameters/preview"):
        for sent, said in (
            ({**asked, "dry_run": True}, "no field 'dry_run'"),
            ({**asked, "bot": ""}, "bot: it is empty"),
        ):
            answer = client.post(path, sent, key=KEY)
            assert (answer.status, said in answer.json["message"]) == (422, True)
    assert box_of(client.place).found() == []


def test_a_value_that_is_wrong_in_two_places_is_refused_in_one_sentence(client: Client) -> None:
    answer = client.post("/api/parameters/preview", {"bot": BOT, "values": {"delta": "many"}}, key=KEY)
    assert answer.json["message"].count("(many)") == 1


@pytest.mark.parametrize(
    ("bot", "values", "status", "said"),
    [
        ("nobody", {"delta": "0.1"}, 404, "no bot 'nobody' runs"),
        (BOT, {"width": "3"}, 422, "has no parameter 'width'; it has delta, floor, wing"),
        (BOT, {"delta": "many"}, 422, "delta"),
        (BOT, {"wing": "10"}, 422, "10"),
        (BOT, {"delta": "x" * 300}, 422, "letters"),
        (BOT, {}, 422, "values"),
        (BOT, {"delta": "0.1, floor: 5 pts"}, 422, "is repeated"),
        (BOT, {"delta": "0.1 # more"}, 422, "is not closed"),
    ],
)
def test_what_cannot_be_is_refused_before_the_engine_hears_of_it(
    client: Client, bot: str, values: dict[str, str], status: int, said: str
) -> None:
    for path in ("/api/parameters/preview", "/api/parameters"):
        answer = client.post(path, {"bot": bot, "values": values}, key=KEY)
        assert answer.status == status
        assert said in answer.json["message"]
    assert box_of(client.place).found() == []


def test_a_value_is_asked_for_once_for_each_key(client: Client) -> None:
    for _ in range(2):
        answer = client.post("/api/parameters", {"bot": BOT, "values": {"delta": "0.10"}}, key=KEY)
        assert answer.status == 202
    ((_, body),) = box_of(client.place).found()
    said = json.loads(body)
    assert (said["request"], said["bot"], said["values"]) == ("set", BOT, {"delta": "0.10"})
    assert client.post("/api/parameters", {"bot": BOT, "values": {"delta": "0.11"}}, key=KEY).status == 409


def ask(client: Client, key: str, of: str = "", **values: str) -> Answer:
    """Ask for other values of a bot's parameters, as a person does who has looked at what they were held against."""
    return client.post("/api/parameters", {"bot": BOT, "values": values} | ({"of": of} if of else {}), key=key)


def look(client: Client, **values: str) -> dict[str, str]:
    found: dict[str, str] = client.post("/api/parameters/preview", {"bot": BOT, "values": values}).json
    return found


def test_of_two_people_who_change_a_bot_at_once_the_second_is_reported(client: Client) -> None:
    """Both read `0.06 -> ..` and said yes: the later value stood, and nobody was told of the other."""
    mine, theirs = look(client, delta="0.10"), look(client, delta="0.12")
    assert ask(client, KEY, mine["of"], delta="0.10").status == 202
    late = ask(client, f"{KEY}-2", theirs["of"], delta="0.12")
    assert (late.status, late.json["code"]) == (409, "changed")
    assert f"{BOT} has other parameters than those that this was held against, now delta 0.10, " in late.json["message"]
    assert len(box_of(client.place).found()) == 1
    again = look(client, delta="0.12", wing="")
    assert "Asked for before, and not taken up yet: delta 0.10" in again["text"]
    assert "0.10 -> 0.12" in again["text"]
    assert ask(client, f"{KEY}-3", again["of"], delta="0.12", wing="").status == 202
    assert look(client, delta="0.06")["of"] != again["of"]
    assert ask(client, f"{KEY}-4", delta="0.14").status == 202  # a program that has looked at nothing


@pytest.mark.parametrize(
    ("reported", "outstanding"),
    [
        ([{"what": "asked"}, {"what": "waits", "reason": "an order"}], "delta 0.10"),
        ([{"what": "asked"}, {"what": "refused", "id": "x", "reason": "another"}], "delta 0.10"),
        ([{"what": "asked"}, {"what": "refused", "reason": "no such symbol"}], ""),
        ([{"what": "asked"}, {"what": "applied", "kept": {f"{BOT}.delta": "0.10"}}], ""),
        ([{"what": "asked", "bot": "another"}], ""),
    ],
)
def test_what_waits_to_be_taken_up_is_what_values_are_held_against(
    client: Client, journal: SqlJournal, reported: list[dict[str, Json]], outstanding: str
) -> None:
    asked: dict[str, Json] = {"bot": BOT, "values": {"delta": "0.10"}, "changes": [], "limit_changes": []}
    journal.append([Record(at("09:40"), Kind.RELOAD, data=asked | each) for each in reported], durable=True)
    text = look(client, delta="0.12")["text"]
    assert (f"not taken up yet: {outstanding}" in text) is bool(outstanding)
    assert f"{'0.10' if outstanding else '0.06'} -> 0.12" in text


def test_a_key_sets_once_also_after_the_page_was_started_again(client: Client, journal: SqlJournal) -> None:
    """Sent again it set a value that had been taken back meanwhile, or was answered and let be with another value."""
    first = ask(client, KEY, delta="0.10")
    box = box_of(client.place)
    assert all(box.remove(name) for name, _ in box.found())
    data: dict[str, Json] = {"what": "asked", "id": first.json["id"], "bot": BOT, "values": {"delta": "0.10"}}
    journal.append([Record(at("09:40"), Kind.RELOAD, data=data)], durable=True)
    with served(client.place) as again:
        assert ask(again, KEY, delta="0.10").json == first.json
        other = ask(again, KEY, delta="0.11")
        assert (other.status, other.json["code"]) == (409, "key")
    assert box.found() == []
