"""A service's check-up before each open: `rulebot doctor` in a process of its own, and an alarm of what it finds.

It takes nothing of the engine's: neither its time nor its connection, and no market data lines for options.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from rulebot.adapters.clock import Clock, WallClock
from rulebot.model.session import exchange_date, session_after, session_from

BEFORE = timedelta(minutes=30)
"""How long before the open it is checked: time enough to mend something."""
PATIENCE = 600.0
"""Seconds that a check-up may take."""
LOOK_EVERY = 30.0
"""Seconds between two looks at the clock, which may be set, or stand still while the computer sleeps."""
MOST_TOLD = 5

log = logging.getLogger("rulebot.run")


async def check_mornings(command: Sequence[str], say: Callable[[str], None], clock: Clock | None = None) -> None:
    """Check before every open until cancelled; `say` is given what is wrong, in words for a person."""
    clock = clock or WallClock()
    done = clock.now()
    while True:
        due = next_check(done)
        while clock.now() < due:
            await asyncio.sleep(LOOK_EVERY)
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
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    except TimeoutError:
        return f"before the open: 'rulebot doctor' has not ended within {PATIENCE / 60:.0f} minutes"
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
    more = f"; and {len(faults) - MOST_TOLD} more" if len(faults) > MOST_TOLD else ""
    return f"before the open: {'; '.join(faults[:MOST_TOLD])}{more}. 'rulebot doctor' says how to mend it"
