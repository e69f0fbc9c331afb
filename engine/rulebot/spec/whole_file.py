"""Files written whole or not at all."""

import os
from pathlib import Path as File
from shutil import copymode


def write_whole(file: File, content: bytes) -> None:
    """Write content to a file, or in the place of one: its rights stay, and a link stays a link. Raises: OSError.

    Then, and when it is interrupted, nothing has changed. What is no file of a disk (/dev/stdout) is written straight.
    """
    if file.exists() and not file.is_file():  # a pipe has no name that could be resolved
        file.write_bytes(content)
        return
    goal = file.resolve()
    partial = goal.with_name(f".{goal.name}.{os.getpid()}")
    try:
        with partial.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        if goal.exists():
            copymode(goal, partial)
        partial.replace(goal)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
