"""What zlib has made small, made large again: never larger than a frame of a recording can be."""

import zlib

MOST = 256 * 1024 * 1024
"""Bytes of either part of a frame; of those that are written none has ever had a tenth of it."""


def decompress(body: bytes) -> bytes:
    """Return the bytes. Raises: ValueError for more than there can be, which a few bytes may stand for, or for less."""
    stream = zlib.decompressobj()
    try:
        found = stream.decompress(body, MOST)
    except zlib.error as error:
        raise ValueError(f"what was made small cannot be read: {error}") from error
    if not stream.eof:
        raise ValueError(f"more than {MOST >> 20} MB were made small, or not all of it is there")
    return found
