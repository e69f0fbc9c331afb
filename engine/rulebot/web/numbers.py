"""Every number of a bot's text on its page: what another one would change, and writing it into the file.

The file is written as it is but for these numbers, so comments stay. The running engine then takes it up like any other
change of its files: by a reload, at a quiet point. It alone keeps the record of who changed what.
"""

import os
import threading
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from fastapi import HTTPException

from rulebot.compile.build import build_plan
from rulebot.model.errors import StoreError
from rulebot.model.event import Request
from rulebot.model.values import dataclass
from rulebot.operator.request_inbox import post
from rulebot.review.change.documents import compare
from rulebot.review.change.text import text_of
from rulebot.spec.diagnostic import Diagnostic
from rulebot.spec.edit import EditError, NumberLine, edited, numbers_of, same_text
from rulebot.spec.lineage import relative_to
from rulebot.spec.load import Loaded, load_text
from rulebot.spec.text import decode, read_bytes
from rulebot.spec.walk import read_source
from rulebot.spec.whole_file import write_whole
from rulebot.store.open import is_in_use
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader
from rulebot.web.answers import ChangedError, FieldsError, HelpfulError, NotFoundError, RequestAccepted

WIDTH = 100
_WRITING = threading.Lock()
"""Held from the last look at a file until it is written: of two who save at once the second is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What the page shows of a bot's text.

    of: names the content of the file; why: why nothing can be saved, "" if it can. notes: what else to know.
    """

    file: str
    lines: tuple[NumberLine, ...]
    of: str
    why: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberPreview:
    """What an edit would change, in words, and the content that the file would have. was: the numbers as they are."""

    text: str
    file: Path
    content: bytes
    was: Mapping[str, str]


def numbers_of_bot(text: Mapping[str, Any]) -> Numbers | None:
    """Return every number of a bot's file as it is now; None for a bot without one. text: as a store keeps it."""
    if not text.get("text") or not text.get("path"):
        return None
    name = str(text["path"])
    try:
        content = read_bytes(Path(name))
    except OSError as error:
        why = f"{name} cannot be read here ({error.strerror}): edit it where the engine reads it"
        return Numbers(file=name, lines=(), of="", why=why)
    source = read_source(content, name)
    notes = []
    parent = source.tree.get("extends") if isinstance(source.tree, dict) else None
    if parent is not None:
        notes.append(f"It extends {parent}, whose numbers stand in that file.")
    elif not same_text(content, name, str(text["text"])):
        notes.append("The file has changed since the engine read it: what you save is taken up with those changes.")
    return Numbers(
        file=name, lines=numbers_of(source), of=_digest(content), why=_unwritable(Path(name)), notes=tuple(notes)
    )


def look(store: Place, bot: str, of: str, edits: Mapping[str, str]) -> NumberPreview:
    """Return what other numbers would change, as `rulebot diff` says it of what runs. of: as the page was given it.

    Raises: HTTPException 404 for another bot, 409 for a file that is another by now, 422 with the message of each
    number that cannot stand there; StoreError.
    """
    with StoreReader(store) as reader:
        text = reader.run().specs.get(bot)
    if text is None or not text.get("text"):
        raise HTTPException(404, f"no bot '{bot[:60]}' runs, or ran last, on this store")
    file = Path(str(text["path"]))
    content = _content(file, of)
    was = {each.path: each.text for each in numbers_of(read_source(content, str(file)))}
    changed = {path: value for path, value in edits.items() if was.get(path) != value.strip()}
    if not changed:
        raise HTTPException(422, "no number is another one")
    try:
        after = edited(content, str(file), changed)
    except EditError as error:
        raise FieldsError({error.path: error.message}) from None
    overrides = {str(name): str(value) for name, value in dict(text.get("overrides") or {}).items()}
    then = load_text(decode(after, str(file))[0], str(file), overrides, read=relative_to(file))
    _refuse_problems(then, changed)
    before = load_text(str(text["text"]), str(file), overrides, read=relative_to(file))
    (found,) = compare([before], [then])
    words = "\n".join((text_of(found, WIDTH), *_new_warnings(before, then)))
    return NumberPreview(text=words, file=file, content=after, was={path: was[path] for path in changed})


def _new_warnings(before: Loaded, then: Loaded) -> list[str]:
    """Return what `rulebot validate` warns of once it is written, and does not now."""
    known, found = (
        [] if each.spec is None else [one for one in build_plan(each.spec, each.source)[1] if not one.is_error]
        for each in (before, then)
    )
    new = [each for each in found if each.message not in {one.message for one in known}]
    return [f"  warning: {each.message}{f' ({each.help})' if each.help else ''}" for each in new]


def save(store: Place, bot: str, of: str, edits: Mapping[str, str], by: str, identity: str) -> RequestAccepted:
    """Write other numbers into the file of a bot, and ask its engine to take it up. by: who asks, in words.

    Raises: as `look`; HTTPException 409 without an engine, and for a file that cannot be written; StoreError.
    """
    if not is_in_use(store):
        raise NotFoundError("no engine runs: there is nobody to take it up, or to keep on record who changed it")
    with _WRITING:
        looked = look(store, bot, of, edits)
        _content(looked.file, of)  # once more: comparing takes a moment
        try:
            write_whole(looked.file, looked.content)
        except OSError as error:
            text = f"{looked.file} cannot be written: {error.strerror or error}; nothing has changed"
            raise HelpfulError(
                409, text, "edit it where the folder of specs may be written, then 'rulebot reload'"
            ) from error
    told = {path: f"{looked.was[path]} -> {edits[path].strip()}" for path in looked.was}
    try:
        post(store, Request.RELOAD, bot, identity, edits=told, by=by)
    except StoreError as error:
        text = f"{looked.file} is written, and its engine could not be asked to take it up: {error.message}"
        raise HelpfulError(409, text, "'rulebot reload' asks it") from error
    message = f"{looked.file} is saved; {bot} is asked to take it up as soon as it has nothing in flight"
    return RequestAccepted(id=identity, message=message, engine_runs=True)


def _content(file: Path, of: str) -> bytes:
    """Return what a file holds, if it is what the page was made of. Raises: HTTPException 409."""
    try:
        content = read_bytes(file)
    except OSError as error:
        text = f"{file} cannot be read here: {error.strerror or error}"
        raise HelpfulError(409, text, "edit it where the engine reads it, then 'rulebot reload'") from error
    if _digest(content) != of:
        raise ChangedError(
            f"somebody has changed {file} since this page was made: load it again, and look at what is there"
        )
    return content


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()[:32]


def _unwritable(file: Path) -> str:
    """Return why a file cannot be written here, "" when it can: it is written whole beside itself first."""
    goal = file.resolve()
    if os.access(goal, os.W_OK) and os.access(goal.parent, os.W_OK):
        return ""
    return f"{file} cannot be written here: its folder is read-only for this program. Edit it where it may be written"


def _refuse_problems(loaded: Loaded, changed: Iterable[str]) -> None:
    """Refuse what `rulebot validate` refuses, each problem at its number. Raises: FieldsError."""
    problems = [each for each in loaded.diagnostics if each.is_error]
    if loaded.spec is not None:
        problems += [each for each in build_plan(loaded.spec, loaded.source)[1] if each.is_error]
    if not problems:
        return
    places = {each.path: each for each in numbers_of(loaded.source)}
    found: dict[str, str] = {}
    for problem in problems:
        path = _at_number(problem, [places[path] for path in changed if path in places]) or next(iter(changed))
        words = f"{problem.message}: {problem.help}" if problem.help else problem.message
        found[path] = f"{found[path]}; {words}" if path in found else words
    raise FieldsError(found)


def _at_number(problem: Diagnostic, lines: Iterable[NumberLine]) -> str:
    """Return the path of the changed number that stands on the line of a problem, "" where none does."""
    return next((each.path for each in lines if each.line == problem.line), "")
