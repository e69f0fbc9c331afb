"""What two specs are compared by: parts under their names, each with what may differ in it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rulebot.model.values import dataclass
from rulebot.review.example import Subject
from rulebot.spec.fast_schema import read_schema
from rulebot.spec.load import Loaded
from rulebot.spec.spec import Spec


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an edit comes to. is_worse: it makes a loss larger, likelier or longer, or lets a fault through."""

    words: str = ""
    is_worse: bool = False


NOTHING = Verdict()


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

    is_written: the text says it; what follows from something else is told there, unless one text says it.
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
        """Where it stands, in the spec's words: `exits.stop`."""
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


Judge = Callable[[Edit], Verdict]


def judge_by_text(words: str) -> Judge:
    """Return a judge of what makes no loss larger: it has these words only."""
    return lambda edit: Verdict(words)


def judge_if_worse(words: str) -> Judge:
    """Return a judge of what always does."""
    return lambda edit: Verdict(words, is_worse=True)


def judge_if_more(up: str, down: str = "", unsaid: float = float("inf")) -> Judge:
    """Return a judge of a number that is worse when it grows; `unsaid` is what stands for none."""

    def judge(edit: Edit) -> Verdict:
        old, new = (unsaid if each is None else float(each) for each in (edit.old, edit.new))
        return Verdict(up, is_worse=True) if new > old else Verdict(down)

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
    """A field that is told elsewhere, and where."""

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
