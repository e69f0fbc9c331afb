"""The page beside a run, in the engine's own process."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rulebot.cli.say import print_text
from rulebot.cli.web import bind_of, serve_store, wait_for_stop
from rulebot.store.place import Place

if TYPE_CHECKING:
    from rulebot.alerts.teller import Notifier, NotifierLoop
    from rulebot.live.start import Run
    from rulebot.narrate.event_text import EventLine
    from rulebot.web.live import Live
    from rulebot.web.server import Server


class EmbeddedPage:
    """The page beside a run, which is shown what the screen is shown, and what tells people of it.

    Its port is its own from the beginning: where that is taken, nothing is made or traded.
    Raises: MisuseError, ServerError.
    """

    def __init__(
        self,
        where: dict[str, Any],
        teller: "Callable[[Place], Notifier] | None" = None,
        check_up: Sequence[str] = (),
    ) -> None:
        from rulebot.process.heartbeat import Heartbeat
        from rulebot.process.systemd import Systemd

        self.heartbeat = Heartbeat(Systemd())
        self._where, self._teller, self._check_up = where, teller, check_up
        self._telling: NotifierLoop | None = None
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
        if self._teller is not None:
            from rulebot.alerts.teller import NotifierLoop

            teller = self._teller(store)
            teller.waits_for = self._live.waits_for
            self._telling = NotifierLoop(teller)
        self._server = serve_store(store, self._where, self._live, self._claimed)

    def started(self, run: "Run") -> None:
        """Show a run on the page of its store."""
        from rulebot.live.health_metrics import Vitals

        vitals = Vitals(run)
        self.opened(run.options.store)
        assert self._live is not None
        self._live.attend(vitals)
        self._live.show(run, run.first)
        self._watching.append(asyncio.ensure_future(vitals.watch()))
        if self._check_up:
            from rulebot.live.pre_open_check import check_mornings
            from rulebot.live.start import note_alarm

            self._watching.append(
                asyncio.ensure_future(check_mornings(self._check_up, lambda words: note_alarm(run, words)))
            )

    def show(self, run: "Run", at: datetime, told: "Sequence[EventLine]") -> None:
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
        print_text(f" the page stays at {self._server.address}   Ctrl+C ends it")
        wait_for_stop()

    def close(self) -> None:
        """End the page, once what is due has been told."""
        if self._telling is not None:
            self._telling.stop()
        if self._server is not None:
            self._server.stop()
        self._claimed.close()
