"""Reversed longs: the broker closed a long option twice, so the account is short without cover.

A change can reach the broker as a second order, and both orders under one reference can fill on one quote. A reversed
leg that another leg covers stays until a person acts. An uncovered short option is bought back at market after
`max_time_without_stop` or `CLOSED_AFTER`, if the account shows it.
"""

from collections.abc import Iterable
from datetime import datetime

from rulebot.core.books.position_closed import on_position_closed
from rulebot.core.emit.orders import ticket
from rulebot.core.exits.protective_stops import most_unprotected
from rulebot.core.queries.account import TOO_MUCH
from rulebot.core.queries.entry_blocks import not_trading
from rulebot.core.queries.orders import REVERSED
from rulebot.core.rules.rule_evaluation import wake
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import move_position, put_position, send_order
from rulebot.core.state.lists import live_orders_of, may_move, orders_of
from rulebot.core.state.turn import alarm
from rulebot.fill.ledger import leg_of
from rulebot.model.contract import Option, Right
from rulebot.model.money import ZERO
from rulebot.model.order import OrderLeg, OrderType, Purpose, Side
from rulebot.model.position import Position, PositionLeg
from rulebot.model.text import clock
from rulebot.model.values import replace
from rulebot.order.price import draft

LOOK_AGAIN = 15.0
"""Seconds after which it is looked at again: the account or the market may not allow the order yet."""


def reversed_shorts(position: Position) -> dict[str, int]:
    """Return by leg how many options are short since more was closed than was held, and have no cover."""
    found: dict[str, int] = {}
    for symbol, right in dict.fromkeys((leg.option.symbol, leg.option.right) for leg in position.legs):
        legs = [leg for leg in position.legs if leg.option.symbol == symbol]
        shorts = [leg for leg in legs if _is_short(leg) and leg.option.right is right]
        covers = {leg.name: _shares(leg) for leg in legs if _may_cover(leg, right)}
        for leg in sorted(shorts, key=lambda each: (each.held < 0, each.option.expiry)):
            left = _shares(leg) - _take(covers, [each for each in legs if _covers(each, leg.option)], _shares(leg))
            if left > 0 and leg.held < 0:
                found[leg.name] = -(-left // leg.option.multiplier)
    return found


def _is_short(leg: PositionLeg) -> bool:
    return leg.signed_held < 0 and not leg.option.is_share


def _shares(leg: PositionLeg) -> int:
    return abs(leg.held) * leg.option.multiplier


def _may_cover(leg: PositionLeg, right: Right) -> bool:
    if leg.option.is_share:
        return leg.signed_held * (1 if right is Right.CALL else -1) > 0
    return leg.signed_held > 0 and leg.option.right is right


def _covers(leg: PositionLeg, short: Option) -> bool:
    """Say whether what is held of a leg covers a short option: to its expiry, or as shares."""
    return _may_cover(leg, short.right) and (leg.option.is_share or leg.option.expiry >= short.expiry)


def _take(covers: dict[str, int], legs: Iterable[PositionLeg], wanted: int) -> int:
    """Take this many shares of cover from these legs, as far as they have them; return how many were taken."""
    taken = 0
    for leg in sorted(legs, key=lambda each: each.option.expiry):
        part = min(covers[leg.name], wanted - taken)
        covers[leg.name] -= part
        taken += part
    return taken


def find_reversed(work: StateBuilder, bot: str) -> None:
    """Reopen closed positions of a bot that have reversed longs, so that they are watched and shown."""
    for position in [each for each in work.positions.by_id.values() if each.bot == bot and each.state == "closed"]:
        if position.is_closed_too_far:
            _note(work, position)


def close_reversed_shorts(work: StateBuilder, position: Position) -> bool:
    """Buy back uncovered reversed longs after their time limit.

    Return whether there are any, or may be: then nothing else is sent for the position.
    """
    if not reversed_shorts(position):
        return False
    noted = _note(work, position)
    if noted is not None and noted.unprotected_since is not None and not live_orders_of(work, noted.id):
        _buy_back_when_due(work, noted, noted.unprotected_since)
    return True


def _buy_back_when_due(work: StateBuilder, position: Position, since: datetime) -> None:
    due = max(since + most_unprotected(work, position), position.retry_at or work.at)
    if work.at < due:
        wake(work, position.bot, (due - work.at).total_seconds())
        return
    for name, count in _shown(work, position).items():
        leg = leg_of(position, name)
        if work.schedule.session.is_on(work.at) and not not_trading(work, [leg.option.symbol]):
            _buy_back(work, position, leg, count)
    wake(work, position.bot, LOOK_AGAIN)


def _note(work: StateBuilder, position: Position) -> Position | None:
    """Keep since when uncovered reversed longs exist, once the account shows them.

    None while fills may still arrive: a combo reports leg by leg.
    """
    reported = max((order.changed_at for order in orders_of(work, position.id)), default=work.at)
    left = (reported + TOO_MUCH - work.at).total_seconds()
    if left > 0:
        wake(work, position.bot, left)
        return None
    shown = _shown(work, position)
    words = ", ".join(f"-{count} {leg_of(position, name).option}" for name, count in shown.items())
    since = _since(work, position) if shown else None
    if (words, since) == (position.unprotected, position.unprotected_since):
        return position
    if shown and position.state == "closed" and may_move(work, position, "late_fill"):
        position = move_position(work, replace(position, closed_at=None), "late_fill")
    if since is not None and since != position.unprotected_since:
        until = clock(since + most_unprotected(work, position))
        text = f"{words} of {position.id} is short without cover, since more was closed than was held"
        alarm(work, position.bot, f"{text}: rulebot buys it back at market at {until}", position.id)
    return put_position(work, replace(position, unprotected=words, unprotected_since=since))


def _since(work: StateBuilder, position: Position) -> datetime:
    """Return since when they exist. What was unprotected before the last fill is another matter."""
    own = (each for each in work.positions.executions.values() if each.position == position.id)
    last = max((each.dealt_at for each in own if each.dealt_at is not None), default=work.at)
    known = position.unprotected_since
    return known if known is not None and known >= last else work.at


def _shown(work: StateBuilder, position: Position) -> dict[str, int]:
    """Return by leg how many contracts of such options the account is short as well."""
    found = {}
    for name, count in reversed_shorts(position).items():
        in_account = max(-int(work.account.holdings.get(leg_of(position, name).option, ZERO)), 0)
        if shown := min(count, in_account):
            found[name] = shown
    return found


def _buy_back(work: StateBuilder, position: Position, leg: PositionLeg, count: int) -> None:
    name = ticket(work, position, Purpose.UNWIND, REVERSED)
    send_order(work, draft(name, (OrderLeg(leg.name, leg.option, Side.BUY, 1),), count, OrderType.MARKET))


def bought_back(work: StateBuilder, position: Position) -> None:
    """Handle the end of a buy-back order: a position with nothing left is closed."""
    if position.is_closed_too_far or position.unprotected_since is None:
        return
    position = put_position(work, replace(position, unprotected="", unprotected_since=None, retry_at=None))
    if position.is_flat and position.state == "open" and not live_orders_of(work, position.id):
        on_position_closed(
            work, replace(position, exit_reason=position.exit_reason or _closed_by(work, position)), "closed_out"
        )


def _closed_by(work: StateBuilder, position: Position) -> str:
    """Return the exit that has closed too much."""
    filled = (order for order in orders_of(work, position.id) if order.has_fills and not order.can_increase_risk)
    return next((reason for reason in reversed([order.reason for order in filled]) if reason != REVERSED), REVERSED)
