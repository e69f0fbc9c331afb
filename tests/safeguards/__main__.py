"""Print which switched-off safeguards chaos catches: `python -m tests.safeguards [--most 500] [NAME ...]`."""

import argparse
import sys

from tests.safeguards.run import MOST, hunt
from tests.safeguards.table import SAFEGUARDS


def main() -> int:
    """Print a row for each; 0 when all but one were caught."""
    parser = argparse.ArgumentParser(description="Switch off one safeguard after the other; does chaos see it?")
    parser.add_argument("--most", type=int, default=MOST, help="seeds to try of each, at most")
    parser.add_argument("names", nargs="*", help="only safeguards whose name contains one of these")
    asked = parser.parse_args()
    chosen = [each for each in SAFEGUARDS if not asked.names or any(name in each.name for name in asked.names)]
    print("| switched off | faults | seeds | seen as |")
    print("|---|---|---|---|")
    missed = 0
    for each in chosen:
        found = hunt(each, asked.most)
        missed += found.seeds is None
        seeds = f"more than {asked.most}" if found.seeds is None else str(found.seeds)
        seen = "not seen" if found.seeds is None else f"{found.number}: {found.text[:90]}"
        print(f"| {each.name} | {each.kinds} | {seeds} | {seen} |", flush=True)
    print(f"\n{len(chosen) - missed} of {len(chosen)} seen")
    return int(missed > 1)


if __name__ == "__main__":
    sys.exit(main())
