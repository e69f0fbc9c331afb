"""Profit that is not known: commands say so while commissions are missing, and tell of trades in error."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from hand_desk import DAY, Desk, kept, text_of

from rulebot.alerts.find import digest
from rulebot.cli.main import main
from rulebot.cli.report import days_lines
from rulebot.narrate.day_report import day_outcome
from rulebot.store.queries import StoreReader

UNTOLD = "provisional: the commission of 2 fills is not reported yet"


def closed(commissions: Sequence[str]) -> Desk:
    """Return a desk whose spread was closed by its time exit; the entry has its commissions, the exit those given."""
    desk = Desk((text_of(),))
    for report in desk.fill(desk.enter()):
        desk.commission(report, "0.65")
    desk.until("15:45")
    reports = desk.fill(desk.last)
    for report, amount in zip(reports, commissions, strict=False):
        desk.commission(report, amount)
    assert desk.position.state == "closed"
    return desk


@pytest.fixture
def shown(tmp_path: Path) -> Callable[[Sequence[str], str], str]:
    """Return what a command shows of a desk with these commissions."""

    def run(commissions: Sequence[str], command: str) -> str:
        path = kept(closed(commissions), tmp_path)
        found = CliRunner().invoke(main, [*command.split(), "--store", str(path)])
        assert found.exit_code == 0, found.output
        return found.output

    return run


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("why spread", f"after commissions of $1.30, {UNTOLD}"),
        ("status", f"+$0.00 open, {UNTOLD}"),
        ("summary", "1 trade without all commissions: the sums are provisional for spread-20261118-1"),
        ("summary --by day", "1 trade without all commissions: the sums are provisional for spread-2026"),
    ],
)
def test_profit_is_reported_as_provisional_until_all_commissions_are(
    command: str, words: str, shown: Callable[[Sequence[str], str], str]
) -> None:
    assert words in shown((), command)


@pytest.mark.parametrize("command", ["why spread", "status", "summary"])
def test_once_all_are_reported_it_is_final(command: str, shown: Callable[[Sequence[str], str], str]) -> None:
    reported = shown(("0.65", "0"), command)
    assert "provisional" not in reported
    assert "told yet" not in reported


@pytest.mark.parametrize(("commissions", "outstanding"), [((), 2), (("0.65",), 1), (("0.65", "0"), 0)])
def test_programs_are_shown_how_many_are_missing(
    commissions: Sequence[str], outstanding: int, shown: Callable[[Sequence[str], str], str], tmp_path: Path
) -> None:
    assert json.loads(shown(commissions, "status --format json"))["pending_commissions"] == outstanding
    with StoreReader(tmp_path / "day.db") as reader:
        assert reader.outstanding() == ({"spread-20261118-1": outstanding} if outstanding else {})


def test_the_day_at_the_end_of_a_run_is_provisional_too() -> None:
    (day,) = (line for line in days_lines([day_outcome(closed(()).state, None)], 200) if line.startswith(" day "))
    assert UNTOLD in day
    assert "provisional" not in "\n".join(days_lines([day_outcome(closed(("1", "1")).state, None)], 200))


@pytest.mark.parametrize(("commissions", "is_reported"), [((), True), (("0.65", "0"), False)])
def test_the_digest_of_a_day_is_provisional_too(commissions: Sequence[str], is_reported: bool, tmp_path: Path) -> None:
    with StoreReader(kept(closed(commissions), tmp_path)) as reader:
        (first, *_) = digest(reader, str(DAY), ["spread"]).split("\n")
    assert (UNTOLD in first) is is_reported
    assert first.startswith(f"{DAY}: realised ")


@pytest.mark.parametrize("command", ["why spread", "status", "summary", "summary --by day", "digest"])
def test_what_a_trade_in_error_has_left_is_reported_beside_sums_without_it(command: str, tmp_path: Path) -> None:
    """Its exit filled twice: `summary` said that there was no trade, `status` that nothing was open."""
    desk = closed(())
    for report in desk.executions_of(desk.last, 1):
        desk.send(report)
    path = kept(desk, tmp_path)
    if command == "digest":
        with StoreReader(path) as reader:
            said = digest(reader, str(DAY), ["spread"])
    else:
        said = CliRunner().invoke(main, [*command.split(), "--store", str(path)]).output
    assert f"in error, it has left +1 SPXW {DAY} 5945P, -1 SPXW {DAY} 5935P" in said


def test_programs_are_notified_of_a_trade_in_error(tmp_path: Path) -> None:
    desk = closed(())
    for report in desk.executions_of(desk.last, 1):
        desk.send(report)
    path = kept(desk, tmp_path)
    found = [
        json.loads(CliRunner().invoke(main, [name, "--format", "json", "--store", str(path)]).output)
        for name in ("summary", "status")
    ]
    assert list(found[0]["in_error"]) == ["spread-20261118-1"]
    assert [one["position"] for one in found[1]["errors"]] == ["spread-20261118-1"]
