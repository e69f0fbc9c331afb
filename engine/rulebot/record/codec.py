"""Exact JSON of frozen values, and the one canonical line of a record.

Nothing is rounded or guessed: Decimal is text with its zeros kept ("0.50"), a datetime is UTC text of fixed width, a
date ISO text, an enum its value, a tuple a list, a set a sorted list, a mapping a list of pairs, a dataclass an object
with every field. The key "is" names the class of a value of several dataclass types (`Option | Underlying`). One pair
of small functions is built per type from its hints, once; an order of four legs takes about 3 microseconds to encode.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from rulebot.model.errors import RulebotError
from rulebot.model.values import KnowsItsHash
from rulebot.record.record import Json, Kind, Record

# --- Exact JSON of our frozen values, and the one canonical line of a record

T = TypeVar("T")
Encoder = Callable[[Any], Json]
Decoder = Callable[[Any], Any]

_TAG = "is"
FOLLOWS = "follows"
"""Field metadata: not encoded, because it follows from other fields."""
_MOST_KEPT = 128
_UNDER_WAY: list[Any] = []
"""Types whose functions are being built."""
_JSON = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


NEWER = "a newer rulebot has written it: continue with that one (docs/runbook.md, Upgrade); nothing was changed"


class CodecError(RulebotError, ValueError):
    """A value that has no exact JSON, or JSON that is not the value asked for."""


def encode(value: object) -> Json:
    """Return the JSON of a dataclass value, or of a plain one (Decimal, datetime, date, Enum, str ...)."""
    kind: Any = type(value)
    return _encoder(kind)(value)


def decode(wanted: type[T], data: Json) -> T:
    """Return the value of type `wanted`. A field that is missing takes its default; one not known is refused."""
    return cast(T, decode_as(wanted, data))


def encode_as(hint: Any, value: object) -> Json:
    """Return the JSON of a value of a hinted type, as `Mapping[str, Order]`. Raises: CodecError."""
    try:
        return _encoder(hint)(value)
    except (TypeError, AttributeError) as error:
        raise CodecError(f"this is no {hint}: {error}") from error


def decode_as(hint: Any, data: Json) -> Any:
    """Return the value of a hinted type. Raises: CodecError."""
    try:
        return _decoder(hint)(data)
    except (TypeError, ArithmeticError, AttributeError, KeyError, ValueError) as error:
        if isinstance(error, CodecError):
            raise
        named = hint.__name__ if isinstance(hint, type) else hint
        raise CodecError(f"this is no {named}: {error}") from error


@lru_cache(maxsize=256)
def utc_text(at: datetime) -> str:
    """Return `2026-11-18T14:30:00.000000Z`: one width, so that text order is time order; kept, as values share it."""
    if at.tzinfo is None:
        raise CodecError(f"a time without zone: {at}")
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return at.isoformat(timespec="microseconds")[:26] + "Z"


def utc_time(text: str) -> datetime:
    """Return the instant of `utc_text`."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise CodecError(f"a time without zone: {text}")
    return at if at.tzinfo is UTC else at.astimezone(UTC)


def json_text(data: Json | Mapping[str, Json]) -> str:
    """Return JSON with sorted keys and no spaces. Raises: CodecError on nan, infinity or what is not JSON."""
    try:
        return _JSON.encode(data)
    except (TypeError, ValueError) as error:
        raise CodecError(f"not JSON: {error}") from error


def line(record: Record) -> str:
    """Return the canonical line of a record: what the hash chain is made of."""
    return line_of(record, json_text(record.data))


def line_of(record: Record, data: str) -> str:
    """Return the canonical line when the text of its data is at hand."""
    return (
        f'{{"at":"{utc_text(record.at)}","bot":{_quoted(record.bot)},"data":{data},'
        f'"kind":"{record.kind.value}","position":{_quoted(record.position)}}}'
    )


def record_of(text: str) -> Record:
    """Return the record of a canonical line. Raises: CodecError."""
    try:
        read = json.loads(text)
        return Record(utc_time(read["at"]), Kind(read["kind"]), read["bot"], read["position"], read["data"])
    except (KeyError, TypeError, ValueError) as error:
        raise CodecError(f"not a record: {error}") from error


@lru_cache(maxsize=4096)
def _quoted(text: str) -> str:
    return _JSON.encode(text)


# Each type, to JSON


@lru_cache(maxsize=256)
def _encoder(kind: Any) -> Encoder:
    """Return the function that encodes a value of the hinted type."""
    if kind in (str, int, bool, NoneType):
        return _same
    if kind in _SCALARS:
        return _SCALARS[kind][0]
    if get_origin(kind) is not None:
        return _container_encoder(kind, get_origin(kind), get_args(kind))
    if _is_named_tuple(kind):
        with _under_way(kind):
            return _tuple_encoder(tuple(get_type_hints(kind).values()))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum_value
    if isinstance(kind, type) and issubclass(kind, KnowsItsHash):
        return _kept(_object_encoder(kind))
    if is_dataclass(kind):
        return _object_encoder(kind)
    if kind is Any:
        return _refuse
    raise CodecError(f"no exact JSON for {kind}")


def _container_encoder(kind: Any, origin: Any, members: tuple[Any, ...]) -> Encoder:
    if origin in (Union, UnionType):
        return _union_encoder(members)
    if _is_list(kind):
        item = _item_encoder(kind)
        return lambda value: [*map(item, value)]
    if origin is tuple:
        return _tuple_encoder(members)
    if origin is Mapping:
        of_key, of_value = map(_inner_encoder, members)
        return lambda value: [[of_key(key), of_value(found)] for key, found in value.items()]
    if origin is frozenset:
        member = _inner_encoder(members[0])
        return lambda value: sorted((member(item) for item in value), key=json_text)
    raise CodecError(f"no exact JSON for {kind}")


def _kept(encoder: Encoder) -> Encoder:
    """Return the encoder of a value that repeats: its JSON is made once, and shared."""
    known: dict[int, tuple[object, Json]] = {}

    def reported(value: object) -> Json:
        found = known.get(id(value))
        if found is None or found[0] is not value:
            if len(known) >= _MOST_KEPT:
                known.clear()
            found = known[id(value)] = (value, encoder(value))
        return found[1]

    return reported


def _inner_encoder(kind: Any) -> Encoder:
    """Return the encoder of a part; a type that contains itself is looked up at the first value."""
    if kind not in _UNDER_WAY:
        return _encoder(kind)

    def encode_inner(value: Any) -> Json:
        return _encoder(kind)(value)

    return encode_inner


@contextmanager
def _under_way(kind: Any) -> Iterator[None]:
    _UNDER_WAY.append(kind)
    try:
        yield
    finally:
        _UNDER_WAY.remove(kind)


def _reported_fields(kind: Any) -> list[Field[Any]]:
    """Return the fields that make a value, but for those that say that they follow from the others."""
    return [field for field in fields(kind) if field.init and FOLLOWS not in field.metadata]


def _is_named_tuple(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")


def _same(value: Json) -> Json:
    return value


def _refuse(value: object) -> Json:
    raise CodecError(f"no exact JSON for a {type(value).__name__} of no known type")


def _enum_value(value: Enum) -> Json:
    return cast(Json, value._value_)  # what `value.value` says, in a third of its time


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise CodecError(f"not a number: {value}")
    return value


def _decimal_text(value: Decimal) -> str:
    if not value.is_finite():
        raise CodecError(f"not a number: {value}")
    return str(value)


_PLAIN = (str, int, float, bool)


def _union_encoder(members: tuple[Any, ...]) -> Encoder:
    several = [member for member in members if member is not NoneType]
    if len(several) == 1:
        inner = _inner_encoder(several[0])
        return lambda value: None if value is None else inner(value)
    as_list = next((_inner_encoder(member) for member in several if get_origin(member) is tuple), None)

    def tagged(value: Any) -> Json:
        if value is None:
            return None
        kind: Any = type(value)
        if kind in _PLAIN:
            return _finite(value) if kind is float else cast(Json, value)
        if as_list is not None and kind is tuple:
            return as_list(value)
        fields: Any = _encoder(kind)(value)
        return {_TAG: kind.__name__, **fields}

    return tagged


def _is_list(kind: Any) -> bool:
    """Say whether a type is `tuple[T, ...]`."""
    return get_origin(kind) is tuple and get_args(kind)[1:] == (Ellipsis,)


def _item_encoder(kind: Any) -> Encoder:
    """Return the encoder of the items of `tuple[T, ...]`."""
    of_item = get_args(kind)[0]
    inner = _inner_encoder(of_item)
    # most legs of an order or a position repeat
    return _kept(inner) if is_dataclass(of_item) else inner


def _tuple_encoder(members: tuple[Any, ...]) -> Encoder:
    inners = [_inner_encoder(member) for member in members]
    return lambda value: [inner(item) for inner, item in zip(inners, value, strict=True)]


def _object_encoder(kind: Any) -> Encoder:
    hints = get_type_hints(kind)
    with _under_way(kind):
        parts = [(field.name, _field_encoder(hints[field.name])) for field in _reported_fields(kind)]
    known = {f"of_{name}": encoder for name, encoder in parts}
    said = (f"{name!r}: {_said(name, hints[name], encoder)}" for name, encoder in parts)
    # written out, as dataclasses write __init__: a loop over the fields takes twice as long
    return cast(Encoder, eval(f"lambda value: {{{', '.join(said)}}}", known))


def _field_encoder(hint: Any) -> Encoder:
    """Return what `_said` has at hand for a field: the encoder of its items, or of what it is unless it is None."""
    return _item_encoder(hint) if _is_list(hint) else _inner_encoder(_never_none(hint))


def _said(name: str, hint: Any, encoder: Encoder) -> str:
    """Return the expression that encodes a field of `value`, with its encoder at hand as `of_NAME`."""
    if _is_list(hint):
        return f"[*value.{name}]" if encoder is _same else f"[*map(of_{name}, value.{name})]"
    if encoder is _same:
        return f"value.{name}"
    if _never_none(hint) is not hint:
        return f"None if value.{name} is None else of_{name}(value.{name})"
    if encoder is _enum_value:
        return f"value.{name}._value_"
    return f"of_{name}(value.{name})"


def _never_none(hint: Any) -> Any:
    """Return a hint without its `None`, if exactly one type remains."""
    members = [member for member in get_args(hint) if member is not NoneType]
    return members[0] if get_origin(hint) in (Union, UnionType) and len(members) == 1 else hint


# Each type, from JSON


@lru_cache(maxsize=256)
def _decoder(kind: Any) -> Decoder:
    """Return the function that reads a value of the hinted type."""
    if kind in (str, int, bool, NoneType):
        return _typed(kind)
    if kind in _SCALARS:
        return _SCALARS[kind][1]
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _union_decoder(get_args(kind))
    if origin is tuple:
        return _tuple_decoder(get_args(kind))
    if origin is Mapping:
        pair = _tuple_decoder(get_args(kind))
        return lambda value: dict(pair(item) for item in value)
    if origin is frozenset:
        member = _inner_decoder(get_args(kind)[0])
        return lambda value: frozenset(member(item) for item in value)
    if _is_named_tuple(kind):
        with _under_way(kind):
            inners = [_inner_decoder(member) for member in get_type_hints(kind).values()]
        return lambda value: kind(*_reported(inners, value))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind
    if is_dataclass(kind):
        return _object_decoder(kind)
    if kind is Any:
        return _refuse
    raise CodecError(f"no exact JSON for {kind}")


def _inner_decoder(kind: Any) -> Decoder:
    if kind not in _UNDER_WAY:
        return _decoder(kind)

    def decode_inner(value: Any) -> Any:
        return _decoder(kind)(value)

    return decode_inner


def _typed(kind: type) -> Decoder:
    def check(value: object) -> object:
        if type(value) is not kind:
            raise CodecError(f"is {value!r}, should be {kind.__name__}")
        return value

    return check


def _union_decoder(members: tuple[Any, ...]) -> Decoder:
    several = [member for member in members if member is not NoneType]
    if len(several) == 1:
        inner = _inner_decoder(several[0])
        return lambda value: None if value is None else inner(value)
    as_list = next((_inner_decoder(member) for member in several if get_origin(member) is tuple), None)
    by_name = {member.__name__: member for member in several if get_origin(member) is None}

    def untag(value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, Mapping):
            if as_list is not None and isinstance(value, list):
                return as_list(value)
            if type(value) in _PLAIN and type(value) in several:
                return value
            raise CodecError(f"is {value!r}, should be one of {sorted(by_name)}")
        rest = {key: item for key, item in value.items() if key != _TAG}
        return _decoder(by_name[value[_TAG]])(rest)

    return untag


def _reported(inners: Sequence[Decoder], value: Sequence[Any]) -> Iterator[Any]:
    """Return the encoded fields of a named tuple: trailing ones added later have defaults."""
    if len(value) > len(inners):
        raise CodecError(f"has {len(value)} fields, should have {len(inners)}")
    return (inner(item) for inner, item in zip(inners, value, strict=False))


def _tuple_decoder(members: tuple[Any, ...]) -> Decoder:
    if len(members) == 2 and members[1] is Ellipsis:
        inner = _inner_decoder(members[0])
        return lambda value: tuple([inner(item) for item in value])
    inners = [_inner_decoder(member) for member in members]
    return lambda value: tuple([inner(item) for inner, item in zip(inners, value, strict=True)])


_FORMER_NAMES = {
    "heard": "received",
    "is_short_told": "is_shortage_reported",
    "is_unwatched_told": "is_unwatched_reported",
    "told": "reported",
    "told_at": "reported_at",
    "told_unknown": "reported_unknown",
    "verdict": "evaluation",
}
"""Present names of the fields of orders and of the state, by those that earlier stores and recordings have."""


def _object_decoder(kind: Any) -> Decoder:
    hints = get_type_hints(kind)
    with _under_way(kind):
        decoders = {field.name: _inner_decoder(hints[field.name]) for field in _reported_fields(kind)}
    needed = {f.name for f in _reported_fields(kind) if f.default is MISSING and f.default_factory is MISSING}

    def decode_object(data: Mapping[str, Json]) -> Any:
        if data.keys() - decoders.keys():
            data = {_FORMER_NAMES.get(name, name): item for name, item in data.items()}
            if strange := data.keys() - decoders.keys():
                raise CodecError(f"{kind.__name__} has no field {sorted(strange)[0]!r}", NEWER)
        if missing := needed - data.keys():
            raise CodecError(f"{kind.__name__} needs the field {sorted(missing)[0]!r}")
        return kind(**{name: decoders[name](item) for name, item in data.items()})

    return decode_object


_SCALARS: dict[Any, tuple[Encoder, Decoder]] = {
    Decimal: (_decimal_text, Decimal),
    datetime: (utc_text, utc_time),
    date: (date.isoformat, date.fromisoformat),
    float: (_finite, float),
    timedelta: (timedelta.total_seconds, lambda seconds: timedelta(seconds=seconds)),
}
