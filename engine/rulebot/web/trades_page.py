"""The page of all trades: by bot, dates and status, with their profit by day, week or month."""

from collections.abc import Mapping
from datetime import date
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from rulebot.narrate.periods import SPANS, period_of
from rulebot.narrate.target_kept import kept_lines, read_kept
from rulebot.store.place import Place
from rulebot.store.queries import Row, StoreReader
from rulebot.web.book import is_between
from rulebot.web.chart import days_svg
from rulebot.web.known import standby_bots

SHOWN = 500
STATES = ("OPEN", "CLOSED", "PENDING", "ERROR")


def trades_page(
    store: Place,
    *,
    bot: str = "",
    first: date | None = None,
    last: date | None = None,
    state: str = "",
    span: str = "day",
) -> Mapping[str, Any]:
    """Return what the template shows; the newest trades first. Profit counts on the day of the exit."""
    equal = {name: value for name, value in (("strategy_id", bot), ("status", state)) if value}
    with StoreReader(store) as reader:
        rows = [row for row in reader.trades(**equal) if is_between(row["trade_date"], first, last)]
        bots, standing = reader.bots(), standby_bots(reader.run())
        kept = kept_lines(read_kept(reader, bot), is_named=not bot)
    closed = sorted((row for row in rows if row["final_pnl"] is not None and row["exit_time"]), key=_exit)
    sums = [
        (name, sum(float(row["final_pnl"]) for row in group))
        for name, group in groupby(closed, lambda row: period_of(_exit(row)[:10], span))
    ]
    asked = {"from": first, "to": last, "status": state, "format": "csv"}
    return {
        "rows": rows[::-1][:SHOWN],
        "count": len(rows),
        "is_provisional": any(row["commissions_owed"] for row in closed),
        "made": sum(amount for _, amount in sums),
        "wins": sum(row["final_pnl"] > 0 for row in closed),
        "closed": len(closed),
        "kept": kept,
        "in_error": sum(row["status"] == "ERROR" for row in rows),
        "drawing": days_svg(sums),
        "bots": bots,
        **standing,
        "states": STATES,
        "spans": SPANS,
        "asked": {"bot": bot, "from": first or "", "to": last or "", "status": state, "period": span},
        "table": "/api/trades?" + urlencode({name: value for name, value in asked.items() if value}),
    }


def _exit(row: Row) -> str:
    return str(row["exit_time"])
