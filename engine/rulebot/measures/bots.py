"""Measures of the desk as a whole: what the account has, what another bot does, how a bot last left."""

from collections.abc import Callable

from rulebot.measure.definition import TEXT, Measure, Parameter, Takes
from rulebot.measure.ranges import TRUE_OR_FALSE, stretch
from rulebot.measure.reading import Context, Judge
from rulebot.measure.tree import Call
from rulebot.measure.verdict import Verdict
from rulebot.measure.view import BotView, View


def bot(call: Call, context: Context, word: str) -> Judge:
    """Bind `bot`: open while it holds anything, flat while it holds nothing and no order of it works."""

    def said(found: BotView) -> tuple[bool, str]:
        state = "open" if found.holds else "flat" if not found.works else "neither: its entry works"
        return state == word, state

    return _of_bot(call, said)


def last_exit(call: Call, context: Context, word: str) -> Judge:
    """Bind `last_exit`: the exit that ended a position of the bot last in this session; none has is false."""
    return _of_bot(call, lambda found: (found.last_exit == word, found.last_exit or "none today"))


def _of_bot(call: Call, said: Callable[[BotView], tuple[bool, str]]) -> Judge:
    name = str(call.argument("called"))

    def judge(view: View) -> Verdict:
        found = view.bot_view(name)
        if found is None:
            return Verdict(None, missing=f"no bot {name} is run")
        truth, detail = said(found)
        return Verdict(truth, detail=detail)

    return judge


MEASURES: tuple[Measure, ...] = (
    Measure(
        name="bot",
        formula="`open` while that bot holds anything, `flat` while it holds nothing and no order of it works.",
        source="positions and orders of the bots of this run",
        units=TEXT,
        words=("open", "flat"),
        parameters=(Parameter(name="called", takes=Takes.BOT, required=True),),
        max_age=None,
        reads=("time",),
        judge_word=bot,
        reach=(*stretch(0.0, 0.0), *stretch(1.0, 1.0), *stretch(2.0, 2.0)),
        phrase=lambda words: f"the bot {words.given('called')}",
    ),
    Measure(
        name="last_exit",
        formula="The name of the exit that ended a position of that bot last in this session; false while none has.",
        source="positions and orders of the bots of this run",
        units=TEXT,
        parameters=(Parameter(name="called", takes=Takes.BOT, default="this one"),),
        max_age=None,
        reads=("time",),
        judge_word=last_exit,
        reach=TRUE_OR_FALSE,
        phrase=lambda words: f"the last exit of {words.given('called')} today",
    ),
)
