"""One engine per account on one machine: a lock named by the account, whichever store and gateway an engine uses.

The system lets go of it when its process dies. Engines of other machines or other people of this one are not seen by
it: those are told by the names of their orders (`core/other_engines.py`).
"""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from rulebot.model.errors import StoreError, in_words
from rulebot.store.folders import give_to_owner, make_folder
from rulebot.store.place import Place, full_name

log = logging.getLogger("rulebot.store")

_PATIENCE = 0.3


@contextmanager
def hold_account(account: str, store: Place, folder: Path | None) -> Iterator[None]:
    """Keep other engines out of an account; `folder` None (a simulated account) keeps nobody out.

    Raises: StoreError when another engine has it. A folder that cannot be written is said, and nobody is kept out.
    """
    if folder is None:
        yield
        return
    place = folder / f"{re.sub(r'[^A-Za-z0-9]', '_', account)}.lock"
    lock = FileLock(place, thread_local=False)
    owner = place.with_suffix(".owner")
    try:
        make_folder(folder)
        lock.acquire(timeout=_PATIENCE)
        give_to_owner(place)
    except Timeout as error:
        raise StoreError(
            f"account {account} is traded by another engine of this machine{_named(owner)}",
            "one engine trades an account: stop that one, or give it these specs too",
        ) from error
    except OSError as error:
        log.warning(
            "%s cannot be locked (%s): another engine in account %s is not kept out", place, in_words(error), account
        )
        yield
        return
    try:
        with suppress(OSError):
            owner.write_text(f"process {os.getpid()}, store {full_name(store)}\n", encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            owner.unlink()
        lock.release()


def _named(owner: Path) -> str:
    try:
        return f" ({owner.read_text(encoding='utf-8').strip()})"
    except (OSError, UnicodeDecodeError):
        return ""
