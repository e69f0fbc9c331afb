"""Start-up is recovery: the state is read back from the journal, whatever the last run's end was.

Orders, positions and bot days are entities: the last value recorded is the truth. The market is read anew, and the
broker is compared with at LinkUp.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from operator import itemgetter
from typing import Any

from rulebot.core.duplicate_orders import cancelled_for_duplicate
from rulebot.core.early_assignment import note_cash, recent_cash
from rulebot.core.entry_ended import blocked_today
from rulebot.core.hooks import Hooks, after_hook
from rulebot.core.session_start import is_over, is_same_week, retained_executions
from rulebot.core.state import AccountSeen, BotState, Cashes, NearestMiss, OperatorState, State, Surplus
from rulebot.core.state_builder import active_ids, alarm_key, key_of, live_refs
from rulebot.decide.entry_window import BotDay
from rulebot.documents.load_bots import SpecText
from rulebot.fill.ledger import BY_OTHERS, BookedExecution, dealt_by_record, of_others, owes_none, taken_back
from rulebot.model.collector import seldom_collected
from rulebot.model.contract import LOT, SHARES_NAME, Option
from rulebot.model.event import ExecutionReport
from rulebot.model.facts import EventCalendar, Facts
from rulebot.model.market import Board
from rulebot.model.money import ZERO, TickRule
from rulebot.model.order import Order, Purpose
from rulebot.model.position import Position
from rulebot.model.session import (
    Hours,
    Session,
    as_told,
    at_exchange_time,
    exchange_date,
    hours_of,
    session_before,
    session_from,
)
from rulebot.model.share_coverage import counting_shares
from rulebot.model.values import dataclass
from rulebot.record.codec import decode, utc_time
from rulebot.record.record import (
    ACCOUNT_SEEN,
    BASE,
    BUYS_BACK,
    BY_HAND,
    CLOSING,
    DEALT_AT,
    EXECUTION,
    GRID,
    HOURS,
    IS_NAMED,
    MULTIPLIER,
    NAMED_ABOVE,
    NEAREST,
    OPENING_MOVE,
    SURPLUS,
    TICKS,
    WATCH,
    Json,
    Kind,
    Record,
)
from rulebot.recovery.operator_state import after_record
from rulebot.store.recall import LINES_KEPT, StartupRecords

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
    """What a store knows: the state to go on from, the texts that governed earlier, and the last run's marks."""

    state: State
    texts: tuple[SpecText, ...]
    install: str
    is_fresh: bool


@seldom_collected()
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
    """Return the state that the journal leads to, as of `at`.

    `records` are all of it, or those that matter (`store/recall.py`); then `number` and `order_id` are the highest of
    all orders, told apart since not all of them are here.
    takes_hooks: web hooks can come.
    """
    session = session_from(exchange_date(at))
    midnight = at_exchange_time(session.date, time())
    begins = at_exchange_time(session_before(session.date).date + timedelta(days=1), time())
    entities: dict[Kind, dict[str, Mapping[str, Json]]] = {Kind.ORDER: {}, Kind.POSITION: {}, Kind.BOT_DAY: {}}
    booked: dict[str, BookedExecution] = {}
    marks: dict[str, Json] = {}
    bases: dict[str, Json] = {}
    texts: dict[str, SpecText] = {}
    requests: set[str] = set()
    accepted: set[str] = set()
    surplus: dict[Option, Surplus] = {}
    standing = OperatorState()
    named_above = 0
    hooks: Hooks | None = {} if takes_hooks else None
    hook_ids: set[str] = set()
    moves: dict[tuple[str, date], float] = {}
    hours: dict[str, Hours] = {}
    ticks: dict[str, TickRule] = {}
    settled: list[Record] = []
    ended: dict[str, list[Mapping[str, Any]]] = {}
    closing: dict[str, float] = {}
    by_hand: dict[str, list[str]] = {}
    named: set[str] = set()
    watched: dict[str, datetime | None] = {}
    nearest: dict[str, NearestMiss] = {}
    alarmed: dict[str, set[str]] = {}
    seen, seen_at, is_linked = AccountSeen(), None, True
    marked_at: dict[str, datetime] = {}
    told_cash: list[tuple[datetime, Decimal]] = []
    install = ""
    for record in records:
        data = record.data
        if record.kind is Kind.MARK:  # nearly all records are
            if data.get("profit") is not None:
                marks[record.position], marked_at[record.position] = data["profit"], record.at
                if record.at < midnight:
                    bases[record.position] = data["profit"]
            continue
        if (key := _KEYS.get(record.kind)) is not None:
            entities[record.kind][str(data[key])] = data
        elif record.kind is Kind.FILL:
            _book(booked, record, entities[Kind.ORDER])
        elif record.kind is Kind.COMMISSION:
            base = str(data["exec_id"]).rpartition(".")[0]
            if base in booked:
                booked[base] = replace(booked[base], commission=Decimal(str(data["amount"])), is_paid=True)
        elif record.kind is Kind.SETTLEMENT:
            if record.at >= midnight:
                ended.setdefault(record.position, []).append(data)
            if data["level"] is not None:
                settled.append(record)
        elif record.kind is Kind.ALARM:
            if (told := data.get(EXECUTION)) is not None:
                report = decode(ExecutionReport, told)
                base = report.exec_id.rpartition(".")[0]
                if not record.position:
                    booked[base] = of_others(report)
                elif base in booked:  # what was ours was corrected too late: nothing but its name changes
                    booked[base] = replace(booked[base], exec_id=report.exec_id)
            if record.at >= begins:  # on days off before it, too
                surplus.update(_told_surplus(record))
                alarmed.setdefault(record.bot, set()).add(
                    alarm_key(record.position, str(data.get("key") or key_of(str(data["text"]))))
                )
        elif record.kind is Kind.OPERATOR:
            requests.add(str(data["id"]))
            standing = after_record(standing, record)
            if data.get(NAMED_ABOVE):  # the store was put back: what came after it is not known
                named_above = max(named_above, int(str(data[NAMED_ABOVE])))
                seen, seen_at = AccountSeen(), None
            let_be = data.get("accepted") or []
            assert isinstance(let_be, list)
            accepted.update(str(key) for key in let_be)
        elif record.kind is Kind.WEBHOOK and exchange_date(record.at) >= session.date:
            hook_ids.add(str(data["id"]))
            hooks = after_hook(hooks, str(data["name"]), str(data["says"]), utc_time(str(data["came"])))
        elif record.kind is Kind.DECISION:
            if data.get(BY_HAND):
                by_hand.setdefault(record.bot, []).append(record.position)
                named |= {record.position} if data.get(IS_NAMED) else set()
            if data.get("what") in GRID and exchange_date(record.at) == session.date:
                since = data.get("since")
                began = record.at if since is None else utc_time(str(since))
                watched[record.bot] = began if data["what"] == WATCH else None
        elif record.kind is Kind.FACTS and data.get("what") == BASE:
            if record.at >= begins:
                bases[record.position] = data["value"]
        elif record.kind is Kind.FACTS and data.get("what") == ACCOUNT_SEEN:
            if record.at >= midnight - LINES_KEPT:
                until = data.get("until")
                seen, seen_at = decode(AccountSeen, data["value"]), utc_time(str(until)) if until else record.at
        elif record.kind is Kind.FACTS and data.get("what") == TICKS:
            if record.at >= midnight - LINES_KEPT:
                ticks[str(data["trading_class"])] = decode(TickRule, data["value"])
        elif record.kind is Kind.FACTS and exchange_date(record.at) != session.date:
            continue
        elif record.kind is Kind.FACTS and data.get("what") == HOURS:
            hours[str(data["symbol"])] = hours_of(str(data["value"]), session.date)
        elif record.kind is Kind.FACTS and data.get("what") == NEAREST:
            nearest[record.bot] = decode(NearestMiss, data["value"])
        elif record.kind is Kind.FACTS and data.get("what") == CLOSING:
            closing[str(data["symbol"])] = float(str(data["value"]))
        elif record.kind is Kind.FACTS and data.get("what") == OPENING_MOVE:
            moves[str(data["symbol"]), date.fromisoformat(str(data["expiry"]))] = float(str(data["value"]))
        elif record.kind is Kind.ACCOUNT:
            if data["cash"] is not None:
                told_cash.append((record.at, Decimal(str(data["cash"]))))
        elif record.kind is Kind.LINK:
            is_linked = bool(data["up"])
        elif record.kind is Kind.RUN_ENDED:
            seen_at = record.at if data.get("is_linked") else seen_at
        elif record.kind is Kind.RUN_STARTED:
            install = str(data["install"])
        if (specs := data.get("specs")) is not None:
            texts.update({text.digest: text for text in spec_texts(specs)})
    session = as_told(session, hours.values())
    settled = [record for record in settled if record.at >= session.close]
    orders = {ref: decode(Order, dict(data)) for ref, data in entities[Kind.ORDER].items()}
    written = {name: decode(Position, dict(data)) for name, data in entities[Kind.POSITION].items()}
    positions = {name: counting_shares(each, ended.get(name, ())) for name, each in written.items()}
    days = {bot: decode(BotDay, dict(data)) for bot, data in entities[Kind.BOT_DAY].items()}
    working = {name for o in orders.values() if o.status.is_live for name in o.positions}
    kept = {name: found for name, found in positions.items() if name in working or not is_over(found, session)}
    known = {ref: o for ref, o in orders.items() if o.status.is_live or kept.keys() >= {*o.positions}}
    if seen_at is not None and is_linked:
        seen_at = max([seen_at, *(found for name, found in marked_at.items() if name in kept)])
    held = {leg.option for each in kept.values() for leg in each.legs if leg.held}
    sent = sorted(o.sent_at for o in known.values() if o.sent_at is not None and at - o.sent_at < RECENT)
    snapshots = {name: Decimal(str(made)) for name, made in marks.items() if name in kept}
    entered = {name: next((each for each in reversed(ids) if each in kept), "") for name, ids in by_hand.items()}
    state = State(
        session=session,
        board=board,
        facts=Facts(events=events, hooks=hooks, opening_moves=moves, hours=hours, ticks=ticks),
        standing=standing,
        positions=kept,
        orders=known,
        live=live_refs(known),
        twins=cancelled_for_duplicate(known.values()),
        active=active_ids(kept),
        by_id={o.order_id: ref for ref, o in known.items() if o.order_id},
        booked=retained_executions(booked, kept, session),
        sent=tuple(sent),
        marks=snapshots,
        snapshots=snapshots,
        bases={name: Decimal(str(made)) for name, made in bases.items() if name in kept},
        bots={
            name: BotState(
                day=day,
                hand_entered=entered.get(name, ""),
                is_named=entered.get(name) in named,
                grid_since=watched.get(name),
                nearest=nearest.get(name),
                alarmed=frozenset(alarmed.get(name, ())),
                blocked=blocked_today(name, known.values()),
            )
            for name, day in days.items()
            if is_same_week(day.date, session.date) or day.row_of
        },
        next_number=max((number, named_above, *(o.number for o in orders.values()))) + 1,
        named_above=named_above,
        next_order_id=max((order_id, *(o.order_id for o in orders.values()))) + 1,
        closing={**_closing_levels(settled, kept, session), **closing},
        requests=frozenset(requests),
        hook_ids=frozenset(hook_ids),
        accepted=frozenset(accepted),
        surplus=surplus,
        holdings=seen.holdings,
        costs=seen.costs,
        seen_at=seen_at if seen.holdings or seen.doubts else None,
        doubts=seen.doubts,
        shifts=seen.shifts,
        adjusted=seen.adjusted,
        cashes=_recent_cash(told_cash, at),
        at_last={option: count for option, count in seen.at_last.items() if option in held},
    )
    needed = {position.digest for position in kept.values()}
    return ResumedRun(
        state, tuple(texts[d] for d in sorted(needed & texts.keys())), install, not orders and not install
    )


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
    exec_id = str(data["exec_id"])
    count = int(str(data["quantity"]))
    order: Any = orders.get(str(data["ref"]))
    is_share = str(data["contract"]).endswith(SHARES_NAME)
    options = [each["option"] for each in order["legs"] if int(each["option"]["multiplier"]) > 1] if order else []
    by_order = int(options[0]["multiplier"]) if options else LOT
    multiplier = 1 if is_share else int(str(data.get(MULTIPLIER, by_order)))
    sign = -1 if data["is_buy"] else 1
    base = exec_id.rpartition(".")[0]
    corrected, is_by_others = booked.get(base), data["purpose"] == BY_OTHERS
    booked[base] = BookedExecution(
        exec_id=exec_id,
        position=record.position,
        leg=str(data["leg"]),
        is_entry=str(data["purpose"]) == Purpose.ENTRY.value,
        quantity=-count if data.get(BUYS_BACK) else count,
        cash=Decimal(str(data["price"])) * count * multiplier * sign,
        commission=corrected.commission if corrected else ZERO,
        is_paid=owes_none(exec_id, count) or (corrected is not None and corrected.is_paid),
        by_others=is_by_others,
        ref="" if is_by_others else str(data["ref"]),
        taken_back=0 if is_by_others else taken_back(corrected, count),
        dealt_at=_dealt_at(record, corrected),
    )


def _dealt_at(record: Record, corrected: BookedExecution | None) -> datetime | None:
    """Return when a recorded fill was dealt, by its own record: of a position that is over no order is recalled."""
    if told := record.data.get(DEALT_AT):
        return utc_time(str(told))
    if corrected is not None:
        return corrected.dealt_at
    executed_at = record.data.get("executed_at")
    dealt_at = utc_time(str(executed_at)) if executed_at else None
    return dealt_by_record(record.at, dealt_at, by_others=record.data["purpose"] == BY_OTHERS)


def _recent_cash(told: Iterable[tuple[datetime, Decimal]], at: datetime) -> Cashes:
    """Return what the account's cash was in the last minutes, and before. A clock that was set back mixes no order."""
    cashes: Cashes = ()
    for told_at, cash in sorted(told, key=itemgetter(0)):
        cashes = note_cash(cashes, cash, told_at)
    return recent_cash(cashes, at)


def _told_surplus(alarm: Record) -> dict[Option, Surplus]:
    """Return what an alarm says that the account holds beyond our books."""
    told: Any = alarm.data.get(SURPLUS) or []
    return {decode(Option, option): Surplus(contracts, alarm.at, contracts) for option, contracts in told}


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
