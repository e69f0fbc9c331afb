"""Underlyings whose symbol is also that of a future or an index: the options are on shares."""

from collections.abc import Iterator

from rulebot.compile.lint.look import LintContext
from rulebot.compile.problem import Problem
from rulebot.model.namesakes import NAMESAKES
from rulebot.spec.nouns.condition import Path
from rulebot.spec.spec import Spec


def ambiguous_symbols(look: LintContext) -> Iterator[Problem]:
    """Yield RB375 for each underlying that is the ticker of a company, and the symbol of a future or an index."""
    for symbol, path in _symbols(look.spec):
        found = NAMESAKES.get(symbol)
        if found is None:
            continue
        shares = f"these are options on the shares of {found.company} ({symbol})"
        if not found.company:
            shares = "no share is listed under it"
        message = f"'{symbol}' is also the symbol of {found.other}: {shares}"
        instead = f"for that market write {found.instead}" if found.instead else "rulebot trades no options on futures"
        yield Problem("RB375", path, message, instead)


def _symbols(spec: Spec) -> Iterator[tuple[str, Path]]:
    if spec.universe is not None:
        yield from ((symbol, (*spec.universe.path, "symbols", at)) for at, symbol in enumerate(spec.universe.symbols))
    elif len(spec.underlyings) > 1:
        yield from ((symbol, ("underlyings", at)) for at, symbol in enumerate(spec.underlyings))
    else:
        yield spec.underlyings[0], ("underlying",)
