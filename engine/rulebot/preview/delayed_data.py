"""The market in files of delayed quotes, as rules see it: for a scan or a check-up without a broker, for no engine.

Each file is a picture of its own instant; together they are taken for one, that of the newest. History and the account
are not in them: what needs these is unknown, with the reason.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal

from rulebot.adapters.cboe import DelayedChain, DelayedDataError, fetch, parse
from rulebot.adapters.ib.settings import LINES
from rulebot.core.handle_event import start_run
from rulebot.core.state import MarketData, Schedule, State
from rulebot.core.state_builder import StateBuilder
from rulebot.documents.load_bots import LoadedBots
from rulebot.measure.view import View
from rulebot.model.contract import Underlying
from rulebot.model.facts import EventCalendar, Facts, Listing
from rulebot.model.market import Board
from rulebot.model.session import EXCHANGE_ZONE, session_on
from rulebot.preview.candidate import Candidate, judge
from rulebot.preview.connection import INSTALL, coming_session

MARK = "DELAYED 15 min"
"""What stands beside every number that was made of such quotes."""
WORLD = f"Cboe, {MARK}"
MOST_AGE = timedelta(minutes=45)
"""How old quotes may be while the exchange trades; Cboe says fifteen."""
PAUSE = 0.3
"""Seconds between two questions."""

Fetch = Callable[[str, str], bytes]


class DelayedSight:
    """What was read of some files, as one instant."""

    def __init__(self, desk: LoadedBots, calendar: EventCalendar, chains: Iterable[DelayedChain]) -> None:
        self.chains = {chain.symbol: chain for chain in chains}
        self.at = max(chain.at for chain in self.chains.values())
        self.session = coming_session(self.at)
        board = _board(self.chains.values(), self.at.timestamp())
        facts = Facts(events=calendar, listings=_listings(self.chains.values()))
        program = desk.program(INSTALL, {}, LINES)
        state = State(Schedule(self.session), MarketData(board, facts))
        self._work = StateBuilder(program, start_run(program, state, self.at).state, self.at)

    @property
    def is_in_hours(self) -> bool:
        """True when the quotes are of hours in which the exchange trades."""
        return self.session.is_on(self.at)

    def work(self) -> StateBuilder:
        """Return what the functions of a turn read; nothing of it is kept."""
        return self._work

    def view(self) -> View:
        """Return what rules see."""
        return self._work.view()

    def candidates(self, desk: LoadedBots) -> list[tuple[Candidate, View]]:
        """Return every structure of some bots, judged."""
        found = [Candidate(each, bot) for bot in desk.bots.values() for each in bot.structures()]
        return [(each, judge(self, each)) for each in found]


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
                f"Cboe's quotes of {chain.symbol} are of {when:%Y-%m-%d %H:%M}, "
                f"{age.total_seconds() / 60:,.0f} minutes old: they are not used",
                "its files stand still: try again later",
            )
    elif now - chain.at > timedelta(days=5):
        raise DelayedDataError(f"Cboe's quotes of {chain.symbol} are of {when:%Y-%m-%d}: they are not used")
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
