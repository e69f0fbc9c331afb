"""What the broker has under a symbol: contract details, and the classes and expiries of the options on it."""

from rulebot.adapters.ib import convert
from rulebot.adapters.ib.contracts import in_america, is_index, underlying_contract
from rulebot.adapters.ib.link import IbLink
from rulebot.adapters.ib.requests import NO_CONTRACT, RefusedError
from rulebot.model.facts import KnownContract, SymbolFacts


async def symbol_facts(link: IbLink, symbol: str, seconds: float) -> SymbolFacts:
    """Return what the broker has under a symbol; nothing is watched or kept of it.

    Units: seconds that the broker may take for an answer. Raises: BrokerError when it refuses or does not answer.
    """
    contracts = await _contracts(link, symbol, seconds)
    if len(contracts) != 1:
        return SymbolFacts(symbol, contracts)
    wire, name, con_id = link.wire, convert.symbol_there(symbol), contracts[0].con_id
    kind = "IND" if is_index(symbol) else "STK"
    rows = await wire.requests.ask(
        f"the option expiries of {symbol}",
        lambda req_id: wire.client.reqSecDefOptParams(req_id, name, "", kind, con_id),
        seconds,
    )
    expiries: dict[str, set[str]] = {}
    for row in rows:
        expiries.setdefault(row[4], set()).update(row[7 : 7 + convert.whole(row[6])])
    listed = {name: tuple(sorted(map(convert.day, days))) for name, days in sorted(expiries.items())}
    return SymbolFacts(symbol, contracts, listed)


async def _contracts(link: IbLink, symbol: str, seconds: float) -> tuple[KnownContract, ...]:
    wire, asked = link.wire, underlying_contract(symbol)
    try:
        rows = await wire.requests.ask(
            f"the contract of {symbol}", lambda req_id: wire.client.reqContractDetails(req_id, asked), seconds
        )
    except RefusedError as refusal:
        if refusal.code != NO_CONTRACT:
            raise
        return ()
    return tuple(known_contract(row, wire.version) for row in in_america(rows, wire.version) or rows)


def known_contract(row: list[str], version: int) -> KnownContract:
    """Return what a contractData row (10) describes. version: of the protocol, whose 164 moved its fields."""
    fields, more = (row, 0) if version >= 164 else (row[1:], 1)
    return KnownContract(
        con_id=convert.whole(fields[12]),
        is_index=fields[3] == "IND",
        exchange=fields[20 + more] or fields[7],
        name=convert.plain_text(fields[19 + more]),
    )
