from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rulebot.cli.main import main
from rulebot.spec.files import shipped, shipped_names
from rulebot.spec.load import load_document

IN_TIME = ("--date", "2026-10-21")
"""A day on which the dates of events that are shipped do not end soon."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rulebot(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_a_new_spec_is_sound_and_laid_out_and_says_what_comes_next() -> None:
    result = rulebot("new", "my_bot")
    assert (result.exit_code, result.stdout) == (
        0,
        "wrote my_bot.yaml\n\n"
        " say what it is for   the line 'about' in my_bot.yaml\n"
        " check it             rulebot validate my_bot.yaml\n"
        " see it trade         rulebot run --paper --sim my_bot.yaml\n"
        " let an editor help   rulebot schema --help\n",
    )
    assert rulebot("validate", *IN_TIME, "my_bot.yaml").stdout == "1 file: 1 fine\n"
    assert rulebot("fmt", "--check", "my_bot.yaml").exit_code == 0
    spec = load_document("my_bot.yaml").spec
    assert spec is not None
    assert spec.name == "my_bot"


def test_what_comes_next_can_be_typed_in_a_folder_with_a_space(folder: Path) -> None:
    (folder / "my bots").mkdir()
    reported = rulebot("new", "my bots/one").stdout
    assert f" rulebot run --paper --sim '{Path('my bots', 'one.yaml')}'\n" in reported


def test_it_goes_where_specs_are_and_names_the_schema_that_is_there(folder: Path) -> None:
    (folder / "specs").mkdir()
    (folder / "schemas").mkdir()
    (folder / "schemas" / "strategy.schema.json").touch()
    assert rulebot("new", "my_bot").stdout.startswith("wrote specs")
    first = (folder / "specs" / "my_bot.yaml").read_text().partition("\n")[0]
    assert first == "# yaml-language-server: $schema=../schemas/strategy.schema.json"
    (folder / "specs" / "deep").mkdir()
    assert rulebot("new", "specs/deep/other.yaml").exit_code == 0
    first = (folder / "specs" / "deep" / "other.yaml").read_text().partition("\n")[0]
    assert first == "# yaml-language-server: $schema=../../schemas/strategy.schema.json"


@pytest.mark.parametrize("name", shipped_names())
def test_like_a_shipped_one(name: str, folder: Path) -> None:
    assert rulebot("new", "mine", "--like", name).exit_code == 0
    text = (folder / "mine.yaml").read_text()
    assert text == (shipped("specs") / f"{name}.yaml").read_text().partition("\n")[2].replace(
        f"name: {name}", "name: mine"
    )
    assert rulebot("validate", "mine.yaml").exit_code == 0


def test_a_folder_alone_is_no_name(folder: Path) -> None:
    (folder / "mine").mkdir()
    result = rulebot("new", "mine/")
    assert (result.exit_code, "as in 'mine/my_condor'" in result.output) == (2, True), result.output
    assert not (folder / "mine.yaml").exists()


def test_like_one_that_extends_another(folder: Path) -> None:
    rulebot("new", "base")
    (folder / "child.yaml").write_text("rulebot: 1\nname: child\nabout: x\nextends: base\n")
    assert rulebot("new", "beside", "--like", "child.yaml").exit_code == 0
    assert "extends: base" in (folder / "beside.yaml").read_text()
    (folder / "far").mkdir()
    assert rulebot("new", "far/away", "--like", "child.yaml").exit_code == 0
    assert "extends" not in (folder / "far" / "away.yaml").read_text()
    assert rulebot("validate", *IN_TIME, ".").stdout.startswith("4 files: 4 fine")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("taken",), "'taken.yaml' is there already"),
        (("taken.yaml",), "'taken.yaml' is there already"),
        (("old",), "'old.yml' is there already"),
        (("My-Bot",), "is 'My-Bot'\n  = help: write 'my_bot'"),
        (("1",), "is '1'\n  = help: as in 'my_condor'"),
        (("nowhere/bot",), "there is no folder 'nowhere'"),
        (("bot", "--like", "nobody"), "there is no 'nobody'"),
        (("bot", "--like", "many"), "'many' names 2 specs"),
        (("bot", "--like", "account.yaml"), "'account.yaml' is no bot"),
        (("bot", "--like", "liquid.yaml"), "'liquid.yaml' is no bot"),
    ],
)
def test_new_never_overwrites_and_refuses_wrong_arguments(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    (folder / "taken.yaml").write_text("mine")
    (folder / "old.yml").touch()
    (folder / "many").mkdir()
    (folder / "many" / "a.yaml").touch()
    (folder / "many" / "b.yaml").touch()
    (folder / "account.yaml").write_text("rulebot_account: 1\nabout: x\naccount: DU1234567\nrisk: {max_open: 1}\n")
    (folder / "liquid.yaml").write_text("rulebot_universe: 1\nabout: x\ncategories: {indexes: [SPX, SPY]}\n")
    result = rulebot("new", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert (folder / "taken.yaml").read_text() == "mine"
    assert not (folder / "bot.yaml").exists()


def test_a_spec_with_errors_is_not_copied(folder: Path) -> None:
    (folder / "odd.yaml").write_text("rulebot: 1\nname: odd\n")
    result = rulebot("new", "bot", "--like", "odd.yaml")
    assert result.exit_code == 1
    assert "odd.yaml:1:1: error[RB113]: the document lacks 'about'" in result.stderr
    assert not (folder / "bot.yaml").exists()
