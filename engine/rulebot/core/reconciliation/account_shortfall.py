"""Account shortfall: contracts that our books hold and the account lacks.

rulebot protects and closes only what both hold (`Position.common`), so that no order opens the other side. Resting
orders are resized within a second, and at once after external trades. Exits continue with what both hold; a position of
several legs waits for fills before it is closed in part. After half a minute a person is alarmed. Both are compared
whenever one changes, since a fill may be reported after the account shows it.

An account nets long and short positions in one contract. The difference shows the side: one less than our books is a
missing long contract, one more a missing short one.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from rulebot.core.emit.orders import cancel
from rulebot.core.facts import FillBooked
from rulebot.core.gate.exit_retry import pause_exits, release
from rulebot.core.queries.account import (
    TOO_MUCH,
    UNCERTAIN,
    _dealt_by_others,
    _due_at,
    _reported_of,
    _unshown,
    expected_holdings,
    lacks,
)
from rulebot.core.queries.close_plan import CLOSING
from rulebot.core.queries.orders import RESTING, option_has_expired, resting_orders
from rulebot.core.rules.rule_evaluation import wake
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_order, put_position
from rulebot.core.state.lists import active_positions, all_live_orders, is_lacking, is_suspect
from rulebot.core.state.state import Shortfall
from rulebot.core.state.turn import alarm
from rulebot.fill.exit_level import open_value_of
from rulebot.fill.ledger import leg_of, with_leg
from rulebot.model.cause import Cause
from rulebot.model.contract import Contract, Option, Underlying
from rulebot.model.event import ExecutionReport
from rulebot.model.money import ZERO
from rulebot.model.order import Order, Replace
from rulebot.model.position import HoldReason, MissingLeg, Position, PositionLeg
from rulebot.model.session import session_before
from rulebot.model.values import replace
from rulebot.record.record import Kind

CLOSES = (*CLOSING, *RESTING)
"""The purposes of orders that close something."""
TURNED = timedelta(minutes=1)
"""How soon after the close of a position the account shows that it was also closed externally."""
PUT_RIGHT = timedelta(minutes=2)
"""How soon the account must have again what it lacked for that to have been a list that was wrong, not a trade."""


def _suspect(work: StateBuilder, ours: Mapping[Option, int], *, has_fallen: bool = False) -> dict[Option, Shortfall]:
    """Return the options of which the account holds less than our books.

    With positions on both sides of one, any difference counts: one side lost contracts. For a position closed a moment
    ago it is what the account holds on the other side.
    """
    suspicions = work.account.shortfalls
    apart = {option: lacking for option, count in ours.items() if (lacking := lacks(work, option, count))}
    found: dict[Option, int] = {}
    if apart:
        held = [leg for position in work.positions.by_id.values() for leg in _reported_of(work, position)]
        short = dict.fromkeys(leg.option for leg in held if leg.signed_held * apart.get(leg.option, 0) > 0)
        found = {option: 1 if apart[option] > 0 else -1 for option in short}
    found |= {leg.option: leg.sign for _, leg in _closed_twice(work, suspicions, ours)}
    return {option: _since(work, suspicions.get(option), side, has_fallen) for option, side in found.items()}


def fill_booked(work: StateBuilder, fact: FillBooked) -> None:
    """Compare again after one of our fills, and end holds that it explains."""
    if fact.bought is not None:
        note_fill(work, fact.option, fact.bought, fact.executed_at)
    recompute_shortfalls(work)
    on_late_fill(work, fact.position, fact.leg)


def note_fill(work: StateBuilder, option: Option, bought: int, executed_at: datetime | None) -> None:
    """Count a fill of ours (- sold) that followed a shortfall: it is no part of it."""
    uncertainty = work.account.shortfalls.get(option)
    if uncertainty is not None and (executed_at is None or executed_at > uncertainty.since):
        fills = _unshown(work, option) + bought
        _keep(work, {**work.account.shortfalls, option: uncertainty._replace(fills=fills, filled_at=work.at)})


def count_reported(work: StateBuilder, options: Iterable[Option]) -> None:
    """Forget fills of ours that the account's new count of these options includes."""
    suspicions = work.account.shortfalls
    reported = {
        option: suspicions[option]._replace(fills=0, filled_at=None) for option in options if option in suspicions
    }
    if reported:
        _keep(work, {**suspicions, **reported})


def _since(work: StateBuilder, known: Shortfall | None, side: int, has_fallen: bool) -> Shortfall:
    return known if known is not None and known.side == side else Shortfall(work.at, side, has_fallen)


def _closed_twice(
    work: StateBuilder, suspicions: Mapping[Option, Shortfall], ours: Mapping[Option, int]
) -> list[tuple[Position, PositionLeg]]:
    """Return the legs closed a moment ago whose other side the account has held since."""
    reported = _reported_closed(work, work.at - TURNED - UNCERTAIN)
    if not reported:
        return []
    return [
        (position, leg)
        for position in map(work.positions.by_id.__getitem__, reported)
        for leg in position.legs
        if leg.closed > leg.settled and leg.held <= 0
        if not leg.option.is_share and not option_has_expired(work, leg.option)
        if (work.account.holdings.get(leg.option, ZERO) - ours.get(leg.option, 0)) * leg.sign < 0
        if leg.option in suspicions or work.at - reported[position.id] <= TURNED
    ]


def _reported_closed(work: StateBuilder, since: datetime) -> dict[str, datetime]:
    """Return the positions reported closed since then, wholly or in part, and when; possibly hours ago."""
    reported = {
        each.id: each.closed_at
        for each in work.positions.by_id.values()
        if each.state == "closed" and each.closed_at is not None and each.closed_at >= since
    }
    for order in work.orders.by_ref.values():
        name, at = order.position, order.changed_at
        if at >= since and order.has_fills and order.purpose in CLOSES and name in work.positions.by_id:
            reported[name] = max(reported.get(name, at), at)
    return reported


def recompute_shortfalls(
    work: StateBuilder, ours: Mapping[Option, int] | None = None, *, has_fallen: bool = False
) -> None:
    """Compare again after a settlement or a fill, which may be of contracts that were closed externally.

    ours: our books, where they are at hand. has_fallen: the account has just shown fewer contracts.
    """
    _keep(work, _suspect(work, expected_holdings(work) if ours is None else ours, has_fallen=has_fallen))


def clear_settled(work: StateBuilder) -> None:
    """At the start of a run, drop suspicions about what settled after the account's last change."""
    still = _suspect(work, expected_holdings(work)) if work.account.shortfalls else {}
    _keep(
        work,
        {
            option: uncertainty
            for option, uncertainty in work.account.shortfalls.items()
            if still.get(option) == uncertainty
        },
    )


def _keep(work: StateBuilder, suspicions: Mapping[Option, Shortfall]) -> None:
    if suspicions != work.account.shortfalls:
        work.account = replace(work.account, shortfalls=suspicions)


def review_shortfalls(work: StateBuilder, waiting: frozenset[Option] = frozenset()) -> None:
    """Act on the account's shortfalls and alarm after a delay; end those that are resolved."""
    lasting: set[Option] = set()
    if work.account.shortfalls:
        recompute_shortfalls(work)
        suspicions = work.account.shortfalls
        lasting = {option for option, uncertainty in suspicions.items() if work.at - uncertainty.since >= UNCERTAIN}
        _alarm_of_closed_twice(work, lasting)
    hold(work, lasting - waiting)
    fit_orders(work)


def fit_orders(work: StateBuilder) -> None:
    """Reduce our orders to the account's holdings: resize resting orders, cancel exits that are too large."""
    record_missing(work)
    for position in active_positions(work):
        if position.account_missing:
            _fit_resting(work, position)
    if work.account.shortfalls:
        _take_exits_back(work)


def _fit_resting(work: StateBuilder, position: Position) -> None:
    """Make orders that rest for a position no larger than what the account holds of it."""
    left = {leg.name: leg.held for leg in position.common.legs}
    for order in resting_orders(work, position.id):
        count = min(max(left[leg.name], 0) // leg.ratio for leg in order.legs)
        if order.remaining <= count:
            continue
        if count == 0:
            cancel(work, order, Cause.NOT_IN_ACCOUNT)
        elif order.is_working:
            resized = put_order(work, order.with_terms(order.filled + count, order.terms.price))
            work.commands.append(Replace(resized))


def _take_exits_back(work: StateBuilder) -> None:
    """Cancel closing orders that together exceed the account's holding of a contract on its side.

    After a few seconds, and at once after reported external trades.
    """
    reported, suspicions = _dealt_by_others(work), work.account.shortfalls
    uncertain = [
        option
        for option, uncertainty in suspicions.items()
        if option in reported or work.at - uncertainty.since >= TOO_MUCH
    ]
    closing = [
        order for order in all_live_orders(work) if order.purpose in CLOSING and order.reported_final_status is None
    ]
    if not uncertain or not closing:
        return
    ours = expected_holdings(work)
    for option in sorted(uncertain, key=str):
        side = suspicions[option].side
        of_it = {order.ref: count for order in closing if (count := _would_close(order, option, side))}
        left = _held_of(work, option, side) - lacks(work, option, ours.get(option, 0)) * side
        if sum(of_it.values()) > max(left, 0):
            for ref in of_it:
                cancel(work, work.orders.by_ref[ref], Cause.ACCOUNT_HOLDS_LESS)


def _would_close(order: Order, option: Option, side: int) -> int:
    """Return how many contracts of an option an order has still to close, of what is long (1) or short (-1)."""
    closing = (leg for leg in order.legs if leg.option == option and not leg.opens)
    return sum(order.remaining * leg.ratio for leg in closing if order.side_of(leg).sign == -side)


def _held_of(work: StateBuilder, option: Option, side: int) -> int:
    """Return how many contracts of an option our positions hold on one side."""
    legs = (
        leg
        for position in work.positions.by_id.values()
        for leg in _reported_of(work, position)
        if leg.option == option
    )
    return sum(max(leg.signed_held * side, 0) for leg in legs)


def _alarm_of_closed_twice(work: StateBuilder, suspicions: Collection[Option]) -> None:
    """Alarm that a position was closed twice, by our exit and externally: the account now holds the other side."""
    for position, leg in _closed_twice(work, work.account.shortfalls, expected_holdings(work)) if suspicions else ():
        if leg.option in suspicions:
            held = work.account.holdings.get(leg.option, ZERO)
            assigned = _or_assigned(work, leg.option)
            what = position.id if position.state == "closed" else f"{leg.name} of {position.id}"
            text = f"{what} is closed, and the account holds {held} {leg.option}: closed by hand, too{assigned}?"
            alarm(work, position.bot, f"{text} No exit watches it: check the account", position.id)


def _or_assigned(work: StateBuilder, option: Option) -> str:
    """Return what else may have become of contracts: assigned, with the shares that the account holds, or adjusted."""
    adjusted, uncertainty = work.account.adjusted.get(option.symbol), work.account.shortfalls.get(option)
    if adjusted is not None and uncertainty is not None and abs(adjusted - uncertainty.since) <= UNCERTAIN:
        return ", or adjusted, as after a split (other options have come)"
    shares = work.account.holdings.get(Underlying(option.symbol), ZERO)
    return f", or assigned (it holds {shares} {option.symbol})" if shares else ""


def record_missing(work: StateBuilder, *, at_once: bool = False) -> None:
    """Record with each position what the account lacks of it, and its quote when that was first seen.

    at_once: also new shortfalls. Expired contracts are not reported. The bot is judged at once: a leg without cover
    waits for no quote.
    """
    suspicions = work.account.shortfalls
    noted = [each for each in active_positions(work) if each.account_missing or (suspicions and is_suspect(work, each))]
    if not noted:
        return
    ours = expected_holdings(work)
    due = frozenset(suspicions) if at_once else _due(work)
    for position in noted:
        missed = tuple(_missed(work, position, due, ours))
        if missed != position.account_missing:
            put_position(work, replace(position, account_missing=missed))
            wake(work, position.bot, 0.0)


def _due(work: StateBuilder) -> frozenset[Option]:
    """Return the options that the account has lacked long enough, or that others were reported to trade."""
    reported, suspicions = _dealt_by_others(work), work.account.shortfalls
    return frozenset(
        option for option, uncertainty in suspicions.items() if option in reported or work.at >= _due_at(uncertainty)
    )


def _missed(
    work: StateBuilder, position: Position, due: Collection[Option], ours: Mapping[Option, int]
) -> Iterator[MissingLeg]:
    known = {each.leg: each for each in position.account_missing}
    for leg in position.legs:
        before = known.get(leg.name)
        is_over = leg.option not in ours or option_has_expired(work, leg.option)
        if is_over:
            if before is not None and leg.held:
                yield before
        elif is_lacking(work, leg) and (before is not None or leg.option in due):
            before = before or MissingLeg(leg.name, 0, None, work.account.shortfalls[leg.option].since)
            is_unknown = before.price is None and not position.is_split_in(leg.option)
            price = _middle(work, leg) if is_unknown else before.price
            count, absent = _lost(work, leg, ours[leg.option]), _absent(work, position, leg, ours[leg.option])
            yield replace(before, contracts=count, price=price, absent=absent)
        elif before is not None and position.hold and leg.held:
            yield replace(before, absent=min(before.absent, leg.held))


def _absent(work: StateBuilder, position: Position, leg: PositionLeg, ours: int) -> int:
    """Return how many contracts of a leg to leave alone: what it lacked before. Else the newest positions lack it."""
    left, found = abs(lacks(work, leg.option, ours)), dict[tuple[str, str], int]()
    for is_known in (True, False):
        for other in reversed(active_positions(work)):
            for held in other.legs:
                if held.option == leg.option and held.held > 0 and held.sign == leg.sign:
                    most = min(other.absent(held.name), held.held) if is_known else held.held
                    before = found.get((other.id, held.name), 0)
                    found[other.id, held.name] = before + min(left, most - before)
                    left -= min(left, most - before)
    return found.get((position.id, leg.name), 0)


def on_late_fill(work: StateBuilder, name: str, leg: str) -> None:
    """Clear the part of a shortfall that a late fill explains; a hold for it alone ends.

    What was opened externally stays external, whatever our orders close beside it.
    """
    before = work.positions.by_id[name].account_missing
    if not before:
        return
    record_missing(work)
    position = work.positions.by_id[name]
    if position.hold is HoldReason.OPENED_AGAIN:
        return
    is_there = not is_lacking(work, leg_of(position, leg))
    missed = tuple(each for each in position.account_missing if not (is_there and each.leg == leg))
    position = put_position(work, replace(position, account_missing=missed))
    is_over = (
        any(each.leg == leg for each in before) and not position.account_missing and not position.is_closed_too_far
    )
    if is_over and position.hold is HoldReason.ACCOUNT_DIFFERS and _is_there_again(work, position):
        text = f"late fills for {name} arrived: its exits are active again"
        work.record(Kind.ALARM, position.bot, name, text=text)
        put_position(work, release(position))


def _lost(work: StateBuilder, leg: PositionLeg, ours: int) -> int:
    """Return how many contracts of a leg are gone: those of the only one that holds its side, or of all; else 0."""
    lacking, together = abs(lacks(work, leg.option, ours)), _held_of(work, leg.option, leg.sign)
    if together == leg.held:
        return min(lacking, leg.held)
    return leg.held if lacking >= together else 0


def _middle(work: StateBuilder, leg: PositionLeg) -> Decimal | None:
    """Return the middle of the quotes of a leg per share, None while they are not sound."""
    value = open_value_of(leg, work.market.board, work.now)
    return None if value is None else Decimal(f"{value:.4f}")


def hold(work: StateBuilder, missing: set[Option]) -> None:
    """Alarm of positions with a shortfall, and end those that are resolved."""
    for position in active_positions(work):
        if not missing and not position.hold:
            continue
        gone = sorted({leg.option for leg in position.legs if leg.option in missing and is_lacking(work, leg)}, key=str)
        if gone and not position.hold:
            _hold(work, position, gone)
        elif position.hold is HoldReason.ACCOUNT_DIFFERS and _is_there_again(work, position):
            _end_hold(work, position)


def _hold(work: StateBuilder, position: Position, gone: list[Option]) -> None:
    """Put a position on hold in part: its orders close only what the account holds."""
    lacks = f"the account holds less {gone[0]} than our books"
    text = f"{lacks}: closed by hand{_or_assigned(work, gone[0])}?"
    left = ", ".join(f"{leg.signed_held:+d} {leg.option}" for leg in position.common.legs if leg.held > 0)
    rest = (
        f"rulebot protects and closes only the rest, {left}" if left else f"nothing is left of {position.id} to close"
    )
    words = f"{text} {rest}. 'rulebot resume' adopts the account's quantity"
    work.record(Kind.ALARM, position.bot, position.id, text=words)  # each time, also in the same words
    put_position(work, replace(position, hold=HoldReason.ACCOUNT_DIFFERS, on_hold=words))


def _end_hold(work: StateBuilder, position: Position) -> None:
    """Let exits act on the whole position again, unless the returned contracts may be a person's own."""
    names = ", ".join(str(leg.option) for leg in position.legs if leg.held)
    if _may_be_reopened(work, position):
        what = f"the account holds {names} again, and it may have been opened externally"
        text = f"{what}: rulebot leaves that alone until 'rulebot resume'"
        alarm(work, position.bot, f"{text}. A person must look", position.id)
        put_position(work, replace(position, hold=HoldReason.OPENED_AGAIN, on_hold=text))
        return
    text = f"the account holds {names} again: the exits of {position.id} continue"
    work.record(Kind.ALARM, position.bot, position.id, text=text)
    put_position(work, replace(release(position), account_missing=()))


def _may_be_reopened(work: StateBuilder, position: Position) -> bool:
    """Say whether contracts may have returned by an external trade.

    A wrong list is corrected soon; while the exchange is closed and the broker resets itself, within an hour or more.
    """
    since = min((each.since for each in position.account_missing), default=None)
    if since is None or (work.at - since > PUT_RIGHT and not _is_closed_since(work, since)):
        return True
    options = {leg.option for leg in position.legs if leg.held}
    reports = (booked.foreign for booked in work.positions.executions.values())
    return any(each is not None and each.option in options and _is_since(each, since) for each in reports)


def _is_since(report: ExecutionReport, since: datetime) -> bool:
    """Say whether an execution may be as new as that: one of an unknown time may."""
    return report.executed_at is None or report.executed_at >= since


def _is_closed_since(work: StateBuilder, since: datetime) -> bool:
    """Say whether no session was on from then until now."""
    session, at = work.schedule.session, work.at
    last = session if at >= session.close else session_before(session.date)
    return since >= last.close and not session.is_on(at)


def _is_there_again(work: StateBuilder, position: Position) -> bool:
    """Say whether the account has what a position holds."""
    known = _reported_of(work, position)
    return bool(known) and not any(is_lacking(work, leg) for leg in known)


def check_contract_ids(work: StateBuilder, contracts: Iterable[Contract]) -> None:
    """Stop what holds an option that the broker numbers otherwise than before: it may be another contract now.

    After a corporate action the same strike and expiry may name what delivers something else (faults.md row 74).
    """
    numbers = {option: option for option in contracts if isinstance(option, Option) and option.con_id}
    for position in active_positions(work) if numbers else ():
        for leg in position.legs:
            now = numbers.get(leg.option)
            if leg.held and now is not None and leg.option.con_id and now.con_id != leg.option.con_id:
                text = (
                    f"the broker numbers {leg.option} {now.con_id}, and it was {leg.option.con_id}: another contract?"
                )
                position = put_position(work, with_leg(work.positions.by_id[position.id], leg.name, option=now))
                pause_exits(work, position, HoldReason.CONTRACT_CHANGED, text)
