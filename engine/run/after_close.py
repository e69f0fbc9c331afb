"""After each close: what was done beside what the specs say, by `rulebot replay --drift` in a process of its own.

All that is recorded of the day beside the store is compared, one recording after the other: a run that was taken up
again has two.

It takes nothing of the engine's time: the loop goes on meanwhile, and an engine that ends waits for it some minutes at
most. In a simulated market, whose time stands still without us, days are compared at the end of the run.
"""

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.adapters.recorded.file import SUFFIX, instant, named_day, span
from engine.adapters.recorded.recorder import Recorder
from engine.model.counted import counted
from engine.model.errors import StoreError
from engine.model.session import Session, session_on
from engine.record.record import Json, Kind, Record
from engine.run.columns import clock
from engine.run.replay.tapes import EMPTY, listed
from engine.run.replay.trios import traded
from engine.store.queries import StoreReader

if TYPE_CHECKING:
    from engine.run.loop import Loop

AFTER_CLOSE = timedelta(minutes=6)
"""How long after the close a session is over: cash settlement and assignments are known five minutes after it."""
PATIENCE = 1800.0
"""Seconds that a comparison may take while the engine goes on."""
AT_THE_END = 300.0
"""Seconds by which all of them may delay the end of a run."""
WRITTEN = timedelta(minutes=20)
"""How long after the end of a session its last events may wait to be written to the recording."""
LATELY = timedelta(days=5)
"""How far back a store's last comparison is looked for, over a long week-end."""
LOOK_EVERY = 15.0
DRIFT = "drift"
"""What a record of facts says that holds a comparison."""
_HARDLY = timedelta(minutes=1)
"""What is missing of a day between two recordings, and is not told."""
_NICE = 10

log = logging.getLogger("rulebot.run")


class AfterClose:
    """The comparisons of one run; `begin` and `end` around its loop, `finish` when it has ended by itself.

    first: since when it runs. compares: the command that compares a recording with its specs. says: tells a person.
    A failure is told, and raises nothing. Where the run is not recorded, or nobody gave a command, nothing is compared.
    """

    def __init__(
        self,
        loop: "Loop",
        first: datetime,
        compares: Sequence[str],
        says: Callable[[str], None],
        *,
        is_lockstep: bool,
    ) -> None:
        self._loop, self._first, self._compares, self._says = loop, first, compares, says
        self._is_lockstep = is_lockstep
        self._folder = loop.tape.folder if isinstance(loop.tape, Recorder) and compares else None
        self._done: set[date] = set()
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None

    def begin(self) -> None:
        """Compare each day once it is over, beside the loop, which is where time passes by itself."""
        if self._folder is not None and not self._is_lockstep:
            self._task = asyncio.ensure_future(self._watch(self._folder))

    def end(self) -> None:
        """End what is under way: its process reads the recording that is to be closed now."""
        if self._task is None:
            return
        self._task.cancel()
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def finish(self) -> None:
        """Compare what is not compared yet, on recordings that are closed. Takes `AT_THE_END` seconds at most."""
        if self._folder is None:
            return
        ends, beating = time.monotonic() + AT_THE_END, asyncio.ensure_future(self._beat())
        try:
            for day in self._left(self._folder):
                left = max(ends - time.monotonic(), 1.0)
                self._says(f" {day} is compared with the specs, for {_long(left)} at most: Ctrl+C ends it")
                self._note(day, await self._found(self._folder, day, left))
        finally:
            beating.cancel()

    async def _beat(self) -> None:
        """Show that the process is well, now that no batch does."""
        while True:
            self._loop.heartbeat.beat()
            await asyncio.sleep(1.0)

    # ------------------------------------------------------------ which days

    def _left(self, folder: Path) -> list[date]:
        named = sorted(day for file in folder.glob(f"*{SUFFIX}") if (day := named_day(file)) is not None)
        return [day for day in named if (session := session_on(day)) is not None and self._is_due(session)]

    def _is_due(self, session: Session) -> bool:
        at = self._loop.at
        return (
            at is not None
            and session.date not in self._done
            and self._first < session.close
            and at >= session.close + AFTER_CLOSE
        )

    async def _watch(self, folder: Path) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            for day in self._left(folder):  # also an earlier one, whose evening the engine spent without a connection
                if await self._is_written(folder, day):
                    self._note(day, await self._found(folder, day, PATIENCE))

    async def _is_written(self, folder: Path, day: date) -> bool:
        """Say whether all of a day is in its recording, or nothing more of it will come."""
        session, at = session_on(day), self._loop.at
        assert session is not None
        assert at is not None
        over = session.close + AFTER_CLOSE
        return at >= over + WRITTEN or await asyncio.to_thread(_reaches, folder / f"{day}{SUFFIX}", over)

    # ------------------------------------------------------------ one day

    async def _found(self, folder: Path, day: date, patience: float) -> list[dict[str, Any]]:
        """Return what `replay --drift` says of each recording of a day, or the problem with it."""
        ends, known = time.monotonic() + patience, await asyncio.to_thread(listed, folder.parent, day)
        found = []
        for file in [each.file for each in known if each.problem != EMPTY]:
            found.append(await self._told(file, max(ends - time.monotonic(), 1.0)))
            if len(known) > 1 and "problem" in found[-1]:
                found[-1] = {"problem": f"{file.parent.name}: {found[-1]['problem']}"}
        self._done.add(day)
        return found or [{"problem": EMPTY}]

    async def _told(self, file: Path, patience: float) -> dict[str, Any]:
        command = (*self._compares, str(file), "--drift", "--format", "json")
        try:
            return await told_by(await self._begun(command), patience)
        except OSError as error:
            return {"problem": f"no process could be started: {error.strerror or error}"}

    async def _begun(self, command: Sequence[str]) -> asyncio.subprocess.Process:
        """Begin a process behind whatever else runs here; Ctrl+C on the terminal is not for it. Raises: OSError."""
        pipe, none = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        begun = await asyncio.create_subprocess_exec(
            *command, stdin=none, stdout=pipe, stderr=pipe, start_new_session=True
        )
        if hasattr(os, "setpriority"):
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, begun.pid, _NICE)
        self._process = begun
        return begun

    def _note(self, day: date, found: Sequence[Mapping[str, Any]]) -> None:
        """Record a comparison, and an alarm of what nothing explains."""
        data = summed(day, found, {each.id: each.bot for each in traded(day, self._loop.state)})
        log.info("%s", compared_words(data))
        at = self._loop.at or self._first
        records = [Record(at, Kind.FACTS, data=data)]
        if bots := unexplained(data):
            text = (
                f"{', '.join(bots)} traded otherwise than the spec says on {day}, and nothing that was recorded "
                f"explains it: look at 'rulebot replay {day} --drift'"
            )
            records.append(Record(at, Kind.ALARM, data={"text": text}))
        if data["problem"]:
            log.warning("%s", compared_words(data))
        with suppress(StoreError):  # the run meets it too, and ends
            self._loop.note(*records)


def _reaches(file: Path, over: datetime) -> bool:
    """Say whether a recording that is still written reaches beyond an instant: then all before it is written."""
    try:
        _, last, _, frames = span(file)
    except StoreError:
        return False
    return frames > 0 and instant(last) >= over


def _long(seconds: float) -> str:
    """Return how long that is: minutes, or seconds where it is hardly one."""
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} s"


async def told_by(process: asyncio.subprocess.Process, patience: float) -> dict[str, Any]:
    """Return the JSON that a process prints, or {"problem": why it has none}."""
    try:
        out, err = await asyncio.wait_for(process.communicate(), patience)
    except TimeoutError:
        return {"problem": f"it took longer than {_long(patience)}"}
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    try:
        found = json.loads(out)
        return found if isinstance(found["trades"], list) else {"problem": "it told no trades"}
    except (ValueError, KeyError, TypeError):
        last = err.decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        return {"problem": last[0][:300]}


# ---------------------------------------------------------------- as it is recorded


def summed(day: date, found: Sequence[Mapping[str, Any]], traded: Mapping[str, str]) -> dict[str, Json]:
    """Return the comparisons of a day as they are recorded: how many trades there were, and all of those that differ.

    traded: whose the day's positions are. spans: from when until when each comparison goes, None for the open and the
    close. by_fills: the bots that natural fills would have led elsewhere, by more than prices. unfilled: the bots whose
    entries all came to nothing. not_recorded: the bots of trades that no recording has.
    """
    known = [each for each in found if "problem" not in each]
    told = _each_once(trade for each in known for trade in each["trades"])
    trades = [each for each in told if each["position"] or each["differs"]]
    differs = [each for each in trades if each["differs"]]
    by_fills = [each["bot"] for each in told if (each["natural"] or {}).get("differs")]
    known_of = {*by_fills, *(each["bot"] for each in trades)}
    compared = {each["position"] for each in trades}
    return {
        "symbol": "",
        "what": DRIFT,
        "value": len(differs),
        "day": day.isoformat(),
        "spans": [[each["since"], each["until"]] for each in known],
        "trades": len(trades),
        "differs": differs,
        "by_fills": by_fills,
        "unfilled": [each["bot"] for each in told if each["bot"] not in known_of],
        "not_recorded": [bot for position, bot in traded.items() if position not in compared],
        "decides_otherwise": any(each["decides_otherwise"] for each in known),
        "problem": "; ".join(str(each["problem"]) for each in found if "problem" in each),
    }


def _each_once(trades: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Return each position once, of those that several recordings have: where it differs first, else as of the last."""
    found: dict[Any, Mapping[str, Any]] = {}
    for number, each in enumerate(trades):
        name = each["position"] or number
        if name not in found or not found[name]["differs"]:
            found[name] = each
    return list(found.values())


def last_compared(reader: StoreReader, day: date | None = None) -> Mapping[str, Any] | None:
    """Return the last recorded comparison of a store, or of one day; None where there is none."""
    session = None if day is None else session_on(day)
    first, last = (session.close, session.close + LATELY) if session is not None else (None, reader.last_at())
    if last is None:
        return None
    found = [each.data for each in reader.between(Kind.FACTS, first or last - LATELY, last)]
    known = [each for each in found if each["what"] == DRIFT and (day is None or each["day"] == day.isoformat())]
    return known[-1] if known else None


def unexplained(data: Mapping[str, Any]) -> list[str]:
    """Return the bots of a recorded comparison whose trades differ for no known cause."""
    return list(dict.fromkeys(str(each["bot"]) for each in data["differs"] if not each["is_explained"]))


def compared_words(data: Mapping[str, Any]) -> str:
    """Return a recorded comparison in a sentence."""
    day, count, differs, problem = data["day"], data["trades"], data["differs"], data["problem"]
    spans = data.get("spans", [] if problem else [[data.get("since"), None]])  # an earlier version had the first alone
    if not spans:
        return f"{day} is not compared with the specs: {problem}; 'rulebot replay {day} --drift' tries again"
    told = [f"{count - len(differs)} of {count} trades as the specs say, but for prices"]
    fills, unfilled = data.get("by_fills", ()), data.get("unfilled", ())  # earlier versions had none
    if not count:
        told = ["nothing was traded" if fills or unfilled else "nothing was traded, and nothing would have been"]
    for words, known in (("for a known cause", True), ("FOR NO KNOWN CAUSE", False)):
        bots = [str(each["bot"]) for each in differs if bool(each["is_explained"]) is known]
        if bots:
            told.append(f"{len(bots)} otherwise {words} ({_named(bots)})")
    if unfilled:
        told.append(f"no entry of {_named(unfilled)} was filled")
    if fills:
        told.append(f"natural fills would have led {_named(fills)} elsewhere")
    if lacks := data.get("not_recorded"):
        told.append(f"{counted(len(lacks), 'trade')} of {_named(lacks)} not recorded, and not compared")
    if data.get("decides_otherwise"):
        told.append(f"rulebot decides otherwise now: 'rulebot replay {day}' shows where")
    if problem:
        told.append(f"not all of it: {problem}")
    return f"{day}{_hours(spans)} beside the specs: {'; '.join(told)}"


def _named(bots: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(bots))


def _hours(spans: Iterable[Sequence[str | None]]) -> str:
    """Return which hours of a session these are, "" for all of it."""
    joined: list[tuple[datetime | None, datetime | None]] = []
    for each in spans:
        since, until = (None if edge is None else datetime.fromisoformat(edge) for edge in each)
        if joined and _goes_on(joined[-1][1], since):
            since, before = joined.pop()
            until = None if before is None or until is None else max(before, until)
        joined.append((since, until))
    return " and".join(_span(*each) for each in joined)


def _goes_on(until: datetime | None, since: datetime | None) -> bool:
    return until is None or since is None or since - until <= _HARDLY


def _span(since: datetime | None, until: datetime | None) -> str:
    if since is None:
        return "" if until is None else f" until {clock(until, seconds=False)}"
    return f" from {clock(since, seconds=False)} {'on' if until is None else f'to {clock(until, seconds=False)}'}"
