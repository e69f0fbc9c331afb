import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rulebot.cli.main import COMMANDS, main
from rulebot.spec.files import shipped

DEFECTS = Path(__file__).parents[2] / "snapshot" / "defects"
NOT_FOR_VALIDATE = ("sqlalchemy", "numpy", "ib_async", "rich", "asyncio", "transitions", "jsonschema")
FOR_EVENTS = {"rulebot.calendars", "rulebot.calendars.calendars"} | {
    "rulebot.store",
    "rulebot.store.place",
}
NOT_OURS = ("twsim", "rulebot.store", "rulebot.adapters", "rulebot.live", "rulebot.calendars", "rulebot.documents")


def rulebot(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    valid = (DEFECTS / "valid.yaml").read_text()
    (tmp_path / "condor.yaml").write_text(valid)
    (tmp_path / "odd.yaml").write_text(
        valid.replace("name: condor", "name: odd").replace("{cost: 2x credit}", "{cost: 200%}")
    )
    return tmp_path


def test_shipped_specs_are_fine() -> None:
    count = len([*shipped("specs").rglob("*.yaml")])
    result = rulebot("validate", "--date", "2026-11-02", str(shipped("specs")))
    assert (result.exit_code, result.stdout) == (0, f"{count} files: {count} fine\n")


def test_problems_end_with_one() -> None:
    result = rulebot("validate", str(DEFECTS / "unknown_measure.bad.yaml"))
    assert result.exit_code == 1
    assert "error[RB112]: unknown measure 'vix_chnage'" in result.stdout
    assert result.stdout.endswith("\n1 file: 1 with 2 errors\n")


def test_text_and_summary(folder: Path) -> None:
    result = rulebot("validate", str(folder))
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{folder / 'odd.yaml'}:32:18: error[RB204]: a cost is a price or a multiple")
    assert result.stdout.endswith("2 files: 1 fine, 1 with 1 error\n")


def test_json_and_github(folder: Path) -> None:
    (row,) = json.loads(rulebot("validate", str(folder), "--format", "json").stdout)
    assert (row["code"], row["line"], row["col"], row["end_col"]) == ("RB204", 32, 18, 22)
    assert rulebot("validate", str(folder), "--format", "github").stdout.startswith("::error file=")


def test_parameters_are_overridden(folder: Path) -> None:
    file = str(folder / "condor.yaml")
    assert rulebot("validate", file, "--set", "delta=0.08").exit_code == 0
    assert rulebot("validate", file, "--set", "delta=8").exit_code == 1
    result = rulebot("validate", file, "--set", "detla=0.08")
    assert result.exit_code == 1
    assert "did you mean 'delta'?" in result.stdout


def test_set_reaches_the_bots_that_a_run_of_them_all_would_give_it_to(folder: Path) -> None:
    condor, account = folder / "condor.yaml", str(shipped("examples/account_limits.yaml"))
    files = (str(condor), str(shipped("specs/put_lite.yaml")), account)
    for setting in ("delta=0.08", "condor.delta=0.08"):
        assert rulebot("validate", *files, "--set", setting).exit_code == 0
        assert rulebot("explain", *files, "--set", setting).exit_code == 0
    for setting in ("delta=8", "condor.delta=8"):
        assert "8" in rulebot("validate", *files, "--set", setting, "--format", "json").stdout
        assert rulebot("validate", *files, "--set", setting).exit_code == 1
    both = rulebot("validate", *files, "--set", "put_lite.delta=0.08")
    assert (both.exit_code, both.stdout.count("--set names the parameter 'put_lite.delta'")) == (1, 2)


def test_set_beside_documents_that_are_no_bots_is_misuse() -> None:
    for command in ("validate", "explain"):
        done = rulebot(command, str(shipped("examples/account_limits.yaml")), "--set", "delta=0.08")
        assert done.exit_code == 2
        assert "--set names 'delta', and none of these documents is a bot" in done.stderr


def test_warnings_are_counted_and_do_not_fail(folder: Path) -> None:
    file = folder / "condor.yaml"
    unused = file.read_text().replace("wing: 10 pts}", "wing: 10 pts, floor: 3 pts}")
    file.write_text(unused)
    result = rulebot("validate", str(file))
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "1 file: 1 fine, 1 warning")
    file.write_text(unused.replace("underlying: SPX", "underlying: SPX\naccept: {RB301: kept for later}"))
    assert rulebot("validate", str(file)).stdout == "1 file: 1 fine\n"


def test_strict_takes_warnings_for_errors(folder: Path) -> None:
    file = folder / "condor.yaml"
    file.write_text(file.read_text().replace("target: {profit: 50%}", "target: {profit: 100%}"))
    result = rulebot("validate", "--strict", str(file))
    assert result.exit_code == 1
    assert "error[RB330]" in result.stdout
    assert result.stdout.endswith("\n1 file: 1 with 1 error\n")
    (row,) = json.loads(rulebot("validate", "--strict", "--format", "json", str(file)).stdout)
    assert (row["code"], row["severity"]) == ("RB330", "error")
    (row,) = json.loads(rulebot("validate", "--format", "json", str(file)).stdout)
    assert row["severity"] == "warning"
    assert rulebot("validate", "--format", "github", str(file)).stdout.startswith("::warning file=")


def test_half_days_and_calendars_are_those_of_the_year_from_a_date(folder: Path) -> None:
    file = folder / "condor.yaml"
    text = file.read_text().replace('from: "10:30"', 'from: "13:00"')
    file.write_text(text.replace("- vix: {between: [12, 22]}", "- no_event: [CPI]"))
    shown = rulebot("validate", "--date", "2026-12-10", str(file)).stdout
    assert "warning[RB320]: no entry on 2026-12-24 and 2027-11-26: a half day" in shown
    assert "warning[RB315]: CPI: published dates end on 2026-12-31, in 21 days" in shown
    shown = rulebot("validate", "--date", "2026-11-28", str(file)).stdout
    assert "no entry on 2026-12-24 and 2027-11-26" in shown
    assert "RB315" not in shown
    assert rulebot("validate", "--date", "9999-12-31", str(file)).exit_code == 0, "the last date there is"


def test_bots_of_one_call_are_looked_at_together(folder: Path) -> None:
    text = (folder / "condor.yaml").read_text()
    turned = text.replace("{sell: put", "{put").replace("{buy: put", "{sell: put").replace("{put", "{buy: put")
    (folder / "odd.yaml").write_text(turned.replace("name: condor", "name: odd"))
    assert "warning[RB350]" not in rulebot("validate", str(folder / "odd.yaml")).stdout
    shown = rulebot("validate", str(folder)).stdout
    assert "odd.yaml:19:3: warning[RB350]: 'short_put' buys the option that 'short_put' of condor sells" in shown


@pytest.mark.parametrize(
    "arguments", [("nowhere.yaml",), (), ("specs", "--set", "delta"), ("specs", "--format", "xml")]
)
def test_validate_with_wrong_arguments_exits_with_2(arguments: tuple[str, ...]) -> None:
    result = rulebot("validate", *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""


def test_a_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "bot.yaml"
    file.touch()

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("rulebot.spec.load.read_bytes", refuse)
    result = rulebot("validate", str(file))
    assert (result.exit_code, result.stderr) == (3, f"error: cannot read '{file}': Permission denied\n")


def test_help_lists_commands_without_importing_them() -> None:
    code = (
        "import sys; from rulebot.cli.main import main; main(['-h'], standalone_mode=False); print(sorted(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "validate  Check specs" in shown
    assert "'rulebot.cli.validate'" not in shown
    assert "jsonschema" not in shown


def test_commands_have_a_line_each_and_unknown_ones_are_misuse() -> None:
    assert all(entry.help.endswith(".") for entry in COMMANDS.values())
    assert rulebot("vaildate").exit_code == 2


def imported_for(spec: str) -> set[str]:
    command = [sys.executable, "-X", "importtime", "-m", "rulebot.cli.main", "validate", str(shipped("specs") / spec)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}


def test_validate_starts_light() -> None:
    imported = imported_for("dte0_condor.yaml")
    assert "rulebot.compile.build" in imported
    assert [name for name in imported if name.split(".")[0] in NOT_FOR_VALIDATE or name.startswith(NOT_OURS)] == []


def test_calendars_are_read_only_for_a_spec_that_names_an_event() -> None:
    imported = imported_for("put_lite.yaml")
    assert {name for name in imported if name.startswith(NOT_OURS)} == FOR_EVENTS
    assert [name for name in imported if name.split(".")[0] in NOT_FOR_VALIDATE] == []


def test_two_values_of_one_parameter_are_misuse() -> None:
    done = rulebot("validate", str(shipped("specs") / "dte0_condor.yaml"), "--set", "delta=0.05", "--set", "delta=0.08")
    assert done.exit_code == 2
    assert "two values" in done.output
