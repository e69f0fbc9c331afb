"""Objects that a real broker returned, as the messages they came in, through the adapter (captured/NOTICE.md).

The objects are the client library's; `wire` lays their fields out as the server sends them, and prints unset ones as it
does. So what is tried is what real values look like, and what the adapter takes them for.
"""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from math import isnan
from pathlib import Path
from typing import Any

import pytest
from test_ib_reports import recorded

from rulebot.adapters.ib import convert, order_reports
from rulebot.adapters.ib.contracts import ContractBook, ReportedHours, both_rights
from rulebot.adapters.ib.order_reports import AccountValues
from rulebot.adapters.ib.quotes import QuoteColumns
from rulebot.measure.listings import neighbours
from rulebot.model.contract import Option, Right, Underlying
from rulebot.model.event import BrokerStatus, ExecutionReport, PositionReport
from rulebot.model.market import COLUMNS, Board
from rulebot.model.order import Side
from rulebot.model.session import Hours, session_on
from twsim import given_option, given_underlying

FILE = Path(__file__).parent / "captured" / "ib_objects.json"
AT = datetime(2018, 5, 25, 17, 50, 3, tzinfo=UTC)
ACCOUNT = "DU0000000"
HUGE = "1.7976931348623157E308"
GREEKS = "impliedVol", "delta", "optPrice", "pvDividend", "gamma", "vega", "theta", "undPrice"
UNSET = "-1", "-2", "-1", "-1", "-2", "-2", "-2", "-1"
COMPUTATIONS = {"bidGreeks": 10, "askGreeks": 11, "lastGreeks": 12, "modelGreeks": 13}
PRICES = {"bid": (1, "bidSize"), "ask": (2, "askSize"), "last": (4, "lastSize"), "high": (6, ""), "low": (7, "")}
PRICES |= {"close": (9, "")}
Wire = list[str]


@cache
def captures() -> dict[str, Any]:
    return {each["name"]: each["value"] for each in json.loads(FILE.read_text())}


def wire(value: Any, unset: str = "") -> str:
    """Return a value as the server prints it."""
    if value is None:
        return unset
    return HUGE if isinstance(value, float) and value > 1e307 else f"{value}"


def contract_fields(reported: dict[str, Any]) -> Wire:
    """Return the eleven fields of a contract in openOrder, execDetails and position."""
    kinds = {"Stock": "STK", "Option": "OPT", "Index": "IND"}
    names = "lastTradeDateOrContractMonth", "strike", "right", "multiplier", "exchange", "currency", "localSymbol"
    kind = reported.get("secType") or kinds[reported["_type"]]
    return [
        wire(reported["conId"]),
        reported["symbol"],
        kind,
        *(wire(reported.get(name), "0.0" if name == "strike" else "") for name in names),
        reported.get("tradingClass", ""),
    ]


class Line:
    """One contract that is streamed; `take` hears all that a captured ticker knows."""

    def __init__(self, contract: Underlying | Option) -> None:
        self.board = Board()
        self.quotes = QuoteColumns(self.board)
        self.row = self.quotes.rows["9"] = self.board.add(contract)
        self.handlers = self.quotes.handlers()

    def take(self, ticker: dict[str, Any]) -> None:
        for name, (kind, size) in PRICES.items():
            if name in ticker:
                self.receive(["1", "6", "9", str(kind), wire(ticker[name]), wire(ticker.get(size, 0)), "0"])
        if "volume" in ticker:
            self.receive(["2", "6", "9", "8", wire(ticker["volume"])])
        for name, kind in COMPUTATIONS.items():
            if name in ticker:
                self.compute(kind, ticker[name])
        self.quotes.settle(AT.timestamp())
        assert self.quotes.failures == []

    def compute(self, kind: int, reported: dict[str, Any]) -> None:
        values = [wire(reported[name], unset) for name, unset in zip(GREEKS, UNSET, strict=True)]
        self.receive(["21", "9", str(kind), "0", *values])

    def receive(self, fields: Wire) -> None:
        self.handlers[int(fields[0])](fields)

    def __getitem__(self, column: str) -> float:
        assert column in COLUMNS
        value: float = getattr(self.board, column)[self.row]
        return value


def contract_of(reported: dict[str, Any]) -> Underlying | Option:
    found = convert.contract(contract_fields(reported))
    assert found is not None
    return found


def line_of(name: str) -> Line:
    ticker = captures()[name]
    line = Line(contract_of(ticker["contract"]))
    line.take(ticker)
    return line


# ---------------------------------------------------------------- contracts


def test_a_monthly_index_option_is_named_by_the_thursday_and_its_symbol_by_the_friday() -> None:
    """Trading ends the day before an AM settlement; so the last trading day is what we know an option by."""
    reported = captures()["monthly option"]
    assert (reported["lastTradeDateOrContractMonth"], reported["localSymbol"]) == ("20180614", "SPX   180615P02700000")
    found = contract_of(reported)
    assert found == Option("SPX", "SPX", date(2018, 6, 14), Decimal(2700), Right.PUT)
    assert (found.con_id, getattr(found, "multiplier", 0)) == (237923180, 100)
    ours = given_option(
        given_underlying("SPX", is_index=True),
        trading_class="SPX",
        expiry=date(2018, 6, 14),
        strike=2700.0,
        right="P",
        con_id=found.con_id,
    )
    assert ours.local_symbol == reported["localSymbol"]  # the simulated gateway names it so too
    assert ours.settle_date == date(2018, 6, 15)


def test_the_listing_has_strikes_that_no_expiry_need_have() -> None:
    reported = captures()["listing"]
    expiries = sorted(convert.day(each) for each in reported["expirations"])
    assert date(2018, 6, 14) in expiries
    strikes = tuple(sorted(Decimal(wire(each)) for each in reported["strikes"]))
    near = neighbours(strikes, 2717.59, 1)
    assert {Decimal(2715), Decimal(2720)} <= set(near)


def test_details_report_the_id_of_a_share() -> None:
    reported = captures()["details of a share"]
    contract = reported["contract"]
    head = [contract["symbol"], "STK", "", "0", "", "SMART", "USD", contract["localSymbol"], reported["marketName"]]
    row = ["10", "1", *head, contract["tradingClass"], wire(contract["conId"]), wire(reported["minTick"])]
    book = ContractBook()
    assert book.learn_details([row], 178) == []
    assert book.con_id(Underlying("AMD")) == 4391


def test_the_hours_of_a_share_are_those_of_the_calendar() -> None:
    reported = captures()["details of a share"]
    days = sorted({date.fromisoformat(each[:8]) for each in reported["liquidHours"].split(";")})
    assert len(days) > 10
    for day in days:
        session = session_on(day)
        expected = Hours(day) if session is None else Hours(day, session.open, session.close)
        assert ReportedHours(AT.date(), reported["timeZoneId"], reported["liquidHours"]).hours(day) == expected


def test_options_of_a_chain_are_read_with_both_rights() -> None:
    options = [contract_of(each["contract"]) for each in captures()["options with quotes alone"]]
    assert len(set(options)) == 48
    strikes = both_rights([each for each in options if isinstance(each, Option)])
    assert all(isinstance(each, Decimal) for each in strikes)
    assert {each.con_id > 0 for each in options} == {True}


# ---------------------------------------------------------------- market data


def test_outside_hours_there_is_no_quote_and_the_model_is_there() -> None:
    """Bid and ask of -1 with size 0 are no prices; the model's greeks come all the same."""
    reported = captures()["option outside hours"]
    assert (reported["bid"], reported["bidSize"], reported["ask"], reported["askSize"]) == (-1.0, 0, -1.0, 0)
    line = line_of("option outside hours")
    assert isnan(line["bid"])
    assert isnan(line["ask"])
    assert (line["bid_size"], line["ask_size"], line["previous_close"]) == (0, 0, 0.04)
    model = reported["modelGreeks"]
    assert (line["iv"], line["delta"], line["theta"]) == (model["impliedVol"], model["delta"], model["theta"])
    assert line["model_at"] == AT.timestamp()


def test_greeks_of_bid_and_ask_are_not_the_models() -> None:
    """They can be a price and nothing else, and never take the model's place, nor spoil it when they come last."""
    reported = captures()["option with greeks of prices alone"]
    assert reported["bidGreeks"]["optPrice"] > 0
    assert {reported["bidGreeks"][name] for name in ("impliedVol", "delta", "gamma", "vega", "theta")} == {None}
    line = line_of("option with greeks of prices alone")
    for kind in ("lastGreeks", "askGreeks", "bidGreeks"):
        line.compute(COMPUTATIONS[kind], reported[kind])
    assert line["delta"] == reported["modelGreeks"]["delta"]
    assert line["model_price"] == reported["modelGreeks"]["optPrice"]


def test_a_model_of_which_only_the_price_is_known_has_no_greeks() -> None:
    reported = captures()["option with greeks of prices alone"]
    line = Line(contract_of(reported["contract"]))
    line.compute(COMPUTATIONS["modelGreeks"], reported["bidGreeks"])
    assert line["model_price"] == reported["bidGreeks"]["optPrice"]
    assert all(isnan(line[name]) for name in ("iv", "delta", "gamma", "vega", "theta"))


def test_options_that_come_with_quotes_alone_have_no_greeks() -> None:
    tickers = captures()["options with quotes alone"]
    assert len(tickers) == 48
    for each in tickers:
        line = Line(contract_of(each["contract"]))
        line.take(each)
        assert (line["ask"], line["ask_size"]) == (each["ask"], each["askSize"])
        if each["bid"] > 0:
            assert (line["bid"], line["bid_size"]) == (each["bid"], each["bidSize"])
        else:
            assert isnan(line["bid"])  # -1 where nobody bids
            assert line["bid_size"] == 0
        assert isnan(line["delta"])
        assert isnan(line["model_at"])
        assert isnan(line["previous_close"])  # a close of 0 is none
        assert isnan(line["last"]) is ("last" not in each)
    assert {each["bid"] > 0 for each in tickers} == {True, False}


def test_an_index_has_a_bid_and_an_ask_that_nobody_deals_at() -> None:
    line = line_of("index")
    assert (line["bid"], line["ask"], line["last"]) == (2717.16, 2717.92, 2717.59)
    assert (line["high"], line["low"], line["previous_close"]) == (2727.36, 2716.72, 2727.76)


def test_an_option_in_hours_is_whole() -> None:
    reported = captures()["monthly option in hours"]
    line = line_of("monthly option in hours")
    assert (line["bid"], line["ask"], line["last"], line["volume"]) == (19.4, 19.9, 20.3, 1511)
    model = reported["modelGreeks"]
    names = {"iv": "impliedVol", "delta": "delta", "gamma": "gamma", "vega": "vega", "theta": "theta"}
    assert [line[name] for name in names] == [model[name] for name in names.values()]
    assert line["bid"] < line["model_price"]


@pytest.mark.parametrize("name", ["implied volatility asked for", "price asked for"])
def test_what_a_calculator_says_is_no_market(name: str) -> None:
    reported = captures()[name]
    assert reported["tickType"] == 53
    line = Line(Underlying("SPY"))
    line.compute(reported["tickType"], reported)
    assert isnan(line["iv"])
    assert not line.quotes.is_waiting


# ---------------------------------------------------------------- orders, positions, the account


def test_an_execution_and_its_commission() -> None:
    trade = captures()["market order filled"]
    (fill,) = trade["fills"]
    reported, paid = fill["execution"], fill["commissionReport"]
    fields = ["11", "-1", wire(reported["orderId"]), *contract_fields(fill["contract"])]
    fields += [reported["execId"], reported["time"], reported["acctNumber"], reported["exchange"], reported["side"]]
    fields += [wire(reported[name]) for name in ("shares", "price", "permId", "clientId")]
    fields += ["0", wire(reported["cumQty"]), wire(reported["avgPrice"]), "", "", "", "", "1"]
    found = order_reports.execution(fields, AT, ACCOUNT)
    assert isinstance(found, ExecutionReport)
    assert (str(found.exec_id), found.order_id, found.perm_id) == ("00004466.5965a047.01.01", 13, 798621671)
    assert (found.is_buy, found.quantity, found.price) == (True, Decimal(100), Decimal("144.18"))
    assert found.option is not None
    assert (found.option.is_share, found.option.con_id) == (True, 265598)
    row = ["59", "1", paid["execId"], *(wire(paid[name]) for name in ("commission", "currency", "realizedPNL"))]
    charged = order_reports.commission(row, AT)
    assert charged is not None
    assert (charged.exec_id, charged.commission) == (found.exec_id, Decimal(1))
    unset = order_reports.commission([*row[:3], HUGE, *row[4:]], AT)
    assert unset is None  # as the realised profit above: the largest double is no amount


def test_the_status_of_an_order_that_filled() -> None:
    trade = captures()["market order filled"]
    reported = trade["orderStatus"]
    fields = ["3", wire(trade["order"]["orderId"]), reported["status"], wire(reported["filled"]), "0.0"]
    fields += [wire(reported[name]) for name in ("avgFillPrice", "permId")]
    fields += ["0", wire(reported["lastFillPrice"]), wire(reported["clientId"]), "", "0.0"]
    found = order_reports.order_status(fields, AT)
    assert (found.status, found.filled, found.average_price) == (BrokerStatus.FILLED, Decimal(100), Decimal("144.18"))


def test_captured_open_orders_are_read() -> None:
    for reported in captures()["open orders"]:
        order, fields = reported["order"], recorded(178)
        fields[1:13] = [wire(order["orderId"]), *contract_fields(reported["contract"])]
        fields[13:19] = [
            order["action"],
            *(wire(order[name]) for name in ("totalQuantity", "orderType", "lmtPrice", "auxPrice", "tif")),
        ]
        fields[20], fields[23] = order["account"], ""
        fields[24], fields[25] = wire(order["clientId"]), wire(order["permId"])
        fields[fields.index("PreSubmitted")] = reported["orderStatus"]["status"]
        found = order_reports.open_order(fields, AT, 178, ACCOUNT)
        assert isinstance(found, order_reports.OrderReport)
        assert (found.order_id, found.perm_id) == (order["orderId"], order["permId"])
        assert found.con_id == reported["contract"]["conId"]
        assert (found.status, found.side, found.quantity) == (BrokerStatus.WORKING, Side.BUY, Decimal(100))
        assert found.limit_price == Decimal(wire(order["lmtPrice"]))
        assert found.stop_price is None  # an auxPrice of 0 on a limit order is none
        assert (found.kind, found.time_in_force, found.ref) == ("limit", "day", "")


@pytest.mark.parametrize(("name", "margin"), [("what-if", "0.0"), ("what-if with margin", "17056.5")])
def test_a_what_if_that_reports_no_change_is_no_answer(name: str, margin: str) -> None:
    """Servers of 2017 told one amount for each margin, what it is after the order: without a change we know none."""
    reported = captures()[name]
    assert reported["initMargin"] == margin
    fields = recorded(178)
    status = fields.index("PreSubmitted")
    fields[status - 1], fields[20] = "1", ACCOUNT
    amounts = [reported[each] for each in ("initMargin", "maintMargin", "equityWithLoan")]
    fields[status + 1 : status + 10] = [*[HUGE] * 6, *amounts]
    assert order_reports.open_order(fields, AT, 178, ACCOUNT) is None
    fields[status + 4] = "0.0"
    found = order_reports.open_order(fields, AT, 178, ACCOUNT)
    assert isinstance(found, order_reports.MarginReport)
    assert (found.initial, found.change) == (Decimal(margin), Decimal(0))


def test_positions_are_read_but_those_of_futures_and_currencies() -> None:
    held: list[PositionReport] = []
    for reported in captures()["positions"]:
        fields = ["61", "3", reported["account"], *contract_fields(reported["contract"])]
        if (
            found := order_reports.position(
                [*fields, wire(reported["position"]), wire(reported["avgCost"])], AT, ACCOUNT
            )
        ) is not None:
            held.append(found)
    assert [(str(each.contract), each.quantity) for each in held] == [
        ("IWM", Decimal("3.0")),
        ("VIX 2018-06-19 17.0C", Decimal("8.0")),
        ("IWM 2018-07-20 157.0P", Decimal("5.0")),
        ("AAPL 2018-06-15 170.0C", Decimal("3.0")),
        ("AAPL", Decimal("2.0")),
        ("INTC", Decimal("300.0")),
    ]
    assert held[1].average_cost == Decimal("231.2378")


def test_an_amount_in_the_base_currency_is_not_the_accounts() -> None:
    (reported,) = captures()["account value"]
    assert (reported["tag"], reported["currency"]) == ("NetLiquidationByCurrency", "BASE")
    values = AccountValues(ACCOUNT)
    values.read(["6", "2", reported["tag"], reported["value"], reported["currency"], reported["account"]])
    values.read(["6", "2", "NetLiquidation", reported["value"], "BASE", reported["account"]])
    assert not values.changed
