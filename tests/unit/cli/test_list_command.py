"""`rulebot list` of files: which of them are bots, and what is refused."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rulebot.cli.main import main

EXAMPLES = Path(__file__).parents[3] / "examples"
PUT_LITE = Path(__file__).parents[3] / "specs" / "put_lite.yaml"


@pytest.fixture(autouse=True)
def nothing_has_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "data"))


def listed(*files: Path) -> Result:
    return CliRunner().invoke(main, ["list", *map(str, files)])


def test_documents_that_are_no_bots_are_passed_over() -> None:
    """Tests of a bot were `no sound spec`, of which `rulebot validate` said that they are fine."""
    others = (EXAMPLES / "tests" / "averages.test.yaml", EXAMPLES / "account_limits.yaml", EXAMPLES / "liquid.yaml")
    found = listed(*others, PUT_LITE)
    assert (found.exit_code, found.output.count("put_lite  stopped"), "averages" in found.output) == (0, 1, False)


def test_two_files_of_one_bot_are_named(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "put_lite.yaml").write_bytes(PUT_LITE.read_bytes())
    found = listed(tmp_path)
    assert (found.exit_code, "two documents are the bot 'put_lite': " in found.output) == (2, True)


def test_a_spec_with_errors_is_named(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("rulebot: 1\nname: wrong\n")
    found = listed(tmp_path)
    assert (found.exit_code, "wrong.yaml is no sound spec" in found.output) == (2, True)
