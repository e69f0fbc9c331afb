"""The sentences that ask whether something is meant, each saying what will happen, and why something cannot be: on the
page and in the terminal.
"""

from collections.abc import Iterable

STOP_ALL = "No bot enters anything more. Entries at work are let be; open positions stay, and their exits go on."
START_ALL = (
    "Bots may enter again, within their limits, also those that somebody has paused by name. What was asked to be "
    "closed is closed all the same."
)
CLOSE_ALL = (
    "Every entry is cancelled, resting orders are taken back, and every open position is closed: at natural prices, "
    "then at market. Nothing is opened until you press Start."
)
ACKNOWLEDGE_ALL = "All alerts until now count as seen; the grave ones are not told again."


def pause(bot: str) -> str:
    """Return what a pause of one bot does."""
    return (
        f"{bot} enters nothing more until you resume it. An entry at work is let be; its open positions stay, and "
        "their exits go on."
    )


def resume(bot: str) -> str:
    """Return what its end does."""
    return f"{bot} may enter again, within its limits."


def enter(bot: str) -> str:
    """Return what an entry by hand does."""
    return (
        f"{bot} enters at once, whatever its window and its conditions say. What its legs must offer, its limits and "
        "those of the account hold; it is one of its entries of the day."
    )


def structure_name(symbol: str, structure: str, expiries: Iterable[str]) -> str:
    """Return `SPX 5910/5915p 2026-10-21`; a symbol that the structure itself names stands there once."""
    named = () if set(symbol.split("/")) <= set(structure.split()) else (symbol,)
    return " ".join(filter(None, (*named, structure, *expiries)))


def enter_row(bot: str, structure: str) -> str:
    """Return what an entry of a row of a scan does."""
    return (
        f"{bot} enters {structure} at once, and no other structure, whatever its window and its conditions say. What "
        "its legs must offer, its limits and those of the account hold; it is one of its entries of the day."
    )


def enters_by_itself(bot: str) -> str:
    """Return why nobody can have a bot with a universe enter by hand."""
    return f"{bot} chooses among symbols by its conditions: by hand it enters a row of a scan"


def close(structure: str, bot: str) -> str:
    """Return what closing one position does."""
    return (
        f"{structure} of {bot} is closed: at a limit, after 15 seconds at market. "
        f"Its other orders are taken back first. {bot} may enter again when its spec says so: pause it if it shall not."
    )


def keep(structure: str, bot: str) -> str:
    """Return what keeping a position does that was asked to be closed."""
    return f"{structure} of {bot} is closed no more, as was asked: its exits go on, as its spec says."


def acknowledge(text: str) -> str:
    """Return what saying that one alert was seen does."""
    return f"This alert counts as seen and is not told again: {text}"
