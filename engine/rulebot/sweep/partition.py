"""How a sweep is divided into tasks: some variants over some sessions each, so that little is done twice."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

from rulebot.sweep.compiling import EvaluationWay, VariantTerms
from rulebot.sweep.evaluate import Asked, Span


class Task(NamedTuple):
    """Some variants, to be lived through the sessions of a span. sessions: how many, each once for each variant."""

    asked: Sequence[Asked]
    span: Span
    sessions: int


class EvaluationMode(NamedTuple):
    """How variants are lived through. tasks: for each worker; most: variants of one task.

    lives: how long a variant takes for one session. Unit: the time in which one is compiled.
    """

    tasks: int
    most: int
    lives: float


BY_TURNS = EvaluationMode(tasks=2, most=20, lives=6.0)
BY_ARRAYS = EvaluationMode(tasks=1, most=1_000, lives=0.03)
READ = 10.0
"""How long it takes to read a session, in the same unit; it may be more."""


class Shape(NamedTuple):
    """Into how many parts variants and sessions are divided: a task is one of each."""

    variants: int
    sessions: int


def shape_of(variants: int, sessions: int, workers: int, manner: EvaluationMode) -> Shape:
    """Return how to divide them so that all is done soonest: each task reads its sessions and compiles its variants."""
    count = manner.tasks * workers
    least = -(-variants // manner.most)

    def divided(spans: int) -> Shape:
        return Shape(min(max(least, -(-count // spans)), variants), spans)

    def time(shape: Shape) -> float:
        each, days = -(-variants // shape.variants), -(-sessions // shape.sessions)
        rounds = -(-shape.variants * shape.sessions // workers)
        return rounds * (days * READ + each + days * each * manner.lives)

    return min(map(divided, range(1, min(count, sessions) + 1)), key=time)


def spans_of(days: Sequence[date], terms: VariantTerms, count: int) -> list[Span]:
    """Return all days of a sweep in so many spans of as many sessions each."""
    begins = [terms.first, *(days[len(days) * number // count] for number in range(1, count))]
    ends = [*(begin - timedelta(days=1) for begin in begins[1:]), terms.last]
    return list(zip(begins, ends, strict=True))


def tasks(
    asked: Sequence[Asked], terms: VariantTerms, days: Sequence[date], workers: int, way: EvaluationWay
) -> list[Task]:
    """Return the variants in tasks, a few for each worker, so that all end together, and none too large.

    Where sessions are apart these are divided too. By arrays there is one task for each worker: variants take less time
    there than the sessions that they are lived through. days: those that the source has.
    """
    divided = days if way.is_apart and workers > 1 else ()
    shape = shape_of(len(asked), max(len(divided), 1), workers, BY_ARRAYS if way.by_arrays else BY_TURNS)
    size = -(-len(asked) // shape.variants)
    chunks = [asked[begin : begin + size] for begin in range(0, len(asked), size)]
    spans = [
        (span, sum(span[0] <= day <= span[1] for day in days)) for span in spans_of(divided, terms, shape.sessions)
    ]
    return [Task(chunk, span, len(chunk) * count) for chunk in chunks for span, count in spans]
