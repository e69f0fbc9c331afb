"""Sends one message to one person, through apprise: Telegram, Discord, e-mail, and everything else it knows."""

import logging
import re
from collections.abc import Iterable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import apprise

from rulebot.alerts.alert import Grade
from rulebot.alerts.people import Person
from rulebot.alerts.post import NotSentError, post
from rulebot.model.errors import SpecError
from rulebot.process.redaction import redacted

_LOG = logging.getLogger("apprise")
_LOG.propagate = False
_LOG.setLevel(logging.DEBUG)
"""What it says is kept with a delivery; some of it repeats addresses. Of e-mail it tells causes at debug alone."""
APP = "rulebot"
_TYPES = {Grade.GRAVE: apprise.NotifyType.FAILURE, Grade.WARNING: apprise.NotifyType.WARNING}
"""What a service that wakes people takes for urgent; what is neither opens no incident there."""
_READ_MARKS = frozenset({"Discord", "Mattermost"})
"""Services that read marks of Markdown in plain text too, which apprise hands on as it is; and take a backslash."""
_MARK = re.compile(r"[\\*`\[<]|~~|\|\||(?<![^\W_])_|_(?![^\W_])")
_CALLS_NOBODY = "@\u200b"
"""What is shown as the sign that calls whoever stands behind it, and calls nobody; a backslash does not help."""
_MAIL_ADDRESS = re.compile(r"[^\s<>'\"]+@[^\s<>'\"]+")
_CAUSE = "Socket Exception: "
HELP = "its services and their addresses: https://github.com/caronc/apprise/wiki"


class DeliveryService:
    """Sends to people, each by an address of its own. Never blocks longer than apprise's own time-outs, a few seconds.

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
                raise SpecError(f"the address of '{person.name}' is none that apprise understands", HELP)
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
            body = _MARK.sub(lambda mark: "".join(f"\\{sign}" for sign in mark[0]), body).replace("@", _CALLS_NOBODY)
        with _Overheard() as heard:
            is_taken = way.notify(
                title=title,
                body=body,
                notify_type=_TYPES.get(grade, apprise.NotifyType.INFO),
                body_format=apprise.NotifyFormat.TEXT,
            )
        if not is_taken:
            raise NotSentError(f"the service did not take it{heard.words}")


def _split_what_is_long(way: Iterable[Any]) -> None:
    """Have it come as several messages: a service refuses one that is too long for it, however often it is tried."""
    for service in way:
        if service.overflow_mode == apprise.OverflowMode.UPSTREAM:
            service.overflow_mode = apprise.OverflowMode.SPLIT


class _Overheard(logging.Handler):
    """What apprise says of a failure while it does what it is asked here; it may do so in threads of its own."""

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
