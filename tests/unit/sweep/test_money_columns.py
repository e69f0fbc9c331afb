"""Orders and money by arrays are those of the engine's decimals, wherever they say that they are clear."""

from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from rulebot.backtest.fill_model import FillModel, fill_model
from rulebot.backtest.simulated_broker import margin_of
from rulebot.model.commission import EDGES, estimate, fees_per_contract, max_commission, per_contract
from rulebot.model.contract import Option, Right, product
from rulebot.model.money import CENT, ZERO, Rounding
from rulebot.model.payoff import least_payoff
from rulebot.model.values import replace
from rulebot.order.price import Bound, NetQuote, Part, limit_net, start_net, surely_lost_below, ticks_of
from rulebot.spec.spec import OnUnfilled, Order, PriceFrom
from rulebot.sweep.vectorized.entry_order import EntryOrder, EvaluationInstant, FilledAt
from rulebot.sweep.vectorized.exit_orders import (
    SLACK,
    UNIT,
    Fill,
    Grid,
    Orders,
    Outcome,
    Quoted,
    Quotes,
    UndecidedByArrays,
    Unfilled,
    four_digits,
    least_payoffs,
    margins,
    work_exit,
)
from rulebot.sweep.vectorized.exit_orders import surely_lost_below as columns_below

COUNT = 120
FLOWS = {1: (1,), 2: (-1, 1), 4: (1, -1, 1, -1)}


def options(count: int, symbol: str = "SPX") -> list[Option]:
    rights = (Right.PUT, Right.PUT, Right.CALL, Right.CALL)
    name = "SPXW" if symbol == "SPX" else symbol
    return [Option(symbol, name, date(2026, 9, 1), Decimal(100 + 5 * n), rights[n]) for n in range(count)]


def quotes(legs: int, seed: int, symbol: str = "SPX") -> Quotes:
    """Quotes on the grid and off it, cheap ones and dear ones."""
    chance = np.random.default_rng(seed)
    step = np.where(chance.random((COUNT, legs)) < 0.8, 0.05, 0.01)
    bid = np.round(chance.integers(1, 120, (COUNT, legs)) * step, 2)
    ask = np.round(bid + chance.integers(1, 8, (COUNT, legs)) * step, 2)
    return Quotes(bid, ask, FLOWS[legs], options(legs, symbol))


def one_of(found: Quotes, row: int) -> tuple[tuple[Part, ...], NetQuote, tuple[tuple[float, float], ...]]:
    """Return one structure as the engine has it, its sums in the order of `net_quote`."""
    sides = tuple((float(found.bid[row, leg]), float(found.ask[row, leg])) for leg in range(len(found.flows)))
    mid = natural = 0.0
    for (bid, ask), flow in zip(sides, found.flows, strict=True):
        mid += flow * (bid + ask) / 2
        natural += flow * (bid if flow > 0 else ask)
    parts = tuple(Part(option, flow, 1) for option, flow in zip(found.options, found.flows, strict=True))
    return parts, NetQuote(mid, natural), sides


class _OneInstant:
    """A market that stands."""

    times = np.zeros(1)

    def place_at(self, at: float) -> int:
        return 0


ONE_INSTANT = _OneInstant()


def test_prices_on_the_grid_are_those_of_decimals() -> None:
    chance = np.random.default_rng(1)
    prices = np.concatenate((chance.integers(-9000, 9000, 4000) / 1000.0, chance.normal(0, 4, 2000), [0.0, 3.0, -3.0]))
    for rule in (product("SPX").option_ticks, product("SPX").combo_ticks, product("SPY").option_ticks):
        grid = Grid(rule)
        for found, rounding in ((grid.up(prices), Rounding.UP), (grid.down(prices), Rounding.DOWN)):
            wanted = [int(rule.round(price, rounding) * UNIT) for price in prices.tolist()]
            assert found.is_clear.mean() > 0.99
            assert (found.units == wanted)[found.is_clear].all()
    digits = four_digits(prices)
    assert digits.is_clear.mean() > 0.99
    assert digits.units[digits.is_clear].tolist() == [
        int(Decimal(f"{price:.4f}") * UNIT) for price in prices[digits.is_clear].tolist()
    ]


def test_what_lies_next_to_a_step_is_not_clear() -> None:
    grid = Grid(product("SPX").combo_ticks)
    found = grid.up(np.array([1.05, 1.05 + 1e-9, 1.05 + 1e-12, 1.051]))
    assert found.is_clear.tolist() == [True, False, True, True]
    assert found.units.tolist()[2:] == [10_500, 11_000]


def test_a_commission_changes_at_the_edges_alone() -> None:
    def of_one(option: Option, premium: float) -> tuple[Decimal, Decimal]:
        return per_contract(option, premium), fees_per_contract(option, premium)

    (option,) = options(1)
    for low, high in zip((0.0, *EDGES), (*EDGES, 500.0), strict=True):
        between = np.linspace(low, high, 50, endpoint=False).tolist()
        assert len({of_one(option, premium) for premium in between}) == 1
    assert len({of_one(option, edge) for edge in (0.0, *EDGES)}) == len(EDGES) + 1


@pytest.mark.parametrize("symbol", ["SPX", "SPY"])
def test_commissions_are_those_of_the_engine(symbol: str) -> None:
    found = quotes(4, 2, symbol)
    assert found.most_fees() == 2 * 100 * sum(max_commission(option, 1) for option in found.options)
    for row in range(COUNT):
        asks = zip(found.options, found.ask[row].tolist(), strict=True)
        assert found.most_fees() >= 200 * estimate([(option, 1, ask) for option, ask in asks])


def test_the_least_that_structures_pay_is_that_of_the_engine() -> None:
    chance = np.random.default_rng(3)
    rights = [option.right for option in options(4)]
    strikes = np.sort(chance.integers(80, 120, (COUNT, 4)) * 5 * UNIT, axis=1)
    for signs in ((1, -1, -1, 1), (-1, 1, 1, -1), (-1, -1, 1, 1)):
        found = least_payoffs(strikes, rights, signs)
        assert found is not None
        for row in range(COUNT):
            every = zip(strikes[row].tolist(), rights, signs, strict=True)
            parts = [(Option("SPX", "SPXW", date(2026, 9, 1), Decimal(k) / UNIT, right), n) for k, right, n in every]
            assert found[row] == least_payoff(parts) * UNIT
    assert least_payoffs(strikes, rights, (1, -1, -1, -1)) is None


@pytest.mark.parametrize("signs", [(-1, 1, 1, -1), (1, -1, -1, 1), (1, -1, -1, -1), (-1, -1, -1, -1), (1, 1, 1, 1)])
def test_margins_are_those_of_the_broker(signs: tuple[int, ...]) -> None:
    chance = np.random.default_rng(5)
    rights = [option.right for option in options(4)]
    strikes = np.sort(chance.integers(80, 120, (COUNT, 4)) * 5 * UNIT, axis=1) + np.arange(4) * UNIT
    found = margins(strikes, rights, signs)
    for row in range(COUNT):
        every = zip(strikes[row].tolist(), rights, signs, strict=True)
        held = [(Option("SPX", "SPXW", date(2026, 9, 1), Decimal(k) / UNIT, right), n, ZERO) for k, right, n in every]
        assert found[row] * 100 == margin_of(tuple(held)) * UNIT


def test_the_price_under_which_all_is_lost_is_that_of_the_engine() -> None:
    chance = np.random.default_rng(4)
    for flows in ((1,), (-1, 1), (1, -1), (-1, 1, 1, -1), (1, -1, -1, 1), (1, -1, 1, -1), (-1, -1, 1, 1)):
        dealt = quotes(len(flows), 1)._replace(flows=flows)
        strikes = np.sort(chance.integers(80, 120, (COUNT, len(flows))) * 5 * UNIT, axis=1)
        found = columns_below(strikes, dealt)
        for row in range(COUNT):
            every = zip(strikes[row].tolist(), dealt.options, flows, strict=True)
            parts = [Part(replace(option, strike=Decimal(k) / UNIT), flow, 1) for k, option, flow in every]
            wanted = surely_lost_below(tuple(parts))
            assert found[row] == (-np.inf if wanted is None else float(wanted))


LADDERS = [
    Order(start=PriceFrom.NATURAL, wait=10.0, tries=1, path=()),
    Order(start=PriceFrom.NATURAL, wait=10.0, tries=3, then=OnUnfilled.MARKET, path=()),
    Order(start=PriceFrom.MID, step=Decimal("0.05"), wait=5.0, tries=6, path=()),
    Order(start=PriceFrom.MID, step=Decimal("0.05"), wait=10.0, tries=2, then=OnUnfilled.MARKET, path=()),
    Order(start=PriceFrom.MID, wait=15.0, tries=2, path=()),
    Order(start=PriceFrom.MARKET, wait=10.0, tries=1, path=()),
]


@pytest.mark.parametrize("legs", [1, 2, 4])
@pytest.mark.parametrize("fills", ["natural", "mid", "mid+0.3"])
@pytest.mark.parametrize("ladder", LADDERS, ids=lambda each: f"{each.start.value}-{each.tries}-{each.then.value}")
def test_orders_come_to_what_they_come_to_one_by_one(ladder: Order, fills: str, legs: int) -> None:
    model = fill_model(fills)
    for closing in (False, True):
        for symbol, floor in (("SPX", None), ("SPX", "0.30"), ("SPY", "0.300001"), ("SPY", "-2.5")):
            least = None if floor is None or closing else Decimal(floor)
            _compare(quotes(legs, legs, symbol), ladder, model, least, closing)


def _compare(found: Quotes, ladder: Order, fills: FillModel, floor: Decimal | None, closing: bool) -> None:
    rooms = np.random.default_rng(5).choice([4.0, 20.0, 60.0], COUNT)
    lost = surely_lost_below(one_of(found, 0)[0])
    lowest = [each for each in (floor, lost) if each is not None]
    worth = None if lost is None else np.full(COUNT, float(lost))
    orders = Orders(found, ladder, fills, np.full(COUNT, float(max(lowest))) if lowest else None, worth=worth)
    worked = orders.work(rooms, closing=closing)
    commission = found.commission(worked.net, 2)
    assert worked.is_clear.all()
    for row in range(COUNT):
        parts, net, sides = one_of(found, row)
        quoted, room = Quoted(parts, net, sides), float(rooms[row])
        if closing:
            wanted: Outcome = work_exit(quoted, 2, ladder, fills, room)
        else:
            order = EntryOrder(ONE_INSTANT, EvaluationInstant(0.0, 0), ladder, 2, fills, room - SLACK)
            met = FilledAt(quoted, Bound(floor), Decimal(100))
            wanted = order.work(lambda _, met=met: met, lambda _, met=met: met.quoted)
        if isinstance(wanted, Fill):
            assert worked.is_filled[row]
            prices = zip(wanted.prices, found.flows, strict=True)
            assert worked.net[row] == sum(price * flow for price, flow in prices) * UNIT
            assert (worked.after[row], worked.tries[row]) == (wanted.after, wanted.tries)
            if commission.is_clear[row]:
                assert commission.units[row] * CENT == sum(wanted.commissions)
        else:
            assert worked.is_unfilled[row] == isinstance(wanted, Unfilled)
            assert not worked.is_filled[row]
            assert worked.is_unfilled[row] or isinstance(wanted, UndecidedByArrays)


def test_prices_at_which_orders_start_are_those_of_the_engine() -> None:
    found = quotes(2, 9)
    for start in (PriceFrom.NATURAL, PriceFrom.MID):
        ladder = Order(start=start, path=())
        started = Orders(found, ladder, fill_model("mid")).started()
        for row in range(COUNT):
            parts, net, _ = one_of(found, row)
            assert started.units[row] == start_net(ladder, net, parts) * UNIT
    assert limit_net(1.02, natural=1.0, floor=None, ticks=ticks_of(parts)) == Decimal("1.05")
