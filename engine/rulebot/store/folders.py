"""Where rulebot keeps things for this person: stores of real runs, what points at them, locks of accounts."""

import errno
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import platformdirs

DATA_VARIABLE = "RULEBOT_DATA"
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
"""What rulebot makes is its owner's alone: it says what is traded, and who reads a store can lock it."""


def data_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of what rulebot keeps for this person: RULEBOT_DATA, else the system's own place for it."""
    named = environ.get(DATA_VARIABLE, "")
    return Path(named) if named else platformdirs.user_data_path("rulebot", appauthor=False)


def make_folder(folder: Path, environ: Mapping[str, str] = os.environ) -> None:
    """Make a folder, and those above it that are not there: for this person alone, and so is the data folder.

    Who can read a store can lock it, too, and keep its engine from entering. Source: XDG Base Directory Specification,
    0700. Raises: OSError.
    """
    lacking = [each for each in (folder, *folder.parents) if not each.exists()]
    if folder.absolute().is_relative_to(data := data_folder(environ).absolute()):
        data.parent.mkdir(parents=True, exist_ok=True)
        data.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    for made in reversed(lacking):
        made.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        give_to_owner(made)
    folder.mkdir(exist_ok=True)


def private(path: str, flags: int) -> int:
    """Open a plain file, made for its owner alone; an `opener` of `open`. It never waits for the other end of a pipe.

    Raises: OSError, also for what is no plain file.
    """
    handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0), PRIVATE_FILE)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is no plain file", path)
    return handle


def make_private(path: Path) -> None:
    """Make an empty file for its owner alone, unless there is one. Raises: OSError."""
    os.close(private(str(path), os.O_WRONLY | os.O_CREAT))


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
