"""The text that a new spec begins with: with a comment on every part, or another spec's under a new name."""

import os
import re
from pathlib import Path as File

from rulebot.spec.resolved import is_alone, resolved_text
from rulebot.spec.source import Source

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
    """Return the line by which editors find the schema, "" when no `schemas/` stands in a folder above `file`."""
    folder = file.parent.resolve()
    for above in (folder, *folder.parents):
        if (above / _SCHEMA).is_file():
            way = os.path.relpath(above / _SCHEMA, folder)
            return f"# yaml-language-server: $schema={File(way).as_posix()}\n"
        if (above / ".git").exists():
            break
    return ""
