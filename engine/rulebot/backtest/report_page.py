"""A report as one page of HTML, of one backtest or several: it needs no script, no network and no server."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from rulebot.backtest.caveats import bias_words, most_often
from rulebot.backtest.report_charts import bar, calendar, curves, falls, histogram, keyed, share, shown_findings
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
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.money import dollars, signed_dollars
from rulebot.model.performance import below_best
from rulebot.model.session import EXCHANGE_ZONE, exchange_date
from rulebot.model.text import counted, figure, signed_price, whole_percent
from rulebot.narrate.trades import InShares, TargetResult, in_shares_lines, kept_lines
from rulebot.narrate.why import instant_lines
from rulebot.pages import written_page
from rulebot.record.explain import state_at
from rulebot.record.record import Kind, Record
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader

# --- The results of a backtest as a JSON document

FORMAT = "rulebot-backtest-1"
_UNREPORTED = ("shown", "why")
"""The path of a store is no result."""
_SETTINGS = {**dict.fromkeys(("from", "to", "source", "data", "fills"), str), "is_modelled": bool}
"""What a report reads of the settings, which are written as they were asked for."""


def document(results: Results) -> dict[str, Any]:
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
            "name the store of that backtest to --compare instead, or run it again: "
            f"'rulebot backtest SPEC --format json > {file}' writes it",
        )
    return found


def _wrong(kind: Any, reported: Any, name: str) -> str:
    """Return the first name whose value does not have its type's form, "" where all have.

    name: the name of `reported`.
    """
    inside = get_args(kind)
    if get_origin(kind) is UnionType:
        return name if all(_wrong(each, reported, name) for each in inside) else ""
    if is_dataclass(kind):
        kinds = get_type_hints(kind)
        return _wrong_in(
            {each.name: kinds[each.name] for each in fields(kind) if each.name not in _UNREPORTED}, reported, name
        )
    if get_origin(kind) is Mapping:
        return _wrong_in(dict.fromkeys(reported, inside[1]) if isinstance(reported, dict) else {}, reported, name)
    if get_origin(kind) is tuple:
        return _first(_wrong(inside[0], each, name) for each in reported) if isinstance(reported, list) else name
    return "" if kind is Any or _is_plain(kind, reported) else name


def _wrong_in(kinds: Mapping[str, Any], reported: Any, name: str) -> str:
    if not isinstance(reported, dict):
        return name
    return _first(_wrong(kind, reported[each], each) if each in reported else each for each, kind in kinds.items())


def _first(found: Iterable[str]) -> str:
    return next(filter(None, found), "")


def _is_plain(kind: Any, reported: Any) -> bool:
    if kind in (float, Decimal):
        return isinstance(reported, int | float) and not isinstance(reported, bool) and isfinite(reported)
    return type(reported) is (str if kind is date else kind)


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value) if each.name not in _UNREPORTED}
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
    """Return when the exits of positions last acted, by position and exit, in the times of a store's views."""
    found = {}
    for each in decisions:
        if each.data["what"] == "exit":
            found[each.position, str(each.data["reason"])] = f"{each.at.astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M:%S}"
    return found


def _lines(bot: str, records: Iterable[Record], at: datetime) -> list[str]:
    known = list(records)
    return instant_lines(bot, state_at(known, at)) if known else ["nothing was recorded then"]


# --- A report as one page of HTML, of one backtest or several

Document = Mapping[str, Any]
NAMED = 6
"""Bots up to which the title names each; the table by bot has all."""
NO_WHY = "Why is in its store: rulebot why"


def report_page(document: Document, whys: Mapping[str, str], beside: Mapping[str, Document] | None = None) -> str:
    """Return the report of one backtest.

    whys: by trade, the results of every rule at entry and exit. beside: by name this one, and those it is compared
    with.
    """
    reported, bots, days, trades = (document[name] for name in ("settings", "by_bot", "days", "trades"))
    named = ", ".join(bots) if len(bots) <= NAMED else counted(len(bots), "bot")
    names = [day["date"] for day in days]
    kept = [TargetResult.from_document(each) for each in document["kept"]]
    return written_page(
        "report",
        title=f"{named}: {reported['from']} to {reported['to']}",
        sources=sessions_words([day["has_data"] for day in days], f"{reported['source']} ({reported['data']})"),
        fills=reported["fills"],
        version=document["version"],
        is_modelled=reported["is_modelled"],
        warnings=list(_warnings(document)),
        notes=list(_notes(document)),
        figures=_figures(document),
        compared=_compared(beside) if beside else None,
        account=curves("value of the account by session", names, {"account": [day["equity"] for day in days]}),
        drawdown=falls(names, falls_of(days)),
        calendar=calendar(days),
        months=_months(document["months"]),
        trades_closed=document["all"]["trades"],
        kept=kept_lines(kept, is_named=len(bots) > 1),
        **{group: _sums(document[group]) for group in ("by_bot", "by_reason", "by_vix", "by_hour")},
        funnels=[_funnel(each, reported["fills"]) for each in document["funnels"]],
        given=_given([trade["given"] for trade in trades if trade["given"] is not None]),
        alarms=[(times, text) for text, times in most_often(document["alarms"])],
        findings=shown_findings(document["findings"]),
        trades=[_trade(each, whys) for each in trades],
    )


def comparison_page(documents: Mapping[str, Document]) -> str:
    """Return several backtests side by side, by name."""
    return written_page("comparison", title=f"{len(documents)} backtests compared", compared=_compared(documents))


# ---------------------------------------------------------------- one backtest


def falls_of(days: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return the drawdown of the account, its start included."""
    began = [day["equity"] - day["profit"] for day in days[:1]]
    return below_best([*began, *(day["equity"] for day in days)])[1:]


def _warnings(document: Document) -> Iterator[str]:
    days = document["days"]
    if document["settings"]["is_modelled"]:
        yield from bias_words(**document["bias"])
    ruined = ruined_words({day["date"]: day["equity"] for day in days})
    if short := ruined or strained_words([day["date"] for day in days if day["is_strained"]]):
        yield short


def _notes(document: Document) -> Iterator[str]:
    reported, trades = document["settings"], document["trades"]
    if still := sum(trade["left"] is None for trade in trades):
        yield f"open at the end, and in no sum of trades: {counted(still, 'position')}"
    ended = "; ".join(in_shares_lines([_in_shares(trade) for trade in trades if trade["in_shares"]]))
    undivided = undivided_words(holds_shares=document["holds_shares"])
    span = span_words(reported, [date.fromisoformat(day["date"]) for day in document["days"]])
    yield from filter(None, (span, brought_words(reported), undivided, ended))


def _in_shares(trade: Document) -> InShares:
    net, worth = (None if trade["left"] is None else trade["net"]), trade["worth"]
    return InShares(trade["name"], *(None if each is None else Decimal(str(each)) for each in (net, worth)))


def _figures(document: Document) -> list[tuple[str, str]]:
    all_trades = document["all"]
    sharpe, error = document["sharpe"], document["sharpe_error"]
    return [
        ("account", signed_dollars(document["profit"])),
        ("trades", str(all_trades["trades"])),
        ("won", whole_percent(all_trades["win_rate"])),
        ("average trade", signed_dollars(all_trades["expectancy"])),
        ("profit factor", figure(all_trades["profit_factor"])),
        ("deepest drawdown", dollars(document["max_drawdown"])),
        ("Sharpe ratio", "-" if sharpe is None else f"{sharpe:.2f} \N{PLUS-MINUS SIGN} {error or 0.0:.2f}"),
        ("commissions", dollars(all_trades["commissions"])),
        *figure_words(PerformanceFigures(**document["figures"])),
    ]


def _months(found: Sequence[Mapping[str, Any]]) -> list[tuple[object, ...]]:
    """Return each month, with its shortfall where there is one."""
    is_short = any(each["short"] for each in found)
    rows: list[tuple[object, ...]] = []
    for each in found:
        counts = (each["name"], each["sessions"], each["idle"], each["trades"], whole_percent(each["win_rate"]))
        short = ["; ".join(each["short"])] * is_short
        rows.append((*counts, each["average"], each["net"], dollars(each["drawdown"]), *short))
    return rows


def _sums(found: Mapping[str, Mapping[str, Any]]) -> list[tuple[object, ...]]:
    """Return what the trades of each group add up to."""
    most = max((abs(each["net"]) for each in found.values()), default=0.0)
    rows: list[tuple[object, ...]] = []
    for name, each in found.items():
        head = (name, each["trades"], whole_percent(each["win_rate"]), each["net"], bar(each["net"], most))
        rows.append((*head, each["expectancy"], each["best"], each["worst"], figure(each["profit_factor"])))
    return rows


def _funnel(found: Mapping[str, Any], fills: str) -> Mapping[str, Any]:
    """Return what kept one bot out."""
    stopped = found["stopped"]
    most = max((each["sessions"] for each in stopped), default=0)
    rows = [
        (
            each["rule"],
            each["sessions"],
            share(each["sessions"], most),
            *(f"{each[truth]:,.0f}" for truth in ("false", "unknown")),
        )
        for each in stopped
    ]
    return {**found, "rows": rows, "unfilled": unfilled_words(found["tried"], found["entered"], fills)}


def _given(given: Sequence[float]) -> Mapping[str, Any] | None:
    """Return by how much entries filled worse than the mid, None without any."""
    if not given:
        return None
    return {"drawing": histogram(given, "entry fills against the mid"), "mean": sum(given) / len(given)}


def _trade(trade: Mapping[str, Any], whys: Mapping[str, str]) -> Mapping[str, Any]:
    return {
        "name": trade["name"],
        "bot": trade["bot"],
        "entered": trade["entered"][:16],
        "filled": filled_words(trade["structure"], trade["quantity"], trade["asked"]),
        "entry": signed_price(trade["entry"]),
        "left": (trade["left"] or "open")[:16],
        "exit": signed_price(trade["exit"]),
        "ended": exits_words(trade["parts"], trade["reason"]),
        "net": None if trade["left"] is None else trade["net"],
        "why": whys.get(trade["name"], f"{NO_WHY} {trade['bot']} --date {trade['entered'][:10]}"),
    }


# ---------------------------------------------------------------- several


def _compared(documents: Mapping[str, Document]) -> Mapping[str, Any]:
    names = sorted({day["date"] for each in documents.values() for day in each["days"]})
    made = {name: _made(each, names) for name, each in documents.items()}
    return {
        "names": list(documents),
        "curves": keyed("profit of each account by session", names, made),
        "differ": len({tuple(day["date"] for day in each["days"]) for each in documents.values()}) > 1,
        "rows": [_row(name, each) for name, each in documents.items()],
        "groups": [
            (title, _grouped(documents, group))
            for title, group in (("By exit", "by_reason"), ("By VIX at the open", "by_vix"))
        ],
    }


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


def _row(name: str, document: Document) -> tuple[object, ...]:
    reported, trades = document["settings"], document["all"]
    source = f"{reported['source']}{' (modelled)' if reported['is_modelled'] else ''}"
    if days := document["days"]:
        source += f", {days[0]['date']} to {days[-1]['date']}"
    counts = (name, source, reported["fills"], len(days), trades["trades"], whole_percent(trades["win_rate"]))
    money = (document["profit"], trades["expectancy"], figure(trades["profit_factor"]))
    return (*counts, *money, dollars(document["max_drawdown"]), figure(document["sharpe"]))


def _grouped(documents: Mapping[str, Document], group: str) -> list[tuple[object, ...]]:
    found = {name for each in documents.values() for name in each[group]}
    names = [name for name in REGIMES if name in found] if group == "by_vix" else sorted(found)
    return [(name, *(each[group].get(name, {}).get("net") for each in documents.values())) for name in names]
