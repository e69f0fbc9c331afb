"""External closes: positions of ours that others closed, at the price that the broker reports.

Others are a person in TWS, another program, or the broker for lack of margin. The broker reports executions of others
to client 0 and to the master client, and liquidations to all clients. Where the latest ones add up exactly to the
account's shortfall, they are booked to the position like its own fills, and the exits of the rest continue. Without a
price, the position counts at its quote when the shortfall was first seen, and is booked at that when it expires: an
estimate, which a person may correct and a later report replaces. `rulebot resume` books that estimate at once, so that
our books equal the account.
"""

from collections.abc import Iterable, Mapping

from rulebot.core.books.estimates import _book, _book_missed, _holders, _latest, _reason, _record
from rulebot.core.books.position_closed import count_closed, on_position_closed
from rulebot.core.facts import ExternalFillCorrected
from rulebot.core.gate.exit_retry import release
from rulebot.core.queries.account import _is_estimated, expected_holdings, has_estimates, lacks
from rulebot.core.queries.close_plan import exit_has_dealt
from rulebot.core.queries.lost_cover import left_by_liquidation
from rulebot.core.reconciliation.account_shortfall import recompute_shortfalls
from rulebot.core.rules.rule_evaluation import wake
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import move_position, put_booked, put_position
from rulebot.core.state.lists import active_positions, is_lacking, is_suspect, live_orders_of
from rulebot.core.state.turn import alarm
from rulebot.fill.ledger import (
    BookedExecution,
    book,
    has_no_pending,
    leg_of,
    unbook,
)
from rulebot.model.event import ExecutionReport, ExternalClosePriced
from rulebot.model.money import ZERO
from rulebot.model.order import ExecutionId, is_synthetic, missed_base
from rulebot.model.position import (
    CLOSED_BY_HAND,
    ESTIMATED,
    GOES_ON,
    LIQUIDATED,
    HoldReason,
    Position,
    PositionLeg,
)
from rulebot.model.values import replace


def book_external_close(work: StateBuilder) -> None:
    """Book external closes of positions that the broker reported."""
    reported = (
        [booked for booked in work.positions.executions.values() if booked.foreign is not None]
        if work.account.shortfalls
        else []
    )
    if not reported:
        return
    closed_elsewhere: dict[str, list[ExecutionReport]] = {}
    ours = expected_holdings(work)
    for option in sorted(work.account.shortfalls, key=str):
        lacking = lacks(work, option, ours.get(option, 0))
        holders = [(each, leg) for each, leg in _holders(work, option) if leg.sign * lacking > 0]
        if len(holders) != 1 or abs(lacking) > holders[0][1].held:  # beyond that, others opened something
            continue
        position, leg = holders[0]
        if _is_at_rest(work, position, leg) and not position.is_frozen:
            for booked in _latest(reported, position, option, lacking):
                _book(work, position.id, leg, booked)
                closed_elsewhere.setdefault(position.id, []).extend(filter(None, (booked.foreign,)))
    if closed_elsewhere:
        recompute_shortfalls(work)
    for name, reports in closed_elsewhere.items():
        _after(work, work.positions.by_id[name], reports)
        count_closed(work, name)


def _is_at_rest(work: StateBuilder, position: Position, leg: PositionLeg) -> bool:
    """Say whether no order of ours closes more of a leg than the account holds: its fill may be unreported."""
    if not position.absent(leg.name) or position.state not in ("open", "exiting"):
        return False
    left = leg.held - position.absent(leg.name)
    orders = (order for order in live_orders_of(work, position.id) if not order.can_increase_risk)
    counts = (order.remaining * each.ratio for order in orders for each in order.legs if each.name == leg.name)
    return all(count <= left for count in counts)


def external_fill_corrected(work: StateBuilder, fact: ExternalFillCorrected) -> None:
    """Book the exchange's correction of an external execution that is booked to a position.

    If an external close is busted, wholly or in part, the contracts are held again and wait for a person. For an
    estimate a person entered the price.
    """
    base, event = fact.base, fact.event
    known = work.positions.executions[base]
    position = work.positions.by_id[known.position]
    leg = leg_of(position, known.leg)
    what = f"what others have closed of {position.id}, {leg.option}"
    if event.quantity > known.quantity:
        text = (
            f"the exchange has corrected {what}, from {known.quantity} to {event.quantity}: our books stay as they are"
        )
        alarm(work, position.bot, f"{text}. A person must look", position.id)
        return
    count = int(event.quantity)
    cash = event.price * count * leg.option.multiplier * (-1 if event.is_buy else 1)
    is_paid = known.is_paid or has_no_pending(event.exec_id, count)
    booked = replace(known, exec_id=event.exec_id, quantity=count, cash=cash, is_paid=is_paid)
    put_booked(work, base, booked)
    position = put_position(work, book(unbook(position, known), booked, leg.option))
    is_unassigned = is_synthetic(base)
    _record(
        work, position, leg, booked, position.id if is_unassigned else "", event.price, event.executed_at or event.at
    )
    if count < known.quantity:
        text = f"the exchange busted {what}: its exits act again on what the account holds"
        alarm(work, position.bot, f"{text}. A person must look", position.id)
        _held_again(work, position)
    elif not is_unassigned:
        alarm(work, position.bot, f"the exchange has corrected {what}, to {event.price}", position.id)
    elif position.exit_reason == ESTIMATED and not has_estimates(work, position):
        put_position(work, replace(position, exit_reason=CLOSED_BY_HAND))
    count_closed(work, position.id)


def _held_again(work: StateBuilder, position: Position) -> None:
    """Let a position be open, since a trade of others that had closed it was none."""
    if position.state == "closed":
        move_position(work, replace(position, closed_at=None, exit_reason=""), "late_fill")
    recompute_shortfalls(work)
    wake(work, position.bot, 0.0)


def on_external_price(work: StateBuilder, event: ExternalClosePriced) -> None:
    """Book the missing contracts of a leg at the price that a person enters."""
    position = work.positions.by_id[event.position]
    leg = leg_of(position, event.leg)
    missed = next(each for each in position.account_missing if each.leg == leg.name)
    position = _book_missed(work, position.id, leg, missed, event.price, event.exec_id)
    if position.is_flat:
        on_position_closed(work, replace(release(position), exit_reason=CLOSED_BY_HAND), "vanished")
    elif not position.account_missing:
        _end_hold(work, position)
    count_closed(work, position.id)


def replace_estimates(work: StateBuilder) -> None:
    """Replace an estimated booking by the external executions reported since."""
    reported = [booked for booked in work.positions.executions.values() if booked.foreign is not None]
    for base, guess in [(base, booked) for base, booked in work.positions.executions.items() if _is_estimated(booked)]:
        if (position := work.positions.by_id.get(guess.position)) is None:
            continue
        leg = leg_of(position, guess.leg)
        if found := _latest(reported, position, leg.option, leg.sign * guess.quantity):
            _replace_estimate(work, base, guess, leg, found)


def _replace_estimate(
    work: StateBuilder, base: str, guess: BookedExecution, leg: PositionLeg, found: Iterable[BookedExecution]
) -> None:
    name = guess.position
    unbooked = replace(guess, exec_id=guess.exec_id.next, quantity=0, cash=ZERO)
    put_booked(work, base, unbooked)
    position = put_position(work, unbook(work.positions.by_id[name], guess))
    _record(work, position, leg, unbooked, name, ZERO, work.at)
    reports = [booked.foreign for booked in found if booked.foreign is not None]
    for booked in found:
        _book(work, name, leg, booked)
    position = work.positions.by_id[name]
    if position.exit_reason == ESTIMATED and not has_estimates(work, position):
        position = put_position(work, replace(position, exit_reason=_reason(reports)))
    difference = leg_of(position, leg.name).exit_cash - leg.exit_cash
    at = ", ".join(dict.fromkeys(str(report.price) for report in reports))
    text = f"{guess.quantity} {leg.option} of {name} went at {at}, as the broker reports now: that is booked"
    was = abs(guess.cash / (guess.quantity * leg.option.multiplier)).normalize()
    alarm(work, position.bot, f"{text} instead of the estimate, {was:f} ({difference:+.2f} dollars)", name)
    count_closed(work, position.id)


def _after(work: StateBuilder, position: Position, reports: Iterable[ExecutionReport]) -> None:
    """Close the books of a position without holdings; exits of a remaining part continue.

    Further shortfalls are not remaining holdings: an order of ours that trades them must end before they are booked.
    """
    reason = _reason(reports)
    if position.is_flat:
        _end(work, position, reason)
        return
    if any(leg.held for leg in position.common.legs):
        _alarm_of_remainder(
            work, position, "the broker has liquidated" if reason == LIQUIDATED else "another client has closed"
        )
    if not is_suspect(work, position):
        _end_hold(work, position)


def _alarm_of_remainder(work: StateBuilder, position: Position, how: str) -> None:
    """Report what happens to the remaining legs: rulebot closes those without partners, others keep their exits."""
    apart = left_by_liquidation(position)
    closes = _named(position, apart)
    keeps = _named(position, {leg.name: leg.held - apart.get(leg.name, 0) for leg in position.common.legs})
    then = f"its exits continue with the rest, {keeps}"
    if closes:
        then = f"rulebot closes its legs without partners, {closes}"
    rest = f". Its exits continue with {keeps}" if closes and keeps else ""
    text = f"{how} a part of {position.id}: {then}{rest}"
    alarm(work, position.bot, f"{text}. A person must look", position.id)


def _named(position: Position, counts: Mapping[str, int]) -> str:
    """Return contracts by leg in words, with their signs."""
    legs = ((leg, counts.get(leg.name, 0)) for leg in position.common.legs)
    return ", ".join(f"{leg.sign * count:+d} {leg.option}" for leg, count in legs if count)


def _end(work: StateBuilder, position: Position, reason: str) -> None:
    """Close the books of a position without holdings, once no order of ours works for it."""
    if live_orders_of(work, position.id):
        return
    if position.state == "exiting" and exit_has_dealt(work, position):
        reason = position.exit_reason
    on_position_closed(work, replace(release(position), exit_reason=reason), "vanished")


def _end_hold(work: StateBuilder, position: Position) -> None:
    """Let all exits of a position act again: our books hold what the account holds."""
    if position.hold in GOES_ON:
        position = release(position)
    put_position(work, replace(position, account_missing=(), retry_at=None))
    wake(work, position.bot, 0.0)


# ---------------------------------------------------------------- resume


def adopt(work: StateBuilder, bot: str) -> None:
    """Have our books hold what the account holds of the positions of a bot ("": of all): a person says so.

    What the account lacks is booked as closed at the price that it had when it was missed.
    """
    for position in active_positions(work):
        if (
            bot in ("", position.bot)
            and (position.account_missing or position.hold in GOES_ON)
            and not position.is_frozen
        ):
            if position.hold is HoldReason.OPENED_AGAIN and not is_suspect(work, position):
                _end_hold(work, position)
            elif refusal := not_adopted(work, position):
                text = f"'rulebot resume' does not adopt what the account holds of {position.id}: {refusal}"
                alarm(work, position.bot, text, position.id, again=True)
            else:
                _adopt(work, position)
    recompute_shortfalls(work)


def not_adopted(work: StateBuilder, position: Position) -> str:
    """Return why our books cannot be made to hold what the account holds of a position now, "" if they can."""
    lacking = {leg.name for leg in position.legs if is_lacking(work, leg)}
    if lacking - {each.leg for each in position.account_missing}:
        return "a fill may still arrive. Ask again in half a minute"
    if any(
        not _is_at_rest(work, position, leg_of(position, each.leg)) for each in position.account_missing if each.absent
    ):
        return "an order is still being cancelled. Ask again in a few seconds"
    unpriced = [leg_of(position, each.leg) for each in position.account_missing if each.absent and each.price is None]
    if unpriced:
        asked = f"rulebot store correct {position.id} PRICE --leg {unpriced[0].name}"
        return f"{unpriced[0].option} has had no quote since. Give its price with '{asked}'"
    return ""


def _adopt(work: StateBuilder, position: Position) -> None:
    name = position.id
    for missed in position.account_missing:
        leg = leg_of(work.positions.by_id[name], missed.leg)
        if not missed.absent or missed.price is None:
            continue
        exec_id = ExecutionId(missed_base(name, leg.name, leg.closed))
        _book_missed(work, name, leg, replace(missed, contracts=missed.absent), missed.price, exec_id)
        what = f"{missed.absent} {leg.option} of {name} are booked as closed by others at {missed.price.normalize():f}"
        text = f"{what}, an estimate. If the statement has another price, correct it: 'rulebot store correct'"
        alarm(work, position.bot, text, name, again=True)
    position = work.positions.by_id[name]
    if position.is_flat:
        _end(work, position, ESTIMATED)
    else:
        _end_hold(work, position)
    count_closed(work, name)
