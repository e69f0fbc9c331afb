"""What must hold of all positions of a bot with one entry more: greeks, and the worst case."""

from dataclasses import replace
from datetime import timedelta
from math import nan

import pytest
from hand_desk import CONDOR, Desk, call, put, text_of

from rulebot.model.contract import Option
from rulebot.record.record import Kind

AT = {
    "entry": '\n  at: ["10:00", "10:20", "10:40"]\n  per_day: 3\n  max_open: 3',
    "exits": '\n  - time: "15:45"',
}
GREEKS = {"gamma": 0.002, "theta": -1.5, "vega": 0.8}


def desk_of(require: str, *, quantity: int = 2, **sections: str) -> Desk:
    risk = f"{{require: [{require}]}}"
    desk = Desk((text_of(quantity=str(quantity), risk=risk, **{**AT, **sections}),))
    for contract, row in desk.board.rows.items():
        if isinstance(contract, Option):
            for name, value in GREEKS.items():
                getattr(desk.board, name)[row] = value * abs(desk.board.delta[row])
    desk.until("10:00:05")
    return desk


def waits(desk: Desk) -> str:
    return desk.state.bots.by_name["spread"].status_text


@pytest.mark.parametrize(
    ("require", "enters"),
    [
        # 2 spreads of 5945 (-0.1039) and 5935 (-0.0781): 200 x 0.0258 = 5.2 shares
        ("{net_delta: {at_most: 5.3}}", True),
        ("{net_delta: {at_most: 5.0}}", False),
        ("{net_delta: {between: [5.0, 5.3]}}", True),
        ("{net_delta: {beyond: 5.0}}", True),
        # 200 x 0.0258 x 0.002 short
        ("{net_gamma: {at_least: -0.02}}", True),
        ("{net_gamma: {at_least: -0.01}}", False),
        # 200 x 0.0258 x 1.5 of time won a day, and x 0.8 lost with a point of volatility
        ("{net_theta: {between: [$7, $8]}}", True),
        ("{net_vega: {at_least: -$5}}", True),
        ("{net_vega: {at_least: -$4}}", False),
        # 10 wide, sold at once for 2.25 - 1.65: 1,880 and 13.04 of commissions
        ("{worst_case: {at_most: $1894}}", True),
        ("{worst_case: {at_most: $1893}}", False),
        ('{not: {time: "10:30"}}', True),
        ("{net_delta: {at_most: 5.3}}, {net_vega: {at_least: -$4}}", False),
        ("{expr: net_theta > -2 * net_vega + 1, name: paid}", False),
    ],
)
def test_the_entry_is_included(require: str, enters: bool) -> None:
    desk = desk_of(require)
    assert bool(desk.submitted) is enters
    results = [record for record in desk.records if record.kind is Kind.VERDICT and record.data["place"] == "risk"]
    assert results[-1].data["truth"] is enters


def test_what_is_open_counts_too() -> None:
    desk = desk_of("{worst_case: {at_most: $3000}}")
    desk.fill(desk.submitted[0])
    desk.until("10:20:05")
    assert len(desk.submitted) == 1
    assert waits(desk).startswith("worst_case $3,")


@pytest.mark.parametrize(("most", "sent"), [("$2850", 2), ("$2800", 1)])
def test_what_an_entry_that_is_over_has_not_filled_counts_no_more(most: str, sent: int) -> None:
    """One of two may lose 930, and two more 1,880; their commissions come to 5."""
    desk = desk_of(f"{{worst_case: {{at_most: {most}}}}}")
    first = desk.submitted[0]
    desk.fill(first, 1)
    desk.cancelled(first, 1)
    desk.until("10:20:05")
    assert len(desk.submitted) == sent


def test_a_structure_of_the_other_side_makes_up_for_greeks_but_not_for_the_worst_case() -> None:
    assert desk_of("{net_delta: {between: [-0.1, 0.1]}}", legs=CONDOR).submitted
    assert not desk_of("{net_gamma: {at_least: -0.015}}", legs=CONDOR).submitted


def test_unknown_greeks_do_not_enter() -> None:
    desk = desk_of("{net_delta: {at_most: 5.0}}")
    for gone in (put(5935), call(6000)):
        desk.board.gamma[desk.board.rows[gone]] = nan
    desk.tick(20.0)
    assert not desk.submitted
    assert "5935P has no greeks" in waits(desk)


def test_stale_greeks_do_not_enter() -> None:
    desk = desk_of("{net_delta: {at_most: 5.0}}")
    row = desk.board.rows[put(5935)]
    desk.now += timedelta(seconds=5)
    desk.freshen()
    desk.board.model_at[row] -= 400.0
    desk.send(replace(desk.events[-1], at=desk.now))
    assert not desk.submitted
    assert "stale" in waits(desk)


def test_short_calls_that_nothing_covers_have_no_worst_case() -> None:
    legs = "\n  expiry: {dte: 0}\n  short_call: {sell: call, strike: {delta: 0.10}}\n"
    risk = "{undefined_risk: allow, require: [{worst_case: {at_most: $100000}}]}"
    desk = Desk((text_of(legs=legs, risk=risk, **AT),))
    desk.until("10:00:05")
    assert not desk.submitted
    assert "what the bot could lose has no bound" in waits(desk)
