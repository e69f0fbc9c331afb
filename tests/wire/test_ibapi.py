"""The official Python client (9.81, which speaks 157) against the gateway: place, fill and cancel a combo."""

import asyncio
import queue
import threading
from datetime import date

import pytest

pytest.importorskip("ibapi", reason="the official client is not installed")

from ibapi.client import EClient
from ibapi.contract import ComboLeg, Contract
from ibapi.execution import ExecutionFilter
from ibapi.order import Order
from ibapi.wrapper import EWrapper

from twsim import GatewaySettings, start_gateway

SECONDS = 60


class App(EWrapper, EClient):
    """Puts every callback into one queue."""

    def __init__(self):
        EClient.__init__(self, self)
        self.received = queue.Queue()

    def wait_for(self, name, wanted=lambda *given: True):
        """Return the arguments of the next callback of this name that is wanted."""
        while True:
            received, given = self.received.get(timeout=SECONDS)
            if received == name and wanted(*given):
                return given


def _listen(name):
    def received(self, *given, **named):
        self.received.put((name, (*given, *named.values())))

    return received


HEARD = (
    "nextValidId managedAccounts error orderStatus openOrder openOrderEnd execDetails execDetailsEnd commissionReport",
    "position positionEnd contractDetails contractDetailsEnd tickPrice tickSize tickOptionComputation currentTime",
    "historicalData historicalDataEnd updateAccountValue accountDownloadEnd completedOrder completedOrdersEnd",
    "securityDefinitionOptionParameter securityDefinitionOptionParameterEnd marketRule symbolSamples pnlSingle pnl",
    "tickSnapshotEnd accountSummary accountSummaryEnd",
)
for _name in " ".join(HEARD).split():
    setattr(App, _name, _listen(_name))


@pytest.fixture
def app(request):
    """A connected client beside a gateway that runs by itself, each in its thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    settings = GatewaySettings(first_day=date(2025, 11, 24), speed=600.0, **getattr(request, "param", {}))
    running = asyncio.run_coroutine_threadsafe(start_gateway(settings), loop).result(SECONDS)
    client = App()
    client.running = running
    client.connect("127.0.0.1", running.port, 11)
    reader = threading.Thread(target=client.run, daemon=True)
    reader.start()
    client.wait_for("nextValidId")
    yield client
    client.disconnect()
    asyncio.run_coroutine_threadsafe(running.stop(), loop).result(SECONDS)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(SECONDS)
    reader.join(SECONDS)
    assert running.gateway.failure.cancelled()


def _option(strike=0.0, right="P"):
    found = Contract()
    found.symbol, found.secType, found.exchange, found.currency = "SPX", "OPT", "SMART", "USD"
    found.lastTradeDateOrContractMonth, found.tradingClass = "20251124", "SPXW"
    found.strike, found.right = strike, right
    return found


def _details(app, req_id, contract):
    app.reqContractDetails(req_id, contract)
    given = app.wait_for("contractDetails", lambda number, found: number == req_id)
    app.wait_for("contractDetailsEnd", lambda number: number == req_id)
    return given[1]


def _limit(action, price, tif="DAY"):
    order = Order()
    order.action, order.orderType, order.totalQuantity, order.lmtPrice, order.tif = action, "LMT", 1, price, tif
    order.eTradeOnly = order.firmQuoteOnly = False
    return order


def test_ibapi_reads_contracts_rules_and_bars(app):
    assert app.serverVersion() == 157
    found = _details(app, 1, _option(5890.0))
    assert found.contract.localSymbol == "SPXW  251124P05890000"
    assert found.minTick == 0.05
    app.reqSecDefOptParams(2, "SPX", "", "IND", 416904)
    row = app.wait_for("securityDefinitionOptionParameter")
    assert row[2] == 416904
    app.wait_for("securityDefinitionOptionParameterEnd")
    app.reqAccountUpdates(True, "")
    app.wait_for("updateAccountValue", lambda key, *rest: key == "NetLiquidation")
    app.wait_for("accountDownloadEnd")
    app.reqAccountSummary(3, "All", "NetLiquidation,BuyingPower")
    app.wait_for("accountSummaryEnd")
    app.reqMarketRule(239)
    assert [(step.lowEdge, step.increment) for step in app.wait_for("marketRule")[1]] == [(0, 0.05), (3, 0.1)]
    app.reqMatchingSymbols(4, "SPY")
    assert [each.contract.symbol for each in app.wait_for("symbolSamples")[1]] == ["SPY"]
    index = Contract()
    index.symbol, index.secType, index.exchange, index.currency = "SPX", "IND", "CBOE", "USD"
    app.reqHistoricalData(5, index, "", "1 D", "1 min", "TRADES", 1, 1, False, [])
    assert app.wait_for("historicalData", lambda number, bar: number == 5)[1].close > 1000
    app.wait_for("historicalDataEnd")


def test_price_steps_are_those_that_orders_are_held_to(app):
    asked = _option(85.0)
    asked.symbol, asked.tradingClass, asked.lastTradeDateOrContractMonth = "GGG", "GGG", "20251219"
    found = _details(app, 1, asked)
    rules = dict(zip(found.validExchanges.split(","), found.marketRuleIds.split(","), strict=True))
    app.reqMarketRule(int(rules["SMART"]))
    assert [(step.lowEdge, step.increment) for step in app.wait_for("marketRule")[1]] == [(0, 0.05), (3, 0.1)]
    for number, (price, is_taken) in enumerate({6.25: False, 6.2: True, 0.02: False, 0.05: True}.items(), start=20):
        order = _limit("BUY", price)
        order.orderType, order.auxPrice = "STP", price
        app.placeOrder(number, found.contract, order)
        if is_taken:
            assert app.wait_for("openOrder", lambda reported, *rest, number=number: reported == number)
        else:
            assert app.wait_for("error", lambda reported, *rest, number=number: reported == number)[1] == 110
        app.cancelOrder(number)


def test_market_data_and_snapshot(app):
    while not app.running.market.is_open:
        app.reqCurrentTime()
        app.wait_for("currentTime")
    contract = _details(app, 1, _option(5890.0)).contract
    app.reqMktData(2, contract, "", False, False, [])
    app.wait_for("tickOptionComputation")
    price = app.wait_for("tickPrice", lambda number, kind, *rest: (number, kind) == (2, 1))[2]
    assert price > 0
    app.reqMktData(3, contract, "", True, False, [])
    app.wait_for("tickSnapshotEnd")
    app.reqPnL(4, app.running.exchange.account, "")
    app.wait_for("pnl")


def test_a_combo_is_placed_filled_and_another_cancelled(app):
    sold, bought = (_details(app, number, _option(strike)).contract for number, strike in ((1, 5890.0), (2, 5880.0)))
    while not app.running.market.is_open:
        app.reqCurrentTime()
        app.wait_for("currentTime")
    bag = Contract()
    bag.symbol, bag.secType, bag.exchange, bag.currency = "SPX", "BAG", "SMART", "USD"
    bag.comboLegs = []
    for contract, action in ((sold, "SELL"), (bought, "BUY")):
        leg = ComboLeg()
        leg.conId, leg.ratio, leg.action, leg.exchange = contract.conId, 1, action, "SMART"
        bag.comboLegs.append(leg)
    app.reqPositions()
    app.wait_for("positionEnd")
    app.placeOrder(100, bag, _limit("BUY", -0.5))
    opened = app.wait_for("openOrder")
    assert opened[1].secType == "BAG"
    assert [leg.conId for leg in opened[1].comboLegs] == [sold.conId, bought.conId]
    app.wait_for("orderStatus", lambda number, status, *rest: (number, status) == (100, "Filled"))
    app.reqExecutions(7, ExecutionFilter())
    secs = []
    while (received := app.received.get(timeout=SECONDS))[0] != "execDetailsEnd":
        if received[0] == "execDetails" and received[1][0] == 7:
            secs.append(received[1][1].secType)
    assert sorted(secs) == ["BAG", "OPT", "OPT"]
    app.placeOrder(101, bag, _limit("BUY", -9.5, "GTC"))
    app.wait_for("orderStatus", lambda number, status, *rest: (number, status) == (101, "Submitted"))
    app.cancelOrder(101)
    app.wait_for("orderStatus", lambda number, status, *rest: (number, status) == (101, "Cancelled"))
    assert app.wait_for("error", lambda number, code, *rest: number == 101)[1] == 202
    app.reqCompletedOrders(False)
    app.wait_for("completedOrdersEnd")


@pytest.mark.parametrize(
    "app", [{"account": "DU1000", "more_accounts": ("DU2000",)}], indirect=True, ids=["two accounts"]
)
def test_each_of_two_accounts_is_distinguished(app):
    contract = _details(app, 1, _option(5890.0)).contract
    app.reqManagedAccts()
    assert app.wait_for("managedAccounts") == ("DU1000,DU2000",)
    app.reqAccountUpdates(True, "DU2000")
    assert app.wait_for("updateAccountValue")[3] == "DU2000"
    assert app.wait_for("accountDownloadEnd") == ("DU2000",)
    app.reqAccountSummary(3, "All", "NetLiquidation")
    assert [app.wait_for("accountSummary")[1] for _ in range(2)] == ["DU1000", "DU2000"]
    order = _limit("BUY", 0.05)
    app.placeOrder(100, contract, order)
    assert app.wait_for("error", lambda number, *rest: number == 100)[1:3] == (435, "You must specify an account.")
    order.account = "DU2000"
    app.placeOrder(101, contract, order)
    assert app.wait_for("openOrder")[2].account == "DU2000"
    app.reqGlobalCancel()
    app.wait_for("orderStatus", lambda number, status, *rest: (number, status) == (101, "Cancelled"))
