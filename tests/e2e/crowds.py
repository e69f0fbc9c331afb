"""Bots that share windows, strikes and the limits of an account: on the wire and in chaos, whatever chance has written.

    python -m tests.e2e.crowds --crowds 100            # chaos: three seeds of each, some two seconds a seed
    python -m tests.e2e.crowds --crowds 100 --worlds   # fifty minutes of a day each: wire, replay and a past session

`tests/crowd_specs.py` writes them. The same numbers are the same crowds.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from datetime import time
from pathlib import Path

from rulebot.adapters.recorded.recording import open_recording
from rulebot.chaos.generator import CHOICE, draw
from rulebot.chaos.seeds import try_storm
from rulebot.checks.against_ledger.books import compare_books
from rulebot.checks.against_ledger.findings import offences
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import DEFAULT_DATE
from rulebot.model.session import at_exchange_time
from rulebot.record.record import Kind
from rulebot.replay.recordings import listed
from tests.crowd_specs import crowd
from tests.e2e.test_four_worlds import Lived, check_worlds
from tests.e2e.worlds import run_days

MARKETS = (None, None, "whipsaw", "trend_down", "trend_up", "calm", "vix_spike", "bad_quotes")
UNTIL = at_exchange_time(DEFAULT_DATE, time(10, 50))
"""Ten minutes after the last clock time at which any of them leaves."""
STORMS = 100
"""Seeds of chaos that belong to a crowd."""


def in_chaos(number: int, seeds: int) -> Iterator[str]:
    """Yield what does not hold when a crowd lives through so many trials."""
    with tempfile.TemporaryDirectory() as folder:
        files, account = crowd(number).written(Path(folder))
        desk = load_all_bots(files, {}, account)
        for seed in range(number * STORMS, number * STORMS + seeds):
            found = try_storm(draw(seed, desk, CHOICE), desk)
            yield from (f"seed {seed}, {each}: {said}" for each, said in found.violations.items())


def in_all_worlds(number: int, folder: Path) -> tuple[Lived, list[str]]:
    """Live through the morning of a crowd on the wire, compare it with the other worlds, and say what does not hold."""
    files, account = crowd(number).written(folder)
    tapes, market = folder / "tapes", MARKETS[number % len(MARKETS)]
    day = run_days(folder, files, seed=number, market=market, tapes=tapes, until=UNTIL, account=account)
    simulated = Lived(open_recording(listed(tapes)[0].file), list(day.records))
    check_worlds(simulated)
    return simulated, [*compare_books(day), *(f"{each}: {said}" for each, said in offences(day).items())]


def _of_worlds(number: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        try:
            yield from in_all_worlds(number, Path(folder))[1]
        except AssertionError as error:
            yield str(error)


def traded(simulated: Lived) -> set[str]:
    """Return the bots of which something filled."""
    return {record.bot for record in simulated.wire if record.kind is Kind.FILL}


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--crowds", type=int, default=20, help="how many crowds")
    asked.add_argument("--first", type=int, default=1, help="the number of the first one")
    asked.add_argument("--seeds", type=int, default=3, help="trials of chaos of each")
    asked.add_argument("--worlds", action="store_true", help="compare the worlds, without faults")
    given = asked.parse_args()
    broken = 0
    for number in range(given.first, given.first + given.crowds):
        for said in _of_worlds(number) if given.worlds else in_chaos(number, given.seeds):
            broken += 1
            print(f"crowd {number}: {said}", flush=True)
    print(f"{given.crowds} crowds: {broken} things that do not hold")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
