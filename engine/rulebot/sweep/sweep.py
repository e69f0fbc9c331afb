"""A sweep: variants shared among processes here or on a cluster, kept as they come, gone on with after an interruption.

Each task is a few variants over some sessions, over all where they are not apart; what it returns depends on nothing
but them. So it does not matter where a task runs, how many there are, or whether one is done again because its process
died.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from rulebot.adapters.history.day import Finding, Severity
from rulebot.adapters.sources import separate_files
from rulebot.model.collector import seldom_collected
from rulebot.model.errors import MisuseError, StoreError
from rulebot.spec.whole_file import write_whole
from rulebot.sweep.compiling import EvaluationWay, VariantTerms, way_of
from rulebot.sweep.evaluate import Asked, Passed
from rulebot.sweep.executors import Runs
from rulebot.sweep.parameters import Axis, Point
from rulebot.sweep.partition import tasks
from rulebot.sweep.search import Search, next_batch
from rulebot.sweep.variant import PeriodResult, Variant, whole

Told = Callable[[int, int], None]
"""Is told how many sessions have passed, and how many there are: each counts once for each variant."""
FORMAT = "rulebot-sweep-1"
FILES = "files"
"""What of a sweep's data is kept, by path: size and time of writing, of imported calendars size and checksum."""


def sweep(
    asked: Sequence[Asked], terms: VariantTerms, runs: Runs, told: Told, kept: "StoredVariants | None", workers: int
) -> list[Variant]:
    """Return what came of every variant, in their order; what is kept already is not done again. Raises: StoreError."""
    found, days = _kept_of(kept), _days_of(terms)
    progress = _Progress(told, len(asked) * len(days))
    progress(len(found) * len(days))
    _try(asked, found, terms, days, runs, progress, kept, workers)
    return [found[number] for number, _, _ in asked]


def search_for(
    search: Search,
    axes: Sequence[Axis],
    text_of: Callable[[Point], str],
    terms: VariantTerms,
    runs: Runs,
    told: Told,
    kept: "StoredVariants | None",
    workers: int,
) -> list[Variant]:
    """Return what came of a search, in the order in which the variants were asked for. Raises: StoreError.

    What is kept already is told to it first, whatever would be asked for in its place now.
    """
    found, count, days = _kept_of(kept), search.count(axes), _days_of(terms)
    progress = _Progress(told, count * len(days))
    progress(len(found) * len(days))
    known: list[Variant] = []
    while len(known) < count:
        points = next_batch(axes, search, known)[: count - len(known)]
        asked = [(number, point, text_of(point)) for number, point in enumerate(points, len(known))]
        _try(asked, found, terms, days, runs, progress, kept, workers)
        known += [found[number] for number, _, _ in asked]
    return known


class _Progress:
    """Counts the sessions that have passed, and tells of them."""

    def __init__(self, told: Told, count: int) -> None:
        self._told, self._count, self._done = told, count, 0

    def __call__(self, sessions: int) -> None:
        self._done += sessions
        self._told(min(self._done, self._count), self._count)


def _kept_of(kept: "StoredVariants | None") -> dict[int, Variant]:
    return {} if kept is None else {each.number: each for each in kept.read()}


def _days_of(terms: VariantTerms) -> Sequence[date]:
    return terms.opens().dates(terms.first, terms.last)


@seldom_collected()  # what comes from other processes is kept: rounds through it took longer than reading it
def _try(
    asked: Sequence[Asked],
    found: dict[int, Variant],
    terms: VariantTerms,
    days: Sequence[date],
    runs: Runs,
    passed: Passed,
    kept: "StoredVariants | None",
    workers: int,
) -> None:
    """Add what came of those that are not found yet."""
    left = [each for each in asked if each[0] not in found]
    if not left:
        return
    way = way_of(left[0][2], terms)
    while left:
        shared = tasks(left, terms, days, workers, way)
        count = len({task.span for task in shared})
        parts: dict[int, list[PeriodResult]] = {}
        for some in runs(shared, terms, passed):
            for part in some:
                parts.setdefault(part.number, []).append(part)
            done = [_joined(parts.pop(part.number)) for part in some if len(parts[part.number]) == count]
            variants = [each for each in done if each is not None]
            found |= {each.number: each for each in variants}
            if kept is not None:
                kept.add(variants)
        left = [each for each in left if each[0] not in found]
        way = EvaluationWay(
            by_arrays=False, is_apart=False
        )  # those whose sessions are not apart, other than the first one's


def _joined(parts: Sequence[PeriodResult]) -> Variant | None:
    """Return what came of a variant, None where it is to be lived through in one piece."""
    ordered = sorted(parts, key=lambda part: part.since)
    is_whole = len(parts) == 1 or all(each.is_apart for each in parts)
    return whole(ordered) if is_whole else None


# ---------------------------------------------------------------- kept in a file


class StoredVariants:
    """A file of JSON lines: first what the sweep is about, then each variant as it comes."""

    def __init__(self, file: Path, about: Mapping[str, Any]) -> None:
        self.file = file
        self.about = {"format": FORMAT, **about}

    def read(self) -> list[Variant]:
        """Return what is there of this sweep, and begin the file when it is not. Raises: MisuseError, StoreError."""
        if not self.file.exists():
            self._write_all([self.about])
            return []
        try:
            text = self.file.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise StoreError(f"{self.file} cannot be read: {error.strerror}") from error
        first, *others = text.splitlines() or [""]
        told, now = _told_in(first), json.loads(json.dumps(self.about))
        if isinstance(told.get(FILES), dict) and {**told, FILES: now.get(FILES)} == now:
            self._refuse_changed(told[FILES], now[FILES])
        if "format" not in told:
            raise MisuseError(f"{self.file} holds no sweep", "name another --out")
        if told != now:
            raise MisuseError(
                f"{self.file} holds another sweep: {_told_apart(told, now)}",
                "name another --out" + (", or give the same options" if _is_of_code(told, now) else ""),
            )
        variants = [each for each in map(_variant_in, others) if each is not None]
        if len(variants) < len(others) or not text.endswith("\n"):  # cut off, or damaged: that is done again
            self._write_all([told, *map(asdict, variants)])
        return variants

    def _refuse_changed(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        """Refuse to go on over other data: results of both would stand beside each other. Raises: MisuseError."""
        if apart := separate_files(before, now):
            text = f"{self.file} was begun before the data changed or grew: {apart}"
            raise MisuseError(text, "name another --out: what is kept came of the data as it was")

    def add(self, variants: Iterable[Variant]) -> None:
        """Keep variants. Raises: StoreError; a file that was taken away is not begun anew: it would lack its head."""
        with self._written(), open(self.file, "a", encoding="utf-8", opener=_as_it_is) as out:
            out.writelines(_line(asdict(each)) for each in variants)

    def _write_all(self, told: Iterable[Mapping[str, Any]]) -> None:
        with self._written():
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.file, "".join(map(_line, told)).encode())

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"cannot write '{self.file}': {error.strerror}") from error


def _as_it_is(path: str, flags: int) -> int:
    """Open a file that is there. Raises: FileNotFoundError."""
    return os.open(path, flags & ~os.O_CREAT)


def _line(told: Mapping[str, Any]) -> str:
    return json.dumps(told, sort_keys=True, default=_word) + "\n"


def _word(severity: Severity) -> str:
    return severity.value


def _told_in(line: str) -> Mapping[str, Any]:
    """Return what a line of the file says, nothing where it is damaged."""
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _told_apart(was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return in what two sweeps differ, in words; of what another code did not tell yet nothing is known."""
    told = {*was, *now} if _is_of_code(was, now) else {*was, "code"}
    names = [name for name in {**now, **was} if name in told and was.get(name) != now.get(name)]
    words = {
        "text": "the text of the bot is another one",
        "account": "the account document is another one",
        "code": "the code of rulebot is another one",
        FILES: "its data is another",
    }
    return ", ".join(
        words.get(name) or f"{name} {_value_words(was.get(name))}, now {_value_words(now.get(name))}" for name in names
    )


def _is_of_code(was: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    return was.get("code") == now.get("code")


def _value_words(value: object) -> str:
    """Return a value of what a sweep is about; axes as they are written on the command line."""
    if value is None:
        return "none"
    if isinstance(value, list):
        return " ".join(f"{name}={','.join(map(str, values))}" for name, *values in value)
    return str(value)


def _variant_in(line: str) -> Variant | None:
    try:
        return variant_of(_told_in(line))
    except (KeyError, TypeError, ValueError):
        return None


def variant_of(told: Mapping[str, Any]) -> Variant:
    """Return a variant as a file keeps it."""
    findings = (Finding(**{**each, "severity": Severity(each["severity"])}) for each in told.get("findings", ()))
    lists = {"point": tuple(told["point"]), "profits": tuple(told["profits"]), "findings": tuple(findings)}
    lists["sessions"] = tuple(told.get("sessions", ()))
    for name in ("unclear", "alarms"):
        lists[name] = tuple((text, count) for text, count in told.get(name, ()))
    return Variant(**{**told, **lists})


def findings_of(found: Iterable[Variant]) -> list[Finding]:
    """Return what was wrong with the data of a sweep, each once: what kept days out first."""
    every = dict.fromkeys(finding for each in found for finding in each.findings)
    return sorted(every, key=lambda finding: finding.severity is not Severity.REFUSED)
