"""The anchors in a virtual environment of their own, so that what they need never meets what rulebot needs."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = HERE / ".anchors"
INTERPRETER = "BENCHMARKS_PYTHON"
"""Environment variable: the interpreter whose virtual environment the anchors get. By default ours."""
INSTALLED = FOLDER / "installed.txt"
"""The lines of `requirements.txt` that were installed: when one says otherwise, it is done again."""


def anchor(program: str) -> str | None:
    """Return the path of an anchor's program, None when it is not installed."""
    found = FOLDER / "bin" / program
    return str(found) if found.exists() else None


def python_version() -> str:
    """Return `Python X.Y.Z` of the anchors' interpreter, of ours when none is installed."""
    command = [anchor("python") or sys.executable, "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def pins() -> list[str]:
    """Return `package==version` of every anchor."""
    lines = (HERE / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def install(*packages: str) -> bool:
    """Install anchors as `requirements.txt` pins them, unless they are there; say so when it fails.

    Returns whether all are there.
    """
    wanted = [line for line in pins() if _package(line) in packages]
    there = INSTALLED.read_text(encoding="utf-8").splitlines() if INSTALLED.exists() else []
    missing = [line for line in wanted if line not in there]
    if not missing:
        return True
    print(f"installing {', '.join(missing)} (once) ...", file=sys.stderr)
    if not there:
        interpreter = os.environ.get(INTERPRETER, sys.executable)
        subprocess.run([interpreter, "-m", "venv", "--clear", str(FOLDER)], check=True)
    command = [str(FOLDER / "bin" / "python"), "-m", "pip", "install", "--quiet", *missing]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"SKIPPED: {', '.join(missing)} cannot be installed:\n{done.stderr[-500:]}", file=sys.stderr)
    else:
        kept = [line for line in there if _package(line) not in packages]
        INSTALLED.write_text("".join(f"{line}\n" for line in (*kept, *wanted)), encoding="utf-8")
    return done.returncode == 0


def _package(line: str) -> str:
    return line.partition("==")[0]


def environment() -> dict[str, str]:
    """Return the environment for measured commands: bytecode is kept, as on a user's machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PYTHONPYCACHEPREFIX": str(HERE / ".bytecode"), "NO_COLOR": "1"}
