"""What is said of past data for eyes: where it is from, and what was wrong with it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rulebot.backtest.report.findings import gravest_first
from rulebot.model.counted import counted

SHOWN_FINDINGS = 20


def named(source: str, is_modelled: bool) -> str:
    """Return the name of a source, which says when nobody ever quoted its prices."""
    return f"{source}; its option prices are MODELLED, nobody ever quoted them" if is_modelled else source


def finding_lines(findings: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what was wrong with the data, by file and row."""
    found = gravest_first(findings)
    yield f" the data: {counted(sum(1 + each.more for each in found), 'finding')}"
    for alike in found[:SHOWN_FINDINGS]:
        yield f"  {alike.line}"
    rest = sum(1 + each.more for each in found[SHOWN_FINDINGS:])
    if rest:
        yield f"  and {rest} more; --format json has them all"
    elif any(each.more for each in found):
        yield "  --format json has them all"
