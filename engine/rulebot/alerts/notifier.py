"""The notifier: finds what is worth an alert in the store, keeps it in the outbox, and sends it. Nothing waits for it.

Each outbox has one notifier: a second one is refused. Times are real ones, also of a simulated day.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from filelock import FileLock, Timeout

from rulebot.adapters.clock import WallClock
from rulebot.alerts.find import FOR_PEOPLE, Alert, Grade, find_alerts, gravest, of_waiting
from rulebot.alerts.outbox import LONGEST_WAIT, Delivery, Outbox
from rulebot.alerts.people import People, Person
from rulebot.model.errors import MisuseError, StoreError, in_words, internal_error_text
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.record.codec import utc_text
from rulebot.record.record import Json
from rulebot.store.place import Place, beside, data_folder, give_to_owner, make_folder
from rulebot.store.queries import StoreReader
from rulebot.store.registry import is_there

if TYPE_CHECKING:
    from rulebot.alerts.send import TelegramChat

# --- The words of a message

MOST_LINES = 20
"""Alerts in one message to a person at most; the rest follows in the next."""
MOST_LETTERS = 300
"""Letters of an alert at most, a digest's aside; services cut messages of some thousand."""


def message(
    deliveries: Sequence[Delivery],
    now: datetime,
    times: int,
    zone: ZoneInfo = EXCHANGE_ZONE,
    *,
    is_simulated: bool,
    is_observed: bool = False,
) -> tuple[str, str]:
    """Return title and body. Grave ones, each sent this many `times`, come first, the oldest first.

    zone: of the reader.
    """
    ordered = sorted(deliveries, key=lambda each: each.kept.alert.grade is not Grade.GRAVE)
    reported = [each.kept for each in deliveries if each.kept.alert.grade is Grade.GRAVE]
    grave = len(reported)
    if len(deliveries) == 1:
        title = f"rulebot: {_KINDS[deliveries[0].kept.alert.grade]}"
    else:
        title = f"rulebot: {len(deliveries)} messages" + (f", {grave} grave" if grave else "")
    lines = [_line(each, now, zone) for each in ordered]
    if grave:
        is_again = any(each.rounds < times and not each.is_acknowledged for each in reported)
        until = "sent again until it is acknowledged" if is_again else "not sent again; acknowledged by"
        lines.append(f"{until} 'rulebot alerts --ack all' or does so on the page")
    return _marked(title, is_simulated=is_simulated, is_observed=is_observed), "\n".join(lines)


def undelivered_text(
    alert: Alert, zone: ZoneInfo = EXCHANGE_ZONE, *, is_simulated: bool, is_observed: bool = False
) -> tuple[str, str]:
    """Return title and body of a message that no outbox keeps: it is not repeated."""
    title = _marked(f"rulebot: {_KINDS[alert.grade]}", is_simulated=is_simulated, is_observed=is_observed)
    return title, f"{_clock(alert, alert.at, zone)} {alert.text}"


def _marked(title: str, *, is_simulated: bool, is_observed: bool) -> str:
    return ("[observed] " if is_observed else "") + ("[simulated] " if is_simulated else "") + title


def _clock(alert: Alert, now: datetime, zone: ZoneInfo) -> str:
    exchange, own = (_at(alert.at.astimezone(each), now.astimezone(each)) for each in (EXCHANGE_ZONE, zone))
    return exchange if own == exchange else f"{own} ({exchange} New York)"


def _at(at: datetime, now: datetime) -> str:
    return f"{at:%H:%M}" if at.date() == now.date() else f"{at:%b %d %H:%M}"


def _line(each: Delivery, now: datetime, zone: ZoneInfo) -> str:
    alert = each.kept.alert
    first = ""
    if each.is_again:
        first = "(perhaps sent before) "
    elif each.round > 1:
        first = f"(sent {each.round - 1} times, not acknowledged) " if each.round > 2 else "(not acknowledged yet) "
    if alert.grade is Grade.DIGEST:
        return first + alert.text
    text = alert.text if len(alert.text) <= MOST_LETTERS else alert.text[: MOST_LETTERS - 3] + "..."
    times = f" ({each.kept.count} times)" if each.kept.count > 1 else ""
    return f"{first}{_clock(alert, now, zone)} {alert.bot + ': ' if alert.bot else ''}{text}{times}"


_KINDS = {
    Grade.GRAVE: "alarm",
    Grade.WARNING: "notice",
    Grade.TRADE: "trade",
    Grade.DIGEST: "the day",
    Grade.DECISION: "decision",
}


# ---------------------------------------------------------------- for programs


def document(deliveries: Sequence[Delivery], *, is_simulated: bool, is_observed: bool = False) -> str:
    """Return the same as JSON, for a program; `id` identifies an event, also when it is repeated."""
    events = [_event(each.kept.alert, each.kept.count, is_again=each.is_again) for each in deliveries]
    return _document(events, is_simulated=is_simulated, is_observed=is_observed)


def document_unkept(alert: Alert, *, is_simulated: bool, is_observed: bool = False) -> str:
    """Return the same of what no outbox keeps."""
    return _document([_event(alert, 1, is_again=False)], is_simulated=is_simulated, is_observed=is_observed)


def hello() -> str:
    """Return what a program is sent to see whether anything arrives."""
    return _document([{"event": "test", "text": "If you read this, events reach you."}], is_simulated=False)


def _document(events: list[dict[str, Json]], *, is_simulated: bool, is_observed: bool = False) -> str:
    return json.dumps({"app": "rulebot", "simulated": is_simulated, "observed": is_observed, "events": events})


def _event(alert: Alert, count: int, *, is_again: bool) -> dict[str, Json]:
    event: dict[str, Json] = {"id": alert.key, "at": utc_text(alert.at), "grade": alert.grade.value, "bot": alert.bot}
    return {**event, **alert.data, "text": alert.text, "count": count, "perhaps_sent_before": is_again}


# --- The teller

LOOK_EVERY = 1.0
"""Seconds between two looks into the store."""
GRAVE_EVERY = 10.0
"""Seconds between two messages to one person at the least, however grave."""
FIRST_RETRY, LAST_RETRY = 10.0, LONGEST_WAIT.total_seconds()
GIVE_UP_AFTER = 30
"""Tries of what is not grave: some four hours."""
AT_ONCE = 8
PROGRAM_EVERY, MOST_EVENTS = 1.0, 100
"""Seconds between two messages to a program at the least, and events in one."""
TROUBLE_FOR = timedelta(minutes=1)
"""How long a store or an outbox may be unusable before people get a message about it, which is not kept."""
PUT_BACK = "put back"
"""Under this mark the outbox keeps after which restore of the store its head was read."""
_CLOCK = WallClock()
log = logging.getLogger("rulebot.alerts")

Send = Callable[[str, str, str, Grade], None]
"""Sends title and body to a person, by name, as so grave; raises when it was not taken."""


def outbox_path(store: Place) -> Path:
    """Return the file of a store's outbox."""
    return beside(store, data_folder(), "-alerts.db")


class Notifier:
    """Sends the alerts of one store. `step` is one round; `run` continues until it is stopped.

    waits_for: why the engine of this process was never connected, None for any other. Raises: StoreError; MisuseError
    when another notifier has this outbox.
    """

    def __init__(self, store: Place, people: People, send: Send, now: Callable[[], datetime] = _CLOCK.now) -> None:
        self._store, self._people, self._send, self._now = store, people, send, now
        path = outbox_path(store)
        self._lock = FileLock(path.with_name(path.name + ".lock"), timeout=0, thread_local=False)
        try:
            make_folder(path.parent)
            self._lock.acquire()
            give_to_owner(Path(self._lock.lock_file))
        except Timeout as error:
            raise MisuseError("another process already sends alerts of this store", f"it holds {path.name}") from error
        except OSError as error:
            raise StoreError(f"the outbox of alerts cannot be made: {in_words(error)}") from error
        self._pool = ThreadPoolExecutor(AT_ONCE, "rulebot-alerts")
        self._on_way: dict[str, tuple[Future[None], Sequence[Delivery]]] = {}
        self._last: dict[str, datetime] = {}
        self._unreached: set[str] = set()
        self._is_simulated = self._is_observed = False
        self._digested = ""
        self.trouble = ""
        self.waits_for: Callable[[], str | None] = lambda: None
        self._waits_since: datetime | None = None
        self._was_well = False
        self._since: datetime | None = None
        self._unreported: dict[str, tuple[Future[None], datetime]] = {}

    def chat(self) -> "TelegramChat | None":
        """Return the receiver of commands, None when no one may send any."""
        from rulebot.alerts.send import TelegramChat  # here: apprise is not installed with every page or `top`

        chat = self._people.chat
        return None if chat is None else TelegramChat(chat, self._store, self._now)

    def open(self) -> Outbox:
        """Return the outbox, with what an earlier teller left in the middle taken up."""
        outbox = self.opened()
        outbox.recover()
        return outbox

    def opened(self) -> Outbox:
        """Return the outbox as it is, for another thread."""
        return Outbox(outbox_path(self._store))

    def step(self, outbox: Outbox) -> None:
        """Look, keep, repeat what is not acknowledged, and send what is due. Raises: StoreError."""
        self._harvest(outbox)
        now = self._now()
        self._look(outbox, now)
        manner = self._people.manner
        for kept in outbox.unheard(now - timedelta(seconds=manner.again_after), manner.times, now):
            outbox.escalate(kept, self._who(kept.rounds + 1), now)
        for person in self._people.people:
            if person.name not in self._on_way:
                self._notify(outbox, person, now)

    def finish(self, outbox: Outbox, seconds: float) -> None:
        """Take one last look, and wait a little for messages being sent; the rest waits in the outbox."""
        end = time.monotonic() + seconds
        self.step(outbox)
        while self._on_way and time.monotonic() < end:
            time.sleep(0.05)
            self._harvest(outbox)

    def fails(self, trouble: str, *, at_once: bool = False) -> None:
        """Handle an unusable store or outbox. If that lasts, recipients of grave alerts get one message.

        at_once: this is the end, with no later chance.
        """
        now = self._now()
        if trouble != self.trouble:
            log.warning("alerts: %s", trouble)
        self.trouble, self._since = trouble, self._since or now
        if (not at_once and now - self._since < TROUBLE_FOR) or not self._has_started():
            return
        text = f"alerts cannot be sent: {trouble}; check the engine"
        data: dict[str, Json] = {"event": "untold"}
        alert = Alert(key=f"untold {utc_text(self._since)}", at=self._since, grade=Grade.GRAVE, text=text, data=data)
        marks = {"is_simulated": self._is_simulated, "is_observed": self._is_observed}
        for person in self._people.people:
            if Grade.GRAVE in person.tell and self._is_still_unreported(person.name, now):
                title, body = undelivered_text(alert, person.zone, **marks)
                said = document_unkept(alert, **marks) if person.is_program else body
                self._unreported[person.name] = (
                    self._pool.submit(self._send, person.name, title, said, alert.grade),
                    now,
                )

    def _has_started(self) -> bool:
        """Say whether there is, or was, a store: before its first run there is nothing to report."""
        try:
            return self._was_well or is_there(self._store)
        except StoreError:  # of a server that does not answer
            return True

    def _is_still_unreported(self, person: str, now: datetime) -> bool:
        """Say whether a recipient has no message about the trouble yet; after a failure a while must pass."""
        if (found := self._unreported.get(person)) is None:
            return True
        future, at = found
        return future.done() and future.exception() is not None and (now - at).total_seconds() >= FIRST_RETRY

    def goes_on(self) -> None:
        """Know that all can be used again."""
        self.trouble, self._since, self._was_well = "", None, True
        self._unreported.clear()

    def last_words(self, trouble: str, seconds: float) -> None:
        """Send a message about the trouble at the end, and wait at most this long until it has arrived."""
        self.fails(trouble, at_once=True)
        wait([future for future, _ in self._unreported.values()], seconds)

    def close(self) -> None:
        """Release the outbox for another sender, without waiting for messages being sent."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._lock.release()

    def _look(self, outbox: Outbox, now: datetime) -> None:
        head, put_back = outbox.head, int(outbox.mark(PUT_BACK) or 0)
        why = self.waits_for()
        self._waits_since = None if why is None else self._waits_since or now
        with StoreReader(self._store) as reader:
            found = find_alerts(reader, head or 0, now, self._digested, put_back)
            waiting = [] if not why or not self._waits_since else [*of_waiting(reader, why, self._waits_since, now)]
        self._is_simulated, self._is_observed = found.is_simulated, found.is_observed
        wanted = {*FOR_PEOPLE, *(grade for _, grade in self._people.wants)}
        outstanding = [each for each in found.alerts if each.grade in wanted]
        if head is None:  # events before the present run are not reported
            outbox.add(_before(found.began, outstanding), found.head, (), now)
        outbox.add([*outstanding, *waiting], found.head, self._people.wants, now)
        if found.put_back != put_back:
            outbox.set_mark(PUT_BACK, str(found.put_back))
        days = [str(each.data["date"]) for each in found.alerts if each.grade is Grade.DIGEST]
        self._digested = max([self._digested, *days])

    def _who(self, round: int) -> list[str]:
        people = (each for each in self._people.people if not each.is_program)
        return [each.name for each in people if Grade.GRAVE in each.tell and each.from_round <= round]

    def _notify(self, outbox: Outbox, person: Person, now: datetime) -> None:
        due = outbox.due(person.name, now)
        is_grave = any(each.kept.alert.grade is Grade.GRAVE for each in due)
        if person.is_quiet(now):
            due = [each for each in due if each.kept.alert.grade is Grade.GRAVE]
        every = GRAVE_EVERY if is_grave else max(GRAVE_EVERY, self._people.manner.every)
        if person.is_program:
            due, every = due[:MOST_EVENTS], PROGRAM_EVERY
        else:  # the rest follows in the next message
            due = sorted(due, key=lambda each: each.kept.alert.grade is not Grade.GRAVE)[:MOST_LINES]
        last = self._last.get(person.name)
        if not due or (last is not None and 0 <= (now - last).total_seconds() < every):
            return  # a clock that was set back keeps nothing from anybody
        self._last[person.name] = now
        outbox.sending(due)
        marks = {"is_simulated": self._is_simulated, "is_observed": self._is_observed}
        title, body = message(due, now, self._people.manner.times, person.zone, **marks)
        body = document(due, **marks) if person.is_program else body
        grade = gravest(each.kept.alert.grade for each in due)
        self._on_way[person.name] = (self._pool.submit(self._send, person.name, title, body, grade), due)

    def _harvest(self, outbox: Outbox) -> None:
        for person, (future, deliveries) in list(self._on_way.items()):
            if not future.done():
                continue
            error = future.exception()
            self._warn(person, error)
            if error is None:
                outbox.reported(deliveries, self._now())
            else:
                for each in deliveries:
                    outbox.failed([each], str(error), self._again_at(each))
            del self._on_way[person]  # not before: what cannot be marked now is marked at the next look

    def _warn(self, person: str, error: BaseException | None) -> None:
        if error is not None and person not in self._unreached:
            self._unreached.add(person)
            log.warning("alerts: '%s' was not sent: %s. The message is kept and sent again", person, error)
        elif error is None and person in self._unreached:
            self._unreached.discard(person)
            log.warning("alerts: '%s' is sent again", person)

    def _again_at(self, each: Delivery) -> datetime | None:
        if each.kept.alert.grade is not Grade.GRAVE and each.attempts + 1 >= GIVE_UP_AFTER:
            return None
        wait = min(LAST_RETRY, FIRST_RETRY * 2.0 ** min(each.attempts, 10))
        return self._now() + timedelta(seconds=wait)


class NotifierLoop:
    """An alert sender in its own thread, until it is stopped."""

    def __init__(self, alert_sender: Notifier) -> None:
        self._notifier = alert_sender
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="rulebot-teller", daemon=True)
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Send what is due once more, for at most this long, and end."""
        self._seconds = seconds
        self._stop.set()
        self._thread.join(seconds + 5)
        self._notifier.close()

    def _work(self) -> None:
        work(self._notifier, self._stop)


def work(alert_sender: Notifier, stop: threading.Event, seconds: float = 10.0) -> None:
    """Send until `stop` is set. Failures are retried, and their reason stays in `trouble`."""
    outbox: Outbox | None = None
    if (chat := alert_sender.chat()) is not None:
        threading.Thread(target=_listen, args=(chat, alert_sender, stop), name="rulebot-chat", daemon=True).start()
    while not stop.wait(LOOK_EVERY if outbox is not None or alert_sender.trouble else 0):
        try:
            outbox = outbox or alert_sender.open()
            alert_sender.step(outbox)
            alert_sender.goes_on()
        except Exception as error:  # noqa: BLE001 - any failure must be reported
            alert_sender.fails(_why(error, alert_sender.trouble))
    try:
        outbox = outbox or alert_sender.open()
        alert_sender.finish(outbox, seconds)
    except Exception as error:  # noqa: BLE001 - as above
        alert_sender.last_words(_why(error, alert_sender.trouble), seconds)
    if outbox is not None:
        outbox.close()


def _why(error: Exception, before: str) -> str:
    """Return why no alert can be sent; failures of this program are logged once. before: the last reason."""
    if isinstance(error, StoreError):
        return error.message
    words = internal_error_text(error)
    if words != before:
        log.error("alerts: this program failed", exc_info=error)
    return words


def _listen(chat: "TelegramChat", alert_sender: Notifier, stop: threading.Event) -> None:
    """Take commands over an opening of the outbox of this thread's own, which may fail as that of the teller may."""
    while not stop.is_set():
        try:
            outbox = alert_sender.opened()
        except StoreError as error:
            log.warning("the chat: %s", error)
            stop.wait(LOOK_EVERY)
            continue
        chat.listen(stop, outbox)
        outbox.close()


def _before(began: datetime | None, alerts: Iterable[Alert]) -> list[Alert]:
    """Return the alerts from before a run that is on, all without one."""
    return [each for each in alerts if began is None or each.at < began]
