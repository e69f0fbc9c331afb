"""Recovery: every start reads the state and the operators' requests back from the journal.

Orders, positions and bot days are entities: the last recorded value is the truth. The market is read anew, and the
books are reconciled with the broker at Connected.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from operator import itemgetter
from typing import Any

from rulebot.core.entry.entry_ended import blocked_today
from rulebot.core.orders.order_mismatch import cancelled_for_duplicate
from rulebot.core.queries.schedule import is_same_week
from rulebot.core.reconciliation.early_assignment import note_cash, recent_cash
from rulebot.core.rules.inputs import Hooks, after_hook
from rulebot.core.session.session_start import is_over, retained_executions
from rulebot.core.state.changes import active_ids, live_refs
from rulebot.core.state.state import (
    Account,
    AccountSeen,
    Bots,
    BotState,
    Cashes,
    Excess,
    Inquiries,
    MarketData,
    NearestMiss,
    OperatorState,
    Orders,
    Positions,
    Requests,
    Schedule,
    State,
    TradingMode,
    after_request,
)
from rulebot.core.state.turn import alarm_key, key_of
from rulebot.decide.entry_window import BotDay
from rulebot.documents.load_bots import SpecText
from rulebot.fill.ledger import BY_OTHERS, BookedExecution, dealt_by_record, has_no_pending, of_others, taken_back
from rulebot.model.collector import with_rare_collection
from rulebot.model.contract import LOT, SHARES_NAME, Option
from rulebot.model.event import ExecutionReport, Request
from rulebot.model.facts import EventCalendar, Facts
from rulebot.model.market import Board
from rulebot.model.money import ZERO, TickRule
from rulebot.model.order import Order, Purpose, execution_id
from rulebot.model.position import Position
from rulebot.model.session import (
    Hours,
    Session,
    as_reported,
    at_exchange_time,
    exchange_date,
    hours_of,
    session_before,
    session_from,
)
from rulebot.model.values import dataclass
from rulebot.record.books import base_of
from rulebot.record.codec import decode, utc_time
from rulebot.record.record import (
    ACCOUNT_SEEN,
    BASE,
    BUYS_BACK,
    BY_HAND,
    CLOSING,
    DEALT_AT,
    EXCESS,
    EXECUTION,
    GRID,
    HOURS,
    IS_NAMED,
    MULTIPLIER,
    NEAREST,
    OPENING_MOVE,
    ORDER_NUMBER_FLOOR,
    TICKS,
    WATCH,
    Json,
    Kind,
    Record,
)
from rulebot.store.queries import Run
from rulebot.store.recall import LINES_KEPT, StartupRecords

# --- Requests of operators in force, folded from their records

TO_BE_CLOSED = "to be closed, as asked, once the session is on and the broker is there"
"""What an open position waits for that a person has asked to be closed."""


def standing_of(asked: Iterable[Record]) -> OperatorState:
    """Return the requests in force after these records of operators, in order."""
    standing = OperatorState()
    for record in asked:
        standing = after_record(standing, record)
    return standing


def must_close_after(run: Run, waiting: Iterable[Mapping[str, Any]], bot: str, position: str) -> bool:
    """Say whether a position is to be closed once the engine of a run has read what waits in its box, oldest first."""
    standing = standing_of((*run.earlier, *run.requests))
    for reported in waiting:
        with suppress(LookupError, ValueError):
            request, whose, which = Request(reported["request"]), str(reported["bot"]), str(reported["position"])
            is_new = request is Request.FLATTEN and whose in ("", bot)
            closes = [position] if is_new or standing.must_close(bot, position) else []
            standing = after_request(standing, request, whose, which, closes=closes)
    return standing.must_close(bot, position)


def trading_of(run: Run) -> str:
    """Return active, or reducing (exits only) once all are paused or killed; stopped when no engine runs."""
    return "stopped" if run.state() == "stopped" else asked_of(run)


def asked_of(run: Run) -> str:
    """Return active, or reducing once operators have asked for that, whether an engine runs or not."""
    return "active" if standing_of((*run.earlier, *run.requests)).is_active else "reducing"


def after_record(standing: OperatorState, record: Record) -> OperatorState:
    """Return the requests in force after one record of an operator's request."""
    data = record.data
    position, reason = (str(data.get(name) or "") for name in ("position", "reason"))
    closes = data.get("closes") or []
    assert isinstance(closes, list)
    return after_request(standing, Request(data["request"]), record.bot, position, reason, map(str, closes))


def reason_of(standing: OperatorState) -> str | None:
    """Return why no bot may enter: what a person has asked of all, or for what else they only reduce."""
    if standing.trading is not TradingMode.ACTIVE:
        return standing.reason or "killed"
    return "paused" if "" in standing.paused else None


def named_in(standing: OperatorState) -> list[str]:
    """Return the bots that a person has paused or killed by name."""
    return sorted(standing.paused - {""})


def kept_out(reason: str | None, named: Sequence[str]) -> list[str]:
    """Return what keeps all bots, or those named, from entering until a person says otherwise, a line each."""
    lines = [f" {reason}: no bot enters until 'rulebot resume'; exits continue"] if reason else []
    return lines + [f" paused: {bot} enters nothing until 'rulebot resume {bot}'; exits continue" for bot in named]


# --- Start-up is recovery

RECENT = timedelta(minutes=1)
"""Orders sent since then still count against orders_per_minute."""

_KEYS = {Kind.ORDER: "ref", Kind.POSITION: "id", Kind.BOT_DAY: "bot"}
"""What names an entity among the records of its kind."""
RESUMED = (
    *_KEYS,
    Kind.FILL,
    Kind.COMMISSION,
    Kind.SETTLEMENT,
    Kind.MARK,
    Kind.OPERATOR,
    Kind.WEBHOOK,
    Kind.RUN_STARTED,
    Kind.RELOAD,
    Kind.FACTS,
    Kind.DECISION,
    Kind.ALARM,
    Kind.LINK,
    Kind.ACCOUNT,
    Kind.RUN_ENDED,
)
"""The kinds that a state follows from; of the others nothing needs to be read."""


@dataclass(frozen=True, slots=True)
class ResumedRun:
    """The content of a store: the state to continue from, the specs of earlier days, and the last run's marks."""

    state: State
    texts: tuple[SpecText, ...]
    install: str
    is_fresh: bool


@with_rare_collection()
def resume(
    records: Sequence[Record],
    at: datetime,
    board: Board,
    events: EventCalendar,
    number: int = 0,
    order_id: int = 0,
    *,
    takes_hooks: bool = False,
) -> ResumedRun:
    """Return the state from the journal, as of `at`.

    `records` are all of it, or those that matter (`store/recall.py`); then `number` and `order_id` are the highest of
    all orders, passed separately. takes_hooks: web hooks can arrive.
    """
    recovery = _Recovery(at, takes_hooks=takes_hooks)
    handlers = recovery.handlers()
    for record in records:
        if (handler := handlers.get(record.kind)) is not None:
            handler(record)
    return recovery.resumed(board, events, number, order_id)


class _Recovery:
    """What the records taken so far say."""

    def __init__(self, at: datetime, *, takes_hooks: bool) -> None:
        self.at = at
        self.session = session_from(exchange_date(at))
        self.midnight = at_exchange_time(self.session.date, time())
        self.begins = at_exchange_time(session_before(self.session.date).date + timedelta(days=1), time())
        self.entities: dict[Kind, dict[str, Mapping[str, Json]]] = {kind: {} for kind in _KEYS}
        self.booked: dict[str, BookedExecution] = {}
        self.marks: dict[str, Json] = {}
        self.marked_at: dict[str, datetime] = {}
        self.bases: dict[str, Json] = {}
        self.texts: dict[str, SpecText] = {}
        self.install = ""
        self.operator = OperatorState()
        self.requests: set[str] = set()
        self.acknowledged: set[str] = set()
        self.order_number_floor = 0
        self.hooks: Hooks | None = {} if takes_hooks else None
        self.hook_ids: set[str] = set()
        self.excess: dict[Option, Excess] = {}
        self.alarmed: dict[str, set[str]] = {}
        self.seen = AccountSeen()
        self.seen_at: datetime | None = None
        self.is_linked = True
        self.reported_cash: list[tuple[datetime, Decimal]] = []
        self.hours: dict[str, Hours] = {}
        self.ticks: dict[str, TickRule] = {}
        self.moves: dict[tuple[str, date], float] = {}
        self.closing: dict[str, float] = {}
        self.settled: list[Record] = []
        self.by_hand: dict[str, list[str]] = {}
        self.named: set[str] = set()
        self.watched: dict[str, datetime | None] = {}
        self.nearest: dict[str, NearestMiss] = {}

    def handlers(self) -> Mapping[Kind, Callable[[Record], None]]:
        """Return what takes the records of each kind."""
        return {
            Kind.MARK: self._mark,
            **dict.fromkeys(_KEYS, self._entity),
            Kind.FILL: lambda record: _book(self.booked, record, self.entities[Kind.ORDER]),
            Kind.COMMISSION: self._commission,
            Kind.SETTLEMENT: self._settlement,
            Kind.ALARM: self._alarm,
            Kind.OPERATOR: self._operator,
            Kind.WEBHOOK: self._webhook,
            Kind.DECISION: self._decision,
            Kind.FACTS: self._facts,
            Kind.ACCOUNT: self._account,
            Kind.LINK: self._link,
            Kind.RUN_STARTED: self._run_started,
            Kind.RELOAD: self._specs,
            Kind.RUN_ENDED: self._run_ended,
        }

    # ---------------------------------------------------------------- records

    def _mark(self, record: Record) -> None:
        if record.data.get("profit") is not None:
            self.marks[record.position], self.marked_at[record.position] = record.data["profit"], record.at
            if record.at < self.midnight:
                self.bases[record.position] = record.data["profit"]

    def _entity(self, record: Record) -> None:
        self.entities[record.kind][str(record.data[_KEYS[record.kind]])] = record.data

    def _commission(self, record: Record) -> None:
        base = base_of(record.data["exec_id"])
        if base in self.booked:
            amount = Decimal(str(record.data["amount"]))
            self.booked[base] = replace(self.booked[base], commission=amount, is_paid=True)

    def _settlement(self, record: Record) -> None:
        if record.data["level"] is not None:
            self.settled.append(record)

    def _alarm(self, record: Record) -> None:
        data = record.data
        if (reported := data.get(EXECUTION)) is not None:
            report = decode(ExecutionReport, reported)
            base = report.exec_id.execution
            if not record.position:
                self.booked[base] = of_others(report)
            elif base in self.booked:  # ours was corrected too late: only its name changes
                self.booked[base] = replace(self.booked[base], exec_id=report.exec_id)
        if record.at >= self.begins:  # on days off before it, too
            self.excess.update(_reported_excess(record))
            key = str(data.get("key") or key_of(str(data["text"])))
            self.alarmed.setdefault(record.bot, set()).add(alarm_key(record.position, key))

    def _operator(self, record: Record) -> None:
        data = record.data
        self.requests.add(str(data["id"]))
        self.operator = after_record(self.operator, record)
        if data.get(ORDER_NUMBER_FLOOR):  # the store was put back: what came after it is not known
            self.order_number_floor = max(self.order_number_floor, int(str(data[ORDER_NUMBER_FLOOR])))
            self.seen, self.seen_at = AccountSeen(), None
        accepted = data.get("acknowledged_foreign_orders") or []
        assert isinstance(accepted, list)
        self.acknowledged.update(str(key) for key in accepted)

    def _webhook(self, record: Record) -> None:
        data = record.data
        if exchange_date(record.at) >= self.session.date:
            self.hook_ids.add(str(data["id"]))
            came = utc_time(str(data["came"]))
            self.hooks = after_hook(self.hooks, str(data["name"]), str(data["says"]), came)

    def _decision(self, record: Record) -> None:
        data = record.data
        if data.get(BY_HAND):
            self.by_hand.setdefault(record.bot, []).append(record.position)
            if data.get(IS_NAMED):
                self.named.add(record.position)
        if data.get("what") in GRID and exchange_date(record.at) == self.session.date:
            since = data.get("since")
            began = record.at if since is None else utc_time(str(since))
            self.watched[record.bot] = began if data["what"] == WATCH else None

    def _facts(self, record: Record) -> None:
        data, what = record.data, record.data.get("what")
        if what == BASE:
            if record.at >= self.begins:
                self.bases[record.position] = data["value"]
        elif what == ACCOUNT_SEEN:
            if record.at >= self.midnight - LINES_KEPT:
                until = data.get("until")
                self.seen, self.seen_at = (
                    decode(AccountSeen, data["value"]),
                    utc_time(str(until)) if until else record.at,
                )
        elif what == TICKS:
            if record.at >= self.midnight - LINES_KEPT:
                self.ticks[str(data["trading_class"])] = decode(TickRule, data["value"])
        elif exchange_date(record.at) == self.session.date:
            self._facts_of_today(what, record)

    def _facts_of_today(self, what: Json, record: Record) -> None:
        data = record.data
        if what == HOURS:
            self.hours[str(data["symbol"])] = hours_of(str(data["value"]), self.session.date)
        elif what == NEAREST:
            self.nearest[record.bot] = decode(NearestMiss, data["value"])
        elif what == CLOSING:
            self.closing[str(data["symbol"])] = float(str(data["value"]))
        elif what == OPENING_MOVE:
            expiry = date.fromisoformat(str(data["expiry"]))
            self.moves[str(data["symbol"]), expiry] = float(str(data["value"]))

    def _account(self, record: Record) -> None:
        if record.data["cash"] is not None:
            self.reported_cash.append((record.at, Decimal(str(record.data["cash"]))))

    def _link(self, record: Record) -> None:
        self.is_linked = bool(record.data["up"])

    def _run_started(self, record: Record) -> None:
        self.install = str(record.data["install"])
        self._specs(record)

    def _specs(self, record: Record) -> None:
        if (specs := record.data.get("specs")) is not None:
            self.texts.update({text.digest: text for text in spec_texts(specs)})

    def _run_ended(self, record: Record) -> None:
        if record.data.get("is_linked"):
            self.seen_at = record.at

    # ---------------------------------------------------------------- the state they lead to

    def resumed(self, board: Board, events: EventCalendar, number: int, order_id: int) -> ResumedRun:
        """Return the state. number, order_id: the highest of all orders, those included that are not here."""
        session = as_reported(self.session, self.hours.values())
        orders = {ref: decode(Order, dict(data)) for ref, data in self.entities[Kind.ORDER].items()}
        kept = self._positions(orders, session)
        known = {ref: o for ref, o in orders.items() if o.status.is_live or kept.keys() >= {*o.positions}}
        settled = [record for record in self.settled if record.at >= session.close]
        facts = Facts(events=events, hooks=self.hooks, opening_moves=self.moves, hours=self.hours, ticks=self.ticks)
        state = State(
            Schedule(session),
            MarketData(board, facts, {**_closing_levels(settled, kept, session), **self.closing}),
            requests=Requests(
                self.operator,
                ids=frozenset(self.requests),
                acknowledged_foreign_orders=frozenset(self.acknowledged),
                hook_ids=frozenset(self.hook_ids),
            ),
            account=self._account_now(kept),
            orders=self._orders_now(
                known,
                next_number=max((number, self.order_number_floor, *(o.number for o in orders.values()))) + 1,
                next_order_id=max((order_id, *(o.order_id for o in orders.values()))) + 1,
            ),
            inquiries=Inquiries(duplicate_orders=cancelled_for_duplicate(known.values())),
            positions=self._positions_now(kept, session),
            bots=Bots(self._bots(kept, known, session)),
        )
        needed = {position.digest for position in kept.values()} & self.texts.keys()
        texts = tuple(self.texts[digest] for digest in sorted(needed))
        return ResumedRun(state, texts, self.install, not orders and not self.install)

    def _orders_now(self, known: Mapping[str, Order], next_number: int, next_order_id: int) -> Orders:
        sent = sorted(o.sent_at for o in known.values() if o.sent_at is not None and self.at - o.sent_at < RECENT)
        return Orders(
            by_ref=known,
            ref_of_id={o.order_id: ref for ref, o in known.items() if o.order_id},
            live=live_refs(known),
            next_number=next_number,
            next_order_id=next_order_id,
            sent=tuple(sent),
            order_number_floor=self.order_number_floor,
        )

    def _positions_now(self, kept: Mapping[str, Position], session: Session) -> Positions:
        marks, bases = (
            {name: Decimal(str(made)) for name, made in each.items() if name in kept}
            for each in (self.marks, self.bases)
        )
        return Positions(
            by_id=kept,
            active=active_ids(kept),
            pnl_at_open=bases,
            marks=marks,
            snapshots=marks,
            executions=retained_executions(self.booked, kept, session),
        )

    def _account_now(self, kept: Mapping[str, Position]) -> Account:
        seen, held = self.seen, {leg.option for each in kept.values() for leg in each.legs if leg.held}
        return Account(
            holdings=seen.holdings,
            costs=seen.costs,
            seen_at=self._seen_until(kept) if seen.holdings or seen.shortfalls else None,
            shortfalls=seen.shortfalls,
            excess=self.excess,
            share_changes=seen.share_changes,
            cashes=_recent_cash(self.reported_cash, self.at),
            adjusted=seen.adjusted,
            holdings_at_expiry={option: count for option, count in seen.holdings_at_expiry.items() if option in held},
        )

    def _positions(self, orders: Mapping[str, Order], session: Session) -> dict[str, Position]:
        """Return the positions that are not closed, or that a live order belongs to."""
        found = {name: decode(Position, dict(data)) for name, data in self.entities[Kind.POSITION].items()}
        working = {name for o in orders.values() if o.status.is_live for name in o.positions}
        return {name: each for name, each in found.items() if name in working or not is_over(each, session)}

    def _bots(self, kept: Mapping[str, Position], orders: Mapping[str, Order], session: Session) -> dict[str, BotState]:
        days = {bot: decode(BotDay, dict(data)) for bot, data in self.entities[Kind.BOT_DAY].items()}
        entered = {
            name: next((each for each in reversed(ids) if each in kept), "") for name, ids in self.by_hand.items()
        }
        return {
            name: BotState(
                day=day,
                manual_position=entered.get(name, ""),
                is_named=entered.get(name) in self.named,
                grid_since=self.watched.get(name),
                nearest=self.nearest.get(name),
                alarmed=frozenset(self.alarmed.get(name, ())),
                blocked=blocked_today(name, orders.values()),
            )
            for name, day in days.items()
            if is_same_week(day.date, session.date) or day.row_of
        }

    def _seen_until(self, kept: Mapping[str, Position]) -> datetime | None:
        """Return until when the account was watched: with an open connection, to the last mark."""
        if self.seen_at is None or not self.is_linked:
            return self.seen_at
        return max([self.seen_at, *(found for name, found in self.marked_at.items() if name in kept)])


def resume_from(
    recalled: StartupRecords,
    at: datetime,
    board: Board | None = None,
    events: EventCalendar | None = None,
    *,
    takes_hooks: bool = False,
) -> ResumedRun:
    """Return the state that a store leads to as of `at`, by what it recalls of its journal.

    Who only looks at it gives no board and no events. takes_hooks: as of `resume`.
    """
    board, events = board or Board(), events or EventCalendar()
    return resume(recalled.records, at, board, events, recalled.number, recalled.order_id, takes_hooks=takes_hooks)


def _book(booked: dict[str, BookedExecution], record: Record, orders: Mapping[str, Mapping[str, Json]]) -> None:
    """Book a fill."""
    data = record.data
    exec_id = execution_id(str(data["exec_id"]))
    count = int(str(data["quantity"]))
    order: Any = orders.get(str(data["ref"]))
    is_share = str(data["contract"]).endswith(SHARES_NAME)
    options = [each["option"] for each in order["legs"] if int(each["option"]["multiplier"]) > 1] if order else []
    by_order = int(options[0]["multiplier"]) if options else LOT
    multiplier = 1 if is_share else int(str(data.get(MULTIPLIER, by_order)))
    sign = -1 if data["is_buy"] else 1
    corrected, is_by_others = booked.get(exec_id.execution), data["purpose"] == BY_OTHERS
    booked[exec_id.execution] = BookedExecution(
        exec_id=exec_id,
        position=record.position,
        leg=str(data["leg"]),
        is_entry=str(data["purpose"]) == Purpose.ENTRY.value,
        quantity=-count if data.get(BUYS_BACK) else count,
        cash=Decimal(str(data["price"])) * count * multiplier * sign,
        commission=corrected.commission if corrected else ZERO,
        is_paid=has_no_pending(exec_id, count) or (corrected is not None and corrected.is_paid),
        by_others=is_by_others,
        ref="" if is_by_others else str(data["ref"]),
        taken_back=0 if is_by_others else taken_back(corrected, count),
        dealt_at=_dealt_at(record, corrected),
    )


def _dealt_at(record: Record, corrected: BookedExecution | None) -> datetime | None:
    """Return when a recorded fill traded, by its own record: orders of closed positions are not read."""
    if reported := record.data.get(DEALT_AT):
        return utc_time(str(reported))
    if corrected is not None:
        return corrected.dealt_at
    executed_at = record.data.get("executed_at")
    dealt_at = utc_time(str(executed_at)) if executed_at else None
    return dealt_by_record(record.at, dealt_at, by_others=record.data["purpose"] == BY_OTHERS)


def _recent_cash(reported: Iterable[tuple[datetime, Decimal]], at: datetime) -> Cashes:
    """Return what the account's cash was in the last minutes, and before. A clock that was set back mixes no order."""
    cashes: Cashes = ()
    for reported_at, cash in sorted(reported, key=itemgetter(0)):
        cashes = note_cash(cashes, cash, reported_at)
    return recent_cash(cashes, at)


def _reported_excess(alarm: Record) -> dict[Option, Excess]:
    """Return what an alarm says that the account holds beyond our books."""
    reported: Any = alarm.data.get(EXCESS) or []
    return {decode(Option, option): Excess(contracts, alarm.at, contracts) for option, contracts in reported}


def _closing_levels(settled: Iterable[Record], held: Mapping[str, Position], session: Session) -> dict[str, float]:
    """Return at which close of this session the options of positions at hand have settled, by symbol."""
    found: dict[str, float] = {}
    for record in settled:
        legs = held[record.position].legs if record.position in held else ()
        option = next((leg.option for leg in legs if leg.name == record.data["leg"]), None)
        if option is not None and option.expiry == session.date and not option.settles_at_open:
            found[option.symbol] = float(str(record.data["level"]))
    return found


def spec_texts(data: Json) -> list[SpecText]:
    """Return the texts of the bots of a run, from `specs` of its first record."""
    assert isinstance(data, dict)
    found = []
    for name, each in data.items():
        assert isinstance(each, dict)
        overrides = each.get("overrides") or {}
        assert isinstance(overrides, dict)
        found.append(
            SpecText(
                name=name,
                digest=str(each["digest"]),
                file=str(each["path"]),
                text=str(each["text"]),
                overrides={key: str(value) for key, value in overrides.items()},
            )
        )
    return found
