"""What a person sees of a run, to the letter: the table at several widths, lines, and the report."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console, Group
from run_day import day_program, day_state
from store_day import CONDOR, WATCHER, at, small_day
from syrupy.assertion import SnapshotAssertion

from rulebot.cli.report import NextCommands, glance_lines, happening_line, report_lines
from rulebot.narrate.day_report import BotOutcome, DayOutcome, ReportedTrade, RunLog, day_outcome
from rulebot.narrate.snapshot import BotActivity, BotSnapshot, OrderSnapshot, Snapshot
from rulebot.narrate.snapshot_of_state import summary_of

PROGRAM = day_program()


def drawn(shown: Snapshot, width: int) -> str:
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as found:
        console.print(Group(*glance_lines(shown, width)))
    lines = found.get().split("\n")
    assert max(len(line) for line in lines) <= width
    return "\n".join(line.rstrip() for line in lines)


@pytest.mark.parametrize("width", [80, 100, 120, 160])
@pytest.mark.parametrize("clock", ["11:42", "14:00"])
def test_the_live_table_fits_each_width(clock: str, width: int, snapshot: SnapshotAssertion) -> None:
    shown = summary_of(PROGRAM, day_state(clock), at(clock), at("09:29"), at("16:06"))
    assert drawn(shown, width) == snapshot


@pytest.mark.parametrize("name", [CONDOR, "a_bot_with_a_name_of_forty_letters_or_so"])
def test_a_narrow_table_has_the_profit_of_every_bot(name: str) -> None:
    """At 60 columns it was cut off behind an ellipsis, at 80 that of a bot with a long name."""
    shown = summary_of(PROGRAM, day_state("14:00"), at("14:00"), at("09:29"), at("16:06"))
    held = next(row for row in shown.bots if row.profit is not None and row.position)
    lines = drawn(replace(shown, bots=(replace(held, bot=name, profit=-1234.5),)), 60).splitlines()
    assert lines[1].endswith("P/L")
    assert lines[2].endswith("-$1,234.50")
    assert lines[3].strip() == held.position


def test_every_state_has_a_line(snapshot: SnapshotAssertion) -> None:
    order = OrderSnapshot(bot="bot_entering", limit=0.25)
    entering: dict[str, Any] = {"structure": "5950/5955p", "order": order, "attempt": 2, "tries": 5}
    rows = tuple(
        BotSnapshot(
            bot=f"bot_{doing.value}",
            doing=doing,
            since=at("10:00"),
            **(entering if doing is BotActivity.ENTERING else {}),
            profit=-1234.5 if doing is BotActivity.EXITING else None,
            waits="a fill",
        )
        for doing in list(BotActivity)[:7]
    )
    shown = Snapshot(
        at=at("12:00"), engine="stopping", trading="active", progress=0.38, levels=(("SPX", None),),
        open_profit=-1234.5, bots=rows, notice="stopping",
    )  # fmt: skip
    assert drawn(shown, 120) == snapshot


def test_lines_of_a_pipe(snapshot: SnapshotAssertion) -> None:
    diary = RunLog(at("09:29"))
    diary.write(small_day())
    assert [happening_line(reported).plain for reported in diary.note(day_state("16:06"), at("16:06"))] == snapshot


@pytest.mark.parametrize("width", [72, 120])
def test_the_report_of_a_run_fits_each_width(width: int, snapshot: SnapshotAssertion) -> None:
    days = (day_outcome(day_state("16:06"), at("16:06")),)
    lines = report_lines(days, timedelta(seconds=23400), 7.1, width, "runs/2026-11-18-7.db")
    assert max(len(line) for line in lines) <= width
    assert lines == snapshot


def test_report_of_several_days(snapshot: SnapshotAssertion) -> None:
    one = day_outcome(day_state("16:06"), None)
    two = DayOutcome(
        date=one.date + timedelta(days=1),
        bots=(
            BotOutcome(
                bot=CONDOR,
                profit=Decimal("-120.5"),
                traded=True,
                lines=(
                    ReportedTrade(Decimal("-130.5"), ("sold 5920/5930p at 0.85 (mid 0.90) 09:52", "open")),
                    ReportedTrade(Decimal(10), ("sold 5900/5910p at 0.80 (mid 0.80) 10:52", "open")),
                ),
            ),
            BotOutcome(
                bot=WATCHER, profit=Decimal(0), traded=False, lines=(ReportedTrade(None, ("its window is over",)),)
            ),
        ),
        realized=Decimal("-130.5"),
        open_profit=Decimal(10),
        entries=2,
        exits=0,
        rejects=1,
    )
    assert report_lines((one, two), None, 7.1, 120, "a.db") == snapshot
    assert any(
        line.endswith("  rulebot status --store a.db")
        for line in report_lines((one,), None, 7.1, 120, "a.db", NextCommands(as_of_now=" --store a.db"))
    )


def test_report_of_nothing() -> None:
    assert report_lines((), None, 0.1, 120, "a.db") == [" nothing was judged: the run ended before its first instant"]
