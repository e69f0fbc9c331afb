"""`git diff` that speaks of meaning: one entry in this clone's configuration, one line in its attributes."""

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rulebot.model.errors import StoreError, unread
from rulebot.model.values import dataclass

ATTRIBUTES = "specs/*.yaml diff=rulebot"
_KEY = "diff.rulebot.command"


@dataclass(frozen=True, slots=True)
class Setup:
    """What stands in a clone. `folder` is its top; `command` what its configuration runs, "" for nothing."""

    folder: Path
    command: str
    has_line: bool

    @property
    def attributes(self) -> Path:
        """The file that says which files are specs."""
        return self.folder / ".gitattributes"


def driver_command() -> str:
    """Return what git runs for each spec: this very program, not one that a folder might hide it with."""
    return f"{shlex.quote(Path(sys.executable).as_posix())} -P -m rulebot.cli.main diff --git-driver"


def setup_of(folder: Path) -> Setup:
    """Return what stands in the clone around a folder. Raises: StoreError outside of one, or without git."""
    top = Path(_git(folder, "rev-parse", "--show-toplevel").strip())
    command = _git(top, "config", "--local", "--default", "", "--get", _KEY).strip()
    return Setup(top, command, ATTRIBUTES in _lines(top / ".gitattributes"))


def install(found: Setup) -> None:
    """Write what is missing. Raises: StoreError."""
    _git(found.folder, "config", "--local", _KEY, driver_command())
    if not found.has_line:
        _write(found.attributes, [*_lines(found.attributes), ATTRIBUTES])


def uninstall(found: Setup) -> None:
    """Take away what `install` wrote, and nothing else. Raises: StoreError."""
    if found.command:
        _git(found.folder, "config", "--local", "--remove-section", _KEY.rpartition(".")[0])
    if found.has_line:
        _write(found.attributes, [line for line in _lines(found.attributes) if line != ATTRIBUTES])


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"cannot read '{file}': {unread(error)}") from error


def _write(file: Path, lines: Sequence[str]) -> None:
    """Write the lines; a file that would be empty goes."""
    try:
        if lines:
            file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        else:
            file.unlink()
    except OSError as error:
        raise StoreError(f"cannot write '{file}': {error.strerror or error}") from error


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, check=False)
    except OSError as error:
        raise StoreError(f"git cannot be run: {error.strerror or error}", "install git first") from error
    if done.returncode:
        raise StoreError(f"git {words[0]}: {done.stderr.decode('utf-8', 'replace').strip()}", "go into a clone first")
    return done.stdout.decode("utf-8", "replace")
