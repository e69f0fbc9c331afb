"""Which rulebot this is."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rulebot.store.sources import source_digest

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
    return source_digest(folder, (*folder.rglob("*.py"), *folder.glob("calendars/*.json")))
