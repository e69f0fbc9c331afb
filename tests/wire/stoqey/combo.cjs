// @stoqey/ib against the simulated gateway: place, fill and cancel a combo. Usage: node combo.cjs PORT EXPIRY STRIKE [ACCOUNT]
const { IBApi, EventName, SecType, OptionType, OrderAction, OrderType, TimeInForce } = require("@stoqey/ib");

const port = Number(process.argv[2]);
const api = new IBApi({ host: "127.0.0.1", port, clientId: 21 });
const EXPIRY = process.argv[3];
const say = (word) => console.log(word);
const die = (why) => { console.error(why); process.exit(1); };
setTimeout(() => die("timed out"), 15000);

const option = (strike) => ({
  symbol: "SPX", secType: SecType.OPT, exchange: "SMART", currency: "USD", tradingClass: "SPXW",
  lastTradeDateOrContractMonth: EXPIRY, strike, right: OptionType.Put,
});
const ids = {};
let next = 0;

function place(id, price, tif) {
  const leg = (conId, action) => ({ conId, ratio: 1, action, exchange: "SMART" });
  const bag = {
    symbol: "SPX", secType: SecType.BAG, exchange: "SMART", currency: "USD",
    comboLegs: [leg(ids[1], OrderAction.SELL), leg(ids[2], OrderAction.BUY)],
  };
  api.placeOrder(id, bag, {
    action: OrderAction.BUY, orderType: OrderType.LMT, totalQuantity: 1, lmtPrice: price, tif, transmit: true,
    account: process.argv[5] || "",
  });
}

api.on(EventName.error, (error, code, reqId) => { if (reqId > 0 && code !== 202) die(`${code} ${error.message}`); });
api.on(EventName.nextValidId, (id) => {
  next = id + 100;
  api.reqContractDetails(1, option(Number(process.argv[4])));
  api.reqContractDetails(2, option(Number(process.argv[4]) - 10));
});
api.on(EventName.contractDetails, (reqId, details) => { ids[reqId] = details.contract.conId; });
api.on(EventName.contractDetailsEnd, () => { if (ids[1] && ids[2]) api.reqMktData(3, { conId: ids[1], exchange: "SMART" }, "", false, false); });
let placed = false;
api.on(EventName.tickPrice, (reqId, kind, price) => {
  if (reqId === 3 && kind === 1 && price > 0 && !placed) { placed = true; place(next, -0.5, TimeInForce.DAY); }
});
let cancelling = false;
api.on(EventName.orderStatus, (id, status) => {
  if (id === next && status === "Filled" && !cancelling) { cancelling = true; say("filled"); place(next + 1, -9.5, TimeInForce.GTC); }
  if (id === next + 1 && status === "Submitted") api.cancelOrder(next + 1);
  if (id === next + 1 && status === "Cancelled") { say("cancelled"); api.reqPositions(); }
});
api.on(EventName.position, (account, contract, quantity) => say(`position ${contract.strike} ${quantity}${process.argv[5] ? ` ${account}` : ""}`));
api.on(EventName.positionEnd, () => { api.disconnect(); process.exit(0); });
api.connect();
