"""What a check says: a line with its level, what was found, and what mends it."""

from collections.abc import Iterable
from enum import Enum

from rulebot.model.errors import RulebotError
from rulebot.model.values import dataclass

PROBLEMS, WORLD_FAILED = 1, 3


class Level(Enum):
    """How bad it is: a fault keeps bots from trading, or from trading safely; a warning soon or in part."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    NOT_CHECKED = "not checked"


class Group(Enum):
    """What a check is about, in the order in which they are told."""

    PYTHON = "python"
    SETTINGS = "settings"
    SPECS = "specs"
    CALENDARS = "calendars"
    DISK = "disk"
    STORE = "store"
    GATEWAY = "gateway"
    LIVE = "live"
    CLOCK = "clock"
    ACCOUNT = "account"
    DATA = "market data"
    LEGS = "legs"
    DELAYED = "delayed data"
    PROBE = "probe"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a check-up. mend: what to do, "" where nothing is to be done.

    is_outage: a fault of the world (the gateway, the store, a file), after which not everything could be checked.
    """

    group: Group
    name: str
    level: Level
    text: str
    mend: str = ""
    is_outage: bool = False


def fine(group: Group, name: str, text: str) -> Finding:
    """Return that all is well."""
    return Finding(group, name, Level.OK, text)


def warning(group: Group, name: str, text: str, mend: str = "") -> Finding:
    """Return what will be wrong, or is in part."""
    return Finding(group, name, Level.WARNING, text, mend)


def fault(group: Group, name: str, text: str, mend: str = "") -> Finding:
    """Return what is wrong."""
    return Finding(group, name, Level.FAULT, text, mend)


def outage(group: Group, name: str, error: RulebotError) -> Finding:
    """Return that the world failed."""
    return Finding(group, name, Level.FAULT, error.message, error.help or "", is_outage=True)


def unchecked(group: Group, name: str, text: str, mend: str = "") -> Finding:
    """Return that nobody can say, and why."""
    return Finding(group, name, Level.NOT_CHECKED, text, mend)


def exit_code(found: Iterable[Finding]) -> int:
    """Return 0 without a fault, 3 when the world failed and so not everything was checked, else 1."""
    faults = [each for each in found if each.level is Level.FAULT]
    if any(each.is_outage for each in faults):
        return WORLD_FAILED
    return PROBLEMS if faults else 0
