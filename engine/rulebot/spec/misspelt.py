"""What the JSON Schema alone says of misspelt measures, for editors and validators that know no names of lets.

Any word may be a let, so the schema lets conditions on unknown words pass. In a document without lets it can refuse
them all. In one with lets it refuses those that are one slip away from a word of the vocabulary. The reader of the
engine knows the lets of its document and needs neither.
"""

from collections.abc import Iterable, Iterator

_ANY = "[a-z0-9_]"
_SHORT = 3
"""Words of so many letters or fewer have too many neighbours: of those only doubled and swapped letters are refused."""


def one_slip_from(words: Iterable[str]) -> str:
    """Return the pattern of all names that are one letter more, less, other or swapped from a word, and are no word."""
    known = sorted(words)
    slips = sorted({slip for word in known for slip in _slips(word)})
    return f"^(?!({'|'.join(known)})$)({'|'.join(slips)})$"


def _slips(word: str) -> Iterator[str]:
    for at in range(len(word)):
        yield f"{word[:at]}{word[at]}{word[at:]}"
        if at + 1 < len(word) and word[at] != word[at + 1]:
            yield f"{word[:at]}{word[at + 1]}{word[at]}{word[at + 2 :]}"
        if len(word) > _SHORT:
            yield f"{word[:at]}{_ANY}?{word[at + 1 :]}"
            yield f"{word[:at]}{_ANY}{word[at:]}"
