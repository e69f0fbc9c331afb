"""The pages a person looks at, and the push that keeps them true: parts of a page, sent again when they change."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.routing import Mount

from rulebot.model.errors import StoreError
from rulebot.model.kept import end_of_row
from rulebot.model.money import cents, dollars
from rulebot.model.session import CalendarError, check_day
from rulebot.narrate import asking_words
from rulebot.narrate.periods import SPANS
from rulebot.narrate.text_table import price
from rulebot.narrate.trade_text import closing, provisional_text, structure_of
from rulebot.store.place import Place
from rulebot.web.access import STAYS
from rulebot.web.bot_page import bot_page
from rulebot.web.chart import days_svg
from rulebot.web.live import Live, PageData
from rulebot.web.query import check_span
from rulebot.web.trades_page import STATES, trades_page

log = logging.getLogger(__name__)

HERE = Path(__file__).parent
PARTS = ("status", "controls", "account", "prices", "bots", "positions", "orders", "alerts", "told", "trades", "days")
LOOK_EVERY = 0.25
"""Seconds between two looks at whether anything has changed."""
MADE = sha256(b"".join((HERE / "static" / name).read_bytes() for name in ("page.js", "page.css"))).hexdigest()[:12]
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
    """The first page in parts, each made once whoever looks."""

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
    """Yield what changes as server-sent events; at first everything, since a page may be old when it connects.

    They end when the store cannot be read any more: the page asks again, and is told why.
    """
    sent: dict[str, str] = {}
    number, quiet = 0, 0.0
    yield "retry: 1000\n\n"
    yield _event("made", MADE)
    while not await gone():
        try:
            now, parts = await asyncio.to_thread(made.now)
        except StoreError as error:
            log.warning("the page stands still until its store can be read again: %s", error.message)
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
    """Return what a row of `StoreReader.trades` has made, "" before its end."""
    if trade["final_pnl"] is None:
        return ""
    return f"{_signed(trade['final_pnl'])}{' provisional' if trade['commissions_owed'] else ''}"


def _tone(amount: float | None) -> str:
    return "" if not amount or not cents(amount) else "good" if amount > 0 else "bad"


def _number(amount: float | None, places: int = 2) -> str:
    return "–" if amount is None else f"{amount:,.{places}f}"


def _price(amount: float | None) -> str:
    return "–" if amount is None else f"{abs(amount):,.2f}"


def _closing(cost: float | None, entry: float | None) -> str:
    """Return at what a trade closed beside its entry: negative where it went the other way."""
    return "–" if cost is None else _number(closing(cost, entry or 0.0) + 0.0)


def _percent(part: float | None) -> str:
    return "–" if part is None else f"{part:.1%}"


TEMPLATES = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=select_autoescape(),
    undefined=StrictUndefined,
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters |= {
    "dollars": _dollars, "signed": _signed, "tone": _tone, "number": _number, "price": _price, "percent": _percent,
    "closing": _closing, "ended": end_of_row, "structure": structure_of, "exact": price, "made": _made,
    "provisional": provisional_text,
}  # fmt: skip
TEMPLATES.globals |= {"words": asking_words, "made": MADE}
