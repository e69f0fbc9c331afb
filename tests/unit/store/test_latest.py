from datetime import date
from pathlib import Path

import pytest

from engine.model.errors import StoreError
from engine.store.latest import chosen_store, last_store, new_sim_store, remember_store, runs_folder

DAY = date(2026, 11, 18)


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


def test_a_folder_that_cannot_be_written_only_forgets(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    remember_store(tmp_path / "a.db", {"RULEBOT_DATA": str(tmp_path / "data")})
    assert last_store({"RULEBOT_DATA": str(tmp_path / "data")}) is None


def test_simulated_runs_never_share_a_store(tmp_path: Path) -> None:
    first = new_sim_store(DAY, 7, tmp_path)
    assert first == tmp_path / "2026-11-18-7.db"
    first.touch()
    assert new_sim_store(DAY, 7, tmp_path) == tmp_path / "2026-11-18-7-2.db"
    assert new_sim_store(DAY, 7) == Path("runs/2026-11-18-7.db")
