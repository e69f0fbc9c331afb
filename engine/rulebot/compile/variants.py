"""A spec with `choose` is as many plain specs as it has alternatives: each is checked and compiled as if it were alone.

What is found in a plain spec is told once where all of them have it, else with the name of the alternative. Of what
stands outside of the alternatives nothing is said to be unlikely unless it is so for each of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rulebot.compile.problem import Problem
from rulebot.model.values import dataclass
from rulebot.spec.nouns.condition import Path
from rulebot.spec.nouns.legs import Alternative
from rulebot.spec.spec import Spec


@dataclass(frozen=True, slots=True)
class Variant:
    """One plain spec: the alternative that it takes, None where there is no choice."""

    spec: Spec
    alternative: Alternative | None = None

    @property
    def path(self) -> Path | None:
        """Where the alternative stands."""
        return None if self.alternative is None else self.alternative.path


def variants(spec: Spec) -> tuple[Variant, ...]:
    """Return the plain specs of a spec, in the order of its alternatives."""
    if not spec.legs.choose:
        return (Variant(spec),)
    return tuple(Variant(taking(spec, each), each) for each in spec.legs.choose)


def read_for(spec: Spec, symbol: str) -> Spec:
    """Return the spec with this symbol of its universe as its underlying."""
    return replace(spec, underlyings=(symbol,))


def taking(spec: Spec, alternative: Alternative) -> Spec:
    """Return the spec as if this alternative were its only structure: its conditions are asked beside the entry's."""
    legs = replace(
        spec.legs,
        expiry=alternative.expiry or spec.legs.expiry,
        legs=alternative.legs,
        choose=(),
        require=spec.legs.require if alternative.require is None else alternative.require,
        path=(*alternative.path, "name"),
    )
    return replace(spec, legs=legs, entry=replace(spec.entry, when=(*spec.entry.when, *alternative.when)))


def before_the_choice(spec: Spec) -> Spec:
    """Return the plain spec in which conditions of entry and halts are read: with the expiry that `legs` names."""
    first = taking(spec, spec.legs.choose[0]).legs
    legs = tuple(replace(leg, expiry=None) for leg in first.legs)
    return replace(spec, legs=replace(first, expiry=spec.legs.expiry, legs=legs))


def choice_problems(spec: Spec) -> Iterator[Problem]:
    """Yield RB233 for an alternative that stands below one that is always taken."""
    always = next((each for each in spec.legs.choose if not each.when), None)
    if always is not None and always is not spec.legs.choose[-1]:
        below = spec.legs.choose[spec.legs.choose.index(always) + 1]
        message = f"'{below.name}' is never taken: '{always.name}' above it has no 'when', and always is"
        yield Problem("RB233", (*below.path, "name"), message, "put the one without 'when' last")


def alternatives_text(found: Sequence[tuple[Variant, Sequence[Problem]]]) -> list[Problem]:
    """Return the problems of all plain specs, each once."""
    return list(dict.fromkeys(_told(found)))


def _told(found: Sequence[tuple[Variant, Sequence[Problem]]]) -> Iterator[Problem]:
    lists = [frozenset(problems) for _, problems in found]
    marked = [frozenset(each.path for each in problems if each.is_warning) for problems in lists]
    for variant, problems in found:
        for problem in problems:
            is_of_all = variant is found[0][0] and all(problem.path in each for each in marked)
            if (
                all(problem in each for each in lists)
                or _stands_in(variant, problem)
                or (is_of_all and problem.is_warning)
            ):
                yield problem
            elif variant.alternative is not None and not problem.is_warning:
                yield _named(problem, variant.alternative.name)


def _named(problem: Problem, alternative: str) -> Problem:
    help_text = "'profit' and 'loss' mean what is sold and what is bought" if problem.code == "RB205" else problem.help
    return problem._replace(message=f"with '{alternative}': {problem.message}", help=help_text)


def _stands_in(variant: Variant, problem: Problem) -> bool:
    path = variant.path
    return path is not None and problem.path[: len(path)] == path
