"""What shares have cost on average, as a broker of the past tells it, beside the books of the simulated exchange."""

from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from past_days import PastDays
from plain_specs import ASSIGNED

from engine.model.events import event_calendar
from engine.record.record import Kind
from engine.run.backtest.fills import fill_model
from engine.run.backtest.run import BacktestOptions, run_backtest
from engine.run.calendars import shipped_dates
from engine.run.desk import load_desk
from engine.run.pretend_broker import average_cost
from engine.sim.exchange.account import Account
from engine.store.queries import StoreReader


@pytest.mark.parametrize("seed", range(20))
def test_it_is_that_of_the_simulated_exchange(seed: int) -> None:
    """Bought and sold, more than was held too, each time with a commission."""
    chance, books, held, cost = Random(seed), Account(cash=Decimal(0)), 0, Decimal(0)
    for _ in range(60):
        count = chance.choice((-300, -200, -100, 100, 200, 300))
        value, commission = Decimal(count * chance.randint(40_000, 60_000)) / 100, Decimal("1.05")
        cost = average_cost(held, cost, count, value + commission)
        held += count
        books.trade(1, Decimal(count), value, commission)
        assert float(cost) == pytest.approx(float(books.holdings[1].average_cost), abs=1e-4)
        assert books.quantity(1) == held


def test_shares_that_were_assigned_have_cost_the_strike(tmp_path: Path) -> None:
    """They had cost nothing, so that a wheel sold its calls far under what the shares had cost."""
    text = ASSIGNED.replace("{at: spot, multiple_of: 5}", "{delta: 0.90}").replace('"10:00"}', '"10:00", max_open: 1}')
    (file := tmp_path / "assigned.yaml").write_text(text, encoding="utf-8")
    source = PastDays(every=5, strikes=25, symbol="SPY", trading_class="SPY")
    options = BacktestOptions(
        opens=lambda: source,
        data="made up",
        first=source.first,
        last=source.first,
        store=tmp_path / "x.db",
        fills=fill_model("mid"),
        calendar=lambda: event_calendar(shipped_dates()),
    )
    run_backtest(load_desk([str(file)], {}, None), options, lambda done, number, count: None)
    with StoreReader(tmp_path / "x.db") as reader:
        (trade,) = reader.view("trades")
        (told,) = [each for each in reader.records((Kind.FACTS,)) if each.data["what"] == "shares held"]
    assert told.data["value"] == 100
    assert Decimal(str(told.data["cost"])) == Decimal(str(trade["strike"]))
