"""The market as clients are shown it: quotes that are wrong or missing, and contracts that should not be there.

The broker trades on the true market. What is shown differs while a distortion or a change of the chain is on.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, time
from math import nan

import numpy as np
from numpy.typing import NDArray

from twsim.exchange.nbbo import seeded_fraction
from twsim.faults.account import FaultScheduler
from twsim.faults.connection import FaultySession
from twsim.faults.kinds import NEVER_ENDS
from twsim.faults.plan import Event, Fault
from twsim.gateway.hub import ServerState
from twsim.gateway.market_data import begin_line, first_set
from twsim.gateway.wire import MarketDataLine, Session
from twsim.nouns import Instrument
from twsim.seams import Bar, Catalogue, ContractSearch, DayStats, Floats, Market, OptionParams, OptionTotals, TickValues
from twsim.sessions import exchange_date, session_on

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
        return self._behind.catalogue

    @property
    def now(self) -> datetime:
        return self._behind.now

    @property
    def is_open(self) -> bool:
        return self._behind.is_open

    @property
    def is_still(self) -> bool:
        return self._behind.is_still

    def advance(self, at: datetime) -> None:
        self._behind.advance(at)

    def ticks(self, con_ids: Sequence[int]) -> TickValues:
        return self._behind.ticks(con_ids)

    def stats(self, con_id: int) -> DayStats:
        return self._behind.stats(con_id)

    def halted(self, symbol: str) -> bool:
        return self._behind.halted(symbol)

    def bars(self, con_id: int, *, what: str, bar_seconds: int, first: datetime, last: datetime) -> list[Bar]:
        return self._behind.bars(con_id, what=what, bar_seconds=bar_seconds, first=first, last=last)

    def settlement(self, con_id: int, day: date) -> float | None:
        return self._behind.settlement(con_id, day)

    def earnings(self, symbol: str) -> tuple[date, ...]:
        return self._behind.earnings(symbol)

    def volume(self, con_id: int) -> int:
        return self._behind.volume(con_id)

    def open_interest(self, con_id: int) -> int:
        return self._behind.open_interest(con_id)

    def option_totals(self, underlying_id: int) -> OptionTotals:
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
        found = self.shown.ticks(con_ids)
        for each in self.distortions:
            found = each(con_ids, TickValues(*(column.copy() for column in found)))
        return found


class ShownCatalogue:
    """The listings, without the holes, and with an adjusted duplicate of each option of `adjusted`."""

    FIRST_DUPLICATE = 3_000_000_000
    """Contract ids of duplicates begin here."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self.holes: list[tuple[Fault, int]] = []
        self.adjusted: list[Fault] = []
        self.met: Callable[[Fault], None] = lambda _: None

    @property
    def _true(self) -> Catalogue:
        return self._market.catalogue

    def ticks(self, con_ids: Sequence[int]) -> TickValues:
        """Return true quotes; a duplicate is quoted as its original."""
        return self._market.ticks([each % self.FIRST_DUPLICATE for each in con_ids])

    def by_id(self, con_id: int) -> Instrument | None:
        found = self._true.by_id(con_id % self.FIRST_DUPLICATE)
        return found if found is None or con_id < self.FIRST_DUPLICATE else _duplicate(found)

    def underlying(self, symbol: str) -> Instrument | None:
        return self._true.underlying(symbol)

    def search(self, asked: ContractSearch) -> list[Instrument]:
        found = self._true.search(asked)
        for fault, seed in self.holes:
            kept = [each for each in found if not _in_hole(fault, seed, each)]
            if len(kept) < len(found):
                self.met(fault)
            found = kept
        duplicates = [_duplicate(each) for each in found if not asked.trading_class and self._is_adjusted(each)]
        return [*found, *duplicates]

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
        duplicates = [each._replace(trading_class=f"2{each.trading_class}", multiplier=10) for each in found]
        return [*duplicates, *found]

    def symbols(self) -> tuple[str, ...]:
        return self._true.symbols()


def _in_hole(fault: Fault, seed: int, each: Instrument) -> bool:
    """Say whether a strike is missing; the same one at every answer."""
    if not each.is_option or fault.text("symbol") not in ("all", each.symbol):
        return False
    return seeded_fraction(seed, "hole", fault.place, each.symbol, each.strike) < fault.seconds("share")


def _duplicate(of: Instrument) -> Instrument:
    """Return an option as after a corporate action: another class, ten shares instead of a hundred."""
    local = f"2{of.local_symbol}"
    con_id = ShownCatalogue.FIRST_DUPLICATE + of.con_id
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


# --- Faults of market data

NOT_SUBSCRIBED = {
    354: "Requested market data is not subscribed.Delayed market data is available.",
    10089: "Requested market data requires additional subscription for API. See link in 'Market Data Connections' "
    "dialog for more details.Delayed market data is available.",
    10167: "Requested market data is not subscribed. Displaying delayed market data.",
    10197: "No market data during competing live session",
}

SNAPSHOT_SECONDS = 11
"""How long the gateway waits for what a snapshot lacks, before it ends it."""


class QuoteFaults:
    """Knows why quotes are stopped, and which symbols are not subscribed or delayed. `fired` gets affected lines."""

    def __init__(self, hub: ServerState, agenda: FaultScheduler, fired: Callable[[Fault], None]) -> None:
        self._hub = hub
        self._agenda = agenda
        self._fired = fired
        self._quiet: Counter[str] = Counter()
        self._competing = False
        self._standing: list[Fault] = []
        self._limits: list[Fault] = []
        self.data_type = 1
        """The market data type that is sent to lines while no quotes are."""

    @property
    def stopped(self) -> bool:
        """True while no quotes go out."""
        return bool(self._quiet)

    def stop(self, why: str) -> None:
        """Let no quotes go out."""
        self._quiet[why] += 1

    def resume(self, why: str) -> None:
        """Let quotes flow again; every line is sent its present set."""
        self._quiet[why] -= 1
        self._quiet = +self._quiet
        if self._quiet:
            return
        for session in self._hub.sessions.values():
            for line in session.wants.lines.values():
                (first_set if line.is_started else begin_line)(self._hub, session, line)
        self._hub.feed.sent_again()

    def farm_down(self, fault: Fault, event: Event) -> None:
        """Break a market data farm, for a time."""
        farm = fault.text("farm")
        self.stop("farm")
        self._hub.announce(2103, f"Market data farm connection is broken:{farm}")
        self._agenda.later(fault.seconds(), lambda: self._farm_up(fault))

    def _farm_up(self, fault: Fault) -> None:
        self._hub.announce(2104, f"Market data farm connection is OK:{fault.text('farm')}")
        if fault.text("lines") == "die":
            for session in self._hub.sessions.values():
                self._forget(session, list(session.wants.lines))
        self.resume("farm")

    def die(self, fault: Fault, event: Event) -> None:
        """End lines silently: only a new request gets quotes again."""
        for session in self._hub.sessions.values():
            lines = [line for line in session.wants.lines.values() if self._is_of(fault, session, line)]
            dying = [line.req_id for line in lines if self._is_kind(fault, line)]
            if dying:
                self._fired(fault)
                self._forget(session, dying)

    def _forget(self, session: Session, req_ids: list[int]) -> None:
        for req_id in req_ids:
            del session.wants.lines[req_id]
            session.wants.dead.add(req_id)
        self._hub.feed.lines_changed()

    def _is_kind(self, fault: Fault, line: MarketDataLine) -> bool:
        """Say whether a line is of an underlying, or of options, as a fault says."""
        is_option = line.instrument is None or line.instrument.is_option
        return fault.text("of") in ("all", "options" if is_option else "underlying")

    def compete(self, fault: Fault, event: Event) -> None:
        """Let another session of the user have the data."""
        self.stop("session")
        self._competing = True
        for session in self._hub.sessions.values():
            for req_id in session.wants.lines:
                session.error(req_id, 10197, NOT_SUBSCRIBED[10197])
        if (seconds := fault.seconds()) != NEVER_ENDS:
            self._agenda.later(seconds, self._end_competition)

    def _end_competition(self) -> None:
        self._competing = self._quiet["session"] > 1
        self.resume("session")

    def stand(self, fault: Fault, event: Event) -> None:
        """Let a symbol be not subscribed, or delayed, from now on."""
        self._standing.append(fault)

    def limit_lines(self, fault: Fault) -> Callable[[], None]:
        """Let no further line be opened; return what ends that."""
        self._limits.append(fault)
        return lambda: self._limits.remove(fault)

    def calm(self) -> None:
        """Let every line that is asked for from now on open as it should."""
        self._standing.clear()

    def opens(self, session: Session, line: MarketDataLine, *, snapshot: bool) -> bool:
        """Say whether a line opens as it should: refused, delayed, or silent while quotes are stopped."""
        if isinstance(session, FaultySession):
            session.delayed.discard(line.req_id)
        for fault in self._limits:
            self._fired(fault)
            session.error(line.req_id, 101, "Max number of tickers has been reached")
            return False
        for fault in self._standing:
            if self._is_of(fault, session, line) and not self._opens_so(fault, session, line):
                return False
        if self._competing:
            session.error(line.req_id, 10197, NOT_SUBSCRIBED[10197])
            return False
        if self.stopped:
            self._open_silently(session, line, snapshot)
            return False
        return True

    def _open_silently(self, session: Session, line: MarketDataLine, snapshot: bool) -> None:
        """Open a line that gets its data when quotes flow again; a snapshot ends without any."""
        if self.data_type != 1:
            session.send(58, 1, line.req_id, self.data_type)
        if snapshot:
            self._agenda.later(SNAPSHOT_SECONDS, lambda: session.send(57, 1, line.req_id))
            return
        session.wants.lines[line.req_id] = line
        self._hub.feed.lines_changed()

    def _is_of(self, fault: Fault, session: Session, line: MarketDataLine) -> bool:
        if fault.client not in (None, session.client_id):
            return False
        if fault.text("symbol") == "all":
            return True
        found = [self._hub.market.catalogue.by_id(con_id) for con_id in line.con_ids]
        return any(each is not None and each.symbol == fault.text("symbol") for each in found)

    def _opens_so(self, fault: Fault, session: Session, line: MarketDataLine) -> bool:
        self._fired(fault)
        if fault.kind == "not_subscribed":
            code = int(fault.text("code"))
            session.error(line.req_id, code, NOT_SUBSCRIBED[code])
            return False
        if session.wants.data_type not in (3, 4):
            session.error(line.req_id, 354, NOT_SUBSCRIBED[354])
            return False
        session.error(line.req_id, 10167, NOT_SUBSCRIBED[10167])
        if isinstance(session, FaultySession):
            session.delayed.add(line.req_id)
        return True


# --- Faults of what clients are shown of the market begin and end here

MARKET_DATA_TYPE = 58
LIVE, FROZEN = 1, 2


class ViewFaults:
    """Knows which views of the market are wrong. `fired` gets a fault when it changes something."""

    def __init__(
        self, hub: ServerState, agenda: FaultScheduler, quotes: QuoteFaults, fired: Callable[[Fault], None]
    ) -> None:
        self._hub = hub
        self._agenda = agenda
        self._quotes = quotes
        self._fired = fired
        self._ends: dict[int, Callable[[], None]] = {}
        self._number = 0
        self._met: set[int] = set()
        if isinstance(hub.market, ShownMarket):
            hub.market.shown.met = self._once

    def _begin(self, fault: Fault, end: Callable[[], None], *, is_met: bool = True) -> None:
        """Let a fault end when its seconds are over. is_met: it changes something from now on."""
        if is_met:
            self._fired(fault)
        self._number += 1
        number = self._number
        self._ends[number] = end
        seconds = float(fault.values.get("seconds", NEVER_ENDS))
        if seconds != NEVER_ENDS:
            self._agenda.later(seconds, lambda: self._end(number))

    def calm(self) -> None:
        """End all of them."""
        for number in sorted(self._ends):
            self._end(number)

    def _end(self, number: int) -> None:
        if (end := self._ends.pop(number, None)) is not None:
            end()

    def _once(self, fault: Fault) -> None:
        if fault.place not in self._met:
            self._met.add(fault.place)
            self._fired(fault)

    # ------------------------------------------------------------ kinds

    def _market(self) -> ShownMarket:
        assert isinstance(self._hub.market, ShownMarket)
        return self._hub.market

    def adjust(self, fault: Fault, event: Event) -> None:
        """Show an adjusted duplicate of each option."""
        shown = self._market().shown
        shown.adjusted.append(fault)
        self._begin(fault, lambda: shown.adjusted.remove(fault), is_met=False)

    def make_hole(self, fault: Fault, event: Event) -> None:
        """Leave strikes out of the chain."""
        shown = self._market().shown
        hole = fault, self._hub.settings.seed
        shown.holes.append(hole)
        self._begin(fault, lambda: shown.holes.remove(hole), is_met=False)

    def limit_lines(self, fault: Fault, event: Event) -> None:
        """Let no further line be opened."""
        self._begin(fault, self._quotes.limit_lines(fault), is_met=False)

    def freeze(self, fault: Fault, event: Event) -> None:
        """Show the last values, marked as frozen."""
        self._quotes.stop("frozen")
        self._report_data_type(FROZEN)
        self._quotes.data_type = FROZEN

        def thaw() -> None:
            self._quotes.data_type = LIVE
            self._report_data_type(LIVE)
            self._quotes.resume("frozen")

        self._begin(fault, thaw)

    def shorten(self, fault: Fault, event: Event) -> None:
        """End the day early, or do not trade at all, in contract details, orders and quotes."""
        session = session_on(exchange_date(self._hub.at))
        if session is None:
            return
        close = None if fault.text("close") == "closed" else session.at(time.fromisoformat(fault.text("close")))
        self._hub.short_days[session.date] = close
        stops = max(0.0, ((close or session.open) - self._hub.at).total_seconds())
        lasts = (session.close - self._hub.at).total_seconds() - stops
        halt = replace(fault, kind="halt", values={"symbol": "all", "seconds": lasts})
        if lasts > 0:
            self._agenda.later(stops, lambda: self.halt(halt, event))
        self._begin(fault, self._hub.short_days.clear)

    def _report_data_type(self, kind: int) -> None:
        for session in self._hub.sessions.values():
            for req_id in session.wants.lines:
                session.send(MARKET_DATA_TYPE, 1, req_id, kind)

    def distort(self, fault: Fault, event: Event) -> None:
        """Show wrong quotes."""
        self._begin(fault, self._distorted(fault))

    def make_stale(self, fault: Fault, event: Event) -> None:
        """Let one option that is streamed keep its quote."""
        if (one := self._streamed_option(fault)) is not None:
            self._begin(fault, self._distorted(fault, one))

    def halt(self, fault: Fault, event: Event) -> None:
        """Halt trading, and show no quotes."""
        resume = self._distorted(fault)
        halts, symbol = self._market().true.halts, fault.text("symbol")
        halts.append(symbol)

        def end() -> None:
            resume()
            halts.remove(symbol)

        self._begin(fault, end)

    def _distorted(self, fault: Fault, one: int | None = None) -> Callable[[], None]:
        """Distort quotes, those of all or of one contract; return what ends it."""
        market = self._market()
        wrong: Distortion = distortion(fault, market, one)
        market.distortions.append(wrong)
        return lambda: market.distortions.remove(wrong)

    def _streamed_option(self, fault: Fault) -> int | None:
        """Return one of the options that are streamed, drawn from the seed; None when there is none."""
        lines = (line for session in self._hub.sessions.values() for line in session.wants.lines.values())
        found = sorted(
            {line.instrument.con_id for line in lines if line.instrument is not None and line.instrument.is_option}
        )
        if not found:
            return None
        return found[int(seeded_fraction(self._hub.settings.seed, "stale", fault.place, self._hub.now) * len(found))]
