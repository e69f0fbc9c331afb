"""A row of a kept scan as what an operator may have entered: its contracts, and of which alternative they are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rulebot.core.state import Named
from rulebot.model.contract import Option
from rulebot.model.errors import MisuseError
from rulebot.narrate.structure_view import ShownLeg
from rulebot.record.codec import decode, encode
from rulebot.record.record import Json
from rulebot.store.queries import Run
from rulebot.store.scans import KEPT, Row, is_about, rows_of, scan_numbered, scans

SCAN_AGAIN = "scan again: 'rulebot scan SPEC'"


class NotKeptError(MisuseError):
    """A scan, or a row of it, that is not kept."""


def kept_scan(path: Path, number: int = 0) -> Row | None:
    """Return a scan without its rows; the last one without a number, None where there is none.

    Raises: NotKeptError, StoreError.
    """
    if not number:
        return next(iter(scans(path, 1)), None)
    head = scan_numbered(path, number)
    if head is None:
        help = "leave out the scan for the last one, or scan once more: 'rulebot scan'"
        raise NotKeptError(f"scan {number} is not kept: the newest {KEPT:,} are", help)
    return head


def rows_of_bot(path: Path, head: Row | None, bot: str, symbol: str = "") -> list[Row]:
    """Return the rows of a bot in a scan, best first, those of a symbol alone if one is named. Raises: StoreError."""
    rows = [] if head is None else rows_of(path, head["id"])
    return [each for each in rows if each["bot"] == bot and (not symbol or is_about(each, symbol))]


def named_of(row: Row) -> Named:
    """Return the structure of a row. Raises: MisuseError for one without legs."""
    legs = tuple((leg["name"], ShownLeg(**leg).option) for leg in row["legs"])
    if not legs:
        why = row["why"] or "it keeps none"
        raise MisuseError(f"the row of {row['symbol']} has no legs to enter: {why}", SCAN_AGAIN)
    return Named(legs, str(row["alternative"]))


def check_world(head: Row, run: Run) -> None:
    """Refuse to enter in one market what was scanned in another. Raises: MisuseError."""
    is_simulated = bool(head["world"] == "simulated")
    if is_simulated is not run.is_simulated:
        kinds = {True: "the simulated market", False: "a real one"}
        text = f"scan {head['id']} is of {kinds[is_simulated]}, and this engine trades on {kinds[run.is_simulated]}"
        raise MisuseError(text, SCAN_AGAIN)


def document_of(named: Named) -> dict[str, Any]:
    """Return a named structure as a request leaves it, and as its record has it."""
    return {"legs": {name: encode(option) for name, option in named.legs}, "alternative": named.alternative}


def named_from(data: Mapping[str, Any]) -> Named | None:
    """Return the named structure of a request or its record, None without one. Raises: CodecError and the like."""
    legs: Mapping[str, Json] = data.get("legs") or {}
    if not legs:
        return None
    return Named(tuple((str(name), decode(Option, each)) for name, each in legs.items()), str(data["alternative"]))
