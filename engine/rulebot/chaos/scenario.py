"""What happens in one trial: faults of the gateway, crashes of the engine, edits of its specs, on part of a day."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from enum import Enum

from rulebot.chaos.operator_actions import OperatorAction
from rulebot.chaos.spec_edits import Reload
from rulebot.model.session import EXCHANGE_ZONE, Session, exchange_date, sessions
from rulebot.model.values import dataclass
from twsim.gateway.fault_plan import FaultPlan, read_faults

Entry = Mapping[str, str | int | float | bool]
"""One fault as its file has it."""


class ScenarioMoment(Enum):
    """Where in the engine's work a crash falls.

    BEFORE_WRITE, AFTER_WRITE: of a durable write to the store. AFTER_COMMAND: an order, change or cancel was given to
    the connection. BEFORE_SEND, AFTER_SEND: of anything that is written to the connection. AT_START: after a durable
    write of a start that follows another end. AT_TIME: an instant is done. AT_STEP, START_STEP: before a step of the
    event loop, of any life or of a start that follows another end; at every await there is one.
    """

    BEFORE_WRITE = "before write"
    AFTER_WRITE = "after write"
    AFTER_COMMAND = "after command"
    BEFORE_SEND = "before send"
    AFTER_SEND = "after send"
    AT_START = "in start, after write"
    AT_TIME = "at"
    AT_STEP = "at step"
    START_STEP = "in start, at step"


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """One crash of the engine.

    number: of the writes, commands or sends of all lives so far; or of the writes of the start, or the steps of the
    life. at: for AT_TIME. arrives: what the engine has given to its connection still reaches the gateway. power: the
    power went too, so that only durable writes are left. away: virtual seconds until the next engine is started.
    """

    moment: ScenarioMoment
    number: int = 1
    at: datetime | None = None
    arrives: bool = True
    power: bool = False
    away: int = 0

    @property
    def kind(self) -> str:
        """Its name among the kinds of faults."""
        return "power_cut" if self.power else "crash"

    @property
    def label(self) -> str:
        """The name under which it is counted: where it falls makes it a kind of its own."""
        return f"{self.kind} {self.moment.value}"

    def __str__(self) -> str:
        """Return the crash in words."""
        when = f"{self.at.astimezone(EXCHANGE_ZONE):%H:%M:%S}" if self.at is not None else str(self.number)
        parts = [f"{self.kind}: {self.moment.value} {when}"]
        parts += [] if self.arrives else ["what was sent is lost"]
        parts += [f"away {self.away} s"] if self.away else []
        return ", ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosScenario:
    """One trial. Engine and faults begin at `begins`, faults end at `calm_at`, perhaps in the next session; the trial
    ends soon after that.

    lockstep: time waits for the engine; else it runs by itself, and what was said is under way for `delay` seconds.
    tells_time: the gateway offers no lockstep, so that the engine goes by the time that the broker tells.
    quantity: by what the quantity of each spec is multiplied.
    shares: what the account holds at the start, by symbol. names_account: the account document is named, where it
    changes; else it lies beside the specs.
    """

    seed: int
    day: date
    market: str | None
    begins: datetime
    calm_at: datetime
    ends_with_day: bool = False
    faults: tuple[Entry, ...] = ()
    crashes: tuple[Crash, ...] = ()
    acts: tuple[OperatorAction, ...] = ()
    reloads: tuple[Reload, ...] = ()
    names_account: bool = True
    lockstep: bool = True
    tells_time: bool = False
    delay: float = 0.0
    shares: tuple[tuple[str, int], ...] = ()
    quantity: int = 1

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The sessions that it lasts."""
        return tuple(sessions(self.day, exchange_date(self.calm_at)))

    @property
    def plan(self) -> FaultPlan:
        """The faults as the gateway follows them."""
        return read_faults(json.dumps({"faults": list(self.faults)}), "faults.json")

    @property
    def pieces(self) -> int:
        """How many faults, crashes, acts and reloads there are."""
        return len(self.faults) + len(self.crashes) + len(self.acts) + len(self.reloads)

    def keeping(self, places: Sequence[int]) -> "ChaosScenario":
        """Return the same trial with some of its faults, crashes, acts, reloads; places count in this order, from 0."""
        wanted, first = set(places), len(self.faults)
        second = first + len(self.crashes)
        faults = tuple(each for place, each in enumerate(self.faults) if place in wanted)
        crashes = tuple(each for place, each in enumerate(self.crashes, first) if place in wanted)
        acts = tuple(each for place, each in enumerate(self.acts, second) if place in wanted)
        reloads = tuple(each for place, each in enumerate(self.reloads, second + len(self.acts)) if place in wanted)
        return replace(self, faults=faults, crashes=crashes, acts=acts, reloads=reloads)


def yaml_of(storm: ChaosScenario) -> str:
    """Return the file that `rulebot gateway --faults` takes; what is not the gateway's, as comments."""
    lines = [] if storm.lockstep else [f"# time runs by itself, and all that is said takes {storm.delay:g} s"]
    if len(storm.sessions) > 1:
        lines.append(f"# over a night: --date {storm.day} --days {len(storm.sessions)}")
    if storm.quantity > 1:
        lines.append(f"# quantity: {storm.quantity} times that of each spec")
    lines += [f"# {each}" for each in (*storm.crashes, *storm.acts, *storm.reloads)]
    lines.append("faults:" if storm.faults else "faults: []")
    for entry in storm.faults:
        pairs = [f"{key}: {json.dumps(value)}" for key, value in entry.items()]
        lines += [f"  - {pairs[0]}", *(f"    {pair}" for pair in pairs[1:])]
    return "\n".join(lines) + "\n"
