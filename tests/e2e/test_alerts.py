"""People are told by real services' stand-ins, at least once under kill -9, and twice only when it says so."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from stand_ins import services

from rulebot.cli.main import main
from rulebot.record.record import Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store
from tests.e2e.worlds import spec_files

NOW = datetime(2026, 11, 18, 17, tzinfo=UTC)
FILE = """
every = "{every}"
[[to]]
name = "phone"
url = "{http}"
[[to]]
name = "mail"
url = "{mail}"
"""


def people_file(folder: Path, http: str, mail: str, every: str = "10s") -> Path:
    file = folder / "alerts.toml"
    file.write_text(FILE.format(http=http, mail=mail, every=every))
    file.chmod(0o600)
    return file


def test_a_test_message_reaches_both_and_a_refusal_is_said_without_the_address(tmp_path: Path) -> None:
    with services() as (http, mail):
        file = people_file(tmp_path, http.url, mail.url)
        result = CliRunner().invoke(main, ["alerts", "--test", "--to", str(file)])
        assert result.exit_code == 0, result.output
        assert "If you read this" in http.taken[0]
        assert "If you read this" in mail.taken[0]
        http.status = 500
        result = CliRunner().invoke(main, ["alerts", "--test", "--to", str(file)])
        assert result.exit_code == 1
        assert "phone  NOT sent" in result.output
        assert "a-secret-path" not in result.output


def test_an_address_that_is_none_is_refused_without_being_repeated(tmp_path: Path) -> None:
    file = people_file(tmp_path, "nosuch://secret-token", "json://localhost")
    result = CliRunner().invoke(main, ["alerts", "--test", "--to", str(file)])
    assert result.exit_code == 1
    assert "the address of 'phone' is none that apprise understands" in result.output
    assert "secret-token" not in result.output


def test_nobody_named_and_nothing_reported_yet_are_said(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["alerts", "--test"], env={"RULEBOT_ALERTS": ""})
    assert (result.exit_code, "no recipient is named" in result.output) == (2, True)
    SqlJournal(open_store(tmp_path / "a.db")).close()
    result = CliRunner().invoke(main, ["alerts", "--store", str(tmp_path / "a.db")])
    assert (result.exit_code, "no alerts have been sent" in result.output) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--to", "people.toml"), "--to is for --send and --test"),
        (("--test", "--store", "a.db"), "--store is for all but --test"),
        (("--test", "--format", "json"), "--format is for what is shown"),
        (("--ack", "all", "--format", "json"), "--format is for what is shown"),
    ],
)
def test_a_flag_that_would_change_nothing_is_refused(arguments: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(main, ["alerts", *arguments])
    assert (result.exit_code, said in result.output) == (2, True), result.output


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "rulebot.cli.main", *arguments]


@pytest.mark.long
@pytest.mark.timeout(180)
def test_ci_each_alarm_is_reported_at_least_once_under_kills(tmp_path: Path) -> None:
    store, chance = tmp_path / "a.db", random.Random(1)
    journal = SqlJournal(open_store(store))
    journal.append([Record(NOW, Kind.RUN_STARTED, data={"specs": {}, "account": "DU1"})], durable=True)
    texts = [f"alarm number {number:02d}." for number in range(12)]
    with services() as (http, mail):
        file = people_file(tmp_path, http.url, mail.url)
        environment = {**os.environ, "RULEBOT_DATA": str(tmp_path)}
        left = list(texts)
        deadline = time.monotonic() + 150
        while left or not all(any(text in taken for taken in (*http.taken,)) for text in texts):
            assert time.monotonic() < deadline, (left, http.taken)
            arguments = command("alerts", "--send", "--store", str(store), "--to", str(file))
            alert_sender = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True)
            assert alert_sender.stdout is not None
            alert_sender.stdout.readline()
            for text in [left.pop(0) for _ in range(min(3, len(left)))]:
                journal.append([Record(NOW, Kind.ALARM, data={"text": text})], durable=True)
            time.sleep(chance.uniform(0.3, 2.5))
            alert_sender.send_signal(signal.SIGKILL)
            alert_sender.communicate()
        arguments = command("alerts", "--send", "--store", str(store), "--to", str(file))
        alert_sender = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True)
        assert alert_sender.stdout is not None
        alert_sender.stdout.readline()
        while not all(any(text in taken for taken in mail.taken) for text in texts):
            assert time.monotonic() < deadline, mail.taken
            time.sleep(0.2)
        alert_sender.send_signal(signal.SIGINT)
        assert alert_sender.wait(30) == 0
        for taken in (http.taken, mail.taken):
            lines = [line for message in taken for line in message.split("\n") if "alarm number" in line]
            plain = Counter(re.search(r"alarm number \d\d", line)[0] for line in lines if "perhaps" not in line)  # type: ignore[index]
            assert max(plain.values()) == 1
    journal.close()


@pytest.mark.long
@pytest.mark.timeout(120)
def test_ci_a_day_is_reported_as_it_passes_and_summed_up(tmp_path: Path) -> None:
    with services() as (http, mail):
        file = people_file(tmp_path, http.url, mail.url)
        sim = ("--paper", "--sim", "--seed", "7", "--date", "2026-11-27")  # which closes at 13:00
        run = command("serve", *sim, "--plain", "--port", "0", "--alerts", str(file))
        environment = {**os.environ, "RULEBOT_DATA": str(tmp_path), "RULEBOT_WEB_TOKEN": "a-token-of-a-test-of-alerts"}
        store = tmp_path / "day.db"
        serving = subprocess.Popen(
            [*run, "--store", str(store), *spec_files(["put_lite", "dte0_condor"])],
            env=environment,
            stdout=subprocess.PIPE,
        )
        deadline = time.monotonic() + 90
        while not any("realised" in taken for taken in http.taken):
            assert time.monotonic() < deadline, http.taken
            time.sleep(0.2)
        serving.send_signal(signal.SIGTERM)
        serving.communicate(timeout=60)
        reported = "\n".join(http.taken)
        assert "[simulated] rulebot" in reported
        assert "dte0_condor: opened 5895/5905p 6000/6010c at 0.60" in reported
        assert "2026-11-27: realised" in reported
        assert "\n".join(mail.taken).count("2026-11-27: realised") == 1
        shown = CliRunner().invoke(main, ["alerts", "--store", str(store), "--format", "json"])
        assert '"phone notified"' in shown.stdout
