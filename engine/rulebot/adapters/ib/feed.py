"""Market data lines into the board, and slow facts on request."""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Protocol

from rulebot.adapters.ib import convert, history
from rulebot.adapters.ib.connection_errors import INFORMATION
from rulebot.adapters.ib.contracts import (
    ContractBook,
    MarketRules,
    ReportedHours,
    both_rights,
    chain_contract,
    expiries_listed,
    hours_in,
    in_america,
    is_index,
    subscription,
    underlying_contract,
)
from rulebot.adapters.ib.history import SessionOpenPrices
from rulebot.adapters.ib.requests import NO_CONTRACT, RefusedError, reading
from rulebot.adapters.ib.settings import IbSettings
from rulebot.adapters.ib.stale_lines import (
    DELAYED,
    DISCONNECTED,
    ELSEWHERE,
    LINES_USED_UP,
    OR_DELAYED,
    PARTLY,
    StaleLines,
    no_data_reason,
)
from rulebot.adapters.ib.transport import REQUEST_IDS, Wire
from rulebot.model.contract import Contract, Option, Right, Underlying
from rulebot.model.errors import UnansweredError, UnavailableError
from rulebot.model.event import DataTrouble
from rulebot.model.facts import Bars, Listing
from rulebot.model.market import Board, Extra, Extras
from rulebot.model.session import Hours, Session, exchange_date

log = logging.getLogger("rulebot.ib")

UNKNOWN_TICKER = 300
FOR_NOW = frozenset((LINES_USED_UP, ELSEWHERE, DISCONNECTED))
"""Rejects that end when another client releases lines or logs out, or a gateway connection is back.

The broker does not report that end, and a rejected line stays dead: it must be requested again.
"""
ASK_AGAIN, ASK_LATER = timedelta(minutes=1), timedelta(minutes=10)
"""Wait after such a reject.

After any other reject, the wait is longer: a missing subscription may be bought, or not be loaded yet just after the
login of the gateway, or a contract cannot be looked up at the moment.
"""
WITHIN = "all contracts are within the limit of lines again"
NAMED = 5
"""Contracts that are named at most, of those whose data is back and of those beyond the limit."""
DIVIDENDS = "456"
"""The generic tick of a stock's dividends, which come as tick 59. Source: TWS API, available tick types."""
COUNTS = "101"
"""That of an option's open interest, which comes as tick 27 or 28; its volume comes as tick 8 in any case."""
_UNDERLYING_TICKS = {Extra.OPTION_VOLUME: "100", Extra.IMPLIED: "106"}
"""Volume of all calls (tick 29) and puts (30) of an underlying; its 30-day implied volatility (24)."""
FARM_BROKEN, FARM_CONNECTED, FARM_INACTIVE = 2103, 2104, 2108
"""Inactive is a farm without requests: for one that was broken no "connected" follows."""

_OF_CONNECTIONS = frozenset((1100, 1101, 1102, *INFORMATION))
"""Codes for the gateway's own connections; their effects arrive as messages of their own."""


class HasTime(Protocol):
    """What knows the present instant."""

    @property
    def now(self) -> datetime:
        """The instant of the last batch."""


def _farm_in(text: str) -> str:
    """Return the farm that a notice names: behind a colon, or behind a full stop where it is inactive."""
    return re.split(r":|demand\.", text)[-1]


def _named(contracts: Sequence[Contract]) -> str:
    """Return the first of these contracts by name, and how many more there are."""
    more = f" and {len(contracts) - NAMED} more" if len(contracts) > NAMED else ""
    return f"{', '.join(map(str, contracts[:NAMED]))}{more}"


def _has_price(board: Board, row: int) -> bool:
    """Say whether a row has any price: what comes on a line before its refusal has none."""
    return any(column[row] == column[row] for column in (board.bid, board.ask, board.last))


class IbFeed:
    """The Feed port. `unwatched` are contracts beyond the line limit, `troubles` what does not stream, and why.

    shortage: the number beyond the limit as last reported, in words; "" while none is.
    """

    def __init__(self, settings: IbSettings, book: ContractBook, board: Board) -> None:
        self._settings = settings
        self._book = book
        self._board = board
        self._wire: Wire | None = None
        self._time: HasTime | None = None
        self._lines: dict[Contract, int] = {}
        self._asked: dict[Contract, tuple[str, int]] = {}  # generic ticks, and the id that was known
        self._wanted: tuple[Contract, ...] = ()
        self._extras: Extras = frozenset()
        self.unwatched: tuple[Contract, ...] = ()
        self.shortage = ""
        self._most_reported = 0
        self.troubles: dict[Contract, str] = {}
        self._broken_farms: set[str] = set()
        self._held_back: set[int] = set()
        self._ask_at: dict[Contract, datetime] = {}
        self._silence = StaleLines()
        self._opens = SessionOpenPrices(board, self._daily)
        self._away: dict[Contract, str] = {}
        self._logged: set[str] = set()
        self._stopped: dict[str, list[Contract]] = {}
        self._late: set[str] = set()
        self._asks_for_delayed = False
        self._reported_hours: dict[str, ReportedHours] = {}
        self._rules = MarketRules()

    @property
    def board(self) -> Board:
        return self._board

    @property
    def lines(self) -> int:
        """How many contracts are streamed."""
        return len(self._lines)

    def attach(self, wire: Wire, time: HasTime) -> None:
        """Use this connection; what was streamed before is streamed again, with nothing of the old values left."""
        self.detach()
        self._wire, self._time = wire, time
        self.watch(self._wanted, self._extras)

    def detach(self) -> None:
        """Forget all lines: their connection is gone, or the broker has forgotten them."""
        for contract in tuple(self._lines):
            self._drop(contract)
        self._broken_farms.clear()
        self._held_back.clear()
        self._logged.clear()
        self._away.clear()
        self._rules.forget()
        self._asks_for_delayed = False
        self._wire = None

    # ------------------------------------------------------------ lines

    def watch(self, contracts: Sequence[Contract], extras: Extras = frozenset()) -> None:
        wanted = tuple(dict.fromkeys(contracts))
        self._wanted, self._extras = wanted, extras
        kept, self.unwatched = wanted[: self._settings.max_lines], wanted[self._settings.max_lines :]
        self._report_shortage()
        if self._wire is None or not self._wire.is_up:
            return  # the next connection streams them
        self._ask_for_delayed(self._wire)
        stays, asked = set(kept), self._asked
        for contract in [each for each in self._lines if each not in stays or asked[each][0] != self._ticks(each)]:
            self._away.pop(contract, None)
            self._cancel(self._wire, contract)
        for contract in kept:
            if contract not in self._lines:
                self._subscribe(self._wire, contract)

    def _ask_for_delayed(self, wire: Wire) -> None:
        """Ask once a connection for late data where nothing else is subscribed, if something may be delayed."""
        if self._board.may_be_delayed and not self._asks_for_delayed:
            self._asks_for_delayed = True
            wire.pace.in_turn(lambda: wire.client.reqMarketDataType(OR_DELAYED))

    def _report_shortage(self) -> None:
        """Report when contracts exceed the limit, when their number grows, and when none does any more.

        Which ones they are changes whenever strikes move, and is in `unwatched` alone.
        """
        rest, limit = self.unwatched, self._settings.max_lines
        if len(rest) > self._most_reported:
            beyond = "1 contract is" if len(rest) == 1 else f"{len(rest)} contracts are"
            self.shortage = f"{beyond} beyond the limit of {limit} lines: {_named(rest)}"
            log.warning("%s", self.shortage)
        elif self.shortage and not rest:
            self.shortage = ""
            log.warning(WITHIN)
        self._most_reported = max(len(rest), self._most_reported) if rest else 0

    def _subscribe(self, wire: Wire, contract: Contract) -> None:
        req_id = wire.client.getReqId()
        self._lines[contract] = req_id
        wire.quotes.rows[str(req_id)] = self._board.add(contract)
        self._silence.asked(contract, self._present().timestamp())
        asked = self._book.to_broker(contract)
        more = self._ticks(contract)
        self._asked[contract] = more, asked.conId
        log.debug("market data line %d opened: %s", req_id, contract)
        wire.pace.in_turn(lambda: wire.client.reqMktData(req_id, asked, more, False, False, []))

    def _ticks(self, contract: Contract) -> str:
        """Return the generic ticks to ask for with a contract."""
        if isinstance(contract, Option):
            return COUNTS if (contract.symbol, Extra.COUNTS) in self._extras else ""
        found = [] if is_index(contract.symbol) else [DIVIDENDS]
        found += [tick for extra, tick in _UNDERLYING_TICKS.items() if (contract.symbol, extra) in self._extras]
        return ",".join(found)

    def _cancel(self, wire: Wire, contract: Contract) -> None:
        req_id = self._lines[contract]
        if wire.is_up:
            wire.pace.in_turn(lambda: wire.client.cancelMktData(req_id))
        self._drop(contract)

    def ask_again(self, now: datetime, *, is_away: bool) -> None:
        """Request rejected lines again after a wait, and lines that died silently.

        is_away: the gateway has lost the broker, and no line can update.
        """
        wire = self._wire
        if wire is None or not wire.is_up:
            return
        if not (is_away or self._settings.lockstep):
            self._opens.look(wire, self._lines, now)
        due = [contract for contract, at in self._ask_at.items() if now >= at]
        silent = [] if is_away else self._silence.due(self._board, now, self._ask_at)
        if silent:
            log.warning("%s: silent, requested again", _named(silent))
        elif not due:
            return
        reported = {contract: wire.quotes.reported(self._board.rows[contract]) for contract in silent}
        for contract in (*due, *silent):
            self._cancel(wire, contract)
        for contract in (*due, *silent):
            self._subscribe(wire, contract)
            if (before := reported.get(contract)) is not None:
                wire.quotes.goes_on(self._board.rows[contract], before)

    def _drop(self, contract: Contract) -> None:
        """Give up a line and its row, which may be used again at once."""
        req_id = self._lines.pop(contract)
        self._asked.pop(contract)
        self._ask_at.pop(contract, None)
        self._silence.given_up(contract)
        self.troubles.pop(contract, None)
        if self._wire is not None:
            row = self._wire.quotes.rows.pop(str(req_id))
            self._wire.quotes.forget(row)
            self._held_back.discard(row)
        self._board.drop(contract)

    def refused(self, fields: list[str], at: datetime) -> DataTrouble | None:
        """Handle an error message for a line, or without an id; return what to report at once (for a line:

        `stopped`).
        """
        req_id, code, text = convert.whole(fields[2]), convert.whole(fields[3]), convert.plain_text(fields[4])
        wire = self._wire
        if req_id < REQUEST_IDS or code in INFORMATION:
            log.log(logging.INFO if code in _OF_CONNECTIONS else logging.WARNING, "broker: %s (error %d)", text, code)
            if wire is not None and code in (FARM_BROKEN, FARM_CONNECTED, FARM_INACTIVE):
                return self._farm(wire, _farm_in(text), at, code)
            return None
        contract = next((each for each, line in self._lines.items() if line == req_id), None)
        if wire is None or contract is None or code == UNKNOWN_TICKER:
            return None
        is_used = code == DELAYED and contract.symbol in self._board.may_be_delayed
        why = no_data_reason(contract, code, text, is_used=is_used)
        words = self._note(contract, why)
        if is_used:
            self._late.add(why)
        elif code not in PARTLY:
            # quotes come only on change, so a line that has stopped looks like a quiet one
            row = self._board.rows[contract]
            wire.quotes.freeze(row)
            self._held_back.discard(row)
            self._ask_at[contract] = self._present() + self._wait_after(contract, code)
            self._away[contract] = words
        return None

    def _wait_after(self, contract: Contract, code: int) -> timedelta:
        """Return the wait after a reject: none if the contract id has become known since the request."""
        if code == NO_CONTRACT and not self._asked[contract][1] and self._book.con_id(contract):
            return timedelta(0)
        return ASK_AGAIN if code in FOR_NOW else ASK_LATER

    def _farm(self, wire: Wire, farm: str, at: datetime, code: int) -> DataTrouble | None:
        """Hold back every row while a market data farm is broken: its contracts are not known."""
        if code == FARM_BROKEN:
            text = f"market data farm {farm} is broken; no quote counts until it is back"
            log.warning("%s", text)
            self._broken_farms.add(farm)
            self._held_back.update(row for row in self._board.rows.values() if row not in self._board.frozen)
            for row in self._held_back:
                wire.quotes.freeze(row)
            return DataTrouble(at, "", text)
        if farm not in self._broken_farms:
            return None
        self._broken_farms.discard(farm)
        if not self._broken_farms:
            for row in self._held_back:
                wire.quotes.thaw(row)
                wire.quotes.expire(row)
            self._held_back.clear()
            self._silence.farm_is_back(at.timestamp())
        text = f"market data farm {farm} is {'back' if code == FARM_CONNECTED else 'inactive until it is needed'}"
        log.warning("%s", text)
        return DataTrouble(at, "", text)

    def returned(self, rows: Sequence[int], at: datetime) -> DataTrouble | None:
        """Report which rejected lines stream again, by the changed rows; None if none."""
        if not self._away:
            return None
        board = self._board
        priced = {row for row in rows if row not in board.frozen and _has_price(board, row)}
        found = [each for each in self._away if board.rows.get(each) in priced]
        if not found:
            return None
        for contract in found:
            self._logged.discard(self._away.pop(contract))  # so that the next time is reported again
        text = f"market data is back: {_named(found)}"
        log.warning("%s", text)
        return DataTrouble(at, "", text)

    def _note(self, contract: Contract, why: str) -> str:
        """Keep why a line does not stream, and return it; each reason is reported once, until it streams again."""
        words = self.troubles[contract] = f"{contract}: {why}"
        if words not in self._logged:
            self._logged.add(words)
            self._stopped.setdefault(why, []).append(contract)
        return words

    def stopped(self, at: datetime) -> list[DataTrouble]:
        """Return which lines have been refused since this was asked last: for each reason all of them at once."""
        found = []
        for why, contracts in self._stopped.items():
            words = f"{_named(contracts)}: {why}"
            log.warning("%s", words)
            symbols = {contract.symbol for contract in contracts}
            is_late = why in self._late
            found.append(DataTrouble(at, symbols.pop() if len(symbols) == 1 else "", words, is_late))
        self._stopped.clear()
        return found

    # ------------------------------------------------------------ slow facts

    async def _ask(self, what: str, send: Callable[[Wire, int], None], seconds: float | None = None) -> list[list[str]]:
        wire = self._wire
        if wire is None or not wire.is_up:
            raise UnansweredError(f"there is no connection to ask for {what}")
        limit = self._settings.request_seconds if seconds is None else seconds
        return await wire.requests.ask(what, lambda req_id: send(wire, req_id), limit)

    @property
    def _version(self) -> int:
        return 0 if self._wire is None else self._wire.version

    @property
    def _login(self) -> str:
        return "" if self._wire is None else self._wire.zone

    async def _underlying_id(self, symbol: str) -> int:
        """Return an underlying's contract id. Raises: UnavailableError when there is not exactly one; BrokerError."""
        return self._book.con_id(Underlying(symbol)) or await self._ask_underlying(symbol)

    async def _ask_underlying(self, symbol: str) -> int:
        """Ask for an underlying's contract, and keep when it trades. Raises: UnavailableError, BrokerError."""
        asked = underlying_contract(symbol)
        try:
            rows = await self._ask(
                f"the contract of {symbol}", lambda wire, req_id: wire.client.reqContractDetails(req_id, asked)
            )
        except RefusedError as refusal:
            if refusal.code != NO_CONTRACT:
                raise
            raise UnavailableError(symbol, refusal.message) from refusal
        contract = Underlying(symbol)
        with reading(f"the contract of {symbol}"):
            ours = in_america(rows, self._version)
            if len(ours) == 1:
                self._book.learn_details(ours, self._version)
        found = self._book.con_id(contract)
        if len(ours) != 1 or not found:
            raise UnavailableError(symbol, f"the broker lists {len(rows)} contracts for {symbol}, one is needed")
        self._reported_hours[symbol] = hours_in(ours[0], self._version, exchange_date(self._present()), self._login)
        if contract in self._away and contract in self._lines:  # its symbol alone may have been too little
            self._ask_at[contract] = self._present()
        return found

    async def hours(self, symbol: str, session: Session) -> Hours | None:
        """Return the regular hours of an underlying on the session's day, as reported on the day of the request.

        None where that day is missing or unreadable.
        """
        today = exchange_date(self._present())
        if (reported := self._reported_hours.get(symbol)) is None or reported.on != today:
            await self._ask_underlying(symbol)
            reported = self._reported_hours[symbol]
        try:
            return reported.hours(session.date)
        except ValueError as error:
            log.warning("the broker's hours of %s cannot be read: %s (%r)", symbol, error, reported.liquid)
            return None

    async def listing(self, symbol: str, trading_class: str) -> Listing:
        con_id = await self._underlying_id(symbol)
        name, kind = convert.symbol_there(symbol), "IND" if is_index(symbol) else "STK"
        rows = await self._ask(
            f"the option expiries of {symbol}",
            lambda wire, req_id: wire.client.reqSecDefOptParams(req_id, name, "", kind, con_id),
        )
        with reading(f"the option expiries of {symbol}"):
            return expiries_listed(symbol, trading_class, rows)

    async def strikes(self, listing: Listing, expiry: date) -> Listing:
        """Return the listing with the strikes that exist for `expiry` and the price grid, and learn contract ids."""
        asked = chain_contract(listing.symbol, listing.trading_class, expiry)
        try:
            rows = await self._ask(
                f"the strikes of {listing.trading_class} {expiry}",
                lambda wire, req_id: wire.client.reqContractDetails(req_id, asked),
            )
        except RefusedError as refusal:
            if refusal.code != NO_CONTRACT:
                raise
            rows = []
        with reading(f"the strikes of {listing.trading_class} {expiry}"):
            options = self._book.learn_details(rows, self._version, self._login)
        strikes = both_rights([each for each in options if each.trading_class == listing.trading_class])
        ticks = None if self._wire is None else await self._rules.grid(self._wire, rows, listing.trading_class)
        return replace(listing, strikes={**listing.strikes, expiry: strikes}, ticks=ticks or listing.ticks)

    async def closes(self, symbol: str, sessions: int) -> tuple[float, ...]:
        """Return daily closes of the sessions next before today, oldest first; fewer when the broker lacks one."""
        bars = await self._daily(Underlying(symbol), sessions)
        return history.closes_before(exchange_date(self._present()), bars)[-sessions:]

    async def _daily(self, of: Underlying, sessions: int = 1) -> list[history.Bar]:
        """Return daily bars of at least this many finished sessions, and of today."""
        asked = underlying_contract(of.symbol, await self._underlying_id(of.symbol))
        return await self._bars(history.daily_closes(asked, sessions), of)

    async def bars(self, symbol: str, seconds: int, count: int, session: Session) -> Bars:
        asked = underlying_contract(symbol, await self._underlying_id(symbol))
        now = self._present()
        wanted = (
            history.daily_bars(asked, count)
            if seconds == history.DAY
            else history.session_bars(asked, seconds, count, session, now)
        )
        found = history.finished_bars(await self._bars(wanted, Underlying(symbol)), seconds, now)
        return Bars(now.timestamp(), tuple(found[-count:]))

    async def implied(self, symbol: str, sessions: int) -> tuple[float, ...]:
        """Return the 30-day implied volatility at the close of finished sessions, oldest first, never today's."""
        asked = underlying_contract(symbol, await self._underlying_id(symbol))
        bars = await self._bars(history.daily_volatilities(asked, sessions), Underlying(symbol))
        today = exchange_date(self._present())
        return tuple(bar.close for bar in bars if bar.day < today)[-sessions:]

    async def _bars(self, wanted: history.BarQuestion, contract: Contract) -> list[history.Bar]:
        """Return bars; none when the broker has none.

        Raises: UnavailableError, naming a missing subscription; BrokerError.
        """
        try:
            rows = await self._ask(wanted.what, wanted.send, self._settings.history_seconds)
        except RefusedError as refusal:
            if history.is_empty(refusal.code, refusal.text):
                return []
            if history.is_forbidden(refusal.code, refusal.text):
                needed = f"subscribe to {subscription(contract)}"
                raise UnavailableError(contract.symbol, refusal.message, needed) from refusal
            raise
        with reading(wanted.what):
            return history.read_bars(rows[0])

    def _present(self) -> datetime:
        if self._time is None:
            raise UnansweredError("there is no connection to the broker")
        return self._time.now

    async def opening_move(self, listing: Listing, expiry: date, session: Session) -> float | None:
        """Return the expected move of the first sound minute, in points; None if the first ones are not sound.

        The mid of the straddle at the strike nearest to spot, at the minute's end, times sqrt(pi/2).
        """
        if expiry not in listing.strikes:
            listing = await self.strikes(listing, expiry)
        asked = underlying_contract(listing.symbol, await self._underlying_id(listing.symbol))
        wanted = history.opening_minutes(asked, listing.symbol, session, "TRADES")
        spots = {bar.at: bar.close for bar in await self._bars(wanted, Underlying(listing.symbol))}
        for at in sorted(history.finished(spots, session, self._present())):
            strike = min(listing.strikes[expiry], key=lambda each: abs(float(each) - spots[at]), default=None)
            if strike is None:
                return None
            names = listing.symbol, listing.trading_class, expiry, strike
            call, put = [await self._mid(Option(*names, right), session, at) for right in (Right.CALL, Right.PUT)]
            if (move := history.straddle_move(spots[at], float(strike), call, put)) is not None:
                return move
        return None

    async def _mid(self, option: Option, session: Session, at: datetime) -> float | None:
        wanted = history.opening_minutes(self._book.to_broker(option), str(option), session, "MIDPOINT")
        bars = await self._bars(wanted, option)
        return next((bar.close for bar in bars if bar.at == at), None)
