"""Probe: uncertain parts of the broker's interface, tried on a paper account and on the simulated gateway.

Orders are so far from the market that none fills. Each is cancelled.
"""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from math import ceil, isnan
from pathlib import Path
from typing import NamedTuple

from rulebot.adapters.ib.broker import IbBroker
from rulebot.adapters.ib.connection_errors import is_paper
from rulebot.adapters.ib.convert import decimal
from rulebot.doctor.market_checks import Finding, Group, fault, fine, outage, unchecked, warning
from rulebot.documents.load_bots import LoadedBots
from rulebot.live.environments import SimSettings, World, simulated
from rulebot.measure.listings import neighbours
from rulebot.model.contract import Option, Right, Underlying, product
from rulebot.model.errors import BrokerError, InvariantError
from rulebot.model.facts import EventCalendar
from rulebot.model.order import Order, OrderLeg, OrderType, Purpose, Side, TimeInForce
from rulebot.model.text import counted
from rulebot.model.values import dataclass, replace
from rulebot.order.price import Ticket, draft
from rulebot.preview.connection import ReadOnlySession, into_the_day
from rulebot.process.connection_state import first_batch

# --- The raw bytes that come from the gateway, frame by frame, with the account's id blotted out

LARGEST = 0xFFFFFF
"""Bytes of the largest frame that clients accept."""


class Frame(NamedTuple):
    """One message as it came, its fields as text, and which case was being asked about."""

    case: str
    payload: bytes
    fields: list[str]


class Tape:
    """Listens to a connection. It may begin between two pieces of a frame: then it waits for the next whole one."""

    def __init__(self, account: str) -> None:
        self._account = account.encode()
        self._blot = self._account[:2] + b"0" * (len(self._account) - 2)
        self._received = bytearray()
        self.case = ""
        self.frames: list[Frame] = []
        self.sent: list[tuple[str, str]] = []

    def __call__(self, data: bytes) -> None:
        """Take what has come."""
        self._received += data
        while len(self._received) >= 4:
            length = int.from_bytes(self._received[:4], "big")
            if not 0 < length <= LARGEST:
                self._received.clear()
                return
            if len(self._received) < 4 + length:
                return
            payload = bytes(self._received[4 : 4 + length])
            del self._received[: 4 + length]
            if self.case and payload.endswith(b"\0"):
                payload = payload.replace(self._account, self._blot)
                fields = payload.decode("ascii", "replace").split("\0")[:-1]
                self.frames.append(Frame(self.case, payload, fields))

    def note(self, words: str) -> None:
        """Keep what was sent, in words."""
        self.sent.append((self.case, words))

    def lines(self) -> Iterator[str]:
        """Yield JSON Lines: what was sent in each case, then every frame as hexadecimal digits and as fields."""
        for case in dict.fromkeys([*(case for case, _ in self.sent), *(frame.case for frame in self.frames)]):
            for words in (words for named, words in self.sent if named == case):
                yield _line({"case": case, "sent": words})
            for frame in (each for each in self.frames if each.case == case):
                length = len(frame.payload).to_bytes(4, "big")
                yield _line({"case": case, "hex": (length + frame.payload).hex(), "fields": frame.fields})


def _line(document: dict[str, object]) -> str:
    return json.dumps(document, sort_keys=True)


# --- The frames about one order

ORDER_STATUS, ERROR, OPEN_ORDER = "3", "4", "5"
WORKS = frozenset(("PreSubmitted", "Submitted"))
ENDED = frozenset(("Cancelled", "ApiCancelled", "Filled", "Inactive"))
STATES = WORKS | ENDED | {"PendingSubmit", "PendingCancel", "ApiPending"}
CANCELLED = 202
_LIMIT = 16
"""The place of the limit price in openOrder."""
_WARNINGS = frozenset((105, 161, 399, 404, 2109, 10349))
"""Codes of what is only said of an order that lives on. Source: TWS API, message codes."""
_VARIABLE = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Answer:
    """The messages about one order.

    statuses: each once, in order. refusals: code and text of each error, no warnings.
    """

    statuses: tuple[str, ...] = ()
    refusals: tuple[tuple[int, str], ...] = ()
    warnings: tuple[int, ...] = ()
    is_opened: bool = False
    filled: float = 0.0

    @property
    def is_over(self) -> bool:
        """True when the order can do nothing more."""
        return bool(self.statuses and self.statuses[-1] in ENDED) or self.is_refused

    @property
    def is_refused(self) -> bool:
        """True when the broker does not take it."""
        return any(code != CANCELLED for code, _ in self.refusals)

    @property
    def is_reported(self) -> bool:
        """True when the broker has said whether it takes the order."""
        return self.is_over or bool(WORKS.intersection(self.statuses))

    @property
    def words(self) -> str:
        """Its result, the same each time the broker does the same."""
        if self.filled:
            return "filled"
        if self.is_refused:
            return "refused, " + "; ".join(f"{code}: {text}" for code, text in self.refusals if code != CANCELLED)
        if self.is_over:
            return f"ended {self.statuses[-1]}" + (f", {CANCELLED}" if self.refusals else "")
        return "accepted" if self.is_reported else "no answer"


def answer_to(order_id: int, frames: Iterable[Frame]) -> Answer:
    """Return the content of frames about an order."""
    name = str(order_id)
    statuses: dict[str, None] = {}
    refusals: dict[tuple[int, str], None] = {}
    warnings: dict[int, None] = {}
    is_opened, filled = False, 0.0
    for fields in (frame.fields for frame in frames):
        if fields[0] == ORDER_STATUS and fields[1] == name:
            statuses.pop(fields[2], None)
            statuses[fields[2]] = None
            filled = max(filled, float(fields[3] or 0))
        elif fields[0] == ERROR and fields[2] == name:
            code = int(fields[3])
            if code in _WARNINGS:
                warnings[code] = None
            else:
                refusals[code, plain(fields[4])] = None
        elif fields[0] == OPEN_ORDER and fields[1] == name:
            is_opened = True
    return Answer(tuple(statuses), tuple(refusals), tuple(warnings), is_opened, filled)


def is_reported_at(order_id: int, limit: Decimal, frames: Iterable[Frame]) -> bool:
    """Say whether an order was reported working at this limit."""
    opened = (frame.fields for frame in frames if frame.fields[0] == OPEN_ORDER)
    return any(fields[1] == str(order_id) and decimal(fields[_LIMIT]) == limit for fields in opened)


def plain(text: str) -> str:
    """Return a text of the broker without its numbers, which are others each time."""
    return _VARIABLE.sub("#", " ".join(text.split()))


# --- How a case is asked

PATIENCE = 10
"""Seconds that the broker may take for an answer."""
SETTLES = 2
"""Seconds in which a second thought of the broker (an error after its first status) may come."""
DAYS_AHEAD = timedelta(days=30)
FAR = Decimal("0.05")
"""What is bid for options at the money: on every grid, and far below what they cost."""
NEXT_VALID_ID = "9"
EXPENSIVE = 3
"""How many times the ask is asked for."""


class Probe:
    """One round of cases at one gateway. `sent` are the orders so far; those still working at the end are cancelled."""

    def __init__(self, visit: ReadOnlySession, broker: IbBroker, tape: Tape, symbol: str) -> None:
        account = visit.link.account
        if not is_paper(account):
            raise InvariantError(f"account {account} is not a paper account: nothing is tried with real money")
        self.visit, self.tape, self.symbol = visit, tape, symbol
        self._broker = broker
        self._next_id = visit.up.next_order_id
        self.sent: list[Order] = []
        self.puts: tuple[Option, ...] = ()

    async def find_options(self) -> None:
        """Choose three puts around spot about a month ahead, and wait for their quotes. Raises: BrokerError."""
        visit, level = self.visit, Underlying(self.symbol)
        visit.watch([level])
        trading_class = product(self.symbol).same_day_class
        listing = await visit.feed.listing(self.symbol, trading_class)
        expiry = _nearest(listing.expiries, visit.session.date + DAYS_AHEAD)
        strikes = (await visit.feed.strikes(listing, expiry)).strikes[expiry]
        await self._wait(lambda: visit.view().level(self.symbol) is not None)
        if (spot := visit.view().level(self.symbol)) is None:
            raise BrokerError(f"{self.symbol} has no price", "see its market data above")
        chosen = sorted(neighbours(strikes, spot, 2), reverse=True)[:3]
        self.puts = tuple(Option(self.symbol, trading_class, expiry, strike, Right.PUT) for strike in chosen)
        visit.watch([level, *self.puts])
        if not await self._wait(lambda: not any(isnan(self.ask_of(put)) for put in self.puts)):
            raise BrokerError(f"the options on {self.symbol} have no quotes", "see their market data above")

    def ask_of(self, option: Option) -> float:
        """Return the ask of an option that is streamed, nan without one."""
        board = self.visit.feed.board
        return board.ask[board.rows[option]]

    def expensive(self, option: Option) -> Decimal:
        """Return a price that never fills, on every grid."""
        return Decimal(ceil(self.ask_of(option) * EXPENSIVE))

    def single(self, put: Option, side: Side, net: Decimal, *, adaptive: str = "") -> Order:
        """Return an order of one put; `net` is what it brings a share."""
        return self._drafted((OrderLeg("put", put, side),), OrderType.LIMIT, net=net, adaptive=adaptive)

    def spread(
        self,
        first: int = 0,
        *,
        net: Decimal | None = -FAR,
        stop: Decimal | None = None,
        oca: str = "",
        adaptive: str = "",
        time_in_force: TimeInForce = TimeInForce.DAY,
    ) -> Order:
        """Return an order that buys a put and sells the next one below; with `stop` a stop order."""
        legs = (OrderLeg("long", self.puts[first], Side.BUY), OrderLeg("short", self.puts[first + 1], Side.SELL))
        kind = OrderType.LIMIT if stop is None else OrderType.STOP
        order = self._drafted(legs, kind, net=net if stop is None else None, stop=stop, oca=oca, adaptive=adaptive)
        return replace(order, time_in_force=time_in_force)

    @property
    def width(self) -> Decimal:
        """The most that the spread of the first two puts can be worth."""
        return self.puts[0].strike - self.puts[1].strike

    def _drafted(
        self,
        legs: tuple[OrderLeg, ...],
        kind: OrderType,
        *,
        net: Decimal | None = None,
        stop: Decimal | None = None,
        oca: str = "",
        adaptive: str = "",
    ) -> Order:
        number, self._next_id = self._next_id, self._next_id + 1
        case = self.tape.case
        ticket = Ticket(f"probe:{number}", number, number, "probe", case, Purpose.ENTRY, case, "", self.visit.at)
        return draft(ticket, legs, 1, kind, net=net, stop=stop, oca_group=oca, adaptive=adaptive)

    # ------------------------------------------------------------ sending

    async def place(self, order: Order) -> Answer:
        """Send an order and return what is said of it within a few seconds."""
        self._send(order)
        return await self._reported(order)

    async def place_until_over(self, *orders: Order) -> list[tuple[Answer, Answer]]:
        """Send orders one by one, then cancel those that work; return what was said of each, and how it ended."""
        placed = [await self.place(order) for order in orders]
        return [(answer, await self.end(order)) for order, answer in zip(orders, placed, strict=True)]

    async def next_id_after(self, order: Order) -> int:
        """Send an order and at once ask for the next order id; 0 without an answer."""
        before = len(self.tape.frames)
        self._send(order)
        self.visit.link.wire.client.reqIds(1)
        await self._reported(order)
        reported = [frame.fields[2] for frame in self.tape.frames[before:] if frame.fields[0] == NEXT_VALID_ID]
        return int(reported[0]) if reported else 0

    async def change(self, order: Order, by: Decimal) -> str:
        """Ask for another limit of an order that works, by so much, and return in words what becomes of it."""
        limit = (order.limit_price or Decimal(0)) + by
        changed, before = order.with_terms(order.quantity, limit), self.answer(order)
        self.tape.note(f"change {words_of(changed)}")
        self._broker.replace(changed)
        await self._wait(
            lambda: is_reported_at(order.order_id, limit, self.tape.frames) or self.answer(order) != before
        )
        await self._pass(SETTLES)
        if is_reported_at(order.order_id, limit, self.tape.frames):
            return "changed"
        now = self.answer(order)
        codes = [*now.warnings, *(code for code, _ in now.refusals)]
        return f"not changed, {', '.join(map(str, codes)) or 'no answer'}"

    async def ask_margin(self, order: Order) -> Answer:
        """Ask what an order would need, by a what-if."""
        self.tape.note(f"what if {words_of(order)}")
        self._broker.ask_margin(order)
        await self._wait(lambda: self.answer(order).is_opened or self.answer(order).is_refused)
        return self.answer(order)

    async def take_back(self, order: Order) -> Answer:
        """Cancel an order and return how it ended."""
        self.tape.note(f"cancel {order.ref}")
        self._broker.cancel(order)
        await self._wait(lambda: self.answer(order).is_over)
        await self._pass(SETTLES)
        return self.answer(order)

    async def end(self, order: Order) -> Answer:
        """Cancel an order unless it is over, and return how it ended."""
        answer = self.answer(order)
        return answer if answer.is_over else await self.take_back(order)

    def answer(self, order: Order) -> Answer:
        """Return all that has been said of an order so far."""
        return answer_to(order.order_id, self.tape.frames)

    async def list_executions(self) -> None:
        """Let the broker report today's executions and open orders."""
        self.tape.note("today's executions and open orders")
        self._broker.inquire()
        await self._pass(SETTLES)

    async def take_all_back(self) -> None:
        """Cancel what may still work. Raises: BrokerError."""
        for order in self.sent:
            await self.end(order)

    def left(self) -> list[str]:
        """Return what remains at the broker, in words: orders that have not ended, and those that filled."""
        working = [order for order in self.sent if not self.answer(order).is_over]
        filled = [order for order in self.sent if self.answer(order).filled]
        return [
            *(f"{order.ref} may still work ({order.reason})" for order in working),
            *(f"{order.ref} has filled ({order.reason})" for order in filled),
        ]

    def _send(self, order: Order) -> None:
        self.tape.note(words_of(order))
        self.sent.append(order)
        self._broker.submit(order)

    async def _reported(self, order: Order) -> Answer:
        await self._wait(lambda: self.answer(order).is_reported)
        await self._pass(SETTLES)
        return self.answer(order)

    async def _wait(self, until: Callable[[], bool]) -> bool:
        """Let time pass until something is so; say whether it was in time."""
        for _ in range(PATIENCE):
            await self.visit.pass_time()
            if until():
                return True
        return False

    async def _pass(self, seconds: int) -> None:
        for _ in range(seconds):
            await self.visit.pass_time()


def words_of(order: Order) -> str:
    """Return an order in words: `probe:7 BUY 1 SPY ... at 0.05`."""
    legs = ", ".join(f"{leg.side.name} {leg.option}" for leg in order.legs)
    price = order.limit_price if order.stop_price is None else f"stop {order.stop_price}"
    more = "".join(
        (f" in group {order.oca_group}" * bool(order.oca_group), f" {order.adaptive}" * bool(order.adaptive))
    )
    return f"{order.ref} {order.side.name} {order.quantity} {legs} at {price}{more}"


def _nearest(expiries: Sequence[date], wanted: date) -> date:
    if not expiries:
        raise BrokerError("the broker lists no expiry")
    return min(expiries, key=lambda each: (abs(each - wanted), each))


# --- The cases

OFF_GRID = Decimal("0.013")
SAME = 2e-4
"""How far, relative, the model's price of an underlying may be from spot to count as spot."""
_EXECUTION, _MODEL, _COMPUTATION = "11", "13", "21"
_UNSET = "1.7976931348623157E308"


class Outcome(NamedTuple):
    """The result of a case: the compared part, and the rest."""

    words: str
    reported: str = ""


class Case(NamedTuple):
    """One question. asks: the belief it tests. ask: how. is_compared: whether the two gateways ought to agree."""

    name: str
    asks: str
    ask: Callable[[Probe], Awaitable[Outcome]]
    is_compared: bool = True


async def far_limit(probe: Probe) -> Outcome:
    """A bid far below the market works, and a cancel ends it."""
    order = probe.single(probe.puts[0], Side.BUY, -FAR)
    placed = await probe.place(order)
    ended = await probe.take_back(order)
    return Outcome(f"{placed.words}; {ended.words}", f"statuses {', '.join(ended.statuses)}")


async def off_grid(probe: Probe) -> Outcome:
    """A price between two ticks."""
    return Outcome((await probe.place(probe.single(probe.puts[0], Side.BUY, -OFF_GRID))).words)


async def other_side(probe: Probe) -> Outcome:
    """An offer in a contract in which a bid of the same account works."""
    bid = probe.single(probe.puts[0], Side.BUY, -FAR)
    first = await probe.place(bid)
    offer = probe.single(probe.puts[0], Side.SELL, probe.expensive(probe.puts[0]))
    second = await probe.place(offer)
    await probe.end(offer)
    await probe.take_back(bid)
    return Outcome(f"the bid {first.words}; the offer {second.words}")


async def combo_limit(probe: Probe) -> Outcome:
    """A combo far below the market works, and a cancel ends it."""
    ((placed, ended),) = await probe.place_until_over(probe.spread())
    return Outcome(f"{placed.words}; {ended.words}")


async def combo_change(probe: Probe) -> Outcome:
    """Another limit of a combo that works, still far below the market."""
    order = probe.spread()
    placed = await probe.place(order)
    if placed.is_over:
        return Outcome(placed.words)
    became = await probe.change(order, FAR)
    ended = await probe.take_back(order)
    return Outcome(f"{placed.words}; {became}; ended {ended.statuses[-1]}")


async def oca_of_combos(probe: Probe) -> Outcome:
    """Two combos in one OCA group, and what becomes of the other when one is cancelled."""
    group = f"probe-{probe.sent[-1].number if probe.sent else 0}"
    orders = [probe.spread(0, oca=group), probe.spread(1, oca=group)]
    placed = [await probe.place(order) for order in orders]
    await probe.end(orders[0])
    other = probe.answer(orders[1])
    await probe.end(orders[1])
    return Outcome(f"{placed[0].words}; {placed[1].words}; after a cancel of the first the second: {other.words}")


async def resting_combo(probe: Probe) -> Outcome:
    """A combo far below the market, good till cancelled: what the target of a whole structure rests as."""
    ((placed, ended),) = await probe.place_until_over(probe.spread(time_in_force=TimeInForce.GTC))
    return Outcome(f"{placed.words}; {ended.words}")


async def oca_with_stop(probe: Probe) -> Outcome:
    """A combo far below the market and a stop order of the same combo in one OCA group, both good till cancelled."""
    group = f"probe-{probe.sent[-1].number if probe.sent else 0}"
    limit = probe.spread(oca=group, time_in_force=TimeInForce.GTC)
    stop = probe.spread(stop=probe.width + 1, oca=group, time_in_force=TimeInForce.GTC)
    (first, _), (second, _) = await probe.place_until_over(limit, stop)
    return Outcome(f"the limit {first.words}; the stop {second.words}")


async def other_side_of_combo(probe: Probe) -> Outcome:
    """An offer in an option that a working combo buys."""
    combo, offer = probe.spread(), probe.single(probe.puts[0], Side.SELL, probe.expensive(probe.puts[0]))
    placed = [await probe.place(order) for order in (combo, offer)]
    for order in (offer, combo):
        await probe.end(order)
    return Outcome(f"the combo {placed[0].words}; the offer {placed[1].words}")


async def combo_stop(probe: Probe) -> Outcome:
    """A stop order of a combo, at a price that it cannot reach."""
    ((placed, _),) = await probe.place_until_over(probe.spread(stop=probe.width + 1))
    return Outcome(placed.words)


async def adaptive_combo(probe: Probe) -> Outcome:
    """The Adaptive algorithm on a combo."""
    ((placed, _),) = await probe.place_until_over(probe.spread(adaptive="patient"))
    return Outcome(placed.words)


async def order_ids(probe: Probe) -> Outcome:
    """The next order id right after an order was sent, and an order whose id is lower than one that was read."""
    lower, order = (probe.single(probe.puts[0], Side.BUY, -FAR) for _ in range(2))
    count = await probe.next_id_after(order)
    passed = await probe.place(lower)
    for sent in (order, lower):
        await probe.end(sent)
    counted_as = "not reported" if not count else "above its own" if count > order.order_id else "not above its own"
    return Outcome(f"the next id after an order is {counted_as}; a lower one: {passed.words}")


async def what_if_single(probe: Probe) -> Outcome:
    """The margin of one short put."""
    order = probe.single(probe.puts[0], Side.SELL, probe.expensive(probe.puts[0]))
    return await _what_if(probe, order.order_id, (await probe.ask_margin(order)).words)


async def what_if_combo(probe: Probe) -> Outcome:
    """The margin of a combo."""
    order = probe.spread()
    return await _what_if(probe, order.order_id, (await probe.ask_margin(order)).words)


async def _what_if(probe: Probe, order_id: int, words: str) -> Outcome:
    opened = [frame.fields for frame in probe.tape.frames if frame.fields[0] == OPEN_ORDER]
    answers = [fields for fields in opened if fields[1] == str(order_id)]
    if not answers:
        return Outcome(words)
    reported = sum(_initial_margin(fields) not in ("", _UNSET) for fields in answers)
    margins = "margins reported" if reported else "margins not reported"
    status = "no status" if words == "no answer" else words
    return Outcome(f"{margins}, {status}", f"{counted(len(answers), 'answer')}, {reported} with margins")


def _initial_margin(fields: list[str]) -> str:
    """Return the change of the initial margin of an openOrder: the fourth field after the state's status."""
    at = max(place for place, field in enumerate(fields) if field in STATES)
    return fields[at + 4]


async def executions(probe: Probe) -> Outcome:
    """Today's executions: corrections, and those of no order (assignment, exercise, liquidation)."""
    await probe.list_executions()
    found = [frame.fields for frame in probe.tape.frames if frame.fields[0] == _EXECUTION]
    ids = {next((field for field in fields if field.count(".") == 3), "") for fields in found}
    revised = sum(not each.endswith(".01") for each in ids if each)
    ownerless = sum(fields[2] == "0" for fields in found)
    return Outcome("listed", f"{counted(len(ids), 'execution')}, {revised} revised, {ownerless} of no order")


async def model_spot(probe: Probe) -> Outcome:
    """The underlying's price in the model's computation: spot, or the forward of the expiry."""
    await probe.list_executions()
    computed = [
        frame.fields for frame in probe.tape.frames if frame.fields[0] == _COMPUTATION and frame.fields[2] == _MODEL
    ]
    spot = probe.visit.view().level(probe.symbol)
    if not computed or spot is None:
        return Outcome("no computation came")
    price = float(computed[-1][-1] or "nan")
    kind = "spot" if abs(price / spot - 1) < SAME else "not spot"
    return Outcome(kind, f"{price:.4f} where {Underlying(probe.symbol)} is {spot:.4f}")


CASES = (
    Case("far limit", "a bid far below the market works until it is cancelled (202)", far_limit),
    Case("off the grid", "a price between two ticks is refused (110)", off_grid),
    Case("other side", "a second side in one option contract is refused (201), with which text", other_side),
    Case("combo", "a combo far below the market works until it is cancelled (202)", combo_limit),
    Case("change of a combo", "the limit of a working combo can be changed (not 105)", combo_change),
    Case("oca of combos", "combos can be in one OCA group", oca_of_combos),
    Case("resting combo", "a limit order of a combo may be good till cancelled", resting_combo),
    Case("oca of a combo and its stop", "a combo and a stop of it can be in one OCA group", oca_with_stop),
    Case("other side of a combo", "orders of one leg are not compared with the legs of combos", other_side_of_combo),
    Case("stop of a combo", "a stop order of a combo is taken", combo_stop),
    Case("adaptive combo", "the Adaptive algorithm does not take combos", adaptive_combo),
    Case("order ids", "the gateway counts an id when it reads the order, and refuses lower ones (103)", order_ids),
    Case("what-if", "a what-if is answered by margins and no status", what_if_single),
    Case("what-if of a combo", "so is that of a combo", what_if_combo),
    Case("executions", "corrections raise the last part of an id; assignments have no order", executions, False),
    Case("model's spot", "the price in a computation is spot, not the forward", model_spot, False),
)


# --- The front door of the probe

USUAL = "SPY"
LINES = 10


async def probed(visit: ReadOnlySession, world: World, symbol: str, record: Path) -> AsyncIterator[Finding]:
    """Ask every case, compare, and keep the raw bytes in a file."""
    if not visit.is_in_hours:
        yield unchecked(Group.PROBE, "probe", "the exchange is closed: the cases need quotes")
        return
    probe = Probe(visit, world.ib.broker, Tape(visit.link.account), symbol)
    here: Mapping[str, Outcome] = {}
    try:
        here = await ask_cases(probe)
    except BrokerError as error:
        yield outage(Group.PROBE, "probe", error)
    finally:
        kept = _keep(record, probe.tape)
    yield kept
    reference = await _simulated(symbol) if here else {}
    for case in CASES:
        if case.name in here:
            yield _reported(case, here[case.name], reference[case.name], record)
    left = probe.left()
    for words in left:
        yield fault(Group.PROBE, "orders", words, "look at the account in TWS, and cancel or close it by hand")
    if not left:
        yield fine(Group.PROBE, "orders", f"{counted(len(probe.sent), 'order')} sent and cancelled, none has filled")


async def ask_cases(probe: Probe) -> Mapping[str, Outcome]:
    """Return the result of each case; in any case working orders are cancelled. Raises: BrokerError."""
    conn, tape = probe.visit.link.wire.client.conn, probe.tape
    conn.hasData += tape
    found: dict[str, Outcome] = {}
    try:
        tape.case = "quotes"
        await probe.find_options()
        for case in CASES:
            tape.case = case.name
            found[case.name] = await case.ask(probe)
    finally:
        tape.case = "end"
        await probe.take_all_back()
        conn.hasData -= tape
        probe.visit.watch(())
    return found


async def _simulated(symbol: str) -> Mapping[str, Outcome]:
    """Return what the simulated gateway answers to the same."""
    async with simulated(SimSettings(), 1) as world:
        first = await first_batch(world.ib.link, "probe")
        visit = ReadOnlySession(world, LoadedBots({}, (), None, ()), EventCalendar(), first, LINES)
        await into_the_day(visit)
        return await ask_cases(Probe(visit, world.ib.broker, Tape(visit.link.account), symbol))


def _reported(case: Case, here: Outcome, there: Outcome, record: Path) -> Finding:
    reported = f" ({here.reported})" if here.reported else ""
    if not case.is_compared or here.words == there.words:
        return fine(Group.PROBE, case.name, f"{here.words}{reported}")
    text = f"{here.words}{reported}; the simulated gateway: {there.words}"
    return warning(Group.PROBE, case.name, text, f"the simulated one is wrong here: send {record} to the authors")


def _keep(record: Path, tape: Tape) -> Finding:
    """Write the bytes; the account's id is blotted out in them."""
    try:
        record.write_text("".join(f"{line}\n" for line in tape.lines()), encoding="utf-8")
    except OSError as error:
        return fault(Group.PROBE, "record", f"{record} cannot be written: {error.strerror}", "name another --record")
    return fine(Group.PROBE, "record", f"{len(tape.frames)} messages are kept in {record}")
