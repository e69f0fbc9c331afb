"""A recorded day as the market of a test: what a bot read of it minute by minute, and what the bot did.

The market of a test knows levels, and one volatility for all strikes. It is chosen minute by minute, so that the bot's
legs are worth together what they were quoted at; what else differs is said in `notes`.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass as mutable
from dataclasses import field
from datetime import datetime, timedelta
from itertools import pairwise
from math import log, nan, sqrt

from engine.adapters.recorded.recording import Recording
from engine.compile.plan import Plan
from engine.model.contract import Option
from engine.model.errors import MisuseError
from engine.model.market import Board, Extra
from engine.model.quotes import level_of
from engine.model.session import EXCHANGE_ZONE, Session, session_on
from engine.model.values import dataclass
from engine.run.replay.as_test_volatility import OptionSeen, Quotes, fitted, of_opening_move
from engine.run.replay.replay import Replayed, replay
from engine.run.replay.view import entry_verdicts, known_number
from engine.run.trial.day import Lived
from engine.run.trial.market import SESSIONS_A_YEAR
from engine.run.trial.outcome import Happening, Outcome
from engine.turn.program import CompiledBot

MINUTE = timedelta(minutes=1)
AFTER = timedelta(minutes=5)
USUAL = 0.12
"""The volatility where nothing tells one, an annual fraction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSeen:
    """Units: levels in points by symbol and minute, nan where unknown; volatilities in percent likewise."""

    levels: Mapping[str, tuple[float, ...]]
    volatilities: Mapping[str, tuple[float, ...]]
    previous: Mapping[str, float]
    widths: Mapping[str, float]
    counts: Mapping[str, Mapping[str, float]]
    implied_days: Mapping[str, tuple[float, ...]]
    rv: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySeen:
    """A recorded session of one bot. orders: when it sent any; state: what it was in when the moment's minute ended.

    truths: what its entry conditions said at the moment, those that were known while it watched.
    """

    session: Session
    at: datetime
    bot: CompiledBot
    market: MarketSeen
    outcome: Outcome
    orders: tuple[datetime, ...]
    state: str
    truths: Mapping[str, bool]
    notes: tuple[str, ...]

    @property
    def happenings(self) -> tuple[Happening, ...]:
        """What a test can expect of the bot, in order."""
        return self.outcome.happenings


@mutable(slots=True)
class _Watch:
    """What is kept of each minute."""

    bot: str
    at: datetime
    symbols: tuple[str, ...]
    levels: dict[str, list[float]] = field(default_factory=dict)
    quotes: list[Quotes] = field(default_factory=list)
    spots: list[Mapping[str, float]] = field(default_factory=list)
    state: str = "flat"
    truths: dict[str, bool] = field(default_factory=dict)
    legs: tuple[Option, ...] = ()
    board: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)

    def see(self, found: Replayed, at: datetime) -> None:
        """Keep a minute."""
        board, now = found.state.board, at.timestamp()
        for symbol in self.symbols:
            level = level_of(board, symbol, now)
            self.levels.setdefault(symbol, []).append(nan if level is None else level)
        self.quotes.append(dict(_quotes(board)))
        self.spots.append({symbol: levels[-1] for symbol, levels in self.levels.items()})
        if at == self.at:
            self._see_moment(found)
        elif at == self.at + MINUTE:
            alive = [each.state for each in found.state.positions.values() if each.bot == self.bot]
            self.state = next((state for state in alive if state != "closed"), "flat")

    def _see_moment(self, found: Replayed) -> None:
        if self.bot not in found.state.bots:
            return
        bot = found.program.bots[self.bot]
        if found.state.bots[self.bot].is_watching:
            said = [(rule.rule.name, verdict.truth) for rule, verdict in entry_verdicts(found, bot, self.at)]
            names = [name for name, _ in said]
            self.truths = {name: truth for name, truth in said if truth is not None and names.count(name) == 1}
        selection = found.state.bots[self.bot].selection
        if selection is not None and selection.is_complete:
            self.legs = tuple(leg.option for leg in selection.legs if not leg.option.is_share)
        board, wanted = found.state.board, ("iv", "previous_close", "bid", "ask", "volume", "open_interest")
        self.board = {
            str(contract): {name: known_number(board, name, row) for name in wanted}
            for contract, row in board.rows.items()
        }


def seen_day(recording: Recording, name: str, at: datetime) -> DaySeen:
    """Return what a bot saw and did on the last day of a recording. Raises: MisuseError, StoreError, CodecError."""
    session = session_on(recording.day)
    if session is None or not session.open <= at < session.close:
        clock = at.astimezone(EXCHANGE_ZONE)
        raise MisuseError(f"a test is of a session, and {clock:%H:%M} of {recording.day} is outside of it")
    minutes = [session.open + MINUTE * number for number in range(int((session.close - session.open) / MINUTE) + 1)]
    plan = _plan_of(recording, name)
    symbols = tuple(dict.fromkeys((*plan.needs.symbols, *plan.needs.indices)))
    watch = _Watch(name, at, symbols)
    found = replay(recording, until=session.close + AFTER, marks=deque(minutes), glimpse=watch.see)
    if not watch.board:
        raise MisuseError(
            f"nothing is recorded of {recording.day} at that time", "'rulebot replay --list' shows what is"
        )
    bot = found.program.bots[name]
    records = tuple(each for each in found.records if each.bot == name and each.at >= session.open - timedelta(hours=1))
    lived = Lived(session, session.open, session.close, records, (), (), found.state, None, ())
    outcome = Outcome(lived)
    orders = tuple(each.at for each in records if each.kind.value == "order" and each.data["status"] == "sending")
    return DaySeen(
        session=session,
        at=at,
        bot=bot,
        market=_market(found, watch, plan, session),
        outcome=outcome,
        orders=orders,
        state=watch.state,
        truths=watch.truths,
        notes=tuple(_notes(found, watch, plan, session)),
    )


def _plan_of(recording: Recording, name: str) -> Plan:
    from engine.run.replay.head import desk_of

    plan = desk_of(recording.head).bots[name].plan
    if plan.members:
        raise MisuseError(
            f"{name} chooses among the symbols of a universe",
            "such a bot's day is too wide for one test: write it by hand",
        )
    return plan


def _quotes(board: Board) -> Iterator[tuple[Option, OptionSeen]]:
    for contract, row in board.rows.items():
        if isinstance(contract, Option) and not contract.is_share:
            yield contract, OptionSeen((board.bid[row] + board.ask[row]) / 2.0, board.delta[row])


# ---------------------------------------------------------------- the market


def _market(found: Replayed, watch: _Watch, plan: Plan, session: Session) -> MarketSeen:
    priced = tuple(dict.fromkeys(leg.symbol for leg in plan.legs if not leg.is_shares))
    volatilities = {symbol: _volatilities(found, watch, plan, session, symbol) for symbol in priced}
    own = [option for option in _legs(found, watch, session) if str(option) in watch.board]
    read = [(option.symbol, watch.board[str(option)]) for option in own]
    minute = int((watch.at - session.open) / MINUTE)
    counted = {symbol for symbol, extra in plan.needs.extras if extra is Extra.COUNTS}
    scale = {symbol: _scale(watch, symbol, series[minute]) for symbol, series in volatilities.items()}
    main = plan.underlyings[0]
    closes = found.state.facts.closes.get(main, ())[-21:]
    recorded = _deviation(closes)
    return MarketSeen(
        levels={symbol: tuple(levels) for symbol, levels in watch.levels.items()},
        volatilities=volatilities,
        previous={
            symbol: close
            for symbol in watch.levels
            if (close := watch.board.get(symbol, {}).get("previous_close")) is not None
        },
        widths=_least(((symbol, _width(each)) for symbol, each in read), most=True),
        counts={
            name: _least((symbol, each[name]) for symbol, each in read if symbol in counted)
            for name in ("volume", "open_interest")
        },
        implied_days={
            symbol: tuple(each * 100.0 * scale.get(symbol, 1.0) for each in found.state.facts.implied[symbol])
            for symbol in plan.needs.implied
            if found.state.facts.implied.get(symbol)
        },
        rv=None if recorded is None or not plan.needs.daily else recorded * scale.get(main, 1.0),
    )


def _width(read: Mapping[str, float | None]) -> float | None:
    bid, ask = read["bid"], read["ask"]
    return None if bid is None or ask is None else round(ask - bid, 4)


def _least(found: Iterator[tuple[str, float | None]], *, most: bool = False) -> dict[str, float]:
    """Return the least number of each symbol, or with `most` the greatest."""
    best: dict[str, float] = {}
    for symbol, number in found:
        if number is not None and number >= 0:
            best[symbol] = (
                number if symbol not in best else max(best[symbol], number) if most else min(best[symbol], number)
            )
    return best


def _scale(watch: _Watch, symbol: str, percent: float) -> float:
    """Return by what the test's volatility is above that of the underlying's, which is held against the past."""
    own = watch.board.get(symbol, {}).get("iv")
    return percent / (own * 100.0) if own else 1.0


def _deviation(closes: tuple[float, ...]) -> float | None:
    returns = [log(later / earlier) for earlier, later in pairwise(closes) if earlier > 0 < later]
    if len(returns) < 2:
        return None
    mean = sum(returns) / len(returns)
    return sqrt(sum((each - mean) ** 2 for each in returns) / (len(returns) - 1) * SESSIONS_A_YEAR) * 100.0


def _legs(found: Replayed, watch: _Watch, session: Session) -> tuple[Option, ...]:
    """Return the options that the bot held that day, else those it would have traded at the moment."""
    held = [each for each in found.state.positions.values() if each.bot == watch.bot and each.session == session.date]
    options = [leg.option for each in held for leg in each.legs if not leg.option.is_share]
    return tuple(dict.fromkeys(options)) or watch.legs


def _volatilities(found: Replayed, watch: _Watch, plan: Plan, session: Session, symbol: str) -> tuple[float, ...]:
    usual = watch.board.get(symbol, {}).get("iv") or USUAL
    held = [each for each in found.state.positions.values() if each.bot == watch.bot and each.session == session.date]
    wanted = [option for option in _legs(found, watch, session) if option.symbol == symbol]
    spots = [each.get(symbol, nan) for each in watch.spots]
    series = fitted(session, symbol, held, wanted, watch.quotes, spots, usual)
    for (of, expiry), points in found.state.facts.opening_moves.items():
        if of == symbol and symbol in plan.needs.opening_move:
            series[0] = of_opening_move(points, expiry, session, spots[0]) or series[0]
    return tuple(round(each * 100.0, 2) for each in series)


# ---------------------------------------------------------------- what is not carried over


def _notes(found: Replayed, watch: _Watch, plan: Plan, session: Session) -> Iterator[str]:
    yield "options are priced by one volatility for all strikes: a quote may differ from the one of then"
    yield "levels are those of each full minute: a high or low between two of them is not there"
    if any(levels and levels[0] != levels[0] for levels in watch.levels.values()):
        yield "a level that was not known at the open stands where it was first known"
    if plan.needs.daily:
        yield "realised volatility is scaled, so that it stands to the volatility of options as it did"
    if plan.needs.bars:
        yield "bars of earlier days and within the day are those of a test, not those of then"
    if plan.needs.events:
        yield "event dates are those that came with this version of rulebot"
    if plan.needs.bots:
        yield "other bots do not run in a test"
    if plan.overwrite is not None:
        yield "shares that the account held are not there: add 'account: {shares: ...}'"
    earlier = [
        each for each in found.state.positions.values() if each.bot == watch.bot and each.session != session.date
    ]
    if earlier:
        yield f"{len(earlier)} positions of earlier sessions were open, and are not in the test"
    if found.difference is not None:
        yield "this version of rulebot decides otherwise than the recording does; what follows that is not in the test"
