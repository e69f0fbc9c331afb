"""Sessions of variants of one kind, judged together.

When each may enter, what its order comes to, when it may leave and what that comes to are worked out for all of them at
once. A variant of which something is not sure in a session is judged by itself there (`ArraySession.live`).
"""

from rulebot.run.sweep.arrays.alike import Alike
from rulebot.run.sweep.arrays.entering_together import EnteringTogether
from rulebot.run.sweep.arrays.leaving_together import LeavingTogether
from rulebot.run.sweep.arrays.lived import ArraySession, Lived
from rulebot.run.sweep.arrays.sheet import Sheet
from rulebot.run.sweep.arrays.working import Unclear


def live_together(session: ArraySession, group: Alike) -> list[Lived | Unclear]:
    """Return what came of a session for each variant of a kind."""
    sheet = Sheet(session, group)
    if not session.day.is_day_of(group.plan):
        return sheet.found
    entries = EnteringTogether(sheet).entries()
    if entries is not None and len(entries.rows):
        LeavingTogether(sheet).leave(entries)
    for row in sheet.alone:
        sheet.found[row] = session.live(group.bots[row])
    return sheet.found
