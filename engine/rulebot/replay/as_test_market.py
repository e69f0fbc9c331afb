"""What a test may say of a recorded day's market: levels, and volatilities by minute and by strike.

The smile is that of the minute in which the bot chose its strikes, else of the moment: in it every option that was
streamed is quoted as then, or has the delta of then. The volatility at the money is chosen minute by minute, so that
the bot's legs are worth together what they were quoted at.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass as mutable
from dataclasses import field
from datetime import date, datetime, timedelta
from functools import partial
from math import nan

from rulebot.compile.plan import Call, Plan, Quantity
from rulebot.core.state_builder import StateBuilder
from rulebot.evaluate.measure_realised import rv
from rulebot.evaluate.reading import context_of
from rulebot.model.contract import Option
from rulebot.model.market import Board, Extra
from rulebot.model.order import Purpose
from rulebot.model.position import Position
from rulebot.model.quotes import level_of
from rulebot.model.session import EXCHANGE_ZONE, CalendarError, Session, session_on
from rulebot.model.values import dataclass
from rulebot.record.record import Kind, Record
from rulebot.replay.as_test_smile import By, SmileSeen, seen_smile
from rulebot.replay.as_test_volatility import OptionSeen, Quotes, fitted, of_opening_move
from rulebot.replay.bot_view import entry_verdicts, known_number
from rulebot.replay.replay import Replayed
from rulebot.spec.smile import FLAT, Smile

MINUTE = timedelta(minutes=1)
MOST_LISTED = 100
"""Expiries of an underlying that a test may list."""
USUAL = 0.12
"""The volatility where nothing tells one, an annual fraction."""
_NOTES = {
    By.MID: "options are quoted as at {clock}, by strike; at other times their volatility moves up and down as one",
    By.DELTA: "options have the deltas of {clock}, by strike: their quotes differ, and at other times their deltas",
}
_ONE = "options are priced by one volatility for all strikes: a quote may differ from the one of then"


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSeen:
    """Units: levels in points by symbol and minute, nan where unknown; volatilities in percent likewise.

    note: how its options differ from those of then.
    """

    levels: Mapping[str, tuple[float, ...]]
    volatilities: Mapping[str, tuple[float, ...]]
    smiles: Mapping[str, Smile]
    expiries: Mapping[str, tuple[date, ...]]
    previous: Mapping[str, float]
    widths: Mapping[str, float]
    counts: Mapping[str, Mapping[str, float]]
    implied_days: Mapping[str, tuple[float, ...]]
    rv: float | None
    note: str


@mutable(slots=True)
class Watch:
    """What is kept of each minute: how it began, or the instant in which the bot acted. told: records seen so far."""

    bot: str
    at: datetime
    symbols: tuple[str, ...]
    levels: dict[str, list[float]] = field(default_factory=dict)
    quotes: list[Quotes] = field(default_factory=list)
    spots: list[Mapping[str, float]] = field(default_factory=list)
    state: str | None = None
    truths: dict[str, bool] = field(default_factory=dict)
    legs: tuple[Option, ...] = ()
    board: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    told: int = 0
    acted: set[int] = field(default_factory=set)

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
            self.state = self._state_in(found)

    def act(self, found: Replayed, at: datetime) -> bool:
        """Keep the instant in which the bot first acts within a minute in that minute's place."""
        told, self.told = self.told, len(found.records)
        if any(each.bot == self.bot and _acts(each) for each in found.records[told:]):
            minute, rest = divmod(at - found.state.session.open, MINUTE)
            if minute not in self.acted and rest and 0 <= minute < len(self.quotes):
                levels = {symbol: level_of(found.state.board, symbol, at.timestamp()) for symbol in self.symbols}
                self.spots[minute] = {name: nan if level is None else level for name, level in levels.items()}
                self.quotes[minute] = dict(_quotes(found.state.board))
                for symbol, level in self.spots[minute].items():
                    self.levels[symbol][minute] = level
            self.acted.add(minute)
        return False

    def state_after(self, found: Replayed) -> str:
        """Return what the bot was in when the moment's minute ended, or the recording before it."""
        return self._state_in(found) if self.state is None else self.state

    def _state_in(self, found: Replayed) -> str:
        alive = [each.state for each in found.state.positions.values() if each.bot == self.bot]
        return next((state for state in alive if state != "closed"), "flat")

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


def _acts(record: Record) -> bool:
    return record.is_leaving or record.kind is Kind.FILL


def _quotes(board: Board) -> Iterator[tuple[Option, OptionSeen]]:
    for contract, row in board.rows.items():
        if isinstance(contract, Option) and not contract.is_share:
            yield contract, OptionSeen((board.bid[row] + board.ask[row]) / 2.0, board.delta[row])


def markets(found: Replayed, watch: Watch, plan: Plan, session: Session) -> Iterator[Callable[[], MarketSeen]]:
    """Yield what makes markets for the test: with quotes or deltas as they were, and with one volatility."""
    minute, priced = _chosen_at(found, watch, session), dict.fromkeys(each.symbol for each in plan.legs)
    clock = f"{(session.open + MINUTE * minute).astimezone(EXCHANGE_ZONE):%H:%M}"
    for by in By:
        smiles = {symbol: _smile(found, watch, session, symbol, minute, by) for symbol in priced}
        known = {symbol: smile for symbol, smile in smiles.items() if smile is not None}
        if known:
            yield partial(_market, found, watch, plan, session, known, _NOTES[by].format(clock=clock))
    yield partial(_market, found, watch, plan, session, {}, _ONE)


def _chosen_at(found: Replayed, watch: Watch, session: Session) -> int:
    """Return the minute in which the bot chose the strikes that it held last by the moment, else that of the moment."""
    held = {each.id for each in _held(found, watch, session)}
    sent = [
        record.at
        for record in found.records
        if record.is_leaving
        and record.position in held
        and record.data["purpose"] == Purpose.ENTRY.value
        and record.at < watch.at + MINUTE
    ]
    return int((max(sent, default=watch.at) - session.open) / MINUTE)


def _smile(found: Replayed, watch: Watch, session: Session, symbol: str, minute: int, by: By) -> SmileSeen | None:
    quotes, level = watch.quotes[minute], watch.spots[minute].get(symbol, nan)
    own = [each for each in _legs(found, watch, session) if each.symbol == symbol]
    expiries = [each.expiry for each in own or quotes if each.symbol == symbol]
    if not expiries:
        return None
    expiry = max(sorted(set(expiries)), key=expiries.count)
    now = (session.open + MINUTE * minute).timestamp()
    return seen_smile(quotes, symbol, expiry, own, level, now, minute, by)


def _market(
    found: Replayed, watch: Watch, plan: Plan, session: Session, smiles: Mapping[str, SmileSeen], note: str
) -> MarketSeen:
    priced = tuple(dict.fromkeys(leg.symbol for leg in plan.legs if not leg.is_shares))
    volatilities = {symbol: _volatilities(found, watch, plan, session, symbol, smiles.get(symbol)) for symbol in priced}
    own = [option for option in _legs(found, watch, session) if str(option) in watch.board]
    read = [(option.symbol, watch.board[str(option)]) for option in own]
    minute = int((watch.at - session.open) / MINUTE)
    counted = {symbol for symbol, extra in plan.needs.extras if extra is Extra.COUNTS}
    scale = {symbol: _scale(watch, symbol, series[minute]) for symbol, series in volatilities.items()}
    main = plan.underlyings[0]
    recorded = _realised(found, plan, main)
    return MarketSeen(
        levels={symbol: tuple(levels) for symbol, levels in watch.levels.items()},
        volatilities=volatilities,
        smiles={symbol: each.smile for symbol, each in smiles.items()},
        expiries=dict(_expiries(found, plan, session)),
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
        rv=None if recorded is None else recorded * scale.get(main, 1.0),
        note=note,
    )


def _expiries(found: Replayed, plan: Plan, session: Session) -> Iterator[tuple[str, tuple[date, ...]]]:
    """Yield what was listed of each underlying whose legs do not just end that day: which of them is nearest counts."""
    if all(leg.expiry.days[-1:] == (0,) for leg in plan.legs):
        return
    listings = found.state.facts.listings
    for symbol in dict.fromkeys(leg.symbol for leg in plan.legs if not leg.is_shares):
        classes = {leg.trading_class for leg in plan.legs if leg.symbol == symbol}
        days = {day for each in classes if (symbol, each) in listings for day in listings[symbol, each].expiries}
        if kept := sorted(day for day in days if session.date <= day and _is_session(day))[:MOST_LISTED]:
            yield symbol, tuple(kept)


def _is_session(day: date) -> bool:
    """Say whether the exchange is known to trade on a day: its calendar ends some years ahead."""
    try:
        return session_on(day) is not None
    except CalendarError:
        return False


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


def _scale(watch: Watch, symbol: str, percent: float) -> float:
    """Return by what the test's volatility is above that of the underlying's, which is held against the past."""
    own = watch.board.get(symbol, {}).get("iv")
    return percent / (own * 100.0) if own else 1.0


def _realised(found: Replayed, plan: Plan, symbol: str) -> float | None:
    """Return the first of the realised volatilities of an underlying that the bot read, percent a year."""
    view, context = StateBuilder(found.program, found.state, found.at).view(), context_of(plan)
    for _, estimator, window in sorted(each for each in plan.needs.realised if each[0] == symbol):
        arguments = ("estimator", estimator), ("of", symbol), ("window", window)
        value = rv(Call("rv", arguments, Quantity.PERCENT), context)(view)
        if isinstance(value, float):
            return value
    return None


def _held(found: Replayed, watch: Watch, session: Session) -> list[Position]:
    """Return the positions of the bot that are of this session."""
    return [each for each in found.state.positions.values() if each.bot == watch.bot and each.session == session.date]


def _legs(found: Replayed, watch: Watch, session: Session) -> tuple[Option, ...]:
    """Return the options that the bot held that day, else those it would have traded at the moment."""
    options = [leg.option for each in _held(found, watch, session) for leg in each.legs if not leg.option.is_share]
    return tuple(dict.fromkeys(options)) or watch.legs


def _volatilities(
    found: Replayed, watch: Watch, plan: Plan, session: Session, symbol: str, smile: SmileSeen | None
) -> tuple[float, ...]:
    usual = watch.board.get(symbol, {}).get("iv") or USUAL
    held = _held(found, watch, session)
    wanted = [option for option in _legs(found, watch, session) if option.symbol == symbol]
    spots = [each.get(symbol, nan) for each in watch.spots]
    known = {} if smile is None else {smile.minute: smile.iv / 100.0}
    own = FLAT if smile is None else smile.smile
    series = fitted(session, symbol, held, wanted, watch.quotes, spots, usual, own, known)
    for (of, expiry), points in found.state.facts.opening_moves.items():
        if of == symbol and symbol in plan.needs.opening_move:
            series[0] = of_opening_move(points, expiry, session, spots[0]) or series[0]
    return tuple(round(each * 100.0, 2) for each in series)
