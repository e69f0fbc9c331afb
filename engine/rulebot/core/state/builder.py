"""One turn in progress: it starts from a State and ends as a new State with records and commands.

Nothing outside a turn sees a StateBuilder. Each changed entity is recorded whole, once, at the end of the turn. Other
records keep their order.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from rulebot.core.program import Program
from rulebot.core.state.state import Reading, State
from rulebot.model.errors import InvariantError
from rulebot.model.order import Command
from rulebot.record.record import Json, Kind, Record

K = TypeVar("K")
V = TypeVar("V")


Take = Callable[["StateBuilder", object], None]


class StateBuilder:
    """The scratch of one turn. Its tables are the state's own until they change: then they are copied, once."""

    __slots__ = (
        *State._fields, "program", "before", "at", "now", "records", "commands", "own", "readings",
        "dirty_orders", "dirty_positions", "dirty_days", "reported_ends", "_take",
    )  # fmt: skip

    def __init__(self, program: Program, state: State, at: datetime, take: Take | None = None) -> None:
        """take: hands a fact to the stage that takes it; None where a state is only looked at."""
        self.program = program
        self.before = state
        self.at = at
        self.now = at.timestamp()
        self.schedule, self.market, self.subscriptions = state.schedule, state.market, state.subscriptions
        self.connection, self.requests, self.account = state.connection, state.requests, state.account
        self.orders, self.inquiries, self.positions, self.bots = (
            state.orders,
            state.inquiries,
            state.positions,
            state.bots,
        )
        self.records: list[Record] = []
        self.commands: list[Command] = []
        self.own: set[str] = set()
        self.readings: dict[str, dict[tuple[str, str], Reading]] = {}
        self.dirty_orders: dict[str, None] = {}
        self.dirty_positions: dict[str, None] = {}
        self.dirty_days: dict[str, None] = {}
        self.reported_ends: set[str] = set()
        self._take = take

    @property
    def state(self) -> State:
        """The state as it is by now."""
        return State(
            self.schedule, self.market, self.subscriptions, self.connection, self.requests, self.account,
            self.orders, self.inquiries, self.positions, self.bots,
        )  # fmt: skip

    def follow_up(self, fact: object) -> None:
        """Have the stage that takes this fact do so, before anything else. Raises: InvariantError without stages."""
        if self._take is None:
            raise InvariantError(f"{type(fact).__name__} where a state is only looked at")
        self._take(self, fact)

    def record(self, kind: Kind, bot: str = "", position: str = "", /, **data: Json) -> None:
        """Add a happening."""
        self.records.append(Record(self.at, kind, bot, position, data))

    def table(self, name: str, table: Mapping[K, V]) -> dict[K, V]:
        """Return a table to be changed in this turn: a copy, made at its first change. Its owner keeps it."""
        if name in self.own:
            assert isinstance(table, dict)
            return table
        self.own.add(name)
        return dict(table)
