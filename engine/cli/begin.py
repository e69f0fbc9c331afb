"""Where `rulebot` begins: Ctrl+C before the program is there to hear it leaves no traceback of what was imported."""

import sys

STOPPED_BY_HAND = 130


def begin() -> None:
    """Run the program."""
    try:
        from engine.cli.main import main

        main()
    except KeyboardInterrupt:
        sys.exit(STOPPED_BY_HAND)
