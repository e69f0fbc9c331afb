"""Parameters that an operator has set for one bot: kept in the store, and laid over the files at each start.

What is kept goes by bot and name, `put_lite.delta`. A flag of the command line goes before it, for one bot or for all.
"""

import logging
from collections.abc import Container, Iterable, Mapping

from rulebot.documents.load_bots import LoadedBots
from rulebot.documents.reload_specs import reread
from rulebot.model.errors import MisuseError
from rulebot.record.record import Kind
from rulebot.spec.parameters import of_bot
from rulebot.store.open import is_there
from rulebot.store.place import Place, Server
from rulebot.store.queries import StoreReader

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
