"""`rulebot gateway`: options, refusals, a run as a process, and its ledger."""

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import twsim
from rulebot.cli.gateway import gateway
from twsim.__main__ import main as alone

RUN = [sys.executable, "-m", "rulebot.cli.main", "gateway", "--date", "2025-11-24"]


@pytest.mark.parametrize("port", [7496, 7497, 4001, 4002])
def test_ports_of_the_real_tws_are_refused(port):
    done = CliRunner().invoke(gateway, ["--port", str(port)])
    assert done.exit_code == 2
    assert "--allow-tws-port" in done.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--speed", "0"], "above 0"),
        (["--speed", "fast"], "above 0"),
        (["--data-seconds", "5", "--fence-seconds", "2"], "does not fall on fences"),
        (["--date", "tomorrow"], "tomorrow"),
        (["--cash", "nan"], "it is a number of at least 0, is 'nan'"),
        (["--cash", "1e13"], "dollars, is 10000000000000.0"),
        (
            ["--account", "mine"],
            "an account is one to three capitals and four to ten digits, as in DU1234567, is 'mine'",
        ),
    ],
)
def test_misuse_is_2(options, said):
    done = CliRunner().invoke(gateway, options)
    assert done.exit_code == 2
    assert said in done.output


def test_a_port_in_use_is_one_plain_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = CliRunner().invoke(gateway, ["--port", str(port), "--date", "2025-11-24"])
    assert done.exit_code == 3
    assert done.output.strip() == f"error: port {port} on 127.0.0.1 is in use; choose another with --port"


def test_a_market_file_that_is_not_there_is_a_problem_of_the_user():
    done = CliRunner().invoke(gateway, ["--port", "0", "--date", "2025-11-24", "--market", "no-such.yaml"])
    assert done.exit_code == 2
    assert "no-such.yaml" in done.output


@pytest.mark.skipif(sys.platform == "win32", reason="interrupts are sent in another way there")
def test_a_run_says_it_is_simulated_stops_on_interrupt_and_leaves_a_ledger(tmp_path):
    ledger = tmp_path / "run.jsonl"
    options = ["--port", "0", "--speed", "max", "--write-ledger", str(ledger)]
    with subprocess.Popen([*RUN, *options], stdout=-1, stderr=-1, text=True) as process:
        reported = [process.stdout.readline() for _ in range(3)]
        assert reported[0].startswith("SIMULATED TWS gateway on 127.0.0.1:")
        assert reported[2].startswith(
            "next: rulebot run --paper --sim --gateway 127.0.0.1:"
        )  # how a client is had was not told
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert "SIMULATED gateway stopped" in out
    shown = CliRunner().invoke(gateway, ["--ledger", str(ledger)])
    assert shown.exit_code == 0
    assert shown.output.startswith("SIMULATED: ledger")
    assert "Executions" in shown.output
    both = CliRunner().invoke(gateway, ["--ledger", str(ledger), "--seed", "2"])
    assert both.exit_code == 2
    assert "--write-ledger" in both.output


def test_what_is_no_ledger_is_said(tmp_path):
    (tmp_path / "not.jsonl").write_text("hello\n")
    done = CliRunner().invoke(gateway, ["--ledger", str(tmp_path / "not.jsonl")])
    assert done.exit_code == 1
    assert "not.jsonl:1" in done.output


@pytest.mark.parametrize("flex", [[], ["--flex", "a.xml"]], ids=["tables", "statement"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe", "is no ledger: it is not UTF-8 text"),
        (b'{"kind": "cash"}\n', "is no ledger: a row lacks"),
        (b'{"kind": "start", "at": "x", "cash": "abc"}\n', "is no ledger: a row lacks"),
    ],
    ids=["no text", "half a row", "no number"],
)
def test_a_damaged_ledger_is_said(tmp_path, content, words, flex):
    """Each ended with a traceback."""
    (tmp_path / "not.jsonl").write_bytes(content)
    done = CliRunner().invoke(gateway, ["--ledger", str(tmp_path / "not.jsonl"), *flex])
    assert (done.exit_code, type(done.exception)) == (1, SystemExit)
    assert f"not.jsonl {words}" in done.output


# --- `python -m twsim`, without the engine

ALONE = [sys.executable, "-m", "twsim"]
DOCS = Path(__file__).parents[2] / "docs" / "gateway.md"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--speed", "fast"], "a speed is a number above 0, or max; is 'fast'"),
        (["--data-seconds", "5", "--fence-seconds", "2"], "does not fall on fences"),
        (["--date", "tomorrow"], "a day is written 2026-10-21, is 'tomorrow'"),
        (["--days", "501"], "it is a whole number of 1 to 500, is '501'"),
        (["--cash", "nan"], "it is a number of at least 0, is 'nan'"),
        (["--shares", "SPY=0"], "shares are SYMBOL=COUNT, as in SPY=1000, is 'SPY=0'"),
        (["--shares", "SPY=1", "--shares", "SPY=2"], "the shares of a symbol are given twice"),
        (["--port", "4002"], "--allow-tws-port"),
        (["--flex", "a.xml"], "say which one with --ledger"),
        (["--faults", "no-such.yaml"], "there is no file 'no-such.yaml'"),
    ],
)
def test_alone_it_refuses_the_same(options, said, capsys):
    with pytest.raises(SystemExit, match="2"):
        alone(options)
    assert said in capsys.readouterr().err


def test_alone_it_needs_neither_the_engine_nor_its_command_line():
    code = "import sys, twsim.__main__ as alone\ntry: alone.main(['--help'])\nexcept SystemExit: pass\n"
    code += "print([name for name in sys.modules if name.split('.')[0] in ('rulebot', 'click', 'rich')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--write-ledger FILE" in done.stdout
    assert done.stdout.endswith("\n[]\n")


@pytest.mark.skipif(sys.platform == "win32", reason="interrupts are sent in another way there")
def test_alone_it_trades_with_the_client_of_its_page(tmp_path):
    example = re.search(r"^## Alone$.*?^```python\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.M | re.S)[1]
    ledger = tmp_path / "run.jsonl"
    options = ["--port", "0", "--date", "2025-11-24", "--speed", "60", "--write-ledger", str(ledger)]
    with subprocess.Popen([*ALONE, *options], stdout=-1, stderr=-1, text=True) as process:
        port = re.search(r"127.0.0.1:(\d+)", process.stdout.readline())[1]
        code = example.replace("14002", port)
        client = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert client.returncode == 0, client.stderr
    assert re.fullmatch(r"Filled \d+\.\d+\n", client.stdout), client.stdout
    assert (process.returncode, "SIMULATED gateway stopped" in out) == (0, True), err
    shown = subprocess.run([*ALONE, "--ledger", str(ledger)], capture_output=True, text=True, check=True)
    assert "SPY" in shown.stdout


def test_every_name_of_the_front_door_is_there():
    for name, home in twsim._HOMES.items():
        assert getattr(twsim, name) is getattr(sys.modules[home], name)
    with pytest.raises(AttributeError, match="twsim has no nothing"):
        twsim.nothing  # noqa: B018
