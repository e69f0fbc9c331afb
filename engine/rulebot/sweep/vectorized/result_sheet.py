"""What comes of one session for variants of one kind, as it becomes known."""

from typing import NamedTuple

import numpy as np

from rulebot.adapters.history.day import Places
from rulebot.backtest.vectorized.rule_masks import Mask
from rulebot.sweep.vectorized.exit_orders import UndecidedByArrays
from rulebot.sweep.vectorized.grouping import VariantGroup
from rulebot.sweep.vectorized.ladder_columns import LadderFill
from rulebot.sweep.vectorized.money_columns import UNIT, Cents, Quotes, Rows, Units
from rulebot.sweep.vectorized.session import NOTHING, ArraySession, SessionResult


class Entries(NamedTuple):
    """Entries that were filled: which variants, at which instants, in which options, and what came of it.

    Shape: (N,), columns (N, legs). commissions: of the entries; worst: the most each may lose
    per share, None without a bound.
    """

    rows: Places
    places: Places
    columns: Places
    worked: LadderFill
    commissions: Cents
    worst: Units | None

    def only(self, rows: Rows) -> "Entries":
        """Return some of them."""
        worst = None if self.worst is None else self.worst[rows]
        return Entries(
            self.rows[rows],
            self.places[rows],
            self.columns[rows],
            self.worked.only(rows),
            self.commissions[rows],
            worst,
        )


class ResultSheet:
    """A line for each variant: what came of its session, or why that is not clear.

    alone: the lines of those that are to be judged by themselves.
    """

    def __init__(self, session: ArraySession, group: VariantGroup) -> None:
        self.session, self.day, self.group = session, session.day, group
        self.found: list[SessionResult | UndecidedByArrays] = [NOTHING] * len(group.bots)
        self.alone: list[int] = []

    def leave_alone(self, rows: Places) -> None:
        """Have these variants judged by themselves."""
        self.alone += rows.tolist()

    def leave_to_turns(self, rows: Places, why: UndecidedByArrays) -> None:
        """Tell of these variants that their session is not clear."""
        for row in rows.tolist():
            self.found[row] = why

    def quotes(self, columns: Places, places: Places, flows: tuple[int, ...]) -> Quotes:
        """Return the quotes of structures, each at its instant."""
        day = self.day
        at = places[:, None]
        options = [day.options[column] for column in columns[0].tolist()]
        return Quotes(day.bid[columns, at], day.ask[columns, at], flows, options)

    def strikes(self, columns: Places) -> Units:
        """Return the strikes of options."""
        return np.rint(self.day.strikes[columns] * UNIT).astype(np.int64)

    def lacks_size(self, quotes: Quotes, columns: Places, places: Places) -> Mask:
        """Say where less is quoted of a leg than an order would take, or that is not known."""
        lacks = np.zeros(len(places), dtype=bool)
        sizes = self.day.sizes
        if sizes is None:
            return lacks
        for leg, flow in enumerate(quotes.flows):
            lacks |= ~(sizes[0 if flow > 0 else 1][columns[:, leg], places] >= self.group.plan.quantity)
        return lacks
