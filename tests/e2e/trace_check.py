"""Live through each seed in two processes with different hash seeds, and compare the trace hashes.

python -m tests.e2e.trace_check --seeds 1000                  # the first bots: over an hour
python -m tests.e2e.trace_check --seeds 1000 put_lite         # this one alone
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence

from tests.e2e.worlds import spec_files

ONE_PROCESS = "import os; os.cpu_count = lambda: 1; from rulebot.cli.main import main; main()"
"""The command without processes beside it: for a few seeds these take longer to begin than to live through them."""
FEW = 4


def traces(seeds: int, first: int, specs: Sequence[str], hash_seed: int) -> list[str]:
    """Return the trace hash of each seed, from processes with this PYTHONHASHSEED. Raises: RuntimeError."""
    words = ["chaos", "--format", "json", "--seeds", str(seeds), "--seed", str(first), *specs]
    program = ["-c", ONE_PROCESS] if seeds <= FEW else ["-m", "rulebot.cli.main"]
    done = subprocess.run(
        [sys.executable, *program, *words],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr)
    return [str(each["trace"]) for each in json.loads(done.stdout)["seeds"]]


def differing(seeds: int, first: int, specs: Sequence[str]) -> list[int]:
    """Return the seeds whose two runs left different traces."""
    one, other = (traces(seeds, first, specs, hash_seed) for hash_seed in (1, 2))
    assert len(one) == len(other) == seeds
    return [first + place for place in range(seeds) if one[place] != other[place]]


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--seeds", type=int, default=20)
    asked.add_argument("--seed", type=int, default=1, help="the first one")
    asked.add_argument("bots", nargs="*", help="shipped specs by name; default all")
    given = asked.parse_args()
    wrong = differing(given.seeds, given.seed, spec_files(*([given.bots] if given.bots else [])))
    print(f"{given.seeds - len(wrong)} of {given.seeds} equal" + (f"; different: {wrong}" if wrong else ""))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
