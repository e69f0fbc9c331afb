"""Which fields of records are texts for people, and records with those scrambled.

Orders, positions and bot days say it where their fields are declared (`model/texts.py`). Of all other records the
tables below do: every string in a record that a start reads is a text or a name, and a test finds one that is neither.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from rulebot.model.order import Order
from rulebot.model.position import Position
from rulebot.model.texts import Reader
from rulebot.record.record import DATA_TROUBLE, Json, Kind, Record

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
"""Keys of texts in a record's data, however deep they stand."""
NAMED = frozenset(("state", "exit", "closed", "armed", "withdrawn"))
"""What a decision is about whose `reason` is the name of an exit or of a step of the lifecycle, and no text."""
NAMES: Mapping[Kind, frozenset[str]] = {
    Kind.DECISION: frozenset(
        ("what", "kind", "rule", "halt", "symbol", "since", "values", "by_hand", "named", "position")
    ),
    Kind.ALARM: frozenset(("key", "contract", "execution", "surplus")),
    Kind.LINK: frozenset(("account",)),
    Kind.RUN_ENDED: frozenset(),
    Kind.OPERATOR: frozenset(
        ("id", "request", "bot", "position", "accepted", "closes", "values", "legs", "alternative")
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


def rotated(text: str) -> str:
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
        return rotated(data)
    if isinstance(data, Mapping):
        return {key: _rotate_all(item) for key, item in data.items()}
    return [_rotate_all(item) for item in data] if isinstance(data, list) else data


# ---------------------------------------------------------------- values of types that say it themselves


def _of_type(kind: type, data: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON of a value with its texts scrambled, those of the values inside it too."""
    return {name: _of_hint(hints_of(kind).get(name), item) for name, item in data.items()}


def _of_hint(hint: Any, data: Any) -> Any:
    if is_text(hint) and isinstance(data, str):
        return rotated(data)
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
