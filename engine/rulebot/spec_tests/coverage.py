"""Which rules and which moves of a spec's life some test has tried, and which none has.

A rule is tried when a test saw it true, and false; a condition under `when` also when it was unknown, if what it reads
can be missing (without quotes no legs are chosen, so `require` is not judged then). Of the lifecycle those moves count
that the broker of tests can bring about; the rest (late fills, positions that vanish) is what `rulebot chaos` tries.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from rulebot.compile.plan import Plan, Rule
from rulebot.compile.variants import rules_of_members
from rulebot.model.values import dataclass
from rulebot.record.record import Kind, Record
from rulebot.spec_tests.outcome import OutcomeKind, Result

Move = tuple[str, str]
_TRUTHS = {True: "true", False: "false", None: "unknown"}
_SURE = frozenset({"time", "facts"})
"""What a test cannot take away: the clock, and calendars that came with the program."""


@dataclass(frozen=True, slots=True)
class TestCoverage:
    """One spec: how many things there are to try, and those that no test tries, in words."""

    bot: str
    count: int
    lacking: tuple[str, ...]

    @property
    def percent(self) -> int:
        """How much of it is tried, whole percents, rounded down: 100 is all of it."""
        return 100 * (self.count - len(self.lacking)) // self.count


def covered(results: Iterable[Result]) -> tuple[TestCoverage, ...]:
    """Return the coverage of every spec that was tested, by name."""
    by_bot: dict[str, list[Result]] = {}
    for result in results:
        by_bot.setdefault(result.planned.plan.name, []).append(result)
    return tuple(_covered(bot, found) for bot, found in sorted(by_bot.items()))


def _covered(bot: str, results: list[Result]) -> TestCoverage:
    wanted = tuple(dict.fromkeys(_wanted(results[0].planned.plan)))
    seen = {each for result in results for each in _seen(result)}
    return TestCoverage(bot, len(wanted), tuple(each for each in wanted if each not in seen))


# ---------------------------------------------------------------- what there is to try


def _wanted(plan: Plan) -> Iterator[str]:
    for rule in plan.entry.when:
        yield from _truths("when", rule, (True, False, *([None] if rule.reads - _SURE else [])))
    for rule in rules_of_members(plan):
        yield from _truths("universe", rule, (True, False))
    for choice in plan.choices:
        for rule in choice.when:
            yield from _truths("choose", rule, (True, False, *([None] if rule.reads - _SURE else [])))
        yield _taken(choice.name)
    for rule in (rule for each in plan.structures() for rule in each.require):
        yield from _truths("require", rule, (True, False))
    for rule in plan.risk.require:
        yield from _truths("risk", rule, (True, False))
    yield from _wanted_of_exits(plan)
    for row in plan.lifecycle.rows:
        if (row.state, row.trigger) in WALKS and WALKS[row.state, row.trigger](plan):
            yield _move(row.state, row.trigger)


def _wanted_of_exits(plan: Plan) -> Iterator[str]:
    for planned in plan.exits:
        if planned.rule is not None and not planned.resting:
            yield from _truths("exit", planned.rule, (True, False))
        yield _acts(planned.name)
        if planned.roll is not None:
            for rule in planned.roll.require:
                yield from _truths(f"roll {planned.name}", rule, (True, False))
    for rule in plan.risk.halt_when:
        yield from _truths("halts", rule, (True, False))
    if plan.risk.day.loss is not None:
        yield "halts daily_loss"
    if plan.risk.day.profit is not None:
        yield "halts daily_profit"


def _truths(place: str, rule: Rule, truths: Iterable[bool | None]) -> Iterator[str]:
    yield from (_truth(place, rule.name, truth) for truth in truths)


def _truth(place: str, name: str, truth: bool | None) -> str:
    return f"{place} {name}: never {_TRUTHS[truth]}"


def _acts(name: str) -> str:
    return f"exit {name}: never acts"


def _taken(alternative: str) -> str:
    return f"choose {alternative}: never taken"


def _move(state: str, trigger: str) -> str:
    return f"{state} ──{trigger}──▶: never walked"


def _always(_: Plan) -> bool:
    return True


def _is_watched(plan: Plan) -> bool:
    return any(each.rule is not None and not each.resting for each in plan.exits)


def _rests(plan: Plan) -> bool:
    return any(each.resting for each in plan.exits)


def _settles(plan: Plan) -> bool:
    return any(each.rule is None for each in plan.exits)


def _is_legged(plan: Plan) -> bool:
    return bool(plan.order.leg_by_leg)


def _has_parts(plan: Plan) -> bool:
    return plan.quantity > 1 or plan.overwrite is not None


WALKS: Mapping[Move, Callable[[Plan], bool]] = {
    ("flat", "enter"): _always,
    ("entering", "filled"): _always,
    ("entering", "ended_empty"): _always,
    ("entering", "rejected"): _always,
    ("entering", "ended_partly"): _has_parts,
    ("entering", "unwind"): _is_legged,
    ("open", "exit"): _is_watched,
    ("open", "closed_out"): _rests,
    ("open", "settled"): _settles,
    ("exiting", "filled"): _is_watched,
}
"""Moves that the broker of tests can cause, and for which specs they are required."""
CHAOS: frozenset[Move] = frozenset(
    {
        ("entering", "partly_filled"),
        ("entering", "exit"),
        ("entering", "settled"),
        ("open", "late_fill"),
        ("open", "rest_partly_filled"),
        ("open", "vanished"),
        ("exiting", "partly_filled"),
        ("exiting", "late_fill"),
        ("exiting", "ended"),
        ("exiting", "rejected"),
        ("exiting", "settled"),
        ("exiting", "vanished"),
        ("exiting", "closed_out"),
        ("closed", "late_fill"),
    }
)
"""The other moves of the lifecycle: a test may meet them, no gateway is used to."""


# ---------------------------------------------------------------- what a test tries


def _seen(result: Result) -> Iterator[str]:
    outcome = result.outcome
    if outcome is None:
        return
    for said in outcome.said:
        yield _truth(said.place, said.rule, said.truth)
    endings = {planned.name for planned in result.planned.plan.exits if planned.rule is None}
    for happening in outcome.happenings:
        if happening.what is OutcomeKind.EXITS:
            yield _acts(happening.name)
        elif happening.what is OutcomeKind.HALTS:
            yield f"halts {happening.name}"
    for record in outcome.simulated.records:
        yield from _seen_in(record, endings)


def _seen_in(record: Record, endings: Iterable[str]) -> Iterator[str]:
    """Yield what a record shows; endings: exits without a rule, which act as a position settles."""
    if record.kind is Kind.SELECTION and (taken := record.data.get("alternative")):
        yield _taken(str(taken))
    if record.kind is Kind.DECISION and record.data["what"] == "state":
        values = record.data["values"]
        assert isinstance(values, list)
        yield _move(str(values[0]), str(record.data["reason"]))
        if record.data["reason"] == "settled":
            yield from map(_acts, endings)
