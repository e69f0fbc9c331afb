"""A recording made by this Python replays to the same decisions by another one."""

import os
import shutil
import subprocess
import sys
import tomllib
from datetime import time
from pathlib import Path

import pytest

from rulebot.live.environments import DEFAULT_DATE
from rulebot.model.session import at_exchange_time
from tests.e2e.worlds import run_days, spec_files

ROOT = Path(__file__).parents[2]
OTHERS = ("3.13", "3.14", "3.12", "3.11")


def another_python() -> str:
    """Return the newest-known other Python of this machine that starts, "" without one."""
    mine = f"{sys.version_info.major}.{sys.version_info.minor}"
    for version in OTHERS:
        found = shutil.which(f"python{version}")
        places = [found] if found else []
        places += sorted(str(each) for each in Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"))
        for place in places if version != mine else []:
            if subprocess.run([place, "-c", "import venv"], capture_output=True, check=False).returncode == 0:
                return place
    return ""


@pytest.mark.long
@pytest.mark.timeout(300)
def test_ci_a_recording_replays_on_another_python(tmp_path: Path) -> None:
    python = another_python()
    if not python:
        pytest.skip("no other Python is installed here")
    bots, noon = spec_files(["put_lite", "dte0_condor"]), at_exchange_time(DEFAULT_DATE, time(12))
    run_days(tmp_path, bots, seed=3, data_seconds=15, tapes=tmp_path / "tapes", until=noon)
    (tape,) = (tmp_path / "tapes").rglob("*.tape")
    home = tmp_path / "other"
    subprocess.run([python, "-m", "venv", "--without-pip", str(home)], check=True)  # this one's pip installs there
    pip = (sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"))
    constraints = ROOT / "tests" / "constraints.txt"
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    wanted = ("install", "-q", "--no-compile", "-c", str(constraints), *needed)
    subprocess.run([*pip, *wanted], check=True, capture_output=True)
    environ = {**os.environ, "RULEBOT_DATA": str(tmp_path / "data"), "PYTHONPATH": str(ROOT / "engine")}
    words = [str(home / "bin" / "python"), "-B", "-m", "rulebot.cli.main", "replay", str(tape)]
    done = subprocess.run(words, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ": the same, " in done.stdout
