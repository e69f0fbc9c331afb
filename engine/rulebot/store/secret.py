"""Secrets: those that a service is given, by its environment or files that it names, and those in files of our own."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from rulebot.model.errors import MisuseError, StoreError, in_words, unread
from rulebot.store.folders import give_to_owner, make_folder

DATABASE_PASSWORD = "RULEBOT_DB_PASSWORD"
HOOK_SECRET = "RULEBOT_HOOK_SECRET"
LEAST = 16
"""Characters that a secret has at least."""
_FILE = "_FILE"


def read_secret(name: str, environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """Return the secret of a variable, else of the file that the variable NAME_FILE names; and in words where it was.

    Both are "" when neither is set. Who names a file answers for who can read it. Raises: MisuseError, StoreError.
    """
    given, file = environ.get(name, ""), environ.get(name + _FILE, "")
    if given and file:
        raise MisuseError(f"{name} and {name}{_FILE} are both set", "keep one of them")
    if given or not file:
        return given, f"the environment's {name}" if given else ""
    try:
        text = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{file}, which {name}{_FILE} names, cannot be read: {unread(error)}") from error
    if not text:
        raise MisuseError(f"{file}, which {name}{_FILE} names, is empty")
    return text, file


def database_password(environ: Mapping[str, str] = os.environ) -> str:
    """Return the password for a server whose URL has none, "" when none is given here. Raises: as `read_secret`."""
    return read_secret(DATABASE_PASSWORD, environ)[0]


def hook_secret(folder: Path, environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """Return what web hooks must bring, and in words where it is kept; both are "" while none is set, nor any received.

    folder: that of what rulebot keeps for this person. Raises: MisuseError, StoreError.
    """
    given, where = read_secret(HOOK_SECRET, environ)
    if given:
        return checked_secret(given, where), where
    file = hook_secret_file(folder)
    return (kept_secret(file), str(file)) if file.exists() else ("", "")


def hook_secret_file(folder: Path) -> Path:
    """Return the file that keeps the secret of web hooks."""
    return folder / "hook-secret"


# ---------------------------------------------------------------- files of our own


def make_secret(file: Path) -> None:
    """Make a file with a new secret that its owner alone can read, unless it is there. Raises: StoreError."""
    if file.exists():
        return
    try:
        make_folder(file.parent)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as made:
                made.write(secrets.token_urlsafe(24))
        except OSError:
            file.unlink()  # an empty one would be taken for a secret that is none, at every start
            raise
        give_to_owner(file)
    except OSError as error:
        raise StoreError(f"{file} cannot be made: {in_words(error)}") from error


def is_open_to_others(path: Path) -> bool:
    """Say whether others than its owner may use a file or folder, where the system tells. Raises: OSError."""
    return os.name == "posix" and bool(path.stat().st_mode & 0o077)


def kept_secret(file: Path) -> str:
    """Return what a file of ours keeps. Raises: MisuseError when others can read it too or it is none, StoreError."""
    try:
        if is_open_to_others(file):
            raise MisuseError(f"{file} can be read by others, and holds a secret", f"chmod 600 {file}")
        return checked_secret(file.read_text(encoding="ascii").strip(), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{file} cannot be read: {unread(error)}") from error


def checked_secret(text: str, where: str) -> str:
    """Return a secret that is one. Raises: MisuseError."""
    if len(text) < LEAST or not text.isascii() or not text.isprintable():
        raise MisuseError(f"what is kept in {where} is no secret", f"it has at least {LEAST} plain characters")
    return text
