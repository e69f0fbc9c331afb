"""`rulebot train` on made-up sessions: what it learns from is what a condition reads, live and in the past."""

import json
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from past_days import PastDays

from rulebot.adapters.history.chain_file import write_day
from rulebot.cli.exit_codes import READER_GONE
from rulebot.cli.main import main
from rulebot.documents.load_bots import load_all_bots
from rulebot.model.errors import StoreError
from rulebot.model.learned_model import digest_of, model_of
from rulebot.record.record import Kind, Record
from rulebot.store.queries import StoreReader
from rulebot.train.minutes import read_samples, table_of

SPEC = """rulebot: 1
name: noon
about: Sells a same-day put spread at fixed times.
underlying: SPX
entry:
  at: TIMES
  for: 1m
  per_day: COUNT
  max_open: 40
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.30}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
REQUIRE
  on_conflict: allow
order: {start: mid, step: 0.05, wait: 10s, tries: 4, then: cancel}
exits:
  - {time_in_trade: {at_least: 30m}, name: left}
  - time: "15:45"
risk: {max_loss_per_trade: $2000}
"""
TIMES = [f"{hour}:{minute:02d}" for hour in range(10, 15) for minute in range(0, 60, 15)]


def spec(folder: Path, *, times: list[str], require: str = "") -> Path:
    text = SPEC.replace("TIMES", json.dumps(times)).replace("COUNT", str(len(times)))
    file = folder / "noon.yaml"
    file.write_text(text.replace("REQUIRE\n", f"  require:\n    - {require}\n" if require else ""))
    return file


def written(folder: Path, every: int) -> Path:
    """Write seven sessions, quoted each so many minutes."""
    source = PastDays(last=date(2026, 9, 10), strikes=30, every=every)
    for day in source.dates(source.first, source.last):
        write_day(source.day(day), folder / f"{day}.parquet")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("chains"), 1)


@pytest.fixture(scope="module")
def sparse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return such sessions for what is not about each minute: they are walked through in a third of the time."""
    return written(tmp_path_factory.mktemp("sparse"), 5)


def typed(command: str, *words: object) -> Result:
    return CliRunner().invoke(main, [command, *map(str, words)])


def records(store: Path, kind: Kind) -> list[Record]:
    with StoreReader(store) as reader:
        return list(reader.records((kind,)))


def noted(store: Path) -> dict[date, Mapping[str, Any]]:
    """Return the features that a backtest noted, by session."""
    found = [each for each in records(store, Kind.FACTS) if each.data["what"] == "features"]
    return {
        each.at.date(): dict(zip(each.data["names"], each.data["value"], strict=True))  # type: ignore[arg-type]
        for each in found
    }


def by_hand(**inputs: tuple[float, float, float]) -> str:
    """Return a model of features, each with its mean, scale and weight."""
    rows = [
        {"name": name, "missing": None, "mean": mean, "scale": scale, "weight": weight}
        for name, (mean, scale, weight) in inputs.items()
    ]
    head = {"rulebot_model": 1, "features": 1, "kind": "logistic", "start": 0.0, "inputs": rows}
    return json.dumps({**head, "calibration": {"slope": 1.0, "offset": 0.0}, "trained": {}}, indent=1) + "\n"


@pytest.mark.parametrize("place", ["require", "when"])
def test_what_a_backtest_notes_is_what_the_condition_reads(place: str, data: Path, tmp_path: Path) -> None:
    bare = spec(tmp_path, times=["11:00"])
    words = ("--data", data, "--fills", "mid", "--workers", 1)
    store = tmp_path / "bare.db"
    found = typed("backtest", bare, *words, "--features", place, "--store", store)
    assert found.exit_code == 0, found.output
    known = noted(store)
    assert len(known) == 7
    legs = {"credit_over_width": (0.2, 0.05, 0.7)} if place == "require" else {}
    text = by_hand(vix=(18.0, 2.0, -0.8), move_over_expected=(0.3, 0.3, 0.5), iv=(15.0, 3.0, 0.4), **legs)
    model = model_of(text)
    given = {day: model.probability([values[name] for name in model.names]) for day, values in known.items()}
    ranked = sorted(given.values())
    line = round((ranked[3] + ranked[4]) / 2, 9)
    (tmp_path / "by_hand.json").write_text(text)
    condition = f"model: {{file: by_hand.json, sha256: {digest_of(text)}, above: {line}}}"
    filtered = spec(tmp_path, times=["11:00"], require=condition)
    if place == "when":
        written = spec(tmp_path, times=["11:00"]).read_text()
        filtered.write_text(written.replace("legs:\n", f"  when:\n    - {condition}\n\nlegs:\n", 1))
    kept = tmp_path / "filtered.db"
    found = typed("backtest", filtered, *words, "--store", kept)
    assert found.exit_code == 0, found.output
    entered = {each.at.date() for each in records(kept, Kind.ORDER)}
    assert entered == {day for day, probability in given.items() if probability > line}


def windowed(folder: Path) -> Path:
    """Return the bot with a window of an hour that its condition never lets it enter in."""
    file = spec(folder, times=["11:00"])
    window = '  window: {from: "11:00", to: "12:00"}\n  when:\n    - vix: {above: 500}\n'
    text = file.read_text().replace('  at: ["11:00"]\n  for: 1m\n', window)
    file.write_text(text)
    return file


def test_a_minute_brings_what_a_bot_that_enters_then_makes(sparse: Path, tmp_path: Path) -> None:
    words = ("--data", sparse, "--fills", "mid", "--workers", 1)
    table = tmp_path / "minutes.csv"
    found = typed("train", windowed(tmp_path), *words, "--minutes", 30, "--samples", table)
    assert found.exit_code == 1
    assert "14 minutes: 14 entries" in found.stdout
    assert "100 sessions or more, and there are 7" in found.stderr
    assert "reported: daily: there are no daily bars" in found.stdout, "the flaws of the data may be the reason"
    head, *rows = table.read_text().splitlines()
    expected = []
    for clock in ("11:00", "11:30"):
        file, store = spec(tmp_path, times=[clock]), tmp_path / f"{clock[3:]}.db"
        assert typed("backtest", file, *words, "--features", "when", "--store", store).exit_code == 0
        ((name, digest),) = load_all_bots([str(file)], {}, None).digests.items()
        reported = table_of(read_samples(store, name, digest)).splitlines()
        assert reported[0] == head
        expected += reported[1:]
    assert rows == sorted(expected)


@pytest.mark.long
def test_ci_several_processes_find_the_same_minutes(sparse: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    words = ("--data", sparse, "--fills", "mid", "--minutes", 20)
    typed("train", windowed(tmp_path), *words, "--workers", 1, "--samples", one)
    typed("train", windowed(tmp_path), *words, "--workers", 2, "--samples", two)
    assert one.read_text() == two.read_text()
    assert len(one.read_text().splitlines()) == 22


@pytest.mark.long
def test_ci_from_sessions_to_a_condition_that_trades(sparse: Path, tmp_path: Path) -> None:
    bare, out = spec(tmp_path, times=TIMES), tmp_path / "models" / "learned.json"
    store = tmp_path / "bt.db"
    words = ("--data", sparse, "--fills", "mid", "--workers", 1, "--place", "require", "--folds", 2, "--embargo", 0)
    trained = typed("train", bare, *words, "--store", store, "--out", out)
    assert trained.exit_code == 0, trained.output
    text = out.read_text()
    assert f"sha256: {digest_of(text)}" in trained.stdout
    flaws, _, report = trained.stdout.partition("\n\n")
    assert "reported: daily: there are no daily bars" in flaws
    assert report.startswith(" Parquet chains of "), "whoever reads figures is told of which prices"
    assert report.partition("\n")[0].endswith("; fills mid")
    assert "scikit_learn" in model_of(text).trained
    assert model_of(text).trained["underlying"] == "SPX"
    elsewhere = typed("train", bare, "--store", store, "--place", "when")
    assert elsewhere.exit_code == 2
    assert "holds features for require, not when" in elsewhere.stderr
    twice = typed("train", bare, "--store", store, "--features", "iv,iv,vix", "--folds", 2, "--embargo", 0)
    assert twice.exit_code == 0, twice.output
    again = typed("train", bare, "--store", store, "--folds", 2, "--embargo", 0, "--out", tmp_path / "again.json")
    assert again.exit_code == 0, again.output
    assert (tmp_path / "again.json").read_text() == text
    assert "model: {file: again.json, " in again.stdout
    away = tmp_path / "models" / "old" / "learned.json"
    far = typed("train", bare, "--store", store, "--folds", 2, "--embargo", 0, "--out", away)
    assert f"Put it next to {bare}, or in a folder next to it" in far.stdout
    reported = json.loads(
        typed("train", bare, "--store", store, "--folds", 2, "--embargo", 0, "--format", "json").stdout
    )
    ours = [each["text"].partition(": ")[2] for each in reported["findings"] if each["file"] != "daily"]
    assert [each["file"] for each in reported["findings"] if not each["file"].startswith("Parquet chains")] == ["daily"]
    assert set(ours) == {"there is no level of VIX9D, VIX1D, VIX3M: what noon would make of it is unknown"}
    condition = trained.stdout.strip().rpartition("- ")[2]
    assert "file: models/learned.json," in condition
    checked = typed("validate", spec(tmp_path, times=TIMES, require=condition))
    assert checked.exit_code == 0, checked.output


@pytest.fixture(scope="module")
def many(sparse: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a bot and the backtest of enough trades of it to train on."""
    folder = tmp_path_factory.mktemp("many")
    bare, store = spec(folder, times=TIMES), folder / "many.db"
    words = ("--data", sparse, "--fills", "mid", "--workers", 1, "--features", "when", "--store", store)
    assert typed("backtest", bare, *words).exit_code == 0
    return bare, store


def test_the_model_is_there_where_nobody_reads_the_report_on(
    many: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`rulebot train .. --out FILE | head` ended without the model that it had worked for."""

    def gone(_: str) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("rulebot.cli.past.train.echo", gone)
    monkeypatch.setattr("rulebot.cli.main._print_nowhere", lambda: None)
    bare, store = many
    out = tmp_path / "m.json"
    found = typed("train", bare, "--store", store, "--folds", 2, "--embargo", 0, "--out", out)
    assert found.exit_code == READER_GONE
    assert model_of(out.read_text()).trained["bot"] == "noon"


def test_a_model_that_cannot_be_written_costs_no_report(
    many: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: Path, _: str) -> None:
        raise StoreError(f"{file} cannot be written: No space left on device")

    monkeypatch.setattr("rulebot.cli.past_options.write_file", full)
    bare, store = many
    found = typed("train", bare, "--store", store, "--folds", 2, "--embargo", 0, "--out", tmp_path / "m.json")
    assert (found.exit_code, "No space left" in found.stderr) == (3, True), found.output
    assert "; fills mid\n" in found.stdout, "the report is what was worked for"
    assert "is written" not in found.stdout


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--folds", 3), 2, "there is nothing to train on"),
        (("--data", "DATA", "--target", "best"), 2, "a target is profit, or top:1% to top:99%, is 'best'"),
        (("--data", "DATA", "--out", "model.pkl"), 2, "a model is a .json file, is 'model.pkl'"),
        (("--data", "DATA", "--features", "mood"), 2, "this engine has no such feature"),
        (("--data", "DATA", "--features", "quote_width"), 2, "has no meaning in entry.when"),
        (("--minutes", 5), 2, "--minutes makes its trades from --data alone"),
        (("--minutes", 5, "--data", "DATA", "--store", "x.db"), 2, "--minutes makes its trades from --data alone"),
        (("--minutes", 5, "--data", "DATA", "--features", "mood"), 2, "this engine has no such feature"),
        (("--data", "DATA"), 1, "100 closed trades or more, and there are 7"),
        (("--store", "nowhere.db"), 3, "nowhere.db"),
        (("--store", "nowhere.db", "--to", "2026-09-02"), 2, "--to is of past sessions"),
        (("--store", "nowhere.db", "--fills", "natural"), 2, "--fills is of past sessions"),
        (("--data", "DATA", "--target", "top:²%"), 2, "a target is profit, or top:1% to top:99%"),
        (("--data", "DATA", "--features", ","), 2, "--features names none"),
        (("--data", "DATA", "--seed", 2**32), 2, "--seed"),
    ],
)
def test_what_cannot_be_trained_is_said_in_a_sentence(
    words: tuple[object, ...], code: int, says: str, data: Path, tmp_path: Path
) -> None:
    file = spec(tmp_path, times=["11:00"])
    of_sessions = ("--fills", "mid", "--workers", 1) if "DATA" in words else ()
    found = typed("train", file, *(data if word == "DATA" else word for word in words), *of_sessions)
    assert (found.exit_code, says in found.stderr) == (code, True), found.output


def test_a_backtest_without_features_or_of_another_text_is_refused(data: Path, tmp_path: Path) -> None:
    file, store = spec(tmp_path, times=["11:00"]), tmp_path / "plain.db"
    assert typed("backtest", file, "--data", data, "--store", store, "--workers", 1).exit_code == 0
    assert "holds a backtest without features" in typed("train", file, "--store", store).stderr
    other = spec(tmp_path, times=["11:10"])
    assert "holds no backtest of noon as it is written now" in typed("train", other, "--store", store).stderr


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    found = typed("train", spec(tmp_path, times=["11:00"]), "--store", tmp_path / "bt.db")
    assert (found.exit_code, "pip install 'rulebot[ml]'" in found.stderr) == (3, True)
