"""Which rulebot this is."""

from importlib.metadata import PackageNotFoundError, version


def release() -> str:
    """Return the version of this program."""
    try:
        return version("rulebot")
    except PackageNotFoundError:
        return "from a checkout"
