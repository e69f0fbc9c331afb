"""What one stage of the core leaves for another: ids and plain values, never an entity that may have changed meanwhile.

`StateBuilder.follow_up` hands a fact to the stage that takes it, at once and depth first: what the end of one order
leads to is done before the next order is looked at, so orders keep the order in which they are sent. `pipeline.py`
says who takes what.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from rulebot.core.state.state import Named
from rulebot.model.contract import Option
from rulebot.model.event import ExecutionReport
from rulebot.model.values import dataclass

# ---------------------------------------------------------------- fills and ends of orders


@dataclass(frozen=True, slots=True)
class FillBooked:
    """A fill of one of our orders is booked.

    bought: contracts, - sold; None for a correction, which the account shows already.
    """

    position: str
    leg: str
    option: Option
    bought: int | None
    executed_at: datetime | None


@dataclass(frozen=True, slots=True)
class FillCorrected:
    """The exchange corrected a fill of one of our orders that is no longer kept in memory."""


@dataclass(frozen=True, slots=True)
class PositionFilled:
    """An order has filled for a position, in whole or in part."""

    position: str
    ref: str
    executed_at: datetime | None


@dataclass(frozen=True, slots=True)
class OrderEnded:
    """An order works no more. asked: we wanted it cancelled."""

    ref: str
    asked: bool


@dataclass(frozen=True, slots=True)
class EntryOrderEnded:
    """An entry order has ended. asked: rulebot asked for its cancel."""

    ref: str
    asked: bool


@dataclass(frozen=True, slots=True)
class EntryFilledLate:
    """An entry has filled although its order was over: others may have no room any more."""

    position: str
    ref: str


@dataclass(frozen=True, slots=True)
class FillsMissed:
    """A connection came: what filled unseen is found by the account. costs: average dollars a contract."""

    at_broker: frozenset[str]
    costs: Mapping[Option, Decimal]


@dataclass(frozen=True, slots=True)
class OrdersListedFirst:
    """The list of working orders that came with a connection."""

    at_broker: frozenset[str]


@dataclass(frozen=True, slots=True)
class OrdersTooLarge:
    """What works for a position may close more than it holds."""

    position: str


@dataclass(frozen=True, slots=True)
class EntryTryDue:
    """The next try of an entry's order is due."""

    ref: str


@dataclass(frozen=True, slots=True)
class ClosingTryDue:
    """The next try of a closing order is due."""

    ref: str


# ---------------------------------------------------------------- what positions need


@dataclass(frozen=True, slots=True)
class OpeningDue:
    """The next opening order of an entry is due."""

    position: str


@dataclass(frozen=True, slots=True)
class LegsAlone:
    """An entry has ended and some legs are open without their partners. why: in words."""

    position: str
    why: str


@dataclass(frozen=True, slots=True)
class PartClosed:
    """The exit of a position has nothing more to close, and some of it is held on."""

    position: str


@dataclass(frozen=True, slots=True)
class PartEnded:
    """A part of a position is closed, and it is open again. was_unwinding: legs without their partners were closed."""

    position: str
    was_unwinding: bool


@dataclass(frozen=True, slots=True)
class SharesLeft:
    """Options of a position are gone and shares may be left."""

    position: str


@dataclass(frozen=True, slots=True)
class CloseWanted:
    """A position is to be closed by this exit. why: in words."""

    position: str
    exit: str
    why: str


@dataclass(frozen=True, slots=True)
class CloseGoesOn:
    """The next closing order of a position is due."""

    position: str


@dataclass(frozen=True, slots=True)
class RestingDue:
    """Targets and stops that rest at the broker may be due. at_once: without waiting for quotes."""

    position: str
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class ProtectionDue:
    """A position may need protective stops. while_closing: for what its exit does not close yet."""

    position: str
    while_closing: bool = False


@dataclass(frozen=True, slots=True)
class EntryCrosses:
    """Resting orders would cross an entry; cancel them."""

    refs: tuple[str, ...]


# ---------------------------------------------------------------- the account


@dataclass(frozen=True, slots=True)
class ExternalFill:
    """Another client, or the broker, traded in the account."""


@dataclass(frozen=True, slots=True)
class ExternalFillCorrected:
    """The exchange has corrected an execution of others that is booked to a position. base: its id without revision."""

    base: str
    event: ExecutionReport


@dataclass(frozen=True, slots=True)
class HoldingsChanged:
    """Our books have changed: what the account lacks is compared again."""


@dataclass(frozen=True, slots=True)
class OptionGone:
    """The account no longer holds an expired option. last: its last holding, in contracts."""

    option: Option
    last: Decimal


@dataclass(frozen=True, slots=True)
class TextsChanged:
    """Other specs govern from now on: what the account holds beyond our books is compared again."""


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """A session has started while the broker is connected."""


# ---------------------------------------------------------------- requests of people


@dataclass(frozen=True, slots=True)
class EntryAskedFor:
    """An operator asks a bot to enter. named: this structure, None for what the bot chooses."""

    bot: str
    named: Named | None


@dataclass(frozen=True, slots=True)
class EntryDropped:
    """A requested entry will not be sent. why: in words."""

    bot: str
    why: str


@dataclass(frozen=True, slots=True)
class HaltsEnded:
    """An operator lets a bot enter again ("": all)."""

    bot: str


Fact = object
"""Any of these classes."""
