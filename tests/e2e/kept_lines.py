"""What a long run has found so far, a line of JSON each, so that one that was cut goes on where it was."""

import json
from pathlib import Path
from typing import Any

Line = dict[str, Any]


class KeptLines:
    """The lines of a file, which stay with it; without a file there are none, and none is kept.

    digest: says what the lines are about; those of a file of another digest are not taken up. A last line that was
    cut off is dropped. Raises: SystemExit for a file of another digest.
    """

    def __init__(self, path: Path | None, digest: str) -> None:
        self.lines: list[Line] = []
        self._path = path
        if path is None:
            return
        if path.exists() and path.stat().st_size:
            whole = [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
            head, *rest = whole or [""]
            if not head or json.loads(head) != {"digest": digest}:
                raise SystemExit(f"{path} was kept of another engine; name a new file")
            self.lines = [json.loads(line) for line in rest]
            path.write_text("".join(whole), encoding="utf-8")
        else:
            self.add({"digest": digest})

    def add(self, line: Line) -> None:
        """Keep a line: it is in the file when this returns."""
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
