"""What is legal and nonsense, by kind: one change to a sound bot is refused or warned of, or stays silent."""

import pytest
from document import CONDOR
from sound_bots import CALENDAR, PAIR, PUT, SPREAD

from rulebot.compile.build import check
from rulebot.spec.load import load_text

VIX = "    - vix: {between: [12, 22]}\n"
REQUIRE = "    - credit: {at_least: 0.50}\n"
TARGET = "{profit: 50%}"
STOP = "{cost: 2x credit}\n    confirm: 2 quotes"
TIME = '  - time: "15:30"\n'
LIMIT = "  daily_loss: $150\n"
SHORT = "  short_put: {sell: put, strike: {delta: 0.15}}"
WING = "  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}"
CALL = "long_spx: {buy: call, of: SPX, strike: {at: spot, round_to: 5}}"
TEN = "short_spy: {sell: call, of: SPY, ratio: 10, strike: {at: spot, round_to: 1}}"


def when(text: str) -> tuple[str, str, str]:
    return SPREAD, VIX, f"    - {{name: tested, {text}}}\n"


def require(text: str) -> tuple[str, str, str]:
    return SPREAD, REQUIRE, f"{REQUIRE}    - {{name: tested, {text}}}\n"


def leaving(text: str) -> tuple[str, str, str]:
    return SPREAD, TIME, f"{TIME}  - {{name: tested, {text}}}\n"


def halt(text: str) -> tuple[str, str, str]:
    return SPREAD, LIMIT, f"{LIMIT}  halt_when:\n    - {{name: tested, {text}}}\n"


def universe(text: str) -> tuple[str, str, str]:
    return PUT, "underlying: SPY\n", f"universe:\n  symbols: [SPY, QQQ]\n  require:\n    - {{name: tested, {text}}}\n"


NONSENSE: dict[str, list[tuple[str, str, str]]] = {
    "a fraction for a percentage, and the reverse": [
        when("iv_percentile: {above: 0.75}"),
        when("crowding: {below: 0.4}"),
        halt("vix9d: {above: 0.35}"),
        universe("iv_rank: {at_least: 0.4}"),
        require("probability_of_profit: {at_least: 0.6%}"),
        leaving("any: [{rsi: {below: 0.3}}, {vix: {above: 0.4}}]"),
        when("expr: iv_rank > 0.5"),
        halt("not: {adx: {above: 0.2}}"),
    ],
    "a bound never or always met": [
        when("vix: {above: 200}"),
        when("spot: {below: 60000}"),
        halt("vix_spike: {above: 0.01 pts}"),
        when("iv_over_rv: {below: 50}"),
        leaving("vix: {below: 100}"),
        when("expr: 2 * 3 == 6"),
        when("any: [{vix: {above: 1}}, {vix: {below: 1}}]"),
        require("quote_width: {at_most: 200%}"),
    ],
    "pairs out of proportion": [
        (PAIR, "ratio: 10", "ratio: 1"),
        (PAIR, "ratio: 10", "ratio: 12"),
        (PAIR, TEN, TEN.replace("strike: {at: spot, round_to: 1}", "strike: {delta: 0.10}")),
        (PAIR, "{sell: call, of: SPY", "{sell: put, of: SPY"),
        (PAIR.replace("SPX", "NDX").replace("SPY", "QQQ"), "ratio: 10", "ratio: 10"),
        (PAIR.replace("SPX", "RUT").replace("SPY", "IWM"), "ratio: 10", "ratio: 20"),
        (PAIR, "{sell: call, of: SPY", "{buy: call, of: SPY"),
        (PAIR, "[long_spx, short_spy]", "[short_spy, long_spx]"),
    ],
    "exits that act at once or never": [
        (SPREAD, STOP, "{cost: 0.5x credit}"),
        (SPREAD, STOP, "{loss: -20%}"),
        (SPREAD, TARGET, "{profit: 150%}"),
        leaving("breach: {spot_within: 300 pts}"),
        leaving("leg_delta: {beyond: 0.10}"),
        leaving("give_back: {at_least: 500%}"),
        (CALENDAR, "at_most: 1}", "at_most: 11}"),
        require("dte: {at_least: 5}"),
        leaving("position_delta: {beyond: 300}"),
        leaving("position_delta: {beyond: 0.2}"),
        (PUT, "{loss: 200%}", "{loss: 9000%}"),
        leaving("time_in_trade: {at_least: 10h}"),
    ],
    "sizes beyond sense": [
        (SPREAD, "underlying: SPX\n", "underlying: SPX\nquantity: 5000\n"),
        (PUT, "underlying: SPY\n", "underlying: SPY\nquantity: 20000\n"),
        (PUT, "underlying: SPY\n", "underlying: SPY\nquantity: {max_loss: 20x net_liquidation, at_most: 5}\n"),
        (PUT, "max_open: 10", "max_open: 5000"),
        (SPREAD, "max_loss_per_trade: $1000", "max_loss_per_trade: $500000"),
        (SPREAD, "daily_loss: $150", "daily_loss: $1.5"),
    ],
    "strikes and structures": [
        (SPREAD, "delta: 0.15", "delta: 0.80"),
        (SPREAD, "delta: 0.15", "delta: 0.0015"),
        (PUT, "delta: 0.15", "delta: 0.006"),
        (SPREAD, "{delta: 0.15}", "{expected_move: 0.01x}"),
        (SPREAD, "{delta: 0.15}", "{otm: 0.01%}"),
        (SPREAD, "{delta: 0.15}", "{otm: 5000 pts}"),
        (SPREAD, "by: 10 pts", "by: 0.1 pts"),
        (SPREAD, WING, "  long_put: {buy: put, strike: {delta: 0.15}}"),
        (SPREAD, SHORT, SHORT.replace("short_put", "long_call")),
        (SPREAD.replace("below: short_put", "below: long_call"), SHORT, SHORT.replace("short_put", "long_call")),
        (CALENDAR, "dte: {nearest: 11}", "dte: {nearest: 4}"),
        (CONDOR, "{sell: call, strike: {delta: 0.10}}", "{sell: call, strike: {otm: -5%}}"),
    ],
    "orders and waits": [
        (SPREAD, "start: mid, step: 0.05", "start: 500, step: 0.05"),
        (SPREAD, "step: 0.05", "step: 50"),
        (SPREAD, "confirm: 2 quotes", "confirm: 900 quotes"),
        (PUT, "confirm: 30s", "confirm: 3h"),
        (SPREAD, "confirm: 2 quotes", "confirm: 2 quotes\n    max_age: 2h"),
        (SPREAD, LIMIT, f"{LIMIT}  protect: {{cost: 500x credit}}\n  max_time_without_stop: 30s\n"),
    ],
}  # fmt: skip

CASES = [(kind, *case) for kind, cases in NONSENSE.items() for case in cases]
"""Kind, the sound text, what is replaced, and by what."""

SOUND = [
    (SPREAD, "", ""),
    (PUT, "", ""),
    (PAIR, "", ""),
    (CALENDAR, "", ""),
    (PAIR.replace("SPX", "NDX").replace("SPY", "QQQ"), "ratio: 10", "ratio: 41"),
    (PAIR.replace("SPX", "RUT").replace("SPY", "IWM"), "ratio: 10", "ratio: 10"),
    (SPREAD.replace("$1000", "$10000").replace("$150", "$1500"), "about", "quantity: 10\nabout"),
    when("iv_rank: {between: [0, 50]}"),
    when("vix: {below: 35}"),
    leaving("breach: {spot_within: 10 pts}"),
    leaving("leg_delta: {beyond: 0.35}"),
    leaving("position_delta: {beyond: 25}"),
    halt("vix_spike: {above: 4 pts}"),
]


def codes(text: str) -> list[str]:
    loaded = load_text(text)
    return [each.code for each in (*loaded.diagnostics, *(check(loaded) if loaded.spec is not None else ()))]


@pytest.mark.parametrize(("kind", "text", "old", "new"), CASES)
def test_nonsense_is_refused_or_warned_of(kind: str, text: str, old: str, new: str) -> None:
    assert old in text
    assert codes(text.replace(old, new, 1)) != [], kind


@pytest.mark.parametrize(("text", "old", "new"), SOUND)
def test_a_sound_bot_is_let_alone(text: str, old: str, new: str) -> None:
    assert codes(text.replace(old, new, 1)) == []
