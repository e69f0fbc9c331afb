"""Which of several recordings of one day count.

Of one engine they follow each other, and each counts until the next one begins. Of several (stores of their own, or
simulated days run anew) they lie over each other. What lies within another one has nothing that the other has not, and
may have stopped, or still be written: it does not count.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from rulebot.adapters.history.day import Finding
from rulebot.adapters.history.finding import finding_text
from rulebot.adapters.recorded.file import instant, span
from rulebot.model.errors import StoreError
from rulebot.model.session import EXCHANGE_ZONE, Session

APART = 60.0
"""Seconds for which one goes on after the next has begun that are told: a clock that was set back makes less."""

_Span = tuple[datetime, datetime]


class SessionCount(NamedTuple):
    """The recordings of a day that count, in the order of their beginning, and what is to be told of the others."""

    files: Sequence[Path]
    findings: tuple[Finding, ...]


def counting(files: Sequence[Path], session: Session | None) -> SessionCount:
    """Return which of a day's recordings count, given in the order of their beginning.

    What cannot be read, or has nothing of the session, is kept: it is told where it is read, or has what came before.
    """
    if session is None or len(files) < 2:
        return SessionCount(files, ())
    spans = {file: found for file in files if (found := _within(file, session)) is not None}
    beside = {file: other for file in spans if (other := _around(file, spans)) is not None}
    kept = [file for file in files if file not in beside]
    findings = [
        finding_text(
            str(file), 0, f"{_times(spans[file])} is in {other} as well, which counts, and nothing of this one"
        )
        for file, other in beside.items()
    ]
    return SessionCount(kept, (*findings, *_mixed([(file, spans[file]) for file in kept if file in spans])))


def _within(file: Path, session: Session) -> _Span | None:
    """Return from when to when a recording has the session, None where it has nothing of it."""
    with suppress(StoreError):
        first, last, _, frames = span(file)
        begins, ends = max(instant(first), session.open), min(instant(last), session.close)
        if frames and begins <= ends:
            return begins, ends
    return None


def _around(file: Path, spans: dict[Path, _Span]) -> Path | None:
    """Return the recording that has all of the session that this one has, the longest; of two alike the later one."""
    order, (first, last) = list(spans), spans[file]
    around = [
        (ends - begins, order.index(other), other)
        for other, (begins, ends) in spans.items()
        if begins <= first and last <= ends
    ]
    longest = max(around)[2]
    return None if longest == file else longest


def _mixed(kept: Sequence[tuple[Path, _Span]]) -> Iterator[Finding]:
    for (file, (_, last)), (after, (begins, _)) in pairwise(kept):
        if (last - begins).total_seconds() > APART:
            text = f"goes on until {_clock(last)}, and from {_clock(begins)} on {after} counts, which began then"
            yield finding_text(str(file), 0, text)


def _times(found: _Span) -> str:
    first, last = found
    return f"{_clock(first)} to {_clock(last)}"


def _clock(at: datetime) -> str:
    return f"{at.astimezone(EXCHANGE_ZONE):%H:%M:%S}"
