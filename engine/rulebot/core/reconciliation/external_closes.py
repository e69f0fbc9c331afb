"""What somebody else has closed of ours, at the price that the broker tells of it.

A person at the broker's window, another program, or the broker itself for want of margin. The broker tells executions
of others to client 0 and to the master client, and what it liquidates to all. Where they are just what the account
lacks, whole and the latest ones, and no more than was held, they are booked to the position as its own fills are. The
exits of what is left of it go on. Where nobody tells a price, the position counts at what was quoted when
the account was first seen without it, and is booked at that when it expires: an estimate, which a person may correct,
and which the price takes the place of that is told later. `rulebot resume` books that estimate at once: our books then
hold what the account holds.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from rulebot.core.books.position_closed import count_closed, on_position_closed
from rulebot.core.gate.exit_retry import release
from rulebot.core.queries.close_plan import exit_has_dealt
from rulebot.core.queries.lost_cover import left_by_liquidation
from rulebot.core.reconciliation.account_shortfall import expected_holdings, lacks, recompute_shortfalls
from rulebot.core.rules.rule_evaluation import wake
from rulebot.core.state.builder import StateBuilder
from rulebot.fill.ledger import (
    BY_OTHERS,
    BookedExecution,
    add_commission,
    beyond_report,
    book,
    leg_of,
    owes_none,
    unbook,
)
from rulebot.model.contract import Option
from rulebot.model.event import ExecutionReport, GonePriced
from rulebot.model.money import ZERO
from rulebot.model.order import first_revision, is_estimate, is_synthetic, missed_base, next_revision
from rulebot.model.position import (
    CLOSED_BY_HAND,
    ESTIMATED,
    GOES_ON,
    LIQUIDATED,
    HoldReason,
    MissingLeg,
    Position,
    PositionLeg,
)
from rulebot.model.session import session_from
from rulebot.model.values import replace
from rulebot.record.record import Kind

TOO_LATE_TO_SEE = timedelta(minutes=1)
"""So shortly before its last day is over nobody sees any more that the account lacks an option."""


def book_external_close(work: StateBuilder) -> None:
    """Book what others have closed of positions, where the broker has told it."""
    told = (
        [booked for booked in work.positions.booked.values() if booked.foreign is not None]
        if work.account.doubts
        else []
    )
    if not told:
        return
    closed_past_us: dict[str, list[ExecutionReport]] = {}
    ours = expected_holdings(work)
    for option in sorted(work.account.doubts, key=str):
        lacking = lacks(work, option, ours.get(option, 0))
        holders = [(each, leg) for each, leg in _holders(work, option) if leg.sign * lacking > 0]
        if len(holders) != 1 or abs(lacking) > holders[0][1].held:  # beyond it somebody has opened something
            continue
        position, leg = holders[0]
        if _is_at_rest(work, position, leg) and not position.is_frozen:
            for booked in _latest(told, position, option, lacking):
                _book(work, position.id, leg, booked)
                closed_past_us.setdefault(position.id, []).extend(filter(None, (booked.foreign,)))
    if closed_past_us:
        recompute_shortfalls(work)
    for name, reports in closed_past_us.items():
        _after(work, work.positions.by_id[name], reports)
        count_closed(work, name)


def _holders(work: StateBuilder, option: Option) -> list[tuple[Position, PositionLeg]]:
    """Return the legs that hold an option, with their positions: on both sides of it, maybe."""
    legs = ((each, leg) for each in work.active_positions() for leg in each.legs if leg.option == option)
    return [(each, leg) for each, leg in legs if leg.held > 0]


def _is_at_rest(work: StateBuilder, position: Position, leg: PositionLeg) -> bool:
    """Say whether no order of ours closes more of a leg than the account holds: a fill of that may still be told."""
    if not position.absent(leg.name) or position.state not in ("open", "exiting"):
        return False
    left = leg.held - position.absent(leg.name)
    orders = (order for order in work.live_orders(position.id) if not order.can_increase_risk)
    counts = (order.remaining * each.ratio for order in orders for each in order.legs if each.name == leg.name)
    return all(count <= left for count in counts)


def book_external_before_expiry(work: StateBuilder, option: Option, last: Decimal = ZERO) -> dict[str, str]:
    """Book what others have closed of an option before it expired; return by position how it was closed.

    The account says no more what it lacks. What it was seen without counts, else by what it differed in the end (`last`
    is what it had then), else what was told when nobody could see it any more. Of what was told in time it was seen
    that the account had ours all the same.
    """
    told = [
        booked
        for booked in work.positions.booked.values()
        if booked.foreign is not None and booked.foreign.option == option
    ]
    lacking = _lacking_at_last(work, option, told, last) if told else 0
    holders = [(each, leg) for each, leg in _holders(work, option) if leg.sign * lacking > 0]
    if len(holders) > 1:
        for each, _ in holders:
            if not each.missed:
                _tell_shared(work, each, option)
    if len(holders) != 1 or abs(lacking) > holders[0][1].held:
        return {}
    position, leg = holders[0]
    found = _latest(told, position, option, lacking)
    reports = [booked.foreign for booked in found if booked.foreign is not None]
    for booked in found:
        _book(work, position.id, leg, booked)
    if reports:
        who = "the broker has liquidated" if _reason(reports) == LIQUIDATED else "somebody has closed"
        text = f"{who} {abs(lacking)} {option} of {position.id} before the expiry: booked at {_prices(reports)}"
        work.alarm(position.bot, f"{text}, as the broker tells", position.id)
    return {position.id: _reason(reports)} if reports else {}


def _lacking_at_last(work: StateBuilder, option: Option, told: Iterable[BookedExecution], last: Decimal) -> int:
    """Return what the account lacked of an expired option in the end, - of a short."""
    holders = _holders(work, option)
    counts = (leg.sign * each.contracts for held, leg in holders for each in held.missed if each.leg == leg.name)
    if missed := next(filter(None, counts), 0):
        return missed
    if last:
        return sum(leg.signed_held for _, leg in holders) - int(last)
    since = session_from(option.expiry).close - TOO_LATE_TO_SEE
    late = [report for each in told if (report := each.foreign) is not None and report.at >= since]
    return sum(int(each.quantity) * (-1 if each.is_buy else 1) for each in late)


def _latest(told: Iterable[BookedExecution], position: Position, option: Option, lacking: int) -> list[BookedExecution]:
    """Return the latest executions of others that together are just what the account lacks, - of a short; else none.

    None is older than the position, or of what is no trade any more: its option has expired.
    """
    since = position.opened_at
    until = None if option.is_share else session_from(option.expiry).close
    reports = {each.exec_id: each.foreign for each in told if each.foreign is not None}
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
    found: list[str] = []
    left = abs(lacking)
    for report in sorted(right, key=lambda each: (each.executed_at or each.at, each.exec_id), reverse=True):
        if left <= 0:
            break
        found.append(report.exec_id)
        left -= int(report.quantity)
    return [] if left else [each for each in told if each.exec_id in found]


def _book(work: StateBuilder, name: str, leg: PositionLeg, told: BookedExecution) -> None:
    report = told.foreign
    assert report is not None
    if report.option is not None and not leg.option.con_id:  # its own fills were never told
        leg = replace(leg, option=report.option)
    sign = -1 if report.is_buy else 1
    cash = report.price * told.quantity * leg.option.multiplier * sign
    booked = replace(told, position=name, leg=leg.name, cash=cash, foreign=None, by_others=True)
    work.put_booked(told.exec_id.rpartition(".")[0], booked)
    position = _put(work, name, leg, booked, is_liquidation=report.is_liquidation)
    _record(work, position, leg, booked, "", report.price, report.executed_at or report.at)
    if told.is_paid:
        work.put_position(add_commission(position, leg.name, told.commission, is_first=False))
        amount = str(told.commission)
        work.record(Kind.COMMISSION, position.bot, name, exec_id=told.exec_id, leg=leg.name, amount=amount)


def corrected_past_us(work: StateBuilder, base: str, known: BookedExecution, event: ExecutionReport) -> None:
    """Take what the exchange has corrected of an execution of others that is booked to a position.

    Where one that has closed ours is taken back, wholly or in part, ours is held again, and waits for a person. Of an
    estimate a person has told the price.
    """
    position = work.positions.by_id[known.position]
    leg = leg_of(position, known.leg)
    what = f"what others have closed of {position.id}, {leg.option}"
    if event.quantity > known.quantity:
        text = (
            f"the exchange has corrected {what}, from {known.quantity} to {event.quantity}: our books stay as they are"
        )
        work.alarm(position.bot, f"{text}. A person must look", position.id)
        return
    count = int(event.quantity)
    cash = event.price * count * leg.option.multiplier * (-1 if event.is_buy else 1)
    is_paid = known.is_paid or owes_none(event.exec_id, count)
    booked = replace(known, exec_id=event.exec_id, quantity=count, cash=cash, is_paid=is_paid)
    work.put_booked(base, booked)
    position = work.put_position(book(unbook(position, known), booked, leg.option))
    is_of_nobody = is_synthetic(base)
    _record(
        work, position, leg, booked, position.id if is_of_nobody else "", event.price, event.executed_at or event.at
    )
    if count < known.quantity:
        text = f"the exchange has taken back {what}: its exits act again on what the account holds of it"
        work.alarm(position.bot, f"{text}. A person must look", position.id)
        _held_again(work, position)
    elif not is_of_nobody:
        work.alarm(position.bot, f"the exchange has corrected {what}, to {event.price}", position.id)
    elif position.exit_reason == ESTIMATED and not has_estimates(work, position):
        work.put_position(replace(position, exit_reason=CLOSED_BY_HAND))
    count_closed(work, position.id)


def _held_again(work: StateBuilder, position: Position) -> None:
    """Let a position be open, since a trade of others that had closed it was none."""
    if position.state == "closed":
        work.move(replace(position, closed_at=None, exit_reason=""), "late_fill")
    recompute_shortfalls(work)
    wake(work, position.bot, 0.0)


def book_estimated_close(work: StateBuilder, name: str, leg: PositionLeg) -> PositionLeg:
    """Book what the account had no more of an expired leg at what it was quoted then; return the leg without it."""
    missed = next((each for each in work.positions.by_id[name].missed if each.leg == leg.name), None)
    if missed is not None and not missed.contracts:
        _tell_shared(work, work.positions.by_id[name], leg.option)
    if missed is None or not missed.contracts:
        return leg
    price = _price_by_mark(work, work.positions.by_id[name], leg) if missed.price is None else missed.price
    if price is None:
        return leg
    exec_id = first_revision(missed_base(name, leg.name, leg.closed))
    position = _book_missed(work, name, leg, missed, price, exec_id)
    count = leg.held - leg_of(position, leg.name).held
    by_what = "quoted when the account was first seen without it"
    if missed.price is None:
        by_what = "by the last mark of all of it"
    how = "went at a price that nobody has told"
    if told := _told_of(work, position, leg):
        how = f"went at {_prices(told)}, as the broker tells, and nobody can say which of it was of this position"
    text = f"{count} {leg.option} of {name} {how}: booked at {price.normalize():f}, as {by_what}"
    asked = f"{name} PRICE --leg {leg.name}" if count == leg.held else f"{exec_id} PRICE"  # the rest ends now
    help = f"Compare it with the account's statement; 'rulebot store correct {asked}'"
    work.alarm(position.bot, f"{text}. {help} puts it right", name)
    return leg_of(position, leg.name)


def on_external_price(work: StateBuilder, event: GonePriced) -> None:
    """Book what the account has no more of a leg at the price that a person tells."""
    position = work.positions.by_id[event.position]
    leg = leg_of(position, event.leg)
    missed = next(each for each in position.missed if each.leg == leg.name)
    position = _book_missed(work, position.id, leg, missed, event.price, event.exec_id)
    if position.is_flat:
        on_position_closed(work, replace(release(position), exit_reason=CLOSED_BY_HAND), "vanished")
    elif not position.missed:
        _end_hold(work, position)
    count_closed(work, position.id)


def _book_missed(
    work: StateBuilder, name: str, leg: PositionLeg, missed: MissingLeg, price: Decimal, exec_id: str
) -> Position:
    count = min(missed.contracts, leg.held)
    cash = price * count * leg.option.multiplier * leg.sign
    booked = BookedExecution(
        exec_id, name, leg.name, False, count, cash, is_paid=True, by_others=True, dealt_at=missed.since
    )
    work.put_booked(exec_id.rpartition(".")[0], booked)
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


def _told_of(work: StateBuilder, position: Position, leg: PositionLeg) -> list[ExecutionReport]:
    """Return what others were told to have closed of an option since a position of it was opened, booked to none."""
    reports = [booked.foreign for booked in work.positions.booked.values() if booked.foreign is not None]
    since = position.opened_at or work.at
    of_it = [each for each in reports if each.option == leg.option and each.is_buy is (leg.sign < 0)]
    return [each for each in of_it if each.quantity and (each.executed_at or each.at) >= since]


def _tell_shared(work: StateBuilder, position: Position, option: Option) -> None:
    """Tell a person that others have closed of an option that several positions held, and nobody knows of which."""
    text = f"{option} of {position.id} has expired, and others had closed a part of what several positions held of it"
    how = "nobody can say whose: it is booked as kept until then"
    help = (
        f"Compare it with the account's statement; 'rulebot store correct {position.id} PRICE' puts in what was closed"
    )
    work.alarm(position.bot, f"{text}; {how}. {help}", position.id)


def replace_estimates(work: StateBuilder) -> None:
    """Put what others are told to have closed after all in the place of what was booked at a price that nobody told."""
    told = [booked for booked in work.positions.booked.values() if booked.foreign is not None]
    for base, guess in [(base, booked) for base, booked in work.positions.booked.items() if _is_estimated(booked)]:
        if (position := work.positions.by_id.get(guess.position)) is None:
            continue
        leg = leg_of(position, guess.leg)
        if found := _latest(told, position, leg.option, leg.sign * guess.quantity):
            _replace_estimate(work, base, guess, leg, found)


def _replace_estimate(
    work: StateBuilder, base: str, guess: BookedExecution, leg: PositionLeg, found: Iterable[BookedExecution]
) -> None:
    name = guess.position
    unbooked = replace(guess, exec_id=next_revision(guess.exec_id), quantity=0, cash=ZERO)
    work.put_booked(base, unbooked)
    position = work.put_position(unbook(work.positions.by_id[name], guess))
    _record(work, position, leg, unbooked, name, ZERO, work.at)
    reports = [booked.foreign for booked in found if booked.foreign is not None]
    for booked in found:
        _book(work, name, leg, booked)
    position = work.positions.by_id[name]
    if position.exit_reason == ESTIMATED and not has_estimates(work, position):
        position = work.put_position(replace(position, exit_reason=_reason(reports)))
    difference = leg_of(position, leg.name).exit_cash - leg.exit_cash
    at = ", ".join(dict.fromkeys(str(report.price) for report in reports))
    text = f"{guess.quantity} {leg.option} of {name} went at {at}, as the broker tells now: that is booked"
    was = abs(guess.cash / (guess.quantity * leg.option.multiplier)).normalize()
    work.alarm(position.bot, f"{text} instead of the estimate, {was:f} ({difference:+.2f} dollars)", name)
    count_closed(work, position.id)


def has_estimates(work: StateBuilder, position: Position) -> bool:
    """Say whether something of a position stands booked that others have closed at a price that nobody has told."""
    return any(each.position == position.id and _is_estimated(each) for each in work.positions.booked.values())


def _is_estimated(booked: BookedExecution) -> bool:
    return booked.by_others and booked.quantity > 0 and is_estimate(booked.exec_id)


def _put(
    work: StateBuilder, name: str, leg: PositionLeg, booked: BookedExecution, *, is_liquidation: bool = False
) -> Position:
    """Count an execution of others in a position, which misses it no more."""
    position = book(work.positions.by_id[name], booked, leg.option)
    left = (
        replace(each, contracts=each.contracts - booked.quantity) if each.leg == leg.name else each
        for each in position.missed
    )
    missed = tuple(each for each in left if each.leg != leg.name or each.contracts > 0)
    others = tuple(dict.fromkeys((*position.closed_by_others, leg.name)))
    liquidated = tuple(dict.fromkeys((*position.liquidated, *((leg.name,) if is_liquidation else ()))))
    return work.put_position(replace(position, missed=missed, closed_by_others=others, liquidated=liquidated))


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
        exec_id=booked.exec_id,
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


def _after(work: StateBuilder, position: Position, reports: Iterable[ExecutionReport]) -> None:
    """Close the books of a position that holds nothing more; the exits of what is left of one go on.

    What the account lacks as well is not left: an order of ours that deals in it must be over before that is booked.
    """
    reason = _reason(reports)
    if position.is_flat:
        _end(work, position, reason)
        return
    if any(leg.held for leg in position.common.legs):
        _tell_what_is_left(
            work, position, "the broker has liquidated" if reason == LIQUIDATED else "somebody has closed"
        )
    if not work.is_doubted(position):
        _end_hold(work, position)


def _tell_what_is_left(work: StateBuilder, position: Position, how: str) -> None:
    """Tell what happens to the legs that are left: rulebot closes those that stand alone, others keep their exits."""
    apart = left_by_liquidation(position)
    closes = _named(position, apart)
    keeps = _named(position, {leg.name: leg.held - apart.get(leg.name, 0) for leg in position.common.legs})
    then = f"its exits go on with what is left, {keeps}"
    if closes:
        then = f"rulebot closes the legs of it that stand alone, {closes}"
    rest = f". Its exits go on with {keeps}" if closes and keeps else ""
    text = f"{how} a part of {position.id}: {then}{rest}"
    work.alarm(position.bot, f"{text}. A person must look", position.id)


def _named(position: Position, counts: Mapping[str, int]) -> str:
    """Return so many contracts by leg in words, with their signs."""
    legs = ((leg, counts.get(leg.name, 0)) for leg in position.common.legs)
    return ", ".join(f"{leg.sign * count:+d} {leg.option}" for leg, count in legs if count)


def _end(work: StateBuilder, position: Position, reason: str) -> None:
    """Close the books of a position that holds nothing more, once no order of ours works for it."""
    if work.live_orders(position.id):
        return
    if position.state == "exiting" and exit_has_dealt(work, position):
        reason = position.exit_reason
    on_position_closed(work, replace(release(position), exit_reason=reason), "vanished")


def _end_hold(work: StateBuilder, position: Position) -> None:
    """Let all exits of a position act again: our books hold what the account holds."""
    if position.hold in GOES_ON:
        position = release(position)
    work.put_position(replace(position, missed=(), retry_at=None))
    wake(work, position.bot, 0.0)


# ---------------------------------------------------------------- resume


def adopt(work: StateBuilder, bot: str) -> None:
    """Have our books hold what the account holds of the positions of a bot ("": of all): a person says so.

    What the account lacks is booked as closed at the price that it had when it was missed.
    """
    for position in work.active_positions():
        if bot in ("", position.bot) and (position.missed or position.hold in GOES_ON) and not position.is_frozen:
            if position.hold is HoldReason.OPENED_AGAIN and not work.is_doubted(position):
                _end_hold(work, position)
            elif refusal := not_adopted(work, position):
                text = f"'rulebot resume' does not adopt what the account holds of {position.id}: {refusal}"
                work.alarm(position.bot, text, position.id, again=True)
            else:
                _adopt(work, position)
    recompute_shortfalls(work)


def not_adopted(work: StateBuilder, position: Position) -> str:
    """Return why our books cannot be made to hold what the account holds of a position now, "" if they can."""
    lacking = {leg.name for leg in position.legs if work.is_lacking(leg)}
    if lacking - {each.leg for each in position.missed}:
        return "a fill may still be told. Ask again in half a minute"
    if any(not _is_at_rest(work, position, leg_of(position, each.leg)) for each in position.missed if each.absent):
        return "an order is still being cancelled. Ask again in a few seconds"
    unpriced = [leg_of(position, each.leg) for each in position.missed if each.absent and each.price is None]
    if unpriced:
        asked = f"rulebot store correct {position.id} PRICE --leg {unpriced[0].name}"
        return f"{unpriced[0].option} has had no quote since. Give its price with '{asked}'"
    return ""


def _adopt(work: StateBuilder, position: Position) -> None:
    name = position.id
    for missed in position.missed:
        leg = leg_of(work.positions.by_id[name], missed.leg)
        if not missed.absent or missed.price is None:
            continue
        exec_id = first_revision(missed_base(name, leg.name, leg.closed))
        _book_missed(work, name, leg, replace(missed, contracts=missed.absent), missed.price, exec_id)
        what = f"{missed.absent} {leg.option} of {name} are booked as closed by others at {missed.price.normalize():f}"
        text = f"{what}, an estimate. If the statement has another price, correct it: 'rulebot store correct'"
        work.alarm(position.bot, text, name, again=True)
    position = work.positions.by_id[name]
    if position.is_flat:
        _end(work, position, ESTIMATED)
    else:
        _end_hold(work, position)
    count_closed(work, name)
