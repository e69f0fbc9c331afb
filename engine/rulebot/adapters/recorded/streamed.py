"""What a board said in the course of a day, instant by instant, as columns: options, and levels of underlyings."""

from collections.abc import Collection
from math import nan

import numpy as np

from rulebot.adapters.history.day import BY_OPTION, OF_UNDERLYING, Columns
from rulebot.adapters.recorded.columns import Ints
from rulebot.model.contract import Contract, Option, Underlying
from rulebot.model.market import Board
from rulebot.model.quotes import level

_WIDTH = 1 + len(OF_UNDERLYING)
"""Columns of an underlying: its level, and what a broker tells beside it."""
_NONE, _UNSEEN = -1, -2
"""Rows of the board without an option, and with one of which nothing was told yet."""


class StreamedColumns:
    """Columns that grow by an instant whenever one is kept; what stands now follows a board, step by step."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.options: dict[Option, int] = {}
        self.previous: dict[str, float] = {}
        self._symbols: dict[str, int] = {}
        self._kept = {name: _Kept() for name in BY_OPTION}
        self._kept_levels = _Kept()
        self.begin()

    def begin(self) -> None:
        """Begin with a board on which nothing stands."""
        self._now = np.full((len(BY_OPTION), _rounded(len(self.options))), nan)
        self._levels = np.full(_WIDTH * len(self._symbols), nan)
        self._given_up: set[int] = set()
        self._contracts: list[Contract | None] = []
        self._places: Ints = np.empty(0, dtype=np.int64)
        self._underlyings: list[tuple[int, str, int]] = []

    def cut(self, at: float) -> None:
        """Forget the instants from `at` on."""
        del self.times[int(np.searchsorted(self.times, at)) :]

    def keep(self, at: float) -> None:
        """Keep what stands now as that of an instant."""
        place = len(self.times)
        self.times.append(at)
        for name, values in zip(BY_OPTION, self._now, strict=True):
            self._kept[name].put(place, values)
        self._kept_levels.put(place, self._levels)
        self.miss()

    def miss(self) -> None:
        """Let options be missing that were given up."""
        if self._given_up:
            self._now[:, [*self._given_up]] = nan
            self._given_up.clear()

    # ------------------------------------------------------------ what stands now

    def follow(self, board: Board) -> None:
        """Know which contracts are streamed: what is so no more is missing, options from the next instant on."""
        before, places = self._places, np.full(len(board.contracts), _NONE)
        places[: len(before)] = before
        for row, contract in enumerate(board.contracts):
            if row >= len(before) or contract is not self._contracts[row]:
                places[row] = _NONE
                if isinstance(contract, Option) and not contract.is_share:
                    places[row] = self.options.get(contract, _UNSEEN)
        self._given_up |= {*before[before >= 0].tolist()} - {*places[places >= 0].tolist()}
        self._contracts, self._places = [*board.contracts], places
        streamed = {contract.symbol: row for contract, row in board.rows.items() if isinstance(contract, Underlying)}
        for symbol in streamed:
            self._symbols.setdefault(symbol, _WIDTH * len(self._symbols))
        self._levels = np.full(_WIDTH * len(self._symbols), nan)
        self._underlyings = [(row, symbol, self._symbols[symbol]) for symbol, row in streamed.items()]

    def write(self, board: Board, told: Collection[int]) -> None:
        """Take what these rows of options say; of one whose data is not live nothing, as no rule reads it.

        So it is with one of which nothing was told since a farm is back.
        """
        rows = np.array([*told], dtype=np.int64)
        places = self._places[rows]
        for each in np.flatnonzero(places == _UNSEEN).tolist():
            places[each] = self._new(board, int(rows[each]))
        is_option = places >= 0
        rows, places = rows[is_option], places[is_option]
        if not len(rows):
            return
        self._given_up.difference_update(places.tolist())
        for name, now in zip(BY_OPTION, self._now, strict=True):
            now[places] = np.frombuffer(getattr(board, name))[rows]
        unknown = np.isnan(np.frombuffer(board.quote_at)[rows]) & np.isnan(np.frombuffer(board.model_at)[rows])
        if board.frozen:
            unknown |= np.isin(rows, [*board.frozen])
        self._now[:, places[unknown]] = nan

    def _new(self, board: Board, row: int) -> int:
        """Return the place of the option in a row of which nothing was told before."""
        option = board.contracts[row]
        assert isinstance(option, Option)
        place = self._places[row] = self.options.setdefault(option, len(self.options))
        if place >= self._now.shape[1]:
            wider = np.full((len(BY_OPTION), _rounded(place + 1)), nan)
            wider[:, : self._now.shape[1]] = self._now
            self._now = wider
        return int(place)

    def look(self, board: Board, at: float) -> None:
        """Take the levels of this instant, also of what was silent: one that has grown old is none."""
        beside = [getattr(board, name) for name in OF_UNDERLYING]
        for row, symbol, place in self._underlyings:
            value = level(board, row, at)
            self._levels[place] = nan if value is None else value
            self._levels[place + 1 : place + _WIDTH] = [column[row] for column in beside]
            if (close := board.previous_close[row]) == close:
                self.previous[symbol] = close

    # ------------------------------------------------------------ what was kept

    def columns(self) -> dict[str, Columns]:
        """Return the columns of the options by name, instants x options; they are handed over, and asked for once."""
        kept, self._kept = self._kept, {}
        return {name: kept.pop(name).whole(len(self.times), len(self.options)) for name in BY_OPTION}

    def levels(self) -> tuple[dict[str, Columns], dict[str, dict[str, Columns]]]:
        """Return the level of each underlying, and by name what was told beside it."""
        whole = self._kept_levels.whole(len(self.times), _WIDTH * len(self._symbols)).T
        at = {symbol: self._symbols[symbol] for symbol in sorted(self._symbols)}
        beside = {
            symbol: dict(zip(OF_UNDERLYING, whole[place + 1 : place + _WIDTH].copy(), strict=True))
            for symbol, place in at.items()
        }
        return {symbol: whole[place].copy() for symbol, place in at.items()}, beside


class _Kept:
    """Rows of numbers of which later ones may be wider: what was not there yet is nan."""

    def __init__(self) -> None:
        self._rows: Columns = np.empty((0, 0))

    def put(self, place: int, row: Columns) -> None:
        """Have this row in a place: one that is there, or the next one. It is as wide as any before."""
        high, wide = self._rows.shape
        if place >= high or len(row) > wide:
            more = np.empty((2 * high + _STEP if place >= high else high, len(row)))
            more[:place, :wide] = self._rows[:place]
            more[:place, wide:] = nan
            self._rows = more
        self._rows[place] = row

    def whole(self, high: int, wide: int) -> Columns:
        """Return so many rows, so wide; what no row has is nan."""
        found = np.full((high, wide), nan)
        common = min(wide, self._rows.shape[1])
        found[:, :common] = self._rows[:high, :common]
        return found


_STEP = 32


def _rounded(count: int) -> int:
    """Return a width for so many options: more of them will come."""
    return -(-count // _STEP) * _STEP
