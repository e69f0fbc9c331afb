"""Exits that roll: one order closes a position and opens the same legs anew, as a position of its own.

What it would open is looked for as an entry's legs are, once its condition is true: strikes, price, the conditions of
`require`, and the gate that entries pass. Where that finds nothing the exit holds until the next session, or only
closes. While quotes are missing it goes on looking; after its grace exits that stand lower may act meanwhile.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from engine.compile.plan import ExitPlan, LegPlan
from engine.evaluate.select import Selection, select
from engine.evaluate.snapshot import View
from engine.evaluate.watch import Wish, entry_aims, entry_wish
from engine.evaluate.wording import describe
from engine.model.commission import estimate
from engine.model.contract import LOT, Option
from engine.model.order import Order, OrderLeg, OrderType, Purpose
from engine.model.position import Position, PositionLeg
from engine.model.quotes import level_of
from engine.model.values import replace
from engine.order.draft import closing_legs, draft, opening_legs
from engine.order.ladder import rung, start_net
from engine.order.price import NetQuote, Part, net_quote
from engine.record.record import Kind
from engine.spec.nouns.exits import Otherwise
from engine.spec.nouns.legs import DteRule, Expiry, StrikeBy
from engine.turn.bounds import stated_floor
from engine.turn.choosing import record_selection
from engine.turn.gate import entry_refusal
from engine.turn.judging import confirmed, failing, first_missing, judge_all, wake
from engine.turn.net import exposure_with
from engine.turn.opening import entry_worst_case, free_id, ticket
from engine.turn.program import CompiledBot, CompiledRoll
from engine.turn.refusing import skip
from engine.turn.runaway import stop_runaway
from engine.turn.state import Standing
from engine.turn.work import Work

SOON = 1.0
"""Seconds after which a roll that waits for quotes looks again, though none has come."""


class Offer(NamedTuple):
    """What a roll would deal: the new legs, and both sides together, per share of one structure."""

    selection: Selection
    view: View
    legs: tuple[OrderLeg, ...]
    quantity: int
    quote: NetQuote
    opening: NetQuote
    floor: Decimal | None


class Found(NamedTuple):
    """What looking has found: an offer, or what is `missing` to tell, or why there is none.

    is_final: it stays so for this session.
    """

    offer: Offer | None
    missing: str = ""
    refused: str = ""
    is_final: bool = True


# ---------------------------------------------------------------- looking


def seek(work: Work, position: Position, bot: CompiledBot, planned: ExitPlan) -> Found:
    """Look for what this exit may roll the position into now."""
    roll = bot.rolls[planned.name]
    if reason := _kept_out(work, position) or _runs_away(work, position.bot):
        return Found(None, refused=reason, is_final=False)
    if position.is_uneven:
        return Found(None, refused="legs of it stand without their partners")
    if position.structures > position.quantity:
        return Found(None, refused=f"it holds {position.structures}, and {position.quantity} were asked for")
    view = work.view()
    legs = _legs_into(roll, position, work.state.session.date)
    selection = select(legs, view, roll.expected_move)
    if not selection.is_complete:
        return Found(None, selection.missing, selection.refused)
    held = {leg.option for leg in position.legs}
    if same := next((leg for leg in selection.legs if leg.option in held), None):
        return Found(None, refused=f"{same.name} would stay what it is, {same.option}")
    closing, opening = closing_legs(position.legs), _opening(selection)
    quotes = (_quote(work, closing, closing=True), _quote(work, opening, closing=False))
    if missing := next((each.missing for each in quotes if each.missing), ""):
        return Found(None, missing)
    quantity = position.structures
    view.legs, view.quantity = selection.legs, quantity
    opens = start_net(planned.order, quotes[1], _parts(opening), None)
    view.start_price = None if opens is None else float(opens)
    view.commission = float(_commission(work, opening, quantity))
    if reason := _over_the_limits(work, position, bot, view, selection, quotes[1]):
        return Found(None, refused=reason, is_final=False)
    commission = _commission(work, (*closing, *opening), quantity)
    view.commission = float(commission)
    quote = _together(quotes)
    starts = start_net(planned.order, quote, _parts((*closing, *opening)), None)
    view.start_price = None if starts is None else float(starts)
    if failed := _require(work, position, roll, planned, view):
        return failed
    floor = _floor(roll, quantity, commission)
    return Found(Offer(selection, view, (*closing, *opening), quantity, quote, quotes[1], floor))


def _kept_out(work: Work, position: Position) -> str:
    """Return why nothing may be opened for this bot whatever it would be, "" when it may."""
    standing: Standing = work.state.standing
    if not standing.may_enter(position.bot) or work.state.is_stopping:
        return "the operator allows only what reduces"
    state = work.bots.get(position.bot)
    if state is None or position.bot not in work.program.bots:
        return "its bot is not run any more"
    return f"halted: {state.day.halted}" if state.day.halted else ""


def _runs_away(work: Work, bot: str) -> str:
    """Return why a bot that opens again and again rolls no more, "" when it does not; it is halted then."""
    return f"halted: {work.bots[bot].day.halted}" if stop_runaway(work, bot) else ""


def _legs_into(roll: CompiledRoll, position: Position, today: date) -> tuple[LegPlan, ...]:
    held = tuple((leg.name, leg.option) for leg in position.legs)
    return _placed(roll.plan.legs, roll.is_moved, held, today)


@lru_cache(maxsize=64)
def _placed(
    legs: tuple[LegPlan, ...], is_moved: bool, held: tuple[tuple[str, Option], ...], today: date
) -> tuple[LegPlan, ...]:
    """Return the legs with what they keep of the position: the strike of those that are not moved, or its expiry.

    They live as long as views do that remember things by them.
    """
    options = dict(held)
    return tuple(_as_held(leg, options[leg.name], is_moved, today) for leg in legs)


def _as_held(leg: LegPlan, option: Option, is_moved: bool, today: date) -> LegPlan:
    if leg.strike.by is StrikeBy.HELD:
        leg = replace(leg, strike=replace(leg.strike, target=option.strike))
    if is_moved:
        return leg
    days = ((option.expiry - today).days,)
    expiry = Expiry(rule=DteRule.EXACT, days=days, trading_class=option.trading_class, path=leg.expiry.path)
    return replace(leg, expiry=expiry, trading_class=option.trading_class)


def _opening(selection: Selection) -> tuple[OrderLeg, ...]:
    legs = opening_legs(PositionLeg(name=x.name, option=x.option, sign=x.sign, ratio=x.ratio) for x in selection.legs)
    return tuple(replace(leg, opens=True) for leg in legs)


def _parts(legs: tuple[OrderLeg, ...]) -> tuple[Part, ...]:
    """Return what is dealt of legs that are dealt together with others: by their ratios, also where it is one."""
    return tuple(Part(leg.option, -leg.side.sign, leg.weight) for leg in legs)


def _quote(work: Work, legs: tuple[OrderLeg, ...], *, closing: bool) -> NetQuote:
    return net_quote(_parts(legs), work.state.board, work.now, closing=closing)


def _together(quotes: tuple[NetQuote, NetQuote]) -> NetQuote:
    mids = [each.mid or 0.0 for each in quotes]
    naturals = [each.natural or 0.0 for each in quotes]
    return NetQuote(sum(mids), sum(naturals))


def _over_the_limits(
    work: Work, position: Position, bot: CompiledBot, view: View, selection: Selection, quote: NetQuote
) -> str:
    """Return which limit keeps the new legs out, as if the position that is rolled were gone; "" when none does."""
    if reason := entry_refusal(work, bot, view, selection, quote, position):
        return reason
    if not bot.risk:
        return ""
    others = [each for each in work.positions_of(position.bot) if each.id != position.id]
    view.exposure = exposure_with(work, view, selection, others, "the bot")
    readings = judge_all(work, position.bot, f"risk {position.id}", bot.risk, view)
    unmet = next((each for each in readings if each.verdict.truth is not True), None)
    return "" if unmet is None else f"{unmet.rule.name} {describe(unmet.rule, unmet.verdict)}"


def _require(work: Work, position: Position, roll: CompiledRoll, planned: ExitPlan, view: View) -> Found | None:
    """Judge the conditions of the roll; return what is missing, or fails, None when all hold."""
    place = f"roll {planned.name}:{position.id}"
    readings = judge_all(work, position.bot, place, roll.require, view)
    truths = [confirmed(work, position.bot, place, reading, view) for reading in readings]
    if all(truth is True for truth in truths):
        return None
    if failed := failing(readings):
        return Found(None, refused=f"{failed[0].rule.name} {describe(failed[0].rule, failed[0].verdict)}")
    unknown = next((each for each in readings if each.verdict.truth is None), None)
    return Found(None, "confirmation" if unknown is None else first_missing(unknown.verdict))


def _floor(roll: CompiledRoll, quantity: int, commission: Decimal) -> Decimal | None:
    """Return the least net price (+ received) of both sides together, per share, None without a bound."""
    return stated_floor((compiled.rule for compiled in roll.require), LOT * quantity, commission)


def _commission(work: Work, legs: Iterable[OrderLeg], quantity: int) -> Decimal:
    """Return the estimated dollars of one order of these legs."""
    board, parts = work.state.board, []
    for leg in legs:
        row = board.rows.get(leg.option, -1)
        mid = (board.bid[row] + board.ask[row]) / 2 if row >= 0 else 0.0
        parts.append((leg.option, leg.side.sign * leg.ratio * quantity, mid if mid == mid else 0.0))
    return estimate(parts)


# ---------------------------------------------------------------- what is streamed meanwhile


def looks(work: Work, position: Position, planned: ExitPlan) -> bool:
    """Say whether an exit looks for what it may roll into."""
    if planned.roll is None or planned.name in position.passed or position.bot not in work.bots:
        return False
    is_waiting = looking_key(position, planned) in work.bots[position.bot].unknown_since
    return is_waiting or (position.state == "exiting" and position.exit_reason == planned.name)


def looking_key(position: Position, planned: ExitPlan) -> tuple[str, str]:
    """Return under which key is kept since when an exit has looked in vain."""
    return position.id, f"roll {planned.name}"


def roll_wishes(work: Work, position: Position, view: View) -> list[Wish]:
    """Return the options that exits need to choose what they roll into."""
    bot = work.governing(position)
    found = []
    for planned in bot.plan.exits:
        if looks(work, position, planned):
            roll = bot.rolls[planned.name]
            plan = replace(roll.plan, legs=_legs_into(roll, position, work.state.session.date))
            found.append(entry_wish(plan, entry_aims(plan, view), work.state.facts))
    return found


# ---------------------------------------------------------------- acting


def send_roll(work: Work, position: Position, bot: CompiledBot, planned: ExitPlan, offer: Offer) -> Order:
    """Send the one order that closes the position and opens the new one, which stands as entering from now on."""
    parts = _parts(offer.legs)
    net = rung(planned.order, offer.quote, parts, 1, offer.floor)
    new = _new_position(work, position, bot, offer)
    said = f"{planned.name} rolls {position.id} into {', '.join(str(leg.option) for leg in offer.selection.legs)}"
    work.record(Kind.DECISION, position.bot, new.id, what="roll", reason=said, values=[position.id])
    roll = bot.rolls[planned.name]
    told = replace(bot, plan=replace(roll.plan, legs=_legs_into(roll, position, work.state.session.date)))
    record_selection(work, told, offer.view, offer.selection, "", new.id)
    work.put_position(new)
    new = work.move(new, "enter")
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
    exit_mid = _mid(_quote(work, closing_legs(position.legs), closing=True))
    work.put_position(
        replace(position, attempts=1, retry_at=None, exit_mid=position.exit_mid if exit_mid is None else exit_mid)
    )
    return work.send(replace(order, into=new.id))


def _mid(quote: NetQuote) -> Decimal | None:
    return None if quote.mid is None else Decimal(f"{quote.mid:.4f}")


def _new_position(work: Work, position: Position, bot: CompiledBot, offer: Offer) -> Position:
    selection, view = offer.selection, offer.view
    spot = level_of(view.board, bot.plan.underlyings[0], view.now)
    worst = entry_worst_case(selection, _mid(offer.opening) or Decimal(0), is_covered=False)
    return Position(
        id=free_id(work, position.bot, work.state.session.date, work.bots[position.bot].day.entries + 1),
        bot=position.bot,
        digest=position.digest,
        state="flat",
        session=work.state.session.date,
        quantity=offer.quantity,
        legs=tuple(PositionLeg(name=x.name, option=x.option, sign=x.sign, ratio=x.ratio) for x in selection.legs),
        entry_mid=_mid(offer.opening),
        spot=None if spot is None else Decimal(f"{spot:.2f}"),
        max_risk=None if worst is None else worst * LOT,
        alternative=position.alternative,
        rolled_from=position.id,
    )


def begin_to_look(work: Work, position: Position, planned: ExitPlan, missing: str) -> float:
    """Note that an exit has nothing to tell by yet; return the seconds that are left of its grace."""
    state = work.bots[position.bot]
    key = looking_key(position, planned)
    since = state.unknown_since.get(key)
    if since is None:
        since = work.at
        work.set_bot(position.bot, replace(state, unknown_since={**state.unknown_since, key: since}))
        work.indexed = -1  # what it reads is to be streamed, and wakes it
    wake(work, position.bot, SOON)
    left = planned.grace - (work.at - since).total_seconds()
    if left <= 0:
        text = f"exit {planned.name} finds no quotes to roll by: {missing.split(' for ')[0]}"
        work.alarm(position.bot, text, position.id)
    return left


def end_looking(work: Work, position: Position, planned: ExitPlan) -> None:
    """Forget since when an exit has looked in vain."""
    state = work.bots.get(position.bot)
    key = looking_key(position, planned)
    if state is not None and key in state.unknown_since:
        rest = {found: since for found, since in state.unknown_since.items() if found != key}
        work.set_bot(position.bot, replace(state, unknown_since=rest))
        work.indexed = -1


def note_nothing(work: Work, position: Position, planned: ExitPlan, found: Found) -> Position:
    """Record that an exit finds nothing to roll into; return the position, for which it rolls no more today.

    What keeps everything out at the moment is told once, and looked at again; where the exit closes instead, it does.
    """
    end_looking(work, position, planned)
    position = work.positions[position.id]
    reason = f"{planned.name} does not roll: {found.refused or found.missing}"
    closes = planned.roll is not None and planned.roll.otherwise is Otherwise.CLOSE
    if not found.is_final and not closes:
        if position.bot in work.bots:
            skip(work, position.bot, reason)
        return position
    then = "it closes" if closes else "it holds until the next session"
    work.record(Kind.DECISION, position.bot, position.id, what="no_roll", reason=f"{reason}: {then}", values=[])
    return work.put_position(replace(position, passed=(*position.passed, planned.name)))


def next_rung(work: Work, order: Order, bot: CompiledBot, planned: ExitPlan) -> tuple[Decimal | None, str]:
    """Return the net price of the next try of a roll; None, and which quote is not sound, where it has none."""
    sides = ([leg for leg in order.legs if leg.opens is opens] for opens in (False, True))
    old, new = (tuple(legs) for legs in sides)
    quotes = (_quote(work, old, closing=True), _quote(work, new, closing=False))
    if missing := next((each.missing for each in quotes if each.missing), ""):
        return None, missing
    floor = _floor(bot.rolls[planned.name], order.quantity, _commission(work, order.legs, order.quantity))
    return rung(planned.order, _together(quotes), _parts(order.legs), order.attempt + 1, floor), ""
