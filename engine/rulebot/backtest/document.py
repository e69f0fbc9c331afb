"""The results of a backtest as a JSON document: money and prices as numbers, keys sorted, the same bytes each time."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from decimal import Decimal
from math import isfinite
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from rulebot.backtest.results import Results
from rulebot.model.errors import MisuseError, StoreError

FORMAT = "rulebot-backtest-1"
_UNTOLD = ("shown", "why")
"""Where a store stands is no result."""
_SETTINGS = {**dict.fromkeys(("from", "to", "source", "data", "fills"), str), "is_modelled": bool}
"""What a report reads of the settings, which are written as they were asked for."""


def document(results: Results) -> dict[str, Any]:
    """Return the document."""
    plain = _plain(results)
    return {"format": FORMAT, **plain}


def text_of(results: Results) -> str:
    """Return the document as text."""
    return json.dumps(document(results), indent=1, sort_keys=True, allow_nan=False) + "\n"


def read_document(file: Path) -> Mapping[str, Any]:
    """Return what `text_of` wrote. Raises: StoreError when it cannot be read, MisuseError when it is something else."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise MisuseError(f"{file} is no JSON: {error}") from error
    except RecursionError as error:
        raise MisuseError(f"{file} is nested too deep") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise MisuseError(f"{file} is no result of a backtest", "'rulebot backtest --format json' writes one")
    if wrong := _wrong(Results, found, "results") or _wrong_in(_SETTINGS, found["settings"], "settings"):
        message = f"{file} lacks '{wrong}', or has it in another form: it was changed, or another version wrote it"
        raise MisuseError(
            message,
            "name the store of that backtest to --compare instead, or run it once more: "
            f"'rulebot backtest SPEC --format json > {file}' writes it",
        )
    return found


def _wrong(kind: Any, told: Any, name: str) -> str:
    """Return the first name under which there is not what a value of this type is told as, "" where all is as told.

    name: under which `told` stands.
    """
    inside = get_args(kind)
    if get_origin(kind) is UnionType:
        return name if all(_wrong(each, told, name) for each in inside) else ""
    if is_dataclass(kind):
        kinds = get_type_hints(kind)
        return _wrong_in({each.name: kinds[each.name] for each in fields(kind) if each.name not in _UNTOLD}, told, name)
    if get_origin(kind) is Mapping:
        return _wrong_in(dict.fromkeys(told, inside[1]) if isinstance(told, dict) else {}, told, name)
    if get_origin(kind) is tuple:
        return _first(_wrong(inside[0], each, name) for each in told) if isinstance(told, list) else name
    return "" if kind is Any or _is_plain(kind, told) else name


def _wrong_in(kinds: Mapping[str, Any], told: Any, name: str) -> str:
    if not isinstance(told, dict):
        return name
    return _first(_wrong(kind, told[each], each) if each in told else each for each, kind in kinds.items())


def _first(found: Iterable[str]) -> str:
    return next(filter(None, found), "")


def _is_plain(kind: Any, told: Any) -> bool:
    if kind in (float, Decimal):
        return isinstance(told, int | float) and not isinstance(told, bool) and isfinite(told)
    return type(told) is (str if kind is date else kind)


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value) if each.name not in _UNTOLD}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, date) else value
