"""Debian's Prometheus scrapes the page of a running engine, with the configuration and the rules that are shipped."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from tests.e2e.worlds import spec_files

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
TOKEN = "a-token-of-a-scrape-test"
PATIENCE = 60.0
NEEDED = bool(os.environ.get("RULEBOT_NEEDS_PROMETHEUS"))
"""Set where Prometheus is owed: then its absence is a fault, and no skip."""


def program(name: str) -> str:
    """Return where a program of Prometheus is; skips, or fails where one is owed."""
    found = shutil.which(name)
    if found is None:
        assert not NEEDED, f"{name} is not installed (apt install prometheus)"
        pytest.skip(f"needs {name} (apt install prometheus)")
    return found


def get(address: str, **headers: str) -> bytes:
    with urlopen(Request(address, headers=headers), timeout=20) as answer:
        return bytes(answer.read())


@contextmanager
def running(command: list[str], **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program, and end it."""
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=20)
        process.kill()


@contextmanager
def desk(folder: Path) -> Iterator[str]:
    """Serve a simulated day, and yield the page's address without its scheme."""
    options = ["--paper", "--sim", "--seed", "7", "--speed", "300", "--port", "0", "--store", str(folder / "a.db")]
    command = [sys.executable, "-m", "rulebot.cli.main", "serve", *options, *spec_files(["put_lite", "spy_put_seller"])]
    with running(command, RULEBOT_WEB_TOKEN=TOKEN, RULEBOT_DATA=str(folder), NO_COLOR="1") as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"page http://([\d.:]+)/", line):
                break
        else:
            raise AssertionError("".join(said))
        yield found[1]


class Server:
    """A Prometheus that answers queries."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, path: str, **options: str) -> Any:
        """Return the data of an answer; None while there is none."""
        try:
            answer = json.loads(get(f"http://{self.address}/api/v1/{path}?{urlencode(options)}"))
        except HTTPError as error:
            raise AssertionError(f"{options}: {error.read().decode()}") from error
        except OSError:
            return None
        assert answer["status"] == "success"
        return answer["data"]

    def value(self, query: str) -> float | None:
        """Return the first value of a query, None while it has none."""
        data = self.ask("query", query=query)
        return float(data["result"][0]["value"][1]) if data and data["result"] else None

    def is_ready(self) -> bool:
        """Whether it answers queries: while it reads what it has stored it refuses all with 503."""
        try:
            get(f"http://{self.address}/-/ready")
        except OSError:
            return False
        return True

    def wait(self, query: str) -> float:
        """Return a query's value as soon as it has one."""
        until = time.monotonic() + PATIENCE
        while (found := self.value(query)) is None:
            assert time.monotonic() < until, (query, self.ask("targets"))
            time.sleep(0.2)
        return found


@contextmanager
def prometheus(folder: Path, page: str) -> Iterator[Server]:
    """Run Debian's Prometheus with what is shipped, but for the address and how often it looks."""
    shutil.copytree(DEPLOY / "prometheus", folder / "p")
    config = folder / "p" / "prometheus.yml"
    text = config.read_text(encoding="utf-8")
    assert '"127.0.0.1:8080"' in text
    config.write_text(text.replace("127.0.0.1:8080", page).replace(": 15s", ": 1s"), encoding="utf-8")
    (folder / "p" / "secrets").mkdir()
    shutil.copy(folder / "a-metrics-token", folder / "p" / "secrets" / "rulebot-token")
    subprocess.run([program("promtool"), "check", "config", str(config)], check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    with running([*command, f"--web.listen-address={address}", "--log.level=error"]) as process:
        server = Server(address)
        until = time.monotonic() + PATIENCE
        while not server.is_ready():
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < until, "Prometheus did not get ready"
            time.sleep(0.1)
        yield server


def test_rules_are_read_and_tried_by_promtool() -> None:
    promtool = program("promtool")
    for what, file in (("check", "rules.yml"), ("test", "rules.test.yml")):
        done = subprocess.run(
            [promtool, what, "rules", str(DEPLOY / "prometheus" / file)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def dashboard_queries() -> list[tuple[str, str]]:
    """Return title and query of every panel, with its variables filled in."""
    found = []
    for path in sorted((DEPLOY / "grafana" / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for each in panel.get("targets", ()):
                query = each["expr"].replace("$__rate_interval", "10s")
                found.append((f"{path.stem}: {panel['title']}", re.sub(r"\$\w+", ".*", query)))
    return found


QUIET = {
    "overview: Alerts that are on",
    "orders: Short legs without an order that covers them",
    "orders: How orders ended",
    "orders: Slippage of an order",
}
"""Panels of which a query may have nothing to show: no alert is on, no spec limits how long a leg stands, few orders
have ended since somebody looks."""


@pytest.mark.long
@pytest.mark.timeout(180)
def test_ci_prometheus_scrapes_a_running_engine(tmp_path: Path) -> None:
    promtool = program("promtool")
    program("prometheus")
    with desk(tmp_path) as page, prometheus(tmp_path, page) as server:
        assert server.wait("rulebot_broker_connected") == 1
        assert server.wait('up{job="rulebot"}') == 1
        assert server.wait('rulebot_engine_info{mode="paper", simulated="yes"}') == 1
        assert (
            server.wait('rulebot_orders_ended_total{bot="spy_put_seller", status="filled", purpose="entry"} > 0') == 1
        )
        assert server.wait('rulebot_order_fill_seconds_count{bot="spy_put_seller"} > 0') == 1
        assert server.wait("rate(rulebot_broker_messages_sent_total[10s]) > 0") > 0
        assert server.wait("rate(process_cpu_seconds_total[10s]) > 0") > 0
        assert server.wait("rulebot_engine_loop_lag_seconds_count > 10") > 10

        text = get(f"http://{page}/metrics", Authorization=f"Bearer {TOKEN}").decode()
        linted = subprocess.run(
            [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False, timeout=30
        )
        assert (linted.returncode, linted.stdout + linted.stderr) == (0, "")

        empty = {title for title, query in dashboard_queries() if server.value(query) is None}
        assert empty - QUIET == set()
        groups = server.ask("rules")["groups"]
        assert [rule["lastError"] for group in groups for rule in group["rules"] if rule.get("lastError")] == []
        assert sum(len(group["rules"]) for group in groups) >= 20
        critical = 'ALERTS{alertstate="firing", severity="critical"}'
        assert server.value(critical) is None, server.ask("query", query=critical)
