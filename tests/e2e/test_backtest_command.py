"""`rulebot backtest` on a few made-up sessions, as a person types it."""

import json
import re
import shutil
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from past_days import PastDays

from rulebot.adapters.history.chain_file import write_day
from rulebot.cli.main import main
from rulebot.store.queries import StoreReader
from rulebot.web.metrics.samples import samples_of_store

SPEC = "specs/dte0_condor.yaml"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chains")
    source = PastDays(last=date(2026, 9, 3), strikes=30, every=3)
    for day in source.dates(source.first, source.last):
        write_day(source.day(day), folder / f"{day}.parquet")
    return folder


def typed(*words: object) -> Result:
    return CliRunner().invoke(main, ["backtest", *map(str, words)])


def test_a_backtest_is_reported_kept_and_explained(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, page = tmp_path / "a.db", tmp_path / "of" / "march" / "a.html"
    found = typed(ROOT / SPEC, "--data", data, "--fills", "mid", "--store", store, "--out", page, "--workers", 1)
    assert found.exit_code == 0, found.output
    assert "2026-09-01 to 2026-09-03, 3 sessions" in found.stdout
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    why = CliRunner().invoke(main, ["why", "dte0_condor", "--date", "2026-09-01", "--store", str(store)])
    assert "dte0_condor traded on 2026-09-01" in why.stdout
    monkeypatch.setattr("rulebot.cli.output.terminal_width", lambda: 60)
    narrow = typed(ROOT / SPEC, "--data", data, "--fills", "mid", "--store", tmp_path / "b.db", "--workers", 1)
    assert [line for line in narrow.stdout.splitlines() if len(line) > 60 and "b.db" not in line] == []
    assert " not in 60 columns: factor, average" in narrow.stdout
    again = typed(ROOT / SPEC, "--data", data, "--store", store)
    assert (again.exit_code, "is there already" in again.stderr) == (2, True)


def test_orders_of_a_backtest_have_what_they_filled_at(data: Path, tmp_path: Path) -> None:
    """Their fill_price was empty, so that nobody could tell their slippage, and a part that was closed had no price."""
    store = tmp_path / "a.db"
    assert typed(ROOT / SPEC, "--data", data, "--store", store, "--workers", 1).exit_code == 0
    with StoreReader(store) as reader:
        trades, orders = reader.view("trades"), reader.view("orders")
        found = {each.labels[1]: each.value for each in samples_of_store(reader, {}) if "slippage" in each.name}
    filled = {(each["position"], each["purpose"]): each for each in orders if each["filled"]}
    assert len(trades) == 3
    for each in trades:
        assert filled[each["position"], "entry"]["fill_price"] == -each["entry_price"], each
        assert filled[each["position"], "exit"]["fill_price"] == each["exit_price"], each
    given = sum(each["entry_mid"] - each["entry_price"] for each in trades) * 100
    assert found["entry"] == pytest.approx(given)


def test_without_a_single_session_it_has_failed(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "chains")
    for file in (tmp_path / "chains").glob("????-??-??.parquet"):
        file.write_bytes(b"")
    found = typed(ROOT / SPEC, "--data", tmp_path / "chains", "--store", tmp_path / "a.db", "--workers", 1)
    assert (found.exit_code, "no session could be lived through" in found.stderr) == (3, True), found.output
    assert "the data: 4 findings" in found.stdout


def test_files_of_a_holiday_alone_are_called_so(data: Path, tmp_path: Path) -> None:
    (tmp_path / "chains").mkdir()
    shutil.copy(data / "2026-09-01.parquet", tmp_path / "chains" / "2026-09-07.parquet")
    found = typed(ROOT / SPEC, "--data", tmp_path / "chains")
    assert (found.exit_code, "has no session in that time" in found.stderr) == (2, True)
    assert "2026-09-07 is no session of the exchange: what it holds is stale" in found.stderr


def test_a_time_without_data_is_refused_with_that_of_the_data(data: Path) -> None:
    found = typed(ROOT / SPEC, "--data", data, "--from", "2027-01-04")
    assert (found.exit_code, "has no session in that time" in found.stderr) == (2, True)
    assert "= help: its sessions are those of 2026-09-01 to 2026-09-0" in found.stderr


def test_for_machines_it_is_the_same_bytes_each_time(data: Path, tmp_path: Path) -> None:
    reported = [
        typed(ROOT / SPEC, "--data", data, "--store", tmp_path / name, "--format", "json", "--workers", workers)
        for name, workers in (("a.db", 1), ("b.db", 2))
    ]
    assert reported[0].stdout == reported[1].stdout
    assert json.loads(reported[0].stdout)["all"]["trades"] == 3
    for name, result in zip(("a", "b"), reported, strict=True):
        (tmp_path / f"{name}.json").write_text(result.stdout, encoding="utf-8")
    compared = ("--compare", tmp_path / "a.json", "--compare", tmp_path / "b.db")
    reported = typed(*compared, "--out", tmp_path / "ab.html")
    assert (reported.exit_code, reported.stdout) == (0, f" report {tmp_path / 'ab.html'}\n")
    assert "2 backtests compared" in (tmp_path / "ab.html").read_text(encoding="utf-8")


def test_a_report_that_is_compared_is_still_the_report_of_its_backtest(data: Path, tmp_path: Path) -> None:
    """The comparison took its place, and nothing said so."""
    first = typed(ROOT / SPEC, "--data", data, "--store", tmp_path / "natural.db", "--workers", 1)
    assert first.exit_code == 0, first.output
    page = tmp_path / "mid.html"
    words = ("--data", data, "--fills", "mid", "--store", tmp_path / "mid.db", "--workers", 1, "--out", page)
    reported = typed(ROOT / SPEC, *words, "--compare", tmp_path / "natural.db")
    assert reported.exit_code == 0, reported.output
    assert reported.stdout.splitlines()[-1] == f" report {page}, compared with 1 earlier one"
    text = page.read_text(encoding="utf-8")
    assert "<title>dte0_condor: 2026-09-01 to 2026-09-03</title>" in text
    heads = ("Compared", "Side by side", "Account", "What kept bots out", "Trades", "Why")
    places = [re.search(f"<h[23]>{head}</h", text) for head in heads]
    assert None not in places
    assert [place.start() for place in places if place] == sorted(place.start() for place in places if place)
    assert [re.search(f"<td[^>]*>{name}</td>", text) is not None for name in ("natural", "mid")] == [True, True]


def test_what_is_no_backtest_is_said_before_hours_of_one(data: Path, tmp_path: Path) -> None:
    words = (ROOT / SPEC, "--data", data, "--store", tmp_path / "a.db", "--out", tmp_path / "a.html")
    reported = typed(*words, "--compare", ROOT / SPEC)
    assert (reported.exit_code, reported.stdout) == (3, ""), reported.output
    assert not (tmp_path / "a.db").exists()


def test_a_report_takes_the_place_of_no_other_thing(data: Path, tmp_path: Path) -> None:
    """It took that of the store, or of the spec, without a word; an earlier report it may take."""
    spec, store, page = tmp_path / "dte0_condor.yaml", tmp_path / "a.db", tmp_path / "a.html"
    shutil.copy(ROOT / SPEC, spec)
    page.write_text("<!DOCTYPE html><title>old</title>", encoding="utf-8")
    words = (spec, "--data", data, "--workers", 1, "--to", "2026-09-01", "--store", store)
    for out in (store, spec):
        found = typed(*words, "--out", out)
        assert (found.exit_code, f"{out} is something else: it would be lost" in found.stderr) == (2, True)
    assert not store.exists()
    assert spec.read_bytes() == (ROOT / SPEC).read_bytes()
    assert typed(*words, "--out", page).exit_code == 0
    assert "<title>old" not in page.read_text(encoding="utf-8")


def test_nothing_looks_ahead(data: Path) -> None:
    found = typed(ROOT / SPEC, "--data", data, "--check-look-ahead")
    assert (found.exit_code, "nothing looks ahead" in found.stdout) == (0, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "no spec was named"),
        ((SPEC,), "needs past sessions"),
        ((SPEC, "--data", "nowhere"), "nowhere"),
        ((SPEC, "--data", "DATA", "--fills", "best"), "--fills is natural"),
        ((SPEC, "--data", "DATA", "--cash", "much"), "--cash is an amount"),
        ((SPEC, "--data", "DATA", "--resume"), "name it with --store"),
        ((SPEC, "--data", "DATA", "--from", "2030-01-02"), "has no session"),
        ((SPEC, "--data", "DATA", "--compare", SPEC), "name its file with --out"),
        (
            ("--compare", SPEC, "--compare", SPEC, "--out", "x.html", "--data", "DATA"),
            "--data belongs to a backtest",
        ),
        ((SPEC, "--data", "DATA", "--check-look-ahead", "--out", "x.html"), "keeps and writes nothing: --out"),
    ],
)
def test_what_makes_no_sense_is_said_in_a_sentence(words: tuple[str, ...], says: str, data: Path) -> None:
    named = {SPEC: str(ROOT / SPEC), "DATA": str(data)}
    found = typed(*(named.get(word, word) for word in words))
    assert (found.exit_code in (2, 3), says in found.stderr) == (True, True), found.output
