"""A trade previewed: what a bot would enter now, which limit refuses it, and that nothing is changed by looking."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hand_desk import DAY, SECTIONS, Desk, text_of

from rulebot.core.program import AccountLimits
from rulebot.core.state.state import Named
from rulebot.model.contract import Option, Right
from rulebot.model.event import Request
from rulebot.scan.entry_preview import OF_A_UNIVERSE, Preview, preview_now

ONCE = '{window: {from: "12:00", to: "13:00"}, per_day: 1}'
LATER = '{window: {from: "12:00", to: "13:00"}, when: [{vix: {above: 90}}]}'


def preview(desk: Desk, name: str = "spread", symbol: str = "") -> Preview:
    found = preview_now(desk.program, desk.state, desk.now, name, symbol)
    assert found is not None
    return found


def ready(**sections: str) -> Desk:
    desk = Desk((text_of(entry=LATER, **sections),))
    desk.until("10:00")
    return desk


def test_legs_price_and_payoff_are_those_of_the_entry_itself() -> None:
    desk = ready()
    seen = preview(desk)
    assert (seen.would_send, seen.answer, seen.lacking) == (True, "nothing blocks it", "")
    assert [(leg.side, leg.right, leg.ratio) for leg in seen.legs] == [("sell", "put", 1), ("buy", "put", 1)]
    desk.ask(Request.ENTER, "spread")
    desk.tick(1)
    order = desk.submitted[0]
    assert {leg.option for leg in order.legs} == {leg.option for leg in seen.legs}
    assert order.limit_price is not None
    assert seen.price is not None
    assert abs(order.limit_price) == Decimal(f"{abs(seen.price):.2f}")
    payoff = seen.payoff
    assert payoff is not None
    assert payoff.best == Decimal(f"{seen.price * 100:.2f}") - Decimal(f"{seen.commission:.2f}")
    assert payoff.worst == payoff.best - 1000
    short = Decimal(seen.legs[0].strike or 0)
    assert payoff.break_evens == (round(short - payoff.best / 100, 2),)


def test_at_market_its_price_is_the_natural_one() -> None:
    """It was the mid, at which nobody deals, and its payoff was that of the mid."""
    leg = "\n  expiry: {dte: 0}\n  short_put: {sell: put, strike: {delta: 0.10}}\n"
    order, exits = "{adaptive: normal, start: market, wait: 300s}", "\n  - at_expiry: settle\n"
    seen = preview(ready(legs=leg, order=order, exits=exits, risk="{undefined_risk: allow}"))
    assert seen.natural is not None
    assert seen.mid is not None
    assert seen.price == pytest.approx(seen.natural)
    assert seen.natural < seen.mid
    assert seen.payoff is not None
    assert seen.payoff.best == Decimal(f"{seen.natural * 100:.2f}") - Decimal(f"{seen.commission:.2f}")


def test_prices_are_reported_with_the_digits_of_a_scan() -> None:
    """3.75 was told as 3.7500000000000018."""
    desk = ready()
    for row in desk.board.rows.values():
        desk.board.bid[row] += 0.1
        desk.board.ask[row] += 0.2
    seen = preview(desk)
    assert seen.mid is not None
    assert seen.natural is not None
    assert (seen.mid, seen.natural) == (round(seen.mid, 6), round(seen.natural, 6))


def test_looking_changes_nothing() -> None:
    desk = ready()
    before, records = desk.state, len(desk.records)
    assert preview(desk) == preview(desk)
    assert desk.state is before
    assert len(desk.records) == records
    desk.tick(30)
    assert desk.submitted == []


def test_what_a_person_passes_over_is_still_said() -> None:
    said = dict(preview(ready()).conditions)
    (words,) = [words for words in said if words.startswith("vix")]
    assert "90" in words
    assert said[words] is False


def test_the_limit_that_refuses_is_reported_and_the_legs_all_the_same() -> None:
    seen = preview(ready(risk="{max_loss_per_trade: $50}"))
    assert seen.would_send is False
    assert "max_loss_per_trade is $50" in seen.answer
    assert len(seen.legs) == 2


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (AccountLimits(max_open=0), "max_open"),
        (AccountLimits(max_notional_per_order=Decimal(100)), "max_notional_per_order"),
    ],
)
def test_limits_of_the_account_refuse_too(limits: AccountLimits, words: str) -> None:
    desk = Desk((text_of(entry=LATER),), limits=limits)
    desk.until("10:00")
    seen = preview(desk)
    assert seen.would_send is False
    assert words in seen.answer


def test_a_pause_and_a_lost_broker_are_reported() -> None:
    desk = ready()
    desk.ask(Request.PAUSE, "spread")
    assert preview(desk).answer == "the operator lets it enter nothing"
    desk.ask(Request.RESUME, "spread")
    assert preview(desk).would_send
    desk.unlink()
    assert preview(desk).answer == "the broker is not connected"


def test_where_no_count_fits_one_structure_is_reported_with_its_own_commission() -> None:
    """It was that of none, the least of an order, beside a payoff of one."""
    none, one = preview(ready(quantity="{max_loss: $100, at_most: 3}")), preview(ready())
    assert (none.quantity, none.would_send) == (0, False)
    assert "max_loss is $100.00" in none.lacking
    assert none.commission == one.commission
    assert none.payoff == one.payoff


def test_where_no_count_fits_dollars_that_are_required_are_of_one_structure() -> None:
    """They were those of none: less than nothing, so that `require` stood there as missed."""
    legs = f"{SECTIONS['legs']}  require: [{{credit: {{at_least: $10}}}}]\n"
    none, one = preview(ready(quantity="{max_loss: $100, at_most: 3}", legs=legs)), preview(ready(legs=legs))
    assert none.conditions == one.conditions
    assert none.conditions[1][1] is True


def test_what_refuses_it_is_reported_as_its_conditions_are() -> None:
    """The wide gaps of the columns of a verdict stood in it."""
    halted = preview(ready(risk="{max_loss_per_trade: $2000, halt_when: [{vix: {above: 10}}]}"))
    assert halted.answer == "halted: vix 16.00, above 10"
    legs = f"{SECTIONS['legs']}  require: [{{credit: {{at_least: 50}}}}]\n"
    assert preview(ready(legs=legs)).answer == "credit 0.70, at least 50: 49.30 too little"


def test_without_quotes_there_is_no_price_and_nothing_is_sent() -> None:
    desk = ready()
    desk.without_data(*[contract for contract in desk.board.rows if str(contract).startswith("SPXW")])
    seen = preview(desk)
    assert (seen.price, seen.would_send, seen.payoff) == (None, False, None)
    assert [(leg.bid, leg.mid) for leg in seen.legs] == [(None, None), (None, None)]
    assert "no ask" in seen.lacking
    for contract in list(desk.board.rows):
        desk.board.delta[desk.board.rows[contract]] = float("nan")
    assert (preview(desk).legs, preview(desk).structure) == ((), "")


def test_a_bot_that_is_not_run_has_none() -> None:
    desk = ready()
    assert preview_now(desk.program, desk.state, desk.now, "other") is None


def test_without_a_level_nobody_says_what_it_makes() -> None:
    seen = preview(ready())
    assert replace(seen, levels={}).payoff is None
    later = replace(seen.legs[0], expiry="2026-12-18")
    assert replace(seen, legs=(later, seen.legs[1])).payoff is None


def of_a_universe(**sections: str) -> Desk:
    legs = "\n  expiry: {dte: 0}\n  short_put: {sell: put, strike: {at: spot}}\n" + (
        "  long_put: {buy: put, strike: {below: short_put, by: 5 pts}}\n"
    )
    desk = Desk((text_of(underlyings="", universe="{symbols: [SPY, SPX]}", entry=ONCE, legs=legs, **sections),))
    desk.until("10:00")
    return desk


def named_spy(short: int, long: int) -> Named:
    pairs = (("short_put", short), ("long_put", long))
    return Named(tuple((name, Option("SPY", "SPY", DAY, Decimal(strike), Right.PUT)) for name, strike in pairs))


def test_a_row_of_a_universe_is_put_through_its_limits() -> None:
    """The page said that nobody could have it enter by hand, above a button that did."""
    desk = of_a_universe()
    found = preview_now(desk.program, desk.state, desk.now, "spread", "", named_spy(598, 593))
    assert found is not None
    assert (found.symbol, found.structure, len(found.legs)) == ("SPY", "593/598p", 2)
    assert found.would_send is not False, found.answer
    assert preview(desk, symbol="SPY").answer == OF_A_UNIVERSE


def test_a_row_of_a_universe_that_a_cap_refuses_says_which() -> None:
    desk = of_a_universe(risk="{max_loss_per_trade: $50}")
    found = preview_now(desk.program, desk.state, desk.now, "spread", "", named_spy(598, 593))
    assert found is not None
    assert (found.would_send, "max_loss_per_trade is $50" in found.answer) == (False, True)


def test_what_other_bots_hold_counts_against_it() -> None:
    """The trade of a bot is previewed without the others' turns, and not without what they hold."""
    desk = Desk((text_of("other"), text_of(entry=LATER)), limits=AccountLimits(max_open=1))
    desk.opened("10:00")
    seen = preview(desk)
    assert seen.would_send is False
    assert "max_open" in seen.answer
    assert len(desk.state.bots.by_name) == 2
