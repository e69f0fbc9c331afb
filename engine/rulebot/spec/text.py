"""Bytes to text: UTF-8 only, of bounded size, with nothing in it that an eye cannot see.

A byte order mark at the start is tolerated, and line ends may be those of any system.
"""

import errno
import os
import re
import stat
from pathlib import Path as File

from rulebot.spec.diagnostic import Diagnostic, Severity

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
    message = f"the file is not UTF-8: byte 0x{content[start]:02x} stands here"
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
