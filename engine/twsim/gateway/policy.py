"""The seam through which faults come in: what the gateway asks before it accepts, does or says something.

A gateway without faults has no policy (None), and asks nothing.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from twsim.gateway.lines import MarketDataLine
from twsim.gateway.session import Session, Traffic
from twsim.seams import OrderView, Report, Ticket

Row = TypeVar("Row")


class FaultPolicy(Protocol):
    """Decides what goes wrong. All times are those of the gateway's clock."""

    @property
    def quotes_stopped(self) -> bool:
        """True while no quotes go out."""

    @property
    def link_lost(self) -> bool:
        """True while the gateway has lost the broker: commands wait and reports are kept."""

    @property
    def fired(self) -> Mapping[int, int]:
        """How often each fault has done something, by its place in the plan."""

    @property
    def fired_open(self) -> Mapping[int, int]:
        """The same for what came while the account held options."""

    def calm(self) -> None:
        """Let nothing new go wrong."""

    def attach(self, fail: Callable[[BaseException], None]) -> None:
        """Learn how an error of our own ends the run."""

    def session(self, transport: asyncio.Transport, traffic: Traffic, queue_bytes: int) -> Session:
        """Return a client whose connection can misbehave."""

    @property
    def is_down(self) -> bool:
        """True while nobody can connect."""

    def told_time(self, now: int) -> int | None:
        """Return the time that a client is told who does not hold the clock, None when it is told none."""

    @property
    def asleep_until(self) -> int:
        """The virtual time until which the machine of the clients sleeps: time passes without them."""

    def refuses(self, session: Session) -> bool:
        """Say whether this client is told that its id is in use."""

    def hangs_up(self, session: Session) -> bool:
        """Say whether this client is turned away without a word."""

    def accounts(self, session: Session, own: str) -> str:
        """Return the accounts that a client is told of."""

    def account_values(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return the values of the account as clients are told them."""

    def rows(self, session: Session, what: str, rows: list[Row], again: Callable[[list[Row]], None]) -> list[Row]:
        """Return the rows of a list that a client gets; those that are left out come `again` later, if at all."""

    def ends(self, session: Session, what: str) -> bool:
        """Say whether the end of a list is told."""

    def connected(self, session: Session) -> None:
        """Act on a client that has just had its greeting."""

    def holds(self, session: Session, payload: bytes) -> bool:
        """Say whether this request is kept, to be answered later."""

    def opens(self, session: Session, line: MarketDataLine, *, snapshot: bool) -> bool:
        """Say whether a market data line opens as it should; when not, this has dealt with it."""

    def place(self, ticket: Ticket) -> list[Report]:
        """Give an order to the broker, or do not."""

    def cancel(self, client_id: int, order_id: int) -> list[Report]:
        """Give a cancel to the broker."""

    def reports(self, reports: list[Report]) -> list[Report]:
        """Return what the clients hear of these reports now."""

    def shown(self, view: OrderView) -> OrderView:
        """Return an order as lists show it."""

    def shows_execution(self, exec_id: str) -> bool:
        """Say whether the answer to reqExecutions has this execution."""

    def shows_commission(self, exec_id: str) -> bool:
        """Say whether the answer to reqExecutions has the commission of this execution."""

    def before_move(self) -> None:
        """Act on a new instant, before the market moves."""

    def after_move(self) -> None:
        """Act on a new instant, after the broker has reported."""
