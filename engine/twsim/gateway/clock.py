"""The virtual clock: who holds it, when it moves, and what happens at each instant.

A client that offered +LOCKSTEP holds the clock; its reqCurrentTime ends its work at this instant. When every holder has
sent it, one turn runs: waiting commands, then time, market, ticks, matching, reports, and last the answer to
reqCurrentTime, which is the fence. A holder may add a time until which it needs no fence while there are no messages;
when all have, silent instants have none. A speed delays turns, and lets time run on its own while no client holds the
clock. After the last instant each further fence has the same time.
"""

import asyncio
import logging
from collections.abc import Callable
from time import perf_counter

from twsim.gateway import accounts, history
from twsim.gateway import market_data as generic_ticks
from twsim.gateway.hub import ServerState
from twsim.gateway.market_data import send_day_changes, send_halts
from twsim.gateway.orders import deliver, deliver_unchanged, run_commands
from twsim.gateway.wire import Session, from_epoch

log = logging.getLogger("twsim")

FREE_BATCH_SECONDS = 0.02
"""How long free running may continue before clients get a chance, real seconds."""
LATE_SECONDS = 1.0
"""Lateness from which a paced run stops catching up, real seconds."""


class Clock:
    """Moves the hub's time. `fail` ends the run when a turn that a timer started goes wrong."""

    def __init__(self, hub: ServerState, fail: Callable[[BaseException], None]) -> None:
        self.hub = hub
        self._fail = fail
        self.finished = hub.now == hub.timeline.last
        self._asked: dict[Session, int] = {}
        self._resting: dict[Session, int] = {}
        self._started = hub.settings.holders == 0
        self._loop = asyncio.get_running_loop()
        self._origin = self._loop.time()
        self._simulated = 0
        self._timer: asyncio.TimerHandle | None = None
        self._last_turn = self._loop.time()
        self._named = False
        self._stopped = False
        self._watch: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Let time run on its own where a speed is given, and watch the holders of the clock."""
        self._origin = self._last_turn = self._loop.time()
        self._look_after()
        self.resume()

    def stop(self) -> None:
        """Stop for good: no timer and no turn after this."""
        self._stopped = True
        for timer in (self._timer, self._watch):
            if timer is not None:
                timer.cancel()
        self._timer = self._watch = None

    # ------------------------------------------------------------ the barrier

    def ask(self, session: Session, until: int) -> None:
        """Take reqCurrentTime: observers get the time at once, holders wait for the next fence.

        until: epoch seconds up to which the holder wants none without messages, 0 for the next instant.
        """
        if not (self.hub.settings.lockstep and session.asks_lockstep):
            faults = self.hub.faults
            reported = self.hub.now if faults is None else faults.reported_time(self.hub.now)
            if reported is not None:
                session.send(49, 1, reported)
            return
        self._asked[session] = self._asked.get(session, 0) + 1
        self._resting[session] = until
        self.resume()

    def left(self, session: Session) -> None:
        """Forget a client that is gone; the others may have waited for it."""
        self._asked.pop(session, None)
        self._resting.pop(session, None)
        if not self.hub.holders and not self._stopped:
            run_commands(self.hub)
            self.flush()
        self.resume()

    def resume(self) -> None:
        """Play or schedule the next turn if nothing prevents it."""
        if self._timer is not None or self._stopped:
            return
        holders = self.hub.holders
        if holders:
            self._started = self._started or (self._all_asked(holders) and len(holders) >= self.hub.settings.holders)
            if not (self._started and self._all_asked(holders)):
                return
            if self.hub.settings.speed is None or self.finished:
                self.turn()
            else:
                self._timer = self._loop.call_at(self._due(), self._timed, self._paced)
        elif self.hub.settings.speed is not None and self._started and not self.finished:
            self._timer = self._loop.call_at(self._due(), self._timed, self._free)

    def _all_asked(self, holders: list[Session]) -> bool:
        return all(each in self._asked for each in holders)

    # ------------------------------------------------------------ the pace

    def _due(self) -> float:
        """Return when the next turn is due, in the loop's real time; a late run is not rushed to catch up."""
        speed = self.hub.settings.speed or 1.0
        due = self._origin + (self._simulated + self.hub.settings.fence_seconds) / speed
        late = self._loop.time() - due
        if late > LATE_SECONDS:
            self._origin += late
            due += late
        return due

    def _timed(self, play: Callable[[], None]) -> None:
        self._timer = None
        self._guarded(play)

    def _guarded(self, play: Callable[[], None]) -> None:
        try:
            play()
        except Exception as failure:  # noqa: BLE001 - any error of our own ends the run, loudly
            self._fail(failure)

    def _paced(self) -> None:
        holders = self.hub.holders
        if holders and self._all_asked(holders):
            self.turn()
        else:
            self.resume()

    def _free(self) -> None:
        """Run up to the present, without a holder of the clock."""
        until = self._loop.time() + FREE_BATCH_SECONDS
        while not self.hub.holders and not self.finished and self._due() <= self._loop.time() < until:
            self._step()
            self.flush()
        self.resume()

    # ------------------------------------------------------------ a turn

    def turn(self) -> None:
        """Play one instant and send the fences."""
        self._step()
        while self.hub.faults is not None and self.hub.now < self.hub.faults.unresponsive_until and not self.finished:
            self._step()
        while self._may_go_on():
            self._step()
        for session in self._asked:
            session.send(49, 1, self.hub.now)
        self.hub.traffic.fences += 1
        self._asked = {session: count - 1 for session, count in self._asked.items() if count > 1}
        self._last_turn = self._loop.time()
        self._named = False
        self.flush()
        if self._asked:
            self._loop.call_soon(self._guarded, self.resume)

    def _may_go_on(self) -> bool:
        """Say whether this instant needs no fence: nothing was said, and no holder has anything due yet."""
        if self.finished or self.hub.settings.speed is not None or self.hub.commands or not self._asked:
            return False
        if any(count > 1 or self.hub.now >= self._resting[session] for session, count in self._asked.items()):
            return False
        return not any(session.out for session in self.hub.sessions.values())

    def flush(self) -> None:
        """Write what each client is due."""
        for session in self.hub.sessions.values():
            if session.out:
                session.flush()

    def _step(self) -> None:
        hub = self.hub
        if hub.commands:
            run_commands(hub)
        at = hub.timeline.after(hub.now)
        if at == hub.now:
            return
        data = hub.timeline.is_data(at)
        if data:
            hub.feed.before_move(hub.sessions.values())
        hub.now = at
        self._simulated += hub.settings.fence_seconds
        if at == hub.timeline.last:
            self.finished = True
            log.info("the last session is over; time stays at %s", hub.at.isoformat())
        if hub.faults is not None:
            hub.faults.before_move()
        if data:
            self._move_market()
        if reports := hub.exchange.advance(from_epoch(at)):
            deliver(hub, reports)
        for broker in hub.others.values():
            deliver_unchanged(hub, broker.advance(from_epoch(at)), broker)
        if data:
            accounts.after_move(hub)
        if hub.faults is not None:
            hub.faults.after_move()

    def _move_market(self) -> None:
        hub, traffic = self.hub, self.hub.traffic
        began = perf_counter()
        hub.market.advance(hub.at)
        if hub.faults is not None and hub.faults.quotes_stopped:
            return
        ticks = hub.feed.quotes()
        moved = perf_counter()
        hub.feed.send_changes(ticks)
        traffic.market_seconds += moved - began
        traffic.encode_seconds += perf_counter() - moved
        send_day_changes(hub)
        send_halts(hub)
        generic_ticks.refresh(hub)
        history.after_move(hub)

    # ------------------------------------------------------------ the watchdog

    def _look_after(self) -> None:
        limit = self.hub.settings.watchdog_seconds
        self._watch = self._loop.call_later(limit / 2, self._look_after)
        holders = self.hub.holders
        if not holders or self._named or self._loop.time() - self._last_turn < limit:
            return
        for session in holders:
            if session not in self._asked:
                self._named = True
                held = self._loop.time() - self._last_turn
                who = f"client {session.client_id} (API version {session.version})"
                log.warning("%s has held the clock for %.0f s at %s", who, held, self.hub.at.isoformat())
