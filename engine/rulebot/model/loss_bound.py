"""The most that one trade can lose, however its legs come apart; short calls and the shares that cover them.

Legs that a bot's own exits close at different times are in different groups (`compile/build.py`). A group closes in one
go, at one price of its underlying. Two groups close at two prices.

Proof sketch. Let a trade receive `net` when it opens (negative when it pays). Group g closes while its underlying
stands at S_g, and the legs of g then bring at least P_g(S_g), their exercise value. So the trade makes at least
net + sum of P_g(S_g). Each S_g is free, so the worst is net + sum of min P_g. A condor that closes as one loses its
wider width less the credit. A stop on each side splits it into two groups, so both widths count. min P_g is minus
infinity where a group is short more calls than it is long: no bound. A short put alone is bounded by its strike.

What the bound rests on:

1. Legs of one group on one underlying close as one combo. They close as several orders, each when the one before has
   filled, only where no spec decides it: after a protective stop, after a combo that filled with some legs only, after
   the broker liquidates one leg, and when the broker refuses the combo. What the market moves until the last one fills
   or its leg expires, and the bid-ask spread of single legs, is not in the bound.
2. A combo is bought back for no more than its exercise value can ever be. Limit orders of rulebot never go further
   (`order/price.py`, surely_lost_below), and exchanges do not trade vertical spreads, butterflies and boxes beyond
   their width at market (SR-CBOE-2015-107, 80 FR 77038). Beside a wing that nobody bids for a market order is sent as
   a limit order at that price (`core/queries/close_plan.py`, is_beyond).
3. A long option that outlives a short one, or that covers shares, brings its exercise value at least (`payoff.py`),
   less `shortfall`: the interest that a European option lacks, and the bid-ask spread, since no exchange holds such
   structures to their exercise value. What a market asks beyond that is not in the bound.

4. Legs that are entered one by one all fill. Where a later one does not, those before it are closed again:
   `core/queries/legged_entry.py` holds their bid-ask spread and commissions against `max_loss_per_trade`. What the
   market moves meanwhile is counted nowhere.

Part of a count does not split a group: closing half of the structures leaves whole structures.

In dollars the commissions of opening and closing are in the bound, in the dearest way to send the orders
(`max_commission`).
"""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import NamedTuple, Protocol

from rulebot.model.commission import max_commission
from rulebot.model.contract import LOT, Contract, Kind, Option, Right, Settlement, product
from rulebot.model.money import CENT, ZERO, Rounding, on_tick
from rulebot.model.payoff import Holding, Part, Way, least_payoff
from rulebot.model.position import Position, PositionLeg

# --- Short calls and the shares that cover them


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
    """Return the shares that calls need and that the account lacks against our books, after an external sale."""
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
    """Return the shares that come (+) or go (-) when this many options (+ long) are exercised or assigned."""
    return count * option.multiplier * (1 if option.right is Right.CALL else -1)


def shares_covering(way: Iterable[Holding], symbol: str) -> int:
    """Return the shares that short calls of one position need beyond its long ones.

    Source: each short call is paired with a long one that ends no sooner, if any; over all days, the largest surplus of
    short calls from that day on is the number without a pair (Hall's theorem for nested choices).
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
    """Return a structure without the calls that shares cover: exercised, they cost only the shares.

    Omits those with the highest strikes, so the loss of the rest is never underestimated.
    """
    found = tuple(parts)
    way = without_covered_calls(
        tuple((option, count, ZERO) for option, count in found), dict.fromkeys(_symbols_of_parts(found))
    )
    return tuple((option, count) for option, count, _ in way)


def _symbols_of_parts(parts: Iterable[Part]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(option.symbol for option, _ in parts))


def without_covered_calls(way: Way, shares: Mapping[str, int | None]) -> Way:
    """Return a state at expiry without the short calls that this many shares cover; None is as many as it needs.

    Keeps the premium of an omitted call.
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


# --- The most that one trade can lose, however its legs come apart

SPREAD = Decimal("0.001")
"""The bid-ask spread of a structure deep in the money, as a part of its strike, that the bound counts."""
INTEREST = Decimal("0.06")
"""What a year of interest on a strike, or of dividends, may take from a European option, as a part of the strike."""
_RIGHTS = (Right.PUT, Right.CALL)


class GroupedLeg(Protocol):
    """A leg of a structure, with the group of legs that close together with it ("" when all do)."""

    @property
    def name(self) -> str: ...
    @property
    def option(self) -> Option: ...
    @property
    def sign(self) -> int: ...
    @property
    def ratio(self) -> int: ...
    @property
    def price_multiplier(self) -> int: ...
    @property
    def group(self) -> str: ...


def loss_bound(legs: Iterable[GroupedLeg], net_price: Decimal, *, is_covered: bool = False) -> Decimal | None:
    """Return the most that one structure can lose per share before commissions, never negative; None without a bound.

    net_price: signed, + received. is_covered: shares of the account cover its short calls.
    """
    least = min_proceeds(legs, is_covered=is_covered)
    return None if least is None else max(-net_price - least, ZERO)


def trade_bound(
    legs: Iterable[GroupedLeg], net_price: Decimal, quantity: int, *, is_covered: bool = False
) -> Decimal | None:
    """Return the most that this many structures can lose in dollars, with all commissions; None without a bound.

    net_price: per share of one structure, signed, + received. is_covered: as in `loss_bound`.
    """
    held = tuple(legs)
    worst = loss_bound(held, net_price, is_covered=is_covered)
    return None if worst is None else (worst * LOT + most_commissions(held)) * quantity


def most_commissions(legs: Iterable[GroupedLeg]) -> Decimal:
    """Return the most dollars of commissions that opening and closing one structure can take."""
    return 2 * sum((max_commission(leg.option, leg.ratio) for leg in legs), ZERO)


def min_proceeds(legs: Iterable[GroupedLeg], *, is_covered: bool = False) -> Decimal | None:
    """Return the least that closing one structure brings per share, negative when it costs; None without a bound."""
    groups = groups_of(legs)
    return _added(min_close_cost(covered_parts(parts) if is_covered else parts) for parts in groups.values())


def min_close_cost(parts: Iterable[Part]) -> Decimal | None:
    """Return the least that closing legs at one price brings per share (- it costs); None without a bound."""
    held = tuple(parts)
    least = least_payoff(held)
    return None if least is None else least - shortfall(held)


def shortfall(parts: Iterable[Part]) -> Decimal:
    """Return how much less than its exercise value a structure may bring per share.

    0 where all legs end together: exchanges hold such combos to their exercise value. A long option that outlives a
    short one takes `SPREAD` of the strike of the short one, on an index `INTEREST` for the days between them too. One
    that covers shares takes `SPREAD` of its strike. Puts and calls add up only where their strikes overlap.
    """
    held = tuple(parts)
    puts, calls = (sum((_short_of(part, held) for part in held if part[0].right is right), ZERO) for right in _RIGHTS)
    return on_tick(puts + calls if _overlap(held) else max(puts, calls), CENT, Rounding.UP)


def _short_of(part: Part, held: Iterable[Part]) -> Decimal:
    """Return what closing one option may lack of its exercise value."""
    option, count = part
    if option.is_share:
        return ZERO
    alike = [(each, number) for each, number in held if each.symbol == option.symbol]
    if count > 0:
        sign = 1 if option.right is Right.PUT else -1
        covered = sum(max(sign * number, 0) for each, number in alike if each.is_share)
        return option.strike * min(count, covered) * SPREAD
    later = max((each.expiry for each, number in alike if number > 0 and _outlives(each, option)), default=None)
    if later is None:
        return ZERO
    days = (later - option.expiry).days if product(option.symbol).kind is Kind.INDEX else 0
    return option.strike * -count * (SPREAD + INTEREST * days / 365)


def _outlives(bought: Option, sold: Option) -> bool:
    return not bought.is_share and bought.right is sold.right and bought.expiry > sold.expiry


def _overlap(held: Iterable[Part]) -> bool:
    options = [option for option, _ in held if not option.is_share]
    puts, calls = ([option.strike for option in options if option.right is right] for right in _RIGHTS)
    return bool(puts and calls) and max(puts) > min(calls)


def dollars_at_risk(groups: Iterable[Way]) -> Decimal | None:
    """Return the most that these groups can lose together in dollars, never negative; None without a bound.

    Each group closes at its own price. Cash of all groups counts, commissions paid included; those of closing are
    added.
    """
    held = tuple(groups)
    least = _added(_least_dollars(way) for way in held)
    cash = sum((paid for way in held for _, _, paid in way), ZERO)
    closing = sum((max_commission(option, count) for way in held for option, count, _ in way), ZERO)
    return None if least is None else max(closing - least - cash, ZERO)


def groups_of(legs: Iterable[GroupedLeg]) -> dict[str, tuple[Part, ...]]:
    """Return the options of each group with their signed weights."""
    found: dict[str, tuple[Part, ...]] = {}
    for leg in legs:
        found[leg.group] = (*found.get(leg.group, ()), (leg.option, leg.sign * leg.price_multiplier))
    return found


def unbounded_risk_reason(legs: Iterable[GroupedLeg]) -> str:
    """Return why a structure has no bound, as in `long_call can be closed before short_call`; "" when it has one."""
    held = tuple(legs)
    for name, parts in groups_of(held).items():
        if least_payoff(parts) is None:
            short = next(leg for leg in held if leg.group == name and leg.sign < 0 and _bounds_above(leg))
            cover = [leg for leg in held if leg.sign > 0 and leg.group != name and _covers(leg, short)]
            return f"{cover[0].name} does not close together with {short.name}" if cover else _uncovered_text(short)
    return ""


def _bounds_above(leg: GroupedLeg) -> bool:
    return leg.option.is_share or is_call(leg.option)


def _covers(leg: GroupedLeg, short: GroupedLeg) -> bool:
    return leg.option.symbol == short.option.symbol and _bounds_above(leg)


def _uncovered_text(short: GroupedLeg) -> str:
    return f"nothing covers {short.name}"


def _least_dollars(way: Way) -> Decimal | None:
    return min_close_cost((option, count * option.multiplier) for option, count, _ in way if count)


def _added(amounts: Iterable[Decimal | None]) -> Decimal | None:
    total = ZERO
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


# --- The most that a trade can lose from now on


def max_loss(position: Position) -> Decimal | None:
    """Return the most that the trade can end with as its loss, in dollars, never negative; None without a bound.

    It counts what its closed parts have brought and cost, all commissions paid, and the dearest commissions of closing
    the rest. Calls that shares of the account cover count as covered. Trades that it was rolled from are apart.
    """
    ways = _by_group(position)
    found = dollars_at_risk(ways)
    if found is None and position.max_risk is not None:
        return dollars_at_risk(without_covered_calls(way, dict.fromkeys(_symbols(way))) for way in ways)
    return found


def paid(leg: PositionLeg) -> Decimal:
    """Return the dollars that a leg has brought so far less what it has cost, commissions included."""
    return leg.entry_cash + leg.proceeds - leg.commissions


def _by_group(position: Position) -> list[Way]:
    found: dict[str, Way] = {}
    for leg in position.legs:
        holding: Holding = (leg.option, leg.signed_held, paid(leg))
        found[leg.group] = (*found.get(leg.group, ()), holding)
    return list(found.values())


def _symbols(way: Way) -> tuple[str, ...]:
    return tuple(dict.fromkeys(option.symbol for option, _, _ in way))
