"""When orders fill and at what price: limits, markets, stops, Adaptive, combos."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from fake_market import AAPL, C5100, C5110, CONDOR, NAN, OPEN, P4990, P5000, QUIET, SPY, SPY_C, SPY_P, Desktop

from twsim.exchange.broker_state import ExchangeSettings
from twsim.exchange.nbbo import Nbbo, leg_prices, order_touch, weighted
from twsim.seams import Executed, Execution, OrderChanged, Report

LIVELY = replace(QUIET, resting_rate=ExchangeSettings().resting_rate)


def trades(reports: list[Report]) -> list[tuple[Decimal, Decimal]]:
    return [(r.execution.quantity, r.execution.price) for r in reports if isinstance(r, Executed)]


def seconds_to_fill(limit: float, seeds: range, most: int) -> list[int]:
    waits = []
    for seed in seeds:
        desk = Desktop(seed=seed, settings=LIVELY)
        desk.place(P5000, "BUY", limit=limit)
        waits.append(next((n for n in range(1, most) if trades(desk.step())), most))
    return waits


def test_a_marketable_limit_fills_at_the_touch() -> None:
    desk = Desktop()
    desk.place(P5000, "BUY", limit=2.5)
    assert trades(desk.step()) == [(1, Decimal("2.2"))]
    desk.place(P5000, "SELL", limit=1.5)
    assert trades(desk.step()) == [(1, Decimal("2.0"))]


def test_fills_are_limited_by_the_displayed_size_and_orders_share_it() -> None:
    desk = Desktop()
    desk.place(P5000, "BUY", 15, limit=2.2)
    desk.place(P5000, "BUY", 15, limit=2.2)
    assert [quantity for quantity, _ in trades(desk.step())] == [15, 5]
    assert [quantity for quantity, _ in trades(desk.step())] == [10]


def test_a_market_order_walks_the_book() -> None:
    desk = Desktop(cash=Decimal(10_000_000))
    desk.place(P5000, "BUY", 45)
    assert trades(desk.step()) == [(20, Decimal("2.2")), (20, Decimal("2.25")), (5, Decimal("2.30"))]
    desk.place(SPY_C, "SELL", 250)
    assert [price for _, price in trades(desk.step())] == [Decimal("0.5"), Decimal("0.49"), Decimal("0.48")]


def test_nothing_fills_without_a_far_side() -> None:
    desk = Desktop()
    desk.market.quotes[P5000] = (NAN, 0.05, 0, 10)
    desk.place(P5000, "SELL")
    assert trades(desk.step()) == []


def test_a_limit_at_the_mid_fills_soon_and_one_at_its_own_side_rarely() -> None:
    at_mid = seconds_to_fill(2.1, range(40), 400)
    at_bid = seconds_to_fill(2.0, range(40), 400)
    deeper = seconds_to_fill(2.15, range(40), 400)
    assert 20 < sum(at_mid) / 40 < 90
    assert sum(deeper) < sum(at_mid) < sum(at_bid)
    assert sum(wait == 400 for wait in at_bid) > 20
    assert all(wait == 400 for wait in seconds_to_fill(1.95, range(10), 400))


def test_a_resting_fill_is_at_the_limit_and_adds_liquidity() -> None:
    desk = Desktop(settings=LIVELY, seed=3)
    desk.place(P5000, "SELL", limit=2.05)
    done: list[Execution] = []
    while not done:
        done = [report.execution for report in desk.step() if isinstance(report, Executed)]
    assert (done[0].price, done[0].liquidity) == (Decimal("2.05"), 1)


def test_a_resting_order_fills_by_what_arrives() -> None:
    """No more than what is shown at its own side comes at once."""
    desk = Desktop(settings=replace(QUIET, resting_rate=1e9))
    desk.market.quotes[P5000] = (2.00, 2.20, 3, 20)
    desk.place(P5000, "BUY", 8, limit=2.1)
    sizes = [quantity for _ in range(12) for quantity, _ in trades(desk.step())]
    assert sum(sizes) == 8
    assert set(sizes) <= {1, 2, 3}
    assert len(sizes) < 8


@pytest.mark.parametrize("waits", ["parent", "time", "halt"])
def test_nobody_has_hit_an_order_while_it_could_not_trade(waits: str) -> None:
    """What it had waited counted as time at the exchange: of a target at the mid seven in ten filled at once."""
    filled = 0
    for seed in range(60):
        desk = Desktop(settings=LIVELY, seed=seed)
        desk.market.quotes[SPY_P] = (3.9, 4.1, 50, 50)
        begins = desk.at + timedelta(seconds=92)
        if waits == "halt":
            desk.market.halts.add("SPY")
        if waits == "parent":
            desk.place(SPY_P, "BUY", limit=3.0, transmit=False)
        more = {"parent": {"parent_id": 1}, "time": {"good_after": begins}, "halt": {}}[waits]
        desk.place(SPY_P, "SELL" if waits == "parent" else "BUY", limit=4.0, **more)
        assert not [trade for _ in range(18) for trade in trades(desk.step(5))]
        if waits == "parent":
            desk.market.quotes[SPY_P] = (2.9, 3.0, 50, 50)
            assert len(trades(desk.step(5))) == 1
            desk.market.quotes[SPY_P] = (3.9, 4.1, 50, 50)
        desk.market.halts.clear()
        filled += bool(trades(desk.step(5)))
    assert filled < 20


def test_nobody_has_hit_an_order_before_the_open() -> None:
    filled = 0
    for seed in range(60):
        desk = Desktop(at=OPEN - timedelta(minutes=1), settings=LIVELY, seed=seed)
        desk.market.quotes[SPY_P] = (3.9, 4.1, 50, 50)
        desk.place(SPY_P, "BUY", limit=4.0)
        assert trades(desk.to(OPEN)) == []
        filled += bool(trades(desk.step(5)))
    assert 0 < filled < 20


def test_chance_does_not_depend_on_other_orders() -> None:
    def wait(others: bool) -> int:
        desk = Desktop(settings=LIVELY, seed=11)
        desk.place(P5000, "BUY", limit=2.1)
        if others:
            desk.place(SPY_P, "BUY", limit=3.5)
            desk.place(P4990, "BUY", limit=1.45)
        for n in range(1000):
            if any(isinstance(r, Executed) and r.execution.con_id == P5000 for r in desk.step()):
                return n
        return 1000

    assert wait(others=False) == wait(others=True)


# ------------------------------------------------------------- stops


def test_a_buy_stop_on_an_option_needs_two_bids_in_a_row() -> None:
    desk = Desktop()
    desk.place(SPY_P, "BUY", order_type="STP", stop=5.0, tif="GTC")
    assert desk.step() == []
    assert desk.broker.open_orders()[0].why_held == "trigger"
    desk.market.quotes[SPY_P] = (4.0, 9.0, 10, 10)
    assert trades(desk.step()) == []
    desk.market.quotes[SPY_P] = (5.1, 5.3, 10, 10)
    assert trades(desk.step()) == []
    desk.market.quotes[SPY_P] = (4.9, 5.3, 10, 10)
    assert trades(desk.step()) == []
    desk.market.quotes[SPY_P] = (5.1, 5.3, 10, 10)
    desk.step()
    assert trades(desk.step()) == [(1, Decimal("5.3"))]


def test_a_sell_stop_watches_the_ask_and_a_stop_limit_keeps_its_limit() -> None:
    desk = Desktop()
    desk.place(SPY_P, "BUY", limit=4.1)
    desk.step()
    desk.place(SPY_P, "SELL", order_type="STP LMT", stop=3.5, limit=3.4)
    desk.market.quotes[SPY_P] = (3.0, 3.4, 10, 10)
    desk.step()
    reports = desk.step()
    assert trades(reports) == []
    assert [r.order.status.value for r in reports if isinstance(r, OrderChanged)] == ["Submitted"]
    desk.market.quotes[SPY_P] = (3.4, 3.5, 10, 10)
    assert trades(desk.step()) == [(1, Decimal("3.4"))]


def test_a_stock_stop_watches_the_last_price() -> None:
    desk = Desktop()
    desk.place(SPY, "BUY", 10, order_type="STP", stop=506.0)
    desk.market.quotes[SPY] = (507.0, 507.1, 10, 10)
    assert trades(desk.step()) == []
    desk.market.lasts[SPY] = 506.0
    assert trades(desk.step()) == [(10, Decimal("507.1"))]


@pytest.mark.parametrize(("method", "after"), [("1", 2), ("4", 1), ("7", 1), ("8", 1)])
def test_the_trigger_method_of_the_order_is_followed(method: str, after: int) -> None:
    desk = Desktop()
    desk.place(SPY_P, "BUY", order_type="STP", stop=5.0, echo={"triggerMethod": method})
    desk.market.quotes[SPY_P] = (5.1, 5.3, 10, 10)
    steps = next(n for n in range(1, 5) if trades(desk.step()))
    assert steps == after


# ------------------------------------------------------------- adaptive


@pytest.mark.parametrize(("priority", "least", "most"), [("Urgent", 1, 6), ("Normal", 5, 46), ("Patient", 30, 181)])
def test_adaptive_fills_within_the_time_of_its_priority(priority: str, least: int, most: int) -> None:
    for seed in range(8):
        desk = Desktop(seed=seed)
        desk.place(P5000, "SELL", limit=1.9, algo="Adaptive", algo_params=(("adaptivePriority", priority),))
        waited = next(n for n in range(1, 300) if trades(desk.step()))
        assert least <= waited <= most + 1


def test_adaptive_at_the_market_and_its_walk() -> None:
    desk = Desktop(settings=LIVELY, seed=5)
    desk.place(P5000, "BUY", algo="Adaptive", algo_params=(("adaptivePriority", "Patient"),))
    done: list[tuple[Decimal, Decimal]] = []
    while not done:
        done = trades(desk.step())
    assert Decimal("2.1") <= done[0][1] <= Decimal("2.2")


@pytest.mark.parametrize(("side", "limit"), [("SELL", 2.15), ("SELL", 2.05), ("BUY", 2.15), ("BUY", 2.05)])
def test_adaptive_never_passes_its_limit(side: str, limit: float) -> None:
    desk = Desktop()
    desk.place(P5000, side, limit=limit, algo="Adaptive", algo_params=(("adaptivePriority", "Urgent"),))
    assert [trade for _ in range(300) for trade in trades(desk.step())] == []


# ------------------------------------------------------------- combos


def test_a_combo_fills_at_its_natural_with_an_execution_for_itself_and_each_leg() -> None:
    desk = Desktop()
    desk.broker.place(desk.combo(CONDOR, limit=-0.8))
    done = [r.execution for r in desk.step() if isinstance(r, Executed)]
    assert [(one.sec_type, one.con_id, one.side, one.price) for one in done] == [
        ("BAG", 0, "BOT", Decimal("-0.8")),
        ("OPT", P4990, "BOT", Decimal("1.6")),
        ("OPT", P5000, "SLD", Decimal("2.0")),
        ("OPT", C5100, "SLD", Decimal("1.9")),
        ("OPT", C5110, "BOT", Decimal("1.5")),
    ]
    assert [one.exec_id.split(".")[2] for one in done] == ["01", "02", "03", "04", "05"]
    assert desk.broker.commission_of(done[0].exec_id) is None
    assert all(desk.broker.commission_of(one.exec_id) for one in done[1:])
    assert 0 not in {view.con_id for view in desk.broker.positions()}


def test_selling_the_mirrored_combo_is_the_same_trade() -> None:
    desk = Desktop()
    mirror = tuple((con_id, ratio, "SELL" if does == "BUY" else "BUY") for con_id, ratio, does in CONDOR)
    desk.broker.place(desk.combo(mirror, "SELL", limit=0.8))
    done = [r.execution for r in desk.step() if isinstance(r, Executed)]
    assert (done[0].side, done[0].price) == ("SLD", Decimal("0.8"))
    assert {one.con_id: one.side for one in done[1:]} == {P4990: "BOT", P5000: "SLD", C5100: "SLD", C5110: "BOT"}


def test_combos_fill_in_parts_by_the_smallest_leg() -> None:
    desk = Desktop()
    desk.market.quotes[P4990] = (1.40, 1.60, 20, 3)
    desk.broker.place(desk.combo(CONDOR, quantity=5, limit=-0.8))
    bag = next(r.execution for r in desk.step() if isinstance(r, Executed))
    assert bag.quantity == 3
    bag = next(r.execution for r in desk.step() if isinstance(r, Executed))
    assert (bag.quantity, bag.cumulative) == (2, 5)


def test_a_combo_inside_its_market_splits_the_price_within_the_quotes() -> None:
    desk = Desktop(settings=LIVELY, seed=2)
    desk.broker.place(desk.combo(CONDOR, limit=-1.05))
    done: list[Execution] = []
    while not done:
        done = [r.execution for r in desk.step() if isinstance(r, Executed)]
    bag, *legs = done
    signed = sum(one.price if one.side == "BOT" else -one.price for one in legs)
    assert bag.price == signed == Decimal("-1.05")
    for one in legs:
        bid, ask, _, _ = desk.market.quotes[one.con_id]
        assert Decimal(str(bid)) <= one.price <= Decimal(str(ask))


def test_a_market_combo_takes_the_natural_and_waits_when_a_leg_has_no_offer() -> None:
    desk = Desktop()
    desk.market.quotes[P4990] = (1.40, NAN, 20, 0)
    desk.broker.place(desk.combo(CONDOR))
    assert trades(desk.step()) == []
    desk.market.quotes[P4990] = (1.40, 1.60, 20, 20)
    assert trades(desk.step())[0] == (1, Decimal("-0.8"))


def test_a_leg_that_nobody_quotes_is_not_given_away() -> None:
    desk = Desktop()
    desk.market.quotes[P4990] = (NAN, NAN, 0, 0)
    desk.broker.place(desk.combo(CONDOR, "SELL"))
    assert trades(desk.step()) == []


def test_a_combo_is_sold_as_far_as_the_bids_of_its_longs_and_the_offers_of_its_shorts_go() -> None:
    desk = Desktop()
    desk.market.quotes[P4990] = (1.40, 1.60, 3, 50)
    desk.market.quotes[P5000] = (2.00, 2.20, 50, 4)
    desk.broker.place(desk.combo(CONDOR, "SELL", 9))
    assert trades(desk.step())[0] == (3, Decimal("-1.6"))


def test_nobody_hits_a_combo_of_which_nobody_knows_the_other_side() -> None:
    """It was bought at 0.20, where its legs were worth 1.40 and more."""
    desk = Desktop(settings=replace(QUIET, resting_rate=1e9))
    desk.market.quotes[P4990] = (0.50, NAN, 20, 0)
    desk.broker.place(desk.combo(((P5000, 1, "BUY"), (P4990, 1, "SELL")), limit=0.2))
    assert trades(desk.step()) == []
    desk.place(SPY_P, "BUY", limit=2.0)
    desk.market.quotes[SPY_P] = (NAN, 4.10, 0, 20)
    assert trades(desk.step()) == [(1, Decimal("2.0"))], "the bid of one option that has none is zero"


def test_a_worthless_wing_does_not_stop_a_combo_from_closing() -> None:
    desk = Desktop()
    desk.market.quotes[P4990] = (NAN, 0.05, 0, 40)
    closing = tuple((con_id, ratio, "SELL" if does == "BUY" else "BUY") for con_id, ratio, does in CONDOR)
    desk.broker.place(desk.combo(closing))
    done = {r.execution.con_id: r.execution.price for r in desk.step() if isinstance(r, Executed)}
    assert done[P4990] == 0


def test_ratios_and_a_combo_of_two_lots() -> None:
    desk = Desktop()
    desk.broker.place(desk.combo(((P5000, 1, "BUY"), (P4990, 2, "SELL")), quantity=3, limit=-0.6))
    done = [r.execution for r in desk.step() if isinstance(r, Executed)]
    assert [(one.con_id, one.quantity, one.price) for one in done] == [
        (0, 3, Decimal("-0.6")),
        (P5000, 3, Decimal("2.2")),
        (P4990, 6, Decimal("1.4")),
    ]


def test_leg_prices_sum_to_every_price_of_the_market() -> None:
    desk = Desktop()
    known = desk.market.catalogue
    parts = []
    for con_id, ratio, does in CONDOR:
        instrument = known.by_id(con_id)
        assert instrument is not None
        parts.append((instrument, 1 if does == "BUY" else -1, ratio))
    legs = weighted(parts)
    quotes = {
        P4990: Nbbo(Decimal("1.35"), Decimal("1.60"), 9, 9),
        P5000: Nbbo(Decimal("2.00"), Decimal("2.05"), 9, 9),
        C5100: Nbbo(Decimal("1.90"), Decimal("2.40"), 9, 9),
        C5110: Nbbo(None, Decimal("1.50"), 0, 9),
    }
    market = order_touch(legs, quotes)
    assert (market.bid, market.ask) == (Decimal("-3.10"), Decimal("-0.80"))
    for cents in range(-310, -79):
        price = Decimal(cents) / 100
        found = leg_prices(legs, quotes, price)
        assert sum(leg.sign * p for leg, p in zip(legs, found, strict=True)) == price
        for leg, p in zip(legs, found, strict=True):
            touch = quotes[leg.instrument.con_id]
            assert touch.ask is not None
            assert (touch.bid or 0) <= p <= touch.ask


def test_a_stop_on_a_combo_uses_its_natural_market() -> None:
    desk = Desktop()
    closing = tuple((con_id, ratio, "SELL" if does == "BUY" else "BUY") for con_id, ratio, does in CONDOR)
    desk.broker.place(desk.combo(closing, order_type="STP", stop=3.0))
    desk.step()
    desk.market.quotes[P5000] = (5.0, 5.2, 20, 20)
    desk.step()
    assert trades(desk.step())[0] == (1, Decimal("4.6"))


def test_stocks_trade_too() -> None:
    desk = Desktop()
    desk.place(AAPL, "BUY", 100, limit=182.02)
    assert trades(desk.step()) == [(100, Decimal("182.02"))]
    assert desk.broker.positions()[0].quantity == 100


# ------------------------------------------------------------- ladders


def test_a_ladder_from_the_mid_fills_after_a_few_steps() -> None:
    filled_at = []
    for seed in range(30):
        desk = Desktop(seed=seed, settings=LIVELY)
        for step, limit in enumerate((2.1, 2.15, 2.2)):
            desk.place(P5000, "BUY", limit=limit, order_id=1)
            if any(trades(desk.step()) for _ in range(15)):
                filled_at.append(step)
                break
    assert len(filled_at) == 30
    assert set(filled_at) >= {0, 1}
    assert all(a <= b for a, b in pairwise(sorted(filled_at)))


def test_a_step_of_the_clock_without_a_market_does_nothing() -> None:
    desk = Desktop()
    desk.place(P5000, "BUY", 30, limit=2.2)
    assert len(trades(desk.step())) == 1
    assert desk.broker.advance(desk.at + timedelta(seconds=1)) == [], "what was shown is taken once"


def test_a_buy_write_is_priced_per_share() -> None:
    desk = Desktop()
    desk.broker.place(desk.combo(((SPY, 100, "BUY"), (SPY_C, 1, "SELL")), limit=504.6))
    done = [r.execution for r in desk.step() if isinstance(r, Executed)]
    assert [(one.con_id, one.quantity, one.price) for one in done] == [
        (0, 1, Decimal("504.51")),
        (SPY, 100, Decimal("505.01")),
        (SPY_C, 1, Decimal("0.50")),
    ]


# ------------------------------------------------------------- non-guaranteed


def parity(desk: Desktop, quantity: int, **fields: float) -> None:
    """Buy an SPX call and sell ten SPY calls for each."""
    legs = ((C5100, 1, "BUY"), (SPY_C, 10, "SELL"))
    desk.broker.place(desk.combo(legs, quantity=quantity, non_guaranteed=True, **fields))


def test_a_non_guaranteed_leg_may_stand_alone_until_the_other_has_size() -> None:
    desk = Desktop(cash=Decimal(10_000_000))
    desk.market.quotes[SPY_C] = (0.50, 0.52, 7, 7)
    parity(desk, 1, limit=-2.9)
    reports = desk.step()
    assert [(r.execution.con_id, r.execution.quantity) for r in reports if isinstance(r, Executed)] == [
        (C5100, 1),
        (SPY_C, 7),
    ]
    view = desk.broker.open_orders()[0]
    assert (view.status.value, view.filled, view.remaining) == ("Submitted", 0, 1)
    desk.market.quotes[SPY_C] = (NAN, 0.32, 0, 7)
    assert trades(desk.step()) == []
    desk.market.quotes[SPY_C] = (0.30, 0.32, 7, 7)
    done = [r.execution for r in desk.step() if isinstance(r, Executed)]
    assert [(one.con_id, one.quantity, one.cumulative) for one in done] == [(0, 1, 1), (SPY_C, 3, 10)]
    assert done[0].price == Decimal("2.1") - 10 * Decimal("0.44")
    assert desk.broker.open_orders() == []
    assert {view.con_id: view.quantity for view in desk.broker.positions()} == {C5100: 1, SPY_C: -10}


def test_a_cancelled_non_guaranteed_order_leaves_its_legs() -> None:
    desk = Desktop(cash=Decimal(10_000_000))
    desk.market.quotes[SPY_C] = (0.50, 0.52, 0, 7)
    parity(desk, 2, limit=-2.9)
    desk.step()
    desk.broker.cancel(1, 1)
    assert {view.con_id: view.quantity for view in desk.broker.positions()} == {C5100: 2}


def test_a_non_guaranteed_order_with_size_fills_like_any_other() -> None:
    desk = Desktop(cash=Decimal(10_000_000))
    parity(desk, 3, limit=-2.9)
    done = [r.execution for r in desk.step() if isinstance(r, Executed)]
    assert [(one.con_id, one.quantity, one.price) for one in done] == [
        (0, 3, Decimal("-2.9")),
        (C5100, 3, Decimal("2.1")),
        (SPY_C, 30, Decimal("0.5")),
    ]
