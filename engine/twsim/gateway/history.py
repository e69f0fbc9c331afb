"""Historical bars, schedules, head timestamps, bars kept up to date, and five-second bars."""

from dataclasses import replace
from datetime import date, datetime, timedelta

from twsim.gateway.hub import ServerState
from twsim.gateway.parse import contract_query, matches, no_contract, quote_legs
from twsim.gateway.wire import (
    BarRequest,
    Fields,
    KeptBars,
    MalformedError,
    Session,
    Value,
    digits,
    exchange_time,
    request_time,
    symbol_out,
)
from twsim.seams import Bar
from twsim.sessions import EXCHANGE_ZONE, FIRST_YEAR, CalendarError, session_before, session_on, sessions

INVALID = "Error validating request.-'bO' : cause - "
INVALID_DURATION = INVALID + "Historical data query duration is invalid"
NO_DATA = "Historical Market Data Service error message:HMDS query returned no data: "
TOO_LONG = "Historical Market Data Service error message:Time length exceed max."
MOST_STEPS = 1_100_000
"""The longest duration in bars, nights and weekends included: more would not go into one message that clients take."""
DAY, WEEK, MONTH = 86400, 7 * 86400, 30 * 86400

_OLDEST = datetime(FIRST_YEAR, 1, 2, tzinfo=EXCHANGE_ZONE)
"""No bars are older: the calendar of earlier days is unknown here."""
_UNITS = {"S": 1, "D": DAY, "W": WEEK, "M": MONTH, "Y": 365 * DAY}
_MOST = {
    "S": ("seconds", DAY, "days"),
    "D": ("days", 365, "years"),
    "W": ("weeks", 52, "years"),
    "M": ("months", 12, "years"),
}
_SIZES = {"sec": 1, "secs": 1, "min": 60, "mins": 60, "hour": 3600, "hours": 3600, "day": DAY, "D": DAY, "d": DAY}
_SIZES |= {"week": WEEK, "W": WEEK, "w": WEEK, "month": MONTH, "M": MONTH, "m": MONTH}
_COUNTS = {1: (1, 5, 10, 15, 30), 60: (1, 2, 3, 5, 10, 15, 20, 30), 3600: (1, 2, 3, 4, 8), DAY: (1,), WEEK: (1,)}
_COUNTS |= {MONTH: (1,)}
_SHOWN = {"TRADES", "MIDPOINT", "BID", "ASK", "BID_ASK", "OPTION_IMPLIED_VOLATILITY", "HISTORICAL_VOLATILITY"}


class _RefusedError(Exception):
    """A request to answer with an error."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


def bar_seconds(words: str) -> int | None:
    """Read a bar size such as `1 min`, `30 secs`, `1 day`; None when there is no such size."""
    number, _, unit = words.strip().partition(" ")
    size, count = _SIZES.get(unit.strip()), digits(number)
    if size is None or count not in _COUNTS[size]:
        return None
    return count * size


def _end(words: str, now: datetime) -> datetime:
    """Read an end time: blank, `YYYYMMDD HH:MM:SS zone`, or UTC with a hyphen; never after now."""
    words = words.strip()
    if not words:
        return now
    try:
        return min(request_time(words), now)
    except MalformedError:
        raise _RefusedError(321, INVALID + "Invalid date format") from None


def _sessions_back(end: datetime, count: int) -> datetime:
    """Return the start of the day on which the last `count` sessions up to `end` begin."""
    local = end.astimezone(EXCHANGE_ZONE).date()
    found = session_on(local)
    if found is None or found.open > end:
        found = session_before(local)
    for _ in range(count - 1):
        found = session_before(found.date)
    return found.open - timedelta(hours=5, minutes=30)


def _start(words: str, end: datetime) -> datetime:
    """Read a duration such as `1 Y`, `30 D`, `3600 S`; days are sessions. Raises: _RefusedError.

    As with the real gateway more than 86,400 seconds, 365 days, 52 weeks or 12 months need a longer unit.
    """
    number, _, unit = words.strip().partition(" ")
    unit, count = unit.strip().upper()[:1], digits(number)
    if not count or unit not in _UNITS:
        raise _RefusedError(321, INVALID_DURATION)
    name, most, longer = _MOST.get(unit, ("", count, ""))
    if count > most:
        reported = f"Historical data requests for durations longer than {most} {name} must be made in {longer}."
        raise _RefusedError(321, INVALID + reported)
    try:
        return (
            _sessions_back(end, count) if unit == "D" else max(end - timedelta(seconds=count * _UNITS[unit]), _OLDEST)
        )
    except (CalendarError, OverflowError):  # before any day that is known here
        raise _RefusedError(321, INVALID_DURATION) from None


def _when(at: date | datetime, request: BarRequest, version: int) -> str:
    if not isinstance(at, datetime):
        return f"{at:%Y%m%d}"
    if request.epochs:
        return str(int(at.timestamp()))
    return _stamp(at, version)


def _stamp(at: datetime, version: int) -> str:
    return exchange_time(at) if version >= 174 else f"{at.astimezone(EXCHANGE_ZONE):%Y%m%d  %H:%M:%S}"


def _bars(hub: ServerState, request: BarRequest) -> list[Bar]:
    size = min(request.bar_seconds, DAY)
    found = hub.market.bars(
        request.found.con_id,
        what=request.what,
        bar_seconds=size,
        first=request.first,
        last=request.last,
    )
    return found if request.bar_seconds <= DAY else _joined(found, request.bar_seconds)


def _joined(bars: list[Bar], size: int) -> list[Bar]:
    """Put daily bars together into weeks or months, dated by their first day."""
    groups: dict[tuple[int, ...], list[Bar]] = {}
    for bar in bars:
        calendar = bar.at.isocalendar()[:2] if size == WEEK else (bar.at.year, bar.at.month)
        groups.setdefault(tuple(calendar), []).append(bar)
    return [_one(group) for group in groups.values()]


def _one(group: list[Bar]) -> Bar:
    high, low = max(bar.high for bar in group), min(bar.low for bar in group)
    volume, count = sum(bar.volume for bar in group), sum(bar.trades for bar in group)
    average = sum(bar.average for bar in group) / len(group)
    return Bar(group[0].at, group[0].open, high, low, group[-1].close, volume, average, count)


def _bar_fields(bar: Bar, request: BarRequest, version: int) -> list[Value]:
    digits = 6 if "VOLATILITY" in request.what else 2
    prices = [round(value, digits) for value in (bar.open, bar.high, bar.low, bar.close)]
    if request.what != "TRADES":
        return [_when(bar.at, request, version), *prices, -1, -1, -1]
    return [_when(bar.at, request, version), *prices, bar.volume, round(bar.average, 4), bar.trades]


def historical_data(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 20: bars in one message; below version 196 it is its own end."""
    req_id = fields.integer()
    try:
        request, keep = _read(hub, session, req_id, fields)
        if request is None:
            return
        bars = _bars(hub, request)
        if not bars and not keep:
            detail = f"{symbol_out(request.found.symbol)}@SMART {request.what.title()}"
            raise _RefusedError(162, NO_DATA + detail)
    except _RefusedError as refusal:
        session.error(req_id, refusal.code, refusal.words)
        return
    rows = [part for bar in bars for part in _bar_fields(bar, request, session.version)]
    first, last = _stamp(request.first, session.version), _stamp(request.last, session.version)
    session.send(17, req_id, first, last, len(bars), *rows)
    if keep:
        session.kept_bars[req_id] = KeptBars(request, bars[-1] if bars else None)


def _read(hub: ServerState, session: Session, req_id: int, fields: Fields) -> tuple[BarRequest | None, bool]:
    query = contract_query(fields)
    expired = fields.flag()
    end_words, size_words, duration = fields.text(), fields.text(), fields.text()
    fields.skip()  # regular hours alone are traded here
    what, epochs = fields.text().upper(), fields.integer() == 2
    if query.is_combo:
        quote_legs(fields)
        raise _RefusedError(162, NO_DATA + f"{symbol_out(query.symbol)} combination")
    keep = fields.flag()
    found = matches(hub.market.catalogue, query, include_expired=expired)
    if len(found) != 1:
        raise _RefusedError(200, no_contract(len(found), query))
    if keep and end_words.strip():
        raise _RefusedError(321, INVALID + "End date not supported with keepUpToDate")
    end = _end(end_words, hub.at)
    if end_words.strip():
        end -= timedelta(seconds=1)  # a bar that begins where the question ends is no part of the answer
    first = _start(duration, end)
    if what == "SCHEDULE" and session.version >= 165:
        _send_schedule(session, req_id, first, end)
        return None, False
    size = bar_seconds(size_words)
    if size is None:
        raise _RefusedError(321, INVALID + f"Invalid bar size {size_words!r}")
    if size < DAY and (end - first).total_seconds() > MOST_STEPS * size:
        raise _RefusedError(162, TOO_LONG)
    what = "TRADES" if what == "ADJUSTED_LAST" else what
    if what not in _SHOWN:
        raise _RefusedError(321, INVALID + f"{what} is not shown here")
    return BarRequest(found[0], what, size, first, end, epochs), keep


def _send_schedule(session: Session, req_id: int, first: datetime, end: datetime) -> None:
    days = list(sessions(first.astimezone(EXCHANGE_ZONE).date(), end.astimezone(EXCHANGE_ZONE).date()))
    rows = [part for each in days for part in (_dash(each.open), _dash(each.close), f"{each.date:%Y%m%d}")]
    session.send(106, req_id, _dash(first), _dash(end), "US/Eastern", len(days), *rows)


def _dash(at: datetime) -> str:
    return f"{at.astimezone(EXCHANGE_ZONE):%Y%m%d-%H:%M:%S}"


def cancel_historical_data(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 25: ends a request that is kept up to date; another is 366."""
    fields.skip()
    req_id = fields.integer()
    if session.kept_bars.pop(req_id, None) is None:
        session.error(req_id, 366, f"No historical data query found for ticker id:{req_id}")


def head_timestamp(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 87: the start of the first daily bar there is."""
    req_id, query = fields.integer(), contract_query(fields)
    fields.skip(3)
    epochs = fields.integer() == 2
    found = matches(hub.market.catalogue, query)
    if len(found) != 1:
        session.error(req_id, 200, no_contract(len(found), query))
        return
    first = hub.at - timedelta(days=3650)
    request = BarRequest(found[0], "TRADES", DAY, first, hub.at, epochs)
    bars = _bars(hub, request)
    if not bars:
        session.error(req_id, 162, NO_DATA + symbol_out(found[0].symbol))
        return
    day = session_on(bars[0].at if not isinstance(bars[0].at, datetime) else bars[0].at.date())
    at = hub.at if day is None else day.open
    session.send(88, req_id, str(int(at.timestamp())) if epochs else f"{at:%Y%m%d-%H:%M:%S}")


def cancel_head_timestamp(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 90: nothing waits, so there is nothing to do."""


def realtime_bars(hub: ServerState, session: Session, fields: Fields) -> None:
    """Message 50: five-second bars as the market makes them."""
    fields.skip()
    req_id, query = fields.integer(), contract_query(fields)
    fields.skip()
    what = fields.text().upper()
    found = matches(hub.market.catalogue, query)
    if len(found) != 1:
        session.error(req_id, 200, no_contract(len(found), query))
        return
    if what not in ("TRADES", "MIDPOINT", "BID", "ASK"):
        session.error(req_id, 321, INVALID + f"{what} is not shown here")
        return
    session.live_bars[req_id] = BarRequest(found[0], what, 5, hub.at, hub.at, True)


def cancel_realtime_bars(hub: ServerState, session: Session, fields: Fields) -> None:
    fields.skip()
    req_id = fields.integer()
    if session.live_bars.pop(req_id, None) is None:
        session.error(req_id, 300, f"Can't find EId with tickerId:{req_id}")


def after_move(hub: ServerState) -> None:
    """Send the newest bars to who keeps them up to date."""
    for session in hub.sessions.values():
        for req_id, kept in session.kept_bars.items():
            _send_update(hub, session, req_id, kept)
        for req_id, request in list(session.live_bars.items()):
            session.live_bars[req_id] = _send_live(hub, session, req_id, request)


def _send_update(hub: ServerState, session: Session, req_id: int, kept: KeptBars) -> None:
    """Send the final values of the last sent bar, then the bar in the making; their fields have a different order."""
    request, reported = kept.request, kept.reported
    first = hub.at - timedelta(seconds=request.bar_seconds)
    if reported is not None and isinstance(reported.at, datetime):
        first = max(min(reported.at, first), first - timedelta(seconds=request.bar_seconds))
    bars = _bars(hub, replace(request, first=first, last=hub.at))
    for bar in bars if request.bar_seconds < DAY else bars[-1:]:
        if bar == reported or (reported is not None and _is_before(bar, reported)):
            continue
        when, opened, high, low, close, volume, average, count = _bar_fields(bar, request, session.version)
        session.send(90, req_id, count, when, opened, close, high, low, average, volume)
        kept.reported = bar


def _is_before(bar: Bar, other: Bar) -> bool:
    """Say whether an intraday bar is an earlier one."""
    return isinstance(bar.at, datetime) and isinstance(other.at, datetime) and bar.at < other.at


def _send_live(hub: ServerState, session: Session, req_id: int, request: BarRequest) -> BarRequest:
    """Send the five-second bars that ended since the last ones; `first` of the request moves on."""
    limit = hub.at - timedelta(seconds=5)
    if limit < request.first:
        return request
    for bar in _bars(hub, replace(request, last=limit)):
        if isinstance(bar.at, datetime):
            _, *prices_and_volume = _bar_fields(bar, request, session.version)
            session.send(50, 3, req_id, int(bar.at.timestamp()), *prices_and_volume)
    return replace(request, first=limit + timedelta(seconds=5), last=hub.at)
