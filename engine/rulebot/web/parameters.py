"""Every number of a bot's text on its page: what another one would change, and writing it into the file.

Only these numbers change in the file; comments stay. The running engine reloads it at a quiet point and keeps the
record of who changed what.
"""

import json
import os
import threading
from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from fastapi import HTTPException

from rulebot.compile.build import build_plan
from rulebot.documents.load_bots import kept_overrides, with_values
from rulebot.model.errors import StoreError
from rulebot.model.event import Request
from rulebot.model.values import dataclass
from rulebot.operator_requests.requests import post
from rulebot.review.change.compare import compare
from rulebot.review.change.text import text_of
from rulebot.spec.diagnostic import Diagnostic
from rulebot.spec.edit import EditError, NumberLine, edited, numbers_of, same_text
from rulebot.spec.extends import relative_to
from rulebot.spec.files import write_whole
from rulebot.spec.load import Loaded, load_text
from rulebot.spec.source import decode, read_bytes
from rulebot.spec.yaml import read_source
from rulebot.store.place import Place
from rulebot.store.queries import Run, StoreReader
from rulebot.store.registry import is_in_use
from rulebot.store.requests import waiting_requests
from rulebot.web.rest_models import ChangedError, FieldsError, HelpfulError, NotFoundError, RequestAccepted

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
        notes.append(f"It extends {parent}, whose numbers are in that file.")
    elif not same_text(content, name, str(text["text"])):
        notes.append("The file has changed since the engine read it: what you save is taken up with those changes.")
    return Numbers(
        file=name, lines=numbers_of(source), of=_digest(content), why=_unwritable(Path(name)), notes=tuple(notes)
    )


def look(store: Place, bot: str, of: str, edits: Mapping[str, str]) -> NumberPreview:
    """Return what other numbers would change, as `rulebot diff` describes it. of: digest of the file as it was shown.

    Raises: HTTPException 404 for another bot, 409 for a file that has changed, 422 with the message of each invalid
    number; StoreError.
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
        raise NotFoundError("no engine runs to apply it and to record who changed it")
    with _WRITING:
        looked = look(store, bot, of, edits)
        _content(looked.file, of)  # again: comparing takes a moment
        try:
            write_whole(looked.file, looked.content)
        except OSError as error:
            text = f"{looked.file} cannot be written: {error.strerror or error}; nothing has changed"
            raise HelpfulError(
                409, text, "edit it where the folder of specs may be written, then 'rulebot reload'"
            ) from error
    reported = {path: f"{looked.was[path]} -> {edits[path].strip()}" for path in looked.was}
    try:
        post(store, Request.RELOAD, bot, identity, edits=reported, by=by)
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
        raise ChangedError(f"{file} has changed since this page was made: load it again")
    return content


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()[:32]


def _unwritable(file: Path) -> str:
    """Return why a file cannot be written here, "" when it can: a whole copy is written beside it first."""
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
    """Return the path of the changed number on the line of a problem, "" where there is none."""
    return next((each.path for each in lines if each.line == problem.line), "")


# --- A bot's parameters on the page

MOST_LETTERS = 200
"""Letters of a value at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterLine:
    """One parameter. in_file: as the spec has it; now: as the bot runs; is_kept: since an operator has set it."""

    name: str
    in_file: str
    now: str
    is_kept: bool


def parameter_lines(text: Mapping[str, Any], kept: Mapping[str, str], bot: str) -> tuple[ParameterLine, ...]:
    """Return the parameters of a bot's text, as a store keeps it, with what operators have set."""
    if not text.get("text"):
        return ()
    bare, over = load_text(str(text["text"])), load_text(str(text["text"]), overrides=_overrides(text))
    if bare.spec is None or over.spec is None:
        return ()
    now = {each.name: each.text for each in over.spec.parameters}
    return tuple(
        ParameterLine(name=each.name, in_file=each.text, now=now[each.name], is_kept=f"{bot}.{each.name}" in kept)
        for each in bare.spec.parameters
    )


@dataclass(frozen=True, slots=True)
class ParameterPreview:
    """What other values would change, in words. of: names what they were held against; now: that, in words."""

    text: str
    of: str
    now: str


def preview(store: Place, bot: str, values: Mapping[str, str]) -> ParameterPreview:
    """Return what other values of a bot's parameters would change, as `rulebot diff` says it.

    They are held against those that it runs with, and against what was asked for before and is still to be taken up.
    Raises: HTTPException 404 for another bot, 422 for a parameter it has not, or a value that cannot be; StoreError.
    """
    with StoreReader(store) as reader:
        run, kept = reader.run(), kept_overrides(reader)
    text, outstanding = run.specs.get(bot), _outstanding(run, waiting_requests(store), bot)
    if text is None or not text.get("text"):
        raise HTTPException(404, f"no bot '{bot[:60]}' runs, or ran last, on this store")
    if not values or any(len(value) > MOST_LETTERS for value in values.values()):
        raise HTTPException(422, f"values are required, of at most {MOST_LETTERS} letters")
    _check_known(bot, {each.name for each in parameter_lines(text, kept, bot)}, values)
    before = _laid(_overrides(text), kept, bot, outstanding)
    after = _laid(before, with_values(kept, bot, outstanding.items()), bot, values)
    was, then = (_written(text, bot, each) for each in (before, after))
    _check_sound(then)
    meant = load_text(str(text["text"]), overrides=after)
    if _values(meant) != _values(then):
        raise HTTPException(422, "each value is one value, as a spec would write it")
    (found,) = compare([was], [then])
    asked = ", ".join(f"{name} {value or 'as in the file'}" for name, value in sorted(outstanding.items()))
    first = f"  Asked for before, and not taken up yet: {asked}\n\n" if asked else ""
    now = ", ".join(f"{name} {value}" for name, value in _values(load_text(str(text["text"]), overrides=before)))
    of = sha256(json.dumps([text["text"], sorted(before.items())]).encode()).hexdigest()[:16]
    return ParameterPreview(first + text_of(found, WIDTH), of, now)


def _check_known(bot: str, known: Collection[str], values: Mapping[str, str]) -> None:
    """Raise HTTPException 422 for a parameter that a bot has not."""
    if unknown := sorted(values.keys() - known):
        said = f"; it has {', '.join(sorted(known))}" if known else ", and no other"
        raise HTTPException(422, f"{bot} has no parameter '{unknown[0][:60]}'{said}")


def _check_sound(loaded: Loaded) -> None:
    """Raise HTTPException 422 for a spec with problems."""
    problems = [each for each in loaded.diagnostics if each.is_error]
    if loaded.spec is not None:
        problems += build_plan(loaded.spec, loaded.source, with_warnings=False)[1]
    if problems:
        words = dict.fromkeys(f"{each.message}: {each.help}" if each.help else each.message for each in problems)
        raise HTTPException(422, "; ".join(words))


def _outstanding(run: Run, waiting: Iterable[Mapping[str, Any]], bot: str) -> dict[str, str]:
    """Return requested values of a bot's parameters that are not applied yet. waiting: the requests in the box."""
    found: dict[str, str] = {}
    for data in (each.data for each in run.reloads):
        if data["what"] in ("applied", "nothing") or (data["what"] == "refused" and "id" not in data):
            found = {}
        elif data["what"] == "asked" and data.get("bot") == bot:
            found |= _texts(data.get("values"))
    for each in waiting:
        if (each.get("request"), each.get("bot")) == (Request.SET.value, bot):
            found |= _texts(each.get("values"))
    return found


def _texts(given: Any) -> dict[str, str]:
    return {str(name): str(value) for name, value in dict(given or {}).items()}


def _laid(over: Mapping[str, str], kept: Mapping[str, str], bot: str, values: Mapping[str, str]) -> dict[str, str]:
    taken_back = {name for name, value in values.items() if not value and f"{bot}.{name}" in kept}
    found = {name: value for name, value in over.items() if name not in taken_back}
    return found | {name: value for name, value in values.items() if value}


def _overrides(text: Mapping[str, Any]) -> dict[str, str]:
    return _texts(text.get("overrides"))


def _written(text: Mapping[str, Any], bot: str, overrides: Mapping[str, str]) -> Loaded:
    """Return a bot's spec with these values in it, so that the difference includes what they reach."""
    whole, label = str(text["text"]), str(text.get("path") or bot)
    source = load_text(whole, label).source
    lines = list(source.lines)
    for span, value in sorted(
        ((source.span(("parameters", name)), value) for name, value in overrides.items()),
        key=lambda each: (each[0].line, each[0].col),
        reverse=True,  # from the end, so that no place moves before it is used
    ):
        line = lines[span.line - 1]
        lines[span.line - 1] = line[: span.col - 1] + value + line[span.end_col - 1 :]
    return load_text("\n".join(lines), label)


def _values(loaded: Loaded) -> list[tuple[str, str]]:
    return [] if loaded.spec is None else [(each.name, each.text) for each in loaded.spec.parameters]
