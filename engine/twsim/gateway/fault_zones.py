"""A gateway whose login has another time zone: executions, last days and hours are told by its clock and its name.

The instants stay the same. A name means the zone of the tz database that `place` says, or the one known here.
"""

import re
from datetime import datetime, tzinfo
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rulebot.model.session import EXCHANGE_ZONE
from rulebot.model.values import dataclass
from twsim.gateway.fault_plan import Fault, FaultError
from twsim.gateway.wire import raw_frame, take_frames

PLACES = {
    "British Summer Time": "Europe/London",
    "GMT Standard Time": "Europe/London",
    "Central European Standard Time": "Europe/Warsaw",
    "CET": "Europe/Berlin",
    "MEZ": "Europe/Berlin",
    "Eastern Standard Time": "America/New_York",
    "EST": "America/New_York",
    "JST": "Asia/Tokyo",
    "Tokyo Standard Time": "Asia/Tokyo",
    "CST": "Asia/Shanghai",
    "IST": "Asia/Calcutta",
}
EXECUTIONS, LAST_DAYS, HOURS = "executions", "last_days", "hours"
_TIMES = frozenset((b"11", b"101"))
_CONTRACTS = frozenset((b"5", b"7", b"10", b"11", b"61", b"101"))
_DETAILS = b"10"
_TIME = re.compile(rb"(\d{8} \d\d:\d\d:\d\d) US/Eastern")
_DAY = re.compile(rb"\d{8}")
_SPAN = re.compile(r"\d{8}:\d{4}")


@dataclass(frozen=True, slots=True)
class ShownZone:
    """How a gateway tells times. of: executions, last_days, hours or all."""

    name: str
    zone: tzinfo
    of: str

    def greeting(self, at: datetime) -> str:
        """Return the local time and the zone of a greeting, "" where it stays as it is."""
        return f"{at.astimezone(self.zone):%Y%m%d %H:%M:%S} {self.name}" if self.of == "all" else ""

    def shown(self, burst: bytes) -> bytes:
        """Return encoded messages with their times as this zone has them."""
        return b"".join(raw_frame(self._message(payload)) for payload in take_frames(bytearray(burst)))

    def _message(self, payload: bytes) -> bytes:
        fields = payload.split(b"\0")
        if fields[0] in _TIMES and self._is_of(EXECUTIONS):
            fields = [self._time(each) for each in fields]
        if fields[0] in _CONTRACTS and self._is_of(LAST_DAYS):
            pairs = list(pairwise(fields))
            fields[1:] = [self._last_day(each) if before == b"OPT" else each for before, each in pairs]
        if fields[0] == _DETAILS and self._is_of(HOURS):
            self._tell_hours(fields)
        return b"\0".join(fields)

    def _is_of(self, what: str) -> bool:
        return self.of in ("all", what)

    def _time(self, field: bytes) -> bytes:
        told = _TIME.fullmatch(field)
        return field if told is None else self._printed(told[1].decode(), "%Y%m%d %H:%M:%S", EXCHANGE_ZONE)

    def _last_day(self, field: bytes) -> bytes:
        if _DAY.fullmatch(field) is None:
            return field
        return self._printed(f"{field.decode()} 16:00", "%Y%m%d %H:%M", EXCHANGE_ZONE)

    def _printed(self, told: str, pattern: str, told_in: tzinfo) -> bytes:
        at = datetime.strptime(f"{told} +0000", f"{pattern} %z").replace(tzinfo=told_in).astimezone(self.zone)
        return f"{at:%Y%m%d %H:%M:%S} {self.name}".encode()

    def _tell_hours(self, fields: list[bytes]) -> None:
        at = next(at for at, each in enumerate(fields) if each in (b"US/Eastern", b"US/Central"))
        told_in = ZoneInfo(fields[at].decode())

        def moved(span: re.Match[str]) -> str:
            plain = datetime.strptime(f"{span[0]} +0000", "%Y%m%d:%H%M %z")
            return f"{plain.replace(tzinfo=told_in).astimezone(self.zone):%Y%m%d:%H%M}"

        fields[at] = self.name.encode()
        for hours in (at + 1, at + 2):
            fields[hours] = _SPAN.sub(moved, fields[hours].decode()).encode()


def shown_zone(fault: Fault) -> ShownZone:
    """Return what a fault plan asks for. Raises: FaultError."""
    name = fault.text("name")
    place = fault.text("place") or PLACES.get(name, name)
    try:
        return ShownZone(name, ZoneInfo(place), fault.text("of"))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        where = f"faults[{fault.place}].place"
        raise FaultError(f"{where}: is {place!r}; write a zone of the tz database, such as Asia/Tokyo") from None
