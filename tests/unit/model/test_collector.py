"""When garbage is collected."""

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from rulebot.cli.main import Commands, main
from rulebot.model.collector import with_rare_collection, without_collection


@pytest.fixture(autouse=True)
def as_often_as_ever() -> Iterator[None]:
    """Collect as often as Python does by itself; among all tests it is seldom."""
    kept = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*kept)


def test_a_run_collects_seldom_and_leaves_all_as_it_was() -> None:
    before = gc.get_threshold(), gc.get_freeze_count()
    with with_rare_collection():
        assert gc.isenabled()
        assert gc.get_threshold()[0] > 10 * before[0][0]
        assert gc.get_freeze_count() > before[1]
    assert (gc.get_threshold(), gc.get_freeze_count()) == before


def test_where_nothing_is_collected_nothing_changes() -> None:
    """What is put aside while nothing is collected would be put aside for good, trial by trial."""
    before = gc.get_threshold()
    with without_collection(), with_rare_collection():
        assert gc.get_freeze_count() == 0
        assert gc.get_threshold() == before
    assert gc.isenabled()


def test_of_several_at_once_the_last_to_end_puts_all_back() -> None:
    """Threads end in any order: the second must not take the first one's seldom for what was before."""
    before = gc.get_threshold(), gc.get_freeze_count()
    first, second = with_rare_collection(), with_rare_collection()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert gc.get_threshold()[0] > 10 * before[0][0]
    second.__exit__(None, None, None)
    assert (gc.get_threshold(), gc.get_freeze_count()) == before


def test_a_command_collects_seldom_what_it_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    before, seen = gc.get_threshold(), []
    monkeypatch.setattr(Commands, "invoke", lambda self, ctx: seen.append(gc.get_threshold()))
    CliRunner().invoke(main, ["validate"])
    assert seen[0][0] > 10 * before[0]
    assert gc.get_threshold() == before


def test_a_process_that_ends_does_not_look_through_what_it_holds() -> None:
    """Of what a command imports that took a fifth of its time."""
    ends = "import gc; from rulebot.model.collector import leave_at_end; {}; gc.set_debug(gc.DEBUG_STATS)"
    looked, left = (
        subprocess.run([sys.executable, "-c", ends.format(each)], stderr=subprocess.PIPE, text=True, check=True).stderr
        for each in ("pass", "leave_at_end()")
    )
    assert "permanent generation: 0" in looked
    assert "permanent generation: 0" not in left
