"""The head of a recording, changed by a test: its checksum is made anew, as if it had been written so."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from rulebot.adapters.recorded.file import head_crc


def rewrite(file: Path, statement: str, values: Sequence[str] = ()) -> Path:
    """Change a recording's tables by a statement."""
    with sqlite3.connect(file) as connection:
        connection.execute(statement, values)
        head = dict(connection.execute("SELECT name, value FROM head WHERE name != 'crc'").fetchall())
        connection.execute("UPDATE head SET value = ? WHERE name = 'crc'", (str(head_crc(head)),))
    connection.close()
    return file
