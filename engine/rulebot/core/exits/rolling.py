"""Rolls: one order closes a position, or a part of it, and opens the same legs anew as a new position.

A part is what the exit would close without its roll: a side, legs by name, or the subject of its `of`. The rest of the
position stays under its own exits and counts with the new legs for limits.

Once the exit's condition is true, the new legs are selected like those of an entry: strikes, price, the conditions of
`require`, and the entry gate. If nothing is found, the exit holds until the next session or only closes. While quotes
are missing it keeps searching; after its grace period exits of lower priority may act.
"""

from collections.abc import Collection, Iterable
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from rulebot.compile.plan import ExitPlan
from rulebot.core.emit.orders import ticket
from rulebot.core.gate.entry_limits import Replaced, entry_refusal, floor_of_roll, halt_on_entry_rate, worst_of_roll
from rulebot.core.gate.exposure import exposure_with
from rulebot.core.gate.price_limits import holds_at, stated_floor, unhit_floor
from rulebot.core.program import CompiledBot, CompiledRoll
from rulebot.core.queries.close_plan import (
    is_balanced_ignoring_worthless,
    is_worthless_long,
    partners,
    rolled_legs,
)
from rulebot.core.queries.entry_blocks import NOT_RUN, kept_out, skip
from rulebot.core.queries.openings import Unpriced, free_id, legs_to_open, unpriced_text
from rulebot.core.queries.schedule import _legs_into, _looking, is_unknown
from rulebot.core.rules.rule_evaluation import confirmed, evaluate_rules, failing, first_missing, wake
from rulebot.core.rules.selections import record_selection
from rulebot.core.rules.unknown_exits import known_again, note_unknown
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import move_position, put_position, send_order, set_watch_at, unindex
from rulebot.core.state.lists import active_positions, positions_of, view_of
from rulebot.core.state.state import OperatorState
from rulebot.core.state.turn import alarm
from rulebot.decide.limits import price_problem
from rulebot.evaluate.strikes import StructureSelection, select
from rulebot.measure.view import LegView, View
from rulebot.model.cause import Text
from rulebot.model.commission import estimate
from rulebot.model.contract import LOT
from rulebot.model.loss_bound import loss_bound
from rulebot.model.market import level_of
from rulebot.model.order import Order, OrderLeg, OrderType, Purpose
from rulebot.model.position import Position, PositionLeg
from rulebot.model.values import replace
from rulebot.order.price import (
    Bound,
    NetQuote,
    Part,
    closing_legs,
    draft,
    ladder_price,
    net_quote,
    opening_legs,
    price_band,
    start_net,
)
from rulebot.record.record import Kind
from rulebot.spec.spec import OnUnknown
from rulebot.wording.condition import describe

SOON = 1.0
"""Seconds after which a roll that waits for quotes looks again, though none has come."""


class RollOffer(NamedTuple):
    """The trades of a roll: held legs, new legs, and both together, per share of one structure.

    closed: held legs that it closes. A long leg without a bid is left to expire, as by any exit.
    """

    rolled: tuple[PositionLeg, ...]
    closed: tuple[PositionLeg, ...]
    selection: StructureSelection
    view: View
    legs: tuple[OrderLeg, ...]
    quantity: int
    quote: NetQuote
    opening: NetQuote
    bound: Bound


class RollCandidate(NamedTuple):
    """The result of a roll's search: an offer, what is `missing`, or why there is none.

    is_final: it holds for this session. is_put_off: search again at once.
    """

    offer: RollOffer | None
    missing: str = ""
    refused: str = ""
    is_final: bool = True
    is_put_off: bool = False


# ---------------------------------------------------------------- looking


def find_roll(work: StateBuilder, position: Position, bot: CompiledBot, planned: ExitPlan) -> RollCandidate:
    """Look for what this exit may roll the position into now."""
    roll = bot.rolls[planned.name]
    if reason := _kept_out(work, position) or _runs_away(work, position.bot):
        return RollCandidate(None, refused=reason, is_final=False)
    rolled = rolled_legs(position, planned)
    if reason := _apart(work, position, planned, rolled, bot):
        return RollCandidate(None, refused=reason)
    quantity = min(leg.held // leg.ratio for leg in rolled)
    if quantity > position.quantity:
        return RollCandidate(None, refused=f"it holds {quantity}, and {position.quantity} were asked for")
    view = view_of(work)
    legs = _legs_into(roll, rolled, work.schedule.session.date)
    if not legs:
        return RollCandidate(None, refused="its legs count from one that it no longer holds")
    selection = select(legs, view, roll.expected_move)
    if not selection.is_complete:
        return RollCandidate(None, selection.missing, selection.refused)
    if reason := _the_same(position, selection):
        return RollCandidate(None, refused=reason)
    closed = tuple(leg for leg in rolled if not is_worthless_long(work, leg)) or rolled
    closing, opening = closing_legs(closed), _opening(selection)
    quotes = (_quote(work, closing, closing=True), _quote(work, opening, closing=False))
    if missing := next((each.missing for each in quotes if each.missing), ""):
        return RollCandidate(None, missing)
    if reason := _turned(bot, rolled, quotes[1]):
        return RollCandidate(None, refused=reason)
    view.legs, view.quantity = selection.legs, quantity
    opens = start_net(planned.order, quotes[1], _parts(opening))
    view.start_price = None if opens is None else float(opens)
    view.commission = float(_commission(work, opening, quantity))
    replaced = Replaced(position, _without(position, {leg.name for leg in rolled}))
    if reason := _over_the_limits(work, replaced, bot, view, selection, quotes[1]):
        return RollCandidate(None, refused=reason, is_final=False)
    commission = _commission(work, (*closing, *opening), quantity)
    view.commission = float(commission)
    quote = _together(quotes)
    starts = start_net(planned.order, quote, _parts((*closing, *opening)))
    view.start_price = None if starts is None else float(starts)
    if failed := _require(work, position, roll, planned, view):
        return failed
    bound = _bound(roll, view, commission)
    net = ladder_price(planned.order, quote, _parts((*closing, *opening)), 1, bound)
    if reason := _out_of_band(work, (*closing, *opening), quote, net):
        return RollCandidate(None, refused=reason, is_final=False)
    return RollCandidate(
        RollOffer(rolled, closed, selection, view, (*closing, *opening), quantity, quote, quotes[1], bound)
    )


def _kept_out(work: StateBuilder, position: Position) -> str:
    """Return why nothing may be opened for this bot, whatever the structure; "" when it may."""
    standing: OperatorState = work.requests.operator
    if not standing.may_enter(position.bot) or work.requests.is_stopping:
        return standing.reason or "the operator allows only what reduces"
    state = work.bots.by_name.get(position.bot)
    if state is None or position.bot not in work.program.bots:
        return NOT_RUN
    return f"halted: {state.day.halted}" if state.day.halt else ""


def is_kept_out(work: StateBuilder, position: Position) -> bool:
    """Say whether everything that a bot could open is blocked at the moment; its roll order was cancelled."""
    return bool(_kept_out(work, position) or kept_out(work))


def _runs_away(work: StateBuilder, bot: str) -> str:
    """Return why a bot that opens again and again rolls no more, "" when it does not; it is halted then."""
    return f"halted: {work.bots.by_name[bot].day.halted}" if halt_on_entry_rate(work, bot) else ""


def _apart(
    work: StateBuilder, position: Position, planned: ExitPlan, rolled: tuple[PositionLeg, ...], bot: CompiledBot
) -> str:
    """Return why these legs are no structure that could be rolled, "" when they are one."""
    if not rolled:
        return "it holds none of its legs"
    if not is_balanced_ignoring_worthless(work, partners(position, planned.legs)):
        return "legs of it are open without their partners"
    if bot.plan.risk.undefined_risk:
        return ""
    for right in dict.fromkeys(leg.option.right for leg in rolled):
        if sum(leg.sign * leg.ratio for leg in rolled if leg.option.right is right) < 0:
            return f"what is sold of its {right.value}s would have no cover"
    return ""


def _the_same(position: Position, selection: StructureSelection) -> str:
    """Return which new leg is a contract that the position holds, "" when none is."""
    held = {leg.option: leg.name for leg in position.legs if leg.held}
    same = next((leg for leg in selection.legs if leg.option in held), None)
    if same is None:
        return ""
    if held[same.option] == same.name:
        return f"{same.name} would stay what it is, {same.option}"
    return f"{same.name} would be what {held[same.option]} is, {same.option}"


def _turned(bot: CompiledBot, rolled: tuple[PositionLeg, ...], quote: NetQuote) -> str:
    """Return that a part would open in the opposite direction of the whole; "" when it does not."""
    if len(rolled) == len(bot.plan.legs):
        return ""
    is_credit, mid = bot.plan.opens_for == "credit", quote.mid or 0.0
    if mid > 0 if is_credit else mid < 0:
        return ""
    alone, whole = ("a debit", "a credit") if is_credit else ("a credit", "a debit")
    return f"the new legs alone would open for {alone}, and its exits are for what opens for {whole}"


def _opening(selection: StructureSelection) -> tuple[OrderLeg, ...]:
    legs = opening_legs(legs_to_open(selection))
    return tuple(replace(leg, opens=True) for leg in legs)


def _parts(legs: tuple[OrderLeg, ...]) -> tuple[Part, ...]:
    """Return the quantities of legs that trade together with others, by their ratios."""
    return tuple(Part(leg.option, -leg.side.sign, leg.price_multiplier) for leg in legs)


def _quote(work: StateBuilder, legs: tuple[OrderLeg, ...], *, closing: bool) -> NetQuote:
    return net_quote(_parts(legs), work.market.board, work.now, closing=closing, reported=work.market.facts.ticks)


def _together(quotes: tuple[NetQuote, NetQuote]) -> NetQuote:
    mids = [each.mid or 0.0 for each in quotes]
    naturals = [each.natural or 0.0 for each in quotes]
    return NetQuote(sum(mids), sum(naturals))


def _out_of_band(work: StateBuilder, legs: Iterable[OrderLeg], quote: NetQuote, net: Decimal | None) -> str:
    """Return how far both sides together would be priced from their mid, "" where no more than `price_band` allows."""
    band = price_band(work.program.limits.price_band, _parts(tuple(legs)), work.market.board)
    return price_problem(net, _mid(quote), band)


def _over_the_limits(
    work: StateBuilder, replaced: Replaced, bot: CompiledBot, view: View, selection: StructureSelection, quote: NetQuote
) -> str:
    """Return which limit keeps the new legs out, as if those that are rolled were gone; "" when none does."""
    position = replaced.position
    if reason := entry_refusal(work, bot, view, selection, quote, replaced):
        return reason
    if not bot.risk:
        return ""
    others = replaced.beside(positions_of(work, position.bot))
    view.exposure = exposure_with(work, view, selection, others, "the bot")
    readings = evaluate_rules(work, position.bot, f"risk {position.id}", bot.risk, view)
    unmet = next((each for each in readings if each.evaluation.truth is not True), None)
    return "" if unmet is None else f"{unmet.rule.name} {describe(unmet.rule, unmet.evaluation)}"


def _without(position: Position, names: Collection[str]) -> Position | None:
    """Return the position as it is without these legs, None when it holds no others."""
    rest = tuple(leg for leg in position.legs if leg.name not in names)
    return replace(position, legs=rest) if any(leg.held for leg in rest) else None


def _require(
    work: StateBuilder, position: Position, roll: CompiledRoll, planned: ExitPlan, view: View
) -> RollCandidate | None:
    """Judge the conditions of the roll; return what is missing, or fails, None when all hold."""
    place = f"roll {planned.name}:{position.id}"
    readings = evaluate_rules(work, position.bot, place, roll.require, view)
    truths = [confirmed(work, position.bot, place, reading, view) for reading in readings]
    if all(truth is True for truth in truths):
        return None
    if failed := failing(readings):
        return RollCandidate(None, refused=f"{failed[0].rule.name} {describe(failed[0].rule, failed[0].evaluation)}")
    unknown = next((each for each in readings if each.evaluation.truth is None), None)
    return RollCandidate(None, "confirmation" if unknown is None else first_missing(unknown.evaluation))


def _bound(roll: CompiledRoll, view: View, commission: Decimal) -> Bound:
    """Return how far the net price (+ received) of both sides together may go, per share."""
    floor = stated_floor((compiled.rule for compiled in roll.require), LOT * view.quantity, commission)
    return Bound(floor, holds_at(roll.priced, view))


def _bound_of_next(
    work: StateBuilder, order: Order, bot: CompiledBot, planned: ExitPlan, quotes: tuple[NetQuote, NetQuote]
) -> Bound | None:
    """Return the worst price to which a working roll may step, by the current market.

    None while the possible loss of its trade is unknown, or unbounded where a bound is required.
    """
    view, rows, risk = view_of(work), work.market.board.rows, bot.plan.risk
    new = tuple(leg for leg in order.legs if leg.opens)
    view.legs = tuple(LegView(x.name, x.option, rows.get(x.option, -1), x.side.sign, x.ratio) for x in new)
    commission = _commission(work, order.legs, order.quantity)
    view.quantity, view.commission = order.quantity, float(commission)
    bound = _bound(bot.rolls[planned.name], view, commission)
    worst, unknown = _worst_of_next(work, order, planned, quotes[1], view)
    if unknown or (worst is None and not risk.undefined_risk):
        return None
    floors = [bound.floor, floor_of_roll(worst, quotes, order.quantity, risk.max_loss_per_trade)]
    is_started = work.positions.by_id[order.opens_position].has_fills
    if not is_started and (unhit := unhit_floor(risk.protect, planned.order, view.legs, work)):
        floors.append(unhit + Decimal(f"{quotes[0].mid or 0.0:.4f}"))
    return bound._replace(floor=max((floor for floor in floors if floor is not None), default=None))


def _worst_of_next(
    work: StateBuilder, order: Order, planned: ExitPlan, opening: NetQuote, view: View
) -> tuple[Decimal | None, str]:
    """Return the dollars that the trade could lose with the legs of a working roll, and why unknown."""
    position = work.positions.by_id[order.position]
    rolled = {leg.name for leg in rolled_legs(position, planned)} | {leg.name for leg in order.legs_of(position.id)}
    others = Replaced(position, _without(position, rolled)).beside(active_positions(work))
    of_trade = [each for each in others if each.entered_as == position.entered_as and each.id != order.opens_position]
    return worst_of_roll(work, of_trade, StructureSelection(view.legs, ()), opening, order.quantity)


def _commission(work: StateBuilder, legs: Iterable[OrderLeg], quantity: int) -> Decimal:
    """Return the estimated dollars of one order of these legs."""
    board, parts = work.market.board, []
    for leg in legs:
        row = board.rows.get(leg.option, -1)
        mid = (board.bid[row] + board.ask[row]) / 2 if row >= 0 else 0.0
        parts.append((leg.option, leg.side.sign * leg.ratio * quantity, mid if mid == mid else 0.0))
    return estimate(parts)


# ---------------------------------------------------------------- what is streamed meanwhile


# ---------------------------------------------------------------- acting


def send_roll(work: StateBuilder, position: Position, bot: CompiledBot, planned: ExitPlan, offer: RollOffer) -> Order:
    """Send the one order that closes these legs and opens a new position, which is entering from now on."""
    parts = _parts(offer.legs)
    net = ladder_price(planned.order, offer.quote, parts, 1, offer.bound)
    new = _new_position(work, position, bot, offer)
    legs, held = offer.closed, [leg for leg in position.legs if leg.held]
    part = "" if len(legs) == len(held) else f"{' and '.join(leg.name for leg in legs)} of "
    into = ", ".join(str(leg.option) for leg in offer.selection.legs)
    left = ", ".join(leg.name for leg in offer.rolled if leg not in legs)
    rest = f"; no bid for {left}, left to expire" if left else ""
    said = f"{planned.name} rolls {part}{position.id} into {into}{rest}"
    work.record(Kind.DECISION, position.bot, new.id, what="roll", reason=said, values=[position.id])
    roll = bot.rolls[planned.name]
    reported = replace(bot, plan=replace(roll.plan, legs=_legs_into(roll, offer.rolled, work.schedule.session.date)))
    record_selection(work, reported, offer.view, offer.selection, "", new.id)
    put_position(work, new)
    new = move_position(work, new, "enter")
    order = draft(
        ticket(work, position, Purpose.ROLL, planned.name),
        offer.legs,
        offer.quantity,
        OrderType.LIMIT,
        net=net,
        mid=None if offer.quote.mid is None else Decimal(f"{offer.quote.mid:.4f}"),
        attempt=1,
        attempt_until=work.at + timedelta(seconds=planned.order.wait),
    )
    exit_mid = _mid(_quote(work, closing_legs(legs), closing=True))
    if exit_mid is None or (part and position.exit_mid is not None):
        exit_mid = position.exit_mid
    put_position(work, replace(position, attempts=1, retry_at=None, exit_mid=exit_mid))
    return send_order(work, replace(order, opens_position=new.id))


def _mid(quote: NetQuote) -> Decimal | None:
    return None if quote.mid is None else Decimal(f"{quote.mid:.4f}")


def _new_position(work: StateBuilder, position: Position, bot: CompiledBot, offer: RollOffer) -> Position:
    selection, view = offer.selection, offer.view
    spot = level_of(view.board, bot.plan.underlyings[0], view.now)
    worst = loss_bound(selection.legs, _mid(offer.opening) or Decimal(0))
    return Position(
        id=free_id(work, position.bot, work.schedule.session.date, work.bots.by_name[position.bot].day.entries + 1),
        bot=position.bot,
        digest=position.digest,
        state="flat",
        session=work.schedule.session.date,
        quantity=offer.quantity,
        legs=legs_to_open(selection),
        entry_mid=_mid(offer.opening),
        spot=None if spot is None else Decimal(f"{spot:.2f}"),
        max_risk=None if worst is None else worst * LOT,
        alternative=position.alternative,
        rolled_from=position.id,
        trade=position.entered_as,
    )


def start_roll_search(work: StateBuilder, position: Position, planned: ExitPlan, missing: str) -> float:
    """Note that an exit cannot decide yet; return the remaining seconds of its grace period."""
    is_started = is_unknown(work, position, _looking(planned))
    since = note_unknown(work, position, _looking(planned))
    if not is_started:
        unindex(work)  # what it reads is to be streamed, at once, and wakes it
        set_watch_at(work, work.at)
    wake(work, position.bot, SOON)
    left = planned.grace - (work.at - since).total_seconds()
    if left <= 0:
        text = f"exit {planned.name} finds no quotes to roll by: {missing.split(' for ')[0]}"
        alarm(work, position.bot, text, position.id)
    return left


def end_roll_search(work: StateBuilder, position: Position, planned: ExitPlan) -> None:
    """Forget since when an exit has looked in vain."""
    if is_unknown(work, position, _looking(planned)):
        known_again(work, position, _looking(planned))
        unindex(work)


def record_no_roll(work: StateBuilder, position: Position, planned: ExitPlan, found: RollCandidate) -> Position:
    """Record that an exit found nothing to roll into; return the position, which rolls no more today.

    A temporary obstacle is reported once and checked again. An exit with a fallback to close closes.
    """
    end_roll_search(work, position, planned)
    position = work.positions.by_id[position.id]
    reason = f"{planned.name} does not roll: {found.refused or found.missing}"
    closes = planned.roll is not None and planned.roll.otherwise is OnUnknown.CLOSE
    if not found.is_final and not closes:
        if position.bot in work.bots.by_name:
            skip(work, position.bot, reason)
        return position
    then = "it closes" if closes else "it holds until the next session"
    work.record(Kind.DECISION, position.bot, position.id, what="no_roll", reason=f"{reason}: {then}", values=[])
    return put_position(
        work, replace(position, rolls_without_candidate=(*position.rolls_without_candidate, planned.name))
    )


def sells_worthless(work: StateBuilder, order: Order) -> bool:
    """Say whether a roll order with other legs would sell a leg that no longer has a bid."""
    names = {leg.name for leg in order.legs_of(order.position)}
    dead = [
        leg for leg in work.positions.by_id[order.position].legs if leg.name in names and is_worthless_long(work, leg)
    ]
    return 0 < len(dead) < len(names)


class NextRung(NamedTuple):
    """The net price of the next try of a roll, None where it has none. missing: why, for people."""

    net: Decimal | None
    missing: Text = ""
    is_out_of_band: bool = False


def next_ladder_price(work: StateBuilder, order: Order, bot: CompiledBot, planned: ExitPlan) -> NextRung:
    """Return the net price of the next try of a roll."""
    sides = ([leg for leg in order.legs if leg.opens is opens] for opens in (False, True))
    old, new = (tuple(legs) for legs in sides)
    quotes = (_quote(work, old, closing=True), _quote(work, new, closing=False))
    if unquoted := next((each for each in quotes if each.fault), None):
        return NextRung(None, unquoted.brief)
    bound = _bound_of_next(work, order, bot, planned, quotes)
    if bound is None:
        return NextRung(None, "what it could lose is not known")
    quote = _together(quotes)
    net = ladder_price(planned.order, quote, _parts(order.legs), order.attempt + 1, bound)
    if _out_of_band(work, order.legs, quote, net):
        return NextRung(None, unpriced_text(Unpriced.OUT_OF_BAND, quote), is_out_of_band=True)
    return NextRung(net)
