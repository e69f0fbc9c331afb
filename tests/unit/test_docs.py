"""What the documents say of files, commands and settings is so."""

import re
from dataclasses import fields
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from rulebot.chaos.generator import chosen_kinds, labels_of
from rulebot.cli.main import COMMANDS, main
from rulebot.process.settings import PREFIX, Settings
from rulebot.spec.load import load_text

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
READ = {page: page.read_text(encoding="utf-8") for page in PAGES}
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")
SECTION = re.compile(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:`|^|/|\$ |run )rulebot ([a-z]+)", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    assert [link for link in LINK.findall(READ[page]) if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_are_named_exist(page: Path) -> None:
    named = {name for code in CODE.findall(READ[page]) for name in COMMAND.findall(code)}
    assert sorted(named - set(COMMANDS)) == []


def test_every_command_is_documented() -> None:
    texts = [READ[page] for page in PAGES if page.name != "CHANGELOG.md"]
    named = {name for text in texts for code in CODE.findall(text) for name in COMMAND.findall(code)}
    assert sorted(set(COMMANDS) - named) == []


def test_as_many_kinds_of_faults_are_reported_as_there_are() -> None:
    kinds = chosen_kinds(None)
    assert f"{len(labels_of(kinds))} with all kinds on" in READ[ROOT / "docs" / "chaos.md"]
    assert {98: "more than ninety kinds of faults"}[len(kinds)] in READ[ROOT / "README.md"]


def test_readme_shows_the_spec_that_is_shipped() -> None:
    shipped = (ROOT / "specs" / "calm_tape_condor.yaml").read_text(encoding="utf-8")
    assert shipped.partition("\n")[2] in READ[ROOT / "README.md"]


def test_readme_has_the_two_commands_each_on_a_line_of_its_own() -> None:
    start = "python3 -m venv .venv && .venv/bin/pip install -q -e '.[test]' && "
    lines = [line for line in READ[ROOT / "README.md"].split("\n") if line.startswith("python3")]
    assert lines[:2] == [start + ".venv/bin/rulebot run --paper --sim specs/*.yaml", start + ".venv/bin/pytest -q"]
    page = start.replace("test", "web") + ".venv/bin/rulebot serve --paper --sim --speed 30 specs/*.yaml"
    assert lines[2:] == [page]


def test_what_code_says_stands_in_a_page_stands_there() -> None:
    """It named numbered sections of pages that have none, and rows of faults.md, which had no table of them."""
    code = {
        file: file.read_text(encoding="utf-8") for name in ("engine", "tests") for file in (ROOT / name).rglob("*.py")
    }
    assert [file.name for file, text in code.items() if re.search(r"\.md\s+section\s+[0-9]", text)] == []
    named = {found[1] for text in code.values() for found in re.finditer(r"faults\.md\s+rows?\s([0-9, and to]+)", text)}
    numbers = {int(number) for each in named for number in re.findall("[0-9]+", each)}
    rows = {int(number) for number in re.findall(r"^\| ([0-9]+) \|", READ[ROOT / "docs" / "faults.md"], re.MULTILINE)}
    assert numbers
    assert numbers <= rows


def test_every_setting_and_its_variable_are_documented() -> None:
    text = READ[ROOT / "docs" / "settings.md"]
    for field in fields(Settings):
        assert f"| `{field.name}` | `{PREFIX}{field.name.upper()}` |" in text


def test_what_explain_is_said_to_print_is_what_it_prints() -> None:
    page = READ[ROOT / "docs" / "explain.md"]
    shown = re.findall(r"```\n\$ rulebot explain (\S+)\n(.*?)\n```", page, re.DOTALL)
    assert len(shown) == 2
    for what, printed in shown:
        assert CliRunner().invoke(main, ["explain", str(ROOT / what) if "/" in what else what]).stdout == printed + "\n"


def test_what_diff_is_said_to_print_is_what_it_prints() -> None:
    ((old, new, printed),) = re.findall(
        r"```\n\$ rulebot diff (\S+) (\S+)\n(.*?)\n```", READ[ROOT / "docs" / "diff.md"], re.DOTALL
    )
    assert CliRunner().invoke(main, ["diff", str(ROOT / old), str(ROOT / new)]).stdout == printed + "\n"


def option_names(command: click.Command) -> set[str]:
    return {name for each in command.params if isinstance(each, click.Option) for name in (*each.opts, "--help")}


def options_of(words: str) -> set[str]:
    """Return the options of the command that a line begins with; of `store export` those of the part."""
    context = click.Context(main, info_name="rulebot")
    first, _, second = words.partition(" ")
    command = main.get_command(context, first)
    assert command is not None
    part = command.get_command(context, second.partition(" ")[0]) if isinstance(command, click.Group) else None
    return option_names(part or command)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "examples" / "README.md"], ids=lambda page: page.name)
def test_options_that_are_shown_with_a_command_are_its_own(page: Path) -> None:
    """In code alone: what a sentence says of two commands is theirs."""
    wrong = []
    for code in CODE.findall(page.read_text(encoding="utf-8")):
        for line in re.findall(r"(?:^|`|\$ |/)rulebot ([a-z]+[^`\n#&|>]*)", code, re.MULTILINE):
            if line.split()[0] in COMMANDS:
                named = re.findall(r"(?<![\w-])--[a-z][a-z-]*", line)
                wrong += [f"{line}: {name}" for name in named if name not in options_of(line)]
    assert wrong == []


@pytest.mark.parametrize("page", ["live", "tests"])
def test_documents_that_are_shown_are_sound(page: str) -> None:
    blocks = re.findall(r"```yaml\n(rulebot.*?)```", READ[ROOT / "docs" / f"{page}.md"], re.DOTALL)
    assert blocks
    for block in blocks:
        assert load_text(block, f"{page}.yaml").diagnostics == ()


def test_the_mistake_that_the_readme_shows_is_reported_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ((printed, wrong),) = re.findall(
        r"```\n\$ rulebot validate specs/\n(.*?\n    9 \|(.*?)\n.*?)\n```", READ[ROOT / "README.md"], re.DOTALL
    )
    _, *lines = (ROOT / "specs" / "put_lite.yaml").read_text(encoding="utf-8").replace("put_lite", "condor").split("\n")
    short = [line for line in lines if line and "per_day" not in line]  # such that it stands on line 9
    text = "\n".join(wrong[1:] if "iv_over_rv" in line else line for line in short)
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "condor.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, ["validate", "specs/"]).output == printed + "\n1 file: 1 with 1 error\n"


def test_the_changelog_has_at_most_150_short_entries() -> None:
    """After a merge that brought old lines back: take the file of main and add yours, at most one a feature."""
    entries = re.findall(r"^- .*(?:\n  .*)*", READ[ROOT / "CHANGELOG.md"], re.MULTILINE)
    assert 0 < len(entries) <= 150
    assert [entry for entry in entries if len(entry.split()) > 21] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_sections_that_are_linked_exist(page: Path) -> None:
    wrong = []
    for link, anchor in SECTION.findall(READ[page]):
        target = page.parent / link if link else page
        if target.suffix == ".md" and anchor not in anchors_of(target):
            wrong.append(f"{link}#{anchor}")
    assert wrong == []


def anchors_of(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as they are made where it is shown."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title) for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in plain}
