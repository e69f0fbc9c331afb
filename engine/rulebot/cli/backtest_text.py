"""The results of a backtest for eyes: sums, what they are made of, what kept bots out, what the data lacked."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict

from rulebot.backtest.alarms import SHOWN
from rulebot.backtest.entry_funnel import EntryFunnel
from rulebot.backtest.known_bias import bias_words
from rulebot.backtest.performance_figures import figure_words
from rulebot.backtest.result_rows import ClosedTrade
from rulebot.backtest.results import (
    Results,
    TradeSums,
    brought_words,
    ruined_words,
    sessions_words,
    span_words,
    strained_words,
    undivided_words,
    unfilled_words,
)
from rulebot.cli.data_text import finding_lines, named
from rulebot.cli.width import table
from rulebot.model.counted import counted
from rulebot.model.money import dollars
from rulebot.narrate.share_pnl import InShares, in_shares_lines
from rulebot.narrate.target_kept import kept_lines
from rulebot.narrate.text_table import aligned, price, signed

SHOWN_RULES = 8
_RIGHT = frozenset(range(1, 9))
_SUMS_GO, _TRADES_GO = (7, 4, 8), (5, 3, 1)
"""Columns that a narrow terminal does without: factor, average, commissions; of trades their prices, and the bot."""
_WHOLE = "--format json"


def result_lines(results: Results, *, width: int | None = None) -> Iterator[str]:
    """Yield all of it. width: of the terminal, None where none is."""
    yield from _head(results)
    yield ""
    yield from _sums(results, width)
    if results.trades:
        yield ""
        yield from _trades(results, width)
    for funnel in results.funnels:
        yield ""
        yield from _funnel(funnel)
        if words := unfilled_words(funnel.tried, funnel.entered, str(results.settings["fills"])):
            yield f"  {words}"
    if results.alarms:
        yield ""
        yield from _alarms(results.alarms)
    if results.findings:
        yield ""
        yield from finding_lines(results.findings)
    yield ""
    yield f" store {results.shown}: 'rulebot why', 'summary' and 'web' read it"


def _head(results: Results) -> Iterator[str]:
    told = results.settings
    sessions = sessions_words([day.has_data for day in results.days], named(told["source"], told["is_modelled"]))
    yield f" {told['from']} to {told['to']}, {sessions}"
    if words := span_words(told, [day.date for day in results.days]):
        yield f" {words}"
    for words in () if results.bias is None else bias_words(**asdict(results.bias)):
        yield f" {words}"
    sharpe = "-" if results.sharpe is None else f"{results.sharpe:.2f} +/- {results.sharpe_error or 0.0:.2f}"
    drawdown = dollars(results.max_drawdown)
    yield f" fills {told['fills']}; account {signed(float(results.profit))}, drawdown {drawdown}, Sharpe {sharpe}"
    if figures := figure_words(results.figures):
        yield f" {', '.join(f'{name} {value}' for name, value in figures)}"
    short = ruined_words({f"{day.date}": day.equity for day in results.days}) or strained_words(
        [f"{day.date}" for day in results.days if day.is_strained]
    )
    for words in filter(None, (short, brought_words(told), undivided_words(holds_shares=results.holds_shares))):
        yield f" {words}"
    if still := sum(trade.left is None for trade in results.trades):
        yield f" open at the end: {counted(still, 'position')}, which the account counts at the last mid"
    for words in kept_lines(results.kept, is_named=len(results.by_bot) > 1):
        yield f" {words}"
    for words in in_shares_lines([_in_shares(each) for each in results.trades if each.in_shares]):
        yield f" {words}"


def _in_shares(trade: ClosedTrade) -> InShares:
    return InShares(trade.name, None if trade.left is None else trade.net, trade.worth)


def _sums(results: Results, width: int | None) -> Iterator[str]:
    head = ("", "trades", "won", "net", "average", "best", "worst", "factor", "commissions")
    groups: list[tuple[str, Mapping[str, TradeSums]]] = [
        ("by exit", results.by_reason),
        ("by VIX at the open", results.by_vix),
        ("by hour of entry", results.by_hour),
    ]
    bots = results.by_bot if len(results.by_bot) > 1 else {}
    rows = [head, *(_row(name, each) for name, each in bots.items()), _row("all", results.all)]
    for title, group in groups:
        if group:
            rows += [(title,), *(_row(f"  {name}", each) for name, each in group.items())]
    yield from table(rows, width, _SUMS_GO, right=_RIGHT, whole=_WHOLE)


def _row(name: str, each: TradeSums) -> tuple[str, ...]:
    won = "-" if each.win_rate is None else f"{each.win_rate * 100:.0f} %"
    factor = "-" if each.profit_factor is None else f"{each.profit_factor:.2f}"
    money = (each.net, each.expectancy, each.best, each.worst)
    shown = tuple("-" if amount is None else signed(float(amount)) for amount in money)
    return (name, str(each.trades), won, *shown, factor, dollars(each.commissions))


def _trades(results: Results, width: int | None) -> Iterator[str]:
    rows: list[tuple[str, ...]] = [("entered", "bot", "", "price", "left", "price", "exit", "net")]
    for trade in results.trades:
        ends = (_left(trade), price(trade.exit), trade.exits, "" if trade.left is None else signed(float(trade.net)))
        rows.append((trade.entered[:16], trade.bot, trade.filled, price(trade.entry), *ends))
    yield from table(rows, width, _TRADES_GO, right=frozenset((3, 5, 7)), whole=_WHOLE)


def _left(trade: ClosedTrade) -> str:
    """Return when a trade was left, with its date where that is another one than it was entered on."""
    if trade.left is None:
        return "-"
    return trade.left[11:16] if trade.left[:10] == trade.entered[:10] else trade.left[:16]


def _funnel(found: EntryFunnel) -> Iterator[str]:
    counts = f"watched in {found.watched:,}, tried in {found.tried:,}, entered in {found.entered:,}"
    yield f" {found.bot}: {counted(found.sessions, 'session')}, {counts}"
    rules = [each for each in found.stopped if each.sessions or each.false >= 0.5 or each.unknown >= 0.5]
    rows: list[tuple[str, ...]] = [("  kept out by", "sessions", "minutes false", "unknown")]
    rows += [
        (f"  {each.rule}", str(each.sessions), f"{each.false:.0f}", f"{each.unknown:.0f}")
        for each in rules[:SHOWN_RULES]
    ]
    if rules:
        yield from aligned(rows, right=frozenset((1, 2, 3)))
    if len(rules) > SHOWN_RULES:
        yield f"   and {counted(len(rules) - SHOWN_RULES, 'other')}; {_WHOLE} has all"


def _alarms(alarms: Mapping[str, int]) -> Iterator[str]:
    yield f" alarms: {sum(alarms.values())}"
    for text, count in list(alarms.items())[:SHOWN]:
        yield f"  {count} x {text}"
    if len(alarms) > SHOWN:
        yield f"  and {counted(len(alarms) - SHOWN, 'other kind')}"
