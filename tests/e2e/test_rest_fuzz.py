"""The REST interface against schemathesis: whatever is sent, it answers as it describes itself, and never breaks."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store
from rulebot.web.access import Access
from rulebot.web.server import Bind, Server, application
from tests.e2e.worlds import run_days, spec_files

TOKEN = "a-token-of-a-fuzz-test"
NOT_CHECKED = "ignored_auth,positive_data_acceptance,unsupported_method"
"""Tokens and methods are tried one by one in tests/unit/web/test_access.py; a bot that is not known is refused."""
NEEDED = bool(os.environ.get("RULEBOT_NEEDS_BROWSER"))


@pytest.mark.long
@pytest.mark.timeout(240)
@pytest.mark.skipif(find_spec("schemathesis") is None and not NEEDED, reason="needs schemathesis")
def test_ci_whatever_is_sent_is_answered_as_described(tmp_path: Path) -> None:
    store = tmp_path / "a.db"
    run_days(tmp_path, spec_files(["spy_put_seller", "dte0_condor"]), seed=3, data_seconds=60, place=store)
    journal = SqlJournal(open_store(store))  # an engine holds the store: requests are left for it
    access = Access(token=TOKEN)
    server = Server(lambda stopping: application(store, access, stopping=stopping), Bind(port=0))
    address = server.start()
    headers = {"Authorization": f"Bearer {TOKEN}", "X-Rulebot": "1", "Idempotency-Key": "a-key-of-the-fuzzer"}
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{address}api/openapi.json"),
        *(part for name, value in headers.items() for part in ("--header", f"{name}: {value}")),
        *("--seed", "1", "--max-examples", os.environ.get("RULEBOT_FUZZ", "5"), "--no-color"),
        *("--checks", "all", "--exclude-checks", NOT_CHECKED),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=220, check=False)
    finally:
        server.stop()
        journal.close()
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
