"""Chance that is the same on every machine: generators and hashes keyed by names, never by order of asking."""

import hashlib
from datetime import date

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_ONE = np.uint64(0xBF58476D1CE4E5B9)
_MIX_TWO = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31 = np.uint64(30), np.uint64(27), np.uint64(31)
_LOW64 = (1 << 64) - 1
_LOW16 = np.uint64(0xFFFF)
_LANES = np.array([[0], [16], [32], [48]], dtype=np.uint64)


def stable_number(*names: object) -> int:
    """Return 64 bits that depend on the names alone, in every process (`hash` is salted)."""
    text = "|".join(str(name) for name in names)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def stable_fraction(*names: object) -> float:
    """Return a number in [0, 1) that depends on the names alone."""
    return (stable_number(*names) >> 11) / float(1 << 53)


def generator(seed: int, day: date, name: str) -> np.random.Generator:
    """Return the generator of one thing on one day; no two things share draws."""
    return np.random.Generator(np.random.PCG64(stable_number(seed, day.isoformat(), name)))


def scramble(words: Words) -> Words:
    """Return well-mixed words. Source: Steele, Lea, Flood (2014), SplitMix64."""
    mixed = words + _GOLDEN
    mixed = (mixed ^ (mixed >> _S30)) * _MIX_ONE
    mixed = (mixed ^ (mixed >> _S27)) * _MIX_TWO
    result: Words = mixed ^ (mixed >> _S31)
    return result


def seeded(ids: NDArray[np.int64], seed: int, spread: int) -> Words:
    """Return well-mixed words, one for each id, that are others for another seed. Units: `spread` is odd."""
    return scramble(ids.astype(np.uint64) + np.uint64(seed * spread & _LOW64))


def fractions(words: Words, lane: int) -> NDArray[np.float64]:
    """Return numbers in [0, 1) from 16 of the 64 bits; `lane` is 0 to 3."""
    picked: NDArray[np.float64] = ((words >> np.uint64(16 * lane)) & _LOW16).astype(np.float64)
    return picked * (1.0 / 65536.0)


def all_fractions(words: Words) -> NDArray[np.float64]:
    """Return the `fractions` of all four lanes, one matrix row for each."""
    picked: NDArray[np.float64] = ((words >> _LANES) & _LOW16).astype(np.float64)
    picked *= 1.0 / 65536.0
    return picked
