import stat
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from engine.alerts.outbox import Outbox
from engine.model.errors import MisuseError, StoreError
from engine.run.log_file import LogFile, LogLimits
from engine.store.account_lock import hold_account
from engine.store.latest import (
    accounts_folder,
    chosen_store,
    engine_store,
    last_store,
    make_folder,
    new_sim_store,
    remember_engine,
    remember_store,
    run_store,
    runs_folder,
    shown_store,
)
from engine.store.open import open_store
from engine.store.secret import make_secret
from engine.store.sqlite import hold_store
from engine.web.session_file import SessionFile

DAY = date(2026, 11, 18)


def remember(data: Path) -> None:
    remember_store(data.with_name("a.db"))


def store(data: Path) -> None:
    open_store(data / "runs" / "rulebot.db").close()


def secret(data: Path) -> None:
    make_secret(data / "hook-secret")


def account(data: Path) -> None:
    with hold_account("DU1234567", data / "runs" / "rulebot.db", accounts_folder()):
        pass


def outbox(data: Path) -> None:
    Outbox(data / "runs" / "of-a-server-alerts.db").close()


def restored(data: Path) -> None:
    with hold_store(data / "runs" / "rulebot.db"):
        pass


def sessions(data: Path) -> None:
    SessionFile(data / "runs" / "of-a-server-web-sessions", lambda: 0.0).add("a")


def log(data: Path) -> None:
    LogFile(data / "logs", "rulebot.jsonl", LogLimits()).close()


def test_a_run_leaves_the_path_of_its_store(tmp_path: Path) -> None:
    environ = {"RULEBOT_DATA": str(tmp_path / "data")}
    assert last_store(environ) is None
    with pytest.raises(StoreError, match="no run has left a store yet"):
        chosen_store(None, environ)
    path = tmp_path / "a.db"
    path.touch()
    remember_store(path, environ)
    assert last_store(environ) == chosen_store(None, environ) == path
    assert chosen_store(Path("other.db"), environ) == Path("other.db")
    path.unlink()
    assert last_store(environ) is None
    assert runs_folder(environ) == tmp_path / "data" / "runs"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a person's data folder to that person by itself")
@pytest.mark.parametrize("first", [remember, store, secret, account, log, outbox, restored, sessions])
def test_the_data_folder_is_made_for_its_owner_alone(
    first: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user of the machine, who can only read, ended an engine by a lock on its store. XDG: made with 0700."""
    data = tmp_path / "share" / "rulebot"
    monkeypatch.setenv("RULEBOT_DATA", str(data))
    first(data)
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    data.chmod(0o755)  # what somebody has set is left
    first(data)
    assert stat.S_IMODE(data.stat().st_mode) == 0o755


def test_a_folder_elsewhere_is_made_as_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "data"))
    make_folder(tmp_path / "runs" / "of" / "mine")
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "runs").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert not (tmp_path / "data").exists()


def test_what_is_asked_of_an_engine_goes_past_a_later_backtest_and_a_later_run(tmp_path: Path) -> None:
    """Somebody who tries a spec while bots trade must not kill the trial instead."""
    environ = {"RULEBOT_DATA": str(tmp_path / "data")}
    live, ended, tried = (tmp_path / name for name in ("live.db", "ended.db", "backtest.db"))
    for path in (live, ended, tried):
        path.touch()
    remember_engine(live, environ)
    remember_engine(ended, environ)
    remember_store(tried, environ)
    assert engine_store(None, environ) == run_store(None, environ) == ended
    assert chosen_store(None, environ) == shown_store(None, environ) == tried
    with hold_store(live):
        assert engine_store(None, environ) == shown_store(None, environ) == live
        assert engine_store(tried, environ) == shown_store(tried, environ) == tried
        assert run_store(None, environ) == ended
        assert chosen_store(None, environ) == tried
        with hold_store(ended):
            with pytest.raises(MisuseError, match="2 engines run: nothing was asked of any of them") as error:
                engine_store(None, environ)
            assert error.value.help == f"say which one: --store {ended}, --store {live}"
            assert shown_store(None, environ) == ended
            remember_engine(live, environ)
            assert shown_store(None, environ) == live


def test_stores_of_old_engines_are_forgotten_unless_they_run(tmp_path: Path) -> None:
    environ = {"RULEBOT_DATA": str(tmp_path / "data")}
    live = tmp_path / "live.db"
    live.touch()
    remember_engine(live, environ)
    with hold_store(live):
        for place in range(60):
            path = tmp_path / f"{place}.db"
            path.touch()
            remember_engine(path, environ)
        assert engine_store(None, environ) == live
    assert len(list((runs_folder(environ) / "engines").iterdir())) == 51


def test_a_folder_that_cannot_be_written_only_forgets(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    remember_engine(tmp_path / "a.db", {"RULEBOT_DATA": str(tmp_path / "data")})
    assert last_store({"RULEBOT_DATA": str(tmp_path / "data")}) is None


def test_simulated_runs_never_share_a_store(tmp_path: Path) -> None:
    first = new_sim_store(DAY, 7, tmp_path)
    assert first == tmp_path / "2026-11-18-7.db"
    first.touch()
    assert new_sim_store(DAY, 7, tmp_path) == tmp_path / "2026-11-18-7-2.db"
    assert new_sim_store(DAY, 7) == Path("runs/2026-11-18-7.db")
