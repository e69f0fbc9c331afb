"""Orders, fills and alarms of a store counted for other programs: what the metrics are made of. Read-only."""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from engine.model.values import dataclass
from engine.record.record import Kind
from engine.store.tables import fill_rows, journal, order_rows


class OrderTally(NamedTuple):
    """One order as it stands. filled: structures; prices signed as sent; legs: their JSON; times in UTC."""

    bot: str
    purpose: str
    action: str
    state: str
    attempt: int
    filled: int
    fill_price: Decimal | None
    mid: Decimal | None
    prepared_at: datetime
    fill_time: datetime | None
    legs: str

    @property
    def seconds_to_fill(self) -> float | None:
        """Seconds from writing it down to its last execution, None while it is not filled."""
        if self.state != "filled" or self.fill_time is None:
            return None
        return max(0.0, (self.fill_time - self.prepared_at).total_seconds())

    @property
    def slippage(self) -> Decimal | None:
        """Dollars that what has filled was worse than the mid when it was first priced; None without a fill or mid."""
        if self.fill_price is None or self.mid is None or not self.filled:
            return None
        worse = self.fill_price - self.mid if self.action == "BUY" else self.mid - self.fill_price
        return worse * self.filled * _multiplier(self.legs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What a store holds, counted. fills, alarms: by bot, "" for those of no bot; losses: lost connections."""

    orders: tuple[OrderTally, ...]
    fills: Mapping[str, int]
    alarms: Mapping[str, int]
    losses: int


def tally(connection: Connection) -> Tally:
    """Return everything counted, of one instant."""
    wanted = [order_rows.c[name] for name in OrderTally._fields]
    links = select(journal.c.data).where(journal.c.kind == Kind.LINK.value)
    alarms = select(journal.c.bot, func.count()).where(journal.c.kind == Kind.ALARM.value).group_by(journal.c.bot)
    fills = select(fill_rows.c.bot, func.count()).group_by(fill_rows.c.bot)
    return Tally(
        orders=tuple(OrderTally(*row) for row in connection.execute(select(*wanted).order_by(order_rows.c.number))),
        fills=Counter({str(bot): int(count) for bot, count in connection.execute(fills)}),
        alarms=Counter({str(bot): int(count) for bot, count in connection.execute(alarms)}),
        losses=sum(not json.loads(data).get("up") for data in connection.execute(links).scalars()),
    )


def _multiplier(legs: str) -> int:
    """Return the dollars of a point of a price per share: 100 as soon as an option is among the legs, 1 for shares."""
    contracts: list[Mapping[str, Any]] = [leg["option"] for leg in json.loads(legs)]
    return max((int(each["multiplier"]) for each in contracts), default=1)
