"""Numbers of commands that trade nothing at a broker: backtests, sweeps, spec tests, REST, explain and validate."""

import csv
import json
import os
import re
import runpy
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.nets.days import Day, bots_of, order_lines, run_day, view_lines
from tests.nets.digests import Parts, numbers_in, numbers_said, without_keys
from tests.nets.launch import ROOT, launch, output_of
from tests.nets.product import invoke

TOKEN = "a-token-of-the-nets"
ADDRESS = re.compile(r"http://127[\d.]+:\d+")
TIME_LIMIT = 900.0
"""Real seconds that one command may take."""
VOLATILE = frozenset(("seconds", "version", "digest", "digests", "store", "file", "uptime", "now", "same_code"))
"""Keys whose values are of this machine, this moment or this text."""
COMPILE_TESTS = ROOT / "tests" / "unit" / "compile"
DEFECTS = ROOT / "tests" / "snapshot" / "defects"
REFUSED = 3
"""The exit code of what cannot be read, as a recording of another version."""
JUDGED_ON = "2026-10-21"


def backtest(arguments: Sequence[str], folder: Path, change: str = "") -> Parts:
    """Return the numbers of a backtest, and the orders and the money of its store."""
    store = folder / "past.db"
    given = ("backtest", *arguments, "--workers", 1, "--store", store, "--format", "json")
    document = without_keys(json.loads(output_of(given, folder, TIME_LIMIT, change)), VOLATILE)
    return {
        "commands": list(order_lines(store)),
        "money": list(view_lines(store)),
        "numbers": numbers_in(document),
    }


def sweep(arguments: Sequence[str], folder: Path, change: str = "") -> Parts:
    """Return the numbers of a sweep."""
    given = ("sweep", *arguments, "--workers", 1, "--format", "json")
    return {"numbers": numbers_in(without_keys(json.loads(output_of(given, folder, TIME_LIMIT, change)), VOLATILE))}


def chaos(arguments: Sequence[str], folder: Path, change: str = "") -> Parts:
    """Return what happened in seeds of chaos, in numbers; their hashes, which cover words, are not among them."""
    given = ("chaos", *arguments, "--format", "json")
    document = json.loads(output_of(given, folder, TIME_LIMIT, change, codes=(0, 1)))
    return {"numbers": numbers_in(without_keys(document, VOLATILE))}


def replayed(paths: Sequence[str], folder: Path, change: str = "") -> Parts:
    """Return how many turns and decisions the replays of recordings have, or that a recording is refused."""
    found = []
    for path in paths:
        said = output_of(("replay", path, "--format", "json"), folder, TIME_LIMIT, change, codes=(0, 1, REFUSED))
        lines = numbers_in(without_keys(json.loads(said), VOLATILE)) if said else ["is refused"]
        found += [f"{path} {line}" for line in lines]
    return {"numbers": found}


def spec_tests(paths: Sequence[str], folder: Path, change: str = "") -> Parts:
    """Return which tests of specs pass."""
    document = json.loads(output_of(("test", *paths, "--format", "json"), folder, TIME_LIMIT, change, codes=(0, 1)))
    rows = [f"{place} {each['file']} {each['passed']}" for place, each in enumerate(document["tests"], 1)]
    return {"passed": rows}


def explained(paths: Sequence[str], folder: Path, change: str = "") -> Parts:
    """Return the numbers that each spec's explanation says."""
    found = []
    for path in paths:
        document = json.loads(output_in_process("explain", path, "--format", "json"))
        found.append(f"{path} {' '.join(numbers_said(document))}")
    return {"numbers": found}


def output_in_process(*arguments: str) -> str:
    """Run a command in this process, from the checkout, and return what it printed."""
    os.chdir(ROOT)
    return invoke(arguments)


def validated(paths: Sequence[str], folder: Path, change: str = "") -> Parts:
    """Return codes and lines of what `validate` says of documents, each by itself."""
    return {"codes": [f"{path} {' '.join(_codes(path, with_lines=True))}".strip() for path in paths]}


def defects() -> list[str]:
    """Return the paths of the documents with a defect each that the snapshot tests have."""
    return sorted(str(each.relative_to(ROOT)) for each in DEFECTS.glob("*.bad.yaml"))


def nonsense(first: int, step: int, folder: Path) -> Parts:
    """Return the codes of documents with one nonsensical change each: rows of a table of the compile tests."""
    rows = list(csv.reader((COMPILE_TESTS / "nonsense.csv").read_text(encoding="utf-8").splitlines()))[1:]
    bots = runpy.run_path(str(COMPILE_TESTS / "sound_bots.py"))
    found = []
    for number, row in list(enumerate(rows, 2))[first::step]:
        sound = (ROOT / row[1]).read_text(encoding="utf-8") if "/" in row[1] else bots[row[1]]
        text = sound
        cells = [cell.replace("\\n", "\n") for cell in row[3:]]
        for old, new in zip(cells[::2], cells[1::2], strict=True):
            text = text.replace(old, new, 1)
        file = folder / f"{_name_in(sound)}.yaml"
        file.write_text(text, encoding="utf-8")
        found.append(f"row {number} {' '.join(_codes(str(file), with_lines=False))}".strip())
    return {"codes": found}


def _name_in(text: str) -> str:
    """Return the name of the bot in a text: its file must be named so."""
    return next(line.partition("name: ")[2] for line in text.splitlines() if line.startswith("name: "))


def _codes(path: str, *, with_lines: bool) -> Iterator[str]:
    reported = json.loads(output_in_process("validate", path, "--date", JUDGED_ON, "--format", "json"))
    for each in reported:
        yield f"{each['code']}:{each['line']}" if with_lines else str(each["code"])


# ---------------------------------------------------------------- REST


def rest_of_day(day: Day, folder: Path, change: str = "") -> Parts:
    """Run a day, then return the numbers of each GET path of its store."""
    return {"numbers": rest_lines(run_day(day, folder, change).store, folder, change)}


def rest_of_backtest(arguments: Sequence[str], folder: Path, change: str = "") -> Parts:
    """Run a backtest, then return the numbers of each GET path of its store."""
    store = folder / "past.db"
    output_of(("backtest", *arguments, "--workers", 1, "--store", store), folder, TIME_LIMIT, change)
    return {"numbers": rest_lines(store, folder, change)}


def rest_lines(store: Path, folder: Path, change: str = "") -> list[str]:
    """Return the numbers of each GET path of the REST interface over a store, each line with its path."""
    with _served(store, folder, change) as address:
        paths = json.loads(_get(address, "/api/openapi.json"))["paths"]
        bots = bots_of(store)
        found = []
        for path in sorted(name for name, methods in paths.items() if "get" in methods):
            for real in _filled(path, bots):
                found += [f"{real} {line}" for line in _answer(address, real)]
        return found


def _filled(path: str, bots: Sequence[str]) -> Iterator[str]:
    """Yield a path, with each bot's name in the place of a variable."""
    if "{" not in path:
        yield path
        return
    for bot in bots:
        yield re.sub(r"\{\w+\}", urllib.parse.quote(bot), path)


def _answer(address: str, path: str) -> list[str]:
    text = _get(address, path)
    try:
        document = json.loads(text)
    except ValueError:
        return sorted(set(re.findall(r"(?<=\s)-?\d+(?:\.\d+)?$", text, re.MULTILINE))) if path != "/metrics" else []
    return numbers_in(without_keys(document, VOLATILE))


def _get(address: str, path: str) -> str:
    asked = urllib.request.Request(address + path, headers={"Authorization": f"Bearer {TOKEN}"})
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            text: str = answer.read().decode()
    except urllib.error.HTTPError as refused:
        return json.dumps([refused.code])
    return text


@contextmanager
def _served(store: Path, folder: Path, change: str) -> Iterator[str]:
    output = folder / "web.txt"
    given = ("web", "--port", 0, "--store", store)
    server = launch(given, folder, output, change=change, more={"RULEBOT_WEB_TOKEN": TOKEN})
    try:
        while not (output.exists() and (found := ADDRESS.search(output.read_text(encoding="utf-8")))):
            assert server.is_alive(), f"the page is not served: {output.read_text(encoding='utf-8')}"
            time.sleep(0.05)
        yield found[0]
    finally:
        server.kill()
        server.join()
