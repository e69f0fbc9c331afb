"""Chaos edits the files of specs: what is written otherwise, what nobody can run, and what a start reads."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from rulebot.chaos.spec_files import (
    AWAY,
    BREAKS,
    BROKEN,
    DRAWN,
    DUPLICATE,
    EDITED,
    EXTENDED,
    EXTENDED_BROKEN,
    GONE,
    LIMITS,
    LIMITS_BROKEN,
    LIMITS_GONE,
    OF_ACCOUNT,
    RELOADS,
    REMOVED,
    Limits,
    Reload,
    SpecVersions,
    drawn,
    drawn_limits,
    edited,
    limits_said,
    of_account,
    places,
    with_limits,
)
from rulebot.documents.load_bots import LoadedBots, load_all_bots
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.spec.files import shipped
from rulebot.spec.load import load_text

TEN = datetime(2026, 10, 21, 10, 0, tzinfo=EXCHANGE_ZONE)
TARGET = ("exits", 1, "target", "profit")
LITE, SELLER = "put_lite", "spy_put_seller"


@pytest.fixture(scope="module")
def desk() -> LoadedBots:
    found = load_all_bots([str(shipped("specs") / f"{name}.yaml") for name in (LITE, SELLER)], {}, None)
    return replace(found, account=None, account_text="", account_file="")


def text(desk: LoadedBots, bot: str = LITE) -> str:
    return next(each.text for each in desk.texts if each.name == bot)


def edit(at: datetime = TEN, instead: str = "60%") -> Reload:
    return Reload(kind=EDITED, bot=LITE, at=at, path=TARGET, text=instead)


# ---------------------------------------------------------------- edits


def test_exits_and_windows_are_edited_and_the_parameters_that_exits_name(desk: LoadedBots) -> None:
    assert dict(places(text(desk))) == {
        ("entry", "window", "from"): '"10:30"',
        ("entry", "window", "to"): '"13:30"',
        ("exits", 0, "time"): '"15:30"',
        TARGET: "50%",
        ("exits", 2, "stop", "loss"): "$50",
    }
    assert dict(places(text(desk, SELLER))) == {
        ("parameters", "trade_time"): "open + 1m",
        ("parameters", "take_profit"): "60%",
        ("parameters", "stop_loss"): "200%",
    }


def test_an_edit_is_of_one_value_and_a_place_that_is_gone_stays_so(desk: LoadedBots) -> None:
    before = text(desk)
    assert edited(before, TARGET, "60%") == before.replace("profit: 50%", "profit: 60%")
    assert edited(before, ("exits", 9, "time"), "1") == before


def test_what_is_drawn_says_something_else(desk: LoadedBots) -> None:
    chance, texts = Random(1), {each.name: each.text for each in desk.texts}
    found = [drawn(chance, kind, texts, TEN) for kind in RELOADS for _ in range(100)]
    assert None not in found
    for each in found:
        assert each is not None
        if each.kind == EDITED:
            assert edited(texts[each.bot], each.path, each.text) != texts[each.bot]
        else:
            assert each.away in AWAY
    assert {each.breaks for each in found if each and each.kind == BROKEN} == {*BREAKS, DUPLICATE}
    assert str(edit()) == "reload: at 10:00:00, put_lite, exits.1.target.profit: 60%"
    gone = Reload(kind=REMOVED, bot=LITE, at=TEN, breaks="gone", away=60)
    assert str(gone) == "reload_removed: at 10:00:00, put_lite, gone for 60 s"


def test_a_spec_that_says_nothing_to_be_edited_is_left_alone() -> None:
    assert drawn(Random(1), EDITED, {"x": "rulebot: 1\nname: x\n"}, TEN) is None


# ---------------------------------------------------------------- files


def test_without_edits_no_file_is_written(desk: LoadedBots, tmp_path: Path) -> None:
    assert SpecVersions(desk, (), tmp_path).desk(TEN) is desk
    assert not list(tmp_path.iterdir())


def test_an_engine_that_starts_reads_what_the_files_say_then(desk: LoadedBots, tmp_path: Path) -> None:
    files = SpecVersions(desk, (edit(),), tmp_path)
    assert files.desk(TEN - timedelta(seconds=1)).digests == desk.digests
    assert files.done == []
    found = files.desk(TEN)
    assert {name for name, digest in found.digests.items() if digest != desk.digests[name]} == {LITE}
    assert (files.done, len(files.texts)) == (["reload"], 3)


@pytest.mark.parametrize("breaks", [*BREAKS, DUPLICATE])
def test_a_file_that_nobody_can_run_is_put_back_by_who_starts_an_engine(
    breaks: str, desk: LoadedBots, tmp_path: Path
) -> None:
    files = SpecVersions(desk, (Reload(kind=BROKEN, bot=LITE, at=TEN, breaks=breaks, away=60),), tmp_path)
    assert files.desk(TEN).digests == desk.digests
    assert set(files.texts) == set(desk.digests.values())


def test_a_bot_that_was_removed_comes_back(desk: LoadedBots, tmp_path: Path) -> None:
    files = SpecVersions(desk, (Reload(kind=REMOVED, bot=LITE, at=TEN, breaks="gone", away=60),), tmp_path)
    assert set(files.desk(TEN).bots) == {SELLER}
    assert set(files.desk(TEN + timedelta(seconds=60)).bots) == {LITE, SELLER}


def test_an_edit_that_makes_no_sense_is_cancelled_at_a_start(desk: LoadedBots, tmp_path: Path) -> None:
    files = SpecVersions(desk, (edit(), edit(TEN + timedelta(seconds=9), "much")), tmp_path)
    first = files.desk(TEN).digests
    assert files.desk(TEN + timedelta(seconds=9)).digests == first != desk.digests


# ---------------------------------------------------------------- the account document, and what specs extend

ACCOUNT = (Path(__file__).parents[3] / "examples" / "account_limits.yaml").read_text()
TIGHT = (("max_open", 1), ("worst_case", "$600"))


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> LoadedBots:
    """Return the bots under an account document."""
    file = tmp_path_factory.mktemp("limited") / "account.yaml"
    file.write_text(ACCOUNT)
    return load_all_bots([str(shipped("specs") / f"{name}.yaml") for name in (LITE, SELLER)], {}, file)


def limit(at: datetime = TEN, limits: Limits = TIGHT) -> Reload:
    return Reload(kind=LIMITS, bot="", at=at, limits=limits)


def spoiled(kind: str, breaks: str, bot: str = "") -> Reload:
    return Reload(kind=kind, bot=bot, at=TEN, breaks=breaks, away=60)


def test_limits_are_drawn_that_every_document_can_have() -> None:
    chance, limits = Random(1), limits_said(ACCOUNT)
    assert dict(limits)["worst_case"] == "0.5x net_liquidation"
    seen: set[str] = set()
    for text in ("", ACCOUNT):
        before = limits_said(text)
        for _ in range(200):
            found = drawn_limits(chance, before)
            assert found
            assert found != before
            written = with_limits(text, found)
            loaded = load_text(written)
            assert loaded.account is not None, loaded.diagnostics
            assert sorted(map(str, limits_said(written))) == sorted(map(str, found))
            before, seen = found, seen | dict(found).keys()
    assert seen == set(DRAWN)


def test_all_else_of_a_document_stays() -> None:
    before, after = load_text(ACCOUNT).account, load_text(with_limits(ACCOUNT, TIGHT)).account
    assert before is not None
    assert after is not None
    assert [rule.name for rule in after.require] == [rule.name for rule in before.require] != []
    assert (after.live, after.margin, after.net_vega) == (before.live, before.margin, before.net_vega)
    assert (after.max_open, after.daily_loss) == (1, None)


def test_a_document_that_is_not_there_appears_first() -> None:
    instants = [TEN + timedelta(minutes=each) for each in range(9)]
    drawn = [of_account(Random(seed), OF_ACCOUNT, "", instants) for seed in range(20)]
    assert {each[0].kind for each in drawn} == {LIMITS}
    assert {each.kind for found in drawn for each in found} == set(OF_ACCOUNT)
    assert str(limit()) == "account_limits: at 10:00:00, max_open: 1, worst_case: $600"
    assert str(spoiled(LIMITS_BROKEN, "half")) == "account_broken: at 10:00:00, half for 60 s"


@pytest.mark.parametrize("is_named", [True, False])
def test_a_start_reads_the_limits_of_then(is_named: bool, limited: LoadedBots, tmp_path: Path) -> None:
    files = SpecVersions(limited, (limit(),), tmp_path, is_named=is_named)
    assert files.desk(TEN - timedelta(seconds=1)).limits() == limited.limits()
    assert (files.desk(TEN).limits().max_open, files.done) == (1, [LIMITS])
    assert [each.at for each in files.reads] == [TEN - timedelta(seconds=1), TEN]


def test_where_there_was_no_document_limits_appear_beside_the_specs(desk: LoadedBots, tmp_path: Path) -> None:
    files = SpecVersions(desk, (limit(),), tmp_path)
    assert files.desk(TEN - timedelta(seconds=1)).account is None
    assert files.desk(TEN).limits().max_open == 1


@pytest.mark.parametrize(("is_named", "most"), [(True, 100), (False, None)])
def test_a_document_that_is_gone_is_put_back_where_it_is_named(
    is_named: bool, most: int | None, limited: LoadedBots, tmp_path: Path
) -> None:
    """Where it lies beside the specs a start goes on without it, as the docs say, and tells so in an alarm."""
    files = SpecVersions(limited, (spoiled(LIMITS_GONE, GONE),), tmp_path, is_named=is_named)
    assert files.desk(TEN).limits().max_open == most
    assert files.desk(TEN + timedelta(seconds=60)).limits().max_open == 100
    assert files.wrong == []


@pytest.mark.parametrize("breaks", [*BREAKS])
@pytest.mark.parametrize("is_named", [True, False])
def test_a_broken_document_is_put_back_by_who_starts_an_engine(
    breaks: str, is_named: bool, limited: LoadedBots, tmp_path: Path
) -> None:
    files = SpecVersions(limited, (spoiled(LIMITS_BROKEN, breaks),), tmp_path, is_named=is_named)
    assert files.desk(TEN).limits() == limited.limits()
    assert files.wrong == []


def test_what_a_spec_extends_is_read_with_it(desk: LoadedBots, tmp_path: Path) -> None:
    change = Reload(kind=EXTENDED, bot=LITE, at=TEN, path=TARGET, text="60%")
    files = SpecVersions(desk, (change,), tmp_path)
    before, after = files.desk(TEN - timedelta(seconds=1)), files.desk(TEN)
    assert set(before.bots) == set(after.bots) == {LITE, SELLER}, "what is extended does not trade"
    assert {name for name, digest in after.digests.items() if digest != before.digests[name]} == {LITE}
    assert "extends: base_put_lite" in (tmp_path / "specs" / f"{LITE}.yaml").read_text()
    assert "profit: 60%" in (tmp_path / "specs" / f"base_{LITE}.yaml").read_text()


@pytest.mark.parametrize("breaks", [*BREAKS, GONE])
def test_a_bot_whose_parent_nobody_can_read_is_put_back(breaks: str, desk: LoadedBots, tmp_path: Path) -> None:
    files = SpecVersions(desk, (spoiled(EXTENDED_BROKEN, breaks, LITE),), tmp_path)
    assert set(files.desk(TEN).bots) == {LITE, SELLER}
    assert files.wrong == []


def test_what_nobody_can_run_and_is_taken_all_the_same_is_seen(
    desk: LoadedBots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rulebot.chaos.spec_files.reread", lambda sources: desk)
    for change in (
        spoiled(LIMITS_BROKEN, "half"),
        spoiled(EXTENDED_BROKEN, GONE, LITE),
        spoiled(BROKEN, DUPLICATE, LITE),
    ):
        files = SpecVersions(desk, (change,), tmp_path)
        files.desk(TEN)
        assert len(files.wrong) == 1
