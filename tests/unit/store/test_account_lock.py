"""One engine per account on one machine, whatever store it writes."""

import logging
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rulebot.model.errors import StoreError
from rulebot.store.registry import hold_account

ROOT = Path(__file__).parents[3]


def test_a_second_engine_in_an_account_is_refused_with_the_store_of_the_first(tmp_path: Path) -> None:
    folder = tmp_path / "accounts"
    with hold_account("DU1", tmp_path / "one.db", folder):
        second = hold_account("DU1", tmp_path / "two.db", folder)
        with pytest.raises(StoreError, match="account DU1 is traded by another engine") as caught, second:
            raise AssertionError("let in")
        assert f"(process {os.getpid()}, store {tmp_path / 'one.db'})" in caught.value.message
        with hold_account("DU2", tmp_path / "two.db", folder):
            pass
    with hold_account("DU1", tmp_path / "two.db", folder):
        pass


def test_simulated_accounts_are_not_locked(tmp_path: Path) -> None:
    with hold_account("DU1", tmp_path / "one.db", None), hold_account("DU1", tmp_path / "two.db", None):
        assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_the_account_of_a_killed_engine_is_free_at_once(tmp_path: Path) -> None:
    program = f"""
        import time
        from pathlib import Path
        from rulebot.store.registry import hold_account
        with hold_account("DU1", Path("one.db"), Path({str(tmp_path)!r})):
            print("held", flush=True)
            time.sleep(600)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreError, match=f"process {holder.pid}"), hold_account("DU1", Path("b.db"), tmp_path):
            raise AssertionError("let in")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with hold_account("DU1", Path("b.db"), tmp_path):
        pass


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING), hold_account("DU1", tmp_path / "a.db", tmp_path / "file"):
        pass
    assert "another engine in account DU1 is not kept out" in caplog.text
