"""The token that lets a person in, and the one that opens the metrics alone: each from the environment or a file that
it names, else from a file beside the store that its owner alone can read."""

import os
from collections.abc import Mapping
from pathlib import Path

from rulebot.model.values import dataclass
from rulebot.store.secret import checked_secret, kept_secret, make_secret, read_secret

VARIABLE = "RULEBOT_WEB_TOKEN"
OF_METRICS = "RULEBOT_METRICS_TOKEN"


@dataclass(frozen=True, slots=True)
class Token:
    """The secret, and in words where it is kept."""

    text: str
    where: str

    def __repr__(self) -> str:
        """Return it without the secret."""
        return f"Token(where={self.where!r})"


def read_token(file: Path, environ: Mapping[str, str] = os.environ, variable: str = VARIABLE) -> Token:
    """Return the token that the environment gives, else that of `file`, which is made with one when it is not there.

    Raises: MisuseError for one that is too short to be a secret, StoreError when the file cannot be read or made.
    """
    given, where = read_secret(variable, environ)
    if given:
        return Token(checked_secret(given, where), where)
    make_secret(file)
    return Token(kept_secret(file), str(file))
