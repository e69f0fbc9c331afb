"""Names of time zones that TWS sends beside times, by the zone of the tz database that they mean.

A row is `zone: name, name`. A name that stands in several rows means several zones. Windows and Java name zones
"Tokyo Standard Time" or "Japan Standard Time"; the words "Standard", "Daylight", "Summer" and "Time" are left out here.

Source: the facts of Unicode CLDR, windowsZones (territory 001) and metaZones, and the abbreviations of the tz database.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

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
