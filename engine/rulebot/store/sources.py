"""What tells one checkout of a version from another: a digest of its sources."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path


def source_digest(folder: Path, files: Iterable[Path]) -> str:
    """Return a digest of files below a folder, by their names there and what is in them."""
    found = sha256()
    for file in sorted(files):
        found.update(file.relative_to(folder).as_posix().encode())
        found.update(sha256(file.read_bytes()).digest())
    return found.hexdigest()
