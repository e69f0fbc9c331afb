"""Where underlyings stood through the day, kept by the minute: what a chart of decisions is drawn on.

One record a minute for all symbols, only while the exchange trades and the engine sees their prices: 390 small ones a
session. Nothing is decided by them, and a start does not read them.
"""

from datetime import datetime, timedelta

from rulebot.core.program import Program
from rulebot.core.state import State
from rulebot.model.quotes import level_of
from rulebot.record.record import Json, Kind, Record

AFTER = timedelta(minutes=1)
"""How long after the close the last price is kept."""
MOST = 40
"""Symbols of one record at most."""


class PriceNotes:
    """Says once a minute what is to be recorded."""

    def __init__(self) -> None:
        self._minute: datetime | None = None

    def due(self, program: Program, state: State, at: datetime) -> Record | None:
        """Return the record of this minute, None when it was given or no price is known."""
        minute, session = at.replace(second=0, microsecond=0), state.session
        if minute == self._minute or not session.open <= at < session.close + AFTER or not state.is_linked:
            return None
        now = at.timestamp()
        levels = {symbol: level_of(state.board, symbol, now) for symbol in _symbols(program, state)}
        known: dict[str, Json] = {symbol: round(level, 2) for symbol, level in levels.items() if level is not None}
        if not known:
            return None
        self._minute = minute
        return Record(at, Kind.PRICES, data={"prices": dict(list(known.items())[:MOST])})


def _symbols(program: Program, state: State) -> list[str]:
    """Return the underlyings of all bots and of what they hold, in the order of the bots."""
    of_bots = (
        symbol
        for bot in program.bots.values()
        for each in (bot, *(member.bot for member in bot.members))
        for symbol in each.plan.underlyings
    )
    held = (leg.option.symbol for name in state.active for leg in state.positions[name].legs)
    return list(dict.fromkeys((*of_bots, *held)))
