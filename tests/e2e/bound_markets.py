"""Random small markets for the property of the loss bound: jumps, smiles, widths and sizes, drawn from a seed.

Spot, and so each quote, stays where it is for some minutes and then jumps. What closes one leg after the other within
that time closes at one price of the underlying, as the bound presumes (`engine/rulebot/model/loss_bound.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random

import numpy as np

from rulebot.adapters.history.session import Columns, DailyBar, Finding, HistoryDay
from rulebot.model.black_columns import black, greeks
from rulebot.model.contract import Option, Right
from rulebot.model.session import session_before, session_on, sessions

FIRST = date(2026, 11, 18)
BLOCK = 4
"""Minutes for which the market stands still."""
STEP, REACH, START = 5, 24, 6000.0
"""Points between strikes of SPX, strikes on each side of the first spot, and that spot. SPY has a tenth of each."""
TICKS = {"SPX": 0.05, "SPY": 0.01}
CLASSES = {"SPX": "SPXW", "SPY": "SPY"}


@dataclass
class SmallMarket:
    """The sessions of one market. seed: all that is random in it comes from it."""

    seed: int
    symbol: str = "SPX"
    name: str = "small"
    is_modelled: bool = True

    @property
    def scale(self) -> float:
        """Return what prices of SPX are multiplied by."""
        return 1.0 if self.symbol == "SPX" else 0.1

    def dates(self, first: date, last: date) -> Sequence[date]:
        """Return the sessions."""
        return [each.date for each in sessions(first, last)]

    def gaps(self, first: date, last: date) -> Sequence[Finding]:
        """Return that none is missing."""
        return ()

    def implied(self, symbol: str, before: date, count: int) -> Sequence[float]:
        """Return nothing: no rule of these specs reads it."""
        return ()

    def was_split(self, symbol: str, since: date, until: date) -> bool:
        """Say that nothing was."""
        return False

    def daily(self, symbol: str, before: date, count: int) -> Sequence[DailyBar]:
        """Return flat bars."""
        at, found = before, []
        for _ in range(count):
            at = session_before(at).date
            level = START * self.scale
            found.append(DailyBar(at, level, level * 1.05, level * 0.95, level))
        return found[::-1]

    def day(self, day: date) -> HistoryDay:
        """Return one session: minutes from 9:58 to 10:58, then hours until the close."""
        session = session_on(day)
        assert session is not None
        minutes = np.array([0, *range(28, 88), *range(120, session.minutes, 60), session.minutes - 1, session.minutes])
        chance = Random(f"market {self.seed} {day}")
        spot = self._spot(chance, minutes)
        options, bid, ask, delta = self._quotes(chance, spot, minutes, session.minutes, day)
        sizes = np.random.default_rng([self.seed, day.toordinal()]).integers(0, 9, bid.shape).astype(float)
        times = session.open.timestamp() + 60.0 * minutes
        return HistoryDay(
            date=day, times=times, levels={self.symbol: spot}, options=options, bid=bid, ask=ask,
            bid_size=sizes, ask_size=np.flip(sizes, axis=0), delta=delta,
        )  # fmt: skip

    def _spot(self, chance: Random, minutes: Columns) -> Columns:
        wide, found, level, block = chance.choice((4.0, 10.0, 25.0)), [], START, -1
        for minute in minutes.tolist():
            if int(minute) // BLOCK != block:
                block = int(minute) // BLOCK
                jump = chance.choice((-1, 1)) * chance.uniform(60, 250) if chance.random() < 0.04 else 0.0
                level += chance.gauss(0.0, wide) + jump - 0.05 * (level - START)
            found.append(round(level * self.scale, 2))
        return np.array(found)

    def _quotes(
        self, chance: Random, spot: Columns, minutes: Columns, length: int, day: date
    ) -> tuple[tuple[Option, ...], Columns, Columns, Columns]:
        centre = round(START / STEP) * STEP
        strikes = np.array([(centre + STEP * at) * self.scale for at in range(-REACH, REACH + 1)], dtype=float)
        smile = chance.uniform(0.1, 0.5), chance.uniform(-0.04, 0.04), chance.uniform(0.0, 0.015)
        width = chance.choice((0.0, 0.005, 0.02))
        options: list[Option] = []
        columns = []
        for number, expiry in enumerate([each.date for each in sessions(day, day + timedelta(days=6))][:3]):
            years = (np.maximum(length - minutes, 0.3) + 390.0 * number) / (390.0 * 252.0)
            for right, sign in ((Right.CALL, 1.0), (Right.PUT, -1.0)):
                options += [self._option(expiry, each, right) for each in strikes.tolist()]
                columns.append(_sides(spot, strikes, years, sign, smile, width, TICKS[self.symbol]))
        bid, ask, delta = (np.hstack(each) for each in zip(*columns, strict=True))
        return tuple(options), bid, ask, delta

    def _option(self, expiry: date, strike: float, right: Right) -> Option:
        return Option(self.symbol, CLASSES[self.symbol], expiry, Decimal(f"{strike:g}"), right)


def _sides(
    spot: Columns,
    strikes: Columns,
    years: Columns,
    sign: float,
    smile: tuple[float, float, float],
    width: float,
    tick: float,
) -> tuple[Columns, Columns, Columns]:
    forward, left, atm = spot[:, None], years[:, None], smile[0]
    away = np.clip(np.log(strikes[None, :] / forward) / (atm * np.sqrt(left)), -4, 4)
    iv = atm * (1.0 + smile[1] * away + smile[2] * away**2)
    signs = np.full((1, 1), sign)
    worth, _ = black(forward, strikes[None, :], iv * np.sqrt(left), 1.0, signs)
    half = 0.4 * tick + width * worth
    bid = np.round(np.floor(np.maximum(worth - half, 0.0) / tick + 1e-9) * tick, 2)
    ask = np.maximum(np.round(np.ceil((worth + half) / tick - 1e-9) * tick, 2), bid + tick)
    delta = greeks(forward, strikes[None, :], left, iv, signs)[0]
    return np.where(bid > 0, bid, np.nan), ask, delta
