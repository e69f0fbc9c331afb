"""Our contracts as those of a market that is given, each in a place of its own and with a number of its own."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from rulebot.adapters.ib.contracts import is_index
from rulebot.model.contract import Contract, Option, Right, Underlying
from rulebot.model.facts import Grids, Listing
from twsim.instrument import Instrument
from twsim.market.given_contracts import FIRST_FREE_ID, given_option, given_underlying
from twsim.seams import OptionParams

CALL_AND_PUT = (Right.CALL, Right.PUT)


def listed_options(listings: Iterable[Listing]) -> list[Option]:
    """Return every option of the strikes that are known."""
    return [
        Option(listing.symbol, listing.trading_class, expiry, strike, right)
        for listing in listings
        for expiry, strikes in listing.strikes.items()
        for strike in strikes
        for right in CALL_AND_PUT
    ]


def told_grids(listings: Iterable[Listing]) -> Grids:
    """Return the price grids that were told with listings."""
    return {each.trading_class: each.ticks for each in listings if each.ticks is not None}


def instruments(contracts: Iterable[Contract], grids: Grids) -> dict[Contract, Instrument]:
    """Return what each contract is to the gateway, in an order that depends on the contracts alone.

    The underlying of each option is among them. A number that a contract brings is kept; of two contracts with the
    same number (none in a sound recording) the second has a free one.
    """
    told = [*contracts]
    known = {each for each in told if each.con_id}
    known |= set(told)  # of equal ones the first stays
    known |= {Underlying(each.symbol) for each in known}
    unders = {each.symbol: _underlying(each) for each in known if isinstance(each, Underlying)}
    found: dict[Contract, Instrument] = {}
    used: set[int] = set()
    free = FIRST_FREE_ID
    for contract in sorted(known, key=_order):
        made = unders[contract.symbol] if isinstance(contract, Underlying) else _option(contract, unders, grids)
        if not made.con_id or made.con_id in used:
            made = replace(made, con_id=free)
            free += 1
        used.add(made.con_id)
        if isinstance(contract, Underlying):
            unders[contract.symbol] = made
        found[contract] = made
    return found


def _order(contract: Contract) -> tuple[object, ...]:
    if isinstance(contract, Underlying):
        return (0, contract.symbol)
    return (1, contract.symbol, contract.trading_class, contract.expiry, contract.strike, contract.right.letter)


def _underlying(contract: Underlying) -> Instrument:
    return given_underlying(contract.symbol, is_index=is_index(contract.symbol), con_id=contract.con_id)


def _option(option: Option, unders: Mapping[str, Instrument], grids: Grids) -> Instrument:
    return given_option(
        unders[option.symbol],
        trading_class=option.trading_class,
        expiry=option.expiry,
        strike=float(option.strike),
        right=option.right.letter,
        con_id=option.con_id,
        multiplier=option.multiplier,
        ticks=grids.get(option.trading_class),
    )


def classes(listings: Sequence[Listing], known: Mapping[Contract, Instrument]) -> tuple[OptionParams, ...]:
    """Return the classes that are listed: all their expiries, and the strikes that are known of any."""
    found = []
    for each in sorted(listings, key=lambda listing: (listing.symbol, listing.trading_class)):
        strikes = sorted({strike for row in each.strikes.values() for strike in row} | _quoted(each, known))
        under = known[Underlying(each.symbol)]
        row = "SMART", under.con_id, each.trading_class, 100, tuple(sorted(each.expiries)), tuple(map(float, strikes))
        found.append(OptionParams(*row))
    return tuple(found)


def _quoted(listing: Listing, known: Mapping[Contract, Instrument]) -> set[Decimal]:
    key = listing.symbol, listing.trading_class
    return {each.strike for each in known if isinstance(each, Option) and (each.symbol, each.trading_class) == key}
