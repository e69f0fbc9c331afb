"""Read documents that somebody has spoiled: mutations of every shipped spec, example, account and test document.

    python -m tests.e2e.fuzz_specs --count 20000

Each is read and checked as `rulebot validate` does it. Nothing may escape but diagnostics with a place in the file, and
none may take long: medians, the slowest one and the memory of the processes are told. One number is one document.
"""

import argparse
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from random import Random
from statistics import median

from benchmarks.measure import peak_memory
from rulebot.compile.build import check
from rulebot.compile.lint.lint_context import LintEnvironment
from rulebot.model.facts import EventCalendar
from rulebot.model.session import half_days
from rulebot.spec.diagnostic import render
from rulebot.spec.load import load
from rulebot.spec.yaml import read_source

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 11, 2)
CALENDAR = EventCalendar(published_until={"CPI": TODAY}, known_until={"CPI": TODAY})
OUTSIDE = LintEnvironment(TODAY, half_days(TODAY, date(2027, 11, 2)), lambda: CALENDAR)
SLOWEST, MEDIAN, MEMORY = 1.0, 0.05, 512
"""What is asked of it: seconds of one document, of half of them, and megabytes of a process."""

_WORDS = r"""
5 -1 0 1e9 010 0x1F 99999999999999999999 .5 $5 -$5 50% 500% 2x 1.2x 3R 10pts 15s 5m 3d 10:30 25:61 open true no
~ [] {} [1,2] {a:1} $q vix all expr any not spot mid natural market short_put each_side null &a *a close-30m
!!python/object:os.system !x | > % @ ` \x00 ٣ ﹩5 ｓｐｏｔ
"""
VALUES = (*_WORDS.split(), "\x00", "\u202e", "2x credit")
PIECES = [*"{}[]:,-#'\"|>&*!%@`\t\n ", "\n  ", ": ", "- ", "<<: ", "---\n", "\x00", "\ufeff", "é", "\r"]


@dataclass(frozen=True)
class Read:
    """What came of one document. Units: seconds. trouble: what escaped."""

    number: int
    seconds: float
    is_fine: bool
    trouble: str = ""


@cache
def documents() -> tuple[str, ...]:
    """Return every document that is shipped or shown."""
    files = [*ROOT.glob("specs/*.yaml"), *ROOT.glob("examples/*.yaml"), *ROOT.glob("*s/tests/*.yaml")]
    return tuple(file.read_text(encoding="utf-8") for file in sorted(files))


# ---------------------------------------------------------------- spoiling


def _cut(text: str, chance: Random) -> str:
    at = chance.randrange(len(text))
    return text[:at] + text[at + chance.randrange(1, 40) :]


def _piece(text: str, chance: Random) -> str:
    at = chance.randrange(len(text))
    return text[:at] + chance.choice(PIECES) + text[at:]


def _value(text: str, chance: Random) -> str:
    """Put another value behind a colon."""
    places = [at for at, char in enumerate(text) if char == ":" and text[at + 1 : at + 2] == " "]
    if not places:
        return text
    at = chance.choice(places) + 2
    end = min((found for found in (text.find(char, at) for char in ",}]\n") if found >= 0), default=len(text))
    return text[:at] + chance.choice(VALUES) + text[end:]


def _number(text: str, chance: Random) -> str:
    """Put another number in the place of one: most of these can still be read, so that meaning is looked at."""
    places = [found.span() for found in re.finditer(r"(?<![\w.])[0-9]+(\.[0-9]+)?", text)]
    start, end = chance.choice(places) if places else (0, 0)
    return text[:start] + chance.choice(("0", "0.01", "0.5", "1", "2", "7", "30", "100", "6000", "-1")) + text[end:]


def _word(text: str, chance: Random) -> str:
    """Put a word of another document in the place of a word of this one."""
    other = chance.choice(documents()).split()
    words = text.split(" ")
    words[chance.randrange(len(words))] = chance.choice(other)
    return " ".join(words)


def _lines(text: str, chance: Random) -> str:
    lines = text.split("\n")
    at = chance.randrange(len(lines))
    match chance.randrange(5):
        case 0:
            del lines[at]
        case 1:
            lines.insert(chance.randrange(len(lines)), lines[at])
        case 2:
            lines[at] = " " * chance.randrange(9) + lines[at].lstrip()
        case 3:
            lines[at] = lines[at] * chance.choice((2, 30))
        case _:
            other = chance.choice(documents()).split("\n")
            start = chance.randrange(len(other))
            lines[at:at] = other[start : start + chance.randrange(1, 12)]
    return "\n".join(lines)


def _deep(text: str, chance: Random) -> str:
    at, depth = chance.randrange(len(text)), chance.choice((5, 60, 3000))
    opened, closed = chance.choice(("[]", "{}", ("{a: ", "}"), ("- ", ""), ("not: {", "}"), ("(", ")")))
    return text[:at] + opened * depth + closed * depth + text[at:]


def _expression(text: str, chance: Random) -> str:
    """Put a rule with an expression in front of the list of exits, made of what expressions must not have."""
    attacks = (
        "spot.__class__", "().__class__.__bases__[0]", "__import__('os')", "9**9**9**9", "'a' * 10**9", "lambda: 1",
        "[x for x in (1,)]", "f'{spot}'", "spot if vix else 1", "max(*[1])", "spot[0]", "(spot := 1)", "1 << 99999999",
        "not " * 200 + "spot", "(" * 200 + "spot" + ")" * 200, "ｓｐｏｔ > 1", "spot > 1 # no", "vix > 'a'",
    )  # fmt: skip
    rule = f'  - {{name: attack, expr: "{chance.choice(attacks)}"}}\n'
    at = text.find("exits:\n")
    return text if at < 0 else text[: at + 7] + rule + text[at + 7 :]


SPOILERS: Sequence[Callable[[str, Random], str]] = (
    _cut, _piece, _value, _value, _word, _word, _lines, _deep, _expression, *(_number,) * 6,
)  # fmt: skip


def spoiled(number: int) -> bytes:
    """Return a document with one to four things done to it, drawn from its number."""
    chance = Random(number)
    text = chance.choice(documents())
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        text = chance.choice(SPOILERS)(text or "x", chance)
    return text.encode("utf-8", "surrogatepass")


# ---------------------------------------------------------------- reading


def read(number: int) -> Read:
    """Read and check one document as `validate` does."""
    content = spoiled(number)
    began = time.perf_counter()
    try:
        loaded = load(read_source(content, "spoiled.yaml"))
        found = [*loaded.diagnostics, *check(loaded, OUTSIDE)]
        said = [render(problem) for problem in found]
        last = max(1, len(loaded.source.lines))
        off = next((one for one in found if not (1 <= one.line <= last and 1 <= one.col < one.end_col)), None)
        trouble = "" if off is None and all(said) else f"a problem without a place: {off}"
        is_fine = not any(problem.is_error for problem in found)
    except Exception:
        trouble, is_fine = traceback.format_exc(limit=-3), False
    return Read(number, time.perf_counter() - began, is_fine, trouble)


def _chunk(numbers: range) -> tuple[list[Read], float]:
    return [read(number) for number in numbers], peak_memory()


def read_many(first: int, count: int) -> tuple[list[Read], float]:
    """Read so many on all cores; return what came of them, and the megabytes of the largest process."""
    chunks = [range(at, min(at + 100, first + count)) for at in range(first, first + count, 100)]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        done = list(pool.map(_chunk, chunks))
    return [each for found, _ in done for each in found], max(most for _, most in done)


def main() -> int:
    """Say what came of it; 1 when something escaped or took too long."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--count", type=int, default=3000)
    asked.add_argument("--seed", type=int, default=1, help="the number of the first one")
    given = asked.parse_args()
    found, most = read_many(given.seed, given.count)
    for each in (each for each in found if each.trouble):
        print(f"number {each.number}: {each.trouble}")
    slowest = max(found, key=lambda each: each.seconds)
    half = median(each.seconds for each in found)
    fine, troubles = sum(each.is_fine for each in found), sum(bool(each.trouble) for each in found)
    print(
        f"{len(found)} documents, {fine} of them sound: {troubles} exceptions; median {half * 1e3:.1f} ms, "
        f"slowest {slowest.seconds:.2f} s (number {slowest.number}), {most:.0f} MB"
    )
    return int(bool(troubles) or half > MEDIAN or slowest.seconds > SLOWEST or most > MEMORY)


if __name__ == "__main__":
    sys.exit(main())
