"""Sessions of variants of one kind, judged together.

When each may enter, what its order comes to, when it may leave and what that comes to are worked out for all of them at
once. A variant of which something is not sure in a session is judged by itself there (`ArraySession.live`).
"""

from rulebot.sweep.vectorized.entries import EnteringTogether
from rulebot.sweep.vectorized.exit_orders import UndecidedByArrays
from rulebot.sweep.vectorized.exits import LeavingTogether
from rulebot.sweep.vectorized.grouping import VariantGroup
from rulebot.sweep.vectorized.result_sheet import ResultSheet
from rulebot.sweep.vectorized.session import ArraySession, SessionResult


def live_together(session: ArraySession, group: VariantGroup) -> list[SessionResult | UndecidedByArrays]:
    """Return what came of a session for each variant of a kind."""
    sheet = ResultSheet(session, group)
    if not session.day.is_day_of(group.plan):
        return sheet.found
    entries = EnteringTogether(sheet).entries()
    if entries is not None and len(entries.rows):
        LeavingTogether(sheet).leave(entries)
    for row in sheet.alone:
        sheet.found[row] = session.live(group.bots[row])
    return sheet.found
