"""Faults of the account: for a while the broker's server does not know what it has, as while it is being reset."""

from collections.abc import Mapping

from twsim.gateway.accounts import READY, is_amount, tell_ready, tell_values
from twsim.gateway.fault_agenda import FaultScheduler
from twsim.gateway.fault_plan import Fault
from twsim.gateway.hub import ServerState

NOTHING = "0.00"


class AccountFaults:
    """Knows until when the account is not ready. What is told of it until then is that it has nothing."""

    def __init__(self, hub: ServerState, agenda: FaultScheduler) -> None:
        self._hub = hub
        self._agenda = agenda
        self._until = 0

    def begin(self, fault: Fault, client_id: int | None) -> None:
        """Let the account be not ready, and tell every client that hears of it."""
        self._until = max(self._until, self._hub.now + int(fault.seconds()))
        tell_values(self._hub, self._hub.brokers[0])
        self._agenda.later(fault.seconds(), self._end)

    def _end(self) -> None:
        """Say that it is ready, and no more: the rest is told when it is asked for, or within three minutes."""
        if self._until and self._until <= self._hub.now:
            self._until = 0
            tell_ready(self._hub, self._hub.exchange)

    def calm(self) -> None:
        """Let it be ready."""
        self._until = min(self._until, self._hub.now)
        self._end()

    def told(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return the account values as clients are told them."""
        if not self._until:
            return dict(values)
        found = {key: NOTHING if is_amount(key, value) else value for key, value in values.items()}
        return found | {READY: "false"}
