"""One problem of a document: where it stands, what it is, and what to do about it."""

import json
from collections.abc import Container, Iterable, Sequence
from dataclasses import field, replace
from enum import StrEnum

from rulebot.model.printable import printable
from rulebot.model.values import dataclass

_KEPT = "\t"
"""What stands in a line of a document as it is: its caret has the same."""


class Severity(StrEnum):
    """An error stops a document from being used; a warning is legal and unlikely."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a text. Units: line and columns count characters from 1; `end_col` is the first column after it.

    above: in whose text, counted from the document itself (0) up along `extends`.
    """

    line: int
    col: int
    end_col: int
    above: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One problem with a stable code. `text` is the line it stands on, without its line end."""

    file: str
    line: int
    col: int
    end_col: int
    code: str
    severity: Severity
    message: str
    help: str | None = None
    text: str = field(default="", compare=False)

    @property
    def is_error(self) -> bool:
        """Whether the document cannot be used."""
        return self.severity is Severity.ERROR


def in_file_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return the diagnostics from the top of a file to its bottom, each once; of several files, by name."""
    places = sorted(dict.fromkeys(diagnostics), key=lambda found: (found.file, found.line, found.col, found.code))
    return tuple(places)


def not_accepted(diagnostics: Iterable[Diagnostic], accept: Container[str]) -> tuple[Diagnostic, ...]:
    """Return the diagnostics without the warnings that a spec accepts; errors always stay."""
    return tuple(found for found in diagnostics if found.is_error or found.code not in accept)


def as_error(diagnostic: Diagnostic) -> Diagnostic:
    """Return a warning as the error that it is taken for."""
    return replace(diagnostic, severity=Severity.ERROR)


def headline(diagnostic: Diagnostic) -> str:
    """Return `file:line:col: error[RB112]: message`."""
    place = f"{diagnostic.file}:{diagnostic.line}:{diagnostic.col}"
    return printable(f"{place}: {diagnostic.severity}[{diagnostic.code}]: {diagnostic.message}", kept=_KEPT)


def render(diagnostic: Diagnostic) -> str:
    """Return the diagnostic for a terminal: headline, the line, a caret under the whole token, help."""
    number = f"{diagnostic.line:>5}"
    before = "".join("\t" if letter == "\t" else " " for letter in diagnostic.text[: diagnostic.col - 1])
    caret = "^" * max(1, diagnostic.end_col - diagnostic.col)
    lines = [
        headline(diagnostic),
        f"{number} | {printable(diagnostic.text, kept=_KEPT)}".rstrip(),
        f"{' ' * len(number)} | {before}{caret}",
    ]
    if diagnostic.help:
        lines.append(f"   = help: {printable(diagnostic.help, kept=_KEPT)}")
    return "\n".join(lines)


def as_json(diagnostics: Sequence[Diagnostic]) -> str:
    """Return the diagnostics as a JSON list of objects."""
    names = ("file", "line", "col", "end_col", "code", "severity", "message", "help")
    rows = [{name: getattr(found, name) for name in names} for found in diagnostics]
    return json.dumps(rows, indent=2)


def as_github(diagnostic: Diagnostic) -> str:
    """Return a workflow command that marks the line in a pull request."""
    message = diagnostic.message + (f"\nhelp: {diagnostic.help}" if diagnostic.help else "")
    place = f"file={_property(diagnostic.file)},line={diagnostic.line},col={diagnostic.col}"
    place += f",endColumn={diagnostic.end_col},title={diagnostic.code}"
    return f"::{diagnostic.severity} {place}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
