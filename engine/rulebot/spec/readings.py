"""How a number was probably meant that stands with the wrong unit, or a hundred times off: 0.7 for 70%, 15 for 0.15.

A place says in `x-usual` from where to where its numbers lie, by the unit they are written in; "" is a bare number.
Readings within that range are offered, so no help line names one that is a hundred times off.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from rulebot.spec.nouns.condition import Amount, Unit
from rulebot.spec.scalar import amount
from rulebot.spec.source import Plain

_HUNDRED = Decimal(100)
_BARE = ("number", "integer")
_OTHERS = (Unit.PERCENT, Unit.DOLLARS, Unit.POINTS, Unit.SESSIONS, Unit.MULTIPLE, Unit.NUMBER)


def probable_meanings(value: Plain, schema: Mapping[str, Any]) -> str | None:
    """Return the help line that offers the likely readings of a scalar at its place; None where there is none."""
    found = amount(value)
    if found is None or found.of is not None:
        return None
    units = schema.get("x-units")
    if units and found.unit is Unit.NUMBER:
        return _with_unit(found.value, units, schema)
    if units and "x" in units and found.unit is Unit.PERCENT:
        return _said([_written(found.value / _HUNDRED, "x")])
    types = schema.get("type", ())
    if found.unit in _OTHERS and any(each in _BARE for each in ([types] if isinstance(types, str) else types)):
        return _bare(found, schema)
    return None


def _with_unit(number: Decimal, units: Sequence[str], schema: Mapping[str, Any]) -> str | None:
    """Return the readings of a bare number where a unit is owed, None where none is usual."""
    usual: Mapping[str, Sequence[float]] = schema.get("x-usual", {})
    as_is = [unit for unit in units if _lies_in(number, usual.get(unit))]
    times = [unit for unit in units if unit == "%" and _is_part(number, unit in as_is)]
    times = [unit for unit in times if _lies_in(number * _HUNDRED, usual.get(unit))]
    parts = [unit for unit in units if unit == "x" and not as_is and _lies_in(number / _HUNDRED, usual.get(unit))]
    found = [_written(number, unit) for unit in as_is]
    found += [_written(number * 100, unit) for unit in times] + [_written(number / 100, unit) for unit in parts]
    if not found:
        part = number / _HUNDRED
        found = [_written(part, unit) for unit in units if unit == "%" and _lies_in(part, usual.get(unit))]
    if not found:
        return None
    if times and not as_is:
        return f"{_said(found)}; '{_plain(number)}%' would be a hundred times less"
    return _said(found)


def _is_part(number: Decimal, is_usual: bool) -> bool:
    """Say whether a percentage may be meant by a part of 1: by 0.7, and by 2 where 2% is no usual number."""
    return not _is_whole(number) or not is_usual


def _bare(found: Amount, schema: Mapping[str, Any]) -> str | None:
    """Return the readings of a number whose place takes one without a unit."""
    usual = schema.get("x-usual", {}).get("$" if found.unit is Unit.DOLLARS else "")
    is_integer, is_part = "integer" in schema.get("type", ()), schema.get("maximum") == 1
    if usual is None and found.unit is Unit.PERCENT:
        return None
    tried = [] if found.unit is Unit.NUMBER else [found.value]
    if found.unit is not Unit.NUMBER or is_part:
        tried += [] if is_integer else [found.value / _HUNDRED]
    if found.unit is Unit.PERCENT and found.value < 1:
        tried.append(found.value * _HUNDRED)
    likely = [each for each in tried if _lies_in(each, usual) and (not is_integer or _is_whole(each))]
    return f"write {_plain(likely[0])}" if likely else None


def _lies_in(number: Decimal, usual: Sequence[float] | None) -> bool:
    """Say whether a number is usual; of a place that says nothing every number is."""
    return usual is None or usual[0] <= abs(number) <= usual[1]


def _is_whole(number: Decimal) -> bool:
    return number == number.to_integral_value()


def _said(readings: Sequence[str]) -> str:
    return f"write {' or '.join(dict.fromkeys(readings))}"


def _written(number: Decimal, unit: str) -> str:
    plain = _plain(number)
    return f"'${plain}'" if unit == "$" else f"'{plain}{' ' if unit == 'pts' else ''}{unit}'"


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")
