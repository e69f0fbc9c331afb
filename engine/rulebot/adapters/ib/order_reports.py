"""Raw order messages to events. These fields, and never a Trade object of the client library, are the truth.

Positions of fields are those of server versions 157 to 178. Prices and quantities are read from their text.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from ib_async import ComboLeg
from ib_async import Contract as IbContract

from rulebot.adapters.ib import connection_errors, convert
from rulebot.adapters.ib.contracts import ContractBook
from rulebot.adapters.ib.message_codes import broker_message
from rulebot.adapters.ib.quotes import FAULTS, QuoteColumns
from rulebot.adapters.ib.time_zones import unknown_words
from rulebot.adapters.ib.transport import Wire
from rulebot.model.contract import Contract, Option, share
from rulebot.model.errors import BrokerError
from rulebot.model.event import (
    CommissionReport,
    DividendReport,
    Event,
    ExecutionReport,
    MarginReport,
    OrderMessage,
    OrderReport,
    PositionReport,
)
from rulebot.model.facts import Account
from rulebot.model.order import OrderType, Side

log = logging.getLogger("rulebot.ib")

FA_PROFILE_ENDS = 177
"""The first server version without the field faProfile."""

_LEG_FIELDS = 8
_LIMITED = frozenset(("LMT", "STP LMT", "LIT", "TRAIL LIMIT", "LOC", "REL"))
_STOPPED = frozenset(("STP", "STP LMT", "MIT", "LIT"))
_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
_KINDS = {"LMT": OrderType.LIMIT.value, "MKT": OrderType.MARKET.value, "STP": OrderType.STOP.value}


class _Cursor:
    """Walks over the part of an order message whose length depends on what the order is."""

    __slots__ = ("_at", "_fields")

    def __init__(self, fields: list[str], at: int) -> None:
        self._fields = fields
        self._at = at

    def text(self) -> str:
        self._at += 1
        return self._fields[self._at - 1]

    def skip(self, count: int) -> None:
        self._at += count

    def skip_group(self, width: int) -> None:
        """Pass over a count and that many groups of `width` fields."""
        count = convert.whole(self.text())
        self._at += width * count

    def groups(self, width: int) -> list[list[str]]:
        """Read a count and that many groups of `width` fields."""
        count = convert.whole(self.text())
        return [[self.text() for _ in range(width)] for _ in range(count)]

    def skip_legs_and_scale(self) -> None:
        """Pass over combo legs, their prices, smart routing, scale and hedge fields."""
        for width in (_LEG_FIELDS, 1, 2):
            self.skip_group(width)
        self.skip(2)
        increment = convert.decimal(self.text())
        if increment is not None and increment > 0:
            self.skip(7)
        if self.text():
            self.skip(1)

    def skip_delta_neutral_and_algo(self) -> None:
        """Pass over the delta neutral contract and the algo with its parameters."""
        if convert.flag(self.text()):
            self.skip(3)
        if self.text():
            self.skip_group(2)


def _prices(fields: list[str], at: int) -> tuple[Decimal | None, Decimal | None]:
    """Return limit and stop price of an order whose type is at `at`; None where the type has none."""
    kind = fields[at]
    limit = convert.decimal(fields[at + 1]) if kind in _LIMITED else None
    stop = convert.decimal(fields[at + 2]) if kind in _STOPPED else None
    return limit, stop


def open_order(fields: list[str], at: datetime, version: int, account: str) -> OrderReport | MarginReport | None:
    """Return what openOrder (5) says; None for another account's order, and for a what-if without its margins yet."""
    if fields[20] != account:
        return None
    walk = _at_legs(fields, version)
    walk.skip_legs_and_scale()
    walk.skip(4)
    walk.skip_delta_neutral_and_algo()
    walk.skip(1)
    if convert.flag(walk.text()):
        return _margins(walk, at, convert.whole(fields[1]))
    limit, stop = _prices(fields, 15)
    return OrderReport(
        at=at,
        ref=fields[23],
        order_id=convert.whole(fields[1]),
        perm_id=convert.whole(fields[25]),
        client_id=convert.whole(fields[24]),
        status=convert.status(walk.text()),
        quantity=convert.decimal(fields[14]),
        limit_price=limit,
        stop_price=stop,
        side=_SIDES.get(fields[13]),
        kind=_KINDS.get(fields[15], fields[15]),
        time_in_force=fields[18].lower(),
        con_id=convert.whole(fields[2]),
    )


def combo_legs(fields: list[str], version: int) -> list[list[str]]:
    """Return the legs in openOrder (5), none for other than combos.

    Of each: conId, ratio, action, exchange, openClose, shortSaleSlot, designatedLocation, exemptCode.
    """
    return _at_legs(fields, version).groups(_LEG_FIELDS)


def _at_legs(fields: list[str], version: int) -> _Cursor:
    """Return a place in openOrder (5): before the legs of the combo."""
    walk = _Cursor(fields, 34 if version >= FA_PROFILE_ENDS else 35)
    walk.skip(27)
    has_delta_neutral = bool(walk.text())
    walk.skip(1 + (8 if has_delta_neutral else 0) + 7)
    return walk


def _margins(walk: _Cursor, at: datetime, order_id: int) -> MarginReport | None:
    """Return the answer to a what-if: status, then initial, maintenance, equity; each before, as change, and after."""
    walk.skip(4)
    change = convert.decimal(walk.text())
    walk.skip(2)
    initial = convert.decimal(walk.text())
    return None if initial is None or change is None else MarginReport(at, order_id, initial, change)


def order_status(fields: list[str], at: datetime) -> OrderReport:
    """Return what orderStatus (3) says; it carries no reference."""
    return OrderReport(
        at=at,
        ref="",
        order_id=convert.whole(fields[1]),
        perm_id=convert.whole(fields[6]),
        client_id=convert.whole(fields[9]),
        status=convert.status(fields[2]),
        filled=convert.decimal(fields[3]),
        remaining=convert.decimal(fields[4]),
        average_price=convert.decimal(fields[5]),
    )


def completed_order(fields: list[str], at: datetime, version: int, account: str) -> OrderReport | None:
    """Return what completedOrder (101) says: a final status by reference and permanent id, without an order id."""
    if fields[19] != account:
        return None
    walk = _Cursor(fields, 31 if version >= FA_PROFILE_ENDS else 32)
    walk.skip(21)
    has_delta_neutral = bool(walk.text())
    walk.skip(1 + (4 if has_delta_neutral else 0) + 5)
    walk.skip_legs_and_scale()
    walk.skip(3)
    walk.skip_delta_neutral_and_algo()
    walk.skip(1)
    state = convert.status(walk.text())
    walk.skip(2)
    is_plain = fields[14] not in ("PEG BENCH", "PEGBENCH") and not convert.whole(walk.text())
    walk.skip(6)
    limit, stop = _prices(fields, 14)
    return OrderReport(
        at=at,
        ref=fields[22],
        order_id=0,
        perm_id=convert.whole(fields[23]),
        client_id=0,
        status=state,
        filled=convert.decimal(walk.text()) if is_plain else None,
        quantity=convert.decimal(fields[13]),
        limit_price=limit,
        stop_price=stop,
        con_id=convert.whole(fields[1]),
    )


def execution(fields: list[str], at: datetime, account: str, login: str = "") -> ExecutionReport | None:
    """Return the execution in execDetails (11); None for another account's. Raises: ValueError.

    login: the zone name of the gateway's time, for times that name none.

    None as well where the contract of an order with a reference cannot be read: ours counts once it is reported
    readably; until then the filled status counts.
    """
    if fields[16] != account:
        return None
    quantity, price = convert.decimal(fields[19]), convert.decimal(fields[20])
    if quantity is None or price is None or fields[18] not in ("BOT", "SLD"):
        raise ValueError(f"an execution is due, side is {fields[18]!r}, {fields[19]!r} at {fields[20]!r}")
    contract, is_read = _contract(fields[3:14], login)
    if not is_read and fields[26]:
        return None
    return ExecutionReport(
        at=at,
        exec_id=convert.execution_id(fields[14]),
        ref=fields[26],
        order_id=convert.whole(fields[2]),
        perm_id=convert.whole(fields[21]),
        client_id=convert.whole(fields[22]),
        option=_dealt(contract, fields[5]),
        is_combo=fields[5] == convert.COMBO,
        is_buy=fields[18] == "BOT",
        quantity=quantity,
        price=price,
        executed_at=_time_of(fields[15], login),
        symbol=convert.symbol_here(fields[4]),
        is_liquidation=fields[23] not in ("", "0"),
    )


def _time_of(reported: str, login: str) -> datetime | None:
    """Return the time of an execution; an unknown zone is logged once."""
    found = convert.instant(reported, login)
    if found is None:
        _log_unknown_zone(reported[8:].strip().partition(" ")[2].strip() or login)
    return found


@lru_cache(maxsize=100)
def _log_unknown_zone(name: str) -> None:
    log.warning("executions come with times in the zone %r, which are unknown: %s", name, unknown_words(name))


def _contract(fields: list[str], login: str) -> tuple[Contract | None, bool]:
    """Return the contract of a position or an execution, and whether it was readable; else log it once.

    It repeats with every connection: an error would prevent every connection.
    """
    try:
        return convert.contract(fields, login), True
    except ValueError as problem:
        _log_passed_over(" ".join(each for each in fields if each), str(problem))
        return None, False


@lru_cache(maxsize=100)
def _log_passed_over(reported: str, problem: str) -> None:
    log.warning("passed over, since it cannot be read what it is: %s (%s)", reported, problem)


def _dealt(contract: Contract | None, kind: str) -> Option | None:
    """Return the contract of an execution, a share for stocks; None for what no bot trades."""
    if isinstance(contract, Option):
        return contract
    return share(contract.symbol, contract.con_id) if contract is not None and kind == "STK" else None


def commission(fields: list[str], at: datetime) -> CommissionReport | None:
    """Return what commissionReport (59) says; None while the amount is unset."""
    paid = convert.decimal(fields[3])
    return None if paid is None else CommissionReport(at, convert.execution_id(fields[2]), paid)


def position(fields: list[str], at: datetime, account: str, login: str = "") -> PositionReport | None:
    """Return what position (61) says; None for another account's and for what no bot trades."""
    contract = _contract(fields[3:14], login)[0] if fields[2] == account else None
    if contract is None:
        return None
    quantity, cost = convert.decimal(fields[14]), convert.decimal(fields[15])
    zero = Decimal(0)
    return PositionReport(at, contract, zero if quantity is None else quantity, zero if cost is None else cost)


def order_message(fields: list[str], at: datetime) -> OrderMessage:
    """Return what errMsg (4) says on an order id."""
    message = broker_message(convert.whole(fields[3]), convert.plain_text(fields[4]))
    return OrderMessage(at, convert.whole(fields[2]), message)


Reader = Callable[[list[str], datetime], Event | None]


def readers(version: int, account: str, login: str = "") -> Mapping[str, Reader]:
    """Return what reads each kind of message on a connection of this server version and account.

    login: the name of the gateway's time zone.
    """
    return {
        "3": order_status,
        "4": order_message,
        "5": lambda fields, at: open_order(fields, at, version, account),
        "11": lambda fields, at: execution(fields, at, account, login),
        "59": commission,
        "61": lambda fields, at: position(fields, at, account, login),
        "101": lambda fields, at: completed_order(fields, at, version, account),
    }


def dividends(quotes: QuoteColumns, at: datetime) -> list[Event]:
    """Return the dividends reported since the last batch."""
    reported, quotes.dividends = quotes.dividends, {}
    contracts = quotes.board.contracts
    named = ((contract.symbol, reported[row]) for row in reported if (contract := contracts[row]) is not None)
    return [DividendReport(at, symbol, dividend) for symbol, dividend in named]


# --- Working combos, as the broker reports them

ANSWER_SECONDS = 10.0
"""Real seconds for the answers: what is open waits for them."""


class Combos:
    """Combos in openOrder messages since the lists were last requested.

    leg_ids: the contract ids of all legs, whoever sent the orders.
    """

    def __init__(self) -> None:
        self.leg_ids: set[int] = set()
        self._reported: dict[int, IbContract] = {}

    def clear(self) -> None:
        """Forget all: the lists report working orders again."""
        self.leg_ids.clear()
        self._reported.clear()

    def note(self, fields: list[str], legs: list[list[str]], order_id: int) -> None:
        """Keep a combo of openOrder (5). order_id: for our changes, 0 where it is not ours."""
        self.leg_ids.update(convert.whole(leg[0]) for leg in legs)
        if order_id and legs:
            self._reported[order_id] = _as_reported(fields[2:13], legs)

    def forget(self, order_id: int) -> None:
        """Forget the combo of an order that is over."""
        self._reported.pop(order_id, None)

    def to_change(self, order_id: int, ours: IbContract) -> IbContract:
        """Return the contract for changing an order: as reported, if it has the legs of ours."""
        reported = self._reported.get(order_id)
        return ours if reported is None or _legs_of(reported) != _legs_of(ours) else reported


def _as_reported(fields: list[str], legs: list[list[str]]) -> IbContract:
    """Return the contract of the eleven fields that `convert.contract` names, with these legs."""
    con_id, symbol, kind, expiry, strike, right, multiplier, exchange, currency, local_symbol, trading_class = fields
    return IbContract(
        conId=convert.whole(con_id),
        symbol=symbol,
        secType=kind,
        lastTradeDateOrContractMonth=expiry,
        strike=float(convert.decimal(strike) or 0),
        right=right,
        multiplier=multiplier,
        exchange=exchange,
        currency=currency,
        localSymbol=local_symbol,
        tradingClass=trading_class,
        comboLegs=[_leg(leg) for leg in legs],
    )


def _leg(fields: list[str]) -> ComboLeg:
    con_id, ratio, action, exchange, open_close, short_sale_slot, location, exempt_code = fields
    return ComboLeg(
        conId=convert.whole(con_id),
        ratio=convert.whole(ratio),
        action=action,
        exchange=exchange,
        openClose=convert.whole(open_close),
        shortSaleSlot=convert.whole(short_sale_slot),
        designatedLocation=location,
        exemptCode=convert.whole(exempt_code),
    )


def _legs_of(combo: IbContract) -> set[tuple[int, int, str]]:
    """Return a combo's contents independent of the order of its legs."""
    return {(leg.conId, leg.ratio, leg.action) for leg in combo.comboLegs}


async def learn_legs(wire: Wire, book: ContractBook, ids: Iterable[int]) -> None:
    """Request the details of unknown contracts; what is not answered or not readable stays unknown."""
    unknown = sorted(number for number in set(ids) if not book.knows(number))
    await asyncio.gather(*(_learn(wire, book, number) for number in unknown))


async def _learn(wire: Wire, book: ContractBook, number: int) -> None:
    asked = IbContract(conId=number)
    seconds = min(ANSWER_SECONDS, wire.settings.request_seconds)
    try:
        rows = await wire.requests.ask(
            f"the contract {number}", lambda req_id: wire.client.reqContractDetails(req_id, asked), seconds
        )
        book.learn_details(rows, wire.version, wire.zone)
    except BrokerError as error:
        log.warning("%s: it is a leg of a working order", error.message)
    except FAULTS as problem:
        log.warning("the contract %d could not be read, a leg of a working order: %r", number, problem)


# --- Account values as they trickle in, one key at a time

_DOLLARS = frozenset(("NetLiquidation", "TotalCashValue", "BuyingPower", "AvailableFunds", "MaintMarginReq"))
_DAY_TRADES = "DayTradesRemaining"
"""Three at most within five sessions; -1 is without limit."""
_READY = "AccountReady"
"""False while the broker's server resets: values sent then may be old or wrong. Source: TWS API, Account Updates."""


class AccountValues:
    """The account as last reported; `changed` is True from a new value until `take`.

    Values sent while the account is not ready do not count. Then all are requested again (`is_due`), since only changes
    are pushed.
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
            self._receive_ready(value != "false")
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

    def _receive_ready(self, is_ready: bool) -> None:
        if is_ready is not self._is_ready:
            self._is_ready = self.is_due = is_ready
            log.warning("account %s is %s", self._id, "ready" if is_ready else "not ready: what it has is not known")

    def take(self) -> Account:
        """Return the account. Raises: BrokerError at the first report when it is not kept in dollars."""
        self.changed = False
        reported = self._amounts.get
        if not self._is_known and self._currency != convert.CURRENCY:
            raise connection_errors.other_currency(self._id, self._currency)
        self._is_known = "NetLiquidation" in self._amounts
        day_trades = reported(_DAY_TRADES)
        return Account(
            id=self._id,
            net_liquidation=reported("NetLiquidation"),
            cash=reported("TotalCashValue"),
            buying_power=reported("BuyingPower"),
            available_funds=reported("AvailableFunds"),
            maintenance_margin=reported("MaintMarginReq"),
            currency=self._currency,
            day_trades_left=None if day_trades is None or day_trades < 0 else int(day_trades),
        )
