"""`rulebot summary`: what the closed trades of a store add up to, by bot and together."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from rulebot.cli.numbers import WholeNumber
from rulebot.cli.say import print_text
from rulebot.cli.stores import check_bot, other_version_words, print_json, reads_store
from rulebot.cli.width import echo, terminal_width
from rulebot.model.counted import counted
from rulebot.model.errors import MisuseError
from rulebot.model.money import dollars
from rulebot.narrate.periods import Period
from rulebot.narrate.share_pnl import InShares, in_shares_lines, read_in_shares
from rulebot.narrate.target_kept import kept_lines, read_kept
from rulebot.narrate.text_table import aligned, signed
from rulebot.narrate.trade_text import error_text
from rulebot.store.latest import chosen_store
from rulebot.store.place import Place, shown_path
from rulebot.store.queries import StoreReader

_COUNTS = ("total_trades", "wins", "losses")
_MONEY = ("gross_pnl", "total_commission", "net_pnl", "avg_pnl", "max_win", "max_loss", "max_drawdown")
FIELDS = (*_COUNTS, "win_rate", *_MONEY)
NOTHING: dict[str, Any] = (
    dict.fromkeys(_COUNTS, 0) | {"win_rate": None} | dict.fromkeys(_MONEY, 0.0) | {"avg_pnl": None}
)


@click.command("summary", short_help="Sum up the closed trades.")
@click.argument("bot", required=False)
@click.option("--by", "span", type=click.Choice(["day", "week", "month"]), help="A line for each of these instead.")
@click.option(
    "--account",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With --by: the account document whose `live.require` says what win rate and expectancy are expected.",
)
@click.option("--compare", "compares", is_flag=True, help="Beside the shadows of 'rulebot run --shadow'.")
@click.option("--sessions", type=WholeNumber(1), metavar="N", help="With --compare: the last N sessions of both.")
@reads_store
def summary(
    bot: str | None,
    span: str | None,
    account: Path | None,
    compares: bool,
    sessions: int | None,
    store: Place | None,
    form: str,
) -> None:
    """Sum up the closed trades of BOT, or of every bot and all together.

    With --by month each month is a line: sessions, those without a trade, win rate, average, drawdown, alarms, and what
    falls short of the account document, of each bot by itself.

    With --compare each bot stands beside its shadow: entries, fills against mid, results, and which decisions differed
    by which rule first.

    Amounts are dollars: gross before commissions, net after them. A trade that was assigned or exercised counts with
    its shares, at their official settlement price. A trade counts whole, on the day on which its last leg of value was
    closed. A win is a trade with a profit after commissions; max_drawdown is the deepest fall of the
    summed net profit below its best so far. Below the sums each exit says what it promised and kept, and its slippage
    in dollars per contract: "target 50 %: kept 51 %, at least 50 %, n 31".
    """
    path = chosen_store(store)
    if sessions is not None and not compares:
        raise click.UsageError("--sessions is for --compare")
    if compares:
        if span is not None or account is not None:
            raise click.UsageError("--compare has neither --by nor --account")
        from rulebot.cli.compare import show_compared

        show_compared(path, bot, sessions, form)
        return
    if account is not None and span is None:
        raise click.UsageError("--account is compared with periods: say --by day, week or month")
    if span is not None:
        _by_period(path, bot, span, account, form)
        return
    from rulebot.narrate.drift_summary import compared_words, last_compared

    with StoreReader(path) as reader:
        known, mark = reader.bots(), reader.run().mark
        drift = last_compared(reader)
        apart = _Apart.of(reader, bot or "")
        kept = read_kept(reader, bot or "")
        by_bot = {str(row["strategy_id"]): _fields(row) for row in reader.view("strategy_summary")}
        together = [_fields(row) for row in reader.view("account_summary")]
    if bot is not None:
        check_bot(bot, known, path)
    found = {name: by_bot.get(name, NOTHING) for name in ([bot] if bot else known)}
    total = None if bot else (together or [NOTHING])[0]
    if form == "json":
        exits = [each.as_document() for each in kept]
        told = {
            "bots": found,
            "exits": exits,
            **apart.as_document(),
            "mark": mark,
            "drift": drift,
            "store": shown_path(path),
        }
        print_json(told | ({"all": total} if total else {}))
        return
    _show(found | ({"all": total} if total and len(found) > 1 else {}))
    for place, line in enumerate(kept_lines(kept, is_named=len(found) > 1)):
        (_say_apart if not place else _say_on)(line)
    _tell(apart)
    if drift is not None:
        _say_apart(compared_words(drift))
    _say_store(path, mark)


class _Apart(NamedTuple):
    """Trades, by position, of which sums do not say all. in_error: what they have left, in words; no sum has them."""

    estimated: list[str]
    provisional: list[str]
    in_shares: list[InShares]
    in_error: dict[str, str]

    @classmethod
    def of(cls, reader: StoreReader, bot: str) -> "_Apart":
        """Return those of a bot, or of all."""
        of_bot = {"strategy_id": bot} if bot else {}
        closed = reader.trades(status="CLOSED", **of_bot)
        owing = [str(row["position"]) for row in closed if row["commissions_owed"]]
        in_error = {str(row["position"]): error_text(row) for row in reader.view("trades", status="ERROR", **of_bot)}
        return cls(reader.estimated(bot), owing, read_in_shares(reader, bot), in_error)

    def as_document(self) -> dict[str, Any]:
        """Return them as plain data."""
        in_shares = [each.as_document() for each in self.in_shares]
        sums = {"estimated": self.estimated, "provisional": self.provisional, "in_shares": in_shares}
        return sums | {"in_error": self.in_error}


def _tell(apart: _Apart) -> None:
    for position, words in apart.in_error.items():
        _say_apart(f"in none of the sums: {position}, {words}")
    if apart.estimated:
        count, named = counted(len(apart.estimated), "trade"), ", ".join(apart.estimated)
        _say_apart(f"{count} at a price that nobody has told: the sums have an estimate of {named}")
    if apart.provisional:
        count, named = counted(len(apart.provisional), "trade"), ", ".join(apart.provisional)
        _say_apart(f"{count} whose commissions are not told yet: the sums are provisional for {named}")
    for place, words in enumerate(in_shares_lines(apart.in_shares)):
        if place:
            echo(f" {words}")
        else:
            _say_apart(f"{words}: {', '.join(each.position for each in apart.in_shares)}")


def _say_apart(words: str) -> None:
    """Write a sentence, with an empty line before it."""
    echo("")
    echo(f" {words}")


def _say_on(words: str) -> None:
    echo(f" {words}")


def _say_store(path: Place, mark: str) -> None:
    _say_apart(f"store {shown_path(path)}" + (f"   {mark}" if mark else ""))
    if words := other_version_words(path):
        _say_on(words)


def _by_period(path: Place, bot: str | None, span: str, account: Path | None, form: str) -> None:
    from rulebot.documents.load_bots import account_beside
    from rulebot.narrate.periods import periods

    loaded = None if account is None else account_beside(account, ())
    document = None if loaded is None else loaded.account
    if document is not None and document.live is None:
        raise MisuseError(f"{account} expects nothing: it has no `live`", "see examples/account_limits.yaml")
    with StoreReader(path) as reader:
        if bot is not None:
            check_bot(bot, reader.bots(), path)
        apart = _Apart.of(reader, bot or "")
        expected = () if document is None or document.live is None else document.live.require
        found = periods(reader, span, bot or "", expected)
        mark = reader.run().mark
    if form == "json":
        rows = [{name: getattr(each, name) for name in Period.__dataclass_fields__} for each in found]
        told = {
            "by": span,
            "bot": bot,
            "mark": mark,
            "periods": rows,
            **apart.as_document(),
            "store": shown_path(path),
        }
        print_json(told)
        return
    head = (span, "sessions", "idle", "trades", "won", "average", "net", "drawdown", "alarms")
    table = [(*head, "short") if expected else head]
    table += [(*_period_row(each), *((_short(each),) if expected else ())) for each in found]
    for line in aligned(table, right=frozenset(range(1, len(head)))):
        echo(line)
    if not found:
        print_text(" nothing has run here")
    _tell(apart)
    _say_store(path, mark)


def _period_row(each: Period) -> tuple[str, ...]:
    won = "-" if each.win_rate is None else f"{each.win_rate * 100:.0f} %"
    average = "-" if each.average is None else dollars(each.average)
    counts = (str(each.sessions), str(each.idle), str(each.trades))
    return (each.name, *counts, won, average, dollars(each.net), dollars(each.drawdown), str(each.errors))


def _short(each: Period) -> str:
    return "; ".join(each.short) or ("nothing" if each.trades else "")


def _fields(row: Any) -> dict[str, Any]:
    return {name: round(row[name], 6) if isinstance(row[name], float) else row[name] for name in FIELDS}


def _show(found: dict[str, dict[str, Any]]) -> None:
    if not found:
        print_text(" no bot has run here")
        return
    for place, lines in enumerate(tables(found, terminal_width())):
        print_text("\n".join(["", *lines] if place else lines))


def tables(found: Mapping[str, Mapping[str, Any]], width: int | None) -> Iterator[list[str]]:
    """Yield the sums of some bots, a column each, and of the next ones, so that each table fits where it can.

    width: of the terminal, None where none is: then it is one table.
    """
    names: list[str] = []
    for name in found:
        wider = [*names, name]
        if names and width is not None and max(map(len, _table(found, wider))) > width:
            yield _table(found, names)
            wider = [name]
        names = wider
    yield _table(found, names)


def _table(found: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    rows = [("", *names)] + [(field, *(_cell(field, found[name][field]) for name in names)) for field in FIELDS]
    return aligned(rows, right=frozenset(range(1, len(names) + 1)))


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name in _COUNTS:
        return str(value)
    if name == "win_rate":
        return f"{value * 100:.1f} %"
    return signed(value).lstrip("+")
