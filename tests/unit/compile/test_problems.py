"""Every diagnostic of the compiler: one change to a sound spec, its code, and exactly what is marked."""

import pytest
from document import CONDOR, changed, places, plan_of, problems

from rulebot.compile.build import build_plan
from rulebot.compile.problem import CODES
from rulebot.spec.load import load_text
from rulebot.spec.spec import OnUnfilled

VIX = "- vix: {between: [12, 22]}"
ALL_LEGS = "short_put, long_put, short_call, long_call"
BREACH = "- breach: {spot_within: 5 pts}"


def on(symbol: str, expiry: str) -> str:
    """Return the condor on an index, with this expiry; it is closed on the day, whatever day it expires on."""
    text = changed("underlying: SPX", f"underlying: {symbol}").replace("dte: 0}", f"{expiry}}}", 1)
    return text.replace("per_day: 1", "per_day: 1\n  max_open: 1", 1)


def expr(text: str) -> str:
    return changed(VIX, f"- {{name: e, expr: '{text}'}}")


def again(until: str, when: str = 'window: {from: "10:00", to: "13:30"}') -> str:
    """Return the condor with such a window or times, and with `again` until then."""
    return changed('window: {from: "10:00", to: "13:30"}', f"{when}\n  again: {{after: [stop], until: {until}}}")


CASES = [
    (changed(VIX, "- vix: {between: [22, 12]}"), "RB203", "[22, 12]"),
    (changed(VIX, "- vix: {below: 0.9x spot}"), "RB203", "0.9x spot"),
    (changed(VIX, "- rv: {window: 1, below: 12%}"), "RB207", "1"),
    (changed(VIX, "- iv_over_rv: {window: 1, above: 1.0}"), "RB207", "1"),
    (changed(VIX, "- iv_over_rv: {estimator: yang_zhang, window: 1, above: 1.0}"), "RB207", "1"),
    (changed(VIX, "- move: {beyond: -1%}"), "RB156", "-1%"),
    (changed(VIX, "- move: {beyond: -10 pts}"), "RB156", "-10 pts"),
    (changed(VIX, "- move: {beyond: -1x day_move}"), "RB156", "-1x day_move"),
    (changed(VIX, "- gap: {beyond: -0.5%}"), "RB156", "-0.5%"),
    (changed(VIX, "- any: [{vix_change: {beyond: -3 pts}}]\n      name: either"), "RB156", "-3 pts"),
    (CONDOR + "  halt_when: [{vix_change: {beyond: -3 pts}}]\n", "RB156", "-3 pts"),
    (changed(VIX, "- move: {beyond: $far}").replace("30 pts}", "30 pts, far: -1%}", 1), "RB156", "$far"),
    (changed(VIX, "- vix: {below: day_move}"), "RB203", "day_move"),
    (
        changed("{asof: open}", "{asof: open, method: iv}"),
        "RB207",
        "{asof: open, method: iv}",
    ),
    (changed(VIX, "- credit: {at_least: 0.50}"), "RB206", "credit"),
    (changed(VIX, "- move: {since: entry, above: 1%}"), "RB206", "entry"),
    (expr("spot > vix_change"), "RB203", "spot > vix_change"),
    (expr("1 / spot > 2"), "RB203", "1 / spot"),
    (expr("spot - day_mov < 3"), "RB112", "day_mov"),
    (expr("credit > 1"), "RB206", "credit"),
    (expr("spot"), "RB211", "spot"),
    (expr("spot > 3 and vix"), "RB211", "vix"),
    (expr("(spot > 3) + 1 > 2"), "RB211", "spot > 3"),
    (expr("vix == 3"), "RB212", "vix == 3"),
    (expr("spot.real > 3"), "RB210", "spot.real"),
    (expr("spot[0] > 3"), "RB210", "spot[0]"),
    (expr("vix / 0 > 1"), "RB210", "0"),
    (expr("vix / (2 - 2) > 1"), "RB210", "2 - 2"),
    (expr("vix / (vix - vix) > 1"), "RB210", "vix - vix"),
    (expr("vix / (3 * 0 * vix9d) > 1"), "RB210", "3 * 0 * vix9d"),
    (expr("spot ** 2 > 3"), "RB210", "spot ** 2"),
    (expr("spot % 2 > 3"), "RB210", "spot % 2"),
    (expr("1 if spot > 3 else 2"), "RB210", "1 if spot > 3 else 2"),
    (expr("(x := 3) > 2"), "RB210", "x := 3"),
    (expr("spot > True"), "RB210", "True"),
    (expr("max(spot) > 3"), "RB207", "max(spot)"),
    (expr("eval(3) > 3"), "RB112", "eval"),
    (expr("spot(ABC) > 3"), "RB201", "spot(ABC)"),
    (expr("spot > 3; vix > 2"), "RB210", ";"),
    (expr("spot = 3"), "RB210", "="),
    (expr("spot > 3;"), "RB210", ";"),
    (expr("spot > 3 # and vix < 9"), "RB210", "#"),
    (expr("ｓpot > 3"), "RB210", "ｓpot"),
    (expr("spot > 3 and True"), "RB210", "True"),
    (expr("spot > 010"), "RB151", "0"),
    (expr("spot > 0x1f"), "RB151", "0x1f"),
    (expr("spot > 1e3"), "RB151", "1e3"),
    (expr("(spot) > .5"), "RB151", ".5"),
    (expr("spot > 1_000"), "RB151", "1_000"),
    (expr("abs(spot - 5.) > 3"), "RB151", "5."),
    (expr("not (spot >"), "RB210", "("),
    (expr("-" * 400 + "1 > 2"), "RB213", None),
    (expr("1" + "+1" * 120 + " > 2"), "RB213", None),
    (changed("- credit: {at_least: 0.50}", "- debit: {at_least: 0.50}"), "RB205", "{at_least: 0.50}"),
    (changed("stop: {loss: $50}", "stop: {value: 0.50}"), "RB205", "0.50"),
    (changed("target: {profit: 50%}", "cost: {of: long_put, below: 0.05}"), "RB205", "{of: long_put, below: 0.05}"),
    (changed("target: {profit: 50%}", "cost: {of: long_legs, below: 0.05}"), "RB205", "{of: long_legs, below: 0.05}"),
    (changed("target: {profit: 50%}", "value: {of: short_put, below: 2}"), "RB205", "{of: short_put, below: 2}"),
    (
        changed("stop: {loss: $50}", "stop: {loss: $50}\n    activate_when: {value: {below: 0.50}}"),
        "RB205",
        "{below: 0.50}",
    ),
    (
        changed("target: {profit: 50%}", "value: {of: [short_put, long_put], below: 2}"),
        "RB205",
        "{of: [short_put, long_put], below: 2}",
    ),
    (changed('  - time: "15:30"\n', ""), "RB208", "exits"),
    (changed('- time: "15:30"\n', '- time: "15:30"\n    enabled: false\n'), "RB208", "exits"),
    (changed("  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}\n", ""), "RB209", "short_put"),
    (changed("below: short_put", "below: short_putt"), "RB201", "short_putt"),
    (changed("delta: 0.10, min_otm", "below: long_put, by: 5 pts, min_otm"), "RB202", None),
    (changed("by: 10 pts", "by: 0 pts"), "RB230", "0 pts"),
    (changed("by: 10 pts", "by: [10 pts, 0 pts]"), "RB230", "0 pts"),
    (changed("by: 10 pts", "by: [10 pts, 5 pts], round: away"), "RB230", "away"),
    (changed("{delta: 0.10}", "{premium: 0}"), "RB230", "0"),
    (changed("{delta: 0.10}", "{delta: {at_most: 1}}"), "RB230", "1"),
    (changed("{delta: 0.10}", "{delta: 0.10, min_strike: vix}"), "RB203", "vix"),
    (changed('to: "13:30"', 'to: "09:30"'), "RB240", '"09:30"'),
    (changed('to: "13:30"', 'to: "16:30"'), "RB240", '"16:30"'),
    (changed('"15:30"', '"10:00"'), "RB240", '"10:00"'),
    (changed("    confirm: 2 quotes", "    resting: true"), "RB220", "true"),
    (changed(BREACH, f"{BREACH}\n    order: market"), "RB310", "market"),
    (changed(BREACH, "- breach: {spot_within: 5 pts, of: short_pit}"), "RB201", "short_pit"),
    (changed("underlying: SPX", "underlying: VIX"), "RB232", "VIX"),
    (changed("underlying: SPX", "underlying: VIXW"), "RB232", "VIXW"),
    (changed("underlying: SPX", "underlying: MRUT"), "RB232", "MRUT"),
    (changed("underlying: SPX", "underlying: SPXW"), "RB232", "SPXW"),
    (changed("underlying: SPX", "underlying: NDXP"), "RB232", "NDXP"),
    (changed("start: mid", "start: market"), "RB223", "market"),
    (changed("then: cancel", "then: unwind"), "RB224", "unwind"),
    (changed("then: cancel", "then: cancel, adaptive: normal"), "RB222", "normal"),
    (changed("then: cancel", f"then: cancel, leg_by_leg: [{ALL_LEGS}]"), "RB224", "order"),
    (
        changed("then: cancel", "then: unwind, leg_by_leg: [short_put, long_put, short_call]"),
        "RB221",
        "[short_put, long_put, short_call]",
    ),
    (changed("  per_day: 1", "  per_day: 1\n  again: {after: [stpo]}"), "RB201", "stpo"),
    (changed("  per_day: 1", '  per_day: 1\n  again: {after: [stop], until: "09:45"}'), "RB242", '"09:45"'),
    (again('"13:31"'), "RB243", '"13:31"'),
    (again("close - 1h", 'at: "10:00"'), "RB243", "close - 1h"),
    (again('"14:30"', 'window: [{from: "10:00", to: "11:00"}, {from: "13:00", to: "14:00"}]'), "RB243", '"14:30"'),
    (changed("about:", "accept: {RB310: fine}\nabout:"), "RB300", "RB310"),
    (changed("dte: 0", "dte: {between: [9, 3]}"), "RB260", "{between: [9, 3]}"),
    (changed("dte: 0}", "dte: 0, class: SPXX}"), "RB260", "SPXX"),
    (changed("dte: 0}", "dte: {at_most: 0}, class: SPX}"), "RB260", "SPX"),
    (on("XSP", "dte: 0, class: XSPW"), "RB260", "XSPW"),
    (on("NDX", "dte: 0, class: NDX"), "RB260", "NDX"),
    (on("RUT", "dte: 0, class: RUT"), "RB260", "RUT"),
    (on("RUT", "dte: 0, class: NDXP"), "RB260", "NDXP"),
    (changed("dte: 0}", "dte: 1}").replace("per_day: 1\n", "max_open: 1\n  days: [fri]\n"), "RB260", "1"),
]


@pytest.mark.parametrize(
    ("symbol", "expiry"),
    [
        ("XSP", "dte: 0"),
        ("XSP", "dte: {nearest: 45}, cycle: monthly"),
        ("NDX", "dte: 0"),
        ("NDX", "dte: 0, class: NDXP"),
        ("NDX", "dte: 1, class: NDX"),
        ("RUT", "dte: 0, class: RUTW"),
        ("RUT", "dte: {nearest: 45}, class: RUT, cycle: monthly"),
    ],
)
def test_options_on_these_indices_and_of_their_classes_are_sound(symbol: str, expiry: str) -> None:
    assert [each for each in problems(on(symbol, expiry)) if each.is_error] == []


def test_what_can_be_traded_is_named_where_an_index_is_not() -> None:
    (found,) = problems(changed("underlying: SPX", "underlying: VIX"))
    assert (
        found.message == "VIX is an index, and the only ones whose options this engine knows are SPX, XSP, NDX and RUT"
    )
    (found,) = problems(changed("underlying: SPX", "underlying: NDXP"))
    assert found.help == "write 'NDX'; 'expiry: {dte: 0}' selects NDXP"
    (found,) = problems(on("XSP", "dte: 0, class: SPXW"))
    assert found.help == "all options on XSP have the class XSP: omit 'class'"


@pytest.mark.parametrize(("text", "code", "marked"), CASES, ids=[f"{n}-{case[1]}" for n, case in enumerate(CASES)])
def test_one_problem_at_its_place(text: str, code: str, marked: str | None) -> None:
    found = places(text)
    assert [each for each, _ in found] == [code]
    assert marked is None or found[0][1] == marked


def test_the_sound_spec_has_no_problem() -> None:
    assert problems(CONDOR) == []


def test_every_code_is_explained() -> None:
    assert {code for _, code, _ in CASES} <= set(CODES)


@pytest.mark.parametrize("estimator", ["parkinson", "intraday"])
def test_a_range_is_of_one_session_too(estimator: str) -> None:
    assert problems(changed(VIX, f"- rv: {{estimator: {estimator}, window: 1, below: 12%}}")) == []


def test_a_distance_of_nothing_and_what_is_written_instead_of_a_negative_one() -> None:
    (found,) = problems(changed(VIX, "- move: {beyond: 0%}"))
    assert (found.code, found.help) == ("RB360", "write how far, as in 'beyond: 1%'")
    (found,) = problems(changed(VIX, "- move: {beyond: -1x day_move}"))
    assert found.help == "'below: -1x day_move' is true on that side alone, 'beyond: 1x day_move' on both"


def test_a_day_on_which_nothing_expires_is_said_in_words() -> None:
    text = changed("  per_day: 1", "  per_day: 1\n  days: [fri]\n  max_open: 1")
    for dte, words in (("1", "1 day"), ("{between: [1, 2]}", "1 and 2 days")):
        (found,) = problems(text.replace("dte: 0", f"dte: {dte}"))
        assert found.message == f"from an entry on fri an expiry in {words} is on a weekend: there is none"


def test_columns_count_characters_after_wide_ones() -> None:
    text = changed("about: A condor to change one thing of.", "about: Ein Kondor für jeden Tag.")
    text = text.replace(VIX, '- {name: e, expr: "spot > 3 and ü > 2"}')
    assert places(text) == [("RB112", "ü")]


def test_a_position_that_outlives_its_day_needs_max_open() -> None:
    text = changed("dte: 0", "dte: {at_least: 40}").replace('- time: "15:30"', "- dte: {at_most: 20}")
    assert [code for code, _ in places(text)] == ["RB241"]
    assert places(text.replace("per_day: 1", "per_day: 1\n  max_open: 3")) == []


MONTHS = changed("dte: 0", "dte: {nearest: 30}").replace("- breach: {spot_within: 5 pts}", "- at_expiry: settle")
TIMED = '- time: "15:30"'
REQUIRED = ["RB241"]


@pytest.mark.parametrize(
    ("exits", "codes"),
    [
        (f"{TIMED}\n    close: 50%", REQUIRED),
        (f"{TIMED}\n    close: 60%", ["RB348"]),
        (f"{TIMED}\n    close: 100%", []),
        (f"{TIMED}\n    close: put_side", REQUIRED),
        (f"{TIMED}\n    close: [short_put, long_put, short_call, long_call]", []),
        (f'{TIMED}\n    close: put_side\n  - {{name: calls, time: "15:40", close: call_side}}', []),
        (f"{TIMED}\n    activate_when: {{sessions_in_trade: {{at_least: 1}}}}", REQUIRED),
        (f"{TIMED}\n    roll: {{expiry: {{dte: 30}}}}", REQUIRED),
        (f"{TIMED}\n    enabled: false", REQUIRED),
        (f'{TIMED}\n    close: 50%\n  - {{name: last, time: "15:40"}}', []),
    ],
)
def test_a_time_exit_that_may_leave_something_ends_no_day(exits: str, codes: list[str]) -> None:
    two = (
        MONTHS.replace("about:", "quantity: 2\nabout:").replace("$1000", "$4000").replace("{loss: $50}", "{loss: $500}")
    )
    assert [code for code, _ in places(two.replace(TIMED, exits))] == codes


def test_one_structure_is_closed_by_any_part_of_it() -> None:
    assert places(MONTHS.replace(TIMED, f"{TIMED}\n    close: 10%")) == [("RB348", "10%")]
    assert [code for code, _ in places(MONTHS)] == []


def test_a_time_exit_that_is_armed_on_a_later_day_keeps_no_entry_out() -> None:
    late = '- time: "09:45"\n    activate_when: {sessions_in_trade: {at_least: 1}}'
    text = MONTHS.replace("per_day: 1", "per_day: 1\n  max_open: 9")
    assert places(text.replace(TIMED, late)) == []
    assert places(text.replace(TIMED, '- time: "09:45"')) == [("RB240", '"10:00"')]


@pytest.mark.parametrize("of", ["long_put", "long_legs", "[long_put, long_call]"])
def test_legs_that_are_bought_have_a_value_in_what_is_sold(of: str) -> None:
    """It was refused, and 'cost' was offered, which is true from the first moment on."""
    text = changed("target: {profit: 50%}", f"value: {{of: {of}, below: 0.05}}\n    close: all")
    assert problems(text) == []


def test_again_may_say_until_the_end_of_the_last_window() -> None:
    two = 'window: [{from: "10:00", to: "11:00"}, {from: "13:00", to: "14:00"}]'
    times = 'at: ["10:00", open + 2h]\n  for: 10m'
    sound = [again('"13:30"'), again('"14:00"', two), again('"11:30"', two), again('"11:40"', times)]
    assert [[found.code for found in problems(text) if found.is_error] for text in sound] == [[], [], [], []]


def test_a_later_end_of_again_is_shown_what_to_write() -> None:
    (found,) = problems(again('"13:00"', 'at: "10:00"'))
    assert found.message == "'until' is 13:00, and nothing is entered after 10:05, where the window ends"
    assert found.help == 'let the window last until then, as in \'window: {from: "10:00", to: "13:00"}\''
    assert problems(again("open + 3h", "at: open + 1m"))[0].message.endswith("after open + 6m, where the window ends")


def test_undefined_risk_allows_a_naked_option() -> None:
    text = changed("  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}\n", "")
    text = text.replace("risk:\n", "risk:\n  undefined_risk: allow\n")
    assert places(text) == [("RB361", "$1000")]
    assert places(text.replace("$1000", "$600000")) == []


def test_what_several_legs_lack_is_reported_once() -> None:
    text = changed("  long_put: {buy: put,", "  other_put: {sell: put,")
    (found,) = [each for each in problems(text) if each.code == "RB209"]
    assert (found.text.strip().split(":")[0], str(found.help)[:10]) == ("other_put", "buy 2 puts")


@pytest.mark.parametrize(("symbol", "offers"), [("SPY", True), ("SPX", False)])
def test_a_call_that_nothing_covers_may_be_sold_against_shares_held(symbol: str, offers: bool) -> None:
    """Who sells covered calls was told to allow undefined risk."""
    text = changed("  long_call: {buy: call, strike: {above: short_call, by: 10 pts}}\n", "")
    (found,) = [each for each in problems(text.replace("SPX", symbol)) if each.code == "RB209"]
    assert ("'quantity: {overwrite: {between: [50%, 100%]}}'" in str(found.help)) is offers


def test_another_underlying_covers_nothing() -> None:
    text = changed("underlying: SPX", "underlyings: [SPX, SPY]").replace(
        "let: {day_move: {expected_move: {asof: open}}}\n", ""
    )
    text = text.replace("    - day_range: {below: 0.6x day_move}\n", "").replace("then: cancel", "leg_by_leg: [a, b]")
    legs = "  a: {sell: call, of: SPX, strike: {at: spot}}\n  b: {buy: call, of: SPY, strike: {at: spot}}\n"
    head, rest = text.split("  short_put:")
    text = head + legs + "  require:" + rest.split("  require:")[1]
    text = text.replace("$floor", "30 pts").replace("parameters: {floor: 30 pts}\n", "")
    assert ("RB209", "a") in places(text)


def test_an_accepted_warning_is_not_reported() -> None:
    text = changed(BREACH, f"{BREACH}\n    order: market").replace("about:", "accept: {RB310: as asked}\nabout:")
    assert problems(text) == []


def test_confirm_silences_the_lint_of_one_reading() -> None:
    assert problems(changed(BREACH, f"{BREACH}\n    order: market\n    confirm: 2 quotes")) == []


def test_exits_leave_by_the_entry_ladder_until_done() -> None:
    order = plan_of(CONDOR).exits[0].order
    assert (order.then, order.tries, order.price) == (OnUnfilled.AGAIN, 6, None)


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (changed("A condor to change one thing of.", "x" * 1001), "RB109", "'about' has at most 1000 characters"),
        (expr("spot > " + "0 + " * 130 + "1"), "RB213", "'expr' has at most 500 characters"),
        (changed("5 pts", "1234567890 pts"), "RB152", "a number has at most 9 digits before its point"),
        (changed("$1000", "$0.123456789"), "RB152", "8 behind it"),
    ],
)
def test_what_is_too_long_is_reported_to_be_too_long(text: str, code: str, said: str) -> None:
    (found,) = load_text(text).diagnostics
    assert found.code == code
    assert said in f"{found.message} {found.help}"


def test_a_parameter_is_its_bare_name_in_an_expression_only() -> None:
    text = changed("{floor: 30 pts}", "{floor: 30 pts, calm: 14}")
    assert [each for each in places(text.replace(VIX, "- vix: {below: calm}")) if each[0] != "RB301"] == [
        ("RB112", "calm")
    ]
    assert places(text.replace(VIX, '- {name: e, expr: "vix < calm"}')) == []


def test_a_parameter_called_like_a_measure_is_not_read_in_its_place() -> None:
    text = changed("{floor: 30 pts}", "{floor: 30 pts, vix: 14}").replace(VIX, "- vix9d: {below: vix}")
    first = plan_of(text).entry
    assert "14.0" not in str(first.when)


def test_a_multiple_of_a_measure_is_no_number_in_an_expression() -> None:
    text = changed("{floor: 30 pts}", "{floor: 30 pts, calm: 2x vix}").replace(VIX, '- {name: e, expr: "vix9d < calm"}')
    assert places(text) == [("RB112", "calm")]


@pytest.mark.parametrize(
    ("judged", "code"),
    [
        ("event: {of: [FOMC], before: 1d}", ""),
        ("dte: {of: short_put, at_most: 7}", ""),
        ("spot: {of: SPX, below: 5000}", ""),
        ("leg_delta: {of: short_put, beyond: 0.40}", "RB228"),
    ],
)
def test_of_keeps_a_roll_out_only_where_it_names_the_legs_that_are_closed(judged: str, code: str) -> None:
    text = changed(BREACH, f"- {judged}\n    roll: {{expiry: {{dte: {{nearest: 35}}}}}}").replace("dte: 0}", "dte: 21}")
    head, calls = text.split("  short_call:")
    text = head + "  require:" + calls.split("  require:")[1].replace('time: "15:30"', "dte: {at_most: 1}")
    found = [each.code for each in problems(text.replace("per_day: 1", "max_open: 1"))]
    assert [each for each in found if not each.startswith("RB3")] == ([code] if code else [])


def test_a_parameter_in_an_expression_is_reported_to_lose_its_sign() -> None:
    (found,) = problems(changed("vix_change: {below: 3 pts}", "name: deep\n      expr: vix < 0.8 * $floor"))
    assert found.message == "a parameter has no '$' in expr, is '$floor'"
    assert found.help == "write 'floor'"


@pytest.mark.parametrize("exit_", ["loss: {below: -20%}", "loss: {between: [-20%, 50%]}"])
def test_a_loss_below_zero_is_refused(exit_: str) -> None:
    (found,) = problems(changed("breach: {spot_within: 5 pts}", exit_))
    assert (found.code, found.help) == ("RB156", "below 0 it is a profit: say 'profit'")


def test_an_exit_that_closes_at_once_is_refused_and_gives_no_plan() -> None:
    text = changed("{loss: $50}", "{cost: 0.5x credit}")
    (found,) = problems(text)
    assert found.code == "RB229"
    assert found.is_error
    spec = load_text(text).spec
    assert spec is not None
    assert build_plan(spec)[0] is None
