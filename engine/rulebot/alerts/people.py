"""The recipients: a TOML file with each one's address, wanted grades and quiet hours."""

import os
import re
from collections.abc import Callable, Mapping
from datetime import datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rulebot.alerts.find import FOR_PEOPLE, Grade
from rulebot.model.errors import SpecError, StoreError, as_store_error, unread
from rulebot.model.values import dataclass
from rulebot.process.settings import read_toml, redacted
from rulebot.spec.diagnostic import did_you_mean
from rulebot.store.place import is_open_to_others

TELEGRAM = "https://api.telegram.org"
SHAPE = 'each is a table: [[to]] with name = "phone" and url = "tgram://..." (docs/alerts.md)'


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A recipient. url: a secret; quiet: from, to in `zone`; from_round: 2 gets grave ones once unacknowledged.

    is_program: a web hook of another program, which gets JSON.
    """

    name: str
    url: str
    tell: tuple[Grade, ...] = FOR_PEOPLE
    is_program: bool = False
    quiet: tuple[time, time] | None = None
    zone: ZoneInfo = ZoneInfo("America/New_York")
    from_round: int = 1

    def __repr__(self) -> str:
        """Return it without the secret."""
        return f"Person(name={self.name!r})"

    def is_quiet(self, at: datetime) -> bool:
        """Say whether only grave alerts are wanted at an instant."""
        if self.quiet is None:
            return False
        begin, end = self.quiet
        clock = at.astimezone(self.zone).time()
        return begin <= clock < end if begin <= end else clock >= begin or clock < end


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPolicy:
    """How alerts are sent, in seconds.

    again_after: an unacknowledged grave alert is repeated after this, `times` in all. every: the least time between two
    messages to one person unless one is grave; alerts in between are sent together.
    """

    again_after: float = 600.0
    times: int = 4
    every: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSettings:
    """A bot of Telegram's that takes commands. token: a secret; ids: of the chats that may ask; api: whose servers."""

    token: str
    ids: tuple[int, ...]
    api: str = TELEGRAM

    def __repr__(self) -> str:
        """Return it without the secret."""
        return f"Chat(ids={self.ids})"


@dataclass(frozen=True, slots=True)
class People:
    """The recipients, how alerts are sent, and who may ask."""

    people: tuple[Person, ...]
    manner: DeliveryPolicy = DeliveryPolicy()
    chat: ChatSettings | None = None

    @property
    def wants(self) -> tuple[tuple[str, Grade], ...]:
        """Recipients and the grades they get when an alert is found:

        grave ones for the first round, the others for all.
        """
        return tuple(
            (person.name, grade)
            for person in self.people
            for grade in person.tell
            if person.from_round == 1 or grade is not Grade.GRAVE
        )


def read_people(file: Path, environ: Mapping[str, str] = os.environ) -> People:
    """Return the people of a file. Raises: StoreError when it cannot be read, or others can; SpecError, all faults."""
    with as_store_error(f"{file} cannot be read"):
        text = file.read_text(encoding="utf-8-sig")
        is_open = is_open_to_others(file)
    found = people_of(text, str(file), file.parent, environ)
    if is_open and _has_addresses(read_toml(text)):
        raise StoreError(f"{file} can be read by others, and addresses are secrets", f"chmod 600 {file}")
    return found


def _has_addresses(document: Mapping[str, Any]) -> bool:
    """Say whether it contains a secret itself, not in a file or environment variable that it names."""
    return "telegram" in document.get("chat", {}) or any("url" in each or "hook" in each for each in document["to"])


def people_of(text: str, name: str, folder: Path, environ: Mapping[str, str]) -> People:
    """Return the people of a text. folder: from which a `url_file` is seen. Raises: SpecError."""
    try:
        document = read_toml(text)
    except ValueError as error:
        raise SpecError(f"{name}: this is not TOML: {error}") from error
    faults: list[str] = []
    faults += _unknown(document, ("to", "again_after", "times", "every", "chat"), "")
    readers: dict[str, Callable[[Any], Any]] = {"again_after": _seconds, "times": _times, "every": _seconds}
    manner = {key: _taken(faults, key, read, document[key]) for key, read in readers.items() if key in document}
    people = _people(document.get("to", []), folder, environ, faults)
    chat = _chat(document["chat"], folder, environ, faults) if "chat" in document else None
    names = [person.name for person in people]
    if not faults:
        faults += _never_received(people, DeliveryPolicy(**manner).times)
    faults += [f"two are called '{each}'" for each in sorted({each for each in names if names.count(each) > 1})]
    if faults:
        raise SpecError("\n".join(f"{name}: {fault}" for fault in faults))
    return People(tuple(people), DeliveryPolicy(**manner), chat)


def _people(tables: Any, folder: Path, environ: Mapping[str, str], faults: list[str]) -> list[Person]:
    """Return those of the tables who have no fault; the faults of the others are added."""
    if not isinstance(tables, list) or not tables or not all(isinstance(each, dict) for each in tables):
        faults.append(f"no recipient is named: {SHAPE}")
        return []
    found = []
    for number, table in enumerate(tables, 1):
        before = len(faults)
        fields = _person(table, folder, environ, f"[[to]] {number}: ", faults)
        if len(faults) == before:
            found.append(Person(**fields))
    return found


def _person(
    table: Mapping[str, Any], folder: Path, environ: Mapping[str, str], where: str, faults: list[str]
) -> dict[str, Any]:
    readers: dict[str, Callable[[Any], Any]] = {
        "name": _name,
        "tell": _grades,
        "quiet": _hours,
        "zone": _zone,
        "from_round": _times,
    }
    faults += _unknown(table, (*readers, "url", "url_file", "url_env", "hook", "hook_file", "hook_env"), where)
    fields: dict[str, Any] = {}
    for key, read in readers.items():
        if key in table:
            fields[key] = _taken(faults, where + key, read, table[key])
    if "name" not in table:
        faults.append(f"{where}name is required")
    if any(key in table for key in ("hook", "hook_file", "hook_env")):
        fields = {"tell": tuple(Grade), **fields, "is_program": True}
        fields["url"] = _taken(faults, where + "hook", lambda given: _hook(given, folder, environ), table)
    else:
        fields["url"] = _taken(faults, where + "url", lambda given: _url(given, folder, environ), table)
    return fields


def _never_received(people: list[Person], times: int) -> list[str]:
    """Return what `from_round` asks for and can never arrive."""
    faults = []
    first = any(person.from_round == 1 and Grade.GRAVE in person.tell for person in people)
    for number, person in enumerate(people, 1):
        asked = f"[[to]] {number}: from_round = {person.from_round}"
        if person.from_round == 1:
            continue
        if person.is_program:
            faults.append(f"{asked}: a program gets everything once, when it is found")
        elif Grade.GRAVE not in person.tell:
            faults.append(f"{asked}: only grave ones are repeated, and 'tell' has none")
        elif person.from_round > times:
            faults.append(f"{asked}: a grave one is sent {times} times in all (times)")
        elif not first:
            faults.append(f"{asked}: no recipient gets a grave one the first time")
    return faults


def _chat(table: Any, folder: Path, environ: Mapping[str, str], faults: list[str]) -> ChatSettings | None:
    if not isinstance(table, dict):
        faults.append('[chat] is a table: telegram_file = "FILE" and from = [ID]')
        return None
    before = len(faults)
    faults += _unknown(table, ("telegram", "telegram_file", "telegram_env", "from", "api"), "[chat] ")
    token = _taken(faults, "[chat] telegram", lambda given: _secret(given, "telegram", folder, environ), table)
    ids = table.get("from")
    if not isinstance(ids, list) or not ids or not all(type(each) is int for each in ids):
        faults.append("[chat] from: a list of the chat numbers that may ask is required")
    api = table.get("api", TELEGRAM)
    if not isinstance(api, str) or not _is_safe(api):
        faults.append("[chat] api: an address with https:// is required")
    return (
        None if len(faults) > before else ChatSettings(token=str(token), ids=tuple(ids or ()), api=str(api).rstrip("/"))
    )


def _taken(faults: list[str], key: str, read: Callable[[Any], Any], value: Any) -> Any:
    try:
        return read(value)
    except ValueError as error:
        faults.append(f"{key}: {error}")
        return None


def _unknown(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> list[str]:
    hints = [(key, did_you_mean(key, known)) for key in table if key not in known]
    return [f"{where}unknown key '{key}'" + (f"; {hint}" if hint else "") for key, hint in hints]


def _url(table: Mapping[str, Any], folder: Path, environ: Mapping[str, str]) -> str:
    value = _secret(table, "url", folder, environ)
    if "://" not in value:
        raise ValueError("an address is like tgram://TOKEN/CHAT or mailto://user:password@host")
    return value


def _hook(table: Mapping[str, Any], folder: Path, environ: Mapping[str, str]) -> str:
    if any(key in table for key in ("url", "url_file", "url_env")):
        raise ValueError("exactly one of url and hook is required")
    value = _secret(table, "hook", folder, environ)
    if not _is_safe(value):
        raise ValueError("an address with https:// is required")
    return value


def _is_safe(address: str) -> bool:
    return re.match(r"https://|http://(127\.0\.0\.1|localhost)[:/]", f"{address}/") is not None


def _secret(table: Mapping[str, Any], key: str, folder: Path, environ: Mapping[str, str]) -> str:
    names = (key, f"{key}_file", f"{key}_env")
    given = [name for name in names if name in table]
    if len(given) != 1 or not isinstance(table[given[0]], str):
        raise ValueError(f"one of {names[0]}, {names[1]} and {names[2]} is required, as text")
    value = str(table[given[0]])
    if given[0] == names[2]:
        if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", value) is None:
            raise ValueError(f"{names[2]} is the name of a variable, and not the secret itself")
        value = environ.get(value, "")
        if not value:
            raise ValueError(f"the environment has no {table[names[2]]}")
    elif given[0] == names[1]:
        if redacted(value) != value or "://" in value:
            raise ValueError(f"{names[1]} is the name of a file, and not the secret itself")
        file = folder / value
        try:
            value = file.read_text(encoding="utf-8").strip()
            is_open = is_open_to_others(file)
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"the file cannot be read: {unread(error)}") from None
        if is_open:
            raise ValueError(f"{file} can be read by others, and holds a secret: chmod 600 {file}")
    return value


def _name(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_. -]{1,40}", value):
        return value
    raise ValueError("1 to 40 letters, digits, '_', '.', '-' and spaces are required")


def _grades(value: Any) -> tuple[Grade, ...]:
    known = [grade.value for grade in Grade]
    if not isinstance(value, list) or not value or not all(each in known for each in value):
        raise ValueError(f"a list of {', '.join(known)} is required")
    return tuple(Grade(each) for each in value)


def _hours(value: Any) -> tuple[time, time]:
    found = (
        re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)", value) if isinstance(value, str) else None
    )
    if found is None:
        raise ValueError('hours are written "22:00-07:00"')
    begin, end = time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))
    if begin == end:
        raise ValueError(
            'they end when they begin, which is never; for a person who gets only grave ones, tell = ["grave"]'
        )
    return begin, end


def _zone(value: Any) -> ZoneInfo:
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise ValueError('a zone is written "Europe/Berlin"') from None


def _times(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 20:
        return value
    raise ValueError("a whole number from 1 to 20 is required")


def _seconds(value: Any) -> float:
    found = re.fullmatch(r"(\d{1,5})(s|m|h)", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("a time is written 90s, 10m or 1h")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]
