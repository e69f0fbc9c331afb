"""A structure, leg by leg: what each selector asks for, the listed strikes around it, and the modifiers in their order.

What is asked for is a level of the underlying (a distance from spot or from another leg), or a value that falls from
the money outward (a delta, a premium, the credit of a side). Then, in this order: the side that `round` or a bound
takes, the grids, the distance from spot, the edges, `within`. A bound of the selector is kept by all that follows.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from decimal import Decimal
from heapq import nsmallest
from itertools import pairwise

from rulebot.compile.plan import LegPlan
from rulebot.evaluate.strike_terms import (
    HAIR,
    OFFSETS,
    VALUED,
    Candidate,
    ExpectedMove,
    LegChoice,
    bounded,
    candidate_of,
    deltas_of,
    edge_of,
    listing_of,
    mid_of,
    of_two,
    option_of,
    outward,
    partner_of,
    preferred,
    premiums_of,
    side_of,
    target_of,
)
from rulebot.measure.listings import multiples, nearest_listed, neighbours
from rulebot.measure.reading import UnknownValue
from rulebot.measure.view import LegView, View
from rulebot.model.contract import Option, Right, share
from rulebot.model.values import dataclass, replace
from rulebot.spec.nouns import Bound, StrikeBy, StrikeRounding

REACH = 12
"""Strikes on each side of a wanted level that are looked at: those that `round_to` leaves."""
SHOWN = 3
"""Number of considered strikes that are reported: the nearest ones."""

HELD = "held the other way round"
NONE_FREE = f"no strike further out that qualifies is free of what is {HELD}"


class UnknownEdge(str):
    """Why a strike has no place inside the edges: data that an edge needs is unknown, so that no rule refuses it."""

    __slots__ = ()


class StrikeChooser:
    """Chooses one leg's strike; holds what all its small steps share.

    partner: the leg whose strike counts from this one, for `side_credit`.
    """

    def __init__(
        self,
        leg: LegPlan,
        view: View,
        expected_move: ExpectedMove,
        chosen: Mapping[str, Option],
        avoid: frozenset[Option],
        taken: frozenset[tuple[Option, int]] = frozenset(),
        *,
        explain: bool,
        partner: LegPlan | None = None,
    ) -> None:
        self.leg, self.view, self.chosen, self.explain = leg, view, chosen, explain
        self.avoid, self.taken = avoid, taken
        self.expected_move, self.partner = expected_move, partner
        self.listing, self.expiry = listing_of(leg, view)
        self.spot = view.level(leg.symbol)
        self.side = side_of(leg.strike)

    def choose(self) -> LegChoice:
        """Return the strike chosen, or what is missing, or which rule of the spec refuses."""
        leg = self.leg
        if self.listing is None:
            return self._missing("", f"{leg.trading_class} options are not listed yet")
        if self.expiry is None:
            around = nearest_listed(leg.expiry, self.listing.expiries, self.view.session.date)
            return self._refused("", f"no {leg.trading_class} expiry matches; nearest listed: {around}")
        strikes = self.listing.strikes.get(self.expiry, ())
        if not strikes:
            return self._missing("", f"strikes of {leg.trading_class} {self.expiry} are not known yet")
        if self.spot is None:
            return self._missing("", f"{leg.symbol} has no price")
        if leg.strike.by in VALUED:
            return self._by_value(strikes)
        return self._by_widths(strikes) if leg.strike.widths else self._by_level(strikes)

    def _missing(self, asked: str, reason: str, shown: tuple[Candidate, ...] = ()) -> LegChoice:
        return LegChoice(self.leg.name, asked, None, shown, missing=reason)

    def _refused(self, asked: str, reason: str, shown: tuple[Candidate, ...] = ()) -> LegChoice:
        return LegChoice(self.leg.name, asked, None, shown, refused=reason)

    def _found(self, asked: str, strike: Decimal, away: float | None, shown: tuple[Candidate, ...]) -> LegChoice:
        """Return the chosen strike, which comes last among those shown if it is none of the nearest.

        away: its distance from what was asked, None where its value is unknown.
        """
        assert self.expiry is not None
        if all(each.strike != strike for each in shown):
            shown += self._shown([(strike, away)])
        return LegChoice(self.leg.name, asked, option_of(self.leg, self.expiry, strike), shown)

    def _near(self, strikes: tuple[Decimal, ...], level: float) -> tuple[Decimal, ...]:
        """Return the listed strikes around a level, of those that `round_to` leaves, in order."""
        return neighbours(multiples(strikes, self.leg.strike.round_to), level, REACH)

    def _on_grid(self, strike: Decimal) -> bool:
        """Say whether the spec and the broker allow this strike at all."""
        step = self.leg.strike.round_to
        if step is not None and strike % step:
            return False
        assert self.expiry is not None
        return not self.avoid or option_of(self.leg, self.expiry, strike) not in self.avoid

    # ------------------------------------------------------------ by a level of the underlying

    def _by_widths(self, strikes: tuple[Decimal, ...]) -> LegChoice:
        """Return the first width, in order of preference, at which a strike is listed, or one `within` it."""
        strike = self.leg.strike
        found = None
        is_held = False
        for width in (strike.target or Decimal(0), *strike.widths):
            found = self._by_level(strikes, width, strike.within or Decimal(0))
            if found.option is not None or found.missing:
                return found
            is_held = is_held or found.is_past_held
        assert found is not None
        widths = " or ".join(f"{width:f}" for width in (strike.target or Decimal(0), *strike.widths))
        where = f"{widths} points {strike.by.value} {strike.reference}"
        lacks = f"no strike {where} is listed and free of what is {HELD}" if is_held else f"no strike is listed {where}"
        return self._refused(found.asked, f"{self.leg.name}: {lacks}", found.candidates)

    def _by_level(
        self, strikes: tuple[Decimal, ...], width: Decimal | None = None, within: Decimal | None = None
    ) -> LegChoice:
        leg = self.leg
        target, asked, unit = target_of(leg, self.view, self.chosen, width, self.expected_move)
        if target is None:
            return self._missing(asked, f"{asked}: unknown")
        ranked = sorted(  # the nearest ones are among those on either side
            neighbours(tuple(self._qualifying(strikes, target)), target, SHOWN),
            key=lambda strike: (round(abs(float(strike) - target), 9), -self._distance_out(strike)),
        )
        if not ranked:
            return self._refused(asked, f"{leg.name}: no listed strike qualifies for {asked}")
        shown = self._shown((strike, abs(float(strike) - target)) for strike in ranked[:SHOWN])
        best, problem = self._inside_edges(self._preferred(ranked[0], strikes), strikes, ranked[0])
        if best is None:
            return self._unedged(asked, problem, shown)
        free, asked = self._shifted(best, strikes, ranked[0], asked)
        if free is None:
            return self._refused(asked, f"{leg.name}: {NONE_FREE}", shown)
        within = leg.strike.within if within is None else within
        away = abs(float(free) - target)
        if within is not None and away > float(within) * unit + HAIR:
            reason = f"{leg.name}: nearest strike {free:f} is too far from {asked}"
            return replace(self._refused(asked, reason, shown), is_past_held=free != best)
        return self._found(asked, free, away, shown)

    def _qualifying(self, strikes: tuple[Decimal, ...], target: float) -> list[Decimal]:
        """Return the listed strikes around `target` (or around the least distance from spot) that the spec allows."""
        strike = self.leg.strike
        if strike.by is StrikeBy.AT_LEG:
            wanted = self.chosen[strike.reference or ""].strike
            return [wanted] if wanted in strikes and self._is_permitted(wanted) else []
        if strike.by is StrikeBy.HELD:
            wanted = strike.target or Decimal(0)
            return [wanted] if wanted in strikes else []
        near = self._near(strikes, target)
        if (least := strike.min_otm_distance) is not None and self._distance_out(Decimal(target)) < float(least):
            assert self.spot is not None
            out = -1 if self.leg.right is Right.PUT else 1
            near = self._near(strikes, self.spot + out * float(least))
        found = [*self._allowed(near)]
        if self.avoid or least is not None:
            found = list(filter(self._is_permitted, found))
        return self._on_its_side(found, target)

    def _is_permitted(self, strike: Decimal) -> bool:
        return self._on_grid(strike) and self._is_far_enough(strike)

    def _on_its_side(self, found: list[Decimal], target: float) -> list[Decimal]:
        """Return the strikes on the requested side; `round` yields to the distance from spot, a bound does not."""
        if self.side is StrikeRounding.NEAREST:
            return found
        sign = 1 if self.side is StrikeRounding.AWAY else -1
        wanted = self._distance_out(Decimal(target))
        sided = [strike for strike in found if sign * (self._distance_out(strike) - wanted) >= -HAIR]
        return sided or (found if self.leg.strike.bound is Bound.NEAREST and sign < 0 else [])

    def _allowed(self, strikes: tuple[Decimal, ...]) -> tuple[Decimal, ...]:
        """Return those of rising strikes that stay strictly on their side of the leg that this one counts from."""
        strike = self.leg.strike
        if strike.by not in OFFSETS:
            return strikes
        reference = self.chosen[strike.reference or ""].strike
        if strike.by is StrikeBy.BELOW:
            return strikes[: bisect_left(strikes, reference)]
        return strikes[bisect_right(strikes, reference) :]

    def _is_allowed(self, found: Decimal) -> bool:
        return bool(self._allowed((found,)))

    def _distance_out(self, strike: Decimal) -> float:
        """Return how far out of the money a strike is (negative: in the money)."""
        assert self.spot is not None
        gap = float(strike) - self.spot
        return -gap if self.leg.right is Right.PUT else gap

    def _is_far_enough(self, strike: Decimal) -> bool:
        least = self.leg.strike.min_otm_distance
        return least is None or self._distance_out(strike) >= float(least)

    # ------------------------------------------------------------ by a value

    def _by_value(self, strikes: tuple[Decimal, ...]) -> LegChoice:
        leg, within = self.leg, self.leg.strike.within
        target = float(leg.strike.target or 0)
        noun = "|delta|" if leg.strike.by is StrikeBy.DELTA else leg.strike.by.value.replace("_", " ")
        asked = f"{noun} {bounded(leg.strike) or 'nearest '}{target:g}"
        known = self._values()
        shown = self._nearest_known(known, target)
        bracket = self._bracket(strikes, known, target)
        if bracket is None:
            return self._missing(asked, f"{leg.name}: strikes around {asked} are not quoted", shown)
        nearer, further = ((strike, known[strike]) for strike in bracket)
        first = of_two(self.side, nearer, further, target)
        best = self._moved_out(self._preferred(first, strikes), strikes)
        if best is None or not self._keeps_bound(best, first):
            return self._refused(asked, f"{leg.name}: no listed strike is far enough out", shown)
        best, problem = self._inside_edges(best, strikes, first)
        if best is None:
            return self._unedged(asked, problem, shown)
        best, asked = self._shifted(best, strikes, first, asked)
        if best is None:
            return self._refused(asked, f"{leg.name}: {NONE_FREE}", shown)
        away = abs(known[best] - target) if best in known else None
        if within is not None and (away is None or away > float(within) + HAIR):
            found = f"{known[best]:.3f}" if best in known else "unknown"
            noun = noun.strip("|")
            return self._refused(asked, f"{leg.name}: {noun} {found} is not within {within}", shown)
        return self._found(asked, best, away, shown)

    def _values(self) -> Mapping[Decimal, float]:
        """Return the known values of strikes on the grid, from the money outward."""
        strike, expiry = self.leg.strike, self.expiry
        assert expiry is not None
        if strike.by is StrikeBy.SIDE_CREDIT:
            return self._side_credits()
        values_of = deltas_of if strike.by is StrikeBy.DELTA else premiums_of
        known = values_of(self.view, self.leg, expiry)
        if strike.round_to is None and not self.avoid:
            return known
        return {strike: value for strike, value in known.items() if self._on_grid(strike)}

    def _side_credits(self) -> dict[Decimal, float]:
        """Return the credit of this short with the long that counts from it, per share, at mid."""
        assert self.partner is not None
        assert self.expiry is not None
        found = {}
        for strike, mid in premiums_of(self.view, self.leg, self.expiry).items():
            if not self._on_grid(strike):
                continue
            chosen = {**self.chosen, self.leg.name: option_of(self.leg, self.expiry, strike)}
            shared = chosen, self.avoid, self.taken
            long = StrikeChooser(self.partner, self.view, self.expected_move, *shared, explain=False).choose()
            row = -1 if long.option is None else self.view.board.rows.get(long.option, -1)
            if (other := mid_of(self.view, row)) is not None:
                found[strike] = round(self.leg.ratio * mid - self.partner.ratio * other, 9)
        return found

    def _bracket(
        self, strikes: tuple[Decimal, ...], known: Mapping[Decimal, float], target: float
    ) -> tuple[Decimal, Decimal] | None:
        """Return the two neighbouring listed strikes whose values enclose the target, the first seen from the money.

        In the money they are looked for only where there are none out of it.
        """
        inside = None
        for (nearer, larger), (further, smaller) in pairwise(known.items()):
            if larger >= target >= smaller and self._are_neighbours(strikes, nearer, further):
                if self._distance_out(further) >= 0:
                    return nearer, further
                inside = inside or (nearer, further)
        return inside

    def _are_neighbours(self, strikes: tuple[Decimal, ...], one: Decimal, other: Decimal) -> bool:
        low, high = min(one, other), max(one, other)
        between = strikes[bisect_right(strikes, low) : bisect_left(strikes, high)]
        return not any(self._on_grid(strike) for strike in between)

    # ------------------------------------------------------------ modifiers

    def _keeps_bound(self, strike: Decimal, first: Decimal) -> bool:
        """Say whether a strike that was moved from `first` still respects the selector's bound."""
        if self.leg.strike.bound is Bound.NEAREST:
            return True
        further = self._distance_out(strike) - self._distance_out(first)
        return further >= -HAIR if self.side is StrikeRounding.AWAY else further <= HAIR

    def _moved_out(self, strike: Decimal, strikes: tuple[Decimal, ...]) -> Decimal | None:
        """Return the strike itself, or the first allowed one further out that keeps `min_otm_distance`."""
        if self._is_far_enough(strike):
            return strike
        assert self.spot is not None
        out = -1 if self.leg.right is Right.PUT else 1
        edge = self.spot + out * float(self.leg.strike.min_otm_distance or 0)
        near = outward(self.leg, list(self._near(strikes, edge)))
        enough = [found for found in near if self._is_far_enough(found) and self._on_grid(found)]
        step = self.leg.strike.prefer_round_to
        wanted = (found for found in enough if step is not None and found % step == 0 and abs(found - enough[0]) < step)
        return next(wanted, enough[0]) if enough else None

    def _preferred(self, strike: Decimal, strikes: Iterable[Decimal]) -> Decimal:
        """Return the nearest of these strikes that `prefer_round_to` would rather have, else the strike itself."""
        if self.leg.strike.by is StrikeBy.AT_LEG:
            return strike
        wanted = preferred(self.leg.strike.prefer_round_to, strike, strikes)
        if self.leg.strike.by not in VALUED:
            wanted = [found for found in wanted if self._is_allowed(found) and self._is_far_enough(found)]
        allowed = [found for found in wanted if self._on_grid(found) and self._keeps_bound(found, strike)]
        return min(allowed, key=lambda found: (abs(found - strike), -self._distance_out(found)), default=strike)

    def _inside_edges(
        self, strike: Decimal, strikes: tuple[Decimal, ...], first: Decimal
    ) -> tuple[Decimal | None, str]:
        """Return the strike, moved inside `min_strike` and `max_strike`; None, and the words of what failed.

        first: what the selector took, whose bound is kept. They are an `UnknownEdge` where an edge is not known.
        """
        leg = self.leg
        levels = []
        for name, number in (("min_strike", leg.min_strike), ("max_strike", leg.max_strike)):
            if number is None:
                continue
            at = {each: option.strike for each, option in self.chosen.items()}
            level = edge_of(number, leg, self.view, at)
            if isinstance(level, UnknownValue):
                return None, UnknownEdge(f"{leg.name}: {name} is not known: {level.reason}")
            levels.append((level, 1 if name == "min_strike" else -1, f"{name} {level:.2f}"))
        for level, sign, _ in levels:
            if sign * (float(strike) - level) < -HAIR:
                near = self._near(strikes, level)[:: int(sign)]
                is_free = leg.strike.by is not StrikeBy.AT_LEG  # at that leg's strike, or no trade
                moved = [each for each in near if is_free and self._may_move(each, first, levels)]
                if not moved:
                    words = " and ".join(words for *_, words in levels)
                    return None, f"{leg.name}: no listed strike that qualifies is {words}"
                return moved[0], ""
        return strike, ""

    def _may_move(self, found: Decimal, first: Decimal, levels: list[tuple[float, int, str]]) -> bool:
        inside = all(sign * (float(found) - level) >= -HAIR for level, sign, _ in levels)
        stays = self._is_allowed(found) and self._is_far_enough(found) and self._keeps_bound(found, first)
        return inside and stays and self._on_grid(found)

    def _shifted(
        self, strike: Decimal, strikes: tuple[Decimal, ...], first: Decimal, asked: str
    ) -> tuple[Decimal | None, str]:
        """Return the strike, or the first further out that no position holds on the other side; and what was asked.

        first: the selector's choice, whose bound is kept.
        """
        if not self._is_taken(strike):
            return strike, asked
        if self.leg.strike.by is StrikeBy.AT_LEG:  # at that leg's strike, or no trade
            return None, asked
        further = outward(self.leg, list(self._near(strikes, float(strike))))
        further = further[further.index(strike) + 1 :] if strike in further else []
        free = (found for found in further if not self._is_taken(found) and self._may_shift(found, strikes, first))
        return next(free, None), f"{asked}, further out than {strike:f}, which is {HELD}"

    def _is_taken(self, strike: Decimal) -> bool:
        assert self.expiry is not None
        return bool(self.taken) and (option_of(self.leg, self.expiry, strike), self.leg.sign) in self.taken

    def _may_shift(self, found: Decimal, strikes: tuple[Decimal, ...], first: Decimal) -> bool:
        is_fit = self._is_allowed(found) and self._on_grid(found) and self._keeps_bound(found, first)
        return is_fit and self._inside_edges(found, strikes, first)[0] == found

    def _unedged(self, asked: str, problem: str, shown: tuple[Candidate, ...]) -> LegChoice:
        if isinstance(problem, UnknownEdge):
            return self._missing(asked, problem, shown)
        return self._refused(asked, problem, shown)

    # ------------------------------------------------------------ what was looked at

    def _nearest_known(self, known: Mapping[Decimal, float], target: float) -> tuple[Candidate, ...]:
        if not self.explain:
            return ()
        ranked = nsmallest(SHOWN, known, key=lambda strike: abs(known[strike] - target))
        return self._shown((strike, abs(known[strike] - target)) for strike in ranked)

    def _shown(self, found: Iterable[tuple[Decimal, float | None]]) -> tuple[Candidate, ...]:
        assert self.expiry is not None
        if not self.explain:
            return ()
        return tuple(candidate_of(self.view, self.leg, self.expiry, *each) for each in found)


# --- Which options a structure is made of, right now


@dataclass(frozen=True, slots=True)
class StructureSelection:
    """The structure chosen, or why there is none: `missing` is unknown data, `refused` a rule of the spec."""

    legs: tuple[LegView, ...]
    choices: tuple[LegChoice, ...]
    missing: str = ""
    refused: str = ""

    @property
    def is_complete(self) -> bool:
        """True when every leg has its option."""
        return not self.missing and not self.refused


def select(
    legs: tuple[LegPlan, ...],
    view: View,
    expected_move: ExpectedMove,
    avoid: frozenset[Option] = frozenset(),
    taken: frozenset[tuple[Option, int]] = frozenset(),
    *,
    explain: bool = False,
) -> StructureSelection:
    """Return the structure that the legs' selectors choose at this instant.

    `legs` are in the order their references require. `expected_move` is the measure for the legs' expiry. `avoid` are
    contracts in which the broker refuses an order of our side: their strikes are passed over. `taken` are contracts
    with the sign of the side that would close what some position holds: a leg of that sign goes to the next strike out.
    `explain` adds the candidates of every leg: wanted on record, not at every quote.
    """
    chosen: dict[str, Option] = {}
    choices: list[LegChoice] = []
    for leg in legs:
        if leg.is_shares:
            chosen[leg.name] = share(leg.symbol)
            choices.append(LegChoice(leg.name, f"{leg.ratio} shares", chosen[leg.name]))
            continue
        partner = partner_of(leg, legs) if leg.strike.by is StrikeBy.SIDE_CREDIT else None
        choice = StrikeChooser(
            leg, view, expected_move, chosen, avoid, taken, explain=explain, partner=partner
        ).choose()
        choices.append(choice)
        if choice.option is None:
            return StructureSelection((), tuple(choices), choice.missing, choice.refused)
        if other := next((name for name, option in chosen.items() if option == choice.option), ""):
            reason = f"{leg.name} and {other} would be the same contract, {choice.option}"
            return StructureSelection((), tuple(choices), refused=reason)
        chosen[leg.name] = choice.option
    rows = view.board.rows
    views = tuple(
        LegView(leg.name, chosen[leg.name], rows.get(chosen[leg.name], -1), leg.sign, leg.ratio, leg.group)
        for leg in legs
    )
    return StructureSelection(views, tuple(choices))
