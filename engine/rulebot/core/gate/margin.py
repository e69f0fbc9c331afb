"""Margin: what an entry adds, and what the whole account would then need, asked before the entry is sent.

The question is a what-if order that reaches no exchange. Its answer is valid for these contracts for a short while;
without an answer nothing is sent (docs/faults.md row 47). A bot has one open question at a time. The broker's figures
exclude working entries, so their answers are added. Exits are never asked about.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from rulebot.core.program import CompiledBot
from rulebot.core.rules.rule_evaluation import wake
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import set_bot, use_order_id
from rulebot.core.state.lists import active_positions, is_opening, positions_of
from rulebot.core.state.state import MarginAnswer
from rulebot.decide.account_rules import AccountInputs, bound_in_dollars
from rulebot.decide.limits import Cap
from rulebot.evaluate.strikes import StructureSelection
from rulebot.measure.view import Margin, View
from rulebot.model.cause import MessageMeaning
from rulebot.model.contract import Option
from rulebot.model.event import MarginReport, OrderMessage, OrderUnsent
from rulebot.model.money import ZERO
from rulebot.model.order import AskMargin, Order, OrderLeg, OrderType, Purpose, Side
from rulebot.model.position import Position
from rulebot.model.values import replace
from rulebot.order.price import Ticket, draft
from rulebot.record.record import Kind
from rulebot.spec.spec import PriceFrom

Asked = tuple[tuple[Option, int], ...]
"""Contracts of an entry, signed, + bought."""

PATIENCE = timedelta(seconds=3)
"""How long an answer is waited for."""
GOOD_FOR = timedelta(seconds=15)
"""Age at which an answer expires and the question is asked again."""


def margin_cap(work: StateBuilder, bot: CompiledBot, selection: StructureSelection, quantity: int) -> Cap | None:
    """Return what the account would need and may need; None without such a limit, and while no answer is there."""
    bound = work.program.limits.margin
    if bound is None:
        return None
    limit, missing = bound_in_dollars(bound, work.market.facts.account.net_liquidation, "margin")
    if limit is None:
        return Cap(None, None, missing)
    reported = margin_reported(work, bot, selection, quantity)
    return None if reported is None else Cap(reported.amount, limit, reported.missing)


def margin_reported(
    work: StateBuilder, bot: CompiledBot, selection: StructureSelection, quantity: int
) -> AccountInputs | None:
    """Return the initial margin that the account would need with this entry; None while no answer is there."""
    answer = _answer(work, bot, selection, quantity)
    if answer is None or answer.is_pending:
        return None
    if answer.initial is None:
        return AccountInputs(None, answer.problem)
    others = ZERO
    for name, change in _of_entries_at_work(work, bot.plan.name):
        if change is None:
            return AccountInputs(None, f"the margin that the entry of {name} needs is not known yet")
        others += max(change, ZERO)
    return AccountInputs(answer.initial + others)


def margin_added(work: StateBuilder, bot: CompiledBot, selection: StructureSelection, quantity: int) -> Margin | None:
    """Return the initial margin that this entry adds; None while no answer is there."""
    answer = _answer(work, bot, selection, quantity)
    if answer is None or answer.is_pending:
        return None
    return Margin(None if answer.change is None else float(answer.change), answer.problem)


def is_reported(work: StateBuilder, bot: CompiledBot, selection: StructureSelection, quantity: int) -> bool:
    """Say whether no margin question is open before this entry is sent."""
    if not work.program.asks_margin and not bot.asks_margin:
        return True
    answer = _answer(work, bot, selection, quantity)
    return answer is not None and not answer.is_pending


def ask_margin(work: StateBuilder, bot: CompiledBot, view: View, selection: StructureSelection) -> None:
    """Ask the broker, unless an answer is due; the bot is judged again at the answer or its deadline."""
    name = bot.plan.name
    state = work.bots.by_name[name]
    outstanding = [each for each in state.margins if each.is_pending and work.at - each.asked_at < PATIENCE]
    if not outstanding:
        order_id = use_order_id(work)
        answer = MarginAnswer(_contracts(selection, view.quantity), order_id, work.at)
        work.commands.append(AskMargin(_question(work, bot, view, selection, order_id)))
        state = replace(state, margins=(*_still_of_use(work, name, besides=answer.legs), answer))
        outstanding = [answer]
    wake(work, name, (outstanding[0].asked_at + PATIENCE - work.at).total_seconds())
    set_bot(work, name, replace(state, status_text="the broker's answer on margin", is_waiting_to_enter=True))


def on_margin(work: StateBuilder, event: MarginReport) -> None:
    """Take an answer, and have its bot judged at once."""
    name, asked = _asked(work, event.order_id)
    if asked is not None and asked.is_pending:
        _put(work, name, asked._replace(initial=event.initial, change=event.change))
        symbol = asked.legs[0][0].symbol
        work.record(Kind.FACTS, name, symbol=symbol, what="margin", value=float(event.initial))
        wake(work, name, 0.0)


def take_refusal(work: StateBuilder, event: OrderMessage) -> bool:
    """Take an error on a question of margin: the order would be refused. Say whether it was one."""
    name, asked = _asked(work, event.order_id)
    if asked is None:
        return False
    work.record(Kind.MESSAGE, name, code=event.message.code, text=event.message.text, ref="")
    if not event.message.means(MessageMeaning.INFORMS) and asked.is_pending:
        _put(work, name, asked._replace(problem=f"the broker would refuse it: {event.message.words}"))
        wake(work, name, 0.0)
    return True


def accept_unrequested_margin(work: StateBuilder, event: OrderUnsent) -> bool:
    """Take that a question of margin could not be sent. Say whether it was one."""
    name, asked = _asked(work, event.order_id)
    if asked is not None and asked.is_pending:
        _put(work, name, asked._replace(problem=f"rulebot could not ask the broker: {event.text}"))
        wake(work, name, 0.0)
    return asked is not None


def _asked(work: StateBuilder, order_id: int) -> tuple[str, MarginAnswer | None]:
    """Return which bot asked under this order id, and what."""
    found = (
        (name, each) for name, state in work.bots.by_name.items() for each in state.margins if each.order_id == order_id
    )
    return next(found, ("", None))


def _put(work: StateBuilder, name: str, answer: MarginAnswer) -> None:
    state = work.bots.by_name[name]
    margins = tuple(answer if each.order_id == answer.order_id else each for each in state.margins)
    set_bot(work, name, replace(state, margins=margins))


def _still_of_use(work: StateBuilder, name: str, besides: Asked) -> Iterator[MarginAnswer]:
    """Yield the answers of a bot that are recent, or of a working entry."""
    at_work = {_held(each) for each in positions_of(work, name) if is_opening(work, each)}
    for each in work.bots.by_name[name].margins:
        if each.legs != besides and (each.legs in at_work or work.at - each.asked_at < GOOD_FOR):
            yield each


def _answer(work: StateBuilder, bot: CompiledBot, selection: StructureSelection, quantity: int) -> MarginAnswer | None:
    """Return what was asked for these contracts lately; silence counts as an answer when its time is over."""
    asked = _last(work, bot.plan.name, _contracts(selection, quantity))
    if asked is None or work.at - asked.asked_at >= GOOD_FOR:
        return None
    if _has_filled_since(work, asked.asked_at):
        return None
    if asked.is_pending and work.at - asked.asked_at >= PATIENCE:
        seconds = PATIENCE.total_seconds()
        return asked._replace(problem=f"the broker did not say within {seconds:.0f} s what margin it would need")
    return asked


def _has_filled_since(work: StateBuilder, at: datetime) -> bool:
    """Say whether an entry has filled since: earlier answers exclude it, and it no longer works."""
    entries = (order for order in work.orders.by_ref.values() if order.can_increase_risk)
    return any(order.has_fills and order.changed_at > at for order in entries)


def _last(work: StateBuilder, name: str, legs: Asked) -> MarginAnswer | None:
    """Return what a bot asked last for these contracts, however long ago."""
    return (
        next((each for each in work.bots.by_name[name].margins if each.legs == legs), None)
        if name in work.bots.by_name
        else None
    )


def _contracts(selection: StructureSelection, quantity: int) -> Asked:
    return tuple((leg.option, leg.sign * leg.ratio * quantity) for leg in selection.legs)


def _held(position: Position) -> Asked:
    """Return the contracts of an entry, filled or not."""
    return tuple((leg.option, leg.sign * leg.ratio * position.quantity) for leg in position.legs)


def _question(work: StateBuilder, bot: CompiledBot, view: View, selection: StructureSelection, order_id: int) -> Order:
    """Return the whole structure as one order, also where its legs are sent one after the other."""
    plan = bot.plan
    legs = tuple(
        OrderLeg(leg.name, leg.option, Side.BUY if leg.sign > 0 else Side.SELL, leg.ratio) for leg in selection.legs
    )
    at_market = plan.order.start is PriceFrom.MARKET
    pieces = 1 if len(legs) > 1 else selection.legs[0].price_multiplier
    net = None if at_market else Decimal(f"{(view.start_price or 0.0) / pieces:.4f}")
    ticket = Ticket("", 0, order_id, plan.name, "", Purpose.ENTRY, "margin", plan.digest, work.at)
    return draft(ticket, legs, view.quantity, OrderType.MARKET if at_market else OrderType.LIMIT, net=net)


def _of_entries_at_work(work: StateBuilder, besides: str) -> Iterator[tuple[str, Decimal | None]]:
    """Yield the bots with working entries, each with the margin answer of its entry."""
    for position in active_positions(work):
        if position.bot != besides and is_opening(work, position):
            answer = _last(work, position.bot, _held(position))
            yield position.bot, None if answer is None else answer.change
