"""Faults of what clients are shown of the market begin and end here: quotes, chains, halts, and lines."""

from collections.abc import Callable
from dataclasses import replace
from datetime import time

from rulebot.model.session import exchange_date, session_on
from twsim.exchange.chance import seeded_fraction
from twsim.gateway.fault_agenda import FaultScheduler
from twsim.gateway.fault_kinds import NEVER_ENDS
from twsim.gateway.fault_market import OF_CHAIN, OF_MARKET, Distortion, ShownMarket, distortion
from twsim.gateway.fault_plan import Fault
from twsim.gateway.fault_quotes import QuoteFaults
from twsim.gateway.hub import ServerState

OF_VIEWS = OF_MARKET | OF_CHAIN | {"frozen", "line_limit", "short_day"}
MARKET_DATA_TYPE = 58
LIVE, FROZEN = 1, 2


class ViewFaults:
    """Knows which views of the market are wrong. `fired` hears of a fault when it changes something."""

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

    def begin(self, fault: Fault, client_id: int | None) -> None:
        """Let a fault begin, and end when its seconds are over."""
        end: Callable[[], None] | None
        if fault.kind in OF_CHAIN:
            end = self._change_chain(fault)
        elif fault.kind == "line_limit":
            end = self._quotes.limit_lines(fault)
        elif fault.kind == "frozen":
            end = self._freeze()
        elif fault.kind == "short_day":
            end = self._shorten(fault)
        else:
            end = self._distort(fault)
        if end is None:
            return
        if fault.kind not in OF_CHAIN and fault.kind != "line_limit":
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

    def _change_chain(self, fault: Fault) -> Callable[[], None]:
        shown = self._market().shown
        if fault.kind == "adjusted":
            shown.adjusted.append(fault)
            return lambda: shown.adjusted.remove(fault)
        hole = fault, self._hub.settings.seed
        shown.holes.append(hole)
        return lambda: shown.holes.remove(hole)

    def _freeze(self) -> Callable[[], None]:
        """Show what stood last, marked as frozen."""
        self._quotes.stop("frozen")
        self._tell_type(FROZEN)
        self._quotes.data_type = FROZEN

        def thaw() -> None:
            self._quotes.data_type = LIVE
            self._tell_type(LIVE)
            self._quotes.resume("frozen")

        return thaw

    def _shorten(self, fault: Fault) -> Callable[[], None] | None:
        """Let the day end early, or not trade at all, as contracts tell it and as orders and quotes find it."""
        session = session_on(exchange_date(self._hub.at))
        if session is None:
            return None
        close = None if fault.text("close") == "closed" else session.at(time.fromisoformat(fault.text("close")))
        self._hub.short_days[session.date] = close
        stops = max(0.0, ((close or session.open) - self._hub.at).total_seconds())
        lasts = (session.close - self._hub.at).total_seconds() - stops
        halt = replace(fault, kind="halt", values={"symbol": "all", "seconds": lasts})
        if lasts > 0:
            self._agenda.later(stops, lambda: self.begin(halt, None))
        return self._hub.short_days.clear

    def _tell_type(self, kind: int) -> None:
        for session in self._hub.sessions.values():
            for req_id in session.wants.lines:
                session.send(MARKET_DATA_TYPE, 1, req_id, kind)

    def _distort(self, fault: Fault) -> Callable[[], None] | None:
        market = self._market()
        one = self._streamed_option(fault) if fault.kind == "one_stale" else None
        if fault.kind == "one_stale" and one is None:
            return None
        wrong: Distortion = distortion(fault, market, one)
        market.distortions.append(wrong)
        if fault.kind != "halt":
            return lambda: market.distortions.remove(wrong)
        symbol = fault.text("symbol")
        market.true.halts.append(symbol)

        def resume() -> None:
            market.distortions.remove(wrong)
            market.true.halts.remove(symbol)

        return resume

    def _streamed_option(self, fault: Fault) -> int | None:
        """Return one of the options that are streamed, drawn from the seed; None when there is none."""
        lines = (line for session in self._hub.sessions.values() for line in session.wants.lines.values())
        found = sorted(
            {line.instrument.con_id for line in lines if line.instrument is not None and line.instrument.is_option}
        )
        if not found:
            return None
        return found[int(seeded_fraction(self._hub.settings.seed, "stale", fault.place, self._hub.now) * len(found))]
