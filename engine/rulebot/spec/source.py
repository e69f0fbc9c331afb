"""Bytes to text: UTF-8 only, of bounded size, with nothing in it that an eye cannot see.

A byte order mark at the start is tolerated, and line ends may be those of any system.
"""

import errno
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import field
from decimal import Decimal
from enum import Enum
from pathlib import Path as File
from pathlib import PurePath

from rulebot.model.values import dataclass
from rulebot.spec.diagnostic import Diagnostic, Severity, Span, closest
from rulebot.spec.nouns import Path

MAX_BYTES = 256 * 1024
MAX_LINE = 2000
FOLDER = "folder"
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_KINDS = (
    (stat.S_ISDIR, FOLDER),
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
    (stat.S_ISSOCK, "socket"),
)

# C0 and C1 controls but tab and line feed, line and paragraph separators, direction marks, soft hyphens, joiners and
# fillers without a width, tags, stray BOM, surrogates.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u2028\u2029\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\uffa0\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)


def read_bytes(file: File) -> bytes:
    """Return the file's content, at most one byte more than is allowed. Raises: OSError, also for pipes and devices.

    A pipe might never end, and to open a device may do something: neither is opened.
    """
    _check_kind(file.stat(), file)
    with open(os.open(file, _FLAGS), "rb") as stream:
        _check_kind(os.fstat(stream.fileno()), file)  # it may have been exchanged since
        return stream.read(MAX_BYTES + 1)


def _check_kind(found: os.stat_result, file: File) -> None:
    if (what := other_kind(found.st_mode)) and what != FOLDER:
        raise OSError(errno.EINVAL, f"it is a {what}, not a file", str(file))


def other_kind(mode: int) -> str:
    """Return what a path is by its mode, "" of a regular file."""
    return next((words for is_kind, words in _KINDS if is_kind(mode)), "")


def decode(content: bytes, file: str) -> tuple[str, Diagnostic | None]:
    """Return the text with line feeds only, and what makes it unreadable, if anything does."""
    if len(content) > MAX_BYTES:
        return "", _at(file, 1, 1, "RB109", f"the file is larger than {MAX_BYTES // 1024} KiB")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in content[:2]:
        help = "save it as UTF-8"
        return "", _at(file, 1, 1, "RB101", "the file is UTF-16 or UTF-32, not UTF-8", help=help)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _one_line_end(content.decode("utf-8-sig", "replace")), _not_utf8(content, error.start, file)
    text = _one_line_end(text)
    return text, _unseen(text, file) or _too_long(text, file)


def _one_line_end(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _not_utf8(content: bytes, start: int, file: str) -> Diagnostic:
    before = _one_line_end(content[:start].decode("utf-8-sig", "replace"))
    line = before.count("\n") + 1
    col = len(before) - before.rfind("\n")
    message = f"the file is not UTF-8: it contains byte 0x{content[start]:02x}"
    return _at(file, line, col, "RB101", message, text=before[before.rfind("\n") + 1 :], help="save it as UTF-8")


def _unseen(text: str, file: str) -> Diagnostic | None:
    found = UNSEEN.search(text)
    if found is None:
        return None
    start = text.rfind("\n", 0, found.start()) + 1
    line = text.count("\n", 0, found.start()) + 1
    message = f"the control character U+{ord(found.group()):04X} cannot be seen: remove it"
    return _at(file, line, found.start() - start + 1, "RB102", message, text=text[start:].split("\n", 1)[0])


def _too_long(text: str, file: str) -> Diagnostic | None:
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > MAX_LINE:
            return _at(file, number, MAX_LINE + 1, "RB109", f"a line is longer than {MAX_LINE} characters")
    return None


def _at(
    file: str, line: int, col: int, code: str, message: str, *, text: str = "", help: str | None = None
) -> Diagnostic:
    return Diagnostic(
        file=file,
        line=line,
        col=col,
        end_col=col + 1,
        code=code,
        severity=Severity.ERROR,
        message=message,
        help=help,
        text=text[: MAX_LINE * 2],
    )


# --- A document's text with the place of every key and value in it

Plain = None | bool | int | Decimal | str | list["Plain"] | dict[str, "Plain"]
"""What a document says: texts, exact numbers, true and false, lists, mappings with text keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One document, and the problems of its syntax. `is_cut_short`: reading ended at one, `tree` is not the whole.

    `keys` and `values` lead from a path to the place of the key that ends it, and of its value. `spoiled` holds the
    paths whose value is already among the problems. above: the documents it extends, the nearest first; then `tree`
    is all of them merged, and every place names its document. symbols: those of the universe that the
    document names, empty when it names none. models: the text of each model file that it names.
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
        """Return the document that contains a place: this one, or one that it extends."""
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
        """Return the value at `path` as written in the text (its first line)."""
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
        """Return a diagnostic at the value at `path`, or at its key."""
        return self.diagnostic_at(code, self.span(path, key=at_key), message, help, severity)

    def diagnostic_at(
        self, code: str, span: Span, message: str, help: str | None = None, severity: str = "error"
    ) -> Diagnostic:
        """Return a diagnostic at a place of the text, or of that of a document above."""
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


# --- Which kind of document a tree is

VERSION = 1


class Kind(Enum):
    """A kind of document; the value is its version key."""

    STRATEGY = "rulebot"
    ACCOUNT = "rulebot_account"
    TEST = "rulebot_test"
    UNIVERSE = "rulebot_universe"


_MODEL_SOURCES = {"account": Kind.ACCOUNT, "live": Kind.ACCOUNT, "tests": Kind.TEST, "categories": Kind.UNIVERSE}
"""Keys that documents of one kind alone have."""


def kind_of_document(source: Source) -> tuple[Kind | None, tuple[Diagnostic, ...]]:
    """Return the kind of a document, and why it is not one that can be read."""
    tree = source.tree
    if not isinstance(tree, dict):
        help = "it begins with 'rulebot: 1'"
        return None, (source.diagnostic("RB120", (), "a document is a mapping of keys", help),)
    kinds = [key for key in tree if key in {kind.value for kind in Kind}]
    problems = tuple(_problems(source, tree, kinds))
    return (None, problems) if problems else (Kind(kinds[0]), ())


def _problems(source: Source, tree: dict[str, Plain], kinds: list[str]) -> Iterator[Diagnostic]:
    if not kinds:
        near = next((key for key in tree if closest(key, [kind.value for kind in Kind], 0.75)), None)
        meant = next((_MODEL_SOURCES[key] for key in tree if key in _MODEL_SOURCES), Kind.STRATEGY).value
        help = f"add '{meant}: {VERSION}'" if near is None else f"did you mean '{meant}: {VERSION}'?"
        yield source.diagnostic(
            "RB119", (near,) if near else (), "the document does not say its version", help, at_key=True
        )
    elif len(kinds) > 1:
        message = f"the document has two kinds: '{kinds[0]}' and '{kinds[1]}'"
        yield source.diagnostic("RB119", (kinds[1],), message, "keep one of the two", at_key=True)
    elif tree[kinds[0]] is True or tree[kinds[0]] != VERSION:
        message = f"this engine reads version {VERSION} of the language, is '{source.written((kinds[0],))}'"
        yield source.diagnostic("RB119", (kinds[0],), message, f"write '{kinds[0]}: {VERSION}'")
