"""Measures of the desk as a whole: what the account has, what another bot does, how a bot last left."""

from collections.abc import Callable
from datetime import date, datetime, time

from rulebot.measure.definition import TEXT, TRUTH, Measure, Parameter, Takes
from rulebot.measure.evaluation import Evaluation
from rulebot.measure.ranges import TRUE_OR_FALSE, stretch
from rulebot.measure.reading import Context, Judge
from rulebot.measure.tree import Call, Quantity
from rulebot.measure.usual import Usual
from rulebot.measure.view import BotView, View
from rulebot.model.facts import Hook
from rulebot.model.session import EXCHANGE_ZONE, at_exchange_time


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

    def judge(view: View) -> Evaluation:
        found = view.bot_view(name)
        if found is None:
            return Evaluation(None, missing=f"no bot {name} is run")
        truth, detail = said(found)
        return Evaluation(truth, detail=detail)

    return judge


# --- The measure of what other programs send

NO_DOOR = "no web hooks are received here (docs/hooks.md)"


def webhook(call: Call, context: Context) -> Callable[[View], Evaluation]:
    """Bind `webhook`: the last one of that name came today, less than so long ago, and says what is asked."""
    arguments = dict(call.arguments)
    name, within, asked = str(arguments["name"]), float(str(arguments["within"])), arguments.get("says")
    midnights: dict[date, float] = {}

    def judge(view: View) -> Evaluation:
        hooks, day = view.facts.hooks, view.session.date
        if hooks is None:
            return Evaluation(None, missing=NO_DOOR)
        if day not in midnights:
            midnights.clear()
            midnights[day] = at_exchange_time(day, time()).timestamp()
        found = hooks.get(name)
        if found is None or found.came < midnights[day]:
            return Evaluation(False, detail="none came today")
        is_old = view.now - found.came >= within
        return Evaluation(not is_old and asked in (None, found.says), detail=_reported(found, is_old=is_old))

    return judge


def _reported(hook: Hook, *, is_old: bool) -> str:
    """Return `came 10:35:00, says up`."""
    came = f"came {datetime.fromtimestamp(hook.came, EXCHANGE_ZONE):%H:%M:%S}"
    return ", ".join((came, *([f"says {hook.says}"] if hook.says else []), *(["too long ago"] if is_old else [])))


MEASURES: tuple[Measure, ...] = (
    Measure(
        name="bot",
        title="Bot",
        about="What another bot of this run does.",
        formula="`open` while that bot holds anything, `flat` while it holds nothing and no order of it works.",
        source="positions and orders of the bots of this run",
        units=TEXT,
        words={
            "open": "",
            "flat": "the bot holds nothing and has no working order",
        },
        parameters=(
            Parameter(
                name="called",
                takes=Takes.BOT,
                required=True,
                about="Which bot, by its name.",
                example="put_lite",
                ref="own_name",
            ),
        ),
        max_age=None,
        reads=("time",),
        judge_word=bot,
        reach=(*stretch(0.0, 0.0), *stretch(1.0, 1.0), *stretch(2.0, 2.0)),
        phrase=lambda words: f"the bot {words.given('called')}",
        subject="Whether it holds anything, or holds nothing while nothing works.",
        examples=({"called": "put_lite", "is": "flat"},),
        is_of_desk=True,
    ),
    Measure(
        name="last_exit",
        title="Last exit",
        about="The exit that ended a position last in this session.",
        formula="The name of the exit that ended a position of that bot last in this session; false while none has.",
        source="positions and orders of the bots of this run",
        units=TEXT,
        parameters=(
            Parameter(
                name="called",
                takes=Takes.BOT,
                default="this one",
                about="Which bot, by its name; by default this one.",
                example="put_lite",
                ref="own_name",
            ),
        ),
        max_age=None,
        reads=("time",),
        judge_word=last_exit,
        reach=TRUE_OR_FALSE,
        phrase=lambda words: f"the last exit of {words.given('called')} today",
        subject="The name of the exit.",
        bound="own_name",
        examples=({"is": "stop"},),
        is_of_desk=True,
    ),
    Measure(
        name="webhook",
        title="Web hook",
        about=(
            "True while the last web hook of this name came less than this long ago, today; unknown while none "
            "can be received."
        ),
        formula=(
            "The last hook of that name came today, less than `within` ago, and brought the word that it `says`; "
            "unknown while no hooks can come."
        ),
        source="web hooks of other programs",
        units=TRUTH,
        parameters=(
            Parameter(
                name="name",
                takes=Takes.HOOK,
                required=True,
                about="Which web hook: the last part of the address that it is sent to.",
                example="uptrend",
                ref="own_name",
            ),
            Parameter(
                name="within",
                takes=Takes.SECONDS,
                required=True,
                about="How long it counts.",
                example="30m",
                ref="some_time",
            ),
            Parameter(
                name="says",
                takes=Takes.WORD,
                about="The word that the last one must have brought; by default any, or none.",
                example="up",
                ref="own_name",
            ),
        ),
        max_age=None,
        reads=("hooks",),
        judge=webhook,
        usual={Quantity.SECONDS: Usual(1.0, 86399.0, shifts=False)},
        reach=TRUE_OR_FALSE,
        phrase=lambda words: f"a web hook {words.given('name')}",
        node={"x-owed": "a web hook, as in '{name: uptrend, within: 30m}'"},
        examples=({"name": "uptrend", "within": "30m"}, {"name": "trend", "says": "up", "within": "2h"}),
    ),
)
