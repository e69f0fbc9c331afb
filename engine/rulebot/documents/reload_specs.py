"""The files of a run, read again: what would change, told before anything does.

The command and the engine both come here, so that what the one shows is what the other does.
"""

import os
from collections.abc import Mapping
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import Any

from rulebot.core.program import BUILT_IN
from rulebot.documents.load_bots import LoadedBots, SpecSources, SpecText, check_overrides, load_desk
from rulebot.model.errors import MisuseError, SpecError, StoreError
from rulebot.record.codec import encode
from rulebot.record.record import Json
from rulebot.review.account import rule_words
from rulebot.spec.files import NoSuchFiles, find_files


def reread(sources: SpecSources, kept: Mapping[str, str] | None = None) -> LoadedBots:
    """Read and compile the files of a run again. A path that is not there any more is a spec that was removed.

    kept: what operators have set, by `BOT.NAME`.

    Raises: SpecError with every problem; MisuseError when nothing is left to be run; NoSuchFiles for a path at which
    something else stands; StoreError.
    """
    try:
        with chdir(sources.folder):
            paths = [path for path in sources.paths if is_named(path, _IF_TO_GO)]
            if not paths:
                raise MisuseError(
                    "none of the files of this run is there any more",
                    "'rulebot stop' ends it, 'rulebot pause' holds it",
                )
            if sources.account is not None and not sources.account.is_file():
                raise SpecError(f"the account document {sources.account} is not there any more")
            desk = load_desk(paths, sources.overrides, sources.account, kept)
    except OSError as error:
        raise StoreError(f"{sources.folder} cannot be entered: {error.strerror}") from error
    check_overrides(desk, sources.overrides)
    return replace(desk, sources=sources)


_IF_TO_GO = "take it away, too, if its bots are to go"


def is_named(path: str, help: str | None = None) -> bool:
    """Say whether a path leads to documents. Raises: NoSuchFiles, with this help, where something else stands there."""
    try:
        return bool(find_files([path]))
    except NoSuchFiles as error:
        if os.path.lexists(path):
            raise NoSuchFiles(error.message, error.help or help) from error
        return False


# ---------------------------------------------------------------- limits and sources, as records keep them


def told_limits(desk: LoadedBots) -> Json:
    """Return the limits over all bots as a record keeps them, None without an account document."""
    if desk.account is None:
        return None
    told = encode(desk.limits())
    assert isinstance(told, dict)
    rules = "; ".join(f"{rule.name}: {rule_words(rule)}" for rule in desk.require)
    return {**told, "require": rules} if rules else told


def limit_words(was: Json, now: Json) -> tuple[str, ...]:
    """Return which limits change, `max_open 3 to 2`; from and to those of no account document."""
    before, after = _limits(was), _limits(now)
    return tuple(
        f"{name} {_shown(before.get(name))} to {_shown(after.get(name))}"
        for name in dict.fromkeys((*before, *after))
        if name != "is_built_in" and before.get(name) != after.get(name)
    )


def _limits(told: Json) -> Mapping[str, Json]:
    found = encode(BUILT_IN) if told is None else told
    assert isinstance(found, dict)
    return found


def _shown(limit: Json) -> str:
    if isinstance(limit, Mapping):
        return " ".join(str(part) for part in limit.values())
    return "none" if limit is None else str(limit).lower() if isinstance(limit, bool) else str(limit)


def told_sources(desk: LoadedBots) -> Json:
    """Return where a desk was read from, as a record keeps it."""
    found = desk.sources
    if found is None:
        return None
    return {
        "paths": list(found.paths),
        "overrides": dict(found.overrides),
        "account": None if found.account is None else str(found.account),
        "folder": str(found.folder),
    }


def sources_of(told: Any) -> SpecSources | None:
    """Return what `told_sources` made, None when there is nothing."""
    if not told:
        return None
    account = told["account"]
    return SpecSources(
        paths=tuple(told["paths"]),
        overrides=dict(told["overrides"]),
        account=None if account is None else Path(account),
        folder=Path(told["folder"]),
    )


def told_specs(desk: LoadedBots) -> dict[str, Json]:
    """Return the texts of all bots as a record keeps them."""
    return {text.name: told_text(text) for text in desk.texts}


def told_text(text: SpecText) -> dict[str, Json]:
    """Return one text as a record keeps it under its bot's name."""
    return {"digest": text.digest, "path": text.file, "text": text.text, "overrides": dict(text.overrides)}


def told_desk(desk: LoadedBots) -> dict[str, Json]:
    """Return all that a desk is compiled from, as a recording keeps it."""
    return {"specs": told_specs(desk), "account": desk.account_text}


def digests_of(specs: Mapping[str, Any]) -> dict[str, str]:
    """Return the digests of what `told_specs` made."""
    return {name: str(found["digest"]) for name, found in specs.items()}
