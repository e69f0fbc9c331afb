"""The rungs of a price ladder: where an order starts, and what each further try offers."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import chain
from typing import NamedTuple

from rulebot.model.money import CENT, ZERO, Rounding, TickRule
from rulebot.order.price import NetQuote, Part, limit_net, surely_lost_below, ticks_of
from rulebot.spec.nouns.order import Order as Ladder
from rulebot.spec.nouns.order import PriceFrom

Holds = Callable[[Decimal], bool]
"""Says of a net price whether what an order is sent for holds at it."""


class Bound(NamedTuple):
    """How far a price may go: never under `floor`, nor to one at which what is judged by the price holds no longer.

    is_paid: whether a price that a spec gives to start at is paid, as at the first try; None goes by the mid.
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
    """Return the net limit of try `attempt`: so many steps worse than the start of this moment, never past natural.

    Where that would pass the bound, or what the legs can be worth, it is the last price before it.
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
    """Return the worst net price that an order may come to while the market stands: its last rung, at most natural."""
    if ladder.start is not PriceFrom.MARKET:
        return ladder_price(ladder, quote, parts, ladder.tries)
    return None if quote.natural is None else Decimal(f"{quote.natural:.4f}")


def limited_at(ladder: Ladder, start: float | None, quote: NetQuote) -> float | None:
    """Return the net price at which an order is held against limits before it is sent: its start, at market natural.

    What a limit may come to on its way is bound at each try (`Bound`); a market order is bound by nothing any more.
    """
    return quote.natural if ladder.start is PriceFrom.MARKET else start


def _worth_sending(net: Decimal, parts: tuple[Part, ...], ticks: TickRule, floor: Decimal | None = None) -> Decimal:
    """Return the limit, at least one tick from zero where a single option is dealt: the broker refuses a price of 0.

    Where that tick would be under the floor it lies past zero, where no order is sent (`is_past_zero`).
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
