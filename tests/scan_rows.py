"""Rows of scans by hand, and keeping them as `rulebot scan` does."""

from datetime import UTC, datetime
from pathlib import Path

from rulebot.scan.scan_row import Scan, ScanRow, document, head
from rulebot.store.scans import keep, scans_file

AT = datetime(2026, 10, 21, 14, 30, 18, tzinfo=UTC)


def row(symbol: str, **changes: object) -> ScanRow:
    """Return a row for which all holds, unless changed."""
    known: dict[str, object] = {
        "bot": "of_all",
        "symbol": symbol,
        "structure": "570/575p",
        "expiry": "2026-11-20",
        "quantity": 1,
        "price": 1.05,
        "iv": 18.25,
        "by": "iv_rank",
        "value": 40.5,
        "holds": True,
    }
    return ScanRow(**(known | changes))  # type: ignore[arg-type]


def scan_of(*rows: ScanRow, **changes: object) -> Scan:
    """Return a scan of these rows."""
    known: dict[str, object] = {
        "at": AT,
        "world": "simulated",
        "bots": {"of_all": "of_all.yaml"},
        "rows": rows,
        "structures": len(rows),
        "seconds": 18.0,
        "lines": 54,
        "line_limit": 90,
        "turns": 7,
        "lines_taken": 192,
        "lines_evicted": 173,
    }
    return Scan(**(known | changes))  # type: ignore[arg-type]


def kept(*rows: ScanRow, path: Path | None = None) -> int:
    """Keep a scan of these rows; return its number."""
    return keep(scans_file() if path is None else path, head(scan_of(*rows)), [document(each) for each in rows])
