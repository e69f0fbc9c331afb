"""Why a bot enters nothing more today, and why it may not enter now: codes, whose texts stand beside them."""

from enum import Enum


class Halt(Enum):
    """Why a bot enters nothing more today. Its text for people is `BotDay.halted`.

    CONDITION: a condition of `halt_when`, which `BotDay.halt_rule` names. UNACKNOWLEDGED: the broker never acknowledged
    an order that may still fill. MISMATCH: the broker did something that nobody asked for. UNSEEN_FILL: the account
    may hold an entry that nobody reported.
    """

    DAY_LOSS = "day_loss"
    DAY_PROFIT = "day_profit"
    ACCOUNT_LOSS = "account_loss"
    ACCOUNT_PROFIT = "account_profit"
    LIQUIDATION = "liquidation"
    CONDITION = "condition"
    RUNAWAY = "runaway"
    UNACKNOWLEDGED = "unacknowledged"
    MISMATCH = "mismatch"
    UNSEEN_FILL = "unseen_fill"


OF_ACCOUNT = frozenset((Halt.ACCOUNT_LOSS, Halt.ACCOUNT_PROFIT, Halt.LIQUIDATION))
"""Halts of the whole account: all bots have them."""


class Shut(Enum):
    """Why a bot may not enter now. Its text for people stands beside it.

    AHEAD: its window has not begun.
    NO_WINDOW: it does not enter on such a day, or an early close leaves its window empty. BLOCKED: something outside of
    its window and caps keeps it out.
    """

    AHEAD = "ahead"
    NO_WINDOW = "no_window"
    HALTED = "halted"
    WINDOW_OVER = "window_over"
    DECIDED = "decided"
    CAP = "cap"
    ENTRY_SENT = "entry_sent"
    ENTRY_WORKS = "entry_works"
    NOT_AGAIN = "not_again"
    WAITS_AGAIN = "waits_again"
    BLOCKED = "blocked"
    REMOVED = "removed"
