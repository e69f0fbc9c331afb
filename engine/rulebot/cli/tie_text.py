"""What `rulebot store tie` prints: differences first, then what is not ours, then both sums."""

from collections.abc import Iterator
from typing import Any

from rulebot.model.counted import counted
from rulebot.model.printable import printable
from rulebot.statement.difference import Difference, amount, dealt
from rulebot.statement.reconcile import Reconciliation, StatementSum
from rulebot.statement.statement import StatementEvent, StatementExecution


def tie_lines(found: Reconciliation) -> Iterator[str]:
    """Yield the lines of a report; what a file says cannot move the terminal's cursor."""
    yield from map(printable, _lines(found))


def _lines(found: Reconciliation) -> Iterator[str]:
    days = ", ".join(f"{first} to {last}" for first, last in found.periods)
    executions, endings = counted(found.executions, "execution"), counted(found.endings, "ending")
    yield f" statement of {found.account}, {days}: {executions} and {endings} of ours"
    width = max((len(each.what.value) for each in found.differences), default=0)
    yield from (f" {each.what.value.upper():<{width}}  {_words(each)}" for each in found.differences)
    yield from (f" to mend it: {mend}" for mend in dict.fromkeys(each.mend for each in found.differences) if mend)
    yield from (f" not ours: {_traded(told)}" for told in found.strangers)
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
        "not_ours": [_traded(told) for told in found.strangers] + [_ended(event) for event in found.strange_events],
        "accounts_not_compared": list(found.others),
    }


def _words(each: Difference) -> str:
    whose = "  ".join(part for part in (each.bot, each.exec_id, each.contract) if part)
    if each.ours and each.theirs:
        values = f"ours {each.ours}, the statement's {each.theirs}"
    else:
        values = each.ours or each.theirs
    return "  ".join(part for part in (whose, f"{each.name}: {values}") if part)


def _traded(told: StatementExecution) -> str:
    under = f"order reference '{told.ref}'" if told.ref else "no order reference"
    return f"{told.contract.symbol} {dealt(told.signed, told.price, told.day)}, {under}"


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
