"""The kinds of which the trials of the regressions were drawn: with one kind more a seed draws another trial."""

from rulebot.chaos.generator import CHOICE as ALL
from rulebot.chaos.spec_files import DOCUMENTS, RELOADS

ADDED_SINCE = ("account_not_ready", "legs_rewritten", "change_doubled", "dead_line", *RELOADS, *DOCUMENTS)
CHOICE = tuple(kind for kind in ALL if kind not in ADDED_SINCE)
