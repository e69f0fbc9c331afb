"""Contracts as clients describe them, and what the catalogue makes of that."""

from rulebot.model.values import dataclass
from twsim.gateway.wire import Fields, symbol_in, symbol_out
from twsim.instrument import Instrument
from twsim.seams import Catalogue, TicketLeg

COMBO_CON_ID = 28812380
"""The id under which the server names every USD combo on SMART."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractQuery:
    """The twelve contract fields of a request, as sent; blanks are wildcards."""

    con_id: int
    symbol: str
    sec_type: str
    last_trade: str
    strike: float
    right: str
    multiplier: str
    exchange: str
    primary_exchange: str
    currency: str
    local_symbol: str
    trading_class: str

    @property
    def is_combo(self) -> bool:
        """True for BAG."""
        return self.sec_type == "BAG"


def contract_query(fields: Fields) -> ContractQuery:
    """Read the twelve contract fields."""
    return ContractQuery(
        con_id=fields.integer(),
        symbol=symbol_in(fields.text()),
        sec_type=fields.text().strip().upper(),
        last_trade=fields.text().strip().replace("-", "")[:8],
        strike=fields.number() or 0.0,
        right={"CALL": "C", "PUT": "P", "?": "", "0": ""}.get(side := fields.text().strip().upper(), side),
        multiplier=fields.text(),
        exchange=fields.text().strip().upper(),
        primary_exchange=fields.text().strip().upper(),
        currency=fields.text().strip().upper(),
        local_symbol=fields.text().strip(),
        trading_class=fields.text().strip().upper(),
    )


def quote_legs(fields: Fields) -> tuple[TicketLeg, ...]:
    """Read the short combo legs of a market data or history request: a count, then four fields each."""
    return tuple(
        TicketLeg(fields.integer(), fields.integer(), fields.text().upper(), fields.text())
        for _ in range(fields.count())
    )


def matches(catalogue: Catalogue, query: ContractQuery, *, include_expired: bool = False) -> list[Instrument]:
    """Return every listed contract that a query fits, in id order."""
    if query.con_id:
        found = catalogue.by_id(query.con_id)
        return [] if found is None else [found]
    if query.currency not in ("", "USD") or not (query.symbol or query.local_symbol):
        return []
    if query.sec_type not in ("STK", "IND", "OPT", ""):
        return []
    listed = catalogue.search(
        symbol=query.symbol,
        sec_type=query.sec_type,
        last_trade=query.last_trade,
        strike=query.strike,
        right=query.right,
        trading_class=query.trading_class,
        local_symbol=query.local_symbol,
        include_expired=include_expired,
    )
    return [each for each in listed if not each.is_option or _has_multiplier(each, query.multiplier)]


def _has_multiplier(found: Instrument, asked: str) -> bool:
    """Say whether a contract has the multiplier that was asked for; blank and 0 ask for none."""
    try:
        number = float(asked or 0)
    except ValueError:
        return False
    return number in (0, found.multiplier)


def no_contract(found: int, query: ContractQuery) -> str:
    """Say why a query does not name one contract (error 200)."""
    if not found:
        return "No security definition has been found for the request"
    name = symbol_out(query.symbol) or query.local_symbol
    return f"The contract description specified for {name} is ambiguous."
