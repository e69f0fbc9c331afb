"""Where the program begins: Ctrl+C in its first tenth of a second."""

import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from rulebot.__main__ import begin
from rulebot.cli.exit_codes import STOPPED_BY_HAND

ROOT = Path(__file__).parents[3]


class Pressed:
    """Ctrl+C as the commands are about to be imported."""

    def find_spec(self, name: str, path: object, target: ModuleType | None = None) -> None:
        if name == "rulebot.cli.main":
            raise KeyboardInterrupt


def test_ctrl_c_while_the_program_is_imported_leaves_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "rulebot.cli.main", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Pressed(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        begin()
    assert ended.value.code == STOPPED_BY_HAND


def test_the_command_begins_there() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"] == {
        "rulebot": f"{begin.__module__}:{begin.__name__}"
    }
