"""The snapshot of a store alone: what was recorded last, by the engine that writes it or wrote it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from rulebot.core.program import AccountLimits, CompiledBot, Program
from rulebot.core.state.state import State
from rulebot.decide.entry_window import BotDay, Span, is_spent
from rulebot.documents.load_bots import bot_of, compile_text
from rulebot.model.errors import RulebotError
from rulebot.model.event import Request
from rulebot.model.position import Position, end_of
from rulebot.model.session import EXCHANGE_ZONE, exchange_date, session_after, session_from
from rulebot.model.text import minute, one_line, signed_price
from rulebot.model.values import replace
from rulebot.narrate.happenings import EventLine, Tone
from rulebot.narrate.notices import GrowingQuantity, delayed_on_record, grown_by
from rulebot.narrate.positions import is_unclosed, left_text
from rulebot.narrate.snapshot import (
    GREEKS,
    AccountFigures,
    BotActivity,
    BotSnapshot,
    OrderSnapshot,
    PositionSnapshot,
    Snapshot,
    SymbolGreeks,
    account_figures,
    clock_text,
    number,
)
from rulebot.narrate.snapshot_of_state import (
    held_snapshot,
    open_of,
    pending_today,
    realized_by,
    realized_today,
    since_the_open,
    with_beta,
)
from rulebot.narrate.trades import holding_of, structure_of
from rulebot.process.connection_state import connected
from rulebot.record.codec import decode
from rulebot.record.explain import ENTRY_PLACES, Condition, state_at
from rulebot.record.record import Kind, Record
from rulebot.recovery.resume import resume_from, standing_of, trading_of
from rulebot.store.maintenance import figures_of_another
from rulebot.store.queries import OBSERVE, Row, Run, StoreReader

RESTING = ("target", "stop", "protect")
"""Purposes of orders that rest at the broker."""
REPORTED = 40
"""Alarms that are shown at most."""


class StoredRun:
    """The last run of a store, read once. at: of the last record, to the second, None for an empty store.

    state: what a restart at that time would know, without a market. program: the specs that govern open positions,
    except those that this version cannot read.
    """

    def __init__(self, reader: StoreReader) -> None:
        self.reader, self.run = reader, reader.run()
        self.at = last_instant(reader)
        self.held = reader.view("open_positions")
        self.pending = reader.view("pending_orders")
        self.state: State | None = None
        self.program = Program(bots={}, pinned={}, limits=AccountLimits(), install="")
        if self.at is not None:
            found = resume_from(reader.recall(self.at), self.at)
            self.state = found.state
            self.program = Program(
                bots={}, pinned=_compiled(found.texts), limits=AccountLimits(), install=found.install
            )

    def position(self, row: Row) -> Position | None:
        """Return the position of a row of `open_positions`."""
        return None if self.state is None else self.state.positions.by_id.get(row["position"])

    @property
    def open_profit(self) -> float:
        """Dollars that what is open has made since the session began, by the last marks; 0 of one without."""
        return sum(filter(None, map(self.open_today, self.held)), 0.0)

    def open_today(self, row: Row) -> float | None:
        """Return the same of one position, None without a mark."""
        position, made = self.position(row), row["unrealized_pnl"]
        if self.state is None or position is None or made is None:
            return None
        today = since_the_open(self.state, position.id, _decimal(made))
        return float(open_of(self.state, position, today))


def last_instant(reader: StoreReader) -> datetime | None:
    """Return when the store was last written, by its own records."""
    return _instant(next(iter(reader.view("system_state")), {}).get("last_updated"))


def _instant(text: str | None) -> datetime | None:
    return None if not text else datetime.fromisoformat(str(text)).replace(tzinfo=EXCHANGE_ZONE)


def _compiled(texts: Any) -> dict[str, CompiledBot]:
    found: dict[str, CompiledBot] = {}
    for text in texts:
        with suppress(RulebotError):  # of a version that can no longer be read
            found[text.digest] = compile_text(text)
    return found


def snapshot_of_store(reader: StoreReader) -> Snapshot:
    """Return a store as its journal and its views have it."""
    stored = StoredRun(reader)
    run, state = stored.run, stored.state
    link, trading = connected(reader, run), trading_of(run)
    positions = positions_of(stored)
    data: Mapping[str, Any] = {} if run.started is None else run.started.data
    settings = data.get("settings") or {}
    return Snapshot(
        at=stored.at,
        engine=run.state(),
        trading=trading,
        mode=str(settings.get("mode") or ""),
        mark=run.mark,
        is_simulated=bool(data.get("simulated")),
        is_linked=link.is_linked,
        notice=link.words or _notice(run, trading, len(positions) if _has_broker(settings) else 0),
        figures=figures_of_another(reader.path) if run.state() == "stopped" else "",
        account=_account(reader, str(data.get("account") or "")),
        realized=None if state is None else float(realized_today(state)),
        open_profit=stored.open_profit,
        is_priced=state is not None and all(each.profit is not None for each in positions),
        pending_commissions=0 if state is None else pending_today(state),
        levels=_levels(stored.held),
        bots=bots_of(stored, positions),
        positions=positions,
        orders=orders_of(stored),
        late=delayed_on_record(reader),
    )


def alarms_of(reader: StoreReader) -> tuple[EventLine, ...]:
    """Return the last alarms, newest first."""
    found = reader.records((Kind.ALARM,))[-REPORTED:]
    return tuple(EventLine(each.at, each.bot, str(each.data["text"]), Tone.ALARM) for each in reversed(found))


def standby_bots(run: Run) -> dict[str, str]:
    """Return the header of each page of a run: its world, and the mark of one that sends nothing."""
    data: Any = {} if run.started is None else run.started.data
    words = ("simulated" if data.get("simulated") else "", str((data.get("settings") or {}).get("mode") or ""))
    return {"its_world": " ".join(filter(None, words)), "mark": run.mark}


def _account(reader: StoreReader, id: str) -> AccountFigures:
    reported = reader.last_record(Kind.ACCOUNT)
    data: Mapping[str, Any] = {} if reported is None else reported[1].data
    return account_figures(id, data.get)


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
    return f"{f'{reason}: ' if reason else ''}nothing is opened, exits continue; Start lets bots enter again"


def _held(count: int) -> str:
    return "the open position" if count == 1 else f"the {count:,} open positions"


def _levels(rows: Sequence[Row]) -> tuple[tuple[str, float | None], ...]:
    """Return the level of the first underlying of each position, as its last snapshot has it; the newest counts."""
    marked = (row for row in rows if row["underlying_price"] is not None)
    newest = sorted(marked, key=lambda row: str(row["snapshot_time"]))
    return tuple(sorted({row["symbol"].split("/")[0]: row["underlying_price"] for row in newest}.items()))


# --- Positions and orders


def positions_of(stored: StoredRun) -> tuple[PositionSnapshot, ...]:
    """Return what is open, by its last marks."""
    return tuple(_position(stored, row) for row in stored.held)


def orders_of(stored: StoredRun) -> tuple[OrderSnapshot, ...]:
    """Return the orders that may still fill."""
    return tuple(map(_order, stored.pending))


def _position(stored: StoredRun, row: Row) -> PositionSnapshot:
    found = _known(stored, row)
    at, expiration = stored.at, row["expiration"]
    dte = found.dte if found.dte is not None or not expiration else _days(date.fromisoformat(expiration), at)
    return replace(
        found,
        state=row["state"],
        opened_at=_instant(row["entry_time"]),
        dte=dte,
        quantity=row["quantity"],
        entry=row["entry_price"],
        mid=row["current_mid"],
        priced_at=_instant(row["snapshot_time"]),
        profit=row["unrealized_pnl"],
        open_today=stored.open_today(row),
        underlyings=_greeks(stored, row, found.count),
        exits=found.exits or _resting_words(stored, row),
    )


def _known(stored: StoredRun, row: Row) -> PositionSnapshot:
    """Return what the journal knows of an open trade; of one that it does not have, all that was opened counts."""
    position, count = stored.position(row), row["quantity"]
    if position is None or stored.state is None or stored.at is None:
        worst = None if row["max_risk"] is None else row["max_risk"] * count
        return PositionSnapshot(
            id=row["position"],
            bot=row["strategy_id"],
            structure=holding_of(row),
            state=row["state"],
            count=count,
            max_loss=worst,
        )
    bot = stored.program.governing(position) if position.digest in stored.program.pinned else None
    found = held_snapshot(bot, stored.program, stored.state, position, stored.at)
    held = [leg.option.expiry for leg in position.legs if leg.held and not leg.option.is_share]
    return replace(found, dte=_days(min(held), stored.at) if held else None)


def _days(expiry: date, at: datetime | None) -> int | None:
    return None if at is None else (expiry - at.date()).days


def _greeks(stored: StoredRun, row: Row, count: int) -> tuple[SymbolGreeks, ...]:
    """Return the greeks of an open trade by its last mark, by underlying; of several the mark has them apart."""
    reported = stored.reader.last_record(Kind.MARK, row["position"])
    bars = {} if stored.state is None else stored.state.market.facts.bars
    mark: Mapping[str, Any] = {} if reported is None else reported[1].data
    return tuple(with_beta(each, bars) for each in greeks_of_mark(mark, row["symbol"], count))


def _resting_words(stored: StoredRun, row: Row) -> str:
    resting = [each for each in stored.pending if each["position"] == row["position"] and each["purpose"] in RESTING]
    return "resting: " + ", ".join(map(_resting, resting)) if resting else ""


def _resting(order: Row) -> str:
    level = order["stop_price"] if order["stop_price"] is not None else order["limit_price"]
    uncertainty = "" if order["state"] == "working" else f" ({order['state']})"
    return f"{order['reason']} {signed_price(level)}{uncertainty}"


def _order(row: Row) -> OrderSnapshot:
    return OrderSnapshot(
        bot=row["strategy_id"],
        ref=row["ref"],
        order_id=row["ibkr_order_id"],
        side=row["action"],
        limit=row["limit_price"],
        stop=row["stop_price"],
        **{
            name: row[name]
            for name in ("position", "purpose", "reason", "state", "quantity", "filled", "attempt", "message")
        },
    )


def greeks_of_mark(mark: Mapping[str, Any], symbol: str, structures: int) -> tuple[SymbolGreeks, ...]:
    """Return the greeks of this many structures by the last mark of a position, which has them of one, per share.

    symbol: of the position, where all of it is on one underlying.
    """
    parts = mark.get("by_symbol") or [{**mark, "symbol": symbol}]
    return tuple(
        SymbolGreeks(
            symbol=str(part["symbol"]),
            price=None if part.get("spot") is None else float(part["spot"]),
            **{name: None if part.get(name) is None else float(part[name]) * structures * 100 for name in GREEKS},
        )
        for part in parts
    )


def growing_in(stored: StoredRun) -> list[tuple[str, GrowingQuantity]]:
    """Return the present quantities that grow with compliant sessions, by bot."""
    days = (
        {}
        if stored.state is None
        else {name: bot.day for name, bot in stored.state.bots.by_name.items() if bot.day.row_of}
    )
    bots = ((bot_of(stored.run, name), day) for name, day in days.items() if name in stored.run.specs)
    found = ((bot.plan.name, grown_by(bot.plan, day)) for bot, day in bots if bot is not None)
    return [(name, grown) for name, grown in found if grown is not None]


# --- Bots

SESSIONS_AHEAD = 15
"""How far ahead the next entry window of a bot is looked for."""
_JUDGING = (Kind.VERDICT, Kind.RELOAD)
_NOTIFYING = (Kind.DECISION, Kind.OPERATOR)
EVALUATIONS_READ = 1000
"""Evaluation changes that are searched for a false condition."""
SAID_FOR = timedelta(minutes=5)
"""How long an entry without a fill is mentioned."""


def bots_of(stored: StoredRun, positions: Sequence[PositionSnapshot]) -> tuple[BotSnapshot, ...]:
    """Return a row for each bot, by name."""
    day = stored.reader.last_day()
    days = {row["strategy_id"]: row for row in (stored.reader.view("bot_days", date=str(day)) if day else ())}
    return tuple(
        _BotOfStore(stored, name, day, days.get(name), [each for each in positions if each.bot == name]).row()
        for name in sorted(stored.run.specs)
    )


class _BotOfStore:
    """One bot on the last day of a store. row: of `bot_days`, None without one; held: what it has open."""

    def __init__(
        self, stored: StoredRun, name: str, day: date | None, row: Row | None, held: Sequence[PositionSnapshot]
    ) -> None:
        self._stored, self._reader, self._name, self._day, self._row, self._held = (
            stored,
            stored.reader,
            name,
            day,
            row,
            held,
        )
        state = stored.state
        self._own = [] if state is None else [each for each in state.positions.by_id.values() if each.bot == name]
        self._records = self._reader.day(name, day, _NOTIFYING) if day else ()

    def row(self) -> BotSnapshot:
        """Return its row."""
        state, text = self._stored.state, bot_of(self._stored.run, self._name)
        doing, waits = self._doing()
        day = None if state is None or text is None else state.bots.by_name.get(self._name)
        return BotSnapshot(
            bot=self._name,
            doing=doing,
            since=self._held[0].opened_at if self._held else None,
            structure=", ".join(each.structure for each in self._held) or self._entering(),
            ended=self._ended(),
            profit=self._profit(),
            waits=one_line(waits),
            is_paused=state is not None and self._name in state.requests.operator.paused,
            has_universe=text is not None and bool(text.members),
            grown=None if day is None or text is None else grown_by(text.plan, day.day),
        )

    def _paused(self) -> str:
        """Return what ends the pause of this bot, "" where it has none."""
        paused = frozenset() if self._stored.state is None else self._stored.state.requests.operator.paused
        return "its resume" if self._name in paused else "Start" if "" in paused else ""

    def _doing(self) -> tuple[BotActivity, str]:
        engine, at, name = self._stored.run.state(), self._stored.at, self._name
        if self._row is not None and self._row["halted"]:
            return BotActivity.HALTED, str(self._row["halted"])
        if moving := [each for each in self._own if each.state in ("entering", "exiting")]:
            return BotActivity(moving[0].state), self._moving_words(moving[0])
        if self._held:
            return BotActivity.OPEN, "; ".join(filter(None, (each.exits for each in self._held)))
        if engine != "running":
            return BotActivity(engine), self._over
        if paused := self._paused():
            return BotActivity.PAUSED, paused
        came = _result_text(self._records, at)
        if _is_watching(self._records):
            return BotActivity.WATCHING, came or _lacking(self._reader, name, self._day, at)
        return BotActivity.FLAT, came or self._over or _coming(self._reader, self._stored.run, name, at)

    @property
    def _over(self) -> str:
        return "" if self._row is None else str(self._row["skipped"] or "")

    def _entering(self) -> str:
        entering = [each.id for each in self._own if each.state == "entering"]
        return ", ".join(structure_of(row) for id in entering for row in self._reader.view("trades", position=id))

    def _ended(self) -> str:
        closed = [each for each in self._own if each.state == "closed" and each.opened_at is not None]
        is_entering = any(each.state == "entering" for each in self._own)
        return "" if self._held or is_entering or not closed else end_of(closed[-1])

    def _moving_words(self, position: Position) -> str:
        if position.state == "entering":
            return "a fill"
        is_over = self._stored.state is not None and is_unclosed(self._stored.state, position)
        return left_text(position) if is_over else f"{position.exit_reason}: closing"

    def _profit(self) -> float | None:
        """Return what was made today, realised and open; None when nothing was, or is known."""
        state = self._stored.state
        if state is None:
            return None
        made = [_today(state, each) for each in self._held]
        known = [each for each in made if each is not None]
        closed = (each for each in self._own if each.state == "closed")
        realized = 0.0 if self._row is None else float(realized_by(state, closed))
        is_over = not self._held and self._row is not None and bool(self._row["opened"])
        return realized + sum(known) if known or realized or is_over else None


def _today(state: State, held: PositionSnapshot) -> float | None:
    made = None if held.profit is None else _decimal(held.profit)
    return number(since_the_open(state, held.id, made))


def _is_watching(records: Sequence[Record]) -> bool:
    reported = [str(record.data.get("what")) for record in records if record.kind is Kind.DECISION]
    last = [what for what in reported if what in ("watch", "stop watching", "enter")]
    return bool(last) and last[-1] == "watch"


def _result_text(records: Sequence[Record], at: datetime | None) -> str:
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
    """Return the first false condition, as it was when its evaluation changed."""
    if at is None or day is None:
        return ""
    records = reader.day(bot, day, _JUDGING, last=EVALUATIONS_READ)
    missing = [each for each in state_at(records, at, ENTRY_PLACES).conditions if each.truth is not True]
    if not missing:
        return "confirmation" if 0 < len(records) < EVALUATIONS_READ else ""
    alone = [each for each in missing if not each.symbol] or missing
    return _condition_text(alone[0])


def _condition_text(found: Condition) -> str:
    value = found.value or ("unknown" if found.truth is None else "")
    words = ", ".join(filter(None, (" ".join(filter(None, (found.name, value))), found.bound, found.note)))
    return words if found.since is None else f"{words} (since {minute(found.since)})"


def _coming(reader: StoreReader, run: Run, name: str, at: datetime | None) -> str:
    found = next_window(reader, run, name, at)
    if found is None or at is None:
        return ""
    start, end = found
    return f"its window, {clock_text(start, at)}" if at < start else f"its window is open until {clock_text(end, at)}"


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
    records = reader.day(bot, day, (Kind.BOT_DAY,))
    return decode(BotDay, dict(records[-1].data)) if records else BotDay(bot=bot, date=day)


def _decimal(amount: float) -> Decimal:
    return Decimal(str(amount))
