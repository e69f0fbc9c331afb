"""The entry of `rulebot`: Ctrl+C before the program is imported leaves no traceback."""

import sys

from rulebot.cli.exit_codes import STOPPED_BY_HAND


def begin() -> None:
    """Run the program."""
    try:
        from rulebot.cli.main import main

        main()
    except KeyboardInterrupt:
        sys.exit(STOPPED_BY_HAND)


if __name__ == "__main__":
    begin()
