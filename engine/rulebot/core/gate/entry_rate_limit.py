"""A bot that enters again and again, as no trader means it: it is stopped for the day, and a person is told.

Limits of the account document are a trader's own; this one stands for all, and far above what a sound spec does.
Source: the "repeated automated execution throttle" of the FIA Principal Traders Group, Recommendations for Risk
Controls for Trading Firms (2010).
"""

from datetime import timedelta

from rulebot.core.gate.halts import halt
from rulebot.core.state.builder import StateBuilder
from rulebot.model.cause import Halt

WITHIN = timedelta(minutes=10)
MOST = 30
"""Opening orders of one bot within that time: one in twenty seconds. A change of price is no new order."""


def halt_on_entry_rate(work: StateBuilder, name: str) -> bool:
    """Stop the bot for the day when it has sent as many opening orders as no sound one does; say whether it has."""
    sent = [
        order.sent_at
        for order in work.orders.by_ref.values()
        if order.bot == name and order.can_increase_risk and order.sent_at is not None
    ]
    recent = sum(1 for at in sent if work.at - at < WITHIN)
    if recent < MOST:
        return False
    text = f"{recent} opening orders within {WITHIN.seconds // 60} minutes"
    halt(work, name, Halt.RUNAWAY, text)
    work.alarm(name, f"{name} has sent {text}: it enters nothing more today, a person must look")
    return True
