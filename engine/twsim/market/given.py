"""What a market is that is given, value by value: a recorded day, or one chain that stands still."""

from collections.abc import Mapping
from dataclasses import field
from datetime import date
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from rulebot.model.values import dataclass
from twsim.instrument import Instrument
from twsim.seams import Bar, OptionParams

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class ReplayedColumn(IntEnum):
    """What is known of a contract at an instant, in the order of the columns of `ReplayedDay.values`.

    IV of an underlying is what its options imply for 30 days; CALL_VOLUME and PUT_VOLUME are those of all its options.
    """

    BID = 0
    ASK = 1
    BID_SIZE = 2
    ASK_SIZE = 3
    LAST = 4
    IV = 5
    DELTA = 6
    GAMMA = 7
    VEGA = 8
    THETA = 9
    MODEL = 10
    OPEN = 11
    HIGH = 12
    LOW = 13
    PREVIOUS_CLOSE = 14
    VOLUME = 15
    OPEN_INTEREST = 16
    CALL_VOLUME = 17
    PUT_VOLUME = 18


@dataclass(frozen=True, slots=True)
class Opening:
    """What a straddle was worth at the end of the session's first minute, where that is all that is known of it.

    Units: `price` per share, call and put together.
    """

    symbol: str
    trading_class: str
    expiry: date
    price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedDay:
    """One session. Entry i says that from `at[i]` on contract `rows[i]` has `values[i]`, until its next entry.

    Shape: at (N,) epoch seconds, rising; rows (N,) places in `contracts`; values (N, columns), nan is missing.
    A contract without an entry is listed, and has no data.
    halts: from an instant on (epoch seconds) trading is halted in exactly these symbols.
    daily, implied: bars of finished sessions by symbol, oldest first; intraday: finished bars by symbol and seconds.
    """

    day: date
    contracts: tuple[Instrument, ...]
    at: Floats
    rows: Ints
    values: Floats
    classes: tuple[OptionParams, ...] = ()
    halts: tuple[tuple[float, frozenset[str]], ...] = ()
    daily: Mapping[str, tuple[Bar, ...]] = field(default_factory=dict)
    implied: Mapping[str, tuple[Bar, ...]] = field(default_factory=dict)
    intraday: Mapping[tuple[str, int], tuple[Bar, ...]] = field(default_factory=dict)
    openings: tuple[Opening, ...] = ()
