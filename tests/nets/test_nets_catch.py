"""A net sees one changed decision of a day, and none where only words for people are others."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.nets.checking import problems_of
from tests.nets.days import Day, day_parts
from tests.nets.digests import Parts, digest_of
from tests.nets.launch import ROOT

DAY = Day("seller", ("specs/put_lite.yaml",))
WITH_CANCEL = Day("with a cancel", ("examples/resting_put.yaml",), market="whipsaw")
KILLED = replace(DAY, kills=("10:30:05", "12:00:00"))

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


def differing(first: Parts, second: Parts) -> set[str]:
    """Return the parts in which a second run differs from the first."""
    kept = {part: digest_of(lines) for part, lines in first.items()}
    return {said.partition(":")[0] for said in problems_of(second, kept)}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return day_parts(DAY, tmp_path_factory.mktemp("plain"))


def test_the_same_day_has_the_same_digests(plain: Parts, tmp_path: Path) -> None:
    assert differing(plain, day_parts(DAY, tmp_path)) == set()


def test_an_order_one_tick_worse_is_seen(plain: Parts, tmp_path: Path) -> None:
    assert "commands" in differing(plain, day_parts(DAY, tmp_path, "worse tick"))


def test_a_commission_one_cent_off_is_seen_in_the_money_alone(plain: Parts, tmp_path: Path) -> None:
    assert differing(plain, day_parts(DAY, tmp_path, "commission cent")) == {"money"}


def test_a_missed_cancel_is_seen(tmp_path: Path) -> None:
    usual = day_parts(WITH_CANCEL, tmp_path / "usual")
    assert any(" cancel order=" in line for line in usual["commands"])
    assert "commands" in differing(usual, day_parts(WITH_CANCEL, tmp_path / "missed", "missed cancel"))


def test_other_words_for_people_change_no_digest(tmp_path: Path) -> None:
    usual = day_parts(KILLED, tmp_path / "usual")
    assert differing(usual, day_parts(KILLED, tmp_path / "words", "scrambled texts")) == set()


def test_another_text_about_a_bot_changes_no_digest(plain: Parts, tmp_path: Path) -> None:
    text = (ROOT / DAY.specs[0]).read_text(encoding="utf-8")
    (line,) = (each for each in text.splitlines() if each.startswith("about:"))
    spec = tmp_path / "put_lite.yaml"
    spec.write_text(text.replace(line, "about: Other words for people."), encoding="utf-8")
    day = replace(DAY, specs=(str(spec),), run=("--account", str(ROOT / "specs" / "account.yaml")))
    assert differing(plain, day_parts(day, tmp_path / "run")) == set()


def test_ci_the_quick_nets_are_equal() -> None:
    command = [sys.executable, "-m", "tests.nets", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
