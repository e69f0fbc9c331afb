"""What a person writes after `--data`, as others read it: a worker in another folder."""

from pathlib import Path

import pytest

from engine.adapters.sources import files_apart, from_anywhere
from engine.model.errors import MisuseError


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("chains", "{here}/chains"),
        ("parquet:a b/chains", "parquet:{here}/a b/chains"),
        ("/there/chains", "/there/chains"),
        (
            "model:daily?daily=a,/b&rates=c d.csv&iv=90",
            "model:{here}/daily?daily={here}/a,/b&rates={here}/c+d.csv&iv=90",
        ),
    ],
)
def test_a_source_is_the_same_from_any_folder(
    text: str, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    whole = from_anywhere(text)
    assert whole == meant.format(here=tmp_path)
    monkeypatch.chdir("/")
    assert from_anywhere(whole) == whole
    with pytest.raises(MisuseError, match="there is no kind of data 'cains'"):
        from_anywhere("cains:there")


def test_files_that_are_others_are_named() -> None:
    before = {"a": [1, 2], "b": [3, 4], "c": [5, 6]}
    assert files_apart(before, dict(before)) == ""
    assert files_apart(before, {**before, "b": [3, 9]}) == "b"
    assert files_apart(before, {"a": [1, 2], "d": [1, 1]}) == "b and 2 more"
