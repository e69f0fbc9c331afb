"""The ledger as a statement of the broker."""

import xml.etree.ElementTree as tree
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from rulebot.cli.main import main
from twsim.exchange.flex import flex_statement
from twsim.exchange.ledger import Ledger

AT = datetime(2026, 11, 18, 15, 0, 5, tzinfo=UTC)
PUT, SHARES = 11, 7
NAME = "SPXW  261118P05930000"
LEG: dict[str, object] = {"perm_id": 5, "client_id": 1, "order_id": 3, "order_ref": "rb:t:1"}
LEG |= {"con_id": PUT, "name": NAME, "sec_type": "OPT"}
"""What an execution of the put has beside its id, side, quantity and price."""


def ledger(path: Path | None = None) -> Ledger:
    found = Ledger(path)
    found.write("start", AT, account="DU7", cash=Decimal(1000), seed=7)
    return found


def deal(
    found: Ledger, exec_id: str, side: str, quantity: int, price: str, cash: str, paid: str = "1.25", **more: object
) -> None:
    """Write an execution of the put with what it moves, as the simulated broker does."""
    fields = LEG | {"side": side, "quantity": Decimal(quantity), "price": Decimal(price)} | more
    found.write("execution", AT, exec_id=exec_id, **fields)
    con_id = fields["con_id"]
    if con_id:
        found.write("cash", AT, day="2026-11-18", con_id=con_id, amount=Decimal(cash), reason="trade")
        if paid:
            found.write("cash", AT, day="2026-11-18", con_id=con_id, amount=-Decimal(paid), reason="commission")


def settle(found: Ledger, quantity: int, outcome: str, name: str = NAME) -> None:
    fields = {"quantity": Decimal(quantity), "price": Decimal("5925"), "realized": Decimal(0), "outcome": outcome}
    found.write("settlement", AT, con_id=PUT, name=name, **fields)


def lines(found: Ledger, element: str, *names: str) -> list[tuple[str | None, ...]]:
    root = tree.fromstring(flex_statement(found.rows))
    rows = [each for each in root.iter(element) if each.attrib]
    return [tuple(each.get(name) for name in names) for each in rows]


def test_an_execution_in_the_brokers_words() -> None:
    found = ledger()
    deal(found, "e.1.01.01", "SLD", 2, "1.50", "300.00")
    root = tree.fromstring(flex_statement(found.rows))
    statement = root.find(".//FlexStatement")
    assert statement is not None
    assert (statement.get("accountId"), statement.get("fromDate"), statement.get("toDate")) == (
        "DU7",
        "20261118",
        "20261118",
    )
    trade = root.find(".//Trade")
    assert trade is not None
    assert trade.attrib == {
        "accountId": "DU7",
        "currency": "USD",
        "conid": "11",
        "symbol": NAME,
        "assetCategory": "OPT",
        "underlyingSymbol": "SPX",
        "multiplier": "100",
        "strike": "5930",
        "expiry": "20261118",
        "putCall": "P",
        "tradeID": "1",
        "dateTime": "20261118;100005",
        "tradeDate": "20261118",
        "transactionType": "ExchTrade",
        "quantity": "-2",
        "tradePrice": "1.5",
        "proceeds": "300",
        "ibCommission": "-1.25",
        "ibCommissionCurrency": "USD",
        "netCash": "298.75",
        "notes": "",
        "buySell": "SELL",
        "ibOrderID": "5",
        "ibExecID": "e.1.01.01",
        "orderReference": "rb:t:1",
        "levelOfDetail": "EXECUTION",
    }


def test_a_combo_is_an_order_and_its_legs_are_executions() -> None:
    found = ledger()
    deal(found, "e.1.01.01", "BOT", 1, "-0.55", "", con_id=0, name="SPX combo", sec_type="BAG")
    found.write("execution", AT, exec_id="e.1.02.01", side="SLD", quantity=Decimal(1), price=Decimal("1.50"), **LEG)
    deal(found, "e.1.03.01", "BOT", 1, "0.95", "-95", con_id=12, name=NAME.replace("593", "592"))
    for reason, amount in (("trade", "150"), ("commission", "-1.10")):
        found.write("cash", AT, day="2026-11-18", con_id=PUT, amount=Decimal(amount), reason=reason)
    found.write("balance", AT + timedelta(days=1), day="2026-11-19")
    wanted = ("assetCategory", "levelOfDetail", "buySell", "tradePrice")
    assert lines(found, "Order", *wanted) == [("BAG", "ORDER", "BUY", "-0.55")]
    assert lines(found, "Trade", "ibExecID", "buySell", "quantity", "proceeds", "ibCommission") == [
        ("e.1.02.01", "SELL", "-1", "150", "-1.1"),
        ("e.1.03.01", "BUY", "1", "-95", "-1.25"),
    ]
    assert lines(found, "FlexStatement", "fromDate", "toDate") == [("20261118", "20261119")]


def test_a_correction_cancels_and_writes_again() -> None:
    found = ledger()
    deal(found, "e.1.01.01", "SLD", 2, "1.50", "300")
    deal(found, "e.1.01.02", "SLD", 2, "1.45", "-10", paid="")
    wanted = (
        "transactionType",
        "ibExecID",
        "quantity",
        "tradePrice",
        "proceeds",
        "ibCommission",
        "tradeID",
        "origTradeID",
    )
    assert lines(found, "Trade", *wanted) == [
        ("ExchTrade", "e.1.01.01", "-2", "1.5", "300", "-1.25", "1", None),
        ("TradeCancel", "", "2", "1.5", "-300", "0", "", "1"),
        ("ExchTrade", "e.1.01.02", "-2", "1.45", "290", "0", "1", None),
    ]


def test_a_trade_that_is_cancelled_is_cancelled_alone() -> None:
    found = ledger()
    deal(found, "e.1.01.01", "SLD", 1, "1.50", "150")
    deal(found, "e.1.01.02", "SLD", 0, "1.50", "-150", paid="")
    assert lines(found, "Trade", "transactionType") == [("ExchTrade",), ("TradeCancel",)]


def test_how_options_end() -> None:
    found = ledger()
    settle(found, -1, "expired")
    found.write("cash", AT, day="2026-11-18", con_id=PUT, amount=Decimal("-500"), reason="settlement")
    settle(found, 1, "cash")
    settle(found, 1, "assigned", "SPY   261118P00600000")
    found.write("cash", AT, day="2026-11-18", con_id=SHARES, amount=Decimal(-60000), reason="delivery")
    found.write(
        "settlement", AT, con_id=SHARES, name="SPY", quantity=Decimal(100), price=Decimal(600), outcome="delivery"
    )
    wanted = ("assetCategory", "symbol", "transactionType", "quantity", "tradePrice", "proceeds")
    assert lines(found, "OptionEAE", *wanted) == [
        ("OPT", NAME, "Expiration", "-1", "0", "0"),
        ("OPT", NAME, "Assignment", "1", "0", "0"),
        ("OPT", NAME, "Cash Settlement", "0", "0", "-500"),
        ("OPT", "SPY   261118P00600000", "Assignment", "1", "0", "0"),
        ("STK", "SPY", "Buy", "100", "600", "-60000"),
    ]
    assert lines(found, "Trade", "transactionType", "notes", "ibExecID", "symbol") == [
        ("BookTrade", "Ep", "", NAME),
        ("BookTrade", "A", "", NAME),
        ("BookTrade", "A", "", "SPY   261118P00600000"),
        ("BookTrade", "A", "", "SPY"),
    ]


def test_texts_are_written_safely_and_an_empty_day_is_a_statement() -> None:
    found = ledger()
    deal(found, "e.1.01.01", "SLD", 1, "1.50", "150", order_ref='"<&>')
    assert lines(found, "Trade", "orderReference") == [('"<&>',)]
    assert lines(ledger(), "FlexStatement", "accountId", "fromDate") == [("DU7", "20261118")]


def test_the_command_writes_it(tmp_path: Path) -> None:
    found = ledger(tmp_path / "day.jsonl")
    deal(found, "e.1.01.01", "SLD", 1, "1.50", "150")
    found.close()
    target = tmp_path / "day.xml"
    done = CliRunner().invoke(main, ["gateway", "--ledger", str(tmp_path / "day.jsonl"), "--flex", str(target)])
    assert (done.exit_code, done.stdout) == (0, f"SIMULATED: statement {target}\n")
    assert target.read_text() == flex_statement(found.rows)
    nowhere = CliRunner().invoke(
        main, ["gateway", "--ledger", str(tmp_path / "day.jsonl"), "--flex", str(tmp_path / "a" / "b")]
    )
    assert (nowhere.exit_code, "cannot be written" in nowhere.stderr) == (3, True)


def test_cash_of_no_execution_is_said(tmp_path: Path) -> None:
    """A ledger that had lost a row ended with a traceback."""
    file = tmp_path / "day.jsonl"
    found = ledger(file)
    deal(found, "e.1.01.01", "SLD", 1, "1.50", "150")
    found.close()
    rows = [line for line in file.read_text().splitlines(keepends=True) if '"kind": "execution"' not in line]
    file.write_text("".join(rows))
    done = CliRunner().invoke(main, ["gateway", "--ledger", str(file), "--flex", str(tmp_path / "day.xml")])
    assert (done.exit_code, "day.jsonl is no ledger" in done.stderr) == (1, True)


@pytest.mark.parametrize("arguments", [["--flex", "a.xml"], ["--ledger", __file__, "--flex", "a.xml", "--seed", "3"]])
def test_flex_options_that_do_not_go_together_are_refused(arguments: list[str]) -> None:
    assert CliRunner().invoke(main, ["gateway", *arguments]).exit_code == 2
