"""What an explanation is about: one bot as written, as compiled, and as it might trade."""

from rulebot.compile.plan import ExitPlan, Plan
from rulebot.compile.variants import variants
from rulebot.core.program import CompiledBot, compile_bot
from rulebot.evaluate.phrases import NamingContext, naming_context
from rulebot.model.values import dataclass
from rulebot.review.example import Example, example_of
from rulebot.review.spoken import exits_as_written
from rulebot.spec.spec import Spec


@dataclass(frozen=True, slots=True)
class Subject:
    """One bot. `example` is None when the example's market has no strikes that its legs would take.

    alternatives: of `choose`, each by its name as a bot that has no other structure; the rest is that of the first.
    """

    spec: Spec
    bot: CompiledBot
    example: Example | None
    alternatives: "tuple[tuple[str, Subject], ...]" = ()

    @property
    def plan(self) -> Plan:
        """Return the bot, compiled."""
        return self.bot.plan

    @property
    def exits(self) -> tuple[ExitPlan, ...]:
        """Return its exits as the spec says them, in order of priority."""
        return exits_as_written(self.plan)

    @property
    def cast(self) -> NamingContext:
        """Return whom its rules speak of."""
        return naming_context(self.plan)


def subject_of(spec: Spec, plan: Plan) -> Subject:
    """Return the bot with its example."""
    bot = compile_bot(plan)
    if not plan.choices:
        return Subject(spec, bot, example_of(plan))
    pairs = zip(variants(spec), bot.choices, strict=True)
    found = [(choice.name, Subject(variant.spec, choice.bot, example_of(choice.bot.plan))) for variant, choice in pairs]
    return Subject(spec, bot, found[0][1].example, tuple(found))
