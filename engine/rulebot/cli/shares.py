"""`--shares SPY=1000`: what a simulated account holds when its first day begins."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
Shares = tuple[tuple[str, int], ...]
_PAIR = re.compile(r"([A-Z][A-Z0-9.]{0,9})=([1-9][0-9]{0,6})")


def read_shares(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> Shares | None:
    """Read `SYMBOL=COUNT` as often as it is given, None when it is not. Raises: BadParameter."""
    found: dict[str, int] = {}
    for each in value:
        pair = _PAIR.fullmatch(each)
        if pair is None:
            raise click.BadParameter(f"shares are SYMBOL=COUNT, as in SPY=1000, is '{each}'")
        if pair[1] in found:
            raise click.BadParameter(f"the shares of {pair[1]} are given twice")
        found[pair[1]] = int(pair[2])
    return tuple(found.items()) or None


def _option(help_text: str) -> Callable[[F], F]:
    return click.option("--shares", multiple=True, callback=read_shares, metavar="SYMBOL=COUNT", help=help_text)


shares_option = _option("Shares the simulated account starts with, at the previous close, as SPY=1000.")
backtest_shares_option = _option(
    "Shares the account begins with, as SPY=1000: bought at the close before, out of --cash."
)
