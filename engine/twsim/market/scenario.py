"""What a market file prescribes, as values the path and the quotes read."""

from dataclasses import field
from datetime import time

import numpy as np
from numpy.typing import NDArray

from twsim.nouns import dataclass
from twsim.sessions import Session

Floats = NDArray[np.float64]


class ScenarioError(ValueError):
    """A market file that cannot be used; the message names the file, the key and what to do."""


@dataclass(frozen=True, slots=True)
class ScenarioSpan:
    """A stretch of one session by exchange time; `session` counts the sessions of the run from 1, 0 is each."""

    first: time
    last: time
    session: int = 1

    def seconds(self, session: Session) -> tuple[int, int]:
        """Return first and last second since the open, `last` excluded."""
        first, last = (int((session.at(each) - session.open).total_seconds()) for each in (self.first, self.last))
        return first, last

    def on(self, ordinal: int) -> bool:
        """Say whether it belongs to this session of the run."""
        return self.session in (0, ordinal)


@dataclass(frozen=True, slots=True)
class Move:
    """Points added to a symbol evenly over a span, and kept."""

    symbol: str
    span: ScenarioSpan
    points: float


@dataclass(frozen=True, slots=True)
class Distortion:
    """A stretch in which quotes of options of a symbol are not what the model says.

    `right` and `otm` (points out of the money) narrow it down; `richer` is added to a price, dwindling away from the
    money; `widen` multiplies the width; `bid`, `ask` replace the quote.
    """

    symbol: str
    span: ScenarioSpan
    right: str = ""
    otm: tuple[float, float] | None = None
    richer: float = 0.0
    widen: float = 1.0
    bid: float | None = None
    ask: float | None = None


@dataclass(frozen=True, slots=True)
class Outage:
    """A stretch in which a symbol (or `*` all) is halted, stale or missing."""

    symbol: str
    span: ScenarioSpan

    def covers(self, symbol: str) -> bool:
        """Say whether it concerns this symbol."""
        return self.symbol in ("*", symbol)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A scripted market. Levels and `first_gap` are index points; `realised` and `implied` multiply volatility."""

    name: str = "default"
    about: str = ""
    previous_spx: float | None = None
    previous_vix: float | None = None
    first_gap: float | None = None
    realised: float = 1.0
    implied: float = 1.0
    character: str = ""
    moves: tuple[Move, ...] = ()
    distortions: tuple[Distortion, ...] = ()
    halts: tuple[Outage, ...] = ()
    stale: tuple[Outage, ...] = ()
    missing: tuple[Outage, ...] = ()
    tapes: dict[str, "RecordedLevels"] = field(default_factory=dict)

    def previous(self, symbol: str) -> float | None:
        """Return the prescribed closing level of the day before the run, if there is one."""
        given = {"SPX": self.previous_spx, "VIX": self.previous_vix}.get(symbol)
        tape = self.tapes.get(symbol)
        return given if given is not None else tape.opens[0] if tape else None

    def gap(self, ordinal: int) -> float | None:
        """Return the points from the previous close of SPX to the open, None to draw them."""
        return self.first_gap if ordinal == 1 else None

    def shift(self, symbol: str, session: Session, ordinal: int) -> Floats:
        """Return the points to add to a symbol's level at each second of a session."""
        total = np.zeros(session.minutes * 60 + 1)
        at = np.arange(total.size, dtype=np.float64)
        for move in self.moves:
            if move.symbol == symbol and move.span.on(ordinal):
                first, last = move.span.seconds(session)
                total += move.points * np.clip((at - first + 1) / max(last - first, 1), 0.0, 1.0)
        return total

    def levels(self, symbol: str, session: Session, ordinal: int) -> Floats | None:
        """Return the prescribed level at each second of a session, if a tape prescribes it."""
        tape = self.tapes.get(symbol)
        return tape.seconds(session, ordinal) if tape else None


@dataclass(frozen=True, slots=True)
class RecordedLevels:
    """Minute bars that a symbol follows: minutes since the open with open, high, low and close."""

    minutes: tuple[int, ...]
    opens: tuple[float, ...]
    highs: tuple[float, ...]
    lows: tuple[float, ...]
    closes: tuple[float, ...]

    def seconds(self, session: Session, ordinal: int) -> Floats | None:
        """Return a level for each second that opens, touches high and low, and closes as each bar does.

        Without a bar the last close holds, until the second at which the next one opens.
        """
        if ordinal != 1:
            return None
        at: list[float] = []
        levels: list[float] = []
        for minute, first, high, low, last in zip(
            self.minutes, self.opens, self.highs, self.lows, self.closes, strict=True
        ):
            if levels:
                at.append(minute * 60.0 - 1.0)
                levels.append(levels[-1])
            near, far = (low, high) if last >= first else (high, low)
            at += [minute * 60.0, minute * 60.0 + 15.0, minute * 60.0 + 40.0, minute * 60.0 + 59.0]
            levels += [first, near, far, last]
        return np.interp(np.arange(session.minutes * 60 + 1, dtype=np.float64), at, levels)
