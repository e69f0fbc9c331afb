"""The numbers in a document, each with its place, and the text with other numbers in their places.

Nothing else of the text changes: comments, layout and quotes stay as they are.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path as File

from rulebot.model.values import dataclass
from rulebot.spec.load import is_alone, resolved_text
from rulebot.spec.nouns import Path
from rulebot.spec.source import Plain, Source, decode
from rulebot.spec.yaml import read_source

_NO_NUMBERS = ("rulebot", "name", "about", "extends", "accept")
"""Sections without a number that a person would change: the version, names, and codes of warnings."""
_NAMES = ("name", "file", "sha256")
_WORD = re.compile(r"\$?[a-z][a-z0-9_]*")
"""A word of the language, the name of a let or a leg, or a parameter that is used elsewhere."""
_BARE = re.compile(r"[-+]?\$?[A-Za-z0-9._%][A-Za-z0-9._%()]*( [-+*/()<>=$%A-Za-z0-9._]+)*")
"""What needs no quotes in a list or a mapping in braces."""
_MARK = b"\xef\xbb\xbf"
MOST_LETTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberLine:
    """A number, time, percentage or amount of a document. path: as `exits[1].target.profit`; line counts from 1.

    text: without quotes; around: its line.
    """

    path: str
    line: int
    text: str
    around: str


class EditError(ValueError):
    """An edit that cannot be made in the text. path: of the number, as in `NumberLine`."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path, self.message = path, message


def numbers_of(source: Source) -> tuple[NumberLine, ...]:
    """Return every number of a document's own text, from the top down; not those of documents that it extends."""
    found = [
        NumberLine(
            path=path_text(path),
            line=source.values[path].line,
            text=_shown(source, path, value),
            around=source.line(source.values[path].line).strip(),
        )
        for path, value in _leaves(source.tree)
        if _is_number(source, path, value)
    ]
    return tuple(sorted(found, key=lambda each: each.line))  # a stable sort: those of one line stay in their order


def path_text(path: Path) -> str:
    """Return `entry.when[0].vix.between[1]`."""
    words = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return words.removeprefix(".")


def edited(content: bytes, file: str, edits: Mapping[str, str]) -> bytes:
    """Return the content of a file with other numbers, by their paths.

    The new text must be one value, and nothing else in the document may change its meaning.
    Raises: EditError.
    """
    source = read_source(content, file)
    paths = {path_text(path): path for path, value in _leaves(source.tree) if _is_number(source, path, value)}
    lines = list(source.lines)
    for name in edits:
        if name not in paths:
            raise EditError(name, f"the text has no number at '{name[:100]}'")
    for name in sorted(
        edits, key=lambda each: _place(source, paths[each]), reverse=True
    ):  # no place moves before its turn
        span, value = source.values[paths[name]], _checked(name, edits[name])
        line = lines[span.line - 1]
        written = line[span.col - 1 : span.end_col - 1]
        lines[span.line - 1] = line[: span.col - 1] + _quoted(value, written) + line[span.end_col - 1 :]
    changed = _encoded("\n".join(lines), content)
    _check_others(source, read_source(changed, file), {paths[name]: name for name in edits})
    return changed


def _leaves(tree: Plain, path: Path = ()) -> Iterator[tuple[Path, Plain]]:
    members = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else None
    if members is None:
        yield path, tree
        return
    for key, member in members:
        yield from _leaves(member, (*path, key))


def _is_number(source: Source, path: Path, value: Plain) -> bool:
    span = source.values.get(path)
    if span is None or span.above or path[0] in _NO_NUMBERS or path[-1] in _NAMES:
        return False
    if isinstance(value, int | Decimal):
        return not isinstance(value, bool)
    is_on_one_line = source.written(path)[:1] not in ("|", ">", "")
    return isinstance(value, str) and any(map(str.isdigit, value)) and not _WORD.fullmatch(value) and is_on_one_line


def _shown(source: Source, path: Path, value: Plain) -> str:
    return value if isinstance(value, str) else source.written(path)


def _place(source: Source, path: Path) -> tuple[int, int]:
    span = source.values[path]
    return span.line, span.col


def _checked(name: str, value: str) -> str:
    value = value.strip()
    if not value or len(value) > MOST_LETTERS or not value.isprintable():
        raise EditError(name, f"a value of at most {MOST_LETTERS} letters in one line is expected")
    return value


def _quoted(value: str, was: str) -> str:
    """Return a value as written in place of another: in quotes where that had some, or it needs them."""
    if was.startswith("'"):
        return "'" + value.replace("'", "''") + "'"
    return json.dumps(value, ensure_ascii=False) if was.startswith('"') or not _BARE.fullmatch(value) else value


def _encoded(text: str, was: bytes) -> bytes:
    """Return the bytes of a text with the line ends and byte-order mark of the old file."""
    content = (text.replace("\n", "\r\n") if b"\r\n" in was else text).encode("utf-8")
    return _MARK + content if was.startswith(_MARK) else content


def _check_others(before: Source, after: Source, names: Mapping[Path, str]) -> None:
    """See that each edit is one value, and that all others are what they were. Raises: EditError."""
    was, now = dict(_leaves(before.tree)), dict(_leaves(after.tree))
    others = {path for path in was.keys() | now.keys() if was.get(path) != now.get(path)} - names.keys()
    broken = after.is_cut_short or was.keys() != now.keys() or bool(others)
    if broken:
        name = next(iter(names.values()))
        raise EditError(name, "each value is one value, as a spec would write it")


def same_text(content: bytes, file: str, text: str) -> bool:
    """Return whether a file's content is this text, with any line ends."""
    return decode(content, file)[0] == text


# --- The text that a new spec begins with

_BLANK = File(__file__).with_name("new_bot.yaml")
_SCHEMA = File("schemas", "strategy.schema.json")
_SCHEMA_LINE = re.compile(r"^# yaml-language-server:.*\n", re.MULTILINE)
_NAME_LINE = re.compile(r"^name:.*$", re.MULTILINE)


def template_text(file: File) -> str:
    """Return a small spec of the name of `file`, which says of every part what it is for."""
    text = _BLANK.read_text(encoding="utf-8")
    return schema_line(file) + _NAME_LINE.sub(f"name: {file.stem}", text, count=1)


def copied_spec_text(source: Source, file: File) -> str:
    """Return another spec's text under the name of `file`; one that needs files of another folder is written out."""
    if not is_alone(source) and File(source.file).parent.resolve() != file.parent.resolve():
        return schema_line(file) + _NAME_LINE.sub(f"name: {file.stem}", resolved_text(source), count=1)
    lines = list(source.lines)
    place = source.values["name",]
    line = lines[place.line - 1]
    lines[place.line - 1] = line[: place.col - 1] + file.stem + line[place.end_col - 1 :]
    return schema_line(file) + _SCHEMA_LINE.sub("", "\n".join(lines))


def schema_line(file: File) -> str:
    """Return the line by which editors find the schema, "" when no folder above `file` has `schemas/`."""
    folder = file.parent.resolve()
    for above in (folder, *folder.parents):
        if (above / _SCHEMA).is_file():
            way = os.path.relpath(above / _SCHEMA, folder)
            return f"# yaml-language-server: $schema={File(way).as_posix()}\n"
        if (above / ".git").exists():
            break
    return ""
