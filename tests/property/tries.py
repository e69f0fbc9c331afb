"""How many examples a property is tried with: few in each run of all tests, more where somebody asks for them.

`RULEBOT_EXAMPLES=20 pytest tests/property` tries twenty times as many.
"""

import os

TIMES = int(os.environ.get("RULEBOT_EXAMPLES", "1"))


def tries(count: int) -> int:
    """Return how many examples to try, where a run of all tests tries `count`."""
    return count * TIMES
