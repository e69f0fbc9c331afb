"""Every string that a start reads is declared as a text for people or as a name, and no decision reads a text."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import is_dataclass
from decimal import Decimal, InvalidOperation
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import pytest
from hand_desk import Desk
from store_day import at, entity, small_day

from rulebot.core.state.state import AccountSeen, NearestMiss
from rulebot.decide.entry_window import BotDay
from rulebot.model.cause import Cause, Reader
from rulebot.model.event import Request
from rulebot.model.order import Order
from rulebot.model.position import Position
from rulebot.record.codec import decode
from rulebot.record.record import NAMED, NAMES, TEXTS, Kind, Record, hints_of, is_text, rotate_text, scrambled
from rulebot.recovery.resume import RESUMED

ENGINE = Path(__file__).parents[3] / "engine" / "rulebot"
PERSISTED = (Order, Position, BotDay, NearestMiss, AccountSeen)
DECIDING = ("core", "decide", "order", "fill")
START_UP = (
    "recovery/resume.py",
    "live/start.py",
    "live/loop.py",
    "process/connection_state.py",
)
READING = frozenset(
    ("startswith", "endswith", "split", "rsplit", "partition", "rpartition", "removeprefix", "removesuffix", "find")
)


# ---------------------------------------------------------------- declared


def strings_of(kind: Any, seen: set[Any], path: str = "") -> Iterator[str]:
    """Yield the fields of a type, and of the types in it, that are strings and not declared."""
    if get_origin(kind) is Annotated or (isinstance(kind, type) and issubclass(kind, Enum)):
        return
    if kind is str:
        yield path
    for inner in get_args(kind):
        yield from strings_of(inner, seen, path)
    if isinstance(kind, type) and kind not in seen and (hints := hints_of(kind)):
        seen.add(kind)
        for name, hint in hints.items():
            yield from strings_of(hint, seen, f"{kind.__name__}.{name}")


@pytest.mark.parametrize("kind", PERSISTED)
def test_each_string_that_survives_a_restart_is_a_text_or_a_name(kind: type) -> None:
    assert list(strings_of(kind, set())) == []


def test_a_field_that_is_not_declared_is_found() -> None:
    assert list(strings_of(tuple[str, ...], set(), "x")) == ["x"]


def test_the_texts_of_a_bots_day_are_those_that_record_knows_by_their_keys() -> None:
    members = next(hint for name, hint in hints_of(BotDay).items() if name == "members")
    of_day = {name for name, hint in hints_of(BotDay).items() if is_text(hint)}
    of_member = {name for name, hint in hints_of(get_args(members)[0]).items() if is_text(hint)}
    assert of_day | of_member == TEXTS[Kind.BOT_DAY]


def keys_with_strings(data: Any) -> Iterator[str]:
    return (key for key, value in data.items() if any(map(is_wording, strings_in(value))))


def strings_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    inner: Iterable[Any] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        yield from strings_in(each)


def is_wording(value: str) -> bool:
    try:
        Decimal(value)
    except InvalidOperation:
        return bool(value)
    return False


def a_day_of_faults() -> list[Record]:
    desk = Desk()
    order = desk.enter()
    desk.message(order, 202, "Order Canceled - reason:No market price")
    desk.unlink()
    desk.link()
    desk.start_again()
    desk.ask(Request.KILL)
    return [*small_day(), *desk.records]


def test_each_string_in_a_record_that_a_start_reads_is_a_text_or_a_name() -> None:
    declared = {kind: TEXTS.get(kind, frozenset()) | NAMES[kind] for kind in RESUMED if kind in NAMES}
    found = {
        (record.kind.value, key)
        for record in a_day_of_faults()
        if record.kind in declared
        for key in keys_with_strings(record.data)
        if key not in declared[record.kind]
    }
    assert found == set()


# ---------------------------------------------------------------- scrambled


def test_a_scrambled_order_keeps_its_names_and_codes_and_reports_nothing_to_people() -> None:
    known = next(decode(Order, dict(each.data)) for each in small_day() if each.kind is Kind.ORDER)
    order = known.for_cause(Cause.ENTRY_FILLED_LATE, "rb:k3xq7:000001", "its day is full")
    found = decode(Order, dict(scrambled(entity(Kind.ORDER, at("10:00"), order)).data))
    assert (found.ref, found.cause, found.about, found.bot) == (order.ref, order.cause, order.about, order.bot)
    assert (found.detail, rotate_text(found.detail)) == ("vgf qnl vf shyy", order.detail)


def test_the_reason_of_a_decision_is_scrambled_where_it_is_a_sentence() -> None:
    def decided(what: str) -> Record:
        return Record(at("10:00"), Kind.DECISION, data={"what": what, "reason": "target"})

    assert {what: scrambled(decided(what)).data["reason"] for what in ("exit", "skip")} == {
        "exit": "target",
        "skip": "gnetrg",
    }
    assert "halt" not in NAMED


# ---------------------------------------------------------------- not read


def text_fields() -> frozenset[str]:
    """Return the names of the fields of persisted types that are texts, and the properties made of them."""
    found: set[str] = {"message", "why", "said", "let_be", "words"}
    seen: set[Any] = set()
    for kind in PERSISTED:
        _collect(kind, seen, found)
    return frozenset(found - {"text"}) | {"brief"}


def _collect(kind: Any, seen: set[Any], found: set[str]) -> None:
    for inner in get_args(kind):
        _collect(inner, seen, found)
    if isinstance(kind, type) and kind not in seen and (is_dataclass(kind) or hasattr(kind, "_fields")):
        seen.add(kind)
        for name, hint in hints_of(kind).items():
            if is_text(hint):
                found.add(name)
            _collect(hint, seen, found)


def readings(source: str, texts: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Yield where a decision reads a text: it compares it, looks into it or takes it apart."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            sides = (node.left, *node.comparators)
            if any(_is_text(side, texts) for side in sides) and not any(map(_is_empty, sides)):
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Call) and _takes_apart(node.func, texts):
            yield node.lineno, ast.unparse(node)


def _takes_apart(function: ast.AST, texts: frozenset[str]) -> bool:
    return isinstance(function, ast.Attribute) and function.attr in READING and _is_text(function.value, texts)


def _is_text(node: ast.AST, texts: frozenset[str]) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in texts


def _is_empty(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value in ("", None)


def deciding_files() -> list[Path]:
    rooms = (path for room in DECIDING for path in sorted((ENGINE / room).rglob("*.py")))
    return [*rooms, *(ENGINE / name for name in START_UP)]


@pytest.mark.parametrize("path", deciding_files(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_no_decision_reads_a_text_for_people(path: Path) -> None:
    assert list(readings(path.read_text(encoding="utf-8"), text_fields())) == []


@pytest.mark.parametrize(
    "source",
    [
        'order.message.startswith("202")',
        'order.detail == "x"',
        '"x" in position.on_hold',
        'day.halted.partition(": ")',
        'order.why in ("a", "b")',
    ],
)
def test_a_decision_that_reads_a_text_is_found(source: str) -> None:
    assert list(readings(source, text_fields())) == [(1, source.replace('"', "'"))]


def test_texts_are_declared_at_all() -> None:
    assert {"on_hold", "detail", "halted", "skipped", "decided", "unprotected"} <= text_fields()
    assert Reader.PEOPLE is not Reader.RULEBOT
