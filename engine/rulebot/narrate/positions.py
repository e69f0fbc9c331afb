"""A position and its orders in a few words, the same on the screen, in the lines of a pipe and in the report."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from typing import Any

from rulebot.compile.plan import Compare, ExitPlan, Holds, Rule
from rulebot.core.program import CompiledBot, Program
from rulebot.core.queries.close_plan import CLOSING
from rulebot.core.queries.orders import RESTING
from rulebot.core.rules.rule_evaluation import first_missing
from rulebot.core.session.position_marks import has_acted
from rulebot.core.state.state import BotState, Reading, State, exits_of
from rulebot.evaluate.strikes import StructureSelection
from rulebot.fill.exit_level import level_net, open_value
from rulebot.measure.evaluation import NotOpen
from rulebot.measure.view import LegView
from rulebot.model.contract import LOT, SHARES, Option, Right, Strike, share, strike_of, structure_text
from rulebot.model.loss_bound import DELIVERING, shares_delivered
from rulebot.model.market import Board
from rulebot.model.order import Order, OrderType, Purpose
from rulebot.model.position import CLOSED_BY_HAND, CLOSED_ELSEWHERE, ESTIMATED, Position, PositionLeg
from rulebot.model.session import DayTime, Session
from rulebot.model.text import minute, price
from rulebot.model.values import dataclass
from rulebot.narrate.trades import (
    CASH_SETTLED,
    NO_PART,
    closing_text,
    ended_text,
    external_close_text,
    opened_words,
    part_held,
    partial_close_text,
    rolled_text,
    unprotected_legs_text,
    unwound_text,
)
from rulebot.order.price import net_price
from rulebot.review.payoff import Payoff, payoff_of
from rulebot.wording.number import measured

_LEVELS = ("profit", "loss", "cost", "value")


def structure(position: Position) -> str:
    """Return what was asked for, `2 x 5920/5930p 6065/6075c`, with the expiry when it is not the day it was opened."""
    return _counted(position.quantity) + _without_count(position)


def opened_text(position: Position) -> str:
    """Return what was opened, as `structure` does: the rest of what was asked for has not filled."""
    return _counted(opened_count(position)) + _without_count(position)


def held_text(position: Position) -> str:
    """Return what is held, as `structure` does: `1 of 2 x 5920/5930p`, `6065/6075c of ..` once a part is closed.

    What the account lacks of it does not count.
    """
    if position.state == "entering":
        return structure(position)
    legs = position.common.legs
    counts = ((strike_of(leg.option, leg.ratio, leg.sign), leg.opened, leg.held) for leg in legs)
    return part_held(counts, is_gone=legs != position.legs) + opened_text(position)


def opened_count(position: Position) -> int:
    """Return how many structures were opened; while none is, how many were asked for."""
    return min((leg.opened // leg.ratio for leg in position.legs), default=0) or position.quantity


def _counted(count: int) -> str:
    return f"{count} x " if count != 1 else ""


def _without_count(position: Position) -> str:
    legs = position.legs
    text = structure_text(strike_of(x.option, x.ratio, x.sign) for x in legs)
    expiries = {leg.option.expiry for leg in legs if not leg.option.is_share}
    later = "".join(f" {expiry}" for expiry in expiries if len(expiries) == 1 and expiry != position.session)
    return f"{text}{later}"


def entry_text(position: Position) -> str:
    """Return `sold 5920/5930p 6065/6075c at 0.85 (mid 0.90)`."""
    if position.entry_price is None:
        return f"part of {structure(position)}"
    return opened_words(position.entry_price, opened_text(position), position.entry_mid)


def exit_text(position: Position, *, in_all: bool = False) -> str:
    """Return how a closed position ended, as `ended_words` does; `closed` where a leg never filled.

    in_all: parts of it were closed before.
    """
    settled, paid = [leg for leg in position.legs if leg.settled], position.exit_price
    cost, entry = None if paid is None else -float(paid), _entry(position)
    if position.exit_reason in (ESTIMATED, CLOSED_BY_HAND):
        return ended_text(position.exit_reason, cost, entry, is_settled=bool(settled), in_all=in_all)
    if all(leg.settled == leg.closed for leg in position.legs):
        is_free = all(not leg.exit_cash for leg in settled)
        how = position.exit_reason if position.exit_reason in DELIVERING else "expired worthless"
        return ended_text(how if is_free else CASH_SETTLED, cost, entry, in_all=in_all)
    return ended_text("", cost, entry, in_all=in_all) + (" (the rest expired)" if settled else "")


def closed_parts(state: State, position: Position) -> list[Order]:
    """Return the orders that closed a part of a position that went on, oldest first: not those of its last exit."""
    closing = (
        order for order in state.orders.by_ref.values() if order.is_of(position.id) and not order.opens(position.id)
    )
    is_over = position.state == "closed"
    return [
        order
        for order in closing
        if order.has_fills
        and (order.purpose not in NO_PART or _rolls_part(order, position) or _unwinds(order, position))
        if not (is_over and order.reason == position.exit_reason)
    ]


def _rolls_part(order: Order, position: Position) -> bool:
    """Say whether an order rolled some legs of a position apart from the others."""
    return (
        order.position == position.id
        and bool(order.opens_position)
        and len(order.legs_of(position.id)) < len(position.legs)
    )


def _unwinds(order: Order, position: Position) -> bool:
    """Say whether an order closed what had no partner of a position that has an entry price: the rest went on."""
    return order.purpose is Purpose.UNWIND and position.entry_price is not None


def closed_by_others(state: State, position: Position) -> list[str]:
    """Return what others have closed of a position that went on: `1 SPXW 2026-10-21 5890P sold at 0.95`, sorted."""
    if position.exit_reason in CLOSED_ELSEWHERE:
        return []
    legs = {leg.name: leg for leg in position.legs}
    booked = [each for each in state.positions.executions.values() if each.by_others and each.position == position.id]
    reported = ((legs[each.leg], each.quantity, abs(each.cash)) for each in booked if each.quantity)
    return sorted(
        external_close_text(count, str(leg.option), float(cash / count / leg.option.multiplier), is_sale=leg.sign > 0)
        for leg, count, cash in reported
    )


def ending_text(state: State, position: Position) -> str:
    """Return how a closed position ended; `bought back in all at 4.75` where parts of it were closed before."""
    return exit_text(position, in_all=bool(closed_parts(state, position) or closed_by_others(state, position)))


def part_text(order: Order, position: Position) -> str:
    """Return `2 of 4 bought back at 1.65`."""
    if order.opens_position:
        return rolled_text([leg.name for leg in order.legs_of(position.id)], order.filled, position.quantity)
    dealt = order.average_price
    cost = None if dealt is None else -float(net_price(dealt, order.wire_side))
    if order.purpose is Purpose.UNWIND:
        return unwound_text([leg.name for leg in order.legs], order.filled, cost)
    leg = order.legs[0].name if len(order.legs) == 1 < len(position.legs) else ""
    return partial_close_text(order.filled, position.quantity, cost, _entry(position), leg)


def closes_at(position: Position, cost: float) -> str:
    """Return a price per share at which a position closes, as `closing_text` writes it beside its entry."""
    return closing_text(cost, _entry(position))


def _entry(position: Position) -> float:
    """Return what opening brought per share, 0 while it is not known."""
    return float(position.entry_price or 0)


def shares_moved(option: Option, count: int) -> str:
    """Return `200 SPY shares came at 598.00`: what assignment or exercise of these options (+ long) moves."""
    shares = shares_delivered(option, count)
    return f"{abs(shares):,} {option.symbol} shares {'came' if shares > 0 else 'went'} at {price(option.strike)}"


def order_price(order: Order) -> str:
    """Return what an order asks for: `at 0.25`, `at market`, `stop 14.16`."""
    if order.stop_price is not None:
        return f"stop {price(order.stop_price)}"
    if order.kind is OrderType.MARKET or order.limit_price is None:
        return "at market"
    return f"at {price(order.limit_price)}"


def live_orders(state: State, position: Position, *purposes: Purpose) -> list[Order]:
    """Return the position's orders of these purposes that may still fill, oldest first."""
    return [
        order
        for order in state.orders.by_ref.values()
        if order.position == position.id and order.status.is_live and order.purpose in purposes
    ]


def opening_orders(state: State, position: Position) -> list[Order]:
    """Return the orders that open the position and may still fill, oldest first."""
    return [order for order in state.orders.by_ref.values() if order.opens(position.id) and order.status.is_live]


def hold_text(position: Position) -> str:
    """Return why nothing is sent for a position, or only for a part of it."""
    return f"on hold{'' if position.is_frozen else ' in part'}: {position.freeze_reason}"


def unprotected_text(position: Position) -> str:
    """Return which short legs lack required protection, why and since when; "" where none does."""
    since = position.unprotected_since
    if since is None or not position.unprotected:
        return ""
    return unprotected_legs_text(position.unprotected, since)


def acts_on_none(position: Position) -> bool:
    """Say whether no exit acts on a position now: it is on hold, or the account holds nothing of it."""
    return position.is_frozen or (bool(position.freeze_reason) and position.common.is_flat)


def resting_text(state: State, position: Position) -> str:
    """Return what rests at the broker for a position: `target 2.03, stop 15.21`, "" when nothing does."""
    found = []
    for order in live_orders(state, position, *RESTING):
        level = order.stop_price if order.stop_price is not None else order.limit_price
        found.append(order.reason if level is None else f"{order.reason} {price(level)}")
    return ", ".join(found)


def close_price(position: Position, board: Board, now: float) -> float | None:
    """Return what closing one structure costs per share at mid (negative: it brings), None while unknown."""
    if not position.open_structures:
        return None
    value = open_value(position, board, now)
    if value is None:
        return None
    return -value / (position.open_structures * LOT)


def is_unclosed(state: State, position: Position) -> bool:
    """Say whether an exit has left only long legs, and no working order closes them."""
    return position.waits_for_expiry and not live_orders(state, position, *CLOSING)


def left_text(position: Position) -> str:
    """Return the text about an exit's rest: `target: the rest is long and has no bid`."""
    return f"{position.exit_reason}: the rest is long and has no bid"


def exits_text(program: Program, state: State, position: Position, now: float) -> str:
    """Return each exit of an open position with its level and the present value; of one on hold, that none acts."""
    bot, resting = program.governing(position), resting_text(state, position)
    if acts_on_none(position):
        return hold_text(position) + (f"; resting: {resting}" if resting else "")
    if is_unclosed(state, position):
        return left_text(position)
    parts = [f"resting: {resting}"] if resting else []
    shown = _Closing(position, close_price(position, state.market.board, now))
    for planned in sorted(bot.plan.exits, key=_rank):
        reading = _reading(state.bots.by_name.get(position.bot), position, planned)
        if _is_to_act(planned, reading, position) and not (planned.resting and resting):
            parts.append(_exit_text(planned, reading, position, state.schedule.session, shown))
    held = hold_text(position) if position.freeze_reason else ""
    return "; ".join(filter(None, (unprotected_text(position), *(parts or [_only_expiry(bot, position)]), held)))


def _is_to_act(planned: ExitPlan, reading: Reading | None, position: Position) -> bool:
    """Say whether an exit has a rule, has not acted yet, and judges legs that the position has."""
    if planned.rule is None or has_acted(position, planned):
        return False
    return reading is None or not isinstance(first_missing(reading.evaluation), NotOpen)


class _Closing:
    """The current cost of closing a position, which is shown beside one level only."""

    def __init__(self, position: Position, present: float | None) -> None:
        self._position, self._present = position, present

    def beside(self) -> str:
        present, self._present = self._present, None
        return "" if present is None else f" (now {closes_at(self._position, float(f'{present:.2f}'))})"


def _exit_text(
    planned: ExitPlan, reading: Reading | None, position: Position, session: Session, closing: _Closing
) -> str:
    if planned.activate_when and planned.name not in position.armed:
        return f"{planned.name}, once {' and '.join(rule.name for rule in planned.activate_when)} arms it"
    level = level_net(position, planned) if planned.basis in _LEVELS else None
    if level is None:
        return _rule_text(planned, reading, session)
    return f"{planned.name} {closes_at(position, float(f'{-level:.2f}'))}{closing.beside()}"


def _rank(planned: ExitPlan) -> int:
    """Order exits for people: what the price decides, then the clock, then the rest."""
    if planned.kind.takes_profit:
        return 0
    if planned.kind.limits_loss:
        return 1
    return 2 if _is_time(planned) else 3


def _is_time(planned: ExitPlan) -> bool:
    test = None if planned.rule is None else planned.rule.test
    return isinstance(test, Holds) and test.call.measure == "time"


def _earlier_today(rule: Rule, session: Session) -> str:
    """Return when the time of a time exit is in a session that closes before it, if ever; "" in any other one."""
    assert isinstance(rule.test, Holds)
    (at,) = (value for _, value in rule.test.call.arguments if isinstance(value, DayTime))
    due = at.before_close(session)
    if session.is_half and due >= session.close:
        return " (not today)"
    return "" if due == at.on(session) else f" ({minute(due)} today)"


def _is_breach(rule: Rule) -> bool:
    return isinstance(rule.test, Holds) and rule.test.call.measure == "breach"


def _only_expiry(bot: CompiledBot, position: Position) -> str:
    return (
        f"its expiry, {min(leg.option.expiry for leg in position.legs)}"
        if bot.plan.exits
        else "nothing: it has no exit"
    )


def _reading(bot: BotState | None, position: Position, planned: ExitPlan) -> Reading | None:
    return None if bot is None else bot.readings.get((exits_of(position.id), planned.name))


def _rule_text(planned: ExitPlan, reading: Reading | None, session: Session) -> str:
    """Return `breach 15 pts (now 33.2 pts)`, `leg_delta beyond 0.15 (now 0.06)`, `time 15:45 (12:45 today)`."""
    rule = planned.rule
    assert rule is not None
    said = f"{planned.name} {rule.text}"
    if _is_time(planned):
        return said + _earlier_today(rule, session)
    if reading is None or reading.evaluation.value is None:
        return said if reading is None or reading.evaluation.truth is not None else f"{said} (now unknown)"
    if isinstance(rule.test, Compare):
        return f"{said} (now {measured(reading.evaluation.value, rule.test.left)})"
    if not _is_breach(rule):
        return said
    return f"{planned.name} {rule.text.removeprefix('spot_')} (now {reading.evaluation.value:.1f})"


# --- A structure as people are shown it


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownLeg:
    """One leg. side: buy or sell; right: put, call or shares; shares have no strike or expiry.

    Units: bid and ask per share, None where there is none. Greeks are of an option held long: delta and gamma (a point)
    of one share, theta (a calendar day) and vega (a volatility point) in dollars of one contract.
    """

    name: str
    side: str
    symbol: str
    trading_class: str
    right: str
    strike: str | None
    expiry: str | None
    ratio: int
    bid: float | None = None
    ask: float | None = None
    delta: float | None = None
    gamma: float | None = None
    theta: float | None = None
    vega: float | None = None

    @property
    def mid(self) -> float | None:
        """The midpoint, None without both sides."""
        return None if self.bid is None or self.ask is None else (self.bid + self.ask) / 2

    @property
    def option(self) -> Option:
        """The contract."""
        if self.right == SHARES or self.strike is None or self.expiry is None:
            return share(self.symbol)
        day, right = date.fromisoformat(self.expiry), Right(self.right)
        return Option(self.symbol, self.trading_class, day, Decimal(self.strike), right)


def leg_document(leg: ShownLeg) -> dict[str, Any]:
    """Return a leg as plain data."""
    return {each.name: getattr(leg, each.name) for each in fields(ShownLeg)}


def shown_legs(selection: StructureSelection, board: Board) -> tuple[ShownLeg, ...]:
    """Return the legs of a structure that was chosen, in its order."""
    return tuple(
        ShownLeg(
            name=leg.name,
            side="buy" if leg.sign > 0 else "sell",
            symbol=leg.option.symbol,
            trading_class=leg.option.trading_class,
            right=SHARES if leg.option.is_share else leg.option.right.value,
            strike=None if leg.option.is_share else f"{leg.option.strike:f}",
            expiry=None if leg.option.is_share else leg.option.expiry.isoformat(),
            ratio=leg.ratio,
            bid=_known(board.bid, leg.row),
            ask=_known(board.ask, leg.row),
            **_greeks(leg, board),
        )
        for leg in selection.legs
    )


def _greeks(leg: LegView, board: Board) -> dict[str, float | None]:
    """Return what the broker's model says of one option held long; nothing of shares."""
    if leg.option.is_share:
        return {}
    found = {name: _known(getattr(board, name), leg.row, 6) for name in ("gamma", "theta", "vega")}
    for name in ("theta", "vega"):
        value = found[name]
        found[name] = None if value is None else round(value * leg.option.multiplier, 4)
    return {"delta": _known(board.delta, leg.row), **found}


def structure_of_legs(legs: Sequence[ShownLeg]) -> str:
    """Return `5920/5930p 6065/6075c`."""
    return structure_text(
        Strike(
            leg.symbol,
            leg.right,
            Decimal(leg.strike or 0),
            leg.ratio,
            leg.expiry,
            1 if leg.side == "buy" else -1,
        )
        for leg in legs
    )


def payoff_at_expiry(
    legs: Sequence[ShownLeg],
    quantity: int,
    price: float,
    commission: float,
    levels: Mapping[str, float],
    *,
    covered: bool = False,
) -> Payoff | None:
    """Return the profit at expiry of these structures, opened at this net price per share (+ received).

    None where unknown: a level is missing, or the legs do not all expire on one day.
    """
    symbols = list(dict.fromkeys(leg.symbol for leg in legs))
    expiries = {leg.expiry for leg in legs if leg.expiry is not None}
    if len(expiries) != 1 or any(not levels.get(symbol) for symbol in symbols):
        return None
    held = [
        PositionLeg(
            name=leg.name,
            option=leg.option,
            sign=1 if leg.side == "buy" else -1,
            ratio=leg.ratio,
            opened=leg.ratio * quantity,
        )
        for leg in legs
    ]
    spots = [(symbol, Decimal(f"{levels[symbol]:.2f}")) for symbol in symbols]
    net = Decimal(f"{price:.4f}") * LOT * quantity - Decimal(f"{commission:.2f}")
    return replace(payoff_of(held, spots, net), covered=covered)


def _known(column: Sequence[float], row: int, places: int = 4) -> float | None:
    number = float("nan") if row < 0 else float(column[row])
    return None if number != number else round(number, places)
