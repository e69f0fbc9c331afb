"""A bot's parameters on the page: as the file has them, as they are now, and what other values would change."""

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from fastapi import HTTPException

from rulebot.compile.build import build_plan
from rulebot.documents.parameter_overrides import kept_in, with_values
from rulebot.model.event import Request
from rulebot.model.values import dataclass
from rulebot.review.change.documents import compare
from rulebot.review.change.text import text_of
from rulebot.spec.load import Loaded, load_text
from rulebot.store.place import Place
from rulebot.store.queries import Run, StoreReader
from rulebot.store.requests import waiting_requests

WIDTH = 100
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
        run, kept = reader.run(), kept_in(reader)
    text, owed = run.specs.get(bot), _owed(run, waiting_requests(store), bot)
    if text is None or not text.get("text"):
        raise HTTPException(404, f"no bot '{bot[:60]}' runs, or ran last, on this store")
    if not values or any(len(value) > MOST_LETTERS for value in values.values()):
        raise HTTPException(422, f"values are owed, of at most {MOST_LETTERS} letters")
    known = {each.name for each in parameter_lines(text, kept, bot)}
    if unknown := sorted(values.keys() - known):
        said = f"; it has {', '.join(sorted(known))}" if known else ", and no other"
        raise HTTPException(422, f"{bot} has no parameter '{unknown[0][:60]}'{said}")
    before = _laid(_overrides(text), kept, bot, owed)
    after = _laid(before, with_values(kept, bot, owed.items()), bot, values)
    was, then = (_written(text, bot, each) for each in (before, after))
    problems = [each for each in then.diagnostics if each.is_error]
    if then.spec is not None:
        problems += build_plan(then.spec, then.source, with_warnings=False)[1]
    if problems:
        words = dict.fromkeys(f"{each.message}: {each.help}" if each.help else each.message for each in problems)
        raise HTTPException(422, "; ".join(words))
    meant = load_text(str(text["text"]), overrides=after)
    if _values(meant) != _values(then):
        raise HTTPException(422, "each value is one value, as a spec would write it")
    (found,) = compare([was], [then])
    asked = ", ".join(f"{name} {value or 'as in the file'}" for name, value in sorted(owed.items()))
    first = f"  Asked for before, and not taken up yet: {asked}\n\n" if asked else ""
    now = ", ".join(f"{name} {value}" for name, value in _values(load_text(str(text["text"]), overrides=before)))
    of = sha256(json.dumps([text["text"], sorted(before.items())]).encode()).hexdigest()[:16]
    return ParameterPreview(first + text_of(found, WIDTH), of, now)


def _owed(run: Run, waiting: Iterable[Mapping[str, Any]], bot: str) -> dict[str, str]:
    """Return what was asked for of a bot's parameters and is not taken up yet. waiting: what lies in the box."""
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
    """Return what stands over a file once these are set; "" takes back what an operator has kept."""
    taken_back = {name for name, value in values.items() if not value and f"{bot}.{name}" in kept}
    found = {name: value for name, value in over.items() if name not in taken_back}
    return found | {name: value for name, value in values.items() if value}


def _overrides(text: Mapping[str, Any]) -> dict[str, str]:
    return _texts(text.get("overrides"))


def _written(text: Mapping[str, Any], bot: str, overrides: Mapping[str, str]) -> Loaded:
    """Return a bot's text as if these values stood in it: so the difference follows them to what they reach."""
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
