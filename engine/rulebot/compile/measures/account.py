"""Measures of the account, of other bots, and of what other programs send."""

from rulebot.compile.plan import Quantity
from rulebot.measure.definition import EVERYWHERE, PLAIN, SYMBOL, TRUTH, Measure, Parameter, Takes
from rulebot.spec.nouns import Unit

SHARES = (
    Measure(
        name="shares_held",
        units=PLAIN,
        parameters=(SYMBOL,),
        source="positions of the account and of all bots",
        max_age=None,
        places=EVERYWHERE,
        reads=("facts", "position"),
        formula="Shares in the account less those that short calls need, of all bots and sold by hand; never below 0.",
    ),
    Measure(
        name="cost_basis",
        units=((Unit.NUMBER, Quantity.POINTS), (Unit.POINTS, Quantity.POINTS)),
        parameters=(SYMBOL,),
        source="positions of the account",
        max_age=None,
        places=EVERYWHERE,
        reads=("facts",),
        formula="The broker's average cost of the shares in the account, commissions included, and the "
        "premium of an option that brought them, which IBKR counts a day or two later; unknown without shares.",
    ),
)


def _of_account(name: str, formula: str) -> Measure:
    return Measure(
        name=name,
        units=((Unit.DOLLARS, Quantity.DOLLARS),),
        source="the account as the broker last told",
        max_age=None,
        places=EVERYWHERE,
        reads=("facts",),
        formula=formula,
    )


def _of_bot(name: str, parameter: Parameter, formula: str, words: tuple[str, ...] = ()) -> Measure:
    return Measure(
        name=name,
        units=((Unit.NUMBER, Quantity.TEXT),),
        parameters=(parameter,),
        source="positions and orders of the bots of this run",
        max_age=None,
        places=EVERYWHERE,
        reads=("time",),
        formula=formula,
        words=words,
    )


HOOKS = (
    Measure(
        name="webhook",
        units=TRUTH,
        parameters=(
            Parameter(name="name", takes=Takes.HOOK, required=True),
            Parameter(name="within", takes=Takes.SECONDS, required=True),
            Parameter(name="says", takes=Takes.WORD),
        ),
        source="web hooks of other programs",
        max_age=None,
        places=EVERYWHERE,
        reads=("hooks",),
        formula="The last hook of that name came today, less than `within` ago, and brought the word that it `says`; "
        "unknown while no hooks can come.",
    ),
)

DESK = (
    _of_account("buying_power", "What the account can still buy, dollars, by the broker's own rules."),
    _of_account("net_liquidation", "What the account would come to if all of it were closed now, dollars."),
    _of_bot(
        "bot",
        Parameter(name="called", takes=Takes.BOT, required=True),
        "`open` while that bot holds anything, `flat` while it holds nothing and no order of it works.",
        ("open", "flat"),
    ),
    _of_bot(
        "last_exit",
        Parameter(name="called", takes=Takes.BOT, default="this one"),
        "The name of the exit that ended a position of that bot last in this session; false while none has.",
    ),
)
