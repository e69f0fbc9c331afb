"""Files that a start names and that are gone: the last run on its store may have taken them for removed bots."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rulebot.documents.load_bots import LoadedBots
from rulebot.documents.reload_specs import sources_of
from rulebot.model.counted import counted
from rulebot.spec.files import NoSuchFiles, find_files
from rulebot.store.open import is_there
from rulebot.store.place import Place, Server
from rulebot.store.queries import Run, StoreReader

log = logging.getLogger("rulebot.run")


def without_removed(desk: LoadedBots, paths: Sequence[str], gone: Sequence[str], store: Place | None) -> LoadedBots:
    """Return a desk, which was read without what is gone of these paths, as that of a run of all of them.

    So a start goes on as a reload has: a file that is gone is a bot that was removed.
    Raises: NoSuchFiles where the last run on `store` does not know of that, with what is open there; StoreError.
    """
    there = is_there(store) if isinstance(store, Server) else store is not None and store.is_file()
    if store is None or not there:
        find_files(gone)
        return desk
    with StoreReader(store) as reader:
        run, count = reader.run(), len(reader.view("open_positions"))
    if desk.sources is None or not _took_as_removed(run, gone, desk):
        _refuse(gone, count, store)
        return desk
    log.warning("%s: not there any more, and the last run on %s took its bots for removed", ", ".join(gone), store)
    return replace(desk, sources=replace(desk.sources, paths=tuple(paths)))


def _took_as_removed(run: Run, gone: Sequence[str], desk: LoadedBots) -> bool:
    """Say whether a run was given these paths and was to run no file at last that is gone, nor had limits that are."""
    sources = sources_of(run.started.data.get("sources")) if run.started is not None else None
    if sources is None or sources.folder != Path.cwd() or not {*gone} <= {*sources.paths}:
        return False
    is_limited = run.limits is not None and desk.account is None
    left = (told for name, told in run.specs.items() if name not in run.removing)
    return not is_limited and all(Path(str(told["path"])).exists() for told in left)


def _refuse(gone: Sequence[str], count: int, store: Place) -> None:
    try:
        find_files(gone)
    except NoSuchFiles as error:
        if not count:
            raise
        stand = "stands" if count == 1 else "stand"
        raise NoSuchFiles(
            f"{error.message}, and {counted(count, 'open position')} in {store} {stand} without an engine",
            "'--exits-only' watches them, each under the text that opened it; so does a start without that path",
        ) from error
