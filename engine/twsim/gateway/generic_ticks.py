"""Generic ticks: what a number in the list of reqMktData brings beside the quotes.

Sent when a line opens, and what changes of them once a minute; only type numbers that every client knows.
"""

from datetime import timedelta

from twsim.gateway.hub import ServerState
from twsim.gateway.lines import MarketDataLine
from twsim.gateway.session import Session
from twsim.instrument import Instrument, SecType
from twsim.seams import Bar

GENERICS = frozenset(
    {100, 101, 104, 105, 106, 162, 165, 221, 225, 232, 233, 236, 256, 258, 292, 293, 294, 295, 318, 375, 411, 456}
    | {460, 577, 586, 588, 595, 619}
)
"""Every number the API lists; those the simulator has nothing for bring nothing."""
REFRESH_SECONDS = 60


def send_generics(hub: ServerState, session: Session, line: MarketDataLine) -> None:
    """Send the ticks of the numbers in the line's list."""
    found = line.instrument
    if found is None:
        return
    for number in sorted(line.generics):
        if number in (100, 101):
            _option_counts(hub, session, line.req_id, found, number)
        elif number in (104, 106) and not found.is_option:
            _volatility(hub, session, line.req_id, found, number)
        elif number == 165 and not found.is_option:
            _year(hub, session, line.req_id, found)
        elif number in (221, 232):
            _mark(hub, session, line.req_id, found)
        elif number == 236 and found.sec_type is SecType.STOCK:
            session.send(45, 6, line.req_id, 46, "3.0")
            session.send(2, 6, line.req_id, 89, 1_000_000)


def refresh(hub: ServerState) -> None:
    """Send once a minute what changes of them while a line is open, and the volume of options."""
    if hub.now % REFRESH_SECONDS or not hub.market.is_open:
        return
    for session, line, found in hub.feed.counted:
        if found.is_option:
            session.send(2, 6, line.req_id, 8, hub.market.volume(found.con_id))
        elif 100 in line.generics:
            _option_counts(hub, session, line.req_id, found, 100)
        if 106 in line.generics and not found.is_option:
            _volatility(hub, session, line.req_id, found, 106)


def _option_counts(hub: ServerState, session: Session, req_id: int, found: Instrument, number: int) -> None:
    """Send call and put volume (29, 30) or open interest (27, 28); an underlying has the sums over its options."""
    first = 29 if number == 100 else 27
    calls, puts = _own_count(hub, found, number) if found.is_option else _sums(hub, found, number)
    session.send(2, 6, req_id, first, calls)
    session.send(2, 6, req_id, first + 1, puts)


def _own_count(hub: ServerState, found: Instrument, number: int) -> tuple[int, int]:
    counted = hub.market.volume(found.con_id) if number == 100 else hub.market.open_interest(found.con_id)
    return (counted, 0) if found.right == "C" else (0, counted)


def _sums(hub: ServerState, found: Instrument, number: int) -> tuple[int, int]:
    totals = hub.market.option_totals(found.con_id)
    if number == 100:
        return totals.call_volume, totals.put_volume
    return totals.call_open_interest, totals.put_open_interest


def _daily(hub: ServerState, found: Instrument, what: str, days: int) -> list[Bar]:
    return _bars(hub, found, what, 86400, timedelta(days=days))


def _bars(hub: ServerState, found: Instrument, what: str, seconds: int, back: timedelta) -> list[Bar]:
    first = hub.at - back
    return hub.market.bars(found.con_id, what=what, bar_seconds=seconds, first=first, last=hub.at, regular_hours=True)


def _volatility(hub: ServerState, session: Session, req_id: int, found: Instrument, number: int) -> None:
    """Send historical (23) or implied (24) volatility, an annual fraction."""
    what, kind = ("HISTORICAL_VOLATILITY", 23) if number == 104 else ("OPTION_IMPLIED_VOLATILITY", 24)
    if bars := _bars(hub, found, what, 60, timedelta(minutes=1)) or _daily(hub, found, what, 7):
        session.send(45, 6, req_id, kind, round(bars[-1].close, 6))


def _year(hub: ServerState, session: Session, req_id: int, found: Instrument) -> None:
    """Send the low and high of 13, 26 and 52 weeks (15 to 20) and the average daily volume (21)."""
    bars = _daily(hub, found, "TRADES", 365)
    for kind, recent in ((15, bars[-65:]), (17, bars[-130:]), (19, bars)):
        if recent:
            session.send(1, 6, req_id, kind, round(min(bar.low for bar in recent), 2), 0, 0)
            session.send(1, 6, req_id, kind + 1, round(max(bar.high for bar in recent), 2), 0, 0)
    if (quarter := bars[-90:]) and found.sec_type is SecType.STOCK:
        session.send(2, 6, req_id, 21, sum(bar.volume for bar in quarter) // len(quarter))


def _mark(hub: ServerState, session: Session, req_id: int, found: Instrument) -> None:
    """Send the mark price (37): the middle of the quote, or the last."""
    ticks = hub.market.ticks((found.con_id,))
    bid, ask, last = float(ticks.bid[0]), float(ticks.ask[0]), float(ticks.last[0])
    mark = (bid + ask) / 2 if bid == bid and ask == ask else last
    if mark == mark:
        session.send(1, 6, req_id, 37, round(mark, 4), 0, 0)
