"""A bot with a choice, explained: how it chooses, then each alternative as if it were the only one."""

from collections.abc import Callable, Sequence
from itertools import takewhile

from rulebot.review.enters import rule_lines
from rulebot.review.explanation import Line, Section
from rulebot.review.structure import legs_section
from rulebot.review.subject import Subject

_UNKNOWN = "one that is unknown ends the choice without a trade"
_AGAIN = "chosen again before each try, and another choice ends the order"


def structures(subject: Subject) -> tuple[Section, ...]:
    """Return the legs; of a bot with a choice how it chooses, and the legs of each alternative under its name."""
    if not subject.alternatives:
        return (legs_section(subject),)
    return (_chooses(subject), *(Section(name, legs_section(each).lines) for name, each in subject.alternatives))


def _chooses(subject: Subject) -> Section:
    last = subject.bot.choices[-1]
    none = "" if not last.when else "; none, no trade"
    lines = [Line(words=_AGAIN), Line(words=f"the first of these that holds is taken; {_UNKNOWN}{none}:")]
    for number, choice in enumerate(subject.bot.choices, 1):
        words = "when all of this holds" if choice.when else "always"
        lines.append(Line(mark=str(number), name=choice.name, words=words))
        rules = tuple(compiled.rule for compiled in choice.when)
        lines += [
            Line(words=line.words, name=line.name, depth=line.depth + 1) for line in rule_lines(rules, subject.cast)
        ]
    return Section("Chooses", tuple(lines))


def for_each(subject: Subject, told: Callable[[Subject], Section]) -> Section:
    """Return a section told of every alternative under its name; what all share stands once, at its head or its end."""
    if not subject.alternatives:
        return told(subject)
    found = [(name, told(each)) for name, each in subject.alternatives]
    shared = [line for line in found[0][1].lines if _is_shared(line, [section for _, section in found])]
    own = [(name, [line for line in section.lines if line not in shared]) for name, section in found]
    head = tuple(takewhile(lambda line: line in shared, found[0][1].lines))
    shared = shared[len(head) :]
    lines = [line for name, lines in own if lines for line in (Line(words=f"{name}:"), *lines)]
    if lines and shared:
        lines.append(Line(words="both:" if len(found) == 2 else "all of them:"))
    return Section(found[0][1].title, (*head, *lines, *shared))


def _is_shared(line: Line, sections: Sequence[Section]) -> bool:
    return not line.name and not line.words.endswith(":") and all(line in section.lines for section in sections)
