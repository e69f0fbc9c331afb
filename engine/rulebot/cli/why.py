"""`rulebot why`: why a bot did, or did not, trade; any rule, any minute. Reads what was recorded and judges nothing."""

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, NoReturn

import click

from rulebot.cli.options import CLOCK, SESSION_DAY, WholeNumber, clock_of
from rulebot.cli.output import echo, print_text
from rulebot.cli.store_options import STORE, check_bot, print_json, reads_store
from rulebot.model.errors import MisuseError
from rulebot.model.session import at_exchange_time, is_session
from rulebot.model.text import clock as clock_text
from rulebot.narrate.why import (
    condition_document,
    explanation_document,
    explanation_lines,
    instant_document,
    instant_lines,
    rule_lines,
    selection_lines,
    why_day,
)
from rulebot.record.explain import activity_at, exits_within, history, of_symbol, selection_at, state_at
from rulebot.record.record import Kind, Record
from rulebot.replay.recordings import tapes_of, tapes_of_day
from rulebot.spec.diagnostic import did_you_mean
from rulebot.store.place import Place, shown_path
from rulebot.store.queries import Row, StoreReader, broker_now
from rulebot.store.registry import chosen_store, naming, run_store

if TYPE_CHECKING:
    from rulebot.chart.chart import Chart


@click.command("why", short_help="Say why a bot did, or did not, trade.")
@click.argument("bot")
@click.option("--date", "day", type=SESSION_DAY, metavar="DAY", help="The session (default: the bot's last one).")
@click.option(
    "--at",
    "clock",
    type=CLOCK,
    metavar="HH:MM[:SS]",
    help="The instant, New York time: what it did, and each rule said, then.",
)
@click.option("--rule", help="One rule, or one leg (how its strike was chosen).")
@click.option("--symbol", help="One symbol of a universe.")
@reads_store
def why(
    bot: str,
    day: date | None,
    clock: time | None,
    rule: str | None,
    symbol: str | None,
    store: Place | None,
    form: str,
) -> None:
    """Say whether BOT traded on a day, when it watched, and what it lacked when it came nearest."""
    path = chosen_store(store)
    with StoreReader(path) as reader:
        check_bot(bot, reader.bots(), path)
        last = reader.last_day(bot, broker_now(reader, clock_of(click.get_current_context()).now()))
        session = day or last
        records = reader.day(bot, session) if session else ()
        every = reader.trades(strategy_id=bot)
        if symbol is not None:
            records, every = _of_symbol(records, symbol, every)
        is_story = clock is None and rule is None
        reported = why_day(reader, session, records, every) if session and records and is_story else None
        mark = reader.run().mark
    if session is not None and reported is not None:
        document = explanation_document(bot, session, reported)
        lines = explanation_lines(" ".join(filter(None, (bot, symbol))), session, reported)
    elif session is None or not records:
        document, lines = _unrecorded(bot, session, last)
    elif rule is not None:
        document, lines = _rule(bot, session, records, rule, clock)
    else:
        assert clock is not None  # without it and a rule the day was reported above
        document, lines = _instant(bot, session, clock, records, path)
    _show(document | {"mark": mark}, lines, path, form)


def _unrecorded(bot: str, session: date | None, last: date | None) -> tuple[dict[str, Any], list[str]]:
    """Return that a bot left no record of a session. last: its last one with a record."""
    is_closed = session is not None and not is_session(session)
    cause = "the exchange is closed on that day" if is_closed else "it did not run, or nothing was judged"
    lines = [f"{bot} left no record{f' on {session}' if session else ''}: {cause}."]
    if last not in (None, session):
        lines.append(f"The last day on which it did is {last}.")
    return {"bot": bot, "date": session and str(session), "records": 0}, lines


def _instant(
    bot: str, session: date, clock: time, records: Sequence[Record], path: Place
) -> tuple[dict[str, Any], list[str]]:
    """Return what every rule said at an instant."""
    moment = state_at(records, at_exchange_time(session, clock))
    soon = exits_within(records, moment.at, moment.at.replace(second=59, microsecond=999999))
    recorded = naming(path, lambda: run_store(None)) if tapes_of_day(tapes_of(path), session) else None
    doing = activity_at(records, moment.at)
    return instant_document(bot, moment, doing), instant_lines(bot, moment, soon, recorded, doing)


def _of_symbol(records: Sequence[Record], symbol: str, trades: Sequence[Row]) -> tuple[tuple[Record, ...], list[Row]]:
    """Return the records and trades of a symbol, and the records without one.

    Raises: UsageError when there is no record of it.
    """
    known = sorted({str(record.data["symbol"]) for record in records if _is_judged(record)})
    if symbol not in known:
        hint = did_you_mean(symbol, known) or "known are " + ", ".join(known)
        message = f"no rule of '{symbol}' was judged then; {hint}" if known else "this bot has no universe of symbols"
        raise click.UsageError(message)
    others = {str(row["position"]) for row in trades if row["symbol"] != symbol}
    return of_symbol(records, symbol, others), [row for row in trades if row["symbol"] == symbol]


def _is_judged(record: Record) -> bool:
    return record.kind is Kind.VERDICT and "symbol" in record.data


def _show(document: dict[str, Any], lines: Sequence[str], path: Place, form: str) -> None:
    if form == "json":
        print_json(document | {"store": shown_path(path)})
        return
    mark = f"   {document['mark']}" if document["mark"] else ""
    for line in (*lines, "", f"store {shown_path(path)}{mark}"):
        echo(line)


def _rule(
    bot: str, session: date, records: Sequence[Record], rule: str, clock: time | None
) -> tuple[dict[str, Any], list[str]]:
    """Return how a leg was chosen, or what a rule said: at one instant, or every change of the day."""
    until = at_exchange_time(session, clock) if clock else records[-1].at
    if (selection := selection_at(records, until)) is not None:
        for leg in _legs(selection):
            if leg["name"] == rule:
                return {"bot": bot, "at": selection.at.isoformat(), "leg": leg}, selection_lines(selection.at, leg)
    if clock is not None:
        moment = state_at(records, until)
        changes = tuple(condition for condition in moment.conditions if condition.rule == rule)
    else:
        changes = history(records, rule)
    if not changes:
        _refuse(rule, records, until)
    lines = rule_lines(session, changes)
    return {
        "bot": bot,
        "date": str(session),
        "rule": rule,
        "changes": [condition_document(one) for one in changes],
    }, lines


def _refuse(rule: str, records: Sequence[Record], until: datetime) -> NoReturn:
    """Raise UsageError that says from when on there is something of a rule or leg, or else which there are."""
    legs = {str(leg["name"]) for record in records for leg in _legs(record)}
    known = sorted({condition.rule for condition in state_at(records, records[-1].at).conditions} | legs)
    first = next((record.at for record in records if _is_of(record, rule)), until)
    if first > until:
        raise click.UsageError(f"there is nothing of '{rule}' before {clock_text(first)}")
    hint = did_you_mean(rule, known) or "known are " + ", ".join(known)
    raise click.UsageError(f"no rule '{rule}' was judged then; {hint}")


def _is_of(record: Record, rule: str) -> bool:
    """Say whether a record is an evaluation of a rule, or the selection of a leg of this name."""
    is_evaluation = record.kind is Kind.VERDICT and record.data.get("rule") == rule
    return is_evaluation or any(leg["name"] == rule for leg in _legs(record))


def _legs(record: Record) -> Any:
    """Return the legs of a selection, none of any other record."""
    return (record.data.get("legs") or ()) if record.kind is Kind.SELECTION else ()


# --- `rulebot chart`: a bot's decisions of a day, or one trade, as a list, a drawing, or a script for TradingView


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
        _show_chart(found, trade, naming(path))


def _gathered(path: Place, bot: str | None, day: date | None, trade: int | None) -> "Chart":
    """Return the chart. Raises: MisuseError, StoreError."""
    from rulebot.chart.chart import chart_of_day, chart_of_trade
    from rulebot.store.queries import StoreReader, broker_now

    if (bot is None) is (trade is None):
        both = "a trade has one bot: omit the bot, or --trade"
        message = "name a bot, or a trade with --trade" if bot is None else both
        raise MisuseError(message, "'rulebot list' lists bots")
    with StoreReader(path) as reader:
        if trade is not None:
            if day is not None:
                raise MisuseError("--date needs a bot: a trade has its own dates")
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
    from rulebot.chart.chart import pine_script

    known = [name for name, _ in found.lines]
    if symbol is not None and symbol not in known:
        raise MisuseError(f"{found.bot} decided nothing on '{symbol}'", f"known are {', '.join(known) or 'none'}")
    return pine_script(found, symbol or "")


def _show_chart(found: "Chart", trade: int | None, named_store: str) -> None:
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
