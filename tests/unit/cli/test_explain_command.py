"""`rulebot explain`: what it takes, what it refuses, and what it writes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rulebot.cli.main import main
from rulebot.spec.files import shipped
from rulebot.spec.load import load_document, load_text

BAD = "rulebot: 1\nname: bad\n"


def rulebot(*words: str) -> Result:
    return CliRunner().invoke(main, ["explain", *words])


LIQUID = "rulebot_universe: 1\nabout: Liquid options.\ncategories: {indexes: [SPX, SPY], funds: [XLF, XLE]}\n"


def test_a_universe_in_a_file_and_what_a_bot_takes_of_it(tmp_path: Path) -> None:
    spec = (shipped("specs") / "micro_buywrite.yaml").read_text(encoding="utf-8")
    symbols = "  symbols: [SPY, QQQ, AAPL, MSFT, NVDA, TSLA, AMZN, META, GOOGL]\n"
    assert symbols in spec
    takes = "  file: liquid.yaml\n  categories: [funds, indexes]\n  except: [SPX]\n"
    (tmp_path / "micro_buywrite.yaml").write_text(spec.replace(symbols, takes))
    (tmp_path / "liquid.yaml").write_text(LIQUID)
    result = rulebot(str(tmp_path))
    assert result.exit_code == 0, result.stderr
    assert "liquid  liquid options" in result.stdout
    assert "indexes  2 symbols: SPX, SPY" in result.stdout
    assert "Universe  3 symbols, one position each: XLF, XLE and SPY" in result.stdout
    assert "taken from liquid.yaml: funds and indexes, without SPX" in result.stdout
    whole = rulebot("--resolved", str(tmp_path / "micro_buywrite.yaml")).stdout
    assert "universe:\n  symbols: [XLF, XLE, SPY]\n" in whole or "{symbols: [XLF, XLE, SPY]" in whole


def test_a_shipped_spec_by_its_name_and_several_in_one_call() -> None:
    result = rulebot("put_lite", "vix", "dte0_condor")
    assert result.exit_code == 0
    assert [line.split(" ")[0] for line in result.stdout.split("\n") if line and line[0] != " "] == [
        "put_lite",
        "vix",
        "dte0_condor",
    ]


def test_set_changes_what_is_explained() -> None:
    result = rulebot("dte0_condor", "--set", "delta=0.10")
    assert "delta 0.10 (--set), wing 10 pts, floor 30 pts" in result.stdout
    assert "sells the put whose delta is nearest 0.10" in result.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("per_dya",), 2, "did you mean 'per_day'?"),
        (("put_lit",), 2, "did you mean 'put_lite'?"),
        (("nosuch/spec.yaml",), 2, "is not a file or a word of the language"),
        (("put_lite", "--set", "delta"), 2, "--set takes NAME=VALUE"),
        (("put_lite", "--set", "delta=1"), 1, "--set names the parameter 'delta'"),
        (("vix", "--diagram", "svg"), 2, "has no states"),
        (("put_lite", "--diagram", "svg", "--format", "json"), 2, "--diagram draws for eyes"),
        ((), 2, "Missing argument"),
    ],
)
def test_what_is_refused(words: tuple[str, ...], code: int, said: str) -> None:
    result = rulebot(*words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders here")
def test_a_pipe_is_called_one(tmp_path: Path) -> None:
    """`explain` asked whether the same name was meant."""
    os.mkfifo(tmp_path / "mine.yaml")
    result = rulebot(str(tmp_path / "mine.yaml"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "is a pipe, not a file" in result.stderr


def test_a_file_that_is_not_there_is_named_as_it_may_have_been_meant(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(BAD)
    assert f"did you mean '{tmp_path / 'mine.yaml'}'?" in rulebot(str(tmp_path / "mien.yaml")).stderr


def test_a_folder_without_documents_is_called_so(tmp_path: Path) -> None:
    result = rulebot(str(tmp_path))
    assert (result.exit_code, f"the folder '{tmp_path}' holds no .yaml or .yml file" in result.stderr) == (2, True)


def test_a_link_to_what_is_not_there_is_called_one(tmp_path: Path) -> None:
    """It was asked whether the same name had been meant."""
    link = tmp_path / "a.yaml"
    link.symlink_to("gone.yaml")
    result = rulebot(str(link))
    assert (result.exit_code, f"'{link}' is a link to what is not there" in result.stderr) == (2, True)


def test_problems_of_all_documents_are_shown_and_nothing_else(tmp_path: Path) -> None:
    for name in ("bad", "worse"):
        (tmp_path / f"{name}.yaml").write_text(BAD)
    result = rulebot("put_lite", str(tmp_path), "--html", str(tmp_path / "page.html"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "2 files: 2 with" in result.stderr
    assert not (tmp_path / "page.html").exists()


def test_a_file_called_like_a_word_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "order").write_text(BAD)
    assert rulebot("order").exit_code == 1


def test_json_is_for_machines() -> None:
    (bot, word) = json.loads(rulebot("calm_tape_condor", "per_day", "--format", "json").stdout)["explained"]
    assert (bot["kind"], word["kind"]) == ("bot", "word")
    assert [section["title"] for section in bot["sections"]] == [
        "Values",
        "Enters",
        "Legs",
        "Orders",
        "Leaves",
        "Risks",
    ]
    assert bot["example"]["exits"]["target"]["price"] == "0.25"
    assert bot["payoff"]["break_evens"] == ["5959.55", "6040.45"]
    assert {"state": "flat", "trigger": "enter", "next": "entering"} in bot["states"]["moves"]


def test_a_page_is_written_and_said(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = rulebot("put_lite", "vix", "--html", str(page))
    assert result.stdout == f"{page} written: put_lite, vix\n"
    assert page.read_text(encoding="utf-8").count("<svg") == 2


def test_a_page_that_cannot_be_written(tmp_path: Path) -> None:
    result = rulebot("put_lite", "--html", str(tmp_path / "no" / "page.html"))
    assert result.exit_code == 3
    assert "cannot write" in result.stderr


def test_a_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "bot.yaml"
    file.touch()

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("rulebot.spec.load.read_bytes", refuse)
    result = rulebot(str(file))
    assert (result.exit_code, result.stderr) == (3, f"error: cannot read '{file}': Permission denied\n")


def test_it_starts_light() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "rulebot.cli.main", "explain", str(shipped("specs"))]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    heavy = ("jsonschema", "sqlalchemy", "ib_async", "numpy", "rich", "asyncio", "rulebot.adapters", "twsim")
    assert "rulebot.review.explain" in imported
    assert [name for name in imported if name.startswith(heavy)] == []


def test_resolved_prints_what_a_bot_extends_laid_under_it(tmp_path: Path) -> None:
    shutil.copy(shipped("specs") / "put_lite.yaml", tmp_path / "put_lite.yaml")
    child = tmp_path / "early.yaml"
    child.write_text(
        "rulebot: 1\nname: early\nabout: In the morning.\nextends: put_lite\n"
        'entry: {window: {from: "09:45", to: "10:15"}}\n'
    )
    result = rulebot("--resolved", str(child))
    assert result.exit_code == 0
    assert "extends" not in result.stdout
    assert "name: early" in result.stdout
    assert "iv_over_rv" in result.stdout
    assert '"09:45"' in result.stdout
    whole = tmp_path / "again" / "early.yaml"
    whole.parent.mkdir()
    whole.write_text(result.stdout)
    one, other = (load_document(file).spec for file in (child, whole))
    assert one is not None
    assert other is not None
    assert one.digest == other.digest


def test_several_that_are_resolved_are_documents_of_their_own() -> None:
    """They ran into each other: one mapping with every key twice."""
    shown = rulebot("--resolved", "put_lite", "dte0_condor").stdout.split("---\n")
    assert [
        load_text(each, f"{name}.yaml").is_fine for each, name in zip(shown, ("put_lite", "dte0_condor"), strict=True)
    ]


def test_resolved_is_of_specs_alone() -> None:
    assert rulebot("--resolved", "vix_spike").exit_code == 2
    assert rulebot("--resolved", "--format", "json", "put_lite").exit_code == 2


def test_a_bot_of_this_folder_without_its_suffix_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `rulebot new mine`, `rulebot explain mine` was answered with 'did you mean min?'."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("rulebot: 1", encoding="utf-8")
    found = CliRunner().invoke(main, ["explain", "mine"])
    assert found.exit_code == 2
    assert "did you mean 'mine.yaml'?" in found.stderr
