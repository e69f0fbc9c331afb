"""Closes that no execution was reported of, booked at an estimated price."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_booked, put_position
from rulebot.core.state.lists import active_positions
from rulebot.core.state.turn import alarm
from rulebot.fill.ledger import BY_OTHERS, BookedExecution, add_commission, beyond_report, book, leg_of
from rulebot.model.contract import Option
from rulebot.model.event import ExecutionReport
from rulebot.model.money import ZERO
from rulebot.model.order import ExecutionId, missed_base
from rulebot.model.position import CLOSED_BY_HAND, LIQUIDATED, MissingLeg, Position, PositionLeg
from rulebot.model.session import session_from
from rulebot.model.values import replace
from rulebot.record.record import Kind

TOO_LATE_TO_SEE = timedelta(minutes=1)
"""So shortly before the end of an option's last day a shortfall of the account can no longer be noticed."""


def _holders(work: StateBuilder, option: Option) -> list[tuple[Position, PositionLeg]]:
    """Return the legs that hold an option, with their positions: on both sides of it, maybe."""
    legs = ((each, leg) for each in active_positions(work) for leg in each.legs if leg.option == option)
    return [(each, leg) for each, leg in legs if leg.held > 0]


def book_external_before_expiry(work: StateBuilder, option: Option, last: Decimal = ZERO) -> dict[str, str]:
    """Book what others closed of an option before it expired; return by position how it was closed.

    After expiry the account no longer shows a shortfall. The observed shortfall counts, else the final difference
    (`last` is its last holding), else external executions reported too late to be observed. For those reported in time,
    the account still showed our contracts.
    """
    reported = [
        booked
        for booked in work.positions.executions.values()
        if booked.foreign is not None and booked.foreign.option == option
    ]
    lacking = _lacking_at_last(work, option, reported, last) if reported else 0
    holders = [(each, leg) for each, leg in _holders(work, option) if leg.sign * lacking > 0]
    if len(holders) > 1:
        for each, _ in holders:
            if not each.account_missing:
                _report_shared(work, each, option)
    if len(holders) != 1 or abs(lacking) > holders[0][1].held:
        return {}
    position, leg = holders[0]
    found = _latest(reported, position, option, lacking)
    reports = [booked.foreign for booked in found if booked.foreign is not None]
    for booked in found:
        _book(work, position.id, leg, booked)
    if reports:
        who = "the broker has liquidated" if _reason(reports) == LIQUIDATED else "another client has closed"
        text = f"{who} {abs(lacking)} {option} of {position.id} before the expiry: booked at {_prices(reports)}"
        alarm(work, position.bot, f"{text}, as the broker reports", position.id)
    return {position.id: _reason(reports)} if reports else {}


def _lacking_at_last(work: StateBuilder, option: Option, reported: Iterable[BookedExecution], last: Decimal) -> int:
    """Return what the account lacked of an expired option in the end, - of a short."""
    holders = _holders(work, option)
    counts = (
        leg.sign * each.contracts for held, leg in holders for each in held.account_missing if each.leg == leg.name
    )
    if missed := next(filter(None, counts), 0):
        return missed
    if last:
        return sum(leg.signed_held for _, leg in holders) - int(last)
    since = session_from(option.expiry).close - TOO_LATE_TO_SEE
    late = [report for each in reported if (report := each.foreign) is not None and report.at >= since]
    return sum(int(each.quantity) * (-1 if each.is_buy else 1) for each in late)


def _latest(
    reported: Iterable[BookedExecution], position: Position, option: Option, lacking: int
) -> list[BookedExecution]:
    """Return the latest executions of others that together are just what the account lacks, - of a short; else none.

    None is older than the position, or of what is no trade any more: its option has expired.
    """
    since = position.opened_at
    until = None if option.is_share else session_from(option.expiry).close
    reports = {each.exec_id: each.foreign for each in reported if each.foreign is not None}
    right = [
        report
        for report in reports.values()
        if report.quantity
        and report.option == option
        and report.is_buy is (lacking < 0)
        and since
        and report.executed_at is not None  # of an unknown time a person must say what it has closed
        and since <= report.executed_at
        and (until is None or report.executed_at < until)
    ]
    found: list[ExecutionId] = []
    left = abs(lacking)
    for report in sorted(right, key=lambda each: (each.executed_at or each.at, each.exec_id), reverse=True):
        if left <= 0:
            break
        found.append(report.exec_id)
        left -= int(report.quantity)
    return [] if left else [each for each in reported if each.exec_id in found]


def _book(work: StateBuilder, name: str, leg: PositionLeg, reported: BookedExecution) -> None:
    report = reported.foreign
    assert report is not None
    if report.option is not None and not leg.option.con_id:  # its own fills were never reported
        leg = replace(leg, option=report.option)
    sign = -1 if report.is_buy else 1
    cash = report.price * reported.quantity * leg.option.multiplier * sign
    booked = replace(reported, position=name, leg=leg.name, cash=cash, foreign=None, by_others=True)
    put_booked(work, reported.exec_id.execution, booked)
    position = _put(work, name, leg, booked, is_liquidation=report.is_liquidation)
    _record(work, position, leg, booked, "", report.price, report.executed_at or report.at)
    if reported.is_paid:
        put_position(work, add_commission(position, leg.name, reported.commission, is_first=False))
        amount = str(reported.commission)
        work.record(Kind.COMMISSION, position.bot, name, exec_id=str(reported.exec_id), leg=leg.name, amount=amount)


def book_estimated_close(work: StateBuilder, name: str, leg: PositionLeg) -> PositionLeg:
    """Book what the account had no more of an expired leg at what it was quoted then; return the leg without it."""
    missed = next((each for each in work.positions.by_id[name].account_missing if each.leg == leg.name), None)
    if missed is not None and not missed.contracts:
        _report_shared(work, work.positions.by_id[name], leg.option)
    if missed is None or not missed.contracts:
        return leg
    price = _price_by_mark(work, work.positions.by_id[name], leg) if missed.price is None else missed.price
    if price is None:
        return leg
    exec_id = ExecutionId(missed_base(name, leg.name, leg.closed))
    position = _book_missed(work, name, leg, missed, price, exec_id)
    count = leg.held - leg_of(position, leg.name).held
    by_what = "quoted when the account was first seen without it"
    if missed.price is None:
        by_what = "by the last mark of all of it"
    how = "was closed externally at an unknown price"
    if reported := _reported_of(work, position, leg):
        how = f"went at {_prices(reported)}, as the broker reports; which part was of this position is unknown"
    text = f"{count} {leg.option} of {name} {how}: booked at {price.normalize():f}, as {by_what}"
    asked = f"{name} PRICE --leg {leg.name}" if count == leg.held else f"{exec_id} PRICE"  # the rest ends now
    help = f"Compare it with the account's statement; 'rulebot store correct {asked}'"
    alarm(work, position.bot, f"{text}. {help} puts it right", name)
    return leg_of(position, leg.name)


def _book_missed(
    work: StateBuilder, name: str, leg: PositionLeg, missed: MissingLeg, price: Decimal, exec_id: ExecutionId
) -> Position:
    count = min(missed.contracts, leg.held)
    cash = price * count * leg.option.multiplier * leg.sign
    booked = BookedExecution(
        exec_id, name, leg.name, False, count, cash, is_paid=True, by_others=True, dealt_at=missed.since
    )
    put_booked(work, exec_id.execution, booked)
    position = _put(work, name, leg, booked)
    _record(work, position, leg, booked, name, price, missed.since)
    return position


def _price_by_mark(work: StateBuilder, position: Position, leg: PositionLeg) -> Decimal | None:
    """Return a price of a leg by what the position was last worth, None while it holds what the account does not lack.

    Of several legs the first on the side that it was worth has all of it, and the others nothing.
    """
    made = work.positions.marks.get(position.id)
    if made is None or not position.has_left():
        return None
    worth = (made - position.net - position.missed_cash) / (leg.sign * leg.held * leg.option.multiplier)
    return max(ZERO, worth).quantize(Decimal("0.0001"))


def _reported_of(work: StateBuilder, position: Position, leg: PositionLeg) -> list[ExecutionReport]:
    """Return external closes of an option since a position of it was opened that are booked nowhere."""
    reports = [booked.foreign for booked in work.positions.executions.values() if booked.foreign is not None]
    since = position.opened_at or work.at
    of_it = [each for each in reports if each.option == leg.option and each.is_buy is (leg.sign < 0)]
    return [each for each in of_it if each.quantity and (each.executed_at or each.at) >= since]


def _report_shared(work: StateBuilder, position: Position, option: Option) -> None:
    """Alarm that others closed an option that several positions held, and that its position is unknown."""
    text = f"{option} of {position.id} has expired, and others had closed a part of what several positions held of it"
    how = "for which position is unknown: it is booked as held until then"
    help = (
        f"Compare it with the account's statement; 'rulebot store correct {position.id} PRICE' puts in what was closed"
    )
    alarm(work, position.bot, f"{text}; {how}. {help}", position.id)


def _put(
    work: StateBuilder, name: str, leg: PositionLeg, booked: BookedExecution, *, is_liquidation: bool = False
) -> Position:
    """Count an execution of others in a position, which misses it no more."""
    position = book(work.positions.by_id[name], booked, leg.option)
    left = (
        replace(each, contracts=each.contracts - booked.quantity) if each.leg == leg.name else each
        for each in position.account_missing
    )
    missed = tuple(each for each in left if each.leg != leg.name or each.contracts > 0)
    others = tuple(dict.fromkeys((*position.closed_by_others, leg.name)))
    liquidated = tuple(dict.fromkeys((*position.liquidated, *((leg.name,) if is_liquidation else ()))))
    return put_position(work, replace(position, account_missing=missed, closed_by_others=others, liquidated=liquidated))


def _record(
    work: StateBuilder,
    position: Position,
    leg: PositionLeg,
    booked: BookedExecution,
    ref: str,
    price: Decimal,
    at: datetime,
) -> None:
    work.record(
        Kind.FILL,
        position.bot,
        position.id,
        exec_id=str(booked.exec_id),
        ref=ref,
        leg=leg.name,
        con_id=leg.option.con_id,
        contract=str(leg.option),
        is_buy=leg.sign < 0,
        quantity=booked.quantity,
        price=str(price),
        executed_at=at.isoformat(),
        purpose=BY_OTHERS,
        **beyond_report(booked, leg.option, work.at, at),
    )


def _prices(reports: Iterable[ExecutionReport]) -> str:
    return ", ".join(dict.fromkeys(str(report.price) for report in reports))


def _reason(reports: Iterable[ExecutionReport]) -> str:
    """Return how others have closed something, as the exit reason of a position."""
    return LIQUIDATED if any(report.is_liquidation for report in reports) else CLOSED_BY_HAND
