"""The pages a person looks at, and the push that keeps them true: parts of a page, sent again when they change."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from hashlib import sha256
from itertools import accumulate, groupby
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.routing import Mount

from rulebot.adapters.clock import WallClock
from rulebot.chart.chart import Chart, chart_of_day
from rulebot.chart.svg import chart_svg, mark_words
from rulebot.compile.build import build_plan
from rulebot.documents.load_bots import kept_overrides
from rulebot.drawing import Panel, frame, rect
from rulebot.model.errors import StoreError
from rulebot.model.money import cents, dollars, short_dollars
from rulebot.model.position import end_of_row
from rulebot.model.session import EXCHANGE_ZONE, CalendarError, check_day
from rulebot.model.text import clock, signed_price
from rulebot.narrate import notices as asking_words
from rulebot.narrate.periods import SPANS, period_of
from rulebot.narrate.snapshot import clock_text, instant_text, session_text
from rulebot.narrate.snapshot_of_store import standby_bots
from rulebot.narrate.trades import closing, kept_lines, provisional_text, read_profit_kept, structure_of
from rulebot.narrate.why import explanation_lines, why_day
from rulebot.pages import environment, look
from rulebot.record.codec import utc_time
from rulebot.record.record import Kind, Record
from rulebot.review.explain import explain_bot
from rulebot.review.explanation import text_of
from rulebot.review.states import state_svg
from rulebot.spec.load import load_text
from rulebot.store.place import Place
from rulebot.store.queries import Row, StoreReader, broker_now
from rulebot.store.scans import Row as ScanStoreRow
from rulebot.store.scans import is_about, rows_about, rows_of, scans, scans_file
from rulebot.web.access import STAYS
from rulebot.web.live import Live, PageData
from rulebot.web.parameters import numbers_of_bot, parameter_lines
from rulebot.web.rest import REFUSALS, STRICT, check_span
from rulebot.web.rest_mapping import is_between
from rulebot.web.rest_models import LastScan, ScanModel, ScanRowModel

# --- One bot's page

SHOWN_EVALUATIONS = 200
"""Changes of evaluations that are listed of a day, the last ones."""
_TRUTH = {True: "true", False: "false", None: "unknown"}


def bot_page(store: Place, name: str, day: date | None) -> dict[str, Any] | None:
    """Return what the page of a bot shows of a session (None: its last one); None for a bot the store does not know.

    Raises: StoreError.
    """
    with StoreReader(store) as reader:
        if name not in reader.bots():
            return None
        run = reader.run()
        session = day or reader.last_day(name, broker_now(reader, WallClock().now()))
        records = reader.day(name, session) if session else ()
        trades = reader.trades(strategy_id=name)
        why = _why(reader, name, session, records, trades)
        kept = kept_overrides(reader)
        chart = chart_of_day(reader, name, session) if session else None
        states = [str(row["state"]) for row in reader.view("open_positions", strategy_id=name)]
    spec = run.specs.get(name) or {}
    text, overrides = str(spec.get("text") or ""), dict(spec.get("overrides") or {})
    explained, drawing = _explained(text, tuple(sorted(overrides.items())), frozenset(states or ("flat",)))
    evaluations = [_evaluation(record) for record in records if record.kind is Kind.VERDICT]
    return {
        "name": name,
        **standby_bots(run),
        "path": str(spec.get("path") or ""),
        "text": text,
        "state": run.state(name, holds=bool(states)),
        "session": session,
        "why": why,
        **drawn(chart),
        "explained": explained,
        "drawing": drawing,
        "evaluations": evaluations[-SHOWN_EVALUATIONS:],
        "left_out": max(len(evaluations) - SHOWN_EVALUATIONS, 0),
        "trades": trades[::-1],
        "parameters": parameter_lines(spec, kept, name),
        "numbers": numbers_of_bot(spec),
    }


def _why(reader: StoreReader, name: str, session: date | None, records: Sequence[Record], trades: Sequence[Row]) -> str:
    """Return why it did, or did not, trade; "" for a day without a record."""
    reported = why_day(reader, session, records, trades) if session and records else None
    return "" if session is None or reported is None else "\n".join(explanation_lines(name, session, reported))


def drawn(chart: Chart | None) -> Mapping[str, Any]:
    """Return what a page shows of a chart: the drawing, and its marks with their words."""
    marks = () if chart is None else tuple((mark, mark_words(mark)) for mark in chart.marks)
    return {"chart": "" if chart is None else chart_svg(chart), "marks": marks}


def _evaluation(record: Record) -> Mapping[str, str]:
    return {
        "clock": clock(record.at),
        "rule": str(record.data.get("rule") or ""),
        "place": str(record.data.get("place") or "").partition(":")[0],
        "truth": _TRUTH[record.data["truth"]],  # type: ignore[index]
        "words": " ".join(str(record.data.get("words") or "").split()),
    }


@lru_cache(maxsize=64)
def _explained(text: str, overrides: tuple[tuple[str, str], ...], lit: frozenset[str]) -> tuple[str, str]:
    """Return a spec in words, and its states as SVG; "" for what this version cannot read any more."""
    if not text:
        return "", ""
    loaded = load_text(text, "the store", dict(overrides))
    plan = None if loaded.spec is None else build_plan(loaded.spec, with_warnings=False)[0]
    if loaded.spec is None or plan is None:
        return "", ""
    found = explain_bot(loaded.spec, plan)
    drawing = state_svg(found.lifecycle, found.labels, lit=lit) if found.lifecycle else ""
    return text_of(found), drawing


# --- Profit by day as SVG: a bar for each day, and a line of their sum

WIDTH, HEIGHT, MARGIN, SCALE = 640, 180, 18, 96
"""Points: SCALE is what the amounts at the left take."""
WIDEST = 40
"""Points that a bar is wide at most: one day alone is no wall."""


def days_svg(days: Sequence[tuple[str, float]]) -> str:
    """Return the drawing of (name, dollars), oldest first; "" without any."""
    if not days:
        return ""
    sums = list(accumulate(amount for _, amount in days))
    values = [0.0, *sums, *(amount for _, amount in days)]
    panel = Panel(SCALE, WIDTH - MARGIN, MARGIN, HEIGHT - MARGIN, (0.0, len(days)), (min(values), max(values)))
    wide, zero = min(max((panel.x(1) - SCALE) * 0.7, 0.5), WIDEST), panel.y(0.0)
    bars = []
    for at, (name, amount) in enumerate(days):
        top, tall = min(panel.y(amount), zero), max(abs(panel.y(amount) - zero), 0.5)
        kind, words = "gain" if amount >= 0 else "loss", f"{name}: {amount:+,.2f}"
        bars.append(rect(kind, panel.x(at + 0.5) - wide / 2, top, (wide, tall), words))
    line = panel.line("curve", ((at + 0.5, total) for at, total in enumerate(sums)))
    words = f"net profit by day, {days[0][0]} to {days[-1][0]}, {sums[-1]:+,.2f} dollars in all"
    body = [*panel.amounts(short_dollars), *bars, panel.level("axis", 0.0), line]
    return frame("days", f"0 0 {WIDTH} {HEIGHT}", words, body)


# --- The page of all trades

SHOWN = 500
STATES = ("OPEN", "CLOSED", "PENDING", "ERROR")


def trades_page(
    store: Place,
    *,
    bot: str = "",
    first: date | None = None,
    last: date | None = None,
    state: str = "",
    span: str = "day",
) -> Mapping[str, Any]:
    """Return what the template shows; the newest trades first. Profit counts on the day of the exit."""
    equal = _given({"strategy_id": bot, "status": state})
    with StoreReader(store) as reader:
        rows = [row for row in reader.trades(**equal) if is_between(row["trade_date"], first, last)]
        bots, standing = reader.bots(), standby_bots(reader.run())
        kept = kept_lines(read_profit_kept(reader, bot), is_named=not bot)
    closed = sorted((row for row in rows if row["final_pnl"] is not None and row["exit_time"]), key=_exit)
    sums = [
        (name, sum(float(row["final_pnl"]) for row in group))
        for name, group in groupby(closed, lambda row: period_of(_exit(row)[:10], span))
    ]
    asked = {"from": first, "to": last, "status": state, "format": "csv"}
    return {
        "rows": rows[::-1][:SHOWN],
        "count": len(rows),
        "is_provisional": any(row["pending_commissions"] for row in closed),
        "made": sum(amount for _, amount in sums),
        "wins": sum(row["final_pnl"] > 0 for row in closed),
        "closed": len(closed),
        "kept": kept,
        "in_error": sum(row["status"] == "ERROR" for row in rows),
        "drawing": days_svg(sums),
        "bots": bots,
        **standing,
        "states": STATES,
        "spans": SPANS,
        "asked": {"bot": bot, "from": first or "", "to": last or "", "status": state, "period": span},
        "table": "/api/trades?" + urlencode(_given(asked)),
    }


def _given(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the requested keys of a mapping."""
    return {name: value for name, value in asked.items() if value}


def _exit(row: Row) -> str:
    return str(row["exit_time"])


# --- The pages a person looks at, and the push that keeps them true

log = logging.getLogger(__name__)

HERE = Path(__file__).parent
PARTS = ("status", "controls", "account", "prices", "bots", "positions", "orders", "alerts", "events", "trades", "days")
LOOK_EVERY = 0.25
"""Seconds between two looks at whether anything has changed."""
MADE = sha256(
    b"".join((HERE / "static" / name).read_bytes() for name in ("page.js", "page.css")) + look().encode()
).hexdigest()[:12]
"""Which script and style this server's pages are made for: a page that is open over an upgrade has those of before."""
QUIET = 15.0
"""Seconds after which a line is sent so that a connection that is gone is noticed."""


def routers(store: Place, live: Live, stopping: Callable[[], bool] = lambda: False) -> tuple[APIRouter, ...]:
    """Return the routes of the pages. stopping: says when pushes are to end, since a server waits for them."""
    for name in TEMPLATES.list_templates():
        TEMPLATES.get_template(name)  # now: an upgrade replaces the files while this program still runs
    made = Parts(live)
    router = APIRouter(include_in_schema=False)

    @router.get("/", response_class=HTMLResponse)
    def first_page() -> HTMLResponse:
        return HTMLResponse(TEMPLATES.get_template("page.html").render(parts=made.now()[1]))

    @router.get("/live")
    async def push(request: Request) -> StreamingResponse:
        await asyncio.to_thread(made.now)  # what cannot be shown is said at once, not in the middle of a stream

        async def gone() -> bool:
            return stopping() or not request.scope[STAYS]() or await request.is_disconnected()

        return StreamingResponse(_events(made, gone), media_type="text/event-stream")

    @router.get("/bots/{name}", response_class=HTMLResponse)
    def one_bot(name: str, day: str = "") -> HTMLResponse:
        found = bot_page(store, name, session_of(day))
        if found is None:
            raise HTTPException(404, f"this store knows no bot '{name[:60]}'")
        return HTMLResponse(TEMPLATES.get_template("bot.html").render(**found))

    @router.get("/trades", response_class=HTMLResponse)
    def all_trades(
        bot: str = "",
        first: Annotated[str, Query(alias="from")] = "",
        last: Annotated[str, Query(alias="to")] = "",
        status: str = "",
        period: str = "day",
    ) -> HTMLResponse:
        if status not in ("", *STATES) or period not in SPANS:
            raise HTTPException(400, f"a status is one of {', '.join(STATES)}, a period one of {', '.join(SPANS)}")
        begin, end = day_of(first), day_of(last)
        check_span(begin, end)
        found = trades_page(store, bot=bot, first=begin, last=end, state=status, span=period)
        return HTMLResponse(TEMPLATES.get_template("trades.html").render(**found))

    @router.get("/favicon.ico")
    def icon() -> RedirectResponse:
        return RedirectResponse("/static/icon.svg")

    @router.get("/static/look.css")
    def shared_style() -> Response:
        return Response(look(), media_type="text/css")

    router.routes.append(Mount("/static", StaticFiles(directory=HERE / "static"), name="static"))
    return (router,)


def day_of(text: str) -> date | None:
    """Return a day as it is written, None for none. Raises: HTTPException 400."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise HTTPException(400, f"a day is written 2026-10-21, is '{text[:20]}'") from error


def session_of(text: str) -> date | None:
    """Return the day of a session as it is written, None for none. Raises: HTTPException 400."""
    day = day_of(text)
    try:
        if day is not None:
            check_day(day)
    except CalendarError as error:
        raise HTTPException(400, str(error)) from error
    return day


class Parts:
    """The first page in parts, each rendered once for all viewers."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._made: tuple[int, dict[str, str]] = (0, {})

    def now(self) -> tuple[int, Mapping[str, str]]:
        """Return the parts by name, with a number that grows when something changes."""
        shown = self._live.now()
        if shown.number != self._made[0]:
            self._made = (shown.number, {name: _part(name, shown) for name in PARTS})
        return self._made


def _part(name: str, shown: PageData) -> str:
    template = TEMPLATES.get_template(f"parts/{name}.html")
    return template.render(shown=shown, picture=shown.picture, days_svg=days_svg(shown.days))


async def _events(made: Parts, gone: Any) -> AsyncIterator[str]:
    """Yield changes as server-sent events; at first everything, since a page may be old when it connects.

    They end when the store cannot be read: the page asks again, and gets the reason.
    """
    sent: dict[str, str] = {}
    number, quiet = 0, 0.0
    yield "retry: 1000\n\n"
    yield _event("made", MADE)
    while not await gone():
        try:
            now, parts = await asyncio.to_thread(made.now)
        except StoreError as error:
            log.warning("the page is not updated until its store can be read again: %s", error.message)
            return
        if now != number:
            number = now
            for name, html in parts.items():
                if sent.get(name) != html:
                    sent[name] = html
                    quiet = 0.0
                    yield _event(name, html)
        if quiet >= QUIET:
            quiet = 0.0
            yield _event("beat", "still here")
        await asyncio.sleep(LOOK_EVERY)
        quiet += LOOK_EVERY


def _event(name: str, html: str) -> str:
    lines = "".join(f"data: {line}\n" for line in html.splitlines() or [""])
    return f"event: {name}\n{lines}\n"


# ---------------------------------------------------------------- words of the templates


def _dollars(amount: float | None) -> str:
    return "–" if amount is None else dollars(amount)


def _signed(amount: float | None) -> str:
    if amount is None:
        return "–"
    return f"{'+' if cents(amount) > 0 else ''}{dollars(amount)}"


def _made(trade: Mapping[str, Any]) -> str:
    if trade["final_pnl"] is None:
        return ""
    return f"{_signed(trade['final_pnl'])}{' provisional' if trade['pending_commissions'] else ''}"


def _tone(amount: float | None) -> str:
    return "" if not amount or not cents(amount) else "good" if amount > 0 else "bad"


def _number(amount: float | None, places: int = 2) -> str:
    return "–" if amount is None else f"{amount:,.{places}f}"


def _price(amount: float | None) -> str:
    return "–" if amount is None else f"{abs(amount):,.2f}"


def _closing(cost: float | None, entry: float | None) -> str:
    """Return the closing price of a trade beside its entry: negative where it went the other way."""
    return "–" if cost is None else _number(closing(cost, entry or 0.0) + 0.0)


def _moment(at: datetime, is_live: bool) -> str:
    """Return New York time: of an engine of this process to the second, of a store with the date."""
    return f"{at.astimezone(EXCHANGE_ZONE):{'%H:%M:%S' if is_live else '%b %d %H:%M'}}"


def _percent(part: float | None) -> str:
    return "–" if part is None else f"{part:.1%}"


TEMPLATES = environment(HERE / "templates", {
    "dollars": _dollars, "signed": _signed, "tone": _tone, "number": _number, "price": _price, "percent": _percent,
    "closing": _closing, "ended": end_of_row, "structure": structure_of, "exact": signed_price, "made": _made,
    "provisional": provisional_text, "clock": clock_text, "instant": instant_text, "session": session_text,
    "moment": _moment,
})  # fmt: skip
TEMPLATES.globals |= {"words": asking_words, "made": MADE}


# --- The scanner's page, and the same over REST: what the last `rulebot scan` kept

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
        reported = {name: scan[name] for name in ScanModel.model_fields} | {"at": _clock(scan)}
        return LastScan(scan=ScanModel(**reported), rows=[ScanRowModel(**_same(row)) for row in rows])

    @found.get("/scan", response_class=HTMLResponse, include_in_schema=False)
    def page(symbol: Symbol = "") -> HTMLResponse:
        scan, rows = _last(symbol)
        with StoreReader(store) as reader:
            known = frozenset(reader.bots())
        earlier = [] if scan is None or not symbol.strip() else _earlier(symbol, scan["id"])
        shown = {"scan": scan, "rows": rows, "symbol": symbol.strip(), "known": known, "earlier": earlier}
        return HTMLResponse(TEMPLATES.get_template("scan.html").render(clock=_clock, **shown))

    return found


def _last(symbol: str) -> tuple[ScanStoreRow | None, list[ScanStoreRow]]:
    path = scans_file()
    scan = next(iter(scans(path, 1)), None)
    if scan is None:
        return None, []
    named = symbol.strip()
    return scan, [row for row in rows_of(path, scan["id"]) if not named or is_about(row, named)]


def _earlier(symbol: str, last: int) -> list[ScanStoreRow]:
    found = rows_about(scans_file(), symbol.strip(), EARLIER + 1)
    return [row for row in found if row["scan"] != last][:EARLIER]


def _same(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ScanRowModel.model_fields}


def _clock(scan: ScanStoreRow) -> str:
    return f"{utc_time(scan['at']).astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M:%S}"
