"""Short calls and the shares that cover them: how many they need, and how many an account has left.

A call that is exercised takes the shares of its multiplier. A long call of the same position covers a short one that
ends no later; what is left of the short ones needs shares. Calls that somebody sold by hand need theirs too.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from rulebot.model.contract import Contract, Option, Right, Settlement, product
from rulebot.model.money import CENT, ZERO
from rulebot.model.payoff import Holding, Part, Way
from rulebot.model.position import Position, PositionLeg
from rulebot.model.values import replace


class ShareHolding(NamedTuple):
    """Shares of one underlying in the account, and those that short calls need: of bots, and sold by hand.

    `cost` is the average dollars a share, None without any. coming: those that bots' entries have still to buy. Some of
    them may have come unheard, so that `held` is without as many.
    """

    held: Decimal
    by_bots: Decimal
    by_hand: Decimal
    cost: Decimal | None
    coming: Decimal = ZERO

    @property
    def needed(self) -> Decimal:
        """Shares that all short calls need, which may be more than are held."""
        return self.by_bots + self.by_hand

    @property
    def free(self) -> Decimal:
        """Shares that no short call needs, never negative."""
        return max(self.held - self.needed, ZERO)


def needed_by_hand(symbol: str, holdings: Mapping[Contract, Decimal], books: Mapping[Option, int]) -> Decimal:
    """Return the shares that calls need of which the account is short beyond our books, as somebody sold them."""
    return sum(
        (
            max(books.get(option, 0) - count, ZERO) * option.multiplier
            for option, count in holdings.items()
            if isinstance(option, Option) and count < 0 and option.symbol == symbol and is_call(option)
        ),
        ZERO,
    )


def is_call(option: Option) -> bool:
    """Say whether it is a call, and no share."""
    return option.right is Right.CALL and not option.is_share


def delivers(option: Option) -> bool:
    """Say whether exercise moves shares."""
    return product(option.symbol).settlement is Settlement.SHARES


def shares_delivered(option: Option, count: int) -> int:
    """Return the shares that come (+) or go (-) when so many options (+ long) are exercised, or assigned."""
    return count * option.multiplier * (1 if option.right is Right.CALL else -1)


def shares_covering(way: Iterable[Holding], symbol: str) -> int:
    """Return the shares that short calls of one position need beyond its long ones.

    Source: each short call takes a long one that ends no sooner where it can; of all days, the one from which on most
    short calls are left over says how many do not find one (Hall's theorem for nested choices).
    """
    by_day: dict[date, int] = {}
    for option, count, _ in way:
        if option.symbol == symbol and option.right is Right.CALL and delivers(option):
            by_day[option.expiry] = by_day.get(option.expiry, 0) + count * option.multiplier
    most = running = 0
    for day in sorted(by_day, reverse=True):
        running -= by_day[day]
        most = max(most, running)
    return most


def uncovered_calls(parts: Iterable[Part], symbol: str) -> int:
    """Return the shares that the short calls of one structure need."""
    return shares_covering(((option, count, ZERO) for option, count in parts), symbol)


def covered_parts(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Return a structure without the calls that shares cover: exercised, they cost the shares and nothing else.

    Those of the highest strikes are left out: so the loss of what stays is never less than it may be.
    """
    found = tuple(parts)
    way = without_covered_calls(tuple((option, count, ZERO) for option, count in found), dict.fromkeys(_symbols(found)))
    return tuple((option, count) for option, count, _ in way)


def _symbols(parts: Iterable[Part]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(option.symbol for option, _ in parts))


def without_covered_calls(way: Way, shares: Mapping[str, int | None]) -> Way:
    """Return a way to stand at expiry without the short calls that so many shares cover; None is as many as it needs.

    What came in for a call that is left out stays.
    """
    for symbol, count in shares.items():
        bare = shares_covering(way, symbol)
        way = _without(way, symbol, bare if count is None else min(count, bare))
    return way


def _without(way: Way, symbol: str, shares: int) -> Way:
    found: list[Holding] = []
    for option, count, cash in sorted(way, key=lambda each: -each[0].strike):
        is_short = option.symbol == symbol and is_call(option) and count < 0 and delivers(option)
        taken = min(shares // option.multiplier, -count) if is_short else 0
        shares -= taken * option.multiplier
        found.append((option, count + taken, cash))
    return tuple(found)


# --- Options that become shares, and what those shares make for the trade

ASSIGNED = "assigned"
SETTLED = "settled"
"""The exit reason of what has settled in cash."""
DELIVERING = frozenset((ASSIGNED, "exercised"))
"""How options end that move shares, as settlement records say it."""


def shares_profit(option: Option, shares: int, price: Decimal) -> Decimal:
    """Return the dollars that shares make against the strike at their price, which options moved (+ long, - short).

    An option that is assigned out of the money before its last day brings shares at a better price than the market's.
    """
    gap = price - option.strike if option.right is Right.CALL else option.strike - price
    return (shares * gap).quantize(CENT)


def counting_shares(position: Position, settlements: Iterable[Mapping[str, Any]]) -> Position:
    """Return the position of an older store with its shares counted; one of this version as it is.

    settlements: the data of its settlement records. Older ones lack `shares_profit`. Where shares were a leg of the
    position they left it at the strike, and the position counts them already.
    """
    told = list(settlements)
    if any(one["how"] == "delivered" for one in told):
        return position
    for one in told:
        if "shares_profit" not in one and one["how"] in DELIVERING and not Decimal(str(one["price"])):
            position = _counting(position, one)
    return position


def _counting(position: Position, settlement: Mapping[str, Any]) -> Position:
    return replace(
        position,
        legs=tuple(_leg(leg, settlement) if leg.name == settlement["leg"] else leg for leg in position.legs),
    )


def _leg(leg: PositionLeg, settlement: Mapping[str, Any]) -> PositionLeg:
    count, level = int(settlement["quantity"]), settlement.get("level")
    if level is None:
        return replace(leg, unpriced=max(leg.unpriced + count, 0))
    worth = shares_profit(leg.option, leg.sign * count * leg.option.multiplier, Decimal(str(level)))
    return replace(leg, shares_profit=leg.shares_profit + worth)
