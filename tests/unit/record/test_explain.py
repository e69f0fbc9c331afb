from datetime import timedelta

from store_day import WATCHER, at, condor_records, verdict, watcher_records

from engine.record.explain import Span, history, selection_at, state_at, story, total
from engine.record.record import Json, Kind, Record


def decision(clock: str, what: str, reason: str = "") -> Record:
    return Record(at(clock), Kind.DECISION, WATCHER, "", {"what": what, "reason": reason, "values": []})


def test_the_state_at_an_instant_is_the_last_change_before_it() -> None:
    records = watcher_records()
    before, during, after = (state_at(records, at(clock)) for clock in ("11:15:21", "11:15:22", "11:18:32"))
    assert [moment.conditions[0].truth for moment in (before, during, after)] == [True, None, True]
    assert [moment.held for moment in (before, during, after)] == [5, 4, 5]
    assert state_at(records, at("10:29")).conditions == ()


def test_a_watch_that_ends_by_entering_or_by_the_day() -> None:
    told = story([decision("09:45", "watch"), decision("09:52", "enter"), decision("10:00", "watch")])
    assert [(span.start, span.end) for span in told.watched] == [(at("09:45"), at("09:52")), (at("10:00"), at("10:00"))]
    assert told.entered == (at("09:52"),)


def test_unknown_to_the_end_lasts_until_the_watch_ends() -> None:
    told = story(
        [
            decision("10:30", "watch"),
            verdict("10:30", "vix", None, None, missing="VIX: no price"),
            decision("13:30", "stop watching", "its window is over"),
        ]
    )
    assert told.unknown == (Span(start=at("10:30"), end=at("13:30"), rule="vix", why="VIX: no price"),)
    assert told.ends == ("its window is over",)


def test_a_watch_cut_short_still_shows_the_last_look() -> None:
    told = story([decision("10:30", "watch"), verdict("10:31", "vix", False, 30.0)])
    assert told.nearest is None
    assert [(one.rule, one.truth) for one in told.last.conditions] == [("vix", False)]


def test_overlapping_spans_count_once() -> None:
    spans = [
        Span(start=at("10:00"), end=at("10:10")),
        Span(start=at("10:05"), end=at("10:15")),
        Span(start=at("10:06"), end=at("10:07")),
        Span(start=at("11:00"), end=at("11:01")),
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
    told = story([Record(at("13:30"), Kind.NEAREST, WATCHER, "", data)])
    assert told.nearest is not None
    assert (told.nearest.at, told.nearest.held, told.nearest_rule) == (at("11:00"), 1, "day_range")
    second, third = told.nearest.conditions[1:]
    assert (second.value, second.bound, second.note) == ("28.4 pts", "below 27.7: 0.7 too much", "(open's move)")
    assert (third.truth, third.value, third.bound) == (None, "", "below 2: no quotes")


def test_refusals_are_told_once_each() -> None:
    told = story([decision("10:31", "skip", "daily loss"), decision("10:40", "skip", "daily loss")])
    assert told.refused == ((at("10:31"), "daily loss"),)


def test_changes_of_one_rule_and_the_last_selection() -> None:
    records = watcher_records()
    assert [one.truth for one in history(records, "vix")] == [True, None, True]
    assert selection_at(records, at("11:59")) is None
    found = selection_at(records, at("12:00"))
    assert found is not None
    assert found.at == at("12:00")
    assert story(condor_records()).entered == (at("09:52"),)


def test_a_reload_ends_what_the_old_text_said() -> None:
    old, new = "1" * 64, "2" * 64
    changed = Record(at("11:00"), Kind.RELOAD, WATCHER, "", {"what": "changed", "was": old, "now": new})
    records = [
        decision("10:30", "watch"),
        verdict("10:30", "vix", None, None, missing="VIX: no price"),
        verdict("10:30", "skew", False, 3.0),
        changed,
        verdict("11:00", "vix", True, 16.0),
        decision("13:30", "stop watching", "its window is over"),
    ]
    told = story(records)
    assert told.reloaded == ((at("11:00"), "its spec was changed, 11111111 to 22222222"),)
    assert told.unknown == (Span(start=at("10:30"), end=at("11:00"), rule="vix", why="VIX: no price"),)
    assert [one.rule for one in state_at(records, at("12:00")).conditions] == ["vix"]
    assert [one.rule for one in state_at(records, at("10:59")).conditions] == ["vix", "skew"]
