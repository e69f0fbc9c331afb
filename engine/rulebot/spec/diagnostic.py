"""One problem of a document: its place, what it is, and what to do about it."""

import json
from collections.abc import Collection, Container, Iterable, Sequence
from dataclasses import field, replace
from enum import StrEnum

from rulebot.model.text import printable
from rulebot.model.values import dataclass

_KEPT = "\t"
"""Blanks of a document's line that are kept: its caret has the same."""


class Severity(StrEnum):
    """An error stops a document from being used; a warning is legal and unlikely."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a text. Units: lines and columns count from 1; `end_col` is exclusive.

    above: in whose text, counted from the document itself (0) up along `extends`.
    """

    line: int
    col: int
    end_col: int
    above: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One problem with a stable code. `text` is its line, without the line end."""

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


# --- Every code that reading a document can give, in one line each

CODES = {
    "RB101": "The file is not UTF-8.",
    "RB102": "An invisible character, such as an escape or a text-direction mark.",
    "RB103": "Not YAML: a bracket, quote, colon or indentation does not fit.",
    "RB104": "A tab in the indentation or between words.",
    "RB105": "Not one document: the file is empty, or a second document begins.",
    "RB106": "A YAML directive.",
    "RB107": "An anchor, alias, merge key or tag.",
    "RB108": "A key occurs twice in one mapping.",
    "RB109": "The document is too large: bytes, lines, values, nesting or text length.",
    "RB110": "A key that is not one word.",
    "RB111": "A key that does not exist here.",
    "RB112": "A measure that does not exist.",
    "RB113": "A required key is missing.",
    "RB114": "An `expr`, `all` or `any` without a name.",
    "RB115": "The bot's name differs from its file's.",
    "RB116": "A name with other signs than lower-case letters, digits and underscores.",
    "RB117": "A parameter that the spec does not define.",
    "RB118": "More or fewer than one of several keys where exactly one is required.",
    "RB119": "A kind or version of document that this engine does not read.",
    "RB120": "A mapping, list or single value where another of the three is required.",
    "RB121": "A list that is too short or too long, or repeats an item.",
    "RB122": "A modifier that is not allowed here.",
    "RB123": "An `accept` of a code that is not a warning.",
    "RB124": "An `extends` of a missing file, in a circle, outside the folder, or of something that is no bot.",
    "RB125": "A `universe` file that is missing or invalid, or lacks a category or symbol.",
    "RB126": "A `model` file that is missing or invalid, or has another hash.",
    "RB151": "A number not written in plain decimal digits.",
    "RB152": "A value without a unit, with a wrong unit, or of another form than required.",
    "RB153": "A word that is not allowed here.",
    "RB156": "A number outside its range.",
    "RB157": "A fraction where a whole number is required.",
    "RB204": "A loss written as a price, or a cost written as a percentage.",
    "RB214": "A let or leg named like a word of the language.",
    "RB250": "An impossible risk limit.",
    "RB270": "Two rules of one list with the same name.",
    "RB213": "An expression that is too long or too deep.",
    "RB280": "An impossible test: no session, a time outside it, or a missing quote or spec.",
    "RB301": "A parameter that is not used.",
    "RB303": "A name that hides a word of the language.",
    "RB304": "A word that has no effect here.",
}


# --- Which known word a wrong one may have been meant to be


def closest(word: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """Return the known word nearest to `word`, ignoring case, or None when none is near.

    The only one that begins with all of it, as max_loss_per_trade does with max_loss, is nearest, unless another
    differs in a letter alone, as exits does from exit.
    """
    from difflib import get_close_matches  # only what is wrong needs it

    folded = {each.casefold(): each for each in known}
    longer = [each for each in folded if each.startswith(f"{word.casefold()}_")]
    found = get_close_matches(word[:60].casefold(), folded, n=1, cutoff=likeness)
    if len(longer) == 1 and not get_close_matches(word[:60].casefold(), found, cutoff=0.85):
        return folded[longer[0]]
    return folded[found[0]] if found else None


def is_misspelt(key: str, found: Iterable[str], known: Collection[str]) -> bool:
    """Return whether one of the keys found was meant to be this one."""
    return any(closest(each, known) == key for each in found if each not in known)


def did_you_mean(word: str, known: Iterable[str], mark: str = "") -> str | None:
    """Return `did you mean 'vix_change'?`, or None when nothing is near."""
    found = closest(word, known)
    return f"did you mean '{mark}{found}'?" if found else None
