"""The extras of a pyproject.toml but for those that are named, as pip wants them: python extras.py FILE [NAME...]."""

import sys
import tomllib
from pathlib import Path


def extras(file: Path, without: list[str]) -> str:
    """Return the names of all other extras, with commas between them."""
    found = tomllib.loads(file.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    return ",".join(sorted(set(found) - set(without)))


if __name__ == "__main__":
    sys.stdout.write(extras(Path(sys.argv[1]), sys.argv[2:]))
