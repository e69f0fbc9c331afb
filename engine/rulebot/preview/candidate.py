"""One structure of a bot on live or delayed quotes: legs, price, and the results of its rules."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Protocol

from rulebot.adapters.cboe import DelayedChain, DelayedDataError, fetch, parse
from rulebot.adapters.ib.settings import LINES
from rulebot.backtest.load_session_data import prepare
from rulebot.core.entry.manual_entry import named_selection
from rulebot.core.entry.structure_selection import how_many, opening_commission, price_legs, show_candidate
from rulebot.core.entry.universe_requirements import show_pair
from rulebot.core.handle_event import start_run
from rulebot.core.program import CompiledBot, CompiledRule
from rulebot.core.queries.legged_entry import legging_problem
from rulebot.core.queries.protection import hit_at_once
from rulebot.core.rules.rule_evaluation import first_missing, rounded
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import view_of
from rulebot.core.state.state import MarketData, Named, Schedule, State
from rulebot.documents.load_bots import LoadedBots
from rulebot.evaluate.strikes import StructureSelection, select
from rulebot.evaluate.watch import StrikeTarget, entry_aims, entry_subscription, watch_list
from rulebot.measure.evaluation import Evaluation
from rulebot.measure.listings import BAND
from rulebot.measure.view import View
from rulebot.model.contract import Contract, Underlying
from rulebot.model.errors import BrokerError
from rulebot.model.facts import EventCalendar, Facts, Listing
from rulebot.model.market import Board
from rulebot.model.session import EXCHANGE_ZONE, session_on
from rulebot.model.text import one_line
from rulebot.order.price import NetQuote, limited_at
from rulebot.preview.connection import INSTALL, PreviewData, ReadOnlySession, Stream, coming_session, seen_on
from rulebot.wording.condition import describe


class MarketPreview(Protocol):
    """The market at one instant: of a preview, a running engine, or a file of delayed quotes."""

    def view(self) -> View:
        """Return what rules see."""
        ...

    def work(self) -> StateBuilder:
        """Return what the functions of a turn read; nothing of it is kept."""
        ...


@dataclass(frozen=True, slots=True)
class JudgedCandidate:
    """What a rule says of the market, or of the structure that was chosen."""

    rule: CompiledRule
    evaluation: Evaluation

    @property
    def words(self) -> str:
        """What was measured and held against what, or what is missing: `vix 23.10, below 22: 1.10 too much`."""
        said = first_missing(self.evaluation) or describe(self.rule.rule, self.evaluation)
        return one_line(f"{self.rule.rule.name} {said}")

    @property
    def can_become_known(self) -> bool:
        """True when what it reads streams. A calendar is there or is not, and a preview receives no web hook."""
        return not self.rule.rule.reads <= {"facts", "time", "hooks"}


@dataclass(slots=True)
class Candidate:
    """One structure of a bot, and what was found for it so far.

    passes: seconds that its lines have streamed; waited: those since its strikes were last looked for elsewhere, which
    `aims` show. lines: market data lines that it needs. refused: why no count of it fits. hit: which of its protective
    stops would act at once, in words. legging: which legs of an entry in steps would lose too much if a later leg does
    not fill, in words. when: what must hold for an entry, of its universe, of the bot and of this alternative, which is
    `asked` too; halts: what must not. named: the structure, where the bot does not choose it.
    """

    bot: CompiledBot
    whole: CompiledBot
    passes: int = 0
    waited: int = 0
    lines: int = 0
    aims: tuple[StrikeTarget | None, ...] = ()
    selection: StructureSelection | None = None
    quote: NetQuote | None = None
    refused: str = ""
    hit: str = ""
    legging: str = ""
    when: tuple[JudgedCandidate, ...] = ()
    asked: tuple[JudgedCandidate, ...] = ()
    halts: tuple[JudgedCandidate, ...] = ()
    require: tuple[JudgedCandidate, ...] = ()
    named: Named | None = None

    @property
    def symbol(self) -> str:
        """The symbol of a universe, else the underlyings: `SPY/QQQ`."""
        return self.bot.symbol or "/".join(self.bot.plan.underlyings)

    @property
    def mid(self) -> float | None:
        """The mid of its legs, dollars per share, + received."""
        return None if self.quote is None else rounded(self.quote.mid)

    @property
    def natural(self) -> float | None:
        """The price at which its legs are dealt at once, dollars per share, + received."""
        return None if self.quote is None else rounded(self.quote.natural)

    @property
    def is_found(self) -> bool:
        """True once the region of each leg's strike is known, so that `lines` are all that it needs."""
        return bool(self.aims) and all(aim is None or aim.centre is not None for aim in self.aims)

    @property
    def unknown(self) -> list[JudgedCandidate]:
        """The rules that cannot be judged."""
        return [each for each in (*self.halts, *self.when, *self.require) if each.evaluation.truth is None]

    @property
    def is_known(self) -> bool:
        """True when nothing more has to come."""
        if self.selection is None or self.selection.missing or any(each.can_become_known for each in self.unknown):
            return False
        return self.quote is None or not self.quote.missing


class SnapshotMarket:
    """The market at one instant, read from a state that changes no more."""

    def __init__(self, work: StateBuilder) -> None:
        self._work = work

    def work(self) -> StateBuilder:
        """Return what the functions of a turn read; nothing of it is kept."""
        return self._work

    def view(self) -> View:
        """Return what rules see."""
        return view_of(self._work)

    def candidates(self, desk: LoadedBots) -> list[tuple[Candidate, View]]:
        """Return every structure of some bots, judged."""
        found = [Candidate(each, bot) for bot in desk.bots.values() for each in bot.structures()]
        return [(each, judge(self, each)) for each in found]


def judge(sight: MarketPreview, candidate: Candidate) -> View:
    """Choose the legs that a structure would have now, and judge its conditions; nothing is kept but the answer.

    Return what was seen, with the structure at the price its order would start from, if there is one; where no count of
    it fits, the commission and required dollars are for one structure.
    """
    bot, view = candidate.bot, sight.view()
    head = candidate.whole.on(bot.symbol)
    asked = (rule for choice in head.choices if choice.name == bot.alternative for rule in choice.when)
    candidate.halts = _judged(bot.halts, view)
    candidate.asked = _judged(asked, view)
    candidate.when = (*_offered(candidate, view), *_judged(head.when, view), *candidate.asked)
    if candidate.named is None:
        selection = select(bot.plan.legs, view, bot.expected_move)
    else:
        selection = named_selection(bot, candidate.named, view)
    candidate.selection = selection
    candidate.quote, candidate.refused, candidate.hit, candidate.legging, candidate.require = None, "", "", "", ()
    if selection.is_complete:
        _judge_structure(sight, candidate, view, selection)
    return view


def _judge_structure(sight: MarketPreview, candidate: Candidate, view: View, selection: StructureSelection) -> None:
    bot = candidate.bot
    candidate.quote = quote = price_legs(selection, view)
    show_candidate(view, bot.plan, selection, quote)
    work = sight.work()
    fits = how_many(work, bot, view, selection, quote)
    candidate.refused = "" if fits.count else fits.missing or fits.refused
    view.quantity = max(fits.count, 1)
    view.commission = float(opening_commission(selection, view, view.quantity))
    candidate.require = _judged(bot.require, view)
    view.quantity = fits.count
    price = limited_at(bot.plan.order, view.start_price, quote)
    net = None if price is None else Decimal(f"{price:.4f}")
    candidate.hit = hit_at_once(work, bot.plan.risk.protect, selection, net)
    candidate.legging = legging_problem(work, bot, selection.legs, fits.count)


def _judged(rules: Iterable[CompiledRule], view: View) -> tuple[JudgedCandidate, ...]:
    return tuple(JudgedCandidate(rule, rule.judge(view)) for rule in rules)


def _offered(candidate: Candidate, view: View) -> tuple[JudgedCandidate, ...]:
    """Judge what a universe requires of this symbol, on its options at the money."""
    member = next((each for each in candidate.whole.members if each.symbol == candidate.bot.symbol), None)
    if member is None:
        return ()
    found = _judged(show_pair(member, view), view)
    view.legs = ()
    return found


# --- What each structure would be made of now

PATIENCE = 10
"""Seconds that a line, or what a rule reads, may take to come while the exchange trades."""
CLOSED_PATIENCE = 3
"""The same while it is closed: what the broker has then comes at once."""
MOST_PASSES = 60
LINES_OF_A_LEG, AT_THE_MONEY = 2 * BAND + 3, 4
"""Market data lines kept free for a leg, preferred strikes included, and for what is read at the money."""


Also = Callable[[Candidate, View], bool]


def _is_done(candidate: Candidate, view: View) -> bool:
    return True


@dataclass(slots=True)
class CandidateSearch:
    """All that was looked at: structures in the order of the specs, and what each line brought.

    turns: how often lines went to structures that had waited for them, the first time included.
    """

    candidates: list[Candidate] = field(default_factory=list)
    turns: int = 0
    seen: dict[Contract, PreviewData] = field(default_factory=dict)


async def facts_of(visit: ReadOnlySession, desk: LoadedBots) -> dict[str, BrokerError]:
    """Request the slow facts of each bot, as a run does before a session; return what is unavailable, by bot.

    A universe is asked symbol by symbol: an unknown symbol does not affect the others.
    """
    found = {}
    for part in (each for bot in desk.bots.values() for each in ([one.bot for one in bot.members] or [bot])):
        alone = replace(visit.program, bots={part.key: part})
        await visit.keep_pace()
        try:
            async for event in prepare(alone, visit.feed, visit.session, visit.at, visit.state.market.facts):
                visit.learn([event])
        except BrokerError as error:
            found[part.key] = error
    return found


async def look(visit: ReadOnlySession, desk: LoadedBots, *, chooses: bool, also: Also = _is_done) -> CandidateSearch:
    """Stream what the bots read, and with `chooses` choose the legs of each structure. Raises: BrokerError.

    also: reads more of each structure whenever it was judged, and says whether it knows all.
    """
    looked = CandidateSearch()
    await _levels(visit, desk, looked)
    if not chooses:
        return looked
    waiting = [Candidate(each, bot) for bot in desk.bots.values() for each in bot.structures()]
    looked.candidates = list(waiting)
    active: list[Candidate] = []
    while waiting or active:
        is_new = False
        while waiting and (not active or _room(active) + _room(waiting[:1]) <= visit.line_limit):
            active.append(waiting.pop(0))
            is_new = True
        looked.turns += is_new
        _stream(visit, active)
        await visit.pass_time()
        _note(visit, looked)
        active = [candidate for candidate in active if _goes_on(visit, candidate, also)]
    visit.watch(())
    return looked


def _goes_on(visit: ReadOnlySession, candidate: Candidate, also: Also) -> bool:
    """Judge a structure and return whether to keep streaming it. Far strikes take longer."""
    is_known = also(candidate, judge(visit, candidate)) and candidate.is_known
    candidate.passes += 1
    aims = entry_aims(candidate.bot.plan, visit.view())
    is_nearer = candidate.selection is not None and bool(candidate.selection.missing) and aims != candidate.aims
    candidate.waited = 0 if is_nearer else candidate.waited + 1
    candidate.aims = aims
    return not is_known and candidate.waited < _patience(visit) and candidate.passes < MOST_PASSES


async def _levels(visit: ReadOnlySession, desk: LoadedBots, looked: CandidateSearch) -> None:
    levels = dict.fromkeys(
        level for bot in desk.bots.values() for each in (bot, *bot.structures()) for level in each.levels
    )
    waiting = list(levels)
    while waiting:
        part, waiting = waiting[: visit.line_limit], waiting[visit.line_limit :]
        visit.watch(part)
        for _ in range(_patience(visit)):
            await visit.pass_time()
            _note(visit, looked)
            if all(looked.seen[each].stream is not Stream.SILENT for each in part):
                break


def _patience(visit: ReadOnlySession) -> int:
    return PATIENCE if visit.is_in_hours else CLOSED_PATIENCE


def _note(visit: ReadOnlySession, looked: CandidateSearch) -> None:
    """Record what every line has brought; a line that was live once stays live."""
    for contract in visit.state.subscriptions.streamed:
        found = seen_on(visit.feed, contract)
        known = looked.seen.get(contract)
        if found.stream is not Stream.SILENT or known is None:
            looked.seen[contract] = found


def _room(candidates: Iterable[Candidate]) -> int:
    """Return how many lines these structures may take: requests grow until quotes show where their strikes are."""
    lines = 0
    for candidate in candidates:
        if candidate.is_found:
            lines += candidate.lines + BAND
            continue
        plan = candidate.bot.plan
        legs = [leg for leg in (*plan.legs, *plan.needs.beside) if not leg.is_shares]
        lines += len(candidate.bot.levels) + LINES_OF_A_LEG * len(legs) + AT_THE_MONEY
    return lines


def _stream(visit: ReadOnlySession, active: Iterable[Candidate]) -> None:
    view, facts = visit.view(), visit.state.market.facts
    requests = []
    for candidate in active:
        plan = candidate.bot.plan
        request = entry_subscription(plan, entry_aims(plan, view), facts)
        candidate.lines = max(candidate.lines, len({*request.need, *candidate.bot.levels}))
        requests.append(request)
    levels = dict.fromkeys(level for candidate in active for level in candidate.bot.levels)
    visit.watch(watch_list(requests, levels, visit.state.subscriptions.streamed))


# --- The market in files of delayed quotes, as rules see it

MARK = "DELAYED 15 min"
"""The note next to every number that was made from such quotes."""
WORLD = f"Cboe, {MARK}"
MOST_AGE = timedelta(minutes=45)
"""How old quotes may be while the exchange trades; Cboe says fifteen."""
PAUSE = 0.3
"""Seconds between two questions."""

Fetch = Callable[[str, str], bytes]


class DelayedMarketView(SnapshotMarket):
    """What was read of some files, as one instant."""

    def __init__(self, desk: LoadedBots, calendar: EventCalendar, chains: Iterable[DelayedChain]) -> None:
        self.chains = {chain.symbol: chain for chain in chains}
        self.at = max(chain.at for chain in self.chains.values())
        self.session = coming_session(self.at)
        board = _board(self.chains.values(), self.at.timestamp())
        facts = Facts(events=calendar, listings=_listings(self.chains.values()))
        program = desk.program(INSTALL, {}, LINES)
        state = State(Schedule(self.session), MarketData(board, facts))
        super().__init__(StateBuilder(program, start_run(program, state, self.at).state, self.at))

    @property
    def is_in_hours(self) -> bool:
        """True when the quotes are from hours in which the exchange trades."""
        return self.session.is_on(self.at)


def symbols_of(desk: LoadedBots) -> list[str]:
    """Return what bots read the prices and options of, their own symbols first."""
    bots = [each for bot in desk.bots.values() for each in (bot, *bot.structures())]
    own = [symbol for bot in bots for symbol in (*bot.plan.underlyings, *bot.plan.needs.symbols)]
    return list(dict.fromkeys((*own, *(name for bot in bots for name in bot.plan.needs.indices))))


async def read_delayed(
    symbols: Iterable[str],
    address: str,
    now: datetime,
    fetched: Fetch = fetch,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> tuple[list[DelayedChain], list[str]]:
    """Return the files of some symbols, and in words what could not be had or used.

    Raises: DelayedDataError when nothing could be: the first reason.
    """
    found: list[DelayedChain] = []
    errors: list[DelayedDataError] = []
    for number, symbol in enumerate(symbols):
        if number:
            await pause(PAUSE)
        try:
            raw = await asyncio.to_thread(fetched, symbol, address)
            found.append(_fresh(await asyncio.to_thread(parse, symbol, raw, now), now))
        except DelayedDataError as error:
            errors.append(error)
    if not found:
        raise errors[0] if errors else DelayedDataError("no symbol was asked for")
    return found, [error.message for error in errors]


def _fresh(chain: DelayedChain, now: datetime) -> DelayedChain:
    """Return it, unless its quotes are too old. Raises: DelayedDataError."""
    session = session_on(now.astimezone(EXCHANGE_ZONE).date())
    when = chain.at.astimezone(EXCHANGE_ZONE)
    if session is not None and session.open + MOST_AGE <= now < session.close:
        age = now - chain.at
        if age > MOST_AGE:
            raise DelayedDataError(
                f"Cboe's quotes of {chain.symbol} are from {when:%Y-%m-%d %H:%M}, "
                f"{age.total_seconds() / 60:,.0f} minutes old: they are not used",
                "its files are not updated: try again later",
            )
    elif now - chain.at > timedelta(days=5):
        raise DelayedDataError(f"Cboe's quotes of {chain.symbol} are from {when:%Y-%m-%d}: they are not used")
    return chain


# ---------------------------------------------------------------- as the feed would write them


def _board(chains: Iterable[DelayedChain], now: float) -> Board:
    board = Board()
    board.alive_at = now
    for chain in chains:
        row = board.add(Underlying(chain.symbol))
        numbers = chain.numbers
        board.last[row], board.last_at[row] = numbers["current_price"], now
        board.open[row], board.high[row], board.low[row] = numbers["open"], numbers["high"], numbers["low"]
        board.previous_close[row] = numbers["prev_day_close"]
        if numbers["bid"] > 0 and numbers["ask"] > 0:
            board.bid[row], board.ask[row], board.quote_at[row] = numbers["bid"], numbers["ask"], now
        if numbers["iv30"] > 0:
            board.iv[row], board.model_at[row] = numbers["iv30"] / 100, now
        counts = {"C": 0.0, "P": 0.0}
        for each in chain.options:
            at = board.add(each.option)
            for name, number in each.numbers.items():
                getattr(board, name)[at] = number
            board.quote_at[at] = now
            if each.numbers["delta"] == each.numbers["delta"]:
                board.model_at[at] = now
            volume = each.numbers["volume"]
            counts[each.option.right.letter] += volume if volume == volume else 0.0
        if chain.options:
            board.call_volume[row], board.put_volume[row] = counts["C"], counts["P"]
    return board


def _listings(chains: Iterable[DelayedChain]) -> dict[tuple[str, str], Listing]:
    """Return expiries and strikes by symbol and trading class."""
    strikes: dict[tuple[str, str], dict[date, set[Decimal]]] = {}
    for chain in chains:
        for each in chain.options:
            option = each.option
            days = strikes.setdefault((option.symbol, option.trading_class), {})
            days.setdefault(option.expiry, set()).add(option.strike)
    return {
        key: Listing(*key, tuple(sorted(days)), {day: tuple(sorted(found)) for day, found in days.items()})
        for key, days in strikes.items()
    }
