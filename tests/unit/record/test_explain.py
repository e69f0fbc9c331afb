import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hand_desk import Desk, clock, text_of
from store_day import DAY, WATCHER, at, condor_records, judged, watcher_records

from rulebot.model.event import Request
from rulebot.narrate.trades import asked_at, with_parts
from rulebot.narrate.why import DayFacts, explanation_lines, instant_lines, rule_lines
from rulebot.record.explain import (
    TimeSpan,
    exits_within,
    explain_day,
    history,
    of_symbol,
    outages,
    selection_at,
    state_at,
    total,
)
from rulebot.record.record import Json, Kind, Record


def decision(clock: str, what: str, reason: str = "") -> Record:
    return Record(at(clock), Kind.DECISION, WATCHER, "", {"what": what, "reason": reason, "values": []})


def test_the_state_at_an_instant_is_the_last_change_before_it() -> None:
    records = watcher_records()
    before, during, after = (state_at(records, at(clock)) for clock in ("11:15:21", "11:15:22", "11:18:32"))
    assert [moment.conditions[0].truth for moment in (before, during, after)] == [True, None, True]
    assert [moment.held for moment in (before, during, after)] == [5, 4, 5]
    assert state_at(records, at("10:29")).conditions == ()


def exit_records(*more: Record) -> list[Record]:
    """Return a position whose target acts at 12:11:15, and is FALSE again while its last legs wait for the close."""

    def said(clock: str, rule: str, truth: bool, words: str) -> Record:
        data: dict[str, Json] = {"rule": rule, "place": "exit", "truth": truth, "words": words}
        return Record(at(clock), Kind.VERDICT, WATCHER, "P1", data)

    def moved(clock: str, what: str, reason: str, *values: Json) -> Record:
        return Record(at(clock), Kind.DECISION, WATCHER, "P1", {"what": what, "reason": reason, "values": [*values]})

    return [
        said("09:45:25", "stop", False, "0.65   at least 1.10"),
        said("09:45:25", "target", False, "-18.2%   at least 50%"),
        said("12:11:15", "target", True, "50.0%   at least 50%"),
        moved("12:11:15", "exit", "target", "short_put"),
        moved("12:11:15", "state", "exit", "open", "exiting"),
        *more,
        said("12:11:25", "target", False, "0.0%   at least 50%"),
        moved("16:00", "closed", "target"),
    ]


def test_the_exit_that_acted_is_reported_with_what_it_said_then() -> None:
    """At the minute that a report calls the end, 'target 0.0%' would be what came after it."""
    records = exit_records()
    before, acting, waiting, after = (state_at(records, at(clock)) for clock in ("12:11", "12:11:15", "12:12", "16:00"))
    assert before.leaving == ()
    (found,) = acting.leaving
    assert (found.position, found.reason, found.acted, found.closed) == ("P1", "target", at("12:11:15"), None)
    assert found.rule is not None
    assert found.rule.value == "50.0%"
    assert [one.value for one in waiting.conditions] == ["0.65", "0.0%"]
    assert waiting.leaving == acting.leaving
    assert [(one.truth, one.value) for one in after.conditions] == [(False, "0.65"), (True, "50.0%")]
    assert [one.closed for one in after.leaving] == [at("16:00")]
    assert instant_lines(WATCHER, after)[1] == "  exit of P1: target (50.0%) acted at 12:11:15, closed at 16:00:00"
    soon = exits_within(records, at("12:11"), at("12:11:59"))
    reported = "  later in this minute, exit of P1: target (50.0%) acted at 12:11:15, not closed yet"
    assert instant_lines(WATCHER, before, soon)[-1] == reported
    assert exits_within(records, at("12:12"), at("12:12:59")) == ()


def test_a_position_that_stays_open_after_a_part_was_closed_is_not_left() -> None:
    data: dict[str, Json] = {"what": "state", "reason": "part", "values": ["exiting", "open"]}
    records = exit_records(Record(at("12:11:20"), Kind.DECISION, WATCHER, "P1", data))
    assert state_at(records, at("12:30")).leaving == ()


def test_an_order_that_rested_at_the_broker_closes_without_a_rule() -> None:
    data: dict[str, Json] = {"what": "closed", "reason": "stop", "values": []}
    moment = state_at([Record(at("09:40"), Kind.DECISION, WATCHER, "P2", data)], at("10:00"))
    assert instant_lines(WATCHER, moment)[1:] == ["  exit of P2: closed at 09:40:00, stop"]


def test_a_watch_that_ends_by_entering_or_by_the_day() -> None:
    reported = explain_day([decision("09:45", "watch"), decision("09:52", "enter"), decision("10:00", "watch")])
    assert [(span.start, span.end) for span in reported.watched] == [
        (at("09:45"), at("09:52")),
        (at("10:00"), at("10:00")),
    ]
    assert reported.entered == (at("09:52"),)


@pytest.mark.parametrize(
    ("clocks", "words"),
    [
        ("10:00 10:10", "from 10:00 to 10:10"),
        ("10:00 10:10 13:30 13:35", "from 10:00 to 10:10 and from 13:30 to 13:35"),
        ("10:00 10:00 10:05 10:10", "at 10:00 and from 10:05 to 10:10"),
        ("10:00 10:04 10:05 10:10", "from 10:00 to 10:10"),
        ("10:00 10:02 11:00 11:02 12:00 12:02", "from 10:00 to 10:02, from 11:00 to 11:02 and from 12:00 to 12:02"),
        ("10:00 10:02 11:00 11:02 12:00 12:02 13:00 13:02", "from 10:00 to 13:02, in 4 stretches"),
    ],
)
def test_each_window_in_which_it_watched_is_reported(clocks: str, words: str) -> None:
    words_of = ("watch", "stop watching")
    reported = explain_day([decision(clock, words_of[place % 2]) for place, clock in enumerate(clocks.split())])
    assert explanation_lines(WATCHER, DAY, DayFacts(reported))[0].endswith(f"It watched {words}.")


def test_alarms_are_reported_that_nothing_else_says_and_of_many_the_first() -> None:
    """Why a leg stood alone, a price was an estimate or nothing was sent for a position, `why` did not say."""
    reported = explain_day([decision("10:00", "watch"), decision("10:04", "stop watching", "halted")])
    reported = replace(reported, halted="a loss of $500 today")
    alarms = [(at("10:01"), "a loss of $500 today")] + [(at(f"10:0{n}"), f"the {n}th") for n in range(2, 10)]
    lines = explanation_lines(WATCHER, DAY, DayFacts(reported, alarms=alarms))
    assert lines[-7:] == [
        *(f"  10:0{n}:00   alarm: the {n}th" for n in range(2, 8)),
        "  and 2 more alarms: rulebot alerts",
    ]
    assert sum("a loss of $500" in line for line in lines) == 1


def test_unknown_to_the_end_lasts_until_the_watch_ends() -> None:
    reported = explain_day(
        [
            decision("10:30", "watch"),
            judged("10:30", "vix", None, None, missing="VIX: no price"),
            decision("13:30", "stop watching", "its window is over"),
        ]
    )
    assert reported.unknown == (TimeSpan(start=at("10:30"), end=at("13:30"), rule="vix", why="VIX: no price"),)
    assert reported.ends == ("its window is over",)


def test_between_two_windows_nothing_was_unknown() -> None:
    """No verdict changes from the one window to the next: it was unknown in both, and judged by nobody between them."""
    records = [
        decision("12:00", "watch"),
        judged("12:00", "credit", None, None, missing="no bid"),
        decision("12:05", "stop watching", "its window is over"),
        decision("12:30", "watch"),
        decision("12:35", "stop watching", "its window is over"),
    ]
    spans = [(span.start, span.end) for span in explain_day(records).unknown]
    assert spans == [(at("12:00"), at("12:05")), (at("12:30"), at("12:35"))]
    assert total(explain_day(records).unknown) == timedelta(minutes=10)


def test_what_was_known_again_in_a_window_was_not_unknown_in_the_next() -> None:
    reported = explain_day(
        [
            decision("12:00", "watch"),
            judged("12:00", "credit", None, None, missing="no bid"),
            judged("12:02", "credit", True, 1.0),
            judged("12:03", "stop", None, None, place="exit", missing="no ask"),
            decision("12:05", "stop watching", "its window is over"),
            decision("12:30", "watch"),
            decision("12:35", "stop watching", "its window is over"),
        ]
    )
    assert reported.unknown == (TimeSpan(start=at("12:00"), end=at("12:02"), rule="credit", why="no bid"),)


def test_what_kept_a_bot_from_watching_is_reported() -> None:
    """Also where nothing was judged it says why: positions of earlier days, a halt that nobody could judge."""
    move = judged("09:31", "move", None, None, place="halts", words="unknown   beyond 46.4: SPX: no expiry fits")
    calm = judged("09:31", "vix_spike", False, 0.0, place="halts", words="0.00 pts   above 3 pts")
    reported = explain_day([calm, move])
    legs = json.dumps([{"symbol": "SPX", "right": "put", "strike": 2200, "ratio": 1}])
    row = {
        "legs": legs,
        "expiration": "2026-12-18",
        "quantity": 1,
        "entry_price": 2.7,
        "entry_mid": None,
        "status": "OPEN",
        "state": "open",
        "exit_reason": None,
    }
    held = [{**row, "entry_time": "2026-11-16 10:00:31", "exit_time": None}]
    lines = explanation_lines(WATCHER, DAY, DayFacts(reported, (), held))
    assert lines[0].endswith("It did not watch.")
    assert lines[1] == "  held 2200p 2026-12-18 since 2026-11-16"
    assert lines[2:] == ["  its halt move was unknown: beyond 46.4: SPX: no expiry fits"]
    wing = {**held[0], "left": "2026-11-17 14:35:02", "exit_name": "target"}
    assert explanation_lines(WATCHER, DAY, DayFacts(reported, (), [wing]))[1].endswith(
        " since 2026-11-16, left 2026-11-17 14:35: target"
    )
    capped = replace(reported, skipped="1 of 1 open at once")
    assert explanation_lines(WATCHER, DAY, DayFacts(capped, (), held))[0].endswith(
        "It did not watch: 1 of 1 open at once."
    )
    assert "at 2.70 2026-11-16 10:00; open" in explanation_lines(WATCHER, DAY, DayFacts(reported, held))[1], (
        "a day of its own is named"
    )


def test_parts_of_a_trade_that_exits_closed_are_reported() -> None:
    """Four sold, two bought back by the first target: the last exit was said to have bought back all."""
    legs = [{"symbol": "SPX", "right": "put", "strike": 5950, "ratio": 1, "name": "p", "closed": 4, "settled": 0}]
    row = {
        "position": "P1",
        "legs": json.dumps(legs),
        "expiration": str(DAY),
        "quantity": 4,
        "entry_price": 2.0,
        "entry_mid": None,
        "entry_time": f"{DAY} 09:45:25",
        "exit_time": None,
        "exit_price": None,
        "exit_name": None,
        "exit_reason": None,
        "status": "OPEN",
        "state": "open",
        "final_pnl": None,
        "commissions": 40.0,
    }
    left = {"exit_time": f"{DAY} 12:40:45", "exit_price": 1.4, "exit_name": "rest", "exit_reason": "TAKE_PROFIT"}
    orders = [
        {
            "purpose": what,
            "reason": why,
            "action": "BUY",
            "quantity": 4,
            "filled": count,
            "legs": '[{"name": "p"}]',
            "fill_price": paid,
            "fill_time": when and f"{DAY} {when}",
        }
        for what, why, count, paid, when in (
            ("entry", "entry", 4, -2.0, "09:45:25"),
            ("exit", "half", 2, 1.65, "10:31:30"),
            ("exit", "half", 0, None, None),
            ("exit", "rest", 2, 1.15, "12:40:45"),
        )
    ]
    reported = explain_day([decision("09:45", "watch"), decision("09:45", "enter")])
    part = "sold 4 x 5950p at 2.00 09:45, 2 of 4 bought back at 1.65 10:31: half"
    (_, line) = explanation_lines(WATCHER, DAY, DayFacts(reported, [with_parts(row, orders[:3], ())]))
    assert line == f"  {part}; open"
    closed = {**row, **left, "status": "CLOSED", "final_pnl": 199.91}
    (_, line) = explanation_lines(WATCHER, DAY, DayFacts(reported, [with_parts(closed, orders, ())]))
    assert line.startswith(f"  {part}, bought back in all at 1.40 12:40: rest   +$199.91")
    assert with_parts(closed, orders[:1], ()) == closed
    (_, line) = explanation_lines(
        WATCHER, DAY, DayFacts(reported, [with_parts(row, [{**orders[1], "fill_price": None}], ())])
    )
    assert line == "  sold 4 x 5950p at 2.00 09:45, 2 of 4 bought back 10:31: half; open", "as where nothing is sent"


def test_an_entry_that_was_not_filled_says_what_was_asked_before_all_else() -> None:
    """It said that its tries were used up, without a price, and below what had happened hours later."""
    ended = Record(
        at("09:36:01"), Kind.DECISION, WATCHER, "P1", {"what": "unfilled", "reason": "its tries are used up"}
    )
    reported = explain_day([decision("09:31", "watch"), decision("09:31", "enter"), ended])
    order = {"purpose": "entry", "limit_price": -4.25, "mid": -4.21, "attempt": 1}
    last = {**order, "limit_price": -4.15, "attempt": 3}
    away = (TimeSpan(start=at("11:31"), end=at("11:32"), why="the connection was lost"),)
    asked = asked_at([order, last, {**order, "purpose": "exit"}])
    assert asked == "last at 4.15, try 3; mid 4.21 when it began"
    lines = explanation_lines(WATCHER, DAY, DayFacts(reported, (), away=away, asked={"P1": asked}))
    assert lines[1] == f"  09:36:01   not filled: its tries are used up ({asked})"
    assert asked_at([{**order, "limit_price": None, "mid": None}]) == "at market, try 1"
    assert explanation_lines(WATCHER, DAY, DayFacts(reported))[1] == "  09:36:01   not filled: its tries are used up"


def test_a_bot_without_conditions_is_shown_what_refused_it_and_no_count_of_conditions() -> None:
    near = Record(at("10:30"), Kind.NEAREST, WATCHER, "", {"rule": "limits", "text": "no", "readings": []})
    records = [decision("10:00", "watch"), decision("10:00", "skip", "could lose $922.56"), near]
    assert not any("0 of 0" in line for line in explanation_lines(WATCHER, DAY, DayFacts(explain_day(records))))


def outage_record(clock: str, kind: Kind, **data: Json) -> Record:
    return Record(at(clock), kind, "", "", data)


def test_a_session_without_a_connection_is_reported_of_a_bot_that_did_not_trade() -> None:
    session = outage_record("09:29", Kind.SESSION, open=at("09:30").isoformat(), close=at("16:00").isoformat())
    start, up = Kind.RUN_STARTED, {"up": True, "reason": ""}
    records = [
        outage_record("09:40", start),
        outage_record("09:40", Kind.LINK, **up),
        outage_record("13:00", Kind.LINK, up=False, reason="error 1100"),
        outage_record("13:10", Kind.LINK, **up),
        judged("14:00", "move", True, 1.0),
        outage_record("14:05", start),
        outage_record("14:05:10", Kind.LINK, **up),
        outage_record("15:00", Kind.RUN_ENDED, reason="stopped by the operator"),
    ]
    lines = explanation_lines(
        WATCHER, DAY, DayFacts(explain_day([records[4]]), away=outages(records, session, is_running=False))
    )
    assert lines[1:5] == [
        "  09:30:00   could not watch until 09:40:00: no engine ran",
        "  13:00:00   could not watch until 13:10:00: the connection was lost: error 1100",
        "  14:00:00   could not watch until 14:05:10: the engine had ended without a word",
        "  15:00:00   could not watch until 16:00:00: the engine had ended: stopped by the operator",
    ]
    alone = [outage_record("09:29", start), outage_record("09:29", Kind.LINK, **up), records[4]]
    assert outages(alone, session, is_running=True) == ()
    (dead,) = outages(alone, session, is_running=False)
    assert (dead.start, dead.end) == (at("14:00"), at("16:00"))
    past = outage_record("09:29", start, settings={"mode": "backtest"})
    assert outages([past, *alone[1:]], session, is_running=False) == ()
    assert outages(records[4:5], session, is_running=False) == (), "a store that knows of no connection"


def test_a_trade_of_which_one_side_was_bought_back_did_not_expire_worthless() -> None:
    """The part that an exit closed is told with its price; of what expired whole nothing else is said."""
    sides = (("short_put", "put", 5950, 1), ("short_call", "call", 6050, 0))
    legs = [
        {"symbol": "SPX", "right": right, "strike": strike, "ratio": 1, "name": name, "closed": 1, "settled": settled}
        for name, right, strike, settled in sides
    ]
    row = {
        "expiration": str(DAY),
        "quantity": 1,
        "entry_price": 2.35,
        "entry_mid": None,
        "entry_time": f"{DAY} 12:00:05",
        "exit_time": f"{DAY} 16:00:00",
        "exit_price": 2.4,
        "exit_name": "expired_worthless",
        "exit_reason": "EXPIRED_WORTHLESS",
        "status": "CLOSED",
        "final_pnl": -12.4,
        "commissions": 7.4,
    }
    reported = explain_day([decision("10:30", "watch"), decision("10:31", "enter")])
    (_, mixed, *_) = explanation_lines(WATCHER, DAY, DayFacts(reported, [{**row, "legs": json.dumps(legs)}]))
    assert "12:00, bought back at 2.40 (the rest expired) 16:00   -$12.40" in mixed
    whole = [{**leg, "settled": 1} for leg in legs]
    (_, line, *_) = explanation_lines(WATCHER, DAY, DayFacts(reported, [{**row, "legs": json.dumps(whole)}]))
    assert "12:00, expired worthless 16:00" in line
    left = {**row, "legs": json.dumps(legs), "exit_name": "stop", "exit_reason": "STOP"}
    (_, line, *_) = explanation_lines(WATCHER, DAY, DayFacts(reported, [left]))
    assert "12:00, bought back at 2.40: stop (the rest expired 16:00)   -$12.40" in line
    (_, line, *_) = explanation_lines(WATCHER, DAY, DayFacts(reported, [{**left, "left": f"{DAY} 14:10:31"}]))
    assert "12:00, bought back at 2.40 14:10: stop (the rest expired 16:00)   -$12.40" in line
    for name, words in (("target", "16:00: target (the rest assigned)"), ("assigned", "(the rest assigned) 16:00")):
        of_shares = {**row, "legs": json.dumps(legs), "exit_name": name, "exit_reason": "ASSIGNED"}
        (_, line, *_) = explanation_lines(WATCHER, DAY, DayFacts(reported, [of_shares]))
        assert f"12:00, bought back at 2.40 {words}   -$12.40" in line


def test_a_watch_cut_short_still_shows_the_last_look() -> None:
    reported = explain_day([decision("10:30", "watch"), judged("10:31", "vix", False, 30.0)])
    assert reported.nearest is None
    assert [(one.rule, one.truth) for one in reported.last.conditions] == [("vix", False)]


def test_overlapping_spans_count_once() -> None:
    spans = [
        TimeSpan(start=at("10:00"), end=at("10:10")),
        TimeSpan(start=at("10:05"), end=at("10:15")),
        TimeSpan(start=at("10:06"), end=at("10:07")),
        TimeSpan(start=at("11:00"), end=at("11:01")),
    ]
    assert total(spans) == timedelta(minutes=16)


def test_the_nearest_miss_has_the_numbers_of_its_instant() -> None:
    readings: list[Json] = [
        {"rule": "vix", "truth": True, "words": "16.82   in 12 to 22"},
        {"rule": "day_range", "truth": False, "words": "28.4 pts   below 27.7: 0.7 too much   (open's move)"},
        {"rule": "skew", "truth": None, "words": "unknown   below 2: no quotes"},
    ]
    when = at("11:00").isoformat()
    data: dict[str, Json] = {"when": when, "rule": "day_range", "text": "28.4", "readings": readings}
    reported = explain_day([Record(at("13:30"), Kind.NEAREST, WATCHER, "", data)])
    assert reported.nearest is not None
    assert (reported.nearest.at, reported.nearest.held, reported.nearest_rule) == (at("11:00"), 1, "day_range")
    second, third = reported.nearest.conditions[1:]
    assert (second.value, second.bound, second.note) == ("28.4 pts", "below 27.7: 0.7 too much", "(open's move)")
    assert (third.truth, third.value, third.bound) == (None, "", "below 2: no quotes")


def test_refusals_are_reported_once_each() -> None:
    reported = explain_day([decision("10:31", "skip", "daily loss"), decision("10:40", "skip", "daily loss")])
    assert reported.refused == ((at("10:31"), "daily loss"),)


def test_changes_of_one_rule_and_the_last_selection() -> None:
    records = watcher_records()
    assert [one.truth for one in history(records, "vix")] == [True, None, True]
    assert selection_at(records, at("11:59")) is None
    found = selection_at(records, at("12:00"))
    assert found is not None
    assert found.at == at("12:00")
    assert explain_day(condor_records()).entered == (at("09:52"),)


def test_rules_of_one_name_are_reported_place_by_place() -> None:
    halt = judged("09:31", "day_range", False, 0.4, place="halts", words="0.40 pts   above 46.1")
    later = judged("12:31", "day_range", True, 47.0, place="halts", words="47.0 pts   above 46.1")
    when = judged("10:30", "day_range", False, 28.4, words="28.4 pts   below 27.7")
    assert rule_lines(DAY, history([halt, when, later], "day_range")) == [
        "day_range, 2026-11-18",
        "  halts",
        "    09:31:00  FALSE  0.40 pts  above 46.1",
        "    12:31:00  true   47.0 pts  above 46.1",
        "  when",
        "    10:30:00  FALSE  28.4 pts  below 27.7",
    ]
    assert rule_lines(DAY, history([when], "day_range"))[1:] == ["  10:30:00  FALSE  28.4 pts  below 27.7"]


def test_a_reload_ends_what_the_old_text_said() -> None:
    old, new = "1" * 64, "2" * 64
    changed = Record(at("11:00"), Kind.RELOAD, WATCHER, "", {"what": "changed", "was": old, "now": new})
    records = [
        decision("10:30", "watch"),
        judged("10:30", "vix", None, None, missing="VIX: no price"),
        judged("10:30", "skew", False, 3.0),
        changed,
        judged("11:00", "vix", True, 16.0),
        decision("13:30", "stop watching", "its window is over"),
    ]
    reported = explain_day(records)
    assert reported.reloaded == ((at("11:00"), "its spec was changed, 11111111 to 22222222"),)
    assert reported.unknown == (TimeSpan(start=at("10:30"), end=at("11:00"), rule="vix", why="VIX: no price"),)
    assert [one.rule for one in state_at(records, at("12:00")).conditions] == ["vix"]
    assert [one.rule for one in state_at(records, at("10:59")).conditions] == ["vix", "skew"]


def of(clock: str, kind: Kind, position: str = "", **data: Json) -> Record:
    return Record(at(clock), kind, WATCHER, position, data)


def test_a_symbol_that_was_ranked_and_not_taken_is_reported_its_place() -> None:
    """All its conditions held, and nothing said why it was not entered: a ranking names what is taken."""
    ranks = {"SPY": 1.71, "QQQ": 1.52, "AAPL": 1.16}
    values: list[Json] = [{"symbol": name, "value": value} for name, value in ranks.items()]
    words = "SPY iv_over_rv 1.71, QQQ iv_over_rv 1.52"
    records = [of("10:00", Kind.DECISION, what="rank", reason=words, values=values, passed=[])]
    reported = {name: explain_day(of_symbol(records, name)).ranked[0][1] for name in ("SPY", "AAPL", "MSFT")}
    assert reported == {"SPY": words, "MSFT": words, "AAPL": f"{words}; AAPL is number 3 of 3, with 1.16"}


def test_the_story_of_one_symbol_is_without_what_the_others_did() -> None:
    """AAPL is entered after a look at both; SPY never held, and its strikes were refused once."""
    records = [
        decision("10:00", "watch"),
        of("10:00", Kind.VERDICT, rule="move", place="when", truth=True, words="1%   above 0.2%", symbol="AAPL"),
        of("10:00", Kind.VERDICT, rule="move", place="when", truth=False, words="0.1%   above 0.2%", symbol="SPY"),
        of("10:01", Kind.SELECTION, reason="short_put: not quoted", legs=[{"name": "short_put"}], symbol="SPY"),
        of("10:02", Kind.DECISION, "P1", what="enter", reason="all conditions hold", values=[], symbol="AAPL"),
        of("10:02", Kind.SELECTION, "P1", reason="", legs=[{"name": "short_put", "found": "AAPL"}], symbol="AAPL"),
        of("10:03", Kind.DECISION, what="skip", reason="AAPL: could lose $9", values=[], symbol="AAPL"),
        of("10:04", Kind.DECISION, "P1", what="unfilled", reason="its tries are over", values=[]),
        of("10:05", Kind.VERDICT, "P0", rule="stop", place="exit", truth=True, words="9   at least 2"),
        of("10:06", Kind.DECISION, what="skip", reason="paused by the operator", values=[]),
        of("10:07", Kind.NEAREST, rule="AAPL limits", text="could lose $9", readings=[], symbol="AAPL"),
    ]
    spy, aapl = (explain_day(of_symbol(records, symbol, ["P0"])) for symbol in ("SPY", "AAPL"))
    assert (spy.entered, aapl.entered) == ((), (at("10:02"),))
    assert [(span.start, span.end) for span in spy.watched] == [(at("10:00"), at("10:02"))]
    assert [text for _, text in spy.refused] == ["SPY: short_put: not quoted", "paused by the operator"]
    assert [text for _, text in aapl.refused] == ["AAPL: could lose $9", "paused by the operator"]
    assert (spy.unfilled, len(aapl.unfilled)) == ((), 1)
    assert (spy.nearest_rule, aapl.nearest_rule) == ("", "AAPL limits")
    found = state_at(of_symbol(records, "SPY", ["P0"]), at("10:10")).conditions
    assert [(one.symbol, one.rule) for one in found] == [("SPY", "move")]
    chosen = selection_at(of_symbol(records, "SPY"), at("10:10"))
    assert chosen is not None
    assert chosen.data["symbol"] == "SPY"


def test_a_halt_after_a_resume_is_reported_with_its_own_time() -> None:
    """It had the time of the first halt of the day, and the words of the last."""
    desk = Desk((text_of(risk="{max_loss_per_trade: $2000, halt_when: [{vix: {above: 20}}, {spot: {above: 6050}}]}"),))
    desk.level("VIX", 25.0)
    desk.until("10:05")
    desk.level("VIX", 15.0)
    desk.tick(60)
    desk.ask(Request.RESUME, "spread")
    desk.level("SPX", 6060.0)
    desk.until("10:20")
    found = explain_day(desk.records)
    assert (found.halted, found.halted_at) == ("spot 6060.00 above 6050", clock("10:20"))
    assert "  10:20:00   halted: spot 6060.00 above 6050" in explanation_lines("spread", desk.day, DayFacts(found))
