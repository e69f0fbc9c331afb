"""The bots of a store alone: what each did last, and what it waits for, by what was recorded."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from rulebot.core.program import CompiledBot
from rulebot.documents.recorded_bots import bot_of
from rulebot.model.event import Request
from rulebot.model.kept import end_of
from rulebot.model.position import Position
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.narrate.growth_text import GrowingQuantity, grown_by
from rulebot.narrate.position_text import is_unclosed, left_text
from rulebot.narrate.text_table import one_line
from rulebot.narrate.trade_text import structure_of
from rulebot.record.explain import ENTRY_PLACES, Condition, state_at
from rulebot.record.record import Kind, Record
from rulebot.store.queries import Row, Run, StoreReader
from rulebot.web.known import StoreState, next_window
from rulebot.web.picture import BotLine, PositionLine, clock_text

_JUDGING = (Kind.VERDICT, Kind.RELOAD)
_TELLING = (Kind.DECISION, Kind.OPERATOR)
VERDICTS_READ = 1000
"""The last changes of verdicts that are looked through for a condition that does not hold."""
SAID_FOR = timedelta(minutes=5)
"""How long it is said that an entry came to nothing."""


def bot_lines(
    reader: StoreReader, run: Run, known: StoreState | None, positions: Sequence[PositionLine], at: datetime | None
) -> tuple[BotLine, ...]:
    """Return a line for each bot, by name. known: None of a store in which nothing has happened."""
    day = reader.last_day()
    days = {row["strategy_id"]: row for row in (reader.view("bot_days", date=str(day)) if day else ())}
    return tuple(
        _bot_line(name, reader, run, known, days.get(name), [each for each in positions if each.bot == name], day, at)
        for name in sorted(run.specs)
    )


def _bot_line(
    name: str,
    reader: StoreReader,
    run: Run,
    known: StoreState | None,
    row: Row | None,
    held: Sequence[PositionLine],
    day: date | None,
    at: datetime | None,
) -> BotLine:
    alive = [] if known is None else [each for each in known.state.positions.values() if each.bot == name]
    records = reader.day(name, day, _TELLING) if day else ()
    standing = None if known is None else known.state.standing
    engine, text = run.state(), bot_of(run, name)
    if row is not None and row["halted"]:
        doing, waits = "halted", str(row["halted"])
    elif moving := [each for each in alive if each.state in ("entering", "exiting")]:
        doing, waits = moving[0].state, _moving_words(known, moving[0])
    elif held:
        doing, waits = "open", "; ".join(filter(None, (each.exits for each in held)))
    elif engine != "running":
        doing, waits = engine, _over(row)
    elif standing is not None and standing.paused & {"", name}:
        doing, waits = "paused", "its resume" if name in standing.paused else "Start"
    elif _is_watching(records):
        doing, waits = "watching", _came_of_it(records, at) or _lacking(reader, name, day, at)
    else:
        doing, waits = "flat", _came_of_it(records, at) or _over(row) or _coming(reader, run, name, at)
    return BotLine(
        bot=name,
        doing=doing,
        since=held[0].since if held else "",
        position=", ".join(each.structure for each in held) or _not_held(reader, alive),
        profit=_profit(row, held, known),
        waits=one_line(waits),
        is_paused=standing is not None and name in standing.paused,
        has_universe=text is not None and bool(text.members),
        grown=None if text is None else _grown(known, text),
    )


def _grown(known: StoreState | None, bot: CompiledBot) -> GrowingQuantity | None:
    """Return what a growing quantity stands at, None for one that does not grow, or of a bot without a day yet."""
    found = None if known is None else known.state.bots.get(bot.plan.name)
    return None if found is None else grown_by(bot.plan, found.day)


def _not_held(reader: StoreReader, alive: Sequence[Position]) -> str:
    """Return what is being entered and of which nothing is filled, else how today's last position ended."""
    entering = [each.id for each in alive if each.state == "entering"]
    closed = [each for each in alive if each.state == "closed" and each.opened_at is not None]
    if entering or not closed:
        return ", ".join(structure_of(row) for id in entering for row in reader.view("trades", position=id))
    return f"closed: {end_of(closed[-1])}"


def _moving_words(known: StoreState | None, position: Position) -> str:
    if position.state == "entering":
        return "a fill"
    is_over = known is not None and is_unclosed(known.state, position)
    return left_text(position) if is_over else f"{position.exit_reason}: closing"


def _profit(row: Row | None, held: Sequence[PositionLine], known: StoreState | None) -> float | None:
    """Return what was made today, realised and open, as the sums of the page do; None when nothing was, or is known."""
    today = [None if known is None else known.today(each.id, each.profit) for each in held]
    made = [each for each in today if each is not None]
    realized = 0.0 if known is None or row is None else known.realized_of(row["strategy_id"])
    is_over = not held and row is not None and bool(row["opened"])
    return realized + sum(made) if made or realized or is_over else None


def _is_watching(records: Sequence[Record]) -> bool:
    told = [str(record.data.get("what")) for record in records if record.kind is Kind.DECISION]
    last = [what for what in told if what in ("watch", "stop watching", "enter")]
    return bool(last) and last[-1] == "watch"


def _came_of_it(records: Sequence[Record], at: datetime | None) -> str:
    """Return what became, a moment ago, of an entry that an operator asked for, or of an order that did not fill."""
    found = ""
    for record in records:
        if at is None or at - record.at > SAID_FOR:
            continue
        what, reason = record.data.get("what"), str(record.data.get("reason") or "")
        if record.kind is Kind.OPERATOR and record.data.get("request") == Request.ENTER.value:
            found = "to enter, as asked"
        elif record.kind is Kind.DECISION and what == "unfilled":
            found = f"not filled: {reason}"
        elif record.kind is Kind.DECISION and (what == "enter" or record.data.get("by_hand")):
            found = "" if what == "enter" else reason
    return found


def _lacking(reader: StoreReader, bot: str, day: date | None, at: datetime | None) -> str:
    """Return the first condition that does not hold, as it was when its verdict changed."""
    if at is None or day is None:
        return ""
    records = reader.day(bot, day, _JUDGING, last=VERDICTS_READ)
    missing = [each for each in state_at(records, at, ENTRY_PLACES).conditions if each.truth is not True]
    if not missing:
        return "confirmation" if 0 < len(records) < VERDICTS_READ else ""
    alone = [each for each in missing if not each.symbol] or missing
    return _condition_text(alone[0])


def _condition_text(found: Condition) -> str:
    value = found.value or ("unknown" if found.truth is None else "")
    words = ", ".join(filter(None, (" ".join(filter(None, (found.name, value))), found.bound, found.note)))
    return words if found.since is None else f"{words} (since {found.since.astimezone(EXCHANGE_ZONE):%H:%M})"


def _over(row: Row | None) -> str:
    return "" if row is None else str(row["skipped"] or "")


def _coming(reader: StoreReader, run: Run, name: str, at: datetime | None) -> str:
    """Return when its window opens next, or that it is open."""
    found = next_window(reader, run, name, at)
    if found is None or at is None:
        return ""
    start, end = found
    return f"its window, {clock_text(start, at)}" if at < start else f"its window is open until {clock_text(end, at)}"
