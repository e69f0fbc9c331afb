from pathlib import Path

import pytest

from rulebot.model.errors import MisuseError, StoreError
from rulebot.store.place import runs_folder
from rulebot.store.registry import (
    chosen_store,
    engine_store,
    last_store,
    naming,
    naming_as_of_now,
    remember_engine,
    remember_store,
    run_store,
    shown_store,
)
from rulebot.store.sqlite import hold_store


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


def test_what_is_asked_of_an_engine_goes_past_a_later_backtest_and_a_later_run(tmp_path: Path) -> None:
    """Somebody who tries a spec while bots trade must not kill the trial instead."""
    environ = {"RULEBOT_DATA": str(tmp_path / "data")}
    live, ended, tried = (tmp_path / name for name in ("my live.db", "ended.db", "backtest.db"))
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
            assert error.value.help == f"say which one: --store {ended}, --store '{live}'"
            assert shown_store(None, environ) == ended
            remember_engine(live, environ)
            assert shown_store(None, environ) == live


def test_what_is_open_is_looked_up_in_the_store_that_has_ended_where_another_engine_runs(tmp_path: Path) -> None:
    """A spec is tried beside paper trading: 'rulebot status' alone would show the paper account as the trial's."""
    environ = {"RULEBOT_DATA": str(tmp_path / "data")}
    paper, trial = tmp_path / "paper.db", tmp_path / "trial.db"
    for path in (paper, trial):
        path.touch()
        remember_engine(path, environ)
    with hold_store(trial):
        assert naming(trial, lambda: last_store(environ)) == naming_as_of_now(trial, environ) == ""
        with hold_store(paper):
            assert naming(trial, lambda: last_store(environ)) == ""
            assert naming_as_of_now(trial, environ) == f" --store {trial}"


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
