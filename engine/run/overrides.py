"""Parameters that an operator has set for one bot: kept in the store, and laid over the files at each start.

Overrides go by name: `delta` is that parameter of every bot which has it, `put_lite.delta` that of one. A flag of the
command line goes before what was kept.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace

from engine.record.record import Kind
from engine.run.desk import Desk, Sources
from engine.run.reread import reread
from engine.store.open import is_there
from engine.store.place import Place, Server
from engine.store.queries import StoreReader

log = logging.getLogger("rulebot.run")


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


def laid_over(sources: Sources, was: Mapping[str, str], now: Mapping[str, str]) -> Sources:
    """Return where a desk is read from, with other overrides of operators than before."""
    others = {name: text for name, text in sources.overrides.items() if name not in was}
    return replace(sources, overrides={**others, **now})


def with_kept(desk: Desk, store: Place) -> Desk:
    """Return a desk with what is kept in the store of its run laid over its files. Raises: SpecError, StoreError.

    What no longer fits, since a bot or a parameter is gone, is left out and said.
    """
    there = is_there(store) if isinstance(store, Server) else store.is_file()
    if desk.sources is None or not there:
        return desk
    with StoreReader(store) as reader:
        kept = kept_in(reader)
    fits = {name: text for name, text in kept.items() if _fits(desk, name)}
    for name in kept.keys() - fits.keys():
        log.warning("%s, set by an operator, is left out: no bot that runs has that parameter", name)
    if not fits:
        return desk
    log.warning("set by an operator: %s", ", ".join(f"{name} {text}" for name, text in sorted(fits.items())))
    sources = replace(desk.sources, overrides={**fits, **desk.sources.overrides})
    return replace(reread(sources), kept=fits)


def _fits(desk: Desk, name: str) -> bool:
    bot, _, parameter = name.partition(".")
    return bot in desk.bots and parameter in desk.bots[bot].plan.parameters
