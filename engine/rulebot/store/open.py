"""Open a store: one writer that keeps others out, any number of read-only readers.

What is not a sound store of this version is refused with a sentence that says what to do, never repaired.
"""

from rulebot.store.place import Place, Server
from rulebot.store.sqlite import file_is_in_use, open_file, read_file
from rulebot.store.store import Store


def open_store(place: Place) -> Store:
    """Open a store for writing; create it when there is none.

    Raises: StoreError when another engine has it, or the file, folder or server is not fit for it.
    """
    if isinstance(place, Server):
        from rulebot.store.postgres import open_server

        return open_server(place)
    return open_file(place)


def read_store(place: Place) -> Store:
    """Open a store that exists, read-only; a running engine is not disturbed. Raises: StoreError."""
    if isinstance(place, Server):
        from rulebot.store.postgres import read_server

        return read_server(place)
    return read_file(place)


def is_in_use(place: Place) -> bool:
    """Say whether an engine has the store open now. Raises: StoreError when a server cannot be asked."""
    if isinstance(place, Server):
        from rulebot.store.postgres import server_is_in_use

        return server_is_in_use(place)
    return file_is_in_use(place)


def is_there(place: Place) -> bool:
    """Say whether there is a store to be read. Raises: StoreError when a server cannot be asked."""
    if isinstance(place, Server):
        from rulebot.store.postgres import server_has_store

        return server_has_store(place)
    return place.is_file() and place.stat().st_size > 0
