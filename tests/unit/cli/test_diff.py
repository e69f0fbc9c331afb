"""`rulebot diff`: what it takes, what it refuses, its exit codes, and what git makes of it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rulebot.cli.main import main
from rulebot.spec.files import shipped
from tests.unit.compile.document import CONDOR as PLAIN

PUT_LITE = (shipped("specs") / "put_lite.yaml").read_text(encoding="utf-8")
CONDOR = (shipped("specs") / "calm_tape_condor.yaml").read_text(encoding="utf-8")
ACCOUNT = (Path(__file__).parents[3] / "examples" / "account_limits.yaml").read_text(encoding="utf-8")


def rulebot(*words: str) -> Result:
    return CliRunner().invoke(main, ["diff", *words])


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=Trader", "-c", "user.email=trader@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository with two committed specs, and stand in it."""
    folder = tmp_path / "clone"
    (folder / "specs").mkdir(parents=True)
    (folder / "specs" / "put_lite.yaml").write_text(PUT_LITE)
    (folder / "specs" / "calm_tape_condor.yaml").write_text(CONDOR)
    git(folder, "init", "-q", "-b", "main", ".")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    monkeypatch.chdir(folder)
    return folder


def edit(clone: Path, old: str, new: str) -> None:
    file = clone / "specs" / "put_lite.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


# ---------------------------------------------------------------- files and folders


def test_a_problem_of_a_copy_stands_at_its_file(clone: Path) -> None:
    """Its name had a space behind it: a copy may be called anything, and is read under another name."""
    (clone / "copy.yaml").write_text(PUT_LITE.replace('from: "10:30"', 'from: "23:30"'))
    assert "copy.yaml:" in (done := rulebot("specs/put_lite.yaml", "copy.yaml")).stderr
    assert (done.exit_code, "copy.yaml :" in done.stderr) == (2, False)


def test_a_file_or_folder_that_only_the_revision_has_is_gone(clone: Path) -> None:
    gone, new = "put_lite  is gone", "put_lite  a new bot"
    (clone / "specs" / "put_lite.yaml").unlink()
    for old in ("HEAD", "HEAD:specs/put_lite.yaml"):
        for path in ("specs/put_lite.yaml", str(clone / "specs" / "put_lite.yaml")):
            assert [gone in rulebot(old, path).stdout, new in rulebot(path, old).stdout] == [True, True]
    (clone / "specs" / "calm_tape_condor.yaml").unlink()
    (clone / "specs").rmdir()
    assert gone in rulebot("HEAD", "specs").stdout
    assert rulebot("HEAD", "specs/nowhere.yaml").exit_code == 2


def test_a_comment_alone_is_no_change(tmp_path: Path) -> None:
    copy = tmp_path / "before.yaml"
    copy.write_text(PUT_LITE.replace("risk:", "# limits\nrisk:"))
    result = rulebot(str(copy), "put_lite")
    assert (result.exit_code, result.stdout) == (0, "put_lite  nothing changes\n")


def test_folders_by_the_names_of_bots(tmp_path: Path) -> None:
    for side in ("old", "new"):
        (tmp_path / side).mkdir()
    (tmp_path / "old" / "put_lite.yaml").write_text(PUT_LITE)
    (tmp_path / "old" / "calm_tape_condor.yaml").write_text(CONDOR)
    (tmp_path / "new" / "put_light.yaml").write_text(PUT_LITE.replace("name: put_lite", "name: put_light"))
    (tmp_path / "new" / "dte0_condor.yaml").write_text((shipped("specs") / "dte0_condor.yaml").read_text())
    result = rulebot(str(tmp_path / "old"), str(tmp_path / "new"))
    assert result.exit_code == 1
    assert "dte0_condor  a new bot; worst case: a trade $963" in result.stdout
    assert "put_light  1 change" in result.stdout
    assert "(!) name  put_lite -> put_light" in result.stdout
    assert "calm_tape_condor  is gone" in result.stdout


def test_two_copies_of_a_bot_that_is_gone_are_one_that_is_renamed_and_one_that_is_new(tmp_path: Path) -> None:
    """Both were called it renamed: on days its trades were there twice, before and after."""
    for side, names in (("old", ("put_lite",)), ("new", ("one", "two"))):
        (tmp_path / side).mkdir()
        for name in names:
            (tmp_path / side / f"{name}.yaml").write_text(PUT_LITE.replace("name: put_lite", f"name: {name}"))
    found = rulebot(str(tmp_path / "old"), str(tmp_path / "new")).stdout
    assert "(!) name  put_lite -> one" in found
    assert "two  a new bot; worst case: " in found
    back = rulebot(str(tmp_path / "new"), str(tmp_path / "old")).stdout
    assert "(!) name  one -> put_lite" in back
    assert "two  is gone" in back


@pytest.mark.parametrize(
    ("name", "text", "called"),
    [("put_lite", PUT_LITE, "bot 'put_lite'"), ("account", ACCOUNT, "account 'DU1234567'")],
)
def test_a_side_with_two_documents_of_one_name_is_not_compared(
    name: str, text: str, called: str, tmp_path: Path
) -> None:
    """The first of them was left out: an edit of it was told by nobody."""
    for side in ("old", "new"):
        for folder in ("active", "kept"):
            (tmp_path / side / folder).mkdir(parents=True)
            (tmp_path / side / folder / f"{name}.yaml").write_text(text)
    edited = tmp_path / "new" / "active" / f"{name}.yaml"
    edited.write_text(text.replace("daily_loss: $", "daily_loss: $9"))
    done = rulebot(str(tmp_path / "old"), str(tmp_path / "new"))
    assert (done.exit_code, f"two documents are the {called}: " in done.stderr) == (2, True)
    assert rulebot(str(tmp_path / "old" / "active"), str(tmp_path / "new" / "active")).exit_code == 1


def test_json_is_for_machines(tmp_path: Path) -> None:
    (tmp_path / "put_lite.yaml").write_text(re.sub(r"    confirm: 2 quotes.*\n", "", PUT_LITE))
    (found,) = json.loads(rulebot("put_lite", str(tmp_path), "--format", "json").stdout)["compared"]
    (change,) = found["changes"]
    assert (found["status"], change["path"], change["worse"]) == ("changed", "exits.stop.confirm", True)
    assert (change["applies"], found["states"], found["worst_case"][0]["of"]) == ("pinned", "unchanged", "a trade")


def test_markdown_lets_nothing_of_a_document_through(tmp_path: Path) -> None:
    about = "about: Sells <img src=x> | [a](b) @someone https://a.example www.b.example"
    (tmp_path / "put_lite.yaml").write_text(PUT_LITE.replace("about: Sells", about))
    shown = rulebot("put_lite", str(tmp_path), "--format", "markdown").stdout
    assert "<img" not in shown
    for linked in ("@someone", "://", "www."):  # GitHub links these as they stand, `&#64;` for `@` as well
        assert linked not in shown
    assert "@<!-- -->someone https:<!-- -->//a.example www<!-- -->.b.example" in shown
    assert "\\[a\\](b)" in shown


def test_an_account_document(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(ACCOUNT)
    (tmp_path / "new.yaml").write_text(ACCOUNT.replace("max_open:", "# max_open:"))
    result = rulebot(str(tmp_path / "old.yaml"), str(tmp_path / "new.yaml"))
    assert result.exit_code == 1
    assert "(!) max_open  was at most" in result.stdout
    assert "now not limited" in result.stdout
    assert "at once, also while positions are open: max_open" in result.stdout


LIQUID = """rulebot_universe: 1
about: Liquid options.
categories:
  indexes: [SPY, QQQ]
  stocks: [AAPL, TSLA]
  funds: [XLF, XLE]
"""


def test_symbols_of_a_universe_in_a_file_come_and_go(clone: Path) -> None:
    text = PUT_LITE.replace("underlying: SPX", "universe: {file: liquid.yaml, categories: [indexes, stocks]}")
    text = re.sub(r"  halt_when:\n(    - .*\n)+", "", text)
    (clone / "specs" / "put_lite.yaml").write_text(text.replace("entry:\n", "entry:\n  max_open: 1\n"))
    (clone / "specs" / "liquid.yaml").write_text(LIQUID)
    git(clone, "add", ".")
    git(clone, "commit", "-q", "-m", "two")
    (clone / "specs" / "liquid.yaml").write_text(LIQUID.replace("TSLA", "MSFT").replace("funds", "sectors"))
    for what in (("HEAD", "specs"), ("HEAD:specs", "specs")):
        result = rulebot(*what)
        assert result.exit_code == 1, result.stderr
        assert "was SPY, QQQ, AAPL, TSLA" in result.stdout
        assert "MSFT comes, TSLA goes; taken from liquid.yaml: indexes and stocks" in result.stdout
        assert "liquid  3 changes, 2 of them (!)" in result.stdout
        assert "(!) categories.stocks   AAPL, TSLA -> AAPL, MSFT  MSFT comes, TSLA goes" in result.stdout
        assert "categories.sectors  new XLF, XLE" in result.stdout
        assert "(!) categories.funds    gone XLF, XLE" in result.stdout
    (clone / "specs" / "liquid.yaml").write_text(LIQUID.replace("[SPY, QQQ]", "[QQQ, SPY]  # the other way round"))
    assert "the same symbols in another order" in rulebot("HEAD", "specs/liquid.yaml").stdout
    (clone / "specs" / "liquid.yaml").write_text(LIQUID.replace("  funds: [XLF, XLE]\n", "# none\n"))
    assert "put_lite  nothing changes" in rulebot("HEAD", "specs/put_lite.yaml").stdout


def test_a_universe_that_only_one_side_has(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "put_lite.yaml").write_text(PUT_LITE)
    (clone / "specs" / "liquid.yaml").write_text(LIQUID)
    assert "liquid  a new universe\n" in rulebot(str(tmp_path / "specs"), "specs").stdout
    assert "liquid  is gone; a bot that names it" in rulebot("specs", str(tmp_path / "specs")).stdout


# ---------------------------------------------------------------- growth of risk


@pytest.mark.parametrize(("most", "code"), [("300%", 1), ("10%", 4), ("0%", 4)])
def test_a_worst_case_that_grew_too_much(tmp_path: Path, most: str, code: int) -> None:
    (tmp_path / "put_lite.yaml").write_text(PUT_LITE.replace("per_day: 1", "per_day: 2"))
    result = rulebot("put_lite", str(tmp_path), "--max-risk-growth", most)
    assert result.exit_code == code
    assert ("put_lite: the worst case grew by 100%" in result.stderr) is (code == 4)


def test_a_new_bot_is_risk_from_nothing(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "put_lite.yaml").write_text(PUT_LITE)
    (tmp_path / "new" / "calm_tape_condor.yaml").write_text(CONDOR)
    words = (str(tmp_path / "old"), str(tmp_path / "new"), "--max-risk-growth", "10%")
    grown = rulebot(*words)
    assert (grown.exit_code, "grew from nothing: the bot is new, and 10% is allowed" in grown.stderr) == (4, True)
    assert rulebot(words[1], words[0], *words[2:]).exit_code == 1


def test_a_growth_of_a_little_more_than_is_allowed_is_reported_as_more(tmp_path: Path) -> None:
    for name, credit in (("old", "0.50"), ("new", "0.45")):
        (tmp_path / f"{name}.yaml").write_text(PLAIN.replace("at_least: 0.50", f"at_least: {credit}"))
    words = (str(tmp_path / "old.yaml"), str(tmp_path / "new.yaml"), "--max-risk-growth")
    assert "the worst case grew by 0.6%, and 0.5% is allowed" in rulebot(*words, "0.5%").stderr
    assert rulebot(*words, "0.6%").exit_code == 1


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("put_lite",), 2, "there is 1, and a file or folder alone is compared with HEAD"),
        ((), 2, "there are 0"),
        (("put_lite", "nosuch.yaml"), 2, "there is no 'nosuch.yaml', and git knows no revision of that name here"),
        (("put_lite", "put_lite", "--all"), 2, "--all shows the days of --seeds"),
        (("put_lite", "put_lite", "--seeds", "0"), 2, "--seeds"),
        (("put_lite", "put_lite", "--max-risk-growth", "10"), 2, "a growth is a percentage, as in 10%, is '10'"),
        (("put_lite", "--install-git"), 2, "take no other arguments"),
        (("--install-git", "--uninstall-git"), 2, "take no other arguments"),
        (("--git-driver", "a", "b"), 2, "git tells its driver 7 words, there are 2"),
        (("--upload-pack=x:specs", "put_lite"), 2, "No such option"),
    ],
)
def test_what_is_refused(words: tuple[str, ...], code: int, said: str) -> None:
    result = rulebot(*words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_documents_with_errors_are_shown_and_not_compared(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("rulebot: 1\nname: bad\n")
    result = rulebot("put_lite", str(tmp_path / "bad.yaml"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "bad.yaml:1:1: error[" in result.stderr


# ---------------------------------------------------------------- revisions


def test_tests_of_a_bot_are_not_compared_and_git_shows_their_lines(clone: Path) -> None:
    """An edit of them was told as none, with exit code 0, and by git as a document with errors."""
    tests = clone / "specs" / "put_lite.test.yaml"
    calm = "{name: calm, market: {spx: 6000 +0x60}, expect: [{all_day: {orders: none}}]}"
    tests.write_text(f"rulebot_test: 1\nspec: put_lite.yaml\ntests:\n  - {calm}\n")
    git(clone, "add", ".")
    git(clone, "commit", "-q", "-m", "two")
    tests.write_text(tests.read_text().replace("calm", "still"))
    done = rulebot("HEAD:specs/put_lite.test.yaml", "specs/put_lite.test.yaml")
    assert (done.exit_code, "holds tests of a bot, and these are not compared" in done.stderr) == (2, True)
    assert rulebot("HEAD:specs", "specs").exit_code == 0
    rulebot("--install-git", "--yes")
    assert "tests of a bot are not compared by what they mean: line by line\n--- a/specs" in git(clone, "diff")


@pytest.mark.skipif(os.name == "nt", reason="a link needs a right on Windows")
def test_a_link_of_the_working_tree_beside_a_revision_is_refused(clone: Path) -> None:
    """What a later edit makes of the file that it leads to is no edit of `specs/`: nobody would be told."""
    spec, shared = clone / "specs" / "put_lite.yaml", clone / "specs" / "shared.txt"
    spec.rename(shared)
    spec.symlink_to("shared.txt")
    for words in (("HEAD", "specs"), ("HEAD", str(spec)), ("specs", "HEAD"), ("HEAD:specs", "specs")):
        result = rulebot(*words)
        assert result.exit_code == 2, words
        assert "put_lite.yaml' is a link: git keeps where it leads, and not what it says" in result.stderr
    assert rulebot("put_lite", str(spec)).stdout == "put_lite  nothing changes\n"
    shared.rename(clone / "shared.txt")
    spec.unlink()
    spec.symlink_to("../shared.txt")
    beside = rulebot("put_lite", str(spec))
    assert (beside.exit_code, "is a link to outside its folder" in beside.stderr) == (2, True)


def test_a_revision_beside_the_working_tree(clone: Path) -> None:
    edit(clone, "loss: $50", "loss: $80")
    for words in (("HEAD", "specs"), ("main", "specs/put_lite.yaml"), ("main:specs", "specs")):
        result = rulebot(*words)
        assert result.exit_code == 1, result.output
        assert "(!) exits.stop  was at a loss of $50" in result.stdout
    back = rulebot("specs", "HEAD")
    assert "exits.stop  was at a loss of $80" in back.stdout


def test_two_git_revisions_are_compared(clone: Path) -> None:
    edit(clone, "loss: $50", "loss: $80")
    git(clone, "commit", "-q", "-a", "-m", "two")
    found = rulebot("HEAD~1:specs/put_lite.yaml", "HEAD:specs/put_lite.yaml")
    assert (found.exit_code, "now at a loss of $80" in found.stdout) == (1, True)
    assert rulebot("HEAD:specs", "main:specs").exit_code == 0


def test_a_bot_that_moved_to_another_folder_is_the_one_that_it_was(clone: Path) -> None:
    """It was a new bot, with nothing said of what was edited on the way."""
    (clone / "live").mkdir()
    (clone / "specs" / "put_lite.yaml").rename(clone / "live" / "put_lite.yaml")
    assert '"15:30"' in PUT_LITE
    (clone / "live" / "put_lite.yaml").write_text(PUT_LITE.replace('"15:30"', '"15:20"'))
    for words in (("HEAD", "live"), ("HEAD", "live/put_lite.yaml"), ("HEAD", "."), ("HEAD:specs", "live")):
        reported = rulebot(*words)
        assert "put_lite  1 change" in reported.stdout, reported.output
        assert "leaves sooner" in reported.stdout
    assert "put_lite  1 change" in rulebot("live", "HEAD").stdout
    (clone / "specs" / "put_lite.yaml").write_text(PUT_LITE)  # a copy: the other one is where it was
    assert "put_lite  a new bot" in rulebot("HEAD", "live").stdout


def test_a_file_that_the_revision_has_not(clone: Path) -> None:
    (clone / "specs" / "dte0_condor.yaml").write_text((shipped("specs") / "dte0_condor.yaml").read_text())
    assert "dte0_condor  a new bot" in rulebot("HEAD", "specs").stdout == rulebot("specs").stdout
    assert "dte0_condor  a new bot" in rulebot("HEAD", "specs/dte0_condor.yaml").stdout


def test_a_folder_that_the_revision_has_not(clone: Path) -> None:
    (clone / "more").mkdir()
    (clone / "more" / "dte0_condor.yaml").write_text((shipped("specs") / "dte0_condor.yaml").read_text())
    result = rulebot("HEAD", "more")
    assert (result.exit_code, "dte0_condor  a new bot" in result.stdout) == (1, True)


def test_what_git_keeps_of_a_file_is_asked_where_the_file_is(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From any other folder it said that there is no 'HEAD', and which specs are shipped."""
    edit(clone, "target: {profit: 50%}", "target: {profit: 60%}")
    monkeypatch.chdir(tmp_path)
    for words in (("clone/specs",), ("main", "clone/specs"), ("clone/specs/put_lite.yaml", "main")):
        assert "put_lite  1 change" in rulebot(*words).stdout
    (tmp_path / "put_lite.yaml").write_text(PUT_LITE)
    alone = rulebot("put_lite.yaml")
    assert (alone.exit_code, alone.stdout) == (2, "")
    reported = "'put_lite.yaml' alone is compared with what git keeps of it, and no commit is there"
    assert alone.stderr == f"error: {reported}\n  = help: name two: OLD and NEW\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("HEAD", "main"), "are revisions, and no file is named"),
        (("HEAD:nosuch", "specs"), "git has no 'HEAD:nosuch': path 'nosuch' does not exist in 'HEAD'"),
        (("nosuch:specs", "specs"), "git has no 'nosuch:specs'"),
        (("HEAD", "main:specs"), "name the path: 'HEAD:specs'"),
        (("v9", "specs"), "there is no 'v9', and git knows no revision"),
    ],
)
def test_revisions_that_cannot_be_meant(clone: Path, words: tuple[str, ...], said: str) -> None:
    result = rulebot(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_a_revision_without_git_exits_with_3_and_help(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    result = rulebot("main:specs", "specs")
    assert result.exit_code == 3
    assert result.stderr == (
        "error: git is not installed, and a revision was named\n  = help: compare two files instead\n"
    )


# ---------------------------------------------------------------- git diff


def test_git_diff_speaks_of_meaning(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3] / "engine"))
    assert rulebot("--install-git").exit_code == 2  # nobody is there to be asked
    assert not (clone / ".gitattributes").exists()
    reported = rulebot("--install-git", "--yes")
    assert reported.exit_code == 0
    assert "gets  diff.rulebot.command = " in reported.stdout
    assert "already" in rulebot("--install-git").stdout
    assert (clone / ".gitattributes").read_text() == "specs/*.yaml diff=rulebot\n"
    edit(clone, "loss: $50", "loss: $80")
    assert "now at a loss of $80, commissions so far included" in git(clone, "diff")
    edit(clone, "rulebot: 1", "rulebot: 1\nbad: [")
    assert "one side has errors (rulebot validate says which): line by line" in git(clone, "diff")
    assert rulebot("--uninstall-git", "--yes").exit_code == 0
    assert not (clone / ".gitattributes").exists()
    assert "+  - stop: {loss: $80}" in git(clone, "diff")
    assert "already" in rulebot("--uninstall-git").stdout


def test_git_reads_what_stands_beside_a_spec_from_the_working_tree(clone: Path) -> None:
    child = "rulebot: 1\nname: child\nabout: A child.\nextends: put_lite\nrisk: {max_loss_per_trade: $900}\n"
    text = PUT_LITE.replace("name: put_lite", "name: many").replace(
        "underlying: SPX", "universe: {file: liquid.yaml, CATEGORIES}"
    )
    text = re.sub(r"  halt_when:\n(    - .*\n)+", "", text).replace("entry:\n", "entry:\n  max_open: 1\n")
    (clone / "specs" / "child.yaml").write_text(child)
    (clone / "specs" / "many.yaml").write_text(text.replace("CATEGORIES", "categories: [indexes]"))
    (clone / "specs" / "liquid.yaml").write_text(LIQUID)
    git(clone, "add", ".")
    git(clone, "commit", "-q", "-m", "two")
    rulebot("--install-git", "--yes")
    (clone / "specs" / "child.yaml").write_text(child.replace("900", "800"))
    (clone / "specs" / "many.yaml").write_text(text.replace("CATEGORIES", "categories: [indexes, funds]"))
    (clone / "specs" / "liquid.yaml").write_text(LIQUID.replace("TSLA", "MSFT"))
    shown = git(clone, "diff")
    assert "child  1 change" in shown
    assert "XLF and XLE come; taken from liquid.yaml: indexes and funds" in shown
    assert "MSFT comes, TSLA goes" in shown
    assert "line by line" not in shown


def test_what_else_stands_in_gits_files_stays(clone: Path) -> None:
    (clone / ".gitattributes").write_text("*.png binary\n")
    git(clone, "config", "--local", "diff.other.command", "true")
    rulebot("--install-git", "--yes")
    rulebot("--uninstall-git", "--yes")
    assert (clone / ".gitattributes").read_text() == "*.png binary\n"
    assert git(clone, "config", "--local", "--get", "diff.other.command") == "true\n"


def test_the_driver_of_new_gone_renamed_and_unmerged_files(clone: Path) -> None:
    file = str(clone / "specs" / "put_lite.yaml")
    new = rulebot("--git-driver", "specs/put_lite.yaml", "/dev/null", ".", ".", file, "0", "100644")
    assert (new.exit_code, "put_lite  a new bot" in new.stdout) == (0, True)
    gone = rulebot("--git-driver", "specs/put_lite.yaml", file, "0", "100644", "/dev/null", ".", ".")
    assert "put_lite  is gone" in gone.stdout
    words = ("specs/put_lite.yaml", file, "0", "1", file, "0", "1", "specs/put_light.yaml", "similarity index 98%")
    assert "rulebot diff a/specs/put_lite.yaml b/specs/put_light.yaml" in rulebot("--git-driver", *words).stdout
    assert rulebot("--git-driver", "specs/put_lite.yaml").stdout == "* Unmerged path specs/put_lite.yaml\n"


def test_outside_of_a_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    result = rulebot("--install-git", "--yes")
    assert result.exit_code == 3
    assert "go into a clone first" in result.stderr


# ---------------------------------------------------------------- speed


def test_it_starts_light() -> None:
    folder = str(shipped("specs"))
    command = [sys.executable, "-X", "importtime", "-m", "rulebot.cli.main", "diff", folder, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    heavy = ("jsonschema", "sqlalchemy", "ib_async", "numpy", "rich", "asyncio", "rulebot.adapters", "twsim")
    assert "rulebot.review.change.compare" in imported
    assert [name for name in imported if name.startswith(heavy)] == []
