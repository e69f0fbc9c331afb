"""Goal 15: a start with a million records behind it, and what the journal of years weighs.

A day of the shipped specs is lived through once; its records are written again for one session after another, each
with its own date, references and executions, through the journal's own door. The put seller, whose positions stay
open for months, is in the last forty sessions only. What starts is a process of its own: it opens the store, reads what
stands and comes to the state, as `rulebot run` does before it connects.
"""

import asyncio
import json
import re
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.anchors import anchor, environment, install
from benchmarks.measure import Goal, Rounds
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import SimSettings, simulated
from rulebot.live.start import RunOptions, execute
from rulebot.model.facts import EventCalendar
from rulebot.model.market import Board
from rulebot.model.session import exchange_date, session_before
from rulebot.record.codec import json_text
from rulebot.record.record import Record
from rulebot.recovery.resume import RESUMED, resume
from rulebot.spec.files import shipped
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store

RECORDS = 1_000_000
ROUNDS = 5
HOLDS_FOR_MONTHS, ITS_SESSIONS = "spy_put_seller", 40
FOLD = """
import sys, time, msgspec
class Data(msgspec.Struct): ref: str = ""; id: str = ""; exec_id: str = ""
class Line(msgspec.Struct): kind: str; bot: str; position: str; data: Data
decode, state, began = msgspec.json.Decoder(Line).decode, {}, time.perf_counter()
with open(sys.argv[1], "rb") as lines:
    for line in lines:
        found = decode(line)
        key = found.data.ref or found.data.id or found.data.exec_id or found.bot
        state[found.kind, found.position, key] = found
print(time.perf_counter() - began, len(state))
"""
"""The last value of each entity by name, decoded as far as its name: less than a start has to do."""


def measure() -> list[Goal]:
    """Return what a start costs with a million records, and what they weigh."""
    with TemporaryDirectory() as folder:
        day, large, small = _a_day(Path(folder)), Path(folder) / "large.db", Path(folder) / "small.db"
        sessions = grown(day, large, RECORDS)
        grown(day, small, len(day))
        found = Rounds()
        for _ in range(ROUNDS):
            for name, path in (("large", large), ("small", small)):
                for part, seconds in _child("start", path).items():
                    found.add(f"{name} {part}", seconds)
        lines = Path(folder) / "journal.jsonl"
        is_beside = install("msgspec")
        if is_beside:
            _write_lines(large, lines)
            for _ in range(ROUNDS):
                found.add("whole", _child("fold", large)["fold"])
                found.add("msgspec", _by_msgspec(lines))
        weight = large.stat().st_size / sessions / 1e6
    more = 1e3 * (found.median("large state") - found.median("small state"))
    check = 1e3 * (found.median("large open") - found.median("small open"))
    how = f"{RECORDS:,} records of {sessions} sessions; processes of their own, beside a store of one session"
    said = (
        f"recall and fold {1e3 * found.median('large state'):.0f} ms; the check of the file takes {check:.0f} ms more"
    )
    by = ""
    if is_beside:
        by = f"{found.median('whole'):.1f} s beside {found.median('msgspec'):.1f} s; only the audit folds everything"
    return [
        Goal("15", "a start with 1,000,000 records, more than one with a day's", how, more, "ms", floor=100,
             stretch=20, note=said),
        Goal("15", "reading and folding all of them, beside a fold by msgspec",
             "processes of their own, the lines for msgspec written before",
             found.ratio("whole", "msgspec") if is_beside else None, floor=3, stretch=1.3, note=by),
        Goal("store", "a session of the shipped specs on disk", "the large store's size", weight, "MB", floor=5),
    ]  # fmt: skip


def grown(day: list[Record], path: Path, count: int) -> int:
    """Write so many records, session by session up to the day itself; return how many sessions they are."""
    last = exchange_date(day[0].at)
    sessions = max(round(count / len(day)), 1)
    texts = [(record, json_text(record.data)) for record in day]
    journal = SqlJournal(open_store(path))
    for number, each in enumerate(_sessions(last, sessions)):
        has_seller = number >= sessions - ITS_SESSIONS
        moved = [_moved(r, text, each, number) for r, text in texts if has_seller or r.bot != HOLDS_FOR_MONTHS]
        journal.append(moved, durable=False)
        journal.flush()
    journal.close()
    return sessions


def _sessions(last: date, count: int) -> list[date]:
    found = [last]
    while len(found) < count:
        found.append(session_before(found[-1]).date)
    return found[::-1]


def _moved(record: Record, text: str, to: date, number: int) -> Record:
    day = exchange_date(record.at)
    names = (day.isoformat(), to.isoformat()), (f"{day:%Y%m%d}", f"{to:%Y%m%d}")
    position = record.position
    for old, new in names:
        text, position = text.replace(old, new), position.replace(old, new)
    text = re.sub(r"(rb:\w+):(\d{6})", lambda m: f"{m[1]}:{int(m[2]) + number * 100:06d}", text)
    text = re.sub(r'"number":(\d+)', lambda m: f'"number":{int(m[1]) + number * 100}', text)
    text = re.sub(r'"exec_id":"(\w+)\.', lambda m: f'"exec_id":"{m[1]}d{number}.', text)
    return Record(record.at + (to - day), record.kind, record.bot, position, json.loads(text))


def _a_day(folder: Path) -> list[Record]:
    store = folder / "day.db"
    desk = load_all_bots([str(shipped("specs"))], {}, None)
    options = RunOptions(store=store, logs=None, sessions=1, install="bench")

    def ignore(*_: object) -> None: ...

    asyncio.run(execute(desk, options, simulated(SimSettings(), 1), ignore, ignore))
    journal = SqlJournal(open_store(store))
    found = list(journal.read())
    journal.close()
    return found


def _write_lines(store: Path, lines: Path) -> None:
    journal = SqlJournal(open_store(store))
    with lines.open("w", encoding="utf-8") as file:
        for record in journal.read():
            named = {"kind": record.kind.value, "bot": record.bot, "position": record.position}
            file.write(f"{json.dumps({**named, 'data': dict(record.data)})}\n")
    journal.close()


def _by_msgspec(lines: Path) -> float:
    done = subprocess.run(
        [str(anchor("python")), "-c", FOLD, str(lines)], env=environment(), capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[0])


# ---------------------------------------------------------------- in the child


def _child(what: str, store: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.restart", what, str(store)]
    root = Path(__file__).parent.parent
    done = subprocess.run(command, cwd=root, env=environment(), capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def start(store: Path, *, whole: bool) -> dict[str, float]:
    """Return the seconds of opening a store, and of coming to its state from what stands.

    `whole`: from all records that a state follows from, as the audit does.
    """
    began = time.perf_counter()
    opened = open_store(store)
    checked = time.perf_counter()
    journal = SqlJournal(opened)
    at, board = datetime(2026, 10, 22, 13, 25, tzinfo=UTC), Board()
    if whole:
        resume(journal.read(RESUMED), at, board, EventCalendar())
    else:
        found = journal.recall(at)
        resume(found.records, at, board, EventCalendar(), found.number, found.order_id)
    ended = time.perf_counter()
    journal.close()
    return {"open": checked - began, "fold" if whole else "state": ended - checked}


if __name__ == "__main__":
    print(json.dumps(start(Path(sys.argv[2]), whole=sys.argv[1] == "fold")))
