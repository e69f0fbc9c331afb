"""Where rulebot keeps things for this person: stores of real runs, what points at them, locks of accounts."""

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import platformdirs

DATA_VARIABLE = "RULEBOT_DATA"


def data_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of what rulebot keeps for this person: RULEBOT_DATA, else the system's own place for it."""
    named = environ.get(DATA_VARIABLE, "")
    return Path(named) if named else platformdirs.user_data_path("rulebot", appauthor=False)


def make_folder(folder: Path, environ: Mapping[str, str] = os.environ) -> None:
    """Make a folder, and those above it that are not there; the data folder is made for this person alone.

    Who can read a store can lock it, too, and so end its engine. Source: XDG Base Directory Specification, 0700.
    Raises: OSError.
    """
    lacking = [each for each in (folder, *folder.parents) if not each.exists()]
    if folder.absolute().is_relative_to(data := data_folder(environ).absolute()):
        data.parent.mkdir(parents=True, exist_ok=True)
        data.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    for made in reversed(lacking):
        give_to_owner(made)


def give_to_owner(made: Path, like: Path | None = None) -> None:
    """Let what root has made belong to the owner of what it is to be `like`, if that exists, else of its folder.

    So does SQLite with what it makes beside a store.

    Who runs the engine could not read or write it. A link is not followed, and of a file with another name nothing is
    given away: whoever owns the folder may have made either, of a file of root's.
    """
    if os.name != "posix" or os.geteuid() != 0:
        return
    with suppress(OSError):  # of a disk where root may not either
        owner = (like if like is not None and like.exists() else made.parent).stat()
        found = made.lstat()
        if found.st_nlink == 1 or stat.S_ISDIR(found.st_mode):
            os.chown(made, owner.st_uid, owner.st_gid, follow_symlinks=False)


def runs_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of real stores and of the pointer: RULEBOT_DATA, else the system's own place, `runs` in it."""
    return data_folder(environ) / "runs"


def accounts_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of the locks of accounts: RULEBOT_DATA, else the system's own place, `accounts` in it."""
    return data_folder(environ) / "accounts"


def new_sim_store(name: str, folder: Path | None = None) -> Path:
    """Return a path for a simulated run's store that is not taken yet: `runs/2026-11-18-7.db`, then `...-7-2.db`."""
    folder = Path("runs") if folder is None else folder
    path, count = folder / f"{name}.db", 1
    while path.exists():
        count += 1
        path = folder / f"{name}-{count}.db"
    return path
