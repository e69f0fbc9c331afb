"""A document's text with the place of every key and value in it."""

from collections.abc import Mapping
from dataclasses import field
from decimal import Decimal
from pathlib import PurePath

from rulebot.model.values import dataclass
from rulebot.spec.diagnostic import Diagnostic, Severity, Span
from rulebot.spec.nouns.condition import Path

Plain = None | bool | int | Decimal | str | list["Plain"] | dict[str, "Plain"]
"""What a document says: texts, exact numbers, true and false, lists, mappings with text keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One document, and the problems of its syntax. `is_cut_short`: reading ended at one, `tree` is not the whole.

    `keys` and `values` lead from a path to the place of the key that ends it, and of its value. `spoiled` holds the
    paths whose value is already among the problems. above: the documents it extends, the nearest first; then `tree`
    is all of them laid over each other, and every place says in whose text it lies. symbols: what a universe that the
    document names comes to, none when it names none. models: the text of each model file that it names.
    """

    file: str
    text: str
    tree: Plain = None
    keys: Mapping[Path, Span] = field(default_factory=dict)
    values: Mapping[Path, Span] = field(default_factory=dict)
    problems: tuple[Diagnostic, ...] = ()
    spoiled: frozenset[Path] = frozenset()
    is_cut_short: bool = False
    above: tuple["Source", ...] = ()
    symbols: tuple[str, ...] = ()
    models: Mapping[str, str] = field(default_factory=dict)
    lines: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Split the text once."""
        object.__setattr__(self, "lines", tuple(self.text.split("\n")))

    def line(self, number: int) -> str:
        """Return a line of the text, counted from 1; an empty one past the end."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def holder(self, span: Span) -> "Source":
        """Return the document in whose text a place lies: this one, or one that it extends."""
        return self.above[span.above - 1] if span.above else self

    def span(self, path: Path, key: bool = False) -> Span:
        """Return the place of the value at `path` (or of its key), else of the nearest thing around it."""
        for end in range(len(path), 0, -1):
            around = path[:end]
            first, second = (self.keys, self.values) if key or end < len(path) else (self.values, self.keys)
            found = first.get(around) or second.get(around)
            if found is not None:
                return found
        return self._top()

    def _top(self) -> Span:
        first = next(iter(self.keys.values()), None)
        return first or self.values.get((), Span(1, 1, 2))

    def written(self, path: Path) -> str:
        """Return the value at `path` as it stands in the text (its first line)."""
        span = self.values.get(path)
        return self.holder(span).line(span.line)[span.col - 1 : span.end_col - 1] if span else ""

    def diagnostic(
        self,
        code: str,
        path: Path,
        message: str,
        help: str | None = None,
        severity: str = "error",
        at_key: bool = False,
    ) -> Diagnostic:
        """Return a diagnostic that stands at the value at `path`, or at its key."""
        return self.diagnostic_at(code, self.span(path, key=at_key), message, help, severity)

    def diagnostic_at(
        self, code: str, span: Span, message: str, help: str | None = None, severity: str = "error"
    ) -> Diagnostic:
        """Return a diagnostic that stands at a place of the text, or of that of a document above."""
        holder = self.holder(span)
        if span.above:
            whose = f"found in '{PurePath(self.file).stem}', which extends this"
            help = f"{help} ({whose})" if help else whose
        return Diagnostic(
            file=holder.file,
            line=span.line,
            col=span.col,
            end_col=max(span.end_col, span.col + 1),
            code=code,
            severity=Severity(severity),
            message=message,
            help=help,
            text=holder.line(span.line),
        )
