"""What others have closed of ours, as our books have it: a person at the broker's window, or the broker for want of
margin.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from rulebot.checks.against_ledger.books import PREFIX, base_of, signed
from rulebot.checks.against_ledger.day import CheckedDay
from rulebot.fill.book import BY_OTHERS
from rulebot.model.contract import Option
from rulebot.model.event import Request
from rulebot.record.record import Kind
from twsim.exchange.ledger import Row


def closed_by_others(day: CheckedDay) -> Mapping[str, tuple[str, Option]]:
    """Return of which position and contract the executions of others are that are booked to ours, by their base."""
    found = {}
    for record in day.records:
        if record.kind is Kind.FILL and record.data["purpose"] == BY_OTHERS and record.position in day.positions:
            legs = day.positions[record.position].legs
            option = next(leg.option for leg in legs if leg.name == record.data["leg"])
            found[base_of(record.data["exec_id"])] = record.position, option
    return found


class DealtByOthers:
    """Divides what others have dealt among our positions, row after row, as the ledger has it.

    What our books have booked counts to its position. All else counts to the positions that hold the contract then, the
    newest first, as the engine leaves it to them. What they do not hold is the own of others, which they may close.
    """

    def __init__(self, day: CheckedDay) -> None:
        self._booked = closed_by_others(day)
        self._holders: dict[int, list[tuple[str, Option]]] = {}
        for position in reversed(day.positions.values()):
            for leg in position.legs:
                self._holders.setdefault(leg.option.con_id, []).append((position.id, leg.option))
        self._counted: Counter[str] = Counter()
        self._taken: Counter[tuple[str, Option]] = Counter()
        self._own: Counter[int] = Counter()

    def deals_in_ours(self, row: Row) -> bool:
        """Say whether a row is an execution of others in a contract of ours."""
        is_of_others = row["kind"] == "execution" and not str(row.get("order_ref", "")).startswith(PREFIX)
        return is_of_others and (int(str(row["con_id"])) in self._holders or base_of(row["exec_id"]) in self._booked)

    def changes(self, row: Row, held: Callable[[str, Option], int]) -> Iterator[tuple[str, Option, int]]:
        """Yield what the row changes: position, contract, + bought. held: contracts of a position before it, + long."""
        base, con_id = base_of(row["exec_id"]), int(str(row["con_id"]))
        left = signed(row) - self._counted[base]
        self._counted[base] += left
        if base in self._booked:
            yield *self._booked[base], left
            return
        holders = self._holders[con_id]
        for key in reversed(holders):  # what they had closed and have opened again
            count = _within(left, -self._taken[key])
            left -= count
            yield from self._move(key, count)
        own = _within(left, -self._own[con_id])
        self._own[con_id] += own
        left -= own
        for key in holders:
            count = _within(left, -held(*key))
            left -= count
            yield from self._move(key, count)
        self._own[con_id] += left

    def _move(self, key: tuple[str, Option], count: int) -> Iterator[tuple[str, Option, int]]:
        self._taken[key] += count
        if count:
            yield *key, count


def _within(count: int, limit: int) -> int:
    """Return as much of a signed count as lies between 0 and a limit of the same sign."""
    return max(min(count, limit), 0) if limit > 0 else min(max(count, limit), 0)


def left_to_go_on(day: CheckedDay) -> Counter[tuple[str, str]]:
    """Return how many contracts others have closed, by position and leg, of what a person has let go on since.

    What is left of it stands without them because that person wants it so.
    """
    closed: dict[str, tuple[str, str, str, int]] = {}
    let: set[str] = set()
    for record in day.records:
        if record.kind is Kind.FILL and record.data["purpose"] == BY_OTHERS:
            base = base_of(record.data["exec_id"])
            closed[base] = record.bot, record.position, str(record.data["leg"]), int(str(record.data["quantity"]))
        elif record.kind is Kind.OPERATOR and record.data["request"] == Request.RESUME.value:
            let |= {base for base, (bot, *_) in closed.items() if record.data["bot"] in ("", bot)}
    found: Counter[tuple[str, str]] = Counter()
    for base in let:
        _, position, leg, count = closed[base]
        found[position, leg] += count
    return found
