"""The recordings beside a store: which there are, and which one a person means."""

from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from stat import S_ISREG

from rulebot.adapters.recorded.file import ENDING, SUFFIX, instant, named_day, read_head, span
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.values import dataclass
from rulebot.store.folders import data_folder
from rulebot.store.open import is_there
from rulebot.store.place import Place, beside, shown_path

EMPTY = "nothing was written before its run ended"
"""What is said of a file without a frame: it is whole, and has nothing to replay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFile:
    """One file: a day, or a part of it, of one run. entries: rows of market data. problem: why it cannot be read.

    goes_on: it does not say itself which bots ran, and goes on from the file of the day before. Else one without bots
    is of a run that watched exits only.
    """

    file: Path
    day: date
    first: datetime | None = None
    last: datetime | None = None
    entries: int = 0
    size: int = 0
    bots: tuple[str, ...] = ()
    goes_on: bool = False
    problem: str = ""


def tapes_of(store: Place) -> Path:
    """Return the folder of the recordings of a store's runs."""
    return beside(store, data_folder(), ENDING)


def listed(folder: Path, day: date | None = None) -> list[RecordingFile]:
    """Return what is recorded there, or of one day, oldest first; what cannot be read is listed with the reason."""
    files = folder.glob(f"*/{'*' if day is None else day.isoformat()}{SUFFIX}")
    named = [(file, its) for file in files if (its := named_day(file)) is not None]
    return sorted((_tape(file, its) for file, its in named), key=lambda each: (each.day, each.file))


def tapes_of_day(folder: Path, day: date) -> list[Path]:
    """Return the recordings of a day, none of which is looked into."""
    return sorted(folder.glob(f"*/{day.isoformat()}{SUFFIX}"))


def recorded_beside(store: Place) -> Path:
    """Return the folder of a store's recordings. Raises: StoreError when there is neither store nor recording."""
    folder = tapes_of(store)
    if not folder.is_dir() and not is_there(store):
        raise StoreError(f"there is no store {store}, and nothing is recorded beside it", "name one with --store")
    return folder


def sizes_of(file: Path) -> tuple[int, ...]:
    """Return the bytes of each file of a recording; not of one that a recorder puts away at this moment."""
    found = []
    for each in sorted(file.parent.glob(f"{file.name}*")):
        with suppress(OSError):
            status = each.stat()
            if S_ISREG(status.st_mode):
                found.append(status.st_size)
    return tuple(found)


def _tape(file: Path, day: date) -> RecordingFile:
    size = sum(sizes_of(file))
    try:
        head = read_head(file)
        first, last, entries, frames = span(file)
    except StoreError as error:
        return RecordingFile(file=file, day=day, size=size, problem=error.whole)
    if not frames:
        return RecordingFile(file=file, day=day, size=size, problem=EMPTY)
    return RecordingFile(
        file=file,
        day=day,
        first=instant(first),
        last=instant(last),
        entries=entries,
        size=size,
        bots=tuple(head.get("specs") or ()),
        goes_on="specs" not in head,
    )


def meant(what: str, folder: Path) -> list[Path]:
    """Return the files that a person means, also damaged ones: a file, a day, or "" for the last day.

    Raises: MisuseError, StoreError.
    """
    if what.endswith(SUFFIX):
        if _tape(Path(what), date.min).problem == EMPTY:
            raise StoreError(f"nothing of {what} can be replayed: {EMPTY}")
        return [Path(what)]
    known = sorted({day for file in folder.glob(f"*/*{SUFFIX}") if (day := named_day(file)) is not None})
    try:
        days = [date.fromisoformat(what)] if what and known else known[::-1]
    except ValueError:
        is_file = Path(what).is_file()
        help = (
            f"a store is named by --store {what}" if is_file else "or name a .tape file; without a day it is the last"
        )
        raise MisuseError(f"a day is written 2026-10-21, is '{what}'", help) from None
    for day in days:  # the heads of other days, which may be hundreds, are not read
        if found := [each.file for each in listed(folder, day) if each.problem != EMPTY]:
            return found
    if known and days[0] in known:
        raise StoreError(f"nothing of {days[0]} can be replayed: {EMPTY}")
    if known:
        last = f" to {known[-1]}" if len(known) > 1 else ""
        raise StoreError(f"nothing is recorded of {days[0]}", f"in {shown_path(folder)} is {known[0]}{last}")
    raise StoreError(
        f"nothing is recorded in {shown_path(folder)}",
        "'rulebot run' records unless told not to; a backtest records none",
    )
