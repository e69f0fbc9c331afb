"""What a check of the compiler finds, before a Source turns its path into line and column.

Codes RB2xx are errors of meaning, RB3xx are lint. Each is explained by `rulebot explain CODE`.
"""

from typing import NamedTuple

from rulebot.spec import diagnostic as suggest
from rulebot.spec.nouns import Path

CODES = {
    "RB112": "A measure that does not exist.",
    "RB151": "A number not written in plain decimal digits.",
    "RB156": "A number outside its range.",
    "RB201": "An undefined name: a leg, let, symbol, exit or event.",
    "RB202": "Legs whose strikes refer to each other in a circle.",
    "RB203": "A wrong unit, or two quantities that cannot be compared.",
    "RB204": "A loss written as a price, or a cost written as a percentage.",
    "RB205": "A credit required of a structure that is bought, or a debit of one that is sold.",
    "RB206": "A measure that has no meaning here.",
    "RB207": "An argument that the measure does not take, or a required one is missing.",
    "RB208": "No exit that works without market data: `time`, `dte` or `at_expiry`.",
    "RB209": "An uncovered short option without `undefined_risk: allow`.",
    "RB210": "An expression outside the grammar of `expr:`.",
    "RB211": "A number where true or false is required, or the reverse.",
    "RB212": "Prices compared with ==: floating prices are never exactly equal.",
    "RB213": "An expression that is too long or too deep.",
    "RB215": "A model with features that this engine does not have, or not here.",
    "RB220": "An exit that cannot rest at the broker.",
    "RB221": "A `leg_by_leg` list that does not fit the structure.",
    "RB222": "An adaptive order that the broker does not take.",
    "RB223": "A market order where it is not allowed.",
    "RB224": "A `then` that is not allowed here.",
    "RB225": "An impossible number in an order.",
    "RB226": "A protective stop that cannot be placed, or has nothing to protect.",
    "RB227": "An exit that closes something that does not exist, or nothing.",
    "RB228": "A roll that cannot be one order of the same legs.",
    "RB229": "An exit that closes the position as soon as it is open.",
    "RB230": "An impossible number of a strike.",
    "RB231": "A strike that refers to a leg on another underlying.",
    "RB234": "Shares that cannot be a leg here, or that no exit sells.",
    "RB232": "A structure the engine cannot hold: no legs, too many, an impossible ratio, or an unknown index.",
    "RB233": "An alternative of `choose` that can never be taken.",
    "RB240": "A window that is empty, or outside the session.",
    "RB241": "A cap on entries is missing, or impossible.",
    "RB242": "An `again` that can never act.",
    "RB243": "An `again` that lasts beyond the last window.",
    "RB244": "A time exit whose order has no time for one try before the close.",
    "RB250": "An impossible risk limit.",
    "RB251": "Shares that cannot be overwritten, or an impossible band.",
    "RB260": "An expiry that no contract can have.",
    "RB281": "A test that does not fit its spec: unneeded data, or missing data.",
    "RB300": "An `accept` without a matching warning.",
    "RB302": "A let that is not used.",
    "RB305": "A `max_age` on a measure without age.",
    "RB310": "A market order on one reading of the quotes, without `confirm`.",
    "RB311": "Entry conditions that can never hold, or never together: the bot never enters.",
    "RB312": "A halt that holds whenever the entry conditions do: the bot never enters.",
    "RB313": "A blackout of today's events only, for a position of weeks.",
    "RB314": "An event that no calendar has.",
    "RB315": "An event whose published dates end within 30 days, or have ended.",
    "RB316": "A limit below the loss at the best price: the bot never enters.",
    "RB320": "A window that does not exist on half days of the coming year.",
    "RB321": "An exit after the close of half days of the coming year.",
    "RB322": "An `again` for which window or cap leaves no room.",
    "RB323": "A cap on entries that is never reached.",
    "RB324": "A window that continues long after the time exit.",
    "RB330": "A target above the maximum profit.",
    "RB331": "A stop beyond the maximum loss.",
    "RB332": "An exit that never acts: one above it is always true first.",
    "RB333": "An exit or halt that can never be true, or never for so long.",
    "RB334": "An exit that may be true as soon as the position is open.",
    "RB335": "Short options whose exits without market data are never reached.",
    "RB336": "An uncovered short call without an exit on loss.",
    "RB337": "Some legs measured against the credit or debit of the whole structure.",
    "RB338": "A rolling exit that is also true of the new position.",
    "RB339": "An exit whose parts judge different legs, without `close`.",
    "RB340": "A price between two ticks.",
    "RB341": "A `max_time_without_stop` shorter than the spec's orders take.",
    "RB342": "Legs sent one by one, the short before its cover.",
    "RB343": "An exit that acts without quotes, with an order that needs them.",
    "RB344": "A dollar target or stop smaller than the position's usual price changes.",
    "RB345": "A number of an expression in an unlikely unit.",
    "RB346": "An exit order that never goes beyond mid.",
    "RB347": "A model trained on another underlying.",
    "RB348": "A partial close that, rounded up, closes everything.",
    "RB349": "Strikes counted from an index level in the first minute of a session.",
    "RB350": "A contract that another bot holds the other way round.",
    "RB351": "Resting orders that another bot's entry displaces.",
    "RB352": "A market exit that may be true at entry.",
    "RB353": "An exit relative to an entry price that may be near zero.",
    "RB354": "A roll at any price.",
    "RB355": "An exit that closes the cover of a short option and leaves the short.",
    "RB356": "A structure sold below its certain cost at expiry.",
    "RB357": "A combo that is not in lowest terms, as 2 to 2.",
    "RB360": "A bound outside the usual range of its measure.",
    "RB361": "A strike, width, price, count or limit outside its usual range.",
    "RB362": "A sold option deep in the money, or a sold put above a sold call.",
    "RB363": "Two legs that choose the same option.",
    "RB364": "An entry condition that always holds.",
    "RB366": "A leg whose name contradicts its side or right.",
    "RB367": "A time exit on AM-settled options on their entry day.",
    "RB368": "An exit that is true right after the fill in the example market.",
    "RB369": "An exit that never acts in the example market.",
    "RB370": "A pair with unequal sides.",
    "RB371": "A pair that is sold, or bought, on both sides.",
    "RB372": "A pair whose short leg is sent before the long one.",
    "RB373": "A pair whose deltas do not offset.",
    "RB374": "A target of a few dollars after commissions.",
    "RB375": "A symbol that also names a future or index.",
    "RB377": "A size above the built-in cap, without an account document.",
    "RB378": "A condition on the structure that never holds in the example markets.",
    "RB382": "A time exit with time for some of its tries only.",
}


class Problem(NamedTuple):
    """One finding. `columns` are the first and last+1 character inside the scalar at `path`; None is all of it.

    `on_key` asks for the span of the key at the end of `path` and not of its value.
    """

    code: str
    path: Path
    message: str
    help: str = ""
    columns: tuple[int, int] | None = None
    on_key: bool = False

    @property
    def is_warning(self) -> bool:
        """Lint warns; everything else is an error."""
        return self.code.startswith("RB3")


class Fault(Exception):
    """Ends the resolution of one condition; the others are still checked."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def did_you_mean(name: str, known: "list[str] | tuple[str, ...]") -> str:
    """Return `did you mean 'vix_change'?`, the known names when few, or nothing."""
    if (meant := suggest.did_you_mean(name, known)) is not None:
        return meant
    return f"known here: {', '.join(known)}" if 0 < len(known) <= 8 else ""
