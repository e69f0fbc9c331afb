"""Which options a structure is made of, right now: expiry by the spec's rule, strikes leg by leg, and why.

Unknown never chooses: when the strikes around the wanted delta are not all quoted, or spot is not known, there is no
selection, with the reason. Meanings: language.md section 5.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from functools import lru_cache
from heapq import nsmallest
from itertools import pairwise
from math import isnan

from engine.compile.plan import Expiry, LegPlan
from engine.evaluate.snapshot import LegView, View
from engine.model.contract import Option, Right, listed, share
from engine.model.facts import Listing
from engine.model.quotes import OPTION_AGE, fresh_rows
from engine.model.values import dataclass
from engine.spec.spec import DteRule, StrikeBy

ExpectedMove = Callable[[View], float | None]

REACH = 12
"""Listed strikes on each side of a wanted level that are looked at."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One strike that was looked at, for `why`."""

    strike: Decimal
    bid: float | None
    ask: float | None
    delta: float | None
    distance: float


@dataclass(frozen=True, slots=True)
class LegChoice:
    """What one leg asked for, and, when explained, the strikes nearest to it, best first.

    `asked` is words and numbers.
    """

    name: str
    asked: str
    option: Option | None
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """The structure chosen, or why there is none: `missing` is unknown data, `refused` a rule of the spec."""

    legs: tuple[LegView, ...]
    choices: tuple[LegChoice, ...]
    missing: str = ""
    refused: str = ""

    @property
    def is_complete(self) -> bool:
        """True when every leg has its option."""
        return not self.missing and not self.refused


@lru_cache(maxsize=256)
def expiry_on(rule: Expiry, expiries: tuple[date, ...], today: date) -> date | None:
    """Return the expiry that `rule` means on `today`, None when none is listed that qualifies."""
    ahead = [day for day in expiries if day >= today]
    wanted = rule.days[0]
    distances = {day: (day - today).days for day in ahead}
    if rule.rule is DteRule.NEAREST:
        return min(ahead, key=lambda day: (abs(distances[day] - wanted), day), default=None)
    tests: dict[DteRule, Callable[[int], bool]] = {
        DteRule.EXACT: lambda days: days == wanted,
        DteRule.AT_LEAST: lambda days: days >= wanted,
        DteRule.AT_MOST: lambda days: days <= wanted,
        DteRule.BETWEEN: lambda days: wanted <= days <= rule.days[-1],
    }
    test = tests[rule.rule]
    return min((day for day in ahead if test(distances[day])), default=None)


def listing_of(leg: LegPlan, rule: Expiry, view: View) -> tuple[Listing | None, date | None]:
    """Return what is listed of the leg's class, and the expiry that `rule` means today; looked up once an instant."""
    key = ("listing", leg.symbol, leg.trading_class, rule)
    if (known := view.memo.get(key)) is None:
        listing = view.facts.listings.get((leg.symbol, leg.trading_class))
        expiry = expiry_on(rule, listing.expiries, view.session.date) if listing else None
        known = view.memo[key] = (listing, expiry)
    return known


def select(
    legs: tuple[LegPlan, ...],
    rule: Expiry,
    view: View,
    expected_move: ExpectedMove,
    avoid: frozenset[Option] = frozenset(),
    *,
    explain: bool = False,
) -> Selection:
    """Return the structure that the legs' selectors choose at this instant.

    `legs` are in the order their references require. `expected_move` is the measure for the legs' expiry. `avoid` are
    contracts in which the broker refuses an order of our side: their strikes are passed over. `explain` adds the
    candidates of every leg: wanted on record, not at every quote.
    """
    chosen: dict[str, Option] = {}
    choices: list[LegChoice] = []
    for leg in legs:
        if leg.is_shares:
            chosen[leg.name] = share(leg.symbol)
            choices.append(LegChoice(leg.name, f"{leg.ratio} shares", chosen[leg.name]))
            continue
        chooser = _Chooser(leg, rule, view, expected_move, chosen, avoid, explain)
        choice, missing, refused = chooser.choose()
        choices.append(choice)
        if choice.option is None:
            return Selection((), tuple(choices), missing, refused)
        chosen[leg.name] = choice.option
    rows = view.board.rows
    views = tuple(
        LegView(leg.name, chosen[leg.name], rows.get(chosen[leg.name], -1), leg.sign, leg.ratio) for leg in legs
    )
    return Selection(views, tuple(choices))


def option_of(leg: LegPlan, expiry: date, strike: Decimal) -> Option:
    """Return the option of this leg at a strike."""
    return listed(leg.symbol, leg.trading_class, expiry, strike, leg.right is Right.CALL)


def outward(leg: LegPlan, strikes: list[Decimal]) -> list[Decimal]:
    """Return strikes from the money outward: falling for puts, rising for calls."""
    return strikes[::-1] if leg.right is Right.PUT else strikes


class _Chooser:
    """Chooses one leg's strike; holds what all its small steps share."""

    def __init__(
        self,
        leg: LegPlan,
        rule: Expiry,
        view: View,
        expected_move: ExpectedMove,
        chosen: dict[str, Option],
        avoid: frozenset[Option],
        explain: bool,
    ) -> None:
        self.leg, self.view, self.chosen, self.avoid, self.explain = leg, view, chosen, avoid, explain
        self.expected_move = expected_move
        self.listing, self.expiry = listing_of(leg, rule, view)
        self.spot = view.level(leg.symbol)

    def choose(self) -> tuple[LegChoice, str, str]:
        """Return the choice with (missing, refused), both empty when it has an option."""
        leg = self.leg
        nothing = LegChoice(leg.name, "", None)
        if self.listing is None:
            return nothing, f"{leg.trading_class} options are not listed yet", ""
        if self.expiry is None:
            return nothing, "", f"no {leg.trading_class} expiry matches"
        strikes = self.listing.strikes.get(self.expiry, ())
        if not strikes:
            return nothing, f"strikes of {leg.trading_class} {self.expiry} are not known yet", ""
        if self.spot is None:
            return nothing, f"{leg.symbol} has no price", ""
        if leg.strike.by is StrikeBy.DELTA:
            return self._by_delta(strikes)
        return self._by_level(strikes)

    def _on_grid(self, strike: Decimal) -> bool:
        """Say whether the spec and the broker allow this strike at all."""
        step = self.leg.strike.multiple_of
        if step is not None and strike % step:
            return False
        assert self.expiry is not None
        return not self.avoid or option_of(self.leg, self.expiry, strike) not in self.avoid

    # ------------------------------------------------------------ by a level of the underlying

    def _by_level(self, strikes: tuple[Decimal, ...]) -> tuple[LegChoice, str, str]:
        target, asked, unit = self._target()
        leg = self.leg
        if target is None:
            return LegChoice(leg.name, asked, None), f"{asked}: unknown", ""
        ranked = sorted(
            self._qualifying(strikes, target),
            key=lambda strike: (round(abs(float(strike) - target), 9), -self._distance_out(strike)),
        )
        if not ranked:
            return LegChoice(leg.name, asked, None), "", f"{leg.name}: no listed strike qualifies for {asked}"
        best = self._preferred(ranked[0], ranked)
        shown = self._shown((strike, abs(float(strike) - target)) for strike in ranked[:3])
        within = leg.strike.within
        if within is not None and abs(float(best) - target) > float(within) * unit:
            reason = f"{leg.name}: nearest strike {best:f} is too far from {asked}"
            return LegChoice(leg.name, asked, None, shown), "", reason
        assert self.expiry is not None
        return LegChoice(leg.name, asked, option_of(leg, self.expiry, best), shown), "", ""

    def _qualifying(self, strikes: tuple[Decimal, ...], target: float) -> list[Decimal]:
        """Return the listed strikes around `target` (or around the least distance from spot) that the spec allows."""
        strike = self.leg.strike
        if strike.by is StrikeBy.AT_LEG:
            wanted = self.chosen[strike.reference or ""].strike
            return [wanted] if wanted in strikes and self._on_grid(wanted) else []
        near = neighbours(strikes, target, REACH)
        if (least := strike.at_least_from_spot) is not None and self._distance_out(Decimal(target)) < float(least):
            assert self.spot is not None
            out = -1 if self.leg.right is Right.PUT else 1
            near = neighbours(strikes, self.spot + out * float(least), REACH)
        return [found for found in self._allowed(near) if self._on_grid(found) and self._is_far_enough(found)]

    def _target(self) -> tuple[float | None, str, float]:
        """Return the wanted level, what was asked in words, and the size of one unit of `within`."""
        strike, spot = self.leg.strike, self.spot
        assert spot is not None
        if strike.by is StrikeBy.AT_SPOT:
            return spot, f"strike at spot {spot:.2f}", 1.0
        if strike.by is StrikeBy.EXPECTED_MOVE:
            return self._at_expected_move(spot)
        reference = self.chosen[strike.reference or ""].strike
        offset = strike.target or Decimal(0)
        if strike.by is StrikeBy.AT_LEG:
            return float(reference), f"strike of {strike.reference}", 1.0
        if strike.by is StrikeBy.BELOW:
            return float(reference - offset), f"{offset:f} points below {strike.reference} {reference:f}", 1.0
        return float(reference + offset), f"{offset:f} points above {strike.reference} {reference:f}", 1.0

    def _at_expected_move(self, spot: float) -> tuple[float | None, str, float]:
        multiple = float(self.leg.strike.target or 0)
        move = self.expected_move(self.view)
        sign = -1 if self.leg.right is Right.PUT else 1
        where = "below" if sign < 0 else "above"
        if move is None:
            return None, f"strike at {multiple:g} expected moves {where} spot", 1.0
        target = spot + sign * multiple * move
        words = f"strike at {multiple:g} expected moves {where} spot: {spot:.2f} {'+' if sign > 0 else '-'} "
        return target, words + f"{multiple:g} x {move:.1f} = {target:.1f}", move

    def _allowed(self, strikes: tuple[Decimal, ...]) -> Iterable[Decimal]:
        """Offsets stay strictly on their side of the leg they refer to."""
        strike = self.leg.strike
        if strike.by is StrikeBy.BELOW:
            reference = self.chosen[strike.reference or ""].strike
            return (found for found in strikes if found < reference)
        if strike.by is StrikeBy.ABOVE:
            reference = self.chosen[strike.reference or ""].strike
            return (found for found in strikes if found > reference)
        return strikes

    def _distance_out(self, strike: Decimal) -> float:
        """Return how far out of the money a strike lies (negative: in the money)."""
        assert self.spot is not None
        gap = float(strike) - self.spot
        return -gap if self.leg.right is Right.PUT else gap

    def _is_far_enough(self, strike: Decimal) -> bool:
        least = self.leg.strike.at_least_from_spot
        return least is None or self._distance_out(strike) >= float(least)

    # ------------------------------------------------------------ by delta

    def _by_delta(self, strikes: tuple[Decimal, ...]) -> tuple[LegChoice, str, str]:
        leg = self.leg
        target = float(leg.strike.target or 0)
        asked = f"|delta| nearest {target:g}"
        known = self._deltas()
        shown = self._nearest_known(known, target)
        bracket = self._bracket(strikes, known, target)
        if bracket is None:
            return LegChoice(leg.name, asked, None, shown), f"{leg.name}: strikes around {asked} are not quoted", ""
        ordered = sorted(
            bracket, key=lambda strike: (round(abs(known[strike] - target), 9), -self._distance_out(strike))
        )
        best = self._moved_out(self._preferred(ordered[0], strikes), strikes)
        if best is None:
            return LegChoice(leg.name, asked, None, shown), "", f"{leg.name}: no listed strike is far enough out"
        within = leg.strike.within
        if within is not None and (best not in known or abs(known[best] - target) > float(within)):
            found = f"{known[best]:.3f}" if best in known else "unknown"
            return LegChoice(leg.name, asked, None, shown), "", f"{leg.name}: delta {found} is not within {within}"
        assert self.expiry is not None
        return LegChoice(leg.name, asked, option_of(leg, self.expiry, best), shown), "", ""

    def _deltas(self) -> dict[Decimal, float]:
        """Return the known absolute deltas of strikes on the grid, from the money outward."""
        key = ("deltas", self.leg.trading_class, self.expiry, self.leg.right)
        if (known := self.view.memo.get(key)) is None:
            known = self.view.memo[key] = self._all_deltas()
        if self.leg.strike.multiple_of is None and not self.avoid:
            return known
        return {strike: delta for strike, delta in known.items() if self._on_grid(strike)}

    def _all_deltas(self) -> dict[Decimal, float]:
        board, now, leg = self.view.board, self.view.now, self.leg
        assert self.expiry is not None
        rows = self.view.chain(leg.trading_class, self.expiry, leg.right)
        fresh = set(fresh_rows(board, rows.values(), board.model_at, now, OPTION_AGE))
        deltas = board.delta
        known = ((strike, deltas[rows[strike]]) for strike in outward(leg, list(rows)) if rows[strike] in fresh)
        return {strike: abs(delta) for strike, delta in known if delta == delta}

    def _bracket(
        self, strikes: tuple[Decimal, ...], known: dict[Decimal, float], target: float
    ) -> list[Decimal] | None:
        """Return the two neighbouring listed strikes whose deltas enclose the target."""
        for (nearer, larger), (further, smaller) in pairwise(known.items()):
            if larger >= target >= smaller and self._are_neighbours(strikes, nearer, further):
                return [nearer, further]
        return None

    def _are_neighbours(self, strikes: tuple[Decimal, ...], one: Decimal, other: Decimal) -> bool:
        low, high = min(one, other), max(one, other)
        between = strikes[bisect_right(strikes, low) : bisect_left(strikes, high)]
        return not any(self._on_grid(strike) for strike in between)

    def _moved_out(self, strike: Decimal, strikes: tuple[Decimal, ...]) -> Decimal | None:
        """Return the strike itself, or the first allowed one further out that keeps `at_least_from_spot`."""
        if self._is_far_enough(strike):
            return strike
        assert self.spot is not None
        out = -1 if self.leg.right is Right.PUT else 1
        edge = self.spot + out * float(self.leg.strike.at_least_from_spot or 0)
        near = outward(self.leg, list(neighbours(strikes, edge, REACH)))
        enough = [found for found in near if self._is_far_enough(found) and self._on_grid(found)]
        step = self.leg.strike.prefer_multiple_of
        wanted = (found for found in enough if step is not None and found % step == 0 and abs(found - enough[0]) < step)
        return next(wanted, enough[0]) if enough else None

    def _preferred(self, strike: Decimal, strikes: Iterable[Decimal]) -> Decimal:
        """Return the nearest of these strikes that `prefer_multiple_of` would rather have, else the strike itself."""
        wanted = preferred(self.leg.strike.prefer_multiple_of, strike, strikes)
        allowed = [found for found in wanted if self._on_grid(found)]
        return min(allowed, key=lambda found: (abs(found - strike), -self._distance_out(found)), default=strike)

    def _nearest_known(self, known: dict[Decimal, float], target: float) -> tuple[Candidate, ...]:
        if not self.explain:
            return ()
        ranked = nsmallest(3, known, key=lambda strike: abs(known[strike] - target))
        return self._shown((strike, abs(known[strike] - target)) for strike in ranked)

    def _shown(self, found: Iterable[tuple[Decimal, float]]) -> tuple[Candidate, ...]:
        return tuple(self._candidate(strike, distance) for strike, distance in found) if self.explain else ()

    def _candidate(self, strike: Decimal, distance: float) -> Candidate:
        board = self.view.board
        assert self.expiry is not None
        row = self.view.chain(self.leg.trading_class, self.expiry, self.leg.right).get(strike)
        if row is None:
            return Candidate(strike, None, None, None, distance)

        def value(number: float) -> float | None:
            return None if isnan(number) else number

        return Candidate(strike, value(board.bid[row]), value(board.ask[row]), value(board.delta[row]), distance)


def preferred(step: Decimal | None, strike: Decimal, strikes: Iterable[Decimal]) -> list[Decimal]:
    """Return those of the strikes that are a multiple of `step`, at most half of it away; none without a step."""
    if step is None:
        return []
    return [found for found in strikes if found % step == 0 and abs(found - strike) * 2 <= step]


def neighbours(strikes: tuple[Decimal, ...], level: float, count: int) -> tuple[Decimal, ...]:
    """Return the `count` listed strikes on each side of a level, in order."""
    at = place_of(strikes, level)
    return strikes[max(0, at - count) : at + count]


def place_of(strikes: tuple[Decimal, ...], level: float) -> int:
    """Return how many listed strikes lie below a level."""
    return bisect_left(strikes, Decimal(f"{level:.4f}"))
