"""What margin the whole account would need with an entry, as the broker answers before the entry is sent (what-if).

The question is an order that reaches no exchange. Its answer counts for these contracts for a short while; without one
nothing is sent (faults.md row 47). Entries that still work are not in the broker's answer, so what they were said to
need is added. Exits are never asked about.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.decide.account_rules import Known, bound_in_dollars
from engine.decide.limits import Cap
from engine.evaluate.select import Selection
from engine.evaluate.snapshot import View
from engine.model.command import AskMargin
from engine.model.contract import Option
from engine.model.event import MarginReport, OrderMessage
from engine.model.money import ZERO
from engine.model.order import Order, OrderLeg, OrderType, Purpose, Side
from engine.model.values import replace
from engine.order.draft import Ticket, draft
from engine.record.record import Kind
from engine.spec.nouns.order import Start
from engine.turn.judging import wake
from engine.turn.program import CompiledBot
from engine.turn.reports import INFORMATION
from engine.turn.state import MarginAnswer
from engine.turn.work import Work

PATIENCE = timedelta(seconds=3)
"""How long an answer is waited for. Source: faults.md section 2, step 2."""
GOOD_FOR = timedelta(seconds=15)
"""How old an answer may be: then it is asked for anew."""


def margin_cap(work: Work, bot: CompiledBot, selection: Selection, quantity: int) -> Cap | None:
    """Return what the account would need and may need; None without such a limit, and while no answer is there."""
    bound = work.program.limits.margin
    if bound is None:
        return None
    limit, missing = bound_in_dollars(bound, work.state.facts.account.net_liquidation, "margin")
    if limit is None:
        return Cap(None, None, missing)
    told = margin_told(work, bot, selection, quantity)
    return None if told is None else Cap(told.amount, limit, told.missing)


def margin_told(work: Work, bot: CompiledBot, selection: Selection, quantity: int) -> Known | None:
    """Return the initial margin that the account would need with this entry; None while no answer is there."""
    answer = _answer(work, bot, selection, quantity)
    if answer is None or answer.is_owed:
        return None
    if answer.initial is None:
        return Known(None, answer.problem)
    others = ZERO
    for name, change in _of_entries_at_work(work, bot.plan.name):
        if change is None:
            return Known(None, f"what margin the entry of {name} at work needs is not known")
        others += max(change, ZERO)
    return Known(answer.initial + others)


def is_told(work: Work, bot: CompiledBot, selection: Selection, quantity: int) -> bool:
    """Say whether nothing is left to ask before this entry is sent."""
    if not work.program.asks_margin:
        return True
    answer = _answer(work, bot, selection, quantity)
    return answer is not None and not answer.is_owed


def ask_margin(work: Work, bot: CompiledBot, view: View, selection: Selection) -> None:
    """Ask the broker, unless it was asked just now; the bot is judged again when it has answered, or should have."""
    name, quantity = bot.plan.name, view.quantity
    state = work.bots[name]
    if _answer(work, bot, selection, quantity) is None:
        order_id, work.next_order_id = work.next_order_id, work.next_order_id + 1
        answer = MarginAnswer(_contracts(selection, quantity), order_id, work.at)
        work.commands.append(AskMargin(_question(work, bot, view, selection, order_id)))
        wake(work, name, PATIENCE.total_seconds())
        state = replace(state, margin=answer)
    work.set_bot(name, replace(state, waits="the broker's answer on margin", is_clearing=True))


def on_margin(work: Work, event: MarginReport) -> dict[str, Any]:
    """Take an answer, and have its bot judged at once."""
    for name, state in work.bots.items():
        asked = state.margin
        if asked is not None and asked.order_id == event.order_id and asked.is_owed:
            answered = asked._replace(initial=event.initial, change=event.change)
            work.set_bot(name, replace(state, margin=answered))
            symbol = asked.legs[0][0].symbol
            work.record(Kind.FACTS, name, symbol=symbol, what="margin", value=float(event.initial))
            wake(work, name, 0.0)
            break
    return {}


def take_refusal(work: Work, event: OrderMessage) -> bool:
    """Take an error on a question of margin: the order would be refused. Say whether it was one."""
    for name, state in work.bots.items():
        asked = state.margin
        if asked is None or asked.order_id != event.order_id:
            continue
        work.record(Kind.MESSAGE, name, code=event.code, text=event.text, ref="")
        if event.code not in INFORMATION and asked.is_owed:
            problem = f"the broker would refuse it: {event.code} {event.text}"
            work.set_bot(name, replace(state, margin=asked._replace(problem=problem)))
            wake(work, name, 0.0)
        return True
    return False


def _answer(work: Work, bot: CompiledBot, selection: Selection, quantity: int) -> MarginAnswer | None:
    """Return what was asked for these contracts lately; silence counts as an answer when its time is over."""
    asked = work.bots[bot.plan.name].margin
    if asked is None or asked.legs != _contracts(selection, quantity) or work.at - asked.asked_at >= GOOD_FOR:
        return None
    if _has_filled_since(work, asked.asked_at):
        return None
    if asked.is_owed and work.at - asked.asked_at >= PATIENCE:
        seconds = PATIENCE.total_seconds()
        return asked._replace(problem=f"the broker did not say within {seconds:.0f} s what margin it would need")
    return asked


def _has_filled_since(work: Work, at: datetime) -> bool:
    """Say whether an entry has filled since: what it needs is then in no answer of before, nor at work any more."""
    entries = (order for order in work.orders.values() if order.purpose is Purpose.ENTRY)
    return any(order.has_fills and order.changed_at > at for order in entries)


def _contracts(selection: Selection, quantity: int) -> tuple[tuple[Option, int], ...]:
    return tuple((leg.option, leg.sign * leg.ratio * quantity) for leg in selection.legs)


def _question(work: Work, bot: CompiledBot, view: View, selection: Selection, order_id: int) -> Order:
    """Return the whole structure as one order, also where its legs are sent one after the other."""
    plan = bot.plan
    legs = tuple(
        OrderLeg(leg.name, leg.option, Side.BUY if leg.sign > 0 else Side.SELL, leg.ratio) for leg in selection.legs
    )
    at_market = plan.order.start is Start.MARKET
    pieces = 1 if len(legs) > 1 else selection.legs[0].weight
    net = None if at_market else Decimal(f"{(view.start_price or 0.0) / pieces:.4f}")
    ticket = Ticket("", 0, order_id, plan.name, "", Purpose.ENTRY, "margin", plan.digest, work.at)
    return draft(ticket, legs, view.quantity, OrderType.MARKET if at_market else OrderType.LIMIT, net=net)


def _of_entries_at_work(work: Work, besides: str) -> list[tuple[str, Decimal | None]]:
    """Return the bots whose entries are under way, with the margin that those were said to need."""
    found: dict[str, Decimal | None] = {}
    for position in work.active_positions():
        if position.bot != besides and work.is_opening(position):
            answer = work.bots[position.bot].margin if position.bot in work.bots else None
            found[position.bot] = answer.change if answer is not None else None
    return list(found.items())
