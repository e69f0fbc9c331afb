"""A test document against its spec: the plan that each test runs, and every problem between the two."""

from collections.abc import Callable, Mapping

from rulebot.compile.build import build_plan, diagnosed
from rulebot.compile.plan import Plan
from rulebot.compile.problem import Problem
from rulebot.compile.trial_names import trial_problems
from rulebot.model.values import dataclass
from rulebot.spec.conditions import mapping, sequence
from rulebot.spec.diagnostic import Diagnostic, headline, in_file_order
from rulebot.spec.load import Loaded
from rulebot.spec.trial import Trial

Read = Callable[[Mapping[str, str]], Loaded]
"""Returns the tested spec with parameters overridden. Raises: OSError."""


@dataclass(frozen=True, slots=True)
class PlannedTest:
    """A test with the plan it runs."""

    trial: Trial
    plan: Plan


def planned_trials(tests: Loaded, read: Read) -> tuple[tuple[PlannedTest, ...], tuple[Diagnostic, ...]]:
    """Return the tests of a document with their plans, and the problems; with problems no test can be run."""
    planned: list[PlannedTest] = []
    problems: list[Problem] = []
    plans: dict[tuple[tuple[str, str], ...], Plan | Problem] = {}
    for trial in tests.tests.trials if tests.tests is not None else ():
        key = tuple(sorted(trial.settings.items()))
        if key not in plans:
            plans[key] = _plan(trial, read)
        plan = plans[key]
        if isinstance(plan, Problem):
            problems.append(plan)
            continue
        planned.append(PlannedTest(trial, plan))
        problems += trial_problems(trial, plan, _given(tests, trial))
    return tuple(planned), in_file_order(diagnosed(problem, tests.source) for problem in problems)


def _plan(trial: Trial, read: Read) -> Plan | Problem:
    try:
        spec = read(trial.settings)
    except OSError as error:
        return Problem("RB281", ("spec",), f"the spec cannot be read: {error.strerror or error}")
    plan, found = (None, []) if spec.spec is None else build_plan(spec.spec, spec.source, with_warnings=False)
    if plan is not None:
        return plan
    if trial.settings and _is_fine(read):
        named = ", ".join(f"{name}={value}" for name, value in trial.settings.items())
        first = next((headline(each) for each in (*spec.diagnostics, *found) if each.is_error), "")
        return Problem("RB281", (*trial.path, "set"), f"the spec has problems with {named}", first, on_key=True)
    help = f"'rulebot validate {spec.source.file}' says which"
    message = "this is no spec of a bot" if not spec.diagnostics else "the spec has problems"
    return Problem("RB281", ("spec",), message, help)


def _is_fine(read: Read) -> bool:
    return read({}).is_fine


def _given(tests: Loaded, trial: Trial) -> tuple[str, ...]:
    """Return the keys of a test's market as they are written."""
    assert isinstance(tests.source.tree, dict)
    tree = mapping(sequence(tests.source.tree["tests"])[int(trial.path[1])])
    return tuple(mapping(tree.get("market", {})))
