"""Try seeds with one safeguard off until an invariant breaks, and say how many it took."""

import io
import logging
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path

from rulebot.chaos.seeds import ChaosOptions, try_seed
from tests.e2e.worlds import spec_files
from tests.safeguards import table
from tests.safeguards.table import Safeguard

MOST = 500
FIRST_SEED = 1
FAILS_ITSELF = 26
"""The invariant that an engine breaks that fails by itself."""
SWITCHES = Path(table.__file__).name


@dataclass(frozen=True)
class Caught:
    """What saw that a safeguard was off: after how many seeds (None: not within those tried), and which invariant."""

    safeguard: Safeguard
    seeds: int | None
    number: int = 0
    text: str = ""


def hunt(safeguard: Safeguard, most: int = MOST) -> Caught:
    """Try seeds until one is broken. The same safeguard and most give the same answer.

    Raises: AssertionError where what switches the safeguard off fails by itself: that breaks an invariant, too.
    """
    asked = ChaosOptions(
        specs=tuple(spec_files(list(safeguard.bots))), overrides={}, kinds=tuple(safeguard.kinds.split(","))
    )
    desk = asked.desk()
    logging.disable(logging.CRITICAL)
    try:
        with safeguard.off(), redirect_stderr(io.StringIO()):
            for seed in range(FIRST_SEED, FIRST_SEED + most):
                broken = try_seed(seed, asked, desk).violations
                if broken:
                    number, said = min(broken.items())
                    failed = [each for each in broken.get(FAILS_ITSELF, ()) if f"({SWITCHES}:" in each]
                    assert not failed, failed
                    return Caught(safeguard, seed - FIRST_SEED + 1, number, said[0])
    finally:
        logging.disable(logging.NOTSET)
    return Caught(safeguard, None)
