"""The raw bytes that come from the gateway, frame by frame, with the account's id blotted out."""

import json
from collections.abc import Iterator
from typing import NamedTuple

LARGEST = 0xFFFFFF
"""Bytes of the largest frame that clients accept."""


class Frame(NamedTuple):
    """One message as it came, and which case was being asked about."""

    case: str
    payload: bytes

    @property
    def fields(self) -> list[str]:
        """The fields, as text."""
        return self.payload.decode("ascii", "replace").split("\0")[:-1]


class Tape:
    """Listens to a connection. It may begin between two pieces of a frame: then it waits for the next whole one."""

    def __init__(self, account: str) -> None:
        self._account = account.encode()
        self._blot = self._account[:2] + b"0" * (len(self._account) - 2)
        self._heard = bytearray()
        self.case = ""
        self.frames: list[Frame] = []
        self.sent: list[tuple[str, str]] = []

    def __call__(self, data: bytes) -> None:
        """Take what has come."""
        self._heard += data
        while len(self._heard) >= 4:
            length = int.from_bytes(self._heard[:4], "big")
            if not 0 < length <= LARGEST:
                self._heard.clear()
                return
            if len(self._heard) < 4 + length:
                return
            payload = bytes(self._heard[4 : 4 + length])
            del self._heard[: 4 + length]
            if self.case and payload.endswith(b"\0"):
                self.frames.append(Frame(self.case, payload.replace(self._account, self._blot)))

    def note(self, words: str) -> None:
        """Keep what was sent, in words."""
        self.sent.append((self.case, words))

    def lines(self) -> Iterator[str]:
        """Yield JSON Lines: what was sent in each case, then every frame as hexadecimal digits and as fields."""
        for case in dict.fromkeys([*(case for case, _ in self.sent), *(frame.case for frame in self.frames)]):
            for words in (words for named, words in self.sent if named == case):
                yield _line({"case": case, "sent": words})
            for frame in (each for each in self.frames if each.case == case):
                length = len(frame.payload).to_bytes(4, "big")
                yield _line({"case": case, "hex": (length + frame.payload).hex(), "fields": frame.fields})


def _line(document: dict[str, object]) -> str:
    return json.dumps(document, sort_keys=True)
