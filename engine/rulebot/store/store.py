"""An open store, as what writes and reads it knows it."""

from sqlalchemy import Connection, Engine

from rulebot.store.place import Place

Head = tuple[int, str]


class Store:
    """An open store: where it is, and its engine. `sqlite.py` and `postgres.py` have those that can be written.

    is_put_back: a server's own tools have put it where it is, and nothing in it says so yet.
    """

    is_put_back = False

    def __init__(self, path: Place, engine: Engine) -> None:
        self.path = path
        self.engine = engine

    def check_in_place(self, head: Head) -> None:
        """Raise UnwrittenError when the file was deleted, replaced or overwritten while it was open.

        head: number and hash of the last record of ours.
        """

    def note_written(self) -> None:
        """Know what our own writing has made of the file."""

    def reconnected(self, lost: Connection) -> Connection | None:
        """Return another connection for one that was lost, None when it was not. Raises: StoreError, UnwrittenError."""
        return None

    def be_quick(self, connection: Connection, *, is_quick: bool) -> None:
        """Let a connection wait for no other program, or for a moment as before."""

    def make_room(self, connection: Connection) -> None:
        """Give back room on the disk, as far as that can be done."""

    def note_place(self) -> None:
        """Keep where a server's own tools have put it: that is known from now on. Raises: StoreError."""

    def close(self) -> None:
        """Close the store and let the next writer in."""
        self.engine.dispose()
