"""The price grid of options, as the broker tells it: contract details name a market rule, the rule its price steps.

Source: TWS API, "Minimum Price Increment": `marketRuleIds` stand in the order of `validExchanges`, for exchanges may
have steps of their own; orders go to SMART, so its rule counts. A rule has rows of a low edge and the step from there.
Users of other clients have seen a rule answered within a second or not at all, and some only once the details of a
contract of theirs were asked for (ib-gateway-mcp; IB4m 37).
"""

import asyncio
import logging
from datetime import UTC, date, datetime, tzinfo

from rulebot.adapters.ib.contracts import EXCHANGES, SMART, contract_data
from rulebot.adapters.ib.time_zones import candidate_zones, unknown_words
from rulebot.adapters.ib.transport import Wire
from rulebot.model.errors import BrokerError, UnansweredError
from rulebot.model.money import TickRule
from rulebot.model.session import OPEN_TIME, Hours, at_exchange_time
from rulebot.model.values import dataclass

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


# --- When a contract trades, as its details tell it

_ZONE, _LIQUID = 25, 27
"""Where contractData (10) has them (`contract_data`)."""
_CLOSED = "CLOSED"


@dataclass(frozen=True, slots=True)
class ToldHours:
    """What was told on a day of that one and the days after it. zone: a name of a time zone. liquid: the days.

    login: the zone of the gateway's greeting, which settles a name of several zones.
    """

    on: date
    zone: str
    liquid: str
    login: str = ""

    def hours(self, day: date) -> Hours | None:
        """Return the hours of a day from its first open to its last close; None where nothing is told of it.

        In the zone of Sydney a session begins on the day after.

        Raises: ValueError when they cannot be read.
        """
        zones = candidate_zones(self.zone, self.login) if self.zone.strip() else ()
        zone = zones[0] if len(zones) == 1 else None
        named = day if zone is None else at_exchange_time(day, OPEN_TIME).astimezone(zone)
        spans = [each for each in self.liquid.split(";") if each.startswith(f"{named:%Y%m%d}:")]
        if not spans:
            return None
        if all(each.endswith(_CLOSED) for each in spans):
            return Hours(day)
        if zone is None:
            raise ValueError(f"they are in the time zone {self.zone!r}: {unknown_words(self.zone)}")
        found = [_span(each, zone) for each in spans if not each.endswith(_CLOSED)]
        return Hours(day, min(opens for opens, _ in found), max(closes for _, closes in found))


def hours_in(row: list[str], version: int, on: date, login: str = "") -> ToldHours:
    """Return what a contractData row tells of hours, as it was told on a day. login: as `ToldHours`."""
    fields = contract_data(row, version)
    zone, liquid = (fields[at] if at < len(fields) else "" for at in (_ZONE, _LIQUID))
    return ToldHours(on, zone, liquid, login)


def _span(text: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return open and close of a span, UTC. Raises: ValueError."""
    first, _, last = text.partition("-")
    day, _, _ = first.partition(":")
    last = last if ":" in last else f"{day}:{last}"
    opens, closes = (datetime.strptime(each, "%Y%m%d:%H%M").replace(tzinfo=zone) for each in (first, last))
    return opens.astimezone(UTC), closes.astimezone(UTC)
