"""What a gateway says before anything is asked of it: whose accounts it has, and whether it is a simulated one.

A noun alone, so that whoever judges it needs no client of a gateway.
"""

from datetime import datetime

from rulebot.model.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """What the gateway offers. told_at: the time of a simulated gateway's market, None at a real one."""

    accounts: tuple[str, ...]
    is_simulated: bool
    told_at: datetime | None
