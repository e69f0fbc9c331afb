"""The built-in caps on one entry order: they hold for a run without an account document."""

from decimal import Decimal

MOST_STRUCTURES = 10
"""Structures of one entry order."""
MOST_NOTIONAL = Decimal(25_000_000)
"""Dollars of strike x multiplier x contracts of one entry order. Ten condors on SPX at 6000 are 24 million."""
RAISED_BY = "an account document (account.yaml) sets its own limits instead"
"""How a built-in cap is raised."""
BUILT_IN_WORDS = (
    f"at most {MOST_STRUCTURES} structures and ${MOST_NOTIONAL:,} of strikes in an entry, cash for short puts"
)
"""The built-in limits, for the first lines of a run."""
