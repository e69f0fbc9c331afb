"""XML of a stranger, read safely: no document type, no entity, nothing fetched, bounded in size and depth.

What a Flex file says is in attributes alone, so elements come out as they begin, and no tree is built.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.parsers import expat

from rulebot.model.errors import MisuseError, StoreError

MOST_BYTES = 64 * 1024 * 1024
MOST_DEPTH = 32

Begin = Callable[[tuple[str, ...], str, Mapping[str, str], int], None]
"""Is told the names of the elements around it, its own name, its attributes and its line."""


def read_elements(path: Path, begin: Begin) -> None:
    """Tell `begin` of each element of a file, in order. Raises: MisuseError for what is no such XML; StoreError."""
    text = _bytes(path)
    parser = expat.ParserCreate()
    around: list[str] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(around) >= MOST_DEPTH:
            raise MisuseError(f"{path}:{parser.CurrentLineNumber}: elements are nested deeper than {MOST_DEPTH}")
        begin(tuple(around), name, attributes, parser.CurrentLineNumber)
        around.append(name)

    def refuse(*_: Any) -> None:
        raise MisuseError(f"{path}:{parser.CurrentLineNumber}: it declares a document type, which a statement has not")

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: around.pop()
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise MisuseError(f"{path}:{error.lineno}: this is no XML: {expat.ErrorString(error.code)}") from error
    except (LookupError, UnicodeError, ValueError) as error:
        raise MisuseError(f"{path}: its encoding cannot be read") from error


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error
    if len(text) > MOST_BYTES:
        raise MisuseError(f"{path} is larger than {MOST_BYTES // 1024 // 1024} MB", "ask for fewer days in one file")
    return text
