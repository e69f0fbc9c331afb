"""What a shell offers when the tab key is pressed, and that it comes at once."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from rulebot.cli.main import COMMANDS, SECTIONS, main

ROOT = Path(__file__).parents[3]


def completed(*words: str, shell: str = "bash") -> list[str]:
    environment = {"_RULEBOT_COMPLETE": f"{shell}_complete", "COMP_WORDS": " ".join(words)}
    environment["COMP_CWORD"] = words[-1] if shell == "fish" else str(len(words) - 1)
    return CliRunner(env=environment).invoke(main, [], prog_name="rulebot").stdout.splitlines()


def test_commands_and_their_options() -> None:
    assert completed("rulebot", "va") == ["plain,validate"]
    assert set(completed("rulebot", "")) >= {f"plain,{name}" for name in COMMANDS}
    assert completed("rulebot", "fmt", "--d") == ["plain,--diff"]
    assert completed("rulebot", "schema", "a") == ["plain,account"]
    assert completed("rulebot", "--v") == ["plain,--version"]


def test_commands_come_with_their_line() -> None:
    assert completed("rulebot", "va", shell="fish") == [
        "plain,validate\tCheck specs; report every problem with its place."
    ]


@pytest.mark.parametrize(
    "words", [("validate",), ("fmt",), ("run", "--paper"), ("chaos",), ("list",), ("new", "x", "--like")]
)
def test_specs_are_files_and_what_is_shipped(words: tuple[str, ...]) -> None:
    assert completed("rulebot", *words, "put") == ["plain,put_lite", "file,put"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_every_shell_has_its_script(shell: str) -> None:
    result = CliRunner(env={"_RULEBOT_COMPLETE": f"{shell}_source"}).invoke(main, [], prog_name="rulebot")
    assert f"_RULEBOT_COMPLETE={shell}_complete" in result.stdout


def test_a_tab_imports_little() -> None:
    environment = {**os.environ, "_RULEBOT_COMPLETE": "bash_complete", "COMP_WORDS": "rulebot ", "COMP_CWORD": "1"}
    code = "from rulebot.cli.main import main; main(prog_name='rulebot')"
    command = [sys.executable, "-X", "importtime", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "|" in line}
    assert "plain,validate" in done.stdout
    assert {name for name in imported if name.startswith("rulebot.cli.")} == {
        "rulebot.cli.exit_codes",
        "rulebot.cli.main",
        "rulebot.cli.past",
        "rulebot.cli.terminal",
    }


@pytest.mark.skipif(shutil.which("bash") is None or os.name == "nt", reason="needs bash")
def test_bash_completes_a_command(tmp_path: Path) -> None:
    shim = tmp_path / "rulebot"
    code = "from rulebot.cli.main import main; main(prog_name='rulebot')"
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$@"\n')
    shim.chmod(0o755)
    script = (
        "source <(_RULEBOT_COMPLETE=bash_source rulebot) || exit 0; COMP_WORDS=(rulebot val); COMP_CWORD=1; "
        '_rulebot_completion rulebot; echo "${COMPREPLY[@]}"'
    )
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "engine")}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, env=environment)
    assert done.stdout == "validate\n", done.stderr


def test_every_command_stands_in_one_section() -> None:
    assert sum(len(section) for section in SECTIONS.values()) == len(COMMANDS)
    shown = CliRunner().invoke(main, ["--help"]).stdout
    assert [title for title in SECTIONS if f"\n{title}:\n" not in shown] == []
    assert [name for name in COMMANDS if f"\n  {name} " not in shown] == []
    assert max(map(len, shown.splitlines())) <= 80
