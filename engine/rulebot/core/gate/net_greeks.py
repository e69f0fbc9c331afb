"""What a bot, or all of them, would be exposed to with one entry more: the broker's greeks, and the worst case.

Entries at work count as if filled to the end. Source: Hull, "Options, Futures, and Other Derivatives", chapter on the
greeks: those of a portfolio are the sums of its options', each times its count and multiplier, a share's
delta being 1.
"""

from collections import defaultdict
from collections.abc import Iterable
from math import isnan

from rulebot.core.gate.exposure import filled_count, together
from rulebot.core.state.builder import StateBuilder
from rulebot.evaluate.strikes import StructureSelection
from rulebot.measure.view import Exposure, Greeks, View
from rulebot.model.contract import Option
from rulebot.model.market import OPTION_AGE, age_problem
from rulebot.model.position import Position


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
