"""A report as one page of HTML, of one backtest or several: it needs no script, no network and no server."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from html import escape
from math import isfinite
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from rulebot.backtest import report_charts as tables
from rulebot.backtest.caveats import bias_words, most_often
from rulebot.backtest.report_charts import calendar, curves, falls, histogram, key
from rulebot.backtest.results import (
    REGIMES,
    ClosedTrade,
    PerformanceFigures,
    Results,
    brought_words,
    exits_words,
    figure_words,
    filled_words,
    ruined_words,
    sessions_words,
    span_words,
    strained_words,
    undivided_words,
    unfilled_words,
)
from rulebot.drawing import style
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.money import dollars, signed_dollars
from rulebot.model.performance import below_best
from rulebot.model.session import EXCHANGE_ZONE, exchange_date
from rulebot.model.text import counted, figure, signed_price, whole_percent
from rulebot.narrate.trades import InShares, TargetResult, in_shares_lines, kept_lines
from rulebot.narrate.why import instant_lines
from rulebot.record.explain import state_at
from rulebot.record.record import Kind, Record
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader

# --- The results of a backtest as a JSON document

FORMAT = "rulebot-backtest-1"
_UNTOLD = ("shown", "why")
"""Where a store stands is no result."""
_SETTINGS = {**dict.fromkeys(("from", "to", "source", "data", "fills"), str), "is_modelled": bool}
"""What a report reads of the settings, which are written as they were asked for."""


def document(results: Results) -> dict[str, Any]:
    """Return the document."""
    plain = _plain(results)
    return {"format": FORMAT, **plain}


def text_of(results: Results) -> str:
    """Return the document as text."""
    return json.dumps(document(results), indent=1, sort_keys=True, allow_nan=False) + "\n"


def read_document(file: Path) -> Mapping[str, Any]:
    """Return what `text_of` wrote. Raises: StoreError when it cannot be read, MisuseError when it is something else."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise MisuseError(f"{file} is no JSON: {error}") from error
    except RecursionError as error:
        raise MisuseError(f"{file} is nested too deep") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise MisuseError(f"{file} is no result of a backtest", "'rulebot backtest --format json' writes one")
    if wrong := _wrong(Results, found, "results") or _wrong_in(_SETTINGS, found["settings"], "settings"):
        message = f"{file} lacks '{wrong}', or has it in another form: it was changed, or another version wrote it"
        raise MisuseError(
            message,
            "name the store of that backtest to --compare instead, or run it once more: "
            f"'rulebot backtest SPEC --format json > {file}' writes it",
        )
    return found


def _wrong(kind: Any, told: Any, name: str) -> str:
    """Return the first name under which there is not what a value of this type is told as, "" where all is as told.

    name: under which `told` stands.
    """
    inside = get_args(kind)
    if get_origin(kind) is UnionType:
        return name if all(_wrong(each, told, name) for each in inside) else ""
    if is_dataclass(kind):
        kinds = get_type_hints(kind)
        return _wrong_in({each.name: kinds[each.name] for each in fields(kind) if each.name not in _UNTOLD}, told, name)
    if get_origin(kind) is Mapping:
        return _wrong_in(dict.fromkeys(told, inside[1]) if isinstance(told, dict) else {}, told, name)
    if get_origin(kind) is tuple:
        return _first(_wrong(inside[0], each, name) for each in told) if isinstance(told, list) else name
    return "" if kind is Any or _is_plain(kind, told) else name


def _wrong_in(kinds: Mapping[str, Any], told: Any, name: str) -> str:
    if not isinstance(told, dict):
        return name
    return _first(_wrong(kind, told[each], each) if each in told else each for each, kind in kinds.items())


def _first(found: Iterable[str]) -> str:
    return next(filter(None, found), "")


def _is_plain(kind: Any, told: Any) -> bool:
    if kind in (float, Decimal):
        return isinstance(told, int | float) and not isinstance(told, bool) and isfinite(told)
    return type(told) is (str if kind is date else kind)


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value) if each.name not in _UNTOLD}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, date) else value


# --- The why of each trade for a report

MOST = 1000
"""Trades whose why is written out; those before say where it is kept."""


def reasons_of(store: Place, trades: Sequence[ClosedTrade]) -> dict[str, str]:
    """Return the why of the last trades, by name. Raises: StoreError."""
    found = {}
    with StoreReader(store) as reader:
        acted = _acted(reader.records((Kind.DECISION,)))

        @lru_cache(maxsize=4)
        def day(bot: str, at: datetime) -> tuple[Record, ...]:
            return tuple(reader.day(bot, exchange_date(at)))

        for trade in trades[-MOST:]:
            instants = [("entered", trade.entered), ("left", trade.left)]
            began = acted.get((trade.name, trade.reason))
            if began is not None and trade.left is not None and began[:10] < trade.left[:10]:
                instants.insert(1, (f"{trade.reason} acted", began))
            parts = [trade.why]
            for word, text in instants:
                if text is not None:
                    at = datetime.fromisoformat(text).replace(tzinfo=EXCHANGE_ZONE)
                    records = day(trade.bot, at.replace(hour=0, minute=0, second=0, microsecond=0))
                    parts += ["", f"{word} {text[:19]}", *_lines(trade.bot, records, at)]
            found[trade.name] = "\n".join(parts)
    return found


def _acted(decisions: Iterable[Record]) -> Mapping[tuple[str, str], str]:
    """Return when the exits of positions acted last, by position and exit, as the views of a store tell times."""
    found = {}
    for each in decisions:
        if each.data["what"] == "exit":
            found[each.position, str(each.data["reason"])] = f"{each.at.astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M:%S}"
    return found


def _lines(bot: str, records: Iterable[Record], at: datetime) -> list[str]:
    known = list(records)
    return instant_lines(bot, state_at(known, at)) if known else ["nothing was recorded then"]


# --- The look of a report

STYLE = """
:root{--paper:#fff;--ink:#1c2024;--soft:#5c656e;--rule:#d9dee3;--box:#f5f7f9;--gain:#1f6fb5;--loss:#b85410;
--c0:#1f6fb5;--c1:#b85410;--c2:#2f7d4f;--c3:#8a4fa3;--c4:#8a6d00;--c5:#5c656e}
@media screen and (prefers-color-scheme:dark){
:root{--paper:#14171a;--ink:#e6e9ec;--soft:#a3acb5;--rule:#343b42;--box:#1c2125;
--gain:#6db3f2;--loss:#f09a5a;--c0:#6db3f2;--c1:#f09a5a;--c2:#7ccf9a;--c3:#cf9de6;--c4:#e0c250;--c5:#a3acb5}}
*{box-sizing:border-box} html{color-scheme:light dark}
body{margin:0 auto;max-width:76rem;padding:1.5rem 1rem 4rem;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
h1{font-size:1.5rem;margin:.2rem 0} h2{font-size:1.1rem;margin:2.2rem 0 .5rem;border-bottom:1px solid var(--rule)}
h3{font-size:1rem;margin:1.4rem 0 .4rem}
h1,p{overflow-wrap:anywhere}
p{margin:.3rem 0 .8rem} .soft{color:var(--soft)} .warn{border-left:4px solid var(--loss);padding:.4rem .8rem;
background:var(--box)} a{color:inherit}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.6rem;margin:1rem 0}
.figures div{background:var(--box);padding:.5rem .7rem;border-radius:6px}
.figures span{display:block;color:var(--soft);font-size:.8rem} .figures b{font-size:1.15rem;font-weight:600}
.wide{overflow-x:auto} table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .5rem;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}
th{font-weight:600;color:var(--soft)} th:first-child,td:first-child,.left{text-align:left}
.words{white-space:normal;text-align:left;min-width:14rem}
svg{display:block;width:100%;height:auto} .wide>svg{min-width:42rem}
svg.bar{display:inline-block;width:7.5rem;height:.75rem;vertical-align:middle}
.heat{position:relative;display:block;padding:0 .3rem}
.heat i{position:absolute;inset:-.25rem -.5rem;background:currentColor}
.heat i.gain{color:#1f6fb5} .heat i.loss{color:#b85410} .heat b{position:relative;font-weight:500}
td .g{color:var(--gain)} td .l{color:var(--loss)}
.key{display:inline-block;width:1.2rem;height:.2rem;vertical-align:middle;margin-right:.3rem}
.k0{background:var(--c0)} .k1{background:var(--c1)} .k2{background:var(--c2)} .k3{background:var(--c3)}
.k4{background:var(--c4)} .k5{background:var(--c5)}
.key,.heat i{-webkit-print-color-adjust:exact;print-color-adjust:exact}
.key.r1{mask:repeating-linear-gradient(90deg,#000 0 7px,#0000 7px 10px)}
.key.r2{mask:repeating-linear-gradient(90deg,#000 0 2px,#0000 2px 5px)}
details{border-bottom:1px solid var(--rule);padding:.25rem 0} summary{cursor:pointer}
details:target{background:var(--box)}
pre{overflow-x:auto;background:var(--box);padding:.6rem;border-radius:6px;font-size:.82rem;line-height:1.35}
@media print{body{max-width:none;font-size:11px} .wide>svg{min-width:0} h2{break-after:avoid}
svg,tr,.figures div{break-inside:avoid}
details{break-inside:avoid}}
"""


# --- A report as one page of HTML, of one backtest or several

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
        f"<title>{escape(title)}</title><style>{style()}{STYLE}</style></head>"
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
    drawn = falls(names, falls_of(days))
    yield "<h2>Drawdown</h2>"
    yield drawn or '<p class="soft">The account was never below its best at the end of a session.</p>'
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
        ("won", whole_percent(all_trades["win_rate"])),
        ("average trade", signed_dollars(all_trades["expectancy"])),
        ("profit factor", figure(all_trades["profit_factor"])),
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
            signed_price(trade["entry"]),
            escape((trade["left"] or "open")[:16]),
            signed_price(trade["exit"]),
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
        whole_percent(trades["win_rate"]),
        tables.coloured(document["profit"]),
        tables.coloured(trades["expectancy"]),
        figure(trades["profit_factor"]),
        dollars(document["max_drawdown"]),
        figure(sharpe),
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
