"""Market data that comes 10 to 15 minutes late: of which symbols, since when, and which bots trade on it."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from rulebot.core.program import Program
from rulebot.model.market import Board
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.model.values import dataclass
from rulebot.record.record import LATE, Kind
from rulebot.store.queries import StoreReader


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayedSymbol:
    """A symbol whose data comes late, "" for several. bots: those that trade on it; since: None where nobody told."""

    symbol: str
    bots: tuple[str, ...] = ()
    since: datetime | None = None

    @property
    def words(self) -> str:
        """Return `DELAYED DATA since 2026-10-21 09:31: SPX is 10 to 15 minutes late. put_lite trades on it (..)`."""
        began = "" if self.since is None else f" since {self.since.astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M}"
        head = f"DELAYED DATA{began}: {self.symbol or 'market data'} is 10 to 15 minutes late"
        verb = "trades" if len(self.bots) == 1 else "trade"
        used = f"{', '.join(self.bots)} {verb} on it (delayed_data: allow)" if self.bots else "no bot trades on it"
        return f"{head}. {used}"


def delayed_now(program: Program, board: Board) -> tuple[DelayedSymbol, ...]:
    """Return the symbols of which an engine has late rows now."""
    found = {contract.symbol for row in board.delayed if (contract := board.contracts[row]) is not None}
    return tuple(
        DelayedSymbol(symbol=symbol, bots=_traders(program, symbol, board.may_be_delayed)) for symbol in sorted(found)
    )


def delayed_on_record(reader: StoreReader) -> tuple[DelayedSymbol, ...]:
    """Return what was told to come late since the engine's last connection, each symbol once. Raises: StoreError."""
    number = _last_link(reader)
    told = () if number is None else reader.numbered_after(number, (Kind.FACTS,))
    found: dict[str, DelayedSymbol] = {}
    for _, record in told:
        traders: Any = record.data.get(LATE)
        if traders is not None:
            symbol = str(record.data["symbol"])
            found.setdefault(symbol, DelayedSymbol(symbol=symbol, bots=tuple(traders), since=record.at))
    return tuple(found[symbol] for symbol in sorted(found))


def _traders(program: Program, symbol: str, allowed: Collection[str]) -> tuple[str, ...]:
    return program.on_late_data(symbol) if symbol in allowed else ()


def _last_link(reader: StoreReader) -> int | None:
    """Return the number of the record of the last connection that came, None before any."""
    found = reader.last_record(Kind.LINK)
    while found is not None and not found[1].data["up"]:
        found = reader.last_record(Kind.LINK, until=found[0] - 1)
    return None if found is None else found[0]
