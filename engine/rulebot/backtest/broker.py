"""The simulated broker of a backtest: fills by a model, sizes as quoted, commissions, cash, expiry.

An order may fill a second after it was sent, at the quotes that stand then: those of the instant at which it was
decided until the next one comes, which is what a snapshot says of the time after it. So an order never fills at a quote
that is older than the decision, nor at one of a later instant.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass as mutable_dataclass
from dataclasses import field
from datetime import datetime
from decimal import Decimal
from math import isnan
from statistics import median
from typing import Any

from rulebot.backtest.simulated_broker import SimulatedBroker, WorkingOrder, natural_fill
from rulebot.core.state import State
from rulebot.model.commission import broker_part, fill_commission, minimum_shortfall
from rulebot.model.contract import LOT, Contract, Option, Underlying
from rulebot.model.errors import MisuseError
from rulebot.model.event import Event
from rulebot.model.facts import Account, Grids
from rulebot.model.money import CENT, ZERO, Rounding
from rulebot.model.order import Order, OrderType, TimeInForce
from rulebot.model.payoff import intrinsic
from rulebot.model.session import Session
from rulebot.model.share_coverage import delivers
from rulebot.model.values import dataclass
from rulebot.narrate.trades import is_opened
from rulebot.order.price import NetQuote, Part, net_price, order_parts, ticks_of
from rulebot.store.place import Place
from rulebot.store.queries import Row, StoreReader

# --- What a simulated order fills at

NATURAL_PART = 0.5
_PART = re.compile(r"mid\+(0?\.\d+|0)")


@dataclass(frozen=True, slots=True)
class FillModel:
    """`part` of the width (ask less bid of the whole structure) that a fill lies away from the mid: 0.5 is natural."""

    part: float
    name: str

    def price(self, order: Order, parts: tuple[Part, ...], quote: NetQuote, *, is_resting: bool) -> Decimal | None:
        """Return the net price per share at which an order fills at these quotes, + received; None when it does not."""
        if quote.mid is None or quote.natural is None:
            return None
        if order.kind in (OrderType.MARKET, OrderType.STOP):
            return natural_fill(order, parts, quote)
        assert order.limit_price is not None
        return self.of_limit(net_price(order.limit_price, order.side), parts, quote, is_resting=is_resting)

    def of_limit(self, limit: Decimal, parts: tuple[Part, ...], quote: NetQuote, *, is_resting: bool) -> Decimal | None:
        """Return the same for a net limit, at quotes that are whole."""
        assert quote.mid is not None
        assert quote.natural is not None
        given = quote.mid - 2.0 * self.part * (quote.mid - quote.natural)
        ticks = quote.ticks or ticks_of(parts)
        if float(limit) > given + float(ticks.tick(given)) / 2.0 + 1e-9:
            return None
        if is_resting:
            return limit
        return max(limit, ticks.round(given, Rounding.DOWN))


NATURAL = FillModel(NATURAL_PART, "natural")
RECORDED = FillModel(NATURAL_PART, "recorded")
"""What a recording answered to the same order, natural where it has none; needs a walk of `recorded/`."""


WORDS = ("natural", "mid", "mid+PART")


def fill_model(text: str, words: Sequence[str] = WORDS) -> FillModel:
    """Return the model of `natural`, `mid` or `mid+0.3` (parts of the width, 0.5 at most).

    words: all that the caller takes, for the error. Raises: MisuseError.
    """
    if text == "natural":
        return NATURAL
    if text == "mid":
        return FillModel(0.0, text)
    found = _PART.fullmatch(text)
    if found is None or float(found[1]) > NATURAL_PART:
        raise MisuseError(
            f"--fills is {', '.join(words[:-1])} or {words[-1]}, is '{text}'",
            "mid+0.3 is three tenths of the width from the mid",
        )
    return FillModel(float(found[1]), text)


# --- The simulated broker of a backtest

ACCOUNT = "BACKTEST"


@mutable_dataclass
class BacktestBroker(SimulatedBroker):
    """The account of a backtest, in exact dollars, with the day's session and how orders fill.

    paid: the broker's own part of what orders have cost so far, before the least of an order. grids: price grids as the
    day's broker had told them by now. taken: how much of an option's asks (1) and of its bids (-1) has filled orders,
    with the time of the quote that it was of.
    """

    fills: FillModel
    session: Session
    paid: dict[str, Decimal] = field(default_factory=dict, kw_only=True)
    taken: dict[tuple[Option, int], tuple[float, int]] = field(default_factory=dict, kw_only=True)
    grids: Grids = field(default_factory=dict, kw_only=True)

    def begin(self, session: Session) -> None:
        """Go on with another session."""
        self.session, self.executions = session, 0

    def _submit(self, order: Order, at: datetime) -> Iterator[Event]:
        self.paid.pop(order.ref, None)
        yield from super()._submit(order, at)

    # ------------------------------------------------------------ fills

    def is_open(self, at: datetime) -> bool:
        """Say whether the session is on."""
        return self.session.is_on(at)

    def price(self, found: WorkingOrder, at: datetime) -> Decimal | None:
        """Return the net price that the model gives now."""
        order = found.order
        parts = order_parts(order.legs, order.side)
        quote = self.quote_of(order, at, self.grids)
        return self.fills.price(order, parts, quote, is_resting=found.is_resting)

    def count(self, found: WorkingOrder, at: datetime) -> int:
        """Return what the quoted sizes allow; where the data has none, all of it."""
        order = found.order
        most = order.quantity - found.filled
        if order.kind is OrderType.STOP:
            return most
        for leg in order.legs:
            if (size := self._size(leg.option, order.side_of(leg).sign)) is not None:
                most = min(most, size // leg.ratio)
        for leg in order.legs if most > 0 else ():
            self._take_size(leg.option, order.side_of(leg).sign, most * leg.ratio)
        return max(most, 0)

    def _size(self, option: Option, sign: int) -> int | None:
        """Return how many of an option are left of what is quoted on the other side, None when it is not told.

        Of what is sold without a bid it is as many as are offered.
        """
        row = self.board.rows[option]
        size = (self.board.ask_size if sign > 0 or isnan(self.board.bid[row]) else self.board.bid_size)[row]
        if size != size:
            return None
        at, taken = self.taken.get((option, sign), (0.0, 0))
        return int(size) - (taken if at == self.board.quote_at[row] else 0)

    def _take_size(self, option: Option, sign: int, count: int) -> None:
        stamp = self.board.quote_at[self.board.rows[option]]
        at, taken = self.taken.get((option, sign), (0.0, 0))
        self.taken[option, sign] = (stamp, count + (taken if at == stamp else 0))

    def commissions(self, found: WorkingOrder, parts: list[tuple[Option, int, Decimal]]) -> list[Decimal]:
        """Return the dollars of each execution, with what an order lacks of the least."""
        before = self.paid.get(found.order.ref, ZERO)
        told = commissions_of(parts, before)
        self.paid[found.order.ref] = before + broker_part(
            (option, count, float(price)) for option, count, price in parts
        )
        return [each.quantize(CENT) for each in told]

    def execution_id(self, number: int) -> str:
        """Return an id that no other session has: executions are numbered within one."""
        return f"{self.session.date.isoformat().replace('-', '')}.{number:06d}.01"

    # ------------------------------------------------------------ cash

    def settle(self, option: Option, level: Decimal, at: datetime) -> Iterator[Event]:
        """Yield that an option that has expired is gone at a level; what is settled in cash pays its worth there."""
        if not delivers(option):
            self.cash += intrinsic(option, level) * self.holdings.get(option, 0) * option.multiplier
        yield from self.ended(option, level, at)

    def end_of_day(self, at: datetime) -> Iterator[Event]:
        """Yield that orders for the day work no more."""
        for found in list(self.working.values()):
            if found.order.time_in_force is TimeInForce.DAY:
                yield from self.cancelled(found.order, at)

    def worth(self, marks: Mapping[Contract, float]) -> Decimal:
        """Return the dollars of the account at these prices; what has none counts nothing."""
        return (self.cash + sum((self._valued(each, marks) for each in self.holdings), ZERO)).quantize(CENT)

    def _valued(self, contract: Contract, marks: Mapping[Contract, float]) -> Decimal:
        count, price = self.holdings[contract], marks.get(contract)
        if not count or price is None:
            return ZERO
        multiplier = contract.multiplier if isinstance(contract, Option) else 1
        return Decimal(f"{price:.4f}") * count * multiplier

    def told(self, marks: Mapping[Contract, float]) -> Account:
        """Return the values of the account as the broker tells them.

        Options have no loan value: what they are worth buys nothing. Source: IBKR, Equity with Loan Value.
        """
        margin = self.margin()
        shares = sum((self._valued(each, marks) for each in self.holdings if isinstance(each, Underlying)), ZERO)
        free = max((self.cash + shares).quantize(CENT) - margin, ZERO)
        return Account(
            ACCOUNT,
            net_liquidation=self.worth(marks),
            cash=self.cash.quantize(CENT),
            buying_power=free,
            available_funds=free,
            maintenance_margin=margin,
        )


def commissions_of(parts: Sequence[tuple[Option, int, Decimal]], before: Decimal = ZERO) -> list[Decimal]:
    """Return the dollars of each execution of one order: option, contracts (- sold) and price of its legs.

    before: the broker's own part of what the order has filled already. What a fill lacks of the least of the order is
    told with its first execution, and given back there when more of the order fills.
    """
    priced = [(option, count, float(price)) for option, count, price in parts]
    told = [fill_commission(*part) for part in priced]
    told[0] += minimum_shortfall(priced, before)
    return told


def paid_so_far(state: State) -> dict[str, Decimal]:
    """Return the broker's own part of what working orders have cost, by ref, for a start (`BacktestBroker.paid`)."""
    options = {(ref, leg.name): leg.option for ref in state.live for leg in state.orders[ref].legs}
    found: dict[str, Decimal] = {}
    for booked in state.booked.values():
        option = options.get((booked.ref, booked.leg))
        if option is not None and booked.quantity:
            price = abs(booked.cash) / (booked.quantity * option.multiplier)
            found[booked.ref] = found.get(booked.ref, ZERO) + broker_part([(option, booked.quantity, float(price))])
    return found


# --- How far from the mid a person's own entries have filled, in widths

LEAST = 10
"""Filled entries below which a store says too little."""


def calibrated(store: Place, shown: str) -> FillModel:
    """Return the model of a store's own fills, which says where no market made them.

    Raises: StoreError, MisuseError when they are too few.
    """
    with StoreReader(store) as reader:
        entries = reader.view("orders", purpose="entry")
        asked = {row["position"] for row in entries}
        every = [_part(row) for row in reader.view("trades") if _is_filled(row) and row["position"] in asked]
        missed = _missed(entries)
        pretended = reader.run().pretended
    parts = [part for part in every if part is not None]
    if len(parts) < LEAST:
        raise MisuseError(
            f"{shown} holds {len(parts)} filled entries with their quotes, {LEAST} are needed", "use --fills mid+0.25"
        )
    part = round(median(parts), 3)
    where = f"{shown}, {pretended}" if pretended else shown
    others = f"; {missed} entries never filled" if missed else ""
    unseen = len(every) - len(parts)
    others += f"; {unseen} without their quotes left out" if unseen else ""
    return FillModel(part, f"mid+{part:g} ({len(parts)} fills of {where}{others})")


def _is_filled(row: Row) -> bool:
    """Say whether an entry is over and has a price, be it of a part of what was asked for."""
    return is_opened(row) and row["entry_price"] is not None


def _missed(orders: Sequence[Row]) -> int:
    """Return how many positions were asked for in vain: all their orders are over, and nothing was filled."""
    others = {row["position"] for row in orders if row["status"] != "CANCELLED" or row["filled"]}
    return len({row["position"] for row in orders} - others)


def _part(row: Row) -> float | None:
    """Return by how many widths an entry filled worse than its mid, None where that is not on record."""
    if row["entry_mid"] is None:
        return None
    widths = [_width(leg) for leg in json.loads(row["legs"])]
    width = sum(each for each in widths if each is not None)
    if None in widths or width <= 0.0:
        return None
    given = float(row["entry_mid"]) - float(row["entry_price"])
    return min(max(given / width, 0.0), NATURAL_PART)


def _width(leg: Mapping[str, Any]) -> float | None:
    """Return what the width of a leg's quotes adds to that of the structure, per share; None without quotes."""
    if leg["bid"] is None or leg["ask"] is None:
        return None
    shares = LOT if not leg["strike"] else 1
    return (float(leg["ask"]) - float(leg["bid"])) * float(leg["ratio"]) / shares
