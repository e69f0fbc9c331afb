"""When a contract trades, as its details tell it: days with spans in the time zone that stands beside them.

Source: TWS API, ContractDetails: timeZoneId and liquidHours, the hours of the regular session, as in
"20180323:0930-20180323:1600;20180324:CLOSED", until 2018 as in "20090507:0930-1600;20090508:CLOSED". Users of other
programs have seen it name the zone of the login and not the exchange's (pysystemtrade 1622).
"""

from datetime import UTC, date, datetime, tzinfo

from rulebot.adapters.ib.contracts import contract_data
from rulebot.adapters.ib.zones import candidate_zones, unknown_words
from rulebot.model.session import OPEN_TIME, Hours, at_exchange_time
from rulebot.model.values import dataclass

_ZONE, _LIQUID = 25, 27
"""Where contractData (10) has them (`contract_data`)."""
_CLOSED = "CLOSED"


@dataclass(frozen=True, slots=True)
class ToldHours:
    """What was told on a day of that one and the days after it. zone: a name of a time zone. liquid: the days.

    login: the zone of the gateway's greeting, which settles a name of several zones.
    """

    on: date
    zone: str
    liquid: str
    login: str = ""

    def hours(self, day: date) -> Hours | None:
        """Return the hours of a day from its first open to its last close; None where nothing is told of it.

        In the zone of Sydney a session begins on the day after.

        Raises: ValueError when they cannot be read.
        """
        zones = candidate_zones(self.zone, self.login) if self.zone.strip() else ()
        zone = zones[0] if len(zones) == 1 else None
        named = day if zone is None else at_exchange_time(day, OPEN_TIME).astimezone(zone)
        spans = [each for each in self.liquid.split(";") if each.startswith(f"{named:%Y%m%d}:")]
        if not spans:
            return None
        if all(each.endswith(_CLOSED) for each in spans):
            return Hours(day)
        if zone is None:
            raise ValueError(f"they are in the time zone {self.zone!r}: {unknown_words(self.zone)}")
        found = [_span(each, zone) for each in spans if not each.endswith(_CLOSED)]
        return Hours(day, min(opens for opens, _ in found), max(closes for _, closes in found))


def hours_in(row: list[str], version: int, on: date, login: str = "") -> ToldHours:
    """Return what a contractData row tells of hours, as it was told on a day. login: as `ToldHours`."""
    fields = contract_data(row, version)
    zone, liquid = (fields[at] if at < len(fields) else "" for at in (_ZONE, _LIQUID))
    return ToldHours(on, zone, liquid, login)


def _span(text: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return open and close of a span, UTC. Raises: ValueError."""
    first, _, last = text.partition("-")
    day, _, _ = first.partition(":")
    last = last if ":" in last else f"{day}:{last}"
    opens, closes = (datetime.strptime(each, "%Y%m%d:%H%M").replace(tzinfo=zone) for each in (first, last))
    return opens.astimezone(UTC), closes.astimezone(UTC)
