"""Market data requests: lines, snapshots, types, and the first full set of ticks of a line."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import chain

from twsim.exchange.nbbo import combo_tick_rule, weighted
from twsim.gateway.contracts import min_tick
from twsim.gateway.hub import ServerState
from twsim.gateway.parse import ContractQuery, contract_query, matches, no_contract, quote_legs
from twsim.gateway.tick_feed import (
    COMPUTATION,
    LAST_SIZE,
    NO_PRICE,
    PRICE,
    SIZE,
    GreeksPrinter,
    Piece,
    PrintedBoard,
    ask_tail,
    bid_tail,
    board,
    combo_pieces,
    in_lots,
    last_tail,
    size_tail,
)
from twsim.gateway.wire import Fields, MalformedError, MarketDataLine, Session, digits, text
from twsim.nouns import Instrument, SecType
from twsim.seams import Bar, TicketLeg

# --- Generic ticks

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
    return hub.market.bars(found.con_id, what=what, bar_seconds=seconds, first=first, last=hub.at)


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


# --- Market data requests

INVALID = "Error validating request.-'bP' : cause - "
PROCESSING = "Error processing request.-'bW' : cause - "
_OF_ONE = GreeksPrinter([0], 1)
"""Prints the computation of a board of one option."""


def market_data(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 1: open a line, or send one snapshot."""
    fields.skip()
    req_id, query = fields.integer(), contract_query(fields)
    legs = quote_legs(fields) if query.is_combo else ()
    if fields.flag():
        fields.skip(3)
    generics, snapshot = _generic_list(fields.text()), fields.flag()
    refusal = _refusal(hub, session, req_id, generics, snapshot)
    if refusal is not None:
        session.error(req_id, *refusal)
        return
    line = _line(hub, session, req_id, query, legs)
    if line is None:
        return
    line.generics = frozenset(generics or ())
    if hub.faults is not None and not hub.faults.opens(session, line, snapshot=snapshot):
        return
    begin_line(hub, session, line)
    if snapshot:
        session.send(57, 1, line.req_id)
        return
    session.wants.lines[line.req_id] = line
    hub.feed.lines_changed()


def quote_together(hub: ServerState, payloads: Sequence[bytes]) -> None:
    """Quote at once what these requests of message 1 will show: one by one each costs about as much as all of them.

    A contract has one quote in an instant, so nothing else comes of it.
    """
    asked = (_option_asked_for(hub, payload) for payload in payloads) if len(payloads) > 1 else ()
    if con_ids := tuple(dict.fromkeys(each for each in asked if each is not None)):
        hub.market.ticks(con_ids)


def _option_asked_for(hub: ServerState, payload: bytes) -> int | None:
    """Return the option of a request, None for any other or unreadable contract, which is refused later."""
    fields = Fields(payload)
    try:
        fields.skip(3)
        query = contract_query(fields)
    except MalformedError:
        return None
    found = matches(hub.market.catalogue, query) if query.sec_type == "OPT" else []
    return found[0].con_id if len(found) == 1 else None


def _generic_list(words: str) -> list[int] | None:
    """Read the list of generic ticks; None when a part is no number. News and fundamentals parts are passed over."""
    parts = [part.strip().split(":")[0] for part in words.split(",")]
    wanted = [digits(part) for part in parts if part and part != "mdoff"]
    known = [number for number in wanted if number is not None]
    return known if len(known) == len(wanted) else None


def _refusal(
    hub: ServerState, session: Session, req_id: int, generics: list[int] | None, snapshot: bool
) -> tuple[int, str] | None:
    if generics is None or any(number not in GENERICS for number in generics):
        return 321, INVALID + "Incorrect generic tick list."
    if snapshot and generics:
        return 321, INVALID + "Snapshot market data subscription is not applicable to generic ticks"
    if req_id in session.wants.lines or req_id in session.wants.dead:
        return 322, PROCESSING + "Duplicate ticker id"
    if not snapshot and hub.lines_used() >= hub.settings.max_lines:
        return 101, "Max number of tickers has been reached"
    return None


def _line(
    hub: ServerState, session: Session, req_id: int, query: ContractQuery, legs: tuple[TicketLeg, ...]
) -> MarketDataLine | None:
    """Resolve the contract; answers the error and returns None when there is not exactly one."""
    if query.is_combo:
        return _combo_line(hub, session, req_id, legs)
    found = matches(hub.market.catalogue, query)
    if query.exchange and len(found) > 1:
        found = [each for each in found if each.exchange == query.exchange] or found
    if len(found) != 1:
        session.error(req_id, 200, no_contract(len(found), query))
        return None
    return MarketDataLine(req_id, found[0])


def _combo_line(hub: ServerState, session: Session, req_id: int, legs: tuple[TicketLeg, ...]) -> MarketDataLine | None:
    known = [each for leg in legs if (each := hub.market.catalogue.by_id(leg.con_id)) is not None]
    if not legs or len(known) < len(legs) or any(leg.ratio < 1 for leg in legs):
        session.error(req_id, 321 if not legs else 200, "Invalid combo legs")
        return None
    parts = weighted([(each, 1, leg.ratio) for each, leg in zip(known, legs, strict=True)])
    step = text(combo_tick_rule(known).tick(Decimal(0)))
    return MarketDataLine(req_id, None, legs, tuple(float(part.weight) for part in parts), step)


def begin_line(hub: ServerState, session: Session, line: MarketDataLine) -> None:
    """Send a line its type, its tick size, all present values, and the generic ticks of its list."""
    frozen = session.wants.data_type in (2, 4) and not hub.market.is_open
    session.send(58, 1, line.req_id, 2 if frozen else 1)
    tick = line.min_tick if line.instrument is None else min_tick(line.instrument)
    session.send(81, line.req_id, tick, "9c0001", 3)
    first_set(hub, session, line)
    send_generics(hub, session, line)
    line.is_started = True


def first_set(hub: ServerState, session: Session, line: MarketDataLine) -> None:
    """Send a line all present values."""
    rows = board(hub.market.ticks(line.con_ids))
    if line.instrument is None:
        pieces = combo_pieces(line, rows, list(range(len(line.legs))))
    else:
        pieces = _quote_pieces(line.instrument, rows)
    if session.wants_lots(line.instrument):
        pieces = [(heads, in_lots(heads, tail)) for heads, tail in pieces]
    for heads, tail in pieces:
        session.send_raw(heads[len(line.rid) + len(tail)] + line.rid + tail, 1)
    if line.instrument is not None:
        _send_statistics(hub, session, line, line.instrument)


def _quote_pieces(found: Instrument, rows: PrintedBoard) -> list[Piece]:
    is_index = found.sec_type is SecType.INDEX
    pieces: list[Piece] = []
    if not is_index:
        pieces += [(PRICE, bid_tail(rows.bids()[0])), (SIZE, size_tail(0, rows.bid_sizes()[0]))]
        pieces += [(PRICE, ask_tail(rows.asks()[0])), (SIZE, size_tail(3, rows.ask_sizes()[0]))]
    if (last := rows.lasts()[0]) != NO_PRICE:
        pieces.append((PRICE, last_tail(last, not is_index)))
        pieces += [] if is_index else [(SIZE, LAST_SIZE)]
    if found.is_option:
        pieces.append((COMPUTATION, _OF_ONE.tails(rows.values)[0]))
    return pieces


def _send_statistics(hub: ServerState, session: Session, line: MarketDataLine, found: Instrument) -> None:
    """Send high, low, close and open (6, 7, 9, 14), volume (8), and halted (49)."""
    day = hub.market.stats(found.con_id)
    for kind, price in ((6, day.high), (7, day.low), (9, day.previous_close), (14, day.open)):
        if price is not None:
            session.send(1, 6, line.req_id, kind, round(price, 2), 0, 0)
    if found.sec_type is not SecType.INDEX:
        session.send(2, 6, line.req_id, 8, day.volume)
        session.send(45, 6, line.req_id, 49, 1 if hub.market.halted(found.symbol) else 0)
    line.sent = (day.high, day.low, day.previous_close, day.open, day.volume)


def send_halts(hub: ServerState) -> None:
    """Send halted (49) to the lines of underlyings that were halted or resumed."""
    lines = hub.feed.lines_of
    now = {symbol for symbol in lines if hub.market.halted(symbol)}
    moved, hub.halted = now ^ hub.halted, now
    for symbol in sorted(moved):
        for session, line, _ in lines.get(symbol, ()):
            session.send(45, 6, line.req_id, 49, 1 if symbol in now else 0)


def send_day_changes(hub: ServerState) -> None:
    """Send what moved of the day's statistics of underlyings, and of options when a session starts."""
    starts_day = hub.timeline.starts_day(hub.now)
    lines = hub.feed.lines_of.values() if starts_day else (hub.feed.underlyings,)
    for session, line, found in chain.from_iterable(lines):
        _send_moved(hub, session, line, found)


def _send_moved(hub: ServerState, session: Session, line: MarketDataLine, found: Instrument) -> None:
    day = hub.market.stats(found.con_id)
    now = (day.high, day.low, day.previous_close, day.open, day.volume)
    old, line.sent = line.sent, now
    if old == now:
        return
    for kind, before, price in zip((6, 7, 9, 14), old, now, strict=False):
        if isinstance(price, float) and price != before:
            session.send(1, 6, line.req_id, kind, round(price, 2), 0, 0)
    if found.sec_type is not SecType.INDEX and old[4:] != now[4:]:
        session.send(2, 6, line.req_id, 8, day.volume)


def cancel_market_data(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 2; an unknown id is 300."""
    fields.skip()
    req_id = fields.integer()
    if req_id in session.wants.dead:
        session.wants.dead.discard(req_id)
        return
    if session.wants.lines.pop(req_id, None) is None:
        session.error(req_id, 300, f"Can't find EId with tickerId:{req_id}")
        return
    hub.feed.lines_changed()


def market_data_type(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 59: 1 live, 2 frozen, 3 delayed, 4 delayed-frozen; live data is subscribed here, so 3 changes nothing."""
    fields.skip()
    kind = fields.integer()
    if kind not in (1, 2, 3, 4):
        session.error(-1, 321, INVALID + "Invalid market data type")
        return
    session.wants.data_type = kind
