"""The market as clients are shown it: quotes that are wrong or missing, and contracts that should not be there.

The broker trades on the true market. What is shown differs while a distortion or a change of the chain is on.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime
from math import nan

import numpy as np
from numpy.typing import NDArray

from twsim.exchange.chance import seeded_fraction
from twsim.gateway.fault_plan import Fault
from twsim.instrument import Instrument
from twsim.seams import Bar, Catalogue, DayStats, Floats, Market, OptionParams, OptionTotals, TickValues

Rows = NDArray[np.bool_]
Distortion = Callable[[Sequence[int], TickValues], TickValues]
_GREEKS = ("iv", "delta", "gamma", "vega", "theta", "model")
_WIDER = 0.5
"""How much of its price each side of a wide spread is away, and dollars on top."""
_SPIKE = 10.0


class MarketProxy:
    """A market that passes everything on to the one behind it."""

    def __init__(self, behind: Market) -> None:
        self._behind = behind

    @property
    def catalogue(self) -> Catalogue:
        """What is listed today."""
        return self._behind.catalogue

    @property
    def now(self) -> datetime:
        """The instant of the last `advance`."""
        return self._behind.now

    @property
    def is_open(self) -> bool:
        """True in the regular session."""
        return self._behind.is_open

    @property
    def is_still(self) -> bool:
        """True of a market in which nothing ever moves."""
        return self._behind.is_still

    def advance(self, at: datetime) -> None:
        """Move every price."""
        self._behind.advance(at)

    def ticks(self, con_ids: Sequence[int]) -> TickValues:
        """Return the present quotes."""
        return self._behind.ticks(con_ids)

    def stats(self, con_id: int) -> DayStats:
        """Return the session's statistics."""
        return self._behind.stats(con_id)

    def halted(self, symbol: str) -> bool:
        """True while trading in this underlying is halted."""
        return self._behind.halted(symbol)

    def bars(
        self, con_id: int, *, what: str, bar_seconds: int, first: datetime, last: datetime, regular_hours: bool
    ) -> list[Bar]:
        """Return bars."""
        return self._behind.bars(
            con_id, what=what, bar_seconds=bar_seconds, first=first, last=last, regular_hours=regular_hours
        )

    def settlement(self, con_id: int, day: date) -> float | None:
        """Return the official settlement level."""
        return self._behind.settlement(con_id, day)

    def earnings(self, symbol: str) -> tuple[date, ...]:
        """Return earnings dates."""
        return self._behind.earnings(symbol)

    def volume(self, con_id: int) -> int:
        """Return an option's volume, as it is."""
        return self._behind.volume(con_id)

    def open_interest(self, con_id: int) -> int:
        """Return the open interest."""
        return self._behind.open_interest(con_id)

    def option_totals(self, underlying_id: int) -> OptionTotals:
        """Return volume and open interest summed."""
        return self._behind.option_totals(underlying_id)


class HaltingMarket(MarketProxy):
    """The true market, in which faults can halt trading: "" in `halts` halts everything."""

    def __init__(self, behind: Market) -> None:
        super().__init__(behind)
        self.halts: list[str] = []

    def halted(self, symbol: str) -> bool:
        """True while a fault or the scenario halts trading in this underlying."""
        return bool({"all", symbol} & set(self.halts)) or super().halted(symbol)


class ShownMarket(MarketProxy):
    """What clients are shown of a market."""

    def __init__(self, behind: HaltingMarket) -> None:
        super().__init__(behind)
        self.true = behind
        self.shown = ShownCatalogue(behind)
        self.distortions: list[Distortion] = []

    @property
    def catalogue(self) -> Catalogue:
        """What clients find when they look for contracts."""
        return self.shown

    def ticks(self, con_ids: Sequence[int]) -> TickValues:
        """Return the quotes that clients are shown."""
        found = self.shown.ticks(con_ids)
        for each in self.distortions:
            found = each(con_ids, TickValues(*(column.copy() for column in found)))
        return found


class ShownCatalogue:
    """What is listed, less the holes in it, and with an adjusted twin of each option of `adjusted`."""

    FIRST_TWIN = 3_000_000_000
    """Contract ids of twins begin here."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self.holes: list[tuple[Fault, int]] = []
        self.adjusted: list[Fault] = []
        self.met: Callable[[Fault], None] = lambda _: None

    @property
    def _true(self) -> Catalogue:
        return self._market.catalogue

    def ticks(self, con_ids: Sequence[int]) -> TickValues:
        """Return true quotes; a twin is quoted as what it is of."""
        return self._market.ticks([each % self.FIRST_TWIN for each in con_ids])

    def by_id(self, con_id: int) -> Instrument | None:
        """Return the contract of this id."""
        found = self._true.by_id(con_id % self.FIRST_TWIN)
        return found if found is None or con_id < self.FIRST_TWIN else _twin(found)

    def underlying(self, symbol: str) -> Instrument | None:
        """Return the stock, ETF or index of this symbol."""
        return self._true.underlying(symbol)

    def search(
        self,
        *,
        symbol: str = "",
        sec_type: str = "",
        last_trade: str = "",
        strike: float = 0.0,
        right: str = "",
        trading_class: str = "",
        local_symbol: str = "",
        include_expired: bool = False,
    ) -> list[Instrument]:
        """Return all matches that are shown, twins last."""
        found = self._true.search(
            symbol=symbol,
            sec_type=sec_type,
            last_trade=last_trade,
            strike=strike,
            right=right,
            trading_class=trading_class,
            local_symbol=local_symbol,
            include_expired=include_expired,
        )
        for fault, seed in self.holes:
            kept = [each for each in found if not _in_hole(fault, seed, each)]
            if len(kept) < len(found):
                self.met(fault)
            found = kept
        twins = [_twin(each) for each in found if not trading_class and self._is_adjusted(each)]
        return [*found, *twins]

    def _is_adjusted(self, each: Instrument) -> bool:
        fault = next(
            (one for one in self.adjusted if each.is_option and one.text("symbol") in ("all", each.symbol)), None
        )
        if fault is not None:
            self.met(fault)
        return fault is not None

    def option_params(self, underlying_id: int) -> list[OptionParams]:
        """Return a row for each trading class, also of the adjusted one: strikes in a hole are still named."""
        found = self._true.option_params(underlying_id)
        under = self._true.by_id(underlying_id)
        concerned = [each for each in self.adjusted if under and each.text("symbol") in ("all", under.symbol)]
        if not concerned:
            return found
        self.met(concerned[0])
        twins = [each._replace(trading_class=f"2{each.trading_class}", multiplier=10) for each in found]
        return [*twins, *found]

    def symbols(self) -> tuple[str, ...]:
        """Return every underlying symbol listed."""
        return self._true.symbols()


def _in_hole(fault: Fault, seed: int, each: Instrument) -> bool:
    """Say whether a strike is missing; the same one at every answer."""
    if not each.is_option or fault.text("symbol") not in ("all", each.symbol):
        return False
    return seeded_fraction(seed, "hole", fault.place, each.symbol, each.strike) < fault.seconds("share")


def _twin(of: Instrument) -> Instrument:
    """Return what a corporate action would leave beside an option: another class, ten shares instead of a hundred."""
    local = f"2{of.local_symbol}"
    con_id = ShownCatalogue.FIRST_TWIN + of.con_id
    return replace(of, con_id=con_id, trading_class=f"2{of.trading_class}", local_symbol=local, multiplier=10)


# ---------------------------------------------------------------- what is wrong with quotes


def distortion(fault: Fault, market: ShownMarket, one: int | None = None) -> Distortion:
    """Return what a fault does to the quotes of the contracts it is about; `one` is the only one of them."""
    kept: dict[int, list[float]] = {}

    def distort(con_ids: Sequence[int], ticks: TickValues) -> TickValues:
        rows = np.array([_concerns(fault, market, con_id, one) for con_id in con_ids], dtype=bool)
        if fault.kind == "one_stale":
            return _stale(con_ids, rows, ticks, kept)
        return _DISTORT[fault.kind](ticks, rows, fault) if rows.any() else ticks

    return distort


def _concerns(fault: Fault, market: ShownMarket, con_id: int, one: int | None) -> bool:
    if one is not None:
        return con_id == one
    found = market.catalogue.by_id(con_id)
    if found is None or fault.text("symbol") not in ("all", found.symbol):
        return False
    wanted = str(fault.values.get("of", "options"))
    return wanted == "all" or found.is_option is (wanted == "options")


def _stale(con_ids: Sequence[int], rows: Rows, ticks: TickValues, kept: dict[int, list[float]]) -> TickValues:
    for at in np.flatnonzero(rows).tolist():
        first = kept.setdefault(con_ids[at], [float(column[at]) for column in ticks])
        for column, value in zip(ticks, first, strict=True):
            column[at] = value
    return ticks


def _put(ticks: TickValues, rows: Rows, **values: float | Floats) -> TickValues:
    for name, value in values.items():
        column: Floats = getattr(ticks, name)
        column[rows] = value if isinstance(value, float) else value[rows]
    return ticks


def _none(ticks: TickValues, rows: Rows, fault: Fault) -> TickValues:
    return _put(ticks, rows, bid=nan, ask=nan, bid_size=0.0, ask_size=0.0)


def _no_size(ticks: TickValues, rows: Rows, fault: Fault) -> TickValues:
    return _put(ticks, rows, bid_size=0.0, ask_size=0.0)


def _no_bid(ticks: TickValues, rows: Rows, fault: Fault) -> TickValues:
    return _put(ticks, rows, bid=0.0, bid_size=0.0)


def _cross(ticks: TickValues, rows: Rows, fault: Fault) -> TickValues:
    return _put(ticks, rows, bid=ticks.ask + 0.1, ask=ticks.bid.copy())


def _widen(ticks: TickValues, rows: Rows, fault: Fault) -> TickValues:
    return _put(ticks, rows, bid=ticks.bid * _WIDER, ask=ticks.ask * (1 + _WIDER) + _WIDER)


def _spike(ticks: TickValues, rows: Rows, fault: Fault) -> TickValues:
    return _put(ticks, rows, bid=ticks.bid * _SPIKE, ask=ticks.ask * _SPIKE, last=ticks.last * _SPIKE)


def _greeks(ticks: TickValues, rows: Rows, fault: Fault) -> TickValues:
    what = fault.text("what")
    if what == "missing":
        return _put(ticks, rows, **dict.fromkeys(_GREEKS, nan))
    if what == "zero_iv":
        return _put(ticks, rows, iv=0.0, delta=0.0, gamma=0.0, vega=0.0)
    return _put(ticks, rows, delta=-ticks.delta)


_DISTORT: dict[str, Callable[[TickValues, Rows, Fault], TickValues]] = {
    "no_quote": _none,
    "halt": _none,
    "zero_size": _no_size,
    "zero_bid": _no_bid,
    "crossed": _cross,
    "wide_spread": _widen,
    "spike": _spike,
    "bad_greeks": _greeks,
}
OF_MARKET = frozenset({*_DISTORT, "one_stale"})
OF_CHAIN = frozenset({"chain_hole", "adjusted"})
