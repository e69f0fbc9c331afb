"""This computer's clock held against the broker's, and the hours in which the broker is not there."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Protocol

from rulebot.adapters.cboe import DelayedDataError, place
from rulebot.adapters.clock import Clock
from rulebot.adapters.ib.contracts import subscription, subscriptions_of_all
from rulebot.adapters.ib.handshake import Greeting, check_seams, read_greeting
from rulebot.adapters.ib.time_zones import APART
from rulebot.calendars.calendars import load_calendar
from rulebot.core.program import CompiledBot
from rulebot.decide.entry_window import shut
from rulebot.documents.load_bots import LoadedBots
from rulebot.live.environments import LIVE_PORTS, PAPER_PORTS, listening_port
from rulebot.model.contract import Contract, Option, strike_of, structure_text
from rulebot.model.economic_calendar import calendars_of, earnings_of, expiry_warnings
from rulebot.model.errors import BrokerError, IdInUseError, RulebotError
from rulebot.model.facts import EventCalendar
from rulebot.model.session import (
    EXCHANGE_ZONE,
    LAST_YEAR,
    CalendarError,
    Session,
    half_days,
    restarts_over,
    session_from,
    sessions,
)
from rulebot.model.text import counted, minute, price
from rulebot.model.values import dataclass
from rulebot.preview.candidate import MARK, Candidate, CandidateSearch, DelayedMarketView, read_delayed, symbols_of
from rulebot.preview.connection import CODE, PreviewData, ReadOnlySession, Stream, coming_session
from rulebot.process.settings import Settings

# --- What a check says

PROBLEMS, WORLD_FAILED = 1, 3


class Level(Enum):
    """How bad it is: a fault keeps bots from trading, or from trading safely; a warning soon or in part."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    NOT_CHECKED = "not checked"


class Group(Enum):
    """The subject of a check, in the order of the report."""

    PYTHON = "python"
    SETTINGS = "settings"
    SPECS = "specs"
    CALENDARS = "calendars"
    DISK = "disk"
    STORE = "store"
    GATEWAY = "gateway"
    LIVE = "live"
    CLOCK = "clock"
    ACCOUNT = "account"
    DATA = "market data"
    LEGS = "legs"
    DELAYED = "delayed data"
    PROBE = "probe"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a check-up. mend: what to do, "" where nothing is to be done.

    is_outage: a fault of the world (the gateway, the store, a file), after which not everything could be checked.
    """

    group: Group
    name: str
    level: Level
    text: str
    mend: str = ""
    is_outage: bool = False


def fine(group: Group, name: str, text: str) -> Finding:
    """Return that all is well."""
    return Finding(group, name, Level.OK, text)


def warning(group: Group, name: str, text: str, mend: str = "") -> Finding:
    """Return what will be wrong, or is in part."""
    return Finding(group, name, Level.WARNING, text, mend)


def fault(group: Group, name: str, text: str, mend: str = "") -> Finding:
    """Return what is wrong."""
    return Finding(group, name, Level.FAULT, text, mend)


def outage(group: Group, name: str, error: RulebotError) -> Finding:
    """Return that the world failed."""
    return Finding(group, name, Level.FAULT, error.message, error.help or "", is_outage=True)


def unchecked(group: Group, name: str, text: str, mend: str = "") -> Finding:
    """Return that something is unknown, and why."""
    return Finding(group, name, Level.NOT_CHECKED, text, mend)


def exit_code(found: Iterable[Finding]) -> int:
    """Return 0 without a fault, 3 when the world failed and so not everything was checked, else 1."""
    faults = [each for each in found if each.level is Level.FAULT]
    if any(each.is_outage for each in faults):
        return WORLD_FAILED
    return PROBLEMS if faults else 0


# --- What streams, in words, and what that means to bots

ORDER = list(Stream)
_LEVELS: Mapping[Stream, Level] = {
    Stream.LIVE: Level.OK,
    Stream.PARTLY: Level.WARNING,
    Stream.SILENT: Level.WARNING,
    Stream.NO_LINE: Level.WARNING,
}


def reported_streams(
    visit: ReadOnlySession, desk: LoadedBots, seen: Mapping[Contract, PreviewData]
) -> Iterator[Finding]:
    """Yield a line for each underlying and index, and one for the options on each: what comes, and who needs it."""
    lines: dict[str, list[Contract]] = {}
    for contract in seen:
        name = f"{contract.symbol} options" if _is_option(contract) else contract.symbol
        lines.setdefault(name, []).append(contract)
    for name in sorted(lines):
        found = sorted((seen[contract] for contract in lines[name]), key=lambda each: ORDER.index(each.stream))
        yield _reported(visit, name, lines[name], found, _needed_by(desk, lines[name]))


def _reported(
    visit: ReadOnlySession, name: str, contracts: list[Contract], found: list[PreviewData], needed_by: str
) -> Finding:
    worst = found[0]
    words = worst.stream.value
    if _is_option(contracts[0]):
        count = sum(each.stream is worst.stream for each in found)
        words = f"{words}, {count} of {len(found)} contracts"
        if worst.stream is Stream.SILENT and visit.is_in_hours and count < len(found):
            live = len(found) - count
            return Finding(Group.DATA, name, Level.OK, f"live, {live} of {len(found)} contracts{needed_by}")
    if worst.stream is Stream.SILENT and not visit.is_in_hours:
        return Finding(Group.DATA, name, Level.NOT_CHECKED, f"{words}: the exchange is closed{needed_by}")
    level = _LEVELS.get(worst.stream, Level.FAULT)
    return Finding(Group.DATA, name, level, f"{words}{needed_by}", _mend(worst, contracts[0]))


def _mend(worst: PreviewData, contract: Contract) -> str:
    if worst.stream is Stream.LIVE:
        return ""
    code = CODE.search(worst.trouble)
    reported = f" (error {code[1]})" if code else ""
    if worst.stream is Stream.ELSEWHERE:
        return f"log out of TWS, the phone and the web with this user{reported}"
    if worst.stream is Stream.NO_LINE:
        return f"end other programs that stream: a user has 100 lines{reported}"
    if worst.stream is Stream.REFUSED:
        return worst.trouble
    missing = (subscriptions_of_all if worst.stream is Stream.PARTLY else subscription)(contract)
    return f"subscribe to {missing}; a paper user shares the live user's data when it is allowed{reported}"


def _needed_by(desk: LoadedBots, contracts: Sequence[Contract]) -> str:
    symbols = {contract.symbol for contract in contracts}
    reads = _options_of if _is_option(contracts[0]) else _levels_of
    names = [name for name, bot in sorted(desk.bots.items()) if symbols & reads(bot)]
    return f"; needed by {', '.join(names)}" if names else ""


def _is_option(contract: Contract) -> bool:
    return isinstance(contract, Option) and not contract.is_share


def _levels_of(bot: CompiledBot) -> set[str]:
    """Return the underlyings and indices whose price a bot reads, or that it trades."""
    structures = bot.structures()
    read = {level.symbol for each in (bot, *structures) for level in each.levels}
    return read | {leg.symbol for each in structures for leg in each.plan.legs if leg.is_shares}


def _options_of(bot: CompiledBot) -> set[str]:
    """Return the underlyings whose options a bot trades, or reads."""
    plans = [each.plan for each in bot.structures()]
    return {leg.symbol for plan in plans for leg in (*plan.legs, *plan.needs.beside) if not leg.is_shares}


# --- The dry selection in words

_MEND = "unknown never enters: see market data and calendars above"


class Hours(Protocol):
    """The instant at which legs were chosen, and its session."""

    @property
    def at(self) -> datetime: ...

    @property
    def session(self) -> Session: ...

    @property
    def is_in_hours(self) -> bool: ...


def chosen_legs(visit: ReadOnlySession, looked: CandidateSearch) -> Iterator[Finding]:
    """Yield a line for each structure."""
    for candidate in looked.candidates:
        yield reported_legs(visit, candidate)


def reported_legs(visit: Hours, candidate: Candidate) -> Finding:
    """Return the line of a structure that was judged."""
    name, selection = candidate.bot.key, candidate.selection
    assert selection is not None
    quote_missing = candidate.quote.missing if candidate.quote is not None else ""
    if missing := selection.missing or quote_missing:
        if not visit.is_in_hours:
            return unchecked(Group.LEGS, name, f"the exchange is closed: {missing}")
        return warning(Group.LEGS, name, f"nothing can be chosen: {missing}", _MEND)
    if selection.refused:
        return fine(Group.LEGS, name, f"nothing fits now: {selection.refused}")
    text = "; ".join((_structure(candidate), *_but(visit, candidate)))
    unknown = [f"unknown: {each.words}" for each in candidate.unknown]
    return warning(Group.LEGS, name, "; ".join((text, *unknown)), _MEND) if unknown else fine(Group.LEGS, name, text)


def _structure(candidate: Candidate) -> str:
    """Return `would sell 5920/5930p 6005/6015c of 2026-10-21 at 1.65 (at once 1.50)`."""
    assert candidate.selection is not None
    assert candidate.quote is not None
    legs = candidate.selection.legs
    text = structure_text(strike_of(leg.option, leg.ratio, leg.sign) for leg in legs)
    expiries = sorted({leg.option.expiry for leg in legs if not leg.option.is_share})
    of = f" of {expiries[0]}" if len(expiries) == 1 else ""
    mid, natural = candidate.quote.mid or 0.0, candidate.quote.natural or 0.0
    verb = "sell" if mid > 0 else "buy"
    return f"would {verb} {text}{of} at mid {price(mid)} (at once {price(natural)})"


def _but(visit: Hours, candidate: Candidate) -> Iterator[str]:
    """Yield what keeps it from being entered at this instant."""
    if candidate.refused:
        yield f"but no count of it fits: {candidate.refused}"
    for words in filter(None, (candidate.legging, candidate.hit)):
        yield f"but {words}"
    for each in candidate.halts:
        if each.evaluation.truth is True:
            yield f"but it halts for the day: {each.words}"
    missed = [each for each in (*candidate.when, *candidate.require) if each.evaluation.truth is False]
    for each in missed:
        yield f"but {each.words}"
    bot = candidate.bot
    start, end = bot.window(visit.session, visit.at)
    if reason := shut(bot.plan.entry, visit.session, bot.windows(visit.session)):
        yield f"but {reason}"
    elif not start <= visit.at < end:
        zone = EXCHANGE_ZONE
        yield f"outside its window {start.astimezone(zone):%H:%M} to {end.astimezone(zone):%H:%M}"


# --- Calendars

RUNS_OUT = timedelta(days=180)
"""This long before the end of the exchange's calendar a person is warned: options trade months ahead."""
A_WEEK = timedelta(days=7)
_EARNINGS = earnings_of("")


def found_calendar(data: Path) -> tuple[EventCalendar, list[Finding]]:
    """Return the events that are known here; an empty calendar when a file of them cannot be used."""
    try:
        return load_calendar(data), []
    except RulebotError as error:
        mend = error.help or "bring a sound one with 'rulebot events import FILE', or delete it"
        if error.exit_code == 3:
            return EventCalendar(), [outage(Group.CALENDARS, "events", error)]
        return EventCalendar(), [fault(Group.CALENDARS, "events", error.message.splitlines()[0], mend)]


def sessions_ahead(today: date) -> Iterator[Finding]:
    """Yield whether the exchange's calendar covers today, and when it runs out."""
    last = date(LAST_YEAR, 12, 31)
    mend = "update rulebot: its table of holidays and half days has to reach further"
    try:
        coming = session_from(today)
    except CalendarError as error:
        yield fault(Group.CALENDARS, "exchange", str(error), mend)
        return
    if last - today <= RUNS_OUT:
        text = f"sessions are known until {last}, in {(last - today).days} days; later ones stop every bot"
        yield warning(Group.CALENDARS, "exchange", text, mend)
    else:
        yield fine(Group.CALENDARS, "exchange", f"sessions are known until {last}; the next is {coming.date}")
    for half in half_days(today, today + A_WEEK):
        text = f"the session of {half.date} ends at 13:00: exits by the clock keep their distance from the close"
        yield fine(Group.CALENDARS, "half day", text)


def events_ahead(calendar: EventCalendar, desk: LoadedBots, today: date) -> Iterator[Finding]:
    """Yield whether the events that these bots ask about are known, and for how long."""
    wanted = {
        name
        for bot in desk.bots.values()
        for each in bot.structures()
        for name in calendars_of(bot.plan.needs.events, each.plan.underlyings)
    }
    if not wanted:
        yield unchecked(Group.CALENDARS, "events", "no bot asks about events")
        return
    ending = {words.partition(":")[0]: words for words in expiry_warnings(calendar, today, wanted)}
    for name in sorted(wanted):
        if name not in calendar.known_until:
            said = warning if name.startswith(_EARNINGS) else fault
            text = "there is no such calendar: conditions on it are unknown, and unknown never enters"
            yield said(Group.CALENDARS, name, text, "rulebot events import FILE (docs/events.md)")
        elif name in ending:
            text, _, mend = ending[name].partition(" Bring new ones: ")
            yield warning(Group.CALENDARS, name, text.removeprefix(f"{name}: ").rstrip("."), mend)
        else:
            yield fine(Group.CALENDARS, name, f"published until {calendar.published_until[name]}")


# --- This computer's clock held against the broker's, and the hours in which the broker is not there

LIMIT_SECONDS = 5.0
LOOK_EVERY = 0.02
SOON = timedelta(minutes=30)


async def skew(visit: ReadOnlySession, clock: Clock) -> Finding:
    """Ask the broker for the time and report the difference. It has whole seconds."""
    if visit.link.is_simulated:
        return unchecked(Group.CLOCK, "broker's time", "a simulated gateway has its own time")
    wire = visit.link.wire
    wire.fence.take()
    asked, began = clock.now(), clock.elapsed()
    wire.client.reqCurrentTime()
    while (reported := wire.fence.take()) is None:
        if clock.elapsed() - began > LIMIT_SECONDS:
            text = f"the broker does not answer what time it is within {LIMIT_SECONDS:g} s"
            return warning(Group.CLOCK, "broker's time", text, "look whether the gateway is connected to the broker")
        await asyncio.sleep(LOOK_EVERY)
    return judged(asked, reported, clock.elapsed() - began)


def judged(asked: datetime, reported: datetime, took: float) -> Finding:
    """Report the clock's difference from the broker's: time of the question, the answer, and its delay in seconds."""
    middle = asked + timedelta(seconds=took / 2)
    ahead = (middle - reported).total_seconds() - 0.5
    unsure = 0.5 + took / 2
    words = f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} the broker's, give or take {unsure:.1f} s"
    if abs(ahead) - unsure > APART:
        text = f"this computer's clock is {words}: an engine uses the broker's"
        return warning(Group.CLOCK, "broker's time", text, "set the clock (NTP)")
    return fine(Group.CLOCK, "broker's time", words)


def hours(at: datetime, *, simulated: bool) -> Iterator[Finding]:
    """Yield which session is on or comes, and whether the broker's restarts are near."""
    session = coming_session(at)
    if session.open <= at:
        yield fine(Group.CLOCK, "session", f"open until {minute(session.close)} New York time")
    else:
        length = ", a half day" if session.is_half else ""
        yield fine(
            Group.CLOCK, "session", f"closed; the next opens on {session.date} at {minute(session.open)}{length}"
        )
    if simulated:
        yield unchecked(Group.CLOCK, "restarts", "a simulated gateway has none")
        return
    mend = "connect after it; after Sunday's reset (01:00) a person must log in"
    if (over := restarts_over(at)) is not None:
        text = f"the broker and TWS restart in these hours, until {minute(over)} New York time"
        yield warning(Group.CLOCK, "restarts", text, mend)
    elif restarts_over(at + SOON) is not None:
        yield warning(Group.CLOCK, "restarts", "the broker and TWS restart from 23:00 New York time on, soon", mend)
    else:
        yield fine(Group.CLOCK, "restarts", "none until 23:00 New York time; those are over by 03:00")


async def shorter(visit: ReadOnlySession) -> AsyncIterator[Finding]:
    """Yield which underlyings trade less than the calendar has it, by the broker's hours of today and the coming week.

    Raises: BrokerError.
    """
    first = coming_session(visit.at).date
    last = min(first + A_WEEK, date(LAST_YEAR, 12, 31))
    for symbol in sorted({symbol for symbol, _ in visit.state.market.facts.listings}):
        for session in sessions(first, last):
            reported = await visit.feed.hours(symbol, session)
            if reported is not None and reported.is_less(session):
                ends = "does not trade" if reported.close is None else f"trades until {minute(reported.close)} alone"
                text = f"by the broker's hours it {ends} on {session.date}; bots keep to it, not to the calendar"
                yield warning(Group.CLOCK, f"hours of {symbol}", text, "a newer rulebot knows such days")


# --- The gateway


async def codec() -> Finding:
    """Say whether this ib_async passes on every kind of message, as is proved before each connection."""
    try:
        await check_seams()
    except BrokerError as error:
        return outage(Group.GATEWAY, "ib_async", error)
    return fine(Group.GATEWAY, "ib_async", "passes on every kind of message that is needed")


async def greeted(settings: Settings, *, live: bool, sim: bool) -> tuple[int | None, Greeting | None, list[Finding]]:
    """Return the port, what the gateway says there before anything is asked of it, and what is said of that."""
    port = settings.live_port if live else settings.port
    try:
        port = await listening_port(settings.host, LIVE_PORTS if live else PAPER_PORTS) if port is None else port
        offered = await read_greeting(settings.host, port)
    except BrokerError as error:
        return port, None, [outage(Group.GATEWAY, "connection", error)]
    return port, offered, [_answer(f"{settings.host}:{port}", offered, sim=sim)]


async def own_id(settings: Settings, port: int, *, has_engine: bool, sim: bool) -> Finding:
    """Report whether the client id of a run is free: an engine always connects with that one.

    has_engine: one runs on the store, and has it. sim: its user is unknown, and may be the person's own run.
    """
    name, number = "client id", settings.client_id
    if has_engine:
        return fine(Group.GATEWAY, name, f"{number}, which the engine that runs on this store has")
    try:
        await read_greeting(settings.host, port, number)
    except IdInUseError as error:
        return (warning if sim else fault)(Group.GATEWAY, name, error.message, error.help or "")
    except BrokerError as error:
        return unchecked(Group.GATEWAY, name, f"whether {number} is free: {error.message}", error.help or "")
    return fine(Group.GATEWAY, name, f"{number} is free")


def _answer(where: str, offered: Greeting, *, sim: bool) -> Finding:
    word = "account" if len(offered.accounts) == 1 else "accounts"
    accounts = f"{word} {', '.join(offered.accounts)}"
    if offered.is_simulated and not sim:
        text = f"{where} is a simulated gateway with {accounts}: what follows is about a market that is made up"
        return warning(Group.GATEWAY, "connection", text, "add --sim if that is meant; else give IB's own port")
    return fine(Group.GATEWAY, "connection", f"{where} answers, with {accounts}")


# --- Cboe's delayed quotes without a gateway


async def delayed_data(desk: LoadedBots, calendar: EventCalendar, clock: Clock) -> AsyncIterator[Finding]:
    """Yield what Cboe's files say. Raises: MisuseError for an address that cannot be asked."""
    address = place()
    if not desk.bots:
        yield unchecked(Group.DELAYED, "Cboe", "no bot needs any")
        return
    try:
        chains, troubles = await read_delayed(symbols_of(desk), address, clock.now())
    except DelayedDataError as error:
        yield outage(Group.DELAYED, "Cboe", error)
        return
    for words in troubles:
        yield warning(Group.DELAYED, "Cboe", words)
    for chain in chains:
        at = chain.at.astimezone(EXCHANGE_ZONE)
        of = f"{chain.numbers['current_price']:,.2f} as of {at:%Y-%m-%d %H:%M:%S}"
        yield fine(Group.DELAYED, chain.symbol, f"{MARK}: {of}, {counted(len(chain.options), 'option')}")
    sight = DelayedMarketView(desk, calendar, chains)
    for candidate, _ in sight.candidates(desk):
        found = reported_legs(sight, candidate)
        yield replace(found, group=Group.DELAYED, text=f"{MARK}: {found.text}")
