"""How a bot leaves: what closes a position, wholly or in part."""

import math
from decimal import Decimal
from enum import Enum

from rulebot.model.values import dataclass
from rulebot.spec.nouns.condition import Condition, Path
from rulebot.spec.nouns.legs import Expiry, Strike
from rulebot.spec.nouns.order import Order


class ExitKind(Enum):
    """What kind of exit a rule is; it names the exit in reports and decides what may rest at the broker."""

    CONDITION = "condition"
    TARGET = "target"
    STOP = "stop"
    AT_EXPIRY = "at_expiry"


class IfUnknown(Enum):
    """What an exit does while it cannot be judged for longer than its grace."""

    HOLD = "hold"
    EXIT = "exit"


HALT = "halt."
"""How the name of an exit begins that a halt with `close: all` comes to; behind it stands the name of that halt."""


class OnUnknown(Enum):
    """What an exit that rolls does when it finds nothing to roll into."""

    HOLD = "hold"
    CLOSE = "close"


@dataclass(frozen=True, slots=True, kw_only=True)
class Roll:
    """What a position is rolled into: its own legs anew, closed and opened by one order.

    expiry: None keeps that of the position. strikes: by leg; a leg without one keeps its strike. require: asked of the
    new legs, its `credit` and `debit` of both together.
    """

    expiry: Expiry | None = None
    strikes: tuple[tuple[str, Strike], ...] = ()
    require: tuple[Condition, ...] = ()
    otherwise: OnUnknown = OnUnknown.HOLD
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """One exit, in order of priority. `condition` is None for AT_EXPIRY (whatever is left settles).

    A target or stop is a MeasureTest on profit, loss, cost or value with the comparison of its kind. Units: grace in
    seconds. What it closes: `close_all` the whole position, `close_part` that part of what is open (0.5 is half),
    `close_legs` legs by name, `put_side` or `call_side`; with none of them the legs that its `of` judged, else all.
    `repeat`: a part is closed again each time the condition becomes true anew. `armed_by`: it exists from the first
    moment at which all of these were true; () is from the first fill on. `roll`: it opens the same legs anew with what
    it closes. `any_price`: a target closes at any price once it was true, instead of at its price or better.
    """

    name: str
    kind: ExitKind
    condition: Condition | None
    enabled: bool = True
    resting: bool = False
    order: Order | None = None
    if_unknown: IfUnknown = IfUnknown.HOLD
    grace: float = 30.0
    close_all: bool = False
    close_part: Decimal | None = None
    close_legs: tuple[str, ...] = ()
    repeat: bool = False
    armed_by: tuple[Condition, ...] = ()
    roll: Roll | None = None
    any_price: bool = False
    path: Path


def is_all(part: Decimal | None, quantity: int | None) -> bool:
    """Say whether an exit closes all of so many structures, or of fewer: a part of them is rounded up.

    quantity: None where nobody knows how many there will be, as where calls are written on shares.
    """
    if part is None or part == 1:
        return True
    return quantity is not None and math.ceil(part * quantity) >= quantity
