"""Time zones by the names that TWS sends: of the tz database, of Windows, of Java, and abbreviations.

A name may mean several zones: CST is Chicago and Shanghai. Whoever reads a time with it knows the instant only where
all of them give the same one. An unknown name means none, and never New York.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from rulebot.adapters.ib.zone_names import LONG_NAMES, SHORT_NAMES

_OFFSET = re.compile(r"(?:GMT|UTC)?([+-])(\d{1,2})(?::?(\d\d))?")
_FILLERS = re.compile(r"\b(standard|daylight|summer|savings?|time)\b")
_BRACKETED = re.compile(r"([A-Za-z]{2,5}) +\((.+)\)")
"""As TWS named zones in contract details until 2018: `EST (Eastern Standard Time)`."""
_NO_PLACE = frozenset(("Factory", "localtime", "posixrules"))
_FARTHEST = timedelta(hours=14)
_NEAR = timedelta(minutes=10)
"""How far the local time of a greeting may lie from its instant; zones differ by half an hour at least."""


@lru_cache(maxsize=64)
def zones_named(name: str) -> tuple[tzinfo, ...]:
    """Return every zone that a name of TWS may mean, none for an unknown name."""
    name = name.strip()
    if bracketed := _BRACKETED.fullmatch(name):
        name = bracketed[2]
    if (fixed := _by_offset(name)) is not None:
        return (fixed,)
    short, long = _tables()
    places = short.get(name) or long.get(_plain(name)) or _by_database(name)
    return tuple(map(ZoneInfo, places))


def zone_named(name: str) -> tzinfo | None:
    """Return the only zone that a name of TWS can mean, None for a name that is unknown or ambiguous."""
    found = zones_named(name)
    return found[0] if len(found) == 1 else None


def candidate_zones(name: str, login: str) -> tuple[tzinfo, ...]:
    """Return the zones that a name beside a time may mean; "" means that of the login, which also settles its own name.

    login: the zone of the gateway's greeting, settled by `zone_by_greeting` where its name means several.
    """
    zones, of_login = zones_named(name.strip() or login), zone_named(login)
    return (of_login,) if len(zones) > 1 and of_login in zones else zones


def zone_by_greeting(name: str, local: datetime, at: datetime) -> str:
    """Return the zone of a name by a local time (naive) that was told with it at an instant.

    A name of one zone, one that is unknown, and one that the time does not settle are returned as they are.
    """
    zones = zones_named(name)
    near = [each for each in zones if abs(local.replace(tzinfo=each) - at) <= _NEAR]
    return str(near[0]) if len(zones) > 1 and len(near) == 1 else name


def instant_by_greeting(name: str, local: datetime) -> datetime | None:
    """Return the instant of a local time (naive) in the zone of a name; None where the two allow none or several."""
    told = (local.replace(tzinfo=zone, fold=fold) for zone in zones_named(name) for fold in (0, 1))
    found = {each.astimezone(UTC) for each in told}
    return found.pop() if len(found) == 1 else None


def unknown_words(name: str) -> str:
    """Return what to do about a time zone that is unknown or that several places share."""
    places = [str(each) for each in zones_named(name)]
    meant = f"it means {' or '.join(places)}" if places else "no such time zone is known"
    example = places[0] if places else "America/New_York"
    return f"{meant}. Set the time zone of the computer that runs TWS or the gateway to a full name, such as {example}"


@lru_cache(maxsize=1)
def _tables() -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Return the zones of each abbreviation, and of each long name."""
    return _read(SHORT_NAMES, str), _read(LONG_NAMES, _plain)


def _read(table: str, key: Callable[[str], str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for row in table.strip().splitlines():
        place, _, names = row.partition(": ")
        for name in names.split(", "):
            found[key(name)] = (*found.get(key(name), ()), place)
    return found


def _plain(name: str) -> str:
    """Return a long name in lower case, without accents and the words that say only that it is a time."""
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return " ".join(_FILLERS.sub(" ", letters).split())


def _by_offset(name: str) -> timezone | None:
    """Return the zone of `GMT+09:00`, `UTC-5` or `+0530`, None for other names."""
    told = _OFFSET.fullmatch(name)
    if told is None:
        return None
    offset = timedelta(hours=int(told[2]), minutes=int(told[3] or 0))
    return timezone(-offset if told[1] == "-" else offset) if offset <= _FARTHEST else None


def _by_database(name: str) -> tuple[str, ...]:
    return (name,) if name in _database() and name not in _NO_PLACE else ()


@lru_cache(maxsize=1)
def _database() -> frozenset[str]:
    return frozenset(available_timezones())
