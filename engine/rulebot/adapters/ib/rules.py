"""The price grid of options, as the broker tells it: contract details name a market rule, the rule its price steps.

Source: TWS API, "Minimum Price Increment": `marketRuleIds` stand in the order of `validExchanges`, for exchanges may
have steps of their own; orders go to SMART, so its rule counts. A rule has rows of a low edge and the step from there.
Users of other clients have seen a rule answered within a second or not at all, and some only once the details of a
contract of theirs were asked for (ib-gateway-mcp; IB4m 37).
"""

import asyncio
import logging

from rulebot.adapters.ib.contracts import EXCHANGES, SMART, contract_data
from rulebot.adapters.ib.wire import Wire
from rulebot.model.errors import BrokerError, UnansweredError
from rulebot.model.money import TickRule

log = logging.getLogger("rulebot.ib")

_CLASS, _KIND, _TAGS = 11, 3, 30
"""Where contractData (10) has the class, the kind, and the count of pairs that follow it (`contract_data`)."""
_RULES = 4
"""So many fields after the last of the pairs stand the rules."""
RULE_SECONDS, AGAIN_SECONDS = 5.0, 0.5
"""How long a rule is waited for, and each further one once a rule was not answered."""


class MarketRules:
    """The rules that were asked for in this connection, None one that was not answered."""

    def __init__(self) -> None:
        self._known: dict[str, TickRule | None] = {}
        self._seconds = RULE_SECONDS
        self._asking = asyncio.Lock()

    def forget(self) -> None:
        """Ask for each rule anew: the connection is gone, and rules may change."""
        self._known.clear()
        self._seconds = RULE_SECONDS

    async def grid(self, wire: Wire, rows: list[list[str]], trading_class: str) -> TickRule | None:
        """Return the price grid of a class by contractData rows (10) of its options; None where it is not told."""
        told = (rule_in(row, wire.version, trading_class) for row in rows)
        number = next((each for each in told if each), "")
        if not number:
            return None
        async with self._asking:  # an answer bears no request id: of two questions one would wait in vain
            if number not in self._known:
                self._known[number] = await self._ask(wire, number)
            return self._known[number]

    async def _ask(self, wire: Wire, number: str) -> TickRule | None:
        seconds = min(self._seconds, wire.settings.request_seconds)
        try:
            rows = await wire.requests.ask_rule(number, lambda: wire.client.reqMarketRule(number), seconds)
            return read_rule(rows[0])
        except (BrokerError, ValueError) as problem:
            if wire.lost is not None:
                raise UnansweredError(f"the connection was lost while asking for market rule {number}") from problem
            if isinstance(problem, UnansweredError):
                self._seconds = AGAIN_SECONDS
            log.warning("the price steps of options are taken from the table: market rule %s: %s", number, problem)
            return None


def rule_in(row: list[str], version: int, trading_class: str) -> str:
    """Return the number of SMART's market rule in contract details of an option of this class, "" if there is none."""
    fields = contract_data(row, version)
    if (fields[_KIND], fields[_CLASS]) != ("OPT", trading_class):
        return ""
    try:
        rules = fields[_TAGS + 2 * int(fields[_TAGS] or 0) + _RULES].split(",")
    except (IndexError, ValueError):
        return ""
    found = dict(zip(fields[EXCHANGES].split(","), rules, strict=False))
    return found.get(SMART, "").strip()


def read_rule(row: list[str]) -> TickRule:
    """Return the price steps of a marketRule (93). Raises: ValueError when it says none that prices can lie on."""
    try:
        return TickRule.of(row[3 : 3 + 2 * int(row[2])])
    except (IndexError, ValueError):
        raise ValueError(f"it has no price steps: {' '.join(row)}") from None
