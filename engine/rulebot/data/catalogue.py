"""The sources that were added: where they are kept, what they hold, and what was wrong with their files."""

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from rulebot.adapters.history.session import Finding, Severity, data_of
from rulebot.model.errors import MisuseError, StoreError
from rulebot.spec.files import write_whole
from rulebot.store.place import data_folder, make_folder

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,40}")
_ABOUT = "source.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class AddedFile:
    """A file of a source, as it was when it was added."""

    name: str
    bytes: int
    digest: str
    layout: str
    rows: int


@dataclass(slots=True)
class Catalogued:
    """A source in its folder. days: the sessions stored, by underlying. findings: what was wrong with its files."""

    name: str
    folder: Path
    files: list[AddedFile] = field(default_factory=list)
    days: dict[str, list[date]] = field(default_factory=dict)
    daily: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def has(self, digest: str) -> bool:
        """Say whether a file of this content was added."""
        return any(each.digest == digest for each in self.files)


def sources_folder() -> Path:
    """Return the folder of all sources."""
    return data_folder() / "sources"


def folder_of(name: str) -> Path:
    """Return the folder of a source. Raises: MisuseError at a name that can be none."""
    if _NAME.fullmatch(name) is None:
        raise MisuseError(f"{name!r} is no name of a source", "a name has small letters, digits, - and _, as spx_eod")
    return sources_folder() / name


def names() -> list[str]:
    """Return the names of all sources."""
    folder = sources_folder()
    return sorted(each.parent.name for each in folder.glob(f"*/{_ABOUT}")) if folder.is_dir() else []


def exists(name: str) -> bool:
    """Say whether there is a source of a name."""
    return _NAME.fullmatch(name) is not None and (sources_folder() / name / _ABOUT).is_file()


def read(name: str) -> Catalogued:
    """Return a source. Raises: MisuseError where there is none, StoreError where its description is damaged."""
    about = folder_of(name) / _ABOUT
    if not about.is_file():
        known = ", ".join(names()) or "none"
        raise MisuseError(
            f"there is no source {name!r}", f"there are: {known}; 'rulebot data add {name} PATH' adds one"
        )
    try:
        given = json.loads(about.read_text("utf-8"))
        if given["format"] != _FORMAT:
            raise StoreError(f"{about} is of another rulebot (format {given['format']})", f"add {name} again")
        return _source(name, given)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{about} is damaged: {error}", f"'rulebot data remove {name}', then add it again") from error


def _source(name: str, given: Any) -> Catalogued:
    return Catalogued(
        name=name,
        folder=folder_of(name),
        files=[AddedFile(**each) for each in given["files"]],
        days={symbol: [date.fromisoformat(each) for each in days] for symbol, days in given["days"].items()},
        daily=list(given["daily"]),
        findings=[Finding(**{**each, "severity": Severity(each["severity"])}) for each in given["findings"]],
    )


def write(source: Catalogued) -> None:
    """Keep what is known of a source. Raises: StoreError at the disk."""
    about = source.folder / _ABOUT
    document = {
        "format": _FORMAT,
        "files": [asdict(each) for each in source.files],
        "days": {symbol: [day.isoformat() for day in sorted(days)] for symbol, days in sorted(source.days.items())},
        "daily": sorted(source.daily),
        "findings": [data_of(each) for each in source.findings],
    }
    try:
        make_folder(source.folder)
        write_whole(about, (json.dumps(document, indent=1) + "\n").encode())
    except OSError as error:
        raise StoreError(f"{about} cannot be written: {error.strerror or error}") from error


def remove(name: str) -> None:
    """Delete a source with all that is stored of it. Raises: MisuseError, StoreError."""
    folder = read(name).folder
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise StoreError(f"{folder} cannot be deleted: {error.strerror or error}") from error


def source_text(name: str, options: str = "") -> str:
    """Return what `--data NAME` stands for: the stored chains of its underlying. Raises: MisuseError.

    options: those behind `?`, among which `symbol=` chooses one underlying of several.
    """
    source = read(name)
    parts = [part for part in options.split("&") if part]
    chosen = [part.partition("=")[2].upper() for part in parts if part.startswith("symbol=")]
    rest = [part for part in parts if not part.startswith("symbol=")]
    return text_of(source, _chosen(source, chosen[-1] if chosen else ""), rest)


def text_of(source: Catalogued, symbol: str, options: Sequence[str] = ()) -> str:
    """Return the text by which `open_source` opens the chains of an underlying."""
    rest = list(options)
    if source.daily and not any(part.startswith("daily=") for part in rest):
        rest.append(f"daily={source.folder / 'daily'}")
    behind = f"?{'&'.join(rest)}" if rest else ""
    return f"snapshots:{source.folder / 'chains' / symbol}{behind}"


def _chosen(source: Catalogued, symbol: str) -> str:
    known: Sequence[str] = sorted(source.days)
    if not known:
        raise MisuseError(f"the source {source.name} has no option chains", "add files with option quotes")
    if not symbol and len(known) == 1:
        return known[0]
    if symbol in known:
        return symbol
    wrong = f"has no {symbol}" if symbol else "has several underlyings"
    raise MisuseError(
        f"the source {source.name} {wrong}", f"there are {', '.join(known)}: --data '{source.name}?symbol={known[0]}'"
    )
