"""Exit codes of the program; 0 is success, 2 misuse (click)."""

PROBLEMS_FOUND = 1
THE_WORLD_FAILED = 3
STOPPED_BY_HAND = 130
READER_GONE = 141
"""When what reads our output has gone (`rulebot why BOT | head`): as a shell shows a program that SIGPIPE ends."""
