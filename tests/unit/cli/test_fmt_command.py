import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rulebot.cli.main import main
from rulebot.spec.files import shipped

SPEC = (shipped("specs") / "put_lite.yaml").read_text(encoding="utf-8")
MESSY = SPEC.replace("  per_day: 1\n", "").replace(
    '{from: "10:30", to: "13:30"}\n', "{to: 13:30, from: '10:30'}\n  per_day: 1\n"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "put_lite.yaml"
    path.write_text(MESSY, encoding="utf-8")
    return path


def fmt(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["fmt", *map(str, arguments)])


def test_a_file_is_laid_out_once(file: Path) -> None:
    first, second = fmt(file), fmt(file)
    assert (first.exit_code, first.stdout) == (0, f"{file}: laid out\n1 file: 1 laid out\n")
    assert (second.exit_code, second.stdout) == (0, "1 file: 1 as it was\n")
    assert file.read_text(encoding="utf-8") == SPEC
    assert [path.name for path in file.parent.iterdir()] == ["put_lite.yaml"]


def test_what_is_shipped_is_laid_out() -> None:
    examples = Path(__file__).parents[3] / "examples"
    result = fmt("--check", shipped("specs"), *examples.glob("*.yaml"))
    assert result.exit_code == 0, result.output


def test_check_writes_nothing(file: Path) -> None:
    result = fmt("--check", file, shipped("specs") / "dte0_condor.yaml")
    assert (result.exit_code, result.stdout) == (1, f"{file}: would change\n2 files: 1 would change, 1 as it was\n")
    assert file.read_text(encoding="utf-8") == MESSY


def test_diff_writes_nothing(file: Path) -> None:
    result = fmt("--diff", file)
    assert result.exit_code == 0
    assert result.stdout == (
        f"--- {file}\n+++ {file}, laid out\n@@ -6,7 +6,7 @@\n"
        " let: {day_move: {expected_move: {asof: open}}}\n \n entry:\n"
        "-  window: {to: 13:30, from: '10:30'}\n"
        '+  window: {from: "10:30", to: "13:30"}\n'
        "   per_day: 1\n   when:\n     - iv_over_rv: {above: 1.0}\n\n"
    )
    assert result.stderr == "1 file: 1 would change\n"
    assert fmt("--check", "--diff", file).exit_code == 1
    assert file.read_text(encoding="utf-8") == MESSY


@pytest.mark.parametrize("flags", [(), ("--check",), ("--diff",)])
def test_a_file_with_errors_is_left_alone(file: Path, flags: tuple[str, ...]) -> None:
    file.write_text(MESSY.replace("vix_change", "vix_chnage"), encoding="utf-8")
    before = file.read_bytes()
    result = fmt(*flags, file)
    assert result.exit_code == 1
    assert f"{file}: left as it is, with 1 error ('rulebot validate {file}' shows them)\n" in result.stderr
    assert "1 file: 1 left with errors\n" in result.output
    assert file.read_bytes() == before


def test_line_ends_and_rights_stay(file: Path) -> None:
    file.write_bytes(MESSY.replace("\n", "\r\n").encode())
    file.chmod(0o640)
    assert fmt(file).exit_code == 0
    assert file.read_bytes() == SPEC.replace("\n", "\r\n").encode()
    assert os.name == "nt" or file.stat().st_mode & 0o777 == 0o640


def test_a_byte_order_mark_goes(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + SPEC.encode())
    first = SPEC.partition("\n")[0]
    assert f"-<byte order mark>{first}\n+{first}\n" in fmt("--diff", file).stdout
    assert fmt(file).exit_code == 0
    assert file.read_bytes() == SPEC.encode()


@pytest.mark.skipif(os.name == "nt", reason="a link needs a right on Windows")
def test_a_link_stays_a_link(file: Path) -> None:
    real = file.parent / "real" / "put_lite.yaml"
    real.parent.mkdir()
    file.rename(real)
    file.symlink_to(real)
    assert fmt(file).exit_code == 0
    assert file.is_symlink()
    assert real.read_text(encoding="utf-8") == SPEC


def test_a_disk_that_fails_leaves_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rulebot.spec.files.os.replace", refuse)
    result = fmt(file)
    assert result.exit_code == 3
    assert result.stderr == f"error: cannot write '{file}': No space left on device\n  = help: it is as it was\n"
    assert [path.name for path in file.parent.iterdir()] == ["put_lite.yaml"]
    assert file.read_text(encoding="utf-8") == MESSY


def test_the_account_document_and_a_child_too(file: Path, tmp_path: Path) -> None:
    account = tmp_path / "account.yaml"
    account.write_text("risk: {max_open: 1}\nabout: x\naccount: DU1234567\nrulebot_account: 1\n")
    child = tmp_path / "child.yaml"
    child.write_text("extends: put_lite\nrulebot: 1\nabout: x\nname: child\n")
    assert fmt(tmp_path).exit_code == 0
    assert account.read_text() == "rulebot_account: 1\nabout: x\naccount: DU1234567\nrisk: {max_open: 1}\n"
    assert child.read_text() == "rulebot: 1\nname: child\nabout: x\nextends: put_lite\n"


def test_nothing_named_is_misuse() -> None:
    assert fmt("nowhere.yaml").exit_code == 2


def test_it_starts_light(file: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "rulebot.cli.main", "fmt", "--check", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    imported = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "ruamel" in imported
    assert not imported & {"sqlalchemy", "numpy", "ib_async", "rich", "asyncio", "transitions", "jsonschema"}
