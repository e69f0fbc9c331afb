"""The alerts on the page: what people were told of the store, and saying that it was seen."""

from rulebot.adapters.clock import WallClock
from rulebot.alerts.outbox import Outbox
from rulebot.alerts.teller import outbox_path
from rulebot.model.errors import StoreError
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.model.values import dataclass
from rulebot.store.place import Place
from rulebot.web.answers import AlertModel

SHOWN = 12


@dataclass(frozen=True, slots=True)
class AlertList:
    """The newest alerts, newest first. is_told: whether anybody tells of this store, or ever did.

    problem: why they cannot be read, "" where they can.
    """

    alerts: tuple[AlertModel, ...] = ()
    is_told: bool = False
    problem: str = ""

    @property
    def waiting(self) -> int:
        """How many grave ones nobody has acknowledged."""
        return sum(each.grade == "grave" and not each.acknowledged for each in self.alerts)

    @property
    def newest(self) -> int:
        """The newest alert that is shown, 0 without any: what comes later nobody has seen here."""
        return max((each.id for each in self.alerts), default=0)


def alert_list(store: Place) -> AlertList:
    """Return the alerts of a store. Raises: StoreError."""
    path = outbox_path(store)
    if not path.is_file():
        return AlertList()
    outbox = Outbox(path)
    try:
        found = outbox.newest(SHOWN)
    finally:
        outbox.close()
    return AlertList(
        tuple(
            AlertModel(
                id=kept.id,
                at=f"{kept.alert.at.astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M:%S}",
                grade=kept.alert.grade.value,
                bot=kept.alert.bot,
                text=kept.alert.text,
                count=kept.count,
                acknowledged=kept.is_acknowledged,
                deliveries=list(fates),
            )
            for kept, fates in found
        ),
        is_told=True,
    )


def shown_alerts(store: Place) -> AlertList:
    """Return the same, or why they cannot be read: the rest of the page is there without them."""
    try:
        return alert_list(store)
    except StoreError as error:
        return AlertList(is_told=True, problem=error.message)


def acknowledge(store: Place, id: int | None, until: int | None) -> int:
    """Mark an alert as seen, or all, or all up to one; return how many were not before. Raises: StoreError."""
    path = outbox_path(store)
    if not path.is_file():
        return 0
    outbox = Outbox(path)
    try:
        return outbox.acknowledge(id, WallClock().now(), until)
    finally:
        outbox.close()
