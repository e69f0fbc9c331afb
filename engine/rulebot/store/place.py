"""Where a store is: a file of this machine, or a database of a PostgreSQL server.

What a person reads of a server, and what rulebot keeps of it, never has its password.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from rulebot.model.errors import MisuseError
from rulebot.model.values import dataclass

SCHEMES = ("postgresql", "postgres")
PARAMETERS = (
    "host", "hostaddr", "port", "dbname", "user", "service", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl",
    "sslnegotiation", "gssencmode", "channel_binding", "target_session_attrs", "connect_timeout",
)  # fmt: skip
"""What a URL may say behind its `?`: parameters of libpq that hold no secret and keep a connection a store's."""

_A_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")
_MAY_HOLD_SECRETS = re.compile(r"(?i)(postgres[a-z0-9+.-]*://|[a-z][a-z0-9+.-]*://(?=[^\n]*@)).*")
_SHAPE = "it is postgresql://user@host:port/database"
_ELSEWHERE = "a password is safest in ~/.pgpass or PGPASSWORD"


@dataclass(frozen=True, slots=True)
class Server:
    """A database of a PostgreSQL server; as text it is its URL without the password.

    what: how libpq is told of it, without the password.
    """

    what: Mapping[str, str]
    password: str = field(default="", repr=False, compare=False)

    def __str__(self) -> str:
        """Return the URL that names it, without the password."""
        said = dict(self.what)
        user, host, port = said.pop("user", ""), said.pop("host", ""), said.pop("port", "")
        where = f"[{host}]" if ":" in host else host
        if "/" in host or "," in host + port:  # sockets, and lists of hosts
            said |= {"host": host} | ({"port": port} if port else {})
            where, port = "", ""
        base = f"{quote(user, safe='')}@" if user else ""
        base += where + (f":{port}" if port else "") + f"/{quote(said.pop('dbname', ''), safe='')}"
        rest = "&".join(f"{name}={quote(value, safe='/,')}" for name, value in sorted(said.items()))
        return f"postgresql://{base}{'?' + rest if rest else ''}"

    def __repr__(self) -> str:
        """Return the same."""
        return f"Server({self})"

    def __hash__(self) -> int:
        """Return a hash that goes with equality."""
        return hash(str(self))

    @property
    def digest(self) -> str:
        """The name of its folder: what is kept in files on this machine beside it lies there."""
        return hashlib.sha256(str(self).encode()).hexdigest()[:16]


Place = Path | Server


def is_url(text: str) -> bool:
    """Say whether a text is meant as a URL rather than as a path."""
    return _A_URL.match(text) is not None


def place_of(text: str | Path) -> Place:
    """Return the place a text names. Raises: MisuseError, which never repeats the text of a URL."""
    if isinstance(text, Path) or not is_url(text):
        return Path(text)
    if text.partition("://")[0].lower() not in SCHEMES:
        raise MisuseError("a store is a file or a PostgreSQL database, this is another URL", _SHAPE)
    try:
        parts = urlsplit(text)
        found = {"user": parts.username, "host": parts.hostname, "port": parts.port and str(parts.port)}
        found["dbname"] = parts.path.removeprefix("/")
        asked = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise MisuseError(
            "the URL of the store cannot be read", f"{_SHAPE}; signs such as @ and / as %40, %2F"
        ) from None
    if parts.fragment:
        raise MisuseError("the URL of the store has a '#'", "write it as %23")
    unknown = sorted(set(asked) - set(PARAMETERS))
    if unknown:
        help = _ELSEWHERE if "pass" in unknown[0] else f"it may have {', '.join(PARAMETERS)}"
        raise MisuseError(f"the URL of the store has a parameter '{unknown[0]}'", help)
    what = {name: unquote(value) for name, value in found.items() if value} | asked
    if not what.get("dbname") and not what.get("service"):
        raise MisuseError("the URL of the store names no database", _SHAPE)
    return Server(what, unquote(parts.password or ""))


def without_link(place: Place) -> Place:
    """Return the file itself where a path is a link to it: lock, requests and recordings lie beside the file."""
    return Path(os.path.realpath(place)) if isinstance(place, Path) and place.is_symlink() else place


def full_name(place: Place) -> str:
    """Return how a place is named from any folder, without a password."""
    return str(place.absolute()) if isinstance(place, Path) else str(place)


def beside(place: Place, data: Path, ending: str) -> Path:
    """Return a path for what is kept in files beside a store: `ending` with the name of its file before it, or in the
    folder of a server below the data folder."""
    if isinstance(place, Server):
        return data / "servers" / place.digest / ending.strip("-.")
    return place.with_name(f"{place.stem}{ending}")


def without_urls(text: str) -> str:
    """Return a text as it may be shown: of a URL that has a login, or is PostgreSQL's, only the scheme is left."""
    return _MAY_HOLD_SECRETS.sub(r"\1...", text)


def shown_path(path: Place) -> str:
    """Return a path as a person in this folder would write it, or a URL without its password."""
    if not isinstance(path, Path):
        return str(path)
    here, whole = Path.cwd(), path.absolute()
    if here == here.parent:  # from the root it is the whole path less its stroke
        return str(whole)
    with suppress(ValueError):
        return str(whole.relative_to(here))
    return str(path)
