"""The measure of what other programs send: `webhook`."""

from collections.abc import Callable
from datetime import date, datetime, time

from rulebot.measure.definition import TRUTH, Measure, Parameter, Takes
from rulebot.measure.ranges import TRUE_OR_FALSE
from rulebot.measure.reading import Context
from rulebot.measure.tree import Call, Quantity
from rulebot.measure.usual import Usual
from rulebot.measure.verdict import Verdict
from rulebot.measure.view import View
from rulebot.model.facts import Hook
from rulebot.model.session import EXCHANGE_ZONE, at_exchange_time

NO_DOOR = "no web hooks are received here (docs/hooks.md)"


def webhook(call: Call, context: Context) -> Callable[[View], Verdict]:
    """Bind `webhook`: the last one of that name came today, less than so long ago, and says what is asked."""
    arguments = dict(call.arguments)
    name, within, asked = str(arguments["name"]), float(str(arguments["within"])), arguments.get("says")
    midnights: dict[date, float] = {}

    def judge(view: View) -> Verdict:
        hooks, day = view.facts.hooks, view.session.date
        if hooks is None:
            return Verdict(None, missing=NO_DOOR)
        if day not in midnights:
            midnights.clear()
            midnights[day] = at_exchange_time(day, time()).timestamp()
        found = hooks.get(name)
        if found is None or found.came < midnights[day]:
            return Verdict(False, detail="none came today")
        is_old = view.now - found.came >= within
        return Verdict(not is_old and asked in (None, found.says), detail=_told(found, is_old=is_old))

    return judge


def _told(hook: Hook, *, is_old: bool) -> str:
    """Return `came 10:35:00, says up`."""
    came = f"came {datetime.fromtimestamp(hook.came, EXCHANGE_ZONE):%H:%M:%S}"
    return ", ".join((came, *([f"says {hook.says}"] if hook.says else []), *(["too long ago"] if is_old else [])))


MEASURES: tuple[Measure, ...] = (
    Measure(
        name="webhook",
        formula=(
            "The last hook of that name came today, less than `within` ago, and brought the word that it `says`; "
            "unknown while no hooks can come."
        ),
        source="web hooks of other programs",
        units=TRUTH,
        parameters=(
            Parameter(name="name", takes=Takes.HOOK, required=True),
            Parameter(name="within", takes=Takes.SECONDS, required=True),
            Parameter(name="says", takes=Takes.WORD),
        ),
        max_age=None,
        reads=("hooks",),
        judge=webhook,
        usual={Quantity.SECONDS: Usual(1.0, 86399.0, shifts=False)},
        reach=TRUE_OR_FALSE,
        phrase=lambda words: f"a web hook {words.given('name')}",
    ),
)
