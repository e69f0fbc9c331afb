"""`rulebot run` when it cannot: one plain sentence, what to do, and the exit code. Nothing here trades."""

from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from free_port import free_port

from rulebot.cli.main import main
from rulebot.cli.run import _paper_world
from rulebot.process.settings import Settings
from rulebot.store.registry import open_store

ROOT = Path(__file__).parents[3]
SPEC = str(ROOT / "specs" / "put_lite.yaml")
MISSPELT = str(ROOT / "tests" / "snapshot" / "defects" / "misspelt_word.bad.yaml")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["run", *arguments])


def test_no_gateway_listens() -> None:
    found = run("--paper", "--gateway", f"127.0.0.1:{free_port()}", SPEC)
    assert found.exit_code == 3
    assert "error: nothing listens on 127.0.0.1" in found.stderr
    assert "start TWS or IB Gateway" in found.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "nothing listens on 127.0.0.1:{port}"),
        (("--sim", "--store", "a.db"), "start 'rulebot gateway' first"),
    ],
)
def test_a_port_alone_is_that_of_the_gateway(options: tuple[str, ...], said: str) -> None:
    port = free_port()
    found = run("--paper", *options, "--port", str(port), SPEC)
    assert (found.exit_code, said.format(port=port) in found.stderr) == (3, True)


def test_the_host_of_a_port_is_that_of_the_settings() -> None:
    port = free_port()
    Path("rulebot.toml").write_text('host = "localhost"\nport = 1\n', encoding="utf-8")
    assert f"localhost:{port}" in run("--paper", "--settings", "rulebot.toml", "--port", str(port), SPEC).stderr


def test_without_a_mode_it_is_paper() -> None:
    port = free_port()
    said = [run(*mode, "--gateway", f"127.0.0.1:{port}", SPEC) for mode in ((), ("--paper",))]
    assert [(found.exit_code, found.stdout, found.stderr) for found in said[:1]] == [
        (found.exit_code, found.stdout, found.stderr) for found in said[1:]
    ]
    assert said[0].exit_code == 3
    assert "nothing listens" in said[0].stderr


def test_no_simulated_gateway_listens() -> None:
    found = run("--paper", "--sim", "--gateway", f"127.0.0.1:{free_port()}", "--store", "a.db", SPEC)
    assert (found.exit_code, "start 'rulebot gateway' first" in found.stderr) == (3, True)


@pytest.mark.parametrize(("symbol", "lacks"), [("GLD", "no GLD"), ("IWM", "no options on IWM")])
def test_a_symbol_that_the_simulated_market_has_not_is_reported_before_the_run(symbol: str, lacks: str) -> None:
    """The run began, and ended for all bots with `No security definition has been found (error 200)`."""
    text = (ROOT / "examples" / "smallest.yaml").read_text(encoding="utf-8")
    Path("smallest.yaml").write_text(text.replace("underlying: SPX", f"underlying: {symbol}"), encoding="utf-8")
    found = run("--paper", "--sim", "smallest.yaml")
    assert (found.exit_code, found.stdout) == (2, "")
    assert (
        f"error: the simulated market has {lacks}, which smallest reads\n  = help: it has options on AAPL, "
        in found.stderr
    )


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (("run", "--paper", "--sim", "put_lte"), "there is no 'put_lte'\n  = help: did you mean 'put_lite'?"),
        (("validate", "own.yml"), "there is no 'own.yml'\n  = help: did you mean 'own.yaml'?"),
        (("validate", "mine/ow.yaml"), "there is no 'mine/ow.yaml'\n  = help: did you mean 'mine/own.yaml'?"),
        (("validate", "nothing_like_it"), "= help: shipped with rulebot: calm_tape_condor, "),
        (("validat", "mine"), "there is no command 'validat'; did you mean 'validate'?"),
        (
            ("close", "--store", "a.db"),
            "no command 'close'; 'rulebot kill --flatten [BOT]' closes all that is open; one",
        ),
        (("halt",), "no command 'halt'; 'rulebot pause [BOT]' stops entries, "),
        (("xyzzy",), "No such command 'xyzzy'"),
        (("chart", "put_lite", "--trade", "1", "--store", "own.yaml"), "a trade has one bot"),
    ],
)
def test_what_is_misspelt_is_answered_with_what_may_have_been_meant(
    tmp_path: Path, arguments: tuple[str, ...], reported: str
) -> None:
    (tmp_path / "mine").mkdir()
    for folder in (tmp_path, tmp_path / "mine"):
        (folder / "own.yaml").write_text("")
    found = CliRunner().invoke(main, arguments)
    assert (found.exit_code, reported in found.stderr) == (2, True), found.output


def test_a_folder_without_specs_is_reported_without_a_word_of_bots_that_never_ran(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    found = run("--sim", str(tmp_path / "empty"))
    assert (found.exit_code, "holds no .yaml or .yml file" in found.stderr) == (2, True)
    assert "if its bots are to go" not in found.stderr


def test_an_unknown_market_file_is_refused() -> None:
    found = run("--paper", "--sim", "--market", "nosuch", SPEC)
    assert (found.exit_code, "no such market file" in found.stderr) == (2, True)


def test_a_second_engine_on_the_same_store(tmp_path: Path) -> None:
    store = open_store(tmp_path / "a.db")
    try:
        found = run("--paper", "--sim", "--store", "a.db", SPEC)
    finally:
        store.close()
    assert (found.exit_code, "is in use by another engine" in found.stderr) == (3, True)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = run("--paper", "--sim", "--store", "file/a.db", SPEC)
    assert (found.exit_code, found.stderr.startswith("error: the store")) == (3, True), found.output


def test_problems_are_shown_as_validate_shows_them() -> None:
    found = run("--paper", "--sim", MISSPELT, SPEC)
    validated = CliRunner().invoke(main, ["validate", "--date", "2026-10-21", MISSPELT, SPEC])  # that of the market
    assert found.exit_code == 1
    assert found.stderr == validated.stdout
    assert found.stderr.endswith("2 files: 1 fine, 1 with 2 errors\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--live", "--sim", SPEC), "--sim is no real money: --live does not go with it"),
        (("--live", "--paper", SPEC), "--observe, --paper and --live are runs of their own"),
        (("--live", "--seed", "3", SPEC), "--seed is for the simulated market"),
        (
            ("--paper", "--sim", "--exits-only", SPEC),
            "--exits-only needs open positions: a new simulated market has none",
        ),
        (
            ("--exits-only", "--observe", SPEC),
            "--exits-only cannot be combined with --observe, which holds nothing",
        ),
        (("--paper", "--yes-i-mean", "U1234567", SPEC), "--yes-i-mean confirms the account of --live"),
        (("--paper", "--fills", "mid", SPEC), "--fills is for --observe and --shadow: elsewhere the broker fills"),
        (("--sim", "--gateway", "a:1", "--date", "2026-10-21", SPEC), "--date is the gateway's own: give it to"),
        (("--sim", "--port", "4002", "--date", "2026-10-21", SPEC), "--date is the gateway's own: give it to"),
        (("--gateway", "a:1", "--port", "4002", SPEC), "--gateway HOST:PORT names a port already: leave --port out"),
        (("--sim", "--recording", "x.tape", "--days", "2", SPEC), "has the market of its own day: omit --days"),
        (("--sim", "--wait-for-gateway", SPEC), "--wait-for-gateway has nothing to wait for: --sim brings its gateway"),
        (("--drift", "--no-tape", SPEC), "--drift reads the recording of the day: leave --no-tape out"),
        (("--until", "close", "--days", "2", SPEC), "--until close is one session: leave --days out"),
        (("--paper", "--seed", "3", SPEC), "--seed is for the simulated market: add --sim"),
        (("--paper", "--sim", "--gateway", "nowhere", SPEC), "--gateway is HOST:PORT, is 'nowhere'"),
        (("--paper", "--sim", "--gateway", "a:4\u00b2", SPEC), "--gateway is HOST:PORT, is 'a:4\u00b2'"),
        (("--paper", "--sim", "--speed", "fast", SPEC), "--speed is a number above 0, or max, is 'fast'"),
        (("--sim", "--date", "1999-01-01", SPEC), "its history begins with 2010, and 1999-01-04 is too early for it"),
        (("--paper", "--sim", "--set", "x=1", SPEC), "no bot has a parameter 'x'"),
        (("--paper", "--sim", "no_such.yaml"), "no_such.yaml"),
    ],
)
def test_run_refuses_options_that_exclude_each_other(arguments: tuple[str, ...], words: str) -> None:
    found = run(*arguments)
    assert (found.exit_code, words in found.stderr) == (2, True), found.output


@pytest.mark.parametrize(
    ("option", "reported"),
    [
        ("--settings", "error: nosuch cannot be read: No such file or directory\n"),
        ("--positions", "cannot be set up: nosuch: cannot be read: No such file or directory\n"),
    ],
)
def test_a_file_that_is_not_there_is_named_once_and_the_reason_in_words(option: str, reported: str) -> None:
    assert run("--paper", "--sim", option, "nosuch", SPEC).stderr.endswith(reported)


def test_a_settings_file_of_a_windows_editor(tmp_path: Path) -> None:
    (tmp_path / "rulebot.toml").write_bytes(f"port = {free_port()}\r\n".encode("utf-8-sig"))
    found = run("--paper", "--settings", str(tmp_path / "rulebot.toml"), SPEC)
    assert (found.exit_code, "nothing listens on 127.0.0.1" in found.stderr) == (3, True), found.output


def test_a_settings_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "rulebot.toml").write_bytes(b"\xff\xfe")
    found = run("--paper", "--sim", "--settings", str(tmp_path / "rulebot.toml"), SPEC)
    assert (found.exit_code, "cannot be read: it is not UTF-8 text\n" in found.stderr) == (3, True)


@pytest.mark.parametrize("option", ["--market", "--positions"])
def test_what_cannot_be_played_is_refused_before_a_store_is_made(option: str) -> None:
    """Each try left a store, and what was asked next was asked of that."""
    Path("market.yaml").write_text("- 1\n", encoding="utf-8")
    found = run("--sim", option, "market.yaml", SPEC)
    assert (found.exit_code, "cannot be set up" in found.stderr, Path("runs").exists()) == (2, True, False)


def simulated(**given: object) -> dict[str, object]:
    """Return the options of a simulated run."""
    options: dict[str, object] = dict.fromkeys(
        ("address", "client_id", "logs", "store", "seed", "recording", "day", "speed", "market", "positions", "shares")
    )
    return {**options, "observe": False, "sim": True, "exits_only": False, "ledger": None, **given}


def test_a_simulated_run_that_could_not_begin_is_begun_again_on_its_store(tmp_path: Path) -> None:
    store = tmp_path / "a.db"
    open_store(store).close()
    assert _paper_world(simulated(store=store), Settings(), None, 1)[1].store == store


def test_the_store_of_a_simulated_run_is_named_after_the_session_that_is_lived_through() -> None:
    made = _paper_world(simulated(day=date(2026, 11, 26)), Settings(), None, 1)[1].store
    assert Path(str(made)).name == "2026-11-27-7.db"


def test_the_store_of_a_run_at_a_standing_gateway_is_named_after_that() -> None:
    """It bore the day and the seed of a market that it did not trade."""
    port = free_port()
    run("--sim", "--gateway", f"127.0.0.1:{port}", SPEC)
    assert [path.name for path in Path("runs").glob("*.db")] == [f"gateway-{port}.db"]


def test_a_day_that_no_calendar_has_is_refused_before_a_store_is_made() -> None:
    found = run("--sim", "--date", "1900-01-01", SPEC)
    assert (found.exit_code, "the exchange calendar covers" in found.stderr, Path("runs").exists()) == (2, True, False)


def test_what_a_run_observed_does_not_stand_in_the_logs_of_what_was_traded(tmp_path: Path) -> None:
    """Orders that were never sent stood in `trades.jsonl` with fills, beside those of the engine that trades."""
    options: dict[str, object] = dict.fromkeys(("address", "client_id", "logs", "store"))
    options |= {"observe": True, "sim": False, "exits_only": False}
    settings = Settings(logs=tmp_path / "logs")
    assert _paper_world(options, settings, None, 1)[1].logs == tmp_path / "logs-observe"
    assert _paper_world({**options, "observe": False}, settings, None, 1)[1].logs == tmp_path / "logs"
    named = Settings(logs=tmp_path / "own")
    assert _paper_world({**options, "logs": tmp_path / "own"}, named, None, 1)[1].logs == tmp_path / "own"
