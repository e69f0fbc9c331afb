"""Task T, the bot that is measured: sells a same-day iron condor by delta, and closes it at a cost, a delta or a time.

`variants` are fifty bots like it with other numbers; `document` writes one in the language of specs. Prices are natural
throughout: entries and exits are judged and filled at what the same snapshot would give at once.
"""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Task:
    """The numbers of one bot. Units: minutes after the open, strikes of 5 points, points, parts and multiples."""

    name: str
    first: int = 15
    last: int = 30
    vix_low: float = 14.0
    vix_high: float = 30.0
    delta: float = 0.10
    wing: int = 2
    credit: float = 0.50
    target: float = 0.5
    stop: float = 2.0
    leg_delta: float = 0.30
    until: int = 375


def variants(count: int) -> list[Task]:
    """Return `count` bots; the first is the task itself, the others differ by a fixed seed."""
    chance = random.Random(5)
    found = [Task("t_000")]
    for number in range(1, count):
        first = chance.randrange(5, 240)
        found.append(
            Task(
                f"t_{number:03d}",
                first=first,
                last=first + chance.choice((5, 15, 30)),
                vix_low=chance.choice((10.0, 12.0, 14.0)),
                vix_high=chance.choice((22.0, 26.0, 30.0)),
                delta=chance.choice((0.05, 0.08, 0.10, 0.12, 0.15, 0.20)),
                wing=chance.choice((1, 2, 3, 4)),
                credit=chance.choice((0.30, 0.50, 0.80)),
                target=chance.choice((0.4, 0.5, 0.6)),
                stop=chance.choice((1.5, 2.0, 3.0)),
                leg_delta=chance.choice((0.25, 0.30, 0.40)),
            )
        )
    return found


def reason_to_leave(
    task: Task, minute: int, credit: float, cost: float, call_delta: float, put_delta: float
) -> str | None:
    """Return why a position is closed now, None when it is not. The deltas of what was sold are without a sign."""
    if cost >= task.stop * credit - 1e-9:
        return "stop"
    if call_delta > task.leg_delta or put_delta > task.leg_delta:
        return "delta"
    if cost <= task.target * credit + 1e-9:
        return "profit"
    return "time" if minute >= task.until else None


def clock(minute: int) -> str:
    """Return New York time so many minutes after the open."""
    return f"{(570 + minute) // 60:02d}:{(570 + minute) % 60:02d}"


def document(task: Task) -> str:
    """Return the bot as a spec."""
    wing = f"{task.wing * 5} pts"
    return f"""rulebot: 1
name: {task.name}
about: Sells a same-day iron condor and closes it at a cost, a delta or a time.
underlying: SPX

entry:
  window: {{from: "{clock(task.first)}", to: "{clock(task.last + 1)}"}}
  per_day: 1
  when:
    - vix: {{between: [{task.vix_low:g}, {task.vix_high:g}]}}

legs:
  expiry: {{dte: 0}}
  on_conflict: allow
  short_call: {{sell: call, strike: {{delta: {task.delta:g}}}}}
  long_call:  {{buy: call,  strike: {{above: short_call, by: {wing}}}}}
  short_put:  {{sell: put,  strike: {{delta: {task.delta:g}}}}}
  long_put:   {{buy: put,   strike: {{below: short_put, by: {wing}}}}}
  require:
    - credit: {{at: natural, at_least: {task.credit:.2f}}}

order: {{start: natural, wait: 10s, tries: 1, then: cancel}}

exits:
  - cost: {{at: natural, at_least: {task.stop:g}x credit}}
    name: too_dear
  - leg_delta: {{above: {task.leg_delta:g}}}
  - cost: {{at: natural, at_most: {task.target:g}x credit}}
    name: cheap
  - time: "{clock(task.until)}"
exit_order: {{start: natural, wait: 10s, tries: 3, then: market}}

risk:
  max_loss_per_trade: $5000
"""
