"""Which rulebot this is."""

from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ENGINE = Path(__file__).parents[1]
"""Where the program stands."""


def release() -> str:
    """Return the version of this program."""
    try:
        return version("rulebot")
    except PackageNotFoundError:
        return "from a checkout"


@cache
def code_digest(folder: Path = ENGINE) -> str:
    """Return a digest of this program's sources and the event dates in it: checkouts of one version may differ.

    It stays that of when it was first asked for, as what a process has loaded does.
    """
    found = sha256()
    for file in sorted((*folder.rglob("*.py"), *folder.glob("calendars/*.json"))):
        found.update(file.relative_to(folder).as_posix().encode())
        found.update(sha256(file.read_bytes()).digest())
    return found.hexdigest()
