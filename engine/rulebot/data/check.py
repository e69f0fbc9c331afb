"""What files hold and what is missing or odd in them, all at once; nothing is stored.

The same reading as `add`, into a folder that is deleted, and then each session as a backtest reads it.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from rulebot.adapters.history.session import Finding, Source, refused
from rulebot.adapters.sources import open_source
from rulebot.data import catalogue
from rulebot.data.add import Added, Asked, Progress, add_to, day_in, layout_for, symbol_in
from rulebot.data.catalogue import Catalogued
from rulebot.data.layout import OF_OPTION, OF_QUOTE, OF_ROW, Layout
from rulebot.data.read import Readable, data_files, readable
from rulebot.data.rows import columns_of, lacking_columns
from rulebot.model.errors import StoreError


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file: its layout, its columns by ours, ours that it lacks, and those of it that nothing reads."""

    name: str
    layout: Layout
    columns: Mapping[str, str]
    lacking: Sequence[str]
    unread: Sequence[str]


@dataclass(slots=True)
class Checked:
    """What came of it. added: what `add` would store; None where a file cannot be read."""

    files: list[CheckedFile] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    added: Added | None = None

    @property
    def is_usable(self) -> bool:
        """Say whether `add` would store something."""
        return self.added is not None and bool(self.added.days or self.added.daily)


def check(paths: Sequence[Path], asked: Asked, progress: Progress = lambda *_: None) -> Checked:
    """Return what is in files. Raises: StoreError where one cannot be opened."""
    found = Checked()
    files = [file for each in paths for file in data_files(each)]
    records = asked.layout.records if asked.layout else ""
    for each in (part for file in files for part in readable(file, records)):
        found.files.append(_checked(each, layout_for(each, asked), asked.symbol))
    found.findings += [
        refused(each.name, 1, f"no column holds {', '.join(each.lacking)}") for each in found.files if each.lacking
    ]
    if any(each.lacking for each in found.files):
        return found
    with tempfile.TemporaryDirectory() as folder:
        source = Catalogued(Path(folder).name, Path(folder))
        found.added = add_to(source, files, asked, progress)
        found.findings += [*source.findings, *session_findings(source)]
    return found


def session_findings(source: Catalogued) -> Iterator[Finding]:
    """Yield what a backtest finds wrong with the sessions of a source, and what is missing between them."""
    for symbol, days in source.days.items():
        opened = open_source(catalogue.text_of(source, symbol))
        yield from opened.gaps(days[0], days[-1])
        for day in days:
            yield from _findings_on(opened, day)


def _findings_on(opened: Source, day: date) -> Sequence[Finding]:
    try:
        return opened.day(day).findings
    except StoreError as error:
        return [refused(str(day), 0, error.message)]


def _checked(file: Readable, layout: Layout, symbol: str) -> CheckedFile:
    columns = columns_of(file.header, layout.columns)
    lacking = (
        []
        if layout.is_daily
        else lacking_columns(file.header, layout, symbol or symbol_in(file.name, layout), day_in(file.name))
    )
    unread = [name for name in file.header if name not in columns.values()]
    return CheckedFile(file.name, layout, columns, lacking, unread)


def draft(file: CheckedFile) -> str:
    """Return the beginning of a columns file for a file: what is known of it, and what is to be filled in."""
    lines = [f"# The columns of {file.name}, for 'rulebot data add NAME PATH --columns FILE'", "columns:"]
    for ours in (*OF_ROW, *OF_OPTION, *OF_QUOTE):
        if ours in file.columns:
            lines.append(f"  {ours}: {file.columns[ours]}")
        elif ours in file.lacking:
            lines.append(f"  # {ours}: which of {', '.join(file.unread) or 'its columns'}?")
    return "\n".join(lines)
