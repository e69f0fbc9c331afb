"""What may be written of a text into a log: what looks like a secret, or is known as one, is left out."""

import os
import re
from collections.abc import Mapping

LEAST = 6
"""Characters that a value of the environment has at least to be taken for a secret: less would blot out words."""
LONG = 16
"""The same of a part of an address's path."""
HIDDEN = "..."
_NAMES = r"password|passwd|passphrase|secret|token|api[_-]?key|rulebot_session|credentials?"
_NAMED = re.compile(rf"(?i)((?:{_NAMES})[\w-]{{0,60}}[\"']?\s*[:=]\s*)(\"[^\"]*\"|'[^']*'|[^\s\"',;&]+)")
_SECRET_NAME = re.compile(rf"(?i){_NAMES}")
_PATTERNS = (
    (re.compile(r"(://)[^\s/@\"']+@"), rf"\1{HIDDEN}@"),
    (re.compile(r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?)(?:[a-z]+\s+)?[^\s\"',;]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=_.~-]{8,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?<!\d)\d{6,12}:[A-Za-z0-9_-]{30,}"), HIDDEN),
    (re.compile(r"(?i)(https?://[^\s\"']{0,300}/(?:api/)?(?:web)?hooks?/)[^\s\"']+"), rf"\1{HIDDEN}"),
    (_NAMED, rf"\1{HIDDEN}"),
)
"""Logins in URLs, Authorization headers, tokens of Telegram's bots, addresses that are a secret by themselves, and
whatever stands behind a word such as password or token. Each is found in a time that grows as the text does: a log is
written by the engine's own thread, and the text may be of others."""
_known: set[str] = set()


def keep_secret(value: str) -> None:
    """Leave this value out of everything that is written from now on."""
    if len(value) >= LEAST:
        _known.add(value)


def keep_address_secret(address: str) -> None:
    """Do so with an address that is a secret itself, as `tgram://TOKEN/CHAT`: with the whole and with its secret parts.

    Those are a password, what stands for a host and is none, and whatever is long in its path.
    """
    keep_secret(address)
    where, *path = address.partition("://")[2].partition("?")[0].split("/")
    login, _, host = where.rpartition("@")
    for part in (login.partition(":")[2], "" if "." in host or host == "localhost" else host):
        keep_secret(part)
    for part in path:
        if len(part) >= LONG:
            keep_secret(part)


def keep_environment_secret(environ: Mapping[str, str] = os.environ) -> None:
    """Do so with every value of the environment whose name says that it is one; a path to a file of one is none."""
    for name, value in environ.items():
        if _SECRET_NAME.search(name) and not name.upper().endswith(("_FILE", "_PATH")):
            keep_secret(value)


def redacted(text: str) -> str:
    """Return a text without secrets."""
    for value in sorted(_known, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text
