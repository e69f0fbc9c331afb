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
from rulebot.model.errors import MisuseError, StoreError, in_words, own_failure
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
"""Alerts of a message to a person at most; what is left comes in the next."""
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
    """Return title and body. The grave ones, each told so many `times`, stand first, the oldest of each first.

    zone: of who reads it.
    """
    ordered = sorted(deliveries, key=lambda each: each.kept.alert.grade is not Grade.GRAVE)
    told = [each.kept for each in deliveries if each.kept.alert.grade is Grade.GRAVE]
    grave = len(told)
    if len(deliveries) == 1:
        title = f"rulebot: {_KINDS[deliveries[0].kept.alert.grade]}"
    else:
        title = f"rulebot: {len(deliveries)} messages" + (f", {grave} grave" if grave else "")
    lines = [_line(each, now, zone) for each in ordered]
    if grave:
        is_again = any(each.rounds < times and not each.is_acknowledged for each in told)
        until = "told again until somebody says" if is_again else "not told again; who has seen it says"
        lines.append(f"{until} 'rulebot alerts --ack all' or does so on the page")
    return _marked(title, is_simulated=is_simulated, is_observed=is_observed), "\n".join(lines)


def undelivered_text(
    alert: Alert, zone: ZoneInfo = EXCHANGE_ZONE, *, is_simulated: bool, is_observed: bool = False
) -> tuple[str, str]:
    """Return title and body of what no outbox keeps: it is not told again."""
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
        first = "(perhaps told before) "
    elif each.round > 1:
        first = f"(told {each.round - 1} times, not acknowledged) " if each.round > 2 else "(not acknowledged yet) "
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
    """Return the same as JSON, for a program; `id` names an event, also when it is told again."""
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
    return {**event, **alert.data, "text": alert.text, "count": count, "perhaps_told_before": is_again}


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
"""How long a store or an outbox cannot be used until people are told of that alone, which nothing keeps."""
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
    """Sends the alerts of one store. `step` is one round; `run` goes on until it is stopped.

    waits_for: why the engine of this process was never connected, None of any other. Raises: StoreError; MisuseError
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
            raise MisuseError("another process tells of this store already", f"it holds {path.name}") from error
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
        self._untold: dict[str, tuple[Future[None], datetime]] = {}

    def chat(self) -> "TelegramChat | None":
        """Return what takes commands, None when nobody may send any."""
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
        """Look, keep, tell again what nobody has acknowledged, and send what is due. Raises: StoreError."""
        self._harvest(outbox)
        now = self._now()
        self._look(outbox, now)
        manner = self._people.manner
        for kept in outbox.unheard(now - timedelta(seconds=manner.again_after), manner.times, now):
            outbox.escalate(kept, self._who(kept.rounds + 1), now)
        for person in self._people.people:
            if person.name not in self._on_way:
                self._tell(outbox, person, now)

    def finish(self, outbox: Outbox, seconds: float) -> None:
        """Take one last look, and give what is on its way some time to arrive; the rest waits in the outbox."""
        end = time.monotonic() + seconds
        self.step(outbox)
        while self._on_way and time.monotonic() < end:
            time.sleep(0.05)
            self._harvest(outbox)

    def fails(self, trouble: str, *, at_once: bool = False) -> None:
        """Know that the store or the outbox cannot be used. Once that lasts who hears grave ones is told so, once.

        at_once: this is the end, and nobody could be told later.
        """
        now = self._now()
        if trouble != self.trouble:
            log.warning("alerts: %s", trouble)
        self.trouble, self._since = trouble, self._since or now
        if (not at_once and now - self._since < TROUBLE_FOR) or not self._has_begun():
            return
        text = f"what happens cannot be told any more: {trouble}; see to the engine"
        data: dict[str, Json] = {"event": "untold"}
        alert = Alert(key=f"untold {utc_text(self._since)}", at=self._since, grade=Grade.GRAVE, text=text, data=data)
        marks = {"is_simulated": self._is_simulated, "is_observed": self._is_observed}
        for person in self._people.people:
            if Grade.GRAVE in person.tell and self._is_still_untold(person.name, now):
                title, body = undelivered_text(alert, person.zone, **marks)
                said = document_unkept(alert, **marks) if person.is_program else body
                self._untold[person.name] = (self._pool.submit(self._send, person.name, title, said, alert.grade), now)

    def _has_begun(self) -> bool:
        """Say whether there is, or was, a store to tell of: before its first run nothing happens that could be told."""
        try:
            return self._was_well or is_there(self._store)
        except StoreError:  # of a server that does not answer
            return True

    def _is_still_untold(self, person: str, now: datetime) -> bool:
        """Say whether somebody was not told of the trouble, nor is being told; after a refusal a while must pass."""
        if (found := self._untold.get(person)) is None:
            return True
        future, at = found
        return future.done() and future.exception() is not None and (now - at).total_seconds() >= FIRST_RETRY

    def goes_on(self) -> None:
        """Know that all can be used again."""
        self.trouble, self._since, self._was_well = "", None, True
        self._untold.clear()

    def last_words(self, trouble: str, seconds: float) -> None:
        """Tell of a trouble at the end, and wait so long at most until it has arrived."""
        self.fails(trouble, at_once=True)
        wait([future for future, _ in self._untold.values()], seconds)

    def close(self) -> None:
        """Let go of the outbox for another teller; what is on its way is not waited for."""
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
        owed = [each for each in found.alerts if each.grade in wanted]
        if head is None:  # of what was before the run that is on, nobody is told
            outbox.add(_before(found.began, owed), found.head, (), now)
        outbox.add([*owed, *waiting], found.head, self._people.wants, now)
        if found.put_back != put_back:
            outbox.set_mark(PUT_BACK, str(found.put_back))
        days = [str(each.data["date"]) for each in found.alerts if each.grade is Grade.DIGEST]
        self._digested = max([self._digested, *days])

    def _who(self, round: int) -> list[str]:
        people = (each for each in self._people.people if not each.is_program)
        return [each.name for each in people if Grade.GRAVE in each.tell and each.from_round <= round]

    def _tell(self, outbox: Outbox, person: Person, now: datetime) -> None:
        due = outbox.due(person.name, now)
        is_grave = any(each.kept.alert.grade is Grade.GRAVE for each in due)
        if person.is_quiet(now):
            due = [each for each in due if each.kept.alert.grade is Grade.GRAVE]
        every = GRAVE_EVERY if is_grave else max(GRAVE_EVERY, self._people.manner.every)
        if person.is_program:
            due, every = due[:MOST_EVENTS], PROGRAM_EVERY
        else:  # the rest is told in the next message
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
                outbox.told(deliveries, self._now())
            else:
                for each in deliveries:
                    outbox.failed([each], str(error), self._again_at(each))
            del self._on_way[person]  # not before: what cannot be marked now is marked at the next look

    def _warn(self, person: str, error: BaseException | None) -> None:
        if error is not None and person not in self._unreached:
            self._unreached.add(person)
            log.warning("alerts: '%s' was not told: %s. The message is kept and sent again", person, error)
        elif error is None and person in self._unreached:
            self._unreached.discard(person)
            log.warning("alerts: '%s' is told again", person)

    def _again_at(self, each: Delivery) -> datetime | None:
        if each.kept.alert.grade is not Grade.GRAVE and each.attempts + 1 >= GIVE_UP_AFTER:
            return None
        wait = min(LAST_RETRY, FIRST_RETRY * 2.0 ** min(each.attempts, 10))
        return self._now() + timedelta(seconds=wait)


class NotifierLoop:
    """A teller at work in a thread of its own, until it is stopped."""

    def __init__(self, teller: Notifier) -> None:
        self._teller = teller
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="rulebot-teller", daemon=True)
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Tell what is due once more, for so long at most, and end."""
        self._seconds = seconds
        self._stop.set()
        self._thread.join(seconds + 5)
        self._teller.close()

    def _work(self) -> None:
        work(self._teller, self._stop)


def work(teller: Notifier, stop: threading.Event, seconds: float = 10.0) -> None:
    """Tell until `stop` is set. What fails is tried again, and why it did stays in `trouble`."""
    outbox: Outbox | None = None
    if (chat := teller.chat()) is not None:
        threading.Thread(target=_listen, args=(chat, teller, stop), name="rulebot-chat", daemon=True).start()
    while not stop.wait(LOOK_EVERY if outbox is not None or teller.trouble else 0):
        try:
            outbox = outbox or teller.open()
            teller.step(outbox)
            teller.goes_on()
        except Exception as error:  # noqa: BLE001 - whatever it was, people are told that they are told nothing
            teller.fails(_why(error, teller.trouble))
    try:
        outbox = outbox or teller.open()
        teller.finish(outbox, seconds)
    except Exception as error:  # noqa: BLE001 - as above
        teller.last_words(_why(error, teller.trouble), seconds)
    if outbox is not None:
        outbox.close()


def _why(error: Exception, before: str) -> str:
    """Return why nobody can be told; what this program has failed at goes into the log, once. before: the last why."""
    if isinstance(error, StoreError):
        return error.message
    words = own_failure(error)
    if words != before:
        log.error("alerts: this program failed", exc_info=error)
    return words


def _listen(chat: "TelegramChat", teller: Notifier, stop: threading.Event) -> None:
    """Take commands over an opening of the outbox of this thread's own, which may fail as that of the teller may."""
    while not stop.is_set():
        try:
            outbox = teller.opened()
        except StoreError as error:
            log.warning("the chat: %s", error)
            stop.wait(LOOK_EVERY)
            continue
        chat.listen(stop, outbox)
        outbox.close()


def _before(began: datetime | None, alerts: Iterable[Alert]) -> list[Alert]:
    """Return the alerts from before a run that is on, all without one."""
    return [each for each in alerts if began is None or each.at < began]
