"""`rulebot replay` of a day on which texts were exchanged: bots that came later, and others whose text changed."""

import json
from datetime import date, time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rulebot.cli.main import main
from rulebot.live.start import Run
from rulebot.replay.recordings import meant
from rulebot.web.pages import TEMPLATES
from rulebot.web.recorded_days import _neighbours, _shown, replay_for_page
from tests.e2e.test_reload import account, ask, at, bot, live, specs_in, stop, writes
from tests.e2e.test_restart import in_loop, new_york
from twsim import RunningGateway


def replay(store: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["replay", *words, "--store", str(store)])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day until 11:20: at 10:00 `one` leaves later and `two` is added; at 11:00 `one` is removed."""

    async def body(gateway: RunningGateway, folder: Path) -> None:
        specs_in(folder, one=bot("one"))
        added = bot("two", start="10:15", leave="11:05", symbol="SPY")
        await live(
            gateway, folder,
            (at(10, 0), writes(folder, one=bot("one", leave="11:15"), two=added)),
            (at(11, 0), writes(folder, two=added)),
            (at(11, 20), stop),
        )  # fmt: skip

    folder = tmp_path_factory.mktemp("reloaded")
    in_loop(body, folder, seed=7)
    (folder / "tapes").rename(folder / "s-tapes")
    return folder / "s.db"


def test_a_bot_that_was_added_is_known_to_have_run(store: Path, tmp_path: Path) -> None:
    done = replay(store, "--as-test", "10:15", "--bot", "two")
    assert done.exit_code == 0, done.output
    assert '{at: "10:15", enters: ' in done.output
    done = replay(store, str(store.with_name("specs") / "two.yaml"))
    assert (done.exit_code, "every one the same: 1 entry" in done.output) == (0, True), done.output
    early = replay(store, "--as-test", "09:50", "--bot", "two")
    assert (early.exit_code, "it ran from 10:00:15 on" in early.output) == (2, True), early.output


def test_a_test_has_the_text_of_its_moment(store: Path) -> None:
    """What `one` opened at 9:45 its first text closed; the second would have done so at 11:15."""
    first = replay(store, "--as-test", "09:45", "--bot", "one")
    assert (first.exit_code, '{at: "10:40", exits: time}' in first.output) == (0, True), first.output
    assert "another text of the bot ran from 10:00:15 on" in first.output
    second = replay(store, "--as-test", "10:30", "--bot", "one")
    assert 'then, and not in the modelled market: {by: "10:45", exits: time}' in second.output, second.output
    gone = replay(store, "--as-test", "11:10", "--bot", "one")
    assert (gone.exit_code, "did not run at 11:10" in gone.output) == (2, True), gone.output


def test_another_text_is_compared_with_the_last_of_the_day(store: Path, tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(bot("one", leave="11:15"), encoding="utf-8")
    done = replay(store, str(tmp_path / "one.yaml"))
    assert (done.exit_code, "2 texts of it ran that day; compared is the last, since 10:00:15" in done.output) == (
        0,
        True,
    )
    (tmp_path / "one.yaml").write_text(bot("one"), encoding="utf-8")
    done = replay(store, str(tmp_path / "one.yaml"), "--format", "json")
    assert (done.exit_code, list(json.loads(done.stdout)["compared"])) == (1, ["one"]), done.output


def test_what_came_after_a_recording_is_not_known(store: Path) -> None:
    late, before = (replay(store, "--at", clock).output for clock in ("12:00", "11:10"))
    assert "its recording ends at 11:20:1" in late
    assert "its recording ends" not in before
    done = replay(store, "--step", "--format", "json")
    assert (done.exit_code, "--step is for eyes" in done.output) == (2, True), done.output


def test_drift_ends_with_one_when_a_trade_differs(store: Path) -> None:
    """The bot that was added is in no text that the day began with."""
    done = replay(store, "--drift")
    assert (done.exit_code, "two  done besides" in done.output) == (1, True), done.output


def test_the_page_of_the_day_has_the_conditions_of_those_that_ran_at_its_instant(store: Path) -> None:
    """Of one that was added later it was said that it had none, and one that was removed had vanished all day long."""
    day = date(2026, 10, 21)
    seen = replay_for_page(meant("", store.with_name("s-tapes")))
    shown = {clock: list(_shown(seen, day, clock)["conditions"]) for clock in (time(9, 50), time(10, 30), time(11, 10))}
    assert list(shown.values()) == [["one"], ["one", "two"], ["two"]]
    alone = (
        _shown(seen, day, time(10, 30)) | {"conditions": {}, "known": frozenset(), "beside": ""} | _neighbours([], day)
    )
    assert "No bot ran then: exits alone were watched." in TEMPLATES.get_template("day.html").render(**alone)


def test_what_the_account_document_refuses_is_reported_again_once_it_is_another_also_in_the_replay(
    tmp_path: Path,
) -> None:
    """It was told once a day in the same words, whichever limit it was by then."""

    async def body(gateway: RunningGateway, folder: Path) -> None:
        specs_in(folder, one=bot("one"), two=bot("two", start="09:50"))
        (folder / "account.yaml").write_text(account(1), encoding="utf-8")

        def loosen(run: Run) -> None:
            (folder / "account.yaml").write_text(account(1).replace("}", ", entries_per_day: 9}"), encoding="utf-8")
            ask(run)

        day = await live(gateway, folder, (at(10, 0), loosen), (at(10, 10), stop))
        reported = [(record.at, record.data["reason"]) for record in day.records if record.data.get("what") == "skip"]
        assert [reason for _, reason in reported] == ["the account has 1 open position, max_open is 1"] * 2
        assert reported[0][0] < new_york(10, 0) < reported[1][0]

    in_loop(body, tmp_path, seed=7)
    (tmp_path / "tapes").rename(tmp_path / "s-tapes")
    done = replay(tmp_path / "s.db", "2026-10-21")
    assert (done.exit_code, ": the same, " in done.output) == (0, True), done.output
