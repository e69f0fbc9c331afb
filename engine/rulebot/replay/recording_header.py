"""What a replay begins with: texts, limits, calendars and what the run went on from; as JSON and back."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from rulebot.adapters.recorded.recording import STATE, Recording, open_recording
from rulebot.core.program import Program
from rulebot.core.state import State
from rulebot.documents.load_bots import LoadedBots, SpecText, account_of, compile_text
from rulebot.documents.reload_specs import told_desk, told_text
from rulebot.model.facts import EventCalendar
from rulebot.model.market import Board
from rulebot.process.version import code_digest
from rulebot.record.codec import CodecError, decode, encode, line, record_of, utc_text, utc_time
from rulebot.record.record import Json
from rulebot.recovery.resume import resume, spec_texts
from rulebot.replay.state_snapshot import state_of, told_state
from rulebot.store.recall import StartupRecords


def tape_folder(tapes: Path, at: datetime) -> Path:
    """Return the folder of the recordings of a run that begins at an instant."""
    name = f"{at:%Y-%m-%dT%H%M%S}Z"
    taken = sorted(tapes.glob(f"{name}*")) if tapes.is_dir() else []
    return tapes / (f"{name}-{len(taken) + 1}" if taken else name)


def told_head(
    desk: LoadedBots, recalled: StartupRecords, program: Program, state: State, at: datetime, version: str
) -> dict[str, Json]:
    """Return all that the first turn of a run follows from, besides what is recorded of it."""
    return {
        **_told_program(desk, program, at, version),
        "events": encode(state.facts.events),
        "records": [line(record) for record in recalled.records],
        "number": recalled.number,
        "order_id": recalled.order_id,
        "takes_hooks": state.facts.hooks is not None,
    }


def _told_program(desk: LoadedBots, program: Program, at: datetime, version: str) -> dict[str, Json]:
    return {
        "version": version,
        "code": code_digest(),
        "at": utc_text(at),
        "install": program.install,
        "line_limit": program.line_limit,
        **told_desk(desk),
    }


def told_standing(
    desk: LoadedBots, texts: Mapping[str, SpecText], program: Program, state: State, at: datetime, version: str
) -> dict[str, Json]:
    """Return where a run stands before a turn, for a replay that begins with this turn.

    desk: what runs now. texts: by digest, all that have run or governed positions. Raises: CodecError.
    """
    if unknown := program.pinned.keys() - texts.keys():
        raise CodecError(f"no text has the digest {sorted(unknown)[0]}")
    return {
        **_told_program(desk, program, at, version),
        "pinned": [[texts[digest].name, told_text(texts[digest])] for digest in program.pinned],
        STATE: told_state(state),
    }


class Beginning(NamedTuple):
    """What a recorded run began with; digests of its texts by bot."""

    state: State
    program: Program
    digests: Mapping[str, str]


def begun(recording: Recording, board: Board) -> tuple[Recording, Beginning]:
    """Return a recording and what its first turn follows from.

    It is that of the whole run when another version wrote down where it stood later. Raises: CodecError, StoreError.
    """
    try:
        return recording, beginning(recording.head, board)
    except CodecError:
        if STATE not in recording.head:
            raise
    whole = open_recording(recording.files[-1], whole=True)
    return whole, beginning(whole.head, board)


def beginning(head: Mapping[str, Any], board: Board) -> Beginning:
    """Return what the first turn of a recording follows from. Raises: CodecError, StoreError."""
    if STATE in head:
        earlier = [text for name, told in head["pinned"] for text in spec_texts({name: told})]
        return _compiled(head, earlier, state_of(head[STATE], board))
    records = [record_of(text) for text in head["records"]]
    events = decode(EventCalendar, head["events"])
    numbers = int(head["number"]), int(head["order_id"])
    takes_hooks = bool(head.get("takes_hooks"))  # an earlier version had none
    resumed = resume(records, utc_time(head["at"]), board, events, *numbers, takes_hooks=takes_hooks)
    return _compiled(head, resumed.texts, resumed.state)


def _compiled(head: Mapping[str, Any], earlier: Iterable[SpecText], state: State) -> Beginning:
    pinned = {text.digest: compile_text(text) for text in earlier}
    desk = desk_of(head)
    program = desk.program(str(head["install"]), pinned, int(head["line_limit"]))
    return Beginning(state, program, desk.digests)


def desk_of(told: Mapping[str, Any]) -> LoadedBots:
    """Return the bots and limits that `told_desk` tells of.

    Raises: StoreError when this version cannot read one of the texts any more.
    """
    found = tuple(spec_texts(told["specs"]))
    bots = {text.name: compile_text(text) for text in found}
    account = str(told["account"])
    return LoadedBots(bots, found, account_of(account), (), account_text=account)
