"""The page of all trades: filters, sums, and the same rows as the store's view."""

from pathlib import Path

import pytest
from conftest import served
from hand_desk import Desk, kept, text_of
from web_client import Client

from rulebot.store.queries import StoreReader


@pytest.fixture
def client(shared: Client) -> Client:
    """Return the one page that all tests here look at."""
    return shared


def page(client: Client, query: str = "") -> str:
    answer = client.get(f"/trades{query}")
    assert answer.status == 200
    return answer.body.decode()


def test_profit_of_which_commissions_are_not_reported_is_provisional(tmp_path: Path) -> None:
    desk = Desk((text_of(),))
    desk.opened()
    desk.until("15:45")
    (first, *_) = desk.fill(desk.last)
    desk.commission(first, "0.65")
    with served(kept(desk, tmp_path)) as owing:
        pages = [page(owing), *(owing.get(path).body.decode() for path in ("/", "/bots/spread"))]
        assert all(" provisional</td>" in each for each in pages)
        assert "<small>provisional</small>" in pages[0]
        assert ", provisional: the commission of 3 fills is not reported yet" in owing.get("/trades/1").body.decode()
        ((trade,), (period,)) = (owing.get(path).json for path in ("/api/trades", "/api/pnl/history"))
        days = [owing.get(path).json for path in ("/api/pnl", "/api/performance")]
    assert [each["pending_commissions"] for each in (trade, period, *days)] == [3] * 4


def test_all_trades_with_their_sum(client: Client) -> None:
    with StoreReader(client.place) as reader:
        rows = reader.view("trades")
    shown = page(client)
    assert all(f"/bots/{row['strategy_id']}?day=" in shown for row in rows)
    made = sum(row["final_pnl"] for row in rows if row["final_pnl"] is not None)
    assert f"+${made:,.2f}" in shown


def test_a_trade_in_error_is_counted_beside_the_sums_and_says_what_it_has_left(tmp_path: Path) -> None:
    desk = Desk((text_of(),))
    desk.opened()
    desk.until("15:45")
    desk.fill(desk.last)
    for report in desk.executions_of(desk.last, 1):
        desk.send(report)
    with served(kept(desk, tmp_path)) as wrong:
        shown, trade = page(wrong), wrong.get("/trades/1").body.decode()
        refused = wrong.post("/api/action/close", {"position": "spread-20261118-1"}, key="close-it-now")
    assert (refused.status, refused.json["message"].startswith("spread-20261118-1 is over, in error")) == (404, True)
    assert "<dt>in error, in no sum</dt><dd>1</dd>" in shown
    assert "in error, it has left +1 SPXW 2026-11-18 5945P, -1 SPXW 2026-11-18 5935P" in trade


def test_days_that_end_before_they_begin_are_refused(client: Client) -> None:
    """It said that no trade is like that."""
    answer = client.get("/trades?from=2026-11-19&to=2026-11-18")
    assert (answer.status, "2026-11-19 is after to, 2026-11-18" in answer.body.decode()) == (422, True)


@pytest.mark.parametrize(
    ("query", "there", "gone"),
    [
        ("?bot=dte0_condor", "/bots/dte0_condor?day=", "/bots/spy_put_seller?day="),
        ("?status=OPEN", "/bots/spy_put_seller?day=", "/bots/dte0_condor?day="),
        ("?status=CLOSED&period=month", "2026-11:", "/bots/spy_put_seller?day="),
        ("?period=week", "2026-11-16:", "2026-11-18:"),
        ("?from=2026-11-19", "No trade is like that.", "/bots/dte0_condor?day="),
        ("?to=2026-11-18", "/bots/dte0_condor?day=", "No trade is like that."),
    ],
)
def test_the_trades_page_filters_by_bot_status_and_dates(client: Client, query: str, there: str, gone: str) -> None:
    shown = page(client, query)
    assert there in shown
    assert gone not in shown


@pytest.mark.parametrize("query", ["?status=NONE", "?period=year", "?from=yesterday"])
def test_what_cannot_be_meant_is_refused(client: Client, query: str) -> None:
    assert client.get(f"/trades{query}").status == 400


def test_what_is_asked_for_stays_harmless(client: Client) -> None:
    assert "<script>alert" not in page(client, "?bot=%3Cscript%3Ealert(1)%3C/script%3E")
