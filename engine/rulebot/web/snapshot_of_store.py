"""The picture of a store alone: what was recorded last, by whichever engine writes it, or wrote it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any

from rulebot.core.bracket_orders import RESTING
from rulebot.core.pnl_at_exits import dollars_at, open_count
from rulebot.core.program import AccountLimits, CompiledBot, Program
from rulebot.core.state import State
from rulebot.decide.entry_window import BotDay, Span, is_spent
from rulebot.documents.load_bots import bot_of, compile_text
from rulebot.model.errors import RulebotError
from rulebot.model.event import Request
from rulebot.model.loss_bound import max_loss
from rulebot.model.money import ZERO
from rulebot.model.position import Position, end_of
from rulebot.model.session import EXCHANGE_ZONE, exchange_date, session_after, session_from
from rulebot.model.text import one_line, signed_price
from rulebot.model.values import dataclass
from rulebot.narrate.notices import GrowingQuantity, delayed_on_record, grown_by
from rulebot.narrate.positions import exits_text, held_text, is_unclosed, left_text, live_orders
from rulebot.narrate.snapshot import open_as_marked, owed_today, realized_by, realized_today
from rulebot.narrate.trades import closing, holding_of, structure_of
from rulebot.process.connection_state import connected
from rulebot.record.codec import decode
from rulebot.record.explain import ENTRY_PLACES, Condition, state_at
from rulebot.record.record import Kind, Record
from rulebot.recovery.operator_state import standing_of, trading_of
from rulebot.recovery.resume import resume_from
from rulebot.spec.spec import ExitKind
from rulebot.store.maintenance import figures_of_another
from rulebot.store.queries import OBSERVE, Row, Run, StoreReader
from rulebot.web.snapshot import (
    AlarmLine,
    BotLine,
    OrderLine,
    PageSnapshot,
    PositionLine,
    SymbolGreeks,
    clock_text,
    greeks_of_mark,
    with_beta,
)

# --- What a journal says beyond the views

SESSIONS_AHEAD = 15
"""How far ahead the next entry window of a bot is looked for."""


@dataclass(frozen=True, slots=True)
class StoreState:
    """The state that the journal leads to, without any market, and the texts that govern what is open."""

    state: State
    program: Program

    def governing(self, position: str) -> CompiledBot | None:
        """Return what governs a position, None when this version cannot read its text any more."""
        found = self.state.positions.get(position)
        return None if found is None or found.digest not in self.program.pinned else self.program.governing(found)

    @property
    def realized(self) -> float:
        """Dollars that closing positions, or parts of them, has made since the session began."""
        return float(realized_today(self.state))

    def realized_of(self, bot: str) -> float:
        """Return the same of the positions of a bot that are closed."""
        closed = (each for each in self.state.positions.values() if each.bot == bot and each.state == "closed")
        return float(realized_by(self.state, closed))

    def open_today(self, rows: Sequence[Row]) -> float | None:
        """Return dollars that what is open, rows of `open_positions`, has made since the session began.

        It is None while one of them has no mark yet.
        """
        if any(row["unrealized_pnl"] is None for row in rows):
            return None
        return float(open_as_marked(self.state, rows))

    def today(self, position: str, made: float | None) -> float | None:
        """Return dollars made since the session began by a position that has made so much since it was opened."""
        return None if made is None else made - float(self.state.bases.get(position, ZERO))


def store_state(reader: StoreReader, at: datetime) -> StoreState:
    """Return what a start at `at` would know."""
    found = resume_from(reader.recall(at), at)
    texts: dict[str, CompiledBot] = {}
    for text in found.texts:
        with suppress(RulebotError):  # of a version that cannot be read any more
            texts[text.digest] = compile_text(text)
    return StoreState(found.state, Program(bots={}, pinned=texts, limits=AccountLimits(), install=found.install))


def held_of(row: Row, position: Position | None) -> tuple[int, float | None]:
    """Return how many structures of an open trade are held, and dollars that it can lose, None without bound.

    position: as the journal has it, None when that is not known: then all that was opened counts.
    """
    if position is None:
        return row["quantity"], None if row["max_risk"] is None else row["max_risk"] * row["quantity"]
    worst = max_loss(position)
    return open_count(position), None if worst is None else float(worst)


def expiry_of(row: Row, position: Position | None) -> date | None:
    """Return the nearest expiry of what is held of an open trade: its row names only one that all legs have."""
    held = () if position is None else (leg.option for leg in position.legs if leg.held and not leg.option.is_share)
    nearest = min((option.expiry for option in held), default=None)
    return nearest or (date.fromisoformat(row["expiration"]) if row["expiration"] else None)


def standby_bots(run: Run) -> dict[str, str]:
    """Return what stands on each page of a run: the world it trades in, and the mark of one that sends nothing."""
    data: Any = {} if run.started is None else run.started.data
    words = ("simulated" if data.get("simulated") else "", str((data.get("settings") or {}).get("mode") or ""))
    return {"its_world": " ".join(filter(None, words)), "mark": run.mark}


def next_window(reader: StoreReader, run: Run, name: str, at: datetime | None) -> Span | None:
    """Return a bot's entry window that is open at `at` and not used up, else the next one; None when none is near."""
    bot = None if at is None else bot_of(run, name)
    if at is None or bot is None:
        return None
    session = session_from(exchange_date(at))
    day = _day_of(reader, name, session.date)
    for _ in range(SESSIONS_AHEAD):
        for start, end in bot.windows(session):
            is_open = start <= at
            if at < end and start < end and not (is_open and is_spent(bot.plan.entry, day)):
                return start, end
        session = session_after(session.date)
    return None


def _day_of(reader: StoreReader, bot: str, day: date) -> BotDay:
    """Return what a bot has used up of a day, as it was recorded last."""
    records = reader.day(bot, day, (Kind.BOT_DAY,))
    return decode(BotDay, dict(records[-1].data)) if records else BotDay(bot=bot, date=day)


# --- The bots of a store alone

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


# --- The picture of a store alone

_RESTING = ("target", "stop", "protect")
TOLD = 40
"""Alarms that are shown at most."""


def snapshot_of_store(reader: StoreReader) -> PageSnapshot:
    """Return what the page shows when no engine runs in this process."""
    run = reader.run()
    link, trading = connected(reader, run), trading_of(run)
    positions, orders = reader.view("open_positions"), reader.view("pending_orders")
    system = next(iter(reader.view("system_state")), None)
    at = None if system is None else _instant(system["last_updated"])
    found = None if at is None else store_state(reader, at)
    shown = tuple(_position_line(reader, row, orders, found, at) for row in positions)
    account = _account(reader)
    started = {} if run.started is None else run.started.data
    settings: Any = started.get("settings") or {}
    return PageSnapshot(
        at=at,
        engine=run.state(),
        trading=trading,
        mode=str(settings.get("mode") or ""),
        mark=run.mark,
        is_simulated=bool(started.get("simulated")),
        is_linked=link.is_linked,
        notice=link.words or _notice(run, trading, len(positions) if _has_broker(settings) else 0),
        figures=figures_of_another(reader.path) if run.state() == "stopped" else "",
        account=str(started.get("account") or ""),
        net_liquidation=account["net_liquidation"],
        cash=account["cash"],
        buying_power=account["buying_power"],
        available_funds=account["available_funds"],
        maintenance_margin=account["maintenance_margin"],
        realized=None if found is None else found.realized,
        unrealized=None if found is None else found.open_today(positions),
        commissions_owed=0 if found is None else owed_today(found.state),
        levels=_levels(positions),
        bots=bot_lines(reader, run, found, shown, at),
        positions=shown,
        orders=tuple(_order_line(row) for row in orders),
        late=delayed_on_record(reader),
    )


def alarms_of(reader: StoreReader) -> tuple[AlarmLine, ...]:
    """Return the last alarms, newest first."""
    found = reader.records((Kind.ALARM,))[-TOLD:]
    return tuple(
        AlarmLine(
            clock=f"{record.at.astimezone(EXCHANGE_ZONE):%b %d %H:%M}",
            bot=record.bot,
            text=str(record.data["text"]),
            tone="alarm",
        )
        for record in reversed(found)
    )


def _instant(text: str | None) -> datetime | None:
    """Return the time that a view tells in New York words."""
    return None if not text else datetime.fromisoformat(text).replace(tzinfo=EXCHANGE_ZONE)


def _account(reader: StoreReader) -> dict[str, float | None]:
    names = ("net_liquidation", "cash", "buying_power", "available_funds", "maintenance_margin")
    told = reader.last_record(Kind.ACCOUNT)
    data = {} if told is None else told[1].data
    return {name: None if data.get(name) is None else float(str(data[name])) for name in names}


def _has_broker(settings: Mapping[str, Any]) -> bool:
    """Say whether a broker is there without the engine: what was simulated in its own process has ended with it."""
    return settings.get("mode") not in ("backtest", OBSERVE) and ("gateway" in settings or not settings.get("sim"))


def _notice(run: Run, trading: str, still_open: int) -> str:
    """Return what an operator has to know. still_open: positions whose exits an engine would judge."""
    if run.state() == "stopped":
        if run.started is None:
            return "nothing has run on this store"
        reason = "" if run.ended is None else f": {run.ended.data.get('reason')}"
        exits = "" if not still_open else f"; until one does, only what rests at the broker closes {_held(still_open)}"
        return f"no engine runs on this store{reason}{exits}"
    if trading == "active":
        return ""
    reason = standing_of((*run.earlier, *run.requests)).reason
    return f"{f'{reason}: ' if reason else ''}nothing is opened, exits go on; Start lets bots enter again"


def _held(count: int) -> str:
    return "the open position" if count == 1 else f"the {count:,} open positions"


def _levels(positions: Sequence[Row]) -> tuple[tuple[str, float | None], ...]:
    """Return the level of the first underlying of each position, as its last snapshot has it; the newest counts."""
    marked = sorted((row for row in positions if row["underlying_price"] is not None), key=_marked_at)
    return tuple(sorted({row["symbol"].split("/")[0]: row["underlying_price"] for row in marked}.items()))


def _marked_at(row: Row) -> str:
    return str(row["snapshot_time"])


def _position_line(
    reader: StoreReader, row: Row, orders: Sequence[Row], found: StoreState | None, at: datetime | None
) -> PositionLine:
    resting = [each for each in orders if each["position"] == row["position"] and each["purpose"] in _RESTING]
    mark = row["current_mid"]
    position = None if found is None else found.state.positions.get(row["position"])
    bot = None if found is None else found.governing(row["position"])
    exits = "resting: " + ", ".join(_resting(each) for each in resting) if resting else ""
    at_target = at_stop = None
    quantity, worst = held_of(row, position)
    expiry = expiry_of(row, position)
    if found is not None and position is not None and bot is not None and at is not None:
        exits = exits_text(found.program, found.state, position, at.timestamp())
        at_broker = live_orders(found.state, position, *RESTING)
        at_target, at_stop = (dollars_at(bot, position, kind, at_broker) for kind in (ExitKind.TARGET, ExitKind.STOP))
    underlyings = _greeks(reader, row, quantity, found)
    return PositionLine(
        id=row["position"],
        bot=row["strategy_id"],
        structure=holding_of(row) if position is None else held_text(position),
        state=row["state"],
        since=clock_text(_instant(row["entry_time"]), at),
        dte=None if expiry is None or at is None else (expiry - at.date()).days,
        entry=row["entry_price"],
        mark=None if mark is None else closing(mark, row["entry_price"] or 0.0) + 0.0,
        profit=row["unrealized_pnl"],
        underlyings=underlyings,
        exits=exits,
        at_target=None if at_target is None else float(at_target),
        at_stop=None if at_stop is None else float(at_stop),
        max_loss=worst,
        count=quantity,
        is_flattening=position is not None and position.is_flattening,
        waits_to_close=found is not None and position is not None and found.state.waits_to_close(position),
        as_of=row["snapshot_time"] or "",
    )


def _greeks(reader: StoreReader, row: Row, quantity: int, found: StoreState | None) -> tuple[SymbolGreeks, ...]:
    """Return the greeks of an open trade by its last mark, by underlying; of several the mark has them apart."""
    told = reader.last_record(Kind.MARK, row["position"])
    bars = {} if found is None else found.state.facts.bars
    mark = {} if told is None else told[1].data
    return tuple(with_beta(each, bars) for each in greeks_of_mark(mark, row["symbol"], quantity))


def _resting(order: Row) -> str:
    level = order["stop_price"] if order["stop_price"] is not None else order["limit_price"]
    doubt = "" if order["state"] == "working" else f" ({order['state']})"
    return f"{order['reason']} {signed_price(level)}{doubt}"


def _order_line(row: Row) -> OrderLine:
    stop, level = row["stop_price"], row["limit_price"]
    return OrderLine(
        bot=row["strategy_id"],
        words=row["reason"] if row["reason"] == row["purpose"] else f"{row['purpose']} {row['reason']}",
        state=row["state"],
        filled=f"{row['filled']} of {row['quantity']}",
        price=f"stop {signed_price(stop)}"
        if stop is not None
        else "at market"
        if level is None
        else f"at {signed_price(level)}",
        attempt=row["attempt"],
    )
