"""`rulebot replay --drift` where a day is more than a market: nights, restarts, people, fills that never came."""

import asyncio
import json
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from rulebot.adapters.recorded.recording import open_recording
from rulebot.cli.main import main
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import SimSettings, simulated
from rulebot.live.start import Run, RunOptions, execute
from rulebot.model.event import Request
from rulebot.model.session import at_exchange_time
from rulebot.narrate.snapshot_of_state import open_today
from rulebot.replay.drift import DayComparison, DriftKind, by_fills, compared, total
from rulebot.replay.recordings import listed
from rulebot.replay.replay import replay
from rulebot.replay.reruns import RecordedCause
from tests.e2e.test_restart import in_loop, new_york, run_until
from tests.e2e.worlds import run_days, spec_files
from twsim import RunningGateway

HALF_DAY = date(2026, 12, 24)
"""The session before Christmas, which ends at 13:00."""


def days_of(tapes: Path) -> list[DayComparison]:
    return [compared(open_recording(each.file)) for each in listed(tapes)]


@pytest.mark.long
def test_ci_a_position_of_an_earlier_day_that_ends_is_compared(tmp_path: Path) -> None:
    """A put that is sold on the first morning and stopped on the second, by an order that rests over the night."""
    wide = {"spy_put_seller.take_profit": "13.9%", "spy_put_seller.stop_loss": "22%"}
    run_days(
        tmp_path,
        spec_files(["spy_put_seller"]),
        seed=3,
        days=2,
        data_seconds=15,
        overrides=wide,
        tapes=tmp_path / "tapes",
    )
    first, second = days_of(tmp_path / "tapes")
    assert [(each.what, each.done[-4:]) for each in first.trades] == [(DriftKind.SAME, "open")]
    assert [(each.what, each.done[-4:]) for each in second.trades] == [
        (DriftKind.SAME, "stop"),
        (DriftKind.SAME, "rget"),
    ]
    assert second.trades[0].made == second.trades[0].would_make
    natural = second.trades[0].natural
    assert natural is not None
    assert natural.would.endswith("stop"), "the natural walk begins with what was held and rested, too"
    assert second.trades[1].natural is None or second.trades[1].natural.would_make is None, "its exits stand elsewhere"
    assert second.trades[0].would_make is not None
    assert natural.would_make is not None
    assert by_fills(second.trades) == second.trades[0].would_make - natural.would_make != 0


def test_a_run_that_went_on_after_a_restart_is_compared_from_where_it_stood(restarted: Path) -> None:
    """The entry is of the first run, its exit of the second. The first ends before the exit does."""
    first, second = days_of(restarted / "tapes")
    cut, sold = first.trades
    assert [(each.what, each.done[-6:]) for each in (cut, sold)] == [
        (DriftKind.SAME, "; open"),
        (DriftKind.SAME, "; open"),
    ]
    assert first.until == second.since
    assert [each.what for each in second.trades] == [DriftKind.SAME, DriftKind.SAME]
    assert [each.done[-6:] for each in second.trades] == ["target", "; open"]
    assert total(second.trades) == 0


@pytest.mark.long
def test_ci_each_run_of_a_day_is_compared_and_not_what_was_over_before(tmp_path: Path) -> None:
    async def thrice(gateway: RunningGateway, folder: Path) -> None:
        for stops in (new_york(10, 45), new_york(13, 50), new_york(14, 0)):
            await run_until(gateway, folder / "s.db", stops, ("put_lite",))

    in_loop(thrice, tmp_path, seed=3)
    (tmp_path / "tapes").rename(tmp_path / "s-tapes")
    done = CliRunner().invoke(main, ["replay", "--drift", "--store", str(tmp_path / "s.db"), "--format", "json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [len(each["trades"]) for each in (*found["earlier"], found)] == [1, 1, 0]


def lived(folder: Path, spec: str, at: datetime, does: Callable[[Run], None]) -> DayComparison:
    """Return the morning of one bot, during which a person does something, beside its spec, which goes on holding."""

    def started(run: Run) -> None:
        run.last = new_york(11, 15)

    async def body() -> None:
        options = RunOptions(store=folder / "s.db", logs=None, sessions=1, install="x", tapes=folder / "tapes")
        left = [does]

        def watcher(run: Run, now: datetime) -> None:
            if left and now >= at:
                left.pop()(run)

        world = simulated(SimSettings(seed=3, data_seconds=15), 1)
        await execute(load_all_bots([spec], {}, None), options, world, started, watcher)

    asyncio.run(body())
    (found,) = days_of(folder / "tapes")
    return found


def test_a_position_that_a_person_closed_names_that_instant(tmp_path: Path) -> None:
    (spec,) = spec_files(["put_lite"])
    found = lived(tmp_path, spec, new_york(10, 50), lambda run: run.inbox.ask(Request.FLATTEN))
    (trade,) = found.trades
    assert (trade.what, trade.is_explained) == (DriftKind.EXIT, True)
    assert any(cause.startswith("10:50:1") and "flatten" in cause for cause in trade.causes), trade.causes
    assert not any("entry sent" in cause for cause in trade.causes), "they part at the exit, not at the entry"


def test_what_is_held_when_the_recording_ends_is_not_left_otherwise(tmp_path: Path) -> None:
    """The walk sees no close to settle by, and goes on to its exit at 15:30, which nobody could record."""
    (spec,) = spec_files(["put_lite"])
    found = lived(tmp_path, spec, new_york(10, 50), lambda run: run.inbox.ask(Request.STOP))
    (trade,) = found.trades
    assert (trade.what, trade.done[-6:], trade.made) == (DriftKind.SAME, "; open", trade.would_make)


def test_what_is_held_when_the_recording_ends_is_worth_its_last_quotes(tmp_path: Path) -> None:
    """By the close they are stale: it counted by its last mark, which was of the minute before."""
    (spec,) = spec_files(["put_lite"])
    at = new_york(10, 43) - timedelta(seconds=25)
    (trade,) = lived(tmp_path, spec, at, lambda run: run.inbox.ask(Request.STOP)).trades
    (file,) = (each.file for each in listed(tmp_path / "tapes"))
    stood = replay(open_recording(file))
    worth = open_today(stood.state, stood.at)
    assert worth != open_today(stood.state, new_york(16, 0))
    assert (trade.made, trade.would_make) == (worth, worth)


@pytest.mark.long
def test_ci_a_text_that_took_over_in_the_morning_is_the_cause_of_what_follows(tmp_path: Path) -> None:
    (shipped,) = spec_files(["put_lite"])
    text = Path(shipped).read_text(encoding="utf-8")
    (spec := tmp_path / "put_lite.yaml").write_text(text, encoding="utf-8")

    def reload(run: Run) -> None:
        spec.write_text(text.replace("exits:\n", 'exits:\n  - time: "10:40"\n    name: early\n'), encoding="utf-8")
        run.inbox.ask(Request.RELOAD)

    (trade,) = lived(tmp_path, str(spec), new_york(10, 0), reload).trades
    assert (trade.what, trade.is_explained, trade.done[-5:]) == (DriftKind.EXIT, True, "early")
    assert trade.causes[0].startswith("10:00:1")
    assert "reloaded: put_lite" in trade.causes[0]


@pytest.mark.long
def test_ci_what_a_broker_refused_is_no_drift_and_natural_fills_say_what_it_could_have_been(tmp_path: Path) -> None:
    (faults := tmp_path / "f.yaml").write_text("faults: [{kind: reject, on: order, number: each}]\n", encoding="utf-8")

    async def day(gateway: RunningGateway, folder: Path) -> None:
        await run_until(gateway, folder / "s.db", at_exchange_time(HALF_DAY, time(13, 1)), ("dte0_condor",))

    in_loop(day, tmp_path, first_day=HALF_DAY, seed=4, faults_file=faults)
    (found,) = days_of(tmp_path / "tapes")
    (trade,) = found.trades
    assert (trade.what, trade.done, trade.would, trade.differs) == (DriftKind.UNFILLED, "no trade", "no trade", False)
    assert trade.natural is not None
    assert trade.natural.would.startswith("09:45:"), trade.natural
    assert trade.natural.differs
    assert trade.natural.is_known is (trade.natural.would_make is not None) is False, "the lines were given up"
    assert by_fills(found.trades) == 0
    assert any("refused" in cause for cause in trade.natural.causes), trade.natural


def test_what_a_person_closed_at_the_broker_is_known_long_before_the_text_would_have_left(tmp_path: Path) -> None:
    """The account holds less at 10:35; the text's own exit comes at 11:46, and nothing is said then any more."""
    (faults := tmp_path / "f.yaml").write_text('faults: [{kind: person_closes, at: "10:35:00"}]\n', encoding="utf-8")

    async def day(gateway: RunningGateway, folder: Path) -> None:
        await run_until(gateway, folder / "s.db", at_exchange_time(HALF_DAY, time(13, 6)), ("put_lite",))

    in_loop(day, tmp_path, first_day=HALF_DAY, seed=3, faults_file=faults)
    (found,) = days_of(tmp_path / "tapes")
    (trade,) = found.trades
    assert (trade.what, trade.is_explained, trade.done[-24:]) == (DriftKind.EXIT, True, "closed_by_hand_estimated"), (
        trade
    )
    assert "the account holds less" in trade.causes[0]


def test_a_computer_that_slept_is_the_cause_of_what_it_did_when_it_woke(tmp_path: Path) -> None:
    """It enters in the second in which it wakes, which its text on the same market does not: that was an alarm."""
    (faults := tmp_path / "f.yaml").write_text(
        'faults: [{kind: time_passes, at: "09:44:30", seconds: 3600}]\n', encoding="utf-8"
    )

    async def day(gateway: RunningGateway, folder: Path) -> None:
        await run_until(gateway, folder / "s.db", new_york(11, 15), ("put_lite",))

    in_loop(day, tmp_path, seed=3, faults_file=faults)
    (file,) = (each.file for each in listed(tmp_path / "tapes"))
    reported = RecordedCause()
    replay(open_recording(file), watcher=reported.see)
    assert [reported.still(new_york(hour, minute)) for hour, minute in ((9, 44), (10, 47))] == ["", ""]
    assert reported.still(new_york(10, 45)).endswith("to 10:44:30: the computer slept, or hung")
