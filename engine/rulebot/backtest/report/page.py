"""A report as one page of HTML, of one backtest or several: it needs no script, no network and no server."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from html import escape
from typing import Any

from rulebot.backtest.alarms import most_often
from rulebot.backtest.known_bias import bias_words
from rulebot.backtest.performance_figures import PerformanceFigures, figure_words
from rulebot.backtest.report import tables
from rulebot.backtest.report.charts import calendar, curves, falls, histogram, key
from rulebot.backtest.report.style import STYLE
from rulebot.backtest.result_rows import exits_words, filled_words
from rulebot.backtest.results import (
    REGIMES,
    brought_words,
    ruined_words,
    sessions_words,
    span_words,
    strained_words,
    undivided_words,
    unfilled_words,
)
from rulebot.model.counted import counted
from rulebot.model.money import dollars, signed_dollars
from rulebot.model.performance import below_best
from rulebot.narrate.share_pnl import InShares, in_shares_lines
from rulebot.narrate.target_kept import TargetResult, kept_lines
from rulebot.narrate.text_table import price

Document = Mapping[str, Any]
NAMED = 6
"""Bots up to which the title names each; the table by bot has all."""
NO_WHY = "Why is in its store: rulebot why"


def report_page(document: Document, whys: Mapping[str, str], beside: Mapping[str, Document] | None = None) -> str:
    """Return the report of one backtest.

    whys: by trade, what every rule said when it was entered and left. beside: by name this one, and the others that it
    is compared with.
    """
    told = document["settings"]
    bots = document["by_bot"]
    named = ", ".join(bots) if len(bots) <= NAMED else counted(len(bots), "bot")
    title = f"{named}: {told['from']} to {told['to']}"
    return html_page(title, "".join(_one(document, whys, beside or {})))


def comparison_page(documents: Mapping[str, Document]) -> str:
    """Return several backtests side by side, by name."""
    return html_page(f"{len(documents)} backtests compared", "".join(_several(documents, "h2")) + _formulas())


def html_page(title: str, body: str) -> str:
    """Return a whole page with the look of reports; `body` is HTML already."""
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
    )
    return f"{head}<body><main><h1>{escape(title)}</h1>{body}</main></body></html>\n"


# ---------------------------------------------------------------- one backtest


def _one(document: Document, whys: Mapping[str, str], beside: Mapping[str, Document]) -> Iterator[str]:
    days, trades = document["days"], document["trades"]
    names = [day["date"] for day in days]
    yield _about(document)
    yield _figures(document)
    if beside:
        yield "<h2>Compared</h2>"
        yield from _several(beside, "h3")
    yield "<h2>Account</h2>"
    yield curves("value of the account by session", names, {"account": [day["equity"] for day in days]})
    yield '<p class="soft">Value at the end of each session; what is open counts at its mid.</p>'
    yield "<h2>Drawdown</h2>" + falls(names, falls_of(days))
    yield "<h2>Profit and loss of each day</h2>" + calendar(days)
    yield "<h2>Months</h2>" + tables.months(document["months"])
    yield '<p class="soft">A trade counts in the month in which its last leg of value was closed.</p>'
    if len(document["by_bot"]) > 1:
        yield "<h2>By bot</h2>" + tables.groups("bot", document["by_bot"])
    if document["all"]["trades"]:
        yield "<h2>By exit</h2>" + tables.groups("exit", document["by_reason"])
        for line in kept_lines(
            [TargetResult.from_document(each) for each in document["kept"]], is_named=len(document["by_bot"]) > 1
        ):
            yield f"<p>{escape(line)}</p>"
        yield "<h2>By VIX at the open</h2>" + tables.groups("VIX", document["by_vix"])
        yield "<h2>By hour of entry</h2>" + tables.groups("hour", document["by_hour"])
    yield "<h2>What kept bots out</h2>"
    yield '<p class="soft">Of several conditions that did not hold the first counts, in the order of the spec.</p>'
    for each in document["funnels"]:
        yield tables.funnel(each)
        if words := unfilled_words(each["tried"], each["entered"], document["settings"]["fills"]):
            yield f"<p>{escape(words[0].upper() + words[1:])}.</p>"
    yield from _fills(trades)
    if document["alarms"]:
        yield "<h2>Alarms</h2>" + tables.table(
            ("times", "alarm"),
            [(str(n), escape(text)) for text, n in most_often(document["alarms"])],
            words=frozenset((1,)),
        )
    if document["findings"]:
        yield "<h2>What was wrong with the data</h2>" + tables.findings(document["findings"])
    yield from _trades(trades, whys)
    yield _formulas()


def falls_of(days: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return how far the account stood below its best so far, its start included."""
    began = [day["equity"] - day["profit"] for day in days[:1]]
    return below_best([*began, *(day["equity"] for day in days)])[1:]


def _about(document: Document) -> str:
    told = document["settings"]
    sources = sessions_words([day["has_data"] for day in document["days"]], f"{told['source']} ({told['data']})")
    words = f"<p>{escape(sources)}. Fills: {escape(told['fills'])}. rulebot {escape(document['version'])}.</p>"
    if told["is_modelled"]:
        words += '<p class="warn">Its option prices are <b>modelled</b>: nobody ever quoted them.</p>'
        for sentence in bias_words(**document["bias"]):
            words += f'<p class="warn">{escape(sentence[0].upper() + sentence[1:])}.</p>'
    ruined = ruined_words({day["date"]: day["equity"] for day in document["days"]})
    if short := ruined or strained_words([day["date"] for day in document["days"] if day["is_strained"]]):
        words += f'<p class="warn">{escape(short[0].upper() + short[1:])}.</p>'
    if still := sum(trade["left"] is None for trade in document["trades"]):
        words += f"<p>Open at the end, and in no sum of trades: {counted(still, 'position')}.</p>"
    ended = "; ".join(in_shares_lines([_in_shares(trade) for trade in document["trades"] if trade["in_shares"]]))
    undivided = undivided_words(holds_shares=document["holds_shares"])
    span = span_words(told, [date.fromisoformat(day["date"]) for day in document["days"]])
    for said in filter(None, (span, brought_words(told), undivided, ended)):
        words += f"<p>{escape(said[0].upper() + said[1:])}.</p>"
    return words


def _in_shares(trade: Document) -> InShares:
    net, worth = (None if trade["left"] is None else trade["net"]), trade["worth"]
    return InShares(trade["name"], *(None if each is None else Decimal(str(each)) for each in (net, worth)))


def _figures(document: Document) -> str:
    all_trades = document["all"]
    sharpe, error = document["sharpe"], document["sharpe_error"]
    told = (
        ("account", signed_dollars(document["profit"])),
        ("trades", str(all_trades["trades"])),
        ("won", tables.percent(all_trades["win_rate"])),
        ("average trade", "-" if all_trades["expectancy"] is None else signed_dollars(all_trades["expectancy"])),
        ("profit factor", tables.ratio(all_trades["profit_factor"])),
        ("deepest drawdown", dollars(document["max_drawdown"])),
        ("Sharpe ratio", "-" if sharpe is None else f"{sharpe:.2f} \N{PLUS-MINUS SIGN} {error or 0.0:.2f}"),
        ("commissions", dollars(all_trades["commissions"])),
        *figure_words(PerformanceFigures(**document["figures"])),
    )
    cells = "".join(f"<div><span>{escape(name)}</span><b>{escape(value)}</b></div>" for name, value in told)
    return f'<div class="figures">{cells}</div>'


def _fills(trades: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    given = [trade["given"] for trade in trades if trade["given"] is not None]
    if given:
        mean = sum(given) / len(given)
        yield "<h2>Fills against the mid</h2>" + histogram(given, "entry fills against the mid")
        yield (
            '<p class="soft">Dollars a share by which entries filled worse than the mid at which they were first '
            f"priced; {mean:.3f} on the average, left of the line better.</p>"
        )


def _trades(trades: Sequence[Mapping[str, Any]], whys: Mapping[str, str]) -> Iterator[str]:
    yield "<h2>Trades</h2>"
    if not trades:
        yield '<p class="soft">None.</p>'
        return
    rows = [
        (
            f'<a href="#{escape(trade["name"])}">{escape(trade["entered"][:16])}</a>',
            escape(trade["bot"]),
            escape(_filled(trade)),
            price(trade["entry"]),
            escape((trade["left"] or "open")[:16]),
            price(trade["exit"]),
            escape(exits_words(trade["parts"], trade["reason"])),
            "" if trade["left"] is None else tables.coloured(trade["net"]),
        )
        for trade in trades
    ]
    head = ("entered", "bot", "structure", "price", "left", "price", "exit", "net")
    yield tables.table(head, rows, frozenset((1, 2, 4, 6)))
    yield "<h2>Why</h2>"
    for trade in trades:
        words = whys.get(trade["name"], f"{NO_WHY} {trade['bot']} --date {trade['entered'][:10]}")
        line = f"{trade['entered'][:16]} {trade['bot']} {_filled(trade)}"
        yield f'<details id="{escape(trade["name"])}"><summary>{escape(line)}</summary>'
        yield f"<pre>{escape(words)}</pre></details>"


def _filled(trade: Mapping[str, Any]) -> str:
    return filled_words(trade["structure"], trade["quantity"], trade["asked"])


_FORMULAS = """Net is after commissions. Average trade: the mean net. Profit factor: dollars won by dollars lost.
Premium kept: the net of what was sold for a credit, by that credit. Time in a trade: from its first fill until it was
left, nights included. Drawdown: how far the account stood below its best so far at the end of a session. Sharpe ratio:
mean by sample deviation of the account's change by session, times the root of 252, with its standard error (W. F.
Sharpe 1994; A. W. Lo 2002). What has been is no promise."""


def _formulas() -> str:
    return f'<h2>Formulas</h2><p class="soft">{_FORMULAS}</p>'


# ---------------------------------------------------------------- several


def _several(documents: Mapping[str, Document], heading: str) -> Iterator[str]:
    names = sorted({day["date"] for each in documents.values() for day in each["days"]})
    keys = "".join(key(number, name) for number, name in enumerate(documents))
    yield f"<p>{keys}</p><{heading}>Profit of the account</{heading}>"
    yield curves(
        "profit of each account by session", names, {name: _made(each, names) for name, each in documents.items()}
    )
    told = [_row(name, each) for name, each in documents.items()]
    if len({tuple(day["date"] for day in each["days"]) for each in documents.values()}) > 1:
        yield '<p class="warn">They are <b>not of the same sessions</b>: each sum is of its own.</p>'
    head = ("", "data", "fills", "sessions", "trades", "won", "account", "average", "factor", "drawdown", "Sharpe")
    yield f"<{heading}>Side by side</{heading}>" + tables.table(head, told, frozenset((0, 2)), frozenset((1,)))
    for title, group in (("By exit", "by_reason"), ("By VIX at the open", "by_vix")):
        yield f"<{heading}>{title}</{heading}>" + _grouped(documents, group)


def _made(document: Document, names: Sequence[str]) -> list[float | None]:
    """Return what an account had made by each session, None before its first and after its last.

    One between them that it did not live through changes nothing.
    """
    by_day, total = {day["date"]: day["profit"] for day in document["days"]}, 0.0
    first, last = min(by_day, default=""), max(by_day, default="")
    found: list[float | None] = []
    for name in names:
        total += by_day.get(name, 0.0)
        found.append(total if first <= name <= last else None)
    return found


def _row(name: str, document: Document) -> tuple[str, ...]:
    told, trades, sharpe = document["settings"], document["all"], document["sharpe"]
    source = f"{told['source']}{' (modelled)' if told['is_modelled'] else ''}"
    if days := document["days"]:
        source += f", {days[0]['date']} to {days[-1]['date']}"
    return (
        escape(name),
        escape(source),
        escape(told["fills"]),
        str(len(days)),
        str(trades["trades"]),
        tables.percent(trades["win_rate"]),
        tables.coloured(document["profit"]),
        tables.coloured(trades["expectancy"]),
        tables.ratio(trades["profit_factor"]),
        dollars(document["max_drawdown"]),
        "-" if sharpe is None else f"{sharpe:.2f}",
    )


def _grouped(documents: Mapping[str, Document], group: str) -> str:
    found = {name for each in documents.values() for name in each[group]}
    names = [name for name in REGIMES if name in found] if group == "by_vix" else sorted(found)
    rows = [
        (
            escape(name),
            *(tables.coloured(each[group][name]["net"]) if name in each[group] else "-" for each in documents.values()),
        )
        for name in names
    ]
    return tables.table(("", *documents), rows)
