"""What a person writes after `--data`, as others read it: a worker in another folder."""

from datetime import date
from pathlib import Path

import pytest
from past_days import PastDays

from rulebot.adapters.history.chain_file import write_day
from rulebot.adapters.sources import from_anywhere, open_source, separate_files
from rulebot.model.errors import MisuseError, StoreError


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


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "a.csv",
            "a.csv: it has no column quotedate or quote_date or date or trade_date; it has `day;bid`; columns are",
        ),
        ("A.CSV", "A.CSV is not read: files end in .parquet, .csv, .csv.gz, in small letters; write a path"),
        ("2026/10/a.csv", "name the folder that files lie in, as {here}/2026/10: those of folders"),
        ("a.csv.zip", "a.csv.zip is not read: files end in"),
    ],
)
def test_a_folder_that_is_no_source_says_what_lies_there(name: str, said: str, tmp_path: Path) -> None:
    """It was answered with the list of all kinds alone, whatever was wrong."""
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("day;bid\n2026-10-21;1\n")
    with pytest.raises(StoreError, match="unrecognised data format") as caught:
        open_source(str(tmp_path))
    assert caught.value.help is not None
    assert caught.value.help.startswith(said.format(here=tmp_path))


@pytest.mark.parametrize("damaged", [b"", b"PAR1 cut off"])
def test_a_damaged_first_day_is_refused_alone_and_hidden_files_are_none(damaged: bytes, tmp_path: Path) -> None:
    """By the first file it was told what lies there: a whole year was refused for it, or for what macOS puts beside."""
    days = [date(2026, 9, 1), date(2026, 9, 2)]
    for day in days:
        write_day(PastDays(strikes=3).day(day), tmp_path / f"{day}.parquet")
    (tmp_path / f"{days[0]}.parquet").write_bytes(damaged)
    (tmp_path / f"._{days[1]}.parquet").write_bytes(b"Mac OS X")
    source = open_source(str(tmp_path))
    assert list(source.dates(*days)) == days
    with pytest.raises(StoreError, match=f"{days[0]}.parquet: this is no whole Parquet file"):
        source.day(days[0])
    assert source.day(days[1]).date == days[1]


def test_files_that_are_others_are_named() -> None:
    before = {"a": [1, 2], "b": [3, 4], "c": [5, 6]}
    assert separate_files(before, dict(before)) == ""
    assert separate_files(before, {**before, "b": [3, 9]}) == "b"
    assert separate_files(before, {"a": [1, 2], "d": [1, 1]}) == "b and 2 more"
