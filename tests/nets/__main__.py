"""Compare what the product does with kept digests of it: `python -m tests.nets`, and `--write` to make them anew."""

import argparse
import os
import sys
import time
from pathlib import Path

from tests.nets.checking import chosen, find, run


def main() -> int:
    """Run what the command line asks for; return the exit code: 1 where anything differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.nets", description=__doc__)
    parser.add_argument("names", nargs="*", help="nets whose names begin so (default: all)")
    parser.add_argument("--write", action="store_true", help="keep the digests of these nets anew")
    parser.add_argument("--quick", action="store_true", help="a few nets, for each commit")
    parser.add_argument("--show", metavar="NAME", help="print the whole text of one net")
    parser.add_argument(
        "--texts", metavar="FOLDER", type=Path, help="also write the texts of all parts there, for diff"
    )
    parser.add_argument("--list", action="store_true", help="print the names of the nets")
    parser.add_argument("-j", type=int, default=len(os.sched_getaffinity(0)), help="processes (default: cores)")
    asked = parser.parse_args()
    nets = chosen([asked.show] if asked.show else asked.names, quick=asked.quick)
    if asked.list:
        print("\n".join(each.name for each in nets))
        return 0
    if asked.show:
        for part, lines in find(nets[0].name)[0].items():
            print("\n".join((f"== {nets[0].name}: {part}", *lines)))
        return 0
    began = time.perf_counter()
    wrong = run(nets, is_write=asked.write, texts=asked.texts, processes=asked.j)
    print(f"{len(nets)} nets, {wrong} differ, {time.perf_counter() - began:.0f} s")
    return 1 if wrong and not asked.write else 0


if __name__ == "__main__":
    sys.exit(main())
