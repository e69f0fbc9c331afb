"""Which contracts are worth a market data line, by a guess at the strike that each leg would take.

A guess may be wrong: it is made again with every quote that comes, and moves on until the strikes around it are those
that the selector asks for. Nothing is traded on a guess.
"""

from bisect import bisect_left
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import chain, pairwise
from math import exp, isnan, pi, sqrt
from statistics import NormalDist
from typing import NamedTuple, TypeVar

from rulebot.compile.data_needs import calls_of, opening_moves
from rulebot.compile.plan import LegPlan, Plan, Rule
from rulebot.evaluate.strike_terms import (
    VALUED,
    edge_of,
    listing_of,
    of_two,
    option_of,
    partner_of,
    preferred,
    premiums_of,
    side_of,
)
from rulebot.measure.listings import BAND, multiples, neighbours, options_of, place_among_listed
from rulebot.measure.reading import UnknownValue
from rulebot.measure.view import View
from rulebot.model.contract import Contract, Option, Right, Underlying, listed, share
from rulebot.model.facts import Facts
from rulebot.model.money import ZERO
from rulebot.model.session import SESSIONS_A_YEAR
from rulebot.model.values import dataclass, replace
from rulebot.spec.nouns import StrikeBy, StrikeRounding

_ALONE = frozenset((StrikeBy.DELTA, StrikeBy.PREMIUM, StrikeBy.EXPECTED_MOVE, StrikeBy.OTM, StrikeBy.AT_SPOT))
"""Selectors that look at no other leg."""
YEAR_DAYS = 365.0
_FAR = 6.0
"""Deviations from spot beyond which no premium is looked for."""


@dataclass(frozen=True, slots=True)
class StrikeEstimator:
    """One leg with what is known of its market. strikes: on its grid; every: listed; guesses: of the legs before it."""

    leg: LegPlan
    plan: Plan
    strikes: tuple[Decimal, ...]
    every: tuple[Decimal, ...]
    expiry: date
    spot: float
    view: View
    guesses: dict[str, Decimal]

    @property
    def stands_alone(self) -> bool:
        """Whether the guess is the same in every structure that has this leg and this expiry."""
        return self.leg.strike.by in _ALONE and self.leg.min_strike is None and self.leg.max_strike is None

    @property
    def out(self) -> int:
        """The sign of the out-of-the-money direction."""
        return -1 if self.leg.right is Right.PUT else 1


class StrikeEstimate(NamedTuple):
    """Where a leg's strikes lie: those whose value is asked for, and the one that its modifiers make of them."""

    asked: Decimal
    taken: Decimal


def guess_of(about: StrikeEstimator) -> StrikeEstimate | None:
    """Return about which strike this leg would take, None while nothing can be said; bots share what is the same."""
    if not about.strikes:
        return None
    if not about.stands_alone:
        return _guessed(about)
    key = ("guess", id(about.leg))  # lives longer than the view
    if key not in about.view.memo:
        about.view.memo[key] = _guessed(about)
    known: StrikeEstimate | None = about.view.memo[key]
    return known


def _guessed(about: StrikeEstimator) -> StrikeEstimate | None:
    found = GUESSES[about.leg.strike.by](about)
    if found is None:
        return None
    leg, strike, is_valued = about.leg, about.leg.strike, about.leg.strike.by in VALUED
    taken = found  # what `round_to` makes of a level is what legs that count from this one count from
    if strike.round_to is not None and not is_valued:
        taken = _on_grid(about, taken, side_of(strike))
    if strike.prefer_round_to is not None:
        taken = _preferred(about, strike.prefer_round_to, taken)
    if strike.min_otm_distance is not None:
        taken = _pushed_out(about, strike.min_otm_distance, taken)
    if leg.min_strike is not None or leg.max_strike is not None:
        taken = _edged(about, taken)
    return StrikeEstimate(found if is_valued else taken, taken)


_SIGNS = {StrikeBy.BELOW: -1, StrikeBy.ABOVE: 1}


def _at_leg(about: StrikeEstimator) -> Decimal | None:
    """Return where the leg counts to: of several widths the first at which a strike is listed."""
    strike = about.leg.strike
    reference = about.guesses.get(strike.reference or "")
    if reference is None:
        return None
    sign = _SIGNS.get(strike.by, 0)
    first = reference + sign * (strike.target or ZERO)
    if not strike.widths:
        return first
    found = (first, *(reference + sign * width for width in strike.widths))
    return next((each for each in found if _is_among(each, about.strikes)), first)


def _is_among(strike: Decimal, strikes: tuple[Decimal, ...]) -> bool:
    at = bisect_left(strikes, strike)
    return at < len(strikes) and strikes[at] == strike


def _at_moves(about: StrikeEstimator) -> Decimal | None:
    """Return the strike this many expected moves away, until the nearest expiry of the legs."""
    nearest = about.plan.nearest_expiry_leg(about.leg.symbol) or about.leg
    listing, expiry = listing_of(nearest, about.view)
    if expiry is None or listing is None:
        return None
    move = _rough_move(replace(about, leg=nearest, expiry=expiry, every=listing.strikes.get(expiry, ())))
    return None if move is None else _out_by(about, float(about.leg.strike.target or 0) * move)


def _at_distance(about: StrikeEstimator) -> Decimal:
    strike = about.leg.strike
    return _out_by(about, float(strike.target or 0) * (about.spot / 100.0 if strike.is_percent else 1.0))


def _out_by(about: StrikeEstimator, points: float) -> Decimal:
    return Decimal(f"{about.spot + about.out * points:.2f}")


def _rough_move(about: StrikeEstimator) -> float | None:
    """Return about one standard deviation until expiry: from the straddle, else from VIX."""
    leg, view, board = about.leg, about.view, about.view.board
    near = neighbours(about.every, about.spot, 1)  # those at the money are streamed, whatever the grid
    if near:
        strike = min(near, key=lambda found: abs(float(found) - about.spot))
        pair = (listed(leg.symbol, leg.trading_class, about.expiry, strike, is_call) for is_call in (True, False))
        rows = [board.rows.get(option, -1) for option in pair]
        if all(row >= 0 and not isnan(board.bid[row] + board.ask[row]) for row in rows):
            return sum((board.bid[row] + board.ask[row]) / 2 for row in rows) * 1.2533
    vix = view.level("VIX")
    return None if vix is None else about.spot * vix / 100 * sqrt(_years(view, about.expiry))


def _years(view: View, expiry: date) -> float:
    """Return the time until expiry for a volatility's move: the rest of a session counts as trading time.

    Prices move during trading (French, Stock Returns and the Weekend Effect, 1980): the six and a half hours of a
    session are one of 252 in a year, not one of a thousand.
    """
    opened, closed = view.session.open.timestamp(), view.session.close.timestamp()
    left = max(closed - max(view.now, opened), 600.0) / (closed - opened)
    return max((expiry - view.session.date).days, 0) / YEAR_DAYS + left / SESSIONS_A_YEAR


# ---------------------------------------------------------------- by a value that falls outward


_FAR_DELTA = 0.45
"""An absolute delta below which an option is out of the money; a leg nearer to it is not found among those."""


def _at_delta(about: StrikeEstimator) -> Decimal | None:
    """Return the strike of the wanted delta: from streamed deltas when there are any, else from the normal curve."""
    target = float(about.leg.strike.target or 0)
    far = _far_deltas(about)
    if far and target < _FAR_DELTA:
        return _beyond(about, far, target) or _along(about, far, target)
    move = _rough_move(about)
    if move is None or not 0 < target < 1:
        return None
    return _out_by(about, NormalDist().inv_cdf(1 - target) * move)


def _beyond(about: StrikeEstimator, known: Sequence[tuple[Decimal, float]], target: float) -> Decimal | None:
    """Return the strike of a delta beyond those known, by the normal curve through the nearest of them.

    None where it is among them, and where the curve says nothing. It is at least one step past the last known one.
    """
    is_out = known[-1][1] > target
    strike, value = known[-1] if is_out else known[0]
    away = about.out * (float(strike) - about.spot)
    if not (is_out or value < target) or not value > 0 or not target > 0 or away <= 0:
        return None
    curve = NormalDist().inv_cdf
    found = _out_by(about, away * curve(target) / curve(value))  # 1 - value may leave nothing
    further = max if (about.out > 0) is is_out else min
    return further(found, _steps_from(about.strikes, strike, about.out if is_out else -about.out))


def _at_premium(about: StrikeEstimator) -> Decimal | None:
    """Return the strike of the wanted premium: from streamed quotes, else as a normal move would price it."""
    values = _premiums(about)
    if values:
        return _along(about, values, float(about.leg.strike.target or 0))
    return _by_model(about, normal_premium)


def _at_side_credit(about: StrikeEstimator) -> Decimal | None:
    """Return the same for the credit of this short and the long that counts from it."""
    partner = partner_of(about.leg, about.plan.legs)
    width = float(partner.strike.target or 0) * (1 if partner.strike.by is StrikeBy.ABOVE else -1) * about.out
    premiums = _premiums(about)
    by_strike = dict(premiums)
    pairs = ((strike, mid, _nearest_to(by_strike, strike, about.out * width)) for strike, mid in premiums)
    values = [
        (strike, about.leg.ratio * mid - partner.ratio * by_strike[other])
        for strike, mid, other in pairs
        if other is not None
    ]
    if values:
        return _along(about, values, float(about.leg.strike.target or 0))
    return _by_model(
        about,
        lambda away, move: (
            about.leg.ratio * normal_premium(away, move) - partner.ratio * normal_premium(away + width, move)
        ),
    )


def _nearest_to(known: dict[Decimal, float], strike: Decimal, away: float) -> Decimal | None:
    """Return the known strike nearest to this many points away, if it is not much nearer or further."""
    wanted = float(strike) + away
    found = min(known, key=lambda each: abs(float(each) - wanted))
    return found if abs(float(found) - wanted) <= abs(away) / 4 else None


def normal_premium(away: float, move: float) -> float:
    """Return the price of an option this many points out of the money under normal moves of spot.

    Units: points; `move` is one standard deviation until expiry. Source: Bachelier's formula without rates.
    """
    if move <= 0.0:
        return max(-away, 0.0)
    d = away / move
    return move * (exp(-d * d / 2.0) / sqrt(2.0 * pi) - d * (1.0 - NormalDist().cdf(d)))


def _by_model(about: StrikeEstimator, value: Callable[[float, float], float]) -> Decimal | None:
    """Return the strike at which a value that falls outward is the wanted one, by halving."""
    move, target = _rough_move(about), float(about.leg.strike.target or 0)
    if move is None:
        return None
    near, far = -_FAR * move, _FAR * move
    for _ in range(40):
        middle = (near + far) / 2
        near, far = (middle, far) if value(middle, move) > target else (near, middle)
    return _out_by(about, near)


def _along(about: StrikeEstimator, values: Sequence[tuple[Decimal, float]], target: float) -> Decimal:
    """Return the target strike on the grid, once two known ones enclose the target; until then on all.

    A few steps past the last known one where the target is beyond.
    """
    strike = about.leg.strike
    if strike.round_to is not None or side_of(strike) is not StrikeRounding.NEAREST:
        on_grid = [pair for pair in values if _is_among(pair[0], about.strikes)]
        for nearer, further in pairwise(on_grid):
            if nearer[1] >= target >= further[1]:
                return of_two(side_of(strike), nearer, further, target)
    distances = [abs(value - target) for _, value in values]
    nearest, value = values[distances.index(min(distances))]
    if nearest == values[-1][0] and value > target:
        return _steps_from(about.strikes, nearest, about.out * 2 * BAND)
    if nearest == values[0][0] and value < target:
        return _steps_from(about.strikes, nearest, -about.out * 2 * BAND)
    return nearest


def _far_deltas(about: StrikeEstimator) -> list[tuple[Decimal, float]]:
    """Return the streamed strikes out of the money with their absolute deltas, outward; legs and bots share them."""
    leg, view = about.leg, about.view
    key = ("far", leg.trading_class, about.expiry, leg.right)
    if (known := view.memo.get(key)) is None:
        delta = view.board.delta
        rows = view.chain(leg.trading_class, about.expiry, leg.right).items()
        out = reversed(rows) if leg.right is Right.PUT else rows
        known = [(strike, found) for strike, row in out if (found := abs(delta[row])) < _FAR_DELTA]
        view.memo[key] = known
    return known


def _premiums(about: StrikeEstimator) -> list[tuple[Decimal, float]]:
    """Return the streamed strikes with what they are worth at mid, outward."""
    return list(premiums_of(about.view, about.leg, about.expiry).items())


def _steps_from(strikes: tuple[Decimal, ...], strike: Decimal, steps: int) -> Decimal:
    """Return the listed strike this many steps up (down when negative), at most the last one."""
    at = bisect_left(strikes, strike) + steps
    return strikes[min(max(at, 0), len(strikes) - 1)]


# ---------------------------------------------------------------- modifiers


def _on_grid(about: StrikeEstimator, level: Decimal, side: StrikeRounding) -> Decimal:
    """Return the strike on the grid of `round_to` nearest to a level, or next to it on a side; else the level."""
    if about.leg.strike.round_to is None:
        return level
    at = bisect_left(about.strikes, level)
    low, high = about.strikes[max(at - 1, 0)], about.strikes[min(at, len(about.strikes) - 1)]
    if level == high:
        return level
    nearer, further = (high, low) if about.out < 0 else (low, high)
    if side is not StrikeRounding.NEAREST:
        return further if side is StrikeRounding.AWAY else nearer
    return nearer if abs(nearer - level) < abs(further - level) else further


def _preferred(about: StrikeEstimator, step: Decimal, strike: Decimal) -> Decimal:
    """Return the strike, or the one nearest to it that `prefer_round_to` would rather have."""
    near = about.strikes[bisect_left(about.strikes, strike - step) : bisect_left(about.strikes, strike + step)]
    return min(preferred(step, strike, near), key=lambda found: abs(found - strike), default=strike)


def _pushed_out(about: StrikeEstimator, least: Decimal, strike: Decimal) -> Decimal:
    limit = _on_grid(about, Decimal(f"{about.spot:.2f}") + about.out * least, StrikeRounding.AWAY)
    return strike if (strike - limit) * about.out >= 0 else _preferred_beyond(about, limit)


def _preferred_beyond(about: StrikeEstimator, limit: Decimal) -> Decimal:
    """Return the first strike beyond a limit that `prefer_round_to` would rather have, else the limit.

    Of a level that is asked for only the strikes next to it are looked at, as its chooser does.
    """
    step = about.leg.strike.prefer_round_to if about.leg.strike.by in VALUED else None
    if step is None:
        return limit
    enough = sorted(
        (each for each in about.strikes if (each - limit) * about.out >= 0), key=lambda each: each * about.out
    )
    return next((each for each in enough if each % step == 0 and abs(each - enough[0]) < step), limit)


def _edged(about: StrikeEstimator, strike: Decimal) -> Decimal:
    leg = about.leg
    for number, further in ((leg.min_strike, max), (leg.max_strike, min)):
        if number is not None:
            level = edge_of(number, leg, about.view, about.guesses)
            if isinstance(level, UnknownValue):
                continue
            side = StrikeRounding.TOWARD if (further is max) is (about.out < 0) else StrikeRounding.AWAY
            strike = further(strike, _on_grid(about, Decimal(f"{level:.2f}"), side))
    return strike


GUESSES: dict[StrikeBy, Callable[[StrikeEstimator], Decimal | None]] = {
    StrikeBy.DELTA: _at_delta,
    StrikeBy.PREMIUM: _at_premium,
    StrikeBy.SIDE_CREDIT: _at_side_credit,
    StrikeBy.EXPECTED_MOVE: _at_moves,
    StrikeBy.OTM: _at_distance,
    StrikeBy.AT_SPOT: lambda about: Decimal(f"{about.spot:.2f}"),
    StrikeBy.AT_LEG: _at_leg,
    StrikeBy.BELOW: _at_leg,
    StrikeBy.ABOVE: _at_leg,
    StrikeBy.HELD: lambda about: about.leg.strike.target,
}
"""A guess for every selector; a test asks for each."""


# --- Which contracts are worth a market data line, most important first

T = TypeVar("T")
MONEY_BAND = 2
"""Strikes on each side of spot that the expected move and implied volatility are read from."""
MONEY_KEPT = MONEY_BAND + 2
"""Of them those that are kept once streamed."""
KEPT = 5
"""Strikes on each side of a guess that are kept once streamed; BAND of them are needed."""


@dataclass(frozen=True, slots=True)
class SubscriptionRequest:
    """Contracts requested by one bot: those it needs, and those it would rather keep than request anew."""

    need: tuple[Contract, ...]
    keep: frozenset[Contract]


def levels(plan: Plan) -> tuple[Underlying, ...]:
    """Return the underlyings and indices that the bot reads."""
    return tuple(Underlying(symbol) for symbol in (*plan.needs.symbols, *plan.needs.indices))


def exit_reads(plan: Plan) -> frozenset[str]:
    """Return the names of what its exits look at."""
    return frozenset(name for rule in _exit_rules(plan) for name in rule.reads)


def exit_moves(plan: Plan) -> frozenset[str]:
    """Return the underlyings whose expected move of the open its exits read."""
    return frozenset(opening_moves(call for rule in _exit_rules(plan) for call in calls_of(rule.test)))


def _exit_rules(plan: Plan) -> Iterator[Rule]:
    return (rule for planned in plan.exits for rule in (planned.rule, *planned.activate_when) if rule is not None)


def exit_levels(plan: Plan) -> tuple[Underlying, ...]:
    """Return the underlyings and indices that its exits read."""
    symbols = {name.partition(":")[2] for name in exit_reads(plan) if name.startswith(("spot:", "index:", "strikes:"))}
    return tuple(contract for contract in levels(plan) if contract.symbol in symbols)


class StrikeTarget(NamedTuple):
    """Where one leg's strikes lie, as places among the strikes of its expiry.

    `money` is next to spot, among all that are listed; `centre` next to what it asks for, among those on its grid, None
    while nothing can be said; `taken` next to what its modifiers make of that.
    """

    expiry: date
    money: int
    centre: int | None
    taken: int | None


def entry_aims(plan: Plan, view: View) -> tuple[StrikeTarget | None, ...]:
    """Return the current target of each leg of the plan and of what it reads: all inputs of its request.

    None where unknown.
    """
    guesses: dict[str, Decimal] = {}
    legs = (*plan.legs, *plan.needs.beside)
    return tuple([None if leg.is_shares else _aim(leg, plan, view, guesses) for leg in legs])


def money_aims(plan: Plan, view: View) -> tuple[StrikeTarget | None, ...]:
    """Return the same without guessing the legs' strikes: of them only the money is watched.

    What is read beside them is watched as a whole, since conditions may be about it.
    """
    return (*at_money(plan.legs, view), *(_aim(leg, plan, view, {}) for leg in plan.needs.beside))


def at_money(legs: Iterable[LegPlan], view: View) -> tuple[StrikeTarget | None, ...]:
    """Return the at-the-money strikes of each of these legs, None where unknown."""
    found = (None if leg.is_shares else _listed_once(leg, view) for leg in legs)
    return tuple([None if listed is None else StrikeTarget(listed[0], listed[3], None, None) for listed in found])


def _listed_once(leg: LegPlan, view: View) -> tuple[date, tuple[Decimal, ...], float, int] | None:
    key = ("listed", leg.symbol, leg.trading_class, id(leg.expiry))  # lives longer than the view
    if key not in view.memo:
        view.memo[key] = _listed(leg, view)
    found: tuple[date, tuple[Decimal, ...], float, int] | None = view.memo[key]
    return found


def _aim(leg: LegPlan, plan: Plan, view: View, guesses: dict[str, Decimal]) -> StrikeTarget | None:
    found = _listed_once(leg, view)
    if found is None:
        return None
    expiry, listed_strikes, spot, money = found
    strikes = multiples(listed_strikes, leg.strike.round_to)
    guess = guess_of(StrikeEstimator(leg, plan, strikes, listed_strikes, expiry, spot, view, guesses))
    if guess is None:
        return StrikeTarget(expiry, money, None, None)
    guesses[leg.name] = min(max(guess.taken, strikes[0]), strikes[-1])  # of a level past all strikes the last is taken
    centre = _nearest(strikes, guess.asked)
    taken = centre if guess.taken is guess.asked else _nearest(strikes, guess.taken)
    return StrikeTarget(expiry, money, centre, taken)


def entry_subscription(plan: Plan, aims: Iterable[StrikeTarget | None], facts: Facts) -> SubscriptionRequest:
    """Return the options the bot needs to judge an entry and to choose its legs."""
    need: list[Contract] = [share(leg.symbol) for leg in plan.legs if leg.is_shares]
    keep = need.copy()
    near: set[tuple[str, date, int]] = set()
    wide: set[tuple[str, date, int]] = set()
    for leg, aim in zip((*plan.legs, *plan.needs.beside), aims, strict=True):
        if aim is None:
            continue
        strikes = facts.listings[(leg.symbol, leg.trading_class)].strikes[aim.expiry]
        place = (leg.trading_class, aim.expiry, aim.money)
        if place not in near:
            near.add(place)
            need += _money(leg, aim.expiry, strikes, aim.money)
        if aim.centre is None or aim.taken is None:
            continue
        if place not in wide:
            wide.add(place)
            keep += _money(leg, aim.expiry, strikes, aim.money, MONEY_KEPT)
        strikes = multiples(strikes, leg.strike.round_to)
        options = options_of(leg.symbol, leg.trading_class, aim.expiry, strikes, leg.right is Right.CALL)
        for centre in (aim.centre,) if aim.centre == aim.taken else (aim.centre, aim.taken):
            preferred_ones = [option_of(leg, aim.expiry, each) for each in _preferred_in_band(leg, strikes, centre)]
            need += (*_band(options, centre, BAND), *preferred_ones)
            keep += (*_band(options, centre, KEPT), *preferred_ones)
    return SubscriptionRequest(tuple(dict.fromkeys(need)), frozenset(keep))


def at_the_money_subscription(symbols: Container[str], held: Iterable[Option], view: View) -> SubscriptionRequest:
    """Return the options at the money that exits read the expected move or implied volatility of held ones from.

    `symbols` are those whose options the exits read so.
    """
    need: dict[Contract, None] = {}
    keep: set[Contract] = set()
    for option in held:
        listing = view.facts.listings.get((option.symbol, option.trading_class))
        strikes = listing.strikes.get(option.expiry, ()) if listing is not None else ()
        spot = view.level(option.symbol)
        if option.symbol in symbols and strikes and spot is not None:
            place = place_among_listed(strikes, spot)
            need.update(dict.fromkeys(_money(option, option.expiry, strikes, place)))
            keep.update(_money(option, option.expiry, strikes, place, MONEY_KEPT))
    return SubscriptionRequest(tuple(need), frozenset(keep))


def watch_list(
    requests: Iterable[SubscriptionRequest], pinned: Iterable[Contract], now: tuple[Contract, ...]
) -> tuple[Contract, ...]:
    """Return what to stream: pinned first (open positions, working orders, levels), then requests in order.

    `now` is what is streamed already: it is returned unchanged when it covers every need and contains nothing that no
    one would keep.
    """
    wanted: dict[Contract, None] = dict.fromkeys(pinned)
    kept: set[Contract] = set()
    for request in requests:
        wanted.update(dict.fromkeys(request.need))
        kept |= request.keep
    streamed, needed = set(now), set(wanted)
    if needed <= streamed <= needed | kept:
        return now
    staying = streamed & kept - needed
    return (*wanted, *(contract for contract in now if contract in staying))


def _listed(leg: LegPlan, view: View) -> tuple[date, tuple[Decimal, ...], float, int] | None:
    """Return the leg's expiry with its strikes, spot, and how many strikes lie below it; None while one is unknown."""
    listing, expiry = listing_of(leg, view)
    spot = view.level(leg.symbol)
    if listing is None or spot is None or expiry is None or not (strikes := listing.strikes.get(expiry)):
        return None
    return expiry, strikes, spot, place_among_listed(strikes, spot)


def _preferred_in_band(leg: LegPlan, strikes: tuple[Decimal, ...], centre: int) -> list[Decimal]:
    """Return the preferred strikes that one of the band may lead to."""
    step = leg.strike.prefer_round_to
    if step is None or not (band := _band(strikes, centre, BAND)):
        return []
    near = strikes[bisect_left(strikes, band[0] - step) : bisect_left(strikes, band[-1] + step)]
    return sorted({found for strike in band for found in preferred(step, strike, near)} - {*band})


def _money(
    leg: LegPlan | Option, expiry: date, strikes: tuple[Decimal, ...], place: int, count: int = 1
) -> tuple[Contract, ...]:
    calls, puts = (options_of(leg.symbol, leg.trading_class, expiry, strikes, is_call) for is_call in (True, False))
    first, last = max(0, place - count), place + count
    return tuple(chain.from_iterable(zip(calls[first:last], puts[first:last], strict=True)))


def _nearest(strikes: tuple[Decimal, ...], centre: Decimal) -> int:
    at = min(bisect_left(strikes, centre), len(strikes) - 1)
    return at - 1 if at > 0 and centre - strikes[at - 1] < strikes[at] - centre else at


def _band(along: tuple[T, ...], place: int, count: int) -> tuple[T, ...]:
    return along[max(0, place - count) : place + count + 1]
