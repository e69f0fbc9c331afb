"""The account's limits at the gate, as an engine driven by hand meets them."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from math import nan

import pytest
from hand_desk import SELLER, Desk, put, text_of

from rulebot.core.handle_event import start_run
from rulebot.core.program import BUILT_IN, AccountLimits
from rulebot.model.contract import Option, Underlying
from rulebot.model.event import AccountReport, MarginReport
from rulebot.model.facts import Account, EventCalendar
from rulebot.model.order import AskMargin, Purpose
from rulebot.record.record import Kind
from rulebot.recovery.resume import resume
from rulebot.spec.load import load_text
from rulebot.spec.nouns import Amount, Between, PromotionEvidence, Unit

HALF = Amount(Decimal("0.5"), Unit.MULTIPLE, "net_liquidation")
CALLS = """
  expiry: {dte: 0}
  short_call: {sell: call, strike: {delta: 0.10}}
  long_call: {buy: call, strike: {above: short_call, by: 10 pts}}
"""
SETTLES = """
  - at_expiry: settle
"""


def desk_of(*texts: str, account: Account | None = None, **limits: object) -> Desk:
    desk = Desk(texts or (text_of(),), limits=AccountLimits(**limits))  # type: ignore[arg-type]
    desk.send(AccountReport(desk.now, account or Account(net_liquidation=Decimal(10000), cash=Decimal(10000))))
    return desk


def refused(desk: Desk, bot: str = "spread") -> str:
    """Return why the bot was last refused, "" when it was not."""
    return next((str(r.data["reason"]) for r in reversed(desk.said(Kind.DECISION, "skip")) if r.bot == bot), "")


def dollars(amount: int) -> Amount:
    return Amount(Decimal(amount), Unit.DOLLARS)


# ---------------------------------------------------------------- the worst case of all bots


def test_the_worst_case_of_one_entry() -> None:
    """Sold at 0.30 at once (2.20 - 1.90), 10 wide: 970 and 3 in commissions."""
    desk = desk_of(worst_case=dollars(900))
    desk.until("10:00")
    assert refused(desk).startswith("all bots together could lose $9")
    assert refused(desk).endswith(", worst_case is at most $900.00")
    assert not desk.submitted
    assert desk.state.bots.by_name["spread"].status_text == refused(desk)


def test_the_worst_case_counts_what_is_open_and_what_works() -> None:
    desk = desk_of(text_of("one"), text_of("two"), worst_case=dollars(1500))
    desk.until("10:00")
    assert [order.bot for order in desk.submitted] == ["one"]
    assert "worst_case" in refused(desk, "two")
    desk.fill(desk.last)
    desk.tick(30)
    assert [order.bot for order in desk.submitted] == ["one"]


@pytest.mark.parametrize(("limit", "sent"), [(1500, 1), (2000, 2)])
def test_both_sides_of_a_day_can_be_lost_one_after_the_other(limit: int, sent: int) -> None:
    """Each bot closes at a price of its own: the puts in a fall, the calls in the recovery. Each can lose 9 x 100."""
    desk = desk_of(text_of("puts"), text_of("calls", legs=CALLS), worst_case=dollars(limit))
    desk.until("10:00")
    assert len(desk.submitted) == sent


def test_net_liquidation_bounds_it_and_must_be_known() -> None:
    desk = desk_of(worst_case=HALF, account=Account(net_liquidation=Decimal(1000)))
    desk.until("10:00")
    assert refused(desk).endswith("worst_case is at most $500.00")
    desk = desk_of(worst_case=HALF, account=Account(cash=Decimal(1000)))
    desk.until("10:00")
    assert refused(desk) == "net_liquidation of the account is unknown, and worst_case is held against it"
    desk.send(AccountReport(desk.now, Account(net_liquidation=Decimal(10000))))
    desk.tick(15)
    assert len(desk.submitted) == 1


def test_a_loss_without_bound_is_refused_and_keeps_others_out() -> None:
    naked = text_of(
        "naked",
        legs="\n  expiry: {dte: 0}\n  short_call: {sell: call, strike: {delta: 0.10}}\n",
        risk="{undefined_risk: allow}",
        entry='{at: "10:00"}',
    )
    desk = desk_of(naked, worst_case=dollars(10**6))
    desk.until("10:00")
    assert "what all bots could lose has no bound: nothing covers short_call in this entry" in refused(desk, "naked")
    desk = desk_of(naked, text_of("later", entry='{at: "10:05"}'))
    desk.opened()
    desk.program = replace(desk.program, limits=AccountLimits(worst_case=dollars(10**6)))
    desk.until("10:05")
    assert "no bound: nothing covers short_call in naked-20261118-1" in refused(desk, "later")


def test_an_entry_at_work_without_a_quote_is_unknown() -> None:
    patient = "{start: mid, wait: 600s, tries: 1, then: cancel}"
    one = text_of("one", order=patient)
    desk = desk_of(one, text_of("two", legs=CALLS, entry='{at: "10:05"}'), worst_case=dollars(10**6))
    desk.ack(desk.enter())
    desk.without_data(*(leg.option for leg in desk.last.legs))
    desk.until("10:05")
    assert refused(desk, "two") == "what all bots could lose is unknown: no sound quote for one-20261118-1"
    assert [order.bot for order in desk.live] == ["one"]


# ---------------------------------------------------------------- cash for short puts


@pytest.mark.parametrize(
    ("backing", "account", "words"),
    [
        (PromotionEvidence.CASH, Account(cash=Decimal(50000)), "cash_secured_puts has $50,000.00"),
        (PromotionEvidence.CASH, Account(net_liquidation=Decimal(90000)), "cash of the account is unknown"),
        (PromotionEvidence.NET_LIQUIDATION, Account(cash=Decimal(90000)), "net_liquidation of the account is unknown"),
        (PromotionEvidence.CASH, Account(cash=Decimal(60000)), ""),
        (PromotionEvidence.NET_LIQUIDATION, Account(net_liquidation=Decimal(60000)), ""),
    ],
)
def test_a_short_put_is_backed(backing: PromotionEvidence, account: Account, words: str) -> None:
    desk = desk_of(text_of("seller", **SELLER), cash_secured_puts=backing, account=account)
    desk.until("10:01")
    assert words in refused(desk, "seller")
    assert len(desk.submitted) == (0 if words else 1)


def test_the_puts_of_all_bots_are_added_also_while_they_work() -> None:
    limits = {"cash_secured_puts": PromotionEvidence.CASH, "account": Account(cash=Decimal(100000))}
    desk = desk_of(text_of("one", **SELLER), text_of("two", **SELLER), **limits)  # type: ignore[arg-type]
    desk.until("10:01")
    assert [order.bot for order in desk.submitted] == ["one"]
    assert "the short puts of all bots need $" in refused(desk, "two")


def test_a_put_spread_needs_no_cash() -> None:
    desk = desk_of(cash_secured_puts=PromotionEvidence.CASH, account=Account())
    desk.enter()


# ---------------------------------------------------------------- size, price, number


def test_size_of_an_order() -> None:
    desk = desk_of(text_of(quantity="3", risk="{max_loss_per_trade: $5000}"), max_contracts_per_order=5)
    desk.until("10:00")
    assert refused(desk) == "an order of 6 contracts, max_contracts_per_order is 5"
    desk = desk_of(max_notional_per_order=Decimal(1_000_000))
    desk.until("10:00")
    assert refused(desk).endswith("max_notional_per_order is $1,000,000.00")


@pytest.mark.parametrize(
    ("limits", "worth", "said"),
    [
        (BUILT_IN, 5_000, ""),
        (AccountLimits(max_notional_times=Decimal(25)), 40_000, "max_notional_per_order is $1,000,000.00"),
        (AccountLimits(max_notional_times=Decimal(25)), None, "net_liquidation of the account is unknown"),
        (AccountLimits(max_notional_times=Decimal(25)), 48_000, ""),
    ],
)
def test_notional_may_be_so_many_times_the_account(limits: AccountLimits, worth: int | None, said: str) -> None:
    """A put spread on SPX at 5945 and 5935 stands for $1,188,000."""
    desk = desk_of(account=Account(net_liquidation=None if worth is None else Decimal(worth), cash=Decimal(10000)))
    desk.program = replace(desk.program, limits=limits)
    desk.until("10:00")
    assert (said in refused(desk)) if said else len(desk.submitted) == 1


def test_a_price_outside_the_price_band_is_refused() -> None:
    natural = text_of(order="{start: natural, wait: 10s, tries: 1, then: cancel}")
    desk = desk_of(natural, price_band=Amount(Decimal("0.05"), Unit.NUMBER))
    desk.until("10:00")
    assert refused(desk) == "its price would be 0.10 from the mid, price_band is 0.05"
    desk_of(natural, price_band=Amount(Decimal("0.10"), Unit.NUMBER)).enter()


def test_there_is_a_price_band_without_an_account_document() -> None:
    desk = Desk((text_of(order="{start: 9.00, wait: 10s, tries: 1, then: cancel}"),))
    desk.until("10:00")
    assert "price_band is 0.50" in refused(desk)


def test_the_band_holds_at_every_new_order() -> None:
    order = "{start: mid, step: 0.05, wait: 10s, tries: 3, pause: 30s, then: cancel}"
    desk = desk_of(text_of(order=order), price_band=Amount(Decimal("0.03"), Unit.NUMBER))
    first = desk.enter()
    desk.ack(first)
    desk.tick(10)
    desk.cancelled(first)
    desk.tick(31)
    assert desk.alarms == ["no price for the entry: too far from the mid (price_band)"]
    assert len(desk.submitted) == 1
    desk.program = replace(desk.program, limits=AccountLimits())
    desk.tick(5)
    assert [order.attempt for order in desk.submitted] == [1, 2]


def test_the_band_holds_at_every_step_of_a_ladder() -> None:
    order = "{start: mid, step: 0.05, wait: 10s, tries: 3, then: cancel}"
    desk = desk_of(text_of(order=order), price_band=Amount(Decimal("0.03"), Unit.NUMBER))
    first = desk.enter()
    desk.ack(first)
    desk.tick(10)
    assert not desk.replaced
    assert [found.ref for found in desk.cancels] == [first.ref]
    desk.cancelled(first)
    desk.tick(1)
    assert desk.position.state == "closed"
    assert len(desk.submitted) == 1


@pytest.mark.parametrize("is_without_data", [False, True])
def test_the_band_holds_at_every_new_market_order(is_without_data: bool) -> None:
    order = "{adaptive: [patient, urgent], start: market, wait: 10s, tries: 2, then: cancel}"
    desk = desk_of(text_of(**{**SELLER, "order": order}))
    first = desk.enter("10:01")
    desk.ack(first)
    wide = first.legs[0].option
    desk.quote(wide, 0.05, 9.0)
    if is_without_data:
        desk.without_data(wide)
    desk.tick(10)
    desk.cancelled(first)
    desk.tick(1)
    assert len(desk.submitted) == 1
    assert desk.alarms[0].startswith(
        "no price for the entry: " + (str(wide) if is_without_data else "too far from the mid")
    )


def test_a_market_order_may_lose_what_it_costs_at_once() -> None:
    legs = "\n  expiry: {dte: 0}\n  long_put: {buy: put, strike: {delta: 0.10}}\n"
    order = "{adaptive: normal, start: market, wait: 10s, tries: 1, then: cancel}"
    bought = {"legs": legs, "order": order, "exits": '\n  - time: "15:45"\n'}
    desk = desk_of(text_of(**bought, risk="{max_loss_per_trade: $240}"))
    desk.quote(put(5945), 2.00, 2.60)  # 230 and a commission at mid
    desk.until("10:00")
    assert refused(desk) == "could lose $263.26, max_loss_per_trade is $240.00"


def test_a_market_order_of_the_brokers_algorithm_works_on_through_its_tries() -> None:
    order = "{adaptive: normal, start: market, wait: 10s, tries: 3, then: cancel}"
    desk = desk_of(text_of(**{**SELLER, "order": order}))
    first = desk.enter("10:01")
    desk.ack(first)
    desk.quote(first.legs[0].option, 0.50, 0.60)
    for _ in range(2):
        desk.tick(10)
        assert (desk.order(first.ref).limit_price, desk.order(first.ref).stop_price) == (first.limit_price, None)
    assert not desk.replaced
    assert not desk.cancels
    desk.tick(10)
    assert [found.ref for found in desk.cancels] == [first.ref]


def test_a_structure_without_a_price_is_reported_of() -> None:
    """Nothing was on record: a wing that nobody bid for all day kept every entry away, and `why` knew of no reason."""
    desk = Desk()
    desk.until("09:59")
    desk.quote(put(5935), nan, 0.05)
    desk.until("10:00")
    assert not desk.submitted
    (chosen,) = desk.said(Kind.SELECTION)
    assert str(chosen.data["reason"]) == f"price: {desk.state.bots.by_name['spread'].status_text}"
    desk.until("11:01")
    (nearest,) = desk.said(Kind.NEAREST)
    assert nearest.data["rule"] == "price"
    assert str(nearest.data["text"]).endswith("no bid")


def test_entries_of_all_bots_in_a_day() -> None:
    later = text_of("later", entry='{at: "10:05"}')
    desk = desk_of(text_of("one"), later, entries_per_day=1)
    desk.opened()
    desk.until("10:05")
    assert refused(desk, "later") == "all bots together have sent 1 today, entries_per_day is 1"
    assert len(desk.submitted) == 1


# ---------------------------------------------------------------- halts and day trades


def test_no_entry_in_a_halt() -> None:
    desk = Desk()
    desk.board.halted.add(desk.board.rows[Underlying("SPX")])
    desk.until("10:00")
    assert refused(desk) == "trading is halted in SPX"
    assert not desk.submitted
    desk.board.halted.clear()
    desk.tick(15)
    assert len(desk.submitted) == 1


def test_a_halted_option_halts_its_underlying_for_us_and_no_other() -> None:
    desk = Desk()
    desk.board.halted.add(desk.board.rows[put(5900)])
    desk.until("10:00")
    assert refused(desk) == "trading is halted in SPX"
    other = Desk()
    other.board.halted.add(other.board.rows[Underlying("SPY")])
    other.enter()


def test_an_entry_at_work_is_cancelled_in_a_halt() -> None:
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    desk.board.halted.add(desk.board.rows[Underlying("SPX")])
    desk.without_data(*(leg.option for leg in order.legs))
    desk.tick(10)
    assert [taken.ref for taken in desk.cancels] == [order.ref]
    assert refused(desk) == "trading is halted in SPX"


NONE_LEFT = Account(net_liquidation=Decimal(24000), day_trades_left=0)


def test_no_day_trade_is_left() -> None:
    desk = desk_of(account=NONE_LEFT)
    desk.until("10:00")
    assert refused(desk).startswith("no day trade remains: the broker allows 0, and")
    desk_of(account=NONE_LEFT, heeds_day_trades=False).enter()
    desk_of(account=replace(NONE_LEFT, net_liquidation=Decimal(25000))).enter()
    desk_of(account=replace(NONE_LEFT, day_trades_left=None)).enter()


def test_what_settles_or_stays_over_night_is_no_day_trade() -> None:
    desk_of(text_of(exits=SETTLES), account=NONE_LEFT).enter()
    stays = desk_of(text_of("seller", **SELLER), account=NONE_LEFT)
    stays.until("10:01")
    assert len(stays.submitted) == 1


@pytest.mark.parametrize(
    ("exits", "is_day_trade"),
    [
        ("\n  - time_in_trade: {at_least: 1h}", True),
        ("\n  - time_in_trade: {at_least: 6h}", False),
        ('\n  - name: late\n    any: [{time: "15:45"}, {profit: {at_least: 50%}}]', True),
        ('\n  - name: late\n    all: [{time: "15:45"}, {profit: {at_least: 50%}}]', False),
        ('\n  - name: late\n    all: [{time: "15:45"}, {time_in_trade: {above: 30m}}]', True),
        ('\n  - time: "15:45"\n    activate_when: {time_in_trade: {above: 30m}}', True),
        ('\n  - time: "15:45"\n    activate_when: {sessions_in_trade: {at_least: 1}}', False),
    ],
    ids=["an hour after", "after the close", "any", "all", "all by the clock", "armed by the clock", "armed later"],
)
def test_what_the_clock_alone_closes_today_is_a_day_trade(exits: str, is_day_trade: bool) -> None:
    seller = text_of("seller", **{**SELLER, "exits": exits + SETTLES})
    desk = desk_of(seller, account=NONE_LEFT)
    desk.until("10:01")
    assert refused(desk, "seller").startswith("no day trade remains") is is_day_trade
    assert bool(desk.submitted) is not is_day_trade


def test_positions_of_today_need_theirs() -> None:
    two = (text_of("one"), text_of("two", entry='{at: "10:05"}'))
    desk = desk_of(*two, account=replace(NONE_LEFT, day_trades_left=1))
    desk.opened()
    desk.until("10:05")
    assert "the broker allows 1, 1 of them for positions of today" in refused(desk, "two")


def test_a_day_trade_just_made_counts_until_the_broker_has_reported() -> None:
    bots = (text_of("one"), text_of("two", entry='{window: {from: "10:05", to: "10:30"}}'))
    desk = desk_of(*bots, account=replace(NONE_LEFT, day_trades_left=1))
    desk.opened()
    desk.now += timedelta(minutes=4)
    leg = desk.position.legs[0].option
    desk.quote(leg, 0.20, 0.30, -0.05)
    desk.tick()
    desk.fill(desk.last)
    assert desk.position.state == "closed"
    desk.until("10:05")
    assert "the broker allows 1, 1 of them" in refused(desk, "two")
    desk.send(AccountReport(desk.now, NONE_LEFT))
    desk.until("10:10")
    assert refused(desk, "two").startswith("no day trade remains: the broker allows 0, and")
    assert [order.bot for order in desk.submitted if order.reason == "entry"] == ["one"]


def test_entries_of_the_day_outlive_a_restart() -> None:
    desk = desk_of(text_of("one"), text_of("later", entry='{at: "10:05"}'), entries_per_day=1)
    desk.opened()
    kept = resume(desk.records, desk.now, desk.board, EventCalendar()).state
    desk.state = kept._replace(market=replace(kept.market, facts=desk.state.market.facts))
    desk.take(start_run(desk.program, desk.state, desk.now))
    desk.link()
    desk.until("10:05")
    assert refused(desk, "later") == "all bots together have sent 1 today, entries_per_day is 1"


# ---------------------------------------------------------------- greeks of all bots


def greeks(desk: Desk) -> Desk:
    for contract, row in desk.board.rows.items():
        if isinstance(contract, Option):
            delta = abs(desk.board.delta[row])
            desk.board.gamma[row], desk.board.theta[row], desk.board.vega[row] = delta / 500, -1.5 * delta, 0.8 * delta
    return desk


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"net_delta": Between(None, Decimal(2))}, "2.58 shares in SPX, net_delta is at most 2.00"),
        ({"net_delta": Between(Decimal(3), None)}, "2.58 shares in SPX, net_delta is at least 3.00"),
        ({"net_gamma": Between(Decimal(0), None)}, "-0.01 shares a point in SPX, net_gamma is at least 0.00"),
        ({"net_theta": Between(None, Decimal(3))}, "$3.87 a day, net_theta is at most $3.00"),
        ({"net_vega": Between(Decimal(-1), Decimal(9))}, "-$2.07 a point of volatility, net_vega is at least -$1.00"),
    ],
)
def test_greeks_of_one_entry(limits: dict[str, Between], reason: str) -> None:
    desk = greeks(desk_of(**limits))
    desk.until("10:00")
    assert refused(desk) == f"all bots together would have {reason}"
    assert not desk.submitted


def test_greeks_of_all_bots_add_up_and_each_underlying_is_held_alone() -> None:
    """Each spread is worth 2.58 shares: the second would make 5.16."""
    desk = greeks(desk_of(text_of("one"), text_of("two"), net_delta=Between(None, Decimal(3))))
    desk.until("10:00")
    assert len(desk.submitted) == 1
    assert "5.16 shares in SPX" in refused(desk, "two")


def test_greeks_that_are_not_known_refuse() -> None:
    desk = desk_of(net_vega=Between(None, Decimal(10**6)))
    desk.until("10:00")
    assert not desk.submitted
    assert refused(desk).startswith("what all bots are exposed to is unknown: ")
    assert refused(desk).endswith("has no greeks")


# ---------------------------------------------------------------- conditions of the account document


def required(desk: Desk, conditions: str) -> Desk:
    text = f"rulebot_account: 1\nabout: For a test.\naccount: DU1234567\nrisk: {{require: [{conditions}]}}\n"
    account = load_text(text, "account.yaml").account
    assert account is not None
    desk.program = replace(desk.program, require=account.require)
    return desk


def test_a_group_of_the_account_refuses_and_says_why() -> None:
    desk = required(greeks(desk_of()), "{name: long_gamma, any: [{net_gamma: {at_least: 0}}, {time: '10:02'}]}")
    desk.until("10:01")
    assert not desk.submitted
    assert refused(desk) == (
        "long_gamma of the account document does not hold: "
        "long_gamma.net_gamma FALSE (-0.01 shares a point in SPX, at least 0.00); long_gamma.time FALSE (from 10:02 on)"
    )
    desk.until("10:03")
    assert len(desk.submitted) == 1


def test_a_time_of_the_account_keeps_entries_out_from_then_on() -> None:
    desk = required(desk_of(text_of("one"), text_of("two", entry='{at: "10:10"}')), "{not: {time: '10:05'}}")
    desk.until("10:00")
    desk.until("10:10")
    assert len(desk.submitted) == 1
    assert refused(desk, "two") == "not_time of the account document does not hold: not: from 10:05 on"


def test_a_condition_of_the_account_that_is_unknown_refuses() -> None:
    desk = required(desk_of(), "{name: r, any: [{net_vega: {at_least: -$9000}}, {time: '15:00'}]}")
    desk.until("10:00")
    assert not desk.submitted
    assert refused(desk).startswith("r of the account document is unknown: r.net_vega unknown (")


def test_conditions_of_the_account_leave_exits_alone() -> None:
    desk = desk_of()
    desk.opened()
    required(desk, "{time: '15:59'}")
    desk.until("15:45")
    assert desk.last.purpose is Purpose.EXIT


def test_a_condition_on_margin_asks_the_broker_first() -> None:
    desk = required(desk_of(), "{name: r, any: [{margin: {at_most: 0.5x net_liquidation}}, {time: '15:00'}]}")
    desk.until("10:00")
    (asked,) = (command for command in desk.commands if isinstance(command, AskMargin))
    assert not desk.submitted
    assert not refused(desk)
    desk.send(MarginReport(desk.now, asked.order.order_id, Decimal(5001), Decimal(1000)))
    desk.settle(0.5)
    assert refused(desk).startswith(
        "r of the account document does not hold: r.margin FALSE ($5,001.00, at most $5,000"
    )
    desk.tick(16)
    again = [command for command in desk.commands if isinstance(command, AskMargin)][-1]
    desk.send(MarginReport(desk.now, again.order.order_id, Decimal(4999), Decimal(1000)))
    desk.settle(0.5)
    assert len(desk.submitted) == 1
