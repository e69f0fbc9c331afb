"""`rulebot why` of an engine that runs on over nights and days off: it writes then that its next day begins."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from hand_desk import SELLER, Desk, clock, kept, text_of

from rulebot.cli.why import why
from rulebot.record.record import Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store

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
def test_asked_without_a_day_it_reports_of_the_last_session(tmp_path: Path, day: date) -> None:
    reported = CliRunner().invoke(why, ["seller", "--store", store_of_a_night(tmp_path, day)]).output
    assert reported.splitlines()[0].startswith(f"seller asked for a trade that was not filled on {day}.")


def test_of_a_run_that_has_seen_no_session_it_reports_the_day_on_which_it_began(tmp_path: Path) -> None:
    desk = Desk((text_of("seller", **SELLER),), at="08:00")
    reported = CliRunner().invoke(why, ["seller", "--store", str(kept(desk, tmp_path))]).output
    assert reported.splitlines()[0] == f"seller did not trade on {desk.day}.  It did not watch."


def monday_night() -> Desk:
    """Return a desk after a trade on Friday, and the night to a Monday on which its bot does not enter."""
    entry = "{at: open + 31m, max_open: 5, days: [fri]}"
    desk = Desk((text_of("seller", **{**SELLER, "entry": entry}),), day=FRIDAY)
    desk.records.insert(0, Record(desk.now, Kind.RUN_STARTED, data={"specs": {}, "account": "DU1"}))
    desk.enter("10:01")
    desk.refuse(desk.last)
    desk.until("16:30")
    desk.now += timedelta(days=2, hours=8)
    desk.tick()
    return desk


@pytest.mark.parametrize(("seen_at", "reported"), [("08:00", FRIDAY), ("16:30", FRIDAY + timedelta(days=3))])
def test_a_session_in_which_a_bot_records_nothing_is_its_last_one_once_it_has_opened(
    tmp_path: Path, seen_at: str, reported: date
) -> None:
    """That it does not enter on a Monday is recorded at night: on Monday evening it told of the Friday."""
    desk = monday_night()
    at = clock(seen_at, FRIDAY + timedelta(days=3))
    desk.records.append(Record(at, Kind.LINK, data={"up": True, "reason": "", "account": ""}))
    with StoreReader(kept(desk, tmp_path)) as reader:
        assert reader.last_day("seller") == reported


@pytest.mark.parametrize(("now", "reported"), [("08:00", FRIDAY), ("16:30", FRIDAY + timedelta(days=3))])
def test_an_engine_that_has_nothing_to_record_is_seen_by_the_clock(tmp_path: Path, now: str, reported: date) -> None:
    place = kept(monday_night(), tmp_path)
    present = clock(now, FRIDAY + timedelta(days=3))
    with StoreReader(place) as reader:
        assert reader.last_day("seller", present) == FRIDAY, "no engine is there"
    journal = SqlJournal(open_store(place))
    with StoreReader(place) as reader:
        assert reader.last_day("seller", present) == reported
    journal.close()


def test_of_a_day_off_it_says_that_the_exchange_is_closed(tmp_path: Path) -> None:
    asked = ["seller", "--store", store_of_a_night(tmp_path), "--date", str(SATURDAY)]
    reported = CliRunner().invoke(why, asked).output
    assert reported.splitlines()[0] == f"seller did not trade on {SATURDAY}.  The exchange is closed on that day."
