"""What an operator asks of one bot by hand: an entry at once, whatever its window and its `when` say.

All else holds as ever: the cap of entries a day, positions open at once, what its legs must offer (`require`), the
limits of the bot and of the account, the pause, the halt. It is asked for once and waits a minute for quotes and an
answer on margin; a restart does not ask again.
"""

from datetime import timedelta

from engine.decide.opportunity import opportunity
from engine.model.position import count_trades
from engine.model.values import replace
from engine.record.record import Kind
from engine.turn.alternatives import take_alternative
from engine.turn.entering import choose_and_send, enter_window, is_entering
from engine.turn.judging import wake
from engine.turn.opening import PAST_EXITS
from engine.turn.program import CompiledBot
from engine.turn.refusing import not_trading
from engine.turn.work import Work

PATIENCE = timedelta(seconds=60)
"""How long an entry that was asked for waits until all that it needs is known."""
ASKED = "asked by the operator: "
"""How the reason of an entry that was asked for, and refused, begins."""
NO_BROKER = "there was no connection to the broker"
"""Why one that was asked for came to nothing, where none came back in time."""
LOOK_EVERY = 1.0
"""Seconds between two looks at whether it is."""


def ask_entry(work: Work, name: str) -> None:
    """Keep that an entry of a bot is asked for, or say why it cannot be."""
    bot = work.program.bots.get(name)
    if bot is None:
        return
    if bot.members:
        _end(work, name, "it chooses among symbols by its conditions")
    elif reason := _spent(work, bot):
        _end(work, name, reason)
    else:
        waits = "to enter, as asked" if work.state.is_linked else NO_BROKER
        work.set_bot(name, replace(work.bots[name], by_hand=work.at + PATIENCE, waits=waits))
        work.set_wake(name, work.at)
        work.indexed = -1


def ask_on(work: Work, name: str) -> None:
    """Ask on for an entry of which the broker would not have these contracts: others are tried, whatever the window."""
    work.set_bot(name, replace(work.bots[name], by_hand=work.at + PATIENCE))
    work.indexed = -1


def step_by_hand(work: Work, bot: CompiledBot, blocked: str) -> None:
    """Enter, as an operator has asked, unless something stands in the way; `blocked`: why nothing may enter now."""
    name = bot.plan.name
    state = replace(work.bots[name], is_clearing=False)
    assert state.by_hand is not None
    work.set_bot(name, state)
    wake(work, name, LOOK_EVERY)
    reason = _spent(work, bot) or not_trading(work, bot.plan.underlyings)
    if not reason and work.at >= state.by_hand:
        reason = blocked or state.waits
    if reason:
        _end(work, name, reason)
        return
    if blocked:
        work.set_bot(name, replace(state, waits=blocked))
        return
    enter_window(work, bot)
    decided, known = work.bots[name].day.decided, set(work.positions)
    view = work.view()
    if (taken := take_alternative(work, bot, view, ())) is not None:
        choose_and_send(work, taken[0], view, taken[1])
    if entered := [position for position in work.positions if position not in known]:
        work.set_bot(name, replace(work.bots[name], by_hand=None, hand_entered=entered[0]))
    elif (day := work.bots[name].day).decided and not decided:  # of its own try, with `try: once`, that says nothing
        work.put_day(replace(day, decided=decided))


def give_up(work: Work, name: str, reason: str) -> None:
    """Say why an entry that was asked for comes to nothing, where one still waits."""
    if name in work.bots and work.bots[name].by_hand is not None:
        _end(work, name, reason)


def _spent(work: Work, bot: CompiledBot) -> str:
    """Return which cap leaves no entry, "" while one is left; the times of the windows are those of the session.

    What the bot has decided by its conditions is no cap.
    """
    name = bot.plan.name
    if not work.state.standing.may_enter(name):
        return work.state.standing.reason or "the operator lets it enter nothing"
    if is_entering(work, name):
        return "an entry of it is at work"
    session = work.state.session
    if not session.is_on(work.at):
        return "the market is closed"
    if bot.latest_entry(session) <= work.at:
        return PAST_EXITS
    entry = replace(bot.plan.entry, days=())
    open_now = count_trades(work.positions_of(name))
    day = replace(work.bots[name].day, decided="")
    found = opportunity(entry, session, (session.open, session.close), day, open_now, work.at)
    return "" if found.is_open else found.reason


def _end(work: Work, name: str, reason: str) -> None:
    work.set_bot(name, replace(work.bots[name], by_hand=None, is_clearing=False))
    work.record(Kind.DECISION, name, what="skip", reason=f"{ASKED}{reason}", values=[])
