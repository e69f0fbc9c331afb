"""Records: what happened and what we decided, enough to resume and to explain.

Two sorts. Entities (`order`, `position`, `bot_day`) are whole values; the last one recorded for an id is the truth, and
a restart is just reading them back. The rest are happenings (decisions, verdict changes, fills, messages).
"""

from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from rulebot.model.cause import Reader
from rulebot.model.order import Order
from rulebot.model.position import Position
from rulebot.model.values import dataclass

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class Kind(Enum):
    """What a record is about; each line lists the fields of `data`.

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
                  execution: the whole ExecutionReport; excess: options that are not ours, and how many; of clocks
                  computer_ahead: seconds that this computer's is ahead of the broker's
    operator      id, request, bot, position, reason (where the program asked), acknowledged_foreign_orders (who
                  else may trade this account, with a resume), closes (what is closed by name from then on),
                  order_number_floor (of a store that was put back)
    webhook       id, name, says, came, asked_by      another program has sent one; bots with a condition on it
    reload        of a bot: what (added, changed, removed), was, now (digests); of the engine: what (asked, waits,
                  refused, nothing, applied), reason, changes, limit_changes; with applied: specs, limits
    facts         symbol, what, value                 closes, bars (the last close), listing sizes, opening move,
                                                  dividend (ex_date), the last print of a session,
                                                  the whole Nearest so far, what the account is seen
                                                  to hold (the whole AccountSeen; until when, if
                                                  that was known before)
    prices        prices {symbol: price}              where underlyings stand, by the minute; of no turn
    account       net_liquidation, cash, buying_power, available_funds, maintenance_margin: as the broker reports them
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
    PROMOTION = "promotion"


BY_HAND = "by_hand"
"""In the data of a decision to enter: an operator has asked for it."""
IS_NAMED = "named"
"""In the same: by naming its contracts, as a row of a scan has them."""
BUYS_BACK = "buys_back"
DEALT_AT, MULTIPLIER = "dealt_at", "multiplier"
"""In the data of a fill: it reverses a close beyond the holding. Its order may not be in memory later."""
EXECUTION = "execution"
"""In the data of an alarm: the whole report of an external execution, which a restart reads."""
OPENING_MOVE = "opening_move"
"""Facts record of the expected move of the open: it is fixed for the day."""
CLOSING = "closing"
"""Facts record of a print of shares at the close of a session; a restart reads the last one."""
HOURS = "hours"
"""Facts record of an underlying's trading hours in this session; a restart reads it."""
TICKS = "ticks"
"""Facts record of a class's price grid that differs from the assumed one; a restart reads it."""
BASE = "base"
"""Facts record of a position's profit before today; a restart reads it."""
NEAREST = "nearest"
"""Facts record of the nearest miss of this session; a restart reads it."""
ACCOUNT_SEEN = "account_seen"
"""Facts record of the account's holdings in our positions' symbols; a restart reads it."""
EXCESS = "excess"
"""In the data of an alarm: each option that the account holds beyond our books, and how many; a restart reads it."""
FILLS_PENDING, NO_LIMITS_GIVEN = "fills_owed", "no_account_document"
"""Key prefix of alarms about unreported leg fills, and about a start without an account document."""
DATA_TROUBLE = "market data"
"""Facts record of why market data stopped."""
LATE = "late"
"""In the data of such a record: the bots that trade on data which comes 10 to 15 minutes late."""
CORRECTED = "corrected"
"""What a decision is about that a person has made of a fill at an estimated price ('rulebot store correct')."""
COMPUTER_AHEAD = "computer_ahead"
"""In the data of an alarm of clocks: seconds that this computer's is ahead of the broker's, 0 when they agree."""
ORDER_NUMBER_FLOOR = "order_number_floor"
"""In the data of a kill: orders and positions have numbers above this one from now on."""
TAKEN_BACK = "taken_back"
"""In the data of a settlement: it reverses, with a negative quantity, one of the same leg, price and `how`."""
WATCH = "watch"
"""Decision that starts a watch; with `since` in its data it continues an interrupted one."""
GRID = (WATCH, "stop watching", "enter")
"""Start and end of a watch, and of the grid of `every`."""

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
        """True for the record of an order as it is sent; later ones record messages about it."""
        data = self.data
        is_sending = self.kind is Kind.ORDER and data["status"] == "sending"
        return is_sending and data.get("changed_at") == data.get("sent_at")


# --- Which fields of records are texts for people, and records with those scrambled

ENTITIES: Mapping[Kind, type] = {Kind.ORDER: Order, Kind.POSITION: Position}
"""Kinds whose records are a value of a type that record knows; a bot's day is one of `decide`."""

TEXTS: Mapping[Kind, frozenset[str]] = {
    Kind.VERDICT: frozenset(("text", "words", "missing", "detail")),
    Kind.DECISION: frozenset(("reason",)),
    Kind.SELECTION: frozenset(("reason", "rejected", "asked")),
    Kind.NEAREST: frozenset(("text", "words", "missing", "detail")),
    Kind.MESSAGE: frozenset(("text",)),
    Kind.ALARM: frozenset(("text",)),
    Kind.LINK: frozenset(("reason",)),
    Kind.RUN_ENDED: frozenset(("reason",)),
    Kind.OPERATOR: frozenset(("reason",)),
    Kind.RELOAD: frozenset(("reason",)),
    Kind.FACTS: frozenset(("text", "readings")),
    Kind.BOT_DAY: frozenset(("decided", "halted", "skipped")),
}
"""Keys of texts in a record's data, at any depth."""
NAMED = frozenset(("state", "exit", "closed", "armed", "withdrawn"))
"""What a decision is about whose `reason` is the name of an exit or of a step of the lifecycle, and no text."""
NAMES: Mapping[Kind, frozenset[str]] = {
    Kind.DECISION: frozenset(
        ("what", "kind", "rule", "halt", "symbol", "since", "values", "by_hand", "named", "position")
    ),
    Kind.ALARM: frozenset(("key", "contract", "execution", "excess")),
    Kind.LINK: frozenset(("account",)),
    Kind.RUN_ENDED: frozenset(),
    Kind.OPERATOR: frozenset(
        ("id", "request", "bot", "position", "acknowledged_foreign_orders", "closes", "values", "legs", "alternative")
    ),
    Kind.RELOAD: frozenset(("what", "was", "now", "changes", "limit_changes", "specs", "limits", "edited")),
    Kind.FACTS: frozenset(("symbol", "what", "value", "expiry", "trading_class", "until")),
    Kind.WEBHOOK: frozenset(("id", "name", "says", "came", "asked_by")),
    Kind.FILL: frozenset(
        ("exec_id", "ref", "position", "leg", "contract", "price", "executed_at", "dealt_at", "purpose", "quantity")
    ),
    Kind.COMMISSION: frozenset(("exec_id", "position", "leg", "amount")),
    Kind.SETTLEMENT: frozenset(
        ("leg", "how", "price", "level", "expiry", "right", "strike", "shares_profit", "position", "symbol")
    ),
    Kind.MARK: frozenset(("profit", "at_stop")),
    Kind.ACCOUNT: frozenset(
        ("net_liquidation", "cash", "buying_power", "available_funds", "maintenance_margin", "excess_liquidity")
    ),
}
"""Keys of names and values of the kinds that a start reads, at the top of their data."""


def scrambled(record: Record) -> Record:
    """Return the record with another wording of every text for people: each letter is another one."""
    kind = ENTITIES.get(record.kind)
    if kind is not None:
        data = _of_type(kind, dict(record.data))
    elif record.kind is Kind.DECISION and record.data.get("what") in NAMED:
        return record
    elif record.kind is Kind.FACTS and record.data.get("what") == DATA_TROUBLE:
        data = _of_keys(record.data, frozenset(("value",)))
    else:
        data = _of_keys(record.data, TEXTS.get(record.kind, frozenset()))
    return replace(record, data=data)


def rotate_text(text: str) -> str:
    """Return a text with each letter thirteen further on."""
    return text.translate(_ROTATED)


_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ROTATED = str.maketrans(
    _LETTERS + _LETTERS.upper(),
    _LETTERS[13:] + _LETTERS[:13] + _LETTERS[13:].upper() + _LETTERS[:13].upper(),
)


def _of_keys(data: Any, keys: frozenset[str]) -> Any:
    """Return JSON with the texts under these keys scrambled."""
    if isinstance(data, Mapping):
        return {key: _rotate_all(item) if key in keys else _of_keys(item, keys) for key, item in data.items()}
    if isinstance(data, list):
        return [_of_keys(item, keys) for item in data]
    return data


def _rotate_all(data: Json) -> Json:
    if isinstance(data, str):
        return rotate_text(data)
    if isinstance(data, Mapping):
        return {key: _rotate_all(item) for key, item in data.items()}
    return [_rotate_all(item) for item in data] if isinstance(data, list) else data


# ---------------------------------------------------------------- values of types that say it themselves


def _of_type(kind: type, data: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON of a value with its texts scrambled, those of the values inside it too."""
    return {name: _of_hint(hints_of(kind).get(name), item) for name, item in data.items()}


def _of_hint(hint: Any, data: Any) -> Any:
    if is_text(hint) and isinstance(data, str):
        return rotate_text(data)
    if isinstance(data, list):
        inner = next(iter(get_args(hint)), None)
        return [_of_hint(inner, item) for item in data]
    if isinstance(data, dict):
        inner = next((each for each in parts_of(hint) if isinstance(each, type) and hints_of(each)), None)
        return data if inner is None else _of_type(inner, data)
    return data


def is_text(hint: Any) -> bool:
    """Say whether a field with this hint is a text for people."""
    return any(get_origin(each) is Annotated and Reader.PEOPLE in get_args(each) for each in parts_of(hint))


def parts_of(hint: Any) -> Iterator[Any]:
    """Yield a hint, or the members of a union such as `Order | None`."""
    yield hint
    if get_origin(hint) is not Annotated:
        yield from get_args(hint)


@cache
def hints_of(kind: type) -> dict[str, Any]:
    """Return the hints of a dataclass or named tuple, with what each field is for; {} of any other type."""
    fields: tuple[str, ...] = tuple(getattr(kind, "__dataclass_fields__", getattr(kind, "_fields", ())))
    hints = get_type_hints(kind, include_extras=True) if fields else {}
    return {name: hints[name] for name in fields if name in hints}
