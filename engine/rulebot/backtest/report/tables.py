"""The tables of a report."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from rulebot.backtest.report.charts import bar, share
from rulebot.backtest.report.findings import gravest_first, where
from rulebot.model.counted import counted
from rulebot.model.money import dollars, signed_dollars

FINDINGS = 200


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    left: frozenset[int] = frozenset(),
    words: frozenset[int] = frozenset(),
) -> str:
    """Return a table; cells are HTML already. `left`: columns of a word or two; `words`: of sentences, which wrap."""

    def cell(tag: str, place: int, content: str) -> str:
        kind = ' class="words"' if place in words else ' class="left"' if place in left else ""
        return f"<{tag}{kind}>{content}</{tag}>"

    top = "".join(cell("th", place, escape(name)) for place, name in enumerate(head))
    body = "".join(
        "<tr>" + "".join(cell("td", place, each) for place, each in enumerate(row)) + "</tr>" for row in rows
    )
    return f'<div class="wide" tabindex="0"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def coloured(amount: float | None) -> str:
    """Return dollars in the colour of a gain or a loss."""
    if amount is None:
        return "-"
    kind = "g" if amount > 0 else "l" if amount < 0 else ""
    return f'<span class="{kind}">{signed_dollars(amount)}</span>'


def percent(part: float | None) -> str:
    """Return a part as a percentage."""
    return "-" if part is None else f"{part * 100:.0f} %"


def ratio(value: float | None) -> str:
    """Return a ratio."""
    return "-" if value is None else f"{value:.2f}"


_SUMS = ("trades", "won", "net", "", "average", "best", "worst", "profit factor")


def groups(title: str, found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what the trades of each group add up to."""
    most = max((abs(each["net"]) for each in found.values()), default=0.0)
    rows = [(escape(name), *_sums(each, most)) for name, each in found.items()]
    return table((title, *_SUMS), rows, frozenset((0, 4)))


def _sums(each: Mapping[str, Any], most: float) -> tuple[str, ...]:
    money_of = tuple(coloured(each[name]) for name in ("expectancy", "best", "worst"))
    head = (str(each["trades"]), percent(each["win_rate"]), coloured(each["net"]), bar(each["net"], most))
    return (*head, *money_of, ratio(each["profit_factor"]))


def funnel(found: Mapping[str, Any]) -> str:
    """Return what kept one bot out."""
    most = max((each["sessions"] for each in found["stopped"]), default=0)
    rows = [
        (
            escape(each["rule"]),
            str(each["sessions"]),
            share(each["sessions"], most),
            f"{each['false']:,.0f}",
            f"{each['unknown']:,.0f}",
        )
        for each in found["stopped"]
    ]
    sessions = counted(found["sessions"], "session")
    words = (
        f"<p><b>{escape(found['bot'])}</b>: of {sessions} it watched in {found['watched']:,}, sent an "
        f"entry in {found['tried']:,} and held a position from {found['entered']:,} of them.</p>"
    )
    head = ("kept out by", "sessions", "", "minutes false", "minutes unknown")
    return words + (table(head, rows, frozenset((0, 2))) if rows else "")


def months(found: Sequence[Mapping[str, Any]]) -> str:
    """Return each month, beside what it falls short of where one does."""
    is_short = any(each["short"] for each in found)
    rows = [
        (
            each["name"],
            str(each["sessions"]),
            str(each["idle"]),
            str(each["trades"]),
            percent(each["win_rate"]),
            coloured(each["average"]),
            coloured(each["net"]),
            dollars(each["drawdown"]),
            *([escape("; ".join(each["short"]))] if is_short else []),
        )
        for each in found
    ]
    head = ("month", "sessions", "idle", "trades", "won", "average", "net", "drawdown")
    return table((*head, "short of") if is_short else head, rows, frozenset((8,)))


def findings(found: Sequence[Mapping[str, Any]]) -> str:
    """Return what was wrong with the data, by file and row."""
    every = gravest_first(found)
    rows = [
        (
            escape(each.first["severity"]),
            escape(where(each.first)),
            f"{each.first['count']:,}",
            escape(f"{each.first['text']}{each.more_like_it}"),
        )
        for each in every[:FINDINGS]
    ]
    left = sum(1 + each.more for each in every[FINDINGS:])
    more = f"<p>and {left:,} more</p>" if left else ""
    return table(("", "file and row", "times", "what"), rows, frozenset((1,)), frozenset((3,))) + more
