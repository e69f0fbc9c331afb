"""`rulebot replay`: a recorded day decides as it did, and tells where it does not."""

import asyncio
import json
import shutil
import sqlite3
import zlib
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from rulebot.adapters.recorded.columns import NumberColumns, pack
from rulebot.adapters.recorded.file import Frame, RecordingWriter, micros, read_head
from rulebot.adapters.recorded.recording import open_recording
from rulebot.adapters.recorded.source import RecordingSource
from rulebot.backtest.fill_model import fill_model
from rulebot.backtest.simulation import BacktestSimulation
from rulebot.calendars.calendars import load_calendar
from rulebot.cli.main import main
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import SimSettings, simulated
from rulebot.live.start import Run, RunOptions, execute
from rulebot.model.event import Request
from rulebot.model.market import COLUMNS
from rulebot.model.money import signed_dollars
from rulebot.model.session import EXCHANGE_ZONE, at_exchange_time
from rulebot.record.codec import line
from rulebot.replay import drift
from rulebot.replay.drift import DriftKind, drifts
from rulebot.replay.recordings import listed
from rulebot.replay.replay import replay as live_through
from rulebot.replay.reruns import answered
from rulebot.store.queries import StoreReader
from rulebot.web.recorded_days import replay_for_page as timeline_of
from tests.e2e.worlds import run_days, spec_files
from tests.tape_file import rewrite


@pytest.fixture(scope="module")
def store(two_days: Path) -> Path:
    """Return the store of two sessions of one bot, recorded."""
    return two_days / "s.db"


def replay(store: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["replay", *words, "--store", str(store)])


def test_the_last_day_decides_as_it_did(store: Path) -> None:
    done = replay(store)
    assert done.exit_code == 0, done.output
    assert "2026-10-22.tape: the same, " in done.output


def test_each_day_is_listed(store: Path) -> None:
    done = replay(store, "--list", "--format", "json")
    days = json.loads(done.output)["recordings"]
    assert [(each["day"], each["bots"]) for each in days] == [
        ("2026-10-21", ["put_lite"]),
        ("2026-10-22", ["put_lite"]),
    ]
    assert all(each["entries"] > 1500 for each in days)


def test_a_later_day_begins_where_the_engine_stood(store: Path) -> None:
    _, second = (each.file for each in listed(store.with_name("s-tapes")))
    recording = open_recording(second)
    alone, whole = live_through(recording), live_through(open_recording(second, whole=True))
    assert recording.files == (second,)
    assert (alone.difference, whole.difference) == (None, None)
    assert alone.turns < whole.turns
    assert alone.state == whole.state._replace(market=replace(whole.state.market, board=alone.state.market.board))
    lines = [line(record) for record in alone.records]
    assert lines
    assert lines == [line(record) for record in whole.records][-len(lines) :]


def of_another_version(store: Path, folder: Path) -> tuple[Path, Path]:
    """Copy the two days beside a store into a folder, as a version wrote them that had another state."""
    run = Path(shutil.copytree(listed(store.with_name("s-tapes"))[0].file.parent, folder / "o-tapes" / "run"))
    first, second = sorted(run.glob("*.tape"))
    with closing(sqlite3.connect(second)) as file, file:
        (reported,) = file.execute("SELECT value FROM head WHERE name = 'state'").fetchone()
        state = json.loads(reported)
        del state["bots"]["next_wakes"]
    rewrite(second, "UPDATE head SET value = ? WHERE name = 'state'", (json.dumps(state),))
    return first, second


def test_what_another_version_stood_at_is_lived_through_from_the_start(store: Path, tmp_path: Path) -> None:
    first, second = of_another_version(store, tmp_path)
    found = live_through(open_recording(second))
    assert (found.difference, found.at.date()) == (None, date(2026, 10, 22))
    assert found.turns == live_through(open_recording(second, whole=True)).turns
    first.unlink()
    done = replay(tmp_path / "o.db")
    assert (done.exit_code, "continues 2026-10-21.tape, which is not in its folder" in done.output) == (3, True)


def test_verify_takes_all(store: Path) -> None:
    done = replay(store, "--verify")
    assert (done.exit_code, done.output.count("the same, ")) == (0, 2)


def test_verify_names_what_cannot_be_read_and_takes_the_others(store: Path, tmp_path: Path) -> None:
    shutil.copytree(store.with_name("s-tapes"), tmp_path / "o-tapes")
    first, second = (each.file for each in listed(tmp_path / "o-tapes"))
    with closing(sqlite3.connect(first)) as file, file:
        file.execute("UPDATE frames SET crc = crc + 1")
    done = replay(tmp_path / "o.db", "--verify")
    assert (done.exit_code, done.output.count("the same, "), done.output.count("NOT REPLAYED: frame 1 of")) == (3, 1, 1)
    assert all(line.count(".tape") == 1 for line in done.output.splitlines()), "each names its file once"
    second.write_bytes(b"no database")
    reported = replay(tmp_path / "o.db", "--list").output.splitlines()
    assert (len(reported), [line.count(".tape") for line in reported]) == (2, [1, 1])
    done = replay(tmp_path / "o.db", "--verify", "--format", "json")
    assert (done.exit_code, len(json.loads(done.output)["unread"])) == (3, 2)


def test_an_instant_can_be_looked_at(store: Path) -> None:
    reported = replay(store, "2026-10-21", "--at", "10:45").output
    assert "2026-10-21  10:45:00" in reported
    assert "put_lite, if it were to enter now:" in reported
    assert "   iv_over_rv  unknown  above 1.0: SPXW 2026-10-21 " in reported
    found = json.loads(replay(store, "2026-10-21", "--at", "10:45", "--format", "json").output)
    assert found["quotes"]["VIX"]["last"] > 5
    said = {each["rule"]: each["truth"] for each in found["bots"]["put_lite"]}
    assert said["vix_change"] is True
    assert set(said) == {"iv_over_rv", "vix_change", "day_range", "no_event"}


def test_an_instant_is_as_wide_as_the_terminal(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of bots was 100 columns wide on any: broken on a narrow one, and never beside what is waited for."""
    for width in (70, 140):
        monkeypatch.setattr("rulebot.cli.past.replay.terminal_width", lambda width=width: width)
        clock, heads = replay(store, "2026-10-21", "--at", "10:45").output.splitlines()[:2]
        assert clock.startswith(" 2026-10-21  10:45:00")
        assert (len(clock), "waits for" in heads) == (width - 1, width == 140)


def test_a_recorded_day_says_which_bots_ran(store: Path) -> None:
    source = RecordingSource(store.with_name("s-tapes"))
    assert [source.day(date(2026, 10, day)).ran for day in (21, 22)] == [frozenset({"put_lite"})] * 2


def test_step_shows_what_happened(store: Path) -> None:
    reported = replay(store, "2026-10-21", "--step").output
    assert "put_lite  entry sent: sell" in reported


def test_what_an_exit_made_is_reported_with_all_of_its_commissions(store: Path) -> None:
    """The broker tells them after the fills: the line had the profit without them, and no later one put it right."""
    with StoreReader(store) as reader:
        made = [float(row["final_pnl"]) for row in reader.view("trades") if row["exit_time"] is not None]
    assert made
    files = [each.file for each in listed(store.with_name("s-tapes"))]
    stepped = "".join(replay(store, str(file), "--step").output for file in files)
    happened = [each.text for each in timeline_of(files).happened]
    for lines in (stepped.splitlines(), happened):
        closed = [each for each in lines if "closed: " in each]
        assert len(closed) == len(made)
        assert all(signed_dollars(each) in line for each, line in zip(made, closed, strict=True))
        assert not any("provisional" in each for each in closed)


def test_a_decision_that_is_another_now_is_shown(store: Path, tmp_path: Path) -> None:
    """A recording whose text was changed by hand: the digest no longer fits; whose records were: the first is shown."""
    file = listed(store.with_name("s-tapes"))[0].file
    other = tmp_path / "run" / file.name
    other.parent.mkdir()
    other.write_bytes(file.read_bytes())
    with sqlite3.connect(other) as connection:
        (text,) = connection.execute("SELECT value FROM head WHERE name = 'install'").fetchone()
    rewrite(other, "UPDATE head SET value = ? WHERE name = 'install'", (text.replace("s3", "s4"),))
    done = replay(store, str(other))
    assert done.exit_code == 1
    assert "DIFFERENT at 10:30:00" in done.output
    assert "rb:s3:000001" in done.output
    assert "rb:s4:000001" in done.output
    assert replay(store, str(other), "--at", "10:29").exit_code == 0
    done = replay(store, str(other), "--at", "11:00")
    assert (done.exit_code, "decides otherwise at 10:30:00 of 2026-10-21" in done.output) == (1, True)


def test_another_text_is_tried_on_the_day(store: Path, tmp_path: Path) -> None:
    (file,) = spec_files(["put_lite"])
    same = replay(store, "2026-10-21", file)
    assert same.exit_code == 0, same.output
    assert "every one the same: 1 entry" in same.output
    text = Path(file).read_text(encoding="utf-8").replace("profit: 50%", "profit: 25%")
    (other := tmp_path / "put_lite.yaml").write_text(text, encoding="utf-8")
    done = replay(store, "2026-10-21", str(other), "--format", "json")
    found = json.loads(done.stdout)["compared"]["put_lite"]
    assert (done.exit_code, len(found["old"]), len(found["new"])) == (1, 1, 1)
    assert found["old"][0]["trades"] != found["new"][0]["trades"]
    twice = replay(store, "2026-10-21", file, str(other))
    assert (twice.exit_code, "are both the bot put_lite" in twice.output) == (2, True), twice.output


def test_another_text_is_tried_on_all_that_several_runs_have_recorded_of_a_day(store: Path, tmp_path: Path) -> None:
    """As after a restart in the afternoon, which saw nothing of the morning and ran one bot less."""
    folder = Path(shutil.copytree(store.with_name("s-tapes"), tmp_path / "t-tapes"))
    first = listed(folder)[0].file
    head = {name: value for name, value in read_head(first).items() if name != "format"}
    writer = RecordingWriter(folder / "later" / first.name, head | {"specs": {}})
    at = micros(datetime(2026, 10, 21, 15, 50, tzinfo=EXCHANGE_ZONE))
    none = NumberColumns(np.array([], dtype=np.int64), np.array([]), np.empty((0, len(COLUMNS))))
    frame = pack(none, np.full((0, len(COLUMNS)), np.nan), 1)
    writer.add(Frame(at, at, 0, zlib.compress(json.dumps([["m", at, []]]).encode()), frame))
    writer.close()
    assert listed(folder, date(2026, 10, 21))[-1].file == writer.file
    done = replay(tmp_path / "t.db", "2026-10-21", *spec_files(["put_lite"]))
    assert "every one the same: 1 entry" in done.output, done.output
    nobody = replay(tmp_path / "t.db", "2026-10-21", *spec_files(["dte0_condor"]))
    assert "no bot dte0_condor ran on 2026-10-21" in nobody.output, nobody.output


def test_another_text_is_set_as_the_recorded_one_was(tmp_path: Path) -> None:
    """Else each edit would seem to do what leaving out `--set` does."""
    (file,) = spec_files(["dte0_condor"])
    tapes = tmp_path / "s-tapes"
    entered, own = at_exchange_time(date(2026, 10, 21), time(10, 5)), {"dte0_condor.delta": "0.08"}
    run_days(tmp_path, [file], seed=3, data_seconds=15, overrides=own, tapes=tapes, until=entered)
    store, text = tmp_path / "s.db", Path(file).read_text(encoding="utf-8")
    assert "every one the same: 1 entry" in (same := replay(store, file)).output, same.output
    assert "delta is 0.08 in both, as it was set then" in same.output
    (other := tmp_path / "any name.yaml").write_text(text.replace('to: "10:00"', 'to: "10:01"'), encoding="utf-8")
    assert "every one the same: 1 entry" in (same := replay(store, str(other))).output, same.output
    other.write_text(text.replace("delta: 0.06", "delta: 0.07"), encoding="utf-8")
    done = replay(store, str(other))
    assert (done.exit_code, "the new text has its own 0.07" in done.output) == (1, True), done.output
    other.write_text(text.replace("delta: 0.06, ", "").replace("$delta", "0.08"), encoding="utf-8")
    none = replay(store, str(other))
    assert (none.exit_code, "delta was set to 0.08 then; the new text has none" in none.output) == (0, True)


def test_a_recording_under_another_name_is_read_alike(store: Path, tmp_path: Path) -> None:
    sent = shutil.copy(listed(store.with_name("s-tapes"))[0].file, tmp_path / "sent to somebody.tape")
    for words in (["--at", "11:00"], ["--drift"], ["--as-test", "10:30"], ["--export", str(tmp_path / "as")]):
        done = CliRunner().invoke(main, ["replay", str(sent), *words])
        assert done.exit_code == 0, done.output
        assert "2026-10-21" in done.output
    done = CliRunner().invoke(main, ["replay", str(sent), *spec_files(["put_lite"])])
    assert "every one the same: 1 entry" in done.output


def test_a_recording_under_the_name_of_another_day_is_refused(store: Path, tmp_path: Path) -> None:
    """Its market would be taken for that of a day on which it was not."""
    other = Path(shutil.copy(listed(store.with_name("s-tapes"))[0].file, tmp_path / "2026-10-28.tape"))
    done = CliRunner().invoke(main, ["replay", str(other), "--export", str(tmp_path / "as")])
    assert (done.exit_code, "is the recording of 2026-10-21, named for another day" in done.output) == (3, True)
    done = CliRunner().invoke(
        main, ["backtest", *spec_files(["put_lite"]), "--data", f"tapes:{other}", "--store", str(tmp_path / "b.db")]
    )
    assert (done.exit_code, "named for another day" in done.output) == (3, True), done.output


def test_a_damaged_day_is_named_and_no_other_one_taken(store: Path, tmp_path: Path) -> None:
    shutil.copytree(store.with_name("s-tapes"), tmp_path / "h-tapes")
    listed(tmp_path / "h-tapes")[-1].file.write_bytes(b"no database")
    for words in ((), ("2026-10-22",), ("--verify", "2026-10-22"), ("--at", "11:00"), ("--drift",)):
        done = replay(tmp_path / "h.db", *words)
        assert (done.exit_code, "2026-10-22.tape is no recording" in done.output) == (3, True), done.output


def test_two_recordings_joined_to_one_file_are_refused_by_whoever_reads_them(store: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(store.with_name("s-tapes"), tmp_path / "j-tapes"))
    file = listed(folder)[-1].file
    file.write_bytes(file.read_bytes() * 2)
    for words, code in (((), 3), (("--list",), 0), (("--verify",), 3), (("--at", "11:00"), 3)):
        done = replay(tmp_path / "j.db", *words)
        assert (done.exit_code, "bytes behind its end" in done.output) == (code, True), done.output
        assert "keep each recording in its own file" in done.output
    done = CliRunner().invoke(
        main, ["backtest", *spec_files(["put_lite"]), "--data", f"tapes:{folder}", "--store", str(tmp_path / "b.db")]
    )
    assert "bytes behind its end" in done.output, done.output


def test_a_day_of_which_nothing_was_written_is_no_day_that_is_recorded(tmp_path: Path) -> None:
    RecordingWriter(tmp_path / "e-tapes" / "run" / "2026-10-21.tape", {"day": "2026-10-21"}).close()
    done = replay(tmp_path / "e.db", "2026-10-21")
    assert (done.exit_code, "nothing was written before its run ended" in done.output) == (3, True), done.output


def test_files_of_other_names_beside_recordings_are_passed_over(store: Path, tmp_path: Path) -> None:
    shutil.copytree(store.with_name("s-tapes"), tmp_path / "l-tapes")
    first = listed(tmp_path / "l-tapes")[0].file
    shutil.copy(first, first.with_name("copy of a day.tape"))
    done = replay(tmp_path / "l.db", "--list", "--format", "json")
    assert [each["day"] for each in json.loads(done.output)["recordings"]] == ["2026-10-21", "2026-10-22"]
    assert replay(tmp_path / "l.db").exit_code == 0


def test_drift_sets_what_was_done_beside_what_the_spec_makes(store: Path) -> None:
    done = replay(store, "2026-10-21", "--drift")
    reported = done.stdout
    started = [line.partition(": ")[2] for line in done.stderr.splitlines()]
    assert started[0] == "living through it again ...", "a day of eight bots takes minutes on a busy machine"
    assert started[1:] == ["walking through it with the answers of then ...", "walking through it at natural ..."]
    assert "put_lite  as the spec says" in reported
    assert "+$0.00 beside what the specs make; their fills made " in reported
    (found,) = json.loads(replay(store, "2026-10-21", "--drift", "--format", "json").stdout)["trades"]
    assert (found["what"], found["bot"], found["causes"]) == ("same", "put_lite", [])
    assert (found["done"], found["made"]) == (found["would"], found["would_make"])
    assert found["natural"]["would"][:5] == "10:30"
    assert found["natural"]["would_make"] != found["made"]


@pytest.mark.parametrize(
    ("was", "now", "what", "parts"),
    [
        ("by: 10 pts", "by: 5 pts", DriftKind.BESIDES, ""),
        (
            "exits:\n",
            'exits:\n  - time: "10:40"\n    name: early\n',
            DriftKind.EXIT,
            "10:40:00 here they part: it sends",
        ),
    ],
)
def test_drift_without_a_cause_says_so(
    was: str, now: str, what: DriftKind, parts: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A walk of another text stands for an engine that does not do what its spec says."""
    (file,) = spec_files(["put_lite"])
    text = Path(file).read_text(encoding="utf-8")
    assert was in text
    (tmp_path / "put_lite.yaml").write_text(text.replace(was, now), encoding="utf-8")
    other = load_all_bots([str(tmp_path / "put_lite.yaml")], {}, None).program("x", {}, 90)
    monkeypatch.setattr(drift, "answered", lambda recording, stood: answered(recording, replace(stood, program=other)))
    came: list[drift.DayComparison] = []
    compare = drift.compared
    monkeypatch.setattr(drift, "compared", lambda *given: came.append(compare(*given)) or came[-1])
    reported = replay(store, "2026-10-21", "--drift").output
    (found,) = came[0].trades
    assert (found.what, found.differs, found.is_explained) == (what, True, False)
    assert not parts or parts in found.causes[0]
    assert "nothing that was recorded explains it" in reported


@pytest.mark.parametrize(("clock", "says"), [((14, 29, 45), "pause"), ((13, 45, 0), "entries are switched off")])
def test_drift_names_the_cause_of_a_trade_that_was_not_done(
    clock: tuple[int, int, int], says: str, tmp_path: Path
) -> None:
    """A pause by hand, just before the entry or long before: the spec would have entered."""
    tapes = tmp_path / "s-tapes"

    async def body() -> None:
        desk = load_all_bots(spec_files(["put_lite"]), {}, None)
        options = RunOptions(store=tmp_path / "s.db", logs=None, sessions=1, install="x", tapes=tapes)
        asked: list[datetime] = []

        def watcher(run: Run, at: datetime) -> None:
            if at >= datetime(2026, 10, 21, *clock, tzinfo=UTC) and not asked:
                asked.append(at)
                run.inbox.ask(Request.PAUSE)

        def started(run: Run) -> None:
            run.last = datetime(2026, 10, 21, 14, 40, tzinfo=UTC)

        await execute(desk, options, simulated(SimSettings(seed=3, data_seconds=15), 1), started, watcher)

    asyncio.run(body())
    (found,) = drifts(open_recording(listed(tapes)[0].file))
    assert (found.what, found.done) == (DriftKind.MISSED, "no trade")
    assert any(says in cause for cause in found.causes), found.causes
    assert found.is_explained


@pytest.mark.long
@pytest.mark.usefixtures("slow_market")
def test_ci_a_run_compares_its_day_when_it_has_ended(tmp_path: Path) -> None:
    """The shipped condor: at natural prices seed 3 would have held it on, of which nothing is recorded."""
    words = ("run", "--paper", "--sim", "--seed", "3", "--date", "2026-12-24", "--drift", "--plain")
    store = ("--store", str(tmp_path / "s.db"))
    done = CliRunner().invoke(main, [*words, *store, *spec_files(["dte0_condor"])])
    said = "2026-12-24 compared with the specs: 1 of 1 trades as the specs say, but for prices"
    assert (done.exit_code, said in done.output) == (0, True), done.output
    reported = CliRunner().invoke(main, ["summary", *store, "--format", "json"])
    found = json.loads(reported.stdout)["drift"]
    assert (found["differs"], found["by_fills"]) == ([], [])
    drift = json.loads(CliRunner().invoke(main, ["replay", "--drift", *store, "--format", "json"]).stdout)
    natural = drift["trades"][0]["natural"]
    assert (natural["is_known"], natural["would_make"], natural["would"][-9:]) == (False, None, "; held on")
    assert "the recording lacks what it would have held" in natural["causes"][0]
    assert "its exits have other levels" in natural["causes"][1]
    assert said in CliRunner().invoke(main, ["summary", *store]).output


def test_diff_walks_through_recorded_days(store: Path, tmp_path: Path) -> None:
    (file,) = spec_files(["put_lite"])
    text = Path(file).read_text(encoding="utf-8").replace("profit: 50%", "profit: 25%")
    (other := tmp_path / "put_lite.yaml").write_text(text, encoding="utf-8")
    done = CliRunner().invoke(main, ["diff", file, str(other), "--days", str(store.with_name("s-tapes"))])
    assert "2 past sessions (2026-10-21 to 2026-10-22)" in done.output
    assert done.exit_code == 1


def test_a_recording_as_past_sessions_decides_when_the_run_did(store: Path) -> None:
    """The market of the recording under a broker of its own: entries at the same instants, in the same contracts."""
    source = RecordingSource(store.with_name("s-tapes"))
    days = source.dates(date.min, date.max)
    assert [day.isoformat() for day in days] == ["2026-10-21", "2026-10-22"]
    assert [source.day(day).findings for day in days] == [(), ()]
    with StoreReader(store) as reader:
        was = {str(row["position"]): row for row in reader.view("trades", strategy_id="put_lite")}
    desk = load_all_bots(spec_files(["put_lite"]), {}, None)
    walk = BacktestSimulation(desk.program("x", {}, 90), source, load_calendar(), fill_model("mid"), Decimal(1_000_000))
    for _ in walk.through(days[0], days[0]):
        pass
    assert walk.state is not None
    (found,) = walk.state.positions.by_id.values()
    then = was[found.id]
    assert found.opened_at is not None
    clock = found.opened_at.astimezone(EXCHANGE_ZONE).strftime("%H:%M")
    assert clock == str(then["entry_time"])[11:16]
    assert {str(leg.option) for leg in found.legs} == {leg["contract"] for leg in json.loads(then["legs"])}
    assert found.exit_reason == then["exit_name"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("2026-10-20",), 3, "nothing is recorded of 2026-10-20"),
        (("yesterday",), 2, "a day is written 2026-10-21, is 'yesterday'"),
        (("--at", "25:00"), 2, "a time is written 12:00"),
        (("--list", "--verify"), 2, "at a time"),
        (("nothing.tape",), 3, "there is no recording nothing.tape"),
        (("2026-10-21", "--list"), 2, "take all recordings"),
        (("--drift", "put_lite.yaml"), 2, "no other question goes with it"),
        ((__file__,), 2, f"a store is named by --store {__file__}"),
    ],
)
def test_misuse_is_reported(store: Path, words: tuple[str, ...], code: int, said: str) -> None:
    done = replay(store, *words)
    assert (done.exit_code, said in done.output) == (code, True), done.output


def test_a_store_that_is_not_there_and_one_without_recordings_are_distinguished(store: Path, tmp_path: Path) -> None:
    assert "there is no store" in (done := replay(tmp_path / "x.db")).output
    assert done.exit_code == 3
    shutil.copy(store, tmp_path / "y.db")
    assert "records by default; a backtest records none" in replay(tmp_path / "y.db").output
    why = ("why", "put_lite", "--date", "2026-10-21", "--at", "10:45", "--store")
    said = [CliRunner().invoke(main, [*why, str(file)]).output for file in (store, tmp_path / "y.db")]
    assert ["rulebot replay 2026-10-21 --at 10:45:00" in each for each in said] == [True, False]
    assert ["numbers are those at each 'since'" in each for each in said] == [True, True]


def test_trim_keeps_what_a_replay_needs(store: Path, tmp_path: Path) -> None:
    shutil.copytree(store.with_name("s-tapes"), tmp_path / "l-tapes")
    done = CliRunner().invoke(main, ["replay", "--trim", "1", "--store", str(tmp_path / "l.db")])
    assert "1 deleted" in done.output
    assert [each.file.name for each in listed(tmp_path / "l-tapes")] == ["2026-10-22.tape"]
    assert replay(tmp_path / "l.db").exit_code == 0


def test_trim_keeps_the_days_before_one_that_another_version_wrote(store: Path, tmp_path: Path) -> None:
    of_another_version(store, tmp_path)
    done = CliRunner().invoke(main, ["replay", "--trim", "1", "--store", str(tmp_path / "o.db")])
    assert (done.exit_code, done.output) == (0, " nothing is older than that\n")
    assert [each.file.name for each in listed(tmp_path / "o-tapes")] == ["2026-10-21.tape", "2026-10-22.tape"]


def test_trim_deletes_nothing_below_the_folder_in_which_a_file_was_named(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(store.with_name("s-tapes"), tmp_path / "l-tapes")
    monkeypatch.chdir(tmp_path / "l-tapes")
    for named in (str(listed(Path())[0].file), "2026-10-21"):
        done = CliRunner().invoke(main, ["replay", named, "--trim", "1"])
        assert (done.exit_code, len(listed(Path()))) == (2, 2), done.output


def test_what_cannot_be_deleted_is_named(store: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(store.with_name("s-tapes"), tmp_path / "u-tapes"))
    first = listed(folder)[0].file
    (first.with_name(f"{first.name}-of-somebody")).mkdir()
    done = replay(tmp_path / "u.db", "--trim", "1")
    assert (done.exit_code, type(done.exception)) == (3, SystemExit), done.exception
    assert f"{first.name}-of-somebody cannot be deleted: " in done.output


def test_trim_keeps_the_last_days_of_all_runs(store: Path, tmp_path: Path) -> None:
    for run, day in (("a", 19), ("b", 20), ("c", 21)):
        folder = tmp_path / "t-tapes" / run
        folder.mkdir(parents=True)
        (folder / f"2026-10-{day}.tape").write_bytes(listed(store.with_name("s-tapes"))[0].file.read_bytes())
    done = CliRunner().invoke(main, ["replay", "--trim", "2", "--store", str(tmp_path / "t.db")])
    assert "1 deleted" in done.output
    assert [each.file.parent.name for each in listed(tmp_path / "t-tapes")] == ["b", "c"]
