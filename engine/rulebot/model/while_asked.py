"""A setting of the whole process that several runs may ask for at once, as threads do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class SharedFlag:
    """A setting that the first to ask makes and the last to end puts back. make: returns what puts it back."""

    def __init__(self, make: Callable[[], Callable[[], None]]) -> None:
        self._make = make
        self._asking: set[object] = set()
        self._put_back: Callable[[], None] = lambda: None

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Ask for the setting until the end of the block."""
        asks = object()
        if not self._asking:
            self._put_back = self._make()
        self._asking.add(asks)
        try:
            yield
        finally:
            self._asking.discard(asks)
            if not self._asking:
                self._put_back()
