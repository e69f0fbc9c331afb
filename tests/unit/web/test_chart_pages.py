"""The page of a trade, the drawing on a bot's page, and both as scripts for TradingView."""

from dataclasses import replace

import pytest
from store_day import CONDOR, SELLER, WATCHER, at, entity
from web_client import Client

from rulebot.model.position import Position
from rulebot.record.codec import decode
from rulebot.record.record import Json, Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store


def page(client: Client, path: str) -> str:
    found = client.get(path)
    assert found.status == 200, found.body
    return found.body.decode()


def test_a_bots_page_draws_its_day_with_a_list_beside(shared: Client) -> None:
    text = page(shared, f"/bots/{CONDOR}")
    assert '<svg xmlns="http://www.w3.org/2000/svg" class="chart"' in text
    assert '<a href="#mark-1"' in text
    assert '<li id="mark-1" class="entry">09:52:00 entry: sold 5920/5930p 6065/6075c at 0.85' in text
    assert f'href="/bots/{CONDOR}/chart.pine?day=2026-11-18"' in text
    assert '<a href="#why">why' in text
    assert "<style" not in text  # the policy lets none be


def test_a_day_without_anything_has_no_drawing(shared: Client) -> None:
    text = page(shared, f"/bots/{WATCHER}?day=2026-11-17")
    assert "Nothing to draw" in text
    assert 'class="chart"' not in text


def test_a_trade_has_a_page_that_the_lists_lead_to(shared: Client) -> None:
    assert '<a href="/trades/1">' in page(shared, "/trades")
    assert '<a href="/trades/2">' in page(shared, f"/bots/{CONDOR}")
    text = page(shared, "/trades/2")
    for words in (
        "5920/5930p 6065/6075c",
        "0.85",
        "0.40",
        "+$36.80",
        "$915.00",
        "short_put",
        "target",
        'class="chart"',
    ):
        assert words in text, words
    legs = text.partition("<h2>Legs</h2>")[2].partition("</table>")[0]
    assert '<td class="n">0.60</td><td class="n">0.35</td>' in legs  # it was 0.6
    assert f'href="/bots/{CONDOR}?day=2026-11-18#why"' in text
    assert 'id="why"' in page(shared, f"/bots/{CONDOR}?day=2026-11-18")


def test_a_trade_whose_wing_expired_was_closed_when_its_last_leg_of_value_was(client: Client) -> None:
    """It was closed with a wing that expired worthless three hours after its exit."""
    assert "<dt>left</dt>" not in page(client, "/trades/2")
    with StoreReader(client.place) as reader:
        found = reader.last_record(Kind.POSITION, "P1")
    assert found is not None
    closed = decode(Position, dict(found[1].data))
    legs = (*closed.legs[:-1], replace(closed.legs[-1], settled=1))
    journal = SqlJournal(open_store(client.place))
    ended = replace(closed, legs=legs, closed_at=at("16:05"))
    gone: dict[str, Json] = {"leg": legs[-1].name, "quantity": 1, "price": "0", "how": "worthless"}
    settled = Record(at("16:05"), Kind.SETTLEMENT, closed.bot, closed.id, gone)
    journal.append([settled, entity(Kind.POSITION, at("16:05"), ended)], durable=True)
    journal.close()
    text = page(client, "/trades/2")
    assert "<dt>closed</dt><dd>2026-11-18 13:07:" in text
    assert "<dt>left</dt>" not in text


def test_an_open_position_leads_to_its_trade(shared: Client) -> None:
    assert 'href="/positions/P2"' in page(shared, "/")
    found = shared.get("/positions/P2")
    assert (found.status, found.headers["location"]) == (307, "/trades/1")
    text = page(shared, "/trades/1")
    assert SELLER in text
    assert "not bounded" in text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/trades/99", 404),
        ("/trades/0", 422),
        ("/trades/x", 422),
        ("/positions/none", 404),
        ("/trades/99/chart.pine", 404),
        ("/bots/nobody/chart.pine", 404),
        (f"/bots/{CONDOR}/chart.pine?day=x", 400),
    ],
)
def test_what_is_not_there_is_said(shared: Client, path: str, status: int) -> None:
    assert shared.get(path).status == status


@pytest.mark.parametrize("path", [f"/bots/{CONDOR}/chart.pine?day=2026-11-18", "/trades/2/chart.pine"])
def test_a_script_is_a_file_to_keep(shared: Client, path: str) -> None:
    found = shared.get(path)
    assert found.status == 200
    assert found.headers["content-type"] == "text/plain; charset=utf-8"
    assert found.headers["content-disposition"].startswith('attachment; filename="')
    assert found.headers["content-disposition"].endswith('.pine"')
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.body.startswith(b"//@version=6\n")


@pytest.mark.parametrize("path", ["/trades/2", "/trades/2/chart.pine", f"/bots/{CONDOR}/chart.pine", "/preview/x"])
def test_nobody_without_a_token_sees_them(shared: Client, path: str) -> None:
    assert shared.send("GET", path).status == 401


def test_on_both_databases_charts_are_the_same(any_client: Client) -> None:
    assert "09:52:00 entry: sold 5920/5930p 6065/6075c at 0.85" in page(any_client, f"/bots/{CONDOR}")
    assert "13:07:00 exit: target at 0.40" in page(any_client, "/trades/2")
    assert any_client.get("/positions/P2").headers["location"] == "/trades/1"
