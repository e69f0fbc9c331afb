"""The kinds of which the trials of the regressions were drawn: with one kind more a seed draws another trial."""

from rulebot.run.chaos.documents import DOCUMENTS
from rulebot.run.chaos.draw import CHOICE as ALL
from rulebot.run.chaos.edits import RELOADS

ADDED_SINCE = ("account_not_ready", "legs_rewritten", "change_doubled", "dead_line", *RELOADS, *DOCUMENTS)
CHOICE = tuple(kind for kind in ALL if kind not in ADDED_SINCE)
