"""Secrets by the environment or by files."""

import os
from pathlib import Path

import pytest

from rulebot.model.errors import MisuseError, StoreError
from rulebot.store.place import (
    database_password,
    hook_secret,
    hook_secret_file,
    kept_secret,
    make_secret,
    read_secret,
)


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


def test_web_hooks_have_no_secret_until_one_is_made(tmp_path: Path) -> None:
    assert hook_secret(tmp_path, {}) == ("", "")
    file = hook_secret_file(tmp_path)
    make_secret(file)
    text, where = hook_secret(tmp_path, {})
    assert (len(text), where) == (32, str(file))
    make_secret(file)
    assert hook_secret(tmp_path, {})[0] == text
    assert file.stat().st_mode & 0o077 == 0 or os.name != "posix"


def test_the_environment_goes_before_the_file_of_web_hooks(tmp_path: Path) -> None:
    make_secret(hook_secret_file(tmp_path))
    given = {"RULEBOT_HOOK_SECRET": "from-the-environment"}
    assert hook_secret(tmp_path, given) == ("from-the-environment", "the environment's RULEBOT_HOOK_SECRET")
    with pytest.raises(MisuseError, match="is no secret"):
        hook_secret(tmp_path, {"RULEBOT_HOOK_SECRET": "short"})


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_a_secret_that_others_can_read_is_none(tmp_path: Path) -> None:
    file = hook_secret_file(tmp_path)
    make_secret(file)
    file.chmod(0o644)
    with pytest.raises(MisuseError, match="can be read by others"):
        hook_secret(tmp_path, {})


def test_a_folder_in_the_place_of_a_secret_is_said(tmp_path: Path) -> None:
    hook_secret_file(tmp_path).mkdir(mode=0o700)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be read"):
        hook_secret(tmp_path, {})
    with pytest.raises(StoreError, match="cannot be made"):
        make_secret(tmp_path / "file" / "hook-secret")


@pytest.mark.skipif(os.name != "posix", reason="a limit on files stands for a full disk")
def test_a_secret_that_cannot_be_written_leaves_no_file_that_is_none(tmp_path: Path) -> None:
    """Every later start was refused for the empty one."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(StoreError, match="cannot be made"):
            make_secret(tmp_path / "token")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    make_secret(tmp_path / "token")
    assert kept_secret(tmp_path / "token")
