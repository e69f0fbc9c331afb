"""What our books hold against what the account has.

Where it holds less of an option, fills are waited for, then the position is put on hold. Nothing new is sent for the
position meanwhile: to close what the account does not hold would open the other side. An exit that works already, a
target or a stop that rests, is taken back after a few seconds, before it fills beside what somebody else has closed,
and at once where the broker tells that somebody has; one that did so is told. Both are compared whenever one of them
changes, for a fill may be told after the account has shown it and has lost it again.

What some positions hold long and others short is one count in the account. Which side of it is lacking follows from
where the count differs: one less than our books is a long contract that is gone, one more a short one.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from engine.fill.apply import leg_of, with_leg
from engine.fill.pnl import open_value_of
from engine.model.cause import Cause
from engine.model.contract import Contract, Option, Underlying
from engine.model.event import ExecutionReport
from engine.model.money import ZERO
from engine.model.order import Order, Purpose
from engine.model.position import HoldReason, Missed, Position, PositionLeg
from engine.model.session import session_before
from engine.model.values import replace
from engine.record.record import Kind
from engine.turn.caution import SETBACKS, is_stopped, release, stop
from engine.turn.closing import CLOSING
from engine.turn.resting import RESTING, cancel, option_has_expired
from engine.turn.state import Doubt
from engine.turn.work import Work

CLOSES = (*CLOSING, *RESTING)
"""The purposes of orders that close something."""
DOUBT = timedelta(seconds=30)
"""How long the account may hold less than our books say: a fill may be told after the position it made."""
TOO_MUCH = timedelta(seconds=5)
"""The same while orders of ours would close more than the account holds: fills of theirs are told sooner."""
TURNED = timedelta(minutes=1)
"""How soon after a position was closed the account shows that somebody else had closed it, too."""
PUT_RIGHT = timedelta(minutes=2)
"""How soon the account must have again what it lacked for that to have been a list that was wrong, not a trade."""


def our_books(work: Work) -> dict[Option, int]:
    """Return what our positions hold of each contract that the account must have, negative when short.

    Of all positions: one that was closed holds something between a fill that is told late and what follows from it.
    """
    ours: dict[Option, int] = {}
    for position in work.positions.values():
        for leg in _told_of(work, position):
            ours[leg.option] = ours.get(leg.option, 0) + leg.signed_held
    return ours


def _told_of(work: Work, position: Position) -> list[PositionLeg]:
    """Return the legs held of which the account tells whether it has them: not what has expired.

    Shares beside an option that has expired may have gone with it: they count again when it is settled.
    """
    held = [leg for leg in position.legs if leg.held]
    trading = [leg for leg in held if not option_has_expired(work, leg.option)] if held else []
    return trading if len(trading) == len(held) else [leg for leg in trading if not leg.option.is_share]


def has_delivered(work: Work, position: Position) -> bool:
    """Say whether the account lacks shares that may have gone with options of a position that have still to settle."""
    today = work.state.session.date
    held = [leg for leg in position.legs if leg.held]
    if not any(leg.option.expiry < today for leg in held):
        return False
    books = list(work.held_legs())
    return any(
        _lacking(work, leg.option, sum(each.signed_held for each in books if each.option == leg.option))
        for leg in held
        if leg.option.is_share
    )


def _doubted(work: Work, ours: Mapping[Option, int]) -> dict[Option, Doubt]:
    """Return the options of which the account holds less than our books say.

    Where positions hold both sides of one, that is also a count that differs: one of them has lost what it held. Of
    what was closed a moment ago, it is what the account holds on the other side.
    """
    doubts = work.state.doubts
    apart = {option: lacking for option, count in ours.items() if (lacking := _lacking(work, option, count))}
    found: dict[Option, int] = {}
    if apart:
        held = [leg for position in work.positions.values() for leg in _told_of(work, position)]
        short = dict.fromkeys(leg.option for leg in held if leg.signed_held * apart.get(leg.option, 0) > 0)
        found = {option: 1 if apart[option] > 0 else -1 for option in short}
    found |= {leg.option: leg.sign for _, leg in _closed_twice(work, doubts, ours)}
    return {option: _since(work, doubts.get(option), side) for option, side in found.items()} if found else {}


def _lacking(work: Work, option: Option, ours: int) -> int:
    """Return how many contracts the account lacks of what our books hold, - of shorts; 0 where it agrees.

    Others may hold shares in the account, and more of them than our books is nothing that it lacks.
    """
    lacking = ours - int(work.state.holdings.get(option, ZERO))
    return 0 if option.is_share and lacking * ours <= 0 else lacking


def _since(work: Work, known: Doubt | None, side: int) -> Doubt:
    return known if known is not None and known.side == side else Doubt(work.at, side)


def _closed_twice(
    work: Work, doubts: Mapping[Option, Doubt], ours: Mapping[Option, int]
) -> list[tuple[Position, PositionLeg]]:
    """Return the legs that were closed a moment ago, and of which the account holds the other side since."""
    told = _closed_as_told(work, work.at - TURNED - DOUBT)
    if not told:
        return []
    return [
        (position, leg)
        for position in map(work.positions.__getitem__, told)
        for leg in position.legs
        if leg.closed > leg.settled and leg.held <= 0
        if not leg.option.is_share and not option_has_expired(work, leg.option)
        if (work.state.holdings.get(leg.option, ZERO) - ours.get(leg.option, 0)) * leg.sign < 0
        if leg.option in doubts or work.at - told[position.id] <= TURNED
    ]


def _closed_as_told(work: Work, since: datetime) -> dict[str, datetime]:
    """Return the positions that were told since then to be closed, or a part of them, and when: it may be hours ago."""
    told = {
        each.id: each.closed_at
        for each in work.positions.values()
        if each.state == "closed" and each.closed_at is not None and each.closed_at >= since
    }
    for order in work.orders.values():
        name, at = order.position, order.changed_at
        if at >= since and order.has_fills and order.purpose in CLOSES and name in work.positions:
            told[name] = max(told.get(name, at), at)
    return told


def doubt_anew(work: Work, ours: Mapping[Option, int] | None = None) -> None:
    """Compare again after a fill, which may be of what somebody has closed before it was told, or a settlement.

    ours: our books, where they are at hand.
    """
    _keep(work, _doubted(work, our_books(work) if ours is None else ours))


def drop_settled(work: Work) -> None:
    """Doubt no more, as a run begins, what has been settled since the account was last seen to change."""
    still = _doubted(work, our_books(work)) if work.state.doubts else {}
    _keep(work, {option: doubt for option, doubt in work.state.doubts.items() if still.get(option) == doubt})


def _keep(work: Work, doubts: Mapping[Option, Doubt]) -> None:
    if doubts != work.state.doubts:
        work.state = work.state._replace(doubts=doubts)


def step_doubts(work: Work, waiting: frozenset[Option] = frozenset()) -> None:
    """Put on hold what the account has not had for a while, unless it waits; go on with what it has again."""
    lasting: set[Option] = set()
    if work.state.doubts:
        doubt_anew(work)
        doubts = work.state.doubts
        take_orders_back(work, doubts)
        lasting = {option for option, doubt in doubts.items() if work.at - doubt.since >= DOUBT}
        _tell_closed_twice(work, lasting)
    hold(work, lasting - waiting)
    note_missed(work)


def take_orders_back(work: Work, doubts: Mapping[Option, Doubt]) -> None:
    """Take back the orders at work that would together close more of a contract than the account has of its side.

    After a few seconds, and at once where the broker has told that others have dealt in it.
    """
    told = _dealt_by_others(work) if doubts else frozenset()
    doubtful = [option for option, doubt in doubts.items() if option in told or work.at - doubt.since >= TOO_MUCH]
    if not doubtful:
        return
    closing = [order for order in work.all_live_orders() if order.purpose in CLOSES and order.ended is None]
    ours = our_books(work) if closing else {}
    for option in sorted(doubtful, key=str):
        side = doubts[option].side
        of_it = {order.ref: count for order in closing if (count := _would_close(order, option, side))}
        left = _held_of(work, option, side) - _lacking(work, option, ours.get(option, 0)) * side
        groups: dict[str, int] = {}
        for ref, count in of_it.items():  # of an OCA group one alone fills
            group = work.orders[ref].oca_group or ref
            groups[group] = max(groups.get(group, 0), count)
        if sum(groups.values()) > max(left, 0):
            for ref in of_it:
                cancel(work, work.orders[ref], Cause.ACCOUNT_HOLDS_LESS)


def _would_close(order: Order, option: Option, side: int) -> int:
    """Return how many contracts of an option an order has still to close, of what is long (1) or short (-1)."""
    closing = (leg for leg in order.legs if leg.option == option and not leg.opens)
    return sum(order.remaining * leg.ratio for leg in closing if order.side_of(leg).sign == -side)


def _held_of(work: Work, option: Option, side: int) -> int:
    """Return how many contracts of an option our positions hold on one side."""
    legs = (leg for position in work.positions.values() for leg in _told_of(work, position) if leg.option == option)
    return sum(max(leg.signed_held * side, 0) for leg in legs)


def _dealt_by_others(work: Work) -> frozenset[Option]:
    """Return the options in which others were told to have dealt a moment ago, and that is booked to nothing."""
    reports = (booked.foreign for booked in work.booked.values())
    return frozenset(each.option for each in reports if each and each.option and work.at - each.at <= DOUBT)


def _tell_closed_twice(work: Work, doubts: Collection[Option]) -> None:
    """Tell a person what was closed twice, by an exit of ours and past us: what the account holds now is nobody's."""
    for position, leg in _closed_twice(work, work.state.doubts, our_books(work)) if doubts else ():
        if leg.option in doubts:
            held = work.state.holdings[leg.option]
            assigned = _or_assigned(work, leg.option)
            what = position.id if position.state == "closed" else f"{leg.name} of {position.id}"
            text = f"{what} is closed, and the account holds {held} {leg.option}: closed by hand, too{assigned}?"
            work.alarm(position.bot, f"{text} Nobody watches it: a person must look", position.id)


def _or_assigned(work: Work, option: Option) -> str:
    """Return what else may have become of contracts: assigned, with the shares that the account holds, or adjusted."""
    adjusted, doubt = work.state.adjusted.get(option.symbol), work.state.doubts.get(option)
    if adjusted is not None and doubt is not None and abs(adjusted - doubt.since) <= DOUBT:
        return ", or adjusted, as after a split (other options have come)"
    shares = work.state.holdings.get(Underlying(option.symbol), ZERO)
    return f", or assigned (it holds {shares} {option.symbol})" if shares else ""


def note_missed(work: Work) -> None:
    """Keep what the account has no more of what is on hold, and at what price it was quoted when that was seen.

    Nothing more is told of what has expired. Of what a person lets go on nothing is missed.
    """
    noted = [position for position in work.active_positions() if position.hold or position.missed]
    if not noted:
        return
    ours = our_books(work)
    for position in noted:
        known = {each.leg: each for each in position.missed}
        found = []
        for leg in position.legs:
            if leg.held and option_has_expired(work, leg.option) and leg.name in known:
                found.append(known[leg.name])
            elif position.hold and work.is_lacking(leg):
                before = known.get(leg.name, Missed(leg.name, 0, None, work.state.doubts[leg.option].since))
                count = _lost(work, leg, ours[leg.option])
                is_unknown = before.price is None and not position.is_split_in(leg.option)
                price = _middle(work, leg) if is_unknown else before.price
                found.append(replace(before, contracts=count, price=price))
        if tuple(found) != position.missed:
            work.put_position(replace(position, missed=tuple(found)))


def fill_told(work: Work, name: str, leg: str) -> None:
    """Miss no more what a fill of ours, told late, has taken from our books too; a hold for that alone ends."""
    position = work.positions[name]
    if not position.missed:
        return
    is_there = not work.is_lacking(leg_of(position, leg))
    missed = tuple(each for each in position.missed if not (is_there and each.leg == leg))
    if missed == position.missed:
        return
    position = work.put_position(replace(position, missed=missed))
    if missed or not position.hold or is_stopped(position) or not _is_there_again(work, position):
        return
    text = f"the fills of ours that {name} was on hold for are told: its exits go on"
    work.record(Kind.ALARM, position.bot, name, text=text)
    work.put_position(release(position))


def _lost(work: Work, leg: PositionLeg, ours: int) -> int:
    """Return how many contracts of a leg are gone: those of the only one that holds its side, or of all; else 0."""
    lacking, together = abs(_lacking(work, leg.option, ours)), _held_of(work, leg.option, leg.sign)
    if together == leg.held:
        return min(lacking, leg.held)
    return leg.held if lacking >= together else 0


def _middle(work: Work, leg: PositionLeg) -> Decimal | None:
    """Return the middle of the quotes of a leg per share, None while they are not sound."""
    value = open_value_of(leg, work.state.board, work.now)
    return None if value is None else Decimal(f"{value:.4f}")


def hold(work: Work, missing: set[Option]) -> None:
    """Put on hold positions in contracts that the account does not have, of those that it is doubted to have.

    Nothing works for them any more but the protective stops of legs that it does have.
    """
    for position in work.active_positions():
        if not missing and not position.hold:
            continue
        gone = sorted({leg.option for leg in position.legs if leg.option in missing and work.is_lacking(leg)}, key=str)
        if gone and not position.hold:
            assigned = _or_assigned(work, gone[0])
            lacks = f"the account holds less {gone[0]} than our books"
            text = f"{lacks}: closed by hand{assigned}? nothing is sent for it any more"
            others = (leg for leg in position.legs if leg.held and leg.option not in gone)
            left = ", ".join(f"{leg.signed_held:+d} {leg.option}" for leg in others)
            rest = f"; nobody closes what is left of it, {left}" if left else ""
            words = f"{text}{rest}"
            work.record(Kind.ALARM, position.bot, position.id, text=words)  # each time, also in the same words
            work.put_position(replace(position, hold=HoldReason.ACCOUNT_DIFFERS, on_hold=words))
        elif position.hold and not is_stopped(position) and _is_there_again(work, position):
            _end_hold(work, position)
        for order in work.live_orders(position.id) if gone else ():
            if order.purpose is not Purpose.PROTECT or order.legs[0].option in gone:
                cancel(work, order, Cause.NOT_IN_ACCOUNT)


def _end_hold(work: Work, position: Position) -> None:
    """Let the exits of a position go on, or wait for a person where what is there again may be somebody's own."""
    names = ", ".join(str(leg.option) for leg in position.legs if leg.held)
    if _may_be_opened_anew(work, position):
        what = f"the account holds {names} again, and somebody may have opened it anew"
        text = f"{what}: nothing is sent for {position.id} until 'rulebot resume'"
        work.alarm(position.bot, f"{text}. A person must look", position.id)
        position = replace(position, hold=HoldReason.OPENED_AGAIN, on_hold=text)
        work.put_position(replace(position, setbacks=SETBACKS, missed=()))
        return
    work.record(
        Kind.ALARM,
        position.bot,
        position.id,
        text=f"the account holds {names} again: the exits of {position.id} go on",
    )
    work.put_position(replace(release(position), missed=()))


def _may_be_opened_anew(work: Work, position: Position) -> bool:
    """Say whether what the account lacked may be there again by a trade of somebody: a list that was wrong is soon put
    right, while the exchange is closed and the broker resets itself in an hour or more.
    """
    since = min((each.since for each in position.missed), default=None)
    if since is None or (work.at - since > PUT_RIGHT and not _is_closed_since(work, since)):
        return True
    options = {leg.option for leg in position.legs if leg.held}
    reports = (booked.foreign for booked in work.booked.values())
    return any(each is not None and each.option in options and _is_since(each, since) for each in reports)


def _is_since(report: ExecutionReport, since: datetime) -> bool:
    """Say whether an execution may be as new as that: one of an unknown time may."""
    return report.executed_at is None or report.executed_at >= since


def _is_closed_since(work: Work, since: datetime) -> bool:
    """Say whether no session was on from then until now."""
    session, at = work.state.session, work.at
    last = session if at >= session.close else session_before(session.date)
    return since >= last.close and not session.is_on(at)


def _is_there_again(work: Work, position: Position) -> bool:
    """Say whether the account has what a position holds."""
    known = _told_of(work, position)
    return bool(known) and not any(map(work.is_lacking, known))


def note_numbers(work: Work, contracts: Iterable[Contract]) -> None:
    """Stop what holds an option that the broker numbers otherwise than before: it may be another contract now.

    After a corporate action the same strike and expiry may name what delivers something else (faults.md row 74).
    """
    numbers = {option: option for option in contracts if isinstance(option, Option) and option.con_id}
    for position in work.active_positions() if numbers else ():
        for leg in position.legs:
            now = numbers.get(leg.option)
            if leg.held and now is not None and leg.option.con_id and now.con_id != leg.option.con_id:
                text = (
                    f"the broker numbers {leg.option} {now.con_id}, and it was {leg.option.con_id}: another contract?"
                )
                position = work.put_position(with_leg(work.positions[position.id], leg.name, option=now))
                stop(work, position, HoldReason.CONTRACT_CHANGED, text)
