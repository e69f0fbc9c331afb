"""Sending alerts, and commands from a Telegram chat: status, pause, resume, kill; from listed ids only, each once.

Source: Telegram Bot API, getUpdates (long polling) and sendMessage. Requests go into the store's box as from any other
process; the engine alone acts. Every address there contains the token, so no address is ever shown.
"""

import http.client
import json
import logging
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import apprise

from rulebot.adapters.clock import WallClock
from rulebot.alerts.find import Grade
from rulebot.alerts.outbox import Outbox
from rulebot.alerts.people import ChatSettings, Person
from rulebot.model.errors import RulebotError, SpecError, StoreError, internal_error_text
from rulebot.model.event import Request
from rulebot.model.money import dollars
from rulebot.model.session import exchange_date
from rulebot.operator_requests.requests import post as post_request
from rulebot.process.settings import redacted
from rulebot.recovery.resume import trading_of
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader

LONG_POLL = 20
"""Seconds that a question waits for messages at Telegram's."""
MOST_BYTES = 1 << 24
"""Of one answer: a hundred messages, as long as they can be and with every sign written as a code, are a quarter."""
LONGEST = 4096
"""Letters of one message. Source: Telegram Bot API, sendMessage."""
FIRST_WAIT, LAST_WAIT = 2.0, 300.0
TOO_OLD = timedelta(minutes=2)
"""A command that was sent longer ago is not meant for now."""
HELP = "status, pause [BOT], resume [BOT], kill [BOT]"
_REQUESTS = {"pause": Request.PAUSE, "resume": Request.RESUME, "kill": Request.KILL}
_DONE = {
    "pause": "enters nothing more; a working entry continues, positions stay open, their exits continue",
    "resume": "may enter again",
    "kill": "has its entries cancelled and enters nothing more; exits continue",
}
_MEANS = {401: "the token is not the right one", 404: "the token is none", 409: "another program asks with it"}
_CLOCK = WallClock()
_MARK = "telegram"

log = logging.getLogger("rulebot.alerts")


class ChatError(Exception):
    """Telegram could not be asked; the words name no address."""


class TelegramChat:
    """Listens to one Telegram bot for a store. `listen` continues until `stop` is set."""

    def __init__(self, chat: ChatSettings, store: Place, now: Callable[[], datetime] = _CLOCK.now) -> None:
        self._chat, self._store, self._now = chat, store, now
        self.trouble = ""

    def listen(self, stop: threading.Event, outbox: Outbox) -> None:
        """Answer until stopped; failures are retried, with growing pauses."""
        wait = FIRST_WAIT
        while not stop.is_set():
            try:
                self.step(outbox, LONG_POLL)
                self.trouble, wait = "", FIRST_WAIT
            except (ChatError, RulebotError) as error:
                self.trouble = str(error)
                log.warning("the chat: %s", error)
            except Exception as error:  # of one message that it fails at others are answered all the same
                self.trouble = internal_error_text(error)
                log.error("the chat: this program failed", exc_info=error)
            else:
                continue
            stop.wait(wait)
            wait = min(2 * wait, LAST_WAIT)

    def step(self, outbox: Outbox, poll: int) -> None:
        """Ask once for messages, and answer each. Raises: ChatError; StoreError of the outbox."""
        last = outbox.mark(_MARK)
        asked = {"timeout": poll, "allowed_updates": ["message"], **({} if last is None else {"offset": int(last) + 1})}
        for update in self._call("getUpdates", asked, poll + 15):
            outbox.set_mark(_MARK, str(int(update["update_id"])))  # first: what fails is not done a second time
            message = update.get("message") or {}
            sender = (message.get("chat") or {}).get("id")
            if sender not in self._chat.ids:
                log.warning("the chat: a message from %s, who is not listed, is ignored", sender)
                continue
            said = self._said(str(message.get("text") or ""), int(update["update_id"]), int(message.get("date") or 0))
            for part in in_parts(said):
                self._call("sendMessage", {"chat_id": sender, "text": part}, 15)

    def _said(self, text: str, number: int, date: int) -> str:
        try:
            return self._answer(text, number, date)
        except RulebotError as error:
            log.warning("the chat: %s", error)
            return f"nothing was done: {error.message}. Send it again if it is still meant."

    def _answer(self, text: str, number: int, date: int) -> str:
        words = text.strip().removeprefix("/").split()
        name = words[0].partition("@")[0].lower() if words else ""
        if self._now() - datetime.fromtimestamp(date, UTC) > TOO_OLD:
            return f"'{name}' was sent too long ago: nothing was done. Send it again if it is still meant."
        if name == "status" and len(words) == 1:
            return status_words(self._store, exchange_date(self._now()))
        if name not in _REQUESTS or len(words) > 2:
            return HELP
        bot = words[1] if len(words) == 2 else ""
        if bot and (known := self._bots(name)) and bot not in known:
            return f"no bot '{bot}'; there are {', '.join(known)}"
        is_running = post_request(self._store, _REQUESTS[name], bot, f"telegram-{number}")
        later = "" if is_running else ". No engine runs: the next one does so first"
        return f"{bot or 'every bot'} {_DONE[name]}{later}"

    def _bots(self, name: str) -> list[str]:
        """Return the bots of the store; none of an unreadable one, so that kill and pause still work.

        Raises: StoreError.
        """
        try:
            with StoreReader(self._store) as reader:
                return reader.bots()
        except StoreError:
            if _REQUESTS[name] is Request.RESUME:
                raise
            return []

    def _call(self, method: str, body: Mapping[str, Any], seconds: float) -> Any:
        request = urllib.request.Request(
            f"{self._chat.api}/bot{self._chat.token}/{method}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:
                return json.loads(answer.read(MOST_BYTES))["result"]
        except urllib.error.HTTPError as error:
            raise ChatError(f"Telegram answers {error.code}: {_MEANS.get(error.code, 'it is asked again')}") from None
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
            raise ChatError("Telegram cannot be reached") from None


def in_parts(text: str) -> list[str]:
    """Return a text as messages of an allowed length, of whole lines where possible."""
    parts = [""]
    for line in text.split("\n"):
        pieces = [line[at : at + LONGEST] for at in range(0, len(line), LONGEST)] or [""]
        for piece in pieces:
            joined = f"{parts[-1]}\n{piece}" if parts[-1] else piece
            parts = [*parts[:-1], joined] if len(joined) <= LONGEST else [*parts, piece]
    return parts


def status_words(store: Place, today: date) -> str:
    """Return the state of a store's engine and bots in a few lines; results are of its last day."""
    with StoreReader(store) as reader:
        run, day = reader.run(), reader.last_day()
        made = sum(row["realized"] for row in reader.view("bot_days", date=str(day)))
        held = [str(row["strategy_id"]) for row in reader.view("open_positions")]
    lines = [f"engine {run.state()}, trading {trading_of(run)}"]
    if day is not None:
        lines[0] += f"; {'today' if day == today else day} realised {dollars(made)}, {len(held)} open"
    for bot in sorted(run.specs):
        count = held.count(bot)
        lines.append(f"{bot}: {run.state(bot)}" + (f", {count} open" if count else ""))
    return "\n".join(lines)


# --- Posts JSON to the web hook of another program

TIMEOUT = 10.0


class NotSentError(Exception):
    """A message was not accepted; gives the service's reason as far as known."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Redirects are not followed: the message is for this address only."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> None:
        return None


def post(address: str, body: str) -> None:
    """Send it. The address is a secret, and is not repeated. Raises: NotSentError."""
    headers = {"Content-Type": "application/json", "User-Agent": "rulebot"}
    try:
        request = urllib.request.Request(address, body.encode(), headers, method="POST")
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT):
            return
    except urllib.error.HTTPError as error:
        words = f"it answered {error.code}"
        error.close()
    except (urllib.error.URLError, OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        words = "it cannot be reached: " + (getattr(reason, "strerror", None) or type(reason).__name__)
    raise NotSentError(words)


# --- Sends one message to one person, through apprise

_LOG = logging.getLogger("apprise")
_LOG.propagate = False
_LOG.setLevel(logging.DEBUG)
"""Its message is kept with a delivery; some repeat addresses. For e-mail it gives causes at debug level only."""
APP = "rulebot"
_TYPES = {Grade.GRAVE: apprise.NotifyType.FAILURE, Grade.WARNING: apprise.NotifyType.WARNING}
"""What a service that wakes people takes for urgent; what is neither opens no incident there."""
_READ_MARKS = frozenset({"Discord", "Mattermost"})
"""Services that read marks of Markdown in plain text too, which apprise hands on as it is; and take a backslash."""
_SEND_MARK = re.compile(r"[\\*`\[<]|~~|\|\||(?<![^\W_])_|_(?![^\W_])")
_NOTIFIES_NO_ONE = "@\u200b"
"""Replacement for the sign that mentions people, so that no one is mentioned; a backslash does not prevent it."""
_MAIL_ADDRESS = re.compile(r"[^\s<>'\"]+@[^\s<>'\"]+")
_CAUSE = "Socket Exception: "
DELIVERY_HELP = "its services and their addresses: https://github.com/caronc/apprise/wiki"


class DeliveryService:
    """Sends to people, each by their address. Never blocks longer than apprise's own time-outs, a few seconds.

    Raises: SpecError for addresses that apprise does not understand; they are not repeated, since they are secrets.
    """

    def __init__(self, people: Iterable[Person]) -> None:
        asset = apprise.AppriseAsset(app_id=APP, app_desc=APP, app_url="", async_mode=False, secure_logging=True)
        self._ways: dict[str, apprise.Apprise] = {}
        self._hooks: dict[str, str] = {}
        for person in people:
            if person.is_program:
                self._hooks[person.name] = person.url
                continue
            way = apprise.Apprise(asset=asset)
            with _Overheard():  # what it says of an address repeats it
                is_known = way.add(person.url)
            if not is_known:
                raise SpecError(f"the address of '{person.name}' is none that apprise understands", DELIVERY_HELP)
            _split_what_is_long(way)
            self._ways[person.name] = way

    def service(self, person: str) -> str:
        """Return the name of a person's service: Telegram, E-Mail, web hook."""
        if person in self._hooks:
            return "web hook"
        ways: Iterable[Any] = self._ways[person]
        return ", ".join(str(each.service_name or each.protocol) for each in ways)

    def __call__(self, person: str, title: str, body: str, grade: Grade) -> None:
        """Send a message of a grade; a program is sent the body alone, which is JSON. Raises: NotSentError."""
        if person in self._hooks:
            post(self._hooks[person], body)
            return
        way: Any = self._ways[person]
        if all(each.service_name in _READ_MARKS for each in way):
            body = _SEND_MARK.sub(lambda mark: "".join(f"\\{sign}" for sign in mark[0]), body).replace(
                "@", _NOTIFIES_NO_ONE
            )
        with _Overheard() as received:
            is_taken = way.notify(
                title=title,
                body=body,
                notify_type=_TYPES.get(grade, apprise.NotifyType.INFO),
                body_format=apprise.NotifyFormat.TEXT,
            )
        if not is_taken:
            raise NotSentError(f"the service did not take it{received.words}")


def _split_what_is_long(way: Iterable[Any]) -> None:
    """Have it come as several messages: a service refuses one that is too long for it, however often it is tried."""
    for service in way:
        if service.overflow_mode == apprise.OverflowMode.UPSTREAM:
            service.overflow_mode = apprise.OverflowMode.SPLIT


class _Overheard(logging.Handler):
    """apprise's log messages of a failure here; it may send in its own threads."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._said: list[str] = []
        self._cause = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a warning that is said here, and the cause of a mail that was not taken."""
        if _HERE.get() is not self:
            return
        if record.levelno >= logging.WARNING:
            self._said.append(redacted(record.getMessage()).strip().rstrip("."))
        elif _is_cause_of_mail(record):
            cause = record.getMessage().removeprefix(_CAUSE)
            self._cause = _MAIL_ADDRESS.sub("...@...", redacted(cause))

    @property
    def words(self) -> str:
        """What was said, after a colon; "" for nothing."""
        said = [each[:200] for each in (*self._said[-1:], self._cause) if each]
        return "".join(f": {each}" for each in said)

    def __enter__(self) -> "_Overheard":
        """Begin to listen."""
        self._before = _HERE.set(self)
        _LOG.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        """Listen no longer."""
        _LOG.removeHandler(self)
        _HERE.reset(self._before)


def _is_cause_of_mail(record: logging.LogRecord) -> bool:
    """Say whether a record has the answer of a mail server; such lines of other services have addresses in them."""
    of_mail = {"email", "email.py"} & set(Path(record.pathname).parts[-2:])
    return bool(of_mail) and record.getMessage().startswith(_CAUSE)


_HERE: ContextVar[_Overheard | None] = ContextVar("rulebot_overheard", default=None)
"""Who listens; threads that apprise starts for a message have the context in which it was sent."""
