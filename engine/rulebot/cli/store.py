"""`rulebot store`: audit what is recorded, back it up, put a backup in place, write files, tie it to a statement."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rulebot.cli.options import DAY, WholeNumber
from rulebot.cli.output import print_text
from rulebot.cli.store_options import STORE, print_json, reads_store
from rulebot.model.errors import MisuseError
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.model.text import counted, printable
from rulebot.statement.flex import StatementEvent, StatementExecution
from rulebot.statement.reconcile import Difference, Reconciliation, StatementSum, amount, dealt
from rulebot.store.place import Place, shown_path
from rulebot.store.queries import StoreReader
from rulebot.store.registry import chosen_store, run_store

if TYPE_CHECKING:
    from rulebot.checks.journal.audit import InvariantResult

MOST = 100_000
"""Dollars beyond any possible fill."""
EXPORTED = ("trades", "orders", "fills", "position_snapshots", "daily_summary")

_FILE = click.Path(dir_okay=False, path_type=Path)
_named_store = click.option(
    "--store", "named", type=STORE, metavar="STORE", help="The store meant (default: the last run's)."
)


def _price(_: click.Context, parameter: click.Parameter, value: str | None) -> Decimal | None:
    """Return dollars and cents, exactly as typed."""
    try:
        found = None if value is None else Decimal(value)
    except ArithmeticError:
        found = Decimal(-1)
    if found is not None and not (found.is_finite() and 0 <= found < MOST):
        raise click.BadParameter(f"'{value}' is no price", param=parameter)
    return found


@click.group("store", short_help="audit, back up, restore, export and tie what was recorded")
def store() -> None:
    """Audit a store, back it up, restore it, export its tables, tie it to the broker's statement."""


@store.command("audit", short_help="Check what must always be true.")
@reads_store
@click.pass_context
def audit(ctx: click.Context, store: Place | None, form: str) -> None:
    """Check that everything that must always be true was true; exit code 1 and the places where it was not."""
    from rulebot.checks.journal.audit import audit_store

    path = chosen_store(store)
    found = audit_store(path)
    if form == "json":
        holds = all(each.holds for each in found)
        results = [_document(each) for each in found]
        is_compared = all(not each.unjudged for each in found)
        print_json({"store": shown_path(path), "holds": holds, "tables_compared": is_compared, "invariants": results})
    else:
        for line in _lines(found):
            print_text(line)
        print_text(f"\n store {shown_path(path)}")
    ctx.exit(0 if all(each.holds for each in found) else 1)


@store.command("backup", short_help="Copy the store, proved sound.")
@click.argument("file", type=_FILE)
@_named_store
def back_up_store(file: Path, named: Place | None) -> None:
    """Write a copy of the store to FILE, also while an engine runs; it is opened and its hash chain checked."""
    from rulebot.store.maintenance import back_up

    path = run_store(named)
    sound = back_up(path, file)
    print_text(f"{shown_path(file)}: {sound.records} records of {shown_path(path)}, the chain is whole")


@store.command("restore", short_help="Put a backup in place.")
@click.argument("file", type=_FILE)
@_named_store
def restore_store(file: Path, named: Place | None) -> None:
    """Put the backup FILE in the store's place; the present store is kept under another name.

    Refused while an engine runs on it, or when the backup is not sound. Trades since the backup are not in it: engines
    enter nothing until 'rulebot resume', and exits continue.
    """
    from rulebot.store.maintenance import restore

    path = run_store(named)
    done = restore(file, path, datetime.now(UTC))
    last = (
        ""
        if done.sound.last is None
        else f", the last of {done.sound.last.astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M:%S} New York"
    )
    print_text(f"{shown_path(path)} is restored: {done.sound.records} records{last}")
    if done.kept is not None:
        print_text(f"what was there before is kept as {shown_path(done.kept)}")
    print_text(
        "what was traded since is not in it: compare it with the account; nothing is entered until 'rulebot resume'"
    )


@store.command("rebuild", short_help="Rebuild the tables from the journal.")
@_named_store
def rebuild_store(named: Place | None) -> None:
    """Rebuild all tables that people read from the journal, which is not changed.

    A store of another version of rulebot then shows this version's figures, as after the next start. Refused while an
    engine runs on it.
    """
    from contextlib import closing

    from rulebot.store.journal import SqlJournal
    from rulebot.store.registry import open_store

    path = run_store(named)
    with closing(SqlJournal(open_store(path))) as journal:
        journal.rebuild()
    print_text(f"{shown_path(path)}: its tables are rebuilt from the journal")


@store.command("correct", short_help="Correct a fill that the broker did not report.")
@click.argument("ref")
@click.argument("price", callback=_price)
@click.option("--leg", default="", help="Which leg, when several are meant.")
@click.option("--commission", callback=_price, help="Dollars of commission that the statement shows next to the price.")
@click.option(
    "--contracts",
    type=WholeNumber(1),
    help="How many were traded before an expiry (default: all of it).",
)
@click.option(
    "--day",
    type=DAY,
    metavar="DAY",
    help="The day of a trade before the expiry (default: that of a day order, else the option's last one).",
)
@click.option("--dry-run", is_flag=True, help="Say what would be recorded, and record nothing.")
@_named_store
def correct_fill(
    ref: str,
    price: Decimal,
    leg: str,
    commission: Decimal | None,
    contracts: int | None,
    day: date | None,
    dry_run: bool,
    named: Place | None,
) -> None:
    """Give the unreported fill of order REF the PRICE (a share) in the account's statement.

    REF is a position that others closed, or the id of an execution where that happened part by part. Three kinds of
    fills can be corrected, while no engine runs on the store: one that was inferred from the account; one before an
    expiry that was never reported, so that the option is booked as expired, settled, assigned or exercised: the trade
    replaces that; and contracts of a position on hold that the account lacks. Earlier records are not changed.
    """
    from rulebot.statement.correct_fill import correct

    at, place = datetime.now(UTC), run_store(named)
    said = correct(
        place, ref, price, leg=leg, commission=commission, contracts=contracts, on=day, at=at, dry_run=dry_run
    )
    print_text(said)


@store.command("export", short_help="Write tables as CSV, JSON or Parquet.")
@click.option("--to", "folder", type=click.Path(file_okay=False, path_type=Path), required=True, help="Where to.")
@_named_store
@click.option("--format", "form", type=click.Choice(["csv", "json", "parquet"]), default="csv", help="Kind of files.")
def export(folder: Path, named: Place | None, form: str) -> None:
    """Write trades, orders, fills, snapshots and daily sums into FOLDER, one file each, all of one instant.

    With them go three sheets for an accountant: executions, settlements and tax lots (docs/export.md).
    """
    from rulebot.store.export import export_sheets

    with StoreReader(chosen_store(named)) as reader:
        pretended = reader.run().pretended
    if pretended:
        print_text(f"{pretended}: it does not belong in an account's books", err=True)
    for path, count in export_sheets(chosen_store(named), folder, EXPORTED, form):
        print_text(f"{shown_path(path)}: {counted(count, 'row')}")


@store.command("tie", short_help="Compare with the broker's statement, to the cent.")
@click.argument("statement", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FLEX.xml")
@reads_store
@click.pass_context
def tie_store(ctx: click.Context, statement: Path, store: Place | None, form: str) -> None:
    """Compare executions, commissions and expiries with an Activity Flex Query of the account, in XML.

    It lists differences, missing entries on either side, and external entries of the account. docs/export.md has the
    fields that the query needs. Exit code: 0 when all match to the cent, 1 when something does not.
    """
    from rulebot.statement.reconcile import reconcile_file

    path = run_store(store)
    with StoreReader(path) as reader:
        if reader.run().mark:
            raise MisuseError(f"{shown_path(path)} was only observed: no statement has any of it")
    found = reconcile_file(path, statement)
    if form == "json":
        print_json({"store": shown_path(path), "statement": shown_path(statement), **tie_document(found)})
    else:
        for line in tie_lines(found):
            print_text(line)
        print_text(f"\n store {shown_path(path)}")
    ctx.exit(0 if found.ties else 1)


def _document(result: "InvariantResult") -> dict[str, Any]:
    first = [
        {"seq": each.seq, "at": None if each.at is None else each.at.isoformat(), "text": each.text}
        for each in result.first
    ]
    return {
        "number": result.number,
        "invariant": result.says,
        "holds": result.holds if result.is_judged else None,
        "unjudged": result.unjudged,
        "violations": result.count,
        "first": first,
    }


def _lines(found: Iterable["InvariantResult"]) -> list[str]:
    lines = []
    for each in found:
        word = "BROKEN" if not each.holds else "holds " if each.is_judged else "not judged"
        lines.append(f" {each.number:>2}  {word}  {each.says}")
        lines += [f"     {each.unjudged}"] * bool(each.unjudged)
        lines += [f"     {_place(one.seq, one.at)}{one.text}" for one in each.first]
        if each.count > len(each.first):
            lines.append(f"     and {each.count - len(each.first)} more")
    return lines


def _place(seq: int, at: Any) -> str:
    """Return the place of an offence: the record's number, and its time."""
    if not seq:
        return ""
    return f"number {seq}: " if at is None else f"number {seq}, {at:%Y-%m-%d %H:%M:%S} UTC: "


# --- What `rulebot store tie` prints


def tie_lines(found: Reconciliation) -> Iterator[str]:
    """Yield the lines of a report; what a file says cannot move the terminal's cursor."""
    yield from map(printable, _tie_lines(found))


def _tie_lines(found: Reconciliation) -> Iterator[str]:
    days = ", ".join(f"{first} to {last}" for first, last in found.periods)
    executions, endings = counted(found.executions, "execution"), counted(found.endings, "ending")
    yield f" statement of {found.account}, {days}: {executions} and {endings} of ours"
    width = max((len(each.what.value) for each in found.differences), default=0)
    yield from (f" {each.what.value.upper():<{width}}  {_words(each)}" for each in found.differences)
    yield from (f" to mend it: {mend}" for mend in dict.fromkeys(each.mend for each in found.differences) if mend)
    yield from (f" not ours: {_traded(reported)}" for reported in found.strangers)
    yield from (f" not ours: {_ended(event)}" for event in found.strange_events)
    yield from (f" not compared: account {account}" for account in found.others)
    yield ""
    yield from _table(found.sums)
    yield ""
    yield " ties to the cent" if found.ties else f" {counted(len(found.differences), 'difference')}"


def tie_document(found: Reconciliation) -> dict[str, Any]:
    """Return the report for machines: amounts are text, exact."""
    return {
        "account": found.account,
        "periods": [[first.isoformat(), last.isoformat()] for first, last in found.periods],
        "executions": found.executions,
        "endings": found.endings,
        "ties": found.ties,
        "differences": [
            {
                "what": each.what.value,
                "name": each.name,
                "exec_id": each.exec_id,
                "bot": each.bot,
                "contract": each.contract,
                "ours": each.ours,
                "statement": each.theirs,
                "mend": each.mend,
            }
            for each in found.differences
        ],
        "sums": {
            each.name: {"ours": _shown(each, each.ours), "statement": _shown(each, each.theirs)} for each in found.sums
        },
        "not_ours": [_traded(reported) for reported in found.strangers]
        + [_ended(event) for event in found.strange_events],
        "accounts_not_compared": list(found.others),
    }


def _words(each: Difference) -> str:
    whose = "  ".join(part for part in (each.bot, each.exec_id, each.contract) if part)
    if each.ours and each.theirs:
        values = f"ours {each.ours}, the statement's {each.theirs}"
    else:
        values = each.ours or each.theirs
    return "  ".join(part for part in (whose, f"{each.name}: {values}") if part)


def _traded(reported: StatementExecution) -> str:
    under = f"order reference '{reported.ref}'" if reported.ref else "no order reference"
    return f"{reported.contract.symbol} {dealt(reported.signed, reported.price, reported.day)}, {under}"


def _ended(event: StatementEvent) -> str:
    return f"{event.contract.symbol} {event.kind} {event.signed:+f} on {event.day}"


def _table(sums: tuple[StatementSum, ...]) -> Iterator[str]:
    rows = [
        ("", "ours", "statement"),
        *((each.name, _shown(each, each.ours), _shown(each, each.theirs)) for each in sums),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for name, ours, theirs in rows:
        yield f" {name:<{widths[0]}}  {ours:>{widths[1]}}  {theirs:>{widths[2]}}"


def _shown(each: StatementSum, value: Any) -> str:
    return f"{value:f}" if each.name == "contracts" else amount(value)
