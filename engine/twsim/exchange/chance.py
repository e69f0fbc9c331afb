"""Chance that depends on names only: the same question has the same answer in every process and call order."""

from hashlib import blake2b


def seeded_fraction(*names: object) -> float:
    """Return a number in [0, 1) drawn by hashing the names (seed, perm id, instant, purpose)."""
    text = "|".join(map(str, names)).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") / 2**64


def between(low: float, high: float, *names: object) -> float:
    """Return a number in [low, high) drawn by hashing the names."""
    return low + (high - low) * seeded_fraction(*names)
