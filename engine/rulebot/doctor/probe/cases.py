"""The cases: one for each thing about the broker that is believed and not known, and is safe to be asked."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import NamedTuple

from rulebot.doctor.probe.answers import OPEN_ORDER, STATES
from rulebot.doctor.probe.asking import FAR, Probe
from rulebot.model.contract import Underlying
from rulebot.model.counted import counted
from rulebot.model.order import Side, TimeInForce

OFF_GRID = Decimal("0.013")
SAME = 2e-4
"""How far, relative, the model's price of an underlying may be from spot to count as spot."""
_EXECUTION, _MODEL, _COMPUTATION = "11", "13", "21"
_UNSET = "1.7976931348623157E308"


class Outcome(NamedTuple):
    """What a case came to, to be compared, and what is only told."""

    words: str
    told: str = ""


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
    offer = probe.single(probe.puts[0], Side.SELL, probe.dear(probe.puts[0]))
    second = await probe.place(offer)
    if not second.is_over:
        await probe.take_back(offer)
    await probe.take_back(bid)
    return Outcome(f"the bid {first.words}; the offer {second.words}")


async def combo_limit(probe: Probe) -> Outcome:
    """A combo far below the market works, and a cancel ends it."""
    order = probe.spread()
    placed = await probe.place(order)
    ended = placed if placed.is_over else await probe.take_back(order)
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
    if not placed[0].is_over:
        await probe.take_back(orders[0])
    other = probe.answer(orders[1])
    if not other.is_over:
        await probe.take_back(orders[1])
    return Outcome(f"{placed[0].words}; {placed[1].words}; after a cancel of the first the second: {other.words}")


async def resting_combo(probe: Probe) -> Outcome:
    """A combo far below the market, good till cancelled: what the target of a whole structure rests as."""
    order = probe.spread(time_in_force=TimeInForce.GTC)
    placed = await probe.place(order)
    ended = placed if placed.is_over else await probe.take_back(order)
    return Outcome(f"{placed.words}; {ended.words}")


async def oca_with_stop(probe: Probe) -> Outcome:
    """A combo far below the market and a stop order of the same combo in one OCA group, both good till cancelled."""
    group = f"probe-{probe.sent[-1].number if probe.sent else 0}"
    gtc = TimeInForce.GTC
    orders = (
        probe.spread(oca=group, time_in_force=gtc),
        probe.spread(stop=probe.width + 1, oca=group, time_in_force=gtc),
    )
    placed = [await probe.place(order) for order in orders]
    for order in orders:
        if not probe.answer(order).is_over:
            await probe.take_back(order)
    return Outcome(f"the limit {placed[0].words}; the stop {placed[1].words}")


async def other_side_of_combo(probe: Probe) -> Outcome:
    """An offer in an option that a combo at work buys."""
    combo, offer = probe.spread(), probe.single(probe.puts[0], Side.SELL, probe.dear(probe.puts[0]))
    placed = [await probe.place(order) for order in (combo, offer)]
    for order in (offer, combo):
        if not probe.answer(order).is_over:
            await probe.take_back(order)
    return Outcome(f"the combo {placed[0].words}; the offer {placed[1].words}")


async def combo_stop(probe: Probe) -> Outcome:
    """A stop order of a combo, at a price that it cannot reach."""
    order = probe.spread(stop=probe.width + 1)
    placed = await probe.place(order)
    if not placed.is_over:
        await probe.take_back(order)
    return Outcome(placed.words)


async def adaptive_combo(probe: Probe) -> Outcome:
    """The Adaptive algorithm on a combo."""
    order = probe.spread(adaptive="patient")
    placed = await probe.place(order)
    if not placed.is_over:
        await probe.take_back(order)
    return Outcome(placed.words)


async def order_ids(probe: Probe) -> Outcome:
    """The next order id right after an order was sent, and an order whose id is lower than one that was read."""
    lower, order = (probe.single(probe.puts[0], Side.BUY, -FAR) for _ in range(2))
    placed, count = await probe.place_and_count(order)
    passed = await probe.place(lower)
    for sent, answer in ((order, placed), (lower, passed)):
        if not answer.is_over:
            await probe.take_back(sent)
    counted_as = "not told" if not count else "above its own" if count > order.order_id else "not above its own"
    return Outcome(f"the next id after an order is {counted_as}; a lower one: {passed.words}")


async def what_if_single(probe: Probe) -> Outcome:
    """The margin of one short put."""
    order = probe.single(probe.puts[0], Side.SELL, probe.dear(probe.puts[0]))
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
    told = sum(_initial_margin(fields) not in ("", _UNSET) for fields in answers)
    margins = "margins told" if told else "margins not told"
    status = "no status" if words == "no answer" else words
    return Outcome(f"{margins}, {status}", f"{counted(len(answers), 'answer')}, {told} with margins")


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
    Case("change of a combo", "the limit of a combo at work can be changed (not 105)", combo_change),
    Case("oca of combos", "combos can stand in one OCA group", oca_of_combos),
    Case("resting combo", "a limit order of a combo may be good till cancelled", resting_combo),
    Case("oca of a combo and its stop", "a combo and a stop of it can stand in one OCA group", oca_with_stop),
    Case("other side of a combo", "orders of one leg are not compared with the legs of combos", other_side_of_combo),
    Case("stop of a combo", "a stop order of a combo is taken", combo_stop),
    Case("adaptive combo", "the Adaptive algorithm does not take combos", adaptive_combo),
    Case("order ids", "the gateway counts an id when it reads the order, and refuses lower ones (103)", order_ids),
    Case("what-if", "a what-if is answered by margins and no status", what_if_single),
    Case("what-if of a combo", "so is that of a combo", what_if_combo),
    Case("executions", "corrections raise the last part of an id; assignments have no order", executions, False),
    Case("model's spot", "the price in a computation is spot, not the forward", model_spot, False),
)
