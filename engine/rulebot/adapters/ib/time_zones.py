"""Time zone names as the broker sends them, with their tz database zones, and the broker's clock.

A row is `zone: name, name`. A name in several rows means several zones. Windows and Java name zones "Tokyo Standard
Time" or "Japan Standard Time"; the words "Standard", "Daylight", "Summer" and "Time" are omitted here.

Source: the facts of Unicode CLDR, windowsZones (territory 001) and metaZones, and the abbreviations of the tz database.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from rulebot.adapters.clock import BrokerClock

LONG_NAMES = """
Africa/Cairo: Egypt
Africa/Casablanca: Morocco
Africa/Harare: Central Africa
Africa/Johannesburg: South Africa
Africa/Juba: South Sudan
Africa/Khartoum: Sudan
Africa/Lagos: W. Central Africa, West Africa
Africa/Nairobi: E. Africa, East Africa, Eastern Africa
Africa/Sao_Tome: Sao Tome
Africa/Tripoli: Libya
Africa/Windhoek: Namibia
America/Adak: Aleutian
America/Anchorage: Alaskan, Alaska
America/Araguaina: Tocantins
America/Asuncion: Paraguay
America/Bahia: Bahia
America/Bogota: SA Pacific, Colombia, Peru
America/Buenos_Aires: Argentina
America/Cancun: Eastern (Mexico)
America/Caracas: Venezuela
America/Cayenne: SA Eastern
America/Chicago: Central, Central (US & Canada)
America/Cuiaba: Central Brazilian
America/Denver: Mountain, Mountain (US & Canada)
America/Godthab: Greenland
America/Grand_Turk: Turks And Caicos
America/Guatemala: Central America
America/Halifax: Atlantic, Atlantic (Canada)
America/Havana: Cuba
America/Indianapolis: US Eastern
America/La_Paz: SA Western, Bolivia
America/Los_Angeles: Pacific, Pacific (US & Canada)
America/Mazatlan: Mountain (Mexico), Mexican Pacific
America/Mexico_City: Central (Mexico)
America/Miquelon: Saint Pierre
America/Montevideo: Montevideo, Uruguay
America/New_York: Eastern, Eastern (US & Canada), heure normale de l'Est, heure d'ete de l'Est
America/New_York: Nordamerikanische Ostkusten-Normalzeit, Nordamerikanische Ostkusten-Sommerzeit
America/Phoenix: US Mountain
America/Port-au-Prince: Haiti
America/Puerto_Rico: Atlantic
America/Punta_Arenas: Magallanes
America/Regina: Canada Central
America/Santiago: Pacific SA, Chile
America/Sao_Paulo: E. South America, Brasilia
America/St_Johns: Newfoundland
America/Tijuana: Pacific (Mexico)
America/Whitehorse: Yukon
Asia/Almaty: Central Asia, Kazakhstan
Asia/Amman: Jordan
Asia/Baghdad: Arabic
Asia/Baku: Azerbaijan
Asia/Bangkok: SE Asia, Indochina
Asia/Barnaul: Altai
Asia/Beirut: Middle East
Asia/Calcutta: India
Asia/Chita: Transbaikal
Asia/Colombo: Sri Lanka
Asia/Damascus: Syria
Asia/Dhaka: Bangladesh
Asia/Dubai: Arabian, Gulf
Asia/Hebron: West Bank
Asia/Hong_Kong: Hong Kong
Asia/Hovd: W. Mongolia
Asia/Irkutsk: North Asia East, Irkutsk
Asia/Jakarta: West Indonesia, Western Indonesia
Asia/Jerusalem: Israel
Asia/Kabul: Afghanistan
Asia/Kamchatka: Russia Zone 11, Kamchatka
Asia/Karachi: Pakistan
Asia/Katmandu: Nepal
Asia/Krasnoyarsk: North Asia, Krasnoyarsk
Asia/Kuala_Lumpur: Malaysia
Asia/Magadan: Magadan
Asia/Manila: Philippine, Philippines
Asia/Novosibirsk: N. Central Asia, Novosibirsk
Asia/Omsk: Omsk
Asia/Pyongyang: North Korea
Asia/Qyzylorda: Qyzylorda
Asia/Rangoon: Myanmar
Asia/Riyadh: Arab, Arabia, Arabian
Asia/Sakhalin: Sakhalin
Asia/Seoul: Korea, Korean
Asia/Shanghai: China
Asia/Singapore: Singapore, Malay Peninsula
Asia/Srednekolymsk: Russia Zone 10
Asia/Taipei: Taipei
Asia/Tashkent: West Asia, Uzbekistan
Asia/Tbilisi: Georgian, Georgia
Asia/Tehran: Iran
Asia/Tokyo: Tokyo, Japan
Asia/Tomsk: Tomsk
Asia/Ulaanbaatar: Ulaanbaatar
Asia/Vladivostok: Vladivostok
Asia/Yakutsk: Yakutsk
Asia/Yekaterinburg: Ekaterinburg, Yekaterinburg
Asia/Yerevan: Caucasus, Armenia
Atlantic/Azores: Azores
Atlantic/Cape_Verde: Cape Verde
Atlantic/Reykjavik: Greenwich
Australia/Adelaide: Cen. Australia, Australian Central, Central (South Australia)
Australia/Brisbane: E. Australia, Eastern (Queensland)
Australia/Darwin: AUS Central, Central (Northern Territory)
Australia/Eucla: Aus Central W., Australian Central Western
Australia/Hobart: Tasmania, Eastern (Tasmania)
Australia/Lord_Howe: Lord Howe
Australia/Perth: W. Australia, Australian Western, Western (Australia)
Australia/Sydney: AUS Eastern, Australian Eastern, Eastern (New South Wales), Eastern (Victoria)
Etc/GMT+12: Dateline
Etc/UTC: UTC, Coordinated Universal, Greenwich Mean, Zulu
Europe/Astrakhan: Astrakhan
Europe/Athens: Eastern European, Osteuropaische Zeit, Osteuropaische Normalzeit, Osteuropaische Sommerzeit
Europe/Berlin: W. Europe, Mitteleuropaische Zeit, Mitteleuropaische Normalzeit, Mitteleuropaische Sommerzeit
Europe/Paris: heure normale d'Europe centrale, heure d'ete d'Europe centrale
Europe/Rome: Ora dell'Europa centrale, Ora legale dell'Europa centrale
Europe/Madrid: hora estandar de Europa central, hora de verano de Europa central
Europe/Bucharest: GTB
Europe/Budapest: Central Europe
Europe/Chisinau: E. Europe
Europe/Dublin: Irish
Europe/Istanbul: Turkey
Europe/Kaliningrad: Kaliningrad
Europe/Kiev: FLE
Europe/Lisbon: Western European
Europe/London: GMT Standard Time, British, United Kingdom
Europe/Minsk: Belarus
Europe/Moscow: Russian, Moscow
Europe/Paris: Romance
Europe/Samara: Russia Zone 3, Samara
Europe/Saratov: Saratov
Europe/Volgograd: Volgograd
Europe/Warsaw: Central European
Indian/Mauritius: Mauritius
Pacific/Apia: Samoa
Pacific/Auckland: New Zealand
Pacific/Bougainville: Bougainville
Pacific/Chatham: Chatham Islands, Chatham
Pacific/Easter: Easter Island
Pacific/Fiji: Fiji
Pacific/Guadalcanal: Central Pacific
Pacific/Guam: Chamorro
Pacific/Honolulu: Hawaiian, Hawaii, Hawaii-Aleutian
Pacific/Kiritimati: Line Islands
Pacific/Marquesas: Marquesas
Pacific/Norfolk: Norfolk
Pacific/Pago_Pago: Samoa
Pacific/Port_Moresby: West Pacific
Pacific/Tongatapu: Tonga
"""

SHORT_NAMES = """
Africa/Johannesburg: SAST
Africa/Lagos: WAT
Africa/Nairobi: EAT
America/Anchorage: AKST, AKDT
America/Buenos_Aires: ART
America/Chicago: CST, CDT
America/Denver: MST, MDT
America/Halifax: AST, ADT
America/Los_Angeles: PST, PDT
America/New_York: EST, EDT, ET, HNE, HAE
America/Puerto_Rico: AST
America/Sao_Paulo: BRT
America/St_Johns: NST, NDT
Asia/Bangkok: ICT
Asia/Calcutta: IST
Asia/Dubai: GST
Asia/Hong_Kong: HKT
Asia/Jakarta: WIB
Asia/Jerusalem: IST, IDT
Asia/Karachi: PKT
Asia/Kuala_Lumpur: MYT
Asia/Manila: PHT
Asia/Riyadh: AST
Asia/Seoul: KST
Asia/Shanghai: CST, CTT
Asia/Singapore: SGT
Asia/Tokyo: JST
Australia/Adelaide: ACST, ACDT
Australia/Perth: AWST
Australia/Sydney: AEST, AEDT
Etc/UTC: UTC, GMT, UCT, Z
Europe/Athens: EET, EEST, OEZ, OESZ
Europe/Berlin: CET, CEST, MET, MEST, MEZ, MESZ, HNEC, HAEC
Europe/Dublin: IST
Europe/Istanbul: TRT
Europe/Lisbon: WET, WEST, WEZ, WESZ
Europe/London: BST
Europe/Moscow: MSK
Pacific/Auckland: NZST, NZDT
Pacific/Honolulu: HST
"""


# --- Time zones by the names that TWS sends

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
    """Return the zones that a name beside a time may mean; "" means the login's, which also decides its own name.

    login: the zone of the gateway's greeting, decided by `zone_by_greeting` where its name means several.
    """
    zones, of_login = zones_named(name.strip() or login), zone_named(login)
    return (of_login,) if len(zones) > 1 and of_login in zones else zones


def zone_by_greeting(name: str, local: datetime, at: datetime) -> str:
    """Return the zone of a name by a local time (naive) that was sent with it at an instant.

    A name of one zone, an unknown one, and one that the time does not decide are returned unchanged.
    """
    zones = zones_named(name)
    near = [each for each in zones if abs(local.replace(tzinfo=each) - at) <= _NEAR]
    return str(near[0]) if len(zones) > 1 and len(near) == 1 else name


def instant_by_greeting(name: str, local: datetime) -> datetime | None:
    """Return the instant of a local time (naive) in the zone of a name; None where the two allow none or several."""
    reported = (local.replace(tzinfo=zone, fold=fold) for zone in zones_named(name) for fold in (0, 1))
    found = {each.astimezone(UTC) for each in reported}
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
    reported = _OFFSET.fullmatch(name)
    if reported is None:
        return None
    offset = timedelta(hours=int(reported[2]), minutes=int(reported[3] or 0))
    return timezone(-offset if reported[1] == "-" else offset) if offset <= _FARTHEST else None


def _by_database(name: str) -> tuple[str, ...]:
    return (name,) if name in _database() and name not in _NO_PLACE else ()


@lru_cache(maxsize=1)
def _database() -> frozenset[str]:
    return frozenset(available_timezones())


# --- The broker's time

JUMP = 2.0
"""Seconds by which the computer's clock may differ from its count of seconds between two looks."""
APART = 2.0
"""Seconds by which the broker's clock may be outside of the time between a request and its answer.

Clocks that were reported as different agree again once an answer shows no larger difference.
"""
ASK_EVERY = 60.0
OTHERWISE = 60.0
"""Seconds by which the difference must change to be reported again: a clock may be set wrongly."""
LEAP = 60.0
"""Seconds by which the broker's time may deviate from the monotonic count while a connection lasts."""
UNCERTAIN_DAY = 86460.0
"""Seconds of difference above which a connection is refused: one of the clocks is wrong by more than a day."""
HALF_A_SECOND = 0.5
"""The broker reports whole seconds: on average it is this much later."""


class Timekeeper:
    """One for each connection; `look` is called at every batch, `received` with the broker's time.

    apart: last reported seconds by which the computer is ahead, also by the previous connection. is_known: the broker
    has reported its time on this connection.
    """

    def __init__(self, clock: BrokerClock, apart: float = 0.0) -> None:
        self._clock = clock
        self._computer = clock.computer
        self._now, self._elapsed = self._computer.now(), clock.elapsed()
        self._asked: float | None = None
        self._asked_at = self._now
        self._asked_by_broker = clock.now()
        self._suspicions = self._leaps = 0
        self.apart = apart
        self.is_known = False

    def look(self) -> str:
        """Return how the computer's clock has jumped since the last look, "" when it has not."""
        now, elapsed = self._computer.now(), self._clock.elapsed()
        jump = (now - self._now).total_seconds() - (elapsed - self._elapsed)
        self._now, self._elapsed = now, elapsed
        if jump > JUMP:
            self._clock.follow_computer(self.apart)  # a sleep counts no seconds
            return f"the computer slept, or its clock was set forward: {jump:.0f} s are missing"
        return f"the computer's clock was set back by {-jump:.0f} s" if jump < -JUMP else ""

    def is_due(self) -> bool:
        """Say whether the broker is to be asked for his time; then it counts as asked."""
        elapsed = self._clock.elapsed()
        is_suspect = 1 in (self._suspicions, self._leaps)
        if self._asked is not None and elapsed - self._asked < (1.0 if is_suspect else ASK_EVERY):
            return False
        self.asks()
        return True

    def asks(self) -> None:
        """Note that the broker is asked for his time now."""
        self._asked, self._asked_at = self._clock.elapsed(), self._computer.now()
        self._asked_by_broker = self._clock.now()

    def received(self, reported: datetime, age: float = 0.0) -> float | None:
        """Take the broker's time; return the seconds by which the computer is ahead when that is new, 0.0 when equal.

        It has whole seconds. A single answer is not trusted, since it may belong to an earlier request; the first of a
        connection is. age: seconds since it arrived.
        """
        late = timedelta(seconds=age)
        computer = self._computer.now() - late
        found = _outside(self._asked_at, reported, computer)
        if not self.is_known:
            self._begin(reported, late, is_right=not found)
        else:
            leap = _outside(self._asked_by_broker, reported, self._clock.now() - late)
            self._leaps = self._leaps + 1 if leap else 0
            if self._leaps > 1 and abs(leap) <= LEAP:
                self._set(reported, late)
        self._suspicions = self._suspicions + 1 if found else 0
        if self.apart and not found and not _surely_agree(self._asked_at, reported, computer):
            return None
        is_same = bool(found) is bool(self.apart) and abs(found - self.apart) < OTHERWISE
        if self._suspicions == 1 or is_same:
            return None
        self.apart = found
        return found

    def greeted(self, reported: datetime | None, age: float) -> float | None:
        """Use the time of the greeting until the broker answers; return what `received` returns.

        It has whole seconds, and `is_known` stays False. Only a clock that follows the computer's is set: counting from
        an earlier answer is better. reported: None where the greeting has no readable time. age: seconds since the
        greeting arrived.
        """
        if reported is None or self.is_known or not self._clock.is_of_computer:
            return None
        late = timedelta(seconds=age)
        if not _outside(self._clock.now() - late, reported, self._clock.now() - late):
            return None
        received = self._computer.now() - late
        self.apart = _outside(received, reported, received)
        self._set(reported, late)
        return self.apart

    @property
    def leap_words(self) -> str:
        """That the broker's time has left the count of seconds by more than a minute, twice on end; else ""."""
        return "the broker's time has leapt: everything is read again" if self._leaps > 1 else ""

    def _begin(self, reported: datetime, late: timedelta, *, is_right: bool) -> None:
        """Use the broker's clock. Where the computer's agrees, it gives fractions of a second."""
        self.is_known = True
        if is_right:
            self._clock.set_to(self._computer.now())
        else:
            self._set(reported, late)

    def _set(self, reported: datetime, late: timedelta) -> None:
        self._clock.set_to(reported + timedelta(seconds=HALF_A_SECOND) + late)
        self._leaps = 0


def _outside(asked: datetime, reported: datetime, received: datetime) -> float:
    """Return by how many seconds a clock is ahead, read at a request and at its answer; 0.0 when it agrees."""
    ahead = (asked - reported).total_seconds() - 1
    behind = (reported - received).total_seconds()
    return ahead if ahead > APART else -behind if behind > APART else 0.0


def _surely_agree(asked: datetime, reported: datetime, received: datetime) -> bool:
    """Say whether two clocks differ by at most two seconds, whenever in its second the broker answered."""
    return (received - reported).total_seconds() <= APART and (reported - asked).total_seconds() + 1 <= APART
