"""`rulebot why` of an engine that runs on over nights and days off: it writes then that its next day begins."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from hand_desk import SELLER, Desk, kept, text_of

from engine.cli.why import why
from engine.record.record import Kind

FRIDAY, SATURDAY = date(2026, 11, 20), date(2026, 11, 21)


def store_of_a_night(folder: Path, day: date = FRIDAY) -> str:
    desk = Desk((text_of("seller", **SELLER),), day=day)
    desk.enter("10:01")
    desk.refuse(desk.last)
    desk.until("16:30")
    desk.now += timedelta(hours=8)
    desk.tick()
    assert desk.records[-1].kind is Kind.BOT_DAY
    assert desk.records[-1].at.date() == day + timedelta(days=1)
    return str(kept(desk, folder))


@pytest.mark.parametrize("day", [FRIDAY, FRIDAY - timedelta(days=1)])
def test_asked_without_a_day_it_tells_of_the_last_session(tmp_path: Path, day: date) -> None:
    told = CliRunner().invoke(why, ["seller", "--store", store_of_a_night(tmp_path, day)]).output
    assert told.splitlines()[0].startswith(f"seller asked for a trade that was not filled on {day}.")


def test_of_a_run_that_has_seen_no_session_it_tells_the_day_on_which_it_began(tmp_path: Path) -> None:
    desk = Desk((text_of("seller", **SELLER),), at="08:00")
    told = CliRunner().invoke(why, ["seller", "--store", str(kept(desk, tmp_path))]).output
    assert told.splitlines()[0] == f"seller did not trade on {desk.day}.  It did not watch."


def test_of_a_day_off_it_says_that_the_exchange_is_closed(tmp_path: Path) -> None:
    asked = ["seller", "--store", store_of_a_night(tmp_path), "--date", str(SATURDAY)]
    told = CliRunner().invoke(why, asked).output
    assert told.splitlines()[0] == f"seller did not trade on {SATURDAY}.  The exchange is closed on that day."
