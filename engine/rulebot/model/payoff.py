"""Payoff: the worst case of a structure at expiry.

Source: the payoff of options with one expiry is piecewise linear in the underlying, so its minimum is at a strike, at
zero, or beyond the highest strike (where the slope is the net number of calls).

With different expiries everything is valued at the last day of the sold options: a later option is worth at least its
exercise value, an earlier one covers nothing. This assumes that later options are sold then; if held, they may still
lose their value. Source: Hull, Options, Futures and Other Derivatives, on calendar spreads, and on the lower bound of
an option's price (for European puts deep in the money that is less by the interest on the strike).
"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise

from rulebot.model.contract import Option, Right, Settlement, product
from rulebot.model.money import ZERO

Range = tuple[Decimal, Decimal | None]
"""Prices of an underlying between two ends, None without an upper one."""

Part = tuple[Option, int]
"""An option with its signed count in one structure (+ long, - short)."""


Holding = tuple[Option, int, Decimal]
"""An option, its contracts (+ long, - short), and the dollars that came in (+) or went out (-) for them."""
Way = tuple[Holding, ...]
"""One possible state of a position at expiry; there are two while its entry works."""


def intrinsic(option: Option, spot: Decimal) -> Decimal:
    """Return the exercise value per share."""
    gap = spot - option.strike if option.right is Right.CALL else option.strike - spot
    return max(gap, ZERO)


def worst_case(parts: Iterable[Part], net_price: Decimal) -> Decimal | None:
    """Return the largest loss at expiry per share of one structure, never negative; None when it has no bound.

    Units: `net_price` is signed, + received. Underlyings are taken apart: an option of one never covers another's. A
    short put's loss is bounded by its strike; a short call that no long call covers has no bound.
    """
    lowest = least_payoff(parts)
    return None if lowest is None else max(-net_price - lowest, ZERO)


def least_payoff(parts: Iterable[Part]) -> Decimal | None:
    """Return the least that one structure pays at expiry per share, negative when it costs; None without a bound.

    Sold options have a cost without limit only upwards; shares with a bought put are worth at least its strike.
    """
    return _least_of(tuple(parts))


@lru_cache(maxsize=256)
def _least_of(parts: tuple[Part, ...]) -> Decimal | None:
    """Return the same, kept: from its first price to its last fill a structure is asked for it again and again."""
    by_symbol: dict[str, list[Part]] = {}
    for option, count in parts:
        by_symbol.setdefault(option.symbol, []).append((option, count))
    total = ZERO
    for group in by_symbol.values():
        lowest = _lowest_payoff(_lasting(group))
        if lowest is None:
            return None
        total += lowest
    return total


def ends_together(parts: Iterable[Part]) -> bool:
    """Say whether all options end at one price: only then is it known at expiry what all of them are worth."""
    return len({_end_of(option) for option, _ in parts if not option.is_share}) <= 1


def _lasting(parts: list[Part]) -> list[Part]:
    """Return the parts without the options bought that end before those that are sold."""
    sold = [_end_of(option) for option, count in parts if count < 0 and not option.is_share]
    last = max(sold, default=(date.min, False))
    return [(option, count) for option, count in parts if count < 0 or option.is_share or _end_of(option) >= last]


def _end_of(option: Option) -> tuple[date, bool]:
    """Return what orders options by when they end: opening prints come after the close of the last day before."""
    return option.expiry, option.settles_at_open


def by_expiry(way: Way) -> tuple[Way, ...]:
    """Return the options of one underlying in parts: those sold to end together, each with its cover.

    Options sold with different last days lose at different prices. A bought call or put covers a sold one that ends no
    later. The last to end are covered first, each by the option that leaves the smallest loss, then by the nearest
    strike, then by the first to end; unused ones stay with the part that ends with them.
    """
    left = {option: count for option, count, _ in way if count > 0}
    parts: dict[tuple[date, bool], list[Holding]] = {}
    sold = ((option, -count) for option, count, _ in way if count < 0)
    for option, count in sorted(sold, key=lambda each: _end_of(each[0]), reverse=True):
        part = parts.setdefault(_end_of(option), [])
        part.append((option, -count, ZERO))
        for cover in sorted(left, key=lambda each: (*_left_open(option, each), _end_of(each))):
            taken = min(count, left[cover]) if _covers(cover, option) else 0
            count, left[cover] = count - taken, left[cover] - taken
            part += [(cover, taken, ZERO)] if taken else []
    for option, count in left.items():
        if count:
            parts.setdefault(_end_of(option), []).append((option, count, ZERO))
    return tuple(map(tuple, parts.values()))


def _covers(bought: Option, sold: Option) -> bool:
    return bought.right is sold.right and _end_of(bought) >= _end_of(sold)


def _left_open(sold: Option, bought: Option) -> tuple[Decimal, Decimal]:
    """Return the points that a sold option may lose against a bought one of its right, and between the two."""
    gap = sold.strike - bought.strike
    return max(gap if sold.right is Right.PUT else -gap, ZERO), abs(gap)


def best_case(parts: Iterable[Part], net_price: Decimal) -> Decimal | None:
    """Return the largest gain at expiry per share of one structure; negative when it loses everywhere.

    None when it has no bound, or none that is known since expiries differ. Units: `net_price` is signed, + received.
    The worst case of the other side of the trade, without its floor at 0.
    """
    parts = tuple(parts)
    if not ends_together(parts):
        return None
    by_symbol: dict[str, list[Part]] = {}
    for option, count in parts:
        by_symbol.setdefault(option.symbol, []).append((option, -count))
    lowest = [_lowest_payoff(group) for group in by_symbol.values()]
    known = [each for each in lowest if each is not None]
    return net_price - sum(known, ZERO) if len(known) == len(lowest) else None


def profit_ranges(parts: Iterable[Part], net_price: Decimal) -> tuple[Range, ...]:
    """Return where a structure on one underlying gains at expiry: ranges of prices, some of which may touch.

    Units: points; None is no end. Between two strikes the gain is linear, so its sign changes at most once. With
    different expiries it is not linear: check `ends_together` first.
    """
    held = tuple(parts)
    knots = sorted({ZERO, *(option.strike for option, _ in held)})
    gains = [net_price + sum((intrinsic(option, spot) * count for option, count in held), ZERO) for spot in knots]
    found: list[Range | None] = [_gaining(*ends) for ends in pairwise(zip(knots, gains, strict=True))]
    slope = sum(count for option, count in held if option.right is Right.CALL)
    found.append(_gaining_beyond(knots[-1], gains[-1], slope))
    return tuple(each for each in found if each is not None)


def _gaining(low: tuple[Decimal, Decimal], high: tuple[Decimal, Decimal]) -> Range | None:
    (left, gain), (right, later) = low, high
    if gain <= 0 and later <= 0:
        return None
    if gain >= 0 and later >= 0:
        return left, right
    crossing = left + (right - left) * gain / (gain - later)
    return (left, crossing) if gain > 0 else (crossing, right)


def _gaining_beyond(strike: Decimal, gain: Decimal, slope: int) -> Range | None:
    """Return where it gains above the highest strike."""
    if slope == 0 or (gain > 0 and slope > 0):
        return (strike, None) if gain > 0 else None
    crossing = strike - gain / slope
    if slope > 0:
        return crossing, None
    return (strike, crossing) if gain > 0 else None


def _lowest_payoff(parts: list[Part]) -> Decimal | None:
    if sum(count for option, count in parts if option.right is Right.CALL) < 0:
        return None
    spots = {ZERO} | {option.strike for option, _ in parts}
    return min(sum((intrinsic(option, spot) * count for option, count in parts), ZERO) for spot in spots)


def cash_for_puts(way: Way) -> Decimal:
    """Return the dollars that short puts take which no long put covers: strike x multiplier of each.

    What is delivered has to be paid, and a cash-settled put may cost as much. A long put covers a short one that ends
    no later: its shares are sold at the strike of the long one, or it is worth as much in cash. The short puts of the
    highest strikes are taken to be the uncovered ones.
    """
    puts = [(option, count) for option, count, _ in way if option.right is Right.PUT]
    kinds = dict.fromkeys(_deliverable(option) for option, _ in puts)
    return sum((_cash_of([put for put in puts if _deliverable(put[0]) == kind]) for kind in kinds), ZERO)


def _deliverable(option: Option) -> str:
    """Return the key of options that can cover each other: adjusted classes deliver other shares."""
    is_cash = product(option.symbol).settlement is not Settlement.SHARES
    return option.symbol if is_cash else option.trading_class


def _cash_of(puts: list[Part]) -> Decimal:
    """Return the dollars that uncovered short puts of one kind need.

    Source: over all days, the largest surplus of short puts from that day on is the number without a long one (as for
    calls in `needed_by`).
    """
    bare = running = 0
    for _, count in sorted(puts, key=lambda put: (_end_of(put[0]), put[1]), reverse=True):
        running -= count
        bare = max(bare, running)
    total = ZERO
    for option, count in sorted(puts, key=lambda put: -put[0].strike):
        taken = min(max(-count, 0), bare)
        total += taken * option.strike * option.multiplier
        bare -= taken
    return total
