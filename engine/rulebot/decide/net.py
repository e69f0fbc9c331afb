"""The account's limits on greeks: what all bots may be exposed to with one entry more."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from rulebot.evaluate.exposure import Exposure
from rulebot.model.money import dollars
from rulebot.spec.nouns.account import Between

_OF_EACH = ("net_delta", "net_gamma")
"""What is held against its ends for each underlying alone: shares of different ones do not add up."""
_SAID = {
    "net_delta": "shares",
    "net_gamma": "shares a point",
    "net_theta": "a day",
    "net_vega": "a point of volatility",
}
NET = frozenset(_SAID)
"""Limits on greeks."""


def net_problem(limits: Mapping[str, Between], exposure: Exposure | None) -> str:
    """Return which limit an entry would pass, "" when none; greeks that are not known refuse it."""
    if not limits or exposure is None:
        return ""
    if exposure.missing:
        return f"what all bots are exposed to is unknown: {exposure.missing}"
    return next((said for name, ends in limits.items() for said in _passed(name, ends, exposure)), "")


def net_held(name: str, ends: Between, exposure: Exposure) -> tuple[bool, str]:
    """Return whether known greeks keep between these ends, and what they are: those that do not, else all."""
    each = _each(name, exposure)
    beyond = {symbol: found for symbol, found in each.items() if _side(name, found, ends)}
    told = [
        f"{_shown(name, found)} {_SAID[name]}{f' in {symbol}' if symbol else ''}"
        for symbol, found in (beyond or each).items()
    ]
    bounds = [f"at least {_shown(name, ends.low)}" if ends.low is not None else ""]
    bounds.append(f"at most {_shown(name, ends.high)}" if ends.high is not None else "")
    return not beyond, ", ".join(part for part in (*told, *bounds) if part)


def _each(name: str, exposure: Exposure) -> dict[str, float]:
    """Return a greek by underlying, or under "" that of all where they add up."""
    field = name.removeprefix("net_")
    each = {symbol: float(getattr(greeks, field)) for symbol, greeks in exposure.greeks.items()}
    return each if name in _OF_EACH else {"": sum(each.values())}


def _passed(name: str, ends: Between, exposure: Exposure) -> Iterator[str]:
    for symbol, found in _each(name, exposure).items():
        side = _side(name, found, ends)
        if side:
            of = f" in {symbol}" if symbol else ""
            yield f"all bots together would have {_shown(name, found)} {_SAID[name]}{of}, {name} is {side}"


def _side(name: str, found: float, ends: Between) -> str:
    """Return the end that is passed, in words, "" when none is."""
    if ends.low is not None and found < float(ends.low):
        return f"at least {_shown(name, ends.low)}"
    return f"at most {_shown(name, ends.high)}" if ends.high is not None and found > float(ends.high) else ""


def _shown(name: str, number: float | Decimal) -> str:
    return f"{number:,.2f}" if name in _OF_EACH else dollars(Decimal(f"{number:.2f}"))
