"""Fills that nobody heard: what traded on an earlier day, while no engine was connected, is taken up from the account.

The broker tells the executions of the current day only (TWS API, reqExecutions). An order of an earlier day that works
no more has filled, or it has ended: only the account's holdings say which, but where the broker calls it filled,
cancelled or inactive today, with what had filled. Where they differ from our books by what our orders would have made
of them, and in no other way, those orders have filled: a combo whole, though of some legs nothing is told since they
have expired. An entry is booked at the account's average cost, which holds
its commission; an exit at the limit or stop price it had, since nothing else is known; of a roll what it opens as an
entry, and what it closes at the rest of its price. What the broker tells of others is theirs. Where more than one order
could be meant nothing is booked: a person must look.

An order of this day that the broker calls filled, and whose executions it does not tell when it is asked, is booked by
its word, at the average price that came with it.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from rulebot.core.orders.executions import count_fill
from rulebot.core.queries.account import expected_holdings, has_unreported_fills, unreported_contracts
from rulebot.core.queries.orders import option_has_expired
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_base
from rulebot.core.state.turn import alarm
from rulebot.model.contract import Option
from rulebot.model.event import ExecutionReport
from rulebot.model.money import CENT, ZERO
from rulebot.model.order import ExecutionId, Order, OrderLeg, OrderStatus, Purpose, Side, unseen_base
from rulebot.model.session import exchange_date

_UNFILLED = (OrderStatus.CANCELLED, OrderStatus.REJECTED)
"""Ends that the broker tells with what had filled, which is no more than that."""


class _Claim(NamedTuple):
    """One leg of an order that may have filled: so many contracts at most, bought (1) or sold (-1)."""

    order: Order
    leg: int
    sign: int
    most: int

    @property
    def option(self) -> Option:
        return self.order.legs[self.leg].option


def book_missed_fills(
    work: StateBuilder, at_broker: frozenset[str], costs: Mapping[Option, Decimal], *, today: bool = False
) -> None:
    """Book what the account shows that our orders made of it; `costs` are its average costs, dollars a contract.

    `today`: also of orders of this day that the broker has said to be filled, when it was asked in vain. For those its
    word counts, whatever the account holds, in which others may have traded: what it calls filled is filled whole.
    """
    gone = [order for order in work.orders.by_ref.values() if _may_have_filled(work, order, at_broker, today)]
    said = [order for order in gone if today and has_unreported_fills(work, order) and not _has_expired(work, order)]
    for order in said:
        _book(work, order, unreported_contracts(work, order, order.broker_filled), {})
    gone = _of_groups(work, [order for order in gone if order not in said])
    filled, unclear = _shared_out(work, gone)
    for order in gone:
        counts = {leg: filled.get((order.ref, leg), 0) for leg in range(len(order.legs))}
        _with_expired(work, order, counts)
        _with_shares(order, counts)
        if order.ref in unclear or not _is_whole(order, counts) or _is_of_shares(order):
            text = f"{order.ref} may have filled unseen, and the account does not say which of our orders did"
            alarm(work, order.bot, f"{text}: a person must look", order.position)
        elif any(counts.values()):
            _book(work, order, counts, costs)
            if work.positions.by_id[order.position].is_flat:
                put_base(work, order.position, work.positions.by_id[order.position].net)  # it was not made today
        elif not _told_legs(work, order):
            _tell_unknown(work, order)


def _shared_out(work: StateBuilder, gone: list[Order]) -> tuple[dict[tuple[str, int], int], set[str]]:
    """Return what filled of each leg of these orders by the account, and the refs of those that it does not tell."""
    claims = [claim for order in gone for claim in _claims(work, order)]
    filled: dict[tuple[str, int], int] = {}
    unclear: set[str] = set()
    ours = expected_holdings(work)
    for option in dict.fromkeys(claim.option for claim in claims):
        differs = int(work.account.holdings.get(option, ZERO) - ours.get(option, ZERO))
        differs = _beyond(differs, _of_others(work, option))
        _share_out(differs, [claim for claim in claims if claim.option == option], filled, unclear)
    return filled, unclear


def _tell_unknown(work: StateBuilder, order: Order) -> None:
    """Alarm of an order whose options have expired, and of which neither broker nor account tells any more."""
    text = f"whether {order.ref} filled is not told any more, and its options have expired"
    kept, then = "", ""
    if not order.opens(order.position):
        kept = " what it closes is booked as kept until then,"
        then = f"; 'rulebot store correct {order.ref} PRICE' puts in what filled before"
    alarm(work, order.bot, f"{text}:{kept} look at the account's statement{then}", order.position)


def _may_have_filled(work: StateBuilder, order: Order, at_broker: frozenset[str], today: bool) -> bool:
    """Say whether an order has gone on a day of which no executions are told, or after the broker said it filled."""
    if not order.status.is_live or order.ref in at_broker or order.status is OrderStatus.PREPARED:
        return False
    if order.reported_final_status in _UNFILLED and not has_unreported_fills(work, order):
        return False
    is_earlier = order.sent_at is not None and exchange_date(order.sent_at) < exchange_date(work.at)
    return order.filled < order.quantity and (is_earlier or (today and has_unreported_fills(work, order)))


def _has_expired(work: StateBuilder, order: Order) -> bool:
    return any(option_has_expired(work, leg.option) for leg in order.legs)


def _of_groups(work: StateBuilder, orders: Iterable[Order]) -> list[Order]:
    """Return the orders, of each OCA group only those that the broker calls filled, in whole or in part.

    Where it calls none so, only the one that costs more: the other cannot have filled as well.
    """
    told: list[Order] = []
    found: dict[str, Order] = {}
    for order in orders:
        key = order.oca_group or order.ref
        if has_unreported_fills(work, order):
            told.append(order)
        elif key not in found or order.purpose is Purpose.STOP:
            found[key] = order
    groups = {order.oca_group for order in told if order.oca_group}
    return [*told, *(order for order in found.values() if order.oca_group not in groups)]


def _claims(work: StateBuilder, order: Order) -> Iterable[_Claim]:
    is_told = order.reported_final_status is not None and has_unreported_fills(work, order)
    left = unreported_contracts(work, order, order.broker_filled) if is_told else dict(enumerate(order.unfilled))
    for index, (leg, most) in enumerate(zip(order.legs, left.values(), strict=True)):
        if most > 0 and not leg.option.is_share and not option_has_expired(work, leg.option):
            yield _Claim(order, index, order.side_of(leg).sign, most)


def _share_out(differs: int, claims: list[_Claim], filled: dict[tuple[str, int], int], unclear: set[str]) -> None:
    """Give what the account holds more (or less) of one contract to the orders that may have made it."""
    wanted = [claim for claim in claims if claim.sign * differs > 0]
    if len(wanted) > 1 and sum(claim.most for claim in wanted) != abs(differs):
        unclear.update(claim.order.ref for claim in wanted)
        return
    left = abs(differs)
    for claim in wanted:
        filled[claim.order.ref, claim.leg] = min(claim.most, left)
        left -= filled[claim.order.ref, claim.leg]


def _of_others(work: StateBuilder, option: Option) -> int:
    """Return how many contracts others were told to have bought in this session, - sold, that are booked to nothing."""
    reports = (booked.foreign for booked in work.positions.executions.values())
    today = exchange_date(work.at)
    return sum(
        int(each.quantity) * (1 if each.is_buy else -1)
        for each in reports
        if each is not None and each.option == option and exchange_date(each.executed_at or each.at) == today
    )


def _beyond(differs: int, others: int) -> int:
    """Return by how many contracts the account differs beyond what others have dealt the same way."""
    if differs * others <= 0:
        return differs
    left = max(abs(differs) - abs(others), 0)
    return left if differs > 0 else -left


def _is_of_shares(order: Order) -> bool:
    """Say whether an order deals in shares alone: others in the account hide what it has made of them."""
    return all(leg.option.is_share for leg in order.legs)


def _told_legs(work: StateBuilder, order: Order) -> set[int]:
    """Return the legs of an order of which the account still tells: options that trade on."""
    options = ((at, leg.option) for at, leg in enumerate(order.legs) if not leg.option.is_share)
    return {at for at, option in options if not option_has_expired(work, option)}


def _with_expired(work: StateBuilder, order: Order, counts: dict[int, int]) -> None:
    """Let the legs of a combo that have expired, of which the account tells nothing, have filled as its others have."""
    told = _told_legs(work, order)
    whole = {(order.counts[at] + counts[at]) // order.legs[at].ratio for at in told}
    if len(whole) != 1 or not any(counts[at] for at in told):
        return
    (filled,) = whole
    for at, leg in enumerate(order.legs):
        if at not in told and not leg.option.is_share:
            counts[at] = max(filled * leg.ratio - order.counts[at], 0)


def _with_shares(order: Order, counts: dict[int, int]) -> None:
    """Let the shares of a combo have filled as its options have: it trades whole or not at all."""
    at = next((at for at, leg in enumerate(order.legs) if not leg.option.is_share), None)
    if at is None:
        return
    whole = (order.counts[at] + counts[at]) // order.legs[at].ratio
    for other, leg in enumerate(order.legs):
        if leg.option.is_share:
            counts[other] = max(whole * leg.ratio - order.counts[other], 0)


def _is_whole(order: Order, counts: Mapping[int, int]) -> bool:
    """Say whether the legs of a combo have filled alike: it trades whole or not at all."""
    return len({(order.counts[at] + count) / order.legs[at].ratio for at, count in counts.items()}) == 1


def _book(work: StateBuilder, order: Order, counts: Mapping[int, int], costs: Mapping[Option, Decimal]) -> None:
    is_entry = order.purpose is Purpose.ENTRY and all(costs.get(leg.option) for leg in order.legs)
    prices = _average_costs(order.legs, costs) if is_entry else _own_prices(work, order, counts, costs)
    named = {option: option for option in costs}  # as the account has it, with the broker's number
    for at, count in counts.items():
        if count:
            option = named.get(order.legs[at].option, order.legs[at].option)
            count_fill(work, work.orders.by_ref[order.ref], _execution(work, order, option, at, count, prices[at]))
    how = "account's average cost, commission included" if is_entry else _price_word(work, order)
    priced = zip(prices, order.legs, strict=True)
    net = sum((price * leg.price_multiplier * -leg.side.sign for price, leg in priced), ZERO)
    shown = f"{abs(net if order.is_combo else prices[0]):f}"
    fact = (
        "has filled, and not all of it is told" if has_unreported_fills(work, order) else "filled while nobody listened"
    )
    text = f"{order.ref} {fact}: {max(counts.values())} booked at the {how}, {shown}"
    help = f"Compare it with the account's statement; 'rulebot store correct {order.ref} PRICE' puts it right"
    alarm(work, order.bot, f"{text}. {help}", order.position)


def _average_costs(legs: Iterable[OrderLeg], costs: Mapping[Option, Decimal]) -> list[Decimal]:
    return [(abs(costs[leg.option]) / leg.option.multiplier).quantize(CENT * CENT) for leg in legs]


def _own_prices(
    work: StateBuilder, order: Order, counts: Mapping[int, int], costs: Mapping[Option, Decimal]
) -> list[Decimal]:
    """Return what the legs traded at, per share, so that the order had its price: the broker's average, else its own.

    Legs that were told have their prices, those that a roll opens what they have cost the account; what is left of a
    combo's price stands at the first of the others.
    """
    price = _own_price(work, order)
    if not order.is_combo:
        return [price]
    weights = [leg.price_multiplier * leg.side.sign * order.side.sign for leg in order.legs]
    prices = [ZERO if counts[at] else _told_price(work, order, at) for at in range(len(order.legs))]
    untold = [at for at, count in counts.items() if count]
    first = next((at for at in untold if not order.legs[at].opens), untold[0])
    for at, opened_at in _opened_at(work, order, [at for at in untold if order.legs[at].opens], costs).items():
        prices[at] = ZERO if at == first else opened_at
    known = sum((weight * told for weight, told in zip(weights, prices, strict=True)), ZERO)
    prices[first] = (price - known) / weights[first]
    return prices


def _opened_at(
    work: StateBuilder, order: Order, opening: list[int], costs: Mapping[Option, Decimal]
) -> dict[int, Decimal]:
    """Return at what a roll opened legs: as the account has them, else all of it at the first, as it was quoted."""
    legs = [order.legs[at] for at in opening]
    if all(costs.get(leg.option) for leg in legs):
        return dict(zip(opening, _average_costs(legs, costs), strict=True))
    quoted = work.positions.by_id[order.opens_position].entry_mid
    return {} if quoted is None else {opening[0]: -quoted / (legs[0].price_multiplier * legs[0].side.sign)}


def _own_price(work: StateBuilder, order: Order) -> Decimal:
    if (average := _average(work, order)) is not None:
        return average
    price = order.stop_price if order.stop_price is not None else order.limit_price
    if price is None:
        price = ZERO if order.mid is None else abs(order.mid)
    return price


def _average(work: StateBuilder, order: Order) -> Decimal | None:
    """Return the average price that the broker has told of what it has not told the executions of."""
    return order.average_price if has_unreported_fills(work, order) else None


def _told_price(work: StateBuilder, order: Order, at: int) -> Decimal:
    """Return what a leg has traded at on the average, per share, by the executions of its position that were told."""
    leg = order.legs[at]
    holder = order.position_of(leg)
    of_leg = holder, leg.name, order.opens(holder)
    told = [
        booked
        for booked in work.positions.executions.values()
        if (booked.position, booked.leg, booked.is_entry) == of_leg and booked.quantity
    ]
    count = sum(booked.quantity for booked in told)
    return abs(sum((booked.cash for booked in told), ZERO)) / (count * leg.option.multiplier) if count else ZERO


def _price_word(work: StateBuilder, order: Order) -> str:
    if _average(work, order) is not None:
        return "average price it had"
    if order.stop_price is not None:
        return "stop price it had"
    return "limit price it had" if order.limit_price is not None else "middle of the quotes when it was sent"


def _execution(
    work: StateBuilder, order: Order, option: Option, at: int, count: int, price: Decimal
) -> ExecutionReport:
    leg = order.legs[at]
    return ExecutionReport(
        at=work.at,
        exec_id=ExecutionId(unseen_base(order.ref, leg.key)),
        ref=order.ref,
        order_id=order.order_id,
        perm_id=order.perm_id,
        client_id=order.client_id,
        option=option,
        is_combo=False,
        is_buy=order.side_of(leg) is Side.BUY,
        quantity=Decimal(count),
        price=price,
        executed_at=order.sent_at if order.opens(order.position_of(leg)) and order.sent_at is not None else work.at,
    )
