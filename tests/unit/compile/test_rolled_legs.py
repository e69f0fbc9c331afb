"""Which legs an exit rolls, and which parts of a structure are none that could roll by themselves."""

import pytest

from tests.unit.compile.document import CONDOR, plan_of, problems

EXIT = "  - breach: {spot_within: 5 pts}\n"
MOVED = "strikes: {short_put: {delta: 0.05}, long_put: {below: short_put, by: 10 pts}}"
LATER = "expiry: {dte: {at_least: 1}}"


def rolling(test: str, roll: str, close: str = "", legs: tuple[tuple[str, str], ...] = ()) -> str:
    """Return the condor whose one exit of its legs rolls."""
    text = CONDOR.replace("  per_day: 1\n", "  max_open: 1\n")
    lines = [f"  - {test}\n", f"    close: {close}\n" if close else "", f"    roll: {{{roll}}}\n"]
    text = text.replace(EXIT, "".join(lines))
    for old, new in legs:
        assert old in text, old
        text = text.replace(old, new)
    return text


def errors(text: str) -> list[str]:
    return [each.code for each in problems(text) if each.is_error]


@pytest.mark.parametrize(
    ("test", "roll", "close", "rolled"),
    [
        ("breach: {spot_within: 5 pts}", MOVED, "put_side", ["short_put", "long_put"]),
        ("breach: {spot_within: 5 pts}", MOVED, "[short_put, long_put]", ["short_put", "long_put"]),
        ("breach: {spot_within: 5 pts}", LATER, "call_side", ["short_call", "long_call"]),
        ("leg_delta: {of: short_call, at_least: 0.3}", MOVED, "put_side", ["short_put", "long_put"]),
        ("stop: {loss: 100%, of: [short_call, long_call]}\n    name: calls", LATER, "", ["short_call", "long_call"]),
        ("breach: {spot_within: 5 pts}", LATER, "", ["short_put", "long_put", "short_call", "long_call"]),
        (
            "breach: {spot_within: 5 pts, of: short_put}",
            LATER,
            "all",
            ["short_put", "long_put", "short_call", "long_call"],
        ),
    ],
)
def test_an_exit_rolls_what_it_would_close(test: str, roll: str, close: str, rolled: list[str]) -> None:
    text = rolling(test, roll, close)
    assert errors(text) == []
    (found,) = [each.roll for each in plan_of(text).exits if each.roll is not None]
    assert [leg.name for leg in found.legs] == rolled


def test_each_side_rolls_its_own_legs() -> None:
    strikes = f"{MOVED[:-1]}, short_call: {{delta: 0.05}}, long_call: {{above: short_call, by: 10 pts}}}}"
    plan = plan_of(rolling("breach: {spot_within: 5 pts, of: each_side}", strikes))
    found = {each.name: [leg.name for leg in each.roll.legs] for each in plan.exits if each.roll is not None}
    assert found == {"breach.put_side": ["short_put", "long_put"], "breach.call_side": ["short_call", "long_call"]}


@pytest.mark.parametrize(
    ("test", "roll", "close", "said"),
    [
        ("breach: {spot_within: 5 pts}", LATER, "50%", "a roll must include all open structures"),
        ("breach: {spot_within: 5 pts}", LATER, "short_put", "rolling short_put alone leaves the put sold by"),
        ("breach: {spot_within: 5 pts}", LATER, "[short_put, long_call]", "the put sold by 'short_put' uncovered"),
        ("breach: {spot_within: 5 pts}", MOVED, "call_side", "'short_put' is not among the legs that this exit rolls"),
        ("breach: {spot_within: 5 pts}", "strikes: {short_put: {delta: 0.05}}", "put_side", "and would stay behind"),
        (
            "breach: {spot_within: 5 pts}",
            "strikes: {short_put: {otm: 40 pts, max_strike: strike(short_call)}, long_put: {delta: 0.03}}",
            "put_side",
            "'short_put' counts from 'short_call', which is not rolled with it",
        ),
        (
            "breach: {spot_within: 5 pts}",
            f"{LATER}, require: [{{quote_width: {{of: short_call, at_most: 1}}}}]",
            "put_side",
            "short_call",
        ),
    ],
)
def test_what_is_no_part_to_roll(test: str, roll: str, close: str, said: str) -> None:
    found = [f"{each.message} {each.help}" for each in problems(rolling(test, roll, close)) if each.is_error]
    assert [each for each in found if said in each], found


def test_legs_that_nothing_covers_roll_alone_where_that_is_allowed() -> None:
    naked = (
        ("  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}\n", ""),
        ("  long_call: {buy: call, strike: {above: short_call, by: 10 pts}}\n", ""),
        ("  max_loss_per_trade: $1000\n", "  undefined_risk: allow\n"),
    )
    plan = plan_of(rolling("leg_delta: {of: each_short, at_least: 0.4}", LATER, legs=naked))
    assert [each.legs for each in plan.exits if each.roll is not None] == [("short_put",), ("short_call",)]


def test_a_side_of_six_legs_is_an_order_of_six() -> None:
    more = (
        (
            "  require:\n",
            "  low_put: {sell: put, strike: {delta: 0.05}}\n"
            "  lower_put: {buy: put, strike: {below: low_put, by: 5 pts}}\n"
            "  require:\n",
        ),
    )
    assert errors(rolling("breach: {spot_within: 5 pts}", LATER, "call_side", more)) == []
    found = [each.message for each in problems(rolling("breach: {spot_within: 5 pts}", LATER, "", more))]
    assert [each for each in found if "a roll of 6 legs is an order of 12, and 8 are the most" in each]


def test_strikes_that_count_from_each_other_in_a_circle_are_said_once() -> None:
    strikes = "strikes: {short_put: {above: long_put, by: 5 pts}, long_put: {below: short_put, by: 5 pts}}"
    assert errors(rolling("breach: {spot_within: 5 pts}", strikes, "put_side")) == ["RB202"]
