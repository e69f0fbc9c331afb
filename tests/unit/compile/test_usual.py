"""Usual ranges: every measure has one; bounds a hundred times off are warned of, usual ones are not."""

import json
from pathlib import Path

import pytest
from document import changed, problems

from rulebot.compile.plan import Quantity
from rulebot.measure.usual import Scale
from rulebot.measures.registry import VOCABULARY

WITHOUT_NUMBERS = {Quantity.TRUTH, Quantity.TEXT}
VIX = "    - vix: {between: [12, 22]}\n"
CREDIT = "    - credit: {at_least: 0.50}\n"
TIME = '  - time: "15:30"\n'
BREACH = "  - breach: {spot_within: 5 pts}\n"
RISK = "  max_loss_per_trade: $1000\n"


def test_every_measure_declares_its_usual_range_and_nothing_else_does() -> None:
    for name, measure in VOCABULARY.items():
        numbers = {each for each in measure.quantities if each not in WITHOUT_NUMBERS}
        assert numbers <= set(measure.usual), name


@pytest.mark.parametrize("name", VOCABULARY)
def test_a_range_is_wide_and_begins_below_its_end(name: str) -> None:
    for usual in VOCABULARY[name].usual.values():
        assert 0 < usual.low < usual.high


def where(place: str, condition: str) -> str:
    """Return the condor with a condition at a place."""
    line = f"- {{name: tested, {condition}}}\n"
    return {
        "when": lambda: changed(VIX, f"    {line}"),
        "require": lambda: changed(CREDIT, f"    {line}"),
        "exit": lambda: changed(BREACH, f"  {line}"),
        "halt": lambda: changed(RISK, f"{RISK}  halt_when:\n    {line}"),
        "limit": lambda: changed(RISK, f"{RISK}  require:\n    {line}"),
    }[place]()


SLIPS = [
    ("when", "vix: {above: %s}", "20", "0.2", "2000"),
    ("when", "vix9d: {below: %s}", "18", "0.18", "1800"),
    ("when", "vix1d: {at_least: %s}", "12", "0.12", "1200"),
    ("when", "vix3m: {at_most: %s}", "30", "0.3", "3000"),
    ("halt", "vix_change: {above: %s}", "3 pts", "0.03 pts", "300 pts"),
    ("halt", "vix_change: {above: %s}", "20%", "0.2%", "2000%"),
    ("halt", "vix_spike: {above: %s}", "3 pts", "0.03 pts", "300 pts"),
    ("when", "spot: {above: %s}", "5800", "58", "580000"),
    ("when", "sma: {window: 50, below: %s}", "6100", "61", "610000"),
    ("when", "ema: {window: 50, below: %s}", "6100", "61", "610000"),
    ("when", "vwap: {above: %s}", "5950", "59.5", "595000"),
    ("when", "move: {beyond: %s}", "30 pts", "0.3 pts", "3000 pts"),
    ("when", "move: {above: %s}", "-1%", "-0.01%", "100%"),
    ("when", "gap: {above: %s}", "0.5%", "0.005%", "50%"),
    ("when", "day_range: {below: %s}", "40 pts", "0.4 pts", "4000 pts"),
    ("when", "spx_spy_ratio: {below: %s}", "10.05", "0.1005", "1005"),
    ("when", "iv: {above: %s}", "20%", "0.2%", "2000%"),
    ("when", "rv: {below: %s}", "15%", "0.15%", "1500%"),
    ("when", "iv_over_rv: {above: %s}", "1.2", "0.012", "120"),
    ("when", "expected_move: {above: %s}", "30 pts", "0.3 pts", "30000 pts"),
    ("when", "iv_rank: {at_least: %s}", "30", "0.3", None),
    ("when", "iv_percentile: {at_least: %s}", "30", "0.3", None),
    ("when", "crowding: {at_most: %s}", "60", "0.6", None),
    ("when", "rsi: {below: %s}", "30", "0.3", None),
    ("when", "adx: {above: %s}", "25", "0.25", None),
    ("when", "breadth: {of: [AAPL, MSFT], above: %s}", "50%", "0.5%", None),
    ("when", "put_call_volume: {below: %s}", "1.2", "0.012", "120"),
    ("when", "skew: {below: %s}", "6%", "0.06%", "600%"),
    ("require", "credit: {at_least: %s}", "0.60", "0.006", "60"),
    ("require", "credit: {at_least: %s}", "$60", "$0.6", "$6000"),
    ("require", "quote_width: {at_most: %s}", "0.30", "0.003", "30"),
    ("require", "quote_width: {at_most: %s}", "10%", "0.1%", "1000%"),
    ("require", "max_risk: {at_most: %s}", "$950", "$9.5", "$95000"),
    ("require", "return_on_risk: {at_least: %s}", "15%", "0.15%", "1500%"),
    ("require", "probability_of_profit: {at_least: %s}", "70%", "0.7%", None),
    ("require", "probability_in_the_money: {at_most: %s}", "20%", "0.2%", None),
    ("require", "leg_gamma: {at_most: %s}", "0.004", "0.00004", "4"),
    ("require", "leg_theta: {at_most: %s}", "$15", "$0.15", "$150000"),
    ("require", "leg_vega: {at_most: %s}", "$15", "$0.15", "$150000"),
    ("require", "position_gamma: {at_least: %s}", "-0.4", "-0.004", "-4000"),
    ("require", "position_theta: {at_least: %s}", "$15", "$0.15", "$150000"),
    ("require", "position_vega: {at_least: %s}", "-$15", "-$0.15", "-$150000"),
    ("require", "volume: {at_least: %s}", "10", "0.1", "10000000"),
    ("require", "open_interest: {at_least: %s}", "25", "0.25", "25000000"),
    ("require", "margin: {at_most: %s}", "$2000", "$20", "$20000000"),
    ("require", "expr: strike(short_put) > %s", "5800", "58", "580000"),
    ("exit", "leg_delta: {beyond: %s}", "0.30", "0.003", None),
    ("exit", "loss: {at_least: %s}", "200%", "2%", "20000%"),
    ("exit", "give_back: {at_least: %s}", "20%", "0.2%", "2000%"),
    ("exit", "profit: {at_least: %s}", "60%", "0.6%", "6000%"),
    ("limit", "net_theta: {at_most: %s}", "$80", "$0.8", "$8000000"),
    ("limit", "net_vega: {at_least: %s}", "-$80", "-$0.8", "-$8000000"),
    ("limit", "net_delta: {at_most: %s}", "40", "0.4", "4000000"),
    ("limit", "net_gamma: {at_most: %s}", "0.9", "0.009", "90000"),
    ("when", "net_liquidation: {at_least: %s}", "$25000", "$250", "$2500000000"),
    ("when", "buying_power: {at_least: %s}", "$25000", "$250", "$2500000000"),
    ("exit", "cost: {at_least: %s}", "2x credit", "0.002x credit", "200x credit"),
    ("when", "vix9d: {below: %s}", "1.05x vix", "0.0105x vix", "105x vix"),
]
"""A usual bound, and the same a hundred times too small and too large."""


@pytest.mark.parametrize(("place", "condition", "usual"), [(a, b, c) for a, b, c, _, _ in SLIPS])
def test_a_usual_bound_is_let_alone(place: str, condition: str, usual: str) -> None:
    assert [each.message for each in problems(where(place, condition.replace("%s", usual)))] == []


WRONG = [(a, b, each) for a, b, _, small, large in SLIPS for each in (small, large) if each is not None]


@pytest.mark.parametrize(("place", "condition", "wrong"), WRONG)
def test_a_bound_a_hundred_times_off_is_warned_of(place: str, condition: str, wrong: str) -> None:
    assert problems(where(place, condition.replace("%s", wrong))) != []


BOTH_READINGS = [
    ("iv_rank: {at_least: 0.30}", "did you mean '30'? '0.30' is below one percentile"),
    ("vix: {above: 0.2}", "did you mean '20'? '0.2' is 0.2 points of the index"),
    ("vix_change: {below: 0.03 pts}", "did you mean '3 pts'? '0.03 pts' is 0.03 points of the index"),
]


@pytest.mark.parametrize(("condition", "help_text"), BOTH_READINGS)
def test_the_help_line_offers_both_readings(condition: str, help_text: str) -> None:
    (found,) = problems(where("when", condition))
    assert (found.code, found.help) == ("RB360", help_text)


SCHEMA = json.loads((Path(__file__).parents[3] / "schemas" / "strategy.schema.json").read_text(encoding="utf-8"))[
    "$defs"
]
WRITTEN = {"%": (Quantity.FRACTION, Quantity.PERCENT), "": (Quantity.PLAIN, Quantity.DELTA)}
OF_EXITS = {"gain": "profit", "loss_amount": "loss", "given_back": "give_back"}
"""Definitions of targets and stops, whose numbers are those of a measure."""


def measures_by_definition() -> dict[str, set[str]]:
    """Return which measures compare with a number of each definition of the schema."""
    found = {name: {measure} for name, measure in OF_EXITS.items()}
    for name in VOCABULARY:
        bounds = SCHEMA.get(f"m_{name}", {}).get("properties", {})
        for op in ("above", "at_least", "below", "at_most"):
            if (definition := bounds.get(op, {}).get("$ref", "").removeprefix("#/$defs/")) in SCHEMA:
                found.setdefault(definition, set()).add(name)
    return found


@pytest.mark.parametrize(("definition", "measures"), measures_by_definition().items())
def test_the_schema_offers_the_readings_of_the_usual_ranges(definition: str, measures: set[str]) -> None:
    """Of several measures the narrower low end counts: a reading is usual for each of them."""
    for unit, said in SCHEMA[definition].get("x-usual", {}).items():
        known = [(each, usual) for name in measures for each, usual in VOCABULARY[name].usual.items()]
        ends = [
            (usual.low * times, usual.high * times)
            for each, usual in known
            if each in WRITTEN.get(unit, ()) and usual.scale is Scale.ONE
            for times in (100 if each is Quantity.FRACTION else 1,)
        ]
        if ends and definition != "change":
            assert said == [pytest.approx(max(low for low, _ in ends)), pytest.approx(max(high for _, high in ends))]
