"""How parts of two texts find each other, and what is no change at all."""

from pathlib import Path

import pytest

from rulebot.review.change.field import Difference, Kind, Status
from rulebot.review.change.text import text_of
from tests.unit.compile.document import CONDOR
from tests.unit.review.test_change_marks import BREACH, PUT, STOP, change_at, compared, edited
from tests.unit.review.test_sections import reported

SAME = [
    ("per_day: 1\n", "per_day: 1\n  max_open: 1\n  try: until_filled\n"),
    ("  per_day: 1\n", ""),
    ("underlying: SPX\n", "underlying: SPX\nquantity: 1\n"),
    ("exits:\n", "exit_order: {start: mid, step: 0.05, wait: 10s, tries: 6}\nexits:\n"),
    (STOP, STOP + "    close: all\n    grace: 30s\n    unknown: hold\n    enabled: true\n"),
    ("wait: 10s", "wait: 10.0s"),
    ("target: {profit: 50%}", "target: {profit: 50.0%}"),
    ("    - vix: {between: [12, 22]}\n", "    - vix: {between: [12.0, 22]}\n"),
    ("sell: put, strike: {delta: 0.10,", "sell: put, ratio: 1, strike: {delta: 0.100,"),
    ("expiry: {dte: 0}", "expiry: {dte: 0, class: SPXW}"),
    ('"15:30"', '"15:30:00"'),
    ("target: {profit: 50%}\n", "target: {profit: 50%}\n    confirm: 1 quotes\n"),
]


@pytest.mark.parametrize(("old", "new"), SAME, ids=[repr(row[1])[:30] for row in SAME])
def test_what_says_the_same(old: str, new: str) -> None:
    text = edited(CONDOR, (old, new))
    found = compared(CONDOR, text)
    assert (found.status, found.changes) == (Status.SAME, ())


def test_a_value_in_place_of_its_parameter_is_only_less_easy_to_set() -> None:
    text = edited(CONDOR, ("parameters: {floor: 30 pts}\n", ""), ("$floor", "30 pts"))
    (change,) = compared(CONDOR, text).changes
    assert (change.path, change.kind, change.is_worse) == ("parameters.floor", Kind.REMOVED, False)
    assert change.words == "--set may no longer give it another value"


CALM = "    - vix: {between: [12, 22]}\n"
GROUP = "    - {name: calm, any: [{vix: {below: 15}}, {name: b, not: {time: '12:00'}}]}\n"
ARMED = "    activate_when: [{profit: {at_least: 30%}}, {time_in_trade: {above: 20m}}]\n"


@pytest.mark.parametrize(
    ("place", "old", "new"),
    [
        (CALM, GROUP, "    - {name: calm, any: [{name: b, not: {time: '12:00'}}, {vix: {below: 15}}]}\n"),
        (STOP, STOP + ARMED, STOP + "    activate_when: [{time_in_trade: {above: 20m}}, {profit: {at_least: 30%}}]\n"),
    ],
    ids=["group", "activate_when"],
)
def test_the_order_of_conditions_that_are_judged_together_means_nothing(place: str, old: str, new: str) -> None:
    found = compared(edited(CONDOR, (place, old)), edited(CONDOR, (place, new)))
    assert (found.status, found.changes) == (Status.SAME, ())


VIX = "    - {name: v, vix: {below: 22}}\n"
AS_OFTEN = "it holds when it held before"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (VIX, "    - {name: v, not: {vix: {at_least: 22}}}\n", AS_OFTEN),
        (VIX, "    - {name: v, all: [{vix: {below: 22}}]}\n", AS_OFTEN),
        (VIX, "    - {name: v, expr: 44 > 2 * vix}\n", AS_OFTEN),
        ('    - time: "11:00"\n', "    - time: open + 90m\n", AS_OFTEN),
        ('    - time: "13:15"\n', "    - time: close - 165m\n", AS_OFTEN),
        ('    - time: "13:15"\n', "    - time: open + 225m\n", "it holds less often: fewer entries"),
        (
            "    - {name: r, not: {opening_range: {first: 30m, is: inside}}}\n",
            "    - {name: r, not: {opening_range: {first: 30m, is: formed}}}\n",
            "which of the two holds more often depends on the market: read both",
        ),
        (
            "    - move: {above: 0.5x gap}\n",
            "    - move: {above: 1x gap}\n",
            "which of the two holds more often depends on the market: read both",
        ),
    ],
    ids=["not", "group", "expr", "open", "close", "half days", "range", "below zero"],
)
def test_how_often_another_condition_holds(old: str, new: str, words: str) -> None:
    """On a half day 13:15, past its close, is 10:15, and 225 minutes after the open nobody enters any more.

    While a range forms it is surely not formed, and nobody knows whether spot is inside. While the gap is down,
    the whole of it is lower than a half.
    """
    (change,) = compared(edited(CONDOR, (CALM, old)), edited(CONDOR, (CALM, new))).changes
    assert change.words == words
    assert change.is_worse is words.startswith("which")


PRICED = "legs.require.credit"


def paths(found: Difference) -> list[tuple[str, Kind]]:
    return [(change.path, change.kind) for change in found.changes]


def test_a_renamed_rule_that_was_edited_too_is_followed() -> None:
    new = edited(CONDOR, (STOP, "  - stop: {loss: $50}\n    name: hard_stop\n"))
    found = compared(CONDOR, new)
    assert paths(found) == [("exits.hard_stop.confirm", Kind.CHANGED), ("exits.hard_stop", Kind.RENAMED)]
    assert change_at(found, "exits.hard_stop").was_path == "exits.stop"
    assert "Exits       priority unchanged: time, breach, target, hard_stop" in text_of(found)


def test_a_renamed_exit_keeps_its_place_in_the_priority() -> None:
    assert not [
        each
        for each in compared(CONDOR, edited(CONDOR, (BREACH, BREACH + "    name: line\n"))).changes
        if each.path == "exits"
    ]


def test_a_renamed_group() -> None:
    group = "    - any:\n        - vix: {below: 20}\n        - gap: {beyond: 1%}\n      name: calm\n"
    old = edited(CONDOR, ("    - vix: {between: [12, 22]}\n", group))
    assert paths(compared(old, old.replace("name: calm", "name: quiet"))) == [("entry.when.quiet", Kind.RENAMED)]


def test_a_member_of_a_group_that_got_a_name_judges_as_before() -> None:
    group = "    - any:\n        - vix: {below: 20}\n        - gap: {beyond: 1%}\n      name: calm\n"
    old = edited(CONDOR, ("    - vix: {between: [12, 22]}\n", group))
    (change,) = compared(old, old.replace("- gap: {beyond: 1%}", "- {name: jump, gap: {beyond: 1%}}")).changes
    assert (change.path, change.is_worse) == ("entry.when.calm", False)
    assert change.words == "only the names of its members, under which is recorded what they say"


def test_a_rule_moved_to_another_list() -> None:
    new = edited(
        CONDOR,
        ("    - vix_change: {below: 3 pts}\n", ""),
        ("  require:\n", "  require:\n    - vix_change: {below: 3 pts}\n"),
    )
    (change,) = compared(CONDOR, new).changes
    assert (change.kind, change.was_path, change.path) == (
        Kind.MOVED,
        "entry.when.vix_change",
        "legs.require.vix_change",
    )
    assert change.is_worse


def test_renamed_legs_change_nothing_else() -> None:
    new = CONDOR.replace("short_put", "sold").replace("long_put", "bought")
    assert paths(compared(CONDOR, new)) == [("legs.sold", Kind.RENAMED), ("legs.bought", Kind.RENAMED)]


def test_symbols_that_a_sentence_only_counts_are_named_and_their_order_means_nothing() -> None:
    old = edited(
        CONDOR,
        ("let: {", "let: {few: {breadth: {of: [AAPL, MSFT]}}, "),
        ("  when:\n", "  when:\n    - {name: wide, any: [{few: {above: 20%}}, {vix: {below: 20}}]}\n"),
    )
    assert compared(old, old.replace("[AAPL, MSFT]", "[MSFT, AAPL]")).status is Status.SAME
    found = compared(old, old.replace("MSFT", "IBM"))
    assert change_at(found, "let.few").words == "IBM comes, MSFT goes; what uses it is shown there"
    assert change_at(found, "entry.when.wide").words.startswith("IBM comes, MSFT goes; which of the two holds more")


def test_a_credit_at_mid_reads_otherwise_than_at_the_price_the_order_starts_from() -> None:
    change = change_at(compared(CONDOR, edited(CONDOR, ("at_least: 0.50}", "at: mid, at_least: 0.50}"))), PRICED)
    assert (change.old, change.new) == (
        "the credit is at least 0.50 per share",
        "the credit at mid is at least 0.50 per share",
    )


def test_a_renamed_leg_that_an_expression_names() -> None:
    spoken = edited(CONDOR, (BREACH, '  - expr: "spot < strike(short_put)"\n    name: touched\n'))
    assert paths(compared(spoken, spoken.replace("short_put", "sold"))) == [("legs.sold", Kind.RENAMED)]


def test_a_let_by_another_name() -> None:
    assert paths(compared(CONDOR, CONDOR.replace("day_move", "daily"))) == [("let.daily", Kind.RENAMED)]


def test_a_let_that_measures_otherwise_is_reported_where_it_is_used() -> None:
    found = compared(CONDOR, CONDOR.replace("{expected_move: {asof: open}}", "{expected_move: {of: SPX}}"))
    assert [path for path, _ in paths(found)] == ["let.day_move", "entry.when.day_range"]


def test_parameters_one_by_one() -> None:
    old = edited(CONDOR, ("{floor: 30 pts}", "{floor: 30 pts, delta: 0.10}"), ("{delta: 0.10,", "{delta: $delta,"))
    new = edited(old, ("floor: 30 pts", "floor: 40 pts"), ("delta: 0.10}\nlet", "delta: 0.12}\nlet"))
    found = compared(old, new)
    assert [path for path, _ in paths(found)] == ["parameters.floor", "parameters.delta"]
    assert [each.path for each in change_at(found, "parameters.delta").reaches] == ["legs.short_put.strike"]
    assert not change_at(found, "parameters.floor").is_worse


def test_a_parameter_beside_another_edit_of_what_it_reaches() -> None:
    new = edited(CONDOR, ("{floor: 30 pts}", "{floor: 40 pts}"), ("{delta: 0.10, min_otm", "{delta: 0.12, min_otm"))
    assert [path for path, _ in paths(compared(CONDOR, new))] == ["parameters.floor", "legs.short_put.strike"]


def test_a_default_of_another_kind_is_reported_by_what_it_reaches() -> None:
    old = edited(
        CONDOR, ("{floor: 30 pts}", "{bound: 20}"), (", min_otm_distance: $floor", ""), ("[12, 22]", "[12, $bound]")
    )
    new = edited(
        old, ("{bound: 20}", "{bound: 2 pts}"), ("[12, $bound]", "[12, 20]"), ("{below: 3 pts}", "{below: $bound}")
    )
    found = compared(old, new)
    assert [path for path, _ in paths(found)] == ["parameters.bound", "entry.when.vix_change"]


def test_a_warning_accepted() -> None:
    (change,) = compared(CONDOR, CONDOR.replace("entry:", 'accept: {RB310: "as asked"}\nentry:')).changes
    assert (change.path, change.new, change.is_worse) == ("accept.RB310", "as asked", False)


def test_an_exit_that_stays_off() -> None:
    old = edited(CONDOR, (BREACH, BREACH + "    enabled: false\n"))
    found = compared(old, old.replace("spot_within: 5 pts", "spot_within: 2 pts"))
    assert found.status is Status.SAME


def test_an_exit_switched_on_says_what_it_does() -> None:
    old = edited(CONDOR, (BREACH, BREACH + "    enabled: false\n"))
    (change,) = compared(old, CONDOR).changes
    assert (change.path, change.is_worse) == ("exits.breach.enabled", False)
    assert change.words == "it acts again: spot is within 5 points of the strike of a short leg, or past it"


def test_an_exit_renamed_and_switched_off_is_another_one() -> None:
    new = edited(CONDOR, (STOP, "  - stop: {loss: $50}\n    name: hard_stop\n    enabled: false\n"))
    found = compared(CONDOR, new)
    assert paths(found) == [("exits.hard_stop", Kind.ADDED), ("exits.stop", Kind.REMOVED)]
    assert change_at(found, "exits.stop").is_worse
    assert change_at(found, "exits.hard_stop").new == "switched off"
    assert paths(compared(new, CONDOR)) == [("exits.stop", Kind.ADDED), ("exits.hard_stop", Kind.REMOVED)]


def test_states_that_come_and_go() -> None:
    new = PUT.replace("    resting: true\n", "").replace('  - time: "15:30"\n', "  - at_expiry: settle\n")
    assert compared(PUT, new).states == "no longer: open ──closed_out──▶ closed; new: open ──settled──▶ closed"


def test_which_positions_are_reached() -> None:
    new = edited(CONDOR, ("tries: 6", "tries: 7"), ("$50", "$40"), ("risk:\n", "risk:\n  daily_loss: $500\n"))
    lines = text_of(compared(CONDOR, new)).split("\n")
    assert "  Reaches     the next position: order.tries" in lines
    assert (
        "              positions opened from now on; an open one keeps the text it was opened with: exits.stop" in lines
    )
    assert "              at once, also while positions are open: risk.daily_loss" in lines


@pytest.mark.parametrize(
    ("old", "new", "words", "is_worse"),
    [
        ("{at_least: 30}", "{at_least: 45}", "it expires later", True),
        ("{at_least: 45}", "{at_least: 30}", "it expires sooner", False),
        ("{between: [30, 45]}", "{between: [30, 60]}", "held over up to 45 nights -> held over up to 60 nights", True),
        ("{nearest: 30}", "{at_least: 30}", "held over up to 30 nights -> held over up to as many nights", True),
    ],
)
def test_how_far_away_it_expires(old: str, new: str, words: str, is_worse: bool) -> None:
    later = edited(CONDOR, ("per_day: 1", "max_open: 1"), ('  - time: "15:30"\n', "  - dte: {at_most: 5}\n"))
    texts = [edited(later, ("{dte: 0}", f"{{dte: {each}}}")) for each in (old, new)]
    change = change_at(compared(*texts), "legs.expiry")
    assert words in change.words
    assert change.is_worse is is_worse


def test_a_class_settled_at_the_opening_prints_is_worse() -> None:
    later = edited(CONDOR, ("per_day: 1", "max_open: 1"), ("{dte: 0}", "{dte: {at_least: 30}}"))
    change = change_at(compared(later, edited(later, ("at_least: 30}}", "at_least: 30}, class: SPX}"))), "legs.expiry")
    assert "at expiry settled in cash at the opening prints" in change.words
    assert change.is_worse


LEAVES_AT_MARKET = "  - stop: {cost: 2x credit}\n    order: market\n"
RESTS = "  - stop: {cost: 2x credit}\n    resting: true\n"
TO_MARKET = "{start: mid, step: 0.05, wait: 10s, tries: 6, then: market}"


def test_an_exit_that_rested_and_now_has_an_order_of_its_own() -> None:
    watched = edited(PUT, (RESTS, LEAVES_AT_MARKET))
    found = compared(PUT, watched)
    assert change_at(found, "exits.stop.resting").is_worse
    order = change_at(found, "exits.stop.order")
    assert (order.old, order.new, order.is_worse) == ("", "at market", True)
    assert order.words == "worst price at market, at any price: no price bounds it"
    back = change_at(compared(watched, PUT), "exits.stop.order")
    assert (back.old, back.new, back.is_worse) == ("at market", "", False)


def test_an_entry_at_market_has_no_worst_price() -> None:
    """It was said to be bounded by natural, as a limit is."""
    limit = edited(PUT, ("start: mid, step: 0.05,", "start: mid, adaptive: normal,"))
    at_market = edited(limit, ("start: mid,", "start: market,"))
    start = change_at(compared(limit, at_market), "order.start")
    assert (start.old, start.new, start.is_worse) == ("mid", "market", True)
    assert start.words == (
        "worst price 0.00 from mid, at most natural, never under 1.00 (require) -> at market: no price bounds it; "
        "exits leave from mid, until done (no exit_order)"
    )
    urgent = change_at(compared(at_market, edited(at_market, ("normal", "urgent"))), "order.adaptive")
    assert urgent.words == "the broker's algorithm decides"
    assert change_at(compared(limit, edited(limit, ("normal", "urgent"))), "order.adaptive").words.endswith("the limit")


@pytest.mark.parametrize("order", ["{start: market}", "{start: market, adaptive: urgent}", TO_MARKET])
def test_an_exit_that_comes_to_a_market_order_has_no_worst_price(order: str) -> None:
    """One at market that names an algorithm, which it is not given to, was said to get natural."""
    watched = edited(PUT, (RESTS, "  - stop: {cost: 2x credit}\n    order: {start: mid, step: 0.05}\n"))
    at_market = edited(watched, ("    order: {start: mid, step: 0.05}\n", f"    order: {order}\n"))
    gone = change_at(compared(PUT, at_market), "exits.stop.order")
    assert gone.is_worse
    assert gone.words.endswith("no price bounds it")
    (change,) = compared(watched, at_market).changes
    assert change.is_worse
    assert "no price bounds it" in change.words


def test_an_exit_with_an_order_that_now_settles() -> None:
    timed = edited(PUT, ('  - time: "15:30"\n', '  - time: "15:30"\n    name: end\n    order: market\n'))
    settled = edited(PUT, ('  - time: "15:30"\n', "  - at_expiry: settle\n    name: end\n"))
    for texts in ((timed, settled), (settled, timed)):
        found = compared(*texts)
        assert change_at(found, "exits.end").words == "another kind of exit"
        assert change_at(found, "exits.end.order")


def armed(by: str) -> str:
    return edited(CONDOR, (BREACH, BREACH + f"    activate_when: {by}\n"))


@pytest.mark.parametrize(
    ("judged", "said"),
    [("max_age: 2s", "on data at most 2 s old"), ("confirm: 2 quotes", "2 readings in a row")],
)
def test_how_what_arms_an_exit_is_judged(judged: str, said: str) -> None:
    found = compared(armed("{profit: {at_least: 30%}}"), armed(f"{{profit: {{at_least: 30%}}, {judged}}}"))
    (change,) = found.changes
    assert (change.path, change.is_worse) == ("exits.breach.activate_when", True)
    assert change.new == f"the profit is at least 30% of the credit, {said}"
    assert change.words == "armed otherwise: until that was true once nothing closes by it"


NAMES_OF_CONDITIONS = "only the names of its conditions, under which is recorded what they say"
LATER = "it holds less often: a position is kept longer"
SOONER = "it holds more often: leaves sooner"


@pytest.mark.parametrize(
    ("exit", "at_natural"),
    [
        ("cost: {at_least: 2x credit}", SOONER),
        ("loss: {above: $40}", SOONER),
        ("profit: {at_least: 50%}", LATER),
        ("cost: {at_most: 0.20}", LATER),
    ],
)
def test_an_exit_that_reads_prices_at_natural(exit: str, at_natural: str) -> None:
    """Both ways it said the same price twice, and nothing was marked."""
    mid = edited(CONDOR, (BREACH, f"  - {exit}\n"))
    natural = edited(mid, (exit, exit.replace("}", ", at: natural}")))
    for old, new, words in ((mid, natural, at_natural), (natural, mid, {LATER: SOONER, SOONER: LATER}[at_natural])):
        (change,) = compared(old, new).changes
        assert (change.words, change.is_worse) == (words, words == LATER)


ROLL = BREACH + "    roll: {expiry: {dte: 1}, require: [%s, %s]}\n"
CREDIT, BELOW = "{credit: {at_least: 0.10}}", "{vix: {below: 40}}"


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        (armed(f"[{BELOW}, {{name: m, gap: {{beyond: 1%}}}}]"), ("name: m", "name: z"), "activate_when"),
        (edited(CONDOR, (BREACH, ROLL % (CREDIT, BELOW))), ("{vix:", "{name: calm, vix:"), "roll"),
    ],
)
def test_another_name_of_what_arms_or_rolls_an_exit_is_only_that(old: str, new: tuple[str, str], path: str) -> None:
    """It changed the order by names, and was marked as another arming; of a roll nothing was told."""
    (change,) = compared(old, edited(old, new)).changes
    assert (change.path, change.is_worse) == (f"exits.breach.{path}", False)
    assert change.words == NAMES_OF_CONDITIONS


def test_the_order_of_what_a_roll_asks_means_nothing() -> None:
    old, new = (edited(CONDOR, (BREACH, ROLL % each)) for each in ((CREDIT, BELOW), (BELOW, CREDIT)))
    assert compared(old, new).changes == ()


def test_a_group_that_arms_an_exit() -> None:
    group = "{name: either, any: [{profit: {at_least: 30%}}, {vix: {above: 30}}]}"
    (change,) = compared(CONDOR, armed(group)).changes
    assert change.new == "the profit is at least 30% of the credit or VIX is above 30"
    (change,) = compared(armed(group), armed(group.replace("either", "one"))).changes
    assert (change.words, change.is_worse) == (NAMES_OF_CONDITIONS, False)


RISING = edited(
    CONDOR,
    ("let: {", "let: {slow: {sma: {window: 20}}, "),
    ("sell: put, strike: {delta: 0.10,", "sell: put, strike: {delta: 0.10, max_strike: slow,"),
)


def test_a_let_that_a_strike_is_held_against() -> None:
    found = compared(RISING, edited(RISING, ("window: 20", "window: 50")))
    assert paths(found) == [("let.slow", Kind.CHANGED), ("legs.short_put.strike.max_strike", Kind.CHANGED)]
    edge = change_at(found, "legs.short_put.strike.max_strike")
    assert (edge.old, edge.new) == ("the simple average over 20 days", "the simple average over 50 days")
    assert edge.is_worse


def test_a_renamed_let_that_a_strike_is_held_against() -> None:
    assert paths(compared(RISING, RISING.replace("slow", "slower"))) == [("let.slower", Kind.RENAMED)]


RANKED = """\
rulebot: 1
name: ranked
about: Sells puts on what is dearest.
universe:
  symbols: [SPY, QQQ, AAPL]
  rank: {by: dear, highest: 1}
let: {dear: {iv_over_rv: {window: 20}}}
entry: {at: "10:00", per_day: 1, max_open: 1}
legs:
  expiry: {dte: {at_most: 7}}
LEGS
order: {start: mid, step: 0.05, wait: 10s, tries: 3, then: cancel}
exits:
  - time: "15:30"
risk:
  undefined_risk: allow
"""
ONE = "  short_put: {sell: put, strike: {delta: 0.10}}"
TWO = """\
  choose:
    - name: dear_ones
      when: [{vix: {above: 20}}]
      short_put: {sell: put, strike: {delta: 0.10}}
    - name: others
      short_put: {sell: put, strike: {delta: 0.05}}"""


@pytest.mark.parametrize("legs", [ONE, TWO], ids=["one", "choice"])
def test_a_let_that_ranks(legs: str) -> None:
    ranked = edited(RANKED, ("LEGS", legs))
    found = compared(ranked, edited(ranked, ("window: 20", "window: 40")))
    assert set(paths(found)) == {("let.dear", Kind.CHANGED), ("universe.rank", Kind.CHANGED)}
    assert change_at(found, "universe.rank").is_worse
    renamed = edited(ranked, ("by: dear,", "by: rich,"), ("{dear:", "{rich:"))
    assert paths(compared(ranked, renamed)) == [("let.rich", Kind.RENAMED)]


def on(days: str) -> str:
    return edited(CONDOR, ("  per_day: 1\n", f"  per_day: 1\n  days: {days}\n"))


def test_week_days_in_another_order_or_all_of_them_written_out() -> None:
    assert compared(on("[tue, mon]"), on("[mon, tue]")).changes == ()
    assert compared(CONDOR, on("[mon, tue, wed, thu, fri]")).changes == ()
    assert change_at(compared(on("[mon, tue]"), CONDOR), "entry.days").words.startswith("enters on Wednesdays,")
    assert change_at(compared(CONDOR, on("[mon, tue]")), "entry.days").words == "fewer days"
    moved = change_at(compared(on("[mon, tue]"), on("[tue, fri]")), "entry.days")
    assert (moved.words, moved.is_worse) == ("enters on Fridays, no longer on Mondays", True)


def again(after: str) -> str:
    return edited(CONDOR, ("  per_day: 1\n", f"  per_day: 3\n  max_open: 3\n  again: {{after: {after}}}\n"))


def test_what_lets_it_enter_again_in_another_order() -> None:
    assert compared(again("[unfilled, target]"), again("[target, unfilled]")).changes == ()


@pytest.mark.parametrize(
    ("window", "until", "is_the_same"),
    [
        ('"13:30"', '"13:30"', True),
        ("close - 150m", '"13:30"', True),  # on a half day the window ends before it
        ('"13:30"', "close - 150m", False),  # on a half day it comes before the window's end
        ('"13:30"', '"13:29"', False),
    ],
)
def test_an_end_of_again_is_reported_where_it_comes_before_the_windows(
    window: str, until: str, is_the_same: bool
) -> None:
    without = edited(again("[target]"), ('to: "13:30"', f"to: {window}"))
    found = compared(without, edited(without, ("{after: [target]}", f"{{after: [target], until: {until}}}")))
    assert (found.changes == ()) is is_the_same
    assert not any(change.is_worse for change in found.changes)


@pytest.mark.parametrize(
    ("old", "new", "is_worse"),
    [
        ("close - 3h", '"13:00"', True),
        ('"13:00"', "close - 3h", False),
        ('"12:00"', '"13:00"', True),
        ('"13:29"', '"13:00"', False),  # on half days both come after the close
    ],
)
def test_an_end_of_again_that_comes_later_half_days_too(old: str, new: str, is_worse: bool) -> None:
    texts = [edited(again("[target]"), ("{after: [target]}", f"{{after: [target], until: {at}}}")) for at in (old, new)]
    (change,) = compared(*texts).changes
    assert (change.path, change.is_worse) == ("entry.again", is_worse)


def test_all_legs_by_their_names_leave_nothing_open() -> None:
    named = edited(CONDOR, (STOP, f"{STOP}    close: [short_put, long_put, short_call, long_call]\n"))
    change = change_at(compared(CONDOR, named), "exits.stop.close")
    assert (change.words, change.is_worse) == ("all of its legs, as before", False)
    back = change_at(compared(named, CONDOR), "exits.stop.close")
    assert (back.words, back.is_worse) == ("all that it holds, as before", False)


def test_any_end_lets_it_enter_again_more_often_than_one() -> None:
    texts = [again("[any]"), again("[filled]")]
    assert not change_at(compared(*texts), "entry.again").is_worse
    assert change_at(compared(*reversed(texts)), "entry.again").is_worse


@pytest.mark.parametrize("legs", [ONE, TWO], ids=["one", "choice"])
@pytest.mark.parametrize(
    ("symbols", "words"),
    [
        ("[QQQ, SPY, AAPL]", "the same symbols in another order"),
        ("[QQQ, AAPL]", "SPY goes"),
        ("[MSFT, QQQ]", "MSFT comes"),
    ],
)
def test_a_universe_that_begins_with_another_symbol(legs: str, symbols: str, words: str) -> None:
    old = edited(RANKED, ("LEGS", legs))
    found = compared(old, edited(old, ("[SPY, QQQ, AAPL]", symbols)))
    (change,) = found.changes
    assert change.path == "underlying"
    assert words in change.words
    assert all(loss.was == loss.now for loss in found.losses)


MORE, LESS, UNCLEAR = "it holds more often", "it holds less often", "which of the two holds more often depends"


@pytest.mark.parametrize(
    ("old", "new", "words", "turned"),
    [
        ("before: 1d, after: 2h", "before: 1d", MORE, LESS),
        ("before: 1d, after: 2h", "after: 2h", MORE, LESS),
        ("before: 1d", "before: 1d, until: expiry", LESS, MORE),
        ("until: expiry, after: 2h", "until: expiry", MORE, LESS),
        ("until: expiry", "", MORE, LESS),
        ("before: 1d", "", UNCLEAR, UNCLEAR),
        ("before: 1d", "after: 2h", UNCLEAR, UNCLEAR),
        ("before: 1d, after: 2h", "before: 2d", UNCLEAR, UNCLEAR),
        ("until: expiry", "before: 1d", UNCLEAR, UNCLEAR),
    ],
)
def test_what_an_event_keeps_out_without_one_of_its_spans(old: str, new: str, words: str, turned: str) -> None:
    """A day without a span is the whole of it: of that and of a span nobody can say which is the longer."""
    texts = [edited(CONDOR, ("vix: {between: [12, 22]}", f"no_event: {{of: [FOMC], {each}}}")) for each in (old, new)]
    for pair, said in ((texts, words), (texts[::-1], turned)):
        (change,) = compared(*pair).changes
        assert change.words.startswith(said)
        assert change.is_worse is (said != LESS)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [("before: 1d, after: 2h", "before: 1d", LESS), ("before: 1d, until: expiry", "before: 1d", UNCLEAR)],
)
def test_an_event_that_may_be_on_without_a_known_expiry(old: str, new: str, words: str) -> None:
    texts = [edited(CONDOR, ("vix: {between: [12, 22]}", f"event: {{of: [FOMC], {each}}}")) for each in (old, new)]
    (change,) = compared(*texts).changes
    assert change.words.startswith(words)


@pytest.mark.parametrize(
    ("old", "new", "listed"),
    [
        ("vix: {between: [12, 22]}", "no_event: [LISTED]", ("CPI", "FOMC")),
        ("vix: {between: [12, 22]}", "breadth: {of: [LISTED], above: 50%}", ("AAPL", "MSFT")),
        ("{spot_within: 5 pts}", "{spot_within: 5 pts, of: [LISTED]}\n    close: all", ("short_put", "short_call")),
    ],
)
def test_a_measure_of_the_same_in_another_order(old: str, new: str, listed: tuple[str, str]) -> None:
    orders = (", ".join(listed), ", ".join(reversed(listed)))
    texts = [edited(CONDOR, (old, new.replace("LISTED", each))) for each in orders]
    assert compared(*texts).changes == ()


@pytest.mark.parametrize(
    ("old", "one", "other"),
    [
        ('"15:30"', '"15:30"', '"15:30:00"'),
        ("12, 22", "22", "22.0"),
        ("max_loss_per_trade: $1000", "$1000", "$1000.00"),
        ("wait: 10s", "60s", "1m"),
    ],
)
def test_a_default_written_in_another_way(old: str, one: str, other: str) -> None:
    key, _, _ = old.rpartition(" ")
    place = f"{key} $given".strip()
    texts = [edited(CONDOR, (old, place), ("floor: 30 pts", f"floor: 30 pts, given: {each}")) for each in (one, other)]
    assert compared(*texts).changes == ()


def test_a_default_of_points_written_in_another_way() -> None:
    assert compared(CONDOR, edited(CONDOR, ("floor: 30 pts", "floor: 30.0 pts"))).changes == ()
    assert paths(compared(CONDOR, edited(CONDOR, ("floor: 30 pts", "floor: 31 pts")))) == [
        ("parameters.floor", Kind.CHANGED)
    ]


def test_a_part_of_shares_is_reported_where_it_stands() -> None:
    old = edited(
        RANKED,
        ("LEGS", ONE.replace("put", "call")),
        ("entry:", "quantity: {overwrite: {between: [25%, 50%]}}\nentry:"),
        ("risk:\n  undefined_risk: allow", "risk: {daily_loss: $100}"),
    )
    change = change_at(compared(old, edited(old, ("50%", "60%"))), "quantity.overwrite")
    assert (change.applies, change.is_worse) == ("next", True)
    wider = edited(old, ("25%", "20%"))
    change = change_at(compared(old, wider), "quantity.overwrite")
    assert (change.words, change.is_worse) == (
        "calls are sold also where no whole number of them was in the band",
        True,
    )
    assert not change_at(compared(wider, old), "quantity.overwrite").is_worse


def test_a_rule_of_all_that_is_called_as_an_alternative_is() -> None:
    old = edited(RANKED, ("LEGS", TWO.replace("others", "vix")), ("entry: {", "entry: {when: [{vix: {below: 20}}], "))
    new = edited(old, ("{vix: {below: 20}}", "{vix: {below: 20}, confirm: 2 quotes}"))
    assert [change.path for change in compared(old, new).changes] == ["entry.when.vix.confirm"]


LADDER = "{start: mid, step: 0.05, wait: 10s, then: again}"


def test_the_order_of_exits_written_out_without_tries_that_it_does_not_count() -> None:
    assert compared(CONDOR, edited(CONDOR, ("exits:\n", f"exit_order: {LADDER}\nexits:\n"))).changes == ()
    assert compared(CONDOR, edited(CONDOR, (BREACH, BREACH + f"    order: {LADDER}\n"))).changes == ()


@pytest.mark.parametrize(
    "place", [("exits:\n", "exit_order: LADDER\nexits:\n"), (BREACH, BREACH + "    order: LADDER\n")]
)
def test_an_exit_that_no_longer_steps_may_never_be_filled(place: tuple[str, str]) -> None:
    texts = [edited(CONDOR, place).replace("LADDER", each) for each in (LADDER, LADDER.replace(" step: 0.05,", ""))]
    (change,) = compared(*texts).changes
    assert (change.words, change.is_worse) == ("worst price natural -> mid, however long it takes", True)
    (back,) = compared(*reversed(texts)).changes
    assert back.words == "worst price mid, however long it takes -> natural"


@pytest.mark.parametrize(
    ("was", "now", "key"),
    [
        ("{start: natural, wait: 5s, tries: 3, then: market}", "{start: natural, wait: 5s, then: again}", "then"),
        ("{start: market}", "{start: natural, wait: 5s}", "start"),
        (TO_MARKET, TO_MARKET.replace("tries: 6, then: market", "then: again"), "then"),
    ],
)
def test_an_exit_that_no_market_order_ends_any_more_may_wait_for_quotes(was: str, now: str, key: str) -> None:
    """A market order needs no quotes, a limit does: that an exit had lost it was marked as no risk."""
    section = [edited(CONDOR, ("exits:\n", f"exit_order: {each}\nexits:\n")) for each in (was, now)]
    own = [edited(CONDOR, (BREACH, f"{BREACH}    order: {each}\n")) for each in (was, now)]
    for texts, path in ((section, f"exit_order.{key}"), (own, "exits.breach.order")):
        reported = {each.path: each for each in compared(*texts).changes if "no market order ends it" in each.words}
        assert (list(reported), reported[path].is_worse) == ([path], True)
        assert not any("no market order" in each.words for each in compared(*reversed(texts)).changes)


def test_a_step_of_an_order_that_starts_at_natural_risks_nothing() -> None:
    """No try goes past natural: a wider step was marked as a worse price."""
    text = edited(CONDOR, ("exits:\n", "exit_order: {start: natural, step: 0.05, tries: 3, then: market}\nexits:\n"))
    (change,) = compared(text, edited(text, ("natural, step: 0.05", "natural, step: 0.20"))).changes
    assert (change.path, change.is_worse) == ("exit_order.step", False)


@pytest.mark.parametrize(
    ("place", "path"),
    [
        (("exits:\n", "exit_order: LADDER\nexits:\n"), "exit_order"),
        ((BREACH, BREACH + "    order: LADDER\n"), "exits.breach.order"),
    ],
)
@pytest.mark.parametrize(
    ("old", "new", "key"),
    [("wait: 10s", "wait: 60s", "wait"), ("step: 0.05", "step: 0.05, pause: 1m", "pause"), ("0.10", "0.05", "step")],
)
def test_an_exit_that_takes_longer_continues_losing(
    place: tuple[str, str], path: str, old: str, new: str, key: str
) -> None:
    """A closing order that worked a minute at each price, in place of ten seconds, was marked as no risk."""
    ladder = LADDER.replace("0.05", "0.10") if key == "step" else LADDER
    texts = [edited(CONDOR, place).replace("LADDER", each) for each in (ladder, ladder.replace(old, new))]
    (change,) = compared(*texts).changes
    assert (change.path, change.is_worse) == (f"{path}.{key}" if path == "exit_order" else path, True)
    assert change.words.endswith("until then a loss runs on")
    (back,) = compared(*reversed(texts)).changes
    assert "a loss runs on" not in back.words


@pytest.mark.parametrize(
    ("was", "now", "key"),
    [
        ("{start: natural, wait: 5s}", "{start: mid, step: 0.05, wait: 5s}", "start"),
        ("{start: market}", "{start: mid, step: 0.05, wait: 60s}", "start"),
        ("{start: market}", TO_MARKET, "start"),
        ("{start: mid, step: 0.05, wait: 10s}", "{start: mid, step: 0.10, wait: 30s}", "wait"),
        ("{start: mid, step: 0.10, wait: 20s}", "{start: mid, step: 0.02, wait: 10s}", "step"),
        ("{start: natural, step: 0.05, wait: 10s}", "{start: natural, step: 0.10, wait: 30s}", "wait"),
        (TO_MARKET, TO_MARKET.replace("tries: 6", "tries: 9"), "tries"),
        (TO_MARKET, TO_MARKET.replace("tries: 6", "tries: 5, pause: 10s"), "pause"),
        (TO_MARKET, TO_MARKET.replace("wait: 10s", "wait: 8s"), ""),
        (TO_MARKET, "{start: natural, wait: 15s, tries: 1, then: market}", ""),
        (TO_MARKET, "{start: mid, step: 0.05, wait: 20s, tries: 2, then: market}", ""),
        (TO_MARKET, TO_MARKET.replace("0.05", "0.02"), ""),
        (TO_MARKET, "{start: market}", ""),
        ("{start: mid, step: 0.05, wait: 10s}", "{start: mid, step: 0.20, wait: 20s}", ""),
        ("{start: mid, step: 0.05, wait: 10s}", "{start: natural, wait: 60s}", ""),
        ("{start: natural, step: 0.10, wait: 10s}", "{start: natural, step: 0.05, wait: 10s}", ""),
        ("{start: market, wait: 10s}", "{start: market, wait: 60s}", ""),
    ],
)
def test_an_exit_is_reported_once_to_come_later_to_its_last_price_and_only_if_it_does(
    was: str, now: str, key: str
) -> None:
    """It was said of what came sooner, on four lines at once, and not of an exit that now walks from mid to natural."""
    section = [edited(CONDOR, ("exits:\n", f"exit_order: {each}\nexits:\n")) for each in (was, now)]
    slowed = [each for each in compared(*section).changes if "until then a loss runs on" in each.words]
    assert [(each.path, each.is_worse) for each in slowed] == ([(f"exit_order.{key}", True)] if key else [])
    own = [edited(CONDOR, (BREACH, f"{BREACH}    order: {each}\n")) for each in (was, now)]
    is_slowed = ["until then a loss runs on" in each.words and each.is_worse for each in compared(*own).changes]
    assert is_slowed in ([bool(key)], [])


@pytest.mark.parametrize(
    ("was", "now", "key"),
    [
        ("step: 0.05", "step: 0.02", "step"),
        ("start: mid", "start: natural", ""),
        ("step: 0.05, wait: 10s", "step: 0.20, wait: 20s", ""),
        ("start: natural", "start: mid", "start"),
    ],
)
def test_exits_that_leave_by_the_ladder_of_the_entry_come_later_by_its_step_and_start(
    was: str, now: str, key: str
) -> None:
    """A smaller step was not marked there, and a quicker walk was for its longer wait."""
    text = CONDOR if was in CONDOR else edited(CONDOR, (now, was))
    slowed = [each for each in compared(text, edited(text, (was, now))).changes if "a loss runs on" in each.words]
    assert [(each.path, each.is_worse) for each in slowed] == ([(f"order.{key}", True)] if key else [])


def test_an_entry_that_takes_longer_is_reported_to_slow_the_exits_that_leave_by_its_ladder() -> None:
    (change,) = compared(CONDOR, edited(CONDOR, ("wait: 10s", "wait: 60s"))).changes
    assert (change.path, change.is_worse) == ("order.wait", True)
    assert "exits leave by the same ladder" in change.words
    own = edited(CONDOR, ("exits:\n", f"exit_order: {LADDER}\nexits:\n"))
    (change,) = compared(own, edited(own, ("wait: 10s", "wait: 60s"))).changes
    assert (change.words, change.is_worse) == ("how long each try works", False)


def test_an_exit_of_each_side_closes_the_one_that_it_is_true_of() -> None:
    """All four legs were named, and alone."""
    each = BREACH.replace("5 pts", "5 pts, of: each_side")
    change = change_at(compared(CONDOR, edited(CONDOR, (BREACH, each))), "exits.breach.close")
    assert (change.old, change.new) == ("the whole position", "the side that it is true of, alone")
    short = BREACH.replace("5 pts", "5 pts, of: each_short")
    unbound = edited(CONDOR, ("max_loss_per_trade: $1000", "undefined_risk: allow"))
    change = change_at(compared(unbound, edited(unbound, (BREACH, short))), "exits.breach.close")
    assert change.new == "the short leg that it is true of, alone"
    everything = edited(CONDOR, (BREACH, f"{each}    close: all\n"))
    (change,) = compared(edited(CONDOR, (BREACH, each)), everything).changes
    assert (change.new, change.is_worse) == ("the whole position", False)


def test_a_renamed_leg_with_an_expiry_of_its_own_is_the_same_leg() -> None:
    text = (Path(__file__).parents[3] / "examples/double_calendar.yaml").read_text()
    found = compared(text, text.replace("back_put", "later_put"))
    assert paths(found) == [("legs.later_put", Kind.RENAMED)]


def test_some_legs_against_the_whole_credit_are_reported_with_both_prices() -> None:
    old, new = "stop: {loss: 200%, of: short_put}", "stop: {cost: 2x credit, of: short_put}"
    text = edited(CONDOR, ("stop: {loss: $50}", old))
    (change,) = compared(text, edited(text, (old, new))).changes
    assert change.new == "of short_put: once closing costs 2 times the credit of the whole structure or more"
    assert change.words.endswith("0.55 sold: bought back at about 1.65 -> bought back at about 1.00")


def test_what_some_legs_cost_from_the_start_is_reported() -> None:
    text = edited(
        CONDOR, ("stop: {loss: $50}", "stop: {cost: 1.2x credit, of: [short_put, short_call]}\n    close: all")
    )
    assert "true as soon as the position is open" in reported(text)


def test_a_wider_structure_below_the_same_limit_is_marked() -> None:
    text = edited(CONDOR, ("  require:\n    - credit: {at_least: 0.50}\n", ""))
    (change,) = compared(text, edited(text, ("by: 10 pts", "by: 15 pts"))).changes
    assert (change.path, change.is_worse) == ("legs.long_put.strike", True)
    assert "the example could lose $" in change.words


def test_once_a_measure_is_the_measure() -> None:
    old = edited(CONDOR, ("below: 0.6x day_move", "below: day_move"))
    assert compared(old, edited(old, ("below: day_move", "below: 1x day_move"))).changes == ()


def test_exits_that_are_called_after_a_renamed_leg_are_reported() -> None:
    old = edited(CONDOR, (BREACH, "  - breach: {spot_within: 5 pts, of: short_put}\n"))
    (change,) = compared(old, old.replace("short_put", "sold_put")).changes
    assert change.words.endswith("an open position continues under breach.short_put")
    assert change.is_worse


@pytest.mark.parametrize("kind", ["all", "any"])
def test_a_group_holds_as_its_one_member_does_that_was_edited(kind: str) -> None:
    text = f"    - {{name: calm, {kind}: [{{event: {{of: [FOMC], before: 2h}}}}, {{vix: {{below: 20}}}}]}}\n"
    texts = [edited(CONDOR, (CALM, each)) for each in (text, text.replace("2h", "3h"))]
    for pair, words in ((texts, "more often: entries that it kept out are made"), (texts[::-1], "less often: fewer")):
        (change,) = compared(*pair).changes
        assert change.words.startswith(f"it holds {words}")


def test_all_of_some_in_place_of_any_of_them_holds_less_often() -> None:
    text = "    - {name: calm, any: [{event: {of: [FOMC], before: 2h}}, {vix: {below: 20}}]}\n"
    texts = [edited(CONDOR, (CALM, each)) for each in (text, text.replace("any:", "all:"))]
    for pair, is_worse in ((texts, False), (texts[::-1], True)):
        (change,) = compared(*pair).changes
        assert change.is_worse is is_worse


def test_no_warnings_are_looked_for_where_two_texts_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """To look for them took a third of the time."""
    monkeypatch.setattr("rulebot.compile.build.lint", lambda *_: pytest.fail("nobody asks for warnings"))
    text = CONDOR.replace("about: ", "about: Once more. ", 1).replace("stop: {loss: $50}", "stop: {loss: $80}", 1)
    assert change_at(compared(CONDOR, text), "exits.stop").is_worse
