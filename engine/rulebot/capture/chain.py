"""A chain captured at a moment, and its file: levels, expiries, options with greeks, the account (docs/captures.md).

The text depends on the values alone: keys in one order, options by class, expiry, strike and right, a line each, and no
account number. Missing values are omitted.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any

from rulebot.adapters.ib.contracts import is_index
from rulebot.model.contract import Contract, Option, Right, Underlying
from rulebot.model.errors import SpecError
from rulebot.model.facts import Account, Grids, Listing
from rulebot.model.session import EXCHANGE_ZONE, exchange_date, session_on
from rulebot.model.values import dataclass
from twsim import FIRST_FREE_ID, Instrument, OptionParams, given_option, given_underlying
from twsim import TickRule as SimulatedTicks

FORMAT = "captured chain 1"
NO_ACCOUNT = "DU0000000"
"""Placeholder of an account number."""
COUNTS = ("bid_size", "ask_size", "volume", "open_interest", "call_volume", "put_volume")
_QUOTES = ("bid", "ask", "bid_size", "ask_size", "last", "open", "high", "low", "previous_close", "volume")
OF_LEVELS = (*_QUOTES, "iv", "call_volume", "put_volume")
"""What a file says of an underlying; iv is that of its options for 30 days."""
OF_OPTIONS = (*_QUOTES, "open_interest", "iv", "delta", "gamma", "vega", "theta", "model_price")
"""What it says of an option."""
_AMOUNTS = ("net_liquidation", "cash", "buying_power", "available_funds", "maintenance_margin")
_KEYS = ("format", "at", "seconds", "source", "symbol", "spot", "account", "levels", "expiries", "chain")
_TERMS = ("class", "expiry", "strike", "right")

Values = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedChain:
    """All that was known around one underlying. Columns are those of a board; what is missing is not there.

    at: when it was complete; seconds: how long it took to be, for options take turns on the market data lines.
    source: `recording`, `paper`, `live` or `simulated`. levels: by symbol, the underlying's own among them.
    """

    at: datetime
    seconds: float
    source: str
    symbol: str
    levels: Mapping[str, Values]
    listings: tuple[Listing, ...]
    options: Mapping[Option, Values]
    account: Account

    @property
    def spot(self) -> float | None:
        """The underlying's price, None if unknown."""
        return spot_of(self.levels.get(self.symbol, {}))

    @property
    def file_name(self) -> str:
        """What its file is called: symbol, day and time in New York."""
        return f"{self.symbol}-{self.at.astimezone(EXCHANGE_ZONE):%Y-%m-%d-%H%M%S}.json"


def spot_of(level: Values) -> float | None:
    """Return an underlying's price: its last, or the middle of its quote."""
    if "last" in level:
        return level["last"]
    return (level["bid"] + level["ask"]) / 2 if {"bid", "ask"} <= set(level) else None


def option_order(option: Option) -> tuple[str, date, Decimal, str]:
    """Return by what options are sorted."""
    return option.trading_class, option.expiry, option.strike, option.right.letter


# ---------------------------------------------------------------- writing


def chain_text(chain: CapturedChain) -> str:
    """Return the text of a chain's file."""
    head = {
        "format": FORMAT,
        "at": chain.at.astimezone(UTC).isoformat(),
        "seconds": _plain(chain.seconds),
        "source": chain.source,
        "symbol": chain.symbol,
        "spot": chain.spot,
        "account": {"id": NO_ACCOUNT, **_amounts(chain.account)},
    }
    parts = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    levels = {symbol: _reported(chain.levels[symbol], OF_LEVELS) for symbol in sorted(chain.levels)}
    parts.append(_block("levels", [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in levels.items()], "{}"))
    parts.append(_block("expiries", [_class(listing) for listing in sorted(chain.listings, key=_class_name)], "{}"))
    options = sorted(chain.options, key=option_order)
    parts.append(_block("chain", [json.dumps(_row(each, chain.options[each])) for each in options], "[]"))
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _block(name: str, lines: list[str], brackets: str) -> str:
    inner = ",\n".join(f"  {line}" for line in lines)
    return f" {json.dumps(name)}: {brackets[0]}\n{inner}\n {brackets[1]}" if lines else f' "{name}": {brackets}'


def _class_name(listing: Listing) -> str:
    return listing.trading_class


def _class(listing: Listing) -> str:
    days = {each.isoformat(): [_plain(float(k)) for k in listing.strikes.get(each, ())] for each in listing.expiries}
    return f"{json.dumps(listing.trading_class)}: {json.dumps(dict(sorted(days.items())))}"


def _row(option: Option, values: Values) -> dict[str, Any]:
    terms = option.trading_class, option.expiry.isoformat(), _plain(float(option.strike)), option.right.letter
    return {**dict(zip(_TERMS, terms, strict=True)), **_reported(values, OF_OPTIONS)}


def _reported(values: Values, names: tuple[str, ...]) -> dict[str, float]:
    return {name: _plain(values[name]) if name in COUNTS else values[name] for name in names if name in values}


def _plain(value: float) -> float:
    return int(value) if value == int(value) else value


def _amounts(account: Account) -> dict[str, str]:
    reported = {name: getattr(account, name) for name in _AMOUNTS}
    return {name: f"{value:.2f}" for name, value in reported.items() if value is not None}


# ---------------------------------------------------------------- reading


def read_chain(text: str, name: str) -> CapturedChain:
    """Return the chain of a text; `name` is for messages. Raises: SpecError, naming the key."""
    try:
        reported = json.loads(text)
    except ValueError as error:
        raise SpecError(f"{name}: is not JSON: {error}") from error
    except RecursionError as error:
        raise SpecError(f"{name}: is nested too deep") from error
    if not isinstance(reported, dict) or reported.get("format") != FORMAT:
        raise SpecError(
            f"{name}: is no captured chain: its 'format' is not '{FORMAT}'", "make one with rulebot capture"
        )
    reader = _Reader(name)
    reader.known(reported, _KEYS, "")
    missing = next((key for key in _KEYS if key not in reported and key not in ("spot", "seconds", "account")), None)
    if missing is not None:
        raise SpecError(f"{name}: {missing}: is missing")
    symbol = reader.text(reported["symbol"], "symbol")
    levels = {
        each: reader.values(reported["levels"], each, OF_LEVELS)
        for each in reader.mapping(reported["levels"], "levels")
    }
    reader.spot(reported.get("spot"), symbol, levels)
    return CapturedChain(
        at=reader.instant(reported["at"]),
        seconds=reader.number(reported.get("seconds", 0), "seconds"),
        source=reader.text(reported["source"], "source"),
        symbol=symbol,
        levels=levels,
        listings=tuple(reader.listings(reported["expiries"], symbol)),
        options=reader.options(reported["chain"], symbol),
        account=reader.account(reported.get("account") or {}),
    )


class _Reader:
    """Takes the parts of a file; every message names it, and the key."""

    def __init__(self, name: str) -> None:
        self._name = name

    def wrong(self, key: str, value: object, outstanding: str) -> SpecError:
        return SpecError(f"{self._name}: {key}: is {value!r}; {outstanding}")

    def known(self, reported: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
        for key in reported:
            if key not in keys:
                raise SpecError(f"{self._name}: {where}{key}: is not known here; use {', '.join(keys)}")

    def text(self, value: object, key: str) -> str:
        if isinstance(value, str) and value:
            return value
        raise self.wrong(key, value, "write a text")

    def mapping(self, value: object, key: str) -> Mapping[str, Any]:
        if isinstance(value, dict):
            return value
        raise self.wrong(key, value, "write an object, as in {}")

    def number(self, value: object, key: str) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
            return float(value)
        raise self.wrong(key, value, "write a number, or leave it out")

    def instant(self, value: object) -> datetime:
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError:
            found = None
        if found is None or found.tzinfo is None:
            raise self.wrong("at", value, 'write an instant with its zone, as "2026-10-21T15:30:00+00:00"')
        if session_on(exchange_date(found)) is None:
            raise self.wrong("at", value, "the exchange was closed on that day")
        return found.astimezone(UTC)

    def day(self, value: object, key: str) -> date:
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            raise self.wrong(key, value, "write a day, as 2026-10-21") from None

    def values(self, reported: Mapping[str, Any], key: str, names: tuple[str, ...], where: str = "levels.") -> Values:
        row = self.mapping(reported[key], f"{where}{key}")
        self.known(row, names, f"{where}{key}.")
        return {name: self.number(row[name], f"{where}{key}.{name}") for name in names if name in row}

    def spot(self, value: object, symbol: str, levels: dict[str, Values]) -> None:
        """Check that the spot is the underlying's last price; where that is omitted, use the spot."""
        level = levels.get(symbol, {})
        if value is None or ("last" not in level and {"bid", "ask"} <= set(level)):
            return
        spot = self.number(value, "spot")
        if level.get("last", spot) != spot:
            raise self.wrong("spot", value, f"levels.{symbol}.last says {level['last']}")
        levels[symbol] = {**level, "last": spot}

    def listings(self, reported: object, symbol: str) -> list[Listing]:
        found = []
        for name, days in self.mapping(reported, "expiries").items():
            key = f"expiries.{name}"
            rows = {self.day(day, key): strikes for day, strikes in self.mapping(days, key).items()}
            strikes = {
                day: tuple(self.strike(each, f"{key}.{day}") for each in row) for day, row in rows.items() if row
            }
            found.append(Listing(symbol, name, tuple(sorted(rows)), strikes))
        return found

    def strike(self, value: object, key: str) -> Decimal:
        found = Decimal(repr(value)) if self.number(value, key) > 0 else None
        if found is None:
            raise self.wrong(key, value, "a strike is above 0")
        return found.to_integral() if found == found.to_integral() else found

    def options(self, reported: object, symbol: str) -> dict[Option, Values]:
        if not isinstance(reported, list):
            raise self.wrong("chain", reported, "write a list of options")
        found: dict[Option, Values] = {}
        for number, row in enumerate(reported):
            key = f"chain[{number}]"
            option = self.option(self.mapping(row, key), key, symbol)
            if option in found:
                raise SpecError(f"{self._name}: {key}: is {option}, which is in the chain already")
            quotes = {name: value for name, value in row.items() if name not in _TERMS}
            found[option] = self.values({key: quotes}, key, OF_OPTIONS, "")
        return found

    def option(self, row: Mapping[str, Any], key: str, symbol: str) -> Option:
        missing = next((name for name in _TERMS if name not in row), None)
        if missing is not None:
            raise SpecError(f"{self._name}: {key}.{missing}: is missing")
        rights = {right.letter: right for right in Right}
        if row["right"] not in rights:
            raise self.wrong(f"{key}.right", row["right"], "use C or P")
        expiry = self.day(row["expiry"], f"{key}.expiry")
        strike = self.strike(row["strike"], f"{key}.strike")
        return Option(symbol, self.text(row["class"], f"{key}.class"), expiry, strike, rights[row["right"]])

    def account(self, reported: object) -> Account:
        row = self.mapping(reported, "account")
        self.known(row, ("id", *_AMOUNTS), "account.")
        amounts: dict[str, Any] = {}
        for name in _AMOUNTS:
            if name in row:
                try:
                    amounts[name] = Decimal(str(row[name]))
                except ArithmeticError:
                    raise self.wrong(f"account.{name}", row[name], 'write dollars, as "1000000.00"') from None
        return Account(id=str(row.get("id", NO_ACCOUNT)), **amounts)


# --- Our contracts as those of a given market, each with its own place and number

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


def reported_tick_grids(listings: Iterable[Listing]) -> Grids:
    """Return the price grids of the listings."""
    return {each.trading_class: each.ticks for each in listings if each.ticks is not None}


def instruments(contracts: Iterable[Contract], grids: Grids) -> dict[Contract, Instrument]:
    """Return what each contract is to the gateway, in an order that depends on the contracts alone.

    The underlying of each option is among them. A number that a contract brings is kept; of two contracts with the
    same number (none in a sound recording) the second has a free one.
    """
    reported = [*contracts]
    known = {each for each in reported if each.con_id}
    known |= set(reported)  # of equal ones the first stays
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
    grid = grids.get(option.trading_class)
    return given_option(
        unders[option.symbol],
        trading_class=option.trading_class,
        expiry=option.expiry,
        strike=float(option.strike),
        right=option.right.letter,
        con_id=option.con_id,
        multiplier=option.multiplier,
        ticks=None if grid is None else SimulatedTicks(grid.steps),
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
