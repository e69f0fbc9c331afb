"""Read a fault plan: which faults a gateway has, when, and with what parameters. docs/faults.md describes the file.

Every message names the file, the key and what to do about it.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass as mutable_dataclass
from dataclasses import field
from datetime import time
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from twsim.exchange.nbbo import seeded_fraction
from twsim.faults.kinds import AT, CONNECT, EVENTS, KINDS, STANDING, FaultKind, FaultParameter, fault_label
from twsim.gateway.wire import Session
from twsim.nouns import dataclass, unread
from twsim.seams import Execution, Ticket

EACH = 0
"""The number of a fault that hits every event."""

FIRST, LAST = time(9, 29), time(16, 6)
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
_COMMON = ("kind", "at", "session", "on", "number", "chance", "client", "order_ref", "action")


Key = tuple[int, int]
"""An order: client id and order id."""


class FaultError(ValueError):
    """A fault plan that cannot be used; the text names the file and the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. `place` is its number in the plan, from 1; `at` is New York time of session `session`."""

    place: int
    kind: str
    at: time | None = None
    session: int = 1
    on: str = ""
    number: int = 1
    chance: float | None = None
    client: int | None = None
    order_ref: str = ""
    action: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The name under which it is counted: its kind, and what makes it a separate one."""
        return fault_label(self.kind, self.values)

    def text(self, name: str) -> str:
        """Return a parameter as text."""
        return str(self.values[name])

    def seconds(self, name: str = "seconds") -> float:
        """Return a parameter as seconds (or any number)."""
        return float(self.values[name])

    def whole(self, name: str) -> int:
        """Return a parameter as a whole number."""
        return int(self.values[name])

    def flag(self, name: str) -> bool:
        """Return a parameter as a flag."""
        return bool(self.values[name])

    def concerns(self, client_id: int, ticket: Ticket | None) -> bool:
        """Say whether an event of this client, and of this order if it is one of an order, is meant."""
        if self.client not in (None, client_id):
            return False
        if ticket is None:
            return not (self.order_ref or self.action)
        return ticket.order_ref.startswith(self.order_ref) and self.action in ("", ticket.action)

    def hits(self, count: int, seed: int) -> bool:
        """Say whether the matching event number `count` is hit."""
        if self.chance is not None:
            return seeded_fraction(seed, "fault", self.place, count) < self.chance
        if self.number == EACH:
            return True
        attempts = int(self.values.get("attempts", 1))
        return self.number <= count < self.number + attempts


# --- What a fault has met


@mutable_dataclass(slots=True)
class Event:
    """Something that a fault acts on. client_id: whose it is, None for all clients."""

    client_id: int | None


@mutable_dataclass(slots=True)
class OrderEvent(Event):
    """A new order. ticket: as the broker will take it; faults may change it."""

    key: Key
    ticket: Ticket


@mutable_dataclass(slots=True)
class FillEvent(Event):
    """The first execution of a fill."""

    key: Key
    done: Execution


@mutable_dataclass(slots=True)
class CancelEvent(Event):
    """A cancel of an order."""

    key: Key


@mutable_dataclass(slots=True)
class ConnectEvent(Event):
    """A client that connects."""

    session: Session


# --- Read a plan


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """All faults of a run, in the order of the file."""

    faults: tuple[Fault, ...] = ()


def load_faults(path: Path | str) -> FaultPlan:
    """Return the plan of a YAML or JSON file. Raises: FaultError."""
    path = Path(path)
    if not path.is_file():
        raise FaultError(f"{path}: no such fault plan; give a .yaml or .json file")
    try:
        return read_faults(path.read_text(encoding="utf-8-sig"), path.name)
    except (OSError, UnicodeDecodeError) as problem:
        raise FaultError(f"{path}: cannot be read: {unread(problem)}") from problem


def read_faults(text: str, name: str = "faults.yaml") -> FaultPlan:
    """Return the plan of a text: JSON when the name ends so, else YAML. Raises: FaultError."""
    loaded = _parsed(text, name)
    if not isinstance(loaded, Mapping) or not isinstance(loaded.get("faults"), list):
        raise FaultError(f"{name}: faults: is missing or is no list; write `faults:` and each fault with a dash")
    for key in loaded:
        if key != "faults":
            raise FaultError(f"{name}: {key}: is not known here; a plan has the one key `faults`")
    return FaultPlan(tuple(_fault(item, place, name) for place, item in enumerate(loaded["faults"], 1)))


def _parsed(text: str, name: str) -> Any:
    try:
        if name.lower().endswith(".json"):
            return json.loads(text)
        return YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError) as problem:
        words = str(problem).replace("\n", " ")
        raise FaultError(f"{name}: is not {'JSON' if name.lower().endswith('.json') else 'YAML'}: {words}") from problem
    except RecursionError as problem:
        raise FaultError(f"{name}: is nested too deep") from problem


class _Entry:
    """One entry of the list; each key is taken once."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, Mapping):
            raise FaultError(f"{where}: is {value!r}; write a mapping that begins with `kind`")
        self._left: dict[str, Any] = {str(key): each for key, each in value.items()}
        self.where = where

    def has(self, key: str) -> bool:
        return key in self._left

    def take(self, key: str, default: Any = None) -> Any:
        return self._left.pop(key, default)

    def wrong(self, key: str, words: str) -> FaultError:
        return FaultError(f"{self.where}.{key}: {words}")

    def choice(self, key: str, default: str, options: Iterable[str]) -> str:
        known = tuple(options)
        value = str(self.take(key, default))
        if value not in known:
            raise self.wrong(key, f"is {value!r}; {_suggestion(value, known)}")
        return value

    def number(self, key: str, default: float, least: float | None) -> float:
        value = self.take(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:
            raise self.wrong(key, f"is {value!r}; write a number")
        if least is not None and value < least:
            raise self.wrong(key, f"is {value}; write {least:g} or more")
        return float(value)

    def whole(self, key: str, default: int, least: int) -> int:
        value = self.number(key, default, least)
        if value != int(value):
            raise self.wrong(key, f"is {value:g}; write a whole number")
        return int(value)

    def done(self, known: Iterable[str]) -> None:
        for key in self._left:
            raise self.wrong(key, f"is not known here; {_suggestion(key, tuple(known))}")


def _suggestion(word: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(word[:60], known, n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else f"use one of {', '.join(known)}"


def _fault(item: object, place: int, name: str) -> Fault:
    entry = _Entry(item, f"{name}: faults[{place}]")
    if not entry.has("kind"):
        raise entry.wrong("kind", f"is missing; use one of {', '.join(KINDS)}")
    kind_name = entry.choice("kind", "", KINDS)
    kind = KINDS[kind_name]
    _check_trigger(entry, kind_name, kind)
    found = Fault(
        place=place,
        kind=kind_name,
        at=_clock(entry),
        session=entry.whole("session", 1, 1),
        on=entry.choice("on", "", EVENTS) if entry.has("on") else "",
        number=_number(entry),
        chance=_chance(entry),
        client=entry.whole("client", 0, 0) if entry.has("client") else None,
        order_ref=str(entry.take("order_ref", "")),
        action=entry.choice("action", "", ("BUY", "SELL")) if entry.has("action") else "",
        values={key: _value(entry, key, param) for key, param in kind.params.items()},
    )
    entry.done((*_COMMON, *kind.params))
    _check_values(entry, found)
    return found


def _check_trigger(entry: _Entry, name: str, kind: FaultKind) -> None:
    """Let a fault have one trigger, which its kind knows, and the keys that belong to that trigger."""
    events = tuple(each for each in kind.triggers if each in EVENTS)
    ways = _ways(kind, events)
    if entry.has("at") and entry.has("on"):
        raise entry.wrong("on", "is there with at; a fault has one of them")
    if entry.has("at") and AT not in kind.triggers:
        raise entry.wrong("at", f"is not for {name}; use {ways}")
    if not entry.has("at") and not entry.has("on") and STANDING not in kind.triggers:
        raise FaultError(f"{entry.where}: {name} has no trigger; write {ways}")
    for key, trigger in (("number", "on"), ("chance", "on"), ("order_ref", "on"), ("action", "on"), ("session", "at")):
        if entry.has(key) and not entry.has(trigger):
            raise entry.wrong(key, f"goes with {trigger}")
    if entry.has("on"):
        if not events:
            raise entry.wrong("on", f"is not for {name}; use {ways}")
        _check_event(entry, events)


def _ways(kind: FaultKind, events: Sequence[str]) -> str:
    """Return how a fault of a kind can be triggered, in words."""
    known = {"at": AT in kind.triggers, f"on: {', '.join(events)}": bool(events)}
    return " or ".join(way for way, is_known in known.items() if is_known)


def _check_event(entry: _Entry, events: tuple[str, ...]) -> None:
    event = entry.choice("on", "", events)
    entry._left["on"] = event
    if event == CONNECT and (entry.has("order_ref") or entry.has("action")):
        raise entry.wrong("on", "is connect, which has no order_ref and no action")


def _clock(entry: _Entry) -> time | None:
    if not entry.has("at"):
        return None
    value = entry.take("at")
    match = _CLOCK.fullmatch(str(value))
    if match is None:
        raise entry.wrong("at", f'is {value!r}; write New York time in quotes, such as "10:31:00"')
    try:
        found = time(int(match[1]), int(match[2]), int(match[3] or 0))
    except ValueError:
        raise entry.wrong("at", f"is {value!r}; there is no such time of day") from None
    if not FIRST <= found <= LAST:
        raise entry.wrong("at", f"is {value!r}; a session is lived from {FIRST} to {LAST}")
    return found


def _number(entry: _Entry) -> int:
    if entry.has("number") and entry.has("chance"):
        raise entry.wrong("chance", "is there with number; a fault has one of them")
    value = entry.take("number", 1)
    if value == "each":
        return EACH
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise entry.wrong("number", f"is {value!r}; write 1 for the first, 2, ..., or each")
    return value


def _chance(entry: _Entry) -> float | None:
    if not entry.has("chance"):
        return None
    value = entry.number("chance", 0.0, 0.0)
    if value > 1:
        raise entry.wrong("chance", f"is {value:g}; write a number from 0 to 1")
    return value


def _value(entry: _Entry, key: str, param: FaultParameter) -> object:
    if param.choices:
        return entry.choice(key, str(param.default), param.choices)
    if isinstance(param.default, bool):
        value = entry.take(key, param.default)
        if not isinstance(value, bool):
            raise entry.wrong(key, f"is {value!r}; write true or false")
        return value
    if isinstance(param.default, str):
        return str(entry.take(key, param.default))
    return entry.number(key, param.default, param.least)


def _check_values(entry: _Entry, found: Fault) -> None:
    """Refuse parameters that do not go together."""
    values = found.values
    if found.kind == "correction" and bool(values["price_by"]) == bool(values["quantity_by"]):
        raise FaultError(f"{entry.where}: a correction has either price_by or quantity_by, which is not 0")
    if found.kind == "slow" and bool(values["seconds"]) == bool(values["real_seconds"]):
        raise FaultError(f"{entry.where}: slow has either seconds or real_seconds, above 0")
    for key in ("code", "to", "attempts", "quantity_by"):
        if isinstance(values.get(key), float) and values[key] != int(values[key]):
            raise entry.wrong(key, f"is {values[key]:g}; write a whole number")
