"""Why the broker refuses a ticket. Checks of the ticket alone come first, those against market and book after."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from twsim.exchange.adaptive import algo_problem
from twsim.exchange.agenda import hours_of
from twsim.exchange.book import WorkingOrder
from twsim.exchange.combo import Leg, order_touch, weighted
from twsim.exchange.conditions import unwatched_condition
from twsim.exchange.desk import BrokerState
from twsim.exchange.standing import margin_problem
from twsim.exchange.tick_rules import on_grid
from twsim.instrument import Instrument, SecType
from twsim.seams import Ticket

ORDER_TYPES = ("LMT", "MKT", "STP", "STP LMT")
TIMES_IN_FORCE = ("", "DAY", "GTC", "GTD", "IOC")
OTHER_SIDE = "Cannot have open orders on both sides of the same US Option contract in the same account"


class Problem(NamedTuple):
    """An error code of the API and its text."""

    code: int
    text: str


def rejected(reason: str) -> Problem:
    """Return the broker's plain refusal."""
    return Problem(201, f"Order rejected - reason:{reason}")


def invalid(cause: str) -> Problem:
    """Return the refusal of a request that makes no sense."""
    return Problem(321, f"Error validating request.-'bN' : cause - {cause}")


# ------------------------------------------------------------- contract


def resolve_legs(desk: BrokerState, ticket: Ticket) -> tuple[Leg, ...] | Problem:
    """Return what the ticket trades, or why it cannot be traded."""
    if ticket.sec_type != "BAG":
        found = desk.market.catalogue.by_id(ticket.con_id)
        if found is None:
            return Problem(200, "No security definition has been found for the request")
        return contract_problem(desk, found) or weighted([(found, 1, 1)])
    return _resolve_combo(desk, ticket)


def contract_problem(desk: BrokerState, instrument: Instrument) -> Problem | None:
    """Return why a contract cannot be traded now."""
    if instrument.sec_type is SecType.INDEX:
        return rejected("This contract is not available for trading")
    last = instrument.last_trade_date
    if last is not None and hours_of(last).close <= desk.now:
        return rejected("The contract has expired")
    return None


def _resolve_combo(desk: BrokerState, ticket: Ticket) -> tuple[Leg, ...] | Problem:
    if len(ticket.legs) < 2 or len({leg.con_id for leg in ticket.legs}) < len(ticket.legs):
        return invalid("Combo legs must be two or more different contracts")
    parts = []
    for leg in ticket.legs:
        found = desk.market.catalogue.by_id(leg.con_id)
        if found is None or leg.ratio <= 0 or leg.action not in ("BUY", "SELL"):
            return invalid(f"Invalid combo leg {leg.con_id}")
        if (problem := contract_problem(desk, found)) is not None:
            return problem
        parts.append((found, 1 if leg.action == "BUY" else -1, leg.ratio))
    legs = weighted(parts)
    return _combo_problem(ticket, legs) or legs


def _combo_problem(ticket: Ticket, legs: Sequence[Leg]) -> Problem | None:
    if len({leg.instrument.symbol for leg in legs}) > 1 and not ticket.non_guaranteed:
        return rejected("Combination of different underlyings must be non-guaranteed")
    if is_riskless(legs):
        return rejected("Riskless combination orders are not allowed")
    return None


def is_riskless(legs: Sequence[Leg]) -> bool:
    """Say whether the combo is worth the same at expiry wherever its underlying ends (a box)."""
    if len({(leg.instrument.symbol, leg.instrument.settle_date) for leg in legs}) > 1:
        return False
    if not all(leg.instrument.is_option for leg in legs):
        return False
    strikes = sorted(leg.instrument.strike for leg in legs)
    levels = [0.0, *strikes, strikes[-1] * 2]
    return len({round(sum(_worth(leg, level) for leg in legs), 6) for level in levels}) == 1


def _worth(leg: Leg, level: float) -> float:
    move = level - leg.instrument.strike
    return leg.sign * leg.ratio * max(0.0, move if leg.instrument.right == "C" else -move)


# ------------------------------------------------------------- ticket


def ticket_problem(desk: BrokerState, order: WorkingOrder) -> Problem | None:
    """Return what is wrong with the ticket itself."""
    ticket = order.ticket
    if ticket.account and ticket.account != desk.account_id:
        return invalid(f"Invalid account code '{ticket.account}'")
    if ticket.action not in ("BUY", "SELL"):
        return invalid(f"Invalid side '{ticket.action}'")
    if ticket.order_type not in ORDER_TYPES:
        return Problem(387, f"Unsupported order type for this exchange and security type: {ticket.order_type}")
    if ticket.tif not in TIMES_IN_FORCE:
        return rejected(f"Invalid time in force '{ticket.tif}'")
    return (
        _time_problem(desk, ticket)
        or _condition_problem(desk, ticket)
        or _quantity_problem(desk, ticket)
        or _price_problem(order)
        or _algo_problem(desk, ticket)
    )


def _time_problem(desk: BrokerState, ticket: Ticket) -> Problem | None:
    if ticket.tif != "GTD":
        return None
    if ticket.good_till is None:
        return invalid("Missing good till date")
    return rejected("The good till date has passed") if ticket.good_till <= desk.now else None


def _condition_problem(desk: BrokerState, ticket: Ticket) -> Problem | None:
    return invalid(reason) if (reason := unwatched_condition(desk, ticket)) else None


def _quantity_problem(desk: BrokerState, ticket: Ticket) -> Problem | None:
    quantity = ticket.quantity
    if quantity < 1 or quantity % 1:
        return Problem(388, f"Order size {quantity} is smaller than the minimum required size of 1.")
    if ticket.sec_type != "STK" and quantity > desk.settings.max_quantity:
        return rejected(f"Order size exceeds the Size Limit of {desk.settings.max_quantity}")
    return None


def _price_problem(order: WorkingOrder) -> Problem | None:
    ticket = order.ticket
    needed = []
    if ticket.order_type in ("LMT", "STP LMT"):
        needed.append(("limit", ticket.limit_price))
    if order.is_stop:
        needed.append(("stop", ticket.aux_price))
    for name, price in needed:
        if price is None:
            return invalid(f"Missing {name} price")
        if not order.is_combo and price <= 0:
            return rejected(f"The {name} price must be above 0")
        if not on_grid(price, order.ticks):
            return Problem(110, "The price does not conform to the minimum price variation for this contract.")
    return None


def _algo_problem(desk: BrokerState, ticket: Ticket) -> Problem | None:
    if not ticket.algo:
        return None
    if (found := algo_problem(ticket.algo, ticket.algo_params)) is not None:
        return Problem(*found)
    if ticket.order_type not in ("LMT", "MKT") or ticket.tif not in ("", "DAY"):
        return rejected("Adaptive works with LMT and MKT orders of the day only")
    if ticket.sec_type == "BAG" and not desk.settings.adaptive_combos:
        return rejected("Algorithm is not supported for combinations")
    return None


# ------------------------------------------------------------- book and market


def entry_problem(desk: BrokerState, order: WorkingOrder) -> Problem | None:
    """Return why an order may not go to work now."""
    if (problem := _precaution(desk, order)) is not None:
        return problem
    reason = (
        _group_problem(desk, order)
        or _other_side_problem(desk, order)
        or _count_problem(desk, order)
        or (None if order.waits_for_parent else margin_problem(desk, order))
    )
    return rejected(reason) if reason else None


def _precaution(desk: BrokerState, order: WorkingOrder) -> Problem | None:
    """Refuse a limit far beyond the market: an order precaution, code 109."""
    band, limit = desk.settings.price_band, order.ticket.limit_price
    if band is None or limit is None or order.is_stop or order.parent or not desk.market.is_open:
        return None
    touch = order_touch(order.legs, desk.quotes(leg.instrument.con_id for leg in order.legs))
    far = touch.far(order.side)
    if far is None or order.side * (limit - far) <= band * abs(far) + Decimal(1):
        return None
    return Problem(109, f"Price is out of the range defined by the Order Default settings: {limit} against {far}")


def _group_problem(desk: BrokerState, order: WorkingOrder) -> str | None:
    if order.ticket.oca_group in desk.filled_groups:
        return "OCA group is already filled"
    return None


def _root(order: WorkingOrder) -> WorkingOrder:
    return order.parent or order


def _other_side_problem(desk: BrokerState, order: WorkingOrder) -> str | None:
    if not desk.settings.refuse_other_side:
        return None
    mine = _sided(desk, order)
    for other in desk.book.live.values():
        if other.transmitted and _root(other) is not _root(order) and mine & {(c, -s) for c, s in _sided(desk, other)}:
            return OTHER_SIDE
    return None


def _sided(desk: BrokerState, order: WorkingOrder) -> set[tuple[int, int]]:
    """Return the option contracts an order trades with the side it takes in each."""
    if order.is_combo and not desk.settings.compare_combo_legs:
        return set()
    return {(leg.instrument.con_id, order.side * leg.sign) for leg in order.legs if leg.instrument.is_option}


def _count_problem(desk: BrokerState, order: WorkingOrder) -> str | None:
    mine = _contract(order)
    same = sum(
        1
        for other in desk.book.live.values()
        if other is not order and other.transmitted and other.side == order.side and _contract(other) == mine
    )
    most = desk.settings.orders_per_side
    return f"Maximum of {most} working orders per contract, side and account" if same >= most else None


def _contract(order: WorkingOrder) -> tuple[tuple[int, int, int], ...]:
    return tuple(sorted((leg.instrument.con_id, leg.sign, leg.ratio) for leg in order.legs))
