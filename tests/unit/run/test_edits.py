"""Chaos edits the files of specs: what is written otherwise, what nobody can run, and what a start reads."""

from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from engine.model.session import EXCHANGE_ZONE
from engine.run.chaos.edits import AWAY, BREAKS, BROKEN, EDITED, RELOADS, REMOVED, TWIN, Reload, drawn, edited, places
from engine.run.chaos.versions import Versions
from engine.run.desk import Desk, load_desk
from engine.spec.shipped import shipped

TEN = datetime(2026, 10, 21, 10, 0, tzinfo=EXCHANGE_ZONE)
TARGET = ("exits", 1, "target", "profit")
LITE, SELLER = "put_lite", "spy_put_seller"


@pytest.fixture(scope="module")
def desk() -> Desk:
    return load_desk([str(shipped("specs") / f"{name}.yaml") for name in (LITE, SELLER)], {}, None)


def text(desk: Desk, bot: str = LITE) -> str:
    return next(each.text for each in desk.texts if each.name == bot)


def edit(at: datetime = TEN, instead: str = "60%") -> Reload:
    return Reload(kind=EDITED, bot=LITE, at=at, path=TARGET, text=instead)


# ---------------------------------------------------------------- edits


def test_exits_and_windows_are_edited_and_the_parameters_that_exits_name(desk: Desk) -> None:
    assert dict(places(text(desk))) == {
        ("entry", "window", "from"): '"10:30"',
        ("entry", "window", "to"): '"13:30"',
        ("exits", 0, "time"): '"15:30"',
        TARGET: "50%",
        ("exits", 2, "stop", "loss"): "$50",
    }
    assert dict(places(text(desk, SELLER))) == {
        ("entry", "at"): "open + 1m",
        ("parameters", "take_profit"): "60%",
        ("parameters", "stop_loss"): "200%",
    }


def test_an_edit_is_of_one_value_and_a_place_that_is_gone_stays_so(desk: Desk) -> None:
    before = text(desk)
    assert edited(before, TARGET, "60%") == before.replace("profit: 50%", "profit: 60%")
    assert edited(before, ("exits", 9, "time"), "1") == before


def test_what_is_drawn_says_something_else(desk: Desk) -> None:
    chance, texts = Random(1), {each.name: each.text for each in desk.texts}
    found = [drawn(chance, kind, texts, TEN) for kind in RELOADS for _ in range(100)]
    assert None not in found
    for each in found:
        assert each is not None
        if each.kind == EDITED:
            assert edited(texts[each.bot], each.path, each.text) != texts[each.bot]
        else:
            assert each.away in AWAY
    assert {each.breaks for each in found if each and each.kind == BROKEN} == {*BREAKS, TWIN}
    assert str(edit()) == "reload: at 10:00:00, put_lite, exits.1.target.profit: 60%"
    gone = Reload(kind=REMOVED, bot=LITE, at=TEN, breaks="gone", away=60)
    assert str(gone) == "reload_removed: at 10:00:00, put_lite, gone for 60 s"


def test_a_spec_that_says_nothing_to_be_edited_is_left_alone() -> None:
    assert drawn(Random(1), EDITED, {"x": "rulebot: 1\nname: x\n"}, TEN) is None


# ---------------------------------------------------------------- files


def test_without_edits_no_file_is_written(desk: Desk, tmp_path: Path) -> None:
    assert Versions(desk, (), tmp_path).desk(TEN) is desk
    assert not list(tmp_path.iterdir())


def test_an_engine_that_starts_reads_what_the_files_say_then(desk: Desk, tmp_path: Path) -> None:
    files = Versions(desk, (edit(),), tmp_path)
    assert files.desk(TEN - timedelta(seconds=1)).digests == desk.digests
    assert files.done == []
    found = files.desk(TEN)
    assert {name for name, digest in found.digests.items() if digest != desk.digests[name]} == {LITE}
    assert (files.done, len(files.texts)) == (["reload"], 3)


@pytest.mark.parametrize("breaks", [*BREAKS, TWIN])
def test_a_file_that_nobody_can_run_is_put_back_by_who_starts_an_engine(
    breaks: str, desk: Desk, tmp_path: Path
) -> None:
    files = Versions(desk, (Reload(kind=BROKEN, bot=LITE, at=TEN, breaks=breaks, away=60),), tmp_path)
    assert files.desk(TEN).digests == desk.digests
    assert set(files.texts) == set(desk.digests.values())


def test_a_bot_that_was_removed_comes_back(desk: Desk, tmp_path: Path) -> None:
    files = Versions(desk, (Reload(kind=REMOVED, bot=LITE, at=TEN, breaks="gone", away=60),), tmp_path)
    assert set(files.desk(TEN).bots) == {SELLER}
    assert set(files.desk(TEN + timedelta(seconds=60)).bots) == {LITE, SELLER}


def test_an_edit_that_makes_no_sense_is_taken_back_at_a_start(desk: Desk, tmp_path: Path) -> None:
    files = Versions(desk, (edit(), edit(TEN + timedelta(seconds=9), "much")), tmp_path)
    first = files.desk(TEN).digests
    assert files.desk(TEN + timedelta(seconds=9)).digests == first != desk.digests
