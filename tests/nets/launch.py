"""Commands of the product in processes of their own, forked from one that has imported all of it."""

import multiprocessing
import os
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.nets.product import run_command

ROOT = Path(__file__).parents[2]
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.nets.warm"])


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a command that keeps its data in a folder."""
    given = {key: value for key, value in os.environ.items() if not key.startswith("RULEBOT_")}
    return given | {"RULEBOT_DATA": str(folder / "data"), "NO_COLOR": "1", "COLUMNS": "120"}


def launch(
    arguments: Sequence[object],
    folder: Path,
    output: Path,
    *,
    change: str = "",
    place: Path | None = None,
    more: dict[str, str] | None = None,
) -> BaseProcess:
    """Start a command and return its process. place: its working folder, else `folder`. more: of its environment."""
    words = list(map(str, arguments))
    given = (words, place or folder, environment(folder) | (more or {}), output, change)
    process = _CONTEXT.Process(target=run_command, args=given)
    process.start()
    return process


def output_of(
    arguments: Sequence[object], folder: Path, limit: float, change: str = "", codes: Sequence[int] = (0,)
) -> str:
    """Run a command in the checkout and return what it printed. Raises: AssertionError for another exit code."""
    output = folder / f"{arguments[0]}.txt"
    output.unlink(missing_ok=True)
    process = launch(arguments, folder, output, change=change, place=ROOT)
    process.join(limit)
    if process.exitcode is None:
        process.kill()
        process.join()
    said, errors = (file.read_text(encoding="utf-8") for file in (output, output.with_suffix(".errors")))
    assert process.exitcode in codes, f"exit code {process.exitcode}: {errors[-2000:] or said[-2000:]}"
    return said
