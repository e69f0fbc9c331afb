"""The folder that a command works in gives it documents, never code: somebody else may have written what is there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rulebot.cli.main import Commands, main

ROOT = Path(__file__).parents[3]
LEAVES_A_MARK = "from pathlib import Path\nPath({mark!r}).touch()\nraise ImportError\n"
SHARES_WORK = """
import subprocess
import sys

from rulebot.cli.main import Commands, main
from rulebot.process.processes import several


def work(self, ctx):
    with several(1) as pool:
        print(pool.submit(abs, -7).result())
    subprocess.run([sys.executable, "-m", "rulebot.cli.main", "--help"], check=True)


if __name__ == "__main__":
    Commands.invoke = work
    main(["validate", "specs"])
"""
"""The program as its script starts it; the two ways in which it begins processes."""


def test_processes_of_a_command_import_nothing_from_the_folder_it_works_in(tmp_path: Path) -> None:
    """`rulebot diff --seeds` in a clone with a `pickle.py` ran it, the check-up before the open a `rulebot`."""
    script, folder, marks = tmp_path / "bin" / "rulebot", tmp_path / "clone", tmp_path / "marks"
    files = {script: SHARES_WORK}
    for module in ("pickle.py", "rulebot/__init__.py"):
        files[folder / module] = LEAVES_A_MARK.format(mark=str(marks / module.partition("/")[0]))
    for file, text in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    marks.mkdir()
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    environ["PYTHONPATH"] = str(ROOT / "engine")
    done = subprocess.run(
        [sys.executable, str(script)], cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert [each.name for each in marks.iterdir()] == []
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("7\n")
    assert "Options bots for Interactive Brokers" in done.stdout


def test_the_environment_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.setattr(sys, "path", ["/a/folder/of/scripts", *sys.path])
    seen = []
    monkeypatch.setattr(Commands, "invoke", lambda self, ctx: seen.append(os.environ.get("PYTHONSAFEPATH")))
    for folder in (tmp_path, ROOT):
        monkeypatch.chdir(folder)
        main(["validate", "x"], standalone_mode=False)
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])
    main(["validate", "x"], standalone_mode=False)
    assert seen == ["1", "1", None]  # a checkout that is not installed is started from its folder, by `python -m`
    assert "PYTHONSAFEPATH" not in os.environ
