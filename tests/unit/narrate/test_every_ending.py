"""One day with every kind of ending, counted by hand and by every place that states a profit or a win rate.

| trade | how it ends | dollars |
|---|---|---|
| target | sold at 1.00, bought back at 0.50 | 50 - 2 = 48 |
| stop | sold at 1.00, bought back at 3.00 | -200 - 2 = -202 |
| time | sold at 1.00, bought back at 0.80 | 20 - 2 = 18 |
| worthless | sold at 0.60, expires | 60 - 1 = 59 |
| assigned | SPY 590 put sold at 2.00; 100 shares come at 590 when they are worth 585.50 | 200 - 450 - 1 = -251 |
| exercised | SPY 587 put bought at 1.00; 100 shares go at 587 when they are worth 585.50 | -100 + 150 - 1 = 49 |
| cash | SPX 5900 put sold at 1.00, settles at 5898.20 | 100 - 180 - 1 = -81 |
| hand | sold at 1.00, a person closes it at 1.10 | -10 - 2 = -12 |
| unwound | its second leg finds no partner: sold at 1.00, bought back at 1.05 | -5 - 2 = -7 |
| rolled | sold at 1.00, rolled away at 1.50 | -50 - 2 = -52 |
| into | what it was rolled into: sold at 1.80, bought back at 0.90 | 90 - 2 = 88 |
| partial | two sold at 1.00: one bought back at 0.50, one at 0.70 | 200 - 50 - 70 - 3 = 77 |
"""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from paper_days import BOT, FIRST, at, entity, session, spec_text

from rulebot.alerts.find import digest
from rulebot.backtest.results import read_results
from rulebot.chart.chart import chart_of_day
from rulebot.checks.journal.books import journal_index
from rulebot.cli.main import main
from rulebot.decide.entry_window import BotDay
from rulebot.fill.exit_level import realized_since
from rulebot.fill.ledger import BookedExecution, add_commission, book, settled
from rulebot.model.contract import Option, Right
from rulebot.model.order import Order, OrderLeg, OrderStatus, OrderType, Purpose, Side, execution_id
from rulebot.model.position import Position, PositionLeg
from rulebot.model.values import replace
from rulebot.narrate.day_report import day_outcome
from rulebot.narrate.periods import periods
from rulebot.narrate.snapshot_of_store import StoredRun, snapshot_of_store
from rulebot.promotion.paper import Key, closed_trades, read_paper
from rulebot.promotion.sessions import figures, judge
from rulebot.record.record import Json, Kind, Record
from rulebot.store.export import LineMaker
from rulebot.store.finance import lots_of
from rulebot.store.journal import SqlJournal
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store
from rulebot.web import rest_mapping as rest
from rulebot.web.metrics.samples import samples_of_store
from rulebot.web.pages import trades_page

BY_HAND = {
    "target": 48, "stop": -202, "time": 18, "worthless": 59, "assigned": -251, "exercised": 49, "cash": -81,
    "hand": -12, "unwound": -7, "rolled": -52, "into": 88, "partial": 77,
}  # fmt: skip
NET, COMMISSIONS, WINS, TRADES = -266, 21, 6, 12
GROSS = NET + COMMISSIONS
SPY_CLOSE, SPX_CLOSE = Decimal("585.50"), Decimal("5898.20")


@dataclass
class Writer:
    """Writes the day: a deal is an order, its execution and a commission of one dollar, booked as the engine does."""

    records: list[Record] = field(default_factory=list)
    booked: list[BookedExecution] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)
    number: int = 0

    def open(self, name: str, *legs: tuple[str, int], quantity: int = 1, symbol: str = "SPX", price: str) -> None:
        """Open a position, of whose legs the first fills. legs: names and strikes; `long_` is bought."""
        trading_class = "SPY" if symbol == "SPY" else "SPXW"
        held = tuple(
            PositionLeg(
                name=leg,
                option=Option(symbol, trading_class, FIRST, Decimal(strike), Right.PUT, con_id=strike),
                sign=1 if leg.startswith("long") else -1,
                ratio=1,
            )
            for leg, strike in legs
        )
        self.positions[name] = Position(
            id=name, bot=BOT, digest=spec_text().digest, state="entering", session=FIRST, quantity=quantity, legs=held,
            max_risk=Decimal(500),
        )  # fmt: skip
        self.keep(name, "10:30")
        self.deal(name, "10:30", price, Purpose.ENTRY, "entry", quantity)
        self.keep(name, "10:30", state="open", opened_at=at(FIRST, "10:30"))

    def keep(self, name: str, clock: str, **changes: Any) -> None:
        """Record a position as it is."""
        self.positions[name] = replace(self.positions[name], **changes)
        self.records.append(entity(at(FIRST, clock), self.positions[name]))

    def deal(self, name: str, clock: str, price: str, purpose: Purpose, reason: str, count: int = 1) -> None:
        """Fill an order for the first leg of a position, and pay for it."""
        self.number += 1
        position, when = self.positions[name], at(FIRST, clock)
        leg, is_entry = position.legs[0], purpose is Purpose.ENTRY
        is_buy = (leg.sign > 0) is is_entry
        side = Side.BUY if is_buy else Side.SELL
        sent = Order(
            ref=f"rb:a:{self.number}", number=self.number, bot=BOT, position=name, purpose=purpose, reason=reason,
            legs=(OrderLeg(leg.name, leg.option, side),), side=side, quantity=count, kind=OrderType.LIMIT,
            order_id=self.number, limit_price=Decimal(price), status=OrderStatus.WORKING, prepared_at=when,
            sent_at=when, changed_at=when, digest=position.digest, mid=Decimal(price) * leg.sign,
        )  # fmt: skip
        exec_id = f"e.{self.number}.01"
        fill: dict[str, Json] = {
            "exec_id": exec_id, "ref": sent.ref, "leg": leg.name, "con_id": leg.option.con_id, "position": name,
            "contract": str(leg.option), "is_buy": is_buy, "quantity": count, "price": price,
            "executed_at": when.isoformat(), "purpose": purpose.value,
        }  # fmt: skip
        filled = replace(sent, status=OrderStatus.FILLED, leg_filled=(count,), average_price=Decimal(price))
        paid: dict[str, Json] = {"exec_id": exec_id, "position": name, "leg": leg.name, "amount": "1"}
        self.records += [
            entity(when, sent),
            Record(when, Kind.FILL, BOT, name, fill),
            entity(when, filled),
            Record(when, Kind.COMMISSION, BOT, name, paid),
        ]
        cash = (-1 if is_buy else 1) * count * Decimal(price) * 100
        done = BookedExecution(
            execution_id(exec_id), name, leg.name, is_entry, count, cash, Decimal(1), is_paid=True, dealt_at=when
        )
        self.booked.append(done)
        self.positions[name] = add_commission(book(position, done, leg.option), leg.name, Decimal(1), is_first=True)

    def close(self, name: str, clock: str, price: str, reason: str, purpose: Purpose = Purpose.EXIT) -> None:
        """Close the rest of a position by an order."""
        decided: dict[str, Json] = {"what": "exit", "reason": reason, "kind": reason, "values": []}
        self.records.append(Record(at(FIRST, clock), Kind.DECISION, BOT, name, decided))
        self.deal(name, clock, price, purpose, reason, self.positions[name].legs[0].held)
        self.keep(name, clock, state="closed", closed_at=at(FIRST, clock), exit_reason=reason)

    def settle(self, name: str, level: Decimal, reason: str) -> None:
        """Let a position expire at this level of its underlying."""
        (found,) = settled(self.positions[name], self.positions[name].legs[0].name, level)
        leg = found.position.legs[0]
        data: dict[str, Json] = {
            "leg": leg.name, "quantity": found.quantity, "price": str(found.price), "level": str(level),
            "how": found.how, "shares_profit": str(found.shares_profit), "sign": leg.sign, "multiplier": 100,
            "expiry": FIRST.isoformat(), "strike": str(leg.option.strike), "right": "put",
        }  # fmt: skip
        self.records.append(Record(at(FIRST, "16:05"), Kind.SETTLEMENT, BOT, name, data))
        self.positions[name] = found.position
        self.keep(name, "16:05", state="closed", closed_at=at(FIRST, "16:05"), exit_reason=reason)


def written() -> Writer:
    """Return the day of the table above."""
    day, put = Writer(), ("short_put", 5900)
    for name, price, reason in (
        ("target", "0.50", "target"), ("stop", "3.00", "stop"), ("time", "0.80", "time"), ("hand", "1.10", "flattened"),
    ):  # fmt: skip
        day.open(name, put, price="1.00")
        day.close(name, "12:00", price, reason)
    day.open("worthless", ("short_put", 5800), price="0.60")
    day.settle("worthless", SPX_CLOSE, "expired_worthless")
    day.open("assigned", ("short_put", 590), symbol="SPY", price="2.00")
    day.settle("assigned", SPY_CLOSE, "assigned")
    day.open("exercised", ("long_put", 587), symbol="SPY", price="1.00")
    day.settle("exercised", SPY_CLOSE, "exercised")
    day.open("cash", put, price="1.00")
    day.settle("cash", SPX_CLOSE, "settled")
    day.open("unwound", put, ("long_put", 5890), price="1.00")
    day.close("unwound", "10:31", "1.05", "unwind", Purpose.UNWIND)
    day.open("rolled", put, price="1.00")
    day.close("rolled", "11:00", "1.50", "roll")
    day.open("into", ("short_put", 5880), price="1.80")
    day.positions["into"] = replace(day.positions["into"], rolled_from="rolled", trade="rolled")
    day.close("into", "12:30", "0.90", "target")
    day.open("partial", put, quantity=2, price="1.00")
    day.deal("partial", "11:30", "0.50", Purpose.EXIT, "half")
    day.keep("partial", "11:30")
    day.close("partial", "12:00", "0.70", "time")
    made = sum((realized_since(each, day.booked, Decimal(0), FIRST) for each in day.positions.values()), Decimal(0))
    bot_day = BotDay(bot=BOT, date=FIRST, entries=len(day.positions), opened=len(day.positions), realized=made)
    day.records.append(entity(at(FIRST, "16:05"), bot_day))
    return day


def store_of(path: Path, records: Sequence[Record]) -> Place:
    journal = SqlJournal(open_store(path))
    journal.append(list(records), durable=True)
    journal.close()
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return store_of(tmp_path_factory.mktemp("day") / "a.db", session(FIRST, None, *written().records, ends="16:10"))


def said(*words: str) -> Any:
    """Return what a command says as JSON."""
    result = CliRunner().invoke(main, [*words, "--format", "json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_the_table_above_adds_up() -> None:
    assert (sum(BY_HAND.values()), len(BY_HAND)) == (NET, TRADES)
    assert sum(each > 0 for each in BY_HAND.values()) == WINS
    assert {name: each.net for name, each in written().positions.items()} == BY_HAND


def test_the_views_of_the_store_say_so(place: Place) -> None:
    with StoreReader(place) as reader:
        trades = reader.trades()
        (day,), (bot,), (account,) = map(reader.view, ("daily_summary", "strategy_summary", "account_summary"))
        (system,), (of_bot,) = reader.view("system_state"), reader.view("bot_days")
    assert {row["position"]: row["final_pnl"] for row in trades} == BY_HAND
    for row in trades:
        assert row["realized_pnl"] == pytest.approx(row["entry_credit"] - row["exit_cost"])
        if row["position"] != "unwound":  # of which one leg has no price; else by the formula of row A5
            formula = (row["entry_price"] - row["exit_price"]) * row["quantity"] * 100
            assert row["realized_pnl"] == pytest.approx(formula)
    assert (day["net_pnl"], day["total_pnl"], day["winning_trades"]) == (NET, GROSS, WINS)
    assert (day["trades_count"], day["losing_trades"], day["total_commissions"]) == (TRADES, TRADES - WINS, COMMISSIONS)
    for found in (bot, account):
        assert (found["net_pnl"], found["gross_pnl"], found["win_rate"]) == (NET, GROSS, WINS / TRADES)
    assert (system["daily_pnl"], of_bot["realized"]) == (NET, NET)


def test_the_commands_say_so(place: Place) -> None:
    total = said("summary", "--store", str(place))["all"]
    assert (total["net_pnl"], total["win_rate"], total["wins"]) == (NET, WINS / TRADES, WINS)
    shares = {each["position"]: each["worth"] for each in said("summary", "--store", str(place))["in_shares"]}
    assert shares == {"assigned": -450.0, "exercised": 150.0}
    for span in ("day", "week", "month"):
        (period,) = said("summary", "--by", span, "--store", str(place))["periods"]
        assert (float(period["net"]), period["wins"], period["trades"]) == (NET, WINS, TRADES)
    assert said("status", "--store", str(place))["realized_today"] == NET


def test_the_page_and_its_interface_say_so(place: Place) -> None:
    with StoreReader(place) as reader:
        picture = snapshot_of_store(reader)
        trades = rest.trades(reader, None, None, None, None)
        profit, history, performance = (
            rest.profit(reader, picture),
            rest.history(reader, "month"),
            rest.performance(reader, picture),
        )
        samples = {each.name: each.value for each in samples_of_store(reader, {})}
        marks = [mark.gain for mark in chart_of_day(reader, BOT, FIRST).marks if mark.gain is not None]
    page = trades_page(place)
    assert sum(each.final_pnl or 0.0 for each in trades) == pytest.approx(NET)
    assert (profit.realized_pnl, profit.total_pnl, performance.daily_realized_pnl) == (NET, NET, NET)
    assert [(each.net_pnl, each.trades_count) for each in history] == [(NET, TRADES)]
    assert (page["made"], page["wins"], page["closed"]) == (pytest.approx(NET), WINS, TRADES)
    assert (picture.realized, sum(marks)) == (NET, pytest.approx(NET))
    assert sum(each.profit or 0.0 for each in picture.bots) == pytest.approx(NET)
    assert samples["rulebot_bot_net_profit_dollars"] == NET
    assert samples["rulebot_bot_realized_profit_dollars"] == NET


def test_reports_and_messages_say_so(place: Place) -> None:
    with StoreReader(place) as reader:
        (month,) = periods(reader, "month")
        reported = digest(reader, FIRST.isoformat())
        state = StoredRun(reader).state
        assert state is not None
        outcome = day_outcome(state, None)
        gains = [lot.gain for lot in lots_of(reader.deals()[0])]
    assert (month.net, month.wins, month.win_rate) == (NET, WINS, Decimal(WINS) / TRADES)
    assert reported.startswith(f"{FIRST}: realised -$266.00, {TRADES} closed")
    assert (outcome.realized, outcome.profit, outcome.exits) == (NET, NET, TRADES)
    assert sum(gains) == NET


def test_what_promotes_a_bot_says_so() -> None:
    paper = read_paper(
        journal_index(enumerate(session(FIRST, None, *written().records, ends="16:10"), 1)), simulated=False
    )
    key = Key(BOT, spec_text().digest)
    found = figures(judge(paper, key, {}), tuple(closed_trades(paper, key)), {})
    assert (found.trades, found.net, found.marked, found.in_shares) == (TRADES, NET, NET, 2)
    assert (found.win_rate, found.expectancy) == (Decimal(WINS) / TRADES, round(Decimal(NET) / TRADES, 4))


def test_a_backtest_says_so(tmp_path: Path) -> None:
    first, *others = session(FIRST, None, *written().records, ends="16:10")
    settings: dict[str, Json] = {"mode": "backtest", "cash": "1000000", "fills": "mid", "sessions_apart": False}
    path = store_of(tmp_path / "a.db", [replace(first, data={**first.data, "settings": settings}), *others])
    found = read_results(path, "a")
    assert (found.all.net, found.all.wins, found.all.trades) == (NET, WINS, TRADES)
    assert found.all.win_rate == WINS / TRADES
    assert [(month.net, month.wins) for month in found.months] == [(NET, WINS)]
    assert sum(each.net for each in found.by_reason.values()) == NET


def test_the_json_lines_say_so_to_a_stranger() -> None:
    actions: dict[int, str] = {}
    made = Decimal(0)
    for line in LineMaker().lines(session(FIRST, None, *written().records, ends="16:10")):
        found = json.loads(line.text)
        if found["event"] == "ORDER":
            actions[found["order_id"]] = found["action"]
        elif found["event"] == "FILL":
            sign = 1 if actions[found["order_id"]] == "open" else -1
            made += sign * Decimal(str(found["fill_price"])) * 100 * found["qty"] - Decimal(str(found["commission"]))
    assert made == NET


def test_tables_that_other_code_made_are_named_until_they_are_made_again(tmp_path: Path) -> None:
    """They count the options alone, without their shares."""
    day = session(FIRST, None, *written().records, ends="16:10")
    path = store_of(tmp_path / "a.db", day)
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection, connection:
        connection.execute("UPDATE trade_rows SET cash = 200000000 WHERE position = 'assigned'")
        connection.execute("UPDATE lease SET owner = 'somebody, code of another'")
    reported = CliRunner().invoke(main, ["summary", "--store", str(path)]).output
    assert "figures of another version of rulebot: 'rulebot store rebuild', or the next start" in " ".join(
        reported.split()
    )
    assert said("summary", "--store", str(path))["all"]["net_pnl"] == NET + 450
    with StoreReader(path) as reader:
        picture = snapshot_of_store(reader)
        assert picture.figures.startswith("figures of another version of rulebot")
        assert rest.status(reader, picture).figures == picture.figures
    assert CliRunner().invoke(main, ["store", "rebuild", "--store", str(path)]).exit_code == 0
    assert "another version" not in CliRunner().invoke(main, ["summary", "--store", str(path)]).output
    assert said("summary", "--store", str(path))["all"]["net_pnl"] == NET
    with StoreReader(path) as reader:
        assert snapshot_of_store(reader).figures == ""
    assert said("status", "--store", str(path))["realized_today"] == NET
    paper = read_paper(journal_index(enumerate(day, 1)), simulated=False)
    assert sum(each.net for each in closed_trades(paper, Key(BOT, spec_text().digest))) == NET
