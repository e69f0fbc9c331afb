"""Exposure: what all open and working positions could lose, and what their short puts need, with one more entry.

Each position counts with its own bound (`model/loss_bound.py`) and the bounds are summed: positions close at different
times and prices, so a gain of one never offsets a loss of another. A position with a working entry is bounded twice: as
it is, and filled completely at the prices that fill at once. A ladder never exceeds those, and the account's limits are
convex in the filled quantity, so the worst case is one of the two.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import chain, product
from math import isnan

from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import is_opening, shares_of
from rulebot.core.state.share_coverage import outstanding
from rulebot.decide.account_rules import bound_in_dollars
from rulebot.decide.limits import Cap
from rulebot.evaluate.strikes import StructureSelection
from rulebot.measure.view import Exposure, Greeks, View
from rulebot.model.commission import max_commission
from rulebot.model.contract import Option
from rulebot.model.loss_bound import (
    GroupedLeg,
    dollars_at_risk,
    paid,
    shares_covering,
    unbounded_risk_reason,
    without_covered_calls,
)
from rulebot.model.market import OPTION_AGE, QuoteFault, age_problem, quote_fault
from rulebot.model.money import ZERO
from rulebot.model.payoff import Holding, Way, cash_for_puts
from rulebot.model.position import Position, PositionLeg
from rulebot.spec.nouns import PromotionEvidence

_Standing = tuple[str, Sequence[GroupedLeg], list[Way | None]]
"""A position by its name and legs, in each possible state; None for a state without sound quotes."""


def worst_case_cap(
    work: StateBuilder, positions: Iterable[Position], selection: StructureSelection, quantity: int
) -> Cap | None:
    """Return what these positions could lose with this entry, and what they may; None without a limit."""
    bound = work.program.limits.worst_case
    if bound is None:
        return None
    limit, missing = bound_in_dollars(bound, work.market.facts.account.net_liquidation, "worst_case")
    if limit is None:
        return Cap(None, None, missing)
    worst, missing = together(work, positions, selection, quantity, "all bots")
    return Cap(worst, limit, missing)


def together(
    work: StateBuilder, positions: Iterable[Position], selection: StructureSelection, quantity: int, whose: str
) -> tuple[Decimal | None, str]:
    """Return what these positions could lose with this entry; None, and why, when that is not known."""
    named = _with_entry(work, positions, selection, quantity)
    total, shares = ZERO, _Shares(work)
    for name, legs, ways in named:
        sound = tuple(way for way in ways if way is not None)
        if len(sound) < len(ways):
            return None, f"what {whose} could lose is unknown: no sound quote for {name}"
        worst = _worst_of(shares.cover(sound), legs)
        if worst is None:
            return None, f"what {whose} could lose has no bound: {unbounded_risk_reason(legs)} in {name}"
        total += worst
    return total, ""


def _with_entry(
    work: StateBuilder, positions: Iterable[Position], selection: StructureSelection, quantity: int
) -> list[_Standing]:
    """Return each position, and the entry, with its legs in each possible state."""
    held: list[_Standing] = [(each.id, each.legs, _ways(work, each)) for each in positions]
    return [*held, ("this entry", selection.legs, [_proposed(work, selection, quantity)])]


def _worst_of(ways: Iterable[Way], legs: Iterable[GroupedLeg]) -> Decimal | None:
    """Return the largest loss of a position over these states, in dollars; None without a bound."""
    group_of = {leg.option: leg.group for leg in legs}
    found = [dollars_at_risk(_in_groups(way, group_of)) for way in ways]
    known = [each for each in found if each is not None]
    return max(known, default=ZERO) if len(known) == len(found) else None


def _in_groups(way: Way, group_of: Mapping[Option, str]) -> list[Way]:
    found: dict[str, Way] = {}
    for holding in way:
        name = group_of[holding[0]]
        found[name] = (*found.get(name, ()), holding)
    return list(found.values())


def as_one_trade(
    work: StateBuilder, positions: Iterable[Position], selection: StructureSelection, quantity: int
) -> tuple[Decimal | None, str]:
    """Return what parts of a trade and this structure could lose, no share being counted.

    None without a bound; None, and why, while that is not known. Each part closes on its own, so their widths add up;
    what all of them have brought and cost counts together.
    """
    named = _with_entry(work, positions, selection, quantity)
    known: list[list[list[Way]]] = []
    for name, legs, ways in named:
        sound = [way for way in ways if way is not None]
        if len(sound) < len(ways):
            return None, f"what the trade could lose is unknown: no sound quote for {name}"
        group_of = {leg.option: leg.group for leg in legs}
        known.append([_in_groups(way, group_of) for way in sound])
    found = [dollars_at_risk(chain(*groups)) for groups in product(*known)]
    losses = [each for each in found if each is not None]
    return (max(losses) if len(losses) == len(found) else None), ""


def filled_count(work: StateBuilder, position: Position, leg: PositionLeg) -> int:
    """Return the contracts of a leg (+ long), as if a working entry had filled completely."""
    missing = outstanding(position, leg) if is_opening(work, position) else 0
    return leg.signed_held + leg.sign * missing


class _Shares:
    """The shares of the account, given to short calls in the order in which they are asked about, each share once."""

    def __init__(self, work: StateBuilder) -> None:
        self._work = work
        self._left: dict[str, Decimal] = {}

    def cover(self, ways: tuple[Way, ...]) -> tuple[Way, ...]:
        """Return a position's states without the calls that shares cover, which are delivered."""
        for symbol in dict.fromkeys(option.symbol for way in ways for option, _, _ in way):
            needed = max(shares_covering(way, symbol) for way in ways)
            given = int(min(self._free(symbol), Decimal(needed)))
            if given > 0:
                self._left[symbol] -= given
                ways = tuple(without_covered_calls(way, {symbol: given}) for way in ways)
        return ways

    def _free(self, symbol: str) -> Decimal:
        if symbol not in self._left:
            found = shares_of(self._work, symbol)
            self._left[symbol] = ZERO if found is None else max(found.held - found.by_hand, ZERO)
        return self._left[symbol]


def cash_cap(
    work: StateBuilder, positions: Iterable[Position], selection: StructureSelection, quantity: int
) -> Cap | None:
    """Return what the uncovered short puts of these positions need with this entry, and what backs them.

    None where nothing must back them.
    """
    backing = work.program.limits.cash_secured_puts
    if backing is None:
        return None
    proposed: Way = tuple((leg.option, leg.sign * leg.ratio * quantity, ZERO) for leg in selection.legs)
    if not cash_for_puts(proposed):
        return None
    account = work.market.facts.account
    there = account.cash if backing is PromotionEvidence.CASH else account.net_liquidation
    held = (max(map(cash_for_puts, _counts(work, position))) for position in positions)
    missing = f"{backing.value} of the account is unknown, and short puts need it (cash_secured_puts)"
    return Cap(cash_for_puts(proposed) + sum(held, ZERO), there, missing)


def _counts(work: StateBuilder, position: Position) -> list[Way]:
    """Return what the position holds, and what it will when its entry has filled; without prices."""
    now = tuple((leg.option, leg.signed_held, ZERO) for leg in position.legs)
    if not is_opening(work, position):
        return [now]
    filled = tuple((leg.option, leg.signed_held + leg.sign * outstanding(position, leg), ZERO) for leg in position.legs)
    return [now, filled]


def _ways(work: StateBuilder, position: Position) -> list[Way | None]:
    """Return a position's states with the price paid; None for a state with unknown prices."""
    now = tuple((leg.option, leg.signed_held, paid(leg)) for leg in position.legs)
    if not is_opening(work, position):
        return [now]
    filled: list[Holding] = []
    for leg in position.legs:
        missing = outstanding(position, leg)
        price = _at_once(work, leg.option, leg.sign) if missing else ZERO
        if price is None:
            return [now, None]
        cash = paid(leg) - leg.sign * missing * price * leg.option.multiplier - max_commission(leg.option, missing)
        filled.append((leg.option, leg.signed_held + leg.sign * missing, cash))
    return [now, tuple(filled)]


def _proposed(work: StateBuilder, selection: StructureSelection, quantity: int) -> Way | None:
    found: list[Holding] = []
    for leg in selection.legs:
        price = _at_once(work, leg.option, leg.sign)
        if price is None:
            return None
        count = leg.sign * leg.ratio * quantity
        cash = -count * price * leg.option.multiplier - max_commission(leg.option, count)
        found.append((leg.option, count, cash))
    return tuple(found)


def _at_once(work: StateBuilder, option: Option, sign: int) -> Decimal | None:
    """Return the price per share at which one is bought (`sign` 1) or sold (-1) at once; None without a sound quote."""
    board = work.market.board
    row = board.rows.get(option, -1)
    fault = quote_fault(board, row, work.now)
    if fault and fault is not QuoteFault.NO_BID:
        return None
    price = board.ask[row] if sign > 0 else board.bid[row]
    return Decimal(f"{price:.4f}") if price == price else ZERO


# --- What a bot, or all of them, would be exposed to with one entry more


def exposure_with(
    work: StateBuilder, view: View, selection: StructureSelection, positions: Iterable[Position], whose: str
) -> Exposure:
    """Return the exposure of these positions and the structure of `view`, at its quantity."""
    held = tuple(positions)
    counts: dict[Option, int] = defaultdict(int)
    for position in held:
        for leg in position.legs:
            counts[leg.option] += filled_count(work, position, leg)
    for chosen in selection.legs:
        counts[chosen.option] += chosen.sign * chosen.ratio * view.quantity
    greeks, missing = _summed(work, {option: count for option, count in counts.items() if count})
    worst, worst_missing = together(work, held, selection, view.quantity, whose)
    return Exposure(greeks, missing, worst, worst_missing)


def _summed(work: StateBuilder, counts: dict[Option, int]) -> tuple[dict[str, Greeks], str]:
    """Return the greeks by underlying, and why they are not known, "" when they are."""
    board = work.market.board
    sums: dict[str, list[float]] = {}
    for option, count in counts.items():
        if option.is_share:
            sums.setdefault(option.symbol, [0.0] * 4)[0] += count
            continue
        row = board.rows.get(option, -1)
        if row < 0:
            return {}, f"{option} is not streamed"
        if problem := age_problem(board, row, board.model_at[row], work.now, OPTION_AGE):
            return {}, f"greeks of {option}: {problem}"
        found = (board.delta[row], board.gamma[row], board.theta[row], board.vega[row])
        if any(isnan(each) for each in found):
            return {}, f"{option} has no greeks"
        so_far = sums.setdefault(option.symbol, [0.0] * 4)
        for at, each in enumerate(found):
            so_far[at] += each * count * option.multiplier
    return {symbol: Greeks(*found) for symbol, found in sums.items()}, ""
