"""An explanation as text: titles on the left, names and words in columns, long lines wrapped below themselves."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from textwrap import wrap
from typing import Any

from rulebot.compile.plan import Lifecycle
from rulebot.model.values import dataclass
from rulebot.review.payoff import Payoff

# --- The nouns of an explanation


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a section: a sentence, or the text of a name.

    mark: the place in an order of priority. note: the example beside the words. depth: number of groups around it.
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
    """The explanation of one document. `figures` are numbers for machines; an account has neither states nor payoffs.

    payoffs: the example's profit at expiry, of a bot with a choice by the name of each alternative, else by "".
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


# --- An explanation as text

WIDTH = 120
_TITLE = 12
"""Columns before the words of a section."""


def text_of(explanation: Explanation, width: int = WIDTH) -> str:
    """Return the whole explanation; nothing in it depends on the terminal but its width."""
    head = f"{explanation.name}  {_lowered(explanation.about)}"
    lines = wrap(head, width, subsequent_indent="  ")
    lines.append("")
    for section in explanation.sections:
        lines += _section(section, width)
    if explanation.states:
        lines += ["", *(f"  {path}" for path in explanation.states)]
    return "\n".join(lines)


def _lowered(about: str) -> str:
    """Return the sentence as it continues after a name; a symbol or the name of a person keeps its capitals."""
    is_word = about[1:2].islower() or about[1:2] == " "
    if is_word and "'" not in about.partition(" ")[0]:
        about = about[0].lower() + about[1:]
    return about.removesuffix(".")


def _section(section: Section, width: int) -> Iterator[str]:
    title = f"  {section.title}".ljust(_TITLE)
    if not title.endswith(" "):
        yield title
        title = " " * _TITLE
    for group in _groups(section.lines):
        for line in _plain(group, width) if not group[0].name else _table(group, width):
            yield f"{title}{line}".rstrip()
            title = " " * _TITLE


def _groups(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Yield runs of lines with names, which share columns, and each sentence alone."""
    run: list[Line] = []
    for line in lines:
        if run and (not line.name or not run[0].name):
            yield run
            run = []
        run.append(line)
    if run:
        yield run


def _plain(group: Sequence[Line], width: int) -> Iterator[str]:
    for line in group:
        yield from wrap(line.words, width - _TITLE, subsequent_indent="  ")


_NOTE_GAP = 3


def _table(group: Sequence[Line], width: int) -> Iterator[str]:
    """Yield rows: mark, name, words, and the example beside them where all of it fits, else below."""
    marks = max(len(line.mark) for line in group)
    names = max(len(line.name) + 2 * line.depth for line in group)
    indent = 2 + (marks + 1 if marks else 0)
    room = width - _TITLE - indent - names - 2
    column = _note_column(group, room)
    for line in group:
        mark = f"{line.mark.rjust(marks)} " if marks else ""
        head = f"  {mark}{'  ' * line.depth}{line.name}".ljust(indent + names + 2)
        body = _body(line, room, column)
        yield f"{head}{body[0]}"
        yield from (" " * (indent + names + 2) + more for more in body[1:])


def _note_column(group: Sequence[Line], room: int) -> int:
    """Return the width of the words beside examples: those of lines that have both."""
    longest = max((len(line.note) for line in group), default=0)
    fitting = [len(line.words) for line in group if line.note and len(line.words) + _NOTE_GAP + longest <= room]
    return max(fitting, default=0)


def _body(line: Line, room: int, column: int) -> list[str]:
    if line.note and len(line.words) <= column:
        return [f"{line.words.ljust(column)}{' ' * _NOTE_GAP}{line.note}"]
    return wrap(line.words, room, subsequent_indent="  ") + ([f"  {line.note}"] if line.note else [])


# --- An explanation as plain data, for machines


def document_of(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation as what JSON can hold; prices and dollars are text, so that no digit is lost."""
    found: dict[str, Any] = {
        "kind": explanation.kind,
        "name": explanation.name,
        "about": explanation.about,
        "sections": [
            {"title": section.title, "lines": [_line(line) for line in section.lines]}
            for section in explanation.sections
        ],
    }
    if explanation.lifecycle is not None:
        rows = explanation.lifecycle.rows
        found["states"] = {
            "names": list(explanation.lifecycle.states),
            "moves": [{"state": row.state, "trigger": row.trigger, "next": row.next} for row in rows],
        }
    drawn = {name: _payoff(payoff) for name, payoff in explanation.payoffs.items()}
    if drawn:
        found |= {"payoff": drawn[""]} if "" in drawn else {"payoffs": drawn}
    return found | ({"example": dict(explanation.figures)} if explanation.figures else {})


def _line(line: Line) -> dict[str, Any]:
    named = {"name": line.name, "mark": line.mark, "note": line.note}
    depth = {"depth": line.depth} if line.depth else {}
    return {**{key: text for key, text in named.items() if text}, **depth, "words": line.words}


def _payoff(payoff: Payoff) -> dict[str, Any]:
    return {
        "symbol": payoff.symbol,
        "points": [[str(price), str(made)] for price, made in payoff.points],
        "break_evens": [str(price) for price in payoff.break_evens],
        "best": None if payoff.best is None else str(payoff.best),
        "worst": None if payoff.worst is None else str(payoff.worst),
        **({"assumed": payoff.assumed} if payoff.assumed else {}),
        **({"covered": True} if payoff.covered else {}),
    }
