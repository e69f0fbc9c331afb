"""Files that commands write: a spec, or a store, that is named by mistake stays as it is."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from rulebot.cli.main import main
from rulebot.cli.past_options import LEDGER, MODEL, PAGE, SAMPLES, XML, Output, check_output
from rulebot.model.errors import MisuseError
from rulebot.spec.files import shipped
from rulebot.train.minutes import Samples, table_of

SPEC = shipped("specs") / "put_lite.yaml"
MODEL_FILE = Path(__file__).parents[3] / "examples" / "models" / "learned.json"


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("explain", str(SPEC)), "--html"),
        (("test", str(SPEC)), "--junit"),
        (("gateway", "--port", "0"), "--write-ledger"),
        (("gateway", "--ledger", str(SPEC)), "--flex"),
        (("run", "--paper", "--sim", str(SPEC)), "--ledger"),
        (("train", str(SPEC), "--data", "none", "--out", "m.json"), "--samples"),
    ],
)
def test_nothing_is_written_in_the_place_of_something_else(
    words: tuple[str, ...], option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`explain x.yaml --html x.yaml` left a page where the bot was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    mine = tmp_path / "mine.yaml"
    mine.write_bytes(SPEC.read_bytes())
    found = CliRunner().invoke(main, [*words, option, str(mine)])
    assert (found.exit_code, "something else: it would be lost" in found.stderr) == (2, True), found.output
    assert mine.read_bytes() == SPEC.read_bytes()
    assert [each.name for each in tmp_path.iterdir()] == ["mine.yaml"]
    empty = CliRunner().invoke(main, [*words, option, ""])
    assert (empty.exit_code, f"{option} is an empty name" in empty.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("gateway", "--port", "0"), "--write-ledger"),
        (("run", "--paper", "--sim", str(SPEC)), "--ledger"),
        (("train", str(SPEC), "--data", "none"), "--out"),
    ],
)
def test_what_is_json_is_not_always_what_is_written(
    words: tuple[str, ...], option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger was appended to a plan of faults, and a model written over it."""
    monkeypatch.setenv("COLUMNS", "400")
    mine = tmp_path / "faults.json"
    mine.write_text('{"faults": [{"kind": "cut", "at": "10:31:00"}]}')
    found = CliRunner().invoke(main, [*words, option, str(mine)])
    assert (found.exit_code, "something else: it would be lost" in found.stderr) == (2, True), found.output


@pytest.mark.parametrize(
    ("what", "content"),
    [
        (PAGE, b"<!DOCTYPE html>\n<html>"),
        (XML, b'<?xml version="1.0" encoding="utf-8"?>\n<testsuites>'),
        (XML, b"<FlexQueryResponse queryName"),
        (SAMPLES, table_of(Samples(names=("vix",), place="when", rows=(), settings={})).encode()),
        (LEDGER, b'{"kind": "fill"}\n'),
        (MODEL, MODEL_FILE.read_bytes()),
        (MODEL, MODEL_FILE.read_bytes().replace(b"\n", b"\r\n")),
        (PAGE, b""),
    ],
)
def test_what_the_same_command_wrote_is_written_again(what: Output, content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_bytes(content)
    check_output("--out", file, what)
    check_output("--out", tmp_path / "new", what)
    with pytest.raises(MisuseError):
        check_output("--out", file, what, beside=file)
