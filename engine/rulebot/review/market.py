"""A market to show an example in: round levels, one volatility for all strikes, quotes one tick wide.

It is nobody's forecast. The engine's own `select` chooses the legs in it, so an example holds the strikes that a market
like this would bring.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from math import sqrt

from rulebot.compile.plan import Plan
from rulebot.evaluate.listings import expiry_on
from rulebot.evaluate.snapshot import View
from rulebot.model import black
from rulebot.model.contract import Option, Right, Underlying, listed, product, share
from rulebot.model.example_market import level, volatility
from rulebot.model.facts import Facts, Listing
from rulebot.model.market import Board
from rulebot.model.money import Rounding
from rulebot.model.session import sessions
from rulebot.review.amounts import FULL_DAY

_REACH = 6.0
"""Standard deviations around spot in which strikes are listed."""
_AHEAD = timedelta(days=400)


def example_view(plan: Plan) -> View:
    """Return the market at the start of the bot's first window: levels and the chains that its legs take."""
    at = plan.entry.windows[0].start.on(FULL_DAY)
    chains = {
        (leg.symbol, leg.trading_class, expiry_on(leg.expiry, _expiries(), FULL_DAY.date))
        for leg in plan.legs
        if not leg.is_shares
    }
    wanted = tuple(sorted((symbol, each, expiry) for symbol, each, expiry in chains if expiry is not None))
    shares = tuple(dict.fromkeys(leg.symbol for leg in plan.legs if leg.is_shares))
    board, facts = _quoted(at, plan.underlyings, shares, wanted)
    return View(now=at.timestamp(), session=FULL_DAY, board=board, facts=facts)


@lru_cache(maxsize=16)
def _quoted(
    at: datetime,
    underlyings: tuple[str, ...],
    shares: tuple[str, ...],
    chains: tuple[tuple[str, str, date], ...],
) -> tuple[Board, Facts]:
    """Return the market of an instant, which all subjects that take the same of it share: nobody writes to it.

    chains: the underlying's symbol, the trading class and the expiry of the options of which all strikes are known.
    """
    board = Board()
    board.alive_at = at.timestamp()
    for symbol in underlyings:
        _add_level(board, symbol, at)
    for symbol in shares:
        _add_share(board, symbol, at.timestamp())
    strikes: dict[tuple[str, str], dict[date, tuple[Decimal, ...]]] = {}
    for symbol, trading_class, expiry in chains:
        found = _chain(board, symbol, trading_class, expiry, at)
        strikes.setdefault((symbol, trading_class), {})[expiry] = found
    listings = {key: Listing(*key, _expiries(), known) for key, known in strikes.items()}
    return board, Facts(listings=listings)


@cache
def _expiries() -> tuple[date, ...]:
    return tuple(session.date for session in sessions(FULL_DAY.date, FULL_DAY.date + _AHEAD))


def _chain(board: Board, symbol: str, trading_class: str, expiry: date, at: datetime) -> tuple[Decimal, ...]:
    """Return the strikes of an expiry, with quotes of both rights on the board."""
    strikes = _strikes(symbol, expiry, at)
    for strike in strikes:
        for right in Right:
            option = listed(symbol, trading_class, expiry, strike, right is Right.CALL)
            _add_quote(board, option, at.timestamp())
    return strikes


def _add_level(board: Board, symbol: str, at: datetime) -> None:
    row = board.add(Underlying(symbol))
    board.last[row], board.last_at[row] = float(level(symbol)), at.timestamp()


def _add_share(board: Board, symbol: str, now: float) -> None:
    row = board.add(share(symbol))
    board.bid[row], board.ask[row] = level(symbol) - 0.01, level(symbol) + 0.01
    board.bid_size[row] = board.ask_size[row] = 1000.0
    board.quote_at[row] = now


def deviation(symbol: str, expiry: date, at: datetime) -> float:
    """Return one standard deviation of an underlying until an expiry, in points."""
    return level(symbol) * _volatility(expiry) * sqrt(black.years_until(expiry, at.timestamp()) or 0.0)


def _volatility(expiry: date) -> float:
    return volatility((expiry - FULL_DAY.date).days)


def _strikes(symbol: str, expiry: date, at: datetime) -> tuple[Decimal, ...]:
    step = product(symbol).strike_step
    spot = level(symbol)
    reach = max(int(deviation(symbol, expiry, at) * _REACH // step), 20)
    return tuple(Decimal(strike) for at in range(-reach, reach + 1) if (strike := spot + at * step) > 0)


def _add_quote(board: Board, option: Option, now: float) -> None:
    terms = (float(level(option.symbol)), float(option.strike), black.years_until(option.expiry, now) or 0.0)
    annual, is_call = _volatility(option.expiry), option.right is Right.CALL
    ticks = product(option.symbol).option_ticks
    worth = black.price(*terms, annual, is_call)
    bid = ticks.round(worth, Rounding.DOWN)
    ask = bid + ticks.tick(bid)
    row = board.add(option)
    if bid > 0:
        board.bid[row], board.bid_size[row] = float(bid), 10.0
    else:
        board.bid_size[row] = 0.0
    board.ask[row], board.ask_size[row] = float(ask), 10.0
    board.quote_at[row] = board.model_at[row] = now
    board.delta[row] = black.delta(*terms, annual, is_call)
    board.iv[row] = annual
