"""What a check of the compiler finds, before a Source turns its path into line and column.

Codes RB2xx are errors of meaning, RB3xx are lint. Each is explained by `rulebot explain CODE`.
"""

from typing import NamedTuple

from rulebot.spec import diagnostic as suggest
from rulebot.spec.nouns import Path

CODES = {
    "RB112": "A measure that the vocabulary does not have.",
    "RB151": "A number not written in plain decimal digits.",
    "RB156": "A number outside its range.",
    "RB201": "A name that nothing in the spec defines: a leg, a let, a symbol, an exit or an event.",
    "RB202": "Legs whose strikes refer to each other in a circle.",
    "RB203": "A number with the wrong unit, or two quantities that do not compare.",
    "RB204": "A loss said as a price, or a cost said as a part: the two ways of saying a stop are kept apart.",
    "RB205": "A credit asked of a structure that is bought, or a debit of one that is sold.",
    "RB206": "A measure that has no meaning where it stands.",
    "RB207": "An argument that a measure does not take, or one that it owes.",
    "RB208": "A position with no ending that needs no market data: a time, dte or at_expiry exit.",
    "RB209": "A short option that no leg covers, without undefined_risk: allow.",
    "RB210": "An expression that the grammar of `expr:` does not allow.",
    "RB211": "An expression that is a number where a truth value is owed, or the reverse.",
    "RB212": "Prices compared with ==: floating prices are never exactly equal.",
    "RB213": "An expression that is too long or too deep to read.",
    "RB215": "A model that reads features which this engine does not have, or not where the model stands.",
    "RB220": "An exit that may not rest at the broker.",
    "RB221": "Legs sent one after the other that do not fit the structure.",
    "RB222": "An adaptive order where the broker takes none.",
    "RB223": "A market order where it is not allowed.",
    "RB224": "An ending of an order that does not fit where it stands.",
    "RB225": "A number of an order that makes no sense.",
    "RB226": "A protection of short legs that cannot stand, or nothing to protect.",
    "RB227": "An exit that closes what is not there, or no part of it.",
    "RB228": "A roll that cannot be one order of the same legs.",
    "RB229": "An exit that closes the position as soon as it is open.",
    "RB230": "A strike with an impossible number.",
    "RB231": "A strike that refers to a leg it cannot stand on.",
    "RB234": "Shares among the legs where there can be none, or that nothing would close.",
    "RB232": "A structure the engine cannot hold: no leg, too many, or an impossible ratio.",
    "RB233": "An alternative of `choose` that can never be taken.",
    "RB240": "A window that is empty, or outside the session.",
    "RB241": "A cap on entries that must be written, or makes no sense.",
    "RB242": "An `again` that can never act.",
    "RB243": "An `again` until a time after the last window.",
    "RB244": "A time exit whose order has no time for one try before the close.",
    "RB250": "A limit of risk that makes no sense.",
    "RB251": "Shares held that cannot be overwritten, or a band of them that is none.",
    "RB260": "An expiry that no contract can have.",
    "RB281": "A test that does not fit its spec: it gives what the bot does not read, or lacks what it needs.",
    "RB300": "An `accept` that switches off no warning of this spec.",
    "RB302": "A let that stands nowhere.",
    "RB305": "A `max_age` of what has no age.",
    "RB310": "A market order sent on one reading of the quotes, with no confirm.",
    "RB311": "Conditions of entry that can never hold, or never together: no entry would ever be made.",
    "RB312": "A halt that holds whenever the conditions of entry do: no entry would ever be made.",
    "RB313": "A blackout that looks at today's events only, for a position of weeks.",
    "RB314": "An event that no calendar has.",
    "RB315": "An event whose published dates have ended, or end within 30 days.",
    "RB316": "A limit on a trade below what it could lose at the best price: no entry would ever be made.",
    "RB320": "A window of which nothing is left on half days of the coming year.",
    "RB321": "An exit that half days of the coming year end before.",
    "RB322": "An `again` for which the window leaves no time, or a cap no room.",
    "RB323": "A cap on entries that no day can reach.",
    "RB324": "A window that goes on long after the time exit.",
    "RB330": "A target of more than the position can win.",
    "RB331": "A stop at more than the position can lose.",
    "RB332": "An exit that never acts, because one above it is true whenever it is.",
    "RB333": "An exit or a halt that can never be true, or an exit never for as long as it has to.",
    "RB334": "An exit that may be true as soon as the position is open.",
    "RB335": "Short options whose only endings without market data are never reached.",
    "RB336": "A short call that nothing covers, and no exit that acts when it loses.",
    "RB337": "Some legs measured against the credit, or debit, of the whole structure.",
    "RB338": "An exit that rolls, and is as true of what it opens.",
    "RB339": "An exit whose parts judge different legs, and that does not say what it closes.",
    "RB340": "A price between two ticks, which no order can have.",
    "RB341": "A `max_unprotected` shorter than what the orders of the spec take.",
    "RB342": "Legs sent one by one, of which one is sold before its cover is bought.",
    "RB343": "An exit that acts without quotes, by an order that waits for them.",
    "RB344": "Dollars of a whole position, a target or a stop that are less than its price changes by.",
    "RB345": "A number of an expression that is hardly meant in the unit in which it is read.",
    "RB346": "An exit whose order asks for the mid, and for nothing worse however long it stands.",
    "RB347": "A model that was trained on another underlying than the one that it reads.",
    "RB348": "A part of the position that, rounded up, is all of it.",
    "RB349": "Strikes that count from the level of an index in the first minute of a session.",
    "RB350": "A contract that another bot of the call holds the other way round.",
    "RB351": "Orders resting at the broker that an entry of another bot of the call takes back.",
    "RB352": "An exit that looks at the market alone, and may be true as the bot enters.",
    "RB353": "An exit that is a part of an entry price which may be next to nothing.",
    "RB354": "An exit that rolls whatever that costs.",
    "RB355": "An exit that closes what covers a short option, and leaves that.",
    "RB356": "A structure that is sold for less than it surely costs at expiry.",
    "RB357": "A combo that is not in its smallest numbers, as 2 to 2.",
    "RB360": "A bound outside the usual range of its measure.",
    "RB361": "A strike, width, price, count or limit outside its usual range.",
    "RB362": "A sold option deep in the money, or a sold put above a sold call.",
    "RB363": "Two legs that choose the same option.",
    "RB364": "A condition of entry that always holds.",
    "RB366": "A leg whose name says another side or right.",
    "RB367": "A time exit that closes options which settle at the open on the day of entry.",
    "RB368": "An exit that is true right after the fill in the example market.",
    "RB369": "An exit that never acts in the example market.",
    "RB370": "Two underlyings of which one side is larger than the other.",
    "RB371": "Two underlyings that are both sold, or both bought.",
    "RB372": "Legs on two underlyings of which one is sold before one is bought.",
    "RB373": "Two underlyings whose deltas do not offset each other.",
    "RB374": "A target that nets a few dollars at most after commissions.",
    "RB375": "An underlying whose symbol is also that of a future or an index.",
    "RB377": "A size that the built-in cap refuses without an account document.",
    "RB378": "A condition on the structure that does not hold in the example market, nor in one much calmer or wilder.",
    "RB382": "A time exit whose order has time for some of its tries only before the close.",
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
    """Ends the resolution of one condition; what is beside it is still checked."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def did_you_mean(name: str, known: "list[str] | tuple[str, ...]") -> str:
    """Return `did you mean 'vix_change'?`, the known names when few, or nothing."""
    if (meant := suggest.did_you_mean(name, known)) is not None:
        return meant
    return f"known here: {', '.join(known)}" if 0 < len(known) <= 8 else ""
