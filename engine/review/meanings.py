"""What words mean that are neither measures nor keys: those that a key takes, comparisons, functions of `expr:`.

Keys and measures carry their words in the schemas and in the vocabulary. A test asks for every word that a schema
lists.
"""

from collections.abc import Mapping

VALUES: Mapping[str, str] = {
    "mid": "halfway between bid and ask; of a structure, of all its legs added up",
    "natural": "the price that fills at once: what is sold at the bid, what is bought at the ask",
    "market": "a market order: it fills at any price",
    "cancel": "what has not filled is taken back; whole structures that filled stay",
    "unwind": "what has not filled is taken back, and legs without their partners are closed",
    "again": "it goes on stepping, at most to natural, until it is done",
    "patient": "the broker's adaptive algorithm waits longest for a better price",
    "normal": "the broker's adaptive algorithm between patient and urgent",
    "urgent": "the broker's adaptive algorithm gives up price for speed",
    "until_filled": "the conditions are judged until the window ends",
    "once": "the first true or false decides the window; unknown does not",
    "unfilled": "an entry whose order ended without a fill",
    "filled": "an entry that filled: another may follow beside it",
    "any": "whatever the entry before came to",
    "skip": "no trade while a bot holds one of the contracts the other way round",
    "allow": "it is done all the same, with its risk",
    "hold": "nothing is done but to raise the alarm",
    "exit": "it acts as if it were true, and raises the alarm",
    "all": "the whole position",
    "put_side": "every put of the structure",
    "call_side": "every call of the structure",
    "mon": "Monday",
    "tue": "Tuesday",
    "wed": "Wednesday",
    "thu": "Thursday",
    "fri": "Friday",
    "settle": "what is left expires: cash, exercise or assignment",
    "each_short": "each short leg counts by itself",
    "short_legs": "every leg that was sold",
    "long_legs": "every leg that was bought",
    "spot": "at the money: the listed strike nearest to the underlying's price",
    "call": "an option to buy",
    "put": "an option to sell",
    "shares": "the underlying itself, in lots of 100; a share has no strike and does not expire",
    "open": "the session's open, 09:30 in New York",
    "close": "the session's close, 16:00 in New York, 13:00 on half days; of a change, the previous session's",
    "expiry": "the day on which the legs expire",
    "full": "a session from 09:30 to 16:00",
    "half": "a session that closes at 13:00",
    "close_to_close": "the deviation of daily log returns from close to close",
    "CPI": "the consumer price index, 08:30 on its day",
    "FOMC": "the rate decision of the Federal Reserve, 14:00 on its day",
    "NFP": "the employment report (non-farm payrolls), 08:30 on its day",
    "OPEC": "a meeting of OPEC; its days are imported",
    "earnings": "the company's results; indices and funds have none",
    "cash": "the cash of the account",
    "net_liquidation": "what the account would come to if all of it were closed now",
}
"""Words that stand behind a key."""

COMPARISONS: Mapping[str, str] = {
    "above": "greater than this",
    "at_least": "this or greater",
    "below": "less than this",
    "at_most": "this or less",
    "between": "from the first to the second, both included",
    "outside": "less than the first or greater than the second",
    "beyond": "further from 0 than this, up or down",
    "is": "this word",
}
"""How a measure is compared; the other side is a number with its unit, a measure, or a multiple of one."""

FUNCTIONS: Mapping[str, str] = {
    "abs": "the size of a number, without its sign",
    "min": "the least of several numbers",
    "max": "the largest of several numbers",
    "round": "a number without its decimals",
    "and": "true while both sides are",
    "or": "true while one side is",
    "not": "true while what follows is false; unknown stays unknown",
}
"""Words of `expr:` besides measures."""
