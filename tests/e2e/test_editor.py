"""What an editor shows of a spec, by the language server that most of them use. Skipped where that is not installed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from rulebot.cli.main import main
from rulebot.spec.files import shipped
from tests.e2e.language_server import Editor, server_command

COMMAND = server_command()
SPEC = (shipped("specs") / "calm_tape_condor.yaml").read_text(encoding="utf-8")
CHILD = """rulebot: 1
name: child
about: As its parent.
extends: calm_tape_condor
legs: {long_put: {strike: {by: 5 pts}}}
"""

pytestmark = pytest.mark.skipif(
    COMMAND is None, reason="needs node and yaml-language-server (npm install -g yaml-language-server)"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("editor").resolve()
    for name in ("specs", "schemas"):
        (place / name).mkdir()
    for name, arguments in (("strategy", ["schema"]), ("child", ["schema", "--extending"])):
        (place / "schemas" / f"{name}.schema.json").write_text(CliRunner().invoke(main, arguments).stdout)
    return place


@pytest.fixture(scope="module")
def editor(folder: Path) -> Iterator[Editor]:
    assert COMMAND is not None
    started = Editor(COMMAND, folder)
    yield started
    started.close()


def opened(editor: Editor, folder: Path, text: str, name: str = "bot") -> tuple[Path, list[str]]:
    file = folder / "specs" / f"{name}.yaml"
    file.write_text(text, encoding="utf-8")
    return file, editor.open(file)


def place_of(text: str, word: str) -> tuple[int, int]:
    before = text[: text.index(word)]
    return before.count("\n"), len(before) - before.rfind("\n") - 1


def test_a_sound_spec_has_no_problem_and_its_words_are_explained(editor: Editor, folder: Path) -> None:
    file, problems = opened(editor, folder, SPEC, "sound")
    assert problems == []
    assert "The part of the session in which it may enter" in editor.hover(file, *place_of(SPEC, "window:"))
    assert "The change of VIX in points" in editor.hover(file, *place_of(SPEC, "vix_change:"))
    assert "expected moves from spot" in editor.hover(file, *place_of(SPEC, "expected_move: 1.2x"))


def test_keys_and_measures_are_offered_with_what_they_mean(editor: Editor, folder: Path) -> None:
    text = SPEC.replace("  per_day: 1\n", "  per_day: 1\n  \n")
    file, _ = opened(editor, folder, text, "keys")
    line, _ = place_of(text, "  \n  when")
    offered = editor.complete(file, line, 2)
    assert {"every", "again", "max_open"} <= offered.keys()
    assert "per_day" not in offered
    assert offered["every"].startswith("How often `when` is judged")
    text = SPEC.replace("    - vix: {between: [12, 22]}\n", "    - \n")
    file, _ = opened(editor, folder, text, "measures")
    line, _ = place_of(text, "    - \n")
    assert {"vix", "iv_over_rv", "no_event", "all", "expr"} <= editor.complete(file, line, 6).keys()


def test_mistakes_are_marked(editor: Editor, folder: Path) -> None:
    _, problems = opened(editor, folder, SPEC.replace("then: cancel", "then: wait").replace("per_day", "a_day"), "odd")
    assert any("cancel" in problem for problem in problems)
    assert any("a_day" in problem for problem in problems)


def test_a_spec_that_extends_another_owes_nothing_else(editor: Editor, folder: Path) -> None:
    _, problems = opened(
        editor, folder, f"# yaml-language-server: $schema=../schemas/child.schema.json\n{CHILD}", "child"
    )
    assert problems == []
    text = f"# yaml-language-server: $schema=../schemas/strategy.schema.json\n{CHILD}".replace("legs:", "risk:")
    text = text.replace("{long_put: {strike: {by: 5 pts}}}", "{daily_loss: $50}")
    assert opened(editor, folder, text, "other")[1] == []
    text = f"# yaml-language-server: $schema=../schemas/child.schema.json\n{CHILD}risk: {{dayly_loss: $50}}\n"
    assert any("dayly_loss" in problem for problem in opened(editor, folder, text, "misspelt")[1])
