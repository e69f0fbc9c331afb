"""Measures of the desk as a whole: what the account has, what another bot does, how a bot last left."""

from collections.abc import Callable

from rulebot.measure.reading import Context, Read, Reading, UnknownValue
from rulebot.measure.tree import Call
from rulebot.measure.verdict import Verdict
from rulebot.measure.view import BotView, View

Judge = Callable[[View], Verdict]


def of_account(call: Call, context: Context) -> Read:
    """Bind `buying_power` and `net_liquidation`, dollars."""
    name = call.measure

    def read(view: View) -> Reading:
        found = getattr(view.facts.account, name)
        return UnknownValue(f"the account has not told its {name.replace('_', ' ')}") if found is None else float(found)

    return read


DESK: dict[str, Callable[[Call, Context], Read]] = {"buying_power": of_account, "net_liquidation": of_account}


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


WORDS: dict[str, Callable[[Call, Context, str], Judge]] = {"bot": bot, "last_exit": last_exit}
"""Measures that are compared with a word: true while it is the word that fits."""
