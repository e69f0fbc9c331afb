"""`rulebot enter`: have a bot enter at once, also a row of a scan; what is meant is shown and asked about first."""

from collections.abc import Mapping
from typing import Any

import click

from rulebot.cli.numbers import WholeNumber
from rulebot.cli.stores import STORE
from rulebot.cli.width import echo
from rulebot.store.place import Place


@click.command()
@click.argument("bot")
@click.argument("symbol", required=False, default="")
@click.option(
    "--alternative", default="", metavar="NAME", help="Which alternative, where the scan has several of SYMBOL."
)
@click.option("--scan", type=WholeNumber(1), metavar="N", help="Of this scan (default: the last one).")
@click.option("--yes", is_flag=True, help="Do not ask whether it is meant.")
@click.option(
    "--store",
    type=STORE,
    metavar="STORE",
    help="The store of the engine that is meant (default: of the one that runs).",
)
def enter(bot: str, symbol: str, alternative: str, scan: int | None, yes: bool, store: Place | None) -> None:
    """Have BOT enter at once, whatever its window and its conditions say; its limits and those of the account hold.

    With SYMBOL it enters what the last scan has in the row of this symbol: those legs and no others. If quotes have
    moved so that a limit refuses them, nothing is entered, and 'rulebot why BOT' says which limit. The engine must run.
    """
    from rulebot.model.errors import MisuseError
    from rulebot.model.event import Request
    from rulebot.narrate import asking_words
    from rulebot.operator.requests import leave
    from rulebot.operator.scan_row_entry import check_world, kept_scan, named_of
    from rulebot.store.latest import engine_store
    from rulebot.store.queries import StoreReader
    from rulebot.store.scans import scans_file

    found = engine_store(store)
    named, words = None, asking_words.enter(bot)
    if symbol:
        head = kept_scan(scans_file(), scan or 0)
        if head is None:
            raise MisuseError("nothing was scanned yet", "'rulebot scan SPEC' does")
        row = _row(head, bot, symbol, alternative)
        with StoreReader(found) as reader:
            check_world(head, reader.run())
        named, words = named_of(row), _words(bot, row, head)
    elif scan or alternative:
        raise click.UsageError("--scan and --alternative say which row of SYMBOL is meant: name the symbol too")
    echo(words)
    if not yes and not click.confirm("Enter?"):
        echo("nothing was asked for")
        return
    echo(leave(found, Request.ENTER, bot, named=named).message)


def _row(head: Mapping[str, Any], bot: str, symbol: str, alternative: str) -> Mapping[str, Any]:
    """Return the best row of a bot and symbol in a scan, of an alternative if one is named. Raises: MisuseError."""
    from rulebot.model.errors import MisuseError
    from rulebot.operator.scan_row_entry import SCAN_AGAIN, rows_of_bot
    from rulebot.store.scans import scans_file

    rows = rows_of_bot(scans_file(), head, bot, symbol)
    fitting = [each for each in rows if not alternative or each["alternative"] == alternative]
    if not fitting:
        others = ", ".join(dict.fromkeys(each["alternative"] for each in rows if each["alternative"]))
        which = f"{symbol} {alternative}".rstrip()
        help = f"its rows of {symbol} are of {others}" if others else SCAN_AGAIN
        raise MisuseError(f"scan {head['id']} has no row of {bot} for {which}", help)
    return fitting[0]


def _words(bot: str, row: Mapping[str, Any], head: Mapping[str, Any]) -> str:
    """Return what is to be entered, as it was when it was scanned, in one sentence a line."""
    from rulebot.model.session import EXCHANGE_ZONE
    from rulebot.narrate import asking_words
    from rulebot.record.codec import utc_time

    name = asking_words.structure_name(row["symbol"], row["structure"], [row["expiry"] or ""])
    price, at = row["price"], utc_time(head["at"]).astimezone(EXCHANGE_ZONE)
    side = "" if price is None else f" for a {'credit' if price > 0 else 'debit'} of {abs(price):.2f}"
    seen = f"Scan {head['id']} at {at:%Y-%m-%d %H:%M} New York: {name}{side}."
    lacking = "" if row["holds"] else f"\nIts conditions did not all hold then: {row['why']}."
    return f"{seen}{lacking}\n{asking_words.enter_row(bot, name)}"
