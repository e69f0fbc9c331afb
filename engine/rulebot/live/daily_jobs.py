"""Daily jobs: after each close, compare the day with its specs (`rulebot replay --drift` in a separate process).

All recordings of the day beside the store are compared, one after the other: a run that was restarted has two.

The loop continues meanwhile, and an engine that ends waits some minutes at most. In a simulated market, whose time
waits for us, days are compared at the end of the run.
"""

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rulebot.adapters.clock import Clock, WallClock
from rulebot.adapters.recorded.file import SUFFIX, instant, named_day, span
from rulebot.adapters.recorded.recorder import Recorder
from rulebot.model.errors import StoreError
from rulebot.model.session import Session, exchange_date, session_after, session_from, session_on
from rulebot.narrate.periods import compared_words, summed, unexplained
from rulebot.record.record import Kind, Record
from rulebot.replay.recordings import EMPTY, listed
from rulebot.replay.reruns import traded

if TYPE_CHECKING:
    from rulebot.live.loop import Loop

log = logging.getLogger("rulebot.run")

AFTER_CLOSE = timedelta(minutes=6)
"""How long after the close a session is over: cash settlement and assignments are known five minutes after it."""
PATIENCE = 1800.0
"""Seconds that a comparison may take while the engine runs."""
AT_THE_END = 300.0
"""Seconds by which all of them may delay the end of a run."""
WRITTEN = timedelta(minutes=20)
"""How long after the end of a session its last events may wait to be written to the recording."""
LOOK_EVERY = 15.0
_NICE = 10


class AfterClose:
    """The comparisons of one run; `begin` and `end` around its loop, `finish` when it has ended normally.

    first: start of the run. compares: the command that compares a recording with its specs. says: reports to a person.
    A failure is reported and raises nothing. Without recordings, or without a command, nothing is compared.
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
        """Compare each day once it is over, concurrently with the loop."""
        if self._folder is not None and not self._is_lockstep:
            self._task = asyncio.ensure_future(self._watch(self._folder))

    def end(self) -> None:
        """End a running comparison: its process reads the recording that is to be closed now."""
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
            found.append(await self._reported(file, max(ends - time.monotonic(), 1.0)))
            if len(known) > 1 and "problem" in found[-1]:
                found[-1] = {"problem": f"{file.parent.name}: {found[-1]['problem']}"}
        self._done.add(day)
        return found or [{"problem": EMPTY}]

    async def _reported(self, file: Path, patience: float) -> dict[str, Any]:
        command = (*self._compares, str(file), "--drift", "--format", "json")
        try:
            return await reported_by(await self._started(command), patience)
        except OSError as error:
            return {"problem": f"no process could be started: {error.strerror or error}"}

    async def _started(self, command: Sequence[str]) -> asyncio.subprocess.Process:
        """Start a process with low priority, without Ctrl+C from the terminal. Raises: OSError."""
        pipe, none = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        started = await asyncio.create_subprocess_exec(
            *command, stdin=none, stdout=pipe, stderr=pipe, start_new_session=True
        )
        if hasattr(os, "setpriority"):
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, started.pid, _NICE)
        self._process = started
        return started

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


async def reported_by(process: asyncio.subprocess.Process, patience: float) -> dict[str, Any]:
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
        return found if isinstance(found["trades"], list) else {"problem": "it printed no trades"}
    except (ValueError, KeyError, TypeError):
        last = err.decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        return {"problem": last[0][:300]}


# ---------------------------------------------------------------- as it is recorded


# --- A service's check-up before each open

BEFORE = timedelta(minutes=30)
"""How long before the open it is checked: time enough to mend something."""
PRE_OPEN_PATIENCE = 600.0
"""Seconds that a check-up may take."""
PRE_OPEN_LOOK_EVERY = 30.0
"""Seconds between two looks at the clock, which may be set, or stop while the computer sleeps."""
MOST_REPORTED = 5


async def check_mornings(command: Sequence[str], say: Callable[[str], None], clock: Clock | None = None) -> None:
    """Check before every open until cancelled; `say` is given what is wrong, in words for a person."""
    clock = clock or WallClock()
    done = clock.now()
    while True:
        due = next_check(done)
        while clock.now() < due:
            await asyncio.sleep(PRE_OPEN_LOOK_EVERY)
        done = clock.now()
        if done - due < BEFORE and (words := await found_wrong(command)):  # not hours later, after a sleep
            say(words)


def next_check(after: datetime) -> datetime:
    """Return when the next check-up is due: half an hour before an open."""
    session = session_from(exchange_date(after))
    while session.open - BEFORE <= after:
        session = session_after(session.date)
    return session.open - BEFORE


async def found_wrong(command: Sequence[str]) -> str:
    """Return what a check-up says of faults, in one sentence; "" when it finds none."""
    pipe, none = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=none, stdout=pipe, stderr=pipe)
    except OSError as error:
        return f"before the open: 'rulebot doctor' could not be started: {error.strerror or error}"
    try:
        out, err = await asyncio.wait_for(process.communicate(), PRE_OPEN_PATIENCE)
    except TimeoutError:
        return f"before the open: 'rulebot doctor' has not ended within {PRE_OPEN_PATIENCE / 60:.0f} minutes"
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    try:
        rows = json.loads(out)["checks"]
        faults = [f"{row['name']}: {row['text']}" for row in rows if row["level"] == "fault"]
    except (ValueError, KeyError, TypeError):
        last = err.decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        return f"before the open: 'rulebot doctor' failed: {last[0][:300]}"
    log.info("before the open: %d checks, %d faults", len(rows), len(faults))
    if not faults:
        return ""
    more = f"; and {len(faults) - MOST_REPORTED} more" if len(faults) > MOST_REPORTED else ""
    return f"before the open: {'; '.join(faults[:MOST_REPORTED])}{more}. 'rulebot doctor' says how to mend it"
