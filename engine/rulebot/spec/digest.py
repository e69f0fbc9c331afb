"""The digest of a spec's meaning: what formatting, comments and the order of keys do not change."""

import hashlib
import json
from collections.abc import Container, Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any

from rulebot.model.session import DayTime
from rulebot.spec.spec import Spec
from rulebot.spec.walk import plain_scalar

_NOT_MEANING = frozenset({"path", "digest", "parameters", "taken", "models"})


def with_digest(spec: Spec, in_expressions: Container[str] = ()) -> Spec:
    """Return the spec with SHA-256 over the canonical form of its meaning as its digest.

    Numbers count by value (0.50 is 0.5), places in the file not at all, parameters by the values they gave; only those
    that an `expr:` names count by name.
    """
    named = {one.name: _named(one.text) for one in spec.parameters if one.name in in_expressions}
    text = json.dumps([_canonical(spec), named], sort_keys=True, separators=(",", ":"))
    return replace(spec, digest=hashlib.sha256(text.encode()).hexdigest())


def _named(text: str) -> object:
    """Return what a parameter says to an expression, to which quotes mean nothing."""
    return _canonical(plain_scalar(text.strip().strip("\"'")))


@cache
def _kept(kind: type) -> tuple[tuple[str, object], ...]:
    """Return the fields that mean something, each with what it is when a document does not say it."""
    found = []
    for field in fields(kind):
        if field.name not in _NOT_MEANING:
            unsaid = field.default if field.default_factory is MISSING else field.default_factory()
            found.append((field.name, unsaid))
    return tuple(found)


def _said(value: Any) -> dict[str, object]:
    """Return what a noun says; what is as it would be unsaid is left out, so that words to come change no digest."""
    said = ((name, getattr(value, name), default) for name, default in _kept(value.__class__))
    return {name: _canonical(found) for name, found, default in said if found != default}


def _canonical(value: object) -> object:
    if isinstance(value, str) and not isinstance(value, Enum):
        return value
    if isinstance(value, DayTime):
        return [value.anchor.value, value.offset.total_seconds(), *([value.zone] if value.zone else [])]
    if is_dataclass(value) and not isinstance(value, type):
        return {"is": type(value).__name__, **_said(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal | int) and not isinstance(value, bool):
        return format(Decimal(value).normalize(), "f")
    if isinstance(value, Mapping):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_canonical(item) for item in value]
    return value
