"""The volatility at the money of a test, minute by minute: that which comes nearest to what options were quoted at."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from math import log, nan
from typing import NamedTuple

from rulebot.model.black import MEAN_MOVE, delta, implied_volatility, price, years_until
from rulebot.model.contract import Option, Right
from rulebot.model.position import Position
from rulebot.model.session import Session
from rulebot.spec.smile import FLAT, Smile
from rulebot.spec_tests.market import LEAST_VOLATILITY

MINUTE = timedelta(minutes=1)
LOWEST, HIGHEST, STEPS = 0.02, 3.0, 120
FINER, FINER_STEPS = 3, 20
NOTHING: Mapping[int, float] = {}


class OptionSeen(NamedTuple):
    """What was told of an option, nan where nothing was."""

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

    While a position is open it is what makes its legs worth as many times their entry as they were quoted at; before
    and after that what gives `wanted` options the deltas of then, by which strikes are chosen; else the last one known.
    smile: above it at other strikes. known: of minutes of which it is known, and not looked for.
    """
    sold = [leg.option for each in held for leg in each.legs if leg.sign < 0 and leg.option in wanted]
    series: list[float] = []
    entries: dict[str, float] = {}
    for number, seen in enumerate(quotes):
        now, last = (session.open + MINUTE * number).timestamp(), series[-1] if series else usual
        found = None
        position = next((each for each in held if _is_open(each, now)), None)
        if position is not None:
            legs = [(leg.option, leg.sign * leg.ratio) for leg in position.legs if leg.option.symbol == symbol]
            before = max(number - 1, 0)
            then = (session.open + MINUTE * before).timestamp()
            entry = entries.setdefault(position.id, _worth(legs, spots[before], then, last, smile))
            paid = float(-(position.entry_price or 0))
            scale = entry / paid if paid and len(legs) == len(position.legs) else 1.0
            found = _fitted_price(legs, seen, spots[number], now, scale, last, smile)
        found = known.get(number) or found or _fitted_delta(sold or wanted, seen, spots[number], now, smile)
        series.append(found or (series[-1] if series else nan))
    first = next((each for each in series if each == each), usual)
    return [each if each == each else first for each in series]


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
    """Return the volatility at which the legs are worth so many times their quotes, the one nearest to `around`."""
    mids = [quotes[option].mid if option in quotes else nan for option, _ in legs]
    net = sum(weight * mid for (_, weight), mid in zip(legs, mids, strict=True)) * scale
    if not legs or spot != spot or net != net:
        return None
    return _nearest(lambda each: abs(_worth(legs, spot, now, each, smile) - net) + 0.001 * abs(log(each / around)))


def _fitted_delta(options: Sequence[Option], quotes: Quotes, spot: float, now: float, smile: Smile) -> float | None:
    """Return the volatility at which the options have the deltas that were told of them."""
    told = [
        (each, quotes[each].delta) for each in options if each in quotes and quotes[each].delta == quotes[each].delta
    ]
    if not told or spot != spot:
        return None

    def off(volatility: float) -> float:
        return sum(
            abs(delta(spot, float(each.strike), years_until(each.expiry, now) or 0.0,
                      _at(each, spot, volatility, smile), each.right is Right.CALL) - wanted)
            for each, wanted in told
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
