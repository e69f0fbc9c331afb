"""What two documents differ by: changes, what may be lost before and after, what stays as it is."""

from decimal import Decimal
from enum import Enum

from rulebot.model.values import dataclass
from rulebot.review.change.behaviour import Days


class Kind(Enum):
    """What became of a part."""

    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"
    RENAMED = "renamed"
    MOVED = "moved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change. `path` is where it stands now, or stood; `was_path` where it stood, if elsewhere.

    old, new: in words, "" for none. is_worse: it makes a loss larger, likelier or longer, or lets a fault through.
    applies: which positions it reaches (`x-applies` of the schema). reaches: what follows from it elsewhere, for a
    parameter.
    """

    kind: Kind = Kind.CHANGED
    path: str
    was_path: str = ""
    old: str = ""
    new: str = ""
    words: str = ""
    is_worse: bool = False
    applies: str = ""
    reaches: tuple["Change", ...] = ()

    @property
    def places(self) -> frozenset[str]:
        """Every place of the text that it names, those that it reaches included."""
        reached = (place for change in self.reaches for place in change.places)
        return frozenset({self.path, self.was_path or self.path, *reached})


class Status(Enum):
    """What became of a document."""

    SAME = "same"
    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Loss:
    """Dollars that may be lost before and after; None without a bound."""

    name: str
    was: Decimal | None
    now: Decimal | None

    @property
    def growth(self) -> float:
        """By which part it grew: 0.1 is a tenth; infinite where it lost its bound or began from nothing."""
        if self.was is None:
            return 0.0
        if self.now is None:
            return float("inf")
        if not self.was:
            return float("inf") if self.now else 0.0
        return float((self.now - self.was) / self.was)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What became of one document.

    losses: of a trade, of all open at once, of a day. priorities: the exits before and after. states: what became of
    the moves of a position, "" when they are unchanged. behaviour: lines on simulated days, when they were asked for.
    days: what each side did on them. flaws: what was wrong with the data of past ones.
    was_name: what it was called, where both sides have it.
    """

    name: str
    status: Status
    kind: str = "bot"
    changes: tuple[Change, ...] = ()
    losses: tuple[Loss, ...] = ()
    priorities: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    states: str = ""
    about: str = ""
    behaviour: tuple[str, ...] = ()
    days: tuple[Days, Days] = ((), ())
    flaws: tuple[str, ...] = ()
    was_name: str = ""

    @property
    def growth(self) -> float:
        """By which part the worst case grew, the largest of all."""
        return max((loss.growth for loss in self.losses), default=0.0)
