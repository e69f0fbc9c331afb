"""The trades of a day as they were done and as two walks have them, set beside each other."""

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import chain, zip_longest
from typing import NamedTuple

from rulebot.core.state import State
from rulebot.model.position import Position
from rulebot.model.session import exchange_date


class TradeMatch(NamedTuple):
    """A trade as it was done, as the text would have made it, and as it could have been at natural prices."""

    bot: str
    done: Position | None
    would: Position | None
    could: Position | None


def together(day: date, *states: State | None) -> Iterator[TradeMatch]:
    """Yield the trades of each bot: positions of earlier days that ended on this one, by name, then those that were
    opened on it, the first with the first. What has no partner stands alone."""
    held = [_held(state) for state in states]
    ended = {name: each.bot for side in held for name, each in side.items() if _ended_on(each, day)}
    opened = [_opened_on(side.values(), day) for side in held]
    for bot in sorted({*ended.values(), *chain.from_iterable(opened)}):
        for name in sorted(name for name, its in ended.items() if its == bot):
            yield TradeMatch(bot, *(side.get(name) for side in held))
        for trade in zip_longest(*(side.get(bot, ()) for side in opened)):
            yield TradeMatch(bot, *trade)


def traded(day: date, state: State) -> Iterator[Position]:
    """Yield the positions of a state by which a day is compared."""
    yield from (each for each in _held(state).values() if each.session == day or _ended_on(each, day))


def _held(state: State | None) -> dict[str, Position]:
    """Return the positions of a state that ever held something."""
    every = {} if state is None else state.positions
    return {name: each for name, each in every.items() if each.opened_at is not None}


def _ended_on(position: Position, day: date) -> bool:
    """Say whether a position of an earlier day ended on this one."""
    return position.session < day and position.closed_at is not None and exchange_date(position.closed_at) == day


def _opened_on(positions: Iterable[Position], day: date) -> dict[str, list[Position]]:
    found: dict[str, list[Position]] = {}
    for position in positions:
        if position.session == day:
            found.setdefault(position.bot, []).append(position)
    return found
