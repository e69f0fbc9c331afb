"""The account holds less of an option than our books say: wait for fills to be told, then put the position on hold."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from engine.model.contract import Option
from engine.model.money import ZERO
from engine.turn.resting import cancel, option_has_expired
from engine.turn.work import Work

DOUBT = timedelta(seconds=30)
"""How long the account may hold less than our books say: a fill may be told after the position it made."""


def doubted(work: Work, doubts: Mapping[Option, datetime]) -> dict[Option, datetime]:
    """Return the options of which the account holds less than our books say, and since when."""
    ours: dict[Option, int] = {}
    for position in work.active_positions():
        for leg in position.legs:
            if leg.held:
                ours[leg.option] = ours.get(leg.option, 0) + leg.signed_held
    found = {}
    for option, count in ours.items():
        theirs = work.state.holdings.get(option, ZERO)
        if count and theirs * count < count * count and not option_has_expired(work, option):
            found[option] = doubts.get(option, work.at)
    return found


def step_doubts(work: Work) -> dict[Option, datetime]:
    """Put on hold what the account has not had for a while; go on with what it has again."""
    doubts = doubted(work, work.state.doubts) if work.state.doubts else {}
    hold(work, {option for option, since in doubts.items() if work.at - since >= DOUBT}, set(doubts))
    return doubts


def hold(work: Work, missing: set[Option], doubtful: set[Option]) -> None:
    """Put on hold positions in contracts that the account does not have; nothing works for them any more."""
    for position in work.active_positions():
        options = {leg.option for leg in position.legs if leg.held}
        gone = sorted(options & missing, key=str)
        if gone and not position.on_hold:
            text = f"the account holds less {gone[0]} than our books: closed by hand? nothing is sent for it any more"
            work.alarm(position.bot, text, position.id)
            work.put_position(replace(position, on_hold=text))
            for order in work.live_orders(position.id):
                cancel(work, order, "its position is not in the account")
        elif position.on_hold and not options & doubtful and options:
            work.put_position(replace(position, on_hold=""))
