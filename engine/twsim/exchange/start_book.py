"""What an account holds before the first day: a JSON file of positions and resting orders.

    [{"symbol": "SPY", "expiry": "20240802", "strike": 480, "right": "P", "quantity": -1, "average_cost": 412.5}]

or an object with `positions` (as above) and `orders`, each a contract as above with `client_id`, `order_id`,
`action`, `quantity`, `order_type`, `limit_price`, `aux_price`, `tif`, `oca_group`, `oca_type`, `order_ref`. A
row without `expiry` is stock.
"""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path

from rulebot.model.errors import unread
from rulebot.model.values import dataclass
from twsim.instrument import Instrument
from twsim.seams import Catalogue, Ticket

MOST = Decimal(10**9)
"""What no number of the file may pass, up or down: JSON also knows Infinity and NaN."""


class PositionsError(ValueError):
    """A start file that cannot be used; the text names the file, the row and what to write."""


@dataclass(frozen=True, slots=True)
class StartPosition:
    """One position at the start. Units: `average_cost` is unsigned dollars per contract, multiplier included."""

    con_id: int
    quantity: Decimal
    average_cost: Decimal


@dataclass(frozen=True, slots=True)
class OpeningPositions:
    """Positions and resting orders at the start."""

    positions: tuple[StartPosition, ...] = ()
    orders: tuple[Ticket, ...] = ()


def load_positions(path: Path | str, catalogue: Catalogue) -> OpeningPositions:
    """Return the start positions and orders of a file. Raises: PositionsError."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise PositionsError(f"{path}: cannot be read: {unread(error)}") from error
    except ValueError as error:
        raise PositionsError(f"{path}: is no JSON: {error}") from error
    except RecursionError as error:
        raise PositionsError(f"{path}: is nested too deep") from error
    if isinstance(document, list):
        document = {"positions": document}
    if not isinstance(document, dict):
        raise PositionsError(f"{path}: must be a list of positions or an object with 'positions' and 'orders'")
    positions = _rows(document, "positions", f"{path}")
    orders = _rows(document, "orders", f"{path}")
    return OpeningPositions(
        tuple(_position(row, catalogue, f"{path}: position {n}") for n, row in enumerate(positions, 1)),
        tuple(_ticket(row, catalogue, f"{path}: order {n}") for n, row in enumerate(orders, 1)),
    )


def _rows(document: Mapping[str, object], name: str, where: str) -> list[Mapping[str, object]]:
    rows = document.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise PositionsError(f"{where}: '{name}' must be a list of objects")
    return rows


def _number(row: Mapping[str, object], name: str, where: str) -> Decimal:
    if (value := _optional(row, name, where)) is None:
        raise PositionsError(f"{where}: '{name}' is missing")
    return value


def _optional(row: Mapping[str, object], name: str, where: str) -> Decimal | None:
    value = row.get(name)
    if value is None:
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation as error:
        raise PositionsError(f"{where}: '{name}' must be a number, is {value!r}") from error
    if not found.is_finite() or abs(found) > MOST:
        raise PositionsError(f"{where}: '{name}' must be a number from -{MOST:,} to {MOST:,}, is {value!r}")
    return found


def _whole(row: Mapping[str, object], name: str, where: str, default: int | None = None) -> int:
    """Return a whole number; without a default it must be there."""
    found = _number(row, name, where) if default is None else _optional(row, name, where)
    if found is None:
        return int(default or 0)
    if found % 1:
        raise PositionsError(f"{where}: '{name}' must be a whole number, is {row[name]!r}")
    return int(found)


def _contract(row: Mapping[str, object], catalogue: Catalogue, where: str) -> Instrument:
    symbol = str(row.get("symbol", ""))
    if not symbol:
        raise PositionsError(f"{where}: 'symbol' is missing")
    if "expiry" not in row:
        if (stock := catalogue.underlying(symbol)) is None:
            raise PositionsError(f"{where}: no underlying '{symbol}' is listed")
        return stock
    matches = catalogue.search(
        symbol=symbol,
        sec_type="OPT",
        last_trade=str(row["expiry"]).replace("-", ""),
        strike=float(_number(row, "strike", where)),
        right=str(row.get("right", ""))[:1].upper(),
        trading_class=str(row.get("trading_class", "")),
    )
    if len(matches) != 1:
        found = "is not listed" if not matches else "is not one contract: give 'trading_class'"
        raise PositionsError(f"{where}: {symbol} {row['expiry']} {row.get('strike')} {row.get('right')} {found}")
    return matches[0]


def _position(row: Mapping[str, object], catalogue: Catalogue, where: str) -> StartPosition:
    quantity = _number(row, "quantity", where)
    if not quantity or quantity % 1:
        raise PositionsError(f"{where}: 'quantity' must be a whole number and not 0, is {quantity}")
    cost = _number(row, "average_cost", where)
    if cost < 0:
        raise PositionsError(f"{where}: 'average_cost' must not be negative, is {cost}")
    return StartPosition(_contract(row, catalogue, where).con_id, quantity, cost)


def _ticket(row: Mapping[str, object], catalogue: Catalogue, where: str) -> Ticket:
    contract = _contract(row, catalogue, where)
    action = str(row.get("action", ""))
    if action not in ("BUY", "SELL"):
        raise PositionsError(f"{where}: 'action' must be BUY or SELL, is {action!r}")
    return Ticket(
        client_id=_whole(row, "client_id", where, default=0),
        order_id=_whole(row, "order_id", where),
        con_id=contract.con_id,
        symbol=contract.symbol,
        sec_type=contract.sec_type.value,
        action=action,
        quantity=_number(row, "quantity", where),
        order_type=str(row.get("order_type", "LMT")),
        limit_price=_optional(row, "limit_price", where),
        aux_price=_optional(row, "aux_price", where),
        tif=str(row.get("tif", "GTC")),
        oca_group=str(row.get("oca_group", "")),
        oca_type=_whole(row, "oca_type", where, default=1) or 1,
        account="",
        order_ref=str(row.get("order_ref", "")),
    )
