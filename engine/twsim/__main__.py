"""`python -m twsim`: the gateway as a standalone program."""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

from twsim.command import GATEWAY_OPTIONS, GatewayOption, check_alone, gateway_settings, serve, show_ledger

_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_SHARES = re.compile(r"([A-Z][A-Z0-9.]{0,9})=([1-9][0-9]{0,6})")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve, or print a ledger, and return the exit code: 0, 1 no ledger, 2 misuse, 3 a port or file failed."""
    parser = _parser()
    given = vars(parser.parse_args(arguments))
    try:
        check_alone(given)
        if "ledger" in given:
            return show_ledger(given["ledger"], given.get("flex"))
        settings = gateway_settings({**{each.name: _default(each) for each in GATEWAY_OPTIONS}, **given})
    except ValueError as problem:
        parser.error(str(problem))
    return serve(settings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m twsim",
        description="Serve a SIMULATED market, broker and account to any client of the TWS API, on this machine only. "
        "A client that connects with the option +LOCKSTEP holds the virtual clock.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    for each in GATEWAY_OPTIONS:
        if each.kind is bool:
            parser.add_argument(each.flag, action="store_true", help=each.help)
            continue
        shown = f" [default: {each.default}]" if each.default is not None else ""
        parser.add_argument(
            each.flag,
            action="append" if each.many else "store",
            type=_reader(each),
            metavar=each.metavar or ("FILE" if each.kind is Path else "N"),
            help=each.help + shown,
        )
    return parser


def _default(option: GatewayOption) -> Any:
    return option.kind(option.default) if isinstance(option.default, str) else option.default


def _reader(option: GatewayOption) -> Callable[[str], Any]:
    """Return what reads the value of an option; it raises argparse's own error, with the reason."""

    def read(text: str) -> Any:
        try:
            return _value(option, text)
        except ValueError as problem:
            raise argparse.ArgumentTypeError(str(problem)) from None

    return read


def _value(option: GatewayOption, text: str) -> Any:
    """Return the value of an option. Raises: ValueError."""
    if option.name == "shares":
        if (pair := _SHARES.fullmatch(text)) is None:
            raise ValueError(f"shares are SYMBOL=COUNT, as in SPY=1000, is '{text}'")
        return pair[1], int(pair[2])
    if option.kind is date:
        if (day := _DAY.fullmatch(text)) is None:
            raise ValueError(f"a day is written 2026-10-21, is '{text}'")
        return date(*map(int, day.groups()))
    if option.kind in (int, float):
        return _number(option, text)
    found = option.kind(text)
    if isinstance(found, Path) and option.exists and not found.is_file():
        raise ValueError(f"there is no file '{text}'")
    return found


def _number(option: GatewayOption, text: str) -> Any:
    """Return a number within its bounds. Raises: ValueError."""
    found = float("nan")
    with suppress(ValueError):
        found = option.kind(text)
    if option.least <= found <= (option.most or sys.float_info.max):
        return found
    what = "a whole number" if option.kind is int else "a number"
    bounds = f"of at least {option.least}" if option.most is None else f"of {option.least} to {option.most}"
    raise ValueError(f"it is {what} {bounds}, is '{text}'")


if __name__ == "__main__":
    sys.exit(main())
