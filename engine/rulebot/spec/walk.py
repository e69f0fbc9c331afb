"""YAML to a plain tree with the place of every key and value; whatever is clever in YAML is refused.

Works on the parser's events, not on its nodes: limits then hold while the text is read, and nothing recurses.
"""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ruamel.yaml.error import YAMLError

from rulebot.spec.diagnostic import Diagnostic, Span
from rulebot.spec.nouns.condition import Path
from rulebot.spec.source import Plain, Source
from rulebot.spec.syntax import complaint
from rulebot.spec.text import UNSEEN, decode
from rulebot.spec.yaml_events import events

MAX_DEPTH = 20
MAX_NODES = 5000
MAX_SCALAR = 2000
MAX_DIGITS = 15

NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
_NUMBER_LIKE = re.compile(
    r"[-+]?(\.[0-9][0-9_]*|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_WORDS: dict[str, Plain] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def read_source(content: bytes, file: str) -> Source:
    """Return the document in `content`, with all problems of its syntax."""
    text, problem = decode(content, file)
    if problem is not None:
        return Source(file=file, text=text, problems=(problem,), is_cut_short=True)
    walk = _Walk(Source(file=file, text=text))
    walk.run()
    return Source(
        file=file,
        text=text,
        tree=walk.tree,
        keys=walk.keys,
        values=walk.values,
        problems=tuple(walk.problems),
        spoiled=frozenset(walk.spoiled),
        is_cut_short=walk.is_cut_short,
    )


def plain_scalar(text: str) -> Plain:
    """Return what an unquoted scalar says: nothing, true or false, an exact number, else its text."""
    if text in _WORDS:
        return _WORDS[text]
    if NUMBER.fullmatch(text):
        return Decimal(text) if "." in text else int(text)
    return text


def number_problem(text: str) -> str | None:
    """Return why a scalar that looks like a number is not written as one, or None."""
    if NUMBER.fullmatch(text):
        digits = sum(letter.isdigit() for letter in text)
        return f"a number of {digits} digits, where {MAX_DIGITS} are the most" if digits > MAX_DIGITS else None
    if _NUMBER_LIKE.fullmatch(text):
        return "a number not written in plain decimal digits"
    return None


@dataclass(slots=True)
class _Frame:
    """A list or mapping that is being read. `path` is None under a value that is thrown away."""

    container: list[Plain] | dict[str, Plain]
    path: Path | None
    start: Span
    is_flow: bool
    key: str | None = None
    discard: bool = False


class _Stop(Exception):
    """Reading ends here; the reason is among the problems."""


@dataclass(slots=True)
class _Walk:
    source: Source
    tree: Plain = None
    keys: dict[Path, Span] = field(default_factory=dict)
    values: dict[Path, Span] = field(default_factory=dict)
    problems: list[Diagnostic] = field(default_factory=list)
    stack: list[_Frame] = field(default_factory=list)
    spoiled: set[Path] = field(default_factory=set)
    is_cut_short: bool = True
    documents: int = 0
    nodes: int = 0

    def run(self) -> None:
        try:
            for event in events(self.source.text):
                self._take(event)
            self.is_cut_short = not self.documents
        except _Stop:
            return
        except YAMLError as error:
            found = complaint(error, self.source.lines)
            self._report(found.code, self._inside(found.span), found.message, found.help)
        except (RecursionError, ValueError, IndexError, OverflowError) as error:
            self._report("RB103", Span(1, 1, 2), f"this is not YAML: {type(error).__name__} of the parser")
        if not self.documents and not self.problems:
            self._report("RB105", Span(1, 1, 2), "the document is empty")

    def _take(self, event: Any) -> None:
        name = type(event).__name__
        if name == "ScalarEvent":
            self._scalar(event)
        elif name in ("MappingStartEvent", "SequenceStartEvent"):
            self._open(event, {} if name == "MappingStartEvent" else [])
        elif name in ("MappingEndEvent", "SequenceEndEvent"):
            self._close(event)
        elif name == "AliasEvent":
            self._alias(event)
        elif name == "DocumentStartEvent":
            self._document(event)

    def _alias(self, event: Any) -> None:
        span = self._mark(event)
        self._report("RB107", span, f"aliases are not part of the language, is '*{_short(str(event.anchor))}'")
        if self._expects_key():
            raise _Stop
        self._spoil(self._put(None, span))

    def _document(self, event: Any) -> None:
        self.documents += 1
        if self.documents > 1:
            self._report("RB105", self._mark(event), "a second document begins here", "one document a file")
            raise _Stop
        if event.version or event.tags or (re.search(r"^%", self.source.text, re.MULTILINE) and event.explicit):
            line = next((n for n, text in enumerate(self.source.lines, 1) if text.startswith("%")), 1)
            span = Span(line, 1, len(self.source.lines[line - 1]) + 1)
            self._report("RB106", span, "directives are not part of the language", "remove the line; YAML 1.2 is meant")

    def _scalar(self, event: Any) -> None:
        span = self._mark(event)
        self._refuse_clever(event, span)
        text = str(event.value)
        if event.style == '"' and (unseen := UNSEEN.search(text)) is not None:
            self._report("RB102", span, f"an escape stands for U+{ord(unseen.group()):04X}, which cannot be seen")
        if len(text) > MAX_SCALAR:
            self._report("RB109", span, f"a text is longer than {MAX_SCALAR} characters")
            raise _Stop
        if self._expects_key():
            self._take_key(text, span, is_plain=event.style is None)
            return
        if event.style is not None:
            self._put(text, span)
        elif (problem := number_problem(text)) is not None:
            help = (
                None
                if NUMBER.fullmatch(text)
                else 'write it out, as in 1000 or 0.5; put it in quotes ("...") if text is meant'
            )
            self._report("RB151", span, f"{problem}, is '{_short(text)}'", help)
            self._spoil(self._put(None, span))
        else:
            self._put(plain_scalar(text), span)

    def _take_key(self, text: str, span: Span, *, is_plain: bool) -> None:
        frame = self.stack[-1]
        if text == "<<" and is_plain:
            self._report("RB107", span, "merge keys are not part of the language", "write the keys out")
            self._spoil(None if frame.path is None else (*frame.path, text))
        frame.key = text
        assert isinstance(frame.container, dict)
        frame.discard = text in frame.container
        if frame.discard and frame.path is not None:
            first = self.keys[(*frame.path, text)]
            help = f"it stands at {first.line}:{first.col} already; keep one of the two"
            self._report("RB108", span, f"the key '{_short(text)}' is repeated", help)
        elif frame.path is not None:
            self.keys[(*frame.path, text)] = span

    def _open(self, event: Any, container: list[Plain] | dict[str, Plain]) -> None:
        span = self._mark(event)
        self._refuse_clever(event, span)
        if self._expects_key():
            self._report("RB110", span, "a key is one word, not a list or mapping")
            raise _Stop
        if len(self.stack) >= MAX_DEPTH:
            self._report("RB109", span, f"more than {MAX_DEPTH} levels of nesting")
            raise _Stop
        is_flow = bool(event.flow_style)
        start = span if is_flow else self._to_end_of_line(span)
        path = self._put(container, start)
        self.stack.append(_Frame(container, path, start, is_flow))

    def _close(self, event: Any) -> None:
        frame = self.stack.pop()
        if frame.is_flow and frame.path is not None:
            on_one_line = event.end_mark.line + 1 == frame.start.line
            end = Span(frame.start.line, frame.start.col, event.end_mark.column + 1)
            self.values[frame.path] = end if on_one_line else self._to_end_of_line(frame.start)

    def _spoil(self, path: Path | None) -> None:
        if path is not None:
            self.spoiled.add(path)

    def _expects_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1].container, dict) and self.stack[-1].key is None

    def _put(self, value: Plain, span: Span) -> Path | None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self._report("RB109", span, f"more than {MAX_NODES} values")
            raise _Stop
        if not self.stack:
            self.tree = value
            self.values[()] = span
            return ()
        frame = self.stack[-1]
        path = self._place(frame, value)
        if path is not None:
            self.values[path] = span
        return path

    def _place(self, frame: _Frame, value: Plain) -> Path | None:
        step: str | int
        if isinstance(frame.container, list):
            step = len(frame.container)
            frame.container.append(value)
            return None if frame.path is None else (*frame.path, step)
        assert frame.key is not None
        step, frame.key = frame.key, None
        if frame.discard:
            return None
        frame.container[step] = value
        return None if frame.path is None else (*frame.path, step)

    def _refuse_clever(self, event: Any, span: Span) -> None:
        if event.anchor is not None:
            self._report("RB107", span, f"anchors are not part of the language, is '&{event.anchor}'")
        if event.tag is not None:
            help = "write the plain value"
            self._report("RB107", span, "tags are not part of the language", help)

    def _mark(self, event: Any) -> Span:
        start, end = event.start_mark, event.end_mark
        span = Span(start.line + 1, start.column + 1, end.column + 1)
        return span if end.line == start.line else self._to_end_of_line(span)

    def _to_end_of_line(self, span: Span) -> Span:
        line = self.source.lines[span.line - 1] if span.line <= len(self.source.lines) else ""
        content = re.sub(r"\s+#.*$", "", line).rstrip()
        return Span(span.line, span.col, max(len(content), span.col) + 1)

    def _inside(self, span: Span) -> Span:
        """Move a place past the last line to the end of the last line that has text."""
        if span.line <= len(self.source.lines) and self.source.lines[span.line - 1].strip():
            return span
        last = max((n for n, line in enumerate(self.source.lines, 1) if line.strip()), default=1)
        col = max(1, len(self.source.lines[last - 1].rstrip()))
        return Span(last, col, col + 1) if span.line > last else span

    def _report(self, code: str, span: Span, message: str, help: str | None = None) -> None:
        self.problems.append(self.source.diagnostic_at(code, span, message, help))


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
