"""Orders, fills, alarms and profit of a store counted for other programs: what the metrics are made of. Read-only."""

import json
from collections.abc import Mapping, MutableMapping
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Text, func, select, text, type_coerce

from rulebot.model.values import dataclass
from rulebot.record.record import Kind
from rulebot.store.order_row import dollars_of_a_point
from rulebot.store.tables import fill_rows, journal, order_rows

FETCHED = 500
"""Orders that are asked for at once by their numbers; when more are new, all are read."""


class OrderTally(NamedTuple):
    """One order as it stands.

    seconds: from writing it down to its last execution, None unless it is filled. slippage: dollars that what has
    filled was worse than the mid when the order was first priced, None without a fill or a mid.
    """

    bot: str
    purpose: str
    state: str
    attempt: int
    seconds: float | None
    slippage: Decimal | None


Known = MutableMapping[int, tuple[object, OrderTally]]
"""Orders that were read before, by number, each with the mark that tells whether it is still the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What a store holds, counted. fills, alarms, net: by bot, "" for those of no bot; losses: lost connections.

    net: dollars that closed trades made after commissions.
    """

    orders: tuple[OrderTally, ...]
    fills: Mapping[str, int]
    alarms: Mapping[str, int]
    losses: int
    net: Mapping[str, Decimal]


def tally(connection: Connection, known: Known) -> Tally:
    """Return everything counted, of one instant; of the orders that are `known` only what has changed is read."""
    links = select(journal.c.data).where(journal.c.kind == Kind.LINK.value)
    alarms = select(journal.c.bot, func.count()).where(journal.c.kind == Kind.ALARM.value).group_by(journal.c.bot)
    fills = select(fill_rows.c.bot, func.count()).group_by(fill_rows.c.bot)
    net = connection.execute(text("SELECT strategy_id, net_pnl FROM strategy_summary"))
    return Tally(
        orders=_orders(connection, known),
        fills={str(bot): int(count) for bot, count in connection.execute(fills)},
        alarms={str(bot): int(count) for bot, count in connection.execute(alarms)},
        losses=sum(not json.loads(data).get("up") for data in connection.execute(links).scalars()),
        net={str(bot): Decimal(str(amount)) for bot, amount in net},
    )


def _orders(connection: Connection, known: Known) -> tuple[OrderTally, ...]:
    """Bring `known` up to date, and return the orders by number."""
    columns = order_rows.c
    seen = (type_coerce(columns[name], Text()) for name in ("state", "changed_at", "fill_price", "fill_time"))
    marks = {row[0]: tuple(row[1:]) for row in connection.execute(select(columns.number, *seen))}
    for number in known.keys() - marks.keys():
        del known[number]
    changed = [number for number, mark in marks.items() if number not in known or known[number][0] != mark]
    query = select(order_rows)
    if len(changed) <= FETCHED:
        query = query.where(columns.number.in_(changed))
    for row in connection.execute(query) if changed else ():
        known[row.number] = (marks[row.number], _read(row))
    return tuple(known[number][1] for number in sorted(known))


def _read(row: Row[Any]) -> OrderTally:
    is_filled = row.state == "filled" and row.fill_time is not None
    seconds = max(0.0, (row.fill_time - row.prepared_at).total_seconds()) if is_filled else None
    slippage = None
    if row.fill_price is not None and row.mid is not None and row.filled:
        worse = row.fill_price - row.mid if row.action == "BUY" else row.mid - row.fill_price
        slippage = worse * row.filled * dollars_of_a_point(row.legs)
    return OrderTally(row.bot, row.purpose, row.state, row.attempt, seconds, slippage)
