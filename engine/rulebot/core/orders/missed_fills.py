"""Missed fills: trades of an earlier day without a connected engine, inferred from the account.

The broker reports executions of the current day only (TWS API, reqExecutions). An order of an earlier day that no
longer works has filled or ended. Only the account's holdings decide which, unless the broker reports it today as
filled, cancelled or inactive. If the holdings differ from our books exactly by what our orders would have made, those
orders have filled. A combo fills whole, even when expired legs have no report. An entry is booked at the account's
average cost, which includes its commission; an exit at its limit or stop price; a roll as an entry for the legs it
opens and at the rest of its price for those it closes. Executions of others are theirs. If several orders could explain
a difference, nothing is booked and a person is alarmed.

An order of today that the broker calls filled without reporting executions when asked is booked at the reported average
price.
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
"""Final statuses that carry the filled quantity."""


class _Claim(NamedTuple):
    """One leg of an order that may have filled: at most this many contracts, bought (1) or sold (-1)."""

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
    """Book the fills that the account shows; `costs` are its average costs, dollars a contract.

    today: also for orders of today that the broker calls filled without executions. Such an order counts as filled
    whole, whatever the account holds: others may have traded the same contracts.
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
        elif not _reported_legs(work, order):
            _alarm_of_unknown(work, order)


def _shared_out(work: StateBuilder, gone: list[Order]) -> tuple[dict[tuple[str, int], int], set[str]]:
    """Return the inferred fills of each leg of these orders, and the refs that the account cannot decide."""
    claims = [claim for order in gone for claim in _claims(work, order)]
    filled: dict[tuple[str, int], int] = {}
    unclear: set[str] = set()
    ours = expected_holdings(work)
    for option in dict.fromkeys(claim.option for claim in claims):
        differs = int(work.account.holdings.get(option, ZERO) - ours.get(option, ZERO))
        differs = _beyond(differs, _of_others(work, option))
        _share_out(differs, [claim for claim in claims if claim.option == option], filled, unclear)
    return filled, unclear


def _alarm_of_unknown(work: StateBuilder, order: Order) -> None:
    """Alarm of an order whose options have expired and that neither broker nor account reports."""
    text = f"whether {order.ref} filled will not be reported any more, and its options have expired"
    kept, then = "", ""
    if not order.opens(order.position):
        kept = " what it closes is booked as kept until then,"
        then = f"; 'rulebot store correct {order.ref} PRICE' puts in what filled before"
    alarm(work, order.bot, f"{text}:{kept} look at the account's statement{then}", order.position)


def _may_have_filled(work: StateBuilder, order: Order, at_broker: frozenset[str], today: bool) -> bool:
    """Say whether an order ended on a day without execution reports, or after the broker called it filled."""
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
    reported: list[Order] = []
    found: dict[str, Order] = {}
    for order in orders:
        key = order.oca_group or order.ref
        if has_unreported_fills(work, order):
            reported.append(order)
        elif key not in found or order.purpose is Purpose.STOP:
            found[key] = order
    groups = {order.oca_group for order in reported if order.oca_group}
    return [*reported, *(order for order in found.values() if order.oca_group not in groups)]


def _claims(work: StateBuilder, order: Order) -> Iterable[_Claim]:
    is_reported = order.reported_final_status is not None and has_unreported_fills(work, order)
    left = unreported_contracts(work, order, order.broker_filled) if is_reported else dict(enumerate(order.unfilled))
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
    """Return contracts that others bought in this session (- sold) and that no booking explains."""
    reports = (booked.foreign for booked in work.positions.executions.values())
    today = exchange_date(work.at)
    return sum(
        int(each.quantity) * (1 if each.is_buy else -1)
        for each in reports
        if each is not None and each.option == option and exchange_date(each.executed_at or each.at) == today
    )


def _beyond(differs: int, others: int) -> int:
    """Return the account's difference in contracts beyond what others traded in the same direction."""
    if differs * others <= 0:
        return differs
    left = max(abs(differs) - abs(others), 0)
    return left if differs > 0 else -left


def _is_of_shares(order: Order) -> bool:
    """Say whether an order trades only shares: other holdings in the account hide its fills."""
    return all(leg.option.is_share for leg in order.legs)


def _reported_legs(work: StateBuilder, order: Order) -> set[int]:
    """Return the legs of an order that the account still reports: options that have not expired."""
    options = ((at, leg.option) for at, leg in enumerate(order.legs) if not leg.option.is_share)
    return {at for at, option in options if not option_has_expired(work, option)}


def _with_expired(work: StateBuilder, order: Order, counts: dict[int, int]) -> None:
    """Let expired legs of a combo, which the account no longer reports, fill like its other legs."""
    reported = _reported_legs(work, order)
    whole = {(order.counts[at] + counts[at]) // order.legs[at].ratio for at in reported}
    if len(whole) != 1 or not any(counts[at] for at in reported):
        return
    (filled,) = whole
    for at, leg in enumerate(order.legs):
        if at not in reported and not leg.option.is_share:
            counts[at] = max(filled * leg.ratio - order.counts[at], 0)


def _with_shares(order: Order, counts: dict[int, int]) -> None:
    """Let the share leg of a combo fill like its options: a combo trades whole or not at all."""
    at = next((at for at, leg in enumerate(order.legs) if not leg.option.is_share), None)
    if at is None:
        return
    whole = (order.counts[at] + counts[at]) // order.legs[at].ratio
    for other, leg in enumerate(order.legs):
        if leg.option.is_share:
            counts[other] = max(whole * leg.ratio - order.counts[other], 0)


def _is_whole(order: Order, counts: Mapping[int, int]) -> bool:
    """Say whether all legs of a combo filled equally: a combo trades whole or not at all."""
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
        "has filled, and not all its executions are reported"
        if has_unreported_fills(work, order)
        else "filled while no engine was connected"
    )
    text = f"{order.ref} {fact}: {max(counts.values())} booked at the {how}, {shown}"
    help = f"Compare it with the account's statement; 'rulebot store correct {order.ref} PRICE' puts it right"
    alarm(work, order.bot, f"{text}. {help}", order.position)


def _average_costs(legs: Iterable[OrderLeg], costs: Mapping[Option, Decimal]) -> list[Decimal]:
    return [(abs(costs[leg.option]) / leg.option.multiplier).quantize(CENT * CENT) for leg in legs]


def _own_prices(
    work: StateBuilder, order: Order, counts: Mapping[int, int], costs: Mapping[Option, Decimal]
) -> list[Decimal]:
    """Return leg prices per share that sum to the order's price: the broker's average, else the order's own.

    Reported legs keep their prices; legs that a roll opens cost what the account paid. The rest of a combo's price goes
    to the first remaining leg.
    """
    price = _own_price(work, order)
    if not order.is_combo:
        return [price]
    weights = [leg.price_multiplier * leg.side.sign * order.side.sign for leg in order.legs]
    prices = [ZERO if counts[at] else _reported_price(work, order, at) for at in range(len(order.legs))]
    unreported = [at for at, count in counts.items() if count]
    first = next((at for at in unreported if not order.legs[at].opens), unreported[0])
    for at, opened_at in _opened_at(work, order, [at for at in unreported if order.legs[at].opens], costs).items():
        prices[at] = ZERO if at == first else opened_at
    known = sum((weight * reported for weight, reported in zip(weights, prices, strict=True)), ZERO)
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
    """Return the average price that the broker reported for fills without executions."""
    return order.average_price if has_unreported_fills(work, order) else None


def _reported_price(work: StateBuilder, order: Order, at: int) -> Decimal:
    """Return a leg's average price per share, from the reported executions of its position."""
    leg = order.legs[at]
    holder = order.position_of(leg)
    of_leg = holder, leg.name, order.opens(holder)
    reported = [
        booked
        for booked in work.positions.executions.values()
        if (booked.position, booked.leg, booked.is_entry) == of_leg and booked.quantity
    ]
    count = sum(booked.quantity for booked in reported)
    return abs(sum((booked.cash for booked in reported), ZERO)) / (count * leg.option.multiplier) if count else ZERO


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
