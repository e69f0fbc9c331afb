"""What a scan says: a row for each symbol, or structure, and what the scan took."""

from collections.abc import Mapping
from dataclasses import field, fields, replace
from datetime import datetime
from typing import Any

from rulebot.model.values import dataclass
from rulebot.narrate.structure_view import ShownLeg, leg_document
from rulebot.record.codec import utc_text


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanRow:
    """One structure as it would be traded now. None is not known, or has no meaning here; `missing` has the reasons.

    Units: price (what its order would start from), mid and natural are per share of one structure, + is received;
    greeks of the whole quantity, x contracts x 100; iv in percent a year, ranks and crowding 0 to 100; probabilities
    and return are parts of 1, in the money: that any leg sold ends there, or where none is any bought. volume,
    open_interest: of the leg that has least; quote_width: of the widest, per share.
    value: of the measure `by` that ranks it; place: among those of its bot for which all holds, 0 for the others.
    holds: whether all conditions of the spec do, None while that is unknown; why: the first that does not, and by how
    much, which is `short` as a part of its bound. taken: the spec's rank would enter it. data: live or delayed.
    legs, levels: what it is made of, and where its underlyings stand; commission: dollars of opening it all, estimated;
    covered: shares stand behind its calls.
    """

    bot: str
    symbol: str
    alternative: str = ""
    structure: str = ""
    expiry: str | None = None
    quantity: int | None = None
    price: float | None = None
    mid: float | None = None
    natural: float | None = None
    delta: float | None = None
    gamma: float | None = None
    theta: float | None = None
    vega: float | None = None
    dte: int | None = None
    iv: float | None = None
    iv_rank: float | None = None
    iv_percentile: float | None = None
    volume: float | None = None
    open_interest: float | None = None
    quote_width: float | None = None
    probability_of_profit: float | None = None
    probability_in_the_money: float | None = None
    return_on_risk: float | None = None
    crowding: float | None = None
    by: str = ""
    value: float | None = None
    place: int = 0
    taken: bool = False
    holds: bool | None = None
    why: str = ""
    short: float | None = None
    data: str = "live"
    missing: Mapping[str, str] = field(default_factory=dict)
    legs: tuple[ShownLeg, ...] = ()
    levels: Mapping[str, float] = field(default_factory=dict)
    commission: float | None = None
    covered: bool = False


DETAILS = ("missing", "legs", "levels", "commission", "covered")
"""What stands in no table: it is for a preview."""
COLUMNS = tuple(each.name for each in fields(ScanRow) if each.name not in DETAILS)
"""The names of what a row has, in the order of a table."""


def document(row: ScanRow) -> dict[str, Any]:
    """Return a row for machines."""
    flat = {name: getattr(row, name) for name in (*COLUMNS, "commission", "covered")}
    return flat | {
        "missing": dict(row.missing),
        "legs": [leg_document(leg) for leg in row.legs],
        "levels": dict(row.levels),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One scan: its rows, best first within each bot, and what it took.

    world: paper, live or simulated. bots: the file of each, by name. seconds: from the first question to the last
    answer, by the market's clock. lines, line_limit: market data lines at once, at most and allowed; turns: how often
    lines went to structures that waited for them; lines_taken, lines_evicted: altogether; of all
    these 0 where nothing was streamed. notes: what else to know.
    """

    at: datetime
    world: str
    bots: Mapping[str, str]
    rows: tuple[ScanRow, ...]
    structures: int
    seconds: float
    lines: int = 0
    line_limit: int = 0
    turns: int = 0
    lines_taken: int = 0
    lines_evicted: int = 0
    notes: tuple[str, ...] = ()

    def noting(self, words: str) -> "Scan":
        """Return the scan with one more note."""
        return replace(self, notes=(*self.notes, words))


def head(scan: Scan) -> dict[str, Any]:
    """Return what a scan is, without its rows, for machines and for the file of scans."""
    same = ("world", "structures", "seconds", "lines", "line_limit", "turns", "lines_taken", "lines_evicted")
    lists = {"specs": list(scan.bots.values()), "notes": list(scan.notes)}
    return {name: getattr(scan, name) for name in same} | lists | {"at": utc_text(scan.at)}
