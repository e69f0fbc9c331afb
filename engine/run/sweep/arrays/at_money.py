"""The two strikes around spot, instant by instant, and which of them a bot reads the expected move and iv from.

A bot streams those around spot as it was when it last chose, and keeps what it has near them (`evaluate.watch`). So
where spot has moved far it may not read the nearer one yet: it reads the other, or nothing, for a second.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.adapters.history.day import Columns, Places
from engine.evaluate.watch import MONEY_BAND
from engine.model.black import MEAN_MOVE
from engine.run.arrays.may_hold import Mask

_NEAR = MONEY_BAND + 2
"""Strikes on each side of spot that are kept once streamed, while it is known where the legs lie."""
_NONE = -1


class Around(NamedTuple):
    """The market at the money of one class. Shape of each: (T,).

    above: how many strikes lie below spot. nearest: the strike nearest to it; read: the one that is read when both are
    streamed, NONE where neither is quoted. Both count the strikes, and have columns in `calls` and `puts`. move: the
    expected move, nan where none is read. is_sound: whether the nearest is quoted.
    """

    strikes: Columns
    calls: NDArray[np.intp]
    puts: NDArray[np.intp]
    above: Places
    nearest: Places
    read: Places
    is_sound: Mask
    move: Columns


def around(
    spot: Columns, strikes: Columns, calls: NDArray[np.intp], puts: NDArray[np.intp], bid: Columns, ask: Columns
) -> Around:
    """Return what lies around spot. calls, puts: the columns of each strike, rising; bid, ask: options x instants."""
    above = np.searchsorted(strikes, np.round(spot, 4))
    low, high = np.clip(above - 1, 0, None), np.clip(above, None, len(strikes) - 1)
    nearest = np.where(np.abs(strikes[low] - spot) <= np.abs(strikes[high] - spot), low, high)
    other = low + high - nearest
    is_inside = (above > 0) & (above < len(strikes))
    every = np.arange(len(spot))

    def quoted(strike: Places) -> Mask:
        both = (calls[strike], puts[strike])
        return np.asarray(is_inside & np.logical_and.reduce([bid[each, every] < ask[each, every] for each in both]))

    is_sound = quoted(nearest)
    read = np.where(is_sound, nearest, np.where(quoted(other), other, _NONE))
    call, put = calls[read], puts[read]
    straddle = (bid[call, every] + ask[call, every]) / 2.0 + (bid[put, every] + ask[put, every]) / 2.0
    return Around(
        strikes, calls, puts, above, nearest, read, is_sound, np.where(read >= 0, straddle * MEAN_MOVE, np.nan)
    )


def surely_read(found: Around, reached: int, end: int) -> Mask:
    """Return where a bot surely reads what it would with all strikes streamed.

    reached: the instant from which on its strikes are streamed; end: past the last one of the session. Shape: (T,).
    """
    sure = np.zeros(len(found.above), dtype=bool)
    above, nearest, read = found.above.tolist(), found.nearest.tolist(), found.read.tolist()
    is_sound = found.is_sound.tolist()
    streamed: set[int] = set()
    for place in range(reached, end):
        sure[place] = read[place] == _NONE or read[place] in streamed
        around_spot = {above[place] - 1, above[place]}
        if is_sound[place] and nearest[place] in streamed:
            kept = range(above[place] - _NEAR, above[place] + _NEAR)
            streamed = around_spot | {strike for strike in streamed if strike in kept}
        else:  # for a moment it may not be known where the legs lie
            streamed = around_spot
    return sure
