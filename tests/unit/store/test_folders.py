import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rulebot.alerts.outbox import Outbox
from rulebot.process.settings import LogFile, LogLimits
from rulebot.store.place import accounts_folder, give_to_owner, make_folder, make_secret, new_sim_store
from rulebot.store.registry import hold_account, open_store, remember_store
from rulebot.store.sqlite import hold_store
from rulebot.web.session_file import SessionFile


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


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root makes what another user is to own")
@pytest.mark.parametrize("first", [remember, store, secret, account, log, outbox, restored, sessions])
def test_what_root_makes_belongs_to_who_owns_the_data_folder(
    first: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one `sudo rulebot web` the engine could not read its token, and after a restore not write its store."""
    data = tmp_path / "rulebot"
    data.mkdir()
    os.chown(data, 4321, 4322)
    monkeypatch.setenv("RULEBOT_DATA", str(data))
    first(data)
    found = {path: (path.stat().st_uid, path.stat().st_gid) for path in data.rglob("*")}
    assert set(found.values()) <= {(4321, 4322)}, found


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root makes what another user is to own")
@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_root_gives_nothing_away_through_a_link(link: Callable[[Path, Path], None], tmp_path: Path) -> None:
    """Who owns a folder could have root give them any file of the machine."""
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    mine.touch()
    theirs.mkdir()
    link(theirs / "token", mine)
    os.chown(theirs, 4321, 4322)
    give_to_owner(theirs / "token")
    assert mine.stat().st_uid == 0


@pytest.mark.skipif(os.name != "posix", reason="folders have no such modes here")
def test_a_folder_elsewhere_is_made_for_its_owner_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "data"))
    make_folder(tmp_path / "runs" / "of" / "mine")
    for made in (tmp_path / "runs", tmp_path / "runs" / "of", tmp_path / "runs" / "of" / "mine"):
        assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert not (tmp_path / "data").exists()


def test_simulated_runs_never_share_a_store(tmp_path: Path) -> None:
    first = new_sim_store("2026-11-18-7", tmp_path)
    assert first == tmp_path / "2026-11-18-7.db"
    first.touch()
    assert new_sim_store("2026-11-18-7", tmp_path) == tmp_path / "2026-11-18-7-2.db"
    assert new_sim_store("2026-11-18-7") == Path("runs/2026-11-18-7.db")
