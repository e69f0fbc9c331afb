"""Which known word a wrong one may have been meant to be."""

from collections.abc import Iterable


def closest(word: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """Return the known word nearest to `word`, or None when none is near."""
    from difflib import get_close_matches  # only what is wrong needs it

    found = get_close_matches(word[:60], list(known), n=1, cutoff=likeness)
    return found[0] if found else None


def did_you_mean(word: str, known: Iterable[str], mark: str = "") -> str | None:
    """Return `did you mean 'vix_change'?`, or None when nothing is near."""
    found = closest(word, known)
    return f"did you mean '{mark}{found}'?" if found else None
