"""What a trial left, and whether the account document in force held for each entry and each refusal.

What was in force is known from the files: as they were when an engine started, or was asked to read them again. Only
when what was asked for is taken up comes from the journal.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

from rulebot.chaos.crash_points import CrashPoints
from rulebot.chaos.scenario import ChaosScenario
from rulebot.chaos.spec_files import ReadVersion, RecordedVersion
from rulebot.checks.against_ledger.books import CheckedDay
from rulebot.checks.against_ledger.findings import LedgerOrders
from rulebot.core.program import BUILT_IN, AccountLimits, CompiledBot, closing_times
from rulebot.core.queries.close_plan import CLOSING, legs_to_close
from rulebot.core.queries.lost_cover import CLOSED_AFTER, without_cover
from rulebot.core.queries.protection import GUARDING, guarded
from rulebot.documents.load_bots import LoadedBots, limits_as_json
from rulebot.model.cause import Halt
from rulebot.model.money import ZERO, dollars
from rulebot.model.order import Order, OrderStatus, Purpose
from rulebot.model.position import Position, PositionLeg
from rulebot.model.session import exchange_date, session_from, trades_no_more
from rulebot.model.values import dataclass
from rulebot.record.codec import decode, encode
from rulebot.record.record import NO_LIMITS_GIVEN, Json, Kind, Record
from rulebot.spec.nouns import Unit
from twsim import Row

# --- The remains of a trial, for its judges


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosResult:
    """A trial's store, the world outside of it, and external observations.

    tables: those that differ from their journal. starts: differences of the next start's state. unreported: commissions
    that the broker withheld. unreceived: orders, executions and commissions of an earlier session that no engine
    received, and that are not repeated. fired: how often each fault had an effect, by place; fired_open: while the
    account held options. deaths: crashes, acts and reloads that happened; done_open: acts with a position open. points:
    possible crash points. troubles: forbidden acts of an engine, in words. texts: contents of spec files, by digest;
    reported, reads: contents at each request, and at each start; wrong: what was read and cannot run. Nothing of
    unchanged files.
    """

    storm: ChaosScenario
    day: CheckedDay
    outside: LedgerOrders
    tables: tuple[str, ...]
    starts: tuple[str, ...]
    unreported: tuple[Row, ...]
    unheard: tuple[Row, ...] = ()
    fired: Mapping[int, int]
    fired_open: Mapping[int, int] = field(default_factory=dict)
    deaths: tuple[str, ...]
    done_open: tuple[str, ...] = ()
    lives: int
    points: CrashPoints
    troubles: tuple[str, ...] = ()
    texts: Mapping[str, CompiledBot] = field(default_factory=dict)
    reported: tuple[RecordedVersion, ...] = ()
    reads: tuple[ReadVersion, ...] = ()
    wrong: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Return its seed alone: asyncio prints what the coroutine of a run has returned."""
        return f"<what seed {self.storm.seed} has left>"

    @property
    def trace(self) -> str:
        """A hash over everything that was decided, everything that happened, and all that the broker wrote down."""
        rows = json.dumps([self.day.decisions, *self.outside.rows], sort_keys=True)
        return hashlib.sha256(rows.encode()).hexdigest()

    def governing(self, position: Position, desk: LoadedBots) -> CompiledBot | None:
        """Return the spec that a position was opened under; None for a bot that the trial does not know."""
        return self.texts.get(position.digest, desk.bots.get(position.bot))

    @property
    def fills(self) -> int:
        """How many executions are in the books."""
        return sum(record.kind is Kind.FILL for record in self.day.records)

    @property
    def kinds_fired(self) -> Counter[str]:
        """How often each kind of fault did something, crashes too, under the names of their labels."""
        return self._by_label(self.deaths, self.fired)

    @property
    def kinds_fired_open(self) -> Counter[str]:
        """How often each kind did something while a position was open, crashes apart."""
        return self._by_label(self.done_open, self.fired_open)

    def _by_label(self, done: Iterable[str], fired: Mapping[int, int]) -> Counter[str]:
        found: Counter[str] = Counter(done)
        plan = self.storm.plan.faults
        for place, times in fired.items():
            found[plan[place - 1].label] += times
        return found


# --- Whether the account document that was in force held, of each entry and of each refusal, in a trial

A_MINUTE = timedelta(minutes=1)
HALTED = "halted for the day by what all bots together have made"
_COUNTED = {
    "max_open": re.compile(r"has ([\d,]+) open position"),
    "entries_per_day": re.compile(r"have sent ([\d,]+) today"),
    "orders_per_minute": re.compile(r"([\d,]+) orders? in the last minute"),
}
"""How a refusal says how many trades are open, entries were sent in the session, and orders within a minute."""


def documents_taken_up(aftermath: ChaosResult, desk: LoadedBots) -> Iterator[str]:
    """Return where other limits are in force than in the account document, and invalid documents that were read.

    Also starts without a document where the last run had one, without an alarm.
    """
    yield from aftermath.wrong
    now: Json = None
    is_reported = False
    for record, asked, found in _in_force(aftermath, desk):
        if record.kind is Kind.ALARM:
            is_reported |= record.data.get("key") == NO_LIMITS_GIVEN
        elif record.kind is Kind.RUN_STARTED or record.data.get("what") == "applied":
            if not _alike(record.data.get("limits"), found):
                yield f"at {record.at} limits were taken up that the account document did not say"
            if found is None and now is not None and not is_reported:
                yield f"the engine that started at {record.at} had no account document, and there is no alert"
            now, is_reported = found, False
        elif record.data.get("what") == "asked" and bool(record.data["limit_changes"]) is _alike(now, asked):
            yield f"at {record.at} limits over all bots changed, or did not, otherwise than the account document"


def entries_and_refusals(aftermath: ChaosResult, desk: LoadedBots) -> Iterator[str]:
    """Return entries that the document in force forbids, and refusals by limits that it does not say.

    A refusal may repeat why a bot was halted earlier today, by the document of then.
    """
    first, seen = _first_positions(aftermath), _Seen()
    for at, group in groupby(_limited(aftermath, desk), key=lambda each: each[0].at):
        instant = list(group)
        before, halted, enough = seen.counts(at), dict(seen.halted), seen.made_alone(at)
        for record, limits in instant:
            yield from seen.out_of_band(record, limits)
            seen.take(record)
        after, entering = seen.counts(at), sum(_decides(record, "enter") for record, _ in instant)
        entered = 0
        for record, limits in instant:
            counts = _Counts(before, after, entering, entered)
            if _decides(record, "enter"):
                reasons = [*counts.forbid(limits), *_too_much(first[record.position], limits)]
                reasons += _made_enough(enough, limits) if not entered else []
                reasons += [HALTED] if halted.get(record.bot) == exchange_date(at) else []
                yield from (f"{record.position} is entered at {at}, {words}" for words in reasons)
                entered += 1
            elif _decides(record, "skip") or _decides(record, "halt"):
                reason = str(record.data["reason"])
                repeats = "halted: " in reason and seen.halted.get(record.bot) == exchange_date(at)
                reasons = [] if repeats else [*_not_said(reason, limits), *counts.miscounted(reason)]
                yield from (f"at {at} {record.bot}: {words}" for words in reasons)


def _first_positions(aftermath: ChaosResult) -> Mapping[str, Position]:
    """Return each position as it was when it was entered."""
    found: dict[str, Position] = {}
    for record in aftermath.day.records:
        if record.kind is Kind.POSITION and record.position not in found:
            found[record.position] = decode(Position, dict(record.data))
    return found


def _in_force(aftermath: ChaosResult, desk: LoadedBots) -> Iterator[tuple[Record, Json, Json]]:
    """Yield each record with the limits that were asked for last, and those that the files have put in force by it."""
    reported = {each.id: each.limits for each in aftermath.reported}
    asked: Json = None
    found: Json = None
    for record in aftermath.day.records:
        if record.kind is Kind.RUN_STARTED:
            asked = found = _read_at_start(aftermath, record) if aftermath.reads else limits_as_json(desk)
        elif record.kind is Kind.RELOAD and not record.bot:
            asked = reported[str(record.data["id"])] if record.data["what"] == "asked" else asked
            found = asked if record.data["what"] == "applied" else found
        yield record, asked, found


def _read_at_start(aftermath: ChaosResult, record: Record) -> Json:
    """Return the limits that a start read: the last before it, the first where its clock was behind all."""
    before = [each.limits for each in aftermath.reads if each.at <= record.at]
    return before[-1] if before else aftermath.reads[0].limits


def _limited(aftermath: ChaosResult, desk: LoadedBots) -> Iterator[tuple[Record, AccountLimits]]:
    """Yield each record with the limits then in force; they are parsed once each time they are reported."""
    reported: Json = None
    limits = BUILT_IN
    for record, _, found in _in_force(aftermath, desk):
        if found is not reported:
            reported, limits = found, _limits_of(found)
        yield record, limits


def _alike(one: Any, other: Any) -> bool:
    return (one or encode(BUILT_IN)) == (other or encode(BUILT_IN))


def _limits_of(reported: Any) -> AccountLimits:
    if reported is None:
        return BUILT_IN
    return decode(AccountLimits, {name: value for name, value in reported.items() if name != "require"})


def _decides(record: Record, what: str) -> bool:
    return record.kind is Kind.DECISION and record.data["what"] == what


class _Seen:
    """What had been entered, sent and made up to a record."""

    def __init__(self) -> None:
        self.halted: dict[str, date] = {}
        self._entered: dict[str, date] = {}
        self._open: dict[str, Position] = {}
        self._sent: dict[str, datetime] = {}
        self._made: dict[str, tuple[date, Decimal]] = {}

    def take(self, record: Record) -> None:
        """Know of a record."""
        data = dict(record.data)
        if record.kind is Kind.POSITION:
            position = decode(Position, data)
            self._open.pop(position.id, None)
            if position.state not in ("flat", "closed"):
                self._open[position.id] = position
        elif record.kind is Kind.ORDER:
            order = decode(Order, data)
            self._sent |= {} if order.sent_at is None else {order.ref: order.sent_at}
        elif record.kind is Kind.BOT_DAY:
            self._made[record.bot] = date.fromisoformat(str(data["date"])), Decimal(str(data.get("realized") or 0))
        elif _decides(record, "enter"):
            self._entered[record.position] = exchange_date(record.at)
        elif _decides(record, "shift"):
            self._entered.pop(record.position, None)
        elif _decides(record, "halt") and data["halt"] in (Halt.ACCOUNT_LOSS.value, Halt.ACCOUNT_PROFIT.value):
            self.halted[record.bot] = exchange_date(record.at)

    def counts(self, at: datetime) -> Mapping[str, int]:
        """Return what is counted: trades open or being entered, entries of the session, orders within a minute."""
        return {
            "max_open": len({each.entered_as for each in self._open.values()}),
            "entries_per_day": sum(day == exchange_date(at) for day in self._entered.values()),
            "orders_per_minute": sum(at - sent < A_MINUTE for sent in self._sent.values()),
        }

    def made_alone(self, at: datetime) -> Decimal | None:
        """Return what all bots have made in this session, None while something is open that may change that."""
        today = exchange_date(at)
        return None if self._open else sum((made for day, made in self._made.values() if day == today), ZERO)

    def out_of_band(self, record: Record, limits: AccountLimits) -> Iterator[str]:
        """Return an order to enter that leaves at a price too far from the mid, where the band is a price itself."""
        band = limits.price_band
        if record.kind is not Kind.ORDER or band.unit is not Unit.NUMBER:
            return
        order = decode(Order, dict(record.data))
        price, mid = order.limit_price, order.mid
        if order.purpose is not Purpose.ENTRY or order.ref in self._sent or price is None or mid is None:
            return
        if abs(price - mid) > band.value:
            yield f"{order.ref} is at {price}, {mid} is the mid, and price_band is {band.value}"


class _Counts(NamedTuple):
    """A count at one instant, of which the journal has decisions before the orders and positions they make.

    before, after: its value, by the name of its limit. entering: all entries of the instant; entered: those before this
    one.
    """

    before: Mapping[str, int]
    after: Mapping[str, int]
    entering: int
    entered: int

    def _span(self, name: str) -> tuple[int, int]:
        """Return the least and the most that it may have been at this decision."""
        ends = self.before[name], self.after[name] - self.entering
        return min(ends) + self.entered, max(ends) + self.entered

    def forbid(self, limits: AccountLimits) -> Iterator[str]:
        """Return which limits an entry passes."""
        for name in self.before:
            count, most = self._span(name)[0], getattr(limits, name)
            if most is not None and count >= most:
                yield f"with {count}, {name} is {most}"

    def miscounted(self, reason: str) -> Iterator[str]:
        """Return a count that a refusal states and that was different."""
        for name, pattern in _COUNTED.items():
            least, most = self._span(name)
            if (match := pattern.search(reason)) and not least <= int(match[1].replace(",", "")) <= most:
                yield f"'{reason}', and it was {least}" + ("" if least == most else f" to {most}")


def _too_much(position: Position, limits: AccountLimits) -> Iterator[str]:
    """Return which limits on one order a position passes as it is entered."""
    dealt = [(leg, leg.ratio * position.quantity) for leg in position.legs if not leg.option.is_share]
    contracts = sum(count for _, count in dealt)
    if limits.max_contracts_per_order is not None and contracts > limits.max_contracts_per_order:
        yield f"of {contracts} contracts, max_contracts_per_order is {limits.max_contracts_per_order}"
    notional = sum((leg.option.strike * leg.option.multiplier * count for leg, count in dealt), ZERO)
    if limits.max_notional_per_order is not None and notional > limits.max_notional_per_order:
        yield f"over {dollars(notional)}, max_notional_per_order is {dollars(limits.max_notional_per_order)}"
    worst, bound = (position.max_risk or ZERO) * position.quantity, limits.worst_case
    if bound is not None and bound.unit is Unit.DOLLARS and worst > bound.value:
        yield f"and could lose {dollars(worst)}, worst_case is at most {dollars(bound.value)}"


def _made_enough(made: Decimal | None, limits: AccountLimits) -> Iterator[str]:
    """Return which bound of the day was passed by what is realised, None while that may change."""
    if made is not None and limits.daily_loss is not None and made <= -limits.daily_loss:
        yield f"{dollars(-made)} were lost, daily_loss is {dollars(limits.daily_loss)}"
    if made is not None and limits.daily_profit is not None and made >= limits.daily_profit:
        yield f"{dollars(made)} were made, daily_profit is {dollars(limits.daily_profit)}"


def _not_said(reason: str, limits: AccountLimits) -> Iterator[str]:
    """Return a limit that a refusal names and that is not in force."""
    for name, words, said in _said(limits):
        if words in reason and not (said and reason.endswith(f"{words}{said}")):
            yield f"'{reason}', and {name} is {said or 'no limit'}"


def _said(limits: AccountLimits) -> Iterator[tuple[str, str, str]]:
    """Yield each limit: its name, how a refusal leads to its value, and the value as it is said, "" for none."""
    for name in ("max_open", "entries_per_day", "orders_per_minute", "max_contracts_per_order"):
        value = getattr(limits, name)
        yield name, f"{name} is ", "" if value is None else f"{value}"
    for name, whose in (("daily_loss", "its "), ("daily_profit", "its "), ("max_notional_per_order", "")):
        value = getattr(limits, name)
        yield name, f"{whose}{name} is ", "" if value is None else dollars(value)


# --- Invariant 27: no short leg is without protection longer than its spec allows

SLACK = timedelta(seconds=10)
"""How much later than its limit the engine may begin to close, since it is woken by quotes and timers."""
RUNNING = timedelta(seconds=2)
"""How long the engine must have run beyond the limit: a suspended one acts at its next instant."""


class _Watch:
    """The state at one instant of the journal, and since when each position has been without protection."""

    def __init__(self, aftermath: ChaosResult, desk: LoadedBots) -> None:
        self._aftermath, self._desk = aftermath, desk
        self._positions: dict[str, Position] = {}
        self._orders: dict[str, Order] = {}
        self._since: dict[str, datetime] = {}
        self._seen: dict[str, datetime] = {}
        self._reported: set[str] = set()
        self._is_linked = False

    def unlink(self) -> None:
        """Know that no engine is connected, and none was since the last record."""
        self._is_linked = False
        self._since.clear()
        self._seen.clear()

    def note(self, record: Record) -> Iterator[str]:
        """Take one record, and yield what was unprotected too long before it changes anything."""
        yield from self._too_long(record.at)
        if record.kind is Kind.LINK:
            self._is_linked = bool(record.data["up"])
        elif record.kind is Kind.POSITION:
            self._positions[record.position] = decode(Position, dict(record.data))
        elif record.kind is Kind.ORDER:
            order = decode(Order, dict(record.data))
            self._orders[order.ref] = order
        self._look(record.at)

    def _too_long(self, at: datetime) -> Iterator[str]:
        for name, since in list(self._since.items()):
            position = self._positions[name]
            over = since + self._limit(position) + SLACK
            if at > over + RUNNING and self._seen.get(name, since) > over:
                yield f"{name} of {position.bot} had a short leg without protection from {since:%H:%M:%S} UTC on"
                self._reported.add(name)
                del self._since[name]
            self._seen[name] = at

    def _limit(self, position: Position) -> timedelta:
        bot = self._aftermath.governing(position, self._desk)
        limit = None if bot is None else bot.of(position).plan.risk.max_time_without_stop
        return CLOSED_AFTER if limit is None else timedelta(seconds=limit)

    def _look(self, at: datetime) -> None:
        session = session_from(exchange_date(at))
        for name, position in self._positions.items():
            is_watched = self._is_linked and session.is_on(at) and _is_watched(position, at)
            if is_watched and name not in self._reported and self._is_bare(position, at):
                self._since.setdefault(name, at)
            else:
                self._since.pop(name, None)
                self._seen.pop(name, None)

    def _is_bare(self, position: Position, at: datetime) -> bool:
        bot = self._aftermath.governing(position, self._desk)
        is_each = bot is not None and bot.of(position).plan.risk.max_time_without_stop is not None
        lost = without_cover(position)
        if not (is_each or lost):
            return False
        orders = [order for order in self._orders.values() if order.is_of(position.id) and order.status.is_live]
        if any(order.purpose in GUARDING and not order.is_working for order in orders):
            return False
        closing = self._closing(position, orders)
        return any(
            guarded(orders, position, leg) < (leg.held if is_each else lost.get(leg.name, 0))
            for leg in _short_legs(position, at)
            if leg.name not in closing
        )

    def _closing(self, position: Position, orders: Sequence[Order]) -> set[str]:
        """Return the legs that the working exit closes one after the other, while an order of it works."""
        bot = self._aftermath.governing(position, self._desk)
        is_at_work = any(order.purpose in CLOSING and order.is_working for order in orders)
        if bot is None or position.state != "exiting" or not is_at_work:
            return set()
        return {leg.name for leg, _ in legs_to_close(position, bot.of(position))}


def _is_watched(position: Position, at: datetime) -> bool:
    """Say whether the engine must protect the short legs of a position now.

    Not where it is on hold for an unknown contract or an over-close, nor while it waits with the next order after a
    reject or an external cancel.
    """
    is_on_hold = position.is_frozen and not position.may_buy_back
    waits = position.retry_at is not None and at <= position.retry_at
    return position.state in ("open", "exiting") and not is_on_hold and not waits


def unprotected_too_long(aftermath: ChaosResult, desk: LoadedBots) -> Iterator[str]:
    """Return short legs without protection for longer than the spec of their position allows."""
    watch, records = _Watch(aftermath, desk), aftermath.day.records
    starting = _starting(records)
    for place, record in enumerate(records):
        if place in starting:
            watch.unlink()
        yield from watch.note(record)


def _starting(records: Sequence[Record]) -> set[int]:
    """Return the places of records of a start up to `run_started`: it first reports the runs before it."""
    found: set[int] = set()
    for place, record in enumerate(records):
        if record.kind is Kind.RUN_STARTED:
            at = record.at
            while place >= 0 and records[place].at == at:
                found.add(place)
                place -= 1
    return found


def _short_legs(position: Position, at: datetime) -> list[PositionLeg]:
    """Return the legs that are sold, held and still traded."""
    session = session_from(exchange_date(at))
    shorts = (leg for leg in position.common.legs if leg.sign < 0 and leg.held > 0)
    return [leg for leg in shorts if not trades_no_more(leg.option.expiry, session, at)]


# --- Whether each position is entered and left by the text that governs it, in a trial whose specs change

_ALL = ""
"""Means all bots, where the limits over them change."""


def governed(aftermath: ChaosResult) -> Iterator[str]:
    """Return entries by a spec that did not run, exits before their spec's time, and wrong reloads.

    Also entries during a waiting reload. A wrong reload has another result than the files.

    Nothing of a trial with unchanged files.
    """
    if aftermath.texts:
        yield from _entered_otherwise(aftermath)
        yield from _left_too_early(aftermath)
        yield from _taken_up_otherwise(aftermath)
        yield from _waits_for_nothing(aftermath)


def _entered_otherwise(aftermath: ChaosResult) -> Iterator[str]:
    running: Mapping[str, str] = {}
    waiting: set[str] = set()
    seen: set[str] = set()
    for record in aftermath.day.records:
        if (specs := _specs(record)) is not None:
            running, waiting = specs, set()
        elif record.kind is Kind.RELOAD and not record.bot:
            waiting = _waiting(record, waiting)
        elif record.kind is Kind.ORDER:
            order = decode(Order, dict(record.data))
            if order.ref in seen or order.purpose is not Purpose.ENTRY:
                continue
            seen.add(order.ref)
            if order.digest != running.get(order.bot):
                yield f"{order.ref} of {order.bot} enters by {order.digest[:8]}, which did not run at {record.at}"
            if waiting & {order.bot, _ALL}:
                yield f"{order.ref} of {order.bot} was sent at {record.at}, while a reload waited to be taken up"


def _specs(record: Record) -> Mapping[str, str] | None:
    """Return the digests of running specs from a record on, by bot, None for one that changes nothing."""
    found: Any = record.data.get("specs") if record.kind in (Kind.RUN_STARTED, Kind.RELOAD) else None
    return None if found is None else {name: str(each["digest"]) for name, each in found.items()}


def _waiting(record: Record, before: set[str]) -> set[str]:
    """Return the bots that wait for other texts after a record of a reload; one refused leaves an older plan."""
    data: Mapping[str, Any] = record.data
    if data["what"] == "asked":
        return {_ALL} if data["limit_changes"] else {str(each["bot"]) for each in data["changes"]}
    return before if data["what"] == "waits" or (data["what"] == "refused" and data.get("id")) else set()


def _left_too_early(aftermath: ChaosResult) -> Iterator[str]:
    """Return exits at a time of day that came before the one that the text of their position names."""
    for each in aftermath.day.positions.values():
        if each.digest not in aftermath.texts:
            yield f"{each.id} is governed by {each.digest[:8]}, which no file ever said"
    for record in aftermath.day.records:
        position = aftermath.day.positions.get(record.position)
        if record.kind is not Kind.DECISION or record.data["what"] != "exit" or position is None:
            continue
        text = aftermath.texts.get(position.digest)
        if text is not None and (due := _due(text.of(position), str(record.data["reason"]), record)):
            yield f"{position.id} leaves by {record.data['reason']} at {record.at}, its text says {due}"


def _due(bot: CompiledBot, reason: str, record: Record) -> str:
    """Return the times of an exit that acts by the clock alone, all of which are in the future; "" where none is."""
    session = session_from(exchange_date(record.at))
    exits = (planned for planned in bot.plan.exits if planned.name == reason)
    times = [at.before_close(session) for planned in exits for at in closing_times(planned)]
    return ", ".join(f"{at:%H:%M:%S} UTC" for at in times) if times and record.at < min(times) else ""


def _taken_up_otherwise(aftermath: ChaosResult) -> Iterator[str]:
    reported = {each.id: each for each in aftermath.reported}
    has_limits = False
    asked: tuple[tuple[str, str], ...] | None = None
    for record in aftermath.day.records:
        if record.kind is Kind.RUN_STARTED or record.data.get("what") == "applied":
            has_limits = record.data.get("limits") is not None
        if record.kind is not Kind.RELOAD or record.bot:
            continue
        what, id = record.data["what"], str(record.data.get("id", ""))
        if id:
            yield from _answered_otherwise(record, reported[id], has_limits=has_limits)
        if what == "asked":
            asked = reported[id].digests
        elif what == "applied" and (specs := _specs(record)) is not None and tuple(sorted(specs.items())) != asked:
            yield f"at {record.at} other texts were taken up than the files said"


def _answered_otherwise(record: Record, reported: RecordedVersion, *, has_limits: bool) -> Iterator[str]:
    """Return a reload that was refused though its files can be run, or taken up though they cannot."""
    is_fine = reported.digests is not None and (reported.limits is not None or not has_limits)
    if is_fine is (record.data["what"] == "refused"):
        said = "could be run" if is_fine else "could not be run"
        yield f"of {reported.id}, of files that {said}, came: {record.data['what']} {record.data.get('reason', '')}"


def _waits_for_nothing(aftermath: ChaosResult) -> Iterator[str]:
    """Return a reload that waits at the end without a reason."""
    day, reason = aftermath.day, ""
    waiting: set[str] = set()
    for record in day.records:
        if record.kind is Kind.RUN_STARTED:
            waiting = set()
        elif record.kind is Kind.RELOAD and not record.bot:
            waiting, reason = _waiting(record, waiting), str(record.data.get("reason") or reason)
    orders = (order for order in day.orders.values() if order.status.is_live)
    is_sent = any(order.can_increase_risk or order.status is not OrderStatus.WORKING for order in orders)
    is_moving = any(position.state in ("entering", "exiting") for position in day.positions.values())
    if waiting and not (is_sent or is_moving):
        yield f"a reload waits at the end for {reason}, and nothing is under way"
