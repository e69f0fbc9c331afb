"""`.pre-commit-hooks.yaml`: what other repositories run on their specs."""

import re
import shlex
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from rulebot.cli import validate
from rulebot.cli.main import main
from rulebot.spec.files import shipped

HOOKS: dict[str, Any] = {
    hook["id"]: hook for hook in YAML(typ="safe").load(Path(__file__).parents[3] / ".pre-commit-hooks.yaml")
}
SPEC = (shipped("specs") / "put_lite.yaml").read_text(encoding="utf-8")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "put_lite.yaml").write_text(SPEC, encoding="utf-8")
    return tmp_path


def hook(name: str, *changed: str) -> Result:
    """Run a hook as pre-commit does for changed files."""
    reported = HOOKS[name]
    words = [*shlex.split(reported["entry"]), *reported.get("args", [])]
    files = (
        [file for file in changed if re.search(reported.get("files", ""), file)]
        if reported.get("pass_filenames", True)
        else []
    )
    assert words[0] == "rulebot"
    return CliRunner().invoke(main, [*words[1:], *files])


def test_there_are_two_and_they_say_what_they_do() -> None:
    assert sorted(HOOKS) == ["rulebot-fmt", "rulebot-validate"]
    assert all(reported["language"] == "python" and reported["types"] == ["yaml"] for reported in HOOKS.values())
    assert all(reported["description"].endswith(".") for reported in HOOKS.values())


def test_validate_looks_at_all_specs(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validate, "today", lambda: date(2026, 10, 21))  # the dates of events do not end soon then
    child = repository / "specs" / "child.yaml"
    child.write_text("rulebot: 1\nname: child\nabout: x\nextends: put_lite\n")
    assert hook("rulebot-validate", "specs/put_lite.yaml").stdout == "2 files: 2 fine\n"
    child.write_text("rulebot: 1\nname: child\nabout: x\nextends: nobody\n")
    assert hook("rulebot-validate", "specs/put_lite.yaml").exit_code == 1


def test_fmt_changes_what_is_not_laid_out(repository: Path) -> None:
    file = repository / "specs" / "put_lite.yaml"
    assert hook("rulebot-fmt", "specs/put_lite.yaml", ".github/workflows/ci.yaml").stdout == "1 file: 1 as it was\n"
    file.write_text(SPEC.replace('"10:30"', "10:30"), encoding="utf-8")
    assert hook("rulebot-fmt", "specs/put_lite.yaml").exit_code == 0
    assert file.read_text(encoding="utf-8") == SPEC
