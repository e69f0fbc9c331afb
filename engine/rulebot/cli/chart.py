"""`rulebot chart`: a bot's decisions of a day, or one trade, as a list, a drawing, or a script for TradingView."""

from datetime import date
from typing import TYPE_CHECKING, Any

import click

from rulebot.cli.clock import SESSION_DAY, clock_of
from rulebot.cli.numbers import WholeNumber
from rulebot.cli.say import print_text
from rulebot.cli.stores import STORE, check_bot, print_json
from rulebot.cli.width import echo
from rulebot.model.errors import MisuseError
from rulebot.store.latest import chosen_store, naming
from rulebot.store.place import Place

if TYPE_CHECKING:
    from rulebot.chart.chart import Chart


@click.command("chart", short_help="Draw a bot's decisions, also for TradingView.")
@click.argument("bot", required=False)
@click.option("--date", "day", type=SESSION_DAY, metavar="DAY", help="The session (default: the bot's last one).")
@click.option("--trade", type=WholeNumber(1), metavar="N", help="One trade instead, from its entry to its end.")
@click.option("--symbol", metavar="SYMBOL", help="With pine: whose chart it is for (default: what the bot trades).")
@click.option("--store", type=STORE, metavar="STORE", help="The store to read (default: the last run's).")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "pine", "svg", "json"]),
    default="text",
    help="A list, a Pine script, a drawing, or data.",
)
def chart(
    bot: str | None, day: date | None, trade: int | None, symbol: str | None, store: Place | None, form: str
) -> None:
    """Show when and why BOT entered, left, or was refused, with the price of its underlying then.

    With --format pine it is a script for TradingView: paste it into the Pine editor and add it to the chart of that
    underlying, in bars of any length. The page draws the same (docs/web.md).
    """
    path = chosen_store(store)
    found = _gathered(path, bot, day, trade)
    if form in ("pine", "svg") and found.is_empty:
        from rulebot.chart.svg import summary

        raise MisuseError(f"there is nothing to draw: {summary(found)}", "no price was kept, and nothing was decided")
    if form == "pine":
        print_text(_script(found, symbol), nl=False)
    elif symbol is not None:
        raise MisuseError("--symbol says whose chart a Pine script is for: it needs --format pine")
    elif form == "svg":
        from rulebot.chart.svg import chart_svg

        print_text(chart_svg(found, is_alone=True))
    elif form == "json":
        print_json(_document(found))
    else:
        _show(found, trade, naming(path))


def _gathered(path: Place, bot: str | None, day: date | None, trade: int | None) -> "Chart":
    """Return the chart. Raises: MisuseError, StoreError."""
    from rulebot.chart.chart_data import chart_of_day, chart_of_trade
    from rulebot.store.broker_time import broker_now
    from rulebot.store.queries import StoreReader

    if (bot is None) is (trade is None):
        both = "a trade is of one bot: leave the bot out, or --trade"
        message = "name a bot, or a trade with --trade" if bot is None else both
        raise MisuseError(message, "'rulebot list' lists bots")
    with StoreReader(path) as reader:
        if trade is not None:
            if day is not None:
                raise MisuseError("--date is of a bot: a trade has its own dates")
            if (found := chart_of_trade(reader, trade)) is None:
                raise MisuseError(f"there is no trade {trade}")
            return found
        assert bot is not None
        check_bot(bot, reader.bots(), path)
        session = day or reader.last_day(bot, broker_now(reader, clock_of(click.get_current_context()).now()))
        if session is None:
            raise MisuseError(f"{bot} has left no record yet")
        return chart_of_day(reader, bot, session)


def _script(found: "Chart", symbol: str | None) -> str:
    from rulebot.chart.pine import pine_script

    known = [name for name, _ in found.lines]
    if symbol is not None and symbol not in known:
        raise MisuseError(f"{found.bot} decided nothing on '{symbol}'", f"known are {', '.join(known) or 'none'}")
    return pine_script(found, symbol or "")


def _show(found: "Chart", trade: int | None, named_store: str) -> None:
    from rulebot.chart.svg import mark_words, summary

    echo(summary(found))
    for mark in found.marks:
        echo(f"  {'' if found.first == found.last else f'{mark.at.date()} '}{mark_words(mark)}")
    for held in found.held:
        levels = ", ".join(f"{name} {level:.2f}" for name, level in held.levels) or "none with a price"
        echo(f"  trade {held.trade}, {held.structure}: exits {levels}")
    if found.is_empty:
        echo(f"next: rulebot why {found.bot} --date {found.first}{named_store}")
        return
    named = f"{found.bot} --date {found.first}" if trade is None else f"--trade {trade}"
    echo(f"next: rulebot chart {named}{named_store} --format pine")


def _document(found: "Chart") -> dict[str, Any]:
    return {
        "bot": found.bot,
        "from": str(found.first),
        "to": str(found.last),
        "lines": {name: [[at.isoformat(), price] for at, price in points] for name, points in found.lines},
        "marks": [
            {
                "at": mark.at.isoformat(),
                "kind": mark.kind.value,
                "symbol": mark.symbol,
                "price": mark.price,
                "words": mark.words,
                "trade": mark.trade,
                "gain": mark.gain,
            }
            for mark in found.marks
        ],
        "positions": [
            {
                "trade": held.trade,
                "structure": held.structure,
                "entry": held.entry,
                "exit": held.exit,
                "is_debit": held.is_debit,
                "levels": dict(held.levels),
                "costs": [[at.isoformat(), cost] for at, cost in held.points],
            }
            for held in found.held
        ],
    }
