"""Which expiries are listed, as option parameters tell them."""

from rulebot.adapters.ib import convert
from rulebot.model.errors import UnavailableError
from rulebot.model.facts import Listing


def expiries_listed(symbol: str, trading_class: str, rows: list[list[str]]) -> Listing:
    """Return the expiries of a class listed in option parameters (75). Raises: UnavailableError."""
    ours = [row for row in rows if row[4] == trading_class]
    row = next((each for each in ours if each[2] == "SMART"), ours[0] if ours else None)
    if row is None:
        if not rows:
            raise UnavailableError(symbol, f"the broker lists no options on {symbol}")
        classes = ", ".join(sorted({each[4] for each in rows}))
        words = f"the broker lists no options {trading_class} on {symbol}; it lists {classes}"
        raise UnavailableError(symbol, words)
    expiries = row[7 : 7 + convert.whole(row[6])]
    return Listing(symbol, trading_class, tuple(sorted(convert.day(each) for each in expiries)))
