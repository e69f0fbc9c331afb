"""Rules as sentences: each measure and comparison, what is said of both sides of zero, groups, confirmation."""

import json

import pytest

from rulebot.compile.plan import Op, Quantity
from rulebot.measure.definition import BEFORE_AN_ENTRY, BEFORE_IT_IS_SENT, WITH_AN_ENTRY
from rulebot.measures.registry import VOCABULARY
from rulebot.spec.fast_schema import read_schema
from rulebot.wording.condition import COMPARED, HELD, outline, rule_words
from rulebot.wording.number import WRITTEN, naming_context
from tests.unit.compile.document import CONDOR, changed, plan_of

WHEN = CONDOR[CONDOR.index("    - vix: {") : CONDOR.index("legs:")]


def said(condition: str) -> str:
    """Return one entry condition as a sentence."""
    plan = plan_of(changed(WHEN, f"    - {condition}\n    - {{name: other, expected_move: {{below: day_move}}}}\n"))
    return rule_words(plan.entry.when[0], naming_context(plan))


def asked(condition: str) -> str:
    """Return one condition of `require` as a sentence."""
    plan = plan_of(changed("    - credit: {at_least: 0.50}\n", f"    - {condition}\n"))
    return rule_words(plan.require[0], naming_context(plan))


def leaves(condition: str, symbol: str = "SPX") -> str:
    """Return one exit as a sentence."""
    text = changed("  - breach: {spot_within: 5 pts}\n", f"  - {condition}\n")
    plan = plan_of(text.replace("underlying: SPX", f"underlying: {symbol}"))
    rule = plan.exits[1].rule
    assert rule is not None
    return rule_words(rule, naming_context(plan))


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("vix: {above: 20}", "VIX is above 20"),
        ("vix: {between: [12, 22.5]}", "VIX is 12 to 22.5"),
        ("vix: {outside: [12, 22]}", "VIX is outside 12 to 22"),
        ("vix9d: {below: 0.95x vix}", "VIX9D is below 0.95 times VIX"),
        ("spot: {at_least: 6000}", "SPX is at least 6000"),
        ("day_range: {below: day_move}", "the day's range is below the open's expected move"),
        ("iv: {at_most: 12%}", "implied volatility is at most 12%"),
        ("vix_spike: {above: 3 pts}", "the rise of VIX above its lowest of the session is above 3 points"),
        ("no_event: [CPI, FOMC, NFP]", "no CPI, FOMC or NFP today"),
        ("event: {of: [FOMC], before: 2h, after: 30m}", "FOMC in the next 2 hours or in the last 30 minutes"),
        (
            "event: {of: [FOMC], before: 1d, after: 2d}",
            "FOMC up to this time of the next session or since this time 2 sessions ago",
        ),
        (
            "no_event: {of: [FOMC], before: 3d, after: 1d}",
            "no FOMC up to this time 3 sessions ahead nor since this time of the session before",
        ),
        (
            "event: {of: [earnings], before: 1d}",
            "earnings up to this time of the next session; earnings without a time, bmo or amc are unknown",
        ),
        ("no_event: {of: [CPI], until: expiry}", "no CPI from today until the expiry"),
        ("session: {is: half}", "a half session"),
        ("sma: {window: 50, below: 6000}", "the simple average over 50 days is below 6000"),
        ("spot: {above: vwap}", "SPX is above the session's average price, weighted by volume"),
        (
            "breadth: {of: [AAPL, MSFT, NVDA], at_least: 50%}",
            "the part of 3 symbols that closed above their average over 50 days is at least 50%",
        ),
        ("rsi: {bars: 5m, at_most: 30}", "RSI over 14 bars of 5m is at most 30"),
        (
            "trend: {is: up}",
            "the trend by exponential averages over 20 and 50 days is up: ADX over 14 is at least 20",
        ),
        (
            "trend: {is: neutral, fast: 9, slow: 20, average: sma, bars: 5m, strength: 25}",
            "the trend by simple averages over 9 and 20 bars of 5m is neutral: ADX over 14 is below 25",
        ),
        ("buying_power: {at_least: $25000}", "the account's buying power is at least $25,000"),
        ("bot: {called: put_lite, is: flat}", "the bot put_lite is flat"),
        ("not: {last_exit: {is: stop}}", "not: the last exit of condor today is stop"),
        ("last_exit: {called: put_lite, is: late}", "the last exit of put_lite today is late"),
        ("webhook: {name: uptrend, within: 30m}", "a web hook uptrend came today, in the last 30 minutes"),
        (
            "webhook: {name: trend, says: up, within: 2h}",
            "the last web hook trend says up and came today, in the last 2 hours",
        ),
        ("iv_rank: {at_least: 50}", "the rank of implied volatility over a year is at least 50"),
        ("iv_percentile: {below: 30}", "the percentile of implied volatility over a year is below 30"),
        ("put_call_volume: {below: 1.2}", "puts over calls traded today is below 1.2"),
        (
            "put_call_imbalance: {above: 20%}",
            "the excess of puts over calls traded of today's options is above 20%",
        ),
        (
            "put_call_imbalance: {count: open_interest, below: -20%}",
            "the excess of puts over calls open in today's options is below -20%",
        ),
        (
            "volume_rank: {among: [SPX, SPY], at_most: 1}",
            "the place by option volume among 2 symbols is at most 1",
        ),
        ("skew: {above: 4%}", "the skew of implied volatility is above 4%"),
        ("opening_range: {first: 30m, is: formed}", "the range of the first 30 minutes is formed"),
        ("opening_range: {first: 30m, is: above}", "SPX is above the range of the first 30 minutes"),
        ('not: {time: "12:45"}', "before 12:45"),
        ('time: "13:30"', "from 13:30 (half days 10:30)"),
        ("time: close - 2h", "from 2 hours before the close, 14:00 (half days 11:00)"),
        ("not: {vix: {above: 20}}", "not: VIX is above 20"),
    ],
)
def test_conditions_are_said_in_words(condition: str, words: str) -> None:
    assert said(condition) == words


@pytest.mark.parametrize(
    ("comparison", "words"),
    [
        ("above: 0 pts", "VIX is up since the previous close"),
        ("above: 3 pts", "VIX is up more than 3 points since the previous close"),
        ("above: -1 pts", "VIX is up, or down less than 1 point since the previous close"),
        ("at_least: 20%", "VIX is up 20% or more since the previous close"),
        ("at_least: -2%", "VIX is up, or down 2% at most since the previous close"),
        ("below: 3 pts", "VIX is up less than 3 points since the previous close, or down"),
        ("below: 0 pts", "VIX is down since the previous close"),
        ("below: -1.5 pts", "VIX is down more than 1.5 points since the previous close"),
        ("at_most: 0%", "VIX is down or unchanged since the previous close"),
        ("at_most: -4%", "VIX is down 4% or more since the previous close"),
        ("between: [-1 pts, 2 pts]", "VIX is between down 1 point and up 2 points since the previous close"),
        ("beyond: 3 pts", "VIX is up or down more than 3 points since the previous close"),
        ("since: open, above: 1 pts", "VIX is up more than 1 point since the open"),
    ],
)
def test_a_change_is_said_as_up_or_down(comparison: str, words: str) -> None:
    assert said(f"vix_change: {{{comparison}}}") == words


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (
            "move: {beyond: 1.25x day_move}",
            "SPX is up or down more than 1.25 times the open's expected move since the open",
        ),
        (
            "{name: x, expr: move < -1.2 * expected_move}",
            "SPX is down more than 1.2 times the expected move since the open",
        ),
        ("{name: x, expr: abs(move) > 20}", "the size of the move of SPX since the open is above 20 points"),
        (
            "{name: x, expr: spot - 10 > 5990 + 2 * day_range}",
            "SPX less 10 points is above 5990 points plus (2 times the day's range)",
        ),
    ],
)
def test_arithmetic_is_read_aloud(condition: str, words: str) -> None:
    assert said(condition) == words


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("credit: {at_least: 0.50}", "the credit is at least 0.50 per share"),
        ("credit: {above: $40, at: natural}", "the credit at natural is above $40 after commissions"),
        ("quote_width: {at_most: 0.30}", "each leg is quoted at most 0.30 wide"),
        ("quote_width: {of: short_put, at_most: 20%}", "short_put is quoted at most 20% of its mid wide"),
        ("quote_width: {of: short_legs, below: 0.20}", "each leg of the short legs is quoted below 0.20 wide"),
        ("quote_width: {above: 1.00}", "some leg is quoted above 1.00 wide"),
        ("max_risk: {below: $900}", "the most it can lose is below $900"),
        ("open_interest: {at_least: 250}", "the open interest of each leg is at least 250"),
        ("volume: {of: short_put, at_least: 10}", "the day's volume of short_put is at least 10"),
        ("volume: {of: short_legs, below: 10}", "the day's volume of some leg of the short legs is below 10"),
        ("dte: {at_most: 1}", "at most 1 day to the expiry"),
    ],
)
def test_requirements_of_legs_are_said_in_words(condition: str, words: str) -> None:
    assert asked(condition) == words


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("breach: {spot_within: 15 pts}", "spot is within 15 points of the strike of a short leg, or past it"),
        (
            "breach: {spot_beyond: 10 pts, of: short_put}",
            "spot is more than 10 points past the strike of short_put, in the money",
        ),
        ("leg_delta: {beyond: 0.15}", "the absolute delta of a short leg is above 0.15"),
        ("position_delta: {below: -20}", "the delta of one structure in shares is below -20"),
        ("time_in_trade: {above: 2h}", "the time since the first fill is above 2 hours"),
        ("profit: {above: 40%}", "the profit is above 40% of the credit"),
        ("loss: {above: $50}", "the loss is above $50, commissions so far included"),
        ("loss: {above: 0.5x max_risk}", "the loss is above 0.5 times the most it can lose"),
        (
            "cost: {above: 2x credit}\n    confirm: 2 quotes",
            "the cost of closing is above 2 times the credit, 2 readings in a row",
        ),
        ("dte: {at_most: 0}", "at most 0 days to the expiry"),
        ("dte: {of: short_put, at_most: 1}", "at most 1 day to the expiry of short_put"),
        (
            "vix: {above: 30}\n    confirm: 5s\n    max_age: 30s",
            "VIX is above 30, for 5 s without a break, on data at most 30 s old",
        ),
    ],
)
def test_exits_are_said_in_words(condition: str, words: str) -> None:
    assert leaves(condition) == words


GROUP = """\
    - name: quiet
      any:
        - day_range: {below: 20 pts}
        - name: rising
          all:
            - move: {above: 0 pts}
            - gap: {above: 0%}
"""


def test_a_group_has_a_line_for_every_member() -> None:
    plan = plan_of(changed(WHEN, GROUP))
    lines = [(line.depth, line.name, line.words) for line in outline(plan.entry.when[0], naming_context(plan))]
    assert lines == [
        (0, "quiet", "any of these"),
        (1, "day_range", "the day's range is below 20 points"),
        (1, "rising", "all of these"),
        (2, "move", "SPX is up since the open"),
        (2, "gap", "the open of SPX is up from the previous close"),
    ]
    assert rule_words(plan.entry.when[0], naming_context(plan)) == (
        "the day's range is below 20 points or "
        "(SPX is up since the open and the open of SPX is up from the previous close)"
    )


def test_with_two_underlyings_each_is_named() -> None:
    two = CONDOR.replace("underlying: SPX", "underlyings: [SPX, SPY]").replace("sell: put,", "sell: put, of: SPX,")
    two = two.replace("buy: put,", "buy: put, of: SPX,").replace("sell: call,", "sell: call, of: SPX,")
    two = two.replace("buy: call,", "buy: call, of: SPX,").replace("{asof: open}", "{asof: open, of: SPX}")
    two = two.replace("day_range: {", "day_range: {of: SPY, ")
    plan = plan_of(two)
    assert rule_words(plan.entry.when[2], naming_context(plan)) == (
        "the day's range of SPY is below 0.6 times the open's expected move of SPX"
    )


@pytest.mark.parametrize(
    ("estimator", "words"),
    [
        ("close_to_close", ""),
        ("parkinson", " by Parkinson"),
        ("yang_zhang", " by Yang and Zhang"),
        ("intraday", " by moves of 5 minutes"),
    ],
)
def test_how_realised_volatility_is_estimated_is_said(estimator: str, words: str) -> None:
    conditions = f"""    - rv: {{window: 10, estimator: {estimator}, below: 20%}}
    - iv_over_rv: {{estimator: {estimator}, above: 1.2}}
    - {{name: other, expected_move: {{below: day_move}}}}
"""
    plan = plan_of(changed(WHEN, conditions))
    assert [rule_words(each, naming_context(plan)) for each in plan.entry.when[:2]] == [
        f"realised volatility{words} (10 sessions) is below 20%",
        f"implied over realised volatility{words} (20 sessions) is above 1.2",
    ]


# ---------------------------------------------------------------- nothing is without words


def test_only_measures_that_are_true_by_themselves_are_said_so() -> None:
    assert HELD.keys() <= {name for name, measure in VOCABULARY.items() if measure.is_truth}
    assert COMPARED.keys() <= VOCABULARY.keys() - HELD.keys()


def test_every_quantity_is_said() -> None:
    assert set(WRITTEN) == set(Quantity)


@pytest.mark.parametrize("name", [name for name, measure in VOCABULARY.items() if measure.bounds])
@pytest.mark.parametrize("op", [op for op in Op if op is not Op.IS])
def test_every_measure_is_said_with_every_comparison_it_takes(name: str, op: Op) -> None:
    measure = VOCABULARY[name]
    written = read_schema("strategy")["$defs"][f"m_{name}"]["properties"].get(op.value)
    if written is None or name == "model" or measure.places == BEFORE_AN_ENTRY:
        return
    body = json.dumps(written["examples"][0])
    given = {each.name: each.example for each in measure.parameters if each.required}
    given |= {"among": ["SPX", "SPY"]} if name == "volume_rank" else {}
    arguments = "".join(f"{argument}: {json.dumps(value)}, " for argument, value in given.items())
    if VOCABULARY[name].places == WITH_AN_ENTRY:
        text = changed("risk:\n", f"risk:\n  require:\n    - {{name: tried, {name}: {{{op.value}: {body}}}}}\n")
        plan = plan_of(text)
        words = rule_words(plan.risk.require[0], naming_context(plan))
        assert "{" not in words
        return
    if VOCABULARY[name].places == BEFORE_IT_IS_SENT:
        assert "{" not in asked(f"{{name: tried, {name}: {{{op.value}: {body}}}}}")
        return
    symbol = "SPY" if name in ("shares_held", "cost_basis") else "SPX"
    condition = f"{{name: tried, {name}: {{{arguments}{op.value}: {body}}}}}"
    words = leaves(condition, symbol) if name not in ("debit", "value") else ""
    assert "{" not in words
    assert not words or words[0] != " "
