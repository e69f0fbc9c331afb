"""Records: what happened and what we decided, enough to resume and to explain.

Two sorts. Entities (`order`, `position`, `bot_day`) are whole values; the last one recorded for an id is the truth, and
a restart is just reading them back. The rest are happenings (decisions, verdict changes, fills, messages).
"""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import Enum

from rulebot.model.values import dataclass

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class Kind(Enum):
    """What a record is about; the fields of `data` are listed beside each.

    run_started   version, specs {name: {digest, path, text}}, settings, sources, limits, account,
                  install, epoch, session, lockstep, simulated
    run_ended     reason, is_clean, is_linked         is_linked: what the account holds was known
    session       date, open, close, half             a trading day begins
    link          up, reason, account                 the connection
    order         the whole Order                     (entity, key: ref)
    position      the whole Position                  (entity, key: id)
    bot_day       the whole BotDay                    (entity, key: bot and date)
    fill          exec_id, ref, position, leg, con_id, contract, is_buy, quantity, price, executed_at, purpose;
                  dealt_at where the record's own times do not say it; multiplier where it is not 100
    commission    exec_id, position, leg, amount
    verdict       rule, place (when, require, exits, halts), truth, value, low, high, text, missing, detail
    decision      what (enter, would enter, exit, hold, halt, skip), reason, values; of a watch that ends blocked
                  {last: {text, since}, longest: {text, seconds}}
    selection     legs [{name, contract, asked, found, delta, bid, ask}], rejected reason
    nearest       at, rule, text                      the nearest miss of the day so far
    mark          bid, ask, mid, spot, delta, gamma, theta, vega, iv, profit, quantity     a snapshot of what is open;
                  at_stop: dollars that it makes at its stop; of several underlyings by_symbol has the greeks of
                  each, and delta and gamma are null
    settlement    position, leg, quantity, price, level, how (worthless, cash, assigned, exercised, delivered),
                  shares_profit (see PositionLeg; null while unknown), sign, multiplier, expiry, strike, right;
                  with quantity 0 and contracts: the price of shares that was not known before
    message       code, text, ref                     a broker message on an order
    alarm         text; of a fill not ours contract,  something a person should know
                  execution: the whole ExecutionReport; surplus: options that are not ours, and how many; of clocks
                  computer_ahead: seconds that this computer's is ahead of the broker's
    operator      id, request, bot, position, reason (where the program asked), accepted (who else may trade this
                  account, with a resume), closes (what is closed by name from then on), named_above (of a store
                  that was put back)
    webhook       id, name, says, came, asked_by      another program has sent one; bots with a condition on it
    reload        of a bot: what (added, changed, removed), was, now (digests); of the engine: what (asked, waits,
                  refused, nothing, applied), reason, changes, limit_changes; with applied: specs, limits
    facts         symbol, what, value                 closes, bars (the last close), listing sizes, opening move,
                                                  dividend (ex_date), the last print of a session,
                                                  the whole Nearest so far, what the account is seen
                                                  to hold (the whole AccountSeen; until when, if
                                                  that was known before)
    prices        prices {symbol: price}              where underlyings stand, by the minute; of no turn
    account       net_liquidation, cash, buying_power, available_funds, maintenance_margin: as the broker tells them
    batch         boundaries of a turn without lockstep: messages counted
    promotion     the whole Promotion                 a bot may trade the account of this store with real money
    """

    RUN_STARTED = "run_started"
    RUN_ENDED = "run_ended"
    SESSION = "session"
    LINK = "link"
    ORDER = "order"
    POSITION = "position"
    BOT_DAY = "bot_day"
    FILL = "fill"
    COMMISSION = "commission"
    VERDICT = "verdict"
    DECISION = "decision"
    SELECTION = "selection"
    NEAREST = "nearest"
    MARK = "mark"
    SETTLEMENT = "settlement"
    MESSAGE = "message"
    ALARM = "alarm"
    OPERATOR = "operator"
    WEBHOOK = "webhook"
    RELOAD = "reload"
    FACTS = "facts"
    PRICES = "prices"
    ACCOUNT = "account"
    BATCH = "batch"  # of stores written before there were recordings
    PROMOTION = "promotion"


BY_HAND = "by_hand"
"""In the data of a decision to enter: an operator has asked for it."""
IS_NAMED = "named"
"""In the same: by naming its contracts, as a row of a scan has them."""
BUYS_BACK = "buys_back"
DEALT_AT, MULTIPLIER = "dealt_at", "multiplier"
"""In the data of a fill: it takes back what was closed beyond what was held. Its order may not be recalled later."""
EXECUTION = "execution"
"""In the data of an alarm: the whole report of an execution of others, which a start goes by."""
OPENING_MOVE = "opening_move"
"""What a record of facts is about that tells the expected move of the open: it is fixed for the day."""
CLOSING = "closing"
"""What a record of facts is about that tells a print of shares at the close of a session; a start goes by the last."""
HOURS = "hours"
"""What a record of facts is about that tells when an underlying trades in this session; a start goes by it."""
TICKS = "ticks"
"""What a record of facts is about that tells the price grid of a class of options, other than was taken; a start goes
by it."""
BASE = "base"
"""What a record of facts is about that tells what a position had made before today; a start goes by it."""
NEAREST = "nearest"
"""What a record of facts is about that tells what came nearest so far in this session; a start goes by it."""
ACCOUNT_SEEN = "account_seen"
"""What a record of facts is about that tells what the account holds of our positions' symbols; a start goes by it."""
SURPLUS = "surplus"
"""In the data of an alarm: each option that the account holds beyond our books, and how many; a start goes by it."""
FILLS_OWED, NO_LIMITS_TOLD = "fills_owed", "no_account_document"
"""What the key of an alarm begins with that tells of fills of legs which the broker does not report, and of a start
without an account document."""
DATA_TROUBLE = "market data"
"""What a record of facts is about that tells why market data does not come."""
LATE = "late"
"""In the data of such a record: the bots that trade on data which comes 10 to 15 minutes late."""
CORRECTED = "corrected"
"""What a decision is about that a person has made of a fill at an estimated price ('rulebot store correct')."""
COMPUTER_AHEAD = "computer_ahead"
"""In the data of an alarm of clocks: seconds that this computer's is ahead of the broker's, 0 when they agree."""
NAMED_ABOVE = "named_above"
"""In the data of a kill: orders and positions have numbers above this one from now on."""
TAKEN_BACK = "taken_back"
"""In the data of a settlement: it takes back, with a negative quantity, one of the same leg, price and `how`."""
WATCH = "watch"
"""What a decision is about that begins a watch; with `since` in its data it goes on with one that was cut."""
GRID = (WATCH, "stop watching", "enter")
"""What begins and ends a watch, and with it the grid of `every`."""

DURABLE = frozenset(
    (Kind.ORDER, Kind.FILL, Kind.COMMISSION, Kind.POSITION, Kind.SETTLEMENT, Kind.OPERATOR, Kind.WEBHOOK, Kind.RELOAD)
)
"""Kinds that are on disk (FULL) before anything leaves; the others at most a second later."""


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the journal. `at` is the event's time (UTC); `bot` and `position` are "" where they do not apply.

    `data` is JSON: money and prices as text (exact), times as ISO text, no nan.
    """

    at: datetime
    kind: Kind
    bot: str = ""
    position: str = ""
    data: Mapping[str, Json] = field(default_factory=dict)

    @property
    def is_leaving(self) -> bool:
        """True of an order's record as it leaves; later ones, while it is on its way, tell what was said of it."""
        data = self.data
        is_sending = self.kind is Kind.ORDER and data["status"] == "sending"
        return is_sending and data.get("changed_at") == data.get("sent_at")
