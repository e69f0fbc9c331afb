"""What a test may say of a recorded day's market: levels, and volatilities by minute and by strike.

The smile is that of the minute in which the bot chose its strikes, else of the moment: in it every option that was
streamed is quoted as then, or has the delta of then. The volatility at the money is chosen minute by minute, so that
the bot's legs are worth together what they were quoted at.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass as mutable
from dataclasses import field
from datetime import date, datetime, timedelta
from enum import Enum
from functools import partial
from math import isfinite, log, nan, sqrt
from typing import NamedTuple

from rulebot.compile.plan import Call, Plan, Quantity
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import view_of
from rulebot.evaluate.measure import context_of
from rulebot.measures.realised import rv
from rulebot.model.black import MEAN_MOVE, delta, implied_volatility, price, years_until
from rulebot.model.contract import Option, Right
from rulebot.model.market import Board, Extra, level_of
from rulebot.model.order import Purpose
from rulebot.model.position import Position
from rulebot.model.session import EXCHANGE_ZONE, CalendarError, Session, session_on
from rulebot.model.values import dataclass
from rulebot.record.record import Kind, Record
from rulebot.replay.replay import Replayed, entry_evaluations, known_number
from rulebot.spec.spec_test_nouns import FLAT, Smile, smile
from rulebot.spec_tests.market import LEAST_VOLATILITY

MINUTE = timedelta(minutes=1)

# --- The volatility at the money of a test, minute by minute

LOWEST, HIGHEST, STEPS = 0.02, 3.0, 120
FINER, FINER_STEPS = 3, 20
NOTHING: Mapping[int, float] = {}


class OptionSeen(NamedTuple):
    """The reported values of an option, nan where missing."""

    mid: float
    delta: float


Quotes = Mapping[Option, OptionSeen]


def fitted(
    session: Session,
    symbol: str,
    held: Sequence[Position],
    wanted: Sequence[Option],
    quotes: Sequence[Quotes],
    spots: Sequence[float],
    usual: float,
    smile: Smile = FLAT,
    known: Mapping[int, float] = NOTHING,
) -> list[float]:
    """Return the volatility of options on a symbol at each minute, an annual fraction.

    While a position is open it makes its legs worth the same multiple of their entry as their quotes; before and after
    that it gives `wanted` options their deltas of then, by which strikes are chosen; else it is the last known one.
    smile: above it at other strikes. known: at minutes where it is given.
    """
    chosen = _sold(held, wanted) or wanted
    series: list[float] = []
    entries: dict[str, float] = {}

    def of_position(position: Position, number: int, now: float, last: float) -> float | None:
        legs = [(leg.option, leg.sign * leg.ratio) for leg in position.legs if leg.option.symbol == symbol]
        before = max(number - 1, 0)
        then = (session.open + MINUTE * before).timestamp()
        entry = entries.setdefault(position.id, _worth(legs, spots[before], then, last, smile))
        paid = float(-(position.entry_price or 0))
        scale = entry / paid if paid and len(legs) == len(position.legs) else 1.0
        return _fitted_price(legs, quotes[number], spots[number], now, scale, last, smile)

    for number, seen in enumerate(quotes):
        now, last = (session.open + MINUTE * number).timestamp(), series[-1] if series else usual
        position = next((each for each in held if _is_open(each, now)), None)
        found = None if position is None else of_position(position, number, now, last)
        found = known.get(number) or found or _fitted_delta(chosen, seen, spots[number], now, smile)
        series.append(found or (series[-1] if series else nan))
    first = next((each for each in series if each == each), usual)
    return [each if each == each else first for each in series]


def _sold(held: Sequence[Position], wanted: Sequence[Option]) -> list[Option]:
    return [leg.option for each in held for leg in each.legs if leg.sign < 0 and leg.option in wanted]


def of_opening_move(points: float, expiry: date, session: Session, spot: float) -> float | None:
    """Return the volatility at which the straddle at the money has the expected move that was known at the open."""
    years = years_until(expiry, session.open.timestamp())
    return None if not years or spot != spot else implied_volatility(points / MEAN_MOVE / 2.0, spot, spot, years, True)


def _is_open(position: Position, now: float) -> bool:
    opened, closed = position.opened_at, position.closed_at
    return opened is not None and opened.timestamp() < now and (closed is None or now <= closed.timestamp() + 60.0)


def _worth(legs: Sequence[tuple[Option, int]], spot: float, now: float, volatility: float, smile: Smile) -> float:
    """Return what the legs are worth together, nan without a level."""
    return sum(
        weight
        * price(spot, float(each.strike), years_until(each.expiry, now) or 0.0,
                _at(each, spot, volatility, smile), each.right is Right.CALL)
        for each, weight in legs
    )  # fmt: skip


def _at(option: Option, spot: float, volatility: float, smile: Smile) -> float:
    """Return the volatility of an option as a test's market has it."""
    return max(volatility + smile.at((float(option.strike) / spot - 1.0) * 100.0) / 100.0, LEAST_VOLATILITY)


def _fitted_price(
    legs: Sequence[tuple[Option, int]],
    quotes: Quotes,
    spot: float,
    now: float,
    scale: float,
    around: float,
    smile: Smile,
) -> float | None:
    """Return the volatility at which the legs are worth this multiple of their quotes, the one nearest to `around`."""
    mids = [quotes[option].mid if option in quotes else nan for option, _ in legs]
    net = sum(weight * mid for (_, weight), mid in zip(legs, mids, strict=True)) * scale
    if not legs or spot != spot or net != net:
        return None
    return _nearest(lambda each: abs(_worth(legs, spot, now, each, smile) - net) + 0.001 * abs(log(each / around)))


def _fitted_delta(options: Sequence[Option], quotes: Quotes, spot: float, now: float, smile: Smile) -> float | None:
    """Return the volatility at which the options have their reported deltas."""
    reported = [
        (each, quotes[each].delta) for each in options if each in quotes and quotes[each].delta == quotes[each].delta
    ]
    if not reported or spot != spot:
        return None

    def off(volatility: float) -> float:
        return sum(
            abs(delta(spot, float(each.strike), years_until(each.expiry, now) or 0.0,
                      _at(each, spot, volatility, smile), each.right is Right.CALL) - wanted)
            for each, wanted in reported
        )  # fmt: skip

    return _nearest(off)


def _nearest(off: Callable[[float], float]) -> float:
    """Return the volatility at which `off` is least: the best of a grid, then of finer ones around it."""
    low, high, steps, best = LOWEST, HIGHEST, STEPS, LOWEST
    for _ in range(FINER):
        step: float = (high / low) ** (1.0 / steps)
        best = min((low * step**number for number in range(steps + 1)), key=off)
        low, high, steps = best / step, best * step, FINER_STEPS
    return best


# --- The volatilities by strike of a minute, as the smile of a test

LEAST = 3
"""Strikes below which nothing is known of how volatility differs between them."""
APART = 0.01
"""Points of volatility by which a strike may lie off the line between its neighbours and be left out."""
LOWEST_SMILE, HIGHEST_SMILE = 0.02, 5.0
DEEPEST = 0.4
"""Deltas up to which a volatility follows from one: nearer to the level any does, or none."""
_STEPS = 60


class By(Enum):
    """What of an option its volatility is made of."""

    MID = "mid"
    DELTA = "delta"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmileSeen:
    """The smile of a minute; iv: the volatility at the level then, percent, above which its points lie."""

    minute: int
    iv: float
    smile: Smile


def seen_smile(
    quotes: Quotes, symbol: str, expiry: date, traded: Collection[Option], level: float, now: float, minute: int, by: By
) -> SmileSeen | None:
    """Return the smile of the options of an expiry, None where too few of them are known."""
    years = years_until(expiry, now)
    options = [each for each in quotes if (each.symbol, each.expiry) == (symbol, expiry)]
    if not years or not isfinite(level):
        return None
    found: dict[float, float] = {}
    for option in sorted(options, key=lambda each: (each in traded, _is_out(each, level))):
        known = _volatility(option, quotes[option], level, years, by)
        if known is not None:
            found[(float(option.strike) / level - 1.0) * 100.0] = known * 100.0
    if len(found) < LEAST:
        return None
    own = Smile(tuple(sorted(found)), tuple(found[each] for each in sorted(found)))
    iv = round(own.at(0.0), 2)
    points = {round(each, 4): round(found[each] - iv, 3) for each in sorted(found)}
    return SmileSeen(minute=minute, iv=iv, smile=smile(dict(_thinned(list(points.items())))))


def _is_out(option: Option, level: float) -> bool:
    strike = float(option.strike)
    return strike >= level if option.right is Right.CALL else strike <= level


def _volatility(option: Option, seen: OptionSeen, level: float, years: float, by: By) -> float | None:
    strike, is_call = float(option.strike), option.right is Right.CALL
    if by is By.MID:
        found = implied_volatility(seen.mid, level, strike, years, is_call)
    else:
        away = log(strike / level) if is_call else log(level / strike)
        most = HIGHEST_SMILE if is_call else min(HIGHEST_SMILE, sqrt(max(2.0 * away, 0.0) / years))
        found = _of_delta(abs(seen.delta), lambda each: abs(delta(level, strike, years, each, is_call)), most)
    return found if found is not None and LOWEST_SMILE <= found <= HIGHEST_SMILE else None


def _of_delta(wanted: float, given: Callable[[float], float], most: float) -> float | None:
    """Return the volatility at which an option out of the money has a delta, None where none gives it.

    most: up to which its delta rises with volatility: that of a put falls again beyond sqrt(2 ln(level / strike) / T).
    """
    low, high = LOWEST_SMILE / 2.0, most
    if not 0.0 < wanted < DEEPEST or high <= low or not given(low) <= wanted <= given(high):
        return None
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if given(middle) < wanted else (low, middle)
    return (low + high) / 2.0


def _thinned(points: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Yield the points between which the others are on straight lines (Ramer, Douglas and Peucker)."""
    if len(points) < 3:
        yield from points
        return
    (first, from_), (last, to) = points[0], points[-1]
    slope = (to - from_) / (last - first)
    off = [abs(value - from_ - slope * (each - first)) for each, value in points]
    far = max(range(len(points)), key=lambda place: off[place])
    if off[far] <= APART:
        yield from (points[0], points[-1])
        return
    yield from list(_thinned(points[: far + 1]))[:-1]
    yield from _thinned(points[far:])


# --- What a test may say of a recorded day's market

MOST_LISTED = 100
"""Expiries of an underlying that a test may list."""
USUAL = 0.12
"""The default volatility, an annual fraction."""
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
    """What is kept of each minute: its begin, or the instant in which the bot acted. reported: records so far."""

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
    reported: int = 0
    acted: set[int] = field(default_factory=set)

    def see(self, found: Replayed, at: datetime) -> None:
        """Keep a minute."""
        board, now = found.state.market.board, at.timestamp()
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
        reported, self.reported = self.reported, len(found.records)
        if any(each.bot == self.bot and _acts(each) for each in found.records[reported:]):
            minute, rest = divmod(at - found.state.schedule.session.open, MINUTE)
            if minute not in self.acted and rest and 0 <= minute < len(self.quotes):
                levels = {symbol: level_of(found.state.market.board, symbol, at.timestamp()) for symbol in self.symbols}
                self.spots[minute] = {name: nan if level is None else level for name, level in levels.items()}
                self.quotes[minute] = dict(_quotes(found.state.market.board))
                for symbol, level in self.spots[minute].items():
                    self.levels[symbol][minute] = level
            self.acted.add(minute)
        return False

    def state_after(self, found: Replayed) -> str:
        """Return what the bot was in when the moment's minute ended, or the recording before it."""
        return self._state_in(found) if self.state is None else self.state

    def _state_in(self, found: Replayed) -> str:
        alive = [each.state for each in found.state.positions.by_id.values() if each.bot == self.bot]
        return next((state for state in alive if state != "closed"), "flat")

    def _see_moment(self, found: Replayed) -> None:
        if self.bot not in found.state.bots.by_name:
            return
        bot = found.program.bots[self.bot]
        if found.state.bots.by_name[self.bot].is_watching:
            said = [(rule.rule.name, evaluation.truth) for rule, evaluation in entry_evaluations(found, bot, self.at)]
            names = [name for name, _ in said]
            self.truths = {name: truth for name, truth in said if truth is not None and names.count(name) == 1}
        selection = found.state.bots.by_name[self.bot].selection
        if selection is not None and selection.is_complete:
            self.legs = tuple(leg.option for leg in selection.legs if not leg.option.is_share)
        board, wanted = found.state.market.board, ("iv", "previous_close", "bid", "ask", "volume", "open_interest")
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
    scale = {symbol: _scale(watch, symbol, series[minute]) for symbol, series in volatilities.items()}
    main = plan.underlyings[0]
    recorded = _realised(found, plan, main)
    closes = {symbol: watch.board.get(symbol, {}).get("previous_close") for symbol in watch.levels}
    return MarketSeen(
        levels={symbol: tuple(levels) for symbol, levels in watch.levels.items()},
        volatilities=volatilities,
        smiles={symbol: each.smile for symbol, each in smiles.items()},
        expiries=dict(_expiries(found, plan, session)),
        previous={symbol: close for symbol, close in closes.items() if close is not None},
        widths=_least(((symbol, _width(each)) for symbol, each in read), most=True),
        counts=_counts(plan, read),
        implied_days=dict(_implied_days(found, plan, scale)),
        rv=None if recorded is None else recorded * scale.get(main, 1.0),
        note=note,
    )


def _counts(plan: Plan, read: Sequence[tuple[str, Mapping[str, float | None]]]) -> dict[str, dict[str, float]]:
    """Return the least volume and open interest among the legs, by symbol, where the bot reads them."""
    counted = {symbol for symbol, extra in plan.needs.extras if extra is Extra.COUNTS}
    return {
        name: _least((symbol, each[name]) for symbol, each in read if symbol in counted)
        for name in ("volume", "open_interest")
    }


def _implied_days(found: Replayed, plan: Plan, scale: Mapping[str, float]) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Yield volatilities of sessions before in percent, by symbol, where the bot reads them."""
    implied = found.state.market.facts.implied
    for symbol in plan.needs.implied:
        if implied.get(symbol):
            yield symbol, tuple(each * 100.0 * scale.get(symbol, 1.0) for each in implied[symbol])


def _expiries(found: Replayed, plan: Plan, session: Session) -> Iterator[tuple[str, tuple[date, ...]]]:
    """Yield what was listed of each underlying whose legs do not just end that day: which of them is nearest counts."""
    if all(leg.expiry.days[-1:] == (0,) for leg in plan.legs):
        return
    listings = found.state.market.facts.listings
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
    view, context = view_of(StateBuilder(found.program, found.state, found.at)), context_of(plan)
    for _, estimator, window in sorted(each for each in plan.needs.realised if each[0] == symbol):
        arguments = ("estimator", estimator), ("of", symbol), ("window", window)
        value = rv(Call("rv", arguments, Quantity.PERCENT), context)(view)
        if isinstance(value, float):
            return value
    return None


def _held(found: Replayed, watch: Watch, session: Session) -> list[Position]:
    """Return the positions of the bot that are of this session."""
    return [
        each for each in found.state.positions.by_id.values() if each.bot == watch.bot and each.session == session.date
    ]


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
    for (of, expiry), points in found.state.market.facts.opening_moves.items():
        if of == symbol and symbol in plan.needs.opening_move:
            series[0] = of_opening_move(points, expiry, session, spots[0]) or series[0]
    return tuple(round(each * 100.0, 2) for each in series)
