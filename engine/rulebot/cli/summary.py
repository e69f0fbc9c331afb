"""`rulebot summary`: what the closed trades of a store add up to, by bot and together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from rulebot.cli.options import WholeNumber
from rulebot.cli.output import echo, print_text, terminal_width
from rulebot.cli.store_options import check_bot, other_version_words, print_json, reads_store
from rulebot.model.errors import MisuseError
from rulebot.model.money import dollars, signed_dollars
from rulebot.model.text import aligned, counted, whole_percent
from rulebot.narrate.periods import Period
from rulebot.narrate.trades import InShares, error_text, in_shares_lines, kept_lines, read_in_shares, read_profit_kept
from rulebot.store.place import Place, shown_path
from rulebot.store.queries import StoreReader
from rulebot.store.registry import chosen_store

if TYPE_CHECKING:
    from rulebot.compare.shadow_comparison import Compared, Side
    from rulebot.spec.nouns import Demand

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
@click.option("--compare", "compares", is_flag=True, help="Compare with the shadows of 'rulebot run --shadow'.")
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

    With --by month each month is a line: sessions, those without a trade, win rate, average, drawdown, alarms, and
    shortfalls against the account document, by bot.

    With --compare each bot is beside its shadow: entries, fills against mid, results, and which decisions differed by
    which rule first.

    Amounts are dollars: gross before commissions, net after them. A trade that was assigned or exercised counts with
    its shares, at their official settlement price. A trade counts whole, on the day on which its last leg of value was
    closed. A win is a trade with a profit after commissions; max_drawdown is the deepest fall of the summed net profit
    below its best so far. Below the sums each exit says what it promised and kept, and its slippage in dollars per
    contract: "target 50 %: kept 51 %, at least 50 %, n 31".
    """
    path = chosen_store(store)
    if sessions is not None and not compares:
        raise click.UsageError("--sessions is for --compare")
    if compares and (span is not None or account is not None):
        raise click.UsageError("--compare has neither --by nor --account")
    if not compares and account is not None and span is None:
        raise click.UsageError("--account is compared with periods: say --by day, week or month")
    if compares:
        show_compared(path, bot, sessions, form)
    elif span is not None:
        _by_period(path, bot, span, account, form)
    else:
        _sums(path, bot, form)


def _sums(path: Place, bot: str | None, form: str) -> None:
    """Show the sums of a bot, or of each and all together."""
    from rulebot.narrate.periods import compared_words, last_compared

    with StoreReader(path) as reader:
        known, mark = reader.bots(), reader.run().mark
        drift = last_compared(reader)
        apart = _Apart.of(reader, bot or "")
        kept = read_profit_kept(reader, bot or "")
        by_bot = {str(row["strategy_id"]): _fields(row) for row in reader.view("strategy_summary")}
        together = [*map(_fields, reader.view("account_summary")), NOTHING]
    if bot is not None:
        check_bot(bot, known, path)
    found = {name: by_bot.get(name, NOTHING) for name in ([bot] if bot else known)}
    total = {} if bot else {"all": together[0]}
    if form == "json":
        exits = [each.as_document() for each in kept]
        reported = {"bots": found, "exits": exits, **apart.as_document(), "mark": mark, "drift": drift}
        print_json(reported | {"store": shown_path(path)} | total)
        return
    _show(found | (total if len(found) > 1 else {}))
    _say_apart(*kept_lines(kept, is_named=len(found) > 1))
    _notify(apart)
    if drift is not None:
        _say_apart(compared_words(drift))
    _say_store(path, mark)


class _Apart(NamedTuple):
    """Trades, by position, that sums describe incompletely. in_error: their rest, in words; no sum has them."""

    estimated: list[str]
    provisional: list[str]
    in_shares: list[InShares]
    in_error: dict[str, str]

    @classmethod
    def of(cls, reader: StoreReader, bot: str) -> "_Apart":
        """Return those of a bot, or of all."""
        of_bot = {"strategy_id": bot} if bot else {}
        closed = reader.trades(status="CLOSED", **of_bot)
        owing = [str(row["position"]) for row in closed if row["pending_commissions"]]
        in_error = {str(row["position"]): error_text(row) for row in reader.view("trades", status="ERROR", **of_bot)}
        return cls(reader.estimated(bot), owing, read_in_shares(reader, bot), in_error)

    def as_document(self) -> dict[str, Any]:
        """Return them as plain data."""
        in_shares = [each.as_document() for each in self.in_shares]
        sums = {"estimated": self.estimated, "provisional": self.provisional, "in_shares": in_shares}
        return sums | {"in_error": self.in_error}


def _notify(apart: _Apart) -> None:
    for position, words in apart.in_error.items():
        _say_apart(f"in none of the sums: {position}, {words}")
    if apart.estimated:
        count, named = counted(len(apart.estimated), "trade"), ", ".join(apart.estimated)
        _say_apart(f"{count} at an unknown price: the sums have an estimate of {named}")
    if apart.provisional:
        count, named = counted(len(apart.provisional), "trade"), ", ".join(apart.provisional)
        _say_apart(f"{count} without all commissions: the sums are provisional for {named}")
    if apart.in_shares:
        first, *more = in_shares_lines(apart.in_shares)
        _say_apart(f"{first}: {', '.join(each.position for each in apart.in_shares)}", *more)


def _say_apart(*sentences: str) -> None:
    """Write sentences, if there are any, with an empty line before the first."""
    if sentences:
        echo("")
    for words in sentences:
        echo(f" {words}")


def _say_store(path: Place, mark: str) -> None:
    _say_apart(f"store {shown_path(path)}" + (f"   {mark}" if mark else ""), *filter(None, [other_version_words(path)]))


def _by_period(path: Place, bot: str | None, span: str, account: Path | None, form: str) -> None:
    from rulebot.narrate.periods import periods

    expected = () if account is None else _expected(account)
    with StoreReader(path) as reader:
        if bot is not None:
            check_bot(bot, reader.bots(), path)
        apart = _Apart.of(reader, bot or "")
        found = periods(reader, span, bot or "", expected)
        mark = reader.run().mark
    if form == "json":
        rows = [{name: getattr(each, name) for name in Period.__dataclass_fields__} for each in found]
        reported = {"by": span, "bot": bot, "mark": mark, "periods": rows}
        print_json({**reported, **apart.as_document(), "store": shown_path(path)})
        return
    head = (span, "sessions", "idle", "trades", "won", "average", "net", "drawdown", "alarms")
    table = [(*head, "short") if expected else head]
    table += [(*_period_row(each), *((_short(each),) if expected else ())) for each in found]
    for line in aligned(table, right=frozenset(range(1, len(head)))):
        echo(line)
    if not found:
        print_text(" nothing has run here")
    _notify(apart)
    _say_store(path, mark)


def _expected(account: Path) -> "tuple[Demand, ...]":
    """Return what an account document requires of live bots. Raises: MisuseError when it requires nothing."""
    from rulebot.documents.load_bots import account_file_near

    loaded = account_file_near(account, ())
    document = None if loaded is None else loaded.account
    if document is None:
        return ()
    if document.live is None:
        raise MisuseError(f"{account} expects nothing: it has no `live`", "see examples/account_limits.yaml")
    return document.live.require


def _period_row(each: Period) -> tuple[str, ...]:
    average = "-" if each.average is None else dollars(each.average)
    counts = (str(each.sessions), str(each.idle), str(each.trades), whole_percent(each.win_rate))
    return (each.name, *counts, average, dollars(each.net), dollars(each.drawdown), str(each.errors))


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
    return signed_dollars(value).lstrip("+")


# --- `rulebot summary --compare`: bots and their shadows side by side

_ROWS = (
    ("entries", "entries"),
    ("not filled", "unfilled"),
    ("closed", "closed"),
    ("won", "wins"),
    ("without all commissions", "outstanding"),
    ("at an unknown price", "estimated"),
    ("that ended in shares", "in_shares"),
    ("still open", "still_open"),
    ("entered where one ran alone, not counted", "entered_alone"),
    ("entry against mid", "entry_to_mid"),
    ("exit against mid", "exit_to_mid"),
    ("commissions", "commissions"),
    ("net", "net"),
    ("of that, made by shares", "beside_market"),
    ("a trade", "average"),
    ("a month of 21 sessions", "month"),
)
_SELDOM = frozenset(("outstanding", "estimated", "in_shares", "beside_market", "entered_alone"))
"""Rows that are hidden where both sides have 0."""
SHOWN = 8
"""Letters of a digest that are shown."""
_POINTS = ("entry_to_mid", "exit_to_mid")


def show_compared(path: Place, bot: str | None, sessions: int | None, form: str) -> None:
    """Print how each bot of a store compares with its shadow. Raises: MisuseError when it has none, StoreError."""
    from rulebot.cli.run_modes import shadow_store
    from rulebot.compare.shadow_comparison import compare
    from rulebot.store.queries import StoreReader
    from rulebot.store.registry import is_there

    beside = shadow_store(path)
    if not is_there(beside):
        raise MisuseError(
            f"{shown_path(path)} has no shadows: {shown_path(beside)} is not there",
            "'rulebot run ... --shadow SPEC' runs a new version next to a bot",
        )
    with StoreReader(path) as live, StoreReader(beside) as shadow:
        mark = shadow.run().mark
        known = sorted(set(live.bots()) & set(shadow.bots()))
        if bot is not None:
            check_bot(bot, known, beside)
        found = compare(live, shadow, [bot] if bot else known, sessions)
    if form == "json":
        documents = [asdict(each) for each in found]
        print_json({"bots": documents, "mark": mark, "store": shown_path(path), "shadows": shown_path(beside)})
        return
    for each in found:
        for line in _lines(each):
            echo(line)
    echo(f" store {shown_path(path)}")
    echo(f" the shadows' {shown_path(beside)}   {mark}")


def _lines(found: "Compared") -> Iterator[str]:
    days = found.sessions
    count = counted(len(days), "session")
    over = f", {days[0]} to {days[-1]}" if len(days) > 1 else f", {days[0]}" if days else " of both yet"
    yield f" {found.bot} over {count}{over}" + ("; both run the same text" if found.is_same_text else "")
    yield ""
    from rulebot.cli.run_modes import ENDING

    table = [("", found.bot, f"{found.bot}{ENDING}")]
    sides = found.live, found.shadow
    reported = [row for row in _ROWS if row[1] not in _SELDOM or any(getattr(side, row[1]) != 0 for side in sides)]
    table += [(words, _compared_cell(found.live, name), _compared_cell(found.shadow, name)) for words, name in reported]
    yield from aligned(table, right=frozenset((1, 2)), indent="   ")
    yield ""
    if len(found.texts) > 1:
        yield "   texts were changed in between, and the figures cover all of them; --sessions N takes the last N"
        yield from aligned(list(_texts(found)), indent="   ")
        yield ""
    if len(found.fills) > 1:
        filled = f"   the shadow's orders filled by {', then '.join(found.fills)}"
        yield f"{filled}; the figures cover all of them; --sessions N takes the last N"
        yield ""
    if not found.differences:
        yield "   no decision differed"
    else:
        yield "   what differed, and the first rule that did"
        head = ("at", "what", "live", "shadow", "rule", "because")
        rows = [
            (f"{each.date} {each.clock}", each.what, each.live, each.shadow, each.rule or "-", each.why)
            for each in found.differences
        ]
        yield from _reported([head, *rows])
    yield ""


def _reported(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield a table whose last column is a sentence: it goes below its row in a narrow terminal."""
    whole, width = aligned(rows, indent="   "), terminal_width()
    if width is None or max(map(len, whole)) <= width:
        yield from whole
        return
    head, *others = aligned([row[:-1] for row in rows], indent="   ")
    yield head
    for line, row in zip(others, rows[1:], strict=True):
        yield line
        yield f"     {row[-1]}"


def _texts(found: "Compared") -> Iterator[tuple[str, ...]]:
    """Yield which texts ran on each side from when to when, and where the two changed places."""
    from rulebot.cli.run_modes import ENDING

    yield ("sessions", found.bot, f"{found.bot}{ENDING}", "")
    for before, each in zip((None, *found.texts), found.texts, strict=False):
        span = f"{each.first} to {each.last}" if each.last > each.first else f"{each.first}"
        is_swap = before is not None and (each.live, each.shadow) == (before.shadow, before.live)
        words = "the two changed places" if is_swap else "the same text" if each.live == each.shadow else ""
        yield (span, _named(each.live), _named(each.shadow), words)


def _named(digests: Sequence[str]) -> str:
    return ", then ".join(digest[:SHOWN] or "none" for digest in digests) or "none"


def _compared_cell(side: "Side", name: str) -> str:
    value: Any = getattr(side, name)
    if value is None:
        return "-"
    if name in _POINTS:
        return f"{value:+.3f}"
    return str(value) if isinstance(value, int) else signed_dollars(value).lstrip("+")
