"""The nouns of an explanation: sections of lines, what they are drawn from, and what a machine may read of it."""

from collections.abc import Mapping
from dataclasses import field

from rulebot.compile.plan import Lifecycle
from rulebot.model.values import dataclass
from rulebot.review.payoff import Payoff


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a section: a sentence, or what belongs to a name.

    mark: the place in an order of priority. note: the example beside the words. depth: inside how many groups it
    stands.
    """

    words: str
    name: str = ""
    mark: str = ""
    note: str = ""
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Section:
    """A part of an explanation under its title."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What one document comes to. `figures` are numbers for machines; an account has neither states nor payoffs.

    payoffs: what the example makes at expiry, of a bot with a choice by the name of each alternative, else by "".
    """

    kind: str
    name: str
    about: str
    sections: tuple[Section, ...]
    states: tuple[str, ...] = ()
    labels: Mapping[tuple[str, str], str] = field(default_factory=dict)
    lifecycle: Lifecycle | None = None
    payoffs: Mapping[str, Payoff] = field(default_factory=dict)
    figures: Mapping[str, object] = field(default_factory=dict)


def sentence_line(*parts: str) -> Line:
    """Return a line without a name: what is not empty of these, with commas."""
    return Line(words=", ".join(part for part in parts if part))
