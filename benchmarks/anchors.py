"""The anchors in a virtual environment of their own, so that what they need never meets what rulebot needs."""

import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = HERE / ".anchors"
INSTALLED = FOLDER / "installed.txt"
"""What was installed: when `requirements.txt` says otherwise, it is done again."""


def anchor(program: str) -> str | None:
    """Return the path of an anchor's program, None when it is not installed."""
    found = FOLDER / "bin" / program
    return str(found) if found.exists() else None


def install() -> bool:
    """Install the anchors unless they are there; say so when that fails. Returns whether they are there."""
    wanted = (HERE / "requirements.txt").read_text(encoding="utf-8")
    if INSTALLED.exists() and INSTALLED.read_text(encoding="utf-8") == wanted:
        return True
    print("installing the anchors (once) ...", file=sys.stderr)
    venv.create(FOLDER, with_pip=True, clear=True)
    command = [str(FOLDER / "bin" / "python"), "-m", "pip", "install", "--quiet", "-r", str(HERE / "requirements.txt")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"SKIPPED: the anchors cannot be installed:\n{done.stderr[-500:]}", file=sys.stderr)
    else:
        INSTALLED.write_text(wanted, encoding="utf-8")
    return done.returncode == 0


def environment() -> dict[str, str]:
    """Return the environment for measured commands: bytecode is kept, as on a user's machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PYTHONPYCACHEPREFIX": str(HERE / ".bytecode"), "NO_COLOR": "1"}
