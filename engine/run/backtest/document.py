"""The results of a backtest as a JSON document: money and prices as numbers, keys sorted, the same bytes each time."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from engine.model.errors import MisuseError, StoreError
from engine.run.backtest.results import Day, Results, Sums, Trade

FORMAT = "rulebot-backtest-1"
_UNTOLD = ("shown", "why")
"""Where a store stands is no result."""


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
    if lacking := _lacking(found):
        raise MisuseError(f"{file} lacks '{lacking}': it was changed, or another version wrote it", "write it anew")
    return found


def _lacking(told: Mapping[str, Any]) -> str:
    """Return the first word that a document should have and has not, "" where it has all."""
    rows = ((Day, told.get("days")), (Trade, told.get("trades")), (Sums, [told.get("all")]))
    parts: list[tuple[type[Any], Any]] = [(Results, told)]
    parts += [(kind, row) for kind, found in rows for row in (found if isinstance(found, list) else ())]
    for kind, row in parts:
        for each in fields(kind):
            if each.name not in _UNTOLD and (not isinstance(row, dict) or each.name not in row):
                return each.name
    return ""


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
