"""Every shipped bot trades in shipped data, by the commands of docs/history-data.md."""

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from rulebot.cli.main import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "history-data.md").read_text(encoding="utf-8")
COMMANDS = dict(re.findall(r"^\| `([a-z0-9_]+)` \| `(specs/\S+ --data .+)` \|$", PAGE, re.MULTILINE))


def test_each_shipped_bot_has_its_command() -> None:
    assert COMMANDS.keys() == {file.stem for file in (ROOT / "specs").glob("*.yaml")} - {"account"}


@pytest.mark.parametrize("bot", sorted(COMMANDS))
def test_a_shipped_bot_trades_in_shipped_data(bot: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    given = [*shlex.split(COMMANDS[bot]), "--workers", "1", "--store", str(tmp_path / "past.db"), "--format", "json"]
    result = CliRunner().invoke(main, ["backtest", *given], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    entered = {each["bot"]: each["entered"] for each in json.loads(result.stdout)["funnels"]}
    assert entered[bot] >= 1
