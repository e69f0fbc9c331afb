"""Combos that work at the broker, as it tells them.

TWS may describe a combo in other words than those in which it was sent, and takes a change only in its own: one that
repeats what was sent is refused then (105). Traders of SPX combos by three other client libraries have met that. So a
change goes out under the contract of openOrder, where that is the combo that was meant.

openOrder has the contract ids of the legs and not which contracts they are. A run that starts knows them by nothing
else: what is held has its id, and what may be dealt in is listed only later, beside the loop. Without them no combo
that it finds at work could be changed.
"""

import asyncio
import logging
from collections.abc import Iterable

from ib_async import ComboLeg, Contract

from rulebot.adapters.ib import convert
from rulebot.adapters.ib.contracts import ContractBook
from rulebot.adapters.ib.quotes import FAULTS
from rulebot.adapters.ib.wire import Wire
from rulebot.model.errors import BrokerError

log = logging.getLogger("rulebot.ib")

ANSWER_SECONDS = 10.0
"""Real seconds for the answers: what is open waits for them."""


class Combos:
    """What openOrder has told of combos since the lists were asked for last.

    leg_ids: the contract ids of the legs of all, whoever has sent them.
    """

    def __init__(self) -> None:
        self.leg_ids: set[int] = set()
        self._told: dict[int, Contract] = {}

    def clear(self) -> None:
        """Forget all: the lists tell anew what is at work."""
        self.leg_ids.clear()
        self._told.clear()

    def note(self, fields: list[str], legs: list[list[str]], order_id: int) -> None:
        """Keep a combo as openOrder (5) tells it. order_id: under which we may change it, 0 where it is not ours."""
        self.leg_ids.update(convert.whole(leg[0]) for leg in legs)
        if order_id and legs:
            self._told[order_id] = _as_told(fields[2:13], legs)

    def forget(self, order_id: int) -> None:
        """Forget the combo of an order that is over."""
        self._told.pop(order_id, None)

    def to_change(self, order_id: int, ours: Contract) -> Contract:
        """Return the contract under which an order is changed: as it was told, where that has the legs of ours."""
        told = self._told.get(order_id)
        return ours if told is None or _legs_of(told) != _legs_of(ours) else told


def _as_told(fields: list[str], legs: list[list[str]]) -> Contract:
    """Return the contract of the eleven fields that `convert.contract` names, with these legs."""
    con_id, symbol, kind, expiry, strike, right, multiplier, exchange, currency, local_symbol, trading_class = fields
    return Contract(
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


def _legs_of(combo: Contract) -> set[tuple[int, int, str]]:
    """Return what a combo is of, in whatever order its legs stand."""
    return {(leg.conId, leg.ratio, leg.action) for leg in combo.comboLegs}


async def learn_legs(wire: Wire, book: ContractBook, ids: Iterable[int]) -> None:
    """Ask what these contracts are, where nobody has told; what is not answered, or cannot be read, stays unknown."""
    unknown = sorted(number for number in set(ids) if not book.knows(number))
    await asyncio.gather(*(_learn(wire, book, number) for number in unknown))


async def _learn(wire: Wire, book: ContractBook, number: int) -> None:
    asked = Contract(conId=number)
    seconds = min(ANSWER_SECONDS, wire.settings.request_seconds)
    try:
        rows = await wire.requests.ask(
            f"the contract {number}", lambda req_id: wire.client.reqContractDetails(req_id, asked), seconds
        )
        book.learn_details(rows, wire.version, wire.zone)
    except BrokerError as error:
        log.warning("%s: it is a leg of an order at work", error.message)
    except FAULTS as problem:
        log.warning("the contract %d could not be read, a leg of an order at work: %r", number, problem)
