"""Views as files that any other program reads: CSV with the view's columns, or a JSON list of objects."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from engine.model.errors import StoreError
from engine.store.place import Place
from engine.store.queries import Listed, StoreReader


def export_views(path: Place, folder: Path, views: Sequence[str], form: str) -> Iterator[tuple[Path, int]]:
    """Write views of a store into a folder, one file each, all of one instant; yield each file and its rows.

    `form`: csv or json. A file of the same name is replaced once the new one is whole. Raises: StoreError.
    """
    with StoreReader(path) as reader:
        found = reader.tables(views)
    for name, listed in found.items():
        target = folder / f"{name}.{form}"
        try:
            _write(listed, target, form)
        except OSError as error:
            raise StoreError(
                f"{target} cannot be written: {error.strerror}", "name another folder with --to"
            ) from error
        yield target, len(listed.rows)


def _write(listed: Listed, target: Path, form: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f"{target.name}.new")
    with fresh.open("w", encoding="utf-8", newline="") as file:
        if form == "csv":
            _write_csv(listed, file)
        else:
            _write_json(listed, file)
    fresh.replace(target)


def _write_csv(listed: Listed, file: TextIO) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(listed.columns)
    writer.writerows(listed.rows)


def _write_json(listed: Listed, file: TextIO) -> None:
    json.dump([dict(zip(listed.columns, row, strict=True)) for row in listed.rows], file, indent=2, allow_nan=False)
    file.write("\n")
