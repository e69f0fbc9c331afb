"""A trade previewed: what a bot, or a row of a scan, would enter now, and the one button or command that does it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse

from rulebot.core.state.state import Named
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.model.values import dataclass
from rulebot.narrate import notices as asking_words
from rulebot.narrate.positions import ShownLeg, leg_document
from rulebot.narrate.snapshot import AT_REST, BotActivity, BotSnapshot, Snapshot
from rulebot.narrate.snapshot_of_store import standby_bots
from rulebot.operator_requests.requests import entries, named_of
from rulebot.record.codec import utc_time
from rulebot.review.payoff import loss_words, payoff_svg, profit_words
from rulebot.scan.entry_preview import Preview
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader
from rulebot.store.registry import engine_store, naming
from rulebot.store.scans import Row
from rulebot.web.actions import stored_scan_row
from rulebot.web.live import Live
from rulebot.web.pages import TEMPLATES
from rulebot.web.rest import REFUSALS, STRICT
from rulebot.web.rest_models import HelpfulError, PreviewAnswer

MOST = 2**31
Scan = Annotated[int, Query(ge=0, le=MOST)]
Number = Annotated[int | None, Query(ge=0, le=MOST)]
OF_WHOLE = 100
"""Shares behind one structure: what a price per share is multiplied by."""


@dataclass(frozen=True, slots=True)
class NextStep:
    """What a person can do next. ask: the sentence that is asked before an entry, "" where there is no button.

    why: why there is none; commands: what to type instead.
    """

    ask: str = ""
    why: str = ""
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewView:
    """The data of a trade preview. row: of a scan; engine: the engine's view; shown: the better one; way: next step.

    after: entries that its bot has had or was asked for; standing: the header of each page of its run.
    """

    is_known: bool
    row: Row | None
    engine: Preview | None
    shown: Preview | None
    way: NextStep
    after: int
    standing: Mapping[str, str]


def router(store: Place, live: Live) -> APIRouter:
    """Return the route of the page."""
    found = APIRouter(responses=REFUSALS, dependencies=STRICT)

    def look(bot: str, scan: int, row: int | None) -> PreviewView:
        head, kept = stored_scan_row(bot, scan, row)
        named = _named(kept) if row is not None else None
        seen = live.preview(bot, "" if kept is None or named else str(kept["symbol"]), named)
        with StoreReader(store) as reader:
            run = reader.run()
            is_known = bot in reader.bots()
            after = entries(reader.entered(bot), run)[bot]
        if seen is None and kept is None and not is_known:
            raise HTTPException(404, f"no engine, store or scan knows a bot '{bot[:60]}'")
        scanned = None if kept is None or head is None else preview_of_row(kept, head)
        shown = _better(seen, scanned, is_of_row=named is not None)
        file = str((run.specs.get(bot) or {}).get("path") or (head and _file_of(head, bot)) or "SPEC")
        picture = live.now().picture
        is_simulated = picture.is_simulated if head is None else _is_simulated(head)
        way = next_step(bot, shown, picture, file, store, is_simulated=is_simulated, is_of_row=named is not None)
        return PreviewView(
            is_known=is_known, row=kept, engine=seen, shown=shown, way=way, after=after, standing=standby_bots(run)
        )

    @found.get("/api/preview/{bot}")
    def preview(bot: str, scan: Scan = 0, row: Number = None) -> PreviewAnswer:
        """What a bot would trade now: as its engine sees it, else as a scan did (the last one, unless it is named)."""
        found = look(bot, scan, row)
        if found.shown is None:
            why = found.way.why or "the engine gave no answer"
            help = " or ".join(f"'{command}'" for command in found.way.commands) or "ask again"
            raise HelpfulError(404, f"nothing shows what {bot} would trade: no row of the last scan, and {why}", help)
        return _reported(found.shown)

    @found.get("/preview/{bot}", response_class=HTMLResponse, include_in_schema=False)
    def page(bot: str, scan: Scan = 0, row: Number = None) -> HTMLResponse:
        found = look(bot, scan, row)
        context = {
            "bot": bot,
            "is_known": found.is_known,
            "row": found.row,
            "is_of_row": row is not None,
            "seen": found.shown,
            "engine": found.engine,
            "way": found.way,
            "after": found.after,
            **found.standing,
        }
        return HTMLResponse(TEMPLATES.get_template("preview.html").render(**context, **_drawn(found.shown)))

    return found


def _reported(seen: Preview) -> PreviewAnswer:
    payoff = seen.payoff
    same = {name: getattr(seen, name) for name in PreviewAnswer.model_fields if hasattr(seen, name)}
    return PreviewAnswer(
        **{
            **same,
            "at": _clock(seen),
            "legs": [leg_document(leg) for leg in seen.legs],
            "best": None if payoff is None or payoff.best is None else float(payoff.best),
            "worst": None if payoff is None or payoff.worst is None else float(payoff.worst),
            "break_evens": [] if payoff is None else [float(each) for each in payoff.break_evens],
        }
    )


def preview_of_row(row: Row, scan: Row) -> Preview:
    """Return a row of a scan as a preview, which an engine's limits have not checked."""
    at = utc_time(scan["at"])
    lacking = "" if row["legs"] else str(row["why"]) or "this scan has kept no legs: scan again"
    return Preview(
        bot=row["bot"],
        at=at,
        source=f"the scan ({scan['world']})",
        symbol=row["symbol"],
        alternative=row["alternative"],
        legs=tuple(ShownLeg(**leg) for leg in row["legs"]),
        quantity=row["quantity"] or 0,
        price=row["price"],
        mid=row["mid"],
        natural=row["natural"],
        commission=row["commission"],
        levels=row["levels"],
        covered=row["covered"],
        is_delayed=row["data"] != "live",
        lacking=lacking,
        conditions=() if row["holds"] else ((str(row["why"]), row["holds"]),),
    )


def _named(row: Row | None) -> Named | None:
    return None if row is None or not row["legs"] else named_of(row)


def _better(engine: Preview | None, scanned: Preview | None, *, is_of_row: bool = False) -> Preview | None:
    """Return the engine's, unless it sees no legs and the scan did. is_of_row: also unless it has no price for them."""
    is_without_data = engine is None or not engine.legs or (is_of_row and engine.price is None)
    if is_without_data and scanned is not None and scanned.legs:
        return scanned
    if engine is None:
        return scanned
    return engine


def _file_of(scan: Row, bot: str) -> str:
    """Return the file of a scan that is called as a bot is, "" without one."""
    files = [str(file) for file in scan["specs"]]
    return next((file for file in files if Path(file).stem == bot), files[0] if len(files) == 1 else "")


def _is_simulated(scan: Row) -> bool:
    return bool(scan["world"] == "simulated")


def next_step(
    bot: str,
    seen: Preview | None,
    picture: Snapshot,
    file: str,
    store: Place,
    *,
    is_simulated: bool,
    is_of_row: bool = False,
) -> NextStep:
    """Return the button, or why there is none and which command comes next.

    is_simulated: the market of the scan, or of the engine. is_of_row: what is entered is a row of that scan.
    """
    line = next((each for each in picture.bots if each.bot == bot), None)
    sim = " --sim" if is_simulated else ""
    if picture.engine != "running" or line is None:
        why = f"no engine runs {bot} on this store" if picture.engine == "running" else "no engine runs on this store"
        return NextStep("", why, (f"rulebot explain {file}", f"rulebot serve --paper{sim} {file}"))
    if is_of_row and is_simulated is not picture.is_simulated:
        kinds = {True: "the simulated market", False: "a real market"}
        why = f"the scan comes from {kinds[is_simulated]}, and the engine trades on {kinds[picture.is_simulated]}"
        return NextStep("", why, (f"rulebot scan{' --sim' if picture.is_simulated else ''} {file}",))
    if refused := _refused(line, picture, store, is_of_row=is_of_row):
        return refused
    if is_of_row and seen is not None:
        name = asking_words.structure_name(seen.symbol, seen.structure, _expiries(seen))
        return NextStep(f"{asking_words.enter_row(bot, name)}{_now_words(seen, is_of_row=True)}")
    return NextStep(f"{asking_words.enter(bot)}{_now_words(seen)}")


def _refused(line: BotSnapshot, picture: Snapshot, store: Place, *, is_of_row: bool) -> NextStep | None:
    """Return why a bot that runs cannot be entered by hand now, None where it can."""
    asks_why = (f"rulebot why {line.bot}{naming(store)}",)
    if line.has_universe and not is_of_row:
        why = f"{line.bot} chooses among its symbols by its conditions, and enters when they are true"
        return NextStep("", why, asks_why)
    if picture.trading != "active" or line.is_paused:
        why, whom = _not_let(line, picture)
        return NextStep("", why, (f"rulebot resume{whom}{naming(store, lambda: engine_store(None))}",))
    if line.doing not in AT_REST and not (line.has_universe and line.doing is BotActivity.OPEN):
        return NextStep("", f"{line.bot} is {line.doing} now: {line.waits or line.position}", asks_why)
    return None


def _expiries(seen: Preview) -> list[str]:
    return sorted({leg.expiry for leg in seen.legs if leg.expiry})


def _not_let(line: BotSnapshot, picture: Snapshot) -> tuple[str, str]:
    """Return why a bot is let enter nothing, and whom to resume: a resume of all ends what holds other bots as well."""
    if picture.trading != "active":
        return "bots are let enter nothing now: Start on the first page lets them again", ""
    return f"{line.bot} is let enter nothing: Resume on the first page lets it again", f" {line.bot}"


def _now_words(seen: Preview | None, *, is_of_row: bool = False) -> str:
    """Return what an entry would be at these quotes.

    Its price is chosen again when it is sent, and its legs unless they are those of a row.
    """
    if seen is None or not seen.legs or seen.price is None:
        return " Its legs are chosen when it is sent."
    word, count = ("a credit" if seen.price > 0 else "a debit"), max(seen.quantity, 1)
    payoff = seen.payoff
    worst = "" if payoff is None else f", {loss_words(payoff)}"
    return (
        f" At these quotes: {count} x {seen.structure} for {word} of {abs(seen.price):.2f}{worst}. "
        f"{'Its price is' if is_of_row else 'Legs and price are'} chosen again when it is sent."
    )


def _drawn(seen: Preview | None) -> dict[str, Any]:
    payoff = None if seen is None else seen.payoff
    if seen is None or payoff is None:
        return {"payoff": None, "drawing": "", "most": "", "least": "", "dollars": None, "clock": _clock(seen)}
    even = ", ".join(f"{each:,.2f}" for each in payoff.break_evens) or "none"
    words = f"profit and loss at expiry: {profit_words(payoff)}, {loss_words(payoff)}, break-even {even}"
    return {
        "payoff": payoff,
        "drawing": payoff_svg(payoff, words),
        "most": profit_words(payoff).removeprefix("max profit "),
        "least": loss_words(payoff).removeprefix("max loss "),
        "dollars": None if seen.price is None else seen.price * OF_WHOLE * max(seen.quantity, 1),
        "clock": _clock(seen),
    }


def _clock(seen: Preview | None) -> str:
    return "" if seen is None else f"{seen.at.astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M:%S}"
