"""What shares have cost on average, as a broker of the past tells it, beside the books of the simulated exchange."""

from contextlib import closing
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from past_days import PastDays
from plain_specs import ASSIGNED, WITH_SHARES

from rulebot.backtest.fill_model import fill_model
from rulebot.backtest.run import BacktestOptions, costs_on_record, run_backtest
from rulebot.backtest.simulated_broker import average_cost
from rulebot.calendars.calendars import shipped_dates
from rulebot.documents.load_bots import load_all_bots
from rulebot.model.contract import Underlying
from rulebot.model.economic_calendar import event_calendar
from rulebot.model.position import Position
from rulebot.record.codec import decode
from rulebot.record.record import Json, Kind
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store
from twsim.exchange.broker_state import Account

OF_SPY = PastDays(every=10, strikes=25, expiries=3, symbol="SPY", trading_class="SPY")
HELD_TWICE = (
    ASSIGNED.replace("{at: spot, round_to: 5}", "{delta: 0.90}")
    .replace("dte: 0", "dte: 2")
    .replace('{at: "10:00"}', '{at: "10:00", for: 1h, per_day: 2, again: {after: [filled], wait: 20m}, max_open: 6}')
)
"""Two puts a day, some of the same strike, held over two nights and then assigned."""


@pytest.mark.parametrize("seed", range(20))
def test_it_is_that_of_the_simulated_exchange(seed: int) -> None:
    """Shares bought and sold, more than was held too, and options that bring and take them; commissions each time."""
    chance, books = Random(seed), Account(cash=Decimal(0))
    held, costs = dict.fromkeys((1, 2), 0), dict.fromkeys((1, 2), Decimal(0))
    for _ in range(80):
        contract, strike, sign = chance.choice((1, 1, 2)), Decimal(chance.randint(400, 600)), chance.choice((-1, 1))
        count = chance.choice((-300, -200, -100, 100, 200, 300)) // (1 if contract == 1 else 100)
        value, commission = Decimal(count * chance.randint(40_000, 60_000)) / 100, Decimal("1.05")
        costs[contract] = average_cost(held[contract], costs[contract], count, value + commission)
        held[contract] += count
        books.trade(contract, Decimal(count), value, commission)
        if contract == 2 and held[2] and chance.random() < 0.4:
            shares, premium = sign * held[2] * 100, held[2] * costs[2]
            costs[1] = average_cost(held[1], costs[1], shares, strike * shares + premium)
            held = {1: held[1] + shares, 2: 0}
            books.deliver(2, 1, Decimal(shares), strike * shares)
        for each, cost in costs.items() if held[2] else [(1, costs[1])]:
            if held[each]:
                assert float(cost) == pytest.approx(float(books.holdings[each].average_cost), abs=1e-3)
                assert books.quantity(each) == held[each]


NO_CASH = "rulebot_account: 1\nabout: Puts without cash.\naccount: DU1234567\nrisk: {cash_secured_puts: ignore}\n"


def simulated(folder: Path, text: str, last: date, **given: object) -> Path:
    """Return the store of a backtest of SPY up to a session."""
    name = text.partition("name: ")[2].partition("\n")[0]
    (file := folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    (folder / "account.yaml").write_text(NO_CASH, encoding="utf-8")
    options = BacktestOptions(
        opens=lambda: OF_SPY,
        data="made up",
        first=OF_SPY.first,
        last=last,
        store=folder / "x.db",
        fills=fill_model("mid"),
        calendar=lambda: event_calendar(shipped_dates()),
    )
    run_backtest(load_all_bots([str(file)], {}, None), replace(options, **given), lambda done, number, count: None)
    return folder / "x.db"


def notes(store: Path) -> list[tuple[Json, Json]]:
    """Return how many shares were held after each session in which that changed, and what one had cost."""
    with StoreReader(store) as reader:
        reported = [each.data for each in reader.records((Kind.FACTS,)) if each.data["what"] == "shares held"]
    return [(each["value"], each["cost"]) for each in reported]


def test_shares_that_were_assigned_have_cost_the_strike_without_the_premium(tmp_path: Path) -> None:
    """They had cost nothing, so that a wheel sold its calls far under what the shares had cost."""
    text = ASSIGNED.replace("{at: spot, round_to: 5}", "{delta: 0.90}").replace('"10:00"}', '"10:00", max_open: 1}')
    store = simulated(tmp_path, text, OF_SPY.first)
    with StoreReader(store) as reader:
        (trade,), (fill,) = reader.view("trades"), reader.records((Kind.FILL,))
        (paid,) = reader.records((Kind.COMMISSION,))
    price, commission = Decimal(str(fill.data["price"])), Decimal(str(paid.data["amount"]))
    ((count, cost),) = notes(store)
    assert (count, commission > 0) == (100, True)
    assert Decimal(str(cost)) == Decimal(str(trade["strike"])) - price + commission / 100


@pytest.mark.parametrize("text", [HELD_TWICE, WITH_SHARES], ids=["assigned", "sold and bought on one day"])
def test_it_is_the_same_after_every_interruption_and_by_what_is_on_record(text: str, tmp_path: Path) -> None:
    """Also where as many were bought in a session as were sold, at another price."""
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    days = OF_SPY.dates(OF_SPY.first, OF_SPY.last)
    whole = simulated(tmp_path / "whole", text, days[-1])
    for day in days:
        parts = simulated(tmp_path / "parts", text, day, resumes=True)
    assert len({cost for _, cost in notes(whole)}) == len(notes(whole)) > 2
    assert notes(parts) == notes(whole)
    with closing(SqlJournal(open_store(whole))) as journal:
        last = {each.position: decode(Position, dict(each.data)) for each in journal.read((Kind.POSITION,))}
        found = costs_on_record(journal, (leg.option for each in last.values() for leg in each.legs))
    assert found[Underlying("SPY")] == Decimal(str(notes(whole)[-1][1]))
