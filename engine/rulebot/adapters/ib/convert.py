"""Raw fields of the wire to values: exact Decimals, dates and instants, contracts; sentinels to None.

Numbers travel as text and have several spellings of "unset": empty, the largest double as Java or Python prints it, the
largest int or long.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from rulebot.adapters.ib.time_zones import candidate_zones
from rulebot.model.contract import UNKNOWN_INDICES, Contract, Option, Right, Underlying, class_of_shares
from rulebot.model.contract import last_day as last_trading_day
from rulebot.model.event import BrokerStatus
from rulebot.model.facts import Dividend
from rulebot.model.order import ExecutionId
from rulebot.model.session import exchange_date
from rulebot.model.text import printable

UNSET_INTEGERS = frozenset(("", "2147483647", "9223372036854775807"))
HUGE = Decimal("1e307")
COMBO = "BAG"
CURRENCY = "USD"
"""Of everything that bots trade. A symbol names other contracts in another: SHOP is a share in Toronto, too."""

_NAME = re.compile(r"\b(\w{1,6}) +(\d{6})([CP])(\d{8})(?: +(\d+)\])?")
"""The name of an option at the clearing house: class, last day, right, a thousand strikes. The multiplier is TWS's."""
_UNDERLYING = re.compile(r"(.+?) +[A-Z]{3}\d{4} .*\[")
_LINE_ENDS = re.compile(r" *<br */?> *", re.IGNORECASE)
_STATUSES = {
    "PendingSubmit": BrokerStatus.PENDING,
    "PendingCancel": BrokerStatus.PENDING,
    "PreSubmitted": BrokerStatus.WORKING,
    "Submitted": BrokerStatus.WORKING,
    "Filled": BrokerStatus.FILLED,
    "Cancelled": BrokerStatus.CANCELLED,
    "ApiCancelled": BrokerStatus.CANCELLED,
    "Inactive": BrokerStatus.INACTIVE,
}
_RIGHTS = {"C": Right.CALL, "CALL": Right.CALL, "P": Right.PUT, "PUT": Right.PUT}


def decimal(text: str) -> Decimal | None:
    """Return the number exactly as it was printed; None when unset. Raises: ValueError."""
    if text in UNSET_INTEGERS:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"a number is due, is {text!r}") from None
    return value if value.is_finite() and abs(value) < HUGE else None


def whole(text: str) -> int:
    """Return an id or a count, 0 when unset; `1.0` is 1. Raises: ValueError."""
    if text in UNSET_INTEGERS:
        return 0
    return int(float(text)) if "." in text else int(text)


def flag(text: str) -> bool:
    """Return a bool; empty is false."""
    return text not in ("", "0")


def status(text: str) -> BrokerStatus | None:
    """Return the order status; None for those that say nothing (`ApiPending`, `UnknownValue`)."""
    return _STATUSES.get(text)


def execution_id(text: str) -> ExecutionId:
    """Return the id of an execution: after its last dot stands the revision, from 01."""
    execution, _, revision = text.rpartition(".")
    return ExecutionId(execution, int(revision)) if execution and revision.isdecimal() else ExecutionId(text)


def day(text: str) -> date:
    """Return the date of `YYYYMMDD`, whatever follows it. Raises: ValueError."""
    return date(int(text[:4]), int(text[4:6]), int(text[6:8]))


def last_day(text: str, login: str = "") -> date:
    """Return the last day of an option by its date field, in its exchange's calendar. Raises: ValueError.

    For options that expire soon TWS adds the time, in the zone of its login: 04:00 of the next day in Shanghai. login:
    as `instants`. A zone that leaves the day ambiguous is an error.
    """
    if len(text) == 8:
        return day(text)
    try:
        days = {exchange_date(each) for each in instants(text, login)}
    except ValueError:
        return day(text)
    if len(days) != 1:
        raise ValueError(f"the last day is unknown: {text!r} names no known time zone")
    return days.pop()


def named_last_day(name: str, symbol: str) -> date | None:
    """Return the last day of an option by its OCC name, None for other names. Raises: ValueError.

    None also for options on VIX and similar: they end on the day before the one in their name.
    """
    if symbol in UNKNOWN_INDICES or (reported := _NAME.fullmatch(name.strip())) is None:
        return None
    return last_trading_day(symbol, reported[1], day(f"20{reported[2]}"))


def dividend(text: str) -> Dividend | None:
    """Return the next dividend of tick 59 (`past year,next year,YYYYMMDD,amount`), None when none is announced.

    Raises: ValueError.
    """
    _, _, on, amount = text.split(",")
    paid = decimal(amount)
    return Dividend(day(on), paid) if on and paid else None


def instant(text: str, login: str = "") -> datetime | None:
    """Return an execution's time in UTC, None where its time zone is unknown or ambiguous. Raises: ValueError.

    text, login: as `instants` has them.
    """
    found = set(instants(text, login))
    return found.pop() if len(found) == 1 else None


def instants(text: str, login: str) -> list[datetime]:
    """Return the instants in UTC that a time can mean; none where its zone is unknown. Raises: ValueError.

    text: `YYYYMMDD HH:MM[:SS] zone`; a hyphen before the clock means UTC. login: the zone name of the gateway's
    greeting, used when the time names none.
    """
    clock, _, named = text[8:].strip().partition(" ")
    zones = (UTC,) if clock.startswith("-") else candidate_zones(named, login)
    clock = clock.removeprefix("-")
    seconds = ":00" if clock.count(":") == 1 else ""
    plain = datetime.strptime(f"{text[:8]} {clock}{seconds} +0000", "%Y%m%d %H:%M:%S %z")
    return [plain.replace(tzinfo=each).astimezone(UTC) for each in zones]


def plain_text(text: str) -> str:
    """Return an error text with its `\\uXXXX` spellings of what is not ASCII made readable.

    What would move a terminal's cursor, or ring its bell, and the `<br>` of TWS's windows become a space: the text is
    shown wherever people look.
    """
    if "\\u" in text:
        with suppress(UnicodeDecodeError):
            text = text.encode("ascii", "backslashreplace").decode("unicode-escape")
    return printable(_LINE_ENDS.sub(" ", text), instead=" ")


def symbol_there(symbol: str) -> str:
    """Return a symbol in IBKR's notation: share classes follow a space (`BRK B`); BRK.B does not exist there.

    Source: IBKR knowledge base, "How do I enter the symbol for Berkshire Hathaway Class B shares".
    """
    return symbol.replace(".", " ")


def symbol_here(text: str) -> str:
    """Return a symbol of IBKR as specs write it: BRK.B."""
    return text.replace(" ", ".")


def option(
    *,
    symbol: str,
    trading_class: str,
    expiry: str,
    strike: str,
    right: str,
    multiplier: str,
    con_id: str,
    name: str = "",
    login: str = "",
) -> Option:
    """Return the option these texts name. Raises: ValueError.

    name: OCC name; its day overrides a different expiry, and it is read where the other fields are empty. login: as in
    `instants`. For a contract that TWS does not know at the moment it sends zeros, and as the symbol what it knows:
    `SPY JUN2021 345 P [SPY 210618P00345000 100]`, as seen by users of Lean (5101, 5127).
    """
    known = _RIGHTS.get(right.upper())
    price = decimal(strike)
    if known is None or not price:
        if (named := _NAME.search(symbol) or _NAME.search(name)) is None:
            raise ValueError(f"an option is due, right is {right!r}, strike {strike!r}")
        trading_class, last, letter, thousandths, times = named.groups()
        head = _UNDERLYING.match(symbol)
        symbol, expiry, multiplier = symbol if head is None else head[1], f"20{last}", times or multiplier
        known, price, name = _RIGHTS[letter], Decimal(thousandths) / 1000, named[0]
    symbol = symbol_here(symbol)
    return Option(
        symbol=symbol,
        trading_class=trading_class or class_of_shares(symbol),
        expiry=named_last_day(name, symbol) or last_day(expiry, login),
        strike=price,
        right=known,
        multiplier=whole(multiplier) or 100,
        con_id=whole(con_id),
    )


def contract(fields: Sequence[str], login: str = "") -> Contract | None:
    """Return the contract of the eleven fields that openOrder, execDetails and position share.

    They are conId, symbol, secType, expiry, strike, right, multiplier, exchange, currency, localSymbol, tradingClass.
    None for what no bot trades: combos, futures, currencies, what is listed in another currency. login: as `instants`
    has it. Raises: ValueError.
    """
    con_id, symbol, kind, expiry, strike, right, multiplier, _, currency, name, trading_class = fields
    if currency not in ("", CURRENCY):
        return None
    if kind == "OPT":
        return option(
            symbol=symbol,
            trading_class=trading_class,
            expiry=expiry,
            strike=strike,
            right=right,
            multiplier=multiplier,
            con_id=con_id,
            name=name,
            login=login,
        )
    if kind in ("STK", "IND"):
        return Underlying(symbol_here(symbol), whole(con_id))
    return None
