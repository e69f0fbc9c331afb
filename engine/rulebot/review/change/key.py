"""How a field of a spec's noun is compared: under which key, in which words, and who judges the edit."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rulebot.model.values import dataclass
from rulebot.review.change.facet import FieldSpec, Judge
from rulebot.review.subject import Subject


def _unread(noun: Any, field: str, subject: Subject) -> Any:
    return getattr(noun, field)


def _always(noun: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One field. read: its value where that is not what the field holds, as with defaults that follow from others."""

    key: str
    said: Callable[[Any, Subject], str]
    judge: Judge
    read: Callable[[Any, str, Subject], Any] = _unread
    is_written: Callable[[Any], bool] = _always


@dataclass(frozen=True, slots=True)
class Within:
    """A field that is told elsewhere, and where."""

    key: str


Keys = Mapping[str, Key | Within]


def facets(noun: Any, keys: Keys, subject: Subject) -> dict[str, FieldSpec]:
    """Return what may differ in a noun, by key."""
    return {facet.key: facet for facet in _facets(noun, keys, subject)}


def _facets(noun: Any, keys: Keys, subject: Subject) -> Iterator[FieldSpec]:
    for field, key in keys.items():
        if isinstance(key, Within):
            continue
        value = key.read(noun, field, subject)
        yield FieldSpec(
            key=key.key,
            value=value,
            said="" if value is None or value == () else key.said(value, subject),
            judge=key.judge,
            is_written=key.is_written(noun),
        )
