"""Files that a command writes where it is told to: never in the place of something else, as of a spec or a store."""

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from rulebot.model.errors import MisuseError


class Output(NamedTuple):
    """What a file of ours is, and how each begins, in lower case."""

    words: str
    begins: tuple[bytes, ...]


PAGE = Output("a page", (b"<!doctype html",))
XML = Output("an XML file", (b"<?xml", b"<flexqueryresponse"))
SAMPLES = Output("a table of samples", (b"entered,left,net",))
LEDGER = Output("a ledger", (b'{"kind":',))
MODEL = Output("a model", (b'{\n "rulebot_model"', b'{\r\n "rulebot_model"'))


def check_output(word: str, file: Path | None, what: Output, beside: Path | None = None) -> None:
    """Refuse to write into a file that is something else: it would be lost, or spoilt. Raises: MisuseError.

    beside: what the same command keeps, which need not be there yet.
    """
    if file is None:
        return
    if file == Path():
        raise MisuseError(f"{word} is an empty name", "is a variable of the shell empty?")
    is_other = beside is not None and file.resolve() == beside.resolve()
    with suppress(OSError):  # what cannot be read is told when it is written
        if file.is_file() and file.stat().st_size:
            with file.open("rb") as there:
                is_other |= not there.read(32).lower().startswith(what.begins)
    if is_other:
        message = f"{word} is {what.words}, and {file} is something else: it would be lost"
        raise MisuseError(message, f"name another {word}")
