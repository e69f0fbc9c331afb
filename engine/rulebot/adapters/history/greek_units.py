"""In what units a vendor gives theta and vega, judged by Black's formula at the vendor's own volatility.

One gives theta a day and the next one a year; vega a point of volatility, or for a volatility of 1. A column that fits
neither is not used.
"""

from collections.abc import Mapping

import numpy as np

from rulebot.adapters.history.blackscholes import DAYS_A_YEAR, black, greeks
from rulebot.adapters.history.day import Columns, Finding
from rulebot.adapters.history.finding import finding_text
from rulebot.adapters.history.middle import nan_median
from rulebot.adapters.history.rows import Rows

_UNITS: Mapping[str, tuple[tuple[float, str], ...]] = {
    "theta": (
        (1.0, ""),
        (1.0 / DAYS_A_YEAR, "a year"),
        (DAYS_A_YEAR / 252.0, "a session"),
        (0.01, "a day of a contract"),
    ),
    "vega": ((1.0, ""), (0.01, "for a volatility of 1"), (10000.0, "for a hundredth of a point")),
}
_LOW, _HIGH = 0.6, 1.6
"""Vendors count interest and dividends in theta, we do not."""
_LEAST = 10
_WEEK = 7.0


def in_our_units(rows: Rows, level: float, day: int) -> tuple[Rows, list[Finding]]:
    """Return theta a day and vega a point of volatility. Units: `day` is the ordinal of the session."""
    values, findings = dict(rows.values), []
    if "iv" not in values or not level > 0 or not any(name in values for name in _UNITS):
        return rows, []
    days = (rows.expiry - day).astype(np.float64)
    near = (values["iv"] > 0.01) & (days > _WEEK) & (np.abs(np.log(rows.strike / level)) < 0.1)
    years, iv = days[near] / DAYS_A_YEAR, values["iv"][near]
    deviation, one = iv * np.sqrt(years), np.ones(int(near.sum()))
    sign = np.where(rows.is_call[near], 1.0, -1.0)
    _, d1 = black(one * level, rows.strike[near], deviation, one, sign)
    ours = greeks(one * level, d1, deviation, years, one, sign)
    for name, units in _UNITS.items():
        if name not in values or near.sum() < _LEAST:
            continue
        ratio = _ratio(values[name][near], getattr(ours, name))
        unit = next(((factor, words) for factor, words in units if _LOW < ratio * factor < _HIGH), None)
        if unit is None:
            values.pop(name)
            text = f"{name} is {ratio:.3g} times what its iv makes it: it is not used"
            findings.append(finding_text(rows.file, int(rows.row[0]), text))
        elif unit[1]:
            values[name] = values[name] * unit[0]
            findings.append(
                finding_text(rows.file, int(rows.row[0]), f"{name} is {unit[1]}, judged by its iv: it is converted")
            )
    return rows.of(values), findings


def _ratio(theirs: Columns, ours: Columns) -> float:
    known = (np.abs(ours) > 1e-9) & (np.abs(theirs) > 1e-9)
    return nan_median(theirs[known] / ours[known]) if known.sum() >= _LEAST else float("nan")
