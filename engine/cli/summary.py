"""`rulebot summary`: what the closed trades of a store add up to, by bot and together."""

from typing import Any

import click

from engine.cli.stores import check_bot, print_json, reads_store, shown_path
from engine.run.columns import aligned, signed
from engine.store.latest import chosen_store
from engine.store.place import Place
from engine.store.queries import StoreReader

_COUNTS = ("total_trades", "wins", "losses")
_MONEY = ("gross_pnl", "total_commission", "net_pnl", "avg_pnl", "max_win", "max_loss", "max_drawdown")
FIELDS = (*_COUNTS, "win_rate", *_MONEY)
NOTHING: dict[str, Any] = (
    dict.fromkeys(_COUNTS, 0) | {"win_rate": None} | dict.fromkeys(_MONEY, 0.0) | {"avg_pnl": None}
)


@click.command("summary", short_help="Sum up the closed trades.")
@click.argument("bot", required=False)
@reads_store
def summary(bot: str | None, store: Place | None, form: str) -> None:
    """Sum up the closed trades of BOT, or of every bot and all together.

    A win is a trade with a profit after commissions; max_drawdown is the deepest fall of the summed net profit below
    its best so far.
    """
    path = chosen_store(store)
    with StoreReader(path) as reader:
        known = reader.bots()
        by_bot = {str(row["strategy_id"]): _fields(row) for row in reader.view("strategy_summary")}
        together = [_fields(row) for row in reader.view("account_summary")]
    if bot is not None:
        check_bot(bot, known, path)
    found = {name: by_bot.get(name, NOTHING) for name in ([bot] if bot else known)}
    total = None if bot else (together or [NOTHING])[0]
    if form == "json":
        print_json({"bots": found, "store": shown_path(path)} | ({"all": total} if total else {}))
        return
    _show(found | ({"all": total} if total and len(found) > 1 else {}))
    click.echo(f"\n store {shown_path(path)}")


def _fields(row: Any) -> dict[str, Any]:
    return {name: round(row[name], 6) if isinstance(row[name], float) else row[name] for name in FIELDS}


def _show(found: dict[str, dict[str, Any]]) -> None:
    if not found:
        click.echo(" no bot has run here")
        return
    table = [("", *found)] + [(name, *(_cell(name, one[name]) for one in found.values())) for name in FIELDS]
    for line in aligned(table, right=frozenset(range(1, len(found) + 1))):
        click.echo(line)


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name in _COUNTS:
        return str(value)
    if name == "win_rate":
        return f"{value * 100:.1f} %"
    return signed(value).lstrip("+")
