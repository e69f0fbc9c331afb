"""Rows of kept scans, as a preview and an entry by hand name them."""

from fastapi import HTTPException

from rulebot.operator.scan_row_entry import NotKeptError, kept_scan, rows_of_bot
from rulebot.store.scans import Row, scans_file
from rulebot.web.answers import HelpfulError


def stored_scan_row(bot: str, scan: int, number: int | None) -> tuple[Row | None, Row | None]:
    """Return a scan (0 is the last one) and the row of it that is meant; without a number the bot's best one.

    Raises: HTTPException 404 for a scan or row that is not kept, or is another bot's; StoreError.
    """
    path = scans_file()
    try:
        head = kept_scan(path, scan)
    except NotKeptError as error:
        help = "leave out `scan` for the last one, or scan once more: 'rulebot scan'"
        raise HelpfulError(404, error.message, help) from error
    rows = rows_of_bot(path, head, bot)
    if number is None and (rows or not scan):
        return (head, rows[0]) if rows else (None, None)
    found = next((each for each in rows if each["number"] == number), None)
    if found is None:
        which = f"scan {scan}" if scan else "the last scan"
        row = "row" if number is None else f"row {number}"
        raise HTTPException(404, f"{which} keeps no {row} of {bot[:60]}")
    return head, found
