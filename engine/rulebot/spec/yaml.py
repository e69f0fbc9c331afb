"""YAML to a plain tree with the place of every key and value; clever YAML features are refused.

Works on the parser's events, not on its nodes: limits then hold while the text is read, and nothing recurses.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import StringMark, YAMLError
from ruamel.yaml.events import ScalarEvent
from ruamel.yaml.parser import Parser
from ruamel.yaml.reader import Reader
from ruamel.yaml.scanner import Scanner
from ruamel.yaml.tokens import ScalarToken

from rulebot.spec.diagnostic import Diagnostic, Span
from rulebot.spec.nouns import Path
from rulebot.spec.source import UNSEEN, Plain, Source, decode

# --- What the YAML scanner complains of, in the words of a spec's author


class Complaint(NamedTuple):
    """A syntax error: what is wrong, what to do, and where."""

    code: str
    message: str
    help: str | None
    span: Span


NO_COLON = "a key without ':'"
_NO_KEY = "a ':' is where no key can be"
_CONFLICT = re.compile(r"(?:<{7}|>{7})(?= |$)|={7}$")
_OPENS = re.compile(r"""[ -]*(?:[A-Za-z_]\w*: +)?(["'])""")
_JOINED = re.compile(r"[ -]*([A-Za-z_]\w*):((?:\u00a0|[^\s:]).*)$")
_BAD_START = re.compile(r"found character '(.*)' that cannot start any token", re.DOTALL)


def complaint(error: Any, lines: Sequence[str]) -> Complaint:
    """Return a scanner's or parser's error in a text of these lines, reworded."""
    if (conflict := _conflict(lines)) is not None:
        return conflict
    found = _reworded(error)
    line = lines[found.span.line - 1] if found.span.line <= len(lines) else ""
    if (tab := _tab_between_words(getattr(error, "problem_mark", None), lines)) is not None:
        return Complaint("RB104", "there is a tab between words", "write a space, or put the text in quotes", tab)
    if found.code == "RB104" and line[: found.span.col - 1].strip(" -\t"):
        return found._replace(message="there is a tab between words", help="write a space, or put the text in quotes")
    if found.message == NO_COLON:
        return _without_space(found, line)
    return _unclosed(found, lines) or _look_alike(found, lines) or _key_of_value(found, lines) or found


def _conflict(lines: Sequence[str]) -> Complaint | None:
    """Return the complaint of the first git conflict marker."""
    for number, line in enumerate(lines, 1):
        if (mark := _CONFLICT.match(line)) is not None:
            help = "keep what is meant of both sides, and remove the lines of '<', '=' and '>'"
            return Complaint("RB103", "git left a conflict of two texts here", help, Span(number, 1, mark.end() + 1))
    return None


def _unclosed(found: Complaint, lines: Sequence[str]) -> Complaint | None:
    """Return the complaint of a quote that one further down closed, right before what the parser complains of."""
    quote = lines[found.span.line - 1][: found.span.col - 1][-1:] if found.span.line <= len(lines) else ""
    for number in range(found.span.line - 1, 0, -1) if quote in ("'", '"') else ():
        line = lines[number - 1]
        if quote not in line:
            continue
        opens = _OPENS.match(line)
        if opens is None or opens[1] != quote or quote in line[opens.end() :]:
            return None
        span = Span(number, opens.end(), opens.end() + 1)
        return Complaint("RB103", "a quoted text is not closed", "add the closing quote", span)
    return None


def _tab_between_words(mark: Any, lines: Sequence[str]) -> Span | None:
    """Return the tab right before what the parser complains of: in braces it ends the word before it."""
    line = lines[mark.line] if mark is not None and mark.line < len(lines) else ""
    at = mark.column - 1 if line else 0
    if line[at : at + 1] != "\t" or not line[:at].strip(" -\t") or line[:at].rstrip()[-1] in ",:[{":
        return None
    return Span(mark.line + 1, at + 1, at + 2)


def _look_alike(found: Complaint, lines: Sequence[str]) -> Complaint | None:
    """Return the complaint of a dash or blank that only looks like YAML's, where it caused the error.

    It is at the beginning of the line of the complaint, or of a line above it in the same block.
    """
    from rulebot.spec.scalar import DASHES, ODD_BEGIN  # only what is wrong needs it

    for number in range(min(found.span.line, len(lines)), 0, -1):
        line = lines[number - 1]
        if (odd := ODD_BEGIN.match(line)) is not None:
            span = Span(number, odd.start(1) + 1, odd.start(1) + 2)
            if odd[1] in DASHES:
                message = f"'{odd[1]}' is no hyphen: nothing begins with it"
                return Complaint("RB103", message, "an item of a list begins with the hyphen, '- '", span)
            return Complaint("RB103", "there is a no-break space here", "write a space in its place", span)
        if number < found.span.line and line.strip() and len(line) - len(line.lstrip()) < found.span.col - 1:
            return None
    return None


def _without_space(found: Complaint, line: str) -> Complaint:
    """Return the complaint of a key whose colon lacks a space, as the author sees it."""
    if (place := line.find("\u00a0")) >= 0:
        span = Span(found.span.line, place + 1, place + 2)
        return found._replace(message="there is a no-break space here", help="write a space in its place", span=span)
    if (joined := _JOINED.match(line)) is not None:
        key, value = joined.groups()
        message = f"behind '{key}:' a space is missing"
        return found._replace(
            message=message, help=f"write '{key}: {value if len(value) <= 40 else f'{value[:37]}...'}'"
        )
    return found


def _key_of_value(found: Complaint, lines: Sequence[str]) -> Complaint | None:
    """Return the complaint of a key whose colon lacks its space, here or a line above."""
    for number in (found.span.line, found.span.line - 1) if found.message == _NO_KEY else ():
        line = lines[number - 1] if 0 < number <= len(lines) else ""
        if (joined := _JOINED.match(line)) is not None:
            at = joined.start(1)
            return _without_space(found._replace(span=Span(number, at + 1, at + 2)), line)
    return None


def _reworded(error: Any) -> Complaint:
    problem = str(getattr(error, "problem", None) or error)
    here = _span(getattr(error, "problem_mark", None))
    began = _span(getattr(error, "context_mark", None) or getattr(error, "problem_mark", None))
    if (bad := _BAD_START.search(problem)) is not None:
        return _bad_start(bad.group(1), here)
    for words, message, help, at_start in _REWORDED:
        if words in problem:
            return Complaint("RB103", message, help, began if at_start else here)
    return Complaint("RB103", f"this is not YAML: {problem.splitlines()[0]}", None, here)


def _bad_start(letter: str, here: Span) -> Complaint:
    if letter in ("\\t", "\t"):
        return Complaint("RB104", "there is a tab where spaces indent", "indent with two spaces", here)
    help = "a percentage is written 50%" if letter == "%" else f'put it in quotes: "{letter}..."'
    return Complaint("RB103", f"a value cannot begin with '{letter}'", help, here)


def _span(mark: Any) -> Span:
    if mark is None:
        return Span(1, 1, 2)
    return Span(mark.line + 1, mark.column + 1, mark.column + 2)


_REWORDED = (
    (
        "mapping values are not allowed here",
        _NO_KEY,
        "check the indentation of this line and of the one above, or put the value in quotes",
        False,
    ),
    ("found unexpected end of stream", "a quoted text is not closed", "add the closing quote", True),
    ("found unexpected document separator", "a quoted text is not closed", "add the closing quote", True),
    ("expected ',' or ']'", "a '[' is not closed, or a ',' or a quote is missing", "close the list with ']'", True),
    ("expected ',' or '}'", "a '{' is not closed, or a ',' or a quote is missing", "close the mapping with '}'", True),
    ("expected <block end>", "this does not fit the lines around it", "check its indentation and brackets", False),
    ("could not find expected ':'", NO_COLON, "write 'key: value'", True),
    ("found unknown escape character", "no such escape in a double-quoted text", "use single quotes", False),
    ("expected alphabetic or numeric character", "anchors and aliases are not part of the language", None, False),
    ("sequence entries are not allowed here", "a list cannot begin here", "put '- ' on a new line", False),
    ("expected '<document start>'", "the line above this is no key", "begin it with '#' if it is a comment", False),
    ("found a tab character", "there is a tab where spaces indent", "indent with two spaces", False),
)


# --- A text to the events of ruamel's own parser, with the looks between its parts taken once

_END = r"\n\0\r\x85\u2028\u2029"
_BLANK = re.compile(rf" *(?:#[^{_END}]*)?")
_BLANK_IN_FLOW = re.compile(rf"[ \t]*(?:#[^{_END}]*)?")
_PLAIN = re.compile(rf"(?:[^: \t{_END}]|:(?![ \t{_END}]))*")
_PLAIN_IN_FLOW = re.compile(rf"(?:[^:,\[\]{{}} \t{_END}]|:(?![ \t{_END}]))*")


class _Mark(StringMark):
    __slots__ = ()

    def __init__(self, name: Any, index: int, line: int, column: int, buffer: Any, pointer: Any) -> None:
        self.name = name
        self.index = index
        self.line = line
        self.column = column
        self.buffer = buffer
        self.pointer = pointer


class _Reader(Reader):
    """Of a text, which is there as a whole, with a zero behind its end."""

    def forward(self, length: int = 1) -> None:
        end = self.pointer + length
        passed = self.buffer[self.pointer : end]
        if end + 1 >= len(self.buffer) or "\n" in passed or "\r" in passed or "\ufeff" in passed:
            super().forward(length)
        else:
            self.pointer = end
            self.index += length
            self.column += length

    def get_mark(self) -> Any:
        return _Mark(self.name, self.index, self.line, self.column, self.buffer, self.pointer)

    def past(self, stretch: re.Pattern[str]) -> str:
        """Go past what matches here, and return it."""
        found = stretch.match(self.buffer, self.pointer)
        passed = found[0] if found else ""
        if passed:
            self.forward(len(passed))
        return passed


class _Scanner(Scanner):
    reader: Any = None

    def __init__(self, loader: Any) -> None:
        self.reader = loader.reader
        super().__init__(loader=loader)

    def check_token(self, *choices: Any) -> bool:
        if self.possible_simple_keys or not self.tokens:
            while self.need_more_tokens():
                self.fetch_more_tokens()
        return bool(self.tokens) and (not choices or isinstance(self.tokens[0], choices))

    def need_more_tokens(self) -> bool:
        if self.done:
            return False
        if not self.tokens:
            return True
        return bool(self.possible_simple_keys) and bool(super().need_more_tokens())

    def scan_to_next_token(self) -> None:
        if self.reader.index == 0 and self.reader.peek() == "\ufeff":
            self.reader.forward()
        blank = _BLANK_IN_FLOW if self.flow_context else _BLANK
        self.reader.past(blank)
        while self.scan_line_break():
            if not self.flow_context:
                self.allow_simple_key = True
            self.reader.past(blank)

    def scan_plain(self) -> Any:
        if self.scanner_processing_version == (1, 1):
            return super().scan_plain()
        reader = self.reader
        plain = _PLAIN_IN_FLOW if self.flow_context else _PLAIN
        begins = ends = reader.get_mark()
        least = self.indent + 1
        parts: list[str] = []
        spaces: list[str] = []
        while reader.peek() != "#" and (part := reader.past(plain)):
            self.allow_simple_key = False
            parts += [*spaces, part]
            ends = reader.get_mark()
            spaces = self.scan_plain_spaces(least, begins)
            if not spaces or (not self.flow_context and reader.column < least):
                break
        return ScalarToken("".join(parts), True, begins, ends)


class _Parser(Parser):
    scanner: Any = None
    resolver: Any = None

    def __init__(self, loader: Any) -> None:
        self.scanner = loader.scanner
        self.resolver = loader.resolver
        super().__init__(loader=loader)

    def parse_node(self, block: bool = False, indentless_sequence: bool = False) -> Any:
        if not self.scanner.check_token(ScalarToken):
            return super().parse_node(block, indentless_sequence)
        scalar = self.scanner.get_token()  # what most nodes are: without anchor and tag
        self.state = self.states.pop()
        implicit = (True, False) if scalar.plain else (False, True)
        return ScalarEvent(None, None, implicit, scalar.value, scalar.start_mark, scalar.end_mark, scalar.style)


def events(text: str) -> Iterator[Any]:
    """Yield the parser's events. Raises: YAMLError, while they are read."""
    yaml = YAML(typ="safe", pure=True, plug_ins=[])
    yaml.Reader, yaml.Scanner, yaml.Parser = _Reader, _Scanner, _Parser
    return iter(yaml.parse(text))


# --- YAML to a plain tree with the place of every key and value

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
            self._report("RB102", span, f"an escape is U+{ord(unseen.group()):04X}, an invisible character")
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
            help = f"it is at {first.line}:{first.col} already; keep one of the two"
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
