"""Account values as they trickle in, one key at a time."""

import logging
from decimal import Decimal

from rulebot.adapters.ib import convert, trouble
from rulebot.model.facts import Account

_DOLLARS = frozenset(("NetLiquidation", "TotalCashValue", "BuyingPower", "AvailableFunds", "MaintMarginReq"))
_DAY_TRADES = "DayTradesRemaining"
"""Three at most within five sessions; -1 is without limit."""
_READY = "AccountReady"
"""False while the broker's server is being reset: what is told with it may be old or wrong. Source: TWS API, Account
Updates."""

log = logging.getLogger("rulebot.ib")


class AccountValues:
    """The account as last told; `changed` is True from a new value until `take`.

    What is told while the account is not ready counts for nothing. Then all is to be asked for anew (`is_due`), since
    only what has changed is told by itself.
    """

    def __init__(self, account: str) -> None:
        self._id = account
        self._currency = convert.CURRENCY
        self._is_known = False
        self._is_ready = True
        self._amounts: dict[str, Decimal] = {}
        self.changed = self.is_due = False

    def read(self, fields: list[str]) -> None:
        """Take an account value (6) or a row of the account summary (63)."""
        if fields[0] == "6":
            key, value, currency, account = fields[2:6]
        else:
            account, key, value, currency = fields[3:7]
        if key == _READY and account == self._id:
            self._hear_ready(value != "false")
        if not self._is_ready or key not in (*_DOLLARS, _DAY_TRADES) or account != self._id or currency == "BASE":
            return
        try:
            amount = convert.decimal(value)
        except ValueError:  # it would come again with every connection
            log.info("account %s has %r as its %s, which is no number", self._id, value, key)
            self.changed |= self._amounts.pop(key, None) is not None
            return
        if amount is not None and amount != self._amounts.get(key):
            self._amounts[key] = amount
            self._currency = currency or self._currency
            self.changed = True

    def _hear_ready(self, is_ready: bool) -> None:
        if is_ready is not self._is_ready:
            self._is_ready = self.is_due = is_ready
            log.warning("account %s is %s", self._id, "ready" if is_ready else "not ready: what it has is not known")

    def take(self) -> Account:
        """Return the account. Raises: BrokerError when it was told for the first time and is not kept in dollars."""
        self.changed = False
        told = self._amounts.get
        if not self._is_known and self._currency != convert.CURRENCY:
            raise trouble.other_currency(self._id, self._currency)
        self._is_known = "NetLiquidation" in self._amounts
        day_trades = told(_DAY_TRADES)
        return Account(
            id=self._id,
            net_liquidation=told("NetLiquidation"),
            cash=told("TotalCashValue"),
            buying_power=told("BuyingPower"),
            available_funds=told("AvailableFunds"),
            maintenance_margin=told("MaintMarginReq"),
            currency=self._currency,
            day_trades_left=None if day_trades is None or day_trades < 0 else int(day_trades),
        )
