"""What is said of words that other programs have: a help that names the words here, which can be written so."""

import json

import pytest

from rulebot.compile.build import check
from rulebot.spec.load import load_text
from rulebot.spec.parameters import BOUNDED, MEASURES_OF_OTHERS, RENAMED_KEYS, WORDS_OF_OTHERS, measures

SPEC = """\
rulebot: 1
name: spread
about: A spread to try words on.
underlying: SPX
let: {sma_20: {sma: {window: 20}}}
entry: {at: "10:00", when: [spot: {above: sma_20}]}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.12}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
order: {start: mid, then: cancel}
exits:
  - time: "15:45"
  - target: {profit: 50%}
risk: {max_loss_per_trade: $1000}
"""


def said(old: str, new: str) -> list[tuple[str, str | None]]:
    assert old in SPEC
    loaded = load_text(SPEC.replace(old, new, 1), "spread.yaml")
    return [(each.code, each.help) for each in (*loaded.diagnostics, *check(loaded, None))]


@pytest.mark.parametrize("word", MEASURES_OF_OTHERS)
def test_a_measure_of_another_program_is_answered_with_the_words_here(word: str) -> None:
    assert word not in measures()
    assert said("target: {profit: 50%}", f"{word}: {{above: 1}}") == [("RB112", MEASURES_OF_OTHERS[word])]


@pytest.mark.parametrize("word", WORDS_OF_OTHERS)
def test_a_key_of_another_program_is_answered_with_the_words_here(word: str) -> None:
    assert said("risk: {", f"risk: {{{word}: 1, ") == [("RB111", WORDS_OF_OTHERS[word])]


@pytest.mark.parametrize("word", RENAMED_KEYS)
def test_a_renamed_key_is_answered_with_its_present_name(word: str) -> None:
    new = RENAMED_KEYS[word]
    place = {
        "activate_when": ('"15:45"', f'"15:45"\n    {word}: {{profit: {{above: 10%}}}}'),
        "on_conflict": ("expiry: {dte: 0}", f"expiry: {{dte: 0}}\n  {word}: skip"),
        "max_time_without_stop": ("risk: {", f"risk: {{{word}: 5s, "),
    }.get(new, ("{delta: 0.12}", f"{{delta: 0.12, {word}: 5 pts}}"))
    assert ("RB111", f"write '{new}': '{word}' was renamed") in said(*place)
    was, now = place
    codes = [code for code, _ in said(was, now.replace(word, new))]
    assert not {"RB111", "RB112"} & {*codes}


@pytest.mark.parametrize("word", BOUNDED)
def test_two_bounds_of_a_strike_are_answered_with_one_and_how_far_from_it(word: str) -> None:
    assert said("{delta: 0.12}", f"{{{word}: {{between: [0.10, 0.14]}}}}") == [("RB111", BOUNDED[word])]


@pytest.mark.parametrize(
    ("old", "new", "help"),
    [
        ("risk: {", "risk: {per_day: 1, ", "'per_day' belongs under 'entry'"),
        ("entry: {", "entry: {daily_loss: $100, ", "'daily_loss' belongs under 'risk'"),
        ("entry: {", "entry: {quantity: 1, ", "'quantity' belongs at the left, in no section"),
        ("entry: {", 'entry: {from: "10:00", ', "'from' belongs under 'window', as in 'window: {from: ..}'"),
        ('at: "10:00"', 'window: {at: "10:00", for: 5m}', "'at' belongs under 'entry', not in the braces of 'window'"),
        (
            "{dte: 0}",
            "{dte: 0, on_conflict: allow}",
            "'on_conflict' belongs under 'legs', not in the braces of 'expiry'",
        ),
        ("name:", "tries: 3\nname:", "'tries' belongs under 'order' or 'exit_order'"),
        ("name:", "require: [credit: {at_least: 0.5}]\nname:", "'require' belongs under 'legs' or 'risk'"),
        ("entry: {", "entry: {require: [credit: {at_least: 0.5}], ", "'require' belongs under 'legs' or 'risk'"),
        ("entry: {", "entry: {on_conflict: allow, ", "'on_conflict' belongs under 'legs'"),
        ("entry: {", "entry: {expiry: {dte: 0}, ", "'expiry' belongs under 'legs'"),
        ("name:", "days: [mon]\nname:", "'days' belongs under 'entry', as in 'entry: {days: ..}'"),
        ("strike: {delta: 0.12}", "delta: 0.12", "'delta' belongs under 'strike', as in 'strike: {delta: ..}'"),
        ("entry: {at", "entry: {again: {after: [target], pause: 5m}, at", "known here: after, wait, until, at_most"),
    ],
)
def test_a_key_in_a_wrong_place_is_answered_with_its_own(old: str, new: str, help: str) -> None:
    """What belongs to another section was answered with the keys known here, or with one that reads alike."""
    assert help in [each for _, each in said(old, new)]


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("spot:", "SPOT:", "spot"),
        ("sell: put", "SELL: put", "sell"),
        ("sell: put", "sell: PUT", "put"),
        ("then: cancel", "then: Cancel", "cancel"),
        ("exits:", "Exits:", "exits"),
        ('at: "10:00"', 'at: "10:00", days: [Mon]', "mon"),
        ('at: "10:00"', 'at: "10:00", days: [monday]', "mon"),
    ],
)
def test_a_word_in_capitals_is_known_in_the_help(old: str, new: str, word: str) -> None:
    """VIX was answered with where all measures are listed."""
    assert f"did you mean '{word}'?" in [help for _, help in said(old, new)]


@pytest.mark.parametrize(
    ("old", "new", "help"),
    [
        ("{delta: 0.12}", "{delta: 0,12}", "a number has a point, as in 'delta: 0.12'"),
        ("[spot: {above: sma_20}]", "[vix: < 20]", "write 'vix: {below: 20}'"),
        ("[spot: {above: sma_20}]", '[vix: ">= 14.5"]', "write 'vix: {at_least: 14.5}'"),
        ("name: spread", "name:spread", "write 'name: spread'"),
        ("name: spread", "name:\u00a0spread", "write a space in its place"),
    ],
)
def test_what_is_written_as_elsewhere_is_answered_with_how_it_is_here(old: str, new: str, help: str) -> None:
    """What was behind a comma was an unknown key, and of a key without a space it was said that it has no colon."""
    assert help in [each for _, each in said(old, new)]


@pytest.mark.parametrize(
    ("old", "new", "help"),
    [
        ("$1000", "1,000", "write the number without a comma, as in 'max_loss_per_trade: 1000'"),
        ("$1000", "$1,000", "write the number without a comma, as in 'max_loss_per_trade: $1000'"),
        ("$1000", "$12,500.50", "write the number without a comma, as in 'max_loss_per_trade: $12500.50'"),
        ("$1000", "$1,250,000", "write the number without a comma, as in 'max_loss_per_trade: $1250000'"),
        ("$1000", "$1,000,000", "write the number without a comma, as in 'max_loss_per_trade: $1000000'"),
        ("above: sma_20", "above: 6,000", "write the number without a comma, as in 'above: 6000'"),
        ("delta: 0.12", "delta: 0,125", "a number has a point, as in 'delta: 0.125'"),
        ("profit: 50%", "profit: 12,5%", "a number has a point, as in 'profit: 12.5%'"),
        ("profit: 50%", "profit: $0,50", "a number has a point, as in 'profit: $0.50'"),
        ("profit: 50%", "profit: $1,50", "a number has a point, as in 'profit: $1.50'"),
    ],
)
def test_a_comma_of_thousands_is_answered_with_all_of_the_number(old: str, new: str, help: str) -> None:
    """A limit of `1,000` was answered with 1.000: who wrote that had one of a dollar; `$1,000` was not known at all."""
    assert help in [each for _, each in said(old, new)]


@pytest.mark.parametrize(
    ("old", "new", "help"),
    [
        ("$1000", "1,000", "write '$1000'"),
        ("{max_loss_per_trade: $1000}", "\n  max_loss_per_trade: $1,000", "write '$1000'"),
        ("{above: sma_20}", "{between: [5,900, 6,100]}", "without a comma, as in 'between: [5900, 6100]'"),
        ("{above: sma_20}", "{between: [5900,5, 6000]}", "a number has a point, as in 'between: [5900.5, 6000]'"),
        ("{above: sma_20}", "{between: [5,900 pts, 6,100 pts]}", "comma, as in 'between: [5900 pts, 6100 pts]'"),
        ("{above: sma_20}", "{above: 5,900 pts}", "without a comma, as in 'above: 5900 pts'"),
        ("max_loss_per_trade: $1000", "max_loss: $1000", "did you mean 'max_loss_per_trade'?"),
    ],
)
def test_what_stands_before_a_comma_and_in_a_list_is_answered_with_all_of_it(old: str, new: str, help: str) -> None:
    """Beside the right help for `1,000` stood a limit of one dollar, "write '$1'"; a list had too many items."""
    helps = [each for _, each in said(old, new) if each]
    assert [each for each in helps if each.endswith(help)], helps
    assert "write '$1'" not in helps


def test_a_number_that_stands_first_is_behind_no_comma() -> None:
    """It was answered with the last value of its braces: 'profit: 3.50'."""
    helps = [each for _, each in said("{profit: 50%}", "{50, profit: 3}")]
    assert [each for each in helps if each and "a number has" in each] == []
    assert "known here: profit, cost, value, at, of" in helps


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: spread", "name: spread\nquantity: {max_loss: 0.05x net_liquidation, at_most: 10}"),
        ("{delta: 0.12}", "{delta: 0.12, within: 0.02}"),
        ("{delta: 0.12}", "{premium: 1.50, within: 0.50}"),
        ("{delta: 0.12}", "{side_credit: 1.50, within: 0.50}"),
        ("target: {profit: 50%}", "{stop: {give_back: 10%}, activate_when: {profit: {at_least: 25%}}}"),
        ("[spot: {above: sma_20}]", "[spot: {above: sma_20}, no_event: {of: [earnings], before: 1d}]"),
    ],
)
def test_what_is_offered_can_be_written(old: str, new: str) -> None:
    assert [each for each in said(old, new) if each[0] < "RB3"] == []


@pytest.mark.parametrize(
    ("old", "new", "help"),
    [
        ('at: "10:00"', "at: 9:45am", "write '09:45'"),
        ('at: "10:00"', 'at: "9:45 A.M."', "write '09:45'"),
        ('at: "10:00"', "at: 10am", "write '10:00'"),
        ('at: "10:00"', "at: 12:15pm", "write '12:15'"),
        ('at: "10:00"', "at: 10:00 ET", "write '10:00'"),
        ('at: "10:00"', "at: \u201c10:00\u201d", "write '10:00'"),
        ('at: "10:00"', "at: 9:45", "write '09:45'"),
        ('time: "15:45"', "time: 3:45pm", "write '15:45'"),
        ('time: "15:45"', "time: 3:45", "write '15:45'"),
        ("profit: 50%", "profit: 50 %", "write '50%'"),
        ("profit: 50%", "profit: 50 percent", "write '50%'"),
        ("profit: 50%", "profit: 50$", "write '$50'"),
        ("profit: 50%", "profit: 50 USD", "write '$50'"),
        ("$1000", '"$1.000,50"', "write '$1000.50'"),
        ("$1000", '"$1,500"', "write '$1500'"),
        ("by: 10 pts", "by: 10 points", "write '10 pts'"),
        ("by: 10 pts", "by: 10\u00a0pts", "write '10 pts'"),
        ("delta: 0.12", 'delta: "0,12"', "write 0.12"),
        ("delta: 0.12", "delta: \u201c0.12\u201d", "write 0.12"),
        ("above: sma_20", "above: \u22125", "write -5"),
        ("then: cancel", "wait: 10sec, tries: 2, then: cancel", "write '10s'"),
        ("then: cancel", "wait: 10 s, tries: 2, then: cancel", "write '10s'"),
        ("then: cancel", "wait: 1m30s, tries: 2, then: cancel", "write '90s'"),
        ("profit: 50%", "cost: 2 x credit", "write '2x credit'"),
        ("profit: 50%", "cost: 2*credit", "write '2x credit'"),
        ("underlying: SPX", "underlying: spx", "write 'SPX'"),
        ("$1000", "-$1000", "write '$1000', without a sign"),
        ("target: {profit: 50%}", "stop: {loss: -$50}", "write '$50', without a sign"),
        ("target: {profit: 50%}", "profit: {below: -$50}", "write '$-50'"),
        ("by: 10 pts", "by: -10 pts", "write '10 pts', without a sign"),
        ("dte: 0", "dte: 30-45", "write 'dte: {between: [30, 45]}'"),
        ("above: sma_20", "between: 12-22", "write 'between: [12, 22]'"),
        ("above: sma_20", "outside: 12 \u2013 22.5", "write 'outside: [12, 22.5]'"),
    ],
)
def test_a_value_that_is_written_as_elsewhere_is_answered_with_how_it_is_here(old: str, new: str, help: str) -> None:
    """Such a value was answered with an example of something else, as `9:45am` with `open + 15m`."""
    assert [each for _, each in said(old, new)] == [help]


@pytest.mark.parametrize("value", ["20-30", "tomorrow", "13:45pm", "25:00", "10 lots", "01/02/2026", "10:00 GMT"])
def test_what_may_mean_anything_is_answered_with_an_example(value: str) -> None:
    assert [each for _, each in said('at: "10:00"', f"at: {value}")] == ["as in open + 1m"]


@pytest.mark.parametrize(
    ("old", "new", "reported"),
    [
        ("  expiry: {dte", "  exiry: {dte", ("RB111", "did you mean 'expiry'?")),
        ("  expiry: {dte", "  EXPIRY: {dte", ("RB111", "did you mean 'expiry'?")),
        ("  expiry: {dte", "  expiry:{dte", ("RB111", "write a space behind 'expiry:'")),
        ("  expiry: {dte", "  expiry = {dte", ("RB111", "write 'expiry:' in the place of 'expiry ='")),
        ("  expiry: {", "  expiry:\u00a0{", ("RB111", "write a space behind 'expiry:', no no-break space")),
        ("put, strike: {below", "put, STRIKE: {below", ("RB111", "did you mean 'strike'?")),
        ("{below: short_put", "{beloww: short_put", ("RB111", "did you mean 'below'?")),
        ("by: 10 pts", "byx: 10 pts", ("RB111", "did you mean 'by'?")),
        ("  long_put:", "  <<: {a: 1}\n  long_put:", ("RB107", "write the keys out")),
        ("- target: {", "-\u00a0target: {", ("RB103", "write a space in its place")),
        ("- target: {", "- target:{", ("RB112", "write a space behind 'target:'")),
        ("risk: {", "risk:{", ("RB111", "write a space behind 'risk:'")),
        (
            "order: {start: mid",
            "order:{start: mid, then: cancel}\nrisk: {",
            ("RB103", "order: {start: mid, then: cancel}"),
        ),
        ("  short_put: {sell", "  short_put:\u00a0{sell", ("RB103", "write a space in its place")),
    ],
)
def test_one_slip_of_a_key_is_reported_once(old: str, new: str, reported: tuple[str, str]) -> None:
    """What the key would have said was told to be missing, too, and its name to be none."""
    ((code, help),) = said(old, new)
    assert (code, reported[1] in str(help)) == (reported[0], True), help


def test_exit_is_taken_for_exits() -> None:
    """It was taken for `exit_order`, and beside it stood that `exits` is lacking."""
    assert said("exits:", "exit:") == [("RB111", "did you mean 'exits'?")]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("  - time:", "  \u2014 time:", 13),
        ("  - target:", "  \u2013 target:", 14),
        ("  - target:", "  \u2022 target:", 14),
        ("  short_put", "\u00a0\u00a0short_put", 9),
    ],
)
def test_what_only_looks_like_a_hyphen_or_a_space_is_reported_where_it_stands(old: str, new: str, line: int) -> None:
    """A dash or blank of a chat program was told as wrong indentation, often of the line below it."""
    (found,) = load_text(SPEC.replace(old, new, 1), "spread.yaml").diagnostics
    help = "write a space in its place" if "\u00a0" in new else "an item of a list begins with the hyphen, '- '"
    assert (found.code, found.line, found.help) == ("RB103", line, help)


def test_a_list_of_which_every_item_begins_with_another_dash_is_reported_so() -> None:
    text = SPEC.replace("  - time:", "  \u2013 time:").replace("  - target:", "  \u2013 target:")
    (found,) = load_text(text, "spread.yaml").diagnostics
    help = "'\u2013' is another dash: an item of a list begins with the hyphen, '- '"
    assert (found.code, found.help) == ("RB120", help)


def test_a_tab_within_braces_is_reported_where_it_stands() -> None:
    """It was told as a brace that is not closed, at its beginning."""
    text = SPEC.replace("by: 10 pts", "by: 10\tpts")
    (found,) = load_text(text, "spread.yaml").diagnostics
    assert (found.code, found.message) == ("RB104", "there is a tab between words")
    assert found.text[found.col - 1] == "\t"


def test_a_key_behind_a_no_break_space_is_reported_so() -> None:
    """All keys of a document were listed for it."""
    help = "it begins with a no-break space: write a space in its place"
    assert ("RB111", help) in said("  - target:", "\u00a0\u00a0- target:")


def test_a_dash_in_a_text_is_none_of_a_list() -> None:
    """The line that is wrong is another one: a dash above it, in a text of several lines, has no part in it."""
    text = SPEC.replace("about: A", "about: >-\n  \u2013 a\nname:x\nabut: A")
    assert [each.line for each in load_text(text, "spread.yaml").diagnostics if each.code == "RB103"] == [5]


@pytest.mark.parametrize(
    ("expression", "sign", "help"),
    [
        ("vix > 3 && move > 1", "&&", "write 'and'"),
        ("vix > 3 || move > 1", "||", "write 'or'"),
        ("vix > 3 AND move > 1", "AND", "write 'and'"),
        ("!(vix > 3)", "!", "write 'not'"),
        ("vix \u2265 3", "\u2265", "write '>='"),
        ("vix => 3", "=>", "write '>='"),
        ("vix = 3", "=", "write '=='"),
        ("vix := 3", ":=", "name it under 'let'"),
        ("vix <> 3", "<>", "write '!='"),
        ("move > 2 \u00d7 expected_move", "\u00d7", "write '*'"),
        ("move > 2x expected_move", "x", "write '*'"),
        ("move > \u22125", "\u2212", "write '-'"),
        ("iv > 20%", "%", "numbers have no unit here; write one with a unit in a condition, as in 'iv: {above: 20%}'"),
        ("vix > 3 and time > 10:30", "10:30", "write a time in a separate condition, as in 'time: \"10:30\"'"),
    ],
)
def test_a_sign_of_other_languages_is_answered_with_the_one_of_expressions(
    expression: str, sign: str, help: str
) -> None:
    """All were "invalid syntax", `vix = 3` a statement and `10:30` an annotation."""
    text = SPEC.replace("spot: {above: sma_20}", f"{{name: quiet, expr: {json.dumps(expression, ensure_ascii=False)}}}")
    found = next(each for each in check(load_text(text, "spread.yaml"), None) if each.code == "RB210")
    assert (found.message, found.help) == (f"'{sign}' is no part of an expression", help)
    assert found.text[found.col - 1 : found.end_col - 1].strip() == sign
