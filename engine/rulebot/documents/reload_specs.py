"""The files of a run, read again: what would change, told before anything does.

The command and the engine both come here, so that what the one shows is what the other does.
"""

import logging
import os
from collections.abc import Container, Iterable, Mapping
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import Any

from rulebot.core.program import BUILT_IN
from rulebot.documents.load_bots import LoadedBots, SpecSources, SpecText, check_overrides, load_desk
from rulebot.model.errors import MisuseError, SpecError, StoreError
from rulebot.record.codec import encode
from rulebot.record.record import Json, Kind
from rulebot.review.account import rule_words
from rulebot.spec.files import NoSuchFiles, find_files
from rulebot.spec.parameters import of_bot
from rulebot.store.place import Place, Server
from rulebot.store.queries import StoreReader
from rulebot.store.registry import is_there


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


# --- Parameters that an operator has set for one bot

log = logging.getLogger("rulebot.run")

SET = "RULEBOT_SET_"
"""What begins the names of environment variables that give a parameter its value."""
TAKEN_BACK = "'As in the file' on the page takes it back, and a '--set' at a start goes before it"
"""What to do about a value that is left out."""


def parameters_of(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that the environment gives. A variable that is set to nothing counts as not set.

    `RULEBOT_SET_TRADE_TIME` is that of each bot that has it, `RULEBOT_SET_SPY_PUT_SELLER__DELTA` that of one bot.
    """
    given = {name.removeprefix(SET).lower(): value for name, value in environ.items() if name.startswith(SET) and value}
    return {name.replace("__", ".", 1): value for name, value in given.items()}


def kept_in(reader: StoreReader) -> dict[str, str]:
    """Return what operators have set and not taken back, by `BOT.NAME`."""
    told = [record.data["kept"] for record in reader.records((Kind.RELOAD,)) if "kept" in record.data]
    found = told[-1] if told else {}
    assert isinstance(found, dict)
    return {name: str(text) for name, text in found.items()}


def with_values(kept: Mapping[str, str], bot: str, values: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return what is kept once an operator has set these; "" takes one back, so that the file counts again."""
    found = {**kept, **{f"{bot}.{name}": text for name, text in values}}
    return {name: text for name, text in found.items() if text}


def refuse_flagged(flags: Mapping[str, str], bot: str, values: Iterable[tuple[str, str]]) -> None:
    """Refuse other values of what the run's own `--set` gives: the next start would undo them. Raises: MisuseError."""
    given = of_bot(flags, bot)
    for name, text in values:
        if text and name in given:
            raise MisuseError(
                f"'--set' of this run gives {bot} its '{name}', {given[name]}, and goes before what an operator sets",
                "stop and start without it",
            )


def with_kept(desk: LoadedBots, store: Place) -> LoadedBots:
    """Return a desk with what is kept in the store of its run laid over its files. Raises: SpecError, StoreError.

    What no longer fits, since a bot or a parameter is gone or its text is another now, and what a flag goes before is
    left out and said.
    """
    there = is_there(store) if isinstance(store, Server) else store.is_file()
    if desk.sources is None or not there:
        return desk
    with StoreReader(store) as reader:
        kept = kept_in(reader)
    if not kept:
        return desk
    found = reread(desk.sources, kept)
    left_out = {name: words for name in sorted(kept) if (words := _left_out(desk, desk.sources.overrides, name))}
    for name, words in left_out.items():
        log.warning("%s, set by an operator, is left out: %s", name, words)
    for words in left_out_words(found):
        log.warning("a value is left out: %s; %s", words, TAKEN_BACK)
    if counts := [f"{name} {text}" for name, text in sorted(kept.items()) if name not in {*left_out, *found.left_out}]:
        log.warning("set by an operator: %s", ", ".join(counts))
    return found


def left_out_words(desk: LoadedBots, known: Container[str] = ()) -> list[str]:
    """Return what operators have set and does not fit the files, that aside which is `known`, and why not."""
    return [
        f"{name} {desk.kept[name]}, set by an operator, does not fit the file: {why}"
        for name, why in sorted(desk.left_out.items())
        if name not in known
    ]


def _left_out(desk: LoadedBots, flags: Mapping[str, str], name: str) -> str:
    """Return why what is kept does not count in a run, "" when it does."""
    bot, _, parameter = name.partition(".")
    if bot not in desk.bots or parameter not in desk.bots[bot].plan.parameters:
        return "no bot that runs has that parameter"
    return "a flag goes before it" if parameter in of_bot(flags, bot) else ""
