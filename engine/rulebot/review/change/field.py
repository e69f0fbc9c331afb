"""What two specs are compared by, parts under their names with what may differ in each, and what they differ by."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

from rulebot.model.values import dataclass
from rulebot.review.change.behaviour import Days
from rulebot.review.example import Subject
from rulebot.spec.fast_schema import read_schema
from rulebot.spec.load import Loaded
from rulebot.spec.spec import Spec


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect of an edit. is_worse: it makes a loss larger, likelier or longer, or lets a fault through."""

    words: str = ""
    is_worse: bool = False


NOTHING = Effect()


@dataclass(frozen=True, slots=True)
class Bot:
    """One bot of a side, sound: as loaded, and as it might trade."""

    loaded: Loaded
    spec: Spec


@dataclass(frozen=True, slots=True)
class Sides:
    """The bot as it was and as it would be."""

    was: Subject
    now: Subject

    @property
    def both(self) -> tuple[Subject, Subject]:
        """Both, the old one first."""
        return self.was, self.now


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpec:
    """One thing that may differ. `said` is its value in words, "" for none.

    is_written: it is in the spec; what follows from something else is reported there, unless one spec writes it.
    """

    key: str
    value: Any
    said: str
    judge: "Judge"
    is_written: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BotSection:
    """A part of a spec: the whole of a section (no name), or one rule, leg or let of a list under its name.

    noun: what it is, compiled where there is a compiled one. meaning: what makes it the same under another name.
    """

    place: str
    name: str = ""
    noun: Any
    meaning: Any
    facets: Mapping[str, FieldSpec]
    said: str = ""

    @property
    def path(self) -> str:
        """Its path, in the spec's words: `exits.stop`."""
        return f"{self.place}.{self.name}" if self.name and self.place else self.place or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One facet with two values. `was` and `now` are the parts it belongs to."""

    path: str
    old: Any
    new: Any
    was: BotSection
    now: BotSection
    sides: Sides


Judge = Callable[[Edit], Effect]


def judge_by_text(words: str) -> Judge:
    """Return a judge of what makes no loss larger: it has these words only."""
    return lambda edit: Effect(words)


def judge_if_worse(words: str) -> Judge:
    """Return a judge of what always does."""
    return lambda edit: Effect(words, is_worse=True)


def judge_if_more(up: str, down: str = "", unsaid: float = float("inf")) -> Judge:
    """Return a judge of a number that is worse when it grows; `unsaid` replaces a missing one."""

    def judge(edit: Edit) -> Effect:
        old, new = (unsaid if each is None else float(each) for each in (edit.old, edit.new))
        return Effect(up, is_worse=True) if new > old else Effect(down)

    return judge


# --- How a field of a spec's noun is compared


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One field. read: its value where that is not what the field holds, as with defaults that follow from others."""

    key: str
    said: Callable[[Any, Subject], str]
    judge: Judge
    read: Callable[[Any, str, Subject], Any] = lambda noun, field, _: getattr(noun, field)
    is_written: Callable[[Any], bool] = lambda _: True


@dataclass(frozen=True, slots=True)
class Within:
    """A field that is reported elsewhere, and where."""

    key: str


Keys = Mapping[str, Key | Within]


def facets(noun: Any, keys: Keys, subject: Subject) -> dict[str, FieldSpec]:
    """Return what may differ in a noun, by key."""
    return {facet.key: facet for facet in _facets(noun, keys, subject)}


def _facets(noun: Any, keys: Keys, subject: Subject) -> Iterator[FieldSpec]:
    for field, key in keys.items():
        if isinstance(key, Within):
            continue
        value = key.read(noun, field, subject)
        yield FieldSpec(
            key=key.key,
            value=value,
            said="" if value is None or value == () else key.said(value, subject),
            judge=key.judge,
            is_written=key.is_written(noun),
        )


# --- Which positions an edit reaches, as the schema says it (`x-applies`)

ORDER = ("next", "pinned", "at_once")
REACHES = {
    "next": "the next position",
    "pinned": "positions opened from now on; an open one keeps the text it was opened with",
    "at_once": "at once, also while positions are open",
}
"""What an edit of a field reaches, in words; a test asks for each."""


def reach_of(path: str, document: str = "strategy") -> str:
    """Return `next`, `pinned` or `at_once` for a place of a document; its own field says it, else what it is below."""
    node: Any = read_schema(document)
    found = ""
    for key in path.split("."):
        node = node.get("properties", {}).get(key, {})
        found = node.get("x-applies", found)
    return found


# --- What two documents differ by


class Kind(Enum):
    """What became of a part."""

    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"
    RENAMED = "renamed"
    MOVED = "moved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change. `path` is its present, or former, place; `was_path` its former place, if different.

    old, new: in words, "" for none. is_worse: it makes a loss larger, likelier or longer, or lets a fault through.
    applies: which positions it reaches (`x-applies` of the schema). reaches: its effects elsewhere, for a parameter.
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
