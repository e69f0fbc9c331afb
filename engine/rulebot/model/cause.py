"""Causes: why rulebot cancelled an order, lost track of it, or considers it ended, as codes with texts.

A code is recorded and compared. Its text for people is made here, from the code and its fields.
"""

from enum import Enum
from typing import Annotated

from rulebot.model.values import dataclass

# --- Why a bot enters nothing more today, and why it may not enter now


class Halt(Enum):
    """Why a bot enters nothing more today. Its text for people is `BotDay.halted`.

    CONDITION: a condition of `halt_when`, which `BotDay.halt_rule` names. UNACKNOWLEDGED: the broker never acknowledged
    an order that may still fill. MISMATCH: the broker did something that was not requested. UNSEEN_FILL: the account
    may hold an entry without an execution report.
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
    """Why a bot may not enter now. Its text for people is a separate field.

    AHEAD: its window has not begun. NO_WINDOW: it does not enter on such a day, or an early close leaves its window
    empty. BLOCKED: something other than its window and caps prevents entries.
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


# --- How a field of a record says whether people or rulebot read it


class Reader(Enum):
    """Who reads a field."""

    PEOPLE = "people"
    RULEBOT = "rulebot"


Text = Annotated[str, Reader.PEOPLE]
"""Words for people alone: no decision reads them."""
Name = Annotated[str, Reader.RULEBOT]
"""A code word, or what names an order, a position, a bot, a leg, an exit or a spec: rulebot compares these."""


# --- Causes of cancels, of lost orders, and of assumed ends


class Cause(Enum):
    """Why rulebot took an order back, or what it knows of its end without a word of the broker."""

    NEXT_TRY = "next_try"
    TRIES_USED_UP = "tries_used_up"
    MARKET_FOLLOWS = "market_follows"
    NO_QUOTES = "no_quotes"
    NO_PRICE = "no_price"
    NO_BID = "no_bid"
    NO_BID_TO_ROLL = "no_bid_to_roll"
    WINDOW_OVER = "window_over"
    SESSION_OVER = "session_over"
    PAST_EXITS = "past_exits"
    CONDITIONS_LOST = "conditions_lost"
    TARGET_LOST = "target_lost"
    HALTED = "halted"
    ENTRIES_BLOCKED = "entries_blocked"
    RELOAD_WAITS = "reload_waits"
    NOT_COVERED = "not_covered"
    NOT_RUN = "not_run"
    KILLED = "killed"
    STOPPING = "stopping"
    ONLY_REDUCES = "only_reduces"
    CLOSED_BY_OPERATOR = "closed_by_operator"
    OTHER_TRADER = "other_trader"
    LIQUIDATION = "liquidation"
    ACCOUNT_LIMIT = "account_limit"
    TIME_UNKNOWN = "time_unknown"
    STORE_FULL = "store_full"
    BROKER_SAID = "broker_said"
    INACTIVE = "inactive"
    NOBODY_ANSWERS = "nobody_answers"
    NO_ANSWER = "no_answer"
    UNLISTED = "unlisted"
    UNLISTED_TWICE = "unlisted_twice"
    LINK_DOWN = "link_down"
    NOT_SENT = "not_sent"
    NEVER_ARRIVED = "never_arrived"
    GONE = "gone"
    REVIVED = "revived"
    INSTEAD_OF_REVIVED = "instead_of_revived"
    BUSTED = "busted"
    SECOND_UNDER_ID = "second_under_id"
    SECOND_OF = "second_of"
    SECOND_FILLED = "second_filled"
    OTHER_TERMS = "other_terms"
    CLOSES_MORE = "closes_more"
    PARTNER_CLOSES_MORE = "partner_closes_more"
    NOT_CHANGED = "not_changed"
    EARLIER_TRY_FILLED = "earlier_try_filled"
    EARLIER_ORDER_FILLED = "earlier_order_filled"
    ENTRY_FILLED_LATE = "entry_filled_late"
    PART_CLOSED = "part_closed"
    POSITION_CLOSED = "position_closed"
    POSITION_ON_HOLD = "position_on_hold"
    NOT_IN_ACCOUNT = "not_in_account"
    ACCOUNT_HOLDS_LESS = "account_holds_less"
    FILLS_BUSTED = "fills_busted"
    PART_BUSTED = "part_busted"
    LEGS_ALONE = "legs_alone"
    ASSIGNED = "assigned"
    PARTNER_LOST = "partner_lost"
    PARTNER_CANCELLED = "partner_cancelled"
    PARTNER_OFF_GRID = "partner_off_grid"
    GROUP_FILLED = "group_filled"
    PAIR_NOT_WHOLE = "pair_not_whole"
    GIVES_WAY = "gives_way"
    EXIT_CLOSES = "exit_closes"
    EXIT_TAKES_OVER = "exit_takes_over"
    EXIT_GOES_FIRST = "exit_goes_first"
    HAS_PARTNER = "has_partner"


LATE_FILLS = frozenset((Cause.EARLIER_TRY_FILLED, Cause.EARLIER_ORDER_FILLED, Cause.ENTRY_FILLED_LATE))
"""Causes of ended orders that filled later."""

_TEXTS = {
    Cause.NEXT_TRY: "its next try is a new order",
    Cause.TRIES_USED_UP: "its tries are used up",
    Cause.MARKET_FOLLOWS: "its tries are used up: a market order follows",
    Cause.NO_QUOTES: "nothing is quoted for its tries: a market order follows",
    Cause.NO_PRICE: "its next try would be {detail}",
    Cause.NO_BID: "{detail}: the rest is closed without it",
    Cause.NO_BID_TO_ROLL: "{detail}: it is rolled without it",
    Cause.WINDOW_OVER: "its window is over",
    Cause.SESSION_OVER: "the session is over",
    Cause.PAST_EXITS: "the time has come at which its exits close all",
    Cause.CONDITIONS_LOST: "its conditions no longer hold",
    Cause.TARGET_LOST: "the target is no longer met",
    Cause.HALTED: "halted: {detail}",
    Cause.ENTRIES_BLOCKED: "{detail}",
    Cause.RELOAD_WAITS: "a reload waits to be taken up",
    Cause.NOT_COVERED: "{detail}",
    Cause.NOT_RUN: "its bot is not loaded",
    Cause.KILLED: "killed",
    Cause.STOPPING: "the engine stops",
    Cause.ONLY_REDUCES: "only what reduces may work",
    Cause.CLOSED_BY_OPERATOR: "closed by the operator",
    Cause.OTHER_TRADER: "another client trades this account",
    Cause.LIQUIDATION: "the broker liquidates",
    Cause.ACCOUNT_LIMIT: "{detail}",
    Cause.TIME_UNKNOWN: "the broker has not reported its time",
    Cause.STORE_FULL: "the store accepted no more records",
    Cause.BROKER_SAID: "the broker has said something else of it",
    Cause.INACTIVE: "it was inactive without a reason",
    Cause.NOBODY_ANSWERS: "it has no answer",
    Cause.NO_ANSWER: "no answer in 10 s",
    Cause.UNLISTED: "the broker does not list it",
    Cause.UNLISTED_TWICE: "the broker no longer lists it",
    Cause.LINK_DOWN: "the link went down",
    Cause.NOT_SENT: "rulebot could not send it: {detail}",
    Cause.NEVER_ARRIVED: "by the gateway's count of order ids it never came there",
    Cause.GONE: "{about} is no longer at the broker: {detail}",
    Cause.REVIVED: "it became active too late",
    Cause.INSTEAD_OF_REVIVED: "{about} works again",
    Cause.BUSTED: "the exchange took a closing fill back",
    Cause.SECOND_UNDER_ID: "a second order works under its id",
    Cause.SECOND_OF: "a second order works as {about}",
    Cause.SECOND_FILLED: "a second order under its reference has filled",
    Cause.OTHER_TERMS: "the broker has it otherwise than it was sent",
    Cause.CLOSES_MORE: "it would close more than was meant",
    Cause.PARTNER_CLOSES_MORE: "one of them would close more than was meant",
    Cause.NOT_CHANGED: "it could not be changed",
    Cause.EARLIER_TRY_FILLED: "an earlier try has filled late",
    Cause.EARLIER_ORDER_FILLED: "an earlier order has filled late",
    Cause.ENTRY_FILLED_LATE: "{about} has filled late: {detail}",
    Cause.PART_CLOSED: "{about} has closed a part of it",
    Cause.POSITION_CLOSED: "the position is closed",
    Cause.POSITION_ON_HOLD: "its position is on hold",
    Cause.NOT_IN_ACCOUNT: "its position is not in the account",
    Cause.ACCOUNT_HOLDS_LESS: "the account holds less than it would close",
    Cause.FILLS_BUSTED: "its fills were busted",
    Cause.PART_BUSTED: "the exchange took back a part of what it closes",
    Cause.LEGS_ALONE: "legs are open without their partners",
    Cause.ASSIGNED: "what it closes was assigned",
    Cause.PARTNER_LOST: "its partner was {detail}",
    Cause.PARTNER_CANCELLED: "its partner was cancelled",
    Cause.PARTNER_OFF_GRID: "the price of its partner was off the grid",
    Cause.GROUP_FILLED: "a part of its group has filled",
    Cause.PAIR_NOT_WHOLE: "its pair is not whole",
    Cause.GIVES_WAY: "{detail} of the other side is to be sent",
    Cause.EXIT_CLOSES: "{about} closes the position",
    Cause.EXIT_TAKES_OVER: "{about} takes over",
    Cause.EXIT_GOES_FIRST: "{about} goes first",
    Cause.HAS_PARTNER: "what it closes has its partner now",
}


def cause_text(cause: Cause, about: Name = "", detail: Text = "") -> Text:
    """Return the text of a cause for people.

    about: the order, exit or position that it names. detail: further words.
    """
    return _TEXTS[cause].format(about=about, detail=detail)


# --- A broker's message on an order


class EndedBy(Enum):
    """Whom the broker names as the cause of an order's end.

    UNSAID: the message gives no reason. NOBODY: its reason is empty, as after a cancel in the broker's own window.
    PERSON: it names the trader or the user. BROKER: it gives a reason of the broker or the exchange.
    """

    UNSAID = "unsaid"
    NOBODY = "nobody"
    PERSON = "person"
    BROKER = "broker"


class MessageMeaning(Enum):
    """Meanings of a message about an order; one message may have several, or none that is known.

    REFUSES: rejects an order that was never acknowledged. REFUSES_REQUEST: rejects only the last request of an
    acknowledged order. TAKES_NO_CHANGE: no change of this order will be accepted. OUR_SIDE: the fault is in the
    message, an id or a permission, not in the order. INFORMS: rejects nothing. CANCELLED: the order is cancelled.
    CANCEL_FAILED: a cancel had no effect, because NOT_FOUND: there is no such order; OVER or FILLED: it had ended;
    otherwise it still works. FILLED_BEFORE: a change came after the fill. NO_SUCH_ORDER: the order to be changed does
    not exist. GROUP_FILLED: another order of its OCA group has filled. OTHER_SIDE: orders on the other side work in the
    contract. OFF_GRID: its price is not on the contract's tick grid.
    """

    REFUSES = "refuses"
    REFUSES_REQUEST = "refuses_request"
    TAKES_NO_CHANGE = "takes_no_change"
    OUR_SIDE = "our_side"
    INFORMS = "informs"
    CANCELLED = "cancelled"
    CANCEL_FAILED = "cancel_failed"
    NOT_FOUND = "not_found"
    OVER = "over"
    FILLED = "filled"
    FILLED_BEFORE = "filled_before"
    NO_SUCH_ORDER = "no_such_order"
    GROUP_FILLED = "group_filled"
    OTHER_SIDE = "other_side"
    OFF_GRID = "off_grid"


@dataclass(frozen=True, slots=True)
class BrokerMessage:
    """A message of the broker on an order. code: its number, 0 without one, and text: its words, for people alone."""

    code: int
    text: Text
    meanings: frozenset[MessageMeaning]
    ended_by: EndedBy = EndedBy.UNSAID

    def means(self, *any_of: MessageMeaning) -> bool:
        """Say whether it means one of these."""
        return not self.meanings.isdisjoint(any_of)

    @property
    def words(self) -> Text:
        """The message as people are shown it."""
        return f"{self.code} {self.text}" if self.code else self.text

    @property
    def has_reason(self) -> bool:
        """True unless the message leaves empty why the order is over."""
        return self.ended_by is not EndedBy.NOBODY
