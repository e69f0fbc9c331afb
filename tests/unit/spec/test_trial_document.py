"""Test documents: how a level is written, and what is said of one that cannot be."""

from math import isnan

import pytest

from rulebot.spec.load import load_text
from rulebot.spec.spec_test_nouns import Span, UnquotedStrike, series, smile

HEAD = "rulebot_test: 1\nspec: ../put_lite.yaml\ntests:\n"


def document(*lines: str) -> str:
    return HEAD + "\n".join(lines)


def codes(text: str) -> list[str]:
    return [found.code for found in load_text(text, "put_lite.test.yaml").diagnostics]


def test_a_series_starts_at_the_open_and_drifts() -> None:
    found = series("6000 +0x60 +0.2x30")
    assert [found.at(minute) for minute in (-1, 0, 60, 61, 90, 389)] == [6000, 6000, 6000, 6000.2, 6006, 6006]
    assert series(15).at(100) == 15
    assert series("12% -1x2").levels == (12, 11, 10)


def test_a_hole_hides_the_level_and_ends() -> None:
    found = series("15 unknown x2 +1x1")
    assert [isnan(level) for level in found.levels] == [False, True, True, False]
    assert found.levels[-1] == 16
    assert series("15 unknown x2").at(10) == 15
    assert found.until(2) == (15,)
    assert isnan(series("unknown").at(5))


def test_a_test_is_read() -> None:
    loaded = load_text(
        document(
            "  - name: a",
            "    from: {open: {credit: 1.00, at: '11:00'}}",
            "    market: {vix: unknown, quotes: [{cost: 1.60}, {cost: stale}]}",
            "    expect: [{after_quote: 2, orders: none, because: {stop: unknown}}, {all_day: {state: open}}]",
        ),
        "put_lite.test.yaml",
    )
    assert loaded.tests is not None, loaded.diagnostics
    (trial,) = loaded.tests.trials
    assert trial.opening is not None
    assert (str(trial.opening.net), str(trial.opening.at)) == ("1.00", "11:00")
    assert trial.market.quotes[1].hole is UnquotedStrike.STALE
    first, second = trial.expect
    assert (first.span, first.quote, first.no_orders, first.because) == (Span.AFTER_QUOTE, 2, True, {"stop": None})
    assert (second.span, second.state, second.no_orders) == (Span.ALL_DAY, "open", False)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["  - {name: a, expect: [{exits: target}]}", "  - {name: a, expect: [{exits: target}]}"], ["RB270"]),
        (["  - {name: a, date: 2026-11-21, expect: [{exits: target}]}"], ["RB280"]),
        (["  - {name: a, date: 2026-02-30, expect: [{exits: target}]}"], ["RB280"]),
        (["  - {name: a, expect: [{after_quote: 1, exits: stop}]}"], ["RB280"]),
        (["  - {name: a, market: {earnings: {aapl: 2027-02-30}}, expect: [{exits: stop}]}"], ["RB280"]),
        (
            ["  - {name: a, market: {earnings: {aapl: {day: 2027-02-30, when: bmo}}}, expect: [{exits: stop}]}"],
            ["RB280"],
        ),
        (
            [
                "  - name: a",
                "    market: {earnings: {aapl: {day: 2027-01-28, when: bmo, time: '07:00'}}}",
                "    expect: [{exits: stop}]",
            ],
            ["RB280"],
        ),
        (
            ["  - {name: a, market: {earnings: {aapl: {day: 2027-01-28, when: dmh}}}, expect: [{exits: stop}]}"],
            ["RB152"],
        ),
        (["  - {name: a, market: {expiries: {spx: [2026-11-21]}}, expect: [{exits: stop}]}"], ["RB280"]),
        (["  - {name: a, market: {expiries: {spx: soon}}, expect: [{exits: stop}]}"], ["RB120"]),
        (["  - {name: a, market: {quotes: [{cost: 1}]}, expect: [{exits: stop}]}"], ["RB280"]),
        (["  - {name: a, expect: [{at: '10:30', by: '11:00', exits: stop}]}"], ["RB118"]),
        (["  - {name: a, expect: [{at: '10:30'}]}"], ["RB118"]),
        (["  - {name: a, expect: [{all_day: {orders: none}, exits: stop}]}"], ["RB122"]),
        (["  - {name: a, expcet: [{exits: stop}]}"], ["RB111"]),
        (["  - {name: a, market: {spx: 6000 +1}, expect: [{exits: stop}]}"], ["RB152"]),
        (["  - {name: a, expect: [{state: opne}]}"], ["RB153"]),
        (["  - {name: a, webhooks: known, expect: [{exits: stop}]}"], ["RB152"]),
        (["  - {name: a, webhooks: [], expect: [{exits: stop}]}"], ["RB121"]),
        (["  - {name: a, webhooks: [{name: up}], expect: [{exits: stop}]}"], ["RB113"]),
        (["  - {name: a, webhooks: [{at: '10:30', name: Up}], expect: [{exits: stop}]}"], ["RB116"]),
        (["  - {name: a, broker: [{fills: none, disconnects: true}], expect: [{exits: stop}]}"], ["RB118"]),
        (["  - {name: a, broker: [{for: 0s, fills: none}], expect: [{exits: stop}]}"], ["RB156"]),
        (["  - {name: a, broker: [{margin: 12000}], expect: [{exits: stop}]}"], ["RB152"]),
        (["  - {name: a, broker: [{margin: $12000}, {margin: unknown}], expect: [{exits: stop}]}"], []),
        (["  - {name: a, market: {spx: 6000 -100x60}, expect: [{exits: stop}]}"], ["RB156"]),
        (["  - {name: a, market: {days: {spx: 60 -1x60}}, expect: [{exits: stop}]}"], ["RB156"]),
        (["  - {name: a, market: {iv: 12% -1x13}, expect: [{exits: stop}]}"], ["RB156"]),
        (["  - {name: a, market: {iv: {spx: 12% -1x13}}, expect: [{exits: stop}]}"], ["RB156"]),
        (["  - {name: a, market: {iv: 12% -1x12, spx: 15 unknown x5 -1x14}, expect: [{exits: stop}]}"], []),
        (["  - {name: a, from: {open: {credit: 1, opened: 2026-11-19}}, expect: [{exits: stop}]}"], ["RB280"]),
        (["  - {name: a, from: {open: {credit: 1, at: '16:00'}}, expect: [{exits: stop}]}"], ["RB280"]),
        (["  - {name: a, from: {open: {credit: 1, dte: 10}}, expect: [{exits: stop}]}"], ["RB280"]),
        (["  - {name: a, date: 2026-11-20, from: {open: {credit: 1, dte: 2}}, expect: [{exits: stop}]}"], ["RB280"]),
        (["  - {name: a, date: 2026-11-20, from: {open: {credit: 1, dte: 3}}, expect: [{exits: stop}]}"], []),
        (["  - {name: a, date: 2026-11-22, from: {open: {credit: 1, dte: 6}}, expect: [{exits: stop}]}"], ["RB280"]),
        (["  - {name: a, date: 2028-11-17, from: {open: {credit: 1, dte: 50}}, expect: [{exits: stop}]}"], []),
        (["  - {name: a, from: {open: {credit: 1, dte: 1000000000000}}, expect: [{exits: stop}]}"], ["RB156"]),
        (["  - {name: a, from: {open: {credit: 1, dte: -3}}, expect: [{exits: stop}]}"], ["RB156"]),
        (["  - {name: a, expect: [{at: open + 05m, exits: stop}]}"], ["RB152"]),
    ],
)
def test_what_cannot_be_is_said(lines: list[str], expected: list[str]) -> None:
    assert codes(document(*lines)) == expected


def test_options_that_expire_on_no_session_are_said_at_their_days() -> None:
    test = "  - {name: a, date: 2026-11-25, from: {open: {credit: 1, dte: 1}}, expect: [{exits: stop}]}"
    (found,) = load_text(document(test), "put_lite.test.yaml").diagnostics
    assert test[found.col - 1 : found.end_col + 1] == "1}}"
    said = "the exchange is closed on 2026-11-26, a Thursday"
    assert (found.message, found.help) == (said, "options expire on sessions")


def test_web_hooks_are_read() -> None:
    loaded = load_text(
        document(
            "  - name: a",
            "    webhooks: [{at: 'open + 5m', name: trend, says: up}, {at: '10:35:02', name: news}]",
            "    expect: [{exits: stop}]",
            "  - {name: b, webhooks: unknown, expect: [{exits: stop}]}",
            "  - {name: c, expect: [{exits: stop}]}",
        ),
        "put_lite.test.yaml",
    )
    assert loaded.tests is not None, loaded.diagnostics
    first, second, third = (trial.hooks for trial in loaded.tests.trials)
    assert first is not None
    assert [(str(hook.at), hook.name, hook.says) for hook in first] == [
        ("open + 5m", "trend", "up"),
        ("10:35:02", "news", ""),
    ]
    assert (second, third) == (None, ())


def test_a_smile_is_read_by_distance_and_goes_through_the_level() -> None:
    text = document("  - {name: a, market: {smile: {spx: {2%: -1, -3%: 8}}}, expect: [{exits: stop}]}")
    loaded = load_text(text, "put_lite.test.yaml")
    assert loaded.tests is not None, loaded.diagnostics
    found = loaded.tests.trials[0].market.smiles["SPX"]
    assert (found.distances, found.points) == ((-3, 0, 2), (8, 0, -1))
    assert [found.at(each) for each in (-5, -3, -1.5, 0, 1, 2, 9)] == [8, 8, 4, 0, -0.5, -1, -1]
    assert smile({0.0: 1.0, 1.0: 2.0}).at(0) == 1


@pytest.mark.parametrize(
    ("written", "code", "says"),
    [
        ("{3: 8}", "RB152", "a distance is in percent of the level, as in -3% or 0.25%, is '3'"),
        ("{-3.0%: 8}", "RB152", "is '-3.0%'"),
        ("{-3%: 8%}", "RB152", "takes a number of points, is '8%'"),
        ("{-3%: 800}", "RB156", "is at most 500"),
        ("{}", "RB121", "holds at least 1"),
        ("8", "RB120", "must be points by distance"),
    ],
)
def test_a_smile_that_cannot_be_is_said(written: str, code: str, says: str) -> None:
    text = document(f"  - {{name: a, market: {{smile: {{spx: {written}}}}}, expect: [{{exits: stop}}]}}")
    (found,) = load_text(text, "put_lite.test.yaml").diagnostics
    assert (found.code, says in found.message) == (code, True), found.message


@pytest.mark.parametrize(
    ("date", "expected", "found"),
    [
        ("2026-11-18", '{at: "16:05", state: flat}', []),
        ("2026-11-18", "{by: open, state: flat}", []),
        ("2026-11-18", '{at: "20:00", orders: none}', ["RB280"]),
        ("2026-11-18", '{by: "09:00", orders: none}', ["RB280"]),
        ("2026-11-18", '{at: "16:06", orders: none}', ["RB280"]),
        ("2026-11-27", '{at: "15:45", orders: none}', []),
        ("2026-11-27", "{at: close + 1h, orders: none}", ["RB280"]),
    ],
)
def test_a_time_at_which_a_test_does_not_live_is_refused(date: str, expected: str, found: list[str]) -> None:
    assert codes(document("  - name: a", f"    date: {date}", f"    expect: [{expected}]")) == found


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("from: {open: {credit: 1}}, expect: [{at: '11:59', orders: none}]", ["RB280"]),
        ("from: {open: {credit: 1}}, expect: [{by: '10:30', state: flat}]", ["RB280"]),
        ("from: {open: {credit: 1, at: '12:00:30'}}, expect: [{at: '12:00', orders: none}]", []),
        ("date: 2026-11-27, from: {open: {credit: 1, at: '14:00'}}, expect: [{exits: stop}]", ["RB280"]),
        ("date: 2026-11-27, broker: [{at: '14:00', fills: none}], expect: [{exits: stop}]", ["RB280"]),
        ("broker: [{at: '09:00', for: 5m, fills: none}], expect: [{exits: stop}]", ["RB280"]),
        ("broker: [{at: '09:00', for: 2h, fills: none}], expect: [{exits: stop}]", []),
        ("webhooks: [{at: '20:00', name: up}], expect: [{exits: stop}]", ["RB280"]),
        ("webhooks: [{at: '08:00', name: up}], expect: [{exits: stop}]", []),
    ],
)
def test_what_lies_before_a_test_begins_or_after_it_ends_is_refused(given: str, found: list[str]) -> None:
    assert codes(document(f"  - {{name: a, {given}}}")) == found


@pytest.mark.parametrize(
    ("word", "help"), [("unknownn", "did you mean 'unknown'?"), ("perhaps", "as in true, false, unknown")]
)
def test_a_truth_that_is_none_is_answered_with_a_word_that_is_near(word: str, help: str) -> None:
    """Of true and false, which are no words, it was a traceback."""
    lines = ("  - name: a", "    market: {vix: 15}", f"    expect: [{{after_quote: 1, because: {{stop: {word}}}}}]")
    found = load_text(document(*lines), "put_lite.test.yaml").diagnostics
    assert [each.help for each in found if f"'{word}'" in each.message] == [help]
