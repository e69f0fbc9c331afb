"""Our contracts as the broker writes them, the contract ids learnt so far, listed expiries and price steps.

Options and indices are fully described, so a contract without a known id is still found; only combos need ids.
"""

import asyncio
import logging
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal

import ib_async

from rulebot.adapters.ib import convert
from rulebot.adapters.ib.time_zones import candidate_zones, unknown_words
from rulebot.adapters.ib.transport import Wire
from rulebot.model.contract import Contract, Kind, Option, Underlying, product
from rulebot.model.errors import BrokerError, UnansweredError, UnavailableError
from rulebot.model.facts import Listing
from rulebot.model.money import TickRule
from rulebot.model.session import OPEN_TIME, Hours, at_exchange_time
from rulebot.model.values import dataclass

SMART = "SMART"
AMERICAN = frozenset(("AMEX", "ARCA", "BATS", "NASDAQ", "NYSE"))
EXCHANGES = 16
"""Where contractData (10) has the exchanges of a contract (`contract_data`)."""
INDEX_EXCHANGES = {
    "SPX": "CBOE",
    "XSP": "CBOE",
    "VIX": "CBOE",
    "VIX1D": "CBOE",
    "VIX3M": "CBOE",
    "VIX9D": "CBOE",
    "VVIX": "CBOE",
    "SKEW": "CBOE",
    "NDX": "NASDAQ",
    "RUT": "RUSSELL",
}

_CBOE_INDICES = "Cboe Streaming Market Indexes"
_NASDAQ_INDICES = "Nasdaq Global Index Data Service"
_STOCKS = "NYSE (Network A/CTA), Network B/CTA and NASDAQ (Network C/UTP), or the US Equity and Options Add-On bundle"
_OPTIONS = "OPRA (US Options Exchanges)"


def is_index(symbol: str) -> bool:
    """Say whether this underlying is an index at the broker."""
    return symbol in INDEX_EXCHANGES or product(symbol).kind is Kind.INDEX


def subscription(contract: Contract) -> str:
    """Return the name of the market data subscription that streams this contract, as Account Management lists it."""
    if isinstance(contract, Option) and not contract.is_share:
        return _OPTIONS
    if not is_index(contract.symbol):
        return _STOCKS
    return _NASDAQ_INDICES if contract.symbol == "NDX" else _CBOE_INDICES


def subscriptions_of_all(contract: Contract) -> str:
    """Return the subscriptions that all of a contract's data needs: the greeks of an option, its underlying's too."""
    of_underlying = subscription(Underlying(contract.symbol))
    return " and ".join(dict.fromkeys((subscription(contract), of_underlying)))


def underlying_contract(symbol: str, con_id: int = 0) -> ib_async.Contract:
    """Return the broker's contract of an index, stock or ETF."""
    kind, exchange = ("IND", INDEX_EXCHANGES.get(symbol, "CBOE")) if is_index(symbol) else ("STK", SMART)
    name = convert.symbol_there(symbol)
    return ib_async.Contract(secType=kind, symbol=name, exchange=exchange, currency=convert.CURRENCY, conId=con_id)


def chain_contract(symbol: str, trading_class: str, expiry: date) -> ib_async.Contract:
    """Return the broker's pattern for every option of a class and expiry."""
    return ib_async.Contract(
        secType="OPT",
        symbol=convert.symbol_there(symbol),
        tradingClass=trading_class,
        lastTradeDateOrContractMonth=f"{expiry:%Y%m%d}",
        exchange=SMART,
        currency=convert.CURRENCY,
    )


def option_contract(option: Option, con_id: int) -> ib_async.Contract:
    """Return the broker's contract of one option."""
    found = chain_contract(option.symbol, option.trading_class, option.expiry)
    found.strike = float(option.strike)
    found.right = option.right.letter
    found.multiplier = str(option.multiplier)
    found.conId = con_id
    return found


def contract_data(row: list[str], version: int) -> list[str]:
    """Return a contractData row (10) in its layout from version 164 on.

    Before, a message version precedes it, and a size multiplier follows the minimum tick.
    """
    return row if version >= 164 else [*row[1:15], *row[16:]]


def in_america(rows: list[list[str]], version: int) -> list[list[str]]:
    """Return of several contractData rows (10) of one symbol those that trade on an American exchange.

    Funds of London and Zurich have symbols of American ones, and trade in dollars under SMART as well: KWEB, GLD.
    Source: TWS API, ContractDetails: validExchanges.
    """
    if len(rows) == 1:
        return rows
    return [row for row in rows if AMERICAN.intersection(contract_data(row, version)[EXCHANGES].split(","))]


class ContractBook:
    """Contract ids by contract; an id never changes.

    Options are kept if they were reported in this session or the one before: traded options are listed anew each
    morning, and held ones have their ids.
    """

    def __init__(self) -> None:
        self._ids: dict[Contract, int] = {}
        self._before: dict[Contract, int] = {}
        self._session: date | None = None

    def learn(self, contract: Contract) -> None:
        """Remember the id a contract carries, if it has one."""
        if contract.con_id:
            self._ids[contract] = contract.con_id

    def begin_session(self, day: date) -> None:
        """Forget options that have expired or were last reported before the previous session."""
        if day == self._session:
            return
        self._session = day
        reported, self._ids, self._before = self._ids, {}, {}
        for contract, number in reported.items():
            if not isinstance(contract, Option):
                self._ids[contract] = number
            elif contract.expiry >= day:
                self._before[contract] = number

    def knows(self, number: int) -> bool:
        """Say whether it is known which contract has this id."""
        return number in self._ids.values() or number in self._before.values()

    def con_id(self, contract: Contract) -> int:
        """Return the contract's id, 0 when it is not known."""
        if isinstance(contract, Option) and contract.is_share:
            contract = Underlying(contract.symbol, contract.con_id)
        return contract.con_id or self._ids.get(contract) or self._before.get(contract, 0)

    def to_broker(self, contract: Contract) -> ib_async.Contract:
        """Return the contract as the broker writes it."""
        if isinstance(contract, Option) and not contract.is_share:
            return option_contract(contract, self.con_id(contract))
        return underlying_contract(contract.symbol, self.con_id(contract))

    def learn_details(self, rows: list[list[str]], version: int, login: str = "") -> list[Option]:
        """Remember what contractData rows (10) describe and return their options, in the order of the rows.

        What no bot trades is passed over: a future has the symbol of its index. login: the gateway's time zone.
        """
        found = []
        for row in rows:
            fields = contract_data(row, version)
            _, _, symbol, kind, expiry, strike, right, _, currency, name, _, trading_class, con_id, _ = fields[:14]
            if currency not in ("", convert.CURRENCY):
                continue
            if kind in ("STK", "IND"):
                self.learn(Underlying(convert.symbol_here(symbol), convert.whole(con_id)))
            if kind != "OPT":
                continue
            option = convert.option(
                symbol=symbol,
                trading_class=trading_class,
                expiry=expiry,
                strike=strike,
                right=right,
                multiplier=fields[14],
                con_id=con_id,
                name=name,
                login=login,
            )
            self.learn(option)
            found.append(option)
        return found


def both_rights(options: list[Option]) -> tuple[Decimal, ...]:
    """Return the strikes at which a call and a put exist, sorted."""
    rights: dict[Decimal, set[str]] = {}
    for option in options:
        rights.setdefault(option.strike, set()).add(option.right.letter)
    return tuple(sorted(strike for strike, found in rights.items() if len(found) == 2))


# --- Listed expiries, from option parameters


def expiries_listed(symbol: str, trading_class: str, rows: list[list[str]]) -> Listing:
    """Return the expiries of a class listed in option parameters (75). Raises: UnavailableError."""
    ours = [row for row in rows if row[4] == trading_class]
    row = next((each for each in ours if each[2] == "SMART"), ours[0] if ours else None)
    if row is None:
        if not rows:
            raise UnavailableError(symbol, f"the broker lists no options on {symbol}")
        classes = ", ".join(sorted({each[4] for each in rows}))
        words = f"the broker lists no options {trading_class} on {symbol}; it lists {classes}"
        raise UnavailableError(symbol, words)
    expiries = row[7 : 7 + convert.whole(row[6])]
    return Listing(symbol, trading_class, tuple(sorted(convert.day(each) for each in expiries)))


# --- The price grid of options, from market rules

log = logging.getLogger("rulebot.ib")

_CLASS, _KIND, _TAGS = 11, 3, 30
"""Where contractData (10) has the class, the kind, and the count of pairs that follow it (`contract_data`)."""
_RULES = 4
"""The market rules begin this many fields after the last of the pairs."""
RULE_SECONDS, AGAIN_SECONDS = 5.0, 0.5
"""How long a rule is waited for, and each further one once a rule was not answered."""


class MarketRules:
    """The rules that were asked for in this connection, None one that was not answered."""

    def __init__(self) -> None:
        self._known: dict[str, TickRule | None] = {}
        self._seconds = RULE_SECONDS
        self._asking = asyncio.Lock()

    def forget(self) -> None:
        """Request each rule again: the connection was lost, and rules may change."""
        self._known.clear()
        self._seconds = RULE_SECONDS

    async def grid(self, wire: Wire, rows: list[list[str]], trading_class: str) -> TickRule | None:
        """Return the price grid of a class by contractData rows (10) of its options; None where it has none."""
        reported = (rule_in(row, wire.version, trading_class) for row in rows)
        number = next((each for each in reported if each), "")
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


# --- Trading hours, from contract details

_ZONE, _LIQUID = 25, 27
"""Where contractData (10) has them (`contract_data`)."""
_CLOSED = "CLOSED"


@dataclass(frozen=True, slots=True)
class ReportedHours:
    """Hours reported on a day, for it and the days after. zone: a time zone name. liquid: the days.

    login: the zone of the gateway's greeting, which decides a name of several zones.
    """

    on: date
    zone: str
    liquid: str
    login: str = ""

    def hours(self, day: date) -> Hours | None:
        """Return the hours of a day from its first open to its last close; None where none are reported.

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


def hours_in(row: list[str], version: int, on: date, login: str = "") -> ReportedHours:
    """Return the hours in a contractData row, as reported on a day. login: as `ReportedHours`."""
    fields = contract_data(row, version)
    zone, liquid = (fields[at] if at < len(fields) else "" for at in (_ZONE, _LIQUID))
    return ReportedHours(on, zone, liquid, login)


def _span(text: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return open and close of a span, UTC. Raises: ValueError."""
    first, _, last = text.partition("-")
    day, _, _ = first.partition(":")
    last = last if ":" in last else f"{day}:{last}"
    opens, closes = (datetime.strptime(each, "%Y%m%d:%H%M").replace(tzinfo=zone) for each in (first, last))
    return opens.astimezone(UTC), closes.astimezone(UTC)
