"""`rulebot serve`: an engine and its page in one process."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli.alerts import people_option, teller_to
from engine.cli.run import run, run_with
from engine.cli.web import WHERE_NAMES, serve_store, wait_for_stop, where_options
from engine.store.place import Place

if TYPE_CHECKING:
    from engine.alerts.teller import Teller, Telling
    from engine.run.happening import Happening
    from engine.run.start import Run
    from engine.web.live import Live
    from engine.web.server import Server


@click.command("serve", short_help="Run bots with their page in the browser.", params=list(run.params))
@where_options
@people_option("--alerts", "Tell these people what matters.")
def serve(people: Path | None, **options: Any) -> None:
    """Run the bots of SPECS as 'rulebot run' does, and show them on a page: what each does and waits for, and why.

    The page is told of everything within a second, and what is asked on it the engine does. With --sim --speed 30 a
    whole day passes in thirteen minutes. When the run is over the page stays until Ctrl+C, unless it is a service. With
    --alerts people are told what matters, wherever they are (docs/alerts.md).

    --wait-for-gateway makes it a service: the page is there before the gateway is, and says what is waited for; outside
    sessions the engine idles; systemd and health checks are told how it is (docs/service.md).

    Exit code: as of 'rulebot run'; 2 and 3 also when the page cannot be served.
    """
    where = {name: options.pop(name) for name in WHERE_NAMES}
    page = Page(where, None if people is None else teller_to(people), _check_up(options))
    try:
        run_with(options, page)
        if not options["wait_for_gateway"]:
            page.stay()
    finally:
        page.close()


def _check_up(options: dict[str, Any]) -> list[str]:
    """Return the command that checks a service before each open; none where nothing is traded, or nobody waits."""
    if options["sim"] or options["observe"] or not options["wait_for_gateway"]:
        return []
    mode = "--live" if options["live"] else "--paper"
    command = [sys.executable, "-m", "engine.cli.main", "doctor", mode, "--no-audit", "--format", "json"]
    named = (("gateway", "address"), ("account", "account"), ("store", "store"), ("settings", "settings"))
    for flag, name in named:
        command += [f"--{flag}", str(options[name])] if options[name] is not None else []
    for setting in options["overrides"]:
        command += ["--set", setting]
    return [*command, *options["specs"]]


class Page:
    """The page beside a run, which is shown what the screen is shown, and what tells people of it."""

    def __init__(
        self,
        where: dict[str, Any],
        teller: "Callable[[Place], Teller] | None" = None,
        check_up: Sequence[str] = (),
    ) -> None:
        from engine.run.heartbeat import Heartbeat
        from engine.run.systemd import Systemd

        self.heartbeat = Heartbeat(Systemd())
        self._where, self._teller, self._check_up = where, teller, check_up
        self._telling: Telling | None = None
        self._live: Live | None = None
        self._server: Server | None = None
        self._watching: list[asyncio.Future[None]] = []
        self._is_stopping = False

    def opened(self, store: Place) -> None:
        """Start the page of a run's store, unless it is there."""
        from engine.web.live import Live

        if self._live is not None:
            return
        if self._teller is not None:
            from engine.alerts.teller import Telling

            self._telling = Telling(self._teller(store))
        self._live = Live(store, heartbeat=self.heartbeat)
        self._server = serve_store(store, self._where, self._live)

    def started(self, run: "Run") -> None:
        """Show a run on the page of its store."""
        from engine.run.vitals import Vitals

        vitals = Vitals(run)
        self.opened(run.options.store)
        assert self._live is not None
        self._live.attend(vitals)
        self._live.show(run, run.first)
        self._watching.append(asyncio.ensure_future(vitals.watch()))
        if self._check_up:
            from engine.run.before_open import check_mornings
            from engine.run.start import note_alarm

            self._watching.append(
                asyncio.ensure_future(check_mornings(self._check_up, lambda words: note_alarm(run, words)))
            )

    def show(self, run: "Run", at: datetime, told: "Sequence[Happening]") -> None:
        """Show the end of a batch."""
        assert self._live is not None
        if told:
            self._live.tell(told)
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
        click.echo(f" the page stays at {self._server.address}   Ctrl+C ends it")
        wait_for_stop()

    def close(self) -> None:
        """End the page, once what is due has been told."""
        if self._telling is not None:
            self._telling.stop()
        if self._server is not None:
            self._server.stop()
