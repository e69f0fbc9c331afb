"""The REST interface: paths, parameters, and which answer each gives. A GET changes nothing (faults.md row 98)."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import date
from enum import Enum
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BeforeValidator

from rulebot.model.errors import RulebotError
from rulebot.narrate.snapshot import Snapshot
from rulebot.narrate.snapshot_of_store import snapshot_of_store
from rulebot.process.service import Stage
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader
from rulebot.web import rest_mapping as book
from rulebot.web import rest_models as answers
from rulebot.web.actions import PageActions
from rulebot.web.live import Live, acknowledge, alert_list
from rulebot.web.parameters import look, numbers_of_bot, preview
from rulebot.web.rest_models import unknown_words

# --- Queries and bodies of the REST interface

API = "/api/"


async def _known_alone(request: Request) -> None:
    """Refuse a query with a parameter that the route has not, or twice, and a body with a field twice.

    Pages, /health and /metrics take any parameter.

    Raises: HTTPException 422.
    """
    route = request.scope["route"]
    if not isinstance(route, APIRoute) or not route.path.startswith(API):
        return
    known = {each.alias for each in route.dependant.query_params}  # codespell:ignore
    if unknown := [name for name in request.query_params if name not in known]:
        raise HTTPException(422, unknown_words("parameter", unknown[0], known))
    _refuse_twice(name for name, _ in request.query_params.multi_items())
    with suppress(ValueError):  # not JSON: reported as such
        json.loads(await request.body(), object_pairs_hook=_object)


def _object(fields: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    _refuse_twice(name for name, _ in fields)
    return dict(fields)


def _refuse_twice(names: Iterable[str]) -> None:
    """Refuse a repeated name. Raises: HTTPException 422."""
    counts = Counter(names)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise HTTPException(422, f"{twice[0][:60]}: it is given {counts[twice[0]]} times: once is meant")


def check_span(first: date | None, last: date | None) -> None:
    """Refuse a span of days that ends before it begins. Raises: HTTPException 422."""
    if first is not None and last is not None and last < first:
        raise HTTPException(422, f"from: {first} is after to, {last}: no day is between them")


STRICT = (Depends(_known_alone),)
"""What each router with paths of the REST interface depends on."""


# --- The REST interface

Answer = TypeVar("Answer")
MOST_TRADES = 10_000
FEW_TRADES = 50
Key = Annotated[str, Header(alias="Idempotency-Key", min_length=8, max_length=200)]
"""What a change is known by: the same key asks once."""


def _written_day(given: Any) -> Any:
    if isinstance(given, str) and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", given):
        raise ValueError("a day is written 2026-10-21")
    return given


Day = Annotated[date, BeforeValidator(_written_day)]
AS_TABLE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}


class TradeStatus(Enum):
    """The filters of trades: OPEN (of the view `trades`) and ACTIVE (of this API) are the same."""

    OPEN = "OPEN"
    ACTIVE = "ACTIVE"
    CLOSED = "CLOSED"
    PENDING = "PENDING"
    ERROR = "ERROR"


class Form(Enum):
    """How trades are given."""

    JSON = "json"
    CSV = "csv"


class Span(Enum):
    """What profit is summed by."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


_OF_REFUSED = {"application/json": {"schema": {"$ref": f"#/components/schemas/{answers.Refused.__name__}"}}}
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": words, "content": _OF_REFUSED}
    for status, words in {
        400: "what was asked cannot be read",
        401: "no token, or a wrong one",
        403: "another host, another origin, or a header missing",
        404: "nothing has that name",
        409: "the same key with another request, no engine that could do it, or it was changed meanwhile",
        413: "too large",
        415: "not JSON",
        422: "a parameter is wrong",
        429: "too many wrong tokens",
        503: "the store cannot be read or written",
    }.items()
}
"""What each route may refuse, by status. Their shape is named: given as a model, FastAPI makes one for each of them."""
DESCRIBES_REFUSED: dict[int | str, dict[str, Any]] = {
    400: {"model": answers.Refused, "description": REFUSALS[400]["description"]}
}
"""The routes of an application beside these, so that their shape is described."""


def health_of(live: Live, recorded: str) -> answers.Health:
    """Return how the engine of this process is; without one, what was recorded of the store's last one."""
    if live.heartbeat is None:
        return answers.Health(status="ok", engine=recorded)
    why, stage = live.heartbeat.problem(), live.heartbeat.stage
    is_running = stage is Stage.RUNNING
    return answers.Health(
        status="failing" if why else "ok",
        why=why,
        engine=recorded if is_running else stage.value,
        is_connected=is_running and live.is_linked,
    )


class _Routes:
    """What answers each path. live: the engine of this process, if one runs."""

    def __init__(self, store: Place, live: Live) -> None:
        self._store, self._live, self._actions = store, live, PageActions(store)

    def _read(self, ask: Callable[[StoreReader], Answer]) -> Answer:
        with StoreReader(self._store) as reader:
            return ask(reader)

    def _shown(self, ask: Callable[[StoreReader, Snapshot], Answer]) -> Answer:
        """Answer by the engine of this process, else by the store's last state."""
        return self._read(lambda reader: ask(reader, self._live.picture or snapshot_of_store(reader)))

    def health(self, response: Response) -> answers.Health:
        """Say whether this program can do its work; needs no token and shows nothing of the account."""
        try:
            found = health_of(self._live, self._read(lambda reader: reader.run().state()))
        except RulebotError:
            found = answers.Health(status="failing", why="the store cannot be read", engine="unknown")
        response.status_code = 200 if found.status == "ok" else 503
        return found

    def status(self) -> answers.Status:
        """The bots' states, whether they may trade, and when the next of them may enter."""
        return self._read(lambda reader: book.status(reader, self._live.now().picture))

    def positions(self) -> list[answers.OpenPosition]:
        """What is open."""
        return self._shown(book.positions)

    def greeks(self) -> answers.Greeks:
        """Delta, gamma, theta and vega, each and summed: greek x contracts x 100."""
        return self._shown(book.greeks)

    def risk(self) -> answers.Risk:
        """Margin, and what the book makes at its targets, loses at its stops, and loses at expiry at worst."""
        return self._shown(book.risk)

    def trades(
        self,
        limit: Annotated[int | None, Query(ge=1, le=MOST_TRADES)] = None,
        first: Annotated[Day | None, Query(alias="from")] = None,
        last: Annotated[Day | None, Query(alias="to")] = None,
        state: Annotated[TradeStatus | None, Query(alias="status")] = None,
        form: Annotated[Form, Query(alias="format")] = Form.JSON,
    ) -> Any:
        """Trades, the newest first, by date and status; as JSON (50 of them) or CSV (all), unless `limit` says more."""
        check_span(first, last)
        status = None if state is None else state.value
        limit = FEW_TRADES if limit is None and form is Form.JSON else limit
        kept = self._read(lambda reader: book.trades(reader, first, last, status, limit))
        if form is Form.JSON:
            return kept
        text = io.StringIO()
        csv.writer(text).writerows(book.columns_of(kept))
        return Response(text.getvalue(), media_type="text/csv; charset=utf-8")

    def profit(self) -> answers.Profit:
        """The day's profit: realised, open, and both."""
        return self._shown(book.profit)

    def history(self, period: Span = Span.DAY) -> list[answers.Period]:
        """Net profit by day, week or month, oldest first: each trade whole, where it ended."""
        return self._read(lambda reader: book.history(reader, period.value))

    def account(self) -> answers.Account:
        """The account as the broker last reported it."""
        return book.account(self._live.now().picture)

    def market(self) -> answers.Market:
        """Levels of SPY, SPX and VIX, and the ratio."""
        return book.market(self._live.now().picture)

    def performance(self) -> answers.Performance:
        """The day against its limit."""
        return self._shown(book.performance)

    def act(self, name: str, ask: answers.Ask, key: Key) -> answers.RequestAccepted:
        """Leave a request for the engine: start, stop, close, keep, close_all, pause, resume. A key acts once.

        start and resume let bots enter again; stop and pause stop entries, and positions stay open; close_all closes
        every position and opens nothing until start. `bot` names one bot; without it all are meant. close closes the
        one `position`; keep withdraws a close that has not started.
        """
        return self._actions.leave(name, ask.bot, key, ask.position)

    def alerts(self) -> list[answers.AlertModel]:
        """The newest alerts, and their deliveries."""
        return list(alert_list(self._store).alerts)

    def seen(self, what: answers.AcknowledgeRequest) -> answers.Acknowledged:
        """Acknowledge an alert, so that it is not repeated; without an id all, or those up to `until`."""
        count = acknowledge(self._store, what.id, what.until)
        return answers.Acknowledged(acknowledged=count, message=f"{count} acknowledged")

    def look_ahead(self, what: answers.Values) -> answers.Preview:
        """Say what other parameters of a bot would change; nothing does."""
        looked = preview(self._store, what.bot, what.values)
        return answers.Preview(bot=what.bot, text=looked.text, of=looked.of)

    def parameters(self, what: answers.Change, key: Key) -> answers.RequestAccepted:
        """Ask for other parameters of a bot: kept in the store over restarts, taken up at a quiet point.

        Open positions keep the text that they were opened under. The spec's file is not written. With the `of` of a
        preview it is refused (409, `changed`) once the bot's parameters are others than those it was held against.
        """
        return self._actions.set_values(what.bot, what.values, key, what.of)

    def numbers(self, bot: str) -> answers.NumbersModel:
        """Every number of a bot's file as it is now, with its path and line."""
        with StoreReader(self._store) as reader:
            text = reader.run().specs.get(bot) or {}
        seen = numbers_of_bot(text)
        if seen is None:
            raise answers.HelpfulError(
                404, f"no bot '{bot[:60]}' runs, or ran last, on this store", "'rulebot list' shows the bots of a store"
            )
        lines = [
            answers.Number(path=each.path, line=each.line, text=each.text, around=each.around) for each in seen.lines
        ]
        return answers.NumbersModel(
            bot=bot, file=seen.file, of=seen.of, why=seen.why, notes=list(seen.notes), numbers=lines
        )

    def look_at_text(self, what: answers.Edits) -> answers.Preview:
        """Say what other numbers of a bot's text would change, risk first; nothing does.

        What `rulebot validate` refuses is refused (422), with a message for each number under `fields`. A file that is
        another than `of` is refused, too (409, `changed`).
        """
        return answers.Preview(bot=what.bot, text=look(self._store, what.bot, what.of, what.edits).text, of=what.of)

    def write_text(self, what: answers.Edits, key: Key, request: Request) -> answers.RequestAccepted:
        """Write other numbers into a bot's file, comments kept, and have its engine take it up at a quiet point.

        Refused as by the preview, without an engine (409, `no_engine`), and where the file cannot be written. Open
        positions keep the text that they were opened under. The engine records what was changed, and from where.
        """
        by = "the page" if request.client is None else f"the page, from {request.client.host}"
        return self._actions.edit(what.bot, what.of, what.edits, by, key)

    def trigger(self, what: answers.Trigger, key: Key) -> answers.RequestAccepted:
        """Ask a bot to enter at once, whatever its window and its `when` say.

        Daily caps, requirements of the legs, and limits of bot and account apply; `/api/trades` and the page show the
        result. With `row` it is that structure of a scan: if its limits refuse it at present quotes, nothing is entered
        instead.
        """
        return self._actions.enter(what.bot, key, what.after, what.scan, what.row)


def router(store: Place, live: Live) -> APIRouter:
    """Return the routes of /api and /health."""
    found, of = APIRouter(responses=REFUSALS, dependencies=STRICT), _Routes(store, live)
    found.get("/health", responses=DESCRIBES_REFUSED | {503: {"model": answers.Health}})(of.health)
    found.get("/api/status")(of.status)
    found.get("/api/positions")(of.positions)
    found.get("/api/positions/greeks")(of.greeks)
    found.get("/api/positions/risk")(of.risk)
    found.get("/api/trades", response_model=list[answers.Trade], responses=AS_TABLE)(of.trades)
    found.get("/api/pnl")(of.profit)
    found.get("/api/pnl/history")(of.history)
    found.get("/api/account")(of.account)
    found.get("/api/market")(of.market)
    found.get("/api/performance")(of.performance)
    found.post("/api/action/{name}", status_code=202)(of.act)
    found.get("/api/alerts")(of.alerts)
    found.post("/api/alerts/acknowledge")(of.seen)
    found.post("/api/parameters/preview")(of.look_ahead)
    found.post("/api/parameters", status_code=202)(of.parameters)
    found.get("/api/numbers/{bot}")(of.numbers)
    found.post("/api/spec/preview")(of.look_at_text)
    found.post("/api/spec", status_code=202)(of.write_text)
    found.post("/api/trade/trigger", status_code=202)(of.trigger)
    return found
