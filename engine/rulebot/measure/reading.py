"""What a measure reads at one instant: a number, unknown with its reason, or what the known legs decide."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rulebot.measure.verdict import Verdict
from rulebot.measure.view import View
from rulebot.model.values import dataclass
from rulebot.spec.nouns import Expiry


class UnknownValue(NamedTuple):
    """No number, and why: `VIX: stale for 42 s`."""

    reason: str


class AtLeast(NamedTuple):
    """The worst of the legs that are known; one that is not known could only be worse."""

    value: float
    reason: str


class AtMost(NamedTuple):
    """The same of what is worse the less there is."""

    value: float
    reason: str


Reading = float | UnknownValue | AtLeast | AtMost
Read = Callable[[View], Reading]
Judge = Callable[[View], Verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the measures of one rule share: its bot's symbols, classes and expiry, and the age it allows.

    `max_age` in seconds only tightens. `classes` are trading classes by symbol.
    """

    symbols: tuple[str, ...]
    classes: Mapping[str, str]
    expiry: Expiry
    max_age: float | None = None

    def limit(self, usual: float) -> float:
        """Return the age in seconds after which a value of the usual maximum age is stale."""
        return usual if self.max_age is None else min(usual, self.max_age)


def number_of(reading: Reading) -> float | None:
    """Return the number, None when it is not wholly known."""
    return reading if isinstance(reading, float) else None


def exact(number: float) -> float:
    """Return a price without the noise of binary floats: 1.30 - 1.00 is 0.30, 3 x 0.10 too, and 0 has no sign."""
    return round(number, 9) + 0.0


def kept(make: Callable[..., Any]) -> Callable[..., Any]:
    """Return `make` with its last result kept: as long as it is given the very same values, nothing is made anew."""
    last: list[Any] = [(), None]

    def made(*given: Any) -> Any:
        if len(last[0]) != len(given) or any(was is not now for was, now in zip(last[0], given, strict=True)):
            last[:] = given, make(*given)
        return last[1]

    return made
