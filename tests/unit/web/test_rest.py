"""The REST interface: every number is the store's, under the names that were asked for."""

import csv
import http.client
import io
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import served
from paper_days import entity
from run_day import run_at
from store_day import SELLER, at, small_day
from web_client import TOKEN, Client

from rulebot.core.state.state import OperatorState
from rulebot.documents.load_bots import load_all_bots, specs_as_json
from rulebot.live.environments import DEFAULT_DATE
from rulebot.model.contract import Contract, Underlying
from rulebot.model.session import at_exchange_time
from rulebot.narrate.snapshot_of_store import snapshot_of_store
from rulebot.record.record import Json, Kind, Record
from rulebot.spec.files import shipped
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store
from rulebot.web.live import Live, snapshot_of_run
from rulebot.web.rest_mapping import added, columns_of, history, performance
from rulebot.web.rest_models import Trade
from tests.e2e.worlds import run_days, spec_files

GETS = [
    "/api/status", "/api/positions", "/api/positions/greeks", "/api/positions/risk", "/api/trades", "/api/pnl",
    "/api/pnl/history", "/api/account", "/api/market", "/api/performance",
]  # fmt: skip


@pytest.fixture
def client(shared: Client) -> Client:
    """Return the one page that all tests here look at."""
    return shared


def view(client: Client, name: str, **equal: object) -> list[dict[str, Any]]:
    with StoreReader(client.place) as reader:
        return [dict(row) for row in reader.view(name, **equal)]


ASKED = {
    "/api/status": {"is_trading", "is_connected", "open_positions", "trades_today", "bots", "next_scheduled_time"},
    "/api/positions": {
        "trade_id", "entry_time", "spy_strike", "spx_strike", "entry_credit", "current_pnl", "status",
    },
    "/api/trades": {"id", "trade_date", "entry_credit", "final_pnl", "exit_reason", "status"},
    "/api/account": {"account_id", "net_liquidation", "total_cash", "available_funds", "buying_power", "shares"},
    "/api/market": {"spy_price", "spx_price"},
    "/api/performance": {
        "daily_realized_pnl", "unrealized_pnl", "total_pnl", "max_daily_loss", "risk_breached", "trades_count",
        "active_positions",
    },
}  # fmt: skip
"""The fields that other programs were promised (rows A11 and B7)."""


@pytest.mark.parametrize("path", ASKED)
def test_the_fields_that_were_asked_for_are_there(client: Client, path: str) -> None:
    found = client.get(path).json
    one = found[0] if isinstance(found, list) else found
    assert ASKED[path] <= set(one)


def test_numbers_are_those_of_the_views(any_client: Client) -> None:
    client = any_client
    system = view(client, "system_state")[0]
    reported = client.get("/api/status").json
    assert (reported["open_positions"], reported["trades_today"]) == (system["open_positions"], system["trades_today"])
    assert (reported["errors_today"], reported["last_updated"]) == (system["errors_today"], system["last_updated"])
    rows = {row["id"]: row for row in view(client, "open_positions")}
    trades = {row["id"]: row for row in view(client, "trades")}
    positions = client.get("/api/positions").json
    assert {each["trade_id"] for each in positions} == set(rows)
    for each in positions:
        row = rows[each["trade_id"]]
        assert each["current_pnl"] == row["unrealized_pnl"]
        assert each["entry_price"] == row["entry_price"]
        assert each["entry_credit"] == trades[row["id"]]["entry_credit"]
    risk = view(client, "risk_metrics")[0]
    total = client.get("/api/positions/greeks").json["total"]
    for name in ("delta", "gamma", "theta", "vega"):
        assert total[name] == pytest.approx(risk[f"total_{name}"] or 0.0)
    day = view(client, "daily_summary")[-1]
    profit = client.get("/api/pnl").json
    assert profit["realized_pnl"] == day["net_pnl"]
    assert profit["unrealized_pnl"] == pytest.approx(risk["unrealized_pnl"])
    assert profit["total_pnl"] == pytest.approx(day["net_pnl"] + risk["unrealized_pnl"])
    performance = client.get("/api/performance").json
    assert performance["daily_realized_pnl"] == day["net_pnl"]
    assert performance["active_positions"] == system["open_positions"]


def test_trades_are_those_of_the_store_newest_first(any_client: Client) -> None:
    with StoreReader(any_client.place) as reader:
        rows = reader.trades()[::-1]
    found = any_client.get("/api/trades").json
    assert [each["id"] for each in found] == [row["id"] for row in rows]
    for each, row in zip(found, rows, strict=True):
        reported = {**row, "status": {"OPEN": "ACTIVE"}.get(row["status"], row["status"])}
        assert {name: reported[name] for name in each if name in row} == {
            n: v for n, v in each.items() if n != "structure"
        }
    assert [each["id"] for each in any_client.get("/api/trades?limit=1").json] == [rows[0]["id"]]
    closed = any_client.get("/api/trades?status=CLOSED").json
    assert {each["status"] for each in closed} == {"CLOSED"}
    assert len(closed) < len(rows)
    active = any_client.get("/api/trades?status=ACTIVE").json
    assert active == any_client.get("/api/trades?status=OPEN").json
    assert {each["status"] for each in (*active, *any_client.get("/api/positions").json)} == {"ACTIVE"}


@pytest.mark.parametrize(("asked", "count"), [("from=2026-11-18", 2), ("from=2026-11-19", 0), ("to=2026-11-17", 0)])
def test_trades_are_chosen_by_date(client: Client, asked: str, count: int) -> None:
    assert len(client.get(f"/api/trades?{asked}").json) == count


def test_trades_as_a_table(client: Client) -> None:
    answer = client.get("/api/trades?format=csv")
    assert answer.headers["content-type"].startswith("text/csv")
    head, *rows = csv.reader(io.StringIO(answer.body.decode()))
    found = client.get("/api/trades").json
    assert head == list(found[0])
    assert len(rows) == len(found)


def test_a_table_has_no_formulas() -> None:
    """A text that a spreadsheet would run gets a quote in front, as in files of `store export`."""
    named = dict.fromkeys(Trade.model_fields) | {"exit_reason": "=1+1", "final_pnl": -5.0}
    _, row = columns_of([Trade.model_construct(**named)])
    assert ("'=1+1" in row, -5.0 in row) == (True, True)


def test_a_table_has_all_trades_where_a_list_has_some(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's own link to a table gave the newest fifty, and said nothing of the others."""
    monkeypatch.setattr("rulebot.web.rest.FEW_TRADES", 1)
    assert len(client.get("/api/trades").json) == 1
    assert len(client.get("/api/trades?format=csv").body.decode().splitlines()) == 1 + len(view(client, "trades")) > 2
    assert len(client.get("/api/trades?format=csv&limit=1").body.decode().splitlines()) == 2


def test_the_book_at_its_targets_and_stops(tmp_path: Path) -> None:
    """A put sold at P with orders that rest at 0.4 x P and at 3 x P, on the tick: (entry - target) x 100 to make."""
    place, until = tmp_path / "a.db", at_exchange_time(DEFAULT_DATE, time(10))
    run_days(tmp_path, spec_files(["spy_put_seller"]), seed=3, data_seconds=15, place=place, until=until)
    with served(place) as client:
        (row,) = view(client, "open_positions")
        target, stop = (
            next(each for each in view(client, "pending_orders") if each["purpose"] == purpose)
            for purpose in ("target", "stop")
        )
        risk = client.get("/api/positions/risk").json
        assert client.get("/api/status").json["next_scheduled_time"] == "2026-10-22 09:31:00"
    assert risk["worst_case"] == row["max_loss"]
    assert 0 < row["max_loss"] - row["max_risk"] * row["quantity"] < 3, "commissions"
    assert risk["max_profit"] == pytest.approx((row["entry_price"] - target["limit_price"]) * 100 * row["quantity"])
    assert risk["max_loss"] == pytest.approx((stop["stop_price"] - row["entry_price"]) * 100 * row["quantity"])


@pytest.mark.parametrize(
    ("held", "reported"),
    [({Underlying("SPY"): Decimal(-1000), Underlying("QQQ"): Decimal(0)}, {"SPY": -1000.0}), ({}, {})],
)
def test_shares_are_reported_by_a_running_engine(
    client: Client, held: dict[Contract, Decimal], reported: dict[str, float]
) -> None:
    """Of a store, which does not know them, `{}` was told of an account that was short 1,000 shares."""
    run = run_at("12:00")
    run.loop.state = run.loop.state._replace(account=replace(run.loop.state.account, holdings=held))
    live = Live(client.place)
    live.show(run, at("12:00"))
    with served(client.place, live) as running:
        assert running.get("/api/account").json["shares"] == reported
    assert client.get("/api/account").json["shares"] is None
    assert "shares" not in client.get("/").body.decode().partition("part-account")[2].partition("</dl>")[0]


def until(clock: str, place: Path, *more: Record) -> Path:
    """Write a store of the hand-made day up to a time, and more after it."""
    journal = SqlJournal(open_store(place))
    journal.append([*(record for record in small_day() if record.at <= at(clock)), *more], durable=True)
    journal.close()
    return place


def test_a_running_engine_is_reported_as_it_stands(tmp_path: Path) -> None:
    """Answers were of the last snapshots: nothing was made and nothing at risk beside a page with both."""
    place, run = until("12:00", tmp_path / "a.db"), run_at("12:00")
    board = run.loop.state.market.board
    for row in board.rows.values():
        board.delta[row], board.gamma[row], board.theta[row], board.vega[row] = 0.1, 0.01, -0.2, 0.3
    page, live = snapshot_of_run(run, at("12:00")), Live(place)
    live.show(run, at("12:00"))
    with served(place, live) as client:
        reported = {each["position"]: each for each in client.get("/api/positions").json}
        greeks, risk, profit, day = (client.get(path).json for path in (*GETS[2:4], GETS[5], GETS[9]))
    assert {each.id: each.profit for each in page.positions} == {n: each["current_pnl"] for n, each in reported.items()}
    assert {each["as_of"] for each in (*reported.values(), greeks, risk, profit, day)} == {"2026-11-18 12:00:00"}
    assert [reported[each.id]["current_price"] for each in page.positions] == [5.0, 0.54]
    assert greeks["total"] == page.greeks != dict.fromkeys(greeks["total"], 0.0)
    assert (risk["max_profit"], -risk["max_loss"]) == (page.at_targets, page.at_stops)
    assert (risk["without_target"], risk["without_stop"]) == (0, 0)
    assert (profit["realized_pnl"], profit["unrealized_pnl"]) == (page.realized, page.unrealized)
    assert day["total_pnl"] == profit["total_pnl"] == page.today != 0


def test_a_position_without_target_and_stop_is_counted_beside_the_sums_of_the_others(tmp_path: Path) -> None:
    """One wing that an exit had left to expire made both sums of the book unknown for the rest of the day."""
    place, run = until("12:00", tmp_path / "a.db"), run_at("12:00")
    positions = run.loop.state.positions.by_id
    whole = positions["P1"]
    wings = tuple(replace(leg, closed=leg.opened if leg.sign < 0 else 0) for leg in whole.legs)
    positions["P1"] = replace(whole, state="exiting", legs=wings)
    page, live = snapshot_of_run(run, at("12:00")), Live(place)
    live.show(run, at("12:00"))
    other = next(each for each in page.positions if each.at_target is not None)
    assert other.at_target is not None
    with served(place, live) as client:
        risk = client.get("/api/positions/risk").json
        shown = client.get("/").body.decode().partition("<tfoot>")[2].partition("</tfoot>")[0]
    assert (risk["max_profit"], risk["max_loss"]) == (other.at_target, -(other.at_stop or 0))
    assert (risk["without_target"], risk["without_stop"]) == (1, 1)
    assert shown.count("<small>1 without</small>") == 2
    assert f"{other.at_target:,.2f}" in shown


@pytest.mark.parametrize(("reason", "is_offered"), [("target", True), ("flattened", False)])
def test_what_an_exit_is_closing_may_be_closed_at_once_and_what_is_so_already_not_again(
    reason: str, tmp_path: Path, *, is_offered: bool
) -> None:
    """While the half of a position, or its target, was at work its row had no button to close all of it."""
    place, run = until("12:00", tmp_path / "a.db"), run_at("12:00")
    held = replace(run.loop.state.positions.by_id["P1"], state="exiting", exit_reason=reason)
    run.loop.state.positions.by_id["P1"] = held
    live = Live(place)
    live.show(run, at("12:00"))
    with served(place, live) as client:
        page = client.get("/").body.decode()
    assert ('data-action="/api/action/close" data-position="P1"' in page) is is_offered
    journal = SqlJournal(open_store(place))
    journal.append([entity(at("12:01"), held)], durable=True)
    journal.close()
    with StoreReader(place) as reader:
        (row,) = [each for each in snapshot_of_store(reader).positions if each.id == "P1"]
    assert (row.state, row.is_flattening) == ("exiting", not is_offered)


def test_what_waits_to_be_closed_has_a_button_that_keeps_it(tmp_path: Path) -> None:
    place, run = until("12:00", tmp_path / "a.db"), run_at("12:00")
    asked = OperatorState(closing=frozenset(("P1",)))
    run.loop.state = run.loop.state._replace(requests=replace(run.loop.state.requests, operator=asked))
    live = Live(place)
    live.show(run, at("12:00"))
    with served(place, live) as client:
        page = client.get("/").body.decode()
    assert 'data-action="/api/action/keep" data-position="P1"' in page
    assert 'data-action="/api/action/close" data-position="P1"' not in page
    assert 'data-action="/api/action/close" data-position="P2"' in page
    journal = SqlJournal(open_store(place))
    data: dict[str, Json] = {"id": "1", "request": "close", "bot": "dte0_condor", "position": "P1"}
    journal.append([Record(at("12:01"), Kind.OPERATOR, "dte0_condor", "", data)], durable=True)
    journal.close()
    with StoreReader(place) as reader:
        assert {row.id: row.waits_to_close for row in snapshot_of_store(reader).positions} == {"P1": True, "P2": False}


def test_what_a_running_engine_has_no_sound_price_of_is_reported_as_of_its_last_snapshot(tmp_path: Path) -> None:
    """After hours nothing is quoted: what a position has made was told as unknown."""
    place, run = until("12:00", tmp_path / "a.db"), run_at("12:00")
    board = run.loop.state.market.board
    for row in board.rows.values():
        board.quote_at[row] = 0.0
    live = Live(place)
    live.show(run, at("12:00"))
    with served(place, live) as client:
        rows = {row["id"]: (row["unrealized_pnl"], row["snapshot_time"]) for row in view(client, "open_positions")}
        reported = {
            each["trade_id"]: (each["current_pnl"], each["as_of"]) for each in client.get("/api/positions").json
        }
    assert reported == rows


@pytest.mark.parametrize(
    ("marks", "made"),
    [({"P1": Decimal(-700), "P2": Decimal(-700)}, -1400.0), ({"P1": Decimal(-700)}, None), ({}, None)],
)
def test_a_day_of_old_prices_says_of_when_they_are_and_one_without_is_no_zero(
    marks: dict[str, Decimal], made: float | None, tmp_path: Path
) -> None:
    """After hours the last prices were told as of now, and nothing was made by what had none at all."""
    snapshot = Record(at("12:00"), Kind.MARK, SELLER, "P2", {"mid": "-5.0", "profit": "7.00"})
    place, run = until("12:00", tmp_path / "a.db", snapshot), run_at("12:00")
    board = run.loop.state.market.board
    for row in board.rows.values():
        board.quote_at[row] = 0.0
    run.loop.state = run.loop.state._replace(positions=replace(run.loop.state.positions, marks=marks))
    live = Live(place)
    live.show(run, at("12:03"))
    with served(place, live) as client:
        greeks, profit, day = (client.get(path).json for path in (GETS[2], GETS[5], GETS[9]))
    assert (profit["unrealized_pnl"], profit["total_pnl"]) == (made, made)
    assert (day["unrealized_pnl"], day["total_pnl"]) == (made, made)
    assert {each["as_of"] for each in (greeks, profit, day)} == {"2026-11-18 10:30:00"}


def test_an_old_price_that_no_snapshot_has_is_of_no_known_time(tmp_path: Path) -> None:
    place, run = until("09:52", tmp_path / "a.db"), run_at("09:52")
    board = run.loop.state.market.board
    for row in board.rows.values():
        board.quote_at[row] = 0.0
    run.loop.state = run.loop.state._replace(
        positions=replace(run.loop.state.positions, marks=dict.fromkeys(run.loop.state.positions.by_id, Decimal(-5)))
    )
    live = Live(place)
    live.show(run, at("09:54"))
    with served(place, live) as client:
        profit = client.get("/api/pnl").json
    assert (profit["unrealized_pnl"], profit["as_of"]) == (-5.0 * len(run.loop.state.positions.by_id), None)


def test_a_store_alone_says_of_when_its_prices_are(tmp_path: Path) -> None:
    with served(until("12:00", tmp_path / "a.db")) as client:
        rows = {row["id"]: row["snapshot_time"] for row in view(client, "open_positions")}
        assert {each["trade_id"]: each["as_of"] for each in client.get("/api/positions").json} == rows
        for path in (*GETS[2:4], GETS[5], GETS[9]):
            assert client.get(path).json["as_of"] == min(filter(None, rows.values()))


def test_what_has_no_price_yet_is_no_zero(tmp_path: Path) -> None:
    """A position without a snapshot had made 0.0, with greeks of 0.0."""
    with served(until("09:52", tmp_path / "a.db")) as client:
        reported = [client.get(path).json for path in GETS]
    position, greeks, profit, day = reported[1][-1], reported[2], reported[5], reported[9]
    assert (position["current_pnl"], position["current_price"], position["as_of"]) == (None, None, None)
    assert greeks["total"] == dict.fromkeys(("delta", "gamma", "theta", "vega"))
    assert (profit["unrealized_pnl"], profit["total_pnl"], day["total_pnl"]) == (None, None, None)
    assert (profit["realized_pnl"], day["risk_breached"]) == (0.0, False)


def test_a_pause_of_all_bots_holds_for_the_next_run(tmp_path: Path) -> None:
    """`is_trading` was true beside `trading` reducing."""
    started = small_day()[0]
    pause = Record(at("10:00"), Kind.OPERATOR, "", "", {"id": "1", "request": "pause", "bot": ""})
    journal = SqlJournal(open_store(tmp_path / "a.db"))
    journal.append([started, pause, replace(started, at=at("10:01")), small_day()[1]], durable=True)
    with served(tmp_path / "a.db") as client:
        reported = client.get("/api/status").json
    journal.close()
    assert (reported["state"], reported["trading"], reported["is_trading"]) == ("running", "reducing", False)


def by_month(day: str) -> str:
    return day[:7]


@pytest.mark.parametrize(("period", "name"), [("day", str), ("month", by_month)])
def test_profit_by_period(client: Client, period: str, name: Callable[[str], str]) -> None:
    days = view(client, "daily_summary")
    found = client.get(f"/api/pnl/history?period={period}").json
    assert [each["period"] for each in found] == sorted({name(day["date"]) for day in days})
    assert found[-1]["cumulative_pnl"] == pytest.approx(sum(day["net_pnl"] for day in days))


class DaysOf:
    """A store that holds the net profit of some days and nothing else."""

    def __init__(self, *made: float) -> None:
        self.rows = [
            {"date": f"2026-11-{day:02d}", "trades_count": 1, "net_pnl": net} for day, net in enumerate(made, 2)
        ]

    def view(self, name: str) -> list[dict[str, object]]:
        assert name == "daily_summary"
        return self.rows

    def trades(self, **_: object) -> list[dict[str, object]]:
        return []


def test_sums_of_dollars_are_reported_without_the_noise_of_binary_fractions() -> None:
    days: Any = DaysOf(-0.1, -0.2, -10647.42)
    assert [each.cumulative_pnl for each in history(days, "day")] == [-0.1, -0.3, -10647.72]
    assert [each.net_pnl for each in history(days, "week")] == [-10647.72]
    assert added([586.83, 0.0005, -0.0]) == 586.8305
    assert added([]) == 0.0


def test_a_week_is_named_by_its_monday(client: Client) -> None:
    assert [each["period"] for each in client.get("/api/pnl/history?period=week").json] == ["2026-11-16"]


@pytest.mark.parametrize(
    "asked",
    [
        "limit=0",
        "limit=many",
        "limit=99999999",
        "status=OVER",
        "format=xml",
        "from=yesterday",
        "to=2026-13-01",
    ],
)
def test_a_parameter_that_cannot_be_read_is_said(client: Client, asked: str) -> None:
    answer = client.get(f"/api/trades?{asked}")
    assert answer.status == 422
    assert answer.json["message"].startswith(f"{asked.partition('=')[0]}: ")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/trades?statsu=OPEN", "no parameter 'statsu' is known here; known are format, from, limit, status, to"),
        ("/api/trades?status=OPEN&bot=nope", "no parameter 'bot' is known here"),
        ("/api/positions?bot=nope", "no parameter 'bot' is known here; none is"),
        ("/api/scan?symbols=SPY", "no parameter 'symbols' is known here; known are symbol"),
        ("/api/preview/dte0_condor?rows=1", "no parameter 'rows' is known here; known are row, scan"),
        ("/api/trades?status=CLOSED&status=ERROR", "status: it is given 2 times: once is meant"),
        (
            "/api/trades?from=2026-11-19&to=2026-11-18",
            "from: 2026-11-19 is after to, 2026-11-18: no day is between them",
        ),
    ],
)
def test_a_parameter_that_nobody_knows_or_can_mean_is_refused(client: Client, path: str, said: str) -> None:
    """A misspelt one was left out, and the answer was of all trades; of two the last alone counted."""
    answer = client.get(path)
    assert (answer.status, answer.json["code"]) == (422, "parameter")
    assert said in answer.json["message"]


@pytest.mark.parametrize("path", ["/health", "/metrics", "/", "/trades", "/scan", "/api/openapi.json"])
def test_pages_and_what_machines_look_at_take_any_parameter(client: Client, path: str) -> None:
    assert client.get(f"{path}?_=1761004800").status == 200


@pytest.mark.parametrize("path", ["/", "/health", "/metrics", "/api/trades?limit=1", "/api/trades?from=yesterday"])
def test_a_head_is_answered_as_a_get_without_its_body(client: Client, path: str) -> None:
    """What watches /health asks so, and was told 405."""
    asked, reported = client.get(path), client.send("HEAD", path, {"Authorization": f"Bearer {TOKEN}"})
    assert (reported.status, reported.body) == (asked.status, b"")
    assert reported.headers["content-type"] == asked.headers["content-type"]


def test_a_head_of_what_is_pushed_is_answered_and_over(client: Client) -> None:
    """It went on for ever, unseen, and nothing else was answered on its connection."""
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=5)
    for method, path in (("HEAD", "/live"), ("GET", "/api/openapi.json")):
        connection.request(method, path, headers={"Authorization": f"Bearer {TOKEN}"})
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (200, method == "GET")
    connection.close()


def test_a_body_that_is_no_json_is_called_so(client: Client) -> None:
    """It was `0: JSON decode error`."""
    reported = {"Authorization": f"Bearer {TOKEN}", "X-Rulebot": "1", "Content-Type": "application/json"}
    answer = client.send("POST", "/api/action/stop", {**reported, "Idempotency-Key": "12345678"}, b'{"bot": x}')
    assert (answer.status, answer.json["message"]) == (422, "body: it is no JSON: Expecting value at letter 9")


def test_no_name_is_described_as_empty_by_default(client: Client) -> None:
    shapes = client.get("/api/openapi.json").json["components"]["schemas"]
    assert shapes["Ask"]["properties"]["bot"] == {"title": "Bot", "type": "string", "minLength": 1}
    assert shapes["Ask"]["additionalProperties"] is False


def test_a_refusal_is_a_plain_sentence(client: Client) -> None:
    assert client.get("/api/trades?from=21.10.2026").json["message"] == "from: a day is written 2026-10-21"
    assert client.post("/api/status", {}, key="a-key-of-a-test").json["message"] == "nothing answers POST /api/status"


def test_health_needs_no_token_and_reports_nothing_of_the_account(client: Client) -> None:
    answer = client.send("GET", "/health")
    assert (answer.status, answer.json) == (200, {"status": "ok", "why": "", "engine": "stopped", "is_connected": None})


def test_the_interface_describes_itself(client: Client) -> None:
    answer = client.get("/api/openapi.json")
    paths, shapes = answer.json["paths"], answer.json["components"]["schemas"]
    assert {*GETS, "/health", "/api/action/{name}", "/api/trade/trigger"} <= set(paths)
    assert not {"/", "/login", "/live"} & set(paths)
    named = set(re.findall(r'"#/components/schemas/(\w+)"', answer.body.decode()))
    assert "Refused" in named <= set(shapes)
    assert set(shapes["Refused"]["required"]) == {"code", "message"}


@pytest.mark.parametrize("day", ["0", "1761004800", "2026-10-21T00:00:00", "21.10.2026", "2026-13-01"])
def test_a_day_is_written_as_one(client: Client, day: str) -> None:
    assert client.get(f"/api/trades?to={day}").status == 422


@pytest.mark.parametrize(
    ("bots", "limits", "most"),
    [
        (("spx_spy_parity",), None, 1000.0),
        (("spx_spy_parity", "put_lite"), None, 1150.0),
        (("spx_spy_parity", "dte0_condor"), None, None),
        (("spx_spy_parity", "dte0_condor"), {"daily_loss": "1500"}, 1500.0),
    ],
)
def test_the_most_that_a_day_may_lose_is_that_of_the_account_else_of_all_bots(
    tmp_path: Path, bots: tuple[str, ...], limits: Json, most: float | None
) -> None:
    desk = load_all_bots([str(shipped("specs") / f"{bot}.yaml") for bot in bots], {}, None)
    reported: dict[str, Json] = {"version": "0.1", "specs": specs_as_json(desk), "settings": {}, "account": "DU1"}
    journal = SqlJournal(open_store(tmp_path / "a.db"))
    started = Record(at("09:25"), Kind.RUN_STARTED, data={**reported, "install": "x", "limits": limits})
    journal.append([started], durable=True)
    journal.close()
    with StoreReader(tmp_path / "a.db") as reader:
        found = performance(reader, snapshot_of_store(reader))
    assert (found.max_daily_loss, found.risk_breached) == (most, False)
