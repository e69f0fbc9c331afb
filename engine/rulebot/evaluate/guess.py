"""About which strike a leg would take, before all its quotes are streamed: what is streamed next depends on it.

A guess may be wrong: it is made again with every quote that comes, and moves on until the strikes around it are those
that the selector asks for. Nothing is traded on a guess.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise
from math import exp, isnan, pi, sqrt
from statistics import NormalDist
from typing import NamedTuple

from rulebot.compile.plan import LegPlan, Plan
from rulebot.evaluate.strike_terms import (
    VALUED,
    edge_of,
    listing_of,
    of_two,
    partner_of,
    preferred,
    premiums_of,
    side_of,
)
from rulebot.measure.listings import BAND, neighbours
from rulebot.measure.reading import UnknownValue
from rulebot.measure.view import View
from rulebot.model.contract import Right, listed
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
        """The sign of what lies out of the money."""
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
    """Return the strike so many expected moves away; they are those until the nearest expiry of the legs."""
    nearest = about.plan.nearest_leg(about.leg.symbol) or about.leg
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
    """Return the time until expiry by which a volatility tells a move: what is left of a session counts as such.

    Prices move while there is trade (French, Stock Returns and the Weekend Effect, 1980): the six and a half hours of a
    session are one of 252 in a year, and not one of a thousand.
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
    """Return the strike of a delta beyond those known, as the normal curve through the nearest of them has it.

    None where it lies among them, and where the curve says nothing. It is one step past the last one known at least.
    """
    is_out = known[-1][1] > target
    strike, value = known[-1] if is_out else known[0]
    away = about.out * (float(strike) - about.spot)
    if not (is_out or value < target) or not value > 0 or not target > 0 or away <= 0:
        return None
    curve = NormalDist().inv_cdf
    found = _out_by(about, away * curve(target) / curve(value))  # of 1 - value nothing may be left beside 1
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
    """Return the known strike nearest to so many points away, if it is not much nearer or further."""
    wanted = float(strike) + away
    found = min(known, key=lambda each: abs(float(each) - wanted))
    return found if abs(float(found) - wanted) <= abs(away) / 4 else None


def normal_premium(away: float, move: float) -> float:
    """Return the price of an option so many points out of the money when spot moves normally.

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
    """Return the strike that is meant of those on the grid, once two of them enclose the target; until then of all.

    A few steps past the last one known where the target lies beyond.
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
    """Return the listed strike so many steps up (or down, when negative), at most the last one there is."""
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
