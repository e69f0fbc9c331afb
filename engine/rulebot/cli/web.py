"""`rulebot web`: the page of a store, whichever engine writes it."""

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rulebot.cli.options import WholeNumber
from rulebot.cli.output import print_text
from rulebot.cli.store_options import STORE
from rulebot.model.errors import MisuseError, StoreError
from rulebot.store.place import Place, shown_path

if TYPE_CHECKING:
    from rulebot.alerts.notifier import Notifier, NotifierLoop
    from rulebot.live.start import Run
    from rulebot.narrate.happenings import EventLine
    from rulebot.process.settings import Settings
    from rulebot.web.live import Live
    from rulebot.web.server import Bind, Listener, Server

NEEDS = "the page needs packages that are not installed"
HELP = 'pip install "rulebot[web]"'
HEED_EVERY = 0.25
"""Seconds between two looks for Ctrl+C."""

WHERE = (
    click.option(
        "--host",
        default="127.0.0.1",
        show_default=True,
        envvar="RULEBOT_WEB_HOST",
        show_envvar=True,
        help="The address to listen on.",
    ),
    click.option(
        "--port",
        type=WholeNumber(0, 65535),
        default=8080,
        show_default=True,
        envvar="RULEBOT_WEB_PORT",
        show_envvar=True,
        help="0 takes a free one.",
    ),
    click.option(
        "--allow-host",
        "hosts",
        multiple=True,
        metavar="NAME",
        envvar="RULEBOT_WEB_ALLOW_HOST",
        show_envvar=True,
        help="A name under which browsers reach the page, besides those of this machine.",
    ),
    click.option(
        "--tls-cert",
        type=click.Path(exists=True, dir_okay=False),
        envvar="RULEBOT_WEB_TLS_CERT",
        show_envvar=True,
        help="A certificate, to be encrypted.",
    ),
    click.option(
        "--tls-key",
        type=click.Path(exists=True, dir_okay=False),
        envvar="RULEBOT_WEB_TLS_KEY",
        show_envvar=True,
        help="Its key.",
    ),
    click.option(
        "--trusted-proxy",
        metavar="ADDRESS",
        envvar="RULEBOT_WEB_TRUSTED_PROXY",
        show_envvar=True,
        help="The proxy in front that does the encrypting: its address or network; several with commas between.",
    ),
    click.option(
        "--in-container",
        is_flag=True,
        envvar="RULEBOT_WEB_IN_CONTAINER",
        show_envvar=True,
        help="The address is a container's own, whose port is published on this machine's loopback alone.",
    ),
)
"""Where a page is served, and who may reach it; each also by the environment, for a service."""

WHERE_NAMES = ("host", "port", "hosts", "tls_cert", "tls_key", "trusted_proxy", "in_container")


def where_options(command: "Callable[..., Any]") -> "Callable[..., Any]":
    """Add the options of `WHERE` to a command."""
    for option in reversed(WHERE):
        command = option(command)
    return command


@click.command("web", short_help="Show a store as a page in the browser.")
@where_options
@click.option("--store", type=STORE, metavar="STORE", help="The store to show (default: the last run's).")
def web(store: Place | None, **where: Any) -> None:
    """Serve the page and the REST interface of a store until Ctrl+C: what its engine does, and requests to it.

    It trades nothing itself. Only this machine can reach it; docs/web.md says how others may.

    Exit code: 0 after Ctrl+C, 2 for misuse, 3 when the store cannot be read or the port is taken.
    """
    from rulebot.process.settings import read_settings
    from rulebot.store.place import data_folder
    from rulebot.store.queries import StoreReader
    from rulebot.store.registry import chosen_store

    settings = read_settings(None, Path.cwd(), data_folder())
    _begin_log(settings)
    found = chosen_store(store)
    with StoreReader(found):
        pass  # what is wrong with it is said before anything listens
    server = serve_store(found, where)
    try:
        print_text(f" store {shown_path(found)}\n Ctrl+C stops the page; an engine continues")
        wait_for_stop()
    finally:
        server.stop()


def _begin_log(settings: "Settings") -> None:
    """Write what the page logs to its file, and to the console if that is set. It is served without the file, too."""
    from rulebot.process.settings import PAGE, LogConsole, LogFile, write_logs

    limits = settings.log_limits
    handlers: list[logging.Handler] = [LogConsole(limits)] if limits.on_console else []
    try:
        if limits.in_file:
            handlers.append(LogFile(settings.logs, PAGE, limits))
    except StoreError as error:
        print_text(f" warning: {error.message}", err=True)
    write_logs(*handlers or [logging.NullHandler()])


def check_packages() -> None:
    """Look whether all is installed that a page needs. Raises: MisuseError."""
    try:
        import rulebot.web.server  # noqa: F401
    except ModuleNotFoundError as error:
        raise MisuseError(NEEDS, HELP) from error


def bind_of(where: dict[str, Any]) -> "Bind":
    """Return where the options of `WHERE` let a page listen."""
    from rulebot.web.server import Bind

    return Bind(
        host=where["host"],
        port=where["port"],
        certificate=where["tls_cert"] or "",
        key=where["tls_key"] or "",
        proxy=where["trusted_proxy"] or "",
        in_container=where["in_container"],
    )


def serve_store(
    store: Place, where: dict[str, Any], live: "Live | None" = None, claimed: "Listener | None" = None
) -> "Server":
    """Start the page of a store, and say where it is and where its token is kept. Raises: MisuseError, ServerError.

    claimed: the socket that has its port already.
    """
    from rulebot.adapters.clock import WallClock
    from rulebot.process.settings import keep_secret
    from rulebot.store.place import data_folder, hook_secret

    check_packages()
    from rulebot.web.access import OF_METRICS, Access, read_token
    from rulebot.web.hooks import WebhookGate
    from rulebot.web.server import Server, application
    from rulebot.web.session_file import SessionFile

    bind = bind_of(where)
    claimed = claimed or bind.claim()
    token = read_token(_file_of(store, "web-token"))
    keep_secret(token.text)
    metrics = ""
    if find_spec("prometheus_client") is not None:
        metrics = read_token(_file_of(store, "metrics-token"), variable=OF_METRICS).text
        keep_secret(metrics)
    hosts = tuple(where["hosts"])
    access = Access(token=token.text, metrics=metrics, hosts=hosts, is_secure=bind.is_secure)
    kept = SessionFile(_file_of(store, "web-sessions"), lambda: WallClock().now().timestamp())
    secret, where_kept = hook_secret(data_folder())
    keep_secret(secret)
    door = WebhookGate(store, secret) if secret else None
    server = Server(
        lambda stopping: application(store, access, live, stopping=stopping, door=door, kept=kept), bind, claimed
    )
    print_text(f" page {server.start()}   its token is in {token.where}")
    if door is not None:
        print_text(f" web hooks come in at {server.address}hooks/NAME   their secret is in {where_kept}")
    return server


def _file_of(store: Place, what: str) -> Path:
    """Return the file in which something of a store's page is kept."""
    from rulebot.store.place import beside, data_folder

    return beside(store, data_folder(), f"-{what}")


def stop_signals() -> list[int]:
    """Return the note of Ctrl+C and of a request to end, from now on.

    A handler takes no lock: another signal may arrive meanwhile, and would wait for ever.
    """
    received: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: received.append(number))
    return received


def wait_for_stop() -> None:
    """Wait for Ctrl+C, or a request to end."""
    received = stop_signals()
    while not received:  # another thread may take two signals that come together: nothing but this look sees them
        time.sleep(HEED_EVERY)


# --- The page beside a run, in the engine's own process


class EmbeddedPage:
    """The page beside a run, which gets the same data as the screen, and the alert sender.

    Its port is reserved first: where that is taken, nothing is made or traded. Raises: MisuseError, ServerError.
    """

    def __init__(
        self,
        where: dict[str, Any],
        alert_sender: "Callable[[Place], Notifier] | None" = None,
        check_up: Sequence[str] = (),
    ) -> None:
        from rulebot.process.service import Heartbeat, Systemd

        self.heartbeat = Heartbeat(Systemd())
        self._where, self._notifier, self._check_up = where, alert_sender, check_up
        self._notifying: NotifierLoop | None = None
        self._live: Live | None = None
        self._server: Server | None = None
        self._claimed = bind_of(where).claim()
        self._watching: list[asyncio.Future[None]] = []
        self._is_stopping = False

    def opened(self, store: Place) -> None:
        """Start the page of a run's store, unless it is there."""
        from rulebot.web.live import Live

        if self._live is not None:
            return
        self._live = Live(store, heartbeat=self.heartbeat)
        if self._notifier is not None:
            from rulebot.alerts.notifier import NotifierLoop

            alert_sender = self._notifier(store)
            alert_sender.waits_for = self._live.waits_for
            self._notifying = NotifierLoop(alert_sender)
        self._server = serve_store(store, self._where, self._live, self._claimed)

    def started(self, run: "Run") -> None:
        """Show a run on the page of its store."""
        from rulebot.live.start import Vitals

        vitals = Vitals(run)
        self.opened(run.options.store)
        assert self._live is not None
        self._live.attend(vitals)
        self._live.show(run, run.first)
        self._watching.append(asyncio.ensure_future(vitals.watch()))
        if self._check_up:
            from rulebot.live.daily_jobs import check_mornings
            from rulebot.live.start import note_alarm

            self._watching.append(
                asyncio.ensure_future(check_mornings(self._check_up, lambda words: note_alarm(run, words)))
            )

    def show(self, run: "Run", at: datetime, reported: "Sequence[EventLine]") -> None:
        """Show the end of a batch."""
        assert self._live is not None
        if reported:
            self._live.notify(reported)
        self._live.show(run, at)

    def stopping(self) -> None:
        """Know that Ctrl+C was pressed: it ends the page as well."""
        self._is_stopping = True

    def ended(self) -> None:
        """Show the store from now on."""
        for each in self._watching:
            each.cancel()
        if self._live is not None:
            self._live.end()

    def stay(self) -> None:
        """Keep the page until Ctrl+C, unless that has ended the run."""
        if self._server is None or self._is_stopping:
            return
        print_text(f" the page stays at {self._server.address}   Ctrl+C ends it")
        wait_for_stop()

    def close(self) -> None:
        """End the page, once due alerts are sent."""
        if self._notifying is not None:
            self._notifying.stop()
        if self._server is not None:
            self._server.stop()
        self._claimed.close()
