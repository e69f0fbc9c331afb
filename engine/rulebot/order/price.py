"""What a structure costs or brings right now, and the price an order of it may carry.

Prices here are net: signed per share of one structure, + received. The wire's sign is put on in `draft.py`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from math import isnan
from typing import NamedTuple

from rulebot.model.cause import Text
from rulebot.model.contract import SHARE_TICKS, Option, Settlement, product
from rulebot.model.facts import Grids
from rulebot.model.market import Board, QuoteFault, fault_text, is_without_bid, quote_fault, quote_problem
from rulebot.model.money import CENT, ZERO, Rounding, TickRule
from rulebot.model.order import Order, OrderLeg, OrderType, Purpose, Side, TimeInForce
from rulebot.model.payoff import best_case, ends_together, least_payoff
from rulebot.model.position import PositionLeg
from rulebot.spec.nouns import Amount, Unit
from rulebot.spec.spec import Order as Ladder
from rulebot.spec.spec import PriceFrom

NONE_REPORTED: Grids = {}


class Part(NamedTuple):
    """One leg as it trades: `flow` is +1 when it is sold (money comes in), -1 when it is bought.

    `weight` is what a point of it is worth in the price of the whole.
    """

    option: Option
    flow: int
    weight: int


class NetQuote(NamedTuple):
    """Net mid and natural of a structure; None with the reason in `missing` when a leg's quote is not sound.

    ticks: the price grid of an order for it; None where it is that of the table of products. fault: what decisions read
    of `missing`. brief: the same words without a number that changes from one instant to the next.
    """

    mid: float | None
    natural: float | None
    missing: Text = ""
    ticks: TickRule | None = None
    fault: QuoteFault | None = None
    brief: Text = ""


def net_quote(
    parts: Collection[Part],
    board: Board,
    now: float,
    *,
    closing: bool = False,
    reported: Grids = NONE_REPORTED,
    sells_dead: bool = False,
) -> NetQuote:
    """Return the price of these parts at mid and at natural (sold at the bid, bought at the ask).

    A bought part needs only an ask: a bid of size 0 counts as a bid of 0. A sold part needs a bid. closing: an
    unreported bid counts as 0 too. reported: the broker's price grids. sells_dead: a sold part without a bid brings 0,
    as exchanges trade combos with a worthless leg.
    """
    mid = natural = 0.0
    for option, flow, weight in parts:
        row = board.rows.get(option, -1)
        fault = quote_fault(board, row, now)
        if fault is QuoteFault.NO_BID and flow < 0 and (closing or is_without_bid(board, row)):
            mid -= weight * board.ask[row] / 2
            natural -= weight * board.ask[row]
            continue
        if fault is QuoteFault.NO_BID and flow > 0 and sells_dead:
            continue
        if fault:
            words = f"{option}: {quote_problem(board, row, now)}"
            return NetQuote(None, None, words, fault=fault, brief=f"{option}: {fault_text(fault)}")
        bid, ask = board.bid[row], board.ask[row]
        mid += flow * weight * (bid + ask) / 2
        natural += flow * weight * (bid if flow > 0 else ask)
    return NetQuote(mid, natural, ticks=ticks_of(parts, reported) if reported else None)


@lru_cache(maxsize=4096)
def surely_lost_below(parts: tuple[Part, ...]) -> Decimal | None:
    """Return the net price below which dealing these legs together loses wherever the market goes until they end.

    What is bought back is never worth more than that, and what is sold never less. Exchanges turn away combos that are
    priced beyond it by more than a tenth of their width, and let no market order trade there (of verticals, butterflies
    and boxes: Cboe, SR-CBOE-2015-107, 80 FR 77038). None without a bound, for one leg, for index options of several
    expiries, and for what surely pays something (a box that is sold), which is worth less before it does.
    """
    if len(parts) < 2 or not (ends_together((option, 1) for option, _, _ in parts) or _outlasts(parts)):
        return None
    least = least_payoff((option, flow * weight) for option, flow, weight in parts)
    return None if least is None or least > 0 else least


def _outlasts(parts: tuple[Part, ...]) -> bool:
    """Say whether what is sold is worth its exercise value for as long as what is bought back lives.

    American options are, for they can be exercised. A European option of an index can be worth less: a put by the
    interest on its strike, a call by dividends.
    """
    options = [(part.option, 1) for part in parts if part.flow < 0]
    is_american = all(product(part.option.symbol).settlement is Settlement.SHARES for part in parts)
    return is_american and ends_together(options)


def never_pays(parts: tuple[Part, ...]) -> bool:
    """Say whether dealing these legs can bring nothing: a price of 0 or better is not to be had."""
    if len(parts) == 1:
        return parts[0].flow < 0
    if not ends_together((part.option, 1) for part in parts):
        return False
    most = best_case([(option, flow * weight) for option, flow, weight in parts], ZERO)
    return most is not None and most <= 0


def at_market(natural: float, parts: tuple[Part, ...]) -> Decimal:
    """Return the net price at which a market order for these legs trades.

    It is natural, of legs of one expiry within `surely_lost_below`. Of several expiries it may be beyond that.
    """
    is_held_to_it = ends_together((option, 1) for option, _, _ in parts)
    net, least = Decimal(f"{natural:.4f}"), surely_lost_below(parts) if is_held_to_it else None
    return net if least is None else max(net, least)


def ticks_of(parts: Collection[Part], reported: Grids = NONE_REPORTED) -> TickRule:
    """Return the price grid of an order for these parts: that of its option, or the exchange's grid for combos."""
    option = next(iter(parts)).option
    return option_ticks(option, reported) if len(parts) == 1 else ticks_of_options(option.symbol, len(parts))


def option_ticks(option: Option, reported: Grids = NONE_REPORTED) -> TickRule:
    """Return the price grid of a single-leg order in this option, or share, as the broker reported its class."""
    if option.is_share:
        return SHARE_TICKS
    return reported.get(option.trading_class) or product(option.symbol).option_ticks


def ticks_of_options(symbol: str, legs: int) -> TickRule:
    """Return the price grid of an order for this many option legs on an underlying, by the table of products."""
    facts = product(symbol)
    return facts.option_ticks if legs == 1 else facts.combo_ticks


def limit_net(
    wanted: float | Decimal,
    *,
    natural: float | None,
    floor: Decimal | None,
    ticks: TickRule,
) -> Decimal:
    """Return the net limit on the grid: `wanted` rounded in our favour, never past natural, never under `floor`.

    `floor` is the least that may be received (for a debit: minus the most that may be paid).
    """
    price = ticks.round(wanted, Rounding.UP)
    if natural is not None:
        price = max(price, ticks.round(natural, Rounding.DOWN))
    if floor is not None and price < floor:
        price = ticks.round(floor, Rounding.UP)
    return price


# --- The rungs of a price ladder

Holds = Callable[[Decimal], bool]
"""Says of a net price whether what an order is sent for holds at it."""


class Bound(NamedTuple):
    """How far a price may step: never under `floor`, nor to one at which price-dependent conditions fail.

    is_paid: whether a spec's starting price is a debit, as at the first try; None goes by the mid.
    """

    floor: Decimal | None = None
    holds: Holds | None = None
    is_paid: bool | None = None


UNBOUND = Bound()


def start_net(
    ladder: Ladder, quote: NetQuote, parts: tuple[Part, ...], *, is_paid: bool | None = None
) -> Decimal | None:
    """Return the net price at which a ladder starts, on the tick; None without a sound quote.

    is_paid: whether a price that the spec gives is, None where the mid decides.
    """
    if quote.mid is None or quote.natural is None:
        return None
    wanted: float | Decimal = quote.natural if ladder.start is PriceFrom.NATURAL else quote.mid
    if ladder.price is not None:
        wanted = -ladder.price if (costs(quote.mid) if is_paid is None else is_paid) else ladder.price
    return limit_net(wanted, natural=quote.natural, floor=None, ticks=quote.ticks or ticks_of(parts))


def ladder_price(
    ladder: Ladder, quote: NetQuote, parts: tuple[Part, ...], attempt: int, bound: Bound = UNBOUND
) -> Decimal | None:
    """Return the net limit of try `attempt`: this many steps worse than the current start, never past natural.

    Where that would pass the bound, or the legs' possible value, it is the last price before it.
    """
    first = start_net(ladder, quote, parts, is_paid=bound.is_paid)
    if first is None or quote.mid is None or quote.natural is None:
        return None
    ticks = quote.ticks or ticks_of(parts)
    wanted = first - (ladder.step or ZERO) * (attempt - 1)
    limit = limit_net(wanted, natural=quote.natural, floor=_floor(parts, bound), ticks=ticks)
    net = _worth_sending(limit, parts, ticks, bound.floor)
    if (holds := bound.holds) is None:
        return net
    first = max(first, net)
    best = max(first, ticks.round(2 * quote.mid - quote.natural, Rounding.UP))
    found = _last_held(lambda each: holds(_worth_sending(each, parts, ticks)), first, net, best, ticks)
    return _worth_sending(found, parts, ticks)


def is_the_last(net: Decimal, quote: NetQuote, parts: tuple[Part, ...], bound: Bound) -> bool:
    """Say whether a limit is the last before what the legs can be worth, and the market asks for more than that."""
    floor = _floor(parts, bound)
    if floor is None or quote.natural is None or quote.natural >= net:
        return False
    return net <= (quote.ticks or ticks_of(parts)).round(floor, Rounding.UP)


def _floor(parts: tuple[Part, ...], bound: Bound) -> Decimal | None:
    return max((each for each in (bound.floor, surely_lost_below(parts)) if each is not None), default=None)


def _last_held(holds: Holds, first: Decimal, last: Decimal, best: Decimal, ticks: TickRule) -> Decimal:
    """Return the last price from `first` down to `last` before one at which it does not hold.

    Where it does not hold at `first`, as when the market has moved since a part has filled: the next better price at
    which it does, else the next worse one, and without any `best`, what the other side of the market would be content
    with, or `first` where that is better still.
    """
    price = first
    if not holds(price):
        found = (each for each in chain(_prices(first, best, ticks), _prices(first, last, ticks)) if holds(each))
        return next(found, best)
    while price > last and holds(worse := ticks.round(price - CENT, Rounding.DOWN)):
        price = worse
    return price


def _prices(first: Decimal, last: Decimal, ticks: TickRule) -> Iterator[Decimal]:
    """Yield the prices after one, on the tick, to another, be it above or below."""
    price, step, rounding = first, CENT if last > first else -CENT, Rounding.UP if last > first else Rounding.DOWN
    while (last - price) * step > 0:
        price = ticks.round(price + step, rounding)
        yield price


def last_net(ladder: Ladder, quote: NetQuote, parts: tuple[Part, ...]) -> Decimal | None:
    """Return the worst net price of an order in an unchanged market: its last rung, at most natural."""
    if ladder.start is not PriceFrom.MARKET:
        return ladder_price(ladder, quote, parts, ladder.tries)
    return None if quote.natural is None else Decimal(f"{quote.natural:.4f}")


def limited_at(ladder: Ladder, start: float | None, quote: NetQuote) -> float | None:
    """Return the net price at which limits check an order before it is sent: its start, at market natural.

    Steps of a limit are checked at each try (`Bound`); a market order has no bound.
    """
    return quote.natural if ladder.start is PriceFrom.MARKET else start


def _worth_sending(net: Decimal, parts: tuple[Part, ...], ticks: TickRule, floor: Decimal | None = None) -> Decimal:
    """Return the limit, at least one tick from zero for a single option: the broker rejects a price of 0.

    Where that tick would be under the floor it is past zero, where no order is sent (`is_past_zero`).
    """
    if net or len(parts) > 1:
        return net
    tick = ticks.tick(net)
    sent = parts[0].flow * tick
    return sent if floor is None or sent >= floor else tick


def is_past_zero(net: Decimal, parts: tuple[Part, ...]) -> bool:
    """Say whether a price would have a single option bought for less than nothing, as a bound under one tick asks."""
    return len(parts) == 1 and net * parts[0].flow < 0


def costs(mid: float | Decimal) -> bool:
    """Say whether dealing at this net mid costs something: a price that a spec gives, never negative, is paid then."""
    return mid < 0


def priority(ladder: Ladder, attempt: int) -> str:
    """Return the adaptive priority of a try, "" when the order is a plain limit."""
    if not ladder.adaptive:
        return ""
    return ladder.adaptive[min(attempt, len(ladder.adaptive)) - 1].value


# --- Orders as values


class Ticket(NamedTuple):
    """Names an order before it has a price: who sends it, for which position, why."""

    ref: str
    number: int
    order_id: int
    bot: str
    position: str
    purpose: Purpose
    reason: str
    digest: str
    at: datetime


def order_parts(legs: Iterable[OrderLeg], side: Side) -> tuple[Part, ...]:
    """Return the parts that trade when an order of these legs fills (`side` matters for a single leg only).

    A single leg trades by the contract, whatever its ratio, which is in the quantity of its order.
    """
    legs = tuple(legs)
    if len(legs) == 1:
        return (Part(legs[0].option, -side.sign, 1),)
    return tuple(Part(leg.option, -leg.side.sign, leg.price_multiplier) for leg in legs)


def opening_legs(legs: Iterable[PositionLeg]) -> tuple[OrderLeg, ...]:
    """Return the order legs that open these position legs."""
    return tuple(OrderLeg(leg.name, leg.option, Side.BUY if leg.sign > 0 else Side.SELL, leg.ratio) for leg in legs)


def closing_legs(legs: Iterable[PositionLeg]) -> tuple[OrderLeg, ...]:
    """Return the order legs that close these position legs."""
    return tuple(OrderLeg(leg.name, leg.option, Side.SELL if leg.sign > 0 else Side.BUY, leg.ratio) for leg in legs)


def draft(
    ticket: Ticket,
    legs: tuple[OrderLeg, ...],
    quantity: int,
    kind: OrderType,
    *,
    net: Decimal | None = None,
    stop: Decimal | None = None,
    mid: Decimal | None = None,
    time_in_force: TimeInForce = TimeInForce.DAY,
    adaptive: str = "",
    oca_group: str = "",
    attempt: int = 1,
    attempt_until: datetime | None = None,
) -> Order:
    """Return the order; one leg keeps its side and ratio 1 (its ratio goes into the quantity), several make a combo.

    Units: `net`, `mid` signed per share of one structure, of a single leg of one piece of it, + received; `stop` the
    price of the single leg.
    """
    if len(legs) == 1:
        only = legs[0]
        quantity *= only.ratio
        legs = (OrderLeg(only.name, only.option, only.side, 1),)
    side = legs[0].side if len(legs) == 1 else Side.BUY
    return Order(
        ref=ticket.ref,
        number=ticket.number,
        bot=ticket.bot,
        position=ticket.position,
        purpose=ticket.purpose,
        reason=ticket.reason,
        legs=legs,
        side=side,
        quantity=quantity,
        kind=kind,
        limit_price=None if net is None else wire_price(net, side),
        stop_price=stop,
        time_in_force=time_in_force,
        adaptive=adaptive,
        oca_group=oca_group,
        order_id=ticket.order_id,
        attempt=attempt,
        attempt_until=attempt_until,
        mid=None if mid is None else wire_price(mid, side),
        prepared_at=ticket.at,
        changed_at=ticket.at,
        digest=ticket.digest,
    )


def wire_price(net: Decimal, side: Side) -> Decimal:
    """Return a net amount (+ received) as the price of a buy (negated) or a sell."""
    return -net if side is Side.BUY else net


def net_price(wire: Decimal, side: Side) -> Decimal:
    """Return a wire price as a net amount, + received."""
    return -wire if side is Side.BUY else wire


# --- How far the price of an entry may lie from the mid

LEAST_BAND = Decimal("0.50")
"""Per share: a part of what cheap legs are worth would be less than the width of their quotes."""


def price_band(limit: Amount, parts: Iterable[Part], board: Board) -> Decimal | None:
    """Return how far from the mid a price of these parts may be, per share; None while a leg has no quote.

    A percentage is of the sum of the legs' mids, long and short: the net of a spread may be near 0, while its bid-ask
    spread grows with its legs. Shares do not count. No bid counts as 0, as when such a leg is closed
    (`price.net_quote`).
    """
    if limit.unit is not Unit.PERCENT:
        return limit.value
    worth = 0.0
    for option, _, weight in parts:
        row = board.rows.get(option, -1)
        if row < 0:
            return None
        bid = 0.0 if isnan(board.bid[row]) else board.bid[row]
        worth += 0.0 if option.is_share else weight * (bid + board.ask[row]) / 2
    if worth != worth:
        return None
    return max(limit.value / 100 * Decimal(f"{worth:.4f}"), LEAST_BAND)
