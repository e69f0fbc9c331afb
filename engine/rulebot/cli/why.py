"""`rulebot why`: why a bot did, or did not, trade; any rule, any minute. Reads what was recorded and judges nothing."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, time
from typing import Any, NoReturn

import click

from rulebot.cli.clock import CLOCK, SESSION_DAY, clock_of
from rulebot.cli.stores import check_bot, print_json, reads_store
from rulebot.cli.width import echo
from rulebot.model.session import at_exchange_time, is_session
from rulebot.narrate.explain_day import why_day
from rulebot.narrate.explain_text import (
    condition_document,
    explanation_document,
    explanation_lines,
    instant_document,
    instant_lines,
    rule_lines,
    selection_lines,
)
from rulebot.narrate.text_table import clock as clock_text
from rulebot.record.doing import activity_at
from rulebot.record.explain import exits_within, history, of_symbol, selection_at, state_at
from rulebot.record.record import Kind, Record
from rulebot.replay.recordings import tapes_of, tapes_of_day
from rulebot.spec.suggest import did_you_mean
from rulebot.store.broker_time import broker_now
from rulebot.store.latest import chosen_store, naming, run_store
from rulebot.store.place import Place, shown_path
from rulebot.store.queries import StoreReader


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
            others = {str(row["position"]) for row in every if row["symbol"] != symbol}
            records = _of_symbol(records, symbol, others)
            every = [row for row in every if row["symbol"] == symbol]
        is_story = clock is None and rule is None
        told = why_day(reader, session, records, every) if session and records and is_story else None
        mark = reader.run().mark
    document: dict[str, Any]
    if session is not None and told is not None:
        document = explanation_document(bot, session, told)
        lines = explanation_lines(" ".join(filter(None, (bot, symbol))), session, told)
    elif session is None or not records:
        document = {"bot": bot, "date": session and str(session), "records": 0}
        is_closed = session is not None and not is_session(session)
        cause = "the exchange is closed on that day" if is_closed else "it did not run, or nothing was judged"
        lines = [f"{bot} left no record{f' on {session}' if session else ''}: {cause}."]
        lines += [f"The last day on which it did is {last}."] if last is not None and last != session else []
    elif rule is not None:
        document, lines = _rule(bot, session, records, rule, clock)
    else:
        assert clock is not None  # without it and a rule the day was told above
        moment = state_at(records, at_exchange_time(session, clock))
        soon = exits_within(records, moment.at, moment.at.replace(second=59, microsecond=999999))
        recorded = naming(path, lambda: run_store(None)) if tapes_of_day(tapes_of(path), session) else None
        doing = activity_at(records, moment.at)
        document = instant_document(bot, moment, doing)
        lines = instant_lines(bot, moment, soon, recorded, doing)
    _show(document | {"mark": mark}, lines, path, form)


def _of_symbol(records: Sequence[Record], symbol: str, others: Collection[str]) -> tuple[Record, ...]:
    """Return the records without those of other symbols, and of the positions `others`.

    Raises: UsageError when there is no verdict of this one.
    """
    known = sorted({str(record.data["symbol"]) for record in records if _is_judged(record)})
    if symbol not in known:
        hint = did_you_mean(symbol, known) or "known are " + ", ".join(known)
        message = f"no rule of '{symbol}' was judged then; {hint}" if known else "this bot has no universe of symbols"
        raise click.UsageError(message)
    return of_symbol(records, symbol, others)


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
    """Say whether a record is a verdict of a rule, or how a leg of this name was chosen."""
    is_verdict = record.kind is Kind.VERDICT and record.data.get("rule") == rule
    return is_verdict or any(leg["name"] == rule for leg in _legs(record))


def _legs(record: Record) -> Any:
    """Return the legs of a selection, none of any other record."""
    return (record.data.get("legs") or ()) if record.kind is Kind.SELECTION else ()
