"""Secrets by the environment or by files."""

from pathlib import Path

import pytest

from engine.model.errors import MisuseError, StoreError
from engine.store.secret import database_password, read_secret


def test_a_secret_is_the_variable_or_what_stands_in_the_file_it_names(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("from a file\n", encoding="utf-8")
    assert database_password({}) == ""
    assert database_password({"RULEBOT_DB_PASSWORD": "plain", "RULEBOT_DB_PASSWORD_FILE": ""}) == "plain"
    file = str(tmp_path / "password")
    assert database_password({"RULEBOT_DB_PASSWORD_FILE": file}) == "from a file"
    assert read_secret("X", {"X_FILE": file}) == ("from a file", file)
    assert read_secret("X", {"X": "plain"})[1] == "the environment's X"


def test_both_and_an_empty_file_are_misuse_and_a_missing_one_is_said(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="X and X_FILE are both set"):
        read_secret("X", {"X": "plain", "X_FILE": "file"})
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    with pytest.raises(MisuseError, match="is empty"):
        read_secret("X", {"X_FILE": str(tmp_path / "empty")})
    with pytest.raises(StoreError, match="which X_FILE names, cannot be read"):
        read_secret("X", {"X_FILE": str(tmp_path / "gone")})
