"""Small mistakes in shipped specs: a threshold, a comparison, a leg or an exit that is not what was meant.

Each is one replacement of text in one spec. The shipped tests must fail for nearly all of them.
"""

from typing import NamedTuple


class Mutation(NamedTuple):
    """In the spec of this name `old` is written as `new`."""

    spec: str
    old: str
    new: str


def _of(spec: str, *pairs: tuple[str, str]) -> list[Mutation]:
    return [Mutation(spec, old, new) for old, new in pairs]


MUTATIONS = [
    *_of(
        "calm_tape_condor",
        ('from: "10:30"', 'from: "10:00"'),
        ('to: "13:30"', 'to: "14:30"'),
        ("between: [12, 22]", "between: [13, 22]"),
        ("vix_change: {below: 3 pts}", "vix_change: {below: 4 pts}"),
        ("iv_over_rv: {above: 1.0}", "iv_over_rv: {below: 1.0}"),
        ("between: [9.95, 10.05]", "between: [9.90, 10.05]"),
        ("below: 0.6x day_move", "below: 0.8x day_move"),
        ("sell: put,  strike: {expected_move: 1.2x}", "sell: put,  strike: {expected_move: 1.0x}"),
        ("below: short_put, by: 10 pts", "below: short_put, by: 15 pts"),
        ("target: {profit: 50%}", "target: {profit: 40%}"),
        ("stop: {loss: $50}", "stop: {loss: $60}"),
        ("    confirm: 2 quotes\n", ""),
        ("breach: {spot_within: 5 pts}", "breach: {spot_within: 3 pts}"),
        ("vix_spike: {above: 3 pts}", "vix_spike: {above: 4 pts}"),
        ("daily_loss: $150", "daily_loss: $250"),
    ),
    *_of(
        "put_lite",
        ("strike: {delta: 0.10", "strike: {delta: 0.12"),
        ("below: short_put, by: 10 pts", "below: short_put, by: 15 pts"),
        ("day_range: {below: day_move}", "day_range: {above: day_move}"),
        ("credit: {at_least: 0.40}", "credit: {at_least: 0.60}"),
        ('- time: "15:30"', '- time: "15:45"'),
        ("no_event: [CPI, FOMC, NFP, OPEC]", "no_event: [CPI, FOMC, OPEC]"),
    ),
    *_of(
        "dte0_condor",
        ("delta: 0.06", "delta: 0.08"),
        ("floor: 30 pts", "floor: 20 pts"),
        ("wing: 10 pts", "wing: 15 pts"),
        ("between: [14, 30]", "between: [14, 35]"),
        ("again: {after: [unfilled]}", "again: {after: [target]}"),
        ("spot_within: 15 pts", "spot_within: 10 pts"),
        ("leg_delta: {beyond: 0.15}", "leg_delta: {beyond: 0.20}"),
        ("stop: {cost: 2x credit}", "stop: {cost: 3x credit}"),
    ),
    *_of(
        "spx_spy_parity",
        ("at_least: $400", "at_least: $300"),
        ("per_day: 2", "per_day: 3"),
        ("spot_beyond: 10 pts", "spot_beyond: 15 pts"),
        ("stop: {loss: $500}", "stop: {loss: $600}"),
    ),
    *_of(
        "spy_put_seller",
        ("trade_time: open + 1m", "trade_time: open + 5m"),
        ("take_profit: 60%", "take_profit: 50%"),
        ("stop_loss: 200%", "stop_loss: 300%"),
    ),
    *_of(
        "monthly_condor",
        ("vix_change: {at_least: 20%}", "vix_change: {at_least: 15%}"),
        ("dte: {at_most: 30}", "dte: {at_most: 21}"),
        ("leg_delta: {beyond: 0.30}", "leg_delta: {beyond: 0.40}"),
        ("close: 50%", "close: 100%"),
    ),
    *_of(
        "vertical_switch",
        ("trend: {is: up}", "trend: {is: down}"),
        ("no_event: {of: [earnings], until: expiry}", "no_event: {of: [earnings]}"),
        ("iv_percentile: {at_least: 60}", "iv_percentile: {at_least: 50}"),
        ("traded: 1000", "traded: 500"),
        ("highest: 2", "lowest: 2"),
        ("below: short_put, by: [5 pts, 2.5 pts]", "below: short_put, by: [10 pts, 2.5 pts]"),
        ("strike: {delta: 0.70}", "strike: {delta: 0.60}"),
        ("loss: 0.6x max_risk", "loss: 0.7x max_risk"),
        ("    confirm: 30s\n", ""),
        ("  - trend: {is: down}\n", "  - trend: {is: neutral}\n"),
    ),
]
