"""A new version of a bot beside the one that trades: it hears the same, sends nothing, and is compared."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date, time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rulebot.cli.main import main
from rulebot.live import start
from rulebot.model.session import at_exchange_time
from rulebot.record.record import Kind, Record
from rulebot.store.queries import StoreReader
from tests.e2e.worlds import check_replays

pytestmark = pytest.mark.usefixtures("slow_market", "ends_early")

SPECS = Path(__file__).parents[2] / "specs"
HALF_DAY = "2026-12-24"
"""The session before Christmas closes at 13:00: what happens in a day, in half the time."""
NEW = {
    "put_lite": (r"vix_change: \{.*\}", "vix_change: {below: -50%}"),
    "dte0_condor": ("delta: 0.06", "delta: 0.08"),
}


@pytest.fixture(scope="module")
def ends_early() -> Iterator[None]:
    """End the engine that trades once all have entered and what leaves has left; its shadows end with it."""
    execute = start.execute
    last = at_exchange_time(date.fromisoformat(HALF_DAY), time(12))

    async def shortly(desk: Any, options: Any, world: Any, started: Callable[[start.Run], None], *given: Any) -> Any:
        def begun(run: start.Run) -> None:
            run.last = last if options.sessions else run.last
            started(run)

        return await execute(desk, options, world, begun, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(start, "execute", shortly)
        yield


def run(folder: Path, *words: str) -> Result:
    environment = {"RULEBOT_DATA": str(folder / "data")}
    specs = [str(SPECS / f"{name}.yaml") for name in NEW]
    arguments = ["run", "--paper", "--sim", "--date", HALF_DAY, "--store", str(folder / "s.db"), *words, *specs]
    return CliRunner(env=environment).invoke(main, arguments)


def asked(folder: Path, *words: str) -> Result:
    return CliRunner(env={"RULEBOT_DATA": str(folder / "data")}).invoke(main, [*words, "--store", str(folder / "s.db")])


def new_versions(folder: Path) -> list[str]:
    """Write specs that differ in one line each, and return the words that run them as shadows."""
    words = []
    for name, (was, now) in NEW.items():
        text, count = re.subn(was, now, (SPECS / f"{name}.yaml").read_text(encoding="utf-8"))
        assert count == 1, name
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        words += ["--shadow", str(folder / f"{name}.yaml")]
    return words


def rows(store: Path, view: str) -> list[dict[str, Any]]:
    with StoreReader(store) as reader:
        return [dict(row) for row in reader.view(view)]


@pytest.fixture(scope="module")
def beside(slow_market: None, ends_early: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """Return the folder of a day with shadows, and what was told of it."""
    folder = tmp_path_factory.mktemp("shadow")
    done = run(folder, *new_versions(folder), "--ledger", str(folder / "ledger.db"))
    assert done.exit_code == 0, done.output
    return folder, done


def test_both_are_reported_under_names_of_their_own(beside: tuple[Path, Result]) -> None:
    said = beside[1].output
    assert "beside them dte0_condor~shadow, put_lite~shadow: SHADOW of " in said
    assert re.search(r"09:45:00  dte0_condor  entry sent: sell 6000/6010p 6130/6140c at 0.65", said)
    assert re.search(r"09:45:00  dte0_condor~shadow  would enter: sell 6010/6020p 6125/6135c at 0.90", said)
    assert "the shadows, which sent nothing" in said


def test_a_recording_of_each_replays(beside: tuple[Path, Result]) -> None:
    """Two engines on one board, each with a recording of its own: what the one has taken the other lacks not."""
    for name in ("s", "s-shadow"):
        decisions = check_replays(beside[0] / f"{name}-tapes")
        with StoreReader(beside[0] / f"{name}.db") as reader:
            of_turns = [each for each in reader.records(tuple(Kind)) if not is_note(each)]
        assert decisions == len(of_turns) > 100


def test_a_shadow_knows_that_contracts_of_its_own_are_beyond_the_limit_of_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told a few times, not each time that strikes move; what trades has all of its lines, and hears nothing of it."""
    monkeypatch.setenv("RULEBOT_LINES", "24")
    words = new_versions(tmp_path)[2:]
    shadow = tmp_path / "dte0_condor.yaml"
    shadow.write_text(shadow.read_text(encoding="utf-8").replace("delta: 0.08", "delta: 0.25"), encoding="utf-8")
    done = run(tmp_path, *words)
    assert done.exit_code == 0, done.output
    reported = {}
    for name in ("s", "s-shadow"):
        check_replays(tmp_path / f"{name}-tapes")
        with StoreReader(tmp_path / f"{name}.db") as reader:
            reported[name] = [words for _, words in reader.data_troubles(date.fromisoformat(HALF_DAY))]
    assert reported["s"] == []
    assert [re.sub(r"lines: SPXW .* more", "lines", words) for words in reported["s-shadow"]] == [
        "10 contracts are beyond the limit of 24 lines",
        "14 contracts are beyond the limit of 24 lines",
        "all contracts are within the limit of lines again",
    ]
    why = CliRunner().invoke(main, ["why", "dte0_condor", "--store", str(tmp_path / "s-shadow.db")]).output
    assert "10 contracts are beyond the limit of 24 lines: SPXW" in why


def test_both_measure_the_expected_move_of_the_open_at_the_same_instant(beside: tuple[Path, Result]) -> None:
    """The shadow finds the options at the money streamed already: it looked at them four seconds later."""
    reported = []
    for name in ("s", "s-shadow"):
        with StoreReader(beside[0] / f"{name}.db") as reader:
            facts = [each for each in reader.records((Kind.FACTS,)) if each.data["what"] == "opening_move"]
        reported.append([(each.at, each.data["symbol"], each.data["value"]) for each in facts])
    assert reported[0] == reported[1] != []


def is_note(record: Record) -> bool:
    """Say whether a record is none of a turn: of the run, of prices, or what the observing broker says of an order."""
    noted = (Kind.RUN_STARTED, Kind.RUN_ENDED, Kind.PRICES)
    return record.kind in noted or (record.kind is Kind.DECISION and record.data["what"] == "would enter")


def test_any_instant_of_a_shadow_can_be_looked_at(beside: tuple[Path, Result]) -> None:
    store = ("--store", str(beside[0] / "s-shadow.db"))
    reported = CliRunner().invoke(main, ["replay", "--at", "10:30", *store])
    assert "put_lite, if it were to enter now:" in reported.output, reported.output
    assert "below -50%" in reported.output
    test = CliRunner().invoke(main, ["replay", "--as-test", "09:45", "--bot", "dte0_condor", *store])
    assert "enters: {short_put: 6020, long_put: 6010, short_call: 6125, long_call: 6135}" in test.stdout
    assert test.exit_code == 0, test.output


def test_they_are_kept_apart(beside: tuple[Path, Result]) -> None:
    live, shadow = (rows(beside[0] / name, "trades") for name in ("s.db", "s-shadow.db"))
    assert [each["strategy_id"] for each in live] == ["dte0_condor", "put_lite"]
    assert [each["strategy_id"] for each in shadow] == ["dte0_condor"]
    assert {each["digest"] for each in live}.isdisjoint(each["digest"] for each in shadow)
    sent = {each["ref"] for each in rows(beside[0] / "s.db", "orders")}
    assert all(ref.startswith("rb:s7:") for ref in sent)
    assert all(each["ref"].startswith("rb:sh-s7:") for each in rows(beside[0] / "s-shadow.db", "orders"))
    ledger = (beside[0] / "ledger.db").read_bytes()
    assert b"rb:s7:" in ledger
    assert b"rb:sh-" not in ledger


def test_compare_says_what_differed_and_why(beside: tuple[Path, Result]) -> None:
    reported = asked(beside[0], "summary", "--compare").output
    assert "dte0_condor over 1 session, 2026-12-24" in reported
    assert re.search(r"entries +1 +0", reported)
    assert re.search(r"entry +6030/6040p +none +vix_change +", reported)
    assert "short_put  |delta| nearest 0.06; the shadow |delta| nearest 0.08" in reported
    assert "observed, a shadow of" in reported


def test_compare_as_json(beside: tuple[Path, Result]) -> None:
    document = json.loads(
        asked(beside[0], "summary", "put_lite", "--compare", "--sessions", "5", "--format", "json").output
    )
    (found,) = document["bots"]
    assert (found["live"]["entries"], found["shadow"]["entries"]) == (1, 0)
    assert found["live"]["month"] == pytest.approx(21 * found["live"]["net"], abs=0.21)
    assert found["live"]["entry_to_mid"] < 0
    assert found["is_same_text"] is False
    assert [(each["what"], each["rule"]) for each in found["differences"]] == [("entry", "vix_change")]


def test_status_and_summary_of_the_shadows_say_what_they_are(beside: tuple[Path, Result]) -> None:
    store = ("--store", str(beside[0] / "s-shadow.db"))
    for command in ("status", "summary", "why dte0_condor"):
        reported = CliRunner().invoke(main, [*command.split(), *store]).output
        assert "nothing was sent, and orders filled by a model (natural)" in reported, command


def test_what_trades_is_the_same_without_shadows(beside: tuple[Path, Result], tmp_path: Path) -> None:
    assert run(tmp_path).exit_code == 0
    for view in ("trades", "orders", "fills"):
        assert rows(tmp_path / "s.db", view) == rows(beside[0] / "s.db", view)


def test_a_shadow_that_fails_ends_nothing_else(
    beside: tuple[Path, Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rulebot.shadow.broker import ObservingLink

    def fails(*_: object) -> None:
        raise RuntimeError("a planted fault")

    monkeypatch.setattr(ObservingLink, "_translated", fails)
    done = run(tmp_path, *new_versions(tmp_path))
    assert done.exit_code == 0, done.output
    assert "the shadows have ended, trading continues: RuntimeError('a planted fault')" in done.output
    assert rows(tmp_path / "s.db", "fills") == rows(beside[0] / "s.db", "fills")


@pytest.mark.long
def test_ci_ctrl_c_ends_both_cleanly(tmp_path: Path) -> None:
    words = ["run", "--paper", "--sim", "--plain", "--speed", "600", "--store", str(tmp_path / "s.db")]
    command = [sys.executable, "-m", "rulebot.cli.main", *words, str(SPECS / "dte0_condor.yaml")]
    command += new_versions(tmp_path)[2:]
    environment = {**os.environ, "RULEBOT_DATA": str(tmp_path / "data"), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "would be filled" in line:
                process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, "".join(lines)
    assert not [line for line in lines if "alarm" in line]
    for name in ("s.db", "s-shadow.db"):
        with StoreReader(tmp_path / name) as reader:
            (ended,) = reader.records((Kind.RUN_ENDED,))
        assert ended.data == {"reason": "stopped by the operator", "is_clean": True, "is_linked": True}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--shadow", str(SPECS / "monthly_condor.yaml")),
            "no bot 'monthly_condor' trades that it could be a shadow of",
        ),
        (("--shadow", str(SPECS / "put_lite.yaml"), "--exits-only"), "--shadow cannot be combined with"),
        (("--fills", "natural"), "--fills is for --observe and --shadow"),
        (("--shadow", str(SPECS / "put_lite.yaml"), "--fills", "best"), "--fills is natural, mid or mid+PART"),
        (("--observe",), "--observe, --paper and --live are runs of their own"),
    ],
)
def test_misuse_is_reported(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = run(tmp_path, *words)
    assert (done.exit_code, said in done.output) == (2, True), done.output


def test_without_shadows_there_is_nothing_to_compare(beside: tuple[Path, Result]) -> None:
    done = CliRunner().invoke(main, ["summary", "--compare", "--store", str(beside[0] / "s-shadow.db")])
    assert (done.exit_code, "has no shadows" in done.output) == (2, True)
