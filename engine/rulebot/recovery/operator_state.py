"""What operators have asked for and not taken back, folded from the records that an engine keeps of it."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from rulebot.core.state.state import OperatorState, TradingMode, after_request
from rulebot.model.event import Request
from rulebot.record.record import Record
from rulebot.store.queries import Run

TO_BE_CLOSED = "to be closed, as asked, once the session is on and the broker is there"
"""What an open position waits for that a person has asked to be closed."""


def standing_of(asked: Iterable[Record]) -> OperatorState:
    """Return what stands after the records of operators, in order."""
    standing = OperatorState()
    for record in asked:
        standing = after_record(standing, record)
    return standing


def must_close_after(run: Run, waiting: Iterable[Mapping[str, Any]], bot: str, position: str) -> bool:
    """Say whether a position is to be closed once the engine of a run has read what waits in its box, oldest first."""
    standing = standing_of((*run.earlier, *run.requests))
    for told in waiting:
        with suppress(LookupError, ValueError):
            request, whose, which = Request(told["request"]), str(told["bot"]), str(told["position"])
            is_anew = request is Request.FLATTEN and whose in ("", bot)
            closes = [position] if is_anew or standing.must_close(bot, position) else []
            standing = after_request(standing, request, whose, which, closes=closes)
    return standing.must_close(bot, position)


def trading_of(run: Run) -> str:
    """Return active, or reducing (exits only) once all are paused or killed; stopped when no engine runs."""
    return "stopped" if run.state() == "stopped" else asked_of(run)


def asked_of(run: Run) -> str:
    """Return active, or reducing once operators have asked for that, whether an engine runs or not."""
    return "active" if standing_of((*run.earlier, *run.requests)).is_active else "reducing"


def after_record(standing: OperatorState, record: Record) -> OperatorState:
    """Return what stands after one record of an operator's request."""
    data = record.data
    position, reason = (str(data.get(name) or "") for name in ("position", "reason"))
    closes = data.get("closes") or []
    assert isinstance(closes, list)
    return after_request(standing, Request(data["request"]), record.bot, position, reason, map(str, closes))


def reason_of(standing: OperatorState) -> str | None:
    """Return why no bot may enter: what a person has asked of all, or for what else they only reduce."""
    if standing.trading is not TradingMode.ACTIVE:
        return standing.reason or "killed"
    return "paused" if "" in standing.paused else None


def named_in(standing: OperatorState) -> list[str]:
    """Return the bots that a person has paused or killed by name."""
    return sorted(standing.paused - {""})


def kept_out(reason: str | None, named: Sequence[str]) -> list[str]:
    """Return what keeps all bots, or those named, from entering until a person says otherwise, a line each."""
    lines = [f" {reason}: no bot enters until 'rulebot resume'; exits go on"] if reason else []
    return lines + [f" paused: {bot} enters nothing until 'rulebot resume {bot}'; exits go on" for bot in named]
