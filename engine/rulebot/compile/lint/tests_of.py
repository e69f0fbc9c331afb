"""The single tests of a rule, each as the text says it beside what it was compiled to."""

from collections.abc import Iterator

from rulebot.compile.condition import is_ending
from rulebot.compile.plan import AllOf, AnyOf, Compare, Holds, Not, Truth
from rulebot.model.values import dataclass
from rulebot.spec.nouns.condition import Amount, Condition, ExpressionTest, Group, MeasureTest, Path


@dataclass(frozen=True, slots=True)
class SingleTest:
    """One comparison of a rule. wanted: False under `not`. is_alone: the rule is this test and nothing else."""

    said: MeasureTest | ExpressionTest
    test: Compare | Holds
    wanted: bool
    is_alone: bool

    def path(self, at: int = 0) -> Path:
        """Return where its bound stands; `at` is which of two."""
        said = self.said
        if not isinstance(said, MeasureTest) or said.comparison is None or is_ending(said.path):
            return said.path
        path: Path = (*said.path, said.comparison.op.value)
        return (*path, at) if len(said.comparison.operands) > 1 else path

    def amount(self, at: int = 0) -> Amount | None:
        """Return the bound as the text has it; None in an expression, or where it is a name."""
        said = self.said
        if not isinstance(said, MeasureTest) or said.comparison is None:
            return None
        operands = said.comparison.operands
        found = operands[at] if at < len(operands) else None
        return found if isinstance(found, Amount) else None


def singles(condition: Condition, truth: Truth) -> Iterator[SingleTest]:
    """Yield the tests of a condition and of what it was compiled to, in the order of the text."""
    is_alone = not isinstance(condition.test, Group) and isinstance(truth, Compare | Holds)
    yield from _of(condition, truth, wanted=True, is_alone=is_alone)


def _of(condition: Condition, truth: Truth, *, wanted: bool, is_alone: bool) -> Iterator[SingleTest]:
    match condition.test, truth:
        case Group(members=(only,)), Not(member):
            yield from _of(only, member, wanted=not wanted, is_alone=False)
        case Group(members=members), AllOf(members=truths) | AnyOf(members=truths):
            for each, one in zip(members, truths, strict=True):
                yield from _of(each, one, wanted=wanted, is_alone=False)
        case (MeasureTest() | ExpressionTest()) as said, _:
            yield from _inside(said, truth, wanted=wanted, is_alone=is_alone)


def _inside(said: MeasureTest | ExpressionTest, truth: Truth, *, wanted: bool, is_alone: bool) -> Iterator[SingleTest]:
    match truth:
        case Not(member):
            yield from _inside(said, member, wanted=not wanted, is_alone=False)
        case AllOf(members=members) | AnyOf(members=members):
            for member in members:
                yield from _inside(said, member, wanted=wanted, is_alone=False)
        case Compare() | Holds():
            yield SingleTest(said, truth, wanted, is_alone)
