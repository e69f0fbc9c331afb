"""What may go wrong, by whose fault it is. Plain values; the command line turns each into one line and an exit code."""

from collections.abc import Iterator
from contextlib import contextmanager


class RulebotError(Exception):
    """Any failure that is shown as one line. `exit_code`: 1 problems found, 2 misuse, 3 the world failed."""

    exit_code = 3

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.help = help

    @property
    def whole(self) -> str:
        """What went wrong and what to do, where there is one line for both."""
        return f"{self.message}; {self.help}" if self.help else self.message


class SpecError(RulebotError):
    """The author's fault: a document that cannot be used as written."""

    exit_code = 1


class MisuseError(RulebotError):
    """The caller's fault: a command, flag or variable that cannot be meant like that."""

    exit_code = 2


class BrokerError(RulebotError):
    """The world's fault: the broker, or the line to it."""


class UnansweredError(BrokerError):
    """The connection was lost, or no answer came in time: the next connection is asked again.

    was_connected: the gateway had let us in before.
    """

    def __init__(self, message: str, help: str | None = None, *, was_connected: bool = True) -> None:
        super().__init__(message, help)
        self.was_connected = was_connected


class IdInUseError(BrokerError):
    """Another program, or an older run of rulebot, is connected under our client id."""


class UnavailableError(BrokerError):
    """The broker has answered, and asked again says the same: it has no such contract, or does not let us have it.

    symbol: of what was asked for.
    """

    def __init__(self, symbol: str, message: str, help: str | None = None) -> None:
        super().__init__(message, help)
        self.symbol = symbol


class StoreError(RulebotError):
    """The world's fault: the database, a file or a folder."""


class LockedStoreError(StoreError):
    """Another program holds the store for the moment."""


class FullStoreError(StoreError):
    """The disk of the store is full."""


class UnwrittenError(StoreError):
    """The store accepts no more records: later events are not recorded.

    is_full: its disk is full.
    """

    def __init__(self, message: str, help: str | None = None, *, is_full: bool = False) -> None:
        super().__init__(message, help)
        self.is_full = is_full


class UnkeptError(StoreError):
    """The store did not write records of an opening order, and no journal keeps them."""


class InvariantError(RulebotError):
    """A defect of rulebot: an impossible state. Halt; never continue."""


def internal_error_text(error: Exception) -> str:
    """Return the text of an internal error; the caller logs its details."""
    return f"this program failed ({type(error).__name__}), and its log has the details"


def in_words(error: Exception) -> str:
    """Return an error's message, without the number and file name of an OSError."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


@contextmanager
def as_store_error(what: str, help: str | None = None) -> Iterator[None]:
    """Turn errors of a file into StoreError. what: such as `cannot read 'FILE'`. Raises: StoreError."""
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{what}: {unread(error)}", help) from error


def unread(error: OSError | UnicodeDecodeError) -> str:
    """Return the reason why a file could not be read as text, without its name."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return error.strerror or str(error)
