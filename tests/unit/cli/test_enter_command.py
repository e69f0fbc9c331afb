"""`rulebot enter`: what is meant is shown first, and left for the engine when somebody says yes."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from scan_rows import row, scan_of
from store_day import small_day

from rulebot.cli.main import main
from rulebot.narrate.notices import structure_name
from rulebot.narrate.positions import ShownLeg
from rulebot.scan.scan_row import document, head
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store
from rulebot.store.requests import box_of
from rulebot.store.scans import keep, scans_file

BOT = "dte0_condor"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A store that an engine holds."""
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    with closing(SqlJournal(open_store(tmp_path / "a.db"), logs=None)) as journal:
        journal.append(list(small_day()), durable=True)
        yield tmp_path / "a.db"


def keep_rows(world: str = "paper") -> None:
    leg = ShownLeg(
        name="short_put", side="sell", symbol="SPX", trading_class="SPXW", right="put", strike="5915",
        expiry="2026-10-21", ratio=1,
    )  # fmt: skip
    rows = [
        row("SPX", bot=BOT, structure=f"{strike}p", alternative=name, legs=(replace(leg, strike=strike),))
        for name, strike in (("low", "5915"), ("high", "5800"))
    ]
    found = scan_of(*rows, world=world)
    keep(scans_file(), head(found), [document(each) for each in found.rows])


def call(store: Path, *words: str, answer: str = "y\n") -> Result:
    return CliRunner().invoke(main, ["enter", *words, "--store", str(store)], input=answer)


def left(store: Path) -> list[dict[str, object]]:
    return [json.loads(body) for _, body in box_of(store).found()]


def test_a_row_is_shown_and_left_with_its_legs(store: Path) -> None:
    keep_rows()
    found = call(store, BOT, "SPX")
    assert found.exit_code == 0, found.output
    assert "Scan 1 at 2026-10-21 10:30 New York: SPX 5915p 2026-11-20 for a credit of 1.05." in found.output
    assert "and no other structure" in found.output
    (asked,) = left(store)
    assert (asked["request"], asked["bot"], asked["alternative"]) == ("enter", BOT, "low")
    assert asked["legs"]["short_put"]["strike"] == "5915"  # type: ignore[index]


def test_another_alternative_of_the_symbol_can_be_named(store: Path) -> None:
    keep_rows()
    assert call(store, BOT, "SPX", "--alternative", "high", "--yes").exit_code == 0
    assert left(store)[0]["alternative"] == "high"
    refused = call(store, BOT, "SPX", "--alternative", "middle", "--yes")
    assert (refused.exit_code, "its rows of SPX are of low, high" in refused.stderr) == (2, True)


def test_a_symbol_that_the_structure_names_is_said_once() -> None:
    assert structure_name("XLF", "XLF 46/51p", ["2026-11-13"]) == "XLF 46/51p 2026-11-13"
    assert structure_name("SPX", "5910/5915p", ["2026-11-13"]) == "SPX 5910/5915p 2026-11-13"
    assert structure_name("SPX/SPY", "SPX 5950c / 10 SPY 595c", []) == "SPX 5950c / 10 SPY 595c"


def test_nothing_is_left_without_a_yes(store: Path) -> None:
    keep_rows()
    found = call(store, BOT, "SPX", answer="\n")
    assert "nothing was asked for" in found.output
    assert left(store) == []


def test_without_a_symbol_the_bot_chooses(store: Path) -> None:
    assert call(store, BOT, "--yes").exit_code == 0
    assert "legs" not in left(store)[0]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("XLE",), "scan 1 has no row of dte0_condor for XLE"),
        (("SPX", "--scan", "9"), "scan 9 is not kept"),
        (("--scan", "1"), "name the symbol too"),
        (("SPX",), "scan 1 comes from the simulated market, the engine trades on a real one"),
    ],
)
def test_what_cannot_be_entered_is_refused(store: Path, words: tuple[str, ...], says: str) -> None:
    keep_rows("simulated")
    found = call(store, BOT, *words, "--yes")
    assert (found.exit_code, says in found.stderr) == (2, True), found.stderr
    assert left(store) == []


def test_without_a_scan_it_says_how_to_make_one(store: Path) -> None:
    found = call(store, BOT, "SPX", "--yes")
    assert "nothing was scanned yet" in found.stderr
    assert "'rulebot scan SPEC' does" in found.stderr
