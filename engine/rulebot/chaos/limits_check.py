"""Whether the account document that was in force held, of each entry and of each refusal, in a trial.

What was in force is known from the files: as they were when an engine started, or was asked to read them again. Only
when what was asked for is taken up comes from the journal.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

from rulebot.chaos.result import ChaosResult
from rulebot.core.program import BUILT_IN, AccountLimits
from rulebot.documents.load_bots import LoadedBots
from rulebot.documents.reload_specs import told_limits
from rulebot.model.halt import Halt
from rulebot.model.money import ZERO, dollars
from rulebot.model.order import Order, Purpose
from rulebot.model.position import Position
from rulebot.model.session import exchange_date
from rulebot.record.codec import decode, encode
from rulebot.record.record import NO_LIMITS_TOLD, Json, Kind, Record
from rulebot.spec.nouns.condition import Unit

A_MINUTE = timedelta(minutes=1)
HALTED = "halted for the day by what all bots together have made"
_COUNTED = {
    "max_open": re.compile(r"has ([\d,]+) open position"),
    "entries_per_day": re.compile(r"have sent ([\d,]+) today"),
    "orders_per_minute": re.compile(r"([\d,]+) orders? in the last minute"),
}
"""How a refusal says how many trades are open, entries were sent in the session, and orders within a minute."""


def documents_taken_up(aftermath: ChaosResult, desk: LoadedBots) -> Iterator[str]:
    """Return where other limits are in force than the account document said, and what nobody can run was read; and
    starts without a document where the last run had one, of which nobody was told.
    """
    yield from aftermath.wrong
    now: Json = None
    is_told = False
    for record, asked, found in _in_force(aftermath, desk):
        if record.kind is Kind.ALARM:
            is_told |= record.data.get("key") == NO_LIMITS_TOLD
        elif record.kind is Kind.RUN_STARTED or record.data.get("what") == "applied":
            if not _alike(record.data.get("limits"), found):
                yield f"at {record.at} limits were taken up that the account document did not say"
            if found is None and now is not None and not is_told:
                yield f"the engine that started at {record.at} had no account document, and nobody was told"
            now, is_told = found, False
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
    told = {each.id: each.limits for each in aftermath.told}
    asked: Json = None
    found: Json = None
    for record in aftermath.day.records:
        if record.kind is Kind.RUN_STARTED:
            asked = found = _read_at_start(aftermath, record) if aftermath.reads else told_limits(desk)
        elif record.kind is Kind.RELOAD and not record.bot:
            asked = told[str(record.data["id"])] if record.data["what"] == "asked" else asked
            found = asked if record.data["what"] == "applied" else found
        yield record, asked, found


def _read_at_start(aftermath: ChaosResult, record: Record) -> Json:
    """Return the limits that a start read: the last before it, the first where its clock was behind all."""
    before = [each.limits for each in aftermath.reads if each.at <= record.at]
    return before[-1] if before else aftermath.reads[0].limits


def _limited(aftermath: ChaosResult, desk: LoadedBots) -> Iterator[tuple[Record, AccountLimits]]:
    """Yield each record with the limits in force by it; they are read once each time that they are told."""
    told: Json = None
    limits = BUILT_IN
    for record, _, found in _in_force(aftermath, desk):
        if found is not told:
            told, limits = found, _limits_of(found)
        yield record, limits


def _alike(one: Any, other: Any) -> bool:
    return (one or encode(BUILT_IN)) == (other or encode(BUILT_IN))


def _limits_of(told: Any) -> AccountLimits:
    if told is None:
        return BUILT_IN
    return decode(AccountLimits, {name: value for name, value in told.items() if name != "require"})


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
    """What was counted at one instant, of which the journal has decisions before the orders and positions they make.

    before, after: it, by the name of its limit. entering: all entries of the instant; entered: those before this one.
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
        """Return a count that a refusal tells and that was another."""
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
