"""What a person who corrects a fill is asked where it is not clear which leg is meant."""

from collections.abc import Iterable

from rulebot.model.errors import MisuseError


def ambiguous_leg(ref: str, legs: Iterable[str]) -> MisuseError:
    """Return the error that names the legs which may be meant."""
    return MisuseError(f"which leg of {ref} is meant is not clear", f"say --leg with one of: {', '.join(legs)}")
