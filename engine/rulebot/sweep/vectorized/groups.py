"""Variants by their kind: those of a large enough kind are judged together, the others one by one."""

from collections.abc import Hashable, Mapping

from rulebot.sweep.vectorized.batch import live_together
from rulebot.sweep.vectorized.exit_orders import UndecidedByArrays
from rulebot.sweep.vectorized.grouping import VariantGroup, kind_of
from rulebot.sweep.vectorized.session import ArraySession, SessionResult
from rulebot.sweep.vectorized.variant_plan import ArrayBot

FEWEST = 4
"""Variants of a kind from which on it pays to judge them together."""
MOST = 2_000
"""Variants that are judged together at most: their columns are held in memory at once."""


class Groups:
    """All variants that are lived through by arrays, by their numbers."""

    def __init__(self, bots: Mapping[int, ArrayBot]) -> None:
        self._bots = bots
        kinds: dict[Hashable, list[int]] = {}
        for number, bot in bots.items():
            kinds.setdefault(kind_of(bot), []).append(number)
        self._together: list[tuple[list[int], VariantGroup]] = []
        self._alone: list[int] = []
        for kind, numbers in kinds.items():
            if len(numbers) < FEWEST or kind is None:
                self._alone += numbers
                continue
            for part in (numbers[since : since + MOST] for since in range(0, len(numbers), MOST)):
                self._together.append((part, VariantGroup([bots[number] for number in part])))

    def live(self, session: ArraySession) -> dict[int, SessionResult | UndecidedByArrays]:
        """Return what came of a session for each variant, or why that is not clear."""
        found = {number: session.live(self._bots[number]) for number in self._alone}
        for numbers, alike in self._together:
            found |= zip(numbers, live_together(session, alike), strict=True)
        return found
