"""The page of one trade, drawn from entry to end; and the charts of bots and trades as scripts for TradingView."""

import json
from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from rulebot.adapters.clock import WallClock
from rulebot.chart.chart import Chart, chart_of_day, chart_of_trade, pine_script
from rulebot.narrate.snapshot_of_store import standby_bots
from rulebot.narrate.trades import error_text, left_at
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader, broker_now
from rulebot.web.pages import TEMPLATES, drawn, session_of

Number = Annotated[int, Path(ge=1, le=2**31)]


def router(store: Place) -> APIRouter:
    """Return the routes."""
    found = APIRouter(include_in_schema=False)

    @found.get("/trades/{number}", response_class=HTMLResponse)
    def trade_page(number: Number) -> HTMLResponse:
        with StoreReader(store) as reader:
            chart = chart_of_trade(reader, number)
            if chart is None:
                raise HTTPException(404, f"this store has no trade {number}")
            row = reader.trades(id=number)[0]
            rolls = reader.rolls(row["position"])
            opened = [order for ref in rolls.orders for order in reader.view("orders", ref=ref)]
            orders = opened + list(reader.view("orders", position=row["position"]))
            came_from = _opened_trades(reader, (rolls.came_from,) if rolls.came_from else ())
            standing = standby_bots(reader.run())
            went_into = _opened_trades(reader, rolls.went_into)
        left = left_at(row, orders)
        shown = {
            **standing,
            "row": row,
            "wrong": error_text(row),
            "left": left if left is not None and left < str(row["exit_time"]) else None,
            "day": str(row["entry_time"] or row["trade_date"])[:10],
            "legs": json.loads(row["legs"]),
            "orders": orders,
            "came_from": came_from,
            "went_into": went_into,
            **drawn(chart),
        }
        return HTMLResponse(TEMPLATES.get_template("trade.html").render(**shown))

    @found.get("/positions/{name}")
    def position_page(name: str) -> RedirectResponse:
        with StoreReader(store) as reader:
            rows = reader.view("trades", position=name)
        if not rows:
            raise HTTPException(404, f"this store has no position '{name[:60]}'")
        return RedirectResponse(f"/trades/{rows[0]['id']}")

    @found.get("/trades/{number}/chart.pine")
    def trade_script(number: Number) -> Response:
        with StoreReader(store) as reader:
            chart = chart_of_trade(reader, number)
        if chart is None:
            raise HTTPException(404, f"this store has no trade {number}")
        return _script(chart, f"trade-{number}")

    @found.get("/bots/{name}/chart.pine")
    def bot_script(name: str, day: str = "") -> Response:
        with StoreReader(store) as reader:
            session = session_of(day) or reader.last_day(name, broker_now(reader, WallClock().now()))
            if name not in reader.bots() or session is None:
                raise HTTPException(404, f"this store knows no bot '{name[:60]}'")
            chart = chart_of_day(reader, name, session)
        return _script(chart, f"{name}-{session}")

    return found


def _opened_trades(reader: StoreReader, positions: Iterable[str]) -> list[int]:
    rows = (row for name in positions for row in reader.view("trades", position=name))
    return [int(row["id"]) for row in rows if row["status"] != "NONE"]


def _script(chart: Chart, name: str) -> Response:
    plain = "".join(each if each.isalnum() or each in "-_" else "_" for each in name)
    headers = {"Content-Disposition": f'attachment; filename="{plain.encode("ascii", "replace").decode()}.pine"'}
    return Response(pine_script(chart), media_type="text/plain; charset=utf-8", headers=headers)
