"""Entry limits: checks an opening order's size, cost and possible loss against the limits.

Entries pass this gate, and so does what an exit rolls into; the rolled legs no longer count.
"""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from rulebot.core.gate.covered_calls import cover_of
from rulebot.core.gate.exposure import as_one_trade, cash_cap, exposure_with, worst_case_cap
from rulebot.core.gate.halts import halt
from rulebot.core.gate.margin import margin_cap, margin_reported
from rulebot.core.program import CompiledBot
from rulebot.core.queries.account import excess_of
from rulebot.core.queries.day_pnl import account_today, bot_today, unvalued
from rulebot.core.queries.entry_blocks import not_trading, only_reduces, other_engine_text
from rulebot.core.queries.legged_entry import legging_problem
from rulebot.core.queries.openings import held_or_entering, opening_parts
from rulebot.core.queries.protection import hit_at_once
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import active_positions, governing
from rulebot.core.state.turn import alarm
from rulebot.decide.account_rules import AccountFacts, rules_problem
from rulebot.decide.limits import DayTrades, PreTradeCheck, net_problem, refusal
from rulebot.evaluate.strikes import StructureSelection
from rulebot.measure.view import View
from rulebot.model.cause import Halt
from rulebot.model.contract import LOT, Option
from rulebot.model.loss_bound import trade_bound
from rulebot.model.money import ZERO
from rulebot.model.position import Position, count_trades
from rulebot.model.values import replace
from rulebot.order.price import NetQuote, limited_at, price_band
from rulebot.spec.nouns import IfHeld

ACCOUNT_REPORTED = timedelta(minutes=4)
"""How old account values may be. Source: TWS API, reqAccountUpdates: every three minutes."""


class Replaced(NamedTuple):
    """The position whose legs are rolled, and what remains of it; None when nothing remains."""

    position: Position
    rest: Position | None

    def beside(self, positions: Iterable[Position]) -> list[Position]:
        """Return these positions, of that one what stays."""
        found = (self.rest if each.id == self.position.id else each for each in positions)
        return [each for each in found if each is not None]


def entry_refusal(
    work: StateBuilder,
    bot: CompiledBot,
    view: View,
    selection: StructureSelection,
    quote: NetQuote,
    replaced: Replaced | None = None,
) -> str:
    """Return why this structure may not be opened now, "" when it may. replaced: what is rolled into it."""
    plan, quantity, is_roll = bot.plan, view.quantity, replaced is not None
    others = active_positions(work) if replaced is None else replaced.beside(active_positions(work))
    of_trade = [] if replaced is None else [p for p in others if p.entered_as == replaced.position.entered_as]
    starts = view.start_price if is_roll else limited_at(plan.order, view.start_price, quote)  # a roll has a limit
    price = None if starts is None else Decimal(f"{starts:.4f}")
    if is_roll:
        worst = worst_of_roll(work, of_trade, selection, quote, quantity)
    else:
        worst = (trade_bound(selection.legs, price or ZERO, quantity, is_covered=view.is_covered), "")
    check = _check_of(work, bot, view, selection, quote, others, price, worst)
    if is_roll:
        open_positions = check.open_positions - bool(of_trade)
        return refusal(replace(check, entries_per_day=None, open_positions=open_positions))
    margin = margin_cap(work, bot, selection, quantity)
    return refusal(replace(check, margin=margin, legging=legging_problem(work, bot, selection.legs, quantity)))


def _check_of(
    work: StateBuilder,
    bot: CompiledBot,
    view: View,
    selection: StructureSelection,
    quote: NetQuote,
    others: list[Position],
    price: Decimal | None,
    worst: tuple[Decimal | None, str],
) -> PreTradeCheck:
    """Return what is checked of an entry and of a roll alike; worst: its worst case, or why there is none."""
    plan, limits, quantity = bot.plan, work.program.limits, view.quantity
    max_notional, notional_missing = _max_notional(work)
    return PreTradeCheck(
        at=work.at,
        is_ready=work.connection.is_ready and work.connection.is_linked,
        reduces=only_reduces(work),
        is_paused=bool({plan.name, ""} & work.requests.operator.paused),
        halted=work.bots.by_name[plan.name].day.halted,
        worst_case=worst[0],
        unknown=worst[1],
        max_loss_per_trade=plan.risk.max_loss_per_trade,
        undefined_risk=plan.risk.undefined_risk,
        bot_today=bot_today(work, plan.name),
        bot_day=plan.risk.day,
        account_today=account_today(work),
        account_day=limits.day,
        open_positions=count_trades(others),
        account_max_open=limits.max_open,
        conflicts=_conflicts(work, others, bot, selection),
        sent=work.orders.sent,
        orders_per_minute=limits.orders_per_minute,
        stopped=not_trading(work, plan.underlyings),
        together=worst_case_cap(work, others, selection, quantity),
        puts=cash_cap(work, others, selection, quantity),
        net=_net(work, others, view, selection),
        required=_required(work, others, bot, view, selection),
        margin=None,
        structures=quantity,
        max_structures=limits.max_structures_per_order,
        is_built_in=limits.is_built_in,
        contracts=sum(leg.ratio * quantity for leg in selection.legs if not leg.option.is_share),
        max_contracts=limits.max_contracts_per_order,
        notional=sum((_notional(work, leg.option, leg.ratio * quantity) for leg in selection.legs), ZERO),
        max_notional=max_notional,
        notional_missing=notional_missing,
        price=price,
        mid=None if quote.mid is None else Decimal(f"{quote.mid:.4f}"),
        band=price_band(limits.price_band, opening_parts(selection), work.market.board),
        entries_today=_entries_today(work),
        entries_per_day=limits.entries_per_day,
        day_trades=_day_trades(work, bot, selection) if limits.heeds_day_trades else None,
        rival=other_engine_text(work.inquiries.foreign_orders),
        is_time_known=work.connection.is_time_known,
        takes_records=work.connection.takes_records,
        unvalued=unvalued(work, plan.name),
        account_unvalued=unvalued(work),
        cover=cover_of(work, bot, selection, quantity),
        hit=hit_at_once(work, plan.risk.protect, selection, price),
    )


def worst_of_roll(
    work: StateBuilder,
    of_trade: Iterable[Position],
    selection: StructureSelection,
    quote: NetQuote,
    quantity: int,
) -> tuple[Decimal | None, str]:
    """Return the dollars that a roll's trade could lose at expiry, if it opened now.

    None without a bound; None and the reason while unknown. of_trade: the trade's open legs without those rolled and
    those opened.
    """
    if going_on := [each for each in of_trade if not each.waits_for_expiry]:
        return as_one_trade(work, going_on, selection, quantity)
    return trade_bound(selection.legs, Decimal(f"{quote.natural or 0.0:.4f}"), quantity), ""


def floor_of_roll(
    worst: Decimal | None, quotes: tuple[NetQuote, NetQuote], quantity: int, limit: Decimal | None
) -> Decimal | None:
    """Return the net price of a roll below which its trade could lose more than this limit.

    worst: the dollars that it could lose if opened now, None without a bound. None while that is within the limit.
    Otherwise the closed legs, the first of `quotes`, count at the best possible market price: the rest of the net price
    belongs to the new legs, whatever the price of each leg.
    """
    if limit is None or worst is None or worst <= limit:
        return None
    closing, opening = quotes
    best = 2 * (closing.mid or 0.0) - (closing.natural or 0.0)
    return Decimal(f"{best + (opening.natural or 0.0):.4f}") + (worst - limit) / (LOT * quantity)


def _notional(work: StateBuilder, option: Option, count: int) -> Decimal:
    """Return the notional in dollars: contracts by their strike, shares by their ask."""
    if not option.is_share:
        return option.strike * option.multiplier * count
    row = work.market.board.rows.get(option, -1)
    ask = work.market.board.ask[row] if row >= 0 else 0.0
    return Decimal(f"{ask if ask == ask else 0.0:.4f}") * count


def _max_notional(work: StateBuilder) -> tuple[Decimal | None, str]:
    """Return the dollars of notional that an order may have, None without a limit; None, and why, while unknown."""
    limits, worth = work.program.limits, work.market.facts.account.net_liquidation
    flat, times = limits.max_notional_per_order, limits.max_notional_times
    if times is None:
        return flat, ""
    if worth is None:
        return None, "net_liquidation of the account is unknown, and the notional of an order is held against it"
    scaled = times * max(worth, ZERO)
    return (scaled if flat is None else min(flat, scaled)), ""


def _net(work: StateBuilder, others: list[Position], view: View, selection: StructureSelection) -> str:
    """Return which limit on greeks this entry would pass, "" when none."""
    limits = work.program.limits.net
    exposure = exposure_with(work, view, selection, others, "all bots") if limits else None
    return net_problem(limits, exposure)


def _required(
    work: StateBuilder, others: list[Position], bot: CompiledBot, view: View, selection: StructureSelection
) -> str:
    """Return which condition of the account document keeps this entry out, "" when none."""
    rules = work.program.require
    if not rules:
        return ""
    exposure = exposure_with(work, view, selection, others, "all bots")
    margin = margin_reported(work, bot, selection, view.quantity)
    account = work.market.facts.account
    return rules_problem(rules, AccountFacts(work.at, work.schedule.session, exposure, margin, account.net_liquidation))


def _entries_today(work: StateBuilder) -> int:
    """Return how many entries all bots have sent in this session, also those that run no more."""
    today = work.schedule.session.date
    return sum(state.day.entries for state in work.bots.by_name.values() if state.day.date == today)


def _day_trades(work: StateBuilder, bot: CompiledBot, selection: StructureSelection) -> DayTrades:
    account = work.market.facts.account
    at_work = sum(1 for position in work.positions.by_id.values() if _needs_day_trade(work, position))
    closes_today = bot.closes_on_its_day(work.schedule.session, [leg.option for leg in selection.legs], work.at)
    return DayTrades(account.day_trades_left, account.net_liquidation, at_work, closes_today)


def _needs_day_trade(work: StateBuilder, position: Position) -> bool:
    """Say whether a position of today will take a day trade, or took one that the account values may not show yet."""
    session = work.schedule.session
    if position.session != session.date:
        return False
    if position.closed_at is not None:
        return position.opened_at is not None and work.at - position.closed_at < ACCOUNT_REPORTED
    since = position.opened_at or work.at
    return governing(work, position).closes_on_its_day(session, [leg.option for leg in position.legs], since)


def _conflicts(
    work: StateBuilder, others: list[Position], bot: CompiledBot, selection: StructureSelection
) -> tuple[str, ...]:
    """Return the contracts that a bot holds, or enters, on the other side, unless the spec allows it.

    Also those that the account holds on the other side beyond our books, whatever the spec says: the broker nets the
    two, and the rest looks like a position that a person closed.
    """
    theirs = [leg.option for leg in selection.legs if excess_of(work, leg.option) * leg.sign < 0]
    if theirs:
        return tuple(f"{option} by no bot" for option in theirs)
    if bot.plan.on_conflict is IfHeld.ALLOW:
        return ()
    wanted = {leg.option: leg.sign for leg in selection.legs}
    found = []
    for position in others:
        found += [
            f"{leg.option} by {position.bot}"
            for leg in held_or_entering(work, position)
            if wanted.get(leg.option, leg.sign) != leg.sign
        ]
    return tuple(dict.fromkeys(found))


# --- A bot that enters again and again, as no trader means it

WITHIN = timedelta(minutes=10)
MOST = 30
"""Opening orders of one bot within that time: one in twenty seconds. A change of price is no new order."""


def halt_on_entry_rate(work: StateBuilder, name: str) -> bool:
    """Stop the bot for the day when it has sent as many opening orders as no sound one does; say whether it has."""
    sent = [
        order.sent_at
        for order in work.orders.by_ref.values()
        if order.bot == name and order.can_increase_risk and order.sent_at is not None
    ]
    recent = sum(1 for at in sent if work.at - at < WITHIN)
    if recent < MOST:
        return False
    text = f"{recent} opening orders within {WITHIN.seconds // 60} minutes"
    halt(work, name, Halt.RUNAWAY, text)
    alarm(work, name, f"{name} has sent {text}: it enters nothing more today, a person must look")
    return True
