"""What a sweep has kept in its file: gone on with, whatever became of that file meanwhile."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from rulebot.model.errors import MisuseError, StoreError
from rulebot.sweep.sweep import StoredVariants, variant_of
from rulebot.sweep.variant import Variant

ABOUT = {"a": 1}
EVERY = [Variant(number=number, point=(f"{number}",), profits=(1.5, -2.0), trades=1) for number in range(3)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    kept = StoredVariants(tmp_path / "sweep.jsonl", ABOUT)
    assert kept.read() == []
    kept.add(EVERY)
    return kept.file


@pytest.mark.parametrize("damaged", [b"", b"null", b"[1]", b"{}", b'{"number": 1, "point": ["1"', b'"\xff\xfe"'])
def test_a_line_that_is_damaged_is_done_again_and_no_other(file: Path, damaged: bytes) -> None:
    """A line of another kind ended in a traceback, and one that was torn took all below it with it."""
    lines = file.read_bytes().split(b"\n")
    lines[2] = damaged
    file.write_bytes(b"\n".join(lines))
    kept = StoredVariants(file, ABOUT)
    assert [each.number for each in kept.read()] == [0, 2]
    kept.add([EVERY[1]])
    assert sorted(StoredVariants(file, ABOUT).read(), key=lambda each: each.number) == EVERY


def test_a_file_that_is_taken_away_meanwhile_is_not_begun_again_without_its_head(file: Path) -> None:
    """The sweep said that all was kept in it; it had the last ones alone, and was said to hold no sweep."""
    kept = StoredVariants(file, ABOUT)
    assert len(kept.read()) == len(EVERY)
    file.unlink()
    with pytest.raises(StoreError, match=r"cannot write .*: No such file or directory"):
        kept.add(EVERY[:1])
    assert not file.exists()


def test_what_was_cut_off_at_the_end_of_a_line_continues_below_it(file: Path) -> None:
    """What came next was added to the last line, and then both were none."""
    file.write_bytes(b"\n".join(file.read_bytes().split(b"\n")[:3]))
    kept = StoredVariants(file, ABOUT)
    assert kept.read() == EVERY[:2]
    kept.add([EVERY[2]])
    assert StoredVariants(file, ABOUT).read() == EVERY


@pytest.mark.parametrize("first", ["12", "[]", "null", "", json.dumps({"a": 1})])
def test_a_file_of_something_else_is_refused_and_stays(file: Path, first: str) -> None:
    file.write_text(f"{first}\nmine\n", encoding="utf-8")
    with pytest.raises(MisuseError, match="holds no sweep"):
        StoredVariants(file, ABOUT).read()
    assert file.read_text(encoding="utf-8") == f"{first}\nmine\n"


def test_another_sweep_is_refused_with_what_is_another(file: Path) -> None:
    now = {**ABOUT, "to": "2016-01-15", "text": "b", "vary": [["delta", "0.05", "0.10"]]}
    with pytest.raises(MisuseError) as caught:
        StoredVariants(file, now).read()
    said = caught.value.message
    assert "the text of the bot is another one" in said
    assert "to none, now 2016-01-15" in said
    assert "vary none, now delta=0.05,0.10" in said


def test_a_variant_is_kept_as_it_is() -> None:
    reported = Variant(number=3, point=("a",), profits=(1.5,), trades=1, sharpe=None)
    assert variant_of(asdict(reported)) == reported


def test_what_an_older_code_did_not_report_is_not_said_to_be_another(tmp_path: Path) -> None:
    """It was asked for the same options, of which the code is none, and the account document was said to differ."""
    StoredVariants(tmp_path / "sweep.jsonl", ABOUT).read()
    now = {**ABOUT, "code": "of now", "account": "of now"}
    with pytest.raises(MisuseError, match=r"holds another sweep: the code of rulebot is another one$") as reported:
        StoredVariants(tmp_path / "sweep.jsonl", now).read()
    assert reported.value.help == "name another --out"
