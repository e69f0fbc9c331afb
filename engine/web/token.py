"""The token that lets a person in: from the environment or a file that it names, else a file beside the store that its
owner alone can read."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from engine.model.errors import MisuseError, StoreError
from engine.model.values import dataclass
from engine.store.secret import read_secret

VARIABLE = "RULEBOT_WEB_TOKEN"
LEAST = 16


@dataclass(frozen=True, slots=True)
class Token:
    """The secret, and in words where it is kept."""

    text: str
    where: str

    def __repr__(self) -> str:
        """Return it without the secret."""
        return f"Token(where={self.where!r})"


def read_token(file: Path, environ: Mapping[str, str] = os.environ) -> Token:
    """Return the token that the environment gives, else that of `file`, which is made with one when it is not there.

    Raises: MisuseError for one that is too short to be a secret, StoreError when the file cannot be read or made.
    """
    given, where = read_secret(VARIABLE, environ)
    if given:
        return Token(_checked(given, where), where)
    try:
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as made:
                made.write(secrets.token_urlsafe(24))
        if os.name == "posix" and file.stat().st_mode & 0o077:
            raise MisuseError(f"{file} can be read by others: it holds the token of the page", f"chmod 600 {file}")
        return Token(_checked(file.read_text(encoding="ascii").strip(), str(file)), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{file} cannot be read or made: {error}") from error


def _checked(text: str, where: str) -> str:
    if len(text) < LEAST or not text.isascii() or not text.isprintable():
        raise MisuseError(f"the token in {where} is no secret", f"it has at least {LEAST} plain characters")
    return text
