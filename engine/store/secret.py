"""Secrets that a service is given: by its environment, or by files that it names (a container's secrets)."""

import os
from collections.abc import Mapping
from pathlib import Path

from engine.model.errors import MisuseError, StoreError

DATABASE_PASSWORD = "RULEBOT_DB_PASSWORD"
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
        raise StoreError(f"{file}, which {name}{_FILE} names, cannot be read: {error}") from error
    if not text:
        raise MisuseError(f"{file}, which {name}{_FILE} names, is empty")
    return text, file


def database_password(environ: Mapping[str, str] = os.environ) -> str:
    """Return the password for a server whose URL has none, "" when none is given here. Raises: as `read_secret`."""
    return read_secret(DATABASE_PASSWORD, environ)[0]
