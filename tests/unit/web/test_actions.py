"""What is asked for on the page: a request in the engine's box, once for each key, and nothing else."""

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import served
from scan_rows import row, scan_of
from store_day import at, small_day
from web_client import TOKEN, Client

from rulebot.documents.load_bots import load_all_bots, specs_as_json
from rulebot.model.event import OperatorRequest, Request
from rulebot.narrate.positions import ShownLeg
from rulebot.operator_requests.requests import RequestInbox
from rulebot.record.record import Json, Kind, Record
from rulebot.scan.scan_row import document, head
from rulebot.spec.files import shipped
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store
from rulebot.store.requests import box_of
from rulebot.store.scans import keep, scans_file

KEY = "a-key-of-a-test"


def asked(client: Client) -> list[dict[str, str]]:
    """Return what is in the box, oldest first."""
    box = box_of(client.place)
    return [json.loads(body) for _, body in box.found()]


@pytest.mark.parametrize(
    ("name", "request_name"),
    [("start", "resume"), ("stop", "pause"), ("close_all", "flatten"), ("pause", "pause"), ("resume", "resume")],
)
def test_an_action_is_a_request_to_the_engine(client: Client, name: str, request_name: str) -> None:
    answer = client.post(f"/api/action/{name}", {"bot": "dte0_condor"}, key=KEY)
    assert (answer.status, answer.json["engine_runs"]) == (202, False)
    assert "no engine runs" in answer.json["message"]
    (found,) = asked(client)
    assert (found["request"], found["bot"], found["id"]) == (request_name, "dte0_condor", answer.json["id"])


def test_the_same_key_asks_once_and_is_answered_alike(client: Client) -> None:
    first = client.post("/api/action/stop", key=KEY)
    second = client.post("/api/action/stop", key=KEY)
    assert first.json == second.json
    assert len(asked(client)) == 1
    assert client.post("/api/action/stop", key=KEY + "-2").json["id"] != first.json["id"]
    assert len(asked(client)) == 2


def test_a_key_does_not_ask_for_two_things(client: Client) -> None:
    client.post("/api/action/stop", key=KEY)
    refused = client.post("/api/action/close_all", key=KEY)
    assert (refused.status, refused.json["code"]) == (409, "key")
    assert [each["request"] for each in asked(client)] == ["pause"]


def test_a_key_names_its_request_also_after_the_page_was_started_again(client: Client) -> None:
    """The engine acts once on an id, so a second tab or a new page may ask again."""
    first = client.post("/api/action/stop", key=KEY)
    with served(client.place) as again:
        assert again.post("/api/action/stop", key=KEY).json["id"] == first.json["id"]
    assert len({each["id"] for each in asked(client)}) == 1


@pytest.mark.parametrize("is_taken", [False, True])
def test_a_key_does_not_ask_for_two_things_over_a_start_of_the_page(client: Client, *, is_taken: bool) -> None:
    """It was answered that all is closed as soon as it can be, and the engine, which knows the id, let it be."""
    first = client.post("/api/action/stop", {"bot": "dte0_condor"}, key=KEY)
    if is_taken:
        data: dict[str, Json] = {"id": first.json["id"], "request": "pause", "bot": "dte0_condor"}
        journal = SqlJournal(open_store(client.place))
        journal.append([Record(at("15:50"), Kind.OPERATOR, "dte0_condor", "", data)], durable=True)
        journal.close()
        box = box_of(client.place)
        assert all(box.remove(name) for name, _ in box.found())
    with served(client.place) as again:
        for path, body in (("close_all", {}), ("stop", {}), ("start", {"bot": "dte0_condor"})):
            refused = again.post(f"/api/action/{path}", body, key=KEY)
            assert (refused.status, refused.json["code"]) == (409, "key")
        assert again.post("/api/action/pause", {"bot": "dte0_condor"}, key=KEY).json["id"] == first.json["id"]


@pytest.mark.parametrize("key", ["", "short", "x" * 201])
def test_an_action_needs_a_key(client: Client, key: str) -> None:
    assert client.post("/api/action/stop", key=key).status == 422
    assert asked(client) == []


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("explode", {}, 404),
        ("stop", {"bot": "nobody"}, 404),
        ("stop", {"bot": 5}, 422),
        ("stop", [], 422),
        ("stop", {"bot": None}, 422),
        ("close", {}, 422),
        ("close", {"position": "nobody-20261118-1"}, 404),
        ("close", {"position": "P1"}, 404),  # it is closed
        ("close", {"position": "\ud800"}, 422),  # JSON can write half a letter
        ("stop", {"bot": "\ud800"}, 422),
        ("stop", {"position": "P2"}, 422),
        ("close", {"position": "P2", "bot": "dte0_condor"}, 422),  # it is another bot's
    ],
)
def test_what_nobody_can_do_is_refused(client: Client, name: str, body: object, status: int) -> None:
    answer = client.post(f"/api/action/{name}", body, key=KEY)
    assert answer.status == status
    assert asked(client) == []


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/api/action/close_all", {"bto": "spx_spy_parity"}, "no field 'bto' is known here; known are bot, position"),
        ("/api/action/stop", {"bott": "dte0_condor", "bot": "dte0_condor"}, "no field 'bott' is known here"),
        ("/api/action/close_all", {"bot": ""}, "bot: it is empty: give a name, or leave it out"),
        ("/api/action/close_all", {"position": ""}, "position: it is empty"),
        ("/api/action/close_all?bot=dte0_condor", {}, "no parameter 'bot' is known here; none is"),
        ("/api/trade/trigger", {"bot": ""}, "bot: it is empty"),
        ("/api/trade/trigger", {"bot": "dte0_condor", "quantity": 5}, "no field 'quantity' is known here"),
        ("/api/alerts/acknowledge", {"ids": [3]}, "no field 'ids' is known here; known are id, until"),
    ],
)
def test_what_nobody_knows_is_refused_and_named(client: Client, path: str, body: object, said: str) -> None:
    """A misspelt `bot` was left out: all that was held was closed."""
    answer = client.post(path, body, key=KEY)
    assert (answer.status, answer.json["code"]) == (422, "parameter")
    assert said in answer.json["message"]
    assert asked(client) == []


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/api/action/close_all", b'{"bot": "dte0_condor", "bot": "spx_spy_parity"}', "bot: it is given 2 times: once"),
        ("/api/parameters", b'{"bot": "a", "values": {"d": "1", "d": "2", "d": "3"}}', "d: it is given 3 times: once"),
        ("/api/action/stop", b'{"bot": "\xff"}', "body: it cannot be read: it is JSON in UTF-8"),
        ("/api/action/stop", b"[" * 9000, "body: it cannot be read: it is JSON in UTF-8, without one list or object"),
        ("/api/action/stop", b"", "body: Field required"),
    ],
)
def test_a_body_that_says_two_things_or_none_is_refused(client: Client, path: str, body: bytes, said: str) -> None:
    """Of a bot that was named twice the second was taken, and nobody told of the first."""
    reported = {"Authorization": f"Bearer {TOKEN}", "X-Rulebot": "1", "Content-Type": "application/json"}
    answer = client.send("POST", path, {**reported, "Idempotency-Key": KEY}, body)
    assert answer.status in (400, 422)
    assert answer.json["message"].startswith(said)
    assert asked(client) == []


def test_one_position_is_asked_to_be_closed_once(client: Client) -> None:
    (position,) = (row["position"] for row in client.get("/api/positions").json)
    for _ in range(2):
        answer = client.post("/api/action/close", {"position": position}, key=KEY)
        assert answer.status == 202
        assert answer.json["message"].startswith(f"{position} is closed as soon as it can be")
    (found,) = asked(client)
    assert (found["request"], found["bot"], found["position"]) == ("close", "spy_put_seller", position)
    assert client.post("/api/action/close_all", {}, key=KEY).status == 409


@pytest.mark.parametrize(
    ("name", "request_name", "status"),
    [("close_all", "flatten", 202), ("stop", "pause", 202), ("pause", "pause", 202), ("start", "resume", 503)],
)
def test_what_cannot_wait_is_left_for_an_engine_whose_store_cannot_be_read(
    client: Client, name: str, request_name: str, status: int
) -> None:
    """`rulebot kill --flatten` was left there, and *Close all* on the page was refused."""
    with closing(SqlJournal(open_store(client.place), logs=None)):  # an engine holds the store
        assert isinstance(client.place, Path)
        kept = client.place.read_bytes()
        client.place.write_bytes(b"no database" * 1000)
        answer = client.post(f"/api/action/{name}", key=KEY)
        client.place.write_bytes(kept)
    assert answer.status == status
    assert [each["request"] for each in asked(client)] == ([request_name] if status == 202 else [])


def test_an_entry_by_hand_needs_an_engine_and_a_bot(client: Client) -> None:
    refused = client.post("/api/trade/trigger", {"bot": "dte0_condor"}, key=KEY)
    assert (refused.status, refused.json["code"]) == (409, "no_engine")
    assert client.post("/api/trade/trigger", {"bot": "nobody"}, key=KEY).status in (404, 409)
    assert asked(client) == []


def test_an_entry_by_hand_is_left_for_the_engine(client: Client) -> None:
    journal = SqlJournal(open_store(client.place))  # an engine holds the store
    try:
        assert client.post("/api/trade/trigger", {"bot": "nobody"}, key="another-key").status == 404
        assert client.post("/api/action/enter", {}, key="another-key").status == 404  # of all bots at once
        many = client.post("/api/trade/trigger", {}, key="another-key")
        assert (many.status, "name the bot" in many.json["message"]) == (422, True)
        answer = client.post("/api/trade/trigger", {"bot": "dte0_condor"}, key=KEY)
        assert (answer.status, answer.json["engine_runs"]) == (202, True)
        (found,) = asked(client)
        assert (found["request"], found["bot"]) == ("enter", "dte0_condor")
    finally:
        journal.close()


def test_of_two_people_who_ask_for_one_entry_the_second_is_reported(client: Client) -> None:
    """A bot with `again` entered twice: the page of the second was made before the first had asked."""
    asking = {"bot": "dte0_condor", "after": 1}  # it has one trade
    with closing(SqlJournal(open_store(client.place), logs=None)) as journal:
        answer = client.post("/api/trade/trigger", asking, key=KEY)
        assert answer.status == 202
        late = client.post("/api/trade/trigger", asking, key=f"{KEY}-2")
        assert (late.status, late.json["code"]) == (409, "changed")
        assert "dte0_condor has entered, or was asked to, since this page was made" in late.json["message"]
        data: dict[str, Json] = {"id": answer.json["id"], "request": "enter", "bot": "dte0_condor"}
        journal.append([Record(at("15:50"), Kind.OPERATOR, "dte0_condor", "", data)], durable=True)
        assert client.post("/api/trade/trigger", asking, key=f"{KEY}-3").status == 409
        with served(client.place) as again:
            assert again.post("/api/trade/trigger", asking, key=KEY).json == answer.json
        assert len({each["id"] for each in asked(client)}) == 1
        assert client.post("/api/trade/trigger", {**asking, "after": 2}, key=f"{KEY}-4").status == 202


LEGS = tuple(
    ShownLeg(
        name=name, side=side, symbol="SPX", trading_class="SPXW", right="put", strike=strike, expiry="2026-10-21",
        ratio=1,
    )
    for name, side, strike in (("short_put", "sell", "5915"), ("long_put", "buy", "5905"))
)  # fmt: skip


def keep_row(world: str = "paper", **changes: object) -> None:
    found = scan_of(row("SPX", **{"bot": "dte0_condor", "legs": LEGS} | changes), world=world)
    keep(scans_file(), head(found), [document(each) for each in found.rows])


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "data"))


@pytest.mark.usefixtures("data")
def test_a_row_of_a_scan_is_left_with_its_legs_and_its_key_asks_for_no_other(client: Client) -> None:
    keep_row()
    keep_row(legs=(LEGS[1],))
    body = {"bot": "dte0_condor", "scan": 1, "row": 0, "after": 1}
    with closing(SqlJournal(open_store(client.place), logs=None)):  # an engine holds the store
        answer = client.post("/api/trade/trigger", body, key=KEY)
        assert answer.status == 202, answer.json
        assert client.post("/api/trade/trigger", body, key=KEY).json == answer.json
        assert client.post("/api/trade/trigger", {**body, "scan": 2}, key=KEY).status == 409
        assert client.post("/api/trade/trigger", {"bot": "dte0_condor"}, key=KEY).status == 409
        with served(client.place) as again:  # another process knows it by what lies in the box
            assert again.post("/api/trade/trigger", {**body, "scan": 2}, key=KEY).status == 409
        late = client.post("/api/trade/trigger", body, key=f"{KEY}-2")
        assert (late.status, late.json["code"]) == (409, "changed")
    (found,) = asked(client)
    assert set(found["legs"]) == {"short_put", "long_put"}


@pytest.mark.usefixtures("data")
def test_the_engine_reads_the_legs_of_a_row(client: Client) -> None:
    keep_row(alternative="low")
    with closing(SqlJournal(open_store(client.place), logs=None)):
        inbox = RequestInbox(client.place, lambda: 0.0)
        assert client.post("/api/trade/trigger", {"bot": "dte0_condor", "row": 0}, key=KEY).status == 202
        (found,) = inbox.read(at("12:00"))
        inbox.close()
    assert isinstance(found, OperatorRequest)
    assert (found.request, found.alternative) == (Request.ENTER, "low")
    assert [(name, str(option.strike)) for name, option in found.legs] == [("short_put", "5915"), ("long_put", "5905")]


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"row": 0}, 422, "scan 1 comes from the simulated market, the engine trades on a real one"),
        ({"scan": 1}, 422, "a scan has many rows: name the `row`"),
        ({"scan": 7, "row": 0}, 404, "scan 7 is not kept"),
        ({"row": 3}, 404, "the last scan keeps no row 3 of dte0_condor"),
    ],
)
def test_a_row_that_cannot_be_entered_is_refused(client: Client, body: dict[str, int], status: int, says: str) -> None:
    keep_row("simulated")
    with closing(SqlJournal(open_store(client.place), logs=None)):
        answer = client.post("/api/trade/trigger", {"bot": "dte0_condor", **body}, key=KEY)
    assert (answer.status, says in answer.json["message"]) == (status, True), answer.json
    assert asked(client) == []


@pytest.mark.usefixtures("data")
def test_a_row_without_legs_is_refused(client: Client) -> None:
    keep_row(legs=(), why="no legs: no options listed")
    with closing(SqlJournal(open_store(client.place), logs=None)):
        answer = client.post("/api/trade/trigger", {"bot": "dte0_condor", "row": 0}, key=KEY)
    message = "the row of SPX has no legs to enter: no legs: no options listed"
    assert (answer.status, answer.json["message"]) == (422, message)


def test_a_bot_that_chooses_among_symbols_is_not_asked_to_enter(client: Client) -> None:
    """It was answered that it is asked to, and the engine refused."""
    specs: Json = specs_as_json(load_all_bots([str(shipped("specs") / "micro_buywrite.yaml")], {}, None))
    started = next(record for record in small_day() if record.kind is Kind.RUN_STARTED)
    journal = SqlJournal(open_store(client.place))  # an engine holds the store
    try:
        journal.append([replace(started, data={**started.data, "specs": specs})], durable=True)
        for body in ({"bot": "micro_buywrite"}, {}):
            answer = client.post("/api/trade/trigger", body, key=KEY)
            why = "micro_buywrite chooses among symbols by its conditions: by hand it enters a row of a scan"
            assert (answer.status, answer.json["message"]) == (422, why)
        assert asked(client) == []
    finally:
        journal.close()


def test_the_engine_reads_what_the_page_asks(client: Client, tmp_path: Path) -> None:
    client.post("/api/action/pause", {"bot": "dte0_condor"}, key=KEY)
    inbox = RequestInbox(client.place, lambda: 0.0)
    (found,) = inbox.read(at("12:00"))
    inbox.close()
    assert (found.request.value, found.bot) == ("pause", "dte0_condor")
