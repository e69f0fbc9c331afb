"""The texts of a recorded day: those that its run began with, and those that took over while it went on."""

import json
import zlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from engine.adapters.recorded.file import instant, read_frames
from engine.adapters.recorded.recording import Recording
from engine.record.codec import utc_time
from engine.run.desk import SpecText
from engine.run.resume import spec_texts


class Reign(NamedTuple):
    """From when on these texts ran, by bot: until those of the next reign took over."""

    since: datetime
    texts: Mapping[str, SpecText]


def reigns(recording: Recording) -> list[Reign]:
    """Return the texts of a recording, one reign after the other. Raises: StoreError."""
    return [_reign(utc_time(recording.head["at"]), recording.head), *_exchanged(recording)]


def _exchanged(recording: Recording) -> Iterator[Reign]:
    for file in recording.files:
        for frame in read_frames(file):
            for kind, micros, *what in json.loads(zlib.decompress(frame.ops)):
                if kind == "x":
                    yield _reign(instant(micros), what[0])


def _reign(since: datetime, told: Mapping[str, object]) -> Reign:
    return Reign(since, {text.name: text for text in spec_texts(told["specs"])})  # type: ignore[arg-type]


def known_texts(found: list[Reign]) -> dict[str, list[tuple[datetime, SpecText]]]:
    """Return for each bot that ran its texts, each with the instant from which on it was that one."""
    known: dict[str, list[tuple[datetime, SpecText]]] = {}
    for since, texts in found:
        for name, text in texts.items():
            mine = known.setdefault(name, [])
            if not mine or mine[-1][1].digest != text.digest:
                mine.append((since, text))
    return known
