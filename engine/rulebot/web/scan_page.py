"""The scanner's page, and the same over REST: what the last `rulebot scan` kept. This process itself asks no broker."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from rulebot.model.session import EXCHANGE_ZONE
from rulebot.record.codec import utc_time
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader
from rulebot.store.scans import Row, is_about, rows_about, rows_of, scans, scans_file
from rulebot.web.pages import TEMPLATES
from rulebot.web.query import STRICT
from rulebot.web.rest import REFUSALS
from rulebot.web.scan_answers import LastScan, ScanModel, ScanRowModel

EARLIER = 25
"""Earlier rows of a symbol that are shown."""
Symbol = Annotated[str, Query(max_length=20)]


def router(store: Place) -> APIRouter:
    """Return the routes of the scanner."""
    found = APIRouter(responses=REFUSALS, dependencies=STRICT)

    @found.get("/api/scan")
    def last_scan(symbol: Symbol = "") -> LastScan:
        """The last scan, with all its rows or those of one symbol; nothing is scanned by this."""
        scan, rows = _last(symbol)
        if scan is None:
            return LastScan(scan=None, rows=[])
        told = {name: scan[name] for name in ScanModel.model_fields} | {"at": _clock(scan)}
        return LastScan(scan=ScanModel(**told), rows=[ScanRowModel(**_same(row)) for row in rows])

    @found.get("/scan", response_class=HTMLResponse, include_in_schema=False)
    def page(symbol: Symbol = "") -> HTMLResponse:
        scan, rows = _last(symbol)
        with StoreReader(store) as reader:
            known = frozenset(reader.bots())
        earlier = [] if scan is None or not symbol.strip() else _earlier(symbol, scan["id"])
        shown = {"scan": scan, "rows": rows, "symbol": symbol.strip(), "known": known, "earlier": earlier}
        return HTMLResponse(TEMPLATES.get_template("scan.html").render(clock=_clock, **shown))

    return found


def _last(symbol: str) -> tuple[Row | None, list[Row]]:
    """Return the last scan and its rows, those of a symbol alone if one is named. Raises: StoreError."""
    path = scans_file()
    scan = next(iter(scans(path, 1)), None)
    if scan is None:
        return None, []
    named = symbol.strip()
    return scan, [row for row in rows_of(path, scan["id"]) if not named or is_about(row, named)]


def _earlier(symbol: str, last: int) -> list[Row]:
    found = rows_about(scans_file(), symbol.strip(), EARLIER + 1)
    return [row for row in found if row["scan"] != last][:EARLIER]


def _same(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ScanRowModel.model_fields}


def _clock(scan: Row) -> str:
    return f"{utc_time(scan['at']).astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M:%S}"
