"""What a replay begins with: texts, limits, calendars and what the run went on from; as JSON and back."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.model.facts import EventCalendar
from engine.model.market import Board
from engine.record.codec import decode, encode, line, record_of, utc_text, utc_time
from engine.record.record import Json
from engine.run.desk import Desk, SpecText, account_of, compile_text
from engine.run.reread import told_desk
from engine.run.resume import Resumed, resume, spec_texts
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


def state_of(head: Mapping[str, Any], board: Board) -> Resumed:
    """Return the state that a recorded run began with. Raises: CodecError, StoreError."""
    records = [record_of(text) for text in head["records"]]
    events = decode(EventCalendar, head["events"])
    numbers = int(head["number"]), int(head["order_id"])
    takes_hooks = bool(head.get("takes_hooks"))  # an earlier version had none
    return resume(records, utc_time(head["at"]), board, events, *numbers, takes_hooks=takes_hooks)


def desk_of(told: Mapping[str, Any], texts: tuple[SpecText, ...] | None = None) -> Desk:
    """Return the bots and limits that `told_desk` tells of, or other `texts` under those limits.

    Raises: StoreError when this version cannot read one of the texts any more.
    """
    found = tuple(spec_texts(told["specs"])) if texts is None else texts
    bots = {text.name: compile_text(text) for text in found}
    account = str(told["account"])
    return Desk(bots, found, account_of(account), (), account_text=account)


def program_of(head: Mapping[str, Any], resumed: Resumed, desk: Desk) -> Program:
    """Return the program that a recorded run began with."""
    pinned = {text.digest: compile_text(text) for text in resumed.texts}
    return desk.program(str(head["install"]), pinned, int(head["line_limit"]))
