"""What a bot did at an instant: `rulebot why BOT --at` said what its rules said, and not what kept it out."""

from store_day import WATCHER, at

from rulebot.narrate.why import DayFacts, explanation_lines, instant_document, instant_lines
from rulebot.record.explain import activity_at, explain_day, state_at
from rulebot.record.record import Json, Kind, Record


def decided(clock: str, what: str, reason: str = "", *values: Json, of: str = "") -> Record:
    return Record(at(clock), Kind.DECISION, WATCHER, of, {"what": what, "reason": reason, "values": [*values]})


def lines(records: list[Record], clock: str) -> list[str]:
    moment = state_at(records, at(clock))
    return instant_lines(WATCHER, moment, doing=activity_at(records, moment.at))[1:]


KEPT_OUT = [
    decided("10:00", "watch"),
    decided("10:00:05", "skip", "could lose $922.56, max_loss_per_trade is $300.00"),
    decided("10:30", "stop watching", "its window is over"),
    decided("11:00", "halt", "day_range 8.7 pts   above 8 pts"),
]


def test_what_kept_a_bot_out_is_reported_of_each_instant() -> None:
    assert lines(KEPT_OUT, "09:59") == []
    refused = "  refused, first at 10:00:05: could lose $922.56, max_loss_per_trade is $300.00"
    assert lines(KEPT_OUT, "10:10") == ["  watching since 10:00:00", refused]
    over = "  not watching since 10:30:00: its window is over"
    assert lines(KEPT_OUT, "10:40") == [over, refused]
    assert lines(KEPT_OUT, "11:01") == [over, refused, "  halted since 11:00:00: day_range 8.7 pts above 8 pts"]
    found = instant_document(WATCHER, state_at(KEPT_OUT, at("10:10")), activity_at(KEPT_OUT, at("10:10")))["doing"]
    assert found["watching"] == at("10:00").isoformat()
    assert [one["at"] for one in found["refused"]] == [at("10:00:05").isoformat()]


def test_an_entry_at_work_and_what_came_of_it() -> None:
    records = [
        decided("10:00", "watch"),
        decided("10:00", "skip", "held the other way round: SPXW 2026-11-18 5980P by other"),
        decided("10:05", "enter", of="P1"),
        decided("10:05", "state", "enter", "flat", "entering", of="P1"),
        decided("10:07", "unfilled", "its tries are used up", of="P1"),
        decided("10:07", "state", "ended_empty", "entering", "closed", of="P1"),
    ]
    entered = "  not watching since 10:05:00: it entered"
    assert lines(records, "10:06") == [f"{entered}; entering P1 since 10:05:00"]
    assert lines(records, "10:08") == [entered, "  not filled at 10:07:00: its tries are used up"]


def test_an_exit_that_closed_a_part_has_acted() -> None:
    """What it says goes on being judged; that it acted was in no line."""
    records = [
        decided("10:05", "state", "enter", "flat", "entering", of="P1"),
        decided("10:06", "state", "filled", "entering", "open", of="P1"),
        decided("10:30", "exit", "half", of="P1"),
        decided("10:30", "state", "exit", "open", "exiting", of="P1"),
        decided("10:31", "state", "ended", "exiting", "open", of="P1"),
    ]
    held = "  holding P1 since 10:06:00"
    assert lines(records, "10:20") == [held]
    assert lines(records, "10:30:30")[0] == held
    assert lines(records, "11:00") == [held, "  half of P1 acted at 10:30:00, and left it open"]
    assert (
        activity_at([*records, decided("12:00", "state", "filled", "exiting", "closed", of="P1")], at("13:00")).held
        == ()
    )


def test_a_halt_is_reported_with_its_time() -> None:
    halted: dict[str, Json] = {"halted": "day_range 8.7 pts   above 8 pts", "skipped": "", "decided": ""}
    reported = explain_day([*KEPT_OUT, Record(at("11:00"), Kind.BOT_DAY, WATCHER, "", halted)])
    assert "  11:00:00   halted: day_range 8.7 pts above 8 pts" in explanation_lines(
        WATCHER, at("11:00").date(), DayFacts(reported)
    )
