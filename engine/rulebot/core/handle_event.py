"""The front door of the core: a program, a state and one event in; the next state, records and commands out."""

from collections.abc import Iterable
from datetime import datetime

from rulebot.core.market_moved import market_moved
from rulebot.core.pipeline import take
from rulebot.core.program import Program
from rulebot.core.reconciliation.account_shortfall import clear_settled
from rulebot.core.session.reloading import BotChange, change_texts
from rulebot.core.session.session_start import open_day
from rulebot.core.session.store_outage import withdraw_openings
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.state import State
from rulebot.core.state.turn import Turn, finish_turn
from rulebot.model.event import Event, MarketDataUpdated


def handle_event(program: Program, state: State, event: Event) -> Turn:
    """Return what one event leads to. Raises: InvariantError when what can never be was found."""
    if type(event) is MarketDataUpdated:
        is_idle = event.at < state.schedule.wake_at and state.subscriptions.dependents.keys().isdisjoint(event.rows)
        if is_idle and state.subscriptions.board_version == state.market.board.version:
            return Turn(state, (), ())
        return market_moved(StateBuilder(program, state, event.at, take), event)
    work = StateBuilder(program, state, event.at, take)
    take(work, event)
    return finish_turn(work, step_at=event.at, wake_at=event.at)


def start_run(program: Program, state: State, at: datetime) -> Turn:
    """Return the first turn of a run: today on record, every bot with its day (as it was before a restart)."""
    work = StateBuilder(program, state, at, take)
    clear_settled(work)
    open_day(work, state.schedule.session, resumed=True)
    return finish_turn(work, step_at=at, wake_at=at)


def reload(
    program: Program, state: State, at: datetime, changes: Iterable[BotChange], *, has_other_limits: bool = False
) -> Turn:
    """Return the turn in which `program` takes over; `changes` are the bots in which it differs.

    has_other_limits: the limits over all bots changed. Refusals are then reported again, even in the same words.
    """
    work = StateBuilder(program, state, at, take)
    change_texts(work, changes, has_other_limits=has_other_limits)
    return finish_turn(work, step_at=at, wake_at=at)


def emergency_withdraw(program: Program, state: State, at: datetime) -> Turn:
    """Return the last turn of a run whose store took no more: what works to open something is asked back, or again."""
    work = StateBuilder(program, state, at, take)
    withdraw_openings(work)
    return finish_turn(work)
