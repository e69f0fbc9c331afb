"""Instants of a recorded day: scanned, looked at on the page, and made into tests."""

import json
import re
import shutil
from datetime import UTC, date, datetime, time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from rulebot.adapters.recorded.source import RecordingSource
from rulebot.adapters.sources import open_source
from rulebot.cli.main import main
from rulebot.model.session import at_exchange_time
from rulebot.replay.as_test_market import Watch
from rulebot.replay.recordings import RecordingFile, listed, of_symbol
from rulebot.store.queries import StoreReader
from rulebot.store.scans import scans_file
from rulebot.web import recorded_days as days_page
from rulebot.web.pages import TEMPLATES
from tests.e2e.worlds import run_days, spec_files
from tests.tape_file import rewrite

DAY = date(2026, 10, 21)
NOON = datetime(2026, 10, 21, 16, tzinfo=UTC)
ENDED = at_exchange_time(DAY, time(11, 30))
EXAMPLES = Path(__file__).parents[2] / "examples"
PUT_OF_FIVE = str(Path(__file__).with_name("put_of_five.yaml"))
"""A bot whose target is reached between two full minutes of the morning."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the store of two bots, recorded until half past eleven."""
    folder = tmp_path_factory.mktemp("moments")
    text = (EXAMPLES / "crowding.yaml").read_text(encoding="utf-8")
    ebbing = "    - name: ebbing\n      vix_change: {since: open, below: 0 pts}\n"
    assert ebbing in text
    (folder / "crowding.yaml").write_text(text.replace(ebbing, ""), encoding="utf-8")
    run_days(folder, [PUT_OF_FIVE, str(folder / "crowding.yaml")], seed=3, tapes=folder / "s-tapes", until=ENDED)
    return next(folder.glob("*.db")).rename(folder / "s.db")


def command(store: Path, *words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--store", str(store)])


def scanned(store: Path, spec: str, at: str) -> dict[str, object]:
    words = ("scan", spec, "--all", "--recording", "2026-10-21", "--at", at, "--format", "json")
    done = command(store, *words)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["scan"]["world"] == "recorded 2026-10-21"
    (row,) = found["rows"]
    return dict(row)


def test_a_scan_of_a_recording_sees_what_the_bot_saw(store: Path) -> None:
    """It enters at 10:30: in that instant the same legs are measured, and all its conditions hold."""
    row = scanned(store, PUT_OF_FIVE, "10:30")
    assert (row["holds"], row["structure"], row["price"]) == (True, "5965/5970p", pytest.approx(0.25, abs=0.06))
    assert row["delta"] is not None
    assert row["probability_of_profit"] is not None


def test_crowding_of_a_recording_is_what_the_rule_read(store: Path) -> None:
    row = scanned(store, str(store.with_name("crowding.yaml")), "09:59")
    reported = command(store, "replay", "2026-10-21", "--at", "09:59", "--format", "json")
    (rule,) = json.loads(reported.stdout)["bots"]["crowding"]
    assert f"{row['crowding']:.3f}" in rule["why"]
    assert row["iv_rank"] is not None


def test_what_was_not_streamed_is_unknown(store: Path) -> None:
    row = scanned(store, spec_files(["monthly_condor"])[0], "11:00")
    assert (row["structure"], row["price"], row["holds"]) == ("", None, False)
    done = command(store, "scan", PUT_OF_FIVE, "--all", "--recording", "2026-10-21", "--at", "09:35")
    assert "were streamed then, for put_of_five, crowding; of anything else nothing is known" in done.output
    assert "no market data line was taken" in done.output
    assert "its recording ends" not in done.output
    late = command(store, "scan", PUT_OF_FIVE, "--recording", "2026-10-21", "--at", "17:30")
    assert re.search(r"its recording ends at 11:30:\d\d: later data is unknown", late.output)


def test_after_the_end_of_a_recording_stands_what_stood_there(store: Path) -> None:
    """Quotes were stale there, as if an engine had waited for them, and positions were worth their last mark."""
    *late, reported = command(store, "replay", "2026-10-21", "--at", "11:50").stdout.splitlines()
    ends = re.fullmatch(r" its recording ends at (11:30:\d\d), and this was the state then: .*", reported)
    assert ends is not None
    assert late == command(store, "replay", "2026-10-21", "--at", ends[1]).stdout.splitlines()
    assert not any("stale for" in line for line in late)


def test_a_scan_of_a_recording_is_not_kept(store: Path) -> None:
    scanned(store, PUT_OF_FIVE, "10:30")
    assert not scans_file().exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--recording", "2026-10-21", "--sim"), "--sim needs a gateway: with --recording no gateway is used"),
        (("--recording", "2026-10-21", "--source", "cboe"), "either --recording or --source cboe"),
        (("--at", "10:00"), "--at says where to look in a recording"),
        (("--recording", "2026-10-21", "--at", "05:00"), "nothing was recorded of 2026-10-21 by 05:00:00"),
        (("--recording", "today"), "a day is written 2026-10-21, is 'today'"),
    ],
)
def test_misuse_of_a_scan_is_reported(store: Path, words: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(
        main, ["scan", PUT_OF_FIVE, *words, *(() if "--sim" in words else ("--store", str(store)))]
    )
    assert done.exit_code == 2
    assert said in done.output


# ---------------------------------------------------------------- made into tests


def as_test(store: Path, clock: str, out: Path, *more: str) -> Result:
    words = ("replay", "2026-10-21", "--as-test", clock, "--bot", "put_of_five", "--out", str(out), *more)
    return command(store, *words)


def test_a_recorded_entry_becomes_a_test_that_passes(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "entry.test.yaml"
    done = as_test(store, "10:30", out)
    assert done.exit_code == 0, done.output
    text = out.read_text(encoding="utf-8")
    assert '{at: "10:30", enters: {short_put: 5970, long_put: 5965}}' in text
    assert "# - options are quoted as at 10:30, by strike" in text
    assert "not carried over: levels are those of each full minute" in done.output
    again = CliRunner().invoke(main, ["test", str(out)])
    assert again.exit_code == 0, again.output
    assert "1 test: 1 passed" in again.output
    assert as_test(store, "10:30", out).exit_code == 2  # no test is written over


def test_a_minute_without_a_decision_becomes_a_test_of_that(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "quiet.test.yaml"
    done = as_test(store, "10:20", out)
    assert done.exit_code == 0, done.output
    assert '{at: "10:20", orders: none, state: flat}' in out.read_text(encoding="utf-8")
    assert CliRunner().invoke(main, ["test", str(out)]).exit_code == 0


def test_an_exit_between_two_minutes_becomes_a_test_that_passes(store: Path, tmp_path: Path) -> None:
    """The target was reached by a quote at 11:00:25, and neither 11:00 nor 11:01 had it."""
    out = tmp_path / "exit.test.yaml"
    done = as_test(store, "11:00", out)
    assert done.exit_code == 0, done.output
    assert '{at: "11:00", exits: target}' in out.read_text(encoding="utf-8")
    assert CliRunner().invoke(main, ["test", str(out)]).exit_code == 0


def test_what_the_modelled_market_does_not_lead_to_is_reported(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of levels and quotes of full minutes alone, which do not reach the target."""
    monkeypatch.setattr(Watch, "act", lambda *_: False)
    out = tmp_path / "exit.test.yaml"
    done = as_test(store, "11:00", out)
    assert done.exit_code == 1
    assert "the market of the test does not lead to what was decided then" in done.output
    assert "exits: target" in done.output
    assert CliRunner().invoke(main, ["test", str(out)]).exit_code == 1


@pytest.mark.long
@pytest.mark.parametrize(
    ("bot", "seed", "clock", "said", "by_one_volatility"),
    [
        ("dte0_condor", 4, "09:45", "options are quoted as at 09:45, by strike", 1),
        ("spy_put_seller", 1, "09:31", "options have the deltas of 09:31, by strike", 0),
    ],
)
def test_ci_a_bot_that_selects_by_delta_chooses_as_then(
    bot: str, seed: int, clock: str, said: str, by_one_volatility: int, tmp_path: Path
) -> None:
    """With one volatility the condor takes other puts, and the test of it fails; the put of 90 days is the same."""
    run_days(
        tmp_path,
        spec_files([bot]),
        seed=seed,
        data_seconds=15,
        tapes=tmp_path / "s-tapes",
        until=at_exchange_time(DAY, time(10)),
    )
    place = next(tmp_path.glob("*.db")).rename(tmp_path / "s.db")
    out = tmp_path / "a.test.yaml"
    done = command(place, "replay", "2026-10-21", "--as-test", clock, "--out", str(out))
    assert done.exit_code == 0, done.output
    text = out.read_text(encoding="utf-8")
    assert f"# - {said}" in text
    assert f'{{at: "{clock}", enters: {{short_put: ' in text
    assert CliRunner().invoke(main, ["test", str(out)]).exit_code == 0
    flat = re.sub(r"(?m)^ {6}(smile|expiries):\n( {8}.*\n)+", "", text)
    assert "smile" not in flat
    (other := tmp_path / "b.test.yaml").write_text(flat, encoding="utf-8")
    assert CliRunner().invoke(main, ["test", str(other)]).exit_code == by_one_volatility


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--as-test", "10:30"), "2 bots ran on 2026-10-21: a test has one"),
        (("--as-test", "10:30", "--bot", "nobody"), "no bot 'nobody' ran on 2026-10-21"),
        (("--as-test", "08:00", "--bot", "put_of_five"), "is outside of it"),
        (("--bot", "put_of_five"), "need --as-test"),
        (("--as-test", "10:30", "--at", "10:30"), "at a time"),
        (("--as-test", "10:30", "--format", "json"), "a test is YAML"),
    ],
)
def test_misuse_of_a_test_is_reported(store: Path, words: tuple[str, ...], said: str) -> None:
    done = command(store, "replay", "2026-10-21", *words)
    assert (done.exit_code, said in done.output) == (2, True), done.output


# ---------------------------------------------------------------- written for other programs


def test_a_recorded_day_is_exported_and_backtested(store: Path, tmp_path: Path) -> None:
    """The chain has every quote of the recording, bit for bit, and a backtest on it decides as one on the recording."""
    out = tmp_path / "out"
    done = command(store, "replay", "2026-10-21", "--export", str(out), "--format", "json")
    assert done.exit_code == 0, done.output
    files = [each["file"] for each in json.loads(done.stdout)["written"]]
    assert [Path(file).parent.name for file in files] == ["SPX", "SPY"]
    there, here = open_source(f"parquet:{out / 'SPX'}"), RecordingSource(store.with_name("s-tapes"))
    day, recorded = there.day(DAY), of_symbol(here.day(DAY), "SPX")
    common = [int(at) for at in np.flatnonzero(np.isin(recorded.times, day.times))]
    places = [recorded.options.index(option) for option in day.options]
    assert len(day.times) == len(common) > 1400
    assert np.array_equal(day.bid, recorded.bid[np.ix_(common, places)], equal_nan=True)
    assert np.array_equal(day.levels["VIX"], recorded.levels["VIX"][common], equal_nan=True)
    assert there.daily("SPX", DAY, 20) == here.daily("SPX", DAY, 20)
    entries = []
    for number, data in enumerate((f"parquet:{out / 'SPX'}", f"tapes:{store.with_name('s-tapes')}")):
        tested = tmp_path / f"{number}.db"
        words = ["backtest", PUT_OF_FIVE, "--data", data, "--store", str(tested)]
        assert CliRunner().invoke(main, words).exit_code == 0
        with StoreReader(tested) as reader:
            entries.append([(row["legs"], row["entry_time"], row["final_pnl"]) for row in reader.view("trades")])
    assert entries[0] == entries[1] != []
    assert command(store, "replay", "2026-10-21", "--export", str(out)).exit_code == 2


@pytest.fixture
def exits_only(store: Path, tmp_path: Path) -> Path:
    """Return a store of which the day's second run, from 11:00 on, watched exits alone."""
    tapes = tmp_path / "s-tapes"
    shutil.copytree(store.with_name("s-tapes"), tapes)
    (first,) = tapes.glob("*/*.tape")
    second = tapes / "2026-10-21T150000Z" / first.name
    second.parent.mkdir()
    shutil.copy(first, second)
    rewrite(second, "UPDATE head SET value = '{}' WHERE name = 'specs'")
    rewrite(second, "UPDATE head SET value = ? WHERE name = 'at'", (json.dumps("2026-10-21T15:00:00+00:00"),))
    return tmp_path / "s.db"


def test_a_run_that_watched_exits_alone_is_listed_as_one(exits_only: Path) -> None:
    """It was said to go on from the day before."""
    first, second = command(exits_only, "replay", "--list").output.splitlines()
    assert "  put_of_five, crowding  " in first
    assert "  no bot: exits only  " in second
    row = days_page._day_row(DAY, listed(exits_only.with_name("s-tapes")))
    assert (row["bots"], row["goes_on"]) == (["put_of_five", "crowding"], False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), ("no bot ran at 11:30: exits alone were watched", "there ran crowding, put_of_five")),
        (("--bot", "put_of_five"), ("the bot put_of_five did not run at 11:30", "another run of 2026-10-21 had it")),
        (("--bot", "other"), ("no bot 'other' ran on 2026-10-21", "there ran crowding, put_of_five")),
    ],
)
def test_no_test_is_made_of_what_did_not_run(exits_only: Path, words: tuple[str, ...], said: tuple[str, str]) -> None:
    done = command(exits_only, "replay", "--as-test", "11:30", *words)
    assert done.exit_code == 2, done.output
    assert all(each in done.output for each in said)


def test_where_exits_alone_were_watched_no_bot_is_named(exits_only: Path) -> None:
    """A test of it ended in a traceback."""
    (second,) = exits_only.with_name("s-tapes").glob("2026-10-21T150000Z/*.tape")
    for words in (("--as-test", "11:30"), (PUT_OF_FIVE,)):
        done = CliRunner().invoke(main, ["replay", str(second), *words])
        assert (done.exit_code, "exits alone were watched" in done.output) == (2, True), done.output


def test_an_instant_has_the_conditions_of_each_symbol_of_a_universe(tmp_path: Path) -> None:
    """The page showed them, and `--at` nothing of such a bot."""
    morning = at_exchange_time(DAY, time(10, 30))
    text = Path(*spec_files(["vertical_switch"])).read_text(encoding="utf-8")
    assert "  when:\n    - no_event:" in text
    bot, tapes = tmp_path / "vertical_switch.yaml", tmp_path / "s-tapes"
    bot.write_text(text.replace("  when:\n", "  when:\n    - trend: {is: up}\n", 1), encoding="utf-8")
    run_days(tmp_path, [str(bot)], seed=3, data_seconds=60, tapes=tapes, until=morning)
    reported = command(tmp_path / "s.db", "replay", "--at", "10:10", "--format", "json")
    rules = [each["rule"] for each in json.loads(reported.stdout)["bots"]["vertical_switch"]]
    when = [each for each in rules if each.endswith((" trend", " no_event")) and ": " not in each]
    assert when[:4] == ["SPY trend", "SPY no_event", "QQQ trend", "QQQ no_event"]
    shown = command(tmp_path / "s.db", "replay", "--at", "10:10").output
    assert re.search(r"^   SPY trend +yes +up: ", shown, re.MULTILINE)


def test_a_day_on_which_no_bot_ran_is_reported_so_among_the_days_of_the_page() -> None:
    day = days_page._day_row(DAY, [RecordingFile(file=Path("a.tape"), day=DAY, first=NOON, last=NOON)])
    assert "no bot: exits only" in TEMPLATES.get_template("days.html").render(rows=[day], count=1)


def test_the_entry_of_a_bot_that_buys_shares_becomes_a_test(tmp_path: Path) -> None:
    """Shares have no strike: with a strike of 0 for them no such moment could be written."""
    spec = str(EXAMPLES / "buy_write.yaml")
    day, tapes = date(2026, 11, 25), tmp_path / "s-tapes"
    run_days(
        tmp_path, [spec], seed=9, data_seconds=15, first_day=day, tapes=tapes, until=at_exchange_time(day, time(11))
    )
    done = command(tmp_path / "s.db", "replay", "--as-test", "10:30")
    assert done.exit_code == 0, done.output
    assert re.search(r'\{at: "10:30", enters: \{short_call: \d+\}\}', done.output), done.output
