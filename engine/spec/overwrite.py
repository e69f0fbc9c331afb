"""Files written whole or not at all."""

import os
from pathlib import Path as File
from shutil import copymode
from tempfile import mkstemp


def overwrite(file: File, content: bytes) -> None:
    """Put content in the place of a file's; its rights stay, and a link stays a link. Raises: OSError."""
    goal = file.resolve()
    handle, name = mkstemp(prefix=f".{goal.name}.", dir=goal.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        copymode(goal, name)
        os.replace(name, goal)
    except BaseException:
        File(name).unlink(missing_ok=True)
        raise
