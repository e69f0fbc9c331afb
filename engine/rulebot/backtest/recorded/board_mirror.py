"""The board of a recording, of which the engine's board shows what it streams itself, value by value."""

from collections.abc import Iterable

import numpy as np

from rulebot.adapters.history.day import Places
from rulebot.model.market import COLUMNS, Board


class BoardMirror:
    """`board` is the engine's, `recorded` the one that the recording is played on."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.recorded = Board()
        self._versions = (-1, -1)
        self._ours: dict[int, int] = {}

    @property
    def is_behind(self) -> bool:
        """Say whether the engine has begun to stream what the recording streams already."""
        if self._versions == (self.recorded.version, self.board.version):
            return False
        shown = set(self._ours.values())
        return any(row not in shown and each in self.recorded.rows for each, row in self.board.rows.items())

    def show(self, rows: Iterable[int]) -> set[int]:
        """Copy these rows of the recording; return the engine's rows that have other values now."""
        if self._versions != (self.recorded.version, self.board.version):
            self._follow()
            rows = tuple(self._ours)
        self.board.alive_at = self.recorded.alive_at
        self.board.frozen = self.ours(self.recorded.frozen)
        self.board.halted = self.ours(self.recorded.halted)
        theirs = [row for row in rows if row in self._ours]
        return self._copied(np.array(theirs)) if theirs else set()

    def ours(self, rows: Iterable[int]) -> set[int]:
        """Return the engine's rows of these rows of the recording, as far as it streams them."""
        return {self._ours[row] for row in rows if row in self._ours}

    def _copied(self, theirs: Places) -> set[int]:
        ours = np.array([self._ours[row] for row in theirs.tolist()])
        moved = np.zeros(len(theirs), dtype=np.bool_)
        for name in COLUMNS:
            values = np.frombuffer(getattr(self.recorded, name))[theirs]
            column = np.frombuffer(getattr(self.board, name))
            moved |= values.view(np.int64) != column[ours].view(np.int64)
            column[ours] = values
        return set(ours[moved].tolist())

    def _follow(self) -> None:
        """See anew which row is which; what the recording does not stream has no values."""
        rows = self.board.rows
        self._ours = {row: rows[each] for each, row in self.recorded.rows.items() if each in rows}
        self._versions = (self.recorded.version, self.board.version)
        unknown = sorted(set(rows.values()) - set(self._ours.values()))
        for name in COLUMNS if unknown else ():
            np.frombuffer(getattr(self.board, name))[unknown] = np.nan
