"""What choosing one leg's strike came to: the option, or why there is none, and what was looked at."""

from decimal import Decimal

from rulebot.model.contract import Option
from rulebot.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """One strike that was looked at, for `why`. distance: from what was asked, None where that is not known."""

    strike: Decimal
    bid: float | None
    ask: float | None
    delta: float | None
    distance: float | None


@dataclass(frozen=True, slots=True)
class LegChoice:
    """What one leg asked for, and, when explained, the strikes nearest to it, best first.

    The one taken is among them. `asked` is words and numbers. `missing` is unknown data, `refused` a rule of the spec:
    both empty with an option. is_past_held: the nearest strike is held the other way round.
    """

    name: str
    asked: str
    option: Option | None
    candidates: tuple[Candidate, ...] = ()
    missing: str = ""
    refused: str = ""
    is_past_held: bool = False

    @property
    def is_without_expiry(self) -> bool:
        """True when no listed expiry matches: no strike was asked for."""
        return bool(self.refused) and not self.asked
