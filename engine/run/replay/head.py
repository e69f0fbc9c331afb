"""What a replay begins with: texts, limits, calendars and what the run went on from; as JSON and back."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from engine.model.facts import EventCalendar
from engine.model.market import Board
from engine.record.codec import decode, encode, line, record_of, utc_text, utc_time
from engine.record.record import Json
from engine.run.desk import Desk, account_of, compile_text
from engine.run.reread import told_desk
from engine.run.resume import resume, spec_texts
from engine.store.recall import Recalled
from engine.turn.program import Program
from engine.turn.state import State


def tape_folder(tapes: Path, at: datetime) -> Path:
    """Return the folder of the recordings of a run that begins at an instant."""
    name = f"{at:%Y-%m-%dT%H%M%S}Z"
    taken = sorted(tapes.glob(f"{name}*")) if tapes.is_dir() else []
    return tapes / (f"{name}-{len(taken) + 1}" if taken else name)


def told_head(
    desk: Desk, recalled: Recalled, program: Program, state: State, at: datetime, version: str
) -> dict[str, Json]:
    """Return all that the first turn of a run follows from, besides what is recorded of it."""
    return {
        "version": version,
        "at": utc_text(at),
        "install": program.install,
        "line_limit": program.line_limit,
        **told_desk(desk),
        "events": encode(state.facts.events),
        "records": [line(record) for record in recalled.records],
        "number": recalled.number,
        "order_id": recalled.order_id,
        "takes_hooks": state.facts.hooks is not None,
    }


class Beginning(NamedTuple):
    """What a recorded run began with; digests of its texts by bot."""

    state: State
    program: Program
    digests: Mapping[str, str]


def beginning(head: Mapping[str, Any], board: Board) -> Beginning:
    """Return what the first turn of a recorded run follows from. Raises: CodecError, StoreError."""
    records = [record_of(text) for text in head["records"]]
    events = decode(EventCalendar, head["events"])
    numbers = int(head["number"]), int(head["order_id"])
    takes_hooks = bool(head.get("takes_hooks"))  # an earlier version had none
    resumed = resume(records, utc_time(head["at"]), board, events, *numbers, takes_hooks=takes_hooks)
    pinned = {text.digest: compile_text(text) for text in resumed.texts}
    desk = desk_of(head)
    program = desk.program(str(head["install"]), pinned, int(head["line_limit"]))
    return Beginning(resumed.state, program, desk.digests)


def desk_of(told: Mapping[str, Any]) -> Desk:
    """Return the bots and limits that `told_desk` tells of.

    Raises: StoreError when this version cannot read one of the texts any more.
    """
    found = tuple(spec_texts(told["specs"]))
    bots = {text.name: compile_text(text) for text in found}
    account = str(told["account"])
    return Desk(bots, found, account_of(account), (), account_text=account)
