"""Where things are written: whether there is room, and whether we may."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from rulebot.doctor.finding import Finding, Group, fault, fine, unchecked, warning
from rulebot.store.place import Place, Server
from rulebot.store.secret import is_open_to_others

LITTLE, TOO_LITTLE = 1_000_000_000, 100_000_000
"""Bytes free below which a person is told, and below which a day of records may not fit."""


def room(store: Place, logs: Path) -> Iterator[Finding]:
    """Yield of the folders of a store and of the logs whether they can be written, and the room on their disk."""
    if isinstance(store, Server):
        yield unchecked(Group.DISK, "store", "the store is on a server: its disk is looked after there")
    else:
        yield _folder("store", store.absolute().parent, store)
    yield _folder("logs", logs.absolute(), None)


def privacy(data: Path) -> Iterator[Finding]:
    """Yield whether others of this machine can look into the folder of what rulebot keeps, where the system knows them.

    One that rulebot makes is its owner's alone (`store.folders.make_folder`); one that was there is left as it is.
    """
    if not data.is_dir() or not is_open_to_others(data):
        return
    text = f"others of this machine can look into {data}: who reads a journal there can lock it, and so end an engine"
    yield warning(Group.DISK, "data folder", text, f"chmod 700 {data}")


def readable(store: Place, logs: Path, tapes: Path | None = None) -> Iterator[Finding]:
    """Yield which files of a store, its logs and its recordings others of this machine can read."""
    if isinstance(store, Server) or os.name != "posix":
        return
    beside = [Path(f"{store}{each}") for each in ("", "-wal", "-shm", ".lock", ".owner", ".emergency", ".reserve")]
    kept = [file for folder in (logs, tapes) if folder is not None and folder.is_dir() for file in folder.rglob("*")]
    wide = [file for file in (*beside, *kept) if file.is_file() and is_open_to_others(file)]
    if wide:
        more = f" and {len(wide) - 1} more" if len(wide) > 1 else ""
        folders = " ".join(dict.fromkeys(str(file.parent) for file in wide))
        text = f"others of this machine can read {wide[0]}{more}"
        yield warning(Group.DISK, "files", text, f"chmod -R go= {folders}")


def _folder(name: str, folder: Path, file: Path | None) -> Finding:
    """Say of a folder, or of the nearest one above it that is there, what can be written."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not there.is_dir():
        return fault(Group.DISK, name, f"{there} is a file, and the folder {folder} is needed", "name another place")
    if not os.access(there, os.W_OK | os.X_OK):
        return fault(Group.DISK, name, f"{there} cannot be written by this user", "change its owner, or name another")
    if file is not None and file.exists() and not os.access(file, os.W_OK):
        return fault(Group.DISK, name, f"{file} cannot be written by this user", "change its owner")
    free = shutil.disk_usage(there).free
    if free < TOO_LITTLE:
        return fault(
            Group.DISK, name, f"{free / 1e6:.0f} MB free for {folder}: an engine ends when it is full", "make room"
        )
    if free < LITTLE:
        text = f"{free / 1e6:.0f} MB free for {folder}"
        return warning(Group.DISK, name, text, "make room: a bot writes some MB a day")
    return fine(Group.DISK, name, f"room enough for {folder}")
