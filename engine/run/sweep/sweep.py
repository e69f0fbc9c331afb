"""A sweep: variants shared among processes here or on a cluster, kept as they come, gone on with after an interruption.

Each task is a few variants over some sessions, over all where they are not apart; what it returns depends on nothing
but them. So it does not matter where a task runs, how many there are, or whether one is done again because its process
died.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any

from engine.adapters.history.day import Finding, Severity
from engine.model.errors import MisuseError, StoreError
from engine.run.backtest.run import deaf, several
from engine.run.sweep.compiling import Terms, Way, way_of
from engine.run.sweep.evaluate import Asked, live_through
from engine.run.sweep.search import Search, next_batch
from engine.run.sweep.tasks import Days, Task, tasks
from engine.run.sweep.variant import Part, Variant, whole
from engine.run.sweep.vary import Axis, Point

Told = Callable[[int, int], None]
"""Is told how many variants are done, and how many there are."""


Runs = Callable[[Sequence[Task], Terms], Iterator[list[Part]]]
"""Where tasks run: yields what came of each as it comes, in any order."""
FORMAT = "rulebot-sweep-1"


def sweep(
    asked: Sequence[Asked], terms: Terms, runs: Runs, told: Told, kept: "Kept | None", workers: int
) -> list[Variant]:
    """Return what came of every variant, in their order; what is kept already is not done again. Raises: StoreError."""
    found = _kept_of(kept)
    told(len(found), len(asked))
    _try(asked, found, terms, _days_of(terms), runs, lambda done: told(done, len(asked)), kept, workers)
    return [found[number] for number, _, _ in asked]


def search_for(
    search: Search,
    axes: Sequence[Axis],
    text_of: Callable[[Point], str],
    terms: Terms,
    runs: Runs,
    told: Told,
    kept: "Kept | None",
    workers: int,
) -> list[Variant]:
    """Return what came of a search, in the order in which the variants were asked for. Raises: StoreError.

    What is kept already is told to it first, whatever would be asked for in its place now.
    """
    found, count, days = _kept_of(kept), search.count(axes), _days_of(terms)
    told(min(len(found), count), count)
    known: list[Variant] = []
    while len(known) < count:
        points = next_batch(axes, search, known)[: count - len(known)]
        asked = [(number, point, text_of(point)) for number, point in enumerate(points, len(known))]
        _try(asked, found, terms, days, runs, lambda done: told(min(done, count), count), kept, workers)
        known += [found[number] for number, _, _ in asked]
    return known


def _kept_of(kept: "Kept | None") -> dict[int, Variant]:
    return {} if kept is None else {each.number: each for each in kept.read()}


def _days_of(terms: Terms) -> Days:
    """Return what tells the days that there are, for which the source is opened at most once."""
    return cache(lambda: terms.opens().dates(terms.first, terms.last))


def _try(
    asked: Sequence[Asked],
    found: dict[int, Variant],
    terms: Terms,
    days: Days,
    runs: Runs,
    told: Callable[[int], None],
    kept: "Kept | None",
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
        parts: dict[int, list[Part]] = {}
        for some in runs(shared, terms):
            for part in some:
                parts.setdefault(part.number, []).append(part)
            done = [_joined(parts.pop(part.number)) for part in some if len(parts[part.number]) == count]
            variants = [each for each in done if each is not None]
            found |= {each.number: each for each in variants}
            if kept is not None:
                kept.add(variants)
            told(len(found) + sum(map(len, parts.values())) // count)
        left = [each for each in left if each[0] not in found]
        way = Way(by_arrays=False, is_apart=False)  # those whose sessions are not apart, other than the first one's


def _joined(parts: Sequence[Part]) -> Variant | None:
    """Return what came of a variant, None where it is to be lived through in one piece."""
    ordered = sorted(parts, key=lambda part: part.since)
    is_whole = len(parts) == 1 or all(each.is_apart for each in parts)
    return whole(ordered) if is_whole else None


def here(found: Sequence[Task], terms: Terms) -> Iterator[list[Part]]:
    """Run tasks one after the other in this process."""
    for task in found:
        yield live_through(task.asked, terms, task.span)


@contextmanager
def in_processes(workers: int) -> Iterator[Runs]:
    """Yield how to run tasks in processes of this machine, which live until the end of the block."""
    if workers <= 1:
        yield here
        return
    with several(workers) as pool:

        def runs(found: Sequence[Task], terms: Terms) -> Iterator[list[Part]]:
            with deaf():
                futures = [pool.submit(live_through, task.asked, terms, task.span) for task in found]
            for done in as_completed(futures):
                yield done.result()

        yield runs


@contextmanager
def on_cluster(address: str) -> Iterator[Runs]:
    """Yield how to run tasks on a distributed engine; a worker that dies loses only its task, which is done again.

    Raises: StoreError without the package, and when nothing answers at the address.
    """
    try:
        from distributed import Client
        from distributed import as_completed as ended
    except ImportError as error:
        raise StoreError("--scheduler needs a package that is not installed", 'pip install "rulebot[sweep]"') from error
    try:
        client = Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise StoreError(f"no scheduler answers at {address}: {error}") from error
    with client:

        def runs(found: Sequence[Task], terms: Terms) -> Iterator[list[Part]]:
            run = partial(client.submit, live_through, pure=False, retries=3)
            futures = [run(task.asked, terms, task.span) for task in found]
            for done in ended(futures, loop=client.loop):
                yield done.result()

        yield runs


# ---------------------------------------------------------------- kept in a file


class Kept:
    """A file of JSON lines: first what the sweep is about, then each variant as it comes."""

    def __init__(self, file: Path, about: Mapping[str, Any]) -> None:
        self.file = file
        self.about = {"format": FORMAT, **about}

    def read(self) -> list[Variant]:
        """Return what is there of this sweep, and begin the file when it is not. Raises: MisuseError, StoreError."""
        if not self.file.exists():
            self._write([self.about], "w")
            return []
        try:
            lines = self.file.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise StoreError(f"{self.file} cannot be read: {error.strerror}") from error
        told = list(_whole(lines))
        if not told or told[0] != json.loads(json.dumps(self.about)):
            raise MisuseError(
                f"{self.file} holds another sweep, or none", "name another --out, or give the same options"
            )
        if len(told) < len(lines):  # the last line was cut off
            self._write(told, "w")
        return [variant_of(each) for each in told[1:]]

    def add(self, variants: Iterable[Variant]) -> None:
        """Keep variants. Raises: StoreError."""
        self._write((asdict(each) for each in variants), "a")

    def _write(self, told: Iterable[Mapping[str, Any]], mode: str) -> None:
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open(mode, encoding="utf-8") as out:
                out.writelines(json.dumps(each, sort_keys=True, default=_word) + "\n" for each in told)
        except OSError as error:
            raise StoreError(f"cannot write '{self.file}': {error.strerror}") from error


def _word(severity: Severity) -> str:
    return severity.value


def _whole(lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            return


def variant_of(told: Mapping[str, Any]) -> Variant:
    """Return a variant as a file keeps it."""
    findings = (Finding(**{**each, "severity": Severity(each["severity"])}) for each in told.get("findings", ()))
    lists = {"point": tuple(told["point"]), "profits": tuple(told["profits"]), "findings": tuple(findings)}
    return Variant(**{**told, **lists})


def findings_of(found: Iterable[Variant]) -> list[Finding]:
    """Return what was wrong with the data of a sweep, each once: what kept days out first."""
    every = dict.fromkeys(finding for each in found for finding in each.findings)
    return sorted(every, key=lambda finding: finding.severity is not Severity.REFUSED)
