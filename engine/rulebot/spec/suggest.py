"""Which known word a wrong one may have been meant to be."""

from collections.abc import Collection, Iterable


def closest(word: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """Return the known word nearest to `word`, or None when none is near; VIX is as near to vix as can be.

    The only one that begins with all of it, as max_loss_per_trade does with max_loss, is nearest, unless another
    differs in a letter alone, as exits does from exit.
    """
    from difflib import get_close_matches  # only what is wrong needs it

    folded = {each.casefold(): each for each in known}
    longer = [each for each in folded if each.startswith(f"{word.casefold()}_")]
    found = get_close_matches(word[:60].casefold(), folded, n=1, cutoff=likeness)
    if len(longer) == 1 and not get_close_matches(word[:60].casefold(), found, cutoff=0.85):
        return folded[longer[0]]
    return folded[found[0]] if found else None


def is_misspelt(key: str, found: Iterable[str], known: Collection[str]) -> bool:
    """Say whether one of the keys found was meant to be this one."""
    return any(closest(each, known) == key for each in found if each not in known)


def did_you_mean(word: str, known: Iterable[str], mark: str = "") -> str | None:
    """Return `did you mean 'vix_change'?`, or None when nothing is near."""
    found = closest(word, known)
    return f"did you mean '{mark}{found}'?" if found else None
