"""The kinds of which the trials of the regressions were drawn: with one kind more a seed draws another trial."""

from engine.run.chaos.draw import CHOICE as ALL

ADDED_SINCE = ("account_not_ready", "legs_rewritten", "change_doubled", "dead_line")
CHOICE = tuple(kind for kind in ALL if kind not in ADDED_SINCE)
